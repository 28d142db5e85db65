"""The failures in report.html. Pure functions over report.json's content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_paddle_infer.report import cells, plots_of_errors
from pytest_paddle_infer.report.markup import code, definitions, path, text
from pytest_paddle_infer.report.page_figures import Draw, figure


def failures(content: Mapping[str, Any], draw: Draw) -> Iterator[str]:
    """Returns the section's lines; none where nothing failed."""
    for index, test in enumerate(content["tests"]):
        if test["failure"] is not None:
            yield from _failure(index, test, draw)


def _failure(index: int, test: Mapping[str, Any], draw: Draw) -> Iterator[str]:
    failure = test["failure"]
    yield '<article class="failure">'
    yield f"<h3>{text(cells.heading(test))}</h3>"
    yield f'<p class="cause">{text(failure["cause"])}</p>'
    places = {"files": test["files"]["outputs"], "kept": test["files"]["evidence"]}
    rows = [
        (fact["label"], path(places[fact["label"]]) if places.get(fact["label"]) else text(fact["value"]))
        for fact in failure["facts"]
    ]
    if ((test.get("details") or {}).get("parity") or {}).get("samples"):
        rows.append(("samples", '<a href="#samples">the worst first</a>'))
    if failure["remedy"]:
        rows.append(("to do", text(failure["remedy"])))
    if failure["again"]:
        rows.append(("again", f"<code>{text(failure['again'])}</code>"))
    yield from definitions(rows)
    layers = plots_of_errors.layers(index, test)
    if layers is not None:
        yield '<div class="figures alone">'
        yield from figure(layers, test["id"], draw)
        yield "</div>"
    if failure["text"]:
        said = code(failure["text"], f"What pytest printed of {test['id']}")
        yield f'<details><summary>As pytest printed it<span class="hidden">: {text(cells.heading(test))}</span></summary>{said}</details>'
    yield "</article>"
