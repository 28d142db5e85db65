"""Two preprocessing programs whose values part by a number alone, or by what stands before a logarithm. numpy only. Called by `inputs`."""

from __future__ import annotations

from itertools import permutations
from math import e, log

import numpy as np

from pytest_paddle_infer.diagnosis.axes import TELLING
from pytest_paddle_infer.diagnosis.finding import Array

Step = tuple[str, str]

_EQUAL = 1e-5
"""Absolute, and relative beyond 1, as the verdict has it."""
_MANY = 256
"""Values of a tensor below which a curve says little."""
_STORED = 2.5e-7
"""Relative: what float32 and the functions that made a value leave uncertain of it."""

_BASES = (("the natural logarithm", 1.0), ("the logarithm to base 10", log(10)), ("decibels (10 log10)", log(10) / 10),
          ("decibels (20 log10)", log(10) / 20), ("the logarithm to base 2", log(2)))  # fmt: skip
"""What a program calls its values, and by what they are multiplied to be natural logarithms."""

_RATIOS = {
    theirs / mine: f"{name} where the training preprocessing takes {other}"
    for (other, theirs), (name, mine) in permutations(_BASES, 2)
    if not ("10" in name and "10" in other)  # a plain factor of 2, 10 or 20
}
"""Factors between logarithms of the same values."""

_USUAL = sorted({*(2.0**power for power in (7, 8, 15, 16, 23, 31)), 255.0, 32767.0, *(10.0**power for power in range(1, 7))})
"""Factors that programs have before a logarithm: full scales of integers, and powers of ten."""


def ratio_of_logarithms(factor: float) -> str:
    """What this factor between two tensors is, as the end of a sentence; "" where it is none between usual logarithms."""
    return next((f", the factor of {what}" for ratio, what in _RATIOS.items() if abs(factor / ratio - 1) <= 1e-5), "")


def explain_numbers(training: Array, inference: Array) -> Step | None:
    """Returns (name, what is done) where every value is the training side's and a constant, or a number before a logarithm is another."""
    if training.shape != inference.shape or training.ndim < 2 or training.dtype.kind != "f" or inference.dtype.kind != "f":
        return None
    one, two = (side.astype(np.float64).ravel() for side in (training, inference))
    if len(np.unique(one[: 1 << 16])) < TELLING:
        return None
    gap = two - one
    constant = float(np.median(gap))
    allowed = _EQUAL * np.maximum(1.0, np.maximum(np.abs(one), np.abs(two)))
    if (np.abs(gap - constant) <= allowed).all():
        if abs(constant) <= 10 * float(allowed.max()):
            return None
        return "normalisation", f"adds {constant:.4g} to every value{_before(constant)}"
    if one.size < _MANY:
        return None
    for name, unit in _BASES:
        found = _bent(one * unit, two * unit)
        if found is not None:
            factor, more = found
            usual = _usual(factor)
            if abs(factor - 1) > 1e-3:
                return "logarithm", f"multiplies by {usual or factor:.5g} before it adds a constant and takes {name}"
            return "logarithm", f"adds {more:.4g} more before it takes {name}"
    return None


def _before(constant: float) -> str:
    """What a constant that is added to a logarithm stands for; "" where the factor is no usual one."""
    for name, unit in _BASES:
        if abs(constant * unit) < 60:
            usual = _usual(e ** (constant * unit))
            if usual:
                return f", as a factor of {usual:.5g} before {name} does"
    return ""


def _usual(factor: float) -> float:
    """The usual factor, or one over it, that a number is but for rounding; 0 for none."""
    return next((each for usual in _USUAL for each in (usual, 1 / usual) if abs(factor / each - 1) <= 2e-5), 0.0)


def _bent(one: Array, two: Array) -> tuple[float, float] | None:
    """(a, b) where two = log(a * exp(one) + b) for every value, a and b no 1 and 0; None where there are none."""
    if max(float(np.abs(one).max()), float(np.abs(two).max())) > 40 or np.ptp(one) < 1 or np.ptp(two) < 0.1:
        return None
    known, wanted = np.exp(one), np.exp(two)
    weight = 1 / wanted
    factor = more = 0.0
    for _ in range(3):
        basis = np.vstack([known * weight, weight]).T
        (factor, more), *_ = np.linalg.lstsq(basis, wanted * weight, rcond=None)
        made = factor * known + more
        if not factor > 0 or not (made > 0).all():
            return None
        allowed = _EQUAL * np.maximum(1.0, np.abs(two)) + _STORED * (2 + np.abs(one)) * factor * known / made
        weight = 1 / (wanted * allowed)
    if not (np.abs(np.log(made) - two) <= allowed).all():
        return None
    curved = np.abs(log(factor) + one - two) > 5 * allowed  # else a constant explains it as well
    return (float(factor), float(more)) if np.count_nonzero(curved) >= TELLING else None
