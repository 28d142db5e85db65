"""Planted faults: the training engine answers with one fault at a time, so that the judge can show what it would have caught."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable

import numpy as np

from pytest_paddle_infer.engine.model import LoadedModel, seeded
from pytest_paddle_infer.engine.processing import Array, Arrays, is_scores
from pytest_paddle_infer.engine.runtime import load_paddle, quiet
from pytest_paddle_infer.engine.services import EngineService, make_training_engine
from pytest_paddle_infer.engine.training import flatten
from pytest_paddle_infer.samples import Sample


@dataclass(frozen=True)
class PlantedOutputs:
    """One fault and what the training engine answers with it, batch by batch. `in_weights`: the artifacts checkpoint would see it too."""

    fault: str
    outputs: tuple[Arrays, ...]
    in_weights: bool = False


class TeethService(EngineService):
    """Runs in a worker of its own, because it changes the layer."""

    def __init__(self, model: LoadedModel, samples: Sequence[Sample], threads: int) -> None:
        self._model = model
        super().__init__(make_training_engine(model, threads), samples)

    def plant(self, batches: Sequence[tuple[int, int]]) -> list[PlantedOutputs]:
        """Returns the outputs of every fault that this model can have."""
        inputs = [self._batch(start, stop) for start, stop in batches]
        clean = [self._run(tensors) for tensors in inputs]
        found = [
            PlantedOutputs(fault, tuple(self._run([change(tensors[0]), *tensors[1:]]) for tensors in inputs))
            for fault, change in _input_faults(inputs[0][0])
        ]
        found.extend(self._output_faults(inputs, clean))
        for fault, planted in self._layer_faults():
            with planted(), seeded(0, load_paddle()):
                found.append(
                    PlantedOutputs(fault, tuple(self._run(tensors) for tensors in inputs), in_weights="dropout" not in fault)
                )
        return found

    def _output_faults(self, inputs: Sequence[Arrays], clean: Sequence[Arrays]) -> Iterator[PlantedOutputs]:
        if self._model.softmax:
            paddle = load_paddle()
            with quiet(), paddle.no_grad():
                bare = [
                    [tensor.numpy() for tensor in flatten(self._model.layer.net(*map(paddle.to_tensor, tensors))).values()]
                    for tensors in inputs
                ]
            yield PlantedOutputs("softmax left out", tuple(bare))
            yield PlantedOutputs("softmax applied twice", tuple([_softmax(array) for array in arrays] for arrays in clean))
        rolled = _rolled(clean)
        if rolled is not None:
            yield PlantedOutputs("answers of another sample", tuple(rolled))
        if any(array.dtype.kind in "fc" for array in clean[0]):
            yield PlantedOutputs("one element off by 1e-3", tuple([_one_off(array) for array in arrays] for arrays in clean))

    def _layer_faults(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        sublayers = list(self._model.layer.named_sublayers(include_self=True))
        weighted = [(n, s) for n, s in sublayers if getattr(s, "weight", None) is not None and not hasattr(s, "_mean")]
        if weighted:
            name, layer = weighted[len(weighted) // 2]
            short = name[len("net.") :] if self._model.softmax and name.startswith("net.") else name
            for size in (1e-3, 1e-5):
                yield f"weights of {short or 'the layer'} x (1 + {size:g})", partial(_scaled, layer.weight, 1 + size)
        norms = [sub for _, sub in sublayers if hasattr(sub, "_mean") and hasattr(sub, "_variance")]
        if norms:
            yield "batch-norm statistics stale", lambda: _all(_shifted(norm) for norm in norms)
        dropouts = [sub for _, sub in sublayers if "Dropout" in type(sub).__name__]
        if dropouts:
            yield "dropout left on", lambda: _all(_switched_on(sub) for sub in dropouts)


def _input_faults(first: Array) -> Iterator[tuple[str, Callable[[Array], Array]]]:
    if first.ndim == 4 and first.shape[1] == 3:
        yield "channels in reverse order", lambda x: np.ascontiguousarray(x[:, ::-1])
        yield "HWC read as CHW", lambda x: np.ascontiguousarray(x.transpose(0, 2, 3, 1)).reshape(x.shape)
    if first.dtype.kind == "f":
        yield "division by 255 left out", lambda x: x * x.dtype.type(255)


def _rolled(batches: Sequence[Arrays]) -> list[Arrays] | None:
    """Every answer moved on by one sample; None for a single sample or outputs that do not line up."""
    try:
        joined = [np.concatenate(column) for column in zip(*batches)]
    except ValueError:
        return None
    if any(len(array) < 2 for array in joined):
        return None
    moved = [np.roll(array, 1, axis=0) for array in joined]
    bounds = np.cumsum([0, *(len(arrays[0]) for arrays in batches)])
    return [[array[a:b] for array in moved] for a, b in zip(bounds[:-1], bounds[1:])]


def _one_off(array: Array) -> Array:
    if array.dtype.kind != "f" or not array.size:
        return array
    changed: Array = array.copy()
    changed.reshape(-1)[array.size // 2] += array.dtype.type(1e-3 * float(np.abs(array).max()))
    return changed


def _softmax(array: Array) -> Array:
    if not is_scores(array):
        return array
    raised: Array = np.exp(array - array.max(axis=-1, keepdims=True))
    raised /= raised.sum(axis=-1, keepdims=True)
    return raised


@contextmanager
def _all(parts: Iterator[Any]) -> Iterator[None]:
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(part)
        yield


@contextmanager
def _scaled(tensor: Any, factor: float) -> Iterator[None]:
    own = tensor.numpy()
    tensor.set_value((own * factor).astype(own.dtype))
    try:
        yield
    finally:
        tensor.set_value(own)


@contextmanager
def _shifted(norm: Any) -> Iterator[None]:
    mean, variance = norm._mean.numpy(), norm._variance.numpy()
    norm._mean.set_value((mean + 0.01 * np.sqrt(np.abs(variance))).astype(mean.dtype))
    try:
        yield
    finally:
        norm._mean.set_value(mean)


@contextmanager
def _switched_on(dropout: Any) -> Iterator[None]:
    dropout.training = True
    try:
        yield
    finally:
        dropout.training = False
