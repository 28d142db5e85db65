"""What is decided otherwise in answers whose numbers agree: names exchanged, another threshold, another list of labels. numpy only.

Answers come as `Leaves`: every value by where it stands. A place is its parent and its last step: "[0]" and "['x']" of "[0]['x']".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pytest_paddle_infer.cutting import first_ones
from pytest_paddle_infer.diagnosis.finding import Array
from pytest_paddle_infer.diagnosis.leaves import Leaves, equal, leaves_of, same

Named = tuple[str, str]

FEWEST = 5
"""Decisions that must be there before a threshold is told from them: of fewer, any would fit."""

SHOWN = 3
"""Places, or values, that a sentence names."""

FEW = 3
"""Items that must be left out before a threshold is told as certain: another step may leave out one or two of the last ones by chance."""

UNSURE = "left out"
"""The name of what fits the answers, but not it alone."""

SCORE = re.compile(r"score|prob|conf", re.IGNORECASE)
"""How a number is called by which items are chosen. Other numbers of an item, as its place, may part chosen ones from others by chance."""

MOST_COLUMNS = 16
"""Of an array that is looked at by its columns: x, y and what else there is of a point or a box, not the pixels of a mask."""


def in_words(places: Sequence[str], answers: Sequence[Leaves]) -> str:
    """Places as a reader names them. Where all items of a list are meant they have no number; of many places the first three are named."""
    here = set(places)
    elsewhere = {bare(path) for path in {path for leaves in answers for path in leaves} - here}
    shown = dict.fromkeys(quoted(place if bare(place) in elsewhere else bare(place)) for place in places)
    names = list(shown)
    return first_ones(names, SHOWN)


def bare(place: str) -> str:
    """A place without the numbers in it."""
    return re.sub(r"\[\d+\]", "", place)


def quoted(place: str) -> str:
    """['x'] as 'x'."""
    return re.sub(r"^\[('[^']*')\]$", r"\1", place) or "the answer"


def split(path: str) -> tuple[str, str]:
    """The parent and the last step of a place."""
    found = re.search(r"(\[[^\[\]]*\]|\.?[^.\[\]]+)$", path)
    return (path[: found.start()], found[0]) if found else (path, "")


# -- names exchanged ---------------------------------------------------------------------------------------------------


def exchanged(one: Sequence[Leaves], two: Sequence[Leaves]) -> Iterator[Named]:
    """Two names, or two columns, whose values stand in each other's place wherever they differ."""
    columns: dict[str, list[tuple[tuple[int, str], Any, Any]]] = {}
    for sample, (left, right) in enumerate(zip(one, two)):
        for path in left:
            parent, last = split(path)
            columns.setdefault(last, []).append(((sample, parent), left[path], right.get(path)))
            here, there = left[path], right.get(path)
            if has_columns(here) and isinstance(there, np.ndarray) and here.shape == there.shape:
                for number in range(here.shape[-1]):
                    pair = here[..., number], there[..., number]
                    columns.setdefault(f"{last}[{number}]", []).append(((sample, parent), *pair))
    arrays = {last for last in columns if any(isinstance(value, np.ndarray) and value.ndim for _, value, _ in columns[last])}
    cut = {last for last in columns if f"{last}[0]" in columns and last in arrays}  # seen by its columns
    wrong = [last for last in columns if last not in cut and not all(equal(a, b) for _, a, b in columns[last])]
    if len(wrong) != 2:
        return
    first, second = (columns[last] for last in wrong)
    if [where for where, _, _ in first] != [where for where, _, _ in second]:
        return
    crossed = all(equal(a, d) and equal(c, b) for (_, a, b), (_, c, d) in zip(first, second))
    moved = sum(np.size(a) for (_, a, b) in first if not equal(a, b))
    if crossed and moved >= 2 and _has_three([a for _, a, _ in (*first, *second)]):
        what = "columns" if all(re.fullmatch(r".*\[\d+\]", last) for last in wrong) else ""
        names = [re.search(r"\[(\d+)\]$", last)[1] if what else quoted(last).lstrip(".") for last in wrong]  # type: ignore[index]
        yield "exchanged", f"swaps {what}{' ' * bool(what)}{names[0]} and {names[1]}"


