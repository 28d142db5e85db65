"""deployed/tensorrt.py and tensorrt_shapes.py: what is arithmetic, and what is done with the answers of Paddle, on a Paddle that is played.

The stand-ins answer what the real ones were seen to answer (tests/gpu_wheel) or what the source of paddle.tensorrt says.
"""

from __future__ import annotations

import ast
import enum
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pytest_paddle_infer.deployed import tensorrt
from pytest_paddle_infer.deployed.tensorrt import (
    TensorRT,
    TensorRTError,
    availability,
    collect_shapes,
    configure_paddle2,
    convert_paddle3,
    fell_back,
    settle,
)
from pytest_paddle_infer.deployed.tensorrt_shapes import check_shapes, is_static, shape_ranges, warmup_feeds

OPEN = [("image", (None, 3, -1, -1))]
FIXED = [("image", (-1, 3, 32, 32))]
SMALL, MIDDLE, LARGE = (1, 3, 32, 32), (2, 3, 32, 48), (4, 3, 64, 64)
RANGE = {"image": (SMALL, MIDDLE, LARGE)}


# -- the rule of shapes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", ["auto", "dynamic"])
def test_open_dimensions_take_every_size(wanted: str) -> None:
    assert check_shapes(OPEN, [{"image": SMALL}, {"image": LARGE}], wanted) == ""


@pytest.mark.parametrize("wanted", ["auto", "static", "dynamic"])
def test_fixed_dimensions_take_their_own_sizes_in_any_batch(wanted: str) -> None:
    assert check_shapes(FIXED, [{"image": (1, 3, 32, 32)}, {"image": (8, 3, 32, 32)}], wanted) == ""


@pytest.mark.parametrize("wanted", ["auto", "static", "dynamic"])
def test_another_size_than_the_exported_one_is_named_with_its_axis(wanted: str) -> None:
    told = check_shapes(FIXED, [{"image": (1, 3, 32, 32)}, {"image": (1, 3, 32, 48)}], wanted)
    assert told == (
        "for TensorRT the shapes of the export and of the inference must agree: image was exported as [?, 3, 32, 32] and is fed "
        "[1, 3, 32, 48] (axis 3: 32, fed 48); feed 32, or export that axis open."
    )


def test_another_batch_than_a_fixed_one_is_a_fault_too() -> None:
    assert "(axis 0: 1, fed 2)" in check_shapes([("image", (1, 3, 32, 32))], [{"image": (2, 3, 32, 32)}])


def test_another_number_of_dimensions_is_named() -> None:
    assert "is fed [3, 32, 32], another number of dimensions." in check_shapes(FIXED, [{"image": (3, 32, 32)}])


def test_static_shapes_need_every_dimension_but_the_batch_fixed() -> None:
    told = check_shapes([("image", (None, 3, None, 32))], [{"image": (1, 3, 32, 32)}], "static")
    assert told == (
        "static shapes are asked for and image was exported with open dimensions, [?, 3, ?, 32] (axis 2); "
        "export it with the sizes that are fed, or ask for dynamic shapes."
    )


@pytest.mark.parametrize("wanted", ["auto", "static"])
def test_a_static_engine_takes_batches_up_to_its_largest(wanted: str) -> None:
    fed = [{"image": (4, 3, 32, 32)}]
    assert check_shapes(FIXED, fed, wanted, max_batch=4) == ""
    told = check_shapes(FIXED, fed, wanted, max_batch=3)
    assert told == "image is fed [4, 3, 32, 32], a batch of 4, and the engine is built for at most max_batch=3."


def test_the_largest_batch_does_not_bind_dynamic_shapes() -> None:
    assert check_shapes(OPEN, [{"image": (4, 3, 32, 32)}], max_batch=3) == ""


@pytest.mark.parametrize("shape", [SMALL, MIDDLE, LARGE])
def test_a_range_contains_both_its_ends(shape: tuple[int, ...]) -> None:
    assert check_shapes(OPEN, [{"image": shape}], ranges=RANGE) == ""


@pytest.mark.parametrize(
    ("shape", "part"), [((5, 3, 32, 32), "axis 0: 5, not in 1 to 4"), ((1, 3, 32, 31), "axis 3: 31, not in 32 to 64")]
)
def test_a_shape_outside_its_range_is_named_with_the_range(shape: tuple[int, ...], part: str) -> None:
    told = check_shapes(OPEN, [{"image": shape}], ranges=RANGE)
    assert "outside its range from [1, 3, 32, 32] to [4, 3, 64, 64]" in told
    assert part in told


