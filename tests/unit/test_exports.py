"""exports.py on files made here byte by byte, as framework.proto, tensor_util.cc and PIR's JSON say; Paddle is not needed."""

from __future__ import annotations

import json
import os
import pickle
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_paddle_infer import exports
from pytest_paddle_infer.exports import (
    ExportedModel,
    ExportError,
    check_files,
    expected_files,
    locate,
    names_one,
    read_graph,
    read_parameters,
)
from pytest_paddle_infer.models import TensorSpec
from pytest_paddle_infer.parameters import compare_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    Parameters = Mapping[str, np.ndarray[Any, Any]]

CODES = {name: code for code, name in exports.DTYPES.items()}
PIR = {name: f"0.{code}" for code, name in exports.PIR_DTYPES.items()}
PADDLE3, PADDLE2 = "3.3.1", "2.6.2"

PARAMETERS: Parameters = {
    "linear_0.w_0": np.arange(12, dtype=np.float32).reshape(3, 4),
    "linear_0.b_0": np.array([0.5, -0.5, 2.0, 8.0], dtype=np.float32),
    "batch_norm2d_0.w_1": np.zeros(4, dtype=np.float32),
    "embedding_0.w_0": np.arange(10, dtype=np.int64),
    "half_0.w_0": np.arange(4, dtype=np.float16),
    "scalar_0.w_0": np.array(3.0),
}
INPUTS = (TensorSpec((None, 3, 8, 8), "float32", "image"), TensorSpec((None, 2), "int64", "ids"))


# -- a writer of each format -------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor_desc(dtype: str, shape: tuple[int | None, ...]) -> bytes:
    return field(1, CODES[dtype]) + b"".join(field(2, -1 if dim is None else dim) for dim in shape)


def name_of(array: np.ndarray[Any, Any]) -> str:
    return str(array.dtype)


def tensor_stream(array: np.ndarray[Any, Any], dtype: str = "", lod: tuple[bytes, ...] = ()) -> bytes:
    description = tensor_desc(dtype or name_of(array), array.shape)
    levels = b"".join(struct.pack("<Q", len(level)) + level for level in lod)
    return struct.pack("<IQ", 0, len(lod)) + levels + struct.pack("<Ii", 0, len(description)) + description + array.tobytes()


def parameter_bytes(parameters: Parameters) -> bytes:
    return b"".join(tensor_stream(parameters[name]) for name in sorted(parameters))


def variable(name: str, dtype: str, shape: tuple[int | None, ...], persistable: bool) -> bytes:
    lod_tensor = field(1, tensor_desc(dtype, shape))
    kind = field(1, 7) + field(3, lod_tensor)
    return field(1, name.encode()) + field(2, kind) + field(3, int(persistable))


def program_bytes(parameters: Parameters, inputs: tuple[TensorSpec, ...] = INPUTS, shuffled: bool = False) -> bytes:
    block = field(1, 0) + field(2, -1)
    block += field(3, field(1, b"feed") + field(2, field(1, 9)) + field(3, 1))  # a variable that is no tensor
    for name, array in parameters.items():
        block += field(3, variable(name, name_of(array), array.shape, True))
    for item in inputs:
        block += field(3, variable(str(item.name), item.dtype, item.shape, False))
    feeds = []
    for column, item in enumerate(inputs):
        output = field(2, field(1, b"Out") + field(2, str(item.name).encode()))
        attribute = field(4, field(1, b"col") + field(2, 0) + field(3, column))
        feeds.append(field(4, field(1, field(1, b"X") + field(2, b"feed")) + output + field(3, b"feed") + attribute))
    block += b"".join(reversed(feeds) if shuffled else feeds)
    block += field(4, field(3, b"matmul_v2"))
    return field(1, block) + field(4, field(1, 0))


def pir_type(dtype: str, shape: tuple[int | None, ...]) -> dict[str, Any]:
    return {"#": "0.t_dtensor", "D": [{"#": PIR[dtype]}, [-1 if dim is None else dim for dim in shape], "NCHW", [], 0]}


