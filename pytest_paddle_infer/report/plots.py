"""What a figure of report.html is: a chart made of series and axes, its words, and its numbers.

`report/plots_of_times.py` and `report/plots_of_errors.py` make them of report.json's content, `report/charts.py` draws them, and
`report/page_figures.py` puts them into the page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

COLOURS = 8
"""Colours of variants, `c0` to `c7`: the ninth variant has the first one's again, and another line."""

TRAINING, LIMIT, FLOOR, FIRST = "training", "limit", "floor", "first"
"""Colours of what is no variant; FIRST marks the first layer that differs."""


@dataclass(frozen=True)
class Axis:
    """title: what and in which unit. scale: `linear` (of counts), `log` (zeros stand left of, or below, the smallest number) or
    `share` (0 to 1).
    """

    title: str
    scale: str = "linear"


@dataclass(frozen=True)
class Line:
    """name: empty where the legend need not name it. look: `solid` (with dots where points are few), `bare` (without) or `faint`
    (dashed). A point without a y interrupts it.
    """

    name: str
    colour: str
    points: tuple[tuple[float, float | None], ...]
    look: str = "solid"


@dataclass(frozen=True)
class Mark:
    """A straight line through the whole chart, at an x or at a y."""

    name: str
    colour: str
    x: float | None = None
    y: float | None = None


@dataclass(frozen=True)
class Values:
    """One box of values, or one part of each bar."""

    name: str
    colour: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Boxes:
    """One box of each series: median, quartiles, whiskers of 1.5 interquartile ranges, outliers. low, high: the ends of the axis."""

    y: Axis
    series: tuple[Values, ...]
    low: float
    high: float


@dataclass(frozen=True)
class Bars:
    """A bar of each row, made of a part of each series."""

    x: Axis
    rows: tuple[str, ...]
    series: tuple[Values, ...]


@dataclass(frozen=True)
class Lines:
    """Curves over numbers."""

    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...] = ()


Chart = Union[Boxes, Bars, Lines]


@dataclass(frozen=True)
class Figure:
    """caption: how to read it. label: what it shows, for those who do not see it. head, rows: its numbers. source: where they are in
    report.json. wide: stands alone.
    """

    title: str
    caption: str
    label: str
    chart: Chart
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    source: str
    wide: bool = False


def legend(chart: Chart) -> list[tuple[str, str, str]]:
    """Returns (name, colour, look) of what must be told apart."""
    if isinstance(chart, Lines):
        marks = [(mark.name, mark.colour, "faint") for mark in chart.marks]
        return [*((line.name, line.colour, line.look) for line in chart.lines if line.name), *marks]
    return [(series.name, series.colour, "area") for series in chart.series]


Tests = Sequence[tuple[int, Mapping[str, Any]]]
"""Tests with their places in report.json."""

Colours = Mapping[str, str]
"""Variant -> colour, for all figures of a model."""


def colours_of(model: Mapping[str, Any]) -> dict[str, str]:
    """Returns a colour for each variant of a model."""
    return {row["variant"]: f"c{index % COLOURS}" for index, row in enumerate(model["variants"])}


def source(tests: Tests, key: str) -> str:
    """Where in report.json the numbers of these tests are."""
    return f"tests[{', '.join(str(index) for index, _ in tests)}].details.{key}"


def five(values: Sequence[float]) -> list[float]:
    """Least, quartiles and most; of at least one value."""
    ordered = sorted(values)
    return [quantile(ordered, share) for share in (0, 0.25, 0.5, 0.75, 1)]


def quantile(ordered: Sequence[float], share: float) -> float:
    """Of sorted values, at least one; linear between two of them."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
