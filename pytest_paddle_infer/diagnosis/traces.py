"""What one run left behind on each side: the calls of the training layers, the values of the exported graph. Data, and how they compare."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SCOUTS = 64
"""Elements that are looked at before two tensors of a shape are compared whole."""


@dataclass(frozen=True)
class Call:
    """One call of a layer that calls no other layer.

    name: as `named_sublayers` has it. kind: its class. number: which call of this layer it is, from 0. inputs, outputs: positions in
    `Trace.tensors`. weighted: the layer has parameters or buffers of its own.
    """

    name: str
    kind: str
    number: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    weighted: bool = False

    def __str__(self) -> str:
        """`features.3 (Conv2D)`, with the number of the call from the second on."""
        again = f", call {self.number + 1}" if self.number else ""
        return f"{self.name} ({self.kind}{again})"


@dataclass(frozen=True)
class Trace:
    """A run of the training layer: every distinct tensor once, and the calls in their order. inputs, outputs: of the whole network."""

    tensors: tuple[Array, ...]
    calls: tuple[Call, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Value:
    """What one operator of the graph put out.

    op: its type, "" for an input of the graph. sources: the values it read, as positions in `GraphRun.values`. parameters: it read
    parameters too.
    """

    op: str
    array: Array
    sources: tuple[int, ...] = ()
    parameters: bool = False


@dataclass(frozen=True)
class GraphRun:
    """A run of the exported graph: its inputs, then the values in the order in which they were computed, and what it returned."""

    values: tuple[Value, ...]
    outputs: tuple[Array, ...]

    def below(self, start: int, parameters: bool = True) -> Iterator[int]:
        """Yields the values that depend on one, in order. parameters: also through operators that read parameters."""
        reached = {start}
        for place in range(start + 1, len(self.values)):
            value = self.values[place]
            if reached.intersection(value.sources) and (parameters or not value.parameters):
                reached.add(place)
                yield place

    def operators(self, first: int, last: int) -> tuple[str, ...]:
        """Types of the operators that lead from one value to another, in order; those after `first` when `last` is not below it."""
        below = [place for place in self.below(first) if place <= last]
        leading, wanted = [], {last}
        for place in reversed(below):
            if place in wanted:
                leading.append(place)
                wanted |= set(self.values[place].sources)
        return tuple(self.values[place].op for place in reversed(leading))


class Gather:
    """Collects tensors, each distinct one once; a layer's output and the next one's input are one tensor."""

    def __init__(self) -> None:
        self.tensors: list[Array] = []
        self._known: dict[Any, int] = {}

    def place(self, array: Array) -> int:
        """The position of the tensor, which is added when it is new."""
        key = _identity(array)
        if key not in self._known:
            self._known[key] = len(self.tensors)
            self.tensors.append(array)
        return self._known[key]


def _identity(array: Array) -> tuple[str, tuple[int, ...], bytes]:
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return str(array.dtype), array.shape, hashlib.blake2b(flat.data, digest_size=16).digest()


def distance(array: Array, wanted: Array) -> float:
    """Largest difference of two tensors of one shape, as a share of the largest value of `wanted`; inf where one is no number.

    The same NaN and Inf in both count as equal. Tensors that are not floating point differ by 0 or inf.
    """
    if array.shape != wanted.shape or array.dtype != wanted.dtype:
        return float("inf")
    if not array.size:
        return 0.0
    if array.dtype.kind not in "fc":
        return 0.0 if np.array_equal(array, wanted) else float("inf")
    wide = np.float64 if array.dtype.kind == "f" else np.complex128
    one, two = array.astype(wide), wanted.astype(wide)
    fine = np.isfinite(two)
    if not fine.all() or not np.isfinite(one).all():
        if not np.array_equal(one[~fine], two[~fine], equal_nan=True) or not np.isfinite(one[fine]).all():
            return float("inf")
        one, two = one[fine], two[fine]
        if not one.size:
            return 0.0
    apart, scale = float(np.abs(one - two).max()), float(np.abs(two).max())
    return 0.0 if apart == 0.0 else apart / scale if scale else float("inf")


def is_plain(array: Array) -> bool:
    """True for a tensor that proves nothing by being there: not floating point, or the same round number everywhere."""
    if array.dtype.kind not in "fc" or not array.size:
        return True
    first = array.reshape(-1)[0]
    return bool((array == first).all()) and (array.size > 1 or bool(first == np.round(first.real)))


@dataclass(frozen=True)
class Match:
    """Where a tensor was found among the values, and how far that value lies from it (see `distance`)."""

    place: int
    distance: float


class Matcher:
    """Looks tensors up among the values of a graph, by shape, dtype and content."""

    def __init__(self, arrays: Iterable[Array]) -> None:
        self._arrays = list(arrays)
        self._equal: dict[Any, list[int]] = {}
        self._alike: dict[Any, list[int]] = {}
        for place, array in enumerate(self._arrays):
            self._equal.setdefault(_identity(array), []).append(place)
            self._alike.setdefault((str(array.dtype), array.shape), []).append(place)

    def all(self, array: Array, limit: float) -> list[Match]:
        """Every place that holds the tensor: those that hold its very bits, or else those within `limit`, in order."""
        equal = self._equal.get(_identity(array))
        if equal:
            return [Match(place, 0.0) for place in equal]
        found = []
        alike = self.shaped_as(array)
        scale = float(np.abs(array).max()) if alike and array.dtype.kind == "f" and array.size else 0.0
        for place in alike:
            other = self._arrays[place]
            if _may_match(other, array, limit * scale) and (apart := distance(other, array)) <= limit:
                found.append(Match(place, apart))
        return found

    def find(self, array: Array, limit: float) -> Match | None:
        """The nearest of all places, and the first among equals."""
        return min(self.all(array, limit), key=lambda match: match.distance, default=None)

    def shaped_as(self, array: Array) -> list[int]:
        """Places of its shape and dtype."""
        return self._alike.get((str(array.dtype), array.shape), [])


def _may_match(other: Array, array: Array, most: float) -> bool:
    """Looks at a few elements: far cheaper than the whole of two tensors, and nearly always enough to tell them apart."""
    if array.dtype.kind != "f" or array.size <= SCOUTS:
        return True
    step = array.size // SCOUTS
    one, two = other.reshape(-1)[::step].astype(np.float64), array.reshape(-1)[::step].astype(np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.abs(one - two)
    return not bool((apart > most).any())
