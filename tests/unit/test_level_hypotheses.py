"""diagnosis/layouts.py: values that were stored as integers on the way; and what is said of a program that fits nearly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_input_hypotheses import photograph, said
from test_padding_hypotheses import letterboxed

from pytest_paddle_infer.diagnosis.finding import Array
from pytest_paddle_infer.diagnosis.inputs import describe_inputs, explain_input
from pytest_paddle_infer.diagnosis.layouts import explain_levels


def floats(seed: int = 0) -> Array:
    return np.random.RandomState(seed).normal(0, 1, (2, 3, 48, 48)).astype(np.float32)


@pytest.mark.parametrize("rounding", [np.floor, np.ceil, np.rint, np.trunc])
@pytest.mark.parametrize(("steps", "shown"), [(32, "1/32"), (255, "1/255"), (12.3, "0.0813")])
def test_values_that_were_integers_on_the_way_are_named(rounding: Any, steps: float, shown: str) -> None:
    stored = (rounding(floats() * np.float32(steps)) / np.float32(steps)).astype(np.float32)
    found = explain_input(floats(), stored)
    assert said(found) == f"puts its values on steps of {shown}, as integers do that store them on the way"
    assert found is not None
    assert found.name == "precision"


@pytest.mark.parametrize(("digits", "words"), [(1, "1 digit"), (2, "2 digits"), (3, "3 digits")])
def test_values_rounded_to_digits_are_not_said_to_have_been_integers(digits: int, words: str) -> None:
    assert explain_levels(floats(), np.round(floats(), digits)) == ("precision", f"rounds its values to {words}")


def test_steps_of_digits_that_no_round_makes_are_told_alone() -> None:
    told = ("precision", "puts its values on steps of 1/100")
    assert explain_levels(floats(), np.floor(floats() * 100) / 100) == told
    assert explain_levels(floats() + np.float32(0.004), np.round(floats(), 2) + np.float32(0.004)) == told


def test_what_lies_beyond_the_range_of_the_integers_is_cut_off() -> None:
    stored = (np.clip(floats() * 50 + 128, 0, 255).astype(np.uint8).astype(np.float32) - 128) / 50
    assert (np.abs(floats()) > 2.56).any()
    assert said(explain_input(floats(), stored)).startswith("puts its values on steps of 1/50")


def half_a_step_more(x: Array) -> Array:
    return (np.floor(x * 32) + 1).astype(np.float32) / 32 + np.where(x > 0, np.float32(1 / 32), 0)


@pytest.mark.parametrize(
    ("training", "inference"),
    [
        (floats(), half_a_step_more(floats())),
        (floats(), np.floor(floats(1) * 32) / 32),
        (floats(), np.floor((floats() + np.random.RandomState(2).normal(0, 0.02, floats().shape)) * 32) / 32),
        (np.rint(floats() * 32) / 32, np.rint(floats() * 32) / 32 + (floats() > 0.5) / 32),
        (floats(), np.rint(floats())),
        (floats()[..., :4, :4][:1], np.rint(floats()[..., :4, :4][:1] * 32) / 32),
        (floats(), np.rint(floats() * 32)[..., :-1] / 32),
    ],
    ids=["a step too far", "other values", "noise before", "steps before", "nine levels", "few values", "other shape"],
)
def test_steps_that_are_not_those_of_the_training_tensor_accuse_nobody(training: Array, inference: Array) -> None:
    assert explain_levels(training.astype(np.float32), inference.astype(np.float32)) is None


def test_steps_of_the_pixels_themselves_are_a_matter_of_scale() -> None:
    pixels = np.asarray(photograph(90, 60)).transpose(2, 0, 1)[None].astype(np.float32)
    one, two = pixels / np.float32(127.5) - 1, pixels / np.float32(127.6) - 1
    assert explain_levels(one, two) is None
    found = explain_input(one, two)
    assert found is not None
    assert found.name == "normalisation"
    near = pixels + np.float32([0.1, 0.2, 0.3]).reshape(3, 1, 1)  # three times as many values, each within a step
    assert explain_levels(near, pixels) is not None
    found = explain_input(near, pixels)
    assert found is not None
    assert found.name == "normalisation"


def test_a_padding_of_no_whole_colour_is_nearly_so_where_the_program_fits_nearly() -> None:
    image = photograph(90, 60)
    mean, std = (0.5, 0.45, 0.4), (0.25, 0.22, 0.21)
    one = letterboxed(image, mean=mean, std=std)
    two = np.clip(one * 32 + 128, 0, 255).astype(np.uint8).astype(np.float32) / 32 - 4
    found = explain_input(one, two, [image], seconds=60)
    assert said(found).startswith("puts its values on steps of 1/32")
    assert found is not None
    facts = dict(found.facts)
    assert "around the picture with 114 (" in facts["training"]
    assert "around the picture with nearly (114." in facts["inference"]
    assert dict(describe_inputs(one, two, [image]))["inference"].startswith("none of the programs"), "it only fits nearly"


def test_a_picture_that_is_made_smaller_before_the_padding_is_told_by_its_long_side() -> None:
    image = photograph(90, 60)
    smaller = letterboxed(image, size=(44, 44))[..., 7:-7, :]
    two = np.full((1, 3, 48, 48), 0, np.float32)
    two[:] = letterboxed(photograph(48, 48), value=114)[:, :, :1, :1] * 0 + letterboxed(image)[:, :, :1, :1]
    height, width = smaller.shape[2:]
    two[:, :, (48 - height) // 2 : (48 - height) // 2 + height, (48 - width) // 2 : (48 - width) // 2 + width] = smaller
    found = explain_input(letterboxed(image), two, [image], seconds=60)
    assert said(found) == (
        "resizes the long side to 44 and pads to 48x48 where the training preprocessing keeps the aspect and pads to 48x48 (letterbox)"
    )
    assert found is not None
    assert dict(found.facts)["inference"].startswith("resize the long side to 44, pad to 48x48 around the picture with 114")
