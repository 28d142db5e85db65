"""report.html: one file without scripts and without a network. Pure functions over report.json's content.

The parts that have rooms of their own are `page_failures.py`, `page_models.py` and `page_samples.py`; `markup.py` has what they share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_paddle_infer.report import cells
from pytest_paddle_infer.report.markup import code, definitions, path, section, table, text
from pytest_paddle_infer.report.page_failures import failures
from pytest_paddle_infer.report.page_figures import MISSING, Draw
from pytest_paddle_infer.report.page_models import models
from pytest_paddle_infer.report.page_samples import AllPictures, samples

_STYLE = Path(__file__).with_name("page.css")

_ALLOWED = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def to_html(content: Mapping[str, Any], pictures: AllPictures | None = None, draw: Draw = None, undrawn: str = MISSING) -> str:
    """Returns the page, which ends in a newline. The generator's name stands in its first bytes.

    pictures: by test id and sample index. draw: `charts.draw`; None for a page without charts, and undrawn says why it has none.
    """
    title = f"Paddle inference: {content['verdict']}"
    sections = [(name, heading, list(lines)) for name, heading, lines in _sections(content, pictures or {}, draw, undrawn)]
    shown = [(name, heading, lines) for name, heading, lines in sections if lines]
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta name="generator" content="{text(content["generator"])}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{text(_ALLOWED)}">',
        f"<title>{text(title)}</title>",
        f"<style>\n{_STYLE.read_text(encoding='utf-8').strip()}\n</style>",
        "</head>",
        "<body>",
        '<a class="skip" href="#results">Skip to the results</a>',
        "<header>",
        *_head(content),
        '<nav aria-label="Sections"><ul>',
        *(f'<li><a href="#{name}">{text(heading)}</a></li>' for name, heading, _ in shown),
        "</ul></nav>",
        "</header>",
        '<main id="results">',
        *(line for name, heading, lines in shown for line in section(name, heading, lines)),
        "</main>",
        f'<footer class="faint">Made by {text(content["generator"])}. Every figure is in report.json, with all its digits.</footer>',
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _sections(
    content: Mapping[str, Any], pictures: AllPictures, draw: Draw, undrawn: str
) -> Iterator[tuple[str, str, Iterable[str]]]:
    yield "failures", f"Failures ({len(cells.failures(content))})", failures(content, draw)
    yield "models", "Models", models(content, draw, undrawn)
    yield "samples", "Samples", samples(content, pictures)
    yield "not-available", "Not available here", _pairs(cells.unavailable(content["models"]))
    yield "notes", "Notes", _notes(content["tests"])
    yield "tests", f"Tests ({len(content['tests'])})", _tests(content["tests"])
    yield "not-collected", "Not collected", _problems(content["session"]["not_collected"])
    yield "environment", "Environment", _environment(content)


# -- at a glance -------------------------------------------------------------------------------------------------------


def _head(content: Mapping[str, Any]) -> Iterator[str]:
    session, environment, verdict = content["session"], content["environment"], content["verdict"]
    kind = verdict.split()[0]
    sign = {"passed": "✓", "failed": "✗"}.get(kind, "!")
    yield f'<h1>Paddle inference: <span class="verdict {kind}"><span aria-hidden="true">{sign} </span>{text(verdict)}</span></h1>'
    others = session["outcomes_of_other_tests"]
    more = f" Other tests of the session, which are no part of this report: {cells.counts(others)}." if any(others.values()) else ""
    yield f"<p>{text(cells.counts(session['outcomes']))}. pytest: {text(session['exit_reason'])}.{text(more)}</p>"
    paddle = f"Paddle {environment['paddle']}" if environment["paddle"] else "no Paddle"
    when = session["started"].replace("T", " ").replace("+00:00", " UTC")
    told = f"{paddle}, {environment['processor']}; {when}, {cells.figure(session['duration_s'])} s"
    yield f'<p class="faint">{text(told)}</p>'
    tiles = list(_tiles(content))
    if tiles:
        yield '<dl class="tiles">'
        yield from (
            f"<div><dt>{text(label)}</dt><dd>{text(value)}<small>{text(more)}</small></dd></div>" for label, value, more in tiles
        )
        yield "</dl>"


def _tiles(content: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The few figures that most come for: (label, figure, what it is of)."""
    rows = [(model, row) for model in content["models"] for row in model["variants"] if not row["unavailable"]]
    if rows:
        good = sum(_holds(model, row) for model, row in rows)
        models = len({model["model"] for model, _ in rows})
        yield "variants that hold", f"{good} of {len(rows)}", f"of {models} models" if models > 1 else rows[0][0]["model"]
    judged = [
        (limits, _who(model, row), row.get("output_limit_relative"))
        for model, row in rows
        if (limits := cells.over_limit(row)) is not None
    ]
    if judged:
        limits, who, limit = max(judged, key=lambda found: found[:2])
        yield "largest error", cells.of_limit(limits, limit), who
    answered = [
        (row["answers_agreed"], row["answers_compared"], _who(model, row)) for model, row in rows if row["answers_compared"]
    ]
    if answered:
        agreed, compared, who = min(answered, key=lambda found: found[0] / found[1])
        told = f"{agreed} of {compared}"
        if agreed == compared and len(answered) > 1:
            counts = sorted({each for _, each, _ in answered})
            told = told if len(counts) == 1 else f"all of {counts[0]} to {counts[-1]}"
            who = "in every variant" if len(answered) == len(rows) else f"in the {len(answered)} variants that answered"
        yield "answers that agree", told, who
    timed = [
        (row["speedup_over_training"], model, row)
        for model, row in rows
        if row["speedup_over_training"] and row["variant"] in model["fastest"][:1]
    ]
    if timed:
        factor, model, row = max(timed, key=lambda found: float(found[0]))
        of = cells.FASTEST if len({each["model"] for _, each, _ in timed}) == 1 else "largest gain over training"
        others = model["fastest"][1:]
        alike = f"; not decided against {', '.join(others)}: {cells.NOT_TOLD_APART}" if others else ""
        told = f"{_who(model, row)}: {cells.figure(row['p50_ms'])} ms{alike}"
        yield of, f"{cells.figure(factor)} x training", told


