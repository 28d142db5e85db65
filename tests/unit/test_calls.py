"""Calls on a `Config` as data: what is told is made again, and what cannot be is said."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pytest_paddle_infer.deployed.calls import repeat, shown, told, why_not

PrecisionType = type("PrecisionType", (), {"__module__": "paddle.base.libpaddle"})
HALF = PrecisionType()
HALF.name = "Half"
INFERENCE = SimpleNamespace(PrecisionType=SimpleNamespace(Half=HALF))


class Builder:
    def __init__(self, made: list[Any]) -> None:
        self._made = made

    def delete_pass(self, name: str) -> None:
        self._made.append(("builder", name))


class Config:
    """Takes note of every call but those that it does not have."""

    def __init__(self) -> None:
        self.made: list[Any] = []

    def enable_use_gpu(self, memory: int, device_id: int = 0, precision: Any = None) -> None:
        self.made.append(("gpu", memory, device_id, precision))

    def take(self, *values: Any) -> None:
        self.made.append(values)

    def pass_builder(self) -> Builder:
        return Builder(self.made)


def again(*calls: str) -> tuple[list[Any], tuple[str, ...]]:
    config = Config()
    left_out = repeat(config, calls, INFERENCE, "2.6.2")
    return config.made, left_out


@pytest.mark.parametrize(
    "value",
    [None, True, 3, 2.5, float("inf"), "conv2d", ["a", 1], {"conv2d", "relu"}, {"x": [1, 3, 32, 32]}, [{"x": {"a"}}], HALF],
    ids=lambda value: type(value).__name__,  # an address or the order of a set is another one in each process of xdist
)
def test_plain_data_is_given_again_as_it_was(value: Any) -> None:
    call = told("take", (value,), {})
    assert why_not(call) == ""
    made, left_out = again(call)
    assert made == [(value,)]
    assert left_out == ()


def test_a_keyword_stays_a_keyword() -> None:
    made, _ = again(told("enable_use_gpu", (100,), {"precision": HALF}))
    assert made == [("gpu", 100, 0, HALF)]


def test_numpy_numbers_and_tuples_become_plain() -> None:
    assert again(told("take", (np.int64(3), (1, 2)), {}))[0] == [(3, [1, 2])]


def test_the_list_of_passes_is_edited_again() -> None:
    made, left_out = again(told("pass_builder", (), {}), told("pass_builder.delete_pass", ("conv_bn_fuse_pass",), {}))
    assert made == [("builder", "conv_bn_fuse_pass")]
    assert left_out == ()


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (told("set_optimization_level", (0,), {}), "config.set_optimization_level(0): Paddle 2.6.2 has no such method"),
        (told("pass_builder.turn_on_debug", (), {}), "config.pass_builder().turn_on_debug(): Paddle 2.6.2 has no such method"),
        (told("enable_use_gpu", (), {}), "Paddle 2.6.2 does not take it"),
        (told("take", (b"\x00",), {}), "its arguments are no plain data"),
        (told("take", ("x" * 20_000,), {}), "its arguments are no plain data"),
        (told("set_model", ("a", "b"), {}), "it chooses other files"),
        (told("__reduce__", (), {}), "it is no method of a Config"),
    ],
)
def test_what_cannot_be_made_again_is_left_out_and_said(call: str, reason: str) -> None:
    made, left_out = again(call, told("take", (1,), {}))
    assert made == [(1,)], "the next call is made all the same"
    assert len(left_out) == 1
    assert reason in left_out[0]


def test_a_call_is_shown_as_a_line_of_python() -> None:
    call = told("enable_use_gpu", (100,), {"precision": HALF})
    assert shown(call) == "config.enable_use_gpu(100, precision=PrecisionType.Half)"
    for value in ({"a"}, {"x": [1, 2]}, float("inf"), "it's", [None, True]):
        line = shown(told("take", (value,), {}))
        config = Config()
        eval(line, {"config": config})
        assert config.made == [(value,)], line


def test_what_is_told_is_json_without_nan() -> None:
    json.loads(told("take", (float("nan"),), {}), parse_constant=lambda name: pytest.fail(name))
