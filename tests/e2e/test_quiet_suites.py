"""Warnings stay out of a user's suite, Paddle and numpy out of sys.modules, and a machine without Paddle is told what to install."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sessions import Session, assert_green, environment

Run = Callable[..., Session]

SUITE = """
import pytest


@pytest.mark.paddle_infer_parity(model="tiny", variants=["cpu", "onednn"])
def test_marked():
    pass


def test_engines(inference_engine, training_engine, sample_images):
    for image in sample_images:
        assert inference_engine.predict(image).class_id == training_engine.predict(image).class_id


def test_exported(exported_model):
    assert exported_model.params_file.is_file()
"""

WRITES_MODULES = """
import json
import sys


def pytest_unconfigure(config):
    with open("modules.json", "w") as stream:
        json.dump(sorted({name.partition(".")[0] for name in sys.modules}), stream)
"""

PLAIN = "def test_plain():\n    assert 1 + 1 == 2\n"


def modules_of(directory: Path) -> set[str]:
    return set(json.loads((directory / "modules.json").read_text()))


@pytest.mark.parametrize("args", [(), ("-W", "error")], ids=["ini", "command line"])
def test_a_suite_that_turns_warnings_into_errors_stays_green(repo: Path, run_session: Run, args: tuple[str, ...]) -> None:
    (repo / "test_suite.py").write_text(SUITE)
    if not args:
        (repo / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\naddopts = --strict-markers --strict-config\n")
    session = run_session(repo, "test_suite.py", "--paddle-model=tiny", *args)
    assert_green(session, 4 + 3)
    assert "warning" not in session.output.lower(), session.output


def test_collecting_a_model_imports_neither_paddle_nor_numpy(tmp_path: Path, run_session: Run) -> None:
    (tmp_path / "conftest.py").write_text(WRITES_MODULES)
    session = run_session(tmp_path, "--collect-only", "-q", "--paddle-model=alexnet")
    assert session.returncode == 0, session.output
    assert "paddle-model/alexnet::test_parity[cpu]" in session.output
    assert not modules_of(tmp_path) & {"paddle", "numpy", "PIL", "reprod_log"}


def test_collecting_a_marked_suite_of_a_model_repo_imports_neither_paddle_nor_numpy(repo: Path, run_session: Run) -> None:
    (repo / "test_suite.py").write_text(SUITE)
    (repo / "conftest.py").write_text((repo / "conftest.py").read_text() + WRITES_MODULES)
    session = run_session(repo, "--collect-only", "-q", "--paddle-model=tiny")
    assert session.returncode == 0, session.output
    assert not modules_of(repo) & {"paddle", "numpy", "PIL", "reprod_log"}


def test_a_suite_that_does_not_use_the_plugin_imports_neither_paddle_nor_numpy(tmp_path: Path, run_session: Run) -> None:
    (tmp_path / "conftest.py").write_text(WRITES_MODULES)
    (tmp_path / "test_plain.py").write_text(PLAIN)
    session = run_session(tmp_path)
    assert_green(session, 1)
    assert "paddle inference" not in session.output
    assert not modules_of(tmp_path) & {"paddle", "numpy", "PIL", "reprod_log", "psutil", "filelock"}


def run_without_site(cwd: Path, env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    (cwd / "cache").mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-S", "-m", "pytest", "-p", "no:cacheprovider", *args], cwd=cwd, capture_output=True, text=True, timeout=60,
        env=environment(cwd / "cache", "-", env), check=False,
    )  # fmt: skip


def test_without_paddle_a_suite_that_does_not_use_the_plugin_runs_unchanged(tmp_path: Path, without_paddle: dict[str, str]) -> None:
    (tmp_path / "test_plain.py").write_text(PLAIN + "\n\ndef test_absent():\n    import importlib.util\n\n"
                                            "    assert importlib.util.find_spec('paddle') is None\n")  # fmt: skip
    done = run_without_site(tmp_path, without_paddle, "-W", "error", "test_plain.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "paddle-infer-" in done.stdout, "the plugin is loaded"
    assert "2 passed" in done.stdout


def test_without_paddle_naming_a_model_is_a_usage_error_that_says_what_to_install(
    tmp_path: Path, without_paddle: dict[str, str]
) -> None:
    done = run_without_site(tmp_path, without_paddle, "--paddle-model=alexnet")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for package in ("pytest-paddle-infer[cpu]", "pytest-paddle-infer[gpu]"):
        assert package in done.stderr


def test_without_paddle_a_marked_test_fails_with_what_to_install(tmp_path: Path, without_paddle: dict[str, str]) -> None:
    (tmp_path / "test_marked.py").write_text(
        "import pytest\n\n\n@pytest.mark.paddle_infer_parity(model='own.py:make')\ndef test_marked():\n    pass\n"
    )
    (tmp_path / "own.py").write_text("def make():\n    import paddle\n\n    return paddle.nn.Linear(3, 3)\n")
    done = run_without_site(tmp_path, without_paddle, "test_marked.py")
    assert done.returncode in (1, 4), done.stdout + done.stderr
    assert "INTERNALERROR" not in done.stdout
    assert "pytest-paddle-infer[cpu]" in done.stdout + done.stderr
    assert "/pytest_paddle_infer/" not in done.stdout, done.stdout


def test_the_random_state_of_paddle_numpy_and_python_is_the_users(repo: Path, run_session: Run) -> None:
    (repo / "test_states.py").write_text("""
