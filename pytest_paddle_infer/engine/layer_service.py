"""The training layer and the exported graph side by side in one worker: which layer the graph does not follow, what is no number."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from pytest_paddle_infer.deployed.predictor import Predictor
from pytest_paddle_infer.diagnosis.divergence import follow_graph
from pytest_paddle_infer.diagnosis.finding import Deadline
from pytest_paddle_infer.diagnosis.layers import LayerSearch, search_graph
from pytest_paddle_infer.diagnosis.numerics import NumericFault, beyond_range, first_not_finite, first_not_finite_in_graph
from pytest_paddle_infer.diagnosis.stages import RAW
from pytest_paddle_infer.diagnosis.traces import GraphRun, Trace
from pytest_paddle_infer.engine.export import verify_parameters
from pytest_paddle_infer.engine.inference import EngineSetup
from pytest_paddle_infer.engine.layer_trace import GraphRecorder, Tracer
from pytest_paddle_infer.engine.model import LoadedModel
from pytest_paddle_infer.engine.processing import Arrays
from pytest_paddle_infer.engine.runtime import quiet, set_threads
from pytest_paddle_infer.exports import ExportedModel, ExportError
from pytest_paddle_infer.variants import Variant


@dataclass(frozen=True)
class NumericFaults:
    """What is no number on each side, and what a precision cannot hold. range: None for fp32 and int8, see `RANGES`."""

    training: NumericFault | None = None
    graph: NumericFault | None = None
    range: NumericFault | None = None
    reason: str = ""


class LayerService:
    """Runs in a worker of its own: it wraps the layers of the model."""

    def __init__(self, export: ExportedModel, model: LoadedModel, setup: EngineSetup) -> None:
        self._export, self._model, self._setup = export, model, setup
        self._traced: tuple[Tracer, Trace] | None = None
        self._run: GraphRun | None = None

    def locate(self, inputs: Arrays, seconds: float, every: bool) -> LayerSearch:
        """Names the first layer, or the place between layers, where the graph parts from the training layer on `inputs`.

        every: compares the layers behind it too, for the report.
        """
        deadline = Deadline(seconds)
        tracer, trace = self._training(inputs)
        search = search_graph(trace, self._graph(inputs), tracer, lambda: deadline.over(seconds * 0.05))
        if every:
            culprit = None if search.finding is None else search.finding.layer
            compared = follow_graph(trace, self._graph(inputs), search.limit, culprit, lambda: deadline.over(seconds * 0.05))
            search = replace(search, compared=compared)
        if search.finding is None:
            return search
        try:
            report = verify_parameters(self._export, self._model)
        except ExportError:  # the driver looks at the files
            return search
        return search.with_parameters([difference.name for difference in report.differences])

    def numbers(self, inputs: Arrays, precision: str) -> NumericFaults:
        """Looks for NaN, Inf, and values that `precision` cannot hold."""
        _, trace = self._training(inputs)
        fault = first_not_finite_in_graph(self._graph(inputs))
        return NumericFaults(first_not_finite(trace), fault, beyond_range(trace, precision))

    def _training(self, inputs: Arrays) -> tuple[Tracer, Trace]:
        if self._traced is None:
            set_threads(self._setup.threads)
            tracer = Tracer(self._model.layer)
            self._traced = tracer, tracer.run(inputs)
        return self._traced

    def _graph(self, inputs: Arrays) -> GraphRun:
        """Runs the export without optimisation and records every value."""
        if self._run is None:
            files = os.fspath(self._export.model_file), os.fspath(self._export.params_file)
            with quiet():
                predictor = Predictor(*files, self._setup.request(Variant(RAW, base=RAW)))
            named = dict(zip((str(spec.name) for spec in self._model.inputs), inputs))
            names = predictor.input_names
            feeds = [named[name] for name in names] if all(name in named for name in names) else list(inputs)
            recorder = GraphRecorder(predictor, feeds)
            outputs = predictor.run(feeds)
            self._run = recorder.run(self._export.model_file, outputs)
        return self._run
