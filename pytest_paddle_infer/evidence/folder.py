"""Writes the folder of one failed parity: whole or not at all, and never into another's."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from pytest_paddle_infer import __version__
from pytest_paddle_infer.evidence.arrays import EvidenceError, write_arrays
from pytest_paddle_infer.evidence.record import FailedParity, as_text, configuration_json, verdict_json
from pytest_paddle_infer.exports import STEM, ExportedModel
from pytest_paddle_infer.files import file_digest
from pytest_paddle_infer.perf import as_filename
from pytest_paddle_infer.store import FOREIGN_SECONDS, HOST

MOST = 1000
"""Folders of one model and variant; whoever has as many does not look into the next."""

_PART = re.compile(r"\..+\.(?P<host>[^.]+)\.\d+\.[0-9a-f]{8}\.part")

GUIDE = """{cause}

Kept by pytest-paddle-infer when {model}, {variant} failed its parity checkpoint, on {samples}.

python reproduce.py         shows it again with numpy and paddle alone (exit status 1: it differs, or raises; 0: not;
                            2: nothing is told, because what failed is not in the outputs of one batch, something was left out,
                            or Paddle 2 cannot load the graph)
pytest --paddle-replay .    repeats the verdict with pytest-paddle-infer

To see whether another export cures it, remove the files in model/ and put its own there, named inference.json or inference.pdmodel,
and inference.pdiparams. Remove them first: they may share their content with the kept exports.
verdict.json: cause, rule and figures. configuration.json: the calls on paddle.inference.Config. Arrays are in the .npz files:
input_K of inputs.npz went into both engines; output_K of training.npz, inference.npz and reference.npz (float64) came out.
"""


def keep(failed: FailedParity, export: ExportedModel | None, directory: Path, ours: bool = False) -> Path:
    """Writes everything that is known into a new folder below `directory`, and returns it.

    ours: the export is one of our store, whose files nobody changes in place: they are linked where the file system allows it, and
    copied otherwise. Raises `EvidenceError` in one sentence where the disk is full or forbids it; nothing is left there then.
    """
    name = f"{as_filename(failed.model)}-{as_filename(failed.variant)}"
    try:
        with _new_part(directory, name) as part:
            _fill(part, failed, export, ours)
            return _claim(part, directory, name)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        reason = "the disk is full" if full else (error.strerror or str(error)).lower()
        raise EvidenceError(f"the evidence was not kept in {directory}: {reason}.") from error


@contextmanager
def _new_part(directory: Path, name: str) -> Iterator[Path]:
    """A new hidden folder, which is gone afterwards unless it was renamed; what killed processes left there goes first."""
    directory.mkdir(parents=True, exist_ok=True)
    part = directory / f".{name}.{HOST}.{os.getpid()}.{secrets.token_hex(4)}.part"
    with ExitStack() as held:
        held.callback(shutil.rmtree, part, ignore_errors=True)
        with _locked(directory) as alone:  # nobody takes the new one for a dead process's before it is locked
            if alone:
                _sweep(directory)
            part.mkdir()
            held.enter_context(_locked(part))
        yield part


def _sweep(directory: Path) -> None:
    """Removes the parts whose locks can be taken: their processes died. Of another host, whose locks may be invisible here, after a day."""
    for path in sorted(directory.glob(".*.part")):
        match = _PART.fullmatch(path.name)
        with suppress(OSError):
            if match is not None and (match["host"] == HOST or time.time() - path.lstat().st_mtime > FOREIGN_SECONDS):
                with _locked(path, wait=False) as dead:
                    if dead:
                        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _locked(directory: Path, wait: bool = True) -> Iterator[bool]:
    """Says whether the lock was taken: not where another has it, or where a network disk has none. The kernel drops a dead process's."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        taken = False
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            taken = True
        yield taken
    finally:
        os.close(handle)


def _fill(part: Path, failed: FailedParity, export: ExportedModel | None, ours: bool) -> None:
    sides = {"training": failed.training, "inference": failed.inference, "reference": failed.reference}
    inputs = {"input": failed.inputs, **({"training_input": failed.training_inputs} if failed.training_inputs is not None else {})}
    if failed.inputs:
        write_arrays(part / "inputs.npz", inputs)
    for name, arrays in sides.items():
        if arrays is not None:
            write_arrays(part / f"{name}.npz", {"output": arrays})
    (part / "model").mkdir()
    for source in (export.model_file, export.params_file) if export is not None else ():
        if source.is_file():
            _bring(source, part / "model" / (STEM + source.suffix), ours)
    _write(part / "configuration.json", as_text(configuration_json(failed)))
    shutil.copyfile(Path(__file__).with_name("reproduce.py"), part / "reproduce.py")
    last = failed.first + max(0, len(failed.samples) - 1)
    samples = f"samples {failed.first} to {last}" if last > failed.first else f"sample {last}"
    facts = {"cause": failed.failure.title, "model": failed.model, "variant": failed.variant, "samples": samples}
    _write(part / "README.txt", GUIDE.format(**facts))
    files = sorted(path for path in part.rglob("*") if path.is_file() and path.name not in ("README.txt", "reproduce.py"))
    digests = {path.relative_to(part).as_posix(): file_digest(path)[0] for path in files}
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    _write(part / "verdict.json", as_text(verdict_json(failed, digests, now, __version__)))
    for path in (*part.rglob("*"), part):
        if path.is_file() and path.stat().st_nlink > 1:
            continue  # the store's own
        if path.is_file():
            _sync(path)
            continue
        with suppress(OSError):  # some file systems sync no directories
            _sync(path)


def _claim(part: Path, directory: Path, name: str) -> Path:
    """Renames to the first free name: a rename onto a folder that holds something fails, whoever was quicker."""
    for number in range(1, MOST + 1):
        target = directory / (name if number == 1 else f"{name}-{number}")
        if os.path.lexists(target):
            continue
        try:
            part.rename(target)
            return target
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
                raise
    raise EvidenceError(f"the evidence was not kept: {directory} holds {MOST} folders of {name} already; remove some.")


def _bring(source: Path, target: Path, link: bool) -> None:
    if link:
        with suppress(OSError):  # another file system, or one without links
            os.link(source, target)
            return
    shutil.copyfile(source, target)


def _write(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as stream:
        stream.write(text)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)  # a quota or a network disk may only now say that it is full
    finally:
        os.close(handle)
