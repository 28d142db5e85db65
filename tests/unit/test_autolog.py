"""The AutoLog room: pure text in, frozen report out, and sentences about what cannot be true."""

from __future__ import annotations

import dataclasses
import math
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from pytest_paddle_infer.logs.autolog import FIELDS, HEADINGS, AutoLog, AutoLogError, parse_autolog
from pytest_paddle_infer.logs.autolog_check import assert_autolog, problems

# The TIPC documents, Python inference on Linux, section 2.9.
DOCUMENT = """\
[2021/12/14 10:57:28] root INFO:
[2021/12/14 10:57:28] root INFO: ---------------------- Env info ----------------------
[2021/12/14 10:57:28] root INFO:  OS_version: Ubuntu 16.04
[2021/12/14 10:57:28] root INFO:  CUDA_version: 10.2.89
[2021/12/14 10:57:28] root INFO:  CUDNN_version: 7.6.5
[2021/12/14 10:57:28] root INFO:  drivier_version: 440.33.01
[2021/12/14 10:57:28] root INFO: ---------------------- Paddle info ----------------------
[2021/12/14 10:57:28] root INFO:  paddle_version: 0.0.0
[2021/12/14 10:57:28] root INFO:  paddle_commit: aff7397bbf2290c8cdff2e2b2202cbb286d3ae93
[2021/12/14 10:57:28] root INFO:  log_api_version: 1.0
[2021/12/14 10:57:28] root INFO: ----------------------- Conf info -----------------------
[2021/12/14 10:57:28] root INFO:  runtime_device: cpu
[2021/12/14 10:57:28] root INFO:  ir_optim: True
[2021/12/14 10:57:28] root INFO:  enable_memory_optim: True
[2021/12/14 10:57:28] root INFO:  enable_tensorrt: False
[2021/12/14 10:57:28] root INFO:  enable_mkldnn: False
[2021/12/14 10:57:28] root INFO:  cpu_math_library_num_threads: 1
[2021/12/14 10:57:28] root INFO: ----------------------- Model info ----------------------
[2021/12/14 10:57:28] root INFO:  model_name: classification
[2021/12/14 10:57:28] root INFO:  precision: fp32
[2021/12/14 10:57:28] root INFO: ----------------------- Data info -----------------------
[2021/12/14 10:57:28] root INFO:  batch_size: 1
[2021/12/14 10:57:28] root INFO:  input_shape: dynamic
[2021/12/14 10:57:28] root INFO:  data_num: 1
[2021/12/14 10:57:28] root INFO: ----------------------- Perf info -----------------------
[2021/12/14 10:57:28] root INFO:  cpu_rss(MB): 717.3633, gpu_rss(MB): None, gpu_util: None%
[2021/12/14 10:57:28] root INFO:  total time spent(s): 0.3135
[2021/12/14 10:57:28] root INFO:  preprocess_time(ms): 47.2865, inference_time(ms): 266.1366, postprocess_time(ms): 0.061
"""
# What auto_log ba37c37 printed on Paddle 3.3.1: two warm-up passes and eight timed ones, with nvcc's stray lines.
REAL = """\
[2026/11/22 09:55:45] root INFO:

[2026/11/22 09:55:45] root INFO: ---------------------- Env info ----------------------
[2026/11/22 09:55:45] root INFO:  OS_version: Debian GNU/Linux 12
Build cuda_13.0.r13.0/compiler.36424714_0
[2026/11/22 09:55:45] root INFO:  CUDA_version: 13.0.88
Build cuda_13.0.r13.0/compiler.36424714_0
[2026/11/22 09:55:45] root INFO:  CUDNN_version: None.None.None
[2026/11/22 09:55:45] root INFO:  drivier_version: None
[2026/11/22 09:55:45] root INFO: ---------------------- Paddle info ----------------------
[2026/11/22 09:55:45] root INFO:  paddle_version: 3.3.1
[2026/11/22 09:55:45] root INFO:  paddle_commit: 7688495538f4d6c1893f084dd238a402e8f68ab6
[2026/11/22 09:55:45] root INFO:  log_api_version: 1.0
[2026/11/22 09:55:45] root INFO: ----------------------- Conf info -----------------------
[2026/11/22 09:55:45] root INFO:  runtime_device: cpu
[2026/11/22 09:55:45] root INFO:  ir_optim: True
[2026/11/22 09:55:45] root INFO:  enable_memory_optim: True
[2026/11/22 09:55:45] root INFO:  enable_tensorrt: False
[2026/11/22 09:55:45] root INFO:  enable_mkldnn: False
[2026/11/22 09:55:45] root INFO:  cpu_math_library_num_threads: 1
[2026/11/22 09:55:45] root INFO: ----------------------- Model info ----------------------
[2026/11/22 09:55:45] root INFO:  model_name: toy
[2026/11/22 09:55:45] root INFO:  precision: fp32
[2026/11/22 09:55:45] root INFO: ----------------------- Data info -----------------------
[2026/11/22 09:55:45] root INFO:  batch_size: 2
[2026/11/22 09:55:45] root INFO:  input_shape: dynamic
[2026/11/22 09:55:45] root INFO:  data_num: 10
[2026/11/22 09:55:45] root INFO: ----------------------- Perf info -----------------------
[2026/11/22 09:55:45] root INFO:  cpu_rss(MB): 315.1484, gpu_rss(MB): None, gpu_util: None%
[2026/11/22 09:55:45] root INFO:  total time spent(s): 0.1412
[2026/11/22 09:55:45] root INFO:  preprocess_time(ms): 0.0011, inference_time(ms): 17.6318, postprocess_time(ms): 0.0184
"""
GOOD = parse_autolog(DOCUMENT)
NAMES = [field.name for field in FIELDS]


