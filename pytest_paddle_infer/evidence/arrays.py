"""Arrays of one side in an .npz file: numbered, never pickled, bfloat16 as its bits."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pytest_paddle_infer.failures import PaddleInferError

Array = npt.NDArray[Any]
Arrays = Sequence[Array]

BFLOAT16 = ".bfloat16"
"""Ending of the name of an array that holds bits."""


class EvidenceError(PaddleInferError, ValueError):
    """A folder is not one that was kept, or it is damaged; one sentence. `remedy` is what to do."""

    def __init__(self, sentence: str, remedy: str = "") -> None:
        super().__init__(sentence)
        self.remedy = remedy


def write_arrays(path: Path, columns: Mapping[str, Arrays]) -> None:
    """Writes name -> arrays as `name_0`, `name_1` and so on. Raises `EvidenceError` for an array of objects, and `OSError`."""
    kept = {}
    for name, arrays in columns.items():
        for index, array in enumerate(arrays):
            whole = np.asarray(array)
            if whole.dtype.name == "bfloat16":  # of ml_dtypes; numpy alone would save it as bytes without a type
                kept[f"{name}_{index}{BFLOAT16}"] = whole.view(np.uint16)
            elif whole.dtype.kind in "biufc":
                kept[f"{name}_{index}"] = whole
            else:
                raise EvidenceError(f"an array of {whole.dtype} cannot be kept without a pickle.")
    with path.open("xb") as stream:
        np.savez(stream, **kept)  # type: ignore[arg-type]


def read_arrays(path: Path, name: str) -> list[Array]:
    """Returns the arrays of that name in their order; bfloat16 as float32, which holds the same values.

    Raises `EvidenceError` where the file is none of these, or one of them is missing in the row.
    """
    found: dict[int, Array] = {}
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise EvidenceError(f"{path.name} is no .npz file.")
        with loaded as arrays:
            for key in arrays.files:
                match = re.fullmatch(rf"{name}_(\d+)({re.escape(BFLOAT16)})?", key)
                if match is not None:
                    found[int(match[1])] = widened(arrays[key]) if match[2] else arrays[key]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, EvidenceError):
            raise
        reason = "it is missing" if isinstance(error, FileNotFoundError) else str(error).partition("\n")[0].rstrip(".")
        raise EvidenceError(f"{path.name} cannot be read: {reason}.") from None
    if sorted(found) != list(range(len(found))):
        raise EvidenceError(f"{path.name} lacks {name}_{next(n for n in range(len(found)) if n not in found)}.")
    return [found[index] for index in range(len(found))]


def widened(bits: Array) -> Array:
    """float32 of the same values as bfloat16's bits."""
    made: Array = (np.ascontiguousarray(bits, dtype=np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)
    return made.reshape(bits.shape)
