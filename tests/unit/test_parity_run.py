"""parity.py: what both engines observed becomes a verdict, an example for the diagnosis, figures and facts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from parity_case import FLOOR, LIMIT, Arrays, Case, Observed, Prediction, logits, moved

from pytest_paddle_infer.engine.observed import digest_of
from pytest_paddle_infer.failures import OptionError
from pytest_paddle_infer.judge.noise import Array, Floor
from pytest_paddle_infer.parity import KEPT_OUTPUTS, ParityRun
from pytest_paddle_infer.parity_words import are_predictions
from pytest_paddle_infer.reprod_files import write_evidence

# -- verdict -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("source", ["float64", "one ulp"])
def test_equal_engines_pass_and_everything_was_compared(batch_size: int, source: str) -> None:
    case = Case([logits()], batch_size=batch_size, source=source)
    run = case.feed(case.training)
    assert run.passed
    assert run.vacuous == run.input_problem == run.output_problem == run.output_hint() == run.count_problem == ""
    assert run.example is None
    assert run.inputs == ()
    assert not run.inputs_differ
    (verdict,) = run.outputs
    assert (verdict.samples, verdict.elements) == (4, 24)
    assert (run.answers.compared, run.answers.agreed) == (4, 4)


@pytest.mark.parametrize(("limits", "known", "passes"), [(0.9, 4, True), (1.1, 4, False), (1.1, 0, True), (1.4, 0, False)])
def test_samples_with_a_reference_are_held_to_the_limit_and_others_to_one_floor_more(
    limits: float, known: int, passes: bool
) -> None:
    case = Case([logits()], known=known)
    assert case.feed([moved(case.exact[0], limits * LIMIT)]).passed is passes


def test_before_any_sample_there_is_no_pass() -> None:
    run = Case([logits()]).run
    assert not run.passed
    assert run.output_problem == "output: nothing was compared."


def test_a_model_without_outputs_is_no_pass() -> None:
    run = Case([], names=()).run
    assert not run.passed
    assert run.count_problem == "neither engine has an output: nothing was compared."
    assert run.figures() == ()


def test_another_number_of_outputs_is_named_as_such() -> None:
    case = Case([logits()], inference_names=["a", "b"])
    assert not case.feed(case.training).passed
    assert case.run.count_problem.startswith("the inference engine has 2 outputs, the training engine 1: ")


def test_a_fault_in_the_second_output_alone_is_caught_and_named() -> None:
    exact = [logits(), logits(4, 3)]
    case = Case(exact, names=["prob", "boxes"])
    run = case.feed([case.training[0], moved(exact[1], 1e-3, (3, 1))])
    assert [verdict.passed for verdict in run.outputs] == [True, False]
    assert run.output_problem.startswith(
        "output boxes: 1 of 12 elements differ by more than 4e-06 of the largest value; worst at sample 3"
    )
    assert run.outputs[1].index == (3, 0, 1)


def test_an_output_that_an_engine_leaves_out_was_not_compared() -> None:
    exact = [logits(), logits(4, 3)]
    case = Case(exact, names=["a", "b"])
    assert not case.feed(case.training[:1]).passed
    assert case.run.output_problem == "output b: nothing was compared."


def test_the_users_tolerance_replaces_the_noise_rule_for_outputs_and_answers() -> None:
    exact = logits()
    for tolerance, passes in (({"rtol": 0.1}, True), ({"atol": 0.1}, True), ({"rtol": 1e-4, "atol": 1e-4}, False)):
        case = Case([exact], **tolerance)
        assert case.feed([moved(exact, 1e-2, (0, 0))]).passed is passes


def test_a_tolerance_may_be_given_for_one_output_by_its_name() -> None:
    exact = [logits(), logits(4, 3)]
    wrong = [moved(exact[0], 1e-2), moved(exact[1], 1e-2, (1, 1))]
    assert not Case(exact, names=["a", "b"], atol={"b": 0.1}).feed(wrong).passed
    assert Case(exact, names=["a", "b"], atol={"b": 0.1, "": 0.05}).feed(wrong).passed
    assert not Case(exact, names=["a", "b"], atol={"b": 0.1, "": 1e-3}).feed(wrong).passed
    with pytest.raises(OptionError, match="atol names the output 'c'; the outputs are 'a', 'b', and '' stands for those not named"):
        Case(exact, names=["a", "b"], atol={"c": 0.1})
    with pytest.raises(
        OptionError, match="rtol names the output 'c'; the model has one output, without a name: give a number, or '' for the name"
    ):
        Case([logits()], names=[""], rtol={"c": 0.1})


# -- inputs ------------------------------------------------------------------------------------------------------------


def pictures(samples: int = 4) -> Array:
    return np.random.RandomState(7).random_sample((samples, 3, 5, 5)).astype(np.float32)


def test_inputs_that_differ_by_rounding_pass_and_the_reference_is_not_held_against_other_inputs() -> None:
    case, x = Case([logits()]), pictures()
    run = case.feed([moved(case.exact[0], 1.1 * LIMIT)], tensors=(x, x + np.float32(1e-7)))
    assert case.asked == 2
    assert run.passed
    assert not run.inputs_differ
    assert [verdict.name for verdict in run.inputs] == ["input x"]
    assert run.outputs[0].reference is None


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (lambda x: x[:, ::-1], "the inference preprocessing feeds the channels in reverse order (BGR for RGB)."),
        (
            lambda x: x.transpose(0, 2, 3, 1),
            "the inference preprocessing feeds NHWC where the model takes NCHW (transpose missing).",
        ),
        (lambda x: x.astype(np.float64), "the inference preprocessing makes float64, the training preprocessing float32."),
        (lambda x: x[..., :4], "the inference preprocessing crops to 5x4 where the training preprocessing makes 5x5."),
        (lambda x: np.where(np.arange(5) == 2, x + 1, x).astype(np.float32), "preprocessing: input x: 60 of 300 elements differ"),
    ],
    ids=["channels", "layout", "dtype", "shape", "one column"],
)
def test_inputs_that_differ_are_named_even_where_the_outputs_agree(fault: Any, problem: str) -> None:
    case, x = Case([logits()]), pictures()
    run = case.feed(case.training, tensors=(x, fault(x)))
    assert all(verdict.passed for verdict in run.outputs)
    assert not run.passed
    assert run.inputs_differ
    assert run.input_problem.startswith(problem)
    assert run.example is not None
    assert run.example.training_inputs is not None


def test_an_input_fault_after_an_output_fault_is_told_without_a_hint_from_the_wrong_batch() -> None:
    case = Case([logits()])
    x = pictures()
    y = x.copy()
    y[3, 0, 0, 0] += 1
    run = case.feed([moved(case.exact[0], 1.0, (0, 2))], tensors=(x, y))
    assert run.input_problem.startswith("preprocessing: input x: 1 of 300 elements differ by more than 1e-05 + 1e-05 * |training|")


@pytest.mark.parametrize("size", [1, 2])
def test_where_two_tensors_differ_most_is_told_by_the_number_of_the_sample(size: int) -> None:
    case = Case([logits()], batch_size=size)
    x = pictures()
    y = x.copy()
    y[2:] += np.random.RandomState(3).normal(0, 1, x[2:].shape).astype(np.float32)
    facts = dict(case.feed(case.training, tensors=(x, y)).input_facts())
    assert re.search(r"the largest is \S+, at sample [23], element \[0, \d, \d+, \d+\]$", facts["difference"]), (
        "2 begins the batch that is kept"
    )
    run = case.feed(case.training, tensors=(x, y))
    assert run.worst_input_sample is not None
    assert f"at sample {run.worst_input_sample}, element" in run.input_difference


@pytest.mark.parametrize(("wrong", "told"), [([1], "1 alone differs"), ([0, 2], "0, 2 alone differ"), ([0, 1, 2, 3], "")])
def test_what_one_sample_of_a_batch_shows_is_not_hidden_by_the_others(wrong: list[int], told: str) -> None:
    case, x = Case([logits()], batch_size=4), pictures()
    y = x.copy()
    y[wrong] = x[wrong][:, ::-1]
    run = case.feed([moved(case.exact[0], 1.0, (0, 2))], tensors=(x, y))
    found = run.input_finding()
    assert found is not None
    assert found.cause == "the inference preprocessing feeds the channels in reverse order (BGR for RGB)."
    assert dict(found.facts).get("samples", "") == (f"of the batch, {told}" if told else "")


def test_the_figures_of_an_input_say_of_how_many_samples_they_are() -> None:
    case, x = Case([logits()], batch_size=1), pictures()
    y = x.copy()
    y[1:3, 0, 2, 3] += 1
    y[2, 0, 0, 0] += 0.5

    def part(start: int, stop: int, run: ParityRun) -> None:
        inputs = "same" if start in (0, 3) else "other"
        one = Observed("same", case.cut(case.training, start, stop), ())
        sides = [x[start:stop]], [y[start:stop]]
        run.add(
            one, replace(one, inputs=inputs), case.samples[start:stop], start, lambda: sides, lambda _: (), lambda _: one.outputs
        )  # type: ignore[arg-type]

    for start, stop in case.parts():
        part(start, stop, case.run)
    assert case.run.input_difference.startswith(
        "preprocessing: input x: 3 of 150 elements of 2 of 4 samples differ by more than 1e-05 + 1e-05 * |training|; furthest beyond that "
        "at sample "
    )
    assert case.run.differing_input == 0
    whole = Case([logits()]).feed([logits().astype(np.float32)], tensors=(x, y))
    assert "input x: 3 of 300 elements differ by more" in whole.input_difference, "all were compared"
    same = Case([logits()]).feed([logits().astype(np.float32)])
    assert (same.input_difference, same.input_problem, same.differing_input) == ("", "", None)


def test_inputs_alone_differ_where_outputs_and_answers_agree_in_a_comparison_that_sees() -> None:
    x = pictures()
    case = Case([logits()])
    assert case.feed(case.training, tensors=(x, x + 1)).only_inputs_differ
    assert not Case([logits()]).feed(case.training).only_inputs_differ
    assert not Case([logits()]).feed([moved(case.exact[0], 1.0)], tensors=(x, x + 1)).only_inputs_differ
    blind = Case([logits()], responses=[1e-9])
    assert not blind.feed(blind.training, tensors=(x, x + 1)).only_inputs_differ
    answers = Case([logits()], batch_size=4)
    given = ([Prediction(n, 0.5) for n in range(4)], [Prediction(n, 0.1) for n in range(4)])
    assert not answers.feed(answers.training, tensors=(x, x + 1), answers=lambda side: given[side]).only_inputs_differ


# -- the example and the evidence --------------------------------------------------------------------------------------


def test_the_first_batch_that_fails_is_kept_whole() -> None:
    case = Case([logits()])
    wrong = moved(case.exact[0], 1.0, (2, 3))
    wrong[3] += 1
    run = case.feed([wrong])
    assert run.example is not None
    assert (run.example.start, run.example.stop) == (2, 4)
    np.testing.assert_array_equal(run.example.inference[0], wrong[2:4])
    np.testing.assert_array_equal(run.example.training[0], case.training[0][2:4])
    assert run.example.training_inputs is None


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `write_evidence` hands to reprod_log, which itself imports Paddle; by file name."""
    files: dict[str, Any] = {}
    monkeypatch.setattr("pytest_paddle_infer.logs.reprod.write_reprod", lambda path, arrays: files.update({path.name: arrays}))
    monkeypatch.setattr("pytest_paddle_infer.logs.reprod.write_diff", lambda path, one, two: files.update({path.name: (one, two)}))
    return files


