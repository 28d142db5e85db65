"""The reading side of reprod_log's files: numpy only, and nothing of what a pickle asks for is run."""

from __future__ import annotations

import os
import pickle
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_paddle_infer.logs.reprod import ReprodFileError, read_reprod

if TYPE_CHECKING:
    from pathlib import Path

HEADER = b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(127) + b"\n"
ARRAYS: dict[str, np.ndarray[Any, Any]] = {
    "prob": np.array([[0.25, 0.75]], dtype="float32"),
    "class_id": np.array([1]),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big_endian": np.arange(3, dtype=">i4"),
    "bool": np.array([True, False]),
    "uint8": np.array([0, 255], dtype="uint8"),
    "half": np.array([0.5], dtype="float16"),
    "complex": np.array([1j], dtype="complex64"),
    "scalar_shape": np.array(2.5),
    "empty": np.zeros((0, 3), dtype="float32"),
    "names": np.array(["猫", "dog"]),
    "bytes": np.array([b"ab", b"c"]),
    "nan": np.array([np.nan, np.inf]),
}


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def saved(path: Path, content: Any) -> Path:
    np.save(path, content, allow_pickle=True)
    return path


def pickled(path: Path, content: Any) -> Path:
    """A file with the right header whose pickle is `content` itself."""
    path.write_bytes(HEADER + pickle.dumps(content, protocol=3))
    return path


def renamed(path: Path, ours: bytes, theirs: bytes) -> Path:
    """The same file with another module name in its pickle, the way the other numpy writes it."""
    # Protocol 3 names globals as lines, so the length of a name does not matter.
    pickled_array = pickle.dumps(np.load(path, allow_pickle=True), protocol=3)
    assert b"c" + ours + b"\n" in pickled_array
    path.write_bytes(HEADER + pickled_array.replace(b"c" + ours + b"\n", b"c" + theirs + b"\n"))
    return path


def test_arrays_come_back_with_names_values_dtypes_and_shapes(tmp_path: Path):
    read = read_reprod(saved(tmp_path / "a.npy", ARRAYS))
    assert list(read) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(read[name], array)


def test_arrays_that_were_read_can_be_written_to(tmp_path: Path):
    read_reprod(saved(tmp_path / "a.npy", ARRAYS))["prob"][0, 0] = 1


@pytest.mark.parametrize("theirs", [b"numpy.core.multiarray", b"numpy._core.multiarray"], ids=["numpy 1", "numpy 2"])
def test_files_of_either_numpy_are_read(tmp_path: Path, theirs: bytes):
    ours = np.zeros(1).__reduce__()[0].__module__.encode()
    path = renamed(saved(tmp_path / "a.npy", ARRAYS), ours, theirs)
    assert b"c" + theirs + b"\n" in path.read_bytes()
    np.testing.assert_array_equal(read_reprod(path)["prob"], ARRAYS["prob"])


# numpy 1.x saves with protocol 3, 2.x with 4; protocol 2 is what Python 2 left behind.
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_every_pickle_protocol_that_numpy_used_is_read(tmp_path: Path, protocol: int):
    path = tmp_path / "a.npy"
    outer = np.empty((), dtype=object)
    outer[()] = {"fortran": ARRAYS["fortran"]}
    path.write_bytes(HEADER + pickle.dumps(outer, protocol=protocol))
    np.testing.assert_array_equal(read_reprod(path)["fortran"], ARRAYS["fortran"])


def test_a_numpy_number_becomes_an_array_of_shape_zero(tmp_path: Path):
    read = read_reprod(saved(tmp_path / "a.npy", {"loss": np.float32(2.5)}))
    assert (read["loss"].shape, read["loss"].dtype, float(read["loss"])) == ((), np.float32, 2.5)