@pytest.mark.parametrize(
    ("ranges", "part"),
    [
        ({"picture": RANGE["image"]}, "ranges name picture, and the graph has the inputs image."),
        ({"image": (SMALL, LARGE, MIDDLE)}, "max [2, 3, 32, 48], is not in the order min <= opt <= max."),
        ({"image": (LARGE, MIDDLE, SMALL)}, "is not in the order min <= opt <= max."),
        ({"image": (SMALL, SMALL, (4, 3, 64))}, "does not have the 4 dimensions of the export, [?, 3, ?, ?]."),
        (
            {"image": (SMALL, SMALL, (1, 4, 32, 32))},
            "leaves axis 1 at other than the export's 3 ([?, 3, ?, ?]); keep it, or export it open.",
        ),
    ],
)
def test_ranges_that_cannot_be_meant_are_refused(ranges: Any, part: str) -> None:
    assert part in check_shapes(OPEN, [{"image": SMALL}], ranges=ranges)


def test_ranges_must_name_every_input() -> None:
    graph = [*OPEN, ("scale", (-1, 2))]
    told = check_shapes(graph, [{"image": SMALL, "scale": (1, 2)}], ranges=RANGE)
    assert told == "ranges leave out scale; TensorRT needs one for every input."


def test_a_sample_with_other_inputs_than_the_graph_is_named_first() -> None:
    told = check_shapes(OPEN, [{"image": SMALL}, {"picture": SMALL}])
    assert told == "sample 2 feeds picture, and the graph has the inputs image."


@pytest.mark.parametrize(
    ("graph", "wanted", "ranges", "static"),
    [
        (FIXED, "auto", None, True),
        (FIXED, "auto", {"image": ((1, 3, 32, 32),) * 3}, False),
        (FIXED, "dynamic", None, False),
        (OPEN, "auto", None, False),
        (OPEN, "static", None, True),
        ([("count", ())], "auto", None, True),
    ],
)
def test_auto_is_static_where_only_the_batch_is_open_and_no_ranges_are_given(
    graph: Any, wanted: str, ranges: Any, static: bool
) -> None:
    assert is_static(graph, wanted, ranges) is static


# -- ranges ------------------------------------------------------------------------------------------------------------


def test_ranges_span_what_is_fed_axis_by_axis_and_opt_is_the_most_frequent() -> None:
    fed = [{"x": (4, 3, 32)}, {"x": (1, 3, 64)}, {"x": (1, 3, 64)}, {"x": (2, 3, 48)}]
    assert shape_ranges(fed) == {"x": ((1, 3, 32), (1, 3, 64), (4, 3, 64))}


def test_of_equally_frequent_shapes_the_first_is_opt() -> None:
    assert shape_ranges([{"x": (2, 8)}, {"x": (1, 9)}])["x"][1] == (2, 8)


def test_ranges_need_something_fed_and_one_number_of_dimensions() -> None:
    with pytest.raises(ValueError, match="no sample is fed"):
        shape_ranges([])
    with pytest.raises(ValueError, match=r"x is fed with different numbers of dimensions: \[1, 2\], \[1, 2, 3\]"):
        shape_ranges([{"x": (1, 2, 3)}, {"x": (1, 2)}])


def test_the_ranges_of_what_is_fed_always_pass_the_check() -> None:
    fed = [{"image": SMALL}, {"image": LARGE}, {"image": MIDDLE}]
    assert check_shapes(OPEN, fed, ranges=shape_ranges(fed)) == ""


def test_warm_up_shows_the_ranges_and_only_values_of_the_sample() -> None:
    ids = np.array([[7, 9, 11]], dtype=np.int64)
    feeds = warmup_feeds({"ids": ids}, {"ids": ((1, 2), (2, 4), (3, 5))})
    assert [feed["ids"].shape for feed in feeds] == [(1, 2), (2, 4), (2, 4), (3, 5)]
    assert all(feed["ids"].dtype == np.int64 and set(feed["ids"].flat) <= {7, 9, 11} for feed in feeds)


