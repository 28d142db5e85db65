"""Plain text in columns: no colours, and the same width with and without a terminal. Pure functions."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 110
"""Columns that long text is folded to, as in failures."""

_KEPT = "\N{NO-BREAK SPACE}"


def folded(text: str, indent: int = 0, hanging: int = 0) -> list[str]:
    """The text in lines of at most `WIDTH`; `hanging` more blanks before all but the first. Words and `formula`s are never cut."""
    return _wrapped(text, WIDTH, " " * indent, " " * (indent + hanging))


def formula(text: str) -> str:
    """The same text, which folding keeps on one line."""
    return text.replace(" ", _KEPT)


def _wrapped(text: str, width: int, first: str = "", others: str = "") -> list[str]:
    parts = textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )
    return [part.replace(_KEPT, " ") for part in parts]


def pairs(rows: Iterable[tuple[str, str]], indent: int = 2) -> list[str]:
    """Labels and values, one below the other, the values aligned; a long value goes on under its own beginning."""
    given = list(rows)
    width = max((len(label) for label, _ in given), default=0) + 2
    lines = []
    for label, value in given:
        parts = _wrapped(value, max(20, WIDTH - indent - width)) or [""]
        lines += [f"{' ' * indent}{label if not number else '':<{width}}{part}".rstrip() for number, part in enumerate(parts)]
    return lines


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table with aligned columns."""
    given = [head, *rows]
    widths = [max(len(row[column]) for row in given) for column in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in given]


def bullets(items: Iterable[str]) -> list[str]:
    """Each item behind a dash, folded."""
    return [line for item in items for line in folded(f"- {item}", 2, 2)]
