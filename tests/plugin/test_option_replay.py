"""--paddle-replay: an item for each kept folder, whose printed id is an argument too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from pytest_paddle_infer import replaying
from pytest_paddle_infer.evidence.arrays import EvidenceError

if TYPE_CHECKING:
    from conftest import Session

ONE, TWO = "paddle-replay/kept/one::test_replay", "paddle-replay/kept/two::test_replay"


@pytest.fixture
def kept(run: Session) -> Session:
    """Two folders below `kept`, and what else lies there."""
    run.write("pytest.ini", "[pytest]")
    for name in ("two", "one"):
        run.write(f"kept/{name}/verdict.json", "{}")
    run.write("kept/notes/read.me", "")
    run.write("kept/.part/verdict.json", "{}")
    run.write("sub/keep", "")
    run.write("test_user.py", "def test_user(): pass")
    return run


def replayed(run: Session) -> list[str]:
    return [Path(entry["folder"]).relative_to(run.path).as_posix() for entry in run.calls("replay")]


# -- items -------------------------------------------------------------------------------------------------------------


def test_each_folder_below_the_directory_is_an_item_after_the_users_tests(kept: Session) -> None:
    assert kept.ids("--paddle-replay=kept") == ["test_user.py::test_user", ONE, TWO]
    assert kept.calls() == []


def test_a_folder_itself_is_one_item_and_the_option_may_be_repeated(kept: Session) -> None:
    assert kept.ids("--paddle-replay=kept/two", "--paddle-replay=kept/one", "--paddle-replay=kept/two")[1:] == [TWO, ONE]
    kept("--paddle-replay=kept/two").assert_outcomes(passed=2)
    assert replayed(kept) == ["kept/two"]


def test_a_green_folder_is_told_at_the_end(kept: Session) -> None:
    result = kept("--paddle-replay=kept/two")
    result.stdout.fnmatch_lines(["paddle replay: kept/two", "*= paddle replay =*", "two no longer differs."])


def test_a_red_folder_says_its_cause_without_a_traceback(kept: Session, plant: Callable[..., None]) -> None:
    plant("replay/one")
    result = kept("--paddle-replay=kept", "--paddle-timeout=7")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "one: the replay is planted to fail.",
            "*Paddle: 3.3.1 then",
            f"*folder: {kept.path}/kept/one",
            "*to do:  plant nothing.",
            f"*again:  pytest {ONE} --paddle-timeout=7",
            f"FAILED {ONE}*",
        ]
    )
    result.stdout.no_fnmatch_line("*replay_items.py*")
    result.stdout.no_fnmatch_line("*= paddle inference =*")
    assert {entry["timeout"] for entry in kept.calls("replay")} == {7.0}


def test_a_damaged_folder_says_what_to_do(kept: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: object) -> str:
        raise EvidenceError("kept/one is damaged: training.npz is missing.", "copy the whole folder again.")

    monkeypatch.setattr(replaying, "replay", damaged)
    result = kept("--paddle-replay=kept/one")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["kept/one is damaged: training.npz is missing.", "*to do:  copy the whole folder again."])
    result.stdout.no_fnmatch_line("*replay_items.py*")


def test_a_variant_that_cannot_run_here_is_skipped_with_the_reason(kept: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_MISSING", "replay/one")
    result = kept("--paddle-replay=kept", "-rs")
    result.assert_outcomes(passed=2, skipped=1)
    result.stdout.fnmatch_lines(["*= paddle replay =*", "skipped: *"])
    result.stdout.fnmatch_lines(["SKIPPED*not available here: no GPU."])


def test_selecting_works_as_on_any_item(kept: Session, plant: Callable[..., None]) -> None:
    kept("--paddle-replay=kept", "-k", "two").assert_outcomes(passed=1, deselected=2)
    assert replayed(kept) == ["kept/two"]
    kept("--paddle-replay=kept", f"--deselect={ONE}").assert_outcomes(passed=2, deselected=1)


def test_last_failed_runs_the_red_folder_alone(kept: Session, plant: Callable[..., None]) -> None:
    plant("replay/two")
    kept("--paddle-replay=kept").assert_outcomes(passed=2, failed=1)
    kept("--paddle-replay=kept", "--lf").assert_outcomes(failed=1)
    assert replayed(kept) == ["kept/one", "kept/two", "kept/two"]


def test_models_and_folders_run_in_one_session(kept: Session) -> None:
    kept("--paddle-model=alexnet", "--paddle-replay=kept").assert_outcomes(passed=6)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_xdist_spreads_the_folders(kept: Session, workers: str) -> None:
    result = kept.apart("--paddle-replay=kept", "-n", workers)
    result.assert_outcomes(passed=3)
    assert sorted(replayed(kept)) == ["kept/one", "kept/two"]
    result.stdout.fnmatch_lines(["*= paddle replay =*"])


def test_collecting_imports_neither_paddle_nor_numpy(kept: Session, pytester: pytest.Pytester) -> None:
    kept.write("lib/paddle/__init__.py", "raise AssertionError('paddle was imported')")
    kept.write("pytest.ini", "[pytest]\npythonpath = lib\n")
    kept.write(
        "conftest.py",
        "import sys\ndef pytest_unconfigure(config):\n    print('imported:', sorted({'numpy', 'paddle', 'PIL'} & set(sys.modules)))\n",
    )
    options = ("-p", "no:hypothesispytest", "-p", "no:anyio", "-p", "no:xdist")
    result = pytester.runpytest_subprocess(*options, "--collect-only", "-q", "--paddle-replay=kept")
    assert [line for line in result.outlines if "::" in line][1:] == [ONE, TWO]
    result.stdout.fnmatch_lines(["imported: []"])


# -- printed ids -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", [".", "sub"])
def test_a_printed_id_replays_that_folder_without_the_option(
    kept: Session, plant: Callable[..., None], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    plant("replay/two")
    monkeypatch.chdir(kept.path / where)
    printed = re.search(r"^FAILED (\S+)", kept(f"--paddle-replay={kept.path}/kept", "-k", "two").stdout.str(), re.MULTILINE)
    assert printed is not None
    kept(printed[1]).assert_outcomes(failed=1)
    kept(TWO).assert_outcomes(failed=1)
    assert replayed(kept) == ["kept/two"] * 3


def test_the_id_of_a_folder_outside_the_rootdir_is_understood(
    kept: Session, plant: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    outside = tmp_path / "elsewhere" / "three"
    outside.mkdir(parents=True)
    (outside / "verdict.json").write_text("{}")
    plant("replay/three")
    for where in (".", "sub"):
        monkeypatch.chdir(kept.path / where)
        printed = re.search(r"^FAILED (\S+)", kept(f"--paddle-replay={outside}", "-k", "three").stdout.str(), re.MULTILINE)
        assert printed is not None
        assert "//" not in printed[1]
        kept(printed[1]).assert_outcomes(failed=1)
    assert {entry["folder"] for entry in kept.calls("replay")} == {str(outside)}


def test_an_id_runs_beside_a_users_file(kept: Session) -> None:
    kept("test_user.py", ONE).assert_outcomes(passed=2)
    kept("test_user.py").assert_outcomes(passed=1)


# -- the ini file ------------------------------------------------------------------------------------------------------


def test_the_ini_value_counts_where_no_test_is_named(kept: Session) -> None:
    kept.write("pytest.ini", "[pytest]\npaddle_replay = kept\n")
    assert kept.ids() == ["test_user.py::test_user", ONE, TWO]
    assert kept.ids("test_user.py") == ["test_user.py::test_user"]
    assert kept.ids(TWO) == [TWO]


# -- usage errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--paddle-replay=none", "--paddle-replay: there is no directory"),
        ("--paddle-replay=sub", "sub holds no verdict.json, nor does a directory in it; it holds keep."),
        ("paddle-replay/kept/none::test_replay", "not found: paddle-replay/kept/none::test_replay"),
        (f"{ONE}s", f"not found: {ONE}s (there is test_replay)."),
    ],
)
def test_what_is_no_kept_folder_is_a_usage_error(kept: Session, option: str, sentence: str) -> None:
    assert sentence in kept.usage_error(option)
    assert kept.calls() == []


def test_a_bad_ini_value_is_named_as_one(kept: Session) -> None:
    kept.write("pytest.ini", "[pytest]\npaddle_replay = none\n")
    assert "ini value paddle_replay: there is no directory" in kept.usage_error()
