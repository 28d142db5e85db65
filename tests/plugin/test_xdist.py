"""Over pytest-xdist: the same items, the same reports, one summary."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Callable

import pytest

from pytest_paddle_infer.distributions import paddle_here

if TYPE_CHECKING:
    from conftest import Session

pytest.importorskip("xdist")

MODEL = "--paddle-model=alexnet"


def lines(result: pytest.RunResult, model: str) -> list[str]:
    return [" ".join(line.split()) for line in result.outlines if re.match(rf"{model}  ", line)]


def test_two_workers_give_the_rows_junit_and_failures_of_one_process(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/log/onednn")
    args = (MODEL, "--paddle-model=vgg16", "--paddle-variant=cpu", "--paddle-variant=onednn", "--junitxml=junit.xml")
    alone = run(*args)
    written = junit(run)
    result = run.apart(*args, "-n2")
    for each in (alone, result):
        each.assert_outcomes(passed=9, failed=1)
    assert sorted(lines(result, "alexnet") + lines(result, "vgg16")) == sorted(lines(alone, "alexnet") + lines(alone, "vgg16"))
    assert len(lines(result, "alexnet")) == 2
    assert junit(run) == written
    result.stdout.fnmatch_lines(["  again:   pytest 'paddle-model/alexnet::test_log?onednn?'"])
    printed = re.search(r"^FAILED (\S+)", result.stdout.str(), re.MULTILINE)
    assert printed is not None
    again = run.apart(printed[1], "-n2")
    again.assert_outcomes(failed=1)


SLOW = """
import time
def pytest_runtest_call(item):
    if "onednn" in item.name and "vgg16" not in item.nodeid or "test_slow" in item.name:
        time.sleep(1)
"""
MARKED = """
import pytest
@pytest.mark.paddle_infer_parity(model="resnet18")
def test_slow(): pass
@pytest.mark.paddle_infer_parity(model="resnet50")
def test_quick(): pass
"""


@pytest.mark.parametrize("processes", [[], ["-n2", "--dist=load", "--maxschedchunk=1"]])
@pytest.mark.parametrize("failed", ["", "alexnet/parity/onednn alexnet/log/onednn"])
def test_rows_stand_as_the_tests_were_collected(
    run: Session, plant: Callable[..., None], processes: list[str], failed: str
) -> None:
    plant(failed)
    run.write("conftest.py", SLOW)
    run.write("test_marked.py", MARKED)
    both = ("--paddle-variant=onednn", "--paddle-variant=cpu")
    result = run.apart("test_marked.py", MODEL, "--paddle-model=vgg16", *both, *processes)
    found = [re.findall(r"\S+", line)[:2] for line in result.outlines if re.match(r"(alexnet|vgg16|resnet\d\d)  ", line)]
    models = ("resnet18", "resnet50", "alexnet", "vgg16")
    assert found == [[model, variant] for model in models for variant in ("onednn", "cpu")]


def junit(run: Session) -> dict[str, list[str]]:
    text = (run.path / "junit.xml").read_text(encoding="utf-8")
    return {
        " ".join(found): re.findall(r'<property name="(paddle_infer[^"]*" value="[^"]*)"', body)
        for *found, body in re.findall(r'<testcase classname="([^"]*)" name="([^"]*)"[^>]*>(.*?)</testcase>', text, re.DOTALL)
    }


def test_which_paddle_ran_stands_in_the_summary_where_no_header_could_say_it(run: Session) -> None:
    run.write("test_marked.py", MARKED)
    line = f"paddle {paddle_here()}"
    lines = run.apart("-n2").outlines
    assert lines[lines.index(line) - 1].strip("= ") == "paddle inference"
    assert line not in run.apart("-n2", "-q").outlines
    assert line not in run.apart().outlines
    assert line not in run.apart("-n2", MODEL).outlines, "the header says it"


@pytest.mark.parametrize("mode", ["loadfile", "loadscope", "worksteal"])
def test_every_way_of_spreading_runs_every_item_once(run: Session, mode: str) -> None:
    result = run.apart(MODEL, "--paddle-model=vgg16", "-n2", "--dist", mode, "-v")
    result.assert_outcomes(passed=6)
    assert sorted(run.checkpoints()) == sorted(
        f"{model}/{checkpoint}" for model in ("alexnet", "vgg16") for checkpoint in ("artifacts", "parity/cpu", "log/cpu")
    )
    if mode != "worksteal":
        pairs = set(re.findall(r"\[(gw\d)\].*PASSED paddle-model/(\w+)::", result.stdout.str()))
        assert len(pairs) == 2, "a model's items went to two workers"


def test_last_failed_works_with_workers(run: Session, plant: Callable[..., None]) -> None:
    run.write("test_user.py", "def test_user(): assert 0\ndef test_ok(): pass")
    plant("alexnet/parity/cpu")
    run(MODEL).assert_outcomes(passed=3, failed=2)
    run.apart(MODEL, "--lf", "-n2").assert_outcomes(failed=2)


def test_a_wrong_option_is_one_usage_error_of_the_controller(run: Session) -> None:
    result = run.apart("--paddle-model=alexnt", "-n2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --paddle-model: unknown model 'alexnt'. Did you mean 'alexnet'?*"])


def test_a_wrong_marker_key_in_a_worker_says_which_are_right_and_nothing_runs(run: Session) -> None:
    run.write(
        "test_user.py",
        "import pytest\n@pytest.mark.paddle_infer_parity(modl='alexnet')\ndef test_user(): pass\ndef test_other(): pass\n",
    )
    result = run.apart("-n2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR, "as in one process"
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["test_user.py::test_user: *: unknown key 'modl' (did you mean 'model'[?]); the keys are model, variants, images,*"]
    )
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
