"""Proof that it ran: what the predictor executed, held against what was asked for.

Paddle accepts many options and ignores them without a word (PaddlePaddle 2.6.2 and 3.3.1: the GPU on a CPU wheel, bf16 and int8 on a
processor or a model without them, OpenVINO, ONNX Runtime, passes that do not exist). So nothing is believed that was only configured:
passes come from Paddle's own log lines, operators, their dtypes and places from the output hook of a cloned predictor, oneDNN
primitives from oneDNN's verbose mode during one run.
"""

from __future__ import annotations

import contextlib
import ctypes
import difflib
import os
import re
import stat
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from .config import Effective, Request, load_paddle, read_back

NO_OPTIMISATION_PASSES = 6
"""Passes of 3.x that run whatever is set, because a PIR program needs them to run at all: five were seen on 3.3.1."""

OPTIMISATION_LEVELS = 3
"""Highest level of `set_optimization_level` that means anything; a higher one is taken for it without a word."""


# -- what the process printed ------------------------------------------------------------------------------------------


class Printed:
    """What native code printed inside a `with` block, where this process prints into a file (as workers do); else nothing."""

    def __init__(self) -> None:
        self.text = ""
        self.heard = False
        with contextlib.suppress(OSError):  # one of them is closed
            self.heard = stat.S_ISREG(os.fstat(1).st_mode) and os.path.sameopenfile(1, 2)

    def __enter__(self) -> Printed:
        self._from = self._size()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.heard:
            length = self._size() - self._from
            path = Path("/proc/self/fd/1")  # it may be open for writing only
            with contextlib.suppress(OSError), path.open("rb") as stream:
                stream.seek(self._from)
                self.text = stream.read(length).decode(errors="replace")

    def _size(self) -> int:
        if not self.heard:
            return 0
        sys.stdout.flush()
        ctypes.CDLL(None).fflush(None)
        return os.fstat(1).st_size


def passes_that_ran(printed: str) -> tuple[str, ...]:
    """Names of the optimisation passes in the order in which they ran; one may run twice."""
    return tuple(re.findall(r"Running (?:IR|PIR) pass \[(.*?)\]", printed))


def refusals(printed: str) -> tuple[str, ...]:
    """What Paddle's error log said while the configuration was made: it goes on without the option then."""
    found = re.findall(r"^E\d{4} [^\]]*\] (.*(?:[Pp]lease|not (?:support|compiled)).*)$", printed, re.MULTILINE)
    return tuple(dict.fromkeys(line.strip() for line in found))


# -- oneDNN ------------------------------------------------------------------------------------------------------------


def onednn_library() -> Any | None:
    """The oneDNN library that Paddle brought, to switch its verbose mode; None where there is none."""
    libraries = Path(load_paddle().__file__).parent / "libs"
    for path in sorted(libraries.glob("libdnnl.so*")) + sorted(libraries.glob("libdnnl*.dylib")):
        with contextlib.suppress(OSError, AttributeError):
            library = ctypes.CDLL(str(path))
            library.dnnl_set_verbose  # noqa: B018 - AttributeError where it is not exported
            return library
    return None


@contextlib.contextmanager
def listening() -> Iterator[Callable[[], Mapping[str, int] | None]]:
    """Yields a function that returns, after the block, how often each oneDNN primitive ran in it; None where that cannot be told."""
    found: list[Mapping[str, int] | None] = [None]
    printed = Printed()
    library = onednn_library() if printed.heard else None
    if library is None:
        yield lambda: None
        return
    with printed:
        library.dnnl_set_verbose(1)
        try:
            yield lambda: found[0]
        finally:
            library.dnnl_set_verbose(0)
    found[0] = primitives(printed.text)


def primitives(printed: str) -> Mapping[str, int]:
    """Counts the executions in oneDNN's verbose lines, by kind and the dtypes of its memory: "convolution bf16"."""
    counts: Counter[str] = Counter()
    for line in printed.splitlines():
        words = line.split(",")
        if words[0] in ("onednn_verbose", "dnnl_verbose") and "exec" in words:
            _, kind, _, _, memory = (*words[words.index("exec") + 1 :], *[""] * 5)[:5]
            dtypes = sorted(set(re.findall(r"(?:^| )\w+?[_:](f32|bf16|f16|s8|u8|s32):", memory)))
            counts[" ".join([kind, *dtypes])] += 1
    return dict(counts)


