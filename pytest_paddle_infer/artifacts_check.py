"""The artifacts checkpoint: the export is whole, is the model's, and takes any batch size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_paddle_infer import graphs
from pytest_paddle_infer.bench import Bench, RunOptions
from pytest_paddle_infer.cutting import behind_a_word
from pytest_paddle_infer.exports import ExportedModel, ExportError, OutputsError, read_graph
from pytest_paddle_infer.failures import ConformanceFailure, WorkerFailure
from pytest_paddle_infer.kept_exports import KeptExports
from pytest_paddle_infer.parameters import ParameterReport
from pytest_paddle_infer.progress import Progress
from pytest_paddle_infer.words import explained_parameters, export_again, failure, input_problem, parameters_failure, worded

if TYPE_CHECKING:
    from pytest_paddle_infer.diagnosis.finding import Finding
    from pytest_paddle_infer.engine.worker import Worker

BATCH_SIZES = (1, 2, 5)
"""Batch sizes that an export with an open batch dimension must accept."""

ARTIFACTS_VARIANT = "cpu"
"""Loads and probes the export: the variant that runs every graph; oneDNN packs weights anew for each batch size and keeps them."""


@dataclass(frozen=True)
class ArtifactsResult:
    """The artifacts checkpoint held: what was there."""

    directory: Path
    files: tuple[str, ...]
    size: int
    parameters: int
    unused: tuple[str, ...]
    batch_sizes: tuple[int, ...]
    weights: str
    notes: tuple[str, ...] = ()


class ArtifactsCheck:
    """Runs the artifacts checkpoint."""

    def __init__(self, options: RunOptions, progress: Progress, exports: KeptExports) -> None:
        self._options, self._progress, self._exports = options, progress, exports

    def run(self, bench: Bench, export: ExportedModel) -> ArtifactsResult:
        """Asserts that the export is whole, is the model's, and takes any batch size. Raises `ConformanceFailure`."""
        spec, inputs = bench.spec, bench.model.inputs
        self._progress.step(spec.name, "artifacts")
        with worded(spec, "", export):
            bench.check_readable(export)
            problem = input_problem(read_graph(export.model_file).inputs, inputs)
            if problem:
                other = ExportError(problem)
                other.remedy = export_again(inputs) if export.given else ""
                raise other
            open_batch = all(item.shape and item.shape[0] is None for item in inputs)
            bench.begin(bench.training(), "compare parameters", "verify", export)
            try:  # the inference engine loads and runs meanwhile; what it dies of matters less than other parameters
                worker, _ = bench.inference(ARTIFACTS_VARIANT, export)
                if open_batch:
                    bench.begin(worker, f"run batches of {', '.join(map(str, BATCH_SIZES))}", "shapes", BATCH_SIZES)
            finally:
                report: ParameterReport = bench.end(bench.training())
                if not report.equal:
                    red = parameters_failure(spec, bench.model.weights, export, report)
                    found = self._cause(bench, export, report) if self._options.diagnosis else None
                    raise ConformanceFailure(red if found is None else explained_parameters(red, spec.name, found))
            notes = _check_batches(bench, worker, export) if open_batch else ()
        return ArtifactsResult(
            export.directory,
            tuple(path.name for path in export.files),
            export.size,
            report.compared,
            report.unused,
            BATCH_SIZES if open_batch else (),
            bench.model.weights,
            (*self._exports.notes(bench, export), *notes),
        )

    def _cause(self, bench: Bench, export: ExportedModel, report: ParameterReport) -> Finding:
        from pytest_paddle_infer.diagnose import Diagnosis  # it needs numpy, and a session without failures may not

        return Diagnosis(self._options, self._progress, self._exports.soon).of_parameters(bench, export, report)


def _check_batches(bench: Bench, worker: Worker, export: ExportedModel) -> tuple[str, ...]:
    """Output shapes at other batch sizes must be the training engine's; it runs two sizes, the third follows from them.

    Returns what batches do not show: an output that is the same size for any number of samples.
    """
    bench.begin(bench.training(), "run batches of 1 and 2", "shapes", BATCH_SIZES[:2])
    try:
        found = bench.end(worker)
    except WorkerFailure as error:
        if error.kind == "exception" and not error.sentence:  # what preprocess refuses is told as such
            _name_the_sizes(bench, worker, export, error)
        raise
    known = bench.end(bench.training())
    one, two = (known[size] for size in BATCH_SIZES[:2])
    if found[BATCH_SIZES[0]] != one:  # as where two preprocessing programs make tensors of two sizes, which is for parity to say
        tensors = bench.call(bench.training(), "preprocess", "inputs", 0, 1)
        found = bench.call(worker, "run the training engine's input", "shapes", BATCH_SIZES, tensors)
    if found[BATCH_SIZES[0]] != one:  # not the batch size
        raise _of_other_outputs(found[BATCH_SIZES[0]], one)
    for size in BATCH_SIZES:
        wanted = [tuple(a + (b - a) * (size - 1) for a, b in zip(left, right)) for left, right in zip(one, two)]
        if found[size] != wanted:
            why = ": the batch size was baked in when the model was traced (a Python loop or number over x.shape[0])."
            raise ExportError(_other_shapes(size, found[size], wanted).rstrip(".") + why)
    return tuple(
        f"output {index} has the shape {list(shape)} for one sample and for two: it does not follow the batch, so batches are not proved"
        for index, (shape, other) in enumerate(zip(one, two))
        if shape == other
    )


