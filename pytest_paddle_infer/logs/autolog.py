"""Write and read AutoLog reports. Anyone may call it: it knows neither pytest, paddle nor numpy. `autolog_check` judges them.

The format is that of https://github.com/LDOUBLEV/AutoLog, prescribed by TIPC's Python inference guide (section 2.9).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Union

if TYPE_CHECKING:
    from collections.abc import Iterator

INSTALL = "the auto_log package is not installed, and it is not on PyPI: pip install 'git+https://github.com/LDOUBLEV/AutoLog'."

Value = Union[str, bool, int, float, None]
Counts = Literal["passes", "samples"]


class Field(NamedTuple):
    """One field of the report: its section, its name as printed, our attribute's name and the kind of its value."""

    section: str
    name: str
    attribute: str
    kind: Literal["text", "bool", "int", "float", "percent"]


FIELDS: tuple[Field, ...] = (
    Field("Env info", "OS_version", "os_version", "text"),
    Field("Env info", "CUDA_version", "cuda_version", "text"),
    Field("Env info", "CUDNN_version", "cudnn_version", "text"),
    Field("Env info", "drivier_version", "driver_version", "text"),  # the misspelling is AutoLog's, and grepped for
    Field("Paddle info", "paddle_version", "paddle_version", "text"),
    Field("Paddle info", "paddle_commit", "paddle_commit", "text"),
    Field("Paddle info", "log_api_version", "log_api_version", "text"),
    Field("Conf info", "runtime_device", "runtime_device", "text"),
    Field("Conf info", "ir_optim", "ir_optim", "bool"),
    Field("Conf info", "enable_memory_optim", "enable_memory_optim", "bool"),
    Field("Conf info", "enable_tensorrt", "enable_tensorrt", "bool"),
    Field("Conf info", "enable_mkldnn", "enable_mkldnn", "bool"),
    Field("Conf info", "cpu_math_library_num_threads", "cpu_math_library_num_threads", "int"),
    Field("Model info", "model_name", "model_name", "text"),
    Field("Model info", "precision", "precision", "text"),
    Field("Data info", "batch_size", "batch_size", "int"),
    Field("Data info", "input_shape", "input_shape", "text"),
    Field("Data info", "data_num", "data_num", "int"),
    Field("Perf info", "cpu_rss(MB)", "cpu_rss_mb", "float"),
    Field("Perf info", "gpu_rss(MB)", "gpu_rss_mb", "float"),
    Field("Perf info", "gpu_util", "gpu_util", "percent"),
    Field("Perf info", "total time spent(s)", "total_time_s", "float"),
    Field("Perf info", "preprocess_time(ms)", "preprocess_time_ms", "float"),
    Field("Perf info", "inference_time(ms)", "inference_time_ms", "float"),
    Field("Perf info", "postprocess_time(ms)", "postprocess_time_ms", "float"),
)
HEADINGS: dict[str, str] = {  # the uneven dashes are AutoLog's
    "Env info": "-" * 22 + " Env info " + "-" * 22,
    "Paddle info": "-" * 22 + " Paddle info " + "-" * 22,
    "Conf info": "-" * 23 + " Conf info " + "-" * 23,
    "Model info": "-" * 23 + " Model info " + "-" * 22,
    "Data info": "-" * 23 + " Data info " + "-" * 23,
    "Perf info": "-" * 23 + " Perf info " + "-" * 23,
}

_BY_NAME = {field.name: field for field in FIELDS}
BY_ATTRIBUTE = {field.attribute: field for field in FIELDS}
_FOLLOWED_ON_ITS_LINE = frozenset({"cpu_rss_mb", "gpu_rss_mb", "preprocess_time_ms", "inference_time_ms"})
_NAMES = "|".join(re.escape(field.name) for field in FIELDS)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_HEADING = re.compile(r"(?<!-)-{5,} (" + "|".join(HEADINGS) + r") -{5,}\s*$")
# A logger's prefix ends in punctuation and a space ("root INFO: ", "autolog.py:219 - ") or is absent;
# report(identifier) puts "[identifier] " before each name.
_LINE = re.compile(r"^(?:.*?[:\-\]|>]\s)??\s*(?P<name>" + _NAMES + r"):(?:\s+|$)(?P<value>.*)$")
_NEXT = re.compile(r",\s*(?=(?:" + _NAMES + r"):)")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf)", re.IGNORECASE)


