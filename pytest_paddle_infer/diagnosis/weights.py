"""How the parameters of an export came to differ from the model's: hypotheses, and the one that holds for all is the cause. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pytest_paddle_infer.diagnosis.finding import Finding
from pytest_paddle_infer.diagnosis.narrowing import NARROWER

Array = npt.NDArray[Any]

_AGAIN = "export again from the weights under test."


@dataclass(frozen=True)
class Pair:
    """One parameter of both sides, of one shape and dtype, in the order of the parameter file."""

    name: str
    model: Array
    export: Array

    @property
    def differing(self) -> npt.NDArray[np.bool_]:
        """bool[elements]: which elements differ in their bits."""
        one, two = (np.ascontiguousarray(array).reshape(-1) for array in (self.model, self.export))
        width = max(1, one.dtype.itemsize)
        result: npt.NDArray[np.bool_] = (one.view(np.uint8) != two.view(np.uint8)).reshape(-1, width).any(axis=1)
        return result


@np.errstate(all="ignore")
def explain(pairs: Sequence[Pair]) -> Finding | None:
    """Returns the cause of the differences, given *all* parameters in file order; None when nothing differs or no hypothesis holds.

    Sources of the hypotheses: rounding is to nearest even as IEEE 754 has it, int8 in steps of max/127 for the tensor or a channel.
    """
    unequal = [(pair, mask) for pair in pairs if (mask := pair.differing).any()]
    if not unequal or any(pair.model.dtype.kind not in "fiub" for pair in pairs):
        return None
    different = [pair for pair, _ in unequal]
    differ = f"{len(different)} of {len(pairs)} parameters differ"
    counts = f"{differ} from the model's"
    elements = int(sum(mask.sum() for _, mask in unequal))
    largest = f", by at most {_largest(different)}" if len(different) > 1 else ""  # else it is told of that parameter
    facts = (("parameters", f"{differ}{largest}"),)

    def found(cause: str, remedy: str = _AGAIN, name: str = "", *, certain: bool = True) -> Finding:
        return Finding("artifacts", cause, "parameters", name, facts, remedy, certain)

    if elements == 1:
        return found(*_one_element(*unequal[0]), different[0].name)
    if torn := _torn(unequal, pairs):
        return found(*torn)
    if not all(pair.model.dtype.kind == "f" for pair in different):
        return _of_one_layer(different, pairs, counts, found)
    broken = [pair.name for pair in different if not np.isfinite(pair.export).all() and np.isfinite(pair.model).all()]
    if broken:
        return found(f"{broken[0]} holds NaN or Inf in the export, and not in the model.", _AGAIN, broken[0])
    if len(different) == 2 and (swapped := _swapped(*different)):
        return found(swapped, "set each parameter by its structured name, and export again.", different[0].name)
    if rounded := _rounded(different):
        what, remedy = rounded
        return found(f"{counts}: the export holds them rounded to {what}.", remedy)
    if (factor := _factor(different)) is not None:
        names = different[0].name if len(different) == 1 else f"{counts}: each"
        return found(f"{names} in the export is {factor:.7g} times the model's.", _AGAIN, _single(different))
    if len(different) == 1 and (moved := _moved(different[0])):
        return found(f"{different[0].name} of the export holds the model's values {moved}.", _AGAIN, different[0].name)
    if {_kind(pair) for pair in different} <= set(_STARTS):
        cause, remedy = _of_statistics(different, pairs)
        return found(f"only batch-norm statistics differ ({len(different)} of {len(pairs)} parameters): {cause}.", remedy)
    return _of_training(different, pairs, counts, found) or _of_one_layer(different, pairs, counts, found)


def _single(pairs: Sequence[Pair]) -> str:
    if len(pairs) == 1:
        return pairs[0].name
    layers = {_layer(pair) for pair in pairs}
    return layers.pop() if len(layers) == 1 else ""


def _layer(pair: Pair) -> str:
    return pair.name.rpartition(".")[0] or pair.name


def _wide(array: Array) -> npt.NDArray[np.float64]:
    return np.asarray(array, np.float64).reshape(-1)


def _largest(pairs: Sequence[Pair]) -> str:
    worst, name = -1.0, ""
    for pair in pairs:
        with np.errstate(all="ignore"):
            apart = (
                float(np.fmax.reduce(np.abs(_wide(pair.model) - _wide(pair.export)), axis=None, initial=0.0))
                if pair.model.dtype.kind in "fiub"
                else 0.0
            )
        if apart > worst:
            worst, name = apart, pair.name
    return f"{worst:.2g} in {name}"


# -- files -------------------------------------------------------------------------------------------------------------


def _one_element(pair: Pair, mask: npt.NDArray[np.bool_]) -> tuple[str, str]:
    at = int(np.flatnonzero(mask)[0])
    one, two = (np.ascontiguousarray(array).reshape(-1)[at : at + 1] for array in (pair.model, pair.export))
    place = ", ".join(str(int(index)) for index in np.unravel_index(at, pair.model.shape))
    values = f"{two[0]} in the export, {one[0]} in the model"
    bits = int(np.unpackbits(one.view(np.uint8) ^ two.view(np.uint8)).sum())
    if bits == 1:
        return (
            f"one bit of {pair.name}[{place}] is flipped ({values}): the parameter file was damaged after it was written.",
            "copy the file again, and compare checksums.",
        )
    if two.dtype.kind == "f" and not np.isfinite(two).all() and np.isfinite(one).all():
        return f"{pair.name} holds NaN or Inf in the export, and not in the model ({pair.name}[{place}]: {values}).", _AGAIN
    return f"one element of one parameter differs, {pair.name}[{place}]: {values}.", _AGAIN


def _torn(unequal: Sequence[tuple[Pair, npt.NDArray[np.bool_]]], pairs: Sequence[Pair]) -> tuple[str, str] | None:
    """Two files in one: all values up to one place inside a parameter are the model's, nearly none behind it is, or the reverse."""
    masks = {pair.name: mask for pair, mask in unequal}
    flat = np.concatenate([masks.get(pair.name, np.zeros(pair.model.size, np.bool_)) for pair in pairs])
    telling = np.concatenate([np.full(pair.model.size, pair.model.size > 1 and np.ptp(_wide(pair.model)) > 0) for pair in pairs])
    names = np.repeat(np.arange(len(pairs), dtype=np.int32), [pair.model.size for pair in pairs])
    for turned, which in ((flat, "behind"), (~flat, "up to")):
        if not turned.any():
            continue
        start = int(np.argmax(turned & telling)) if which == "up to" else int(np.argmax(turned))
        head, tail = turned[:start][telling[:start]], turned[start:][telling[start:]]
        inside = names[start - 1] == names[start] if start else False
        if min(len(head), len(tail)) < 8 or not inside or head.mean() > 0.02 or tail.mean() < 0.98:
            continue
        pair = pairs[int(names[start])]
        offset = start - int(np.argmax(names == names[start]))
        if len(unequal) == 1 or offset == 0:
            continue
        return (
            f"the parameter file is put together of two: every value {which} element {offset} of {pair.name} differs from the "
            f"model's and the rest is equal.",
            "export into a directory of its own, one process at a time.",
        )
    return None


