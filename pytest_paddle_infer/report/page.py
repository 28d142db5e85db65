"""report.html: one file without scripts and without a network. Pure functions over report.json's content."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pytest_paddle_infer.report import cells

_STYLE = Path(__file__).with_name("page.css")

_ALLOWED = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def to_html(content: Mapping[str, Any]) -> str:
    """Returns the page, which ends in a newline. The generator's name stands in its first bytes."""
    title = f"Paddle inference: {content['verdict']}"
    sections = [(name, heading, list(lines)) for name, heading, lines in _sections(content)]
    shown = [(name, heading, lines) for name, heading, lines in sections if lines]
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta name="generator" content="{_text(content["generator"])}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{_text(_ALLOWED)}">',
        f"<title>{_text(title)}</title>",
        f"<style>\n{_STYLE.read_text(encoding='utf-8').strip()}\n</style>",
        "</head>",
        "<body>",
        '<a class="skip" href="#results">Skip to the results</a>',
        "<header>",
        *_head(content),
        '<nav aria-label="Sections"><ul>',
        *(f'<li><a href="#{name}">{_text(heading)}</a></li>' for name, heading, _ in shown),
        "</ul></nav>",
        "</header>",
        '<main id="results">',
        *(line for name, heading, lines in shown for line in _section(name, heading, lines)),
        "</main>",
        f'<footer class="faint">Made by {_text(content["generator"])}. Every figure is in report.json, with all its digits.</footer>',
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _sections(content: Mapping[str, Any]) -> Iterator[tuple[str, str, Iterable[str]]]:
    failed = cells.failures(content)
    yield "failures", f"Failures ({len(failed)})", (line for test in failed for line in _failure(test))
    yield "models", "Models", _models(content)
    yield "not-available", "Not available here", _pairs(cells.unavailable(content["models"]))
    yield "notes", "Notes", _notes(content["tests"])
    yield "tests", f"Tests ({len(content['tests'])})", _tests(content["tests"])
    yield "not-collected", "Not collected", _problems(content["session"]["not_collected"])
    yield "environment", "Environment", _environment(content)


def _section(name: str, heading: str, lines: Iterable[str]) -> Iterator[str]:
    yield f'<section id="{name}" aria-labelledby="{name}-heading">'
    yield f'<h2 id="{name}-heading">{_text(heading)}</h2>'
    yield from lines
    yield "</section>"


def _head(content: Mapping[str, Any]) -> Iterator[str]:
    session, environment, verdict = content["session"], content["environment"], content["verdict"]
    yield f'<h1>Paddle inference: <span class="verdict {verdict.split()[0]}">{_text(verdict)}</span></h1>'
    others = session["outcomes_of_other_tests"]
    more = f" Other tests of the session, which are no part of this report: {cells.counts(others)}." if any(others.values()) else ""
    yield f"<p>{_text(cells.counts(session['outcomes']))}. pytest: {_text(session['exit_reason'])}.{_text(more)}</p>"
    paddle = f"Paddle {environment['paddle']}" if environment["paddle"] else "no Paddle"
    when = session["started"].replace("T", " ").replace("+00:00", " UTC")
    told = f"{paddle}, {environment['processor']}; {when}, {cells.figure(session['duration_s'])} s"
    yield f'<p class="faint">{_text(told)}</p>'


# -- failures ----------------------------------------------------------------------------------------------------------


def _failure(test: Mapping[str, Any]) -> Iterator[str]:
    failure = test["failure"]
    yield "<article>"
    yield f"<h3>{_text(cells.heading(test))}</h3>"
    yield f"<p>{_text(failure['cause'])}</p>"
    places = {"files": test["files"]["outputs"], "kept": test["files"]["evidence"]}
    rows = [
        (fact["label"], _path(places[fact["label"]]) if places.get(fact["label"]) else _text(fact["value"]))
        for fact in failure["facts"]
    ]
    if failure["remedy"]:
        rows.append(("to do", _text(failure["remedy"])))
    if failure["again"]:
        rows.append(("again", f"<code>{_text(failure['again'])}</code>"))
    yield from _definitions(rows)
    if failure["text"]:
        yield f"<details><summary>As pytest printed it</summary>{_code(failure['text'], 'What pytest printed')}</details>"
    yield "</article>"


# -- models ------------------------------------------------------------------------------------------------------------


