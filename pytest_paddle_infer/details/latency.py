"""The times of a benchmark for the report. Called by `log_check.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_paddle_infer.details.numbers import rounded

if TYPE_CHECKING:
    from pytest_paddle_infer.engine.observed import Timings

MOST = 1000
"""Times that are kept of each kind."""


def latency_of(inferred: Timings, trained: Timings, batch_size: int) -> dict[str, Any]:
    """Returns `latency` of the details, in milliseconds of a batch: of the inference engine by stage, and of the training engine's run.

    Where the shapes of batches vary, those of both engines too.
    """
    from pytest_paddle_infer.judge.shapes import vary

    shapes = {}
    if vary(inferred.shapes):
        shapes["inference_shapes"] = [inferred.shapes[index] for index in _kept(inferred.run)]
        shapes["training_shapes"] = [trained.shapes[index] for index in _kept(trained.run)]
    return {
        "batch_size": batch_size,
        "batches": len(inferred.run),
        "inference_ms": thinned(inferred.run),
        "training_ms": thinned(trained.run),
        "preprocess_ms": thinned(inferred.preprocess),
        "postprocess_ms": thinned(inferred.postprocess),
        **shapes,
    }


def thinned(seconds: Sequence[float]) -> list[float | None]:
    """Returns milliseconds in their order; of more than `MOST` evenly spaced order statistics, the least and the largest among them."""
    return [rounded(1000 * seconds[index]) for index in _kept(seconds)]


def _kept(seconds: Sequence[float]) -> Sequence[int]:
    """Which of them are."""
    if len(seconds) <= MOST:
        return range(len(seconds))
    order = sorted(range(len(seconds)), key=seconds.__getitem__)
    return [order[round(place * (len(order) - 1) / (MOST - 1))] for place in range(MOST)]
