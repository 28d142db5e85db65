"""What the terminal shows: progress while long work runs, and the summary at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_paddle_infer.cutting import first_ones
from pytest_paddle_infer.distributions import engines
from pytest_paddle_infer.failures import HookError
from pytest_paddle_infer.progress import Progress
from pytest_paddle_infer.report import matrix_file, matrix_table
from pytest_paddle_infer.report.figures import CHECKPOINT_SIGNS, PREFIX, place_of
from pytest_paddle_infer.report.matrix import INFINITE, Matrix, of_its_limit, read_matrices
from pytest_paddle_infer.session import SESSION

if TYPE_CHECKING:
    import pytest
    from _pytest.terminal import TerminalReporter

COLUMNS = (
    "model",
    "variant",
    "artifacts",
    "parity",
    "log",
    "size",
    "worst / limit",
    "sees from",
    "answers",
    "mean pre / run / post ms",
    "x training",
)


def print_summary(reporter: TerminalReporter) -> None:
    """Prints one aligned row for each model and variant of the whole run, xdist workers included, and the variants side by side.

    The process that prints also leaves the comparison as a file, where the checkpoints left theirs.
    """
    reports = reports_of(reporter)
    matrices = read_matrices(reports)
    reporter.write_sep("=", "paddle inference")
    summary = summary_lines(reports, inputs=reporter.config.option.verbose > 0)
    written = _write_matrix(reporter.config, matrices, reports)
    for line in (*_engines(reporter.config), *summary, *_untested(reporter, reports), *matrix_table.lines(matrices), *written):
        reporter.write_line(line)


def reports_of(reporter: TerminalReporter) -> list[Sequence[tuple[str, str]]]:
    """The properties of each test that ran, and of each that was skipped because its variant is not available; as they were collected."""
    found = []
    for outcome in ("passed", "failed", "skipped"):
        for report in reporter.getreports(outcome):
            properties = getattr(report, "user_properties", ())
            if outcome == "skipped":
                shown = any(name == PREFIX + "unavailable" for name, _ in properties)
            else:
                shown = getattr(report, "when", "") == "call"
            if shown:
                found.append((place_of(report), properties))
    return [properties for _, properties in sorted(found, key=lambda each: each[0])]


def _write_matrix(config: pytest.Config, matrices: Sequence[Matrix], reports: Sequence[Sequence[tuple[str, str]]]) -> Iterator[str]:
    """Writes matrix.json when a checkpoint ran, and yields what there is to say about it."""
    given = config.stash[SESSION].settings.output_dir
    root = given or matrix_file.output_root(dict(_facts(properties)) for properties in reports)
    if root is None or not any(each.ran for each in matrices):
        return
    try:
        if given:
            Path(given).mkdir(parents=True, exist_ok=True)
        elif not Path(root).is_dir():  # of an xdist worker on another machine
            return
        path = matrix_file.write_matrix(Path(root), matrix_file.to_json(matrices))
    except OSError as error:  # all tests are done: nothing of theirs may be lost for this
        yield f"{matrix_file.NAME} was not written: {error}"
    else:
        if matrix_table.lines(matrices):
            yield f"the same as JSON: {path}"


def _engines(config: pytest.Config) -> Iterator[str]:
    """Which Paddle ran, where no header said so: over xdist only the workers know before that models are tested."""
    state = config.stash[SESSION]
    if config.pluginmanager.hasplugin("dsession") and not state.header and config.option.verbose >= 0:
        yield engines(state.settings.python)


def _untested(reporter: TerminalReporter, reports: Iterable[Sequence[tuple[str, str]]]) -> Iterator[str]:
    """Names the registered models that no checkpoint ran for; not where the run was narrowed to some tests, or ended early."""
    config, state = reporter.config, reporter.config.stash[SESSION]
    narrowed = ("file_or_dir", "keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "stepwise")
    session = reporter._session
    early = session is None or session.shouldstop or session.shouldfail
    if early or state.by_id or state.settings.models_on_command_line or any(config.getoption(name, None) for name in narrowed):
        return
    tested = {value for properties in reports for name, value in properties if name == PREFIX + "model"}
    try:
        left = [name for name in state.registered if name not in tested]
    except HookError:  # told where it was met
        return
    if left:
        yield f"registered, but no checkpoint ran: {first_ones(left)}; --paddle-model tests a model without a test file"


def _same_programs(rows: Mapping[tuple[str, str], Mapping[str, str]]) -> Iterator[str]:
    """Says which variants of a model executed the same: the options that set them apart had no effect on it."""
    first: dict[tuple[str, str], str] = {}
    for (model, variant), facts in rows.items():
        if "program" in facts:
            other = first.setdefault((model, facts["program"]), variant)
            if other != variant:
                yield f"{model}: {variant} executed the same program as {other}"


def _by_variant(properties: Sequence[tuple[str, str]]) -> Iterator[dict[str, str]]:
    """The figures of one report; of a test that ran checkpoints of several variants by hand, those of each behind its name."""
    facts: dict[str, str] = {}
    for name, value in _facts(properties):
        if name in ("model", "variant") and facts.get(name, value) != value:
            begun = {key: known for key, known in facts.items() if key == "model"}
            yield facts
            facts = begun
        facts[name] = value
    yield facts


def _facts(properties: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, value in properties:
        if isinstance(name, str) and name.startswith(PREFIX):
            yield name[len(PREFIX) :], value


def summary_lines(reports: Iterable[Sequence[tuple[str, str]]], *, inputs: bool = False) -> list[str]:
    """Returns the lines of the summary from the user_properties of each report. inputs: say what each model was fed, too."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    shared: dict[str, dict[str, str]] = {}
    notes: dict[str, dict[str, None]] = {}
    for properties, facts in ((report, facts) for report in reports for facts in _by_variant(report)):
        if "model" not in facts:
            continue
        model = facts.pop("model")
        if "unavailable" in facts and "failed" not in facts:  # told below the rows; what ran before it belongs to the model
            facts.pop("variant", None)
            if not facts.keys() - {"unavailable"}:
                continue
        for name, value in properties:
            if name in (PREFIX + "note", PREFIX + "tooth"):
                notes.setdefault(value, {})[model] = None
        broken = facts.pop("failed", "")
        row = rows.setdefault((model, facts.pop("variant")), {}) if "variant" in facts else shared.setdefault(model, {})
        for name in _ran(facts):
            row.setdefault(name, "ok")
        row.update({name: value for name, value in facts.items() if name not in TIMED} if _timed_better(row, facts) else facts)
        if broken:
            row[broken] = "FAILED"
    for model, facts in shared.items():
        mine = [key for key in rows if key[0] == model] or [(model, "-")]
        for key in mine:
            rows[key] = {**facts, **rows.get(key, {})}
    table = [COLUMNS, *(_cells(key, facts) for key, facts in rows.items())] if rows else []
    widths = [max(len(row[column]) for row in table) for column in range(len(COLUMNS))] if rows else []
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table]
    weights: dict[str, list[str]] = {}
    for (model, _), facts in rows.items():
        if facts.get("weights", "").startswith("random") and model not in weights.setdefault(facts["weights"], []):
            weights[facts["weights"]].append(model)
    lines.extend(f"{text}: {', '.join(models)}" for text, models in weights.items())
    if inputs:
        lines.extend(dict.fromkeys(_fed(model, facts) for (model, _), facts in rows.items() if "fed" in facts))
    lines.extend(f"{first_ones(list(models))}: {note}" for note, models in notes.items())
    lines.extend(dict.fromkeys(_same_programs(rows)))
    place = matrix_file.output_root(rows.values())
    if place is not None:
        lines.append(f"outputs and logs: {place}")
    return lines


