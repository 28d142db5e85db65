"""report.html in Chromium, from disk: nothing complains, everything has a name, nothing sticks out, and all of it can be read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Opened

LARGEST = 15_000_000

NAMED = {"link", "button", "region", "navigation", "image", "img", "DisclosureTriangle"}
"""Roles that must have a name; so must whatever can get the focus."""

FAINT = """
const light = colour => {
  const parts = colour.match(/[\\d.]+/g).map(part => part / 255);
  const [r, g, b] = parts.map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = node => {
  for (let at = node; at; at = at.parentElement) {
    const found = getComputedStyle(at).backgroundColor;
    if (!/, 0\\)|transparent/.test(found)) return found;
  }
  return 'rgb(0, 0, 0)';
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), bad = [];
for (let seen = 0, node; (node = walker.nextNode()) && seen < 6000;) {
  const box = node.parentElement;
  if (!node.data.trim() || !box.checkVisibility() || box.closest('.hidden')) continue;
  seen += 1;
  const style = getComputedStyle(box), colour = box.closest('svg') ? style.fill : style.color;
  const [low, high] = [light(colour), light(behind(box))].sort((a, b) => a - b);
  if ((high + 0.05) / (low + 0.05) < 4.5) bad.push(`${node.data.trim().slice(0, 40)}: ${colour} on ${behind(box)}`);
}
return [...new Set(bad)];
"""


def nodes(page: Opened) -> list[dict[str, Any]]:
    """The accessibility tree, without what it ignores."""
    found = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    return [node for node in found if not node.get("ignored")]


def named(node: dict[str, Any]) -> str:
    return str(node.get("name", {}).get("value", "")).strip()


def properties(node: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each["value"].get("value") for each in node.get("properties", ())}


def test_the_file_is_small_enough_and_the_browser_complains_of_nothing(page: Opened) -> None:
    size = page.run("return new Blob([document.documentElement.outerHTML]).size")
    assert 10_000 < size < LARGEST
    assert page.console == []


def test_nothing_sticks_out(page: Opened) -> None:
    page.open_all()
    assert page.run("return document.documentElement.scrollWidth") <= page.width
    boxes = "[...document.querySelectorAll('figure, li, article, dl, svg')]"
    wide = f"return {boxes}.filter(each => each.getBoundingClientRect().right > innerWidth).length"
    assert page.run(wide) == 0


def test_everything_that_can_be_reached_has_a_name(page: Opened) -> None:
    page.open_all()
    found = nodes(page)
    focusable = [node for node in found if {"focusable": True}.items() <= properties(node).items()]
    assert len(focusable) > 5
    assert [node["role"]["value"] for node in focusable if not named(node)] == []
    must = [node for node in found if node["role"]["value"] in NAMED]
    assert {"link", "region"} <= {node["role"]["value"] for node in must}
    assert [node["role"]["value"] for node in must if not named(node)] == []
    regions = [named(node) for node in found if node["role"]["value"] == "region"]
    assert sorted(regions) == sorted(set(regions)), "two regions of one name"


def test_headings_are_in_order(page: Opened) -> None:
    levels = page.run("return [...document.querySelectorAll('h1, h2, h3, h4')].map(each => +each.tagName[1])")
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:]))


def test_text_can_be_read(page: Opened) -> None:
    page.open_all()
    assert page.run(FAINT) == []
    sizes = page.run("return [...document.querySelectorAll('body *')].map(e => parseFloat(getComputedStyle(e).fontSize))")
    assert min(sizes) >= 11


def test_the_keyboard_gets_to_the_results_at_once(page: Opened) -> None:
    page.run("document.activeElement.blur(); window.scrollTo(0, 0)")
    for kind in ("keyDown", "keyUp"):
        page.driver.execute_cdp_cmd(
            "Input.dispatchKeyEvent", {"type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}
        )
    assert page.run("return document.activeElement.className") == "skip"
    assert page.run("return document.activeElement.getBoundingClientRect().left") >= 0, "it is seen once it has the focus"


def test_colours_follow_the_scheme(page: Opened) -> None:
    red, green, blue = page.run("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (red + green + blue < 150) == (page.scheme == "dark")


def test_pictures_for_people_to_look_at(page: Opened, screenshots: Path) -> None:
    page.run("document.activeElement.blur(); document.querySelectorAll('details').forEach(each => each.open = false)")
    path = screenshots / f"{page.name}-{page.width}-{page.scheme}.png"
    path.write_bytes(page.picture())
    assert path.stat().st_size > 20_000
