"""How far two arrays lie apart, and when a hypothesis counts as having brought them together. numpy only."""

from __future__ import annotations

import numpy as np

from pytest_paddle_infer.diagnosis.finding import Array

CLOSE = 1e-4
"""Of the largest value: what counts as restored. Faults move far more, rounding far less."""

ROUNDING = 2e-6
"""Of the largest value: sixteen units in the last place of float32. What lies nearer needs no cause."""


def apart(left: Array, right: Array) -> float:
    """The largest difference, of the largest value of `right`; infinite for other shapes, no elements, and NaN or Inf on either side."""
    if left.shape != right.shape or not left.size:
        return float("inf")
    kind = np.complex128 if "c" in (left.dtype.kind, right.dtype.kind) else np.float64
    wide, other = np.asarray(left, kind), np.asarray(right, kind)
    if not (np.isfinite(wide).all() and np.isfinite(other).all()):
        return float("inf")
    with np.errstate(over="ignore"):
        difference, scale = float(np.abs(wide - other).max()), float(np.abs(other).max())
    if difference == 0:
        return 0.0
    return difference / scale if scale and np.isfinite(scale) else float("inf")


def finite(array: Array) -> bool:
    """True when no element is NaN or Inf, which only floating-point and complex numbers have."""
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def close(left: Array, right: Array, limit: float = CLOSE) -> bool:
    """True when two arrays of one shape agree within `limit` of the largest value of `right`."""
    return apart(left, right) <= limit


def restored(after: float, before: float, rounding: float = ROUNDING) -> bool:
    """True when a hypothesis took a difference of `before` down to `after`, as far as rounding allows.

    rounding: the difference, of the largest value, that two honest engines show. A difference within it needs no hypothesis; one
    that merely shrinks was not explained.
    """
    return before > rounding and after <= max(rounding, before / 100) and after <= min(max(CLOSE, rounding), before / 4)
