"""sampling.py: which samples a model is run on, and what they cannot show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.sampling import as_samples, sample_notes
from pytest_paddle_infer.transforms import default_preprocess


def spec(**fields: Any) -> ModelSpec:
    return ModelSpec("net", factory="nets:net", **fields)


def textured(mode: str) -> Image.Image:
    pixels = np.random.RandomState(0).randint(0, 256, (60, 60, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def plain(colour: tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", (60, 60), colour)


@pytest.mark.parametrize(
    ("pictures", "words"),
    [
        ([textured("L")], ["grey", "swapped colour channels"]),
        ([textured("L"), plain((7, 7, 7))], ["grey"]),
        ([plain((0, 0, 0)), plain((9, 9, 9))], ["of one colour", "layout"]),
        ([plain((200, 10, 10))], ["of one colour"]),
        ([textured("RGB")], []),
        ([textured("L"), textured("RGB")], []),
        ([textured("L"), plain((200, 10, 10))], []),
        ([textured("P")], []),
        ([textured("L"), np.zeros((3, 8, 8))], []),
    ],
)
def test_pictures_that_hide_faults_are_noted(pictures: list[Any], words: list[str]) -> None:
    notes = sample_notes(spec(), as_samples(pictures))
    assert len(notes) == bool(words)
    assert all(word in notes[0] for word in words)


def test_grey_pictures_are_right_for_a_model_that_takes_one_channel() -> None:
    grey = as_samples([textured("L")])
    own = {"preprocess": default_preprocess(32)}
    assert sample_notes(spec(input_spec=[[None, 1, 8, 8]], **own), grey) == ()
    assert sample_notes(spec(input_spec=[[None, 3, 8, 8]], **own), grey) != ()
    assert sample_notes(spec(input_spec=[[None, 8, 8, 3]], **own), grey) != ()


def test_a_model_that_takes_no_pictures_has_no_such_notes() -> None:
    assert sample_notes(spec(input_spec=[[None, 6]]), as_samples([np.zeros(6)])) == ()


def test_a_picture_that_cannot_be_read_is_somebody_elses_news(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert sample_notes(spec(), as_samples([tmp_path / "broken.png"])) == ()


def test_a_crop_that_throws_most_of_a_picture_away_is_noted() -> None:
    (note,) = sample_notes(spec(), as_samples([textured("RGB").resize((600, 60))]))
    assert "throws away" in note
    assert sample_notes(spec(preprocess=default_preprocess(32)), as_samples([textured("RGB").resize((600, 60))])) == ()