# -- one change --------------------------------------------------------------------------------------------------------


def _swapped(one: Pair, two: Pair) -> str:
    if one.model.shape == two.model.shape and _same(one.export, two.model) and _same(two.export, one.model):
        return f"the export has {one.name} and {two.name} swapped."
    return ""


def _same(one: Array, two: Array) -> bool:
    return one.shape == two.shape and bool(np.array_equal(one, two, equal_nan=one.dtype.kind == "f"))


def _moved(pair: Pair) -> str:
    model, export = pair.model, pair.export
    if model.ndim >= 2 and model.shape[0] == model.shape[1] and _same(export, model.swapaxes(0, 1)):
        return "transposed"
    if model.ndim >= 2 and _same(export.reshape(-1), model.swapaxes(0, 1).reshape(-1)):
        return "transposed and reshaped"
    for axis in range(model.ndim):
        if _same(export, np.flip(model, axis)):
            return f"in reverse order along axis {axis}"
    if np.array_equal(np.sort(_wide(model)), np.sort(_wide(export))):
        return "in another order"
    return ""


def _factor(pairs: Sequence[Pair]) -> float | None:
    """The one factor by which all are scaled: what it leaves is a tenth of the difference at most."""
    model = np.concatenate([_wide(pair.model) for pair in pairs])
    export = np.concatenate([_wide(pair.export) for pair in pairs])
    size = float(model @ model)
    if model.size < 4 or size == 0 or np.ptp(model) == 0:
        return None
    factor = float(model @ export) / size
    apart = float(np.linalg.norm(export - model))
    if factor in (0.0, 1.0) or float(np.linalg.norm(export - factor * model)) > 0.1 * apart:
        return None
    # of every parameter too, lest a large one speak for small ones
    worst = max(
        float(np.linalg.norm(_wide(p.export) - factor * _wide(p.model))) / max(float(np.linalg.norm(_wide(p.model))), 1e-300)
        for p in pairs
    )
    return factor if worst <= 0.2 * abs(factor - 1) else None


