"""Own pre- and postprocessing and unusual nets in one run: what works is green, what raises is told in the user's words."""

from __future__ import annotations

from pathlib import Path

import pytest
from sessions import Session, run_shared

NETS = """
import paddle
from paddle import nn


class Scores(nn.Layer):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        return self.fc(x)


class Named(Scores):
    def forward(self, x):
        y = self.fc(x)
        return {"zebra": y, "apple": paddle.sum(y, axis=1)}


class Recurrent(nn.Layer):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(6, 5)
        self.fc = nn.Linear(5, 3)

    def forward(self, x):
        y, _ = self.gru(paddle.unsqueeze(x, 1))
        return self.fc(y[:, -1])


class Coupled(Scores):
    def forward(self, x):
        return self.fc(x) * paddle.mean(paddle.abs(x))
"""

CONFTEST = """
import numpy as np

from pytest_paddle_infer import ModelSpec

random = np.random.default_rng(0)
SAMPLES = [random.normal(size=6).astype(np.float32) for _ in range(4)]


class Scaled:
    def __init__(self, factor):
        self.factor = factor

    def __eq__(self, other):  # so that it has no hash
        return self.factor == other.factor

    def __call__(self, sample):
        return sample * np.float32(self.factor)


def divided(sample):
    return (sample / np.float32(3)).astype(np.float32)


def multiplied(sample):
    return (sample * np.float32(1 / 3)).astype(np.float32)


def wrong_key(sample):
    return {"x": sample}["picture"]


def wrong_index(output):
    return output[1]


def by_name(output):
    apple, zebra = output
    assert apple.shape == (1,) and zebra.shape == (1, 4)
    return {"sum": float(apple[0]), "best": int(zebra.argmax())}


def pytest_paddle_infer_models(config):
    def spec(name, net="Scores", **more):
        return ModelSpec(name, factory=f"nets:{net}", input_spec=[[None, 6]], images=SAMPLES, softmax="no",
                         **{"preprocess": Scaled(2), **more})

    return [
        spec("unhashable"),
        spec("rounding", preprocess=divided, training_preprocess=multiplied),
        spec("named", "Named", postprocess=by_name),
        spec("recurrent", "Recurrent"),
        spec("coupled", "Coupled"),
        spec("wrong_key", preprocess=wrong_key),
        spec("wrong_index", postprocess=wrong_index),
    ]
"""

SUITE = """
import pytest


@pytest.mark.paddle_infer_parity(model="unhashable", batch_size=1)
def test_one_by_one():
    pass


@pytest.mark.paddle_infer_parity(model="unhashable", batch_size=3)
def test_in_threes():
    pass


@pytest.mark.paddle_infer_parity(model="unhashable", batch_size=1)
def test_one_by_one_again():
    pass
"""

NAMES = ("unhashable", "rounding", "named", "recurrent", "coupled", "wrong_key", "wrong_index")


@pytest.fixture
def own(shared_directory: Path) -> Session:
    def make() -> Session:
        repo = shared_directory / "own-processing"
        repo.mkdir()
        (repo / "nets.py").write_text(NETS)
        (repo / "conftest.py").write_text(CONFTEST)
        (repo / "test_own.py").write_text(SUITE)
        models = [f"--paddle-model={name}" for name in NAMES]
        return run_shared(shared_directory, repo, "test_own.py", *models, "--paddle-variant=cpu", "--paddle-variant=onednn")

    return Session.shared(shared_directory, "own-processing", make)


def outcomes(session: Session, model: str) -> set[str]:
    found = [case.outcome for name, case in session.cases.items() if name.startswith(f"paddle-model.{model}::")]
    assert len(found) == 5, session.output
    return set(found)


@pytest.mark.parametrize("model", NAMES[:5])
def test_unusual_models_and_programs_are_green(own: Session, model: str) -> None:
    assert outcomes(own, model) == {"passed"}, own.output


def test_a_model_that_couples_the_samples_of_a_batch_is_noted(own: Session) -> None:
    assert "coupled: the model's answer to a sample depends on the others in its batch" in own.output


def test_batches_of_several_sizes_in_one_run_are_green(own: Session) -> None:
    tests = {name: case.outcome for name, case in own.cases.items() if name.startswith("test_own::")}
    assert len(tests) == 6, own.output
    assert set(tests.values()) == {"passed"}, own.output


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("wrong_key", ["preprocess of sample sample-0 raised KeyError at ", "conftest.py:", "'picture'"]),
        (
            "wrong_index",
            ["postprocess raised IndexError for sample sample-0: index 1 is out of bounds", "it was given an array: float32[1, 4]"],
        ),
    ],
)
def test_a_users_function_that_raises_is_told_in_its_words(own: Session, model: str, words: list[str]) -> None:
    cause = own[f"{model}::test_parity[cpu]"].cause
    assert all(word in cause for word in words), cause