def test_outputs_of_the_first_samples_and_all_answers_are_kept(written: dict[str, Any], tmp_path: Path) -> None:
    case = Case([logits(12)], batch_size=3)
    run = case.feed(case.training)
    assert [len(outputs[0]) for outputs in run.kept[0]] == [3, 3, 3]
    assert sum(len(outputs[0]) for outputs in run.kept[1]) >= KEPT_OUTPUTS
    write_evidence(run, tmp_path)
    paths = tmp_path / "output_training_engine.npy", tmp_path / "output_inference_engine.npy"
    assert written["train_infer_diff.log"] == paths
    for path in paths:
        stored = written[path.name]
        assert stored["class_id"].tolist() == [number % 6 for number in range(12)]
        assert stored["prob"].dtype == np.float32
        np.testing.assert_array_equal(stored["output_0"], case.training[0][:9])


def test_answers_are_explained_by_all_of_them_and_by_the_outputs_that_are_kept() -> None:
    """Labels sorted by class: what differs may be in the last samples alone."""
    case = Case([logits(12), logits(12, 3), np.zeros((), np.float32)], batch_size=3)
    run = case.feed(case.training)
    assert [len(answers) for answers in run.answered] == [12, 12]
    assert [output.shape for output in run.first_outputs] == [(9, 6), (9, 3)], "one that counts no samples is left out"
    uneven = Case([logits(4)[:, :, None, None]], batch_size=3)
    outputs = uneven.feed(uneven.training).first_outputs
    assert [output.shape for output in outputs] == [(4, 6, 1, 1)], "the last batch is a small one"
    boxes = Case([logits(2)], batch_size=1, postprocess=len)
    for first in (0, 1):
        seen: Any = Observed("same", [np.ones((2, 4), np.float32)], (2,))
        boxes.run.add(
            seen, seen, boxes.samples[first : first + 1], first, lambda: ([], []), lambda outputs: (0,), lambda tensors: []
        )
    assert boxes.run.first_outputs == [], "two rows of each sample are none of a sample"


