"""deployed/proof.py: what Paddle and oneDNN printed, what the output hook saw, and which request that makes a lie."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from pytest_paddle_infer.deployed.config import Effective, Request
from pytest_paddle_infer.deployed.proof import (
    NO_OPTIMISATION_PASSES,
    Evidence,
    Finding,
    Operators,
    Printed,
    findings,
    passes_that_ran,
    primitives,
    refusals,
    wanted_precision,
)

ROOT = Path(__file__).parents[2]

# -- what Paddle's log says --------------------------------------------------------------------------------------------

LOG_3 = """\
I1124 18:42:53.726560 21508 analysis_predictor.cc:2147] MKLDNN is disabled
\x1b[1m\x1b[35m--- Running PIR pass [delete_quant_dequant_linear_op_pass]\x1b[0m
\x1b[32m--- Running PIR pass [inplace_pass]\x1b[0m
I1124 18:42:53.731002 21508 print_statistics.cc:50] --- detected [3] subgraphs!
\x1b[1m\x1b[35m--- Running PIR pass [constant_folding_pass]\x1b[0m
\x1b[1m\x1b[35m--- Running PIR pass [inplace_pass]\x1b[0m
I1124 18:42:53.740190 21508 analysis_predictor.cc:1186] ======= pir optimization completed =======
"""
LOG_26 = """\
\x1b[37m---    Running analysis [ir_graph_build_pass]\x1b[0m
I1124 18:42:53.726560 21508 executor.cc:187] Old Executor is Running.
\x1b[37m---    Running analysis [ir_analysis_pass]\x1b[0m
\x1b[32m--- Running IR pass [simplify_with_basic_ops_pass]\x1b[0m
\x1b[32m--- Running IR pass [conv_bn_fuse_pass]\x1b[0m
I1124 18:42:53.739281 21508 fuse_pass_base.cc:59] ---  detected 3 subgraphs
\x1b[37m---    Running analysis [save_optimized_model_pass]\x1b[0m
"""
REFUSED = "Please use PaddlePaddle with GPU version."
ERROR = f"E1124 18:42:53.726560 21508 analysis_config.cc:169] {REFUSED}\n"


def test_passes_of_paddle_3_are_read_in_their_order_and_as_often_as_they_ran() -> None:
    wanted = ("delete_quant_dequant_linear_op_pass", "inplace_pass", "constant_folding_pass", "inplace_pass")
    assert passes_that_ran(LOG_3) == wanted


def test_passes_of_paddle_2_are_read_and_the_analyses_around_them_are_not() -> None:
    assert passes_that_ran(LOG_26) == ("simplify_with_basic_ops_pass", "conv_bn_fuse_pass")


@pytest.mark.parametrize(
    "text", ["--- Running PIR pass [x]", "\x1b[1m--- Running IR pass [x]\x1b[0m", "noise--- Running IR pass [x]noise\n"]
)
def test_a_pass_is_read_coloured_or_not_and_from_a_line_that_another_thread_wrote_into(text: str) -> None:
    assert passes_that_ran(text) == ("x",)


@pytest.mark.parametrize(
    "text", ["", "Running analysis [ir_analysis_pass]", "--- Running PIR pass \n", LOG_3.replace("Running", "Skip")]
)
def test_a_log_without_passes_names_none(text: str) -> None:
    assert passes_that_ran(text) == ()


@pytest.mark.parametrize(
    "sentence",
    [
        REFUSED,
        "Please compile with onnxruntime to EnableONNXRuntime()",
        "Please compile with OpenVINO to EnableOpenVINOEngine()",
        "To use the feature, please compile with mkldnn first.",
        "Prim does not support TensorRT before version 3.0",
        "Paddle was not compiled with CINN",
    ],
)
def test_a_line_of_the_error_log_that_leaves_an_option_out_is_a_refusal(sentence: str) -> None:
    line = f"E1124 18:42:53.726560 21508 analysis_config.cc:169] {sentence}"
    for text in (line, f"{LOG_3}{line}\n{LOG_26}", f"{line}\r\n", f"{line}  \n{line}\n"):
        assert refusals(text) == (sentence,), "once, whole, and without the spaces around it"


def test_refusals_keep_the_order_in_which_they_were_said() -> None:
    other = ERROR.replace(REFUSED, "Please compile with CINN")
    assert refusals(other + ERROR + other) == ("Please compile with CINN", REFUSED)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ERROR.replace("E1124", "I1124"),
        ERROR.replace("E1124", "W1124"),
        ERROR.replace(REFUSED, "the file is large"),
        REFUSED + "\n",
        f"my own program: {ERROR}",
        LOG_3,
        LOG_26,
    ],
    ids=["nothing", "info", "warning", "other error", "no log line", "not at its start", "paddle 3", "paddle 2.6"],
)
def test_nothing_else_is_a_refusal(text: str) -> None:
    assert refusals(text) == ()


# -- what oneDNN's verbose mode says -----------------------------------------------------------------------------------

HEADER_3 = """\
onednn_verbose,v1,info,oneDNN v3.6.2 (commit 8e3a5c1d3b1f0d6e0c8e5b5f7b7f6a4e5c9d0c1f)
onednn_verbose,v1,info,cpu,runtime:OpenMP,nthr:2
onednn_verbose,v1,info,cpu,isa:Intel AVX-512 with float16, Intel DL Boost and bfloat16 support
onednn_verbose,v1,primitive,info,template:operation,engine,primitive,implementation,prop_kind,memory_descriptors,attributes,auxiliary,problem_desc,exec_time
"""
CONVOLUTION_3 = (
    "onednn_verbose,v1,primitive,exec,cpu,convolution,brg_conv_fwd:avx512_core_bf16,forward_inference,src:bf16:a:blocked:acdb::f0 "
    "wei:bf16:ap:blocked:AcdB16a2b::f0 bia:f32::blocked:a::f0 dst:bf16::blocked:acdb::f0,attr-post-ops:eltwise_relu,"
    "alg:convolution_direct,mb1_ic3oc8_ih64oh64kh3sh1dh0ph1_iw64ow64kw3sw1dw0pw1,0.0410156"
)
REORDER_3 = (
    "onednn_verbose,v1,primitive,exec,cpu,reorder,jit:uni,undef,src:f32::blocked:abcd::f0 dst:bf16::blocked:acdb::f0,,,"
    "1x3x64x64,0.0180664"
)
POOLING_3 = (
    "onednn_verbose,v1,primitive,exec,cpu,pooling_v2,jit:avx512_core,forward_inference,src:f32::blocked:aBcd16b::f0 "
    "dst:f32::blocked:aBcd16b::f0 ws:undef::undef:::,,alg:pooling_max,mb1ic64_ih112oh56kh3sh2dh0ph1,0.02"
)
MATMUL_3 = (
    "onednn_verbose,v1,primitive,exec,cpu,matmul,brg_matmul:avx512_core_vnni,undef,src:u8::blocked:ab::f0 wei:s8:a:blocked:BA16a64b4a::f0 "
    "bia:s32::blocked:ab::f0_mask2 dst:f32::blocked:ab::f0,attr-scales:src0:0:f32+wei:2:f32,,1x512:512x10,0.01"
)
CONVOLUTION_2 = (
    "onednn_verbose,exec,cpu,convolution,jit:avx512_core,forward_inference,src_f32:a:blocked:acdb::f0 wei_f32:ap:blocked:Acdb16a::f0 "
    "bia_undef::undef::: dst_f32::blocked:acdb::f0,,alg:convolution_direct,mb1_ic3oc8_ih64oh64kh3sh1dh0ph1,0.0559082"
)
REORDER_2 = "onednn_verbose,exec,cpu,reorder,jit:uni,undef,src_f32::blocked:abcd::f0 dst_bf16::blocked:acdb::f0,,,1x3x64x64,0.01"
INT8_2 = (
    "onednn_verbose,exec,cpu,convolution,brgconv:avx512_core_vnni,forward_inference,src_u8::blocked:acdb::f0 "
    "wei_s8:a:blocked:AcdB16a4b::f0 bia_s32::blocked:a::f0 dst_s8::blocked:acdb::f0,attr-oscale:2 ,alg:convolution_direct,mb1,0.02"
)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (CONVOLUTION_3, "convolution bf16 f32"),
        (REORDER_3, "reorder bf16 f32"),
        (POOLING_3, "pooling_v2 f32"),
        (MATMUL_3, "matmul f32 s32 s8 u8"),
        (CONVOLUTION_2, "convolution f32"),
        (REORDER_2, "reorder bf16 f32"),
        (INT8_2, "convolution s32 s8 u8"),
        (CONVOLUTION_2.replace("onednn_verbose", "dnnl_verbose"), "convolution f32"),
        ("onednn_verbose,exec,cpu,sum", "sum"),
    ],
)
def test_an_execution_is_read_by_kind_and_the_dtypes_of_its_memory(line: str, name: str) -> None:
    assert primitives(line) == {name: 1}


def test_executions_are_counted_between_everything_else_that_was_printed() -> None:
    created = CONVOLUTION_3.replace("primitive,exec", "primitive,create:cache_miss")
    text = "\n".join([HEADER_3, created, REORDER_3, CONVOLUTION_3, LOG_3, CONVOLUTION_3, "exec,cpu,reorder", "", REORDER_3])
    assert primitives(text) == {"reorder bf16 f32": 2, "convolution bf16 f32": 2}
    assert primitives(HEADER_3 + created) == {}


# -- what the output hook sees -----------------------------------------------------------------------------------------


def tensor(dtype: str = "paddle.float32", place: str = "Place(cpu)") -> Any:
    return SimpleNamespace(dtype=dtype, place=place)


def seen(*operators: str) -> Operators:
    """What the hook counts when Paddle calls it with these names."""
    operators_seen = Operators()
    for operator in operators:
        operators_seen.hook(operator, "out", tensor())
    return operators_seen


def test_several_outputs_of_one_operator_count_once_and_two_operators_of_a_kind_twice() -> None:
    norm = ["pd_op.batch_norm_:2"] * 6
    found = seen("pd_op.conv2d:1", *norm, "pd_op.relu:3", "pd_op.conv2d:4", *["pd_op.batch_norm_:5"] * 6)
    assert found.kinds == {"pd_op.conv2d": 2, "pd_op.batch_norm_": 2, "pd_op.relu": 1}


def test_operators_without_a_number_count_at_each_call() -> None:
    assert seen("conv2d", "relu", "relu", "conv2d").kinds == {"conv2d": 2, "relu": 2}


def test_an_operator_that_comes_back_after_another_counts_again() -> None:
    assert seen("pd_op.add:1", "pd_op.relu:2", "pd_op.add:1").kinds == {"pd_op.add": 2, "pd_op.relu": 1}


def test_dtypes_are_noted_by_their_last_name_and_places_as_they_are_written() -> None:
    operators = Operators()
    for name, dtype, place in [
        ("a:1", "paddle.float32", "Place(cpu)"),
        ("b:2", "paddle.bfloat16", "Place(gpu:0)"),
        ("c:3", "int64", "x"),
    ]:
        operators.hook(name, "out", tensor(dtype, place))
    assert (operators.dtypes, operators.places) == ({"float32", "bfloat16", "int64"}, {"Place(cpu)", "Place(gpu:0)", "x"})


class Broken:
    """A tensor that cannot be asked."""

    @property
    def dtype(self) -> str:
        raise RuntimeError("(NotFound) Tensor holds no memory")


@pytest.mark.parametrize(
    ("operator", "output"),
    [("pd_op.relu:1", Broken()), ("pd_op.relu:1", None), ("relu", object()), (None, tensor()), (3, tensor()), (b"relu", tensor())],
)
def test_the_hook_never_raises_and_goes_on_counting(operator: Any, output: Any) -> None:
    operators = Operators()
    operators.hook(operator, "out", output)
    operators.hook("pd_op.add:9", "out", tensor())
    assert operators.kinds["pd_op.add"] == 1
    assert operators.dtypes == {"float32"}


# -- evidence ----------------------------------------------------------------------------------------------------------

ON_CPU = Effective(device="cpu", ir_optim=True, memory_optim=True, tensorrt=False, mkldnn=False, threads=1)
ON_GPU = replace(ON_CPU, device="gpu")
PLAIN = Evidence(ON_CPU, True, (), (), ("inplace_pass",), (), {"pd_op.conv2d": 2}, ("float32",), ("Place(cpu)",), {})
"""A run of a `.json` graph on the CPU, in which nothing was asked for."""


def ran(evidence: Evidence = PLAIN, /, **changed: Any) -> Evidence:
    return replace(evidence, **changed)


@pytest.mark.parametrize(
    ("evidence", "told"),
    [
        (ran(primitives={"convolution f32": 1}), True),
        (ran(primitives={"reorder f32": 1, "convolution f32": 1}), True),
        (ran(primitives={"reorder bf16 f32": 9}), False),
        (ran(primitives={}), False),
        (ran(primitives={}, operators={"onednn_op.conv2d": 1}), False),
        (ran(primitives=None, operators={"onednn_op.conv2d": 1, "pd_op.add": 1}), True),
        (ran(primitives=None), False),
        (ran(primitives=None, operators={}), None),
        (ran(primitives=None, pir=False, operators={"conv2d": 1}), None),
        (ran(primitives={"convolution f32": 1}, pir=False, operators={"conv2d": 1}), True),
    ],
)  # fmt: skip
def test_onednn_ran_when_it_did_more_than_move_memory_and_where_nothing_tells_nobody_guesses(
    evidence: Evidence, told: bool | None
) -> None:
    assert evidence.ran_onednn is told


@pytest.mark.parametrize(
    ("places", "effective", "told"),
    [
        (("Place(gpu:0)",), ON_CPU, True),
        (("Place(cpu)", "Place(gpu:1)"), ON_CPU, True),
        (("Place(cpu)",), ON_GPU, False),
        ((), ON_GPU, True),
        ((), ON_CPU, False),
    ],
)
def test_it_ran_on_the_gpu_when_an_output_was_there_and_before_a_run_when_the_configuration_says_so(
    places: tuple[str, ...], effective: Effective, told: bool
) -> None:
    assert ran(places=places, effective=effective).ran_on_gpu is told


@pytest.mark.parametrize(
    ("precision", "executed", "dtypes", "told"),
    [
        ("bf16", {"convolution bf16 f32": 1}, ("float32",), True),
        ("bf16", {"convolution f32": 1}, ("float32", "bfloat16"), False),
        ("bf16", {"reorder bf16 f32": 1, "convolution f32": 1}, ("float32",), False),
        ("bf16", {}, ("float32", "bfloat16"), True),
        ("bf16", None, ("bfloat16",), True),
        ("bf16", None, ("float16", "float32"), False),
        ("fp16", None, ("float16", "float32"), True),
        ("fp16", {}, ("float32",), False),
        ("fp16", {"matmul f16": 1}, ("float32",), True),
        ("fp16", {"matmul bf16": 1}, ("bfloat16",), False),
        ("int8", {"convolution s8 u8": 1}, ("float32",), True),
        ("int8", {"matmul s8": 1}, ("float32",), True),
        ("int8", {"matmul f32 s32": 1}, ("float32",), False),
        ("int8", None, ("int8",), True),
        ("int8", None, ("int64", "int32", "float32"), False),
    ],
)
def test_a_precision_was_computed_in_when_a_primitive_or_else_an_operator_used_it(
    precision: str, executed: Mapping[str, int] | None, dtypes: tuple[str, ...], told: bool
) -> None:
    assert ran(primitives=executed, dtypes=dtypes).computed_in(precision) is told


def test_a_program_is_what_was_executed_in_whatever_order_it_was_told() -> None:
    one = ran(operators={"a": 1, "b": 2}, primitives={"x f32": 1, "y f32": 2}, dtypes=("float32", "int64"), places=("p", "q"))
    other = ran(operators={"b": 2, "a": 1}, primitives={"y f32": 2, "x f32": 1}, dtypes=("int64", "float32"), places=("q", "p"))
    assert one.program == other.program


@pytest.mark.parametrize(
    "changed",
    [
        {"operators": {"pd_op.conv2d": 3}},
        {"operators": {"pd_op.conv2d": 2, "pd_op.relu": 1}},
        {"primitives": {"convolution f32": 1}},
        {"dtypes": ("float16",)},
        {"places": ("Place(gpu:0)",)},
        {"effective": replace(ON_CPU, threads=2)},
        {"tf32": True},
    ],
)
def test_another_operator_primitive_dtype_place_or_thread_is_another_program(changed: dict[str, Any]) -> None:
    assert ran(**changed).program != PLAIN.program


def test_engines_of_tensorrt_are_told_apart_by_what_was_asked_for() -> None:
    on_tensorrt = replace(ON_CPU, tensorrt=True)
    half, full = ((("enable_tensorrt_engine", (f"precision_mode={kind}",)),) for kind in ("Half", "Float32"))
    one, two = (ran(effective=on_tensorrt, calls=calls) for calls in (half, full))
    assert one.program != two.program
    assert one.program == ran(effective=on_tensorrt, calls=(*half, ("disable_glog_info", ()))).program
    assert ran(calls=half).program == ran(calls=full).program, "where TensorRT is off they say nothing"


@pytest.mark.parametrize(
    "changed", [{"calls": (("f", ()),)}, {"refused": ("x",)}, {"passes": ()}, {"pir": False}, {"primitives": None}]
)
def test_what_was_asked_for_and_not_executed_makes_no_other_program(changed: dict[str, Any]) -> None:
    assert ran(**changed).program == PLAIN.program


def test_evidence_of_another_process_says_the_same() -> None:
    calls = (("switch_ir_optim", ("False",)),)
    told = json.loads(json.dumps(asdict(ran(calls=calls, primitives={"convolution f32": 1}))))
    again = Evidence(**{**told, "effective": Effective(**told["effective"])})
    assert again.program == ran(primitives={"convolution f32": 1}).program


# -- findings ----------------------------------------------------------------------------------------------------------

Calls = tuple[tuple[str, tuple[str, ...]], ...]
MANY = tuple(f"pass_{number}" for number in range(NO_OPTIMISATION_PASSES + 1))


def asked(base: str = "cpu", precision: str = "fp32", label: str = "mine") -> Request:
    return Request(label, base, precision)


def called(*calls: tuple[str, ...]) -> Calls:
    """Calls of an own function, each as its name and its arguments as text."""
    return tuple((name, tuple(arguments)) for name, *arguments in calls)


class Case(NamedTuple):
    """One option: the request, a run in which Paddle ignored it and what is said of it, and a run in which it took effect."""

    name: str
    request: Request
    ignored: Evidence
    sentence: str
    took_effect: Evidence
    severe: bool = True


GPU_RUN = ran(effective=ON_GPU, places=("Place(gpu:0)", "Place(cpu)"))
HALF = called(("enable_use_gpu", "100", "0", "PrecisionType.Half"))
BFLOAT = called(("enable_use_gpu", "100", "0", "PrecisionType.Bfloat16"))
NOT_ON_GPU = "the GPU was asked for, and the engine ran on the CPU"
NO_PART = "was asked for, and took no part of the graph"
NOTHING_IN = "was asked for, and nothing was computed in it"
TRT_RUN = ran(GPU_RUN, effective=replace(ON_GPU, tensorrt=True), operators={"pd_op.tensorrt_engine": 1})

CASES: tuple[Case, ...] = (
    Case("the base variant on a CPU build", asked("gpu"), PLAIN, NOT_ON_GPU, GPU_RUN),
    Case("the GPU of an own function on a CPU build", asked(), ran(calls=called(("enable_use_gpu", "100", "0"))), NOT_ON_GPU,
         ran(GPU_RUN, calls=called(("enable_use_gpu", "100", "0")))),
    Case("the GPU before a run", asked("gpu"), ran(places=()), NOT_ON_GPU, ran(effective=ON_GPU, places=())),
    Case("fp16 of the base variant", asked("gpu-fp16", "fp16"), GPU_RUN, f"fp16 {NOTHING_IN}", ran(GPU_RUN, dtypes=("float16", "float32"))),
    Case("fp16 of an own function on a CPU build", asked(), ran(calls=HALF), f"fp16 {NOTHING_IN}",
         ran(GPU_RUN, dtypes=("float32",))),
    Case("bf16 of the GPU", asked("gpu-bf16", "bf16"), GPU_RUN, f"bf16 {NOTHING_IN}", ran(GPU_RUN, dtypes=("bfloat16",))),
    Case("bf16 of an own function on the GPU", asked(precision="bf16"), ran(GPU_RUN, calls=BFLOAT), f"bf16 {NOTHING_IN}",
         ran(GPU_RUN, calls=BFLOAT, dtypes=("bfloat16",))),
    Case("bf16 without kernels", asked("onednn-bf16", "bf16"), ran(primitives={"convolution f32": 2, "reorder bf16 f32": 1}),
         f"bf16 {NOTHING_IN}", ran(primitives={"convolution bf16 f32": 2})),
    Case("bf16 of an own function", asked("onednn", "bf16"),
         ran(calls=called(("enable_mkldnn_bfloat16",)), primitives={"convolution f32": 2}), f"bf16 {NOTHING_IN}",
         ran(calls=called(("enable_mkldnn_bfloat16",)), primitives={"convolution bf16": 2})),
    Case("int8 of a model that is not quantised", asked("onednn-int8", "int8"), ran(primitives={"convolution f32": 2}),
         f"int8 {NOTHING_IN}", ran(primitives={"convolution s32 s8 u8": 2})),
    Case("int8 of an own function", asked(precision="int8"), ran(calls=called(("enable_onednn_int8",)), primitives=None),
         f"int8 {NOTHING_IN}", ran(calls=called(("enable_onednn_int8",)), primitives={"matmul s8 u8": 1})),
    Case("a precision that is not said", asked("onednn"),
         ran(calls=called(("enable_mkldnn_bfloat16",)), primitives={"convolution bf16": 2}),
         "the variant computes in bf16 and is judged as fp32", ran(primitives={"convolution f32": 2})),
    Case("ONNX Runtime", asked("onnxruntime"), PLAIN, f"ONNX Runtime {NO_PART}", ran(operators={"onnxruntime_engine": 1})),
    Case("ONNX Runtime of an own function", asked(), ran(calls=called(("enable_onnxruntime",))), f"ONNX Runtime {NO_PART}",
         ran(calls=called(("enable_onnxruntime",)), operators={"ONNXRuntime": 1})),
    Case("OpenVINO", asked("openvino"), PLAIN, f"OpenVINO {NO_PART}", ran(operators={"openvino_engine": 1})),
    Case("OpenVINO of an own function", asked(), ran(calls=called(("enable_openvino_engine", "PrecisionType.Float32"))),
         f"OpenVINO {NO_PART}", ran(calls=called(("enable_openvino_engine", "x")), operators={"OpenVINO_engine": 1})),
    Case("CINN", asked("cinn"), GPU_RUN, f"CINN {NO_PART}", ran(GPU_RUN, operators={"cinn_op.group": 3})),
    Case("CINN of an own function", asked(), ran(calls=called(("enable_cinn",))), f"CINN {NO_PART}",
         ran(calls=called(("enable_cinn",)), operators={"cinn_runtime.jit_kernel": 1})),
    Case("TensorRT of a graph that is all too small for it", asked("tensorrt"), ran(TRT_RUN, operators={"pd_op.conv2d": 2}),
         f"TensorRT {NO_PART}", TRT_RUN),
    Case("TensorRT of an own function", asked("gpu"), ran(GPU_RUN, calls=called(("enable_tensorrt_engine", "1"))),
         f"TensorRT {NO_PART}", ran(TRT_RUN, calls=called(("enable_tensorrt_engine", "1")))),
    Case("oneDNN that executed nothing", asked("onednn"), PLAIN, "oneDNN was asked for, and executed no operator of this model",
         ran(primitives={"convolution f32": 2}), severe=False),
    Case("oneDNN that only moved memory", asked("onednn"), ran(primitives={"reorder f32": 2}),
         "oneDNN was asked for, and executed no operator of this model", ran(primitives=None, pir=False), severe=False),
    Case("oneDNN of an own function", asked(), ran(calls=called(("enable_mkldnn",))),
         "oneDNN was asked for, and executed no operator of this model",
         ran(calls=called(("enable_mkldnn",)), primitives=None, operators={"onednn_op.conv2d": 2}), severe=False),
    Case("a pass that does not exist", asked(),
         ran(calls=called(("delete_pass", "conv2d_bn_fuze_pass")), unknown_passes=("conv2d_bn_fuze_pass",)),
         "delete_pass('conv2d_bn_fuze_pass') had no effect: this Paddle has no such pass",
         ran(calls=called(("delete_pass", "conv2d_bn_fuse_pass")))),
    Case("a pass whose name is near to that of one that ran", asked(),
         ran(unknown_passes=("conv_bn_fuse_pass",), passes=("map_op_to_another_pass", "conv2d_bn_fuse_pass")),
         "delete_pass('conv_bn_fuse_pass') had no effect: this Paddle has no such pass; its name may be conv2d_bn_fuse_pass",
         ran(passes=("conv2d_bn_fuse_pass",))),
    Case("a pass of the other version's name", asked(), ran(unknown_passes=("conv_mkldnn_pass",)),
         "delete_pass('conv_mkldnn_pass') had no effect: this Paddle has no such pass; its name may be conv_onednn_pass",
         ran(calls=called(("delete_pass", "conv_onednn_pass")))),
    Case("a deleted pass that ran", asked(), ran(calls=called(("delete_pass", "inplace_pass"))),
         "delete_pass('inplace_pass') had no effect: the pass ran",
         ran(calls=called(("delete_pass", "inplace_pass")), passes=("other_pass",))),
    Case("a pass deleted from the list that ran", asked(),
         ran(pir=False, calls=called(("pass_builder",), ("pass_builder.delete_pass", "conv_bn_fuse_pass")), passes=("conv_bn_fuse_pass",)),
         "delete_pass('conv_bn_fuse_pass') had no effect: the pass ran",
         ran(pir=False, calls=called(("pass_builder",), ("pass_builder.delete_pass", "conv_bn_fuse_pass")), passes=("fc_fuse_pass",))),
    *(Case(f"pass_builder.{edit}_pass of a .json", asked(), ran(calls=called(("pass_builder",), (f"pass_builder.{edit}_pass", "x"))),
           "pass_builder() edits a list that Paddle 3 does not use for a .json graph",
           ran(pir=False, calls=called(("pass_builder",), (f"pass_builder.{edit}_pass", "x"))))
      for edit in ("append", "insert", "delete")),
    Case("switch_ir_optim of a .json", asked(), ran(calls=called(("switch_ir_optim", "False")), passes=MANY),
         f"switch_ir_optim(False) had no effect: {len(MANY)} passes ran",
         ran(calls=called(("switch_ir_optim", "False")), passes=MANY[:NO_OPTIMISATION_PASSES])),
    Case("switch_ir_optim of a .json and of a .pdmodel", asked(), ran(calls=called(("switch_ir_optim", "False")), passes=MANY),
         f"switch_ir_optim(False) had no effect: {len(MANY)} passes ran",
         ran(pir=False, calls=called(("switch_ir_optim", "False")), passes=MANY)),
    Case("a level that does not exist", asked(), ran(calls=called(("set_optimization_level", "99"))),
         "set_optimization_level(99) had no effect: levels are 0 to 3", ran(calls=called(("set_optimization_level", "3")))),
    Case("a level below the lowest", asked(), ran(calls=called(("set_optimization_level", "-1"))),
         "set_optimization_level(-1) had no effect: levels are 0 to 3", ran(calls=called(("set_optimization_level", "0")))),
    Case("the new IR switched off", asked(), ran(calls=called(("enable_new_ir", "False"))),
         "enable_new_ir(False) had no effect: a .json graph has no other form",
         ran(pir=False, calls=called(("enable_new_ir", "False")))),
    *(Case(f"{name} without TensorRT", asked(), ran(calls=called((name, "x"))), f"{name} had no effect: TensorRT is off",
           ran(TRT_RUN, calls=called((name, "x"))))
      for name in ("set_trt_dynamic_shape_info", "exp_disable_tensorrt_ops", "enable_tuned_tensorrt_dynamic_shape")),
    *(Case(f"{name} on the CPU", asked(), ran(calls=called((name, "{'conv2d'}"))),
           f"{name} had no effect: it is for mixed precision on a GPU", ran(GPU_RUN, calls=called((name, "{'conv2d'}"))))
      for name in ("exp_disable_mixed_precision_ops", "exp_enable_mixed_precision_ops")),
    Case("a refusal in the error log", asked(), ran(refused=(REFUSED,)), f"Paddle went on without an option: it said '{REFUSED}'", PLAIN),
)  # fmt: skip


def sentences(found: Iterable[Finding]) -> list[str]:
    return [finding.sentence for finding in found]


def named(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("case", CASES, ids=named)
def test_an_option_that_was_ignored_is_found(case: Case) -> None:
    (finding,) = [finding for finding in findings(case.request, case.ignored) if finding.sentence == case.sentence]
    assert finding.severe is case.severe
    assert finding.remedy.endswith(".") or not case.severe, "whoever is failed is told what to do"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_an_option_that_took_effect_is_not_mentioned(case: Case) -> None:
    assert findings(case.request, case.took_effect) == ()


def test_sentences_have_no_full_stop_because_more_may_follow() -> None:
    assert not [case.name for case in CASES if any(text.endswith(".") for text in sentences(findings(case.request, case.ignored)))]


@pytest.mark.parametrize(
    ("base", "precision"),
    [("cpu", "fp32"), ("cpu-noopt", "fp32"), ("cpu", "tf32"), ("onednn", "fp32")],
)
def test_a_plain_run_has_nothing_to_find(base: str, precision: str) -> None:
    assert findings(asked(base, precision), ran(primitives={"convolution f32": 1})) == ()


def test_everything_that_was_ignored_is_found_once_and_what_the_engine_is_comes_first() -> None:
    calls = called(
        ("enable_use_gpu", "100", "0", "PrecisionType.Half"),
        ("delete_pass", "inplace_pass"),
        ("delete_pass", "inplace_pass"),
        ("enable_onnxruntime",),
    )
    found = sentences(findings(asked(), ran(calls=calls, refused=(REFUSED, REFUSED))))
    assert found == [
        NOT_ON_GPU,
        f"fp16 {NOTHING_IN}",
        f"Paddle went on without an option: it said '{REFUSED}'",
        "delete_pass('inplace_pass') had no effect: the pass ran",
        f"ONNX Runtime {NO_PART}",
    ]


def test_before_a_run_nothing_is_said_about_what_was_executed() -> None:
    before = ran(operators={}, dtypes=(), places=(), primitives=None)
    for base in ("onnxruntime", "openvino", "onednn"):
        assert findings(asked(base), before) == ()
    assert findings(asked("onednn-bf16", "bf16"), before) == ()
    assert findings(asked("onednn-int8", "int8"), before) == ()


def test_tensorrt_may_compute_in_a_precision_that_its_outputs_do_not_show() -> None:
    for base, precision in (("tensorrt-fp16", "fp16"), ("tensorrt-int8", "int8")):
        assert findings(asked(base, precision), TRT_RUN) == ()


@pytest.mark.parametrize(
    ("request_", "calls", "precision"),
    [
        (asked(), (), "fp32"),
        (asked("onednn-bf16", "bf16"), (), "bf16"),
        (asked(precision="tf32"), (), "tf32"),
        (asked(), HALF, "fp16"),
        (asked(), BFLOAT, "bf16"),
        (asked(), called(("enable_use_gpu", "100", "0")), "fp32"),
        (asked(), called(("enable_mkldnn_bfloat16",)), "bf16"),
        (asked(), called(("enable_onednn_bfloat16",)), "bf16"),
        (asked(), called(("enable_mkldnn_int8",)), "int8"),
        (asked(), called(("enable_onednn_int8", "{'conv2d'}")), "int8"),
        (asked(), called(("delete_pass", "half_pass")), "fp32"),
    ],
)
def test_the_precision_is_that_of_the_own_function_else_that_of_the_variant(
    request_: Request, calls: Calls, precision: str
) -> None:
    assert wanted_precision(request_, ran(calls=calls)) == precision


# -- Printed -----------------------------------------------------------------------------------------------------------


def printed_in_a_process(code: str, stdout: Any, stderr: Any) -> None:
    program = f"import ctypes, os, sys\nfrom pytest_paddle_infer.deployed.proof import Printed\nC = ctypes.CDLL(None)\n{code}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}  # such as PYTHONUNBUFFERED
    environment["PYTHONPATH"] = str(ROOT)
    subprocess.run([sys.executable, "-c", program], stdout=stdout, stderr=stderr, env=environment, check=True, timeout=60)


BLOCK = """
print("python before")
C.puts(b"C before")
printed = Printed()
with printed:
    print("python inside")
    C.puts("C inside: \\u00e9".encode())
    os.write(1, b"straight\\n")
    print("error inside", file=sys.stderr)
    C.puts(b"C again")
print("python after")
C.puts(b"C after")
with open("{result}", "w") as file:
    file.write(repr((printed.heard, printed.text)))
"""


@pytest.mark.parametrize("mode", ["w", "a"])
def test_what_native_code_and_python_printed_in_the_block_is_returned_and_stays_in_the_file(tmp_path: Path, mode: str) -> None:
    output, result = tmp_path / "output", tmp_path / "result"
    output.write_text("of an earlier worker\n")
    with output.open(mode) as file:
        printed_in_a_process(BLOCK.replace("{result}", str(result)), file, file)
    heard, text = eval(result.read_text())
    assert heard is True
    assert sorted(text.splitlines()) == sorted(["python inside", "C inside: \u00e9", "straight", "error inside", "C again"])
    assert text.index("C inside") < text.index("C again")
    whole = output.read_text()
    assert text in whole
    assert whole.startswith("of an earlier worker\n") is (mode == "a")
    for line in ("python before", "C before", "python after", "C after"):
        assert whole.splitlines().count(line) == 1


def test_a_second_block_returns_its_own_part_only(tmp_path: Path) -> None:
    result = tmp_path / "result"
    code = (
        "first, second = Printed(), Printed()\nwith first: C.puts(b'one')\nC.puts(b'between')\nwith second: C.puts(b'two')\n"
        f"with Printed(): pass\nopen({str(result)!r}, 'w').write(first.text + '|' + second.text)"
    )
    with (tmp_path / "output").open("w") as file:
        printed_in_a_process(code, file, file)
    assert result.read_text() == "one\n|two\n"


def test_a_block_that_raises_was_heard_too(tmp_path: Path) -> None:
    result = tmp_path / "result"
    code = (
        "printed = Printed()\ntry:\n    with printed:\n        C.puts(b'one')\n        raise RuntimeError\nexcept RuntimeError: pass\n"
        f"open({str(result)!r}, 'w').write(printed.text)"
    )
    with (tmp_path / "output").open("w") as file:
        printed_in_a_process(code, file, file)
    assert result.read_text() == "one\n"


def test_a_file_that_was_deleted_meanwhile_is_heard_all_the_same(tmp_path: Path) -> None:
    output, result = tmp_path / "output", tmp_path / "result"
    code = f"os.unlink({str(output)!r})\nprinted = Printed()\nwith printed: C.puts(b'one')\nopen({str(result)!r}, 'w').write(printed.text)"
    with output.open("w") as file:
        printed_in_a_process(code, file, file)
    assert result.read_text() == "one\n"


@pytest.mark.parametrize("kind", ["pipe", "two files", "null"])
def test_a_process_that_does_not_print_into_one_file_hears_nothing(tmp_path: Path, kind: str) -> None:
    result = tmp_path / "result"
    code = (
        f"printed = Printed()\nwith printed: C.puts(b'one')\nopen({str(result)!r}, 'w').write(repr((printed.heard, printed.text)))"
    )
    if kind == "two files":
        with (tmp_path / "a").open("w") as output, (tmp_path / "b").open("w") as errors:
            printed_in_a_process(code, output, errors)
    else:
        stream = subprocess.DEVNULL if kind == "null" else subprocess.PIPE
        printed_in_a_process(code, stream, stream)
    assert eval(result.read_text()) == (False, "")


def test_this_process_prints_into_two_places_and_hears_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    printed = Printed()
    with printed:
        ctypes.CDLL(None).puts(b"said")
    assert (printed.heard, printed.text) == (False, "")
    assert capfd.readouterr().out == "said\n", "and what was said is still said"
