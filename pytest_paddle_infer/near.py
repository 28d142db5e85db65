"""Names that a misspelt one may stand for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def near_names(name: str, known: Iterable[str]) -> str:
    """The known names that a wrong one may stand for, as `'alexnet' or 'vgg16'`; empty when nothing is near."""
    return " or ".join(map(repr, difflib.get_close_matches(name, list(known), 3)))


def nearest(name: str, known: Iterable[str]) -> str:
    """As ` (did you mean 'doctor'?)`; empty when nothing is near."""
    near = near_names(name, known)
    return f" (did you mean {near}?)" if near else ""
