"""diagnosis/inputs.py and its rooms: each planted step is named, and nothing is named where none was planted."""

from __future__ import annotations

import inspect
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from pytest_paddle_infer.diagnosis.agreement import apart, close, restored
from pytest_paddle_infer.diagnosis.finding import Array, Finding
from pytest_paddle_infer.diagnosis.geometry import INTERPOLATIONS, Geometry, Placement, render
from pytest_paddle_infer.diagnosis.inputs import describe_inputs, explain_input
from pytest_paddle_infer.diagnosis.normalisation import Normalisation, difference, known, recognised
from pytest_paddle_infer.diagnosis.pictures import DEFAULT, UNUSUAL, conversions, upright
from pytest_paddle_infer.diagnosis.programs import _DONE, _geometry, steps_apart
from pytest_paddle_infer.diagnosis.refusals import (
    _REFUSALS,
    RETURNED,
    explain_refusal,
    made_in,
    of_both,
    of_training,
    said_in,
)
from pytest_paddle_infer.diagnosis.search import _better, identify, nearer, verified
from pytest_paddle_infer.diagnosis.steps import _REMEDIES, STEPS
from pytest_paddle_infer.engine import processing

RANDOM = np.random.default_rng(0)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BGR = "feeds the channels in reverse order (BGR for RGB)"
NHWC = "feeds NHWC where the model takes NCHW (transpose missing)"


def said(found: Finding | None) -> str:
    """The cause without its beginning; "" for no finding."""
    if found is None:
        return ""
    assert (found.stage, found.kind) == ("preprocess", "step")
    assert found.name in STEPS
    assert found.remedy
    assert found.cause.startswith("the inference preprocessing ")
    assert found.cause.endswith(".")
    return found.cause[len("the inference preprocessing ") : -1]


# -- arrays alone ------------------------------------------------------------------------------------------------------


def tensor(height: int = 16, width: int = 16, channels: int = 3) -> Array:
    """float32[1, C, H, W] in 0..1 with nothing symmetrical in it."""
    return RANDOM.random((1, channels, height, width), dtype=np.float32)


def normalised(x: Array, mean: Any = MEAN, std: Any = STD) -> Array:
    return ((x - np.reshape(mean, (-1, 1, 1))) / np.reshape(std, (-1, 1, 1))).astype(np.float32)


RAW = tensor()
RIGHT = normalised(RAW)


