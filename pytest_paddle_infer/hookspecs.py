"""Hooks that a model repo implements in its conftest.py or plugin; these docstrings are their documentation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Callable

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_paddle_infer.models import ModelSpec
    from pytest_paddle_infer.variants import Variant


@pytest.hookspec
def pytest_paddle_infer_models(config: pytest.Config) -> Iterable[ModelSpec] | None:
    """Returns the models of this repo, by whose names `--paddle-model` and the marker call them.

    Called only when a model is asked for, and again only when a conftest.py that was loaded later implements it too. Import the model
    inside the hook, or give the factory as text (`"package.module:factory"`), so that collecting does not import Paddle. Registering
    adds no items.
    """


@pytest.hookspec
def pytest_paddle_infer_variants(config: pytest.Config) -> Iterable[Variant] | Mapping[str, Callable[[Any], Any]] | None:
    """Returns the engine variants of this repo: a list of `Variant`, or a dict of names and functions.

    A function receives the `paddle.inference.Config`, after the settings of the built-in variant that it starts from (`base=`, by default
    `cpu`); its return value is not used. It runs in the process of the inference engine, so environment variables and flags that it sets
    reach no other variant. Called only when a model is tested.
    """
