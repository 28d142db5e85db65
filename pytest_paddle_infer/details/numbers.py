"""Numbers as the details have them."""

from __future__ import annotations

import math


def rounded(value: float, digits: int = 5) -> float | None:
    """Returns the number with so many significant digits; None for NaN and infinity."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
