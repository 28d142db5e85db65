"""Finds the first layer at which an exported graph parts from the training layer, or the two layers between which it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Callable, Protocol

import numpy as np

from pytest_paddle_infer.diagnosis.divergence import ComparedLayer
from pytest_paddle_infer.diagnosis.finding import Finding
from pytest_paddle_infer.diagnosis.traces import Array, Call, GraphRun, Match, Matcher, Trace, distance, is_plain

LIMITS = (1e-5, 1e-6)
"""How far a value of the graph may lie from a layer's and still be it, as a share of its largest value; the finer one is tried where
every layer agrees within the coarser. Measured: without optimisation both sides are equal bit for bit, in 2.6.2 and 3.3.1."""

GROWTH = 4.0
"""How many times further than its input a layer's output must lie before the layer is at fault: rounding grows from layer to layer."""

EXACT = 1e-7
"""What counts as the same value where both sides were equal so far: one ulp of float32."""

UNLIKE = 0.5
"""A value that lies further off than this share, in a layer whose parameters are the model's, was computed by something else."""

UNLIKE_INPUT = 1e-3
"""How far a layer's output must lie from its input before the graph can be said to lack the layer: less, and the layer may compute with
another constant (an epsilon) and still be taken for one that is not there."""

TRIES = 24
"""Values of the graph that a layer is tried on before it is said to be at fault itself."""


class Laboratory(Protocol):
    """The training layer, ready to be run again with something changed. Both return None where that cannot be done."""

    def replay(self, call: int, which: int, array: Array) -> list[Array] | None:
        """Outputs of one call when its input number `which` is another tensor."""

    def substitute(self, call: int, arrays: Mapping[int, Array | None]) -> Trace | None:
        """The whole run again with outputs of one call replaced, by number; disturbed where the array is None."""


@dataclass(frozen=True)
class LayerFinding:
    """Where the difference starts.

    layer: the call at fault; None when it lies between layers. after, before: the calls around it, None for the network's own input and
    output. input_error, output_error: distances as shares of the largest value; output_error is None where the graph holds nothing of
    that shape. operators: types of the graph's operators in between. verified: with the graph's value in its place, the training layer
    answers like the graph. tried: it was run so. parameters: what differs from the model's in this layer. left_out: the graph does not
    run `before`, though it has what `before` is fed.
    """

    layer: Call | None
    after: Call | None = None
    before: Call | None = None
    input_error: float = 0.0
    output_error: float | None = None
    operators: tuple[str, ...] = ()
    verified: bool = False
    parameters: tuple[str, ...] = ()
    left_out: bool = False
    tried: bool = False

    @property
    def name(self) -> str:
        """What is named: the layer, else the two it lies between."""
        if self.layer is not None:
            return self.layer.name
        return f"{self.after.name if self.after else 'input'} -> {self.before.name if self.before else 'output'}"

    def sentence(self) -> str:
        """The cause in one sentence."""
        if self.layer is not None:
            if self.output_error is None:
                came = "the graph holds no value like its output"
            elif np.isinf(self.output_error):
                came = "its output is no longer finite where the layer's is, or the reverse"
            else:
                came = f"its output differs by {self.output_error:.1e} of its largest value"
            own = [name[len(self.layer.name) + 1 :] for name in self.parameters]
            blamed = f"; its {' and '.join(own[:3])} {'differs' if len(own) == 1 else 'differ'} from the model's" if own else ""
            return f"the difference starts inside {self.layer}: its input agrees to {as_share(self.input_error)}, {came}{blamed}."
        if self.left_out:
            return f"the graph does not run {self.before} where the model does: its input is there, and nothing like its output."
        where = f"after {self.after}" if self.after else "after the network's input"
        where += f", before {self.before}" if self.before else ", before the network's output"
        there = f"; all that the graph computes there is {_listed(self.operators)}" if self.operators else ""
        return f"the difference starts between layers: {where}{there}."

    def facts(self) -> tuple[tuple[str, str], ...]:
        """What supports it, beside what the sentence says already."""
        shown = []
        if len(self.parameters) > 3:  # the sentence has room for these
            shown.append(("differing parameters", ", ".join(self.parameters[:4])))
        if not (
            self.layer or self.after or self.before
        ):  # somewhere in a network whose layers nobody sees: nothing was put anywhere
            return tuple(shown)
        shown.append(
            ("checked", "with the graph's value put there, the rest of the trained network answers like the graph")
            if self.verified
            else (
                "not confirmed",
                "with the graph's value put there, the rest of the trained network still answers otherwise: "
                "another place differs too, or instead"
                if self.tried
                else "the rest of the trained network could not be run with a value of the graph there",
            )
        )
        return tuple(shown)


