"""diagnosis/stages.py: at which stage a step failed, and where the two sides part."""

from __future__ import annotations

import pytest

from pytest_paddle_infer.diagnosis.finding import STAGES
from pytest_paddle_infer.diagnosis.stages import RAISED_IN, Step, parted, stage_of, told
from pytest_paddle_infer.exports import ExportError
from pytest_paddle_infer.failures import ModelError, OptionError, WorkerFailure
from pytest_paddle_infer.samples import SampleError
from pytest_paddle_infer.store import StoreError

ENGINE = "inference engine (cpu): "
DIED = "the process died of SIGSEGV (signal 11)"


def dump(*functions: str) -> str:
    """What faulthandler prints of a process that died in the first of these functions."""
    frames = "\n".join(f'  File "/somewhere/file.py", line {number} in {name}' for number, name in enumerate(functions, 1))
    return f"Fatal Python error: Segmentation fault\n\nCurrent thread 0x00007f (most recent call first):\n{frames}\n"


# -- the stage of a failure --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "stage"),
    [
        (ModelError("no such model"), "training"),
        (ExportError("a file is missing"), "artifacts"),
        (StoreError("the disk is full"), "artifacts"),
        (OptionError("int8 needs a tolerance"), "comparison"),
        (SampleError("no picture"), "preprocess"),
        (ValueError("whatever"), ""),
    ],
)
def test_an_error_of_ours_has_the_stage_that_it_is_about(error: BaseException, stage: str) -> None:
    assert stage_of(error) == stage


@pytest.mark.parametrize(
    ("step", "stage"),
    [
        ("export: to_static and jit.save", "export"),
        ("training engine: run sample a.png", "training"),
        ("training engine: compare parameters", "training"),
        (ENGINE + "load the model", "load"),
        (ENGINE + "run sample a.png", "run"),
        (ENGINE + "run batches of 1, 2, 5", "run"),
    ],
)
@pytest.mark.parametrize("kind", ["signal", "exit", "timeout", "exception"])
def test_a_worker_that_fails_has_the_stage_of_what_it_was_doing(step: str, stage: str, kind: str) -> None:
    assert stage_of(WorkerFailure(step, kind, DIED, output=dump("run", "observe", "_serve"))) == stage


@pytest.mark.parametrize("program", ["preprocess", "postprocess"])
@pytest.mark.parametrize("kind", ["signal", "timeout"])
@pytest.mark.parametrize("step", ["run sample a.png", "load the model"])
def test_a_process_that_ends_in_the_users_program_has_its_stage(program: str, kind: str, step: str) -> None:
    output = dump("string_at", "segfaults", f"_{program}", "observe", "_serve")
    assert stage_of(WorkerFailure(ENGINE + step, kind, DIED, output=output)) == program


def test_the_program_that_was_running_counts_where_the_other_one_called_it() -> None:
    output = dump("segfaults", "_postprocess", "observe", "_preprocess")
    assert stage_of(WorkerFailure(ENGINE + "run sample a.png", "signal", DIED, output=output)) == "postprocess"


def test_a_function_whose_name_only_resembles_is_not_the_users_program() -> None:
    output = dump("run", "my_preprocess_again", "_preprocess_of")
    assert stage_of(WorkerFailure(ENGINE + "run sample a.png", "signal", DIED, output=output)) == "run"


def test_a_program_in_the_training_engine_is_that_programs_stage_as_well() -> None:
    output = dump("segfaults", "_preprocess")
    assert stage_of(WorkerFailure("training engine: run sample a.png", "signal", DIED, output=output)) == "preprocess"


def test_what_the_export_prints_does_not_change_its_stage() -> None:
    assert stage_of(WorkerFailure("export: to_static and jit.save", "signal", DIED, output=dump("_preprocess"))) == "export"


@pytest.mark.parametrize(("error", "stage"), sorted(RAISED_IN.items()))
def test_an_error_of_ours_that_a_worker_raised_keeps_its_stage(error: str, stage: str) -> None:
    assert stage_of(WorkerFailure(ENGINE + "run sample a.png", "exception", "a sentence.", sentence=True, error=error)) == stage
    assert stage in STAGES


def test_a_postprocess_that_raises_is_told_from_a_preprocess_that_raises() -> None:
    pre, post = (
        WorkerFailure(
            ENGINE + "run sample a.png", "exception", f"{program} raised KeyError: 'x'", sentence=True, error="ProcessingError"
        )
        for program in ("preprocess", "postprocess")
    )
    assert (stage_of(pre), stage_of(post)) == ("preprocess", "postprocess")


# -- where the two sides part ------------------------------------------------------------------------------------------

DYGRAPH, TRACED, RAW = Step("dygraph"), Step("to_static", 0.3), Step("cpu-noopt", 1.0)


def test_a_step_agrees_up_to_its_limit() -> None:
    assert RAW.agrees
    assert not Step("onednn", 1.01).agrees
    assert not Step("onednn", float("inf")).agrees
    assert not Step("onednn", float("nan")).agrees
    assert not Step("onednn", failed="no answer").agrees


def test_the_first_step_that_leaves_the_noise_floor_is_where_they_part() -> None:
    onednn = Step("onednn", 700.0)
    assert parted([DYGRAPH, TRACED, RAW, onednn]) == (RAW, onednn)
    assert parted([DYGRAPH, onednn, RAW]) == (DYGRAPH, onednn), "what agrees again later does not matter"
    assert parted([onednn, RAW]) == (None, onednn)


def test_steps_that_all_agree_do_not_part() -> None:
    assert parted([DYGRAPH, TRACED, RAW]) == (RAW, None)
    assert parted([]) == (None, None)


def test_a_step_that_died_is_where_they_part_and_one_that_was_not_asked_is_not() -> None:
    died, unasked, last = Step("to_static", failed="it died"), Step("jit.load", failed="not asked", asked=False), Step("cpu", 5.0)
    assert parted([DYGRAPH, died, last]) == (DYGRAPH, died)
    assert parted([DYGRAPH, unasked, last]) == (DYGRAPH, last)


def test_the_steps_are_told_in_their_order_with_how_far_each_is_away() -> None:
    label, text = told([DYGRAPH, TRACED, Step("cpu-noopt", 1234.5), Step("onednn", failed="the process died of SIGILL")])
    assert label == "steps"
    assert text == "dygraph agrees; to_static agrees; cpu-noopt is 1.23e+03 limits away; onednn: the process died of SIGILL"


def test_a_step_whose_integers_or_numbers_differ_beyond_measure_just_differs() -> None:
    assert told([DYGRAPH, Step("to_static", float("inf"))])[1] == "dygraph agrees; to_static differs"


def test_no_steps_are_told_as_none() -> None:
    assert told([]) == ("steps", "none was run")
