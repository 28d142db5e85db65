"""Draws what `report/plots.py` says as SVG that stands in a page: pygal computes, `_markup` lets through by name what it drew.

The only room that imports pygal, an extra; `report/recorder.py` opens it when a report is asked for. No script, no style, no address and no
id of pygal's gets into the page: its colours are those of `page.css`, so that they follow light and dark, and several charts do not clash.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import pygal
from pygal.style import Style

from pytest_paddle_infer.report.markup import text
from pytest_paddle_infer.report.plots import Axis, Bars, Boxes, Figure, Line, Lines, Mark

# pygal up to 3.1.3 leaves a finder without find_spec behind: on Python 3.10 and 3.11 every import that fails after it warns.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]

SIZE, WIDE = (320, 220), (440, 220)
"""Units of the drawing, which are about pixels: four charts stand side by side in 1280, one in 400."""

_FONT = 11

_KEPT = {
    "svg": (), "g": ("class", "transform"), "path": ("class", "d"), "rect": ("class", "x", "y", "width", "height"),
    "circle": ("class", "cx", "cy", "r"), "text": ("class", "x", "y", "transform"),
}  # fmt: skip
"""Elements that are let through, and their attributes."""

_CLASSES = {
    "axis", "x", "y", "line", "guide", "guides", "major", "title", "dot", "bar", "box", "background", "plot", "series", "horizontal",
    "vertical",
}  # fmt: skip

_STYLE = Style(label_font_size=_FONT, major_label_font_size=_FONT, title_font_size=_FONT, value_font_size=_FONT)


def draw(figure: Figure) -> str:
    """Returns one `<svg>` with its text alternative."""
    chart, size = figure.chart, WIDE if figure.wide else SIZE
    if isinstance(chart, Boxes):
        tree, looks = _boxes(chart, size)
    elif isinstance(chart, Bars):
        tree, looks = _bars(chart, size)
    else:
        tree, looks = _lines(chart, size)
    inner = "".join(_markup(child, looks) for child in tree)
    label = f"{figure.title}. {figure.label}"
    return f'<svg class="chart" viewBox="0 0 {size[0]} {size[1]}" role="img" aria-label="{text(label)}">{inner}</svg>'


def _settings(size: tuple[int, int], **more: Any) -> dict[str, Any]:
    return {
        "js": (), "css": (), "style": _STYLE, "no_prefix": True, "show_legend": False, "width": size[0], "height": size[1],
        "margin": 6, "spacing": 6, "formatter": _nothing, "value_formatter": _nothing, **more,
    }  # fmt: skip


def _nothing(value: Any) -> str:
    """Tooltips need a script."""
    return ""


# -- the three kinds ---------------------------------------------------------------------------------------------------


def _boxes(chart: Boxes, size: tuple[int, int]) -> tuple[Any, list[str]]:
    fits = max(len(one.name) for one in chart.series) * 0.6 * _FONT < (size[0] - 50) / len(chart.series)
    drawn = pygal.Box(
        **_settings(
            size, box_mode="tukey", range=(chart.low, chart.high), zero=chart.low, y_title=chart.y.title, show_x_labels=fits,
            truncate_label=40,
        )
    )  # fmt: skip
    drawn.x_labels = [one.name for one in chart.series]
    drawn.y_labels = _ticks(chart.low, chart.high)
    for one in chart.series:
        drawn.add("", list(one.values))
    return drawn.render_tree(), [one.colour for one in chart.series]


def _bars(chart: Bars, size: tuple[int, int]) -> tuple[Any, list[str]]:
    top = 1.03 * max((math.fsum(parts) for parts in zip(*(one.values for one in chart.series))), default=0.0) or 1.0
    drawn = pygal.HorizontalStackedBar(
        **_settings(size, range=(0.0, top), x_title=chart.x.title, truncate_label=16, show_y_guides=False, show_x_guides=True)
    )
    drawn.x_labels = [_short(row) for row in reversed(chart.rows)]  # pygal begins at the bottom
    drawn.y_labels = _ticks(0.0, top)
    for one in chart.series:
        drawn.add("", list(reversed(one.values)))
    return drawn.render_tree(), [one.colour for one in chart.series]


def _short(name: str) -> str:
    return name if len(name) <= 16 else f"{name[:15]}…"


def _lines(chart: Lines, size: tuple[int, int]) -> tuple[Any, list[str]]:
    xs = [x for line in chart.lines for x, y in line.points if y is not None] + [
        mark.x for mark in chart.marks if mark.x is not None
    ]
    ys = [y for line in chart.lines for _, y in line.points if y is not None] + [
        mark.y for mark in chart.marks if mark.y is not None
    ]
    across, up = _Scale(chart.x, xs), _Scale(chart.y, ys)
    drawn = pygal.XY(
        **_settings(
            size, xrange=(across.low, across.high), range=(up.low, up.high), x_title=chart.x.title, y_title=chart.y.title, dots_size=2,
            truncate_label=30, allow_interruptions=True, show_x_guides=True,
        )
    )  # fmt: skip
    drawn.x_labels, drawn.y_labels = across.labels(), up.labels()
    looks = []
    for mark in chart.marks:
        drawn.add("", _through(mark, across, up), show_dots=False)
        looks.append(f"mark {mark.colour}")
    for line in chart.lines:
        points = [(across.place(x), None if y is None else up.place(y)) for x, y in line.points]
        drawn.add("", points, show_dots=_dotted(line))
        looks.append(f"{line.colour} {line.look}")
    return drawn.render_tree(), looks


def _dotted(line: Line) -> bool:
    """Where points are few, so that each is seen; one alone has no line."""
    return (line.look == "solid" and len(line.points) <= 60) or sum(y is not None for _, y in line.points) < 2


def _through(mark: Mark, across: _Scale, up: _Scale) -> list[tuple[float, float]]:
    if mark.x is not None:
        return [(across.place(mark.x), up.low), (across.place(mark.x), up.high)]
    height = up.place(mark.y or 0.0)
    return [(across.low, height), (across.high, height)]


# -- scales ------------------------------------------------------------------------------------------------------------


class _Scale:
    """Places of numbers on an axis.

    This takes the logarithms, because pygal's own logarithmic axis knows no zero, and writes a label for each digit.
    """

    def __init__(self, axis: Axis, values: Sequence[float]) -> None:
        self._log = axis.scale == "log"
        self._share = axis.scale == "share"
        self._zero: float | None = None
        if self._log:
            exponents = [math.log10(value) for value in values if value > 0] or [0.0]
            self.low, self.high = float(math.floor(min(exponents))), float(math.ceil(max(exponents)))
            if self.low == self.high:
                self.low, self.high = self.low - 1, self.high + 1
            if any(value <= 0 for value in values):
                self._zero = self.low - max(1.0, (self.high - self.low) / 8)
                self.low = self._zero
        elif self._share:
            self.low, self.high = 0.0, 1.0
        else:
            self.low, self.high = min(values, default=0.0), max(values, default=1.0)
            if self.low == self.high:
                self.low, self.high = self.low - 1, self.high + 1
        margin = 0.03 * (self.high - self.low)
        self.low, self.high = self.low - margin, self.high + margin

    def place(self, value: float) -> float:
        if not self._log:
            return value
        return math.log10(value) if value > 0 else self._zero if self._zero is not None else self.low

    def labels(self) -> list[dict[str, Any]]:
        if self._share:
            return [{"value": step / 4, "label": f"{25 * step} %"} for step in range(5)]
        if not self._log:
            return _ticks(self.low, self.high)
        zero = [] if self._zero is None else [{"value": self._zero, "label": "0"}]
        first, last = math.ceil(self.low if self._zero is None else self._zero + 1), math.floor(self.high)
        step = max(1, math.ceil((last - first + 1) / 6))
        return [*zero, *({"value": tick or _NEXT_TO_ZERO, "label": _decade(tick)} for tick in range(last, first - 1, -step))]


_NEXT_TO_ZERO = 1e-9
"""pygal takes a tick at zero for the axis; of a logarithm it is just the number one."""


def _ticks(low: float, high: float) -> list[dict[str, Any]]:
    """Round numbers between the ends, about five."""
    power = 10.0 ** math.floor(math.log10((high - low) / 5))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= 0.999 * (high - low) / 5)
    places = [round(tick * step, 12) for tick in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return [{"value": place, "label": f"{place:g}"} for place in places]


def _decade(exponent: int) -> str:
    if -2 <= exponent <= 3:
        return f"{10.0**exponent:g}"
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


# -- what gets into the page -------------------------------------------------------------------------------------------


def _markup(node: Any, looks: Sequence[str]) -> str:
    """An element as HTML, without what is not in `_KEPT`. looks: classes of each series."""
    kept = _KEPT.get(node.tag) if isinstance(node.tag, str) else None  # a comment's tag is a function
    if kept is None:
        return ""
    inside = text(node.text or "") if node.tag == "text" else "".join(_markup(child, looks) for child in node)
    if not inside and node.tag in ("g", "text"):
        return ""
    written = []
    for name in kept:
        value = _classes(node.get("class", "").split(), looks) if name == "class" else _rounded(node.get(name, ""))
        if value:
            written.append(f' {name}="{text(value)}"')
    return f"<{node.tag}{''.join(written)}>{inside}</{node.tag}>"


def _classes(names: Iterable[str], looks: Sequence[str]) -> str:
    found = []
    for name in names:
        if name.startswith("serie-"):
            found.append(looks[int(name[len("serie-") :])])
        elif name in _CLASSES:
            found.append(name)
    return " ".join(found)


def _rounded(value: str) -> str:
    """A tenth of a pixel is enough."""
    return re.sub(r"-?\d+\.\d+(?:e[-+]?\d+)?", lambda found: f"{round(float(found.group()), 1):g}", value)
