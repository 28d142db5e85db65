"""Engine variants on real Paddle: what is available, what an ignored option leads to, and what a death leads to."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sessions import Session, assert_green, assert_red, run_shared

BUILTIN = (
    "cpu", "cpu-noopt", "onednn", "onednn-bf16", "onednn-int8", "gpu", "gpu-fp16", "gpu-bf16",
    "tensorrt", "tensorrt-fp16", "tensorrt-int8", "cinn", "onnxruntime", "openvino",
)  # fmt: skip
ALWAYS = ("cpu", "cpu-noopt", "onednn")
REASONS = {
    "onednn-bf16": "this processor has no AVX512 and bf16 instructions",
    "onednn-int8": "the model is not quantised|no instructions that oneDNN needs for int8",
    "gpu": "built without CUDA", "gpu-fp16": "built without CUDA", "gpu-bf16": "built without CUDA",
    "tensorrt": "built without CUDA", "tensorrt-fp16": "built without CUDA", "tensorrt-int8": "built without CUDA",
    "cinn": "built without CINN|has no option for it", "onnxruntime": "built without ONNX Runtime",
    "openvino": "has no option for it|takes the .pdmodel of Paddle 2",
}  # fmt: skip

CONFTEST = """
import ctypes
import os
import signal
import time
from pathlib import Path

import paddle.inference
from paddle.inference import PrecisionType

HERE = Path(__file__).parent


def ignored_gpu(config): config.enable_use_gpu(100, 0)
def ignored_half(config): config.enable_use_gpu(100, 0, PrecisionType.Half)
def ignored_bf16(config): config.enable_mkldnn_bfloat16()
def ignored_int8(config): config.enable_mkldnn(); config.enable_mkldnn_int8()
def ignored_onnxruntime(config): config.enable_onnxruntime()
def ignored_openvino(config): config.enable_openvino_engine(PrecisionType.Float32)
def ignored_pass(config): config.delete_pass("conv2d_bn_fuze_pass")
def ignored_ir_optim(config): config.switch_ir_optim(False)
def ignored_level(config): config.set_optimization_level(99)
def ignored_builder(config): config.pass_builder().delete_pass("conv_bn_fuse_pass")
def ignored_append(config): config.pass_builder().append_pass("no_such_pass")
def ignored_new_ir(config): config.enable_new_ir(False)
def ignored_trt_shapes(config): config.set_trt_dynamic_shape_info({"x": [1, 3, 32, 32]}, {"x": [2, 3, 32, 32]}, {"x": [1, 3, 32, 32]})
def ignored_trt_ops(config): config.exp_disable_tensorrt_ops(["conv2d"])
def ignored_mixed(config): config.exp_disable_mixed_precision_ops({"conv2d"})
def ignored_cutlass(config): config.exp_enable_use_cutlass()
def ignored_executor(config):
    config.enable_new_executor()
    config.delete_pass("conv_bn_fuse_pass")


def taken_nothing(config): pass
def taken_pass(config): config.delete_pass(PASS)
def taken_threads(config): config.set_cpu_math_library_num_threads(2)


def dies_segv(config): ctypes.string_at(0)
def dies_abort(config): config.enable_custom_device("npu", 0)
def dies_kill(config): os.kill(os.getpid(), signal.SIGKILL)
def dies_exit(config): os._exit(7)
def dies_raise(config): raise RuntimeError("no such accelerator")
def dies_typo(config): config.set_threads(2)
def dies_memory(config): raise MemoryError("out of memory")
def dies_hang(config): time.sleep(600)
def dies_buffer(config):
    model, params = (Path(path).read_bytes() for path in (config.prog_file(), config.params_file()))
    config.set_model_buffer(model, len(model), params, len(params))


def leaks(config):
    os.environ["PADDLE_INFER_LEAK"] = "1"
    paddle.set_flags({"FLAGS_benchmark": True})


def looks(config):
    assert "PADDLE_INFER_LEAK" not in os.environ, "an environment variable of another variant"
    assert not paddle.get_flags(["FLAGS_benchmark"])["FLAGS_benchmark"], "a flag of another variant"


