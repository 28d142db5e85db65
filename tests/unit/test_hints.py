"""diagnosis/hints.py: each planted fault is named, and nothing is named where none was planted."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_paddle_infer.diagnosis.hints import Array, close, explain_input, explain_outputs

RANDOM = np.random.default_rng(0)
MEAN, STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


def picture(height: int = 8, width: int = 8, channels: int = 3) -> Array:
    """float32[1, C, H, W] in 0..1 with nothing symmetrical in it."""
    return RANDOM.random((1, channels, height, width), dtype=np.float32)


def normalised(x: Array) -> Array:
    return ((x - MEAN[:, None, None]) / STD[:, None, None]).astype(np.float32)


RIGHT = normalised(picture())


@pytest.mark.parametrize(
    ("inference", "sentence"),
    [
        (RIGHT[:, ::-1], "feeds the channels in reverse order (BGR for RGB)"),
        (RIGHT.transpose(0, 2, 3, 1), "feeds NHWC where the model takes NCHW (transpose missing)"),
        (RIGHT[..., ::-1], "mirrors the picture left to right"),
        (RIGHT.transpose(0, 1, 3, 2), "swaps height and width (EXIF orientation or a transpose)"),
        (RIGHT.transpose(0, 2, 3, 1).reshape(RIGHT.shape), "reshapes HWC to CHW where it must transpose"),
        (RIGHT.astype(np.float64), "makes float64, the training preprocessing float32"),
        (RIGHT[..., :4], "makes shape [1, 3, 8, 4], the training preprocessing [1, 3, 8, 8]"),
        (RIGHT * 255, "leaves out the division by 255"),
        (RIGHT / 255, "divides by 255 twice"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault_of_the_inference_preprocessing_is_named(inference: Array, sentence: str) -> None:
    inference = inference if inference.dtype == np.float64 else inference.astype(np.float32)
    assert explain_input(RIGHT, inference) == f"the inference preprocessing {sentence}."


def test_swapped_sides_of_an_oblong_picture_are_named() -> None:
    oblong = normalised(picture(8, 12))
    assert "swaps height and width" in explain_input(oblong, oblong.transpose(0, 1, 3, 2))


def test_a_missing_normalisation_is_shown_as_the_line_it_draws() -> None:
    raw = picture()
    text = explain_input(normalised(raw), raw)
    assert text.startswith("the inference preprocessing scales or normalises otherwise: its input is the training input x as ")
    assert "channel 0: 0.229 * x +0.485; channel 1: 0.224 * x +0.456; channel 2: 0.225 * x +0.406." in text


def test_another_mean_is_shown_as_an_offset() -> None:
    assert "channel 0: 1 * x +0.5" in explain_input(RIGHT, RIGHT + np.float32(0.5))


@pytest.mark.parametrize(
    "inference",
    [
        RIGHT,
        RIGHT + np.float32(3e-5),
        np.where(np.arange(8) == 3, RIGHT + 1, RIGHT).astype(np.float32),
        RIGHT + RANDOM.normal(0, 0.1, RIGHT.shape).astype(np.float32),
        np.full_like(RIGHT, np.nan),
        np.zeros_like(RIGHT),
    ],
    ids=["equal", "nearly equal", "one column", "noise", "NaN", "zeros"],
)
def test_nothing_is_named_where_no_hypothesis_fits(inference: Array) -> None:
    text = explain_input(RIGHT, inference)
    assert text == "" or "0 * x" in text


def test_inputs_that_are_no_pictures_are_compared_by_shape_dtype_and_line() -> None:
    flat = RANDOM.random((2, 5), dtype=np.float32)
    assert explain_input(flat, flat[:, :4]) == "the inference preprocessing makes shape [2, 4], the training preprocessing [2, 5]."
    assert "int64" in explain_input(flat, flat.astype(np.int64))
    tokens = np.array([[1, 2, 3]])
    assert explain_input(tokens, tokens + 1) == ""
    assert explain_input(np.float32(1), np.float32(2)) == ""


# -- outputs -----------------------------------------------------------------------------------------------------------


def softmax(x: Array) -> Array:
    raised = np.exp(x.astype(np.float64) - x.max(axis=-1, keepdims=True))
    return (raised / raised.sum(axis=-1, keepdims=True)).astype(np.float32)


LOGITS = RANDOM.normal(0, 2, (4, 10)).astype(np.float32)
A, B, C = (RANDOM.random((2, 3), dtype=np.float32) for _ in range(3))


def test_swapped_outputs_are_named() -> None:
    assert explain_outputs([A, B], [B, A]) == (
        "the outputs are in another order: of the inference engine output 0 holds output 1, output 1 holds output 0."
    )
    assert explain_outputs([A, B, C], [A, C, B]) == (
        "the outputs are in another order: of the inference engine output 1 holds output 2, output 2 holds output 1."
    )


def test_a_missing_and_a_doubled_softmax_are_named() -> None:
    prob = softmax(LOGITS)
    assert explain_outputs([prob], [LOGITS]).startswith("softmax is missing from the exported model")
    assert explain_outputs([prob], [softmax(prob)]).startswith("softmax is applied once more in the exported model")


def test_one_answer_for_every_sample_is_named() -> None:
    same = np.repeat(LOGITS[:1], 4, axis=0)
    assert explain_outputs([LOGITS], [same]) == "the inference engine gives the same answer to every sample of the batch."


@pytest.mark.parametrize(
    ("training", "inference"),
    [
        ([LOGITS], [LOGITS]),
        ([LOGITS], [LOGITS + RANDOM.normal(0, 1, LOGITS.shape).astype(np.float32)]),
        ([LOGITS], [LOGITS[:2]]),
        ([LOGITS], []),
        ([A, B], [A]),
        ([], []),
        ([LOGITS], [np.full_like(LOGITS, np.nan)]),
        ([LOGITS[:1]], [LOGITS[1:2]]),
    ],
)
def test_no_cause_is_named_where_none_fits(training: list[Array], inference: list[Array]) -> None:
    assert explain_outputs(training, inference) == ""


# -- close -------------------------------------------------------------------------------------------------------------


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


EXTREMES = [np.nan, np.inf, -np.inf, 1e38, 0.0]


@pytest.mark.parametrize("one", EXTREMES)
@pytest.mark.parametrize("two", EXTREMES)
def test_extreme_values_are_no_hint_and_no_warning(one: float, two: float) -> None:
    for shape in ((2, 3), (1, 3, 4, 4)):
        training, inference = np.full(shape, one, np.float32), np.full(shape, two, np.float32)
        assert explain_input(training, inference) == ""
        assert explain_outputs([training], [inference]) == ""
        assert explain_outputs([training, training], [inference, inference]) in ("", ORDER)


ORDER = "the outputs are in another order: of the inference engine output 0 holds output 1, output 1 holds output 0."


def test_equal_symmetrical_pictures_have_no_cause() -> None:
    grey = np.full((1, 3, 4, 4), 0.5, np.float32)
    assert explain_input(grey, grey) == ""
    wide = RIGHT.astype(np.float64) * 1e200
    assert explain_input(wide, 2 * wide) == ""


def test_outputs_without_elements_have_no_cause() -> None:
    for shape in ((2, 0), (0, 3), (0, 3, 4, 4)):
        empty = np.zeros(shape, np.float32)
        assert explain_outputs([empty], [empty]) == ""
        assert explain_input(empty, empty) == ""


def test_outputs_that_are_equal_but_for_their_order_of_equal_values_are_not_called_swapped() -> None:
    assert explain_outputs([A, B], [A, B]) == ""
    assert explain_outputs([A, A], [A, A]) == ""
