"""With pytest-xdist the same outcomes as without, and one export a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sessions import Session, assert_green

COUNTS_EXPORTS = """
import os
from pathlib import Path

from pytest_paddle_infer.engine import export

HERE = Path(__file__).parent
real = export.ExportService.export


def counted(self, directory):
    with open(HERE / "exports.txt", "a") as stream:
        stream.write(f"{self._model.spec.name}\\n")  # one short write in append mode: whole, whoever else writes
    return real(self, directory)


export.ExportService.export = counted
"""

ARGS = ("--paddle-model=shufflenet_v2_x0_*", "--paddle-image-size=64", "--paddle-timeout=120")
MODELS = ["shufflenet_v2_x0_25", "shufflenet_v2_x0_33", "shufflenet_v2_x0_5"]


def test_two_workers_give_the_outcomes_of_one_and_export_each_model_once(
    tmp_path: Path, cache: Path, run_session: Callable[..., Session]
) -> None:
    (tmp_path / "conftest.py").write_text(COUNTS_EXPORTS)
    spread = run_session(tmp_path, *ARGS, "-n", "2", "--paddle-export-dir=copies", timeout=240)
    assert_green(spread, 9)
    assert sorted(path.name for path in (tmp_path / "copies").iterdir()) == MODELS, "whole copies and nothing else"
    assert sorted((tmp_path / "exports.txt").read_text().split()) == MODELS
    store = cache / "pytest-paddle-infer"
    assert len([path for path in store.iterdir() if path.name not in ("tmp", "locks")]) >= 3
    alone = run_session(tmp_path, *ARGS, timeout=240)
    assert alone.outcomes == spread.outcomes
    assert sorted((tmp_path / "exports.txt").read_text().split()) == MODELS, "the second run took the kept exports"
    for name, case in spread.cases.items():
        for figure in ("output_error", "answers", "artifact_bytes"):
            key = f"paddle_infer.{figure}"
            assert case.properties.get(key) == alone.cases[name].properties.get(key), name
    rows = [line for line in spread.output.splitlines() if line.startswith("shufflenet_v2")]
    assert len(rows) >= 3, spread.output
