"""junit.xml names the model and carries the figures."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Callable

import pytest

if TYPE_CHECKING:
    from conftest import Session


def cases(run: Session) -> dict[tuple[str, str], dict[str, str]]:
    root = ET.parse(run.path / "junit.xml").getroot()
    return {
        (case.attrib["classname"], case.attrib["name"]): {
            item.attrib["name"]: item.attrib["value"] for item in case.iter("property")
        }
        for case in root.iter("testcase")
    }


def test_class_names_are_the_model_and_properties_are_the_figures(run: Session) -> None:
    run("--paddle-model=alexnet", "--junitxml=junit.xml").assert_outcomes(passed=3)
    found = cases(run)
    assert set(found) == {
        ("paddle-model.alexnet", "test_artifacts"),
        ("paddle-model.alexnet", "test_parity[cpu]"),
        ("paddle-model.alexnet", "test_log[cpu]"),
    }
    artifacts = found["paddle-model.alexnet", "test_artifacts"]
    assert artifacts["paddle_infer.model"] == "alexnet"
    assert artifacts["paddle_infer.artifact_bytes"] == "1500000"
    assert artifacts["paddle_infer.files"] == "inference.json inference.pdiparams"
    assert "paddle_infer.variant" not in artifacts
    parity = found["paddle-model.alexnet", "test_parity[cpu]"]
    assert parity["paddle_infer.variant"] == "cpu"
    assert parity["paddle_infer.output_error"] == "2.5e-07"
    assert parity["paddle_infer.answers"] == "4/4"
    log = found["paddle-model.alexnet", "test_log[cpu]"]
    assert (log["paddle_infer.inference_ms"], log["paddle_infer.ratio"]) == ("10", "2.00")


def test_the_times_of_the_batches_are_figures_with_their_units(run: Session) -> None:
    run("--paddle-model=alexnet", "--paddle-batch-size=4", "--junitxml=junit.xml").assert_outcomes(passed=3)
    log = cases(run)["paddle-model.alexnet", "test_log[cpu]"]
    assert {name: log[f"paddle_infer.{name}"] for name in (
        "p50_ms", "p99_ms", "spread_ms", "batches", "batch_size", "first_ms", "load_s", "memory_mb", "training_p50_ms",
    )} == {
        "p50_ms": "10", "p99_ms": "12.5", "spread_ms": "0.4", "batches": "50", "batch_size": "4", "first_ms": "31", "load_s": "0.25",
        "memory_mb": "512", "training_p50_ms": "20",
    }  # fmt: skip
    assert "paddle_infer.gpu_memory_mb" not in log, "only where the engine uses one"


def test_what_times_depend_on_is_told_beside_them(run: Session) -> None:
    run("--paddle-model=alexnet", "--junitxml=junit.xml").assert_outcomes(passed=3)
    log = cases(run)["paddle-model.alexnet", "test_log[cpu]"]
    assert {name: log.get(f"paddle_infer.{name}") for name in ("threads", "input_shape", "training_program", "gpu")} == {
        "threads": "1", "input_shape": "[1, 3, 224, 224]", "training_program": "0123456789abcdef", "gpu": None,
    }  # fmt: skip


def test_a_marked_test_carries_the_figures_of_all_its_checkpoints(run: Session) -> None:
    run.write("test_user.py", "import pytest\n@pytest.mark.paddle_infer_parity(model='alexnet')\ndef test_user(): pass\n")
    run("--junitxml=junit.xml").assert_outcomes(passed=1)
    ((name, figures),) = cases(run).items()
    assert name == ("test_user", "test_user[alexnet-cpu]")
    assert {"paddle_infer.artifact_bytes", "paddle_infer.output_error", "paddle_infer.inference_ms"} <= set(figures)


def test_a_failed_checkpoint_is_named_on_its_report(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/parity/cpu")
    run("--paddle-model=alexnet", "--junitxml=junit.xml")
    parity = cases(run)["paddle-model.alexnet", "test_parity[cpu]"]
    assert parity["paddle_infer.failed"] == "parity"
    assert parity["paddle_infer.cause"] == "alexnet, cpu: the parity is planted to fail."


# -- what strict readers ask for ---------------------------------------------------------------------------------------

ATTRIBUTES = {
    "testsuites": {"name"},
    "testsuite": {"name", "errors", "failures", "skipped", "tests", "time", "timestamp", "hostname"},
    "testcase": {"classname", "name", "time", "file", "line"},
    "properties": set(),
    "property": {"name", "value"},
    "failure": {"message"},
    "skipped": {"type", "message"},
}
"""Of each element of the format; `file` and `line` are of xunit1."""

PARENTS = {
    "testsuite": "testsuites", "testcase": "testsuite", "properties": "testcase", "property": "properties", "failure": "testcase",
    "skipped": "testcase",
}  # fmt: skip


def strict(run: Session) -> dict[str, dict[str, list[str]]]:
    """Properties by name of each test, of a file in which everything is as and where the format has it."""
    root = ET.parse(run.path / "junit.xml").getroot()
    assert root.tag == "testsuites"
    for parent in root.iter():
        assert set(parent.attrib) <= ATTRIBUTES[parent.tag], ET.tostring(parent)
        assert [child.tag for child in parent if PARENTS[child.tag] != parent.tag] == []
        for name in {"time", "tests", "failures", "errors", "skipped"} & set(parent.attrib):
            assert float(parent.attrib[name]) >= 0
    (suite,) = root
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d)?", suite.attrib["timestamp"])
    tests = list(suite.iter("testcase"))
    assert (int(suite.attrib["tests"]), int(suite.attrib["failures"]), int(suite.attrib["errors"]), int(suite.attrib["skipped"])) == (
        len(tests), len(list(suite.iter("failure"))), 0, len(list(suite.iter("skipped"))),
    )  # fmt: skip
    found: dict[str, dict[str, list[str]]] = {}
    for case in tests:
        assert [child.tag for child in case][:1] == ["properties"], "before the outcome, and once"
        assert len(list(case.iter("properties"))) == 1
        mine = found.setdefault(case.attrib["name"], {})
        for item in case.iter("property"):
            mine.setdefault(item.attrib["name"].replace("paddle_infer.", ""), []).append(item.attrib["value"])
    return found


HOSTILE = "bad \x00\x1b[31mred\x1b[0m\x08 \ud800 \udcff \ufffe ]]> <a href='x'>&amp; 池化"

TOLD = "bad \\x00red\\x08 \\ud800 \\udcff \\ufffe ]]> <a href='x'>&amp; 池化"


@pytest.mark.parametrize("family", ["xunit1", "xunit2"])
@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "xdist"])
def test_a_hostile_message_reaches_a_strict_reader_with_all_figures(run: Session, family: str, workers: tuple[str, ...]) -> None:
    if workers:
        pytest.importorskip("xdist")
    run.write(
        "conftest.py",
        "from pytest_paddle_infer import conformance\n"
        "from pytest_paddle_infer.failures import ConformanceFailure, Failure, UnavailableError\n"
        f"HOSTILE = {HOSTILE!a}\n"
        "def parity(self, spec, variant, *_):\n"
        "    failure = Failure(HOSTILE, (('weights', 'w'), ('said', HOSTILE)), HOSTILE, figures=(('output_error', '0.5'),))\n"
        "    raise UnavailableError(failure, HOSTILE) if variant == 'onednn' else ConformanceFailure(failure)\n"
        "def pytest_sessionstart(): conformance.Conformance.parity = parity\n",
    )
    variants = ("--paddle-variant=all", "-k", "cpu] or onednn]")
    run.apart("--paddle-model=alexnet", *variants, "--junitxml=junit.xml", f"-ojunit_family={family}", *workers).assert_outcomes(
        passed=2, failed=1, skipped=1, deselected=None if workers else 25
    )
    found = strict(run)
    parity = found["test_parity[cpu]"]
    assert [parity[name] for name in ("failed", "cause", "remedy", "output_error", "weights")] == [
        ["parity"], [TOLD], [TOLD], ["0.5"], ["w"],
    ]  # fmt: skip
    assert parity["fact"] == ["weights: w", f"said: {TOLD}"]
    assert found["test_parity[onednn]"]["unavailable"] == [TOLD]
    assert found["test_log[cpu]"]["p50_ms"] == ["10"]
    text = (run.path / "junit.xml").read_text(encoding="utf-8")
    assert "#x" not in text, "nothing was left that pytest had to replace"


def test_a_marked_test_says_each_figure_once(run: Session) -> None:
    run.write("test_user.py", "import pytest\n@pytest.mark.paddle_infer_parity(model='alexnet')\ndef test_user(): pass\n")
    run("--junitxml=junit.xml").assert_outcomes(passed=1)
    names = re.findall(r'<property name="(paddle_infer[^"]*)"', (run.path / "junit.xml").read_text(encoding="utf-8"))
    assert len(names) == len(set(names)), names
