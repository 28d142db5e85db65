"""The parity checkpoint on planted faults: one run over a dozen faulty models, one sentence for each, and a green control between them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from sessions import Session, assert_green, assert_red, run_shared

CONFTEST = """
import os
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def training(image, channels="RGB", scale=255.0):
    pixels = np.asarray(image.convert("RGB").resize((32, 32)), np.float32)
    if channels == "BGR":
        pixels = pixels[:, :, ::-1]
    return np.ascontiguousarray(((pixels / scale - 0.45) / 0.225).transpose(2, 0, 1), dtype=np.float32)


def bgr(image):
    return training(image, "BGR")


def no_division(image):
    return training(image, scale=1.0)


def mirrored(image):
    return np.ascontiguousarray(training(image)[:, :, ::-1])


def not_transposed(image):
    return np.ascontiguousarray(training(image).transpose(1, 2, 0).reshape(3, 32, 32))


def other_crop(image):
    return training(image.crop((8, 8, 200, 200)))


def other_dtype(image):
    return training(image).astype(np.float64)


def label_of(output):
    return {"label": "abcde"[int(output.argmax())], "score": float(output.max())}


def label_off_by_one(output):
    return {"label": "eabcd"[int(output.argmax())], "score": float(output.max())}


def random_answer(output):
    return {**label_of(output), "dice": float(np.random.rand())}


def answers_by_process(output):
    return {**label_of(output), "from": "pid %d" % os.getpid()}


def pytest_paddle_infer_models(config):
    from pytest_paddle_infer import ModelSpec

    def model(name, **more):
        return ModelSpec(name, factory=f"{HERE}/tiny.py:tiny", image_size=32, **{"weights": HERE / "tiny.pdparams", **more})

    return [
        model("control", training_preprocess=training, preprocess=training),
        *(model(slip.__name__, training_preprocess=training, preprocess=slip)
          for slip in (bgr, no_division, mirrored, not_transposed, other_crop, other_dtype)),
        ModelSpec("nan_output", factory=f"{HERE}/tiny.py:SquareRoots", weights=HERE / "tiny.pdparams", image_size=32, softmax="no"),
        model("nan_weight", weights=HERE / "nan.pdparams", softmax="no"),
        model("nan_behind_softmax", weights=HERE / "nan.pdparams"),
        model("control_with_postprocess", postprocess=label_of),
        model("answers_by_process", postprocess=answers_by_process),
        model("two_postprocesses", postprocess=lambda output: dict(label_of(output)), training_postprocess=label_of),
        model("label_off_by_one", postprocess=label_off_by_one, training_postprocess=label_of),
        model("class_off_by_one", postprocess=lambda output: int(output.argmax()) - 1, training_postprocess=lambda output: output.argmax()),
        ModelSpec("rounds", factory=f"{HERE}/rounds.py:Rounds", image_size=32, softmax="no"),
        ModelSpec("rounds_allowed", factory=f"{HERE}/rounds.py:Rounds", image_size=32, softmax="no", rtol={"0": 1e-3, "1": 1e-3}),
        ModelSpec("flat", factory=f"{HERE}/rounds.py:Flat", weights="factory", softmax="no", preprocess=training),
        ModelSpec("flat_on_both_sides", factory=f"{HERE}/rounds.py:Flat", weights="factory", softmax="no", preprocess=training,
                  training_preprocess=lambda image: training(image)),
        ModelSpec("ids", factory=f"{HERE}/rounds.py:Ids", weights="factory", softmax="no", images=[{"text": "a"}],
                  preprocess=lambda sample: np.arange(12) % 10),
        model("random_answer", postprocess=random_answer),
        model("wrong_size", softmax="no", preprocess=lambda image: np.zeros((3, 48, 48), np.float32)),
    ]
"""

ROUNDS = """
from paddle import nn


class Rounds(nn.Layer):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2D(3, 8, 3), nn.BatchNorm2D(8), nn.Linear(8, 10)

    def forward(self, x):
        y = self.head(nn.functional.relu(self.norm(self.conv(x))).mean([2, 3]))
        return y, (y * 1e7).astype("int64")


class Flat(nn.Layer):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2D(3, 8, 3, stride=2), nn.Linear(8 * 15 * 15, 10)

    def forward(self, x):
        return self.head(self.conv(x).flatten(1))


class Ids(nn.Layer):
    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(10, 8), nn.Linear(8, 4)

    def forward(self, ids):
        return self.head(self.table(ids).mean(1))
"""

SUITE = """
import pytest

