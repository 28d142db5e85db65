"""Ctrl-C while an engine works: the session ends as pytest's does, and no process of ours outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from sessions import environment, survivors

CONFTEST = """
import time
from pathlib import Path

HERE = Path(__file__).parent


def waits(config):
    (HERE / "waiting").write_text("")
    time.sleep(600)


def pytest_paddle_infer_models(config):
    from pytest_paddle_infer import ModelSpec

    return [ModelSpec("tiny", factory=f"{HERE}/tiny.py:tiny", weights=HERE / "tiny.pdparams", image_size=32)]


def pytest_paddle_infer_variants(config):
    return {"waits": waits}
"""


@pytest.mark.parametrize("apart", [False, True], ids=["in a fork", "in another interpreter"])
def test_ctrl_c_ends_the_session_and_every_worker(repo: Path, cache: Path, apart: bool) -> None:
    (repo / "conftest.py").write_text(CONFTEST)
    mark = uuid.uuid4().hex
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--paddle-model=tiny", "--paddle-variant=waits"]
    command += [f"--paddle-python={sys.executable}"] if apart else []
    cache.mkdir()
    running = subprocess.Popen(
        [*command, "-k", "test_parity"], cwd=repo, env=environment(cache, mark), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 90
    while not (repo / "waiting").exists() and time.monotonic() < deadline and running.poll() is None:
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does
    output, _ = running.communicate(timeout=30)
    assert (repo / "waiting").exists(), output
    assert running.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "KeyboardInterrupt" in output
    assert not survivors(mark), output