def doubled(text: str) -> str:
    """Every line a second time, as Paddle's handler on the root logger prints it."""
    lines = []
    for line in text.splitlines():
        lines += [line, re.sub(r"^\[.*?\] root INFO:", "[2026-11-22 10:56:00,656] [    INFO] autolog.py:219 -", line)]
    return "\n".join(lines)


def without(text: str, name: str) -> str:
    """The log without one field, the other fields of its line untouched."""
    lines = []
    for line in text.splitlines():
        parts = re.split(r",\s*", line) if "(ms)" in line or "gpu_util" in line else [line]
        prefix = "[2021/12/14 10:57:28] root INFO:  "
        kept = [part for part in parts if not part.replace(prefix, "").startswith(f"{name}:")]
        if kept:
            lines.append(", ".join(kept) if kept[0].startswith("[") else prefix + ", ".join(kept))
    return "\n".join(lines)


def attribute(name: str) -> str:
    return next(field.attribute for field in FIELDS if field.name == name)


def changed(**values: object) -> AutoLog:
    return dataclasses.replace(GOOD, **values)


def named_fields(sentences: list[str]) -> list[str]:
    return [sentence.partition(" is ")[0] for sentence in sentences]


# --- the format ---------------------------------------------------------------------------------------------------


def test_the_table_lists_the_25_fields_of_the_documents_log_in_its_order_and_sections():
    in_document = []
    section = ""
    for line in DOCUMENT.splitlines():
        message = line.partition("root INFO:")[2].strip()
        if message.startswith("---"):
            section = message.strip("- ")
        else:
            in_document += [(section, part.partition(":")[0]) for part in message.split(", ") if part]
    assert [(field.section, field.name) for field in FIELDS] == in_document
    assert len(FIELDS) == 25


def test_the_dataclass_has_one_attribute_per_field_in_the_tables_order():
    in_table = [field.attribute for field in FIELDS]
    assert [field.name for field in dataclasses.fields(AutoLog)] == in_table


def test_the_documents_log_is_written_back_line_by_line():
    written = GOOD.to_text(datetime(2021, 12, 14, 10, 57, 28))
    lines = [line.rstrip() for line in written.splitlines() if line]
    assert lines == DOCUMENT.splitlines()
    assert written.splitlines()[:2] == ["[2021/12/14 10:57:28] root INFO: ", ""]  # AutoLog logs "\n" first


def test_a_report_survives_being_written_and_read():
    log = changed(gpu_rss_mb=1023.5, gpu_util=15.0, cuda_version=None, batch_size=8, input_shape="1,3,224,224")
    assert parse_autolog(log.to_text()) == log


def test_a_report_is_stamped_with_the_present_time_by_default():
    assert f"[{datetime.now():%Y/%m/%d} " in GOOD.to_text()


def test_text_with_line_breaks_is_folded_to_one_line():
    log = changed(cuda_version="13.0.88\nBuild cuda_13.0", model_name="a\r\n batch_size: 7")
    assert parse_autolog(log.to_text()).cuda_version == "13.0.88 Build cuda_13.0"
    assert parse_autolog(log.to_text()).batch_size == 1


