"""Native code dies, hangs and raises: every such end is a failed test with its cause, the session goes on, and no process is left.

`run_pytest` looks for leftover processes after each run.
"""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from sessions import Session, assert_red, run_shared

CONFTEST = """
import ctypes
import os
import signal
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def picture(image):
    pixels = np.asarray(image.convert("RGB").resize((32, 32)), np.float32)
    return np.ascontiguousarray((pixels / 255 - 0.45).transpose(2, 0, 1) / 0.225, dtype=np.float32)


def segfaults(value):
    ctypes.string_at(0)  # reads address 0


def kills_itself(value):
    os.kill(os.getpid(), signal.SIGKILL)


def exits(value):
    os._exit(3)


def raises(value):
    raise KeyError("no such colour table")  # the user's own line


def hangs(value):
    while True:
        time.sleep(0.1)  # for ever


def hangs_in_native_code(value):
    ctypes.CDLL(None).pause()


def hangs_with_a_child(value):
    if os.fork() == 0:
        time.sleep(600)
    time.sleep(600)


ENDS = (segfaults, kills_itself, exits, raises, hangs, hangs_in_native_code, hangs_with_a_child)
ODD = ("list_in_if", "float_of_tensor", "this_for_self", "ignores_a_write", "dies_once", "dies_always", "is_killed_once")


def pytest_paddle_infer_models(config):
    from pytest_paddle_infer import ModelSpec

    def model(name, **more):
        return ModelSpec(name, factory=f"{HERE}/tiny.py:tiny", weights=HERE / "tiny.pdparams", image_size=32, softmax="no", **more)

    def odd(name, **more):
        return ModelSpec(name, factory=f"{HERE}/odd.py:{name}", input_spec=[([None, 6], "float32")], **more)

    two = [([None, 6], "float32", "x"), ([None, 6], "float32", "label")]
    return [
        model("control"),
        *(model(f"preprocess_{end.__name__}", training_preprocess=picture, preprocess=end) for end in ENDS),
        *(model(f"postprocess_{end.__name__}", postprocess=end) for end in ENDS),
        *(odd(name) for name in ODD),
        ModelSpec("unused_input", factory=f"{HERE}/odd.py:unused_input", input_spec=two),
    ]
"""

ODD = """
import ctypes
import os
import signal
from pathlib import Path

import paddle
from paddle import nn


class Odd(nn.Layer):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 4)


class ListInIf(Odd):
    def forward(self, x):
        y = self.fc(x)
        parts = []
        if paddle.mean(y) > -1e9:
            parts.append(y * 2)
        return sum(parts)


class FloatOfTensor(Odd):
    def forward(self, x):
        y = self.fc(x)
        return y * scale_of(y)


@paddle.jit.not_to_static
def scale_of(y):
    return 1.0 + abs(float(paddle.max(y)))  # the guilty line


class ThisForSelf(Odd):
    def forward(this, x):
        return this.fc(x)


class UnusedInput(Odd):
    def forward(self, x, label):
        return self.fc(x)


class IgnoresAWrite(Odd):
    def forward(self, x):
        y = self.fc(x)
        y.add_(paddle.ones([1]))
        return y


class DiesOnce(Odd):
    def forward(self, x):
        end(self.end, once=True)
        return self.fc(x)

    end = signal.SIGSEGV


class DiesAlways(DiesOnce):
    def forward(self, x):
        end(self.end, once=False)
        return self.fc(x)


class IsKilledOnce(DiesOnce):
    end = signal.SIGKILL


@paddle.jit.not_to_static
def end(by, once):
    if paddle.in_dynamic_mode():
        return
    tries = Path(__file__).with_name(f"tried-{int(by)}-{once}")
    with tries.open("a") as file:
        file.write("x")
    if not once or tries.read_text() == "x":
        os.kill(os.getpid(), by)


list_in_if, float_of_tensor, this_for_self, unused_input, ignores_a_write = ListInIf, FloatOfTensor, ThisForSelf, UnusedInput, IgnoresAWrite
dies_once, dies_always, is_killed_once = DiesOnce, DiesAlways, IsKilledOnce
"""