# -- operators ---------------------------------------------------------------------------------------------------------


@dataclass
class Operators:
    """What the output hook saw in one run: kinds of operators and how many of each, dtypes and places of what they put out."""

    kinds: Counter[str] = field(default_factory=Counter)
    dtypes: set[str] = field(default_factory=set)  # type: ignore[type-arg, unused-ignore]
    places: set[str] = field(default_factory=set)  # type: ignore[type-arg, unused-ignore]
    _last: str = ""

    def hook(self, operator: str, name: str, tensor: Any) -> None:
        """For `register_output_hook`; called for each output of each operator. It must not raise: Paddle loses the message."""
        with contextlib.suppress(Exception):
            if operator != self._last or ":" not in operator:  # 3.x numbers them: several outputs of one operator
                self.kinds[operator.partition(":")[0]] += 1
            self._last = operator
            self.dtypes.add(str(tensor.dtype).rpartition(".")[2])
            self.places.add(str(tensor.place))


# -- evidence and verdict ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Evidence:
    """What was asked for by the user's own function, what Paddle said, and what ran.

    calls: (method, arguments as text). unknown_passes: asked to be deleted, and not registered in this Paddle. operators, dtypes, places:
    of one run; empty before it. primitives: of oneDNN; None where not told. configuration: every call that set the `Config` up, as `calls`
    tells them. left_out: calls that were to be made again and could not be.
    """

    effective: Effective
    pir: bool
    calls: tuple[tuple[str, tuple[str, ...]], ...] = ()
    refused: tuple[str, ...] = ()
    passes: tuple[str, ...] = ()
    unknown_passes: tuple[str, ...] = ()
    operators: Mapping[str, int] = field(default_factory=dict)
    dtypes: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    primitives: Mapping[str, int] | None = None
    tf32: bool = False
    configuration: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def program(self) -> tuple[Any, ...]:
        """What was executed; two variants with the same one are the same in all but name.

        Of TensorRT's engines, which show nothing of what is in them, how they were asked for.
        """
        kinds = tuple(sorted(self.operators.items()))
        primitives = tuple(sorted((self.primitives or {}).items()))
        hidden = tuple(sorted(call for call in self.calls if re.search("tensorrt|trt", call[0]))) if self.effective.tensorrt else ()
        places = tuple(sorted(self.places))
        return kinds, primitives, tuple(sorted(self.dtypes)), places, self.effective.threads, self.tf32, hidden

    @property
    def ran_onednn(self) -> bool | None:
        """True when oneDNN did something in the run, beyond reordering memory; None when nobody can tell."""
        if self.primitives is not None:
            return any(not name.startswith("reorder") for name in self.primitives)
        if self.pir and self.operators:
            return any(name.startswith("onednn_op.") for name in self.operators)
        return None

    @property
    def ran_on_gpu(self) -> bool:
        """True when an operator put its output on a GPU; before a run, what the configuration says."""
        return any("gpu:" in place for place in self.places) if self.places else self.effective.device == "gpu"

    def computed_in(self, precision: str) -> bool:
        """True when the run computed anything in `precision`."""
        spelled = {"bf16": ("bf16", "bfloat16"), "fp16": ("f16", "float16"), "int8": ("s8", "u8", "int8", "uint8")}[precision]
        if self.primitives or (precision == "int8" and self.primitives is not None):  # casting is not computing
            seen = {word for name in self.primitives or () if not name.startswith("reorder") for word in name.split()[1:]}
        else:
            seen = set(self.dtypes)
        return bool(seen & set(spelled))


def gather(config: Any, pir: bool, printed: str) -> Evidence:
    """Returns the evidence that there is once the predictor is made."""
    return Evidence(
        effective=read_back(config),
        pir=pir,
        calls=tuple((name, tuple(str(arg) for arg in args)) for name, args in config.own_calls),
        refused=refusals(printed),
        passes=passes_that_ran(printed),
        unknown_passes=unknown_deletions(config, pir),
        tf32=config.use_gpu() and _tensor_cores_round_to_tf32(),
        configuration=config.told,
        left_out=config.left_out,
    )