def test_outputs_of_varying_shape_are_kept_by_batch_and_own_answers_are_not(written: dict[str, Any], tmp_path: Path) -> None:
    case = Case([logits(2)], batch_size=1, postprocess=len)
    for first, count in enumerate((2, 3)):
        boxes = [np.ones((count, 4, count), np.float32)]
        seen: Any = Observed("same", boxes, (count,))
        case.run.add(seen, seen, case.samples[first : first + 1], first, lambda: ([], []), lambda outputs: (0,), lambda tensors: [])
    write_evidence(case.run, tmp_path)
    shapes = {name: value.shape for name, value in written["output_inference_engine.npy"].items()}
    assert shapes == {"output_0_batch_0": (2, 4, 2), "output_0_batch_1": (3, 4, 3)}
    assert case.run.first_outputs == [], "nobody knows which of them an answer was made of"


# -- answers -----------------------------------------------------------------------------------------------------------


def test_a_class_that_differs_beside_equal_outputs_is_told_with_the_sample() -> None:
    case = Case([logits()])
    answers = [Prediction(0, 1.0), Prediction(1, 1.0)], [Prediction(0, 1.0), Prediction(2, 1.0)]
    run = case.feed(case.training, answers=lambda side: answers[side])
    assert all(verdict.passed for verdict in run.outputs)
    assert run.output_problem.startswith("the raw outputs agree, the answers do not: sample 1 (1.png): class_id 2 ")
    assert dict(run.facts())["first"].startswith("sample 1 (1.png): class_id 2")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (([Prediction(0, 1.0)] * 2, [Prediction(0, 0.5)] * 2), "0 of 4 agree in class and probability (4 in the class alone)"),
        (([Prediction(0, 1.0)] * 2, [Prediction(0, 1.0), Prediction(1, 1.0)]), "2 of 4 agree in class and probability"),
        ((["cat"] * 2, ["cat", "dog"]), "2 of 4 agree"),
    ],
)
def test_how_many_answers_agree_is_told_with_what_was_compared(answers: tuple[list[Any], list[Any]], said: str) -> None:
    case = Case([logits()], postprocess=str)
    other = moved(case.exact[0], 2 * LIMIT, (0, 0))  # so that nothing is a tie
    assert dict(case.feed([other], answers=lambda side: answers[side]).facts())["answers"] == said


