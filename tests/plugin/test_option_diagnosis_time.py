"""--paddle-diagnosis-time: how long the engine may look for a cause, as it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

import pytest

if TYPE_CHECKING:
    from conftest import Session

MODEL = "--paddle-model=alexnet"


def told(run: Session) -> set[float]:
    return {entry["options"]["diagnosis_time"] for entry in run.calls() if "options" in entry}


def test_without_it_a_cause_is_looked_for_for_a_minute(run: Session) -> None:
    run(MODEL).assert_outcomes(passed=3)
    assert told(run) == {60.0}


def test_the_command_line_wins_over_the_ini_file(run: Session) -> None:
    run.write("pytest.ini", "[pytest]\npaddle_diagnosis_time = 5\n")
    run(MODEL, "--paddle-diagnosis-time=2.5").assert_outcomes(passed=3)
    assert told(run) == {2.5}


def test_the_ini_file_wins_over_the_default(run: Session) -> None:
    run.write("pytest.ini", "[pytest]\npaddle_diagnosis_time = 5\n")
    run(MODEL).assert_outcomes(passed=3)
    assert told(run) == {5.0}


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf"])
def test_what_is_no_time_limit_is_a_usage_error(run: Session, text: str) -> None:
    assert text in run.usage_error(MODEL, f"--paddle-diagnosis-time={text}")


def test_the_command_that_reproduces_looks_as_long(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/parity/cpu")
    result = run(MODEL, "--paddle-diagnosis-time=2.5")
    result.stdout.fnmatch_lines(["*pytest 'paddle-model/alexnet::test_parity?cpu?' --paddle-diagnosis-time=2.5"])
