"""Searches for guilty passes in models that have one, in this Paddle: `python guilty_passes.py DIRECTORY CASE...` prints JSON lines."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable

import numpy as np
import paddle
from paddle import nn

from pytest_paddle_infer.bench import Bench, RunOptions
from pytest_paddle_infer.deployed.config import Request, make_config
from pytest_paddle_infer.diagnosis.finding import Arrays, Deadline
from pytest_paddle_infer.diagnosis.pass_findings import finding_of
from pytest_paddle_infer.diagnosis.passes import PassSearch, relative_error
from pytest_paddle_infer.engine.model import LoadedModel
from pytest_paddle_infer.engine.pass_trials import PassTrials, search_passes
from pytest_paddle_infer.exports import ExportedModel
from pytest_paddle_infer.models import ModelSpec, TensorSpec
from pytest_paddle_infer.progress import Progress
from pytest_paddle_infer.variants import Variant

SIDE = 16
PADDLE_3 = paddle.__version__.startswith("3")
CANCELLING = "onednn" if PADDLE_3 else "cpu"
"""The variant that folds a batch norm into a convolution in this Paddle."""


# -- models ------------------------------------------------------------------------------------------------------------


def cancelling(x: Any) -> nn.Layer:
    """Its batch norm takes a mean of about 100 off and divides by 0.01: folded into the convolution, that costs most digits.

    Not folded it costs none: inputs and weights are short fractions, whose products and sums float32 holds exactly, in any order.
    """
    net = nn.Sequential(
        nn.Conv2D(3, 8, 3, bias_attr=False), nn.BatchNorm2D(8), nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(8, 10)
    )
    net[0].weight.set_value(np.random.RandomState(1).randint(-8, 9, (8, 3, 3, 3)).astype(np.float32) / 8)
    net.eval()
    with paddle.no_grad():
        mean = net[0](paddle.to_tensor(x)).numpy().mean((0, 2, 3))
    net[1]._mean.set_value(np.round(mean * 128) / 128 + 1 / 128)
    net[1]._variance.set_value(np.full(8, 1e-4, np.float32))
    return net


def plain(x: Any) -> nn.Layer:
    return nn.Sequential(nn.Conv2D(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(8, 10))


class Watched(nn.Layer):
    """Returns what its batch norm makes as well as the answer: oneDNN of 2.6.2 fuses it away all the same, and dies of that."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.act = nn.Conv2D(3, 8, 3, padding=1), nn.BatchNorm2D(8), nn.ReLU()
        self.head = nn.Sequential(nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(8, 10))

    def forward(self, x: Any) -> Any:
        middle = self.norm(self.conv(x))
        return middle, self.head(self.act(middle))


