"""The log checkpoint: times a variant, leaves the AutoLog log, holds it against the truth, and the times against a baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_paddle_infer.bench import Bench, RunOptions
from pytest_paddle_infer.exports import ExportedModel
from pytest_paddle_infer.factories import load_factory
from pytest_paddle_infer.failures import ConformanceFailure
from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.progress import Progress
from pytest_paddle_infer.words import failure, title_of, worded

if TYPE_CHECKING:
    from pytest_paddle_infer.engine.observed import Timings
    from pytest_paddle_infer.gates import Gates, Measured
    from pytest_paddle_infer.logs.autolog import AutoLog
    from pytest_paddle_infer.timing import Timing

ENOUGH_BATCHES = 10
"""Batches that a benchmark times at least when the number of passes is not given."""

ENOUGH_OF_A_SHAPE = 4
"""Passes that it makes at least then where the shapes of inputs may vary: only batches of one shape tell noise."""

MOST_BATCHES = 50
"""Batches that it times at most then: a pass over a thousand samples would double the run and tell the mean no better."""


@dataclass(frozen=True)
class LogResult:
    """The log checkpoint held: the record, and the training engine's time a batch for comparison.

    gpu: name of the GPU, "" for none. program: digest of the training engine's; where it is the same, its time tells the machine's drift.
    """

    path: Path
    log: AutoLog
    training_ms: float
    weights: str
    timing: Timing | None = None
    notes: tuple[str, ...] = ()
    gpu: str = ""
    program: str = ""
    details: str = ""
    """The folder for the report, see `details.keeping`."""

    @property
    def ratio(self) -> float:
        """How many times as fast as the training engine the inference engine runs a batch."""
        inference_ms = self.timing.p50_ms if self.timing else self.log.inference_time_ms
        return self.training_ms / (inference_ms or 1e-9)


PROGRAM_DIGITS = 16
"""Of a digest: enough to tell programs apart."""


def figures(result: LogResult) -> tuple[tuple[str, str], ...]:
    """Names and values for the test's report: mean milliseconds of a batch by stage, and what times depend on besides the machine.

    Units are in the names: milliseconds of a batch, seconds, MB of 2**20 bytes. What is not known has no entry.
    """
    log, timing = result.log, result.timing
    told: dict[str, object] = {
        "preprocess_ms": f"{log.preprocess_time_ms:.4g}",
        "inference_ms": f"{log.inference_time_ms:.4g}",
        "postprocess_ms": f"{log.postprocess_time_ms:.4g}",
        "training_ms": f"{result.training_ms:.4g}",
        "ratio": f"{result.ratio:.2f}",
        "cpu_rss_mb": f"{log.cpu_rss_mb:.0f}",
        "log_file": result.path,
        "threads": log.cpu_math_library_num_threads,
        "input_shape": log.input_shape,
        "gpu": result.gpu,
        "training_program": result.program[:PROGRAM_DIGITS],
    }
    for field in fields(timing) if timing is not None else ():
        value = getattr(timing, field.name)
        told[field.name] = f"{value:.5g}" if isinstance(value, float) else value
    return tuple((name, str(value)) for name, value in told.items() if value not in (None, ""))


@dataclass(frozen=True)
class _Taken:
    """One measurement, whose log is true: the times of both engines. details: the folder for the report."""

    timings: Timings
    trained: Timings
    log: AutoLog
    details: str


class LogCheck:
    """Runs the log checkpoint."""

    def __init__(self, options: RunOptions, progress: Progress) -> None:
        self._options, self._progress = options, progress

    def run(self, bench: Bench, spec: ModelSpec, variant: str, export: ExportedModel, directory: Path) -> LogResult:
        """Times the variant, writes the log into `directory` and reads it back. Raises `ConformanceFailure`."""
        from pytest_paddle_infer.benchmark import Memory, check_log, gpu_name, make_log, write_log
        from pytest_paddle_infer.details.keeping import keep_log
        from pytest_paddle_infer.engine.services import logged_precision
        from pytest_paddle_infer.gates import BATCHES, keep, measured
        from pytest_paddle_infer.gates import ROUNDS as GATE_ROUNDS
        from pytest_paddle_infer.timing import ROUNDS, run_alone, run_in_turn, timing_of, yardstick

        size, warmup = spec.batch_size or 1, self._options.warmup
        once = -(-len(bench.samples) // size)
        gates = self._options.gates if self._options.gates is not None and self._options.gates.wanted else None
        open_shape = any(dim is None for item in bench.model.inputs for dim in item.shape[1:])
        passes = max(-(-ENOUGH_BATCHES // once), ENOUGH_OF_A_SHAPE if open_shape else 1)
        default = BATCHES if gates else min(once * passes, MOST_BATCHES)
        batches = once * self._options.repeats if self._options.repeats else default
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / "inference_benchmark.log"
        own = self._options.autolog == "builtin"
        memory = Memory()
        with worded(spec, variant, export):
            worker, facts = bench.inference(variant, export)

        def timed() -> tuple[Timings, Timings]:
            most = min(once, GATE_ROUNDS) if open_shape else ROUNDS  # the yardstick is of as many shapes as it may be
            rounds = GATE_ROUNDS if gates else max(ROUNDS, most)
            if own:
                known = None if gates else yardstick(bench, size)  # a baseline has its own, measured in turn
                if known is None:
                    return run_in_turn(bench, worker, facts, size, warmup, batches, memory, rounds)
                return run_alone(bench, worker, facts, size, warmup, batches, memory), known
            asked = ("let auto_log write the log", "autolog", size, warmup, batches, spec.name, str(path))
            parts = warmup + batches
            timings: Timings = bench.call(worker, *asked, parts=parts, watch=lambda _: memory.watch(facts))
            return timings, bench.call(bench.training(), "time the training engine", "benchmark", size, 1, rounds, 0, parts=parts)

        def measure(step: str) -> _Taken:
            self._progress.step(spec.name, f"{variant}: {step}")
            with worded(spec, variant, export):
                timings, trained = timed()
                if own:
                    precision = logged_precision(self._options.precision(variant, facts))
                    write_log(path, make_log(bench.model, precision, facts, timings, size, memory))
                log, problems = check_log(path, facts, timings, own=own)
            details = keep_log(bench, spec, variant, timings, trained, size)
            if problems or log is None:
                remedy = "every field must say what the run did; run again on a machine that is not overloaded."
                found = failure(
                    f"{title_of(spec, variant)}: the benchmark log is not true: {problems[0]}", bench.model.weights, export, remedy
                )
                told = found.with_facts(("log", str(path)), *(("also", problem) for problem in problems[1:4]))
                raise ConformanceFailure(replace(told, details=details))
            return _Taken(timings, trained, log, details)

        def as_measured(taken: _Taken) -> Measured:
            inputs = ", ".join(f"{item.dtype}{[size, *item.shape[1:]]}" for item in bench.model.inputs)
            total = len(bench.samples)
            return measured(spec.name, variant, taken.timings, taken.trained, size, facts, inputs, total, self._program_key(bench))

        taken = measure("benchmark")
        notes: tuple[str, ...] = ()
        with _carrying(taken.details), worded(spec, variant, export):
            first = bench.call(worker, "say what the first run took", "first_run")

        def as_result(taken: _Taken) -> LogResult:
            timing = timing_of(taken.timings, taken.trained, size, facts, first, memory)
            # a report may be compared; the cost of the program's digest grows with the model
            program = self._program_key(bench) if self._options.details else ""
            ours = bench.model.weights, timing, (), gpu_name(facts), program, taken.details
            return LogResult(path, taken.log, timing.training_p50_ms, *ours)

        if gates:
            with _carrying(taken.details):
                again = partial(measure, "benchmark again")
                taken, notes = self._gate(bench, spec, variant, gates, taken, again, as_measured, as_result)
            with _carrying(taken.details), worded(spec, variant):
                notes += keep(gates, as_measured(taken), bench.failed("parity", variant, export))
        return replace(as_result(taken), notes=notes)

    def _gate(
        self,
        bench: Bench,
        spec: ModelSpec,
        variant: str,
        gates: Gates,
        taken: _Taken,
        again: Callable[[], _Taken],
        as_measured: Callable[[_Taken], Measured],
        as_result: Callable[[_Taken], LogResult],
    ) -> tuple[_Taken, tuple[str, ...]]:
        """Holds times against the baseline; what looks like a regression is measured once more, so that a passing load is none.

        Returns the measurement that counts: log, details and figures are of that one. A failure carries those of the second.
        """
        from pytest_paddle_infer.gates import compare

        with worded(spec, variant):
            first = compare(gates, as_measured(taken))
        if not first.regression:
            return taken, first.notes
        repeated = again()
        with _carrying(repeated.details):
            with worded(spec, variant):
                second = compare(gates, as_measured(repeated))
            if second.regression:
                title = f"{title_of(spec, variant)}: a performance regression: {second.regression}."
                remedy = "find what slowed it; if it is meant so, save a new baseline with --paddle-perf-save."
                facts = (("first measured", first.regression), ("baselines", str(gates.directory)))
                red = failure(title, bench.model.weights, None, remedy).with_facts(*facts)
                raise ConformanceFailure(replace(red, figures=figures(as_result(repeated))))
        # what is not decided may look as slow as before, so it is not said to be none
        again_told = "and not when measured again" if second.held else "which measuring again did not confirm: it is not decided"
        return repeated, (f"{variant}: slower when first measured ({first.regression}), {again_told}", *second.notes)

    def _program_key(self, bench: Bench) -> str:
        from pytest_paddle_infer.engine.identity import program_key

        return bench.once("program key", lambda: program_key(bench.model, load_factory(bench.spec, self._options.base)))


@contextmanager
def _carrying(details: str) -> Iterator[None]:
    """What was timed is shown of a failed checkpoint too: by `details`, unless the failure has another measurement's."""
    try:
        yield
    except ConformanceFailure as red:
        raise ConformanceFailure(replace(red.failure, details=red.failure.details or details)) from red.__cause__