@dataclass(frozen=True)
class LayerSearch:
    """What a search found. calls: of layers that were looked at. agree: the worst distance among those that agree.

    unmatched: layers whose value is nowhere in the graph although what follows from it is. reason: why there is no finding, in one
    sentence. compared: every call, for the report; () where it was not asked for.
    """

    finding: LayerFinding | None
    calls: int = 0
    agree: float = 0.0
    unmatched: tuple[str, ...] = ()
    reason: str = ""
    compared: tuple[ComparedLayer, ...] = ()

    @property
    def limit(self) -> float:
        """The limit that the search stopped at."""
        found = self.finding
        fine = found is not None and found.output_error is not None and found.output_error <= LIMITS[0]
        return LIMITS[-1] if fine else LIMITS[0]

    def as_finding(self, stage: str, remedy: str = "") -> Finding | None:
        """The finding for the failure's text; None where nothing was found. stage: "export" or "optimise"."""
        found = self.finding
        if found is None:
            return None
        facts = found.facts()
        if self.unmatched:
            facts += (("not in the graph", f"{_listed(self.unmatched)}; not taken for a difference"),)
        kind, name = ("layer", found.name)
        if found.layer is None:
            kind, name = ("operator", found.operators[-1]) if len(set(found.operators)) == 1 else ("code", found.name)
        return Finding(stage, found.sentence(), kind, name, facts, remedy, certain=found.verified or bool(found.parameters))

    def with_parameters(self, differing: Sequence[str]) -> LayerSearch:
        """Notes which of the model's parameters, by structured name, differ from the export's."""
        found = self.finding
        layer = None if found is None else found.before if found.left_out else found.layer
        if found is None or layer is None:
            return self
        prefix = layer.name + "."
        own = tuple(name for name in differing if name.startswith(prefix) and "." not in name[len(prefix) :])
        if found.left_out:  # with other parameters a layer may compute nothing, as a batch norm that was reset
            return replace(self, finding=replace(found, layer=layer, before=None, left_out=False, parameters=own)) if own else self
        found = replace(found, parameters=own)
        apart = found.output_error
        if not own and not found.verified and (apart is None or UNLIKE < apart < float("inf")):
            found = replace(found, layer=None, before=found.layer, left_out=True)
        return replace(self, finding=found)


def as_share(error: float) -> str:
    """A distance as sentences show it."""
    return "0" if error == 0 else f"{error:.1g}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _never() -> bool:
    return False


# -- a graph of its own ------------------------------------------------------------------------------------------------


def search_graph(
    trace: Trace, run: GraphRun, laboratory: Laboratory, over: Callable[[], bool] = _never, limits: Sequence[float] = LIMITS
) -> LayerSearch:
    """Walks the calls in order and returns the first that the graph does not follow. over: True when there is no time left.

    A tensor is found where the graph holds a value of its shape, dtype and content. A call whose inputs are found and whose output is
    not is at fault, unless the graph feeds that layer another value (then the fault lies before it), or what depends on the call is
    found again (then the graph only lacks the value). A call whose input is found nowhere has the fault before it.
    """
    search = LayerSearch(None, len(trace.calls), reason="the network calls no layer that could be looked at.")
    for limit in limits:
        search = _Walk(trace, run, laboratory, limit, over).search()
        if search.finding is not None or over():
            break
    return search


