"""TensorRT: which shapes it may see, how both Paddles are told to use it, and whether it took any part of the graph.

The rule of the documents (TIPC, FAQ 3.3) is that the shapes of the export and those of the inference must agree. `check_shapes` says where
they do not, before minutes are spent on an engine. How to go on from there:

- A `.pdmodel` (2.6, and 3.x, which still reads it). Static, where every dimension but the batch is fixed: `configure_paddle2` is all.
  Dynamic: `collect_shapes` runs a predictor without TensorRT over `warmup_feeds` and leaves the ranges of every tensor in a file, which
  `configure_paddle2` names to TensorRT.
- A `.json` (PIR, 3.x). `Config.enable_tensorrt_engine` is stored and never read for it; `convert_paddle3` writes another graph, with the
  engines in files beside it, that a predictor on the GPU runs like any model. It knows ranges only: what is static has min = opt = max.

Like the rest of this room it may run under an interpreter in which the plugin is not installed; it needs Python 3.9.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .tensorrt_shapes import is_static, shape_ranges, warmup_feeds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .tensorrt_shapes import Fed, Feed, GraphInput, Range

PRECISIONS = {"fp32": "Float32", "fp16": "Half", "int8": "Int8"}
"""Our names, and those of `paddle.inference.PrecisionType`."""

PIR_PRECISIONS = {"fp32": "FP32", "fp16": "FP16", "int8": "INT8"}
"""Our names, and those of `paddle.tensorrt.export.PrecisionMode`."""

SHAPES = ("auto", "static", "dynamic")
ENGINE = "tensorrt_engine"
"""What the operator that runs an engine is called: `tensorrt_engine` (2.x), `pd_op.tensorrt_engine` (PIR)."""

NO_CUDA = "this Paddle was built without CUDA; install paddlepaddle-gpu"
DONE = "converted.json"


class TensorRTError(RuntimeError):
    """TensorRT cannot do what is asked for, for a reason outside this module. The text is one sentence."""


@dataclass(frozen=True)
class TensorRT:
    """What is asked of TensorRT.

    precision: "fp32", "fp16" or "int8"; int8 is for models that were quantised before (PaddleSlim), because no calibration is run.
    workspace: bytes that TensorRT may use while it builds an engine. min_subgraph: operators that a part of the graph must have to be
    given to TensorRT. max_batch: the largest batch of a static engine; None: the largest that is fed. shapes: "static", "dynamic", or
    "auto", which is static where nothing but the batch is open. ranges: input name -> (min, opt, max) shapes; None: what is fed.
    cache_dir: where engines are kept between processes; None: nowhere. device: the GPU's number. gpu_memory_mb: initial size of Paddle's
    memory pool in MB.

    Raises `ValueError` for a value that cannot be meant. On GPUs with TF32 units, TensorRT uses them for fp32 too unless the environment
    says `NVIDIA_TF32_OVERRIDE=0` (the default of its builder, according to NVIDIA's documentation).
    """

    precision: str = "fp32"
    workspace: int = 1 << 30
    min_subgraph: int = 3
    max_batch: int | None = None
    shapes: str = "auto"
    ranges: Mapping[str, Range] | None = None
    cache_dir: str | None = None
    device: int = 0
    gpu_memory_mb: int = 500

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision={self.precision!r} is not one of {', '.join(PRECISIONS)}")
        if self.shapes not in SHAPES:
            raise ValueError(f"shapes={self.shapes!r} is not one of {', '.join(SHAPES)}")
        least = {"workspace": 1, "min_subgraph": 1, "device": 0, "gpu_memory_mb": 1}
        if self.max_batch is not None:
            least["max_batch"] = 1
        for name, limit in least.items():
            if getattr(self, name) < limit:
                raise ValueError(f"{name}={getattr(self, name)} is less than {limit}")
        if self.ranges is not None:
            if any(len(shapes) != 3 for shapes in self.ranges.values()):
                raise ValueError("ranges: each input needs three shapes: min, opt, max")
            if self.shapes == "static" and any(len({tuple(shape[1:]) for shape in three}) > 1 for three in self.ranges.values()):
                raise ValueError("shapes='static' and ranges of more than the batch contradict each other; leave one of them out")
            # They come as lists out of JSON.
            ranges = {name: (tuple(low), tuple(opt), tuple(high)) for name, (low, opt, high) in self.ranges.items()}
            object.__setattr__(self, "ranges", ranges)


def settle(options: TensorRT, graph_inputs: Sequence[GraphInput], fed: Fed) -> TensorRT:
    """Returns the options with everything decided that was left open: static or dynamic, the ranges, the largest batch.

    Ask `check_shapes` first. Raises `ValueError` when nothing is fed, or when one input is fed with different numbers of dimensions.
    """
    largest = max((shape[0] for feed in fed for shape in feed.values() if shape), default=1)
    static = is_static(graph_inputs, options.shapes, options.ranges)
    return replace(
        options,
        shapes="static" if static else "dynamic",
        max_batch=options.max_batch or largest,
        ranges=options.ranges or shape_ranges(fed),
    )


# -- Paddle 2's graphs (.pdmodel), under 2.6 and 3.x -------------------------------------------------------------------


def collect_shapes(config: Any, feeds: Sequence[Feed], shape_file: str) -> None:
    """Runs a predictor without TensorRT over the feeds, and leaves the ranges of every tensor of the graph in `shape_file`.

    config: a fresh `paddle.inference.Config`, on the GPU where there is one, with no other use: a `Config` makes one predictor. feeds:
    `warmup_feeds`. Paddle optimises nothing here. It writes when the predictor is destroyed and not before (2.6.2, 3.3.1).
    Raises what Paddle raises, and `TensorRTError` when there is no file afterwards.
    """
    import paddle.inference

    with suppress(FileNotFoundError):
        Path(shape_file).unlink()  # else an old one would pass for the new one
    config.collect_shape_range_info(shape_file)
    _run_all(paddle.inference.create_predictor(config), feeds)  # destroyed on return: nothing here keeps it
    if not Path(shape_file).is_file():
        raise TensorRTError(f"Paddle ran the samples and wrote no ranges of shapes into {shape_file}")


def _run_all(predictor: Any, feeds: Sequence[Feed]) -> None:
    for feed in feeds:
        for name in predictor.get_input_names():
            predictor.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(feed[name]))
        predictor.run()


def configure_paddle2(config: Any, options: TensorRT, shape_file: str | None = None) -> None:
    """Puts GPU and TensorRT into the `Config` of a `.pdmodel`. options: of `settle`. shape_file: of `collect_shapes`, for dynamic shapes.

    Shapes outside the file's ranges are an error at run time; Paddle's default, allow_build_at_runtime, builds another engine for them.
    Raises `ValueError` for options that are not settled, and `TensorRTError` where Paddle drops the request, as it does on a wheel without
    CUDA and for another order of these calls.
    """
    from paddle.inference import PrecisionType

    if options.shapes == "auto" or (options.shapes == "dynamic") != (shape_file is not None):
        raise ValueError(
            f"shapes={options.shapes!r} with shape_file={shape_file!r}: settle() first; dynamic shapes, and only they, need a file"
        )
    config.enable_use_gpu(options.gpu_memory_mb, options.device)
    if not config.use_gpu():
        raise TensorRTError(NO_CUDA)
    config.enable_tensorrt_engine(
        workspace_size=options.workspace,
        max_batch_size=options.max_batch or 1,
        min_subgraph_size=options.min_subgraph,
        precision_mode=getattr(PrecisionType, PRECISIONS[options.precision]),
        use_static=options.cache_dir is not None,
        use_calib_mode=False,
    )
    if not config.tensorrt_engine_enabled():
        raise TensorRTError("Paddle dropped the request for TensorRT: Config.tensorrt_engine_enabled() is False after it")
    if options.cache_dir is not None:
        # A directory for these weights, shapes and versions: the name of Paddle's engine file is made of tensor names, batch and precision
        # only (GenerateEngineKey in tensorrt_subgraph_pass.cc), so another training of the same net would run with the old weights.
        directory = Path(options.cache_dir, _key([config.prog_file(), config.params_file(), shape_file], options))
        directory.mkdir(parents=True, exist_ok=True)
        config.set_optim_cache_dir(str(directory))
    if shape_file is not None:
        config.enable_tuned_tensorrt_dynamic_shape(shape_file, False)


# -- Paddle 3's graphs (.json) -----------------------------------------------------------------------------------------


def convert_paddle3(
    model_file: str, params_file: str, options: TensorRT, ranges: Mapping[str, Range], sample: Feed, out_dir: str
) -> tuple[str, str]:
    """Returns (model file, parameters file) of a copy of the graph with TensorRT's engines in it, to be run on the same kind of GPU.

    ranges: of every input (`settle(...).ranges`, or `shape_ranges`). sample: one array for each, whose dtype and values the warm-up takes.
    The copy goes below `options.cache_dir`, where a later call with equal files, options and versions finds it, else below `out_dir`. It
    must stay there: the graph holds the paths of the engine files. Building takes seconds to minutes and GPU memory, and leaves the
    weights in `paddle.static.global_scope()`, so a process of its own is the place for it.

    Raises `TensorRTError` when TensorRT took nothing of the graph, and for a device other than 0, and `ValueError` for a range without a
    sample; what Paddle and TensorRT raise passes.
    Source: python/paddle/tensorrt/export.py and converter.py of Paddle 3.
    """
    if options.device:
        raise TensorRTError(
            f"paddle.tensorrt.convert builds its engines on GPU 0 whatever is asked for; start with CUDA_VISIBLE_DEVICES={options.device} "
            "and device 0"
        )
    feeds = warmup_feeds(sample, ranges)
    directory = Path(options.cache_dir or out_dir).absolute() / _key(
        [model_file, params_file], replace(options, ranges=ranges), sample
    )
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _locked(directory.with_suffix(".lock")):
        if not _is_whole(directory):
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
            _convert(Path(model_file), Path(params_file), options, feeds, directory)
    return str(directory / "model.json"), str(directory / "model.pdiparams")


def _convert(model_file: Path, params_file: Path, options: TensorRT, feeds: Sequence[Feed], directory: Path) -> None:
    from paddle.tensorrt.export import Input, PrecisionMode, TensorRTConfig, convert

    # convert() takes one path and makes the parameters' name of it, so both get names that fit.
    graph, weights = directory / "source.json", directory / "source.pdiparams"
    graph.symlink_to(model_file.absolute())
    weights.symlink_to(params_file.absolute())
    config = TensorRTConfig(
        # With warm-up arrays a dtype is ignored, with a warning unless it is None.
        inputs=[Input(warmup_data=tuple(feed[name] for feed in feeds), input_data_type=None, name=name) for name in feeds[0]],
        min_subgraph_size=options.min_subgraph,  # here and not later: the constructor puts it into a flag of Paddle
        save_model_dir=str(directory / "model"),  # the graph's prefix, and a directory of engines: in its final place
        precision_mode=PrecisionMode[PIR_PRECISIONS[options.precision]],
        workspace_size=options.workspace,
    )
    program = convert(str(graph), config)
    refused = fell_back([operator.name() for operator in program.global_block().ops], options.min_subgraph)
    if refused:
        raise TensorRTError(refused)
    graph.unlink()
    weights.unlink()
    written = {str(path.relative_to(directory)): path.stat().st_size for path in directory.rglob("*") if path.is_file()}
    if not written.keys() >= {"model.json", "model.pdiparams"}:
        raise TensorRTError(f"paddle.tensorrt.convert left no model.json and model.pdiparams in {directory}")
    part = directory / f"{DONE}.part"
    part.write_text(json.dumps(written), encoding="utf-8")
    part.replace(directory / DONE)


def _is_whole(directory: Path) -> bool:
    """True for a conversion that came to its end, with every file as long as it was then."""
    try:
        written = json.loads((directory / DONE).read_text(encoding="utf-8"))
        return all((directory / name).stat().st_size == size for name, size in written.items())
    except (OSError, ValueError):
        return False


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process builds, the others wait and find its work."""
    import fcntl  # Linux: PIR's TensorRT does not exist on Windows

    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


# -- what is here, and what ran ----------------------------------------------------------------------------------------


def availability(model_file: str = "", device: int = 0) -> str:
    """Returns "" or why TensorRT cannot run here, as part of a sentence. model_file: the graph; "" takes the kind that this Paddle exports.

    Every question is one that is known to answer without a GPU and without TensorRT (PaddlePaddle 2.6.2 of both kinds, 3.3.1 for CPU).
    """
    import paddle
    import paddle.inference

    if not paddle.is_compiled_with_cuda():
        return NO_CUDA
    count = int(paddle.device.cuda.device_count())
    if device >= count:
        return "Paddle sees no CUDA device" if not count else f"there is no CUDA device {device}; Paddle sees {count}, from 0"
    built = _version(paddle.inference.get_trt_compile_version)
    if not any(built):
        return "this GPU build of Paddle was built without TensorRT"
    wanted = ".".join(map(str, built))
    found = _version(paddle.inference.get_trt_runtime_version)
    if not any(found):
        return (
            f"TensorRT's library libnvinfer.so cannot be loaded; install TensorRT {wanted}, for which this Paddle was built, and put its "
            "directory into LD_LIBRARY_PATH"
        )
    if found[0] != built[0]:
        return f"TensorRT {'.'.join(map(str, found))} is installed, and this Paddle was built for {wanted}"
    if model_file.endswith(".json") if model_file else int(paddle.__version__.partition(".")[0]) >= 3:
        if importlib.util.find_spec("paddle.tensorrt") is None:
            return "this Paddle has no paddle.tensorrt, which a .json model needs"
        if importlib.util.find_spec("tensorrt") is None:
            return (
                f"the Python package tensorrt is missing, which paddle.tensorrt needs for a .json model; install version {wanted}"
            )
    return ""


def _version(ask: Any) -> tuple[int, ...]:
    """A version; (0, 0, 0) where Paddle has none, or raises RuntimeError because the library cannot be loaded (2.6.2 for GPU)."""
    try:
        return tuple(int(part) for part in ask())
    except RuntimeError:
        return (0, 0, 0)


def fell_back(op_kinds: Sequence[str], min_subgraph: int = 3) -> str:
    """Returns "" when an engine of TensorRT is among the kinds of operators that ran, else a sentence that says none is."""
    kinds = sorted({kind.rpartition(".")[2] for kind in op_kinds})
    if any(ENGINE in kind for kind in kinds):
        return ""
    shown = ", ".join(kinds[:8]) + (f" and {len(kinds) - 8} more" if len(kinds) > 8 else "")
    return (
        f"no part of the graph was given to TensorRT: Paddle ran {shown or 'no operator'} itself. A part needs min_subgraph={min_subgraph} "
        "connected operators that TensorRT has."
    )


def _key(files: Sequence[str | None], options: TensorRT, sample: Feed | None = None) -> str:
    """24 hexadecimal digits of everything that decides an engine. Integers of the sample may become shapes, other values do not count."""
    import paddle
    import paddle.inference

    digest = hashlib.sha256()
    for name in files:
        if name is not None:
            with Path(name).open("rb") as stream:
                while True:
                    chunk = stream.read(1 << 20)
                    if not chunk:
                        break
                    digest.update(chunk)
        digest.update(b"\0file\0")
    told: list[Any] = [options.precision, options.workspace, options.min_subgraph, options.max_batch, options.shapes]
    told.append(sorted((options.ranges or {}).items()))
    told += [paddle.__version__, _version(paddle.inference.get_trt_runtime_version), _gpu(options.device)]
    for name, array in sorted((sample or {}).items()):
        told.append([name, str(array.dtype), hashlib.sha256(array.tobytes()).hexdigest() if array.dtype.kind in "iub" else ""])
    digest.update(json.dumps(told).encode())
    return digest.hexdigest()[:24]


def _gpu(device: int) -> str:
    """The GPU's name, for engines run on the model that they were built on."""
    import paddle

    try:
        return str(paddle.device.cuda.get_device_properties(device))
    except (ValueError, RuntimeError, IndexError):  # no such device: a configuration can be made without one
        return ""
