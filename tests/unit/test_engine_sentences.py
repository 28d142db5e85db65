"""What the engine's rooms say when something is wrong, as far as no Paddle is needed to hear it: a Paddle is played where one is asked."""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image, ImageOps

from pytest_paddle_infer.deployed import builds, tensorrt
from pytest_paddle_infer.deployed.config import Request
from pytest_paddle_infer.engine import model, runtime, services
from pytest_paddle_infer.engine.inference import EngineSetup, InferenceEngine
from pytest_paddle_infer.engine.model import _Batch
from pytest_paddle_infer.engine.pass_trials import _end
from pytest_paddle_infer.engine.processing import (
    Array,
    Processing,
    ProcessingError,
    copied,
    fit,
    given_to_preprocess,
    preprocess_of,
    settled,
    stack,
)
from pytest_paddle_infer.engine.reference import PreflightError, ReferenceService
from pytest_paddle_infer.engine.remote import RemotePredictor
from pytest_paddle_infer.engine.replay import ReplayService
from pytest_paddle_infer.engine.services import EngineService, InferenceService
from pytest_paddle_infer.engine.training import TrainingEngine
from pytest_paddle_infer.engine.worker import Worker
from pytest_paddle_infer.exports import ExportedModel
from pytest_paddle_infer.factories import load_factory
from pytest_paddle_infer.failures import ModelError, PaddleInferError, WorkerFailure
from pytest_paddle_infer.models import ModelSpec, TensorSpec
from pytest_paddle_infer.samples import Sample
from pytest_paddle_infer.variants import find

X, Y = TensorSpec((None, 3, 8, 8), "float32", "x"), TensorSpec((None, 2), "int64", "y")
GOOD = np.zeros((3, 8, 8), np.float32)
SHAPE = "return the shape that the model takes from preprocess, or say in input_spec which one it makes."
NO_SPEC = "no input_spec was given, so the input is taken for a picture"

# -- the factory -------------------------------------------------------------------------------------------------------


PADDLE = SimpleNamespace(get_rng_state=list, set_rng_state=list, seed=id, nn=SimpleNamespace(Layer=float))
"""As far as a factory is called with it."""


def test_what_a_factory_raises_is_said_with_the_users_line(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text("def shapes(**cfg):\n    return inner(cfg)\n\ndef inner(cfg):\n    return cfg['cfg']\n")
    spec = ModelSpec("net", factory=f"{tmp_path}/nets.py:shapes", kwargs={"depth": 3})
    with pytest.raises(ModelError) as caught:
        model._build(load_factory(spec, tmp_path), spec, 0, PADDLE)
    assert str(caught.value) == (
        f"net: its factory {tmp_path}/nets.py:shapes(depth=3) raised KeyError: 'cfg' ({tmp_path}/nets.py:5: return cfg['cfg'])"
    )


def test_a_factory_that_is_called_wrongly_has_no_line_of_its_own() -> None:
    spec = ModelSpec("net", factory=int, kwargs={"depth": 3})
    with pytest.raises(ModelError, match=r"^net: its factory int\(depth=3\) raised TypeError: [^:/]*$"):
        model._build(int, spec, 0, PADDLE)


# -- preprocessing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "inputs", "sentence"),
    [
        ({"x": GOOD}, (X, Y), "preprocess returned a dict without 'y'; the model's inputs are x float32[None, 3, 8, 8], y int64[None, 2]."),
        (None, (X, Y), "preprocess returned None; the model has 2 inputs: x float32[None, 3, 8, 8], y int64[None, 2]."),
        (GOOD, (X, Y), "preprocess returned 1 array; the model has 2 inputs: x float32[None, 3, 8, 8], y int64[None, 2]."),
        ((np.zeros(2, np.int64), GOOD), (X, Y), "preprocess returned the arrays in another order than that of the model's inputs: "
         "x float32[None, 3, 8, 8], y int64[None, 2]."),
        ((GOOD, GOOD), (X,), "preprocess returned 2 arrays; the model has 1 inputs: x float32[None, 3, 8, 8]."),
        ("text", (X,), "preprocess returned str for input 'x'; it must return a numpy array (float32[None, 3, 8, 8]; the batch axis may "
         "be left out)."),
        (GOOD.astype(np.float64), (X,), "preprocess returned float64[3, 8, 8] for input 'x', which is float32[None, 3, 8, 8]: "
         "cast it with .astype('float32')."),
        (GOOD.astype(np.uint8), (X,), "preprocess returned uint8[3, 8, 8] for input 'x', which is float32[None, 3, 8, 8]: "
         "cast it with .astype('float32')."),
        (np.zeros(12, np.int64), (X,), "preprocess returned int64[12] for input 'x', which is float32[None, 3, 8, 8]."),
        (GOOD[:, :7], (X,), "preprocess returned shape [3, 7, 8] for input 'x', which is [None, 3, 8, 8]."),
        (np.zeros((8, 8, 3), np.float32), (X,), "preprocess returned shape [8, 8, 3] for input 'x', which is [None, 3, 8, 8]: it looks "
         "like HWC, where the model takes CHW (transpose(2, 0, 1))."),
        (np.zeros((1, 8, 8, 3), np.float32), (X,), "preprocess returned shape [1, 8, 8, 3] for input 'x', which is [None, 3, 8, 8]: it "
         "looks like NHWC, where the model takes NCHW (transpose(0, 3, 1, 2))."),
    ],
)  # fmt: skip
def test_what_preprocess_returned_and_what_the_model_takes_is_said(value: Any, inputs: Any, sentence: str) -> None:
    with pytest.raises(ProcessingError) as caught:
        fit(value, inputs)
    assert str(caught.value) == sentence


