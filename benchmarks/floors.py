"""The noise floors of nets, and what an engine, another picture, BGR and one layer's weights move in units of them.

`python benchmarks/floors.py [MODEL ...]` prints the table of docs/explanation/judge.md; `--zoo` takes every factory of
`paddle.vision.models` and leaves the layers out. Seeded random weights, four drawn pictures, softmax; a fault passes below 4.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "detection"))

MODELS = ("mobilenet_v3_small", "resnet18", "squeezenet1_1", "shufflenet_v2_x0_5", "mobilenet_v1", "alexnet")
SAMPLES = 4
PERTURBED = np.float32(1 + 1e-4)


@dataclass(frozen=True)
class Measured:
    """alike: plain CPU has the training engine's bits. judged: oneDNN's error over its limit. The others are in units of the floor."""

    floor: float
    alike: bool
    onednn: float
    judged: float
    other: float
    bgr: float
    layers: tuple[float, ...]


def measured(name: str, place: Path, layers: bool) -> Measured:
    """Measures one net, in a process of its own. layers: perturb each, too."""
    import drive

    from pytest_paddle_infer.conformance import Conformance
    from pytest_paddle_infer.engine.services import make_training_engine
    from pytest_paddle_infer.failures import ConformanceFailure
    from pytest_paddle_infer.judge.noise import error
    from pytest_paddle_infer.models import ModelSpec
    from pytest_paddle_infer.samples import drawn_samples

    spec = ModelSpec(name, factory=f"paddle.vision.models:{name}", softmax="yes")
    samples = drawn_samples(place / "drawn", SAMPLES)
    (place / "work").mkdir()
    conformance = Conformance(drive.options(place, 300.0))
    plain = conformance.parity(spec, "cpu", samples)
    try:
        verdict = conformance.parity(spec, "onednn", samples).outputs[0]
        onednn, judged = verdict.error, verdict.excess
    except ConformanceFailure as red:
        onednn, judged = (float(dict(red.failure.figures)[name]) for name in ("output_error", "output_limits"))
    both = (np.load(plain.directory / f"output_{side}_engine.npy", allow_pickle=True).item() for side in ("training", "inference"))
    alike = np.array_equal(*(arrays["output_0"] for arrays in both))
    bench = conformance._bench(spec, samples)
    reference = conformance._references.of(bench, spec)
    floor = reference.floors[0].maximum
    exact = [batch.exact[0] for batch in reference.batches]
    engine = make_training_engine(bench.model, 1)
    tensors = [engine.preprocess(sample) for sample in samples]

    def moved(answers: list[Any]) -> float:
        first = [answer[0] if isinstance(answer, list) else answer for answer in answers]
        return max(error(one, two).maximum for one, two in zip(first, exact)) / floor

    bgr = moved([engine.run(np.ascontiguousarray(tensor[:, ::-1])) for tensor in tensors])
    found = tuple(_by_layer(engine, tensors, moved)) if layers else ()
    conformance.close()
    return Measured(floor, bool(alike), onednn / floor, judged, moved([*exact[1:], exact[0]]), bgr, found)


def _by_layer(engine: Any, tensors: list[Any], moved: Any) -> Iterator[float]:
    """What one layer's weights x (1 + 1e-4) move: of every convolution and linear layer."""
    for layer in engine.layer.sublayers():
        weight = getattr(layer, "weight", None)
        if weight is None or hasattr(layer, "_mean"):
            continue
        clean = weight.numpy()
        weight.set_value(clean * PERTURBED)
        yield moved([engine.run(tensor) for tensor in tensors])
        weight.set_value(clean)


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=list(MODELS))
    parser.add_argument("--zoo", action="store_true", help="every factory of paddle.vision.models, without the layers")
    arguments = parser.parse_args()
    names = arguments.models
    if arguments.zoo:
        from pytest_paddle_infer.model_names import vision_factories

        names = vision_factories()
    import drive
    import paddle

    print(f"Paddle {paddle.__version__}; in units of each net's own floor, the limit is 4\n")
    head = ("net", "floor", "cpu has the bits", "oneDNN", "of its limit", "another picture", "BGR for RGB",
            "weights of a layer x (1 + 1e-4): median, least")  # fmt: skip
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for name in names:
        with tempfile.TemporaryDirectory() as place:
            work = lambda name=name, place=place: measured(name, Path(place), not arguments.zoo)  # noqa: E731
            one = drive.isolated(work, 1200)
        least = f"{statistics.median(one.layers):.2g}, {min(one.layers):.2g}" if one.layers else "-"
        cells = (name, f"{one.floor:.2g}", "yes" if one.alike else "no", f"{one.onednn:.2g}", f"{one.judged:.2g}",
                 f"{one.other:,.3g}", f"{one.bgr:,.3g}", least)  # fmt: skip
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
