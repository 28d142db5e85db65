"""--paddle-artifacts: where the evidence goes, as the engine is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

import pytest

if TYPE_CHECKING:
    from conftest import Session

MODEL = "--paddle-model=alexnet"


def told(run: Session) -> set[str]:
    return {str(entry["options"]["artifacts"]) for entry in run.calls() if "options" in entry}


def test_without_it_the_engine_chooses_a_temporary_directory(run: Session) -> None:
    run(MODEL).assert_outcomes(passed=3)
    assert told(run) == {"None"}


def test_a_directory_of_the_command_line_starts_where_pytest_is_called(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    run.write("sub/keep", "")
    monkeypatch.chdir(run.path / "sub")
    run(MODEL, "--paddle-artifacts=kept", f"--rootdir={run.path}").assert_outcomes(passed=3)
    assert told(run) == {str(run.path / "sub" / "kept")}


def test_a_directory_of_the_ini_file_starts_at_the_rootdir(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    run.write("pytest.ini", "[pytest]\npaddle_artifacts = kept\n")
    run.write("sub/keep", "")
    monkeypatch.chdir(run.path / "sub")
    run(MODEL).assert_outcomes(passed=3)
    assert told(run) == {str(run.path / "kept")}


def test_the_command_that_reproduces_leaves_out_where_the_evidence_goes(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/parity")
    result = run("--paddle-model=alexnet", "--paddle-artifacts=kept", "--paddle-seed=3")
    assert "  again:   pytest 'paddle-model/alexnet::test_parity[cpu]' --paddle-seed=3" in result.outlines
