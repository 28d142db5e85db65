"""Programs that change what they are given, forget something or ignore the batch: no false green, and no engine is blamed for them."""

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


class OneRow(Scores):
    '''Answers the first sample of a batch, whatever its size.'''

    def forward(self, x):
        return paddle.reshape(self.fc(x), [1, -1])[:, :4]


class Lines(nn.Layer):
    '''A picture of any width; a row for each column.'''

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1D(2, 3, 3, padding=1)

    def forward(self, x):
        return paddle.transpose(self.conv(x), [0, 2, 1])


class Stuck(Scores):
    '''Puts its batch norm into train mode for good.'''

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1D(6)

    def forward(self, x):
        self.norm.train()
        return self.fc(self.norm(x))


class Mask(nn.Layer):
    '''512 decisions, 8 of them between two sums that differ in nothing but the order in which they are added up.'''

    def __init__(self, shift=0.0):
        super().__init__()
        self.one, self.shift = nn.Linear(64, 512, bias_attr=False), shift
        clear = paddle.where(paddle.arange(512) % 2 == 0, paddle.full([512], 3.0), paddle.full([512], -3.0))
        self.register_buffer("offset", paddle.where(paddle.arange(512) < 8, paddle.zeros([512]), clear))

    def forward(self, x):
        parts = paddle.split(paddle.unsqueeze(x, 2) * paddle.unsqueeze(self.one.weight, 0), 8, axis=1)
        order = parts[::-1] if paddle.in_dynamic_mode() else parts  # as two kernels do
        two = sum(paddle.sum(part, axis=1) for part in order)
        moved = self.offset if paddle.in_dynamic_mode() else self.offset + self.shift
        return paddle.cast(self.one(x) - two > moved, "int64")


def wrong_mask():
    return Mask(shift=4.0)


class Elsewhere(Mask):
    '''What rounding decides is answered by something that it cannot make.'''

    def forward(self, x):
        mask = Mask.forward(self, x)
        return mask if paddle.in_dynamic_mode() else mask + 7 * paddle.cast(self.offset == 0, "int64")
"""

CONFTEST = """
import numpy as np

from pytest_paddle_infer import ModelSpec

random = np.random.default_rng(0)


def samples(*shape):
    return [random.normal(size=shape).astype(np.float32) for _ in range(4)]


def halved_in_place(sample):
    sample /= 2
    return sample


def softmax_in_place(output):
    output -= output.max()
    np.exp(output, out=output)
    output /= output.sum()
    return {"best": int(output.argmax()), "probability": float(output.max())}


def forgets(output):
    {"best": int(output.argmax())}


def one_by_one(output):
    yield from map(int, output.argmax(axis=1))


def padded(sample):
    return np.pad(sample, ((0, 0), (0, 3)))


def as_it_is(sample):
    return sample


class Buffered:
    '''Fills one buffer again and again; `turned` are samples whose first feature it negates.'''

    def __init__(self, turned=()):
        self.turned, self.made, self.buffer = turned, 0, np.zeros((1, 6), np.float32)

    def __call__(self, sample):
        self.buffer[:] = sample
        if any(np.array_equal(sample, other) for other in self.turned):
            self.buffer[0, 0] *= -1
        return self.buffer


class Remembers:
    '''A deployed program that keeps the scale of a sample from the one method for the other.'''

    def preprocess(self, sample):
        self.scale = float(np.abs(sample).max())
        return sample / self.scale

    def postprocess(self, output):
        return {"scores": (output * self.scale).tolist()}


remembers = Remembers()
answer = {}


def one_answer(output):
    answer.update(best=int(output.argmax()), scores=output)
    return answer


def scaled(output, sample):
    return output * float(np.abs(sample).max())


def tensors(sample):
    import paddle

    return paddle.to_tensor(sample)


FOUR = samples(6)


def pytest_paddle_infer_models(config):
    def spec(name, net="Scores", shape=(6,), **more):
        images = samples(*(dim or 9 for dim in shape))
        given = {"softmax": "no", "input_spec": [[None, *shape]], "images": images, "preprocess": as_it_is, **more}
        return ModelSpec(name, factory=f"nets:{net}", **given)

    return [
        spec("pre_in_place", preprocess=halved_in_place),
        spec("post_in_place", postprocess=softmax_in_place),
        spec("generator", postprocess=one_by_one),
        spec("mask", "Mask", (64,)),
        spec("buffered", preprocess=Buffered(), training_preprocess=Buffered()),
        spec("buffered_batch", preprocess=Buffered(), batch_size=2),
        spec("buffered_wrong", preprocess=Buffered(FOUR[:1]), training_preprocess=Buffered(), batch_size=2, images=FOUR),
        spec("remembers", preprocess=remembers.preprocess, postprocess=remembers.postprocess),
        spec("remembers_batch", preprocess=remembers.preprocess, postprocess=remembers.postprocess, batch_size=2),
        spec("one_answer", postprocess=one_answer, batch_size=2),
        spec("scaled", postprocess=scaled),
        spec("scaled_batch", postprocess=scaled, training_postprocess=lambda out, sample: out * float(abs(sample).max()), batch_size=2),
        spec("tensors", training_preprocess=tensors),
        spec("one_row", "OneRow"),
        spec("no_scores", "Lines", (2, 9), softmax="yes"),
        spec("scores", softmax="yes"),
        spec("one_row_of_two", "OneRow", batch_size=2),
        spec("forgets", postprocess=forgets),
        spec("stuck", "Stuck"),
        spec("wrong_mask", "wrong_mask", (64,)),
        spec("elsewhere", "Elsewhere", (64,)),
        spec("not_sent", postprocess=lambda output: {"kept": lambda: output}),
        spec("widths", "Lines", (2, None), preprocess=padded, training_preprocess=as_it_is),
    ]
