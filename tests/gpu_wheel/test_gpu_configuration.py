"""What the GPU wheel of Paddle 2.6.2 says to the configurations of the GPU and of TensorRT, read back, with and without a GPU."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NO_DEVICE = "ValueError: (InvalidArgument) Device id must be less than GPU count, but received id is: 0. GPU count is: 0."


@pytest.fixture
def without_device(device_count: int) -> None:
    if device_count:
        pytest.skip("says what happens without a CUDA device, and there is one")


@pytest.fixture(scope="session")
def played_library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A directory with a libnvinfer.so that knows its version and nothing else: Config.summary() asks for no more."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    place = tmp_path_factory.mktemp("played-tensorrt")
    (place / "version.c").write_text("int getInferLibVersion(void) { return 8503; }\n")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", "libnvinfer.so", "version.c"], cwd=place, check=True)
    return str(place)


def rows(summary: str) -> dict[str, str]:
    """The rows of `Config.summary()`, as `variants.read_back` finds them."""
    return dict(re.findall(r"^\|\s*(\w+)\s*\|\s*(.*?)\s*\|$", summary, re.MULTILINE))


# -- the GPU -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("precision", "mixed", "mode"), [("Float32", "0", "fp32"), ("Half", "1", "fp16"), ("Bfloat16", "1", "bf16")]
)
def test_the_gpu_and_its_precision_can_be_read_back(ask: Any, precision: str, mixed: str, mode: str) -> None:
    on, device, pool, summary = ask(
        f"""
        c = config()
        c.enable_use_gpu(123, 1, PrecisionType.{precision})
        tell(c.use_gpu(), c.gpu_device_id(), c.memory_pool_init_size_mb(), c.summary())
        """
    )
    assert (on, device, pool) == (True, 1, 123)
    found = rows(summary)
    assert (found["enable_gpu_mixed"], found["mixed_precision_mode"], found["use_tensorrt"]) == (mixed, mode, "false")


def test_int8_without_tensorrt_is_refused(ask: Any) -> None:
    assert "only supports float32/float16/bfloat16 precision" in ask(
        "tell(error(config().enable_use_gpu, 100, 0, PrecisionType.Int8))"
    )


def test_low_precision_inputs_need_a_low_precision_first(ask: Any) -> None:
    first, then = ask(
        """
        c = config()
        first = error(c.enable_low_precision_io, True)
        c.enable_use_gpu(100, 0, PrecisionType.Half)
        tell(first, error(c.enable_low_precision_io, True))
        """
    )
    assert first.startswith("ValueError: (InvalidArgument) To enable low precision io, please call EnableUseGPU()")
    assert then == ""


@pytest.mark.usefixtures("without_device")
def test_without_a_device_loading_is_an_error_and_no_abort(ask: Any) -> None:
    created, fraction, cpu = ask(
        """
        c = config()
        c.enable_use_gpu(100, 0)
        fraction = error(c.fraction_of_gpu_memory_for_pool)
        tell(error(create_predictor, c), fraction, error(create_predictor, config()))
        """
    )
    assert created.startswith(NO_DEVICE)
    assert fraction.startswith(NO_DEVICE), "this one call of a Config needs the device before it is loaded"
    assert cpu == ""


# -- TensorRT ----------------------------------------------------------------------------------------------------------


def test_paddle_knows_its_tensorrt_without_the_library(ask: Any) -> None:
    built, told = ask("tell(paddle.inference.get_trt_compile_version(), error(paddle.inference.get_trt_runtime_version))")
    assert built == [8, 5, 3]
    assert told == "" or told.startswith("RuntimeError: (NotFound) TensorRT is needed, but TensorRT dynamic library is not found.")


@pytest.mark.usefixtures("without_device")
def test_availability_says_that_there_is_no_device(ask: Any) -> None:
    assert ask("tell(availability())") == "Paddle sees no CUDA device"


def test_availability_names_the_library_that_is_missing_on_a_machine_with_a_device(ask: Any, played_library: str) -> None:
    code = "paddle.device.cuda.device_count = lambda: 1\ntell(error(paddle.inference.get_trt_runtime_version), availability())"
    failed, told = ask(code)
    if failed:
        assert told.startswith("TensorRT's library libnvinfer.so cannot be loaded; install TensorRT 8.5.3,")
    assert ask(code, LD_LIBRARY_PATH=played_library) == ["", ""]


def test_tensorrt_asked_for_before_the_gpu_is_dropped(ask: Any) -> None:
    """Why configure_paddle2 sets the GPU first and reads back. When this fails, the order no longer matters."""
    assert ask("c = config(); c.enable_tensorrt_engine(); c.enable_use_gpu(100, 0); tell(c.tensorrt_engine_enabled())") is False


@pytest.mark.parametrize(("precision", "mode"), [("fp32", "fp32"), ("fp16", "fp16"), ("int8", "int8")])
def test_a_static_engine_can_be_read_back(ask: Any, played_library: str, precision: str, mode: str) -> None:
    enabled, dynamic, summary = ask(
        f"""
        c = config()
        configure_paddle2(c, TensorRT(precision="{precision}", workspace=1 << 33, min_subgraph=5, max_batch=6, shapes="static", device=1))
        tell(c.tensorrt_engine_enabled(), c.tensorrt_dynamic_shape_enabled(), c.summary())
        """,
        LD_LIBRARY_PATH=played_library,
    )
    assert (enabled, dynamic) == (True, False)
    found = rows(summary)
    assert {name: found[name] for name in found if name.startswith(("tensorrt_p", "tensorrt_w", "tensorrt_m"))} == {
        "tensorrt_precision_mode": mode, "tensorrt_workspace_size": str(1 << 33), "tensorrt_max_batch_size": "6",
        "tensorrt_min_subgraph_size": "5", "tensorrt_with_interleaved": "false",
    }  # fmt: skip
    assert (found["tensorrt_use_static_engine"], found["tensorrt_use_calib_mode"]) == ("false", "false")
    assert (found["gpu_device_id"], found["trt_compile_version"]) == ("1", "8.5.3")


def test_the_summary_of_a_config_with_tensorrt_needs_its_library(ask: Any) -> None:
    """Why a reader of the summary must expect RuntimeError. When this fails, that can go."""
    failed, told = ask(
        """
        c = config()
        configure_paddle2(c, TensorRT(shapes="static"))
        tell(error(paddle.inference.get_trt_runtime_version), error(c.summary))
        """
    )
    assert bool(failed) == bool(told)
    assert told == "" or told.startswith("RuntimeError: (NotFound) TensorRT is needed")


def test_dynamic_shapes_can_be_read_back(ask: Any) -> None:
    assert ask(
        """
        c = config()
        configure_paddle2(c, TensorRT(shapes="dynamic"), "/the/file")
        tell(c.tuned_tensorrt_dynamic_shape(), c.shape_range_info_path(), c.trt_allow_build_at_runtime(), c.shape_range_info_collected())
        """
    ) == [True, "/the/file", False, False]


def test_kept_engines_go_into_a_directory_of_their_own(ask: Any, tmp_path: Path, played_library: str) -> None:
    summary = ask(
        f"""
        c = config()
        configure_paddle2(c, TensorRT(shapes="static", cache_dir={str(tmp_path)!r}))
        tell(c.summary())
        """,
        LD_LIBRARY_PATH=played_library,
    )
    assert rows(summary)["tensorrt_use_static_engine"] == "true"
    (directory,) = tmp_path.iterdir()
    assert re.fullmatch("[0-9a-f]{24}", directory.name)


@pytest.mark.usefixtures("without_device")
def test_tensorrt_without_a_device_is_an_error_and_no_abort(ask: Any) -> None:
    assert ask(
        """
        c = config()
        configure_paddle2(c, TensorRT(shapes="static"))
        tell(error(create_predictor, c))
        """
    ).startswith(NO_DEVICE)


# -- ranges of shapes --------------------------------------------------------------------------------------------------

COLLECT = """
    c = config()
    {}
    ranges = {{"image": ((1, 3, 32, 32), (2, 3, 32, 40), (4, 3, 48, 64))}}
    feeds = warmup_feeds({{"image": np.zeros((1, 3, 32, 32), np.float32)}}, ranges)
    collect_shapes(c, feeds, "shapes.txt")
    tell(open("shapes.txt").read())
