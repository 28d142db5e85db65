"""The comparison of the variants: what is printed below the summary, and matrix.json."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Callable

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Session

MODEL = "--paddle-model=alexnet"
BOTH = ("--paddle-variant=cpu", "--paddle-variant=onednn")
OUTPUT = "--paddle-output-dir=out"

MISSING = """
import pytest

def missing(record_property, variant):
    for name, value in {"model": "alexnet", "variant": variant, "unavailable": "this Paddle has no TensorRT"}.items():
        record_property(f"paddle_infer.{name}", value)
    pytest.skip("this Paddle has no TensorRT")
"""

IN_CALL = f"{MISSING}\ndef test_user(record_property): missing(record_property, 'tensorrt')\n"
IN_SETUP = f"""{MISSING}
@pytest.fixture
def engine(record_property): missing(record_property, 'tensorrt')

def test_user(engine): pass
"""


def below(result: pytest.RunResult) -> list[str]:
    """What is printed between the summary's last line and the end."""
    lines = result.outlines
    start = next(index for index, line in enumerate(lines) if line.startswith("outputs and logs: "))
    stop = next(index for index in range(start, len(lines)) if lines[index].startswith("="))
    return lines[start + 1 : stop]


def content(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_variants_are_compared_below_the_summary(run: Session) -> None:
    assert below(run(MODEL, *BOTH)) == [
        "",
        "alexnet: 50 timed batches of 1 sample",
        "  variant    worst / limit  answers  p50 ms  spread ms  p99 ms  samples/s  x training  x cpu  first ms  load s   MB",
        "* cpu      2.5e-07 / 1e-05      4/4   10.00       0.40   12.50        100        2.00   1.00      31.0    0.25  512",
        "* onednn   2.5e-07 / 1e-05      4/4    5.00       0.20    6.25        200        4.00   2.00      62.0    0.50  640",
        "fastest that passed: onednn, 2.00 x cpu",
        "* Pareto-best: no other that passed is as good in error, p50 and memory, and better in one of them",
        "  counted as equal: errors within a factor of 2 or the training engine's rounding, p50 within noise, "
        "memory within 12 MB or 2 %",
    ]


def test_one_variant_is_compared_with_nothing(run: Session) -> None:
    assert below(run(MODEL)) == []


def test_a_failed_variant_is_marked_and_none_is_best_when_the_artifacts_fail(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/parity/onednn")
    shown = below(run(MODEL, *BOTH))
    assert [line[:8] for line in shown[3:5]] == ["* cpu   ", "! onednn"]
    plant("alexnet/artifacts")
    shown = below(run(MODEL, *BOTH))
    assert [line[0] for line in shown[3:5]] == ["!", "!"]
    assert not any("Pareto" in line for line in shown)


def test_a_performance_regression_shows_its_times_and_is_not_compared(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/slow/onednn")
    result = run(MODEL, *BOTH, "--paddle-report=report")
    (row,) = (line.split() for line in result.outlines if line.startswith("alexnet  onednn"))
    assert [row[4], *row[-6:]] == ["FAILED", "1.5", "/", "10", "/", "0.25", "4.00"]
    shown = below(result)
    assert shown[3].split()[:2] == ["*", "cpu"]
    assert [*shown[4].split()[:2], *shown[4].split()[6:9]] == ["!", "onednn", "5.00", "0.20", "6.25"]
    assert "fastest that passed: cpu, 2.00 x training" in shown
    (model,) = content(run.path / "report" / "report.json")["models"]
    assert [(each["variant"], each["p50_ms"]) for each in model["variants"]] == [("cpu", 10), ("onednn", 5)]
    summary = (run.path / "report" / "summary.md").read_text(encoding="utf-8")
    (line,) = (line for line in summary.splitlines() if line.startswith("| onednn"))
    assert "FAILED" in line, line
    assert "| 5 | 0.2 | 6.25 |" in line, line


def test_the_file_is_in_the_directory_of_the_outputs(run: Session) -> None:
    result = run(MODEL, "--paddle-model=vgg16", *BOTH, OUTPUT)
    path = run.path / "out" / "matrix.json"
    assert below(result)[-1] == f"the same as JSON: {path}"
    found = content(path)
    assert [model["model"] for model in found["models"]] == ["alexnet", "vgg16"]
    assert [row["variant"] for row in found["models"][0]["variants"]] == ["cpu", "onednn"]
    assert (found["models"][0]["variants"][1]["p50_ms"], found["models"][0]["variants"][1]["speedup_over_cpu"]) == (5, 2)
    assert os.listdir(run.path / "out") == ["matrix.json"]


def test_without_the_option_the_file_is_where_the_checkpoints_left_theirs(run: Session, tmp_path: Path) -> None:
    run.write(
        "test_user.py",
        "def test_user(record_property):\n"
        "    for name, value in {'model': 'net', 'variant': 'cpu', 'output_error': '1e-6', 'directory': "
        f"{str(tmp_path / 'net' / 'cpu')!r}" + "}.items():\n"
        "        record_property(f'paddle_infer.{name}', value)\n",
    )
    result = run()
    assert f"outputs and logs: {tmp_path}" in result.outlines
    assert content(tmp_path / "matrix.json")["models"][0]["variants"][0]["output_error_relative"] == 1e-6


def test_a_single_variant_has_a_file_too(run: Session) -> None:
    assert below(run(MODEL, OUTPUT)) == []
    assert len(content(run.path / "out" / "matrix.json")["models"][0]["variants"]) == 1


def test_failures_are_in_the_file(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/parity/cpu")
    run(MODEL, OUTPUT)
    (row,) = content(run.path / "out" / "matrix.json")["models"][0]["variants"]
    assert row["failed"] == [{"checkpoint": "parity", "cause": "alexnet, cpu: the parity is planted to fail."}]
    assert row["passed"] == ["artifacts", "log"]


def test_the_last_session_into_a_directory_wins_whole(run: Session) -> None:
    run(MODEL, *BOTH, OUTPUT)
    run("--paddle-model=vgg16", OUTPUT)
    assert [model["model"] for model in content(run.path / "out" / "matrix.json")["models"]] == ["vgg16"]


def test_a_session_in_which_no_checkpoint_ran_leaves_the_file_alone(run: Session) -> None:
    run.write("test_user.py", IN_CALL)
    run.write("test_other.py", "def test_other(): pass\n")
    run("-k", "other", MODEL, OUTPUT).assert_outcomes(passed=1, deselected=4)
    run("--collect-only", MODEL, OUTPUT)
    run("test_user.py", OUTPUT).assert_outcomes(skipped=1)
    assert not (run.path / "out").exists()


@pytest.mark.parametrize("option", ["output-dir", "artifacts", "export-dir", "report"])
def test_a_directory_that_cannot_be_made_is_told_before_any_test(run: Session, option: str) -> None:
    run.write("out", "a file is in the way")
    result = run(MODEL, f"--paddle-{option}=out/below")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = f"ERROR: --paddle-{option}: {run.path / 'out'} is not a directory; give a directory that can be written."
    assert said in result.errlines


def test_a_file_that_cannot_be_written_costs_a_line_and_no_test(run: Session) -> None:
    (run.path / "out" / "matrix.json").mkdir(parents=True)
    result = run(MODEL, OUTPUT)
    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.OK
    (line,) = below(result)
    assert line.startswith("matrix.json was not written: ")


@pytest.mark.parametrize("test", [IN_CALL, IN_SETUP], ids=["call", "setup"])
def test_a_variant_that_is_not_available_is_told_with_the_reason(run: Session, test: str) -> None:
    run.write("test_user.py", test)
    result = run(MODEL, OUTPUT, "test_user.py", "paddle-model/alexnet")
    result.assert_outcomes(passed=3, skipped=1)
    assert "tensorrt: not available: this Paddle has no TensorRT" in below(result)
    assert "* cpu    " in [line[:9] for line in below(result)]
    found = content(run.path / "out" / "matrix.json")["models"][0]["variants"]
    assert {row["variant"]: row["unavailable"] for row in found} == {"tensorrt": "this Paddle has no TensorRT", "cpu": None}


def test_a_session_of_skipped_variants_only_says_why(run: Session) -> None:
    run.write("test_user.py", IN_CALL)
    lines = run().outlines
    start = next(index for index, line in enumerate(lines) if line.strip("= ") == "paddle inference")
    assert lines[start + 1] == "tensorrt: not available: this Paddle has no TensorRT"
    assert lines[start + 2].startswith("=")


def test_a_test_skipped_for_another_reason_is_nothing_of_ours(run: Session) -> None:
    run.write(
        "test_user.py", "import pytest\ndef test_user(record_property):\n    record_property('x', 1)\n    pytest.skip('no')\n"
    )
    assert "paddle inference" not in run().stdout.str()


def test_a_test_that_runs_two_variants_by_hand_mixes_no_figures(run: Session) -> None:
    run.write(
        "test_user.py",
        "def test_user(paddle_checkpoints, paddle_model):\n"
        "    for variant in ('cpu', 'onednn'): paddle_checkpoints.log(paddle_model, variant)\n",
    )
    run(MODEL, OUTPUT).assert_outcomes(passed=4)
    (row,) = content(run.path / "out" / "matrix.json")["models"][0]["variants"]
    assert (row["variant"], row["p50_ms"]) == ("cpu", 10)


def test_two_workers_give_the_table_and_the_file_of_one_process(run: Session) -> None:
    pytest.importorskip("xdist")
    run.write("test_user.py", IN_CALL)
    args = (MODEL, "--paddle-model=vgg16", *BOTH, "test_user.py", "paddle-model/alexnet", "paddle-model/vgg16")
    alone = run.apart(*args, "--paddle-output-dir=alone")
    spread = run.apart(*args, "--paddle-output-dir=spread", "-n2")
    for each in (alone, spread):
        each.assert_outcomes(passed=10, skipped=1)
    assert sorted(below(spread)[:-1]) == sorted(below(alone)[:-1])
    assert ordered(content(run.path / "spread" / "matrix.json")) == ordered(content(run.path / "alone" / "matrix.json"))
    assert os.listdir(run.path / "spread") == ["matrix.json"]


def ordered(found: Any) -> Any:
    """Workers report in any order."""
    for model in found["models"]:
        model["variants"].sort(key=lambda row: row["variant"])
    return sorted(found["models"], key=lambda model: model["model"])
