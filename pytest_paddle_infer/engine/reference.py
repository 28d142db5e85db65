"""The training side's answers with their float64 reference, and what is wrong with the training side before anything is compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pytest_paddle_infer.engine.model import LoadedModel, named_tensors
from pytest_paddle_infer.engine.observed import digest_of
from pytest_paddle_infer.engine.processing import Array, Arrays
from pytest_paddle_infer.engine.runtime import load_paddle, quiet
from pytest_paddle_infer.engine.services import EngineService, make_training_engine
from pytest_paddle_infer.engine.training import TrainingEngine
from pytest_paddle_infer.failures import PaddleInferError
from pytest_paddle_infer.judge.noise import FEW, effective_count
from pytest_paddle_infer.samples import Sample

REFERENCE_FORMAT = 5
"""Raise when what `compute` writes changes: references are kept in the store."""

REFERENCE_SAMPLES = 16
"""Samples that get a float64 reference; more would cost time and tell nothing new about rounding."""

REFERENCE_BYTES = 64 << 20
"""Most bytes of outputs that are kept with a reference; at least two samples are, whatever their size."""

PERTURBATIONS = 4
"""Runs with inputs and parameters moved by one ulp, where float64 is not possible, or where the outputs have too few errors to tell."""


class PreflightError(PaddleInferError, ValueError):
    """The training side itself is at fault: random, stateful, in train mode, or with weights that are no numbers."""

    def __init__(self, sentence: str, remedy: str = "") -> None:
        super().__init__(sentence)
        self.remedy = remedy


TRAINING = " while forward runs: forward calls train()"
"""Follows the name of a layer that was in eval mode before."""


class ReferenceService(EngineService):
    """Runs in a worker of its own: turning the layer into float64 changes it for good."""

    def __init__(self, model: LoadedModel, samples: Sequence[Sample], threads: int) -> None:
        self._model = model
        super().__init__(make_training_engine(model, threads), samples)

    def compute(self, directory: str, batch_size: int, exact: bool, moved: bool = False) -> dict[str, Any] | None:
        """Writes `reference.npz` with outputs and references of the first batches; returns facts for the store's record.

        exact: in float64; None is returned when the model cannot run so, and this process is spoilt then. Otherwise the references are
        the outputs that rounding inputs and parameters by one ulp moves furthest; they tell the floor, not the truth. moved: beside
        float64 that too, however many errors the outputs have.
        Raises `PreflightError` in one sentence when the training side is not fit to be compared with.
        """
        self._check_weights()
        starts = range(0, min(REFERENCE_SAMPLES, len(self.samples)), batch_size)
        batches: list[tuple[int, int, Arrays]] = []
        training: list[Arrays] = []
        kept = 0
        for start in starts:
            stop = min(start + batch_size, len(self.samples))
            inputs = self._batch(start, stop)
            outputs = self._run(inputs)
            if not training:
                self._check_modes(TRAINING)  # before the answers: random ones are what comes of it
                self._check_repeatable(inputs, outputs)
            batches.append((start, stop, inputs))
            training.append(outputs)
            kept += 3 * sum(output.nbytes for output in outputs)
            if kept > REFERENCE_BYTES and stop >= 2:
                break
        tensors = [inputs for _, _, inputs in batches]
        if len(self.samples) == 1:  # something must change for the response to be seen
            tensors.append(_mirrored(tensors[0]))
            training.append(self._run(tensors[-1]))
        single = self._single()
        references = self._in_float64(tensors) if exact else self._perturbed(tensors, training, training)
        if references is None:
            return None
        arrays = {**_numbered("training", training), **_numbered("reference", references)}
        if exact and single and (moved or _few_errors(training, references)):
            with quiet():
                self._model.layer._to_impl(dtype="float32", floating_only=True, include_sublayers=True)
            arrays |= _numbered("moved", self._perturbed(tensors, training, references))
        np.savez(Path(directory) / "reference.npz", **arrays)  # type: ignore[arg-type]
        return {
            "source": "float64" if exact else "one ulp",
            "outputs": list(self._names()),
            "batches": [[start, stop, digest_of(inputs)] for start, stop, inputs in batches],
        }

    def _names(self) -> tuple[str, ...]:
        assert isinstance(self.engine, TrainingEngine)
        return self.engine.output_names

    def _layers(self) -> list[tuple[str, Any]]:
        """The layers of the model, itself included, by their names."""
        own = self._model.layer.net if getattr(self._model.layer, "softmax_on_top", False) else self._model.layer
        return [(name or "the model", layer) for name, layer in own.named_sublayers(include_self=True)]

    def _check_modes(self, when: str) -> None:
        _refuse_training([name for name, layer in self._layers() if layer.training], when)

    def _check_modes_within(self, inputs: Arrays) -> None:
        """Runs forward once more and looks at every layer as it is called: forward may put it back into eval mode at its end."""
        layers, seen = self._layers(), set()

        def look(layer: Any, _: Any) -> None:
            if layer.training:
                seen.add(id(layer))

        hooks = [layer.register_forward_pre_hook(look) for _, layer in layers]
        try:
            self._run(inputs)
        finally:
            for hook in hooks:
                hook.remove()
        _refuse_training([name for name, layer in layers if id(layer) in seen], TRAINING)

    def _check_weights(self) -> None:
        self._check_modes(" after layer.eval()")
        for name, tensor in named_tensors(self._model.layer):
            values = tensor.numpy()
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                where = [int(i) for i in np.unravel_index(int(np.argmin(np.isfinite(values))), values.shape)]
                raise PreflightError(
                    f"the weights are at fault: {name}{where} is {values[tuple(where)]}; no engine can answer right.",
                    "give weights that are numbers throughout: those of a step before the training diverged.",
                )

    def _check_repeatable(self, inputs: Arrays, outputs: Arrays) -> None:
        again = self._run(inputs)
        for index, (one, two) in enumerate(zip(outputs, again)):
            if not np.array_equal(one, two, equal_nan=one.dtype.kind in "fc"):
                with np.errstate(all="ignore"):
                    apart = (
                        float(np.nanmax(np.abs(one.astype(np.float64) - two.astype(np.float64)))) if one.shape == two.shape else 0.0
                    )
                self._check_modes_within(inputs)
                raise PreflightError(
                    f"the training engine answers the same input differently when asked twice (output {index}, by up to {apart:.3g}): "
                    "forward draws random numbers (F.dropout without training=self.training) or keeps state from call to call.",
                    "pass training=self.training to F.dropout; draw no random numbers in forward, and keep nothing in attributes there.",
                )

    def _in_float64(self, batches: Sequence[Arrays]) -> list[Arrays] | None:
        try:
            with quiet():
                self._model.layer._to_impl(dtype="float64", floating_only=True, include_sublayers=True)
            outputs = [self._run([_widened(array) for array in inputs]) for inputs in batches]
        except Exception:  # an op without a float64 kernel, a float32 made in forward: Paddle raises many types
            return None
        if any(array.dtype.kind == "f" and array.dtype != np.float64 for arrays in outputs for array in arrays):
            return None  # cast back on the way
        return outputs

    def _single(self) -> bool:
        """True when every float of the layer is float32, so that the way to float64 and back changes no value."""
        kinds = {str(tensor.dtype).rpartition(".")[2] for _, tensor in named_tensors(self._model.layer)}
        return not any("float" in kind and kind != "float32" for kind in kinds)

    def _perturbed(self, batches: Sequence[Arrays], training: Sequence[Arrays], centre: Sequence[Arrays]) -> list[Arrays]:
        """Of the outputs for inputs and parameters moved by one ulp, and of the nominal ones, what lies furthest from `centre`."""
        random = np.random.RandomState(0)
        own = [(tensor, tensor.numpy()) for _, tensor in named_tensors(self._model.layer)]
        furthest = [
            [output.astype(np.float64) if output.dtype.kind == "f" else output for output in outputs] for outputs in training
        ]
        for _ in range(PERTURBATIONS):
            with quiet(), load_paddle().no_grad():
                for tensor, values in own:
                    if values.dtype == np.float32:
                        tensor.set_value(_nudged(values, random))
            for number, inputs in enumerate(batches):
                moved = self._run([_nudged(array, random) if array.dtype == np.float32 else array for array in inputs])
                for index, (output, middle) in enumerate(zip(moved, centre[number])):
                    best = furthest[number][index]
                    if output.dtype.kind == "f" and output.shape == middle.shape == best.shape:
                        further = np.abs(output.astype(np.float64) - middle) > np.abs(best - middle)
                        furthest[number][index] = np.where(further, output, best)
        return furthest


def _refuse_training(names: Sequence[str], when: str) -> None:
    """Raises `PreflightError` where a layer is in train mode."""
    if names:
        here = "take train() out of forward, or call it under if self.training only."
        before = "let the model's own train() and eval() call those of nn.Layer for every layer (super().eval())."
        error = f"the training engine is not in eval mode: {names[0]} has training=True{when}."
        raise PreflightError(error, here if when == TRAINING else before)


class CoarseService(EngineService):
    """The training engine as a coarser precision would run it. In a worker of its own: rounding the layer changes it for good."""

    def __init__(self, model: LoadedModel, samples: Sequence[Sample], threads: int) -> None:
        self._model = model
        super().__init__(make_training_engine(model, threads), samples)

    def compute(self, directory: str, batches: Sequence[tuple[int, int]], precision: str) -> dict[str, Any]:
        """Writes `coarse.npz`: the outputs when inputs, parameters and what every layer puts out are rounded to `precision`."""
        paddle = load_paddle()

        def rounded(layer: Any, given: Any, made: Any) -> Any:
            if not isinstance(made, paddle.Tensor) or made.dtype != paddle.float32:
                return made
            return paddle.to_tensor(rounded_to(made.numpy(), precision))

        with quiet(), paddle.no_grad():
            for _, tensor in named_tensors(self._model.layer):
                values = tensor.numpy()
                if values.dtype == np.float32:
                    tensor.set_value(rounded_to(values, precision))
            if precision != "tf32":  # whose results are float32; only what is multiplied is rounded
                for layer in self._model.layer.sublayers():
                    if not list(layer.children()):
                        layer.register_forward_post_hook(rounded)
        outputs = []
        for start, stop in batches:
            inputs = [rounded_to(array, precision) if array.dtype == np.float32 else array for array in self._batch(start, stop)]
            outputs.append(self._run(inputs))
        np.savez(Path(directory) / "coarse.npz", **_numbered("coarse", outputs))  # type: ignore[arg-type]
        return {"precision": precision}


MANTISSA = {"bf16": 7, "tf32": 10}
"""Bits of the fraction that are kept; the exponent is float32's."""


