"""unsteady.py: a preprocess that makes another tensor of the same sample is the cause, on the side that runs it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable

import numpy as np
import pytest

from pytest_paddle_infer.asking import Asking
from pytest_paddle_infer.bench import RunOptions
from pytest_paddle_infer.diagnosis.finding import Array, Deadline, Finding
from pytest_paddle_infer.failures import WorkerFailure
from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.samples import Sample
from pytest_paddle_infer.unsteady import of_inputs

Preprocess = Callable[[Array], Array]
PICTURES = [np.full((1, 4), number, np.float32) + np.arange(4, dtype=np.float32) ** number for number in range(1, 4)]


def steady(picture: Array) -> Array:
    return picture / 2


def not_a_number(picture: Array) -> Array:
    return picture * np.float32("nan")


def previous() -> Preprocess:
    kept: list[Array] = []

    def preprocess(picture: Array) -> Array:
        kept.append(picture)
        return kept[-2] if len(kept) > 1 else picture

    return preprocess


def noisy(by: float) -> Preprocess:
    random = np.random.default_rng(0)
    return lambda picture: (picture + random.normal(size=picture.shape) * by).astype(np.float32)


def running_mean() -> Preprocess:
    mean = [0.0]

    def preprocess(picture: Array) -> Array:
        mean[0] = 0.9 * mean[0] + 0.1 * float(picture.mean())
        return picture - np.float32(mean[0])

    return preprocess


def every_other_mirrored() -> Preprocess:
    calls: list[int] = []

    def preprocess(picture: Array) -> Array:
        calls.append(1)
        return picture[:, ::-1] if len(calls) % 2 else picture

    return preprocess


class Side:
    """An engine in whose process one preprocess runs."""

    def __init__(self, preprocess: Preprocess) -> None:
        self.name, self.preprocess = "an engine", preprocess
        self.asked: list[tuple[int, int]] = []

    def submit(self, step: str, method: str, start: int, stop: int, timeout: float) -> None:
        assert method == "inputs"
        self.asked.append((start, stop))

    def result(self) -> list[Array]:
        return [np.concatenate([self.preprocess(picture) for picture in PICTURES[slice(*self.asked[-1])]])]


class Bench:
    """Two sides and three samples."""

    def __init__(self, training: Preprocess, **spec: Any) -> None:
        self.side, self.spec = Side(training), ModelSpec("net", factory=object, preprocess=steady, **spec)
        self.samples = [Sample(f"{number}.png") for number in range(len(PICTURES))]

    def training(self) -> Side:
        return self.side

    def end(self, worker: Side) -> Any:
        return worker.result()


def found(
    inference: Preprocess, sides: tuple[str, ...] = ("inference",), training: Preprocess = steady, sample: int = 1, **spec: Any
) -> Finding | None:
    ask = Asking(RunOptions(base=Path(), workdir=Path(), cache_dir=Path()))
    run: Any = SimpleNamespace(example=SimpleNamespace(start=sample, stop=sample + 1), first_size=1)
    worker: Any = Side(inference)
    bench: Any = Bench(training, **spec)
    return of_inputs(ask, bench, run, worker, Deadline(60), sides)


@pytest.mark.parametrize("sample", range(3))
@pytest.mark.parametrize("make", [previous, lambda: noisy(0.1), running_mean, every_other_mirrored])
def test_a_preprocess_that_keeps_something_or_draws_numbers_is_named(make: Callable[[], Preprocess], sample: int) -> None:
    cause = found(make(), sample=sample, training_preprocess=steady)
    assert cause is not None
    assert cause.cause == "the inference preprocess gives another tensor when it is asked twice for the same sample."
    assert (cause.stage, cause.kind, cause.name, cause.certain) == ("preprocess", "step", "preprocess", True)
    assert cause.facts == (("asked", f"for sample {sample} ({sample}.png), again, and after another one"),)
    assert cause.remedy == "keep no state between samples in preprocess, and draw no random numbers there."


def test_the_training_sides_own_is_named_as_such_and_one_for_both_as_that() -> None:
    cause = found(steady, ("training", "inference"), noisy(0.1), training_preprocess=steady)
    assert cause is not None
    assert cause.cause.startswith("the training preprocess gives another tensor")
    assert (cause.name, cause.remedy.partition(",")[0]) == (
        "training_preprocess",
        "keep no state between samples in training_preprocess",
    )
    cause = found(noisy(0.1))
    assert cause is not None
    assert cause.cause.startswith("the preprocess, which both engines run, gives another tensor")


@pytest.mark.parametrize("preprocess", [steady, not_a_number, noisy(2e-6)], ids=["steady", "NaN each time", "rounding"])
def test_one_that_makes_the_same_each_time_is_not_blamed(preprocess: Preprocess) -> None:
    assert found(preprocess, ("training", "inference"), training_preprocess=steady) is None


def test_a_side_that_is_not_in_doubt_is_not_asked_and_one_that_fails_is_not_blamed() -> None:
    assert found(noisy(0.1), ()) is None

    def fails(picture: Array) -> Array:
        raise WorkerFailure("an engine: preprocess again", "signal", "SIGSEGV")

    assert found(fails) is None
