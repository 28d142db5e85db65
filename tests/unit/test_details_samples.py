"""What is kept of each sample: figures as the judge has them, the best classes, magnitudes; by hand-computed arrays."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from parity_case import LIMIT, Case, Prediction, logits, moved

from pytest_paddle_infer.details.answers import ITEMS, LONGEST, as_text
from pytest_paddle_infer.details.magnitudes import BINS, LOOKED_AT, Magnitudes
from pytest_paddle_infer.details.samples import PICTURED, SampleRecords
from pytest_paddle_infer.judge.noise import Array
from pytest_paddle_infer.parity import ParityRun


def kept(case: Case, inference: list[Array], **more: Any) -> tuple[SampleRecords, ParityRun, dict[str, Any]]:
    """The records of a run, the run, and what the report shows of it."""
    records = SampleRecords(len(case.samples))
    case.run = ParityRun(case.model, case.spec, case.reference, case.output_names, records)
    run = case.feed(inference, **more)
    return records, run, records.parts(case.samples, run.outputs, {})


# -- figures of a sample -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_each_sample_has_its_own_error_against_the_limit(batch_size: int) -> None:
    exact = logits()
    other = moved(exact, 2e-6, (1, 3))
    other[2, 4] = exact[2, 4] + 4e-5
    case = Case([exact], batch_size=batch_size)
    _, run, parity = kept(case, [other])
    errors = [sample["error_relative"] for sample in parity["samples"]]
    limits = [sample["limits"] for sample in parity["samples"]]
    assert errors[1:3] == pytest.approx([2e-6, 4e-5], rel=0.05)
    assert max(errors[0], errors[3]) < 1e-7
    assert limits[2] == max(limits) == pytest.approx(run.outputs[0].excess, rel=1e-4)
    assert [sample["limit_relative"] for sample in parity["samples"]] == [pytest.approx(LIMIT)] * 4
    assert [(sample["index"], sample["name"], sample["input"]) for sample in parity["samples"]] == [
        (number, f"{number}.png", "equal") for number in range(4)
    ]
    assert parity["samples_compared"] == 4
    assert parity["outputs"][0]["error_relative"] == pytest.approx(4e-5, rel=0.05)


def test_a_sample_without_a_reference_has_the_limit_that_the_judge_gave_it() -> None:
    case = Case([logits()], known=2)
    _, _, parity = kept(case, case.training)
    assert [sample["limit_relative"] for sample in parity["samples"]] == [
        pytest.approx(limit) for limit in (LIMIT, LIMIT, 1.25 * LIMIT, 1.25 * LIMIT)
    ]


def test_the_output_nearest_its_limit_is_named() -> None:
    exact = logits()
    case = Case([exact, exact.copy()], names=("a", "b"))
    _, _, parity = kept(case, [moved(exact, 1e-6, (0, 3)), moved(exact, 2e-6, (1, 3))])
    assert [sample["output"] for sample in parity["samples"]][:2] == ["output a", "output b"]
    assert [output["name"] for output in parity["outputs"]] == ["output a", "output b"]


def test_the_output_nearest_its_limit_may_have_the_smaller_error() -> None:
    exact = logits()
    case = Case([exact, exact.copy()], names=("a", "b"), atol={"a": 1e-3, "b": 1e-6})
    _, _, parity = kept(case, [moved(exact, 1e-4, (0, 3)), moved(exact, 5e-7, (0, 3))])
    first = parity["samples"][0]
    assert (first["output"], first["limit_relative"]) == ("output b", 1e-6)
    assert first["limits"] == pytest.approx(0.5, rel=0.1)


def test_nan_and_another_shape_are_beyond_any_limit_and_null() -> None:
    exact = logits()
    _, _, parity = kept(Case([exact], batch_size=1), [moved(exact, float("nan"), (2, 0))])
    assert [sample["limits"] is None for sample in parity["samples"]] == [False, False, True, False]
    assert (parity["samples"][2]["error_relative"], parity["samples"][2]["limit_relative"]) == (None, pytest.approx(LIMIT))
    assert (parity["outputs"][0]["error_relative"], parity["outputs"][0]["limit_relative"]) == (None, pytest.approx(LIMIT))
    assert parity["samples"][2]["inference"]["margin"] is None
    _, run, parity = kept(Case([exact]), [exact[:, :5].astype(np.float32)])
    assert run.outputs[0].excess == float("inf")
    assert parity["outputs"][0]["error_relative"] is None, "not 0: nothing was compared"
    assert {sample["limits"] for sample in parity["samples"]} == {None}


def test_integers_that_differ_are_beyond_any_limit_and_those_that_agree_are_none_off() -> None:
    exact = np.arange(12).reshape(4, 3)
    wrong = exact.copy()
    wrong[1, 1] += 1
    _, _, parity = kept(Case([exact], batch_size=1), [wrong])
    assert [sample["limits"] for sample in parity["samples"]] == [0.0, None, 0.0, 0.0]
    assert parity["outputs"][0]["magnitudes"] == []


def test_an_output_without_a_batch_axis_counts_for_every_sample_of_its_batch() -> None:
    case = Case([logits(), np.array(2.0)], names=("a", "b"))
    _, _, parity = kept(case, [case.training[0], np.array(2.0 + 1e-4, np.float32)])
    assert {sample["output"] for sample in parity["samples"]} == {"output b"}
    assert [sample["error_relative"] for sample in parity["samples"]] == pytest.approx([5e-5] * 4, rel=0.01)


@pytest.mark.parametrize(("apart", "state"), [(0.0, "equal"), (1e-6, "rounding"), (0.1, "differs")])
def test_the_input_of_each_sample_of_a_batch_is_told(apart: float, state: str) -> None:
    case = Case([logits()])
    tensors = np.ones((4, 3), np.float32), np.ones((4, 3), np.float32)
    tensors[1][1] += np.float32(apart)
    _, _, parity = kept(case, case.training, tensors=tensors)
    assert [sample["input"] for sample in parity["samples"]] == ["equal", state, "equal", "equal"]


@pytest.mark.parametrize("other", [np.ones((4, 2), np.float32), np.ones((4, 3), np.float64)], ids=["shape", "dtype"])
@pytest.mark.parametrize("beside", [False, True])
def test_inputs_of_another_shape_or_dtype_are_not_equal(other: Array, beside: bool) -> None:
    case = Case([logits()])
    one = np.ones((4, 3), np.float32)
    if beside:  # an equal input, which alone is told of
        case.model.inputs = (SimpleNamespace(name="x"), SimpleNamespace(name="y"))
    records, _, parity = kept(case, case.training, tensors=([one] * 2, [one, other]) if beside else (one, other))
    assert {sample["input"] for sample in parity["samples"]} == {"differs"}
    assert not any(records.fed_alike(index) for index in range(4)), "so both are shown"


@pytest.mark.parametrize(("apart", "state"), [(0.0, "equal"), (1e-6, "rounding"), (0.1, "differs")])
def test_an_input_without_a_batch_axis_counts_for_every_sample(apart: float, state: str) -> None:
    case = Case([logits()])
    case.model.inputs = (SimpleNamespace(name="x"), SimpleNamespace(name="scale"))
    one, scale = np.ones((4, 3), np.float32), np.array(1.0, np.float32)
    _, _, parity = kept(case, case.training, tensors=([one, scale], [one, np.array(1.0 + apart, np.float32)]))
    assert [sample["input"] for sample in parity["samples"]] == [state] * 4


def test_answers_agree_tie_or_differ_sample_by_sample() -> None:
    exact = logits()
    exact[1, 2] = 1.0 - 1e-7  # as good as the best
    other = exact.astype(np.float32)
    other[1, 2], other[1, 1] = 1.0, np.float32(1.0 - 1e-7)
    other[2, 5] = 2.0
    _, run, parity = kept(Case([exact]), [other])
    assert [sample["agreement"] for sample in parity["samples"]] == ["agrees", "tie", "differs", "agrees"]
    assert (run.answers.agreed, run.answers.ties) == (2, 1)


# -- answers -----------------------------------------------------------------------------------------------------------


def test_the_best_five_classes_of_both_sides_stand_best_first_with_the_margin() -> None:
    exact = np.array([[0.1, 0.9, 0.3, 0.3, -0.5, 0.2, 0.05]])
    other = np.array([[0.1, 0.25, 0.3, 0.3, -0.5, 0.2, 0.05]], np.float32)
    _, _, parity = kept(Case([exact], batch_size=1), [other])
    (sample,) = parity["samples"]
    assert sample["training"] == {
        "top": [{"class_id": number, "score": score} for number, score in [(1, 0.9), (2, 0.3), (3, 0.3), (5, 0.2), (0, 0.1)]],
        "margin": pytest.approx(0.6),
    }
    assert [each["class_id"] for each in sample["inference"]["top"]] == [2, 3, 1, 5, 0], "equal scores in the order of the classes"
    assert sample["inference"]["margin"] == 0.0


def test_fewer_than_five_classes_give_fewer_and_what_is_no_score_none() -> None:
    _, _, parity = kept(Case([logits(4, 3)]), [logits(4, 3).astype(np.float32)])
    assert {len(sample["training"]["top"]) for sample in parity["samples"]} == {3}
    boxes = np.random.RandomState(0).rand(4, 2, 2)
    _, _, parity = kept(Case([boxes], postprocess=len), [boxes.astype(np.float32)])
    assert {sample["training"] for sample in parity["samples"]} == {None}


def test_an_own_postprocess_has_classes_only_where_its_answers_name_some() -> None:
    case = Case([logits()], postprocess=len)
    _, _, parity = kept(case, case.training, answers=lambda side: [[0.5, 0.25]] * 2)
    assert {each for sample in parity["samples"] for each in (sample["training"], sample["inference"])} == {None}
    case = Case([logits()], postprocess=len)
    _, _, parity = kept(case, case.training, answers=lambda side: [Prediction(1, 0.5)] * 2)
    assert [sample["inference"]["top"][0]["class_id"] for sample in parity["samples"]] == [0, 1, 2, 3]


def texts(answers: Any, **spec: Any) -> list[dict[str, str] | None]:
    case = Case([logits()], batch_size=4, **{"postprocess": len, **spec})
    _, _, parity = kept(case, case.training, answers=lambda side: answers[side])
    return [sample["answer_texts"] for sample in parity["samples"]]


def test_the_answers_of_an_own_postprocess_are_kept_as_text() -> None:
    array = np.arange(100, dtype=np.float32)
    one = [{"label": "cat", "boxes": [1, 2]}, array, Prediction(3, 0.5), None]
    two = [{"label": "dog", "boxes": []}, array[:2], None, None]
    assert texts((one, two)) == [
        {"training": "{'label': 'cat', 'boxes': [1, 2]}", "inference": "{'label': 'dog', 'boxes': []}"},
        {
            "training": "array([ 0., 1., 2., ..., 97., 98., 99.], shape=(100,), dtype=float32)" if np.__version__ >= "2.2" else
            "array([ 0., 1., 2., ..., 97., 98., 99.], dtype=float32)",
            "inference": "array([0., 1.], dtype=float32)",
        },
        {"training": "Prediction(class_id=3, prob=0.5)", "inference": "None"},
        None,
    ]  # fmt: skip


def test_the_default_postprocess_leaves_no_text() -> None:
    _, _, parity = kept(Case([logits()]), [logits().astype(np.float32)])
    assert {sample["answer_texts"] for sample in parity["samples"]} == {None}


def test_an_answer_is_one_short_line_without_control_characters() -> None:
    assert as_text("a\x1b[31m\n\udcff") == "'a\\x1b[31m\\n\\udcff'"
    named = type("Named", (), {"__repr__": lambda self: "red \x1b[31m\x07 and\nblue"})
    assert as_text(named()) == r"red \x07 and blue"
    assert as_text("word " * 100).endswith("word ...")
    assert [len(as_text("x" * length)) for length in (100, 10_000)] == [102, LONGEST]
    assert as_text({key: key for key in range(3, -ITEMS, -1)})[:15] == "{3: 3, 2: 2, 1:", "in its own order"
    assert as_text([[[[[[[[{"deep": 1}]]]]]]]]) == "[[[[[[[...]]]]]]]"
    assert as_text({"a": {"b": {"c": {"d": {"e": {"f": {"g": 1}}}}}}}).count("{") == 7


def test_an_answer_that_cannot_be_shown_is_told_by_its_type() -> None:
    class dict(int):  # reprlib goes by the name of the type
        pass

    assert as_text(dict(1)) == "<dict, whose repr raises AttributeError>"


def test_answers_of_many_large_things_cost_little_time_and_little_memory() -> None:
    mask = np.zeros((2000, 2000), np.float32)
    answer = {"mask": mask, "rows": [list(range(1000))] * 1000, "labels": dict.fromkeys(range(1000), "x" * 1000)}
    records = SampleRecords(2000)
    tracemalloc.start()
    begin = time.process_time()
    for number in range(2000):
        records.add(number, [], [], True, ["agrees"], False, ([answer], [answer]))
    seconds = time.process_time() - begin
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 2000 * 1000
    assert seconds < 10, "of 4,000 answers, traced, on a slow machine"


def test_lists_in_lists_do_not_multiply() -> None:
    answer: Any = 1
    for _ in range(6):
        answer = [answer] * ITEMS
    begin = time.process_time()
    assert as_text(answer).startswith("[[[[[[1, 1, 1, ")
    assert time.process_time() - begin < 1


def test_nothing_is_made_of_answers_that_no_report_shows() -> None:
    class Loud:
        def __repr__(self) -> str:
            raise AssertionError("shown")

        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    case = Case([logits()], postprocess=len)
    assert case.feed(case.training, answers=lambda side: [Loud()] * 2).passed


# -- which are pictured, and memory ------------------------------------------------------------------------------------


def test_the_worst_eight_and_then_the_first_samples_are_chosen() -> None:
    exact = logits(40)
    other = exact.astype(np.float32)
    for number in range(20, 32):  # the later, the worse
        other[number, 0] += np.float32(number * 1e-6)
    records, _, _ = kept(Case([exact], batch_size=1), [other])
    assert records.chosen() == [*range(8), *range(24, 32)]
    few, _, _ = kept(Case([logits()]), [logits().astype(np.float32)])
    assert few.chosen() == [0, 1, 2, 3]
    assert len(records.chosen()) == PICTURED


def test_a_sample_costs_less_than_two_hundred_bytes() -> None:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        records = SampleRecords(20_000)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(records) == 0
    assert after - before < 20_000 * 200


def test_a_run_that_stopped_tells_of_the_samples_before(tmp_path: Path) -> None:
    case = Case([logits(6)], batch_size=2)
    records = SampleRecords(6)
    case.run = ParityRun(case.model, case.spec, case.reference, case.output_names, records)
    case.parts = lambda: [(0, 2), (2, 4)]  # type: ignore[method-assign]
    run = case.feed(case.training)
    assert len(records) == 4
    assert [sample["index"] for sample in records.parts(case.samples, run.outputs, {2: b""})["samples"]] == [0, 1, 2, 3]
    assert [sample["pictured"] for sample in records.parts(case.samples, run.outputs, {2: b""})["samples"]] == [
        False,
        False,
        True,
        False,
    ]


# -- error against magnitude -------------------------------------------------------------------------------------------


def bins(magnitude: list[float], ratio: list[float], scale: float = 1.0) -> list[tuple[float, float, int, float, float]]:
    kept = Magnitudes()
    kept.add(np.array(magnitude), np.array(ratio), scale)
    return [tuple(each.values()) for each in kept.bins()]  # type: ignore[misc]


def test_elements_are_counted_by_octaves_of_the_scale() -> None:
    found = bins([4.0, 3.0, 2.0, 1.0, 0.9], [1e-3, 2e-3, 4e-3, 8e-3, 0.0], scale=4.0)
    assert [(low, high, count) for low, high, count, _, _ in found] == [(0.125, 0.25, 2), (0.25, 0.5, 1), (0.5, 1.0, 2)]
    assert [largest for *_, largest in found] == [8e-3, 4e-3, 2e-3]
    assert [median for *_, median, _ in found] == pytest.approx([0.0, 4e-3, 1e-3], rel=0.07)


def test_what_is_nearly_nothing_is_in_the_bin_that_begins_at_zero() -> None:
    (small, large) = bins([0.0, 1e-30, 1.0], [1e-6, 3e-6, 5e-6])
    assert small[:3] == (0.0, pytest.approx(2.0**-46, rel=1e-4), 2)
    assert small[4] == 3e-6
    assert large[:3] == (0.25, 1.0, 1), "two octaves a bin, because 48 are spanned"


@pytest.mark.parametrize("octaves", [1, 23, 24, 25, 48])
def test_there_are_no_more_bins_than_the_report_shows_and_they_meet(octaves: int) -> None:
    found = bins([2.0**-k for k in range(octaves)], [1e-6] * octaves)
    assert len(found) <= BINS
    assert sum(count for _, _, count, _, _ in found) == octaves
    assert [high for _, high, *_ in found[:-1]] == [low for low, *_ in found[1:]]


def test_medians_are_right_to_six_percent() -> None:
    errors = 10.0 ** np.random.RandomState(1).uniform(-9, -2, 999)
    kept = Magnitudes()
    for part in np.split(errors, 3):
        kept.add(np.ones(333), part, 1.0)
    (found,) = kept.bins()
    assert found["median_error_relative"] == pytest.approx(float(np.median(errors)), rel=0.065)
    assert found["largest_error_relative"] == pytest.approx(float(errors.max()), rel=1e-4)


def test_of_very_many_elements_some_are_looked_at_and_the_worst_always() -> None:
    errors = np.full(10 * LOOKED_AT, 1e-7)
    errors[3] = 1e-2
    kept = Magnitudes()
    kept.add(np.ones(errors.size), errors, 1.0)
    (found,) = kept.bins()
    assert found["elements"] == LOOKED_AT + 1
    assert found["largest_error_relative"] == 1e-2


def test_errors_that_are_no_numbers_and_outputs_of_zeros_have_no_bins() -> None:
    assert bins([1.0], [float("inf")]) == []
    assert bins([0.0], [0.0], scale=0.0) == []