def test_integers_are_told_as_equal_or_not_and_never_by_a_share_of_the_largest() -> None:
    whole = np.arange(20).reshape(4, 5)
    case = Case([whole], postprocess=str)
    other = whole.copy()
    other[1, 2:] += 1
    assert dict(case.feed([other]).facts())["output"] == (
        "3 of 20 integers differ, by at most 1; the first at sample 1, element [0, 2]: inference 8, training 7"
    )
    case = Case([whole], postprocess=str)
    assert dict(case.feed([whole]).facts())["output"] == "all integers are equal"
    case.run.add_invariance({"asked twice": [(whole[:1], whole[1:2])]}, dict)
    assert case.run.invariance_problem.endswith("asked twice: output differs in 5 of 5 integers.")


def test_integers_that_rounding_decides_are_told_as_near_ties_also_where_the_engine_is_asked_otherwise() -> None:
    whole = np.arange(200).reshape(4, 50)
    other = whole.copy()
    other[1, 2] += 1
    one, two = Observed("same", [whole], ("a",) * 4), Observed("same", [other], ("a",) * 4)
    case = Case([whole], postprocess=str, batch_size=4)

    def near(output: int, one: Any, two: Any) -> Any:
        assert output == 0
        return one != two

    def never(*_: Any) -> Any:
        raise AssertionError

    case.run.add(one, two, case.samples, 0, never, never, never, near)  # type: ignore[arg-type]
    assert case.run.passed
    assert dict(case.run.facts())["output"] == "all integers are equal, but for 1 near tie"
    pairs = {"inside a batch": [(whole[1:2], other[1:2])]}
    case.run.add_invariance(pairs, dict, near)
    assert case.run.invariance_problem == ""
    assert case.run.comparison is None
    worse = Case([whole], postprocess=str, batch_size=4).run
    worse.add(one, Observed("same", [other + np.arange(4).reshape(4, 1)], ("a",) * 4), case.samples, 0, never, never, never,
              lambda output, left, right: (left != right) & (np.arange(200).reshape(4, 50) == 52))  # type: ignore[arg-type]  # fmt: skip
    assert worse.comparison is not None
    assert worse.comparison.agrees([other]), "as parity would judge it"
    assert worse.agrees([whole], [other])
    assert not worse.agrees([whole], [other + 1])
    case.run.add_invariance({"on a clone": [(whole[1:2], whole[1:2] + 1)]}, dict, near)
    assert case.run.invariance_problem == "", "the share that rounding decides is told of all samples, and not of the first"
    case.run.add_invariance(pairs, dict)
    assert "differs in 1 of 50 integers" in case.run.invariance_problem
    assert "resolution" not in dict(case.run.figures()), "of integers nobody can say how fine a fault is seen"


def test_integers_that_are_the_same_for_every_sample_show_nothing() -> None:
    case = Case([np.zeros((4, 5), np.int64)], postprocess=str, responses=[0.0])
    case.feed([np.zeros((4, 5), np.int64)])
    assert case.run.vacuous == "the comparison is vacuous: output is the same for every sample."


