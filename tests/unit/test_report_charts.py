"""The drawn charts: nothing of the library's but shapes and words gets through, and every number finds its place."""

from __future__ import annotations

import re
import sys
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_paddle_infer.report import charts
from pytest_paddle_infer.report.charts import draw
from pytest_paddle_infer.report.plots import Axis, Bars, Boxes, Chart, Figure, Line, Lines, Mark, Values
from pytest_paddle_infer.report.plots_of_times import _window

KINDS = {"svg", "g", "path", "rect", "circle", "text"}


def figure(chart: Chart, **more: Any) -> Figure:
    return Figure("Title", "caption", "label", chart, ("a",), (("1",),), "tests[0]", **more)


def drawn(chart: Chart, **more: Any) -> ElementTree.Element:
    return ElementTree.fromstring(draw(figure(chart, **more)))


def words(tree: ElementTree.Element) -> list[str]:
    return [node.text or "" for node in tree.iter("text")]


def lines(
    *points: tuple[float, float | None], x: str = "log", y: str = "log", marks: tuple[Mark, ...] = (), look: str = "solid"
) -> Lines:
    return Lines(Axis("across", x), Axis("up", y), (Line("one", "c0", points, look),), marks)


def boxes(*values: tuple[float, ...]) -> Boxes:
    return Boxes(Axis("ms"), tuple(Values(f"v{index}", f"c{index}", each) for index, each in enumerate(values)), 0.0, 30.0)


BARS = Bars(Axis("ms"), ("cpu", "onednn"), (Values("pre", "s0", (1.0, 2.0)), Values("run", "s1", (10.0, 4.0))))

ALL = [boxes((1.0, 2.0, 3.0, 25.0), (4.0,)), BARS, lines((1.0, 1e-3), (10.0, 1e-2), marks=(Mark("limit", "limit", x=2.0),))]


@pytest.mark.parametrize("chart", ALL, ids=lambda chart: type(chart).__name__)
def test_only_shapes_and_words_get_into_the_page(chart: Chart) -> None:
    text = draw(figure(chart))
    tree = ElementTree.fromstring(text)
    assert {node.tag for node in tree.iter()} <= KINDS
    names = {name for node in tree.iter() for name in node.attrib}
    assert names <= {"class", "viewBox", "role", "aria-label", "d", "x", "y", "width", "height", "cx", "cy", "r", "transform"}
    assert "//" not in text
    assert draw(figure(chart)) == text, "no id, no date"


@pytest.mark.parametrize("chart", ALL, ids=lambda chart: type(chart).__name__)
def test_a_chart_has_a_name_and_axes_with_units(chart: Chart) -> None:
    tree = drawn(chart)
    assert (tree.get("role"), tree.get("aria-label")) == ("img", "Title. label")
    titles = {"".join(words(node)) for node in tree.iter() if node.get("class") == "title"} | set(words(tree))
    assert {"across", "up"} <= titles if isinstance(chart, Lines) else "ms" in titles


def test_hostile_names_are_text() -> None:
    name = "<script>&\"'\x1b"
    tree = drawn(Bars(Axis("ms"), (name,), (Values(name, "s0", (1.0,)),)))
    assert "<script>&\"'\N{REPLACEMENT CHARACTER}" in words(tree)
    tree = ElementTree.fromstring(draw(Figure(name, "", name, BARS, (), (), "")))
    assert str(tree.get("aria-label")).startswith("<script>&")


def test_series_have_the_colours_that_they_were_given() -> None:
    classes = [str(node.get("class")) for node in drawn(BARS).iter("g") if "series" in str(node.get("class"))]
    assert classes == ["series s0", "series s1"]
    classes = [str(node.get("class")) for node in drawn(ALL[2]).iter("g") if "series" in str(node.get("class"))]
    assert classes == ["series mark limit", "series c0 solid", "series c0 solid"], "the line, and its dots above everything"


def test_the_first_row_is_on_top() -> None:
    heights = {node.text: float(node.get("y", "0")) for node in drawn(BARS).iter("text") if node.text in BARS.rows}
    assert heights["cpu"] < heights["onednn"]


