"""What surrounds a run in both engines: sample -> tensors of one batch, and output -> answer."""

from __future__ import annotations

import os
from collections.abc import ItemsView, Iterator, KeysView, Mapping, Sequence, ValuesView
from contextlib import suppress
from copy import copy, deepcopy
from dataclasses import fields, is_dataclass
from functools import partial
from inspect import signature
from itertools import permutations
from pathlib import Path
from typing import Any, Callable, Union

import numpy as np
import numpy.typing as npt
from PIL import Image

from pytest_paddle_infer.failures import PaddleInferError, said_by_us
from pytest_paddle_infer.models import ModelSpec, TensorSpec
from pytest_paddle_infer.samples import Sample
from pytest_paddle_infer.transforms import default_preprocess, top1

Array = npt.NDArray[Any]
Arrays = list[Array]
Tensors = Union[Array, Arrays]


MOST_INPUTS = 5
"""Of a model whose arrays are tried in every order, to say what is wrong with them."""


class ProcessingError(PaddleInferError, ValueError):
    """A preprocess or postprocess raised, or returned something that the model cannot take.

    dtype, returned: dtype and shape of what preprocess returned, where one of them is not the model's.
    """

    returned: tuple[int, ...] = ()
    dtype: str = ""


def preprocess_of(spec: ModelSpec, *, training: bool = False) -> Callable[[Any], Any]:
    """The preprocessing of this side; without an own one Resize, CenterCrop, Normalize, ToCHW, or nothing for non-images."""
    own = (training and spec.training_preprocess) or spec.preprocess
    if own:
        return own
    return default_preprocess(spec.size) if spec.uses_images else partial(_as_is, spec.inputs)


def _as_is(inputs: Sequence[TensorSpec], value: Any) -> Any:
    __tracebackhide__ = said_by_us
    if isinstance(value, Image.Image):
        shapes = ", ".join(f"{spec.dtype}{_shape(spec.shape)}" for spec in inputs)
        error = ProcessingError(
            f"the model has no preprocess, and its input {shapes} is no picture that the default one makes (float32[None, 3, H, W])."
        )
        error.remedy = "give ModelSpec a preprocess that makes the model's input of a picture."
        raise error
    return value


class Processing:
    """The preprocess and postprocess faces that both engines share. model: its name, as failures show it."""

    model = ""

    def __init__(
        self,
        inputs: Sequence[TensorSpec],
        preprocess: Callable[[Any], Any],
        postprocess: Callable[..., Any] | None = None,
    ) -> None:
        self.inputs = tuple(inputs)
        self._preprocess = preprocess
        self._postprocess = postprocess
        self.answers_sample = postprocess is not None and takes_sample(postprocess)
        """The model's own postprocess takes the sample as well."""

    @property
    def own_answers(self) -> bool:
        """The model has a postprocess of its own."""
        return self._postprocess is not None

    def __repr__(self) -> str:
        return f"<{' '.join(filter(None, (type(self).__name__, self.model)))}>"

    def preprocess(self, image: Any) -> Tensors:
        """Returns the tensors of one sample, batch axis first: an array for one input, a list for several.

        image: a `Sample`, a path, a `PIL.Image`, or whatever the model's own preprocess takes.
        Raises `ProcessingError` when the result does not fit the inputs.
        """
        __tracebackhide__ = said_by_us
        tensors = self._tensors(image)  # copied: many programs fill one buffer again and again
        return tensors.copy() if isinstance(tensors, np.ndarray) else [tensor.copy() for tensor in tensors]

    def _tensors(self, image: Any) -> Tensors:
        """As `preprocess`, perhaps in memory that the next call fills again: for who needs it no longer than that."""
        __tracebackhide__ = said_by_us
        tensors = fit(self._preprocess(_given(image)), self.inputs)
        return tensors[0] if len(self.inputs) == 1 else tensors

    def postprocess(self, output: Tensors, sample: Any = None) -> Any:
        """Returns the answer to one sample: the model's own postprocess, else the top-1 `Prediction` of a classifier.

        output: what `run` returned for a batch of one. sample: what `preprocess` takes; only where the model's own postprocess takes it
        too. None when there is no own postprocess and the output is no [1, C] score.
        """
        __tracebackhide__ = said_by_us
        if sample is None and self.answers_sample:
            raise ProcessingError("the model's postprocess takes the sample as well: give it, postprocess(output, sample).")
        return self._answer(output, sample) if self._postprocess is None else copied(self._answer(copied(output), sample))

    def _answer(self, output: Tensors, sample: Any = None) -> Any:
        """As `postprocess`, which may change this output: for who does not need it any more."""
        if self._postprocess is not None:
            return settled(self._postprocess(output, _given(sample)) if self.answers_sample else self._postprocess(output))
        first = output if isinstance(output, np.ndarray) else output[0]
        return top1(first) if is_scores(first) and len(first) == 1 else None

    def run(self, x: Any) -> Tensors:
        """Runs the engine; see the subclasses."""
        raise NotImplementedError

    def predict(self, image: Any) -> Any:
        """preprocess, run, postprocess. Raises `ProcessingError` where there is no answer: None would equal None."""
        __tracebackhide__ = said_by_us
        sample = None
        if self.answers_sample:  # as it was before preprocess may have changed it
            sample = image if isinstance(image, Sample) else copied(_given(image))
        answer = self.postprocess(self.run(self._tensors(image)), sample)
        if answer is None and self._postprocess is None:
            raise ProcessingError(
                "there is no answer to predict: the model has no postprocess, and its first output is no [1, C] scores. Use "
                "run(preprocess(image)), or give ModelSpec(postprocess=...)."
            )
        return answer


