"""The model under test: what it is called, how it is made and what it eats.

Neither the model nor Paddle or numpy is imported here: collecting must stay free of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from numbers import Integral
from pathlib import Path
from typing import Any, Callable, Union

from pytest_paddle_infer.failures import ModelError, OptionError
from pytest_paddle_infer.model_values import READERS, read_dtype, read_kwargs, read_value, read_weights
from pytest_paddle_infer.option_table import SOFTMAX

Factory = Union[str, Callable[..., Any]]
"""Makes the `nn.Layer`: a callable, or `"package.module:factory"` / `"path/to/file.py:factory"`, imported at the first use."""

Size = Union[int, tuple[int, int]]
"""Side of a square, or (height, width), in pixels."""

FACTORY_WEIGHTS = "factory"
"""`ModelSpec.weights` of a model whose factory loads its weights itself."""


@dataclass(frozen=True)
class TensorSpec:
    """Shape, dtype and name of one input; None is a dimension that stays open. The field's word for it is `InputSpec`."""

    shape: tuple[int | None, ...]
    dtype: str = "float32"
    name: str | None = None

    @classmethod
    def of(cls, value: Any) -> TensorSpec:
        """Reads a `TensorSpec`, a `paddle.static.InputSpec`, a shape, or `(shape, dtype[, name])`.

        Raises `ModelError` when it is none of these.
        """
        shape, dtype, name = value, "float32", None
        if hasattr(value, "shape") and hasattr(value, "dtype"):  # a TensorSpec too
            shape, dtype, name = value.shape, value.dtype, getattr(value, "name", None)
        elif isinstance(value, (list, tuple)) and len(value) in (2, 3) and isinstance(value[0], (list, tuple)):
            shape, dtype, name = (*value, None)[:3]
        if not _is_shape(shape) or not (name is None or isinstance(name, str)):
            raise ModelError(
                f"input_spec: {value!r} is not an input; write a shape such as [None, 3, 224, 224], a pair (shape, dtype), "
                "a TensorSpec or a paddle.static.InputSpec."
            )
        try:
            return cls(tuple(None if dim in (None, -1) else int(dim) for dim in shape), read_dtype(dtype), name)
        except OptionError as error:
            raise ModelError(f"{error}.") from None


def shapes_of_one_sample(inputs: Iterable[TensorSpec]) -> str:
    """Returns `float32 3x224x224`, and the same of further inputs; `?` is a dimension that varies, `any length` the only one."""
    shapes = ("x".join("?" if dim is None else str(dim) for dim in spec.shape[1:]) or "scalar" for spec in inputs)
    return " and ".join(f"{spec.dtype} {'of any length' if shape == '?' else shape}" for spec, shape in zip(inputs, shapes))


def _is_shape(value: Any) -> bool:
    """True for a list of sizes, None or -1 for one that stays open; a bool is none."""
    return isinstance(value, (list, tuple)) and bool(value) and all(_is_size(dim) for dim in value)


def _is_size(dim: Any) -> bool:
    return dim is None or (isinstance(dim, Integral) and not isinstance(dim, bool) and (int(dim) == -1 or int(dim) > 0))


