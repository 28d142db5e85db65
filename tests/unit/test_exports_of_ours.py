"""kept_exports: what is told of an export of ours."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_paddle_infer.exports import ExportedModel
from pytest_paddle_infer.failures import WorkerFailure
from pytest_paddle_infer.kept_exports import KeptExports


class Played:
    """A store that makes what it is asked for, and a bench whose export ends as `ends` say, one after the other."""

    def __init__(self, directory: Path, *ends: WorkerFailure | None, damage: str = "") -> None:
        self.tries, self._ends, self._damage = 0, list(ends), damage
        self._directory = directory
        self.spec = self.model = SimpleNamespace(name="net", batch_size=1)
        self.left: list[list[str]] = []

    def get(self, key: str, build: Any, wait: float | None = None) -> Any:
        return SimpleNamespace(directory=self._directory, meta=build(self._directory), rebuilt_because=self._damage)

    def once(self, key: str, find: Any) -> Any:
        self.__dict__.setdefault("_known", {})
        if key not in self._known:
            self._known[key] = "key" if key == "key" else find()
        return self._known[key]

    def worker(self, name: str, make: Any) -> Any:
        return SimpleNamespace(submit=lambda *args, **named: None, close=lambda: None)

    def end(self, worker: Any) -> dict[str, Any]:
        self.left.append(sorted(path.name for path in self._directory.iterdir()))
        end = self._ends[self.tries]
        self.tries += 1
        (self._directory / "inference.pdiparams").write_text("")
        if end is not None:
            raise end
        return {"seconds": 1}

    def begin_reference(self, directory: Path, size: int) -> None: ...


def died(kind: str = "signal", detail: str = "the process died of SIGSEGV (signal 11)") -> WorkerFailure:
    return WorkerFailure("export: to_static and jit.save", kind, detail)


def exports_of(played: Played, tmp_path: Path) -> KeptExports:
    options: Any = SimpleNamespace(export_dir=None, timeout=1.0, base=tmp_path)
    progress: Any = SimpleNamespace(step=lambda *args: None)
    return KeptExports(options, played, progress, lambda bench: tmp_path)  # type: ignore[arg-type]


def notes(played: Any, tmp_path: Path) -> tuple[str, ...]:
    kept = exports_of(played, tmp_path)
    return kept.notes(played, kept.of(played))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "entry").mkdir()
    return tmp_path / "entry"


def test_an_export_that_went_well_is_worth_no_note(place: Path, tmp_path: Path) -> None:
    played = Played(place, None)
    assert notes(played, tmp_path) == ()
    assert played.tries == 1


def test_one_that_died_of_a_signal_is_made_again_from_nothing_and_told(place: Path, tmp_path: Path) -> None:
    played = Played(place, died(), None)
    assert notes(played, tmp_path) == (
        "the export was made at the second try: at the first the process died of SIGSEGV (signal 11)",
    )
    assert played.left == [[], []], "what the first try left is gone"


@pytest.mark.parametrize(
    "end",
    [
        died(detail="the process died of SIGKILL (signal 9)"),
        died("exit", "status 3"),
        died("timeout", "5 s"),
        died("exception", "no"),
    ],
)
def test_no_other_end_is_tried_again(place: Path, tmp_path: Path, end: WorkerFailure) -> None:
    played = Played(place, end)
    with pytest.raises(WorkerFailure):
        notes(played, tmp_path)
    assert played.tries == 1


def test_one_that_dies_twice_fails(place: Path, tmp_path: Path) -> None:
    played = Played(place, died(), died())
    with pytest.raises(WorkerFailure):
        notes(played, tmp_path)
    assert played.tries == 2


def test_a_kept_export_that_was_damaged_is_told(place: Path, tmp_path: Path) -> None:
    assert notes(Played(place, None, damage="a file is missing"), tmp_path) == (
        "the kept export was damaged and was made anew (a file is missing)",
    )


def test_an_export_from_elsewhere_is_told_nothing_of(place: Path, tmp_path: Path) -> None:
    played: Any = Played(place, None)
    assert exports_of(played, tmp_path).notes(played, ExportedModel(tmp_path, given=True)) == ()
