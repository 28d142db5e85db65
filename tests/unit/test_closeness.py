"""judge/closeness.py: what passes, what fails, and what the verdict says of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_paddle_infer.judge.closeness import Noise, OutputJudge, OutputVerdict, Rule, Tolerance
from pytest_paddle_infer.judge.noise import Array, Floor, FloorMeter, K, rows

PROPERTY = settings(max_examples=60, deadline=None, database=None)
SEEDS = st.integers(0, 2**16)
RANDOM = np.random.default_rng(0)
ULP = 2.0**-23
FLOOR = Floor(1e-6, 4e-7)
NOISE = Noise(FLOOR)


def judge(
    training: Array,
    inference: Array,
    rule: Rule = NOISE,
    size: int | None = None,
    reference: Array | None = None,
    first: int = 0,
    response: float | None = None,
) -> OutputVerdict:
    made = OutputJudge("output", rule, response)
    made.add(training, inference, first, len(training) if size is None else size, reference)
    return made.verdict()


def normal(seed: int, *shape: int) -> Array:
    """float64 around 0, without an exact 0."""
    return np.asarray(np.random.RandomState(seed).normal(0, 1, shape))


def logits(samples: int = 1, scale: float = 1.0) -> Array:
    return (RANDOM.normal(0, scale, (samples, 100))).astype(np.float32)


# -- before closeness --------------------------------------------------------------------------------------------------


def test_another_shape_or_dtype_fails_before_any_value_is_compared() -> None:
    one = logits()
    assert judge(one, one[:, :99]).problem == "the shape is [1, 99] from the inference engine, [1, 100] from the training engine"
    assert (
        judge(one, one.astype(np.float64)).problem
        == "the dtype is float64 from the inference engine, float32 from the training engine"
    )


def test_nothing_compared_is_a_problem_and_not_a_pass() -> None:
    verdict = OutputJudge("output", NOISE).verdict()
    assert not verdict.passed
    assert verdict.problem == "nothing was compared"


def test_an_empty_output_passes_when_both_are_empty() -> None:
    assert judge(np.zeros((1, 0, 4), np.float32), np.zeros((1, 0, 4), np.float32)).passed


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("engine", ["training", "inference", "both"])
@pytest.mark.parametrize("rule", [NOISE, Tolerance(rtol=float("inf"), atol=float("inf"))])
def test_a_nan_or_inf_in_either_engine_fails_and_names_the_first_index(value: float, engine: str, rule: Rule) -> None:
    broken = logits(2)
    broken[1, 40:43] = value
    training, inference = {"training": (broken, logits(2)), "inference": (logits(2), broken), "both": (broken, broken)}[engine]
    verdict = judge(training, inference, rule)
    who = "inference" if engine == "inference" else "training"
    if engine == "training" or engine == "both" or np.isfinite(training).all():
        assert f"the {who} engine answers {value} at sample 1, element [0, 40] (3 of 100 elements" in verdict.problem


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("engine", ["training", "inference"])
@pytest.mark.parametrize("samples", [1, 2])
def test_what_is_no_number_is_infinitely_far_off_and_the_limit_stays(value: float, engine: str, samples: int) -> None:
    good = logits(2)
    broken = good.copy()
    broken[:samples] = value
    sides = (broken, good) if engine == "training" else (good, broken)
    verdict = judge(*sides, reference=good.astype(np.float64))
    assert (verdict.error, verdict.excess, verdict.limit) == (float("inf"), float("inf"), pytest.approx(NOISE.limit))


def test_the_limit_of_an_output_without_a_number_is_that_of_the_other_engines() -> None:
    good = np.array([[2.0, 1.0]], np.float32)
    rule = Tolerance(rtol=0.0, atol=1e-3)
    assert judge(good, good * np.nan, rule).limit == pytest.approx(0.5e-3)
    assert judge(good * np.array([1, np.nan], np.float32), good, rule).limit == pytest.approx(0.5e-3), (
        "of the numbers that are there"
    )
    assert judge(good * np.nan, good, rule).limit == 0.0, "a tolerance says nothing without a value"
    assert judge(good * np.nan, good).limit == pytest.approx(5 * FLOOR.maximum), "the noise rule does"


def test_what_cannot_be_compared_has_no_error_and_not_one_of_zero() -> None:
    one = logits()
    assert np.isnan(judge(one, one[:, :99]).error)
    assert np.isnan(OutputJudge("output", NOISE).verdict().error)
    made = OutputJudge("output", NOISE)
    made.add(one, one, 0, 1)
    made.add(one, one[:, :99], 1, 1)
    assert np.isnan(made.verdict().error), "of a part nothing is known"
    made.add(one, one * np.nan, 2, 1)
    assert made.verdict().error == float("inf")


# -- exact kinds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8", "bool"])
def test_integers_and_bools_are_compared_exactly_under_any_rule(dtype: str) -> None:
    training = np.array([[1, 0, 1], [0, 1, 1]]).astype(dtype)
    assert judge(training, training.copy(), Tolerance()).passed
    inference = training.copy()
    inference[1, 2] = 0
    verdict = judge(training, inference, Tolerance(rtol=10, atol=10))
    assert not verdict.passed
    assert verdict.index == (1, 0, 2)
    assert (verdict.differing, verdict.elements, verdict.error) == (1, 6, float("inf"))
    assert verdict.integers
    assert verdict.problem == "1 of 6 integers differ, by at most 1; the first at sample 1, element [0, 2]: inference 0, training 1"
    assert not judge(training.astype(np.float32), training.astype(np.float32), Tolerance()).integers


# -- the noise rule ----------------------------------------------------------------------------------------------------


def off(training: Array, by: float, at: tuple[int, ...] = (0, 7)) -> Array:
    """The same with one element moved by `by` times the sample's largest value."""
    moved = training.astype(np.float64)
    moved[at] += by * np.abs(training[at[0]]).max()
    return moved.astype(np.float32)