"""

GREEN = (
    "pre_in_place", "post_in_place", "generator", "mask", "one_row", "no_scores", "scores", "buffered", "buffered_batch", "remembers",
    "remembers_batch", "one_answer", "scaled", "scaled_batch", "tensors",
)  # fmt: skip
RED = ("buffered_wrong", "one_row_of_two", "forgets", "stuck", "wrong_mask", "elsewhere", "not_sent", "widths")


@pytest.fixture
def careless(shared_directory: Path) -> Session:
    def make() -> Session:
        repo = shared_directory / "careless-programs"
        repo.mkdir()
        (repo / "nets.py").write_text(NETS)
        (repo / "conftest.py").write_text(CONFTEST)
        models = [f"--paddle-model={name}" for name in (*GREEN, *RED)]
        return run_shared(shared_directory, repo, "-k", "not test_log", *models, "--paddle-variant=cpu", "--paddle-variant=onednn")

    return Session.shared(shared_directory, "careless-programs", make)


def outcomes(session: Session, model: str) -> set[str]:
    found = [case.outcome for name, case in session.cases.items() if name.startswith(f"paddle-model.{model}::")]
    assert len(found) == 3, session.output
    return set(found)


@pytest.mark.parametrize("model", GREEN)
def test_what_a_program_does_to_its_own_copy_harms_nobody(careless: Session, model: str) -> None:
    assert outcomes(careless, model) == {"passed"}, careless.output


def test_an_output_that_does_not_follow_the_batch_is_noted(careless: Session) -> None:
    assert (
        "one_row, one_row_of_two: output 0 has the shape [1, 4] for one sample and for two: it does not follow the batch, so batches are "
        "not proved"
    ) in careless.output
    cause = careless["one_row_of_two::test_parity[cpu]"].cause
    assert "for a batch of 2 samples the model answers [1, 4]: no output has a part for each of them." in cause


def test_softmax_that_is_appended_to_nothing_is_noted(careless: Session) -> None:
    said = "softmax='yes' appends nothing: no output is float[N, C] of more than one class"
    assert f"no_scores: {said}" in careless.output
    assert careless.output.count(said) == 1


def test_a_postprocess_that_forgets_its_return_is_no_green(careless: Session) -> None:
    case = careless["forgets::test_parity[cpu]"]
    assert "the postprocess returned None for every sample: there is no answer to compare." in case.cause
    assert case.properties["paddle_infer.stage"] == "postprocess"


def test_a_layer_that_forward_puts_into_train_mode_is_named(careless: Session) -> None:
    case = careless["stuck::test_parity[cpu]"]
    assert "norm has training=True while forward runs: forward calls train()." in case.cause
    assert "to do: take train() out of forward" in careless.output
    assert case.properties["paddle_infer.stage"] == "training"


def test_another_width_is_told_of_the_preprocessing_and_the_export_is_right(careless: Session) -> None:
    assert careless["widths::test_artifacts"].outcome == "passed", careless.output
    case = careless["widths::test_parity[cpu]"]
    assert case.properties["paddle_infer.stage"] == "preprocess", case.cause


def test_a_buffer_that_is_filled_again_hides_no_fault(careless: Session) -> None:
    """The first of two samples in a batch: its tensor was the second one's by the time that the two were compared."""
    assert outcomes(careless, "buffered_wrong") == {"passed", "failed"}
    cause = careless["buffered_wrong::test_parity[cpu]"].cause
    assert "preprocessing" in cause
    assert "after another batch size" not in careless.output


def test_an_answer_that_cannot_be_sent_is_the_postprocesss_doing(careless: Session) -> None:
    case = careless["not_sent::test_parity[cpu]"]
    assert "postprocess returned what cannot be sent to another process (" in case.cause
    assert case.properties["paddle_infer.stage"] == "postprocess"


def test_an_answer_that_rounding_cannot_make_is_no_near_tie(careless: Session) -> None:
    assert outcomes(careless, "elsewhere") == {"passed", "failed"}
    assert careless["elsewhere::test_parity[cpu]"].outcome == careless["elsewhere::test_parity[onednn]"].outcome == "failed"


def test_decisions_that_rounding_makes_are_near_ties_and_others_are_faults(careless: Session) -> None:
    assert "near ties that the training engine's own rounding decides" in careless.output
    cause = careless["wrong_mask::test_parity[cpu]"].cause
    assert "mask" not in cause.partition(":")[2], "no pass and no rounding is blamed"
    assert careless["wrong_mask::test_parity[cpu]"].properties["paddle_infer.stage"] == "export", cause