def test_an_own_postprocess_that_never_answers_is_a_problem() -> None:
    exact = logits()
    run = Case([exact], postprocess=str).feed([exact.astype(np.float32)], answers=lambda side: [None, None])
    assert (run.passed, run.answers.problem) == (False, "postprocess returned None for every sample")
    assert Case([exact]).feed([exact.astype(np.float32)], answers=lambda side: [None, None]).passed, "the default has none to give"


def test_columns_are_called_classes_only_where_they_are() -> None:
    exact = [logits(), logits(4, 5)]
    wrong = [moved(each, 1.0) for each in exact]
    told = Case(exact, names=("a", "b")).feed(wrong).facts()
    assert [(label, text.partition(" beyond")[0]) for label, text in told if label in ("classes", "columns")] == [
        ("classes", "output a: 1"),
        ("columns", "output b: 1"),
    ]
    assert "columns" in dict(Case([exact[0]], postprocess=str).feed([wrong[0]]).facts())


def test_a_tolerance_that_names_an_output_of_integers_holds_for_them() -> None:
    whole = np.arange(20).reshape(4, 5)
    other = whole + 1
    for named, passes in (({"ids": 1}, True), ({"ids": 0.5}, False), ({"": 9}, False), (9.0, False)):
        case = Case([logits(), whole], names=("", "ids"), atol=named)
        run = case.feed([case.training[0], other])
        assert run.outputs[1].passed is passes, named
        assert run.outputs[1].apart == 1.0


def test_a_tolerance_that_names_the_one_output_without_a_name_holds_for_integers() -> None:
    whole = np.arange(20).reshape(4, 5)
    assert Case([whole], postprocess=str, atol={"": 1}).feed([whole + 1]).outputs[0].passed
    assert not Case([whole > 3], postprocess=str, atol={"": 1}).feed([whole < 3]).outputs[0].passed, "booleans have no distance"


def test_two_classes_that_rounding_swaps_are_ties_and_pass() -> None:
    exact = logits()
    exact[:, 4], exact[:, 5] = 1.0 + 1e-7, 1.0
    other = exact.copy()
    other[:, 5] += 4e-7
    case = Case([exact])
    run = case.feed([other.astype(np.float32)])
    assert run.passed
    assert (run.answers.agreed, run.answers.ties) == (0, 4)
    assert dict(run.facts())["answers"] == "0 of 4 agree in class and probability, 4 near ties"
    assert dict(run.figures())["ties"] == "4"


def test_an_own_answer_is_explained_by_the_training_sides_postprocess_asked_once_a_batch() -> None:
    case = Case([logits()], postprocess=str)
    run = case.feed(case.training, answers=lambda side: (["cat", "cat"], ["dog", "dog"])[side])
    assert run.passed
    assert run.answers.ties == 4
    case = Case([logits()], postprocess=str)
    assert not case.feed(case.training, answers=lambda side: (["cat", "cat"], ["dog", "cow"])[side]).passed


def test_an_answer_has_the_room_that_its_output_has_on_both_sides_of_the_reference() -> None:
    case = Case([logits()])
    case.training[0][2, 2] -= np.float32(0.9 * FLOOR.maximum)
    run = case.feed([moved(case.exact[0], 0.95 * LIMIT, (2, 2))])
    assert [verdict.passed for verdict in run.outputs] == [True]
    assert (run.answers.agreed, run.answers.problem) == (4, "")


# -- vacuous -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("responses", "vacuous"),
    [([0.5, 0.5], False), ([1e-5, 0.5], False), ([0.5, 0.0], False), ([1e-5, 1e-6], True), ([0.0, 0.0], True)],
)
def test_a_comparison_is_vacuous_where_no_output_can_see_a_fault(responses: list[float], vacuous: bool) -> None:
    case = Case([logits(), logits(4, 3)], names=["a", "b"], responses=responses)
    run = case.feed(case.training)
    assert run.passed
    assert bool(run.vacuous) is vacuous


def test_the_vacuous_sentence_names_the_best_output_its_response_and_the_limit() -> None:
    case = Case([logits(), logits(4, 3)], names=["a", "b"], responses=[1e-6, 2e-5])
    assert case.feed(case.training).vacuous == (
        "the comparison is vacuous: another sample moves output b by 2e-05 of its largest value, and differences up to 4e-06 are allowed."
    )


def test_a_run_without_outputs_is_not_called_vacuous_but_failed() -> None:
    run = Case([], names=()).run
    assert run.vacuous == ""
    assert not run.passed


# -- figures and facts -------------------------------------------------------------------------------------------------


