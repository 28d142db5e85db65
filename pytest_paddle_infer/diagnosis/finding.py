"""What a diagnosis found: the stage, the cause in one sentence, what proves it, and what to do. Data only."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Callable

import numpy.typing as npt

if TYPE_CHECKING:
    from pytest_paddle_infer.diagnosis.divergence import ComparedLayer

Array = npt.NDArray[Any]
Arrays = Sequence[Array]

STAGES = ("training", "preprocess", "export", "artifacts", "load", "optimise", "run", "postprocess", "comparison")
"""Where the two sides part. training: the model under test itself. artifacts: the files of an export. comparison: nothing could be seen."""

KINDS = ("layer", "operator", "pass", "step", "file", "parameters", "output", "setting", "sample", "code", "")
"""What a cause names. step: of preprocessing or postprocessing. code: a line of the user's. "": nothing in particular."""


@dataclass(frozen=True)
class Finding:
    """A cause.

    cause: one sentence with a full stop, in the user's terms. kind, name: what it names, such as ("pass", "conv_bn_fuse_pass"). facts:
    label/value pairs that support it. remedy: what to do. certain: False where it is only the nearest thing known. layers: every layer,
    where layers were compared and a report shows them.
    """

    stage: str
    cause: str
    kind: str = ""
    name: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    remedy: str = ""
    certain: bool = True
    layers: tuple[ComparedLayer, ...] = ()

    def with_facts(self, *facts: tuple[str, str]) -> Finding:
        """The same finding with more facts below it."""
        return replace(self, facts=(*self.facts, *facts))


class Deadline:
    """How much time a diagnosis has left; every search asks it before its next step, and says what it left out."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Seconds left; 0 when there is no time."""
        return max(0.0, self._end - self._clock())

    def over(self, needed: float = 0.0) -> bool:
        """True when less than `needed` seconds are left."""
        return self.left() <= needed
