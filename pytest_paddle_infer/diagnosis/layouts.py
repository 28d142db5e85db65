"""The order of a tensor's elements: what the inference side's channels, axes and rows came from. numpy only, no picture needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Callable

import numpy as np

from pytest_paddle_infer.diagnosis.agreement import CLOSE, ROUNDING, apart, restored
from pytest_paddle_infer.diagnosis.finding import Array
from pytest_paddle_infer.diagnosis.narrowing import narrowed
from pytest_paddle_infer.diagnosis.steps import joined

PICTURE_CHANNELS = (1, 3, 4)
_TELLING = 4
"""Integers that must be moved alike, lest they are others by chance."""
SHIFT = 3
"""Pixels by which a crop may be shifted."""

SWAPS = {
    "swaps the green and the blue channel": [0, 2, 1],
    "swaps the red and the green channel": [1, 0, 2],
}
"""What a program does to the order of three channels besides reversing it, and the order that undoes it."""

GREY = "turns the picture grey where the training preprocessing keeps its colours"

Layout = tuple[str, str, Array]


def is_nchw(tensor: Array) -> bool:
    """True for [N, C, H, W] of a picture."""
    return tensor.ndim == 4 and tensor.shape[1] in PICTURE_CHANNELS


def layouts(inference: Array, training: Array) -> Iterator[Layout]:
    """Yields (name, what the inference preprocessing does, its tensor with that undone), only where the shape then fits; simple first.

    inference: any shape. training: [N, C, H, W], or any shape, where only a batch axis is looked for.
    """
    for found in _layouts(inference, training):
        if found[2].shape == training.shape:
            yield found


def _layouts(inference: Array, training: Array) -> Iterator[Layout]:
    if inference.ndim == training.ndim - 1 and inference.size == training.size:
        yield "shape", "leaves out the batch dimension", inference[np.newaxis]
    if inference.ndim == training.ndim + 1 and inference.size == training.size:
        yield "shape", "adds a dimension too many", inference.reshape(training.shape)
    if not is_nchw(training):
        return
    if inference.ndim == 3 and len(training) == 1:
        for name, what, turned in _of_four(inference[np.newaxis], training):
            yield joined(name, "shape"), f"leaves out the batch dimension and {what}", turned
    if inference.ndim == 4:
        yield from _of_four(inference, training)


def _of_four(inference: Array, training: Array) -> Iterator[Layout]:
    batch, channels, height, width = training.shape
    bgr = "feeds the channels in reverse order (BGR for RGB)"
    if channels > 1:
        yield "channel order", bgr, inference[:, ::-1]
    if channels == 3:
        for what, order in SWAPS.items():
            yield "channel order", what, inference[:, order]
    yield "layout", "feeds NHWC where the model takes NCHW (transpose missing)", inference.transpose(0, 3, 1, 2)
    if channels > 1:
        yield (
            joined("layout", "channel order"),
            f"feeds NHWC where the model takes NCHW (transpose missing) and {bgr}",
            inference.transpose(0, 3, 1, 2)[:, ::-1],
        )
    yield "mirror", "mirrors the picture left to right", inference[..., ::-1]
    yield "mirror", "turns the picture upside down", inference[:, :, ::-1]
    yield "mirror", "turns the picture by 180 degrees", inference[:, :, ::-1, ::-1]
    turned = inference.transpose(0, 1, 3, 2)
    yield "layout", "swaps height and width (EXIF orientation or a transpose)", turned
    yield "exif", "turns the picture by 90 degrees (EXIF orientation)", turned[..., ::-1]
    yield "exif", "turns the picture by 90 degrees (EXIF orientation)", turned[:, :, ::-1]
    if inference.size == training.size:
        from_rows = inference.reshape(batch, height, width, channels).transpose(0, 3, 1, 2)
        yield "layout", "reshapes HWC to CHW where it must transpose", from_rows
        if channels > 1:
            yield joined("layout", "channel order"), f"reshapes HWC to CHW where it must transpose and {bgr}", from_rows[:, ::-1]


def explain_order(training: Array, inference: Array, before: float) -> tuple[str, str] | None:
    """Returns (name, what the inference preprocessing does) where another order of elements alone restores the training tensor.

    before: how far the two lie apart as they are.
    """
    for name, what, turned in layouts(inference, training):
        if _restores(turned, training, before):
            return name, what
    return _shifted(training, inference, before) if is_nchw(training) and is_nchw(inference) else None


def _restores(turned: Array, training: Array, before: float) -> bool:
    """The same as `restored`, with a look at a part first, because most hypotheses fail there."""
    if training.ndim == 4 and apart(turned[:1, :1], training[:1, :1]) > 10 * CLOSE:
        return False
    return restored(apart(turned, training), before)


def _shifted(training: Array, inference: Array, before: float) -> tuple[str, str] | None:
    """Finds one tensor within the other: a crop that was shifted, left out, or made where the other side makes none."""
    if training.shape[:2] != inference.shape[:2]:
        return None
    if training.shape == inference.shape:
        if min(training.shape[2:]) < 4 * SHIFT:
            return None
        moves = [(y, x) for y in range(-SHIFT, SHIFT + 1) for x in range(-SHIFT, SHIFT + 1) if (y, x) != (0, 0)]
        for y, x in sorted(moves, key=lambda move: (abs(move[0]) + abs(move[1]), move)):
            one, two = _overlap(training, y, x), _overlap(inference, -y, -x)
            if np.ptp(one[:1, :1]) > 0 and _restores(two, one, before):
                return "crop", f"shifts the crop by {_by(y, x)}"
        return None
    gaps = [large - small for large, small in zip(inference.shape[2:], training.shape[2:])]
    if all(gap >= 0 for gap in gaps):
        outer, inner, what = inference, training, "leaves out the crop to {0} or crops to {1}"
    elif all(gap <= 0 for gap in gaps):
        outer, inner, what = training, inference, "crops to {1} where the training preprocessing makes {0}"
    else:
        return None
    height, width = inner.shape[2:]
    rows, columns = (_starts(abs(gap)) for gap in gaps)
    for top in rows:
        for left in columns:
            if apart(outer[:, :, top : top + height, left : left + width], inner) <= CLOSE:
                return "crop", what.format(side(training), side(inference))
    return None


def _starts(gap: int) -> list[int]:
    return sorted({0, gap // 2, -(-gap // 2), gap})


def side(tensor: Array) -> str:
    """Height x width of [N, C, H, W]."""
    return f"{tensor.shape[2]}x{tensor.shape[3]}"


def _overlap(tensor: Array, y: int, x: int) -> Array:
    """What is left of a picture when it is moved by (y, x) and its old frame is kept."""
    height, width = tensor.shape[2:]
    return tensor[:, :, max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)]


def _by(y: int, x: int) -> str:
    parts = []
    for moved, ways in ((x, ("to the right", "to the left")), (y, ("down", "up"))):
        if moved:
            parts.append(f"{'a pixel' if abs(moved) == 1 else f'{abs(moved)} pixels'} {ways[moved < 0]}")
    return " and ".join(parts)


def explain_integers(training: Array, inference: Array) -> tuple[str, str] | None:
    """Returns (name, what is done) where every integer is moved by one number, as token ids of a vocabulary with other special tokens.

    Padding of 0 may stay as it is.
    """
    if training.shape != inference.shape or training.dtype.kind not in "iu" or training.size < _TELLING:
        return None
    gap = inference.astype(np.int64) - training.astype(np.int64)
    moved = training != 0 if (gap[training == 0] == 0).all() else np.ones(training.shape, np.bool_)
    if np.count_nonzero(moved) < _TELLING or np.ptp(training[moved]) == 0 or np.ptp(gap[moved]) != 0 or not gap[moved].any():
        return None
    rest = "" if moved.all() else " but for zeros"
    return "integers", f"shifts its integers by {int(gap[moved][0]):+d}{rest}"


def explain_precision(training: Array, inference: Array, before: float) -> tuple[str, str] | None:
    """Returns (name, what is done) where the inference tensor is the training tensor rounded to a narrower type."""
    if training.shape != inference.shape or before <= ROUNDING:
        return None
    kind = narrower(training, inference)
    return ("precision", f"rounds its values to {kind} on the way") if kind and before > 1e-7 else None


def narrower(training: Array, inference: Array) -> str:
    """The narrower type that one tensor is the other rounded to; "" for none."""
    return next((kind for kind, narrow in narrowed(training) if apart(inference, narrow) <= 1e-7), "")


def explain_levels(training: Array, inference: Array) -> tuple[str, str] | None:
    """Returns (name, what is done) where the inference tensor is the training tensor on equal steps, as integers are that stored it."""
    if training.shape != inference.shape or training.dtype.kind != "f" or inference.size < _MANY:
        return None
    one, two = training.astype(np.float64).ravel(), inference.astype(np.float64).ravel()
    levels = np.unique(two)
    if len(levels) < _LEVELS or len(np.unique(one)) < 2 * len(levels):  # else the training side has steps too, of its own
        return None
    gaps = np.diff(levels)
    numbers = np.concatenate([[0.0], np.cumsum(np.rint(gaps / gaps.min()))])
    step = float(levels[-1] - levels[0]) / numbers[-1]  # of all levels together: a single gap is rounded
    if np.abs((levels - levels[0]) / step - numbers).max() > 0.05:
        return None
    inner = (two > levels[0]) & (two < levels[-1])  # what lies beyond the range of the integers is cut off there
    exact, found = (one[inner] - levels[0]) / step, np.rint((two[inner] - levels[0]) / step)
    nearest = _mostly(np.rint(exact) == found)
    if not nearest and not any(
        _mostly(rounding(exact) == found) for rounding in (np.floor, np.ceil, _towards_zero(levels[0] / step))
    ):
        return None
    whole = round(1 / step)
    shown = f"1/{whole}" if whole > 1 and abs(step * whole - 1) < 1e-4 else f"{step:.4g}"
    digits = len(str(whole)) - 1
    if digits and whole == 10**digits and shown == f"1/{whole}":  # of a round(x, digits), or integers: nobody knows which
        if nearest and abs(levels[0] / step - np.rint(levels[0] / step)) < 0.05:
            return "precision", f"rounds its values to {digits} digit{'s' * (digits > 1)}"
        return "precision", f"puts its values on steps of {shown}"
    return "precision", f"puts its values on steps of {shown}, as integers do that store them on the way"


def explain_clipping(training: Array, inference: Array) -> tuple[str, str] | None:
    """Returns (name, what is done) where every value of the inference tensor is the training side's, cut off at its own least and most."""
    if training.shape != inference.shape or training.dtype.kind != "f" or inference.size < _MANY:
        return None
    low, high = float(inference.min()), float(inference.max())
    under, above = training < low - ROUNDING * abs(low), training > high + ROUNDING * abs(high)
    within = ~(under | above)
    many = [int(np.count_nonzero(each)) for each in (under, above)]
    if min((count for count in many if count), default=0) < _LEVELS or len(np.unique(training[within])) < _LEVELS:
        return None
    if apart(inference, np.clip(training, low, high)) > ROUNDING:
        return None
    bounds = [f"{word} {bound:.4g}" for word, bound, count in (("below", low, many[0]), ("above", high, many[1])) if count]
    return "clip", f"cuts off values {' and '.join(bounds)}"