def _has_three(values: Sequence[Any]) -> bool:
    """Whether there are more than two values: of two, each may have become the other one where it stood."""
    seen: set[str] = set()
    for value in values:
        seen.update(map(str, np.unique(value)[:3] if isinstance(value, np.ndarray) else [value]))
        if len(seen) > 2:
            return True
    return False


def has_columns(value: Any) -> bool:
    """True for an array of points, boxes and the like."""
    return isinstance(value, np.ndarray) and value.ndim > 0 and value.shape[-1] <= MOST_COLUMNS


# -- thresholds --------------------------------------------------------------------------------------------------------


def another_threshold(one: Sequence[Leaves], two: Sequence[Leaves]) -> Iterator[Named]:
    """Booleans that differ, beside a number that does not: both sides cut it, at another value or the other way round."""
    wrong = {split(path)[1] for left, right in zip(one, two) for path in left if not equal(left[path], right.get(path))}
    if len(wrong) != 1:
        return
    last = wrong.pop()
    rows: list[tuple[bool, bool, Mapping[str, float]]] = []
    for left, right in zip(one, two):
        floats: dict[str, dict[str, float]] = {}
        decided: list[tuple[str, str]] = []
        for path, value in left.items():
            parent, own = split(path)
            if _is_float(value):
                floats.setdefault(parent, {})[own] = float(value)
            if own == last:
                decided.append((path, parent))
        for path, parent in decided:
            if not isinstance(left[path], (bool, np.bool_)) or not isinstance(right[path], (bool, np.bool_)):
                return
            rows.append((bool(left[path]), bool(right[path]), floats.get(parent, {})))
    name = quoted(last).lstrip(".")
    kinds = [{row[side] for row in rows} for side in (0, 1)]
    if len(rows) >= FEWEST and all(mine != theirs for mine, theirs, _ in rows) and len(kinds[0]) == 2:
        yield "inverted", f"decides {name} the other way round for every sample"
    if min(map(len, kinds)) < 2:  # nothing was cut there: a constant, as of a step that was left out
        if len(rows) >= FEWEST:
            mine, theirs = (
                f"{values.pop()} for {name} every time" if len(values) == 1 else f"True and False for {name}" for values in kinds
            )
            yield "decision", f"gives {theirs} where the training postprocessing gives {mine}"
        return
    found: dict[str, str] = {}
    for score in rows[0][2] if len(rows) >= FEWEST else ():
        if not all(score in beside for _, _, beside in rows):
            continue
        values = np.array([beside[score] for _, _, beside in rows])
        sides = [np.array([mine for mine, _, _ in rows]), np.array([theirs for _, theirs, _ in rows])]
        for sign in (1, -1):  # what lies above the threshold is chosen, or what lies below it
            cuts = [_cut(sign * values, side) for side in sides]
            if cuts[0] is not None and cuts[1] is not None:
                mine, theirs = (_between(cut, sign) for cut in cuts if cut is not None)
                shown = quoted(score).lstrip(".")
                found[score] = f"decides {name} by another threshold: {shown} {theirs}, in training {mine}"
    scores = [score for score in found if SCORE.search(score)] or list(found)
    if len(scores) == 1:
        yield "threshold", found[scores[0]]


def always_one(one: Sequence[Leaves], two: Sequence[Leaves]) -> Iterator[Named]:
    """Whole numbers or booleans of one name that are all the same on the inference side, and are not on the training side."""
    wrong = {bare(path) for left, right in zip(one, two) for path in left if not equal(left[path], right[path])}
    if len(wrong) != 1:
        return
    place = wrong.pop()
    pairs = [(np.ravel(left[path]), np.ravel(right[path])) for left, right in zip(one, two) for path in left if bare(path) == place]
    if not all(side.dtype.kind in "iub" for pair in pairs for side in pair):
        return
    mine, theirs = (np.concatenate(sides) for sides in zip(*pairs))
    values = [str(value) for value in np.unique(mine)]
    if len(values) > 1 and len(np.unique(theirs)) == 1:
        shown = first_ones(values, SHOWN) if len(values) > SHOWN + 1 else f"{', '.join(values[:-1])} and {values[-1]}"
        name = quoted(place).lstrip(".")
        yield (
            "decision" if len(theirs) >= FEWEST else UNSURE,
            f"gives {theirs[0]} for {name} every time where the training postprocessing gives {shown}",
        )


