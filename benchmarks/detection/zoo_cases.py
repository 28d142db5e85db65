"""Every factory of `paddle.vision.models` whose artifacts stay below 200 MB, with live weights, 224 x 224, in both variants. Long."""

from __future__ import annotations

import paddle
from cases import Collection, Setup

from pytest_paddle_infer.model_names import vision_factories
from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.samples import drawn_samples

ZOO = Collection(False, ("cpu", "onednn"))
LARGE = ("alexnet", "vgg", "wide_resnet", "resnet152", "resnext101_64x4d", "resnext152")
"""Those of 200 MB and more."""


def zoo(name):
    def build(place):
        spec = ModelSpec(name, factory=f"paddle.vision.models:{name}", softmax="yes")
        return Setup(spec, drawn_samples(place.file("drawn"), 3))

    return build


for name in vision_factories():
    if not name.startswith(LARGE) and hasattr(paddle.vision.models, name):
        ZOO.case(f"zoo {name}", f"{name}, live, softmax", timeout=300.0)(zoo(name))