"""


def tensor(text: str, name: str) -> dict[str, list[int]]:
    """min, max and opt of one tensor of a file of ranges."""
    (block,) = (part for part in text.split("shape_range_info") if f'name: "{name}"' in part)
    return {which: [int(size) for size in re.findall(rf"{which}_shape: (\d+)", block)] for which in ("min", "opt", "max")}


def is_the_warm_up(text: str) -> bool:
    return tensor(text, "image") == {"min": [1, 3, 32, 32], "opt": [2, 3, 32, 40], "max": [4, 3, 48, 64]}


def test_collecting_on_the_cpu_leaves_the_ranges_of_every_tensor(ask: Any) -> None:
    text = ask(COLLECT.format("c.disable_gpu()"))
    assert is_the_warm_up(text)
    assert tensor(text, "conv2d_0.tmp_0")["max"] == [4, 8, 48, 64]


@pytest.mark.needs_gpu
def test_collecting_on_the_gpu_leaves_the_same_ranges(ask: Any) -> None:
    assert is_the_warm_up(ask(COLLECT.format("c.enable_use_gpu(100, 0)")))


# -- on a device -------------------------------------------------------------------------------------------------------

RUN = """
    reason = availability()
    if reason:
        tell({{"reason": reason}}); sys.exit()
    kinds, feeds = [], [{{"image": np.random.default_rng(n).random((n, 3, 32, 32), np.float32)}} for n in (1, 4)]
    model = "exports/{export}/inference."
    graph = [("image", (None, 3, 32, 32) if "{export}" == "fixed" else (None, 3, None, None))]
    options = settle(TensorRT(precision="{precision}", min_subgraph={min_subgraph}), graph, [{{"image": f["image"].shape}} for f in feeds])
    shape_file = None
    if options.shapes == "dynamic":
        c = Config(model + "pdmodel", model + "pdiparams"); c.disable_glog_info(); c.enable_use_gpu(100, 0)
        collect_shapes(c, warmup_feeds(feeds[0], options.ranges), shape_file := "gpu-shapes.txt")
    outputs = []
    for tensorrt_on in (False, True):
        c = Config(model + "pdmodel", model + "pdiparams"); c.disable_glog_info()
        if tensorrt_on:
            configure_paddle2(c, options, shape_file)
        else:
            c.disable_gpu()
        p = create_predictor(c)
        if tensorrt_on:
            p.register_output_hook(lambda kind, name, value: kinds.append(kind))
        for feed in feeds:
            p.get_input_handle("image").copy_from_cpu(feed["image"])
            p.run()
            outputs.append(p.get_output_handle(p.get_output_names()[0]).copy_to_cpu())
    half = len(outputs) // 2
    tell({{"told": fell_back(kinds, {min_subgraph}), "off": max(float(abs(a - b).max()) for a, b in zip(outputs[:half], outputs[half:]))}})
"""


@pytest.mark.needs_gpu
@pytest.mark.parametrize("export", ["fixed", "open"])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-3), ("fp16", 1e-2)])
def test_tensorrt_runs_a_part_of_the_graph_and_answers_like_the_cpu(
    ask: Any, export: str, precision: str, tolerance: float
) -> None:
    told = ask(RUN.format(export=export, precision=precision, min_subgraph=3))
    if "reason" in told:
        pytest.skip(told["reason"])
    assert told["told"] == ""
    assert told["off"] <= tolerance


@pytest.mark.needs_gpu
def test_a_graph_smaller_than_min_subgraph_falls_back_and_is_told(ask: Any) -> None:
    told = ask(RUN.format(export="fixed", precision="fp32", min_subgraph=100))
    if "reason" in told:
        pytest.skip(told["reason"])
    assert told["told"].startswith("no part of the graph was given to TensorRT")
