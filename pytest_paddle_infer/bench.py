"""One model with its samples in memory: its workers, and everything already found about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from pytest_paddle_infer.exports import ExportedModel, ExportError, check_files, read_graph, read_parameters
from pytest_paddle_infer.failures import ConformanceFailure

if TYPE_CHECKING:
    from pytest_paddle_infer.engine.model import LoadedModel
    from pytest_paddle_infer.engine.services import LoadFacts
    from pytest_paddle_infer.engine.worker import Worker
    from pytest_paddle_infer.models import ModelSpec
    from pytest_paddle_infer.progress import Progress
    from pytest_paddle_infer.samples import Sample

T = TypeVar("T")


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

    def close(self) -> None:
        """Ends every worker."""
        for worker in (self._training, self._reference, *(worker for worker, _ in self._inference.values())):
            if worker is not None:
                worker.close()
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

    # -- workers -------------------------------------------------------------------------------------------------------

    def worker(self, name: str, make_service: Callable[[], Any]) -> Worker:
        """Starts a worker process."""
        from pytest_paddle_infer.engine.worker import Worker

        return Worker(name, make_service)

    def training(self) -> Worker:
        """The training engine in its worker."""
        from pytest_paddle_infer.engine.services import TrainingService

        if self._training is None or not self._training.alive:
            model, samples, threads = self.model, self.samples, self.options.threads
            self._training = self.worker("training engine", lambda: TrainingService(model, samples, threads))
        return self._training

    def inference(self, variant: str, export: ExportedModel) -> tuple[Worker, LoadFacts]:
        """The inference engine of a variant in its worker, loaded, with what it says of itself. Raises `ExportError`, `WorkerFailure`."""
        from pytest_paddle_infer.engine.services import InferenceService

        key = (variant, str(export.stamp))
        if key not in self._inference or not self._inference[key][0].alive:
            check_readable(export)
            for other, _ in self._inference.values():  # one engine at a time: each holds the weights, and packed copies of them
                other.close()
            self._inference.clear()
            self.progress.step(self.spec.name, f"{variant}: load")
            model, samples, threads = self.model, self.samples, self.options.threads
            worker = self.worker(
                f"inference engine ({variant})", lambda: InferenceService(export, model, samples, variant, threads)
            )
            try:
                self._inference[key] = worker, self.call(worker, "load the model", "describe")
            except BaseException:
                worker.close()
                raise
        return self._inference[key]

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

    def _reference_worker(self) -> Worker:
        from pytest_paddle_infer.engine.reference import ReferenceService

        model, samples, threads = self.model, self.samples, self.options.threads
        return self.worker("training engine", lambda: ReferenceService(model, samples, threads))


def check_readable(export: ExportedModel) -> None:
    """Reads the files on our own before Paddle does: it dies of some faults and overlooks others. Raises `ExportError`."""
    from pytest_paddle_infer.engine.runtime import load_paddle

    problem = check_files(export, load_paddle().__version__)
    if problem:
        raise ExportError(problem)
    read_parameters(export.params_file, read_graph(export.model_file))