def test_an_empty_file_of_names_is_read(tmp_path: Path):
    assert read_reprod(saved(tmp_path / "a.npy", {})) == {}


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (os.system, ("touch {}",), "posix.system"),
        (eval, ("open({!r}, 'w')",), "builtins.eval"),
        (getattr, (np, "load"), "builtins.getattr"),
        (np.load, ("{}",), "numpy.load"),
        (np.fromfile, ("{}",), "numpy"),
    ],
)
def test_a_hostile_pickle_is_refused_and_nothing_of_it_is_run(
    tmp_path: Path, function: Any, arguments: tuple[Any, ...], named: str
):
    victim = tmp_path / "victim"
    call = Call(function, *(a.format(str(victim)) if isinstance(a, str) else a for a in arguments))
    if function is getattr:
        call = Call(getattr, "text", "upper")
    for path in (saved(tmp_path / "a.npy", {"prob": call}), pickled(tmp_path / "b.npy", call)):
        with pytest.raises(ReprodFileError, match=named):
            read_reprod(path)
    assert not victim.exists()


def test_a_forged_dtype_never_reaches_numpy(tmp_path: Path):
    # numpy would take these flags on trust and read the eight bytes as a pointer to an object.
    class Forged:
        def __reduce__(self) -> tuple[Any, ...]:
            return np.dtype, ("O8", False, True), (3, "|", None, None, None, -1, -1, 0)

    class Array:
        def __reduce__(self) -> tuple[Any, ...]:
            rebuild, arguments = np.zeros(1).__reduce__()[:2]
            return rebuild, arguments, (1, (1,), Forged(), False, struct.pack("q", 0xDEAD))

    outer = np.empty((), dtype=object)
    outer[()] = {"prob": Array()}
    with pytest.raises(ReprodFileError, match="dtype 'O8' is not bool, number or string"):
        read_reprod(saved(tmp_path / "a.npy", outer))


@pytest.mark.parametrize(
    "content",
    [
        {"prob": 0.5},
        {"prob": [1, 2]},
        {"prob": {"nested": np.zeros(1)}},
        {3: np.zeros(1)},
        {"prob": np.array([None])},
        {"prob": np.zeros(2, dtype=[("a", "f4")])},
        {"prob": np.array(["2026-11-22"], dtype="M8[D]")},
        [np.zeros(1)],
        np.array([{"prob": np.zeros(1)}, {}], dtype=object),
    ],
    ids=["float", "list", "nested", "key", "object", "structured", "date", "no dict", "two dicts"],
)
def test_what_is_no_mapping_of_names_to_arrays_is_refused(tmp_path: Path, content: Any):
    outer = content
    if not isinstance(content, np.ndarray):
        outer = np.empty((), dtype=object)
        outer[()] = content
    with pytest.raises(ReprodFileError, match=r"a\.npy"):
        read_reprod(saved(tmp_path / "a.npy", outer))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "magic"),
        (b"PK\x03\x04 a zip archive", "magic"),
        (b"text\n", "magic"),
        (HEADER, "Ran out of input"),
        (HEADER + b"garbage", ""),
        (HEADER + b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f", ""),
        (HEADER + pickle.dumps({"prob": 1}), "dict of arrays"),
        (HEADER.replace(b"\x01\x00v", b"\x09\x00v"), "9.0"),
    ],
)
def test_other_bytes_are_refused_in_one_sentence(tmp_path: Path, data: bytes, told: str):
    path = tmp_path / "a.npy"
    path.write_bytes(data)
    with pytest.raises(ReprodFileError, match=rf"a\.npy is not a reprod_log file: .*{told}.*\.$") as caught:
        read_reprod(path)
    assert "\n" not in str(caught.value)


def test_a_plain_array_file_is_refused(tmp_path: Path):
    with pytest.raises(ReprodFileError, match="one plain array"):
        read_reprod(saved(tmp_path / "a.npy", np.zeros((2, 3), dtype="float32")))


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path):
    for path in (tmp_path / "absent.npy", tmp_path):
        with pytest.raises(ReprodFileError, match="cannot be read"):
            read_reprod(path)


def test_a_file_cut_anywhere_is_refused_and_never_half_read(tmp_path: Path):
    whole = saved(tmp_path / "a.npy", ARRAYS).read_bytes()
    path = tmp_path / "cut.npy"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ReprodFileError):
            read_reprod(path)


def test_any_changed_byte_gives_arrays_or_our_error(tmp_path: Path):
    whole = saved(tmp_path / "a.npy", ARRAYS).read_bytes()
    path = tmp_path / "a.npy"
    refused = 0
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x15]) + whole[at + 1 :])
        try:
            read_reprod(path)
        except ReprodFileError:
            refused += 1
    assert refused > 100