def unknown_deletions(config: Any, pir: bool) -> tuple[str, ...]:
    """Passes that the user's function asked to be deleted, and that this Paddle has not."""
    deleted = [str(args[0]) for name, args in config.own_calls if name in (DELETING[:1] if pir else DELETING) and args]
    return tuple(name for name in deleted if not is_registered(name, pir))


def no_such_pass(name: str, near: Sequence[str]) -> str:
    """The sentence for one of them, without its full stop. near: passes among which the one may be that was meant."""
    hint = name.replace("mkldnn", "onednn")
    found = [hint] if hint != name else difflib.get_close_matches(name, near, 1)
    other = f"; its name may be {found[0]}" if found else ""
    return f"delete_pass({name!r}) had no effect: this Paddle has no such pass{other}"


def is_registered(name: str, pir: bool) -> bool:
    """True when this Paddle has an optimisation pass of that name."""
    core = load_paddle().base.core
    try:
        if pir:
            core.pir.PassManager().add_pass(name, {})
        else:
            core.get_pass(name)
    except Exception:  # Paddle raises RuntimeError or ValueError, by version
        return False
    return True


def _tensor_cores_round_to_tf32() -> bool:
    """True where float32 products run on tensor cores: compute capability 8.0 or newer, unless NVIDIA_TF32_OVERRIDE=0 forbids it."""
    paddle = load_paddle()
    if os.environ.get("NVIDIA_TF32_OVERRIDE") == "0" or not paddle.is_compiled_with_cuda() or not paddle.device.cuda.device_count():
        return False
    return int(paddle.device.cuda.get_device_capability()[0]) >= 8


@dataclass(frozen=True)
class Finding:
    """One thing that did not happen as asked, in a sentence without its full stop, with the remedy.

    severe: the variant is not what it says.
    """

    sentence: str
    remedy: str = ""
    severe: bool = True


def findings(request: Request, evidence: Evidence) -> tuple[Finding, ...]:
    """Returns what was asked for and did not happen, the nearest to the user first."""
    found = [*_devices(request, evidence), *_options(evidence), *_engines(request, evidence)]
    return tuple({finding.sentence: finding for finding in found}.values())


DELETING = ("delete_pass", "pass_builder.delete_pass")
EDITING = tuple(f"pass_builder.{name}_pass" for name in ("append", "insert", "delete"))


def _called(evidence: Evidence, *names: str) -> list[tuple[str, ...]]:
    """The arguments of each call of one of these methods."""
    return [args for name, args in evidence.calls if name in names]


def _devices(request: Request, evidence: Evidence) -> Iterator[Finding]:
    wants_gpu = request.on_gpu or bool(_called(evidence, "enable_use_gpu"))
    if wants_gpu and not evidence.ran_on_gpu:
        yield Finding(
            "the GPU was asked for, and the engine ran on the CPU", "install a GPU build of Paddle, or deploy with a CPU variant."
        )
    precision = wanted_precision(request, evidence)
    if precision != request.precision and precision != "fp32" and evidence.operators and evidence.computed_in(precision):
        yield Finding(
            f"the variant computes in {precision} and is judged as {request.precision}",
            f"give the variant that precision: Variant({request.label!r}, ..., precision={precision!r}).",
        )
    told = bool(evidence.operators) or evidence.primitives is not None
    if precision in ("bf16", "fp16", "int8") and told and not request.on_tensorrt and not evidence.computed_in(precision):
        remedy = {
            "int8": "give a model that was quantised: Paddle computes any other in float32.",
            "bf16": "this processor or this Paddle has no bf16 kernels for the model's operators; deploy with onednn.",
        }.get(precision, "deploy with fp32, or on a device that has it.")
        yield Finding(f"{precision} was asked for, and nothing was computed in it", remedy)


