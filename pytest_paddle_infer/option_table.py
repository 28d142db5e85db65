"""The table of options and marker keys, with the reader of each value. Loaded at every pytest start, so it imports nothing heavy.

`options.py` makes `Settings` of it; a table of named tuples, because a dataclass takes five times as long to make.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

if TYPE_CHECKING:
    import pytest

    from pytest_paddle_infer.models import Size

SOFTMAX = ("auto", "yes", "no")
MARKER = "paddle_infer_parity"
MARKER_FIXTURES = ("paddle_model", "paddle_variant", "sample_images", "paddle_checkpoints")
"""What a marked test sets up, named by the test or not."""
FIXTURES = ("inference_engine", "training_engine", "exported_model", *MARKER_FIXTURES)
"""What a test takes of its model."""
CHECKPOINTS = ("artifacts", "parity", "log")
VARIANTS = (
    "cpu", "cpu-noopt", "onednn", "onednn-bf16", "onednn-int8", "gpu", "gpu-fp16", "gpu-bf16",
    "tensorrt", "tensorrt-fp16", "tensorrt-int8", "cinn", "onnxruntime", "openvino",
)  # fmt: skip
"""Built-in engine variants; `deployed.config` gives each its meaning, and a test holds the two together."""


# -- value types: each raises OptionError with the valid values --------------------------------------------------------


def invalid(sentence: str) -> Exception:
    """Returns the `OptionError` to raise; its module is opened only for a fault."""
    from pytest_paddle_infer.failures import OptionError

    return OptionError(sentence)


def whole(minimum: int) -> Callable[[str], int]:
    """Returns a reader of whole numbers from `minimum`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except (TypeError, ValueError):
            value = minimum - 1
        if value < minimum:
            raise invalid(f"{text!r} is not a whole number from {minimum}")
        return value

    return read


def positive(text: str) -> float:
    """Reads a finite number greater than zero."""
    return _number(text, zero=False)


def tolerance(text: str) -> float:
    """Reads a finite number from zero."""
    return _number(text, zero=True)


def _number(text: str, *, zero: bool) -> float:
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        raise invalid(f"{text!r} is not a finite number {'from 0' if zero else 'greater than 0'}")
    return value


def one_of(*values: str) -> Callable[[str], str]:
    """Returns a reader that accepts `values` and names them otherwise."""

    def read(text: str) -> str:
        if text not in values:
            raise invalid(f"{text!r} is not one of {', '.join(values)}")
        return text

    return read


