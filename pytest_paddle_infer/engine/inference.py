"""The inference engine: a Paddle Inference predictor with the face that the practice prescribes (TIPC, section 2.3)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Callable

import numpy as np

from pytest_paddle_infer.engine.processing import Arrays, Processing, ProcessingError, Tensors, as_list
from pytest_paddle_infer.engine.runtime import load_paddle, quiet
from pytest_paddle_infer.engine.variants import BUILTIN, Effective, Variant, make_config, read_back
from pytest_paddle_infer.models import TensorSpec


class InferenceEngine(Processing):
    """One predictor. Not for several threads: give each its own (Paddle mixes up their results)."""

    def __init__(
        self,
        model_file: str | os.PathLike[str],
        params_file: str | os.PathLike[str],
        inputs: Sequence[TensorSpec],
        preprocess: Callable[[Any], Any],
        postprocess: Callable[[Any], Any] | None = None,
        variant: str | Variant = "cpu",
        threads: int = 1,
    ) -> None:
        super().__init__(inputs, preprocess, postprocess)
        self.variant = BUILTIN[variant] if isinstance(variant, str) else variant
        self.threads = threads
        self.runs = 0
        self._clones: list[Any] = []
        self.effective: Effective
        self.predictor, self.config, self.input_tensors, self.output_tensors = self.load_predictor(model_file, params_file)

    @contextmanager
    def cloned(self) -> Iterator[None]:
        """Runs on a clone of the predictor inside the block, as a service with one predictor a thread does.

        Predictor and clone live as long as this engine: 3.3.1 frees the weights of a `.pdmodel` for both with the first of them.
        """
        own = self.predictor, self.input_tensors, self.output_tensors
        self.predictor = self.predictor.clone()
        self._clones.append(self.predictor)
        self.input_tensors, self.output_tensors = _handles(self.predictor)
        try:
            yield
        finally:
            self.predictor, self.input_tensors, self.output_tensors = own

    def load_predictor(
        self, model_file: str | os.PathLike[str], params_file: str | os.PathLike[str]
    ) -> tuple[Any, Any, list[Any], list[Any]]:
        """Returns (predictor, config, input handles, output handles), the handles in the predictor's own order."""
        with quiet():
            config = make_config(os.fspath(model_file), os.fspath(params_file), self.variant, self.threads)
            self.effective = read_back(config)
            predictor = load_paddle().inference.create_predictor(config)
        return predictor, config, *_handles(predictor)

    @property
    def input_names(self) -> list[str]:
        """Names in the predictor's order."""
        return list(self.predictor.get_input_names())

    @property
    def output_names(self) -> list[str]:
        """Names in the predictor's order."""
        return list(self.predictor.get_output_names())

    def run(self, x: Any) -> Tensors:
        """Copies `x` in, runs, copies out: an array for one output, else a list.

        x: an array, or a list of arrays in the order of the model's inputs. Raises `ProcessingError` for a wrong number.
        """
        arrays: Arrays = as_list(x)
        if len(arrays) != len(self.input_tensors):
            raise ProcessingError(f"run takes {len(self.input_tensors)} arrays ({', '.join(self.input_names)}), got {len(arrays)}.")
        for handle, array in zip(self._in_model_order(), arrays):
            handle.copy_from_cpu(np.ascontiguousarray(array))
        self.predictor.run()
        self.runs += 1
        outputs = [handle.copy_to_cpu() for handle in self.output_tensors]
        return outputs[0] if len(outputs) == 1 else outputs

    def _in_model_order(self) -> list[Any]:
        by_name = dict(zip(self.input_names, self.input_tensors))
        names = [spec.name for spec in self.inputs]
        if all(name in by_name for name in names):
            return [by_name[name] for name in names if name is not None]
        return self.input_tensors


def _handles(predictor: Any) -> tuple[list[Any], list[Any]]:
    inputs = [predictor.get_input_handle(name) for name in predictor.get_input_names()]
    return inputs, [predictor.get_output_handle(name) for name in predictor.get_output_names()]
