"""sampling.py: which samples a model is run on, and what they cannot show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.samples import numbered, unnamed
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


def test_a_sample_of_several_files_is_called_after_them(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"")
    picture = textured("L")
    picture.filename = "kept/c.png"  # type: ignore[attr-defined]
    both = {"left": str(tmp_path / "a.png"), "right": tmp_path / "b.png", "label": "no file", "weight": 0.5}
    samples = as_samples([both, (tmp_path / "a.png", picture), picture, {"text": "x" * 5000}, [1.0], {}])
    assert [sample.name for sample in samples] == ["a.png, b.png", "a.png, c.png", "c.png", "sample-3", "sample-4", "sample-5"]


def test_a_sample_without_a_name_is_numbered_once() -> None:
    assert (numbered(2, "cat.png"), numbered(2, unnamed(2)), numbered(3, unnamed(2))) == (
        "sample 2 (cat.png)", "sample 2", "sample 3 (sample-2)",
    )  # fmt: skip
