"""What runs inside worker processes: one engine with its samples, observed, probed and timed."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable, Union

import numpy as np

from pytest_paddle_infer.deployed.builds import unavailable
from pytest_paddle_infer.deployed.predictor import Predictor
from pytest_paddle_infer.deployed.predictor import versions as versions_here
from pytest_paddle_infer.deployed.proof import Evidence
from pytest_paddle_infer.engine.export import verify_parameters
from pytest_paddle_infer.engine.inference import EngineSetup, InferenceEngine
from pytest_paddle_infer.engine.model import LoadedModel, named_tensors
from pytest_paddle_infer.engine.observed import LoadFacts, Observation, Timings, digest_of
from pytest_paddle_infer.engine.processing import (
    Array,
    Arrays,
    Processing,
    ProcessingError,
    Tensors,
    as_list,
    given_to_preprocess,
    in_memory,
    opened,
    preprocess_of,
    split,
    stack,
)
from pytest_paddle_infer.engine.remote import RemotePredictor
from pytest_paddle_infer.engine.training import TrainingEngine, shake, shaken
from pytest_paddle_infer.exports import ExportedModel
from pytest_paddle_infer.failures import PaddleInferError
from pytest_paddle_infer.judge.shapes import text_of
from pytest_paddle_infer.logs.autolog import INSTALL
from pytest_paddle_infer.parameters import ParameterReport
from pytest_paddle_infer.samples import Sample
from pytest_paddle_infer.transforms import NoPictureError
from pytest_paddle_infer.variants import Variant

INSIDE_A_BATCH = "inside a batch"
"""What was varied when a sample was run together with another; a model may couple the two itself."""


SHAKEN = 32
"""Runs at most that show which integers are near ties: one on the edge turns in about every second, and a mask may have thousands."""

HOPELESS = 5
"""Runs after which far more than half of true near ties have turned; where they have not, most are none, and asking on shows nothing."""

FEW = 8
"""Of fewer, chance alone may leave that many: there all runs are made."""

Pairs = dict[str, list[Union[tuple[Array, Array], None]]]
"""What was varied -> for each output a pair of what should be alike, None for no pair."""


class EngineService:
    """What both engines are asked for. Samples are named by position: they were inherited at the fork."""

    def __init__(self, engine: Processing, samples: Sequence[Sample]) -> None:
        self.engine = engine
        self.samples = samples
        self._warm: set[str] = set()
        """Shapes that were run before any of them was timed; empty without a warm-up."""

    def observe(self, start: int, stop: int) -> Observation:
        """Runs samples[start:stop] as one batch."""
        inputs = self._batch(start, stop)
        outputs = self._run(inputs)
        return Observation(digest_of(inputs), outputs, self._answers(outputs, start, stop))

    def outputs(self, start: int, stop: int) -> Arrays:
        """Outputs of samples[start:stop] as one batch, without postprocess."""
        return self._run(self._batch(start, stop))

    def inputs(self, start: int, stop: int) -> Arrays:
        """The tensors that this side's preprocessing makes of samples[start:stop]."""
        return self._batch(start, stop)

    def first_two(self) -> tuple[Arrays, Arrays]:
        """The tensors of the first sample, and those of the second, or of the only one again."""
        return self._batch(0, 1), self._batch(1, 2) if len(self.samples) > 1 else self._batch(0, 1)

    def digests(self, batches: Sequence[tuple[int, int]]) -> list[str]:
        """Digests of the tensors of batches of samples."""
        return [digest_of(self._batch(start, stop)) for start, stop in batches]

    def answer(self, outputs: Arrays, inputs: str, start: int, stop: int) -> Observation:
        """The observation of samples[start:stop] as one batch, whose outputs are already known."""
        return Observation(inputs, outputs, self.answers(outputs, start, stop))

    def answers(self, outputs: Arrays, start: int, stop: int) -> tuple[Any, ...]:
        """What this side's postprocess makes of outputs for samples[start:stop].

        Its preprocess runs before each: some postprocess programs go by what it kept, such as the size of the picture.
        """
        return self._answers(outputs, start, stop, again=self.engine.own_answers)

    def _answers(self, outputs: Arrays, start: int, stop: int, again: bool = False) -> tuple[Any, ...]:
        """again: preprocess before each sample, though it is done; in a batch of several, what was kept is of the last of them."""
        again = again or (stop - start > 1 and self.engine.own_answers)
        answers = []
        for row, sample in zip(split(outputs, stop - start), self.samples[start:stop]):
            if again:
                self._preprocess(sample)
            answers.append(self._postprocess(row, sample, sample.name))
        return tuple(answers)

    def run(self, inputs: Arrays) -> Arrays:
        """Runs given tensors."""
        return self._run(inputs)

    def together(self, one: Arrays, two: Arrays) -> Arrays:
        """Runs the tensors of two batches as one batch."""
        return self._run([np.concatenate(pair) for pair in zip(one, two)])

    def shapes(self, sizes: Sequence[int], tensors: Arrays | None = None) -> dict[int, list[tuple[int, ...]]]:
        """Runs the first sample, or these tensors, repeated to each batch size; returns size -> shapes of the outputs."""
        first = tensors or self._batch(0, 1)
        return {size: [output.shape for output in self._run([np.repeat(array, size, axis=0) for array in first])] for size in sizes}

    def benchmark(self, batch_size: int, warmup: int, batches: int, first: int = 0) -> Timings:
        """Times preprocess, run and postprocess of `batches` batches from number `first` on, after `warmup` others."""
        for number in range(warmup):
            self._warm.add(self._timed(number, batch_size)[3])
        begin = time.perf_counter()
        stages = [self._timed_warm(number, batch_size) for number in range(first, first + batches)]
        total = time.perf_counter() - begin
        preprocess, run, postprocess, shapes = zip(*stages)
        return Timings(preprocess, run, postprocess, batches * batch_size, total, shapes)

    def _timed_warm(self, number: int, batch_size: int) -> tuple[float, float, float, str]:
        """As `_timed`; the first batch of a shape that the warm-up had none of is one more of the warm-up, and is run again."""
        timed = self._timed(number, batch_size)
        if not self._warm or timed[3] in self._warm:
            return timed
        self._warm.add(timed[3])
        return self._timed(number, batch_size)

    def _timed(self, number: int, batch_size: int, stamp: Callable[[], Any] = lambda: None) -> tuple[float, float, float, str]:
        """Returns the seconds of each stage of one batch, and its shape; `stamp` is called after each stage.

        Every batch is full: after the last sample comes the first again, so that the means are of equal batches.
        """
        samples = [self.samples[(number * batch_size + index) % len(self.samples)] for index in range(batch_size)]
        given = [in_memory(sample) for sample in samples]  # copies that a deployed program does not make are not timed
        seen = [opened(sample) if self.engine.answers_sample else None for sample in samples]
        clock = [time.perf_counter()]
        inputs = stack([self._preprocess(sample, value, timed=True) for sample, value in zip(samples, given)])
        clock.append(time.perf_counter())
        stamp()
        outputs = self._run(inputs)
        clock.append(time.perf_counter())
        stamp()
        for row, value, sample in zip(split(outputs, batch_size), seen, samples):
            self._postprocess(row, value, sample.name, timed=True)
        clock.append(time.perf_counter())
        stamp()
        return clock[1] - clock[0], clock[2] - clock[1], clock[3] - clock[2], text_of([array.shape for array in inputs])

    def _batch(self, start: int, stop: int) -> Arrays:
        return self._stacked(self.samples[start:stop])

    def _stacked(self, samples: Sequence[Sample]) -> Arrays:
        return stack([self._preprocess(sample) for sample in samples])

    def _preprocess(self, sample: Sample, value: Any = None, timed: bool = False) -> Any:
        """value: the sample's own, copied already; None for one that is opened here. timed: nothing is copied that a program does not."""
        try:
            return (self.engine._tensors if timed else self.engine.preprocess)(sample if value is None else value)
        except (ProcessingError, NoPictureError) as error:
            named = ProcessingError(f"sample {sample.name}: {error}")
            named.remedy = error.remedy
            raise named from error
        except PaddleInferError:
            raise
        except Exception as error:
            told = f"preprocess raised {type(error).__name__} for sample {sample.name}: {error}"
            raise ProcessingError(f"{told.rstrip('.')}{given_to_preprocess(sample)}.") from error

    def _postprocess(self, output: Tensors, sample: Any, name: str, timed: bool = False) -> Any:
        """name: of the sample. timed: nobody else needs the output, so that it needs no copy."""
        try:
            return (self.engine._answer if timed else self.engine.postprocess)(output, sample)
        except Exception as error:
            given = ", ".join(f"{array.dtype}{list(array.shape)}" for array in as_list(output))
            kind = "an array" if isinstance(output, np.ndarray) else f"a list of {len(output)} arrays"
            told = f"postprocess raised {type(error).__name__} for sample {name}: {error}"
            raise ProcessingError(f"{told}; it was given {kind}: {given}.") from error

    def _run(self, inputs: Arrays) -> Arrays:
        return as_list(self.engine.run(inputs if len(inputs) > 1 else inputs[0]))


