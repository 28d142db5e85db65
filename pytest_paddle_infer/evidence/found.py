"""Which folders a path stands for. Standard library only: it is asked while tests are collected."""

from __future__ import annotations

from pathlib import Path

from pytest_paddle_infer.failures import OptionError

VERDICT = "verdict.json"


def kept_folders(path: Path) -> tuple[Path, ...]:
    """The folder itself, or those below it, sorted. Raises `OptionError` where there is none."""
    if (path / VERDICT).is_file():
        return (path,)
    if not path.is_dir():
        raise OptionError(f"there is no directory {path}.")
    found = tuple(sorted(child for child in path.iterdir() if not child.name.startswith(".") and (child / VERDICT).is_file()))
    if not found:
        present = ", ".join(sorted(child.name for child in path.iterdir())[:6]) or "nothing"
        raise OptionError(f"{path} holds no {VERDICT}, nor does a directory in it; it holds {present}.")
    return found
