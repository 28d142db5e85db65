"""An engine that needs no Paddle: real results, or failures where `STUB_FAIL` asks for them, and a trace of what it was asked.

In this process `install(monkeypatch.setattr)`; in a subprocess and in xdist workers `-p stub_engine`, which needs
this directory on PYTHONPATH.

STUB_FAIL: words `model/checkpoint` or `model/checkpoint/variant`, where checkpoint may also be `export`, or `slow` for a performance
regression; `replay/FOLDER` for a kept folder.
STUB_MISSING: variants, with or without their parameters, that cannot run here; `replay/FOLDER` for a kept folder.
STUB_TRACE: a file that gets a line of JSON for each call.
"""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import numpy as np

from pytest_paddle_infer import conformance, model_names, replaying, sampling, selection
from pytest_paddle_infer.artifacts_check import ArtifactsResult
from pytest_paddle_infer.bench import RunOptions
from pytest_paddle_infer.details.files import write
from pytest_paddle_infer.details.latency import latency_of
from pytest_paddle_infer.details.samples import SampleRecords
from pytest_paddle_infer.engine.observed import Timings
from pytest_paddle_infer.exports import ExportedModel
from pytest_paddle_infer.failures import ConformanceFailure, Failure, UnavailableError
from pytest_paddle_infer.judge.answers import AnswersVerdict
from pytest_paddle_infer.judge.closeness import OutputJudge, OutputVerdict, Tolerance
from pytest_paddle_infer.log_check import LogResult, figures
from pytest_paddle_infer.logs.autolog import AutoLog
from pytest_paddle_infer.parity_check import ParityResult
from pytest_paddle_infer.samples import Sample
from pytest_paddle_infer.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_paddle_infer.models import ModelSpec

ZOO = ("alexnet", "mobilenet_v1", "mobilenet_v2", "resnet18", "resnet50", "vgg16")

WEIGHTS = "random weights, seed 0"

AUTOLOG = AutoLog(
    os_version="Linux", cuda_version=None, cudnn_version=None, driver_version=None, paddle_version="3.3.1", paddle_commit="abc",
    log_api_version="1.0", runtime_device="cpu", ir_optim=True, enable_memory_optim=True, enable_tensorrt=False,
    enable_mkldnn=False, cpu_math_library_num_threads=1, model_name="stub", precision="fp32", batch_size=1,
    input_shape="[1, 3, 224, 224]", data_num=12, cpu_rss_mb=321.5, gpu_rss_mb=None, gpu_util=None, total_time_s=0.5,
    preprocess_time_ms=1.5, inference_time_ms=10.0, postprocess_time_ms=0.25,
)  # fmt: skip

TIMINGS = {
    "cpu": Timing(10.0, 12.5, 0.4, 50, 1, 31.0, 0.25, 512.0, 20.0),
    "onednn": Timing(5.0, 6.25, 0.2, 50, 1, 62.0, 0.5, 640.0, 20.0),
}
"""p50, p99 and spread in ms, batches, their size, first ms, load s, MB, the training engine's p50 in ms."""


class Engine:
    """What the engine fixtures give."""

    def __init__(self, name: str) -> None:
        self.name = name

    def predict(self, image: Any) -> str:
        return f"{self.name} saw {image.name}"


