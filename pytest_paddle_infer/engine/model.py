"""Makes the model under test: factory, weights or live random weights, softmax, `eval()`."""

from __future__ import annotations

import inspect
import random
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pytest_paddle_infer.engine.processing import (
    Array,
    Arrays,
    Processing,
    ProcessingError,
    as_list,
    description_remedy,
    given_to_preprocess,
    is_scores,
    preprocess_of,
    stack,
)
from pytest_paddle_infer.engine.runtime import load_paddle, on_cpu, quiet, set_threads
from pytest_paddle_infer.engine.training import flatten
from pytest_paddle_infer.engine.worker import is_users, native_reason
from pytest_paddle_infer.factories import load_factory
from pytest_paddle_infer.failures import ModelError, PaddleInferError
from pytest_paddle_infer.models import FACTORY_WEIGHTS, ModelSpec, TensorSpec
from pytest_paddle_infer.samples import Sample

LIVE_SAMPLES = 8
"""Samples that random weights are brought to life with; a batch norm needs several, more would only cost time."""


@dataclass(frozen=True)
class LoadedModel:
    """The model under test in memory, ready to run and to export; the layer is in `eval()`."""

    spec: ModelSpec
    layer: Any
    inputs: tuple[TensorSpec, ...]
    softmax: bool
    weights: str
    """Where the weights come from, as reports say it: a file name, "weights of the factory", "random weights, seed 0"."""

    def parameters(self) -> Iterator[tuple[str, str, Array]]:
        """Yields (structured name, Paddle's name, array to read) of parameters and buffers, non-persistable ones too."""
        for name, tensor in named_tensors(self.layer):
            yield name, tensor.name, _readable(tensor)


def _readable(tensor: Any) -> Array:
    """The values without a copy where Paddle lends its memory (3.x on CPU, not bfloat16): a copy costs as much as hashing it."""
    try:
        return np.from_dlpack(tensor.detach())
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError):
        return tensor.numpy()  # type: ignore[no-any-return]


