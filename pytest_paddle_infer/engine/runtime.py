"""Importing Paddle, and what every user of it here needs: silence, threads, a known state."""

from __future__ import annotations

import os
import warnings
import zlib  # noqa: F401 - before Paddle: 2.6.2 brings its own, and zlib.compress of a later import dies of SIGSEGV
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pytest_paddle_infer.failures import PaddleInferError

INSTALL_HINT = "pip install 'pytest-paddle-infer[cpu]' (or [gpu]; never both: the two wheels own the same package)"


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps Paddle's own warnings from a suite that turns warnings into errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def load_paddle() -> Any:
    """Imports Paddle without its warnings and returns the module.

    Raises `PaddleInferError` when it cannot be imported, or when an earlier test left it in static mode.
    """
    with quiet():
        try:
            import paddle
            import paddle.inference
        except ImportError as error:
            raise PaddleInferError(f"Paddle cannot be imported ({error}); {INSTALL_HINT}.") from error
        if not paddle.in_dynamic_mode():
            raise PaddleInferError(
                "Paddle is in static mode: an earlier test or the model's module called paddle.enable_static() "
                "and left it on; call paddle.disable_static() there."
            )
    return paddle


@contextmanager
def on_cpu() -> Iterator[None]:
    """Runs dygraph on the CPU inside the block, also with a GPU build: it is the reference, and CUDA does not survive a fork."""
    paddle = load_paddle()
    if not paddle.is_compiled_with_cuda():
        yield
        return
    place = paddle.get_device()
    paddle.set_device("cpu")
    try:
        yield
    finally:
        if place != "cpu":
            paddle.set_device(place)


@contextmanager
def settings_kept() -> Iterator[None]:
    """Puts environment variables and Paddle's flags back after the block."""
    flags = load_paddle().base.core.globals()
    before, known = dict(os.environ), {name: flags[name] for name in flags.keys()}  # noqa: SIM118 - it is no mapping
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        for name, value in known.items():
            if flags[name] != value:
                flags[name] = value


def set_threads(count: int) -> None:
    """Math threads of dygraph; another number changes bits (matrix products are split differently)."""
    load_paddle().base.core.set_num_threads(count)
