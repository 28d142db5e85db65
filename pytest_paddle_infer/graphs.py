"""The operators of a graph file in execution order, `.json` (PIR of Paddle 3) and `.pdmodel` (ProgramDesc of Paddle 2). No Paddle.

What only names, places or traces is left out, so that two exports of one model read alike. Constants that Paddle keeps in operators
of their own (`full`, `full_int_array`, `fill_constant`) are read as attributes of the operator that takes them. The operators of a
branch or a loop stand in front of the operator that holds it.
Sources: framework.proto (OpDesc, OpDesc.Attr, Scalar) and files written by 2.6.2 and 3.3.1.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_paddle_infer.exports import DTYPES, PIR_DTYPES, ExportError, read_graph
from pytest_paddle_infer.models import TensorSpec
from pytest_paddle_infer.protobuf import message, signed

_NOISE_NAMES = (
    "op_callstack op_role op_role_var op_device op_namescope with_quant_attr struct_name stop_gradient persistable place name col "
    "use_mkldnn use_onednn use_cudnn use_quantizer mkldnn_data_type force_cpu place_type str_value skip_quant_op __inplace_op "
    "fix_seed seed sub_block"
)
NOISE = frozenset(_NOISE_NAMES.split())
"""Attributes that name, place or trace an operator and never change its numbers in inference."""

_CONSTANTS = frozenset(("full", "full_int_array", "fill_constant", "assign_value"))

_OPERANDS: Mapping[str, Mapping[int, str]] = {
    "scale": {1: "scale"}, "dropout": {2: "p"}, "reshape": {1: "shape"}, "pool2d": {1: "kernel_size"}, "concat": {1: "axis"},
    "slice": {1: "starts", 2: "ends"}, "split": {1: "sections", 2: "axis"}, "split_with_num": {1: "axis"}, "clip": {1: "min", 2: "max"},
    "argmax": {1: "axis"}, "sum": {1: "axis"}, "max": {1: "axis"}, "min": {1: "axis"}, "mean": {1: "axis"},
    "prod": {1: "axis"}, "full_like": {1: "value"}, "squeeze": {1: "axis"}, "unsqueeze": {1: "axis"},
    "expand": {1: "shape"}, "tile": {1: "repeat_times"}, "arange": {0: "start", 1: "end", 2: "step"}, "topk": {1: "k"},
    "strided_slice": {1: "starts", 2: "ends", 3: "strides"}, "cumsum": {1: "axis"}, "set_value": {1: "starts", 2: "ends", 3: "steps"},
}  # fmt: skip
"""What the operands of PIR operators are called that an attribute of Paddle 2 or a constant may stand for (ops.yaml of Paddle 3)."""


@dataclass(frozen=True)
class Source:
    """Where an input comes from: a parameter, an input of the network (by name), or an output of an operator (by indices)."""

    kind: str
    name: str = ""
    producer: int = -1
    output: int = 0


@dataclass(frozen=True)
class Operator:
    """One operator. `attributes` without noise, sorted by name; `outputs` are shapes and dtypes where the file has them.

    location: "file:line" of the user's code, where a `.pdmodel` kept it; else empty.
    """

    kind: str
    attributes: tuple[tuple[str, Any], ...] = ()
    inputs: tuple[Source, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    location: str = ""


@dataclass(frozen=True)
class Program:
    """A graph file: `form` is "json" or "pdmodel"; `outputs` in fetch order."""

    form: str
    inputs: tuple[TensorSpec, ...]
    operators: tuple[Operator, ...]
    outputs: tuple[Source, ...]


def read_program(path: Path) -> Program:
    """Reads every operator of `.json` or `.pdmodel`. Raises `ExportError` when the file is not one."""
    graph = read_graph(path)
    try:
        reader = _read_pir(path) if path.suffix == ".json" else _read_program_desc(path, tuple(graph.parameters))
    except (KeyError, IndexError, TypeError, ValueError, struct.error) as error:
        raise ExportError(f"{path.name} has operators that cannot be read ({type(error).__name__}: {error}).") from error
    operators, outputs = _fold(reader.operators, [source for _, source in sorted(reader.fetched, key=lambda pair: pair[0])])
    return Program(path.suffix[1:], graph.inputs, operators, outputs)


@dataclass
class _Reading:
    operators: list[Operator] = field(default_factory=list)
    fetched: list[tuple[int, Source]] = field(default_factory=list)
    values: dict[Any, Source] = field(default_factory=dict)


def _sorted(attributes: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((name, value) for name, value in attributes.items() if name not in NOISE))


# -- Paddle 3 ----------------------------------------------------------------------------------------------------------


def _read_pir(path: Path) -> _Reading:
    reading = _Reading()
    for block in json.loads(path.read_text(encoding="utf-8"))["program"]["regions"][0]["blocks"]:
        _pir_block(block, reading)
    return reading


def _pir_block(block: Mapping[str, Any], reading: _Reading) -> None:
    for argument in block.get("args", []):
        if isinstance(argument, Mapping) and "%" in argument:
            reading.values.setdefault(argument["%"], Source("argument"))
    for operation in block["ops"]:
        kind = operation["#"]
        if kind == "p":
            reading.values[operation["O"]["%"]] = Source("parameter", operation["A"][3])
            continue
        attributes = {item["N"]: _pir_attribute(item["AT"]) for item in operation.get("A", [])}
        kind = kind.partition(".")[2] or kind
        outputs = operation.get("O", [])
        if kind == "data":
            reading.values[outputs[0]["%"]] = Source("input", attributes["name"])
            continue
        inputs = [reading.values.get(item["%"], Source("none")) for item in operation.get("I", [])]
        if kind == "fetch":
            reading.fetched.append((attributes.get("col", len(reading.fetched)), inputs[0]))
            continue
        for region in operation.get("regions", []):
            for inner in region["blocks"]:
                _pir_block(inner, reading)
        index = len(reading.operators)
        specs = tuple(spec for output in outputs if (spec := _pir_spec(output.get("TT"))) is not None)
        reading.operators.append(Operator(kind.rstrip("_"), _sorted(attributes), tuple(inputs), specs))
        for number, output in enumerate(outputs):
            reading.values[output["%"]] = Source("operator", producer=index, output=number)


def _pir_attribute(value: Any) -> Any:
    data = value.get("D", value.get("VD"))
    kind = value["#"].rpartition(".")[2]
    if kind == "a_array":
        return tuple(_pir_attribute(item) for item in data)
    if kind == "a_dtype":
        return PIR_DTYPES.get("t_" + str(data), str(data))
    return _plain(data)


def _plain(data: Any) -> Any:
    if isinstance(data, list):
        return tuple(_plain(item) for item in data)
    return json.dumps(data, sort_keys=True) if isinstance(data, Mapping) else data


def _pir_spec(kind: Any) -> TensorSpec | None:
    if not isinstance(kind, Mapping) or not str(kind.get("#", "")).endswith("t_dtensor"):
        return None
    dtype, shape = kind["D"][:2]
    name = dtype["#"].rpartition(".")[2]
    return TensorSpec(tuple(None if dim < 0 else dim for dim in shape), PIR_DTYPES.get(name, name), "")


# -- Paddle 2 ----------------------------------------------------------------------------------------------------------


def _text(raw: Any) -> str:
    return bytes(raw).decode(errors="replace")


def _read_program_desc(path: Path, parameters: Sequence[str]) -> _Reading:
    blocks = [message(raw) for raw in message(path.read_bytes())[1]]
    reading = _Reading(values={name: Source("parameter", name) for name in parameters})
    specs: dict[str, TensorSpec] = {}
    for block in blocks:
        for raw in block.get(3, []):
            variable = message(raw)
            kind = message(variable[2][0])
            if kind[1][0] == 7 and 3 in kind:  # LOD_TENSOR
                tensor = message(message(kind[3][0])[1][0])
                shape = tuple(None if dim < 0 else dim for dim in map(signed, tensor.get(2, [])))
                specs[_text(variable[1][0])] = TensorSpec(shape, DTYPES.get(tensor[1][0], str(tensor[1][0])), "")
    _desc_block(blocks, 0, reading, specs, frozenset(parameters))
    return reading


def _desc_block(
    blocks: Sequence[dict[int, list[Any]]], number: int, reading: _Reading, specs: Mapping[str, TensorSpec], fixed: frozenset[str]
) -> None:
    for raw in blocks[number].get(4, []):
        operation = message(raw)
        kind = _text(operation[3][0])
        taken, made = ({_text(slot[1][0]): [_text(name) for name in slot.get(2, [])] for slot in map(message, operation.get(side, []))}
                       for side in (1, 2))  # fmt: skip
        attributes = {_text(item[1][0]): item for item in map(message, operation.get(4, []))}
        if kind == "feed":
            name = made["Out"][0]
            reading.values[name] = Source("input", name)
            continue
        names = [name for slot in _slot_order(taken) for name in taken[slot]]
        inputs = tuple(reading.values.get(name, Source("none")) for name in names)
        if kind == "fetch":
            reading.fetched.append((_desc_attribute("col", attributes["col"]), inputs[0]))
            continue
        results = [name for slot in _slot_order(made) for name in made[slot] if slot not in ("XShape", "ReserveSpace")]
        if kind == "scale" and results[0].startswith("save_infer_model/"):
            reading.values[results[0]] = inputs[0]  # jit.save puts a scale by one behind every output
            continue
        if "sub_block" in attributes and 12 in attributes["sub_block"]:
            _desc_block(blocks, attributes["sub_block"][12][0], reading, specs, fixed)
        values = _sorted({name: _desc_attribute(name, item) for name, item in attributes.items()})
        location = _location([_text(line) for line in attributes.get("op_callstack", {}).get(8, [])])
        shapes = tuple(specs[name] for name in results if name in specs)
        index = len(reading.operators)
        reading.operators.append(Operator(kind, values, inputs, shapes, location))
        for output, name in enumerate(results):
            if name not in fixed:  # batch_norm writes its running statistics back
                reading.values[name] = Source("operator", producer=index, output=output)


_FIRST = ("X", "Input", "Ids", "Filter", "Y", "W", "Out", "Output")


def _slot_order(slots: Mapping[str, Any]) -> list[str]:
    """The operands in the order people name them; the file has them by alphabet."""
    return sorted(slots, key=lambda slot: (_FIRST.index(slot) if slot in _FIRST else len(_FIRST), slot))


def _desc_attribute(name: str, item: Mapping[int, list[Any]]) -> Any:
    kind = item[2][0]
    if kind in (0, 9, 8):  # INT, LONG, BLOCK
        value = signed(item.get({0: 3, 9: 13, 8: 12}[kind], [0])[0])
        return DTYPES.get(value, value) if name in ("dtype", "in_dtype", "out_dtype") else value
    if kind == 1:
        return struct.unpack("<f", item[4][0])[0] if 4 in item else 0.0
    if kind == 15:
        return struct.unpack("<d", item[19][0])[0] if 19 in item else 0.0
    if kind == 2:
        return _text(item.get(5, [b""])[0])
    if kind == 6:
        return bool(item.get(10, [0])[0])
    if kind == 4:
        return tuple(struct.unpack("<f", raw)[0] for raw in item.get(7, []))
    if kind == 12:
        return tuple(struct.unpack("<d", raw)[0] for raw in item.get(16, []))
    if kind == 5:
        return tuple(_text(raw) for raw in item.get(8, []))
    if kind in (16, 17):
        scalars = tuple(_scalar(message(raw)) for raw in item.get({16: 20, 17: 21}[kind], []))
        return scalars if kind == 17 else next(iter(scalars), None)
    if kind in (13, 14):  # names of variables
        return ()
    return tuple(signed(value) for value in item.get({3: 6, 7: 11, 11: 15, 10: 14}[kind], []))


def _scalar(item: Mapping[int, list[Any]]) -> Any:
    if 4 in item:
        return struct.unpack("<d", item[4][0])[0]
    if 2 in item:
        return bool(item[2][0])
    return signed(item.get(3, [0])[0])


_FRAME = re.compile(r'File "([^"]+)", line (\d+)')


def _location(lines: Sequence[str]) -> str:
    """The innermost frame of the call stack that is neither Paddle's nor another package's."""
    frames = [found for line in lines if (found := _FRAME.search(line))]
    for frame in reversed(frames):
        if "site-packages" not in frame[1] and "<" not in frame[1] and not re.search(r"/lib/python3[^/]*/", frame[1]):
            return f"{frame[1]}:{frame[2]}"
    return ""


# -- constants and containers ------------------------------------------------------------------------------------------


def _fold(operators: Sequence[Operator], fetched: Sequence[Source]) -> tuple[tuple[Operator, ...], tuple[Source, ...]]:
    """Makes constants attributes of their consumers and takes out the operators that only pack tensors into lists and out again."""
    kept: list[Operator] = []
    now: dict[tuple[int, int], tuple[Source, ...]] = {}
    constants: dict[int, Any] = {}
    fetched_producers = {source.producer for source in fetched}

    def resolve(source: Source) -> tuple[Source, ...]:
        if source.kind != "operator":
            return (source,)
        return now.get((source.producer, source.output), (source,))

    for index, operator in enumerate(operators):
        if operator.kind in _CONSTANTS and not operator.inputs and index not in fetched_producers:
            constants[index] = _constant(operator)
            continue
        attributes = dict(operator.attributes)
        inputs: list[Source] = []
        for position, source in enumerate(operator.inputs):
            if source.kind == "operator" and source.producer in constants:
                name = _OPERANDS.get(operator.kind, {}).get(position, "constant")
                while name in attributes:
                    name += "'"
                attributes[name] = constants[source.producer]
            elif source.kind != "none":
                inputs.extend(resolve(source))
        if operator.kind == "combine" and len(inputs) == len(operator.inputs):
            now[index, 0] = tuple(inputs)
            continue
        if operator.kind in ("split", "slice") and not any(name in attributes for name in ("axis", "axes")) and len(inputs) == 1:
            first = int(attributes.get("index", 0))  # builtin.split and builtin.slice take a list of tensors apart
            for output in range(max(1, len(operator.outputs))):
                now[index, output] = (replace(inputs[0], output=first + output),)
            continue
        for output in range(max(8, len(operator.outputs))):
            now[index, output] = (Source("operator", producer=len(kept), output=output),)
        kept.append(replace(operator, attributes=_sorted(attributes), inputs=tuple(inputs)))
    return tuple(kept), tuple(source for item in fetched for source in resolve(item))


def _constant(operator: Operator) -> Any:
    attributes = dict(operator.attributes)
    values = attributes.get("value")
    if values is None:
        values = next((attributes[name] for name in ("values", "fp32_values", "int64_values", "int32_values", "bool_values")
                       if attributes.get(name)), ())  # fmt: skip
    shape = attributes.get("shape") or ()
    single = (
        values if not isinstance(values, tuple) else values[0] if len(values) == 1 and operator.kind != "full_int_array" else None
    )
    if single is None:
        return values
    return single if all(dim == 1 for dim in shape) else ("all", single, "in shape", shape)
