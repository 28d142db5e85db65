"""How far each layer of a failed comparison lies from the training layer, in the order of the calls: for the report, not for the cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Callable

from pytest_paddle_infer.diagnosis.traces import Array, Call, GraphRun, Trace, distance

NEAR = 4
"""Values of a layer's shape that are looked at: its own is among the next few (a bias is added, an activation follows)."""

ELEMENTS = 1 << 16
"""Elements of a tensor that are looked at."""


@dataclass(frozen=True)
class ComparedLayer:
    """One call of a layer. Errors are over the largest value, None where nothing is compared. state: agrees, differs or unmatched."""

    name: str
    kind: str
    input_error: float | None
    output_error: float | None
    state: str


def compared_layers(
    trace: Trace, apart: Mapping[int, float], differs: Callable[[Call], bool], culprit: Call | None
) -> tuple[ComparedLayer, ...]:
    """Returns every call. apart: position in `trace.tensors` -> distance. culprit: the layer that is said to be at fault."""

    def worst(tensors: Iterable[int]) -> float | None:
        return max((apart[tensor] for tensor in tensors if tensor in apart), default=None)

    found = []
    for call in trace.calls:
        made = worst(call.outputs)
        state = "differs" if call is culprit or (made is not None and differs(call)) else "unmatched" if made is None else "agrees"
        name = f"{call.name}, call {call.number + 1}" if call.number else call.name
        found.append(ComparedLayer(name, call.kind, worst(call.inputs), made, state))
    return tuple(found)


def follow_graph(
    trace: Trace, run: GraphRun, limit: float, culprit: Call | None, over: Callable[[], bool]
) -> tuple[ComparedLayer, ...]:
    """Pairs each output of a layer with a value of the graph, also behind the first that differs, and returns every call.

    Layers and operators run in one order, so the value of a layer comes after that of the layer before: of the next `NEAR` values of its
    shape it is the nearest. So is an input that code between layers made. over: True when there is no time left; what follows is unmatched.
    """
    shaped: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for place, value in enumerate(run.values):
        shaped.setdefault((str(value.array.dtype), value.array.shape), []).append(place)
    apart = dict.fromkeys(trace.inputs, 0.0)
    last = -1
    for call in trace.calls:
        for tensor in (*call.inputs, *call.outputs):
            wanted = trace.tensors[tensor]
            if tensor in apart or over():  # a layer that changes nothing (dropout) puts out its input
                continue
            places = [place for place in shaped.get((str(wanted.dtype), wanted.shape), ()) if place > last][:NEAR]
            if places:
                apart[tensor], found = min((_apart(run.values[place].array, wanted), place) for place in places)
                last = found if tensor in call.outputs else last
    return compared_layers(trace, apart, lambda call: any(apart.get(tensor, 0.0) > limit for tensor in call.outputs), culprit)


def _apart(array: Array, wanted: Array) -> float:
    step = -(-wanted.size // ELEMENTS) or 1
    return distance(array.reshape(-1)[::step], wanted.reshape(-1)[::step])
