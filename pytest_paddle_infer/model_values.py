"""Reads the plain values of a `ModelSpec` and of the marker, as the options of the same names do. For `models` and `options`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Callable

from pytest_paddle_infer.failures import OptionError
from pytest_paddle_infer.option_table import image_size, tolerance, whole

READERS: Mapping[str, Callable[[str], Any]] = {
    "image_size": image_size,
    "batch_size": whole(1),
    "seed": whole(0),
    "rtol": tolerance,
    "atol": tolerance,
}

DTYPES = (
    "bool", "int8", "uint8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64", "complex128",
)  # fmt: skip
"""Of a model's inputs."""

_SHORT = {"fp16": "float16", "bf16": "bfloat16", "fp32": "float32", "fp64": "float64"}


def read_value(key: str, value: Any) -> Any:
    """Returns the value as the engines take it; text is read as on the command line. key: one of `READERS`.

    A tolerance may be a mapping by output name. Raises `OptionError` that names the key and says what is valid.
    """
    if isinstance(value, Mapping) and READERS[key] is tolerance:
        return {str(name): _read(f"{key}[{name!r}]", item, tolerance) for name, item in value.items()}
    if key != "image_size":
        return _read(key, value, READERS[key])
    pair = isinstance(value, (tuple, list)) and len(value) == 2
    try:
        return image_size("x".join(map(str, value)) if pair else str(value))
    except OptionError:
        raise OptionError(f"{key}: {value!r} is not a size in pixels; write 224 or (480, 640), height and width") from None


def _read(key: str, value: Any, read: Callable[[str], Any]) -> Any:
    try:
        return read(str(value))  # as text: int(2.5) and int(True) would pass
    except OptionError as error:
        raise OptionError(f"{key}: {error}") from None


def read_dtype(value: Any) -> str:
    """The dtype's name, of text such as "float32" or an object of Paddle or numpy. Raises `OptionError` that names the valid ones."""
    text = value if isinstance(value, str) else getattr(value, "name", None) or getattr(value, "__name__", None) or str(value)
    last = text.rpartition(".")[2].lower()
    name = _SHORT.get(last, last)
    if name not in DTYPES:
        raise OptionError(f"input_spec: dtype {value!r} is not one of {', '.join(DTYPES)}")
    return name


def read_kwargs(value: Any) -> Mapping[str, Any]:
    """The arguments of a factory. Raises `OptionError` for what is no dict of names and values."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise OptionError(f"kwargs: {value!r} is not a dict of the factory's arguments; write kwargs={{'num_classes': 10}}")
    return value


def read_weights(value: Any) -> Any:
    """A path or "factory", unchanged. Raises `OptionError` for anything else."""
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise OptionError(
            f"weights: {value!r} is not a file; write the path of a .pdparams file, 'factory', or None for random weights"
        )
    return value
