"""Sentences about what a checkpoint found: failures of workers, files, parameters and inputs as `Failure`s."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_paddle_infer.cutting import behind_a_word
from pytest_paddle_infer.diagnosis.known import meaning_of
from pytest_paddle_infer.diagnosis.stages import stage_of
from pytest_paddle_infer.exports import OTHER_PADDLE, ExportedModel, ExportError, OutputsError
from pytest_paddle_infer.failures import ConformanceFailure, Failure, PaddleInferError, WorkerFailure
from pytest_paddle_infer.parameters import ParameterReport
from pytest_paddle_infer.store import StoreError

if TYPE_CHECKING:
    from pytest_paddle_infer.diagnosis.finding import Finding
    from pytest_paddle_infer.models import ModelSpec

Facts = tuple[tuple[str, str], ...]

CONFIGURE = "ConfigureError"
"""What `deployed.config` raises where a variant's own function does; in another process it has this name alone."""


@contextmanager
def worded(spec: ModelSpec, variant: str = "", export: ExportedModel | None = None) -> Iterator[None]:
    """Turns what may go wrong in a step into a `ConformanceFailure`; faults of ours keep their traceback."""
    name = title_of(spec, variant)
    try:
        yield
    except ConformanceFailure:
        raise
    except WorkerFailure as error:
        facts: list[tuple[str, str]] = [] if error.sentence else [("step", error.step)]
        if error.location:
            facts.append(("at", error.location))
        if error.kind != "exception":
            if passes := re.findall(r"Running (?:IR|PIR) pass \[(.*?)\]", error.output):
                facts.append(("pass", f"{passes[-1]} was the last optimisation pass that began"))
            if tail := _last_lines(error.output):
                facts.append(("said", tail))
        title, remedy = _worker_title(error), _worker_remedy(error)
        if program := _raising(spec, error):
            called = f"the inference {program}" if _has_another(spec, program) else program
            title = title.replace(program.removeprefix("training_"), called, 1)
            remedy = _program_remedy(spec, program)
        red = failure(f"{name}: {title}", "", export, remedy).with_facts(*facts)
        raise ConformanceFailure(meant(placed(red, error), name, error)) from error
    except PaddleInferError as error:
        remedy = error.remedy
        if isinstance(error, ExportError):
            named = "name the directory, or the path prefix, that paddle.jit.save wrote."
            again = "" if str(error).endswith(OTHER_PADDLE) else export_again()
            remedy = error.remedy or (named if export is None else again if export.given else "")
        text = sentence(error)
        title = text if text.startswith(f"{spec.name}:") and not isinstance(error, (ExportError, StoreError)) else f"{name}: {text}"
        raise ConformanceFailure(placed(failure(title, "", export, remedy), error)) from error


def placed(red: Failure, error: BaseException) -> Failure:
    """The failure with the stage that the error is about, and with what it names."""
    stage = stage_of(error)
    location = getattr(error, "location", "")
    kind = {"preprocess": "step", "postprocess": "step", "artifacts": "file"}.get(stage, "code" if location else "")
    kind = "output" if isinstance(error, OutputsError) else kind
    facts = (("stage", stage), *red.facts) if stage else red.facts
    return replace(red, facts=facts, stage=stage, kind=kind, name=location)


def meant(red: Failure, name: str, error: WorkerFailure) -> Failure:
    """The failure with what Paddle's error means, where that is known; what Paddle said stays below it."""
    known = meaning_of(error.detail) if error.kind == "exception" and not error.sentence else None
    if known is None:
        return red
    facts = (("stage", known.stage), ("said", error.detail), *(fact for fact in red.facts if fact[0] != "stage"))
    return replace(
        red, title=f"{name}: {known.cause}.", facts=facts, remedy=known.remedy, stage=known.stage, kind=known.kind, name=known.cause
    )


def explained(red: Failure, title: str, found: Finding) -> Failure:
    """A failure of an engine with the cause that the diagnosis found; how the engine ended stays below it."""
    facts = tuple(fact for fact in red.facts if fact[0] != "stage")
    if found.cause:
        facts = (("engine", red.title), *facts)
        red = replace(red, title=f"{title}: {found.cause}")
    return replace(
        red,
        facts=(("stage", found.stage), *found.facts, *facts),
        remedy=found.remedy or red.remedy,
        stage=found.stage,
        kind=found.kind,
        name=found.name,
    )


def title_of(spec: ModelSpec, variant: str = "") -> str:
    """What every failure begins with: the model, and the variant where it matters."""
    return f"{spec.name}, {variant}" if variant else spec.name


def failure(title: str, weights: str = "", export: ExportedModel | None = None, remedy: str = "") -> Failure:
    """Returns a failure that says which weights and which given export it is about."""
    facts = [("weights", weights)] if weights else []
    if export is not None and export.given:
        facts.append(("export", str(export.prefix)))
    return Failure(title, tuple(facts), remedy)


def sentence(error: BaseException) -> str:
    """The text of an error with one full stop."""
    return str(error).rstrip(".") + "."


def _worker_title(error: WorkerFailure) -> str:
    who, _, step = error.step.partition(": ")
    detail = error.detail.rstrip(".")
    program = stage_of(error)
    if error.kind != "exception" and program in ("preprocess", "postprocess"):
        return f"{program} {'hangs' if error.kind == 'timeout' else 'crashes'} in the {who}'s process ('{step}'): {detail}."
    if error.kind == "timeout":
        return f"the {who} hangs in '{step}': {detail}."
    if error.kind != "exception":
        return f"the {who} died in '{step}': {detail}."
    if error.sentence:
        return f"{detail}."
    if error.error == CONFIGURE:
        return f"{detail.partition(': ')[2]}."
    return f"the export failed: {detail}." if who == "export" else f"the {who} could not {step}: {detail}."


