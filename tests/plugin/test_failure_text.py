"""A checkpoint that does not hold: plain text, no traceback, and the command that shows it again. A fault of ours keeps its traceback."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Callable

import pytest
import stub_engine

if TYPE_CHECKING:
    from conftest import Session


def test_the_text_is_the_cause_the_facts_the_remedy_and_the_command(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/parity/onednn")
    result = run("--paddle-model=alexnet", "--paddle-variant=onednn", "--paddle-seed=3", "--paddle-rtol=1e-4")
    lines = result.outlines
    start = lines.index("alexnet, onednn: the parity is planted to fail.")
    assert lines[start + 1 : start + 6] == [
        "",
        "  weights: random weights, seed 0",
        "  output:  3 of 4000 elements differ",
        "  to do:   plant nothing.",
        "  again:   pytest 'paddle-model/alexnet::test_parity[onednn]' --paddle-seed=3 --paddle-rtol=0.0001",
    ]
    text = result.stdout.str()
    for word in ("Traceback", ".py:", "ConformanceFailure", "During handling"):
        assert word not in text


def test_the_command_shows_the_same_failure_again(run: Session, plant: Callable[..., None]) -> None:
    run.write("with blank.pdparams", "")
    plant("alexnet/log/onednn")
    result = run(
        "--paddle-model=alexnet", "--paddle-variant=onednn", "--paddle-weights=with blank.pdparams", "--paddle-image-size=64x96"
    )
    (again,) = (line.partition("again:")[2] for line in result.outlines if "again:" in line)
    words = shlex.split(again)
    assert words[0] == "pytest"
    before = run.calls("log")[-1]
    run(*words[1:]).assert_outcomes(failed=1)
    after = run.calls("log")[-1]
    assert {k: v for k, v in after.items() if k != "options"} == {k: v for k, v in before.items() if k != "options"}


def test_the_short_summary_names_id_and_cause(run: Session, plant: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    plant("alexnet/artifacts")
    run("--paddle-model=alexnet").stdout.fnmatch_lines(
        ["FAILED paddle-model/alexnet::test_artifacts - the artifacts is planted to fail."]
    )


@pytest.mark.parametrize("ci", ["", "true"])
def test_the_short_summary_has_one_line_a_failure_whether_ci_is_set_or_not(
    run: Session, plant: Callable[..., None], monkeypatch: pytest.MonkeyPatch, ci: str
) -> None:
    monkeypatch.setenv("CI", ci) if ci else monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("BUILD_NUMBER", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    plant("alexnet/parity")
    run.write("test_user.py", "def test_user():\n    raise RuntimeError('one\\ntwo')\n")
    result = run("--paddle-model=alexnet", "test_user.py", "--junitxml=junit.xml")
    short = result.outlines[next(n for n, line in enumerate(result.outlines) if "short test summary info" in line) :]
    cause = "the parity is planted to fail."
    assert f"FAILED paddle-model/alexnet::test_parity[cpu] - {cause}" in short
    assert not [line for line in short if "again:" in line]
    assert "  again:   pytest 'paddle-model/alexnet::test_parity[cpu]'" in result.outlines
    junit = (run.path / "junit.xml").read_text(encoding="utf-8")
    assert f'message="{cause}">alexnet, cpu: {cause}\n\n  weights:' in junit
    assert 'message="RuntimeError: one&#10;two">' in junit, "others' failures are theirs"


@pytest.mark.parametrize("style", ["short", "long", "native", "line", "no"])
def test_no_traceback_style_brings_the_plugins_lines_back(run: Session, plant: Callable[..., None], style: str) -> None:
    plant("alexnet/parity")
    result = run("--paddle-model=alexnet", f"--tb={style}")
    result.assert_outcomes(failed=1, passed=2)
    result.stdout.no_fnmatch_line("*checks.py*")
    result.stdout.no_fnmatch_line("*raise *")


def test_a_fault_of_ours_keeps_its_full_traceback(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a fault of the plugin")

    monkeypatch.setattr(stub_engine.Conformance, "parity", broken)
    result = run("--paddle-model=alexnet")
    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(["*KeyError: 'a fault of the plugin'*", "*test_failure_text.py:*: KeyError"])


def test_a_failing_export_fails_every_checkpoint_with_its_own_command(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/export")
    result = run("--paddle-model=alexnet")
    result.assert_outcomes(failed=3)
    assert [line.partition("pytest ")[2] for line in result.outlines if "again:" in line] == [
        "paddle-model/alexnet::test_artifacts",
        "'paddle-model/alexnet::test_parity[cpu]'",
        "'paddle-model/alexnet::test_log[cpu]'",
    ]


def test_paddle_that_is_not_installed_is_a_usage_error_that_says_what_to_install(
    run: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_paddle_infer import selection

    monkeypatch.setattr(selection, "paddle_installed", lambda: False)
    message = run.usage_error("--paddle-model=alexnet")
    assert (
        "--paddle-model: Paddle is not installed; pip install 'pytest-paddle-infer[cpu]' or 'pytest-paddle-infer[gpu]'" in message
    )
    run.write("test_user.py", "def test_user(): pass")
    run().assert_outcomes(passed=1)


def test_the_command_can_be_run_from_where_pytest_was_called(
    run: Session, plant: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    run.write("pytest.ini", "[pytest]\n")
    run.write("sub/test_user.py", "import pytest\n@pytest.mark.paddle_infer_parity(model='alexnet')\ndef test_user(): pass\n")
    plant("alexnet/parity")
    for directory, file in (("sub", "test_user.py"), (".", "sub/test_user.py")):
        monkeypatch.chdir(run.path / directory)
        assert f"  again:   pytest '{file}::test_user[alexnet-cpu]'" in run().outlines
        run(f"{file}::test_user[alexnet-cpu]").assert_outcomes(failed=1)