import random

import numpy as np
import paddle
import pytest

FOUND = {}


def draws():
    return random.random(), float(np.random.rand()), paddle.rand([1]).tolist()


def test_before():
    random.seed(5), np.random.seed(5), paddle.seed(5)
    FOUND["expected"] = draws()
    random.seed(5), np.random.seed(5), paddle.seed(5)


@pytest.mark.paddle_infer_parity(model="tiny")
def test_trained_model():
    pass


@pytest.mark.paddle_infer_parity(model="tiny.py:tiny", input_spec=[[None, 3, 32, 32]])
def test_random_model():
    pass


def test_after():
    assert draws() == FOUND["expected"]
""")
    assert_green(run_session(repo, "test_states.py"), 4)


def test_the_users_layer_is_left_as_it_was_found_by_the_export(repo: Path, run_session: Run) -> None:
    (repo / "test_layer.py").write_text("""
import types

import pytest


@pytest.mark.paddle_infer_parity(model="tiny", softmax="no")
def test_layer(training_engine, exported_model):
    layer = training_engine.layer
    assert isinstance(layer.forward, types.MethodType)
    assert type(layer).__name__ == "Tiny"
    assert not layer.training
    assert not layer._forward_pre_hooks and not layer._forward_post_hooks
    assert layer.conv1.weight.stop_gradient is False
""")
    assert_green(run_session(repo, "test_layer.py"), 1)


def test_static_mode_left_on_by_an_earlier_test_is_named(repo: Path, run_session: Run) -> None:
    (repo / "test_leak.py").write_text("""
import paddle
import pytest


def test_leaves_static_mode_on():
    paddle.enable_static()


@pytest.mark.paddle_infer_parity(model="tiny")
def test_marked():
    pass


def test_fixture(training_engine):
    pass


def test_turns_it_off():
    paddle.disable_static()


@pytest.mark.paddle_infer_parity(model="tiny")
def test_marked_again():
    pass
""")
    session = run_session(repo, "test_leak.py", "--paddle-model=tiny", "-k", "test_leak")
    assert session.returncode == 1
    for name in ("test_marked[tiny-cpu]", "test_fixture[tiny]"):
        assert session[name].outcome in ("failed", "error")
        assert "paddle.enable_static()" in session[name].text, session.output
        assert "/pytest_paddle_infer/" not in session[name].text, session.output
    assert session["test_marked_again[tiny-cpu]"].outcome == "passed", session.output
