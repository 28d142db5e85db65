"""From a request to a `paddle.inference.Config`: what each built-in variant sets, and what a `Config` says of itself afterwards."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from .calls import repeat, told

Call = tuple[str, tuple[Any, ...]]
"""A method of `Config` that was called, and its positional and keyword arguments in one row."""


class ConfigureError(Exception):
    """The function of a variant raised; nothing was loaded yet."""


@dataclass(frozen=True)
class Request:
    """The configuration that is asked for.

    label: what reports call the variant. base: the built-in variant it starts from. precision: what is to be computed in, such as
    "fp32" or "bf16". parameters: those of `name:key=value`, checked before. configure: the user's own function, called with the
    `Config` after the rest. threads: math threads. place: of this process among those that share the machine's GPUs. engine_cache:
    where TensorRT may keep built engines. recorded: calls of an earlier run (see `calls`), to be made again instead of `configure`, and
    verbatim instead of everything else too. without: optimisation passes to delete, and calls: methods of `Config` to call, both after
    the user's function: a diagnosis tries them, so they count as nobody's options.
    """

    label: str
    base: str
    precision: str = "fp32"
    parameters: Mapping[str, str] = field(default_factory=dict)
    configure: Callable[[Any], Any] | None = None
    threads: int = 1
    place: int = 0
    engine_cache: str | None = None
    recorded: Sequence[str] = ()
    verbatim: bool = False
    without: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()

    @property
    def on_gpu(self) -> bool:
        """True when the base computes on a GPU."""
        return self.base.startswith(("gpu", "tensorrt", "cinn"))

    @property
    def on_tensorrt(self) -> bool:
        """True when the base gives the graph to TensorRT."""
        return self.base.startswith("tensorrt")

    @property
    def device(self) -> int:
        """The GPU's number: the one that was named, else the processes take turns."""
        named = self.parameters.get("device")
        return int(named) if named is not None else self.place % max(1, int(load_paddle().device.cuda.device_count()))

    @property
    def gpu_memory_mb(self) -> int:
        """Initial size of the GPU memory pool in MB; Paddle makes it larger when it is used up."""
        return int(self.parameters.get("memory", "500"))


def load_paddle() -> Any:
    """Imports Paddle with its inference part and returns it."""
    import paddle
    import paddle.inference

    return paddle


def paddle_major() -> int:
    """2 or 3."""
    return int(load_paddle().__version__.partition(".")[0])


def reads_pir(model_file: str) -> bool:
    """True for the `.json` graph of Paddle 3, which passes of the new IR optimise; `.pdmodel` goes the old way in both versions."""
    return os.fspath(model_file).endswith(".json")


# -- recording ---------------------------------------------------------------------------------------------------------

_RECORDERS: dict[type, type] = {}


class _RecordedBuilder:
    """The list of passes that `Config.pass_builder()` edits; its calls are recorded as `pass_builder.append_pass` and so on."""

    def __init__(self, builder: Any, note: Callable[[str, tuple[Any, ...], Mapping[str, Any]], None]) -> None:
        self._builder, self._note = builder, note

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._builder, name)
        if not callable(value):
            return value

        def called(*args: Any) -> Any:
            self._note(f"pass_builder.{name}", args, {})
            return value(*args)

        return called


