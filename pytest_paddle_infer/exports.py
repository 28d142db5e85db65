"""The files of one export: which they are, what the graph says, what the parameters hold. Reads them without Paddle.

Paddle loads a parameter file that is 64 bytes short, belongs to another run or holds a flipped bit without a word, so the files
are read here independently. Formats: `save_combine` writes each parameter in the order of its sorted names as a DenseTensor
stream (framework/tensor_util.cc `TensorToStream`); `.pdmodel` is the protobuf `ProgramDesc` of framework.proto; `.json` is the
PIR program that Paddle 3 writes.
"""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_paddle_infer.failures import PaddleInferError
from pytest_paddle_infer.models import TensorSpec
from pytest_paddle_infer.protobuf import message, signed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

STEM = "inference"
"""The prefix that the practice prescribes: `inference.json`, `inference.pdiparams`."""

GRAPH_SUFFIXES = (".json", ".pdmodel")

DTYPES: Mapping[int, str] = {
    0: "bool", 1: "int16", 2: "int32", 3: "int64", 4: "float16", 5: "float32", 6: "float64",
    20: "uint8", 21: "int8", 22: "bfloat16", 23: "complex64", 24: "complex128",
}  # fmt: skip
"""framework.proto VarType.Type -> name."""

PIR_DTYPES: Mapping[str, str] = {
    "t_bool": "bool", "t_i8": "int8", "t_ui8": "uint8", "t_i16": "int16", "t_i32": "int32", "t_i64": "int64",
    "t_f16": "float16", "t_bf16": "bfloat16", "t_f32": "float32", "t_f64": "float64", "t_c64": "complex64", "t_c128": "complex128",
}  # fmt: skip


class ExportError(PaddleInferError, ValueError):
    """A file of an export is missing, not whole, or not what its name says; one sentence."""


class OutputsError(ExportError):
    """An export that is whole, and gives other outputs than the model: programs that read them fail of it too."""


