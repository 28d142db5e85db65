"""The models in report.html: the variants side by side, and the figures below them. Pure functions over report.json's content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_paddle_infer.report import cells, plots_of_errors, plots_of_times
from pytest_paddle_infer.report.markup import definitions, state, table, text
from pytest_paddle_infer.report.page_figures import MISSING, Draw, figure
from pytest_paddle_infer.report.plots import Figure, colours_of


def models(content: Mapping[str, Any], draw: Draw, undrawn: str = MISSING) -> Iterator[str]:
    """Returns the section's lines; none where there is no model. undrawn: why there are no charts, if `draw` is None."""
    used: dict[str, None] = {}
    seen: set[str] = set()
    told = False
    for model in content["models"]:
        title = cells.title_of(model)
        head, rows = cells.table(model)
        used.update((column, None) for column in head if column in cells.MEANING)
        figures = list(_figures(model, content["tests"], model["model"] not in seen))
        seen.add(model["model"])
        if figures and draw is None and not told:
            told = True
            yield f'<p class="hint">{text(undrawn)}</p>'
        yield f"<h3>{text(title)}</h3>"
        yield from _subject(model["model"], content["tests"])
        yield from table(f"Variants of {title}", head, (map(state, row) for row in rows), figures=1 + len(cells.CHECKPOINTS))
        if fastest := cells.fastest(model):
            yield f"<p>{text(fastest)}.</p>"
        if figures:
            yield '<div class="figures">'
            yield from (line for shown in figures for line in figure(shown, title, draw))
            yield "</div>"
    if used:
        yield "<details><summary>What the columns show</summary>"
        yield from definitions([(column, text(cells.MEANING[column])) for column in used])
        yield from (f"<p>* {text(legend)}.</p>" for legend in cells.legends(content["models"]))
        yield "</details>"


def _figures(model: Mapping[str, Any], tests: Sequence[Mapping[str, Any]], first: bool) -> Iterator[Figure]:
    """Those of times are of one batch size; those of parity are not, and stand where the model comes first."""
    colours = colours_of(model)
    mine = [(index, test) for index, test in enumerate(tests) if test["model"] == model["model"] and test.get("details")]
    yield from plots_of_times.latency(model, mine, colours)
    yield from plots_of_times.stages(model)
    if first:
        judged = plots_of_errors.worst(mine, colours)
        yield from plots_of_errors.errors(judged, colours)
        yield from plots_of_errors.magnitudes(judged, colours)


def _subject(model: str, tests: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Which weights were tested, and what the engines were fed."""
    mine = [test for test in tests if test["model"] == model]
    found = dict.fromkeys(test["weights"] for test in mine if test["weights"])
    found.update(dict.fromkeys(f"each sample fed as {test['texts']['fed']}" for test in mine if "fed" in test["texts"]))
    if found:
        yield f'<p class="faint">{text("; ".join(found))}</p>'
