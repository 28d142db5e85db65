"""A printed id is an argument: from the root, from a subdirectory, as an absolute path, with and without the option."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Callable

import pytest

if TYPE_CHECKING:
    from conftest import Session

MODEL = "--paddle-model=alexnet"
ID = "paddle-model/alexnet::test_log[cpu]"


@pytest.fixture
def root(run: Session, plant: Callable[..., None]) -> Session:
    run.write("pytest.ini", "[pytest]")
    run.write("sub/keep", "")
    plant("alexnet/log/cpu")
    return run


@pytest.mark.parametrize("where", [".", "sub"])
@pytest.mark.parametrize("kind", ["printed", "with the option", "absolute"])
def test_a_printed_id_runs_that_one_checkpoint_again(root: Session, monkeypatch: pytest.MonkeyPatch, where: str, kind: str) -> None:
    monkeypatch.chdir(root.path / where)
    found = re.search(r"^FAILED (\S+)", root(MODEL).stdout.str(), re.MULTILINE)
    assert found is not None
    assert found[1] == (ID if where == "." else f"../{ID}")
    args = {"printed": (found[1],), "with the option": (MODEL, found[1]), "absolute": (f"{root.path}/{ID}",)}[kind]
    root(*args).assert_outcomes(failed=1)
    assert root.checkpoints()[3:] == ["alexnet/log/cpu"]


def test_the_id_of_the_reproduce_line_is_understood_in_a_subdirectory(root: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root.path / "sub")
    root(ID).assert_outcomes(failed=1)
    root(f"./{ID}").assert_outcomes(failed=1)


def test_several_ids_and_a_user_file_run_together(run: Session) -> None:
    run.write("test_user.py", "def test_user(): pass")
    args = ("paddle-model/vgg16::test_artifacts", "test_user.py", "paddle-model/alexnet::test_log[cpu]")
    run(*args, "paddle-model/vgg16::test_log[cpu]").assert_outcomes(passed=4)
    assert run.checkpoints() == ["vgg16/artifacts", "vgg16/log/cpu", "alexnet/log/cpu"]


def test_an_id_of_a_variant_needs_no_variant_option(run: Session) -> None:
    run("paddle-model/alexnet::test_parity[onednn]").assert_outcomes(passed=1)
    assert run.checkpoints() == ["alexnet/parity/onednn"]


def test_an_id_without_a_checkpoint_is_the_whole_model(run: Session) -> None:
    run("paddle-model/alexnet").assert_outcomes(passed=3)
    run("paddle-model/alexnet/").assert_outcomes(passed=3)
    run("paddle-model/mobilenet*").assert_outcomes(passed=6)


def test_an_id_narrows_the_option_as_a_files_id_narrows_the_file(run: Session) -> None:
    assert run.ids("--paddle-model=mobilenet*", "paddle-model/mobilenet_v1::test_artifacts") == [
        "paddle-model/mobilenet_v1::test_artifacts",
        "paddle-model/mobilenet_v2::test_artifacts",
        "paddle-model/mobilenet_v2::test_parity[cpu]",
        "paddle-model/mobilenet_v2::test_log[cpu]",
    ]


@pytest.mark.parametrize("tail", ["nope", "test_parity", "test_artifacts[cpu]", "test_log[gpu9]", "test_log[]", "test_log[cpu]x"])
def test_an_id_that_does_not_exist_is_a_usage_error_that_says_which_do(run: Session, tail: str) -> None:
    message = run.usage_error(f"paddle-model/alexnet::{tail}")
    assert f"not found: paddle-model/alexnet::{tail} (there are test_artifacts, test_parity[VARIANT]" in message
    assert "variants are cpu, cpu-noopt, onednn," in message


def test_an_id_of_an_unknown_model_is_a_usage_error_with_near_matches(run: Session) -> None:
    assert "unknown model 'alexnt'. Did you mean 'alexnet'?" in run.usage_error("paddle-model/alexnt::test_artifacts")


def test_a_real_directory_called_paddle_model_is_left_to_pytest(run: Session) -> None:
    run.write("paddle-model/test_mine.py", "def test_mine(): pass")
    run("paddle-model").assert_outcomes(passed=1)
    run("paddle-model/test_mine.py::test_mine").assert_outcomes(passed=1)
    run("paddle-model/alexnet").assert_outcomes(passed=3)
