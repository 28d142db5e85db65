"""Baselines of speed on disk: what a model took on a machine, under a name. `conformance.py` calls it; no pytest, no paddle.

Layout::

    <perf_dir>/<machine>/<NAME>/<model>--<variant>.json    the runs of one model and variant, newest last
    <perf_dir>/.locks/<hash>.lock                          empty; stays, because removing a lock file is a race

Times of two machines are never compared, so the machine is a directory, and `perf_dir` may hold those of a whole team. Saving the
same NAME again appends a run, of which the newest `KEPT_RUNS` stay: the judge learns from them how far one run lies from another.
Runs of another workload (batch size, threads, inputs) cannot stand in one file: saving with a new one starts the file anew.
A file appears by one rename, so that a reader, who takes no lock, finds it whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from pytest_paddle_infer.failures import PaddleInferError
from pytest_paddle_infer.machine import Machine, this_machine
from pytest_paddle_infer.option_table import BASELINE

if TYPE_CHECKING:
    from pytest_paddle_infer.judge.latency import Latencies

FORMAT = 1
KEPT_RUNS = 10
"""Runs that a baseline keeps. Ten tell the deviation between runs well enough, and an old one tells of code that is gone."""

LOCK_SECONDS = 60.0
"""Longest wait for another process that saves the same baseline, which takes it milliseconds."""


class PerfError(PaddleInferError, RuntimeError):
    """A baseline cannot be read or written; the text is one sentence with the remedy."""


@dataclass(frozen=True)
class Workload:
    """What was computed. Times of two workloads are not compared.

    inputs: shapes and dtypes of a batch, `float32[4, 3, 224, 224]`; samples: how many, or what the caller tells them apart by.
    """

    batch_size: int
    threads: int
    inputs: str
    samples: str = ""

    def differences(self, other: Workload) -> tuple[str, ...]:
        """Returns what differs, in words, this one first: `threads 1 instead of 4`."""
        pairs = ((field.name, getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return tuple(f"{name.replace('_', ' ')} {mine} instead of {theirs}" for name, mine, theirs in pairs if mine != theirs)


@dataclass(frozen=True)
class SavedRun:
    """One run: its times, the Paddle version, the training engine's program, and when it ended (UTC, `2025-01-31T12:00:00+00:00`).

    program: what tells one training engine from another, such as a digest of its layers; "" where the caller does not know.
    """

    latencies: Latencies
    paddle: str
    program: str = ""
    date: str = ""


@dataclass(frozen=True)
class Baseline:
    """The runs of one model and variant on one machine, oldest first; `machine` is its description for people."""

    name: str
    machine: str
    workload: Workload
    runs: tuple[SavedRun, ...]

    @property
    def latencies(self) -> tuple[Latencies, ...]:
        """The runs' times, as `judge_regression` takes them."""
        return tuple(run.latencies for run in self.runs)

    @property
    def paddle(self) -> str:
        """The Paddle versions of the runs, oldest first: `3.0.0, 3.3.1`."""
        return ", ".join(dict.fromkeys(run.paddle for run in self.runs))

    def same_training(self, paddle: str, program: str) -> bool:
        """True when all runs had this Paddle and this training program, and it is known: then the training engine is a yardstick."""
        return bool(program) and all((run.paddle, run.program) == (paddle, program) for run in self.runs)

    def another_program(self, program: str) -> bool:
        """True when the model is known to be another one than in all runs: then what the training engine takes is the model's doing too."""
        return bool(program) and all(run.program not in ("", program) for run in self.runs)


