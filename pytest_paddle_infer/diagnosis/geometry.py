"""Which pixels of a picture reach a tensor: resize and crop as programs write them, and their exact pixels. numpy and Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from pytest_paddle_infer.diagnosis.finding import Array

Size = tuple[int, int]
Box = tuple[int, int, int, int]
Part = tuple[float, float, float, float]

_PILLOW = {
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}
_ABRUPT = ("nearest", "box")
"""Filters with an edge, on which the rounding of a part's corner takes other neighbours."""
_OPENCV = ("bilinear without antialias", "area averages", "bicubic without antialias", "nearest with OpenCV's rounding")

INTERPOLATIONS = ("bilinear", "bilinear without antialias", "nearest", "bicubic", *_OPENCV[1:], "lanczos", "box", "hamming")
"""Those with antialias are Pillow's filters; those without, and area, are OpenCV's, with the centres of pixels at halves."""

ALIGNED = "bilinear with align_corners"
"""What `paddle.nn.functional.interpolate` and torch's do where asked to: the centres of the outer pixels come to lie on each other."""

_REDUCED = " and reducing_gap="
IN_FLOATS = " without rounding to whole values"
"""After the name of one of Pillow's filters: on channels of floats, as torch does with antialias; `resize` of a uint8 picture rounds."""

_GAPS = ("1.0", "2.0", "3.0")
"""What Pillow's `resize(..., reducing_gap=)` is given: the picture is first reduced by a whole number; `thumbnail` does so with 2.0."""

AROUND, CORNER = "around the picture", "at the right and at the bottom"
"""Where programs pad: YOLO keeps the picture in the centre, PaddleDetection and PaddleOCR at the top left."""

CORNERED = "corner"
"""How the margins of a crop are rounded that is made at the left top corner: there are none."""


@dataclass(frozen=True)
class Placement:
    """A geometry for a picture of one size: cut `box` out of it (None: all), make that `size`, take width x height from left, top.

    at: where in what is fed the left top pixel of that comes to lie; all around it is padding. cut: a part that is not of whole pixels, as
    `PIL.ImageOps.fit` hands it to the resize, instead of `box`.
    """

    box: Box | None
    size: Size
    left: int
    top: int
    width: int
    height: int
    at: Size = (0, 0)
    cut: Part | None = None

    def window(self, source: Size) -> Part:
        """The part of the picture that is seen, in its pixels."""
        x, y, right, bottom = self.cut or self.box or (0, 0, *source)
        wide, high = (right - x) / self.size[0], (bottom - y) / self.size[1]
        left, top = x + self.left * wide, y + self.top * high
        return left, top, left + self.width * wide, top + self.height * high


