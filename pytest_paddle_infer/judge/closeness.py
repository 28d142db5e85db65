"""The parity rule of single outputs: same shape, dtype and finite values, and no further apart than rounding explains.

The rule is `Noise` (see `judge.noise`), or the user's `Tolerance`. Bools are compared exactly, and integers too unless a tolerance names
their output; but those that the training engine's own rounding decides are near ties, as of two classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable, Union

import numpy as np
import numpy.typing as npt

from pytest_paddle_infer.judge.noise import Array, Floor, Resolution, rows


@dataclass(frozen=True)
class Noise:
    """The noise rule: `|i - r|` within the limit of the floor; where no float64 reference is at hand `|i - t|`, with one floor more."""

    floor: Floor

    def allowed(self, base: npt.NDArray[np.float64], exact: bool) -> tuple[npt.NDArray[np.float64], float]:
        """Returns (largest |i - base| of each element, largest RMS of it); broadcastable, in the output's own unit."""
        limit = self.floor.limit
        scale = max(float(base.max(initial=0.0)), self.floor.scale)
        extra = 0.0 if exact else 1.0
        return np.asarray((limit.maximum + extra * self.floor.maximum) * scale), (limit.rms + extra * self.floor.rms) * scale

    @property
    def limit(self) -> float:
        """Largest error over the output's largest value."""
        return self.floor.limit.maximum

    def __str__(self) -> str:
        """The rule as reports print it."""
        return f"{self.limit:.2g} of the largest value"


@dataclass(frozen=True)
class Tolerance:
    """The user's rule: `|i - t| <= atol + rtol * |t|`, elementwise. integers: of integers too, because it was given for this output."""

    rtol: float = 0.0
    atol: float = 0.0
    integers: bool = False

    def allowed(self, base: npt.NDArray[np.float64], exact: bool) -> tuple[npt.NDArray[np.float64], float]:
        """Returns (largest |i - t| of each element, no limit on the RMS)."""
        return np.asarray(self.atol + self.rtol * base), float("inf")

    def __str__(self) -> str:
        """The rule as reports print it."""
        return f"{self.atol:g} + {self.rtol:g} * |training|"


Rule = Union[Noise, Tolerance]

Near = Callable[[Array, Array], Array]
"""Asks of two arrays of integers at which places rounding alone may make the one of the other; answers with bools of their shape."""

NearOf = Callable[[int, Array, Array], Array]
"""The same of an output by its number."""

MOST_TIES = 0.1
"""Share of the integers of an output beyond which near ties are a problem: what rounding decides so often shows nothing. One is allowed."""

PREPROCESSING = Tolerance(rtol=1e-5, atol=1e-5)
"""Between two preprocessing programs: values of about 1, computed in float32 in another order, agree to some ulp of 1."""


SHOWN_CLASSES = 3
"""Classes with the largest errors that a verdict names."""


@dataclass(frozen=True)
class OutputVerdict:
    """One output over all samples. Errors are |i - base| over max|base| of the sample; base is the float64 reference where there is one.

    problem: the cause in one sentence; empty when it passes. error, rms, p99: the largest of any sample; the error is Inf where a value
    is no number or an integer differs, and NaN where shapes or dtypes differ or nothing was compared. excess: how many limits the
    worst sample is; it passes up to 1. worst_classes, classes_beyond: for float[N, C], the classes with the largest errors, and how many
    have one beyond the limit. index: (sample, indices within it) of the worst element, with its three values.
    """

    name: str
    problem: str
    samples: int
    elements: int
    differing: int
    error: float
    excess: float
    index: tuple[int, ...] = ()
    training: float = 0.0
    inference: float = 0.0
    reference: float | None = None
    rms: float = 0.0
    p99: float = 0.0
    floor: Floor | None = None
    limit: float = 0.0
    worst_classes: tuple[tuple[int, float], ...] = ()
    classes_beyond: int = 0
    resolution: Resolution | None = None
    integers: bool = False
    """Or booleans: compared exactly, so that the error of one that differs is Inf, over a limit of 0."""
    apart: float = 0.0
    """Of integers: the largest difference, near ties included."""
    ties: int = 0
    """Of integers: those that differ and are near ties; they count as equal."""
    undefined: int = 0
    """Samples in which either engine answers NaN or Inf."""

    @property
    def passed(self) -> bool:
        """True when there is no problem."""
        return not self.problem

    @property
    def margin(self) -> float:
        """How many times as large the error could be: limit over error."""
        return 1 / self.excess if self.excess else float("inf")


@dataclass(frozen=True)
class Judged:
    """One sample of an output as it was judged. error, limit: over its `scale`; excess: how many limits it is. Inf where it is no number.

    magnitude: absolute values of what it was compared with, in the output's own unit; ratio: error of each element. None for integers.
    """

    sample: int
    error: float = 0.0
    limit: float = 0.0
    excess: float = 0.0
    magnitude: npt.NDArray[np.float64] | None = None
    ratio: npt.NDArray[np.float64] | None = None
    scale: float = 0.0


