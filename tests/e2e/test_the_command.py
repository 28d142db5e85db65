"""`python -m pytest_paddle_infer` in a process of its own: with Paddle, without it, and with one that cannot be imported."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import pytest
from sessions import environment

from pytest_paddle_infer.command.models import SIZES
from pytest_paddle_infer.option_table import VARIANTS

ROOT = Path(__file__).resolve().parents[2]


def run(
    cwd: Path, *args: str, env: Mapping[str, str] | None = None, python: tuple[str, ...] = (), code: int = 0
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *python, "-W", "error", "-m", "pytest_paddle_infer", *args], cwd=cwd, capture_output=True, text=True, timeout=120,
        env=environment(cwd / "cache", "-", env), check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of `doctor` here."""
    done = run(tmp_path_factory.mktemp("doctor"), "doctor")
    assert done.stderr == "", "nothing of what Paddle says to the terminal"
    return done.stdout


def test_doctor_says_what_is_installed_and_what_can_run(examined: str, paddle_version: str) -> None:
    assert f"\n  Paddle        {paddle_version} (paddlepaddle" in examined
    assert f"\n  pytest        {version('pytest')}\n" in examined
    assert re.search(r"^  can run  cpu, cpu-noopt, onednn\b", examined, re.MULTILINE)
    assert f"measured on Paddle {paddle_version})" in examined or paddle_version not in ("2.6.2", "3.3.1")
    assert examined.endswith("Nothing stands in the way of `pytest --paddle-model=NAME`.\n")


def test_the_documented_doctor_has_the_labels_of_the_real_one(examined: str) -> None:
    text = (ROOT / "docs" / "how-to" / "ask-what-is-here.md").read_text(encoding="utf-8")
    text = text.split("pytest_paddle_infer doctor\n")[1].split("```")[0]

    def labels(output: str) -> list[str]:
        return [
            line for line in re.findall(r"^( {0,2}[A-Za-z][\w-]*(?: [a-z]+)?)(?:  |$)", output, re.MULTILINE) if "build" not in line
        ]

    assert "  processor" in labels(text)
    assert [label for label in labels(text) if label not in labels(examined)] == []


def test_doctor_as_json_agrees_with_what_a_session_would_do(tmp_path: Path, paddle_version: str) -> None:
    told = json.loads(run(tmp_path, "doctor", "--json").stdout)
    assert told["ok"] is True
    assert told["paddle"]["version"] == paddle_version
    assert told["paddle"]["onednn"] is True
    by_name = {row["name"]: row for row in told["variants"]}
    assert list(by_name) == list(VARIANTS)
    for name in ("cpu", "cpu-noopt", "onednn"):
        assert (by_name[name]["available"], by_name[name]["reason"]) == (True, None)
    if told["paddle"]["cuda"] is None:
        for name in ("gpu", "tensorrt", "cinn"):
            assert (by_name[name]["available"], bool(by_name[name]["reason"])) == (False, True)
    assert told["store"] == {
        "place": str(tmp_path / "cache" / "pytest-paddle-infer"), "exists": False, "bytes": 0, "exports": 0, "others": 0, "models": [],
    }  # fmt: skip


def test_the_zoo_of_this_paddle_is_listed_and_each_has_a_size(tmp_path: Path) -> None:
    rows = [line.split() for line in run(tmp_path, "models").stdout.split("\n\n")[0].splitlines()[1:]]
    assert {row[0] for row in rows} == set(SIZES)
    assert "-" not in {row[1] for row in rows}


def test_without_paddle_every_command_says_what_is_missing(tmp_path: Path, without_paddle: dict[str, str]) -> None:
    def ask(*args: str, code: int) -> str:
        return run(tmp_path, *args, env=without_paddle, python=("-S",), code=code).stdout

    said = ask("doctor", code=1)
    assert "1 problem in the way\n  - Paddle is not installed.\n    to do: pip install 'pytest-paddle-infer[cpu]'" in said
    assert json.loads(ask("doctor", "--json", code=1))["paddle"]["version"] is None
    assert "Paddle is not installed" in ask("models", code=1)
    assert "is not known: Paddle is not installed" in ask("variants", code=1)
    assert json.loads(ask("variants", "--json", code=1))["variants"][0]["available"] is None
    assert "4 * floor" in ask("explain", "parity", code=0)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise ImportError('libpaddle.so: undefined symbol')", "ImportError: libpaddle.so: undefined symbol"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "the process was ended by SIGILL"),
    ],
)
def test_a_paddle_that_cannot_be_imported_is_the_problem_with_its_reason(tmp_path: Path, source: str, reason: str) -> None:
    (tmp_path / "shadow" / "paddle").mkdir(parents=True)
    (tmp_path / "shadow" / "paddle" / "__init__.py").write_text(source)
    import pytest_paddle_infer

    path = f"{tmp_path / 'shadow'}:{Path(pytest_paddle_infer.__file__).parents[1]}"
    said = run(tmp_path, "doctor", env={"PYTHONPATH": path}, code=1).stdout
    assert f"importing Paddle fails: {reason}" in " ".join(said.split())
    assert "not known without Paddle" in said
    assert reason in run(tmp_path, "variants", env={"PYTHONPATH": path}, code=1).stdout


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "pytest_paddle_infer", "explain", "parity"], stdout=writing, stderr=subprocess.PIPE, cwd=tmp_path, text=True,
        timeout=60, env=environment(tmp_path / "cache", "-"), check=False,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
