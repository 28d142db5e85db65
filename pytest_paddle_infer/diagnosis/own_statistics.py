"""Samples that one of two preprocessing programs scales or normalises by their own numbers, so that every sample has a line of its own.

Called by `inputs`. numpy only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pytest_paddle_infer.diagnosis.finding import Array

Step = tuple[str, str]

_LEAST = 32
"""Values of a sample, or of a channel of it, below which a mean of 0 and a std of 1 say little."""
_MISSED = 2e-5
"""By how much values may miss their line, absolute, and relative to the largest beyond 1."""
_ZERO, _ONE = 2e-5, 1e-3
"""By how much a mean of 0 and a std of 1 may be missed: a std with n - 1, or with an epsilon, is off by more than a mean."""
_OTHER = 1e-3
"""Relative: slopes that differ by more are those of different lines."""


class _Lines(NamedTuple):
    """Values float64[U, n] of both sides, of samples or channels of samples, and the line of each: y = slope * x + offset."""

    x: Array
    y: Array
    slopes: Array
    offsets: Array

    @property
    def differ(self) -> bool:
        """True where they are not one line."""
        middle = np.abs(self.slopes).max()
        spread = max(1.0, float(np.abs(self.y).max()))
        return bool(np.ptp(self.slopes) > _OTHER * middle or np.ptp(self.offsets) > _OTHER * spread)


def explain_own_statistics(training: Array, inference: Array) -> Step | None:
    """Returns (name, what is done) where one side normalises each sample by numbers of its own.

    training, inference: the samples first. From several samples that are no one line, and from a single one that has mean 0 and std 1.
    """
    if training.shape != inference.shape or training.ndim < 2 or training.dtype.kind != "f" or inference.dtype.kind != "f":
        return None
    for what, lines in _lines(training, inference):
        own, other = _done(lines.y, lines), _done(lines.x, lines)
        if own and not other:
            return "normalisation", f"{own.format(what)}, which the training preprocessing does not"
        if other and not own:
            return "normalisation", f"does not do what the training preprocessing does: it {other.format(what)}"
        if what == "each sample" and len(lines.x) > 1 and lines.differ and np.ptp(lines.y) > 0:
            shown = " and ".join(f"{a:.4g} * x {b:+.4g}" for a, b in list(zip(lines.slopes, lines.offsets))[:2])
            return "normalisation", f"scales or normalises each sample by other numbers: it feeds the training input x as {shown}"
    return None


def _lines(training: Array, inference: Array) -> Iterator[tuple[str, _Lines]]:
    parts = [("each sample", 1)]
    parts += [("each channel of each sample (axis 1)", 2)] if training.ndim > 2 and training.shape[1] > 1 else []
    for what, axes in parts:
        count = int(np.prod(training.shape[:axes]))
        x, y = (side.reshape(count, -1).astype(np.float64) for side in (training, inference))
        if x.shape[1] < _LEAST:
            continue
        variance = x.var(axis=1)
        if variance.min() <= 0 or y.var(axis=1).min() <= 0:
            continue
        middle, other = x.mean(axis=1, keepdims=True), y.mean(axis=1, keepdims=True)
        slopes = ((x - middle) * (y - other)).mean(axis=1) / variance
        offsets = other[:, 0] - slopes * middle[:, 0]
        allowed = _MISSED * np.maximum(1.0, np.abs(y).max(axis=1, keepdims=True))
        if (np.abs(slopes[:, None] * x + offsets[:, None] - y) <= allowed).all():
            yield what, _Lines(x, y, slopes, offsets)


def _done(values: Array, lines: _Lines) -> str:
    """What makes these values what they are, {} for of what; "" for nothing that is known."""
    several = len(values) > 1
    if several and not lines.differ:
        return ""
    mean, std = np.abs(values.mean(axis=1)).max(), values.std(axis=1)
    scale = max(1.0, float(std.max()))
    if mean <= _ZERO * scale and np.abs(std - 1).max() <= _ONE:
        return "normalises {} by its own mean and standard deviation"
    if several and mean <= _ZERO * scale and np.ptp(lines.slopes) <= 1e-5 * np.abs(lines.slopes).max():
        return "subtracts from {} its own mean"
    if several and np.abs(values.min(axis=1)).max() <= 1e-6 and np.abs(values.max(axis=1) - 1).max() <= 1e-6:
        return "scales {} to 0 to 1 by its own smallest and largest value"
    largest = np.abs(np.abs(values).max(axis=1) - 1).max()
    if several and largest <= 1e-6 and np.abs(lines.offsets).max() <= _ZERO and np.ptp(lines.slopes) > 0:
        return "divides {} by its own largest value"
    return ""