class Resized(nn.Layer):
    """oneDNN of 3.3.1 refuses to interpolate."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2D(3, 4, 3, padding=1)

    def forward(self, x: Any) -> Any:
        return nn.functional.interpolate(self.conv(x), scale_factor=2, mode="bilinear")


class Attention(nn.Layer):
    """Self-attention as text recognition writes it; 2.6.2 fuses it into a kernel for AVX512."""

    def __init__(self, width: int = 32, heads: int = 2) -> None:
        super().__init__()
        self.heads, self.width = heads, width
        self.embed, self.qkv, self.proj = nn.Linear(3, width), nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Any) -> Any:
        tokens = self.embed(x.flatten(2).transpose((0, 2, 1)))
        size = self.width // self.heads
        qkv = self.qkv(tokens).reshape((0, -1, 3, self.heads, size)).transpose((2, 0, 3, 1, 4))
        q, k, v = qkv[0] * size**-0.5, qkv[1], qkv[2]
        weights = nn.functional.softmax(q.matmul(k.transpose((0, 1, 3, 2))), axis=-1)
        return self.proj(weights.matmul(v).transpose((0, 2, 1, 3)).reshape((0, -1, self.width)))


# -- passes that are planted -------------------------------------------------------------------------------------------

VICTIM = "common_subexpression_elimination_pass"


def no_pass() -> list[Any]:
    os.kill(os.getpid(), signal.SIGILL)
    return []


def no_such_pass() -> list[Any]:
    raise RuntimeError("planted")


def dies_of_a_pass(config: Any) -> None:
    """2.6.2: a pass in Python, which Paddle calls when it makes its passes. 3.3.1 has none of these: a pass of its own seems to die."""
    if not PADDLE_3:
        paddle.base.core.register_pass("deadly_pass", no_pass)
        config.pass_builder().append_pass("deadly_pass")
        return
    create = paddle.inference.create_predictor

    def create_and_die(config: Any) -> Any:
        made = create(config)
        log = Path("/proc/self/fd/1").read_bytes()
        place = log.find(f"[{VICTIM}]".encode())
        if place >= 0:  # it ran; what came later is taken back
            os.ftruncate(1, log.index(b"\n", place) + 1)
            os.kill(os.getpid(), signal.SIGILL)
        return made

    paddle.inference.create_predictor = create_and_die


def raises_in_a_pass(config: Any) -> None:
    """2.6.2: as before, raising. 3.3.1: a pass of its own that takes only GPUs, and that runs whatever is deleted."""
    if PADDLE_3:
        config.enable_custom_passes(["conv2d_bias_fuse_pass"])
        return
    paddle.base.core.register_pass("raising_pass", no_such_pass)
    config.pass_builder().append_pass("raising_pass")


# -- running -----------------------------------------------------------------------------------------------------------


def bench_of(directory: Path, make: Callable[[Any], nn.Layer], variants: Sequence[Variant], python: str = "") -> tuple[Any, ...]:
    """Exports a model and returns its bench, its export, a batch and what the training engine makes of it."""
    paddle.seed(0)
    x = (100 + np.random.RandomState(0).randint(-2, 3, (1, 3, SIDE, SIDE)) / 128).astype(np.float32)
    layer = make(x)
    layer.eval()
    with paddle.no_grad():
        made = layer(paddle.to_tensor(x))
    expected = [each.numpy() for each in (made if isinstance(made, (list, tuple)) else [made])]
    inputs = [TensorSpec((None, 3, SIDE, SIDE), "float32", "x")]
    paddle.jit.save(
        layer, str(directory / "inference"), input_spec=[paddle.static.InputSpec([None, 3, SIDE, SIDE], "float32", "x")]
    )
    options = RunOptions(
        directory, directory, directory / "cache", timeout=60.0, variants={each.name: each for each in variants},
        python=Path(python) if python else None,
    )  # fmt: skip
    spec = ModelSpec("net", factory=lambda: layer, preprocess=lambda sample: sample)
    bench = Bench(spec, [], LoadedModel(spec, layer, tuple(inputs), False, "seed 0"), options, Progress())
    return bench, ExportedModel(directory), [x], expected


def told(found: PassSearch) -> dict[str, Any]:
    made = finding_of(found)
    return {**asdict(found), "cause": made.cause, "remedy": made.remedy, "facts": dict(made.facts), "certain": made.certain}


def searched(
    directory: Path, make: Callable[[Any], nn.Layer], variant: str, own: Sequence[Variant] = (), limit: float = 1e-5
) -> dict[str, Any]:
    bench, export, inputs, expected = bench_of(directory, make, own)

    def agrees(outputs: Arrays) -> bool:
        return relative_error(outputs, expected) <= limit

    return told(search_passes(bench, export, variant, inputs, expected, agrees, Deadline(60.0)))


def elsewhere(directory: Path) -> dict[str, Any]:
    """The cancelling model with and without the guilty pass, in another process."""
    bench, export, inputs, expected = bench_of(directory, cancelling, (), sys.executable)
    trials = PassTrials(bench, export, bench.options.variant(CANCELLING), inputs, Deadline(60.0))
    guilty = "conv2d_bn_onednn_fuse_pass" if PADDLE_3 else "conv_bn_fuse_pass"
    whole, less = trials.run(), trials.run([guilty])
    return {
        "heard": guilty in whole.ran, "gone": guilty not in less.ran and len(less.ran) > 5, "died": whole.died + less.died,
        "own_calls": make_config(str(export.model_file), str(export.params_file), Request("cpu", "cpu", without=(guilty,))).own_calls,
        "errors": [relative_error(trial.outputs or [], expected) for trial in (whole, less)],
    }  # fmt: skip


CASES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "cancelling": lambda directory: searched(directory, cancelling, CANCELLING),
    "elsewhere": elsewhere,
    "dies": lambda directory: searched(directory, plain, "own", [Variant("own", dies_of_a_pass, base="onednn")]),
    "raises": lambda directory: searched(
        directory, plain, "own", [Variant("own", raises_in_a_pass, base="cpu" if PADDLE_3 else "onednn")]
    ),
    "watched": lambda directory: searched(directory, lambda x: Watched(), "onednn", limit=1e-3),
    "resized": lambda directory: searched(directory, lambda x: Resized(), "onednn"),
    "attention": lambda directory: searched(directory, lambda x: Attention(), "onednn"),
}

if __name__ == "__main__":
    for case in sys.argv[2:]:
        place = Path(sys.argv[1]) / case
        place.mkdir(parents=True)
        print(json.dumps({"case": case, **CASES[case](place)}), flush=True)
