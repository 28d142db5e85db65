"""One model with its samples in memory: its workers, and everything already found about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from pytest_paddle_infer.exports import ExportedModel, ExportError, check_files, format_version, read_graph, read_parameters
from pytest_paddle_infer.failures import ConformanceFailure, Failure
from pytest_paddle_infer.variants import Variant, find

if TYPE_CHECKING:
    from pytest_paddle_infer.engine.inference import EngineSetup
    from pytest_paddle_infer.engine.model import LoadedModel
    from pytest_paddle_infer.engine.observed import LoadFacts, Timings
    from pytest_paddle_infer.engine.worker import Worker
    from pytest_paddle_infer.gates import Gates
    from pytest_paddle_infer.models import ModelSpec
    from pytest_paddle_infer.progress import Progress
    from pytest_paddle_infer.samples import Sample

T = TypeVar("T")

LOADING = "load the model"
"""How the step is called in which a predictor is made."""


@dataclass(frozen=True)
class RunOptions:
    """How the checkpoints run. Times are in seconds, sizes in bytes, paths absolute."""

    base: Path
    workdir: Path
    cache_dir: Path
    cache_size: int | None = None
    threads: int = 1
    timeout: float = 300.0
    warmup: int = 2
    repeats: int | None = None
    autolog: str = "builtin"
    exported: Path | None = None
    export_dir: Path | None = None
    output_dir: Path | None = None
    artifacts: Path | None = None
    """Where the evidence of failures is kept; None for a directory below `workdir`."""
    python: Path | None = None
    details: bool = False
    """Keep what a report shows of single samples, layers and batches, below `workdir`."""
    diagnosis: bool = True
    diagnosis_time: float = 60.0
    variants: Mapping[str, Variant] = field(default_factory=dict)
    """Those of the hook; the built-in ones need no entry."""
    gates: Gates | None = None
    """Baselines that times are saved as or compared with."""
    cores: tuple[int, ...] = ()
    """Those that engines may use; empty for all."""
    place: int = 0
    """Of this process among those that share the machine; they take turns with its GPUs."""

    @property
    def setup(self) -> EngineSetup:
        """How inference engines are made."""
        from pytest_paddle_infer.engine.inference import EngineSetup

        return EngineSetup(self.threads, self.place, str(self.python or ""), str(self.cache_dir / "tensorrt"))

    def variant(self, label: str) -> Variant:
        """The variant of a label such as `onednn:threads=4`. Raises `OptionError`."""
        return find(label, self.variants)

    def precision(self, label: str, facts: LoadFacts) -> str:
        """What a variant computes in; float32 products are rounded to TF32 by the tensor cores of recent GPUs."""
        precision = self.variant(label).computes_in
        return "tf32" if precision == "fp32" and facts.evidence.tf32 else precision


class Bench:
    """The model under test with its training worker and an inference worker for each variant and export, started when needed."""

    def __init__(
        self, spec: ModelSpec, samples: Sequence[Sample], model: LoadedModel, options: RunOptions, progress: Progress
    ) -> None:
        self.spec = spec
        self.samples = tuple(samples)
        self.model = model
        self.options = options
        self.progress = progress
        self._training: Worker | None = None
        self._reference: Worker | None = None
        self._reference_size = 0
        self._inference: dict[tuple[str, str], tuple[Worker, LoadFacts]] = {}
        self._memo: dict[Any, Any] = {}
        self.training_is_warm = False
        """True once it was timed: the first batch of a process is slower than the rest."""
        self.yardsticks: dict[int, tuple[Timings, float]] = {}
        """Times of the training engine by batch size, and when they were measured (`time.monotonic`)."""

    def close(self) -> None:
        """Ends every worker; none is waited for."""
        for worker in (self._training, self._reference, *(worker for worker, _ in self._inference.values())):
            if worker is not None:
                worker.end()
        self._training = self._reference = None
        self._inference.clear()

    def once(self, key: Any, find: Callable[[], T]) -> T:
        """Finds a result, or a failure, once; a failing export is not tried again by the next checkpoint."""
        if key not in self._memo:
            try:
                self._memo[key] = find()
            except ConformanceFailure as failure:
                self._memo[key] = failure
        result = self._memo[key]
        if isinstance(result, ConformanceFailure):
            raise ConformanceFailure(result.failure)
        return result  # type: ignore[no-any-return]

    def known(self, key: Any) -> Any:
        """What `once` found; None where it has not, or has failed."""
        result = self._memo.get(key)
        return None if isinstance(result, ConformanceFailure) else result

    def failure_of(self, key: Any) -> Failure | None:
        """Why what `once` was to find was not; None where it was, or nobody has asked."""
        result = self._memo.get(key)
        return result.failure if isinstance(result, ConformanceFailure) else None

    def failed(self, checkpoint: str, variant: str, export: ExportedModel) -> bool:
        """True where that checkpoint ran in this process, and does not hold; which tests ran before is the session's business."""
        return any(
            isinstance(key, tuple) and key[:3] == (checkpoint, variant, export.stamp) and isinstance(result, ConformanceFailure)
            for key, result in self._memo.items()
        )

    # -- workers -------------------------------------------------------------------------------------------------------

    def worker(self, name: str, make_service: Callable[[], Any]) -> Worker:
        """Starts a worker process."""
        from pytest_paddle_infer.engine.worker import Worker

        return Worker(name, make_service, self.options.cores)

    def training(self) -> Worker:
        """The training engine in its worker."""
        from pytest_paddle_infer.engine.services import TrainingService

        if self._training is None or not self._training.alive:
            model, samples, threads = self.model, self.samples, self.options.threads
            self._training = self.worker("training engine", lambda: TrainingService(model, samples, threads))
            self.training_is_warm = False
        return self._training

    def inference(self, variant: str, export: ExportedModel) -> tuple[Worker, LoadFacts]:
        """The inference engine of a variant in its worker, loaded, with what it says of itself. Raises `ExportError`, `WorkerFailure`."""
        from pytest_paddle_infer.engine.services import InferenceService

        key = (variant, str(export.stamp))
        if key not in self._inference or not self._inference[key][0].alive:
            self.check_readable(export)
            for other, _ in self._inference.values():  # one engine at a time: each holds the weights, and packed copies of them
                other.end()
            self._inference.clear()
            self.progress.step(self.spec.name, f"{variant}: load")
            model, samples, setup, meant = self.model, self.samples, self.options.setup, self.options.variant(variant)
            worker = self.worker(f"inference engine ({variant})", lambda: InferenceService(export, model, samples, meant, setup))
            try:
                self._inference[key] = worker, self.call(worker, LOADING, "describe")
            except BaseException:
                worker.close()
                raise
        return self._inference[key]

    def unavailable(self, variant: str, export: ExportedModel, here: bool = False) -> str:
        """Why a variant cannot run, as part of a sentence; empty when it can. here: in this process, whatever other Python is given."""
        from pytest_paddle_infer.engine.services import BuildService

        meant, setup = replace(self.options.variant(variant), configure=None), self.options.setup  # a function may not travel
        setup = replace(setup, python="") if here else setup
        if meant.base in ("cpu", "cpu-noopt"):
            return ""
        if meant.base.startswith("onednn") and not setup.python:  # asks for flags of the build and of the processor: harmless here
            from pytest_paddle_infer.deployed.builds import unavailable

            return unavailable(setup.request(meant), str(export.model_file))

        def find_out() -> str:
            self.progress.step(self.spec.name, f"{variant}: is it available")
            worker = self.worker(f"inference engine ({variant})", BuildService)
            try:
                found = self.call(worker, "ask what this build can run", "unavailable", meant, str(export.model_file), setup)
            finally:
                worker.close()
            return str(found)

        return self.once(("unavailable", variant, here, str(export.stamp)), find_out)

    def check_readable(self, export: ExportedModel, here: bool = False) -> None:
        """Reads the files on our own before Paddle does: it dies of some faults and overlooks others. Raises `ExportError`.

        here: this process's Paddle will load them, whatever other Python is given.
        """
        from pytest_paddle_infer.engine.runtime import load_paddle

        # under another Python another Paddle reads them; it is asked for its version when it is there
        version = format_version(export) if self.options.python and not here else load_paddle().__version__
        problem = check_files(export, version)
        if problem:
            raise ExportError(problem)
        read_parameters(export.params_file, read_graph(export.model_file))

    def call(
        self, worker: Worker, step: str, method: str, *args: Any, parts: int = 1, watch: Callable[[int], None] | None = None
    ) -> Any:
        """Calls a worker while the terminal shows that time goes by. parts: how many time limits the step may take."""
        self.begin(worker, step, method, *args, parts=parts)
        return self.end(worker, watch)

    def begin(self, worker: Worker, step: str, method: str, *args: Any, parts: int = 1) -> None:
        """Lets a worker start; `end` waits for it."""
        worker.submit(f"{worker.name}: {step}", method, *args, timeout=self.options.timeout * max(1, parts))

    def end(self, worker: Worker, watch: Callable[[int], None] | None = None) -> Any:
        """Waits for what a worker was told to `begin`, and returns it."""

        def look(pid: int) -> None:
            self.progress.tick()
            if watch is not None:
                watch(pid)

        return worker.result(look)

    # -- reference -----------------------------------------------------------------------------------------------------

    def begin_reference(self, directory: Path, batch_size: int) -> None:
        """Starts the float64 reference in the background; `finish_reference` waits for it."""
        from pytest_paddle_infer.engine.reference import REFERENCE_SAMPLES

        if self._reference_size != batch_size:
            self.drop_reference()
        if self._reference is None:
            self._reference_size = batch_size
            directory.mkdir(parents=True, exist_ok=True)
            self._reference = self._reference_worker()
            timeout = self.options.timeout * min(REFERENCE_SAMPLES, len(self.samples))
            step = f"{self._reference.name}: run in float64"
            self._reference.submit(step, "compute", str(directory), batch_size, True, timeout=timeout)

    def drop_reference(self) -> None:
        """Ends a reference in the background that nobody needs any more."""
        if self._reference is not None:
            self._reference.close()
            self._reference = None

    def finish_reference(self, directory: Path, batch_size: int) -> dict[str, Any]:
        """Returns the facts of the reference in `directory`. Raises `WorkerFailure` with the training side's own fault, if it has one."""
        from pytest_paddle_infer.failures import WorkerFailure

        self.begin_reference(directory, batch_size)
        assert self._reference is not None
        try:
            facts: dict[str, Any] | None = self._reference.result(lambda _: self.progress.tick())
        except WorkerFailure as failure:
            if failure.kind == "exception":
                raise
            facts = None  # no float64 kernel may well mean a crash
        finally:
            self.drop_reference()
        if facts is None:
            worker = self._reference_worker()
            try:
                facts = self.call(worker, "move by one ulp", "compute", str(directory), batch_size, False, parts=len(self.samples))
            finally:
                worker.close()
        assert facts is not None
        return facts

    def moved_reference(self, directory: Path, batch_size: int) -> dict[str, Any]:
        """Makes the reference of a model that runs in float64 anew, in `directory`, with inputs and parameters moved by one ulp too."""
        worker = self._reference_worker()
        try:
            parts = 6 * len(self.samples)  # as it is, in float64, and moved four times
            facts: dict[str, Any] = self.call(
                worker, "move by one ulp", "compute", str(directory), batch_size, True, True, parts=parts
            )
        finally:
            worker.close()
        return facts

    def _reference_worker(self) -> Worker:
        from pytest_paddle_infer.engine.reference import ReferenceService

        model, samples, threads = self.model, self.samples, self.options.threads
        return self.worker("training engine", lambda: ReferenceService(model, samples, threads))
