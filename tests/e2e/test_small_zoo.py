"""Six factories of paddle.vision.models, unchanged, in both variants, without a test file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sessions import Session, assert_green

SMALL = ("squeezenet1_1", "mobilenet_v3_small", "shufflenet_v2_x0_25", "mobilenet_v1", "resnet18", "googlenet")


def test_six_small_nets_of_the_zoo_pass_every_checkpoint_in_both_variants(
    tmp_path: Path, run_session: Callable[..., Session]
) -> None:
    from PIL import Image

    for number in range(2):
        picture = Image.effect_mandelbrot((300, 260), (-2, -1.2, 0.7, 1.2), 20 + 30 * number)
        Image.merge("RGB", (picture, picture.rotate(90), picture.rotate(180))).save(tmp_path / f"{number}.png")
    models = [f"--paddle-model={name}" for name in SMALL]
    few = ("--paddle-images=*.png", "--paddle-repeats=1", "--paddle-warmup=0")
    session = run_session(tmp_path, *models, "--paddle-variant=cpu", "--paddle-variant=onednn", *few, timeout=300)
    assert_green(session, 6 * 5)
    assert [line.split()[0] for line in session.output.splitlines() if line.startswith(SMALL)].count("googlenet") == 2