@pytest.mark.parametrize("scale", [1e-16, 1.0, 6e3, 1e9])
def test_the_limit_scales_with_the_output(scale: float) -> None:
    exact = RANDOM.normal(0, scale, (1, 100))
    training = exact.astype(np.float32)
    limit = NOISE.limit
    assert judge(training, off(training, 0.5 * limit), reference=exact).passed
    verdict = judge(training, off(training, 3 * limit), reference=exact)
    assert not verdict.passed
    assert verdict.excess == pytest.approx(3, rel=0.1)


def test_the_limit_is_k_floors() -> None:
    assert NOISE.limit == K * FLOOR.maximum


def test_without_a_reference_the_limit_has_one_floor_more() -> None:
    training = logits()
    between = off(training, (K + 0.5) * FLOOR.maximum)
    assert judge(training, between).passed
    assert not judge(training, between, reference=training.astype(np.float64)).passed
    assert not judge(training, off(training, (K + 2) * FLOOR.maximum)).passed


def test_one_element_in_a_million_that_is_off_by_a_half_fails() -> None:
    training = RANDOM.normal(0, 1, (1, 1000, 1000)).astype(np.float32)
    inference = training.copy()
    inference[0, 123, 456] += 0.5
    verdict = judge(training, inference)
    assert verdict.index == (0, 0, 123, 456)
    assert verdict.problem.startswith("1 of 1000000 elements differ by more than ")
    assert "worst at sample 0, element [0, 123, 456]" in verdict.problem


def test_many_small_differences_fail_by_their_rms() -> None:
    exact = RANDOM.normal(0, 1, (1, 100))
    scale = np.abs(exact).max()
    verdict = judge(exact, exact + 3 * FLOOR.maximum * scale, reference=exact)
    assert verdict.differing == 0
    assert verdict.problem.startswith("no element differs much, but all together do: RMS 3e-06 of the largest value")


def test_every_sample_is_held_against_its_own_scale() -> None:
    training = np.stack([logits()[0] * 1e6, logits()[0]])
    inference = training.copy()
    inference[1, 3] += 0.01
    verdict = judge(training, inference)
    assert not verdict.passed
    assert verdict.index == (1, 0, 3)


def test_equal_zeros_pass_and_anything_beside_zeros_fails() -> None:
    zeros = np.zeros((1, 4), np.float32)
    assert judge(zeros, zeros).passed
    assert judge(zeros, zeros).error == 0
    verdict = judge(zeros, np.full((1, 4), 1e-30, np.float32))
    assert not verdict.passed
    assert verdict.error == float("inf")


