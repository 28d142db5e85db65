"""What the tests on the GPU wheel share. They need paddlepaddle-gpu 2.6.2, which is 3 GB, so plain `make test` does not collect them
(`testpaths` in pyproject.toml); `make test-gpu-wheel` makes the environment and runs them. Most need the wheel only, not a GPU.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
Ask = Callable[..., Any]

PREAMBLE = """
import warnings; warnings.simplefilter("ignore")
import json, os, sys
import paddle, paddle.inference
from pytest_paddle_infer.deployed import tensorrt
from pytest_paddle_infer.deployed.tensorrt import *
from pytest_paddle_infer.deployed.tensorrt_shapes import *
from paddle.inference import Config, PrecisionType, create_predictor
import numpy as np

def config():
    made = Config("exports/open/inference.pdmodel", "exports/open/inference.pdiparams")
    made.disable_glog_info()
    return made

def error(function, *args):
    try:
        function(*args)
    except BaseException as caught:
        return f"{type(caught).__name__}: {caught}"
    return ""

def tell(*values):
    print("TOLD " + json.dumps(values if len(values) > 1 else values[0]))
"""


def gpu_wheel() -> str:
    """The version of paddlepaddle-gpu, or ""."""
    try:
        return version("paddlepaddle-gpu")
    except PackageNotFoundError:
        return ""


@pytest.fixture(scope="session")
def device_count(workplace: Path) -> int:
    """GPUs that Paddle sees."""
    return int(ask_process(workplace, "tell(paddle.device.cuda.device_count())"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips everything where the wheel is missing."""
    if not gpu_wheel():
        for item in items:
            item.add_marker(pytest.mark.skip(reason="paddlepaddle-gpu is not installed; run make test-gpu-wheel"))


@pytest.fixture(autouse=True)
def _device(request: pytest.FixtureRequest) -> None:
    """Skips what needs a device where there is none. Asked in another process, because CUDA must not start in this one."""
    if request.node.get_closest_marker("needs_gpu"):
        count = request.getfixturevalue("device_count")
        if not count:
            pytest.skip("needs a CUDA device, and Paddle sees none")


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with exports/open (every dimension open that can be) and exports/fixed (only the batch open)."""
    place = tmp_path_factory.mktemp("gpu-wheel")
    shutil.copy(Path(__file__).parent / "make_exports.py", place)
    subprocess.run([sys.executable, "make_exports.py"], cwd=place, check=True, capture_output=True, timeout=300)
    return place


@pytest.fixture
def ask(workplace: Path) -> Ask:
    """`ask(code, **environment)` runs code in a process of its own, as Paddle may abort or keep state, and returns what it told."""

    def run(code: str, **environment: str) -> Any:
        return ask_process(workplace, textwrap.dedent(code), **environment)

    return run


def ask_process(place: Path, code: str, **environment: str) -> Any:
    """What `code` told with `tell`. Fails the test with the output of a process that told nothing."""
    import json

    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + code], cwd=place, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip
    told = [line[5:] for line in done.stdout.splitlines() if line.startswith("TOLD ")]
    assert told, f"exit status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return json.loads(told[-1])
