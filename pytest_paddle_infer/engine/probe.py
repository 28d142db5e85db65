"""The probe network: an export whose every layer can be looked at, run in an optimised variant, where the graph's own values cannot be.

With oneDNN a hook reads scrambled tensors (blocked memory under a plain shape), and fused layers have no value at all; what is fetched
is right in both versions. Fetching keeps layers from being fused, so a fault of a fusion is gone in the probe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_paddle_infer.deployed.config import paddle_major
from pytest_paddle_infer.diagnosis.finding import Deadline
from pytest_paddle_infer.diagnosis.layers import GROWTH, LayerSearch
from pytest_paddle_infer.diagnosis.probed_layers import PROBED, search_probe
from pytest_paddle_infer.diagnosis.traces import Trace, distance
from pytest_paddle_infer.engine.export import input_specs, verify_parameters
from pytest_paddle_infer.engine.inference import EngineSetup, InferenceEngine
from pytest_paddle_infer.engine.layer_trace import Tracer, tensors_in
from pytest_paddle_infer.engine.model import LoadedModel, named_tensors
from pytest_paddle_infer.engine.processing import Arrays, as_list
from pytest_paddle_infer.engine.runtime import load_paddle, on_cpu, quiet, set_threads
from pytest_paddle_infer.engine.training import flatten
from pytest_paddle_infer.exports import ExportedModel, read_graph, read_parameters
from pytest_paddle_infer.judge.noise import UNIT_ROUNDOFF
from pytest_paddle_infer.parameters import paired_parameters
from pytest_paddle_infer.variants import Variant

HOSTILE_TO_PROBES: Mapping[int, tuple[str, ...]] = {
    2: ("batch_norm_act_fuse_pass", "conv_activation_mkldnn_fuse_pass"),
    3: ("inplace_pass",),
}
"""Paddle's major version -> passes that take no heed of what is fetched: it is not there (SIGSEGV in run(), with the first of them), or is
what a later operator made of it (ReLU fused into the convolution; dropout in place)."""


def roundoff(precision: str) -> float:
    """Unit roundoff in units of float32's: by so much more a layer may differ in that precision. int8 has none and counts as bfloat16."""
    return UNIT_ROUNDOFF["bf16" if precision == "int8" else precision] / UNIT_ROUNDOFF["fp32"]


