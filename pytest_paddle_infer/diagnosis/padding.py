"""What is fed around a picture that does not fill the tensor: where it begins, its value, and how two sides pad otherwise. numpy only.

Called by `pipelines` and its callers, and by `inputs` for what the tensors tell without a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pytest_paddle_infer.diagnosis.agreement import CLOSE, apart
from pytest_paddle_infer.diagnosis.finding import Array
from pytest_paddle_infer.diagnosis.normalisation import figures

Box = tuple[int, int, int, int]

_EVEN = 4e-6
"""Of the largest value: what one padding value may differ by where vector and scalar arithmetic rounded it."""
_SAME = 0.6
"""Levels of a pixel (0 to 255) by which two paddings must differ to count as two: the fits of slope and offset are that sure."""
_STRIDES = (32, 64, 128, 16, 8)


@dataclass(frozen=True)
class Padding:
    """What a program pads with. fed: the values in the tensor; pixels: the colour in levels that they are, in the picture's order."""

    fed: tuple[float, ...]
    pixels: tuple[float, ...]

    @property
    def after(self) -> bool:
        """True where zeros are fed that are no black: it is the normalised tensor that is padded."""
        return not any(self.fed) and max(abs(value) for value in self.pixels) > _SAME

    @property
    def whole(self) -> bool:
        """True for a colour in whole levels, as programs write it, or zeros after the normalisation."""
        return self.after or all(abs(value - round(value)) < _SAME / 2 for value in self.pixels)

    @property
    def value(self) -> str:
        """0, 114, (124, 116, 104)."""
        whole = [round(value) if abs(value - round(value)) < _SAME / 2 else value for value in self.pixels]
        return "0" if self.after else figures([value + 0.0 for value in whole])

    def __str__(self) -> str:
        return self.value + (" after the normalisation" if self.after else "")

    def differs(self, other: Padding) -> bool:
        """True for another colour; zeros after the normalisation are the same whatever colour they stand for."""
        if len(self.pixels) != len(other.pixels) or not (any(self.fed) or any(other.fed)):
            return False
        return max(abs(one - two) for one, two in zip(self.pixels, other.pixels)) > _SAME


def padded_with(around: Sequence[Array], slopes: Array, offsets: Array, order: Sequence[int]) -> Padding | None:
    """Returns what is in all of these parts float[C, ...] of tensors; None where it is not one value for each channel.

    slopes, offsets, order: how pixels are fed, as `Fit` has them.
    """
    values = np.concatenate([part.reshape(len(part), -1) for part in around], axis=1)
    low, high = values.min(axis=1), values.max(axis=1)
    if not (high - low <= _EVEN * np.maximum(1.0, np.abs(255 * slopes))).all():
        return None
    fed = np.where(np.abs(low) <= _EVEN, 0.0, low)
    pixels = np.zeros(len(fed))
    pixels[list(order)] = (low - offsets) / slopes
    return Padding(tuple(fed.tolist()), tuple(pixels.tolist()))


# -- where a picture lies in a tensor ----------------------------------------------------------------------------------


def inside(sample: Array, box: Box) -> Array:
    """The part of [..., H, W] in (left, top, right, bottom)."""
    x, y, right, bottom = box
    return sample[..., y:bottom, x:right]


def outside(sample: Array, box: Box) -> list[Array]:
    """What is around a box of [C, H, W], in up to four parts; none of them is empty."""
    x, y, right, bottom = box
    parts = [sample[:, :y], sample[:, bottom:], sample[:, y:bottom, :x], sample[:, y:bottom, right:]]
    return [part for part in parts if part.size]


def even(parts: Sequence[Array]) -> bool:
    """True where all parts [C, ...] hold the same value for each channel."""
    first = [part.reshape(len(part), -1) for part in parts]
    if not first:
        return True
    start = first[0][:, :1]
    limit = _EVEN * max(1.0, float(np.abs(start).max()))
    return all(bool((np.abs(part - start) <= limit).all()) for part in first)


def framed(sample: Array) -> Box:
    """The box of [C, H, W] that is left when rows and columns of one colour are cut off, that of the right bottom or left top corner."""
    height, width = sample.shape[1:]
    best = (0, 0, width, height)
    if not any(even([edge]) for edge in (sample[:, :1], sample[:, -1:], sample[..., :1], sample[..., -1:])):
        return best
    for colour in (sample[:, -1:, -1:], sample[:, :1, :1]):
        other = (np.abs(sample - colour) > _EVEN * max(1.0, float(np.abs(colour).max()))).any(axis=0)
        rows, columns = np.flatnonzero(other.any(axis=1)), np.flatnonzero(other.any(axis=0))
        if not len(rows):
            return 0, 0, width, height
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        if _area(box) < _area(best):
            best = box
    return best


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


# -- two tensors, without a picture ------------------------------------------------------------------------------------

