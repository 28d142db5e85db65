"""summary.md: the report in a few lines, for a step summary of CI or a comment. Pure functions over report.json's content."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_paddle_infer.report import cells

MOST_FAILURES = 50
"""Failures that are told in full: GitHub refuses a step summary above 1 MiB."""

MOST_FACTS = 12

MOST_NOTES = 12

_UNDERSCORES = re.compile(r"(?<!\w)_+|_+(?!\w)")
"""Those that may be markup: not between two letters or digits, where CommonMark and GitHub take them as they are."""

_SAVED = re.compile(r"(?P<who>.+): times saved as '(?P<name>[^']+)' \(.+\)")
"""The note of a baseline that was saved, as `gates.keep` writes it: one for each model and variant."""

MARKS = {"passed": "✅", "failed": "❌", "incomplete": "⚠️", "nothing ran": "⚠️"}


def to_markdown(content: Mapping[str, Any]) -> str:
    """Returns the summary, which ends in a newline."""
    return "\n".join((f"<!-- {content['generator']}, run {content['run']} -->", *_lines(content))) + "\n"


def _lines(content: Mapping[str, Any]) -> Iterator[str]:
    session, environment = content["session"], content["environment"]
    yield f"## {MARKS[content['verdict']]} Paddle inference: {content['verdict']}"
    yield ""
    paddle = f"Paddle {environment['paddle']}" if environment["paddle"] else "no Paddle"
    if environment["engine_python"]:
        other = environment["engine_paddle"]
        paddle += f", inference engine {f'Paddle {other}' if other else 'of another Python'}"
    yield escape(f"{cells.counts(session['outcomes'])}; {paddle}, Python {environment['python']}, {environment['processor']}.")
    others = session["outcomes_of_other_tests"]
    if others["failed"] or others["error"]:
        yield ""
        yield f"Of the session's other tests, which are no part of this report: {cells.counts(others)}."
    for model in content["models"]:
        head, rows = cells.table(model)
        yield from ("", f"### {escape(cells.title_of(model))}", "", *_table(head, rows))
        if fastest := cells.fastest(model):
            yield from ("", escape(f"{fastest}."))
    for legend in cells.legends(content["models"]):
        yield from ("", escape(f"* {legend}."))
    for who, reason in cells.unavailable(content["models"]):
        yield from ("", escape(f"{who}: not available: {reason}"))
    failed = cells.failures(content)
    headings = Counter(map(cells.heading, failed))
    for test in failed[:MOST_FAILURES]:
        yield from ("", *_failure(test, alone=headings[cells.heading(test)] == 1))
    if len(failed) > MOST_FAILURES:
        yield from ("", f"{len(failed) - MOST_FAILURES} more failures are in report.json.")
    for problem in session["not_collected"]:
        yield from ("", f"Not collected: {_code(problem['id'])}")
    yield from _notes(content["tests"], others=bool(failed))


def _notes(tests: Sequence[Mapping[str, Any]], others: bool) -> Iterator[str]:
    """others: a failure stands before them, which the notes are none of."""
    notes = _saved_together(cells.notes(tests))
    if notes:
        yield from ("", "### Notes", "") if others else ("",)
    yield from (f"- {escape(note)}" for note in notes[:MOST_NOTES])
    if len(notes) > MOST_NOTES:
        yield f"- {len(notes) - MOST_NOTES} more notes are in report.json."


def _saved_together(notes: Sequence[str]) -> list[str]:
    """What was saved as one baseline in one note, and without places, which are on another machine for who reads them."""
    saved: dict[str, list[str]] = {}
    left = []
    for note in notes:
        found = _SAVED.fullmatch(note)
        if found is None:
            left.append(note)
        else:
            saved.setdefault(found["name"], []).append(found["who"].replace(": ", ", "))
    return [*(f"times saved as '{name}': {'; '.join(who)}" for name, who in saved.items()), *left]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "| " + " | ".join("---" if index < 1 + len(cells.CHECKPOINTS) else "---:" for index in range(len(head))) + " |"
    for row in rows:
        yield "| " + " | ".join(f"**{cell}**" if cell == "FAILED" else escape(cell) for cell in row) + " |"


def _failure(test: Mapping[str, Any], alone: bool) -> Iterator[str]:
    """alone: no other failure has this heading; else the id tells them apart."""
    failure = test["failure"]
    yield f"### {escape(cells.heading(test))}" + ("" if alone else f" ({_code(test['id'])})")
    yield ""
    yield escape(failure["cause"])
    yield ""
    for fact in failure["facts"][:MOST_FACTS]:
        yield f"- {escape(fact['label'])}: {escape(fact['value'])}"
    if failure["remedy"]:
        yield f"- to do: {escape(failure['remedy'])}"
    if failure["again"]:
        yield f"- again: {_code(failure['again'])}"


def escape(text: str) -> str:
    """Text of models, engines and users as Markdown that says just that: no markup, no table cell's end, no mention of a person."""
    line = " ".join(text.split())
    line = _UNDERSCORES.sub(lambda found: found[0].replace("_", "\\_"), re.sub(r"([\\`*\[\]|~#])", r"\\\1", line))
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return line.replace("@", "@<!-- -->")


def _code(text: str) -> str:
    """As code, in more backticks than it holds."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{' '.join(text.split())}{pad}{fence}"
