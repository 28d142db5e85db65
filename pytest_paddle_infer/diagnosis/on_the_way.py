"""What one of two preprocessing programs does to the picture before it resizes it: it stores it as JPEG, or applies a gamma.

Called by `inputs`, where no other step explains what is left. numpy and Pillow.
"""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from pytest_paddle_infer.diagnosis.finding import Array, Deadline, Finding
from pytest_paddle_infer.diagnosis.gamma import bent_first
from pytest_paddle_infer.diagnosis.jpeg import stored_as_jpeg
from pytest_paddle_infer.diagnosis.layouts import is_nchw
from pytest_paddle_infer.diagnosis.pipelines import Identified, keeps
from pytest_paddle_infer.diagnosis.programs import steps_apart
from pytest_paddle_infer.diagnosis.steps import joined, step_finding

_DONE = {
    "jpeg": ("stores {0} as {1}", "store as {0}"),
    "gamma": ("applies a gamma of {1} to {0}", "apply a gamma of {0}"),
}
"""What is told, and how a program is shown: the picture, and how."""


def explain_on_the_way(
    one: Identified | None,
    two: Identified | None,
    training: Array,
    inference: Array,
    images: Sequence[Image.Image],
    deadline: Deadline,
) -> Finding | None:
    """A picture that one of the two programs changes before it resizes it, in the time that the other searches left.

    one, two: the programs of the training and of the inference side, where they are known; two only where one is not, or merely near.
    training, inference: their tensors.
    """
    if not images or not is_nchw(training) or not is_nchw(inference) or len(inference) != len(images):
        return None
    applied = two is None
    plain, own, tensor = (one, training, inference) if applied else (two, inference, training)
    if plain is None:
        return None
    name = "gamma"
    made = bent_first(plain, own, tensor, images, deadline.left())
    if made is None:
        name, made = "jpeg", stored_as_jpeg(plain.pipeline, tensor, images, deadline.left())
    if made is None:
        return None
    kind, found = made
    told, shown = _DONE[name]
    sides = (plain, found) if applied else (found, plain)
    lines = [side.describe(images) for side in sides]
    lines[applied] = f"{shown.format(kind)}, {lines[applied]}"
    before = "" if keeps(plain.pipeline, images) else " before it resizes it"
    what = f"{told.format('the picture', kind)}{before}, which the training preprocessing does not"
    if not applied:
        what = f"takes the picture as it is where the training preprocessing {told.format('it', kind)}{before}"
    rest = steps_apart(*sides, images)
    more = tuple(("also", f"it {other}.") for _, other in rest)
    name = joined(name, *(step for step, _ in rest))
    facts = (("training", lines[0]), ("inference", lines[1]), *more)
    return step_finding(name, what, facts)
