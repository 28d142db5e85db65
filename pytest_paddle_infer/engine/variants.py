"""Variants: named configurations of the inference engine, and what was really configured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from pytest_paddle_infer.engine.runtime import load_paddle, paddle_major


@dataclass(frozen=True)
class Variant:
    """A configuration of `paddle.inference.Config`. `configure` sets what differs from the common part."""

    name: str
    configure: Callable[[Any], None]
    device: str = "cpu"
    precision: str = "fp32"


def _cpu(config: Any) -> None:
    config.disable_mkldnn()  # both versions switch oneDNN on by themselves


def _onednn(config: Any) -> None:
    config.enable_mkldnn()


BUILTIN: Mapping[str, Variant] = {variant.name: variant for variant in (Variant("cpu", _cpu), Variant("onednn", _onednn))}


def make_config(model_file: str, params_file: str, variant: Variant, threads: int) -> Any:
    """Returns the `paddle.inference.Config` of this variant: memory optimisation and IR passes on, logs off."""
    config = load_paddle().inference.Config(model_file, params_file)
    config.disable_gpu()
    config.disable_glog_info()
    config.set_cpu_math_library_num_threads(threads)
    if paddle_major() >= 3:
        # 3.x: memory optimisation without it is an error (Paddle issue 75496). 2.6: with it and disable_mkldnn, delete_pass
        # has no effect.
        config.enable_new_executor()
    config.enable_memory_optim()
    config.switch_ir_optim(True)
    variant.configure(config)
    return config


@dataclass(frozen=True)
class Effective:
    """What a `Config` says of itself after everything was set; the benchmark log takes its fields from here."""

    device: str
    ir_optim: bool
    memory_optim: bool
    tensorrt: bool
    mkldnn: bool
    threads: int


def read_back(config: Any) -> Effective:
    """Reads the configuration back: a request that Paddle dropped shows here, not in what was asked for."""
    summary = dict(re.findall(r"^\|\s*(\w+)\s*\|\s*(.*?)\s*\|$", config.summary(), re.MULTILINE))
    return Effective(
        device="gpu" if config.use_gpu() else "cpu",
        ir_optim=bool(config.ir_optim()),
        memory_optim=summary.get("memory_optim") == "true",
        tensorrt=bool(config.tensorrt_engine_enabled()),
        mkldnn=bool(config.mkldnn_enabled()),
        threads=int(config.cpu_math_library_num_threads()),
    )
