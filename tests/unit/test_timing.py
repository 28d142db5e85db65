"""In what turns the two engines are timed."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pytest_paddle_infer import timing
from pytest_paddle_infer.engine.services import Timings


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
