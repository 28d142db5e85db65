"""The reports that the browser opens. Each is made in an empty directory, and its report.html returned."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from report_details import green, noisy, red

from pytest_paddle_infer.details.files import Pictures
from pytest_paddle_infer.report.charts import draw
from pytest_paddle_infer.report.page import to_html

CONFTEST = """
import paddle
from pytest_paddle_infer import ModelSpec

class Net(paddle.nn.Layer):
    def __init__(self):
        super().__init__()
        self.body = paddle.nn.Sequential(
            paddle.nn.Conv2D(3, 16, 3, stride=2), paddle.nn.ReLU(), paddle.nn.Conv2D(16, 32, 3, stride=2), paddle.nn.ReLU(),
            paddle.nn.AdaptiveAvgPool2D(2), paddle.nn.Flatten(), paddle.nn.Linear(128, 100))
    def forward(self, x):
        return self.body(x)

def fed(picture, swapped):
    import numpy as np
    pixels = np.asarray(picture, dtype="float32")[:, :, ::-1 if swapped else 1]
    return np.ascontiguousarray(((pixels / 255 - 0.5) / 0.25).transpose(2, 0, 1)[None])

def pytest_paddle_infer_models(config):
    return [ModelSpec("small", factory=Net, image_size=32, seed=1),
            ModelSpec("swapped", factory=Net, image_size=32, seed=1, preprocess=lambda p: fed(p, True),
                      training_preprocess=lambda p: fed(p, False))]
"""


def _run(directory: Path, count: int, *arguments: str, expected: int) -> Path:
    pictures = directory / "pictures"
    pictures.mkdir()
    (directory / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    random = np.random.default_rng(0)
    for number in range(count):
        pixels = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((32, 32), Image.BICUBIC).save(pictures / f"drawn-{number:04d}.png")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={directory}", "--paddle-images=pictures"]
    command += ["--paddle-report=report", "--paddle-output-dir=report/files", "--paddle-artifacts=report/kept", *arguments]
    environment = {**os.environ, "XDG_CACHE_HOME": str(directory / "cache")}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == expected, done.stdout + done.stderr
    return directory / "report" / "report.html"


def _green(directory: Path) -> Path:
    return _run(directory, 8, "--paddle-model=small", "--paddle-variant=cpu", "--paddle-variant=onednn", expected=0)


def _red(directory: Path) -> Path:
    arguments = ("--paddle-model=small", "--paddle-model=swapped", "--paddle-variant=cpu", "--paddle-variant=onednn")
    return _run(directory, 8, *arguments, expected=1)


def _many(directory: Path) -> Path:
    variants = [f"--paddle-variant={name}" for name in ("cpu", "cpu-noopt", "onednn")]
    return _run(directory, 2000, "--paddle-model=small", *variants, "--paddle-repeats=1", expected=0)


def _drawn_red(directory: Path) -> Path:
    return _written(directory, to_html(*red(70), draw))


def _drawn_many(directory: Path) -> Path:
    content, _ = green(2000)
    pictures = {index: Pictures(noisy(index), None) for index in range(2000)}
    return _written(directory, to_html(content, {test["id"]: pictures for test in content["tests"]}, draw))


def _written(directory: Path, text: str) -> Path:
    path = directory / "report.html"
    path.write_text(text, encoding="utf-8")
    return path


REPORTS: dict[str, Callable[[Path], Path]] = {
    "green": _green,
    "red": _red,
    "many": _many,
    "drawn-red": _drawn_red,
    "drawn-many": _drawn_many,
}
"""Real runs: all that holds, a preprocessing that swaps the channels, 2,000 samples. Drawn ones: with layers, and as large as it gets."""