def test_the_figures_are_those_of_the_output_nearest_to_its_limit() -> None:
    exact = [logits(), logits(4, 3)]
    case = Case(exact, names=["a", "b"], responses=[0.5, 0.25])
    run = case.feed([moved(exact[0], 0.25 * LIMIT), moved(exact[1], 0.5 * LIMIT, (1, 0))])
    figures = dict(run.figures())
    assert float(figures["output_error"]) == pytest.approx(0.5 * LIMIT, rel=0.1)
    assert float(figures["output_limits"]) == pytest.approx(0.5, rel=0.1)
    assert figures["output_limit"] == "4e-06"
    assert (figures["noise_floor"], figures["noise_floor_source"]) == ("1e-06", "float64")
    assert float(figures["resolution"]) == pytest.approx(0.5 / LIMIT)
    assert (figures["answers"], figures["ties"]) == ("4/4", "0")


def test_a_tolerance_has_no_floor_in_the_figures() -> None:
    case = Case([logits()], rtol=1e-3)
    assert not [name for name in dict(case.feed(case.training).figures()) if name.startswith("noise")]


def test_an_output_that_is_nan_is_the_worst_in_the_figures_and_named_in_the_facts() -> None:
    exact = [logits(), logits(4, 3)]
    broken = exact[1].astype(np.float32)
    broken[2, 1] = np.nan
    case = Case(exact, names=["a", "b"])
    run = case.feed([case.training[0], broken])
    assert dict(run.figures())["output_limits"] == "inf"
    assert "the inference engine answers nan at sample 2, element [0, 1]" in dict(run.facts())["output b"]
    assert run.output_hint().startswith("output b: the inference engine answers nan")


def test_samples_that_hold_nan_are_counted_where_others_differ_too() -> None:
    exact = logits()
    other = exact.astype(np.float32)
    other[0] += 1
    other[1:3, 1] = np.nan
    run = Case([exact]).feed([other])
    found = dict(run.facts())["output"]
    assert found.startswith(f"NaN or Inf in 2 of {len(exact)} samples; "), found
    assert found.endswith(f" of the others beyond the limit {LIMIT:.2g}")


@pytest.mark.parametrize("at", [(2, 3), slice(None)])
def test_nan_is_no_small_error_in_the_figures(at: Any) -> None:
    exact = logits()
    other = exact.astype(np.float32)
    other[at] = np.nan
    figures = dict(Case([exact]).feed([other]).figures())
    assert (figures["output_error"], figures["output_limit"], figures["output_limits"]) == ("inf", f"{LIMIT:.2g}", "inf")


def test_nan_is_never_what_rounding_explains() -> None:
    exact = logits()
    other = moved(exact, 0.5 * LIMIT)
    other[0, 0] = np.nan
    run = Case([exact], rtol=0.0, atol=1e-8).feed([other])
    assert run.outputs[0].differing
    assert not run.within_rounding


def test_facts_tell_each_output_against_its_limit_and_floor() -> None:
    case = Case([logits()], source="one ulp")
    assert dict(case.feed(case.training).facts())["output"].endswith("limit 5e-06, floor 1e-06 (one ulp)")
    case = Case([logits()])
    facts = dict(case.feed([moved(case.exact[0], 0.25)]).facts())
    assert facts["output"] == (
        "largest difference 0.25 of the largest value, limit 4e-06, floor 1e-06 (float64); 1 of 24 elements beyond it"
    )
    assert facts["classes"].startswith("1 beyond the limit; the worst are 3 (0.25), ")


def test_an_rms_that_fails_alone_is_told_in_the_facts() -> None:
    exact = logits(4, 5000)
    case = Case([exact], responses=[0.5])
    object.__setattr__(case.run._outputs[0].rule.floor, "rms", 1e-8)
    run = case.feed([(exact + 2e-6).astype(np.float32)])
    assert not run.passed
    assert "all together do: RMS 2e-06" in dict(run.facts())["output"]


def test_the_hint_of_the_outputs_is_asked_of_the_first_failing_batch() -> None:
    case = Case([logits()])
    constant = np.repeat(case.training[0][:1], 4, axis=0)
    assert case.feed([constant]).output_hint() == "the inference engine gives the same answer to every sample of the batch."


def test_agreement_for_the_diagnosis_is_coarser_than_the_verdict() -> None:
    run, one = Case([logits()]).run, logits()
    assert run.agrees([one], [one + 5e-5])
    assert not run.agrees([one], [one + 5e-4])
    assert not run.agrees([one], [one, one])


# -- invariance --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limits", "passes"), [(0.0, True), (1.9, True), (2.1, False)])
def test_an_engine_that_disagrees_with_itself_beyond_rounding_is_named_with_what_changed(limits: float, passes: bool) -> None:
    case = Case([logits()])
    run = case.feed(case.training)
    one = case.training[0][:1].astype(np.float64)
    run.add_invariance({"when run twice": [(one, one)], "alone and in a batch": [(one, moved(one, limits * LIMIT, (0, 2)))]}, dict)
    assert run.passed is passes
    assert bool(run.invariance_problem) is not passes
    if not passes:
        assert run.output_problem == run.invariance_problem
        assert run.invariance_problem.startswith(
            "the inference engine answers the same sample differently alone and in a batch: output moves by 8.4"
        )


