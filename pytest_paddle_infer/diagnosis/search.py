"""Which preprocessing program made a tensor from a picture: found by running the usual programs on the picture itself.

Called by `inputs`. A program is known when its pixels explain the tensor but for one line (scale and normalisation) per channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from pytest_paddle_infer.diagnosis.candidates import groups
from pytest_paddle_infer.diagnosis.finding import Array, Deadline
from pytest_paddle_infer.diagnosis.geometry import Box, in_floats, reducing
from pytest_paddle_infer.diagnosis.padding import inside, outside, padded_with
from pytest_paddle_infer.diagnosis.pictures import UNUSUAL
from pytest_paddle_infer.diagnosis.pipelines import EXACT, NEAR, Identified, Pipeline, fitted, pixels_of, prepared

SECONDS = 1.0
"""What one side's search may take before it ends with the best that it has."""

_PART = 32
"""Side of the part of a tensor that is compared first, in pixels."""
_MORE = 3
"""Rules that are still looked at once one is near, in case another is exact."""
_CLEARLY = 0.5
"""Of the RMS that one program leaves: what another, which is not exact either, may leave to be told instead."""


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
    if _telling_part(tensor[0]) is None:
        return None
    more = _MORE
    nearest: tuple[float, Pipeline | None] = (float("inf"), None)
    for simple, group in groups(tensor, images, like):
        ranked = sorted(_scored(group, tensor[0], images[0], deadline), key=lambda item: item[0])
        nearest = min(nearest, *((rms, pipelines[0]) for rms, pipelines in ranked[:1]), key=lambda item: item[0])
        for rms, pipelines in ranked[:3]:
            if rms > NEAR:
                break
            found = next((fits for fits in (verified(each, tensor, images) for each in pipelines) if fits is not None), None)
            if found is not None and found.pipeline.conversion in UNUSUAL and not found.fit.exact:
                continue
            if found is not None and _better(found, best, sure=like is None):
                best = found
        # of a smooth picture every filter makes nearly the same, so that what is only near ends no search
        more -= best is not None and not simple
        if (best is not None and best.fit.exact) or not more or deadline.over():
            break
    if (best is None or not best.fit.exact) and nearest[1] is not None:
        nearby = dict.fromkeys([*([like] if like is not None else []), nearest[1], *([best.pipeline] if best is not None else [])])
        return next((found for each in nearby if (found := _resized_otherwise(each, tensor, images, deadline)) is not None), best)
    return best


def _resized_otherwise(like: Pipeline, tensor: Array, images: Sequence[Image.Image], deadline: Deadline) -> Identified | None:
    """The program nearest to a tensor, on pictures that are reduced before they are resized, or on floats that are not rounded, where that
    makes the very same pixels."""
    group = [replace(like, interpolation=interpolation) for interpolation in (*in_floats(), *reducing())]
    for rms, pipelines in _scored(group, tensor[0], images[0], deadline):
        found = verified(pipelines[0], tensor, images) if rms <= EXACT else None
        if found is not None and found.fit.exact:
            return found
    return None


def _better(found: Identified, best: Identified | None, *, sure: bool) -> bool:
    """sure: no program speaks for itself by being the other side's, so that the nearest is the best."""
    if best is None or (found.fit.exact and not best.fit.exact):
        return True
    return found.fit.rms < best.fit.rms * (1.0 if sure or found.fit.exact else _CLEARLY)


def nearer(found: Identified, like: Pipeline, tensor: Array, images: Sequence[Image.Image]) -> bool:
    """True where a program explains float[N, C, H, W] clearly better than `like` does with any scale and normalisation of its own."""
    if found.fit.exact or found.pipeline == like:
        return True
    other = compared(like, tensor.astype(np.float64), images)
    return other is None or found.fit.rms <= _CLEARLY * other.fit.rms


