"""Registers the tiny nets as their owner would."""

from pathlib import Path

HERE = Path(__file__).parent


def pytest_paddle_infer_models(config):
    from pytest_paddle_infer import ModelSpec

    return [
        ModelSpec("tiny", factory=f"{HERE}/tiny.py:tiny", weights=HERE / "tiny.pdparams", image_size=32),
        ModelSpec(
            "reads_training", factory=f"{HERE}/tiny.py:reads_training", weights=HERE / "reads_training.pdparams", image_size=32
        ),
        ModelSpec("two_heads", factory=f"{HERE}/tiny.py:two_heads", weights=HERE / "two_heads.pdparams", image_size=32),
    ]
