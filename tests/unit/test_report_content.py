"""report.json: its schema, its verdict, its numbers and its paths; and pytest's reports as results."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from report_check import SCHEMA, valid
from report_content import DIRECTORY, content, failed, passed, properties

from pytest_paddle_infer.diagnosis.finding import KINDS, STAGES
from pytest_paddle_infer.report.content import EXITS, SCHEMA_VERSION, shown_path, verdict
from pytest_paddle_infer.report.results import LONGEST, OUTCOMES, Phase, Result, joined, read_phase

# -- the content -------------------------------------------------------------------------------------------------------


def test_reports_obey_the_schema() -> None:
    valid(content())
    valid(content(passed(), failed("off.", ("output", "3 of 4: differ")), problems=[("test_user.py", "no module")], exit_status=1))
    valid(content(passed(), exit_status=-15))
    assert content()["schema_version"] == SCHEMA_VERSION


def test_the_schema_refuses_what_it_does_not_know() -> None:
    for broken in ({"verdict": "green"}, {"run": ""}, {"more": 1}, {"schema_version": "2.0"}):
        with pytest.raises(AssertionError):
            valid({**content(), **broken})


def test_the_schema_names_the_stages_and_kinds_of_the_diagnosis() -> None:
    text = SCHEMA.read_text(encoding="utf-8")
    described = text[text.index("Where the two sides part") : text.index("Its name.")]
    assert [word for word in (*STAGES, *KINDS) if word not in described] == []


@pytest.mark.parametrize(
    ("status", "counts", "expected"),
    [
        (0, {"passed": 2, "skipped": 1}, "passed"),
        (1, {"passed": 2}, "passed"),  # another test of the session failed
        (1, {"passed": 2, "failed": 1}, "failed"),
        (1, {"error": 1}, "failed"),
        (2, {"passed": 2}, "incomplete"),
        (2, {"failed": 1}, "failed"),
        (3, {}, "incomplete"),
        (4, {}, "incomplete"),
        (0, {"skipped": 3}, "nothing ran"),
        (5, {}, "nothing ran"),
    ],
)
def test_the_verdict_is_that_of_the_plugins_tests(status: int, counts: dict[str, int], expected: str) -> None:
    assert verdict(status, counts) == expected


def test_a_number_is_finite_or_null() -> None:
    (test,) = content(passed(resolution="nan", p50_ms="inf", memory_mb="1e999", batches="12", ratio="1.50"))["tests"]
    assert test["figures"] == {
        "output_error": 2.5e-07, "output_limit": 1e-05, "output_limits": 0.025, "ties": 0, "resolution": None, "p50_ms": None,
        "memory_mb": None, "batches": 12, "ratio": 1.5,
    }  # fmt: skip
    assert isinstance(test["figures"]["batches"], int)
    assert valid(content(passed(), seconds=float("inf")))["session"]["duration_s"] is None


def test_an_error_that_is_not_finite_is_null_and_told_in_words() -> None:
    made = content(passed(output_error="inf", output_limits="inf"), passed("test_parity[onednn]", variant="onednn"))
    valid(made)
    test, other = made["tests"]
    assert (test["figures"]["output_error"], test["figures"]["output_limits"], test["figures"]["output_limit"]) == (
        None,
        None,
        1e-05,
    )
    assert test["texts"]["output_error"] == "infinite"
    assert "output_error" not in other["texts"]


def test_a_hash_that_looks_like_a_number_stays_text() -> None:
    (test,) = content(passed(program="1234e567"))["tests"]
    assert test["texts"] == {"answers": "4/4", "program": "1234e567"}
    assert "program" not in test["figures"]


def test_tests_stand_as_they_were_collected() -> None:
    late, early = replace(passed(), place=3), replace(passed("test_parity[onednn]", variant="onednn"), place=1)
    assert [row["variant"] for row in content(late, early)["models"][0]["variants"]] == ["onednn", "cpu"]
    unknown = passed("test_parity[auto]", variant="auto")
    assert [test["variant"] for test in content(unknown, late)["tests"]] == ["cpu", "auto"]


def test_those_whose_place_is_not_known_stand_in_the_order_of_their_ids() -> None:
    one, two = passed(model="a"), passed(model="b")
    assert content(one, two) == content(two, one)
    assert [model["model"] for model in content(two, one)["models"]] == ["a", "b"]
    plain, raw = passed("test_parity[cpu]"), passed("test_parity[cpu-noopt]", variant="cpu-noopt")
    assert [row["variant"] for row in content(raw, plain)["models"][0]["variants"]] == ["cpu", "cpu-noopt"]


def test_a_fact_keeps_what_stands_behind_its_first_colon() -> None:
    (test,) = content(failed("off.", ("at", "net.py:12: x: y")))["tests"]
    assert test["failure"]["facts"] == [{"label": "at", "value": "net.py:12: x: y"}]


def test_the_cause_of_a_test_whose_checkpoints_hold_is_its_own() -> None:
    result = Result("t.py::t", "failed", 1.0, properties(output_error="1e-7"), summary="assert 1 == 2", file="t.py", line=3)
    (test,) = valid(content(result))["tests"]
    assert (test["passed"], test["failed"]) == (["parity"], [])
    assert (test["failure"]["cause"], test["failure"]["file"], test["failure"]["line"]) == ("assert 1 == 2", "t.py", 3)


def test_the_outputs_of_a_failed_parity_are_where_its_facts_say() -> None:
    (test,) = content(failed("off.", ("files", str(DIRECTORY / "out" / "net" / "cpu")), ("kept", "/kept/net-cpu")))["tests"]
    assert test["files"] == {"outputs": "out/net/cpu", "log": None, "evidence": "/kept/net-cpu"}


def test_details_notes_and_copies_are_those_of_the_result() -> None:
    details = {"parity": None, "latency": None, "layers": []}
    result = replace(passed(), details=details, notes=("gone",), outputs="files-0/net/cpu", log="files-0/net/cpu/x.log")
    (test,) = valid(content(result))["tests"]
    assert (test["details"], test["notes"]) == (details, ["gone"])
    assert test["files"] == {"outputs": "files-0/net/cpu", "log": "files-0/net/cpu/x.log", "evidence": None}
    assert content(passed())["tests"][0]["details"] is None


def test_a_benchmark_log_that_is_not_true_is_where_its_fact_says() -> None:
    (test,) = content(failed("off.", ("log", str(DIRECTORY / "x.log"))))["tests"]
    assert test["files"]["log"] == "x.log"


def test_the_check_of_the_tests_sees_details_that_contradict_the_figures() -> None:
    """`report_check.valid` looks at every report of the suite; here it is looked at itself."""
    answer = {"top": [{"class_id": 0, "score": 1.0}], "margin": None}
    sample: dict[str, Any] = {
        "index": 0, "name": "a.png", "input": "equal", "output": "output", "error_relative": 2.5e-07, "limit_relative": 1e-05,
        "limits": 0.025, "agreement": "agrees", "training": answer, "inference": answer,
        "answer_texts": None, "pictured": False,
    }  # fmt: skip
    bin = {
        "from_relative": 0.5, "to_relative": 1.0, "elements": 3, "median_error_relative": 1e-7, "largest_error_relative": 2.5e-07,
    }  # fmt: skip
    output = {
        "name": "output",
        "error_relative": 2.5e-07,
        "limit_relative": 1e-05,
        "noise_floor_relative": None,
        "magnitudes": [bin],
    }
    samples = [{**sample, "index": index} for index in range(4)]
    parity = {"outputs": [output], "samples_compared": 4, "samples": samples}
    times: dict[str, Any] = {name: [1.0, 2.0] for name in ("inference_ms", "training_ms", "preprocess_ms", "postprocess_ms")}
    latency = {"batch_size": 1, "batches": 2, **times}

    def check(parity: Any = parity, latency: Any = latency, layers: Any = None) -> None:
        details = {"parity": parity, "latency": latency, "layers": layers}
        valid(content(replace(passed(samples="4", batches="2", p50_ms="1.5"), details=details)))

    check()
    broken: list[dict[str, Any]] = [
        {"parity": {**parity, "samples_compared": 3}},
        {"parity": {**parity, "samples": samples[:3], "samples_compared": 3}},
        {"parity": {**parity, "samples": [*samples[:3], {**samples[3], "limits": 0.03}]}},
        {"parity": {**parity, "samples": [*samples[:3], {**samples[3], "limits": None}]}},
        {"parity": {**parity, "samples": [*samples[:3], {**samples[3], "agreement": "tie"}]}},
        {"parity": {**parity, "outputs": [{**output, "error_relative": 3e-7}]}},
        {"parity": {**parity, "outputs": [{**output, "magnitudes": [{**bin, "largest_error_relative": 2e-7}]}]}},
        {"parity": {**parity, "outputs": [{**output, "magnitudes": [bin, bin]}]}},
        {"latency": {**latency, "batches": 3}},
        {"latency": {**latency, "inference_ms": [1.0]}},
        {"latency": {**latency, "inference_ms": [3.0, 4.0]}},
        {"layers": [{"name": "a", "kind": "b", "input_relative": None, "output_relative": None, "state": "agrees"}]},
        {"layers": [{"name": "a", "kind": "b", "input_relative": None, "output_relative": None, "state": "fused"}]},
    ]
    for each in broken:
        with pytest.raises(AssertionError):
            check(**each)


def test_evidence_that_was_not_kept_is_no_path() -> None:
    (test,) = content(failed("off.", ("kept", "nothing: the disk is full.")))["tests"]
    assert test["files"]["evidence"] is None
    assert test["failure"]["facts"][0]["value"] == "nothing: the disk is full."


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (str(DIRECTORY / "out" / "net"), "out/net"),
        (str(DIRECTORY / "out" / ".." / "other"), "other"),
        (str(DIRECTORY / ".." / "out"), "/reports/out"),
        ("/reports/today-too/x", "/reports/today-too/x"),
        (str(DIRECTORY), "."),
        (None, None),
    ],
)
def test_a_path_is_relative_where_it_lies_below_the_report(path: str | None, shown: str | None) -> None:
    assert shown_path(path, DIRECTORY) == shown


def test_every_exit_status_of_pytest_has_its_words() -> None:
    assert len(EXITS) >= len(pytest.ExitCode)
    assert (EXITS[pytest.ExitCode.USAGE_ERROR], EXITS[pytest.ExitCode.INTERRUPTED]) == ("usage error", "interrupted")


# -- pytest's reports --------------------------------------------------------------------------------------------------


def phase(when: str, outcome: str, **more: Any) -> Phase:
    return Phase(when, outcome, 0.5, True, **more)


@pytest.mark.parametrize(
    ("phases", "outcome"),
    [
        ([phase("setup", "passed"), phase("call", "passed"), phase("teardown", "passed")], "passed"),
        ([phase("setup", "passed"), phase("call", "failed", summary="why"), phase("teardown", "failed", summary="no")], "failed"),
        ([phase("setup", "failed", summary="why"), phase("teardown", "passed")], "error"),
        ([phase("setup", "passed"), phase("call", "passed"), phase("teardown", "failed", summary="why")], "error"),
        ([phase("setup", "skipped", summary="why"), phase("teardown", "passed")], "skipped"),
        ([phase("setup", "skipped", summary="why", expected=True)], "xfailed"),
        ([phase("setup", "passed"), phase("call", "skipped", summary="why", expected=True)], "xfailed"),
        ([phase("setup", "passed"), phase("call", "passed", summary="why", expected=True)], "xpassed"),
        ([phase("???", "failed", summary="why")], "error"),
    ],
)
def test_phases_make_one_outcome(phases: list[Phase], outcome: str) -> None:
    result = joined("id", phases)
    assert result.outcome == outcome
    assert outcome in OUTCOMES
    assert result.summary == ("" if outcome == "passed" else "why")
    assert result.seconds == 0.5 * len(phases)


def test_figures_of_an_expected_failure_are_not_compared_and_those_of_a_missing_variant_are() -> None:
    told = properties(unavailable="no GPU")
    assert not joined("id", [phase("call", "skipped", expected=True, properties=properties())]).compared
    assert joined("id", [phase("setup", "skipped", properties=told)]).compared
    assert not joined("id", [phase("setup", "skipped")]).compared


def report(text: str, **more: Any) -> Any:
    given = {"nodeid": "paddle-model/net::test_log[cpu]", "when": "call", "outcome": "failed", "keywords": {}, "longrepr": text}
    return SimpleNamespace(**{**given, "longreprtext": text, "location": ("paddle-model/net", None, "net: log"), **more})


def test_a_long_text_is_cut_and_says_so() -> None:
    text = read_phase(report("why\n" + "x" * LONGEST)).text
    assert text.endswith("\n[cut: 4 more characters]")
    assert len(text) == LONGEST + len("\n[cut: 4 more characters]")


def test_the_line_about_the_process_of_xdist_is_left_out() -> None:
    found = read_phase(report("[gw1] linux -- Python\nFailed: why\nmore", node=object()))
    assert (found.summary, found.text) == ("why", "Failed: why\nmore")


def test_a_death_of_a_worker_is_known_by_its_id() -> None:
    found = read_phase(report("worker 'gw0' crashed", when="???"))
    assert (found.ours, found.summary) == (True, "worker 'gw0' crashed")
    assert not read_phase(report("x", nodeid="test_user.py::test_x")).ours


@pytest.mark.parametrize(
    ("model", "name", "variant"),
    [
        ("net", "test_parity[onednn]", "onednn"),
        ("/a/file.py:make", "test_log[cpu:threads=4]", "cpu:threads=4"),
        ("net", "test_artifacts", None),
    ],
)
def test_what_died_with_its_worker_is_known_by_its_id_too(model: str, name: str, variant: str | None) -> None:
    said, nodeid = "worker 'gw0' crashed", f"paddle-model/{model}::{name}"
    setup = phase("setup", "passed", properties=properties(model, variant or ""))
    died = joined(nodeid, [setup, read_phase(report(said, nodeid=nodeid, when="???"))])
    found = valid(content(died, replace(passed(model=model), id=f"paddle-model/{model}::test_parity[cpu]"), exit_status=1))
    test = next(each for each in found["tests"] if each["id"] == nodeid)
    checkpoint = name[len("test_") :].partition("[")[0]
    assert (test["model"], test["variant"], test["outcome"], test["failed"]) == (model, variant, "error", [checkpoint])
    assert test["failure"]["cause"] == said
    told = {
        row["variant"]: [(each["checkpoint"], each["cause"]) for each in row["failed"]] for row in found["models"][0]["variants"]
    }
    assert told[variant or "cpu"] == [(checkpoint, said)]


def test_a_death_of_a_test_with_a_file_is_a_row_of_no_model() -> None:
    told = {"keywords": {"paddle_infer_parity": 1}, "nodeid": "test_user.py::test_x[net-cpu]", "when": "???"}
    died = joined("test_user.py::test_x[net-cpu]", [read_phase(report("worker 'gw0' crashed", **told))])
    assert (died.outcome, died.properties, died.compared) == ("error", (), False)
