"""--paddle-report over real engines: figures, a diagnosed failure and its files are in it, and links lead to them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from report_check import read_report
from sessions import run_shared

from pytest_paddle_infer.report.comparison import compare
from pytest_paddle_infer.report.saved import read

GOOD = """
import pytest


@pytest.fixture
def exported_model():
    return "exports/good"


@pytest.mark.paddle_infer_parity(model="tiny", checkpoints=["parity", "log"], batch_size=3)
def test_good(): ...
"""


def test_a_report_of_real_engines_has_figures_a_cause_and_the_files(
    made_repo: Path, shared_directory: Path, tmp_path: Path, paddle_version: str
) -> None:
    repo = tmp_path / "repo"
    shutil.copytree(made_repo, repo, ignore=shutil.ignore_patterns("__pycache__"))
    (repo / "test_good.py").write_text(GOOD)
    session = run_shared(
        shared_directory, repo, "test_good.py", "--paddle-model=tiny", "--paddle-exported=exports/one_layer_changed",
        "--paddle-variant=cpu", "--paddle-softmax=no", "--paddle-report=rep", "--paddle-artifacts=rep/kept", "-n2",
    )  # fmt: skip
    assert session.returncode == 1, session.output
    found = read_report(repo / "rep")
    assert (found["verdict"], found["session"]["exit_status"]) == ("failed", 1)
    assert found["environment"]["paddle"] == paddle_version
    assert found["session"]["processes"] == 2
    tests = {test["id"].partition("::")[2]: test for test in found["tests"]}
    assert {name: test["outcome"] for name, test in tests.items()} == {
        "test_artifacts": "failed",
        "test_parity[cpu]": "failed",
        "test_log[cpu]": "passed",
        "test_good[tiny-cpu]": "passed",
    }
    parity, log = tests["test_parity[cpu]"], tests["test_log[cpu]"]
    assert parity["failure"]["cause"] == session["test_parity[cpu]"].cause
    assert (parity["failure"]["stage"], parity["failure"]["kind"]) == ("artifacts", "parameters")
    assert parity["figures"]["output_limits"] > 1
    assert log["figures"]["p50_ms"] > 0
    assert (log["figures"]["threads"], len(log["texts"]["training_program"])) == (1, 16)
    compared = compare(read(repo / "rep"), read(repo / "rep"))
    assert (compared.worse, compared.same_machine, compared.differences, compared.tests) == (False, True, (), ())
    assert {each.times and each.times.outcome for each in compared.variants} == {"not judged"}, (
        "too few batches of the training engine"
    )
    row = next(row for row in found["models"][0]["variants"] if row["variant"] == "cpu")
    assert (row["p50_ms"], row["output_error_relative"]) == (log["figures"]["p50_ms"], parity["figures"]["output_error"])
    assert (repo / "rep" / log["files"]["log"]).is_file()
    assert (repo / "rep" / parity["files"]["outputs"] / "output_inference_engine.npy").is_file()
    assert (repo / "rep" / parity["files"]["evidence"] / "reproduce.py").is_file()
    page = (repo / "rep" / "report.html").read_text(encoding="utf-8")
    links = set(re.findall(r'href="\./([^"]+)"', page))
    assert {parity["files"]["outputs"], parity["files"]["evidence"], log["files"]["log"]} <= links
    assert [link for link in links if not (repo / "rep" / link).exists()] == []
    _check_details(tests["test_good[tiny-cpu]"], parity)


def _check_details(good: Any, bad: Any) -> None:
    """report_check holds the figures of the details against those of the tests; here is what real engines must have told."""
    parity, latency = good["details"]["parity"], good["details"]["latency"]
    assert (parity["samples_compared"], good["details"]["layers"], latency["batch_size"]) == (4, None, 3)
    assert {(sample["input"], sample["agreement"], sample["pictured"]) for sample in parity["samples"]} == {
        ("equal", "agrees", True)
    }
    assert [sample["training"]["top"][0]["class_id"] for sample in parity["samples"]] == [
        sample["inference"]["top"][0]["class_id"] for sample in parity["samples"]
    ]
    assert sum(each["elements"] for each in parity["outputs"][0]["magnitudes"]) == 4 * 5
    assert len(latency["inference_ms"]) == latency["batches"]
    layers = {layer["name"]: layer["state"] for layer in bad["details"]["layers"]}
    assert layers == {**dict.fromkeys(["conv1", "bn1", "conv2", "bn2", "pool", "drop"], "agrees"), "fc": "differs"}
    assert {sample["agreement"] for sample in bad["details"]["parity"]["samples"]} == {"differs"}
    assert all(sample["limits"] > 1 and sample["pictured"] for sample in bad["details"]["parity"]["samples"])
