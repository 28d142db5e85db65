"""judge/noise.py: the floor, what a precision may add to it, and how fine a fault a comparison can see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_paddle_infer.judge.closeness import Noise, OutputJudge
from pytest_paddle_infer.judge.noise import (
    FLOOR_ULPS,
    UNIT_ROUNDOFF,
    VACUOUS,
    Array,
    Error,
    Floor,
    FloorMeter,
    K,
    Resolution,
    ResponseMeter,
    effective_count,
    error,
    rows,
)

PROPERTY = settings(max_examples=50, deadline=None, database=None)
ULP = 2.0**-23
INF = float("inf")
SCALES = st.integers(-60, 60).map(lambda exponent: 2.0**exponent)
SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed: int, *shape: int) -> Array:
    """float64 of the given shape, spread around 0 as logits are."""
    return np.random.RandomState(seed).normal(0, 1, shape)


def metered(pairs: list[tuple[Array, Array]]) -> Floor:
    meter = FloorMeter()
    for training, reference in pairs:
        meter.add(training, reference)
    return meter.floor()


def response_of(references: list[Array]) -> float:
    meter = ResponseMeter()
    for reference in references:
        meter.add(reference)
    return meter.response()


# -- the precisions ----------------------------------------------------------------------------------------------------


def test_the_limit_is_k_floors() -> None:
    assert Floor(1e-6, 3e-7).limit == Error(4 * 1e-6, 4 * 3e-7)
    assert K == 4, "the number above is written out on purpose"


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("fp32", np.float32), ("fp16", np.float16)],
)
def test_the_unit_roundoff_is_half_the_distance_from_one_to_the_next_number(precision: str, dtype: Any) -> None:
    assert UNIT_ROUNDOFF[precision] == float(np.finfo(dtype).eps) / 2


@pytest.mark.parametrize("precision", ["tf32", "fp16", "bf16"])
def test_the_least_floor_of_a_coarser_precision_is_what_rounding_the_output_costs(precision: str) -> None:
    meter = FloorMeter("x", precision=precision)
    meter.add(np.ones(4, np.float32), np.ones(4))
    assert meter.floor().maximum == UNIT_ROUNDOFF[precision]


# -- the error ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("candidate", "reference", "maximum", "rms"),
    [
        ([1.5, 2.0], [1.0, 2.0], 0.25, 0.25 / 2**0.5),
        ([1.0, -2.5], [1.0, -2.0], 0.25, 0.25 / 2**0.5),
        ([3.0, 3.0], [1.0, 1.0], 2.0, 2.0),
        ([1 + 2j], [1 + 0j], 2.0, 2.0),
        ([1 + 3j], [4j], 2**0.5 / 4, 2**0.5 / 4),
        ([0.0, 0.0], [0.0, 0.0], 0.0, 0.0),
        ([0.0, 1e-300], [0.0, 0.0], INF, INF),
        ([], [], 0.0, 0.0),
        ([1.5e-200], [1e-200], 0.5, 0.5),
        ([1.5e200], [1e200], 0.5, 0.5),
        ([1.0], [1e-200], 1e200, INF),
        ([1e200], [1e-200], INF, INF),
        ([-1e308], [1e308], INF, INF),
        ([np.inf], [1.0], INF, INF),
    ],
)
def test_the_error_is_the_distance_over_the_largest_value_of_the_reference(
    candidate: Any, reference: Any, maximum: float, rms: float
) -> None:
    found = error(np.array(candidate), np.array(reference))
    assert found.maximum == pytest.approx(maximum, rel=1e-12)
    assert found.rms == pytest.approx(rms, rel=1e-12)


@pytest.mark.parametrize(("candidate", "reference"), [(np.inf, np.inf), (np.nan, 1.0), (1.0, np.nan), (1.0, -np.inf)])
def test_an_error_that_is_not_defined_is_nan_and_no_warning(candidate: float, reference: float) -> None:
    found = error(np.array([candidate]), np.array([reference]))
    assert np.isnan(found.maximum) or reference == -np.inf
    assert not found.maximum <= 1e300 or np.isnan(found.maximum)


def test_float16_and_float32_are_widened_before_they_are_subtracted() -> None:
    for dtype in (np.float16, np.float32):
        candidate = np.array([1.0, 0.1], dtype)
        assert error(candidate, np.array([1.0, 0.1])).maximum == abs(float(candidate[1]) - 0.1) > 0


@PROPERTY
@given(SEEDS, st.integers(1, 40), SCALES)
def test_the_error_does_not_depend_on_the_unit(seed: int, elements: int, scale: float) -> None:
    reference = drawn(seed, elements)
    candidate = reference + 1e-6 * drawn(seed + 1 & 0xFFFF, elements)
    assert error(candidate * scale, reference * scale) == error(candidate, reference)


# -- the floor ---------------------------------------------------------------------------------------------------------


@PROPERTY
@given(SEEDS, st.integers(1, 300), st.integers(0, 5), st.floats(0, 3e-6), st.sampled_from([np.float32, np.float64, np.complex64]))
def test_the_floor_is_never_below_four_ulp_and_never_below_an_own_error(
    seed: int, elements: int, samples: int, noise: float, dtype: Any
) -> None:
    pairs = []
    for number in range(samples):
        reference = drawn(seed + number & 0xFFFF, elements)
        pairs.append(((reference * (1 + noise * (number % 2))).astype(dtype), reference))
    floor = metered(pairs)
    assert floor.maximum >= FLOOR_ULPS * ULP
    assert floor.rms >= ULP
    assert floor.maximum == max([FLOOR_ULPS * ULP, *(error(*pair).maximum for pair in pairs)])
    assert floor.rms == max([ULP, *(error(*pair).rms for pair in pairs)])


def test_a_floor_says_where_it_comes_from() -> None:
    assert FloorMeter().floor().source == "float64"
    assert FloorMeter("one ulp").floor().source == "one ulp"


def test_an_output_without_elements_has_the_least_floor() -> None:
    assert metered([(np.zeros(0, np.float32), np.zeros(0))]) == Floor(4 * ULP, ULP)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("where", ["training", "reference", "both"])
def test_an_error_that_is_no_number_is_no_noise(value: float, where: str) -> None:
    good, bad = np.ones(3), np.array([1.0, value, 1.0])
    training, reference = {"training": (bad, good), "reference": (good, bad), "both": (bad, bad)}[where]
    assert metered([(training, reference)]) == metered([])


@PROPERTY
@given(SEEDS, SCALES, st.permutations(range(5)))
def test_the_floor_depends_neither_on_the_order_of_samples_nor_on_the_unit(seed: int, scale: float, order: list[int]) -> None:
    references = [drawn(seed + number & 0xFFFF, 12) for number in range(5)]
    pairs = [((reference + 1e-6 * number).astype(np.float32), reference) for number, reference in enumerate(references)]
    turned = [(pairs[number][0] * np.float32(scale), pairs[number][1] * scale) for number in order]
    assert metered(turned) == metered(pairs)


# -- resolution --------------------------------------------------------------------------------------------------------


def test_fewer_than_two_samples_have_no_response() -> None:
    assert response_of([]) == 0
    assert response_of([np.ones(3)]) == 0


def test_two_samples_are_held_against_each_other_both_ways() -> None:
    assert response_of([np.array([4.0, 0.0]), np.array([4.0, 1.0])]) == 0.25
    assert response_of([np.array([4.0]), np.array([1.0])]) == 3.0, "over the smaller scale: 4 instead of 1"
    assert response_of([np.array([1.0]), np.array([4.0])]) == 3.0


def test_the_last_sample_is_held_against_the_first() -> None:
    assert response_of([np.array([8.0]), np.array([9.0]), np.array([10.0])]) == 0.25


def test_asking_twice_changes_nothing() -> None:
    meter = ResponseMeter()
    for value in (1.0, 1.5):
        meter.add(np.array([value]))
    assert meter.response() == meter.response() == 0.5


@pytest.mark.parametrize(
    "references",
    [
        [np.ones(2), np.ones(3)],
        [np.zeros((0, 4)), np.ones((1, 4))],
        [np.ones(2), np.zeros(2)],
        [np.zeros(2), np.ones(2)],
        [np.ones(2), np.ones(2), np.ones(3)],
    ],
)
def test_other_shapes_and_zeros_are_as_different_as_can_be(references: list[Array]) -> None:
    assert response_of(references) == 1.0


def test_a_nan_in_a_reference_is_no_response() -> None:
    assert response_of([np.array([1.0, np.nan]), np.array([1.0, 2.0])]) == 0.0
    assert response_of([np.array([np.inf]), np.array([np.inf])]) == 0.0


@pytest.mark.parametrize(
    ("response", "limit", "ratio", "vacuous"),
    [
        (1.0, 0.1, VACUOUS, False),
        (1.0, 0.11, 1 / 0.11, True),
        (1.0, 0.0, INF, False),
        (0.0, 0.0, 0.0, True),
        (0.0, 1e-6, 0.0, True),
        (INF, 1.0, INF, False),
    ],
)
def test_a_comparison_is_vacuous_below_ten_limits(response: float, limit: float, ratio: float, vacuous: bool) -> None:
    found = Resolution(response, limit)
    assert (found.ratio, found.vacuous) == (ratio, vacuous)


def test_a_resolution_that_is_no_number_is_vacuous() -> None:
    assert Resolution(float("nan"), 1.0).vacuous
    assert Resolution(1.0, float("nan")).vacuous


def rolled_is_rejected(references: list[Array], rule: Noise) -> tuple[bool, Resolution]:
    """Whether the references, rolled by one sample, fail when they are judged as an engine's answers; and the resolution."""
    judge = OutputJudge("output", rule, response_of(references))
    for index, reference in enumerate(references):
        judge.add(reference, references[index - 1], index, 1, reference)
    verdict = judge.verdict()
    assert verdict.resolution is not None
    return not verdict.passed, verdict.resolution


