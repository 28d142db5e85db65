"""Sessions of the plugin over the stub engine: in this process, in a subprocess, with and without xdist."""

from __future__ import annotations

import json
import os
import re
import warnings
from pathlib import Path
from typing import Any, Callable

import PIL.Image  # noqa: F401  numpy and Pillow cannot be imported twice, and pytester forgets what an inner session imported
import pytest
import stub_engine

import pytest_paddle_infer.report.charts  # noqa: F401  once, here: pygal's importlib_metadata disables Python's finder of plugins

Run = Callable[..., pytest.RunResult]

HERE = Path(__file__).parent

NOT_NEEDED = ("randomly", "hypothesispytest", "anyio", "html", "html_fixtures", "metadata", "allure_pytest")
"""Plugins of whoever runs these tests that inner sessions do without; a session in this process imports them anew each time."""

QUICK = (*(word for name in NOT_NEEDED for word in ("-p", f"no:{name}")), "-W", "error")


class Session:
    """Runs pytest in the test's own directory; warnings are errors there, as in a strict user's suite."""

    def __init__(self, pytester: pytest.Pytester, trace: Path) -> None:
        self._pytester = pytester
        self._trace = trace
        self.path = pytester.path

    def __call__(self, *args: str) -> pytest.RunResult:
        """In this process: quick."""
        with warnings.catch_warnings():
            # pytest 7.4 over pluggy 1.6 says so of its own wrapper at every usage error
            warnings.filterwarnings("ignore", message="A plugin raised an exception during an old-style hookwrapper")
            return self._pytester.runpytest_inprocess(*QUICK, *args)

    def apart(self, *args: str) -> pytest.RunResult:
        """In a process of its own: for xdist, and for what must not be in `sys.modules`."""
        return self._pytester.runpytest_subprocess("-p", "stub_engine", *QUICK, *args)

    def write(self, name: str, text: str) -> Path:
        """Writes a file below the test's directory."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def ids(self, *args: str) -> list[str]:
        """The ids that `--collect-only -q` prints."""
        result = self("--collect-only", "-q", *args)
        assert result.ret in (0, 5), result.stdout.str() + result.stderr.str()
        return [line for line in result.outlines if "::" in line]

    def calls(self, name: str = "") -> list[dict[str, Any]]:
        """What the engine was asked since the test began, in order; of one kind, or all."""
        if not self._trace.is_file():
            return []
        entries = [json.loads(line) for line in self._trace.read_text(encoding="utf-8").splitlines()]
        return [entry for entry in entries if name in ("", entry["call"])]

    def checkpoints(self) -> list[str]:
        """The checkpoints that ran, as `model/checkpoint/variant`; artifacts without a variant."""
        return [
            f"{entry['model']}/{entry['call']}" + (f"/{entry['variant']}" if entry["call"] != "artifacts" else "")
            for entry in self.calls()
            if entry["call"] in ("artifacts", "parity", "log")
        ]

    def usage_error(self, *args: str) -> str:
        """Runs and returns the message of the usage error that must end the run: exit code 4, no traceback."""
        result = self(*args)
        assert result.ret == pytest.ExitCode.USAGE_ERROR, result.stdout.str() + result.stderr.str()
        text = result.stderr.str()
        assert "Traceback" not in text + result.stdout.str()
        return re.sub(r"\s+", " ", text)


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Sessions over the stub engine in an empty directory."""
    trace = tmp_path_factory.mktemp("trace") / "calls"
    monkeypatch.setenv("STUB_TRACE", str(trace))
    monkeypatch.delenv("STUB_FAIL", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))
    stub_engine.install(monkeypatch.setattr)
    return Session(pytester, trace)


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the checkpoints `model/checkpoint[/variant]` fail."""
    return lambda *words: monkeypatch.setenv("STUB_FAIL", " ".join(words))


@pytest.fixture(scope="session")
def auto_log_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a module of that name: the option asks whether the package is installed."""
    home = tmp_path_factory.mktemp("auto-log")
    (home / "auto_log.py").write_text("")
    return home


@pytest.fixture(autouse=True)
def _auto_log_is_installed(auto_log_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(auto_log_home)