class TrainingService(EngineService):
    """The training engine in a worker."""

    def __init__(self, model: LoadedModel, samples: Sequence[Sample], threads: int) -> None:
        self._model = model
        super().__init__(make_training_engine(model, threads), samples)

    def in_train_mode(self, start: int, stop: int) -> Arrays:
        """Outputs of the layer in `train()` for samples[start:stop]; the layer is back in `eval()` afterwards."""
        inputs = self._batch(start, stop)
        assert isinstance(self.engine, TrainingEngine)
        return self.engine.run_in_train_mode(inputs if len(inputs) > 1 else inputs[0])

    def near_ties(self, start: int, stop: int, output: int, one: Array, two: Array, share: float) -> Array:
        """Where rounding alone may make integers `one` of integers `two`, of one output for samples[start:stop]: bool, of their shape.

        There the layer itself gives both answers, as it is or with its inputs and what its layers put out moved by up to `share`.
        """
        assert isinstance(self.engine, TrainingEngine)
        inputs, random = self._batch(start, stop), np.random.RandomState(0)
        nominal, wrong = self._run(inputs)[output], np.asarray(one != two)
        if nominal.shape != wrong.shape:
            return np.zeros_like(wrong)
        seen_one, seen_two = nominal == one, nominal == two
        with shaken(self.engine.layer, share, random):
            for number in range(SHAKEN):
                moved = self._run([shake(array, share, random) if array.dtype == np.float32 else array for array in inputs])[output]
                if moved.shape == wrong.shape:
                    seen_one |= moved == one
                    seen_two |= moved == two
                left = int((wrong & ~(seen_one & seen_two)).sum())
                if not left or (number + 1 == HOPELESS and left >= FEW and 2 * left > wrong.sum()):
                    break
        return np.asarray(wrong & seen_one & seen_two)

    def verify(self, exported: ExportedModel) -> ParameterReport:
        """Compares the parameters of an export with the model's, bit for bit."""
        return verify_parameters(exported, self._model)


