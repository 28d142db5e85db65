"""Which preprocessing program made a tensor from a picture: found by running the usual programs on the picture itself.

Called by `inputs`. A program is known when its pixels explain the tensor but for one line (scale and normalisation) per channel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from pytest_paddle_infer.diagnosis import pictures as opened
from pytest_paddle_infer.diagnosis.finding import Array, Deadline
from pytest_paddle_infer.diagnosis.geometry import INTERPOLATIONS, Box, Geometry, Size, render, roundings, rules
from pytest_paddle_infer.diagnosis.normalisation import Normalisation, recognised

SECONDS = 1.0
"""What one side's search may take before it ends with the best that it has."""

_EXACT, _EXACT_WORST = 0.05, 0.3
_NEAR, _NEAR_WORST = 0.6, 2.6
"""In levels of a pixel (0 to 255), RMS and largest: the very same arithmetic; the same rule, rounded elsewhere."""

_PART = 32
"""Side of the part of a tensor that is compared first, in pixels."""
_COARSE = 40
"""Side at which crops and sizes are told apart, in pixels: interpolations look alike there."""
_CLEAR, _UNLIKE = 0.2, 0.6
"""Shares of the contrast that a rule leaves unexplained from far away: surely this part of the picture; surely not."""
_MORE = 3
"""Rules that are still looked at once one is near, in case another is exact."""
_SMOOTH = Image.Resampling.BILINEAR
_TRIED = 10
"""Rules that are looked at pixel by pixel, after all were compared coarsely."""


@dataclass(frozen=True)
class Pipeline:
    """A preprocessing program up to its pixels."""

    conversion: str
    upright: bool
    geometry: Geometry
    interpolation: str
    mirrored: bool = False

    def pixels(self, image: Image.Image, part: Box | None = None) -> Array | None:
        """float or uint8 [H, W, C] of a picture as it was opened, or a box of them; None where the rule does not fit the picture."""
        return _pixels(self, _prepared(image, self), part)


@dataclass(frozen=True)
class Fit:
    """How pixels make a tensor: fed channel c is `slopes[c] * pixel[order[c]] + offsets[c]`, but for `rms` and `worst` levels."""

    order: tuple[int, ...]
    slopes: Array
    offsets: Array
    rms: float
    worst: float

    @property
    def exact(self) -> bool:
        """True for the very same arithmetic."""
        return self.rms <= _EXACT and self.worst <= _EXACT_WORST

    @property
    def near(self) -> bool:
        """True for the same rule, whose results were rounded elsewhere."""
        return self.rms <= _NEAR and self.worst <= _NEAR_WORST


@dataclass(frozen=True)
class Identified:
    """A side's whole program: from the opened picture to the tensor."""

    pipeline: Pipeline
    fit: Fit

    @property
    def normalisation(self) -> Normalisation:
        """Scale, mean and std, in the order of the channels that are fed."""
        return recognised(self.fit.slopes, self.fit.offsets, 1.0 if self.fit.exact else 8.0)

    @property
    def reversed(self) -> bool:
        """True for BGR."""
        return self.fit.order == (2, 1, 0)

    def describe(self, turned: bool) -> str:
        """One line. turned: whether the picture has an EXIF orientation."""
        own = self.pipeline
        steps = [("apply" if own.upright else "ignore") + " the EXIF orientation"] if turned else []
        if own.conversion != opened.DEFAULT:
            steps.append(own.conversion)
        steps.append(str(own.geometry))
        if "resize" in steps[-1]:
            steps[-1] += f" ({own.interpolation})" if not own.interpolation.startswith("resize") else ""
        steps += ["mirror"] * own.mirrored + ["BGR"] * self.reversed
        return ", ".join([*steps, str(self.normalisation)])