def rounded_to(array: Array, precision: str) -> Array:
    """float32 values rounded to the nearest of a coarser precision, ties to even; still float32."""
    if precision == "fp16":
        with np.errstate(over="ignore"):
            return array.astype(np.float16).astype(np.float32)
    cut = 23 - MANTISSA[precision]
    bits = np.ascontiguousarray(array, dtype=np.float32).view(np.uint32)
    even = bits + ((bits >> np.uint32(cut)) & np.uint32(1)) + np.uint32((1 << (cut - 1)) - 1)
    made: Array = (even & np.uint32(0xFFFFFFFF << cut & 0xFFFFFFFF)).view(np.float32)
    return np.where(np.isfinite(array), made, array)


def _numbered(name: str, batches: Sequence[Arrays]) -> dict[str, Array]:
    return {f"{name}_{b}_{k}": output for b, outputs in enumerate(batches) for k, output in enumerate(outputs)}


def _few_errors(training: Sequence[Arrays], references: Sequence[Arrays]) -> bool:
    """True when some float output has too few errors in it to tell how large the next one may be."""
    for own, exact in zip(zip(*training), zip(*references)):
        pairs = [(t, r) for t, r in zip(own, exact) if t.dtype.kind == "f" and t.shape == r.shape]
        with np.errstate(all="ignore"):
            errors = [np.abs(t - r).ravel() for t, r in pairs]
        if errors and effective_count(np.concatenate(errors)) < FEW:
            return True
    return False


def _widened(array: Array) -> Array:
    return array.astype(np.float64) if array.dtype == np.float32 else array


def _nudged(array: Array, random: np.random.RandomState) -> Array:
    up = random.randint(0, 2, array.shape).astype(bool)
    moved: Array = np.where(up, np.nextafter(array, np.float32(np.inf)), np.nextafter(array, np.float32(-np.inf)))
    return moved.astype(np.float32)


def _mirrored(inputs: Arrays) -> Arrays:
    """Another sample made of the only one: turned round along its last axis, or negated where that changes nothing."""
    turned = [array[..., ::-1].copy() if array.ndim else array for array in inputs]
    if all(np.array_equal(one, two) for one, two in zip(turned, inputs)):
        return [-array if array.dtype.kind in "if" else ~array if array.dtype.kind == "b" else array for array in inputs]
    return turned