def _is_float(value: Any) -> bool:
    return isinstance(value, (float, np.floating)) and bool(np.isfinite(value))


def _cut(values: Array, chosen: Array) -> tuple[float, float] | None:
    """Between which two values the threshold lies above which all are chosen and none below; None where there is none."""
    low, high = float(values[~chosen].max(initial=-np.inf)), float(values[chosen].min(initial=np.inf))
    return (low, high) if low < high else None


def _between(cut: tuple[float, float], sign: int) -> str:
    low, high = sorted(sign * edge for edge in cut)
    if np.isinf(low) or np.isinf(high):
        return f"below {high:.4g}" if np.isinf(low) else f"above {low:.4g}"
    return f"between {low:.4g} and {high:.4g}"


def left_out(sides: Sequence[tuple[Sequence[Any], Sequence[Any]]]) -> Iterator[Named]:
    """Lists of which one side has some items only, and those that it has not all score lower than the ones that it has.

    sides: the list of the training and of the inference side, for each sample. Named `UNSURE` where few are left out.
    """
    for whole, part, verb in ((0, 1, "leaves out items"), (1, 0, "keeps items")):
        split = [_kept(pair[whole], pair[part]) for pair in sides]
        if any(found is None for found in split):
            continue
        rows = [(chosen, leaves_of(item)) for pair, found in zip(sides, split) for item, chosen in zip(pair[whole], found or ())]
        chosen = np.array([kept for kept, _ in rows], bool)
        if len(rows) < FEWEST or chosen.all() or not chosen.any():
            continue
        for path in rows[0][1]:
            if not SCORE.search(path) or not all(_is_float(row.get(path)) for _, row in rows):
                continue
            values = np.array([float(row[path]) for _, row in rows])
            low, high = float(values[~chosen].max()), float(values[chosen].min())
            if low < high:
                yield (
                    UNSURE if np.count_nonzero(~chosen) < FEW else "threshold",
                    f"{verb} as another threshold does: those whose {quoted(path)} is {low:.4g} or less ({high:.4g} or more agree)",
                )


def _kept(whole: Sequence[Any], part: Sequence[Any]) -> list[bool] | None:
    """Which items of `whole` are those of `part`, in their order; None where `part` has others."""
    chosen, wanted = [], [leaves_of(item) for item in part]
    found = 0
    for item in whole:
        kept = found < len(wanted) and same(leaves_of(item), wanted[found])
        chosen.append(kept)
        found += kept
    return chosen if found == len(wanted) else None


# -- labels ------------------------------------------------------------------------------------------------------------


def other_labels(one: Sequence[Leaves], two: Sequence[Leaves]) -> Iterator[Named]:
    """Words that stand for others, each always for the same one, and nothing else differs."""
    wrong = {bare(path) for left, right in zip(one, two) for path in left if not equal(left[path], right.get(path))}
    if len(wrong) != 1:
        return
    place = wrong.pop()
    pairs = [(left[path], right[path]) for left, right in zip(one, two) for path in left if bare(path) == place]
    if not all(isinstance(value, str) for pair in pairs for value in pair):
        return
    named = dict(pairs)
    if any(named[mine] != theirs for mine, theirs in pairs) or len(set(named.values())) != len(named):
        return
    if len(named) < 2 or len(pairs) - len(named) < 2:  # each word once: any other words would fit
        return
    changed = [(str(mine), str(theirs)) for mine, theirs in named.items() if mine != theirs]  # without NumPy's type
    shown = first_ones([f"{theirs!r} for {mine!r}" for mine, theirs in changed], SHOWN)
    where = quoted(place).lstrip(".")
    if set(named) & {theirs for _, theirs in changed}:
        yield "labels", f"takes {where} from a list in another order: {shown}"
    else:
        yield "labels", f"names {where} otherwise: {shown}"