@pytest.mark.parametrize(
    ("inference", "name", "sentence"),
    [
        (RIGHT[:, ::-1], "channel order", BGR),
        (normalised(RAW[:, ::-1]), "channel order", BGR),
        (RIGHT.transpose(0, 2, 3, 1), "layout", NHWC),
        (RIGHT[:, ::-1].transpose(0, 2, 3, 1), "layout", f"{NHWC} and {BGR}"),
        (RIGHT[..., ::-1], "mirror", "mirrors the picture left to right"),
        (RIGHT.transpose(0, 1, 3, 2), "layout", "swaps height and width (EXIF orientation or a transpose)"),
        (np.rot90(RIGHT, axes=(2, 3)), "exif", "turns the picture by 90 degrees (EXIF orientation)"),
        (RIGHT.transpose(0, 2, 3, 1).reshape(RIGHT.shape), "layout", "reshapes HWC to CHW where it must transpose"),
        (RIGHT.astype(np.float64), "dtype", "makes float64, the training preprocessing float32"),
        (RIGHT.astype(np.int64), "dtype", "makes int64, the training preprocessing float32"),
        (RIGHT[0], "shape", "leaves out the batch dimension"),
        (RIGHT[None], "shape", "adds a dimension too many"),
        (RIGHT[0].transpose(1, 2, 0), "layout", f"leaves out the batch dimension and {NHWC}"),
        (RIGHT[..., 1:15, 1:15], "crop", "crops to 14x14 where the training preprocessing makes 16x16"),
        (tensor(12, 16), "shape", "feeds 12x16 where the training preprocessing feeds 16x16"),
        (RIGHT * 255, "scaling", "leaves out the division by 255"),
        (normalised(RAW * 255), "scaling", "leaves out the division by 255"),
        (RIGHT / 255, "scaling", "divides by 255 twice"),
        (normalised(RAW / 255), "scaling", "divides by 255 twice"),
        (
            normalised(RAW * 255 / 256),
            "scaling",
            "divides by 256 where the training preprocessing divides by 255",
        ),
        (RAW * 255, "scaling", "leaves out the division by 255 and leaves out the normalisation (mean and std)"),
        (RAW, "normalisation", "leaves out the normalisation (mean and std)"),
        (RIGHT[:, ::-1] * 3 + 0.1, "channel order", BGR),
        (normalised(RAW, MEAN, (1, 1, 1)), "normalisation", "leaves out the division by the standard deviation"),
        (normalised(RAW, (0, 0, 0)), "normalisation", "leaves out the mean"),
        (normalised(RAW, MEAN[::-1], STD[::-1]), "normalisation", "uses mean and std in reverse order (BGR)"),
        (normalised(RAW, MEAN[::-1]), "normalisation", "uses the mean in reverse order (BGR)"),
        (normalised(RIGHT), "normalisation", "normalises twice"),
        (normalised(1 - RAW), "normalisation", "feeds the negative of the picture"),
        (normalised(RAW, (0.48, 0.46, 0.41)), "normalisation", "rounds the mean to (0.48, 0.46, 0.41)"),
        (
            normalised(RAW, 0.5, 0.5),
            "normalisation",
            "normalises with mean and std of 0.5 where the training preprocessing uses ImageNet's statistics",
        ),
        (RAW[:, ::-1], "channel order", f"{BGR} and leaves out the normalisation (mean and std)"),
        (normalised(RAW[:, ::-1] * 255), "channel order", f"{BGR} and leaves out the division by 255"),
        (RIGHT.astype(np.float16).astype(np.float32), "precision", "rounds its values to float16 on the way"),
        (np.repeat(RIGHT.mean(axis=1, keepdims=True), 3, axis=1), "mode", "turns the picture grey where the training "
         "preprocessing keeps its colours"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_step_that_the_tensors_alone_tell_is_named(inference: Array, name: str, sentence: str) -> None:
    keep = inference.dtype.kind == "i" or (inference.dtype == np.float64 and np.array_equal(inference, RIGHT))
    found = explain_input(RIGHT, inference if keep else inference.astype(np.float32))
    assert said(found) == sentence
    assert found is not None
    assert found.name == name


def test_a_division_that_is_made_twice_is_not_told_to_be_made() -> None:
    found = explain_input(RIGHT, normalised(RAW / 255).astype(np.float32))
    assert found is not None
    assert found.remedy == "divide by 255 before mean and std in both preprocessing programs, and as often in one as in the other."
    left_out = explain_input(RIGHT, normalised(RAW * 255).astype(np.float32))
    assert left_out is not None
    assert left_out.remedy == "divide by 255 before mean and std in the inference preprocessing."


CONVERT, SCALE = "convert BGR to RGB", "divide by 255 before mean and std in the inference preprocessing"
TRANSPOSE, NORMALISE = "bring HWC to CHW", "use the same mean and std"


@pytest.mark.parametrize(
    ("inference", "remedies"),
    [
        (RIGHT[:, ::-1], [CONVERT]),
        (normalised(RAW[:, ::-1] * 255), [CONVERT, SCALE]),
        (RAW[:, ::-1], [CONVERT, NORMALISE]),
        (RAW * 255, [SCALE, NORMALISE]),
        (RIGHT[:, ::-1].transpose(0, 2, 3, 1), [TRANSPOSE, CONVERT]),
        (RIGHT[0].transpose(1, 2, 0), [TRANSPOSE, "make the inference preprocessing return the shape"]),
        ((RAW * 255).astype(np.float64), ["cast the tensor to the model's dtype", SCALE, NORMALISE]),
    ],
    ids=lambda value: " + ".join(value) if isinstance(value, list) else "",
)
def test_each_of_two_faults_has_its_remedy(inference: Array, remedies: list[str]) -> None:
    found = explain_input(RIGHT, inference if inference.dtype == np.float64 else inference.astype(np.float32))
    assert found is not None
    parts = found.remedy.split("; ")
    assert len(parts) == len(remedies)
    assert all(part.startswith(remedy) for part, remedy in zip(parts, remedies)), parts
    assert found.remedy.count(".") == found.remedy.endswith(".")


def test_a_shifted_crop_is_named_with_its_direction() -> None:
    whole = normalised(tensor(20, 20))
    assert said(explain_input(whole[..., 2:18, 2:18], whole[..., 2:18, 3:19])) == "shifts the crop by a pixel to the right"
    two = explain_input(whole[..., 2:18, 2:18], whole[..., 0:16, 2:18])
    assert said(two) == "shifts the crop by 2 pixels up"


def test_a_crop_that_is_left_out_is_named() -> None:
    whole = normalised(tensor(20, 20))
    assert said(explain_input(whole[..., 2:18, 2:18], whole)) == "leaves out the crop to 16x16 or crops to 20x20"


NUMBERS = "scale and shift the pixels by the same numbers in both preprocessing programs."


@pytest.mark.parametrize("shown", [True, False], ids=["with pictures", "tensors alone"])
@pytest.mark.parametrize(
    ("training", "inference", "sentence", "remedy"),
    [
        ((127.5, 1), (128, 1), "makes x / 128 - 1 of a pixel x where the training preprocessing makes x / 127.5 - 1", NUMBERS),
        ((127.5, 1), (256, 0.5), "makes x / 256 - 0.5 of a pixel x where the training preprocessing makes x / 127.5 - 1", NUMBERS),
        ((127.5, 1), (255, 0), "leaves out the normalisation (mean and std)", ""),
        ((128, 1), (127.5, 1), ("makes x / 127.5 - 1 of a pixel x where the training preprocessing makes x / 128 - 1",
                                "scales or normalises otherwise: its input is the training input x as 1.004 * x +0.003922"), NUMBERS),
        ((127.5, 0), (128, 1), ("makes x / 128 - 1 of a pixel x where the training preprocessing makes x / 127.5",
                                "scales or normalises otherwise: its input is the training input x as 0.9961 * x -1"), NUMBERS),
        ((127, 1), (127.5, 1), ("makes x / 127.5 - 1 of a pixel x where the training preprocessing makes x / 127 - 1",
                                "scales or normalises otherwise: its input is the training input x as 0.9961 * x -0.003922"), NUMBERS),
        ((127.5, 0), (128, 0), ("makes x / 128 of a pixel x where the training preprocessing makes x / 127.5",
                                "scales or normalises otherwise: its input is the training input x as 0.9961 * x"), NUMBERS),
        ((1, 128), (255, 0.5), ("makes x / 255 - 0.5 of a pixel x where the training preprocessing makes x - 128",
                                "divides by 255, which the training preprocessing does not"), ""),
        ((1, 128), (255, 0), ("makes x / 255 of a pixel x where the training preprocessing makes x - 128",
                              "divides by 255, which the training preprocessing does not"), ""),
        ((255, 0), (256, 0), "divides by 256 where the training preprocessing divides by 255", ""),
    ],
)  # fmt: skip
def test_a_line_is_told_by_numbers_that_are_in_the_program(
    training: tuple[float, float], inference: tuple[float, float], sentence: Any, remedy: str, *, shown: bool
) -> None:
    zero, one = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    raw = np.concatenate([prepared(image, mean=zero, std=one, scale=1.0) for image in pair()])
    left, right = (raw / np.float32(side[0]) - np.float32(side[1]) for side in (training, inference))
    found = explain_input(left, right, pair() if shown else ())
    assert said(found) == (sentence if isinstance(sentence, str) else sentence[not shown])
    assert found is not None
    assert not remedy or found.remedy == (remedy if "pixel" in found.cause else remedy.replace("pixels", "values"))


def test_swapped_sides_of_an_oblong_picture_are_named() -> None:
    oblong = normalised(tensor(8, 12))
    assert "swaps height and width" in said(explain_input(oblong, oblong.transpose(0, 1, 3, 2)))


def test_a_line_of_no_known_meaning_is_shown_as_it_is() -> None:
    text = said(explain_input(RIGHT, (1.3 * RIGHT + 0.5).astype(np.float32)))
    assert text.startswith("scales or normalises otherwise: its input is the training input x as 1.3 * x +0.5")
    found = explain_input(RIGHT, RIGHT * np.reshape(np.float32([1.3, 1.4, 1.5]), (3, 1, 1)))
    assert said(found) == (
        "scales or normalises otherwise: its input is the training input x as channel 0: 1.3 * x; channel 1: 1.4 * x; channel 2: 1.5 * x"
    )
    assert found is not None
    assert found.remedy == NUMBERS.replace("pixels", "values")


@pytest.mark.parametrize(
    "inference",
    [
        RIGHT,
        RIGHT + np.float32(3e-6),
        np.where(np.arange(16) == 3, RIGHT + 1, RIGHT).astype(np.float32),
        RIGHT + RANDOM.normal(0, 0.1, RIGHT.shape).astype(np.float32),
        RANDOM.normal(0, 1, RIGHT.shape).astype(np.float32),
        np.full_like(RIGHT, np.nan),
        np.zeros_like(RIGHT),
    ],
    ids=["equal", "nearly equal", "one column", "noisy", "other", "NaN", "zeros"],
)
def test_nothing_is_named_where_no_hypothesis_fits(inference: Array) -> None:
    assert explain_input(RIGHT, inference) is None


def test_every_sample_given_must_agree_with_a_hypothesis() -> None:
    two = np.concatenate([RIGHT, normalised(tensor())])
    assert said(explain_input(two, two[:, ::-1])) == BGR
    assert explain_input(two, np.concatenate([RIGHT[:, ::-1], two[1:]])) is None


def test_inputs_that_are_no_pictures_are_compared_by_shape_dtype_and_line() -> None:
    flat = RANDOM.random((2, 5), dtype=np.float32)
    assert said(explain_input(flat, flat[:, :4])) == "makes shape [2, 4], the training preprocessing [2, 5]"
    assert "int64" in said(explain_input(flat, flat.astype(np.int64)))
    tokens = np.array([[1, 2, 3]])
    assert explain_input(tokens, tokens + 1) is None
    assert explain_input(np.float32(1) * np.ones(()), np.float32(2) * np.ones(())) is None


EXTREMES = [np.nan, np.inf, -np.inf, 1e38, 0.0]


@pytest.mark.parametrize("one", EXTREMES)
@pytest.mark.parametrize("two", EXTREMES)
def test_extreme_values_are_no_cause_and_no_warning(one: float, two: float) -> None:
    for shape in ((2, 3), (1, 3, 4, 4)):
        assert explain_input(np.full(shape, one, np.float32), np.full(shape, two, np.float32)) is None


def test_empty_and_constant_tensors_have_no_cause() -> None:
    for shape in ((2, 0), (0, 3), (0, 3, 4, 4)):
        empty = np.zeros(shape, np.float32)
        assert explain_input(empty, empty) is None
    grey = np.full((1, 3, 4, 4), 0.5, np.float32)
    assert explain_input(grey, grey) is None


# -- programs on pictures ----------------------------------------------------------------------------------------------


def photograph(width: int = 60, height: int = 47, seed: int = 0, mode: str = "RGB") -> Image.Image:
    """Colours, edges and grain, as a photograph has them."""
    random = np.random.default_rng([seed, 3])
    coarse = random.integers(0, 256, (5, 6, 3)).astype(np.uint8)
    pixels = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.float64)
    pixels += random.normal(0, 14, pixels.shape)
    y, x = np.mgrid[0:height, 0:width]
    pixels[(x - width / 3) ** 2 + (y - height / 2) ** 2 < (height / 5) ** 2] -= (60, 10, -40)
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    if mode == "RGBA":
        image.putalpha(Image.fromarray(random.integers(0, 256, (height, width)).astype(np.uint8)))
    return image.convert(mode)


def prepared(
    image: Image.Image, *, side: int = 24, short: int = 28, how: Any = Image.Resampling.BILINEAR, rounded: Any = int,
    order: str = "resize, crop", square: bool = False, shift: int = 0, exif: bool = True, ground: Any = None, mean: Any = MEAN,
    std: Any = STD, scale: float = 1 / 255, channels: str = "RGB", mirror: bool = False,
) -> Array:  # fmt: skip
    """float32[1, 3, side, side]: a program with each slip of the vocabulary."""
    image = ImageOps.exif_transpose(image) if exif else image
    if image.mode == "RGBA" and ground is not None:
        image = Image.alpha_composite(Image.new("RGBA", image.size, ground), image)
    image = image.convert("RGB")
    for step in order.split(", "):
        if step == "resize":
            sizes = [short, short] if square else [rounded(n * short / min(image.size)) for n in image.size]
            image = image.resize((sizes[0], sizes[1]), how)
        else:
            left, top = (image.width - side) // 2 + shift, (image.height - side) // 2
            image = image.crop((left, top, left + side, top + side))
    pixels = np.asarray(image)[:, ::-1] if mirror else np.asarray(image)
    pixels = pixels[..., ::-1] if channels == "BGR" else pixels
    values = (pixels.astype(np.float32) * np.float32(scale) - np.float32(mean)) / np.float32(std)
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None], dtype=np.float32)