def test_numbers_are_written_with_four_decimals():
    text = changed(cpu_rss_mb=100.123456, total_time_s=2).to_text()
    assert "cpu_rss(MB): 100.1235, gpu_rss(MB): None, gpu_util: None%" in text
    assert "total time spent(s): 2.0\n" in text


def test_the_room_imports_neither_pytest_nor_numpy_nor_paddle():
    code = (
        "import sys, pytest_paddle_infer.logs.autolog_check;"
        " print([name for name in ('pytest', 'numpy', 'paddle') if name in sys.modules])"
    )
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# --- reading ------------------------------------------------------------------------------------------------------


def test_the_documents_log_is_read_with_types():
    log = parse_autolog(DOCUMENT)
    assert log == AutoLog(
        os_version="Ubuntu 16.04",
        cuda_version="10.2.89",
        cudnn_version="7.6.5",
        driver_version="440.33.01",
        paddle_version="0.0.0",
        paddle_commit="aff7397bbf2290c8cdff2e2b2202cbb286d3ae93",
        log_api_version="1.0",
        runtime_device="cpu",
        ir_optim=True,
        enable_memory_optim=True,
        enable_tensorrt=False,
        enable_mkldnn=False,
        cpu_math_library_num_threads=1,
        model_name="classification",
        precision="fp32",
        batch_size=1,
        input_shape="dynamic",
        data_num=1,
        cpu_rss_mb=717.3633,
        gpu_rss_mb=None,
        gpu_util=None,
        total_time_s=0.3135,
        preprocess_time_ms=47.2865,
        inference_time_ms=266.1366,
        postprocess_time_ms=0.061,
    )


def test_real_output_with_nvccs_stray_lines_is_read():
    log = parse_autolog(REAL)
    assert (log.cuda_version, log.driver_version, log.data_num, log.inference_time_ms) == ("13.0.88", None, 10, 17.6318)


@pytest.mark.parametrize("text", [DOCUMENT, REAL], ids=["document", "real"])
def test_a_log_whose_lines_two_loggers_print_reads_as_one_report(text: str):
    assert parse_autolog(doubled(text)) == parse_autolog(text)
    assert doubled(text).count("Env info") == 2


@pytest.mark.parametrize(
    "prefix",
    ["", "INFO:root:", "2026-11-22 10:56:00,656 - root - INFO -", "\x1b[32m[10:56:00] ppocr INFO\x1b[0m:", "[a] [I] |"],
)
def test_any_loggers_prefix_is_understood(prefix: str):
    text = DOCUMENT.replace("[2021/12/14 10:57:28] root INFO:", prefix)
    assert parse_autolog(text) == GOOD


def test_a_coloured_log_is_read():
    text = "".join(f"\x1b[32m{line}\x1b[0m\n" for line in DOCUMENT.splitlines())
    assert parse_autolog(text) == GOOD


def test_an_identified_report_is_read():
    assert parse_autolog(DOCUMENT.replace("INFO:  ", "INFO: [det model] ")) == GOOD


def test_windows_line_ends_are_read():
    assert parse_autolog(DOCUMENT.replace("\n", "\r\n")) == GOOD


def test_foreign_lines_between_and_around_are_ignored():
    noise = "W1122 10:56 gpu_resources.cc:119] Please NOTE: device: 0, precision fp16\nTraining-batch_size: 4\n"
    arguments = "[2021/12/14 10:57:27] root INFO: batch_size: 64\nmodel_name: other\nprecision: int8\n"
    text = arguments + "".join(line + "\n" + noise for line in DOCUMENT.splitlines()) + arguments.replace("64", "32")
    # The trailing dump stands under "Perf info", where those fields do not belong.
    assert parse_autolog(text) == GOOD


def test_the_last_of_several_reports_is_read():
    assert parse_autolog(DOCUMENT + REAL) == parse_autolog(REAL)
    assert parse_autolog(REAL + "noise\n" + doubled(DOCUMENT)) == GOOD


def test_a_later_report_that_was_cut_short_does_not_hide_the_complete_one():
    cut = REAL[: REAL.index("[2026/11/22 09:55:45] root INFO:  total")]
    assert parse_autolog(DOCUMENT + cut) == GOOD


def test_two_cut_reports_do_not_make_a_complete_one():
    first = DOCUMENT[: DOCUMENT.index("[2021/12/14 10:57:28] root INFO: ----------------------- Perf")]
    second = without(DOCUMENT, "OS_version")
    with pytest.raises(AutoLogError, match="OS_version"):
        parse_autolog(first + second)


