"""What a replay says: red with the recorded cause, green when the difference is gone, undecided where nothing can be told."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
from failed_parity import EVIDENCE, EXACT, FAILURE, OFF, TRAINED, failed

from pytest_paddle_infer.diagnosis.finding import Finding
from pytest_paddle_infer.engine.inference import EngineSetup
from pytest_paddle_infer.engine.replay import Reloaded, Rerun
from pytest_paddle_infer.evidence.arrays import EvidenceError
from pytest_paddle_infer.evidence.folder import keep
from pytest_paddle_infer.evidence.reading import COPY
from pytest_paddle_infer.evidence.record import Death
from pytest_paddle_infer.exports import ExportedModel
from pytest_paddle_infer.failures import ConformanceFailure, Failure, UnavailableError, WorkerFailure
from pytest_paddle_infer.replaying import REPLAYED, STAYS, WHOLE, ReplayOptions, UndecidedError, _Replay, replay

NOW = {"paddle_version": "9.9.9"}
LOAD = "inference engine (onednn): load the model"
DEAD = WorkerFailure(LOAD, "signal", "the process died of SIGSEGV (signal 11)")
RAN = replace(EVIDENCE, primitives={"convolution f32": 1})
Answer = Callable[..., Any]


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Answer:
    """`answers(outputs, **changes)`: replays a folder whose engine now gives these outputs, or raises this failure."""

    (tmp_path / "export").mkdir()
    for suffix in (".json", ".pdiparams"):
        (tmp_path / "export" / f"inference{suffix}").write_text("kept")
    export = ExportedModel(tmp_path / "export")

    def ask(outputs: Any, left_out: tuple[str, ...] = (), evidence: Any = RAN, edit: Any = None, **changes: Any) -> str:
        def again(self: _Replay) -> Rerun:
            if isinstance(outputs, WorkerFailure):
                raise outputs
            self._loaded = Reloaded(NOW, False, left_out)
            return Rerun(list(outputs), replace(evidence, left_out=left_out))

        monkeypatch.setattr(_Replay, "_again", again)
        monkeypatch.setattr(_Replay, "_check_files", lambda self: None)
        monkeypatch.setattr(_Replay, "_paddle", lambda self: "9.9.9")
        path = keep(failed(**changes), export, tmp_path)
        if edit is not None:
            edit(path)
        return replay(path, ReplayOptions(EngineSetup()))

    return ask


def change_model(folder: Path) -> None:
    (folder / "model" / "inference.pdiparams").write_text("changed")


def red(answers: Answer, outputs: Any, **changes: Any) -> Failure:
    with pytest.raises(ConformanceFailure) as caught:
        answers(outputs, **changes)
    return caught.value.failure


def test_the_same_difference_is_red_with_the_recorded_cause_and_the_figures_of_then_and_now(answers: Answer) -> None:
    failure = red(answers, [TRAINED + np.float32(0.5)])
    facts = dict(failure.facts)
    assert failure.title == "tiny, onednn:threads=2: a cause."
    assert facts["output"] == "largest difference 0.5 of the largest value, limit 4e-06; then 0.001"
    assert facts["Paddle"] == "3.3.1 then, 9.9.9 now"
    assert facts["weights"] == "tiny.pdparams", "the recorded facts stand below"
    assert facts["replayed"] == REPLAYED
    assert (failure.stage, failure.kind, failure.name) == ("optimise", "pass", "conv_bn_fuse_pass"), "as the diagnosis found then"
    assert failure.remedy == "do this."


def test_integers_that_differ_are_counted(answers: Answer) -> None:
    whole = np.arange(8).reshape(2, 4)
    failure = red(answers, [whole + 1], training=[whole], reference=None, inference=[whole + 1])
    assert dict(failure.facts)["output"].startswith("8 of 8 integers differ; then ")


def test_what_was_measured_then_is_told_as_that_beside_the_figures_of_now(answers: Answer) -> None:
    then = (("classes", "3 beyond the limit"), ("answers", "0 of 2 agree"), ("first", "sample 0"), ("layer", "fc"))
    failure = replace(FAILURE, facts=(*FAILURE.facts, *then))
    facts = dict(red(answers, [TRAINED + np.float32(0.5)], failure=failure).facts)
    shown = [facts[label] for label, _ in then]
    assert shown == ["then 3 beyond the limit", "then 0 of 2 agree", "then sample 0", "fc"]


def test_outputs_within_the_limit_are_green_and_say_the_figures(answers: Answer) -> None:
    told = answers([EXACT.astype(np.float32)])
    assert told.startswith("tiny, onednn:threads=2 no longer differs: largest difference")
    assert "then 0.001" in told
    assert "3.3.1 then, 9.9.9 now" in told


def test_a_difference_just_beyond_the_recorded_limit_is_red_and_just_within_is_green(answers: Answer) -> None:
    for apart, red_now in ((3e-6, False), (6e-6, True)):
        moved = TRAINED.astype(np.float64)
        moved[0, 4] = EXACT[0, 4] + apart  # of 4e-6 of the largest value, which is 1
        if red_now:
            red(answers, [moved.astype(np.float32)])
        else:
            answers([moved.astype(np.float32)])


def test_another_shape_another_number_and_nan_are_red(answers: Answer) -> None:
    assert "shape" in dict(red(answers, [TRAINED[:, :4]]).facts)["output"]
    assert "has 2 outputs, the training engine 1" in dict(red(answers, [TRAINED, TRAINED]).facts)["outputs"]
    assert "nan" in dict(red(answers, [np.full_like(TRAINED, np.nan)]).facts)["output"]


def test_a_death_that_is_still_there_is_red_with_the_recorded_cause(answers: Answer) -> None:
    death = Death(LOAD, "signal", DEAD.detail)
    failure = red(answers, DEAD, inference=None, death=death)
    assert failure.title == "tiny, onednn:threads=2: a cause."
    assert not {"then", "now"} & {label for label, _ in failure.facts}
    assert (failure.stage, failure.name) == ("optimise", "conv_bn_fuse_pass")
    assert red(answers, DEAD, inference=None, death=death, finding=None).stage == "load", "where it dies, if nothing more is known"


@pytest.mark.parametrize(
    ("kind", "then", "now"),
    [
        ("timeout", "no end after 300 s (--paddle-timeout)", "no end after 20 s (--paddle-timeout)"),
        ("exception", "SystemError: Access to 0x7f1c is not allowed", "SystemError: Access to 0x55ab is not allowed"),
    ],
)
def test_another_time_limit_or_address_does_not_make_it_another_death(answers: Answer, kind: str, then: str, now: str) -> None:
    failure = red(answers, WorkerFailure(LOAD, kind, now), inference=None, death=Death(LOAD, kind, then))
    assert failure.title == "tiny, onednn:threads=2: a cause."
    assert "then" not in dict(failure.facts)
    assert dict(failure.facts)["now"] == now, "the cause has the numbers of then"


def test_another_signal_or_kind_is_another_death(answers: Answer) -> None:
    for kind, detail in (("signal", "the process died of SIGABRT (signal 6)"), ("exit", DEAD.detail)):
        failure = red(answers, DEAD, inference=None, death=Death(LOAD, kind, detail))
        assert dict(failure.facts)["then"] == "tiny, onednn:threads=2: a cause."


def test_a_death_that_is_gone_is_green(answers: Answer) -> None:
    told = answers([TRAINED], inference=None, death=Death(LOAD, "signal", DEAD.detail))
    assert told.startswith("tiny, onednn:threads=2 no longer dies")


def test_an_engine_that_now_dies_instead_says_so_first_and_what_failed_then(answers: Answer) -> None:
    failure = red(answers, DEAD)
    assert failure.title == (
        "tiny, onednn:threads=2: the inference engine (onednn) died in 'load the model': the process died of SIGSEGV (signal 11)."
    )
    assert dict(failure.facts)["then"] == "tiny, onednn:threads=2: a cause."
    assert (failure.stage, failure.kind, failure.name) == ("load", "", ""), "not what was found of the other failure"


def test_an_engine_that_died_and_now_differs_says_the_difference_first(answers: Answer) -> None:
    failure = red(answers, [OFF], inference=None, death=Death(LOAD, "signal", DEAD.detail))
    assert failure.title.startswith("tiny, onednn:threads=2: output: 1 of 10 elements differ")
    assert failure.facts[0] == ("then", "tiny, onednn:threads=2: a cause.")


def test_agreement_with_something_left_out_is_undecided(answers: Answer) -> None:
    with pytest.raises(UndecidedError, match=r"something was left out, so nothing is told: config\.set_x\(1\)"):
        answers([TRAINED], left_out=("config.set_x(1): Paddle 9.9.9 has no such method",))


def test_a_difference_with_something_left_out_is_red_and_says_what(answers: Answer) -> None:
    failure = red(answers, [OFF], left_out=("config.set_x(1): Paddle 9.9.9 has no such method",))
    assert dict(failure.facts)["left out"] == "config.set_x(1): Paddle 9.9.9 has no such method"


def test_a_failure_that_is_not_in_the_outputs_is_undecided_while_they_agree(answers: Answer) -> None:
    with pytest.raises(UndecidedError, match="what failed is not in the outputs of one batch"):
        answers([TRAINED], inference=[TRAINED])


def test_a_death_of_being_asked_otherwise_is_undecided_while_the_batch_agrees(answers: Answer) -> None:
    """No batch showed it, so that none can show that it is gone."""
    death = Death("inference engine (onednn): run on a clone", "signal", DEAD.detail)
    with pytest.raises(UndecidedError, match="it died after every sample was answered, and these inputs alone never showed that"):
        answers([TRAINED], inference=[TRAINED], death=death, died_later=True)


def test_a_death_of_being_asked_otherwise_is_red_where_the_replay_dies_or_differs(answers: Answer) -> None:
    death = Death("inference engine (onednn): run on a clone", "signal", DEAD.detail)
    assert red(answers, DEAD, inference=[TRAINED], death=death, died_later=True).title == "tiny, onednn:threads=2: a cause."
    differs = red(answers, [OFF], inference=[TRAINED], death=death, died_later=True)
    assert differs.title.startswith("tiny, onednn:threads=2: output: 1 of 10 elements differ")
    assert differs.facts[0] == ("then", "tiny, onednn:threads=2: a cause.")


def test_an_engine_that_is_not_the_one_asked_for_is_red(answers: Answer) -> None:
    ignored = replace(RAN, refused=("Please compile with onnxruntime",))
    failure = red(answers, [TRAINED], evidence=ignored)
    assert "Paddle went on without an option" in failure.title
    assert (failure.stage, failure.kind, failure.name) == ("load", "setting", "onednn:threads=2")


def test_a_folder_without_inputs_is_undecided(answers: Answer) -> None:
    with pytest.raises(UndecidedError, match="no inputs were kept"):
        answers([TRAINED], inputs=())


def test_a_model_that_was_changed_leads_with_what_is_found_now_and_says_what_changed(answers: Answer, tmp_path: Path) -> None:
    failure = red(answers, [OFF], edit=change_model)
    assert failure.title.startswith(
        "tiny, onednn:threads=2, changed since it was kept: output: 1 of 10 elements differ by more than"
    )
    facts = dict(failure.facts)
    assert failure.facts[0] == ("then", "tiny, onednn:threads=2: a cause.")
    assert facts["changed"] == "model/inference.pdiparams since it was kept"
    assert "weights" not in facts, "the facts of the other model are not this one's"
    (model,) = tmp_path.glob("tiny-*/model")
    command = f"pytest paddle-model/tiny --paddle-variant=onednn:threads=2 --paddle-exported={model}"
    assert failure.remedy == f"a replay does not look for the cause of what changed; the checkpoints do: {command}"


def test_a_changed_model_that_dies_as_before_is_not_given_the_old_cause(answers: Answer) -> None:
    failure = red(answers, DEAD, inference=None, death=Death(LOAD, "signal", DEAD.detail), edit=change_model)
    assert failure.title.startswith("tiny, onednn:threads=2, changed since it was kept: the inference engine (onednn) died in")
    assert dict(failure.facts)["then"] == "tiny, onednn:threads=2: a cause."
    assert "model/inference.pdiparams" in dict(failure.facts)["changed"]


def test_a_changed_model_that_agrees_is_green_and_said_to_be_changed(answers: Answer) -> None:
    told = answers([TRAINED], edit=change_model)
    assert told.startswith("tiny, onednn:threads=2 no longer differs: ")
    assert "(changed: model/inference.pdiparams since it was kept; Paddle: 3.3.1 then, 9.9.9 now)." in told


def test_the_figures_say_of_which_samples_they_are(answers: Answer) -> None:
    assert dict(red(answers, [OFF]).facts)["samples"] == "4 to 5 (a.png, b.png); the figures are of these alone, which were kept"


def test_a_preprocessing_that_was_mended_is_not_waited_for_in_its_kept_tensors(answers: Answer) -> None:
    found = Finding("preprocess", "It feeds BGR.", "step", "channel order")
    failure = red(answers, [OFF], finding=found, failure=replace(FAILURE, stage="preprocess"))
    assert failure.remedy == f"do this; {STAYS}."
    assert STAYS not in red(answers, [OFF]).remedy


@pytest.mark.parametrize("program", ["preprocess", "postprocess"])
def test_a_death_in_the_users_program_is_undecided(answers: Answer, program: str) -> None:
    """The engine alone never died, so that its answer tells nothing."""
    death = Death("inference engine (onednn): run sample a.png", "signal", DEAD.detail)
    with pytest.raises(UndecidedError, match=rf"it failed in the {program}, which a replay does not run \(tiny.*: a cause\)"):
        answers([TRAINED], inference=None, death=death, failure=replace(FAILURE, stage=program))


def test_a_request_that_was_edited_to_nonsense_is_damage(tmp_path: Path) -> None:
    path = keep(failed(), None, tmp_path)
    text = (path / "configuration.json").read_text()
    (path / "configuration.json").write_text(text.replace('"threads": 2', '"threads": "two"'))
    with pytest.raises(EvidenceError, match=r"the request in configuration\.json is not what it should be") as caught:
        replay(path, ReplayOptions(EngineSetup()))
    assert caught.value.remedy == COPY


def test_a_model_that_is_not_whole_is_said_before_paddle_reads_it_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Replay, "_paddle", lambda self: "9.9.9")
    path = keep(failed(), None, tmp_path)
    (path / "model").mkdir(exist_ok=True)
    with pytest.raises(ConformanceFailure) as caught:
        replay(path, ReplayOptions(EngineSetup(python="other")))
    assert re.search(
        r"tiny, onednn:threads=2: inference\.\w+ and .* are missing; .* holds no file of that name\.", str(caught.value)
    )
    assert caught.value.failure.remedy == WHOLE


def test_a_variant_that_cannot_run_here_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Asked:
        def __init__(self, name: str, *_: Any) -> None:
            self.name = name

        def call(self, step: str, *_: Any, timeout: float) -> str:
            asked.append(step)
            return "no GPU is visible"

        def close(self) -> None: ...

    monkeypatch.setattr("pytest_paddle_infer.engine.worker.Worker", Asked)
    monkeypatch.setattr(_Replay, "_check_files", lambda self: None)
    with pytest.raises(UnavailableError) as caught:
        replay(keep(failed(), None, tmp_path), ReplayOptions(EngineSetup()))
    assert str(caught.value) == "tiny, onednn:threads=2: the variant is not available here: no GPU is visible."
    assert asked == ["inference engine (onednn:threads=2): ask what this build can run"]
