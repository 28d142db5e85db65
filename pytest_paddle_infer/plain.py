"""A failed test in our own words: no traceback, and one line where pytest has room for one.

`checkpoints.py`, `replay_items.py` and `fixtures.py` raise it, `plugin.py` asks for the line.
"""

from __future__ import annotations

from typing import Any

import pytest

from pytest_paddle_infer.report.text import labelled

LINE = "paddle_infer_line"
"""The attribute of an exception that has the line."""


def plain_fail(text: str, nodeid: str) -> BaseException:
    """Returns what fails a test with this text; its first line alone stands in the short summary and in junit's `message`.

    Words at its beginning that the id says too are left out there: terminals are narrow.
    """
    line = text.partition("\n")[0]
    who, _, rest = line.partition(": ")
    parts = who.split(", ")
    known = all(f"{before}{part}" in nodeid for part, before in zip(parts, ("/", "["))) or labelled(nodeid, "-".join(parts))
    error = pytest.fail.Exception(text, pytrace=False)
    setattr(error, LINE, rest if rest and known else line)
    return error


def shorten(error: BaseException, report: Any) -> None:
    """Gives the report of a failure of ours its line, where pytest has put the whole text."""
    line, crash = getattr(error, LINE, ""), getattr(report.longrepr, "reprcrash", None)
    if line and crash is not None:
        crash.message = line
