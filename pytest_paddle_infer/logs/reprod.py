"""Write and read reprod_log's files. The conformance run and the checks may call it; only writing imports paddle.

The files are the evidence that TIPC's Python inference guide prescribes (section 2.8). They are not the judge:
reprod_log passes NaN, transposes and broadcasts shapes that differ, and returns no verdict.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import os
import pickle
import re
import threading
import warnings
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

_READABLE_KINDS = "biufcSU"
_REPORT_LOCK = threading.Lock()


class ReprodFileError(ValueError):
    """A file is not one that reprod_log's `ReprodLogger.save` wrote, or holds more than arrays."""


def write_reprod(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write `arrays` to `path` as `ReprodLogger.save` does; a reader sees the old file or the new one, never a part.

    Missing directories are made. `path` is taken as it is: no `.npy` is appended.

    Raises:
        TypeError: a value is no array of bools, numbers or strings.
        OSError: the file cannot be written.
    """
    from reprod_log import ReprodLogger  # imports paddle

    logger = ReprodLogger()
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in _READABLE_KINDS:
            kind = f"dtype {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
            raise TypeError(f"'{name}' is {kind}; a reprod_log file takes numpy arrays of bools, numbers or strings")
        logger.add(name, np.asarray(array))
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = _part(target, ".npy")  # np.save appends .npy to any other name
    try:
        logger.save(str(part))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def read_reprod(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Return name -> array of a reprod_log file, written under numpy 1.x or 2.x, without running what it pickles.

    The pickle's globals are replaced by inert records, so neither a foreign callable nor a forged dtype is executed.

    Raises:
        ReprodFileError: the file is missing, is another kind of file, or holds more than arrays.
    """
    try:
        with Path(path).open("rb") as file:
            outer = _read_object_array(file)
    except OSError as error:
        raise ReprodFileError(f"{os.fspath(path)} cannot be read: {error.strerror or error}.") from error
    except ReprodFileError as error:
        raise ReprodFileError(f"{os.fspath(path)} is not a reprod_log file: {error}.") from None
    except Exception as error:  # forged bytes can make the unpickler raise anything
        detail = str(error) or type(error).__name__
        raise ReprodFileError(f"{os.fspath(path)} is not a reprod_log file: {detail.rstrip('.')}.") from error
    arrays: dict[str, NDArray[Any]] = {}
    for name, record in outer.items():
        if not isinstance(name, str) or not isinstance(record, (_Array, _Scalar)):
            raise ReprodFileError(f"{os.fspath(path)} is not a reprod_log file: {name!r} is not an array under a name.")
        try:
            arrays[name] = record.to_numpy()
        except ReprodFileError as error:
            raise ReprodFileError(f"{os.fspath(path)} holds no readable array '{name}': {error}.") from None
    return arrays


def write_diff(
    path: str | os.PathLike[str],
    training: str | os.PathLike[str],
    inference: str | os.PathLike[str],
    threshold: float = 1e-6,
) -> None:
    """Write reprod_log's own comparison of two of its files to `path`: mean absolute difference against `threshold`.

    What reprod_log cannot compare, or compares wrongly, is told in lines of ours at the end. If it could not compare
    an array, its verdict on the rest is replaced by `diff check failed`.

    Raises:
        ReprodFileError: one of the two files is not a reprod_log file.
        OSError: `path` cannot be written.
    """
    ours, theirs = read_reprod(training), read_reprod(inference)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    remarks: list[str] = []
    failed: list[str] = []
    comparable: list[str] = []
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        if name not in ours or name not in theirs:
            side = "inference" if name in ours else "training"
            reason = f"the {side} engine's file has no such array"
        else:
            reason = _why_not_comparable(ours[name], theirs[name])
        if reason:
            failed.append(name)
            remarks.append(f"{name}: not compared by reprod_log: {reason}")
            continue
        comparable.append(name)
        remarks += [f"{name}: {remark}" for remark in _blind_spots(ours[name], theirs[name])]
    part = _part(target, ".log")
    try:
        part.touch()
        if comparable:
            _reprod_report(part, {n: ours[n] for n in comparable}, {n: theirs[n] for n in comparable}, threshold)
        lines = part.read_text(errors="replace").splitlines()
        if failed:
            lines = [line for line in lines if not line.endswith(("diff check passed", "diff check failed"))]
            remarks.append("diff check failed")
        elif not comparable:
            remarks += ["neither file holds an array: reprod_log compared nothing", "diff check failed"]
        stamp = datetime.now().strftime("%Y/%m/%d %H:%M:%S")
        lines += [f"[{stamp}] root INFO: {remark}" for remark in remarks]
        part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _part(target: Path, suffix: str) -> Path:
    """Where a file is written before it takes its place; a directory of its own would cost more than what it holds."""
    return target.with_name(f".reprod-{os.getpid()}-{os.urandom(4).hex()}{suffix}")


def _why_not_comparable(ours: NDArray[Any], theirs: NDArray[Any]) -> str:
    """Return why reprod_log's arithmetic, the mean, max and min of `abs(a - b)`, raises; "" if it does not."""
    if ours.shape != theirs.shape and ours.T.shape != theirs.shape:
        try:
            np.broadcast_shapes(ours.shape, theirs.shape)
        except ValueError:
            return f"shapes {ours.shape} and {theirs.shape} differ"
    for array in (ours, theirs):
        if array.dtype.kind in "SU":
            return f"dtype {array.dtype} has no difference"
        if array.size == 0:
            return f"shape {array.shape} has no elements"
    if ours.dtype.kind == theirs.dtype.kind == "b":
        return "dtype bool has no difference in numpy"
    return ""


def _blind_spots(ours: NDArray[Any], theirs: NDArray[Any]) -> Iterator[str]:
    """Yield what reprod_log compares without noticing."""
    if ours.shape != theirs.shape:
        how = "transposed the first" if ours.T.shape == theirs.shape else "broadcast them"
        yield f"shapes {ours.shape} and {theirs.shape} differ; reprod_log {how}"
    if ours.dtype != theirs.dtype:
        yield f"dtypes {ours.dtype} and {theirs.dtype} differ; reprod_log does not compare dtypes"
    if any(array.dtype.kind in "fc" and not np.isfinite(array).all() for array in (ours, theirs)):
        yield "there are NaN or Inf values; a NaN difference passes reprod_log's check"
    if "u" in (ours.dtype.kind, theirs.dtype.kind):
        yield f"dtype {np.result_type(ours, theirs)}: unsigned differences wrap around in reprod_log"


def _reprod_report(path: Path, ours: dict[str, NDArray[Any]], theirs: dict[str, NDArray[Any]], threshold: float) -> None:
    """Let reprod_log write its report to `path`, and leave logging, stdout and stderr as they were."""
    from reprod_log import ReprodDiffHelper  # imports paddle

    # reprod_log 1.0.1: utils.init_logger adds two handlers to logging's root logger on each call and sets it to DEBUG.
    logger = logging.getLogger("root")
    with _REPORT_LOCK, contextlib.redirect_stdout(io.StringIO()):
        handlers, level, disabled = logger.handlers[:], logger.level, logging.root.manager.disable
        try:
            logger.handlers[:] = []
            logging.disable(logging.NOTSET)
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                helper = ReprodDiffHelper()
                helper.compare_info(ours, theirs)
                helper.report(diff_threshold=threshold, path=str(path))
        finally:
            for handler in logger.handlers:
                handler.close()
            logger.handlers[:] = handlers
            logger.setLevel(level)
            logging.disable(disabled)


def _read_object_array(file: io.BufferedReader) -> dict[Any, Any]:
    """Return the dict, values still records, that a `np.save` of a dict holds."""
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    read_header = readers.get(version)
    if read_header is None:
        raise ReprodFileError(f"its .npy format {version[0]}.{version[1]} is unknown")
    shape, _, dtype = read_header(file)
    if dtype != np.dtype(object):
        raise ReprodFileError(f"it is one plain array, {dtype}{list(shape)}, not named arrays")
    outer = _ArrayUnpickler(file).load()
    content = outer.objects() if isinstance(outer, _Array) else None
    if shape != () or content is None or len(content) != 1 or not isinstance(content[0], dict):
        raise ReprodFileError("it does not hold a dict of arrays")
    return content[0]


class _Dtype:
    """The record of a pickled numpy.dtype: numpy's own __setstate__ trusts the flags it is given."""

    def __init__(self, code: object = None, *_: object) -> None:
        self.code = code
        self.order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]

    def to_numpy(self) -> np.dtype[Any]:
        if not isinstance(self.code, str) or re.fullmatch(r"[biufcSU]\d{1,9}", self.code, re.ASCII) is None:
            raise ReprodFileError(f"dtype {self.code!r} is not bool, number or string")
        if self.order not in ("<", ">", "|", "="):
            raise ReprodFileError(f"byte order {self.order!r} is unknown")
        try:
            return np.dtype(self.order + self.code)
        except (TypeError, ValueError, OverflowError):
            raise ReprodFileError(f"dtype {self.code!r} is unknown") from None