def _worker_remedy(error: WorkerFailure) -> str:
    if error.kind == "timeout":
        return "look at the line above, or allow more time with --paddle-timeout."
    if error.error == CONFIGURE:
        return "mend that function: it is given the paddle.inference.Config before the model is loaded."
    if "SIGKILL" in error.detail:
        return "see whether the machine ran out of memory (dmesg): a smaller --paddle-batch-size or fewer processes need less."
    if "ConvertPirAttribute2RuntimeAttribute" in error.detail:
        return (
            "this Paddle's oneDNN cannot run one of the model's operators (F.interpolate is one): call "
            'config.delete_pass("onednn_placement_pass"), or deploy with the variant cpu.'
        )
    if error.step.startswith("export") and not error.sentence:
        if not error.location:
            return "look in forward for what the error names: paddle.jit.to_static could not convert it."
        return "change the line above so that paddle.jit.to_static can convert it."
    return error.remedy


def _raising(spec: ModelSpec, error: WorkerFailure) -> str:
    """The model's own program that raised, as the `ModelSpec` calls it: that of the training side where it has one; "" for none."""
    found = re.match(r"(preprocess|postprocess) raised ", error.detail) if error.error == "ProcessingError" else None
    if found is None:
        return ""
    training = f"training_{found[1]}"
    if error.step.startswith("training engine") and getattr(spec, training) is not None:
        return training
    return found[1] if getattr(spec, found[1]) is not None else ""


def _has_another(spec: ModelSpec, program: str) -> bool:
    """True for a program of the inference side where the training side has its own."""
    return not program.startswith("training_") and getattr(spec, f"training_{program}") is not None


def _program_remedy(spec: ModelSpec, program: str) -> str:
    shared = not program.startswith("training_") and not _has_another(spec, program)
    takes = "every sample as it is given" if program.endswith("preprocess") else "the outputs of one sample as they are given"
    return f"mend {program}{', which both engines run' if shared else ''}: it must take {takes}."


def export_again(inputs: Sequence[Any] = ()) -> str:
    """What to do about a given export that is not as it should be. inputs: what it must be exported for, where that is known."""
    specs = ", ".join(f"InputSpec({list(item.shape)}, {item.dtype!r}, {item.name!r})" for item in inputs)
    named = f"with paddle.jit.save and input_spec=[{specs}]" if specs else "with paddle.jit.save"
    return f"export again {named}, or give no export: the plugin then makes it."


def _last_lines(output: str, count: int = 3) -> str:
    """The end of what a process wrote, without glog's info and warning lines and without the dump of faulthandler."""
    noise = re.compile(
        r"[IW]\d{4} |\x1b\[|--- |Extension modules|Fatal Python error|(Current thread|Thread) 0x|\s+File \"|to_static made it of"
    )
    lines = [line.strip() for line in output.splitlines() if line.strip() and not noise.match(line)]
    return behind_a_word(" | ".join(lines[-count:]), 300)


# -- parameters and inputs ---------------------------------------------------------------------------------------------


def parameters_failure(spec: ModelSpec, weights: str, export: ExportedModel, report: ParameterReport) -> Failure:
    """The export holds other parameters than the model."""
    found = failure(f"{spec.name}: {report.sentence()}", weights, export, weights_remedy(weights))
    facts = (("stage", "artifacts"), *found.facts, *difference_facts(report))
    return replace(found, facts=facts, stage="artifacts", kind="parameters")


def explained_parameters(red: Failure, title: str, found: Finding) -> Failure:
    """The same with how they came to differ."""
    shown = {label for label, _ in red.facts}
    facts = (*red.facts, *(fact for fact in found.facts if fact[0] not in shown))
    return replace(red, title=f"{title}: {found.cause}", facts=facts, remedy=found.remedy, name=found.name)


def weights_remedy(weights: str) -> str:
    """What to do when parameters differ."""
    if weights.startswith("random"):
        return "the model under test has random weights; give the exported ones with --paddle-weights or ModelSpec(weights=...)."
    return "export again from the weights under test."


def difference_facts(report: ParameterReport) -> Facts:
    """The first parameters that differ, and by how much."""
    shown = ((d.name, f"{d.differing} of {d.elements} elements differ, by at most {d.max_abs:.3g}") for d in report.differences[:3])
    return (("compared", f"{report.compared} parameters, bit for bit"), *shown)


def input_problem(found: Sequence[Any], wanted: Sequence[Any]) -> str:
    """How the inputs of an export differ from those asked for, in one sentence; empty when they do not."""
    if [item.name for item in found] != [item.name for item in wanted]:
        have, want = (", ".join(str(item.name) for item in items) for items in (found, wanted))
        only_names = [(item.dtype, item.shape) for item in found] == [(item.dtype, item.shape) for item in wanted]
        first = found[0] if only_names else None
        advice = f"; input_spec may name them: ({list(first.shape)}, {first.dtype!r}, {str(first.name)!r})" if first else ""
        return f"the export's inputs are {have}; asked for were {want}{advice}."
    for have, want in zip(found, wanted):
        if have.dtype != want.dtype:
            return f"the export's input {have.name!r} is {have.dtype}; asked for was {want.dtype}."
        if have.shape != want.shape:
            fixed = [axis for axis, (own, size) in enumerate(zip(have.shape, want.shape)) if size is None and own is not None]
            advice = (
                "; use None for the batch dimension" if fixed == [0] else "; use None for each size that varies" if fixed else ""
            )
            return f"the export's input {have.name!r} has shape {list(have.shape)}; asked for was {list(want.shape)}{advice}."
    return ""