class InferenceService(EngineService):
    """The inference engine in a worker. The model that the fork inherited is dropped: the memory is the engine's alone."""

    engine: InferenceEngine

    def __init__(
        self, exported: ExportedModel, model: LoadedModel, samples: Sequence[Sample], variant: Variant, setup: EngineSetup
    ) -> None:
        forget(model.layer)
        scatter_random_numbers()
        super().__init__(make_inference_engine(exported, model, variant, setup, samples, apart=True), samples)
        self._alone: Arrays | None = None
        self._heard = False

    def observe(self, start: int, stop: int) -> Observation:
        """As both engines do; the first run is listened to."""
        if self._heard:
            return super().observe(start, stop)
        self._heard = True
        inputs = self._batch(start, stop)
        outputs = self.engine.run_heard(inputs if len(inputs) > 1 else inputs[0])
        return Observation(digest_of(inputs), outputs, self._answers(outputs, start, stop))

    def evidence(self) -> Evidence:
        """What was executed so far."""
        return self.engine.backend.evidence

    def first_run(self) -> tuple[float, float]:
        """Seconds of the first run, with everything that Paddle prepares in it, and MB of memory of its process alone after it."""
        return self.engine.backend.first_seconds or 0.0, self.engine.backend.first_private_mb

    def autolog(self, batch_size: int, warmup: int, batches: int, model: str, path: str) -> Timings:
        """Times as `benchmark` does with AutoLog's own `AutoLogger`, which writes its log to `path`.

        Its `report()` ends in `sys.exit(0)` and may hang; both stay in this process, which has a time limit.
        """
        try:
            import auto_log
        except ImportError as error:
            raise PaddleInferError(f"{INSTALL} ({error})") from error

        engine = self.engine
        if not isinstance(engine.backend, Predictor):
            raise PaddleInferError("auto_log times an engine in its own process; leave --paddle-autolog out for this variant.")
        Path(path).unlink(missing_ok=True)
        logger = auto_log.AutoLogger(
            model_name=model,
            model_precision=logged_precision(engine.variant.computes_in),
            batch_size=batch_size,
            data_shape="dynamic",
            save_path=path,
            inference_config=engine.config,
            pids=os.getpid(),
            process_name=None,
            gpu_ids=None,
            time_keys=["preprocess_time", "inference_time", "postprocess_time"],
            warmup=warmup,
        )
        stages: list[tuple[float, float, float, str]] = []
        begin = time.perf_counter()
        for number in range(warmup + batches):
            logger.times.start()
            stages.append(self._timed(number, batch_size, logger.times.stamp))
            logger.times.end()
        total = time.perf_counter() - begin
        with contextlib.suppress(SystemExit):
            logger.report()
        preprocess, run, postprocess, shapes = zip(*stages[warmup:])
        return Timings(preprocess, run, postprocess, batches * batch_size, total, shapes)

    def asked_twice(self, before: Arrays | None) -> Pairs:
        """Runs the first sample again. before: what this engine answered to it alone, if it did."""
        one = self._batch(0, 1)
        before = before or self._run(one)
        self._alone = self._run(one)
        return {"asked twice": list(zip(before, self._alone))}

    def in_a_batch(self) -> Pairs:
        """Runs the first sample inside a batch of two, and after that batch; nothing where the batch size is fixed."""
        alone, (one, two) = self._first_alone(), self.first_two()
        if not all(spec.shape and spec.shape[0] is None for spec in self.engine.inputs):
            return {}
        if [a.shape for a in one] != [a.shape for a in two]:
            return {}
        together = self.together(one, two)
        inside: list[tuple[Array, Array] | None] = [
            (single, double[: len(single)]) if single.ndim and len(double) == 2 * len(single) else None  # no batch axis
            for single, double in zip(alone, together)
        ]
        return {INSIDE_A_BATCH: inside, "after another batch size": list(zip(alone, self._run(one)))}

    def on_a_clone(self) -> Pairs:
        """Runs the first sample on a cloned predictor, which also tells what operators are executed."""
        alone, one = self._first_alone(), self._batch(0, 1)
        return {"on a cloned predictor": list(zip(alone, self.engine.run_on_clone(one if len(one) > 1 else one[0])))}

    def _first_alone(self) -> Arrays:
        if self._alone is None:
            self._alone = self._run(self._batch(0, 1))
        return self._alone

    def describe(self) -> LoadFacts:
        """Names of inputs and outputs, and the configuration as read back."""
        engine, backend = self.engine, self.engine.backend
        return LoadFacts(
            tuple(engine.input_names),
            tuple(engine.output_names),
            backend.effective,
            backend.evidence,
            versions_here() if isinstance(backend, Predictor) else backend.versions,
            os.getpid() if isinstance(backend, Predictor) else backend.pid,
            backend.load_seconds,
            str(backend.device),
        )


