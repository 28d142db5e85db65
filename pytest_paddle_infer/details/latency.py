"""The times of a benchmark for the report. Called by `log_check.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_paddle_infer.details.numbers import rounded

if TYPE_CHECKING:
    from pytest_paddle_infer.engine.services import Timings

MOST = 1000
"""Times that are kept of each kind."""


def latency_of(inferred: Timings, trained: Timings, batch_size: int) -> dict[str, Any]:
    """Returns `latency` of the details, in milliseconds of a batch: of the inference engine by stage, and of the training engine's run."""
    return {
        "batch_size": batch_size,
        "batches": len(inferred.run),
        "inference_ms": thinned(inferred.run),
        "training_ms": thinned(trained.run),
        "preprocess_ms": thinned(inferred.preprocess),
        "postprocess_ms": thinned(inferred.postprocess),
    }


def thinned(seconds: Sequence[float]) -> list[float | None]:
    """Returns milliseconds in their order; of more than `MOST` evenly spaced order statistics, the least and the largest among them."""
    kept = list(seconds)
    if len(kept) > MOST:
        kept.sort()
        kept = [kept[round(place * (len(kept) - 1) / (MOST - 1))] for place in range(MOST)]
    return [rounded(1000 * each) for each in kept]
