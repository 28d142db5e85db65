"""A preprocessing program that failed, or whose tensor the model cannot take: the cause, from the text of the error alone."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from PIL import Image

from pytest_paddle_infer.diagnosis.finding import Finding
from pytest_paddle_infer.diagnosis.steps import step_finding

_INPUT = r"input (?P<input>'[^']*'), which is (?P<want>\[.*?\]|\w+)"

_REFUSALS = (
    (rf"returned (?P<had>\w+)\[[\d, ]*\] for {_INPUT}", "dtype", "makes {had} for input {input}, where the model takes {want}"),
    (
        rf"returned shape (?P<had>\[.*?\]) for {_INPUT}: it looks like (?P<made>N?)HWC",
        "layout",
        "feeds {made}HWC where the model takes {made}CHW (transpose missing): {had} for input {input}, which is {want}",
    ),
    (
        rf"returned shape (?P<had>\[.*?\]) for {_INPUT}",
        "shape",
        "makes shape {had} for input {input}, where the model takes {want}",
    ),
    (
        r"returned (?P<had>\d+) arrays; the model has (?P<want>\d+) inputs",
        "shape",
        "returns {had} arrays where the model has {want} inputs",
    ),
    (r"returned a dict without (?P<input>'[^']*')", "shape", "returns a dict without the input {input}"),
    (
        r"returned (?P<had>\w+) for input (?P<input>'[^']*'); it must return a numpy array",
        "dtype",
        "returns {had} for input {input}, where a numpy array is needed",
    ),
)
"""What `engine.processing.fit` says, the step that is at fault, and the same as a cause."""

RETURNED = "return one numpy array for each of the model's inputs from preprocess, or a dict of them by the inputs' names."
"""What to do where it is not the values that are wrong but what they come in."""

_OF_BOTH = {
    "shape": "return the shape that the model takes from preprocess, or say in input_spec which one it makes.",
    "layout": "bring HWC to CHW with transpose(2, 0, 1) in preprocess.",
    "dtype": "cast the tensor to the model's dtype at the end of preprocess.",
}
"""What to do where one program serves both engines: there is no other to take as an example."""

_SHAPES = re.compile(r"shapes \((?P<pixels>[\d,]+)\) \((?P<other>[\d,]+)\)")


def explain_refusal(message: str, picture: Any = None) -> Finding | None:
    """Says why the inference preprocessing failed, from the text of its error alone; None where the text tells nothing.

    picture: the sample, where it is a `PIL.Image` as it was opened: its mode explains arithmetic that fails on 1 or 4 channels.
    """
    text = " ".join(message.split())
    for pattern, name, what in _REFUSALS:
        found = re.search(pattern, text)
        if found is not None:
            if name == "shape" and isinstance(picture, Image.Image) and picture.mode != "RGB":
                shape = [int(number) for number in re.findall(r"\d+", found.groupdict().get("had") or "")]
                if len(picture.getbands()) != 3 and len(picture.getbands()) in shape:
                    return _unconverted(picture)
            finding = step_finding(name, what.format(**found.groupdict()))
            if found.groupdict().get("made"):
                finding = replace(finding, remedy=_with_batch(finding.remedy))
            return replace(finding, remedy=RETURNED) if "array" in what or "dict" in what else finding
    if isinstance(picture, Image.Image) and picture.mode != "RGB" and "raised" in text:
        found = _SHAPES.search(text)
        bands = len(picture.getbands())
        if found is not None:
            axes = [int(number) for number in found["pixels"].split(",") if number]
            if (bands == 1 and len(axes) == 2) or (bands != 3 and len(axes) > 2 and bands in (axes[0], axes[-1])):
                return _unconverted(picture).with_facts(("error", text))
    return None


def of_both(found: Finding) -> Finding:
    """The same where both sides' programs are one, or return the same: neither is right then."""
    cause = found.cause.replace("the inference preprocessing", "the preprocessing of both engines")
    return replace(found, cause=cause, remedy=_of_one_program(found))


def of_training(found: Finding) -> Finding:
    """The same where it is the training side's program alone."""
    return replace(
        found,
        cause=found.cause.replace("the inference preprocessing", "the training preprocessing"),
        remedy=_of_one_program(found)
        .replace("from preprocess,", "from training_preprocess,")
        .replace("preprocess.", "training_preprocess."),
    )


def _of_one_program(found: Finding) -> str:
    remedy = found.remedy if found.remedy == RETURNED else _OF_BOTH.get(found.name, found.remedy)
    return _with_batch(remedy) if "NHWC" in found.remedy else remedy


def _with_batch(remedy: str) -> str:
    """The remedy for a picture, for what has the batch axis too."""
    return remedy.replace("HWC to CHW with transpose(2, 0, 1)", "NHWC to NCHW with transpose(0, 3, 1, 2)")


def made_in(message: str) -> tuple[str, tuple[int, ...]]:
    """(dtype, shape) of the tensor that a preprocess returned, by what its error says; ("", ()) where it says neither."""
    found = re.search(r"returned (shape |\w+)\[([\d, ]*)\] for input", message)
    if found is None:
        return "", ()
    wanted = re.search(r"which is (\w+)", message)
    dtype = found[1] if found[1] != "shape " else wanted[1] if wanted is not None else "float32"
    return dtype, tuple(int(number) for number in found[2].split(",") if number.strip())


def said_in(message: str) -> str:
    """What a preprocess returned, in the words of its error; "" for another error."""
    found = re.search(r"preprocess returned .*", message)
    return found[0] if found is not None else ""


def _unconverted(picture: Image.Image) -> Finding:
    bands = len(picture.getbands())
    return step_finding(
        "mode", f"does not convert the picture to RGB: its mode is {picture.mode}, {bands} channel{'s' * (bands != 1)} for three"
    )
