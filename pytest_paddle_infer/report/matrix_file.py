"""matrix.json: what it says, where it goes, how it gets there whole. `report/terminal.py` calls it, in the process that prints."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pytest_paddle_infer.report.matrix import Matrix, Row

NAME = "matrix.json"

FORMAT = 1
"""Another number once a key changes its meaning or goes."""


def output_root(reports: Iterable[Mapping[str, str]]) -> str | None:
    """Returns the directory below which the checkpoints left their files (MODEL/VARIANT/...); None where they left none."""
    places = []
    for facts in reports:
        if "directory" in facts:
            places.append(os.path.dirname(os.path.dirname(facts["directory"])))
        if "log_file" in facts:
            places.append(os.path.dirname(os.path.dirname(os.path.dirname(facts["log_file"]))))
    return os.path.commonpath(places) if places else None


def write_matrix(directory: Path, content: Mapping[str, Any]) -> Path:
    """Writes `directory`/matrix.json and returns its path: the old file or the new one, never a part. Raises `OSError`."""
    path = directory / NAME
    part = directory / f".{NAME}.{os.getpid()}.{os.urandom(4).hex()}.part"  # another host may have the same process id
    try:
        part.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def to_json(matrices: Iterable[Matrix]) -> dict[str, Any]:
    """Returns the matrices for `json.dumps`; what was not measured is null. Keys are those of the junit file where it has them.

    Keys that end in `_relative` are errors over the largest value of the output, `_mb` are 2**20 bytes, `batches` and `answers_*`
    are counts, `speedup_*` factors; `spread_ms` is the interquartile range of the timed batches,
    `shapes` how many shapes those have, null for one.
    """
    return {"format": FORMAT, "models": [_model_to_json(matrix) for matrix in matrices]}


def _model_to_json(matrix: Matrix) -> dict[str, Any]:
    return {
        "model": matrix.model,
        "batch_size": matrix.batch_size,
        "passed": list(matrix.passed),
        "failed": _failed_to_json(matrix.failed),
        "pareto_objectives": list(matrix.objectives),
        "fastest": list(matrix.fastest),
        "variants": [_row_to_json(row) for row in matrix.rows],
    }


def _row_to_json(row: Row) -> dict[str, Any]:
    accuracy = row.accuracy
    return {
        "variant": row.variant,
        "passed": list(row.passed),
        "failed": _failed_to_json(row.failed),
        "unavailable": row.unavailable or None,
        "pareto_best": row.pareto_best,
        "output_error_relative": finite(accuracy.output_error),
        "output_error_finite": None if accuracy.output_error is None else math.isfinite(accuracy.output_error),
        "output_limit_relative": accuracy.output_limit,
        "output_error_over_limit": finite(accuracy.output_limits),
        "noise_floor_relative": accuracy.noise_floor,
        "answers_agreed": _count(accuracy.agreed),
        "answers_compared": _count(accuracy.compared),
        "answers_near_ties": _count(accuracy.ties),
        **asdict(row.speed),
        "batches": _count(row.speed.batches),
        "shapes": _count(row.speed.shapes),
        "throughput_samples_per_s": _rounded(row.throughput),
        "speedup_over_training": _rounded(row.over_training),
        "speedup_over_cpu": _rounded(row.over_cpu),
    }


def _failed_to_json(failed: Iterable[tuple[str, str]]) -> list[dict[str, str | None]]:
    return [{"checkpoint": name, "cause": cause or None} for name, cause in failed]


def finite(value: float | None) -> float | None:
    """Returns the number; None for infinity and NaN, which JSON has not."""
    return value if value is not None and math.isfinite(value) else None


def _rounded(value: float | None) -> float | None:
    """To the digits that the figures have which it was made of."""
    return None if value is None else float(f"{value:.5g}")


def _count(value: float | None) -> int | None:
    return None if value is None else int(value)
