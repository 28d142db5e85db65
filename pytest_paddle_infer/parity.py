"""The parity checkpoint's bookkeeping: judges what both engines observed, batch by batch, and keeps the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

import numpy as np

from pytest_paddle_infer import parity_inputs, parity_words
from pytest_paddle_infer.diagnosis.agreement import ROUNDING, close
from pytest_paddle_infer.diagnosis.comparison import Comparison
from pytest_paddle_infer.diagnosis.finding import Finding
from pytest_paddle_infer.diagnosis.outputs import explain_outputs
from pytest_paddle_infer.engine.observed import digest_of
from pytest_paddle_infer.judge.answers import AnswersJudge, AnswersVerdict
from pytest_paddle_infer.judge.closeness import PREPROCESSING, Near, NearOf, Noise, OutputJudge, OutputVerdict, Rule, Tolerance
from pytest_paddle_infer.judge.noise import Array, Floor, K, error
from pytest_paddle_infer.output_judges import borderline, output_judges
from pytest_paddle_infer.parity_inputs import Example
from pytest_paddle_infer.samples import numbered

if TYPE_CHECKING:
    from pytest_paddle_infer.details.samples import SampleRecords
    from pytest_paddle_infer.engine.model import LoadedModel
    from pytest_paddle_infer.engine.observed import Observation
    from pytest_paddle_infer.models import ModelSpec
    from pytest_paddle_infer.reference import Reference
    from pytest_paddle_infer.samples import Sample

    Arrays = list[Array]

KEPT_OUTPUTS = 8
"""Samples whose raw outputs go into the reprod_log files; class ids and probabilities of all do."""


BLIND = 1e-2
"""A limit above this, of the largest value, lets gross faults pass."""


class ParityRun:
    """Takes observations of both engines; memory does not grow with the number of samples but for answers."""

    def __init__(
        self,
        model: LoadedModel,
        spec: ModelSpec,
        reference: Reference,
        output_names: Sequence[str],
        records: SampleRecords | None = None,
    ) -> None:
        """records: keeps what is seen of each sample, where a report shows it."""
        self._reference, self._records = reference, records
        self._default_answers = not spec.own_answers
        self._outputs = output_judges(spec, reference)
        self.rules = rules = [judge.rule for judge in self._outputs]
        self._inputs = [OutputJudge(f"input {item.name}", PREPROCESSING) for item in model.inputs]
        if records is not None:
            records.watch(self._outputs, self._inputs)
        first = rules[0] if rules else Tolerance()
        if isinstance(first, Noise):
            self._answers = AnswersJudge(first.limit + first.floor.maximum)
        else:
            self._answers = AnswersJudge(first.rtol, first.atol)
        self.inputs_differ = self._inputs_compared = False
        self.made_anew: tuple[str, ...] = ()
        """The sides, "training" or "inference", that made another tensor when they were asked for it than the one that an engine ran."""
        self._fed = ""  # digest of what the inference engine got as the example
        self._samples = 0
        self.count_problem = ""
        if len(output_names) != len(reference.floors):
            self.count_problem = (
                f"the inference engine has {len(output_names)} outputs, the training engine {len(reference.floors)}: "
                "an output that is returned twice, or that is an input, does not survive the export."
            )
        elif not output_names:
            self.count_problem = "neither engine has an output: nothing was compared."
        self.invariance_problem = ""
        self.notes: tuple[str, ...] = ()
        self.example: Example | None = None
        self.first_size = 0
        self.first_inputs: list[str] = []  # digests of the inference engine's
        self.kept: tuple[list[Arrays], list[Arrays]] = ([], [])
        self.answered: tuple[list[Any], list[Any]] = ([], [])

    def add(
        self,
        training: Observation,
        inference: Observation,
        samples: Sequence[Sample],
        first: int,
        inputs: Callable[[], tuple[Arrays, Arrays]],
        answers_to: Callable[[Arrays], tuple[Any, ...]],
        trained_on: Callable[[Arrays], Arrays],
        near: NearOf | None = None,
    ) -> None:
        """Judges one batch: samples[first : first + len(samples)] of the whole set.

        inputs: asks both sides for their tensors, when the digests differ. answers_to: what the training side's postprocess makes of
        given outputs. trained_on: the training engine's outputs for given tensors; where two preprocessing programs agree but for
        rounding, the engines are compared on the same tensors. near: which integers of an output, by its number, are near ties.
        """
        size = len(samples)
        self.first_size = self.first_size or size
        self._samples += size
        tensors: tuple[Arrays | None, Arrays | None] = (None, None)
        if training.inputs != inference.inputs:
            tensors, self._inputs_compared = inputs(), True
            if not self.made_anew:
                self.made_anew = tuple(
                    side
                    for side, seen, arrays in zip(("training", "inference"), (training, inference), tensors)
                    if seen.inputs != digest_of(arrays)
                )
            for judge, left, right in zip(self._inputs, *tensors):
                judge.add(left, right, first, size)
            self.inputs_differ = self.inputs_differ or not all(verdict.passed for verdict in self.inputs)
            if not self.inputs_differ:
                outputs = trained_on(tensors[1])
                training = replace(training, outputs=outputs, answers=answers_to(outputs))
        known = self._reference.batch(first, first + size)
        exact = known.exact if known is not None and training.inputs == inference.inputs else None
        for index, (judge, left, right) in enumerate(zip(self._outputs, training.outputs, inference.outputs)):
            ties = partial(near, index) if near is not None else None
            judge.add(left, right, first, size, exact[index] if exact is not None else None, ties)
        agreements = self._add_answers(training, inference, samples, first, answers_to)
        if self._records is not None:
            classes = self._default_answers or parity_words.are_predictions((*training.answers, *inference.answers))
            own = None if self._default_answers else (training.answers, inference.answers)
            self._records.add(first, training.outputs, inference.outputs, tensors[0] is None, agreements, classes, own)
        if first < KEPT_OUTPUTS:
            self.first_inputs.append(inference.inputs)
            self.kept[0].append(training.outputs)
            self.kept[1].append(inference.outputs)
        if self.example is None and not self.passed:
            self._fed = inference.inputs
            self.example = Example(first, first + size, training.outputs, inference.outputs, *tensors, exact, near)

    def _add_answers(
        self,
        training: Observation,
        inference: Observation,
        samples: Sequence[Sample],
        first: int,
        answers_to: Callable[[Arrays], tuple[Any, ...]],
    ) -> list[str]:
        scores = (
            training.outputs[0] if self._default_answers and training.outputs and len(training.outputs[0]) == len(samples) else None
        )
        made: list[tuple[Any, ...]] = []

        def again(offset: int) -> Any:
            made[:] = made or [answers_to(inference.outputs)]
            return made[0][offset]

        agree = not self.inputs_differ and all(judge.holds for judge in self._outputs)
        agreements = []
        for offset, (sample, left, right) in enumerate(zip(samples, training.answers, inference.answers)):
            name = numbered(first + offset, sample.name)
            row = None if scores is None else scores[offset]
            agreements.append(self._answers.add(left, right, name, partial(again, offset) if agree else None, row))
        self.answered[0].extend(training.answers)
        self.answered[1].extend(inference.answers)
        return agreements

    def is_another(self, inputs: Arrays) -> bool:
        """True where these tensors of the example are not those that the inference engine was given."""
        return self.example is not None and digest_of(inputs) != self._fed

    @property
    def first_outputs(self) -> list[Array]:
        """The inference engine's outputs for the first samples, as far as they are kept: those whose leading axis counts samples.

        Where the outputs agree, it is what the answers of both sides were made of.
        """
        count = min(len(self.answered[0]), self.first_size * len(self.kept[1]))
        joined = [
            np.concatenate(batches)
            for batches in zip(*self.kept[1])
            if all(batch.ndim for batch in batches) and len({batch.shape[1:] for batch in batches}) == 1
        ]
        return [output for output in joined if 0 < len(output) == count]

    def add_invariance(
        self,
        found: Mapping[str, Sequence[tuple[Array, Array] | None]],
        in_training: Callable[[], Mapping[str, Arrays]],
        near: NearOf | None = None,
    ) -> None:
        """Judges what must not matter to the inference engine: a difference beyond rounding names what does.

        in_training: what the training engine makes of the first sample under the same variation. Where it moves as far and both
        engines agree on where to, the model itself couples the samples of a batch: a note, not a fault of the engine. near: which
        integers of an output of the first sample are near ties.
        """
        for what, pairs in found.items():
            problem = self._first_move(pairs, near)
            if problem and not self.invariance_problem:
                trained = in_training().get(what)
                if trained is not None and self._first_move(_against(pairs, trained)) == "":
                    self.notes += (
                        f"the model's answer to a sample depends on the others in its batch ({problem}); both engines agree",
                    )
                else:
                    self.invariance_problem = f"the inference engine answers the same sample differently {what}: {problem}."

    def _first_move(self, pairs: Sequence[tuple[Array, Array] | None], near: NearOf | None = None) -> str:
        """Which output differs within its pair, and how far; "" when none does."""
        for index, (judge, rule, pair) in enumerate(zip(self._outputs, self.rules, pairs)):
            moved = "" if pair is None else _moved(rule, *pair, near and partial(near, index))
            if moved:
                return f"{judge.verdict().name} {moved}"
        return ""

    @property
    def first_answer(self) -> Arrays | None:
        """What the inference engine answered to the first sample alone; None where it was given a batch."""
        return self.kept[1][0] if self.first_size == 1 else None

    @property
    def inputs(self) -> tuple[OutputVerdict, ...]:
        """Verdicts over the tensors of the two preprocessing programs, as far as they differ in a bit."""
        return tuple(judge.verdict() for judge in self._inputs) if self._inputs_compared else ()

    @property
    def outputs(self) -> tuple[OutputVerdict, ...]:
        """Verdicts over the raw outputs."""
        return tuple(judge.verdict() for judge in self._outputs)

    @property
    def answers(self) -> AnswersVerdict:
        """The verdict over the postprocessed answers. An own postprocess that never answers is one that forgets its `return`."""
        verdict = self._answers.verdict()
        if not self._default_answers and self.answered[0] and not verdict.compared:
            return replace(verdict, problem="postprocess returned None for every sample")
        return verdict

    @property
    def passed(self) -> bool:
        """True when inputs, outputs and answers agree, and the inference engine agrees with itself."""
        parts = (*self.inputs, *self.outputs)
        return not self.count_problem and not self.invariance_problem and all(v.passed for v in parts) and self.answers.passed

    @property
    def borderline(self) -> bool:
        """True when nothing is wrong but outputs that are refused by little: floors of more draws may tell another thing."""
        return not self.count_problem and not self.inputs_differ and borderline(self.outputs)

    def covers(self, other: ParityRun) -> bool:
        """True where the errors of another run of the same samples lie within what this one allows, too."""
        for verdict, before in zip(self.outputs, other.outputs):
            if verdict.floor is not None and not before.integers and not _within(before, verdict.floor):
                return False
        return True

    @property
    def outputs_differ(self) -> bool:
        """True when the raw outputs of the two engines do not agree."""
        return not all(verdict.passed for verdict in self.outputs)

    @property
    def within_rounding(self) -> bool:
        """True when outputs that break the user's tolerance are no further apart than rounding explains."""
        if self.inputs_differ or not self.outputs_differ or all(isinstance(rule, Noise) for rule in self.rules):
            return False
        for verdict, floor in zip(self.outputs, self._reference.floors):
            if not verdict.passed and not (verdict.differing and _within(verdict, floor)):
                return False
        return True

    @property
    def comparison(self) -> Comparison | None:
        """The first batch whose raw outputs do not agree, for the diagnosis; None where they all do."""
        example = self.example
        if example is None or not self.outputs_differ:
            return None
        both = example.training, example.inference
        return Comparison(example.start, example.stop, *both, example.exact, tuple(self.rules), example.near)

    @property
    def vacuous(self) -> str:
        """Why the comparison could not have seen a fault; empty when it could. One output that can is enough."""
        seen = [verdict for verdict in self.outputs if verdict.resolution is not None]
        blind = [
            v
            for v in seen
            if v.floor is not None
            and v.resolution is not None
            and v.resolution.vacuous
            and v.resolution.response
            and v.limit > BLIND
        ]
        if blind:  # its own rounding is gross: another output that can be seen does not make up for it
            return (
                f"the comparison is vacuous for {blind[0].name}: rounding alone moves it by {blind[0].limit / K:.2g} of its largest value "
                "(an order or a choice that flips), so nothing else would be seen."
            )
        if not seen or any(not verdict.resolution.vacuous for verdict in seen if verdict.resolution is not None):
            return ""
        best = max(seen, key=lambda verdict: verdict.resolution.ratio if verdict.resolution else 0.0)
        assert best.resolution is not None
        if best.integers:
            return f"the comparison is vacuous: {best.name} is the same for every sample."
        return (
            f"the comparison is vacuous: another sample moves {best.name} by {best.resolution.response:.2g} of its largest value, "
            f"and differences up to {best.resolution.limit:.2g} are allowed."
        )

    @property
    def only_inputs_differ(self) -> bool:
        """True when the two preprocessing programs part, and yet outputs and answers agree, in a comparison that sees faults."""
        return self.inputs_differ and not self.outputs_differ and self.answers.passed and not self.vacuous

    @property
    def input_problem(self) -> str:
        """The cause when the two preprocessing programs part; empty when they agree."""
        found = self.input_finding()
        return found.cause if found is not None else self.input_difference

    @property
    def input_difference(self) -> str:
        """The difference of the first input that differs in figures; empty when they agree."""
        wrong = self.differing_input
        return "" if wrong is None else parity_inputs.difference(self.inputs[wrong], self._samples)

    @property
    def differing_input(self) -> int | None:
        """Number of the first input that differs; None where they all agree."""
        return next((index for index, verdict in enumerate(self.inputs) if not verdict.passed), None)

    @property
    def worst_input_sample(self) -> int | None:
        """Number of the sample in which that input differs most, for its limit; None where no element can be said to."""
        wrong = self.differing_input
        index = () if wrong is None else self.inputs[wrong].index
        return index[0] if index else None

    def input_finding(self, pictures: Sequence[Any] = ()) -> Finding | None:
        """What the inference preprocessing does otherwise, by the tensors of the example's first input that differs; None where unknown.

        pictures: the samples of the example as they were opened, `samples[example.start : example.stop]`.
        """
        example, wrong = self.example, self.differing_input
        return None if example is None or wrong is None else example.input_finding(wrong, pictures)

    def input_facts(self, pictures: Sequence[Any] = ()) -> tuple[tuple[str, str], ...]:
        """What can be said of the same tensors where no cause is known: shapes, where they differ most, both programs."""
        example, wrong = self.example, self.differing_input
        return () if example is None or wrong is None else example.input_facts(wrong, pictures)

    @property
    def output_problem(self) -> str:
        """The difference in words, when no cause is known."""
        problems = [f"{verdict.name}: {verdict.problem}." for verdict in self.outputs if not verdict.passed]
        if not problems and not self.answers.passed:
            problems = [f"the raw outputs agree, the answers do not: {self.answers.problem}."]
        return problems[0] if problems else self.invariance_problem

    def output_hint(self) -> str:
        """A cause that the outputs themselves show; empty when they show none."""
        nan = [v for v in self.outputs if "NaN or Inf" in v.problem]
        if nan:
            return f"{nan[0].name}: {nan[0].problem}."
        found = self.output_finding()
        return "" if found is None else found.cause

    def output_finding(self) -> Finding | None:
        """What was done to the example's outputs of either engine; None where unknown."""
        if self.example is None:
            return None
        limits = [verdict.limit for verdict in self.outputs]
        rounding = max([ROUNDING, *(limit for limit in limits if limit <= BLIND)])
        return explain_outputs(self.example.training, self.example.inference, self._reference.names, rounding)

    def agrees(self, training: Sequence[Array], inference: Sequence[Array]) -> bool:
        """True when outputs agree as closely as rounding allows; for the diagnosis, not for the verdict."""
        return len(training) == len(inference) and all(
            self._equal(index, left, right) if left.dtype.kind in "iub" else close(right, left)
            for index, (left, right) in enumerate(zip(training, inference))
        )

    def _equal(self, index: int, left: Array, right: Array) -> bool:
        """Integers of the example, but for near ties."""
        near = self.example.near if self.example is not None else None
        judge = OutputJudge("", self.rules[index])
        judge.add(left, right, 0, 1, near=near and partial(near, index))
        return judge.holds

    def figures(self) -> tuple[tuple[str, str], ...]:
        """Names and values for the test's report."""
        return tuple(parity_words.figures(self.outputs, self.answers)) if self._outputs else ()

    def facts(self) -> tuple[tuple[str, str], ...]:
        """Label/value pairs for a failure: each output against its limit, and the answers."""
        return parity_words.facts(self.outputs, self.answers, self.answered, self._default_answers)


