"""What the rounding of float64 alone refuses by little is judged by a floor of more draws: luck is no fault, and a fault stays one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sessions import Session, run_shared

NETS = """
import numpy as np
import paddle


class Sums(paddle.nn.Layer):
    '''Multiplies in float64, so that float32 rounds the result alone; what its inputs' own rounding does is `apart` times as much.'''

    def __init__(self, gain=1.0):
        super().__init__()
        random = np.random.RandomState(0)
        half = random.normal(0, 1, (8, 128))
        weights = np.concatenate([half, -half]).astype(np.float32)
        self.weight = self.create_parameter([16, 128], default_initializer=paddle.nn.initializer.Assign(weights))
        self.gain = gain

    def forward(self, x):
        return (paddle.matmul(x.astype("float64"), self.weight.astype("float64")) * self.gain).astype(x.dtype)


def samples(apart):
    random = np.random.RandomState(1)
    common = apart * (1 + random.normal(0, 0.1, (4, 8)))
    return [x.astype(np.float32) for x in np.concatenate([common, common + random.normal(0, 1, (4, 8))], axis=1)]
"""

CONFTEST = """
from pathlib import Path

import nets
import pytest

from pytest_paddle_infer import ModelSpec
from pytest_paddle_infer.parity import ParityRun

covers = ParityRun.covers
# as if the engine of `unsteady` had answered otherwise when it was asked first
ParityRun.covers = lambda self, first: first.outputs[0].error < 4.7e-6 and covers(self, first)
HERE = Path(__file__).parent
GAINS = {"lucky": 1 + 4e-6, "close": 1 + 4.5e-6, "gross": 1 + 1e-3, "unsteady": 1 + 4.8e-6}


def pytest_paddle_infer_models(config):
    def spec(name, apart):
        return ModelSpec(
            name, factory="nets:Sums", weights="factory", input_spec=[[None, 16]], softmax="no", images=nets.samples(apart),
            preprocess=lambda x: x,
        )

    return [spec("lucky", 50.0), spec("close", 0.01), spec("gross", 50.0), spec("unsteady", 50.0)]


@pytest.fixture
def exported_model(paddle_model):
    import paddle

    place = HERE / "exports" / paddle_model.name
    if not place.is_dir():
        net = nets.Sums(GAINS[paddle_model.name])
        net.eval()
        paddle.jit.save(net, str(place / "inference"), input_spec=[paddle.static.InputSpec([None, 16], "float32", name="x")])
    return place
"""

TESTS = """
import pytest


@pytest.mark.paddle_infer_parity(model="lucky", checkpoints=["parity"])
def test_lucky(): ...


@pytest.mark.paddle_infer_parity(model="close", checkpoints=["parity"])
def test_close(): ...


@pytest.mark.paddle_infer_parity(model="gross", checkpoints=["parity"])
def test_gross(): ...


@pytest.mark.paddle_infer_parity(model="unsteady", checkpoints=["parity"])
def test_unsteady(): ...
"""


@pytest.fixture
def drawn(shared_directory: Path) -> Session:
    def make() -> Session:
        repo = shared_directory / "floors-drawn-again"
        repo.mkdir()
        (repo / "nets.py").write_text(NETS)
        (repo / "conftest.py").write_text(CONFTEST)
        (repo / "test_sums.py").write_text(TESTS)
        return run_shared(shared_directory, repo, "test_sums.py")

    return Session.shared(shared_directory, "floors-drawn-again", make)


def test_an_error_within_what_moving_by_one_ulp_does_is_no_fault_and_says_so(drawn: Session) -> None:
    assert drawn["test_lucky[lucky-cpu]"].outcome == "passed", drawn.output
    said = "cpu: the noise floor of output was measured again, with inputs and parameters moved by one ulp: the error is "
    assert re.search(rf"lucky: {said}0\.\d+ of the limit, where float64 alone gave [23]\.\d+", drawn.output), drawn.output


@pytest.mark.parametrize("model", ["close", "gross"])
def test_a_fault_beyond_both_floors_stays_one(drawn: Session, model: str) -> None:
    cause = drawn[f"test_{model}[{model}-cpu]"].cause
    assert f"scale is {1.0000045 if model == 'close' else 1.001} in the export, 1.0 in the model's own export." in cause
    assert "not confirmed" not in cause, "there is no place to put a value"
    assert f"{model}: cpu: the noise floor" not in drawn.output


def test_what_the_engine_answered_first_is_not_forgotten_when_it_is_asked_again(drawn: Session) -> None:
    cause = drawn["test_unsteady[unsteady-cpu]"].cause
    assert "scale is 1.0000048 in the export, 1.0 in the model's own export." in cause
    assert re.search(r"unsteady +cpu .* \S+ / 1\.9e-06", drawn.output), "the limit is that of the floor before"
