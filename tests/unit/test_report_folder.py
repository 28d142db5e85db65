"""The directory of a report: one run's files or none, whatever two runs do at once, and nobody else's files touched."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pytest_paddle_infer.failures import OptionError
from pytest_paddle_infer.report import folder
from pytest_paddle_infer.report.json_text import to_json_text

PAGE, INDEX, SUMMARY = "report.html", "report.json", "summary.md"


def texts(run: str) -> dict[str, str]:
    return dict.fromkeys((INDEX, PAGE, SUMMARY), f"pytest-paddle-infer {run}")


def runs(directory: Path) -> set[str]:
    return {(directory / name).read_text().split()[1] for name in folder.NAMES}


def test_a_directory_is_made_and_holds_the_files_alone(tmp_path: Path) -> None:
    folder.write(tmp_path / "a" / "b", texts("1"))
    assert sorted(os.listdir(tmp_path / "a" / "b")) == sorted(folder.NAMES)


def test_a_file_that_the_new_run_does_not_write_goes(tmp_path: Path) -> None:
    folder.write(tmp_path, texts("1"))
    folder.write(tmp_path, {name: text for name, text in texts("2").items() if name != PAGE})
    assert sorted(os.listdir(tmp_path)) == [INDEX, SUMMARY]


def test_runs_that_end_together_never_mix(tmp_path: Path) -> None:
    seen: list[set[str]] = []

    def work(run: str) -> None:
        for _ in range(20):
            folder.write(tmp_path, texts(run))
            with folder._alone(tmp_path):
                seen.append(runs(tmp_path))

    threads = [threading.Thread(target=work, args=(run,)) for run in "abc"]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert len(seen) == 60
    assert {len(each) for each in seen} == {1}


@contextmanager
def dying_at(last: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The run dies before it puts this file there."""
    replace = Path.replace

    def die(path: Path, target: Path) -> Path:
        if target.name == last:
            raise KeyboardInterrupt
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        try:
            yield
        except KeyboardInterrupt:
            return
    pytest.fail(f"it never came to {last}")