@dataclass(frozen=True)
class ExportedModel:
    """An export on disk. `os.fspath()` is its directory, as for a `Path`."""

    directory: Path
    stem: str = STEM
    given: bool = False

    def __fspath__(self) -> str:
        """The directory."""
        return str(self.directory)

    def __str__(self) -> str:
        """The directory."""
        return str(self.directory)

    @property
    def prefix(self) -> Path:
        """What `paddle.jit.load` takes: the path without suffix."""
        return self.directory / self.stem

    @property
    def model_file(self) -> Path:
        """The graph: `.json` (Paddle 3) or `.pdmodel` (Paddle 2, also read by Paddle 3)."""
        for suffix in GRAPH_SUFFIXES:
            if (path := self.directory / (self.stem + suffix)).is_file():
                return path
        return self.directory / (self.stem + GRAPH_SUFFIXES[0])

    @property
    def params_file(self) -> Path:
        """The parameters."""
        return self.directory / (self.stem + ".pdiparams")

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file with this stem, sorted."""
        return tuple(sorted(path for path in self.directory.glob(self.stem + ".*") if path.is_file()))

    @property
    def stamp(self) -> tuple[object, ...]:
        """Changes when a file of the export does."""
        return (str(self.prefix), *((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in self.files))

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.files)


def _stems(directory: Path) -> list[str]:
    return sorted({path.stem for path in directory.iterdir() if path.suffix in (*GRAPH_SUFFIXES, ".pdiparams")})


def names_one(path: str | os.PathLike[str]) -> bool:
    """True for what names one export, whole or not: a prefix, or a directory with files of an export in it."""
    return not Path(path).is_dir() or bool(_stems(Path(path)))


def locate(path: str | os.PathLike[str], below: str = "") -> ExportedModel:
    """Finds the one export in a directory, or the export with a path prefix.

    below: the directory of a model in one that itself holds no export, as `--paddle-export-dir` leaves it.
    Raises `ExportError` that lists what is there when there is none or more than one.
    """
    where = Path(path)
    if where.is_dir():
        stems = _stems(where)
        if not stems and below and (where / below).is_dir():
            return locate(where / below)
        if len(stems) == 1:
            return ExportedModel(where, stems[0], given=True)
        if stems:
            raise ExportError(f"{where} holds several exports ({', '.join(stems)}); name one as {where / stems[0]}.")
        present = ", ".join(sorted(p.name for p in where.iterdir())[:8]) or "nothing"
        neither = f", nor the directory {below} that --paddle-export-dir makes for this model" if below else ""
        raise ExportError(f"{where} holds no export (.json or .pdmodel, and .pdiparams){neither}; it holds {present}.")
    stem = where.name if where.suffix not in (*GRAPH_SUFFIXES, ".pdiparams") else where.stem
    model = ExportedModel(where.parent, stem, given=True)
    if not model.files:
        raise ExportError(f"there is no export {where}: neither a directory nor the prefix of .json or .pdmodel files.")
    return model


def expected_files(paddle_version: str) -> tuple[str, ...]:
    """Suffixes of the files that `paddle.jit.save` of this version writes and Paddle Inference reads."""
    if int(paddle_version.partition(".")[0]) >= 3:
        return (".json", ".pdiparams")
    return (".pdmodel", ".pdiparams", ".pdiparams.info")


def check_files(exported: ExportedModel, paddle_version: str) -> str | None:
    """Returns why the set of files is not the one this Paddle uses, else None.

    An export that was made elsewhere may be of Paddle 2 where Paddle 3 runs (it is read, bit for bit), never the reverse.
    """
    present = {path.name[len(exported.stem) :] for path in exported.files}
    major = int(paddle_version.partition(".")[0])
    if ".json" in present and ".pdmodel" not in present and (deadly := kills(exported.model_file, paddle_version)):
        return deadly
    wanted = expected_files(paddle_version)
    if exported.given and major >= 3 and ".pdmodel" in present and ".json" not in present:
        wanted = (".pdmodel", ".pdiparams")
    if exported.given:
        wanted = tuple(suffix for suffix in wanted if suffix != ".pdiparams.info")  # for training on; inference does not read it
    without = ".pdiparams" not in present or exported.params_file.stat().st_size == 0
    if without and exported.model_file.is_file() and not read_graph(exported.model_file).parameters:
        wanted = tuple(suffix for suffix in wanted if not suffix.startswith(".pdiparams"))  # a model without parameters
        present -= {".pdiparams", ".pdiparams.info"}
    missing = [exported.stem + suffix for suffix in wanted if suffix not in present]
    if missing:
        found = ", ".join(path.name for path in exported.files) or "no file of that name"
        return f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; {exported.directory} holds {found}."
    unexpected = sorted(present - set(wanted) - {".pdiparams.info"})
    if unexpected and not exported.given:
        return f"{exported.stem + unexpected[0]} is there although Paddle {paddle_version} does not use it."
    for path in exported.files:
        if path.stat().st_size == 0 and path.name[len(exported.stem) :] in wanted:
            return f"{path.name} is empty (0 bytes)."
    return None


OTHER_PADDLE = "export with Paddle 2 or run Paddle 3."
"""What to do then."""


def kills(model_file: Path, paddle_version: str) -> str:
    """Why this Paddle must not be given the graph, which would end its process; empty when it may."""
    if model_file.suffix != ".json" or int(paddle_version.partition(".")[0]) >= 3:
        return ""
    return (
        f"{model_file.name} was written by Paddle 3, and Paddle {paddle_version} would die of SIGSEGV loading it, so it was not tried; "
        f"{OTHER_PADDLE}"
    )


def format_version(exported: ExportedModel) -> str:
    """The oldest version of Paddle that writes graphs like this one."""
    return "3.0.0" if exported.model_file.suffix == ".json" else "2.0.0"


# -- graph -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Graph:
    """What a graph file declares: its inputs in feed order, and its parameters by name."""

    inputs: tuple[TensorSpec, ...]
    parameters: Mapping[str, TensorSpec]


def read_graph(path: Path) -> Graph:
    """Reads `.json` or `.pdmodel`. Raises `ExportError` when the file is not one."""
    try:
        return _read_pir(path) if path.suffix == ".json" else _read_program(path)
    except FileNotFoundError:
        raise ExportError(f"{path.name} is missing from {path.parent}.") from None
    except (KeyError, IndexError, TypeError, ValueError, struct.error) as error:
        if isinstance(error, ExportError):
            raise
        what = "a Paddle 3 program (PIR, JSON)" if path.suffix == ".json" else "a Paddle 2 program (ProgramDesc)"
        raise ExportError(f"{path.name} is not {what}: it does not parse ({path.stat().st_size} bytes); export again.") from error


def _pir_tensor(output: Any, name: str) -> TensorSpec:
    kind, shape = output["TT"]["D"][:2]
    dtype = PIR_DTYPES.get(kind["#"].rpartition(".")[2], kind["#"])
    return TensorSpec(tuple(None if dim < 0 else dim for dim in shape), dtype, name)


def _read_pir(path: Path) -> Graph:
    document = json.loads(path.read_text(encoding="utf-8"))
    if document["base_code"]["magic"] != "pir":
        raise ExportError(f"{path.name} is JSON, but not a Paddle program.")
    inputs: list[TensorSpec] = []
    parameters: dict[str, TensorSpec] = {}
    for operation in document["program"]["regions"][0]["blocks"][0]["ops"]:
        kind = operation["#"]
        if kind == "p":
            name = operation["A"][3]
            if not (operation.get("OA") or [1])[0]:  # not persistable (the dropout state of nn.GRU): it is not in .pdiparams
                continue
            parameters[name] = _pir_tensor(operation["O"], name)
        elif kind.endswith(".data"):
            name = next(item["AT"]["D"] for item in operation["A"] if item["N"] == "name")
            inputs.append(_pir_tensor(operation["O"][0], name))
    return Graph(tuple(inputs), parameters)


def _read_program(path: Path) -> Graph:
    program = message(path.read_bytes())
    block = message(program[1][0])
    variables: dict[str, tuple[TensorSpec, bool]] = {}
    for raw in block[3]:
        variable = message(raw)
        name = bytes(variable[1][0]).decode()
        kind = message(variable[2][0])
        persistable = bool(variable.get(3, [0])[0])
        if kind[1][0] == 7 and 3 in kind:  # LOD_TENSOR
            tensor = message(message(kind[3][0])[1][0])
            dims = tuple(None if dim < 0 else dim for dim in map(signed, tensor.get(2, [])))
            variables[name] = (TensorSpec(dims, DTYPES.get(tensor[1][0], str(tensor[1][0])), name), persistable)
    inputs: list[tuple[int, TensorSpec]] = []
    for raw in block.get(4, []):
        operation = message(raw)
        if bytes(operation[3][0]) == b"feed":
            column = next((message(a)[3][0] for a in operation.get(4, []) if bytes(message(a)[1][0]) == b"col"), len(inputs))
            output = message(operation[2][0])
            inputs.append((column, variables[bytes(output[2][0]).decode()][0]))
    parameters = {name: spec for name, (spec, persistable) in variables.items() if persistable}
    return Graph(tuple(spec for _, spec in sorted(inputs, key=lambda pair: pair[0])), parameters)


def read_operators(path: Path) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Returns type, names read and names made of each operator of a `.pdmodel`, in order. Raises `ExportError`."""
    try:
        operations = [message(raw) for raw in message(message(path.read_bytes())[1][0]).get(4, [])]
        return [(bytes(item[3][0]).decode(), _arguments(item.get(1, [])), _arguments(item.get(2, []))) for item in operations]
    except (KeyError, IndexError, ValueError, struct.error) as error:
        raise ExportError(f"{path.name} is not a Paddle 2 program (ProgramDesc): it does not parse.") from error


