"""Why two preprocessing programs make different tensors of the same samples: hypotheses, tried from the simple to the complex.

Called by `parity` and the diagnosis after a failure. First what the tensors say alone (`layouts`, `normalisation`), then what they
say with the pictures that they were made of (`search`). numpy and Pillow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from pytest_paddle_infer.diagnosis.agreement import CLOSE, ROUNDING, apart, restored
from pytest_paddle_infer.diagnosis.axes import explain_axes
from pytest_paddle_infer.diagnosis.finding import Array, Deadline, Finding
from pytest_paddle_infer.diagnosis.gamma import explain_gamma
from pytest_paddle_infer.diagnosis.layouts import (
    SWAPS,
    explain_clipping,
    explain_integers,
    explain_levels,
    explain_order,
    explain_precision,
    is_nchw,
    layouts,
    mixed_colours,
    narrower,
    side,
)
from pytest_paddle_infer.diagnosis.logarithms import explain_numbers, ratio_of_logarithms
from pytest_paddle_infer.diagnosis.normalisation import Normalisation, difference, difference_turned, known
from pytest_paddle_infer.diagnosis.on_the_way import explain_on_the_way
from pytest_paddle_infer.diagnosis.own_statistics import explain_own_statistics
from pytest_paddle_infer.diagnosis.padding import explain_padding
from pytest_paddle_infer.diagnosis.pipelines import Identified
from pytest_paddle_infer.diagnosis.programs import moved, steps_apart
from pytest_paddle_infer.diagnosis.search import SECONDS, identify, nearer, verified
from pytest_paddle_infer.diagnosis.steps import STD_FIRST, Facts, joined, remedies, step_finding
from pytest_paddle_infer.diagnosis.wrapping import explain_wrapping

Pictures = Sequence[Any]


def explain_input(training: Array, inference: Array, pictures: Pictures = (), seconds: float = 2 * SECONDS) -> Finding | None:
    """Says what the inference preprocessing does otherwise; None where the tensors agree, or no hypothesis brings them together.

    training, inference: what both made of the same samples, batch axis first. pictures: the samples as `PIL.Image` objects as they
    were opened, one for each; anything else is not looked at. seconds: what looking for programs may take.
    """
    with np.errstate(all="ignore"):
        return _explained(training, inference, pictures, seconds)


def _explained(training: Array, inference: Array, pictures: Pictures, seconds: float) -> Finding | None:
    if training.dtype != inference.dtype:
        return _other_dtype(training, inference)
    images = _images(pictures, training)
    if training.dtype.kind not in "fiub" or not training.size:
        return _other_shape(training, inference)
    before = apart(inference, training)
    if before <= ROUNDING:
        return None
    told, sure = explain_padding(training, inference)
    if told is not None and (sure or not images):
        return step_finding(*told, facts=_shown(_program(training, images, seconds / 2), inference, images))
    if told is None:
        found = (
            explain_integers(training, inference)
            or explain_order(training, inference, before)
            or explain_precision(training, inference, before)
            or (None if images else explain_axes(training, inference))
        )
        if found is not None:
            one = _program(training, images, seconds / 2)
            if found[0] == "precision" and one is not None:
                same = one.describe(images)
                return step_finding(*found, facts=(("training", same), ("inference", f"{same}, {narrower(training, inference)}")))
            return step_finding(*moved(found, one, images), facts=_shown(one, inference, images))
    if not (np.isfinite(training).all() and np.isfinite(inference).all()):
        return _other_shape(training, inference)
    deadline = Deadline(seconds)
    one = _program(training, images, seconds / 2)
    found = explain_wrapping(training, inference, (own for own, _ in _normalisations(training, one)))
    if found is not None:
        return step_finding(*found, facts=_shown(one, inference, images)[:1])
    found = explain_own_statistics(training, inference)
    if found is not None:
        return step_finding(*found, facts=_shown(one, inference, images)[:1])
    found = _other_values(training, inference, before, one) or (None if images else explain_numbers(training, inference))
    if found is not None:
        return step_finding(*found, facts=_written(_shown(one, inference, images), *found))
    found = mixed_colours(training, inference)
    if found is not None:
        return step_finding(*found, facts=_shown(one, inference, images))
    two = None
    if one is None or not one.fit.exact:  # a gamma of few levels is near to a line, and that is no normalisation of anybody
        two = _program(inference, images, min(seconds / 2, deadline.left()))
        two = two if one is None or (two is not None and two.fit.exact) else None
    usual = (own for own, _ in _normalisations(training, one, whole=False))
    found = explain_gamma(training, inference, (one, two), usual)
    if found is not None:
        shown = _shown(one, inference, images) or ((("inference", two.describe(images)),) if two is not None else ())
        return step_finding(*found, facts=shown)
    if one is not None:
        program = _other_program(one, training, inference, images, seconds / 2)
        if program is not None:
            return program
    clipped = explain_clipping(training, inference)
    if clipped is not None:
        return step_finding(*clipped, facts=_shown(one, inference, images)[:1])
    levels = explain_levels(training, inference) if _line(training, inference) is None else None
    if levels is not None:
        return step_finding(*levels, facts=_shown(one, inference, images))
    changed = explain_on_the_way(one, two, training, inference, images, deadline)
    if changed is not None:
        return changed
    if told is not None:
        return step_finding(*told, facts=_shown(one, inference, images))
    return _other_shape(training, inference) or _drawn_line(training, inference)


def describe_inputs(
    training: Array, inference: Array, pictures: Pictures = (), seconds: float = 2 * SECONDS, first: int = 0
) -> Facts:
    """Label/value pairs of what is known about two tensors that no hypothesis brings together. first: number of their first sample."""
    images = _images(pictures, training)
    facts = [("shapes", f"{list(inference.shape)} from the inference preprocessing, {list(training.shape)} from training")]
    if training.shape == inference.shape and training.size and training.dtype.kind in "fiu":
        with np.errstate(all="ignore"):
            gap = np.abs(inference.astype(np.float64) - training.astype(np.float64))
        if np.isfinite(gap).all() and gap.any():
            sample, *where = (int(i) for i in np.unravel_index(int(gap.argmax()), gap.shape)) if gap.ndim else (0,)
            place = f"sample {first + sample}, element {[0, *where]}"  # as a verdict has them: within a batch of that sample
            facts.append(("difference", f"mean {gap.mean():.3g}; the largest is {gap.max():.3g}, at {place}"))
            wrong = [first + index for index, sample in enumerate(gap) if sample.max() > CLOSE * np.abs(training).max()]
            if 0 < len(wrong) < len(gap):
                facts.append(("samples", f"{len(wrong)} of {len(gap)} differ: {', '.join(map(str, wrong[:8]))}"))
    one = _program(training, images, seconds / 2)
    own = one.describe(images) if one is not None and one.reproduced else ""
    two = _program(inference, images, seconds / 2)
    two = two if two is None or one is None else replace(two, like=one.normalisation)
    known = two is not None and two.reproduced and (two.fit.exact or one is None or not one.fit.exact)
    other = two.describe(images) if two is not None and known else ""
    if images:
        facts.append(("training", own or NO_PROGRAM))
        facts.append(("inference", other if other != own and other else NO_PROGRAM))  # one program makes one tensor
    return tuple(facts)


NO_PROGRAM = "none of the programs that were tried makes this tensor of the picture"
_SOLVED = re.compile(r", mean [(\d-]")
"""In a program that is shown: mean and std by their figures."""


def _written(shown: Facts, names: str, what: str) -> Facts:
    """The programs without one whose mean and std nobody wrote: those that are solved for where other steps make the values."""
    if "scaling" not in names and STD_FIRST not in what:
        return shown
    return tuple((side, told) for side, told in shown if side == "training" or not _SOLVED.search(told))


def _images(pictures: Pictures, training: Array) -> list[Image.Image]:
    """The pictures, where there is one for every sample."""
    images = [picture for picture in pictures if isinstance(picture, Image.Image)]
    return images if training.ndim and len(images) == len(training) == len(pictures) else []


def _program(tensor: Array, images: Sequence[Image.Image], seconds: float) -> Identified | None:
    return identify(tensor, images, seconds=seconds) if images and is_nchw(tensor) else None


def _shown(one: Identified | None, inference: Array, images: Sequence[Image.Image]) -> Facts:
    """The programs of both sides, where what differs is none of their geometry; the training side's where nothing else is known."""
    if one is None:
        return ()
    facts = [("training", one.describe(images))]
    alike = (one.pipeline, replace(one.pipeline, mirrored=not one.pipeline.mirrored))
    for layout, tensor in _as_nchw(inference, len(images)):
        two = next(
            (fits for fits in (verified(each, tensor.astype(np.float64), images) for each in alike) if fits is not None), None
        )
        two = None if two is None else replace(two, like=one.normalisation)
        if two is not None and two.reproduced:
            told = _described(two, layout, images)
            facts += [("inference", told)] if told != facts[0][1] else []  # one program makes one tensor
        if two is not None:
            break
    return tuple(facts)