def _of_other_outputs(found: Sequence[Any], wanted: Sequence[Any]) -> OutputsError:
    """What another order of outputs, or of the axes of each, would make of the shapes is told; their values are not compared here."""
    told = _other_shapes(1, found, wanted)
    error = OutputsError(told)
    if len(found) != len(wanted):
        error.remedy = "export the forward that is tested: that of another layer, or a wrapper, may return more or fewer outputs."
        return error
    if sorted(found) == sorted(wanted):
        error = OutputsError(f"the export gives its outputs in another order, by their shapes: {told}")
        error.remedy = "export with the order in which the model under test returns them: programs read outputs by their number."
        return error
    moved = [index for index, (have, want) in enumerate(zip(found, wanted)) if have != want]
    if all(sorted(found[index]) == sorted(wanted[index]) for index in moved):
        which = " and ".join(map(str, moved))
        error = OutputsError(f"the axes of output {which} are in another order in the export, by their sizes: {told}")
        error.remedy = "look for a transpose that the exported forward lacks, or has besides; export the forward that is tested."
    elif all(len(found[index]) == len(wanted[index]) for index in moved):
        error.remedy = "export the forward that is tested: an argmax over another axis, or another size, changes a shape so."
    return error


def _name_the_sizes(bench: Bench, worker: Worker, export: ExportedModel, error: WorkerFailure) -> None:
    """Raises `ConformanceFailure` where the export runs one sample and no batch, with what fixes it; returns where it runs neither."""
    refused = [size for size in BATCH_SIZES if not _runs(bench, worker, size)]
    if not refused or 1 in refused:
        return
    cause, fixing = f"the export runs a batch of 1, and none of {' or '.join(map(str, refused))}", _fixing_operator(export)
    operator = None
    if fixing is not None:
        operator, batch = fixing
        shape, kind = list(operator.outputs[0].shape), operator.kind.rstrip("2").replace("_v", "")
        where = f"{'an' if kind[0] in 'ae' else 'a'} {kind} (to {shape})"
        cause += (
            f": its graph has every size fixed in {where}"
            if batch is None
            else f": its graph fixes the batch to {batch} in {where}"
        )
    remedy = "write -1 (or x.shape[0]) for the batch in forward, or declare the batch in input_spec: [1, ...]."
    facts = [("stage", "export"), ("said", behind_a_word(error.detail, 300))]
    if error.location:
        facts.append(("at", error.location))
    if not _runs(bench, bench.training(), BATCH_SIZES[1]):
        facts.append(("model", f"its forward cannot run a batch of {BATCH_SIZES[1]} either"))
    red = failure(f"{bench.spec.name}: {cause}.", "", export, remedy).with_facts(*facts)
    kind, name = ("operator", operator.kind) if operator is not None else ("setting", "batch size")
    raise ConformanceFailure(replace(red, stage="export", kind=kind, name=name)) from error


def _runs(bench: Bench, worker: Worker, size: int) -> bool:
    """Raises `WorkerFailure` where the engine dies or hangs of it."""
    try:
        bench.call(worker, f"run a batch of {size}", "shapes", (size,))
    except WorkerFailure as error:
        if error.kind != "exception":
            raise
        return False
    return True


def _fixing_operator(export: ExportedModel) -> tuple[graphs.Operator, int | None] | None:
    from pytest_paddle_infer.diagnosis.batches import fixed_batch

    try:
        return fixed_batch(graphs.read_program(export.model_file))
    except ExportError:  # a graph of a form that is not known yet still has its sizes named
        return None


def _other_shapes(size: int, found: Sequence[Any], wanted: Sequence[Any]) -> str:
    have, want = (", ".join(str(list(shape)) for shape in shapes) for shapes in (found, wanted))
    if len(found) != len(wanted):
        return f"the export has {len(found)} output{'s' * (len(found) != 1)}, the model {len(wanted)}."
    return f"a batch of {size} gives outputs of shape {have}, where the training engine gives {want}."