def named_tensors(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yields parameters, then buffers; a wrapped model's own names, without the wrapper's prefix."""
    prefix = "net." if getattr(layer, "softmax_on_top", False) else ""
    for pairs in (layer.named_parameters(), layer.named_buffers()):
        for name, tensor in pairs:
            yield name[len(prefix) :] if name.startswith(prefix) else name, tensor


def load_model(spec: ModelSpec, samples: Sequence[Sample], base: Path, threads: int) -> LoadedModel:
    """Makes the model that `spec` describes. Raises `ModelError` in one sentence for a factory or weights that cannot serve.

    Without weights the model is initialised *live* on `samples`: seeded, the statistics of batch norms set from one pass, the last
    layer scaled so that its outputs spread by about one. Plain random weights are often dead (logits of 4e-16).
    The random state of Paddle, numpy and Python is left as it was found. The layer lives on the CPU.
    """
    with on_cpu():
        return _load_model(spec, samples, base, threads)


def _load_model(spec: ModelSpec, samples: Sequence[Sample], base: Path, threads: int) -> LoadedModel:
    paddle = load_paddle()
    set_threads(threads)
    factory = load_factory(spec, base)
    seed = spec.seed or 0
    layer = _build(factory, spec, seed, paddle)
    inputs = _name_inputs(layer, spec)
    processing = Processing(inputs, preprocess_of(spec, training=True))
    batch = _Batch(spec, processing, samples)
    if spec.weights == FACTORY_WEIGHTS or (spec.weights is None and _brings_weights(factory, spec, layer, seed, paddle)):
        weights = "weights of the factory"
    elif spec.weights is not None:
        load_weights(layer, Path(spec.weights), spec.name)
        weights = Path(spec.weights).name
    else:
        tensors = batch.tensors(LIVE_SAMPLES)
        with quiet(), paddle.no_grad(), _running(spec, inputs):
            bring_to_life(layer, tensors)
        weights = f"random weights, seed {seed}"
    layer.eval()
    softmax = spec.softmax == "yes" or (spec.softmax != "no" and _wants_softmax(layer, spec, batch, paddle))
    if softmax:
        layer = with_softmax(layer, len(inputs))
        layer.eval()
    return LoadedModel(spec, layer, inputs, softmax, weights)


class _Batch:
    """The first samples, preprocessed when somebody needs them."""

    def __init__(self, spec: ModelSpec, processing: Processing, samples: Sequence[Sample]) -> None:
        self._spec = spec
        self._processing = processing
        self._samples = samples
        self._made: dict[int, Arrays] = {}

    def tensors(self, count: int) -> Arrays:
        if count not in self._made:
            if not self._samples:
                raise ModelError("there are no samples to run the model on.")
            tensors = []
            for sample in self._samples[:count]:
                try:
                    tensors.append(self._processing.preprocess(sample))
                except ProcessingError as error:
                    error.remedy = error.remedy or description_remedy(self._spec, error.dtype, error.returned) or self._mend(error)
                    raise
                except PaddleInferError:
                    raise
                except Exception as error:
                    program = "preprocess" if self._spec.training_preprocess is None else "training_preprocess"
                    told = f"{program} of sample {sample.name} raised {_described(error)}".rstrip(".")
                    raise ProcessingError(f"{told}{given_to_preprocess(sample)}.") from error
            try:
                self._made[count] = stack(tensors)
            except ValueError:  # samples of different shapes
                self._made[count] = as_list(tensors[0])
        return self._made[count]

    def _mend(self, error: ProcessingError) -> str:
        """What to do about tensors that the model cannot take; "" where their error tells nothing."""
        from pytest_paddle_infer.diagnosis.refusals import explain_refusal, of_both, of_training

        found = explain_refusal(str(error))
        if found is None:
            return ""
        return (of_both(found) if self._spec.training_preprocess is None else of_training(found)).remedy


@contextmanager
def _running(spec: ModelSpec, inputs: Sequence[TensorSpec]) -> Iterator[None]:
    """Turns what the model's own forward raises into one sentence: it is the model's fault, or that of the inputs asked for."""
    try:
        yield
    except PaddleInferError:
        raise
    except Exception as error:
        shapes = ", ".join(f"{item.dtype}{list(item.shape)}" for item in inputs)
        told = ModelError(f"{spec.name}: its forward raised {_described(error)} (inputs: {shapes})")
        if spec.input_spec is None and spec.image_size is None:
            told.remedy = "give the model's own size with image_size or input_spec: nobody did, and 224 is only the default."
        raise told from error


def _described(error: BaseException) -> str:
    """The kind and first line of an exception, and the user's innermost line of code."""
    frame = _users_frame(error)
    where = f" at {frame.filename}:{frame.lineno}" if frame is not None else ""
    return f"{type(error).__name__}{where}: {native_reason(str(error)) or 'no message'}"


def _users_frame(error: BaseException) -> traceback.FrameSummary | None:
    return next((frame for frame in reversed(traceback.extract_tb(error.__traceback__)) if is_users(frame.filename)), None)


def _build(factory: Any, spec: ModelSpec, seed: int, paddle: Any) -> Any:
    with quiet(), seeded(seed, paddle):
        try:
            layer = factory(**spec.kwargs)
        except Exception as error:
            frame = _users_frame(error)
            where = f" ({frame.filename}:{frame.lineno}: {frame.line})" if frame is not None else ""
            raise ModelError(
                f"{spec.name}: its factory {_called(factory, spec)} raised {type(error).__name__}: {_first_line(error)}{where}"
            ) from error
    if not isinstance(layer, paddle.nn.Layer):
        raise ModelError(f"{spec.name}: its factory returned {type(layer).__name__}, not a paddle.nn.Layer.")
    return layer


def _called(factory: Any, spec: ModelSpec) -> str:
    name = spec.factory if isinstance(spec.factory, str) else getattr(factory, "__qualname__", repr(factory))
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in spec.kwargs.items())})"


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")


@contextmanager
def seeded(seed: int, paddle: Any) -> Iterator[None]:
    """Seeds Paddle, numpy and `random` inside the block and puts their states back after it."""
    states = paddle.get_rng_state(), np.random.get_state(), random.getstate()
    paddle.seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
    try:
        yield
    finally:
        paddle.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])


def _brings_weights(factory: Any, spec: ModelSpec, layer: Any, seed: int, paddle: Any) -> bool:
    """True when a factory gives the same parameters under another seed, so that they are no random weights.

    A model repo's factory may load its checkpoint itself; replacing that by random weights would test another model. The
    factories of `paddle.vision` say it with `pretrained=`, so they are not built twice.
    """
    if isinstance(spec.factory, str) and spec.factory.startswith("paddle.vision."):
        return bool(spec.kwargs.get("pretrained"))
    own = [tensor for tensor in layer.parameters() if tensor.ndim > 1]
    if not own:
        return True
    again = _build(factory, spec, seed + 1, paddle)
    if again is layer:
        return True  # made before, so nothing here drew its weights
    other = [tensor for tensor in again.parameters() if tensor.ndim > 1]
    return len(own) == len(other) and all(
        np.array_equal(left.numpy(), right.numpy(), equal_nan=True) for left, right in zip(own, other)
    )