class _Walk:
    """One pass over the calls with one limit."""

    def __init__(self, trace: Trace, run: GraphRun, laboratory: Laboratory, limit: float, over: Callable[[], bool]) -> None:
        self.trace, self.run, self.laboratory, self.limit, self.over = trace, run, laboratory, limit, over
        self.matcher = Matcher(value.array for value in run.values)
        limits = self._limits()
        self.found: list[Match | None] = [self.matcher.find(array, limits[place]) for place, array in enumerate(trace.tensors)]
        self.noise = 0.0
        self.unmatched: list[str] = []

    def _limits(self) -> list[float]:
        """The limit of each tensor: a layer that changes next to nothing (an untrained batch norm) must not be mistaken for its input."""
        limits = [self.limit] * len(self.trace.tensors)
        for call in self.trace.calls:
            for tensor in call.outputs:
                for other in call.inputs:
                    apart = distance(self.trace.tensors[other], self.trace.tensors[tensor])
                    if 0 < apart < GROWTH * self.limit:
                        limits[tensor] = min(limits[tensor], apart / GROWTH)
        return limits

    def search(self) -> LayerSearch:
        for index, call in enumerate(self.trace.calls):
            absent = [which for which, tensor in enumerate(call.outputs) if self.found[tensor] is None]
            if not absent or any(self.found[t] is not None and not is_plain(self.trace.tensors[t]) for t in call.outputs):
                self.noise = max([self.noise, *self._distances(call.outputs)])
                continue
            if self.over():
                return self._result(
                    None,
                    f"there was no time to look {f'beyond {self.trace.calls[index - 1]}' if index else 'at any layer'}.",
                )
            if self._is_back(index, absent[0]):
                self.unmatched.append(call.name)
                continue
            finding = self._found_at(index, absent[0])
            if finding is not None:
                return self._result(finding)
        apart = [distance(one, self.trace.tensors[two]) for one, two in zip(self.run.outputs, self.trace.outputs)]
        if len(self.run.outputs) != len(self.trace.outputs) or max(apart, default=0.0) > max(self.limit, GROWTH * self.noise):
            last = self._last_found(len(self.trace.calls))
            start = self._place(last)
            same = [] if start is None else [match.place for match in self.matcher.all(self.run.values[start].array, 0.0)]
            operators = tuple(self.run.values[place].op for place in self.run.below(same[-1])) if same else ()
            worst = max(apart, default=float("inf"))
            # with nothing found missing before, and no layer behind, it can lie nowhere else
            sure = last is not None and not self.unmatched
            return self._result(LayerFinding(None, last, None, self.noise, worst, operators, sure))
        return self._result(None, f"every layer agrees within {self.limit:.0e} of its largest value.")

    def _result(self, finding: LayerFinding | None, reason: str = "") -> LayerSearch:
        unmatched = tuple(dict.fromkeys(self.unmatched))
        return LayerSearch(finding, len(self.trace.calls), self.noise, unmatched, reason)

    def _distances(self, tensors: Sequence[int]) -> list[float]:
        return [match.distance for tensor in tensors if (match := self.found[tensor]) is not None]

    # -- the value is missing, and nothing is wrong ----------------------------------------------------------------------

    def _is_back(self, index: int, which: int) -> bool:
        """True when values that depend on the missing one agree, or when the network's answer does not depend on it."""
        moved = self.laboratory.substitute(index, {which: None})
        calls = self.trace.calls
        if moved is None or len(moved.calls) != len(calls):
            missing = calls[index].outputs[which]
            return any(missing in call.inputs and self._agrees(call.outputs) for call in calls[index + 1 :])
        if all(np.array_equal(moved.tensors[a], self.trace.tensors[b], equal_nan=_floats(self.trace.tensors[b]))
               for a, b in zip(moved.outputs, self.trace.outputs)):  # fmt: skip
            return True
        for before, after in zip(calls[index + 1 :], moved.calls[index + 1 :]):
            changed = [
                old
                for old, new in zip(before.outputs, after.outputs)
                if not np.array_equal(self.trace.tensors[old], moved.tensors[new], equal_nan=_floats(self.trace.tensors[old]))
            ]
            if changed and self._agrees(changed):
                return True
        return False

    def _agrees(self, tensors: Sequence[int]) -> bool:
        """True when one of the tensors is found as near as the values before were, and proves something."""
        most = max(EXACT, GROWTH * self.noise)
        return any(
            (match := self.found[tensor]) is not None and match.distance <= most and not is_plain(self.trace.tensors[tensor])
            for tensor in tensors
        )

    # -- the value is missing, and something is wrong --------------------------------------------------------------------

    def _found_at(self, index: int, which: int) -> LayerFinding | None:
        """Where the difference lies; None where it is rounding that has grown past the limit."""
        call = self.trace.calls[index]
        lost = [position for position, tensor in enumerate(call.inputs) if self.found[tensor] is None]
        if lost:
            last = self._last_found(index)
            place = self._fed(index, lost[0], self._place(last))
            return self._between(last, call, self._place(last), place)
        floats = [position for position, tensor in enumerate(call.inputs) if self.trace.tensors[tensor].dtype.kind in "fc"]
        for position in floats:
            match = self.found[call.inputs[position]]
            assert match is not None
            place = self._fed(index, position, match.place)
            if place is not None:
                return self._between(self._maker(index, call.inputs[position]), call, match.place, place)
        agree = max(self._distances(call.inputs), default=0.0)
        candidate, apart = self._candidate(index, which)
        if candidate is not None and apart is not None and apart <= GROWTH * agree:
            self.found[call.outputs[which]] = Match(candidate, apart)
            self.noise = max(self.noise, apart)
            return None
        if self._passed_through(index, which):
            return LayerFinding(None, self._maker(index, call.inputs[0]), call, agree, apart, (), verified=True, left_out=True)
        again = None
        if candidate is not None:
            missing = [other for other, tensor in enumerate(call.outputs) if self.found[tensor] is None]
            places = {other: place for other in missing if (place := self._candidate(index, other)[0]) is not None}
            again = self.laboratory.substitute(index, {other: self.run.values[place].array for other, place in places.items()})
        verified = again is not None and self._answers(again)
        return LayerFinding(call, self._last_found(index), None, agree, apart, (), verified, tried=again is not None)

    def _passed_through(self, index: int, which: int) -> bool:
        """True when the layer's own input, put in place of its output, makes the training layer answer like the graph: the graph lacks it.

        Such a value lies above the layer, where `_candidate` does not look.
        """
        call, tensors = self.trace.calls[index], self.trace.tensors
        wanted = tensors[call.outputs[which]]
        if len(call.outputs) > 1 or not call.inputs:
            return False
        given = tensors[call.inputs[0]]
        if not UNLIKE_INPUT < distance(given, wanted) < float("inf"):
            return False
        again = self.laboratory.substitute(index, {which: given})
        return again is not None and self._answers(again)

    def _between(self, last: Call | None, call: Call, start: int | None, end: int | None) -> LayerFinding:
        operators: tuple[str, ...] = ()
        if start is not None and end is not None:
            # the same values may be there twice (a bias of zeros was added): the way from the last of them is the shortest
            same = [match.place for match in self.matcher.all(self.run.values[start].array, 0.0) if start <= match.place < end]
            operators = next((way for place in reversed(same) if (way := self.run.operators(place, end))), ())
        elif start is not None:
            operators = tuple(self.run.values[place].op for place in self.run.below(start, parameters=False))
        return LayerFinding(None, last, call, self.noise, None, operators, verified=end is not None)

    def _fed(self, index: int, position: int, start: int | None) -> int | None:
        """The place of the value that the graph feeds to this layer, when it is another one and the layer answers to it as it should.

        A layer without parameters may give what is found by chance (the ReLU of another place); it is tried only on values that no
        operator with parameters separates from its own input.
        """
        call = self.trace.calls[index]
        wanted = self.trace.tensors[call.inputs[position]]
        known = self.found[call.inputs[position]]
        near = max(self.limit, GROWTH * known.distance) if known is not None else self.limit
        alike = self.matcher.shaped_as(wanted)
        own = {place for place in alike if distance(self.run.values[place].array, wanted) <= near}
        places = range(len(self.run.values)) if start is None else [start, *self.run.below(start, parameters=call.weighted)]
        shaped = set(alike) - own
        for place in [place for place in places if place in shaped][:TRIES]:
            if self.over():
                return None
            outputs = self.laboratory.replay(index, position, self.run.values[place].array)
            for output in outputs or ():
                apart = distance(output, self.run.values[place].array)
                if is_plain(output) or not apart:
                    continue
                matches = self.matcher.all(output, min(self.limit, apart / GROWTH))  # no mistaking it for what was fed
                if any(match.place > place for match in matches):
                    return place
        return None

    def _candidate(self, index: int, which: int) -> tuple[int | None, float | None]:
        """The value of the graph that stands for a missing output: of its shape, below the call's inputs, the nearest of all."""
        call = self.trace.calls[index]
        wanted = self.trace.tensors[call.outputs[which]]
        starts = [match.place for tensor in call.inputs if (match := self.found[tensor]) is not None]
        places = self.run.below(max(starts)) if starts else range(len(self.run.values))
        shaped = set(self.matcher.shaped_as(wanted))
        ranked = [(distance(self.run.values[place].array, wanted), place) for place in places if place in shaped]
        if not ranked:
            return None, None
        apart, place = min(ranked)
        return place, apart

    def _answers(self, again: Trace) -> bool:
        """True when a changed run of the training layer answers like the graph."""
        answers = [again.tensors[tensor] for tensor in again.outputs]
        most = max(self.limit, GROWTH * self.noise)
        return len(answers) == len(self.run.outputs) and all(
            distance(one, two) <= most for one, two in zip(answers, self.run.outputs)
        )

    # -- neighbours ------------------------------------------------------------------------------------------------------

    def _last_found(self, index: int) -> Call | None:
        return next((call for call in reversed(self.trace.calls[:index]) if self._distances(call.outputs)), None)

    def _maker(self, index: int, tensor: int) -> Call | None:
        """The call that put a tensor out; the last one before, where code between layers made it; None for the network's input."""
        if tensor in self.trace.inputs:
            return None
        made = (call for call in reversed(self.trace.calls[:index]) if tensor in call.outputs)
        return next(made, self._last_found(index))

    def _place(self, call: Call | None) -> int | None:
        """Where the graph has the output of a call, or the network's input for None."""
        tensors = self.trace.inputs if call is None else call.outputs
        places = [match.place for tensor in tensors if (match := self.found[tensor]) is not None]
        return min(places, default=None)


def _floats(array: Array) -> bool:
    return array.dtype.kind in "fc"
