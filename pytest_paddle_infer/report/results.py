"""What became of one test, from pytest's reports of it. `report/recorder.py` collects, `report/content.py` makes JSON of it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_paddle_infer.report.figures import PREFIX, is_ours, place_of

OUTCOMES = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")
"""error: setup or teardown failed, or the process died. xfailed, xpassed: of tests that are expected to fail."""

LONGEST = 20_000
"""Characters of a failure's text; one with a traceback through the user's code may be longer."""


DEATH = "???"
"""pytest-xdist's phase of a test whose process died; such a report carries nothing but the id and a sentence."""

_ID = re.compile(r"paddle-model/(?P<model>.+?)::test_(?P<checkpoint>artifacts|parity|log)(?:\[(?P<variant>.+)\])?")


@dataclass(frozen=True)
class Phase:
    """Setup, call or teardown of one test.

    ours: the test belongs into the report; of others only the outcome is kept. summary: the first line of what was raised, or the reason
    of a skip. text: all of what was raised. file: as pytest names it, from the root directory; line: from 1. own_model: the test's marker
    names its model.
    """

    when: str
    outcome: str
    seconds: float
    ours: bool
    expected: bool = False
    properties: tuple[tuple[str, str], ...] = ()
    summary: str = ""
    text: str = ""
    file: str = ""
    line: int = 0
    place: float = math.inf
    own_model: bool = False


@dataclass(frozen=True)
class Result:
    """One test. compared: its figures belong into the comparison of the variants, as in the terminal. again: the command for it alone.

    place: which of the session's items it is; infinity where that is not known, as of one whose process died. own_model: see `Phase`.

    details, notes: what its checkpoints kept for the report, and what of that could not be read. outputs, log: its files, as the report
    names them; "" where they were not copied.
    """

    id: str
    outcome: str
    seconds: float
    properties: tuple[tuple[str, str], ...] = ()
    compared: bool = False
    summary: str = ""
    text: str = ""
    file: str = ""
    line: int = 0
    again: str = ""
    details: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()
    outputs: str = ""
    log: str = ""
    place: float = math.inf
    own_model: bool = False


def read_phase(report: Any) -> Phase:
    """Returns what is needed of a `pytest.TestReport`, which may come from a process of xdist."""
    given = [(name, str(value)) for name, value in getattr(report, "user_properties", ()) if isinstance(name, str)]
    when, outcome, seconds = str(report.when), str(report.outcome), float(getattr(report, "duration", 0.0))
    expected = hasattr(report, "wasxfail")
    if not is_ours(report):
        return Phase(when, outcome, seconds, False, expected)
    file, line, _ = report.location
    summary, text = _told(report)
    own_model = bool(getattr(report, "paddle_infer_own_model", False))
    place = place_of(report)
    return Phase(when, outcome, seconds, True, expected, tuple(given), summary, text, str(file), (line or 0) + 1, place, own_model)


def _told(report: Any) -> tuple[str, str]:
    raised = report.longrepr
    if report.outcome == "skipped":
        reason = str(raised[2]) if isinstance(raised, tuple) else str(getattr(report, "wasxfail", "") or raised or "")
        return _first_line(reason, "Skipped: "), ""
    if report.outcome != "failed":
        return "", ""
    text = str(report.longreprtext)
    if hasattr(report, "node"):  # pytest begins it with a line about the process of xdist
        text = text.partition("\n")[2]
    crash = getattr(raised, "reprcrash", None)
    summary, first = _first_line(str(crash.message) if crash is not None else text, "Failed: "), _first_line(text, "Failed: ")
    if first.endswith(f": {summary}"):  # a failure of ours, whose line leaves out what the id says
        summary = first
    return summary, text if len(text) <= LONGEST else f"{text[:LONGEST]}\n[cut: {len(text) - LONGEST} more characters]"


def _first_line(text: str, label: str) -> str:
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line[len(label) :] if line.startswith(label) else line


def _of_a_death(nodeid: str, cause: str) -> tuple[tuple[str, str], ...]:
    """What an item without a test file would have put onto its report, had its process lived: its id tells. Empty for other tests."""
    found = _ID.fullmatch(nodeid)
    if found is None:
        return ()
    told = {"model": found["model"], "variant": found["variant"], "failed": found["checkpoint"], "cause": cause}
    return tuple((PREFIX + name, value) for name, value in told.items() if value)


def joined(nodeid: str, phases: Sequence[Phase]) -> Result:
    """Returns the test that these phases, at least one and in their order, are of."""
    outcome, telling = _outcome(phases)
    death = _of_a_death(nodeid, telling.summary) if telling.when == DEATH else ()
    unavailable = any(name == PREFIX + "unavailable" for name, _ in telling.properties)
    called = telling.when == "call" and outcome in ("passed", "failed")
    return Result(
        nodeid,
        outcome,
        sum(phase.seconds for phase in phases),
        death or phases[-1].properties,
        called
        or bool(death)
        or (outcome == "error" and any(phase.when == "call" for phase in phases))
        or (outcome == "skipped" and unavailable),
        telling.summary,
        telling.text,
        telling.file,
        telling.line,
        place=min(phase.place for phase in phases),
        own_model=any(phase.own_model for phase in phases),
    )


def _outcome(phases: Sequence[Phase]) -> tuple[str, Phase]:
    """The outcome, and the phase that says why: a call that failed counts more than a teardown that failed after it."""
    call = next((phase for phase in phases if phase.when == "call"), None)
    if call is not None and call.outcome == "failed":
        return "failed", call
    for phase in phases:
        if phase.outcome == "failed":
            return "error", phase
    if call is not None and call.expected:
        return ("xpassed" if call.outcome == "passed" else "xfailed"), call
    skipped = next((phase for phase in phases if phase.outcome == "skipped"), None)
    if skipped is not None:
        return ("xfailed" if skipped.expected else "skipped"), skipped
    return "passed", call or phases[-1]
