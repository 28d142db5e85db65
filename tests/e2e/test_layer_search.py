"""The first diverging layer and numerical faults with real Paddle: one script plants every fault, each test reads one answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from sessions import environment

PLACE = Path(__file__).parent / "layers"


@pytest.fixture(scope="session")
def answers(shared_directory: Path) -> dict[str, Any]:
    """Fault -> what the search said, from one run for all tests and xdist workers."""
    path = shared_directory / "layers.json"
    with FileLock(shared_directory / "layers.lock"):
        if not path.is_file():
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "search.py", str(shared_directory)], cwd=PLACE,
                env=environment(shared_directory / "none", "-"), capture_output=True, text=True, timeout=180, check=False,
            )  # fmt: skip
            path.write_text(done.stdout.partition("ANSWERS")[2] or json.dumps({"failed": done.stdout + done.stderr}))
    found: dict[str, Any] = json.loads(path.read_text())
    assert "failed" not in found, found["failed"]
    return found


@pytest.mark.parametrize("case", ["good", "good in onednn", "lstm good"])
def test_a_right_export_accuses_nothing(answers: dict[str, Any], case: str) -> None:
    assert answers[case]["cause"] == "", answers[case]
    assert answers[case]["reason"]
    assert "gone" not in answers[case]["reason"]


def test_a_probe_sees_every_layer_as_it_was_before_others_worked_in_place(answers: dict[str, Any]) -> None:
    assert answers["good in onednn"]["unmatched"] == [], answers["good in onednn"]


@pytest.mark.parametrize("where", ["", " in onednn"])
@pytest.mark.parametrize("layer", ["conv1", "bn2", "fc2"])
def test_one_percent_in_the_weights_names_the_layer(answers: dict[str, Any], layer: str, where: str) -> None:
    answer = answers[f"{layer} x 1.01{where}"]
    assert (answer["kind"], answer["name"], answer["certain"]) == ("layer", layer, True), answer
    assert answer["cause"].startswith(f"the difference starts inside {layer} (")


def test_the_sentence_shows_what_agrees_and_what_does_not(answers: dict[str, Any]) -> None:
    assert answers["fc2 x 1.01"]["cause"].startswith("the difference starts inside fc2 (Linear): its input agrees to 0, its output")
    assert answers["fc2 x 1.01"]["cause"].endswith("; its weight differs from the model's.")


def test_one_part_in_ten_thousand_names_the_layer(answers: dict[str, Any]) -> None:
    assert answers["conv2 x 1.0001"]["name"] == "conv2", answers["conv2 x 1.0001"]


@pytest.mark.parametrize(
    ("case", "between"),
    [
        ("code behind conv1", "conv1 -> bn1"),
        ("code behind bn1", "bn1 -> relu"),
        ("code behind pool", "pool -> flat"),
        ("code behind fc2", "fc2 -> output"),
        ("gelu", "fc1 -> fc2"),
        ("gain", "bn2 -> relu"),
        ("code before the first layer", "input -> conv1"),
    ],
)
def test_code_between_layers_is_pinned_on_no_layer(answers: dict[str, Any], case: str, between: str) -> None:
    answer = answers[case]
    assert answer["kind"] in ("code", "operator"), answer
    assert answer["between"] == between, answer


def test_the_operator_between_the_layers_is_told(answers: dict[str, Any]) -> None:
    assert answers["gelu"]["cause"].endswith("all that the graph computes there is gelu."), answers["gelu"]


def test_a_probe_of_the_model_accuses_no_layer_of_code_that_only_the_export_has(answers: dict[str, Any]) -> None:
    answer = answers["code behind bn1 in onednn"]
    assert answer["cause"] == "", answer
    assert "the difference is gone where no layers are fused" in answer["reason"], answer


def test_a_recurrent_layer_is_one_layer(answers: dict[str, Any]) -> None:
    assert answers["lstm"]["name"] == "lstm", answers["lstm"]
    assert answers["lstm norm"]["name"] == "norm", answers["lstm norm"]


def test_a_layer_whose_output_nobody_uses_is_unmatched(answers: dict[str, Any]) -> None:
    assert answers["lstm good"]["unmatched"] == ["aside"], answers["lstm good"]


def test_an_overflow_is_named_on_both_sides(answers: dict[str, Any]) -> None:
    found = answers["inf"]
    assert found["training"].startswith("the first Inf of the training engine is made by the code before fc2 (Linear)"), found
    assert found["graph"].startswith("the first Inf of the exported graph is made by the operator "), found
    assert found["graph"].endswith(": an overflow."), found


def test_finite_values_beyond_fp16_are_named_for_fp16_only(answers: dict[str, Any]) -> None:
    training, graph, beyond = answers["large in fp16"]
    assert (training, graph) == (None, None)
    assert beyond.startswith("the code before fc2 (Linear) puts out values up to "), beyond
    assert beyond.endswith("; fp16 ends at 65504, so they become infinite."), beyond
    assert answers["large in fp32"] == answers["large in int8"] == [None, None, None]


def test_a_search_without_time_says_so(answers: dict[str, Any]) -> None:
    assert answers["no time"]["reason"] == "there was no time to compare layer by layer."
