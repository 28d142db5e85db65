"""Which of two variants is the faster one, where of their batches only the median, the quartiles' distance and the count are known.

The comparison of variants is made in the process that prints, from figures that crossed xdist: there are no single times to draw from, as
`judge/latency.py` does. What it assumes is the same: batches scatter, and a run deviates from another by what none of its batches shows.
"""

from __future__ import annotations

import math

CONFIDENCE = 0.99
"""Probability with which two medians that are told apart lie on that side of each other."""

LEAST_BATCHES = 8
"""Timed batches below which nothing is told apart.

The median of n independent times lies between the smallest and the largest of them with probability `1 - 2^(1 - n)`. Below n = 8 that
is less than `CONFIDENCE`, so that no interval made of the times themselves could keep what is promised.
"""

BETWEEN_RUNS = 0.01
BETWEEN_RUNS_WEIGHT = 6
"""Deviation of one run from another, as a share, that no batch of either shows (where memory came to lie, which core got the work).

1 % is assumed, with the weight of 6 runs, until a baseline's own runs have shown more or less of it.
"""

ALIKE = 0.05
"""Share by which the training engine's times may differ between two runs of one machine whatever is allowed: quiet machines do it too."""

_NORMAL = 2.576
"""99.5 % of a normal distribution lie below so many deviations."""

_STUDENT = 3.707
"""The same of Student's t with `BETWEEN_RUNS_WEIGHT` degrees of freedom."""

_MEDIAN = math.sqrt(math.pi / 2) / 1.349
"""Deviation of the median of n times is so much of their interquartile range over the root of n: of a normal distribution the median's
is `sqrt(pi / 2)` times the mean's, and the range is 1.349 deviations."""


def noise_of_ratio(medians: tuple[float, float], spreads: tuple[float, float], batches: tuple[float, float]) -> float:
    """Returns by what factor above 1 the slower of two may be slower by noise alone: half the width of the ratio's 99 % interval.

    medians, spreads: of the batches of each, in one unit; a spread is their interquartile range. Infinity where one has fewer than
    `LEAST_BATCHES` batches.
    """
    if min(batches) < LEAST_BATCHES:
        return math.inf
    scatter = sum((_NORMAL * _MEDIAN * spread / median) ** 2 / count for median, spread, count in zip(medians, spreads, batches))
    return math.exp(math.sqrt(scatter + 2 * (_STUDENT * BETWEEN_RUNS) ** 2)) if scatter < 100 else math.inf
