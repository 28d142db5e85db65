"""What an engine was fed with, as small pictures: PNG files of tensors. Called by `details/keeping.py`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

LARGEST = 96
"""Pixels of a picture's longer side at most."""


def picture_of(tensors: Sequence[Array]) -> Array | None:
    """Returns the first tensor of one sample that shows a picture, as [H, W] or [H, W, 3]; None where there is none.

    It is float or uint8, and [1, 3, H, W], [1, 1, H, W], [1, H, W, 3] or [1, H, W, 1].
    """
    for tensor in tensors:
        if tensor.ndim == 4 and len(tensor) == 1 and tensor.size and (tensor.dtype.kind == "f" or tensor.dtype == np.uint8):
            planes = tensor[0] if tensor.shape[1] in (1, 3) else np.moveaxis(tensor[0], -1, 0)
            if len(planes) in (1, 3):
                return np.asarray(planes[0] if len(planes) == 1 else np.moveaxis(planes, 0, -1))
    return None


def to_png(pictures: Sequence[Array]) -> list[bytes]:
    """Returns PNG files. All values are scaled together, from the smallest to the largest, so that a side of another scale looks so.

    What is no number is black; larger pictures are made smaller by averaging.
    """
    from PIL import Image

    wide = [picture.astype(np.float64) for picture in pictures]
    fine = [np.isfinite(values) for values in wide]
    known = [values[where] for values, where in zip(wide, fine) if where.any()]
    least, most = (min(map(np.min, known)), max(map(np.max, known))) if known else (0.0, 0.0)
    files = []
    for values, where in zip(wide, fine):
        with np.errstate(all="ignore"):  # halves, because the span of float64 is no float64
            share = (values / 2 - least / 2) / ((most / 2 - least / 2) or 1.0)
            grey = np.where(where, np.clip(255.0 * share, 0.0, 255.0), 0.0)
        image = Image.fromarray(grey.round().astype(np.uint8))
        factor = LARGEST / max(image.size)
        if factor < 1:
            width, height = (max(1, round(length * factor)) for length in image.size)
            image = image.resize((width, height), Image.Resampling.BOX)
        file = io.BytesIO()
        image.save(file, "PNG")
        files.append(file.getvalue())
    return files
