"""Whether one of two preprocessing programs bends the values of pixels by a power (gamma), and by which. numpy and Pillow.

Called by `inputs` of pixels that both programs resize alike, and by `on_the_way` of pictures that are bent before they are resized.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from pytest_paddle_infer.diagnosis.finding import Array, Deadline
from pytest_paddle_infer.diagnosis.normalisation import NEARLY, Normalisation, difference, recognised
from pytest_paddle_infer.diagnosis.pictures import DEFAULT
from pytest_paddle_infer.diagnosis.pipelines import EXACT, Fit, Identified, Pipeline, fitted, prepared
from pytest_paddle_infer.diagnosis.search import verified
from pytest_paddle_infer.diagnosis.steps import joined

_WIDEST = 5.0
"""Powers from a fifth to this are looked for."""
_LOOKED_AT = 4096
"""Pixels of each channel among which the power is looked for."""
_TIGHT, _TIGHT_WORST = 0.35, 0.8
"""In levels of a bent pixel, RMS and largest: what storing it in 8 bits leaves of it, and nothing else."""
_CURVED = 4.0
"""How many times more a line must leave than a power, lest a smooth picture or rounding makes the one look like the other."""
_LIKELY = 0.1
"""Share of the contrast that a power may leave unexplained to be looked at: more is left where the picture was bent before the resize."""
_BESIDE = 0.12
"""By how much the power of a picture that was bent before it was resized may differ from the one that is seen afterwards."""
_ALIKE, _SAME = 0.02, 1e-5
"""What powers may differ by that other normalisations lead to that leave as little, or this share of the contrast; else none is told."""
_USUAL = sorted({each for number in range(4, 81) for each in (number / 20, 20 / number)})

Step = tuple[str, str]


@dataclass(frozen=True)
class Power:
    """Pixels of 0 to 1 to this power make the other tensor by the lines of `fit`, whose pixels are the bent ones, of 0 to 255.

    left: the share of the contrast that it leaves unexplained.
    """

    number: float
    fit: Fit
    left: float

    def __str__(self) -> str:
        return f"{self.number:.4g}"


def explain_gamma(
    training: Array, inference: Array, sides: Sequence[Identified | None], own: Iterable[Normalisation]
) -> Step | None:
    """Returns (name, what is done) where one tensor is a power of the other's pixels, which no line explains.

    sides: the programs of the training and of the inference side, where they are known. own: what the training side may do to its pixels.
    """
    if training.shape != inference.shape or training.ndim != 4:
        return None
    one, two = sides
    if one is None and two is not None:
        power = power_of(inference, training, two.normalisation)
        if power is None:
            return None
        slack = 1.0 if power.fit.exact and two.fit.exact else NEARLY
        trained = recognised(power.fit.slopes, power.fit.offsets, slack)
        rest = difference(trained, two.fit.slopes, two.fit.offsets, solve=False, slack=slack)
        return _told(f"leaves out the gamma of {power} that the training preprocessing applies", rest)
    fitting = [(power_of(training, inference, normalisation), normalisation) for normalisation in own]
    found = [(power, own) for power, own in fitting if power is not None and (one is not None or power.fit.exact)]
    if not found:
        return None
    power, normalisation = min(found, key=lambda each: each[0].left)
    if any(each.left < _CURVED * max(power.left, _SAME) and abs(each.number / power.number - 1) > _ALIKE for each, _ in found):
        return None
    slack = 1.0 if power.fit.exact and (one is None or one.fit.exact) else NEARLY
    rest = difference(normalisation, power.fit.slopes, power.fit.offsets, solve=False, slack=slack)
    what = f"applies a gamma of {power}, which the training preprocessing does not"
    if one is None:
        what = f"applies a gamma {power} times the training preprocessing's: {power} for none, or none for {1 / power.number:.4g}"
    return _told(what, rest)


def _told(what: str, rest: Step | None) -> Step | None:
    if rest is None:
        return None
    return (joined("gamma", rest[0]), f"{what}, and {rest[1]}") if rest[0] else ("gamma", what)


def power_of(plain: Array, bent: Array, normalisation: Normalisation) -> Power | None:
    """The power that makes one tensor [N, C, H, W] of the pixels of another, whose scale and normalisation are known; None for none."""
    apart = max(1, int(np.sqrt(plain[:, 0].size / _LOOKED_AT)))
    part = np.s_[:, :, ::apart, ::apart]
    pixels, values = _pixels(plain[part], normalisation), _channels(bent[part])
    number, left = nearest(pixels, values)
    fit = _bent_fit(pixels, values, number) if left <= _LIKELY else None
    if fit is None or not _tight(fit):
        return None
    for tidy in (*(round(number, digits) for digits in (1, 2, 3)), *(1 / round(1 / number, digits) for digits in (1, 2))):
        close = _bent_fit(pixels, values, tidy)
        if close is not None and close.rms <= max(1.01 * fit.rms, fit.rms + EXACT / 25):
            number = tidy
            break
    pixels, values = _pixels(plain, normalisation), _channels(bent)
    whole, line = _bent_fit(pixels, values, number), _bent_fit(pixels, values, 1.0)
    if whole is None or not _tight(whole) or (line is not None and line.rms < _CURVED * max(whole.rms, EXACT)):
        return None
    return Power(number, whole, left)


def _tight(fit: Fit) -> bool:
    return fit.exact or (fit.rms <= _TIGHT and fit.worst <= _TIGHT_WORST)


def _channels(tensor: Array) -> Array:
    return np.moveaxis(tensor, 1, 0).reshape(tensor.shape[1], -1).astype(np.float64)


def _pixels(tensor: Array, normalisation: Normalisation) -> Array:
    """float64[C, n] of 0 to 1."""
    slopes, offsets = normalisation.line()
    return np.asarray(((_channels(tensor) - offsets[:, None]) / slopes[:, None] / 255).clip(0, 1))


def _bent_fit(pixels: Array, values: Array, number: float) -> Fit | None:
    fit = fitted((255 * pixels**number).T, values)
    return fit if fit is not None and fit.order == tuple(range(len(values))) else None


def nearest(pixels: Array, values: Array) -> tuple[float, float]:
    """The power of pixels float64[C, n] of 0 to 1 that comes nearest to values on lines, and the share of contrast it leaves: 0 to 1."""
    part = np.s_[:, :: max(1, pixels.shape[1] // _LOOKED_AT)]
    x, y = pixels[part], values[part]
    y = y - y.mean(axis=1, keepdims=True)

    def left(number: float) -> float:
        made = x**number
        made = made - made.mean(axis=1, keepdims=True)
        with np.errstate(all="ignore"):  # of what has no contrast
            explained = (made * y).sum(axis=1) ** 2 / ((made * made).sum(axis=1) * (y * y).sum(axis=1))
            worst = float(np.sqrt((1 - explained).clip(0)).max())
        return worst if np.isfinite(worst) else 1.0

    step = np.log(_WIDEST) / 16
    low = min((left(float(np.exp(at))), at) for at in step * np.arange(-16, 17))[1] - step
    high = low + 2 * step
    for _ in range(24):
        third = (high - low) / 3
        if left(float(np.exp(low + third))) < left(float(np.exp(high - third))):
            high -= third
        else:
            low += third
    number = float(np.exp((low + high) / 2))
    return number, left(number)


# -- before the resize -------------------------------------------------------------------------------------------------


def bent_first(
    like: Identified, plain: Array, tensor: Array, images: Sequence[Image.Image], seconds: float
) -> tuple[str, Identified] | None:
    """Returns ("2.2", the program) that made float[N, C, H, W] from pictures bent by a gamma in 8 bits; None where none does.

    like, plain: the other side's program, from which this one may differ in scale and normalisation besides, and its tensor. Only the
    very same pixels count.
    """
    deadline = Deadline(seconds)
    sources = [prepared(image, like.pipeline) for image in images]
    usable = [source for source in sources if source is not None and source.mode in ("RGB", "L")]
    if len(usable) < len(sources) or not usable or plain.shape != tensor.shape:
        return None
    seen, unexplained = nearest(_pixels(plain, like.normalisation), _channels(tensor))
    if unexplained > _LIKELY or abs(seen - 1) < EXACT / 5:
        return None
    own = replace(like.pipeline, conversion=DEFAULT if usable[0].mode == "RGB" else "converts to grey", upright=False)
    for number in sorted((each for each in _USUAL if abs(each / seen - 1) < _BESIDE), key=lambda each: abs(each / seen - 1)):
        for table in _tables(number):
            if deadline.over():
                return None
            if _exactly(own, tensor[:1], usable[:1], table) is None:
                continue
            found = _exactly(own, tensor, usable, table)
            if found is not None:
                return f"{number:.4g}", replace(found, pipeline=like.pipeline)
    return None


def _tables(number: float) -> list[list[int]]:
    """What programs make of a level: rounded, cut off, and cut off as torchvision does."""
    exact = (np.arange(256) / 255) ** number
    return [np.floor(found + 1e-9).astype(int).tolist() for found in (255 * exact + 0.5, 255 * exact, 255.999 * exact)]


def _exactly(own: Pipeline, tensor: Array, images: Sequence[Image.Image], table: list[int]) -> Identified | None:
    bent = [image.point(table * len(image.getbands())) for image in images]
    found = verified(own, tensor.astype(np.float64), bent)
    return found if found is not None and found.fit.exact else None
