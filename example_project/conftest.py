"""Tells pytest-paddle-infer which model this repo deploys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_paddle_infer import ModelSpec

if TYPE_CHECKING:
    import pytest

HERE = Path(__file__).resolve().parent


def pytest_paddle_infer_models(config: pytest.Config) -> list[ModelSpec]:
    from digits.deploy import deploy_preprocess
    from digits.preprocess import preprocess

    return [
        ModelSpec(
            "digits",
            factory="digits.model:digit_net",  # as text, so that collecting the tests does not import Paddle
            weights=HERE / "digits.pdparams",
            input_spec=[[None, 1, 32, 32]],
            preprocess=deploy_preprocess,
            training_preprocess=preprocess,
            images=HERE / "images",
            softmax="yes",
        )
    ]
