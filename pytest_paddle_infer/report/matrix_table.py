"""The matrix report as lines of text. Pure functions; `report/terminal.py` prints what they return."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pytest_paddle_infer.report.cells import fastest, legend
from pytest_paddle_infer.report.matrix import Accuracy, Matrix, Row, of_its_limit
from pytest_paddle_infer.report.matrix_file import to_json

_NONE = "-"


def lines(matrices: Sequence[Matrix]) -> list[str]:
    """Returns a table for each model with something to compare, its fastest variant, those that are not available, and a legend.

    Nothing for models with one variant, or none that was timed: the summary says it all.
    """
    shown: list[str] = []
    tables = [matrix for matrix in matrices if _worth_a_table(matrix)]
    for matrix in tables:
        shown.extend(("", *_table(matrix)))
        (model,) = to_json([matrix])["models"]
        if told := fastest(model):
            shown.append(told)
    shown.extend(_unavailable(matrices))
    shown.extend(dict.fromkeys(line for matrix in tables if matrix.objectives for line in _legend(matrix)))
    if any(row.failed and row.ran for matrix in tables for row in matrix.rows):
        shown.append("! a checkpoint failed: not compared")
    return shown


def _timed(matrix: Matrix) -> list[Row]:
    return [row for row in matrix.rows if row.speed.p50_ms]


def _worth_a_table(matrix: Matrix) -> bool:
    return len(_timed(matrix)) > 1 or (bool(_timed(matrix)) and any(row.unavailable for row in matrix.rows))


def _table(matrix: Matrix) -> Iterator[str]:
    rows = [row for row in matrix.rows if row.ran]
    counts = sorted({f"{row.speed.batches:.0f}" for row in rows if row.speed.batches}, key=int)
    many = " to ".join(counts[:1] + counts[1:][-1:])
    shapes = max((row.speed.shapes or 0 for row in rows), default=0)
    in_shapes = f" in {shapes:.0f} shapes" if shapes else ""
    yield f"{matrix.model}: {many} timed batches of {matrix.batch_size} sample{'s' * (matrix.batch_size != 1)}{in_shapes}"
    columns = [("  variant", [f"{_mark(row)} {row.variant}" for row in rows]), *_columns(rows)]
    columns = [(title, cells) for title, cells in columns if set(cells) != {_NONE}]
    widths = [max(map(len, (title, *cells))) for title, cells in columns]
    for line in ([title for title, _ in columns], *zip(*(cells for _, cells in columns))):
        first, *others = line
        yield "  ".join([first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:]))]).rstrip()


def _mark(row: Row) -> str:
    return "!" if row.failed else "*" if row.pareto_best else " "


def _columns(rows: Sequence[Row]) -> Iterator[tuple[str, list[str]]]:
    yield "worst / limit", [_worst(row.accuracy) for row in rows]
    yield "answers", [_answers(row.accuracy) for row in rows]
    yield "p50 ms", _aligned([row.speed.p50_ms for row in rows])
    yield "spread ms", _aligned([row.speed.spread_ms for row in rows], 2)
    yield "p99 ms", _aligned([row.speed.p99_ms for row in rows])
    yield "samples/s", _aligned([row.throughput for row in rows])
    yield "x training", [_factor(row.over_training) for row in rows]
    yield "x cpu", [_factor(row.over_cpu) for row in rows]
    yield "first ms", _aligned([row.speed.first_ms for row in rows])
    yield "load s", _aligned([row.speed.load_s for row in rows], 2)
    yield "MB", _aligned([row.speed.memory_mb for row in rows])
    yield "GPU MB", _aligned([row.speed.gpu_memory_mb for row in rows])


def _aligned(values: Sequence[float | None], digits: int = 3) -> list[str]:
    """Numbers with as many decimals as the smallest needs for its digits, four at most, so that their points stand in line."""
    smallest = min((abs(value) for value in values if value), default=1.0)
    decimals = min(4, max(0, digits - 1 - math.floor(math.log10(smallest))))
    return [_NONE if value is None else f"{value:.{decimals}f}" for value in values]


def _factor(value: float | None) -> str:
    return _NONE if value is None else f"{value:.2f}"


def _worst(accuracy: Accuracy) -> str:
    if accuracy.output_error is None:
        return _NONE
    error, limit = accuracy.output_error, accuracy.output_limit
    return of_its_limit(f"{error:.3g}" if math.isfinite(error) else None, limit, _NONE if limit is None else f"{limit:.2g}")


def _answers(accuracy: Accuracy) -> str:
    if accuracy.agreed is None or accuracy.compared is None:
        return _NONE
    return f"{accuracy.agreed:.0f}/{accuracy.compared:.0f}" if accuracy.compared else f"{_NONE} (none compared)"


def _unavailable(matrices: Sequence[Matrix]) -> Iterator[str]:
    """A line for each variant and reason; it names the models only where others have the variant."""
    models = list(dict.fromkeys(matrix.model for matrix in matrices))
    found: dict[tuple[str, str], dict[str, None]] = {}
    for matrix in matrices:
        for row in matrix.rows:
            if row.unavailable:
                found.setdefault((row.variant, row.unavailable), {})[matrix.model] = None
    for (variant, reason), where in found.items():
        who = variant if len(where) == len(models) else f"{', '.join(where)}, {variant}"
        yield f"{who}: not available: {reason}"


def _legend(matrix: Matrix) -> Iterator[str]:
    best, equal = legend(matrix.objectives)
    yield f"* {best}"
    yield f"  {equal}"