def _models(content: Mapping[str, Any]) -> Iterator[str]:
    used: dict[str, None] = {}
    for model in content["models"]:
        head, rows = cells.table(model)
        used.update((column, None) for column in head if column in cells.MEANING)
        yield f"<h3>{_text(cells.title_of(model))}</h3>"
        yield from _weights(model["model"], content["tests"])
        fixed = 1 + len(cells.CHECKPOINTS)
        yield from _table(f"Variants of {cells.title_of(model)}", head, (map(_cell, row) for row in rows), figures=fixed)
    if used:
        yield "<details><summary>What the columns show</summary>"
        yield from _definitions([(column, _text(cells.MEANING[column])) for column in used])
        yield "<p>* Pareto-best: no other variant that passed is as good in everything and better in something.</p></details>"


def _weights(model: str, tests: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    found = dict.fromkeys(test["weights"] for test in tests if test["model"] == model and test["weights"])
    if found:
        yield f'<p class="faint">{_text("; ".join(found))}</p>'


def _cell(text: str) -> str:
    return f'<span class="{text.lower()}">{text}</span>' if text in ("ok", "FAILED") else _text(text)


# -- the rest ----------------------------------------------------------------------------------------------------------


def _pairs(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield from _definitions([(name, _text(value)) for name, value in pairs])


def _notes(tests: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    found = dict.fromkeys(
        ": ".join(filter(None, (test["model"], note))) for test in tests for note in (*test["notes"], *test["teeth"])
    )
    if found:
        yield "<ul>"
        yield from (f"<li>{_text(note)}</li>" for note in found)
        yield "</ul>"


def _tests(tests: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if tests:
        yield from _table("Tests", ("test", "outcome", "files", "seconds"), (_test(test) for test in tests), figures=3)


def _test(test: Mapping[str, Any]) -> Iterator[str]:
    yield f"<code>{_text(test['id'])}</code>"
    reason = f": {test['reason']}" if test["reason"] else ""
    yield f'<span class="{test["outcome"]}">{test["outcome"]}</span>{_text(reason)}'
    yield "<br>".join(_path(path) for path in dict.fromkeys(test["files"].values()) if path)
    yield cells.figure(test["duration_s"])


def _problems(problems: Sequence[Mapping[str, str]]) -> Iterator[str]:
    for problem in problems:
        yield f"<h3>{_text(problem['id'] or 'the session')}</h3>"
        yield _code(problem["text"], "What pytest printed")


def _environment(content: Mapping[str, Any]) -> Iterator[str]:
    environment, session = content["environment"], content["session"]
    rows = [(name, version) for name, version in environment["packages"].items()]
    rows += [("Python", environment["python"]), ("system", environment["system"]), ("processor", environment["processor"])]
    rows += [("architecture", environment["architecture"]), ("cores", f"{environment['cores']:g}")]
    if environment["engine_python"]:
        rows.append(("the inference engine's Python", environment["engine_python"]))
    rows.append(("processes of pytest", str(session["processes"])))
    for option in session["options"]:
        rows.append((f"{option['option']} ({option['origin']})", ", ".join(option["values"])))
    yield from _pairs(rows)


# -- pieces ------------------------------------------------------------------------------------------------------------


def _table(name: str, head: Sequence[str], rows: Iterable[Iterable[str]], figures: int) -> Iterator[str]:
    """A table that scrolls within itself, by keys too. rows: cells as HTML. figures: the first column of numbers."""
    yield f'<div class="scroll" role="region" tabindex="0" aria-label="{_text(name)}">'
    yield "<table><thead><tr>"
    yield from (f'<th scope="col"{_kind(index, figures)}>{_text(column)}</th>' for index, column in enumerate(head))
    yield "</tr></thead><tbody>"
    for row in rows:
        first, *others = row
        filled = "".join(f"<td{_kind(index, figures)}>{cell}</td>" for index, cell in enumerate(others, 1))
        yield f'<tr><th scope="row">{first}</th>{filled}</tr>'
    yield "</tbody></table></div>"


def _kind(index: int, figures: int) -> str:
    return ' class="figure"' if index >= figures else ""


def _definitions(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Labels as text, values as HTML."""
    if rows:
        yield "<dl>"
        yield from (f"<dt>{_text(label)}</dt><dd>{value}</dd>" for label, value in rows)
        yield "</dl>"


def _path(path: str) -> str:
    """A link where the report and the file can be moved together, else the path itself."""
    shown = f"<code>{_text(path)}</code>"
    return shown if path.startswith("/") else f'<a href="./{_text(quote(path, errors="replace"))}">{shown}</a>'


def _code(text: str, name: str) -> str:
    return f'<pre role="region" tabindex="0" aria-label="{_text(name)}"><code>{_text(text)}</code></pre>'


def _text(text: str) -> str:
    """Text of models, engines and users as HTML that says just that; what browsers refuse in a page becomes visible."""
    return escape(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text), quote=True)