def logged_precision(precision: str) -> str:
    """What AutoLog's format has for it: TF32 is how a GPU multiplies float32."""
    return "fp32" if precision == "tf32" else precision


class BuildService:
    """Asks what a build can run, in a process that may die of the question."""

    def unavailable(self, variant: Variant, model_file: str, setup: EngineSetup) -> str:
        """Why the variant cannot run on this machine with the Paddle that is to run it; empty when it can."""
        request = setup.request(variant)
        if setup.python or variant.on_gpu:  # CUDA does not survive a fork, nor being asked in one
            return RemotePredictor(setup.python, variant, setup.place).unavailable(request, model_file)
        return unavailable(request, model_file)


def make_training_engine(model: LoadedModel, threads: int) -> TrainingEngine:
    """The training engine of a loaded model."""
    preprocess = preprocess_of(model.spec, training=True)
    postprocess = model.spec.training_postprocess or model.spec.postprocess
    engine = TrainingEngine(model.layer, model.inputs, preprocess, postprocess, threads)
    engine.model = model.spec.name
    return engine


def make_inference_engine(
    exported: ExportedModel,
    model: LoadedModel,
    variant: Variant,
    setup: EngineSetup,
    samples: Sequence[Sample] = (),
    apart: bool = False,
) -> InferenceEngine:
    """The inference engine of an export. samples: what it will run; TensorRT builds for their shapes."""
    preprocess = preprocess_of(model.spec)
    files: tuple[Any, Any] = exported.model_file, exported.params_file
    feeds = _feeds(model, samples) if variant.base.startswith("tensorrt") else []
    engine = InferenceEngine(*files, model.inputs, preprocess, model.spec.postprocess, variant, setup, apart, feeds)
    engine.model = model.spec.name
    return engine


SHAPED_SAMPLES = 16
"""Samples whose shapes TensorRT is told; preprocessing them all would take as long as the run."""


def _feeds(model: LoadedModel, samples: Sequence[Sample]) -> list[Arrays]:
    """Tensors of every shape that the checkpoints run: of one sample, of a batch, and of the batch of two of the invariance."""
    side = EngineService(Processing(model.inputs, preprocess_of(model.spec)), samples)
    alone = [side.inputs(number, number + 1) for number in range(min(len(samples), SHAPED_SAMPLES))]
    open_batch = all(spec.shape and spec.shape[0] is None for spec in model.inputs)
    sizes = sorted({1, 2, model.spec.batch_size or 1}) if open_batch else [1]
    feeds: dict[Any, Arrays] = {}
    for tensors in alone:
        for size in sizes:
            batch = [np.repeat(array, size, axis=0) for array in tensors]
            feeds.setdefault(tuple(array.shape for array in batch), batch)
    return list(feeds.values())


def scatter_random_numbers() -> None:
    """Seeds what draws random numbers in this process anew: forked from one, both engines would draw alike, and random programs agree."""
    random.seed()
    np.random.seed()


def forget(layer: Any) -> None:
    """Frees the parameters of a layer; only for a process that will not use it again."""
    for _, tensor in named_tensors(layer):
        tensor._clear_data()
