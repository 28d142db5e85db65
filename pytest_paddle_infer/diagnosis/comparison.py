"""The batch that failed, and how far other outputs for it lie from the training engine's, by the judge's own rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy.typing as npt

from pytest_paddle_infer.diagnosis.agreement import finite
from pytest_paddle_infer.judge.closeness import NearOf, OutputJudge, Rule

Arrays = list[npt.NDArray[Any]]


@dataclass(frozen=True)
class Comparison:
    """Samples start..stop-1 as one batch: outputs of both engines, the float64 reference where there is one, and a rule an output.

    Where an engine gave no outputs, `inference` is empty.
    """

    start: int
    stop: int
    training: Arrays
    inference: Arrays
    exact: Arrays | None
    rules: Sequence[Rule]
    near: NearOf | None = field(default=None, compare=False, repr=False)
    """Which integers of an output are near ties, as the verdict has them."""

    @property
    def not_finite(self) -> bool:
        """True when an output of either engine holds a NaN or Inf."""
        return not all(map(finite, [*self.training, *self.inference]))

    @property
    def undefined(self) -> bool:
        """True when the training engine's own outputs hold a NaN or Inf: nothing is near to that, and nothing far."""
        return not all(map(finite, self.training))

    @property
    def only_integers(self) -> int | None:
        """The first output that fails, where all that fail are integers and all others, at least one of them floats, agree; else None."""
        failed, floats = [], 0
        for index, (rule, known, found) in enumerate(zip(self.rules, self.training, self.inference)):
            judge = OutputJudge("", rule)
            exact = None if self.exact is None else self.exact[index]
            judge.add(known, found, self.start, self.stop - self.start, exact, self.near and partial(self.near, index))
            floats += known.dtype.kind in "fc"
            if not judge.holds:
                failed.append(index)
                if known.dtype.kind not in "iu" or found.dtype != known.dtype:
                    return None
        return failed[0] if failed and floats and len(self.training) == len(self.inference) else None

    def away(self, outputs: Sequence[npt.NDArray[Any]], than: Arrays | None = None) -> float:
        """How many limits outputs are from the training engine's: up to 1 they agree; inf for another number, shape or dtype, or a NaN.

        than: what they are compared with instead.
        """
        base = self.training if than is None else than
        if len(outputs) != len(base):
            return float("inf")
        worst = 0.0
        for index, (rule, known, found) in enumerate(zip(self.rules, base, outputs)):
            judge = OutputJudge("", rule)
            exact = self.exact[index] if self.exact is not None and than is None else None
            judge.add(known, found, self.start, self.stop - self.start, exact, self.near and partial(self.near, index))
            # what share of a single batch rounding decides is no difference
            worst = max(worst, 0.0 if judge.holds and known.dtype.kind in "iub" else judge.verdict().excess)
        return worst

    def agrees(self, outputs: Sequence[npt.NDArray[Any]]) -> bool:
        """True when outputs are within the noise floor of the training engine's."""
        return self.away(outputs) <= 1
