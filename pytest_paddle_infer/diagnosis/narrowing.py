"""Values rounded to a narrower floating-point type on their way. numpy only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from pytest_paddle_infer.diagnosis.finding import Array


def narrowed(tensor: Array) -> Iterator[tuple[str, Array]]:
    """Yields (type, values rounded to it, as float64) for the types that values pass on their way."""
    for kind, narrow in NARROWER.items():
        yield kind, narrow(tensor)


def _to_float16(tensor: Array) -> Array:
    with np.errstate(over="ignore"):
        return tensor.astype(np.float16).astype(np.float64)


def _to_bfloat16(tensor: Array) -> Array:
    bits = _bits(tensor)
    return _of_bits(bits + np.uint64(0x7FFF) + ((bits >> np.uint64(16)) & np.uint64(1)))


def _cut_to_bfloat16(tensor: Array) -> Array:
    return _of_bits(_bits(tensor))


def _bits(tensor: Array) -> Array:
    """uint64, so that rounding up may carry."""
    with np.errstate(over="ignore"):
        single = np.asarray(tensor, np.float32, order="C")
    return single.view(np.uint32).astype(np.uint64)


def _of_bits(bits: Array) -> Array:
    """The values of the upper half of float32's bits."""
    return np.asarray((bits & np.uint64(0xFFFF0000)).astype(np.uint32).view(np.float32), np.float64)


NARROWER: Mapping[str, Callable[[Array], Array]] = {
    "float16": _to_float16,
    "bfloat16": _to_bfloat16,
    "bfloat16 by cutting off bits": _cut_to_bfloat16,
}
"""Type -> rounds an array of any shape to it, to nearest even as IEEE 754 has it unless bits are cut off; float64."""