@pytest.mark.parametrize("text", ["", "no report here", "\n".join(NAMES)])
def test_a_text_without_a_report_is_refused(text: str):
    with pytest.raises(AutoLogError, match="no AutoLog report"):
        parse_autolog(text)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_field_is_named(name: str):
    text = without(DOCUMENT, name)
    with pytest.raises(AutoLogError, match=re.escape(f"the field {name} of section")) as caught:
        parse_autolog(text)
    assert caught.value.field == name


@pytest.mark.parametrize("section", list(HEADINGS)[1:])
def test_a_missing_heading_is_named(section: str):
    with pytest.raises(AutoLogError, match=f"heading '{section}' is missing"):
        parse_autolog(DOCUMENT.replace(HEADINGS[section], ""))


@pytest.mark.parametrize("name", [field.name for field in FIELDS if field.kind != "text"])
def test_a_malformed_field_is_named_with_its_line(name: str):
    text = re.sub(re.escape(name) + r": [^,\n%]+", f"{name}: 1_0x", DOCUMENT)
    with pytest.raises(AutoLogError, match=re.escape(f"the field {name} is malformed: '1_0x")) as caught:
        parse_autolog(text)
    assert caught.value.field == name
    number = next(n for n, line in enumerate(text.splitlines(), 1) if "1_0x" in line)
    assert f"line {number}: " in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_field_told_twice_differently_is_named_with_both_lines(name: str):
    lines = DOCUMENT.splitlines()
    at = next(n for n, line in enumerate(lines) if f" {name}:" in line)
    lines.insert(at + 1, f"[2021/12/14 10:57:29] root INFO:  {name}: 99")
    with pytest.raises(AutoLogError, match=re.escape(f"the field {name} stands there twice")) as caught:
        parse_autolog("\n".join(lines))
    assert f"line {at + 1} and '99' in line {at + 2}" in str(caught.value)


@pytest.mark.parametrize(("printed", "value"), [("1e-05", 1e-05), ("3", 3.0), ("inf", math.inf), ("-2.5", -2.5)])
def test_the_numbers_that_python_prints_are_read(printed: str, value: float):
    assert parse_autolog(DOCUMENT.replace("0.3135", printed)).total_time_s == value


# --- checking -----------------------------------------------------------------------------------------------------


def test_the_documents_log_is_credible():
    assert problems(GOOD) == []
    assert problems(GOOD, device="cpu", num_samples=1, expected={"model_name": "classification"}) == []


@pytest.mark.parametrize("warmup", [2, None])
def test_real_output_is_credible_once_its_warm_ups_are_allowed_for(warmup: int | None):
    assert problems(parse_autolog(REAL), warmup=warmup) == []


def test_real_output_counts_passes_not_samples():
    # Batch size 2, data_num 10, 8 x 17.65 ms in total: AutoLog's data_num counts times.end() calls.
    log = parse_autolog(REAL)
    assert problems(log, warmup=2, data_num_counts="passes", num_samples=16) == []
    assert named_fields(problems(log, warmup=2, data_num_counts="samples")) == ["total time spent(s)"]


def test_real_output_with_its_warm_ups_unmentioned_has_a_total_that_is_too_short():
    (sentence,) = problems(parse_autolog(REAL))
    assert sentence == (
        "total time spent(s) is 0.1412, expected 0.0883 or 0.1765 = 5 or 10 timed passes x 17.6513 ms, the sum of the three stages."
    )


FALSE_VALUES = {
    "OS_version": [None, "", "None None"],
    "paddle_version": [None, "develop", "3", ""],
    "paddle_commit": [None, ""],
    "log_api_version": [None, "2.0"],
    "runtime_device": [None, "tpu", ""],
    "ir_optim": [None],
    "enable_memory_optim": [None],
    "enable_tensorrt": [None, True],
    "enable_mkldnn": [None],
    "cpu_math_library_num_threads": [None, 0, -1],
    "model_name": [None, ""],
    "precision": [None, "float32", "fp64"],
    "batch_size": [None, 0, -4],
    "input_shape": [None, ""],
    "data_num": [None, 0, -1],
    "cpu_rss(MB)": [None, 0.0, 19.9, 4.2e6, -5.0, math.nan, math.inf],
    "gpu_rss(MB)": [100.0],
    "gpu_util": [5.0],
    "total time spent(s)": [None, -0.1, math.nan, math.inf, 0.0, 0.31, 0.32, 0.627],
    "preprocess_time(ms)": [None, 0.0, -1.0, math.nan, math.inf],
    "inference_time(ms)": [None, 0.0, -1.0, math.nan, math.inf],
    "postprocess_time(ms)": [None, 0.0, -1.0, math.nan, math.inf],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in FALSE_VALUES.items() for value in values])