PASS = "inplace_pass" if paddle.__version__[0] == "3" else "conv_bn_fuse_pass"
PRECISION = {"taken_bf16": "bf16"}


def pytest_paddle_infer_models(config):
    from pytest_paddle_infer import ModelSpec

    return [ModelSpec("tiny", factory=f"{HERE}/tiny.py:tiny", weights=HERE / "tiny.pdparams", image_size=32)]


def pytest_paddle_infer_variants(config):
    from pytest_paddle_infer import Variant

    mine = [value for name, value in globals().items() if name.startswith(("ignored_", "taken_", "dies_", "leaks", "looks"))]
    return [Variant(function.__name__, function) for function in mine]
"""

IGNORED = {
    "gpu": "the GPU was asked for, and the engine ran on the CPU",
    "half": "the GPU was asked for, and the engine ran on the CPU",
    "int8": "int8 was asked for, and nothing was computed in it",
    "onnxruntime": "Paddle went on without an option: it said 'Please compile with onnxruntime",
    "pass": r"delete_pass\('conv2d_bn_fuze_pass'\) had no effect: this Paddle has no such pass",
    "trt_shapes": "set_trt_dynamic_shape_info had no effect: TensorRT is off",
    "trt_ops": "exp_disable_tensorrt_ops had no effect: TensorRT is off",
    "mixed": "exp_disable_mixed_precision_ops had no effect",
    "cutlass": "Paddle went on without an option",
}
IGNORED_3 = {
    "openvino": "OpenVINO was asked for, and took no part of the graph",
    "ir_optim": r"switch_ir_optim\(False\) had no effect: \d+ passes ran",
    "level": r"set_optimization_level\(99\) had no effect",
    "builder": r"pass_builder\(\) edits a list that Paddle 3 does not use",
    "append": r"pass_builder\(\) edits a list that Paddle 3 does not use",
    "new_ir": r"enable_new_ir\(False\) had no effect",
}
IGNORED_2 = {"executor": r"delete_pass\('conv_bn_fuse_pass'\) had no effect: the pass ran"}

DEATHS = {
    "segv": ("died in 'load the model'", r"SIGSEGV \(signal 11\)"),
    "abort": ("died in 'load the model'", r"SIGABRT \(signal 6\)"),
    "kill": ("died in 'load the model'", r"SIGKILL \(signal 9\)"),
    "exit": ("died in 'load the model'", "exit status 7"),
    "raise": ("the variant's own function raised RuntimeError: no such accelerator",),
    "memory": ("the variant's own function raised MemoryError: out of memory",),
    "typo": ("the variant's own function raised AttributeError: 'Config' object has no attribute 'set_threads'",),
    "hang": ("hangs in 'load the model'", "no end after 5 s"),
}


@pytest.fixture
def variant_repo(made_repo: Path, shared_directory: Path) -> Path:
    """A repo with a variant for every option that Paddle ignores and every death. Made by whoever asks first."""
    target = shared_directory / "variants"
    if not (target / "conftest.py").is_file() or "dies_hang" not in (target / "conftest.py").read_text():
        shutil.copytree(made_repo, target, dirs_exist_ok=True)
        (target / "conftest.py").write_text(CONFTEST)
    return target


def parity(variant: str) -> str:
    return f"test_parity[{variant}]"


@pytest.fixture
def everything(variant_repo: Path, shared_directory: Path) -> Session:
    """`all`, of which the repo's own variants are part; their deaths and hangs are in `deaths`."""
    args = ["--paddle-model=tiny", "--paddle-variant=all", "-k", "not dies_"]
    return Session.shared(shared_directory, "variants-all", lambda: run_shared(shared_directory, variant_repo, *args))


@pytest.fixture
def deaths(variant_repo: Path, shared_directory: Path) -> Session:
    """Every death, the control last."""
    args = [f"paddle-model/tiny::{parity('dies_' + name)}" for name in (*DEATHS, "buffer")] + [
        f"paddle-model/tiny::{parity('cpu')}"
    ]
    return Session.shared(
        shared_directory, "variants-deaths", lambda: run_shared(shared_directory, variant_repo, "--paddle-timeout=5", *args)
    )


