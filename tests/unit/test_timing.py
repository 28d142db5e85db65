"""In what turns the two engines are timed."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pytest_paddle_infer import timing
from pytest_paddle_infer.engine.observed import Timings, joined
from pytest_paddle_infer.engine.processing import Processing
from pytest_paddle_infer.engine.services import EngineService
from pytest_paddle_infer.models import TensorSpec
from pytest_paddle_infer.samples import Sample


class Turns:
    """A bench whose engines say which of them ran how many batches."""

    def __init__(self) -> None:
        self.training_is_warm = False
        self.yardsticks: dict[int, tuple[Timings, float]] = {}
        self.asked: list[tuple[Any, ...]] = []

    def training(self) -> str:
        return "training"

    def call(self, worker: str, step: str, method: str, size: int, warmup: int, count: int, first: int, **_: Any) -> Timings:
        self.asked.append((worker, warmup, count, first))
        times = tuple(float(first + number) for number in range(count))
        return Timings(times, times, times, size * count, sum(times))


class Unwatched:
    def watch(self, facts: Any) -> None: ...


def in_turn(bench: Turns, batches: int = 10, rounds: int = timing.ROUNDS) -> tuple[Timings, Timings]:
    return timing.run_in_turn(bench, "inference", None, 2, 3, batches, Unwatched(), rounds)  # type: ignore[arg-type]


def test_the_engines_take_turns_and_every_batch_is_timed_once() -> None:
    bench = Turns()
    inferred, trained = in_turn(bench)
    assert [turn[0] for turn in bench.asked] == ["inference", "training"] * timing.ROUNDS
    assert inferred.run == tuple(map(float, range(10)))
    assert len(trained.run) == timing.ROUNDS


def test_only_the_first_turn_of_each_engine_is_warmed_up() -> None:
    bench = Turns()
    in_turn(bench)
    assert [turn[1] for turn in bench.asked if turn[0] == "inference"] == [3, 0, 0, 0]
    assert [turn[1] for turn in bench.asked if turn[0] == "training"] == [1, 0, 0, 0]


def test_the_next_variant_is_held_against_the_same_yardstick() -> None:
    bench = Turns()
    _, trained = in_turn(bench)
    assert timing.yardstick(bench, 2) == trained  # type: ignore[arg-type]
    bench.asked.clear()
    times = timing.run_alone(bench, "inference", None, 2, 3, 10, Unwatched())  # type: ignore[arg-type]
    assert bench.asked == [("inference", 3, 10, 0)]
    assert times.run == tuple(map(float, range(10)))


def test_a_yardstick_is_of_one_batch_size() -> None:
    bench = Turns()
    in_turn(bench)
    assert timing.yardstick(bench, 4) is None  # type: ignore[arg-type]


def test_an_old_yardstick_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Turns()
    in_turn(bench)
    later = time.monotonic() + timing.FRESH
    monkeypatch.setattr(time, "monotonic", lambda: later + 1)
    assert timing.yardstick(bench, 2) is None  # type: ignore[arg-type]


# -- batches of several shapes -----------------------------------------------------------------------------------------


def service(*widths: int) -> tuple[EngineService, list[int]]:
    """A service whose samples are so wide, and the widths that it ran, in turn."""
    ran: list[int] = []

    class Runs(Processing):
        def run(self, x: Any) -> Any:
            ran.append(x.shape[-1])
            return x

    engine = Runs([TensorSpec((None, 3, None), "float32", "x")], lambda width: np.zeros((1, 3, width), np.float32))
    return EngineService(engine, [Sample(str(width), value=width) for width in widths]), ran


def test_a_batch_is_timed_once_its_shape_is_warm() -> None:
    side, ran = service(8, 8, 9)
    times = side.benchmark(1, 1, 4)
    assert ran == [8, 8, 8, 9, 9, 8], "the first of the warm-up, and the first 9 once more"
    assert times.shapes == ("1x3x8", "1x3x8", "1x3x9", "1x3x8")
    assert len(times.run) == 4
    ran.clear()
    assert side.benchmark(1, 0, 2, 1).shapes == ("1x3x8", "1x3x9")
    assert ran == [8, 9], "the next part knows them"


def test_without_a_warm_up_no_batch_is_run_twice() -> None:
    side, ran = service(8, 9)
    side.benchmark(1, 0, 2)
    assert ran == [8, 9]


def test_shapes_of_parts_are_joined() -> None:
    side, _ = service(8, 9)
    parts = [side.benchmark(1, 0, 1, number) for number in range(2)]
    assert joined(parts).shapes == ("1x3x8", "1x3x9")


def test_spread_and_yardstick_are_of_one_shape_each() -> None:
    widths = tuple(f"1x3x{width}" for width in range(1, 5)) * 4
    times = tuple(float(shape[4:]) for shape in widths)
    stages = SimpleNamespace(run=times, shapes=widths)
    few = SimpleNamespace(run=(3.0,), shapes=("1x3x1",))
    facts, memory = SimpleNamespace(load_seconds=1.0), SimpleNamespace(gpu_mb=None)
    made = timing.timing_of(stages, few, 1, facts, (0.1, 5.0), memory)  # type: ignore[arg-type]
    assert (made.p50_ms, made.spread_ms, made.training_p50_ms, made.shapes) == pytest.approx((2500.0, 0.0, 7500.0, 4))
