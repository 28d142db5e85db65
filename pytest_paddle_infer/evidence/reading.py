"""Reads a kept folder back. What is damaged, foreign or too new is said in one sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_paddle_infer.evidence.arrays import Arrays, EvidenceError, read_arrays
from pytest_paddle_infer.evidence.found import VERDICT
from pytest_paddle_infer.evidence.record import FORMAT, Death, read_rule
from pytest_paddle_infer.exports import ExportedModel
from pytest_paddle_infer.files import file_digest
from pytest_paddle_infer.judge.closeness import Rule

CONFIGURATION = "configuration.json"

NOT_OURS = "pytest-paddle-infer wrote no such file"

COPY = "copy the whole folder again from where it was kept, or run the failed test again, which keeps a new one."
NEWER = "install the pytest-paddle-infer that wrote it (verdict.json, written_by), or a newer one."
GIVE = "give a folder that --paddle-artifacts wrote, or copy its JSON files again."


@dataclass(frozen=True)
class KeptOutput:
    """One output as it was judged. error, limit: of the worst kept sample, over its largest value; excess: how many limits that was."""

    name: str
    rule: Rule
    problem: str
    error: float
    limit: float
    excess: float


@dataclass(frozen=True)
class Kept:
    """A folder. changed: files that are not those that were kept, of the model and the configuration; arrays may not change.

    named: stage, kind and name that the diagnosis found (see `diagnosis.finding`); empty where it found none.
    """

    directory: Path
    model: str
    variant: str
    shows: str
    stage: str
    cause: str
    named: tuple[str, str, str]
    facts: tuple[tuple[str, str], ...]
    remedy: str
    death: Death | None
    first: int
    samples: tuple[str, ...]
    input_names: tuple[str, ...]
    outputs: tuple[KeptOutput, ...]
    versions: Mapping[str, str]
    request: Mapping[str, Any]
    calls: tuple[str, ...]
    not_repeatable: tuple[str, ...]
    inputs: Arrays
    training: Arrays | None
    reference: Arrays | None
    changed: tuple[str, ...]

    @property
    def export(self) -> ExportedModel:
        """The model that lies there now."""
        return ExportedModel(self.directory / "model", given=True)

    @property
    def size(self) -> int:
        """Samples in the batch."""
        return len(self.samples) or 1

    @property
    def then(self) -> str:
        """The Paddle that it failed on."""
        return self.versions.get("paddle_version") or "of an unknown version"


def read_folder(directory: Path) -> Kept:
    """Returns what was kept. Raises `EvidenceError` with the cause."""
    verdict, configuration = (_object(directory, name) for name in (VERDICT, CONFIGURATION))
    try:
        return _kept(directory, verdict, configuration)
    except EvidenceError as error:
        raise EvidenceError(f"{directory} is damaged: {error}", COPY) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) and error.args else str(error)
        raise EvidenceError(
            f"{directory} is damaged: an entry of its JSON files is not what it should be ({what}).", COPY
        ) from None


def _kept(directory: Path, verdict: Mapping[str, Any], configuration: Mapping[str, Any]) -> Kept:
    changed = []
    for name, digest in verdict["files"].items():
        path = directory / name
        now = file_digest(path)[0] if path.is_file() else ""
        if now != digest:
            if name.endswith(".npz"):
                raise EvidenceError(f"{name} {'is not the file that was kept' if now else 'is missing'}.")
            changed.append(name if now else f"{name} (gone)")
    names = [name for name in verdict["files"] if name.startswith("model/")]
    changed += [
        f"model/{path.name} (new)"
        for path in sorted((directory / "model").glob("inference.*"))
        if f"model/{path.name}" not in names and path.suffix in (".json", ".pdmodel", ".pdiparams")
    ]
    sides: dict[str, Arrays | None] = {
        side: read_arrays(directory / f"{side}.npz", "output") if f"{side}.npz" in verdict["files"] else None
        for side in ("training", "reference")
    }
    return Kept(
        directory=directory,
        model=str(verdict["model"]),
        variant=str(verdict["variant"]),
        shows=str(verdict["shows"]),
        stage=str(verdict["stage"]),
        cause=str(verdict["cause"]),
        named=_named(verdict.get("finding")),
        facts=tuple((str(label), str(text)) for label, text in verdict["facts"]),
        remedy=str(verdict["remedy"]),
        death=Death(**verdict["death"]) if verdict["death"] else None,
        first=int(verdict["samples"]["first"]),
        samples=_texts(verdict["samples"]["names"]),
        input_names=tuple(str(item["name"]) for item in verdict["inputs"]),
        outputs=tuple(_output(item) for item in verdict["outputs"]),
        versions={str(name): str(text) for name, text in verdict["versions"].items()},
        request=dict(configuration["request"]),
        calls=tuple(json.dumps(_call(call)) for call in configuration["calls"]),
        not_repeatable=_texts(configuration["not_repeatable"]),
        inputs=read_arrays(directory / "inputs.npz", "input") if "inputs.npz" in verdict["files"] else [],
        training=sides["training"],
        reference=sides["reference"],
        changed=tuple(changed),
    )


def _named(finding: Any) -> tuple[str, str, str]:
    stage, kind, name = (str((finding or {}).get(key, "")) for key in ("stage", "kind", "name"))
    return stage, kind, name


def _output(told: Mapping[str, Any]) -> KeptOutput:
    batch = told["batch"] or {"problem": "", "error": 0.0, "limit": 0.0, "excess": 0.0}
    figures = (float(batch[name]) for name in ("error", "limit", "excess"))
    return KeptOutput(str(told["name"]), read_rule(told["rule"]), str(batch["problem"]), *figures)


def _call(told: Mapping[str, Any]) -> dict[str, Any]:
    args, named = list(told["args"]), dict(told["named"])
    for value in (*args, *named.values()):
        _check_value(value)
    return {"call": str(told["call"]), "args": args, "named": named, "own": bool(told["own"])}


def _check_value(value: Any) -> None:
    """Raises `ValueError` for what `deployed.calls` never wrote."""
    if isinstance(value, dict):
        if len(value) != 1:
            raise ValueError(f"{value!r} is no argument of a call")
        value = next(iter(value.values()))
        value = list(value.values()) if isinstance(value, dict) else value
    for item in value if isinstance(value, list) else ():
        _check_value(item)


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(map(str, values))


def _object(directory: Path, name: str) -> dict[str, Any]:
    try:
        told = json.loads((directory / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EvidenceError(f"{directory} holds no {name}.", COPY) from None
    except (OSError, ValueError) as error:
        raise EvidenceError(f"{directory / name} cannot be read: {str(error).rstrip('.')}.", COPY) from None
    if not isinstance(told, dict):
        told = {}
    if told.get("format") != FORMAT:
        newer = isinstance(told.get("format"), int) and told["format"] > FORMAT
        reason = f"it is of format {told['format']}; a newer pytest-paddle-infer wrote it" if newer else NOT_OURS
        raise EvidenceError(f"{directory / name} cannot be read: {reason}.", NEWER if newer else GIVE)
    return told
