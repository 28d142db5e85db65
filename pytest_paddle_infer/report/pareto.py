"""Who is best when there are several goals and noise: nothing here knows what a variant is. `report/matrix.py` calls it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable, TypeVar

T = TypeVar("T")


def dominates(one: Sequence[float], two: Sequence[float], tolerance: Sequence[float]) -> bool:
    """True when `one` is as good as `two` in every goal, and better in one. Small is good.

    Values that differ by no more than the tolerance of their goal are equal.
    """
    goals = list(zip(one, two, tolerance))
    return all(a - b <= allowed for a, b, allowed in goals) and any(b - a > allowed for a, b, allowed in goals)


def best_of(items: Sequence[T], beats: Callable[[T, T], bool]) -> list[bool]:
    """Says of each item whether it is among the best: it beats, directly or through others, whatever beats it so.

    Where nothing beats in a circle, these are the items that nothing beats. With tolerances a circle is possible from three goals on:
    each of three items is better than the next in one goal, and no other goal differs by more than its tolerance. Then none of them
    is better than the others, and all are as good as what is better than the rest. So the best are never none.
    """
    count = len(items)
    reached = [[beats(one, two) for two in items] for one in items]
    for through in range(count):  # Warshall 1962: from who beats whom to who does so through others
        for start in range(count):
            if reached[start][through]:
                reached[start] = [here or there for here, there in zip(reached[start], reached[through])]
    return [all(reached[mine][other] for other in range(count) if reached[other][mine]) for mine in range(count)]