def test_a_zero_on_a_logarithmic_axis_has_a_place_and_a_label() -> None:
    tree = drawn(lines((0.0, 0.0), (1e-6, 1e-3), (1.0, 1.0)))
    labels = words(tree)
    assert labels.count("0") == 2
    assert {"1", "0.01", "10⁻⁶"} <= set(labels)
    dots = [(float(node.get("cx", "nan")), float(node.get("cy", "nan"))) for node in tree.iter("circle")]
    assert dots == sorted(dots, key=lambda dot: (dot[0], -dot[1])), "left of and below everything else"


def test_a_one_on_a_logarithmic_axis_is_no_axis() -> None:
    tree = drawn(lines((0.01, 0.01), (100.0, 100.0)))
    lines_at = {words(node)[0]: node[0].get("class") for node in tree.iter("g") if node.get("class") == "guides"}
    assert lines_at["1"] == lines_at["0.1"], lines_at


def test_boxes_fill_the_height_and_need_no_zero() -> None:
    chart = Boxes(Axis("ms"), (Values("v", "c0", (100.0, 101.0, 102.0, 103.0)),), 99.0, 104.0)
    places = {node.text: float(node.get("y", "0")) for node in drawn(chart).iter("text")}
    assert places["99"] - places["103"] > 100


def test_a_point_without_a_value_interrupts_the_line() -> None:
    tree = drawn(lines((1.0, 1.0), (2.0, 2.0), (3.0, None), (4.0, 4.0), (5.0, 5.0), x="linear"))
    assert len([node for node in tree.iter("path") if node.get("class") == "line" and "L" in str(node.get("d"))]) == 2


def test_names_that_do_not_fit_are_left_to_the_legend() -> None:
    short, long = (
        boxes((1.0,), (2.0,)),
        Boxes(Axis("ms"), tuple(Values(f"onednn:threads={n}", "c0", (1.0,)) for n in range(6)), 0, 2),
    )
    assert {"v0", "v1"} <= set(words(drawn(short)))
    assert not any("onednn" in word for word in words(drawn(long)))


def test_more_layers_get_more_room() -> None:
    assert drawn(BARS, wide=True).get("viewBox") != drawn(BARS).get("viewBox")


ANY = st.one_of(st.just(0.0), st.floats(1e-300, 1e300))


@given(st.lists(st.tuples(ANY, st.one_of(st.none(), ANY)), min_size=1, max_size=8))
def test_all_numbers_land_inside(points: list[tuple[float, float | None]]) -> None:
    inside(drawn(lines(*points)))


@given(st.lists(st.tuples(st.integers(1, 3000).map(float), st.one_of(st.none(), ANY)), min_size=1, max_size=8))
def test_all_layers_land_inside(points: list[tuple[float, float | None]]) -> None:
    inside(drawn(lines(*points, x="linear")))


@given(st.lists(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=6), min_size=1, max_size=3))
def test_all_bars_and_boxes_land_inside(found: list[list[float]]) -> None:
    low, high = _window(found)
    assert low < high
    inside(
        drawn(
            Boxes(
                Axis("ms"), tuple(Values("v", "c0", tuple(min(max(one, low), high) for one in each)) for each in found), low, high
            )
        )
    )
    count = min(map(len, found))
    inside(drawn(Bars(Axis("ms"), ("row",) * count, tuple(Values("v", "s0", tuple(each[:count])) for each in found))))


def inside(tree: ElementTree.Element) -> None:
    """No coordinate lies outside of the drawing."""
    _, _, width, height = map(float, str(tree.get("viewBox")).split())
    for node in tree.iter():
        for name in ("x", "y", "cx", "cy", "d", "width", "height"):
            numbers = re.findall(r"-?(?:\d+(?:\.\d*)?(?:e[-+]?\d+)?|nan|inf)", str(node.get(name, "")))
            assert all(-20 <= float(each) <= max(width, height) + 1 for each in numbers), ElementTree.tostring(node)


def test_the_library_leaves_nothing_behind_that_makes_imports_warn() -> None:
    assert [finder for finder in sys.meta_path if type(finder).__module__ == "pygal"] == []
    assert not hasattr(charts.pygal.PluginImportFixer, "find_spec"), "what charts.py does about it can go"
    with pytest.raises(ImportError):
        __import__("no_module_of_that_name")
