"""Exports nets with one fault each and prints, as JSON, what the searches for the layer say. A script: tests import no Paddle."""

import json
import sys
import tempfile
import zlib  # noqa: F401 - before Paddle 2.6.2, or zlib.compress dies of SIGSEGV
from pathlib import Path

import nets
import numpy as np
import paddle

from pytest_paddle_infer.bench import Bench, RunOptions
from pytest_paddle_infer.diagnosis.finding import Deadline
from pytest_paddle_infer.engine.export import ExportService
from pytest_paddle_infer.engine.model import LoadedModel, load_model
from pytest_paddle_infer.exports import ExportedModel
from pytest_paddle_infer.layer_search import first_not_finite, locate_in_graph, locate_in_variant
from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.progress import Progress
from pytest_paddle_infer.sampling import as_samples

HERE = Path(tempfile.mkdtemp(dir=sys.argv[1]))
ANSWERS = {}


class Exports(ExportService):
    """Exports what the model's layer becomes in this process; whether its parameters are the model's is no question here."""

    def __init__(self, model, change):
        super().__init__(model)
        change(model.layer)

    def save(self, directory):
        specs = [paddle.static.InputSpec([-1, *spec.shape[1:]], spec.dtype, name=spec.name) for spec in self._model.inputs]
        paddle.jit.save(self._model.layer, f"{directory}/inference", input_spec=specs)


def make(kind, shape, **kwargs):
    def factory():
        paddle.seed(3)
        return kind(**kwargs)

    spec = ModelSpec("net", factory=factory, weights="factory", softmax="no", input_spec=[(None, *shape)], preprocess=lambda x: x)
    samples = as_samples([np.random.RandomState(0).randn(1, *shape).astype("float32")])
    model = load_model(spec, samples, HERE, 1)
    return Bench(spec, samples, model, RunOptions(HERE, HERE, HERE, timeout=60.0), Progress())


def exported(bench, change, kind=None, **kwargs):
    """An export by another class, or by other keywords, or after a change, with the same weights."""
    model = bench.model
    if kind is not None:
        layer = kind(**kwargs)
        layer.set_state_dict(model.layer.state_dict())
        layer.eval()
        model = LoadedModel(model.spec, layer, model.inputs, False, "")
    directory = tempfile.mkdtemp(dir=HERE)
    worker = bench.worker("export", lambda: Exports(model, change))
    worker.call("export", "save", directory, timeout=60)
    worker.close()
    return ExportedModel(Path(directory), given=True)


def told(search):
    finding = search.as_finding("export")
    return {
        "cause": finding.cause if finding else "",
        "kind": finding.kind if finding else "",
        "name": finding.name if finding else "",
        "certain": bool(finding and finding.certain),
        "between": search.finding.name if search.finding and search.finding.layer is None else "",
        "unmatched": list(search.unmatched),
        "reason": search.reason,
    }


def scale(name, factor):
    def change(layer):
        parameter = dict(layer.named_parameters())[name]
        parameter.set_value(parameter.numpy() * np.float32(factor))

    return change


def wrap(name):
    return lambda layer: setattr(layer, name, nets.Scaled(getattr(layer, name)))


def nothing(layer):
    pass


def ask(name, bench, export, variant=""):
    tensors = [bench.samples[0].value]
    if not variant:
        ANSWERS[name] = told(locate_in_graph(bench, export, tensors, Deadline(60)))
        return
    worker, _ = bench.inference(variant, export)
    outputs = worker.call("run", "run", tensors, timeout=60)
    ANSWERS[name] = told(locate_in_variant(bench, export, variant, tensors, outputs, Deadline(60)))


net = make(nets.Net, (3, 8, 8))
good = exported(net, nothing)
ask("good", net, good)
ask("good in onednn", net, good, "onednn")
for layer in ("conv1", "bn2", "fc2"):
    faulty = exported(net, scale(f"{layer}.weight", 1.01))
    ask(f"{layer} x 1.01", net, faulty)
    ask(f"{layer} x 1.01 in onednn", net, faulty, "onednn")
ask("conv2 x 1.0001", net, exported(net, scale("conv2.weight", 1.0001)))
for layer in ("conv1", "bn1", "pool", "fc2"):
    ask(f"code behind {layer}", net, exported(net, wrap(layer)))
ask("gelu", net, exported(net, nothing, nets.Net, approximate=True))
ask("gain", net, exported(net, nothing, nets.Net, gain=1.01))
ask("code before the first layer", net, exported(net, nothing, nets.Net, before=1.01))
ask("code behind bn1 in onednn", net, exported(net, wrap("bn1")), "onednn")

recurrent = make(nets.Recurrent, (5, 4))
ask("lstm good", recurrent, exported(recurrent, nothing))
ask("lstm", recurrent, exported(recurrent, scale("lstm.weight_hh_l0", 1.01)))
ask("lstm norm", recurrent, exported(recurrent, scale("norm.weight", 1.01)))

huge = make(nets.Net, (3, 8, 8), huge=1e25)
faults = first_not_finite(huge, exported(huge, nothing), [huge.samples[0].value], Deadline(60), "fp16")
ANSWERS["inf"] = {
    "training": faults.training and faults.training.sentence(),
    "graph": faults.graph and faults.graph.sentence(),
    "reason": faults.reason,
}
large = make(nets.Net, (3, 8, 8), huge=1e4)
beyond = exported(large, nothing)
for precision in ("fp32", "fp16", "int8"):
    faults = first_not_finite(large, beyond, [large.samples[0].value], Deadline(60), precision)
    told_of = faults.training, faults.graph, faults.range
    ANSWERS[f"large in {precision}"] = [fault and fault.sentence() for fault in told_of]
ANSWERS["no time"] = told(locate_in_graph(net, good, [net.samples[0].value], Deadline(0)))
for bench in (net, recurrent, huge, large):
    bench.close()
print("ANSWERS" + json.dumps(ANSWERS))
