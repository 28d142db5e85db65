"""The log that a run leaves, read by a user's own test with `assert_autolog`, and AutoLog's own logger (a stand-in of it) as the writer."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sessions import Session, assert_green, assert_red, run_shared

Run = Callable[..., Session]

SUITE = """
import re
from pathlib import Path

from pytest_paddle_infer import assert_autolog, parse_autolog

LOG = Path(__file__).parent / "out" / "tiny" / "cpu" / "inference_benchmark.log"
KNOWN = dict(device="cpu", num_samples=12, data_num_counts="samples")


def changed(pattern, replacement):
    text = LOG.read_text()
    new, count = re.subn(pattern, replacement, text)
    assert count == 1, text
    return new


def test_as_it_was_left():
    log = assert_autolog(LOG, **KNOWN)
    assert (log.model_name, log.batch_size, log.enable_mkldnn, log.cpu_math_library_num_threads) == ("tiny", 1, False, 1)
    assert parse_autolog(LOG.read_text()) == log


def test_field_removed():
    assert_autolog(changed(r".*cpu_math_library_num_threads: .*\\n", ""), **KNOWN)


def test_misspelt_field_corrected():
    assert_autolog(changed("drivier_version", "driver_version"), **KNOWN)


def test_inference_time_halved():
    log = parse_autolog(LOG.read_text())
    assert_autolog(changed(r"inference_time\\(ms\\): [\\d.]+", f"inference_time(ms): {log.inference_time_ms / 2 - 1:.4f}"), **KNOWN)


def test_total_time_doubled():
    log = parse_autolog(LOG.read_text())
    assert_autolog(changed(r"total time spent\\(s\\): [\\d.]+", f"total time spent(s): {log.total_time_s * 2 + 0.01:.4f}"), **KNOWN)


def test_another_device():
    assert_autolog(LOG, device="gpu")


def test_time_that_is_no_number():
    assert_autolog(changed(r"preprocess_time\\(ms\\): [\\d.]+", "preprocess_time(ms): fast"), **KNOWN)
"""

AUTO_LOG = '''
"""Stands in for AutoLog (github.com/LDOUBLEV/AutoLog, not on PyPI): its interface, its format, its `sys.exit(0)` and its hang."""

import os
import subprocess
import sys
import time

import paddle


class Times:
    def __init__(self, warmup):
        self.warmup, self.passes, self.current = warmup, [], []

    def start(self):
        self.current = [time.time()]

    def stamp(self):
        self.current.append(time.time())

    def end(self, stamp=False):
        if stamp:
            self.stamp()
        self.passes.append([b - a for a, b in zip(self.current, self.current[1:])])


class AutoLogger:
    def __init__(self, model_name, model_precision, batch_size, data_shape, save_path, inference_config=None, pids=None,
                 process_name=None, gpu_ids=None, time_keys=None, warmup=0, logger=None, **kwargs):
        self.values = dict(name=model_name, precision=model_precision, batch=batch_size, shape=data_shape)
        self.path, self.config, self.keys = save_path, inference_config, time_keys
        self.times = Times(warmup)
        self.helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])

    def report(self, identifier=None):
        if os.environ.get("AUTO_LOG") == "hang":
            while True:
                time.sleep(0.1)
        self.helper.kill()
        timed = self.times.passes[self.times.warmup:]
        means = [1000 * sum(column) / len(timed) for column in zip(*timed)]
        if os.environ.get("AUTO_LOG") == "lie":
            means[1] = means[1] / 2 - 1 if means[1] > 4 else means[1] + 50
        config, v = self.config, self.values
        lines = [
            "", "-" * 22 + " Env info " + "-" * 22, " OS_version: Debian GNU/Linux 12", " CUDA_version: None",
            " CUDNN_version: None.None.None", " drivier_version: None", "-" * 22 + " Paddle info " + "-" * 22,
            f" paddle_version: {paddle.__version__}", f" paddle_commit: {paddle.version.commit}", " log_api_version: 1.0",
            "-" * 23 + " Conf info " + "-" * 23, " runtime_device: " + ("gpu" if config.use_gpu() else "cpu"),
            f" ir_optim: {config.ir_optim()}", " enable_memory_optim: True",
            f" enable_tensorrt: {config.tensorrt_engine_enabled()}", f" enable_mkldnn: {config.mkldnn_enabled()}",
            f" cpu_math_library_num_threads: {config.cpu_math_library_num_threads()}",
            "-" * 23 + " Model info " + "-" * 22, f" model_name: {v['name']}", f" precision: {v['precision']}",
            "-" * 23 + " Data info " + "-" * 23, f" batch_size: {v['batch']}", f" input_shape: {v['shape']}",
            f" data_num: {len(self.times.passes)}", "-" * 23 + " Perf info " + "-" * 23,
            " cpu_rss(MB): 315.1484, gpu_rss(MB): None, gpu_util: None%",
            f" total time spent(s): {sum(map(sum, timed)):.4f}",
            " " + ", ".join(f"{key}(ms): {mean:.4f}" for key, mean in zip(self.keys, means)),
        ]
        stamp = time.strftime("%Y/%m/%d %H:%M:%S")
        with open(self.path, "a") as stream:
            for line in lines:
                stream.write(f"[{stamp}] root INFO: {line}\\n")
        sys.exit(0)
'''


@pytest.fixture
def reading(made_repo: Path, shared_directory: Path) -> Session:
    """A run that leaves a log, and after it a user's own tests over what it left."""

    def make() -> Session:
        repo = shared_directory / "log-faults"
        shutil.copytree(made_repo, repo)
        left = run_shared(shared_directory, repo, "--paddle-model=tiny", "--paddle-output-dir=out", "--paddle-repeats=3")
        assert_green(left, 3)
        (repo / "test_log_left.py").write_text(SUITE)
        return run_shared(shared_directory, repo, "test_log_left.py")

    return Session.shared(shared_directory, "log-faults", make)


