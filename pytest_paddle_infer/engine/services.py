"""What runs inside worker processes: one engine with its samples, observed, probed and timed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import numpy as np

from pytest_paddle_infer.engine.export import verify_parameters
from pytest_paddle_infer.engine.inference import InferenceEngine
from pytest_paddle_infer.engine.model import LoadedModel, named_tensors
from pytest_paddle_infer.engine.processing import (
    Array,
    Arrays,
    Processing,
    ProcessingError,
    Tensors,
    as_list,
    preprocess_of,
    split,
    stack,
)
from pytest_paddle_infer.engine.runtime import load_paddle
from pytest_paddle_infer.engine.training import TrainingEngine
from pytest_paddle_infer.engine.variants import Effective
from pytest_paddle_infer.exports import ExportedModel, ParameterReport
from pytest_paddle_infer.failures import PaddleInferError
from pytest_paddle_infer.logs.autolog import INSTALL
from pytest_paddle_infer.samples import Sample

INSIDE_A_BATCH = "inside a batch"
"""What was varied when a sample was run together with another; a model may couple the two itself."""


@dataclass(frozen=True)
class Observation:
    """One batch through one engine: what went in, as a digest, tensors out, and the answer to each sample."""

    inputs: str
    outputs: Arrays
    answers: tuple[Any, ...]


@dataclass(frozen=True)
class LoadFacts:
    """What a predictor says of itself once it is there."""

    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    effective: Effective


@dataclass(frozen=True)
class Timings:
    """Seconds of each timed batch, by stage."""

    preprocess: tuple[float, ...]
    run: tuple[float, ...]
    postprocess: tuple[float, ...]
    samples: int
    total: float


def digest_of(inputs: Arrays) -> str:
    """SHA-256 of the tensors of a batch: dtype, shape and bytes."""
    digest = hashlib.sha256()
    for array in inputs:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


class EngineService:
    """What both engines are asked for. Samples are named by position: they were inherited at the fork."""

    def __init__(self, engine: Processing, samples: Sequence[Sample]) -> None:
        self.engine = engine
        self.samples = samples

    def observe(self, start: int, stop: int) -> Observation:
        """Runs samples[start:stop] as one batch."""
        inputs = self._batch(start, stop)
        outputs = self._run(inputs)
        return Observation(digest_of(inputs), outputs, self.answers(outputs, stop - start))

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

    def answer(self, outputs: Arrays, inputs: str, size: int) -> Observation:
        """The observation of a batch whose outputs are already known."""
        return Observation(inputs, outputs, self.answers(outputs, size))

    def answers(self, outputs: Arrays, size: int) -> tuple[Any, ...]:
        """What this side's postprocess makes of the outputs of a batch of `size`."""
        return tuple(self._postprocess(row) for row in split(outputs, size))

    def run(self, inputs: Arrays) -> Arrays:
        """Runs given tensors."""
        return self._run(inputs)

    def together(self, one: Arrays, two: Arrays) -> Arrays:
        """Runs the tensors of two batches as one batch."""
        return self._run([np.concatenate(pair) for pair in zip(one, two)])

    def shapes(self, sizes: Sequence[int]) -> dict[int, list[tuple[int, ...]]]:
        """Runs the first sample repeated to each batch size; returns size -> shapes of the outputs."""
        first = self._batch(0, 1)
        return {size: [output.shape for output in self._run([np.repeat(array, size, axis=0) for array in first])] for size in sizes}

    def benchmark(self, batch_size: int, warmup: int, batches: int) -> Timings:
        """Times preprocess, run and postprocess of `batches` batches after `warmup` others."""
        for number in range(warmup):
            self._timed(number, batch_size)
        begin = time.perf_counter()
        stages = [self._timed(number, batch_size) for number in range(batches)]
        total = time.perf_counter() - begin
        preprocess, run, postprocess = zip(*stages)
        return Timings(preprocess, run, postprocess, batches * batch_size, total)

    def _timed(self, number: int, batch_size: int, stamp: Callable[[], Any] = lambda: None) -> tuple[float, float, float]:
        """Returns the seconds of each stage of one batch; `stamp` is called after each.

        Every batch is full: after the last sample comes the first again, so that the means are of equal batches.
        """
        samples = [self.samples[(number * batch_size + index) % len(self.samples)] for index in range(batch_size)]
        clock = [time.perf_counter()]
        inputs = self._stacked(samples)
        clock.append(time.perf_counter())
        stamp()
        outputs = self._run(inputs)
        clock.append(time.perf_counter())
        stamp()
        for row in split(outputs, batch_size):
            self._postprocess(row)
        clock.append(time.perf_counter())
        stamp()
        return clock[1] - clock[0], clock[2] - clock[1], clock[3] - clock[2]

    def _batch(self, start: int, stop: int) -> Arrays:
        return self._stacked(self.samples[start:stop])

    def _stacked(self, samples: Sequence[Sample]) -> Arrays:
        return stack([self._preprocess(sample) for sample in samples])

    def _preprocess(self, sample: Sample) -> Any:
        try:
            return self.engine.preprocess(sample)
        except ProcessingError as error:
            raise ProcessingError(f"sample {sample.name}: {error}") from error
        except PaddleInferError:
            raise
        except Exception as error:
            raise ProcessingError(f"preprocess raised {type(error).__name__} for sample {sample.name}: {error}") from error

    def _postprocess(self, output: Tensors) -> Any:
        try:
            return self.engine.postprocess(output)
        except Exception as error:
            given = ", ".join(f"{array.dtype}{list(array.shape)}" for array in as_list(output))
            kind = "an array" if isinstance(output, np.ndarray) else f"a list of {len(output)} arrays"
            raise ProcessingError(f"postprocess raised {type(error).__name__}: {error}; it was given {kind}: {given}.") from error

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

    def verify(self, exported: ExportedModel) -> ParameterReport:
        """Compares the parameters of an export with the model's, bit for bit."""
        return verify_parameters(exported, self._model)


