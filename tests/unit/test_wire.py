"""deployed/wire.py, and the room around it: arrays arrive as they were sent, and nothing of the plugin is needed there."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import pytest_paddle_infer.deployed
from pytest_paddle_infer.deployed.wire import receive, send

PROPERTY = settings(max_examples=100, deadline=None, database=None)
HERE = Path(pytest_paddle_infer.deployed.__file__).parent
NUMPY = Path(np.__file__).parents[1]

DTYPES = st.one_of(
    npst.scalar_dtypes(),
    npst.integer_dtypes(endianness=">"),
    npst.floating_dtypes(endianness=">"),
    npst.complex_number_dtypes(endianness=">"),
    st.sampled_from([np.dtype("?"), np.dtype("<U3"), np.dtype(">U2"), np.dtype("S4")]),
)
ARRAYS = DTYPES.flatmap(lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MESSAGES = st.dictionaries(st.text().filter(lambda key: key != "arrays"), JSON, max_size=4)


class Trickle(io.BytesIO):
    """A pipe that gives a byte at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(1 if size else 0)


def sent(message: dict[str, Any], arrays: Sequence[Any] = ()) -> bytes:
    stream = io.BytesIO()
    send(stream, message, arrays)
    return stream.getvalue()


def same(found: Sequence[Any], wanted: Sequence[Any]) -> bool:
    """Equal in dtype, byte order, shape and every bit."""
    return [(a.dtype.str, a.shape, a.tobytes()) for a in found] == [(b.dtype.str, b.shape, b.tobytes()) for b in wanted]


# -- round trips -------------------------------------------------------------------------------------------------------


@PROPERTY
@given(MESSAGES, st.lists(ARRAYS, max_size=3))
def test_a_message_arrives_with_every_bit_of_its_arrays(message: dict[str, Any], arrays: list[Any]) -> None:
    for stream in (io.BytesIO(sent(message, arrays)), Trickle(sent(message, arrays))):
        found, made = receive(stream)
        assert found == message
        assert same(made, arrays)
        assert stream.read() == b""


@PROPERTY
@given(ARRAYS.filter(lambda array: array.ndim > 0), st.data())
def test_an_array_that_is_not_contiguous_arrives_as_its_values_are_read(array: Any, data: st.DataObject) -> None:
    turned = array.transpose(data.draw(st.permutations(range(array.ndim))))[:: data.draw(st.sampled_from([1, -1, 2]))]
    (found,) = receive(io.BytesIO(sent({}, [turned])))[1]
    assert same([found], [turned])
    assert found.flags.c_contiguous


@pytest.mark.parametrize(
    "array",
    [
        np.array(3.5, np.float32),
        np.zeros((0, 3, 224, 224), np.float32),
        np.zeros((2, 0), np.int64),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(12, dtype=">i4").reshape(3, 4)[:, ::2],
        np.broadcast_to(np.float16(1), (2, 2)),
        np.array([np.nan, -0.0, np.inf, 5e-324]),
        np.array(["", "katze", "\u732b"]),
    ],
    ids=["0-d", "empty", "empty inside", "fortran", "big-endian stride", "broadcast", "special", "text"],
)
def test_an_odd_array_arrives_as_it_was(array: Any) -> None:
    assert same(receive(io.BytesIO(sent({}, [array])))[1], [array])


def test_lists_and_numbers_arrive_as_the_arrays_that_numpy_makes_of_them() -> None:
    assert same(receive(io.BytesIO(sent({}, [[1.5, 2.5], 3, True])))[1], [np.array([1.5, 2.5]), np.array(3), np.array(True)])


def test_an_array_that_arrived_may_be_written_into() -> None:
    (found,) = receive(io.BytesIO(sent({}, [np.zeros(3)])))[1]
    found[:] = 1
    assert found.sum() == 3


def test_messages_follow_each_other() -> None:
    stream = io.BytesIO(sent({"ask": "run"}, [np.arange(3)]) + sent({}) + sent({"ask": "state"}))
    assert [receive(stream)[0] for _ in range(3)] == [{"ask": "run"}, {}, {"ask": "state"}]


def test_bytes_are_those_that_the_first_docstring_describes() -> None:
    text = json.dumps({"ask": "run", "arrays": [["<f4", [2]]]}).encode()
    assert sent({"ask": "run"}, [np.array([1, 2], "<f4")]) == struct.pack("<Q", len(text)) + text + struct.pack("<2f", 1, 2)


