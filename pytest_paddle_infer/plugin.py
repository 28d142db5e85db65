"""pytest's hooks, nothing else. Other rooms are imported when an option, a marker or a fixture asks for them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pluggy
import pytest

from pytest_paddle_infer import fixtures, hookspecs, option_table
from pytest_paddle_infer.option_table import MARKER, MARKER_FIXTURES
from pytest_paddle_infer.session import SESSION, SessionState

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from _pytest.terminal import TerminalReporter


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options of the table."""
    option_table.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Adds the hooks that model repos implement."""
    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(hookwrapper=True)
def pytest_load_initial_conftests() -> Generator[None, Any, None]:
    """Makes one sentence of a hook of ours with a parameter that it has not: pytest shows pluggy's traceback otherwise."""
    outcome = yield
    error = outcome.excinfo[1] if outcome.excinfo is not None else None
    if isinstance(error, pluggy.PluginValidationError) and "hook 'pytest_paddle_infer_" in str(error):
        from pytest_paddle_infer import misspelt

        outcome.force_exception(pytest.UsageError(misspelt.parameter(error)))


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Ends the session where a conftest.py or plugin misspells a hook of ours: pytest ends in an INTERNALERROR otherwise.

    A conftest.py that is loaded during collection is told with what else is wrong with the tests.
    """
    unknown = [name for name in dir(plugin) if name.startswith("pytest_") and _is_unknown(name, manager)]
    if not unknown:
        return
    from pytest_paddle_infer import misspelt

    problems = misspelt.hooks(str(getattr(plugin, "__file__", None) or manager.get_name(plugin)), unknown)
    config: Any = manager.get_plugin("pytestconfig")
    state = config.stash.get(SESSION, None)
    for name, problem in problems.items():
        if state is None:
            raise pytest.UsageError("\n".join(problems.values()))
        state.problems.append(problem)
        for implementation in getattr(manager.hook, name).get_hookimpls():
            implementation.optionalhook = True  # else pluggy raises before our sentence is printed


def _is_unknown(name: str, manager: pytest.PytestPluginManager) -> bool:
    caller = getattr(manager.hook, name, None)
    return caller is not None and not caller.has_spec()


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Reads the options; with `--paddle-model`, `--paddle-replay`, or an id of their items, registers what makes those items."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}({'=, '.join(option_table.MARKER_KEYS)}=): run the checkpoints of a Paddle model before the test.",
    )
    config.pluginmanager.register(fixtures, "paddle-infer-fixtures")
    config.stash[SESSION] = SessionState(config)
    if config.pluginmanager.hasplugin("dsession"):  # of xdist
        config.pluginmanager.register(_Refusals(), "paddle-infer-refusals")
    suspects = option_table.unknown_keys(config)
    if suspects:
        from pytest_paddle_infer import misspelt

        if problems := misspelt.keys(config, suspects):
            raise pytest.UsageError("\n".join(problems))
    if config.getoption("htmlpath", None):  # --html of the plugin pytest-html
        from pytest_paddle_infer.report import html_plugin

        html_plugin.start(config)
    ours = ("paddle-model", "paddle-replay")
    if not option_table.any_given(config) and not any(name in str(argument) for argument in config.args for name in ours):
        return
    from pytest_paddle_infer import selection
    from pytest_paddle_infer.failures import OptionError

    try:
        selection.start(config, config.stash[SESSION])
    except OptionError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Gives tests with the marker or the fixtures their models and variants."""
    marker = metafunc.definition.get_closest_marker(MARKER)
    if marker is not None or "paddle_model" in metafunc.fixturenames:
        from pytest_paddle_infer import collection

        collection.parametrize(metafunc, marker)


