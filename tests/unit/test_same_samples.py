"""same_samples: what was found of samples holds for others that hold the same, whoever made them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pytest_paddle_infer import same_samples
from pytest_paddle_infer.models import TensorSpec
from pytest_paddle_infer.same_samples import identity_of
from pytest_paddle_infer.samples import Sample, random_inputs

SPECS = (TensorSpec((None, 4), "int64", "x"),)


def of(*values: Any) -> tuple[Any, ...]:
    return identity_of([Sample(f"sample-{number}", value=value) for number, value in enumerate(values)])


def array() -> Any:
    return np.arange(6, dtype=np.float32).reshape(2, 3)


def test_inputs_that_are_drawn_again_are_the_same() -> None:
    assert identity_of(random_inputs(SPECS)) == identity_of(random_inputs(SPECS))
    assert identity_of(random_inputs(SPECS)) != identity_of(random_inputs(SPECS, seed=1))


@pytest.mark.parametrize(
    "make",
    [
        array,
        lambda: (array(), [array(), 3]),
        lambda: {"x": array(), "size": (3, 4), "name": b"a"},
        lambda: "text",
        lambda: 2.5,
        lambda: None,
    ],
)  # fmt: skip
def test_values_that_hold_the_same_are_the_same(make: Any) -> None:
    assert of(make()) == of(make())


@pytest.mark.parametrize(
    "other",
    [
        array().astype(np.float64), array().T, array().reshape(3, 2), array() + 1, [array()], (array(), array()), "array", None,
        np.asfortranarray(array()),
    ],
)  # fmt: skip
def test_values_that_hold_something_else_are_others(other: Any) -> None:
    assert of(array()) != of(other)


@pytest.mark.parametrize(("one", "two"), [((1, 2), [1, 2]), ((1, (2,)), ((1, 2),)), (1, "1"), (1, True), ({"a": 1}, (("a", 1),))])
def test_what_only_reads_alike_is_another(one: Any, two: Any) -> None:
    assert of(one) != of(two)


def test_an_array_that_was_changed_is_another() -> None:
    one = array()
    before = of(one)
    one[0, 0] = 7
    assert of(one) != before


def test_names_and_paths_count() -> None:
    assert identity_of([Sample("a", value=1)]) != identity_of([Sample("b", value=1)])
    assert identity_of([Sample("a", Path("a.png"))]) != identity_of([Sample("a", Path("b.png"))])


@pytest.mark.parametrize("make", [lambda: Image.new("RGB", (4, 4)), lambda: np.array([object()]), lambda: [{1: object()}], object])
def test_what_cannot_be_looked_into_is_the_same_object_or_another(make: Any) -> None:
    one, two = make(), make()
    assert of(one) == of(one)
    assert of(one) != of(two)


def test_much_is_told_apart_by_its_objects_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(same_samples, "HASHED", 3 * array().nbytes)
    values = [array() for _ in range(4)]
    again = [*map(np.copy, values[:3]), values[3]]
    assert of(*values) == of(*again), "the first three fit; the fourth is the same object"
    assert of(*values) != of(*map(np.copy, values))
    assert of("x" * 100) != of("y" * 100)