def _described(two: Identified, layout: str, images: Sequence[Image.Image]) -> str:
    return two.describe(images) + (", NHWC" if "NHWC" in layout else "")


# -- dtype, shape ------------------------------------------------------------------------------------------------------


def _other_dtype(training: Array, inference: Array) -> Finding:
    found = step_finding("dtype", f"makes {inference.dtype}, the training preprocessing {training.dtype}")
    if training.dtype.kind == "f" and inference.dtype.kind in "fiu":
        rest = explain_input(training, inference.astype(training.dtype))
        if rest is not None:
            found = replace(found, facts=(("values", f"{rest.cause[:-1]}, too."),), remedy=remedies(found.remedy, rest.remedy))
        elif inference.dtype.kind in "iu" and training.shape == inference.shape and np.array_equal(np.trunc(training), inference):
            found = found.with_facts(("values", "the digits behind the decimal point are lost."))
    return found


def _other_shape(training: Array, inference: Array) -> Finding | None:
    if training.shape == inference.shape:
        return None
    if is_nchw(training) and is_nchw(inference) and training.shape[:2] == inference.shape[:2]:
        fed = f"feeds {side(inference)} where the training preprocessing feeds {side(training)}"
        shapes = (("shapes", f"{list(inference.shape)} from the inference preprocessing, {list(training.shape)} from training"),)
        return step_finding("shape", fed, shapes)
    if training.ndim == inference.ndim == 4 and training.shape[1] == inference.shape[3] and training.shape[1] in (1, 3):
        return step_finding("layout", "feeds NHWC where the model takes NCHW (transpose missing)")
    return step_finding("shape", f"makes shape {list(inference.shape)}, the training preprocessing {list(training.shape)}")