def takes_sample(postprocess: Callable[..., Any]) -> bool:
    """True for `postprocess(output, sample)`: a second parameter that must be given, or one of that name that may be None."""
    try:
        parameters = list(signature(postprocess).parameters.values())
    except (TypeError, ValueError):  # of some functions written in C
        return False
    places = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return len(places) > 1 and (places[1].default is places[1].empty or (places[1].name == "sample" and places[1].default is None))


def _given(image: Any) -> Any:
    """What the model's own programs are given: a new object of a sample, an opened picture for a path."""
    value = opened(image) if isinstance(image, Sample) else image
    if isinstance(value, (str, os.PathLike)) and not isinstance(value, Sample):
        return Sample(Path(value).name, Path(value)).open()
    return value


def opened(sample: Sample) -> Any:
    """What preprocess is given of a sample: a new object each time, also of a sample that lives in memory."""
    return sample.open() if sample.value is None else in_memory(sample)


def in_memory(sample: Sample) -> Any:
    """A copy of a sample's value; None for a sample that is a file."""
    return None if sample.value is None else copied(sample.value)


def copied(value: Any) -> Any:
    """The value with arrays and pictures of its own, which a program may change in place: what was compared, or is used again, stays.

    Lists, tuples and dicts of them are looked into; anything else is the same object.
    """
    if isinstance(value, np.ndarray):
        return deepcopy(value) if value.dtype.hasobject else value.copy()
    if type(value) in (list, tuple):
        return type(value)(map(copied, value))
    if type(value) is dict:
        return {name: copied(each) for name, each in value.items()}
    return _copied_picture(value) if hasattr(value, "getbands") and hasattr(value, "getexif") else value


def _copied_picture(picture: Any) -> Any:
    """A `PIL.Image` with what its own `copy()` leaves behind: format, file's name, and an EXIF orientation that was set in memory.

    One of several frames stays as it is: a copy has but one of them.
    """
    if getattr(picture, "n_frames", 1) > 1:
        return picture
    own = picture.copy()
    own.format = picture.format
    if hasattr(picture, "filename"):
        own.filename = picture.filename
    with suppress(Exception):  # tags that cannot be written stay as they were read
        if written := picture.getexif().tobytes():
            own.info["exif"] = written
    return own