@pytest.mark.parametrize(
    ("one", "two", "passes"),
    [
        (np.array([[1, 2]]), np.array([[1, 2]]), True),
        (np.array([[1, 2]]), np.array([[1, 3]]), False),
        (np.ones((1, 2)), np.ones((1, 3)), False),
        (np.ones((2, 2)), np.ones((1, 2)), False),
        (np.ones((1, 2)), np.array([[1.0, np.nan]]), False),
        (np.zeros((1, 2)), np.zeros((1, 2)), True),
        (np.zeros((1, 2)), np.full((1, 2), 1e-9), False),
        (np.array([[1 + 1j]], np.complex64), np.array([[1 + 1j]], np.complex64), True),
        (np.array([[1 + 1j]], np.complex64), np.array([[1 - 1j]], np.complex64), False),
        (np.zeros((0, 4)), np.zeros((0, 4)), True),
    ],
)
@pytest.mark.parametrize("spec", [{}, {"rtol": 1e-6}])
def test_invariance_holds_for_every_kind_of_output(one: Array, two: Array, passes: bool, spec: Any) -> None:
    run = Case([logits()], **spec).run
    run.add_invariance({"on a clone": [(one, two)]}, dict)
    assert (run.invariance_problem == "") is passes


@pytest.mark.parametrize(
    ("spec", "by", "passes"),
    [({"rtol": 1e-2}, 4e-3, True), ({"rtol": 1e-2}, 2e-2, False), ({"atol": 1e-2}, 4e-3, True), ({"atol": 1e-2}, 2e-2, False)],
)
def test_invariance_has_the_users_tolerance(spec: Any, by: float, passes: bool) -> None:
    run = Case([logits()], **spec).run
    one = np.array([[1.0, 0.5]])
    run.add_invariance({"on a clone": [(one, one + by)]}, dict)
    assert (run.invariance_problem == "") is passes


def test_an_absolute_tolerance_allows_invariance_around_zero() -> None:
    run = Case([logits()], atol=1e-3).run
    run.add_invariance({"on a clone": [(np.zeros((1, 2)), np.full((1, 2), 1e-4))]}, dict)
    assert run.invariance_problem == ""
    run.add_invariance({"on a clone": [(np.zeros((1, 2)), np.full((1, 2), 1e-2))]}, dict)
    assert run.invariance_problem != ""


def test_the_first_property_that_breaks_is_the_one_that_is_told() -> None:
    run = Case([logits()]).run
    one, two = np.ones((1, 2)), np.full((1, 2), 2.0)
    run.add_invariance({"when run twice": [(one, two)], "on a clone": [(one, two)]}, dict)
    assert "when run twice" in run.invariance_problem


def test_a_model_that_couples_the_samples_of_a_batch_is_a_note_when_both_engines_move_alike() -> None:
    run = Case([logits()]).run
    alone, batched = np.array([[1.0, 0.5]]), np.array([[0.7, 0.5]])
    run.add_invariance({"inside a batch": [(alone, batched)]}, lambda: {"inside a batch": [np.array([[0.7, 0.5], [0.7, 0.1]])]})
    assert run.invariance_problem == ""
    (note,) = run.notes
    assert note.startswith("the model's answer to a sample depends on the others in its batch (output moves by 0.3")


@pytest.mark.parametrize("trained", [[[1.0, 0.5], [0.7, 0.1]], [[0.8, 0.5], [0.7, 0.1]]])
def test_a_batch_that_only_the_inference_engine_couples_is_its_fault(trained: Any) -> None:
    run = Case([logits()]).run
    alone, batched = np.array([[1.0, 0.5]]), np.array([[0.7, 0.5]])
    run.add_invariance({"inside a batch": [(alone, batched)]}, lambda: {"inside a batch": [np.array(trained)]})
    assert "answers the same sample differently inside a batch" in run.invariance_problem
    assert run.notes == ()


def test_the_training_engine_is_not_asked_while_nothing_moves() -> None:
    def never() -> Any:
        raise AssertionError("asked")

    run = Case([logits()]).run
    run.add_invariance({"inside a batch": [(np.ones((1, 2)), np.ones((1, 2)))], "on a clone": [None]}, never)
    assert run.invariance_problem == ""


def test_a_limit_that_hides_gross_faults_is_vacuous_whatever_the_other_outputs_show() -> None:
    case = Case([logits(), logits()], names=("boxes", "scores"))
    reference = replace(case.reference, floors=(Floor(5e-3, 1e-3), FLOOR))
    model: Any = SimpleNamespace(inputs=(SimpleNamespace(name="x"),))
    case.run = ParityRun(model, case.spec, replace(reference, responses=(0.1, 0.5)), ["a", "b"])
    assert case.feed(case.training).vacuous.startswith(
        "the comparison is vacuous for output boxes: rounding alone moves it by 0.005"
    )
    case.run = ParityRun(model, case.spec, replace(case.reference, responses=(0.1, 0.5)), ["a", "b"])
    assert case.feed(case.training).vacuous == ""


