"""Stage triage: the same input through one step more at a time; the first step that leaves the noise floor is where the two sides part.

Also the stage of a step that did not answer at all, from what it was doing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_paddle_infer.failures import WorkerFailure

RAW = "cpu-noopt"
"""The variant without optimisation: equal to the training layer bit for bit (2.6.2 and 3.3.1, every net of the zoo)."""

RAISED_IN = {
    "ProcessingError": "preprocess",
    "SampleError": "preprocess",
    "ImageError": "preprocess",
    "PreflightError": "training",
    "ModelError": "training",
    "ExportError": "artifacts",
    "OutputsError": "artifacts",
    "StoreError": "artifacts",
    "OptionError": "comparison",
    "ConfigureError": "load",
}
"""Our own errors, which carry their cause: the stage that each is about."""


def stage_of(error: BaseException) -> str:
    """The stage at which a step failed, from what it was doing; "" when that does not tell."""
    if not isinstance(error, WorkerFailure):
        return RAISED_IN.get(type(error).__name__, "")
    if re.match(r"postprocess (raised|returned)", error.detail):
        return "postprocess"
    if error.error in RAISED_IN:
        return RAISED_IN[error.error]
    who, _, step = error.step.partition(": ")
    if who == "export":
        return "export"
    if frame := _of_the_users_programs(error.output):
        return frame
    if who == "training engine":
        return "training"
    return "load" if step == "load the model" else "run"


def _of_the_users_programs(output: str) -> str:
    """The program of the user that was running, in the Python stack of a process that died or hung; "" for none."""
    for name in re.findall(r'File "[^"]*", line \d+ in _(preprocess|postprocess)\b', output):
        return str(name)
    return ""


@dataclass(frozen=True)
class Step:
    """One step of the triage.

    error: how many limits its outputs are away from the training engine's; up to 1 they agree. failed: why there are none.
    asked: False where there was no time for an answer, which says nothing about the step.
    """

    name: str
    error: float = 0.0
    failed: str = ""
    asked: bool = True

    @property
    def agrees(self) -> bool:
        """True when it answered within the noise floor."""
        return not self.failed and self.error <= 1

    def __str__(self) -> str:
        if self.failed:
            return f"{self.name}: {self.failed}"
        away = f"is {self.error:.3g} limits away" if math.isfinite(self.error) else "differs"  # of integers, and of NaN
        return f"{self.name} {'agrees' if self.agrees else away}"


def parted(steps: Sequence[Step]) -> tuple[Step | None, Step | None]:
    """Returns (last step that agrees before the first that does not, the first that does not); None where there is none.

    Steps that were not asked are left out.
    """
    before = None
    for step in (step for step in steps if step.asked):
        if not step.agrees:
            return before, step
        before = step
    return before, None


def told(steps: Sequence[Step]) -> tuple[str, str]:
    """The triage as one fact."""
    return "steps", "; ".join(map(str, steps)) if steps else "none was run"
