"""Whether an AutoLog report can be true: typed, plausible, adding up. Anyone may call it: it knows neither pytest, paddle nor numpy."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_paddle_infer.logs.autolog import BY_ATTRIBUTE, FIELDS, AutoLog, AutoLogError, Counts, Value, parse_autolog

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DEVICES = ("cpu", "gpu", "xpu", "npu")
_PRECISIONS = ("fp32", "fp16", "bf16", "int8")
MIN_RSS_MB, MAX_RSS_MB = 20.0, 4.0 * 1024 * 1024
# AutoLog rounds to four decimals. TIPC's own template ends with times.end(stamp=True), whose extra stamp is in the
# total but in none of the three stages: a few microseconds a pass.
_ROUNDING = 0.5e-4
_STAMP_MS = 0.005
TOTAL_RTOL = 0.01


def problems(
    log: AutoLog,
    *,
    device: str | None = None,
    num_samples: int | None = None,
    warmup: int | None = 0,
    data_num_counts: Counts | None = None,
    expected: Mapping[str, object] | None = None,
) -> list[str]:
    """Return one sentence for each implausible or untrue value of `log`; an empty list is a credible report.

    Args:
        log: the report.
        device: the device that ran, `cpu` or `gpu` (`gpu:0` is read as `gpu`).
        num_samples: how many samples went through the engine, warm-ups not counted.
        warmup: how many warm-up passes `data_num` includes and the total leaves out. None: unknown, and any whole
            number of timed passes that explains the total is accepted.
        data_num_counts: what `data_num` counts: `passes`, as AutoLog does, or `samples`. None: accept either.
        expected: attribute of `AutoLog` -> the value it must have.

    Raises:
        ValueError: `expected` names an attribute that `AutoLog` lacks, `data_num_counts` is not one of the two, or
            a number given is impossible.
    """
    found = _findings(log, device, num_samples, warmup, data_num_counts, expected)
    return [f"{finding.field} is {finding.value}, expected {finding.expected}." for finding in found]


def assert_autolog(
    text_or_path: str | os.PathLike[str],
    *,
    device: str | None = None,
    num_samples: int | None = None,
    warmup: int | None = 0,
    data_num_counts: Counts | None = None,
    expected: Mapping[str, object] | None = None,
) -> AutoLog:
    """Return the last complete report of a log, after checking it as `problems` does (same keywords).

    A path object, the name of an existing file, and a one-line str that ends in `.log` or `.txt` are files; any other
    str is the log's text.

    Raises:
        AssertionError: the file is missing, holds no readable report, or the report has problems.
    """
    path = _as_path(text_or_path)
    where = str(path) if path is not None else "(text)"
    try:
        text = str(text_or_path) if path is None else path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise AssertionError(
            _failure(
                "The AutoLog report cannot be read",
                [("log", where), ("value", error.strerror or str(error)), ("expected", "a readable file")],
                "run the inference with its benchmark log on, and pass the path it writes to.",
            )
        ) from None
    try:
        log = parse_autolog(text)
    except AutoLogError as error:
        raise AssertionError(
            _failure(
                "The log holds no readable AutoLog report",
                [("log", where), ("field", error.field or "-"), ("value", str(error)), ("expected", "all 25 fields")],
                "end the inference script with autolog.report(), and do not edit or filter its lines.",
            )
        ) from None
    found = _findings(log, device, num_samples, warmup, data_num_counts, expected)
    if found:
        rows = [("log", where)]
        for finding in found:
            rows += [("field", finding.field), ("value", finding.value), ("expected", finding.expected)]
        raise AssertionError(
            _failure(
                f"The AutoLog report has {len(found)} implausible or untrue value{'s' * (len(found) > 1)}",
                rows,
                "correct what the inference script hands to the logger, or the expectation given to this check"
                " (warm-ups that data_num includes: warmup=).",
            )
        )
    return log


class _Finding(NamedTuple):
    field: str
    value: str
    expected: str


def _findings(
    log: AutoLog,
    device: str | None,
    num_samples: int | None,
    warmup: int | None,
    data_num_counts: Counts | None,
    expected: Mapping[str, object] | None,
) -> list[_Finding]:
    if data_num_counts not in (None, "passes", "samples"):
        raise ValueError(f"data_num_counts is {data_num_counts!r}; it must be 'passes', 'samples' or None")
    if warmup is not None and warmup < 0:
        raise ValueError(f"warmup is {warmup}; it must be 0 or more, or None")
    if num_samples is not None and num_samples < 1:
        raise ValueError(f"num_samples is {num_samples}; it must be 1 or more")
    unknown = sorted(set(expected or {}) - set(BY_ATTRIBUTE))
    if unknown:
        raise ValueError(f"expected names {unknown[0]!r}; AutoLog has {', '.join(BY_ATTRIBUTE)}")
    found = [*_implausible(log), *_wrong_device(log, device), *_wrong_counts(log, num_samples, warmup, data_num_counts)]
    for attribute, value in (expected or {}).items():
        actual = getattr(log, attribute)
        if actual != value:
            found.append(_finding(attribute, actual, f"{value!r} as required of {attribute}"))
    return found


def _finding(attribute: str, value: Value, expected: str) -> _Finding:
    return _Finding(BY_ATTRIBUTE[attribute].name, "empty" if value == "" else str(value), expected)


def _implausible(log: AutoLog) -> Iterator[_Finding]:
    """Yield what no true report can say, whatever was run."""

    def check(attribute: str, ok: bool, expected: str) -> Iterator[_Finding]:
        if not ok:
            yield _finding(attribute, getattr(log, attribute), expected)

    yield from check("os_version", log.os_version not in (None, "", "None None"), "a system's name and version")
    version = log.paddle_version or ""
    is_version = re.fullmatch(r"\d+(\.\d+)+[0-9A-Za-z.+-]*", version, re.ASCII) is not None
    yield from check("paddle_version", is_version, "a version such as 3.3.1")
    yield from check("paddle_commit", log.paddle_commit not in (None, ""), "the commit Paddle was built from")
    yield from check("log_api_version", log.log_api_version == "1.0", "1.0")
    yield from check("runtime_device", log.runtime_device in _DEVICES, f"one of {', '.join(_DEVICES)}")
    for field in FIELDS:
        if field.kind == "bool":
            is_bool = isinstance(getattr(log, field.attribute), bool)
            yield from check(field.attribute, is_bool, "True or False, read from the engine's configuration")
    if log.enable_tensorrt and log.runtime_device == "cpu":
        yield _finding("enable_tensorrt", True, "False, because runtime_device is cpu and TensorRT runs on a GPU only")
    yield from check("model_name", log.model_name not in (None, ""), "a model's name")
    yield from check("precision", log.precision in _PRECISIONS, f"one of {', '.join(_PRECISIONS)}")
    yield from check("input_shape", log.input_shape not in (None, ""), "a shape or 'dynamic'")
    for attribute in ("cpu_math_library_num_threads", "batch_size", "data_num"):
        number = getattr(log, attribute)
        yield from check(attribute, number is not None and number >= 1, "a whole number of 1 or more")
    rss_ok = log.cpu_rss_mb is not None and MIN_RSS_MB <= log.cpu_rss_mb <= MAX_RSS_MB
    yield from check("cpu_rss_mb", rss_ok, "the process's memory in MB, from 20 MB to 4 TB")
    for attribute in ("preprocess_time_ms", "inference_time_ms", "postprocess_time_ms"):
        time = getattr(log, attribute)
        yield from check(attribute, time is not None and 0 < time < math.inf, "a time above 0 ms")
    # Zero is true for a pass shorter than 0.05 ms, so only the comparison with the stages can refuse it.
    total_ok = log.total_time_s is not None and 0 <= log.total_time_s < math.inf
    yield from check("total_time_s", total_ok, "a time of 0 s or more")


def _wrong_device(log: AutoLog, device: str | None) -> Iterator[_Finding]:
    wanted = device.partition(":")[0] if device is not None else None
    if wanted is not None and log.runtime_device != wanted:
        yield _finding("runtime_device", log.runtime_device, f"{wanted}, the device that ran")
    ran = wanted or log.runtime_device
    if ran == "cpu":
        for attribute in ("gpu_rss_mb", "gpu_util"):
            if getattr(log, attribute) is not None:
                yield _finding(attribute, getattr(log, attribute), "None, because the device is cpu")
    if ran == "gpu":
        if log.gpu_rss_mb is None or not 0 < log.gpu_rss_mb <= MAX_RSS_MB:
            yield _finding("gpu_rss_mb", log.gpu_rss_mb, "the GPU's used memory in MB, because the device is gpu")
        if log.gpu_util is None or not 0 <= log.gpu_util <= 100:
            yield _finding("gpu_util", log.gpu_util, "a percentage from 0 to 100, because the device is gpu")


def _wrong_counts(log: AutoLog, num_samples: int | None, warmup: int | None, counts: Counts | None) -> Iterator[_Finding]:
    """Yield a data_num that does not fit the samples, and a total that does not fit the stages."""
    data_num, batch_size = log.data_num, log.batch_size
    if data_num is None or batch_size is None or data_num < 1 or batch_size < 1:
        return
    readings: dict[str, int] = {}  # what data_num counts -> the passes it then stands for, warm-ups included
    if counts != "samples":
        readings["passes"] = data_num
    if counts != "passes":
        readings["samples"] = math.ceil(data_num / batch_size)
    if warmup is not None:
        readings = {what: passes - warmup for what, passes in readings.items() if passes > warmup}
        if not readings:
            yield _finding("data_num", data_num, f"more than the number of warm-up passes it includes, {warmup}")
            return
    if num_samples is not None:
        passes = math.ceil(num_samples / batch_size)
        allowed = {"passes": passes + (warmup or 0), "samples": num_samples + (warmup or 0) * batch_size}
        named = {allowed[what]: f"{allowed[what]} {what}" for what in readings}
        if warmup is not None and data_num in named:
            readings = {what: timed for what, timed in readings.items() if allowed[what] == data_num}
        elif warmup is not None or data_num < min(named):
            least = "" if warmup is not None else "at least "
            rest = "" if not warmup else f" and {warmup} warm-up passes"
            yield _finding(
                "data_num",
                data_num,
                f"{least}{' or '.join(named.values())} ({num_samples} samples in batches of {batch_size}{rest})",
            )
    yield from _wrong_total(log, sorted(set(readings.values())), known=warmup is not None)


def _wrong_total(log: AutoLog, passes: list[int], *, known: bool) -> Iterator[_Finding]:
    """Yield a total that no allowed number of passes explains: `passes` itself if known, else 1 to the largest."""
    stages = (log.preprocess_time_ms, log.inference_time_ms, log.postprocess_time_ms)
    total_s = log.total_time_s
    if total_s is None or not 0 <= total_s < math.inf:
        return
    per_pass = sum(stage if stage is not None else math.nan for stage in stages)
    if not 0 < per_pass < math.inf:
        return
    total = total_s * 1000
    candidates = passes
    if not known:
        # |total - k * per_pass| minus its allowance is piecewise linear in k, so its least value is at one of these.
        most = passes[-1]
        nearest = total / per_pass
        candidates = [most, *(k for k in (math.floor(nearest), math.ceil(nearest)) if 1 <= k <= most), 1]
    if any(abs(total - k * per_pass) <= _allowance_ms(k, per_pass) for k in candidates):
        return
    described = " or ".join(f"{k * per_pass / 1000:.4f}" for k in passes)
    times = " or ".join(str(k) for k in passes) if known else f"1 to {passes[-1]}"
    told = f"{described} = " if known else ""
    expected = f"{told}{times} timed passes x {per_pass:.4f} ms, the sum of the three stages"
    yield _finding("total_time_s", total_s, expected)


def _allowance_ms(k: int, per_pass: float) -> float:
    rounding = _ROUNDING * 1000 + k * len(("preprocess", "inference", "postprocess")) * _ROUNDING
    return rounding + k * _STAMP_MS + TOTAL_RTOL * k * per_pass + 1e-9


def _as_path(text_or_path: str | os.PathLike[str]) -> Path | None:
    if not isinstance(text_or_path, str):
        return Path(text_or_path)
    if not text_or_path or "\n" in text_or_path or "\0" in text_or_path:
        return None
    if text_or_path.endswith((".log", ".txt")) or os.path.isfile(text_or_path):
        return Path(text_or_path)
    return None


def _failure(fact: str, rows: list[tuple[str, str]], remedy: str) -> str:
    """As `report.text.format_failure` has it; that room lies above this one."""
    told = [*rows, ("to do", remedy)]
    width = max(len(label) for label, _ in told) + 1
    return "\n".join([f"{fact}.", "", *(f"  {label + ':':<{width}} {value}" for label, value in told)])
