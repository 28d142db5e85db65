"""Failures as text: the cause first, then the facts, what to do, and how to see it again. Pure functions."""

from __future__ import annotations

import re
import shlex
import textwrap
from typing import TYPE_CHECKING

from pytest_paddle_infer.failures import Failure

if TYPE_CHECKING:
    from pytest_paddle_infer.options import Settings

WIDTH = 110
"""Columns that long facts are folded to."""

_STYLE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def plain(text: str) -> str:
    """Returns text of models, engines and files as every terminal, XML file and process of xdist takes it.

    Colours go. Control characters, and the halves of characters that stand for bytes of no encoding, are escaped: `\\x00`, `\\udcff`.
    """
    return _UNPRINTABLE.sub(lambda found: _escaped(found[0]), _STYLE.sub("", text).replace("\r\n", "\n"))


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def format_failure(failure: Failure) -> str:
    """Returns the text of a failed checkpoint."""
    lines = [failure.title, ""]
    rows = [*failure.facts]
    if failure.remedy:
        rows.append(("to do", failure.remedy))
    if failure.reproduce:
        rows.append(("again", failure.reproduce))
    width = max((len(label) for label, _ in rows), default=0)
    for label, value in rows:
        folds = [value] if label == "again" else textwrap.wrap(value, WIDTH - width, break_long_words=False, break_on_hyphens=False)
        for number, part in enumerate(folds or [""]):
            lines.append(f"  {(label + ':') if not number else '':<{width + 1}} {part}".rstrip())
    return plain("\n".join(lines).rstrip())


def labelled(nodeid: str, label: str) -> bool:
    """True where the brackets of an id hold this label, alone or beside others."""
    return re.search(rf"[\[-]{re.escape(label)}[\]-]", nodeid) is not None


def reproduce_command(nodeid: str, settings: Settings, own_model: bool = False) -> str:
    """Returns the command that runs one test again with the options of this run.

    own_model: its marker names its model, so that `--paddle-model` would only add the items of others.
    """
    words = settings.command_line()
    if not nodeid.startswith(
        ("paddle-model/", "paddle-replay/")
    ):  # whose ids name model and variant; others exist with these options only
        for name in ("variant",) if own_model else ("variant", "model"):
            if name in settings.given:
                values = getattr(settings, name)
                named = [value for value in values if labelled(nodeid, str(value))]  # the id's own; it needs no other
                words = [*(f"--paddle-{name}={value}" for value in named or values), *words]
    return shlex.join(["pytest", nodeid, *words])
