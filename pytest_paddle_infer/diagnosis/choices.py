"""What one postprocessing program chooses from the scores, or makes of them, that the other does not. numpy only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pytest_paddle_infer.diagnosis.agreement import CLOSE
from pytest_paddle_infer.diagnosis.decisions import Named, in_words
from pytest_paddle_infer.diagnosis.finding import Array
from pytest_paddle_infer.diagnosis.leaves import Leaves, differing, is_number, is_whole
from pytest_paddle_infer.diagnosis.scores import softmax


def other_choice(one: Sequence[Leaves], two: Sequence[Leaves], scores: Array) -> Iterator[Named]:
    """Another choice from the scores: another axis, the smallest, the second best."""
    choices: list[tuple[int, Array]] = []
    for path in one[0]:
        if not all(path in leaves and is_whole(leaves[path]) for leaves in (*one, *two)):
            continue
        left = [np.asarray(leaves[path]) for leaves in one]
        right = [np.asarray(leaves[path]) for leaves in two]
        if all(np.array_equal(a, b) for a, b in zip(left, right)):
            continue
        choices = choices or [(axis, scores.argmax(axis=axis)) for axis in range(-1, -scores.ndim - 1, -1)]
        if not any(_matches(found, left) for _, found in choices):
            continue
        for axis, found in choices:
            if _matches(found, right):
                yield "argmax axis", f"takes argmax over the wrong axis ({axis} of scores {list(scores.shape)})"
            if _matches(found, left) and _matches(scores.argmin(axis=axis), right):
                yield "argmax", "takes the class with the smallest score (argmin for argmax)"
        best = scores.reshape(len(scores), -1).argmax(axis=1)
        if len(left) > 1 and _matches(best, left) and not any(item.any() for item in right):
            yield (
                "argmax axis",
                f"answers 0 for every sample, as argmax over the batch axis does (axis 0 of [1, {scores.shape[-1]}])",
            )
    if scores.ndim == 2 and scores.dtype.kind == "f":
        yield from _other_scores(one, two, scores)


def _matches(found: Array, wanted: Sequence[Array]) -> bool:
    """True where a choice for all samples is what the answers hold, whatever axes of length 1 they have."""
    if np.ndim(found) == 0 or len(found) < len(wanted):
        return False
    return all(
        found[index].size == item.size and np.array_equal(found[index].ravel(), item.ravel()) for index, item in enumerate(wanted)
    )


def _other_scores(one: Sequence[Leaves], two: Sequence[Leaves], scores: Array) -> Iterator[Named]:
    """Scores of the same classes, but before or behind a softmax."""
    best = scores.max(axis=1), softmax(scores).max(axis=1)
    for path in one[0]:
        if not all(path in leaves and is_number(leaves[path]) and np.ndim(leaves[path]) == 0 for leaves in (*one, *two)):
            continue
        if not any(np.abs(float(one[0][path]) - float(made[0])) <= 2 * CLOSE * np.abs(made[0]) + 1e-6 for made in best):
            continue  # before there is more to compute: an answer may have thousands of numbers
        left, right = (np.array([leaves[path] for leaves in side], np.float64) for side in (one, two))
        if np.array_equal(left, right):
            continue
        shown = in_words([path], one)
        if np.allclose(left, best[1], rtol=CLOSE) and np.allclose(right, best[0], rtol=CLOSE) and not np.allclose(*best, rtol=1e-2):
            yield "softmax", f"leaves out softmax: {shown} is the score before it"
        if np.allclose(left, best[0], rtol=CLOSE) and np.allclose(right, best[1], rtol=CLOSE) and not np.allclose(*best, rtol=1e-2):
            yield "softmax", f"applies softmax once more: {shown} is the score behind it"
        if np.allclose(left, best[1], rtol=CLOSE) and np.allclose(right, softmax(softmax(scores)).max(axis=1), rtol=CLOSE):
            yield "softmax", f"applies softmax twice: {shown} is the score behind the second"
        if np.allclose(left, best[1], rtol=CLOSE) and np.allclose(right, 1 / (1 + np.exp(-best[0])), rtol=CLOSE) and len(left) > 1:
            yield (
                "sigmoid",
                f"takes the sigmoid of the score where the training postprocessing takes softmax ({shown})",
            )
        if np.allclose(left, best[1], rtol=CLOSE) and (factor := _temperature(scores, right)):
            yield "temperature", f"multiplies the scores by {factor:.4g} before softmax ({shown})"


def other_softmax(one: Sequence[Leaves], two: Sequence[Leaves]) -> Iterator[Named]:
    """Rows of scores before or behind a softmax over their last axis, wherever they differ."""
    pairs = differing(one, two)
    if not pairs or not all(_is_row(a) and _is_row(b) and np.shape(a) == np.shape(b) for _, a, b in pairs):
        return
    places = in_words(list(dict.fromkeys(path for path, _, _ in pairs)), one)
    if all(_close(softmax(a), b) for _, a, b in pairs):
        again = all(np.allclose(np.sum(a, axis=-1), 1, atol=1e-3) for _, a, _ in pairs)
        yield "softmax", f"applies softmax {'twice' if again else 'where the training postprocessing does not'}: {places}"
    if all(_close(softmax(b), a) for _, a, b in pairs):
        yield "softmax", f"leaves out softmax: {places}"


def _is_row(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim > 0 and value.shape[-1] > 1


def _close(one: Array, two: Array) -> bool:
    return bool(np.allclose(one, two.astype(np.float64), rtol=CLOSE, atol=1e-2 * CLOSE))


def _temperature(scores: Array, wanted: Array) -> float:
    """The one factor that makes the best probability of every row what is wanted; 0 where there is none, or too few rows to tell."""
    low, high = np.full(len(scores), 1e-3), np.full(len(scores), 1e3)
    for _ in range(60):  # the best probability grows with the factor
        middle = np.sqrt(low * high)
        less = softmax(scores.astype(np.float64) * middle[:, None]).max(axis=1) < wanted
        low, high = np.where(less, middle, low), np.where(less, high, middle)
    factor = float(np.median(low))
    made = softmax(scores.astype(np.float64) * factor).max(axis=1)
    return factor if len(scores) > 2 and abs(factor - 1) > 1e-2 and np.allclose(made, wanted, rtol=CLOSE) else 0.0
