"""What GitHub Actions reads: annotations on standard output, and the step summary. Pure functions, but for the one that appends.

The formats are those of the workflow commands (docs.github.com, "Workflow commands for GitHub Actions") and of `command.ts` in
actions/toolkit, which says what is escaped.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_paddle_infer.report import cells

MOST = 10
"""Error annotations that GitHub shows of one step."""

SUMMARY_LIMIT = 1 << 20
"""Bytes of a step's summary; GitHub shows none of a longer one."""


def error_lines(content: Mapping[str, Any], rootdir: Path, workspace: Path) -> list[str]:
    """Returns a line for each failure; the last says how many more there are where GitHub would not show them all.

    workspace: the repository's directory on the runner; a test's file is named from there, and left out where it lies elsewhere.
    """
    failed = cells.failures(content)
    shown = failed if len(failed) <= MOST else failed[: MOST - 1]
    lines = [_of(test, rootdir, workspace) for test in shown]
    if len(failed) > len(shown):
        lines.append(command("error", f"{len(failed) - len(shown)} more failures are in the summary.", title="Paddle inference"))
    return lines


def _of(test: Mapping[str, Any], rootdir: Path, workspace: Path) -> str:
    failure = test["failure"]
    told = [failure["cause"], f"stage: {failure['stage']}" if failure["stage"] else ""]
    told += [f"to do: {failure['remedy']}" if failure["remedy"] else "", f"again: {failure['again']}" if failure["again"] else ""]
    place: dict[str, str] = {}
    if failure["file"]:
        full = Path(os.path.normpath(rootdir / failure["file"]))
        if full.is_relative_to(workspace):
            place = {"file": full.relative_to(workspace).as_posix(), "line": str(failure["line"])}
    return command("error", "\n".join(filter(None, told)), **place, title=cells.heading(test))


def command(name: str, message: str, **properties: str) -> str:
    """Returns `::name key=value,key=value::message` with everything escaped that the runner would take for its own."""
    pairs = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return f"::{name}{' ' if pairs else ''}{pairs}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def append_summary(path: Path, text: str) -> None:
    """Appends the summary to the step's file, which other programs append to as well. Raises `OSError`."""
    room = SUMMARY_LIMIT - (path.stat().st_size if path.is_file() else 0) - 200
    data = text.encode(errors="backslashreplace")
    if len(data) > room:
        data = data[: max(0, room)].decode(errors="ignore").rpartition("\n")[0].encode() + b"\n\nCut: the whole is in summary.md.\n"
    with path.open("ab") as stream:
        stream.write(b"\n" + data)
