"""Whether a preprocessing program stores the picture as JPEG before it goes on: found by doing so. numpy and Pillow.

Called by `inputs`, where no other step explains what is left.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from pytest_paddle_infer.diagnosis.finding import Array, Deadline
from pytest_paddle_infer.diagnosis.pictures import DEFAULT
from pytest_paddle_infer.diagnosis.pipelines import Identified, Pipeline, prepared
from pytest_paddle_infer.diagnosis.search import verified

_QUALITIES = (75, 95, 90, 85, 80)
"""Pillow's default and OpenCV's come first."""
_SAMPLINGS = (("4:2:0", 2), ("4:4:4", 0))
"""Of the colours, with Pillow's numbers for them."""


def stored_as_jpeg(like: Pipeline, tensor: Array, images: Sequence[Image.Image], seconds: float) -> tuple[str, Identified] | None:
    """Returns ("JPEG (quality 75, 4:2:0)", the program) that made float[N, C, H, W] from pictures stored so; None where none does.

    like: the other side's program, from which this one may differ in scale and normalisation besides. Only the very same pixels count:
    a quality that is not tried leaves half a level and more, as does one that merely lies near.
    """
    deadline = Deadline(seconds)
    sources = [prepared(image, like) for image in images]
    usable = [source for source in sources if source is not None and source.mode in ("RGB", "L")]
    if len(usable) < len(sources) or not usable:
        return None
    own = replace(like, conversion=DEFAULT if usable[0].mode == "RGB" else "converts to grey", upright=False)
    for quality, name, sampling in _ways(usable[0].mode):
        if deadline.over():
            return None
        first = _through(usable[0], quality, sampling)
        if _exactly(own, tensor[:1], [first]) is None:
            continue
        found = _exactly(own, tensor, [first, *(_through(source, quality, sampling) for source in usable[1:])])
        if found is not None:
            return f"JPEG (quality {quality}{name})", replace(found, pipeline=like)
    return None


def _ways(mode: str) -> Iterator[tuple[int, str, int]]:
    for name, sampling in _SAMPLINGS if mode == "RGB" else (("", 0),):
        for quality in _QUALITIES:
            yield quality, f", {name}" if name else "", sampling


def _exactly(own: Pipeline, tensor: Array, images: Sequence[Image.Image]) -> Identified | None:
    found = verified(own, tensor.astype(np.float64), images)
    return found if found is not None and found.fit.exact else None


def _through(image: Image.Image, quality: int, sampling: int) -> Image.Image:
    stored = io.BytesIO()
    image.save(stored, "jpeg", quality=quality, subsampling=sampling)
    read = Image.open(stored)
    read.load()
    return read
