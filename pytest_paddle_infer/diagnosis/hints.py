"""Hypotheses about a difference, tried one by one on the arrays of one sample; the one that restores equality is the cause.

Each function returns one sentence, or "" when nothing fits.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_CLOSE = 1e-4
"""Of the largest value: what counts as restored. Faults move far more, rounding far less."""


def close(left: Array, right: Array, limit: float = _CLOSE) -> bool:
    """True when two arrays of one shape agree within `limit` of the largest value of `right`."""
    if left.shape != right.shape or not left.size:
        return False
    kind = np.complex128 if "c" in (left.dtype.kind, right.dtype.kind) else np.float64
    wide, other = np.asarray(left, kind), np.asarray(right, kind)
    if not (np.isfinite(wide).all() and np.isfinite(other).all()):
        return False
    with np.errstate(over="ignore"):
        return bool(np.abs(wide - other).max() <= limit * np.abs(other).max())


def explain_input(training: Array, inference: Array) -> str:
    """Says how the inference engine's input came about from the training engine's."""
    if training.dtype != inference.dtype:
        return f"the inference preprocessing makes {inference.dtype}, the training preprocessing {training.dtype}."
    if close(inference, training):
        return ""
    if training.ndim == 4 and inference.ndim == 4 and training.shape[1] in (1, 3):
        for turned, what in (
            (inference[:, ::-1], "feeds the channels in reverse order (BGR for RGB)"),
            (inference.transpose(0, 3, 1, 2), "feeds NHWC where the model takes NCHW (transpose missing)"),
            (inference[..., ::-1], "mirrors the picture left to right"),
            (inference.transpose(0, 1, 3, 2), "swaps height and width (EXIF orientation or a transpose)"),
        ):
            if close(turned, training):
                return f"the inference preprocessing {what}."
        batch, channels, height, width = training.shape
        if inference.size == training.size and close(
            inference.reshape(batch, height, width, channels).transpose(0, 3, 1, 2), training
        ):
            return "the inference preprocessing reshapes HWC to CHW where it must transpose."
    if training.shape != inference.shape:
        return (
            f"the inference preprocessing makes shape {list(inference.shape)}, the training preprocessing {list(training.shape)}."
        )
    with np.errstate(over="ignore", invalid="ignore"):
        return _affine(training, inference)


def _affine(training: Array, inference: Array) -> str:
    """Finds `inference = a * training + b` for each channel: a missing or other scaling or normalisation."""
    if training.ndim < 2 or training.dtype.kind != "f" or not (training.size and np.isfinite(training).all()):
        return ""
    slopes, offsets = [], []
    for channel in range(training.shape[1]):
        x = training[:, channel].astype(np.float64).ravel()
        y = inference[:, channel].astype(np.float64).ravel()
        if x.std() == 0 or not np.isfinite(y).all():
            return ""
        slope = float(((x - x.mean()) * (y - y.mean())).mean() / x.var())
        offset = float(y.mean() - slope * x.mean())
        if not np.abs(slope * x + offset - y).max() <= _CLOSE * max(float(np.abs(y).max()), 1e-30):  # NaN too
            return ""
        slopes.append(slope)
        offsets.append(offset)
    for factor, what in ((255.0, "leaves out the division by 255"), (1 / 255.0, "divides by 255 twice")):
        if all(abs(slope / factor - 1) < 1e-3 for slope in slopes):
            return f"the inference preprocessing {what}."
    terms = "; ".join(f"channel {i}: {a:.4g} * x {b:+.4g}" for i, (a, b) in enumerate(zip(slopes[:3], offsets)))
    return f"the inference preprocessing scales or normalises otherwise: its input is the training input x as {terms}."


def explain_outputs(training: Sequence[Array], inference: Sequence[Array]) -> str:
    """Says how the inference engine's outputs came about from the training engine's."""
    agree = all(close(two, one) for one, two in zip(training, inference))
    if len(training) == len(inference) and 1 < len(training) <= 6 and not agree:
        for order in itertools.permutations(range(len(training))):
            if order != tuple(range(len(training))) and all(close(inference[k], training[order[k]]) for k in range(len(order))):
                moved = ", ".join(f"output {k} holds output {order[k]}" for k in range(len(order)) if order[k] != k)
                return f"the outputs are in another order: of the inference engine {moved}."
    for one, two in zip(training, inference):
        if one.shape != two.shape or one.ndim != 2 or not one.size or one.dtype.kind not in "fiu" or close(two, one):
            continue
        if close(_softmax(two), one):
            return (
                "softmax is missing from the exported model: softmax of its output is the training engine's "
                "(append it before exporting, or say softmax='no')."
            )
        if close(two, _softmax(one)):
            return "softmax is applied once more in the exported model than in the training engine."
        with np.errstate(over="ignore", invalid="ignore"):
            same = np.ptp(two, axis=0).max() == 0 and len(two) > 1 and np.ptp(one, axis=0).max() > 0
        if same:
            return "the inference engine gives the same answer to every sample of the batch."
    return ""


def _softmax(scores: Array) -> Array:
    wide = scores.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        raised = np.exp(wide - wide.max(axis=-1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=-1, keepdims=True))