Told = tuple[str, str]


def explain_padding(training: Array, inference: Array) -> tuple[Told | None, bool]:
    """Returns ("padding", what the inference preprocessing does) where float[N, C, H, W] differ by padding alone, and whether that is sure.

    It is not where an even margin of the pictures themselves would look the same: where the pictures are there, ask them first.
    """
    if training.ndim != 4 or inference.ndim != 4 or training.shape[:2] != inference.shape[:2]:
        return None, False
    if training.shape == inference.shape:
        return _otherwise(training, inference), False
    return _left_out(training, inference)


def _left_out(training: Array, inference: Array) -> tuple[Told | None, bool]:
    padded = training.shape[2] >= inference.shape[2] and training.shape[3] >= inference.shape[3]
    outer, inner = (training, inference) if padded else (inference, training)
    (high, wide), (height, width) = outer.shape[2:], inner.shape[2:]
    free = (wide - width, high - height)
    if min(free) < 0:
        return None, False
    for x, y in dict.fromkeys(((0, 0), (free[0] // 2, free[1] // 2), free, (free[0], 0), (0, free[1]))):
        box = (x, y, x + width, y + height)
        around = [part for sample in outer for part in outside(sample, box)]
        if not even(around) or apart(inside(outer, box), inner) > CLOSE:
            continue
        if _margin_in(inner, around[0], box, (wide, high)):
            fed, own = ((f"{a.shape[2]}x{a.shape[3]}") for a in (inference, training))
            return ("padding", f"pads or crops an even margin otherwise: it feeds {fed}, the training preprocessing {own}"), False
        stride = next((n for n in _STRIDES if not (wide % n or high % n) and max(free) < n), 0) if not (x or y) else 0
        made = f"{high}x{wide} {_where(x, y, free)}{f', multiples of {stride}' if stride else ''}"
        if padded:
            return ("padding", f"leaves out the padding to {made}"), True
        return ("padding", f"pads to {made}, where the training preprocessing feeds {height}x{width}"), True
    return None, False


def _where(x: int, y: int, free: tuple[int, int]) -> str:
    """Where a picture is padded that begins at (x, y), with so much free in width and height."""
    if 0 < x < free[0] and 0 < y < free[1]:
        return "around the picture"
    ends = ((x, free[0], "left", "right"), (y, free[1], "top", "bottom"))
    told = [
        " and ".join(f"at the {name}" for name, there in ((before, at > 0), (after, at < most)) if there)
        for at, most, before, after in ends
        if most
    ]
    return " and ".join(told)


def _margin_in(inner: Array, around: Array, box: Box, whole: tuple[int, int]) -> bool:
    """True where a picture's own row or column beside the padding is all of the padding's colour in every sample."""
    colour = around.reshape(len(around), -1)[:, :1, np.newaxis]
    beside = (
        (inner[:, :, :, :1], box[0] > 0),
        (inner[:, :, :1], box[1] > 0),
        (inner[:, :, :, -1:], box[2] < whole[0]),
        (inner[:, :, -1:], box[3] < whole[1]),
    )
    return any(
        bool((np.abs(edge - colour) <= CLOSE * max(1.0, float(np.abs(colour).max()))).all()) for edge, padded in beside if padded
    )


def _otherwise(training: Array, inference: Array) -> Told | None:
    """The same pictures elsewhere in tensors of the same shape, or in another colour."""
    frames = [(framed(one), framed(two)) for one, two in zip(training, inference)]
    whole = (0, 0, *training.shape[:1:-1])
    if all(box == whole for boxes in frames for box in boxes):
        return None
    colours: list[tuple[str, str]] = []
    for one, two, (old, new) in zip(training, inference, frames):
        if apart(inside(two, new), inside(one, old)) > CLOSE:
            return None
        around = outside(one, old), outside(two, new)
        if all(around):
            colours.append((figures(around[1][0][:, 0, 0]), figures(around[0][0][:, 0, 0])))
    moves = {(new[0] - old[0], new[1] - old[1]) for old, new in frames}
    if moves != {(0, 0)}:
        x, y = max(moves, key=lambda move: (abs(move[0]) + abs(move[1]), move))
        far = f"{'up to ' if len(moves) > 1 else ''}{_by(x, y)}"
        return "padding", f"pads elsewhere, or shifts the crop: the picture lies {far}"
    fed, own = next((pair for pair in colours if pair[0] != pair[1]), ("", ""))
    return ("padding", f"pads so that {fed} is fed where the training preprocessing feeds {own}") if fed else None


def _by(x: int, y: int) -> str:
    parts = [
        f"{'a pixel' if abs(moved) == 1 else f'{abs(moved)} pixels'} {ways[moved < 0]}"
        for moved, ways in ((x, ("further right", "further left")), (y, ("further down", "further up")))
        if moved
    ]
    return " and ".join(parts)