def identify(
    tensor: Array, images: Sequence[Image.Image], like: Pipeline | None = None, seconds: float = SECONDS
) -> Identified | None:
    """Returns the program that made float[N, C, H, W] from N pictures; None where no usual one does.

    like: the other side's program; what differs from it in one step is tried first, so that the simplest difference is found.
    """
    deadline, best = Deadline(seconds), None
    if not len(tensor) or len(images) < len(tensor) or not np.isfinite(tensor).all():
        return None
    tensor = tensor.astype(np.float64)
    part = _telling_part(tensor[0])
    if part is None:
        return None
    more = _MORE
    for simple, group in _groups(tensor, images, like):
        ranked = sorted(_scored(group, tensor[0], images[0], part, deadline), key=lambda item: item[0])
        for rms, pipelines in ranked[:3]:
            if rms > _NEAR:
                break
            found = next((fits for fits in (_verified(each, tensor, images) for each in pipelines) if fits is not None), None)
            if found is not None and (best is None or found.fit.rms < best.fit.rms):
                best = found
        more -= best is not None
        if (best is not None and (simple or best.fit.exact)) or not more or deadline.over():
            break
    return best


def _verified(pipeline: Pipeline, tensor: Array, images: Sequence[Image.Image]) -> Identified | None:
    """Returns the program where it explains every picture that shows anything, by one line per channel."""
    seen: list[Array] = []
    made: list[Array] = []
    for sample, image in zip(tensor, images):
        pixels = pipeline.pixels(image)
        if pixels is None or pixels.shape[:2] != sample.shape[1:]:
            return None
        made.append(pixels.reshape(-1, pixels.shape[2]))
        seen.append(sample.reshape(len(sample), -1))
    pixels, values = np.concatenate(made), np.concatenate(seen, axis=1)
    fit = fitted(pixels, values)
    if fit is None or not fit.near:
        return None
    whole = None if fit.exact or pixels.dtype.kind != "f" else fitted(np.rint(pixels), values)  # stored as uint8 between the steps
    return Identified(pipeline, whole if whole is not None and whole.rms < fit.rms else fit)


def fitted(pixels: Array, values: Array) -> Fit | None:
    """Fits float[C, n] values of a tensor to [n, C] pixels, in either order of three channels; None for pixels without contrast."""
    x = pixels.T.astype(np.float64)
    if len(x) == 1 and len(values) > 1:
        x = np.repeat(x, len(values), axis=0)
    if len(x) != len(values):
        return None
    x_mean, y_mean = x.mean(axis=1, keepdims=True), values.mean(axis=1, keepdims=True)
    x, y = x - x_mean, values - y_mean
    variance = (x * x).mean(axis=1)
    if variance.min() < 0.25:
        return None
    best = None
    for order in ((0, 1, 2), (2, 1, 0)) if len(x) == 3 else (tuple(range(len(x))),):
        own, spread = x[list(order)], variance[list(order)]
        slopes = (own * y).mean(axis=1) / spread
        if np.abs(slopes).min() < 1e-12:
            continue
        missed = np.abs(y - slopes[:, None] * own) / np.abs(slopes)[:, None]
        rms = float(np.sqrt((missed * missed).mean(axis=1)).max())
        if best is None or rms < 0.9 * best.rms:
            best = Fit(order, slopes, y_mean[:, 0] - slopes * x_mean[list(order), 0], rms, float(missed.max()))
    return best


def _telling_part(sample: Array) -> Box | None:
    """A corner of a tensor float[C, H, W] with the most contrast: (left, top, right, bottom). None where it has none anywhere."""
    height, width = sample.shape[1:]
    high, wide = min(height, _PART), min(width, _PART)
    corners = [(x, y, x + wide, y + high) for x in (0, width - wide) for y in (0, height - high)]
    contrast = [float(sample[:, y:bottom, x:right].std(axis=(1, 2)).min()) for x, y, right, bottom in corners]
    best = int(np.argmax(contrast))
    return corners[best] if contrast[best] > 0 else None


Scored = tuple[float, list[Pipeline]]
Coarse = tuple[float, int, Pipeline]


