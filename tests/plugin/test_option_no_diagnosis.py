"""--paddle-no-diagnosis: whether the engine looks for causes, as it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Session

MODEL = "--paddle-model=alexnet"


def told(run: Session) -> set[bool]:
    return {entry["options"]["diagnosis"] for entry in run.calls() if "options" in entry}


def test_without_it_causes_are_looked_for(run: Session) -> None:
    run(MODEL).assert_outcomes(passed=3)
    assert told(run) == {True}


def test_on_the_command_line_it_turns_the_search_off(run: Session) -> None:
    run(MODEL, "--paddle-no-diagnosis").assert_outcomes(passed=3)
    assert told(run) == {False}


@pytest.mark.parametrize(("text", "searches"), [("yes", False), ("true", False), ("no", True), ("off", True)])
def test_the_ini_file_may_turn_it_off(run: Session, text: str, searches: bool) -> None:
    run.write("pytest.ini", f"[pytest]\npaddle_no_diagnosis = {text}\n")
    run(MODEL).assert_outcomes(passed=3)
    assert told(run) == {searches}


def test_a_value_of_the_ini_file_that_is_neither_yes_nor_no_is_a_usage_error(run: Session) -> None:
    run.write("pytest.ini", "[pytest]\npaddle_no_diagnosis = perhaps\n")
    assert "perhaps" in run.usage_error(MODEL)
