"""Hooks that a model repo implements in its conftest.py or plugin; these docstrings are their documentation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_paddle_infer.models import ModelSpec


@pytest.hookspec
def pytest_paddle_infer_models(config: pytest.Config) -> Iterable[ModelSpec] | None:
    """Returns the models of this repo, by whose names `--paddle-model` and the marker call them.

    Called only when a model is asked for, and again only when a conftest.py that was loaded later implements it too. Import the model
    inside the hook, or give the factory as text (`"package.module:factory"`), so that collecting does not import Paddle. Registering
    adds no items.
    """
