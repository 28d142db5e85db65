"""The comparison of a model's variants as cells of text, for the page and for the summary. Pure functions over report.json's content."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_paddle_infer.cutting import first_ones
from pytest_paddle_infer.report.matrix import ERROR_FACTOR, MEMORY_NOISE_MB, MEMORY_TOLERANCE, beyond, of_its_limit

NONE = "–"

FASTEST = "fastest that passed"
NOT_TOLD_APART = (
    "noise, or a machine that changed in between, may explain the difference; more --paddle-repeats on a quiet one may tell"
)
"""Of the variants, in the terminal and in the page."""

CHECKPOINTS = ("artifacts", "parity", "log")

MEANING = {
    "worst / limit": "largest error of any sample over the largest value of the output, and the limit for it; whether integers are equal",
    "answers": "samples on which the answers agree; a dash where there are none, or outputs of another shape",
    "p50 ms": "median time of a batch",
    "spread ms": "interquartile range of the timed batches; where their shapes vary, of what batches of one shape differ by",
    "p99 ms": "99th percentile",
    "samples/s": "samples of a batch over its median time",
    "x training": "how many times as fast as the training engine",
    "x cpu": "how many times as fast as the variant cpu",
    "first ms": "first run after loading",
    "load s": "time to make the predictor",
    "MB": "memory of the engine's process",
    "GPU MB": "memory on the GPU",
}
"""Column -> what it shows."""

UNSTEADY = 0.5
"""A spread of this share of the median or more is the machine's, and a factor of two such medians a rough one."""

ROUGHLY = " (roughly: the times were unsteady, by their spread)"