TIMED = ("preprocess_ms", "inference_ms", "postprocess_ms", "ratio", "p50_ms", "batches")
"""What a row shows of the times of one test."""


def _timed_better(row: Mapping[str, str], facts: Mapping[str, str]) -> bool:
    """True where a row has times already, of the test that the comparison of the variants shows, too: more batches, then the faster."""
    if "p50_ms" not in row or "p50_ms" not in facts:
        return False
    ranks = [(-float(each.get("batches", "0")), float(each["p50_ms"])) for each in (row, facts)]
    return ranks[0] <= ranks[1]


def _fed(model: str, facts: Mapping[str, str]) -> str:
    count = facts.get("samples", "0")
    return f"{model}: {count} sample{'s' * (count != '1')}, each fed as {facts['fed']}"


def _ran(facts: Mapping[str, str]) -> list[str]:
    return [name for name, sign in CHECKPOINT_SIGNS.items() if sign in facts]


def _cells(key: tuple[str, str], facts: Mapping[str, str]) -> tuple[str, ...]:
    def number(name: str) -> str:
        return facts.get(name, "-")

    size = _megabytes(int(facts["artifact_bytes"])) if "artifact_bytes" in facts else "-"
    error, limit = facts.get("output_error", "nan"), number("output_limit")
    value = float(limit) if limit != "-" else None
    worst = "-" if error == "nan" else of_its_limit(None if error == INFINITE else error, value, limit)
    ties = facts.get("ties", "0")
    answers = "- (none compared)" if facts.get("answers") == "0/0" else number("answers")
    answers += f" ({ties} tie{'s' * (ties != '1')})" if ties != "0" else ""
    times = f"{facts['preprocess_ms']} / {facts['inference_ms']} / {facts['postprocess_ms']}" if "inference_ms" in facts else "-"
    ratio = f"{facts['ratio']}" if "ratio" in facts else "-"
    return (*key, number("artifacts"), number("parity"), number("log"), size, worst, _sees(facts), answers, times, ratio)


