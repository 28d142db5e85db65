"""Why the answers behind both postprocessing programs differ where the raw outputs agree. numpy only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from pytest_paddle_infer.diagnosis.agreement import CLOSE
from pytest_paddle_infer.diagnosis.choices import other_choice, other_softmax
from pytest_paddle_infer.diagnosis.decisions import (
    UNSURE,
    Named,
    always_one,
    another_threshold,
    exchanged,
    in_words,
    left_out,
    other_labels,
    quoted,
)
from pytest_paddle_infer.diagnosis.finding import Array, Finding
from pytest_paddle_infer.diagnosis.leaves import Leaves, as_array, differing, equal, is_number, is_whole, leaves_of, same
from pytest_paddle_infer.diagnosis.maps import MOVED, moved, renumbered
from pytest_paddle_infer.diagnosis.scaled import scaled

WINDOW = 32
"""Among how many items, sorted, the one that agrees is looked for: rounding may move it, but not far."""

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
    one, two = [leaves_of(answer) for answer in training], [leaves_of(answer) for answer in inference]
    if all(same(left, right) for left, right in zip(one, two)):
        return
    maps = [[leaves_of(answer, many=MOVED) for answer in side] for side in (training, inference)]
    yield from moved(maps[0], maps[1])
    yield from _other_order(training, inference)  # before a choice: an item of the same answers may be another choice by chance
    for scores in outputs:
        yield from other_choice(one[: len(scores)], two[: len(scores)], scores)
    yield from renumbered(maps[0], maps[1])
    yield from _other_length(training, inference)
    if all(left.keys() == right.keys() for left, right in zip(one, two)):
        for search in (exchanged, another_threshold, always_one, other_labels, scaled):
            yield from search(one, two)
    yield from _other_types(one, two)
    yield from _other_values(one, two)
    rows = [[leaves_of(answer, many=2) for answer in side] for side in (training, inference)]
    yield from other_softmax(rows[0], rows[1])


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
            same(leaves_of(one[lacking[0][0]]), leaves_of(two[added[0][0]])) for one, two in pairs
        )
        yield "keys", f"calls {gone} {new}" if renamed else f"gives the keys {new} where the training postprocessing gives {gone}"
    yield "keys", f"leaves out {gone}" if gone else f"gives {new}, which the training postprocessing does not"


def _by_value(left: Any, right: Any) -> bool:
    """Whether two values of other types may agree nevertheless."""
    families = ((list, tuple, np.ndarray), (str,), (Mapping,))
    return (_is_scalar(left) and _is_scalar(right)) or any(isinstance(left, own) and isinstance(right, own) for own in families)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_)) or (is_number(value) and not np.ndim(value))


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
    alike = all(_all_same(a[:cut], b[:cut]) for a, b in pairs)
    found = list(left_out(pairs))
    if alike and cut and longer > 1:  # of one list only, a threshold or another step may leave as many
        whose = f" ({place})" if place else ""
        found = [(UNSURE, what) for _, what in found]
        found += [("top-k", f"gives the best {most[1]}{whose} where the training postprocessing gives the best {most[0]}")]
    yield from found


def _other_values(one: Sequence[Leaves], two: Sequence[Leaves]) -> Iterator[Named]:
    """Numbers that are all moved or scaled alike, wherever they differ."""
    pairs = differing(one, two)
    numbers = [pair for pair in pairs if not isinstance(pair[1], (bool, np.bool_))]
    if not numbers or not all(is_number(a) and is_number(b) and np.shape(a) == np.shape(b) for _, a, b in numbers):
        return
    places = list(dict.fromkeys(path for path, _, _ in numbers))
    every = [(a[path], b[path]) for a, b in zip(one, two) for path in places if path in a]
    for name, what in _moved(every, decided=len(numbers) < len(pairs)):
        yield name, what.replace(_PLACES, in_words(places, one))  # only of what fits: an answer may have thousands of places


def _other_types(one: Sequence[Leaves], two: Sequence[Leaves]) -> Iterator[Named]:
    """Texts for numbers, or the other way round, wherever something differs."""
    pairs = differing(one, two)
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
    whole = all(is_whole(a) and is_whole(b) for a, b in every)
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
    if all(is_number(a) and not is_whole(a) and is_whole(b) for a, b in every) and np.array_equal(right, np.trunc(left)):
        yield "precision", f"cuts {_PLACES} to whole numbers"


def _other_order(training: Sequence[Any], inference: Sequence[Any]) -> Iterator[Named]:
    """The same items of lists in another order, and nothing else."""
    sides = [(_listed(a), _listed(b)) for a, b in zip(training, inference)]
    if any(one.keys() != two.keys() for one, two in sides):
        return
    pairs = [(path, one[path], two[path]) for one, two in sides for path in one if not _all_same(one[path], two[path])]
    if not pairs or not all(len(a) == len(b) > 1 for _, a, b in pairs):
        return  # none: what differs is no list
    what = ", ".join(dict.fromkeys(quoted(path) for path, _, _ in pairs if path))
    if all(_all_same(a, b[::-1]) for _, a, b in pairs):
        if len(pairs) > 1 and all(len(a) == 2 and all(map(is_number, a)) for _, a, _ in pairs):
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
    one, two = as_array(left), as_array(right)
    if one is not None and two is not None:
        return equal(one, two)
    return len(left) == len(right) and all(same(leaves_of(a), leaves_of(b)) for a, b in zip(left, right))


def _permuted(left: Sequence[Any], right: Sequence[Any]) -> bool:
    one, two = as_array(left), as_array(right)
    if one is not None and two is not None:
        alike = one.shape == two.shape and equal(np.sort(one, axis=None), np.sort(two, axis=None))
        if not alike or one.ndim == 1:
            return alike
    wanted = sorted((leaves_of(item) for item in left), key=_rank)
    rest = sorted((leaves_of(item) for item in right), key=_rank)
    for leaves in wanted:  # each is near the first that is left, as both are sorted
        at = next((index for index, other in enumerate(rest[:WINDOW]) if same(leaves, other)), None)
        if at is None:
            return False
        del rest[at]
    return True


def _rank(leaves: Leaves) -> list[tuple[int, float, str]]:
    """By what items are sorted: numbers without their last digits, in which two that agree may differ."""
    ranks = []
    for path, value in leaves.items():
        numeric = is_number(value) or isinstance(value, (bool, np.bool_))
        numbers = [np.inf] if not numeric else [float(value)] if not np.ndim(value) else [float(np.sum(value))]
        if numeric and np.ndim(value):  # the sums of long rows are nearly the same
            numbers += np.ravel(value)[:WINDOW].astype(np.float64).tolist()
        for number in numbers:
            ranks.append((0, float(f"{number:.3g}"), path) if np.isfinite(number) else (1, 0.0, path + str(value)))
    return ranks