def test_a_range_without_a_sample_cannot_be_warmed_up() -> None:
    with pytest.raises(ValueError, match="there is no sample of image to warm TensorRT up with"):
        warmup_feeds({}, RANGE)


# -- options -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "bf16"}, "precision='bf16' is not one of fp32, fp16, int8"),
        ({"shapes": "open"}, "shapes='open' is not one of auto, static, dynamic"),
        ({"min_subgraph": 0}, "min_subgraph=0 is less than 1"),
        ({"workspace": 0}, "workspace=0 is less than 1"),
        ({"max_batch": 0}, "max_batch=0 is less than 1"),
        ({"device": -1}, "device=-1 is less than 0"),
        ({"ranges": {"x": ((1,), (2,))}}, "ranges: each input needs three shapes: min, opt, max"),
        ({"shapes": "static", "ranges": RANGE}, "shapes='static' and ranges of more than the batch contradict each other"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TensorRT(**options)


def test_ranges_that_came_through_json_equal_those_that_did_not() -> None:
    assert TensorRT(ranges=json.loads(json.dumps(RANGE))) == TensorRT(ranges=RANGE)


def test_settling_decides_everything_that_was_left_open() -> None:
    fed = [{"image": (1, 3, 32, 32)}, {"image": (4, 3, 32, 32)}]
    static = settle(TensorRT(), FIXED, fed)
    assert (static.shapes, static.max_batch) == ("static", 4)
    dynamic = settle(TensorRT(max_batch=2), OPEN, fed)
    assert (dynamic.shapes, dynamic.max_batch, dynamic.ranges) == ("dynamic", 2, shape_ranges(fed))
    assert settle(TensorRT(ranges=RANGE), OPEN, fed).ranges == RANGE


# -- what ran ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["tensorrt_engine", "pd_op.tensorrt_engine"])
def test_one_engine_among_the_operators_is_enough(engine: str) -> None:
    assert fell_back(["conv2d", engine, "softmax"]) == ""


def test_operators_without_an_engine_are_named_with_the_remedy() -> None:
    told = fell_back(["pd_op.relu", "pd_op.conv2d", "pd_op.relu"], min_subgraph=30)
    assert told == (
        "no part of the graph was given to TensorRT: Paddle ran conv2d, relu itself. "
        "A part needs min_subgraph=30 connected operators that TensorRT has."
    )


def test_a_long_list_of_operators_is_cut() -> None:
    assert "Paddle ran a, b, c, d, e, f, g, h and 4 more itself." in fell_back(list("abcdefghijkl"))
    assert "Paddle ran no operator itself." in fell_back([])


# -- a played Paddle ---------------------------------------------------------------------------------------------------


class PlayedPaddle(ModuleType):
    """What `availability` and the keys ask: a GPU wheel on a machine with one GPU and TensorRT, until an attribute is changed."""

    def __init__(self, version: str = "2.6.2") -> None:
        super().__init__("paddle")
        self.__version__ = version
        self.__path__ = []
        self.cuda, self.count, self.built = True, 1, (8, 5, 3)
        self.found: Any = (8, 5, 3)
        self.is_compiled_with_cuda = lambda: self.cuda
        self.device = SimpleNamespace(
            cuda=SimpleNamespace(device_count=lambda: self.count, get_device_properties=lambda device: f"GPU {device}")
        )
        self.inference = ModuleType("paddle.inference")
        self.inference.get_trt_compile_version = lambda: self.built  # type: ignore[attr-defined]
        self.inference.get_trt_runtime_version = self._runtime  # type: ignore[attr-defined]

    def _runtime(self) -> Any:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@pytest.fixture
def paddle(monkeypatch: pytest.MonkeyPatch) -> PlayedPaddle:
    return install(PlayedPaddle(), monkeypatch)


def install(played: PlayedPaddle, monkeypatch: pytest.MonkeyPatch) -> PlayedPaddle:
    monkeypatch.setitem(sys.modules, "paddle", played)
    monkeypatch.setitem(sys.modules, "paddle.inference", played.inference)
    monkeypatch.delitem(sys.modules, "paddle.tensorrt", raising=False)
    return played


def have(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(tensorrt.importlib.util, "find_spec", lambda name: object() if name in names else None)


def test_everything_there_is_no_reason(paddle: PlayedPaddle) -> None:
    assert availability() == ""


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ({"cuda": False}, "this Paddle was built without CUDA; install paddlepaddle-gpu"),
        ({"count": 0}, "Paddle sees no CUDA device"),
        ({"built": (0, 0, 0)}, "this GPU build of Paddle was built without TensorRT"),
        (
            {"found": RuntimeError("(NotFound) TensorRT is needed, but TensorRT dynamic library is not found.")},
            "TensorRT's library libnvinfer.so cannot be loaded; install TensorRT 8.5.3, for which this Paddle was built, "
            "and put its directory into LD_LIBRARY_PATH",
        ),
        ({"found": (10, 13, 0)}, "TensorRT 10.13.0 is installed, and this Paddle was built for 8.5.3"),
    ],
)
def test_what_is_missing_is_named(paddle: PlayedPaddle, missing: dict[str, Any], told: str) -> None:
    for name, value in missing.items():
        setattr(paddle, name, value)
    assert availability() == told


