"""Which models a name stands for. No model, neither Paddle nor numpy is imported: collecting must stay free of them."""

from __future__ import annotations

import ast
import fnmatch
import importlib.util
import re
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from pytest_paddle_infer.factories import check_reference, source_of
from pytest_paddle_infer.failures import ModelError
from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.near import near_names


@lru_cache(maxsize=1)
def vision_factories() -> tuple[str, ...]:
    """Factories of `paddle.vision.models`, read from its `__all__` without importing Paddle; empty without Paddle."""
    return tuple(name for name in _vision_names() if name.islower())


def _vision_names() -> tuple[str, ...]:
    source = source_of("paddle.vision.models")
    if source is None:
        return ()
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return tuple(ast.literal_eval(node.value))
    return ()


def _class_alone(name: str) -> str:
    """The class of `paddle.vision.models` that this is but for its case and that no factory makes, such as LeNet; "" for any other name."""
    if any(factory.startswith(name.lower()) for factory in vision_factories()):
        return ""
    return next((found for found in _vision_names() if found.lower() == name.lower()), "")


def paddle_installed() -> bool:
    """True when `import paddle` would find something; it is not imported."""
    return "paddle" in sys.modules or importlib.util.find_spec("paddle") is not None


def resolve(pattern: str, registered: Mapping[str, ModelSpec], base: Path) -> list[ModelSpec]:
    """Returns the models that `pattern` names, in the order of DESIGN: registered, `module:factory`, `file.py:factory`, zoo.

    A pattern with `*`, `?` or `[` is a glob over the known names. Raises `ModelError` with near matches for an unknown name.
    """
    if pattern in registered:
        return [registered[pattern]]
    if not pattern.strip():
        raise ModelError("the name is empty; write that of a model, such as alexnet.")
    known = [*registered, *(name for name in vision_factories() if name not in registered)]
    if re.search(r"[*?[]", pattern):
        found = fnmatch.filter(known, pattern)
        if not found:
            raise ModelError(f"no known model matches {pattern!r}. Known models: {_few(known, len(registered))}; {LISTED}.")
        return [_known(name, registered) for name in found]
    if ":" in pattern:
        check_reference(pattern, base)
        return [ModelSpec(pattern, factory=pattern)]
    if pattern in known:
        return [_known(pattern, registered)]
    if pattern.endswith(".py"):
        raise ModelError(f"{pattern!r} is a file; add the factory that it defines: {pattern}:FACTORY.")
    near, alone = near_names(pattern, known), _class_alone(pattern)
    hint = f" Did you mean {near}?" if near else ""
    if alone:
        hint = f" Paddle has no factory for its class {alone}: use a ModelSpec of factory='paddle.vision.models:{alone}' and input_spec."
    none = "" if registered else " (no conftest.py has one that gives any)"
    raise ModelError(
        f"unknown model {pattern!r}.{hint}{ARE} the pytest_paddle_infer_models hook{none}, "
        f"package.module:factory, path/to/file.py:factory, or one of: {_few(known, len(registered))}; {LISTED}."
    )


ARE = " A model is a name from"
"""Begins what every unknown name is told: a session says it once."""
LISTED = "`python -m pytest_paddle_infer models` lists all of Paddle's"
FEW = 6
"""Names that a message lists; the zoo has 38."""
MOST_OWN = 50
"""Of a repo's own."""


def _few(names: Sequence[str], own: int = 0) -> str:
    """own: how many of the first are the repo's, which no other command lists."""
    shown = max(FEW, min(own, MOST_OWN))
    return ", ".join([*names[:shown], *(["..."] if len(names) > shown else [])])


def _known(name: str, registered: Mapping[str, ModelSpec]) -> ModelSpec:
    return registered.get(name) or ModelSpec(name, factory=f"paddle.vision.models:{name}")
