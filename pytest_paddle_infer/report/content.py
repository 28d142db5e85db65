"""report.json: what it says. Pure functions; `report.schema.json` beside this file describes the result, and a test holds the two together.

The page and the summary are made of what these functions return, so that they say nothing that the JSON does not.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pytest_paddle_infer.report.figures import CHECKPOINT_SIGNS, PREFIX, REPEATED, WHY
from pytest_paddle_infer.report.matrix import INFINITE, UNBOUNDED, read_matrices
from pytest_paddle_infer.report.matrix_file import to_json
from pytest_paddle_infer.report.results import OUTCOMES, Result

SCHEMA = Path(__file__).with_name("report.schema.json")

SCHEMA_VERSION = "1.1"
"""MAJOR.MINOR: another major number once a key changes its meaning or goes, another minor one once a key is added."""

GENERATOR = "pytest-paddle-infer"
"""In the first 512 bytes of each file of a report: by it the next run knows that it may replace the file."""

EXITS = ("ok", "tests failed", "interrupted", "internal error", "usage error", "no tests collected", "too many warnings")
"""pytest's exit statuses from 0 in words; the last is one of newer pytests."""

_TEXTS = ("answers", "noise_floor_source", "program", "training_program", "input_shape", "gpu")
"""Figures that are words; a hash of a program and a shape of one dimension may look like a number."""

_TAKEN = ("model", "variant", "weights", "files", "directory", "log_file", "failed", "unavailable", *REPEATED, *WHY)
"""Properties that have a place of their own, and are neither figures nor texts."""


@dataclass(frozen=True)
class Session:
    """One run of pytest. others: outcomes of the tests that are not the plugin's. problems: (id, text) of what was not collected."""

    run: str
    version: str
    started: datetime
    seconds: float
    exit_status: int
    processes: int
    directory: Path
    results: tuple[Result, ...]
    others: Mapping[str, int]
    problems: tuple[tuple[str, str], ...]
    options: Sequence[Mapping[str, Any]]
    environment: Mapping[str, Any]


def content_of(session: Session) -> dict[str, Any]:
    """Returns the report for `json.dumps`. Tests stand as they were collected, because xdist reports them in any order."""
    results = sorted(session.results, key=lambda result: (result.place, result.id.rstrip("]"), repr(result)))
    counts = Counter(result.outcome for result in results)
    matrices = read_matrices(result.properties for result in results if result.compared)
    return {
        "generator": f"{GENERATOR} {session.version}",
        "schema_version": SCHEMA_VERSION,
        "run": session.run,
        "verdict": verdict(session.exit_status, counts),
        "session": {
            "started": session.started.isoformat(timespec="seconds"),
            "duration_s": _finite(round(session.seconds, 3)),
            "exit_status": session.exit_status,
            "exit_reason": EXITS[session.exit_status] if 0 <= session.exit_status < len(EXITS) else "other",
            "processes": session.processes,
            "outcomes": {name: counts[name] for name in OUTCOMES},
            "outcomes_of_other_tests": {name: session.others.get(name, 0) for name in OUTCOMES},
            "not_collected": [{"id": name, "text": text} for name, text in session.problems],
            "options": [dict(option) for option in session.options],
        },
        "environment": dict(session.environment),
        "models": to_json(matrices)["models"],
        "tests": [_test(result, session.directory) for result in results],
    }


def verdict(exit_status: int, counts: Mapping[str, int]) -> str:
    """Returns `failed`, `incomplete` (the session ended early), `nothing ran` or `passed`; of this plugin's tests only."""
    if counts.get("failed") or counts.get("error"):
        return "failed"
    if exit_status in (2, 3, 4):
        return "incomplete"
    return "passed" if counts.get("passed") or counts.get("xpassed") or counts.get("xfailed") else "nothing ran"