@pytest.mark.parametrize("last", [PAGE, SUMMARY, INDEX])
def test_a_run_that_dies_while_it_replaces_leaves_no_index_and_the_next_cleans_up(
    tmp_path: Path, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write(tmp_path, texts("1"))
    with dying_at(last, monkeypatch):
        folder.write(tmp_path, texts("2"))
    assert not (tmp_path / INDEX).exists()
    folder.write(tmp_path, texts("3"))
    assert runs(tmp_path) == {"3"}
    assert sorted(os.listdir(tmp_path)) == sorted(folder.NAMES)


def test_a_name_that_looks_like_a_part_but_is_none_stays(tmp_path: Path) -> None:
    for name in (".report.json.1.0123abcd.part", ".report.json.part", "report.json.1.0123abcd.part"):
        (tmp_path / name).write_text("x")
    folder.write(tmp_path, texts("1"))
    assert sorted(os.listdir(tmp_path)) == sorted([*folder.NAMES, ".report.json.part", "report.json.1.0123abcd.part"])


def test_a_foreign_file_is_refused_before_anything_changes(tmp_path: Path) -> None:
    folder.write(tmp_path, texts("1"))
    (tmp_path / SUMMARY).write_text("mine")
    with pytest.raises(OptionError, match=r"summary\.md is not a file of an earlier report"):
        folder.write(tmp_path, texts("2"))
    assert (tmp_path / INDEX).read_text().endswith(" 1")
    assert (tmp_path / SUMMARY).read_text() == "mine"


@pytest.mark.parametrize("kind", ["directory", "dangling link"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / INDEX
    path.mkdir() if kind == "directory" else path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(OptionError, match="is not a file of an earlier report"):
        folder.check(tmp_path)


def test_text_that_is_no_unicode_is_written_all_the_same(tmp_path: Path) -> None:
    folder.write(tmp_path, {INDEX: "pytest-paddle-infer \udce4"})
    assert (tmp_path / INDEX).read_text() == "pytest-paddle-infer \\udce4"


# -- copies of what the tests left -------------------------------------------------------------------------------------

ONE, TWO = "1" * 16, "2" * 16


def copied(directory: Path) -> dict[str, str]:
    found = {path.relative_to(directory).as_posix(): path.read_text() for path in directory.rglob("*") if path.is_file()}
    assert found.pop(folder.MARKER) == "pytest-paddle-infer"
    return found


def test_copies_lie_in_a_directory_of_the_run_and_replace_those_of_the_run_before(tmp_path: Path) -> None:
    folder.write(tmp_path, texts("1"), ONE, {"net/cpu/a.log": b"one", "net/cpu/b.npy": b"two"})
    assert copied(tmp_path / f"files-{ONE}") == {"net/cpu/a.log": "one", "net/cpu/b.npy": "two"}
    folder.write(tmp_path, texts("2"), TWO, {"net/cpu/a.log": b"new"})
    assert sorted(os.listdir(tmp_path)) == [f"files-{TWO}", *sorted(folder.NAMES)]
    assert copied(tmp_path / f"files-{TWO}") == {"net/cpu/a.log": "new"}
    folder.write(tmp_path, texts("3"), ONE)
    assert sorted(os.listdir(tmp_path)) == sorted(folder.NAMES)


def test_what_is_named_nearly_so_stays(tmp_path: Path) -> None:
    names = ["files", "files-1", f"files-{ONE}0", f"files-{'G' * 16}", f"my-files-{ONE}"]
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / f"files-{TWO}").write_text("a file")
    (tmp_path / f"files-{'3' * 16}").symlink_to(tmp_path / "files")
    folder.write(tmp_path, texts("1"), ONE, {"a": b"1"})
    assert set(os.listdir(tmp_path)) - set(folder.NAMES) == {*names, f"files-{ONE}", f"files-{TWO}", f"files-{'3' * 16}"}


def test_a_directory_of_somebody_else_with_such_a_name_stays_with_what_is_in_it(tmp_path: Path) -> None:
    mine, marked = tmp_path / f"files-{TWO}", tmp_path / f"files-{'3' * 16}"
    for directory in (mine, marked):
        directory.mkdir()
        (directory / "mine.txt").write_text("mine")
    (marked / folder.MARKER).write_text("another program")
    folder.write(tmp_path, texts("1"), ONE, {"a": b"1"})
    folder.write(tmp_path, texts("2"))
    assert sorted(os.listdir(tmp_path)) == [mine.name, marked.name, *sorted(folder.NAMES)]
    assert (mine / "mine.txt").read_text() == (marked / "mine.txt").read_text() == "mine"


def test_copies_whose_marker_was_lost_are_known_by_the_report_that_is_replaced(tmp_path: Path) -> None:
    """Programs that carry reports from machine to machine leave out hidden files."""
    index = {INDEX: to_json_text({"generator": "pytest-paddle-infer 0", "schema_version": "1.0", "run": ONE, "tests": []})}
    folder.write(tmp_path, {**texts("1"), **index}, ONE, {"a": b"1"})
    (tmp_path / f"files-{ONE}" / folder.MARKER).unlink()
    folder.write(tmp_path, texts("2"))
    assert sorted(os.listdir(tmp_path)) == sorted(folder.NAMES)


def test_each_file_is_on_the_disk_before_it_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a disk that is full, a quota or a network disk may tell only at fsync."""
    synced: list[str] = []

    def sync(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").resolve().name)
        assert not (tmp_path / INDEX).exists()

    monkeypatch.setattr(os, "fsync", sync)
    folder.write(tmp_path, texts("1"), ONE, {"a": b"1"})
    names = [re.sub(r"^\.(.+)\.\d+\.[0-9a-f]{8}\.part$", r"\1", name) for name in synced]
    assert sorted(names) == sorted([*folder.NAMES, folder.MARKER, "a"])


def test_a_disk_that_fails_at_a_copy_leaves_the_run_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write(tmp_path, texts("1"), ONE, {"a": b"1"})
    with monkeypatch.context() as patch:
        patch.setattr(folder, "_write", _full_at("b"))
        with pytest.raises(OSError, match="full"):
            folder.write(tmp_path, texts("2"), TWO, {"a": b"2", "b": b"2"})
    assert runs(tmp_path) == {"1"}
    assert sorted(os.listdir(tmp_path)) == [f"files-{ONE}", *sorted(folder.NAMES)]
    assert copied(tmp_path / f"files-{ONE}") == {"a": "1"}


def _full_at(name: str) -> Any:
    write = folder._write

    def fail(path: Path, content: bytes) -> None:
        if path.name == name:
            raise OSError("full")
        write(path, content)

    return fail


@pytest.mark.parametrize("last", [f"files-{TWO}", PAGE, INDEX])
def test_a_run_that_dies_while_it_replaces_leaves_copies_that_the_next_removes(
    tmp_path: Path, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write(tmp_path, texts("1"), ONE, {"a": b"1"})
    with dying_at(last, monkeypatch):
        folder.write(tmp_path, texts("2"), TWO, {"a": b"2"})
    assert not (tmp_path / INDEX).exists()
    folder.write(tmp_path, texts("3"), "3" * 16, {"a": b"3"})
    assert sorted(os.listdir(tmp_path)) == [f"files-{'3' * 16}", *sorted(folder.NAMES)]


def test_parts_of_copies_of_a_run_that_was_killed_go(tmp_path: Path) -> None:
    part = tmp_path / f".files-{ONE}.77.0123abcd.part"
    (part / "net").mkdir(parents=True)
    (part / "net" / "a").write_text("half")
    folder.write(tmp_path, texts("1"))
    assert not part.exists()


def test_copies_of_runs_that_end_together_never_mix(tmp_path: Path) -> None:
    seen: list[tuple[set[str], list[str], set[str]]] = []

    def work(run: str) -> None:
        for number in range(15):
            folder.write(tmp_path, texts(run), f"{run}{number:015x}", {"a": run.encode(), "b/c": run.encode()})
            with folder._alone(tmp_path):
                places = [name for name in os.listdir(tmp_path) if name.startswith("files-")]
                seen.append((runs(tmp_path), places, {*copied(tmp_path / places[0]).values()}))

    threads = [threading.Thread(target=work, args=(run,)) for run in "123"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 45
    for found, places, contents in seen:
        (run,) = found
        assert [place[:7] for place in places] == [f"files-{run}"]
        assert contents == {run}
