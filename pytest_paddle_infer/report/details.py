"""Reads what the checkpoints of a test left for the report: their details and their files. `report/recorder.py` calls it, before the end.

Both lie below directories that may be gone: of a process of xdist on another machine, or emptied at the end of the session. What is
missing or damaged costs a note.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pytest_paddle_infer.details.files import DETAILS, PARTS, Details, DetailsError, Pictures, read
from pytest_paddle_infer.report import figures
from pytest_paddle_infer.report.figures import PREFIX
from pytest_paddle_infer.report.shape import fits

LARGEST = 20 * 2**20
"""Bytes of a file that is copied into the report."""

MOST = 100 * 2**20
"""Bytes of all copies together: they are in memory until the report is written, and reports are uploaded."""

REPROD_FILES = ("output_training_engine.npy", "output_inference_engine.npy", "train_infer_diff.log")


@dataclass(frozen=True)
class Left:
    """What a test left. details: `null` of the report where it is None. notes: what could not be read."""

    details: Mapping[str, Any] | None = None
    pictures: Mapping[int, Pictures] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_details(properties: Sequence[tuple[str, str]]) -> Left:
    """Returns the details that a test's properties name, joined: its parity and its log left them apart.

    None for a test that ran several models or variants by hand: which of them a part is of would not be seen.
    """
    if any(len({value for name, value in properties if name == PREFIX + key}) > 1 for key in ("model", "variant")):
        return Left()
    notes: list[str] = []
    found: list[Details] = []
    for name, value in properties:
        if name == figures.DETAILS:
            try:
                if not Path(value).is_absolute():
                    raise DetailsError(value.partition(": ")[2])
                found.append(_read(Path(value)))
            except DetailsError as error:
                notes.append(f"details of this test were not kept for the report: {error}")
    if not found:
        return Left(notes=tuple(notes))
    parts = {name: next((each.parts[name] for each in found if name in each.parts), None) for name in PARTS}
    return Left(parts, next((each.pictures for each in found if "parity" in each.parts), {}), tuple(notes))


def _read(folder: Path) -> Details:
    """Returns what is there and of the shape that report.json has. Raises `DetailsError`."""
    left = read(folder)
    for name, part in left.parts.items():
        if not fits(name, part):
            raise DetailsError(f"{folder / DETAILS} cannot be read ({name} is of another shape)")
    return left


class Copies:
    """Reads files of tests, to be written as files-RUN/MODEL/VARIANT/... with the report."""

    def __init__(self, run: str) -> None:
        self.contents: dict[str, bytes] = {}
        """Name below files-RUN -> bytes."""
        self._root = f"files-{run}"
        self._places: dict[Path, str] = {}
        self._refused: dict[Path, str] = {}
        self._size = 0

    def outputs(self, directory: str | None) -> tuple[str | None, tuple[str, ...]]:
        """Takes the reprod_log files of a directory. Returns its place from the report, None where nothing could be taken, and notes."""
        if directory is None:
            return None, ()
        notes = [note for name in REPROD_FILES if (note := self._take(Path(directory) / name))]
        place = self._places.get(Path(directory))
        return (None if place is None else f"{self._root}/{place}"), tuple(notes)

    def log(self, path: str | None) -> tuple[str | None, tuple[str, ...]]:
        """Takes one file; as `outputs` does."""
        if path is None:
            return None, ()
        note = self._take(Path(path))
        place = self._places.get(Path(path).parent)
        return (None if note or place is None else f"{self._root}/{place}/{Path(path).name}"), ((note,) if note else ())

    def _take(self, path: Path) -> str:
        """Returns why a file was not taken; "" where it was. Two tests of one model and variant left the same file."""
        known = self._places.get(path.parent)
        if known is not None and f"{known}/{path.name}" in self.contents:
            return ""
        if path not in self._refused:
            try:
                size = path.stat().st_size if path.is_file() else -1
                if size < 0:
                    self._refused[path] = f"{path} was not copied: it is not there"
                elif size > LARGEST or self._size + size > MOST:
                    limit = f"{LARGEST // 2**20} MB" if size > LARGEST else f"what is left of {MOST // 2**20} MB for all files"
                    self._refused[path] = f"{path} was not copied: it has {size / 2**20:.0f} MB, more than {limit}"
                else:
                    content = path.read_bytes()
                    self._size += len(content)
                    self.contents[f"{self._place_of(path.parent)}/{path.name}"] = content
                    return ""
            except OSError as error:
                self._refused[path] = f"{path} was not copied: {error.strerror or error}"
        return self._refused[path]

    def _place_of(self, directory: Path) -> str:
        """MODEL/VARIANT, as the output directory has it; numbered where another directory has the same."""
        if directory not in self._places:
            taken = set(self._places.values())
            plain = PurePosixPath(directory.parent.name or "model", directory.name or "variant").as_posix()
            numbered = (plain if number == 1 else f"{plain}-{number}" for number in range(1, len(taken) + 2))
            self._places[directory] = next(name for name in numbered if name not in taken)
        return self._places[directory]
