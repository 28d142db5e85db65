"""engine/processing.py: what both engines are given and give, and whose memory it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pytest_paddle_infer.engine.processing import Array, Processing, ProcessingError, Tensors, takes_sample
from pytest_paddle_infer.engine.services import EngineService
from pytest_paddle_infer.models import TensorSpec
from pytest_paddle_infer.samples import Sample

INPUT = TensorSpec((None, 3), "float32", "x")


class Doubles(Processing):
    """An engine that doubles."""

    def run(self, x: Any) -> Tensors:
        return np.asarray(x * 2)


def filling() -> Callable[[Any], Array]:
    buffer = np.zeros((1, 3), np.float32)

    def fill(sample: Any) -> Array:
        buffer[:] = sample
        return buffer

    return fill


class Both:
    """Keeps from the one method what the other needs."""

    def before(self, sample: Array) -> Array:
        self.last = float(sample[0])
        return sample

    def after(self, output: Array) -> tuple[float, float]:
        return self.last, float(output[0, 0])


VALUES = [np.full(3, number, np.float32) for number in (1, 2, 3)]
SAMPLES = [Sample(str(number), None, value) for number, value in enumerate(VALUES)]


def test_what_preprocess_fills_again_is_copied() -> None:
    engine = Doubles([INPUT], filling())
    one, two = (engine.preprocess(value) for value in VALUES[:2])
    assert isinstance(one, np.ndarray)
    assert isinstance(two, np.ndarray)
    assert (one.tolist(), two.tolist()) == ([[1, 1, 1]], [[2, 2, 2]])
    (batch,) = EngineService(Doubles([INPUT], filling()), SAMPLES).inputs(0, 3)
    assert batch[:, 0].tolist() == [1, 2, 3]


def test_several_inputs_are_copied_too() -> None:
    fill = filling()
    engine = Doubles([INPUT, TensorSpec((None, 3), "float32", "y")], lambda sample: [fill(sample), fill(sample)])
    one, two = engine.preprocess(VALUES[0]), engine.preprocess(VALUES[1])
    assert [float(array[0, 0]) for array in (*one, *two)] == [1, 1, 2, 2]


def test_an_answer_that_is_made_again_in_one_object_is_each_samples_own() -> None:
    kept: dict[str, Any] = {}

    def answer(output: Array) -> dict[str, Any]:
        kept.update(output=output, first=float(output[0, 0]))
        return kept

    service = EngineService(Doubles([INPUT], lambda sample: sample, answer), SAMPLES)
    answers = service.observe(0, 3).answers
    assert [(each["first"], float(each["output"][0, 0])) for each in answers] == [(2, 2), (4, 4), (6, 6)]


@pytest.mark.parametrize(
    ("postprocess", "takes"),
    [
        (lambda output: output, False),
        (lambda output, sample: output, True),
        (lambda output, image, /: output, True),
        (lambda output, threshold=0.5: output, False),
        (lambda output, sample=None: output, True),
        (lambda output, sample=True: output, False),
        (lambda output, *more: output, False),
        (lambda output, *, sample: output, False),
        (partial(lambda output, k: output, k=3), False),
        (Both().after, False),
        (np.argmax, False),
        (max, False),
        (dict, False),
    ],
)
def test_a_postprocess_takes_the_sample_where_it_must_be_given_a_second(postprocess: Callable[..., Any], takes: bool) -> None:
    assert takes_sample(postprocess) is takes


def test_a_postprocess_of_two_gets_what_preprocess_got() -> None:
    seen: list[Any] = []

    def spoils(sample: Array) -> Array:
        sample *= 10
        return sample

    def scaled(output: Array, sample: Array) -> float:
        seen.append(sample)
        return float(output[0, 0] + sample[0])

    engine = Doubles([INPUT], spoils, scaled)
    value = VALUES[2].copy()
    assert engine.predict(value) == 63, "20 x 3 + 3: as it was before preprocess changed it"
    assert engine.predict(SAMPLES[2]) == 63
    assert engine.postprocess(np.zeros((1, 3)), SAMPLES[1]) == 2
    with pytest.raises(ProcessingError, match=r"takes the sample as well: give it, postprocess\(output, sample\)"):
        engine.postprocess(np.zeros((1, 3)))
    service = EngineService(engine, SAMPLES)
    assert service.observe(0, 3).answers == (21, 42, 63)
    assert service.benchmark(2, 1, 2).samples == 4
    assert all(value.tolist() == [number] * 3 for number, value in enumerate(VALUES, 1)), "the samples themselves stay"


def test_a_postprocess_of_two_gets_an_opened_picture_for_a_path(tmp_path: Path) -> None:
    Image.new("RGB", (5, 4)).save(tmp_path / "a.png")
    sizes = []
    engine = Doubles([INPUT], lambda picture: VALUES[0], lambda output, picture: sizes.append(picture.size) or 1)  # type: ignore[func-returns-value]
    engine.predict(str(tmp_path / "a.png"))
    engine.predict(Sample("a", tmp_path / "a.png"))
    engine.postprocess(np.zeros((1, 3)), tmp_path / "a.png")
    assert sizes == [(5, 4)] * 3


def test_what_one_object_keeps_for_its_postprocess_is_of_the_same_sample() -> None:
    both = Both()
    service = EngineService(Doubles([INPUT], both.before, both.after), SAMPLES)
    assert service.observe(0, 3).answers == ((1, 2), (2, 4), (3, 6))
    both.last = 9.0
    outputs = [np.asarray([[2.0, 0, 0], [4, 0, 0]])]
    assert service.answers(outputs, 0, 2) == ((1, 2), (2, 4))
    assert service.answer(outputs, "digest", 1, 3).answers == ((2, 2), (3, 4))


def test_an_object_that_is_called_keeps_likewise() -> None:
    class Called(Both):
        def __call__(self, sample: Array) -> Array:
            return self.before(sample)

    called = Called()
    assert EngineService(Doubles([INPUT], called, called.after), SAMPLES).observe(1, 3).answers == ((2, 4), (3, 6))


def test_what_functions_keep_elsewhere_is_of_the_same_sample_too() -> None:
    kept: list[float] = []

    def before(sample: Array) -> Array:
        kept.append(float(sample[0]))
        return sample

    service = EngineService(Doubles([INPUT], before, lambda output: (kept[-1], float(output[0, 0]))), SAMPLES)
    observed = service.observe(0, 3)
    assert observed.answers == ((1, 2), (2, 4), (3, 6))
    assert service.answer(observed.outputs, observed.inputs, 0, 3).answers == observed.answers, "both sides are asked alike"


def test_programs_run_once_for_each_sample_where_nothing_is_kept_for_an_own_answer() -> None:
    calls: list[float] = []

    def counted(sample: Array) -> Array:
        calls.append(float(sample[0]))
        return sample

    service = EngineService(Doubles([INPUT], counted, lambda output: float(output.sum())), SAMPLES)
    for number in range(3):
        service.observe(number, number + 1)
    assert calls == [1, 2, 3], "a batch of one"
    calls.clear()
    EngineService(Doubles([INPUT], counted), SAMPLES).observe(0, 3)
    assert calls == [1, 2, 3], "nothing of the model's own answers"


def test_generators_and_paddles_tensors_are_taken_for_arrays() -> None:
    tensor = type("Tensor", (SimpleNamespace,), {"__module__": "paddle"})(numpy=lambda: VALUES[0])

    def each(sample: Any) -> Iterator[Any]:
        yield tensor
        yield VALUES[1]

    assert [array.tolist() for array in Doubles([INPUT, INPUT], each).preprocess(0)] == [[[1, 1, 1]], [[2, 2, 2]]]
    assert np.asarray(Doubles([INPUT], lambda sample: tensor).preprocess(0)).tolist() == [[1, 1, 1]]
