"""Models of a user's own, outside the project: several inputs and outputs, own pre- and postprocess, int64, dicts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sessions import Session, assert_green, run_shared

Run = Callable[..., Session]

MODELS = """
import paddle
from paddle import nn


class TwoInTwoOut(nn.Layer):
    '''A picture and four numbers in; class scores and a box out.'''

    def __init__(self, classes=5):
        super().__init__()
        self.conv = nn.Conv2D(3, 4, 3, stride=2)
        self.pool = nn.AdaptiveAvgPool2D(2)
        self.scores = nn.Linear(20, classes)
        self.box = nn.Linear(20, 4)

    def forward(self, picture, numbers):
        x = paddle.concat([paddle.flatten(self.pool(nn.functional.relu(self.conv(picture))), 1), numbers], axis=1)
        return self.scores(x), self.box(x)


class Words(nn.Layer):
    '''int64 token ids in, a dict out.'''

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(10, 6)
        self.fc = nn.Linear(6, 3)

    def forward(self, ids):
        words = self.table(ids)
        mean = paddle.mean(words, axis=1)
        return {"logits": self.fc(mean), "words": words, "longest": paddle.argmax(paddle.sum(words, axis=2), axis=1)}


def counted():
    with open("made", "a") as file:
        file.write("x")
    return TwoInTwoOut()


class Holder:
    '''A factory that is no function, and that owns its layer.'''

    layer = None

    @classmethod
    def make(cls):
        if cls.layer is None:
            cls.layer = Words()
        return cls.layer
"""

CONFTEST = """
import numpy as np

from pytest_paddle_infer import ModelSpec, TensorSpec

NAMES = ("cat", "dog", "fox", "owl", "bee")


def pair(sample):
    image, numbers = sample
    pixels = np.asarray(image, np.float32).transpose(2, 0, 1) / 255
    return pixels, np.asarray(numbers, np.float32)


def answer(outputs):
    scores, box = outputs
    return {"name": NAMES[int(scores.argmax())], "box": [round(float(v), 2) for v in box[0]]}


def samples():
    from PIL import Image

    generator = np.random.default_rng(3)
    return [(Image.fromarray(generator.integers(0, 255, (24, 24, 3), np.uint8)), generator.normal(size=4)) for _ in range(3)]


def pytest_paddle_infer_models(config):
    from own_models import Holder, TwoInTwoOut

    return [
        ModelSpec("two_in_two_out", factory=TwoInTwoOut, kwargs={"classes": 5}, preprocess=pair, postprocess=answer, images=samples(),
                  input_spec=[[None, 3, 24, 24], TensorSpec((None, 4), "float32", "numbers")], softmax="no"),
        ModelSpec("no_samples", factory="own_models:counted", input_spec=[[None, 3, 24, 24], [None, 4]]),
        ModelSpec("words", factory="own_models:Words", input_spec=[([None, None], "int64")]),
        ModelSpec("holder", factory=Holder.make, input_spec=[([None, 7], "int64", "ids")]),
    ]
"""

SUITE = """
import numpy as np
import pytest


@pytest.mark.paddle_infer_parity(model="two_in_two_out", variants=["cpu", "onednn"], batch_size=2)
def test_marked(paddle_model, paddle_variant):
    assert paddle_model.name == "two_in_two_out"
    assert paddle_variant in ("cpu", "onednn")


@pytest.mark.paddle_infer_parity(model="two_in_two_out", checkpoints=["artifacts"])
def test_fixtures(inference_engine, training_engine, sample_images, exported_model):
    assert inference_engine.input_names == ["picture", "numbers"]
    for sample in sample_images:
        tensors = inference_engine.preprocess(sample)
        assert [t.shape for t in tensors] == [(1, 3, 24, 24), (1, 4)]
        left, right = inference_engine.run(tensors), training_engine.run(tensors)
        assert [a.shape for a in left] == [(1, 5), (1, 4)]
        for one, two in zip(left, right):
            np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)
        assert inference_engine.predict(sample)["name"] == training_engine.predict(sample)["name"]
    predictor, config, inputs, outputs = inference_engine.load_predictor(exported_model.model_file, exported_model.params_file)
    assert (len(inputs), len(outputs)) == (2, 2)
    assert not config.use_gpu()


@pytest.mark.paddle_infer_parity(model="words", checkpoints=["parity"])
def test_dict_output(inference_engine, training_engine):
    ids = np.array([[1, 2, 3], [4, 5, 6]])
    outputs, trained = inference_engine.run(ids), training_engine.run(ids)
    assert [(o.shape, o.dtype) for o in outputs] == [(o.shape, o.dtype) for o in trained]
    assert sorted(o.shape for o in outputs) == [(2,), (2, 3), (2, 3, 6)]

"""


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory, shared_directory: Path) -> Session:
    """A model repo outside the project: its items and its tests in one run, in both variants."""

    def make() -> Session:
        repo = shared_directory / "own-models"
        repo.mkdir()
        (repo / "own_models.py").write_text(MODELS)
        (repo / "conftest.py").write_text(CONFTEST)
        (repo / "test_own.py").write_text(SUITE)
        names = ("two_in_two_out", "no_samples", "words", "holder")
        models = [f"--paddle-model={name}" for name in names]
        return run_shared(shared_directory, repo, "test_own.py", *models, "--paddle-variant=cpu", "--paddle-variant=onednn")

    return Session.shared(shared_directory, "own-models", make)


def assert_model_green(session: Session, model: str) -> None:
    cases = {name: case.outcome for name, case in session.cases.items() if name.startswith(f"paddle-model.{model}::")}
    assert len(cases) == 5, session.output
    assert set(cases.values()) == {"passed"}, session.output


def test_two_inputs_two_outputs_and_own_pre_and_postprocess_are_green(own: Session) -> None:
    assert_model_green(own, "two_in_two_out")


def test_a_model_without_samples_runs_on_random_inputs(own: Session) -> None:
    assert_model_green(own, "no_samples")
    assert "random weights, seed 0" in own.output


def test_such_a_model_is_made_once_for_all_its_checkpoints(own: Session, shared_directory: Path) -> None:
    assert_model_green(own, "no_samples")
    made = (shared_directory / "own-models" / "made").read_text()
    assert made == "xx", "twice: the second tells whether the factory loads weights itself"


def test_int64_input_with_two_open_dimensions_and_a_dict_output_are_green(own: Session) -> None:
    assert_model_green(own, "words")


def test_a_factory_that_returns_its_one_layer_is_green(own: Session) -> None:
    assert_model_green(own, "holder")


def test_the_marker_and_the_fixtures_work_on_them(own: Session) -> None:
    tests = {name: case.outcome for name, case in own.cases.items() if name.startswith("test_own::")}
    assert len(tests) >= 4, own.output
    assert set(tests.values()) == {"passed"}, own.output


def test_a_relative_weights_path_of_the_hook_starts_at_the_conftests_root(repo: Path, run_session: Run) -> None:
    text = (repo / "conftest.py").read_text().replace('weights=HERE / "tiny.pdparams"', 'weights="tiny.pdparams"')
    (repo / "conftest.py").write_text(text)
    (repo / "pytest.ini").write_text("[pytest]\n")
    (repo / "tests").mkdir()
    shutil.copy(repo / "conftest.py", repo / "tests" / "unrelated.txt")
    (repo / "tests" / "test_it.py").write_text(
        "import pytest\n\n\n@pytest.mark.paddle_infer_parity(model='tiny', checkpoints=['artifacts'])\ndef test_it():\n    pass\n"
    )
    assert_green(run_session(repo / "tests", "test_it.py"), 1)