ENDS = ("segfaults", "kills_itself", "exits", "raises")
DEATHS = ("dies_once", "dies_always", "is_killed_once")
HANGS = ("hangs", "hangs_in_native_code", "hangs_with_a_child")
SIDES = ("preprocess", "postprocess")


@pytest.fixture
def broken_repo(made_repo: Path, shared_directory: Path) -> Path:
    """A repo of models that end their process. Made by whoever asks first."""
    target = shared_directory / "worker-faults"
    if not (target / "odd.py").is_file():
        shutil.copytree(made_repo, target, dirs_exist_ok=True)
        (target / "conftest.py").write_text(CONFTEST)
        (target / "odd.py").write_text(ODD)
    return target


@pytest.fixture
def deaths(broken_repo: Path, shared_directory: Path) -> Session:
    """Every death and exception in one run, all three checkpoints each; the control is collected last."""
    names = [f"{side}_{end}" for side in SIDES for end in ENDS] + ["control"]
    args = [f"--paddle-model={name}" for name in names]
    return Session.shared(shared_directory, "worker-deaths", lambda: run_shared(shared_directory, broken_repo, *args))


@pytest.fixture
def hangs(broken_repo: Path, shared_directory: Path) -> Session:
    """Every hang in one run, parity only, under a limit of 3 s a step; the control is collected last."""
    ids = [f"paddle-model/{side}_{end}::test_parity[cpu]" for side in SIDES for end in HANGS]
    args = ["--paddle-timeout=3", *ids, "paddle-model/control"]
    return Session.shared(shared_directory, "worker-hangs", lambda: run_shared(shared_directory, broken_repo, *args))


@pytest.fixture
def exports(broken_repo: Path, shared_directory: Path) -> Session:
    """Every export that fails or never ends, in one run."""
    names = ("float_of_tensor", "this_for_self", "unused_input", "ignores_a_write", "list_in_if", *DEATHS, "control")
    args = ["--paddle-timeout=5", *(f"--paddle-model={name}" for name in names)]
    return Session.shared(shared_directory, "failing-exports", lambda: run_shared(shared_directory, broken_repo, *args))


def three(model: str) -> list[str]:
    return [f"paddle-model.{model}::test_{name}" for name in ("artifacts", "parity[cpu]", "log[cpu]")]


def assert_control(session: Session) -> None:
    assert [session[tail].outcome for tail in three("control")] == ["passed"] * 3, session.output


# -- deaths ------------------------------------------------------------------------------------------------------------


def test_the_session_goes_on_after_eight_models_that_killed_their_workers(deaths: Session) -> None:
    assert len(deaths.cases) == 27, deaths.output
    assert_control(deaths)


@pytest.mark.parametrize("side", SIDES)
def test_a_worker_that_dies_of_sigsegv_is_a_failed_test_that_says_so(deaths: Session, side: str) -> None:
    for tail in three(f"{side}_segfaults")[side == "postprocess" :]:
        case = assert_red(deaths, tail, "the inference engine .* died", r"SIGSEGV \(signal 11\)")
        assert "ctypes.string_at(0) # reads address 0" in " ".join(case.text.split())


@pytest.mark.parametrize("side", SIDES)
def test_a_worker_that_is_killed_is_a_failed_test_that_says_so(deaths: Session, side: str) -> None:
    for tail in three(f"{side}_kills_itself")[side == "postprocess" :]:
        assert_red(deaths, tail, "the inference engine .* died", r"SIGKILL \(signal 9\)")


@pytest.mark.parametrize("side", SIDES)
def test_a_worker_that_exits_is_a_failed_test_that_names_the_status(deaths: Session, side: str) -> None:
    for tail in three(f"{side}_exits")[side == "postprocess" :]:
        assert_red(deaths, tail, "the inference engine .* died", "exit status 3")


@pytest.mark.parametrize("side", SIDES)
def test_an_exception_of_the_users_code_is_a_failed_test_with_its_line(deaths: Session, side: str) -> None:
    for tail in three(f"{side}_raises")[side == "postprocess" :]:
        case = assert_red(deaths, tail, "KeyError", "no such colour table")
        assert "conftest.py:" in case.text
        assert "the user's own line" in " ".join(case.text.split())


