"""What went wrong, as data: every room may raise these, `report.text` turns them into words."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Failure:
    """One checkpoint that does not hold.

    `title` is one sentence with the cause in the user's terms, `facts` are label/value pairs that support it,
    `remedy` is what to do, `reproduce` is the command that shows it again. `figures` are names and values for the test's report.
    `stage` is where the two sides part, `kind` and `name` what the cause names (see `diagnosis.finding`). `details` is the folder that
    the checkpoint left for the report, or "nothing: why" (see `details.keeping`).
    """

    title: str
    facts: tuple[tuple[str, str], ...] = field(default=())
    remedy: str = ""
    reproduce: str = ""
    figures: tuple[tuple[str, str], ...] = field(default=())
    stage: str = ""
    kind: str = ""
    name: str = ""
    details: str = ""

    def with_facts(self, *facts: tuple[str, str]) -> Failure:
        """Returns the same failure with more facts below it."""
        return replace(self, facts=(*self.facts, *facts))


class PaddleInferError(Exception):
    """Base of every error that the plugin raises on purpose; `str()` is one clear sentence.

    remedy: what to do, where the sentence does not say it already.
    """

    remedy: str = ""


def said_by_us(error: Any) -> bool:
    """For `__tracebackhide__`, where users call: pytest leaves such a frame out of an error that is raised on purpose, and of no other."""
    return isinstance(error.value, PaddleInferError)


class ModelError(PaddleInferError, ValueError):
    """The model under test cannot be named, made or loaded."""


class OptionError(PaddleInferError, ValueError):
    """An option, an ini value or a marker argument that is not valid; the sentence names the valid ones."""


class HookError(OptionError):
    """A hook of the repo raised, or returned something else than it should; the sentence names the hook."""


class ConformanceFailure(PaddleInferError, AssertionError):
    """One checkpoint does not hold; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.title)
        self.failure = failure


class UnavailableError(ConformanceFailure):
    """The variant cannot run here: a failure where it was named, a skip where it was not. `reason` is part of a sentence."""

    def __init__(self, failure: Failure, reason: str) -> None:
        super().__init__(failure)
        self.reason = reason


class WorkerFailure(PaddleInferError, RuntimeError):
    """A worker process raised, died or did not answer in time.

    `step` is what it was doing; `kind` is `"exception"`, `"signal"`, `"exit"` or `"timeout"`; `detail` is Paddle's own
    reason, the signal's name or the limit; `location` is the user's line of code where one is known; `output` is the end
    of what the process wrote; `sentence` says that the detail is a sentence of ours, with the cause; `error` is the class of what
    was raised.
    """

    def __init__(
        self, step: str, kind: str, detail: str, location: str = "", output: str = "", sentence: bool = False, error: str = ""
    ) -> None:
        super().__init__(f"{step}: {detail}")
        self.step = step
        self.kind = kind
        self.detail = detail
        self.location = location
        self.output = output
        self.sentence = sentence
        self.error = error
