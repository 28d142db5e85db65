"""How small an error of one layer's weights the outputs alone show: `python benchmarks/detection/sensitivity.py [MODEL ...]`.

For every layer with weights: the smallest e of 1e-6, 3e-6, ..., 1e-2 for which weights x (1 + e) are caught. The layer is perturbed in
the training engine (whose bits plain CPU has); `--exports` exports some of them for real.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
os.environ.setdefault("GLOG_minloglevel", "2")
sys.path.insert(0, str(Path(__file__).parent))

import drive  # noqa: E402
import numpy as np  # noqa: E402
import paddle  # noqa: E402

from pytest_paddle_infer.conformance import Conformance  # noqa: E402
from pytest_paddle_infer.failures import ConformanceFailure  # noqa: E402
from pytest_paddle_infer.judge.closeness import Noise, OutputJudge  # noqa: E402
from pytest_paddle_infer.models import ModelSpec  # noqa: E402
from pytest_paddle_infer.samples import drawn_samples  # noqa: E402

MODELS = ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "shufflenet_v2_x0_25", "shufflenet_v2_x0_5",
          "shufflenet_v2_x1_0", "squeezenet1_0", "squeezenet1_1", "resnet18")  # fmt: skip
STEPS = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
BEYOND = float("inf")
SAMPLES = 4


def measure(name, directory, norms, softmax):
    """Layer -> smallest error caught, by the judge that parity uses."""
    spec = ModelSpec(name, factory=f"paddle.vision.models:{name}", softmax=softmax)
    samples = drawn_samples(directory / "drawn", SAMPLES)
    (directory / "work").mkdir(parents=True, exist_ok=True)
    conformance = Conformance(drive.options(directory, 300.0))
    bench = conformance._bench(spec, samples)
    reference = conformance._references.of(bench, spec)
    layer = bench.model.layer
    from pytest_paddle_infer.engine.model import named_tensors  # noqa: F401
    from pytest_paddle_infer.engine.services import make_training_engine

    engine = make_training_engine(bench.model, 1)
    batches = [engine.preprocess(sample) for sample in samples]
    found = {}
    for sub_name, sub in layer.named_sublayers():
        weight = getattr(sub, "weight", None)
        if weight is None or (hasattr(sub, "_mean") and not norms):
            continue
        clean = weight.numpy()

        def seen(error, weight=weight, clean=clean):
            weight.set_value(clean * np.float32(1 + error))
            caught = differs(reference, [drive._forward(layer, [batch]) for batch in batches])
            weight.set_value(clean)
            return caught

        low, high = -1, len(STEPS)  # STEPS[low] is missed, STEPS[high] is caught: monotone but for rounding
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if seen(STEPS[middle]) else (middle, high)
        found[sub_name.removeprefix("net.")] = STEPS[high] if high < len(STEPS) else BEYOND
    conformance.close()
    return found


def differs(reference, outputs):
    """True when the judge of parity refuses these outputs."""
    for index, (floor, response) in enumerate(zip(reference.floors, reference.responses)):
        judge = OutputJudge("output", Noise(floor), response)
        for batch, answer in zip(reference.batches, outputs):
            judge.add(batch.training[index], answer[index], batch.start, batch.stop - batch.start,
                      batch.exact[index] if batch.exact is not None else None)  # fmt: skip
        if not judge.verdict().passed:
            return True
    return False


def exported(name, layers, errors, directory, softmax):
    """Rows (layer, error, variant, caught) with real exports of perturbed weights, by the parity checkpoint without artifacts."""
    from pytest_paddle_infer.engine.model import load_model

    spec = ModelSpec(name, factory=f"paddle.vision.models:{name}", softmax=softmax)
    samples = drawn_samples(directory / "drawn", SAMPLES)
    model = load_model(spec, samples, Path.cwd(), 1)
    rows = []
    for layer in layers:
        weight = next(sub for n, sub in model.layer.named_sublayers() if n.removeprefix("net.") == layer).weight
        clean = weight.numpy()
        for error in errors:
            prefix = directory / f"{name}-{layer}-{error:g}" / "inference"
            weight.set_value(clean * np.float32(1 + error))
            inputs = [
                paddle.static.InputSpec([-1 if d is None else d for d in i.shape], i.dtype, name=i.name) for i in model.inputs
            ]
            paddle.jit.save(model.layer, str(prefix), input_spec=inputs)
            weight.set_value(clean)
            for variant in ("cpu", "onednn"):
                (directory / "work").mkdir(parents=True, exist_ok=True)
                conformance = Conformance(drive.options(directory, 300.0, exported=prefix))
                try:
                    conformance.parity(spec, variant, samples)
                    rows.append((layer, error, variant, False))
                except ConformanceFailure:
                    rows.append((layer, error, variant, True))
                conformance.close()
            shutil.rmtree(prefix.parent)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=list(MODELS))
    parser.add_argument("--norms", action="store_true", help="batch norms too, not only convolutions and linear layers")
    parser.add_argument("--softmax", default="yes", choices=("yes", "no"))
    parser.add_argument(
        "--exports", type=int, default=2, metavar="N", help="of the first N models, export the median and the least layer"
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="sensitivity-"))
    begin = time.perf_counter()
    found, waiting, running = {}, list(arguments.models), {}
    try:
        while waiting or running:
            while waiting and len(running) < arguments.jobs:
                name = waiting.pop(0)
                work = lambda name=name: measure(name, root / name, arguments.norms, arguments.softmax)  # noqa: E731
                running[name] = drive.start(work, str(root / "log"))
            for name, process in list(running.items()):
                answer = drive.finished(process)
                if answer is not None:
                    del running[name]
                    found[name] = answer[0]
                    print(f"{name}: {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)
            time.sleep(0.1)
        met = report(found, arguments)
        rows = []
        for name in arguments.models[: arguments.exports]:
            ranked = sorted(found[name], key=lambda layer: found[name][layer])
            layers = list(dict.fromkeys((ranked[len(ranked) // 2], ranked[-1])))
            rows += [
                (name, *row)
                for row in drive.isolated(lambda name=name, layers=layers: exported(name, layers, (1e-4, 1e-3), root / name,
                                                                                    arguments.softmax), 900, str(root / "log"))
            ]  # fmt: skip
    finally:
        log = (root / "log").read_text()[-1500:] if (root / "log").is_file() else ""
        shutil.rmtree(root, ignore_errors=True)
        if running:
            print(log, file=sys.stderr)
    if rows:
        print("\n| real export of | layer | error | variant | caught |\n|---|---|---|---|---|")
        for row in rows:
            print("| {} | {} | {:g} | {} | {} |".format(*row[:-1], "yes" if row[-1] else "no"))
    print(f"\n{time.perf_counter() - begin:.0f} s")
    if arguments.json:
        arguments.json.write_text(json.dumps({"paddle": paddle.__version__, "models": found, "exports": rows}, indent=1))
    sys.exit(0 if met else 1)


def report(found, arguments):
    """The table, and the two figures that count; returns whether both bars are met."""
    print(f"Paddle {paddle.__version__}, softmax {arguments.softmax}, live weights, {SAMPLES} pictures, outputs alone\n")
    print("| model | layers | median layer | least sensitive layer | layers that hide 1e-3 |\n|---|---|---|---|---|")
    good, hidden = 0, {}
    for name in arguments.models:
        layers = found[name]
        median = statistics.median_high(layers.values())
        worst = max(layers, key=lambda layer: layers[layer])
        hidden[name] = [layer for layer, error in layers.items() if error > 1e-3]
        good += median <= 1e-4
        print(f"| {name} | {len(layers)} | {median:g} | {layers[worst]:g} ({worst}) | {', '.join(hidden[name]) or 'none'} |")
    print(f"\n1e-4 in the median layer: caught for {good} of {len(found)} models (bar: 9 of 10)")
    whole = sum(not layers for layers in hidden.values())
    print(f"1e-3 in every layer: {whole} of {len(found)} models, {sum(map(len, hidden.values()))} layers missed (bar: all)")
    met = good * 10 >= 9 * len(found) and whole == len(found)
    print("both bars met" if met else "MISSED")
    return met


if __name__ == "__main__":
    main()
