"""The items of `--paddle-replay`: one for each kept folder, without a test file. Collecting reads no array and imports no Paddle."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_paddle_infer.evidence.found import VERDICT, kept_folders
from pytest_paddle_infer.failures import ConformanceFailure, Failure, OptionError, PaddleInferError, UnavailableError
from pytest_paddle_infer.session import SESSION

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_paddle_infer.options import Settings

PREFIX = "paddle-replay"
"""First part of the ids: `paddle-replay/kept/alexnet-onednn::test_replay`; the folder as seen from the root directory, or absolute without
its first slash."""

TEST = "test_replay"
PROPERTY = "paddle_replay"


def start(config: pytest.Config, settings: Settings) -> None:
    """Registers what makes the items, where the command line, an id or the ini file names folders. Raises `OptionError`."""
    named = _split_arguments(config)
    given = settings.replay if "replay" in settings.given or (not named and _names_nothing(config)) else ()
    folders: dict[str, Path] = {}
    for path in given:
        try:
            found = kept_folders(Path(path))
        except OptionError as error:
            raise OptionError(
                f"{'--paddle-replay' if 'replay' in settings.given else 'ini value paddle_replay'}: {error}"
            ) from None
        folders.update((_name_of(folder, config), folder) for folder in found)
    folders.update((_name_of(folder, config), folder) for folder in named)
    if not folders:
        return
    config.pluginmanager.register(Replays(folders), "paddle-infer-replays")
    config.pluginmanager.register(AgainstLastFailed(), "paddle-infer-replays-lf")


def _names_nothing(config: pytest.Config) -> bool:
    """True for a run of everything; as for pytest's own `testpaths`, an ini value adds nothing to a run that names its tests."""
    return config.args_source != pytest.Config.ArgsSource.ARGS


def _name_of(folder: Path, config: pytest.Config) -> str:
    full = Path(os.path.normpath(folder))
    try:
        return full.relative_to(config.rootpath).as_posix()
    except ValueError:
        return str(full)


def _split_arguments(config: pytest.Config) -> list[Path]:
    """Takes ids such as `paddle-replay/kept/tiny-cpu::test_replay` out of pytest's arguments and returns their folders."""
    folders, rest = [], []
    for argument in config.args:
        text, _, tail = str(argument).partition("::")
        where = _place_of(text, config)
        if where is None:
            rest.append(argument)
        elif not (where / VERDICT).is_file():
            raise OptionError(f"not found: {argument} ({where} holds no {VERDICT}).")
        elif tail not in ("", TEST):
            raise OptionError(f"not found: {argument} (there is {TEST}).")
        else:
            folders.append(where)
    if folders:
        config.args[:] = rest
    return folders


def _place_of(text: str, config: pytest.Config) -> Path | None:
    here, root = config.invocation_params.dir, config.rootpath
    if f"{PREFIX}/" not in text or os.path.exists(here / text):
        return None
    name = text.partition(f"{PREFIX}/")[2]
    # an absolute path is printed without its first slash
    places = [root / name, here / name, Path("/") / name]
    return next((place for place in places if (place / VERDICT).is_file()), places[0])


class Replays:
    """Appends the folders to what the session collects, and says at the end what no longer fails."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = folders

    def pytest_report_header(self) -> str:
        """Says what is replayed."""
        return f"paddle replay: {', '.join(self._folders)}"

    @pytest.hookimpl(hookwrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Any:
        """Adds the folders when the session itself is collected."""
        outcome = yield
        report = outcome.get_result()
        if isinstance(collector, pytest.Session) and report.passed:
            report.result = [*report.result, *(KeptFolder.build(collector, *entry) for entry in self._folders.items())]

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Prints a line for each folder that is green, or that could tell nothing: pytest prints no reason of a skip by itself."""
        told = [
            value
            for outcome in ("passed", "skipped")
            for report in terminalreporter.getreports(outcome)
            for name, value in getattr(report, "user_properties", ())
            if name == PROPERTY and getattr(report, "when", "") == "call"
        ]
        if told:
            terminalreporter.write_sep("=", "paddle replay")
            for line in told:
                terminalreporter.write_line(str(line))


class AgainstLastFailed:
    """`--lf` skips files without a known failure; these collectors are no files, so they are collected here."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> pytest.CollectReport | None:
        """Collects a folder's item whatever the last run said; `--lf` then deselects by id."""
        if isinstance(collector, KeptFolder):
            return pytest.CollectReport(collector.nodeid, "passed", None, list(collector.collect()))
        return None


class KeptFolder(pytest.Collector):
    """One folder, a collector without a file of tests."""

    folder: Path

    @classmethod
    def build(cls, session: pytest.Session, name: str, folder: Path) -> KeptFolder:
        """Makes the collector of one folder."""
        node: KeptFolder = cls.from_parent(session, name=name, nodeid=f"{PREFIX}/{name.lstrip('/')}")
        node.folder = folder
        return node

    def collect(self) -> Sequence[pytest.Item]:
        """Returns the one item."""
        item: Replay = Replay.from_parent(self, name=TEST)
        return [item]


class Replay(pytest.Item):
    """The verdict of one folder, repeated."""

    def runtest(self) -> None:
        """Fails with the recorded cause while the failure is still there."""
        from pytest_paddle_infer.checkpoints import place_of
        from pytest_paddle_infer.engine.inference import EngineSetup
        from pytest_paddle_infer.plain import plain_fail
        from pytest_paddle_infer.replaying import ReplayOptions, UndecidedError, replay
        from pytest_paddle_infer.report.figures import Figures
        from pytest_paddle_infer.report.text import plain

        assert isinstance(self.parent, KeptFolder)
        settings, place = self.config.stash[SESSION].settings, place_of(self.config)
        setup = EngineSetup(settings.threads, place.number, settings.python or "")
        try:
            told = replay(self.parent.folder, ReplayOptions(setup, settings.timeout, place.cores))
        except (UndecidedError, UnavailableError) as error:
            reason = plain(error.failure.title if isinstance(error, UnavailableError) else str(error))
            self.user_properties.append((PROPERTY, f"skipped: {reason}"))
            pytest.skip(reason)
        except PaddleInferError as error:
            remedy = getattr(error, "remedy", "")  # of a damaged folder
            failure = error.failure if isinstance(error, ConformanceFailure) else Failure(str(error), remedy=remedy)
            Figures(self.user_properties).why(failure)
            raise plain_fail(self._text(failure), self.nodeid) from None
        self.user_properties.append((PROPERTY, plain(told)))

    def _text(self, failure: Failure) -> str:
        from dataclasses import replace

        from pytest_paddle_infer.report.text import format_failure, reproduce_command

        assert isinstance(self.parent, KeptFolder)
        failure = failure.with_facts(("folder", str(self.parent.folder)))
        return format_failure(replace(failure, reproduce=reproduce_command(self.nodeid, self.config.stash[SESSION].settings)))

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """Names the folder rather than a line of the plugin."""
        assert self.parent is not None
        return self.parent.nodeid, None, f"{self.parent.name}: replay"
