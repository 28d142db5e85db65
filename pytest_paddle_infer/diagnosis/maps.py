"""Maps and masks: arrays of an answer whose values stand elsewhere, or are numbered otherwise. numpy only."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from pytest_paddle_infer.cutting import first_ones
from pytest_paddle_infer.diagnosis.decisions import MOST_COLUMNS, SHOWN, Named, in_words
from pytest_paddle_infer.diagnosis.finding import Array
from pytest_paddle_infer.diagnosis.leaves import Leaves, differing, equal

MOVED = 8
"""Numbers of an array that must differ before it is said to be moved or numbered otherwise."""

MANY = 64
"""Numbers that must differ where something else differs too, which may follow from them: a share of a mask, the peak of a map."""

MOST_AXES = 5
"""Of an array whose axes are looked at."""

OFTEN = 4
"""How often a number must be there, on average, before it is said to stand for another one."""

Wrong = list[tuple[str, Array, Array]]


def moved(one: Sequence[Leaves], two: Sequence[Leaves]) -> Iterator[Named]:
    """Two axes that stand for each other, or one that is reversed, wherever arrays differ."""
    wrong = _wrong(one, two)
    ranks = {side.ndim for _, *sides in wrong for side in sides}
    rank = max(ranks, default=0)
    if len(ranks) != 1 or not 2 <= rank <= MOST_AXES:
        return
    names = in_words(list(dict.fromkeys(path for path, *_ in wrong)), one)
    for first, second in itertools.combinations(range(rank), 2):
        if all(equal(left, right.swapaxes(first, second)) for _, left, right in wrong):
            axes = "rows for columns" if rank == 2 else f"axes {first} and {second} exchanged"
            yield "transpose", f"gives {names} transposed ({axes})"
    if any(min(left.shape[-2:]) <= MOST_COLUMNS for _, left, _ in wrong):  # rows of a list and their columns, such as points
        return
    for axis in range(rank):
        if all(equal(left, np.flip(right, axis)) for _, left, right in wrong):
            how = ("upside down", "mirrored")[axis] if rank == 2 else f"reversed along axis {axis}"
            yield "flip", f"gives {names} {how}"


def renumbered(one: Sequence[Leaves], two: Sequence[Leaves]) -> Iterator[Named]:
    """Whole numbers of arrays that stand for others, each always for the same one: the classes of a mask."""
    wrong = _wrong(one, two)
    if not wrong or any(left.shape != right.shape or {left.dtype.kind, right.dtype.kind} - set("iu") for _, left, right in wrong):
        return
    left, right = (np.concatenate([sides[which].ravel().astype(np.int64) for _, *sides in wrong]) for which in (0, 1))
    values, first, inverse = np.unique(left, return_index=True, return_inverse=True)
    made = right[first]
    if len(values) < 2 or left.size < OFTEN * len(values) or len(np.unique(made)) < len(values):
        return
    if not np.array_equal(made[inverse.ravel()], right):
        return
    names = in_words(list(dict.fromkeys(path for path, *_ in wrong)), one)
    gaps, factors = set((made - values).tolist()), set((made[values != 0] / values[values != 0]).tolist())
    changed = [(int(mine), int(theirs)) for mine, theirs in zip(values, made) if mine != theirs]
    if len(gaps) == 1:
        yield "offset", f"adds {gaps.pop():+d} to {names}"
    elif len(factors) == 1 and np.all(made[values == 0] == 0) and len(changed) > 1:
        yield "scale", f"multiplies {names} by {factors.pop():.5g}"
    else:
        shown = first_ones([f"{theirs} for {mine}" for mine, theirs in changed], SHOWN)
        yield "labels", f"numbers {names} otherwise: {shown}"


def _wrong(one: Sequence[Leaves], two: Sequence[Leaves]) -> Wrong:
    """The arrays that differ, with their places; empty where they are few numbers, or hardly what everything else follows from."""
    wrong = differing(one, two)
    arrays = [each for each in wrong if all(isinstance(side, np.ndarray) and side.ndim for side in each[1:])]
    count = sum(left.size if left.shape != right.shape else int(np.count_nonzero(left != right)) for _, left, right in arrays)
    return arrays if count >= (MOVED if len(arrays) == len(wrong) else MANY) else []