def _test(result: Result, directory: Path) -> dict[str, Any]:
    facts, many = _facts(result.properties)
    replayed = result.id.startswith("paddle-replay/")
    model = facts.get("model") or _model_of(result.id)
    failed = many.get("failed", [])
    texts = {name: value for name, value in facts.items() if name not in _TAKEN and (name in _TEXTS or _number(value) is _TEXT)}
    figures = {name: _number(value) for name, value in facts.items() if name not in _TAKEN and name not in texts}
    if facts.get("output_error") == INFINITE:  # null alone would read as one that was not measured
        texts["output_error"] = UNBOUNDED
    return {
        "id": result.id,
        "kind": "replay" if replayed else "checkpoints",
        "model": model,
        "variant": facts.get("variant"),
        "outcome": result.outcome,
        "reason": (facts.get("unavailable") or result.summary or None) if result.outcome in ("skipped", "xfailed") else None,
        "duration_s": _finite(round(result.seconds, 3)),
        "passed": [name for name, sign in CHECKPOINT_SIGNS.items() if sign in facts and name not in failed],
        "failed": sorted(set(failed)),
        "weights": facts.get("weights"),
        "figures": figures,
        "texts": texts,
        "exported_files": facts["files"].split() if "files" in facts else [],
        "files": {
            "outputs": result.outputs or shown_path(outputs_of(result.properties), directory),
            "log": result.log or shown_path(log_of(result.properties), directory),
            "evidence": shown_path(_place("kept", many), directory),
        },
        "notes": [*many.get("note", []), *(value for name, value in result.properties if name == "paddle_replay"), *result.notes],
        "teeth": many.get("tooth", []),
        "failure": _failure(result, facts, many) if result.outcome in ("failed", "error") else None,
        "details": None if result.details is None else dict(result.details),
    }


def _failure(result: Result, facts: Mapping[str, str], many: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The failure of a checkpoint or of a replay, or of the test's own code after checkpoints that hold."""
    ours = bool(many.get("failed")) or result.id.startswith("paddle-replay/")
    pairs = [fact.partition(": ") for fact in many.get("fact", [])]
    file, line = (result.file, result.line) if result.file.endswith(".py") else (None, None)
    return {
        "cause": (facts.get("cause") if ours else None) or result.summary or "unknown",
        "stage": facts.get("stage"),
        "kind": facts.get("cause_kind"),
        "name": facts.get("cause_name"),
        "facts": [{"label": label, "value": value} for label, _, value in pairs],
        "remedy": facts.get("remedy"),
        "file": file,
        "line": line,
        "again": result.again or None,
        "text": result.text,
    }


def _facts(properties: Sequence[tuple[str, str]]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Names that are there once, and those that may be there several times. A figure that has two values is of nothing, and left out."""
    facts: dict[str, str] = {}
    many: dict[str, list[str]] = {}
    ambiguous: set[str] = set()
    for name, value in properties:
        if not name.startswith(PREFIX):
            continue
        name = name[len(PREFIX) :]
        if name in ("failed", *REPEATED):
            many.setdefault(name, []).append(value)
        elif facts.setdefault(name, value) != value and name not in WHY:
            ambiguous.add(name)
    if ambiguous & {"model", "variant"}:  # checkpoints of several run by hand: which figure is whose is not known
        return {name: value for name, value in facts.items() if name in WHY}, many
    return {name: value for name, value in facts.items() if name not in ambiguous}, many


_TEXT = object()


def _number(text: str) -> Any:
    """A finite number; None for NaN and infinity; `_TEXT` for what is none."""
    try:
        value = float(text)
    except ValueError:
        return _TEXT
    if not math.isfinite(value):
        return None
    return int(value) if text.lstrip("-").isdigit() else value


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _model_of(nodeid: str) -> str | None:
    """Of an item without a test file, whose setup may have failed before it could say so."""
    return nodeid[len("paddle-model/") :].partition("::")[0] if nodeid.startswith("paddle-model/") else None


def _place(label: str, many: Mapping[str, Sequence[str]]) -> str | None:
    """The path that a failure's fact names; of evidence that was not kept it says why instead."""
    facts = (fact.partition(": ") for fact in many.get("fact", ()))
    return next((value for name, _, value in facts if name == label and Path(value).is_absolute()), None)


def outputs_of(properties: Sequence[tuple[str, str]]) -> str | None:
    """The directory of a test's reprod_log files, wherever its parity says it: as a figure, or as a fact of its failure."""
    facts, many = _facts(properties)
    return facts.get("directory") or _place("files", many)


def log_of(properties: Sequence[tuple[str, str]]) -> str | None:
    """The benchmark log of a test, of one that is not true too."""
    facts, many = _facts(properties)
    return facts.get("log_file") or _place("log", many)


def shown_path(path: str | None, directory: Path) -> str | None:
    """Returns a path as the report names it: from the report's own directory where it lies below that, so that both can be moved."""
    if path is None:
        return None
    full = Path(os.path.normpath(path))
    return full.relative_to(directory).as_posix() if full.is_relative_to(directory) else full.as_posix()