def test_a_value_that_cannot_be_true_is_named(name: str, value: object):
    found = problems(changed(**{attribute(name): value}))
    assert name in named_fields(found)
    assert any(sentence.startswith(f"{name} is {'empty' if value == '' else value}, expected ") for sentence in found)


@pytest.mark.parametrize("name", NAMES)
def test_a_value_other_than_the_expected_one_is_named_with_both(name: str):
    wanted = "something else"
    (sentence,) = problems(GOOD, expected={attribute(name): wanted})
    assert sentence.startswith(f"{name} is {getattr(GOOD, attribute(name))}, expected 'something else'")


@pytest.mark.parametrize("version", ["3.3.1", "2.6.2.post120", "3.0.0-beta1", "3.0.0b1", "3.3.0.dev20260101", "0.0.0"])
def test_versions_that_paddle_has_worn_are_credible(version: str):
    assert problems(changed(paddle_version=version)) == []


def test_the_device_that_ran_must_be_the_one_named():
    assert named_fields(problems(GOOD, device="gpu")) == ["runtime_device", "gpu_rss(MB)", "gpu_util"]


def test_a_gpu_report_is_credible_with_the_gpus_memory_and_load_only():
    log = changed(runtime_device="gpu", gpu_rss_mb=1823.0, gpu_util=0.0, enable_tensorrt=True)
    assert problems(log, device="gpu:0") == []
    bare = dataclasses.replace(log, gpu_rss_mb=None, gpu_util=None)
    assert named_fields(problems(bare)) == ["gpu_rss(MB)", "gpu_util"]
    absurd = dataclasses.replace(log, gpu_rss_mb=0.0, gpu_util=101.0)
    assert named_fields(problems(absurd)) == ["gpu_rss(MB)", "gpu_util"]


@pytest.mark.parametrize(
    ("data_num", "batch_size", "warmup", "counts", "passes"),
    [
        (10, 1, 0, None, 10),
        (10, 4, 0, "passes", 10),
        (10, 4, 0, "samples", 3),  # the last batch is not full
        (10, 4, 2, "passes", 8),
        (10, 4, 2, "samples", 1),
        (1000, 1, 5, None, 995),
    ],
)
def test_the_total_is_the_stages_times_the_timed_passes(
    data_num: int, batch_size: int, warmup: int, counts: str | None, passes: int
):
    total = round(passes * 0.3134841, 4)
    log = changed(data_num=data_num, batch_size=batch_size, total_time_s=total)
    assert problems(log, warmup=warmup, data_num_counts=counts) == []
    for wrong in (total * 1.03, total * 0.97, total + 0.3134841 * passes):
        found = problems(dataclasses.replace(log, total_time_s=wrong), warmup=warmup, data_num_counts=counts)
        assert named_fields(found) == ["total time spent(s)"]


def test_with_unknown_warm_ups_the_total_must_still_be_a_whole_number_of_passes():
    def found(total: float) -> list[str]:
        return named_fields(problems(changed(data_num=10, total_time_s=total), warmup=None))

    for passes in range(1, 11):
        assert found(round(passes * 0.3134841, 4)) == []
    for passes in (0.4, 1.5, 9.5, 11, 12):
        assert found(round(passes * 0.3134841, 4)) == ["total time spent(s)"]


def test_a_pass_too_short_for_the_totals_four_decimals_is_credible():
    # Measured: 0.0274 + 0.0069 + 0.0019 ms, which AutoLog prints as a total of 0.0 s.
    log = changed(preprocess_time_ms=0.0274, inference_time_ms=0.0069, postprocess_time_ms=0.0019, total_time_s=0.0)
    assert problems(log) == []
    assert problems(log, warmup=None) == []


def test_the_templates_extra_stamp_is_no_fault():
    # times.end(stamp=True) after the third stamp: about a microsecond a pass is in the total and in no stage.
    log = changed(
        preprocess_time_ms=0.0274,
        inference_time_ms=0.0069,
        postprocess_time_ms=0.0019,
        total_time_s=round(1000 * 0.0372e-3, 4),
        data_num=1000,
    )
    assert problems(log) == []