def _scored(group: Sequence[Pipeline], sample: Array, image: Image.Image, part: Box, deadline: Deadline) -> list[Scored]:
    """Returns (RMS in levels over a part, programs with these pixels) for each; ends early once one is exact, or time is up."""
    x, y, right, bottom = part
    wanted = sample[:, y:bottom, x:right].reshape(len(sample), -1)
    found: dict[tuple[object, ...], Scored] = {}
    prepared: dict[tuple[str, bool, bool], Image.Image | None] = {}
    for pipeline in group:
        how = (pipeline.conversion, pipeline.upright, pipeline.mirrored)
        if how not in prepared:
            prepared[how] = _prepared(image, pipeline)
        source = prepared[how]
        placement = None if source is None else pipeline.geometry.place(source.size)
        if source is None or placement is None:
            continue
        resized = placement.size != source.size if placement.box is None else placement.size != _size_of(placement.box)
        key = (*how, placement, pipeline.interpolation if resized else "")
        if key in found:
            found[key][1].append(pipeline)
            continue
        if deadline.over():
            break
        pixels = _pixels(pipeline, source, part)
        fit = None if pixels is None else fitted(pixels.reshape(-1, pixels.shape[2]), wanted)
        found[key] = (float("inf") if fit is None else fit.rms, [pipeline])
    return list(found.values())


def _size_of(box: Box) -> Size:
    return box[2] - box[0], box[3] - box[1]


def _pixels(pipeline: Pipeline, source: Image.Image | None, part: Box | None) -> Array | None:
    placement = None if source is None else pipeline.geometry.place(source.size)
    if placement is None or source is None:
        return None
    if pipeline.mirrored:
        whole = placement.width
        part = (whole - part[2], part[1], whole - part[0], part[3]) if part else None
    pixels = render(source, placement, pipeline.interpolation, part)
    return pixels[:, ::-1] if pipeline.mirrored else pixels


def _prepared(image: Image.Image, pipeline: Pipeline) -> Image.Image | None:
    """The picture as the program resizes it; None where the mode has no such conversion."""
    if pipeline.upright and opened.turned(image):
        image = opened.upright(image)
    if pipeline.conversion == opened.DEFAULT and image.mode == "RGB":
        return image
    for channels in (3, 1):
        make = opened.conversions(image.mode, channels).get(pipeline.conversion)
        if make is not None:
            return make(image)
    return None


# -- which programs, in which order ------------------------------------------------------------------------------------


def _groups(tensor: Array, images: Sequence[Image.Image], like: Pipeline | None) -> Iterator[tuple[bool, list[Pipeline]]]:
    """Yields (one step from `like`, programs that are compared with each other before the next are looked at)."""
    out = (tensor.shape[3], tensor.shape[2])
    if like is not None and like.geometry.out == out:
        yield True, [like]
        for group in _neighbours(like, images[0], tensor.shape[1]):
            yield True, group
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
                    for interpolation in INTERPOLATIONS
                ],
            )


def _neighbours(like: Pipeline, image: Image.Image, channels: int) -> Iterator[list[Pipeline]]:
    """Yields programs that differ from `like` in one step."""
    yield [replace(like, interpolation=interpolation) for interpolation in INTERPOLATIONS]
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
        Geometry(own.out, first=-1, short=side),
        Geometry(own.out, first=-1, short=short),
        Geometry(own.out, first=side, short=short),
        Geometry(own.out, first=short, short=side),
    ]
    yield [
        *(replace(like, geometry=replace(each, shift=own.shift)) for each in roundings(own)),
        *(replace(like, geometry=replace(own, shift=move)) for move in moves),
        *(replace(like, geometry=each) for style in styles for each in roundings(style)),
    ]


def _coarse(sample: Array, image: Image.Image, like: Pipeline) -> list[Coarse]:
    """Returns (how badly it fits, number, program) for every rule, all seen from far away."""
    source = _prepared(image, like)
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
        if placement is None:
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
