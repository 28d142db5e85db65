"""Details that checkpoints left are held against report.schema.json without jsonschema; here the two are held together."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from report_details import latency, layers, parity, sample

from pytest_paddle_infer.report.content import SCHEMA
from pytest_paddle_infer.report.shape import fits

WHOLE: dict[str, Any] = {
    "parity": parity([sample(0, 1e-7), sample(1, None, inference=None)]), "latency": latency(3.0, 2), "layers": layers(5)[4:7],
}  # fmt: skip

ODD: tuple[Any, ...] = (None, "text", -1, 0.5, 1.5, True, [], {}, [1], {"a": 1})
WHOLE["parity"]["outputs"][0]["magnitudes"][1:] = []


def by_jsonschema(part: str, value: Any) -> bool:
    defs = json.loads(SCHEMA.read_text(encoding="utf-8"))["$defs"]
    return bool(jsonschema.Draft202012Validator({"$defs": defs, **defs["details"]["properties"][part]}).is_valid(value))


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each container with each of its keys or indexes."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


def changed(part: str) -> Iterator[Any]:
    """The part with one value of it replaced, taken away, or put there too."""
    count = len(list(places(WHOLE[part])))
    for number in range(count):
        for odd in ODD:
            whole = copy.deepcopy(WHOLE[part])
            container, key = list(places(whole))[number]
            container[key] = odd
            yield whole
        whole = copy.deepcopy(WHOLE[part])
        container, key = list(places(whole))[number]
        del container[key]
        yield whole
        if isinstance(container, dict):
            container["more"] = 1
            yield whole


@pytest.mark.parametrize("part", WHOLE)
def test_what_the_checkpoints_leave_fits(part: str) -> None:
    assert fits(part, WHOLE[part])
    assert fits(part, None)


@pytest.mark.parametrize("part", WHOLE)
def test_both_say_the_same_of_whatever_is_changed(part: str) -> None:
    seen = [(fits(part, each), by_jsonschema(part, each), each) for each in changed(part)]
    assert [each for ours, theirs, each in seen if ours != theirs] == []
    assert {ours for ours, _, _ in seen} == {True, False}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_json_has_no_number_for_does_not_fit(value: float) -> None:
    assert not fits("latency", {**WHOLE["latency"], "inference_ms": [value]})
