"""Which variants this Paddle and this machine can run, and why not the others."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable

from .config import Request, load_paddle, reads_pir
from .tensorrt import NO_CUDA, availability

_NAMES = rb"(?:de)?quantize_linear|fake_\w*quantize\w*"
QUANTISED = re.compile(rb"\x1a[\x01-\x7f](?:" + _NAMES + rb')|"[\w.]*(?:' + _NAMES + rb')"')
"""The name of a quantising operator in a graph: OpDesc.type (field 3) of a `.pdmodel`, or a string of a `.json`."""


def unavailable(request: Request, model_file: str = "") -> str:
    """Why the variant cannot run here, as part of a sentence; empty when it can. model_file: the graph that it is to run."""
    missing = CHECKS[request.base](request)
    if missing or not model_file:
        return missing
    if request.on_tensorrt and (missing := availability(model_file, request.device)):
        return missing
    if request.base == "openvino" and reads_pir(model_file):
        return "Paddle's OpenVINO takes the .pdmodel of Paddle 2, and this export is a .json"
    if request.base.endswith("-int8") and not QUANTISED.search(Path(model_file).read_bytes()):
        return "the model is not quantised: its graph holds no quantize operator"
    return ""


def _always(request: Request) -> str:
    return ""


def _onednn(request: Request) -> str:
    if not load_paddle().base.core.is_compiled_with_mkldnn():
        return f"this Paddle was built without oneDNN ({platform.machine()})"
    return ""


def _onednn_bf16(request: Request) -> str:
    missing = _onednn(request)
    if not missing and not load_paddle().base.core.supports_bfloat16():
        return "this processor has no AVX512 and bf16 instructions that oneDNN needs for it"
    return missing


def _onednn_int8(request: Request) -> str:
    missing = _onednn(request)
    if not missing and not load_paddle().base.core.supports_int8():
        return "this processor has no instructions that oneDNN needs for int8 (AVX2)"
    return missing


def _gpu(request: Request) -> str:
    paddle = load_paddle()
    if not paddle.is_compiled_with_cuda():
        return NO_CUDA
    count = int(paddle.device.cuda.device_count())
    if count == 0:
        return "no GPU is visible (nvidia-smi; CUDA_VISIBLE_DEVICES)"
    if request.device >= count:
        return f"there is no GPU {request.device}: {count} visible"
    return ""


def _gpu_bf16(request: Request) -> str:
    missing = _gpu(request)
    if missing:
        return missing
    major, minor = load_paddle().device.cuda.get_device_capability(request.device)
    return "" if major >= 8 else f"the GPU has compute capability {major}.{minor}; bf16 needs 8.0 or newer"


def _tensorrt(request: Request) -> str:
    missing = _gpu(request)
    if missing:
        return missing
    return availability(device=request.device)


def _cinn(request: Request) -> str:
    paddle = load_paddle()
    if not _config_has("enable_cinn"):
        return f"Paddle {paddle.__version__} has no option for it; Paddle 3 has"
    if not paddle.is_compiled_with_cinn():
        return "this Paddle was built without CINN; the GPU builds of Paddle 3 have it"
    return _gpu(request)


def _onnxruntime(request: Request) -> str:
    config = load_paddle().inference.Config()
    config.enable_onnxruntime()  # asked for and read back: the build does not say it otherwise
    return "" if config.onnxruntime_enabled() else "this Paddle was built without ONNX Runtime"


def _openvino(request: Request) -> str:
    paddle = load_paddle()
    if not _config_has("enable_openvino_engine"):
        return f"Paddle {paddle.__version__} has no option for it; Paddle 3 has"
    config = paddle.inference.Config()
    config.enable_openvino_engine(paddle.inference.PrecisionType.Float32)
    return "" if config.openvino_engine_enabled() else "this Paddle was built without OpenVINO"


def _config_has(name: str) -> bool:
    found: Any = getattr(load_paddle().inference.Config, name, None)
    return found is not None


CHECKS: Mapping[str, Callable[[Request], str]] = {
    "cpu": _always,
    "cpu-noopt": _always,
    "onednn": _onednn,
    "onednn-bf16": _onednn_bf16,
    "onednn-int8": _onednn_int8,
    "gpu": _gpu,
    "gpu-fp16": _gpu,
    "gpu-bf16": _gpu_bf16,
    "tensorrt": _tensorrt,
    "tensorrt-fp16": _tensorrt,
    "tensorrt-int8": _tensorrt,
    "cinn": _cinn,
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
}