def named(spec: ModelSpec) -> list[TensorSpec]:
    return [replace(item, name="x") for item in spec.inputs]


@pytest.mark.parametrize(
    ("given", "returned", "remedy"),
    [
        ({}, (3, 64, 64), "set image_size=64 (or input_spec=[[None, 3, 64, 64]]): the size that preprocess makes."),
        ({"image_size": 8}, (1, 3, 48, 64), "set image_size=(48, 64) (or input_spec=[[None, 3, 48, 64]]): the size that preprocess makes."),
        ({"input_spec": [(None, 3, 8, 8)]}, (3, 64, 64),
         "set input_spec=[[None, 3, 64, 64]], or return the shape that it says from preprocess."),
        ({}, (1, 64, 64), f"{NO_SPEC}: set input_spec=[([None, 1, 64, 64], 'float32')], which is what preprocess makes."),
        ({}, (64, 64), f"{NO_SPEC}: set input_spec=[([None, 64, 64], 'float32')], which is what preprocess makes."),
        ({"input_spec": [(None, 8)]}, (3, 64, 64), SHAPE),
        ({"input_spec": [(None, 3, 8, 8)]}, (1, 1, 8, 8), SHAPE),
        ({"input_spec": [(None, 3, 8, 8)], "training_preprocess": str}, (1, 1, 8, 8),
         SHAPE.replace("preprocess", "training_preprocess")),
        ({"input_spec": [(None, 3, 8, 8), (None, 3, 8, 8)]}, (3, 64, 64), SHAPE),
    ],
)  # fmt: skip
def test_another_size_than_the_input_has_is_what_to_set(given: Any, returned: tuple[int, ...], remedy: str) -> None:
    def preprocess(value: Any) -> Any:
        return (np.zeros(returned, np.float32),) * len(spec.inputs)

    spec = ModelSpec("net", factory=object, preprocess=preprocess, **given)
    with pytest.raises(ProcessingError, match="preprocess returned shape") as caught:
        _Batch(spec, Processing(named(spec), preprocess), [Sample("a", value=1)]).tensors(1)
    assert caught.value.remedy == remedy


@pytest.mark.parametrize(
    ("given", "remedy"),
    [({}, "give the model's own size with image_size or input_spec"), ({"image_size": 8}, ""), ({"input_spec": [(None, 8)]}, "")],
)
def test_a_forward_that_raises_may_be_one_whose_size_nobody_gave(given: Any, remedy: str) -> None:
    spec = ModelSpec("net", factory=object, **given)
    with pytest.raises(ModelError, match="its forward raised ValueError") as caught, model._running(spec, spec.inputs):
        raise ValueError("no such size")
    assert caught.value.remedy.startswith(remedy)
    assert bool(caught.value.remedy) == bool(remedy)


