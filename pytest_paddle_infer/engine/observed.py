"""What workers say of their engines: a batch, a predictor, times. Plain values that cross the border of a process."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pytest_paddle_infer.deployed.config import Effective
    from pytest_paddle_infer.deployed.proof import Evidence
    from pytest_paddle_infer.engine.processing import Arrays


@dataclass(frozen=True)
class Observation:
    """One batch through one engine: what went in, as a digest, tensors out, and the answer to each sample."""

    inputs: str
    outputs: Arrays
    answers: tuple[Any, ...]


@dataclass(frozen=True)
class LoadFacts:
    """What a predictor says of itself once it is there.

    versions: of the Paddle that runs it. pid: of the process that holds it. load_seconds: what making it took. gpu: what the driver
    calls the GPU.
    """

    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    effective: Effective
    evidence: Evidence
    versions: dict[str, str]
    pid: int
    load_seconds: float
    gpu: str = ""


@dataclass(frozen=True)
class Timings:
    """Seconds of each timed batch, by stage. shapes: of the tensors of each, as `judge.shapes.text_of` says them."""

    preprocess: tuple[float, ...]
    run: tuple[float, ...]
    postprocess: tuple[float, ...]
    samples: int
    total: float
    shapes: tuple[str, ...] = ()


def joined(parts: Sequence[Timings]) -> Timings:
    """Several runs as one."""
    columns = zip(*((part.preprocess, part.run, part.postprocess) for part in parts))
    preprocess, run, postprocess = (tuple(chain.from_iterable(column)) for column in columns)
    shapes = tuple(chain.from_iterable(part.shapes for part in parts))
    return Timings(preprocess, run, postprocess, sum(part.samples for part in parts), sum(part.total for part in parts), shapes)


def digest_of(inputs: Arrays) -> str:
    """SHA-256 of the tensors of a batch: dtype, shape and bytes."""
    digest = hashlib.sha256()
    for array in inputs:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