_MANY, _LEVELS = 256, 16
"""Values, and different ones among them, without which steps are seen by chance."""


def _mostly(right: Array) -> bool:
    return bool(len(right)) and float(right.mean()) > 0.999


def _towards_zero(lowest: float) -> Callable[[Array], Array]:
    return lambda numbers: np.rint(np.trunc(numbers + lowest) - lowest)


def mixed_colours(training: Array, inference: Array) -> tuple[str, str] | None:
    """Returns (name, what is done) where each channel fed is a sum of the training side's channels, all the same: a grey picture."""
    if training.shape != inference.shape or training.ndim != 4 or training.shape[1] != 3:
        return None
    one = np.moveaxis(training, 1, 0).reshape(3, -1).astype(np.float64)
    two = np.moveaxis(inference, 1, 0).reshape(3, -1).astype(np.float64)
    spread = two.std(axis=1)
    if spread.min() == 0 or one.std(axis=1).min() == 0:
        return None
    if np.abs(np.corrcoef(two) - 1).max() > 1e-6 or np.abs(np.corrcoef(one) - 1).max() < 1e-4:
        return None  # the inference side has colours, or the training side has none either
    basis = np.vstack([one, np.ones(one.shape[1])]).T
    found, *_ = np.linalg.lstsq(basis, two[0], rcond=None)
    missed = two[0] - basis @ found
    if missed.std() > 0.02 * spread[0]:
        return None
    return "mode", GREY