def _sees(facts: Mapping[str, str]) -> str:
    """The finest fault that the comparison sees, in percent of what changing the sample does to the output."""
    ratio = float(facts.get("resolution", "nan"))
    return f"{100 / ratio:.2g} %" if ratio > 0 else "-"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


# -- progress ----------------------------------------------------------------------------------------------------------


def live_progress(config: pytest.Config, reporter: Any) -> LiveProgress | None:
    """Returns a progress line for a terminal; None for a pipe, a dumb terminal, `-q -q`, or an xdist worker."""
    if (
        not reporter.isatty
        or os.environ.get("TERM") == "dumb"
        or hasattr(config, "workerinput")
        or config.getoption("verbose") < -1
    ):
        return None
    return LiveProgress(config, reporter)


class LiveProgress(Progress):
    """Writes the current step behind the cursor and takes it away again: pytest's own line stays as it would be."""

    def __init__(self, config: pytest.Config, reporter: Any) -> None:
        self._capture = config.pluginmanager.get_plugin("capturemanager")
        self._writer = reporter._tw
        self._text = ""
        self._part = ""
        self._began = self._shown = 0.0

    def step(self, model: str, what: str) -> None:
        """Shows the step at once."""
        self._text, self._part = f"{model}: {what}", ""
        self._began = time.monotonic()
        self._show(force=True)

    def advance(self, done: int, total: int) -> None:
        """Shows how far the step is."""
        self._part = f" {done}/{total}"
        self._show()

    def tick(self) -> None:
        """Shows the seconds go by."""
        self._show()

    def finish(self) -> None:
        """Clears the line."""
        if self._text:
            self._text = ""
            self._write("")

    def _show(self, force: bool = False) -> None:
        now = time.monotonic()
        if self._text and (force or now - self._shown >= 0.2):
            self._shown = now
            seconds = f" {now - self._began:.0f} s" if now - self._began >= 1 else ""
            self._write(f" {self._text}{self._part}{seconds}")

    def _write(self, text: str) -> None:
        room = self._writer.fullwidth - self._writer.width_of_current_line - 1
        if len(text) > room:
            text = text[: max(0, room)]
        line = f"\x1b7\x1b[K{text}\x1b8"  # save the cursor, clear to the end, write, restore
        if self._capture is None:
            self._raw(line)
        else:
            with self._capture.global_and_fixture_disabled():
                self._raw(line)

    def _raw(self, line: str) -> None:
        self._writer._file.write(line)
        self._writer._file.flush()
