"""diagnosis/belonging.py: of a sample that holds several pictures, every input tensor gets the one that it was made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_input_hypotheses import photograph, prepared

from pytest_paddle_infer.diagnosis.belonging import belonging
from pytest_paddle_infer.diagnosis.pictures import pictures_in

LEFT, RIGHT = photograph(seed=1), photograph(seed=2)
TENSORS = [prepared(LEFT), prepared(RIGHT)]
NAMES = ("left", "right")


def pixels(found: Any) -> list[bytes]:
    return [picture.tobytes() for picture in found]


@pytest.fixture
def paths(tmp_path: Path) -> tuple[str, str]:
    for name, picture in (("a.png", LEFT), ("b.png", RIGHT)):
        picture.save(tmp_path / name)
    return str(tmp_path / "a.png"), str(tmp_path / "b.png")


@pytest.mark.parametrize(
    "make",
    [
        lambda a, b: {"anchor": a, "other": b},
        lambda a, b: {"label": "same.txt", "anchor": Path(a), "count": 3, "other": b},
        lambda a, b: (a, LEFT and b),
        lambda a, b: [LEFT, RIGHT],
        lambda a, b: {"right": b, "left": a},
        lambda a, b: {"one": b, "two": a},
        lambda a, b: (RIGHT, LEFT),
    ],
    ids=["dict", "dict with more", "tuple", "pictures", "keys that are names", "other order", "pictures in other order"],
)
def test_each_input_gets_the_picture_that_it_was_made_of(make: Any, paths: tuple[str, str]) -> None:
    for index, own in enumerate((LEFT, RIGHT)):
        assert pixels(belonging([make(*paths)], NAMES, TENSORS, index)) == [own.tobytes()]


def test_inputs_that_are_no_pictures_get_none_and_do_not_count(paths: tuple[str, str]) -> None:
    tensors, names = [TENSORS[0], np.zeros((1, 2), np.float32), TENSORS[1]], ("image", "size", "mask")
    for index, own in ((0, [LEFT]), (1, []), (2, [RIGHT])):
        assert pixels(belonging([paths], names, tensors, index)) == pixels(own)


@pytest.mark.parametrize(
    "sample", [(LEFT,), (LEFT, RIGHT, LEFT), {"text": "a.png or b.png"}, "a.png", ("none.png", "none.jpg"), 3, ()]
)
def test_samples_without_a_picture_for_each_input_are_left_alone(sample: Any) -> None:
    assert belonging([sample], NAMES, TENSORS, 0) == []


def test_samples_of_a_batch_must_be_alike() -> None:
    tensors = [np.concatenate([tensor] * 2) for tensor in TENSORS]
    assert pixels(belonging([(LEFT, RIGHT)] * 2, NAMES, tensors, 1)) == pixels([RIGHT] * 2)
    assert belonging([(LEFT, RIGHT), (LEFT,)], NAMES, tensors, 0) == []
    assert belonging([], NAMES, tensors, 0) == []


def test_a_picture_is_its_own_only_picture_and_a_broken_file_is_none(tmp_path: Path) -> None:
    assert pixels(belonging([LEFT], NAMES[:1], TENSORS[:1], 0)) == [LEFT.tobytes()]
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert pictures_in((tmp_path / "broken.png", LEFT)) == {"1": LEFT}


def test_where_no_usual_program_made_the_tensor_the_order_decides() -> None:
    noise = [np.random.RandomState(3).normal(0, 1, TENSORS[0].shape).astype(np.float32)] * 2
    assert belonging([{"x": LEFT, "y": RIGHT}], NAMES, noise, 1) == [RIGHT]
    assert isinstance(RIGHT, Image.Image)
