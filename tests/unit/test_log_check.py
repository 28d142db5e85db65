"""The log checkpoint over times made by hand: which of two measurements is reported."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pytest_paddle_infer.bench import Bench, RunOptions
from pytest_paddle_infer.benchmark import Memory, make_log, write_log
from pytest_paddle_infer.details.files import read
from pytest_paddle_infer.engine.observed import Timings
from pytest_paddle_infer.exports import ExportedModel
from pytest_paddle_infer.failures import ConformanceFailure, Failure, WorkerFailure
from pytest_paddle_infer.gates import Gates
from pytest_paddle_infer.log_check import LogCheck, LogResult
from pytest_paddle_infer.logs.autolog import parse_autolog
from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.option_table import Comparison
from pytest_paddle_infer.progress import Progress

FACTS = SimpleNamespace(
    pid=os.getpid(), gpu="", load_seconds=0.1, effective=SimpleNamespace(
        device="cpu", ir_optim=True, memory_optim=True, tensorrt=False, mkldnn=False, threads=1,
    ),
    versions={"cuda": "False", "cudnn": "False", "paddle_version": "3.3.1", "paddle_commit": "0123456789"},
)  # fmt: skip


def times(milliseconds: float, count: int, scatter: float = 0.02) -> Timings:
    run = tuple(float(each) for each in milliseconds / 1000 * np.random.RandomState(count).lognormal(0, scatter, count))
    other = (0.001,) * count
    return Timings(other, run, other, count, sum(run) + 0.002 * count)


def check(
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    measured: Sequence[float],
    *,
    save: str | None = None,
    against: str | None = None,
    autolog: str = "builtin",
    report: bool = True,
    shape: tuple[int | None, ...] = (None, 3),
    samples: int = 2,
    red: Sequence[str] = (),
) -> LogResult:
    """Runs the checkpoint of an engine that takes so many milliseconds a batch in each measurement; the training engine takes 20."""
    waiting = list(measured)
    output = directory / "output"
    output.mkdir(exist_ok=True)

    def in_turn(bench: Any, worker: Any, facts: Any, size: int, warmup: int, batches: int, memory: Any, rounds: int) -> Any:
        memory.watch(facts)
        return times(waiting.pop(0), batches), times(20.0, rounds)

    def call(worker: Any, step: str, method: str, *args: Any, watch: Any = None, **_: Any) -> Any:
        if method == "autolog":
            size, _, batches, _, path = args
            made, memory = times(waiting.pop(0), batches), Memory()
            memory.sample(FACTS.pid)
            write_log(Path(path), make_log(bench.model, "fp32", FACTS, made, size, memory))  # type: ignore[arg-type]
            return made
        return times(20.0, args[2]) if method == "benchmark" else (0.1, 50.0)

    monkeypatch.setattr("pytest_paddle_infer.timing.run_in_turn", in_turn)
    options = RunOptions(
        directory, directory, directory, details=report, autolog=autolog,
        gates=Gates(directory / "perf", save, None if against is None else Comparison(against, 0.15)),
    )  # fmt: skip
    monkeypatch.setattr(RunOptions, "precision", lambda *_: "fp32")
    spec = ModelSpec("net", factory="net:net")
    inputs = [SimpleNamespace(name="x", dtype="float32", shape=shape)]
    bench: Any = SimpleNamespace(
        samples=tuple(range(samples)), yardsticks={}, model=SimpleNamespace(weights="w", inputs=inputs, spec=spec), spec=spec,
        inference=lambda *_: (None, FACTS), training=lambda: None, call=call, options=options, once=lambda name, make: "program",
        failed=lambda checkpoint, variant, _: f"{checkpoint} {variant}" in red,
    )  # fmt: skip
    return LogCheck(options, Progress()).run(bench, spec, "cpu", ExportedModel(directory, given=True), output)


class Refuse:
    """Writes one log; the engine dies before the second."""

    asked = 0

    def __call__(self, path: Path, log: Any) -> None:
        self.asked += 1
        if self.asked == 2:
            raise WorkerFailure("inference engine (cpu): time the inference engine", "signal", "the process died")
        write_log(path, log)


def told(result: LogResult) -> list[float]:
    """The median or mean of a batch in milliseconds, wherever it is told."""
    latency = read(Path(result.details)).parts["latency"]
    assert result.timing is not None
    left = parse_autolog(result.path.read_text())
    return [result.timing.p50_ms, result.log.inference_time_ms, left.inference_time_ms, float(np.median(latency["inference_ms"]))]


def test_the_training_engines_program_is_asked_for_only_where_a_report_may_be_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check(tmp_path, monkeypatch, [10.0]).program == "program"
    assert check(tmp_path, monkeypatch, [10.0], report=False).program == ""


@pytest.mark.parametrize(
    ("shape", "samples", "timed"),
    [((None, 3, 48), 12, (12, 4)), ((None, 3, None), 12, (48, 12)), ((None, 3, None), 4, (16, 4)), ((None, 3, None), 80, (50, 25))],
)
def test_where_shapes_may_vary_each_is_timed_more_than_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int | None, ...], samples: int, timed: tuple[int, int]
) -> None:
    latency = read(Path(check(tmp_path, monkeypatch, [10.0], shape=shape, samples=samples).details)).parts["latency"]
    assert (len(latency["inference_ms"]), len(latency["training_ms"])) == timed


@pytest.mark.parametrize("writer", ["builtin", "auto_log"])
def test_a_measurement_that_the_gate_withdrew_is_reported_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str
) -> None:
    assert told(check(tmp_path, monkeypatch, [10.0], save="main", autolog=writer)) == pytest.approx([10.0] * 4, rel=0.05)
    held = check(tmp_path, monkeypatch, [30.0, 10.0], against="main", autolog=writer)
    once, again = held.notes
    assert once.startswith("cpu: slower when first measured (run takes 3.0")
    assert once.endswith("), and not when measured again")
    assert again.startswith("cpu: held: run takes 1.0")
    assert told(held) == pytest.approx([10.0] * 4, rel=0.05)


def test_a_regression_that_measuring_again_leaves_open_is_not_said_to_be_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(tmp_path, monkeypatch, [10.0], save="main")
    once, again = check(tmp_path, monkeypatch, [30.0, 11.5], against="main").notes
    assert once.startswith("cpu: slower when first measured (run takes 3.0")
    assert once.endswith("), which measuring again did not confirm: it is not decided")
    assert again.startswith("cpu: run takes 1.1")
    assert ": not decided, for " in again


def test_times_of_an_engine_that_answers_otherwise_are_saved_with_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (note,) = check(tmp_path, monkeypatch, [10.0], save="main", red=["parity cpu"]).notes
    assert note.startswith("cpu: times saved as 'main', of an engine whose parity failed in this session (")
    (note,) = check(tmp_path, monkeypatch, [10.0], save="main", red=["parity onednn", "artifacts cpu"]).notes
    assert note.startswith("cpu: times saved as 'main' (")


def test_a_checkpoint_that_failed_is_remembered_by_its_variant_and_export(tmp_path: Path) -> None:
    options = RunOptions(tmp_path, tmp_path, tmp_path)
    bench = Bench(ModelSpec("net", factory="net:net"), (), None, options, Progress())  # type: ignore[arg-type]
    one, other = ExportedModel(tmp_path / "one", given=True), ExportedModel(tmp_path / "other", given=True)

    def fail() -> None:
        raise ConformanceFailure(Failure("net, cpu: off."))

    bench.once(("parity", "onednn", one.stamp, None), lambda: "holds")
    with pytest.raises(ConformanceFailure):
        bench.once(("parity", "cpu", one.stamp, None), fail)
    with pytest.raises(ConformanceFailure):
        bench.once("export", fail)
    assert bench.failed("parity", "cpu", one)
    assert not any((bench.failed("parity", "onednn", one), bench.failed("log", "cpu", one), bench.failed("parity", "cpu", other)))


def test_a_regression_that_stays_shows_the_times_that_its_sentence_is_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(tmp_path, monkeypatch, [10.0], save="main")
    with pytest.raises(ConformanceFailure) as caught:
        check(tmp_path, monkeypatch, [30.0, 20.0], against="main")
    red = caught.value.failure
    assert "a performance regression: run takes 2." in red.title
    assert np.median(read(Path(red.details)).parts["latency"]["inference_ms"]) == pytest.approx(20.0, rel=0.05)
    told = dict(red.figures)
    assert [float(told[name]) for name in ("p50_ms", "inference_ms", "training_p50_ms")] == pytest.approx([20.0] * 3, rel=0.05)
    assert (told["batches"], told["batch_size"], told["threads"], told["training_program"]) == ("50", "1", "1", "program")
    assert Path(told["log_file"]).is_file()
    assert dict(red.facts)["first measured"].startswith("run takes 3."), "of two measurements, not of the baseline"


def test_of_a_second_measurement_that_dies_the_times_of_the_first_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(tmp_path, monkeypatch, [10.0], save="main")
    with pytest.raises(ConformanceFailure) as caught:
        check(tmp_path, monkeypatch, [30.0, float("nan")], against="main")
    assert "the benchmark log is not true" in caught.value.failure.title
    assert read(Path(caught.value.failure.details)).parts["latency"]["inference_ms"][0] is None, "those of the log that is not true"
    monkeypatch.setattr("pytest_paddle_infer.benchmark.write_log", refuse := Refuse())
    with pytest.raises(ConformanceFailure) as caught:
        check(tmp_path, monkeypatch, [30.0, 10.0], against="main")
    assert refuse.asked == 2
    assert np.median(read(Path(caught.value.failure.details)).parts["latency"]["inference_ms"]) == pytest.approx(30.0, rel=0.05)
