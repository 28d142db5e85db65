"""Pixels to which the inference side adds something as long as they are uint8, so that values beyond 0 and 255 wrap round. numpy only.

Called by `inputs`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pytest_paddle_infer.diagnosis.finding import Array
from pytest_paddle_infer.diagnosis.normalisation import Normalisation, figures

Step = tuple[str, str]

_WHOLE = 0.05
"""By how much a pixel may miss a whole number."""
_TELLING = 8
"""Values that wrap round, and that do not, without which nothing is told."""


def explain_wrapping(training: Array, inference: Array, own: Iterable[Normalisation]) -> Step | None:
    """Returns (name, what is done) where every pixel is the training side's and a constant, modulo 256.

    training, inference: [N, C, H, W]. own: what the training side may do to its pixels.
    """
    if training.shape != inference.shape or training.ndim != 4 or training.dtype.kind != "f":
        return None
    for normalisation in own:
        slopes, offsets = (each.reshape(-1, 1, 1) for each in normalisation.line())
        if len(slopes) != training.shape[1]:
            continue
        pixels = _pixels(training, slopes, offsets)
        if pixels is None:
            continue
        for without, shift in ((False, offsets), (True, np.zeros_like(offsets))):
            told = _wrapped(pixels, _pixels(inference, slopes, shift))
            if told is not None and (not without or any(normalisation.mean)):
                rest = (
                    f", where the training preprocessing subtracts the mean {figures(normalisation.mean)} of floats"
                    if without
                    else ""
                )
                return "overflow", f"{told}{rest}"
    return None


def _pixels(tensor: Array, slopes: Array, offsets: Array) -> Array | None:
    """int64 of 0 to 255; None where they are no whole numbers of that range."""
    exact = (tensor.astype(np.float64) - offsets) / slopes
    whole = np.rint(exact)
    if np.abs(exact - whole).max() > _WHOLE or whole.min() < 0 or whole.max() > 255:
        return None
    return whole.astype(np.int64)


def _wrapped(pixels: Array, fed: Array | None) -> str | None:
    if fed is None:
        return None
    moved = (fed - pixels) % 256
    channels = np.moveaxis(moved, 1, 0).reshape(moved.shape[1], -1)
    if np.ptp(channels, axis=1).any() or not channels.any():
        return None
    steps = channels[:, 0]
    # adding 236 and taking 20 away are the same in uint8: the smaller of the two is what somebody wrote
    added = int(steps.max()) <= 128
    numbers = steps if added else (256 - steps) % 256
    beyond = pixels + (steps if added else -numbers).reshape(-1, 1, 1)
    wraps = (beyond < 0) | (beyond > 255)
    count = int(np.count_nonzero(wraps))
    if not _TELLING <= count <= wraps.size - _TELLING:
        return None
    how, past = ("adds {} to", "255 to 0") if added else ("subtracts {} from", "0 to 255")
    shown = str(int(numbers[0])) if len(set(numbers.tolist())) == 1 else f"({', '.join(map(str, numbers.tolist()))})"
    wrapped = f"of which {count} of the {wraps.size} values that were looked at wrap round from {past}"
    return f"{how.format(shown)} the pixels as uint8, {wrapped}"
