"""Why the outputs of two engines differ: hypotheses about what was done to one of them, from the simple to the complex. numpy only.

Called by `parity` and the diagnosis after a failure. A hypothesis counts only where it brings the outputs together as far as rounding
allows; the first that does is the cause.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from pytest_paddle_infer.diagnosis.agreement import CLOSE, ROUNDING, apart, close, restored
from pytest_paddle_infer.diagnosis.finding import Array, Arrays, Finding
from pytest_paddle_infer.diagnosis.narrowing import narrowed
from pytest_paddle_infer.diagnosis.scores import explain_scores

Facts = tuple[tuple[str, str], ...]

_LOOK = "make the exported model and the training engine's the same function."
_REMEDIES = {
    "order": "return the outputs in the same order from the exported model, or match them by name.",
    "softmax": "apply softmax once, at the same place, in the exported model and in the training engine.",
    "dtype": "cast the output to the same dtype in both.",
    "precision": "keep float32 up to the output, or give the model a tolerance that allows for the narrower type.",
}


def explain_outputs(
    training: Arrays,
    inference: Arrays,
    names: Sequence[str] = (),
    rounding: float = ROUNDING,
) -> Finding | None:
    """Says how the inference engine's outputs came about from the training engine's; None where they agree or nothing fits.

    names: of the outputs. rounding: how far honest outputs lie apart, of the largest value.
    """
    if len(training) != len(inference) or not training:
        return None
    wrong = [k for k, (one, two) in enumerate(zip(training, inference)) if _differs(one, two, rounding)]
    if not wrong:
        return None
    found = _not_finite(training, inference, names) or _swapped(training, inference, names, rounding)
    if found is not None:
        return found
    for k in wrong:
        found = explain_output(training[k], inference[k], rounding)
        if found is not None:
            return found.with_facts(*_about(k, wrong, training, names), *where(training[k], inference[k]))
    return None


def explain_output(training: Array, inference: Array, rounding: float = ROUNDING) -> Finding | None:
    """The same for one output, whose two sides are known to differ."""
    if training.dtype.kind not in "fiub" or inference.dtype.kind not in "fiub" or not training.size or not inference.size:
        return None
    before = apart(inference, training)
    with np.errstate(all="ignore"):
        for name, what in _hypotheses(training, inference, before, rounding):
            return _found(name, what)
    return None


def where(training: Array, inference: Array) -> Facts:
    """Which samples and which classes differ, where only some do."""
    if training.shape != inference.shape or training.ndim < 1 or len(training) < 2:
        return ()
    with np.errstate(all="ignore"):
        gap = np.abs(inference.astype(np.float64) - training.astype(np.float64))
        limit = CLOSE * float(np.abs(training).max())
    rows = gap.reshape(len(gap), -1).max(axis=1)
    wrong = np.flatnonzero(~(rows <= max(min(limit, float(np.nanmax(rows)) / 10), 0.0)))
    facts = []
    if 0 < len(wrong) < len(rows):
        shown = ", ".join(map(str, wrong[:6])) + (", ..." if len(wrong) > 6 else "")
        verb = "differs: number" if len(wrong) == 1 else "differ: numbers"
        facts.append(("samples", f"only {len(wrong)} of {len(rows)} samples {verb} {shown}"))
    if gap.ndim == 2 and gap.shape[1] > 2:
        classes = gap.max(axis=0)
        beyond = np.flatnonzero(classes > float(classes.max()) / 100)
        if len(beyond) <= max(1, gap.shape[1] // 10):
            facts.append(("elements", f"only {len(beyond)} of {gap.shape[1]} differ: {', '.join(map(str, beyond[:6]))}"))
    return tuple(facts)


def _found(name: str, what: str) -> Finding:
    operators = ("softmax", "log_softmax", "sigmoid", "relu", "relu6", "tanh", "exp", "log", "clip", "temperature")
    kind = "operator" if name in operators else "output"
    return Finding("export", what, kind, name, remedy=_REMEDIES.get(name, _LOOK))


def _differs(one: Array, two: Array, rounding: float) -> bool:
    if one.shape != two.shape or one.dtype != two.dtype:
        return True
    if not one.size or one.dtype.kind not in "fiubc":
        return False
    if one.dtype.kind in "iub":
        return not np.array_equal(one, two)
    return not (apart(two, one) <= rounding) and not np.array_equal(one, two, equal_nan=True)


def _about(k: int, wrong: Sequence[int], training: Arrays, names: Sequence[str]) -> Facts:
    if len(training) < 2:
        return ()
    others = f"; {len(wrong) - 1} more of {len(training)} outputs differ" if len(wrong) > 1 else "; the others agree"
    return (("output", f"{_name(k, names)}{others}"),)


def _name(k: int, names: Sequence[str]) -> str:
    return f"{k} ({names[k]})" if k < len(names) and names[k] else str(k)


def _not_finite(training: Arrays, inference: Arrays, names: Sequence[str]) -> Finding | None:
    for k, (one, two) in enumerate(zip(training, inference)):
        if one.dtype.kind not in "fc" or two.dtype.kind not in "fc":
            continue
        bad = ~np.isfinite(two)
        if bad.any() and np.isfinite(one).all():
            at = [int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape)] if bad.ndim else []
            value = two[tuple(at)]
            what = f"output {_name(k, names)} of the inference engine is {value} at {at}, where the training engine's is finite."
            return Finding(
                "run", what, "output", "not finite", (("elements", f"{int(bad.sum())} of {bad.size} are NaN or Inf"),), _LOOK
            )
    return None


def _swapped(training: Arrays, inference: Arrays, names: Sequence[str], rounding: float) -> Finding | None:
    count = len(training)
    if not 1 < count <= 6:
        return None
    limit = max(CLOSE, rounding)
    same = [[close(two, one, limit) for one in training] for two in inference]
    for order in itertools.permutations(range(count)):
        if (
            order != tuple(range(count))
            and all(same[k][order[k]] for k in range(count))
            and not all(same[k][k] for k in range(count))
        ):
            moved = ", ".join(f"output {k} holds output {order[k]}" for k in range(count) if order[k] != k)
            facts = (("names", ", ".join(f"{k}: {name!r}" for k, name in enumerate(names))),) if any(names) else ()
            found = _found("order", f"the outputs of the inference engine are in another order: {moved}.")
            return found.with_facts(*facts)
    return None


Named = tuple[str, str]


def _hypotheses(one: Array, two: Array, before: float, rounding: float) -> Iterator[Named]:
    """Yields (name, cause) of what fits; the caller takes the first. one: training, two: inference."""
    yield from _kind(one, two, rounding)
    yield from _moved(one, two, before, rounding)
    if one.shape != two.shape or not (np.isfinite(one).all() and np.isfinite(two).all()):
        return
    if one.ndim > 1 and len(two) > 1 and not np.ptp(two, axis=0).any() and np.ptp(one, axis=0).any():
        yield "constant", "the inference engine gives the same answer to every sample of the batch."
    if one.dtype.kind in "iub":
        yield from _of_integers(one, two)
        return
    x, y = one.astype(np.float64), two.astype(np.float64)
    yield from _rounded(x, y, before)
    yield from _linear(x, y, before, rounding)
    yield from explain_scores(x, y, before, rounding)
    yield from _clipped(x, y, before, rounding)
    yield from _affine(x, y, before, rounding)


def _kind(one: Array, two: Array, rounding: float) -> Iterator[Named]:
    if one.dtype != two.dtype and one.shape == two.shape:
        loss = max(rounding, {"float16": 1e-3, "float32": 1e-6}.get(two.dtype.name, rounding))
        if close(two, one, loss) or (two.dtype.kind in "iu" and np.array_equal(two, one.astype(two.dtype))):
            yield (
                "dtype",
                f"the inference engine answers {two.dtype} where the training engine answers {one.dtype}; the values agree.",
            )


def _moved(one: Array, two: Array, before: float, rounding: float) -> Iterator[Named]:
    """The same elements in another shape or order."""
    if two.size != one.size:
        return
    if two.shape != one.shape and close(two.reshape(one.shape), one, max(CLOSE, rounding)):
        how = "squeezes it" if two.ndim < one.ndim else "adds an axis" if two.ndim > one.ndim else "reshapes it"
        yield (
            "shape",
            f"the inference engine's output is {list(two.shape)}, the training engine's {list(one.shape)}: the export {how}.",
        )
    if 1 < two.ndim <= 5:
        for axes in itertools.permutations(range(two.ndim)):
            if axes != tuple(range(two.ndim)) and restored(apart(two.transpose(axes), one), before, rounding):
                yield "transpose", f"the export transposes the output: transpose{axes} of it is the training engine's."
    if two.shape == one.shape and two.ndim > 1:
        for axis in range(1, two.ndim):
            if restored(apart(np.flip(two, axis), one), before, rounding):
                yield "order", f"the inference engine's output is in reverse order along axis {axis}."
        yield from _other_samples(one, two, before, rounding)


def _other_samples(one: Array, two: Array, before: float, rounding: float) -> Iterator[Named]:
    """The answers are right, but each belongs to another sample."""
    count = len(one)
    if not 1 < count <= 64 or not np.isfinite(two.astype(np.float64)).all():
        return
    flat, other = one.reshape(count, -1).astype(np.float64), two.reshape(count, -1).astype(np.float64)
    order = [int(np.abs(flat - row).max(axis=1).argmin()) for row in other]
    if sorted(order) == list(range(count)) and order != list(range(count)) and restored(apart(two, one[order]), before, rounding):
        moved = ", ".join(f"{k} has that of {at}" for k, at in enumerate(order[:6]) if k != at)
        yield "samples", f"the answers of the inference engine belong to other samples of the batch: {moved}."


def _of_integers(one: Array, two: Array) -> Iterator[Named]:
    gap = two.astype(np.int64) - one.astype(np.int64)
    if gap.any() and gap.min() == gap.max():
        yield (
            "offset",
            f"the class ids of the inference engine are the training engine's {int(gap.flat[0]):+d}: an offset of labels.",
        )
    yield from _of_most(gap, two)


def _of_most(gap: Array, two: Array) -> Iterator[Named]:
    """An offset that all but a few have: where rounding chose another class too."""
    values, counts = np.unique(gap, return_counts=True)
    most = int(counts.argmax())
    if values[most] and 0.9 * gap.size < counts[most] < gap.size and gap.size >= 20:
        yield (
            "offset",
            f"{int(counts[most])} of {gap.size} class ids of the inference engine are the training engine's {int(values[most]):+d}.",
        )


def _rounded(x: Array, y: Array, before: float) -> Iterator[Named]:
    if before <= 0:
        return
    for kind, narrow in narrowed(x):
        if apart(y, narrow) <= 1e-7 < before:
            yield "precision", f"the inference engine's output is the training engine's rounded to {kind}."
    if y.any() and (np.array_equal(y, np.rint(x)) or np.array_equal(y, np.trunc(x))):
        yield "precision", "the inference engine's output is the training engine's rounded to whole numbers."


def _linear(x: Array, y: Array, before: float, rounding: float) -> Iterator[Named]:
    """A factor, or a constant that is added."""
    power = float((x * x).sum())
    if not power or x.size < 2:
        return
    factor = float((x * y).sum()) / power
    if factor and abs(factor - 1) > rounding / 4 and np.ptp(x) > 0 and restored(apart(y, factor * x), before, rounding):
        yield "scale", f"the inference engine's output is the training engine's times {_number(factor)}."
    added = float((y - x).mean())
    if added and np.ptp(x) > 0 and restored(apart(y, x + added), before, rounding):
        yield "offset", f"the inference engine's output is the training engine's {added:+.6g}: a constant is added."


def _number(factor: float) -> str:
    nearest = round(factor)
    return f"{nearest}" if nearest and abs(factor / nearest - 1) < 1e-6 else f"{factor:.7g}"


def _affine(x: Array, y: Array, before: float, rounding: float) -> Iterator[Named]:
    if x.size < 4 or not x.var():
        return
    slope = float(((x - x.mean()) * (y - y.mean())).mean() / x.var())
    offset = float(y.mean() - slope * x.mean())
    if abs(slope) > 1e-6 and restored(apart(y, slope * x + offset), before, rounding):
        yield "scale", f"the inference engine's output is {slope:.7g} * x {offset:+.6g} of the training engine's x."
    axes = (0, *range(2, x.ndim))
    if x.ndim < 2 or len(x) * int(np.prod(x.shape[2:])) < 4 or x.shape[1] < 2:
        return
    moved = (y - x).mean(axis=axes, keepdims=True)
    if restored(apart(y, x + moved), before, rounding):
        wrong = np.flatnonzero(np.abs(moved.ravel()) > np.abs(moved).max() / 100)
        which = ", ".join(map(str, wrong[:6]))
        yield "offset", f"the inference engine adds constants to {len(wrong)} of {moved.size} channels of the output: {which}."


def _clipped(x: Array, y: Array, before: float, rounding: float) -> Iterator[Named]:
    """The inference side cuts values off at a bound, or the training side does."""
    for one, two, who in ((x, y, "inference"), (y, x, "training")):
        low, high = float(two.min()), float(two.max())
        beyond = int((one < low).sum()), int((one > high).sum())
        inside = int(((one > low) & (one < high)).sum())
        if min(sum(beyond), inside) < 2 or not restored(apart(np.clip(one, low, high), two), before, rounding):
            continue
        bounds = ([f"below at {low:.6g}"] if beyond[0] else []) + ([f"above at {high:.6g}"] if beyond[1] else [])
        name = "relu" if bounds == ["below at 0"] else "relu6" if beyond[1] and abs(high - 6) < 1e-4 and low >= 0 else "clip"
        known = {"relu": " (relu)", "relu6": " (relu6)", "clip": ""}[name]
        yield (
            name,
            f"only the {who} engine's output is cut off {' and '.join(bounds)}{known}: {sum(beyond)} of {x.size} values lie beyond.",
        )
