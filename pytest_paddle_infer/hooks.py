"""What a repo's hooks return, read and checked. What is wrong with a hook is wrong with the whole run, not with one test."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from pytest_paddle_infer.failures import HookError, ModelError, OptionError
from pytest_paddle_infer.models import FACTORY_WEIGHTS, FIELDS, ModelSpec
from pytest_paddle_infer.variants import Variant, read_own

T = TypeVar("T")


def models_of(config: pytest.Config) -> dict[str, ModelSpec]:
    """Returns the models of `pytest_paddle_infer_models` by name. Raises `HookError`."""
    name = "pytest_paddle_infer_models"

    def read() -> dict[str, ModelSpec]:
        found: dict[str, ModelSpec] = {}
        for specs in reversed(config.hook.pytest_paddle_infer_models(config=config)):
            if isinstance(specs, ModelSpec) or not isinstance(specs, (Iterable, type(None))):
                raise HookError(f"{name} returned {_shown(specs)}; return a list of ModelSpec.")
            for spec in specs or ():
                if not isinstance(spec, ModelSpec):
                    raise HookError(f"{name} returned {_shown(spec)}; return a list of ModelSpec.")
                if spec.name in found:
                    raise HookError(f"{name} returned two models named {spec.name!r}.")
                if spec.weights not in (None, FACTORY_WEIGHTS):  # like images: wherever pytest is called
                    spec = replace(spec, weights=config.rootpath / str(spec.weights))
                found[spec.name] = spec
        return found

    return _read(name, read, ModelSpec, f"; the fields of ModelSpec are {', '.join(sorted(FIELDS))}.")


def variants_of(config: pytest.Config) -> dict[str, Variant]:
    """Returns the variants of `pytest_paddle_infer_variants` by name. Raises `HookError`."""
    name = "pytest_paddle_infer_variants"
    return _read(name, lambda: read_own(reversed(config.hook.pytest_paddle_infer_variants(config=config)), name), Variant, ".")


def _read(name: str, read: Callable[[], dict[str, T]], made: type[T], known: str) -> dict[str, T]:
    """Returns what `read` finds; all that the hook's own code raises becomes a sentence. known: follows a wrong argument of `made`."""
    try:
        return read()
    except (HookError, pytest.UsageError):
        raise
    except (ModelError, OptionError) as error:
        said = f"{str(error).rstrip('.')}."
        raise HookError(said if said.startswith(name) else f"{name}: {said}") from None
    except Exception as error:
        if isinstance(error, TypeError) and _of_constructor(error, made):
            raise HookError(f"{name}: {error}{known}") from None
        raise HookError(f"{name} raised {_described(error)}") from error


def _shown(value: object) -> str:
    """The value without what says nothing: of a `ModelSpec` its name stands for all fields."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_shown, value))}]"
    return f"ModelSpec {value.name!r}" if isinstance(value, ModelSpec) else repr(value)


def _of_constructor(error: TypeError, made: type) -> bool:
    """True when the error says that `made` was given other arguments than it takes; Python 3.9 leaves the class's name out."""
    said = str(error)
    return said.startswith(("__init__()", f"{made.__name__}.__init__()"))


def _described(error: Exception) -> str:
    """The error, with the line of the repo's code that it came through."""
    from pytest_paddle_infer.engine.worker import is_users

    frames: list[Any] = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]
    said = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(" :.")
    return f"{said} ({frames[-1].filename}:{frames[-1].lineno}: {frames[-1].line})." if frames else f"{said}."
