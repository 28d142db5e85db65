"""Importing Paddle, and what every user of it here needs: silence, threads, a known state."""

from __future__ import annotations

import hashlib
import os
import platform
import warnings
import zlib  # noqa: F401 - before Paddle: 2.6.2 brings its own, and zlib.compress of a later import dies of SIGSEGV
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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


def paddle_major() -> int:
    """2 or 3."""
    return int(load_paddle().__version__.partition(".")[0])


def set_threads(count: int) -> None:
    """Math threads of dygraph; another number changes bits (matrix products are split differently)."""
    load_paddle().base.core.set_num_threads(count)


def processor() -> str:
    """SHA-256 of what the kernels are chosen by: the processor's model and instruction sets, and the libraries' variables."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n", 1)[0].splitlines()
    except OSError:
        lines = [platform.processor()]
    told = [line for line in lines if not line.startswith(("cpu MHz", "bogomips"))]
    told += sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith(KERNEL_VARIABLES))
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


KERNEL_VARIABLES = ("FLAGS_", "ONEDNN_", "DNNL_", "MKL_", "OMP_", "KMP_", "GOMP_", "OPENBLAS_")
