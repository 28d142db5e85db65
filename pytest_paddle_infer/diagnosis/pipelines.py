"""A preprocessing program up to its pixels, and the line (scale and normalisation) by which they explain a tensor.

Called by `candidates`, which knows the usual programs, by `search`, and by who reads what was found. numpy and Pillow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from pytest_paddle_infer.diagnosis import pictures as opened
from pytest_paddle_infer.diagnosis.finding import Array
from pytest_paddle_infer.diagnosis.geometry import Box, Geometry, Placement, Size, render
from pytest_paddle_infer.diagnosis.normalisation import NEARLY, Normalisation, distance, recognised
from pytest_paddle_infer.diagnosis.padding import Padding

EXACT, EXACT_WORST = 0.05, 0.3
NEAR, NEAR_WORST = 0.6, 2.6
"""In levels of a pixel (0 to 255), RMS and largest: the very same arithmetic; the same rule, rounded elsewhere."""


@dataclass(frozen=True)
class Pipeline:
    """A preprocessing program up to its pixels."""

    conversion: str
    upright: bool
    geometry: Geometry
    interpolation: str
    mirrored: bool = False

    def seen(self, placement: Placement) -> Box:
        """Where in what is fed the picture lies; padding is around it."""
        x, y = placement.at
        x = self.geometry.out[0] - x - placement.width if self.mirrored else x
        return x, y, x + placement.width, y + placement.height


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
        return self.rms <= EXACT and self.worst <= EXACT_WORST

    @property
    def near(self) -> bool:
        """True for the same rule, whose results were rounded elsewhere."""
        return self.rms <= NEAR and self.worst <= NEAR_WORST


@dataclass(frozen=True)
class Identified:
    """A side's whole program: from the opened picture to the tensor. padding: what it pads with; None where it pads no picture."""

    pipeline: Pipeline
    fit: Fit
    padding: Padding | None = None
    like: Normalisation | None = None
    """What the other side does to its pixels: where this one is only near, and as near to that, it does the same."""

    @property
    def reproduced(self) -> bool:
        """True where what is known of the program makes the tensor: a line that is fitted to what is only near is no fact of anybody's."""
        if self.fit.exact:
            return True
        return self.fit.near and (self._does_the_same or bool(self.normalisation.named))

    @property
    def _does_the_same(self) -> bool:
        like = self.like
        if like is None or len(like.mean) != len(self.fit.slopes):
            return False
        return distance(like, self.fit.slopes, self.fit.offsets) <= NEARLY

    @property
    def normalisation(self) -> Normalisation:
        """Scale, mean and std, in the order of the channels that are fed."""
        if not self.fit.exact and self.like is not None and self._does_the_same:
            return self.like
        return recognised(self.fit.slopes, self.fit.offsets, 1.0 if self.fit.exact else NEARLY)

    @property
    def reversed(self) -> bool:
        """True for BGR."""
        return self.fit.order == (2, 1, 0)

    def describe(self, images: Sequence[Image.Image]) -> str:
        """One line. images: the pictures that were looked at."""
        own = self.pipeline
        steps = [("apply" if own.upright else "ignore") + " the EXIF orientation"] if opened.turned(images[0]) else []
        if own.conversion != opened.DEFAULT:
            verb, _, rest = own.conversion.partition(" ")
            steps.append(f"{verb.removesuffix('s')} {rest}")
        told = "keep the size" if keeps(own, images) else str(own.geometry)
        steps.append(told.replace(*_long_side(own.geometry)) if self._has_a_long_side(images) else told)
        if self.padding is not None:
            # a colour that nobody writes is the nearest to a tensor that was rounded, and no fact
            steps[-1] += f" with {'' if self.fit.exact or self.padding.whole else 'nearly '}{self.padding}"
        if self.padding is None and all(self._keeps_the_aspect(image) for image in images):
            steps[-1] += f", a height of {own.geometry.out[1]} at this picture's aspect"
        if "resize" in steps[-1]:
            steps[-1] += f" ({own.interpolation})" if not own.interpolation.startswith("resize") else ""
        steps += ["mirror"] * own.mirrored
        values = self.normalisation
        afterwards = replace(values, mean=values.mean[::-1], std=values.std[::-1])
        if self.reversed and afterwards.named and not values.named:
            return ", ".join([*steps, str(afterwards), "BGR"])
        return ", ".join([*steps, *["BGR"] * self.reversed, str(values)])

    def _has_a_long_side(self, images: Sequence[Image.Image]) -> bool:
        """True where the two sides that pictures are resized to before they are padded may be the long side and the aspect."""
        own = self.pipeline.geometry
        made = [source for source in (prepared(image, self.pipeline) for image in images) if source is not None]
        return own.style == "resize and pad" and bool(made) and all(own.keeps_the_aspect(each.size) for each in made)

    def _keeps_the_aspect(self, image: Image.Image) -> bool:
        """True where the two sides that a picture is resized to may be one side and its aspect, so that another picture has others."""
        source, out = prepared(image, self.pipeline), self.pipeline.geometry.out
        if source is None or self.pipeline.geometry.exact != out or out[0] == out[1]:
            return False
        return source.size != out and self.pipeline.geometry.keeps_the_aspect(source.size)


def sources(images: Sequence[Image.Image], pipeline: Pipeline) -> list[Size]:
    """The sizes of the pictures as the program resizes them."""
    made = (prepared(image, pipeline) for image in images)
    return [image.size if found is None else found.size for image, found in zip(images, made)]


def keeps(pipeline: Pipeline, images: Sequence[Image.Image]) -> bool:
    """True where every picture is fed in its own size, whole: what the program would do to another is not known."""
    return bool(images) and all(pipeline.geometry.keeps(source) for source in sources(images, pipeline))


def _long_side(geometry: Geometry) -> tuple[str, str]:
    """What a geometry says of both sides, and what it shall say of the long one."""
    width, height = geometry.exact or geometry.out
    return f"resize to {height}x{width}", f"resize the long side to {max(width, height)}"


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


def pixels_of(pipeline: Pipeline, source: Image.Image, placement: Placement, part: Box | None = None) -> Array:
    """float or uint8 [H, W, C] of a picture that is `prepared`, without padding; part: only a box of them."""
    if pipeline.mirrored:
        whole = placement.width
        part = (whole - part[2], part[1], whole - part[0], part[3]) if part else None
    pixels = render(source, placement, pipeline.interpolation, part)
    return pixels[:, ::-1] if pipeline.mirrored else pixels


def prepared(image: Image.Image, pipeline: Pipeline) -> Image.Image | None:
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
