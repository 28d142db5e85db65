"""Factories of paddle.vision.models, unchanged, in both variants, without a test file; `benchmarks/zoo.py` runs all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sessions import Session, assert_green

SMALL = {
    "3": ("squeezenet1_1", "shufflenet_v2_x0_25", "resnet18", "googlenet"),
    "2": ("squeezenet1_1", "mobilenet_v3_small", "mobilenet_v1", "googlenet"),
}
"""By Paddle's major version: six in all, so that the suites of both stay short."""


def test_small_nets_of_the_zoo_pass_every_checkpoint_in_both_variants(
    tmp_path: Path, run_session: Callable[..., Session], paddle_version: str
) -> None:
    from PIL import Image

    for number in range(2):
        picture = Image.effect_mandelbrot((300, 260), (-2, -1.2, 0.7, 1.2), 20 + 30 * number)
        Image.merge("RGB", (picture, picture.rotate(90), picture.rotate(180))).save(tmp_path / f"{number}.png")
    nets = SMALL[paddle_version[0]]
    models = [f"--paddle-model={name}" for name in nets]
    few = ("--paddle-images=*.png", "--paddle-repeats=1", "--paddle-warmup=0")
    session = run_session(tmp_path, *models, "--paddle-variant=cpu", "--paddle-variant=onednn", *few, timeout=300)
    assert_green(session, 5 * len(nets))
    assert [line.split()[0] for line in session.output.splitlines() if line.startswith(nets)].count("googlenet") == 2