# -- values ------------------------------------------------------------------------------------------------------------


def _other_values(training: Array, inference: Array, before: float, one: Identified | None) -> tuple[str, str] | None:
    """A scale or a normalisation that differs, alone or together with another order of the elements."""
    if training.ndim < 2:
        return None
    if training.shape == inference.shape:
        for factor, what in _factors(training):
            if restored(apart(inference / factor, training), before):
                return "scaling", what
        line = _line(training, inference)
        if line is not None:
            found = _named(training, line, tuple(range(training.shape[1])), one)
            return found if found is not None and found[0] else _scaled(training, line)
    for name, what, turned_back in layouts(inference, training):
        line = _line(training, turned_back)
        if line is None:
            continue
        order = tuple(range(training.shape[1] if training.ndim > 1 else 0))
        turned = "reverse order" in what
        order = order[::-1] if turned else tuple(SWAPS.get(what, order))
        found = _named(training, (line[0][list(order)], line[1][list(order)]), order, one, turned=turned)
        if found is not None:
            return (joined(name, found[0]), f"{what} and {found[1]}") if found[0] else (name, what)
        if one is None and name == "channel order":
            return name, what
    return None


Line = tuple[Array, Array]
_SMALL = 16.0
"""What is fed of pixels that were divided by 255 stays below this, whatever mean and std are used."""


def _factors(training: Array) -> Iterator[tuple[float, str]]:
    if np.abs(training).max() < _SMALL:
        yield 255.0, "leaves out the division by 255"
        yield 1 / 255, "divides by 255 twice"
    else:
        yield 1 / 255, "divides by 255, which the training preprocessing does not"


def _scaled(training: Array, line: Line) -> tuple[str, str] | None:
    """Names the factor of pixels alone: the slopes are it, whatever mean and std both sides use."""
    return next((("scaling", what) for factor, what in _factors(training) if np.abs(line[0] / factor - 1).max() < 1e-4), None)


def _line(training: Array, inference: Array) -> Line | None:
    """Slopes and offsets, float64[C], of `inference = slope * training + offset`; None where it is no line."""
    if training.shape != inference.shape or training.ndim < 2:
        return None
    slopes, offsets, missed, moved = [], [], 0.0, 0.0
    for channel in range(training.shape[1]):
        x = training[:, channel].astype(np.float64).ravel()
        y = inference[:, channel].astype(np.float64).ravel()
        variance, spread = x.var(), float(np.ptp(y))
        if not (variance > 0 and spread > 0):
            return None
        slope = float(((x - x.mean()) * (y - y.mean())).mean() / variance)
        offset = float(y.mean() - slope * x.mean())
        gap = float(np.abs(slope * x + offset - y).max())
        if not gap <= CLOSE * max(spread, abs(offset) * 1e-2):
            return None
        missed, moved = max(missed, gap), max(moved, float(np.abs(y - x).max()))
        slopes.append(slope)
        offsets.append(offset)
    if missed > 0.1 * moved:
        return None
    return np.array(slopes), np.array(offsets)


def one_line(training: Array, inference: Array) -> Line | None:
    """Slopes and offsets, float64[C], of `inference = slope * training + offset` for each channel; None where it is no line."""
    with np.errstate(all="ignore"):
        return _line(training, inference)


def on_line(line: Line, training: Array, inference: Array) -> bool:
    """True where two tensors lie on a line, too: one without contrast does or does not, as another."""
    slopes, offsets = (each.reshape(1, -1, *[1] * (training.ndim - 2)) for each in line)
    made = slopes * training.astype(np.float64) + offsets
    scale = max(float(np.ptp(inference)), float(np.abs(inference).max()), 1e-30)
    return bool(np.abs(made - inference).max() <= 2 * CLOSE * scale)


