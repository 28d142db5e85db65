"""The figures of a checkpoint as `user_properties`: short strings that reach junit and cross xdist on the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_paddle_infer.cutting import behind_a_word
from pytest_paddle_infer.option_table import MARKER
from pytest_paddle_infer.report.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from pytest_paddle_infer.artifacts_check import ArtifactsResult
    from pytest_paddle_infer.failures import Failure
    from pytest_paddle_infer.log_check import LogResult
    from pytest_paddle_infer.parity_check import ParityResult
    from pytest_paddle_infer.teeth import Tooth

PREFIX = "paddle_infer."

DETAILS = PREFIX + "details"
"""Where the details for the report lie, or why there are none; the recorder takes it off the reports that others see."""

CHECKPOINT_SIGNS = {"artifacts": "artifact_bytes", "parity": "output_error", "log": "inference_ms"}
"""A figure that is there whenever the checkpoint got as far as measuring."""

REPEATED = ("note", "tooth", "fact", "details")
"""Names that one report may carry several times."""

WHY = ("cause", "stage", "cause_kind", "cause_name", "remedy")
"""What is said of a failure; a test that fails two checkpoints by hand says it twice."""

TOLD_BY_FACTS = {"weights": "weights", "files": "directory", "log": "log_file"}
"""Label of a failure's fact -> the property that a checkpoint which holds says the same in."""

LONGEST = 1000
"""Characters of a fact; what an engine said before it died may be long."""


class Figures:
    """Writes onto one report. model: "" for a replay, which is no checkpoint and no row of the summary."""

    def __init__(self, properties: list[tuple[str, object]], model: str = "", variant: str = "") -> None:
        self._properties = properties
        for name, value in (("model", model), ("variant", variant)):
            told = [known for known in properties if known[0] == PREFIX + name][-1:]
            if value and told != [(PREFIX + name, plain(value))]:  # what follows is of this one, until another is named
                properties.append((PREFIX + name, plain(value)))
        named = [index for index, known in enumerate(properties) if known[0] in (PREFIX + "model", PREFIX + "variant")]
        several = sum(known[0] == PREFIX + "variant" for known in properties) > 1
        self._start = named[-1] if several else 0  # what was put before belongs to another variant, or to the model itself

    def _put(self, name: str, value: object) -> None:
        entry = (PREFIX + name, plain(str(value)))
        if entry not in self._properties[self._start :]:
            self._properties.append(entry)

    def artifacts(self, result: ArtifactsResult) -> None:
        """Size in bytes, parameters, files."""
        self._put("weights", result.weights)
        self._put("artifact_bytes", result.size)
        self._put("parameters", result.parameters)
        self._put("files", " ".join(result.files))
        for note in result.notes:
            self._put("note", note)

    def failed(self, checkpoint: str, failure: Failure | None = None) -> None:
        """Which checkpoint does not hold, the first line of why with what it names and what supports it, and what was measured.

        Weights and places are told as by a checkpoint that holds, so that the summary has them of a run in which nothing does.
        """
        self._put("failed", checkpoint)
        if failure is not None:
            self.why(failure)

    def why(self, failure: Failure) -> None:
        """The cause, what it names, what supports it, what to do, and what was measured."""
        if failure.title.strip():
            self._put("cause", failure.title.strip().splitlines()[0])
        told = {"stage": failure.stage, "cause_kind": failure.kind, "cause_name": failure.name, "remedy": failure.remedy}
        for name, value in told.items():
            if value:
                self._put(name, behind_a_word(value, LONGEST))
        for label, value in failure.facts:
            self._put("fact", f"{label}: {behind_a_word(value, LONGEST)}")
            if label in TOLD_BY_FACTS and (label == "weights" or Path(value).is_absolute()):  # else it says why there are none
                self._put(TOLD_BY_FACTS[label], value)
        for name, value in failure.figures:
            self._put(name, value)
        self._details(failure.details)

    def _details(self, folder: str) -> None:
        """Where the details for a report lie, or why not; only where one is asked for."""
        if folder:
            self._put("details", folder)

    def unavailable(self, reason: str) -> None:
        """Why the variant cannot run here; put before the test is skipped."""
        self._put("unavailable", " ".join(reason.split()))

    def parity(self, result: ParityResult) -> None:
        """Worst output difference (of the largest value), how many limits it is, answers agreed."""
        from pytest_paddle_infer.parity_words import figures

        self._put("weights", result.weights)
        for name, value in figures(result.outputs, result.answers):
            self._put(name, value)
        self._put("samples", result.samples)
        if result.fed:
            self._put("fed", result.fed)
        if result.program:
            self._put("program", result.program)
        self._put("directory", result.directory)
        self._details(result.details)
        for note in result.notes:
            self._put("note", note)

    def teeth(self, teeth: Iterable[Tooth]) -> None:
        """One line for each planted fault."""
        for tooth in teeth:
            self._put("tooth", tooth)

    def log(self, result: LogResult) -> None:
        """What `log_check.figures` has."""
        from pytest_paddle_infer.log_check import figures

        self._put("weights", result.weights)
        for name, value in figures(result):
            self._put(name, value)
        self._details(result.details)
        for note in result.notes:
            self._put("note", note)


def is_ours(report: Any) -> bool:
    """True for an item of `--paddle-model` or `--paddle-replay`, a marked test, and any test that ran a checkpoint by hand."""
    return (
        report.nodeid.startswith(("paddle-model/", "paddle-replay/"))
        or MARKER in report.keywords
        or any(isinstance(name, str) and name.startswith(PREFIX) for name, _ in getattr(report, "user_properties", ()))
    )


def note_place(report: pytest.TestReport, item: pytest.Item) -> None:
    """Notes on a report of ours, as attributes that cross xdist, which of the session's items it is of, and `has_own_model`."""
    if is_ours(report):
        report.__dict__["paddle_infer_own_model"] = has_own_model(item)
        if item in item.session.items:
            report.__dict__["paddle_infer_place"] = item.session.items.index(item)


def has_own_model(item: pytest.Item) -> bool:
    """True for a test whose marker names its model; others take theirs from the options."""
    marker = item.get_closest_marker(MARKER)
    return marker is not None and marker.kwargs.get("model") is not None


def place_of(report: Any) -> float:
    """What `note_place` noted; infinity for other reports."""
    return float(getattr(report, "paddle_infer_place", "inf"))
