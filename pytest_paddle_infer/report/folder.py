"""The directory of a report: whose it is, and how a new report gets there whole. `report/recorder.py` calls it.

A report is three files, and a directory files-RUN with copies of what the tests left and a marker. Its report.json goes first and comes
last, so that a directory with a report.json holds one run's report: a run that is killed in between leaves none, never a mixture.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from pytest_paddle_infer.failures import OptionError
from pytest_paddle_infer.report.content import GENERATOR
from pytest_paddle_infer.store_place import no_place

INDEX = "report.json"
NAMES = (INDEX, "report.html", "summary.md")

_PART = re.compile(r"\.(?:report\.json|report\.html|summary\.md|files-[0-9a-f]{16})\.\d+\.[0-9a-f]{8}\.part")

_FILES = re.compile(r"files-[0-9a-f]{16}")

MARKER = f".{GENERATOR}"
"""In the directory of copies: by it the next run knows that it may remove the directory. People may have others of such a name."""

_RUN = re.compile(rb'"run": "([0-9a-f]{16})"')


def check(directory: Path) -> None:
    """Raises `OptionError` in one sentence where no report can go: a file is in the way, or a report's file that is not ours.

    Other files in the directory are left alone, and are no obstacle.
    """
    if problem := no_place(directory):
        raise OptionError(problem)
    for name in NAMES:
        path = directory / name
        if os.path.lexists(path) and not _is_ours(path):
            raise OptionError(f"{path} is not a file of an earlier report; give another directory, or move it away.")


def _is_ours(path: Path) -> bool:
    return GENERATOR.encode() in _first_bytes(path)


def _first_bytes(path: Path) -> bytes:
    """Empty for what is no file, or cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(512) if path.is_file() else b""
    except OSError:
        return b""


def write(directory: Path, texts: Mapping[str, str], run: str = "", copies: Mapping[str, bytes] | None = None) -> None:
    """Puts the files there in the place of those of an earlier report. Raises `OSError`, or `OptionError` as `check` does.

    texts: by name, out of `NAMES`; a name that is not given is removed, if it is an earlier report's. copies: by name below files-RUN, of
    the run with these 16 hexadecimal digits; that of the report which is replaced is removed, and those of runs that were killed.
    """
    ours = f"files-{run}"
    directory.mkdir(parents=True, exist_ok=True)
    parts: dict[str, Path] = {}
    with _alone(directory):
        check(directory)
        before = _RUN.search(_first_bytes(directory / INDEX))
        try:
            for name, text in texts.items():
                parts[name] = _part(directory, name)
                _write(parts[name], text.encode("utf-8", "backslashreplace"))
            if copies:
                parts[ours] = _part(directory, ours)
                for name, content in {MARKER: GENERATOR.encode(), **copies}.items():
                    path = parts[ours] / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    _write(path, content)
            for name in NAMES:
                if name == INDEX or name not in texts:
                    (directory / name).unlink(missing_ok=True)
            for name in (*(name for name in parts if name != INDEX), INDEX):
                parts[name].replace(directory / name)
            old = "" if before is None else f"files-{before[1].decode()}"
            _remove(
                path
                for path in directory.iterdir()
                if _FILES.fullmatch(path.name) and path.name not in parts and (path.name == old or _is_ours(path / MARKER))
                if path.is_dir() and not path.is_symlink()
            )
        finally:  # parts are ours, or of a run that was killed: nobody else is here
            _remove(path for path in directory.iterdir() if _PART.fullmatch(path.name))


def _part(directory: Path, name: str) -> Path:
    return directory / f".{name}.{os.getpid()}.{os.urandom(4).hex()}.part"


def _remove(paths: Iterable[Path]) -> None:
    for path in list(paths):
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())  # a quota or a network disk may only now say that it is full


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Keeps two runs that end together from mixing; a lock on the directory itself leaves no file in it."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network disks have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
