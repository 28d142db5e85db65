"""Graphs in a form that can be compared: only what the outputs need, in an order that is the graph's own and not the trace's."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_paddle_infer.graphs import Operator, Program, Source

_COMMUTES = frozenset(
    ("add", "multiply", "maximum", "minimum", "elementwise_add", "elementwise_mul", "elementwise_max", "elementwise_min")
)


@dataclass(frozen=True)
class Plain:
    """A graph with structured parameter names, its operators in depth-first order from the outputs."""

    program: Program
    operators: tuple[Operator, ...]
    outputs: tuple[Source, ...]
    values: tuple[int, ...]
    """Of each operator: equal in two graphs when it computes the same from the same inputs (see `Values`)."""


class Values:
    """Numbers for values: two get the same number when the same operators made them from the same parameters and inputs.

    Used for both graphs of a comparison. Operators that change nothing (`identity`) do not count.
    """

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    def number(self, key: Any) -> int:
        """The number of a value that `key` describes."""
        return self._numbers.setdefault(key, len(self._numbers))

    def of(self, operators: Sequence[Operator]) -> tuple[int, ...]:
        """One number for each operator."""
        found: list[int] = []
        for operator in operators:
            inputs = [self.source(source, operators, found) for source in operator.inputs]
            if identity(operator) and inputs:
                found.append(inputs[0])
                continue
            if operator.kind in _COMMUTES and all(key != "axis" or value == -1 for key, value in operator.attributes):
                inputs.sort()
            found.append(self.number((operator.kind, repr(operator.attributes), tuple(inputs))))
        return tuple(found)

    def source(self, source: Source, operators: Sequence[Operator], values: Sequence[int]) -> int:
        """The number of an input of an operator, or of an output of the network."""
        if source.kind != "operator":
            return self.number((source.kind, source.name))
        value = values[source.producer]
        return value if source.output == 0 or identity(operators[source.producer]) else self.number((value, source.output))


def identity(operator: Operator) -> bool:
    """True for an operator that gives back its input in inference."""
    has = dict(operator.attributes)
    if operator.kind in ("assign", "share_data"):
        return True
    if operator.kind == "scale":
        return len(operator.inputs) == 1 and has.get("scale", 1) == 1 and has.get("bias", 0) == 0
    if operator.kind == "dropout":
        mode = has.get("mode", has.get("dropout_implementation"))
        return has.get("is_test") is True and (mode == "upscale_in_train" or has.get("p", has.get("dropout_prob")) == 0)
    return operator.kind == "cast" and has.get("in_dtype", "") == has.get("out_dtype")


def canonical(program: Program, structured: Mapping[str, str], values: Values) -> Plain:
    """Orders the operators depth first from the outputs and gives parameters their structured names, where `structured` has one."""
    order: list[int] = []
    place: dict[int, int] = {}
    for output in program.outputs:
        pending = [(output.producer, False)] if output.kind == "operator" else []
        while pending:
            index, ready = pending.pop()
            if index in place:
                continue
            if ready:
                place[index] = len(order)
                order.append(index)
                continue
            pending.append((index, True))
            feeding = [source.producer for source in program.operators[index].inputs if source.kind == "operator"]
            pending.extend((producer, False) for producer in reversed(feeding) if producer not in place)

    def renamed(source: Source) -> Source:
        if source.kind == "operator":
            return replace(source, producer=place[source.producer])
        return replace(source, name=structured.get(source.name, source.name)) if source.kind == "parameter" else source

    operators = tuple(
        replace(program.operators[index], inputs=tuple(renamed(source) for source in program.operators[index].inputs))
        for index in order
    )
    outputs = tuple(renamed(source) for source in program.outputs)
    return Plain(program, operators, outputs, values.of(operators))


def layer_of(operator: Operator) -> str:
    """The layer whose parameters the operator takes itself: `features.3` for `features.3.weight`; empty for none."""
    name = next((source.name for source in operator.inputs if source.kind == "parameter"), "")
    return name.rpartition(".")[0] or name


def behind(plain: Plain, source: Source) -> str:
    """The nearest layer upstream of a value, that which made it included; empty for none."""
    waiting, seen = [source], set()
    while waiting:
        now = waiting.pop(0)
        if now.kind == "parameter":
            return now.name.rpartition(".")[0] or now.name
        if now.kind != "operator" or now.producer in seen:
            continue
        seen.add(now.producer)
        operator = plain.operators[now.producer]
        if layer := layer_of(operator):
            return layer
        waiting.extend(operator.inputs)
    return ""


def before(plain: Plain, index: int) -> str:
    """The nearest layer downstream of an operator; empty for none."""
    reached = {index}
    for number in range(index + 1, len(plain.operators)):
        operator = plain.operators[number]
        if any(source.kind == "operator" and source.producer in reached for source in operator.inputs):
            if layer := layer_of(operator):
                return layer
            reached.add(number)
    return ""


def shown(value: Any) -> str:
    """An attribute as people write it: a float32 with the fewest digits that give it back."""
    if isinstance(value, bool) or not isinstance(value, (float, tuple)):
        return str(value)
    if isinstance(value, tuple):
        if len(value) == 4 and value[0] == "all":
            return f"{shown(value[1])} in shape {shown(value[3])}"
        return "[" + ", ".join(shown(item) for item in value[:8]) + (", ..." if len(value) > 8 else "") + "]"
    for digits in range(1, 18):
        text = f"{value:.{digits}g}"
        if float(text) == value or (digits > 5 and _single(value) and _single(float(text), value)):
            break
    return repr(float(text))


def _single(value: float, wanted: float | None = None) -> bool:
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return False
    return rounded == (value if wanted is None else wanted)
