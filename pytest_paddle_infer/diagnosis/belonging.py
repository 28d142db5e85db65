"""Which of a sample's pictures an input tensor was made of, where a sample holds several. numpy and Pillow. Called by the input search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from pytest_paddle_infer.diagnosis.finding import Arrays
from pytest_paddle_infer.diagnosis.layouts import is_nchw
from pytest_paddle_infer.diagnosis.pictures import pictures_in
from pytest_paddle_infer.diagnosis.search import identify


def belonging(samples: Sequence[Any], names: Sequence[str], tensors: Arrays, index: int) -> list[Image.Image]:
    """Returns the picture of each sample that belongs to input `index`; none where samples do not hold one for each input of pictures.

    samples: as they were opened. names, tensors: of all inputs, as the training side feeds them for these samples. A key that is the
    input's name decides; else the order does, unless the usual programs make the tensor of another picture alone.
    """
    found = [pictures_in(sample) for sample in samples]
    keys = list(found[0]) if found else []
    if not keys or any(list(each) != keys for each in found):
        return []
    if keys == [""]:
        return [each[""] for each in found]
    places = [place for place, tensor in enumerate(tensors) if is_nchw(tensor)]
    if index not in places or len(places) != len(keys):
        return []
    own = [each[keys[places.index(index)]] for each in found]
    if names[index] in keys:
        return [each[names[index]] for each in found]
    others = ([each[key] for each in found] for key in keys if len(keys) > 1 and key != keys[places.index(index)])
    return next((pictures for pictures in (own, *others) if identify(tensors[index], pictures) is not None), own)