def _rounded(pairs: Sequence[Pair]) -> tuple[str, str] | None:
    if all(pair.model.dtype in (np.float32, np.float64) for pair in pairs):
        remedy = f"export from the {pairs[0].model.dtype} weights, or widen the tolerance to that of the precision you serve."
        for what, rounded in NARROWER.items():
            if all(_same(pair.export, rounded(pair.model)) for pair in pairs):
                return what, remedy
        if sum(pair.model.size for pair in pairs) >= 32 and (what := _neighbours(pairs)):
            return what, remedy
        if sum(pair.model.size for pair in pairs) >= 32 and all(_in_steps(pair) for pair in pairs):
            return "the steps of int8", "export from the weights before quantisation, or set the tolerance of a quantised model."
    return None


_NARROW = {"float16": (-14, 10, 65504.0), "bfloat16": (-126, 7, float(np.finfo(np.float32).max))}
"""Type -> least exponent of a normal number, bits behind the point, largest value."""


def _neighbours(pairs: Sequence[Pair]) -> str:
    """The narrower type whose values the export holds, each next to the model's on either side; "" for none.

    To the nearest it would be known by now: Paddle 2.6.2's `astype("float16")` cuts bits off on CPU.
    """
    model, export = (np.concatenate([_wide(getattr(pair, side)) for pair in pairs]) for side in ("model", "export"))
    if np.isin(export, (0.0, 1.0)).all():  # initial values, which every type holds
        return ""
    for what, (least, bits, largest) in _NARROW.items():
        steps = export / _unit(export, least, bits)
        held = (steps == np.round(steps)) & (np.abs(export) <= largest)
        if held.all() and (np.abs(export - model) < _unit(model, least, bits)).all():
            cut = (np.abs(export) <= np.abs(model)).all()
            return f"{what} by cutting off bits" if cut else f"{what}, not each to the nearest"
    return ""


def _unit(values: npt.NDArray[np.float64], least: int, bits: int) -> npt.NDArray[np.float64]:
    """The distance of neighbours of a type with `bits` behind the point, at each value."""
    _, exponents = np.frexp(values)
    return np.asarray(np.ldexp(1.0, np.maximum(exponents - 1, least) - bits), np.float64)


def _in_steps(pair: Pair) -> bool:
    """True when the export's values are whole multiples of max/127, of the tensor or of each channel, next to the model's."""
    model, export = np.asarray(pair.model, np.float64), np.asarray(pair.export, np.float64)
    axes: list[tuple[int, ...] | None] = [None]
    if model.ndim > 1:
        axes += [tuple(a for a in range(model.ndim) if a != channel) for channel in (0, 1)]
    for axis in axes:
        step = np.abs(model).max(axis=axis, keepdims=True) / 127
        step = np.where(step == 0, 1.0, step)
        steps = export / step
        if np.abs(steps - np.round(steps)).max() < 1e-3 and np.abs(export - model).max() <= 0.51 * step.max():
            return True
    return False


# -- statistics --------------------------------------------------------------------------------------------------------

_STARTS = {"_mean": 0.0, "_variance": 1.0}
"""What batch-norm statistics are before they are loaded or trained."""


def _kind(pair: Pair) -> str:
    return pair.name.rpartition(".")[2]


def _initial(pairs: Sequence[Pair], side: str) -> str:
    """Those kinds of statistics that are all as they begin, on the side "model" or "export": "_mean 0 and _variance 1"."""
    kinds = {kind: [getattr(pair, side) for pair in pairs if _kind(pair) == kind] for kind in _STARTS}
    starts = [kind for kind, arrays in kinds.items() if arrays and all(bool((array == _STARTS[kind]).all()) for array in arrays)]
    return " and ".join(f"{kind} {_STARTS[kind]:.0f}" for kind in starts)