# -- inputs ------------------------------------------------------------------------------------------------------------


def _name_inputs(layer: Any, spec: ModelSpec) -> tuple[TensorSpec, ...]:
    """Fills in the names that `jit.save` would take: those of forward's parameters."""
    parameters = [
        parameter.name
        for parameter in inspect.signature(layer.forward).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    variadic = any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(layer.forward).parameters.values())
    named = []
    for index, item in enumerate(spec.inputs):
        if index >= len(parameters) and not variadic:
            raise ModelError(
                f"{spec.name}: input_spec has {len(spec.inputs)} inputs, forward takes {len(parameters)}: {', '.join(parameters)}."
            )
        fallback = parameters[index] if index < len(parameters) else f"x{index}"
        named.append(replace(item, name=item.name or fallback))
    return tuple(named)


# -- weights -----------------------------------------------------------------------------------------------------------


def load_weights(layer: Any, path: Path, model: str) -> None:
    """Sets every parameter and buffer from a `.pdparams` file.

    Raises `ModelError` that lists missing and unknown keys and wrong shapes, of which Paddle itself only warns and leaves them random;
    and wrong dtypes, at which Paddle raises an AssertionError.
    """
    paddle = load_paddle()
    if not path.is_file():
        error = ModelError(f"{model}: there is no weights file {path}.")
        error.remedy = "correct weights=, where a relative path starts at pytest's rootdir, or leave it out for random weights."
        raise error
    try:
        with quiet():
            state = paddle.load(str(path))
    except Exception as error:
        raise ModelError(
            f"{model}: {path.name} cannot be read as .pdparams ({type(error).__name__}: {_first_line(error)}); "
            "give the file that paddle.save(layer.state_dict(), ...) wrote."
        ) from error
    if not isinstance(state, Mapping):
        raise ModelError(f"{model}: {path.name} holds {type(state).__name__}, not a state_dict.")
    state = {key: value for key, value in state.items() if key != "StructuredToParameterName@@"}
    own = layer.state_dict()
    missing, unknown = [k for k in own if k not in state], [k for k in state if k not in own]
    shapes = [
        f"{key} {list(np.shape(state[key]))} instead of {list(own[key].shape)}"
        for key in own
        if key in state and list(np.shape(state[key])) != list(own[key].shape)
    ]
    dtypes: dict[str, list[str]] = {}
    for key in own:
        if key in state and (dtype := _dtype(state[key])) not in ("", _dtype(own[key])):
            dtypes.setdefault(f"{dtype} instead of {_dtype(own[key])}", []).append(key)
    problems = [
        f"{len(names)} {what}{'s' * (len(names) > 1)}{more} ({', '.join(names[:8])}{', ...' if len(names) > 8 else ''})"
        for names, what, more in (
            (missing, "missing key", ""), (unknown, "unknown key", ""), (shapes, "wrong shape", ""),
            *((keys, "key", f" of {which}") for which, keys in dtypes.items()),
        )
        if names
    ]  # fmt: skip
    if problems:
        hint, remedy = _weights_hint(own, state)
        wrong = ModelError(f"{model}: {path.name} does not fit the model: {'; '.join(problems)}.{hint}")
        wrong.remedy = remedy
        if len(problems) == len(dtypes):
            wrong.remedy = (
                "save the weights in the model's dtype, or load and convert them in the factory and give weights='factory'."
            )
        raise wrong
    with quiet():
        layer.set_state_dict(state)


def _dtype(value: Any) -> str:
    """As "float32", of a tensor or an array; "" of what has none. Arrays hold bfloat16 as uint16."""
    name = str(getattr(value, "dtype", "")).rpartition(".")[2]
    return "bfloat16" if name == "uint16" else name


def _weights_hint(own: Mapping[str, Any], state: Mapping[str, Any]) -> tuple[str, str]:
    """What keys that do not fit have in common, as a sentence with a space before it or "", and what to do."""
    prefixes = {key[: -len(name)] for key in state for name in own if key.endswith("." + name)}
    for prefix in sorted(prefixes, key=len):
        if prefix and sum(key.startswith(prefix) and key[len(prefix) :] in own for key in state) >= 0.9 * len(own):
            return f" Every key has the prefix {prefix!r}.", "save the inner model's state_dict, or strip the prefix from its keys."
    for key, value in state.items():
        if isinstance(value, Mapping) and set(own) & set(value):
            return f" The state_dict is nested under {key!r}.", f"save that part on its own: paddle.save(state[{key!r}], path)."
    if set(own) & set(state):
        return "", "give the weights that were saved of this factory with these arguments, such as its number of classes."
    told = " No key fits: they are the weights of another model, or their keys carry another prefix."
    return told, "give the weights of this model, under the keys of its state_dict."


