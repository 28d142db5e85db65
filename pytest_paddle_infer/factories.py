"""Finds what makes a model: `package.module:factory` or `path/to/file.py:factory`. Nothing is imported before it is loaded."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from pytest_paddle_infer.failures import ModelError
from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.near import nearest


def check_reference(reference: str, base: Path) -> None:
    """Raises `ModelError` when `module:factory` or `file.py:factory` cannot exist; imports nothing."""
    where, _, attribute = reference.rpartition(":")
    if not where or not attribute.isidentifier():
        raise ModelError(f"{reference!r}: write package.module:factory or path/to/file.py:factory.")
    if where.endswith(".py"):
        source: Path | None = base / where
        if not (base / where).is_file():
            raise ModelError(f"{reference!r}: there is no file {base / where}.")
    else:
        add_to_path(base)
        if not _exists(where):
            raise ModelError(f"{reference!r}: there is no module {where!r} on sys.path or in {base}.")
        source = source_of(where)
    if source is not None and not _may_define(source, attribute):
        raise ModelError(f"{reference!r}: {source} defines no {attribute!r} at its top level.")


def add_to_path(directory: Path) -> None:
    """`pytest` alone does not put the current directory on sys.path; a model named on the command line may live there."""
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))


def load_factory(spec: ModelSpec, base: Path) -> Callable[..., Any]:
    """Imports and returns the factory of `spec`. Raises `ModelError` when it does not exist or is not callable."""
    if callable(spec.factory):
        return spec.factory
    where, _, attribute = spec.factory.rpartition(":")
    try:
        module = _load_file(base / where) if where.endswith(".py") else _import(where, base)
    except Exception as error:
        broken = ModelError(f"{spec.factory!r}: importing it raised {type(error).__name__}: {error}")
        broken.remedy = f"name it as package.module:factory or path/to/file.py:factory, as it is found from {base}."
        raise broken from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        callables = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        wrong = ModelError(f"{spec.factory!r}: {attribute!r} is not a callable of {where}{nearest(attribute, callables)}.")
        wrong.remedy = f"name a function or class of {where} that returns the layer in factory=."
        raise wrong
    return factory  # type: ignore[no-any-return]


def _import(name: str, base: Path) -> Any:
    add_to_path(base)
    return importlib.import_module(name)


def _load_file(path: Path) -> Any:
    name = "paddle_model_" + re.sub(r"\W", "_", str(path.resolve()))
    if name not in sys.modules:
        add_to_path(path.resolve().parent)  # as for a script: its neighbours are importable
        spec = importlib.util.spec_from_file_location(name, path.resolve())
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def _find(module: str) -> ModuleSpec | None:
    """`importlib.util.find_spec` without its import of the parent packages."""
    parts = module.split(".")
    found = importlib.util.find_spec(parts[0])  # a top-level name imports nothing, and knows editable installs
    for depth in range(2, len(parts) + 1):
        if found is None:
            return None
        found = PathFinder.find_spec(".".join(parts[:depth]), list(found.submodule_search_locations or ()))
    return found


def _exists(module: str) -> bool:
    return module in sys.modules or _find(module) is not None


def source_of(module: str) -> Path | None:
    """Returns the file of a module, which is not imported; None where there is none to be read."""
    found = _find(module)
    path = Path(found.origin) if found is not None and found.origin else None
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def _may_define(source: Path, attribute: str) -> bool:
    """False only when reading the file proves that the name is not there."""
    try:
        body = ast.parse(source.read_text(encoding="utf-8")).body
    except (SyntaxError, UnicodeDecodeError, OSError):
        return True  # importing it will say more
    names: set[str] = set()
    for node in ast.walk(ast.Module(body=body, type_ignores=[])):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name):
            names.add(node.id)
    return attribute in names or "*" in names or "__getattr__" in names