def image_size(text: str) -> Size:
    """Reads `224` or `HEIGHTxWIDTH`, in pixels."""
    match = re.fullmatch(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?", text)
    if match is None:
        raise invalid(f"{text!r} is not a size in pixels; write 224 or 480x640 (height x width)")
    return int(match[1]) if match[2] is None else (int(match[1]), int(match[2]))


def byte_size(text: str) -> int:
    """Reads a number of bytes such as `500M`, `20G` or `0` for no limit."""
    match = re.fullmatch(r"(\d+)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None:
        raise invalid(f"{text!r} is not a size; write 500M, 20G, or 0 for no limit")
    return int(match[1]) << (10 * " KMGT".index(match[2].upper() or " "))


def boolean(text: str) -> bool:
    """Reads an ini boolean."""
    lowered = text.strip().lower()
    if lowered in ("true", "yes", "on", "1"):
        return True
    if lowered in ("false", "no", "off", "0"):
        return False
    raise invalid(f"{text!r} is not true or false")


# -- variants ----------------------------------------------------------------------------------------------------------


def split_variant(text: str) -> tuple[str, dict[str, str]]:
    """Cuts `onednn:threads=4,cache=10` into name and parameters; whether there is such a variant is known once hooks ran."""
    name, colon, tail = text.partition(":")
    pairs = [part.partition("=") for part in tail.split(",")] if colon else []
    if not name.strip() or any(not key.strip() or not equals or not value.strip() for key, equals, value in pairs):
        raise invalid(f"{text!r} is not a variant; write NAME or NAME:KEY=VALUE,KEY=VALUE")
    keys = [key.strip() for key, _, _ in pairs]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise invalid(f"{text!r}: {twice} is given twice")
    return name.strip(), {key.strip(): value.strip() for key, _, value in pairs}


def variant_label(text: str) -> str:
    """Reads a variant's name with its parameters, as `onednn:threads=4`."""
    name, parameters = split_variant(text)
    return name + (":" + ",".join(f"{key}={value}" for key, value in parameters.items()) if parameters else "")


_CPU: Mapping[str, Callable[[str], Any]] = {"threads": whole(1)}
_ONEDNN: Mapping[str, Callable[[str], Any]] = {**_CPU, "cache": whole(0)}
_GPU: Mapping[str, Callable[[str], Any]] = {"device": whole(0), "memory": whole(1)}
_TENSORRT: Mapping[str, Callable[[str], Any]] = {
    **_GPU, "workspace": byte_size, "min_subgraph": whole(1), "shapes": one_of("auto", "static", "dynamic"),
}  # fmt: skip

PARAMETERS: Mapping[str, Mapping[str, Callable[[str], Any]]] = {
    name: _ONEDNN if name.startswith("onednn")
    else {**(_GPU if name == "gpu" else _TENSORRT), "tf32": one_of("on", "off")} if name in ("gpu", "tensorrt")
    else _TENSORRT if name.startswith("tensorrt")
    else _GPU if name.startswith(("gpu", "cinn"))
    else _CPU
    for name in VARIANTS
}  # fmt: skip
"""Parameters of each built-in variant with the reader of their values. threads: math threads. cache: shapes that oneDNN keeps primitives
for. device: the GPU's number. memory: first size of its pool in MB. tf32: whether float32 products may be rounded to TF32."""


# -- baselines ---------------------------------------------------------------------------------------------------------

BASELINE = "[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
"""A baseline's name is that of a directory: it may not leave the one above, hide itself, or hold the colon before the percentage."""


def baseline_name(text: str) -> str:
    """Reads the name of a performance baseline, which is also that of a directory."""
    if re.fullmatch(BASELINE, text) is None:
        raise invalid(f"{text!r} is not a name; write up to 100 letters, digits, '.', '_' and '-', the first a letter or digit")
    return text


ALLOWED = 0.15
"""Share by which an engine may be slower than before, where nobody says another."""


class Comparison(NamedTuple):
    """A baseline, and by what share an engine may be slower than it: 0.15 for 15 %."""

    name: str
    threshold: float = ALLOWED

    def __str__(self) -> str:
        return f"{self.name}:{100 * self.threshold:.6g}%"


def comparison(text: str) -> Comparison:
    """Reads `NAME` or `NAME:15%`. Only percent are taken: `0.15` might mean either."""
    match = re.fullmatch(rf"({BASELINE})(?::(\d{{1,4}}(?:\.\d{{1,2}})?)%)?", text)
    if match is None:
        if re.fullmatch(rf"{BASELINE}:[1-9]\d*(?:\.\d+)?", text):
            raise invalid(f"{text!r} lacks the % sign; write {text}%")
        raise invalid(f"{text!r} is not a baseline to compare with; write NAME or NAME:15%, with at most 100 letters, digits, "
                      "'.', '_' and '-' in the name")  # fmt: skip
    return Comparison(match[1]) if match[2] is None else Comparison(match[1], float(match[2]) / 100)


# -- the table ---------------------------------------------------------------------------------------------------------


class Option(NamedTuple):
    """One option: `--paddle-NAME` with its ini twin; docs/reference/options.md is made from these."""

    name: str
    help: str
    metavar: str = ""
    read: Callable[[str], Any] = str
    default: Any = None
    shown: str = ""
    many: bool = False

    @property
    def flag(self) -> str:
        """The command-line spelling."""
        return f"--paddle-{self.name}"

    @property
    def key(self) -> str:
        """The ini spelling, which is also argparse's dest."""
        return "paddle_" + self.attribute

    @property
    def attribute(self) -> str:
        """The name in `Settings`."""
        return self.name.replace("-", "_")

    @property
    def is_switch(self) -> bool:
        """True for an option without a value."""
        return not self.metavar


OPTIONS: tuple[Option, ...] = (
    Option("model", "Add the conformance items of this model: a registered name, package.module:factory, "
           "path/to/file.py:factory, a factory of paddle.vision.models, or a glob over known names. May be repeated.",
           "NAME", default=(), many=True),
    Option("variant", "Configuration of the inference engine: " + ", ".join(VARIANTS) + ", one of the hook pytest_paddle_infer_variants, "
           "all, or auto (gpu where this build and machine have one, else cpu); with parameters as in onednn:threads=4. May be repeated.",
           "NAME", variant_label, default=("auto",), shown="auto", many=True),
    Option("allow-missing", "Skip a variant that was named and cannot run here, instead of failing it.", read=boolean, default=False,
           shown="off"),
    Option("python", "Run the inference engine of the checkpoints under this other Python, with the Paddle that is installed there; "
           "the fixture inference_engine, which is in this process, is refused.", "FILE"),
    Option("weights", "Weights of the model (.pdparams); without them the model gets seeded random weights.", "FILE"),
    Option("images", "Samples: a file, a directory or a glob; without it the plugin draws four pictures.", "PATH"),
    Option("image-size", "Side of the input in pixels, or HEIGHTxWIDTH; the default preprocessing resizes the short side "
           "to 256/224 of it and crops the centre.", "SIZE", image_size, shown="224"),
    Option("batch-size", "Samples that the engines are given at a time.", "N", whole(1), default=1, shown="1"),
    Option("softmax", "Append softmax to the model: auto (to a classifier that does not end in one), yes or no.",
           "WHEN", one_of(*SOFTMAX), default="auto", shown="auto"),
    Option("seed", "Seed of random weights.", "N", whole(0), default=0, shown="0"),
    Option("threads", "Math threads of each engine.", "N", whole(1), default=1, shown="1"),
    Option("timeout", "Time limit of each step of a worker process (export, load, one batch), in seconds.",
           "SECONDS", positive, default=300.0, shown="300"),
    Option("rtol", "Elementwise relative tolerance; replaces the default rule.", "X", tolerance),
    Option("atol", "Elementwise absolute tolerance; replaces the default rule.", "X", tolerance),
    Option("warmup", "Batches run before the timed ones.", "N", whole(0), default=2, shown="2"),
    Option("repeats", "Timed passes over all samples; by default enough to time 10 batches, four where inputs have an open size, and 50 "
           "batches at most.", "N", whole(1), shown="as many as that takes"),
    Option("autolog", "Who writes the benchmark log: builtin, or auto_log for the package of that name.",
           "WRITER", one_of("builtin", "auto_log"), default="builtin", shown="builtin"),
    Option("exported", "Check the export in this directory (or with this path prefix), or in DIR/MODEL where DIR itself holds none, "
           "instead of exporting.", "DIR"),
    Option("export-dir", "Leave a copy of each export in DIR/MODEL.", "DIR"),
    Option("output-dir", "Where the reprod_log files and the benchmark log go: DIR/MODEL/VARIANT.", "DIR",
           shown="pytest's temporary directory"),
    Option("artifacts", "Where the evidence of each failed parity is kept: inputs, both outputs, the model, the configuration, the "
           "verdict, and a reproduce.py.", "DIR", shown="pytest's temporary directory"),
    Option("report", "Write a report of the run into this directory: report.html, report.json and summary.md. A run replaces the "
           "report of the run before.", "DIR"),
    Option("replay", "Repeat the verdict of a folder of --paddle-artifacts, or of each folder in it. May be repeated; in the ini file "
           "it counts where no test is named.", "DIR", default=(), many=True),
    Option("cache-dir", "Where exports are kept between runs.", "DIR",
           shown="$XDG_CACHE_HOME/pytest-paddle-infer, or ~/.cache/pytest-paddle-infer"),
    Option("cache-size", "Size limit of the kept exports; the oldest used go first; 0 for none.", "SIZE", byte_size,
           default=20 << 30, shown="20G"),
    Option("no-cache", "Export anew into pytest's temporary directory, and leave the kept exports alone.", read=boolean,
           default=False, shown="off"),
    Option("teeth", "After parity, plant faults in the model (channels swapped, a layer's weights off, ...) and report which of them "
           "the comparison catches.", read=boolean, default=False, shown="off"),
    Option("no-diagnosis", "After a failure, do not look for its cause beyond what the comparison itself shows.", read=boolean,
           default=False, shown="off"),
    Option("diagnosis-time", "Time limit of the search for the cause of one failure, in seconds.", "SECONDS", positive, default=60.0,
           shown="60"),
    Option("perf-save", "Save this run's times as a performance baseline of this machine; a NAME that exists gets one more run.",
           "NAME", baseline_name),
    Option("perf-compare", "Compare this run's times with a baseline of this machine: slower than PERCENT (15%) allows is a failure, "
           "noise is not.", "NAME[:PERCENT%]", comparison),
    Option("perf-dir", "Where performance baselines are kept.", "DIR", default=".paddle-perf", shown=".paddle-perf in the rootdir"),
)  # fmt: skip

BY_ATTRIBUTE: Mapping[str, Option] = {option.attribute: option for option in OPTIONS}

MARKER_KEYS: Mapping[str, str] = {
    "model": "name of the model, as for --paddle-model; default: every --paddle-model, else the one registered model",
    "variants": "list of engine variants, as for --paddle-variant",
    "images": "file, directory, glob, or a list of paths or values",
    "input_spec": "list with one shape, (shape, dtype[, name]), TensorSpec or InputSpec an input",
    "batch_size": "samples that the engines are given at a time",
    "softmax": "append softmax: 'auto', 'yes', 'no', True or False",
    "preprocess": "sample -> array or tuple of arrays, for both engines",
    "training_preprocess": "the same for the training engine, where it is another program",
    "postprocess": "output of one sample -> answer, or (output, sample) -> answer, for both engines",
    "training_postprocess": "the same for the training engine, where it is another program",
    "rtol": "elementwise relative tolerance",
    "atol": "elementwise absolute tolerance",
    "checkpoints": "list out of " + ", ".join(CHECKPOINTS) + "; [] for none, where the test only uses the fixtures",
}


def add_options(parser: pytest.Parser) -> None:
    """Adds every option of the table and its ini twin."""
    group = parser.getgroup("paddle-infer", "PaddlePaddle: does the deployed model answer like the trained one?")
    for option in OPTIONS:
        help = (option.help + (f" Default: {option.shown}." if option.shown and not option.is_switch else "")).replace("%", "%%")
        if option.is_switch:
            group.addoption(option.flag, dest=option.key, action="store_true", default=None, help=help)
        else:
            group.addoption(
                option.flag,
                dest=option.key,
                metavar=option.metavar,
                action="append" if option.many else "store",
                type=_argparse_type(option.read),
                default=None,
                help=help,
            )
        kind: Any = "args" if option.many else "string"
        parser.addini(option.key, option.help, type=kind, default=None)


def unknown_keys(config: pytest.Config) -> list[str]:
    """Keys of the ini file, or of `-o`, that begin as ours do and are none. pytest 9 warns of `Config.inicfg`, and only warns of them."""
    config_9: Any = config
    given = [*(config_9._inicfg if hasattr(config, "_inicfg") else config.inicfg)]
    given += [text.partition("=")[0].strip() for text in config.getoption("override_ini", None) or ()]
    return [key for key in dict.fromkeys(given) if key.startswith("paddle_") and all(key != option.key for option in OPTIONS)]


def any_given(config: pytest.Config) -> bool:
    """True when the command line or the ini file sets any option."""
    return any(config.getoption(option.key) is not None or config.getini(option.key) not in (None, "", []) for option in OPTIONS)


def _argparse_type(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert
