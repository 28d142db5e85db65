"""A predictor in another interpreter: started afresh for a GPU, whose CUDA does not survive a fork, or with another Paddle.

The worker that talks to it is the one that the session watches. So when the other process dies, the worker dies of the same signal.
"""

from __future__ import annotations

import faulthandler
import inspect
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn

from pytest_paddle_infer.deployed.config import Effective, Request
from pytest_paddle_infer.deployed.proof import Evidence, Printed
from pytest_paddle_infer.deployed.wire import receive, send
from pytest_paddle_infer.failures import PaddleInferError
from pytest_paddle_infer.variants import Variant

PROGRAM = Path(__file__).resolve().parents[1] / "deployed"


class RemotePredictor:
    """As `deployed.predictor.Predictor`, on the other end of a pipe."""

    def __init__(self, python: str, variant: Variant, place: int = 0) -> None:
        """Starts the process. place: of this one among those that take turns with the GPUs.

        Raises `PaddleInferError` where that Python has no numpy or no Paddle.
        """
        self._variant = variant
        self._python = python
        self._name = python or sys.executable
        theirs, write = os.pipe()
        read, theirs_too = os.pipe()
        environment = dict(os.environ)
        if python:  # packages of this Python are not that one's
            for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
                environment.pop(name, None)
        if variant.parameters.get("tf32") == "off":
            environment["NVIDIA_TF32_OVERRIDE"] = "0"
        self.device = ""
        if variant.on_gpu and (gpus := visible_gpus()):
            number = int(variant.parameters.get("device", place % len(gpus)))
            if number < len(gpus):  # the only one that it sees: paddle.tensorrt.convert knows no other
                self.device = environment["CUDA_VISIBLE_DEVICES"] = gpus[number]
        printed = Printed()
        with printed:
            self._process = subprocess.Popen(
                [self._name, str(PROGRAM), str(theirs), str(theirs_too)],
                pass_fds=(theirs, theirs_too), env=environment, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            os.close(theirs)
            os.close(theirs_too)
            self._to, self._from = os.fdopen(write, "wb"), os.fdopen(read, "rb")
            try:
                send(self._to, {"ask": "versions"})
                message, _ = receive(self._from)
            except (EOFError, BrokenPipeError):
                message = {"error": "", "text": ""}
        if "error" in message:
            said = f"{message['error']}: {message['text']}" if message["error"] else _last_line(printed.text)
            missing = "; install paddlepaddle there" if "No module named" in said else ""  # numpy comes with it
            raise PaddleInferError(f"{self._name} cannot run Paddle Inference ({(said or self._end()).rstrip('.')}){missing}.")
        self.pid = int(message.pop("pid"))
        self.versions: dict[str, str] = message
        self.input_names: tuple[str, ...] = ()
        self.output_names: tuple[str, ...] = ()
        self.load_seconds = 0.0

    def unavailable(self, request: Request, model_file: str) -> str:
        """Why the variant cannot run there; empty when it can."""
        return str(self._ask({"ask": "unavailable", "request": self._travelling(request), "model_file": model_file})[0]["reason"])

    def load(
        self,
        model_file: str,
        params_file: str,
        request: Request,
        graph_inputs: Sequence[tuple[str, Sequence[int | None]]] = (),
        feeds: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Makes the predictor; the arguments are those of `Predictor`."""
        message = {
            "ask": "load", "model_file": model_file, "params_file": params_file, "request": self._travelling(request),
            "path": [] if self._python else [entry for entry in sys.path if entry],
            "graph_inputs": [[name, list(shape)] for name, shape in graph_inputs],
        }  # fmt: skip
        state = self._ask(message, [feed[name] for feed in feeds for name, _ in graph_inputs])[0]
        self.input_names, self.output_names = tuple(state["input_names"]), tuple(state["output_names"])
        self.load_seconds = float(state["load_seconds"])

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        """Runs arrays in the order of `input_names`."""
        return self._ask({"ask": "run"}, arrays)[1]

    def run_heard(self, arrays: Sequence[Any]) -> list[Any]:
        """As `run`, and notes which oneDNN primitives were executed."""
        return self._ask({"ask": "run_heard"}, arrays)[1]

    def run_on_clone(self, arrays: Sequence[Any]) -> list[Any]:
        """Runs on a clone, and notes which operators were executed."""
        return self._ask({"ask": "run_on_clone"}, arrays)[1]

    def _now(self) -> dict[str, Any]:
        return self._ask({"ask": "state"})[0]

    @property
    def effective(self) -> Effective:
        """The configuration as read back."""
        return Effective(**self._now()["effective"])

    @property
    def evidence(self) -> Evidence:
        """What was executed so far."""
        told = dict(self._now()["evidence"])
        told["effective"] = Effective(**told["effective"])
        told["calls"] = tuple((name, tuple(arguments)) for name, arguments in told["calls"])
        for name in ("refused", "passes", "unknown_passes", "dtypes", "places", "configuration", "left_out"):
            told[name] = tuple(told[name])
        return Evidence(**told)

    @property
    def first_seconds(self) -> float | None:
        """What the first run took."""
        seconds: float | None = self._now()["first_seconds"]
        return seconds

    @property
    def first_private_mb(self) -> float:
        """Memory of that process alone after the first run, in MB."""
        return float(self._now()["first_private_mb"])

    def _ask(self, message: dict[str, Any], arrays: Sequence[Any] = ()) -> tuple[dict[str, Any], list[Any]]:
        try:
            send(self._to, message, arrays)
            answer, made = receive(self._from)
        except (EOFError, BrokenPipeError):
            self._die()
        if "error" in answer:
            raise type(str(answer["error"]), (Exception,), {})(answer["text"])
        return answer, made

    def _travelling(self, request: Request) -> dict[str, Any]:
        """The request as JSON. Raises `PaddleInferError` for a function that another process cannot find."""
        told = asdict(replace(request, configure=None))
        if self.device:
            told["parameters"] = {**told["parameters"], "device": "0"}  # it sees no other
        function = request.configure
        if function is not None:
            name = getattr(function, "__qualname__", "<")
            try:
                path = inspect.getsourcefile(function)
            except TypeError:
                path = None
            if path is None or "<" in name:
                raise PaddleInferError(
                    f"the function of the variant {request.label} runs in another process here: define it at the top of a module, "
                    "not inside a function or as a lambda."
                )
            told["configure"] = [str(Path(path).resolve()), name]
        return told

    def _end(self) -> str:
        status = self._process.wait()
        return f"it died of {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"

    def _die(self) -> NoReturn:
        """Ends this process as the other one ended."""
        status = self._process.wait()
        if status >= 0:
            os._exit(status or 1)
        faulthandler.disable()
        signal.signal(-status, signal.SIG_DFL) if -status not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -status)
        os._exit(1)


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def visible_gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES calls the GPUs that this process may use; none where there are none."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip() and name.strip() != "-1"]
    return [str(number) for number, _ in enumerate(sorted(Path("/dev").glob("nvidia[0-9]*")))]