class ProbeService:
    """Runs in a worker of its own: a layer that was exported inside another cannot be exported again (2.6.2)."""

    def __init__(self, export: ExportedModel, model: LoadedModel, variant: Variant, setup: EngineSetup) -> None:
        self._export, self._model, self._variant, self._setup = export, model, variant, setup
        self._calls: list[str] = []
        self._unique: list[Any] = []
        self._places: dict[int, int] = {}
        self._final: list[int] = []

    def locate(self, inputs: Arrays, outputs: Arrays, directory: str, seconds: float) -> LayerSearch:
        """Names the first layer whose output the variant makes otherwise. outputs: what the variant answers without a probe."""
        deadline = Deadline(seconds)
        set_threads(self._setup.threads)
        tracer = Tracer(self._model.layer)
        trace = tracer.run(inputs)
        if not trace.calls:
            return LayerSearch(None, reason="the network calls no layer that could be looked at.")
        tracer.restore()
        factor = roundoff(self._variant.computes_in)
        floors = self._floors(trace, inputs, factor)
        differing, note = self._take_parameters()
        prefix = Path(directory) / "probe"
        self._save(prefix, trace)
        if self._calls != [call.name for call in trace.calls]:
            return LayerSearch(None, len(trace.calls), reason="exported, the network calls other layers than in training.")
        if deadline.over():
            return LayerSearch(None, len(trace.calls), reason="there was no time to run the probe network.")
        made = self._run(prefix, inputs)
        if len(made) != len(self._unique):
            return LayerSearch(None, len(trace.calls), reason="the outputs of the probe network cannot be told apart.")
        probed = {tensor: made[place] for tensor, place in self._places.items()}
        search = search_probe(trace, probed, PROBED * factor, floors)
        final = [made[place] if place >= 0 else inputs[0] for place in self._final]
        most = [max(PROBED * factor, 2 * GROWTH * floors.get(tensor, 0.0)) for tensor in trace.outputs]  # each may lie so far off
        changed = len(final) == len(outputs) and any(distance(*pair) > limit for *pair, limit in zip(final, outputs, most))
        if search.finding is None and changed:
            gone = ", and so do the outputs: the difference is gone where no layers are fused."
            search = replace(search, reason=search.reason[:-1] + gone)
        return replace(search, reason=search.reason + note) if search.finding is None else search.with_parameters(differing)

    def _take_parameters(self) -> tuple[list[str], str]:
        """Sets the layer's parameters to those of the export. Returns which were others, and a sentence where they do not fit."""
        if not self._export.params_file.is_file():
            return [], ""
        exported = read_parameters(self._export.params_file, read_graph(self._export.model_file))
        pairs = paired_parameters(exported, list(self._model.parameters()))
        if pairs is None:
            return [], " The export's parameters do not fit the model; its own were used."
        differing = [item.name for item in verify_parameters(self._export, self._model).differences]
        own = dict(named_tensors(self._model.layer))
        for name in differing:
            if not str(own[name].dtype).endswith("bfloat16"):
                own[name].set_value(pairs[name])
        return differing, ""

    def _save(self, prefix: Path, trace: Trace) -> None:
        from pytest_paddle_infer.engine.probe_layer import BY_INPUTS

        paddle = load_paddle()
        kinds = tuple(
            kind
            for kind in (paddle.Tensor, paddle.static.Variable, getattr(getattr(paddle, "pir", None), "Value", None))
            if kind is not None
        )
        layer = self._model.layer
        strip = "net." if getattr(layer, "softmax_on_top", False) else ""
        leaves = {call.name for call in trace.calls}

        def before(name: str) -> Callable[[Any, Any], None]:
            def hook(_: Any, given: Any) -> None:
                self._calls.append(name)
                self._collect(trace, name, "inputs", tensors_in(given, kinds))

            return hook

        def after(name: str) -> Callable[[Any, Any, Any], None]:
            def hook(_: Any, given: Any, made: Any) -> None:
                self._collect(trace, name, "outputs", tensors_in(made, kinds))

            return hook

        for name, sub in layer.named_sublayers():
            short = name[len(strip) :] if name.startswith(strip) else name
            if short in leaves:
                sub.register_forward_pre_hook(before(short))
                sub.register_forward_post_hook(after(short))

        def begin() -> None:
            self._calls, self._unique, self._places = [], [], {}

        def end(value: Any) -> list[Any]:
            final = flatten(value).values()
            self._final = [self._place(tensor, trace, variable) for tensor, variable in zip(trace.outputs, final)]
            return list(self._unique)

        with quiet(), on_cpu():
            probe = BY_INPUTS[len(self._model.inputs)](layer, begin, end)
            probe.eval()
            paddle.jit.save(probe, str(prefix), input_spec=input_specs(self._model))

    def _collect(self, trace: Trace, name: str, side: str, variables: Sequence[Any]) -> None:
        """Notes what goes into or out of the call that is being exported."""
        number = len(self._calls) - 1
        if number < len(trace.calls) and trace.calls[number].name == name:
            for tensor, variable in zip(getattr(trace.calls[number], side), variables):
                self._place(tensor, trace, variable)

    def _place(self, tensor: int, trace: Trace, variable: Any) -> int:
        """The position among the probe's outputs of a tensor of the training run; -1 for an input of the network.

        By the training run, not by variable: an output that is there twice is exported only once, and 3.3.1 exports `x * 1.0` as a second
        `x`. Copied at once: both versions with oneDNN let a later operator work in place on a variable that is fetched (dropout, ReLU).
        """
        if tensor in trace.inputs:
            return -1
        if tensor not in self._places:
            self._places[tensor] = len(self._unique)
            from pytest_paddle_infer.engine.probe_layer import copied

            self._unique.append(copied(variable))
        return self._places[tensor]

    def _run(self, prefix: Path, inputs: Arrays) -> Arrays:
        graph = prefix.with_name(prefix.name + (".json" if prefix.with_name(prefix.name + ".json").is_file() else ".pdmodel"))
        variant = self._variant
        if not self._setup.python and not variant.on_gpu:  # a function may not travel to another process
            own = variant.configure

            def configure(config: Any) -> None:
                if own is not None:
                    own(config)
                for name in HOSTILE_TO_PROBES[paddle_major()]:
                    config.delete_pass(name)

            variant = replace(variant, configure=configure)
        files = graph, prefix.with_name(prefix.name + ".pdiparams")
        engine = InferenceEngine(*files, self._model.inputs, list, None, variant, self._setup, apart=True, feeds=[inputs])
        return as_list(engine.run(inputs if len(inputs) > 1 else inputs[0]))

    def _floors(self, trace: Trace, inputs: Arrays, factor: float) -> dict[int, float]:
        """How far each tensor of the training run lies from its float64 value, times the precision's roundoff."""
        layer = self._model.layer
        if any(not str(tensor.dtype).endswith("float32") for tensor in layer.parameters()):
            return {}  # the way to float64 and back would change values
        tracer = Tracer(layer)
        try:
            with quiet():
                layer._to_impl(dtype="float64", floating_only=True, include_sublayers=True)
            exact = tracer.run([array.astype("float64") if array.dtype == "float32" else array for array in inputs])
        except Exception:  # an operator without a float64 kernel
            return {}
        finally:
            tracer.restore()
            with quiet():
                layer._to_impl(dtype="float32", floating_only=True, include_sublayers=True)
        floors: dict[int, float] = {}
        pairs = [(trace.outputs, exact.outputs)]
        for call, true in zip(trace.calls, exact.calls):
            pairs += [(call.inputs, true.inputs), (call.outputs, true.outputs)]
        for tensors, others in pairs:
            for tensor, other in zip(tensors, others):
                if trace.tensors[tensor].dtype.kind == "f":
                    apart = distance(trace.tensors[tensor].astype("float64"), exact.tensors[other])
                    floors[tensor] = max(floors.get(tensor, 0.0), apart * factor if apart < 1 else 0.0)
        return floors
