"""report.json as text: what JSON says stays, whatever is in it, and a sample stands on one line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_paddle_infer.report.json_text import to_json_text

SAMPLE = {"index": 0, "name": "ä\n.png", "training": {"top": [{"class_id": 1, "score": 0.5}], "margin": None}}
DETAILS: Any = {
    "parity": {"outputs": [{"name": "output", "magnitudes": [{"elements": 3}, {"elements": 4}]}], "samples": [SAMPLE, SAMPLE]},
    "latency": {"batches": 2, "inference_ms": [1.5, 2.0], "training_ms": []},
    "layers": [{"name": "fc", "state": "agrees"}],
}


def text_of(*details: Any, **more: Any) -> tuple[dict[str, Any], str]:
    tests = [{"id": str(number), "details": each, "notes": ['\n   "details": null']} for number, each in enumerate(details)]
    content = {"generator": "x", "tests": tests, **more}
    return content, to_json_text(content)


@pytest.mark.parametrize(
    "details", [(), (None,), (DETAILS,), (None, DETAILS, None, {}, {"parity": None, "latency": None, "layers": []})]
)
def test_the_text_says_what_the_content_says(details: Any) -> None:
    content, text = text_of(*details)
    assert json.loads(text) == content
    assert text.endswith("}\n")


def test_samples_layers_times_and_bins_stand_on_a_line_each() -> None:
    lines = text_of(DETAILS)[1].splitlines()
    starts = ('{"index": 0, ', '{"name": "fc"', '"inference_ms": [1.5, 2.0]', '{"elements": 3}')
    assert [sum(line.strip().startswith(start) for line in lines) for start in starts] == [2, 1, 1, 1]


def test_two_thousand_samples_take_less_than_a_kilobyte_each() -> None:
    answer = {"top": [{"class_id": 999, "score": 0.12345}] * 5, "margin": 0.12345}
    sample = {
        "index": 1999, "name": "ILSVRC2012_val_00000001.JPEG", "input": "rounding", "output": "output", "error_relative": 1.2345e-07,
        "limit_relative": 1.2345e-06, "limits": 0.12345, "agreement": "agrees", "training": answer, "inference": answer,
        "answer_texts": None, "pictured": False,
    }  # fmt: skip
    parity = {"outputs": [], "samples_compared": 2000, "samples": [sample] * 2000}
    assert len(text_of({"parity": parity, "latency": None, "layers": None})[1]) < 2000 * 1000


def test_a_number_that_is_none_is_refused() -> None:
    for content in (text_of, lambda each: text_of(None, duration=each)):
        with pytest.raises(ValueError, match="not JSON compliant"):
            content(float("nan"))
