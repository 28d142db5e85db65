"""After a failure: asks the searches of `diagnosis/`, in workers and within a time limit, until one of them names the cause.

The order is that of what lies nearest to the user: files and parameters, preprocessing, the exported program, the optimisation passes,
postprocessing. Nothing here decides whether a checkpoint holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

from pytest_paddle_infer.asking import Asking, step_of
from pytest_paddle_infer.bench import Bench, RunOptions
from pytest_paddle_infer.diagnosis.finding import Deadline, Finding
from pytest_paddle_infer.diagnosis.stages import RAW, Step, parted, told
from pytest_paddle_infer.exports import ExportedModel
from pytest_paddle_infer.input_search import compare, search_inputs
from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.progress import Progress
from pytest_paddle_infer.unsteady import of_answers, of_inputs

if TYPE_CHECKING:
    from pytest_paddle_infer.diagnosis.comparison import Comparison
    from pytest_paddle_infer.engine.export_causes import Parameters
    from pytest_paddle_infer.engine.processing import Arrays
    from pytest_paddle_infer.engine.worker import Worker
    from pytest_paddle_infer.parameters import ParameterReport
    from pytest_paddle_infer.parity import ParityRun

TRACED = (
    "look at the code of this place: in-place methods whose result is ignored (x.add_(1)), writes through a view, state that is kept in "
    "Python and branches on values are not traced; paddle.in_dynamic_mode() is False while to_static traces."
)
"""What to do where to_static alone changes the answers (all five were seen on 2.6.2 and 3.3.1)."""

NEAREST = Finding("", "", remedy="look at the files that are named above; the outputs of both engines are in them.", certain=False)
"""Where no cause is known, what to do."""

OF_SCORES = ("softmax", "log_softmax", "sigmoid", "order", "train mode")
"""Causes in the outputs that say more to a user than the operator that the graph has more or less."""


class Diagnosis:
    """Finds causes. own_export: gives the export that this plugin makes of the model, to compare another one with."""

    def __init__(self, options: RunOptions, progress: Progress, own_export: Callable[[Bench, float], ExportedModel]) -> None:
        """own_export takes how many seconds it may last."""
        self._options, self._progress, self._own_export = options, progress, own_export
        self._ask = Asking(options)

    # -- answers that differ -------------------------------------------------------------------------------------------

    def of_difference(
        self, bench: Bench, spec: ModelSpec, variant: str, export: ExportedModel, run: ParityRun, worker: Worker
    ) -> Finding:
        """The cause of a parity run that did not pass. worker: the inference engine of the variant.

        Raises nothing: what a search runs into becomes a fact, because the failure at hand is the news.
        """
        self._ask.faults.clear()
        shown = self._shown(export, run)
        if self._options.diagnosis:
            deadline = Deadline(self._options.diagnosis_time)
            self._progress.step(spec.name, f"{variant}: find the cause")
            try:
                shown = self._searched(bench, variant, export, run, worker, shown, deadline)
            except Exception as error:
                self._ask.note(error)
        if run.only_inputs_differ:
            shown = shown.with_facts(("outputs", "agree within their limits all the same: what differs does not reach them"))
        return shown.with_facts(*(("search", fault) for fault in self._ask.faults))

    def _shown(self, export: ExportedModel, run: ParityRun) -> Finding:
        """What the comparison itself shows, without asking anybody."""
        if run.count_problem:
            return Finding("export", run.count_problem, "output", remedy="return each output once, and no input as an output.")
        if run.inputs_differ:
            anew = "inference" in run.made_anew  # what was asked for again tells nothing of what the engine was given
            plain = self._ask.quietly(lambda: run.input_difference if anew else run.input_problem)
            plain = plain or "the two preprocessing programs make different tensors."
            found: Finding | None = None if anew else self._ask.quietly(run.input_finding)
            sample = run.worst_input_sample
            return found or Finding(
                "preprocess", plain, remedy=compare("this sample" if sample is None else f"sample {sample}"), certain=False
            )
        if not run.outputs_differ and not run.answers.passed:
            return self._of_answers(run)
        if run.comparison is None:  # the engine answers, but not the same when it is asked otherwise
            remedy = "look for state that the exported program keeps, and for sizes that were baked into it."
            return Finding("run", run.output_problem, "setting", remedy=remedy)
        if run.within_rounding:
            cause = f"{run.output_problem.rstrip('.')}: that is rounding, and the tolerance is narrower."
            return Finding(
                "comparison", cause, "setting", "tolerance", remedy="give a larger rtol or atol, or none: the noise rule."
            )
        # what was done to the outputs is seen; whether parameters, export or variant did it is not
        done: Finding | None = self._ask.quietly(run.output_finding)
        return replace(done or NEAREST, cause=done.cause if done else run.output_problem, stage="", certain=False)

    def _searched(
        self,
        bench: Bench,
        variant: str,
        export: ExportedModel,
        run: ParityRun,
        worker: Worker,
        shown: Finding,
        deadline: Deadline,
    ) -> Finding:
        if run.count_problem:
            graph = self._of_graph(bench, export, deadline) if export.given else None
            return graph if graph is not None and graph.kind == "output" else shown
        doubted = run.made_anew or (("inference",) if run.invariance_problem else ())
        if (
            run.inputs_differ and run.example is not None
        ):  # asked in the same order, state gives the same tensors as in the reference
            doubted = ("inference", "training")
        unsteady = of_inputs(self._ask, bench, run, worker, deadline, doubted)
        if unsteady is not None:
            return unsteady
        if run.inputs_differ:
            return search_inputs(self._ask, bench, run, worker, shown, deadline)
        if not run.outputs_differ and not run.answers.passed:
            shown = of_answers(self._ask, bench, run, worker, deadline) or shown
        comparison, inputs = run.comparison, None
        report = self._compared(bench, export, deadline) if export.given else None
        if comparison is not None:
            asked = "preprocess", "inputs", comparison.start, comparison.stop
            inputs = self._ask.running(bench, lambda: worker, deadline, *asked)
            if inputs is not None and run.is_another(inputs):
                unsteady = of_inputs(self._ask, bench, run, worker, deadline, ("inference",))
        if unsteady is not None:
            return unsteady
        if report is not None and not report.equal:
            return self._of_parameters(bench, export, report, run, inputs, deadline)
        if comparison is None or run.within_rounding:
            return shown
        if comparison.undefined:
            return self._of_numbers(bench, export, comparison, inputs, shown, deadline)
        found, steps = self._of_outputs(bench, variant, export, run, comparison, inputs, shown, deadline)
        if report is not None:
            found = found.with_facts(("parameters", "equal to the model's, bit for bit"))
        if not found.cause:
            found = replace(found, cause=run.output_problem, remedy=found.remedy or NEAREST.remedy)
        if not found.kind or not found.certain:
            parameters = (
                "equal to the model bit for bit" if report is not None else "" if export.given else "read back after the export"
            )
            found = found.with_facts(("excluded", "; ".join(_excluded(steps, parameters, deadline))))
        return found.with_facts(told(steps))

    def _of_parameters(
        self,
        bench: Bench,
        export: ExportedModel,
        report: ParameterReport,
        run: ParityRun,
        inputs: Arrays | None,
        deadline: Deadline,
    ) -> Finding:
        """What is wrong with the parameters of an export that was made elsewhere, and whether that explains its answers."""
        from pytest_paddle_infer.engine.stages import StageService
        from pytest_paddle_infer.layer_search import locate_in_graph

        found, comparison = self._explained(bench, export, report), run.comparison
        if comparison is None or inputs is None or deadline.over():
            return found
        model, threads = bench.model, self._options.threads
        if self._options.details:  # the cause is known; the report shows how it spreads
            found = replace(found, layers=locate_in_graph(bench, export, inputs, deadline).compared)
        outputs = self._ask.apart(
            bench, "training engine", lambda: StageService(model, threads), deadline, "with_exported_weights", export, inputs
        )
        if isinstance(outputs, list):
            if comparison.away(outputs, than=comparison.inference) <= 1:
                return found.with_facts(("proved", "dygraph with the export's parameters gives the inference engine's answers"))
            return found.with_facts(
                ("also", "dygraph with the export's parameters differs too: the exported program is another one")
            )
        return found

    def of_parameters(self, bench: Bench, export: ExportedModel, report: ParameterReport) -> Finding:
        """How the parameters of an export came to differ from the model's. Raises nothing."""
        self._ask.faults.clear()
        return self._explained(bench, export, report).with_facts(*(("search", fault) for fault in self._ask.faults))

    def _compared(self, bench: Bench, export: ExportedModel, deadline: Deadline) -> ParameterReport | None:
        """None where the parameters were not compared."""
        report: ParameterReport | None = self._ask.running(bench, bench.training, deadline, "compare parameters", "verify", export)
        return report

    def _explained(self, bench: Bench, export: ExportedModel, report: ParameterReport) -> Finding:
        from pytest_paddle_infer.engine.export_causes import explain_parameters
        from pytest_paddle_infer.words import difference_facts, weights_remedy

        remedy = weights_remedy(bench.model.weights)
        plain = Finding("artifacts", report.sentence(), "parameters", "", difference_facts(report), remedy)
        found = self._ask.quietly(lambda: explain_parameters(export, list(bench.model.parameters())))
        if found is None:
            return plain
        if bench.model.weights.startswith("random"):  # the export may be right, and the model's weights not those that were meant
            found = replace(found, remedy=remedy)
        return found.with_facts(*plain.facts[1:])

    def _of_answers(self, run: ParityRun) -> Finding:
        from pytest_paddle_infer.diagnosis.answers import explain_answers

        if not run.answers.compared:
            cause = "the postprocess returned None for every sample: there is no answer to compare."
            return Finding("postprocess", cause, "step", "postprocess", remedy="return the answer, or leave postprocess out.")
        found = self._ask.quietly(lambda: explain_answers(*run.answered, *run.first_outputs))
        plain = Finding("postprocess", run.output_problem, "step", remedy="compare the two postprocess programs.", certain=False)
        return plain if found is None else found  # where they part first is told with the figures

    def _of_numbers(
        self,
        bench: Bench,
        export: ExportedModel,
        comparison: Comparison,
        inputs: Arrays | None,
        shown: Finding,
        deadline: Deadline,
    ) -> Finding:
        """The training engine itself answers NaN or Inf."""
        from pytest_paddle_infer.layer_search import first_not_finite

        fault = None if inputs is None else first_not_finite(bench, export, inputs, deadline).training
        if fault is None:
            return replace(shown, stage="training")
        return replace(fault.as_finding("training"), remedy="keep NaN and Inf out of the model's outputs, or test other samples.")

    def _of_outputs(
        self,
        bench: Bench,
        variant: str,
        export: ExportedModel,
        run: ParityRun,
        comparison: Comparison,
        inputs: Arrays | None,
        shown: Finding,
        deadline: Deadline,
    ) -> tuple[Finding, list[Step]]:
        hint = None if shown.cause == run.output_problem else shown
        if inputs is None:
            return shown, []
        steps = self._steps(bench, variant, export, comparison, inputs, deadline)
        if RAW not in [step.name for step in steps if step.asked]:  # nobody knows on which side of it they part
            return shown, []
        _, parting = parted(steps)
        if parting is None or parting.name == variant != RAW:
            found = self._of_optimisation(bench, variant, export, comparison, inputs, deadline)
            return _of_rounded_integers(found, run, comparison.only_integers), steps
        found = self._of_export(bench, export, run, comparison, inputs, hint, deadline)
        if parting.name == "to_static" and not parting.failed and found.kind in ("layer", "operator", "code"):
            found = replace(found, cause=f"to_static makes another program of the model: {found.cause}", remedy=TRACED)
        elif parting.name == RAW and any(step.name == "jit.load" and step.asked for step in steps):  # which still agrees
            found = replace(found, stage="load")
        return found, steps

    def _steps(
        self, bench: Bench, variant: str, export: ExportedModel, comparison: Comparison, inputs: Arrays, deadline: Deadline
    ) -> list[Step]:
        """Runs the same input through one step more at a time."""
        from pytest_paddle_infer.engine.stages import StageService

        model, threads = bench.model, self._options.threads
        steps = [Step("dygraph")]

        def stage(name: str, method: str, *args: Any) -> None:
            found = self._ask.apart(bench, "training engine", lambda: StageService(model, threads), deadline, method, *args)
            steps.append(step_of(name, found, comparison))

        raw = self._ask.without_optimisation(bench, export, inputs, deadline) if variant != RAW else comparison.inference
        raw_step = step_of(RAW, raw, comparison)
        if not export.given and not raw_step.agrees:  # else these two agree, as its bits tell
            stage("to_static", "traced", inputs)
            stage("jit.load", "loaded", str(export.prefix), inputs)
        steps.append(raw_step)
        if variant != RAW:
            steps.append(step_of(variant, comparison.inference, comparison))
        return steps

    def _of_export(
        self,
        bench: Bench,
        export: ExportedModel,
        run: ParityRun,
        comparison: Comparison,
        inputs: Arrays,
        hint: Finding | None,
        deadline: Deadline,
    ) -> Finding:
        """The exported program answers otherwise, without any optimisation."""
        from pytest_paddle_infer.layer_search import first_not_finite, locate_in_graph

        facts: tuple[tuple[str, str], ...] = ()
        graph = self._of_graph(bench, export, deadline) if export.given else None
        found = None if hint is None else replace(hint, certain=True)  # of this stage, as is known now
        found = found or self._in_train_mode(bench, run, deadline)
        numeric = None
        if comparison.not_finite:
            numbers = first_not_finite(bench, export, inputs, deadline)
            numeric = None if numbers.graph is None else numbers.graph.as_finding("export")
            facts += (("numbers", numbers.reason),) if numbers.reason else ()
        located = locate_in_graph(bench, export, inputs, deadline)
        layer = located.as_finding("export", "compare this place with the code of the export.")
        facts += (("layer", located.reason),) if layer is None and located.reason else ()
        effect = None
        if found is None or found.name not in OF_SCORES:  # where it happens says more than what it does to the outputs
            if graph is not None and graph.certain:
                found, graph, effect = graph, None, found
            elif layer is not None and layer.certain:
                found, layer, effect = layer, None, found
        for other, label in ((numeric, "numbers"), (layer, "layer"), (graph, "graph"), (effect, "outputs")):
            if other is None:
                continue
            if found is None:
                found = other
            else:
                facts += ((label, other.cause), *other.facts[:2])
        if found is None:
            found = Finding("export", "", certain=False)
        return replace(found, stage="export", layers=located.compared).with_facts(*facts)

    def _of_graph(self, bench: Bench, export: ExportedModel, deadline: Deadline) -> Finding | None:
        """The first difference between the graph of an export and that of the model's own export; None when none is known."""
        own = None if deadline.over() else self._ask.quietly(lambda: self._own_export(bench, deadline.left()))
        return None if own is None else self._ask.quietly(partial(_compared_graphs, export, own, list(bench.model.parameters())))

    def _in_train_mode(self, bench: Bench, run: ParityRun, deadline: Deadline) -> Finding | None:
        example = run.example
        if example is None or run.agrees(example.training, example.inference):
            return None
        trained = self._ask.running(
            bench, bench.training, deadline, "run in train mode", "in_train_mode", example.start, example.stop
        )
        if trained is None or not run.agrees(trained, example.inference):
            return None
        return Finding(
            "export",
            "the export was made in train mode: the layer in train() gives the inference engine's outputs (forward reads self.training).",
            "setting",
            "train mode",
            remedy="call layer.eval() before paddle.jit.save.",
        )

    def _of_optimisation(
        self, bench: Bench, variant: str, export: ExportedModel, comparison: Comparison, inputs: Arrays, deadline: Deadline
    ) -> Finding:
        """The predictor without optimisation agrees, the variant does not."""
        from pytest_paddle_infer.diagnosis.pass_findings import finding_of
        from pytest_paddle_infer.engine.pass_trials import search_passes
        from pytest_paddle_infer.layer_search import first_not_finite, locate_in_variant

        search = search_passes(bench, export, variant, inputs, comparison.training, comparison.agrees, deadline)
        found = finding_of(search)
        located = locate_in_variant(bench, export, variant, inputs, comparison.inference, deadline)
        layer = located.as_finding("optimise", "deploy with the variant cpu, or look at this layer's operator in the variant.")
        precision = self._options.variant(variant).computes_in
        if precision != "fp32":
            beyond = first_not_finite(bench, export, inputs, deadline, precision).range
            found = found if beyond is None else found.with_facts(("range", beyond.sentence()))
        if found.certain and found.kind == "pass":
            found = found.with_facts(("layer", layer.cause)) if layer is not None else found
        elif layer is not None and layer.certain:
            found = replace(layer, stage=found.stage or "optimise").with_facts(("passes", found.cause), *found.facts)
        else:
            found = found.with_facts(("layer", located.reason or (layer.cause if layer is not None else "none was found")))
        return replace(found, layers=located.compared)


