"""Records a run of the training layer call by call, and a run of the exported graph operator by operator."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import numpy as np

from pytest_paddle_infer.deployed.predictor import Predictor
from pytest_paddle_infer.diagnosis.traces import Array, Call, Gather, GraphRun, Trace, Value
from pytest_paddle_infer.engine.runtime import load_paddle, on_cpu, quiet
from pytest_paddle_infer.engine.training import flatten
from pytest_paddle_infer.exports import read_operators


@dataclass
class _Change:
    """What the next run is to do otherwise: outputs of a call are replaced, by number; disturbed where the array is None."""

    call: int
    arrays: Mapping[int, Array | None]


@dataclass(frozen=True)
class _Given:
    """How a call was made: its arguments with each tensor replaced by its number among the call's inputs."""

    run: Callable[..., Any]
    args: Any
    kwargs: Any


@dataclass(frozen=True)
class _Slot:
    """Stands for a tensor."""

    number: int


class Tracer:
    """Wraps `forward` of every sublayer until `restore`: only for a process of its own. A layer that calls no other one is recorded.

    Not hooks: these see no keyword arguments, and nothing where `layer.forward(x)` is called.
    """

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._prefix = "net." if getattr(layer, "softmax_on_top", False) else ""
        self._change: _Change | None = None
        self._open: list[list[bool]] = []
        self._gather = Gather()
        self._calls: list[Call] = []
        self._givens: list[_Given] = []
        self._kept: tuple[_Given, ...] = ()
        self._inputs: list[Array] = []
        self._wraps: list[tuple[Any, Any]] = []
        self._numbers: dict[str, int] = {}
        self.trace: Trace | None = None
        self._tensors = load_paddle().Tensor
        for name, sub in layer.named_sublayers():
            short = name[len(self._prefix) :] if name.startswith(self._prefix) else name
            if name + "." != self._prefix:
                self._wraps.append((sub, vars(sub).get("forward")))
                sub.forward = self._wrapped(sub, short, sub.forward)

    def run(self, inputs: Sequence[Array]) -> Trace:
        """Runs the layer on arrays in the order of its inputs and keeps the trace. Raises what the layer raises."""
        self._change = None
        self.trace = self._run(inputs)
        self._kept = tuple(self._givens)
        self._inputs = list(inputs)
        return self.trace

    def restore(self) -> None:
        """Gives every layer its own `forward` back; `replay` still works."""
        for sub, own in self._wraps:
            if own is None:
                del sub.forward
            else:
                sub.forward = own
        self._wraps.clear()

    def replay(self, call: int, which: int, array: Array) -> list[Array] | None:
        """See `diagnosis.layers.Laboratory`."""
        paddle = load_paddle()
        assert self.trace is not None
        given = self._kept[call]
        tensors = [self.trace.tensors[place] for place in self.trace.calls[call].inputs]
        tensors[which] = array

        def filled(slot: Any) -> Any:
            return paddle.to_tensor(tensors[slot.number])

        try:
            with quiet(), on_cpu(), paddle.no_grad():
                made = given.run(*_mapped(given.args, _Slot, filled), **_mapped(given.kwargs, _Slot, filled))
                return [tensor.numpy() for tensor in tensors_in(made, self._tensors)]
        except Exception:  # of a shape that the layer does not take: Paddle raises many types
            return None

    def substitute(self, call: int, arrays: Mapping[int, Array | None]) -> Trace | None:
        """See `diagnosis.layers.Laboratory`."""
        self._change = _Change(call, arrays)
        try:
            return self._run(self._inputs)
        except Exception:  # the code after it may depend on the values
            return None
        finally:
            self._change = None

    def _run(self, inputs: Sequence[Array]) -> Trace:
        paddle = load_paddle()
        self._open.clear()
        self._gather, self._calls, self._givens, self._numbers = Gather(), [], [], {}
        with quiet(), on_cpu(), paddle.no_grad():
            places = tuple(self._gather.place(np.asarray(array)) for array in inputs)
            made = flatten(self._layer(*(paddle.to_tensor(array) for array in inputs)))
            outputs = tuple(self._gather.place(tensor.numpy()) for tensor in made.values())
        return Trace(tuple(self._gather.tensors), tuple(self._calls), places, outputs)

    def _wrapped(self, sub: Any, name: str, forward: Callable[..., Any]) -> Callable[..., Any]:
        weighted = next(iter(sub.parameters()), None) is not None or next(iter(sub.buffers()), None) is not None

        @functools.wraps(forward)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            for called in self._open:
                called[0] = True
            mine = [False]
            arrays = [tensor.numpy() for tensor in tensors_in([args, kwargs], self._tensors)]  # now: it may be changed in place
            self._open.append(mine)
            try:
                made = forward(*args, **kwargs)
            finally:
                self._open.pop()
            if mine[0]:
                return made
            return self._recorded(_Given(forward, *_with_slots(args, kwargs, self._tensors)), sub, name, weighted, arrays, made)

        return wrapped

    def _recorded(self, given: _Given, sub: Any, name: str, weighted: bool, arrays: list[Array], made: Any) -> Any:
        change, index = self._change, len(self._calls)
        if change is not None and change.call == index:
            made = self._changed(made, change)
        number = self._numbers.get(name, 0)
        self._numbers[name] = number + 1
        inputs = tuple(self._gather.place(array) for array in arrays)
        outputs = tuple(self._gather.place(tensor.numpy()) for tensor in tensors_in(made, self._tensors))
        self._calls.append(Call(name, type(sub).__name__, number, inputs, outputs, weighted))
        self._givens.append(given)
        return made

    def _changed(self, made: Any, change: _Change) -> Any:
        paddle, count = load_paddle(), [-1]

        def swap(tensor: Any) -> Any:
            count[0] += 1
            if count[0] not in change.arrays:
                return tensor
            array = change.arrays[count[0]]
            return paddle.to_tensor(_disturbed(tensor.numpy()) if array is None else array)

        return _mapped(made, self._tensors, swap)


