"""One loaded model: the predictor, its clones for other threads, and the evidence of what it executed."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

import numpy as np

from .config import Effective, Request, load_paddle, make_config, read_back, reads_pir
from .proof import Evidence, Operators, Printed, gather, listening

Arrays = list[Any]
"""Numpy arrays in the order of the predictor's inputs or outputs."""


class Predictor:
    """A `paddle.inference` predictor. Threads other than the one that made it run on clones: Paddle mixes up the results of one."""

    def __init__(
        self,
        model_file: str,
        params_file: str,
        request: Request,
        glog: bool = False,
        graph_inputs: Sequence[tuple[str, Sequence[int | None]]] = (),
        feeds: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Loads. glog: listen to Paddle's log for the passes that run, where this process prints into a file.

        For TensorRT, which must know the shapes before it builds. graph_inputs: name and shape of each input of the export. feeds: name ->
        array of every shape that will be run.
        """
        self.request = request
        self.device = request.device if request.on_gpu else 0
        self.first_seconds: float | None = None
        """What the first run took, with everything that Paddle prepares in it."""
        self.first_private_mb = 0.0
        """Memory of this process alone after it, in MB of 2**20 bytes: later runs in other batches and on clones hold more."""
        self._owner = threading.get_ident()
        self._lock = threading.Lock()
        self._clones: dict[int, Any] = {}
        self._kept: list[Any] = []
        printed = Printed()
        with printed:
            began = time.perf_counter()
            files, also, aside = _for_tensorrt(model_file, params_file, request, graph_inputs, feeds)
            self.config = make_config(*files, request, glog and printed.heard, also)
            self.effective: Effective = read_back(self.config)
            if request.on_tensorrt:  # a converted `.json` holds the engines; its configuration does not mention them
                self.effective = replace(self.effective, tensorrt=True)
            try:
                self.predictor = load_paddle().inference.create_predictor(self.config)
            finally:
                if aside is not None:  # of no use once it was read
                    Path(aside).unlink(missing_ok=True)
            self.load_seconds = time.perf_counter() - began
        self.evidence: Evidence = gather(self.config, reads_pir(model_file), printed.text)

    # -- running -------------------------------------------------------------------------------------------------------

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names in the predictor's order."""
        return tuple(self.predictor.get_input_names())

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names in the predictor's order."""
        return tuple(self.predictor.get_output_names())

    def run(self, arrays: Sequence[Any]) -> Arrays:
        """Copies arrays in, in the order of `input_names`, runs, and copies the outputs out."""
        began = time.perf_counter()
        outputs = _run(self._own(), arrays)
        if self.first_seconds is None:
            self.first_seconds = time.perf_counter() - began
            self.first_private_mb = _private_mb()
        return outputs

    def run_heard(self, arrays: Sequence[Any]) -> Arrays:
        """As `run`, and notes which oneDNN primitives were executed."""
        with listening() as heard:
            outputs = self.run(arrays)
        self.evidence = replace(self.evidence, primitives=heard())
        return outputs

    def run_on_clone(self, arrays: Sequence[Any]) -> Arrays:
        """Runs on a clone of the predictor, as a service with one predictor a thread does, and notes which operators were executed.

        The clone lives as long as this object: 3.3.1 frees the weights of a `.pdmodel` for both with the first of them.
        """
        clone = self.predictor.clone()
        self._kept.append(clone)
        operators = Operators()
        clone.register_output_hook(operators.hook)
        outputs = _run(clone, arrays)
        self.evidence = replace(
            self.evidence,
            operators=dict(operators.kinds),
            dtypes=tuple(sorted(operators.dtypes)),
            places=tuple(sorted(operators.places)),
        )
        return outputs

    def _own(self) -> Any:
        """The predictor of this thread."""
        thread = threading.get_ident()
        if thread == self._owner:
            return self.predictor
        with self._lock:
            if thread not in self._clones:
                self._clones[thread] = self.predictor.clone()
            return self._clones[thread]


def _for_tensorrt(
    model_file: str,
    params_file: str,
    request: Request,
    graph_inputs: Sequence[tuple[str, Sequence[int | None]]],
    feeds: Sequence[Mapping[str, Any]],
) -> tuple[tuple[str, str], Callable[[Any], None] | None, str | None]:
    """Returns the files to load, what to set beside the GPU, and a file that may go once the predictor is there.

    Converted files for a `.json`, TensorRT's own settings for a `.pdmodel`.
    """
    if not request.on_tensorrt:
        return (model_file, params_file), None, None
    from .tensorrt import TensorRT, collect_shapes, configure_paddle2, convert_paddle3, settle
    from .tensorrt_shapes import warmup_feeds

    given = request.parameters
    options = settle(
        TensorRT(
            precision=request.precision if request.precision in ("fp16", "int8") else "fp32",
            workspace=int(given.get("workspace", str(1 << 30))),
            min_subgraph=int(given.get("min_subgraph", "3")),
            shapes=given.get("shapes", "auto"),
            cache_dir=request.engine_cache,
            device=request.device,
            gpu_memory_mb=request.gpu_memory_mb,
        ),
        graph_inputs,
        [{name: array.shape for name, array in feed.items()} for feed in feeds],
    )
    assert options.ranges is not None
    place = request.engine_cache or tempfile.mkdtemp(prefix="paddle-infer-tensorrt-")
    Path(place).mkdir(parents=True, exist_ok=True)
    if reads_pir(model_file):
        return convert_paddle3(model_file, params_file, options, options.ranges, feeds[0], place), None, None
    if options.shapes != "dynamic":
        return (model_file, params_file), lambda config: configure_paddle2(config, options), None
    shape_file = str(Path(place) / f"shapes-{os.getpid()}.pbtxt")
    collecting = load_paddle().inference.Config(model_file, params_file)
    collecting.enable_use_gpu(options.gpu_memory_mb, options.device)
    collect_shapes(collecting, warmup_feeds(feeds[0], options.ranges), shape_file)
    return (model_file, params_file), lambda config: configure_paddle2(config, options, shape_file), shape_file


def _run(predictor: Any, arrays: Sequence[Any]) -> Arrays:
    for name, array in zip(predictor.get_input_names(), arrays):
        predictor.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(array))
    predictor.run()
    return [predictor.get_output_handle(name).copy_to_cpu() for name in predictor.get_output_names()]


def _private_mb() -> float:
    """Memory that this process shares with no other: a forked worker also shows its parent's pages as resident. 0 where unknown."""
    with contextlib.suppress(OSError):
        told = re.findall(r"^Private_\w+:\s+(\d+) kB", Path("/proc/self/smaps_rollup").read_text(), re.MULTILINE)
        return sum(map(int, told)) / 1024
    return 0.0


def versions() -> dict[str, str]:
    """What reports say of this build: Paddle's version and commit, CUDA, cuDNN."""
    paddle = load_paddle()
    cuda, cudnn = paddle.version.cuda(), paddle.version.cudnn()
    return {
        "paddle_version": paddle.__version__,
        "paddle_commit": str(paddle.version.commit),
        "cuda": str(cuda) if cuda and str(cuda) != "False" else "None",
        "cudnn": str(cudnn) if cudnn and str(cudnn) != "False" else "None",
    }