@pytest.mark.parametrize(("made", "spec"), [((12,), "[None, 12]"), ((1, 12), "[None, 12]"), ((3, 12), "[None, 3, 12]")])
def test_numbers_where_a_picture_is_expected_for_want_of_a_description_are_what_to_set(made: tuple[int, ...], spec: str) -> None:
    def preprocess(value: Any) -> Any:
        return np.zeros(made, np.int64)

    described = ModelSpec("net", factory=object, preprocess=preprocess)
    with pytest.raises(ProcessingError, match="preprocess returned int64") as caught:
        _Batch(described, Processing(described.inputs, preprocess), [Sample("a", value=1)]).tensors(1)
    assert caught.value.remedy == f"{NO_SPEC}: set input_spec=[({spec}, 'int64')], which is what preprocess makes."


def test_a_picture_of_integers_needs_a_cast_and_no_other_description() -> None:
    described = ModelSpec("net", factory=object, preprocess=lambda value: np.zeros((3, 224, 224), np.uint8))
    with pytest.raises(ProcessingError, match=r"cast it with \.astype\('float32'\)") as caught:
        _Batch(described, Processing(named(described), described.preprocess), [Sample("a", value=1)]).tensors(1)
    assert caught.value.remedy == "cast the tensor to the model's dtype at the end of preprocess."


def test_a_preprocess_that_raises_on_both_sides_is_a_fault_of_preprocessing() -> None:
    def broken(value: Any) -> Any:
        raise KeyError("picture")

    spec = ModelSpec("net", factory=object, preprocess=broken)
    with pytest.raises(
        ProcessingError, match=r"^preprocess of sample a raised KeyError at .*test_engine_sentences\.py:\d+: 'picture'"
    ):
        _Batch(spec, Processing(spec.inputs, broken), [Sample("a", value=1)]).tensors(1)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Image.new("L", (4, 4)), "; it was given a PIL.Image in mode L."),
        (np.zeros((2, 3), np.float32), "; it was given an array, float32[2, 3]."),
        ({"x": 1}, "; it was given a dict."),
        (1, "; it was given an int."),
    ],
)
def test_what_a_preprocess_that_raised_was_given_is_told(value: Any, said: str) -> None:
    def broken(value: Any) -> Any:
        raise KeyError("picture")

    spec = ModelSpec("net", factory=object, preprocess=broken)
    side, sample = Processing(spec.inputs, broken), Sample("a", value=value)
    with pytest.raises(ProcessingError, match=re.escape(said) + "$"):
        _Batch(spec, side, [sample]).tensors(1)
    with pytest.raises(ProcessingError, match=re.escape(said) + "$"):
        EngineService(side, [sample]).inputs(0, 1)


def test_a_sample_that_does_not_open_is_told_elsewhere() -> None:
    assert given_to_preprocess(Sample("gone", Path("gone.png"))) == ""


def test_a_weights_file_that_is_not_there_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(model, "load_paddle", lambda: None)
    with pytest.raises(ModelError, match=r"^net: there is no weights file .*nope\.pdparams\.$") as caught:
        model.load_weights(None, tmp_path / "nope.pdparams", "net")
    assert caught.value.remedy.startswith("correct weights=, where a relative path starts at pytest's rootdir")


@pytest.mark.parametrize(
    ("state", "hint", "remedy"),
    [
        ({"conv.a": 2, "conv.b": 2}, " No key fits: they are the weights of another model, or their keys carry another prefix.",
         "give the weights of this model, under the keys of its state_dict."),
        ({"fc.a": 3, "fc.b": 2}, "",
         "give the weights that were saved of this factory with these arguments, such as its number of classes."),
        ({"net.fc.a": 2, "net.fc.b": 2}, " Every key has the prefix 'net.'.",
         "save the inner model's state_dict, or strip the prefix from its keys."),
        ({"state": {"fc.a": 2}, "epoch": 3}, " The state_dict is nested under 'state'.",
         "save that part on its own: paddle.save(state['state'], path)."),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_say_what_to_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, Any], hint: str, remedy: str
) -> None:
    path = tmp_path / "w.pdparams"
    path.touch()
    arrays = {name: size if isinstance(size, dict) else np.zeros(size, np.float32) for name, size in state.items()}
    monkeypatch.setattr(model, "load_paddle", lambda: SimpleNamespace(load=lambda _: arrays))
    monkeypatch.setattr(model, "quiet", nullcontext)
    layer = SimpleNamespace(state_dict=lambda: {"fc.a": np.zeros(2, np.float32), "fc.b": np.zeros(2, np.float32)})
    with pytest.raises(ModelError) as caught:
        model.load_weights(layer, path, "net")
    assert str(caught.value).rpartition(").")[2] == hint
    assert caught.value.remedy == remedy


