"""The answers of an own postprocess as short text, for the report. `details/samples.py` calls it, twice for each sample."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from itertools import islice
from typing import Any

import numpy as np

from pytest_paddle_infer.cutting import behind_a_word
from pytest_paddle_infer.report.text import plain

LONGEST = 200
"""Characters of one answer."""

ITEMS = 24
"""Of a list, a dict or an array; more would be cut, and an answer may be a mask of a million numbers for each of 2,000 samples."""


class _Short(reprlib.Repr):
    """`repr` that looks at the first items only, and leaves a dict in its order. Of one answer: it counts what it has shown.

    Without that, lists in lists in lists would show the first items of each: 24 to the power of their depth.
    """

    def __init__(self) -> None:
        super().__init__()
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = self.maxarray = ITEMS
        self.maxstring = self.maxlong = self.maxother = 2 * LONGEST
        self._left = LONGEST // 3  # an item and the comma behind it take three characters at least

    def repr1(self, x: Any, level: int) -> str:
        """Every item comes by here."""
        self._left -= 1
        return super().repr1(x, level) if self._left >= 0 else "..."

    def repr_dict(self, x: Mapping[Any, Any], level: int) -> str:
        """Those of `reprlib` are sorted: what a program puts first is what it is about."""
        if x and level <= 0:
            return "{...}"
        items = [f"{self.repr1(key, level - 1)}: {self.repr1(value, level - 1)}" for key, value in islice(x.items(), self.maxdict)]
        return f"{{{', '.join(items + ['...'] * (len(x) > self.maxdict))}}}"


def as_text(answer: Any) -> str:
    """Returns one line of at most `LONGEST` characters, none of them a control character; of an answer whose `repr` fails its type."""
    try:
        with np.printoptions(threshold=ITEMS, edgeitems=3):
            shown = _Short().repr(answer)
    except Exception as error:  # whatever a class of the user's does; the report is no place to fail for it
        shown = f"<{type(answer).__name__}, whose repr raises {type(error).__name__}>"
    return behind_a_word(plain(shown), LONGEST)
