"""words.py: failures with their stage, with what Paddle meant, and with what the diagnosis found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pytest_paddle_infer.cutting import behind_a_word
from pytest_paddle_infer.diagnosis.finding import Finding
from pytest_paddle_infer.engine.worker import native_reason
from pytest_paddle_infer.exports import OTHER_PADDLE, ExportedModel, ExportError, OutputsError
from pytest_paddle_infer.failures import ConformanceFailure, Failure, ModelError, WorkerFailure
from pytest_paddle_infer.models import ModelSpec, TensorSpec
from pytest_paddle_infer.no_answer import NoAnswer
from pytest_paddle_infer.parameters import compare_parameters
from pytest_paddle_infer.report.figures import LONGEST, Figures
from pytest_paddle_infer.words import (
    _last_lines,
    explained,
    explained_parameters,
    export_again,
    input_problem,
    meant,
    parameters_failure,
    placed,
    weights_remedy,
    worded,
)

RUN = "inference engine (cpu): run"
SPEC = ModelSpec("net", factory=object)
RED = Failure("net, cpu: the inference engine (cpu) died.", (("weights", "random"), ("said", "something")), "try again.")
SHADOW = "ValueError: More than one shadow output named with x found"
FOUND = Finding(
    "optimise", "the optimisation pass a_pass ends the process.", "pass", "a_pass", (("passes", "40 ran"),), "delete it."
)


def raised(error: BaseException) -> Failure:
    with pytest.raises(ConformanceFailure) as caught, worded(SPEC, "cpu"):
        raise error
    return caught.value.failure


def shadow(**more: object) -> WorkerFailure:
    return WorkerFailure("inference engine (cpu): load the model", "exception", SHADOW, **more)  # type: ignore[arg-type]


# -- placed ------------------------------------------------------------------------------------------------------------


def test_a_failure_says_its_stage_first_and_names_the_line() -> None:
    error = WorkerFailure(RUN, "exception", "KeyError: 'x'", "user.py:3: table[x]")
    found = placed(RED, error)
    assert found.facts[0] == ("stage", "run")
    assert found.facts[1:] == RED.facts
    assert (found.stage, found.kind, found.name) == ("run", "code", "user.py:3: table[x]")
    assert found.title == RED.title


def test_a_failure_whose_stage_is_unknown_says_none() -> None:
    found = placed(RED, ValueError("whatever"))
    assert found.facts == RED.facts
    assert (found.stage, found.kind, found.name) == ("", "", "")


@pytest.mark.parametrize(("error", "stage", "kind"), [
    (ExportError("a file is missing"), "artifacts", "file"),
    (ModelError("no such model"), "training", ""),
    (WorkerFailure(RUN, "exception", "postprocess raised KeyError", error="ProcessingError"), "postprocess", "step"),
    (WorkerFailure(RUN, "exception", "preprocess raised KeyError", error="ProcessingError"), "preprocess", "step"),
])  # fmt: skip
def test_what_a_failure_names_follows_from_its_stage(error: BaseException, stage: str, kind: str) -> None:
    found = placed(RED, error)
    assert (found.stage, found.kind) == (stage, kind)


@pytest.mark.parametrize(("program", "own", "who", "title", "remedy"), [
    ("preprocess", ("preprocess",), "inference", "preprocess raised",
     "mend preprocess, which both engines run: it must take every sample as it is given."),
    ("preprocess", ("preprocess", "training_preprocess"), "inference", "the inference preprocess raised",
     "mend preprocess: it must take every sample as it is given."),
    ("preprocess", ("preprocess", "training_preprocess"), "training", "training_preprocess raised",
     "mend training_preprocess: it must take every sample as it is given."),
    ("postprocess", ("postprocess",), "training", "postprocess raised",
     "mend postprocess, which both engines run: it must take the outputs of one sample as they are given."),
    ("postprocess", ("postprocess", "training_postprocess"), "training", "training_postprocess raised",
     "mend training_postprocess: it must take the outputs of one sample as they are given."),
    ("postprocess", ("postprocess", "training_postprocess"), "inference", "the inference postprocess raised",
     "mend postprocess: it must take the outputs of one sample as they are given."),
    ("preprocess", (), "training", "preprocess raised", ""),
])  # fmt: skip
def test_of_two_programs_the_one_that_raised_is_named(
    program: str, own: tuple[str, ...], who: str, title: str, remedy: str
) -> None:
    spec = replace(SPEC, **dict.fromkeys(own, str))  # type: ignore[arg-type]
    error = WorkerFailure(
        f"{who} engine: run", "exception", f"{program} raised KeyError: a", sentence=True, error="ProcessingError"
    )
    with pytest.raises(ConformanceFailure) as caught, worded(spec, "cpu"):
        raise error
    red = caught.value.failure
    assert (red.title, red.remedy, red.stage) == (f"net, cpu: {title} KeyError: a.", remedy, program)


def test_what_is_worded_carries_its_stage() -> None:
    assert raised(ExportError("a file is missing")).stage == "artifacts"
    red = raised(WorkerFailure("inference engine (cpu): load the model", "signal", "the process died of SIGSEGV (signal 11)"))
    assert red.stage == "load"
    assert [value for label, value in red.facts if label == "stage"] == ["load"]


def test_an_error_that_knows_what_to_do_gives_the_remedy() -> None:
    error = ModelError("net: there is no weights file w.pdparams.")
    assert raised(error).remedy == ""
    error.remedy = "correct weights=."
    assert raised(error).remedy == "correct weights=."


# -- meant -------------------------------------------------------------------------------------------------------------


def test_a_riddle_of_paddle_is_worded_as_its_meaning_and_what_was_said_stays_below() -> None:
    red = raised(shadow())
    assert red.title.startswith("net, cpu: the model returns its input x as an output")
    assert red.title.endswith("twice.")
    assert red.facts[:2] == (("stage", "export"), ("said", SHADOW))
    assert [label for label, _ in red.facts].count("stage") == 1
    assert (red.stage, red.kind) == ("export", "output")
    assert "paddle.assign" in red.remedy


def test_a_sentence_of_ours_and_a_process_that_died_keep_their_own_words() -> None:
    assert meant(RED, "net", shadow(sentence=True)) == RED
    assert meant(RED, "net", WorkerFailure(RUN, "signal", SHADOW)) == RED
    assert meant(RED, "net", WorkerFailure(RUN, "exception", "KeyError: 'x'")) == RED


# -- explained ---------------------------------------------------------------------------------------------------------


def test_a_cause_takes_the_title_and_how_the_engine_ended_stays_below() -> None:
    found = explained(placed(RED, WorkerFailure(RUN, "signal", "died")), "net, cpu", FOUND)
    assert found.title == "net, cpu: the optimisation pass a_pass ends the process."
    assert found.facts == (("stage", "optimise"), ("passes", "40 ran"), ("engine", RED.title), *RED.facts)
    assert (found.stage, found.kind, found.name, found.remedy) == ("optimise", "pass", "a_pass", "delete it.")


def test_where_no_cause_is_found_the_title_and_the_remedy_stay() -> None:
    nothing = Finding("optimise", "", facts=(("passes", "all were tried"),), certain=False)
    found = explained(RED, "net, cpu", nothing)
    assert (found.title, found.remedy) == (RED.title, RED.remedy)
    assert found.facts == (("stage", "optimise"), ("passes", "all were tried"), *RED.facts)
    assert "engine" not in dict(found.facts)


# -- parameters --------------------------------------------------------------------------------------------------------


def differing() -> Failure:
    one, two = np.ones(3, np.float32), np.full(3, 2.0, np.float32)
    report = compare_parameters({"w_0": two, "w_1": one}, [("fc.weight", "w_0", one), ("fc.bias", "w_1", one)])
    export = ExportedModel(Path("exports/net/inference"))
    return parameters_failure(SPEC, "of net.pdparams", export, report)


def test_other_parameters_are_a_failure_of_the_artifacts() -> None:
    red = differing()
    assert red.title == "net: 1 of 2 parameters differ from the model's: fc.weight."
    assert (red.stage, red.kind) == ("artifacts", "parameters")
    assert red.facts[0] == ("stage", "artifacts")
    assert dict(red.facts)["fc.weight"] == "3 of 3 elements differ, by at most 1"


def test_how_parameters_came_to_differ_takes_the_title_and_no_fact_is_said_twice() -> None:
    red = differing()
    cause = Finding(
        "artifacts", "fc.weight is twice the model's.", "parameters", "fc.weight",
        (("compared", "said again"), ("factor", "2")), "export again.",
    )  # fmt: skip
    found = explained_parameters(red, "net", cause)
    assert found.title == "net: fc.weight is twice the model's."
    assert found.facts == (*red.facts, ("factor", "2"))
    assert (found.stage, found.kind, found.name, found.remedy) == ("artifacts", "parameters", "fc.weight", "export again.")


def test_random_weights_have_a_remedy_of_their_own() -> None:
    assert "--paddle-weights" in weights_remedy("random weights, seed 0")
    assert weights_remedy("of net.pdparams") == "export again from the weights under test."


# -- inputs of an export -----------------------------------------------------------------------------------------------

IMAGE, X = TensorSpec((None, 3, 32, 32), "float32", "image"), TensorSpec((None, 3, 32, 32), "float32", "x")


def test_inputs_of_another_name_alone_may_be_named() -> None:
    assert input_problem([IMAGE], [X]) == (
        "the export's inputs are image; asked for were x; input_spec may name them: ([None, 3, 32, 32], 'float32', 'image')."
    )


def test_inputs_of_another_number_are_not_told_to_be_renamed() -> None:
    assert input_problem([IMAGE, X], [X]) == "the export's inputs are image, x; asked for were x."
    assert input_problem([X], [X]) == ""


# -- long texts --------------------------------------------------------------------------------------------------------


def test_a_long_reason_of_paddle_ends_behind_a_sentence() -> None:
    example = ">>> logging.info(x) ... ".join(["For example: "] * 40)
    assert (
        native_reason(f"It is not supported. Its value is not known.\n{example}") == "It is not supported. Its value is not known."
    )


def test_a_long_reason_without_a_sentence_ends_behind_a_word() -> None:
    reason = native_reason("word " * 200)
    assert reason.endswith("word ...")
    assert len(reason) <= 600


def test_a_single_long_word_is_cut_rather_than_lost() -> None:
    assert behind_a_word("x" * 50, 20) == "x" * 16 + " ..."
    assert behind_a_word("x" * 20, 20) == "x" * 20
    assert behind_a_word("one two three", 11) == "one two ..."


def test_a_reason_that_fits_stays_whole() -> None:
    assert native_reason("A sentence. And half of") == "A sentence. And half of"


def test_long_values_on_a_report_and_long_output_end_behind_a_word() -> None:
    properties: list[tuple[str, object]] = []
    Figures(properties).why(Failure("why", (("engine", "word " * 400),)))
    told = dict(properties)["paddle_infer.fact"]
    assert isinstance(told, str)
    assert told.endswith("word ...")
    assert len(told) <= LONGEST + len("engine: ")
    assert _last_lines("word " * 100).endswith("word ...")


def test_what_to_export_for_is_named_where_it_is_known() -> None:
    image = TensorSpec((None, 3, 64, 64), "float32", "image")
    assert export_again([image]) == (
        "export again with paddle.jit.save and input_spec=[InputSpec([None, 3, 64, 64], 'float32', 'image')], or give no export: the "
        "plugin then makes it."
    )


def test_a_preprocess_that_is_refused_is_the_models_under_every_variant() -> None:
    bench = SimpleNamespace(spec=SPEC, samples=())
    no_answer = NoAnswer(SimpleNamespace(diagnosis=True), None, None)  # type: ignore[arg-type]
    refused = "sample a: preprocess returned shape [3, 9, 9] for input 'x', which is [None, 3, 8, 8]"
    error = WorkerFailure("inference engine (cpu): run sample a", "exception", refused, sentence=True, error="ProcessingError")
    export = ExportedModel(Path("here"))
    explaining = no_answer.explained(bench, SPEC, "cpu", export)  # type: ignore[arg-type]
    with pytest.raises(ConformanceFailure) as caught, explaining, worded(SPEC, "cpu", export):
        raise error
    assert caught.value.failure.title.startswith("net: the preprocessing of both engines makes shape [3, 9, 9] for input 'x'")


def test_an_answer_that_fails_of_other_outputs_is_told_as_the_artifacts_told_it() -> None:
    """Only where that checkpoint ran, named the outputs, and it is the inference engine whose answer fails."""
    export = ExportedModel(Path("here"), given=True)
    other = OutputsError("the export has 1 output, the model 2.")
    other.remedy = "export the forward that is tested."
    with pytest.raises(ConformanceFailure) as caught, worded(SPEC, "", export):
        raise other
    known = {("artifacts", export.stamp): caught.value.failure}

    def told(known: dict[object, Failure], step: str = "inference engine (cpu): run sample 0") -> Failure:
        bench = SimpleNamespace(spec=SPEC, samples=(), failure_of=known.get)
        no_answer = NoAnswer(SimpleNamespace(diagnosis=True), None, None)  # type: ignore[arg-type]
        error = WorkerFailure(step, "exception", "postprocess raised ValueError: 1", sentence=True, error="ProcessingError")
        explaining = no_answer.explained(bench, SPEC, "cpu", export)  # type: ignore[arg-type]
        with pytest.raises(ConformanceFailure) as caught, explaining, worded(SPEC, "cpu", export):
            raise error
        return caught.value.failure

    red = told(known)
    assert (red.title, red.remedy) == ("net, cpu: the export has 1 output, the model 2.", "export the forward that is tested.")
    assert ("engine", "net, cpu: postprocess raised ValueError: 1.") in red.facts
    assert (red.stage, red.kind) == ("artifacts", "output")
    others = [
        told({}),
        told(known, step="training engine: run"),
        told({("artifacts", export.stamp): replace(known["artifacts", export.stamp], kind="file")}),
    ]
    assert [each.title for each in others] == ["net, cpu: postprocess raised ValueError: 1."] * 3


def test_an_export_of_another_paddle_is_not_sent_to_be_made_again_by_the_same() -> None:
    def remedy(text: str) -> str:
        with pytest.raises(ConformanceFailure) as caught, worded(SPEC, "cpu", ExportedModel(Path("here"), given=True)):
            raise ExportError(text)
        return caught.value.failure.remedy

    assert remedy(f"inference.json was written by Paddle 3; {OTHER_PADDLE}") == ""
    again = "export again with paddle.jit.save, or give no export: the plugin then makes it."
    assert remedy("inference.pdiparams is 8 bytes short.") == again
    error = ExportError("the outputs are in another order.")
    error.remedy = "keep the order."
    with pytest.raises(ConformanceFailure) as caught, worded(SPEC, "cpu", ExportedModel(Path("here"), given=True)):
        raise error
    assert caught.value.failure.remedy == "keep the order."