class OutputJudge:
    """Judges one output batch by batch, in constant memory.

    watch: is told of each sample, for those who keep more than the verdict; not of outputs of another shape or dtype.
    """

    def __init__(self, name: str, rule: Rule, response: float | None = None) -> None:
        self.rule = rule
        self.watch: Callable[[Judged], None] | None = None
        self._name = name
        self._response = response
        self._samples = self._elements = self._differing = 0
        self._error = self._rms = self._p99 = self._excess = self._limit = 0.0
        self._worst: tuple[tuple[int, ...], float, float, float | None] | None = None
        self._fatal = ""
        self._apart = self._integers = False
        self._ties = self._undefined = 0
        self._largest = 0.0
        self._classes: npt.NDArray[np.float64] | None = None

    def add(
        self, training: Array, inference: Array, first: int, size: int, reference: Array | None = None, near: Near | None = None
    ) -> None:
        """Takes this output of samples first..first+size-1; the leading axis is cut into `size` equal parts where it can be.

        near: asked once where integers differ, as long as none differs beyond it.
        """
        sides = [{"shape": list(array.shape), "dtype": array.dtype} for array in (training, inference)]
        for what, want in sides[0].items():
            if (have := sides[1][what]) != want:
                self._apart = True
                self._fail(f"the {what} is {have} from the inference engine, {want} from the training engine")
                return
        same = reference is not None and reference.shape == training.shape  # else other rows would be paired, and some left out
        exact = rows(reference, size) if same and reference is not None else [None] * size
        ties = self._near_ties(training, inference, near)
        parts = zip(rows(training, size), rows(inference, size), exact, [None] * size if ties is None else rows(ties, size))
        for offset, (left, right, middle, tie) in enumerate(parts):
            self._one(left, right, middle, tie, first + offset)

    def _near_ties(self, training: Array, inference: Array, near: Near | None) -> Array | None:
        if near is None or self._has_distances(training) or self._excess > 1:
            return None
        return near(training, inference) if np.any(training != inference) else None

    def _fail(self, problem: str) -> None:
        self._fatal = self._fatal or problem

    def _one(self, training: Array, inference: Array, reference: Array | None, ties: Array | None, sample: int) -> None:
        self._samples += 1
        self._elements += training.size
        if training.size == 0:
            judged = Judged(sample)
        elif not self._has_distances(training):
            judged = self._exact(training, inference, ties, sample)
        elif any(self._not_finite(array, engine, sample) for array, engine in ((training, "training"), (inference, "inference"))):
            judged = self._infinite(training, reference, sample)
        else:
            judged = self._close(training, inference, reference, sample)
        if self.watch is not None:
            self.watch(judged)

    def _has_distances(self, array: Array) -> bool:
        """False for what is equal or not."""
        return array.dtype.kind in "fc" or (array.dtype.kind in "iu" and isinstance(self.rule, Tolerance) and self.rule.integers)

    def _not_finite(self, array: Array, engine: str, sample: int) -> bool:
        finite = np.isfinite(array)
        if finite.all():
            return False
        where = _index(int(np.argmin(finite)), array)
        self._fail(
            f"the {engine} engine answers {array[where]} at {_at(sample, where)} "
            f"({int(array.size - finite.sum())} of {array.size} elements of that sample are NaN or Inf)"
        )
        return True

    def _base(self, training: Array, reference: Array | None) -> tuple[Array, bool]:
        """What the inference engine is compared with, and whether that is the float64 reference."""
        if isinstance(self.rule, Noise) and reference is not None and tells(reference):
            return reference, True
        return training, False

    def _scale(self, magnitude: npt.NDArray[np.float64]) -> float:
        """What errors are divided by."""
        largest = float(magnitude.max(initial=0.0))
        return max(largest, self.rule.floor.scale) if isinstance(self.rule, Noise) else largest

    def _infinite(self, training: Array, reference: Array | None, sample: int) -> Judged:
        """A sample that holds no number is as far off as can be; its limit is that of the numbers that should be there."""
        base, usable = self._base(training, reference)
        magnitude = np.abs(_wide(base[np.isfinite(base)]))
        if not magnitude.size and isinstance(self.rule, Noise):
            magnitude = np.ones(1)  # its limit is the same share of any value
        scale = self._scale(magnitude)
        with np.errstate(over="ignore"):
            allowed, _ = self.rule.allowed(magnitude, usable)
            limit = float(np.max(allowed)) / scale if scale else 0.0
        self._limit = max(self._limit, limit)
        self._error = float("inf")
        self._undefined += 1
        return Judged(sample, float("inf"), limit, float("inf"))

    def _close(self, training: Array, inference: Array, reference: Array | None, sample: int) -> Judged:
        base, usable = self._base(training, reference)
        centre = _wide(base)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # Inf says it: beyond any limit
            apart = np.abs(_wide(inference) - centre)
            magnitude = np.abs(centre)
            allowed, allowed_rms = self.rule.allowed(magnitude, usable)
            excess = np.where(apart == 0, 0.0, apart / allowed)
            scale = self._scale(magnitude)
            ratio = apart / scale if scale else np.where(apart == 0, 0.0, np.inf)
            rms = float(np.sqrt(np.mean(np.square(ratio))))
        over_rms = rms * scale / allowed_rms if rms and allowed_rms else (float("inf") if rms else 0.0)
        where = _index(int(np.argmax(excess)), excess)
        over = max(float(excess[where]), over_rms)
        error, limit = float(ratio.max()), float(np.max(allowed)) / scale if scale else 0.0
        self._differing += int((excess > 1).sum())
        if training.dtype.kind in "iu":
            self._largest = max(self._largest, float(apart.max()))
        self._error = max(self._error, error)
        self._by_class(ratio)
        self._rms = max(self._rms, rms)
        self._p99 = max(self._p99, float(np.partition(ratio.ravel(), int(0.99 * (ratio.size - 1)))[int(0.99 * (ratio.size - 1))]))
        self._limit = max(self._limit, limit)
        if self._worst is None or over > self._excess:
            exact = None if not usable else _real(centre[where])
            self._worst = ((sample, *where), _real(training[where]), _real(inference[where]), exact)
        self._excess = max(self._excess, over)
        return Judged(sample, error, limit, over, magnitude, ratio, scale)

    def _by_class(self, ratio: npt.NDArray[Any]) -> None:
        """Keeps the largest error of each class of a classifier (float[N, C])."""
        if ratio.ndim == 2 and ratio.shape[1] > 1:
            worst = ratio.max(axis=0)
            if self._classes is None or len(self._classes) != len(worst):
                self._classes = worst
            else:
                np.maximum(self._classes, worst, out=self._classes)

    def _exact(self, training: Array, inference: Array, ties: Array | None, sample: int) -> Judged:
        self._integers = True
        wrong = np.asarray(training != inference)
        if wrong.any():
            self._largest = max(self._largest, float(np.abs(_wide(training) - _wide(inference)).max()))
        if ties is not None:
            self._ties += int((wrong & ties).sum())
            wrong = wrong & ~ties
        if not wrong.any():
            return Judged(sample)
        where = _index(int(np.argmax(wrong)), wrong)
        self._differing += int(wrong.sum())
        self._error = self._excess = float("inf")
        self._worst = self._worst or ((sample, *where), float(training[where]), float(inference[where]), None)
        return Judged(sample, float("inf"), 0.0, float("inf"))

    @property
    def holds(self) -> bool:
        """True when nothing added so far differs; what only the whole can tell, as the share of near ties, is the verdict's."""
        return not self._fatal and self._excess <= 1

    def verdict(self) -> OutputVerdict:
        """Returns the verdict over everything added. Nothing compared is a problem, not a pass."""
        problem = self._fatal or ("" if self._samples else "nothing was compared")
        if not problem and self._ties > max(1, MOST_TIES * self._elements):
            problem = f"rounding alone decides {self._ties} of {self._elements} integers, so nothing else would be seen"
        excess = float("inf") if problem else self._excess
        unknown = not self._samples or (self._apart and self._error != float("inf"))
        index, training, inference, reference = self._worst or ((), 0.0, 0.0, None)
        if not problem and self._excess > 1:
            if self._integers:
                problem = (
                    f"{self._differing} of {self._elements} integers differ, by at most {self._largest:.6g}; the first at "
                    f"{_at(index[0], index[1:])}: inference {inference:.9g}, training {training:.9g}"
                )
            elif self._differing:
                exact = "" if reference is None else f", float64 {reference:.9g}"
                problem = (
                    f"{self._differing} of {self._elements} elements differ by more than {self.rule}; worst at "
                    f"{_at(index[0], index[1:])}: inference {inference:.9g}, training {training:.9g}{exact}"
                )
            else:
                problem = f"no element differs much, but all together do: RMS {self._rms:.3g} of the largest value"
        classes = np.zeros(0) if self._classes is None else self._classes
        worst = [int(index) for index in np.argsort(classes)[::-1][:SHOWN_CLASSES]]
        floor = self.rule.floor if isinstance(self.rule, Noise) else None
        resolution = None if self._response is None else Resolution(self._response, self._limit)
        return OutputVerdict(
            self._name, problem, self._samples, self._elements, self._differing, float("nan") if unknown else self._error, excess,
            index, training, inference, reference, self._rms, self._p99, floor, self._limit,
            tuple((index, float(classes[index])) for index in worst), int((classes > self._limit).sum()),
            resolution, self._integers, self._largest, self._ties, self._undefined,
        )  # fmt: skip


def tells(reference: Array) -> bool:
    """False for a reference with NaN or Inf, and for one of zeros, which has no scale: float32 noise around 0 is no error."""
    return bool(np.isfinite(reference).all() and reference.any())


def _index(flat: int, array: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(flat, array.shape))


def _wide(array: Array) -> Array:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _real(value: Any) -> float:
    return float(np.real(value))


def _at(sample: int, where: Sequence[int]) -> str:
    return f"sample {sample}, element {list(where)}"
