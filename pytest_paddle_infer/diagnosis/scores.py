"""What stands between two outputs that are scores of classes: softmax, sigmoid, logarithms, a temperature. numpy only.

Scores behind a softmax give their logits back by a logarithm, but for one constant a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Callable

import numpy as np

from pytest_paddle_infer.diagnosis.agreement import apart, restored
from pytest_paddle_infer.diagnosis.finding import Array

Named = tuple[str, str]


def softmax(scores: Array, axis: int = -1) -> Array:
    """float64 of the same shape, summing to 1 along the axis."""
    wide = scores.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        raised = np.exp(wide - wide.max(axis=axis, keepdims=True))
        return np.asarray(raised / raised.sum(axis=axis, keepdims=True))


def log_softmax(scores: Array, axis: int = -1) -> Array:
    """The logarithm of `softmax`, exact for small values."""
    moved = scores.astype(np.float64) - scores.max(axis=axis, keepdims=True)
    return np.asarray(moved - np.log(np.exp(moved).sum(axis=axis, keepdims=True)))


def sigmoid(scores: Array) -> Array:
    """float64 of the same shape."""
    return np.asarray(1 / (1 + np.exp(-scores.astype(np.float64))))


_ELEMENTWISE: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    ("sigmoid", sigmoid),
    ("relu", lambda x: np.maximum(x, 0)),
    ("relu6", lambda x: np.clip(x, 0, 6)),
    ("tanh", np.tanh),
    ("exp", np.exp),
    ("abs", np.abs),
)


def explain_scores(x: Array, y: Array, before: float, rounding: float) -> Iterator[Named]:
    """Yields (name, cause) of what fits. x: float64 of the training engine, y: of the inference engine, of one shape, all finite."""
    if x.ndim < 1 or x.shape[-1] < 1:
        return

    def same(left: Array, right: Array) -> bool:
        return restored(apart(left, right), before, rounding)

    axes = [axis for axis in (x.ndim - 1, *range(1, x.ndim - 1)) if x.shape[axis] > 1]
    for axis in axes:
        logs = tuple(side.max() <= 1e-6 and _sums_to_one(np.exp(side), axis) for side in (x, y))
        if any(logs):
            yield from _logarithms(x, y, axis, logs, same)
            continue
        along = "" if axis == x.ndim - 1 else f" over axis {axis}"
        if same(softmax(y, axis), x):
            yield (
                "softmax",
                f"softmax{along} is missing from the exported model: softmax of its output is the training engine's "
                "(append it before exporting, or say softmax='no').",
            )
        if same(y, softmax(x, axis)):
            again = _sums_to_one(x, axis)
            how = (
                "applied once more in the exported model than in" if again or not along else "applied in the exported model, not in"
            )
            yield "softmax", f"softmax{along} is {how} the training engine."
    for name, function in _ELEMENTWISE:
        if same(y, function(x)) and not _is(function, x):
            yield name, f"{name} is applied once more in the exported model than in the training engine."
        if same(function(y), x) and not _is(function, y):
            yield name, f"{name} is missing from the exported model: {name} of its output is the training engine's."
    for axis in axes:
        yield from _other_ends(x, y, axis, same)
    yield from _other_axis(x, y, same)


def _is(function: Callable[[Array], Array], values: Array) -> bool:
    return bool(np.array_equal(function(values), values))


def _sums_to_one(values: Array, axis: int) -> bool:
    return bool(values.min() >= -1e-5 and np.abs(values.sum(axis=axis) - 1).max() < 1e-3)


def _centred(values: Array, axis: int) -> Array:
    return np.asarray(values - values.mean(axis=axis, keepdims=True))


def _logit(values: Array) -> Array:
    return np.asarray(np.log(values) - np.log1p(-values))


Same = Callable[[Array, Array], bool]


def _logarithms(x: Array, y: Array, axis: int, logs: tuple[bool, ...], same: Same) -> Iterator[Named]:
    """One side, or both, are logarithms of probabilities."""
    if logs[0] and not logs[1]:
        if same(y, np.exp(x)):
            yield "log_softmax", "the exported model ends in softmax where the training engine ends in log_softmax."
        if same(log_softmax(y, axis), x):
            yield (
                "log_softmax",
                "log_softmax is missing from the exported model: log_softmax of its output is the training engine's.",
            )
    elif logs[1] and not logs[0]:
        if same(np.exp(y), x):
            yield "log_softmax", "the exported model ends in log_softmax where the training engine ends in softmax."
        if same(y, log_softmax(x, axis)):
            yield "log_softmax", "log_softmax is applied in the exported model, not in the training engine."


def _other_ends(x: Array, y: Array, axis: int, same: Same) -> Iterator[Named]:
    """Softmax on one side, something else on the other: compared by the logits that both came from."""
    if _sums_to_one(x, axis) and y.min() > 0 and y.max() < 1 and same(softmax(_logit(y), axis), x):
        yield "sigmoid", "the exported model ends in sigmoid where the training engine ends in softmax."
    if _sums_to_one(y, axis) and x.min() > 0 and x.max() < 1 and same(y, softmax(_logit(x), axis)):
        yield "softmax", "the exported model ends in softmax where the training engine ends in sigmoid."
    if not (_sums_to_one(x, axis) and _sums_to_one(y, axis)):
        return
    seen = (x > 1e-12) & (y > 1e-12)
    logs = np.log(np.where(seen, x, 1.0)), np.log(np.where(seen, y, 1.0))
    weight = np.where(seen, np.minimum(x, y) ** 2, 0.0)  # rounding moves the logarithm of a small score far
    total = weight.sum(axis=axis, keepdims=True)
    one, two = (np.where(seen, log - (weight * log).sum(axis=axis, keepdims=True) / total, 0.0) for log in logs)
    power = float((weight * one * one).sum())
    if not power:
        return
    factor = float((weight * one * two).sum()) / power
    if factor > 0 and same(y, softmax(factor * np.log(np.maximum(x, 1e-300)), axis)):
        yield (
            "temperature",
            f"the exported model multiplies the logits by {factor:.6g} before softmax (a temperature of {1 / factor:.6g}).",
        )


def _other_axis(x: Array, y: Array, same: Same) -> Iterator[Named]:
    """Softmax over another axis: the logarithms differ by a constant for each index of either axis."""
    if x.min() <= 0 or y.min() <= 0:
        return
    sums = [[axis for axis in range(x.ndim) if x.shape[axis] > 1 and _sums_to_one(side, axis)] for side in (x, y)]
    for right, wrong in ((one, two) for one in sums[0] for two in sums[1] if one != two and two not in sums[0]):
        gap = np.log(y) - np.log(x)
        free = _centred(_centred(gap, right), wrong)
        if np.abs(free).max() <= 1e-3:
            yield (
                "softmax",
                f"the exported model applies softmax over axis {wrong} where the training engine applies it over axis {right}.",
            )
