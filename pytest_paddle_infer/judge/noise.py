"""The noise floor: how far rounding alone moves an output, and what an engine of a given precision may differ by.

For an output and a sample, with r the training engine in float64 and t the training engine as it is, `s = max|r|` is the scale and
`|t - r| / s` the error that float32 itself makes. The floor of an output is the largest such error of any sample, but at least
4 ulp. An engine passes while its own error against r stays within `K * floor`, for the maximum and for the RMS.

A variant that computes in TF32, fp16 or bf16 has a floor of its own: how far the training engine moves from r when its inputs, its
parameters and what every layer puts out are rounded so. That was measured against oneDNN's bf16 on seven nets of the zoo, with softmax and
without, on 3.3.1 and 2.6.2: it made 0.23 to 2.0 floors. (Scaling the float32 floor by the unit roundoffs gives limits far above the
outputs themselves, because bf16 kernels add up in float32.) int8 has no rounding rule: its error is that of the quantisation scales.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

K = 4.0
"""Correct engines lie at 0.3 to 2.2 floors on 37 nets of the zoo (oneDNN, `benchmarks/floors.py --zoo`): the smallest power of two above.

One lies at 4.4: what is refused by little has its floor measured again (`References.steadier`)."""

FLOOR_ULPS = 4.0
"""Smallest floor, in ulp: small nets may round to the reference by luck."""

UNIT_ROUNDOFF = {"fp32": 2.0**-24, "tf32": 2.0**-11, "fp16": 2.0**-11, "bf16": 2.0**-8}
"""Half the distance from 1 to the next number: IEEE 754 single and half, NVIDIA's TF32 (10 bits), bfloat16 (7 bits)."""


NEAR_TIES = {"fp32": 16 * UNIT_ROUNDOFF["fp32"], **{name: K * UNIT_ROUNDOFF[name] for name in ("tf32", "fp16", "bf16")}}
"""How far inputs and what every layer puts out are moved, as a share, to see which integers rounding alone decides.

Integers come of a comparison of floats (argmax, a threshold), and have no distances: what can be told is whether an element stands on the
edge. Kernels of float32 add up in another order and part by several roundings of 2^-24; coarser precisions round each layer's result once.
"""


@dataclass(frozen=True)
class Error:
    """How far one sample's output lies from the reference, over the reference's largest value."""

    maximum: float
    rms: float


def error(candidate: Array, reference: Array, least_scale: float = 0.0) -> Error:
    """Returns the error of a float output against its reference; 0 where both are 0 everywhere, inf where only the reference is.

    least_scale: what the error is measured by where the reference's largest value is smaller (see `Floor`).
    """
    if not reference.size:
        return Error(0.0, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):  # Inf is an answer here, and warnings are errors in many suites
        wide = np.abs(np.asarray(candidate, _wide(candidate)) - reference)
        scale = max(float(np.abs(reference).max()), least_scale)
        worst = float(wide.max())
        if worst == 0:
            return Error(0.0, 0.0)
        if scale == 0:
            return Error(float("inf"), float("inf"))
        ratio = wide / scale  # before squaring: values of 1e200 and of 1e-200 must survive
        return Error(worst / scale, float(np.sqrt(np.mean(np.square(ratio)))))


def _wide(array: Array) -> type:
    return np.complex128 if array.dtype.kind == "c" else np.float64


@dataclass(frozen=True)
class Floor:
    """The noise floor of one output. `source` is "float64", "one ulp" where no float64 run was possible, or "bf16 rounding" and so on.

    scale: the median of the samples' largest values. Errors of a sample are measured by its own largest value, but not by less than
    this: an output that crosses zero (one logit a sample) is small by cancellation, and its rounding is not.
    """

    maximum: float
    rms: float
    source: str = "float64"
    scale: float = 0.0

    @property
    def limit(self) -> Error:
        """The largest error that an engine may make."""
        return Error(K * self.maximum, K * self.rms)


class FloorMeter:
    """Takes the training engine's outputs with their references, sample by sample."""

    def __init__(self, source: str = "float64", scale: float = 0.0, precision: str = "fp32") -> None:
        self._source = source
        self._precision = precision
        self._scale = scale
        self._maximum = self._rms = 0.0

    def add(self, training: Array, reference: Array) -> None:
        """Takes one sample of a float output."""
        own = error(training, reference, self._scale)
        if np.isfinite(own.maximum):
            self._maximum = max(self._maximum, own.maximum)
            self._rms = max(self._rms, own.rms)

    def floor(self) -> Floor:
        """Returns the floor. The least maximum is 4 ulp, the least RMS 1 ulp: a training engine may be exact by luck.

        Of a coarser precision the least maximum is half an ulp, which rounding the output itself costs.
        """
        ulps = FLOOR_ULPS if self._precision == "fp32" else 0.5
        least = ulps * 2 * UNIT_ROUNDOFF[self._precision]
        return Floor(max(self._maximum, least), max(self._rms, least / FLOOR_ULPS), self._source, self._scale)


FEW = 64.0
"""Errors that tell a floor: the largest of so many is within a factor of 2 of that of any other 64; of a handful it is luck."""


def effective_count(errors: Array) -> float:
    """Returns how many errors of one size would spread like these: `(sum e^2)^2 / sum e^4`; 0 when none differs from 0.

    A saturated softmax has a thousand outputs and errors in two of them: it counts as two.
    """
    largest = float(errors.max(initial=0.0))
    if not 0 < largest < float("inf"):
        return 0.0
    squares = np.square(errors / largest)
    return float(squares.sum() ** 2 / np.square(squares).sum())


# -- resolution --------------------------------------------------------------------------------------------------------

VACUOUS = 10.0
"""Least resolution: a comparison whose limit is a tenth of what changing the picture does sees no fault worth the name."""


@dataclass(frozen=True)
class Resolution:
    """How fine a fault a comparison could see: what changing the sample does to the output, over the limit."""

    response: float
    limit: float

    @property
    def ratio(self) -> float:
        """Response over limit; infinite for a limit of 0."""
        return self.response / self.limit if self.limit else (float("inf") if self.response else 0.0)

    @property
    def vacuous(self) -> bool:
        """True when the comparison could not tell much from nothing."""
        return not self.ratio >= VACUOUS


class ResponseMeter:
    """Takes the reference of each sample in turn; the response is the largest difference between two that follow each other.

    The last is held against the first too, so this is also the negative control: the references rolled by one sample, judged as if they
    were an engine's answers. Outputs of other shapes (boxes of varying count) are as different as can be.
    """

    def __init__(self) -> None:
        self._first: Array | None = None
        self._last: Array | None = None
        self._response = 0.0

    def add(self, reference: Array) -> None:
        """Takes one sample's reference."""
        if self._last is not None:
            self._compare(self._last, reference)
        self._first = reference if self._first is None else self._first
        self._last = reference

    def _compare(self, other: Array, reference: Array) -> None:
        if other.shape != reference.shape:
            self._response = max(self._response, 1.0)
        else:
            moved = error(other, reference).maximum
            self._response = max(self._response, 1.0 if np.isinf(moved) else moved)

    def response(self) -> float:
        """Returns the response; 0 with fewer than two samples."""
        if self._first is not None and self._last is not None and self._first is not self._last:
            self._compare(self._last, self._first)
        return self._response


def rows(array: Array, size: int) -> Iterator[Array]:
    """Yields the part of each of `size` samples; an output without a batch axis is one part for all."""
    if array.ndim and len(array) and len(array) % size == 0:
        step = len(array) // size
        for index in range(size):
            yield array[index * step : (index + 1) * step]
    else:
        yield array
