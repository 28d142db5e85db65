"""pytest-paddle-infer: proves, or disproves with the cause, that a deployed Paddle model answers like the trained one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_paddle_infer.engine.inference import InferenceEngine
    from pytest_paddle_infer.engine.training import TrainingEngine
    from pytest_paddle_infer.exports import ExportedModel
    from pytest_paddle_infer.logs.autolog import AutoLog, AutoLogError, parse_autolog
    from pytest_paddle_infer.logs.autolog_check import assert_autolog
    from pytest_paddle_infer.models import ModelSpec, TensorSpec
    from pytest_paddle_infer.samples import Sample
    from pytest_paddle_infer.transforms import Prediction, default_preprocess, top_k
    from pytest_paddle_infer.variants import Variant

__version__ = "0.1.0"

_HOMES = {
    "AutoLog": "logs.autolog",
    "AutoLogError": "logs.autolog",
    "ExportedModel": "exports",
    "InferenceEngine": "engine.inference",
    "ModelSpec": "models",
    "Prediction": "transforms",
    "Sample": "samples",
    "TensorSpec": "models",
    "TrainingEngine": "engine.training",
    "Variant": "variants",
    "assert_autolog": "logs.autolog_check",
    "default_preprocess": "transforms",
    "parse_autolog": "logs.autolog",
    "top_k": "transforms",
}

__all__ = [
    "AutoLog",
    "AutoLogError",
    "ExportedModel",
    "InferenceEngine",
    "ModelSpec",
    "Prediction",
    "Sample",
    "TensorSpec",
    "TrainingEngine",
    "Variant",
    "assert_autolog",
    "default_preprocess",
    "parse_autolog",
    "top_k",
]


def __getattr__(name: str) -> Any:
    """Imports a public name at its first use: the package alone imports neither numpy nor Paddle."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
