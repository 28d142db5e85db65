"""diagnosis/known.py: riddles of Paddle, in words."""

from __future__ import annotations

import re

import pytest

from pytest_paddle_infer.diagnosis.finding import KINDS, STAGES
from pytest_paddle_infer.diagnosis.known import MEANINGS, meaning_of

SHADOW = "ValueError: (InvalidArgument) More than one shadow output named with image found in the program. [Hint: Expected 1]"
CONSTANT = "RuntimeError: [json.exception.out_of_range.403] key 'D' not found"


def test_an_input_that_is_returned_is_named() -> None:
    known = meaning_of(SHADOW)
    assert known is not None
    assert known.cause.startswith(
        "the model returns its input image as an output, unchanged or through an operation that is taken out"
    )
    assert (known.stage, known.kind) == ("export", "output")


def test_a_constant_that_is_no_number_is_named() -> None:
    known = meaning_of(CONSTANT)
    assert known is not None
    assert "NaN or Inf constant" in known.cause


@pytest.mark.parametrize(
    "text",
    [
        "", "KeyError: 'D'", "[json.exception.out_of_range.403] key 'shape' not found",
        "[json.exception.type_error.302] type must be string, but is null", "More than one output was found",
    ],
)  # fmt: skip
def test_an_error_that_is_not_known_gets_no_meaning(text: str) -> None:
    assert meaning_of(text) is None


@pytest.mark.parametrize("known", MEANINGS, ids=lambda known: known.pattern[:20])
def test_every_meaning_names_a_stage_a_kind_and_what_to_do(known: object) -> None:
    assert known.stage in STAGES  # type: ignore[attr-defined]
    assert known.kind in KINDS  # type: ignore[attr-defined]
    assert not known.cause.endswith("."), "the title adds the full stop"  # type: ignore[attr-defined]
    assert known.remedy.endswith(".")  # type: ignore[attr-defined]
    groups = set(re.compile(known.pattern).groupindex)  # type: ignore[attr-defined]
    assert groups == set(re.findall(r"{(\w+)}", known.cause))  # type: ignore[attr-defined]
