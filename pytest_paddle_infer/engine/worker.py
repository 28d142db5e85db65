"""A forked process that works for the session: its death, its hang and its exception come back as `WorkerFailure`.

Native code can abort or hang at any step (measured in 2.6.2 and 3.3.1), so nothing that may do so runs in the session's process.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import itertools
import os
import re
import signal
import sys
import sysconfig
import tempfile
import time
import traceback
import warnings
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from types import FrameType
from typing import Any, Callable

from pytest_paddle_infer.cutting import behind_a_sentence
from pytest_paddle_infer.failures import PaddleInferError, WorkerFailure

_POLL = 0.05
"""Seconds between looks at a busy worker: for the observer and for a Ctrl-C."""

_open: weakref.WeakSet[Worker] = weakref.WeakSet()
"""Workers whose pipe a new child must close: a worker ends when the last copy of its pipe's other end does."""

_ended: list[int] = []
"""Processes that were killed and not waited for: the system takes its time to take the memory of an engine back."""


@dataclass(frozen=True)
class _Trouble:
    """An exception of the child, as text: the object itself may not survive pickling."""

    kind: str
    text: str
    location: str
    ours: bool
    remedy: str = ""


class Worker:
    """One forked child that holds a service and answers method calls one at a time."""

    def __init__(self, name: str, make_service: Callable[[], Any], cores: Sequence[int] = ()) -> None:
        """Forks; `make_service` runs in the child at the first call and may be any closure. cores: those it may use; empty for all.

        Raises `PaddleInferError` where processes cannot fork (the plugin needs Linux or macOS).
        """
        if not hasattr(os, "fork"):
            raise PaddleInferError("the checkpoints need os.fork() to run engines safely; this platform has none.")
        self.name = name
        self._step = "start"
        self._deadline = 0.0
        self._pending = False
        self._limit = 0.0
        self._output = tempfile.TemporaryFile()
        self._connection, theirs = Pipe()
        reap(wait=False)
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 3.12 warns of threads; Paddle's survive a fork (measured)
            self.pid = os.fork()
        if self.pid == 0:  # pragma: no cover - another process
            _become_worker(theirs, self._output.fileno(), make_service, parent, self._connection, cores)
        theirs.close()
        self._alive = True
        _open.add(self)

    @property
    def alive(self) -> bool:
        """False once it died, hung, or was closed."""
        return self._alive

    def call(self, step: str, method: str, *args: Any, timeout: float, watch: Callable[[int], None] | None = None) -> Any:
        """Calls `service.method(*args)` and returns its value. See `submit` and `result`."""
        self.submit(step, method, *args, timeout=timeout)
        return self.result(watch)

    def submit(self, step: str, method: str, *args: Any, timeout: float) -> None:
        """Starts a call and returns at once; `step` says in words what is being done, `timeout` is in seconds."""
        if self._pending:  # the caller lost interest in the last answer: another engine failed meanwhile
            try:
                self.result()
            except WorkerFailure:
                if not self._alive:  # that is news: there is nobody left to ask
                    raise
        if not self._alive:
            raise WorkerFailure(step, "exit", "the process has ended already")
        self._step, self._limit = step, timeout
        self._deadline = time.monotonic() + timeout
        try:
            self._connection.send((method, args))
            self._pending = True
        except (BrokenPipeError, ConnectionError):
            raise self._death() from None

    def result(self, watch: Callable[[int], None] | None = None) -> Any:
        """Waits for the submitted call. `watch` is called with the process id now and then, while it works.

        Raises `WorkerFailure` when the call raised, the process died, or the time limit passed (the process is killed then).
        """
        try:
            while not self._connection.poll(_POLL if watch else min(1.0, _POLL * 4)):
                if watch is not None:
                    watch(self.pid)
                if _has_exited(self.pid) and not self._connection.poll():
                    raise self._death()  # a process that it started holds the pipe open, so its end does not show there
                if time.monotonic() > self._deadline:
                    raise self._hang()
            ok, value = self._connection.recv()
        except (EOFError, ConnectionError):
            raise self._death() from None
        except BaseException:
            self.close()
            raise
        finally:
            self._pending = False
        if ok:
            return value
        detail = value.text if value.ours else f"{value.kind}: {value.text}"
        failed = WorkerFailure(self._step, "exception", detail, value.location, sentence=value.ours, error=value.kind)
        failed.remedy = value.remedy
        raise failed

    def close(self) -> None:
        """Ends the process at once and waits until the system has taken its memory back; may be called again."""
        if self._alive:
            self._alive = False
            self._kill()
            self._status()
        self._free()

    def end(self) -> None:
        """As `close`, but for the wait: `reap` does that, when the next worker starts or the session ends."""
        if self._alive:
            self._alive = False
            self._kill()
            _ended.append(self.pid)
        self._free()

    def _free(self) -> None:
        _open.discard(self)
        self._connection.close()
        self._output.close()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # with what it started
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)  # it may not have its own group yet

    def _status(self) -> int:
        try:
            return os.waitpid(self.pid, 0)[1]
        except ChildProcessError:  # somebody else's waitpid(-1) was first
            return 0

    def _tail(self) -> str:
        self._output.seek(0)
        return self._output.read().decode(errors="replace")

    def _death(self) -> WorkerFailure:
        self._alive = False
        _exited(self.pid)  # its status is settled then; if it closed its pipe and lives on, it is killed
        self._kill()  # and what it started
        status = self._status()
        output = self._tail()
        self.close()
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            return WorkerFailure(self._step, "signal", f"the process died of {signal.Signals(number).name} (signal {number})",
                                 user_location(output), output)  # fmt: skip
        return WorkerFailure(self._step, "exit", f"the process ended by itself with exit status {os.WEXITSTATUS(status)}",
                             user_location(output), output)  # fmt: skip

    def _hang(self) -> WorkerFailure:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR1)  # asks for the Python stack
        time.sleep(0.3)
        output = self._tail()
        self.close()
        return WorkerFailure(
            self._step, "timeout", f"no end after {self._limit:g} s (--paddle-timeout)", user_location(output), output
        )