def _named(
    training: Array, line: Line, order: tuple[int, ...], one: Identified | None, *, turned: bool = False
) -> tuple[str, str] | None:
    """Names the step that a line between the two tensors stands for, in the order of the channels that the inference side feeds.

    turned: the inference side feeds them in reverse order.
    """
    told = difference_turned if turned else difference
    slopes, offsets = line
    for own, sure in _normalisations(training, one):
        own_slopes, own_offsets = (value[list(order)] for value in own.line())
        with np.errstate(all="ignore"):
            found = told(own, slopes * own_slopes, offsets + slopes * own_offsets, solve=sure)
        if found is not None:
            return found
    return None


def _normalisations(training: Array, one: Identified | None, *, whole: bool = True) -> Iterator[tuple[Normalisation, bool]]:
    """Yields (what the training side may do to its pixels, whether that is sure). whole: where pixels have steps, these are of 1."""
    if one is not None:
        yield one.normalisation, True
        return
    axes = (0, *range(2, training.ndim))
    channels = training.shape[1]
    if channels not in (1, 3):
        return
    values = np.moveaxis(training, 1, 0).reshape(channels, -1).astype(np.float64)
    low, high = training.min(axis=axes), training.max(axis=axes)
    counted = values[0][: 1 << 16]
    levels = np.unique(counted)
    stepped = whole and len(counted) > 1024 and len(levels) <= 256
    for own in known(channels):
        slopes, offsets = own.line()
        least, most = (low - offsets) / slopes, (high - offsets) / slopes
        if least.min() < -1 or most.max() > 256 or most.max() < 16:
            continue
        if stepped:
            pixels = (levels - offsets[0]) / slopes[0]
            if np.abs(pixels - np.rint(pixels)).max() > 0.05:
                continue
        yield own, False


def _drawn_line(training: Array, inference: Array) -> Finding | None:
    """Says the line itself, where nothing is known about the steps behind it."""
    if training.shape != inference.shape or training.dtype.kind != "f" or training.ndim < 2:
        return None
    line = _line(training, inference)
    if line is None:
        return None
    offsets = np.where(np.abs(line[1]) < ROUNDING * np.abs(inference).max(), 0.0, line[1])
    parts = [f"{a:.4g} * x {b:+.4g}" if b else f"{a:.4g} * x" for a, b in zip(line[0][:3], offsets)]
    terms = parts[0] if len(set(parts)) == 1 else "; ".join(f"channel {i}: {part}" for i, part in enumerate(parts))
    one_factor = not offsets.any() and np.ptp(line[0]) <= 1e-5 * np.abs(line[0]).max()
    known = ratio_of_logarithms(float(np.median(line[0]))) if one_factor else ""
    return step_finding("normalisation", f"scales or normalises otherwise: its input is the training input x as {terms}{known}")


# -- programs ----------------------------------------------------------------------------------------------------------


def _other_program(
    one: Identified, training: Array, inference: Array, images: Sequence[Image.Image], seconds: float
) -> Finding | None:
    """Finds out the inference side's program as well, and names the first step in which the two differ."""
    for layout, tensor in _as_nchw(inference, len(images)):
        two = identify(tensor, images, one.pipeline, seconds)
        if two is None or not nearer(two, one.pipeline, tensor, images):
            continue
        apart_in = steps_apart(one, two, images)
        if layout:
            apart_in.insert(0, ("layout", layout))
        if not apart_in:
            return None
        shown = (("training", one.describe(images)), ("inference", _described(two, layout, images)))
        what = apart_in[0][1]
        if len(apart_in) == 2:
            what = f"{what}, and {apart_in[1][1]}"
        more = tuple(("also", f"it {other}.") for _, other in apart_in[1 if len(apart_in) > 2 else 2 :])
        names = joined(*(name for name, _ in apart_in))
        facts = (*_written(shown, names, apart_in[-1][1]), *more)
        return step_finding(names, what, facts, certain=one.fit.near and two.fit.near)
    return None


def _as_nchw(inference: Array, samples: int) -> Iterator[tuple[str, Array]]:
    """Yields (what is wrong with the layout, [N, C, H, W]) for the ways to see a tensor as pictures."""
    if inference.ndim == 3 and samples == 1:
        for layout, tensor in _as_nchw(inference[np.newaxis], samples):
            yield f"leaves out the batch dimension{' and ' if layout else ''}{layout}", tensor
    if inference.ndim != 4 or len(inference) != samples:
        return
    if inference.shape[1] in (1, 3):
        yield "", inference
    if inference.shape[3] in (1, 3):
        yield "feeds NHWC where the model takes NCHW (transpose missing)", inference.transpose(0, 3, 1, 2)
