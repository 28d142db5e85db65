"""The steps of preprocessing that a finding can name, and what to do about each."""

from __future__ import annotations

from pytest_paddle_infer.diagnosis.finding import Finding

Facts = tuple[tuple[str, str], ...]

STEPS = (
    "channel order", "layout", "scaling", "normalisation", "interpolation", "resize", "crop", "exif", "mode", "dtype", "shape",
    "mirror", "gamma", "precision", "overflow", "clip", "axes", "logarithm",
    "padding", "jpeg", "integers", "inputs", "mask", "tokens", "truncation",
)  # fmt: skip
"""The names that a finding about preprocessing can have."""

_DIVIDE = "divide by 255 before mean and std in the inference preprocessing."
_NUMBERS = "scale and shift the {} by the same numbers in both preprocessing programs."
_PLAIN = {"of a pixel x": "pixels", "the training input x as": "values", "to every value": "values"}
"""In what is told of numbers alone, and what they are done to: nobody knows which of them the program calls a mean or a std."""
_OWN = "its own"
"""In what is told of a sample's own statistics."""

NEGATIVE = "feeds the negative of the picture"
SIGN = "changes the sign of all that it feeds"
STD_FIRST = "divides by the standard deviation before it subtracts the mean"
"""What is told of an inversion, and of two steps in the wrong order."""

_REMEDIES = {
    "channel order": "convert BGR to RGB (or back) in the inference preprocessing, as the training preprocessing has it.",
    "layout": "bring HWC to CHW with transpose(2, 0, 1), as the training preprocessing does.",
    "scaling": "divide by 255 before mean and std in both preprocessing programs, and as often in one as in the other.",
    "normalisation": "use the same mean and std in both preprocessing programs.",
    "interpolation": "resize with the same interpolation in both preprocessing programs.",
    "resize": "resize to the same size by the same rule in both preprocessing programs.",
    "crop": "crop the same part at the same point of both preprocessing programs.",
    "exif": "treat the EXIF orientation alike: PIL.ImageOps.exif_transpose in both preprocessing programs.",
    "mode": "convert the picture to RGB in the same way in both preprocessing programs.",
    "dtype": "cast the tensor to the model's dtype at the end of the inference preprocessing.",
    "shape": "make the inference preprocessing return the shape that the training preprocessing returns.",
    "mirror": "take the flip out of the inference preprocessing.",
    "gamma": "apply the same gamma at the same point of both preprocessing programs, or none in either.",
    "precision": "keep float32 throughout the inference preprocessing.",
    "overflow": "convert the pixels to float32 before anything is added to them or subtracted from them.",
    "clip": "cut values off at the same bounds in both preprocessing programs, or in neither.",
    "axes": "order the axes, and cut them at the same place, alike in both preprocessing programs.",
    "logarithm": "use the same numbers before the logarithm in both preprocessing programs.",
    "jpeg": "store the picture without loss between the steps of preprocessing, or as the same JPEG in both programs.",
    "integers": "number tokens or labels alike in both preprocessing programs: the same vocabulary and special tokens, words split alike.",
    "inputs": "return the inputs in the order in which the model takes them, each made of its own part of the sample.",
    "mask": "make the mask as the training preprocessing does: the same number at tokens, and the same at padding.",
    "tokens": "put the same special tokens at the same ends, and feed the tokens in the same order, in both preprocessing programs.",
    "truncation": "cut texts off after the same number of tokens, with the same special tokens, in both preprocessing programs.",
    "padding": "pad to the same size, on the same sides, with the same value and at the same point of both preprocessing programs.",
}


_AND = " + "


def joined(*names: str) -> str:
    """Several steps as one name, for `step_finding`: the first is the finding's, and the remedy says what to do about each."""
    return _AND.join(names)


def remedies(*texts: str) -> str:
    """What to do about several things, as one sentence that says each once."""
    return "; ".join(dict.fromkeys(part for text in texts for part in text.rstrip(".").split("; "))) + "."


def step_finding(name: str, what: str, facts: Facts = (), certain: bool = True) -> Finding:
    """A finding about the inference preprocessing.

    name: one of `STEPS`, or several `joined`. what: what it does otherwise, without a full stop.
    """
    names = name.split(_AND)
    remedy = remedies(*(_remedy(each, what) for each in names))
    return Finding("preprocess", f"the inference preprocessing {what}.", "step", names[0], facts, remedy, certain)


def _remedy(name: str, what: str) -> str:
    if name in ("scaling", "normalisation"):
        for words, things in _PLAIN.items():
            if words in what:
                return _NUMBERS.format(things)
    if name == "normalisation" and (NEGATIVE in what or SIGN in what):
        inversion = "take the inversion out of the inference preprocessing."
        return inversion if " and " not in what else remedies(inversion, _REMEDIES[name])
    if name == "normalisation" and STD_FIRST in what:
        return "subtract the mean before dividing by the standard deviation, as the training preprocessing does."
    if name == "normalisation" and _OWN in what:
        return "normalise with the same statistics in both preprocessing programs: each sample's own, or the same numbers for all."
    if name == "normalisation" and "BGR" in what:
        return "use the same mean and std, in the same channel order, in both preprocessing programs."
    if name == "layout" and "swaps height and width" in what:
        return "transpose height and width back in the inference preprocessing, or treat the EXIF orientation alike in both."
    if name == "resize" and "preprocessing keeps the size" in what:
        return "take the resize out of the inference preprocessing."
    if name == "crop" and "shifts the picture" in what:
        return "shift nothing in the inference preprocessing: the training preprocessing feeds the whole picture where it is."
    if name == "mode" and "preprocessing converts to grey" in what:
        return "convert the picture to grey in the same way in both preprocessing programs."
    if name == "channel order" and "swaps the" in what:
        return "feed the channels in the same order in both preprocessing programs."
    return _DIVIDE if name == "scaling" and "leaves out the division" in what else _REMEDIES[name]
