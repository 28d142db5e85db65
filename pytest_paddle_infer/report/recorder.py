"""Collects what the tests report and leaves the report at the end: a plugin object of the process that prints, never of an xdist worker."""

from __future__ import annotations

import os
import secrets
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_paddle_infer.failures import OptionError
from pytest_paddle_infer.report import folder

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_paddle_infer.details.files import Pictures
    from pytest_paddle_infer.options import Settings
    from pytest_paddle_infer.report.details import Copies
    from pytest_paddle_infer.report.results import Phase, Result


def start(config: pytest.Config, settings: Settings) -> None:
    """Registers the recorder where a report is asked for. Raises `OptionError` for a directory that no report can go to."""
    if settings.report is None or hasattr(config, "workerinput") or config.getoption("collectonly"):
        return
    directory = Path(settings.report)
    try:
        folder.check(directory)
    except OptionError as error:
        raise OptionError(f"{'--paddle-report' if 'report' in settings.given else 'ini value paddle_report'}: {error}") from None
    config.pluginmanager.register(Recorder(config, settings, directory), "paddle-infer-report")


class Gathered(NamedTuple):
    """One test, and the pictures of its samples for the page."""

    result: Result
    pictures: Mapping[int, Pictures]


class Recorder:
    """Keeps the reports of this plugin's tests, and writes once all tests are done."""

    def __init__(self, config: pytest.Config, settings: Settings, directory: Path) -> None:
        self._config = config
        self._settings = settings
        self._directory = directory
        self._run = secrets.token_hex(8)
        self._began, self._clock = datetime.now(timezone.utc), time.monotonic()
        self._phases: dict[tuple[str, str], list[Phase]] = {}
        self._problems: dict[str, str] = {}
        self._workers: set[str] = set()
        self._lines: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notes one phase of one test, and takes what is meant for this report alone off it: junit has no use for our places."""
        from pytest_paddle_infer.report.figures import DETAILS
        from pytest_paddle_infer.report.results import read_phase

        worker = getattr(getattr(getattr(report, "node", None), "gateway", None), "id", "")
        key = (worker, report.nodeid)
        self._workers.add(worker)
        if report.when == "setup" or report.outcome == "rerun":  # type: ignore[comparison-overlap]  # a retry begins anew
            self._phases[key] = []
        if report.outcome != "rerun":  # type: ignore[comparison-overlap]
            self._phases.setdefault(key, []).append(read_phase(report))
        report.user_properties = [told for told in report.user_properties if told[0] != DETAILS]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Notes what could not be collected."""
        if report.failed:
            self._problems[report.nodeid] = str(report.longreprtext)

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Iterator[None]:
        """Writes the report, whatever became of the session. What goes wrong costs a line, and no test.

        What the checkpoints left is read before others end: pytest may remove its temporary directories (tmp_path_retention_policy). The
        rest comes after them, because they may change the exit status.
        """
        found = None
        with self._costs_a_line("the report"):
            results, others = self._results()
            if (
                results or "report" in self._settings.given
            ):  # not an empty one after every run of a project whose ini file asks for one
                found = (*self._gathered(results), others)
        yield
        if found is not None:
            with self._costs_a_line("the report"):
                self._write(*found, int(getattr(session, "exitstatus", exitstatus)))

    def _write(self, gathered: Sequence[Gathered], copies: Copies, others: Counter[str], status: int) -> None:
        content = self._content([each.result for each in gathered], others, status)
        texts = self._texts(content, gathered)
        try:
            folder.write(self._directory, texts, self._run, copies.contents)
            self._lines.append(f"report: {self._directory / ('report.html' if 'report.html' in texts else folder.INDEX)}")
        except (OSError, OptionError) as error:
            self._lines.append(f"the report was not written: {error}")
        with self._costs_a_line("what GitHub shows of it"):
            self._tell_github(content, texts.get("summary.md"))

    @contextmanager
    def _costs_a_line(self, what: str) -> Iterator[None]:
        """A fault of ours, or of a library that draws, must not cost the rest of the report, or pytest's own summary."""
        try:
            yield
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}, line {place.lineno}"
            self._lines.append(f"{what} was not written: {type(error).__name__}: {error} ({where})")

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Says where the report is."""
        for line in self._lines:
            terminalreporter.write_line(line)

    def _results(self) -> tuple[list[Result], Counter[str]]:
        from pytest_paddle_infer.report.results import joined
        from pytest_paddle_infer.report.text import reproduce_command

        results, others = [], Counter[str]()
        for (_, nodeid), phases in self._phases.items():
            if not phases:
                continue
            result = joined(nodeid, phases)
            if any(phase.ours for phase in phases):
                results.append(replace(result, again=reproduce_command(nodeid, self._settings, result.own_model)))
            else:
                others[result.outcome] += 1
        return results, others

    def _gathered(self, results: Sequence[Result]) -> tuple[list[Gathered], Copies]:
        """The tests with their details, and the files that they left."""
        from pytest_paddle_infer.report.content import log_of, outputs_of
        from pytest_paddle_infer.report.details import Copies, read_details

        copies, found = Copies(self._run), []
        pictured: set[str] = set()
        for result in results:
            try:
                left = read_details(result.properties)
                outputs, of_outputs = copies.outputs(outputs_of(result.properties))
                log, of_log = copies.log(log_of(result.properties))
            except Exception as error:  # a fault of ours, which must not cost the other tests their places in the report
                note = f"what this test left could not be read: {type(error).__name__}: {error}"
                found.append(Gathered(replace(result, notes=(note,)), {}))
                continue
            notes = (*left.notes, *of_outputs, *of_log)
            result = replace(result, details=left.details, notes=notes, outputs=outputs or "", log=log or "")
            found.append(Gathered(result, {} if result.id in pictured else left.pictures))
            pictured.add(result.id)
        return found, copies

    def _content(self, results: list[Result], others: Counter[str], status: int) -> dict[str, Any]:
        from pytest_paddle_infer import __version__
        from pytest_paddle_infer.report.content import Session, content_of
        from pytest_paddle_infer.report.facts import environment, options_given

        return content_of(
            Session(
                run=self._run,
                version=__version__,
                started=self._began,
                seconds=time.monotonic() - self._clock,
                exit_status=status,
                processes=max(1, len(self._workers)),
                directory=self._directory,
                results=tuple(results),
                others=others,
                problems=tuple(sorted(self._problems.items())),
                options=options_given(self._settings),
                environment=environment(self._settings),
            )
        )

    def _texts(self, content: dict[str, Any], gathered: Sequence[Gathered]) -> dict[str, str]:
        from pytest_paddle_infer.report.json_text import to_json_text
        from pytest_paddle_infer.report.markdown import to_markdown
        from pytest_paddle_infer.report.page import to_html
        from pytest_paddle_infer.report.page_figures import drawing

        texts = {folder.INDEX: to_json_text(content)}
        with self._costs_a_line("report.html"):
            pictures = {each.result.id: each.pictures for each in gathered if each.pictures}
            texts["report.html"] = to_html(content, pictures, *drawing())
        with self._costs_a_line("summary.md"):
            texts["summary.md"] = to_markdown(content)
        return texts

    def _tell_github(self, content: dict[str, Any], summary: str | None) -> None:
        from pytest_paddle_infer.report import github

        place = os.environ.get("GITHUB_STEP_SUMMARY")
        if place and summary is not None:
            try:
                github.append_summary(Path(place), summary)
            except OSError as error:
                self._lines.append(f"the step summary was not written: {error}")
        if os.environ.get("GITHUB_ACTIONS") == "true":
            workspace = Path(os.environ.get("GITHUB_WORKSPACE") or self._config.rootpath)
            self._lines.extend(github.error_lines(content, self._config.rootpath, workspace))
