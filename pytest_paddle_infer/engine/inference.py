"""The inference engine: a Paddle Inference predictor with the face that the practice prescribes (TIPC, section 2.3)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from pytest_paddle_infer.deployed.config import Call, Request
from pytest_paddle_infer.deployed.predictor import Predictor
from pytest_paddle_infer.deployed.tensorrt_shapes import check_shapes
from pytest_paddle_infer.engine.processing import Array, Arrays, Processing, ProcessingError, Tensors, as_list
from pytest_paddle_infer.engine.remote import RemotePredictor
from pytest_paddle_infer.engine.runtime import quiet
from pytest_paddle_infer.exports import ExportError, kills, read_graph
from pytest_paddle_infer.failures import said_by_us
from pytest_paddle_infer.models import TensorSpec
from pytest_paddle_infer.option_table import PARAMETERS
from pytest_paddle_infer.variants import Variant, find


@dataclass(frozen=True)
class EngineSetup:
    """How inference engines are made in this session.

    threads: math threads, unless a variant says otherwise. place: of this process among those that share the machine's GPUs. python:
    another interpreter that holds the predictor, "" for this one. engine_cache: directory for what TensorRT built. without, calls: the
    passes to delete and the methods of `Config` to call after everything else, which a diagnosis tries.
    """

    threads: int = 1
    place: int = 0
    python: str = ""
    engine_cache: str = ""
    without: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()

    def request(self, variant: Variant) -> Request:
        """The configuration that `deployed/` is asked for."""
        given = variant.parameters
        return Request(
            label=variant.label,
            base=variant.base,
            precision=variant.computes_in,
            parameters={key: str(PARAMETERS[variant.base][key](value)) for key, value in given.items()},
            configure=variant.configure,
            threads=int(given.get("threads", self.threads)),
            place=self.place,
            engine_cache=self.engine_cache or None,
            without=self.without,
            calls=self.calls,
        )


class InferenceEngine(Processing):
    """One predictor. Each thread that calls `run` gets a clone of its own: Paddle mixes up the results of a shared one."""

    def __init__(
        self,
        model_file: str | os.PathLike[str],
        params_file: str | os.PathLike[str],
        inputs: Sequence[TensorSpec],
        preprocess: Callable[[Any], Any],
        postprocess: Callable[..., Any] | None = None,
        variant: str | Variant = "cpu",
        setup: EngineSetup | None = None,
        apart: bool = False,
        feeds: Sequence[Arrays] = (),
    ) -> None:
        """Loads. apart: the predictor may live in another process, and Paddle's log is listened to; else `predictor` is here.

        feeds: tensors of every shape that will be run; TensorRT builds for these. Raises `ExportError` where it cannot run them.
        """
        super().__init__(inputs, preprocess, postprocess)
        self.variant = find(variant, {}) if isinstance(variant, str) else variant
        self.setup = setup or EngineSetup()
        self.backend: Predictor | RemotePredictor
        if apart and (self.setup.python or self.variant.on_gpu):
            self.backend = RemotePredictor(self.setup.python, self.variant, self.setup.place)
            if deadly := kills(Path(model_file), self.backend.versions["paddle_version"]):
                raise ExportError(deadly)
            files = os.fspath(model_file), os.fspath(params_file)
            self.backend.load(*files, self.setup.request(self.variant), *self._shapes(Path(model_file), feeds))
        else:
            self.backend = self._load(model_file, params_file, apart, feeds)

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, {self.variant.label}>"

    def _load(
        self,
        model_file: str | os.PathLike[str],
        params_file: str | os.PathLike[str],
        glog: bool = False,
        feeds: Sequence[Arrays] = (),
    ) -> Predictor:
        files = os.fspath(model_file), os.fspath(params_file)
        with quiet():
            return Predictor(*files, self.setup.request(self.variant), glog, *self._shapes(Path(model_file), feeds))

    def _shapes(
        self, model_file: Path, feeds: Sequence[Arrays]
    ) -> tuple[list[tuple[str, tuple[int | None, ...]]], list[dict[str, Array]]]:
        """For TensorRT the export's inputs with their shapes, and the feeds by name: what disagrees is told before minutes are spent."""
        if not self.variant.base.startswith("tensorrt"):
            return [], []
        graph = [(str(item.name), tuple(item.shape)) for item in read_graph(model_file).inputs]
        named = [dict(zip((str(spec.name) for spec in self.inputs), feed)) for feed in feeds]
        fed = [{name: array.shape for name, array in feed.items()} for feed in named]
        if problem := check_shapes(graph, fed, self.variant.parameters.get("shapes", "auto")):
            raise ExportError(problem)
        return graph, named

    def load_predictor(
        self, model_file: str | os.PathLike[str], params_file: str | os.PathLike[str]
    ) -> tuple[Any, Any, list[Any], list[Any]]:
        """Returns (predictor, config, input handles, output handles) of this variant, the handles in the predictor's own order."""
        made = self._load(model_file, params_file)
        inputs = [made.predictor.get_input_handle(name) for name in made.input_names]
        return made.predictor, made.config, inputs, [made.predictor.get_output_handle(name) for name in made.output_names]

    @property
    def predictor(self) -> Any:
        """The `paddle.inference` predictor, where it lives in this process."""
        assert isinstance(self.backend, Predictor)
        return self.backend.predictor

    @property
    def config(self) -> Any:
        """The `paddle.inference.Config` that it was made from."""
        assert isinstance(self.backend, Predictor)
        return self.backend.config

    @property
    def input_names(self) -> list[str]:
        """Names in the predictor's order."""
        return list(self.backend.input_names)

    @property
    def output_names(self) -> list[str]:
        """Names in the predictor's order."""
        return list(self.backend.output_names)

    def run(self, x: Any) -> Tensors:
        """Copies `x` in, runs, copies out: an array for one output, else a list.

        x: an array, or a list of arrays in the order of the model's inputs. Raises `ProcessingError` for a wrong number.
        """
        __tracebackhide__ = said_by_us
        outputs = self.backend.run(self._in_order(x))
        return outputs[0] if len(outputs) == 1 else outputs

    def run_heard(self, x: Any) -> Arrays:
        """As `run`, and notes which oneDNN primitives were executed."""
        return self.backend.run_heard(self._in_order(x))

    def run_on_clone(self, x: Any) -> Arrays:
        """Runs on a clone of the predictor, and notes which operators were executed."""
        return self.backend.run_on_clone(self._in_order(x))

    def _in_order(self, x: Any) -> Arrays:
        """The arrays in the order of the predictor's inputs."""
        __tracebackhide__ = said_by_us
        arrays, names = as_list(x), self.input_names
        if len(arrays) != len(names):
            raise ProcessingError(f"run takes {len(names)} arrays ({', '.join(names)}), got {len(arrays)}.")
        by_name = dict(zip((spec.name for spec in self.inputs), arrays))
        return [by_name[name] for name in names] if all(name in by_name for name in names) else arrays