def test_all_samples_of_all_batches_count_and_the_worst_is_kept() -> None:
    made = OutputJudge("output", NOISE)
    for first, by in ((0, 0.5), (2, 40.0), (4, 8.0)):
        training = logits(2)
        made.add(training, off(training, by * NOISE.limit, (1, 9)), first, 2)
    verdict = made.verdict()
    assert (verdict.samples, verdict.elements) == (6, 600)
    assert verdict.index == (3, 0, 9)
    assert verdict.differing == 2


def test_an_output_with_several_rows_a_sample_is_cut_into_equal_parts() -> None:
    training = RANDOM.normal(0, 1, (6, 5)).astype(np.float32)
    inference = training.copy()
    inference[4, 2] += 1
    assert judge(training, inference, size=3).index == (2, 0, 2)
    assert judge(training, inference, size=4).index == (0, 4, 2), "an output without a batch axis is one part"
    assert [len(part) for part in rows(training, 3)] == [2, 2, 2]
    assert len(list(rows(np.float32(1), 3))) == 1


def test_scalars_and_complex_numbers_are_compared_too() -> None:
    assert judge(np.array(1.0, np.float32), np.array(1.0, np.float32), size=1).passed
    assert not judge(np.array(1.0, np.float32), np.array(1.1, np.float32), size=1).passed
    numbers = np.array([[1 + 1j, 2 - 1j]], np.complex64)
    assert judge(numbers, numbers).passed
    assert not judge(numbers, numbers.conj()).passed


def test_a_verdict_says_how_far_within_the_limit_it_is() -> None:
    training = logits()
    verdict = judge(training, off(training, 0.25 * NOISE.limit), reference=training.astype(np.float64))
    assert verdict.passed
    assert verdict.margin == pytest.approx(4, rel=0.1)
    assert verdict.error == pytest.approx(0.25 * NOISE.limit, rel=0.1)
    assert verdict.floor == FLOOR
    assert judge(training, training).margin == float("inf")


# -- the user's tolerance ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rtol", "atol", "passes"),
    [(0.0, 0.0, False), (0.2, 0.0, False), (0.0, 0.2, True), (0.3, 0.0, False), (1.0, 0.0, False), (0.125, 0.125, True)],
)
def test_a_tolerance_is_elementwise_and_of_the_training_value(rtol: float, atol: float, passes: bool) -> None:
    training, inference = np.array([[1.0, 0.0]], np.float32), np.array([[1.1, 0.1]], np.float32)
    assert judge(training, inference, Tolerance(rtol, atol)).passed is passes


def test_a_tolerance_ignores_the_float64_reference() -> None:
    training = logits()
    assert judge(training, training, Tolerance(), reference=training.astype(np.float64) + 1).passed


def test_rules_print_themselves() -> None:
    assert str(NOISE) == "4e-06 of the largest value"
    assert str(Tolerance(1e-3, 1e-5)) == "1e-05 + 0.001 * |training|"


def test_a_verdict_carries_its_resolution() -> None:
    made = OutputJudge("output", NOISE, response=0.5)
    training = logits()
    made.add(training, training, 0, 1, training.astype(np.float64))
    resolution = made.verdict().resolution
    assert resolution is not None
    assert resolution.ratio == pytest.approx(0.5 / NOISE.limit, rel=1e-6)


# -- what the numbers can be -------------------------------------------------------------------------------------------


def zeroed(where: int) -> Array:
    made = logits(2)
    made[where] = 0
    return made


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_reference_with_nan_or_inf_is_not_used_and_hides_no_fault(value: float) -> None:
    training = logits()
    exact = training.astype(np.float64)
    exact[0, 5] = value
    assert judge(training, training, reference=exact).passed
    verdict = judge(training, off(training, 0.1), reference=exact)
    assert verdict.index == (0, 0, 7)
    assert verdict.reference is None


def test_an_engine_that_equals_the_training_engine_passes_where_float64_gives_zero() -> None:
    noise = np.full((1, 4), 1e-9, np.float32)
    assert judge(noise, noise, reference=np.zeros((1, 4))).passed
    assert not judge(noise, noise + np.float32(1), reference=np.zeros((1, 4))).passed


