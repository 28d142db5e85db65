"""Messages between the plugin and a predictor in another interpreter: JSON, and arrays as their bytes.

No pickles: those of numpy 2 do not open under numpy 1, and the other side does not have this plugin's classes.
A message is a JSON object and a list of arrays: length of the JSON (8 bytes, little endian), the JSON with the arrays' dtypes and shapes,
then the bytes of each array.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

_LENGTH = struct.Struct("<Q")


def send(stream: BinaryIO, message: dict[str, Any], arrays: Sequence[Any] = ()) -> None:
    """Writes one message. Raises `BrokenPipeError` when nobody reads any more, and `TypeError` for arrays of Python objects."""
    whole = [np.asarray(array, order="C") for array in arrays]
    if any(array.dtype.hasobject for array in whole):
        raise TypeError("an array of Python objects cannot be sent to another process")
    shapes = [[array.dtype.str, list(array.shape)] for array in whole]
    text = json.dumps({**message, "arrays": shapes}).encode()
    stream.write(_LENGTH.pack(len(text)) + text)
    for array in whole:
        stream.write(array.tobytes())
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], list[Any]]:
    """Reads one message. Raises `EOFError` when the other side is gone."""
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    message: dict[str, Any] = json.loads(_exactly(stream, length))
    arrays = []
    for kind, shape in message.pop("arrays"):
        dtype = np.dtype(kind)
        count = int(np.prod(shape, dtype=np.int64))
        arrays.append(np.frombuffer(_exactly(stream, count * dtype.itemsize), dtype=dtype).reshape(shape).copy())
    return message, arrays


def _exactly(stream: BinaryIO, count: int) -> bytes:
    parts = []
    while count:
        part = stream.read(count)
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