@PROPERTY
@given(
    SEEDS,
    st.integers(1, 6),
    st.one_of(st.just(0.0), st.floats(1e-8, 1.0), st.sampled_from([1e-6, 4e-6, 4.1e-6, 4e-5, 1e-4])),
)
def test_the_negative_control_rolled_references_are_rejected_exactly_where_the_response_is_above_the_limit(
    seed: int, samples: int, spread: float
) -> None:
    base = drawn(seed, 1, 20)
    references = [base + spread * drawn(seed + 1 + number & 0xFFFF, 1, 20) for number in range(samples)]
    rule = Noise(Floor(1e-6, 1e-6))  # an RMS as wide as the maximum never speaks first
    rejected, resolution = rolled_is_rejected(references, rule)
    assume(abs(resolution.ratio - 1) > 1e-9)
    assert rejected is (resolution.ratio > 1)
    assert rejected or resolution.vacuous, "a comparison that takes another sample's answer is never called one that sees"


@pytest.mark.parametrize("spread", [0.0, 1e-7])
def test_a_net_that_answers_all_samples_alike_is_vacuous(spread: float) -> None:
    references = [np.ones((1, 20)) + spread * drawn(number, 1, 20) for number in range(4)]
    rejected, resolution = rolled_is_rejected(references, Noise(metered([])))
    assert not rejected
    assert resolution.vacuous


# -- rows --------------------------------------------------------------------------------------------------------------


@PROPERTY
@given(st.integers(0, 12), st.integers(1, 6), st.integers(0, 3))
def test_rows_are_all_of_the_array_in_equal_parts_or_the_whole(length: int, size: int, columns: int) -> None:
    array = np.arange(length * columns).reshape(length, columns)
    parts = list(rows(array, size))
    assert len(parts) == (size if length and length % size == 0 else 1)
    assert len({part.shape for part in parts}) == 1
    np.testing.assert_array_equal(np.concatenate(parts), array)


def test_a_number_without_a_batch_axis_is_one_part_for_all_samples() -> None:
    assert [part.shape for part in rows(np.array(3.0), 4)] == [()]


@pytest.mark.parametrize(
    ("errors", "count"),
    [
        (np.zeros(5), 0.0),
        (np.zeros(0), 0.0),
        (np.array([np.inf, 1.0]), 0.0),
        (np.array([3e-7, 0.0, 0.0]), 1.0),
        (np.full(64, 1e-300), 64.0),
        (np.array([1.0, 1.0, 1e-9]), 2.0),
    ],
)
def test_errors_count_by_how_they_spread(errors: Array, count: float) -> None:
    assert effective_count(errors) == pytest.approx(count)