def compared(images: list[Image.Image], **slip: Any) -> Finding | None:
    training, inference = (np.concatenate([prepared(image, **how) for image in images]) for how in ({}, slip))
    return explain_input(training, inference, images)


def pair(seed: int = 0) -> list[Image.Image]:
    return [photograph(60, 47, seed), photograph(45, 66, seed + 100)]


FILTERS = Image.Resampling
SLIPS: dict[str, tuple[dict[str, Any], str, str]] = {
    "nearest": ({"how": FILTERS.NEAREST}, "interpolation", "resizes with nearest where the training preprocessing resizes with bilinear"),
    "bicubic": ({"how": FILTERS.BICUBIC}, "interpolation", "resizes with bicubic where"),
    "lanczos": ({"how": FILTERS.LANCZOS}, "interpolation", "resizes with lanczos where"),
    "box": ({"how": FILTERS.BOX}, "interpolation", "resizes with box where"),
    "hamming": ({"how": FILTERS.HAMMING}, "interpolation", "resizes with hamming where"),
    "square": ({"square": True}, "resize", "resizes to a square of 28x28 whatever the picture's shape where the training pre"),
    "crop first": ({"order": "crop, resize, crop"}, "crop", "crops before resizing (crop 24x24, resize to 28x28, crop 24x24) where"),
    "crop alone": ({"order": "crop"}, "resize", "crops without resizing where"),
    "short side": ({"short": 24}, "resize", "resizes the short side to 24 where the training preprocessing resizes the short side to 28"),
    "odd size": ({"short": 33}, "resize", "resizes the short side to 33 where the training preprocessing resizes the short side to 28"),
    "long side": ({"rounded": round}, "resize", "finds the long side of the resized picture by rounding"),
    "std": ({"std": [1.05 * v for v in STD]}, "normalisation", "divides by std (0.24"),
    "own mean": ({"mean": (0.5, 0.456, 0.406)}, "normalisation", "subtracts the mean (0.5, 0.456, 0.406) where"),
    "exchanged": ({"mean": STD, "std": MEAN}, "normalisation", "uses mean and std exchanged: mean (0.229, 0.224, 0.225) and std (0.485, "),
    "BGR": ({"channels": "BGR"}, "channel order", BGR),
    "BGR, no scale": ({"channels": "BGR", "scale": 1.0}, "channel order", f"{BGR} and leaves out the division by 255"),
    "mirror": ({"mirror": True}, "mirror", "mirrors the picture left to right"),
    "shift": ({"shift": 1}, "crop", "shifts the crop by a pixel to the right"),
    "other size": ({"side": 32, "short": 36}, "shape", "feeds 32x32 where the training preprocessing feeds 24x24"),
    "nearest and mirror": ({"how": FILTERS.NEAREST, "mirror": True}, "interpolation", "resizes with nearest where the training "
                           "preprocessing resizes with bilinear, and mirrors the picture left to right"),
    "nearest and BGR": ({"how": FILTERS.NEAREST, "channels": "BGR"}, "interpolation", f"resizes with nearest where the training "
                        f"preprocessing resizes with bilinear, and {BGR}"),
    "own mean and std": ({"mean": (0.3, 0.31, 0.32), "std": (0.2, 0.21, 0.22)}, "normalisation", "normalises with mean (0.3, 0.31, 0.32) "
                         "and std (0.2, 0.21, 0.22) where the training preprocessing uses ImageNet's statistics"),
    "nearest and no mean": ({"how": FILTERS.NEAREST, "mean": (0, 0, 0), "std": (1, 1, 1)}, "interpolation",
                            "resizes with nearest where the training preprocessing resizes with bilinear, and leaves out the normal"),
}  # fmt: skip


def cropped(image: Image.Image, left: int, top: int) -> Array:
    """float32[1, 3, 24, 24] from there, black where nothing of the picture is."""
    pixels = np.asarray(image.crop((left, top, left + 24, top + 24)), np.float32)
    return normalised(pixels.transpose(2, 0, 1)[None] / 255)


def cornered(image: Image.Image) -> Array:
    return cropped(image.resize([int(n * 28 / min(image.size)) for n in image.size], FILTERS.BILINEAR), 0, 0)  # type: ignore[arg-type]


def covered(image: Image.Image, how: Any = FILTERS.BILINEAR) -> Array:
    return cropped(ImageOps.fit(image, (24, 24), how), 0, 0)