@pytest.mark.parametrize("shape", [(5, 6), (4, 7), (1, 4, 6), (24,)])
def test_a_reference_of_another_shape_is_not_used_and_no_row_is_left_out(shape: tuple[int, ...]) -> None:
    training = RANDOM.normal(0, 1, (4, 6)).astype(np.float32)
    inference = training.copy()
    inference[3, 5] += 1
    verdict = judge(training, inference, size=2, reference=np.ones(shape))
    assert (verdict.samples, verdict.elements) == (2, 24)
    assert verdict.index == (1, 1, 5)


@pytest.mark.parametrize(
    ("training", "inference", "reference"),
    [(1e308, -1e308, 1e308), (1.0, 1.0, 5e-324), (1e-300, 1e200, 1e-300), (1e308 + 1e308j, -1e308 - 1e308j, 1e308 + 1e308j)],
)
@pytest.mark.parametrize("rule", [NOISE, Tolerance(1e-3, 1e-3)])
def test_numbers_at_the_end_of_the_range_fail_without_a_warning(
    training: complex, inference: complex, reference: complex, rule: Rule
) -> None:
    verdict = judge(np.array([[training]]), np.array([[inference]]), rule, reference=np.array([[reference]]))
    assert verdict.passed is (training == inference and rule is not NOISE)
    assert judge(np.array([[training]]), np.array([[training]]), rule, reference=np.array([[training]])).passed


@pytest.mark.parametrize("scale", [4e-16, 1e-30, 1e9, 1e30])
def test_logits_of_a_random_net_and_of_a_wide_one_are_judged_alike(scale: float) -> None:
    exact = RANDOM.normal(0, scale, (2, 1000))
    training = exact.astype(np.float32)
    rule = Noise(measured([(training, exact)]))
    ulp_off = np.nextafter(training, np.float32(np.inf) * np.sign(training))
    assert judge(training, ulp_off, rule, reference=exact).passed
    assert judge(training, ulp_off, rule).passed, "without a reference, too"
    assert not judge(training, training * np.float32(1.0001), rule, reference=exact).passed
    assert not judge(training, np.zeros_like(training), rule, reference=exact).passed
    assert not judge(training, np.roll(training, 1, axis=0), rule, reference=exact).passed


@pytest.mark.parametrize("where", [0, 1])
def test_an_output_that_is_zero_for_one_sample_must_be_zero_there(where: int) -> None:
    training = zeroed(where)
    assert judge(training, training, reference=training.astype(np.float64)).passed
    inference = training.copy()
    inference[where, 3] = 1e-12
    verdict = judge(training, inference, reference=training.astype(np.float64))
    assert verdict.index == (where, 0, 3)
    assert verdict.error == float("inf")
    assert judge(training, inference, Tolerance(atol=1e-9)).passed, "an absolute tolerance is the way to allow it"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.complex64, np.complex128])
def test_every_kind_of_real_and_complex_output_is_held_to_the_limit(dtype: type) -> None:
    training = np.array([[1, 2, -4, 0.5]], dtype)
    inference = training.copy()
    inference[0, 1] += 0.25
    assert judge(training, training).passed
    verdict = judge(training, inference, Tolerance())
    assert (verdict.index, verdict.training, verdict.inference) == ((0, 0, 1), 2.0, 2.25)
    assert verdict.error == 0.0625
    assert judge(training, inference, Tolerance(rtol=0.125)).passed
    assert not judge(training, inference).passed


def test_an_imaginary_part_counts_as_much_as_a_real_one() -> None:
    training = np.array([[3 + 4j, 1 + 0j]], np.complex64)
    inference = training + np.array([[0, 1j]], np.complex64)
    verdict = judge(training, inference, reference=training.astype(np.complex128))
    assert verdict.index == (0, 0, 1)
    assert verdict.error == pytest.approx(1 / 5)


def test_only_the_first_fatal_problem_is_told_and_it_is_beyond_every_limit() -> None:
    made = OutputJudge("output", NOISE)
    good, broken = logits(), logits()
    broken[0, 9] = np.nan
    for first, inference in enumerate([good, broken, good[:, :3], np.full_like(good, np.inf)]):
        made.add(good, inference, first, 1)
    verdict = made.verdict()
    assert "the inference engine answers nan at sample 1, element [0, 9] (1 of 100 elements" in verdict.problem
    assert verdict.excess == float("inf")
    assert verdict.margin == 0
    assert verdict.samples == 3