def settled(answer: Any) -> Any:
    """An answer that can be compared and cross to another process: what is made while it is read as a list, Paddle's tensors as arrays."""
    if isinstance(answer, (Iterator, KeysView, ValuesView, ItemsView, range)):
        return list(map(settled, answer))
    if isinstance(answer, tuple) and hasattr(answer, "_fields"):
        return type(answer)._make(map(settled, answer))  # type: ignore[attr-defined]
    if type(answer) in (list, tuple):
        return type(answer)(map(settled, answer))
    if isinstance(answer, dict):  # a defaultdict too, whose factory may not cross
        return {name: settled(each) for name, each in answer.items()}
    if is_dataclass(answer) and not isinstance(answer, type):
        made = {field.name: settled(getattr(answer, field.name)) for field in fields(answer)}
        if any(made[name] is not getattr(answer, name) for name in made):
            answer = copy(answer)
            for name, value in made.items():
                object.__setattr__(answer, name, value)
        return answer
    return as_array(answer)


def as_array(value: Any) -> Any:
    """Paddle's tensors as arrays, as `paddle.vision.transforms.ToTensor` makes them; anything else as it is."""
    return value.numpy() if type(value).__module__.startswith("paddle") and hasattr(value, "numpy") else value


def given_to_preprocess(sample: Sample) -> str:
    """What a preprocess that raised was given, as part of a sentence: people expect a path, or an array for a picture."""
    try:
        value = sample.open()
    except Exception:  # the failure at hand is another one
        return ""
    if isinstance(value, np.ndarray):
        return f"; it was given an array, {value.dtype}{list(value.shape)}"
    if type(value).__module__.startswith("PIL."):
        return f"; it was given a PIL.Image in mode {value.mode}"
    name = type(value).__name__
    return f"; it was given {'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def description_remedy(spec: ModelSpec, dtype: str, returned: Sequence[int]) -> str:
    """What to set where an own preprocess makes another tensor than the input is described as, which nobody may have done; "" for nothing.

    dtype, returned: of the tensor; "" and () where they are not known.
    """
    wanted = spec.inputs[0].shape
    if len(spec.inputs) > 1 or not returned:
        return ""
    batched = returned[0] == 1 and len(returned) in (2, 4)  # of three, the first are the channels
    shape = [None, *returned[1:]] if batched else [None, *returned]
    picture = len(shape) == len(wanted) == 4 and shape[1] == wanted[1]
    if picture and dtype != spec.inputs[0].dtype:  # such as uint8: what is missing is a cast
        return ""
    if spec.input_spec is None and not picture:
        made = f"input_spec=[({shape}, {dtype!r})]"
        return f"no input_spec was given, so the input is taken for a picture: set {made}, which is what preprocess makes."
    if not picture:
        return ""
    if spec.input_spec is not None:
        return f"set input_spec=[{shape}], or return the shape that it says from preprocess."
    height, width = returned[-2:]
    return f"set image_size={height if height == width else (height, width)} (or input_spec=[{shape}]): the size that preprocess makes."


def is_scores(output: Array) -> bool:
    """True for float[N, C] with C > 1: one score a class."""
    return output.ndim == 2 and output.shape[1] > 1 and output.dtype.kind == "f"


def fit(value: Any, inputs: Sequence[TensorSpec]) -> Arrays:
    """Returns one array an input, with a batch axis of 1 added where `value` has none. Raises `ProcessingError`."""
    __tracebackhide__ = said_by_us
    if isinstance(value, Mapping):
        missing = [spec.name for spec in inputs if spec.name not in value]
        if missing:
            raise ProcessingError(f"preprocess returned a dict without {missing[0]!r}; the model's inputs are {_named(inputs)}.")
        values = [value[spec.name or ""] for spec in inputs]
    elif isinstance(value, (list, tuple, Iterator)):
        value = values = list(value)
    else:
        values = [value]
    if len(values) != len(inputs):
        returned = "None" if value is None else f"{len(values)} array{'s' * (len(values) != 1)}"
        raise ProcessingError(f"preprocess returned {returned}; the model has {len(inputs)} inputs: {_named(inputs)}.")
    arrays = []
    try:
        for item, spec in zip(values, inputs):  # a comprehension would be a frame of its own, which shows
            arrays.append(_fit_one(item, spec))
    except ProcessingError:
        if not isinstance(value, Mapping) and _fits_in_another_order(values, inputs):
            raise ProcessingError(
                f"preprocess returned the arrays in another order than that of the model's inputs: {_named(inputs)}."
            ) from None
        raise
    return arrays


