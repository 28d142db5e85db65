"""What runs inside worker processes for kept folders: the inference engine of a recorded configuration, from files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_paddle_infer.deployed.config import Request, make_config
from pytest_paddle_infer.deployed.predictor import Predictor
from pytest_paddle_infer.deployed.predictor import versions as versions_here
from pytest_paddle_infer.deployed.proof import Evidence
from pytest_paddle_infer.engine.inference import EngineSetup
from pytest_paddle_infer.engine.processing import Array, Arrays, ProcessingError
from pytest_paddle_infer.engine.remote import RemotePredictor
from pytest_paddle_infer.engine.runtime import quiet
from pytest_paddle_infer.exports import ExportedModel, ExportError, kills, read_graph
from pytest_paddle_infer.variants import Variant


@dataclass(frozen=True)
class Reloaded:
    """A predictor that was made again. base_remade: on another Paddle the built-in variant is set up as that one needs it."""

    versions: dict[str, str]
    base_remade: bool
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Rerun:
    """What it answers, and what was executed."""

    outputs: Arrays
    evidence: Evidence


class ReplayService:
    """One kept inference engine; nothing is loaded before `load`."""

    def __init__(
        self, export: ExportedModel, request: Request, then: str, names: Sequence[str], inputs: Sequence[Array], setup: EngineSetup
    ) -> None:
        """then: the Paddle that made the calls of `request.recorded`. names: of the inputs, in their order."""
        self._export, self._request, self._then = export, request, then
        self._names, self._inputs, self._setup = tuple(names), list(inputs), setup
        self._backend: Predictor | RemotePredictor | None = None

    def load(self) -> Reloaded:
        """Makes the predictor. Raises `ExportError` for a graph that this Paddle dies of."""
        request, apart = self._request, self._setup.python or self._request.on_gpu
        remote = RemotePredictor(self._setup.python, variant_of(request), self._setup.place) if apart else None
        versions = remote.versions if remote is not None else versions_here()
        now = versions["paddle_version"]
        if deadly := kills(self._export.model_file, now):
            raise ExportError(deadly)
        # TensorRT's own settings stand for files of the run that failed
        verbatim = now.partition(".")[0] == self._then.partition(".")[0] and not request.on_tensorrt and bool(request.recorded)
        request = replace(request, verbatim=verbatim)
        files = str(self._export.model_file), str(self._export.params_file)
        graph = [(str(item.name), tuple(item.shape)) for item in read_graph(self._export.model_file).inputs]
        feeds = [dict(zip((name for name, _ in graph), self._in_order([name for name, _ in graph])))]
        shapes = (graph, feeds) if request.on_tensorrt else ((), ())
        with quiet():
            if remote is None:
                self._backend = Predictor(*files, request, True, *shapes)
            else:
                remote.load(*files, request, *shapes)
                self._backend = remote
        return Reloaded(versions, not verbatim, self._backend.evidence.left_out)

    def run(self) -> Rerun:
        """Runs the kept inputs, listened to, and once more on a clone, which tells what was executed."""
        assert self._backend is not None, "load comes first"
        arrays = self._in_order(self._backend.input_names)
        outputs = self._backend.run_heard(arrays)
        self._backend.run_on_clone(arrays)
        return Rerun(outputs, self._backend.evidence)

    def _in_order(self, wanted: Sequence[str]) -> Arrays:
        if len(wanted) != len(self._inputs):
            raise ProcessingError(f"the model takes {len(wanted)} inputs ({', '.join(wanted)}), and {len(self._inputs)} were kept.")
        by_name = dict(zip(self._names, self._inputs))
        return [by_name[name] for name in wanted] if all(name in by_name for name in wanted) else list(self._inputs)


class ConfigurationService:
    """Sets a `Config` up without loading anything: for engines that died before they could tell which calls they made."""

    def told(self, model_file: str, params_file: str, request: Request) -> tuple[str, ...]:
        """The calls, as `deployed.calls` tells them."""
        with quiet():
            made: tuple[str, ...] = make_config(model_file, params_file, request).told
        return made


def variant_of(request: Request) -> Variant:
    """The variant as far as starting its process needs it."""
    return Variant(request.label.partition(":")[0], base=request.base, parameters=dict(request.parameters))


def request_of(told: Any, calls: Sequence[str], setup: EngineSetup) -> Request:
    """The request of a kept configuration.json. Raises `KeyError`, `TypeError` or `ValueError` for anything else."""
    return Request(
        label=str(told["label"]),
        base=str(told["base"]),
        precision=str(told["precision"]),
        parameters={str(key): str(value) for key, value in told["parameters"].items()},
        threads=int(told["threads"]),
        place=setup.place,
        engine_cache=setup.engine_cache or None,
        recorded=tuple(calls),
    )