class Conformance:
    """`pytest_paddle_infer.conformance.Conformance` as the fixtures see it."""

    def __init__(self, options: RunOptions, progress: Any = None) -> None:
        self.options = options
        self.progress = progress

    def close(self) -> None:
        _trace(call="close")

    def export(self, spec: ModelSpec, samples: Sequence[Sample]) -> ExportedModel:
        self._begin("export", spec, "", samples, None)
        return ExportedModel(Path("/stub/exports"))

    def training_engine(self, spec: ModelSpec, samples: Sequence[Sample]) -> Engine:
        self._begin("training_engine", spec, "", samples, None)
        return Engine("training")

    def inference_engine(self, spec: ModelSpec, variant: str, exported: Any, samples: Sequence[Sample]) -> Engine:
        self._begin("inference_engine", spec, variant, samples, exported)
        return Engine(f"inference {variant}")

    def settings_kept(self) -> AbstractContextManager[None]:
        return nullcontext()

    def artifacts(self, spec: ModelSpec, samples: Sequence[Sample], exported: Any = None) -> ArtifactsResult:
        self._begin("artifacts", spec, "", samples, exported)
        files = ("inference.json", "inference.pdiparams")
        return ArtifactsResult(Path("/stub/exports"), files, 1_500_000, 16, (), (1, 2, 5), WEIGHTS)

    def parity(self, spec: ModelSpec, variant: str, samples: Sequence[Sample], exported: Any = None) -> ParityResult:
        self._begin("parity", spec, variant, samples, exported)
        verdict = OutputVerdict("output", "", len(samples), 4000, 0, error=2.5e-7, excess=0.025, limit=1e-5)
        answers = AnswersVerdict(len(samples), len(samples))
        details = self._details(spec, variant, parity=_parity_of(samples))
        return ParityResult(
            (), (verdict,), answers, len(samples), self._directory(spec, variant), WEIGHTS, details=details, fed="float32 3x224x224"
        )

    def log(self, spec: ModelSpec, variant: str, samples: Sequence[Sample], exported: Any = None) -> LogResult:
        self._begin("log", spec, variant, samples, exported)
        timing = replace(TIMINGS.get(variant, TIMINGS["cpu"]), batch_size=spec.batch_size or 1)
        seconds = (0.001 * timing.p50_ms,) * timing.batches
        latency = latency_of(Timings(seconds, seconds, seconds, 1, 1.0), Timings((), (0.02,), (), 1, 0.02), timing.batch_size)
        path, details = self._directory(spec, variant) / "inference_benchmark.log", self._details(spec, variant, latency=latency)
        result = LogResult(path, AUTOLOG, 20.0, WEIGHTS, timing, program="0123456789abcdef" * 4, details=details)
        if f"{spec.name}/slow/{variant}" in os.environ.get("STUB_FAIL", "").split():
            title = f"{spec.name}, {variant}: a performance regression: planted."
            raise ConformanceFailure(Failure(title, (("weights", WEIGHTS),), figures=figures(result), details=details))
        return result

    def _details(self, spec: ModelSpec, variant: str, **parts: Any) -> str:
        """What a report is told beyond the figures; one sample has pictures."""
        pictures = {1: (b"training", b"inference" if variant == "onednn" else None)} if "parity" in parts else {}
        return (
            str(write(self.options.workdir / "details", f"{spec.name}-{variant}", parts, pictures)) if self.options.details else ""
        )

    def _directory(self, spec: ModelSpec, variant: str) -> Path:
        """Says where files would be; makes none."""
        return (self.options.output_dir or Path("/stub/output")) / spec.name / variant

    def _begin(self, call: str, spec: ModelSpec, variant: str, samples: Sequence[Sample], exported: Any) -> None:
        if self.progress is not None:
            self.progress.step(spec.name, f"{variant}: {call}")
            self.progress.finish()
        _trace(
            call=call, model=spec.name, variant=variant, samples=[sample.name for sample in samples],
            exported=None if exported is None else os.fspath(exported), batch_size=spec.batch_size, seed=spec.seed,
            softmax=spec.softmax, rtol=spec.rtol, atol=spec.atol, weights=None if spec.weights is None else str(spec.weights),
            size=spec.size, inputs=[item.shape for item in spec.inputs], options=vars(self.options),
        )  # fmt: skip
        missing = os.environ.get("STUB_MISSING", "").split()
        if variant in missing or variant.partition(":")[0] in missing:
            reason = f"this machine has no {variant}"
            remedy = "choose another variant, or skip those that are missing with --paddle-allow-missing."
            title = f"{spec.name}, {variant}: the variant is not available here: {reason}."
            raise UnavailableError(Failure(title, (("weights", WEIGHTS),), remedy), reason)
        words = os.environ.get("STUB_FAIL", "").split()
        if f"{spec.name}/{call}" in words or f"{spec.name}/{call}/{variant}" in words:
            who = f"{spec.name}, {variant}" if variant and call != "artifacts" else spec.name
            facts = (("weights", WEIGHTS), ("output", "3 of 4000 elements differ"))
            parts = {"parity": _parity_of(samples), "layers": [dict(LAYER)]} if call == "parity" else {}
            details = self._details(spec, variant, **parts) if parts else ""
            raise ConformanceFailure(Failure(f"{who}: the {call} is planted to fail.", facts, "plant nothing.", details=details))


def _parity_of(samples: Sequence[Sample]) -> dict[str, Any]:
    """The details of the verdict that `Conformance.parity` gives."""
    records = SampleRecords(len(samples))
    judge = OutputJudge("output", Tolerance(atol=1e-5))
    records.watch([judge], [])
    values = np.tile(np.array([[0.25, 1.0]], np.float32), (len(samples), 1))
    other = values.astype(np.float64)
    other[:, 1] += 2.5e-7
    judge.add(values.astype(np.float64), other, 0, len(samples))
    records.add(0, [values], [other], True, ["agrees"] * len(samples), True)
    return records.parts(samples, [judge.verdict()], {1: None})


LAYER = {"name": "fc", "kind": "Linear", "input_relative": 0.0, "output_relative": 0.5, "state": "differs"}


def replay(directory: Path, options: replaying.ReplayOptions) -> str:
    """`pytest_paddle_infer.replaying.replay` as the items see it."""
    _trace(call="replay", folder=str(directory), timeout=options.timeout, python=options.setup.python)
    word = f"replay/{directory.name}"
    if word in os.environ.get("STUB_MISSING", "").split():
        raise UnavailableError(Failure(f"{directory.name}: the variant is not available here: no GPU."), "no GPU")
    if word in os.environ.get("STUB_FAIL", "").split():
        raise ConformanceFailure(
            Failure(
                f"{directory.name}: the replay is planted to fail.",
                (("Paddle", "3.3.1 then"),),
                "plant nothing.",
                stage="optimise",
                kind="pass",
                name="fc_fuse_pass",
            )
        )
    return f"{directory.name} no longer differs."


def _trace(**entry: Any) -> None:
    if "STUB_TRACE" in os.environ:
        with Path(os.environ["STUB_TRACE"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, default=str) + "\n")


def install(setattribute: Callable[[Any, str, Any], None]) -> None:
    """Puts the stub where the plugin looks for the engine, and makes a Paddle with the names of `ZOO` appear installed."""
    setattribute(conformance, "Conformance", Conformance)
    setattribute(replaying, "replay", replay)
    setattribute(selection, "paddle_installed", lambda: True)
    setattribute(model_names, "vision_factories", lambda: ZOO)
    setattribute(sampling, "drawn_samples", _drawn)
    sampling._drawn.cache_clear()


def _drawn(directory: Path, count: int) -> tuple[Sample, ...]:
    return tuple(Sample(f"drawn-{index}", None, np.zeros((2, 2, 3), dtype=np.uint8)) for index in range(count))


def pytest_configure() -> None:
    install(setattr)
