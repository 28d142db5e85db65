"""Pictures for the page: what each engine was fed of a sample."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pictures:
    """PNG files of at most 96 x 96 pixels. inference: None where the inference engine was fed the very same tensor."""

    training: bytes
    inference: bytes | None
