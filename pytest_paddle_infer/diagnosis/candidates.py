"""Which preprocessing programs may have made a tensor, in the order in which they are tried. numpy and Pillow.

Called by `search`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from pytest_paddle_infer.diagnosis import pictures as opened
from pytest_paddle_infer.diagnosis.finding import Array
from pytest_paddle_infer.diagnosis.geometry import (
    ALIGNED,
    AROUND,
    CORNER,
    CORNERED,
    INTERPOLATIONS,
    Geometry,
    Placement,
    Size,
    interpolations,
    padded_rules,
    roundings,
    rules,
    shorts,
)
from pytest_paddle_infer.diagnosis.padding import even, framed, outside
from pytest_paddle_infer.diagnosis.pipelines import Pipeline, fitted, prepared

_COARSE = 40
"""Side at which crops and sizes are told apart, in pixels: interpolations look alike there."""
_CLEAR, _UNLIKE = 0.2, 0.6
"""Shares of the contrast that a rule leaves unexplained from far away: surely this part of the picture; surely not."""
_SMOOTH = Image.Resampling.BILINEAR
_TRIED = 10
"""Rules that are looked at pixel by pixel, after all were compared coarsely."""

Coarse = tuple[float, int, Pipeline]


def groups(tensor: Array, images: Sequence[Image.Image], like: Pipeline | None) -> Iterator[tuple[bool, list[Pipeline]]]:
    """Yields (one step from `like`, programs that are compared with each other before the next are looked at)."""
    out = (tensor.shape[3], tensor.shape[2])
    if like is not None and like.geometry.out == out:
        yield True, [like]
        for group in _neighbours(like, images[0], tensor.shape[1]):
            yield True, group
    for group in _padded(tensor, images):
        yield False, group
    for conversion in opened.conversions(images[0].mode, tensor.shape[1]):
        found: list[Coarse] = []
        for mirrored in (False, True):
            if not found or min(item[0] for item in found) > _CLEAR:
                for upright in (True, False)[: 1 + opened.turned(images[0])]:
                    seen = Pipeline(conversion, upright, Geometry(out), "bilinear", mirrored)
                    found += _coarse(tensor[0], images[0], seen)
        ranked = sorted(found, key=lambda item: item[:2])
        for _, _, pipeline in ranked[:_TRIED]:
            yield (
                False,
                [
                    replace(pipeline, geometry=geometry, interpolation=interpolation)
                    for geometry in roundings(pipeline.geometry)
                    for interpolation in interpolations(geometry)
                ],
            )


def _neighbours(like: Pipeline, image: Image.Image, channels: int) -> Iterator[list[Pipeline]]:
    """Yields programs that differ from `like` in one step."""
    yield [replace(like, interpolation=interpolation) for interpolation in (*INTERPOLATIONS, ALIGNED)]
    own = like.geometry
    moves = [(x, y) for x in range(-2, 3) for y in range(-2, 3)]
    yield [
        *(replace(like, conversion=conversion) for conversion in opened.conversions(image.mode, channels)),
        *(replace(like, upright=upright) for upright in (True, False)[: 2 * opened.turned(image)]),
        replace(like, mirrored=not like.mirrored),
    ]
    side = min(own.out)
    short = own.short or (min(own.exact) if own.exact else side)
    styles = [
        Geometry(own.out, short=short),
        Geometry(own.out, exact=(short * own.out[0] // side, short * own.out[1] // side)),
        Geometry(own.out, exact=own.out),
        Geometry(own.out, short=side),
        Geometry(own.out),
        Geometry(own.out, fit="cover"),
        *(Geometry(own.out, longest=longest) for longest in dict.fromkeys([short, *shorts(side)[:6]]) if longest > max(own.out)),
        Geometry(own.out, first=-1, short=side),
        Geometry(own.out, first=-1, short=short),
        Geometry(own.out, first=side, short=short),
        Geometry(own.out, first=short, short=side),
    ]
    # where little is padded, the usual other place is a small shift as well
    places = [replace(own, pad=pad, shift=(0, 0)) for pad in (AROUND, CORNER) if own.pad and pad != own.pad]
    yield [
        *(replace(like, geometry=replace(each, shift=own.shift)) for each in roundings(own)),
        *(replace(like, geometry=each) for place in places for each in roundings(place)),
        replace(like, geometry=replace(own, offset=CORNERED)),
        *(replace(like, geometry=each) for each in roundings(replace(own, offset="floor"))),
        *(replace(like, geometry=replace(own, shift=move)) for move in moves),
        *(replace(like, geometry=each) for style in styles for each in roundings(style)),
    ]


def _padded(tensor: Array, images: Sequence[Image.Image]) -> Iterator[list[Pipeline]]:
    """Yields programs that pad; none at once where no part around a picture that they would make is of one colour."""
    out = (tensor.shape[3], tensor.shape[2])
    left, top, right, bottom = framed(tensor[0])
    exact = (right - left, bottom - top)
    found = [Geometry(out, exact=exact, pad=pad) for pad in (AROUND, CORNER)] if exact != out else []
    sure = (True, False)[: 1 + any(opened.turned(image) for image in images)]
    for upright in sure:
        sizes = [(opened.upright(image) if upright and opened.turned(image) else image).size for image in images]
        known: dict[tuple[Placement, ...], bool] = {}
        fitting = []
        for geometry in (*padded_rules(out), *(each for own in found for each in roundings(own))):
            placements = tuple(placement for placement in map(geometry.place, sizes) if placement is not None)
            if len(placements) < len(sizes):
                continue
            if placements not in known:
                known[placements] = _evenly(tensor, placements)
            if known[placements]:
                fitting.append(geometry)
        for conversion in opened.conversions(images[0].mode, tensor.shape[1]) if fitting else ():
            yield [
                Pipeline(conversion, upright, geometry, interpolation)
                for geometry in fitting
                for interpolation in interpolations(geometry)
            ]


def _evenly(tensor: Array, placements: Sequence[Placement]) -> bool:
    """True where pictures at these places leave something of the tensor free, and all of that is of one colour."""
    around: list[Array] = []
    for sample, placement in zip(tensor, placements):
        x, y = placement.at
        around += outside(sample, (x, y, x + placement.width, y + placement.height))
        if not even(around):
            return False
    return bool(around)


def _coarse(sample: Array, image: Image.Image, like: Pipeline) -> list[Coarse]:
    """Returns (how badly it fits, number, program) for every rule, all seen from far away."""
    source = prepared(image, like)
    if source is None:
        return []
    size, (small, factor) = source.size, _proxy(source)
    height, width = sample.shape[1:]
    side = (min(width, _COARSE), min(height, _COARSE))
    wanted = np.stack([np.asarray(Image.fromarray(plane.astype(np.float32)).resize(side, _SMOOTH)) for plane in sample])
    if like.mirrored:
        wanted = wanted[..., ::-1]
    values = wanted.reshape(len(sample), -1).astype(np.float64)
    total = values.std(axis=1)
    if total.min() == 0:
        return []
    found: list[Coarse] = []
    known: dict[tuple[float, ...], float] = {}
    for number, (usual, geometry) in enumerate(rules((width, height))):
        placement = geometry.place(size)
        if placement is None or (placement.width, placement.height) != (width, height):
            continue
        window = placement.window(size)
        if window not in known:
            known[window] = _misfit(small, factor, window, side, values)
        if known[window] < _UNLIKE:
            found.append((known[window] * (0.5 if usual else 1.0), number, replace(like, geometry=geometry)))
    return found


def _proxy(source: Image.Image) -> tuple[Image.Image, int]:
    """The picture, shrunk quickly to some four times what is looked at from far away, and by which factor."""
    factor = max(1, min(source.size) // (4 * _COARSE))
    source = source if source.mode in ("RGB", "L") else source.convert("RGB")
    return (source.reduce(factor) if factor > 1 else source), factor


def _misfit(small: Image.Image, factor: int, window: tuple[float, float, float, float], side: Size, values: Array) -> float:
    """The share of a tensor's contrast that the window does not explain: 0 to 1."""
    left, top, right, bottom = (edge / factor for edge in window)
    box = (left, top, min(right, small.width), min(bottom, small.height))
    pixels = np.asarray(small.resize(side, _SMOOTH, box=box))
    fit = fitted(pixels.reshape(side[0] * side[1], -1), values)
    if fit is None:
        return 1.0
    # rms is in levels: back to the spread of the channel that it belongs to
    spread = pixels.reshape(side[0] * side[1], -1).std(axis=0).max()
    return min(1.0, fit.rms / float(spread)) if spread else 1.0
