"""One model x variant, run once, memoised: export -> observe -> judge -> diagnose. Usable without pytest."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from pytest_paddle_infer.artifacts_check import ARTIFACTS_VARIANT, ArtifactsCheck, ArtifactsResult
from pytest_paddle_infer.bench import Bench, RunOptions
from pytest_paddle_infer.exports import ExportedModel, ExportError, locate
from pytest_paddle_infer.failures import ConformanceFailure, UnavailableError, WorkerFailure
from pytest_paddle_infer.kept_exports import KeptExports
from pytest_paddle_infer.log_check import LogCheck, LogResult
from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.near_ties import near_ties
from pytest_paddle_infer.no_answer import NoAnswer
from pytest_paddle_infer.parity_check import ParityCheck, ParityResult
from pytest_paddle_infer.perf import as_filename
from pytest_paddle_infer.progress import Progress
from pytest_paddle_infer.references import References
from pytest_paddle_infer.same_samples import identity_of
from pytest_paddle_infer.samples import Sample
from pytest_paddle_infer.store import Store
from pytest_paddle_infer.words import (
    failure,
    sentence,
    title_of,
    worded,
)

if TYPE_CHECKING:
    from pytest_paddle_infer.engine.inference import InferenceEngine
    from pytest_paddle_infer.engine.training import TrainingEngine
    from pytest_paddle_infer.teeth import Tooth

LOCK_STEPS = 40
"""Time limits of a step that another process may need to build an export or a reference of 16 samples, twice."""

T = TypeVar("T")


class Conformance:
    """Runs checkpoints; keeps the last model in memory, because its checkpoints come one after the other."""

    def __init__(self, options: RunOptions, progress: Progress | None = None) -> None:
        self.options = options
        self.progress = progress or Progress()
        self._store = Store(options.cache_dir, options.cache_size, lock_timeout=max(900.0, LOCK_STEPS * options.timeout))
        self._exports = KeptExports(options, self._store, self.progress, lambda bench: self._references.directory(bench))
        self._references = References(options, self._store, self.progress, self._exports.key)
        self._log_check = LogCheck(options, self.progress)
        self._no_answer = NoAnswer(options, self._references, self.progress)
        self._artifacts_check = ArtifactsCheck(options, self.progress, self._exports)
        self._parity_check = ParityCheck(options, self.progress, self._store, self._exports, self._references, self._no_answer)
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
                return self._artifacts_check.run(bench, export)

        return self._checkpoint(bench, ("artifacts", export.stamp), find)

    def parity(self, spec: ModelSpec, variant: str, samples: Sequence[Sample], exported: Any = None) -> ParityResult:
        """Asserts that both engines answer alike on every sample. Raises `ConformanceFailure`."""
        bench = self._bench(spec, samples)
        export = self._located(bench, exported)
        key = ("parity", variant, export.stamp, spec.batch_size, repr(spec.rtol), repr(spec.atol))
        self._require(bench, variant, export)

        def find() -> ParityResult:
            return self._parity_check.run(bench, spec, variant, export, self._output(spec, variant))

        return self._checkpoint(bench, key, find)

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
                near = partial(near_ties, bench, precision)
                steadier = partial(self._references.steadier, bench, spec, reference)
                return tuple(judge_planted(spec, reference, each, near, steadier) for each in planted)

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

    # -- output --------------------------------------------------------------------------------------------------------

    def _output(self, spec: ModelSpec, variant: str) -> Path:
        root = self.options.output_dir or self.options.workdir / "output"
        return root / as_filename(spec.name) / as_filename(variant)
