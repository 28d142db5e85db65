"""Times one variant: batches of the inference engine in turn with batches of the training engine, so that both meet the same machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_paddle_infer.bench import Bench
    from pytest_paddle_infer.benchmark import Memory
    from pytest_paddle_infer.engine.observed import LoadFacts, Timings
    from pytest_paddle_infer.engine.worker import Worker

ROUNDS = 4
"""Parts that the timed batches are cut into; after each the training engine runs a batch. Its speed is the yardstick of all variants."""

FRESH = 60.0
"""Seconds for which these times of the training engine serve the variants that follow: one yardstick for all that are compared."""


@dataclass(frozen=True)
class Timing:
    """Times of one batch, in milliseconds: of `batches` timed ones of `batch_size` samples each, after the warm-up.

    spread_ms: their interquartile range, and training_p50_ms: the median of the training engine's batches, run in turn with these or
    with those of a variant a moment before; both as `judge.shapes` has them where the shapes of the batches vary.
    first_ms: the first run after loading. load_s: seconds to make the predictor. memory_mb: what is the engine's process's own after it,
    without the pages that it shares with the session, in MB of 2**20 bytes; gpu_memory_mb: None where no GPU is used.
    shapes: how many the batches have; None for one.
    """

    p50_ms: float
    p99_ms: float
    spread_ms: float
    batches: int
    batch_size: int
    first_ms: float
    load_s: float
    memory_mb: float
    training_p50_ms: float
    gpu_memory_mb: float | None = None
    shapes: int | None = None


def run_in_turn(
    bench: Bench, worker: Worker, facts: LoadFacts, size: int, warmup: int, batches: int, memory: Memory, rounds: int = ROUNDS
) -> tuple[Timings, Timings]:
    """Returns the times of `batches` batches of the inference engine, and those of the training engine after each of `rounds` parts.

    The training engine's are kept for `yardstick`.
    """
    from pytest_paddle_infer.engine.observed import joined

    training = bench.training()
    inferred: list[Timings] = []
    trained: list[Timings] = []
    done = 0
    parts = min(rounds, batches)
    for number in range(parts):
        count = (batches * (number + 1)) // parts - done
        inferred.append(_run(bench, worker, facts, size, warmup if number == 0 else 0, count, done, memory))
        done += count
        cold = int(not bench.training_is_warm)
        trained.append(bench.call(training, "time the training engine", "benchmark", size, cold, 1, number, parts=2))
        bench.training_is_warm = True
    memory.watch(facts)
    times = joined(trained)
    bench.yardsticks[size] = times, time.monotonic()
    return joined(inferred), times


def yardstick(bench: Bench, size: int) -> Timings | None:
    """The training engine's times of batches of `size` samples, if they were measured a moment ago."""
    times, measured = bench.yardsticks.get(size, (None, 0.0))
    return times if time.monotonic() - measured < FRESH else None


def run_alone(bench: Bench, worker: Worker, facts: LoadFacts, size: int, warmup: int, batches: int, memory: Memory) -> Timings:
    """Returns the times of `batches` batches of the inference engine."""
    times = _run(bench, worker, facts, size, warmup, batches, 0, memory)
    memory.watch(facts)
    return times


def _run(bench: Bench, worker: Worker, facts: LoadFacts, size: int, warmup: int, count: int, first: int, memory: Memory) -> Timings:
    asked = ("time the inference engine", "benchmark", size, warmup, count, first)
    times: Timings = bench.call(worker, *asked, parts=warmup + count, watch=lambda _: memory.watch(facts))
    return times


def timing_of(
    inferred: Timings, trained: Timings, size: int, facts: LoadFacts, first: tuple[float, float], memory: Memory
) -> Timing:
    """Returns the figures of a run."""
    import numpy as np

    from pytest_paddle_infer.judge.shapes import spread, training_median, vary

    middle, last = (1000 * float(value) for value in np.percentile(inferred.run, [50, 99]))
    return Timing(
        p50_ms=middle,
        p99_ms=last,
        spread_ms=1000 * spread(inferred.run, inferred.shapes),
        batches=len(inferred.run),
        batch_size=size,
        first_ms=1000 * first[0],
        load_s=facts.load_seconds,
        memory_mb=first[1],
        training_p50_ms=1000 * training_median((trained.run, trained.shapes), (inferred.run, inferred.shapes)),
        gpu_memory_mb=memory.gpu_mb,
        shapes=len(set(inferred.shapes)) if vary(inferred.shapes) else None,
    )
