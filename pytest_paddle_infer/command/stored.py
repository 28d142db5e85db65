"""What is in the export store: its place, its size, the exports in it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from pytest_paddle_infer.store_place import RECORD, no_place


@dataclass(frozen=True)
class Stored:
    """place: the directory. bytes: of everything below it. exports, others: entries; others are references and what was found of engines.

    models: the models of the exports, sorted. trouble: why no export could be kept there, as part of a sentence; "" for none.
    """

    place: Path
    exists: bool
    bytes: int = 0
    exports: int = 0
    others: int = 0
    models: tuple[str, ...] = ()
    trouble: str = ""


def look(place: Path) -> Stored:
    """Looks into the store; what goes away meanwhile does not count."""
    place = place.absolute()
    trouble = no_place(place).partition(";")[0]
    if not place.is_dir():
        return Stored(place, False, trouble=trouble)
    size = exports = others = 0
    models = set()
    for directory, _, files in os.walk(place):
        size += sum(_size(Path(directory, name)) for name in files)
        if RECORD in files and Path(directory).parent == place:
            model = _model(Path(directory, RECORD))
            exports += model is not None
            others += model is None
            models.update([model] if model else [])
    return Stored(place, True, size, exports, others, tuple(sorted(models)), trouble)


def _model(record: Path) -> str | None:
    """The model of an export; None for an entry that is none, or not readable."""
    try:
        meta = json.loads(record.read_bytes())["meta"]
        return str(meta["model"]) if isinstance(meta, dict) and "model" in meta else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
