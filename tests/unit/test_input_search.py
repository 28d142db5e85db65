"""input_search.py: inputs that differ are explained by all inputs of several samples, and one sample is refuted by the others."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_input_hypotheses import photograph, prepared

from pytest_paddle_infer import input_search
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
        self.input_difference = "preprocessing: 3 integers differ."

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
    assert found.remedy == input_search.COMPARE
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