def table(model: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Returns head and rows of one model; columns that nothing was measured for are left out, the checkpoints' never."""
    variants = model["variants"] or [{"variant": NONE, "passed": model["passed"], "failed": model["failed"]}]
    marked = _is_choice(model)
    rows = [[_name(row, marked), *_states(row), *_figures(row)] for row in variants]
    head = ["variant", *CHECKPOINTS, *MEANING]
    fixed = 1 + len(CHECKPOINTS)
    kept = [index for index in range(len(head)) if index < fixed or any(row[index] != NONE for row in rows)]
    return [head[index] for index in kept], [[row[index] for index in kept] for row in rows]


def fastest(model: Mapping[str, Any]) -> str | None:
    """Which variant to deploy where speed decides, and which others would do as well; None where there is nothing to choose from."""
    rows = {row["variant"]: row for row in model["variants"]}
    if not model["fastest"] or not _is_choice(model):
        return None
    first, *others = model["fastest"]
    if others:
        told = [f"{name}{_over_cpu(rows[name], ' ({} x cpu)')}" for name in (first, *others)]
        return f"{FASTEST}: not decided between {' and '.join(told)}: {NOT_TOLD_APART}"
    factor = rows[first]["speedup_over_training"]
    over_training = "" if factor is None else f", {factor:.2f} x training"
    over_cpu = _over_cpu(rows[first], ", {} x cpu")
    beside = [rows[first], *([rows["cpu"]] if over_cpu and "cpu" in rows else [])]
    rough = max((each["spread_ms"] or 0) / each["p50_ms"] for each in beside) > UNSTEADY
    return f"{FASTEST}: {first}{over_cpu or over_training}{ROUGHLY if rough else ''}"


def _over_cpu(row: Mapping[str, Any], form: str) -> str:
    factor = row["speedup_over_cpu"]
    return "" if factor is None or row["variant"] == "cpu" else form.format(f"{factor:.2f}")


def _is_choice(model: Mapping[str, Any]) -> bool:
    """Among fewer than two variants that were timed none is best."""
    return sum(bool(row.get("p50_ms")) for row in model["variants"]) > 1


def _name(row: Mapping[str, Any], marked: bool) -> str:
    return f"{row['variant']} *" if marked and row.get("pareto_best") else str(row["variant"])


def _states(row: Mapping[str, Any]) -> Iterator[str]:
    failed = [entry["checkpoint"] for entry in row["failed"]]
    for name in CHECKPOINTS:
        yield "FAILED" if name in failed else "ok" if name in row["passed"] else NONE


def _figures(row: Mapping[str, Any]) -> Iterator[str]:
    error, limit = row.get("output_error_relative"), row.get("output_limit_relative")
    known = error is not None or row.get("output_error_finite") is False
    shown = None if error is None else f"{error:.3g}"
    yield of_its_limit(shown, limit, NONE if limit is None else f"{limit:.2g}") if known else NONE
    agreed, compared = row.get("answers_agreed"), row.get("answers_compared")
    yield NONE if agreed is None or compared is None else f"{agreed}/{compared}" if compared else f"{NONE} (none compared)"
    names = ("p50_ms", "spread_ms", "p99_ms", "throughput_samples_per_s", "speedup_over_training", "speedup_over_cpu", "first_ms")
    for name in (*names, "load_s", "memory_mb", "gpu_memory_mb"):
        yield figure(row.get(name))


def figure(value: float | None) -> str:
    """A number with three digits, never in powers of ten where people read it as a time or a size."""
    if value is None:
        return NONE
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def times(factor: float) -> str:
    """So many times a limit: with three digits, and readable where it is a hundred thousand times, or a millionth."""
    if factor >= 1000:
        return f"{factor:,.0f}" if factor < 1e9 else f"{factor:.3g}"
    return f"{factor:.3g}"


def of_limit(limits: float, limit: float | None) -> str:
    """Returns `0.3 of the limit`, `7 x the limit`, `infinite`, or `not equal` of integers. limits: error over limit."""
    return beyond(limit) if limits == math.inf else f"{times(limits)} {'of the limit' if limits <= 1 else 'x the limit'}"


def over_limit(row: Mapping[str, Any]) -> float | None:
    """Error over limit of a variant; infinity where the error is not finite, None where it is not known."""
    found: float | None = row["output_error_over_limit"]
    return math.inf if row.get("output_error_finite") is False else found


def title_of(model: Mapping[str, Any]) -> str:
    """The model's name, and what one timed batch was."""
    size = model["batch_size"]
    return f"{model['model']}, batches of {size}" if size is not None and size > 1 else str(model["model"])


def counts(outcomes: Mapping[str, int]) -> str:
    """Returns `3 passed, 1 failed`; `no tests` where there is nothing to count."""
    return ", ".join(f"{count} {name}" for name, count in outcomes.items() if count) or "no tests"


def legend(objectives: Sequence[str]) -> tuple[str, str]:
    """Returns what the star of a variant says, and which differences are none; in the terminal, the page and the summary alike."""
    *others, last = objectives
    best = f"no other that passed is as good in {', '.join(others)} and {last}, and better in one of them"
    equal = {
        "error": f"errors within a factor of {ERROR_FACTOR:g} or the training engine's rounding",
        "p50": "p50 within noise",
        "memory": f"memory within {MEMORY_NOISE_MB:g} MB or {100 * MEMORY_TOLERANCE:g} %",
        "GPU memory": f"GPU memory within {100 * MEMORY_TOLERANCE:g} %",
    }
    counted = f"counted as equal: {', '.join(text for goal, text in equal.items() if goal in objectives)}"
    return (f"Pareto-best: {best}" if others else f"best in {last}"), counted


def legends(models: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns a line for the models in which variants are marked, once where they are compared in the same."""
    marked = [model for model in models if _is_choice(model) and any(row["pareto_best"] for row in model["variants"])]
    return list(dict.fromkeys("; ".join(legend(model["pareto_objectives"])) for model in marked))


def unavailable(models: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Returns (model and variant, reason) of each variant that cannot run here."""
    found = {
        f"{model['model']}, {row['variant']}": row["unavailable"]
        for model in models
        for row in model["variants"]
        if row["unavailable"]
    }
    return list(found.items())


def notes(tests: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns what the tests noted, each once, with the models that it is of."""
    told: dict[str, dict[str, None]] = {}
    for test in tests:
        for note in (*test["notes"], *test["teeth"]):
            told.setdefault(note, {})[test["model"]] = None
    return [": ".join(filter(None, (first_ones(list(filter(None, models))), note))) for note, models in told.items()]


def failures(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Returns the tests that failed."""
    return [test for test in content["tests"] if test["failure"] is not None]


def heading(test: Mapping[str, Any]) -> str:
    """Who failed at what: `alexnet, onednn: parity`; the id where that is not known."""
    who = ", ".join(part for part in (test["model"], test["variant"]) if part)
    what = ", ".join(test["failed"])
    return f"{who}: {what}" if who and what else test["id"]