def reap(wait: bool = True) -> None:
    """Takes leave of processes that were ended, so that none stays as a zombie. wait: also of those that are not gone yet."""
    for pid in list(_ended):
        with contextlib.suppress(ChildProcessError):  # somebody else's waitpid(-1) was first
            if os.waitpid(pid, 0 if wait else os.WNOHANG)[0] == 0:
                continue
        _ended.remove(pid)


def _exited(pid: int) -> bool:
    """True once the process is a zombie; it closed its pipe a moment before it exits, so wait for that moment."""
    for _ in range(200):
        if _has_exited(pid):
            return True
        time.sleep(0.01)
    return False


def _has_exited(pid: int) -> bool:
    """True when the process is a zombie, or somebody else has waited for it."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


# -- in the child ------------------------------------------------------------------------------------------------------


def _become_worker(
    connection: Connection, output: int, make_service: Callable[[], Any], parent: int, other: Connection, cores: Sequence[int]
) -> None:
    """Serves until the pipe closes; never returns into the session's code."""
    status = 1
    try:
        if cores:
            os.sched_setaffinity(0, cores)
        _detach(connection, output, parent, other)
        _serve(connection, make_service)
        status = 0
    except BaseException:
        with contextlib.suppress(BaseException):
            traceback.print_exc()
    finally:
        os._exit(status)


def _detach(connection: Connection, output: int, parent: int, other: Connection) -> None:
    """Cuts the child off from the session: its terminal, its signals, its other workers; it dies with the session."""
    os.setpgid(0, 0)  # what it starts itself ends with it
    other.close()
    for worker in list(_open):
        worker._connection.close()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout = os.fdopen(os.dup(1), "w", buffering=1, errors="replace")
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="replace")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the session's; it ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    faulthandler.disable()  # pytest's; where it counts as enabled, enabling it again installs no handlers
    if "paddle" in sys.modules:
        sys.modules["paddle"].disable_signal_handler()  # its handler hides the Python stack
    faulthandler.enable(file=2)
    signal.signal(signal.SIGUSR1, _print_origin)
    faulthandler.register(signal.SIGUSR1, file=2, all_threads=False, chain=True)
    warnings.resetwarnings()
    warnings.simplefilter("ignore")  # a suite that turns warnings into errors means its own
    gc.freeze()


