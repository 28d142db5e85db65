"""Reads the report.json of an earlier run, of this version or an older one, for the comparison of two. No numpy, no jsonschema."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_paddle_infer.failures import PaddleInferError
from pytest_paddle_infer.machine import Machine
from pytest_paddle_infer.report.content import GENERATOR, SCHEMA_VERSION
from pytest_paddle_infer.report.folder import INDEX


class ReportError(PaddleInferError, ValueError):
    """A report cannot be read; the text is one sentence with the remedy."""


@dataclass(frozen=True)
class Times:
    """What one test timed: milliseconds of each batch of `batch_size` samples, and what they depend on besides the machine.

    inference_shapes, training_shapes: of each batch, where they vary; empty where they do not, and in a report of an older version.

    threads: of the engine. input_shape: as the benchmark log says it. gpu: its name. program: digest of the training engine's.
    Each is "" where the report does not say it.
    """

    batch_size: int
    inference_ms: tuple[float, ...]
    training_ms: tuple[float, ...]
    threads: str = ""
    input_shape: str = ""
    gpu: str = ""
    program: str = ""
    inference_shapes: tuple[str, ...] = ()
    training_shapes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SavedTest:
    """One test. why: the cause of its failure, or the reason of its skip. times: None where the report keeps none.

    passed, failed: checkpoints.
    """

    id: str
    outcome: str
    model: str
    variant: str
    weights: str
    why: str = ""
    times: Times | None = None
    passed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measured:
    """One variant of a model as the matrix of variants has it, at one batch size (None: nothing was timed). None: not measured.

    error, limit, floor: over the largest value of the output. limits: the error over its limit; both are Inf where the output is no
    number. memory_mb: of 2**20 bytes.
    """

    model: str
    variant: str
    batch_size: int | None
    unavailable: str = ""
    error: float | None = None
    limit: float | None = None
    limits: float | None = None
    floor: float | None = None
    agreed: int | None = None
    compared: int | None = None
    p50_ms: float | None = None
    memory_mb: float | None = None


@dataclass(frozen=True)
class SavedReport:
    """What a comparison needs of a report. options: flag -> its values. environment: as in report.json."""

    run: str
    started: str
    verdict: str
    processes: int
    options: Mapping[str, str]
    environment: Mapping[str, Any]
    tests: tuple[SavedTest, ...]
    variants: tuple[Measured, ...]

    def machine(self, gpu: str = "") -> Machine:
        """What times depend on that no option sets; `gpu` is that of the engine which was timed."""
        told = self.environment
        return Machine(told["processor"], " ".join(told["instructions"]), float(told["cores"]), told["architecture"], gpu)


def read(place: Path) -> SavedReport:
    """Reads a report's directory, or its report.json. Raises `ReportError` for what is none, is damaged, or is of a newer version."""
    path = place / INDEX if place.is_dir() else place
    try:
        content = json.loads(path.read_bytes(), parse_constant=_refused)
    except FileNotFoundError:
        missing = f"{place} holds no {INDEX}" if place.is_dir() else f"there is no file {place}"
        raise ReportError(f"{missing}; give the directory of a run with --paddle-report, or the {INDEX} in it") from None
    except OSError as error:
        raise ReportError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise _damaged(path, "it is not JSON") from None
    return of_content(content, path)


def of_content(content: Any, path: Path) -> SavedReport:
    """Reads what report.json holds; `path` is named where it cannot. Raises `ReportError`."""
    if not isinstance(content, dict) or not str(content.get("generator", "")).startswith(f"{GENERATOR} "):
        raise ReportError(f"{path} is no report of {GENERATOR}; give the {INDEX} of a run with --paddle-report")
    try:
        version = _text(content["schema_version"])
        if int(version.partition(".")[0]) > int(SCHEMA_VERSION.partition(".")[0]):
            raise ReportError(
                f"{path} has version {version} of the schema, and this {GENERATOR} reads {SCHEMA_VERSION}: update {GENERATOR}"
            )
        return _read(content)
    except KeyError as error:
        raise _damaged(path, f"it has no {error}") from None
    except ReportError:
        raise
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise _damaged(path, str(error)) from None


