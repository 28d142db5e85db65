"""Is the layer named? One percent in the weights of one random layer of each model's export, then code between two layers.

`python benchmarks/layers.py [--seed N] [MODEL ...]`. By values alone: in `cpu` among the graph's own, in `onednn` by a probe network.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
import traceback
import warnings
import zlib  # noqa: F401 - before Paddle 2.6.2, or zlib.compress dies of SIGSEGV
from pathlib import Path

import numpy as np

MODELS = (
    "mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small", "resnet18", "squeezenet1_1", "shufflenet_v2_x0_5", "alexnet", "googlenet",
    "densenet121", "LeNet",
)  # fmt: skip
VARIANTS = ("cpu", "onednn")
HEADING = "| model | fault | variant | planted at | named | input, output | right | s |\n|---|---|---|---|---|---|---|---|"


def bench_of(name, place):
    """The model with live random weights and one sample."""
    from pytest_paddle_infer.bench import Bench, RunOptions
    from pytest_paddle_infer.engine.model import load_model
    from pytest_paddle_infer.models import ModelSpec
    from pytest_paddle_infer.progress import Progress
    from pytest_paddle_infer.samples import drawn_samples
    from pytest_paddle_infer.sampling import as_samples

    more, samples = {}, drawn_samples(place, 4)
    if name == "LeNet":
        samples = as_samples([np.random.RandomState(n).rand(1, 1, 28, 28).astype("float32") for n in range(4)])
        more = {"input_spec": [(None, 1, 28, 28)], "preprocess": lambda x: x}
    spec = ModelSpec(name, factory=f"paddle.vision.models:{name}", **more)
    model = load_model(spec, samples, place, 1)
    return Bench(spec, samples, model, RunOptions(place, place, place, timeout=600.0), Progress())


def exports_of(model, change):
    """A service that plants a fault and exports; in a process of its own."""
    import paddle

    from pytest_paddle_infer.engine.export import ExportService

    class Exports(ExportService):
        def save(self, directory):
            change(self._model.layer)
            self._model.layer.eval()
            specs = [paddle.static.InputSpec([-1, *spec.shape[1:]], spec.dtype, name=spec.name) for spec in model.inputs]
            paddle.jit.save(self._model.layer, f"{directory}/inference", input_spec=specs)

    return Exports(model)


def exported(bench, place, change):
    from pytest_paddle_infer.exports import ExportedModel

    directory = Path(tempfile.mkdtemp(dir=place))
    worker = bench.worker("export", lambda: exports_of(bench.model, change))
    worker.call("export", "save", str(directory), timeout=600)
    worker.close()
    return ExportedModel(directory, given=True)


def scaled(name):
    def change(layer):
        weight = dict(named(layer))[name].weight
        weight.set_value(weight.numpy() * np.float32(1.01))

    return change


def wrapped(name):
    """Puts code behind a layer: what it returns is 1 % larger."""

    def change(layer):
        from code_behind import Behind

        parent = layer.net if getattr(layer, "softmax_on_top", False) else layer
        *way, last = name.split(".")
        for part in way:
            parent = dict(parent.named_children())[part]
        setattr(parent, last, Behind(getattr(parent, last)))

    return change


def named(layer):
    """Layers without sublayers, by the name that a search gives them."""
    net = layer.net if getattr(layer, "softmax_on_top", False) else layer
    return [(name, sub) for name, sub in net.named_sublayers() if not list(sub.children())]


def searched(bench, export, variant, tensors):
    from pytest_paddle_infer.diagnosis.finding import Deadline
    from pytest_paddle_infer.layer_search import locate_in_graph, locate_in_variant

    if variant == "cpu":
        return locate_in_graph(bench, export, tensors, Deadline(300))
    worker, _ = bench.inference(variant, export)
    outputs = worker.call("run", "run", tensors, timeout=300)
    return locate_in_variant(bench, export, variant, tensors, outputs, Deadline(300))


def examine(name, seed):
    """Prints the rows of one model; returns how many are wrong."""
    from pytest_paddle_infer.engine.processing import as_list
    from pytest_paddle_infer.engine.services import make_training_engine

    wrong = 0
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        bench = bench_of(name, place)
        tensors = as_list(make_training_engine(bench.model, 1).preprocess(bench.samples[0]))
        draw = random.Random(f"{name} {seed}")
        layers = named(bench.model.layer)
        guilty = draw.choice([layer for layer, sub in layers if getattr(sub, "weight", None) is not None])
        behind = draw.choice([layer for layer, sub in layers if getattr(sub, "weight", None) is not None])
        for fault, where, change in (
            ("none", "-", lambda layer: None),
            ("x 1.01", guilty, scaled(guilty)),
            ("code", behind, wrapped(behind)),
        ):
            export = exported(bench, place, change)
            for variant in VARIANTS:
                begin = time.perf_counter()
                search = searched(bench, export, variant, tensors)
                seconds = time.perf_counter() - begin
                finding = search.finding
                right = finding is not None and finding.layer is not None and finding.name == where
                if fault == "code":
                    right = finding is None or finding.layer is None
                if fault == "none":
                    right = finding is None
                wrong += not right
                said = finding.name if finding is not None else f"none ({search.reason})"
                shares = (
                    f"{finding.input_error:.1g}, {finding.output_error or 0:.1e}" if finding is not None else f"{search.agree:.1g}"
                )
                print(
                    f"| {name} | {fault} | {variant} | {where} | {said} | {shares} | {'yes' if right else 'NO'} | {seconds:.1f} |",
                    flush=True,
                )
        bench.close()
    return wrong


def alone(name, seed):
    """Examines a model in a process of its own; returns how many rows are wrong."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pid = os.fork()
    if pid == 0:
        status = 255
        try:
            status = examine(name, seed)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main():
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    import paddle

    print(f"Paddle {paddle.__version__}, seed {options.seed}\n\n{HEADING}", flush=True)
    wrong = sum(alone(name, options.seed) for name in options.models)
    print(f"\n{wrong} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
