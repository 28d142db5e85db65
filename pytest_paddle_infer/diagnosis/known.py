"""Errors of Paddle whose text hides their cause: what they mean, as it was measured on 2.6.2 and 3.3.1."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """What an error means. The sentence may take the groups of the expression."""

    pattern: str
    stage: str
    kind: str
    cause: str
    remedy: str


MEANINGS = (
    Meaning(
        r"More than one shadow output named with (?P<name>\S+) found",
        "export",
        "output",
        "the model returns its input {name} as an output, unchanged or through an operation that is taken out, such as x * 1.0, "
        "and the exported program cannot name it twice",
        "return a new tensor instead, for example paddle.assign of the input.",
    ),
    Meaning(
        r"\[json\.exception\.out_of_range\.403\] key 'D' not found",
        "export",
        "operator",
        "the exported graph holds a NaN or Inf constant, which Paddle 3 writes and cannot read again",
        "find the constant in the model's forward that is NaN or Inf.",
    ),
    Meaning(
        r"The number of variables to be loaded is 0, expect it to be greater than 0",
        "export",
        "file",
        "the model has no parameters, and this Paddle cannot load an export without any",
        "export with Paddle 3, or give the model a parameter or buffer that its outputs need.",
    ),
)
"""The first two were seen on 3.3.1, the last on 2.6.2."""


def meaning_of(text: str) -> Meaning | None:
    """The meaning of an error's text, its sentence filled in; None for one that says itself what it means, or is not known."""
    for known in MEANINGS:
        found = re.search(known.pattern, text)
        if found is not None:
            cause = known.cause.format(**found.groupdict())
            return Meaning(known.pattern, known.stage, known.kind, cause, known.remedy)
    return None