@pytest.mark.parametrize(
    ("off", "borderline"), [(0.5, False), (1.5, True), (3.9, True), (4.2, False), (1e4, False), (float("nan"), False)]
)
def test_an_output_that_is_refused_by_little_is_borderline(off: float, borderline: bool) -> None:
    case = Case([logits(), logits()], names=("boxes", "scores"))
    inference = [case.training[0], case.training[1].copy()]
    inference[1][0, 0] += np.float32(off * FLOOR.limit.maximum)  # the largest value is 1
    run = case.feed(inference)
    assert run.borderline is borderline
    run.count_problem = "an output is gone."
    assert not run.borderline


@pytest.mark.parametrize(("off", "covered"), [(1.5, True), (6.0, False)])
def test_a_run_with_wider_floors_covers_the_errors_of_the_first_or_not(off: float, covered: bool) -> None:
    """What the engine answered when it was asked first counts, though it answers well when it is asked again."""
    first = Case([logits()]).feed([logits().astype(np.float32) + np.float32(off * FLOOR.limit.maximum)])
    case = Case([logits()])
    wide = replace(case.reference, floors=(Floor(3 * FLOOR.maximum, 3 * FLOOR.rms, "float64"),))
    case.run = ParityRun(case.model, case.spec, wide, case.output_names)
    again = case.feed(case.training)
    assert again.passed
    assert again.covers(first) is covered


def test_a_users_tolerance_integers_and_other_inputs_are_never_borderline() -> None:
    case = Case([logits()], rtol=1e-6, atol=0.0)
    assert not case.feed([case.training[0] * np.float32(1 + 2e-6)]).passed
    assert not case.run.borderline
    case = Case([np.arange(8).reshape(4, 2)])
    assert not case.feed([case.training[0] + 1]).borderline
    case = Case([logits()])
    tensors = np.zeros((len(case.samples), 3), np.float32), np.ones((len(case.samples), 3), np.float32)
    run = case.feed([case.training[0] + np.float32(1.5 * FLOOR.limit.maximum)], tensors=tensors)
    assert (run.inputs_differ, run.borderline) == (True, False)


def test_a_users_wide_tolerance_is_not_called_rounding() -> None:
    case = Case([logits()], responses=(1.6,), rtol=0.5)
    assert case.feed(case.training).vacuous.startswith("the comparison is vacuous: another sample moves output by 1.6")


def test_sides_that_make_another_tensor_than_the_one_that_was_run_are_known() -> None:
    right, other = [pictures(2)], [pictures(2) + np.float32(1)]
    one, two = (digest_of(tensors) for tensors in (right, other))
    for fed, sides in (((one, two), ()), ((two, one), ("training", "inference")), ((one, "third"), ("inference",))):
        case = Case([logits(2)])
        training, inference = (Observed(digest, case.training, (None, None)) for digest in fed)
        case.run.add(training, inference, case.samples, 0, lambda: (right, other), lambda _: (None, None), list)  # type: ignore[arg-type]
        assert case.run.made_anew == sides
        assert [case.run.is_another(tensors) for tensors in (right, other)] == [fed[1] != one, fed[1] != two]


def test_two_programs_that_differ_by_rounding_leave_the_engines_to_be_compared_on_one_input() -> None:
    case = Case([logits()])
    asked: list[Array] = []
    tensors = np.zeros((len(case.samples), 3)), np.full((len(case.samples), 3), 1e-6)
    shifted = [output + np.float32(1e-3) for output in case.training]  # what both engines make of the inference side's input

    def trained_on(given: Arrays) -> Arrays:
        asked.extend(given)
        return case.cut(shifted, *parts[len(asked) - 1])

    parts = case.parts()
    for start, stop in parts:
        one, two = (Observed(name, case.cut(side, start, stop), ()) for name, side in (("a", case.training), ("b", shifted)))
        case.run.add(
            one, two, case.samples[start:stop], start,  # type: ignore[arg-type]
            lambda a=start, b=stop: ([tensors[0][a:b]], [tensors[1][a:b]]), lambda _: (), trained_on,  # type: ignore[misc]
        )  # fmt: skip
    assert case.run.passed, case.run.output_problem
    assert len(asked) == len(parts)
    assert all((given == 1e-6).all() for given in asked)


def test_answers_are_predictions_where_each_has_a_class_and_a_probability() -> None:
    known = Prediction(1, 0.5)
    assert are_predictions([known, SimpleNamespace(class_id=1, prob=0.5)])
    assert not are_predictions([known, SimpleNamespace(class_id=1)])
    assert not are_predictions([])
