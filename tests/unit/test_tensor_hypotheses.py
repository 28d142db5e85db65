"""Tensors of any kind: axes, logarithms, statistics of each sample, and pixels that wrap round. Named only where every value fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_input_hypotheses import photograph, said

from pytest_paddle_infer.diagnosis.axes import explain_axes
from pytest_paddle_infer.diagnosis.finding import Array
from pytest_paddle_infer.diagnosis.inputs import explain_input
from pytest_paddle_infer.diagnosis.logarithms import explain_numbers, ratio_of_logarithms
from pytest_paddle_infer.diagnosis.normalisation import Normalisation
from pytest_paddle_infer.diagnosis.own_statistics import explain_own_statistics
from pytest_paddle_infer.diagnosis.wrapping import explain_wrapping

RANDOM = np.random.default_rng(7)
SPECTRA = RANDOM.gamma(0.6, 1.5, (3, 33, 60)) * RANDOM.uniform(0.5, 2, (3, 1, 1))
"""Magnitudes, with some near 0."""


def logs(scale: float = 1.0, eps: float = 1e-3, spectra: Array = SPECTRA) -> Array:
    return np.asarray(np.log(spectra.astype(np.float32) * np.float32(scale) + np.float32(eps)), np.float32)


TRAINING = logs()

# -- axes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inference", "sentence"),
    [
        (TRAINING[:, ::-1], "reverses axis 1 (33 long)"),
        (TRAINING[..., ::-1], "reverses axis 2 (60 long)"),
        (TRAINING.transpose(0, 2, 1), "swaps axes 1 and 2 (transpose)"),
        (TRAINING.transpose(0, 2, 1).reshape(3, 33, 60), "makes [33, 60] of [60, 33] by a reshape where it must transpose"),
        (
            np.concatenate([TRAINING[..., 1:], TRAINING[..., :1] + 5], axis=2),
            "shifts its input by 1 step along axis 2 (60 long): its element j is the training input's element j + 1",
        ),
        (
            np.concatenate([np.zeros((3, 4, 60), np.float32), TRAINING[:, :-4]], axis=1),
            "shifts its input by 4 steps along axis 1 (33 long): its element j is the training input's element j - 4",
        ),
    ],
)
def test_an_order_of_values_is_named_for_any_tensor(inference: Array, sentence: str) -> None:
    found = explain_input(TRAINING, np.ascontiguousarray(inference))
    assert said(found) == sentence
    assert found is not None
    assert found.name == "axes"
    assert found.remedy == "order the axes, and cut them at the same place, alike in both preprocessing programs."


def test_three_axes_in_another_order_are_named() -> None:
    block = RANDOM.random((2, 5, 6, 7), dtype=np.float32)
    assert explain_axes(block, block.transpose(0, 3, 1, 2)) == ("axes", "puts axes [1, 2, 3] in the order [3, 1, 2] (transpose)")
    mixed = block.transpose(0, 3, 1, 2).reshape(block.shape)
    assert explain_axes(block, mixed) == ("axes", "makes [5, 6, 7] of [7, 5, 6] by a reshape where it must transpose")


def one_other(array: Array, value: float = 1e-3) -> Array:
    """With one value that does not fit."""
    changed = array.copy()
    changed.flat[array.size // 2] += value
    return changed


@pytest.mark.parametrize(
    "inference",
    [
        one_other(np.ascontiguousarray(TRAINING[:, ::-1])),
        one_other(TRAINING.transpose(0, 2, 1).reshape(3, 33, 60)),
        one_other(np.roll(TRAINING, 1, axis=2)),
        np.concatenate([TRAINING[:1, :, ::-1], TRAINING[1:]]),
        RANDOM.normal(0, 1, TRAINING.shape).astype(np.float32),
    ],
    ids=["reversed", "reshaped", "shifted", "one sample", "noise"],
)
def test_an_order_that_one_value_refutes_is_not_named(inference: Array) -> None:
    assert explain_axes(TRAINING, inference) is None


def test_few_values_and_a_slow_slope_show_no_order() -> None:
    few = np.sign(TRAINING)
    assert explain_axes(few, few[:, ::-1]) is None
    whole = (100 * TRAINING).astype(np.int64)
    assert explain_axes(whole, whole[:, ::-1]) is None, "numbers of tokens or labels"
    period = np.tile(RANDOM.normal(0, 1, (3, 33, 4)).astype(np.float32), (1, 1, 15))
    ended = np.concatenate([period[..., :-4], period[..., -4:] + 1], axis=2)
    assert explain_axes(period, ended) is None, "the end alone differs"
    slow = np.tile(np.linspace(0, 1e-3, 60, dtype=np.float32), (3, 33, 1))
    assert explain_axes(slow, slow + np.float32(2e-5)) is None, "nearly the same, shifted or not"


# -- logarithms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inference", "name", "sentence"),
    [
        (logs(32768), "logarithm", "multiplies by 32768 before it adds a constant and takes the natural logarithm"),
        (logs(eps=1e-2), "logarithm", "adds 0.009 more before it takes the natural logarithm"),
        (
            TRAINING + np.float32(np.log(32768)),
            "normalisation",
            "adds 10.4 to every value, as a factor of 32768 before the natural logarithm does",
        ),
        (TRAINING + np.float32(0.7), "normalisation", "adds 0.7 to every value"),
        (
            TRAINING * np.float32(1 / np.log(10)),
            "normalisation",
            "scales or normalises otherwise: its input is the training input x as 0.4343 * x, the factor of the logarithm to base 10 "
            "where the training preprocessing takes the natural logarithm",
        ),
        (
            TRAINING * np.float32(0.44),
            "normalisation",
            "scales or normalises otherwise: its input is the training input x as 0.44 * x",
        ),
    ],
)
def test_what_stands_before_a_logarithm_or_is_added_to_it_is_named(inference: Array, name: str, sentence: str) -> None:
    found = explain_input(TRAINING, inference)
    assert (found and found.name, said(found)) == (name, sentence)
    assert found is not None
    assert "pixels" not in found.remedy
    assert explain_numbers(TRAINING, one_other(inference)) is None


def test_decibels_are_told_by_their_unit() -> None:
    unit = np.float32(20 / np.log(10))
    told = explain_numbers(TRAINING * unit, logs(eps=1e-2) * unit)
    assert told == ("logarithm", "adds 0.009 more before it takes decibels (20 log10)")
    assert explain_numbers(TRAINING * 8, logs(eps=1e-2) * 8) is None, "of no unit"
    tens = np.float32(1 / np.log(10))
    told = explain_numbers(TRAINING * tens, logs(eps=1e-2) * tens)
    assert told == ("logarithm", "adds 0.009 more before it takes the logarithm to base 10")


@pytest.mark.parametrize(
    ("factor", "inference", "training"),
    [
        (1 / np.log(10), "the logarithm to base 10", "the natural logarithm"),
        (np.log(10), "the natural logarithm", "the logarithm to base 10"),
        (1 / np.log(2), "the logarithm to base 2", "the natural logarithm"),
        (np.log10(2), "the logarithm to base 10", "the logarithm to base 2"),
        (20 / np.log(10), "decibels (20 log10)", "the natural logarithm"),
        (np.log(10) / 10, "the natural logarithm", "decibels (10 log10)"),
        (np.log2(10) / 10, "the logarithm to base 2", "decibels (10 log10)"),
    ],
)
def test_a_factor_between_two_logarithms_is_told_as_such(factor: float, inference: str, training: str) -> None:
    assert ratio_of_logarithms(factor) == f", the factor of {inference} where the training preprocessing takes {training}"


@pytest.mark.parametrize("factor", [1.0, 2.0, 0.5, 8.69, 10.0, 20.0])
def test_other_factors_are_none_of_logarithms(factor: float) -> None:
    """10 stands between log10 and decibels, too, and between much else."""
    assert ratio_of_logarithms(factor) == ""


def test_other_curves_and_noise_are_no_logarithm() -> None:
    for inference in (TRAINING**2, np.tanh(TRAINING), TRAINING + RANDOM.normal(0, 1e-3, TRAINING.shape), np.abs(TRAINING)):
        assert explain_numbers(TRAINING, inference.astype(np.float32)) is None


# -- statistics of each sample -----------------------------------------------------------------------------------------


def standard(array: Array, axes: tuple[int, ...]) -> Array:
    return np.asarray((array - array.mean(axes, keepdims=True)) / array.std(axes, keepdims=True), np.float32)


LOW, HIGH = TRAINING.min((1, 2), keepdims=True), TRAINING.max((1, 2), keepdims=True)
OWN = [
    (standard(TRAINING, (1, 2)), "normalises each sample by its own mean and standard deviation"),
    (standard(TRAINING, (2,)), "normalises each channel of each sample (axis 1) by its own mean and standard deviation"),
    (TRAINING - TRAINING.mean((1, 2), keepdims=True), "subtracts from each sample its own mean"),
    ((TRAINING - LOW) / (HIGH - LOW), "scales each sample to 0 to 1 by its own smallest and largest value"),
    (TRAINING / np.abs(TRAINING).max((1, 2), keepdims=True), "divides each sample by its own largest value"),
]


@pytest.mark.parametrize(("inference", "sentence"), OWN)
def test_samples_that_are_normalised_by_their_own_statistics_are_told_so(inference: Array, sentence: str) -> None:
    found = explain_input(TRAINING, inference.astype(np.float32))
    assert said(found) == f"{sentence}, which the training preprocessing does not"
    assert found is not None
    assert found.remedy.startswith("normalise with the same statistics in both preprocessing programs")
    back = explain_own_statistics(inference.astype(np.float32), TRAINING)
    assert back == ("normalisation", f"does not do what the training preprocessing does: it {sentence}")


def test_a_line_for_each_sample_that_nobody_knows_is_shown() -> None:
    factors = np.float32([0.5, 0.7, 0.9]).reshape(3, 1, 1)
    assert said(explain_input(TRAINING, TRAINING * factors + 1)) == (
        "scales or normalises each sample by other numbers: it feeds the training input x as 0.5 * x +1 and 0.7 * x +1"
    )


def test_one_line_for_all_samples_is_no_statistics_of_their_own() -> None:
    assert explain_own_statistics(TRAINING, TRAINING * np.float32(0.5) + 1) is None
    assert explain_own_statistics(TRAINING, one_other(OWN[0][0])) is None
    whole = standard(TRAINING, (0, 1, 2))
    assert explain_own_statistics(TRAINING, whole) is None, "mean and std of all samples, of which each has its own share"
    single = (TRAINING[:1] - LOW[:1]) / (HIGH[:1] - LOW[:1])
    assert explain_own_statistics(TRAINING[:1], single) is None, "values from 0 to 1 are many things"
    assert explain_own_statistics(TRAINING[:1], OWN[0][0][:1]) is not None


# -- pixels that wrap round --------------------------------------------------------------------------------------------

PIXELS = np.stack([np.asarray(photograph(40, 40, seed=seed)).transpose(2, 0, 1) for seed in range(2)])
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def fed(pixels: Array, mean: Any = MEAN) -> Array:
    values = pixels.astype(np.float32) / np.float32(255) - np.reshape(np.float32(mean), (-1, 1, 1))
    return np.asarray(values / np.reshape(np.float32(STD), (-1, 1, 1)), np.float32)


def test_pixels_that_wrap_round_are_no_other_mean() -> None:
    added = PIXELS + np.uint8(100)
    count = int(np.count_nonzero(PIXELS > 155))
    assert count > 8
    found = explain_input(fed(PIXELS), fed(added))
    assert said(found) == (
        f"adds 100 to the pixels as uint8, of which {count} of the {PIXELS.size} values that were looked at wrap round from 255 to 0"
    )
    assert found is not None
    assert found.name == "overflow"
    taken = PIXELS - np.uint8(100)
    assert said(explain_input(fed(PIXELS), fed(taken))).startswith("subtracts 100 from the pixels as uint8")
    means = (np.float32(MEAN) * 255).astype(np.uint8).reshape(-1, 1, 1)
    told = said(explain_input(fed(PIXELS), fed(PIXELS - means, (0, 0, 0))))
    assert told.startswith("subtracts (123, 116, 103) from the pixels as uint8")
    assert told.endswith("where the training preprocessing subtracts the mean (0.485, 0.456, 0.406) of floats")


def test_what_does_not_wrap_round_or_is_cut_off_is_no_overflow() -> None:
    own = [Normalisation(1 / 255, MEAN, STD)]
    dark = PIXELS // 2
    assert explain_wrapping(fed(dark), fed(dark + np.uint8(20)), own) is None
    cut = np.minimum(PIXELS.astype(np.int64) + 100, 255)
    assert explain_wrapping(fed(PIXELS), fed(cut), own) is None
    assert explain_wrapping(fed(PIXELS), one_other(fed(PIXELS + np.uint8(100)), 0.1), own) is None
    assert explain_wrapping(fed(PIXELS), one_other(fed(PIXELS + np.uint8(100)), 0.005), own) is None, "a third of a level"
    assert explain_wrapping(fed(PIXELS), fed(PIXELS), own) is None