@dataclass(frozen=True)
class Geometry:
    """A rule for pictures of any size. Sizes are (width, height) in pixels.

    out: what is fed. first: a centre crop before the resize: of this side, or -1 for the short side of the picture; 0 for none.
    short: the short side after the resize; 0 where `exact` says both sides, and no resize at all where that is None too.
    long, offset: how the long side and the margins of the crop are rounded. shift: of the crop to the right and down.
    longest: the long side after the resize, 0 for none; what is then smaller than `out` is padded around, as a crop past the edge does.
    fit: the picture's aspect is kept, and the result is no larger than `out`: "inside" touches a side of it, "shrink" only where the
    picture is larger, "height" makes the height of `out` and cuts the width off there; "cover" fills `out` with the largest part in the
    centre of the picture that has its shape. pad: where the rest of `out` is padded.
    """

    out: Size
    first: int = 0
    short: int = 0
    exact: Size | None = None
    long: str = "floor"
    offset: str = "floor"
    shift: Size = (0, 0)
    fit: str = ""
    pad: str = ""
    longest: int = 0

    def place(self, source: Size) -> Placement | None:
        """Where the pixels of a picture of this size come from; None where it is too small."""
        box, size = None, source
        if self.first:
            side = min(source) if self.first < 0 else self.first
            if side > min(source):
                return None
            left, top = (_margin(whole, side, self.offset) for whole in source)
            box, size = (left, top, left + side, top + side), (side, side)
        if self.short:
            smaller = min(size)
            size = (_rounded(size[0], self.short, smaller, self.long), _rounded(size[1], self.short, smaller, self.long))
        elif self.fit and self.fit != "cover":
            size = self._fitted(size)
        elif self.exact is not None:
            size = self.exact
        elif self.longest:
            size = (_rounded(size[0], self.longest, max(size), self.long), _rounded(size[1], self.longest, max(size), self.long))
            return self._cropped_or_padded((max(1, size[0]), max(1, size[1])))
        if self.fit == "cover":
            return Placement(None, self.out, 0, 0, *self.out, cut=self._covering(source))
        if self.pad:
            return self._padded(box, size)
        left, top = (_margin(whole, part, self.offset) + move for whole, part, move in zip(size, self.out, self.shift))
        if min(left, top) < 0 or left + self.out[0] > size[0] or top + self.out[1] > size[1]:
            return None
        return Placement(box, size, left, top, *self.out)

    def _fitted(self, source: Size) -> Size:
        (width, height), (wide, high) = source, self.out
        if self.fit == "shrink" and width <= wide and height <= high:
            return source
        if self.fit == "height":
            return min(wide, max(1, _rounded(width, high, height, self.long))), high
        if wide * height <= high * width:
            return wide, max(1, _rounded(height, wide, width, self.long))
        return max(1, _rounded(width, high, height, self.long)), high

    def _covering(self, source: Size) -> Part:
        (width, height), (wide, high) = source, self.out
        part = (wide / high * height, float(height)) if width * high >= wide * height else (float(width), width * high / wide)
        left, top = (width - part[0]) / 2, (height - part[1]) / 2
        return left, top, left + part[0], top + part[1]

    def _cropped_or_padded(self, size: Size) -> Placement:
        margins = [_margin(whole, part, self.offset) + move for whole, part, move in zip(size, self.out, self.shift)]
        left, top = (max(0, margin) for margin in margins)
        at = (max(0, -margins[0]), max(0, -margins[1]))
        return Placement(None, size, left, top, min(size[0], self.out[0]), min(size[1], self.out[1]), at)

    def _padded(self, box: Box | None, size: Size) -> Placement | None:
        free = [_margin(whole, part, self.offset) if self.pad == AROUND else 0 for whole, part in zip(self.out, size)]
        at = (free[0] + self.shift[0], free[1] + self.shift[1])
        if min(at) < 0 or at[0] + size[0] > self.out[0] or at[1] + size[1] > self.out[1]:
            return None
        return Placement(box, size, 0, 0, *size, at)

    def keeps_the_aspect(self, source: Size) -> bool:
        """True where the two sides that a picture of this size is resized to may be one side and its aspect, but for a pixel."""
        return self.exact is not None and abs(source[0] * self.exact[1] / source[1] - self.exact[0]) < 1

    def shows_all(self, source: Size) -> bool:
        """True where all of a picture of this size is seen, and nothing around it."""
        place = self.place(source)
        return place is not None and (place.width, place.height) == self.out and place.window(source) == (0, 0, *source)

    def keeps(self, source: Size) -> bool:
        """True where a picture of this size is neither resized nor cropped nor padded."""
        return source == self.out and self.shows_all(source)

    @property
    def style(self) -> str:
        """What the program does, without its sizes."""
        if self.longest or self.fit == "cover":
            return "long side" if self.longest else "cover"
        if self.pad:
            return "letterbox" if self.fit else "pad only" if self.exact is None else "resize and pad"
        if not self.short and self.exact is None:
            return "crop only"
        if self.first:
            return "crop first"
        if self.short:
            return "short side"
        return "both sides"

    def __str__(self) -> str:
        width, height = self.out
        steps = []
        if self.first:
            steps.append("crop the centre square" if self.first < 0 else f"crop {self.first}x{self.first}")
        if self.short:
            steps.append(f"resize the short side to {self.short}" if not self.first else f"resize to {self.short}x{self.short}")
        elif self.fit == "cover":
            steps.append(f"crop the centre to the shape of {height}x{width}, resize to {height}x{width}")
        elif self.fit:
            steps.append(_FITTED[self.fit].format(width=width, height=height))
        elif self.exact is not None:
            steps.append(f"resize to {self.exact[1]}x{self.exact[0]}")
        if self.longest:
            steps.append(f"resize the long side to {self.longest}")
        if self.fit == "cover":
            pass
        elif self.pad:
            moved = f", the picture shifted by {self.shift[0]}, {self.shift[1]}" if any(self.shift) else ""
            steps.append(f"pad to {height}x{width} {self.pad}{moved}")
        elif not (self.exact == self.out or (self.first and self.short == width == height)):
            moved = f" shifted by {self.shift[0]}, {self.shift[1]}" if any(self.shift) else ""
            corner = " at the left top corner" if self.offset == CORNERED else ""
            steps.append(f"{'crop or pad to' if self.longest else 'crop'} {height}x{width}{corner}{moved}")
        return ", ".join(steps)


