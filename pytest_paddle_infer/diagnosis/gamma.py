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
_CURVED, _CLEARLY_CURVED = 3.0, 10.0
"""How many times more a line must leave than a power, with the same normalisation and with any: rounding alone makes little look bent."""
_DARKER = 0.6
"""Levels: how much darker all pixels may be, on average, that are cut off."""
_LIKELY = 0.35
"""Share of the contrast that a power may leave unexplained where the picture was bent before it was resized."""
_BESIDE = 0.12
"""By how much the power of a picture that was bent before it was resized may differ from the one that is seen afterwards."""
_ALIKE, _SAME = 0.02, 1e-5
"""What powers may differ by that other normalisations lead to that leave as little, or this share of the contrast; else none is told."""
_USUAL = sorted({each for number in range(4, 81) for each in (number / 20, 20 / number)} - {1.0})

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

    sides: the programs of the training and of the inference side, where they are known; of the inference side only where that of the
    training side is not, or merely near. own: what the training side may do to its pixels.
    """
    if training.shape != inference.shape or training.ndim != 4:
        return None
    one, two = sides
    if two is not None:
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
    """The power that makes one tensor [N, C, H, W] of the pixels of another, whose scale and normalisation are known; None for none.

    First with the same normalisation for both, which leaves no doubt about the number, then with any.
    """
    apart = max(1, int(np.sqrt(plain[:, 0].size / _LOOKED_AT)))
    part, whole = ((_pixels(plain[at], normalisation), _channels(bent[at])) for at in (np.s_[:, :, ::apart, ::apart], np.s_[:]))
    number, left = nearest(*part)
    for make, seen, clear in (
        (lambda x, y, n: _same_line(x, y, n, normalisation), _between(*part, normalisation), _CURVED),
        (_bent_fit, number, _CLEARLY_CURVED),
    ):
        fit = make(*part, seen)
        if fit is None or not _tight(fit):
            continue
        for tidy in (*(round(seen, digits) for digits in (1, 2, 3)), *(1 / round(1 / seen, digits) for digits in (1, 2))):
            close = make(*part, tidy)
            if close is not None and close.rms <= max(1.01 * fit.rms, fit.rms + EXACT / 25):
                seen = tidy
                break
        fit = make(*whole, seen)
        if fit is not None and _tight(fit) and _beside_a_line(*whole, fit.slopes) >= clear * max(fit.rms, EXACT):
            return Power(seen, fit, left)
    return None


def _between(pixels: Array, values: Array, normalisation: Normalisation) -> float:
    """The power between pixels and values of the same normalisation; 1 where there is none."""
    slopes, offsets = normalisation.line()
    made = (values - offsets[:, None]) / slopes[:, None] / 255
    usable = (pixels > 0.05) & (pixels < 0.95) & (made > 0.01) & (made < 0.99)
    number = float(np.median(np.log(made[usable]) / np.log(pixels[usable]))) if usable.any() else 1.0
    return min(max(number, 1 / _WIDEST), _WIDEST)


def _same_line(pixels: Array, values: Array, number: float, normalisation: Normalisation) -> Fit:
    """The fit of bent pixels by the line of a normalisation; what is cut off to 8 bits is half a level darker."""
    slopes, offsets = normalisation.line()
    missed = 255 * pixels**number - (values - offsets[:, None]) / slopes[:, None]
    dark = float(missed.mean())
    missed = np.abs(missed - (dark if abs(dark) < _DARKER else 0.0))
    rms = float(np.sqrt((missed * missed).mean(axis=1)).max())
    return Fit(tuple(range(len(values))), slopes, offsets, rms, float(missed.max()))


def _tight(fit: Fit) -> bool:
    return fit.exact or (fit.rms <= _TIGHT and fit.worst <= _TIGHT_WORST)


def _beside_a_line(pixels: Array, values: Array, slopes: Array) -> float:
    """What lines leave of values in the channel that is bent most, RMS, in levels of the bent pixels that make them by these slopes."""
    x, y = (each - each.mean(axis=1, keepdims=True) for each in (pixels, values))
    missed = y - (x * y).sum(axis=1, keepdims=True) / (x * x).sum(axis=1, keepdims=True) * x
    return float((missed.std(axis=1) / np.abs(slopes)).max())


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
