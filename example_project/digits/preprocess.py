"""Picture -> input, as the network was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import numpy.typing as npt

SIDE = 32
MEAN, STD = 0.31, 0.32
"""Of the resized training pixels, rounded; brightness runs from 0 to 1."""


def preprocess(image: Image.Image) -> npt.NDArray[np.float32]:
    """Returns float32[1, 1, 32, 32] for a picture of any size and mode: grey, resized, normalised."""
    grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    pixels = np.asarray(grey, dtype=np.float32) / 255
    return ((pixels - MEAN) / STD)[np.newaxis, np.newaxis]
