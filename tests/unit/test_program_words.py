"""What a finding about preprocessing shows and advises: programs that make the tensor, steps that are done, the remedy that undoes them."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any, Callable

import numpy as np
import pytest
from PIL import Image
from test_input_hypotheses import MEAN, STD, photograph, said, tensor
from test_input_search import searched

from pytest_paddle_infer.diagnosis.finding import Array
from pytest_paddle_infer.diagnosis.geometry import Geometry
from pytest_paddle_infer.diagnosis.inputs import NO_PROGRAM, describe_inputs, explain_input
from pytest_paddle_infer.diagnosis.normalisation import Normalisation, recognised
from pytest_paddle_infer.diagnosis.programs import steps_apart
from pytest_paddle_infer.diagnosis.search import identify
from pytest_paddle_infer.diagnosis.steps import Facts

FILTERS = Image.Resampling
MNIST = "x / 255, MNIST's statistics"


def colours(pixels: Any, mean: Any = MEAN, std: Any = STD) -> Array:
    """float32[1, 3, H, W]"""
    values = (np.asarray(pixels, np.float32) / 255 - np.float32(mean)) / np.float32(std)
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


def grey(pixels: Any, scale: float = 255.0) -> Array:
    """float32[1, 1, H, W]"""
    return ((np.asarray(pixels, np.float32) / np.float32(scale) - 0.1307) / 0.3081).astype(np.float32)[None, None]


def digit(seed: int, width: int = 28, height: int = 28, mode: str = "L") -> Image.Image:
    return photograph(width, height, seed, mode)


def resized(image: Image.Image, how: Any = FILTERS.BILINEAR, scale: float = 255.0) -> list[Array]:
    return [grey(image.convert("L").resize((28, 28), how), scale)]


def lines(facts: Facts) -> tuple[str | None, str | None]:
    return dict(facts).get("training"), dict(facts).get("inference")


def test_one_program_is_not_shown_for_two_tensors() -> None:
    image = photograph()
    training, inference = colours(image), colours(np.minimum(np.asarray(image, np.int64) + 1, 255))
    program = "keep the size, x / 255, ImageNet's statistics"
    assert lines(describe_inputs(training, inference, [image])) == (program, NO_PROGRAM)
    noise = np.random.default_rng(0).normal(0, 0.004, training.shape).astype(np.float32)
    assert lines(describe_inputs(training, training + noise, [image])) == (program, NO_PROGRAM)
    assert lines(describe_inputs(training + noise, training + 2 * noise, [image]))[1] == NO_PROGRAM
    other = colours(photograph(30, 24).resize(image.size, FILTERS.BICUBIC))
    own = colours(photograph(30, 24).resize(image.size, FILTERS.BILINEAR))
    shown = lines(describe_inputs(own, other + noise, [photograph(30, 24)]))
    assert shown == ("resize to 47x60 (bilinear), x / 255, ImageNet's statistics", NO_PROGRAM), "it is near to one, and no more"


def test_who_keeps_the_size_has_no_filter_and_another_size_is_a_resize() -> None:
    image = photograph()
    found = explain_input(colours(image), colours(image.resize((47, 60), FILTERS.BICUBIC)), [image])
    assert (
        said(found)
        == "resizes to 60x47 whatever the picture's shape where the training preprocessing keeps the size of the picture"
    )
    assert found is not None
    assert found.remedy == "take the resize out of the inference preprocessing."
    assert lines(found.facts)[0] == "keep the size, x / 255, ImageNet's statistics"
    assert lines(found.facts)[1] == "resize to 60x47 (bicubic), x / 255, ImageNet's statistics"
    back = explain_input(colours(image.resize((47, 60), FILTERS.BICUBIC)), colours(image), [image])
    assert said(back).startswith("keeps the size of the picture where the training preprocessing resizes to 60x47")
    assert "resizes with" not in said(back)


@pytest.mark.parametrize(
    ("geometry", "source", "keeps", "shows_all"),
    [
        (Geometry((24, 24), exact=(24, 24)), (24, 24), True, True),
        (Geometry((24, 24), exact=(24, 24)), (30, 24), False, True),
        (Geometry((24, 24), short=24), (30, 24), False, False),
        (Geometry((24, 24), first=-1, short=24), (24, 24), True, True),
        (Geometry((24, 24), short=28), (24, 24), False, False),
        (Geometry((24, 24), fit="inside", pad="around the picture"), (12, 24), False, False),
        (Geometry((24, 24), exact=(28, 28)), (24, 24), False, False),
    ],
)
def test_a_rule_keeps_a_picture_that_it_feeds_as_it_is(geometry: Geometry, source: Any, keeps: bool, shows_all: bool) -> None:
    assert (geometry.keeps(source), geometry.shows_all(source)) == (keeps, shows_all)


def test_a_picture_that_nobody_resizes_or_crops_is_stored_and_shifted_as_it_is() -> None:
    image = photograph()
    stored = io.BytesIO()
    image.save(stored, "jpeg", quality=90)
    found = explain_input(colours(image), colours(Image.open(stored)), [image])
    assert said(found) == "stores the picture as JPEG (quality 90, 4:2:0), which the training preprocessing does not"
    found = explain_input(colours(image), np.roll(colours(image), 2, 3), [image])
    assert found is not None
    assert said(found) == "shifts the picture by 2 pixels to the left"
    assert found.remedy.startswith("shift nothing in the inference preprocessing")
    alone = explain_input(colours(image), np.roll(colours(image), 2, 3))
    assert said(alone) == "shifts the crop by 2 pixels to the left", "nobody knows whether it crops"


def test_an_inversion_is_taken_out_and_has_no_std_below_0() -> None:
    image = digit(1)
    found = explain_input(grey(image), grey(255 - np.asarray(image, np.float32)), [image])
    assert found is not None
    assert (said(found), found.remedy) == (
        "feeds the negative of the picture",
        "take the inversion out of the inference preprocessing.",
    )
    assert lines(found.facts)[1] == f"convert to grey, keep the size, 255 - x for x, {MNIST}"
    both = explain_input(
        grey(image), ((1 - np.asarray(image, np.float32) / 255 - 0.2) / 0.3081).astype(np.float32)[None, None], [image]
    )
    assert both is not None
    assert (
        said(both)
        == "feeds the negative of the picture and subtracts the mean 0.2 where the training preprocessing subtracts 0.1307"
    )
    assert both.remedy == (
        "take the inversion out of the inference preprocessing; use the same mean and std in both preprocessing programs."
    )
    signed = explain_input(grey(image), -grey(image), [image])
    assert signed is not None
    assert said(signed) == "changes the sign of all that it feeds"
    assert signed.remedy.startswith("take the inversion out")


@pytest.mark.parametrize("std", [-0.3081, -1.0])
def test_an_inverted_normalisation_is_recognised_by_the_one_that_it_inverts(std: float) -> None:
    own = recognised(*Normalisation(1 / 255, (1 - 0.1307,), (std,)).line())
    assert min(own.std) < 0
    assert str(own).startswith("255 - x for x, x / 255, ")


def test_mean_and_std_in_the_wrong_order_are_the_same_numbers() -> None:
    image = digit(1)
    turned = (np.asarray(image, np.float32) / 255 / 0.3081 - 0.1307).astype(np.float32)[None, None]
    found = explain_input(grey(image), turned, [image])
    assert found is not None
    assert said(found) == "divides by the standard deviation before it subtracts the mean"
    assert found.remedy == "subtract the mean before dividing by the standard deviation, as the training preprocessing does."
    assert lines(found.facts) == (f"convert to grey, keep the size, {MNIST}", None), "nobody wrote the mean 0.0403"


def test_a_transposed_picture_is_transposed_back() -> None:
    found = explain_input(tensor(channels=1), tensor(channels=1))
    assert found is None, "of two others nothing is known"
    right = tensor(channels=1)
    found = explain_input(right, right.transpose(0, 1, 3, 2))
    assert found is not None
    assert found.remedy.startswith("transpose height and width back in the inference preprocessing")


def bgr(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])).convert("L")


def average(image: Image.Image) -> Array:
    return np.asarray(np.asarray(image.convert("RGB"), np.float64).mean(axis=2))


GREYS: list[tuple[Callable[[Image.Image], Any], str]] = [
    (bgr, "converts to grey as if red were blue (BGR)"),
    (lambda image: average(image).round().astype(np.uint8), "takes the mean of the channels for grey"),
    (lambda image: average(image).astype(np.uint8), "takes the mean of the channels for grey, cut off to whole values"),
    (lambda image: np.asarray(image)[..., 1], "takes the green channel"),
]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize(("make", "words"), GREYS, ids=[words for _, words in GREYS])
def test_another_way_to_grey_is_named(make: Callable[[Image.Image], Any], words: str, mode: str) -> None:
    image = digit(2, mode=mode)
    found = explain_input(grey(image.convert("L")), grey(make(image)), [image])
    assert said(found) == f"{words} where the training preprocessing converts to grey (a picture of mode {mode})"
    assert found is not None
    assert found.remedy == "convert the picture to grey in the same way in both preprocessing programs."


def test_a_way_to_grey_that_is_merely_near_is_not_named() -> None:
    image = digit(2, mode="RGB")
    noise = np.random.default_rng(0).normal(0, 0.4, (28, 28))
    for make, _ in GREYS:
        assert explain_input(grey(image.convert("L")), grey(np.asarray(make(image), np.float64) + noise), [image]) is None
    plain = digit(2).convert("RGB")
    assert explain_input(grey(plain.convert("L")), grey(np.asarray(plain.convert("L"), np.float64) + noise), [plain]) is None


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ((-2, 2), "cuts off values below -2 and above 2"),
        ((-9, 1.5), "cuts off values above 1.5"),
        ((-1, 9), "cuts off values below -1"),
    ],
)
def test_values_that_are_cut_off_are_told_by_their_bounds(bounds: tuple[float, float], words: str) -> None:
    right = np.random.default_rng(0).normal(0, 1.5, (1, 3, 20, 20)).astype(np.float32)
    assert said(explain_input(right, right.clip(*bounds))) == words
    other = right.clip(*bounds)
    other[0, 0, 3, 3] = right[0, 0, 3, 3] + np.float32(0.01) if abs(right[0, 0, 3, 3]) < 1 else np.float32(0.5)
    assert "cuts off" not in said(explain_input(right, other)), "one value does not fit"
    least, most = np.sort(right.ravel())[[9, -100]]
    assert "cuts off" not in said(explain_input(right, right.clip(least, most))), "few values of one side are"
    few = float(np.sort(right.ravel())[-9])
    assert "cuts off" not in said(explain_input(right, right.clip(None, few))), "few values are others by chance"


# -- several samples ---------------------------------------------------------------------------------------------------

SCALED = "divides by 256 where the training preprocessing divides by 255"


def test_a_scale_of_most_samples_gives_way_to_what_explains_those_that_refute_it() -> None:
    samples = [*(digit(seed) for seed in range(9)), digit(9, 56, 40)]
    training, inference = [resized(each) for each in samples], [resized(each, FILTERS.NEAREST, 256) for each in samples]
    found = searched(training, inference, samples, "x")
    words = f"resizes with nearest where the training preprocessing resizes with bilinear, and {SCALED}"
    assert said(found) == words
    assert lines(found.facts) == (f"convert to grey, resize to 28x28 (bilinear), {MNIST}", None), "nobody wrote the mean 0.1312"


def test_a_sample_that_a_scale_does_not_explain_is_told_of() -> None:
    samples = [*(digit(seed) for seed in range(9)), digit(9, 56, 40)]
    training, inference = [resized(each) for each in samples], [resized(each, scale=256) for each in samples]
    assert "also" not in dict(searched(training, inference, samples, "x").facts)
    inference[9] = [np.random.default_rng(0).normal(0, 1, (1, 1, 28, 28)).astype(np.float32)]
    found = searched(training, inference, samples, "x")
    assert said(found) == SCALED
    assert dict(found.facts)["also"] == "sample 9: something else differs, too."
    assert found.remedy.endswith("compare the two preprocess programs step by step on sample 9.")


def test_another_cause_of_other_samples_is_not_told_for_that_of_the_first() -> None:
    samples = [*(digit(seed) for seed in range(5)), digit(8, 56, 40, "RGB"), digit(9, 40, 56, "RGB")]
    training, inference = [resized(each) for each in samples], [resized(each, scale=256) for each in samples[:5]]
    inference += [resized(each, FILTERS.NEAREST) for each in samples[5:]]
    found = searched(training, inference, samples, "x")
    assert (said(found), dict(found.facts)["also"]) == (SCALED, "samples 5, 6: something else differs, too.")


def test_a_sample_that_another_cause_explains_has_nothing_else_to_be_told_of() -> None:
    samples = [*(digit(seed) for seed in range(3)), digit(8, 28, 28, "RGB")]
    training = [resized(each) for each in samples]
    inference = [*(resized(each, scale=256) for each in samples[:3]), [grey(samples[3].getchannel(1))]]
    found = searched(training, inference, samples, "x")
    assert said(found) == SCALED
    assert [told for label, told in found.facts if label == "also"] == [
        "sample 3: the inference preprocessing takes the green channel where the training preprocessing converts to grey "
        "(a picture of mode RGB)."
    ]


def test_a_shift_of_a_whole_picture_is_refuted_by_samples_that_agree_and_by_none_that_are_shifted() -> None:
    samples = [photograph(40, 40, 1), photograph(40, 40, 2, "RGBA")]
    training = [[colours(each.convert("RGB"))] for each in samples]
    inference = [[np.roll(each[0], 2, 3)] for each in training]
    assert said(searched(training, inference, samples, "x")) == "shifts the picture by 2 pixels to the left"
    assert not searched(training, [inference[0], training[1]], samples, "x").certain


def test_grey_is_told_alike_of_pictures_with_alpha() -> None:
    image = photograph(mode="RGBA")
    one = identify(colours(image.convert("RGB")), [image])
    two = identify(colours(image.convert("L").convert("RGB")), [image])
    assert one is not None
    assert two is not None
    assert steps_apart(one, replace(two, pipeline=replace(two.pipeline, conversion="turns it grey")), [image]) == [
        ("mode", "turns the picture grey where the training preprocessing keeps its colours")
    ]


def test_what_is_done_to_pictures_of_any_mode_is_told_once() -> None:
    samples = [digit(1, mode="RGBA"), digit(2, 60, 60, "RGB")]
    training = [resized(each) for each in samples]
    inference = [[grey(each.getchannel(1).resize((28, 28), FILTERS.BILINEAR))] for each in samples]
    found = searched(training, inference, samples, "x")
    assert said(found).startswith("takes the green channel where")
    assert "also" not in dict(found.facts)
    coloured = [photograph(60, 47, 1, "RGBA"), photograph(60, 47, 2)]
    right = [[colours(each.convert("RGB"))] for each in coloured]
    wrong = [[colours(each.convert("L").convert("RGB"))] for each in coloured]
    found = searched(right, wrong, coloured, "x")
    assert said(found) == "turns the picture grey where the training preprocessing keeps its colours"
    assert "also" not in dict(found.facts)
