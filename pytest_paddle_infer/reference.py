"""The training side's answers with their references, read back from the store: noise floors, responses, and what to compare with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_paddle_infer.judge.noise import Floor, FloorMeter, ResponseMeter, rows

if TYPE_CHECKING:
    from pytest_paddle_infer.judge.noise import Array

    Arrays = list[Array]


@dataclass(frozen=True)
class ReferenceBatch:
    """One batch: what the training engine was given (a digest), what it answered, and the same in float64."""

    start: int
    stop: int
    inputs: str
    training: Arrays
    exact: Arrays | None


@dataclass(frozen=True)
class Reference:
    """Everything about the training side that does not depend on the variant.

    names: of the outputs, as the model returns them (dict keys, list positions, "" for a single one). source: "float64" or "one ulp".
    """

    batches: tuple[ReferenceBatch, ...]
    names: tuple[str, ...]
    floors: tuple[Floor, ...]
    responses: tuple[float, ...]
    source: str
    moved: bool = False
    """The floors know of inputs and parameters moved by one ulp as well: several draws of rounding, where float64 shows one a sample."""

    def batch(self, start: int, stop: int) -> ReferenceBatch | None:
        """The batch of these samples; None beyond the first ones."""
        return next((batch for batch in self.batches if (batch.start, batch.stop) == (start, stop)), None)


def read_reference(directory: Path, meta: Mapping[str, Any]) -> Reference:
    """Reads what `ReferenceService.compute` wrote, and measures floors and responses."""
    with np.load(directory / "reference.npz", allow_pickle=False) as arrays:
        training, references, moved = (_by_batch(arrays, name, len(meta["outputs"])) for name in ("training", "reference", "moved"))
    exact = meta["source"] == "float64"
    batches = tuple(
        ReferenceBatch(start, stop, digest, training[number], references[number] if exact else None)
        for number, (start, stop, digest) in enumerate(meta["batches"])
    )
    sizes = [batch.stop - batch.start for batch in batches] + [1] * (len(training) - len(batches))  # a mirrored sample is last
    floors, responses = [], []
    for index in range(len(meta["outputs"])):
        floor, response = FloorMeter(meta["source"], _scale(training, index, sizes)), ResponseMeter()
        for answers in (training, moved):  # moved: in other roundings, where the outputs have few errors
            for left, right in _paired(answers, references, index, sizes):
                if left.dtype.kind in "fc" and left.shape == right.shape:
                    floor.add(left, right)
        for left, right in _paired(training, references, index, sizes):
            own = right if exact else left
            response.add(own.astype(np.float64) if left.dtype.kind in "bui" else own)
        floors.append(floor.floor())
        responses.append(response.response())
    return Reference(
        batches, tuple(meta["outputs"]), tuple(floors), tuple(responses), str(meta["source"]), bool(moved) or not exact
    )


def with_coarse_floors(reference: Reference, directory: Path, precision: str) -> Reference:
    """The same reference with the floors of a coarser precision, from what `CoarseService.compute` wrote."""
    with np.load(directory / "coarse.npz", allow_pickle=False) as arrays:
        coarse = _by_batch(arrays, "coarse", len(reference.floors))
    training = [batch.training for batch in reference.batches]
    exact = [batch.exact or batch.training for batch in reference.batches]
    sizes = [batch.stop - batch.start for batch in reference.batches]
    floors = []
    for index in range(len(reference.floors)):
        meter = FloorMeter(f"{precision} rounding", _scale(training, index, sizes), precision)
        for left, right in _paired(coarse, exact, index, sizes):
            if left.dtype.kind in "fc" and left.shape == right.shape:
                meter.add(left, right)
        floors.append(meter.floor())
    return replace(reference, floors=tuple(floors), source=f"{precision} rounding")


def _paired(
    answers: Sequence[Arrays], references: Sequence[Arrays], index: int, sizes: Sequence[int]
) -> Iterator[tuple[Array, Array]]:
    """Yields one output of each sample with its reference."""
    for size, own, other in zip(sizes, answers, references):
        yield from zip(rows(own[index], size), rows(other[index], size))


def _scale(training: Sequence[Arrays], index: int, sizes: Sequence[int]) -> float:
    """The median of the largest values of the samples of a float output."""
    parts = [part for size, own in zip(sizes, training) for part in rows(own[index], size) if part.dtype.kind in "fc" and part.size]
    largest = [float(np.abs(part).max()) for part in parts]
    return float(np.median(largest)) if largest and np.isfinite(largest).all() else 0.0


def _by_batch(arrays: Any, name: str, outputs: int) -> Sequence[Arrays]:
    count = sum(1 for key in arrays.files if key.startswith(f"{name}_") and key.endswith("_0"))
    return [[arrays[f"{name}_{number}_{index}"] for index in range(outputs)] for number in range(count)]
