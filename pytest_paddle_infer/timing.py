"""Times one variant: batches of the inference engine in turn with batches of the training engine, so that both meet the same machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_paddle_infer.bench import Bench
    from pytest_paddle_infer.benchmark import Memory
    from pytest_paddle_infer.engine.services import LoadFacts, Timings
    from pytest_paddle_infer.engine.worker import Worker

ROUNDS = 4
"""Parts that the timed batches are cut into; after each the training engine runs a batch. Its speed is the yardstick of all variants."""

LATER_ROUNDS = 2
"""Parts for every variant after the first, with one batch of the training engine between them: its speed is known by then."""


@dataclass(frozen=True)
class Timing:
    """Times of one batch, in milliseconds: of `batches` timed ones of `batch_size` samples each, after the warm-up.

    spread_ms: their interquartile range. training_p50_ms: the median of the training engine's batches, run in turn with these.
    first_ms: the first run after loading. load_s: seconds to make the predictor. memory_mb: what is the engine's process's own after it,
    without the pages that it shares with the session, in MB of 2**20 bytes; gpu_memory_mb: None where no GPU is used.
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


def run_in_turn(
    bench: Bench, worker: Worker, facts: LoadFacts, size: int, warmup: int, batches: int, memory: Memory, rounds: int = ROUNDS
) -> tuple[Timings, Timings]:
    """Returns the times of `batches` batches of the inference engine, and those of the training engine after each of `rounds` parts.

    With `LATER_ROUNDS` the training engine runs once, in the middle.
    """
    from pytest_paddle_infer.engine.services import joined

    training = bench.training()
    inferred: list[Timings] = []
    trained: list[Timings] = []
    done = 0
    parts = min(rounds, batches)
    for number in range(parts):
        count = (batches * (number + 1)) // parts - done
        skip = warmup if number == 0 else 0
        inferred.append(
            bench.call(
                worker, "time the inference engine", "benchmark", size, skip, count, done,
                parts=skip + count, watch=lambda _: memory.watch(facts),
            )
        )  # fmt: skip
        done += count
        if rounds == LATER_ROUNDS and trained:
            break
        cold = int(not bench.training_is_warm)
        trained.append(bench.call(training, "time the training engine", "benchmark", size, cold, 1, number, parts=2))
        bench.training_is_warm = True
    memory.watch(facts)
    return joined(inferred), joined(trained)


def timing_of(
    inferred: Timings, trained: Timings, size: int, facts: LoadFacts, first: tuple[float, float], memory: Memory
) -> Timing:
    """Returns the figures of a run."""
    import numpy as np

    low, middle, high, last = (1000 * float(value) for value in np.percentile(inferred.run, [25, 50, 75, 99]))
    return Timing(
        p50_ms=middle,
        p99_ms=last,
        spread_ms=high - low,
        batches=len(inferred.run),
        batch_size=size,
        first_ms=1000 * first[0],
        load_s=facts.load_seconds,
        memory_mb=first[1],
        training_p50_ms=1000 * float(np.median(trained.run)),
        gpu_memory_mb=memory.gpu_mb,
    )
