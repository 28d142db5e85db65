"""What a model under test is, as a key: everything that decides what its export holds, and which operations it runs."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pytest_paddle_infer.engine.model import LoadedModel, named_tensors
from pytest_paddle_infer.engine.runtime import load_paddle
from pytest_paddle_infer.engine.source import code_of

FORMAT = 4
"""Raise when what an entry of the store holds, or how its key is made, changes."""


def export_key(model: LoadedModel, factory: Any) -> str:
    """SHA-256 over everything that decides what an export holds.

    Our format, Paddle's version, the input specs, whether softmax is appended, the factory's arguments, the source of the factory,
    of every layer class and of the modules of the same package that they reach, the class and the simple attributes of every
    sublayer (`self.scale = 2`), and names, shapes, dtypes and bytes of all parameters and buffers.
    """
    paddle = load_paddle()
    digest = hashlib.sha256()
    header = {
        "format": FORMAT,
        "paddle": paddle.__version__,
        "commit": str(getattr(paddle.version, "commit", "")),
        **_program(model, factory),
    }
    digest.update(json.dumps(header, sort_keys=True).encode())
    for name, _, array in model.parameters():
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def program_key(model: LoadedModel, factory: Any) -> str:
    """SHA-256 over what decides which operations the layer runs: as `export_key`, without Paddle's version and the parameters' values."""
    shapes = [(name, str(tensor.dtype), list(tensor.shape)) for name, tensor in named_tensors(model.layer)]
    return hashlib.sha256(json.dumps([_program(model, factory), shapes], sort_keys=True).encode()).hexdigest()


def _program(model: LoadedModel, factory: Any) -> dict[str, Any]:
    layers = list(model.layer.named_sublayers(include_self=True))
    return {
        "inputs": [[list(spec.shape), spec.dtype, spec.name] for spec in model.inputs],
        "softmax": model.softmax,
        "kwargs": sorted((key, repr(value)) for key, value in model.spec.kwargs.items()),
        "sources": sources([factory, *{type(layer) for _, layer in layers}]),
        "classes": {name: f"{type(layer).__module__}.{type(layer).__qualname__}" for name, layer in layers},
        "attributes": {name: _simple_attributes(layer) for name, layer in layers},
    }


def _simple_attributes(layer: Any) -> dict[str, str]:
    """Python values that a traced graph bakes in; names that count instances (`conv2d_7`) are left out."""
    return {
        key: baked
        for key, value in sorted(vars(layer).items())
        if key not in ("_full_name", "_name_scope", "training", "_helper")
        and not ("name" in key and isinstance(value, str) and re.search(r"_\d+(\.\w+)?$", value))
        and (baked := _baked(value))
    }


def _baked(value: Any, depth: int = 4) -> str:
    """What a trace takes over from a Python value, as text; empty for what it cannot be told for (layers, tensors, objects of C)."""
    if isinstance(value, (bool, int, float, str, type(None))):
        return repr(value)
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape} {hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}"
    if isinstance(value, type) or inspect.isroutine(value):
        return f"{value.__module__}.{getattr(value, '__qualname__', '')}"
    if isinstance(value, Mapping) and depth and all(isinstance(key, (str, int)) for key in value):
        parts = [f"{key!r}: {baked}" for key, child in value.items() if (baked := _baked(child, depth - 1))]
        return "{" + ", ".join(parts) + "}" if parts else ""
    if isinstance(value, (list, tuple)) and depth:
        parts = [_baked(child, depth - 1) for child in value]
        return f"[{', '.join(parts)}]" if all(parts) else ""
    if depth and hasattr(value, "__dict__") and not isinstance(value, (load_paddle().nn.Layer, ModuleType)):  # a config object
        kind = type(value)
        return "" if kind.__module__.startswith("paddle") else f"{kind.__qualname__} {_baked(vars(value), depth - 1)}"
    return ""


def sources(objects: Sequence[Any]) -> dict[str, str]:
    """SHA-256 of the code of each module that defines one of `objects`, and of what those modules reach in the same package.

    Python's own library and installed packages other than the model's are left out (Paddle's version is in the key by itself).
    """
    pending = {module for item in objects if (module := inspect.getmodule(item)) is not None}
    roots = {module.__name__.partition(".")[0] for module in pending}
    found: dict[str, str] = {}
    while pending:
        module = pending.pop()
        path = getattr(module, "__file__", None)
        if path is None or module.__name__ in found or not _is_models_own(module, path, roots):
            continue
        found[module.__name__] = hashlib.sha256(code_of(Path(path).read_bytes())).hexdigest() if Path(path).is_file() else ""
        pending |= set(_reached(module))
    return found


def _reached(module: ModuleType) -> Iterator[ModuleType]:
    for value in list(vars(module).values()):
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        reached: ModuleType | None = sys.modules.get(name) if isinstance(name, str) else None
        if reached is not None:
            yield reached


_LIBRARY = tuple(str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "purelib", "platlib"))


def _is_models_own(module: ModuleType, path: str, roots: set[str]) -> bool:
    root = module.__name__.partition(".")[0]
    if root in ("paddle", "pytest_paddle_infer"):
        return False
    return root in roots or not str(Path(path).resolve()).startswith(_LIBRARY)
