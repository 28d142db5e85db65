"""pytest's own ways of choosing tests work on items that have no file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

import pytest

if TYPE_CHECKING:
    from conftest import Session

MODEL = "--paddle-model=alexnet"


@pytest.mark.parametrize(
    ("args", "outcomes"),
    [
        (("-k", "test_parity"), {"passed": 1, "deselected": 3}),  # "parity" alone is in the name of the items' marker
        (("-k", "alexnet and not log"), {"passed": 2, "deselected": 2}),
        (("-k", "user"), {"passed": 1, "deselected": 3}),
        (("-k", "paddle-model"), {"passed": 3, "deselected": 1}),
        (("-k", "not paddle-model"), {"passed": 1, "deselected": 3}),
        (("-k", "paddle-model/alexnet and log"), {"passed": 1, "deselected": 3}),
        (("-m", "paddle_infer_parity"), {"passed": 3, "deselected": 1}),
        (("-m", "not paddle_infer_parity"), {"passed": 1, "deselected": 3}),
        (("--deselect", "paddle-model/alexnet::test_log[cpu]"), {"passed": 3, "deselected": 1}),
        (("--deselect", "paddle-model/alexnet"), {"passed": 1, "deselected": 3}),
        (("--maxfail=1",), {"passed": 4}),
        (("--import-mode=importlib",), {"passed": 4}),
        (("--import-mode=append",), {"passed": 4}),
        (("-p", "no:cacheprovider"), {"passed": 4}),
        (("-p", "no:warnings"), {"passed": 4}),
        (("-p", "no:xdist"), {"passed": 4}),
        (("--strict-markers", "--strict-config"), {"passed": 4}),
        (("test_user.py",), {"passed": 4}),
        (("paddle-model/vgg16", "test_user.py"), {"passed": 7}),
    ],
    ids=" ".join,
)
def test_selection(run: Session, args: tuple[str, ...], outcomes: dict[str, int]) -> None:
    run.write("test_user.py", "def test_user(): pass")
    result = run(MODEL, *args)
    result.assert_outcomes(**outcomes)
    assert result.ret == 0


def test_stepwise_stops_at_the_failing_checkpoint_and_resumes_there(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/parity/cpu")
    run(MODEL, "--sw").assert_outcomes(passed=1, failed=1)
    run(MODEL, "--sw").assert_outcomes(failed=1, deselected=1)
    plant()
    run(MODEL, "--sw").assert_outcomes(passed=2, deselected=1)


def test_failed_first_runs_the_failed_checkpoint_first(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/log/cpu")
    run(MODEL)
    before = len(run.checkpoints())
    run(MODEL, "--ff").assert_outcomes(passed=2, failed=1)
    assert run.checkpoints()[before:] == ["alexnet/log/cpu", "alexnet/artifacts", "alexnet/parity/cpu"]


def test_last_failed_runs_only_the_failed_checkpoint(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/parity/cpu")
    run(MODEL, "--paddle-model=vgg16").assert_outcomes(passed=5, failed=1)
    run(MODEL, "--paddle-model=vgg16", "--lf").assert_outcomes(failed=1, deselected=5)
    plant()
    run(MODEL, "--paddle-model=vgg16", "--lf").assert_outcomes(passed=1, deselected=5)


def test_last_failed_beside_a_failing_user_file_keeps_both(run: Session, plant: Callable[..., None]) -> None:
    run.write("test_user.py", "def test_user(): assert 0\ndef test_ok(): pass")
    run.write("test_good.py", "def test_good(): pass")
    plant("alexnet/parity/cpu")
    run(MODEL).assert_outcomes(passed=4, failed=2)
    run(MODEL, "--lf").assert_outcomes(failed=2, deselected=2)


def test_last_failed_from_a_subdirectory_keeps_the_model(
    run: Session, plant: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    run.write("pytest.ini", "[pytest]")
    run.write("tests/test_user.py", "def test_bad(): assert 0\n")
    run.write("sub/keep", "")
    monkeypatch.chdir(run.path / "sub")
    plant("alexnet/log/cpu")
    run(MODEL, "../tests").assert_outcomes(passed=2, failed=2)
    run(MODEL, "../tests", "--lf").assert_outcomes(failed=2, deselected=2)


def test_exitfirst_stops_after_the_first_failing_checkpoint(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/artifacts", "alexnet/parity/cpu")
    run(MODEL, "-x").assert_outcomes(failed=1)


def test_durations_and_setup_show_work_on_the_items(run: Session) -> None:
    run(MODEL, "--setup-show", "--durations=3").assert_outcomes(passed=3)


def test_without_a_terminal_plugin_the_checkpoints_still_run(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/parity/cpu")
    assert run(MODEL, "-p", "no:terminal").ret == pytest.ExitCode.TESTS_FAILED
    assert run.checkpoints() == ["alexnet/artifacts", "alexnet/parity/cpu", "alexnet/log/cpu"]


def test_a_disabled_plugin_leaves_a_suite_as_it_is(run: Session) -> None:
    run.write("test_user.py", "def test_user(): pass")
    result = run("-p", "no:paddle_infer")
    result.assert_outcomes(passed=1)
    assert run("-p", "no:paddle_infer", MODEL).ret == pytest.ExitCode.USAGE_ERROR
