"""input_search.py: inputs that differ are explained by all inputs of several samples, and one sample is refuted by the others."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_input_hypotheses import photograph, prepared

from pytest_paddle_infer import input_search, inputs_together
from pytest_paddle_infer.asking import Asking
from pytest_paddle_infer.bench import RunOptions
from pytest_paddle_infer.diagnosis.finding import Array, Deadline, Finding
from pytest_paddle_infer.diagnosis.inputs import describe_inputs, explain_input
from pytest_paddle_infer.failures import WorkerFailure
from pytest_paddle_infer.samples import Sample

Arrays = list[Array]
PLAIN = Finding("preprocess", "they differ.", certain=False)


class Side:
    """An engine that feeds tensors made by hand, of single samples; it fails at sample `until`. answer: what its postprocess makes."""

    def __init__(self, tensors: list[Arrays], until: int = 99, answer: Any = None) -> None:
        self.name, self.tensors, self.until, self.answer = "an engine", tensors, until, answer
        self.asked: tuple[Any, ...] = ()

    def submit(self, step: str, method: str, *args: Any, timeout: float) -> None:
        self.asked = (method, *args)

    def result(self) -> Any:
        method, *args = self.asked
        if method == "run":
            return []
        if method == "answers":
            return (self.answer,)
        if args[0] >= self.until:
            raise WorkerFailure("exception", "a fault", "a fault")
        return self.tensors[args[0]]


class Bench:
    """Two sides and their samples."""

    def __init__(self, training: list[Arrays], samples: list[Any], names: tuple[str, ...], answer: Any) -> None:
        self.side, self.spec = Side(training, answer=answer), SimpleNamespace(batch_size=1, own_answers=answer is not None)
        self.samples = [Sample(str(number), None, value) for number, value in enumerate(samples)]
        self.model = SimpleNamespace(inputs=[SimpleNamespace(name=name) for name in names])

    def training(self) -> Side:
        return self.side

    def end(self, worker: Side) -> Any:
        return worker.result()


class Run:
    """A parity run whose inputs differ, first in sample `start`."""

    def __init__(self, training: Arrays, inference: Arrays, start: int, index: int) -> None:
        self.example = SimpleNamespace(start=start, stop=start + 1, training_inputs=training, training=[])
        self.sides, self.differing_input = (training[index], inference[index]), index
        self.input_difference, self.worst_input_sample = "preprocessing: 3 integers differ.", start

    def input_finding(self, pictures: Any = ()) -> Finding | None:
        return explain_input(*self.sides, pictures)

    def input_facts(self, pictures: Any = ()) -> tuple[tuple[str, str], ...]:
        return describe_inputs(*self.sides, pictures)

    def agrees(self, training: Any, inference: Any) -> bool:
        return True


def searched(
    training: list[Arrays], inference: list[Arrays], samples: list[Any], *names: str, index: int = 0, start: int = 0, until: int = 99,
    shown: Finding | None = None, tmp_path: Path = Path(), answers: tuple[Any, Any] = (None, None),
) -> Finding:  # fmt: skip
    ask = Asking(RunOptions(base=tmp_path, workdir=tmp_path, cache_dir=tmp_path))
    run = Run(training[start], inference[start], start, index)
    bench: Any = Bench(training, samples, names, answers[0])
    worker: Any = Side(inference, until, answers[1])
    found = input_search.search_inputs(ask, bench, run, worker, shown or run.input_finding() or PLAIN, Deadline(60))  # type: ignore[arg-type]
    assert ask.faults == []
    return found


def rows(*texts: list[int]) -> list[Arrays]:
    return [[np.array([text], np.int64)] for text in texts]


RIGHT = rows([2, 10, 11, 3, 0, 0], [2, 12, 11, 13, 3, 0], [2, 14, 10, 15, 16, 3])


def test_what_one_text_shows_is_told_where_the_others_show_it_too() -> None:
    shifted = [[ids + (ids > 3)] for (ids,) in RIGHT]
    found = searched(RIGHT, shifted, [{}, {}, {}], "ids")
    assert found.cause == "the inference preprocessing shifts its integers by +1 from 10 on, not those up to 3."
    assert [label for label, _ in found.facts] == ["engines"]


@pytest.mark.parametrize("answers", [({"class_id": 1}, {"class_id": 2}), ({"class_id": 1}, {"class_id": 1}), (None, None)])
def test_a_fault_of_the_postprocess_beside_one_of_the_preprocess_is_told_too(answers: tuple[Any, Any]) -> None:
    shifted = [[ids + (ids > 3)] for (ids,) in RIGHT]
    found = searched(RIGHT, shifted, [{}, {}, {}], "ids", answers=answers)
    engines = "agree when both are given the training engine's input"
    if answers[0] == answers[1]:
        assert found.facts == (("engines", f"{engines}: only the preprocessing is at fault"),)
        return
    said = "answer[0]['class_id'] is 2 from the inference engine, 1 from the training engine"
    assert found.facts == (("engines", engines), ("also", f"the postprocess programs make other answers of equal outputs: {said}."))
    assert found.remedy.endswith("compare the two postprocess programs, too.")


def test_what_one_text_shows_is_not_told_where_another_refutes_it() -> None:
    shifted = [[RIGHT[0][0] + (RIGHT[0][0] > 0)], *([ids[:, ::-1].copy()] for (ids,) in RIGHT[1:])]
    alone = explain_input(RIGHT[0][0], shifted[0][0])
    assert alone is not None
    assert alone.cause == "the inference preprocessing shifts its integers by +1 but for zeros."
    found = searched(RIGHT, shifted, [{}, {}, {}], "ids")
    assert (found.cause, found.certain) == ("preprocessing: 3 integers differ.", False)
    assert found.remedy == "compare the two preprocess programs step by step on sample 0 (0)."
    assert "difference" in dict(found.facts)
    found = searched(RIGHT, shifted, [{}, {}, {}], "ids", until=1)
    assert found.cause == alone.cause, "nobody else was asked"


def test_no_more_samples_are_asked_for_than_time_and_memory_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = [[RIGHT[0][0]], [RIGHT[1][0]], [RIGHT[2][0] + 1]]
    shifted = [[ids + 1] for (ids,) in RIGHT[:2]] + [[RIGHT[2][0]]]
    assert searched(RIGHT, shifted, [{}, {}, {}], "ids").certain is False
    monkeypatch.setattr(input_search, "MOST_SAMPLES", 2)
    assert searched(RIGHT, shifted, [{}, {}, {}], "ids").cause.endswith("shifts its integers by +1.")
    monkeypatch.setattr(input_search, "MOST_SAMPLES", 32)
    monkeypatch.setattr(input_search, "MOST_BYTES", 100)
    assert searched(RIGHT, shifted, [{}, {}, {}], "ids").cause.endswith("shifts its integers by +1.")
    assert cut


def both(*pictures: Image.Image, **how: Any) -> Arrays:
    return [prepared(picture, **how) for picture in pictures]


def test_the_pictures_of_a_sample_tell_the_program_and_which_input_it_is() -> None:
    samples: list[Any] = [{"anchor": photograph(seed=n), "other": photograph(seed=n + 9)} for n in range(2)]
    training = [both(*sample.values()) for sample in samples]
    inference = [both(*sample.values(), how=Image.Resampling.BICUBIC) for sample in samples]
    found = searched(training, inference, samples, "anchor", "other")
    words = "the inference preprocessing resizes with bicubic where the training preprocessing resizes with bilinear."
    assert found.cause == words
    assert dict(found.facts)["input"] == "anchor; other differs too"
    found = searched(training, [[one[0], two[1]] for one, two in zip(training, inference)], samples, "anchor", "other", index=1)
    assert (found.cause, dict(found.facts)["input"]) == (words, "other; anchor agrees")


def turned(seed: int) -> Image.Image:
    image = photograph(seed=seed)
    image.getexif()[0x0112] = 6
    return image


def test_what_other_samples_show_beside_the_cause_of_the_first_is_told() -> None:
    samples = [photograph(seed=1), turned(2), photograph(seed=3), turned(4)]

    def stored(image: Image.Image) -> Image.Image:
        return Image.fromarray(np.asarray(image))

    training = [[prepared(image)] for image in samples]
    inference = [[prepared(stored(image), how=Image.Resampling.BICUBIC)] for image in samples]
    found = searched(training, inference, samples, "x")
    assert found.cause.startswith("the inference preprocessing resizes with bicubic")
    also = dict(found.facts)["also"]
    assert also.startswith("samples 1, 3: the inference preprocessing ignores the EXIF orientation")
    assert found.remedy.count("in both preprocessing programs") == 2, "what to do about both"
    right = [[prepared(image, how=Image.Resampling.BICUBIC)] for image in samples]
    assert "also" not in dict(searched(training, right, samples, "x").facts)
    mirrored = [[prepared(stored(image), mirror=True)] for image in samples]
    found = searched(training[1:], mirrored[1:], samples[1:], "x")
    assert "ignores the EXIF orientation, and mirrors the picture" in found.cause
    assert "also" not in dict(found.facts), "what the others show is a part of what is told"


def test_what_concerns_no_single_picture_is_not_told_of_one() -> None:
    samples = [turned(1), photograph(seed=2)]
    training = [[prepared(image)] for image in samples]
    inference = [[prepared(samples[0], exif=False)], [prepared(samples[1], shift=1)]]
    found = searched(training, inference, samples, "x")
    assert found.cause == "the inference preprocessing ignores the EXIF orientation."
    assert "also" not in dict(found.facts)
    inference[1] = [prepared(samples[1], mirror=True)]
    assert dict(searched(training, inference, samples, "x").facts)["also"].startswith(
        "sample 1: the inference preprocessing mirrors"
    )


# -- several samples at once -------------------------------------------------------------------------------------------


def cropped(image: Image.Image, up: bool) -> Array:
    """float32[1, 3, 24, 24] of a picture that is 28 at its short side; up: how odd margins are rounded."""
    left, top = ((whole - 24 + up) // 2 for whole in image.size)
    pixels = np.asarray(image.crop((left, top, left + 24, top + 24)), np.float32)
    return np.ascontiguousarray(((pixels / np.float32(255) - np.float32(0.5)) / np.float32(0.25)).transpose(2, 0, 1)[None])


def test_a_crop_that_moves_odd_margins_alone_is_no_shift() -> None:
    samples = [photograph(28, 33, 1), photograph(31, 28, 2), photograph(30, 28, 3)]
    training, inference = ([[cropped(image, up)] for image in samples] for up in (False, True))
    alone = explain_input(training[0][0], inference[0][0], samples[:1])
    assert alone is not None
    assert alone.cause == "the inference preprocessing shifts the crop by a pixel down."
    found = searched(training, inference, samples, "x")
    words = "the inference preprocessing rounds odd margins of the crop up where the training preprocessing rounds them down."
    assert found.cause == words
    assert "also" not in dict(found.facts)


def test_a_shift_that_an_equal_sample_refutes_is_told_of_its_sample_only() -> None:
    samples: list[Any] = [{}, {}, {}]
    textured = [np.random.default_rng(seed).random((1, 3, 30, 30), dtype=np.float32) for seed in range(3)]
    training = [[each[..., 2:26, 2:26]] for each in textured]
    inference = [[textured[0][..., 3:27, 2:26]], [textured[1][..., 2:26, 3:27]], training[2]]
    found = searched(training, inference, samples, "x")
    assert (found.cause, found.certain) == ("preprocessing: 3 integers differ.", False)
    facts = dict(found.facts)
    assert facts["sample 0"] == "the inference preprocessing shifts the crop by a pixel down."
    assert facts["sample 1"] == "the inference preprocessing shifts the crop by a pixel to the right."
    found = searched(training, [inference[0], training[1], training[2]], samples, "x")
    assert not found.certain, "two others agree"
    assert [label for label, _ in found.facts if label.startswith("sample ")] == ["sample 0"]


def series(seed: int) -> Array:
    return np.random.default_rng(seed).normal(seed, 1 + seed, (1, 6, 40)).astype(np.float32)


def test_a_line_that_other_samples_refute_is_not_told() -> None:
    training = [[series(seed)] for seed in range(3)]
    inference = [[training[0][0] * np.float32(0.7) + 1], [np.minimum(training[1][0] * np.float32(0.7) + 1, 1)], training[2]]
    found = searched(training, inference, [{}, {}, {}], "x")
    assert not found.certain
    assert dict(found.facts)["sample 0"].endswith("is the training input x as 0.7 * x +1.")
    inference[1:] = [[training[number][0] * np.float32(0.7) + 1] for number in (1, 2)]
    assert searched(training, inference, [{}, {}, {}], "x").cause.endswith("as 0.7 * x +1.")


def test_statistics_of_their_own_are_seen_in_several_samples() -> None:
    training = [[series(seed)] for seed in range(3)]
    inference = [[one / np.abs(one).max()] for (one,) in training]
    found = searched(training, inference, [{}, {}, {}], "x")
    assert found.cause.startswith("the inference preprocessing divides each sample by its own largest value, which")


def test_the_largest_difference_is_that_of_all_samples() -> None:
    training = [[series(seed)] for seed in range(3)]
    inference = [[one + np.random.default_rng(9).normal(0, 0.1, one.shape).astype(np.float32)] for (one,) in training]
    inference[2][0][0, 4, 7] += 5
    facts = dict(searched(training, inference, [{}, {}, {}], "x").facts)
    assert facts["difference"].endswith("at sample 2, element [0, 4, 7]")
    assert facts["shapes"] == "[1, 6, 40] from the inference preprocessing, [1, 6, 40] from training"
    assert "samples" not in facts


ODD = "the inference preprocessing rounds odd margins of the crop up where the training preprocessing rounds them down."


def test_samples_that_agree_say_what_moves_the_crop_too() -> None:
    samples = [photograph(28, 33, 1), photograph(30, 28, 3)]
    training, inference = ([[cropped(image, up)] for image in samples] for up in (False, True))
    assert np.array_equal(training[1][0], inference[1][0])
    assert searched(training, inference, samples, "x").cause == ODD


def test_pictures_of_another_mode_and_too_many_pixels_are_not_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [photograph(28, 33, 1), photograph(31, 28, 2), photograph(28, 33, 3, "L")]
    tensors = [[[cropped(image.convert("RGB"), up)] for image in samples] for up in (False, True)]
    assert searched(*tensors, samples, "x").cause == ODD
    samples[2] = photograph(31, 28, 4)
    training, inference = ([[cropped(image, up)] for image in samples] for up in (False, True))
    inference[2] = [training[2][0] * np.float32(1.5)]
    assert searched(training, inference, samples, "x").cause != ODD
    monkeypatch.setattr(inputs_together, "MOST_PIXELS", 1)
    assert searched(training, inference, samples, "x").cause == ODD


def test_an_order_of_axes_that_another_sample_does_not_show_is_told_of_its_sample_only() -> None:
    training = [[series(seed)] for seed in range(2)]
    inference = [[training[0][0][:, ::-1].copy()], [series(8)]]
    found = searched(training, inference, [{}, {}], "x")
    assert not found.certain
    assert dict(found.facts)["sample 0"] == "the inference preprocessing reverses axis 1 (6 long)."


def test_a_sample_that_another_cause_explains_besides_refutes_no_mean() -> None:
    samples = [photograph(seed=1), turned(2)]
    training = [[prepared(image)] for image in samples]
    inference = [[prepared(image, exif=False, mean=(0.5, 0.5, 0.5))] for image in samples]
    found = searched(training, inference, samples, "x")
    assert found.cause.startswith("the inference preprocessing subtracts the mean 0.5 where")
    assert "ignores the EXIF orientation" in dict(found.facts)["also"]
