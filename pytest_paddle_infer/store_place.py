"""Where the export store is, and how its entries are known: what can be told without opening it, with the standard library alone."""

from __future__ import annotations

import os
from pathlib import Path

RECORD = "record.json"
"""The file that every entry has."""


def default_root() -> Path:
    """Where the store is unless `--paddle-cache-dir` says otherwise."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "pytest-paddle-infer"
