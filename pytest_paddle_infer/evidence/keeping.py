"""From a parity that failed to its folder: asks the workers for what is not at hand. `parity_check.py` calls it; no pytest."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from pytest_paddle_infer.failures import ConformanceFailure, Failure, PaddleInferError, UnavailableError, WorkerFailure

if TYPE_CHECKING:
    from pytest_paddle_infer.bench import Bench
    from pytest_paddle_infer.deployed.config import Request
    from pytest_paddle_infer.deployed.proof import Evidence
    from pytest_paddle_infer.details.samples import SampleRecords
    from pytest_paddle_infer.diagnosis.divergence import ComparedLayer
    from pytest_paddle_infer.diagnosis.finding import Finding
    from pytest_paddle_infer.engine.observed import LoadFacts
    from pytest_paddle_infer.engine.worker import Worker
    from pytest_paddle_infer.evidence.arrays import Arrays
    from pytest_paddle_infer.evidence.record import Death, FailedParity
    from pytest_paddle_infer.exports import ExportedModel
    from pytest_paddle_infer.models import ModelSpec
    from pytest_paddle_infer.parity import ParityRun
    from pytest_paddle_infer.reference import Reference

T = TypeVar("T")

ENGINE = "inference engine"
"""How the names of workers begin whose death is the deployed model's."""


@dataclass
class Seen:
    """How far a parity came: filled as it goes on, so that what is known when it fails can be kept.

    records, layers, workers (the training engine, the inference engine): for the details of the report.
    """

    facts: LoadFacts | None = None
    reference: Reference | None = None
    run: ParityRun | None = None
    evidence: Evidence | None = None
    finding: Finding | None = None
    records: SampleRecords | None = None
    layers: tuple[ComparedLayer, ...] = ()
    workers: tuple[Worker, ...] = ()


def keep_failure(
    bench: Bench,
    spec: ModelSpec,
    variant: str,
    export: ExportedModel,
    red: ConformanceFailure,
    seen: Seen,
    directory: Path,
    ours: bool,
) -> Failure:
    """Writes the evidence of a failed parity below `directory` and returns the failure with the fact ("kept", folder).

    spec: as this test means it; the bench may know it with other tolerances. ours: the export is the store's. A failure that is neither a
    comparison nor a death of the inference engine is returned as it is. What goes wrong here becomes that fact's text: the failure at hand
    is the news.
    """
    cause = red.__cause__
    died = cause if isinstance(cause, WorkerFailure) and cause.step.startswith(ENGINE) and not cause.sentence else None
    if isinstance(red, UnavailableError) or (died is None and (cause is not None or seen.run is None)):
        return red.failure
    from pytest_paddle_infer.evidence.folder import keep

    try:
        failed = _collected(bench, spec, variant, export, red.failure, seen, died)
        return red.failure.with_facts(("kept", str(keep(failed, export, directory, ours))))
    except (PaddleInferError, MemoryError) as error:
        return red.failure.with_facts(("kept", f"nothing: {error}"))


def _collected(
    bench: Bench,
    spec: ModelSpec,
    variant: str,
    export: ExportedModel,
    failure: Failure,
    seen: Seen,
    died: WorkerFailure | None,
) -> FailedParity:
    from pytest_paddle_infer.evidence.record import FailedParity

    run, reference = seen.run, seen.reference
    request = bench.options.setup.request(bench.options.variant(variant))
    example, size, total = run.example if run is not None else None, spec.batch_size or 1, len(bench.samples)
    died_later = False
    if died is not None:
        example = None
        start = len(run.answered[0]) if run is not None else 0
        died_later = start >= total  # every sample was answered: it died of being asked otherwise
        start = 0 if died_later else start
    else:
        start = example.start if example is not None else 0
    stop = example.stop if example is not None else min(start + size, total)
    known = reference.batch(start, stop) if reference is not None else None
    training, inference = known.training if known is not None else None, None
    if example is not None:
        training, inference = example.training, example.inference
    elif (died is None or died_later) and run is not None and run.kept[0]:  # what fails is not in the outputs of one batch
        training, inference = run.kept[0][0], run.kept[1][0]
    inputs = example.inference_inputs if example is not None else None
    training_inputs = example.training_inputs if example is not None else None
    return FailedParity(
        model=spec.name,
        variant=variant,
        failure=failure,
        request=request,
        input_names=[str(item.name) for item in bench.model.inputs],
        inputs=inputs if inputs is not None else _inputs(bench, start, stop),
        training_inputs=training_inputs,
        training=training,
        inference=inference,
        reference=known.exact if known is not None and training_inputs is None else None,
        first=start,
        samples=[sample.name for sample in bench.samples[start:stop]],
        output_names=reference.names if reference is not None else (),
        rules=_rules(spec, run, reference),
        verdicts=run.outputs if run is not None else (),
        evidence=seen.evidence or (seen.facts.evidence if seen.facts is not None else None),
        configuration=() if seen.facts is not None else _configuration(bench, export, request),
        versions=seen.facts.versions if seen.facts is not None else _versions(),
        training_paddle=_versions()["paddle_version"],
        finding=seen.finding,
        death=None if died is None else _death(died),
        died_later=died_later,
    )


def _rules(spec: ModelSpec, run: ParityRun | None, reference: Reference | None) -> Any:
    from pytest_paddle_infer.output_judges import output_judges

    if run is not None:
        return run.rules
    return [] if reference is None else [judge.rule for judge in output_judges(spec, reference)]


def _inputs(bench: Bench, start: int, stop: int) -> Arrays:
    """The tensors that the inference side's preprocessing makes; () where it fails."""
    from pytest_paddle_infer.engine.processing import Processing, preprocess_of
    from pytest_paddle_infer.engine.services import EngineService

    model, samples = bench.model, bench.samples
    side = Processing(model.inputs, preprocess_of(bench.spec))
    worker = bench.worker("preprocessing", lambda: EngineService(side, samples))
    try:
        return _quietly(lambda: bench.call(worker, "preprocess", "inputs", start, stop)) or ()
    finally:
        worker.close()


def _configuration(bench: Bench, export: ExportedModel, request: Request) -> tuple[str, ...]:
    """The calls of an engine that did not come to tell them, set up once more in a process of their own; () where that fails too."""
    from pytest_paddle_infer.engine.replay import ConfigurationService

    if request.on_gpu or bench.options.python:
        return ()
    worker = bench.worker("configuration", ConfigurationService)
    try:
        files = str(export.model_file), str(export.params_file)
        return _quietly(lambda: bench.call(worker, "set up", "told", *files, request)) or ()
    finally:
        worker.close()


def _versions() -> dict[str, str]:
    """Of this process's Paddle, which is there whenever a model is."""
    from pytest_paddle_infer.deployed.predictor import versions

    return versions() if "paddle" in sys.modules else {"paddle_version": ""}


def _death(died: WorkerFailure) -> Death:
    from pytest_paddle_infer.evidence.record import Death

    return Death(died.step, died.kind, died.detail, died.location, died.output)


def _quietly(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except WorkerFailure:
        return None