def wanted_precision(request: Request, evidence: Evidence) -> str:
    """The precision that the variant states, or that the user's function asked for."""
    words = " ".join(" ".join(args) for args in _called(evidence, "enable_use_gpu")).lower()
    if _called(evidence, "enable_mkldnn_bfloat16", "enable_onednn_bfloat16") or "bfloat16" in words:
        return "bf16"
    if _called(evidence, "enable_mkldnn_int8", "enable_onednn_int8"):
        return "int8"
    return "fp16" if "half" in words else request.precision


def _options(evidence: Evidence) -> Iterator[Finding]:
    """Options of the user's function that this Paddle took without effect."""
    for text in evidence.refused:
        yield Finding(f"Paddle went on without an option: it said {text!r}", "take the option out, or install a build that has it.")
    for name in evidence.unknown_passes:
        yield Finding(no_such_pass(name, evidence.passes), "correct its name.")
    for name, *_ in _called(evidence, *(DELETING[:1] if evidence.pir else DELETING)):
        if name in evidence.passes:
            yield Finding(
                f"delete_pass({name!r}) had no effect: the pass ran",
                "with Paddle 2.6 leave enable_new_executor() out: beside disable_mkldnn() it throws deletions away.",
            )
    if evidence.pir:
        yield from _pir_options(evidence)
    if not evidence.effective.tensorrt:
        for name in ("set_trt_dynamic_shape_info", "exp_disable_tensorrt_ops", "enable_tuned_tensorrt_dynamic_shape"):
            if _called(evidence, name):
                yield Finding(f"{name} had no effect: TensorRT is off", "start from the variant tensorrt, or take the call out.")
    if not evidence.ran_on_gpu:
        for name in ("exp_disable_mixed_precision_ops", "exp_enable_mixed_precision_ops"):
            if _called(evidence, name):
                yield Finding(f"{name} had no effect: it is for mixed precision on a GPU", "take the call out.")


def _pir_options(evidence: Evidence) -> Iterator[Finding]:
    off = [args for args in _called(evidence, "switch_ir_optim") if args == ("False",)]
    if off and len(evidence.passes) > NO_OPTIMISATION_PASSES:
        yield Finding(
            f"switch_ir_optim(False) had no effect: {len(evidence.passes)} passes ran",
            "with Paddle 3 call set_optimization_level(0).",
        )
    for level, *_ in _called(evidence, "set_optimization_level"):
        if level.lstrip("-").isdigit() and not 0 <= int(level) <= OPTIMISATION_LEVELS:
            yield Finding(
                f"set_optimization_level({level}) had no effect: levels are 0 to {OPTIMISATION_LEVELS}", "correct the level."
            )
    if _called(evidence, *EDITING):
        yield Finding(
            "pass_builder() edits a list that Paddle 3 does not use for a .json graph",
            "call config.delete_pass or config.enable_custom_passes.",
        )
    if ("False",) in _called(evidence, "enable_new_ir"):
        yield Finding("enable_new_ir(False) had no effect: a .json graph has no other form", "take the call out.")


def _engines(request: Request, evidence: Evidence) -> Iterator[Finding]:
    """Other engines inside Paddle, by the operators that stand for what they took over."""
    if not evidence.operators:
        return
    kinds = " ".join(evidence.operators).lower()
    asked = {
        "OpenVINO": (request.base == "openvino" or _called(evidence, "enable_openvino_engine"), "openvino"),
        "CINN": (request.base == "cinn" or _called(evidence, "enable_cinn"), "cinn"),
        "ONNX Runtime": (request.base == "onnxruntime" or _called(evidence, "enable_onnxruntime"), "onnx"),
        "TensorRT": (request.on_tensorrt or _called(evidence, "enable_tensorrt_engine"), "tensorrt"),
    }
    for engine, (wanted, word) in asked.items():
        if wanted and word not in kinds:
            remedy = "every operator ran in Paddle itself; "
            remedy += (
                "lower min_subgraph, or deploy with gpu." if engine == "TensorRT" else "deploy with a variant that this build has."
            )
            yield Finding(f"{engine} was asked for, and took no part of the graph", remedy)
    wants_onednn = request.base.startswith("onednn") or _called(evidence, "enable_mkldnn", "enable_onednn")
    if wants_onednn and evidence.ran_onednn is False:
        yield Finding("oneDNN was asked for, and executed no operator of this model", severe=False)