def by_its_long_side(image: Image.Image, longest: int) -> Array:
    resized = image.resize([round(n * longest / max(image.size)) for n in image.size], FILTERS.BILINEAR)  # type: ignore[arg-type]
    return cropped(resized, (resized.width - 24) // 2, (resized.height - 24) // 2)


SHORT = "where the training preprocessing resizes the short side to 28"
OTHER_PARTS: dict[str, tuple[Any, str, str, str]] = {
    "corner": (cornered, "crop", "crops at the left top corner where the training preprocessing crops the centre",
               "resize the short side to 28, crop 24x24 at the left top corner (bilinear)"),
    "ImageOps.fit": (covered, "crop", f"crops to the shape of 24x24 before resizing (as ImageOps.fit does) {SHORT}",
                     "crop the centre to the shape of 24x24, resize to 24x24 (bilinear)"),
    "ImageOps.fit, bicubic": (lambda image: covered(image, FILTERS.BICUBIC), "crop",
                              f"crops to the shape of 24x24 before resizing (as ImageOps.fit does) {SHORT}, and resizes with bicubic "
                              "where the training preprocessing resizes with bilinear",
                              "crop the centre to the shape of 24x24, resize to 24x24 (bicubic)"),
    "long side": (lambda image: by_its_long_side(image, 28), "resize", f"resizes the long side to 28 {SHORT}",
                  "resize the long side to 28, crop or pad to 24x24 with 0 (bilinear)"),
    "long side, larger": (lambda image: by_its_long_side(image, 40), "resize", f"resizes the long side to 40 {SHORT}",
                          "resize the long side to 40, crop or pad to 24x24 (bilinear)"),
}  # fmt: skip


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("slip", OTHER_PARTS)
def test_another_part_of_the_picture_is_named(slip: str, *, odd: bool) -> None:
    how, name, sentence, program = OTHER_PARTS[slip]
    images = [photograph(61, 47, 3), photograph(45, 67, 4), photograph(50, 50, 5)] if odd else pair()
    one, two = (np.concatenate([make(image) for image in images]) for make in (prepared, how))
    found = explain_input(one, two, images, seconds=60)
    assert said(found) == sentence
    assert found is not None
    assert found.name == name
    assert dict(found.facts)["inference"] == f"{program}, x / 255, ImageNet's statistics"
    back = explain_input(two, one, images, seconds=60)
    assert back is not None
    assert back.name == name
    assert "the training preprocessing" in back.cause


def test_a_crop_at_the_corner_of_both_sides_is_none_of_the_cause() -> None:
    one = np.concatenate([cornered(image) for image in pair()])
    found = explain_input(one, (one[:, ::-1] * 1.0).astype(np.float32), pair())
    assert said(found) == BGR
    leaving = np.concatenate([cornered(image) for image in pair()]) * np.reshape(np.float32(STD), (3, 1, 1))
    assert said(explain_input(one, leaving, pair())) == "leaves out the division by the standard deviation"


@pytest.mark.parametrize("interpolation", ["bilinear", "area averages"])
def test_a_part_that_is_not_of_whole_pixels_is_rendered_in_parts_too(interpolation: str) -> None:
    image = photograph(61, 47)
    placement = Geometry((24, 20), fit="cover").place(image.size)
    assert placement is not None
    assert placement.cut == pytest.approx((2.3, 0, 58.7, 47))
    whole, part = render(image, placement, interpolation), render(image, placement, interpolation, (3, 5, 17, 19))
    np.testing.assert_allclose(whole[5:19, 3:17], part, atol=1e-3)
    assert render(image.convert("L"), placement, interpolation).shape == (20, 24, 1)
    tall = Geometry((20, 24), fit="cover").place((47, 61))
    assert tall is not None
    assert tall.cut == pytest.approx((0, 2.3, 47, 58.7))


SWAPPED = {(0, 2, 1): "swaps the green and the blue channel", (1, 0, 2): "swaps the red and the green channel"}


@pytest.mark.parametrize("order", SWAPPED)
def test_two_channels_that_are_swapped_are_named(order: tuple[int, ...]) -> None:
    for inference in (RIGHT[:, list(order)], normalised(RAW[:, list(order)])):
        found = explain_input(RIGHT, inference)
        assert said(found) == SWAPPED[order]
        assert found is not None
        assert found.remedy == "feed the channels in the same order in both preprocessing programs."
    assert said(explain_input(RIGHT, RAW[:, list(order)])) == f"{SWAPPED[order]} and leaves out the normalisation (mean and std)"


TOKENS = np.array([[101, 7, 2023, 9, 102, 0, 0], [101, 5, 4, 102, 0, 0, 0]])


@pytest.mark.parametrize(
    ("inference", "sentence"),
    [
        (TOKENS + 1, "shifts its integers by +1"),
        (TOKENS - 3, "shifts its integers by -3"),
        (np.where(TOKENS > 0, TOKENS + 1, 0), "shifts its integers by +1 but for zeros"),
        (np.where(TOKENS > 100, TOKENS + 1, TOKENS), ""),
        (TOKENS * 2, ""),
        (TOKENS[:, ::-1], ""),
        (TOKENS, ""),
        (np.where(TOKENS > 0, TOKENS, 1), ""),
    ],
)
def test_integers_that_are_all_shifted_are_named(inference: Array, sentence: str) -> None:
    for kind in (np.int64, np.int32):
        found = explain_input(TOKENS.astype(kind), inference.astype(kind))
        assert said(found) == sentence
        assert found is None or found.name == "integers"


@pytest.mark.parametrize("tokens", [np.array([[1, 2, 3]]), np.array([[4, 4, 4, 4, 4]]), np.array([[7, 8, 0, 0, 0, 0]])])
def test_few_integers_and_equal_ones_that_are_shifted_may_be_others(tokens: Array) -> None:
    assert explain_input(tokens, np.where(tokens > 0, tokens + 1, 0)) is None


def test_integers_near_the_end_of_their_type_are_not_wrapped() -> None:
    pixels = np.array([[250, 251, 252, 253, 254, 255]], np.uint8)
    assert explain_input(pixels, pixels + np.uint8(1)) is None


@pytest.mark.parametrize("slip", SLIPS)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_step_planted_in_a_program_is_named(slip: str, seed: int) -> None:
    how, name, sentence = SLIPS[slip]
    found = compared(pair(seed), **how)
    assert said(found).startswith(sentence)
    assert found is not None
    assert found.name == name


def test_two_steps_of_whole_programs_have_their_remedies_too() -> None:
    found = compared(pair(), how=FILTERS.NEAREST, mean=(0, 0, 0), std=(1, 1, 1))
    assert found is not None
    assert found.remedy.startswith("resize with the same interpolation")
    assert f"; {NORMALISE}" in found.remedy


@pytest.mark.parametrize("seed", range(3))
def test_equal_programs_and_other_arithmetic_of_the_same_steps_have_no_cause(seed: int) -> None:
    images = pair(seed)
    assert compared(images) is None
    one = np.concatenate([prepared(image) for image in images])
    assert explain_input(one, one + np.float32(4e-6) * RANDOM.standard_normal(one.shape).astype(np.float32), images) is None


@pytest.mark.parametrize("seed", range(3))
def test_noise_and_other_pictures_accuse_nobody(seed: int) -> None:
    images = pair(seed)
    one = np.concatenate([prepared(image) for image in images])
    noise = np.random.default_rng(seed).normal(0, 1, one.shape).astype(np.float32)
    other = np.concatenate([prepared(image) for image in pair(seed + 50)])
    for wrong in (noise, other, one + 0.3 * noise):
        assert explain_input(one, wrong, images) is None
        assert explain_input(one, wrong) is None
    second = one.copy()
    second[1] += noise[1]
    assert ("samples", "1 of 2 differ: 1") in describe_inputs(one, second, images)
    facts = dict(describe_inputs(one, noise, images))
    assert facts["training"].startswith("resize the short side to 28, crop 24x24 (bilinear), x / 255, ImageNet's statistics")
    assert facts["inference"] == "none of the programs that were tried makes this tensor of the picture"


def test_the_other_way_round_is_named_too() -> None:
    images = pair()
    training = np.concatenate([prepared(image, channels="BGR") for image in images])
    inference = np.concatenate([prepared(image, how=FILTERS.NEAREST) for image in images])
    assert said(explain_input(training, inference, images)).endswith("feeds the channels in reverse order (RGB for BGR)")


def test_three_steps_are_told_one_by_one() -> None:
    found = compared(pair(), how=FILTERS.NEAREST, mirror=True, channels="BGR")
    assert found is not None
    assert ("also", "it mirrors the picture left to right.") in found.facts
    assert ("also", f"it {BGR}.") in found.facts


def test_a_layout_beside_another_step_is_named_first() -> None:
    images = [photograph(60, 47)]
    training, inference = prepared(images[0]), prepared(images[0], how=FILTERS.NEAREST)
    assert said(explain_input(training, inference.transpose(0, 2, 3, 1), images)).startswith(f"{NHWC}, and resizes with nearest")
    assert said(explain_input(training, inference[0], images)).startswith(
        "leaves out the batch dimension, and resizes with nearest"
    )
    noise = RANDOM.random((1, 24, 24, 3), dtype=np.float32)
    assert said(explain_input(training, noise)) == NHWC


def test_an_exif_orientation_that_only_deployment_applies_is_named() -> None:
    stored = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph().save(stored, "png", exif=exif)
    image = Image.open(stored)
    found = explain_input(prepared(image, exif=False), prepared(image), [image])
    assert said(found) == "applies the EXIF orientation, which the training preprocessing ignores"


@pytest.mark.parametrize(
    ("training", "inference", "sentence"),
    [
        (Geometry((24, 24), first=30, short=28), Geometry((24, 24), first=30, short=26), "makes other sizes: crop 30x30, resize to 26x26, "
         "crop 24x24 (training: crop 30x30, resize to 28x28, crop 24x24)"),
        (Geometry((24, 24), short=28), Geometry((24, 24), short=28, shift=(1, -2)),
         "shifts the crop by 2 pixels (+1 to the right, -2 down)"),
        (Geometry((24, 24), short=28, offset="floor"), Geometry((24, 24), short=28, offset="round"), "rounds odd margins of the crop "
         "up where the training preprocessing rounds them down"),
        (Geometry((24, 24), short=28), Geometry((24, 24), first=-1, short=24), "crops before resizing (crop the centre square, resize to "
         "24x24) where the training preprocessing resizes the short side to 28"),
        (Geometry((24, 24), short=28), Geometry((24, 24)), "crops without resizing where the training preprocessing resizes the short"),
        (Geometry((24, 24), short=28), Geometry((24, 24), exact=(24, 24)),
         "resizes to a square of 24x24 whatever the picture's shape where"),
        (Geometry((24, 24), longest=36), Geometry((24, 24), longest=40),
         "makes other sizes: resize the long side to 40, crop or pad to 24x24 (training: resize the long side to 36, crop or pad"),
    ],
)  # fmt: skip
def test_each_way_to_place_the_picture_has_its_words(training: Geometry, inference: Geometry, sentence: str) -> None:
    assert inference.style in _DONE
    ((_, what),) = _geometry(training, inference, ([(60, 47)], [(60, 47)]))
    assert what.startswith(sentence)


@pytest.mark.parametrize(
    ("sizes", "said_of_the_square"),
    [
        ([(60, 60)], "a square of 24x24"),
        ([(60, 60), (60, 47)], "a square of 24x24 whatever the picture's shape"),
    ],
)
def test_only_pictures_of_other_shapes_say_that_their_shape_does_not_matter(
    sizes: list[tuple[int, int]], said_of_the_square: str
) -> None:
    square, short = Geometry((24, 24), exact=(24, 24)), Geometry((24, 24), short=28)
    ((_, forth),) = _geometry(short, square, (sizes, sizes))
    assert forth == f"resizes to {said_of_the_square} where the training preprocessing resizes the short side to 28"
    ((_, back),) = _geometry(square, short, (sizes, sizes))
    assert back == f"resizes the short side to 28 where the training preprocessing resizes to {said_of_the_square}"


def test_a_square_picture_says_nothing_of_other_shapes() -> None:
    found = compared([photograph(60, 60)], square=True, short=24)
    assert said(found) == "resizes to a square of 24x24 where the training preprocessing resizes the short side to 28"


def lines_of_text(sizes: list[tuple[int, int]], out: tuple[int, int]) -> dict[str, str]:
    """What is shown of a program that resizes these pictures to `out`, beside one that nobody knows."""
    images = [photograph(width, height, seed) for seed, (width, height) in enumerate(sizes)]
    resized = [np.asarray(image.resize(out, FILTERS.BILINEAR), np.float32).transpose(2, 0, 1) / 255 for image in images]
    tensor = np.stack(resized).astype(np.float32)
    return dict(describe_inputs(tensor, RANDOM.random(tensor.shape, dtype=np.float32), images))


@pytest.mark.parametrize(
    ("sizes", "out", "program"),
    [
        ([(119, 50)], (76, 32), "resize to 32x76, a height of 32 at this picture's aspect (bilinear)"),
        ([(119, 50)], (77, 32), "resize to 32x77, a height of 32 at this picture's aspect (bilinear)"),
        ([(119, 50)], (80, 32), "resize to 32x80 (bilinear)"),
        ([(119, 50), (90, 50)], (76, 32), "resize to 32x76 (bilinear)"),
        ([(50, 50)], (32, 32), "resize to 32x32 (bilinear)"),
    ],
)
def test_sides_that_come_of_a_pictures_aspect_are_shown_as_such(
    sizes: list[tuple[int, int]], out: tuple[int, int], program: str
) -> None:
    assert lines_of_text(sizes, out)["training"] == f"{program}, x / 255, no mean and std"


def test_a_shifted_crop_is_shown_as_such() -> None:
    assert str(Geometry((24, 24), short=28, shift=(1, -2))) == "resize the short side to 28, crop 24x24 shifted by 1, -2"


@pytest.mark.parametrize(
    ("mode", "channels", "sentences"),
    [
        ("RGB", 1, ["converts to grey", *UNUSUAL]),
        ("I;16", 3, ["takes the high byte", "cuts off at 255"]),
        ("RGB", 3, [DEFAULT, "turns it grey"]),
        ("L", 3, ["repeats the grey channel"]),
        ("LA", 3, ["drops the alpha channel", "blends the alpha channel with white", "blends the alpha channel with black"]),
        ("P", 3, [DEFAULT, "blends the alpha channel with white", "blends the alpha channel with black", "takes the indices of the palette "
                  "for colours", "turns it grey"]),
        ("CMYK", 3, [DEFAULT, "takes three of the CMYK channels for RGB", "turns it grey"]),
    ],
)  # fmt: skip
def test_what_programs_do_to_a_mode_is_known(mode: str, channels: int, sentences: list[str]) -> None:
    made = conversions(mode, channels)
    assert list(made) == sentences
    picture = (
        Image.fromarray(np.full((4, 4), 700, np.uint16)) if mode == "I;16" else Image.new(mode, (4, 4), 7 if mode == "L" else 0)
    )
    assert all(how(picture).size == (4, 4) for how in made.values())


def test_nearest_of_opencv_takes_the_pixel_before() -> None:
    row = np.tile(np.arange(0, 60, 10, dtype=np.uint8), (4, 1))
    placement = Placement(None, (4, 4), 0, 0, 4, 4)
    assert render(Image.fromarray(row), placement, "nearest with OpenCV's rounding")[0, :, 0].tolist() == [0, 10, 30, 40]


def test_both_programs_are_shown_as_they_were_found() -> None:
    found = compared(pair(), how=FILTERS.NEAREST)
    assert found is not None
    assert found.facts == (
        ("training", "resize the short side to 28, crop 24x24 (bilinear), x / 255, ImageNet's statistics"),
        ("inference", "resize the short side to 28, crop 24x24 (nearest), x / 255, ImageNet's statistics"),
    )


def test_a_program_of_one_line_that_divides_by_255_before_it_is_told_so() -> None:
    half: Any = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
    pictures = pair()
    found = explain_input(
        np.concatenate([prepared(image, **half) for image in pictures]),
        np.concatenate([prepared(image, scale=1 / 255**2, **half) for image in pictures]),
        pictures,
    )
    assert found is not None
    assert "divides by 255 once more, and makes x / 32512.5 - 1 of a pixel x where" in found.cause


def test_numbers_that_nobody_wrote_are_not_shown() -> None:
    found = compared(pair(), scale=1 / 256)
    assert found is not None
    assert "divides by 256" in found.cause
    assert [side for side, _ in found.facts] == ["training"]


PROGRAM = "resize the short side to 28, crop 24x24 (bilinear)"


@pytest.mark.parametrize(
    ("slip", "program"),
    [
        ({"std": (1.0, 1.0, 1.0)}, f"{PROGRAM}, x / 255, mean (0.485, 0.456, 0.406) and std 1"),
        ({"scale": 1.0}, f"{PROGRAM}, x, ImageNet's statistics"),
        ({"std": (1.0, 1.0, 1.0), "channels": "BGR"}, f"{PROGRAM}, BGR, x / 255, mean (0.485, 0.456, 0.406) and std 1"),
        ({"std": (1.0, 1.0, 1.0), "mirror": True}, f"{PROGRAM}, mirror, x / 255, mean (0.485, 0.456, 0.406) and std 1"),
    ],
)
def test_both_programs_are_shown_where_scale_or_normalisation_differs(slip: dict[str, Any], program: str) -> None:
    found = compared(pair(), **slip)
    assert found is not None
    assert found.facts == (("training", f"{PROGRAM}, x / 255, ImageNet's statistics"), ("inference", program))
    nhwc = explain_input(
        np.concatenate([prepared(image) for image in pair()]),
        np.concatenate([prepared(image, **slip) for image in pair()]).transpose(0, 2, 3, 1),
        pair(),
    )
    assert nhwc is not None
    assert dict(nhwc.facts)["inference"] == f"{program}, NHWC"


@pytest.mark.parametrize(("step", "slip"), [("BGR", {"channels": "BGR"}), ("mirror", {"mirror": True})])
def test_both_programs_are_shown_where_the_tensors_alone_tell_the_step(step: str, slip: dict[str, Any]) -> None:
    images = pair()
    one, two = (np.concatenate([prepared(image, mean=0.5, std=0.5, **how) for image in images]) for how in ({}, slip))
    found = explain_input(one, two, images)
    assert found is not None
    program = "x / 255, mean and std of 0.5 (x / 127.5 - 1)"
    assert found.facts == (("training", f"{PROGRAM}, {program}"), ("inference", f"{PROGRAM}, {step}, {program}"))


@pytest.mark.parametrize("own", ["ImageNet", "half"])
@pytest.mark.parametrize("afterwards", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("seen", [True, False], ids=["pictures", "tensors"])
def test_other_statistics_of_bgr_are_told_alike_whenever_the_channels_are_turned(own: str, afterwards: bool, seen: bool) -> None:
    clip: Any = {"mean": (0.48145466, 0.4578275, 0.40821073), "std": (0.26862954, 0.26130258, 0.27577711)}
    trained: Any = {} if own == "ImageNet" else {"mean": 0.5, "std": 0.5}
    images = pair()
    one = np.concatenate([prepared(image, **trained) for image in images])
    order = {} if afterwards else {"channels": "BGR"}
    two = np.concatenate([prepared(image, **clip, **order) for image in images])
    found = explain_input(one, np.ascontiguousarray(two[:, ::-1]) if afterwards else two, images if seen else ())
    used = "ImageNet's statistics" if own == "ImageNet" else "mean and std of 0.5"
    if seen:
        assert found is not None
        done = "x / 255, CLIP's statistics"
        assert dict(found.facts)["inference"] == f"{PROGRAM}, {f'{done}, BGR' if afterwards else f'BGR, {done}'}"
    assert said(found) == f"{BGR} and normalises with CLIP's statistics where the training preprocessing uses {used}"


def test_channels_turned_after_the_normalisation_are_one_step_beside_another() -> None:
    images = pair()
    one = np.concatenate([prepared(image) for image in images])
    two = np.concatenate([prepared(image, how=FILTERS.NEAREST) for image in images])[:, ::-1]
    found = explain_input(one, np.ascontiguousarray(two), images)
    assert said(found) == f"resizes with nearest where the training preprocessing resizes with bilinear, and {BGR}"
    assert found is not None
    assert [name for name, _ in found.facts] == ["training", "inference"]


def test_an_ignored_exif_orientation_is_named() -> None:
    stored = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph().save(stored, "png", exif=exif)
    found = compared([Image.open(stored)], exif=False)
    assert said(found) == "ignores the EXIF orientation"
    assert found is not None
    assert found.facts[0][1].startswith("apply the EXIF orientation, resize")


def test_alpha_that_is_blended_is_named() -> None:
    found = compared([photograph(mode="RGBA")], ground=(255, 255, 255, 255))
    assert found is not None
    assert found.name == "mode"
    assert said(found) == (
        "blends the alpha channel with white where the training preprocessing drops the alpha channel (a picture of mode RGBA)"
    )


def smooth(width: int, height: int, seed: int) -> Image.Image:
    """A picture without edges and grain, of which every filter makes nearly the same."""
    coarse = np.random.default_rng([seed, 4]).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((width, height), FILTERS.BICUBIC)


def smooth_pair() -> list[Image.Image]:
    return [smooth(251, 189, 1), smooth(167, 250, 2)]


@pytest.mark.parametrize("how", ["bicubic", "lanczos", "box", "hamming"])
@pytest.mark.parametrize("std", [STD, (1.0, 1.0, 1.0)], ids=["", "no std"])
def test_a_filter_is_named_on_pictures_of_which_every_filter_makes_nearly_the_same(how: str, std: Any) -> None:
    size = {"side": 112, "short": 128}
    one, two = (
        np.concatenate([prepared(image, **size, **slip) for image in smooth_pair()])
        for slip in ({}, {"how": FILTERS[how.upper()], "std": std})
    )
    missing = "" if std == STD else ", and leaves out the division by the standard deviation"
    assert said(explain_input(one, two, smooth_pair(), seconds=60)) == (
        f"resizes with {how} where the training preprocessing resizes with bilinear{missing}"
    )


@pytest.mark.parametrize("short", [112, 128])
@pytest.mark.parametrize("unknown", ["blurred", "sharpened", "cut off", "gamma 1.01", "gamma 1.02", "gamma 0.98"])
def test_a_program_that_is_not_known_accuses_nobody_where_all_programs_are_near(unknown: str, short: int) -> None:
    images = smooth_pair()
    one = np.concatenate([prepared(image, side=112, short=short) for image in images])
    pixels = (one.astype(np.float64) * np.reshape(STD, (3, 1, 1)) + np.reshape(MEAN, (3, 1, 1))) * 255
    for plane in pixels.reshape(-1, 112, 112):
        if unknown in ("blurred", "sharpened"):
            near = (np.roll(plane, 1, 0) + np.roll(plane, -1, 0) + np.roll(plane, 1, 1) + np.roll(plane, -1, 1)) / 4
            plane += (near - plane) * (0.1 if unknown == "blurred" else -0.1)
        elif unknown == "cut off":
            plane[:] = np.floor(plane + np.random.default_rng(0).uniform(-0.5, 0.5, plane.shape))
        else:
            plane[:] = 255 * (plane.clip(0) / 255) ** float(unknown.split()[1])
    two = normalised(np.rint(pixels) / 255)
    assert apart(two, one) > 1e-3
    assert explain_input(one, two, images) is None


def test_a_step_is_named_beside_a_program_that_is_only_near() -> None:
    """A gamma is no line: what it leaves is no other mean."""
    images = [photograph(251, 189, 1), photograph(167, 250, 10)]
    bent = [image.point([round(255 * (level / 255) ** 1.01) for level in range(256)] * 3) for image in images]
    one = np.concatenate([prepared(image, side=112, short=128) for image in images])
    two = np.concatenate([prepared(image, side=112, short=128, std=(1.0, 1.0, 1.0)) for image in bent])
    assert said(explain_input(one, two, images, seconds=60)) == "leaves out the division by the standard deviation"


def test_a_step_is_only_told_where_it_is_clearly_nearer_than_the_other_sides_program() -> None:
    images = smooth_pair()
    tensor = np.concatenate([prepared(image, side=112, short=128) for image in images])
    one = identify(tensor, images)
    assert one is not None
    other = replace(one.pipeline, interpolation="hamming")
    found = verified(other, tensor.astype(np.float64), images)
    assert found is not None
    assert not found.fit.exact
    assert nearer(one, other, tensor, images)
    assert not nearer(found, one.pipeline, tensor, images)


def test_the_other_sides_own_program_gives_way_to_what_is_exact_or_clearly_nearer() -> None:
    found = identify(prepared(photograph()), [photograph()])
    assert found is not None
    near, nearest, exact = (replace(found, fit=replace(found.fit, rms=rms)) for rms in (0.4, 0.3, 0.01))
    assert _better(near, None, sure=False)
    assert _better(exact, near, sure=False)
    assert _better(replace(near, fit=replace(near.fit, rms=0.15)), near, sure=False)
    assert not _better(nearest, near, sure=False)
    assert _better(nearest, near, sure=True)
    assert not _better(near, exact, sure=True)


def test_figures_are_as_round_as_a_fit_can_tell() -> None:
    line = Normalisation(1 / 255, MEAN, (0.9998, 0.9997, 1.0002)).line()
    assert str(recognised(*line)) == "x / 255, mean (0.485, 0.456, 0.406) and std 1"
    found = difference(
        Normalisation(1 / 255, MEAN, STD), *Normalisation(1 / 255, (0.30004, 0.2, 0.1), (0.9998, 1, 2)).line(), solve=True
    )
    assert found == ("normalisation", "normalises with mean (0.3, 0.2, 0.1) and std (1, 1, 2) where the training preprocessing uses "
                     "ImageNet's statistics")  # fmt: skip


def test_a_bilinear_resize_without_antialias_is_named() -> None:
    image = photograph(150, 120)
    training = prepared(image)
    placement = Placement(None, (35, 28), 5, 2, 24, 24)
    pixels = np.rint(render(image, placement, "bilinear without antialias"))
    inference = normalised(pixels.transpose(2, 0, 1)[None] / 255)
    assert said(explain_input(training, inference, [image])) == (
        "resizes with bilinear without antialias as OpenCV does where the training preprocessing resizes with bilinear"
    )


def test_a_slip_of_grey_pictures_is_found_in_their_one_channel() -> None:
    image = photograph().convert("L")
    one, two = (
        (np.asarray(image.resize((32, 32), how), np.float32) / 255 - mean)[None, None] / np.float32(0.32)
        for how, mean in ((FILTERS.BILINEAR, 0.31), (FILTERS.BILINEAR, 0.32))
    )
    assert said(explain_input(one, two, [image])) == "subtracts the mean 0.32 where the training preprocessing subtracts 0.31"


def test_black_pictures_tell_nothing() -> None:
    image = Image.new("RGB", (60, 47))
    assert compared([image]) is None
    assert identify(prepared(image), [image]) is None


def test_a_photo_of_twelve_megapixels_is_searched_through_a_part_of_it() -> None:
    image = photograph(400, 300).resize((4000, 3000), FILTERS.NEAREST)
    slip = {"side": 224, "short": 256}
    one, two = prepared(image, **slip), prepared(image, **slip, how=FILTERS.BICUBIC)
    assert said(explain_input(one, two, [image], seconds=60)).startswith("resizes with bicubic where")


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_part_of_a_rendering_is_the_rendering_of_the_part(interpolation: str) -> None:
    image = photograph(90, 70)
    for geometry in (Geometry((24, 20), short=28), Geometry((24, 24), first=-1, short=26), Geometry((24, 24))):
        placement = geometry.place(image.size)
        assert placement is not None
        whole, part = render(image, placement, interpolation), render(image, placement, interpolation, (3, 5, 17, 19))
        gap = np.abs(whole[5:19, 3:17].astype(np.float64) - part)
        assert gap.max() <= 1.001
        assert (gap > 0.01).mean() < 0.02


def test_a_cubic_without_antialias_has_the_weights_of_opencv() -> None:
    row = np.zeros((4, 6), np.uint8)
    row[:, 3] = 160
    placement = Placement(None, (12, 4), 0, 0, 12, 4)
    made = render(Image.fromarray(row), placement, "bicubic without antialias")
    # OpenCV's coefficient is -0.75: its kernel is 0.87890625 at a quarter of a pixel, where Pillow's (-0.5) is 0.8671875
    assert made[0, 6, 0] == 160 * 0.87890625


def test_area_averages_count_the_pixels_that_are_cut_by_their_share() -> None:
    row = np.array([[0, 100, 200]], np.uint8)
    made = render(Image.fromarray(row), Placement(None, (2, 1), 0, 0, 2, 1), "area averages")
    np.testing.assert_allclose(made[0, :, 0], [100 / 3, 500 / 3], rtol=1e-6)


def test_a_missing_division_is_named_whatever_mean_and_std_are_used() -> None:
    own = normalised(RAW, 0.45, 0.225)
    assert said(explain_input(own, normalised(RAW * 255, 0.45, 0.225))) == "leaves out the division by 255"
    assert said(explain_input(own, normalised(RAW / 255, 0.45, 0.225))) == "divides by 255 twice"


def test_a_picture_too_small_for_a_crop_has_no_place() -> None:
    assert Geometry((24, 24)).place((20, 40)) is None
    assert Geometry((24, 24), first=30, short=24).place((28, 40)) is None


@pytest.mark.parametrize("program", list(known(3)), ids=str)
def test_every_known_normalisation_is_recognised_by_its_line(program: Normalisation) -> None:
    assert str(recognised(*program.line())).split(", ")[1:] == str(program).split(", ")[1:]


def test_means_of_0_to_255_are_known_by_their_name() -> None:
    own = next(each for each in known(3) if each.statistics == "ImageNet's means of 0 to 255 without std")
    assert own.mean == pytest.approx([123.68 / 255, 116.779 / 255, 103.939 / 255])


def test_an_unknown_normalisation_is_solved() -> None:
    own = Normalisation(1 / 255, (0.31,), (0.32,))
    found = recognised(*own.line())
    assert str(found) == "x / 255, mean 0.31 and std 0.32"


def test_broken_metadata_leave_a_picture_as_it_is_stored() -> None:
    class Broken(Image.Image):
        def getexif(self) -> Any:
            raise SyntaxError("no EXIF")

    image = Broken()
    assert upright(image) is image


# -- tensors that the model cannot take --------------------------------------------------------------------------------


BROADCAST = "preprocess raised ValueError for sample a: operands could not be broadcast together with shapes {} (3,) "


@pytest.mark.parametrize(
    ("message", "mode", "name", "sentence"),
    [
        ("sample a: preprocess returned float64[3, 8, 8] for input 'x', which is float32[None, 3, 8, 8]: cast it.", "RGB", "dtype",
         "makes float64 for input 'x', where the model takes float32"),
        ("preprocess returned shape [1, 8, 8, 3] for input 'x', which is [None, 3, 8, 8]: it looks like NHWC, where", "RGB", "layout",
         f"{NHWC}: [1, 8, 8, 3] for input 'x', which is [None, 3, 8, 8]"),
        ("preprocess returned shape [8, 8, 3] for input 'x', which is [None, 3, 8, 8]: it looks like HWC, where", "RGB", "layout",
         "feeds HWC where the model takes CHW (transpose missing): [8, 8, 3] for input 'x', which is [None, 3, 8, 8]"),
        ("preprocess returned shape [3, 48, 48] for input 'x', which is [None, 3, 32, 32].", "RGB", "shape",
         "makes shape [3, 48, 48] for input 'x', where the model takes [None, 3, 32, 32]"),
        ("preprocess returned shape [4, 32, 32] for input 'x', which is [None, 3, 32, 32].", "RGBA", "mode",
         "does not convert the picture to RGB: its mode is RGBA, 4 channels for three"),
        ("preprocess returned 2 arrays; the model has 1 inputs: x.", "RGB", "shape", "returns 2 arrays where the model has 1 inputs"),
        ("preprocess returned a dict without 'y'; the model's inputs are x, y.", "RGB", "shape", "returns a dict without the input 'y'"),
        ("preprocess returned list for input 'x'; it must return a numpy array", "RGB", "dtype",
         "returns list for input 'x', where a numpy array is needed"),
        (BROADCAST.format("(32,32,4)"), "RGBA", "mode", "does not convert the picture to RGB: its mode is RGBA, 4 channels for three"),
        (BROADCAST.format("(32,32)"), "L", "mode", "does not convert the picture to RGB: its mode is L, 1 channel for three"),
        (BROADCAST.format("(32,32,5)"), "RGBA", "", ""),
        (BROADCAST.format("(32,32,4)"), "RGB", "", ""),
        ("preprocess raised FileNotFoundError for sample a: no such file", "L", "", ""),
    ],
)  # fmt: skip
def test_a_refusal_is_explained_by_its_text(message: str, mode: str, name: str, sentence: str) -> None:
    found = explain_refusal(message, Image.new(mode, (4, 4)))
    assert said(found) == sentence
    assert found is None or found.name == name
    if found is not None and ("array" in sentence or "dict" in sentence):
        assert found.remedy == RETURNED


@pytest.mark.parametrize(
    ("message", "sentence", "remedy"),
    [
        ("preprocess returned shape [3, 96, 96] for input 'x', which is [None, 3, 224, 224].",
         "the preprocessing of both engines makes shape [3, 96, 96] for input 'x', where the model takes [None, 3, 224, 224].",
         "return the shape that the model takes from preprocess, or say in input_spec which one it makes."),
        ("preprocess returned shape [8, 8, 3] for input 'x', which is [None, 3, 8, 8]: it looks like HWC",
         "the preprocessing of both engines feeds HWC where the model takes CHW (transpose missing): [8, 8, 3] for input 'x', which is "
         "[None, 3, 8, 8].",
         "bring HWC to CHW with transpose(2, 0, 1) in preprocess."),
        ("preprocess returned shape [1, 8, 8, 3] for input 'x', which is [None, 3, 8, 8]: it looks like NHWC",
         f"the preprocessing of both engines {NHWC}: [1, 8, 8, 3] for input 'x', which is [None, 3, 8, 8].",
         "bring NHWC to NCHW with transpose(0, 3, 1, 2) in preprocess."),
        ("preprocess returned float64[3, 8, 8] for input 'x', which is float32[None, 3, 8, 8]: cast it",
         "the preprocessing of both engines makes float64 for input 'x', where the model takes float32.",
         "cast the tensor to the model's dtype at the end of preprocess."),
        ("preprocess returned 2 arrays; the model has 1 inputs: x.",
         "the preprocessing of both engines returns 2 arrays where the model has 1 inputs.", RETURNED),
    ],
)  # fmt: skip
def test_a_program_of_both_engines_is_not_sent_to_another_for_an_example(message: str, sentence: str, remedy: str) -> None:
    found = explain_refusal(message)
    assert found is not None
    assert (of_both(found).cause, of_both(found).remedy) == (sentence, remedy)


@pytest.mark.parametrize(
    ("shape", "layout", "remedy"),
    [
        ("[8, 8, 3]", "HWC", "bring HWC to CHW with transpose(2, 0, 1), as the training preprocessing does."),
        ("[1, 8, 8, 3]", "NHWC", "bring NHWC to NCHW with transpose(0, 3, 1, 2), as the training preprocessing does."),
    ],
)
def test_the_transpose_to_write_is_of_the_axes_that_the_tensor_has(shape: str, layout: str, remedy: str) -> None:
    found = explain_refusal(
        f"preprocess returned shape {shape} for input 'x', which is [None, 3, 8, 8]: it looks like {layout}, where"
    )
    assert found is not None
    assert found.remedy == remedy


def test_a_program_of_the_training_side_alone_is_called_that() -> None:
    found = explain_refusal("preprocess returned shape [3, 96, 96] for input 'x', which is [None, 3, 224, 224].")
    assert found is not None
    told = of_training(found)
    assert (
        told.cause == "the training preprocessing makes shape [3, 96, 96] for input 'x', where the model takes [None, 3, 224, 224]."
    )
    assert told.remedy == "return the shape that the model takes from training_preprocess, or say in input_spec which one it makes."


@pytest.mark.parametrize(
    ("message", "made"),
    [
        ("preprocess returned shape [3, 96, 64] for input 'x', which is [None, 3, 224, 224].", ("float32", (3, 96, 64))),
        ("preprocess returned int64[12] for input 'ids', which is float32[None, 3, 224, 224].", ("int64", (12,))),
        ("preprocess returned 2 arrays", ("", ())),
    ],
)
def test_the_tensor_that_a_preprocess_returned_is_read_from_its_error(message: str, made: tuple[str, tuple[int, ...]]) -> None:
    assert made_in(message) == made
    assert said_in(f"sample a: {message}") == message
    assert said_in("postprocess raised KeyError") == ""


def test_each_refusal_that_is_known_is_one_that_the_engine_makes() -> None:
    told = inspect.getsource(processing)
    for pattern, _, _ in _REFUSALS:
        start = pattern.partition(" (?P")[0].partition(r" '")[0]
        assert start in told, start


def test_each_step_has_a_remedy() -> None:
    assert set(_REMEDIES) == set(STEPS)
    assert all(remedy.endswith(".") for remedy in _REMEDIES.values())


@pytest.mark.parametrize("number", [255, 256, 127.5])
def test_a_division_that_training_does_not_make_is_named(number: float) -> None:
    raw = Normalisation(1.0, (0.0,), (1.0,))
    found = difference(raw, np.array([1 / number]), np.array([0.0]), solve=False)
    assert found == ("scaling", f"divides by {number}, which the training preprocessing does not")


def test_a_step_that_leaves_a_part_of_the_difference_is_not_told() -> None:
    own = Normalisation(1 / 255, MEAN, STD)
    slopes, offsets = own.line()
    assert difference(own, slopes * 255 / 256, (offsets + np.divide(MEAN, STD)) * 255 / 256 - np.divide(MEAN, STD), solve=False) == (
        "scaling", "divides by 256 where the training preprocessing divides by 255"
    )  # fmt: skip
    assert difference(own, slopes * 0.9963, offsets, solve=False) is None
    assert said(explain_input(RIGHT, (RIGHT * np.float32(0.9963) + 1e-3).astype(np.float32))).startswith(
        "scales or normalises otherwise"
    )


def test_a_normalisation_that_training_does_not_make_is_named() -> None:
    found = difference(Normalisation(1 / 255, (0.0,), (1.0,)), *Normalisation(1 / 255, (0.5,), (0.5,)).line(), solve=False)
    assert found == ("normalisation", "normalises with mean and std of 0.5 where the training preprocessing does not normalise")


# -- agreement ---------------------------------------------------------------------------------------------------------


def test_close_is_relative_to_the_largest_value_and_never_true_of_nan_or_other_shapes() -> None:
    right = np.array([1000.0, 0.0], np.float32)
    assert close(right + np.float32(0.05), right)
    assert not close(right + np.float32(0.2), right)
    assert not close(np.array([np.nan, 0.0], np.float32), right)
    assert not close(right[:1], right)
    assert not close(np.zeros(0), np.zeros(0))
    assert close(np.zeros(2), np.zeros(2))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_close_is_never_true_where_either_side_has_nan_or_inf(value: float) -> None:
    assert not close(np.array([1.0]), np.array([value]))
    assert not close(np.array([value]), np.array([value]))


def test_close_takes_complex_numbers_and_the_end_of_the_range() -> None:
    number = np.array([1 + 1j], np.complex64)
    assert close(number, number)
    assert not close(number, number.conj())
    assert not close(np.array([1e308]), np.array([-1e308]))
    assert apart(np.array([1e308]), np.array([-1e308])) == np.inf


@pytest.mark.parametrize(
    ("after", "before", "explained"),
    [(0.0, 1e-5, True), (1e-6, 1.0, True), (1e-3, 1.0, False), (3e-6, 1e-5, False), (0.0, 1e-7, False), (np.inf, np.inf, False)],
)
def test_a_difference_counts_as_explained_only_where_rounding_is_all_that_is_left(
    after: float, before: float, explained: bool
) -> None:
    assert restored(after, before) is explained


# -- a picture that is reduced before it is resized --------------------------------------------------------------------


def shrunk(image: Image.Image, how: Any = FILTERS.BILINEAR, gap: float | None = None, short: int = 28) -> Array:
    """float32[1, 3, 24, 24] of a picture that is many times larger."""
    image = image.resize([int(n * short / min(image.size)) for n in image.size], how, reducing_gap=gap)  # type: ignore[arg-type]
    return cropped(image, (image.width - 24) // 2, (image.height - 24) // 2)


LARGE = [photograph(300, 235, 1), photograph(225, 330, 2)]


@pytest.mark.parametrize("how", ["bilinear", "bicubic", "lanczos", "box", "hamming"])
@pytest.mark.parametrize("gap", ["1.0", "2.0", "3.0"])
def test_a_reducing_gap_is_named_on_either_side(how: str, gap: str) -> None:
    one = np.concatenate([shrunk(image, FILTERS[how.upper()]) for image in LARGE])
    two = np.concatenate([shrunk(image, FILTERS[how.upper()], float(gap)) for image in LARGE])
    found = explain_input(one, two, LARGE, seconds=60)
    assert said(found) == f"resizes with {how} and reducing_gap={gap} where the training preprocessing resizes with {how}"
    assert found is not None
    assert found.certain
    assert f"({how} and reducing_gap={gap})" in dict(found.facts)["inference"]
    back = explain_input(two, one, LARGE, seconds=60)
    assert said(back) == f"resizes with {how} where the training preprocessing resizes with {how} and reducing_gap={gap}"


def test_a_gap_that_is_not_tried_and_one_that_reduces_nothing_are_none() -> None:
    one, two = (np.concatenate([shrunk(image, gap=gap) for image in LARGE]) for gap in (None, 1.5))
    assert "reducing_gap" not in said(explain_input(one, two, LARGE, seconds=60))
    small = pair()
    one, two = (np.concatenate([shrunk(image, how) for image in small]) for how in (FILTERS.BILINEAR, FILTERS.BICUBIC))
    assert (
        said(explain_input(one, two, small, seconds=60))
        == "resizes with bicubic where the training preprocessing resizes with bilinear"
    )


# -- what is shown of a program ----------------------------------------------------------------------------------------


def in_floats(image: Image.Image, short: int = 28, side: int = 24) -> Array:
    """The same as `prepared`, whose resize does not round the pixels."""
    size = (image.width * short // min(image.size), image.height * short // min(image.size))
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    planes = [np.asarray(plane.convert("F").resize(size, FILTERS.BILINEAR)) for plane in image.split()]
    pixels = np.stack(planes)[:, top : top + side, left : left + side]
    return normalised(pixels[None] / np.float32(255))


def test_a_resize_of_floats_is_told_by_what_it_does_not_round() -> None:
    training = np.concatenate([prepared(image) for image in pair()])
    inference = np.concatenate([in_floats(image) for image in pair()])
    found = explain_input(training, inference, pair())
    assert said(found) == "does not round the resized pixels to whole values, which the training preprocessing does"
    back = explain_input(inference, training, pair())
    assert said(back) == "rounds the resized pixels to whole values, which the training preprocessing does not"
    assert back is not None
    assert "(bilinear without rounding to whole values), x / 255, ImageNet's statistics" in dict(back.facts)["training"]


def test_a_line_that_is_fitted_to_what_is_only_near_is_not_shown_as_a_program() -> None:
    image = photograph(200, 150)
    one = prepared(image, mean=(0.4815, 0.4512, 0.4098), std=(0.2413, 0.2207, 0.2111))
    noise = np.random.default_rng(1).normal(0, 0.4 / 255 / 0.24, one.shape).astype(np.float32)
    near = identify(one * 1.07 + 0.1 + noise, [image])
    assert near is not None
    assert near.fit.near
    assert not near.fit.exact
    assert not near.reproduced
    told = dict(describe_inputs(one, one * np.float32(1.07) + np.float32(0.1) + noise, [image]))
    assert told["inference"] == "none of the programs that were tried makes this tensor of the picture"
    told = dict(describe_inputs(one, one + noise, [image]))
    assert "training" in told
    assert told["inference"] == "none of the programs that were tried makes this tensor of the picture", "one makes one tensor"


def test_float16_is_told_beside_the_known_mean_and_std() -> None:
    own = {"mean": (0.48, 0.45, 0.41), "std": (0.24, 0.22, 0.21)}
    training = np.concatenate([prepared(image, **own) for image in pair()])
    found = explain_input(training, training.astype(np.float16).astype(np.float32), pair())
    assert said(found) == "rounds its values to float16 on the way"
    assert found is not None
    facts = dict(found.facts)
    assert facts["training"].endswith("x / 255, mean (0.48, 0.45, 0.41) and std (0.24, 0.22, 0.21)")
    assert facts["inference"] == f"{facts['training']}, float16"


def test_a_grey_picture_is_told_in_the_same_words_by_pictures_as_by_tensors() -> None:
    training = prepared(photograph())
    grey = prepared(photograph().convert("L").convert("RGB"))
    alone = explain_input(training, grey)
    assert said(alone) == "turns the picture grey where the training preprocessing keeps its colours"
    one, two = (identify(tensor, [photograph()]) for tensor in (training, grey))
    assert one is not None
    assert two is not None
    assert steps_apart(one, two, [photograph()]) == [("mode", said(alone))]
    assert two.describe([photograph()]).startswith("turn it grey, resize the short side")


@pytest.mark.parametrize(("offset", "words"), [("ceil", "up"), ("round", "to the even number")])
def test_odd_margins_of_a_crop_are_told_by_how_they_are_rounded(offset: str, words: str) -> None:
    one, two = Geometry((24, 24), short=28), Geometry((24, 24), short=28, offset=offset)
    sizes = [(28, 33), (31, 28), (28, 35), (28, 30)]
    told = [("crop", f"rounds odd margins of the crop {words} where the training preprocessing rounds them down")]
    assert list(_geometry(one, two, (sizes, sizes))) == told
    ((_, what),) = _geometry(one, two, (sizes[2:3], sizes[2:3]))
    assert what.startswith("rounds odd margins of the crop up where"), "the usual of two ways that make the same of it"
