"""diagnose.py: nothing that the search for a cause runs into changes the failure, and what nobody asked is not concluded from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

from pytest_paddle_infer import diagnose, ended_engine
from pytest_paddle_infer.asking import Asking
from pytest_paddle_infer.bench import RunOptions
from pytest_paddle_infer.diagnose import Diagnosis
from pytest_paddle_infer.diagnosis.comparison import Comparison
from pytest_paddle_infer.diagnosis.finding import Deadline, Finding
from pytest_paddle_infer.diagnosis.passes import PassSearch
from pytest_paddle_infer.diagnosis.stages import RAW
from pytest_paddle_infer.ended_engine import EndedEngine
from pytest_paddle_infer.engine import pass_trials
from pytest_paddle_infer.exports import ExportedModel
from pytest_paddle_infer.failures import ConformanceFailure, Failure, WorkerFailure
from pytest_paddle_infer.judge.answers import AnswersVerdict
from pytest_paddle_infer.judge.closeness import Tolerance
from pytest_paddle_infer.judge.noise import Floor
from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.parameters import ParameterReport
from pytest_paddle_infer.progress import Progress
from pytest_paddle_infer.reference import Reference, ReferenceBatch

SPEC = ModelSpec("net", factory=object)
KNOWN, OTHER = np.ones((1, 3), np.float32), np.full((1, 3), 2.0, np.float32)
HINT = Finding("export", "the outputs are doubled.", "output", "scale")


class Engine:
    """A worker that answers by method, or raises what it finds there."""

    def __init__(self, answers: dict[str, Any], asked: list[str]) -> None:
        self.name, self._answers, self._asked = "an engine", answers, asked
        self._method = ""

    def submit(self, step: str, method: str, *args: Any, timeout: float) -> None:
        assert 0 < timeout <= 60
        self._asked.append(method)
        self._method = method

    def result(self) -> Any:
        answer = self._answers[self._method]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def close(self) -> None:
        self._asked.append("closed")


class Fake:
    """A bench whose every engine is the same one."""

    def __init__(self, tmp_path: Path, **answers: Any) -> None:
        self.asked: list[str] = []
        self.engine = Engine(answers, self.asked)
        self.spec, self.samples, self.options = SPEC, (), options(tmp_path)
        self.model: Any = None
        self.progress = Progress()

    def training(self) -> Engine:
        return self.engine

    def worker(self, name: str, make_service: Callable[[], Any]) -> Engine:
        self.asked.append(f"new {name}")
        return self.engine

    def end(self, worker: Engine) -> Any:
        return worker.result()


class Run:
    """A parity run whose outputs differ."""

    count_problem, inputs_differ, input_problem, output_problem = "", False, "", "3 of 3 elements differ."
    outputs_differ, within_rounding, answers, example = True, False, AnswersVerdict(1, 1), None
    only_inputs_differ, differing_input, worst_input_sample = False, None, None
    comparison: Comparison | None = Comparison(0, 1, [KNOWN], [OTHER], None, [Tolerance(atol=0.5)])
    hint: Any = None
    made_anew, invariance_problem, input_difference, first_size = (), "", "input x is another.", 1

    def is_another(self, inputs: Any) -> bool:
        return False

    def __init__(self, **more: Any) -> None:
        vars(self).update(more)

    def output_finding(self) -> Any:
        if isinstance(self.hint, BaseException):
            raise self.hint
        return self.hint

    def input_finding(self, pictures: Sequence[Any] = ()) -> Any:
        return self.output_finding()


def options(tmp_path: Path, **more: Any) -> RunOptions:
    return RunOptions(base=tmp_path, workdir=tmp_path, cache_dir=tmp_path, **more)


def own_export(bench: Any, seconds: float) -> ExportedModel:
    raise AssertionError("nobody asked for it")


def found(bench: Fake, run: Any, tmp_path: Path, given: bool = False, variant: str = "onednn", **more: Any) -> Finding:
    export = ExportedModel(tmp_path / "inference", given=given)
    searches = Diagnosis(options(tmp_path, **more), Progress(), own_export)
    return searches.of_difference(bench, SPEC, variant, export, run, bench.engine)  # type: ignore[arg-type]


@pytest.mark.parametrize("hint", [None, HINT, ZeroDivisionError("a bug")], ids=["no hint", "a hint", "a hint that fails"])
@pytest.mark.parametrize("given", [False, True])
def test_without_a_diagnosis_nobody_is_asked_and_the_comparison_speaks(tmp_path: Path, hint: Any, given: bool) -> None:
    bench = Fake(tmp_path)
    cause = found(bench, Run(hint=hint), tmp_path, given, diagnosis=False)
    assert bench.asked == []
    said = HINT.cause if hint is HINT else "3 of 3 elements differ."
    assert (cause.cause, cause.stage, cause.certain) == (said, "", False)  # on which side of the export nobody knows


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), OSError("no fork"), MemoryError("none left")])
def test_a_search_that_breaks_leaves_what_the_comparison_shows_and_says_so(tmp_path: Path, error: Exception) -> None:
    cause = found(Fake(tmp_path, inputs=error), Run(), tmp_path)
    assert (cause.cause, cause.certain) == ("3 of 3 elements differ.", False)
    assert cause.facts == (("search", f"ended early with {type(error).__name__}: {error}"),)


def test_whoever_interrupts_the_search_ends_the_session(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        found(Fake(tmp_path, inputs=KeyboardInterrupt()), Run(), tmp_path)


def test_an_engine_that_dies_while_it_is_asked_leaves_the_failure(tmp_path: Path) -> None:
    cause = found(Fake(tmp_path, inputs=WorkerFailure("an engine: preprocess", "signal", "SIGSEGV")), Run(), tmp_path)
    assert cause.cause == "3 of 3 elements differ."
    assert cause.facts[-1] == ("steps", "none was run")


def test_a_step_that_the_time_limit_cut_off_accuses_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Fake(tmp_path, inputs=[KNOWN], run=WorkerFailure("raw: run", "timeout", "no end after 9 s"))
    monkeypatch.setattr(Asking, "without_optimisation", lambda *_: "not asked, for want of time")
    monkeypatch.setattr(Asking, "apart", lambda *_: "not asked, for want of time")
    cause = found(bench, Run(), tmp_path)
    assert (cause.stage, cause.cause) == ("", "3 of 3 elements differ.")
    assert cause.facts[-1] == ("steps", "none was run")


def test_parameters_that_could_not_be_compared_are_not_excluded(tmp_path: Path) -> None:
    unread = WorkerFailure("an engine: compare parameters", "exception", "unreadable")
    for answer, excluded in ((unread, False), (ParameterReport(3), True)):
        bench = Fake(tmp_path, verify=answer, inputs=WorkerFailure("an engine: preprocess", "signal", "SIGSEGV"))
        facts = dict(found(bench, Run(), tmp_path, given=True).facts)
        assert ("equal to the model bit for bit" in facts["excluded"]) is excluded


def test_outputs_that_differ_only_when_asked_otherwise_are_of_the_run(tmp_path: Path) -> None:
    cause = found(Fake(tmp_path), Run(comparison=None, outputs_differ=False), tmp_path)
    assert (cause.stage, cause.kind) == ("run", "setting")


def test_a_search_without_an_answer_about_the_inputs_keeps_what_the_comparison_shows(tmp_path: Path) -> None:
    run = Run(inputs_differ=True, hint=ZeroDivisionError("a bug"), input_problem="input x differs.")
    cause = found(Fake(tmp_path), run, tmp_path)
    assert (cause.stage, cause.cause, cause.certain) == ("preprocess", "input x differs.", False)


@pytest.mark.parametrize("diagnosis", [True, False])
def test_inputs_that_differ_without_reaching_the_outputs_are_said_to(tmp_path: Path, diagnosis: bool) -> None:
    run = Run(inputs_differ=True, only_inputs_differ=True, input_problem="input x differs.", outputs_differ=False)
    cause = found(Fake(tmp_path), run, tmp_path, diagnosis=diagnosis)
    assert cause.facts[-1] == ("outputs", "agree within their limits all the same: what differs does not reach them")
    run = Run(inputs_differ=True, input_problem="input x differs.", outputs_differ=False)
    assert "outputs" not in dict(found(Fake(tmp_path), run, tmp_path, diagnosis=diagnosis).facts)


UNSTEADY = Finding("preprocess", "the preprocess is another each time.", "step", "preprocess")


@pytest.mark.parametrize(
    ("run", "sides"),
    [
        ({"made_anew": ("training", "inference"), "inputs_differ": True}, ("training", "inference")),
        ({"inputs_differ": True, "example": KNOWN}, ("inference", "training")),
        ({"made_anew": ("inference",)}, ("inference",)),
        ({"invariance_problem": "it moves.", "comparison": None, "outputs_differ": False}, ("inference",)),
        ({"is_another": lambda inputs: True}, ("inference",)),
    ],
    ids=["inputs", "inputs of an example", "inputs within rounding", "asked otherwise", "asked for by the diagnosis"],
)
@pytest.mark.parametrize("given", [False, True])
def test_tensors_that_no_engine_was_given_accuse_nothing_but_the_preprocess(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: dict[str, Any], sides: tuple[str, ...], given: bool
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(diagnose, "of_inputs", lambda *args: asked.append(args[-1]) or (UNSTEADY if args[-1] else None))
    bench = Fake(tmp_path, inputs=[KNOWN], verify=ParameterReport(3))
    cause = found(bench, Run(hint=HINT, **run), tmp_path, given)
    assert (cause.cause, asked[-1]) == (UNSTEADY.cause, sides)
    assert not [method for method in bench.asked if method not in ("inputs", "verify")]


def test_without_a_diagnosis_no_step_is_told_of_tensors_that_the_engine_was_not_given(tmp_path: Path) -> None:
    run = Run(inputs_differ=True, hint=HINT, made_anew=("inference",))
    cause = found(Fake(tmp_path), run, tmp_path, diagnosis=False)
    assert (cause.stage, cause.cause, cause.certain) == ("preprocess", "input x is another.", False)


# -- engines that end --------------------------------------------------------------------------------------------------


def ended(tmp_path: Path, reference: Any, variant: str = "onednn", **more: Any) -> Finding | None:
    red = ConformanceFailure(Failure("net, onednn: the engine died.", stage="run"))
    bench: Any = Fake(tmp_path)
    engine = EndedEngine(options(tmp_path, **more), Progress(), bench, SPEC, variant, ExportedModel(tmp_path / "inference"))
    return engine.explain(red, reference, 0)


def test_a_reference_that_breaks_the_search_leaves_the_failure_at_its_stage(tmp_path: Path) -> None:
    cause = ended(tmp_path, None)
    assert cause is not None
    assert (cause.stage, cause.cause) == ("run", "")
    assert cause.facts[0][0] == "search"


def test_an_engine_that_answers_when_it_is_loaded_again_does_not_always_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor = Floor(1e-6, 1e-6)
    reference = Reference((ReferenceBatch(0, 1, "", [KNOWN], None),), ("",), (floor,), (1.0,), "float64")
    for method in ("running", "without_optimisation"):
        monkeypatch.setattr(Asking, method, lambda *_: [KNOWN])
    monkeypatch.setattr(pass_trials, "search_passes", lambda *_: PassSearch("agrees"))
    cause = ended(tmp_path, reference)
    assert cause is not None
    assert cause.facts[-1] == (
        "loaded again",
        "loaded once more, the variant answers sample 0 like the training engine: it does not always fail",
    )


def test_near_ties_of_integers_agree_where_the_passes_of_an_engine_that_ends_are_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, other = np.array([[1, 2, 3]]), np.array([[1, 2, 4]])
    reference = Reference((ReferenceBatch(0, 1, "", [ids], None),), ("",), (Floor(1e-6, 1e-6),), (1.0,), "float64")
    monkeypatch.setattr(Asking, "running", lambda *_: [KNOWN])
    monkeypatch.setattr(Asking, "without_optimisation", lambda *_: [other])
    tried = []

    def search(*asked: Any) -> PassSearch:
        tried.append(asked[5]([other]))
        return PassSearch("agrees")

    monkeypatch.setattr(pass_trials, "search_passes", search)
    for near, agrees in ((lambda output, one, two: one != two, True), (None, False)):
        monkeypatch.setattr(ended_engine, "near_ties", lambda *_, near=near: near)
        cause = ended(tmp_path, reference)
        assert cause is not None
        assert ("cpu-noopt agrees" in dict(cause.facts)["steps"]) is agrees
    assert tried == [True], "without near ties it would take no optimisation to fail"


@pytest.mark.parametrize(("answer", "told"), [(["conv_bn_pass"], "its name may be conv_bn_fuse_pass."), ("cut off", "")])
def test_passes_that_a_variant_deletes_in_vain_are_told_of_an_engine_that_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Any, told: str
) -> None:
    monkeypatch.setattr(Asking, "apart", lambda *_: answer)
    bench: Any = Fake(tmp_path)
    engine = EndedEngine(options(tmp_path), Progress(), bench, SPEC, "onednn", ExportedModel(tmp_path))
    facts = engine._misspelt([], "conv_bn_fuse_pass", Deadline(9))
    assert [label for label, _ in facts] == ["also"] * bool(told)
    assert all(text.endswith(told) for _, text in facts)


def test_the_predictor_without_optimisation_has_no_pass_to_blame(tmp_path: Path) -> None:
    assert ended(tmp_path, None, RAW) is None


def test_without_a_diagnosis_an_engine_that_ended_is_not_looked_into(tmp_path: Path) -> None:
    assert ended(tmp_path, None, diagnosis=False) is None
