"""Kill -9 of the whole pytest process at random moments of an export, fifty times, and a second run: never a wrong artifact,
never a stuck lock, nothing left behind.

One server process imports Paddle; every pytest is a fork of it, so a round costs a second instead of five. The kill comes a random
time after the store began to build, over the whole of what an undisturbed build takes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from PIL import Image
from sessions import environment, newest_paddle, survivors

ROUNDS = 10
SEEDS = (1, 2, 3) if newest_paddle() else (4, 5)
"""Ten kills each, fifty with both Paddles: the store is the same, the files are others."""


SERVER = """
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import paddle
import paddle.inference
import pytest

SEED, ROUNDS, CACHE = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
STORE = CACHE / "pytest-paddle-infer"
ARGS = ["-p", "no:cacheprovider", "-q", "--paddle-timeout=60", "--paddle-images=one.png", "paddle-model/tiny::test_artifacts"]


def start(*more):
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        out = os.open(CACHE / "out.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1), os.dup2(out, 2)
        os._exit(int(pytest.main([*ARGS, *more])))
    return pid


def ended(pid):
    done, status = os.waitpid(pid, os.WNOHANG)
    return None if done == 0 else os.waitstatus_to_exitcode(status)


def building():
    return list(STORE.joinpath("tmp").glob("*")) if STORE.joinpath("tmp").is_dir() else []


def wait(pid, limit):
    begin = time.monotonic()
    while (code := ended(pid)) is None:
        if time.monotonic() - begin > limit:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return "hang"
        time.sleep(0.005)
    return code


def entries():
    return sorted(path.name for path in STORE.iterdir() if path.name not in ("tmp", "locks"))


def until_building(pid):
    while not building():
        if ended(pid) is not None:
            raise SystemExit("the run ended without an export: " + (CACHE / "out.txt").read_text())
        time.sleep(0.0005)
    return time.monotonic()


pid = start()
begin = until_building(pid)
while not entries():
    time.sleep(0.0005)
length = time.monotonic() - begin
assert wait(pid, 60) == 0, (CACHE / "out.txt").read_text()
key = entries()

chance = random.Random(SEED)
rounds = []
for number in range(ROUNDS):
    shutil.rmtree(STORE / key[0])
    pid = start()
    begin = until_building(pid)
    moment = chance.uniform(0, 1.1) * length
    while time.monotonic() - begin < moment:
        time.sleep(0.0005)
    early = ended(pid)
    if early is None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    half_built, finished = len(building()), entries()
    code = wait(start(), 60)
    rounds.append({
        "moment": moment / length, "killed": early is None, "half_built": half_built, "entries_at_kill": len(finished),
        "second": code, "entries": entries(), "left": [path.name for path in building()],
        "out": "" if code == 0 else (CACHE / "out.txt").read_text()[-3000:],
    })
print(json.dumps([key, rounds]))
"""


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_killed_exports_leave_no_wrong_artifact_no_lock_and_no_litter(repo: Path, cache: Path, seed: int) -> None:
    cache.mkdir()
    (repo / "server.py").write_text(SERVER)
    Image.new("RGB", (40, 40), (200, 120, 40)).save(repo / "one.png")
    mark = uuid.uuid4().hex
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "server.py", str(seed), str(ROUNDS), str(cache)], cwd=repo, capture_output=True, text=True,
        env=environment(cache, mark), timeout=300, check=False,
    )  # fmt: skip
    assert not survivors(mark), "a killed run left a process"
    assert done.returncode == 0, done.stdout + done.stderr
    key, rounds = json.loads(done.stdout.splitlines()[-1])
    assert len(rounds) == ROUNDS
    for outcome in rounds:
        assert outcome["second"] == 0, outcome  # its artifacts checkpoint compares every parameter bit for bit and runs it
        assert outcome["entries"] == key, outcome
        assert outcome["left"] == [], outcome
    assert sum(outcome["killed"] for outcome in rounds) >= ROUNDS // 2, rounds
    assert any(outcome["half_built"] for outcome in rounds), "no kill came in the middle of a build"
