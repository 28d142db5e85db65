"""The first batch that failed, and what its inputs show where the two preprocessing programs part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_paddle_infer.diagnosis.agreement import close
from pytest_paddle_infer.diagnosis.inputs import describe_inputs, explain_input

if TYPE_CHECKING:
    from pytest_paddle_infer.diagnosis.finding import Finding
    from pytest_paddle_infer.judge.closeness import NearOf, OutputVerdict
    from pytest_paddle_infer.judge.noise import Array

    Arrays = list[Array]


@dataclass(frozen=True)
class Example:
    """A batch that failed, kept whole for the diagnosis. Inputs are there when the two sides' differ."""

    start: int
    stop: int
    training: Arrays
    inference: Arrays
    training_inputs: Arrays | None = None
    inference_inputs: Arrays | None = None
    exact: Arrays | None = None
    near: NearOf | None = None

    def input_finding(self, index: int, pictures: Sequence[Any]) -> Finding | None:
        """What the inference preprocessing does otherwise, by the samples in which this input differs: others would hide what those show.

        pictures: of all samples of the batch, as they were opened.
        """
        sides = self.differing(index)
        if sides is None:
            return None
        one, two, places = sides
        whole = self.stop - self.start
        found = explain_input(one, two, [pictures[place] for place in places] if len(pictures) == whole else pictures)
        if found is None or len(places) == whole:
            return found
        numbers = ", ".join(str(self.start + place) for place in places)
        return found.with_facts(("samples", f"of the batch, {numbers} alone differ{'s' * (len(places) == 1)}"))

    def input_facts(self, index: int, pictures: Sequence[Any]) -> tuple[tuple[str, str], ...]:
        """What can be said of the tensors of an input where no cause is known: shapes, where they differ most, both programs."""
        if not self.training_inputs or not self.inference_inputs:
            return ()
        return describe_inputs(self.training_inputs[index], self.inference_inputs[index], pictures, first=self.start)

    def differing(self, index: int) -> tuple[Array, Array, list[int]] | None:
        """Tensors of an input of both sides for the samples in which it differs, and their places in the batch; None without tensors."""
        if not self.training_inputs or not self.inference_inputs:
            return None
        one, two, places = self.training_inputs[index], self.inference_inputs[index], list(range(self.stop - self.start))
        if one.shape != two.shape or len(one) != len(places):
            return one, two, places
        places = [place for place in places if not close(two[place], one[place])] or places
        return one[places], two[places], places


def difference(verdict: OutputVerdict, samples: int) -> str:
    """The difference of an input in figures. samples: how many were compared, those that agree bit for bit included."""
    problem = verdict.problem.replace("engine answers", "preprocessing makes").replace(" engine", " preprocessing")
    problem = problem.replace("worst at", "furthest beyond that at")
    if verdict.samples < samples:
        for what in ("elements", "integers"):
            problem = problem.replace(f" {what} differ", f" {what} of {verdict.samples} of {samples} samples differ")
    return f"preprocessing: {verdict.name}: {problem}."