def _within(verdict: OutputVerdict, floor: Floor) -> bool:
    """True where an output lies within the limit of this floor, and one floor more: that is what the training engine itself may be off."""
    return verdict.error <= floor.limit.maximum + floor.maximum and verdict.rms <= floor.limit.rms + floor.rms


def _against(pairs: Sequence[tuple[Array, Array] | None], trained: Arrays) -> list[tuple[Array, Array] | None]:
    """Pairs the training engine's outputs with the second of each pair, cut to the same sample."""
    return [None if pair is None else (own[: len(pair[1])], pair[1]) for own, pair in zip(trained, pairs)]


def _moved(rule: Rule, one: Array, two: Array, near: Near | None = None) -> str:
    """Says how far an output moved when it should not; "" within rounding, or within the user's tolerance."""
    if one.shape != two.shape:
        return f"has shape {list(one.shape)}, then {list(two.shape)}"
    if isinstance(rule, Noise) and one.dtype.kind in "fc":
        allowed = 2 * rule.limit  # each of the two runs may lie within the limit on another side
        apart, limit = error(two, one, rule.floor.scale).maximum, f"{allowed:.2g}"
        passed = apart <= allowed
    else:
        judge = OutputJudge("", rule)
        judge.add(one, two, 0, 1, near=near)
        verdict = judge.verdict()
        if verdict.integers:
            return "" if judge.holds else f"differs in {verdict.differing} of {verdict.elements} integers"
        apart, limit, passed = verdict.error, str(rule), verdict.passed
    return "" if passed else f"moves by {apart:.3g} of its largest value, the limit is {limit}"