def test_samples_of_several_shapes_cannot_share_a_batch() -> None:
    with pytest.raises(ProcessingError, match=r"cannot share a batch \(input 0: \[\(4,\), \(5,\)\]\)\.$") as caught:
        stack([np.zeros((1, 4)), np.zeros((1, 5))])
    assert caught.value.remedy == "make them equal in preprocess, or use batch size 1."


def test_weights_that_are_no_numbers_are_named_with_what_to_give() -> None:
    holed = np.ones((2, 3), np.float32)
    holed[1, 2] = np.nan
    tensors = {"fc.a": np.ones(2, np.float32), "fc.b": holed}
    layer = SimpleNamespace(
        named_parameters=lambda: [(name, SimpleNamespace(numpy=lambda array=array: array)) for name, array in tensors.items()],
        named_buffers=list,
    )
    side: Any = SimpleNamespace(_check_modes=lambda when: None, _model=SimpleNamespace(layer=layer))
    with pytest.raises(
        PreflightError, match=r"^the weights are at fault: fc\.b\[1, 2\] is nan; no engine can answer right\.$"
    ) as caught:
        ReferenceService._check_weights(side)
    assert caught.value.remedy == "give weights that are numbers throughout: those of a step before the training diverged."


def test_a_picture_of_which_no_preprocess_makes_the_input_asks_for_one() -> None:
    spec = ModelSpec("net", factory=object, input_spec=[(None, 1, 28, 28)])
    sample = Sample("a", value=Image.new("L", (4, 4)))
    with pytest.raises(ProcessingError, match=r"^sample a: the model has no preprocess, and") as caught:
        EngineService(Processing(spec.inputs, preprocess_of(spec)), [sample]).inputs(0, 1)
    assert "its input float32[None, 1, 28, 28] is no picture that the default one makes" in str(caught.value)
    assert caught.value.remedy == "give ModelSpec a preprocess that makes the model's input of a picture."


@pytest.mark.parametrize(
    ("output", "given"),
    [
        (np.zeros((1, 4), np.float32), "an array: float32[1, 4]"),
        ([np.zeros(1), np.zeros(2)], "a list of 2 arrays: float64[1], float64[2]"),
    ],
)
def test_a_postprocess_that_raises_says_what_it_was_given(output: Any, given: str) -> None:
    def broken(output: Any) -> Any:
        raise KeyError("logits")

    service = EngineService(Processing((), lambda sample: sample, broken), ())
    with pytest.raises(ProcessingError) as caught:
        service._postprocess(output, None, "a.png")
    assert str(caught.value) == f"postprocess raised KeyError for sample a.png: 'logits'; it was given {given}."


def test_another_number_of_arrays_than_the_predictor_takes_is_said() -> None:
    engine = InferenceEngine.__new__(InferenceEngine)
    engine.backend = SimpleNamespace(input_names=("x", "y"), run=list)  # type: ignore[assignment]
    with pytest.raises(ProcessingError, match=r"run takes 2 arrays \(x, y\), got 1\."):
        engine.run(GOOD)


@pytest.mark.parametrize("call", ["predict", "preprocess", "run"])
def test_a_fault_of_the_input_shows_the_line_that_gave_it_and_none_of_ours(call: str) -> None:
    engine = InferenceEngine.__new__(InferenceEngine)
    Processing.__init__(engine, (X,), lambda value: value)
    engine.backend = SimpleNamespace(input_names=("x", "y"), run=list)  # type: ignore[assignment]
    with pytest.raises(ProcessingError) as caught:
        getattr(engine, call)(GOOD[:, :7] if call != "run" else GOOD)
    assert len(caught.traceback) > 2
    assert [entry.name for entry in caught.traceback.filter(caught)] == [
        "test_a_fault_of_the_input_shows_the_line_that_gave_it_and_none_of_ours"
    ]


def test_a_fault_of_ours_shows_every_line() -> None:
    engine = Processing((X,), lambda value: value)
    engine.inputs = None  # type: ignore[assignment]
    with pytest.raises(TypeError) as caught:
        engine.preprocess(GOOD)
    assert "preprocess" in [entry.name for entry in caught.traceback.filter(caught)]