class InferenceService(EngineService):
    """The inference engine in a worker. The model that the fork inherited is dropped: the memory is the engine's alone."""

    def __init__(self, exported: ExportedModel, model: LoadedModel, samples: Sequence[Sample], variant: str, threads: int) -> None:
        forget(model.layer)
        super().__init__(make_inference_engine(exported, model, variant, threads), samples)

    def autolog(self, batch_size: int, warmup: int, batches: int, model: str, path: str) -> Timings:
        """Times as `benchmark` does with AutoLog's own `AutoLogger`, which writes its log to `path`.

        Its `report()` ends in `sys.exit(0)` and may hang; both stay in this process, which has a time limit.
        """
        try:
            import auto_log
        except ImportError as error:
            raise PaddleInferError(f"{INSTALL} ({error})") from error

        engine = self.engine
        assert isinstance(engine, InferenceEngine)
        Path(path).unlink(missing_ok=True)
        logger = auto_log.AutoLogger(
            model_name=model,
            model_precision=engine.variant.precision,
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
        stages: list[tuple[float, float, float]] = []
        begin = time.perf_counter()
        for number in range(warmup + batches):
            logger.times.start()
            stages.append(self._timed(number, batch_size, logger.times.stamp))
            logger.times.end()
        total = time.perf_counter() - begin
        with contextlib.suppress(SystemExit):
            logger.report()
        preprocess, run, postprocess = zip(*stages[warmup:])
        return Timings(preprocess, run, postprocess, batches * batch_size, total)

    def invariance(self, before: Arrays | None, everything: bool) -> dict[str, list[tuple[Array, Array] | None]]:
        """Runs what must not matter; returns what was varied -> a pair of what should be alike for each output, None for no pair.

        The same sample twice, alone and inside a batch of two, after a batch of another size, and on a cloned predictor.
        before: what this engine answered to the first sample alone, if it did. everything: else it is only asked twice.
        """
        engine = self.engine
        assert isinstance(engine, InferenceEngine)
        one, two = self.first_two()
        alone = self._run(one)
        found: dict[str, list[tuple[Array, Array] | None]] = {"asked twice": list(zip(before or self._run(one), alone))}
        if not everything:
            return found
        if all(spec.shape and spec.shape[0] is None for spec in engine.inputs) and [a.shape for a in one] == [a.shape for a in two]:
            together = self.together(one, two)
            inside: list[tuple[Array, Array] | None] = [
                (single, double[: len(single)]) if single.ndim and len(double) == 2 * len(single) else None  # no batch axis
                for single, double in zip(alone, together)
            ]
            found[INSIDE_A_BATCH] = inside
            found["after another batch size"] = list(zip(alone, self._run(one)))
        with engine.cloned():
            found["on a cloned predictor"] = list(zip(alone, self._run(one)))
        return found

    def describe(self) -> LoadFacts:
        """Names of inputs and outputs, and the configuration as read back."""
        engine = self.engine
        assert isinstance(engine, InferenceEngine)
        return LoadFacts(tuple(engine.input_names), tuple(engine.output_names), engine.effective)


def make_training_engine(model: LoadedModel, threads: int) -> TrainingEngine:
    """The training engine of a loaded model."""
    preprocess = preprocess_of(model.spec, training=True)
    return TrainingEngine(model.layer, model.inputs, preprocess, model.spec.postprocess, threads)


def make_inference_engine(exported: ExportedModel, model: LoadedModel, variant: str, threads: int) -> InferenceEngine:
    """The inference engine of an export."""
    preprocess = preprocess_of(model.spec)
    files: tuple[Any | Any, Any] = exported.model_file, exported.params_file
    return InferenceEngine(*files, model.inputs, preprocess, model.spec.postprocess, variant, threads)


def forget(layer: Any) -> None:
    """Frees the parameters of a layer; only for a process that will not use it again."""
    for _, tensor in named_tensors(layer):
        tensor._clear_data()


def versions() -> dict[str, str]:
    """What the Env and Paddle sections of the benchmark log say of this build."""
    paddle = load_paddle()
    cuda, cudnn = paddle.version.cuda(), paddle.version.cudnn()
    return {
        "paddle_version": paddle.__version__,
        "paddle_commit": str(paddle.version.commit),
        "cuda": str(cuda) if cuda and str(cuda) != "False" else "None",
        "cudnn": str(cudnn) if cudnn and str(cudnn) != "False" else "None",
    }
