"""diagnosis/gamma.py and on_the_way.py: a gamma is named with its number on either side, before or after the resize; no other curve is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from pytest_paddle_infer.diagnosis.finding import Array, Finding
from pytest_paddle_infer.diagnosis.gamma import nearest
from pytest_paddle_infer.diagnosis.inputs import explain_input

MEAN, STD = np.reshape(np.float32((0.485, 0.456, 0.406)), (3, 1, 1)), np.reshape(np.float32((0.229, 0.224, 0.225)), (3, 1, 1))
SIDE = 56
EACH = 2.2, 1.8, 1.25, 0.8, 0.5, 0.4


def said(found: Finding | None) -> str:
    assert found is None or (found.stage, found.kind) == ("preprocess", "step")
    return "" if found is None else found.cause[len("the inference preprocessing ") : -1]


def photograph(seed: int = 0, width: int = 96, height: int = 80) -> Image.Image:
    random = np.random.default_rng([seed, 8])
    coarse = Image.fromarray(random.integers(0, 256, (5, 6, 3)).astype(np.uint8))
    pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float64)
    return Image.fromarray((pixels + random.normal(0, 14, pixels.shape)).clip(0, 255).astype(np.uint8))


PHOTOGRAPHS = [photograph(1), photograph(2, 70, 90)]


def resized(image: Image.Image) -> Array:
    """uint8[H, W, 3]"""
    image = image.resize([n * 64 // min(image.size) for n in image.size], Image.Resampling.BILINEAR)  # type: ignore[arg-type]
    left, top = (image.width - SIDE) // 2, (image.height - SIDE) // 2
    return np.asarray(image.crop((left, top, left + SIDE, top + SIDE)))


def fed(pixels: Any, std: Any = STD) -> Array:
    """float32[1, 3, H, W] of pixels of 0 to 255."""
    values = np.asarray(pixels, np.float64).transpose(2, 0, 1)[np.newaxis] / 255
    return np.asarray((values - MEAN) / std, np.float32)


def bent(pixels: Array, gamma: float, kept: Any = None) -> Array:
    """kept: how the result is stored in 8 bits; None where it is not."""
    found = 255 * (pixels / 255.0) ** gamma
    return np.asarray(found if kept is None else kept(found))


def both(make: Any) -> tuple[Array, Array]:
    """What a program without and one with `make` feed of the photographs."""
    plain = [resized(image) for image in PHOTOGRAPHS]
    return tuple(np.concatenate([fed(pixels) for pixels in each]) for each in (plain, map(make, plain)))  # type: ignore[return-value]


@pytest.mark.parametrize("gamma", EACH)
@pytest.mark.parametrize("kept", [None, np.rint, np.trunc], ids=["floats", "rounded", "cut off"])
def test_a_gamma_is_named_with_its_number_on_either_side(gamma: float, kept: Any) -> None:
    plain, other = both(lambda pixels: bent(pixels, gamma, kept))
    found = explain_input(plain, other, PHOTOGRAPHS, seconds=60)
    assert said(found) == f"applies a gamma of {gamma:g}, which the training preprocessing does not"
    assert found is not None
    assert found.name == "gamma"
    assert found.remedy.startswith("apply the same gamma")
    assert dict(found.facts)["training"].startswith("resize the short side to 64, crop 56x56 (bilinear)")
    back = explain_input(other, plain, PHOTOGRAPHS, seconds=60)
    assert said(back) == f"leaves out the gamma of {gamma:g} that the training preprocessing applies"
    assert back is not None
    assert dict(back.facts)["inference"].startswith("resize the short side to 64, crop 56x56 (bilinear)")


def test_without_pictures_nobody_knows_which_side_applies_it() -> None:
    plain, other = both(lambda pixels: bent(pixels, 2.2))
    words = "applies a gamma {} times the training preprocessing's: {} for none, or none for {}"
    assert said(explain_input(plain, other)) == words.format("2.2", "2.2", "0.4545")
    assert said(explain_input(other, plain)) == words.format("0.4545", "0.4545", "2.2")


def test_two_gammas_are_told_by_how_they_differ() -> None:
    _, one = both(lambda pixels: bent(pixels, 1.6))
    _, two = both(lambda pixels: bent(pixels, 2.4))
    assert said(explain_input(one, two, PHOTOGRAPHS, seconds=60)).startswith(
        "applies a gamma 1.5 times the training preprocessing's"
    )


def test_a_step_beside_a_gamma_is_told_too() -> None:
    pixels = [resized(image) for image in PHOTOGRAPHS]
    plain = np.concatenate([fed(each) for each in pixels])
    other = np.concatenate([fed(bent(each, 2.2), 1.0) for each in pixels])
    missing = "leaves out the division by the standard deviation"
    found = explain_input(plain, other, PHOTOGRAPHS, seconds=60)
    assert said(found) == f"applies a gamma of 2.2, which the training preprocessing does not, and {missing}"
    assert found is not None
    assert "use the same mean and std" in found.remedy
    back = explain_input(other, plain, PHOTOGRAPHS, seconds=60)
    assert said(back).startswith("leaves out the gamma of 2.2 that the training preprocessing applies, and ")
    stretched = np.concatenate([fed(bent(each, 2.2)) * np.float32(1.37) for each in pixels])
    assert explain_input(plain, stretched) is None, "a step that has no name is beside it"


@pytest.mark.parametrize("gamma", [2.2, 1 / 2.2, 0.7])
@pytest.mark.parametrize(
    "stored", [lambda x: 255 * x + 0.5, lambda x: 255 * x, lambda x: 255.999 * x], ids=["rint", "cut", "torch"]
)
def test_a_gamma_before_the_resize_is_named_on_either_side(gamma: float, stored: Any) -> None:
    table = [int(stored((level / 255) ** gamma)) for level in range(256)] * 3
    plain, other = (
        np.concatenate([fed(resized(image)) for image in images])
        for images in (PHOTOGRAPHS, [image.point(table) for image in PHOTOGRAPHS])
    )
    found = explain_input(plain, other, PHOTOGRAPHS, seconds=60)
    assert said(found) == (
        f"applies a gamma of {gamma:.4g} to the picture before it resizes it, which the training preprocessing does not"
    )
    assert found is not None
    assert found.name == "gamma"
    assert dict(found.facts)["inference"].startswith(f"apply a gamma of {gamma:.4g}, resize the short side to 64")
    back = explain_input(other, plain, PHOTOGRAPHS, seconds=60)
    assert said(back) == (
        f"takes the picture as it is where the training preprocessing applies a gamma of {gamma:.4g} to it before it resizes it"
    )


@pytest.mark.parametrize(
    "curve",
    [
        lambda x: np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4),
        lambda x: 0.5 - 0.5 * np.cos(np.pi * x),
        lambda x: np.clip(1.4 * x - 0.2, 0, 1),
        lambda x: np.log1p(9 * x) / np.log(10),
        lambda x: np.rint(255 * x**1.02) / 255,
    ],
    ids=["sRGB", "contrast", "cut off", "logarithm", "less than rounding"],
)
def test_another_curve_is_no_gamma(curve: Any) -> None:
    plain, other = both(lambda pixels: 255 * curve(pixels / 255.0))
    for pictures in ((), PHOTOGRAPHS):
        assert "gamma" not in said(explain_input(plain, other, pictures, seconds=60))
        assert "gamma" not in said(explain_input(other, plain, pictures, seconds=60))


def flat(contrast: float) -> Image.Image:
    """A picture of which a line explains nearly all that a gamma does."""
    pixels = np.asarray(photograph(3), np.float64)
    middle = pixels.mean(axis=(0, 1))
    return Image.fromarray((middle + contrast * (pixels - middle)).round().astype(np.uint8))


@pytest.mark.parametrize(
    ("contrast", "told"), [(0.12, ""), (0.6, "leaves out the gamma of 0.8 that the training preprocessing applies")]
)
def test_a_gamma_that_is_near_to_a_line_is_no_normalisation_that_nobody_wrote(contrast: float, told: str) -> None:
    picture = flat(contrast)
    plain, other = fed(resized(picture)), fed(bent(resized(picture), 0.8, np.rint))
    found = explain_input(other, plain, [picture], seconds=60)
    assert said(found) == told
    assert "mean" not in said(explain_input(plain, other, [picture], seconds=60))


def test_a_line_and_other_pictures_are_no_gamma() -> None:
    plain, brighter = both(lambda pixels: pixels * 0.5 + 20.0)
    assert "gamma" not in said(explain_input(plain, brighter, PHOTOGRAPHS))
    others = np.concatenate([fed(resized(photograph(seed))) for seed in (5, 6)])
    assert explain_input(plain, others, PHOTOGRAPHS, seconds=60) is None


def test_a_power_is_only_near_where_it_explains_the_contrast() -> None:
    pixels = np.linspace(0, 1, 200)[np.newaxis]
    number, left = nearest(pixels, 3 * pixels**1.7 - 1)
    assert number == pytest.approx(1.7, abs=1e-4)
    assert left < 1e-4
    assert nearest(pixels, np.random.default_rng(0).random((1, 200)))[1] > 0.9
    assert nearest(pixels, np.ones((1, 200)))[1] == 1
