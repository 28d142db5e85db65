"""What the parity checkpoint would have caught on this very model: planted faults, judged as if an engine had answered so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pytest_paddle_infer.output_judges import borderline, output_judges
from pytest_paddle_infer.parity_words import worst_of

if TYPE_CHECKING:
    from pytest_paddle_infer.engine.teeth import PlantedOutputs
    from pytest_paddle_infer.judge.closeness import NearOf, OutputVerdict
    from pytest_paddle_infer.models import ModelSpec
    from pytest_paddle_infer.reference import Reference


@dataclass(frozen=True)
class Tooth:
    """One planted fault. `limits`: how many limits it moves the outputs by; it is caught above 1."""

    fault: str
    caught: bool
    limits: float
    explanation: str

    def __str__(self) -> str:
        """The line of the report."""
        moved = (
            f"moves the outputs by {self.limits:.3g} limits"
            if self.limits != float("inf")
            else "changes shape, dtype or exact values"
        )
        return f"{'caught' if self.caught else 'MISSED'}  {self.fault}: {moved}{self.explanation}"


def judge_planted(
    spec: ModelSpec,
    reference: Reference,
    planted: PlantedOutputs,
    near: Callable[[int, int], NearOf | None] = lambda start, stop: None,
    steadier: Callable[[], Reference | None] = lambda: None,
) -> Tooth:
    """Judges the outputs of one fault as the verdict does. near: of samples[start:stop]. steadier: the reference for borderline cases."""
    verdicts = _verdicts(spec, reference, planted, near)
    other = steadier() if borderline(verdicts) else None
    if other is not None:
        verdicts = _verdicts(spec, other, planted, near)
    return _tooth(planted, verdicts)


def _verdicts(
    spec: ModelSpec, reference: Reference, planted: PlantedOutputs, near: Callable[[int, int], NearOf | None]
) -> list[OutputVerdict]:
    judges = output_judges(spec, reference)
    for batch, outputs in zip(reference.batches, planted.outputs):
        for index, (judge, own, faulty) in enumerate(zip(judges, batch.training, outputs)):
            exact = batch.exact[index] if batch.exact is not None else None
            ties = near(batch.start, batch.stop)
            judge.add(own, faulty, batch.start, batch.stop - batch.start, exact, ties and partial(ties, index))
    return [judge.verdict() for judge in judges]


def _tooth(planted: PlantedOutputs, verdicts: Sequence[OutputVerdict]) -> Tooth:
    caught = any(not verdict.passed for verdict in verdicts)
    worst = worst_of(verdicts)
    explanation = ""
    if not caught:
        explanation = f" ({worst.error:.2g} of the largest value, where {worst.limit:.2g} is allowed for rounding)"
        if worst.integers:
            explanation = f" ({worst.ties} of {worst.elements} integers differ, near ties)" if worst.ties else ""
        if planted.in_weights:
            explanation += "; the artifacts checkpoint catches it, bit for bit"
    limits = worst.excess if not any("shape" in v.problem or "dtype" in v.problem for v in verdicts) else float("inf")
    return Tooth(planted.fault, caught, limits, explanation)
