"""diagnosis/padding.py and the padded programs: how either side pads is named, and padding that changes nothing accuses nobody."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_input_hypotheses import MEAN, STD, photograph, prepared, said

from pytest_paddle_infer.diagnosis.finding import Array, Finding
from pytest_paddle_infer.diagnosis.inputs import explain_input

LANDSCAPE, PORTRAIT, BOTH = [(90, 60)], [(50, 80)], [(90, 60), (50, 80)]
SHAPES = {"landscape": LANDSCAPE, "portrait": PORTRAIT, "both": BOTH}


def letterboxed(
    image: Image.Image, *, size: tuple[int, int] = (48, 48), centred: bool = True, value: Any = 114, after: bool = False,
    enlarge: bool = True, rounded: Any = round, how: Any = Image.Resampling.BILINEAR, bgr: bool = False, mean: Any = MEAN,
    std: Any = STD, scale: float = 1 / 255, mirror: bool = False,
) -> Array:  # fmt: skip
    """float32[1, 3, *size]: resized to fit size (width, height), then padded, as YOLO and PaddleOCR write it."""
    ratio = min(whole / part for whole, part in zip(size, image.size))
    ratio = ratio if enlarge else min(1.0, ratio)
    width, height = (rounded(part * ratio) for part in image.size)
    pixels = np.asarray(image.resize((width, height), how)) if (width, height) != image.size else np.asarray(image)
    pixels = pixels[..., ::-1] if bgr else pixels
    left, top = ((whole - part) // 2 if centred else 0 for whole, part in zip(size, (width, height)))
    free = ((top, size[1] - height - top), (left, size[0] - width - left))
    made = np.stack([np.pad(plane, free, constant_values=value) for plane in np.moveaxis(pixels, 2, 0)], axis=2)
    made = made[:, ::-1] if mirror else made
    values = (made.astype(np.float32) * np.float32(scale) - np.float32(mean)) / np.float32(std)
    if after:
        values[~np.pad(np.ones((height, width), bool), free)] = 0
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None], dtype=np.float32)


def stretched(image: Image.Image, size: tuple[int, int] = (48, 48), **how: Any) -> Array:
    return letterboxed(image.resize(size, Image.Resampling.BILINEAR), size=size, **how)


def cropped(image: Image.Image) -> Array:
    return prepared(image, side=48, short=55)


def pictures_of(sizes: list[tuple[int, int]]) -> list[Image.Image]:
    return [photograph(*size, seed=index) for index, size in enumerate(sizes)]


def compared(training: Any, inference: Any, sizes: list[tuple[int, int]], with_pictures: bool = True) -> Finding | None:
    images = pictures_of(sizes)
    one, two = (np.concatenate([side(image) for image in images]) for side in (training, inference))
    return explain_input(one, two, images if with_pictures else (), seconds=60)


def made(**how: Any) -> Any:
    return lambda image: letterboxed(image, **how)


LETTERBOX = "keeps the aspect and pads to 48x48 (letterbox)"
STRETCH = "resizes to a square of 48x48 whatever the picture's shape"
CROP = "resizes the short side to 55"
BEFORE = "pads with 0 before the normalisation where the training preprocessing pads with 0 after it"
PLACES = "pads at the right and at the bottom where the training preprocessing pads around the picture"
CASES: dict[str, tuple[Any, Any, str, str]] = {
    "letterbox for stretch": (stretched, made(), "resize", f"{LETTERBOX} where the training preprocessing {STRETCH}"),
    "stretch for letterbox": (made(), stretched, "resize", f"{STRETCH} where the training preprocessing {LETTERBOX}"),
    "corner for stretch": (stretched, made(centred=False, value=0), "resize", f"{LETTERBOX} where the training preprocessing {STRETCH}"),
    "letterbox for crop": (cropped, made(), "resize", f"{LETTERBOX} where the training preprocessing {CROP}"),
    "crop for letterbox": (made(), cropped, "resize", f"{CROP} where the training preprocessing {LETTERBOX}"),
    "corner for centre": (made(), made(centred=False), "padding", PLACES),
    "centre for corner": (made(centred=False), made(), "padding", "pads around the picture where the training preprocessing pads at the "
                          "right and at the bottom"),
    "0 for 114": (made(), made(value=0), "padding", "pads with 0 where the training preprocessing pads with 114"),
    "128 for 114": (made(), made(value=128), "padding", "pads with 128 where the training preprocessing pads with 114"),
    "114 for 0": (made(centred=False, value=0), made(centred=False), "padding", "pads with 114 where the training preprocessing pads with 0"),
    "before for after": (made(after=True), made(value=0), "padding", BEFORE),
    "after for before": (made(), made(after=True), "padding", "pads with 0 after the normalisation where the training preprocessing pads "
                         "with 114 before it"),
    "place and value": (made(), made(centred=False, value=0), "padding", f"{PLACES}, and pads with 0 where the training preprocessing pads "
                        "with 114"),
    "nearest": (made(), made(how=Image.Resampling.NEAREST), "interpolation", "resizes with nearest where the training preprocessing resizes "
                "with bilinear"),
    "value and BGR": (made(), made(value=0, bgr=True), "padding", "pads with 0 where the training preprocessing pads with 114, and feeds the "
                      "channels in reverse order (BGR for RGB)"),
    "value and no scale": (made(), made(value=0, scale=1.0), "padding", "pads with 0 where the training preprocessing pads with 114, and "
                           "leaves out the division by 255"),
    "no normalisation, 0 after on both": (made(after=True), made(after=True, mean=(0,) * 3, std=(1,) * 3), "normalisation", "leaves out the "
                                          "normalisation (mean and std)"),
    "no normalisation, 114 on both": (made(), made(mean=(0,) * 3, std=(1,) * 3), "normalisation", "leaves out the normalisation (mean and "
                                      "std)"),
    "BGR": (made(), made(bgr=True), "channel order", "feeds the channels in reverse order (BGR for RGB)"),
    "mirror": (made(centred=False), made(centred=False, mirror=True), "mirror", "mirrors the picture left to right"),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("case", CASES)
def test_what_pads_otherwise_is_named(case: str, shape: str) -> None:
    training, inference, name, sentence = CASES[case]
    found = compared(training, inference, SHAPES[shape])
    assert said(found) == sentence
    assert found is not None
    assert (found.name, found.certain) == (name, True)