# -- live random weights -----------------------------------------------------------------------------------------------


def bring_to_life(layer: Any, tensors: Arrays) -> None:
    """Sets batch-norm statistics from one pass over `tensors` and scales the last layers so that their outputs spread by one.

    Convolutions of a single pixel whose outputs spread by less than `FAINT` are scaled too, each as the pass comes to it: a
    squeeze-and-excitation gate that is fed next to nothing answers the same whatever its weights are, and would hide their faults.
    """
    paddle = load_paddle()
    layer.eval()
    norms = [sub for sub in layer.sublayers(include_self=True) if hasattr(sub, "_mean") and hasattr(sub, "_momentum")]
    momenta = [norm._momentum for norm in norms]
    for norm in norms:
        norm._momentum = 0.0  # running = 0 * running + 1 * this batch
        norm.training = True
    outputs: list[tuple[Any, Any]] = []
    woken: set[int] = set()

    def note(sub: Any, given: Any, output: Any) -> Any:
        gate = isinstance(sub, convolutions) and all(size == 1 for size in output.shape[2:]) and id(sub) not in woken
        woken.add(id(sub))
        spread = float(np.std(output.numpy().astype(np.float64))) if gate else 1.0
        if 0 < spread < FAINT:
            _divide(sub, spread)
            output = output / spread
        outputs.append((sub, output))
        return output

    convolutions = (paddle.nn.Conv1D, paddle.nn.Conv2D, paddle.nn.Conv3D)
    handles = [
        sub.register_forward_post_hook(note)
        for sub in layer.sublayers(include_self=True)
        if not sub._sub_layers and getattr(sub, "weight", None) is not None and not hasattr(sub, "_mean")
    ]
    try:
        results = list(flatten(layer(*(paddle.to_tensor(array) for array in tensors))).values())
    finally:
        for handle in handles:
            handle.remove()
        for norm, momentum in zip(norms, momenta):
            norm._momentum = momentum
            norm.training = False
    if not outputs:
        return
    last = [sub for sub, output in outputs if any(output is result for result in results)] or [outputs[-1][0]]
    spread = {id(sub): float(np.std(_centred(output.numpy()))) for sub, output in outputs}
    for sub in {id(sub): sub for sub in last}.values():
        scale = spread[id(sub)]
        if np.isfinite(scale) and scale > 0:
            _divide(sub, scale)


FAINT = 0.3
"""Spread of a layer's outputs below which random weights are made larger."""


def _divide(sub: Any, scale: float) -> None:
    """Divides weight and bias, and so the output, by `scale`."""
    for parameter in (sub.weight, getattr(sub, "bias", None)):
        if parameter is not None:
            parameter.set_value(parameter.numpy() / np.float32(scale))


def _centred(output: Array) -> Array:
    wide = output.astype(np.float64)
    centre: Array = wide.mean(axis=-1, keepdims=True) if wide.ndim == 2 else wide.mean(keepdims=True)
    return wide - centre


# -- softmax -----------------------------------------------------------------------------------------------------------


def _wants_softmax(layer: Any, spec: ModelSpec, batch: _Batch, paddle: Any) -> bool:
    """True for a classifier of pictures, judged by its first output, that does not answer with a distribution already."""
    if spec.own_answers or len(spec.inputs) != 1 or not spec.uses_images:
        return False
    tensors = batch.tensors(1)
    with quiet(), paddle.no_grad(), _running(spec, spec.inputs):
        outputs = list(flatten(layer(*(paddle.to_tensor(array[:1]) for array in tensors))).values())
    if not outputs or not is_scores(first := outputs[0].numpy()):
        return False
    distribution = bool((first >= 0).all() and np.allclose(first.sum(axis=1), 1, atol=1e-3))
    return not distribution


def with_softmax(layer: Any, inputs: int) -> Any:
    """Returns a layer that applies softmax to every float[N, C] output of `layer`, which stays as it is."""
    from pytest_paddle_infer.engine.softmax import BY_INPUTS

    if inputs not in BY_INPUTS:
        raise ModelError(
            f"softmax can be appended to models of up to {max(BY_INPUTS)} inputs, this one has {inputs}; add it in the model."
        )
    return BY_INPUTS[inputs](layer)