def _arguments(slots: Sequence[Any]) -> tuple[str, ...]:
    """Names in the slots of an OpDesc, such as X and Y."""
    return tuple(bytes(name).decode() for slot in slots for name in message(slot).get(2, []))


# -- parameters --------------------------------------------------------------------------------------------------------


def read_parameters(path: Path, graph: Graph) -> dict[str, npt.NDArray[Any]]:
    """Returns name -> array of every parameter, as views of the mapped file (bfloat16 as uint16).

    Raises `ExportError` when the file is missing, cut, padded, or not the file of this graph.
    """
    import numpy as np

    names = sorted(graph.parameters)
    if not names:
        return {}
    if not path.is_file():
        raise ExportError(f"{path.name} is missing from {path.parent}: Paddle 3 would run on uninitialised memory.")
    size = path.stat().st_size
    if size == 0:
        raise ExportError(f"{path.name} is empty (0 bytes); the graph needs {len(names)} parameters.")
    data = np.memmap(path, dtype=np.uint8, mode="r")
    position = 0
    parameters: dict[str, npt.NDArray[Any]] = {}
    for index, name in enumerate(names):
        want = graph.parameters[name]
        try:
            spec, start, end = _read_tensor_header(data, position)
        except (ValueError, IndexError, KeyError, struct.error):
            if data[:2].tobytes() in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
                raise ExportError(f"{path.name} is a training checkpoint (a .pdparams pickle), not exported parameters.") from None
            if position + 32 > size:
                raise ExportError(_cut(path, size, index, len(names))) from None
            raise ExportError(
                f"{path.name} is damaged at byte {position}: no header of {name!r} ({index} of {len(names)})."
            ) from None
        if spec != (want.dtype, want.shape):
            raise ExportError(
                f"{path.name} belongs to another graph: parameter {index + 1} of {len(names)} is {spec[0]}{list(spec[1])}, "
                f"where the graph has {name} {want.dtype}{list(want.shape)}."
            )
        if end > size:
            raise ExportError(_cut(path, size, index, len(names), end - size))
        dtype = np.dtype("uint16" if spec[0] == "bfloat16" else spec[0])
        parameters[name] = np.frombuffer(data, dtype, (end - start) // dtype.itemsize, start).reshape(spec[1])
        position = end
    if position != size:
        raise ExportError(f"{path.name} has {size - position} bytes behind its last parameter; Paddle does not load it.")
    return parameters


def _cut(path: Path, size: int, index: int, count: int, short: int | None = None) -> str:
    missing = f"at least {short} bytes short" if short else "cut short"
    return f"{path.name} is {missing}: its {size} bytes end inside parameter {index + 1} of {count}; Paddle loads it all the same."


def _read_tensor_header(data: np.ndarray[Any, Any], start: int) -> tuple[tuple[str, tuple[int, ...]], int, int]:
    """Returns ((dtype, shape), first byte of the values, byte behind them) of the DenseTensor stream at `start`."""
    head = data[start : start + 4096].tobytes()
    version, levels = struct.unpack_from("<IQ", head, 0)
    offset = 12
    if version != 0 or levels > 8:
        raise ValueError("not a tensor")
    for _ in range(levels):
        (length,) = struct.unpack_from("<Q", head, offset)
        offset += 8 + length
    tensor_version, size = struct.unpack_from("<Ii", head, offset)
    if tensor_version != 0 or not 0 <= size <= 1024:
        raise ValueError("not a tensor")
    offset += 8
    description = message(head[offset : offset + size])
    dtype = DTYPES[description[1][0]]
    shape = tuple(signed(dim) for dim in description.get(2, []))
    width = 2 if dtype in ("bfloat16", "float16") else {"bool": 1, "complex64": 8, "complex128": 16}.get(
        dtype, int(re.sub(r"\D", "", dtype) or 8) // 8
    )  # fmt: skip
    count = 1
    for dim in shape:
        count *= dim
    if count < 0:
        raise ValueError("not a tensor")
    begin = start + offset + size
    return (dtype, shape), begin, begin + count * width