class _Array:
    """The record of a pickled numpy.ndarray."""

    def __init__(self) -> None:
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def parts(self) -> tuple[object, _Dtype, bool, object]:
        """Return shape, dtype, whether the order is Fortran's, and the content."""
        if not isinstance(self.state, tuple) or len(self.state) != 5 or not isinstance(self.state[2], _Dtype):
            raise ReprodFileError("its record is not that of an array")
        return self.state[1], self.state[2], bool(self.state[3]), self.state[4]

    def objects(self) -> list[Any] | None:
        _, dtype, _, content = self.parts()
        return content if dtype.code in ("O8", "O4") and isinstance(content, list) else None

    def to_numpy(self) -> NDArray[Any]:
        shape, dtype, fortran, raw = self.parts()
        return _from_bytes(shape, dtype, raw, fortran=fortran)


class _Scalar:
    """The record of a pickled numpy scalar; it becomes an array of shape ()."""

    def __init__(self, dtype: object, raw: object = b"") -> None:
        self.dtype, self.raw = dtype, raw

    def to_numpy(self) -> NDArray[Any]:
        if not isinstance(self.dtype, _Dtype):
            raise ReprodFileError("its record is not that of a number")
        return _from_bytes((), self.dtype, self.raw, fortran=False)


def _from_bytes(shape: object, record: _Dtype, raw: object, *, fortran: bool) -> NDArray[Any]:
    dtype = record.to_numpy()
    if not isinstance(shape, tuple) or len(shape) > 32 or not all(type(n) is int and n >= 0 for n in shape):
        raise ReprodFileError(f"shape {shape!r} is impossible")
    if not isinstance(raw, bytes) or len(raw) != math.prod(shape) * dtype.itemsize:
        raise ReprodFileError(f"its bytes do not fill shape {shape} of {dtype}")
    try:
        # A bytearray, because an array over bytes is read-only.
        array: NDArray[Any] = np.ndarray(shape, dtype, buffer=bytearray(raw), order="F" if fortran else "C")
    except (ValueError, OverflowError):
        raise ReprodFileError(f"shape {shape} of {dtype} is impossible") from None
    return array


class _NdarrayType:
    """Stands for the class numpy.ndarray, which a pickle only passes to _reconstruct."""


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ReprodFileError(f"it encodes with {encoding!r}")
    return text.encode("latin1")


# numpy 1.x pickles name numpy.core, 2.x name numpy._core.
_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _NdarrayType,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _Scalar,
    ("numpy._core.multiarray", "scalar"): _Scalar,
    ("_codecs", "encode"): _encode,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise ReprodFileError(f"it pickles {module}.{name}, which is not part of an array") from None
