"""Shapes that TensorRT may see: the rule of the documents as a check, the ranges of what is fed, and arrays to show them to Paddle.

Arithmetic only: no Paddle. Called by `tensorrt.py` and by whoever asks before minutes are spent on an engine.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Optional

    Shape = tuple[int, ...]
    Range = tuple[Shape, Shape, Shape]
    """The smallest, the most frequent and the largest shape, axis by axis."""
    GraphInput = tuple[str, Sequence[Optional[int]]]
    """A name, and a shape in which None or -1 is an open dimension."""
    Feed = Mapping[str, np.ndarray[Any, Any]]
    """The arrays of one run, by name."""
    Fed = Sequence[Mapping[str, Sequence[int]]]
    """The shapes of every run, by input name."""


def check_shapes(
    graph_inputs: Sequence[GraphInput],
    fed: Fed,
    wanted: str = "auto",
    ranges: Mapping[str, Range] | None = None,
    max_batch: int | None = None,
) -> str:
    """Returns "" when TensorRT can run everything that is fed, else one sentence that names the tensor, its shape and the remedy.

    graph_inputs: name and shape of every input of the export; None or -1 is an open dimension, and the first dimension is the batch.
    fed: the shapes of every run, by input name. wanted, ranges, max_batch: as in `TensorRT`.
    Source of the rule: TIPC, FAQ 3.3; for ranges the check in Paddle's engine operator ("TRT runtime input shape ... is invalid").
    """
    exported = {name: open_dimensions(shape) for name, shape in graph_inputs}
    given = ranges or {}
    return (
        _wrong_names(exported, fed)
        or _wrong_ranges(exported, given)
        or _unlike_export(exported, fed)
        or (_not_static(exported, fed, max_batch) if is_static(graph_inputs, wanted, ranges) else "")
        or _outside(fed, given)
    )


def is_static(graph_inputs: Sequence[GraphInput], wanted: str, ranges: Mapping[str, Range] | None) -> bool:
    """True when static shapes are asked for, or "auto" leaves the choice, no ranges are given, and nothing but the batch is open."""
    if wanted != "auto":
        return wanted == "static"
    return not ranges and not any(None in open_dimensions(shape)[1:] for _, shape in graph_inputs)


def shape_ranges(fed: Fed) -> dict[str, Range]:
    """Returns input name -> (min, opt, max): each axis's smallest and largest size; opt is the shape that is fed most, of equals the first.

    Raises `ValueError` when nothing is fed, or when one input is fed with different numbers of dimensions.
    """
    if not fed:
        raise ValueError("no sample is fed, so there are no ranges of shapes")
    found = {}
    for name in fed[0]:
        shapes = [tuple(int(size) for size in feed[name]) for feed in fed]
        if len({len(shape) for shape in shapes}) > 1:
            raise ValueError(f"{name} is fed with different numbers of dimensions: {', '.join(map(_text, sorted(set(shapes))))}")
        axes = list(zip(*shapes))
        found[name] = (tuple(map(min, axes)), Counter(shapes).most_common(1)[0][0], tuple(map(max, axes)))
    return found


def warmup_feeds(sample: Feed, ranges: Mapping[str, Range]) -> list[dict[str, np.ndarray[Any, Any]]]:
    """Returns what to run so that Paddle sees these ranges and no others: the smallest, twice the opt, the largest.

    The values are those of the sample, repeated or cut: token ids stay in the vocabulary, which random numbers need not. Twice, because
    Paddle takes as opt the most frequent size of each axis (2.6.2 and 3.x; a file that was collected shows it).
    Raises `ValueError` for a range without a sample.
    """
    missing = [name for name in ranges if name not in sample]
    if missing:
        raise ValueError(f"there is no sample of {', '.join(missing)} to warm TensorRT up with")
    return [{name: np.resize(sample[name], ranges[name][which]) for name in ranges} for which in (0, 1, 1, 2)]


def open_dimensions(shape: Sequence[int | None]) -> tuple[int | None, ...]:
    """Returns the shape with None for every open dimension, which is None or negative before."""
    return tuple(None if size is None or size < 0 else int(size) for size in shape)


def _text(shape: Sequence[int | None]) -> str:
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"


def _wrong_names(exported: Mapping[str, Sequence[int | None]], fed: Fed) -> str:
    for number, feed in enumerate(fed, 1):
        if set(feed) != set(exported):
            names = ", ".join(sorted(feed)) or "nothing"
            return f"sample {number} feeds {names}, and the graph has the inputs {', '.join(sorted(exported))}."
    return ""


def _wrong_ranges(exported: Mapping[str, Sequence[int | None]], ranges: Mapping[str, Range]) -> str:
    unknown = sorted(set(ranges) - set(exported))
    if unknown:
        return f"ranges name {', '.join(unknown)}, and the graph has the inputs {', '.join(sorted(exported))}."
    missing = sorted(set(exported) - set(ranges))
    if ranges and missing:
        return f"ranges leave out {', '.join(missing)}; TensorRT needs one for every input."
    for name, (low, opt, high) in ranges.items():
        told = f"the range of {name}, min {_text(low)}, opt {_text(opt)}, max {_text(high)},"
        sizes = exported[name]
        if {len(low), len(opt), len(high)} != {len(sizes)}:
            return f"{told} does not have the {len(sizes)} dimensions of the export, {_text(sizes)}."
        if any(not 0 <= least <= middle <= most for least, middle, most in zip(low, opt, high)):
            return f"{told} is not in the order min <= opt <= max."
        for axis, (size, least, most) in enumerate(zip(sizes, low, high)):
            if size is not None and (least, most) != (size, size):
                return f"{told} leaves axis {axis} at other than the export's {size} ({_text(sizes)}); keep it, or export it open."
    return ""


def _unlike_export(exported: Mapping[str, Sequence[int | None]], fed: Fed) -> str:
    rule = "for TensorRT the shapes of the export and of the inference must agree"
    for feed in fed:
        for name, shape in feed.items():
            sizes = exported[name]
            if len(shape) != len(sizes):
                return f"{rule}: {name} was exported as {_text(sizes)} and is fed {_text(shape)}, another number of dimensions."
            for axis, (size, got) in enumerate(zip(sizes, shape)):
                if size is not None and got != size:
                    return (
                        f"{rule}: {name} was exported as {_text(sizes)} and is fed {_text(shape)} (axis {axis}: {size}, fed {got}); "
                        f"feed {size}, or export that axis open."
                    )
    return ""


def _not_static(exported: Mapping[str, Sequence[int | None]], fed: Fed, max_batch: int | None) -> str:
    for name, sizes in exported.items():
        axes = [axis for axis, size in enumerate(sizes) if axis and size is None]
        if axes:
            return (
                f"static shapes are asked for and {name} was exported with open dimensions, {_text(sizes)} "
                f"(axis {', '.join(map(str, axes))}); export it with the sizes that are fed, or ask for dynamic shapes."
            )
    for feed in fed:
        for name, shape in feed.items():
            if max_batch is not None and shape and shape[0] > max_batch:
                return f"{name} is fed {_text(shape)}, a batch of {shape[0]}, and the engine is built for at most max_batch={max_batch}."
    return ""


def _outside(fed: Fed, ranges: Mapping[str, Range]) -> str:
    for feed in fed:
        for name, (low, _, high) in ranges.items():
            shape = feed[name]
            for axis, (least, size, most) in enumerate(zip(low, shape, high)):
                if not least <= size <= most:
                    return (
                        f"{name} is fed {_text(shape)}, outside its range from {_text(low)} to {_text(high)} "
                        f"(axis {axis}: {size}, not in {least} to {most}); widen the range so that it contains every shape that is fed."
                    )
    return ""