def test_a_death_names_the_samples_that_were_being_run(deaths: Session) -> None:
    assert_red(deaths, three("preprocess_segfaults")[1], "drawn-0000")


# -- hangs -------------------------------------------------------------------------------------------------------------


def test_the_session_goes_on_after_six_models_that_hung(hangs: Session) -> None:
    assert len(hangs.cases) == 9, hangs.output
    assert_control(hangs)


@pytest.mark.parametrize("side", SIDES)
def test_a_hang_in_python_ends_at_the_time_limit_and_names_the_line(hangs: Session, side: str) -> None:
    case = assert_red(hangs, f"{side}_hangs::test_parity[cpu]", "hangs in", "no end after 3 s", "--paddle-timeout")
    assert "time.sleep(0.1) # for ever" in " ".join(case.text.split())


@pytest.mark.parametrize("side", SIDES)
def test_a_hang_in_native_code_ends_at_the_time_limit(hangs: Session, side: str) -> None:
    assert_red(hangs, f"{side}_hangs_in_native_code::test_parity[cpu]", "hangs in", "no end after 3 s")


@pytest.mark.parametrize("side", SIDES)
def test_what_a_hanging_worker_started_ends_with_it(hangs: Session, side: str) -> None:
    assert_red(hangs, f"{side}_hangs_with_a_child::test_parity[cpu]", "no end after 3 s")  # run_pytest found no survivor


# -- exports -----------------------------------------------------------------------------------------------------------


def test_an_export_that_never_ends_is_a_failed_test_with_the_users_line(exports: Session) -> None:
    for tail in three("list_in_if"):
        case = assert_red(exports, tail, "the export hangs", "no end after 5 s")
        assert "odd.py:" in case.text, case.text
    assert_control(exports)


def test_an_export_that_dies_of_a_signal_is_tried_once_more_and_that_is_told(exports: Session, broken_repo: Path) -> None:
    assert [exports[tail].outcome for tail in three("dies_once")] == ["passed"] * 3
    assert (broken_repo / f"tried-{int(signal.SIGSEGV)}-True").read_text() == "xx"
    note = "dies_once: the export was made at the second try: at the first the process died of SIGSEGV (signal 11)"
    assert note in exports.output


def test_an_export_that_dies_twice_fails(exports: Session, broken_repo: Path) -> None:
    for tail in three("dies_always"):
        assert_red(exports, tail, r"the export died|SIGSEGV \(signal 11\)")
    assert (broken_repo / f"tried-{int(signal.SIGSEGV)}-False").read_text() == "xx", "of three checkpoints together"


def test_an_export_that_was_killed_is_not_tried_again(exports: Session, broken_repo: Path) -> None:
    for tail in three("is_killed_once"):
        assert_red(exports, tail, "SIGKILL")
    assert (broken_repo / f"tried-{int(signal.SIGKILL)}-True").read_text() == "x"


def test_an_export_that_fails_is_tried_once_for_all_its_checkpoints(exports: Session) -> None:
    causes = {exports[tail].cause.replace(", cpu", "") for tail in three("list_in_if")}
    assert len(causes) == 1
    assert exports.seconds < 5 * 3 + 40, "three time limits in a row would have passed"


def test_float_of_a_tensor_fails_with_paddles_reason_and_the_users_line(exports: Session, paddle_version: str) -> None:
    for tail in three("float_of_tensor"):
        case = assert_red(exports, tail, "the export failed", r"float\(|Tensor|Value|Variable")
        assert "odd.py:" in case.text
        assert "scale_of" in case.text or "float(paddle.max(y))" in case.text, case.text


def test_a_forward_whose_first_parameter_is_not_self_fails_with_paddles_reason(exports: Session) -> None:
    for tail in three("this_for_self"):
        assert_red(exports, tail, "the export failed", r"forward\(\)` requires `x` arguments")


def test_an_input_that_no_output_uses_fails_with_paddles_reason(exports: Session) -> None:
    for tail in three("unused_input"):
        assert_red(exports, tail, "the export failed", "not involved in the target_vars|doesn't exist in pruned inference program")


def test_an_in_place_write_that_the_export_drops_is_a_failed_parity(exports: Session) -> None:
    assert_red(exports, three("ignores_a_write")[1], "elements differ|output")