def _holds(model: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Where parity ran for any variant of the model, one without it is no proven answer: as in `matrix`, which variant is best."""
    judged = any("parity" in (*each["passed"], *_failed(each)) for each in model["variants"])
    return not row["failed"] and (not judged or "parity" in row["passed"])


def _failed(row: Mapping[str, Any]) -> list[str]:
    return [entry["checkpoint"] for entry in row["failed"]]


def _who(model: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    return f"{cells.title_of(model)}, {row['variant']}"


# -- the rest ----------------------------------------------------------------------------------------------------------


def _pairs(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield from definitions([(name, text(value)) for name, value in pairs])


def _notes(tests: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    found = cells.notes(tests)
    if found:
        yield "<ul>"
        yield from (f"<li>{text(note)}</li>" for note in found)
        yield "</ul>"


def _tests(tests: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if tests:
        yield from table("Tests", ("test", "outcome", "files", "seconds"), (_test(test) for test in tests), figures=3)


def _test(test: Mapping[str, Any]) -> Iterator[str]:
    yield f"<code>{text(test['id'])}</code>"
    reason = f": {test['reason']}" if test["reason"] else ""
    yield f'<span class="{test["outcome"]}">{test["outcome"]}</span>{text(reason)}'
    yield "<br>".join(path(place) for place in dict.fromkeys(test["files"].values()) if place)
    yield cells.figure(test["duration_s"])


def _problems(problems: Sequence[Mapping[str, str]]) -> Iterator[str]:
    for problem in problems:
        name = problem["id"] or "the session"
        yield f"<h3>{text(name)}</h3>"
        yield code(problem["text"], f"What pytest printed of {name}")


def _environment(content: Mapping[str, Any]) -> Iterator[str]:
    environment, session = content["environment"], content["session"]
    rows = [(name, version) for name, version in environment["packages"].items()]
    rows += [("Python", environment["python"]), ("system", environment["system"]), ("processor", environment["processor"])]
    rows += [("architecture", environment["architecture"]), ("cores", f"{environment['cores']:g}")]
    if environment["engine_python"]:
        rows.append(("the inference engine's Python", environment["engine_python"]))
        rows.append(("the inference engine's Paddle", environment["engine_paddle"] or "not known"))
    rows.append(("processes of pytest", str(session["processes"])))
    for option in session["options"]:
        rows.append((f"{option['option']} ({option['origin']})", ", ".join(option["values"])))
    yield from _pairs(rows)
