"""Which items `--paddle-model` adds, their ids and their order; no test file exists anywhere here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Session

FACTORY = "def make():\n    raise AssertionError('collecting called the factory')\n"


def ids(model: str, *variants: str) -> list[str]:
    each = [f"test_{name}[{variant}]" for variant in variants or ("cpu",) for name in ("parity", "log")]
    return [f"paddle-model/{model}::{name}" for name in ("test_artifacts", *each)]


def test_a_model_gives_three_items_and_they_run_in_this_order(run: Session) -> None:
    assert run.ids("--paddle-model=alexnet") == [
        "paddle-model/alexnet::test_artifacts",
        "paddle-model/alexnet::test_parity[cpu]",
        "paddle-model/alexnet::test_log[cpu]",
    ]
    result = run("--paddle-model=alexnet")
    result.assert_outcomes(passed=3)
    assert result.ret == 0
    assert run.checkpoints() == ["alexnet/artifacts", "alexnet/parity/cpu", "alexnet/log/cpu"]
    assert [call["call"] for call in run.calls()][-1] == "close"


def test_variants_come_in_the_order_given_after_one_artifacts_item(run: Session) -> None:
    both = ("--paddle-variant=onednn", "--paddle-variant=cpu", "--paddle-variant=onednn")
    assert run.ids("--paddle-model=alexnet", *both) == ids("alexnet", "onednn", "cpu")
    run("--paddle-model=alexnet", *both).assert_outcomes(passed=5)


def test_repeated_models_come_in_the_order_given_and_each_once(run: Session) -> None:
    chosen = ("--paddle-model=vgg16", "--paddle-model=alexnet", "--paddle-model=vgg16")
    assert run.ids(*chosen) == ids("vgg16") + ids("alexnet")
    run(*chosen).assert_outcomes(passed=6)


def test_a_glob_takes_every_known_name_that_matches(run: Session) -> None:
    assert run.ids("--paddle-model=mobilenet*", "--paddle-model=mobilenet_v2") == ids("mobilenet_v1") + ids("mobilenet_v2")


@pytest.mark.parametrize(
    "reference", ["pkg.nets:make", "nets.py:make", "pkg/nets.py:make", "./nets.py:make", "../nets.py:make", "{here}/nets.py:make"]
)
def test_a_factory_reference_gives_items_whose_printed_ids_run_again(run: Session, reference: str) -> None:
    run.write("nets.py", FACTORY)
    run.write("../nets.py", FACTORY)
    run.write("pkg/__init__.py", "raise AssertionError('collecting imported the package')")
    run.write("pkg/nets.py", FACTORY)
    reference = reference.format(here=run.path)
    assert run.ids(f"--paddle-model={reference}") == ids(reference)
    for printed in ids(reference):
        run(printed).assert_outcomes(passed=1)
    assert run.checkpoints() == [f"{reference}/artifacts", f"{reference}/parity/cpu", f"{reference}/log/cpu"]


def test_a_factory_that_pytest_finds_only_through_its_own_path_is_accepted(run: Session) -> None:
    run.write("lib/nets.py", FACTORY)
    run.write("pytest.ini", "[pytest]\npythonpath = lib\n")
    assert run.ids("--paddle-model=nets:make") == ids("nets:make")


def test_user_tests_come_before_the_items(run: Session) -> None:
    run.write("test_user.py", "def test_user(): pass")
    assert run.ids("--paddle-model=alexnet") == ["test_user.py::test_user", *ids("alexnet")]


def test_the_tree_names_the_model_once(run: Session) -> None:
    result = run("--paddle-model=alexnet", "--collect-only")
    result.stdout.fnmatch_lines(
        ["*<ModelChecks alexnet>", "*<ModelCheck test_artifacts>", "*<ModelCheck test_parity?cpu?>", "*<ModelCheck test_log?cpu?>"]
    )
    result.stdout.fnmatch_lines(["*3 tests collected*"])
    assert run.calls() == []


def test_without_the_option_there_are_no_items(run: Session) -> None:
    assert run().ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_collecting_imports_neither_paddle_nor_numpy(run: Session, pytester: pytest.Pytester) -> None:
    run.write("lib/paddle/__init__.py", "raise AssertionError('paddle was imported')")
    run.write("lib/paddle/vision/__init__.py", "raise AssertionError('paddle.vision was imported')")
    run.write("lib/paddle/vision/models/__init__.py", "raise AssertionError\n__all__ = ['AlexNet', 'alexnet', 'vgg16']")
    run.write("pytest.ini", "[pytest]\npythonpath = lib\n")
    run.write(
        "conftest.py",
        """
        import sys
        def pytest_unconfigure(config):
            print("imported:", sorted({"numpy", "paddle", "PIL", "reprod_log", "psutil"} & set(sys.modules)))
        """.replace("\n        ", "\n"),
    )
    result = pytester.runpytest_subprocess(
        "-p", "no:hypothesispytest", "-p", "no:anyio", "--collect-only", "-q", "--paddle-model=*", "-p", "no:xdist"
    )
    assert [line for line in result.outlines if "::" in line] == ids("alexnet") + ids("vgg16")
    result.stdout.fnmatch_lines(["imported: []"])
