"""Error against magnitude of one output: elements counted by the size of what they should be. Called by `details/samples.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pytest_paddle_infer.details.numbers import rounded

Array = npt.NDArray[Any]

BINS = 24
"""Bins that are shown at most."""

LOOKED_AT = 1 << 16
"""Elements of one sample that are looked at: a mask of ten million pixels shows no more, and the judge has seen them all."""

_MAGNITUDES = 48
"""Octaves of |value| / scale: from 2**-47 to 1; smaller values, and 0, are in the last one."""

_ERRORS, _PARTS = 64, 8
"""Octaves of the error from 2**-56 to 2**8, and the parts that each is cut into: a median is right to 6 %."""

_LEAST = 1 - 56
"""Exponent, as `numpy.frexp` has it, of the first octave of errors."""


class Magnitudes:
    """Takes the elements of one output sample by sample, in 200 kB."""

    def __init__(self) -> None:
        self._counts = np.zeros((_MAGNITUDES, _ERRORS * _PARTS + 1), np.int64)
        self._largest = np.zeros(_MAGNITUDES)

    def add(self, magnitude: Array, ratio: Array, scale: float) -> None:
        """Takes float64 magnitudes in the output's unit, and errors over `scale`; of many elements evenly spaced ones and the worst."""
        step = -(-magnitude.size // LOOKED_AT)
        small, errors = magnitude.reshape(-1), ratio.reshape(-1)
        if step > 1:
            worst = int(np.argmax(errors))
            small, errors = (np.append(values[::step], values[worst]) for values in (small, errors))
        fine = np.isfinite(errors)
        small, errors = (small, errors) if fine.all() else (small[fine], errors[fine])
        if not errors.size or not scale:
            return
        places = _octaves(small / scale)
        flat = places.astype(np.int64) * self._counts.shape[1] + _steps(errors)
        self._counts += np.bincount(flat, minlength=self._counts.size).reshape(self._counts.shape)
        order = np.argsort(places, kind="stable")  # of bytes: in linear time
        found, starts = np.unique(places[order], return_index=True)
        self._largest[found] = np.maximum(self._largest[found], np.maximum.reduceat(errors[order], starts))

    def bins(self) -> list[dict[str, Any]]:
        """Returns the bins that hold elements, from small values to large ones; each spans the same number of octaves."""
        held = np.flatnonzero(self._counts.sum(axis=1))
        if not held.size:
            return []
        width = -(-int(held[-1] + 1) // BINS)
        found = []
        for first in range(0, _MAGNITUDES, width):
            counts = self._counts[first : first + width].sum(axis=0)
            last = min(first + width, _MAGNITUDES)
            largest = float(self._largest[first:last].max())
            if elements := int(counts.sum()):
                found.append(
                    {
                        "from_relative": 0.0 if last == _MAGNITUDES else rounded(2.0**-last),
                        "to_relative": rounded(2.0**-first),
                        "elements": elements,
                        "median_error_relative": rounded(min(_median(counts), largest), 3),
                        "largest_error_relative": rounded(largest),
                    }
                )
        return found[::-1]


def _octaves(share: Array) -> npt.NDArray[np.uint8]:
    """0 for shares above 1/2, 1 for those above 1/4 and so on."""
    mantissa, exponent = np.frexp(share)
    octave = np.where(share == 0, _MAGNITUDES - 1, -exponent + (mantissa == 0.5))
    return np.asarray(np.clip(octave, 0, _MAGNITUDES - 1), np.uint8)


def _steps(errors: Array) -> npt.NDArray[np.int64]:
    """0 for no error, then the parts of each octave in order."""
    mantissa, exponent = np.frexp(errors)
    part = (exponent - _LEAST) * _PARTS + ((mantissa - 0.5) * 2 * _PARTS).astype(np.int64)
    return np.asarray(np.where(errors == 0, 0, 1 + np.clip(part, 0, _ERRORS * _PARTS - 1)), np.int64)


def _median(counts: npt.NDArray[np.int64]) -> float:
    """The middle of the part that holds the lower of the two middle elements."""
    place = int(np.searchsorted(np.cumsum(counts), (int(counts.sum()) + 1) // 2))
    if place == 0:
        return 0.0
    octave, part = divmod(place - 1, _PARTS)
    return float((0.5 + (part + 0.5) / (2 * _PARTS)) * 2.0 ** (octave + _LEAST))
