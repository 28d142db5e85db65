"""The pictures of a sample as the engines were fed them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pictures:
    """PNG files of at most 96 x 96 pixels. inference: None where that engine was fed the very same tensor."""

    training: bytes
    inference: bytes | None
