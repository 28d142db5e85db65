"""With the plugin allure-pytest, a test's result carries what its checkpoints measured and the logs that they left."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Callable

import pytest

if TYPE_CHECKING:
    from conftest import Session

pytest.importorskip("allure_pytest")

MODEL = "--paddle-model=alexnet"
ALLURE = ("-p", "allure_pytest.plugin", "--alluredir=allure")


def attached(run: Session) -> dict[str, dict[str, str]]:
    """Of each test, what is attached: name -> text."""
    found = {}
    for path in (run.path / "allure").glob("*-result.json"):
        result = json.loads(path.read_text(encoding="utf-8"))
        found[result["name"]] = {
            one["name"]: (run.path / "allure" / one["source"]).read_text(encoding="utf-8")
            for one in result.get("attachments", ())
            if one["name"] not in ("stdout", "stderr", "log")
        }
    return found


def test_a_result_carries_the_figures_and_the_logs_that_are_there(run: Session) -> None:
    run.write("out/alexnet/cpu/train_infer_diff.log", "diff check passed")
    run.write("out/alexnet/cpu/inference_benchmark.log", "cpu_rss(MB): 1")
    run(MODEL, "--paddle-output-dir=out", *ALLURE).assert_outcomes(passed=3)
    found = attached(run)
    assert {name: list(told) for name, told in found.items()} == {
        "test_artifacts": ["paddle artifacts"],
        "test_parity[cpu]": ["paddle parity cpu", "train_infer_diff.log"],
        "test_log[cpu]": ["paddle log cpu", "inference_benchmark.log"],
    }
    lines = found["test_parity[cpu]"]["paddle parity cpu"].splitlines()
    assert {"model: alexnet", "output_error: 2.5e-07", "answers: 4/4"} <= set(lines)
    assert found["test_parity[cpu]"]["train_infer_diff.log"] == "diff check passed"


def test_a_marked_test_carries_each_checkpoint_once_and_a_failure_its_cause(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/parity/cpu")
    run.write("test_user.py", "import pytest\n@pytest.mark.paddle_infer_parity(model='alexnet')\ndef test_user(): pass\n")
    run(*ALLURE).assert_outcomes(failed=1)
    (told,) = attached(run).values()
    assert list(told) == ["paddle artifacts", "paddle parity cpu"]
    assert "artifact_bytes" not in told["paddle parity cpu"]
    assert {
        "failed: parity",
        "cause: alexnet, cpu: the parity is planted to fail.",
        "fact: output: 3 of 4000 elements differ",
    } <= set(told["paddle parity cpu"].splitlines())


def test_a_disk_that_is_full_hides_no_failure(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/parity/cpu")
    run.write(
        "conftest.py",
        "import allure_commons\nclass Full:\n    @allure_commons.hookimpl(tryfirst=True)\n"
        "    def attach_data(self, body, name, attachment_type, extension):\n"
        "        raise OSError(28, 'No space left on device') if name.startswith('paddle') else None\n"
        "def pytest_configure(config):\n    allure_commons.plugin_manager.register(Full(), 'full')\n"
        "def pytest_unconfigure(config):\n    allure_commons.plugin_manager.unregister(name='full')\n",
    )
    result = run(MODEL, "-k", "test_parity", *ALLURE)
    result.assert_outcomes(failed=1, deselected=2)
    assert "No space left" not in result.stdout.str()


def test_two_workers_attach_the_same(run: Session) -> None:
    pytest.importorskip("xdist")
    run(MODEL, *ALLURE, "--clean-alluredir").assert_outcomes(passed=3)
    alone = attached(run)
    run.apart(MODEL, *ALLURE, "--clean-alluredir", "-n2").assert_outcomes(passed=3)
    assert attached(run) == alone


def test_without_its_directory_nothing_is_opened(run: Session) -> None:
    run.write(
        "conftest.py",
        "import sys\ndef pytest_unconfigure():\n    print('opened:', [name for name in sys.modules if 'allure' in name.split('.')[-1]])\n",
    )
    assert "opened: []" in run.apart(MODEL).outlines
