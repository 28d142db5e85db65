"""gates.py: a run against the baselines on disk, and which of its words is a regression."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pytest_paddle_infer.engine.observed import Timings
from pytest_paddle_infer.gates import Gates, Measured, compare, keep, measured
from pytest_paddle_infer.judge.latency import Latencies
from pytest_paddle_infer.machine import this_machine
from pytest_paddle_infer.option_table import Comparison
from pytest_paddle_infer.perf import Workload


def run_of(milliseconds: float, training: float = 20.0, seed: int = 0) -> Measured:
    """50 batches with 2 % of noise, and 25 of the training engine."""
    random = np.random.RandomState(seed)
    times = tuple(milliseconds / 1000 * random.lognormal(0, 0.02, 50))
    yardstick = tuple(training / 1000 * random.lognormal(0, 0.02, 25))
    return Measured(
        "m", "cpu", Workload(1, 1, "float32[1, 3]", "4 samples"), Latencies(times, yardstick, 1), "3.3.1", "p", this_machine()
    )


def gates(directory: Path, *, save: str | None = None, against: str | None = None) -> Gates:
    return Gates(directory, save, None if against is None else Comparison(against, 0.15))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with the baseline 'main' of 10 ms."""
    (note,) = keep(gates(tmp_path, save="main"), run_of(10.0))
    assert note.startswith("cpu: times saved as 'main' (")
    return tmp_path


def test_nothing_is_compared_or_kept_unless_asked(tmp_path: Path) -> None:
    assert not gates(tmp_path).wanted
    assert compare(gates(tmp_path), run_of(10.0)).notes == ()
    assert keep(gates(tmp_path), run_of(10.0)) == ()
    assert list(tmp_path.iterdir()) == []


def test_the_same_speed_is_a_note(place: Path) -> None:
    found = compare(gates(place, against="main"), run_of(10.0, seed=1))
    assert found.regression == ""
    assert found.notes[0].startswith("cpu: held: run takes ")
    assert "times the baseline 'main'" in found.notes[0]
    assert "not decided" not in found.notes[0]


def test_what_is_not_decided_and_what_is_too_little_are_not_said_to_hold(place: Path) -> None:
    undecided = compare(gates(place, against="main"), run_of(11.5, seed=1)).notes[0]
    assert undecided.startswith("cpu: run takes ")
    assert ": not decided, for " in undecided
    few = run_of(10.0)
    few = replace(few, latencies=replace(few.latencies, run=few.latencies.run[:3]))
    assert compare(gates(place, against="main"), few).notes[0].startswith("cpu: not compared with the baseline 'main': ")


def test_half_the_speed_is_a_regression(place: Path) -> None:
    found = compare(gates(place, against="main"), run_of(20.0, seed=1))
    assert "times the baseline 'main'" in found.regression
    assert found.notes == ()


def test_half_the_speed_on_a_machine_at_half_its_speed_is_none(place: Path) -> None:
    assert compare(gates(place, against="main"), run_of(20.0, training=40.0, seed=1)).regression == ""


def test_a_slower_model_is_no_slower_machine(place: Path) -> None:
    """Seen: three times the work in both engines, and the drift of the training engine, taken out, hid it."""
    heavier = replace(run_of(30.0, training=60.0, seed=1), program="another")
    found = compare(gates(place, against="main"), heavier)
    assert found.regression.startswith("run takes 2.98 times the baseline 'main' (99 %")
    assert found.regression.endswith(
        "allowed 1.15); the model's code or settings changed, so the drift of the training engine (3.04 times) is left in"
    )
    unknown = compare(gates(place, against="main"), replace(heavier, program=""))
    assert (unknown.regression, unknown.held) == ("", False)
    assert "not decided, for the training engine takes 3.0" in unknown.notes[0]
    assert "settings changed" not in unknown.notes[0]


def test_a_baseline_that_knows_no_program_is_no_other_model(tmp_path: Path) -> None:
    keep(gates(tmp_path, save="main"), replace(run_of(10.0), program=""))
    found = compare(gates(tmp_path, against="main"), run_of(30.0, training=60.0, seed=1))
    assert found.regression == ""
    assert "settings changed" not in found.notes[0]
    assert compare(gates(tmp_path, against="main"), run_of(30.0, seed=1)).regression.startswith("run takes 2.9")


def test_what_only_a_large_correction_makes_as_fast_as_before_is_not_said_to_hold(place: Path) -> None:
    found = compare(gates(place, against="main"), run_of(14.5, training=100.0, seed=1))
    assert (found.regression, found.held) == ("", False)
    assert found.notes[0].startswith("cpu: run takes 0.28 times the baseline 'main', with the drift of the training engine (5.0")
    assert ": not decided, for it takes 1.4" in found.notes[0]
    assert compare(gates(place, against="main"), run_of(10.0, seed=1)).held


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"workload": Workload(8, 1, "float32[8, 3]", "4 samples")}, "batch size"),
        ({"machine": replace(this_machine(), gpu="H100")}, "machine"),
    ],
)
def test_other_work_and_other_machines_are_shown_and_not_judged(place: Path, change: dict[str, object], word: str) -> None:
    run = replace(run_of(100.0, seed=1), **change)  # type: ignore[arg-type]
    found = compare(gates(place, against="main"), run)
    assert found.regression == ""
    assert any("not judged" in note and word in note for note in found.notes), found.notes


def test_shapes_of_a_run_are_known_to_the_gate_where_they_vary() -> None:
    effective = SimpleNamespace(threads=1, device="cpu")
    facts: Any = SimpleNamespace(effective=effective, versions={"paddle_version": "3.3.1"}, gpu="")

    def shapes(*names: str) -> tuple[str, ...]:
        times = Timings((1.0, 1.0), (1.0, 1.0), (1.0, 1.0), 2, 6.0, names)
        return measured("m", "cpu", times, times, 1, facts, "float32[1, 3]", 4, "p").latencies.run_shapes

    assert shapes("1x3x8", "1x3x9") == ("1x3x8", "1x3x9")
    assert shapes("1x3x8", "1x3x8") == ()


def test_a_model_without_times_in_the_baseline_is_a_note(place: Path) -> None:
    found = compare(gates(place, against="main"), replace(run_of(10.0), model="other"))
    assert found.notes == ("cpu: the baseline 'main' holds no times of it",)