def _compared_graphs(export: ExportedModel, own: ExportedModel, parameters: Parameters) -> Finding | None:
    from pytest_paddle_infer.engine.export_causes import compare_graphs, structured_names

    return compare_graphs(export, own, structured_names(export, parameters), structured_names(own, parameters))


def _of_rounded_integers(found: Finding, run: ParityRun, output: int | None) -> Finding:
    """A finding that does not blame a pass for having moved, within rounding, what the model makes integers of. output: None for others."""
    if output is None:
        return found
    verdict = run.outputs[output]
    name = verdict.name.partition(" ")[2]
    return Finding(
        "optimise",
        f"only integers differ ({verdict.name}, by at most {verdict.apart:.6g}), and every other output agrees within rounding: "
        "the model makes integers of values that rounding moves.",
        "output",
        name,
        facts=(("beside", found.cause),),
        remedy=f"compare the values before they become integers, or allow the difference with atol={{{name!r}: {verdict.apart:.6g}}}.",
        certain=False,
        layers=found.layers,
    )


def _excluded(steps: Sequence[Step], parameters: str, deadline: Deadline) -> Iterator[str]:
    """What is not at fault where no cause is certain. parameters: why they are not; "" where nobody knows."""
    yield "the preprocessing (both programs make the same tensors)"
    if parameters:
        yield f"the parameters ({parameters})"
    agree = [step.name for step in steps[1:] if step.agrees]
    if agree:
        yield f"{', '.join(agree)} (within the noise floor)"
    if deadline.over():
        yield "and then the time was over (--paddle-diagnosis-time)"