# -- availability ------------------------------------------------------------------------------------------------------


def test_all_runs_what_is_available_and_skips_the_rest_with_the_reason(everything: Session) -> None:
    for name in BUILTIN:
        case = everything[parity(name)]
        if name in ALWAYS or (name in ("onednn-bf16", "openvino") and case.outcome == "passed"):
            assert case.outcome == "passed", case.text
        else:
            assert case.outcome == "skipped", f"{name}: {case.outcome}\n{case.text}"
            reason = case.properties["paddle_infer.unavailable"]
            assert any(part in reason for part in REASONS[name].split("|")), f"{name}: {reason}"


def test_each_variant_that_is_missing_fails_where_it_is_named(variant_repo: Path, shared_directory: Path) -> None:
    named = [name for name in BUILTIN if name.startswith(("gpu", "tensorrt", "cinn", "onnx"))]
    args = [f"--paddle-variant={name}" for name in named]
    session = run_shared(shared_directory, variant_repo, "--paddle-model=tiny", *args, "-k", "test_parity")
    for name in named:
        assert_red(session, parity(name), f"tiny, {name}: the variant is not available here", REASONS[name])


def test_a_missing_variant_may_be_allowed(variant_repo: Path, shared_directory: Path) -> None:
    session = run_shared(
        shared_directory,
        variant_repo,
        "--paddle-model=tiny",
        "--paddle-variant=gpu",
        "--paddle-variant=cpu",
        "--paddle-allow-missing",
    )
    assert session.returncode == 0, session.output
    assert (session[parity("gpu")].outcome, session[parity("cpu")].outcome) == ("skipped", "passed")


# -- proof that it ran -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*IGNORED, *IGNORED_3, *IGNORED_2])
def test_an_option_that_paddle_ignores_is_a_failed_test(everything: Session, name: str, paddle_version: str) -> None:
    other = IGNORED_2 if paddle_version.startswith("3") else IGNORED_3
    if name in other:
        pytest.skip(f"{name} is no option of Paddle {paddle_version}, or takes effect there")
    assert_red(everything, parity(f"ignored_{name}"), {**IGNORED, **IGNORED_3, **IGNORED_2}[name])


def test_bf16_without_oneDNN_is_a_failed_test(everything: Session) -> None:
    assert_red(
        everything, parity("ignored_bf16"), "bf16 was asked for, and nothing was computed in it|computes in bf16 and is judged as"
    )


@pytest.mark.parametrize("name", ["nothing", "pass", "threads"])
def test_an_option_that_took_effect_passes(everything: Session, name: str) -> None:
    assert everything[parity(f"taken_{name}")].outcome == "passed", everything[parity(f"taken_{name}")].text


def test_two_variants_that_executed_the_same_program_are_reported(everything: Session) -> None:
    assert "tiny: taken_nothing executed the same program as cpu" in everything.output


def test_what_one_variant_sets_does_not_reach_the_next(everything: Session) -> None:
    for name in ("leaks", "looks"):
        assert everything[parity(name)].outcome == "passed", everything[parity(name)].text


def test_the_variants_are_compared_in_a_table(everything: Session) -> None:
    lines = everything.output.splitlines()
    heading = next(line for line in lines if line.split()[:1] == ["variant"] and "p50 ms" in line)
    assert all(
        word in heading for word in ("worst / limit", "answers", "p99 ms", "samples/s", "x training", "x cpu", "first ms", "MB")
    )
    assert any(line.startswith("tensorrt: not available: ") for line in lines)


# -- deaths ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEATHS)
def test_a_variant_that_ends_its_process_is_one_failed_test_that_names_the_step(deaths: Session, name: str) -> None:
    assert_red(deaths, parity(f"dies_{name}"), f"tiny, dies_{name}: the ", *DEATHS[name])