def pir_text(parameters: Parameters, inputs: tuple[TensorSpec, ...] = INPUTS) -> str:
    operations: list[dict[str, Any]] = [
        {"#": "p", "A": [0, 1, 1, name], "DA": [], "O": {"%": 1, "TT": pir_type(name_of(array), array.shape)}, "OA": [1], "QA": []}
        for name, array in parameters.items()
    ]
    for item in inputs:
        attributes = [
            {"AT": {"#": "1.a_dtype", "D": item.dtype}, "N": "dtype"},
            {"AT": {"#": "0.a_str", "D": item.name}, "N": "name"},
        ]
        operations.append({"#": "1.data", "A": attributes, "I": [], "O": [{"%": 2, "TT": pir_type(item.dtype, item.shape)}]})
    operations.append({"#": "1.matmul", "A": [], "I": [], "O": []})
    program = {"regions": [{"blocks": [{"args": [], "ops": operations}]}]}
    return json.dumps({"base_code": {"magic": "pir", "trainable": True, "version": 4}, "program": program})


@pytest.fixture(params=[".json", ".pdmodel"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> ExportedModel:
    """A whole export in the format of either Paddle."""
    return write(tmp_path, request.param)


def write(directory: Path, suffix: str, parameters: Parameters = PARAMETERS) -> ExportedModel:
    model = ExportedModel(directory)
    path = directory / f"inference{suffix}"
    path.write_bytes(pir_text(parameters).encode() if suffix == ".json" else program_bytes(parameters))
    model.params_file.write_bytes(parameter_bytes(parameters))
    if suffix == ".pdmodel":
        (directory / "inference.pdiparams.info").write_bytes(b"\x80\x02}.")
    return model


def refused(model: ExportedModel) -> str:
    """The sentence with which reading the export is refused."""
    with pytest.raises(ExportError) as caught:
        read_parameters(model.params_file, read_graph(model.model_file))
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- graph and parameters ----------------------------------------------------------------------------------------------


def test_the_graph_declares_inputs_in_feed_order_and_parameters(made: ExportedModel) -> None:
    graph = read_graph(made.model_file)
    assert graph.inputs == INPUTS
    assert {name: (spec.shape, spec.dtype) for name, spec in graph.parameters.items()} == {
        name: (array.shape, str(array.dtype)) for name, array in PARAMETERS.items()
    }


def test_feed_columns_decide_the_order_of_the_inputs(tmp_path: Path) -> None:
    path = tmp_path / "inference.pdmodel"
    path.write_bytes(program_bytes({}, shuffled=True))
    assert read_graph(path).inputs == INPUTS


def test_every_parameter_is_read_bit_for_bit(made: ExportedModel) -> None:
    found = read_parameters(made.params_file, read_graph(made.model_file))
    assert set(found) == set(PARAMETERS)
    for name, array in PARAMETERS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("suffix", [".json", ".pdmodel"])
@pytest.mark.parametrize("dtype", [name for name in CODES if name != "bfloat16"])
def test_every_dtype_is_read(tmp_path: Path, suffix: str, dtype: str) -> None:
    array = np.array([[1, 0, 1]], dtype=dtype)
    model = write(tmp_path, suffix, {"a": array})
    np.testing.assert_array_equal(read_parameters(model.params_file, read_graph(model.model_file))["a"], array)


def test_bfloat16_is_read_as_its_bits(tmp_path: Path) -> None:
    bits = np.array([0x3F80, 0x4000], dtype=np.uint16)
    (tmp_path / "inference.pdmodel").write_bytes(
        field(1, field(1, 0) + field(2, -1) + field(3, variable("a", "bfloat16", (2,), True)))
    )
    model = ExportedModel(tmp_path)
    model.params_file.write_bytes(tensor_stream(bits, "bfloat16"))
    np.testing.assert_array_equal(read_parameters(model.params_file, read_graph(model.model_file))["a"], bits)


def test_level_of_detail_before_the_tensor_is_skipped(tmp_path: Path) -> None:
    model = write(tmp_path, ".json", {"a": np.ones(2, dtype=np.float32)})
    model.params_file.write_bytes(tensor_stream(np.ones(2, dtype=np.float32), lod=(struct.pack("<QQ", 0, 2),)))
    assert read_parameters(model.params_file, read_graph(model.model_file))["a"].tolist() == [1, 1]


def test_an_empty_parameter_and_a_graph_without_parameters_are_read(tmp_path: Path) -> None:
    model = write(tmp_path, ".json", {"a": np.ones((0, 3), dtype=np.float32), "b": np.ones(1, dtype=np.float32)})
    assert read_parameters(model.params_file, read_graph(model.model_file))["a"].shape == (0, 3)
    assert read_parameters(tmp_path / "none.pdiparams", exports.Graph((), {})) == {}


# -- damage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [1, 64, 200])
def test_truncated_parameters_are_refused(made: ExportedModel, missing: int) -> None:
    whole = made.params_file.read_bytes()
    made.params_file.write_bytes(whole[:-missing])
    text = refused(made)
    assert text.startswith("inference.pdiparams is ")
    assert "short" in text
    assert f"its {len(whole) - missing} bytes end inside parameter" in text
    assert "of 6" in text


def test_parameters_cut_anywhere_are_refused(tmp_path: Path) -> None:
    model = write(tmp_path, ".json")
    whole = model.params_file.read_bytes()
    for cut in range(len(whole)):
        model.params_file.write_bytes(whole[:cut])
        refused(model)


def test_padded_parameters_are_refused(made: ExportedModel) -> None:
    made.params_file.write_bytes(made.params_file.read_bytes() + b"\0" * 3)
    assert refused(made) == "inference.pdiparams has 3 bytes behind its last parameter; Paddle does not load it."


def test_missing_and_empty_parameters_are_refused(made: ExportedModel) -> None:
    made.params_file.write_bytes(b"")
    assert refused(made) == "inference.pdiparams is empty (0 bytes); the graph needs 6 parameters."
    made.params_file.unlink()
    assert refused(made).startswith(f"inference.pdiparams is missing from {made.directory}: ")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_training_checkpoint_in_place_of_parameters_is_named(made: ExportedModel, protocol: int) -> None:
    made.params_file.write_bytes(pickle.dumps(dict(PARAMETERS), protocol))
    assert refused(made) == "inference.pdiparams is a training checkpoint (a .pdparams pickle), not exported parameters."


def test_parameters_of_another_graph_are_refused_at_the_first_that_does_not_fit(made: ExportedModel) -> None:
    other = {**PARAMETERS, "linear_0.w_0": np.zeros((3, 5), dtype=np.float32)}
    made.params_file.write_bytes(parameter_bytes(other))
    assert refused(made) == (
        "inference.pdiparams belongs to another graph: parameter 5 of 6 is float32[3, 5], "
        "where the graph has linear_0.w_0 float32[3, 4]."
    )


def test_one_parameter_less_is_refused(made: ExportedModel) -> None:
    fewer = {name: array for name, array in PARAMETERS.items() if name != "scalar_0.w_0"}
    made.params_file.write_bytes(parameter_bytes(fewer))
    assert "its " in refused(made)


def test_garbage_parameters_are_refused(made: ExportedModel) -> None:
    made.params_file.write_bytes(b"\xff" * 4096)
    assert refused(made).startswith("inference.pdiparams is damaged at byte 0: no header of 'batch_norm2d_0.w_1' (0 of 6)")


def test_a_flipped_bit_in_a_header_is_refused_and_one_in_a_value_is_found_by_comparing(tmp_path: Path) -> None:
    model = write(tmp_path, ".json")
    whole = bytearray(model.params_file.read_bytes())
    header = bytearray(whole)
    header[0] ^= 1
    model.params_file.write_bytes(header)
    assert "is damaged at byte 0" in refused(model)
    whole[-1] ^= 1  # in the last value of scalar_0.w_0
    model.params_file.write_bytes(whole)
    report = compare_parameters(read_parameters(model.params_file, read_graph(model.model_file)), structured(PARAMETERS))
    assert [difference.name for difference in report.differences] == ["layer.scalar_0.w_0"]
    assert report.sentence() == "1 of 6 parameters differ from the model's: layer.scalar_0.w_0."


@pytest.mark.parametrize("suffix", [".json", ".pdmodel"])
@pytest.mark.parametrize(
    "content", [b"", b"\0", b"{}", b"[]", b"garbage", b"\xff" * 100, b'{"base_code": {"magic": "pir"}}', b"\x80\x02}."]
)
def test_a_graph_file_that_is_none_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"inference{suffix}"
    path.write_bytes(content)
    with pytest.raises(ExportError) as caught:
        read_graph(path)
    kind = "Paddle 3 program (PIR, JSON)" if suffix == ".json" else "Paddle 2 program (ProgramDesc)"
    assert str(caught.value) == f"{path.name} is not a {kind}: it does not parse ({len(content)} bytes); export again."


def test_json_of_something_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / "inference.json"
    path.write_text('{"base_code": {"magic": "other"}}')
    with pytest.raises(ExportError, match=r"inference\.json is JSON, but not a Paddle program\."):
        read_graph(path)


@pytest.mark.parametrize("cut", [1, 5, 40, 0.5, 0.999])
@pytest.mark.parametrize("suffix", [".json", ".pdmodel"])
def test_a_truncated_graph_is_refused(tmp_path: Path, suffix: str, cut: float) -> None:
    model = write(tmp_path, suffix)
    whole = model.model_file.read_bytes()
    model.model_file.write_bytes(whole[: int(cut * len(whole)) if cut < 1 else int(cut)])
    with pytest.raises(ExportError, match="does not parse"):
        read_graph(model.model_file)


def test_a_missing_graph_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"inference\.json is missing from"):
        read_graph(tmp_path / "inference.json")


# -- the set of files --------------------------------------------------------------------------------------------------


def test_each_paddle_writes_its_own_files() -> None:
    assert expected_files("3.0.0-beta1") == expected_files(PADDLE3) == (".json", ".pdiparams")
    assert expected_files(PADDLE2) == (".pdmodel", ".pdiparams", ".pdiparams.info")


def test_whole_sets_pass(tmp_path: Path) -> None:
    for name, suffix, version in (("three", ".json", PADDLE3), ("two", ".pdmodel", PADDLE2)):
        (tmp_path / name).mkdir()
        model = write(tmp_path / name, suffix)
        assert check_files(model, version) is None
        assert check_files(locate(tmp_path / name), version) is None


def given(model: ExportedModel) -> ExportedModel:
    return ExportedModel(model.directory, model.stem, given=True)


def test_an_export_of_paddle_2_may_be_given_to_paddle_3_but_not_the_reverse(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    two = write(tmp_path / "two", ".pdmodel")
    assert check_files(given(two), PADDLE3) is None
    assert (
        check_files(two, PADDLE3)
        == f"inference.json is missing; {two.directory} holds " + ", ".join(p.name for p in two.files) + "."
    )
    three = write(tmp_path, ".json")
    text = check_files(given(three), PADDLE2)
    assert text is not None
    assert text.startswith("inference.json was written by Paddle 3, and Paddle 2.6.2 would die of SIGSEGV")


def test_the_info_file_is_asked_of_our_own_exports_only(tmp_path: Path) -> None:
    model = write(tmp_path, ".pdmodel")
    (tmp_path / "inference.pdiparams.info").unlink()
    assert check_files(given(model), PADDLE2) is None
    assert (check_files(model, PADDLE2) or "").startswith("inference.pdiparams.info is missing;")


def test_missing_files_are_listed_with_what_is_there(tmp_path: Path) -> None:
    model = write(tmp_path, ".json")
    model.params_file.unlink()
    assert check_files(given(model), PADDLE3) == f"inference.pdiparams is missing; {tmp_path} holds inference.json."
    model.model_file.unlink()
    assert check_files(given(model), PADDLE3) == (
        f"inference.json and inference.pdiparams are missing; {tmp_path} holds no file of that name."
    )


def test_empty_files_are_named(tmp_path: Path) -> None:
    model = write(tmp_path, ".json")
    model.params_file.write_bytes(b"")
    assert check_files(model, PADDLE3) == "inference.pdiparams is empty (0 bytes)."


def test_a_file_too_many_is_refused_in_our_own_exports_only(tmp_path: Path) -> None:
    model = write(tmp_path, ".json")
    (tmp_path / "inference.pdmodel").write_bytes(program_bytes(PARAMETERS))
    assert check_files(model, PADDLE3) == "inference.pdmodel is there although Paddle 3.3.1 does not use it."
    assert check_files(given(model), PADDLE3) is None


def test_a_model_without_parameters_needs_no_parameter_file(tmp_path: Path) -> None:
    model = write(tmp_path, ".json", {})
    assert check_files(model, PADDLE3) is None
    model.params_file.unlink()
    assert check_files(model, PADDLE3) is None


# -- locate ------------------------------------------------------------------------------------------------------------


def test_a_directory_or_a_prefix_or_a_file_of_an_export_is_found(tmp_path: Path) -> None:
    write(tmp_path, ".json")
    for path in (tmp_path, tmp_path / "inference", tmp_path / "inference.json", tmp_path / "inference.pdiparams", str(tmp_path)):
        found = locate(path)
        assert (found.directory, found.stem, found.given) == (tmp_path, "inference", True)
        assert os.fspath(found) == str(found) == str(tmp_path)
        assert [file.name for file in found.files] == ["inference.json", "inference.pdiparams"]
        assert found.size == sum(file.stat().st_size for file in tmp_path.iterdir())


def test_a_directory_with_other_names_in_it_is_found_by_its_one_stem(tmp_path: Path) -> None:
    for suffix in (".pdmodel", ".pdiparams"):
        (tmp_path / f"model.v2{suffix}").write_bytes(b"x")
    (tmp_path / "readme.txt").write_text("x")
    assert locate(tmp_path).stem == "model.v2"
    assert [path.name for path in locate(tmp_path).files] == ["model.v2.pdiparams", "model.v2.pdmodel"]


def test_a_directory_with_none_or_several_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"holds no export \(.json or .pdmodel, and .pdiparams\); it holds nothing\.$"):
        locate(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(ExportError, match=r"it holds a\.txt\.$"):
        locate(tmp_path)
    for stem in ("b", "c"):
        (tmp_path / f"{stem}.pdmodel").write_text("x")
    with pytest.raises(ExportError, match=r"holds several exports \(b, c\); name one as .*/b\.$"):
        locate(tmp_path)


def test_a_directory_without_an_export_may_hold_one_for_each_model(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    write(tmp_path / "net", ".json")
    assert not names_one(tmp_path)
    assert locate(tmp_path, below="net").directory == tmp_path / "net"
    with pytest.raises(
        ExportError,
        match=r", nor the directory other that --paddle-export-dir makes for this model; it holds net\.$",
    ):
        locate(tmp_path, below="other")
    write(tmp_path, ".json")
    assert names_one(tmp_path)
    assert locate(tmp_path, below="net").directory == tmp_path, "what was named comes first"
    assert names_one(tmp_path / "inference")


def test_a_prefix_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"there is no export .*none: neither a directory nor the prefix"):
        locate(tmp_path / "none")


# -- comparing with the model ------------------------------------------------------------------------------------------


def structured(parameters: Parameters) -> list[tuple[str, str, np.ndarray[Any, Any]]]:
    return [(f"layer.{name}", name, array) for name, array in parameters.items()]


def net(first: int = 0, seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """Parameters of conv - bn - conv - linear whose counters start at `first`; both convolutions have the same shape."""
    random = np.random.default_rng(seed)
    shapes = {
        f"conv2d_{first}.w_0": (4, 4, 3, 3), f"conv2d_{first + 1}.w_0": (4, 4, 3, 3), f"linear_{first}.w_0": (4, 2),
        f"linear_{first}.b_0": (2,), f"batch_norm2d_{first}.w_0": (4,), f"batch_norm2d_{first}.w_1": (4,),
    }  # fmt: skip
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def own(parameters: Parameters) -> list[tuple[str, str, np.ndarray[Any, Any]]]:
    names = ("conv1.weight", "conv2.weight", "fc.weight", "fc.bias", "bn._mean", "bn._variance")
    return [(structured_name, unique, array) for structured_name, (unique, array) in zip(names, parameters.items())]


def test_equal_parameters_are_equal() -> None:
    report = compare_parameters(net(), own(net()))
    assert (report.equal, report.compared, report.unused, report.foreign, report.sentence()) == (True, 6, (), (), "")


@pytest.mark.parametrize(("exported", "model"), [(0, 7), (7, 0), (3, 4), (9, 10), (98, 102)])
def test_names_of_another_process_are_matched_by_their_counters(exported: int, model: int) -> None:
    report = compare_parameters(net(exported), own(net(model)))
    assert report.equal
    assert report.compared == 6


def test_each_kind_of_layer_may_have_its_own_offset() -> None:
    exported = {name.replace("linear_0", "linear_5"): array for name, array in net().items()}
    assert compare_parameters(exported, own(net(2))).equal


def test_the_offset_that_fits_most_values_is_taken_so_that_one_changed_weight_is_one_difference() -> None:
    exported, model = net(), {**net(), "conv2d_2.w_0": np.zeros((4, 4, 3, 3), dtype=np.float32)}
    shifted = {name.replace("conv2d_", "conv2d_1"): array for name, array in exported.items()}
    shifted["conv2d_11.w_0"] = shifted["conv2d_11.w_0"] + np.float32(1)
    names = [*own(net()), ("conv3.weight", "conv2d_2.w_0", model["conv2d_2.w_0"])]
    report = compare_parameters(shifted, names)
    assert [difference.name for difference in report.differences] == ["conv2.weight"]
    assert report.unused == ("conv3.weight",)


def test_a_difference_says_how_many_elements_and_how_far() -> None:
    changed = net()
    changed["linear_0.b_0"] = changed["linear_0.b_0"] + np.array([0, 0.25], dtype=np.float32)
    (difference,) = compare_parameters(changed, own(net())).differences
    assert (difference.name, difference.elements, difference.differing) == ("fc.bias", 2, 1)
    assert difference.max_abs == pytest.approx(0.25)


@pytest.mark.parametrize(("left", "right"), [(0.0, -0.0), (np.nan, 1.0), (1.0, np.nextafter(np.float32(1), np.float32(2)))])
def test_bits_decide_and_not_values(left: float, right: float) -> None:
    exported, model = {"a_0.w_0": np.array([left], np.float32)}, [("a", "a_0.w_0", np.array([right], np.float32))]
    assert not compare_parameters(exported, model).equal
    assert compare_parameters(exported, [("a", "a_0.w_0", exported["a_0.w_0"].copy())]).equal


def test_a_nan_is_infinitely_far_apart() -> None:
    exported = {"a_0.w_0": np.array([np.nan], np.float32)}
    (difference,) = compare_parameters(exported, [("a", "a_0.w_0", np.ones(1, np.float32))]).differences
    assert difference.max_abs == float("inf")


def test_only_statistics_that_differ_are_called_so() -> None:
    changed = net()
    for name in ("batch_norm2d_0.w_0", "batch_norm2d_0.w_1"):
        changed[name] = changed[name] + 1
    assert compare_parameters(changed, own(net())).sentence() == (
        "only batch-norm statistics differ (2 of 6 parameters): the model ran in train mode after it was exported."
    )


def test_another_runs_parameters_are_called_so() -> None:
    assert compare_parameters(net(0, 1), own(net(0, 0))).sentence() == (
        "6 of 6 parameters differ from the model's: the export holds another run's weights, "
        "or the weights were never loaded before exporting."
    )


def test_a_few_changed_weights_are_listed() -> None:
    changed = {name: array + 1 if "conv" in name or "linear" in name else array for name, array in net().items()}
    assert compare_parameters(changed, own(net())).sentence() == (
        "4 of 6 parameters differ from the model's: conv1.weight, conv2.weight, fc.weight, ...."
    )


def test_another_architecture_is_called_so() -> None:
    exported = {**net(), "lstm_0.w_0": np.ones((5, 5), dtype=np.float32)}
    report = compare_parameters(exported, own(net()))
    assert report.foreign == ("lstm_0.w_0",)
    assert not report.equal
    assert report.sentence() == (
        "1 exported parameters have no counterpart of their shape in the model (lstm_0.w_0): "
        "the export belongs to another architecture."
    )


def test_buffers_and_own_names_are_matched_by_shape_and_value() -> None:
    scale, shift = np.full(3, 2.0, np.float32), np.full(3, 5.0, np.float32)
    exported = {"generated_tensor_4": shift, "generated_tensor_9": scale}
    report = compare_parameters(exported, [("scale", "generated_tensor_0", scale), ("shift", "generated_tensor_1", shift)])
    assert report.equal
    assert report.compared == 2
    assert compare_parameters({"mine": scale}, [("scale", "eager_tmp_0", scale)]).equal


def test_what_the_graph_does_not_use_is_listed_and_is_no_fault() -> None:
    exported = {name: array for name, array in net().items() if "linear" not in name}
    report = compare_parameters(exported, own(net()))
    assert report.equal
    assert report.unused == ("fc.weight", "fc.bias")


def test_the_same_name_with_another_dtype_is_no_match() -> None:
    report = compare_parameters({"a_0.w_0": np.ones(2, np.float16)}, [("a", "a_0.w_0", np.ones(2, np.float32))])
    assert report.foreign == ("a_0.w_0",)
