"""Tensors of any kind, series among them: axes that the inference side reverses, swaps, reshapes, or cuts at another place. numpy only.

Called by `inputs` of tensors without pictures. Axes are counted with the batch as axis 0, as an element of a failure's first line is.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from pytest_paddle_infer.diagnosis.agreement import CLOSE, apart
from pytest_paddle_infer.diagnosis.finding import Array

Step = tuple[str, str]

_EQUAL = 1e-5
"""Absolute, and relative beyond 1, as the verdict has it: what is told must hold for every value."""
TELLING = 16
"""Values that must move, and different ones among them, lest an order of elements is right by chance."""
_MOST_AXES = 5
_WINDOW = 64
"""Elements along an axis that are looked at first, to find how far it was shifted."""


def explain_axes(training: Array, inference: Array) -> Step | None:
    """Returns (name, what the inference preprocessing does) where its tensor holds the training side's values at other places.

    training, inference: floats, the batch first.
    """
    if training.dtype.kind != "f" or training.dtype != inference.dtype or not 2 <= training.ndim == inference.ndim <= _MOST_AXES:
        return None
    if len(training) != len(inference) or not training.size or not _varied(training):
        return None
    for what, turned in _orders(training, inference):
        if turned.shape == training.shape and fits(turned, training) and _moved(training, inference):
            return "axes", what
    return _shifted(training, inference) if training.shape == inference.shape else None


def fits(left: Array, right: Array) -> bool:
    """True where every value is the other but for rounding."""
    return bool(np.allclose(left, right, rtol=_EQUAL, atol=_EQUAL)) and apart(left, right) <= CLOSE


def _varied(array: Array) -> bool:
    return len(np.unique(array.ravel()[: 1 << 16])) >= TELLING


def _moved(training: Array, inference: Array) -> bool:
    """True where enough values differ as they are, so that an order that makes them agree says something."""
    if training.shape != inference.shape:
        return True
    return int(np.count_nonzero(~np.isclose(inference, training, rtol=10 * _EQUAL, atol=10 * _EQUAL))) >= TELLING


def _orders(training: Array, inference: Array) -> Iterator[tuple[str, Array]]:
    """Yields (what the inference side does, its tensor with that undone)."""
    axes = range(1, training.ndim)
    if training.shape == inference.shape:
        for axis in axes:
            yield f"reverses axis {axis} ({training.shape[axis]} long)", np.flip(inference, axis)
    if training.size != inference.size:
        return
    for order in permutations(axes):
        if order == tuple(axes):
            continue
        back = np.argsort((0, *order))
        swapped = [axis for axis, source in zip(axes, order) if axis != source]
        name = (
            f"swaps axes {swapped[0]} and {swapped[1]}"
            if len(swapped) == 2
            else f"puts axes {list(axes)} in the order {list(order)}"
        )
        yield f"{name} (transpose)", inference.transpose(back)
        if training.shape == inference.shape:
            mixed = [training.shape[axis] for axis in order]
            what = f"makes {list(training.shape[1:])} of {mixed} by a reshape where it must transpose"
            yield what, inference.reshape(len(inference), *mixed).transpose(back)


def _shifted(training: Array, inference: Array) -> Step | None:
    for axis in range(1, training.ndim):
        one, two = np.moveaxis(training, axis, -1), np.moveaxis(inference, axis, -1)
        length = one.shape[-1]
        window = min(_WINDOW, length // 4)
        start = (length - window) // 2
        if window < 2:
            continue
        row = int(one[0].reshape(-1, length).std(axis=1).argmax())
        first, second = one[0].reshape(-1, length)[row], two[0].reshape(-1, length)[row]
        seen = second[start : start + window]
        for by in sorted((sign * by for by in range(1, start + 1) for sign in (1, -1)), key=abs):
            if not np.allclose(seen, first[start + by : start + by + window], rtol=_EQUAL, atol=_EQUAL):
                continue
            own, other = (one[..., by:], two[..., :-by]) if by > 0 else (one[..., :by], two[..., -by:])
            unmoved = one[..., :-by] if by > 0 else one[..., -by:]  # of a periodic series the one is as right as the other
            if fits(other, own) and _varied(own) and _moved(unmoved, other):
                steps = f"{abs(by)} step{'s' * (abs(by) != 1)}"
                where = f"its element j is the training input's element j {'+' if by > 0 else '-'} {abs(by)}"
                return "axes", f"shifts its input by {steps} along axis {axis} ({length} long): {where}"
    return None