def test_an_engine_shows_its_model_and_variant() -> None:
    training, inference = TrainingEngine.__new__(TrainingEngine), InferenceEngine.__new__(InferenceEngine)
    inference.variant = find("onednn:threads=4", {})
    assert (repr(training), repr(inference)) == ("<TrainingEngine>", "<InferenceEngine, onednn:threads=4>")
    training.model = inference.model = "net"
    assert (repr(training), repr(inference)) == ("<TrainingEngine net>", "<InferenceEngine net, onednn:threads=4>")


# -- processes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "detail", "said"),
    [
        ("signal", "the process died of SIGILL (signal 4)", "ends the process with SIGILL"),
        ("exit", "the process ended by itself with exit status 3", "ends the process with exit status 3"),
        ("exit", "the process has ended already", "ends the process"),
        ("timeout", "no end after 20 s (--paddle-timeout)", "does not end within 20 s"),
        ("timeout", "cut off", "does not end in time"),
        ("exception", "ValueError: no kernel [Hint: none]", "raises ValueError: no kernel"),
        ("exception", "something broke", "raises an error: something broke"),
    ],
)
def test_how_a_variant_ended_is_the_end_of_a_sentence(kind: str, detail: str, said: str) -> None:
    assert _end(WorkerFailure("inference engine: load the model", kind, detail)) == said


def test_a_platform_without_fork_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    with pytest.raises(
        PaddleInferError, match=r"the checkpoints need os\.fork\(\) to run engines safely; this platform has none\."
    ):
        Worker("an engine", SimpleNamespace)


def test_a_worker_that_was_closed_answers_no_more() -> None:
    worker = Worker("an engine", SimpleNamespace)
    worker.close()
    with pytest.raises(WorkerFailure, match="run: the process has ended already"):
        worker.submit("run", "run", timeout=5.0)


def test_a_function_that_cannot_travel_to_another_process_is_said() -> None:
    remote = RemotePredictor.__new__(RemotePredictor)
    remote.device = ""  # type: ignore[assignment]
    with pytest.raises(
        PaddleInferError, match=r"the function of the variant own runs in another process here: define it at the top of a"
    ):
        remote._travelling(Request("own", "cpu", configure=lambda config: None))


def test_a_kept_model_that_takes_other_inputs_is_said() -> None:
    service = ReplayService(ExportedModel(Path("none")), Request("cpu", "cpu"), "3.3.1", ("x",), [GOOD], EngineSetup())
    with pytest.raises(ProcessingError, match=r"the model takes 2 inputs \(x, y\), and 1 were kept\."):
        service._in_order(["x", "y"])
    with pytest.raises(AssertionError, match="load comes first"):
        service.run()


def test_auto_log_is_refused_where_the_engine_is_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "auto_log", ModuleType("auto_log"))
    service = InferenceService.__new__(InferenceService)
    monkeypatch.setattr(InferenceService, "engine", SimpleNamespace(backend=None), raising=False)
    with pytest.raises(PaddleInferError, match="auto_log times an engine in its own process; leave --paddle-autolog out"):
        service.autolog(1, 0, 1, "net", "none")


def test_a_paddle_that_cannot_be_imported_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paddle", None)
    with pytest.raises(PaddleInferError) as caught:
        runtime.load_paddle()
    assert str(caught.value).startswith("Paddle cannot be imported (")
    assert runtime.INSTALL_HINT in str(caught.value)


# -- variants ----------------------------------------------------------------------------------------------------------


class Config:
    """A `paddle.inference.Config` that takes what it is asked for and does nothing of it."""

    def enable_onnxruntime(self) -> None: ...

    def onnxruntime_enabled(self) -> bool:
        return False

    def enable_openvino_engine(self, precision: Any) -> None: ...

    def openvino_engine_enabled(self) -> bool:
        return False

    def enable_cinn(self) -> None: ...


