"""The three checkpoints as plain test functions. `--paddle-model` collects them; a test file may import them.

from pytest_paddle_infer.checks import test_artifacts, test_log, test_parity
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_paddle_infer.checkpoints import Checkpoints
    from pytest_paddle_infer.models import ModelSpec


def test_artifacts(paddle_checkpoints: Checkpoints, paddle_model: ModelSpec) -> None:
    """The export holds the right files, whole, with the model's own parameters, and takes any batch size."""
    paddle_checkpoints.artifacts(paddle_model)


def test_parity(paddle_checkpoints: Checkpoints, paddle_model: ModelSpec, paddle_variant: str) -> None:
    """Preprocessing, raw outputs and answers of the inference engine agree with the training engine's on every sample."""
    paddle_checkpoints.parity(paddle_model, paddle_variant)


def test_log(paddle_checkpoints: Checkpoints, paddle_model: ModelSpec, paddle_variant: str) -> None:
    """A benchmark run leaves an AutoLog log with every field present, plausible and true."""
    paddle_checkpoints.log(paddle_model, paddle_variant)


ALL = {"artifacts": test_artifacts, "parity": test_parity, "log": test_log}
