"""diagnosis/jpeg.py: a picture that one side stores as JPEG on its way, told only by the very same pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from test_input_hypotheses import BGR, photograph, prepared, said
from test_padding_hypotheses import letterboxed

from pytest_paddle_infer.diagnosis.finding import Array, Finding
from pytest_paddle_infer.diagnosis.inputs import explain_input

SIZES = [(200, 150), (130, 210)]


def through(image: Image.Image, quality: int = 75, sampling: int = 2) -> Image.Image:
    stored = io.BytesIO()
    image.save(stored, "jpeg", quality=quality, subsampling=sampling)
    return Image.open(io.BytesIO(stored.getvalue()))


def side(images: list[Image.Image], *jpeg: int, **how: object) -> Array:
    return np.concatenate([prepared(through(image, *jpeg) if jpeg else image, side=48, short=56, **how) for image in images])  # type: ignore[arg-type]


def pair() -> list[Image.Image]:
    return [photograph(*size, seed=seed) for seed, size in enumerate(SIZES)]


def explained(training: Array, inference: Array, images: list[Image.Image]) -> Finding | None:
    return explain_input(training, inference, images, seconds=60)


@pytest.mark.parametrize("quality", [75, 80, 85, 90, 95])
@pytest.mark.parametrize(("sampling", "name"), [(2, "4:2:0"), (0, "4:4:4")])
def test_a_jpeg_on_the_way_is_named_by_its_quality_on_either_side(quality: int, sampling: int, name: str) -> None:
    images = pair()
    plain, stored = side(images), side(images, quality, sampling)
    found = explained(plain, stored, images)
    assert said(found) == (
        f"stores the picture as JPEG (quality {quality}, {name}) before it resizes it, which the training preprocessing does not"
    )
    assert found is not None
    assert (found.name, found.certain) == ("jpeg", True)
    assert found.facts[1][1].startswith(f"store as JPEG (quality {quality}, {name}), resize the short side to 56, crop 48x48")
    other = explained(stored, plain, images)
    assert said(other) == (
        f"takes the picture as it is where the training preprocessing stores it as JPEG (quality {quality}, {name}) before it resizes it"
    )
    assert other is not None
    assert other.facts[0][1].startswith("store as JPEG")


@pytest.mark.parametrize("quality", [60, 77, 88, 92])
def test_a_quality_that_is_not_tried_is_not_guessed(quality: int) -> None:
    images = pair()
    plain, stored = side(images), side(images, quality, 2)
    assert explained(plain, stored, images) is None
    assert explained(stored, plain, images) is None


def test_pictures_that_are_jpegs_already_and_large_are_told_too() -> None:
    images = [through(photograph(1200, 900), 90)]
    assert said(explained(side(images), side(images, 95, 2), images)).startswith("stores the picture as JPEG (quality 95, 4:2:0)")
    assert explained(side(images), side(images), images) is None


def test_a_normalisation_beside_a_jpeg_is_told_below_it() -> None:
    images = pair()
    found = explained(side(images), side(images, 75, 2, channels="BGR", mean=(0, 0, 0), std=(1, 1, 1)), images)
    assert said(found).startswith("stores the picture as JPEG (quality 75, 4:2:0)")
    assert found is not None
    assert ("also", f"it {BGR}.") in found.facts
    assert "; convert BGR to RGB" in found.remedy


def test_a_letterboxed_and_a_grey_jpeg_are_found() -> None:
    images = pair()
    one, two = (np.concatenate([letterboxed(each) for each in seen]) for seen in (images, [through(each, 85) for each in images]))
    assert said(explained(one, two, images)).startswith("stores the picture as JPEG (quality 85, 4:2:0)")
    grey = [image.convert("L") for image in images]

    def fed(image: Image.Image) -> Array:
        return np.asarray(image.resize((48, 48), Image.Resampling.BILINEAR), np.float32)[None, None] / np.float32(255)

    one, two = (np.concatenate([fed(each) for each in seen]) for seen in (grey, [through(each, 75) for each in grey]))
    assert said(explained(one, two, grey)).startswith("stores the picture as JPEG (quality 75) before")


def test_a_jpeg_that_lets_the_colours_be_is_no_cause_of_noise() -> None:
    images = pair()
    plain = side(images)
    noise = np.random.default_rng(0).normal(0, 0.01, plain.shape).astype(np.float32)
    assert explained(plain, plain + noise, images) is None
    assert explained(plain + noise, plain, images) is None
    alpha = [photograph(*SIZES[0], mode="RGBA")]
    assert explained(side(alpha), side(alpha) + noise[:1], alpha) is None


def test_a_jpeg_of_one_channel_of_a_colour_picture_is_found() -> None:
    image = photograph(*SIZES[0])
    red = image.getchannel(0)
    one, two = (
        np.asarray(each.resize((48, 48), Image.Resampling.BILINEAR), np.float32)[None, None] / np.float32(255)
        for each in (red, through(red, 75))
    )
    assert said(explained(one, two, [image])).startswith("stores the picture as JPEG (quality 75) before")