def verified(pipeline: Pipeline, tensor: Array, images: Sequence[Image.Image]) -> Identified | None:
    """Returns the program where it explains every picture that shows anything, by one line per channel, and all that it pads."""
    found = compared(pipeline, tensor, images)
    return found if found is not None and found.fit.near else None


def compared(pipeline: Pipeline, tensor: Array, images: Sequence[Image.Image]) -> Identified | None:
    """Returns the program with how well it explains all pictures; None where it makes another size, or pads with what is not one value."""
    seen: list[Array] = []
    made: list[Array] = []
    around: list[Array] = []
    for sample, image in zip(tensor, images):
        source = prepared(image, pipeline)
        placement = None if source is None else pipeline.geometry.place(source.size)
        if source is None or placement is None or pipeline.geometry.out != sample.shape[:0:-1]:
            return None
        box = pipeline.seen(placement)
        pixels = pixels_of(pipeline, source, placement)
        made.append(pixels.reshape(-1, pixels.shape[2]))
        seen.append(inside(sample, box).reshape(len(sample), -1))
        around += outside(sample, box)
    pixels, values = np.concatenate(made), np.concatenate(seen, axis=1)
    fit = fitted(pixels, values)
    if fit is None:
        return None
    whole = None if fit.exact or pixels.dtype.kind != "f" else fitted(np.rint(pixels), values)  # stored as uint8 between the steps
    fit = whole if whole is not None and whole.rms < fit.rms else fit
    if not around:
        return Identified(pipeline, fit)
    padding = padded_with(around, fit.slopes, fit.offsets, fit.order)
    return None if padding is None else Identified(pipeline, fit, padding)


def _telling_part(sample: Array) -> tuple[Box, Array] | None:
    """A part of a tensor float[C, H, W] with contrast: where it lies, and it as [C, n]. None where there is none.

    The corner with the most; the middle where the corners have none, as in a picture with a margin.
    """
    height, width = sample.shape[1:]
    high, wide = min(height, _PART), min(width, _PART)
    middle = ((width - wide) // 2, (height - high) // 2)
    corners = [(x, y, x + wide, y + high) for x in (0, width - wide) for y in (0, height - high)]
    for parts in (corners, [(*middle, middle[0] + wide, middle[1] + high)]):
        contrast = [float(inside(sample, part).std(axis=(1, 2)).min()) for part in parts]
        best = int(np.argmax(contrast))
        if contrast[best] > 0:
            return parts[best], inside(sample, parts[best]).reshape(len(sample), -1)
    return None


Scored = tuple[float, list[Pipeline]]


def _scored(group: Sequence[Pipeline], sample: Array, image: Image.Image, deadline: Deadline) -> list[Scored]:
    """Returns (RMS in levels over a part, programs with these pixels) for each; ends early when time is up."""
    parts: dict[Box, tuple[Box, Array] | None] = {}
    found: dict[tuple[object, ...], Scored] = {}
    sources: dict[tuple[str, bool, bool], Image.Image | None] = {}
    for pipeline in group:
        how = (pipeline.conversion, pipeline.upright, pipeline.mirrored)
        if how not in sources:
            sources[how] = prepared(image, pipeline)
        source = sources[how]
        placement = None if source is None else pipeline.geometry.place(source.size)
        if source is None or placement is None:
            continue
        x, y, right, bottom = placement.cut or placement.box or (0, 0, *source.size)
        resized = placement.size != (right - x, bottom - y)
        key = (*how, placement, pipeline.interpolation if resized else "")
        if key in found:
            found[key][1].append(pipeline)
            continue
        if deadline.over():
            break
        box = pipeline.seen(placement)
        if box not in parts:
            parts[box] = _telling_part(inside(sample, box))
        known = parts[box]
        pixels = None if known is None else pixels_of(pipeline, source, placement, known[0])
        fit = None if pixels is None or known is None else fitted(pixels.reshape(-1, pixels.shape[2]), known[1])
        found[key] = (float("inf") if fit is None else fit.rms, [pipeline])
    return list(found.values())
