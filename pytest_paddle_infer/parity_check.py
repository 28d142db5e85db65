"""The parity checkpoint: both engines answer alike on every sample; a failure is explained, and its evidence kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_paddle_infer.bench import Bench, RunOptions
from pytest_paddle_infer.exports import ExportedModel
from pytest_paddle_infer.failures import ConformanceFailure
from pytest_paddle_infer.kept_exports import KeptExports
from pytest_paddle_infer.models import ModelSpec, shapes_of_one_sample
from pytest_paddle_infer.near_ties import near_ties
from pytest_paddle_infer.no_answer import RUNNING, NoAnswer
from pytest_paddle_infer.progress import Progress
from pytest_paddle_infer.references import References
from pytest_paddle_infer.store import Store
from pytest_paddle_infer.words import failure, title_of, worded

if TYPE_CHECKING:
    from pytest_paddle_infer.diagnosis.finding import Finding
    from pytest_paddle_infer.engine.observed import LoadFacts, Observation
    from pytest_paddle_infer.engine.worker import Worker
    from pytest_paddle_infer.evidence.keeping import Seen
    from pytest_paddle_infer.judge.answers import AnswersVerdict
    from pytest_paddle_infer.judge.closeness import OutputVerdict
    from pytest_paddle_infer.parity import ParityRun
    from pytest_paddle_infer.reference import Reference


@dataclass(frozen=True)
class ParityResult:
    """The parity checkpoint held: how close the two engines are."""

    inputs: tuple[OutputVerdict, ...]
    outputs: tuple[OutputVerdict, ...]
    answers: AnswersVerdict
    samples: int
    directory: Path
    weights: str
    notes: tuple[str, ...] = ()
    program: str = ""
    """Digest of what was executed; two variants with the same one are the same in all but name."""
    details: str = ""
    """The folder for the report, see `details.keeping`."""
    fed: str = ""
    """Dtype and shape of each input of one sample."""


class ParityCheck:
    """Runs the parity checkpoint."""

    def __init__(
        self,
        options: RunOptions,
        progress: Progress,
        store: Store,
        exports: KeptExports,
        references: References,
        no_answer: NoAnswer,
    ) -> None:
        self._options, self._progress, self._store = options, progress, store
        self._exports, self._references, self._no_answer = exports, references, no_answer

    def run(self, bench: Bench, spec: ModelSpec, variant: str, export: ExportedModel, directory: Path) -> ParityResult:
        """Asserts that both engines answer alike on every sample, and leaves their outputs in `directory`.

        Raises `ConformanceFailure`, whose evidence is kept.
        """
        from pytest_paddle_infer.details.keeping import keep_parity
        from pytest_paddle_infer.evidence.keeping import Seen, keep_failure

        seen = Seen()
        try:
            with self._no_answer.explained(bench, spec, variant, export, seen):
                held = self._parity(bench, spec, variant, export, directory, seen)
            return replace(held, details=keep_parity(bench, spec, variant, seen))
        except ConformanceFailure as red:
            self._progress.step(spec.name, f"{variant}: keep the evidence")
            place = self._options.artifacts or self._options.workdir / "artifacts"
            ours = self._exports.entry_of(bench, export) is not None
            kept = keep_failure(bench, spec, variant, export, red, seen, place, ours)
            raise ConformanceFailure(replace(kept, details=keep_parity(bench, spec, variant, seen))) from red.__cause__

    def _parity(
        self, bench: Bench, spec: ModelSpec, variant: str, export: ExportedModel, directory: Path, seen: Seen
    ) -> ParityResult:
        from pytest_paddle_infer.deployed.proof import findings
        from pytest_paddle_infer.diagnosis.finding import Finding
        from pytest_paddle_infer.invariance import check_invariance
        from pytest_paddle_infer.reprod_files import write_evidence
        from pytest_paddle_infer.sampling import sample_notes

        with worded(spec, variant, export):
            seen.reference = self._references.of(bench, spec)
            worker, facts = bench.inference(variant, export)
            seen.facts = facts
            precision = self._options.precision(variant, facts)
            seen.reference = reference = self._references.in_precision(bench, spec, precision)
            self._progress.step(spec.name, f"{variant}: parity")
            run = first = self._compared(bench, spec, worker, precision, seen)
            steadier = self._references.steadier(bench, spec, reference) if first.borderline else None
            if steadier is not None:
                records, seen.reference = seen.records, steadier
                run = self._compared(bench, spec, worker, precision, seen)
                if not run.covers(first):  # an engine that was wrong when it was asked first is not right because it is now
                    run, seen.run, seen.reference, seen.records = first, first, reference, records
            kept, near = self._exports.entry_of(bench, export), near_ties(bench, precision, 0, 1)
            evidence = check_invariance(bench, self._store, kept, variant, run, worker, facts, near)
            seen.evidence = evidence
        untrue = findings(self._options.setup.request(self._options.variant(variant)), evidence)
        directory.mkdir(parents=True, exist_ok=True)
        write_evidence(run, directory)
        severe = [finding for finding in untrue if finding.severe]
        cause: Finding | None
        if severe:  # the engine that was compared is not the one that was asked for
            also = tuple(("also", finding.sentence) for finding in severe[1:4])
            cause = Finding("load", f"{severe[0].sentence}.", "setting", variant, also, severe[0].remedy)
        else:
            cause = self._cause(bench, variant, export, run, worker, seen)
        if cause is not None:
            seen.finding = cause
            red = failure(f"{title_of(spec, variant)}: {cause.cause}", bench.model.weights, export, cause.remedy)
            figures = (fact for fact in run.facts() if fact[0] != "first" or fact[1] not in cause.cause)  # not the same line twice
            red = red.with_facts(
                *(("stage", stage) for stage in [cause.stage] if stage), *cause.facts, *figures, ("files", str(directory))
            )
            raise ConformanceFailure(replace(red, figures=run.figures(), stage=cause.stage, kind=cause.kind, name=cause.name))
        said = (f"{variant}: {finding.sentence}" for finding in untrue if not finding.severe)
        return ParityResult(
            run.inputs,
            run.outputs,
            run.answers,
            len(bench.samples),
            directory,
            bench.model.weights,
            (
                *sample_notes(spec, bench.samples),
                *_unused(spec, run),
                *run.notes,
                *_ties(run, variant),
                *run.answers.kinds,
                *_lucky(first, run, variant),
                *said,
                *self._elsewhere(facts),
            ),
            hashlib.sha256(repr(evidence.program).encode()).hexdigest()[:12],
            fed=shapes_of_one_sample(bench.model.inputs),
        )

    def _compared(self, bench: Bench, spec: ModelSpec, worker: Worker, precision: str, seen: Seen) -> ParityRun:
        """Runs all samples through both engines and judges them by `seen.reference`."""
        from pytest_paddle_infer.parity import ParityRun

        assert seen.reference is not None
        assert seen.facts is not None
        if self._options.details:
            from pytest_paddle_infer.details.samples import SampleRecords

            seen.records, seen.workers = SampleRecords(len(bench.samples)), (bench.training(), worker)
        seen.run = ParityRun(bench.model, spec, seen.reference, seen.facts.output_names, seen.records)
        self._observe(bench, spec, seen.run, worker, seen.reference, precision)
        return seen.run

    def _elsewhere(self, facts: LoadFacts) -> tuple[str, ...]:
        """A note on the other Python that holds the inference engine."""
        if self._options.python is None:
            return ()
        return (f"the inference engine is Paddle {facts.versions['paddle_version']} of {self._options.python}",)

    def _observe(self, bench: Bench, spec: ModelSpec, run: ParityRun, worker: Worker, reference: Reference, precision: str) -> None:
        """Runs both engines over all samples; what the reference already knows of the training engine is not run again."""
        size, total = spec.batch_size or 1, len(bench.samples)
        for start in range(0, total, size):
            stop = min(start + size, total)
            samples = bench.samples[start:stop]
            step = f"{RUNNING}{'s' * (len(samples) > 1)} {', '.join(sample.name for sample in samples[:4])}"
            known = reference.batch(start, stop)
            asked = ("answer", known.training, known.inputs, start, stop) if known else ("observe", start, stop)
            bench.begin(bench.training(), step, *asked)
            inferred: Observation = bench.call(worker, step, "observe", start, stop)
            trained: Observation = bench.end(bench.training())
            _check_rows(trained, len(samples))

            def inputs(start: int = start, stop: int = stop) -> Any:
                return tuple(bench.call(side, "preprocess", "inputs", start, stop) for side in (bench.training(), worker))

            def answers_to(outputs: Any, start: int = start, stop: int = stop) -> Any:
                return bench.call(bench.training(), "postprocess", "answers", outputs, start, stop)

            def trained_on(tensors: Any) -> Any:
                return bench.call(bench.training(), "run the inference engine's input", "run", tensors)

            run.add(trained, inferred, samples, start, inputs, answers_to, trained_on, near_ties(bench, precision, start, stop))
            self._progress.advance(stop, total)

    def _cause(
        self, bench: Bench, variant: str, export: ExportedModel, run: ParityRun, worker: Worker, seen: Seen
    ) -> Finding | None:
        """The cause of a parity failure; None when all is well."""
        from pytest_paddle_infer.diagnosis.finding import Finding

        if not run.passed:
            from pytest_paddle_infer.diagnose import Diagnosis

            searches = Diagnosis(self._options, self._progress, self._exports.soon)
            found = searches.of_difference(bench, bench.spec, variant, export, run, worker)
            seen.layers = found.layers
            return found
        if not run.vacuous:
            return None
        remedy = "use trained weights, other samples, or compare logits (softmax='no') where softmax saturates."
        if run.outputs and all(verdict.integers for verdict in run.outputs):
            remedy = "use trained weights or other samples, or return what the integers are made of as well."
        given = bench.spec.rtol is not None or bench.spec.atol is not None
        return Finding("comparison", run.vacuous, "sample", remedy="give a smaller rtol or atol." if given else remedy)


def _check_rows(trained: Observation, size: int) -> None:
    """Raises `PreflightError` where no output of a batch has a part for each sample: all but one of them would be judged by nothing."""
    if size > 1 and trained.outputs and all(not output.ndim or len(output) < size for output in trained.outputs):
        from pytest_paddle_infer.engine.reference import PreflightError

        shapes = ", ".join(str(list(output.shape)) for output in trained.outputs)
        raise PreflightError(
            f"for a batch of {size} samples the model answers {shapes}: no output has a part for each of them.",
            "keep the batch dimension in forward (reshape([x.shape[0], -1]), no index of it), or test with batch size 1.",
        )


def _unused(spec: ModelSpec, run: ParityRun) -> tuple[str, ...]:
    """Says where softmax was asked for and appended to nothing."""
    from pytest_paddle_infer.engine.processing import is_scores

    if spec.softmax != "yes" or any(is_scores(output) for batch in run.kept[0] for output in batch):
        return ()
    return ("softmax='yes' appends nothing: no output is float[N, C] of more than one class",)


def _lucky(first: ParityRun, run: ParityRun, variant: str) -> tuple[str, ...]:
    """Says which outputs the floor of one rounding error a sample refused, and that of several does not."""
    return tuple(
        f"{variant}: the noise floor of {after.name} was measured again, with inputs and parameters moved by one ulp: the error is "
        f"{after.excess:.3g} of the limit, where float64 alone gave {before.excess:.3g}"
        for before, after in zip(first.outputs, run.outputs)
        if not before.passed and after.passed
    )


def _ties(run: ParityRun, variant: str) -> tuple[str, ...]:
    """Says which outputs of integers agree but for what rounding decides."""
    return tuple(
        f"{variant}: {verdict.ties} of {verdict.elements} integers of {verdict.name} differ, near ties that the training engine's own "
        "rounding decides"
        for verdict in run.outputs
        if verdict.ties
    )
