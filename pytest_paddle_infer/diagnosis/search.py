"""Which preprocessing program made a tensor from a picture: found by running the usual programs on the picture itself.

Called by `inputs`. A program is known when its pixels explain the tensor but for one line (scale and normalisation) per channel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from pytest_paddle_infer.diagnosis.candidates import groups
from pytest_paddle_infer.diagnosis.finding import Array, Deadline
from pytest_paddle_infer.diagnosis.geometry import Box, Size
from pytest_paddle_infer.diagnosis.pipelines import NEAR, Identified, Pipeline, fitted, pixels_of, prepared

SECONDS = 1.0
"""What one side's search may take before it ends with the best that it has."""

_PART = 32
"""Side of the part of a tensor that is compared first, in pixels."""
_MORE = 3
"""Rules that are still looked at once one is near, in case another is exact."""


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
    for simple, group in groups(tensor, images, like):
        ranked = sorted(_scored(group, tensor[0], images[0], part, deadline), key=lambda item: item[0])
        for rms, pipelines in ranked[:3]:
            if rms > NEAR:
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


def _telling_part(sample: Array) -> Box | None:
    """A corner of a tensor float[C, H, W] with the most contrast: (left, top, right, bottom). None where it has none anywhere."""
    height, width = sample.shape[1:]
    high, wide = min(height, _PART), min(width, _PART)
    corners = [(x, y, x + wide, y + high) for x in (0, width - wide) for y in (0, height - high)]
    contrast = [float(sample[:, y:bottom, x:right].std(axis=(1, 2)).min()) for x, y, right, bottom in corners]
    best = int(np.argmax(contrast))
    return corners[best] if contrast[best] > 0 else None


Scored = tuple[float, list[Pipeline]]


def _scored(group: Sequence[Pipeline], sample: Array, image: Image.Image, part: Box, deadline: Deadline) -> list[Scored]:
    """Returns (RMS in levels over a part, programs with these pixels) for each; ends early once one is exact, or time is up."""
    x, y, right, bottom = part
    wanted = sample[:, y:bottom, x:right].reshape(len(sample), -1)
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
        resized = placement.size != source.size if placement.box is None else placement.size != _size_of(placement.box)
        key = (*how, placement, pipeline.interpolation if resized else "")
        if key in found:
            found[key][1].append(pipeline)
            continue
        if deadline.over():
            break
        pixels = pixels_of(pipeline, source, part)
        fit = None if pixels is None else fitted(pixels.reshape(-1, pixels.shape[2]), wanted)
        found[key] = (float("inf") if fit is None else fit.rms, [pipeline])
    return list(found.values())


def _size_of(box: Box) -> Size:
    return box[2] - box[0], box[3] - box[1]
