"""What an answer consists of: its numbers, texts and arrays by where they stand; and when two of them are equal. numpy only."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from pytest_paddle_infer.diagnosis.agreement import CLOSE
from pytest_paddle_infer.diagnosis.finding import Array

Leaves = dict[str, Any]
"""Every value of an answer by its place: "class_id", "boxes[0]"."""

MANY = 256
"""Numbers of a list, its lists included, from which on they are looked at as one array: a mask as a list may have a million."""


def leaves_of(value: Any, path: str = "", many: int = MANY) -> Leaves:
    """Every number, string and array of an answer, by where it stands: "class_id", "boxes[0]". many: numbers that make a list an array."""
    children: dict[str, Any] = {}
    if is_dataclass(value) and not isinstance(value, type):
        children = {f"{path}.{field.name}" if path else field.name: getattr(value, field.name) for field in fields(value)}
    elif isinstance(value, Mapping):
        children = {f"{path}[{key!r}]": child for key, child in value.items()}
    elif isinstance(value, (list, tuple)):
        names = getattr(value, "_fields", None)
        array = None if names else as_array(value, many)
        if array is not None:
            return {path: array}
        children = {
            (f"{path}.{names[index]}".lstrip(".") if names else f"{path}[{index}]"): child for index, child in enumerate(value)
        }
    else:
        return {path: value}
    return {key: leaf for name, child in children.items() for key, leaf in leaves_of(child, name, many).items()}


def as_array(value: Sequence[Any], many: int = MANY) -> Array | None:
    """So many numbers or more in lists of one length each as an array; None of fewer, and of all else."""
    size, first = 1, value
    while isinstance(first, (list, tuple)) and len(first) and not hasattr(first, "_fields"):
        size, first = size * len(first), first[0]
    if size * np.size(first) < many or not (is_number(first) or isinstance(first, (bool, np.bool_))):
        return None
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy before 1.24 warns of lists of several lengths
        made = np.asarray(value)
        return made if made.dtype.kind in "biuf" else None
    return None


def is_number(value: Any) -> bool:
    """True for a number or an array of numbers; a boolean is none."""
    if isinstance(value, (bool, np.bool_)):
        return False
    return isinstance(value, (int, float, np.integer, np.floating)) or (isinstance(value, np.ndarray) and value.dtype.kind in "fiu")


def is_whole(value: Any) -> bool:
    """True for an integer, or an array of them."""
    return is_number(value) and np.asarray(value).dtype.kind in "iu"


def equal(left: Any, right: Any) -> bool:
    """Whether two values agree: floats but for rounding (`CLOSE`), all else exactly."""
    if isinstance(left, (float, np.float32)) and isinstance(right, (float, np.float32)):  # by far the most; as below, but quickly
        one, two = float(left), float(right)
        return one == two or abs(one - two) <= CLOSE * 1e-2 + CLOSE * abs(two) < np.inf or (one != one and two != two)
    if type(left) is int and type(right) is int:
        return left == right
    if isinstance(left, str) and isinstance(right, str):  # NumPy's too
        return str(left) == str(right)
    if isinstance(left, (bool, np.bool_)) and isinstance(right, (bool, np.bool_)):
        return bool(left == right)
    if is_number(left) and is_number(right):
        first, second = np.asarray(left), np.asarray(right)
        if first.shape != second.shape:
            return False
        if first.dtype.kind in "iu" and second.dtype.kind in "iu":
            return bool(np.array_equal(first, second))
        return bool(np.allclose(first.astype(np.float64), second.astype(np.float64), rtol=CLOSE, atol=CLOSE * 1e-2, equal_nan=True))
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return left.dtype.kind == right.dtype.kind and left.dtype.kind in "bU" and np.array_equal(left, right)
    return type(left) is type(right) and not isinstance(left, np.ndarray) and bool(left == right)


def differing(one: Sequence[Leaves], two: Sequence[Leaves]) -> list[tuple[str, Any, Any]]:
    """Each place whose values differ, with both values, in the order of the samples; empty where two answers have other places."""
    if any(left.keys() != right.keys() for left, right in zip(one, two)):
        return []
    return [(path, left[path], right[path]) for left, right in zip(one, two) for path in left if not equal(left[path], right[path])]


def same(left: Leaves, right: Leaves) -> bool:
    """Whether two answers have the same places, and equal values there."""
    return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
