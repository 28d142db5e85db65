"""`compare`: two reports side by side. What differs around them comes first, because it may explain the rest."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from pytest_paddle_infer.command.columns import bullets, folded, pairs, table
from pytest_paddle_infer.report.comparison import CHANGES, Comparison, OutcomeChange, VariantChange
from pytest_paddle_infer.report.matrix import beyond
from pytest_paddle_infer.report.matrix_file import finite
from pytest_paddle_infer.report.saved import Measured, SavedReport
from pytest_paddle_infer.report.times_compared import TimesChange

FORMAT = 1
"""Of the JSON text; raised when a key changes its meaning or goes."""

NONE = "-"

DRIFT_TAKEN_OUT = "with the drift of the training engine taken out, and so not the ratio of the two medians"
NOT_JUDGED = "in brackets the ratio of the two medians as they were measured, which was not judged"
"""What `B / A` may be besides the ratio of the two medians beside it."""


def lines(found: Comparison, a: Path, b: Path) -> list[str]:
    """The whole text; a, b: what was given on the command line."""
    shown = pairs([("A", _told(found.a, a)), ("B", _told(found.b, b))], 0)
    if found.a.run == found.b.run:
        shown += ["", "Both are the report of the same run."]
    shown += ["", *_differences(found)]
    for change in CHANGES:
        tests = [test for test in found.tests if test.change == change]
        if tests:
            shown += ["", f"tests, {change}", *_tests(tests)]
    if found.variants:
        shown += ["", *_table(found), *folded(_ratios(found)), *_times(found)]
    return [*shown, "", *folded(_verdict(found))]


def _tests(tests: Iterable[OutcomeChange]) -> Iterator[str]:
    """Names them; a reason that several have one after another, as the variants of a model do, is told once."""
    for why, alike in groupby(tests, key=lambda test: test.why):
        yield from (f"  {test.id}{': ' * bool(test.checkpoints)}{', '.join(test.checkpoints)}" for test in alike)
        yield from folded(why, 4) if why else ()


def _told(report: SavedReport, place: Path) -> str:
    return f"{place}: {report.verdict}, {report.started}, run {report.run}"


def _differences(found: Comparison) -> Iterator[str]:
    if not found.differences:
        yield "Machine, versions, options and weights are the same."
        yield "A report holds no code: that of the model, of its processing and of own variants may have changed."
        return
    yield "what differs around them, A -> B"
    yield from pairs((each.what, f"{each.a or 'none'} -> {each.b or 'none'}") for each in found.differences)


# -- variants ----------------------------------------------------------------------------------------------------------


def _table(found: Comparison) -> list[str]:
    columns = ("model", "variant", "error of limit A", "B", "answers A", "B", "p50 ms A", "B", "B / A", "change")
    return table(columns, map(_row, found.variants))


def _row(each: VariantChange) -> tuple[str, ...]:
    figures = [cell for pair in zip(_cells(each.a), _cells(each.b)) for cell in pair]
    return (each.model, each.variant, *figures, _ratio(each), ", ".join(_changes(each)) or NONE)


def _cells(each: Measured | None) -> tuple[str, str, str]:
    """Error over limit, answers, median of a batch."""
    if each is None:
        return NONE, NONE, NONE
    answers = NONE if each.agreed is None or each.compared is None else f"{each.agreed}/{each.compared}"
    limits = beyond(each.limit) if each.limits == math.inf else _number(each.limits)
    return limits, answers, _number(each.p50_ms)


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.3g}"


def _ratio(each: VariantChange) -> str:
    """Of the medians as they were measured; of what was judged, the ratio that was."""
    if each.times is None or each.a is None or each.b is None:
        return NONE
    if each.times.verdict is not None and each.times.verdict.ratio is not None:
        return f"{each.times.verdict.ratio:.2f}"
    medians = _of_medians(each)
    return NONE if medians is None else f"({medians:.2f})"


def _of_medians(each: VariantChange) -> float | None:
    return each.b.p50_ms / each.a.p50_ms if each.a and each.b and each.a.p50_ms and each.b.p50_ms else None


def _ratios(found: Comparison) -> str:
    """What `B / A` is where it is not the judged ratio of the two medians beside it; "" where it is that in every row."""
    told = {_ratio_of(each) for each in found.variants}
    parts = [words for words in (DRIFT_TAKEN_OUT, NOT_JUDGED) if words in told]
    return f"B / A: {'; '.join(parts)}." if parts else ""


def _ratio_of(each: VariantChange) -> str:
    cell, medians, verdict = _ratio(each), _of_medians(each), each.times.verdict if each.times else None
    if cell.startswith("("):
        return NOT_JUDGED
    corrected = verdict is not None and verdict.judged is not None and verdict.judged is verdict.corrected
    return DRIFT_TAKEN_OUT if corrected and medians is not None and cell != f"{medians:.2f}" else ""


def _changes(each: VariantChange) -> Iterator[str]:
    if each.missing:
        yield each.missing
    if each.times is not None and each.times.outcome in ("slower", "faster"):
        yield each.times.outcome
    yield from filter(None, (each.accuracy, each.answers))


def _times(found: Comparison) -> Iterator[str]:
    """Why times were not judged, once a reason; and what was found of those that were."""
    told = [(f"{each.model}, {each.variant}", each.times) for each in found.variants if each.times is not None]
    yield from bullets(_sentence(who, times) for who, times in told if times.verdict is not None)
    reasons: dict[str, list[str]] = {}
    for who, times in told:
        if times.verdict is None:
            reasons.setdefault(times.why, []).append(who)
    yield from bullets(f"times not judged: {why}: {'; '.join(names)}" for why, names in reasons.items())
    remedies = {times.remedy: None for _, times in told if times.remedy}
    yield from bullets(f"to decide them: {remedy}" for remedy in remedies)


def _sentence(who: str, times: TimesChange) -> str:
    assert times.verdict is not None
    word = {"slower": "slower", "faster": "faster", "held": "not slower"}.get(times.outcome, f"not decided, {times.why}")
    return f"{who}: {word}: {times.verdict.ratio_told('report A')}"


# -- the end -----------------------------------------------------------------------------------------------------------


def _verdict(found: Comparison) -> str:
    counts = Counter(test.change for test in found.tests if CHANGES[test.change])
    parts = [f"{count} test{'s' * (count > 1)} {change}" for change, count in counts.items()]
    changed = Counter(word for each in found.variants for word in each.worse)
    parts += [f"{count} variant{'s' * (count > 1)}: {word}" for word, count in changed.items()]
    if found.ended_early:
        parts.append(f"the run itself: {found.b.verdict}")
    if found.nothing_left:
        parts.append("no test that passed in A ran in B")
    open_ = sum(each.times is not None and each.times.outcome in ("not judged", "undecided") for each in found.variants)
    times = f" The times of {open_} variant{'s' * (open_ > 1)} are not decided." if open_ else ""
    gone = f" {found.not_run} test{'s' * (found.not_run > 1)} of A did not run in B." if found.not_run else ""
    return f"B is worse: {'; '.join(parts)}.{times}{gone}" if parts else f"Nothing is worse in B.{times}{gone}"


def as_data(found: Comparison, a: Path, b: Path) -> dict[str, Any]:
    """For `--json`; what was not measured or not judged is null. Ratios are B over A."""
    return {
        "format": FORMAT,
        "worse": found.worse,
        "allowed": found.allowed,
        "same_machine": found.same_machine,
        "ended_early": found.ended_early,
        "nothing_left": found.nothing_left,
        "not_run": found.not_run,
        "a": _report(found.a, a),
        "b": _report(found.b, b),
        "differences": [{"what": each.what, "a": each.a or None, "b": each.b or None} for each in found.differences],
        "tests": [
            {"id": test.id, "change": test.change, "worse": CHANGES[test.change], "a": test.a or None, "b": test.b or None,
             "why": test.why or None, "checkpoints": list(test.checkpoints)}
            for test in found.tests
        ],
        "variants": [
            {"model": each.model, "variant": each.variant, "worse": list(each.worse), "accuracy": each.accuracy or None,
             "answers": each.answers or None, "a": _measured(each.a), "b": _measured(each.b), "times": _times_data(each.times)}
            for each in found.variants
        ],
    }  # fmt: skip


def _report(report: SavedReport, place: Path) -> dict[str, str]:
    return {"report": str(place), "run": report.run, "started": report.started, "verdict": report.verdict}


def _measured(each: Measured | None) -> dict[str, Any] | None:
    """With the names of report.json."""
    if each is None:
        return None
    return {
        "batch_size": each.batch_size,
        "output_error_relative": finite(each.error),
        "output_error_finite": None if each.error is None else math.isfinite(each.error),
        "output_limit_relative": each.limit,
        "output_error_over_limit": finite(each.limits),
        "noise_floor_relative": each.floor,
        "answers_agreed": each.agreed,
        "answers_compared": each.compared,
        "p50_ms": each.p50_ms,
        "memory_mb": each.memory_mb,
    }


def _times_data(times: TimesChange | None) -> dict[str, Any] | None:
    if times is None:
        return None
    verdict = times.verdict
    judged = None if verdict is None or verdict.judged is None else asdict(verdict.judged)
    return {
        "outcome": times.outcome,
        "why": "; ".join(filter(None, (times.why, times.remedy))) or None,
        "confidence": None if verdict is None else verdict.confidence,
        "training_drift": None if verdict is None else verdict.drift,
        "ratio": None if judged is None else judged["ratio"],
        "low": None if judged is None else judged["low"],
        "high": None if judged is None else judged["high"],
    }