def recorder() -> Any:
    """Returns a subclass of this Paddle's `Config` whose `calls` lists what was called on it; `own_calls`: by the user's function.

    `told`: the calls that set it up, as `calls.told` has them. `left_out`: recorded calls that could not be made again.
    Paddle accepts many options and ignores them; what was asked for is held against what ran (see `proof`).
    """
    base = load_paddle().inference.Config
    if base not in _RECORDERS:

        class RecordedConfig(base):  # type: ignore[misc, valid-type]
            def __init__(self, *files: str) -> None:
                super().__init__(*files)
                self.calls: list[Call] = []
                self.own_calls: tuple[Call, ...] = ()
                self.told: tuple[str, ...] = ()
                self.left_out: tuple[str, ...] = ()
                self._made: list[tuple[str, tuple[Any, ...], Mapping[str, Any]]] = []

            def _note(self, name: str, args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
                self.calls.append((name, (*args, *named.values())))
                self._made.append((name, args, named))

            def __getattribute__(self, name: str) -> Any:
                value = super().__getattribute__(name)
                if name.startswith("_") or not callable(value):
                    return value
                if "_made" not in super().__getattribute__("__dict__"):
                    return value

                def called(*args: Any, **named: Any) -> Any:
                    self._note(name, args, named)
                    made = value(*args, **named)
                    return _RecordedBuilder(made, self._note) if name == "pass_builder" else made

                return called

        RecordedConfig.__name__ = RecordedConfig.__qualname__ = "Config"  # as an AttributeError in the user's function calls it
        _RECORDERS[base] = RecordedConfig
    return _RECORDERS[base]


# -- what each built-in variant sets -----------------------------------------------------------------------------------


def _cpu(config: Any, request: Request) -> None:
    config.disable_mkldnn()  # both versions switch oneDNN on by themselves


def _cpu_noopt(config: Any, request: Request) -> None:
    config.disable_mkldnn()
    if hasattr(config, "set_optimization_level"):
        config.set_optimization_level(0)  # 3.x: switch_ir_optim(False) changes nothing for a `.json` graph
    if not hasattr(config, "set_optimization_level") or not reads_pir(config.prog_file()):
        config.switch_ir_optim(False)


def _onednn(config: Any, request: Request) -> None:
    config.enable_mkldnn()
    if "cache" in request.parameters:
        config.set_mkldnn_cache_capacity(int(request.parameters["cache"]))


def _onednn_bf16(config: Any, request: Request) -> None:
    _onednn(config, request)
    config.enable_mkldnn_bfloat16()


def _onednn_int8(config: Any, request: Request) -> None:
    _onednn(config, request)
    config.enable_mkldnn_int8()


def _gpu(config: Any, request: Request) -> None:
    precision = load_paddle().inference.PrecisionType
    kinds = {"gpu-fp16": precision.Half, "gpu-bf16": precision.Bfloat16}
    config.enable_use_gpu(request.gpu_memory_mb, request.device, kinds.get(request.base, precision.Float32))


def _cinn(config: Any, request: Request) -> None:
    config.enable_use_gpu(request.gpu_memory_mb, request.device)
    config.enable_cinn()


def _onnxruntime(config: Any, request: Request) -> None:
    config.enable_onnxruntime()


def _openvino(config: Any, request: Request) -> None:
    config.enable_openvino_engine(load_paddle().inference.PrecisionType.Float32)


SETTERS: Mapping[str, Callable[[Any, Request], None]] = {
    "cpu": _cpu,
    "cpu-noopt": _cpu_noopt,
    "onednn": _onednn,
    "onednn-bf16": _onednn_bf16,
    "onednn-int8": _onednn_int8,
    "gpu": _gpu,
    "gpu-fp16": _gpu,
    "gpu-bf16": _gpu,
    "tensorrt": _gpu,
    "tensorrt-fp16": _gpu,
    "tensorrt-int8": _gpu,
    "cinn": _cinn,
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
}
"""What differs from the common part. TensorRT is added to its variants by `predictor`, which knows the shapes."""


def make_config(
    model_file: str, params_file: str, request: Request, glog: bool = False, also: Callable[[Any], None] | None = None
) -> Any:
    """Returns the recorded `Config`: memory optimisation and IR passes on, the base variant, the user's own function, the diagnosis.

    glog: keep Paddle's log lines, which alone name the passes that ran. also: what the base variant needs beyond its setter.
    """
    config = recorder()(os.fspath(model_file), os.fspath(params_file))
    if not request.verbatim:
        if not request.on_gpu:
            config.disable_gpu()
        config.set_cpu_math_library_num_threads(request.threads)
        if paddle_major() >= 3:
            # 3.x: memory optimisation without it is an error (Paddle issue 75496). 2.6: with it and disable_mkldnn, delete_pass
            # has no effect.
            config.enable_new_executor()
        config.enable_memory_optim()
        config.switch_ir_optim(True)
        SETTERS[request.base](config, request)
        if also is not None:
            also(config)
    _repeat(config, [call for call in request.recorded if request.verbatim and not _is_own(call)])
    before = len(config.calls)
    if request.configure is not None:
        try:
            request.configure(config)
        except Exception as error:
            raise ConfigureError(f"the variant's own function raised {type(error).__name__}: {error}") from error
    _repeat(config, [call for call in request.recorded if _is_own(call)])
    config.own_calls = tuple(config.calls[before:])
    config.told = tuple(told(name, args, named, number >= before) for number, (name, args, named) in enumerate(config._made))
    for name, args in request.calls:
        getattr(config, name)(*args)
    for name in request.without:  # last: disable_mkldnn() and others make the list of passes anew
        config.delete_pass(name)
    added = custom_passes(config)
    if set(added) & set(request.without):  # 3.3.1 runs them whatever is deleted; asking again replaces the list
        asked = [args for name, args in config.own_calls if name == "enable_custom_passes"][-1]
        config.enable_custom_passes([name for name in added if name not in request.without], *asked[1:])
    if not glog:  # no part of what is told: it sets nothing but what is printed
        config.disable_glog_info()
    return config


def custom_passes(config: Any) -> tuple[str, ...]:
    """The passes that the user's own function added with `enable_custom_passes`."""
    asked = [args for name, args in config.own_calls if name == "enable_custom_passes" and args]
    return tuple(asked[-1][0]) if asked else ()


def registered_name(heard: str, pir: bool) -> str:
    """The name by which `delete_pass` knows a pass that Paddle's log names.

    3.3.1 registers conv_activation_onednn_fuse_pass and conv_concat_activation_onednn_fuse_pass, and logs both with `mkldnn`.
    """
    return heard.replace("mkldnn", "onednn") if pir else heard


def _repeat(config: Any, calls: Sequence[str]) -> None:
    paddle = load_paddle()
    config.left_out = (*config.left_out, *repeat(config, calls, paddle.inference, paddle.__version__))


def _is_own(call: str) -> bool:
    return bool(json.loads(call)["own"])


# -- reading back ------------------------------------------------------------------------------------------------------


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
    try:
        text = config.summary()
    except (UnicodeDecodeError, RuntimeError):
        # a model given by set_model_buffer stands in it, byte for byte; or TensorRT is enabled and its library is missing (2.6.2)
        text = "| memory_optim | true |" if any(name == "enable_memory_optim" for name, _ in config.calls) else ""
    summary = dict(re.findall(r"^\|\s*(\w+)\s*\|\s*(.*?)\s*\|$", text, re.MULTILINE))
    levels = [args[0] for name, args in config.calls if name == "set_optimization_level"]
    return Effective(
        device="gpu" if config.use_gpu() else "cpu",
        # 3.x reports ir_optim as it was set, and sets it aside for set_optimization_level
        ir_optim=bool(config.ir_optim()) and not (levels and levels[-1] == 0),
        memory_optim=summary.get("memory_optim") == "true",
        tensorrt=bool(config.tensorrt_engine_enabled()),
        mkldnn=bool(config.mkldnn_enabled()),
        threads=int(config.cpu_math_library_num_threads()),
    )