def test_a_number_that_is_all_of_an_output_has_its_sample_as_index() -> None:
    verdict = judge(np.array(1.0, np.float32), np.array(2.0, np.float32), size=3, first=6)
    assert verdict.index == (6,)
    assert "worst at sample 6, element []" in verdict.problem


def test_the_verdict_carries_percentile_rms_and_both_values_with_the_reference() -> None:
    exact = np.linspace(-1, 1, 201).reshape(1, 201)
    training, inference = exact.astype(np.float32).astype(np.float64), exact.copy()
    inference[0, 200] += 1e-3
    verdict = judge(training, inference, reference=exact)
    assert verdict.p99 == 0, "one of 201 elements is beyond the 99th percentile"
    assert verdict.rms == pytest.approx(1e-3 / 201**0.5)
    assert (verdict.training, verdict.reference) == (training[0, 200], 1.0)
    assert verdict.inference == pytest.approx(1.001)
    assert "inference 1.001, training 1, float64 1" in verdict.problem
    assert (verdict.limit, verdict.differing) == (NOISE.limit, 1)
    inference[0, 190:] += 1e-3
    assert judge(training, inference, reference=exact).p99 == pytest.approx(1e-3)


# -- the RMS -----------------------------------------------------------------------------------------------------------


def measured(pairs: list[tuple[Array, Array]]) -> Floor:
    meter = FloorMeter()
    for own, exact in pairs:
        for left, right in zip(own, exact):
            meter.add(left, right)
    return meter.floor()


@PROPERTY
@given(SEEDS, st.integers(2000, 5000))
def test_an_error_far_below_the_maximum_that_all_elements_share_is_caught_by_the_rms(seed: int, elements: int) -> None:
    exact = np.random.RandomState(seed).uniform(0.5, 1, (1, elements))
    training = exact.astype(np.float32)
    rule = Noise(measured([(training, exact)]))
    verdict = judge(training, (training * np.float32(1 + 8 * ULP)).astype(np.float32), rule, reference=exact)
    assert verdict.differing == 0, "the maximum alone lets it pass"
    assert verdict.problem.startswith("no element differs much, but all together do: RMS ")
    assert verdict.excess > 1


@PROPERTY
@given(SEEDS, st.integers(1, 5000), st.booleans())
def test_noise_of_one_ulp_in_any_elements_never_fails(seed: int, elements: int, with_reference: bool) -> None:
    exact = normal(seed, 2, elements)
    training = exact.astype(np.float32)
    rule = Noise(measured([(training, exact)]))
    towards = np.random.RandomState(seed).choice(np.float32([-np.inf, 0, np.inf]), training.shape)
    inference = np.nextafter(training, np.where(towards == 0, training, towards))
    verdict = judge(training, inference, rule, reference=exact if with_reference else None)
    assert verdict.problem == ""


# -- properties --------------------------------------------------------------------------------------------------------


def pair(seed: int, samples: int, shape: tuple[int, ...], moved: float) -> tuple[Array, Array, Array]:
    """(training, inference, reference) with an error of about `moved` limits in the inference engine's."""
    exact = normal(seed, samples, *shape)
    inference = exact + moved * NOISE.limit * normal(seed + 1 & 0xFFFF, samples, *shape) / 3
    return exact.astype(np.float32), inference.astype(np.float32), exact


def numbers(verdict: OutputVerdict) -> tuple[object, ...]:
    """What must not change: all but the index and the values there, which name a sample."""
    return (
        verdict.passed, verdict.samples, verdict.elements, verdict.differing, verdict.error, verdict.excess, verdict.rms,
        verdict.p99, verdict.limit, verdict.floor, verdict.classes_beyond, verdict.worst_classes,
    )  # fmt: skip


SHAPES = st.sampled_from([(), (1,), (7,), (20,), (3, 4), (2, 2, 3)])
MOVED = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.1, 3.0, 1e3])
RULES = st.sampled_from(
    [NOISE, Noise(Floor(1e-3, 3e-4)), Tolerance(), Tolerance(1e-6), Tolerance(1e-6, 1e-6), Tolerance(0.0, 2e-6)]
)


