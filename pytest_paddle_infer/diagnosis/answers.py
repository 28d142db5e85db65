"""Why the answers behind both postprocessing programs differ where the raw outputs agree. numpy only."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from pytest_paddle_infer.diagnosis.agreement import CLOSE
from pytest_paddle_infer.diagnosis.decisions import (
    MOVED,
    UNSURE,
    Leaves,
    always_one,
    another_threshold,
    exchanged,
    in_words,
    left_out,
    other_labels,
    transposed,
)
from pytest_paddle_infer.diagnosis.finding import Array, Finding
from pytest_paddle_infer.diagnosis.scaled import scaled
from pytest_paddle_infer.diagnosis.scores import softmax

Named = tuple[str, str]

WINDOW = 32
"""Among how many items, sorted, the one that agrees is looked for: rounding may move it, but not far."""

MANY = 256
"""Numbers of a list, its lists included, from which on they are looked at as one array: a mask as a list may have a million."""

ENOUGH = 3
"""Numbers that must have changed before rounding is told beside another decision: one may be a whole number by chance."""

_PLACES = "<places>"
"""Stands in a sentence for the places that it is about."""

_REMEDY = "make both postprocessing programs the same; compare the step that the cause names."


def explain_answers(training: Sequence[Any], inference: Sequence[Any], *outputs: Array) -> Finding | None:
    """Says what the inference postprocessing does otherwise; None where all answers agree or nothing fits all of them.

    training, inference: the answers to the same samples: numbers, strings, arrays, dataclasses, named tuples, dicts or lists of such.
    outputs: what both started from, as far as it is known: each [N, ...] for the first N answers.
    """
    if len(training) != len(inference) or not training:
        return None
    with np.errstate(all="ignore"):
        for name, what in _hypotheses(training, inference, outputs):
            cause = f"the inference postprocessing {what}."
            return Finding("postprocess", cause, "step", name, remedy=_REMEDY, certain=name != UNSURE)
    return None


def _hypotheses(training: Sequence[Any], inference: Sequence[Any], outputs: Sequence[Array]) -> Iterator[Named]:
    yield from _other_kind(training, inference)
    yield from _other_keys(training, inference)
    training, inference = zip(*(_alike(*pair) for pair in zip(training, inference)))
    one, two = [_leaves(answer) for answer in training], [_leaves(answer) for answer in inference]
    if all(_same(left, right) for left, right in zip(one, two)):
        return
    maps = [[_leaves(answer, many=MOVED) for answer in side] for side in (training, inference)]
    yield from transposed(maps[0], maps[1], _equal)
    yield from _other_order(training, inference)  # before a choice: an item of the same answers may be another choice by chance
    for scores in outputs:
        yield from _other_choice(one[: len(scores)], two[: len(scores)], scores)
    yield from _other_length(training, inference)
    if all(left.keys() == right.keys() for left, right in zip(one, two)):
        for search in (exchanged, another_threshold, always_one, other_labels, scaled):
            yield from search(one, two, _equal)
    yield from _other_types(one, two)
    yield from _other_values(one, two)
    rows = [[_leaves(answer, many=2) for answer in side] for side in (training, inference)]
    yield from _other_softmax(rows[0], rows[1])


def _alike(training: Any, inference: Any) -> tuple[Any, Any]:
    """A list and an array as two lists, wherever one side has the one and the other side the other; all else as it is."""
    if isinstance(training, np.ndarray) and isinstance(inference, (list, tuple)):
        return training.tolist(), inference
    if isinstance(inference, np.ndarray) and isinstance(training, (list, tuple)):
        return training, inference.tolist()
    if isinstance(training, dict) and isinstance(inference, dict) and list(training) == list(inference):
        pairs = {key: _alike(training[key], inference[key]) for key in training}
        return {key: pair[0] for key, pair in pairs.items()}, {key: pair[1] for key, pair in pairs.items()}
    return training, inference


def _leaves(value: Any, path: str = "", many: int = MANY) -> Leaves:
    """Every number, string and array of an answer, by where it stands: "class_id", "boxes[0]". many: numbers that make a list an array."""
    children: dict[str, Any] = {}
    if is_dataclass(value) and not isinstance(value, type):
        children = {f"{path}.{field.name}" if path else field.name: getattr(value, field.name) for field in fields(value)}
    elif isinstance(value, Mapping):
        children = {f"{path}[{key!r}]": child for key, child in value.items()}
    elif isinstance(value, (list, tuple)):
        names = getattr(value, "_fields", None)
        array = None if names else _as_array(value, many)
        if array is not None:
            return {path: array}
        children = {
            (f"{path}.{names[index]}".lstrip(".") if names else f"{path}[{index}]"): child for index, child in enumerate(value)
        }
    else:
        return {path: value}
    return {key: leaf for name, child in children.items() for key, leaf in _leaves(child, name, many).items()}


def _as_array(value: Sequence[Any], many: int = MANY) -> Array | None:
    """So many numbers or more in lists of one length each as an array; None of fewer, and of all else."""
    size, first = 1, value
    while isinstance(first, (list, tuple)) and len(first) and not hasattr(first, "_fields"):
        size, first = size * len(first), first[0]
    if size * np.size(first) < many or not (_is_number(first) or isinstance(first, (bool, np.bool_))):
        return None
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy before 1.24 warns of lists of several lengths
        made = np.asarray(value)
        return made if made.dtype.kind in "biuf" else None
    return None


def _is_number(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return False
    return isinstance(value, (int, float, np.integer, np.floating)) or (isinstance(value, np.ndarray) and value.dtype.kind in "fiu")


def _is_whole(value: Any) -> bool:
    return _is_number(value) and np.asarray(value).dtype.kind in "iu"


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, (float, np.float32)) and isinstance(right, (float, np.float32)):  # by far the most; as below, but quickly
        one, two = float(left), float(right)
        return one == two or abs(one - two) <= CLOSE * 1e-2 + CLOSE * abs(two) < np.inf or (one != one and two != two)
    if type(left) is int and type(right) is int:
        return left == right
    if isinstance(left, str) and isinstance(right, str):  # NumPy's too
        return str(left) == str(right)
    if isinstance(left, (bool, np.bool_)) and isinstance(right, (bool, np.bool_)):
        return bool(left == right)
    if _is_number(left) and _is_number(right):
        first, second = np.asarray(left), np.asarray(right)
        if first.shape != second.shape:
            return False
        if first.dtype.kind in "iu" and second.dtype.kind in "iu":
            return bool(np.array_equal(first, second))
        return bool(np.allclose(first.astype(np.float64), second.astype(np.float64), rtol=CLOSE, atol=CLOSE * 1e-2, equal_nan=True))
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return left.dtype.kind == right.dtype.kind and left.dtype.kind in "bU" and np.array_equal(left, right)
    return type(left) is type(right) and not isinstance(left, np.ndarray) and bool(left == right)


def _same(left: Leaves, right: Leaves) -> bool:
    return left.keys() == right.keys() and all(_equal(left[key], right[key]) for key in left)


def _other_kind(training: Sequence[Any], inference: Sequence[Any]) -> Iterator[Named]:
    without = [sum(pair[side] is None and pair[1 - side] is not None for pair in zip(training, inference)) for side in (0, 1)]
    if without[1] and not without[0]:
        yield "nothing", f"gives None for {without[1]} of {len(inference)} samples that the training postprocessing answers"
    if without[0] and not without[1]:
        yield "nothing", f"answers {without[0]} of {len(inference)} samples for which the training postprocessing gives None"
    pairs = [(one, two) for one, two in zip(training, inference) if one is not None and two is not None]
    if not pairs:
        return
    one, two = pairs[0]
    if isinstance(one, Mapping) and isinstance(two, Mapping) and list(one) != list(two) and set(one) == set(two):
        yield "order", f"gives its keys in another order: {list(two)} for {list(one)}"
    if all(type(left) is not type(right) and not _by_value(left, right) for left, right in pairs):
        yield "type", f"answers {type(two).__name__} where the training postprocessing answers {type(one).__name__}"


def _other_keys(training: Sequence[Any], inference: Sequence[Any]) -> Iterator[Named]:
    """Dicts that have other keys, the same ones in every sample."""
    pairs = [(one, two) for one, two in zip(training, inference) if one is not None and two is not None]
    if not all(isinstance(one, Mapping) and isinstance(two, Mapping) for one, two in pairs):
        return
    lacking, added = (
        [tuple(key for key in a if key not in b) for a, b in side] for side in (pairs, [pair[::-1] for pair in pairs])
    )
    if len(set(lacking)) != 1 or len(set(added)) != 1 or not (lacking[0] or added[0]):
        return
    gone, new = (", ".join(map(repr, keys[0])) for keys in (lacking, added))
    if gone and new:
        renamed = len(lacking[0]) == len(added[0]) == 1 and all(
            _same(_leaves(one[lacking[0][0]]), _leaves(two[added[0][0]])) for one, two in pairs
        )
        yield "keys", f"calls {gone} {new}" if renamed else f"gives the keys {new} where the training postprocessing gives {gone}"
    yield "keys", f"leaves out {gone}" if gone else f"gives {new}, which the training postprocessing does not"


def _by_value(left: Any, right: Any) -> bool:
    """Whether two values of other types may agree nevertheless."""
    families = ((list, tuple, np.ndarray), (str,), (Mapping,))
    return (_is_scalar(left) and _is_scalar(right)) or any(isinstance(left, own) and isinstance(right, own) for own in families)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_)) or (_is_number(value) and not np.ndim(value))


def _other_length(training: Sequence[Any], inference: Sequence[Any]) -> Iterator[Named]:
    """Lists of which one side has the first items only, or those above another threshold."""
    sides = [(_listed(a), _listed(b)) for a, b in zip(training, inference)]
    places = {path for one, two in sides for path in one.keys() & two.keys() if len(one[path]) != len(two[path])}
    if not places or any(one.keys() != two.keys() for one, two in sides):
        return
    others = all(_all_same(one[path], two[path]) for one, two in sides for path in one if path not in places)
    if len(places) > 1 or not others:
        return
    place = places.pop()
    pairs = [(one[place], two[place]) for one, two in sides if place in one]
    most = [max(len(pair[side]) for pair in pairs) for side in (0, 1)]
    cut = min(most)
    longer = sum(max(len(a), len(b)) > cut for a, b in pairs)
    same = all(_all_same(a[:cut], b[:cut]) for a, b in pairs)
    found = list(left_out(pairs, _leaves, _equal))
    if same and cut and longer > 1:  # of one list only, a threshold or another step may leave as many
        whose = f" ({place})" if place else ""
        found = [(UNSURE, what) for _, what in found]
        found += [("top-k", f"gives the best {most[1]}{whose} where the training postprocessing gives the best {most[0]}")]
    yield from found


def _other_choice(one: Sequence[Leaves], two: Sequence[Leaves], scores: Array) -> Iterator[Named]:
    """Another choice from the scores: another axis, the smallest, the second best."""
    choices: list[tuple[int, Array]] = []
    for path in one[0]:
        if not all(path in leaves and _is_whole(leaves[path]) for leaves in (*one, *two)):
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
        if not all(path in leaves and _is_number(leaves[path]) and np.ndim(leaves[path]) == 0 for leaves in (*one, *two)):
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


def _other_softmax(one: Sequence[Leaves], two: Sequence[Leaves]) -> Iterator[Named]:
    """Rows of scores before or behind a softmax over their last axis, wherever they differ."""
    if any(left.keys() != right.keys() for left, right in zip(one, two)):
        return
    pairs = [(path, a[path], b[path]) for a, b in zip(one, two) for path in a if not _equal(a[path], b[path])]
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


def _other_values(one: Sequence[Leaves], two: Sequence[Leaves]) -> Iterator[Named]:
    """Numbers that are all moved or scaled alike, wherever they differ."""
    if any(left.keys() != right.keys() for left, right in zip(one, two)):
        return
    pairs = [(path, a[path], b[path]) for a, b in zip(one, two) for path in a if not _equal(a[path], b[path])]
    numbers = [pair for pair in pairs if not isinstance(pair[1], (bool, np.bool_))]
    if not numbers or not all(_is_number(a) and _is_number(b) and np.shape(a) == np.shape(b) for _, a, b in numbers):
        return
    places = list(dict.fromkeys(path for path, _, _ in numbers))
    every = [(a[path], b[path]) for a, b in zip(one, two) for path in places if path in a]
    for name, what in _moved(every, decided=len(numbers) < len(pairs)):
        yield name, what.replace(_PLACES, in_words(places, one))  # only of what fits: an answer may have thousands of places


def _other_types(one: Sequence[Leaves], two: Sequence[Leaves]) -> Iterator[Named]:
    """Texts for numbers, or the other way round, wherever something differs."""
    if any(left.keys() != right.keys() for left, right in zip(one, two)):
        return
    pairs = [(path, a[path], b[path]) for a, b in zip(one, two) for path in a if not _equal(a[path], b[path])]
    mine, theirs = ({type(pair[side]).__name__ for pair in pairs} for side in (1, 2))
    if (
        len(mine) == len(theirs) == 1
        and len({isinstance(value, str) for _, *both in pairs for value in both}) == 2
        and mine != theirs
    ):
        places = in_words(list(dict.fromkeys(path for path, _, _ in pairs)), one)
        yield "type", f"gives {places} as {theirs.pop()} where the training postprocessing gives {mine.pop()}"


def _moved(every: Sequence[tuple[Any, Any]], decided: bool) -> Iterator[Named]:
    """What was done to all numbers of the places that differ. decided: something else differs too."""
    left = np.concatenate([np.ravel(a).astype(np.float64) for a, _ in every])
    right = np.concatenate([np.ravel(b).astype(np.float64) for _, b in every])
    gap = right - left
    whole = all(_is_whole(a) and _is_whole(b) for a, b in every)
    enough = not decided or np.count_nonzero(gap) >= ENOUGH
    for digits in range(5):  # what is decided of a rounded number may be decided otherwise
        if enough and not whole and np.allclose(right, np.round(left, digits), rtol=0, atol=1e-9) and right.any():
            yield "precision", f"rounds {_PLACES} to {digits} digits"
    if decided:
        return
    if whole and gap.min() == gap.max() and np.ptp(left) > 0:  # of one value nobody knows whether the other would move alike
        yield "offset", f"adds {int(gap[0]):+d} to {_PLACES}"
    if not whole and np.all(np.abs(gap - gap[0]) <= 1e-6 * np.abs(right).max()) and len(gap) > 1 and np.ptp(left) > 0:
        yield "offset", f"adds {gap[0]:+.5g} to {_PLACES}"
    moving = left != 0
    if not whole and moving.any() and np.all(right[~moving] == 0):
        factor = right[moving] / left[moving]
        if np.isfinite(factor).all() and np.ptp(factor) <= 1e-4 * abs(float(factor[0])):
            number = float(factor.mean())
            if abs(number / 100 - 1) < 1e-4:
                yield "scale", f"multiplies {_PLACES} by 100, as percent for shares of one"
            elif abs(number * 100 - 1) < 1e-4:
                yield "scale", f"multiplies {_PLACES} by 0.01, as shares of one for percent"
            elif len(factor) > 1:
                yield "scale", f"multiplies {_PLACES} by {number:.5g}"
    if not whole and np.allclose(right, np.log(left), rtol=CLOSE):
        yield "log", f"gives the logarithm of {_PLACES}"
    if all(_is_number(a) and not _is_whole(a) and _is_whole(b) for a, b in every) and np.array_equal(right, np.trunc(left)):
        yield "precision", f"cuts {_PLACES} to whole numbers"


def _other_order(training: Sequence[Any], inference: Sequence[Any]) -> Iterator[Named]:
    """The same items of lists in another order, and nothing else."""
    sides = [(_listed(a), _listed(b)) for a, b in zip(training, inference)]
    if any(one.keys() != two.keys() for one, two in sides):
        return
    pairs = [(path, one[path], two[path]) for one, two in sides for path in one if not _all_same(one[path], two[path])]
    if not pairs or not all(len(a) == len(b) > 1 for _, a, b in pairs):
        return  # none: what differs is no list
    what = ", ".join(dict.fromkeys(path for path, _, _ in pairs if path))
    if all(_all_same(a, b[::-1]) for _, a, b in pairs):
        if len(pairs) > 1 and all(len(a) == 2 and all(map(_is_number, a)) for _, a, _ in pairs):
            yield "exchanged", "swaps columns 0 and 1"  # as of a point in each answer
        yield "order", f"gives {what or 'its answers'} in reverse order"
    if all(_permuted(a, b) for _, a, b in pairs):
        yield "order", f"gives {what or 'the same answers'} in another order"


def _listed(value: Any, path: str = "") -> dict[str, list[Any]]:
    """Every list of an answer by where it stands, with its items; what is in no list is one of a single item."""
    children: dict[str, Any] = {}
    if is_dataclass(value) and not isinstance(value, type):
        children = {f"{path}.{field.name}".lstrip("."): getattr(value, field.name) for field in fields(value)}
    elif isinstance(value, Mapping):
        children = {f"{path}[{key!r}]": child for key, child in value.items()}
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        children = {f"{path}.{name}".lstrip("."): child for name, child in zip(value._fields, value)}
    elif isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim):
        return {path: list(value)}
    else:
        return {path: [value]}
    return {key: items for name, child in children.items() for key, items in _listed(child, name).items()}


def _all_same(left: Sequence[Any], right: Sequence[Any]) -> bool:
    one, two = _as_array(left), _as_array(right)
    if one is not None and two is not None:
        return _equal(one, two)
    return len(left) == len(right) and all(_same(_leaves(a), _leaves(b)) for a, b in zip(left, right))


def _permuted(left: Sequence[Any], right: Sequence[Any]) -> bool:
    one, two = _as_array(left), _as_array(right)
    if one is not None and two is not None:
        same = one.shape == two.shape and _equal(np.sort(one, axis=None), np.sort(two, axis=None))
        if not same or one.ndim == 1:
            return same
    wanted = sorted((_leaves(item) for item in left), key=_rank)
    rest = sorted((_leaves(item) for item in right), key=_rank)
    for leaves in wanted:  # each is near the first that is left, as both are sorted
        at = next((index for index, other in enumerate(rest[:WINDOW]) if _same(leaves, other)), None)
        if at is None:
            return False
        del rest[at]
    return True


def _rank(leaves: Leaves) -> list[tuple[int, float, str]]:
    """By what items are sorted: numbers without their last digits, in which two that agree may differ."""
    ranks = []
    for path, value in leaves.items():
        is_number = _is_number(value) or isinstance(value, (bool, np.bool_))
        numbers = [np.inf] if not is_number else [float(value)] if not np.ndim(value) else [float(np.sum(value))]
        if is_number and np.ndim(value):  # the sums of long rows are nearly the same
            numbers += np.ravel(value)[:WINDOW].astype(np.float64).tolist()
        for number in numbers:
            ranks.append((0, float(f"{number:.3g}"), path) if np.isfinite(number) else (1, 0.0, path + str(value)))
    return ranks