def test_a_device_that_is_not_there_is_named(paddle: PlayedPaddle) -> None:
    assert availability(device=2) == "there is no CUDA device 2; Paddle sees 1, from 0"


@pytest.mark.parametrize(
    ("version", "model_file", "converts"),
    [
        ("2.6.2", "", False),
        ("2.6.2", "a.pdmodel", False),
        ("3.3.1", "", True),
        ("3.3.1", "a.json", True),
        ("3.3.1", "a.pdmodel", False),
    ],
)
def test_only_a_json_model_needs_the_python_packages(
    version: str, model_file: str, converts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(PlayedPaddle(version), monkeypatch)
    have(monkeypatch)
    assert availability(model_file) == ("this Paddle has no paddle.tensorrt, which a .json model needs" if converts else "")
    have(monkeypatch, "paddle.tensorrt")
    assert availability(model_file).startswith("the Python package tensorrt is missing") is converts
    have(monkeypatch, "paddle.tensorrt", "tensorrt")
    assert availability(model_file) == ""


# -- Paddle 2's graphs, played -----------------------------------------------------------------------------------------


class PlayedConfig:
    """A `Config` that remembers. cpu_wheel: it drops the GPU, as Paddle does. dropped: it drops TensorRT."""

    def __init__(self, files: Path, cpu_wheel: bool = False, dropped: bool = False) -> None:
        self.files, self.cpu_wheel, self.dropped = files, cpu_wheel, dropped
        self.calls: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **keywords: self.calls.update({name: keywords or args})

    def use_gpu(self) -> bool:
        return not self.cpu_wheel and "enable_use_gpu" in self.calls

    def tensorrt_engine_enabled(self) -> bool:
        return not self.dropped and "enable_tensorrt_engine" in self.calls

    def prog_file(self) -> str:
        return str(self.files / "m.pdmodel")

    def params_file(self) -> str:
        return str(self.files / "m.pdiparams")


@pytest.fixture
def files(tmp_path: Path, paddle: PlayedPaddle) -> Path:
    paddle.inference.PrecisionType = SimpleNamespace(Float32="F32", Half="F16", Int8="I8")  # type: ignore[attr-defined]
    for name in ("m.pdmodel", "m.pdiparams", "m.json"):
        (tmp_path / name).write_text(name)
    return tmp_path


def test_a_static_engine_is_asked_for_with_every_option(files: Path) -> None:
    config = PlayedConfig(files)
    configure_paddle2(
        config, TensorRT(precision="fp16", workspace=5, min_subgraph=7, max_batch=9, shapes="static", device=1, gpu_memory_mb=3)
    )
    assert config.calls == {
        "enable_use_gpu": (3, 1),
        "enable_tensorrt_engine": {
            "workspace_size": 5, "max_batch_size": 9, "min_subgraph_size": 7, "precision_mode": "F16", "use_static": False,
            "use_calib_mode": False,
        },
    }  # fmt: skip


def test_dynamic_shapes_come_from_the_file_and_no_engine_is_built_behind_our_back(files: Path) -> None:
    config = PlayedConfig(files)
    configure_paddle2(config, TensorRT(shapes="dynamic"), "/shapes")
    assert config.calls["enable_tuned_tensorrt_dynamic_shape"] == ("/shapes", False)


@pytest.mark.parametrize(("shapes", "shape_file"), [("auto", None), ("dynamic", None), ("static", "/shapes")])
def test_options_that_are_not_settled_are_refused(files: Path, shapes: str, shape_file: str | None) -> None:
    with pytest.raises(ValueError, match=r"settle\(\) first"):
        configure_paddle2(PlayedConfig(files), TensorRT(shapes=shapes), shape_file)


def test_a_request_that_paddle_drops_is_an_error(files: Path) -> None:
    with pytest.raises(TensorRTError, match="built without CUDA"):
        configure_paddle2(PlayedConfig(files, cpu_wheel=True), TensorRT(shapes="static"))
    with pytest.raises(TensorRTError, match="Paddle dropped the request for TensorRT"):
        configure_paddle2(PlayedConfig(files, dropped=True), TensorRT(shapes="static"))


def test_kept_engines_never_serve_other_weights(files: Path) -> None:
    def directory() -> str:
        config = PlayedConfig(files)
        configure_paddle2(config, TensorRT(shapes="static", cache_dir=str(files / "engines")))
        assert config.calls["enable_tensorrt_engine"]["use_static"] is True
        (place,) = config.calls["set_optim_cache_dir"]
        assert Path(place).is_dir()
        return str(place)

    first = directory()
    assert directory() == first
    (files / "m.pdiparams").write_text("trained again")
    assert directory() != first


class PlayedPredictor:
    def __init__(self, ran: list[Any], shape_file: str) -> None:
        self.ran, self.shape_file = ran, shape_file

    def get_input_names(self) -> list[str]:
        return ["image"]

    def get_input_handle(self, name: str) -> Any:
        return SimpleNamespace(copy_from_cpu=lambda array: self.ran.append((name, array.shape)))

    def run(self) -> None:
        assert not Path(self.shape_file).exists()

    def __del__(self) -> None:
        if self.shape_file:
            Path(self.shape_file).write_text("shape_range_info {}")


def test_shapes_are_collected_by_the_death_of_the_predictor(files: Path, paddle: PlayedPaddle) -> None:
    ran: list[Any] = []
    shape_file = files / "shapes.txt"
    shape_file.write_text("of another model")
    paddle.inference.create_predictor = lambda config: PlayedPredictor(ran, *config.calls["collect_shape_range_info"])  # type: ignore[attr-defined]
    collect_shapes(PlayedConfig(files), [{"image": np.zeros(SMALL)}, {"image": np.zeros(LARGE)}], str(shape_file))
    assert ran == [("image", SMALL), ("image", LARGE)]
    assert shape_file.read_text() == "shape_range_info {}"


def test_no_file_after_collecting_is_an_error(files: Path, paddle: PlayedPaddle) -> None:
    paddle.inference.create_predictor = lambda config: PlayedPredictor([], "")  # type: ignore[attr-defined]
    with pytest.raises(TensorRTError, match="wrote no ranges of shapes"):
        collect_shapes(PlayedConfig(files), [], str(files / "shapes.txt"))


# -- Paddle 3's graphs, played -----------------------------------------------------------------------------------------


class PlayedConversion:
    """paddle.tensorrt.export with the arguments of its source; it leaves the files that the real one leaves."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, operators: tuple[str, ...] = ("pd_op.data", "pd_op.tensorrt_engine")
    ) -> None:
        self.operators, self.configs, self.fails = operators, [], False
        export: Any = ModuleType("paddle.tensorrt.export")
        export.PrecisionMode = enum.Enum("PrecisionMode", {name: name for name in ("FP32", "FP16", "BF16", "INT8")})
        export.Input = lambda **keywords: SimpleNamespace(**keywords)
        export.TensorRTConfig = lambda inputs, **keywords: SimpleNamespace(inputs=inputs, **keywords)
        export.convert = self.convert
        for name, module in (("paddle.tensorrt", ModuleType("paddle.tensorrt")), ("paddle.tensorrt.export", export)):
            monkeypatch.setitem(sys.modules, name, module)

    def convert(self, model_path: str, config: Any) -> Any:
        self.configs.append(config)
        source = Path(model_path)
        assert source.read_text() == "m.json"
        assert source.with_suffix(".pdiparams").read_text()
        engines = Path(config.save_model_dir)
        engines.mkdir()
        (engines / "engine_1_1.trt").write_bytes(b"engine")
        if self.fails:
            raise RuntimeError("Failed to build engine")
        for suffix in (".json", ".pdiparams"):
            Path(config.save_model_dir + suffix).write_text("converted")
        block = SimpleNamespace(ops=[SimpleNamespace(name=lambda name=name: name) for name in self.operators])
        return SimpleNamespace(global_block=lambda: block)


SAMPLE = {"image": np.ones(MIDDLE, np.float32)}


def converted(files: Path, options: TensorRT | None = None, sample: Any = None) -> tuple[str, str]:
    options = options or TensorRT(cache_dir=str(files / "cache"))
    return convert_paddle3(str(files / "m.json"), str(files / "m.pdiparams"), options, RANGE, sample or SAMPLE, str(files / "out"))


def test_a_conversion_gets_every_option_and_warm_up_arrays(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played = PlayedConversion(monkeypatch)
    graph, weights = converted(files, TensorRT(precision="fp16", workspace=5, min_subgraph=7))
    (config,) = played.configs
    assert (config.precision_mode.value, config.workspace_size, config.min_subgraph_size) == ("FP16", 5, 7)
    (image,) = config.inputs
    assert image.name == "image"
    assert image.input_data_type is None
    assert [array.shape for array in image.warmup_data] == [SMALL, MIDDLE, MIDDLE, LARGE]
    assert Path(graph).read_text() == Path(weights).read_text() == "converted"
    assert Path(graph).is_relative_to(files / "out")
    assert not list((files / "out").rglob("source*"))


def test_a_conversion_is_found_again_and_made_again_when_anything_changes(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played = PlayedConversion(monkeypatch)
    first = converted(files)
    assert converted(files) == first
    assert converted(files, sample={"image": 2 * SAMPLE["image"]}) == first
    assert len(played.configs) == 1
    assert converted(files, sample={"image": SAMPLE["image"].astype(np.int32)}) != first
    (files / "m.pdiparams").write_text("trained again")
    assert converted(files) != first
    assert len(played.configs) == 3


@pytest.mark.parametrize("damage", ["model.pdiparams", "model/engine_1_1.trt", "converted.json"])
def test_a_damaged_conversion_is_made_again(files: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    played = PlayedConversion(monkeypatch)
    directory = Path(converted(files)[0]).parent
    (directory / damage).write_text("")
    converted(files)
    assert len(played.configs) == 2
    assert (directory / "model" / "engine_1_1.trt").read_bytes() == b"engine"


def test_what_a_failed_conversion_left_is_never_used(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played = PlayedConversion(monkeypatch)
    played.fails = True
    with pytest.raises(RuntimeError, match="Failed to build engine"):
        converted(files)
    played.fails = False
    assert Path(converted(files)[0]).read_text() == "converted"


def test_a_conversion_without_an_engine_is_an_error(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PlayedConversion(monkeypatch, ("pd_op.data", "pd_op.relu"))
    with pytest.raises(TensorRTError, match="no part of the graph was given to TensorRT: Paddle ran data, relu itself"):
        converted(files)


def test_a_conversion_that_leaves_no_files_is_an_error(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(PlayedConversion):
        def convert(self, path: str, config: Any) -> Any:
            program = super().convert(path, config)
            Path(f"{config.save_model_dir}.pdiparams").unlink()
            return program

    Forgetful(monkeypatch)
    with pytest.raises(TensorRTError, match=r"paddle\.tensorrt\.convert left no model\.json and model\.pdiparams in "):
        converted(files)


def test_only_the_first_gpu_converts(files: Path) -> None:
    with pytest.raises(TensorRTError, match="CUDA_VISIBLE_DEVICES=1 and device 0"):
        converted(files, TensorRT(device=1))


# -- the room ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tensorrt.py", "tensorrt_shapes.py"])
def test_the_module_needs_neither_the_plugin_nor_a_new_python(name: str) -> None:
    text = (Path(tensorrt.__file__).parent / name).read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 8))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    foreign = {module.partition(".")[0] for module in modules} - set(sys.stdlib_module_names if sys.version_info >= (3, 10) else ())
    assert foreign <= {"numpy", "paddle"} or sys.version_info < (3, 10)
    eager = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    assert not {module for module in eager if module.startswith("paddle")}
