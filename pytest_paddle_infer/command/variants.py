"""`variants`: the built-in variants, whether they can run here, what each sets, and its parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pytest_paddle_infer.command.ask import BUILD
from pytest_paddle_infer.command.asking import Answer
from pytest_paddle_infer.command.columns import pairs, table
from pytest_paddle_infer.option_table import PARAMETERS, VARIANTS
from pytest_paddle_infer.variants import PRECISIONS

FORMAT = 1
"""Of the JSON text; raised when a key changes its meaning or goes."""

COMMON = "set_cpu_math_library_num_threads(), enable_memory_optim(), switch_ir_optim(True), Paddle 3: enable_new_executor()"
"""What every variant sets; those that are not for a GPU call disable_gpu() too."""

SETS: Mapping[str, str] = {
    "cpu": "disable_mkldnn()",
    "cpu-noopt": "disable_mkldnn(), set_optimization_level(0); Paddle 2: switch_ir_optim(False)",
    "onednn": "enable_mkldnn()",
    "onednn-bf16": "enable_mkldnn(), enable_mkldnn_bfloat16()",
    "onednn-int8": "enable_mkldnn(), enable_mkldnn_int8()",
    "gpu": "enable_use_gpu(Float32)",
    "gpu-fp16": "enable_use_gpu(Half)",
    "gpu-bf16": "enable_use_gpu(Bfloat16)",
    "tensorrt": "enable_use_gpu(Float32), and TensorRT in float32",
    "tensorrt-fp16": "enable_use_gpu(Float32), and TensorRT in float16",
    "tensorrt-int8": "enable_use_gpu(Float32), and TensorRT in int8",
    "cinn": "enable_use_gpu(), enable_cinn()",
    "onnxruntime": "enable_onnxruntime()",
    "openvino": "enable_openvino_engine(Float32)",
}
"""Methods of `paddle.inference.Config` behind the common ones; a test holds them against `deployed.config.SETTERS`. TensorRT is
enable_tensorrt_engine() for a `.pdmodel`, and paddle.tensorrt.convert() for a `.json`."""

MEANINGS: Mapping[str, str] = {
    "threads": "math threads, instead of --paddle-threads",
    "cache": "how many input shapes oneDNN keeps primitives for",
    "device": "the GPU's number",
    "memory": "first size of the GPU's memory pool in MB",
    "tf32": "on or off: whether float32 products may be rounded to TF32",
    "workspace": "most memory for building an engine, as 1G",
    "min_subgraph": "smallest part of the graph that is worth it",
    "shapes": "auto, static or dynamic",
}
"""The parameters of `NAME:KEY=VALUE,KEY=VALUE`."""


NEEDS: Mapping[str, str] = {
    "onednn-int8": "quantised models only",
    "tensorrt-int8": "quantised models only",
    "openvino": "only the .pdmodel that Paddle 2 exports",
}
"""What a variant that can run here asks of the model besides; `deployed.builds` looks into its files for it."""


def reasons(answers: Mapping[str, Answer]) -> list[tuple[str, str]]:
    """(variants, why they cannot run here): one row a reason, the variants in their order."""
    found: dict[str, list[str]] = {}
    for name in VARIANTS:
        answer = answers[name]
        if answer.trouble or answer.value:
            found.setdefault(answer.trouble or str(answer.value), []).append(name)
    return [(", ".join(names), reason) for reason, names in found.items()]


def available(answers: Mapping[str, Answer]) -> list[str]:
    """The variants that can run here."""
    return [name for name in VARIANTS if not answers[name].trouble and not answers[name].value]


def lines(answers: Mapping[str, Answer], missing: str = "") -> list[str]:
    """The table. missing: why Paddle was not asked; `answers` may be empty then."""
    runs = available(answers) if answers else []
    rows = [(name, _here(name, answers, runs), PRECISIONS.get(name, "fp32"), SETS[name]) for name in VARIANTS]
    shown = table(("variant", "here", "computes in", "sets"), rows)
    shown += [f"* {NEEDS[name]}: {name}" for name in NEEDS if name in runs]
    shown += ["", *pairs([("all set", COMMON)], 0)]
    shown += [
        "",
        "parameters, as in onednn:threads=4,cache=10",
        *pairs((key, f"{text}; of {_having(key)}") for key, text in MEANINGS.items()),
    ]
    if missing:
        shown += ["", f"Which of them can run here is not known: {missing}"]
    elif refused := reasons(answers):
        shown += ["", "not here", *told(refused)]
    return shown


def _here(name: str, answers: Mapping[str, Answer], runs: Iterable[str]) -> str:
    if not answers:
        return "?"
    return ("yes *" if name in NEEDS else "yes") if name in runs else "no"


def _having(parameter: str) -> str:
    return ", ".join(name for name in VARIANTS if parameter in PARAMETERS[name])


def told(refused: Iterable[tuple[str, str]]) -> list[str]:
    """Reasons, each below the variants that it is about where those take much room."""
    return [line for names, reason in refused for line in (f"  {names}", *pairs([("", reason)], 4))]


def as_data(answers: Mapping[str, Answer], missing: str = "") -> dict[str, Any]:
    """For `--json`: format, missing (why Paddle was not asked, or null), paddle (its version, or null), variants."""
    known = answers[BUILD].value if answers and not answers[BUILD].trouble else None
    return {
        "format": FORMAT,
        "missing": missing or None,
        "paddle": known["paddle_version"] if known else None,
        "variants": rows_as_data(answers),
    }


def rows_as_data(answers: Mapping[str, Answer]) -> list[dict[str, Any]]:
    """Each variant: name, available (null: not known), needs (of the model), reason, computes_in, sets, parameters; null for none."""
    runs = available(answers) if answers else []
    return [
        {
            "name": name,
            "available": name in runs if answers else None,
            "needs": NEEDS.get(name),
            "reason": (answers[name].trouble or answers[name].value or None) if answers else None,
            "computes_in": PRECISIONS.get(name, "fp32"),
            "sets": SETS[name],
            "parameters": list(PARAMETERS[name]),
        }
        for name in VARIANTS
    ]