def _disturbed(array: Array) -> Array:
    """The tensor with every element moved by about a tenth."""
    if array.dtype.kind != "f":
        return np.roll(array, 1)
    random = np.random.RandomState(0)
    size = np.abs(array[np.isfinite(array)])
    typical = float(size.mean()) if size.size else 1.0
    moved = array + 0.1 * (np.abs(array) + (typical or 1.0)) * random.choice([-1.0, 1.0], array.shape)
    return np.asarray(moved, array.dtype)


def _mapped(value: Any, kind: Any, change: Callable[[Any], Any]) -> Any:
    """A nest of tuples, lists and dicts with everything of one kind replaced."""
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_mapped(child, kind, change) for child in value))
    if type(value) in (tuple, list):
        return type(value)(_mapped(child, kind, change) for child in value)
    if isinstance(value, Mapping):
        return {key: _mapped(child, kind, change) for key, child in value.items()}
    return value


def tensors_in(value: Any, kind: Any) -> list[Any]:
    """Everything of one kind, or of several, in a nest of tuples, lists and dicts."""
    found: list[Any] = []
    _mapped(value, kind, found.append)
    return found


def _with_slots(args: Any, kwargs: Any, kind: Any) -> tuple[Any, Any]:
    count = [-1]

    def slot(tensor: Any) -> _Slot:
        count[0] += 1
        return _Slot(count[0])

    return _mapped(args, kind, slot), _mapped(kwargs, kind, slot)


# -- the graph ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Event:
    """One call of a hook. array: of an output, or of an input that no operator made and that is shaped as one of the graph's."""

    output: bool
    op: str
    name: str
    array: Array | None


class GraphRecorder:
    """Hooks on a predictor that note every value. A hook that raises ends the run with an empty message, so these never do."""

    def __init__(self, predictor: Predictor, feeds: Sequence[Array]) -> None:
        self._events: list[_Event] = []
        self._feeds = list(feeds)
        self._names = predictor.input_names
        self._made: set[str] = set()
        self.sees_inputs = hasattr(predictor.predictor, "register_input_hook")
        predictor.predictor.register_output_hook(self._output)
        if self.sees_inputs:
            predictor.predictor.register_input_hook(self._input)

    def _output(self, op: str, name: str, tensor: Any) -> None:
        self._made.add(name)
        self._events.append(_Event(True, op, name, _copy(tensor)))

    def _input(self, op: str, name: str, tensor: Any) -> None:
        array = None
        if name not in self._made:
            try:
                shaped = any(list(tensor.shape) == list(feed.shape) for feed in self._feeds)
            except Exception:  # an empty tensor
                shaped = False
            array = _copy(tensor) if shaped else None
        self._events.append(_Event(False, op, name, array))

    def run(self, model_file: Path, outputs: Sequence[Array]) -> GraphRun:
        """What was recorded. model_file: a `.pdmodel` is asked which values its operators read, where the hooks cannot tell."""
        operators = read_operators(model_file) if not self.sees_inputs and model_file.suffix == ".pdmodel" else []
        return assemble(self._events, dict(zip(self._names, self._feeds)), operators, outputs)


def _copy(tensor: Any) -> Array | None:
    try:
        return np.array(tensor.numpy())
    except Exception:  # not initialised, or of a kind that numpy has not
        return None


def assemble(
    events: Sequence[_Event],
    inputs: Mapping[str, Array],
    operators: Sequence[tuple[str, tuple[str, ...], tuple[str, ...]]],
    outputs: Sequence[Array],
) -> GraphRun:
    """Puts the events of one run together. operators: type, names read and names made, in order, where there are no events of inputs."""
    feeds = list(inputs.values())
    values = [Value("", feed) for feed in feeds]
    current = {name: place for place, name in enumerate(inputs)}
    made: set[str] = set()
    read: list[_Event] = []
    position, reading = 0, False
    for event in events:
        if not event.output:
            read = [*read, event] if reading and read and _kind(read[-1].op) == _kind(event.op) else [event]
            reading = True
            continue
        reading = False
        names: Sequence[str] = [item.name for item in read] if read and _kind(read[0].op) == _kind(event.op) else ()
        for item in read:
            if item.name not in current and item.array is not None:
                feed = next((place for place, given in enumerate(feeds) if np.array_equal(given, item.array)), None)
                if feed is not None:
                    current[item.name] = feed
        if operators:
            found = next((p for p in range(position, len(operators)) if event.name in operators[p][2]), None)
            if found is not None:
                position, names = found, operators[found][1]
        made.add(event.name)
        if event.array is None or not event.array.size:
            continue
        if _kind(event.op) == "feed":
            place = next((place for place, given in enumerate(feeds) if np.array_equal(given, event.array)), None)
            if place is not None:
                current[event.name] = place
                continue
        sources = tuple(dict.fromkeys(current[name] for name in names if name in current))
        values.append(Value(_kind(event.op), event.array, sources, any(name not in current and name not in made for name in names)))
        current[event.name] = len(values) - 1
    return GraphRun(tuple(values), tuple(outputs))


def _kind(op: str) -> str:
    """`conv2d` for `pd_op.conv2d:0`, `relu` for `pd_op.relu_:0`, which works in place."""
    return op.partition(":")[0].rpartition(".")[2].rstrip("_")
