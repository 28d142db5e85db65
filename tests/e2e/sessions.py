"""Runs pytest in a process of its own, as a user does, and reads back what the user would see.

Every run checks three things by itself: no INTERNALERROR, no process left behind, nothing but pytest's own exit codes.
"""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import time
import uuid
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from filelock import FileLock

MARK = "PADDLE_INFER_E2E_RUN"
"""Environment variable by which the processes of one run are found."""


@dataclass(frozen=True)
class Case:
    """One test of the inner run: passed, failed, error or skipped, and the text of its failure."""

    outcome: str
    text: str
    properties: Mapping[str, str]

    @property
    def cause(self) -> str:
        """The first line of the failure, where its cause must stand."""
        return self.text.split("\n", 1)[0]


@dataclass(frozen=True)
class Session:
    """A finished run of pytest."""

    returncode: int
    output: str
    cases: Mapping[str, Case]
    seconds: float

    def __getitem__(self, tail: str) -> Case:
        """The one test whose id ends in `tail`."""
        found = [name for name in self.cases if name.endswith(tail)]
        assert len(found) == 1, f"{tail!r} is the end of {found} among {list(self.cases)}\n{self.output}"
        return self.cases[found[0]]

    @property
    def outcomes(self) -> dict[str, str]:
        """Id -> outcome of every test."""
        return {name: case.outcome for name, case in self.cases.items()}

    @classmethod
    def shared(cls, directory: Path, name: str, make: Callable[[], Session]) -> Session:
        """The session that `make` returns, run once for all tests and xdist workers."""
        path = directory / f"{name}.session"
        with FileLock(directory / f"{name}.lock"):
            if not path.is_file():
                try:
                    made: object = make()
                except AssertionError as error:
                    made = str(error)
                path.write_bytes(pickle.dumps(made))
        found = pickle.loads(path.read_bytes())
        assert isinstance(found, cls), found
        return found


def run_pytest(cwd: Path, *args: str, cache: Path, env: Mapping[str, str] | None = None, timeout: float = 120.0) -> Session:
    """Runs `pytest ARGS` in `cwd` with the export store under `cache`."""
    mark = uuid.uuid4().hex
    report = cache / f"junit-{mark}.xml"
    cache.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pytest", f"--junitxml={report}", "-p", "no:cacheprovider", *args]
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=cwd, env=environment(cache, mark, env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", timeout=timeout, check=False,
    )  # fmt: skip
    seconds = time.monotonic() - began
    left = survivors(mark)
    assert not left, f"processes left behind: {left}\n{done.stdout}"
    assert "INTERNALERROR" not in done.stdout, done.stdout
    assert done.returncode in range(6), done.stdout
    return Session(done.returncode, done.stdout, _read_junit(report), seconds)


def run_shared(directory: Path, cwd: Path, *args: str, **options: object) -> Session:
    """As `run_pytest`, with one export store for everything under `directory`."""
    return run_pytest(cwd, *args, cache=directory / "cache", **options)  # type: ignore[arg-type]


def newest_paddle() -> bool:
    """True with Paddle 3, from the package's metadata. What does not depend on Paddle is tried less often with the other."""
    with suppress(PackageNotFoundError):
        return not version("paddlepaddle").startswith("2.")
    return True


def environment(cache: Path, mark: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a user's shell: nothing of the outer pytest or of xdist in it."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "PY_COLORS", "FORCE_COLOR")) and name not in ("PYTHONWARNINGS", "CI")
    }
    ours = {
        "XDG_CACHE_HOME": str(cache),
        "PYTEST_DEBUG_TEMPROOT": str(cache),  # the inner run's tmp_path; pytest keeps the last three of one root only
        "COLUMNS": "200",
        "PYTHONDONTWRITEBYTECODE": "1",
        MARK: mark,
    }
    return {**clean, **ours, **(more or {})}


def survivors(mark: str, patience: float = 3.0) -> list[int]:
    """Process ids of a run that still live after `patience` seconds; they are killed, so that a red test leaves none either."""
    deadline = time.monotonic() + patience
    while (found := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    return found


def _marked(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if mark.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def _read_junit(path: Path) -> dict[str, Case]:
    if not path.is_file():
        return {}
    cases = {}
    for element in ElementTree.parse(path).iter("testcase"):
        outcome, text = "passed", ""
        for child in element:
            if child.tag in ("failure", "error", "skipped"):
                outcome = {"failure": "failed"}.get(child.tag, child.tag)
                text = child.text or ""
        properties = {item.get("name", ""): item.get("value", "") for item in element.iter("property")}
        cases[f"{element.get('classname')}::{element.get('name')}"] = Case(outcome, text, properties)
    path.unlink()
    return cases


def assert_red(session: Session, tail: str, *sentences: str) -> Case:
    """The test failed, exit code 1, and its first line holds every one of `sentences`; no traceback of ours is shown."""
    case = session[tail]
    assert case.outcome == "failed", f"{tail} {case.outcome}\n{session.output}"
    assert session.returncode == 1, session.output
    missing = [sentence for sentence in sentences if not re.search(sentence, case.cause)]
    assert not missing, f"not in the first line: {missing}\n{case.text}"
    assert "Traceback" not in case.text, case.text
    assert "site-packages" not in case.cause
    assert "/pytest_paddle_infer/" not in case.text, case.text
    return case


def assert_green(session: Session, count: int | None = None) -> None:
    """Every test passed, `count` of them when it is given."""
    assert session.returncode == 0, session.output
    assert set(session.outcomes.values()) == {"passed"}, session.output
    assert count is None or len(session.cases) == count, session.output
