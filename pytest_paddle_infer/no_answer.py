"""Why an inference engine gave no answer: it refused its input, raised, died or hung. Called around a checkpoint."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_paddle_infer.bench import LOADING, Bench, RunOptions
from pytest_paddle_infer.failures import ConformanceFailure, PaddleInferError, WorkerFailure
from pytest_paddle_infer.words import CONFIGURE, explained, title_of, worded

if TYPE_CHECKING:
    from pytest_paddle_infer.diagnosis.finding import Finding
    from pytest_paddle_infer.evidence.keeping import Seen
    from pytest_paddle_infer.exports import ExportedModel
    from pytest_paddle_infer.models import ModelSpec
    from pytest_paddle_infer.progress import Progress
    from pytest_paddle_infer.references import References

DEPLOYED = "inference engine"
"""How the name of its worker begins."""

RUNNING = "run sample"
"""How the step is called in which an engine answers samples."""


class NoAnswer:
    """Adds the cause to such a failure, where one can be told."""

    def __init__(self, options: RunOptions, references: References, progress: Progress) -> None:
        self._options, self._references, self._progress = options, references, progress

    @contextlib.contextmanager
    def explained(
        self, bench: Bench, spec: ModelSpec, variant: str, export: ExportedModel, seen: Seen | None = None
    ) -> Iterator[None]:
        """Adds to the `ConformanceFailure` of an inference engine that raised, died or hung what the diagnosis finds."""
        try:
            yield
        except ConformanceFailure as failed:
            red, error = failed, failed.__cause__
            if not self._options.diagnosis or not isinstance(error, WorkerFailure):
                raise
            refused = _of_refusal(bench, red, error)
            found = refused or _of_outputs(bench, red, error, export)
            if found is None and error.step.startswith(DEPLOYED):
                found = self._of_engine(bench, spec, variant, export, red, error, seen)
            if found is None:
                raise
            if seen is not None:
                seen.finding = found
            # a preprocess is the model's: what is remembered of it under one variant is told of another too
            title = title_of(spec, "" if refused is not None else variant)
            raise ConformanceFailure(explained(red.failure, title, found)) from error

    def check_inputs(self, bench: Bench) -> None:
        """Raises `ConformanceFailure` where the first sample's tensors do not fit the model: what fails of them says so in riddles."""
        try:
            with worded(bench.spec):
                bench.call(bench.training(), "preprocess", "inputs", 0, 1)
        except ConformanceFailure as failed:
            error = failed.__cause__
            found = _of_refusal(bench, failed, error) if self._options.diagnosis and isinstance(error, WorkerFailure) else None
            if found is None:
                raise
            raise ConformanceFailure(explained(failed.failure, title_of(bench.spec), found)) from error

    def _of_engine(
        self,
        bench: Bench,
        spec: ModelSpec,
        variant: str,
        export: ExportedModel,
        red: ConformanceFailure,
        error: WorkerFailure,
        seen: Seen | None,
    ) -> Finding | None:
        """Why an inference engine raised, died or hung while it loaded, or at a sample: what can be asked again."""
        if error.sentence or error.error == CONFIGURE or red.failure.stage not in ("load", "run"):  # its cause is known already
            return None
        step = error.step.partition(": ")[2]
        answered = len(seen.run.answered[0]) if seen is not None and seen.run is not None else 0
        if step != LOADING and not (step.startswith(RUNNING) and seen is not None):
            return None
        reference = self._references.known(bench, spec)
        if reference is None:  # it is not made for this alone: that takes longer than the diagnosis may
            return None

        def find() -> Finding | None:
            from pytest_paddle_infer.ended_engine import EndedEngine  # it needs numpy, and a session without failures may not

            return EndedEngine(self._options, self._progress, bench, spec, variant, export).explain(red, reference, answered)

        return bench.once(("diagnosis", variant, export.stamp, red.failure.title), find)


def _of_refusal(bench: Bench, red: ConformanceFailure, error: WorkerFailure) -> Finding | None:
    """Why the preprocessing of a sample was refused, where the text, the picture and the other side's program tell."""
    deployed = error.step.startswith(DEPLOYED)
    if error.error != "ProcessingError" or red.failure.stage != "preprocess":
        return None
    from pytest_paddle_infer.diagnosis.refusals import explain_refusal, made_in, of_both, of_training
    from pytest_paddle_infer.engine.processing import description_remedy

    named = (sample for sample in bench.samples if re.search(rf"\bsample {re.escape(sample.name)}:", error.detail))
    picture = None
    with contextlib.suppress(PaddleInferError):  # a picture that does not open is what the failure says already
        picture = next((sample.open() for sample in named), None)
    found = explain_refusal(error.detail, picture)
    if found is None:
        return None
    if not _refused_alike(bench, error, training=deployed):
        return found if deployed else of_training(found)
    remedy = description_remedy(bench.spec, *made_in(error.detail))
    return replace(of_both(found), remedy=remedy) if remedy else of_both(found)


def _of_outputs(bench: Bench, red: ConformanceFailure, error: WorkerFailure, export: ExportedModel) -> Finding | None:
    """Where the postprocessing failed of the outputs that the artifacts checkpoint found to be others: what that said."""
    known = bench.failure_of(("artifacts", export.stamp))
    if known is None or known.kind != "output" or red.failure.stage != "postprocess" or not error.step.startswith(DEPLOYED):
        return None
    from pytest_paddle_infer.diagnosis.finding import Finding

    cause = known.title.removeprefix(f"{title_of(bench.spec)}: ")
    return Finding(known.stage, cause, known.kind, known.name, (), known.remedy)


def _refused_alike(bench: Bench, error: WorkerFailure, *, training: bool) -> bool:
    """True where the other side's program is the same, or returns the same. training: that is the training side's."""
    from pytest_paddle_infer.diagnosis.refusals import said_in
    from pytest_paddle_infer.engine.processing import Processing, preprocess_of
    from pytest_paddle_infer.engine.services import EngineService

    if bench.spec.training_preprocess is None:
        return True
    model, samples = bench.model, bench.samples
    other = Processing(model.inputs, preprocess_of(bench.spec, training=training))
    worker = bench.worker("preprocessing", lambda: EngineService(other, samples))
    try:
        bench.call(worker, "preprocess", "inputs", 0, 1)
    except WorkerFailure as theirs:
        return bool(said_in(theirs.detail)) and said_in(theirs.detail) == said_in(error.detail)
    finally:
        worker.close()
    return False