def _fits_in_another_order(values: Sequence[Any], inputs: Sequence[TensorSpec]) -> bool:
    """True where each array fits one input, and not the one at its place."""
    for order in permutations(values) if 1 < len(values) <= MOST_INPUTS else ():
        try:
            for item, spec in zip(order, inputs):
                _fit_one(item, spec)
        except ProcessingError:
            continue
        return True
    return False


def _fit_one(value: Any, spec: TensorSpec) -> Array:
    __tracebackhide__ = said_by_us
    value = as_array(value)
    if not isinstance(value, np.ndarray):
        raise ProcessingError(
            f"preprocess returned {type(value).__name__} for input {spec.name!r}; it must return a numpy array "
            f"({spec.dtype}{_shape(spec.shape)}; the batch axis may be left out)."
        )
    array = value[np.newaxis] if value.ndim == len(spec.shape) - 1 else value
    if array.dtype.name != spec.dtype:
        near = array.dtype.kind == np.dtype(spec.dtype).kind or array.shape[1:] == tuple(spec.shape[1:])
        cast = f": cast it with .astype({spec.dtype!r})" if near else ""
        error = ProcessingError(
            f"preprocess returned {array.dtype.name}{_shape(value.shape)} for input {spec.name!r}, which is "
            f"{spec.dtype}{_shape(spec.shape)}{cast}."
        )
        error.returned, error.dtype = value.shape, array.dtype.name
        raise error
    if array.ndim != len(spec.shape) or any(
        want is not None and have != want for have, want in zip(array.shape[1:], spec.shape[1:])
    ):
        error = ProcessingError(
            f"preprocess returned shape {_shape(value.shape)} for input {spec.name!r}, which is {_shape(spec.shape)}"
            f"{_hint(array, spec, value.ndim)}."
        )
        error.returned, error.dtype = value.shape, array.dtype.name
        raise error
    return array


def _hint(array: Array, spec: TensorSpec, axes: int) -> str:
    """axes: of what preprocess returned, which the user is to transpose; `array` has the batch axis in any case."""
    if array.ndim != 4 or len(spec.shape) != 4 or array.shape[-1] != spec.shape[1]:
        return ""
    if axes == 3:
        return ": it looks like HWC, where the model takes CHW (transpose(2, 0, 1))"
    return ": it looks like NHWC, where the model takes NCHW (transpose(0, 3, 1, 2))"


def _named(inputs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"{spec.name} {spec.dtype}{_shape(spec.shape)}" for spec in inputs)


def _shape(shape: Sequence[int | None]) -> str:
    return str(list(shape))


def as_list(value: Tensors) -> Arrays:
    """One array or several, as a list."""
    return [value] if isinstance(value, np.ndarray) else list(value)


def stack(samples: Sequence[Tensors]) -> Arrays:
    """Joins the tensors of several samples along the batch axis. Raises `ProcessingError` when their shapes differ."""
    columns = list(zip(*(as_list(sample) for sample in samples)))
    for index, column in enumerate(columns):
        shapes = {array.shape[1:] for array in column}
        if len(shapes) > 1:
            error = ProcessingError(f"samples of different shapes cannot share a batch (input {index}: {sorted(shapes)}).")
            error.remedy = "make them equal in preprocess, or use batch size 1."
            raise error
    return [column[0] if len(column) == 1 else np.concatenate(column) for column in columns]


def split(outputs: Arrays, size: int) -> list[Tensors]:
    """Cuts the outputs of a batch into the outputs of each sample, batch axis kept; an output without it is repeated."""
    rows: list[Tensors] = []
    for index in range(size):
        row = [
            output[index * (len(output) // size) : (index + 1) * (len(output) // size)]
            if output.ndim and len(output) and len(output) % size == 0
            else output
            for output in outputs
        ]
        rows.append(row[0] if len(row) == 1 else row)
    return rows