def _refused(constant: str) -> Any:
    """NaN and Infinity, which Python's reader takes for JSON."""
    raise ValueError(f"{constant} is no number of JSON")


def _damaged(path: Path, reason: str) -> ReportError:
    return ReportError(f"{path} is damaged ({reason}): run the tests again with --paddle-report")


def _read(content: Mapping[str, Any]) -> SavedReport:
    session, environment = _of(content["session"], dict), _of(content["environment"], dict)
    saved = SavedReport(
        run=_text(content["run"]),
        started=_text(session["started"]),
        verdict=_text(content["verdict"]),
        processes=_of(session["processes"], int),
        options={_text(option["option"]): " ".join(map(_text, option["values"])) for option in _list(session["options"])},
        environment=environment,
        tests=tuple(map(_test, _list(content["tests"]))),
        variants=tuple(_variant(model, row) for model in _list(content["models"]) for row in _list(model["variants"])),
    )
    for name in ("python", "system", "plugin", "processor", "architecture"):
        _text(environment[name])
    for name in ("paddle", "engine_python"):
        _text_or_none(environment[name])
    for text in (*_of(environment["packages"], dict).values(), *_list(environment["instructions"])):
        _text(text)
    _number(environment["cores"], "cores")
    return saved


def _test(test: Mapping[str, Any]) -> SavedTest:
    failure = test["failure"]
    return SavedTest(
        id=_text(test["id"]),
        outcome=_text(test["outcome"]),
        model=_text_or_none(test["model"]),
        variant=_text_or_none(test["variant"]),
        weights=_text_or_none(test["weights"]),
        why=_text(failure["cause"]) if failure is not None else _text_or_none(test["reason"]),
        times=_times(test),
        passed=tuple(map(_text, _list(test["passed"]))),
        failed=tuple(map(_text, _list(test["failed"]))),
    )


def _times(test: Mapping[str, Any]) -> Times | None:
    latency = (test.get("details") or {}).get("latency")
    if latency is None:
        return None
    threads, texts = test["figures"].get("threads", ""), test["texts"]
    input_shape, gpu, program = (_text(texts.get(name, "")) for name in ("input_shape", "gpu", "training_program"))
    return Times(
        _of(latency["batch_size"], int), _numbers(latency["inference_ms"]), _numbers(latency["training_ms"]),
        str(threads), input_shape, gpu, program,
        *(tuple(map(_text, _list(latency.get(name, [])))) for name in ("inference_shapes", "training_shapes")),
    )  # fmt: skip


def _variant(model: Mapping[str, Any], row: Mapping[str, Any]) -> Measured:
    def number(name: str) -> Any:
        return None if row[name] is None else _number(row[name], name)

    infinite = row.get("output_error_finite") is False  # no such key in a report of an older version
    return Measured(
        _text(model["model"]),
        _text(row["variant"]),
        None if model["batch_size"] is None else _of(model["batch_size"], int),
        _text_or_none(row["unavailable"]),
        error=math.inf if infinite else number("output_error_relative"),
        limit=number("output_limit_relative"),
        limits=math.inf if infinite else number("output_error_over_limit"),
        floor=number("noise_floor_relative"),
        agreed=number("answers_agreed"),
        compared=number("answers_compared"),
        p50_ms=number("p50_ms"),
        memory_mb=number("memory_mb"),
    )


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(float(_number(value, "a time")) for value in _list(values))


def _number(value: Any, name: str) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"{name} is {value!r:.60}, which is no number")
    if not math.isfinite(value):  # of 1e999
        raise ValueError(f"{name} is not finite")
    found: float = value
    return found


def _text(value: Any) -> str:
    return str(_of(value, str))


def _text_or_none(value: Any) -> str:
    """The text; "" for null."""
    return "" if value is None else _text(value)


def _list(value: Any) -> Sequence[Any]:
    return list(_of(value, list))


def _of(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{value!r:.60} is not a {kind.__name__}")
    return value