@PROPERTY
@given(SEEDS, st.integers(1, 6), SHAPES, MOVED, RULES, st.data())
def test_the_order_of_samples_does_not_matter(
    seed: int, samples: int, shape: tuple[int, ...], moved: float, rule: Rule, data: st.DataObject
) -> None:
    training, inference, exact = pair(seed, samples, shape, moved)
    order = data.draw(st.permutations(range(samples)))
    whole = judge(training, inference, rule, reference=exact)
    turned = judge(training[order], inference[order], rule, reference=exact[order])
    assert numbers(turned) == numbers(whole)
    if whole.index:
        assert order[turned.index[0]] == whole.index[0] or samples == 1 or turned.excess == whole.excess


@PROPERTY
@given(SEEDS, st.integers(1, 4), SHAPES, MOVED, st.integers(-90, 90), st.booleans())
def test_the_unit_of_an_output_does_not_matter(
    seed: int, samples: int, shape: tuple[int, ...], moved: float, exponent: int, with_reference: bool
) -> None:
    training, inference, exact = pair(seed, samples, shape, moved)
    assume(np.abs(training).min() > 1e-3)  # its differences must not become subnormal
    unit = np.float32(2.0**exponent)
    one = judge(training, inference, reference=exact if with_reference else None)
    other = judge(training * unit, inference * unit, reference=exact * float(unit) if with_reference else None)
    assert numbers(other) == numbers(one)
    assert other.index == one.index


@PROPERTY
@given(SEEDS, st.integers(1, 8), SHAPES, MOVED, RULES, st.booleans(), st.data())
def test_how_the_samples_are_split_into_batches_does_not_matter(
    seed: int, samples: int, shape: tuple[int, ...], moved: float, rule: Rule, with_reference: bool, data: st.DataObject
) -> None:
    training, inference, exact = pair(seed, samples, shape, moved)
    made = OutputJudge("output", rule)
    start = 0
    while start < samples:
        stop = start + data.draw(st.integers(1, samples - start))
        part = slice(start, stop)
        made.add(training[part], inference[part], start, stop - start, exact[part] if with_reference else None)
        start = stop
    assert made.verdict() == judge(training, inference, rule, reference=exact if with_reference else None)


def planted(
    seed: int, samples: int, shape: tuple[int, ...], size: float, data: st.DataObject
) -> tuple[Array, Array, Array, tuple[int, ...]]:
    """A reference, a training engine with an error of at most a floor, and an engine that is `size` limits off in one element."""
    exact = normal(seed, samples, *shape)
    exact[:, 0] = 3.0  # the scale of every sample, whatever is drawn
    exact = np.clip(exact, -3, 3)
    training = exact + 0.5 * FLOOR.maximum * np.sign(normal(seed + 1 & 0xFFFF, samples, *shape))
    inference = exact.copy()
    where = tuple(data.draw(st.integers(0, length - 1), label="where") for length in exact.shape)
    inference[where] += data.draw(st.sampled_from([-1, 1])) * size * NOISE.limit * 3.0
    return exact, training, inference, where


@PROPERTY
@given(SEEDS, st.integers(1, 5), st.sampled_from([(1,), (9,), (4, 5)]), st.floats(1.001, 1e9), st.booleans(), st.data())
def test_an_error_above_the_limit_is_caught_in_any_element_of_any_sample(
    seed: int, samples: int, shape: tuple[int, ...], size: float, with_reference: bool, data: st.DataObject
) -> None:
    exact, training, inference, where = planted(seed, samples, shape, size if with_reference else 1.5 * size, data)
    verdict = judge(training, inference, reference=exact if with_reference else None)
    assert not verdict.passed
    assert verdict.index == (where[0], 0, *where[1:])
    assert verdict.differing == 1
    assert verdict.excess > 1
    assert f"worst at sample {where[0]}, element {[0, *where[1:]]}" in verdict.problem


@PROPERTY
@given(SEEDS, st.integers(1, 5), st.sampled_from([(9,), (4, 5)]), st.floats(0, 0.39), st.booleans(), st.data())
def test_an_error_well_below_the_limit_is_never_one(
    seed: int, samples: int, shape: tuple[int, ...], size: float, with_reference: bool, data: st.DataObject
) -> None:
    exact, training, inference, _ = planted(seed, samples, shape, size, data)
    verdict = judge(training, inference, reference=exact if with_reference else None)
    assert verdict.problem == ""
    assert verdict.excess <= 1


