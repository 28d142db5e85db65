"""Sentences of the engine that a user seldom meets: one script with real Paddle makes each, every test reads one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from sessions import environment

PLACE = Path(__file__).parent / "sentences"

SAID = {
    "no samples": "ModelError: there are no samples to run the model on.",
    "forward raises": r"ModelError: net: its forward raised ValueError at .*say\.py:\d+: no message \(inputs: float32\[None, 3, 8, 8\]\)",
    "factory raises": r"ModelError: net: its factory refuse\(\) raised RuntimeError: no message",
    "factory of no layer": r"ModelError: net: its factory returned dict, not a paddle\.nn\.Layer\.",
    "too many inputs": r"ModelError: net: input_spec has 2 inputs, forward takes 1: x\.",
    "softmax of many inputs": "ModelError: softmax can be appended to models of up to 4 inputs, this one has 9; add it in the model.",
    "no weights": r"ModelError: net: there is no weights file .*none\.pdparams\.",
    "unreadable weights": r"ModelError: net: text\.pdparams cannot be read as \.pdparams \(.*\); give the file that paddle\.save\(layer\.",
    "no state_dict": r"ModelError: net: no-state_dict\.pdparams holds list, not a state_dict\.",
    "other keys": r"ModelError: net: other-keys\.pdparams does not fit the model: 1 missing key \(fc\.bias\); 1 unknown key \(fc\.other",
    "other shape": r"does not fit the model: 1 wrong shape \(fc\.bias \[7\] instead of \[5\]\)\.",
    "other dtype": r"does not fit the model: 1 key of float64 instead of float32 \(fc\.bias\)\.",
    "a prefix": r"8 unknown keys .* Every key has the prefix 'model\.'\.",
    "no key": r"3 unknown keys \(a, b, c\)\. No key fits: they are the weights of another model, or their keys carry another prefix\.",
    "nested": r" The state_dict is nested under 'state'\.",
    "train mode": r"PreflightError: the training engine is not in eval mode: drop has training=True after layer\.eval\(\)\.",
    "train mode below softmax": r"not in eval mode: drop has training=True after layer\.eval\(\)\.",
    "train mode itself": "PreflightError: the training engine is not in eval mode: the model has training=True",
    "train mode within": r"not in eval mode: drop has training=True while forward runs: forward calls train\(\)\.",
    "train mode from forward": r"not in eval mode: drop has training=True while forward runs: forward calls train\(\)\.",
    "restless": r"PreflightError: the training engine answers the same input differently when asked twice \(output 0, by up to [\d.]+\): ",
    "one ulp": "^one ulp$",
    "half an export": r"ExportError: paddle\.jit\.save wrote an export that is not whole: inference\.json is empty \(0 bytes\)\.",
    "another export": r"ExportError: paddle\.jit\.save wrote other parameters than the model's: 1 of 8 parameters differ\.",
    "no layers": "the network calls no layer that could be looked at.",
    "other layers": "exported, the network calls other layers than in training.",
    "no time": "there was no time to run the probe network.",
    "too few": "the outputs of the probe network cannot be told apart.",
    "foreign export": " The export's parameters do not fit the model; its own were used.",
    "static": r"PaddleInferError: Paddle is in static mode: an earlier test or the model's module called paddle\.enable_static\(\)",
}
PLANTED = [
    "channels in reverse order", "HWC read as CHW", "division by 255 left out", "softmax left out", "softmax applied twice",
    "answers of another sample", "one element off by 1e-3", "weights of fc x (1 + 0.001)", "weights of fc x (1 + 1e-05)",
    "batch-norm statistics stale", "dropout left on", "weights of the layer x (1 + 0.001)",
]  # fmt: skip


@pytest.fixture(scope="session")
def said(shared_directory: Path) -> dict[str, str]:
    """Fault -> sentence, from one run for all tests and xdist workers."""
    path = shared_directory / "sentences.json"
    with FileLock(shared_directory / "sentences.lock"):
        if not path.is_file():
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "say.py", str(shared_directory)], cwd=PLACE,
                env=environment(shared_directory / "none", "-"), capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
            path.write_text(done.stdout.partition("SAID")[2] or json.dumps({"failed": done.stdout + done.stderr}))
    found: dict[str, str] = json.loads(path.read_text())
    assert "failed" not in found, found["failed"]
    return found


@pytest.mark.parametrize("fault", SAID)
def test_the_engine_says(said: dict[str, str], fault: str) -> None:
    assert re.search(SAID[fault], said[fault]), said[fault]
    assert "\n" not in said[fault]


def test_every_fault_that_a_model_can_have_is_planted(said: dict[str, str]) -> None:
    assert [fault for fault in PLANTED if fault not in said["planted"].split("; ")] == [], said["planted"]


def test_every_sentence_is_read(said: dict[str, str]) -> None:
    assert set(said) == {*SAID, "planted"}