@dataclass(frozen=True)
class ModelSpec:
    """A model under test, as `pytest_paddle_infer_models` returns it.

    name: how `--paddle-model` and the marker call it.
    factory: returns the `nn.Layer`: a callable, `"package.module:factory"` or `"path/to/file.py:factory"`.
    kwargs: arguments that the factory is called with.
    weights: a `.pdparams` file; None for seeded random weights; `"factory"` when the factory loads them itself.
    input_spec: one entry an input (see `TensorSpec.of`); default `[None, 3, image_size, image_size]` float32. With several
        inputs `preprocess` returns a tuple.
    image_size: side in pixels of the default preprocessing (Resize to 256/224 of it, CenterCrop, Normalize, ToCHW), and of the default
        `input_spec`, with an own `preprocess` too; default 224.
    softmax: append softmax: "yes", "no" or "auto" (a classifier that does not end in one already).
    preprocess: sample -> array of shape [1, ...] or [...], or a tuple of them; used by both engines.
    training_preprocess: the same for the training engine, where the deployed preprocessing is another program.
    postprocess: output of one sample -> answer, or (output, sample) -> answer; default top-1 `Prediction(class_id, prob)` of a classifier;
        used for both engines.
    training_postprocess: the same for the training engine, where the deployed postprocessing is another program.
    images: file, directory or glob of samples, or a sequence of paths or values that `preprocess` takes.
    batch_size: samples that the engines are given at a time.
    seed: seed of random weights.
    rtol, atol: elementwise tolerance instead of the noise rule; a dict gives them by output name (a dict key or list position of what
        the model returns), "" for the others.
    """

    name: str
    factory: Factory
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    weights: str | Path | None = None
    input_spec: Sequence[Any] | None = None
    image_size: Size | None = None
    softmax: str | bool | None = None
    preprocess: Callable[[Any], Any] | None = None
    training_preprocess: Callable[[Any], Any] | None = None
    postprocess: Callable[..., Any] | None = None
    training_postprocess: Callable[..., Any] | None = None
    images: Any = None
    batch_size: int | None = None
    seed: int | None = None
    rtol: float | Mapping[str, float] | None = None
    atol: float | Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        """Raises `ModelError` for a description that cannot be meant."""
        if not isinstance(self.name, str) or not self.name.strip() or "::" in self.name or "[" in self.name:
            raise ModelError(f"ModelSpec: {self.name!r} is not a name; use a non-empty text without '::' and '['.")
        try:
            self._read()
        except (ModelError, OptionError) as error:
            raise ModelError(f"ModelSpec {self.name!r}: {str(error).rstrip('.')}.") from None

    def _read(self) -> None:
        """Puts every value into the form that the engines take, whoever wrote it. Raises one sentence for the first that cannot be."""
        if not callable(self.factory) and not (isinstance(self.factory, str) and ":" in self.factory):
            raise ModelError(f"factory {self.factory!r} is neither a callable nor 'package.module:factory'.")
        for name in ("preprocess", "training_preprocess", "postprocess", "training_postprocess"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise ModelError(f"{name} {value!r} is not callable.")
        if self.input_spec is not None:
            entries = self.input_spec
            if isinstance(entries, (str, bytes)) or not isinstance(entries, Sequence) or not entries:
                raise ModelError("input_spec must be a list with one entry an input.")
            if all(dim is None or isinstance(dim, int) for dim in entries):
                raise ModelError(f"input_spec {list(entries)!r} is one shape; put it in a list: [{list(entries)!r}].")
            if isinstance(entries[-1], str):
                raise ModelError(f"input_spec {tuple(entries)!r} is one input; put it in a list: [{tuple(entries)!r}].")
            object.__setattr__(self, "input_spec", tuple(TensorSpec.of(entry) for entry in entries))
        for name in READERS:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, read_value(name, getattr(self, name)))
        read_kwargs(self.kwargs)
        if self.weights is not None:
            read_weights(self.weights)
        object.__setattr__(self, "softmax", softmax_choice(self.softmax))
        if self.images is not None and not (hasattr(self.images, "__fspath__") or hasattr(self.images, "__len__")):
            raise ModelError(f"images {self.images!r} is neither a path nor a list of samples.")

    @property
    def identity(self) -> Hashable:
        """What makes two descriptions the same model with the same processing; tolerances and batch size do not count."""
        return (
            self.name, self.factory if isinstance(self.factory, str) else id(self.factory), repr(sorted(self.kwargs.items())),
            str(self.weights), _stamp(self.weights), self.inputs, self.size, self.softmax, self.seed,
            id(self.preprocess), id(self.training_preprocess), id(self.postprocess), id(self.training_postprocess),
        )  # fmt: skip

    @property
    def own_answers(self) -> bool:
        """True when an answer is what a program of the user's makes of an output, on either side."""
        return self.postprocess is not None or self.training_postprocess is not None

    @property
    def uses_images(self) -> bool:
        """True when samples are pictures: an own preprocess decides itself, else one input of 3 channels."""
        if self.preprocess is not None or self.input_spec is None:
            return True
        specs: Sequence[TensorSpec] = self.input_spec
        return len(specs) == 1 and len(specs[0].shape) == 4 and specs[0].shape[1] == 3 and specs[0].dtype == "float32"

    @property
    def size(self) -> Size:
        """(height, width) that the default preprocessing makes, or one side in pixels."""
        if self.image_size is not None:
            return self.image_size
        if self.input_spec is not None and self.preprocess is None and self.uses_images:
            height, width = self.input_spec[0].shape[2:]
            if height and width:
                return (height, width)
        # the only nets of the zoo that are published for another size
        return 299 if self.name == "inception_v3" else 224

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The inputs of the network; names may still be None."""
        if self.input_spec is not None:
            return tuple(self.input_spec)
        height, width = (self.size, self.size) if isinstance(self.size, int) else self.size
        return (TensorSpec((None, 3, height, width)),)


def _stamp(weights: Any) -> Hashable:
    """Changes when the weights file does."""
    try:
        status = Path(weights).stat()
    except (OSError, TypeError):
        return None
    return (status.st_size, status.st_mtime_ns)


FIELDS = frozenset(item.name for item in fields(ModelSpec))


def softmax_choice(value: Any) -> str | None:
    """Reads "auto", "yes", "no", True, False or None; raises `ModelError` otherwise."""
    if value is None or value in SOFTMAX:
        return None if value is None else str(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    raise ModelError(f"softmax: {value!r} is not one of {', '.join(SOFTMAX)}.")