def played(gpus: int = 0, cuda: bool = False, config: Any = Config, **core: bool) -> Any:
    compiled = {"is_compiled_with_mkldnn": True, "supports_bfloat16": False, "supports_int8": False, **core}
    made = SimpleNamespace(**{name: lambda value=value: value for name, value in compiled.items()})
    device = SimpleNamespace(cuda=SimpleNamespace(device_count=lambda: gpus, get_device_capability=lambda number: (7, 5)))
    inference = SimpleNamespace(Config=config, PrecisionType=SimpleNamespace(Float32=0))
    return SimpleNamespace(
        __version__="2.6.2", base=SimpleNamespace(core=made), device=device, inference=inference, is_compiled_with_cuda=lambda: cuda,
        is_compiled_with_cinn=lambda: False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("base", "paddle", "reason"),
    [
        ("onednn", played(is_compiled_with_mkldnn=False), "this Paddle was built without oneDNN ("),
        ("onednn-bf16", played(), "this processor has no AVX512 and bf16 instructions that oneDNN needs for it"),
        ("onednn-int8", played(), "this processor has no instructions that oneDNN needs for int8 (AVX2)"),
        ("gpu", played(), tensorrt.NO_CUDA),
        ("gpu", played(cuda=True), "no GPU is visible (nvidia-smi; CUDA_VISIBLE_DEVICES)"),
        ("gpu:device=3", played(2, True), "there is no GPU 3: 2 visible"),
        ("gpu-bf16:device=0", played(2, True), "the GPU has compute capability 7.5; bf16 needs 8.0 or newer"),
        ("cinn", played(config=object), "Paddle 2.6.2 has no option for it; Paddle 3 has"),
        ("cinn", played(), "this Paddle was built without CINN; the GPU builds of Paddle 3 have it"),
        ("onnxruntime", played(), "this Paddle was built without ONNX Runtime"),
        ("openvino", played(config=object), "Paddle 2.6.2 has no option for it; Paddle 3 has"),
        ("openvino", played(), "this Paddle was built without OpenVINO"),
    ],
)
def test_why_a_build_or_machine_cannot_run_a_variant(monkeypatch: pytest.MonkeyPatch, base: str, paddle: Any, reason: str) -> None:
    monkeypatch.setattr(builds, "load_paddle", lambda: paddle)
    name, _, device = base.partition(":device=")
    parameters = {"device": device} if device else {}
    assert builds.unavailable(Request(base, name, parameters=parameters)).startswith(reason)


def test_why_a_graph_cannot_run_in_a_variant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    graph = tmp_path / "inference.json"
    graph.write_text("{}")
    monkeypatch.setattr(builds, "CHECKS", dict.fromkeys(builds.CHECKS, builds._always))
    asked = {
        "openvino": "Paddle's OpenVINO takes the .pdmodel of Paddle 2",
        "onednn-int8": "the model is not quantised: its graph holds no",
    }
    for base, reason in asked.items():
        assert builds.unavailable(Request(base, base), str(graph)).startswith(reason)


def test_a_model_without_an_answer_predicts_nothing() -> None:
    service = Processing((X,), lambda value: value)
    service.run = lambda x: np.zeros((1, 4, 8, 8), np.int64)  # type: ignore[method-assign]
    with pytest.raises(ProcessingError, match=r"there is no answer to predict: the model has no postprocess, .*Use run"):
        service.predict(GOOD)
    service = Processing((X,), lambda value: value, postprocess=lambda output: None)
    service.run = lambda x: x  # type: ignore[method-assign]
    assert service.predict(GOOD) is None, "an own one may say so"


# -- what a program is given, and what it gives ------------------------------------------------------------------------


def halved(value: Any) -> Any:
    value /= 2
    return value


def test_a_preprocess_that_works_in_place_gets_an_array_of_its_own_each_time() -> None:
    kept = np.ones((3, 8, 8), np.float32)
    processing = Processing((X,), halved)
    for _ in range(2):
        assert processing.preprocess(Sample("a", value=kept)).max() == 0.5  # type: ignore[union-attr]
    assert kept.min() == 1


def test_a_postprocess_that_works_in_place_leaves_the_output_that_is_compared() -> None:
    processing = Processing((X,), list, postprocess=lambda output: float(halved(output).max()))
    output = np.ones((1, 4), np.float32)
    assert (processing.postprocess(output), processing.postprocess(output), output.min()) == (0.5, 0.5, 1)