@pytest.mark.parametrize("name", ["raise", "memory", "typo"])
def test_a_function_of_a_variant_that_raises_is_told_with_its_line_and_no_pass_is_looked_for(deaths: Session, name: str) -> None:
    case = deaths[parity(f"dies_{name}")]
    assert re.search(rf"at: +\S*conftest\.py:\d+: def dies_{name}", " ".join(case.text.split())), case.text
    assert case.properties["paddle_infer.stage"] == "load"
    assert "pass" not in case.text.replace("paddle", "")


def test_a_model_from_memory_is_a_failure_where_this_paddle_dies_of_it(deaths: Session, paddle_version: str) -> None:
    if paddle_version.startswith("3"):
        assert_red(deaths, parity("dies_buffer"), "died in 'load the model'", "SIGSEGV")
    else:
        assert deaths[parity("dies_buffer")].outcome == "passed", deaths[parity("dies_buffer")].text


def test_the_variants_after_the_deaths_are_right(deaths: Session) -> None:
    assert deaths[parity("cpu")].outcome == "passed", deaths.output


# -- another interpreter -----------------------------------------------------------------------------------------------


@pytest.fixture
def other_python() -> str:
    """The environment of the other Paddle, which `make` puts beside this one."""
    here = Path(sys.prefix)
    other = here.parent / {"paddle3": "paddle26", "paddle26": "paddle3"}.get(here.name, "none") / "bin" / "python"
    if not other.is_file():
        pytest.skip(f"there is no environment with the other Paddle at {other}; `make environments` makes both")
    return str(other)


def test_the_engine_may_run_under_another_interpreter(repo: Path, run_session: Callable[..., Session]) -> None:
    session = run_session(
        repo, "--paddle-model=tiny", f"--paddle-python={sys.executable}", "--paddle-variant=cpu", "--paddle-variant=onednn"
    )
    assert_green(session, 5)
    assert f"of {sys.executable}" in session.output


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("#!/bin/sh\nexit 3\n", "exit status 3"),
        ("#!/bin/sh\nkill -SEGV $$\n", "SIGSEGV"),
        ("#!/bin/sh\necho no numpy >&2\nexit 1\n", "no numpy"),
        (
            "#!/bin/sh\necho \"ModuleNotFoundError: No module named 'numpy'\" >&2\nexit 1\n",
            r"'numpy'\); install paddlepaddle there\.",
        ),
    ],
)
def test_an_interpreter_without_paddle_is_a_failure_that_says_so(
    repo: Path, run_session: Callable[..., Session], program: str, sentence: str
) -> None:
    fake = repo / "python"
    fake.write_text(f"#!/bin/sh\n{program}\n")
    fake.chmod(0o755)
    session = run_session(repo, "--paddle-model=tiny", f"--paddle-python={fake}", "-k", "test_parity")
    assert_red(session, parity("cpu"), "cannot run Paddle Inference", sentence)


def test_an_export_of_paddle_2_is_proved_on_paddle_3_and_the_reverse_is_refused_before_it_dies(
    repo: Path, run_session: Callable[..., Session], other_python: str, paddle_version: str
) -> None:
    session = run_session(
        repo, "--paddle-model=tiny", f"--paddle-python={other_python}", "--paddle-variant=cpu", "--paddle-variant=onednn"
    )
    if paddle_version.startswith("2"):
        assert_green(session, 5)
        assert "the inference engine is Paddle 3" in session.output
    else:
        for tail in ("test_artifacts", parity("cpu"), "test_log[onednn]"):
            assert_red(session, tail, "was written by Paddle 3, and Paddle 2.6.2 would die of SIGSEGV loading it")


def test_openvino_runs_an_export_of_paddle_2_under_paddle_3(
    repo: Path, run_session: Callable[..., Session], other_python: str, paddle_version: str
) -> None:
    if paddle_version.startswith("3"):  # no .pdmodel is made here
        session = run_session(repo, "--paddle-model=tiny", "--paddle-variant=openvino", "-k", "test_parity")
        assert_red(session, parity("openvino"), "takes the .pdmodel of Paddle 2")
    else:
        session = run_session(repo, "--paddle-model=tiny", f"--paddle-python={other_python}", "--paddle-variant=openvino")
        assert_green(session, 3)
