"""How many of its own noise floors oneDNN's bf16 makes, by model: the floor is what rounding inputs, parameters and layer outputs does.

`python benchmarks/coarse.py [MODEL ...]`, on a processor with bf16 instructions.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

MODELS = ("mobilenet_v3_small", "resnet18", "squeezenet1_1", "shufflenet_v2_x0_5", "mobilenet_v1", "alexnet", "googlenet")


def floors_made(name: str, softmax: str, place: Path) -> tuple[float, float]:
    """Returns (largest error of oneDNN's bf16 over the floor, the same of the RMS), both against the float32 training engine."""
    import paddle

    from pytest_paddle_infer.deployed.config import Request
    from pytest_paddle_infer.deployed.predictor import Predictor
    from pytest_paddle_infer.engine.model import load_model
    from pytest_paddle_infer.engine.reference import CoarseService
    from pytest_paddle_infer.engine.services import make_training_engine
    from pytest_paddle_infer.exports import ExportedModel
    from pytest_paddle_infer.judge.noise import error
    from pytest_paddle_infer.models import ModelSpec
    from pytest_paddle_infer.samples import drawn_samples

    samples = drawn_samples(place, 4)
    model = load_model(replace(ModelSpec(name, factory=f"paddle.vision.models:{name}"), softmax=softmax), samples, place, 1)
    engine = make_training_engine(model, 1)
    tensors = [engine.preprocess(sample) for sample in samples]
    trained = [np.atleast_2d(out if isinstance(out := engine.run(x), np.ndarray) else out[0]) for x in tensors]
    spec = paddle.static.InputSpec([-1, 3, 224, 224], "float32", name=model.inputs[0].name)
    paddle.jit.save(model.layer, str(place / "inference"), input_spec=[spec])
    export = ExportedModel(place)
    predictor = Predictor(str(export.model_file), str(export.params_file), Request("onednn-bf16", "onednn-bf16", "bf16"))
    inferred = [predictor.run([x])[0] for x in tensors]
    CoarseService(model, samples, 1).compute(str(place), [(n, n + 1) for n in range(len(samples))], "bf16")
    with np.load(place / "coarse.npz") as kept:
        coarse = [kept[f"coarse_{number}_0"] for number in range(len(samples))]
    made = [error(one, two) for one, two in zip(inferred, trained)]
    floor = [error(one, two) for one, two in zip(coarse, trained)]
    worst = max(e.maximum for e in made) / max(e.maximum for e in floor)
    return worst, max(e.rms for e in made) / max(e.rms for e in floor)


def main() -> None:
    warnings.simplefilter("ignore")
    print("| model | softmax | largest error, floors | RMS, floors |\n|---|---|---|---|")
    for name in sys.argv[1:] or MODELS:
        for softmax in ("yes", "no"):
            with tempfile.TemporaryDirectory() as place:
                print("| {} | {} | {:.2f} | {:.2f} |".format(name, softmax, *floors_made(name, softmax, Path(place))), flush=True)


if __name__ == "__main__":
    main()
