"""The loop of a process that holds a predictor for another one: it answers messages until the pipe closes."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib.util
import os
import signal
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, Callable

from .builds import unavailable
from .config import Request
from .predictor import Predictor, versions
from .wire import receive, send

Answer = tuple[dict[str, Any], list[Any]]


def serve(read: int, write: int) -> None:
    """Answers `versions`, `unavailable`, `load`, `run`, `run_heard`, `run_on_clone` and `state`; an exception is an answer too."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: ends with the process that asked for it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    warnings.simplefilter("ignore")
    source, sink = os.fdopen(read, "rb"), os.fdopen(write, "wb")
    server = _Server()
    while True:
        try:
            message, arrays = receive(source)
        except EOFError:
            return
        _answer(server, sink, message, arrays)


def _answer(server: _Server, sink: BinaryIO, message: dict[str, Any], arrays: list[Any]) -> None:
    try:
        answer, made = getattr(server, message["ask"])(message, arrays)
        send(sink, answer, made)
    except Exception as error:  # what `send` refuses it refuses before it writes
        send(sink, {"error": type(error).__name__, "text": str(error)})


class _Server:
    """The predictor and what is asked of it."""

    def __init__(self) -> None:
        self._predictor: Predictor | None = None

    @property
    def predictor(self) -> Predictor:
        assert self._predictor is not None, "load comes first"
        return self._predictor

    def versions(self, message: dict[str, Any], arrays: list[Any]) -> Answer:
        return {**versions(), "pid": os.getpid()}, []

    def unavailable(self, message: dict[str, Any], arrays: list[Any]) -> Answer:
        return {"reason": unavailable(_request(message), message["model_file"])}, []

    def load(self, message: dict[str, Any], arrays: list[Any]) -> Answer:
        names = [name for name, _ in message["graph_inputs"]]
        feeds = [dict(zip(names, arrays[first : first + len(names)])) for first in range(0, len(arrays), max(1, len(names)))]
        graph_inputs = [(name, tuple(shape)) for name, shape in message["graph_inputs"]]
        files = message["model_file"], message["params_file"]
        self._predictor = Predictor(*files, _request(message), True, graph_inputs, feeds)
        return self.state(message, arrays)

    def run(self, message: dict[str, Any], arrays: list[Any]) -> Answer:
        return {}, self.predictor.run(arrays)

    def run_heard(self, message: dict[str, Any], arrays: list[Any]) -> Answer:
        return {}, self.predictor.run_heard(arrays)

    def run_on_clone(self, message: dict[str, Any], arrays: list[Any]) -> Answer:
        return {}, self.predictor.run_on_clone(arrays)

    def state(self, message: dict[str, Any], arrays: list[Any]) -> Answer:
        """What the predictor says of itself."""
        predictor = self.predictor
        return {
            "input_names": predictor.input_names,
            "output_names": predictor.output_names,
            "effective": asdict(predictor.effective),
            "evidence": asdict(predictor.evidence),
            "load_seconds": predictor.load_seconds,
            "first_seconds": predictor.first_seconds,
            "first_private_mb": predictor.first_private_mb,
            "device": predictor.device,
        }, []


def _request(message: dict[str, Any]) -> Request:
    asked = dict(message["request"])
    source = asked.pop("configure")
    sys.path.extend(entry for entry in message.get("path", ()) if entry not in sys.path)
    return Request(configure=_function(*source) if source else None, **asked)


def _function(path: str, name: str) -> Callable[[Any], Any]:
    """The user's function, by the file that it stands in: a closure does not travel to another process."""
    spec = importlib.util.spec_from_file_location("paddle_infer_user_variant", path)
    assert spec is not None
    assert spec.loader is not None
    sys.path.insert(0, str(Path(path).parent))  # where a conftest.py finds its neighbours
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]