def test_a_message_that_is_no_json_leaves_the_stream_as_it_was() -> None:
    stream = io.BytesIO()
    with pytest.raises(TypeError):
        send(stream, {"ask": object()}, [np.zeros(3)])
    assert stream.getvalue() == b""


def test_an_array_of_objects_is_refused_before_their_addresses_are_sent() -> None:
    stream = io.BytesIO()
    with pytest.raises((TypeError, ValueError)):
        send(stream, {}, [np.array([object(), None])])
    assert stream.getvalue() == b""


# -- an end ------------------------------------------------------------------------------------------------------------


@PROPERTY
@given(MESSAGES, st.lists(ARRAYS, max_size=2), st.data())
def test_a_stream_that_ends_before_the_message_does_is_an_eof_error(message: dict[str, Any], arrays: list[Any], data: Any) -> None:
    whole = sent(message, arrays)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(EOFError):
        receive(io.BytesIO(whole[:cut]))


def test_a_pipe_whose_other_end_is_closed_is_an_eof_error_or_a_broken_pipe() -> None:
    read, write = os.pipe()
    os.close(write)
    with os.fdopen(read, "rb") as stream, pytest.raises(EOFError):
        receive(stream)
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb", buffering=0) as sink, pytest.raises(BrokenPipeError):
        send(sink, {"ask": "run"})


# -- another Python, without the plugin --------------------------------------------------------------------------------

ALONE = """
import sys
class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pytest_paddle_infer", "pytest", "_pytest", "paddle", "PIL"):
            raise AssertionError(f"{name} was imported")
sys.meta_path.insert(0, Refusing())
sys.path[:] = [entry for entry in sys.path if entry and entry != repo] + [numpy]
"""


def alone(code: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs code in a Python that has the standard library and numpy, in which any other import of ours or of Paddle raises."""
    head = f"repo, numpy, here = {str(HERE.parents[1])!r}, {str(NUMPY)!r}, {str(HERE)!r}\n"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, "-S", "-c", head + ALONE + code],
        cwd=directory, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_every_module_of_the_room_loads_by_path_without_the_plugin_and_without_paddle(tmp_path: Path) -> None:
    code = """
import importlib, pkgutil, runpy
runpy.run_path(here + "/__main__.py")["_as_package"]()
names = [f"paddle_infer_deployed.{each.name}" for each in pkgutil.iter_modules([here]) if each.name != "__main__"]
for name in names:
    importlib.import_module(name)
foreign = sorted(name for name in sys.modules if name.partition(".")[0] in ("pytest_paddle_infer", "paddle"))
assert not foreign, foreign
print(*names)
"""
    result = alone(code, tmp_path)
    assert result.returncode == 0, result.stderr
    wanted = {f"paddle_infer_deployed.{path.stem}" for path in HERE.glob("*.py") if not path.stem.startswith("__")}
    assert set(result.stdout.split()) == wanted
    assert {f"paddle_infer_deployed.{name}" for name in ("config", "builds", "predictor", "proof", "serve", "wire")} <= wanted


def test_the_check_above_would_see_an_import_of_the_plugin_or_of_paddle(tmp_path: Path) -> None:
    for name in ("pytest_paddle_infer.failures", "paddle"):
        result = alone(f"import {name}", tmp_path)
        assert result.returncode != 0
        assert "was imported" in result.stderr


def test_the_room_says_nothing_and_leaves_the_path_without_its_own_folder(tmp_path: Path) -> None:
    code = """
import runpy
sys.path.insert(0, here)
runpy.run_path(here + "/__main__.py")["_as_package"]()
assert here not in sys.path
import paddle_infer_deployed.wire
"""
    result = alone(code, tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_run_by_path_it_answers_a_fault_of_a_question_and_ends_with_the_pipe(tmp_path: Path) -> None:
    asking, to = os.pipe()
    answers, answering = os.pipe()
    program = [sys.executable, str(HERE), str(asking), str(answering)]
    environment = {**os.environ, "PYTHONPATH": str(NUMPY)}
    process = subprocess.Popen(
        program, cwd=tmp_path, env=environment, pass_fds=(asking, answering), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    os.close(asking)
    os.close(answering)
    with os.fdopen(to, "wb") as sink, os.fdopen(answers, "rb") as source:
        send(sink, {"ask": "run"}, [np.zeros(3)])
        assert receive(source) == ({"error": "AssertionError", "text": "load comes first"}, [])
        send(sink, {"ask": "nothing"})
        answer, _ = receive(source)
        assert answer["error"] == "AttributeError"
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, b"")
