"""A worker's process ends at once; waiting for the system to take its memory back is put off, and never forgotten."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from pytest_paddle_infer.engine.services import scatter_random_numbers
from pytest_paddle_infer.engine.worker import Worker, _serve, reap
from pytest_paddle_infer.failures import WorkerFailure

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


class _Service:
    def number(self) -> int:
        return os.getpid()


@pytest.fixture
def worker() -> Iterator[Worker]:
    one = Worker("a worker", _Service)
    one.call("count", "number", timeout=60)
    yield one
    one.close()
    reap()


def is_child(pid: int) -> bool:
    """True while the process is ours to wait for, dead or alive."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def wait_until_dead(pid: int) -> None:
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def test_a_closed_worker_leaves_no_process(worker: Worker) -> None:
    worker.close()
    assert not is_child(worker.pid)


def test_an_ended_worker_dies_without_being_asked_again(worker: Worker) -> None:
    worker.end()
    wait_until_dead(worker.pid)
    assert is_child(worker.pid)
    assert not worker.alive


def test_an_ended_worker_leaves_no_process_once_the_ended_are_waited_for(worker: Worker) -> None:
    worker.end()
    reap()
    assert not is_child(worker.pid)


def test_an_ended_worker_that_is_closed_too_is_waited_for_later(worker: Worker) -> None:
    worker.end()
    worker.close()
    reap()
    assert not is_child(worker.pid)


def test_the_next_worker_takes_leave_of_those_that_ended_before(worker: Worker) -> None:
    worker.end()
    wait_until_dead(worker.pid)
    Worker("another", _Service).close()
    assert not is_child(worker.pid)


def test_a_process_that_takes_its_time_to_end_is_not_waited_for_by_the_next(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_kill", lambda: None)
    os.kill(worker.pid, signal.SIGSTOP)
    worker.end()
    looking = threading.Thread(target=reap, args=(False,))
    looking.start()
    looking.join(10)
    waits = looking.is_alive()
    os.kill(worker.pid, signal.SIGKILL)
    reap()
    assert not waits
    assert not is_child(worker.pid)


def test_a_process_that_somebody_else_waited_for_is_no_error(worker: Worker) -> None:
    worker.end()
    os.waitpid(worker.pid, 0)
    reap()


def test_an_ended_worker_says_so_when_it_is_called(worker: Worker) -> None:
    worker.end()
    with pytest.raises(WorkerFailure, match="the process has ended already"):
        worker.call("count", "number", timeout=60)


@pytest.mark.parametrize(("seed", "draw"), [(random.seed, random.random), (np.random.seed, np.random.rand)])
def test_engines_that_were_forked_from_one_process_draw_numbers_of_their_own(
    seed: Callable[[int], Any], draw: Callable[[], Any]
) -> None:
    seed(0)
    would_be = draw()
    seed(0)
    scatter_random_numbers()
    assert draw() != would_be


@pytest.mark.parametrize(
    ("error", "told"), [(TypeError("cannot pickle"), "postprocess returned what cannot"), (MemoryError("full"), "full")]
)
def test_only_what_cannot_be_pickled_is_the_postprocesss_doing(error: Exception, told: str) -> None:
    class Pipe:
        sent: ClassVar[list[Any]] = []
        asked = iter([("answer", ())])

        def recv(self) -> Any:
            try:
                return next(self.asked)
            except StopIteration:
                raise EOFError from None

        def send(self, value: Any) -> None:
            if value[0]:
                raise error
            self.sent.append(value[1])

    pipe: Any = Pipe()
    _serve(pipe, lambda: SimpleNamespace(answer=lambda: 1))
    (trouble,) = pipe.sent
    assert trouble.text.startswith(told)
