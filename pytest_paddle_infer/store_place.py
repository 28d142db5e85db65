"""Where the export store and other directories can be, and how entries are known: without opening it, with the standard library alone."""

from __future__ import annotations

import os
from pathlib import Path

RECORD = "record.json"
"""The file that every entry has."""

PROC = Path("/proc")
"""Says that it may be written, and cannot."""


def default_root() -> Path:
    """Where the store is unless `--paddle-cache-dir` says otherwise."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "pytest-paddle-infer"


def no_place(directory: Path) -> str:
    """Why nothing can be written into a directory that is there or is to be made; empty when it can. Makes nothing."""
    there = next(path for path in (directory, *directory.parents) if os.path.lexists(path))
    if not there.is_dir():
        return f"{there} is not a directory; give a directory that can be written."
    full = there.resolve()
    may = os.access(there, os.W_OK | os.X_OK) and PROC not in (full, *full.parents)
    return "" if may else f"{there} cannot be written; give another directory."
