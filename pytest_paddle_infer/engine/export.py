"""Exporting: `paddle.jit.save`, then reading back what reached the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_paddle_infer.engine.model import LoadedModel
from pytest_paddle_infer.engine.runtime import load_paddle, on_cpu
from pytest_paddle_infer.exports import STEM, ExportedModel, ExportError, check_files, read_graph, read_parameters
from pytest_paddle_infer.parameters import ParameterReport as ParameterReport
from pytest_paddle_infer.parameters import compare_parameters


class ExportService:
    """Runs in a worker process: there are models on which `to_static` never returns."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model

    def export(self, directory: str) -> dict[str, Any]:
        """Saves the model under `directory`/inference and reads it back; returns facts for the store's record.

        Raises `ExportError` when what is on disk is not what was saved (`jit.save` succeeds on a full disk), and Paddle's own error
        when the model cannot be exported.
        """
        paddle = load_paddle()
        with on_cpu():
            paddle.jit.save(self._model.layer, str(Path(directory) / STEM), input_spec=input_specs(self._model))
        exported = ExportedModel(Path(directory))
        problem = check_files(exported, paddle.__version__)
        if problem:
            raise ExportError(f"paddle.jit.save wrote an export that is not whole: {problem}")
        report = verify_parameters(exported, self._model)
        if not report.equal:
            raise ExportError(f"paddle.jit.save wrote other parameters than the model's: {report.sentence()}")
        return {"paddle": paddle.__version__}


def input_specs(model: LoadedModel) -> list[Any]:
    """The model's inputs as `paddle.static.InputSpec` objects, an open dimension as -1."""
    make = load_paddle().static.InputSpec
    return [make([-1 if dim is None else dim for dim in spec.shape], spec.dtype, name=spec.name) for spec in model.inputs]


def verify_parameters(exported: ExportedModel, model: LoadedModel) -> ParameterReport:
    """Compares every exported parameter with the model's, bit for bit. Raises `ExportError` when a file cannot be read."""
    return compare_parameters(read_parameters(exported.params_file, read_graph(exported.model_file)), list(model.parameters()))
