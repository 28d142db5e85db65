"""--paddle-report: what a run leaves in the directory, whose files it replaces, and what GitHub is told."""

from __future__ import annotations

import importlib
import os
import stat
from typing import TYPE_CHECKING, Any, Callable

import pytest
from report_check import read_report

from pytest_paddle_infer.report import page_figures

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Session

MODEL = "--paddle-model=alexnet"
BOTH = ("--paddle-variant=cpu", "--paddle-variant=onednn")
REPORT = "--paddle-report=rep"
FILES = ["report.html", "report.json", "summary.md"]


@pytest.fixture(autouse=True)
def _outside_of_github(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)


def content(run: Session, name: str = "rep") -> Any:
    return read_report(run.path / name)


def by_id(found: Any) -> dict[str, Any]:
    return {test["id"].partition("/")[2]: test for test in found["tests"]}


# -- what is in it -----------------------------------------------------------------------------------------------------


def test_a_green_run_leaves_three_files_and_says_where(run: Session) -> None:
    result = run(MODEL, *BOTH, REPORT)
    result.assert_outcomes(passed=5)
    assert f"report: {run.path / 'rep' / 'report.html'}" in result.outlines
    assert sorted(os.listdir(run.path / "rep")) == FILES
    found = content(run)
    assert (found["verdict"], found["session"]["exit_status"], found["session"]["exit_reason"]) == ("passed", 0, "ok")
    assert {name: test["outcome"] for name, test in by_id(found).items()} == dict.fromkeys(
        [f"alexnet::{name}" for name in ("test_artifacts", "test_log[cpu]", "test_log[onednn]", "test_parity[cpu]", "test_parity[onednn]")],
        "passed",
    )  # fmt: skip
    assert {(row["variant"], row["p50_ms"], row["speedup_over_cpu"]) for row in found["models"][0]["variants"]} == {
        ("cpu", 10, 1),
        ("onednn", 5, 2),
    }


def test_figures_are_numbers_and_what_is_none_is_text(run: Session) -> None:
    run(MODEL, REPORT)
    parity = by_id(content(run))["alexnet::test_parity[cpu]"]
    assert parity["figures"] == {"output_error": 2.5e-07, "output_limit": 1e-05, "output_limits": 0.025, "ties": 0, "samples": 4}
    assert parity["texts"] == {"answers": "4/4", "fed": "float32 3x224x224"}
    assert (parity["weights"], parity["passed"], parity["failed"], parity["failure"]) == (
        "random weights, seed 0",
        ["parity"],
        [],
        None,
    )
    assert parity["files"] == {"outputs": "/stub/output/alexnet/cpu", "log": None, "evidence": None}
    artifacts = by_id(content(run))["alexnet::test_artifacts"]
    assert (artifacts["variant"], artifacts["exported_files"]) == (None, ["inference.json", "inference.pdiparams"])