def _of_statistics(different: Sequence[Pair], pairs: Sequence[Pair]) -> tuple[str, str]:
    """Returns (cause, remedy) where statistics of batch norm alone differ.

    A forward pass in train mode moves both statistics of every batch norm, and leaves neither a mean of 0 nor a variance of 1 throughout.
    """
    if values := _initial(different, "export"):
        return (
            f"the export holds initial values ({values}), as where the statistics were not loaded",
            "load _mean and _variance with the weights before exporting, and look at what set_state_dict returns.",
        )
    if values := _initial(different, "model"):
        return (
            f"the model under test holds initial values ({values}), as where the statistics were not loaded",
            "load _mean and _variance with the weights into the model under test, and look at what set_state_dict returns.",
        )
    every = {pair.name for pair in pairs if _kind(pair) in _STARTS}
    if every == {pair.name for pair in different} and all(
        bool((pair.model >= 0).all() and (pair.export >= 0).all()) for pair in different if _kind(pair) == "_variance"
    ):
        return (
            "the model ran in train mode after it was exported",
            "call eval() before the model runs, and export the weights that are served.",
        )
    return f"{', '.join([pair.name for pair in different][:3])}{', ...' if len(different) > 3 else ''}, and no weights", _AGAIN


# -- training ----------------------------------------------------------------------------------------------------------


def _likeness(pair: Pair) -> float | None:
    """Correlation of the two sides; None for what holds too little to tell."""
    one, two = _wide(pair.model), _wide(pair.export)
    if one.size < 16 or not (np.isfinite(one).all() and np.isfinite(two).all()) or one.std() == 0 or two.std() == 0:
        return None
    return float(np.corrcoef(one, two)[0, 1])


def _of_training(different: Sequence[Pair], pairs: Sequence[Pair], counts: str, found: Any) -> Finding | None:
    layers, all_layers = {_layer(pair) for pair in different}, {_layer(pair) for pair in pairs}
    if len(layers) < 2 and len(all_layers) > 1:
        return None
    weights = [pair for pair in different if pair.model.ndim > 1]
    likeness = [value for pair in weights or different if (value := _likeness(pair)) is not None]
    if not likeness or len(layers) < 0.5 * len(all_layers):
        return None
    facts = (("correlation", f"{np.median(likeness):.6g} (median of {len(likeness)} weights)"),)
    if _fresh(pairs):  # alike or not: a training may have begun with the same seed
        cause = (
            f"{counts}: the export holds freshly initialised weights (biases 0, statistics of a batch norm that never ran), "
            "so the weights were never loaded before exporting."
        )
        loaded: Finding = found(cause, "call set_state_dict with the right keys before exporting, and look at what it returns.")
        return loaded.with_facts(*facts)
    if float(np.median(likeness)) < 0.3:
        cause = f"{counts}, and nothing in them is alike: the export holds another run's weights, or they were never loaded."
        other: Finding = found(cause)
        return other.with_facts(*facts)
    if min(likeness) < 0.9:
        return None
    apart = [
        float(np.linalg.norm(_wide(pair.export) - _wide(pair.model)) / max(np.linalg.norm(_wide(pair.model)), 1e-300))
        for pair in different
    ]  # fmt: skip
    cause = (
        f"{counts}, but lie near them (a relative {np.median(apart):.1g} away): the export holds the weights of the same training saved "
        "earlier or later, or an average of them (EMA), which the values alone do not tell apart."
    )
    near: Finding = found(
        cause, "export again from the checkpoint that is tested; look at which step and which of EMA and raw it is."
    )
    return near.with_facts(*facts)


def _fresh(pairs: Sequence[Pair]) -> bool:
    """True when what every framework starts with 0 or 1 is still so in the export, and is not in the model."""
    starts = [(pair, 1.0 if pair.name.endswith("_variance") else 0.0) for pair in pairs
              if re.search(r"(^|\.)(bias|_mean|_variance)$", pair.name)]  # fmt: skip
    return (
        bool(starts)
        and all(bool((pair.export == value).all()) for pair, value in starts)
        and any(bool((pair.model != value).any()) for pair, value in starts)
    )


def _of_one_layer(different: Sequence[Pair], pairs: Sequence[Pair], counts: str, found: Any) -> Finding | None:
    layers = {_layer(pair) for pair in different}
    if len(layers) != 1 or len({_layer(pair) for pair in pairs}) == 1:
        return None
    names = ", ".join(pair.name for pair in different)
    result: Finding = found(f"only the parameters of one layer differ from the model's: {names}.", _AGAIN, _single(different))
    return result
