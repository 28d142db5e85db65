"""The steps between dygraph and a predictor, each on its own: the exported weights in dygraph, the traced program, `paddle.jit.load`."""

from __future__ import annotations

from pytest_paddle_infer.engine.export import input_specs
from pytest_paddle_infer.engine.model import LoadedModel, named_tensors
from pytest_paddle_infer.engine.processing import Arrays
from pytest_paddle_infer.engine.runtime import load_paddle, on_cpu, quiet, set_threads
from pytest_paddle_infer.engine.training import flatten
from pytest_paddle_infer.exports import ExportedModel, read_graph, read_parameters
from pytest_paddle_infer.parameters import match_parameters


class StageService:
    """Runs in a worker of its own for each step: to_static replaces `forward` for good, and may never return."""

    def __init__(self, model: LoadedModel, threads: int) -> None:
        self._model = model
        set_threads(threads)

    def with_exported_weights(self, export: ExportedModel, inputs: Arrays) -> Arrays:
        """The outputs of the dygraph layer with the parameters of an export, as far as they have a counterpart."""
        found = read_parameters(export.params_file, read_graph(export.model_file))
        tensors = {tensor.name: tensor for _, tensor in named_tensors(self._model.layer)}
        for name, unique in match_parameters(found, list(self._model.parameters()))[0]:
            tensors[unique].set_value(found[name])
        return self._run(self._model.layer, inputs)

    def traced(self, inputs: Arrays) -> Arrays:
        """The outputs of the program that `paddle.jit.to_static` makes of the layer."""
        specs = input_specs(self._model)
        with quiet():
            return self._run(load_paddle().jit.to_static(self._model.layer, input_spec=specs, full_graph=True), inputs)

    def loaded(self, prefix: str, inputs: Arrays) -> Arrays:
        """The outputs of what `paddle.jit.load` makes of an export."""
        with quiet():
            layer = load_paddle().jit.load(prefix)
        layer.eval()
        return self._run(layer, inputs)

    def _run(self, layer: object, inputs: Arrays) -> Arrays:
        paddle = load_paddle()
        assert callable(layer)
        with quiet(), on_cpu(), paddle.no_grad():
            outputs = flatten(layer(*(paddle.to_tensor(array) for array in inputs)))
        return [tensor.numpy() for tensor in outputs.values()]
