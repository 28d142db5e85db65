"""One model x variant, run once, memoised: export -> observe -> judge -> diagnose. Usable without pytest."""

from __future__ import annotations

import copy
import hashlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from pytest_paddle_infer.bench import Bench, RunOptions
from pytest_paddle_infer.exports import ExportedModel, ExportError, locate, read_graph
from pytest_paddle_infer.failures import ConformanceFailure, UnavailableError, WorkerFailure
from pytest_paddle_infer.kept_exports import KeptExports
from pytest_paddle_infer.log_check import LogCheck, LogResult
from pytest_paddle_infer.models import ModelSpec, shapes_of_one_sample
from pytest_paddle_infer.no_answer import RUNNING, NoAnswer
from pytest_paddle_infer.parameters import ParameterReport
from pytest_paddle_infer.perf import as_filename
from pytest_paddle_infer.progress import Progress
from pytest_paddle_infer.references import References
from pytest_paddle_infer.same_samples import identity_of
from pytest_paddle_infer.samples import Sample
from pytest_paddle_infer.store import Store
from pytest_paddle_infer.words import (
    explained_parameters,
    failure,
    input_problem,
    parameters_failure,
    sentence,
    title_of,
    worded,
)

if TYPE_CHECKING:
    from pytest_paddle_infer.diagnose import Diagnosis
    from pytest_paddle_infer.diagnosis.finding import Finding
    from pytest_paddle_infer.engine.inference import InferenceEngine
    from pytest_paddle_infer.engine.services import LoadFacts, Observation
    from pytest_paddle_infer.engine.training import TrainingEngine
    from pytest_paddle_infer.engine.worker import Worker
    from pytest_paddle_infer.evidence.keeping import Seen
    from pytest_paddle_infer.judge.answers import AnswersVerdict
    from pytest_paddle_infer.judge.closeness import OutputVerdict
    from pytest_paddle_infer.parity import ParityRun
    from pytest_paddle_infer.reference import Reference
    from pytest_paddle_infer.teeth import Tooth

BATCH_SIZES = (1, 2, 5)
"""Batch sizes that an export with an open batch dimension must accept."""

ARTIFACTS_VARIANT = "cpu"
"""Loads and probes the export: the variant that runs every graph; oneDNN packs weights anew for each batch size and keeps them."""

LOCK_STEPS = 40
"""Time limits of a step that another process may need to build an export or a reference of 16 samples, twice."""

T = TypeVar("T")


@dataclass(frozen=True)
class ArtifactsResult:
    """The artifacts checkpoint held: what was there."""

    directory: Path
    files: tuple[str, ...]
    size: int
    parameters: int
    unused: tuple[str, ...]
    batch_sizes: tuple[int, ...]
    weights: str
    notes: tuple[str, ...] = ()


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


