"""Progress: on a terminal a line that comes and goes, in a pipe nothing."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_paddle_infer.report import terminal
from pytest_paddle_infer.report.terminal import LiveProgress, live_progress

if TYPE_CHECKING:
    from conftest import Session


class Writer:
    """What `LiveProgress` needs of pytest's terminal writer: 40 columns, 10 of them taken."""

    fullwidth = 40
    width_of_current_line = 10

    def __init__(self) -> None:
        self._file = io.StringIO()


def config(**attributes: Any) -> Any:
    plugins = SimpleNamespace(get_plugin=lambda name: None)
    options = {"verbose": attributes.pop("verbose", 0)}
    return SimpleNamespace(pluginmanager=plugins, getoption=options.get, **attributes)


def reporter(isatty: bool = True) -> Any:
    return SimpleNamespace(isatty=isatty, _tw=Writer())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    monkeypatch.setenv("TERM", "xterm")
    return now


def shown(written: Any) -> list[str]:
    """The texts written so far, without the codes that save the cursor, clear the line and go back."""
    text = written._tw._file.getvalue()
    parts = text.split("\x1b7\x1b[K")
    assert parts[0] == ""
    assert all(part.endswith("\x1b8") for part in parts[1:])
    return [part[: -len("\x1b8")] for part in parts[1:]]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("arranged", "isatty", "term"),
    [({}, False, "xterm"), ({}, True, "dumb"), ({"workerinput": {}}, True, "xterm"), ({"verbose": -2}, True, "xterm")],
    ids=["pipe", "dumb terminal", "xdist worker", "-qq"],
)
def test_there_is_none_where_nobody_watches(
    monkeypatch: pytest.MonkeyPatch, arranged: dict[str, Any], isatty: bool, term: str
) -> None:
    monkeypatch.setenv("TERM", term)
    assert live_progress(config(**arranged), reporter(isatty)) is None


@pytest.mark.usefixtures("clock")
def test_there_is_one_on_a_terminal() -> None:
    assert isinstance(live_progress(config(), reporter()), LiveProgress)


def test_a_step_is_shown_at_once_and_taken_away_at_the_end(clock: list[float]) -> None:
    at = reporter()
    progress = LiveProgress(config(), at)
    progress.step("alexnet", "export")
    assert shown(at) == [" alexnet: export"]
    progress.finish()
    progress.finish()
    assert shown(at) == [" alexnet: export", ""]


def test_parts_are_shown_at_most_five_times_a_second_with_the_seconds_gone(clock: list[float]) -> None:
    at = reporter()
    progress = LiveProgress(config(), at)
    progress.step("alexnet", "parity")
    progress.advance(1, 9)
    clock[0] += 0.1
    progress.advance(2, 9)
    clock[0] += 0.2
    progress.advance(3, 9)
    clock[0] += 2
    progress.tick()
    assert shown(at) == [" alexnet: parity", " alexnet: parity 3/9", " alexnet: parity 3/9 2 s"]


def test_a_long_step_is_cut_to_the_room_that_is_left(clock: list[float]) -> None:
    at = reporter()
    LiveProgress(config(), at).step("a_model_with_a_very_long_name", "export")
    (text,) = shown(at)
    assert len(text) == 40 - 10 - 1


def test_nothing_is_written_before_a_step_or_after_the_last(clock: list[float]) -> None:
    at = reporter()
    progress = LiveProgress(config(), at)
    progress.tick()
    progress.advance(1, 2)
    progress.finish()
    assert shown(at) == []


def test_it_writes_past_pytests_capturing(clock: list[float]) -> None:
    entered: list[str] = []

    class Capture:
        def global_and_fixture_disabled(self) -> Any:
            from contextlib import contextmanager

            @contextmanager
            def off() -> Any:
                entered.append("off")
                yield

            return off()

    at, it = reporter(), config()
    it.pluginmanager.get_plugin = lambda name: Capture() if name == "capturemanager" else None
    LiveProgress(it, at).step("alexnet", "export")
    assert entered == ["off"]


def test_a_session_in_a_pipe_holds_no_escape_codes(run: Session) -> None:
    text = run("--paddle-model=alexnet").stdout.str()
    assert "\x1b" not in text
    assert "alexnet: export" not in text


def test_a_session_on_a_terminal_shows_the_steps_and_takes_them_away_again(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    run.write(
        "conftest.py",
        "import pytest\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_collection_modifyitems(config):\n"
        "    reporter = config.pluginmanager.get_plugin('terminalreporter')\n"
        "    real, reporter.isatty = reporter.isatty, lambda: True\n    yield\n    reporter.isatty = real\n",
    )
    monkeypatch.setenv("TERM", "xterm")
    result = run("--paddle-model=alexnet")
    result.assert_outcomes(passed=3)
    text = result.stdout.str()
    assert "\x1b7\x1b[K alexnet: : export\x1b8\x1b7\x1b[K\x1b8" in text