def test_a_picture_of_several_frames_and_an_array_of_objects_keep_what_they_hold(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "green", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with Image.open(tmp_path / "a.gif") as picture:
        assert copied(picture).n_frames == 3
    lists = np.empty(1, dtype=object)
    lists[0] = [1]
    copied(lists)[0].append(5)
    assert lists[0] == [1]


def test_a_timed_postprocess_is_given_the_output_itself() -> None:
    seen = []
    service = EngineService(Processing((X,), halved, postprocess=lambda output: seen.append(output)), [Sample("a", value=GOOD)])
    made = np.ones((1, 2), np.float32)
    service.engine.run = lambda x: made  # type: ignore[method-assign]
    service._timed(0, 1)
    assert np.shares_memory(seen[0], made)
    assert GOOD.max() == 0


def test_pictures_and_what_lists_and_dicts_hold_are_copied_too() -> None:
    picture = Image.new("RGB", (8, 8))
    picture.filename = "a.png"  # type: ignore[attr-defined]
    given = {"picture": picture, "boxes": [np.zeros(2)], "name": "a"}
    own = copied(given)
    own["picture"].thumbnail((2, 2))
    own["boxes"][0] += 1
    assert (picture.size, given["boxes"][0].max(), own["name"]) == ((8, 8), 0, "a")
    assert own["picture"].filename == "a.png"


@pytest.mark.parametrize("saved", [True, False])
def test_a_picture_keeps_its_orientation_and_format(tmp_path: Path, saved: bool) -> None:
    picture = Image.new("RGB", (8, 4))
    picture.getexif()[0x0112] = 6
    if saved:
        picture.save(tmp_path / "a.jpg", exif=picture.getexif())
        picture = Image.open(tmp_path / "a.jpg")
    for _ in range(2):
        own = copied(picture)
        assert (own.getexif()[0x0112], own.format) == (6, "JPEG" if saved else None)
        turned = ImageOps.exif_transpose(own)
        assert turned.size == (4, 8)
        del own.getexif()[0x0112]
    picture.close()


class Found(NamedTuple):
    ids: Any
    scores: Any


@dataclass(frozen=True)
class Answer:
    scores: Any


class Tensor:
    __module__ = "paddle.made_up"

    def numpy(self) -> Any:
        return np.ones(2)


def test_answers_that_are_read_once_become_lists_and_tensors_arrays() -> None:
    assert settled(iter([1, 2])) == [1, 2]
    assert settled({"a": (number for number in (1, 2)), "b": [map(str, (3,))]}) == {"a": [1, 2], "b": [["3"]]}
    assert isinstance(settled((Tensor(),))[0], np.ndarray)
    assert settled({"a": 1}.values()) == [1]
    assert settled(range(3)) == [0, 1, 2]
    named = settled(Found(iter([1]), Tensor()))
    assert (type(named), named.ids, named.scores.tolist()) == (Found, [1], [1, 1])
    assert type(settled(defaultdict(lambda: 0, a=iter([1])))) is dict
    kept = Answer(Tensor())
    assert settled(kept).scores.tolist() == [1, 1]
    assert settled(Answer(3)) == Answer(3)
    assert isinstance(kept.scores, Tensor), "the users own stays as it is"
    assert settled("text") == "text"


# -- near ties ---------------------------------------------------------------------------------------------------------


def asked_for_ties(monkeypatch: pytest.MonkeyPatch, elements: int, turns: int) -> tuple[Array, int]:
    """Near ties of an output that differs everywhere, where the layer answers otherwise after so many runs; and how many were made."""
    engine: Any = TrainingEngine.__new__(TrainingEngine)
    one, runs = np.zeros((1, elements), np.int64), []

    def run(x: Any) -> Any:
        runs.append(x)
        return one + (len(runs) > turns)

    engine.layer, engine.run, engine.preprocess = None, run, lambda sample: GOOD
    monkeypatch.setattr(services, "shaken", lambda *_: nullcontext())
    service = services.TrainingService.__new__(services.TrainingService)
    service.engine, service.samples = engine, [Sample("a", value=GOOD)]
    return service.near_ties(0, 1, 0, one, one + 1, 1e-6), len(runs)


def test_few_integers_are_looked_at_to_the_end_and_many_that_never_turn_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    ties, runs = asked_for_ties(monkeypatch, 1, turns=20)
    assert (ties.tolist(), runs) == ([[True]], 21)
    assert asked_for_ties(monkeypatch, 1, turns=99)[1] == 1 + services.SHAKEN
    ties, runs = asked_for_ties(monkeypatch, 20, turns=99)
    assert (ties.any(), runs) == (False, 1 + services.HOPELESS)