class Conformance:
    """Runs checkpoints; keeps the last model in memory, because its checkpoints come one after the other."""

    def __init__(self, options: RunOptions, progress: Progress | None = None) -> None:
        self.options = options
        self.progress = progress or Progress()
        self._store = Store(options.cache_dir, options.cache_size, lock_timeout=max(900.0, LOCK_STEPS * options.timeout))
        self._exports = KeptExports(options, self._store, self.progress, lambda bench: self._references.directory(bench))
        self._references = References(options, self._store, self.progress, self._exports.key)
        self._log_check = LogCheck(options, self.progress)
        self._searches: Diagnosis | None = None
        self._no_answer = NoAnswer(options, self._references, self.progress)
        self._benches: dict[Any, Bench] = {}
        self._broken: dict[Any, tuple[ConformanceFailure, Any]] = {}  # with what the key counts on to stay alive

    def close(self) -> None:
        """Ends every worker and drops the model in memory."""
        for bench in self._benches.values():
            bench.close()
        self._benches.clear()
        self.progress.finish()

    # -- engines and exports for fixtures ------------------------------------------------------------------------------

    def export(self, spec: ModelSpec, samples: Sequence[Sample]) -> ExportedModel:
        """Returns the export of the model: the given one, else from the store, else made now. Raises `ConformanceFailure`."""
        return self._export(self._bench(spec, samples))

    def training_engine(self, spec: ModelSpec, samples: Sequence[Sample]) -> TrainingEngine:
        """The training engine in this process, for people to look into: a copy, so that no test changes what the checkpoints run."""
        from pytest_paddle_infer.engine.services import make_training_engine

        model = self._bench(spec, samples).model
        return make_training_engine(replace(model, layer=copy.deepcopy(model.layer)), self.options.threads)

    def inference_engine(self, spec: ModelSpec, variant: str, exported: Any, samples: Sequence[Sample]) -> InferenceEngine:
        """The inference engine in this process. Raises `ConformanceFailure` when the export's files are not whole."""
        from pytest_paddle_infer.engine.services import make_inference_engine

        bench = self._bench(spec, samples)
        export = self._located(bench, exported)
        self._require(bench, variant, export, here=True)
        with worded(spec, variant, export):
            bench.check_readable(export, here=True)
            return make_inference_engine(export, bench.model, self.options.variant(variant), self.options.setup, samples)

    def settings_kept(self) -> AbstractContextManager[None]:
        """Puts back, after the block, environment variables and Paddle's flags that a variant's own function set in this process."""
        from pytest_paddle_infer.engine.runtime import settings_kept

        return settings_kept()

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    def artifacts(self, spec: ModelSpec, samples: Sequence[Sample], exported: Any = None) -> ArtifactsResult:
        """Asserts that the export is whole, is the model's, and takes any batch size. Raises `ConformanceFailure`."""
        bench = self._bench(spec, samples)
        export = self._located(bench, exported)

        def find() -> ArtifactsResult:
            with self._no_answer.explained(bench, spec, ARTIFACTS_VARIANT, export):
                return self._artifacts(bench, export)

        return self._checkpoint(bench, ("artifacts", export.stamp), find)

    def parity(self, spec: ModelSpec, variant: str, samples: Sequence[Sample], exported: Any = None) -> ParityResult:
        """Asserts that both engines answer alike on every sample. Raises `ConformanceFailure`."""
        bench = self._bench(spec, samples)
        export = self._located(bench, exported)
        key = ("parity", variant, export.stamp, spec.batch_size, repr(spec.rtol), repr(spec.atol))
        self._require(bench, variant, export)
        return self._checkpoint(bench, key, lambda: self._parity_kept(bench, spec, variant, export))

    def log(self, spec: ModelSpec, variant: str, samples: Sequence[Sample], exported: Any = None) -> LogResult:
        """Asserts that a benchmark run leaves a true AutoLog log. Raises `ConformanceFailure`."""
        bench = self._bench(spec, samples)
        export = self._located(bench, exported)
        key = ("log", variant, export.stamp, spec.batch_size)
        self._require(bench, variant, export)

        def find() -> LogResult:
            with self._no_answer.explained(bench, spec, variant, export):
                return self._log_check.run(bench, spec, variant, export, self._output(spec, variant))

        return self._checkpoint(bench, key, find)

    def teeth(self, spec: ModelSpec, variant: str, samples: Sequence[Sample], exported: Any = None) -> tuple[Tooth, ...]:
        """Plants faults in the training engine's answers and returns which of them the parity checkpoint catches."""
        from pytest_paddle_infer.engine.teeth import TeethService
        from pytest_paddle_infer.teeth import judge_planted

        bench = self._bench(spec, samples)
        export = self._located(bench, exported)
        with worded(spec, variant, export):  # a variant that computes in less sees less
            precision = self.options.precision(variant, bench.inference(variant, export)[1])

        def find() -> tuple[Tooth, ...]:
            with worded(spec, variant, export):
                reference = self._references.in_precision(bench, spec, precision)
                self.progress.step(spec.name, "teeth")
                model, threads = bench.model, self.options.threads
                worker = bench.worker("training engine", lambda: TeethService(model, bench.samples, threads))
                batches = [(batch.start, batch.stop) for batch in reference.batches]
                try:
                    planted = bench.call(worker, "plant faults", "plant", batches, parts=10 * len(batches))
                finally:
                    worker.close()
                return tuple(judge_planted(spec, reference, each) for each in planted)

        return self._checkpoint(bench, ("teeth", precision, spec.batch_size, repr(spec.rtol), repr(spec.atol)), find)

    def _require(self, bench: Bench, variant: str, export: ExportedModel, here: bool = False) -> None:
        """Raises `UnavailableError` for a variant that cannot run. here: in this process, whatever other Python is given."""
        try:
            with worded(bench.spec, variant, export):
                reason = bench.unavailable(variant, export, here)
        finally:
            self.progress.finish()
        if reason:
            title = f"{title_of(bench.spec, variant)}: the variant is not available here: {reason}."
            remedy = "choose another variant, or skip those that are missing with --paddle-allow-missing."
            raise UnavailableError(failure(title, "", export, remedy), reason)

    def _checkpoint(self, bench: Bench, key: Any, find: Callable[[], T]) -> T:
        try:
            return bench.once(key, find)
        finally:
            self.progress.finish()

    def _bench(self, spec: ModelSpec, samples: Sequence[Sample]) -> Bench:
        if "paddle" not in sys.modules:
            self.progress.step(spec.name, "import paddle")
        from pytest_paddle_infer.engine.runtime import load_paddle

        with worded(spec):
            load_paddle()  # what is wrong here is wrong with the process, and may be right for the next test
        key = (spec.identity, identity_of(samples))
        if key in self._broken:
            raise ConformanceFailure(self._broken[key][0].failure)
        if key not in self._benches:
            self.close()
            self.progress.step(spec.name, "make the model")
            from pytest_paddle_infer.engine.model import load_model

            try:
                with worded(spec):
                    model = load_model(spec, samples, self.options.base, self.options.threads)
            except ConformanceFailure as broken:
                self._broken[key] = broken, (spec, samples)
                raise
            finally:
                self.progress.finish()
            self._benches[key] = Bench(spec, samples, model, self.options, self.progress)
        return self._benches[key]

    # -- export --------------------------------------------------------------------------------------------------------

    def _located(self, bench: Bench, exported: Any) -> ExportedModel:
        """The export to use: the one that a test's own `exported_model` fixture gave, else ours."""
        if exported is None:
            return self._export(bench)
        if isinstance(exported, ExportedModel):
            return exported
        try:
            return locate(exported)
        except (ExportError, OSError, TypeError) as error:
            raise ConformanceFailure(failure(f"{bench.spec.name}: exported_model gave no export: {sentence(error)}")) from error

    def _export(self, bench: Bench) -> ExportedModel:
        def find() -> ExportedModel:
            with self._inputs_first(bench), worded(bench.spec):
                if self.options.exported is not None:
                    return locate(self.options.exported, below=as_filename(bench.spec.name))
                return self._exports.of(bench)

        return self._checkpoint(bench, "export", find)

    @contextmanager
    def _inputs_first(self, bench: Bench) -> Iterator[None]:
        """Where an export fails, looks at what the model was given: a forward that is traced for another size fails in its own words."""
        try:
            yield
        except ConformanceFailure as red:
            if isinstance(red.__cause__, WorkerFailure) and red.__cause__.kind == "exception":
                self._no_answer.check_inputs(bench)
            raise

    # -- checkpoint artifacts ------------------------------------------------------------------------------------------

    def _artifacts(self, bench: Bench, export: ExportedModel) -> ArtifactsResult:
        spec, inputs = bench.spec, bench.model.inputs
        self.progress.step(spec.name, "artifacts")
        with worded(spec, "", export):
            bench.check_readable(export)
            problem = input_problem(read_graph(export.model_file).inputs, inputs)
            if problem:
                raise ExportError(problem)
            open_batch = all(item.shape and item.shape[0] is None for item in inputs)
            bench.begin(bench.training(), "compare parameters", "verify", export)
            try:  # the inference engine loads and runs meanwhile; what it dies of matters less than other parameters
                worker, _ = bench.inference(ARTIFACTS_VARIANT, export)
                if open_batch:
                    bench.begin(worker, f"run batches of {', '.join(map(str, BATCH_SIZES))}", "shapes", BATCH_SIZES)
            finally:
                report: ParameterReport = bench.end(bench.training())
                if not report.equal:
                    red = parameters_failure(spec, bench.model.weights, export, report)
                    found = self._diagnosis.of_parameters(bench, export, report) if self.options.diagnosis else None
                    raise ConformanceFailure(red if found is None else explained_parameters(red, spec.name, found))
            if open_batch:
                self._check_batches(bench, worker)
        return ArtifactsResult(
            export.directory,
            tuple(path.name for path in export.files),
            export.size,
            report.compared,
            report.unused,
            BATCH_SIZES if open_batch else (),
            bench.model.weights,
            self._exports.notes(bench, export),
        )

    def _check_batches(self, bench: Bench, worker: Worker) -> None:
        """Output shapes at other batch sizes must be the training engine's; it runs two sizes, the third follows from them."""
        bench.begin(bench.training(), "run batches of 1 and 2", "shapes", BATCH_SIZES[:2])
        found, known = bench.end(worker), bench.end(bench.training())
        one, two = (known[size] for size in BATCH_SIZES[:2])
        if found[BATCH_SIZES[0]] != one:  # not the batch size: parity says how the outputs differ
            raise ExportError(_other_shapes(BATCH_SIZES[0], found[BATCH_SIZES[0]], one))
        for size in BATCH_SIZES:
            wanted = [tuple(a + (b - a) * (size - 1) for a, b in zip(left, right)) for left, right in zip(one, two)]
            if found[size] != wanted:
                why = ": the batch size was baked in when the model was traced (a Python loop or number over x.shape[0])."
                raise ExportError(_other_shapes(size, found[size], wanted).rstrip(".") + why)

    # -- checkpoint parity ---------------------------------------------------------------------------------------------

    def _parity_kept(self, bench: Bench, spec: ModelSpec, variant: str, export: ExportedModel) -> ParityResult:
        """The parity checkpoint, whose failure leaves its evidence on disk."""
        from pytest_paddle_infer.details.keeping import keep_parity
        from pytest_paddle_infer.evidence.keeping import Seen, keep_failure

        seen = Seen()
        try:
            with self._no_answer.explained(bench, spec, variant, export, seen):
                held = self._parity(bench, spec, variant, export, seen)
            return replace(held, details=keep_parity(bench, spec, variant, seen))
        except ConformanceFailure as red:
            self.progress.step(spec.name, f"{variant}: keep the evidence")
            directory = self.options.artifacts or self.options.workdir / "artifacts"
            ours = self._exports.entry_of(bench, export) is not None
            kept = keep_failure(bench, spec, variant, export, red, seen, directory, ours)
            raise ConformanceFailure(replace(kept, details=keep_parity(bench, spec, variant, seen))) from red.__cause__

    def _parity(self, bench: Bench, spec: ModelSpec, variant: str, export: ExportedModel, seen: Seen) -> ParityResult:
        from pytest_paddle_infer.deployed.proof import findings
        from pytest_paddle_infer.diagnosis.finding import Finding
        from pytest_paddle_infer.invariance import check_invariance
        from pytest_paddle_infer.parity import ParityRun
        from pytest_paddle_infer.reprod_files import write_evidence
        from pytest_paddle_infer.sampling import sample_notes

        with worded(spec, variant, export):
            seen.reference = self._references.of(bench, spec)
            worker, facts = bench.inference(variant, export)
            seen.facts = facts
            seen.reference = reference = self._references.in_precision(bench, spec, self.options.precision(variant, facts))
            self.progress.step(spec.name, f"{variant}: parity")
            if self.options.details:
                from pytest_paddle_infer.details.samples import SampleRecords

                seen.records, seen.workers = SampleRecords(len(bench.samples)), (bench.training(), worker)
            seen.run = run = ParityRun(bench.model, spec, reference, facts.output_names, seen.records)
            self._observe(bench, spec, run, worker, reference)
            evidence = check_invariance(bench, self._store, self._exports.entry_of(bench, export), variant, run, worker, facts)
            seen.evidence = evidence
        untrue = findings(self.options.setup.request(self.options.variant(variant)), evidence)
        directory = self._output(spec, variant)
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
            red = red.with_facts(
                *(("stage", stage) for stage in [cause.stage] if stage), *cause.facts, *run.facts(), ("files", str(directory))
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
            (*sample_notes(spec, bench.samples), *run.notes, *said, *self._elsewhere(facts)),
            hashlib.sha256(repr(evidence.program).encode()).hexdigest()[:12],
            fed=shapes_of_one_sample(bench.model.inputs),
        )

    def _elsewhere(self, facts: LoadFacts) -> tuple[str, ...]:
        """A note on the other Python that holds the inference engine."""
        if self.options.python is None:
            return ()
        return (f"the inference engine is Paddle {facts.versions['paddle_version']} of {self.options.python}",)

    def _observe(self, bench: Bench, spec: ModelSpec, run: ParityRun, worker: Worker, reference: Reference) -> None:
        """Runs both engines over all samples; what the reference already knows of the training engine is not run again."""
        training = bench.training()
        size, total = spec.batch_size or 1, len(bench.samples)
        for start in range(0, total, size):
            stop = min(start + size, total)
            samples = bench.samples[start:stop]
            step = f"{RUNNING}{'s' * (len(samples) > 1)} {', '.join(sample.name for sample in samples[:4])}"
            known = reference.batch(start, stop)
            asked = ("answer", known.training, known.inputs, stop - start) if known else ("observe", start, stop)
            bench.begin(training, step, *asked)
            inferred: Observation = bench.call(worker, step, "observe", start, stop)
            trained: Observation = bench.end(training)

            def inputs(start: int = start, stop: int = stop) -> Any:
                return tuple(bench.call(side, "preprocess", "inputs", start, stop) for side in (training, worker))

            def answers_to(outputs: Any, count: int = stop - start) -> Any:
                return bench.call(training, "postprocess", "answers", outputs, count)

            def trained_on(tensors: Any) -> Any:
                return bench.call(training, "run the inference engine's input", "run", tensors)

            run.add(trained, inferred, samples, start, inputs, answers_to, trained_on)
            self.progress.advance(stop, total)

    def _cause(
        self, bench: Bench, variant: str, export: ExportedModel, run: ParityRun, worker: Worker, seen: Seen
    ) -> Finding | None:
        """The cause of a parity failure; None when all is well."""
        from pytest_paddle_infer.diagnosis.finding import Finding

        if not run.passed:
            found = self._diagnosis.of_difference(bench, bench.spec, variant, export, run, worker)
            seen.layers = found.layers
            return found
        if not run.vacuous:
            return None
        remedy = "use trained weights, other samples, or compare logits (softmax='no') where softmax saturates."
        given = bench.spec.rtol is not None or bench.spec.atol is not None
        return Finding("comparison", run.vacuous, "sample", remedy="give a smaller rtol or atol." if given else remedy)

    @property
    def _diagnosis(self) -> Diagnosis:
        """Made when something fails: it needs numpy, which a session without failures before a test need not have imported."""
        from pytest_paddle_infer.diagnose import Diagnosis

        self._searches = self._searches or Diagnosis(self.options, self.progress, self._exports.soon)
        return self._searches

    # -- output --------------------------------------------------------------------------------------------------------

    def _output(self, spec: ModelSpec, variant: str) -> Path:
        root = self.options.output_dir or self.options.workdir / "output"
        directory = root / as_filename(spec.name) / as_filename(variant)
        directory.mkdir(parents=True, exist_ok=True)
        return directory


def _other_shapes(size: int, found: Sequence[Any], wanted: Sequence[Any]) -> str:
    have, want = (", ".join(str(list(shape)) for shape in shapes) for shapes in (found, wanted))
    if len(found) != len(wanted):
        return f"the export has {len(found)} outputs, the model {len(wanted)}."
    return f"a batch of {size} gives outputs of shape {have}, where the training engine gives {want}."