def _print_origin(number: int, frame: FrameType | None) -> None:
    """Prints the user's line of which `to_static` made the code that runs; comes behind the stack that faulthandler prints."""
    origins = getattr(sys.modules.get("paddle.jit.dy2static.origin_info"), "global_origin_info_map", {})
    while frame is not None:
        origin = origins.get((frame.f_code.co_filename, frame.f_lineno))
        if origin is not None:
            os.write(2, f'to_static made it of File "{origin.location.filepath}", line {origin.location.lineno}\n'.encode())
            return
        frame = frame.f_back


def _serve(connection: Connection, make_service: Callable[[], Any]) -> None:
    service: Any = None
    while True:
        try:
            method, args = connection.recv()
        except (EOFError, ConnectionError):
            return
        try:
            if service is None:
                service = make_service()
            answer = getattr(service, method)(*args)
        except BaseException as error:
            connection.send((False, _describe(error)))
            continue
        try:
            connection.send((True, answer))
        except BaseException as error:  # nothing was sent then
            connection.send((False, _describe(error) if isinstance(error, (OSError, MemoryError)) else _unsent(error)))


def _unsent(error: BaseException) -> _Trouble:
    """Of a value that cannot be pickled: all that a service returns is ours and can, but for what a postprocess of the user's made."""
    said = f"postprocess returned what cannot be sent to another process ({error}): return numbers, texts, arrays, lists or dicts"
    return _Trouble(type(error).__name__, said, "", True)


def _describe(error: BaseException) -> _Trouble:
    causes = [error, *([error.__cause__] if error.__cause__ is not None else [])]
    frames = [frame for cause in causes for frame in traceback.extract_tb(cause.__traceback__)]
    text = str(error)
    location = next((f"{f.filename}:{f.lineno}: {f.line}" for f in reversed(frames) if is_users(f.filename)), "")
    ours, remedy = isinstance(error, PaddleInferError), str(getattr(error, "remedy", ""))
    return _Trouble(type(error).__name__, native_reason(text), user_location(text) or location, ours, remedy if ours else "")


# -- reading what Paddle says ------------------------------------------------------------------------------------------

_PACKAGE = str(Path(__file__).resolve().parents[1])
_LIBRARIES = tuple(str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def is_users(filename: str) -> bool:
    """True for a file that is neither Python's, an installed package's, nor ours."""
    if filename.startswith("<"):
        return False
    path = str(Path(filename).resolve())
    return not path.startswith((*_LIBRARIES, _PACKAGE)) and "/site-packages/" not in path and "/to_static_tmp/" not in path


def user_location(text: str) -> str:
    """Returns "file:line: code" of the user's innermost line in a traceback or a faulthandler dump; "" if there is none."""
    # the line of code below is there in a traceback, and missing in a dump of faulthandler
    found = re.findall(r'File "([^"]+)", line (\d+)(?:,? in \S+)?(?:[ \t]*\n(?![ \t]*File ")[ \t]*(.*))?', text)
    if "most recent call first" in text:  # what lies below our own frame is the session's, not the worker's
        found = list(itertools.takewhile(lambda frame: frame[0] != __file__, found))
    users = [(path, line, code) for path, line, code in found if is_users(path)]
    users += [(path, line, "") for path, line in re.findall(r'to_static made it of File "([^"]+)", line (\d+)', text)]
    if not users:
        return ""
    # faulthandler prints the innermost frame first, a traceback last
    path, line, code = users[0] if "most recent call first" in text else users[-1]
    import linecache

    code = linecache.getline(path, int(line)).strip() or code.strip()
    return f"{path}:{line}: {code}" if code else f"{path}:{line}"


def native_reason(text: str) -> str:
    """Cuts Paddle's C++ traceback off and returns the sentences that say why."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    after = re.split(r"-{5,}\s*\n?Error Message Summary:\s*\n?-{5,}", text)[-1]
    if "In transformed code:" in after:  # dy2static shows the user's code first, then its own error's name and text
        last = after.rfind('File "')
        named = re.search(r"^\s*[A-Za-z_.]*(?:Error|Exception): ?", after[max(last, 0) :], re.MULTILINE)
        after = after if named is None else after[max(last, 0) + named.end() :]
    lines = [line.strip() for line in after.splitlines()]
    kept = [
        line for line in lines if line and not re.match(r"^(File \"|\d+ +\S+|C\+\+ Traceback|-{5,}|\[Hint: (?!Expected))", line)
    ]
    return behind_a_sentence(" ".join(kept), 600)
