"""Texts that are too long, cut where a reader stumbles least. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Sequence

MARK = " ..."

ITEMS = 10
"""Names of one kind that a line has room for."""


def behind_a_word(text: str, most: int) -> str:
    """Returns a text of at most `most` characters, white space as single spaces; a word that is too long itself is cut."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    head, space, _ = line[: most - len(MARK) + 1].rpartition(" ")
    return (head if space else line[: most - len(MARK)]) + MARK


def behind_a_sentence(text: str, most: int) -> str:
    """The same, behind the last sentence that fits, if there is one."""
    line = " ".join(text.split())
    ends = [end.start() + 1 for end in re.finditer(r"(?<=[^.])\.(?= )", line[:most])]
    return line if len(line) <= most else line[: ends[-1]] if ends else behind_a_word(line, most)


def first_ones(names: Sequence[str], most: int = ITEMS) -> str:
    """The names with commas between them; of more than `most` the first, and how many there are besides."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
