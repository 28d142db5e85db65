"""Numerical faults: where the first NaN or Inf appears, how large the values were before it, and what a precision cannot hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pytest_paddle_infer.diagnosis.agreement import finite
from pytest_paddle_infer.diagnosis.finding import Finding
from pytest_paddle_infer.diagnosis.traces import Array, GraphRun, Trace


@dataclass(frozen=True)
class Range:
    """What a floating-point format holds. largest: finite value. smallest: the smallest subnormal one."""

    largest: float
    smallest: float


RANGES: Mapping[str, Range] = {
    "fp16": Range(65504.0, 2.0**-24),
    "bf16": Range(3.3895313892515355e38, 2.0**-133),
    "tf32": Range(3.4011621342146535e38, 2.0**-136),
}
"""IEEE 754 binary16; bfloat16 and TF32 have binary32's exponent. The training side computes in binary32 itself, and int8 is scaled to each
tensor: neither has a range here."""

FADED = 0.01
"""Share of a tensor's nonzero values that must become zero before it is said: single ones always do."""


@dataclass(frozen=True)
class NumericFault:
    """The first value that is no number, or that a precision cannot hold.

    side: "training" or "graph". where: the layer or operator. what: "NaN", "Inf", or "overflow" and "underflow" of `precision`. largest:
    the largest finite value that went in, the tensor's own largest one for a range. from_finite: everything that went in was finite.
    before: layers before it with the largest value of each, the largest first. share: of the values that become zero.
    """

    side: str
    where: str
    what: str
    largest: float
    from_finite: bool = True
    precision: str = ""
    kind: str = "layer"
    before: tuple[tuple[str, float], ...] = ()
    share: float = 0.0

    def sentence(self) -> str:
        """The cause in one sentence."""
        who = "the training engine" if self.side == "training" else "the exported graph"
        if self.what == "overflow":
            most = RANGES[self.precision].largest
            return f"{self.where} puts out values up to {self.largest:.3g}; {self.precision} ends at {most:.5g}, so they become infinite."
        if self.what == "underflow":
            return f"{self.share:.0%} of what {self.where} puts out is too small for {self.precision} and becomes zero."
        origin = "from finite values" if self.from_finite else "from what it was given"
        grown = ""
        if self.what == "Inf" and self.from_finite and self.kind != "code":
            grown = f", the largest of them {self.largest:.3g}: an overflow"
        return f"the first {self.what} of {who} is made by {self.where} {origin}{grown}."

    def as_finding(self, stage: str) -> Finding:
        """The finding for the failure's text."""
        facts = [("largest value before", f"{self.largest:.4g}")] if self.what in ("NaN", "Inf") else []
        facts += [(f"largest value of {name}", f"{size:.4g}") for name, size in self.before[:3]]
        name = self.where.partition(" (")[0]
        return Finding(stage, self.sentence(), self.kind, name, tuple(facts), certain=self.from_finite)


def first_not_finite(trace: Trace) -> NumericFault | None:
    """The first call of the training layer that puts out NaN or Inf; None when every value is finite."""
    sizes: list[tuple[str, float]] = []
    for call in trace.calls:
        bad = [array for tensor in call.outputs if not finite(array := trace.tensors[tensor])]
        given = [trace.tensors[tensor] for tensor in call.inputs]
        spoilt = [array for array in given if not finite(array)]
        if bad or spoilt:
            known = any(tensor in trace.inputs for tensor in call.inputs if not finite(trace.tensors[tensor]))
            where = str(call) if not spoilt else "the network's input" if known else f"the code before {call}"
            before = tuple(sorted(sizes, key=lambda pair: -pair[1])[:3])
            what = _what(spoilt or bad)
            largest = max(map(_largest, given), default=0.0) if not spoilt else max((size for _, size in before), default=0.0)
            return NumericFault("training", where, what, largest, not known, kind="layer" if not spoilt else "code", before=before)
        sizes.append((str(call), max((_largest(trace.tensors[tensor]) for tensor in call.outputs), default=0.0)))
    ends = [trace.tensors[tensor] for tensor in trace.outputs if not finite(trace.tensors[tensor])]
    if not ends:
        return None
    before = tuple(sorted(sizes, key=lambda pair: -pair[1])[:3])
    last = f"the code after {trace.calls[-1]}" if trace.calls else "the network"
    return NumericFault("training", last, _what(ends), before[0][1] if before else 0.0, kind="code", before=before)


def first_not_finite_in_graph(run: GraphRun) -> NumericFault | None:
    """The first operator of the graph that puts out NaN or Inf; None when every value is finite."""
    for value in run.values:
        if finite(value.array):
            continue
        given = [run.values[source].array for source in value.sources]
        fine = value.op != "" and all(map(finite, given))
        largest = max(map(_largest, given), default=0.0)
        where = f"the operator {value.op}" if value.op else "the graph's input"
        return NumericFault("graph", where, _what([value.array]), largest, fine, kind="operator")
    return None


def beyond_range(trace: Trace, precision: str) -> NumericFault | None:
    """The first values that a precision cannot hold: too large, or at least `FADED` of them too small; None when it holds all."""
    limits = RANGES.get(precision)
    if limits is None:
        return None
    made = set(trace.inputs)
    for call in trace.calls:
        between = [(tensor, f"the code before {call}", "code") for tensor in call.inputs if tensor not in made]
        for tensor, where, kind in (*between, *((tensor, str(call), "layer") for tensor in call.outputs)):
            made.add(tensor)
            array = trace.tensors[tensor]
            if array.dtype.kind != "f" or not array.size:
                continue
            largest = _largest(array)
            if largest > limits.largest:
                return NumericFault("training", where, "overflow", largest, True, precision, kind)
            sizes = np.abs(array[np.isfinite(array) & (array != 0)])
            share = float((sizes < limits.smallest / 2).mean()) if sizes.size else 0.0
            if share > FADED:
                return NumericFault("training", where, "underflow", largest, True, precision, kind, share=share)
    return None


def _largest(array: Array) -> float:
    if array.dtype.kind not in "fc" or not array.size:
        return 0.0
    numbers = array[np.isfinite(array)]
    return float(np.abs(numbers).max()) if numbers.size else 0.0


def _what(arrays: Sequence[Array]) -> str:
    return "NaN" if any(array.dtype.kind in "fc" and bool(np.isnan(array).any()) for array in arrays) else "Inf"
