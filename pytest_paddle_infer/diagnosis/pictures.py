"""Pictures as preprocessing programs open them: orientation applied or not, and what becomes of modes that are not RGB. Pillow only."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Callable

import numpy as np
from PIL import Image, ImageOps

from pytest_paddle_infer.diagnosis.finding import Array
from pytest_paddle_infer.failures import PaddleInferError
from pytest_paddle_infer.samples import IMAGE_SUFFIXES
from pytest_paddle_infer.transforms import load_image

Make = Callable[[Image.Image], Image.Image]

DEFAULT = "converts to RGB"
GREYED = "turns it grey"
UNUSUAL = (
    "takes the red channel",
    "takes the green channel",
    "takes the blue channel",
    "converts to grey as if red were blue (BGR)",
    "takes the mean of the channels for grey",
    "takes the mean of the channels for grey, cut off to whole values",
)
"""Ways to grey that are near to the usual one on pictures of few colours, so that only the very same pixels count."""


def turned(image: Image.Image) -> bool:
    """True where the EXIF orientation says that the picture is not stored upright."""
    try:
        return image.getexif().get(0x0112, 1) not in (0, 1)
    except Exception:  # broken metadata: every program takes the picture as it is stored
        return False


def upright(image: Image.Image) -> Image.Image:
    """The picture turned as EXIF says; as it is stored where EXIF says nothing that can be read."""
    try:
        found: Image.Image | None = ImageOps.exif_transpose(image)
    except Exception:
        return image
    return found or image


def conversions(mode: str, channels: int) -> dict[str, Make]:
    """What programs do to a picture of this mode to feed 1, 3 or 4 channels: sentence -> how. The most usual comes first."""
    return dict(_conversions(mode, channels))


def _conversions(mode: str, channels: int) -> Iterator[tuple[str, Make]]:
    if channels == 1:
        yield "converts to grey", lambda image: image.convert("L")
        if mode in ("RGB", "RGBA"):
            yield UNUSUAL[0], lambda image: image.getchannel(0)
            yield UNUSUAL[1], lambda image: image.getchannel(1)
            yield UNUSUAL[2], lambda image: image.getchannel(2)
            yield UNUSUAL[3], lambda image: Image.merge("RGB", image.split()[2::-1]).convert("L")
            yield UNUSUAL[4], lambda image: Image.fromarray(np.rint(_mean(image)).astype(np.uint8))
            yield UNUSUAL[5], lambda image: Image.fromarray(_mean(image).astype(np.uint8))
        return
    if mode.startswith("I"):
        yield "takes the high byte", lambda image: _repeated(np.asarray(image) >> 8)
        yield "cuts off at 255", lambda image: _repeated(np.clip(np.asarray(image), 0, 255))
        return
    alpha = mode in ("RGBA", "LA", "PA", "La", "RGBa")
    yield ("drops the alpha channel" if alpha else "repeats the grey channel" if mode in ("L", "1") else DEFAULT), _rgb
    if alpha or mode == "P":
        yield "blends the alpha channel with white", lambda image: _blended(image, (255, 255, 255))
        yield "blends the alpha channel with black", lambda image: _blended(image, (0, 0, 0))
    if mode == "RGBA":
        yield "drops the alpha channel after the resize", lambda image: image
    if mode == "P":
        yield "takes the indices of the palette for colours", lambda image: _repeated(np.asarray(image))
    if mode == "CMYK":
        yield "takes three of the CMYK channels for RGB", lambda image: Image.merge("RGB", image.split()[:3])
    if mode not in ("L", "1", "LA"):
        yield GREYED, lambda image: image.convert("L").convert("RGB")


def _mean(image: Image.Image) -> Array:
    return np.asarray(np.asarray(image.convert("RGB")).mean(axis=2))


def _rgb(image: Image.Image) -> Image.Image:
    return image.convert("RGB")


def _repeated(values: Array) -> Image.Image:
    return Image.fromarray(values.astype(np.uint8)).convert("RGB")


def _blended(image: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    over = image.convert("RGBA")
    ground = Image.new("RGBA", over.size, (*colour, 255))
    return Image.alpha_composite(ground, over).convert("RGB")


# -- pictures within samples -------------------------------------------------------------------------------------------


def pictures_in(sample: object) -> dict[str, Image.Image]:
    """The pictures of a sample that is a picture, or a dict, tuple or list whose values are pictures or paths of picture files.

    By their key, or their number in a tuple, in the sample's order; files that cannot be opened are left out.
    """
    if isinstance(sample, Image.Image):
        return {"": sample}
    if isinstance(sample, Mapping):
        values = [(str(key), value) for key, value in sample.items()]
    elif isinstance(sample, (tuple, list)):
        values = [(str(number), value) for number, value in enumerate(sample)]
    else:
        return {}
    found = ((key, _opened(value)) for key, value in values)
    return {key: picture for key, picture in found if picture is not None}


def _opened(value: object) -> Image.Image | None:
    if isinstance(value, Image.Image):
        return value
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value).lower().endswith(IMAGE_SUFFIXES):
        return None
    try:
        return load_image(Path(os.fspath(value)))
    except (PaddleInferError, OSError, ValueError):
        return None