LOGITS = dict(model="control", softmax="no", variants=["onednn"], checkpoints=["parity"])


@pytest.mark.paddle_infer_parity(**LOGITS, rtol=1e-3, atol=1e-3)
def test_wide_tolerance():
    pass


@pytest.mark.paddle_infer_parity(**LOGITS, rtol=0, atol=0)
def test_no_tolerance():
    pass


@pytest.mark.paddle_infer_parity(**LOGITS, rtol=1e-12, atol=1.0)
def test_absolute_tolerance_alone():
    pass
"""


@pytest.fixture
def faults(made_repo: Path, shared_directory: Path) -> Session:
    """All faulty models through one run, which the tests of this file share."""

    def make() -> Session:
        repo = shared_directory / "parity-faults"
        shutil.copytree(made_repo, repo)
        (repo / "conftest.py").write_text(CONFTEST)
        (repo / "rounds.py").write_text(ROUNDS)
        (repo / "test_tolerances.py").write_text(SUITE)
        names = ["control", "bgr", "no_division", "mirrored", "not_transposed", "other_crop", "other_dtype", "nan_output", "nan_weight",
                 "nan_behind_softmax", "control_with_postprocess", "answers_by_process",
                 "two_postprocesses", "label_off_by_one", "class_off_by_one", "random_answer", "wrong_size", "flat", "flat_on_both_sides",
                 "ids"]  # fmt: skip
        ids = [f"paddle-model/{name}::test_parity[cpu]" for name in names]
        ids += [f"paddle-model/{name}::test_parity[onednn]" for name in ("control", "rounds", "rounds_allowed")]
        return run_shared(shared_directory, repo, "test_tolerances.py", *ids)

    return Session.shared(shared_directory, "parity-faults", make)


def parity(model: str, variant: str = "cpu") -> str:
    return f"paddle-model.{model}::test_parity[{variant}]"


def test_equal_preprocessing_programs_are_green_in_both_variants(faults: Session) -> None:
    assert faults[parity("control")].outcome == "passed", faults.output
    assert faults[parity("control", "onednn")].outcome == "passed", faults.output


def test_bgr_for_rgb_in_the_inference_preprocessing_is_named(faults: Session) -> None:
    case = assert_red(faults, parity("bgr"), r"^bgr, cpu: .*inference preprocessing.*BGR")
    assert "agree when both are given the training engine's input" in " ".join(case.text.split())


def test_a_missing_division_by_255_is_named(faults: Session) -> None:
    assert_red(faults, parity("no_division"), "leaves out the division by 255")


def test_a_mirrored_picture_is_named(faults: Session) -> None:
    assert_red(faults, parity("mirrored"), "mirrors the picture")


def test_a_reshape_in_place_of_a_transpose_is_found_in_the_preprocessing(faults: Session) -> None:
    assert_red(faults, parity("not_transposed"), "preprocessing")


def test_another_crop_is_found_in_the_preprocessing(faults: Session) -> None:
    assert_red(faults, parity("other_crop"), "preprocessing")


def test_a_wrong_dtype_out_of_preprocess_is_named_with_the_cast(faults: Session) -> None:
    case = assert_red(faults, parity("other_dtype"), "float64", "where the model takes float32")
    assert "cast it with .astype('float32')" in " ".join(case.text.split())


def test_a_nan_in_the_output_is_no_pass_and_the_training_engine_is_named_with_its_index(faults: Session) -> None:
    case = assert_red(faults, parity("nan_output"), "the first NaN of the training engine is made by the code after fc")
    assert re.search(r"training engine answers nan at sample 0, element \[0, \d\]", " ".join(case.text.split()))
    assert case.properties["paddle_infer.stage"] == "training"
    assert "to_static" not in case.text


def test_a_nan_among_the_weights_is_named_with_its_index(faults: Session) -> None:
    assert_red(faults, parity("nan_weight"), r"fc\.bias\[3\]", "nan")


def test_a_nan_behind_softmax_is_no_pass(faults: Session) -> None:
    assert_red(faults, parity("nan_behind_softmax"), "(?i)nan")


def test_an_own_postprocess_that_agrees_is_green(faults: Session) -> None:
    assert faults[parity("control_with_postprocess")].outcome == "passed", faults.output


def test_an_own_postprocess_that_answers_differently_is_told_from_the_outputs(faults: Session) -> None:
    assert_red(faults, parity("answers_by_process"), "raw outputs agree, the answers do not", r"answer\['from'\]", "pid")


def test_a_size_that_nobody_gave_the_model_is_named_where_one_preprocess_serves_both(faults: Session) -> None:
    case = assert_red(
        faults, parity("wrong_size"), r"the preprocessing of both engines makes shape \[3, 48, 48\] for input 'x', where"
    )
    assert "set image_size=48 (or input_spec=[[None, 3, 48, 48]])" in " ".join(case.text.split())


@pytest.mark.parametrize("name", ["flat", "flat_on_both_sides"])
def test_a_size_that_nobody_gave_the_model_is_named_where_its_export_fails_of_it(faults: Session, name: str) -> None:
    case = assert_red(faults, parity(name), r"the preprocessing of both engines makes shape \[3, 32, 32\] for input 'x', where")
    assert "set image_size=32 (or input_spec=[[None, 3, 32, 32]])" in " ".join(case.text.split())


def test_a_model_of_numbers_that_nobody_described_is_named(faults: Session) -> None:
    case = assert_red(
        faults, parity("ids"), "the preprocessing of both engines makes int64 for input 'ids', where the model takes float32"
    )
    text = " ".join(case.text.split())
    assert "no input_spec was given, so the input is taken for a picture: set input_spec=[([None, 12], 'int64')]" in text


def test_integers_that_are_made_of_what_rounding_moves_are_told_so_and_no_pass_is_blamed(faults: Session) -> None:
    case = assert_red(
        faults, parity("rounds", "onednn"), r"only integers differ \(output 1, by at most \d+\), and every other output agrees"
    )
    text = " ".join(case.text.split())
    assert re.search(r"by at most (\d+)\).* output 1: .* integers.*allow the difference with atol={'1': \1}", text), text
    assert "delete_pass" not in text


def test_a_tolerance_that_names_such_an_output_lets_it_pass(faults: Session) -> None:
    assert faults[parity("rounds_allowed", "onednn")].outcome == "passed", faults.output


def test_the_training_side_may_have_a_postprocess_of_its_own(faults: Session) -> None:
    assert faults[parity("two_postprocesses")].outcome == "passed", faults.output


def test_a_deployed_postprocess_that_is_off_by_one_is_red(faults: Session) -> None:
    case = assert_red(
        faults, parity("label_off_by_one"), r"raw outputs agree, the answers do not: sample 0 .*answer\['label'\] is '"
    )
    assert "stage:" in case.text
    assert "first:" not in case.text, "the first line says it"
    other = assert_red(
        faults,
        parity("class_off_by_one"),
        "the inference postprocessing adds -1 to the answer",
    )
    assert "first:" in other.text


def test_a_postprocess_that_draws_random_numbers_is_named(faults: Session) -> None:
    case = assert_red(faults, parity("random_answer"), "the postprocess answers one and the same output differently each time")
    assert "take random numbers" in case.text


def test_an_explicit_tolerance_that_holds_is_green(faults: Session) -> None:
    assert faults["test_wide_tolerance[control-onednn]"].outcome == "passed", faults.output
    assert faults["test_absolute_tolerance_alone[control-onednn]"].outcome == "passed", faults.output


def test_an_explicit_tolerance_that_does_not_hold_is_red_and_named(faults: Session) -> None:
    case = assert_red(
        faults, "test_no_tolerance[control-onednn]", r"elements differ by more than 0 \+ 0 \* \|training\|", "rounding"
    )
    assert "give a larger rtol or atol" in case.text
    assert case.properties["paddle_infer.stage"] == "comparison"


def test_a_failure_names_the_model_the_files_and_the_command_that_shows_it_again(
    faults: Session, made_repo: Path, shared_directory: Path
) -> None:
    text = faults[parity("mirrored")].text
    command = next(line for line in text.splitlines() if "again:" in line).split("again:")[1].strip()
    assert command.startswith("pytest ")
    directory = Path(next(line for line in text.splitlines() if " files:" in line).split("files:")[1].strip())
    assert sorted(path.name for path in directory.iterdir() if path.suffix != ".log" or "diff" in path.name) == [
        "output_inference_engine.npy", "output_training_engine.npy", "train_infer_diff.log",
    ]  # fmt: skip
    import shlex

    again = run_shared(shared_directory, shared_directory / "parity-faults", *shlex.split(command)[1:])
    assert [case.outcome for case in again.cases.values()] == ["failed"]
    assert again[parity("mirrored")].cause == faults[parity("mirrored")].cause


def test_the_controls_alone_exit_zero(faults: Session, shared_directory: Path) -> None:
    session = run_shared(shared_directory, shared_directory / "parity-faults", "paddle-model/control::test_parity[cpu]")
    assert_green(session, 1)
