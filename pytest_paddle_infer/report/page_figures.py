"""Figures of report.html: a chart with its title, its legend, its words and its numbers; and who draws it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Callable, Optional

from pytest_paddle_infer.report.markup import table, text
from pytest_paddle_infer.report.plots import Figure, legend

Draw = Optional[Callable[[Figure], str]]
"""Makes `<svg>` of a figure; None where there is no library that draws."""

MISSING = "There are no charts, because pygal is not installed: pip install 'pytest-paddle-infer[report]'. Their numbers are in the tables."


def drawing() -> tuple[Draw, str]:
    """Returns `charts.draw`; or None, and why there are no charts. pygal is imported here, because only a report needs it."""
    if find_spec("pygal") is None:
        return None, MISSING
    try:
        from pytest_paddle_infer.report.charts import draw
    except Exception as error:  # whatever a library of others does when it is imported
        why = f"pygal cannot be imported ({type(error).__name__}: {error})"
        return None, f"There are no charts, because {why}: pip install -U pygal. Their numbers are in the tables."
    return draw, ""


def figure(shown: Figure, whose: str, draw: Draw) -> Iterator[str]:
    """One figure; only its numbers where nothing can be drawn. whose: sets it apart from the same figure of another model."""
    yield '<figure class="plot">'
    yield f"<figcaption><strong>{text(shown.title)}</strong><br>{text(shown.caption)}</figcaption>"
    if draw is not None:
        yield draw(shown)
        yield '<ul class="legend">'
        yield from (f'<li><span class="key {colour} {look}"></span>{text(name)}</li>' for name, colour, look in legend(shown.chart))
        yield "</ul>"
    yield f'<details><summary>Numbers<span class="hidden"> of {text(shown.title)}, {text(whose)}</span></summary>'
    first = sum(column in ("variant", "engine", "output", "number", "layer", "kind") for column in shown.head)
    yield from table(f"{shown.title}, {whose}", shown.head, (map(text, row) for row in shown.rows), figures=first)
    yield f'<p class="faint">In report.json: <code>{text(shown.source)}</code></p></details>'
    yield "</figure>"