_FITTED = {
    "inside": "resize to fit {height}x{width}",
    "shrink": "resize to fit {height}x{width} without enlarging",
    "height": "resize to height {height}, {width} wide at most",
}


def _rounded(side: int, short: int, smaller: int, how: str) -> int:
    if how == "floor":
        return side * short // smaller
    if how == "ceil":
        return -(-side * short // smaller)
    return round(side * short / smaller)


def _margin(whole: int, part: int, how: str) -> int:
    gap = whole - part
    if how == CORNERED:
        return 0
    if how == "floor":
        return gap // 2
    return round(gap / 2) if how == "round" else -(-gap // 2)


def roundings(geometry: Geometry) -> Iterator[Geometry]:
    """Yields the same rule with every way to round."""
    if geometry.fit == "cover":
        yield geometry
        return
    for long in (
        ("round", "floor", "ceil") if geometry.fit else ("floor", "round") if geometry.short or geometry.longest else ("floor",)
    ):
        fixed = (geometry.offset,) if geometry.offset == CORNERED else ("floor",) if geometry.pad == CORNER else ()
        for offset in fixed or ("floor", "round", "ceil"):
            yield replace(geometry, long=long, offset=offset)


def interpolations(geometry: Geometry) -> tuple[str, ...]:
    """Those that are tried with a rule: who resizes a tensor with align_corners crops nothing of it."""
    return (*INTERPOLATIONS, ALIGNED) if geometry.pad or geometry.exact == geometry.out else INTERPOLATIONS


def reducing() -> Iterator[str]:
    """Yields Pillow's filters on a picture that is reduced first: those of them that do not merely take a pixel."""
    for gap in _GAPS:
        yield from (f"{name}{_REDUCED}{gap}" for name in _PILLOW if name != "nearest")


def in_floats() -> Iterator[str]:
    """Yields the usual ones of Pillow's filters on channels of floats, whose results stay as they are."""
    yield from (f"{name}{IN_FLOATS}" for name in ("bilinear", "bicubic"))


def shorts(side: int) -> list[int]:
    """Short sides that programs resize to before they crop `side`, the most usual first."""
    usual = [round(side * 8 / 7), side, side + 32, side + 4, side + 8, side + 16]
    usual += [
        int(side * 8 / 7),
        *(how(side * by) for by in (1.15, 1.14, 1.1, 1.05, 1.25, 1 / 0.9, 1 / 0.95, 1 / 0.96) for how in (int, round)),
    ]
    return list(dict.fromkeys(usual))


def rules(out: Size) -> Iterator[tuple[bool, Geometry]]:
    """Yields (usual, rule) of the programs that end in `out`, by their default rounding."""
    side = min(out)
    usual = shorts(side)
    square = out[0] == out[1]
    yield True, Geometry(out, exact=out)
    yield True, Geometry(out)
    yield True, Geometry(out, fit="cover")
    for short in usual + [
        each for each in range(side, side * (4 if side <= 64 else 3) // 2 + 1, max(1, side // 256)) if each not in usual
    ]:
        common = short in usual
        yield common, Geometry(out, short=short)
        if common:
            yield False, Geometry(out, short=short, offset=CORNERED)
            yield False, Geometry(out, longest=short)
        yield common, Geometry(out, exact=(short * out[0] // side, short * out[1] // side))
        if square:
            yield common, Geometry(out, first=-1, short=short)
            if common:
                yield True, Geometry(out, first=side, short=short)
                yield True, Geometry(out, first=short, short=side)


def padded_rules(out: Size) -> Iterator[Geometry]:
    """Yields the rules of programs that pad to `out`, with every rounding; the most usual first."""
    for pad in (AROUND, CORNER):
        for fit in ("inside", "shrink", "height"):
            yield from roundings(Geometry(out, fit=fit, pad=pad))
        yield from roundings(Geometry(out, pad=pad))
    for longest in shorts(min(out)):
        if longest > max(out):  # else it is a letterbox
            yield from roundings(Geometry(out, longest=longest))


# -- pixels ------------------------------------------------------------------------------------------------------------


def render(image: Image.Image, placement: Placement, interpolation: str, part: Box | None = None) -> Array:
    """Returns the pixels that a program feeds, [height, width, C]: uint8 from Pillow's filters, float32 and unrounded from the others.

    part: only this box of them, in pixels of the result.
    """
    x, y, right, bottom = part or (0, 0, placement.width, placement.height)
    if placement.cut is not None and interpolation not in _PILLOW:
        left, top, far, low = (round(edge) for edge in placement.cut)
        image = image.crop((left, top, far, low))
    elif placement.cut is not None:
        whole = np.asarray(image.resize(placement.size, _PILLOW[interpolation], box=placement.cut))[y:bottom, x:right]
        return whole[..., np.newaxis] if whole.ndim == 2 else whole[..., :3]
    if placement.box is not None:
        image = image.crop(placement.box)
    box = (placement.left + x, placement.top + y, placement.left + right, placement.top + bottom)
    name, _, gap = interpolation.partition(_REDUCED)
    if placement.size == image.size:
        pixels = np.asarray(image.crop(box))
    elif interpolation.endswith(IN_FLOATS):
        pixels = _of_floats(image, placement.size, interpolation.removesuffix(IN_FLOATS))[box[1] : box[3], box[0] : box[2]]
    elif gap:
        pixels = np.asarray(image.resize(placement.size, _PILLOW[name], reducing_gap=float(gap)).crop(box))
    elif interpolation in _PILLOW and (part is None or interpolation in _ABRUPT):
        pixels = np.asarray(image.resize(placement.size, _PILLOW[interpolation]).crop(box))
    elif interpolation in _PILLOW:
        wide, high = image.width / placement.size[0], image.height / placement.size[1]
        seen = (box[0] * wide, box[1] * high, min(box[2] * wide, image.width), min(box[3] * high, image.height))
        pixels = np.asarray(image.resize((right - x, bottom - y), _PILLOW[interpolation], box=seen))
    else:
        pixels = _without_pillow(image, placement.size, box, interpolation)
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels[..., :3]


def _of_floats(image: Image.Image, size: Size, name: str) -> Array:
    planes = [plane.convert("F").resize(size, _PILLOW[name]) for plane in image.split()]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def _without_pillow(image: Image.Image, size: Size, box: Box, interpolation: str) -> Array:
    columns, across = _taps(interpolation, image.width, size[0], box[0], box[2])
    rows, down = _taps(interpolation, image.height, size[1], box[1], box[3])
    needed = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
    pixels = np.asarray(image.crop(needed), np.float32)
    if pixels.ndim == 2:
        pixels = pixels[..., np.newaxis]
    columns, rows = columns - needed[0], rows - needed[1]
    high = sum(down[:, [tap], None] * pixels[rows[:, tap]] for tap in range(rows.shape[1]))
    assert isinstance(high, np.ndarray)
    wide = np.asarray(sum(across[:, tap, None] * high[:, columns[:, tap]] for tap in range(columns.shape[1])))
    return np.asarray(np.clip(wide, 0, 255))  # as whoever stores it in uint8; a cubic overshoots


def _taps(interpolation: str, whole: int, resized: int, start: int, stop: int) -> tuple[Array, Array]:
    """Returns which pixels of a row of `whole` make pixels start..stop of `resized`, and their weights: int64[n, k], float32[n, k]."""
    number = np.arange(start, stop)
    scale = whole / resized
    if interpolation.startswith("nearest"):
        at = np.minimum((number * scale).astype(np.int64), whole - 1)[:, None]
        return at, np.ones(at.shape, np.float32)
    if interpolation.startswith("area") and scale > 1:
        begin, end = number * scale, np.minimum((number + 1) * scale, whole)
        at = begin.astype(np.int64)[:, None] + np.arange(int(np.ceil(scale)) + 1)
        weight = np.clip(np.minimum(end[:, None], at + 1) - np.maximum(begin[:, None], at), 0, None)
        return np.minimum(at, whole - 1), (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
    place = number * ((whole - 1) / max(1, resized - 1)) if interpolation == ALIGNED else (number + 0.5) * scale - 0.5
    low = np.floor(place).astype(np.int64)
    share = place - low
    if interpolation.startswith("bicubic"):
        distance = np.abs(share[:, None] - np.arange(-1, 3))
        a = -0.75  # OpenCV's; Pillow's is -0.5
        near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
        far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
        at, weight = low[:, None] + np.arange(-1, 3), np.where(distance <= 1, near, far)
    else:
        at, weight = low[:, None] + np.arange(2), np.stack([1 - share, share], axis=1)
    return np.clip(at, 0, whole - 1), weight.astype(np.float32)