@PROPERTY
@given(SEEDS, st.integers(1, 4), st.sampled_from([(), (5,), (2, 3)]), st.sampled_from([np.nan, np.inf, -np.inf]), RULES, st.data())
def test_a_nan_or_inf_is_a_failure_wherever_it_is_and_the_first_is_named(
    seed: int, samples: int, shape: tuple[int, ...], value: float, rule: Rule, data: st.DataObject
) -> None:
    sides = {"training": normal(seed, samples, *shape), "inference": normal(seed, samples, *shape)}
    broken = data.draw(st.sampled_from([("training",), ("inference",), ("training", "inference")]))
    flat = data.draw(st.integers(0, sides["training"].size - 1))
    for engine in broken:
        sides[engine].ravel()[flat:] = value
    verdict = judge(sides["training"], sides["inference"], rule, reference=data.draw(st.sampled_from([None, sides["training"]])))
    where = [int(index) for index in np.unravel_index(flat, (samples, *shape))]
    assert f"the {broken[0]} engine answers {value} at sample {where[0]}, element {[0, *where[1:]]} (" in verdict.problem


@PROPERTY
@given(SEEDS, st.sampled_from(["bool", "int8", "uint8", "int32", "int64"]), RULES, st.data())
def test_one_integer_or_bool_that_differs_is_a_failure_wherever_it_is(
    seed: int, dtype: str, rule: Rule, data: st.DataObject
) -> None:
    training = np.random.RandomState(seed).randint(0, 2, (3, 2, 4)).astype(dtype)
    inference = training.copy()
    assert judge(training, inference, rule).passed
    where = tuple(data.draw(st.integers(0, length - 1)) for length in training.shape)
    inference[where] = not inference[where]
    verdict = judge(training, inference, rule, response=1.0)
    assert verdict.index == (where[0], 0, *where[1:])
    assert (verdict.differing, verdict.excess) == (1, float("inf"))
    assert verdict.resolution is not None
    assert verdict.resolution.ratio == float("inf")


@PROPERTY
@given(
    SEEDS,
    st.sampled_from([0.0, 1e-7, 1e-5, 1e-3, 0.1]),
    st.sampled_from([0.0, 1e-30, 1e-6, 1e-3, 0.1]),
    st.sampled_from([1e-8, 1e-6, 1e-4, 0.1]),
    st.sampled_from([np.float32, np.float64, np.complex64]),
)
def test_a_tolerance_is_numpys_rule_element_by_element(seed: int, rtol: float, atol: float, moved: float, dtype: type) -> None:
    training = normal(seed, 3, 8).astype(dtype)
    training[0, :2] = 0
    inference = (training * (1 + moved * normal(seed + 1 & 0xFFFF, 3, 8)) + moved * 1e-2 * (training == 0)).astype(dtype)
    wide = np.complex128 if dtype is np.complex64 else np.float64
    i, t = inference.astype(wide), training.astype(wide)
    right = np.abs(i - t) <= atol + rtol * np.abs(t)
    verdict = judge(training, inference, Tolerance(rtol, atol))
    assert verdict.passed is bool(right.all())
    assert verdict.differing == int((~right).sum())
    assert verdict.passed is bool(np.isclose(i, t, rtol, atol).all())


def test_the_very_edge_of_a_tolerance_passes_and_the_next_number_does_not() -> None:
    training = np.array([[1.0, 3.0, 0.1]])
    edge = training + (0.25 + 0.125 * np.abs(training))
    assert judge(training, np.array([[1.375, 3.0, 0.1]]), Tolerance(0.125, 0.25)).passed
    assert not judge(training, np.nextafter(np.array([[1.375, 3.0, 0.1]]), np.inf), Tolerance(0.125, 0.25)).passed
    assert judge(training, edge, Tolerance(0.125, 0.25)).passed is bool((np.abs(edge - training) <= 0.25 + 0.125 * training).all())


# -- the classes -------------------------------------------------------------------------------------------------------


