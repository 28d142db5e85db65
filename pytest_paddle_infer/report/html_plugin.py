"""What users of the plugin pytest-html get in its report: the variants of each model, and the figures of each test.

`plugin.py` registers it where `--html` is given. Neither that plugin nor any of its objects is imported, but for `py.xml` of its version 3.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import pytest

from pytest_paddle_infer.distributions import version_of

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

STYLE = (
    "<style>.paddle-infer { margin: 0.5em 0 1em; border-collapse: collapse; white-space: normal } "
    ".paddle-infer th, .paddle-infer td { border: 1px solid #999; padding: 2px 8px; text-align: left; vertical-align: top }</style>"
)
"""pytest-html has a style for its own table only."""

Properties = Sequence[tuple[str, str]]


def start(config: pytest.Config) -> None:
    """Registers the hooks; only the process that writes the page calls them."""
    config.pluginmanager.register(HtmlReport(config), "paddle-infer-html")


class HtmlReport:
    """The hooks that pytest-html calls. Optional: another plugin may have an option of that name."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, prefix: list[Any]) -> None:
        """Puts the variants of each model above the summary: of the tests that the terminal's summary is made of."""
        from pytest_paddle_infer.report.terminal import reports_of

        reporter: TerminalReporter | None = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and (shown := matrices(reports_of(reporter))):
            prefix.append(_as_markup(shown))

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_html(self, report: pytest.TestReport, data: list[Any]) -> None:
        """Puts a test's figures above what it printed, and below why it failed."""
        if shown := figures(getattr(report, "user_properties", ())):  # what could not be collected has none
            data.insert(len(data) if report.failed else 0, _as_markup(shown))


def _as_markup(text: str) -> Any:
    """pytest-html 4 takes strings; 3 escapes them, and takes objects of py.xml."""
    if version_of("pytest-html").partition(".")[0] != "3":
        return text
    return importlib.import_module("py.xml").raw(text)


def matrices(reports: Iterable[Properties]) -> str:
    """Returns the variants of each model side by side, from the properties of each test; empty without any."""
    from pytest_paddle_infer.report import cells
    from pytest_paddle_infer.report.matrix import read_matrices
    from pytest_paddle_infer.report.matrix_file import to_json

    models = to_json(read_matrices(reports))["models"]
    if not models:
        return ""
    parts = ["<h2>Paddle inference</h2>", STYLE]
    for model in models:
        head, rows = cells.table(model)
        parts += [f"<h3>{escape(cells.title_of(model))}</h3>", *_table(head, rows)]
        if fastest := cells.fastest(model):
            parts.append(f"<p>{escape(fastest)}.</p>")
    parts += [f"<p>* {escape(legend)}.</p>" for legend in cells.legends(models)]
    parts += [f"<p>{escape(f'{who}: not available: {reason}')}</p>" for who, reason in cells.unavailable(models)]
    return "".join(parts)


def figures(properties: Sequence[tuple[str, object]]) -> str:
    """Returns this plugin's properties of one test as a table; empty where it has none."""
    from pytest_paddle_infer.report.figures import PREFIX

    rows = [
        (name[len(PREFIX) :].replace("_", " "), str(value))
        for name, value in properties
        if isinstance(name, str) and name.startswith(PREFIX)
    ]
    return "".join(_table(("figure", "value"), rows)) if rows else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield '<table class="paddle-infer"><thead><tr>'
    yield from (f'<th scope="col">{escape(column)}</th>' for column in head)
    yield "</tr></thead><tbody>"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
    yield "</tbody></table>"
