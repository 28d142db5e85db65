"""--paddle-report over real engines: figures, a diagnosed failure and its files are in it, and links lead to them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from report_check import read_report
from sessions import run_shared

from pytest_paddle_infer.report.comparison import compare
from pytest_paddle_infer.report.saved import read


def test_a_report_of_real_engines_has_figures_a_cause_and_the_files(
    made_repo: Path, shared_directory: Path, tmp_path: Path, paddle_version: str
) -> None:
    repo = tmp_path / "repo"
    shutil.copytree(made_repo, repo, ignore=shutil.ignore_patterns("__pycache__"))
    session = run_shared(
        shared_directory, repo, "--paddle-model=tiny", "--paddle-exported=exports/one_layer_changed", "--paddle-variant=cpu",
        "--paddle-report=rep", "--paddle-output-dir=rep/files", "--paddle-artifacts=rep/kept",
    )  # fmt: skip
    assert session.returncode == 1, session.output
    found = read_report(repo / "rep")
    assert (found["verdict"], found["session"]["exit_status"]) == ("failed", 1)
    assert found["environment"]["paddle"] == paddle_version
    tests = {test["id"].partition("::")[2]: test for test in found["tests"]}
    assert {name: test["outcome"] for name, test in tests.items()} == {
        "test_artifacts": "failed",
        "test_parity[cpu]": "failed",
        "test_log[cpu]": "passed",
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
    (row,) = found["models"][0]["variants"]
    assert (row["p50_ms"], row["output_error_relative"]) == (log["figures"]["p50_ms"], parity["figures"]["output_error"])
    assert (repo / "rep" / log["files"]["log"]).is_file()
    assert (repo / "rep" / parity["files"]["evidence"] / "reproduce.py").is_file()
    page = (repo / "rep" / "report.html").read_text(encoding="utf-8")
    links = set(re.findall(r'href="\./([^"]+)"', page))
    assert {parity["files"]["outputs"], parity["files"]["evidence"], log["files"]["log"]} <= links
    assert [link for link in links if not (repo / "rep" / link).exists()] == []
