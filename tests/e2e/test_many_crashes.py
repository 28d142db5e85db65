"""Two hundred workers that die in one session, of mixed kinds: every other item is right, and nothing is left behind."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from sessions import Session, newest_paddle

CRASHES = 200 if newest_paddle() else 60
CONTROL_EVERY = 20

CONFTEST = """
import ctypes
import os
import resource
import signal
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent


def segv(config): ctypes.string_at(0)
def abort(config): os.abort()
def kill(config): os.kill(os.getpid(), signal.SIGKILL)
def leave(config): os._exit(3)
def wrong(config): raise RuntimeError("planted")
def memory(config): raise MemoryError("planted")
def child(config):
    if os.fork() == 0:
        signal.pause()
    os.kill(os.getpid(), signal.SIGKILL)


ENDS = (segv, abort, kill, leave, wrong, memory, child)


def pytest_paddle_infer_models(config):
    from pytest_paddle_infer import ModelSpec

    return [ModelSpec("tiny", factory=f"{HERE}/tiny.py:tiny", weights=HERE / "tiny.pdparams", image_size=32)]


def pytest_paddle_infer_variants(config):
    from pytest_paddle_infer import Variant

    crashing = [Variant(f"crash{number}", ENDS[number % len(ENDS)]) for number in range(CRASHES)]
    controls = [Variant(f"control{number}", lambda config: None) for number in range(CRASHES // EVERY)]
    return crashing + controls


def pytest_runtest_logreport(report):
    if report.when == "call":
        with (HERE / "memory.txt").open("a") as file:
            file.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss} {len(os.listdir('/proc/self/fd'))}\\n")
"""


def test_many_crashes_leave_every_other_item_right_and_nothing_behind(
    repo: Path, tmp_path: Path, run_session: Callable[..., Session]
) -> None:
    shutil.rmtree(repo / "exports", ignore_errors=True)
    (repo / "conftest.py").write_text(CONFTEST.replace("CRASHES", str(CRASHES)).replace("EVERY", str(CONTROL_EVERY)))
    order = []
    for number in range(CRASHES):
        order.append(f"crash{number}")
        if number % CONTROL_EVERY == CONTROL_EVERY - 1:
            order.append(f"control{number // CONTROL_EVERY}")
    shared = set(Path("/dev/shm").iterdir()) if Path("/dev/shm").is_dir() else set()
    variants = [f"--paddle-variant={name}" for name in order]
    few = ("--paddle-no-cache", "--paddle-no-diagnosis", f"--basetemp={tmp_path / 'base'}", "-k", "test_parity", "-q", "--tb=line")
    session = run_session(repo, "--paddle-model=tiny", *variants, *few, timeout=400)  # which looks for processes left behind

    assert session.returncode == 1, session.output
    assert len(session.cases) == len(order)
    for name, case in session.outcomes.items():
        assert case == ("failed" if "[crash" in name else "passed"), f"{name}\n{session.output[-3000:]}"
    measured = [[int(value) for value in line.split()] for line in (repo / "memory.txt").read_text().splitlines()]
    early, late = measured[20], measured[-1]
    assert late[0] <= early[0] * 1.05, f"peak memory grew from {early[0]} to {late[0]} kB"
    assert late[1] <= early[1] + 2, f"open files grew from {early[1]} to {late[1]}"
    kept = re.compile("output|artifacts|exports|drawn.*|samples.*")
    left = [path.name for path in (tmp_path / "base" / "paddle-infer").iterdir() if not kept.fullmatch(path.name)]
    assert not left, left
    assert not (set(Path("/dev/shm").iterdir()) - shared if Path("/dev/shm").is_dir() else set())
