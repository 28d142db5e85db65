"""diagnosis/comparison.py: how far other outputs lie from the training engine's, by the rule that judged them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pytest_paddle_infer.diagnosis.comparison import Arrays, Comparison
from pytest_paddle_infer.judge.closeness import Noise, OutputJudge, Rule, Tolerance
from pytest_paddle_infer.judge.noise import Floor

RULE = Tolerance(atol=0.5)
KNOWN = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)


def comparison(
    training: Arrays | None = None, inference: Arrays | None = None, exact: Arrays | None = None, rule: Rule = RULE
) -> Comparison:
    training = [KNOWN] if training is None else training
    return Comparison(4, 6, training, [] if inference is None else inference, exact, [rule] * len(training))


def test_equal_outputs_are_no_limits_away() -> None:
    assert comparison().away([KNOWN.copy()]) == 0
    assert comparison().agrees([KNOWN.copy()])


@pytest.mark.parametrize(("by", "limits"), [(0.25, 0.5), (0.5, 1.0), (2.0, 4.0)])
def test_the_distance_is_in_limits_of_the_rule_and_the_limit_itself_agrees(by: float, limits: float) -> None:
    other = KNOWN.copy()
    other[1, 0] += by
    assert comparison().away([other]) == limits
    assert comparison().agrees([other]) is (limits <= 1)


def test_the_worst_output_counts() -> None:
    both = comparison([KNOWN, KNOWN])
    assert both.away([KNOWN + np.float32(0.25), KNOWN - np.float32(1.0)]) == 2.0
    assert both.away([KNOWN - np.float32(1.0), KNOWN + np.float32(0.25)]) == 2.0


@pytest.mark.parametrize(
    "other",
    [
        [], [KNOWN, KNOWN], [KNOWN[:, :1]], [KNOWN.T[:1]], [KNOWN.astype(np.float64)],
        [np.full_like(KNOWN, np.nan)], [np.full_like(KNOWN, np.inf)],
    ],
    ids=["none", "two", "columns", "rows", "dtype", "NaN", "Inf"],
)  # fmt: skip
def test_outputs_of_another_number_shape_or_dtype_or_that_are_no_numbers_are_infinitely_far(other: Arrays) -> None:
    assert comparison().away(other) == float("inf")
    assert not comparison().agrees(other)


def test_integers_agree_only_when_they_are_equal() -> None:
    labels = np.array([[1, 2], [3, 4]])
    both = comparison([labels])
    assert both.away([labels.copy()]) == 0
    assert both.away([labels + 1]) == float("inf")


def test_the_float64_reference_is_what_is_compared_with_where_there_is_one() -> None:
    exact, rule = [KNOWN.astype(np.float64) + 1e-3], Noise(Floor(1e-4, 1e-4))
    near_exact = [exact[0].astype(np.float32)]
    assert comparison(exact=exact, rule=rule).agrees(near_exact)
    assert not comparison(rule=rule).agrees(near_exact), "against the training engine's it is beyond the limit"


def test_the_distance_is_the_judges_own() -> None:
    rule, other = Noise(Floor(1e-5, 1e-5)), KNOWN + np.float32(0.01)
    judge = OutputJudge("", rule)
    judge.add(KNOWN, other, 4, 2)
    assert comparison(rule=rule).away([other]) == judge.verdict().excess > 1


def test_outputs_may_be_compared_with_others_than_the_training_engines_and_then_without_the_reference() -> None:
    other, rule = [KNOWN + np.float32(3)], Noise(Floor(1e-5, 1e-5))
    both = comparison(inference=other, exact=[KNOWN.astype(np.float64)], rule=rule)
    assert both.away(other) > 1e3
    assert both.away(other, than=both.inference) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_nan_or_inf_on_either_side_is_seen(bad: float) -> None:
    broken = KNOWN.copy()
    broken[0, 1] = bad
    assert comparison([broken], [KNOWN]).not_finite
    assert comparison([KNOWN], [broken]).not_finite
    assert not comparison([KNOWN], [KNOWN]).not_finite
    assert comparison([broken], [KNOWN]).undefined
    assert not comparison([KNOWN], [broken]).undefined, "that is a fault of the inference engine"


def test_integers_are_always_numbers() -> None:
    assert not comparison([np.array([[1, 2]])], [np.array([[True, False]])]).not_finite


WHOLE = np.array([[1, 2], [3, 4]])


def of_both(known: Arrays, found: Arrays) -> int | None:
    return comparison(known, found).only_integers


def test_only_integers_differ_where_the_floats_agree() -> None:
    assert of_both([KNOWN, WHOLE], [KNOWN, WHOLE + 1]) == 1
    assert of_both([WHOLE, KNOWN, WHOLE], [WHOLE, KNOWN, WHOLE + 1]) == 2


@pytest.mark.parametrize(
    ("known", "found"),
    [
        ([KNOWN, WHOLE], [KNOWN, WHOLE]),
        ([KNOWN, WHOLE], [KNOWN + 9, WHOLE + 1]),
        ([WHOLE], [WHOLE + 1]),
        ([KNOWN, WHOLE], [KNOWN, (WHOLE + 1).astype(np.int32)]),
        ([KNOWN, WHOLE > 2], [KNOWN, WHOLE > 3]),
        ([KNOWN, WHOLE], [KNOWN]),
        ([KNOWN], [KNOWN + 9]),
    ],
)
def test_nothing_is_said_of_integers_where_something_else_differs_or_no_float_speaks_for_them(known: Arrays, found: Arrays) -> None:
    assert of_both(known, found) is None


def test_near_ties_agree_as_in_the_verdict() -> None:
    ids, other = np.array([[1, 2, 3]]), np.array([[1, 2, 5]])
    asked = []

    def near(output: int, one: Any, two: Any) -> Any:
        asked.append(output)
        return one != two

    exact = Comparison(0, 1, [ids], [other], None, [RULE])
    assert not exact.agrees([other])
    assert Comparison(0, 1, [ids], [other], None, [RULE], near).agrees([other])
    assert asked == [0]
    assert Comparison(0, 1, [ids], [other], None, [RULE], near) == exact, "who answers is no part of what is compared"
    floats = Comparison(0, 1, [KNOWN, ids], [KNOWN, other], None, [RULE, RULE])
    assert floats.only_integers == 1
    assert replace(floats, near=near).only_integers is None


def test_what_share_of_one_batch_rounding_decides_is_no_difference() -> None:
    ids = np.arange(4).reshape(1, 4)
    shown = Comparison(0, 1, [ids], [ids + 1], None, [RULE], lambda output, one, two: one != two)
    assert shown.away([ids + 1]) == 0
    assert shown.only_integers is None