@dataclass(frozen=True)
class Other:
    """Baselines of that name that are shown and never judged. `why` is a clause: `it was saved on another machine`.

    unreadable: a sentence for each file of another machine that could not be read.
    """

    why: str
    baselines: tuple[Baseline, ...]
    unreadable: tuple[str, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """Returns a line for each baseline, with the newest run's median in milliseconds."""
        return tuple(
            f"the baseline '{item.name}': {item.machine}: median {1000 * item.runs[-1].latencies.median:.3g} ms "
            f"a batch of {item.workload.batch_size}, Paddle {item.runs[-1].paddle}, {item.runs[-1].date or 'no date'}"
            for item in self.baselines
        )


Found = Union[Baseline, Other, None]


def save(
    perf_dir: Path, name: str, model: str, variant: str, workload: Workload, run: SavedRun, machine: Machine | None = None
) -> Path:
    """Appends a run to the baseline of this machine and returns its file. Safe beside other processes and threads that do the same.

    A run without a date gets the present one. Raises `PerfError` for a file that is damaged or newer, which is left as it is, for a
    directory that cannot be written, and `ValueError` for a name that is none.
    """
    machine = machine or this_machine()
    path = _path(perf_dir, machine.name, name, model, variant)
    if not run.date:
        run = SavedRun(run.latencies, run.paddle, run.program, datetime.now(timezone.utc).isoformat(timespec="seconds"))
    with _explained(perf_dir), _locked(perf_dir, path):
        kept = _read(path, name, model, variant)
        earlier = kept.runs if kept is not None and kept.workload == workload else ()
        body = {
            "format": FORMAT,
            "name": name,
            "model": model,
            "variant": variant,
            "machine": {"description": machine.description, **asdict(machine)},
            "workload": asdict(workload),
            "runs": [_run_to_json(item) for item in (*earlier, run)[-KEPT_RUNS:]],
        }
        _write(path, json.dumps(body, indent=1) + "\n")
    return path


def load(perf_dir: Path, name: str, model: str, variant: str, workload: Workload, machine: Machine | None = None) -> Found:
    """Returns the baseline of this machine, else `Other` with those that are only shown, else None where nobody saved one.

    Raises `PerfError` where this machine's own file is damaged or newer, or the directory cannot be read; `ValueError` for a name
    that is none.
    """
    machine = machine or this_machine()
    own = _path(perf_dir, machine.name, name, model, variant)
    with _explained(perf_dir):
        found = _read(own, name, model, variant)
        if found is not None:
            differences = workload.differences(found.workload)
            return Other(f"it was measured otherwise: this run has {' and '.join(differences)}", (found,)) if differences else found
        baselines, unreadable = [], []
        for directory in _machines(perf_dir):
            try:
                other = _read(_path(perf_dir, directory.name, name, model, variant), name, model, variant)
            except (PerfError, OSError) as error:  # not ours to mend, and nothing is judged by it
                unreadable.append(str(error))
                continue
            if other is not None:
                baselines.append(other)
    if not baselines and not unreadable:
        return None
    machines = "another machine" if len(baselines) + len(unreadable) == 1 else "other machines"
    return Other(f"it was saved on {machines}", tuple(baselines), tuple(unreadable))


def known_names(perf_dir: Path) -> tuple[str, ...]:
    """Returns the names of all baselines of any machine, sorted; none for a directory that is not there. Raises `PerfError`."""
    names: set[str] = set()
    with _explained(perf_dir):
        for machine in _machines(perf_dir):
            names.update(
                item.name for item in machine.iterdir() if re.fullmatch(BASELINE, item.name) and any(item.glob("*--*.json"))
            )
    return tuple(sorted(names))


def _machines(perf_dir: Path) -> list[Path]:
    try:
        return sorted(item for item in perf_dir.iterdir() if item.is_dir() and not item.name.startswith("."))
    except FileNotFoundError:
        return []


def _path(perf_dir: Path, machine: str, name: str, model: str, variant: str) -> Path:
    if re.fullmatch(BASELINE, name) is None:
        raise ValueError(f"{name!r} is not a name of a baseline")
    return Path(perf_dir) / machine / name / f"{as_filename(model)}--{as_filename(variant)}.json"


def as_filename(name: str) -> str:
    """The name where it may be one of a file; else what may stay of it and a hash, so that `a/b` and `a_b` are two files."""
    kept = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:80]
    plain = kept == name and "--" not in name and not name.startswith(".")
    return kept if plain else f"{kept.strip('.')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


# -- the file ----------------------------------------------------------------------------------------------------------


