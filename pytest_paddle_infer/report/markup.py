"""Pieces of report.html: text, tables, lists and links as HTML. Pure functions, for the rooms whose names begin with `page`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from urllib.parse import quote

from pytest_paddle_infer.report import cells


def text(said: str) -> str:
    """Text of models, engines and users as HTML that says just that; what browsers refuse in a page becomes visible."""
    return escape(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", said), quote=True)


def section(name: str, heading: str, lines: Iterable[str]) -> Iterator[str]:
    """One part of the page, with its heading."""
    yield f'<section id="{name}" aria-labelledby="{name}-heading">'
    yield f'<h2 id="{name}-heading">{text(heading)}</h2>'
    yield from lines
    yield "</section>"


def table(name: str, head: Sequence[str], rows: Iterable[Iterable[str]], figures: int) -> Iterator[str]:
    """A table that scrolls within itself, by keys too. rows: cells as HTML. figures: the first column of numbers."""
    yield f'<div class="scroll" role="region" tabindex="0" aria-label="{text(name)}">'
    yield "<table><thead><tr>"
    yield from (f'<th scope="col"{_kind(index, figures)}>{text(column)}</th>' for index, column in enumerate(head))
    yield "</tr></thead><tbody>"
    for row in rows:
        first, *others = row
        filled = "".join(f"<td{_kind(index, figures)}>{cell}</td>" for index, cell in enumerate(others, 1))
        yield f'<tr><th scope="row">{first}</th>{filled}</tr>'
    yield "</tbody></table></div>"


def _kind(index: int, figures: int) -> str:
    return ' class="figure"' if index >= figures else ""


def definitions(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Labels as text, values as HTML."""
    if rows:
        yield "<dl>"
        yield from (f"<dt>{text(label)}</dt><dd>{value}</dd>" for label, value in rows)
        yield "</dl>"


def state(said: str) -> str:
    """A checkpoint's state: with a sign, so that colour is not all that tells them apart."""
    if said == "ok":
        return '<span class="ok">✓ ok</span>'
    return '<span class="failed">✗ FAILED</span>' if said == "FAILED" else text(said)


def path(place: str) -> str:
    """A link where the report and the file can be moved together, else the path itself."""
    shown = f"<code>{text(place)}</code>"
    return shown if place.startswith("/") else f'<a href="./{text(quote(place, errors="replace"))}">{shown}</a>'


def code(said: str, name: str) -> str:
    """A block that scrolls within itself."""
    return f'<pre role="region" tabindex="0" aria-label="{text(name)}"><code>{text(said)}</code></pre>'


def number(value: float | None) -> str:
    """A measured number with three digits, in powers of ten where it is small: an error."""
    return cells.NONE if value is None else f"{value:.3g}"
