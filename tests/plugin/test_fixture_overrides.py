"""Fixtures are overridden in a conftest like any other, and the checkpoints honour it; checks may be imported."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Callable

import pytest

if TYPE_CHECKING:
    from conftest import Session

MODEL = "--paddle-model=alexnet"
SAMPLES = """
import pytest
@pytest.fixture
def sample_images():
    return [[1.0], [2.0], [3.0]]
"""
EXPORT = """
import pytest
@pytest.fixture
def exported_model(tmp_path):
    (tmp_path / "inference.json").write_text("mine")
    return tmp_path
"""
MARKED = "import pytest\n@pytest.mark.paddle_infer_parity(model='alexnet')\ndef test_user(): pass\n"


@pytest.mark.parametrize("how", ["items", "marker", "imported"])
def test_own_samples_are_the_ones_that_are_compared(run: Session, how: str) -> None:
    run.write("conftest.py", SAMPLES)
    arguments = start(run, how)
    assert run(*arguments).ret == 0
    assert {tuple(call["samples"]) for call in run.calls() if "samples" in call} == {("sample-0", "sample-1", "sample-2")}


@pytest.mark.parametrize("how", ["items", "marker", "imported"])
def test_an_own_export_is_the_one_that_is_judged(run: Session, how: str) -> None:
    run.write("conftest.py", EXPORT)
    arguments = start(run, how)
    assert run(*arguments).ret == 0
    assert run.calls("export") == []
    exported = {call["exported"] for call in run.calls() if "exported" in call}
    assert exported
    assert all(str(path).startswith("/") and "stub" not in str(path) for path in exported)


def start(run: Session, how: str) -> tuple[str, ...]:
    if how == "marker":
        run.write("test_user.py", MARKED)
    elif how == "imported":
        run.write("pytest.ini", "[pytest]\npaddle_model = alexnet\n")
        run.write("test_user.py", "from pytest_paddle_infer.checks import *\n")
    return (MODEL,) if how == "items" else ()


def test_imported_checks_are_tests_of_that_file(run: Session) -> None:
    run.write("test_user.py", "from pytest_paddle_infer.checks import test_artifacts, test_parity\n")
    run.write(
        "conftest.py",
        "from pytest_paddle_infer import ModelSpec\ndef pytest_paddle_infer_models(config):\n"
        "    return [ModelSpec('mine', factory='nets:a')]\n",
    )
    assert run.ids("--paddle-variant=cpu", "--paddle-variant=onednn") == [
        "test_user.py::test_artifacts[mine]",
        "test_user.py::test_parity[mine-cpu]",
        "test_user.py::test_parity[mine-onednn]",
    ]
    run().assert_outcomes(passed=2)
    assert run.checkpoints() == ["mine/artifacts", "mine/parity/cpu"]


def test_a_failing_imported_check_says_how_to_run_it_again(run: Session, plant: Callable[..., None]) -> None:
    run.write("test_user.py", "from pytest_paddle_infer.checks import test_log\n")
    plant("alexnet/log")
    result = run("--paddle-model=alexnet", "--paddle-variant=onednn", "test_user.py", "--deselect=paddle-model/alexnet")
    result.assert_outcomes(failed=1, deselected=3)
    again = "pytest 'test_user.py::test_log[alexnet-onednn]' --paddle-model=alexnet --paddle-variant=onednn"
    assert f"  again:   {again}" in result.outlines
    run(*again.replace("'", "").split()[1:]).assert_outcomes(failed=2, passed=2)


def test_an_override_in_a_test_file_wins_over_the_conftest(run: Session) -> None:
    run.write("conftest.py", SAMPLES)
    run.write("test_user.py", MARKED + "@pytest.fixture\ndef sample_images():\n    return [[9.0]]\n")
    run().assert_outcomes(passed=1)
    assert run.calls("parity")[0]["samples"] == ["sample-0"]


def test_an_override_may_extend_ours(run: Session) -> None:
    run.write(
        "conftest.py", "import pytest\n@pytest.fixture\ndef sample_images(sample_images):\n    return list(sample_images)[:2]\n"
    )
    run(MODEL).assert_outcomes(passed=3)
    assert run.calls("parity")[0]["samples"] == ["drawn-0", "drawn-1"]


def test_no_samples_at_all_fail_in_one_sentence(run: Session) -> None:
    run.write("conftest.py", SAMPLES.replace("[[1.0], [2.0], [3.0]]", "[]"))
    result = run(MODEL)
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["*there are no samples: images (or the sample_images fixture) gave none*"])
    result.stdout.no_fnmatch_line("*sampling.py*")


def test_the_engines_are_fixtures_of_the_models_variants(run: Session) -> None:
    run.write(
        "test_user.py",
        "def test_user(inference_engine, training_engine, exported_model, sample_images):\n"
        "    assert training_engine.predict(sample_images[1]) == 'training saw drawn-1'\n"
        "    assert inference_engine.name.startswith('inference ')\n"
        "    import os; assert os.fspath(exported_model) == '/stub/exports'\n",
    )
    run.write("pytest.ini", "[pytest]\npaddle_model = alexnet vgg16\npaddle_variant = cpu onednn\n")
    assert run.ids() == [f"test_user.py::test_user[{m}-{v}]" for m in ("alexnet", "vgg16") for v in ("cpu", "onednn")]
    run().assert_outcomes(passed=4)


@pytest.mark.parametrize("fixture", ["training_engine", "inference_engine", "exported_model"])
def test_a_fixture_that_fails_is_an_error_without_a_traceback_of_ours(
    run: Session, plant: Callable[..., None], fixture: str
) -> None:
    run.write("pytest.ini", "[pytest]\npaddle_model = alexnet\n")
    run.write("test_user.py", f"def test_user({fixture}): pass\n")
    plant(f"alexnet/{fixture.replace('exported_model', 'export')}")
    result = run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["alexnet*is planted to fail.", "  again: * pytest 'test_user.py::test_user?alexnet*"])
    result.stdout.no_fnmatch_line("*fixtures.py*")


@pytest.mark.parametrize("scope", ["function", "class", "module", "package", "session"])
def test_autouse_fixtures_of_a_conftest_surround_the_items(run: Session, scope: str) -> None:
    run.write(
        "conftest.py",
        f"import pytest\n@pytest.fixture(autouse=True, scope={scope!r})\ndef around():\n"
        "    with open('around', 'a') as file:\n        file.write('+')\n    yield\n",
    )
    run(MODEL, "--paddle-model=vgg16").assert_outcomes(passed=6)
    times = len((run.path / "around").read_text())
    # pytest gives a function without a class its own class scope or its module's, by version
    assert times in {"function": (6,), "class": (2, 6), "module": (2,), "package": (1, 2), "session": (1,)}[scope]


def test_hooks_of_the_root_conftest_see_the_items(run: Session) -> None:
    run.write(
        "conftest.py",
        "def pytest_runtest_setup(item): item.user_properties.append(('seen', item.nodeid))\n"
        "def pytest_collection_modifyitems(items): items.reverse()\n",
    )
    run(MODEL, "--junitxml=junit.xml").assert_outcomes(passed=3)
    assert run.checkpoints() == ["alexnet/log/cpu", "alexnet/parity/cpu", "alexnet/artifacts"]
    assert 'name="seen" value="paddle-model/alexnet::test_artifacts"' in (run.path / "junit.xml").read_text()


def test_fixtures_are_listed_with_their_documentation(run: Session) -> None:
    text = run("--fixtures").stdout.str()
    for name in ("sample_images", "exported_model", "training_engine", "inference_engine", "paddle_model", "paddle_variant"):
        assert f"\n{name} -- " in text
    assert "_paddle_conformance" not in text


def test_the_engine_in_this_process_is_refused_where_another_python_is_asked_for(run: Session) -> None:
    """It would pass on this Paddle, below a summary that names the other."""
    run.write("pytest.ini", "[pytest]\npaddle_model = alexnet\n")
    run.write("test_user.py", "def test_user(inference_engine): pass\ndef test_other(training_engine, exported_model): pass\n")
    other = f"--paddle-python={sys.executable}"
    result = run(other)
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            f"alexnet, cpu: the fixture inference_engine is in this process, and cannot be of {sys.executable} (--paddle-python).",
            "  to do: prove the other Paddle with the checkpoints (--paddle-model, or the marker paddle_infer_parity), or run",
            "         this test without --paddle-python.",
        ]
    )
    result = run(other, "--paddle-allow-missing", "-rs")
    result.assert_outcomes(skipped=1, passed=1)
    result.stdout.fnmatch_lines([f"*the fixture inference_engine is in this process, and cannot be of {sys.executable}"])
    assert run.calls("inference_engine") == []


@pytest.mark.parametrize("how", ["items", "marker", "imported"])
def test_an_export_fixture_that_forgets_its_return_tests_no_other_export(run: Session, how: str) -> None:
    run.write("conftest.py", EXPORT.replace("    return tmp_path\n", ""))
    result = run(*start(run, how))
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "exported_model returned None: return the directory of the export." in result.stdout.str()
    assert run.checkpoints() == []
    run.write("test_engine.py", "def test_engine(inference_engine): pass\n")
    run("test_engine.py", MODEL, "-k", "test_engine").assert_outcomes(errors=1)


@pytest.mark.parametrize(
    ("value", "kind"), [("None", "None"), ("3", "a int"), ("'pictures'", "a str"), ("{'a': 1}", "a dict"), ("b'a'", "a bytes")]
)
def test_samples_that_are_no_list_fail_in_one_sentence(run: Session, value: str, kind: str) -> None:
    run.write("conftest.py", SAMPLES.replace("[[1.0], [2.0], [3.0]]", value))
    result = run(MODEL)
    result.assert_outcomes(failed=3)
    said = f"the samples are {kind}, not a list: images, or the fixture sample_images, gives one, even of one sample."
    result.stdout.fnmatch_lines([f"*{said}*"])
    result.stdout.no_fnmatch_line("*Error*")


def test_checkpoints_by_hand_need_no_variant_of_the_test(run: Session) -> None:
    run.write(
        "test_user.py",
        "import pytest\n@pytest.mark.paddle_infer_parity(model='alexnet', checkpoints=[])\n"
        "def test_user(paddle_checkpoints, paddle_model): paddle_checkpoints.parity(paddle_model, 'onednn')\n",
    )
    run().assert_outcomes(passed=1)
    assert run.checkpoints() == ["alexnet/parity/onednn"]