def _run_to_json(run: SavedRun) -> dict[str, Any]:
    return {
        "date": run.date,
        "paddle": run.paddle,
        "program": run.program,
        "batch_size": run.latencies.batch_size,
        "run": list(run.latencies.run),
        "training": list(run.latencies.training),
        **{name: list(shapes) for name, shapes in _shapes(run.latencies).items() if shapes},
    }


def _shapes(latencies: Latencies) -> dict[str, tuple[str, ...]]:
    """Keys that a file lacks where the shapes of batches do not vary, and where an older version wrote it."""
    return {"run_shapes": latencies.run_shapes, "training_shapes": latencies.training_shapes}


def _run_from_json(value: Mapping[str, Any]) -> SavedRun:
    from pytest_paddle_infer.judge.latency import Latencies

    def seconds(key: str) -> tuple[float, ...]:
        return tuple(float(number) for number in _of_type(value[key], list))

    def shapes(key: str) -> tuple[str, ...]:
        return tuple(_of_type(text, str) for text in _of_type(value.get(key, []), list))

    size = _of_type(value["batch_size"], int)
    latencies = Latencies(seconds("run"), seconds("training"), size, shapes("run_shapes"), shapes("training_shapes"))
    return SavedRun(latencies, *(_of_type(value[key], str) for key in ("paddle", "program", "date")))


def _of_type(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{value!r} is not a {kind.__name__}")
    return value


def _read(path: Path, name: str, model: str, variant: str) -> Baseline | None:
    """Returns what the file says; None without a file. Raises `PerfError` for one that is damaged or newer."""
    try:
        body = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise _damaged(path, "it is not JSON") from None
    try:
        found = _of_type(body["format"], int)
        if found < 1:
            raise ValueError(f"format {found}")
        if found > FORMAT:
            raise PerfError(
                f"the baseline {path} has format {found}, and this version reads {FORMAT}: update pytest-paddle-infer, or save "
                "the baseline under another name"
            )
        if (body["name"], body["model"], body["variant"]) != (name, model, variant):
            raise _damaged(path, f"it is of {body['model']} [{body['variant']}], named {body['name']}")
        told = {field.name: body["workload"][field.name] for field in fields(Workload)}
        workload = Workload(*(_of_type(told[key], int) for key in ("batch_size", "threads")),
                            *(_of_type(told[key], str) for key in ("inputs", "samples")))  # fmt: skip
        runs = tuple(_run_from_json(run) for run in _of_type(body["runs"], list))
        if not runs or any(run.latencies.batch_size != workload.batch_size for run in runs):
            raise ValueError("no runs, or runs of another batch size")
        return Baseline(name, _of_type(body["machine"]["description"], str), workload, runs)
    except KeyError as error:
        raise _damaged(path, f"it has no {error}") from None
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise _damaged(path, str(error)) from None


def _damaged(path: Path, reason: str) -> PerfError:
    return PerfError(f"the baseline {path} is damaged ({reason}): remove the file, and save the baseline again")


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        with part.open("x", encoding="ascii") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink()


@contextmanager
def _locked(perf_dir: Path, path: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    locks = Path(perf_dir) / ".locks"
    for directory in (locks, path.parent):
        directory.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(str(path.relative_to(perf_dir)).encode()).hexdigest()[:16]
    try:
        with FileLock(str(locks / f"{key}.lock"), timeout=LOCK_SECONDS):
            yield
    except Timeout:
        raise PerfError(f"another process held the baseline {path} for {LOCK_SECONDS:g} s: end it, and save again") from None


@contextmanager
def _explained(perf_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PerfError(
            f"the baselines in {perf_dir} cannot be used: {error.strerror or error} ({error.filename}); "
            "choose another directory with --paddle-perf-dir"
        ) from error


def unknown_name(name: str, names: Sequence[str], perf_dir: Path) -> str:
    """Returns the sentence for a name under which nobody saved anything."""
    if not names:
        return f"there are no baselines in {perf_dir}; make one with --paddle-perf-save={name}."
    return f"there is no baseline {name!r} in {perf_dir}; the baselines are {', '.join(names)}."