def test_the_classes_with_the_largest_errors_are_named_over_all_samples_and_batches() -> None:
    made = OutputJudge("output", Tolerance(rtol=0.0, atol=0.05))
    training = np.ones((2, 5), np.float64)
    for first, (row, column, by) in ((0, (0, 4, 0.5)), (2, (1, 1, 0.25)), (4, (1, 4, 0.125)), (6, (0, 0, 0.01))):
        inference = training.copy()
        inference[row, column] += by
        made.add(training, inference, first, 2)
    verdict = made.verdict()
    assert verdict.worst_classes[:2] == ((4, 0.5), (1, 0.25))
    assert verdict.worst_classes[2] == (0, pytest.approx(0.01))
    assert verdict.classes_beyond == 2


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (1, 2, 3)])
def test_an_output_that_is_no_classifiers_names_no_classes(shape: tuple[int, ...]) -> None:
    verdict = judge(np.ones(shape), np.full(shape, 2.0), size=1)
    assert (verdict.worst_classes, verdict.classes_beyond, verdict.passed) == ((), 0, False)


def test_boxes_of_a_varying_count_are_judged_sample_by_sample() -> None:
    made = OutputJudge("output", NOISE)
    for first, count in enumerate((3, 0, 5, 1)):
        boxes = normal(first, count, 6).astype(np.float32)
        made.add(boxes, boxes.copy(), first, 1)
    verdict = made.verdict()
    assert verdict.passed
    assert (verdict.samples, verdict.elements) == (4, 54)
    made.add(boxes, boxes[:0], 4, 1)
    assert made.verdict().problem == "the shape is [0, 6] from the inference engine, [1, 6] from the training engine"


# -- near ties of integers ---------------------------------------------------------------------------------------------


def with_ties(wrong: int, ties: int, elements: int = 40, rule: Rule = NOISE) -> tuple[OutputVerdict, list[int]]:
    """Integers of which the first `wrong` differ; rounding alone decides the first `ties`."""
    made, asked = OutputJudge("output", rule), []
    one = np.zeros((1, elements), np.int64)
    two = one.copy()
    two[0, :wrong] = 3

    def near(one: Array, two: Array) -> Array:
        given = one != two
        asked.append(int(given.sum()))
        found = np.zeros_like(given)
        found[0, :ties] = given[0, :ties]
        return found

    for _ in range(2):
        made.add(one, two, 0, 1, near=near)
    return made.verdict(), asked


def test_integers_that_rounding_alone_decides_are_near_ties() -> None:
    verdict, asked = with_ties(2, 2)
    assert (verdict.passed, verdict.ties, verdict.differing, verdict.error, verdict.integers) == (True, 4, 0, 0.0, True)
    assert asked == [2, 2]


def test_one_that_differs_beyond_them_is_a_difference_and_nobody_is_asked_again() -> None:
    verdict, asked = with_ties(3, 2)
    assert (verdict.ties, verdict.differing, verdict.error) == (2, 1 + 3, float("inf"))
    assert verdict.problem.startswith("4 of 80 integers differ, by at most 3; the first at sample 0, element [0, 2]")
    assert asked == [3]


def test_where_all_is_equal_nobody_is_asked() -> None:
    verdict, asked = with_ties(0, 0)
    assert (verdict.passed, asked) == (True, [])


def test_so_many_near_ties_show_nothing() -> None:
    verdict, _ = with_ties(5, 5)
    assert verdict.problem == "rounding alone decides 10 of 80 integers, so nothing else would be seen"
    assert with_ties(4, 4)[0].passed
    assert with_ties(1, 1, elements=1)[0].problem, "both samples"


def test_what_share_is_decided_so_is_told_by_the_whole_and_not_by_the_first_samples() -> None:
    made = OutputJudge("output", NOISE)
    one = np.zeros((1, 20), np.int64)
    two = one.copy()
    two[0, :3] = 1
    made.add(one, two, 0, 1, near=lambda one, two: one != two)
    assert (made.holds, made.verdict().passed) == (True, False)
    made.add(one, one, 1, 1)
    assert made.verdict().passed


def test_a_tolerance_that_names_the_integers_asks_nobody() -> None:
    verdict, asked = with_ties(2, 0, rule=Tolerance(atol=5, integers=True))
    assert (verdict.passed, verdict.ties, asked) == (True, 0, [])