@pytest.mark.parametrize(
    ("num_samples", "warmup", "data_num", "ok"),
    [
        (16, 0, 16, True),
        (16, 0, 4, True),
        (16, 0, 5, False),
        (17, 0, 5, True),
        (16, 2, 6, True),
        (16, 2, 24, True),
        (16, 2, 16, False),
        (16, None, 4, True),
        (16, None, 9, True),
        (16, None, 3, False),
    ],
)
def test_data_num_must_fit_the_samples(num_samples: int, warmup: int | None, data_num: int, ok: bool):
    log = changed(batch_size=4, data_num=data_num, total_time_s=None)
    found = problems(log, num_samples=num_samples, warmup=warmup)
    assert ("data_num" in named_fields(found)) is not ok


def test_a_data_num_that_fits_the_samples_in_one_way_decides_how_the_total_is_read():
    log = changed(batch_size=4, data_num=16, total_time_s=round(16 * 0.3134841, 4))
    assert problems(log) == []
    assert named_fields(problems(log, num_samples=16)) == ["total time spent(s)"]  # 16 samples are 4 passes


def test_more_warm_ups_than_passes_are_named():
    assert problems(GOOD, warmup=1) == ["data_num is 1, expected more than the number of warm-up passes it includes, 1."]


@pytest.mark.parametrize(
    ("keywords", "told"),
    [
        ({"expected": {"bach_size": 1}}, "'bach_size'; AutoLog has os_version, "),
        ({"data_num_counts": "images"}, "must be 'passes', 'samples' or None"),
        ({"warmup": -1}, "0 or more"),
        ({"num_samples": 0}, "1 or more"),
    ],
)
def test_a_wrong_use_is_an_error_that_tells_the_valid_values(keywords: dict[str, object], told: str):
    with pytest.raises(ValueError, match=re.escape(told)):
        problems(GOOD, **keywords)


# --- asserting ----------------------------------------------------------------------------------------------------


def test_a_credible_log_is_returned_from_text_path_and_name(tmp_path: Path):
    path = tmp_path / "report"
    path.write_text(DOCUMENT)
    assert assert_autolog(DOCUMENT) == assert_autolog(path) == assert_autolog(str(path)) == GOOD


def test_a_failure_is_a_fact_aligned_values_and_a_remedy(tmp_path: Path):
    path = tmp_path / "infer.log"
    path.write_text(DOCUMENT.replace("fp32", "fp64").replace("total time spent(s): 0.3135", "total time spent(s): -1"))
    with pytest.raises(AssertionError) as caught:
        assert_autolog(path, device="cpu")
    assert str(caught.value).splitlines() == [
        "The AutoLog report has 2 implausible or untrue values.",
        "",
        f"  log:      {path}",
        "  field:    precision",
        "  value:    fp64",
        "  expected: one of fp32, fp16, bf16, int8",
        "  field:    total time spent(s)",
        "  value:    -1.0",
        "  expected: a time of 0 s or more",
        (
            "  to do:    correct what the inference script hands to the logger, or the expectation given to this check"
            " (warm-ups that data_num includes: warmup=)."
        ),
    ]


@pytest.mark.parametrize("name", ["absent.log", "absent.txt"])
def test_a_missing_file_is_told_as_such(tmp_path: Path, name: str):
    with pytest.raises(AssertionError, match="cannot be read") as caught:
        assert_autolog(str(tmp_path / name))
    assert "No such file" in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_a_missing_path_object_is_never_taken_for_text(tmp_path: Path):
    with pytest.raises(AssertionError, match="cannot be read"):
        assert_autolog(tmp_path / "absent")


@pytest.mark.parametrize("text", ["", "x" * 5000, "a\0b", "crash before the report"])
def test_a_text_that_is_no_report_is_told_as_such(text: str):
    with pytest.raises(AssertionError, match="no readable AutoLog report"):
        assert_autolog(text)


def test_an_unreadable_field_is_named_in_the_failure():
    with pytest.raises(AssertionError, match=r"  field:    data_num\n  value:    the field data_num is malformed"):
        assert_autolog(DOCUMENT.replace("data_num: 1", "data_num: one"))


def test_a_log_with_foreign_bytes_is_read(tmp_path: Path):
    path = tmp_path / "infer.log"
    path.write_bytes(b"\xff\xfe garbage\n" + DOCUMENT.encode())
    assert assert_autolog(path) == GOOD
