"""Why an inference engine raised, died or hung where it answers without optimisation: the searches that `no_answer.py` asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_paddle_infer.asking import UNASKED, Asking, step_of
from pytest_paddle_infer.bench import Bench, RunOptions
from pytest_paddle_infer.diagnosis.finding import Deadline, Finding
from pytest_paddle_infer.diagnosis.stages import RAW, Step, told
from pytest_paddle_infer.exports import ExportedModel
from pytest_paddle_infer.failures import ConformanceFailure, WorkerFailure
from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.near_ties import near_ties
from pytest_paddle_infer.progress import Progress

if TYPE_CHECKING:
    from pytest_paddle_infer.engine.processing import Arrays
    from pytest_paddle_infer.reference import Reference


class EndedEngine:
    """Finds the optimisation pass, or the kind of operator, at which the engine of one variant ends."""

    def __init__(
        self, options: RunOptions, progress: Progress, bench: Bench, spec: ModelSpec, variant: str, export: ExportedModel
    ) -> None:
        self._options, self._progress = options, progress
        self._bench, self._spec, self._variant, self._export = bench, spec, variant, export
        self._ask = Asking(options)

    def explain(self, red: ConformanceFailure, reference: Reference, first: int) -> Finding | None:
        """The cause of an inference engine that raised, died or hung; None when nothing better than the failure itself was found.

        first: the sample with which the batch began. Raises nothing.
        """
        here = Finding(red.failure.stage, "", red.failure.kind, red.failure.name, certain=False)
        try:
            return self._explained(red, reference, first, here)
        except Exception as error:  # the failure at hand is the news, whatever the search for its cause runs into
            return here.with_facts(("search", f"ended early with {type(error).__name__}: {error}"))

    def _explained(self, red: ConformanceFailure, reference: Reference, first: int, here: Finding) -> Finding | None:
        from pytest_paddle_infer.diagnosis.pass_findings import finding_of
        from pytest_paddle_infer.engine.pass_trials import search_passes
        from pytest_paddle_infer.output_judges import comparison_with

        bench, variant, export = self._bench, self._variant, self._export
        if not self._options.diagnosis or variant == RAW:
            return None
        deadline = Deadline(self._options.diagnosis_time)
        self._progress.step(self._spec.name, f"{variant}: find the cause")
        batch = next((batch for batch in reference.batches if batch.start == first), None)
        if batch is None:  # beyond the samples that have a reference: asking another one would prove nothing
            return None
        inputs = self._ask.running(bench, bench.training, deadline, "preprocess", "inputs", batch.start, batch.stop)
        near = near_ties(bench, self._options.variant(variant).computes_in, batch.start, batch.stop)
        comparison = comparison_with(self._spec, reference, batch, near)
        raw = UNASKED if inputs is None else self._ask.without_optimisation(bench, export, inputs, deadline)
        steps = [Step("dygraph"), step_of(RAW, raw, comparison)]
        if not steps[1].asked:
            return replace(here, facts=(told([]),))
        if not steps[1].agrees:  # it takes no optimisation to fail
            return replace(here, facts=(told(steps),))
        hangs = isinstance(red.__cause__, WorkerFailure) and red.__cause__.kind == "timeout"
        search = search_passes(bench, export, variant, inputs, comparison.training, comparison.agrees, deadline, hangs)
        if search.outcome == "agrees":
            said = f"loaded once more, the variant answers sample {batch.start} like the training engine: it does not always fail"
            return replace(here, facts=(told(steps), ("loaded again", said)))
        found = finding_of(search)
        if self._options.variant(variant).configure is not None:
            found = found.with_facts(*self._misspelt(inputs, found.name, deadline))
        if not found.certain or found.stage != "optimise":
            stage = found.stage if found.stage == "optimise" else here.stage
            return Finding(stage, "", facts=(told(steps), ("passes", found.cause), *found.facts), certain=False)
        return found.with_facts(told(steps))

    def _misspelt(self, inputs: Arrays, guilty: str, deadline: Deadline) -> tuple[tuple[str, str], ...]:
        """Says of each pass that the variant's own function deletes in vain; an engine that answers is told so by its proof."""
        from pytest_paddle_infer.deployed.proof import no_such_pass
        from pytest_paddle_infer.engine.pass_trials import PassTrialService

        meant, setup, model, export = self._options.variant(self._variant), self._options.setup, self._bench.model, self._export

        def service() -> PassTrialService:
            return PassTrialService(export, model, meant, setup, inputs)

        names = self._ask.apart(self._bench, f"inference engine ({self._variant})", service, deadline, "misspelt")
        return tuple(("also", f"{no_such_pass(name, [guilty])}.") for name in names) if not isinstance(names, str) else ()
