"""report/terminal.py and report/figures.py: from figures on reports to the lines of the summary."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_paddle_infer.failures import Failure
from pytest_paddle_infer.report import cells
from pytest_paddle_infer.report.figures import PREFIX, Figures
from pytest_paddle_infer.report.terminal import COLUMNS, summary_lines


def report(model: str, variant: str = "", /, **facts: Any) -> list[tuple[str, str]]:
    named = {"model": model, **({"variant": variant} if variant else {}), **facts}
    return [(PREFIX + name, str(value)) for name, value in named.items()]


ARTIFACTS = {"artifact_bytes": 244_400_000, "weights": "alexnet.pdparams"}
PARITY = {"output_error": "2.5e-07", "output_limit": "1e-05", "answers": "4/4", "ties": 0, "directory": "/out/alexnet/cpu"}
LOG = {"preprocess_ms": 1.5, "inference_ms": 10, "postprocess_ms": 0.25, "ratio": "2.00"}


def row(lines: list[str], number: int = 1) -> dict[str, str]:
    """The cells of one row by their column."""
    starts = [lines[0].index(name) for name in COLUMNS]
    ends = [*starts[1:], None]
    return {name: lines[number][start:end].strip() for name, start, end in zip(COLUMNS, starts, ends)}


def test_the_three_checkpoints_of_a_variant_become_one_row() -> None:
    lines = summary_lines([report("alexnet", **ARTIFACTS), report("alexnet", "cpu", **PARITY), report("alexnet", "cpu", **LOG)])
    assert row(lines).items() >= {
        "model": "alexnet", "variant": "cpu", "artifacts": "ok", "parity": "ok", "log": "ok", "size": "244.4 MB",
        "worst / limit": "2.5e-07 / 1e-05", "answers": "4/4", "mean pre / run / post ms": "1.5 / 10 / 0.25", "x training": "2.00",
    }.items()  # fmt: skip
    assert lines[2:] == ["outputs and logs: /out"]


def test_of_two_tests_that_time_one_variant_the_row_shows_the_one_that_the_comparison_does() -> None:
    slow, fast = ({**LOG, "batches": 12, "p50_ms": p50, "inference_ms": p50 + 1} for p50 in (20, 10))
    for order in ((slow, fast), (fast, slow)):
        lines = summary_lines([report("a", "cpu", **PARITY), *(report("a", "cpu", **each) for each in order)])
        assert row(lines)["mean pre / run / post ms"] == "1.5 / 11 / 0.25"
    more = {**slow, "batches": 100}
    lines = summary_lines([report("a", "cpu", **each) for each in (more, fast)])
    assert row(lines)["mean pre / run / post ms"] == "1.5 / 21 / 0.25", "more batches tell more"


def test_the_order_in_which_workers_report_does_not_matter() -> None:
    reports = [report("a", **ARTIFACTS), report("a", "cpu", **PARITY), report("a", "cpu", **LOG), report("a", "onednn", **LOG)]
    assert sorted(summary_lines(reports)) == sorted(summary_lines(reports[::-1]))


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    lines = summary_lines([report("a", "cpu", **PARITY), report("a_model_with_a_long_name", "onednn", **PARITY)])
    assert {line.index("ok") for line in lines[1:3]} == {lines[0].index("parity")}
    assert all(line == line.rstrip() for line in lines)


def test_a_failed_checkpoint_says_so_and_shows_what_was_measured() -> None:
    lines = summary_lines([report("a", "cpu", failed="parity", **PARITY), report("a", "cpu", **LOG)])
    assert (row(lines)["parity"], row(lines)["log"], row(lines)["answers"]) == ("FAILED", "ok", "4/4")


@pytest.mark.parametrize(
    ("error", "limit", "shown"),
    [
        ("inf", "1e-05", "infinite / 1e-05"), ("nan", "1e-05", "-"), ("1e-07", "1e-05", "1e-07 / 1e-05"), ("inf", "0", "not equal"),
        ("0", "0", "equal"), ("1e-07", "0", "1e-07 / 0"),
    ],
)  # fmt: skip
def test_an_error_that_is_no_number_is_told_in_words(error: str, limit: str, shown: str) -> None:
    lines = summary_lines([report("net", "cpu", output_error=error, output_limit=limit, failed="parity")])
    assert row(lines)["worst / limit"] == shown


def test_answers_that_none_could_be_compared_of_are_a_dash() -> None:
    assert (
        row(summary_lines([report("a", "cpu", failed="parity", **{**PARITY, "answers": "0/0"})]))["answers"] == "- (none compared)"
    )


def test_failed_artifacts_count_for_every_variant_and_for_a_model_without_any() -> None:
    both = [
        report("a", failed="artifacts"),
        report("a", "cpu", **LOG),
        report("a", "onednn", **LOG),
        report("b", failed="artifacts"),
    ]
    lines = summary_lines(both)
    assert [row(lines, number)["artifacts"] for number in (1, 2, 3)] == ["FAILED"] * 3
    assert row(lines, 3)["variant"] == "-"


def test_a_rerun_that_passes_does_not_hide_a_failure() -> None:
    lines = summary_lines([report("a", "cpu", failed="parity"), report("a", "cpu", **PARITY)])
    assert row(lines)["parity"] == "FAILED"
    lines = summary_lines([report("a", "cpu", **PARITY), report("a", "cpu", failed="parity")])
    assert row(lines)["parity"] == "FAILED"


def test_ties_are_shown_beside_the_answers() -> None:
    assert row(summary_lines([report("a", "cpu", **{**PARITY, "answers": "3/4", "ties": 1})]))["answers"] == "3/4 (1 tie)"


def test_a_net_without_answers_or_figures_has_dashes() -> None:
    only = {name: value for name, value in PARITY.items() if name not in ("answers", "ties")}
    assert row(summary_lines([report("a", "cpu", **only)]))["answers"] == "-"
    assert set(row(summary_lines([report("a", "cpu")])).values()) == {"a", "cpu", "-"}


def test_random_weights_are_told_and_others_are_not() -> None:
    lines = summary_lines([report("a", weights="random weights, seed 0"), report("b", **ARTIFACTS)])
    told = [line for line in lines if "random weights, seed 0" in line]
    assert len(told) == 1
    assert "a" in told[0].replace("random weights, seed 0", "")
    assert not any("pdparams" in line for line in lines)


def test_notes_are_told_once() -> None:
    lines = summary_lines([report("a", variant, note="the kept export was damaged") for variant in ("cpu", "onednn")])
    assert lines.count("a: the kept export was damaged") == 1
    lines = summary_lines([report(model, note="the engine is another Paddle") for model in "abca"])
    assert [line for line in lines if "another Paddle" in line] == ["a, b, c: the engine is another Paddle"]


def test_a_report_tells_a_note_once_with_its_models() -> None:
    tests = [{"model": model, "notes": ["another Paddle"], "teeth": []} for model in ("a", "b", "", "a")]
    assert cells.notes(tests) == ["a, b: another Paddle"]
    assert cells.notes(tests[2:3]) == ["another Paddle"]


def test_outputs_of_several_models_are_told_by_their_common_directory() -> None:
    one, two = {**PARITY, "directory": "/out/here/a/cpu"}, {**PARITY, "directory": "/out/here/b/onednn"}
    assert summary_lines([report("a", "cpu", **one), report("b", "onednn", **two)])[-1] == "outputs and logs: /out/here"


def test_a_run_in_which_nothing_holds_says_with_which_weights_and_where_its_files_are() -> None:
    properties: list[tuple[str, object]] = []
    facts = (("weights", "random weights, seed 0"), ("output", "3 of 4"), ("files", "/out/a/cpu"))
    Figures(properties, "a", "cpu").failed("parity", Failure("off.", facts))
    lines = summary_lines([[(name, str(value)) for name, value in properties]])
    assert lines[2:] == ["random weights, seed 0: a", "outputs and logs: /out"]


def test_a_failure_that_left_no_files_names_no_place() -> None:
    properties: list[tuple[str, object]] = []
    Figures(properties, "a", "cpu").failed("parity", Failure("off.", (("files", "none: the disk is full"),)))
    assert not any(name == PREFIX + "directory" for name, _ in properties)


def test_a_log_that_is_not_true_is_found_by_its_failure() -> None:
    properties: list[tuple[str, object]] = []
    Figures(properties, "a", "cpu").failed("log", Failure("not true.", (("log", "/out/a/cpu/x.log"),)))
    assert (PREFIX + "log_file", "/out/a/cpu/x.log") in properties


def test_small_exports_are_told_in_kilobytes() -> None:
    assert row(summary_lines([report("a", artifact_bytes=3200)]))["size"] == "3.2 kB"


def test_reports_of_other_plugins_are_passed_over() -> None:
    assert summary_lines([[("other", "1")], [(PREFIX + "variant", "cpu")], []])[1:] == []


def test_figures_are_short_texts_and_the_same_figure_is_written_once() -> None:
    properties: list[tuple[str, object]] = [("users", 1)]
    for variant in ("", "cpu"):
        Figures(properties, "alexnet", variant)
    Figures(properties, "alexnet", "cpu").failed("parity", Failure("", figures=(("output_error", "0.5"),)))
    assert properties == [
        ("users", 1),
        ("paddle_infer.model", "alexnet"),
        ("paddle_infer.variant", "cpu"),
        ("paddle_infer.failed", "parity"),
        ("paddle_infer.output_error", "0.5"),
    ]


def test_a_variant_that_is_not_available_has_no_row() -> None:
    missing = report("a", "tensorrt", unavailable="no library")
    assert [line.split()[1] for line in summary_lines([report("a", "cpu", **PARITY), missing])[1:-1]] == ["cpu"]
    assert summary_lines([missing]) == []


def test_artifacts_that_held_before_a_variant_was_missing_are_the_models() -> None:
    lines = summary_lines([report("a", "tensorrt", unavailable="no library", **ARTIFACTS), report("a", "cpu", **LOG)])
    assert len(lines) == 2
    assert (row(lines)["variant"], row(lines)["artifacts"], row(lines)["size"]) == ("cpu", "ok", "244.4 MB")


def test_a_log_alone_says_where_it_is_too() -> None:
    assert summary_lines([report("a", "cpu", log_file="/out/a/cpu/x.log", **LOG)])[-1] == "outputs and logs: /out"
