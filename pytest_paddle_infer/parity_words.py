"""A comparison of two engines in figures and words: of each output against its limit, and of the answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pytest_paddle_infer.judge.answers import AnswersVerdict
from pytest_paddle_infer.judge.closeness import OutputVerdict


def are_predictions(answers: Sequence[Any]) -> bool:
    """True for answers that have what a `Prediction` has, whoever made them; False where there is none."""
    return bool(answers) and all(hasattr(answer, "class_id") and hasattr(answer, "prob") for answer in answers)


def facts(
    outputs: Sequence[OutputVerdict], answers: AnswersVerdict, answered: tuple[Sequence[Any], Sequence[Any]], classes: bool
) -> tuple[tuple[str, str], ...]:
    """Label/value pairs for a failure: each output against its limit, and the answers.

    answered: what both sides answered to each sample. classes: the columns of the first output are classes.
    """
    lines = [(verdict.name, _against_limit(verdict)) for verdict in outputs]
    for index, verdict in enumerate(outputs):
        if not verdict.passed and verdict.worst_classes:
            shown = ", ".join(f"{number} ({size:.2g})" for number, size in verdict.worst_classes)
            what = "classes" if classes and index == 0 else "columns"
            whose = f"{verdict.name}: " if len(outputs) > 1 else ""
            lines.append((what, f"{whose}{verdict.classes_beyond} beyond the limit; the worst are {shown}"))
    if answers.compared:
        ties = f", {answers.ties} near tie{'s' * (answers.ties > 1)}" if answers.ties else ""
        lines.append(("answers", f"{answers.agreed} of {answers.compared} agree{_in_what(*answered, answers.agreed)}{ties}"))
    if answers.problem:
        lines.append(("first", answers.problem))
    return tuple(lines[:8])


def _in_what(training: Sequence[Any], inference: Sequence[Any], agreed: int) -> str:
    """Follows "3 of 4 agree" where answers are predictions: what was compared, and how many have the same class at least."""
    if not are_predictions((*training, *inference)):
        return ""
    same = sum(one.class_id == two.class_id for one, two in zip(training, inference))
    return " in class and probability" + (f" ({same} in the class alone)" if same != agreed else "")


def _against_limit(verdict: OutputVerdict) -> str:
    if not verdict.passed and (verdict.integers or not verdict.differing):
        return verdict.problem
    if verdict.integers:
        return "all integers are equal" + (f", but for {verdict.ties} near tie{'s' * (verdict.ties > 1)}" if verdict.ties else "")
    if verdict.undefined:  # no number is the largest of these
        others = f"{verdict.differing} element{'s' * (verdict.differing > 1)} of the others beyond the limit {verdict.limit:.2g}"
        return f"NaN or Inf in {verdict.undefined} of {verdict.samples} samples; {others}"
    beyond = "" if verdict.passed else f"; {verdict.differing} of {verdict.elements} elements beyond it"
    floor = f", floor {verdict.floor.maximum:.2g} ({verdict.floor.source})" if verdict.floor else ""
    return f"largest difference {verdict.error:.3g} of the largest value, limit {verdict.limit:.2g}{floor}{beyond}"


def worst_of(outputs: Sequence[OutputVerdict]) -> OutputVerdict:
    """The output that comes closest to its limit, or goes furthest beyond it."""
    return max(outputs, key=lambda verdict: verdict.excess)


def figures(outputs: Sequence[OutputVerdict], answers: AnswersVerdict) -> Iterator[tuple[str, str]]:
    """Yields the figures of a comparison, whether it passed or not."""
    worst = worst_of(outputs)
    yield "output_error", f"{worst.error:.3g}"
    yield "output_limit", f"{worst.limit:.2g}"
    yield "output_limits", f"{worst.excess:.3g}"
    if worst.floor is not None:
        yield "noise_floor", f"{worst.floor.maximum:.3g}"
        yield "noise_floor_source", worst.floor.source
    seen = [verdict.resolution for verdict in outputs if verdict.resolution is not None and not verdict.integers]
    if seen:
        yield "resolution", f"{max(resolution.ratio for resolution in seen):.3g}"
    if answers.compared:
        yield "answers", f"{answers.agreed}/{answers.compared}"
        yield "ties", str(answers.ties)