@pytest.hookimpl(hookwrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, Any, None]:
    """Adds to pytest's `not found` which models and variants the test has that was named."""
    outcome = yield
    state = session.config.stash[SESSION]
    error = outcome.excinfo[1] if outcome.excinfo is not None else None
    if isinstance(error, pytest.UsageError) and str(error.args[0]).startswith("not found"):
        if state.problems:  # a test whose marker is wrong has no ids: what is wrong is the news
            error.args = (*error.args, *state.problems)
        elif state.labels:
            from pytest_paddle_infer.collection import told_of_labels

            error.args = (*error.args, *told_of_labels(session.config, state))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Ends the session when a marker is not valid; registers what runs markers and prints the summary where a test needs it."""
    state = config.stash[SESSION]
    used, refused = False, bool(state.problems)  # a test refused already has no model; one sentence is enough
    for item in items:
        if item.get_closest_marker(MARKER) is not None:
            used = True
            if not _prepared(item) and not refused:
                state.problems.append(
                    f"{item.nodeid}: @pytest.mark.{MARKER} works on test functions and methods of plain classes; "
                    "here no checkpoint would run (unittest.TestCase, or a doctest)."
                )
    suspects = _suspects(items)
    if suspects:
        from pytest_paddle_infer import misspelt

        state.problems.extend(misspelt.markers(config, suspects))
    if state.problems:
        _refuse(config, items, state.problems)
    elif used:
        from pytest_paddle_infer import selection

        selection.use(config, state)


def _suspects(items: list[pytest.Item]) -> dict[str, str]:
    """Markers that may be ours misspelt, with the id of the first test that has each."""
    found: dict[str, str] = {}
    for item in items:
        for mark in item.iter_markers():
            if mark.name != MARKER and any(part in mark.name for part in ("pad", "infer", "parity")):
                found.setdefault(mark.name, item.nodeid)
    return found


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Ends the session where an option that belongs to one model meets the tests of several: which are left is known only now."""
    state = session.config.stash[SESSION]
    if not state.used or state.problems:
        return
    from pytest_paddle_infer import selection
    from pytest_paddle_infer.failures import OptionError

    try:
        selection.check_selected(session.items, state)
    except OptionError as error:
        _refuse(session.config, session.items, [str(error)])


def _refuse(config: pytest.Config, items: list[pytest.Item], problems: Sequence[str]) -> None:
    """Ends the session with one usage error for all problems; in an xdist worker with a failed collection for each."""
    if not hasattr(config, "workerinput"):
        raise pytest.UsageError("\n".join(problems))
    # a worker that raises here ends in an INTERNALERROR without a word of ours; a failed collection is shown
    items.clear()
    for problem in problems:
        report = pytest.CollectReport(problem.partition(": ")[0], "failed", problem, [])
        report.__dict__[_REFUSED] = True
        config.hook.pytest_collectreport(report=report)


_REFUSED = "paddle_infer_refused"
"""Attribute of a collection report that is a usage error; it crosses xdist."""


class _Refusals:
    """Ends a session over xdist with the exit code that it would have had in one process. Only in the process that prints."""

    def __init__(self) -> None:
        self.any = False

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Sees what the workers refused."""
        self.any = self.any or hasattr(report, _REFUSED)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Before others are told how the session ended."""
        if self.any:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR


def _prepared(item: pytest.Item) -> bool:
    """Makes a marked test set up the fixtures that its checkpoints need; False where it has no model.

    The names are added here too: pytest drops those added while parameters were made (`FuncFixtureInfo.prune_dependency_tree`).
    """
    marker = item.get_closest_marker(MARKER)
    if isinstance(item, pytest.Function) and "paddle_model" in getattr(getattr(item, "callspec", None), "params", ()):
        if marker is None or marker.kwargs.get("checkpoints") not in ([], ()):
            item.fixturenames.extend(name for name in MARKER_FIXTURES if name not in item.fixturenames)
        return True
    return "paddle_model" in getattr(item, "fixturenames", ())


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Notes where the test stands among all, which the summary sorts by: tests end in another order under xdist.

    Gives a failure of ours one line in the short summary, which repeats the whole of it otherwise where CI is set.
    """
    outcome = yield
    figures = sys.modules.get("pytest_paddle_infer.report.figures")
    if figures is not None:
        figures.note_place(outcome.get_result(), item)
    if call.excinfo is not None and "pytest_paddle_infer.plain" in sys.modules:
        from pytest_paddle_infer.plain import shorten

        shorten(call.excinfo.value, outcome.get_result())


def pytest_report_header(config: pytest.Config) -> list[str] | None:
    """Says what is tested when the command line chose models."""
    return config.stash[SESSION].header or None


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str] | None:
    """Says what is tested when tests with the marker chose models: who they are is known only now. As a header, not with `-q`."""
    if (
        config.option.verbose < 0
        or config.stash[SESSION].header
        or not any("paddle_model" in getattr(item, "fixturenames", ()) for item in items)
    ):
        return None
    from pytest_paddle_infer import selection

    return selection.header_of(items, config.stash[SESSION].settings) or None


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Prints a row for each model and variant when a checkpoint ran, here or in an xdist worker, or a variant was not available."""
    if not any(
        name == "paddle_infer.model"  # not of a replay that failed
        for kind in ("passed", "failed", "skipped")
        for report in terminalreporter.getreports(kind)
        for name, _ in getattr(report, "user_properties", ())
    ):
        return
    from pytest_paddle_infer.report.terminal import print_summary

    print_summary(terminalreporter)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Waits for the processes that were ended: none outlives the session, nor stays as a zombie."""
    worker = sys.modules.get("pytest_paddle_infer.engine.worker")
    if worker is not None:
        worker.reap()