def assert_message(session: Session, name: str, *sentences: str) -> None:
    case = session[f"::{name}"]
    assert case.outcome == "failed", session.output
    cause = next(line for line in case.text.splitlines() if re.match(r"E +AssertionError: ", line))
    assert "AutoLog report" in cause
    for sentence in sentences:
        assert sentence in case.text, case.text


def test_the_log_that_a_run_leaves_is_whole_and_true(reading: Session) -> None:
    assert reading["::test_as_it_was_left"].outcome == "passed", reading.output


def test_a_removed_field_is_named(reading: Session) -> None:
    assert_message(reading, "test_field_removed", "The log holds no readable AutoLog report", "cpu_math_library_num_threads")


def test_a_corrected_spelling_of_autologs_misspelt_field_is_a_missing_field(reading: Session) -> None:
    assert_message(reading, "test_misspelt_field_corrected", "drivier_version")


def test_a_falsified_stage_time_is_found_by_the_total(reading: Session) -> None:
    assert_message(reading, "test_inference_time_halved", "implausible or untrue")


def test_a_falsified_total_time_is_found_by_the_stages(reading: Session) -> None:
    assert_message(reading, "test_total_time_doubled", "implausible or untrue", "total time spent(s)")


def test_another_device_than_the_one_that_ran_is_found(reading: Session) -> None:
    assert_message(reading, "test_another_device", "runtime_device", "gpu")


def test_a_time_that_is_no_number_is_named(reading: Session) -> None:
    assert_message(reading, "test_time_that_is_no_number", "preprocess_time(ms)", "fast")


# -- AutoLog itself ----------------------------------------------------------------------------------------------------


@pytest.fixture
def with_auto_log(repo: Path, run_session: Run, tmp_path: Path) -> Callable[[str], Session]:
    """Runs the log checkpoint with the stand-in of AutoLog writing the log."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "auto_log.py").write_text(AUTO_LOG)
    from PIL import Image

    Image.radial_gradient("L").convert("RGB").save(repo / "one.png")

    def run(mode: str) -> Session:
        return run_session(
            repo, "paddle-model/tiny::test_log[cpu]", "paddle-model/tiny::test_parity[cpu]", "--paddle-autolog=auto_log",
            "--paddle-exported=exports/tipc_softmax", "--paddle-timeout=5", "--paddle-warmup=0", "--paddle-repeats=1",
            "--paddle-images=one.png", "--paddle-output-dir=out",
            env={"PYTHONPATH": str(tmp_path / "elsewhere"), "AUTO_LOG": mode},
        )  # fmt: skip

    return run


def test_autologs_own_logger_writes_the_log_and_its_exit_does_not_end_the_session(
    repo: Path, with_auto_log: Callable[[str], Session]
) -> None:
    session = with_auto_log("right")
    assert_green(session, 2)
    assert "root INFO:  paddle_version" in (repo / "out" / "tiny" / "cpu" / "inference_benchmark.log").read_text()


def test_autolog_hanging_in_report_ends_at_the_time_limit(with_auto_log: Callable[[str], Session]) -> None:
    session = with_auto_log("hang")  # run_session finds no process left, the helper of the logger included
    assert_red(session, "::test_log[cpu]", "hangs in 'let auto_log write the log'", "no end after")
    assert session["::test_parity[cpu]"].outcome == "passed", session.output


def test_a_log_of_autolog_that_does_not_add_up_is_red(with_auto_log: Callable[[str], Session]) -> None:
    assert_red(with_auto_log("lie"), "::test_log[cpu]", "the benchmark log is not true", r"\(ms\)|\(s\)")


def test_autolog_that_is_not_installed_is_a_usage_error_that_says_how_to_install_it(repo: Path, run_session: Run) -> None:
    session = run_session(repo, "--paddle-model=tiny", "--paddle-autolog=auto_log")
    assert session.returncode == 4, session.output
    assert "--paddle-autolog" in session.output
    assert "LDOUBLEV/AutoLog" in session.output, "it is not on PyPI"