class AutoLogError(ValueError):
    """A text holds no complete, readable AutoLog report. `field`: the printed name of the field at fault, if one is."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class AutoLog:
    """One AutoLog report. None stands for the printed `None`; MB are MiB, times are means per pass.

    `data_num` counts passes (calls of `times.end()`), warm-ups included, in what AutoLog itself writes; other writers
    count samples. `total_time_s` leaves warm-ups out.
    """

    os_version: str | None
    cuda_version: str | None
    cudnn_version: str | None
    driver_version: str | None
    paddle_version: str | None
    paddle_commit: str | None
    log_api_version: str | None
    runtime_device: str | None
    ir_optim: bool | None
    enable_memory_optim: bool | None
    enable_tensorrt: bool | None
    enable_mkldnn: bool | None
    cpu_math_library_num_threads: int | None
    model_name: str | None
    precision: str | None
    batch_size: int | None
    input_shape: str | None
    data_num: int | None
    cpu_rss_mb: float | None
    gpu_rss_mb: float | None
    gpu_util: float | None
    total_time_s: float | None
    preprocess_time_ms: float | None
    inference_time_ms: float | None
    postprocess_time_ms: float | None

    def to_text(self, when: datetime | None = None) -> str:
        """Return the report as AutoLog's own file handler writes it, stamped `when` (default: now).

        Numbers are rounded to four decimals and text is folded to one line, so `parse_autolog(log.to_text())` equals
        `log` up to that.
        """
        stamp = (when or datetime.now()).strftime("%Y/%m/%d %H:%M:%S")
        messages = ["\n"]
        for section, heading in HEADINGS.items():
            messages.append(heading)
            line: list[str] = []
            for field in (field for field in FIELDS if field.section == section):
                line.append(f"{field.name}: {_print(field, getattr(self, field.attribute))}")
                if field.attribute not in _FOLLOWED_ON_ITS_LINE:
                    messages.append(" " + ", ".join(line))
                    line = []
        return "".join(f"[{stamp}] root INFO: {message}\n" for message in messages)


def parse_autolog(text: str) -> AutoLog:
    """Return the last complete report in `text`, whatever else the text holds.

    A field counts only under its own section's heading, so other programs' `batch_size: 8` before the report is not
    taken for it. Lines printed twice by two loggers count once. A later report that was cut short does not hide an
    earlier complete one.

    Raises:
        AutoLogError: there is no report, a heading or a field is missing from the last one, a value is malformed, or
            a field stands there twice with different values.
    """
    reports = list(_reports(text))
    if not reports:
        raise AutoLogError(f"no AutoLog report: the text has no line '{HEADINGS['Env info']}'.")
    complete = [report for report in reports if not report.missing()]
    if not complete:
        raise reports[-1].incomplete()
    return complete[-1].read()


class _Report:
    """The raw fields of one report: printed name -> (value, line number, line)."""

    def __init__(self) -> None:
        self.sections: set[str] = set()
        self.values: dict[str, tuple[str, int, str]] = {}
        self.contradiction: AutoLogError | None = None

    def add(self, name: str, value: str, number: int, line: str) -> None:
        known = self.values.setdefault(name, (value, number, line))
        if known[0] != value and self.contradiction is None:
            self.contradiction = AutoLogError(
                f"the field {name} stands there twice with different values: '{known[0]}' in line {known[1]} and"
                f" '{value}' in line {number}.",
                field=name,
            )

    def missing(self) -> list[Field]:
        return [field for field in FIELDS if field.name not in self.values]

    def incomplete(self) -> AutoLogError:
        missing = self.missing()
        first = missing[0]
        if first.section not in self.sections:
            return AutoLogError(
                f"the heading '{first.section}' is missing from the report, and with it the field {first.name}.",
                field=first.name,
            )
        others = f" ({len(missing)} fields are missing)" if len(missing) > 1 else ""
        text = f"the field {first.name} of section '{first.section}' is missing from the report{others}."
        return AutoLogError(text, field=first.name)

    def read(self) -> AutoLog:
        if self.contradiction is not None:
            raise self.contradiction
        values: dict[str, Any] = {}
        for field in FIELDS:
            value, number, line = self.values[field.name]
            try:
                values[field.attribute] = _read(field, value)
            except ValueError as error:
                raise AutoLogError(
                    f"the field {field.name} is malformed: '{value}' is not {error} (line {number}: {line.strip()!r}).",
                    field=field.name,
                ) from None
        return AutoLog(**values)


def _reports(text: str) -> Iterator[_Report]:
    report: _Report | None = None
    section = ""
    for number, raw in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        line = _ANSI.sub("", raw)
        heading = _HEADING.search(line)
        if heading is not None:
            section = heading[1]
            # A second logger repeats the heading at once, before any field: still the same report.
            if section == "Env info" and (report is None or report.values):
                if report is not None:
                    yield report
                report = _Report()
            if report is not None:
                report.sections.add(section)
            continue
        match = _LINE.match(line)
        if match is None or report is None or _BY_NAME[match["name"]].section != section:
            continue
        name, value = match["name"], match["value"]
        if section != "Perf info":
            report.add(name, value.strip(), number, line)
            continue
        for part in _NEXT.split(f"{name}: {value}"):
            name, _, value = part.partition(":")
            report.add(name, value.strip(), number, line)
    if report is not None:
        yield report


def _read(field: Field, value: str) -> Value:
    """Return the typed value; a ValueError's text says what the value should have been."""
    if field.kind == "percent":
        value = value[:-1].rstrip() if value.endswith("%") else value
    if value == "None":
        return None
    if field.kind == "text":
        return value
    if field.kind == "bool":
        if value not in ("True", "False"):
            raise ValueError("True or False")
        return value == "True"
    if field.kind == "int":
        if re.fullmatch(r"[+-]?\d{1,18}", value, re.ASCII) is None:
            raise ValueError("a whole number")
        return int(value)
    if _NUMBER.fullmatch(value) is None:
        raise ValueError("a number")
    return float(value)


def _print(field: Field, value: Value) -> str:
    if value is not None and field.kind in ("float", "percent"):
        value = round(float(value), 4)
    text = " ".join(str(value).split())
    return text + "%" if field.kind == "percent" else text