def test_charts_are_drawn_where_pygal_is_and_asked_for_once_where_it_is_not(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def page() -> str:
        run(MODEL, *BOTH, REPORT).assert_outcomes(passed=5)
        return (run.path / "rep" / "report.html").read_text(encoding="utf-8")

    assert "<svg" in page()
    monkeypatch.setattr(page_figures, "find_spec", lambda name: None)
    text = page()
    assert "<svg" not in text
    assert text.count("pip install") == 1


def test_a_red_run_carries_cause_facts_remedy_and_command(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/parity/onednn")
    result = run(MODEL, *BOTH, REPORT)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    found = content(run)
    assert (found["verdict"], found["session"]["outcomes"]["failed"]) == ("failed", 1)
    (test,) = [test for test in found["tests"] if test["failure"]]
    assert (test["outcome"], test["failed"], test["passed"]) == ("failed", ["parity"], [])
    failure = test["failure"]
    assert failure["cause"] == "alexnet, onednn: the parity is planted to fail."
    assert failure["facts"] == [
        {"label": "weights", "value": "random weights, seed 0"},
        {"label": "output", "value": "3 of 4000 elements differ"},
    ]
    assert (failure["remedy"], failure["again"]) == ("plant nothing.", "pytest 'paddle-model/alexnet::test_parity[onednn]'")
    assert failure["text"].startswith(failure["cause"])
    assert failure["file"] is None


def test_what_a_failure_names_is_in_it(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_paddle_infer import conformance
    from pytest_paddle_infer.failures import ConformanceFailure, Failure

    kept = str(run.path / "rep" / "kept" / "alexnet-cpu")

    def parity(*_: Any, **__: Any) -> None:
        facts = (("said", "x" * 5000 + "\nend"), ("kept", kept))
        raise ConformanceFailure(
            Failure("off.", facts, figures=(("output_error", "nan"),), stage="optimise", kind="pass", name="fc_fuse_pass")
        )

    monkeypatch.setattr(conformance.Conformance, "parity", parity)
    run(MODEL, REPORT)
    test = by_id(content(run))["alexnet::test_parity[cpu]"]
    assert [test["failure"][key] for key in ("stage", "kind", "name")] == ["optimise", "pass", "fc_fuse_pass"]
    assert test["figures"] == {"output_error": None}, "never NaN"
    assert test["files"]["evidence"] == "kept/alexnet-cpu", "from the report, because it lies below it"
    assert (len(test["failure"]["facts"][0]["value"]), test["failure"]["facts"][0]["value"][-4:]) == (1000, " ...")


def test_a_variant_that_is_missing_is_skipped_with_the_reason(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_MISSING", "tensorrt")
    run(MODEL, "--paddle-variant=tensorrt", "--paddle-variant=cpu", "--paddle-allow-missing", REPORT).assert_outcomes(
        passed=3, skipped=2
    )
    found = content(run)
    assert found["verdict"] == "passed"
    skipped = by_id(found)["alexnet::test_parity[tensorrt]"]
    assert (skipped["outcome"], skipped["reason"], skipped["failure"]) == ("skipped", "this machine has no tensorrt", None)
    assert {row["variant"]: row["unavailable"] for row in found["models"][0]["variants"]} == {
        "cpu": None,
        "tensorrt": "this machine has no tensorrt",
    }
    assert "alexnet, tensorrt" in (run.path / "rep" / "summary.md").read_text(encoding="utf-8")


def test_a_run_of_skips_only_is_not_called_passed(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_MISSING", "tensorrt")
    run(MODEL, "-k", "tensorrt", "--paddle-variant=tensorrt", "--paddle-allow-missing", REPORT)
    assert content(run)["verdict"] == "nothing ran"


def test_marked_tests_are_in_it_with_their_file_and_others_are_only_counted(run: Session) -> None:
    run.write(
        "sub/test_user.py",
        "import pytest\n\n"
        "@pytest.mark.paddle_infer_parity(model='alexnet')\n"
        "def test_marked(): assert 1 == 2, 'of my own'\n"
        "def test_good(): pass\n"
        "def test_bad(): assert 0\n"
        "@pytest.mark.xfail\n"
        "def test_expected(): assert 0\n",
    )
    run(REPORT).assert_outcomes(passed=1, failed=2, xfailed=1)
    found = content(run)
    assert {name: count for name, count in found["session"]["outcomes_of_other_tests"].items() if count} == {
        "passed": 1,
        "failed": 1,
        "xfailed": 1,
    }
    (test,) = found["tests"]
    assert (test["model"], test["variant"], test["passed"]) == ("alexnet", "cpu", ["artifacts", "parity", "log"])
    assert (test["failure"]["file"], test["failure"]["line"]) == ("sub/test_user.py", 3)
    assert test["failure"]["cause"] == "AssertionError: of my own"


def test_a_fixture_that_fails_is_an_error_with_its_cause(run: Session) -> None:
    run.write("conftest.py", "import pytest\n@pytest.fixture\ndef sample_images(): pytest.fail('no pictures', pytrace=False)\n")
    run.write("test_user.py", "import pytest\n@pytest.mark.paddle_infer_parity(model='alexnet')\ndef test_marked(): pass\n")
    run(REPORT)
    (test,) = content(run)["tests"]
    assert (test["outcome"], test["failure"]["cause"]) == ("error", "no pictures")


def test_checkpoints_of_two_variants_in_one_test_mix_no_figures(run: Session) -> None:
    run.write(
        "test_user.py",
        "def test_user(paddle_checkpoints, paddle_model):\n"
        "    for variant in ('cpu', 'onednn'): paddle_checkpoints.log(paddle_model, variant)\n",
    )
    run(MODEL, REPORT).assert_outcomes(passed=4)
    (test,) = [test for test in content(run)["tests"] if test["id"].startswith("test_user.py")]
    assert (test["model"], test["variant"], test["figures"]) == (None, None, {})


def test_options_and_environment_are_told_and_other_plugins_options_are_not(run: Session) -> None:
    run.write("pytest.ini", "[pytest]\npaddle_seed = 3\n")
    run.write("conftest.py", "def pytest_addoption(parser): parser.addoption('--token')\n")
    run(MODEL, "--paddle-image-size=32x48", "--paddle-no-cache", "--token=secret", REPORT)
    found = content(run)
    assert {(option["option"], *option["values"], option["origin"]) for option in found["session"]["options"]} == {
        ("--paddle-model", "alexnet", "command line"),
        ("--paddle-image-size", "32x48", "command line"),
        ("--paddle-no-cache", "on", "command line"),
        ("--paddle-report", str(run.path / "rep"), "command line"),
        ("--paddle-seed", "3", "ini file"),
    }
    assert found["environment"]["packages"]["pytest"] == pytest.__version__
    assert not any("secret" in (run.path / "rep" / name).read_text(encoding="utf-8") for name in FILES)


def test_the_paddle_of_another_python_is_told(run: Session) -> None:
    run.write("python", "#!/bin/sh\necho 3.9.9\n").chmod(0o755)
    run(MODEL, "--paddle-python=python", REPORT).assert_outcomes(passed=3)
    found = content(run)["environment"]
    assert (found["engine_python"], found["engine_paddle"]) == (str(run.path / "python"), "3.9.9")
    assert "inference engine Paddle 3.9.9" in (run.path / "rep" / "summary.md").read_text(encoding="utf-8")


def test_a_kept_folder_that_is_replayed_is_in_it(run: Session, plant: Callable[..., None]) -> None:
    for name in ("one", "two"):
        run.write(f"kept/{name}/verdict.json", "{}")
    plant("replay/one")
    run("--paddle-replay=kept", REPORT)
    red, green = (by_id(content(run))[f"kept/{name}::test_replay"] for name in ("one", "two"))
    assert (red["kind"], red["outcome"], red["failure"]["cause"]) == ("replay", "failed", "one: the replay is planted to fail.")
    assert [red["failure"][key] for key in ("stage", "kind", "name", "remedy")] == [
        "optimise",
        "pass",
        "fc_fuse_pass",
        "plant nothing.",
    ]
    assert red["failure"]["facts"] == [{"label": "Paddle", "value": "3.3.1 then"}]
    assert (red["passed"], red["failed"], content(run)["models"]) == ([], [], []), "it is no checkpoint"
    assert (green["outcome"], green["notes"]) == ("passed", ["two no longer differs."])


def test_what_was_not_collected_is_told(run: Session) -> None:
    run.write("test_user.py", "import nothing_of_that_name\n")
    run("test_user.py", "paddle-model/alexnet", REPORT)
    found = content(run)
    assert (found["verdict"], found["session"]["exit_reason"]) == ("incomplete", "interrupted")
    (problem,) = found["session"]["not_collected"]
    assert problem["id"] == "test_user.py"
    assert "nothing_of_that_name" in problem["text"]


def test_a_session_that_is_interrupted_reports_what_ran(run: Session) -> None:
    run.write("conftest.py", "def pytest_collection_modifyitems(items): items.sort(key=lambda item: 'user' in item.nodeid)\n")
    run.write("test_user.py", "def test_user(): raise KeyboardInterrupt\n")
    result = run.apart("paddle-model/alexnet", "test_user.py", REPORT)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    found = content(run)
    assert (found["verdict"], found["session"]["exit_reason"], len(found["tests"])) == ("incomplete", "interrupted", 3)


# -- details -----------------------------------------------------------------------------------------------------------


def test_details_of_samples_and_times_are_in_it(run: Session) -> None:
    run(MODEL, *BOTH, REPORT)
    found = by_id(content(run))
    parity = found["alexnet::test_parity[onednn]"]["details"]
    assert (parity["latency"], parity["layers"]) == (None, None)
    assert [sample["name"] for sample in parity["parity"]["samples"]] == [f"drawn-{number}" for number in range(4)]
    assert [sample["pictured"] for sample in parity["parity"]["samples"]] == [False, True, False, False]
    log = found["alexnet::test_log[onednn]"]["details"]
    assert (log["parity"], log["latency"]["batches"], log["latency"]["inference_ms"][0]) == (None, 50, 5.0)
    assert found["alexnet::test_artifacts"]["details"] is None


def test_details_of_a_failure_have_its_layers(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/parity/cpu")
    run(MODEL, REPORT)
    details = by_id(content(run))["alexnet::test_parity[cpu]"]["details"]
    assert (details["layers"][0]["name"], details["layers"][0]["state"]) == ("fc", "differs")
    assert len(details["parity"]["samples"]) == 4


def test_the_page_is_given_the_pictures_of_each_test(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    page = importlib.import_module(
        "pytest_paddle_infer.report.page"
    )  # not the package's attribute: an inner session may have left it
    given: dict[str, Any] = {}
    to_html = page.to_html
    monkeypatch.setattr(page, "to_html", lambda found, pictures, *more: given.update(pictures) or to_html(found, pictures, *more))
    run(MODEL, *BOTH, REPORT).assert_outcomes(passed=5)
    assert given == {
        "paddle-model/alexnet::test_parity[cpu]": {1: (b"training", None)},
        "paddle-model/alexnet::test_parity[onednn]": {1: (b"training", b"inference")},
    }


def test_a_marked_test_joins_the_details_of_its_checkpoints(run: Session) -> None:
    run.write("test_user.py", "import pytest\n@pytest.mark.paddle_infer_parity(model='alexnet')\ndef test_user(): pass\n")
    run(REPORT).assert_outcomes(passed=1)
    (test,) = content(run)["tests"]
    assert (test["details"]["parity"]["samples_compared"], test["details"]["latency"]["batches"]) == (4, 50)


def test_details_cross_the_processes_of_xdist(run: Session) -> None:
    pytest.importorskip("xdist")
    run.apart(MODEL, *BOTH, REPORT, "-n2").assert_outcomes(passed=5)
    found = by_id(content(run))
    assert found["alexnet::test_parity[cpu]"]["details"]["parity"]["samples_compared"] == 4
    assert found["alexnet::test_log[cpu]"]["details"]["latency"]["batches"] == 50


def test_without_the_option_nothing_is_kept_and_nothing_is_named(run: Session) -> None:
    run(MODEL, "--junitxml=junit.xml").assert_outcomes(passed=3)
    assert not any(entry["options"]["details"] for entry in run.calls("parity"))
    assert "paddle_infer.details" not in (run.path / "junit.xml").read_text(encoding="utf-8")
    assert list(run.path.rglob("details.json")) == []


@pytest.mark.parametrize("processes", [[], ["-n2"]])
def test_where_the_details_lie_is_told_to_the_report_alone(run: Session, processes: list[str]) -> None:
    pytest.importorskip("xdist")
    run.apart(MODEL, REPORT, "--junitxml=junit.xml", *processes).assert_outcomes(passed=3)
    told = (run.path / "junit.xml").read_text(encoding="utf-8")
    assert 'name="paddle_infer.output_error"' in told
    assert "paddle_infer.details" not in told
    assert by_id(content(run))["alexnet::test_parity[cpu]"]["details"] is not None


@pytest.mark.parametrize(("damage", "word"), [("path.unlink()", "is not there"), ("path.write_text('{')", "cannot be read")])
def test_details_that_are_gone_or_damaged_cost_a_note(run: Session, damage: str, word: str) -> None:
    run.write(
        "conftest.py",
        "def pytest_runtest_teardown(item):\n"
        f"    for path in item.config._tmp_path_factory.getbasetemp().rglob('details.json'):\n        {damage}\n",
    )
    result = run(MODEL, REPORT)
    result.assert_outcomes(passed=3)
    test = by_id(content(run))["alexnet::test_parity[cpu]"]
    assert test["details"] is None
    assert [note for note in test["notes"] if "details of this test were not kept for the report" in note and word in note]


def test_a_temporary_directory_that_goes_with_the_session_costs_nothing(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    run.write(
        "conftest.py",
        "import shutil\ndef pytest_sessionfinish(session):\n    shutil.rmtree(session.config._tmp_path_factory.getbasetemp())\n",
    )
    _with_outputs(monkeypatch, lambda options: options.workdir / "output")
    run(MODEL, REPORT).assert_outcomes(passed=3)
    parity = by_id(content(run))["alexnet::test_parity[cpu]"]
    assert parity["details"]["parity"]["samples_compared"] == 4
    assert (run.path / "rep" / parity["files"]["outputs"] / "train_infer_diff.log").read_text() == "the difference"


# -- files -------------------------------------------------------------------------------------------------------------


def _with_outputs(monkeypatch: pytest.MonkeyPatch, root: Callable[[Any], Path]) -> None:
    """Makes the stub leave the files that it names."""
    from pytest_paddle_infer import conformance

    def directory(self: Any, spec: Any, variant: str) -> Path:
        made = root(self.options) / spec.name / variant
        made.mkdir(parents=True, exist_ok=True)
        (made / "train_infer_diff.log").write_text("the difference")
        for name in ("output_training_engine.npy", "output_inference_engine.npy", "inference_benchmark.log"):
            (made / name).write_text(name)
        return made

    monkeypatch.setattr(conformance.Conformance, "_directory", directory)


def test_the_files_are_copied_into_the_report_and_follow_the_run(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    _with_outputs(monkeypatch, lambda options: run.path / "out")
    run(MODEL, *BOTH, REPORT)
    first = content(run)
    place = f"files-{first['run']}/alexnet/onednn"
    assert by_id(first)["alexnet::test_parity[onednn]"]["files"]["outputs"] == place
    assert by_id(first)["alexnet::test_log[onednn]"]["files"]["log"] == f"{place}/inference_benchmark.log"
    assert sorted(os.listdir(run.path / "rep" / place)) == [
        "inference_benchmark.log", "output_inference_engine.npy", "output_training_engine.npy", "train_infer_diff.log",
    ]  # fmt: skip
    assert not any(test["notes"] for test in first["tests"])
    run("--paddle-model=vgg16", REPORT)
    second = content(run)
    assert sorted(os.listdir(run.path / "rep")) == [f"files-{second['run']}", *FILES]
    assert sorted(os.listdir(run.path / "rep" / f"files-{second['run']}")) == [".pytest-paddle-infer", "vgg16"]


def test_files_that_are_gone_are_named_where_they_were_and_noted(run: Session) -> None:
    run(MODEL, REPORT)
    test = by_id(content(run))["alexnet::test_log[cpu]"]
    assert test["files"]["log"] == "/stub/output/alexnet/cpu/inference_benchmark.log"
    assert test["notes"] == ["/stub/output/alexnet/cpu/inference_benchmark.log was not copied: it is not there"]


# -- where it goes -----------------------------------------------------------------------------------------------------


def test_two_workers_leave_the_report_of_one_process(
    run: Session, plant: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xdist")
    plant("alexnet/parity/onednn")
    monkeypatch.setenv("STUB_MISSING", "tensorrt")
    run.write("test_user.py", "def test_good(): pass\ndef test_bad(): assert 0\n")
    args = (MODEL, "--paddle-model=vgg16", *BOTH, "--paddle-variant=tensorrt", "--paddle-allow-missing")
    alone = run.apart(*args, "--paddle-report=alone")
    spread = run.apart(*args, "--paddle-report=spread", "-n2")
    for each in (alone, spread):
        each.assert_outcomes(passed=10, failed=2, skipped=4)
    one, two = steady(run, "alone"), steady(run, "spread")
    assert (one["session"].pop("processes"), two["session"].pop("processes")) == (1, 2)
    assert two == one
    assert sorted(os.listdir(run.path / "spread")) == FILES


def test_a_worker_that_dies_in_a_checkpoint_fails_it_in_the_matrix(run: Session) -> None:
    pytest.importorskip("xdist")
    run.write(
        "conftest.py",
        "import os\ndef pytest_runtest_call(item):\n    if item.name == 'test_parity[onednn]':\n        os._exit(3)\n",
    )
    run.apart(MODEL, *BOTH, REPORT, "-n1").assert_outcomes(passed=4, failed=1)
    rows = {row["variant"]: row for row in content(run)["models"][0]["variants"]}
    assert [entry["checkpoint"] for entry in rows["onednn"]["failed"]] == ["parity"]
    assert rows["cpu"]["failed"] == []
    page = (run.path / "rep" / "report.html").read_text(encoding="utf-8")
    assert "<dt>variants that hold</dt><dd>1 of 2<small>alexnet</small></dd>" in page


def steady(run: Session, name: str) -> Any:
    """The whole report, and its summary, without what differs from run to run."""
    found = content(run, name)
    summary = (run.path / name / "summary.md").read_text(encoding="utf-8").replace(found.pop("run"), "RUN")
    for each in ("started", "duration_s"):
        found["session"].pop(each)
    for test in found["tests"]:
        test.pop("duration_s")
    found["session"]["options"] = [option for option in found["session"]["options"] if option["option"] != "--paddle-report"]
    return {**found, "summary": summary}


def test_a_run_replaces_the_report_of_the_run_before_as_a_whole(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/parity/cpu")
    run(MODEL, REPORT)
    plant()
    run("--paddle-model=vgg16", REPORT)
    found = content(run)
    assert {test["model"] for test in found["tests"]} == {"vgg16"}
    page, summary = ((run.path / "rep" / name).read_text(encoding="utf-8") for name in ("report.html", "summary.md"))
    assert "alexnet" not in page + summary
    assert f"run {found['run']}" in summary


def test_parts_of_a_run_that_was_killed_go_and_foreign_files_stay(run: Session) -> None:
    run(MODEL, REPORT)
    part = run.write("rep/.report.json.77.0123abcd.part", "half")
    run.write("rep/junit.xml", "mine")
    run.write("rep/files/summary.md", "mine")
    run(MODEL, REPORT)
    assert not part.exists()
    assert sorted(os.listdir(run.path / "rep")) == ["files", "junit.xml", *FILES]
    assert (run.path / "rep" / "junit.xml").read_text() == "mine"


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_program_is_never_overwritten(run: Session, name: str) -> None:
    path = run.write(f"rep/{name}", "mine")
    message = run.usage_error(MODEL, REPORT)
    assert f"--paddle-report: {path} is not a file of an earlier report; give another directory, or move it away." in message
    assert path.read_text() == "mine"
    assert run.calls() == []


def test_a_file_that_another_program_writes_meanwhile_stays_too(run: Session) -> None:
    run.write(
        "conftest.py",
        "from pathlib import Path\ndef pytest_sessionfinish():\n    Path('rep').mkdir()\n    Path('rep/report.html').write_text('mine')\n",
    )
    result = run(MODEL, REPORT)
    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["the report was not written: */rep/report.html is not a file of an earlier report; *"])
    assert os.listdir(run.path / "rep") == ["report.html"]


def test_a_file_in_the_way_is_a_usage_error(run: Session) -> None:
    path = run.write("rep", "mine")
    assert f"--paddle-report: {path} is not a directory; give a directory that can be written." in run.usage_error(MODEL, REPORT)
    assert f"--paddle-report: {path} is not a directory; give a directory that can be written." in run.usage_error(
        MODEL, "--paddle-report=rep/below"
    )


def test_a_directory_that_cannot_be_written_is_a_usage_error(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    (run.path / "rep").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    assert f"--paddle-report: {run.path / 'rep'} cannot be written; give another directory." in run.usage_error(MODEL, REPORT)


def test_a_disk_that_fails_at_the_end_costs_a_line_and_leaves_no_part(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        if stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(28, "No space left on device")

    run(MODEL, REPORT)
    before = content(run)
    monkeypatch.setattr(os, "fsync", full)
    result = run("--paddle-model=vgg16", REPORT)
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["the report was not written: *No space left on device*"])
    assert content(run) == before, "the report of the run before is whole"
    assert sorted(os.listdir(run.path / "rep")) == FILES


def break_(monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    def broken(*_: Any) -> Any:
        raise KeyError("limits")

    room, _, name = function.partition(".")
    monkeypatch.setattr(importlib.import_module(f"pytest_paddle_infer.report.{room}"), name, broken)


@pytest.mark.parametrize(("name", "function"), [("report.html", "page.to_html"), ("summary.md", "markdown.to_markdown")])
def test_a_fault_in_a_page_costs_a_line_and_the_rest_of_the_report_is_there(
    run: Session, github: Path, name: str, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(MODEL, REPORT)
    break_(monkeypatch, function)
    result = run("--paddle-model=vgg16", REPORT)
    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines([f"{name} was not written: KeyError: 'limits' (test_option_report.py, line *)", "report: */rep/*"])
    assert sorted(os.listdir(run.path / "rep")) == [each for each in FILES if each != name], "nor is that of the run before there"
    assert {test["model"] for test in content(run)["tests"]} == {"vgg16"}


def test_a_fault_in_what_a_test_left_costs_its_details_and_is_a_note(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    break_(monkeypatch, "details.read_details")
    run(MODEL, REPORT).assert_outcomes(passed=3)
    assert sorted(os.listdir(run.path / "rep")) == FILES
    test = by_id(content(run))["alexnet::test_parity[cpu]"]
    assert (test["details"], test["notes"]) == (None, ["what this test left could not be read: KeyError: 'limits'"])


@pytest.mark.parametrize("function", ["results.joined", "content.content_of", "json_text.to_json_text"])
def test_a_fault_in_the_report_costs_a_line_and_no_test(run: Session, function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    break_(monkeypatch, function)
    result = run(MODEL, REPORT)
    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["the report was not written: KeyError: 'limits' (test_option_report.py, line *)"])
    assert not (run.path / "rep").exists()


def test_a_fault_in_what_github_is_told_costs_a_line(run: Session, github: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    break_(monkeypatch, "github.error_lines")
    result = run(MODEL, REPORT)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["what GitHub shows of it was not written: KeyError: 'limits' (*"])
    assert sorted(os.listdir(run.path / "rep")) == FILES


def test_a_directory_of_the_command_line_starts_where_pytest_is_called(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    run.write("sub/keep", "")
    monkeypatch.chdir(run.path / "sub")
    run(MODEL, REPORT, f"--rootdir={run.path}").assert_outcomes(passed=3)
    assert content(run, "sub/rep")["verdict"] == "passed"


def test_a_directory_of_the_ini_file_starts_at_the_rootdir_and_only_runs_of_ours_write_there(
    run: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.write("pytest.ini", "[pytest]\npaddle_report = rep\n")
    run.write("sub/test_user.py", "def test_user(): pass\n")
    monkeypatch.chdir(run.path / "sub")
    run("test_user.py").assert_outcomes(passed=1)
    assert not (run.path / "rep").exists()
    run(MODEL).assert_outcomes(passed=4)
    assert content(run)["session"]["outcomes_of_other_tests"]["passed"] == 1


def test_the_command_line_asks_for_a_report_even_when_nothing_of_ours_ran(run: Session) -> None:
    run.write("test_user.py", "def test_user(): pass\n")
    run(REPORT).assert_outcomes(passed=1)
    assert (content(run)["verdict"], content(run)["tests"]) == ("nothing ran", [])


def test_collecting_writes_nothing_and_imports_neither_paddle_nor_numpy(run: Session, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import sys\ndef pytest_unconfigure(config):\n"
        "    ours = {name for name in sys.modules if name.startswith('pytest_paddle_infer.report.')}\n"
        "    print('imported:', sorted(ours | {'numpy', 'paddle', 'PIL', 'jsonschema', 'pygal'} & set(sys.modules)))\n",
    )
    run.write("test_user.py", "def test_user(): pass\n")
    result = pytester.runpytest_subprocess("--collect-only", REPORT)
    assert result.ret == pytest.ExitCode.OK
    assert not (run.path / "rep").exists()
    result.stdout.fnmatch_lines(["imported: *"])
    result.stdout.no_fnmatch_line("imported: *numpy*")
    result.stdout.no_fnmatch_line("imported: *paddle'*")
    result.stdout.no_fnmatch_line("imported: *report.page*")
    result.stdout.no_fnmatch_line("imported: *pygal*")


def test_a_session_without_the_option_opens_no_room_of_the_report(run: Session, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import sys\ndef pytest_unconfigure(config):\n"
        "    print('imported:', sorted(name for name in sys.modules if name.startswith('pytest_paddle_infer.report')))\n",
    )
    run.write("test_user.py", "def test_user(): pass\n")
    assert "imported: []" in pytester.runpytest_subprocess().outlines


# -- GitHub ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def github(run: Session, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The step's summary, in which another program wrote."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(run.path))
    path = run.write("step.md", "before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    return path


def test_the_step_summary_gets_the_summary_behind_what_is_there(run: Session, github: Path) -> None:
    run(MODEL, REPORT)
    assert github.read_text(encoding="utf-8") == "before\n\n" + (run.path / "rep" / "summary.md").read_text(encoding="utf-8")


def test_with_two_workers_the_step_summary_is_written_once(run: Session, github: Path, plant: Callable[..., None]) -> None:
    pytest.importorskip("xdist")
    plant("alexnet/parity/cpu")
    result = run.apart(MODEL, REPORT, "-n2")
    assert github.read_text(encoding="utf-8") == "before\n\n" + (run.path / "rep" / "summary.md").read_text(encoding="utf-8")
    assert len([line for line in result.outlines if line.startswith("::error")]) == 1


def test_each_failure_is_an_annotation(run: Session, github: Path, plant: Callable[..., None]) -> None:
    plant("alexnet/parity/cpu")
    run.write(
        "test_user.py",
        "import pytest\n\n\n@pytest.mark.paddle_infer_parity(model='alexnet', checkpoints=['parity'])\ndef test_marked(): pass\n",
    )
    result = run(MODEL, REPORT)
    again = "%0Ato do: plant nothing.%0Aagain: pytest "
    assert [line for line in result.outlines if line.startswith("::")] == [
        "::error file=test_user.py,line=4,title=alexnet%2C cpu%3A parity::alexnet, cpu: the parity is planted to fail."
        f"{again}'test_user.py::test_marked[alexnet-cpu]'",
        "::error title=alexnet%2C cpu%3A parity::alexnet, cpu: the parity is planted to fail."
        f"{again}'paddle-model/alexnet::test_parity[cpu]'",
    ]


@pytest.mark.parametrize("more", [(), ("-n1",)], ids=["one process", "xdist"])
def test_the_command_of_a_test_leaves_out_models_that_are_not_its_own(
    run: Session, plant: Callable[..., None], more: tuple[str, ...]
) -> None:
    """Its marker names the model: with the option the command would run the items of the other one too."""
    if more:
        pytest.importorskip("xdist")
    plant("alexnet/parity", "resnet18/parity")
    mark = "import pytest\n@pytest.mark.paddle_infer_parity({}checkpoints=['parity'])\ndef test_{}(): pass\n"
    run.write("test_own.py", mark.format("model='alexnet', ", "own"))
    run.write("test_given.py", mark.format("", "given"))
    result = (run.apart if more else run)("--paddle-model=resnet18", "test_own.py", "test_given.py", REPORT, *more)
    commands = {
        "pytest 'test_own.py::test_own[alexnet-cpu]'",
        "pytest 'test_given.py::test_given[resnet18-cpu]' --paddle-model=resnet18",
        "pytest 'paddle-model/resnet18::test_parity[cpu]'",
    }
    assert {line.partition("again:")[2].strip() for line in result.outlines if "  again:" in line} == commands
    assert {test["failure"]["again"] for test in content(run)["tests"] if test["failure"]} == commands


def test_green_runs_and_other_machines_print_no_annotation(run: Session, github: Path, plant: Callable[..., None],
                                                           monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    assert "::error" not in run(MODEL, REPORT).stdout.str()
    plant("alexnet/parity/cpu")
    monkeypatch.setenv("GITHUB_ACTIONS", "false")
    assert "::error" not in run(MODEL, REPORT).stdout.str()


def test_without_the_option_github_is_told_nothing(run: Session, github: Path, plant: Callable[..., None]) -> None:
    plant("alexnet/parity/cpu")
    assert "::error" not in run(MODEL).stdout.str()
    assert github.read_text(encoding="utf-8") == "before\n"


def test_a_step_summary_that_cannot_be_written_costs_a_line(run: Session, github: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(run.path / "none" / "step.md"))
    result = run(MODEL, REPORT)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["the step summary was not written: *"])
