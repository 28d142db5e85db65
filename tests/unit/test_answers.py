"""judge/answers.py: class ids, near ties, and whatever an own postprocess returns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_paddle_infer.judge.answers import AnswersJudge, AnswersVerdict, first_difference

PROPERTY = settings(max_examples=60, deadline=None, database=None)


class Prediction(NamedTuple):
    class_id: int
    prob: float


def never() -> Any:
    raise AssertionError("asked for no reason")


def top1(scores: list[float]) -> Prediction:
    return Prediction(int(np.argmax(scores)), max(scores))


def judge(training: Any, inference: Any, *, limit: float = 1e-5, again: Any = never, scores: Any = None) -> AnswersVerdict:
    made = AnswersJudge(limit)
    made.add(training, inference, "sample 0 (a.png)", again, scores)
    return made.verdict()


def test_equal_answers_agree() -> None:
    assert judge(Prediction(3, 0.5), Prediction(3, 0.5), scores=[0.1]) == AnswersVerdict(1, 1)


def test_another_class_fails_and_both_are_named() -> None:
    verdict = judge(Prediction(1, 0.7), Prediction(0, 0.6), scores=np.array([[0.2, 0.7, 0.1]]))
    assert not verdict.passed
    assert (verdict.compared, verdict.agreed, verdict.ties) == (1, 0, 0)
    assert verdict.problem == (
        "sample 0 (a.png): class_id 0 (prob 0.6) from the inference engine, 1 (prob 0.7) from the training engine"
    )


def test_two_classes_closer_than_the_tolerance_are_a_tie_and_no_failure() -> None:
    scores = np.array([[0.4, 0.4 + 5e-6, 0.2]])
    verdict = judge(top1(scores[0].tolist()), Prediction(0, 0.4), scores=scores)
    assert verdict == AnswersVerdict(1, 0, 1)
    assert verdict.passed
    wider = np.array([[0.4, 0.4 + 2e-5, 0.2]])
    assert not judge(top1(wider[0].tolist()), Prediction(0, 0.4), scores=wider).passed


def test_the_same_class_with_another_probability_fails() -> None:
    verdict = judge(Prediction(1, 0.7), Prediction(1, 0.71), scores=np.array([[0.2, 0.7, 0.1]]))
    assert "answer.prob is 0.71 from the inference engine, 0.7 from the training engine" in verdict.problem
    assert judge(Prediction(1, 0.7), Prediction(1, 0.7 + 5e-6), scores=np.array([[0.3, 0.7]])).passed


def test_without_answers_on_both_sides_nothing_is_compared() -> None:
    assert judge(None, None) == AnswersVerdict()
    assert not judge(None, Prediction(0, 1.0), again=lambda: None).passed


def test_an_own_answer_that_only_rounding_moved_is_a_tie() -> None:
    assert judge({"label": "cat"}, {"label": "dog"}, again=lambda: {"label": "dog"}) == AnswersVerdict(1, 0, 1)
    verdict = judge({"label": "cat"}, {"label": "dog"}, again=lambda: {"label": "cat"})
    assert verdict.problem == (
        "sample 0 (a.png): answer['label'] is 'dog' from the inference engine, 'cat' from the training engine"
    )


def test_the_first_failure_is_the_one_that_is_told_and_all_are_counted() -> None:
    made = AnswersJudge(1e-5)
    for index, (left, right) in enumerate([(1, 1), (1, 2), (1, 3), (1, 1)]):
        made.add(left, right, f"sample {index}", lambda left=left: left)
    verdict = made.verdict()
    assert (verdict.compared, verdict.agreed) == (4, 2)
    assert verdict.problem.startswith("sample 1: answer is 2")


@pytest.mark.parametrize(
    ("training", "inference"),
    [
        (1, 1),
        ("a", "a"),
        (None, None),
        (True, True),
        ([1, 2.0, "x"], [1, 2.0 + 1e-5, "x"]),
        ((), ()),
        ({"a": [1.0, {"b": 2.0}]}, {"a": [1.0, {"b": 2.0 + 1e-5}]}),
        (np.float32(2.0), np.float32(2.0) + np.float32(1e-5)),
        (np.arange(3), np.arange(3)),
        (np.array([100.0, 0.0]), np.array([100.0, 5e-4])),
        ([100.0, 0.0], [100.0, 5e-4]),
        (np.array(["a"]), np.array(["a"])),
        (np.zeros((0, 4)), np.zeros((0, 4))),
    ],
)
def test_structures_of_equal_parts_agree(training: Any, inference: Any) -> None:
    assert first_difference(training, inference, 1e-5) == ""


@pytest.mark.parametrize(
    ("training", "inference", "where"),
    [
        (1, 2, "answer is 2 from the inference engine, 1 from the training engine"),
        ("a", "b", "answer is 'b'"),
        ([1, 2], [1, 3], "answer[1] is 3"),
        ([1, 2], [1], "answer has 1 items from the inference engine, 2 from the training engine"),
        ({"a": 1}, {"b": 1}, "answer has keys ['b'] from the inference engine, ['a'] from the training engine"),
        ({"a": [0, {"b": 1}]}, {"a": [0, {"b": 2}]}, "answer['a'][1]['b'] is 2"),
        (Prediction(1, 0.5), Prediction(2, 0.5), "answer.class_id is 2"),
        (np.array([1.0, 2.0]), np.array([1.0, 2.1]), "answer[1] is 2.1"),
        (np.arange(3), np.array([0, 1, 9]), "answer[2] is 9"),
        (np.zeros((2, 2)), np.zeros((2, 3)), "answer is float64[2, 3] from the inference engine, float64[2, 2] from"),
        (0.5, float("nan"), "answer is nan"),
        (float("nan"), 0.5, "answer is 0.5"),
        (np.array([0.0, 1.0]), np.array([np.nan, 1.0]), "answer[0] is nan"),
        (1.0, None, "answer is None from the inference engine, 1.0 from the training engine"),
        (1, 1.5, "answer is 1.5"),
        (0.75, 0, "answer is 0 from the inference engine, 0.75 from the training engine"),
        (np.int64(3), np.float32(2.5), "answer is 2.5 from the inference engine, 3 from the training engine"),
        (True, np.False_, "answer is False from the inference engine, True from the training engine"),
        (10**400, 1.0, "answer is 1.0"),
        (2**53, 2**53 + 1, f"answer is {2**53 + 1}"),
        (np.array([2**63 + 1], np.uint64), np.array([2**62]), f"answer[0] is {2**62}"),
        (np.array([2**53 + 1], np.uint64), np.array([2**53]), f"answer[0] is {2**53}"),
        (np.array([True]), np.array([255], np.uint8), "answer[0] is 255"),
        ([1.0, 2.0], np.array([1.0, 2.1]), "answer[1] is 2.1"),
        (np.zeros((2, 2)), [[0.0, 0.0], [0.0]], "answer[1] has 1 items"),
        ([0.0, 1.0], np.array([0.0, 1.0, 2.0]), "answer has 3 items"),
        (np.array([1.0]), 1.0, "answer is float from the inference engine, float64[1] from the training engine"),
        (np.array([1.0]), {"a": 1.0}, "answer is dict from the inference engine"),
        ("1", 1, "answer is 1 from the inference engine, '1' from the training engine"),
        (["1"], np.array([1]), "answer[0] is 1 from the inference engine, '1' from the training engine"),
        (np.array(["a"]), ["b"], "answer[0] is 'b'"),
        (np.array(["a"]), np.array([1.0]), "answer is float64[1]"),
    ],
)
def test_the_first_difference_is_named_with_its_place(training: Any, inference: Any, where: str) -> None:
    assert first_difference(training, inference, 1e-5).startswith(where)


@pytest.mark.parametrize(
    ("training", "inference", "kinds"),
    [
        (0, np.int64(0), "answer is int64 from the inference engine, int from the training engine: equal values"),
        (5, 5.0, "answer is float from the inference engine, int from the training engine: equal values"),
        (1, True, "answer is bool from the inference engine, int from the training engine: equal values"),
        (True, np.True_, "answer is numpy.bool from the inference engine, bool from the training engine: equal values"),
        (np.float64(0.1), np.float32(0.1), "answer is float32 from the inference engine, float from the training engine: equal values"),
        (0.1, np.array(0.1, np.float32), "answer is float32[] from the inference engine, float from the training engine: equal values"),
        (0.5, np.float64(0.5), ""),
        (2**70, float(2**70), "answer is float from the inference engine, int from the training engine: equal values"),
        (np.zeros(2), np.zeros(2, np.float32),
         "answer is float32[2] from the inference engine, float64[2] from the training engine: equal values"),
        (np.zeros(2, np.int32), np.zeros(2, bool),
         "answer is bool[2] from the inference engine, int32[2] from the training engine: equal values"),
        ([[1, 2], [3, 4]], np.array([[1, 2], [3, 4.0]]),
         "answer is float64[2, 2] from the inference engine, list from the training engine: equal values"),
        (np.array([[1.0], [2.0]]), ([1], (2.0,)),
         "answer is list from the inference engine, float64[2, 1] from the training engine: equal values"),
        (np.array(["a", "b"]), ["a", "b"], "answer is list from the inference engine, <U1[2] from the training engine: equal values"),
        (np.array(["a"]), np.array(["a"], "<U3"),
         "answer is <U3[1] from the inference engine, <U1[1] from the training engine: equal values"),
        ([np.zeros(2), 1], [[0.0, 0.0], 1.0],
         "answer[0] is list from the inference engine, float64[2] from the training engine: equal values"),
        ("a", np.str_("a"), ""),
        ([1], (1,), ""),
        ([{"x": 1.0, "y": 2.0}, {"x": 3.0, "y": 4.0}], [{"x": np.float32(1), "y": np.float32(2)}, {"x": np.float32(3), "y": 4.0}],
         "answer[0]['x'], answer[0]['y'] are float32 from the inference engine, float from the training engine: equal values"),
    ],
)  # fmt: skip
def test_values_of_another_type_agree_and_the_type_is_noted(training: Any, inference: Any, kinds: str) -> None:
    verdict = judge(training, inference)
    assert verdict.passed, verdict.problem
    assert verdict.agreed == 1
    assert (verdict.kinds or ("",))[0] == kinds


def test_another_type_is_noted_once_for_all_samples_and_not_where_the_values_differ() -> None:
    made = AnswersJudge(1e-5)
    for training, inference in (({"a": 1}, {"a": 2.5}), ({"a": 1}, {"a": 1.0}), ({"a": 2}, {"a": 2.0}), ({"a": 2}, {"a": 2})):
        made.add(training, inference, "sample", None)
    assert made.verdict().kinds == ("answer['a'] is float from the inference engine, int from the training engine: equal values",)
    assert judge({"a": 1, "b": 1}, {"a": 1.0, "b": 2.5}, again=lambda: None).kinds == ()
    assert (made.verdict().agreed, judge({"a": 1}, {"a": 2.5}, again=lambda: {"a": 1}).kinds) == (3, ())


def test_the_first_place_stands_for_every_item_of_a_list() -> None:
    made = AnswersJudge(1e-5)
    for training, inference in (([2.5, 1], [2.5, 1.0]), ([1, 1, 1], [1.0, 1.0, 1.0])):
        made.add(training, inference, "sample", None)
    assert made.verdict().kinds == ("answer[1] is float from the inference engine, int from the training engine: equal values",)


def test_a_float32_of_a_float_is_that_float_whatever_the_limit() -> None:
    assert first_difference(0.1, np.float32(0.1), 0.0) == ""
    assert first_difference(np.array([0.1, 0.2]), np.float32([0.1, 0.2]), 0.0) == ""
    assert first_difference(np.float32(0.1), np.nextafter(np.float32(0.1), np.float32(1)), 0.0) != ""
    assert first_difference(0.1, 0.1 + 1e-9, 0.0) != ""


def test_an_absolute_limit_is_added() -> None:
    assert first_difference(0.0, 0.001, 0.0, 0.01) == ""
    assert first_difference(0.0, 0.02, 0.0, 0.01) != ""


# -- what a postprocess may return -------------------------------------------------------------------------------------


@dataclass
class Detection:
    label: str
    box: np.ndarray[Any, Any]


class Plain:
    """An answer without an __eq__ of its own: after its way between processes, no two are the same object."""

    def __init__(self, label: str, score: float) -> None:
        self.label, self.score = label, score


@pytest.mark.parametrize(
    ("one", "near", "other", "where"),
    [
        (
            Detection("cat", np.array([1.0, 2.0])),
            Detection("cat", np.array([1.0, 2.0 + 1e-6])),
            Detection("cat", np.array([1.0, 3.0])),
            "answer['box'][1] is 3.0",
        ),
        (Plain("cat", 2.0), Plain("cat", 2.0 + 1e-6), Plain("dog", 2.0), "answer['label'] is 'dog'"),
        ([Plain("cat", 2.0)], [Plain("cat", 2.0 + 1e-6)], [Plain("cat", 2.5)], "answer[0]['score'] is 2.5"),
        ({"a": (np.float32(1),)}, {"a": (np.float32(1) + np.float32(1e-6),)}, {"a": (np.float32(2),)}, "answer['a'][0] is 2.0"),
    ],
    ids=["dataclass with an array", "plain object", "list of objects", "numpy scalar"],
)
def test_objects_are_compared_field_by_field(one: Any, near: Any, other: Any, where: str) -> None:
    assert first_difference(one, near, 1e-5) == ""
    assert first_difference(one, other, 1e-5).startswith(where)


def test_objects_of_two_classes_differ_even_with_equal_fields() -> None:
    class Other(Plain):
        pass

    assert first_difference(Plain("cat", 1.0), Other("cat", 1.0), 1e-5) != ""
    assert first_difference(Plain, Other, 1e-5) != "", "classes are compared as they are"
    assert first_difference(Detection, Detection, 1e-5) == ""


def test_an_attribute_that_only_one_side_has_is_a_difference() -> None:
    more = Plain("cat", 1.0)
    more.extra = 1  # type: ignore[attr-defined]
    assert "keys ['label', 'score', 'extra'] from the inference engine" in first_difference(Plain("cat", 1.0), more, 1e-5)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_equal_infinities_and_nans_agree_and_leave_the_other_floats_their_room(value: float) -> None:
    for one, two in (
        (value, value),
        ([value, 1000.0], [value, 1000.001]),
        (np.array([value, 1000.0]), np.array([value, 1000.001])),
        (np.float32([value, 1000.0]), np.float32([value, 1000.001])),
    ):
        assert first_difference(one, two, 1e-5) == ""
    for other in (0.0, -value if np.isinf(value) else np.inf):
        assert first_difference(value, other, 1e-5) != ""
        assert first_difference(np.array([other]), np.array([value]), 1e-5) != ""


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_arrays_are_compared_in_float64(dtype: str) -> None:
    array = np.array([1.0, -2.0, 0.5], dtype)
    assert first_difference(array, array.copy(), 0.0) == ""
    moved = np.nextafter(array, array.dtype.type(9))
    assert first_difference(array, moved, 0.0) == f"answer[0] is {moved[0]} from the inference engine, 1.0 from the training engine"
    assert first_difference(array, moved, 1e-3) == ""


def test_an_array_without_axes_is_named_without_an_index() -> None:
    assert first_difference(np.array(1.0), np.array(2.0), 0.0).startswith("answer is 2.0 from")
    assert first_difference(np.array(1), 1, 0.0) == "", "a number is an array without axes"
    assert first_difference(np.array([1 + 1j]), np.array([1 - 1j]), 1.0).startswith("answer[0] is (1-1j)"), "complex: exact"


@PROPERTY
@given(st.floats(0, 1e6), st.floats(0, 1e-3), st.floats(0, 1.0), st.floats(0, 2.0), st.booleans())
def test_a_float_may_move_by_the_limit_of_the_largest_float_plus_the_absolute_part(
    largest: float, limit: float, absolute: float, by: float, nested: bool
) -> None:
    allowed = limit * largest + absolute
    small = by * allowed
    one, two = [largest, 0.0], [largest, small]
    difference = first_difference({"a": one} if nested else one, {"a": two} if nested else two, limit, absolute)
    assert (difference == "") is (small <= allowed)


# -- ties --------------------------------------------------------------------------------------------------------------


def scored(training: Any, inference: Any, limit: float, absolute: float = 0.0) -> AnswersVerdict:
    """Judges the top-1 answers to two rows of scores."""
    made = AnswersJudge(limit, absolute)
    one, two = np.asarray(training, np.float64), np.asarray(inference, np.float64)
    made.add(top1(one.tolist()), top1(two.tolist()), "sample 0", never, one.reshape(1, -1))
    return made.verdict()


@PROPERTY
@given(
    st.integers(0, 2**16),
    st.integers(2, 10),
    st.sampled_from([1e-6, 1e-4, 1e-2]),
    st.integers(-40, 40),
    st.sampled_from(["logits", "log-softmax", "softmax", "near ties"]),
)
def test_where_the_scores_agree_the_answers_agree_or_are_a_tie(
    seed: int, classes: int, limit: float, exponent: int, kind: str
) -> None:
    random = np.random.RandomState(seed)
    row = 2.0**exponent * random.normal(0, 1, classes)
    if kind == "log-softmax":
        row = row - np.log(np.exp(row - row.max()).sum()) - row.max()
    elif kind == "softmax":
        row = np.exp(row - row.max()) / np.exp(row - row.max()).sum()
    elif kind == "near ties":
        row = np.round(row / row.max(), 1)
    moved = row + random.uniform(-0.999, 0.999, classes) * limit * np.abs(row).max()
    verdict = scored(row, moved, limit)
    assert verdict.passed
    assert (verdict.compared, verdict.agreed + verdict.ties) == (1, 1)


@pytest.mark.parametrize(("gap", "ties"), [(1.9e-3, 1), (2.1e-3, 0)])
@pytest.mark.parametrize(("limit", "absolute"), [(1e-3, 0.0), (0.0, 1e-3), (5e-4, 5e-4)])
def test_a_tie_is_a_margin_of_at_most_two_limits(gap: float, ties: int, limit: float, absolute: float) -> None:
    verdict = scored([1.0, 1.0 - gap, 0.0], [1.0 - gap, 1.0, 0.0], limit, absolute)
    assert (verdict.ties, verdict.passed) == (ties, bool(ties))
    assert (verdict.problem == "") is bool(ties)


def test_the_room_of_a_score_is_that_of_the_output_it_comes_from() -> None:
    assert scored([-50.0, -1e-3], [-50.0, -1.1e-3], 1e-5).agreed == 1, "log-softmax: the best is the smallest in size"
    assert not scored([-50.0, -1e-3], [-50.0, -2e-3], 1e-5).passed


def test_an_answer_of_one_side_only_is_a_failure_and_no_crash() -> None:
    scores = np.array([[0.1, 0.9]])
    for training, inference in ((None, Prediction(1, 0.9)), (Prediction(1, 0.9), None)):
        verdict = judge(training, inference, scores=scores)
        assert (verdict.compared, verdict.agreed, verdict.passed) == (1, 0, False)


def test_a_class_that_the_training_engine_does_not_have_is_a_failure_and_no_crash() -> None:
    verdict = judge(Prediction(1, 0.5), Prediction(7, 0.5), scores=np.array([[0.5, 0.5]]))
    assert verdict.problem == (
        "sample 0 (a.png): class_id 7 (prob 0.5) from the inference engine, 1 (prob 0.5) from the training engine"
    )


@pytest.mark.parametrize(("training", "inference"), [(float("nan"), 0.5), (0.5, float("nan"))])
def test_a_nan_is_no_tie(training: float, inference: float) -> None:
    rows = [[training, 0.2], [0.2, inference]]
    assert not judge(Prediction(0, training), Prediction(1, inference), scores=np.array(rows[:1])).passed
    assert not judge(Prediction(0, training), Prediction(0, inference), scores=np.array(rows[:1])).passed


def test_the_training_sides_postprocess_is_asked_again_only_where_an_own_answer_differs() -> None:
    asked = []

    def again() -> Any:
        asked.append(1)
        return "dog"

    made = AnswersJudge(1e-5)
    for training, inference in (("cat", "cat"), ("cat", "dog"), ("dog", "dog")):
        made.add(training, inference, "sample", again)
    assert len(asked) == 1
    assert made.verdict() == AnswersVerdict(3, 2, 1)


def test_a_tie_of_an_own_answer_must_be_equal_to_the_last_bit() -> None:
    assert not judge({"a": 1.0}, {"a": 2.0}, again=lambda: {"a": 2.0 + 1e-9}).passed
    assert judge({"a": 1.0}, {"a": 2.0}, again=lambda: {"a": 2.0}).ties == 1


@PROPERTY
@given(st.lists(st.sampled_from(["agree", "tie", "fail", "none"]), max_size=8), st.data())
def test_the_order_of_samples_changes_no_count(kinds: list[str], data: st.DataObject) -> None:
    answers = {"agree": (1, 1, 1), "tie": (1, 2, 2), "fail": (1, 2, 1), "none": (None, None, None)}

    def verdict(order: list[str]) -> AnswersVerdict:
        made = AnswersJudge(1e-5)
        for number, kind in enumerate(order):
            training, inference, again = answers[kind]
            made.add(training, inference, f"sample {number}", lambda again=again: again)
        return made.verdict()

    one, two = verdict(kinds), verdict(data.draw(st.permutations(kinds)))
    assert (one.compared, one.agreed, one.ties, one.passed) == (two.compared, two.agreed, two.ties, two.passed)
    assert one.compared == len(kinds) - kinds.count("none")
    assert (one.ties, one.passed) == (kinds.count("tie"), "fail" not in kinds)


class Slotted:
    __slots__ = ("__hidden", "name")

    def __init__(self, name: str, hidden: int = 0) -> None:
        self.name, self.__hidden = name, hidden

    def told(self) -> int:
        return self.__hidden


class OneSlot:
    __slots__ = "name"

    def __init__(self, name: str) -> None:
        self.name = name


def test_objects_whose_attributes_are_slots_are_compared_by_them() -> None:
    assert first_difference(Slotted("cat"), Slotted("cat"), 1e-5) == ""
    assert "answer['name'] is 'dog'" in first_difference(Slotted("cat"), Slotted("dog"), 1e-5)
    assert first_difference(Slotted("cat", 1), Slotted("cat", 2), 1e-5) != ""
    assert first_difference(OneSlot("cat"), OneSlot("cat"), 1e-5) == ""


def test_an_object_without_attributes_is_what_it_is_sent_to_another_process_as() -> None:
    assert first_difference(object(), object(), 1e-5) == ""
    assert first_difference(range(3), range(4), 1e-5) != ""
    unsent = lambda: None  # noqa: E731  which nothing can send
    assert first_difference(unsent, unsent, 1e-5) == ""


class Label(Enum):
    CAT = 1
    DOG = 2


class Node:
    def __init__(self, name: str, parent: Any = None) -> None:
        self.name, self.parent, self.children = name, parent, []
        if parent is not None:
            parent.children.append(self)


class Box:
    def __init__(self, corners: Any) -> None:
        self.corners = corners

    def __eq__(self, other: object) -> Any:
        return self.corners == getattr(other, "corners", None)

    __hash__ = None  # type: ignore[assignment]


def tree(leaf: str) -> Node:
    root = Node("root")
    Node(leaf, root)
    return root


def test_members_of_an_enum_are_compared_as_such() -> None:
    assert first_difference({"label": Label.CAT, "prob": 0.5}, {"label": Label.CAT, "prob": 0.5}, 1e-5) == ""
    assert "Label.DOG" in first_difference({"label": Label.CAT}, {"label": Label.DOG}, 1e-5)


def test_answers_that_refer_to_themselves_are_compared_whole() -> None:
    assert first_difference(tree("a"), tree("a"), 1e-5) == ""
    assert first_difference(tree("a"), tree("b"), 1e-5) == "two answers that refer to themselves differ"


def test_objects_whose_equality_is_of_arrays_are_compared_as_they_are_sent() -> None:
    assert first_difference(Box(np.arange(4.0)), Box(np.arange(4.0)), 1e-5) == ""
    assert first_difference(Box(np.arange(4.0)), Box(np.arange(1.0, 5.0)), 1e-5) != ""


@pytest.mark.parametrize(
    ("training", "inference"),
    [
        ({"class_id": 5, "box": [611.0]}, {"class_id": 6.0, "box": [611.0]}),
        ({"class_id": np.int64(5), "box": [611.0]}, {"class_id": 6.0, "box": [611.0]}),
        ([np.array([5, 3]), 600.0], [np.array([6.0, 2.0], np.float32), 600.0]),
        ([False, 600.0], [1.0, 600.0]),
        ([1, 600.0], [0.9999999, 600.0]),
        (np.ma.masked_array([1.0, 2.0], [0, 1]), np.ma.masked_array([1.5, 2.0], [0, 1])),
    ],
)
def test_a_whole_number_is_no_other_one_whatever_floats_may_differ_by(training: Any, inference: Any) -> None:
    """Boxes in pixels leave room for more than 1 where the limit is that of fp16; a mask's filling would leave any."""
    assert first_difference(training, inference, 0.0079)
    assert first_difference(inference, training, 0.0079)
    assert not first_difference(training, training, 0.0079)


def test_arrays_of_arrays_are_compared_item_by_item() -> None:
    one, two = (np.empty(2, object) for _ in range(2))
    one[:] = [np.ones((2, 3)), np.zeros(4)]
    two[:] = [np.ones((2, 3)), np.ones(4)]
    assert first_difference(one, one.copy(), 1e-6) == ""
    assert first_difference(one, two, 1e-6) == "answer[1][0] is 1.0 from the inference engine, 0.0 from the training engine"
