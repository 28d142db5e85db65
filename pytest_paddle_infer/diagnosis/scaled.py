"""Answers whose numbers are scaled by factors of their own in each sample or column: boxes in another picture's pixels. numpy only.

Called by `answers`. One factor for all is `answers`' own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pytest_paddle_infer.diagnosis.decisions import Named, bare, has_columns, quoted, split
from pytest_paddle_infer.diagnosis.finding import Array
from pytest_paddle_infer.diagnosis.leaves import Leaves, equal

_CONSTANT = 1e-3
"""Of a factor: what rounding may move it by from item to item."""

_TELLING = 3
"""Numbers that must repeat a factor of their sample and column: one number has always one."""

_SHOWN = 2
"""Samples whose factors are named."""

Columns = dict[str, tuple[list[float], list[float]]]


def scaled(one: Sequence[Leaves], two: Sequence[Leaves]) -> Iterator[Named]:
    """Numbers that are multiplied in every sample, by factors that differ from sample to sample or from column to column."""
    found: list[tuple[int, dict[str, float]]] = []
    repeated = 0
    for sample, (left, right) in enumerate(zip(one, two)):
        columns = _columns(left, right)
        if columns is None:
            return
        factors = {key: _factor(*sides) for key, sides in columns.items()}
        if None in factors.values():
            return
        moved = {key: factor for key, factor in factors.items() if factor is not None and abs(factor - 1) > _CONSTANT}
        repeated += sum(np.count_nonzero(columns[key][0]) - 1 for key in moved)
        if moved:
            found.append((sample, moved))
    if repeated < _TELLING:
        return
    keys = sorted({key for _, moved in found for key in moved})  # a picture may have the right width and another height
    each = np.array([[moved.get(key, 1.0) for key in keys] for _, moved in found])
    if np.ptp(each) <= _CONSTANT * np.abs(each).max():
        return
    names = ", ".join(dict.fromkeys(quoted(re.sub(r"\[\d+\]$", "", key)).lstrip(".") for key in keys))
    if np.ptp(each, axis=0).max() <= _CONSTANT * np.abs(each).max():
        yield "scale", f"multiplies the columns of {names} by {_shown(each[0])}"
        return
    told = ", ".join(f"{_shown(row)} for sample {sample}" for (sample, _), row in list(zip(found, each))[:_SHOWN])
    yield "scale", f"multiplies {names} by factors of each sample ({told}), as of boxes that are not scaled to their picture's size"


def _columns(left: Leaves, right: Leaves) -> Columns | None:
    """Both sides' numbers of each column of the places that differ; None where something else differs."""
    found: Columns = {}
    wrong: set[str] = set()
    for path, value in left.items():
        other = right[path]
        parts: list[tuple[str, Any, Any]]
        if has_columns(value) and isinstance(other, np.ndarray) and value.shape == other.shape:
            parts = [(f"{bare(path)}[{number}]", value[..., number], other[..., number]) for number in range(value.shape[-1])]
        else:
            parent, last = split(path)
            parts = [(bare(parent) + last, value, other)]
        for key, mine, theirs in parts:
            same = equal(mine, theirs)
            if not same and not (_floats(mine) and _floats(theirs)):
                return None
            wrong |= set() if same else {key}
            if _floats(mine) and _floats(theirs):
                sides = found.setdefault(key, ([], []))
                for side, values in zip(sides, (mine, theirs)):
                    side.extend(np.ravel(values).astype(np.float64).tolist())
    return {key: sides for key, sides in found.items() if key in wrong}


def _floats(value: Any) -> bool:
    return isinstance(value, (float, np.floating)) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")


def _factor(left: list[float], right: list[float]) -> float | None:
    """The one factor between two sides; None where there is none."""
    one, two = np.array(left), np.array(right)
    if not one.any() or np.any(two[one == 0]) or not (np.isfinite(one).all() and np.isfinite(two).all()):
        return None
    factors = two[one != 0] / one[one != 0]
    return float(factors.mean()) if np.ptp(factors) <= _CONSTANT * abs(float(factors.mean())) else None


def _shown(factors: Array) -> str:
    told = [f"{factor:.4g}" for factor in factors]
    return told[0] if len(set(told)) == 1 else f"({', '.join(told)})"
