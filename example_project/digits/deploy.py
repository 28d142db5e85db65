"""Picture -> input, as the device does it: another program, which must make the same tensor as `digits.preprocess`.

A pixel has only 256 values, so the device normalises by looking them up. The tests compare the two programs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from digits.preprocess import MEAN, SIDE, STD

if TYPE_CHECKING:
    import numpy.typing as npt

NORMALISED = (np.arange(256, dtype=np.float32) / 255 - MEAN) / STD


def deploy_preprocess(image: Image.Image) -> npt.NDArray[np.float32]:
    """Returns float32[1, 1, 32, 32] for a picture of any size and mode."""
    grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    codes = np.frombuffer(grey.tobytes(), dtype=np.uint8)
    return NORMALISED[codes].reshape(1, 1, SIDE, SIDE)
