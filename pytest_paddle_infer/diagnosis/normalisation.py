"""What a preprocessing program does to the values of pixels: its scale, mean and std, and how two such programs differ. numpy only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pytest_paddle_infer.diagnosis.finding import Array
from pytest_paddle_infer.diagnosis.steps import NEGATIVE, SIGN, STD_FIRST, joined
from pytest_paddle_infer.transforms import IMAGENET_MEAN, IMAGENET_STD

Numbers = tuple[float, ...]

STATISTICS: tuple[tuple[str, Numbers, Numbers], ...] = (
    ("ImageNet's statistics", IMAGENET_MEAN, IMAGENET_STD),
    ("no mean and std", (0.0,), (1.0,)),
    ("mean and std of 0.5", (0.5,), (0.5,)),
    ("CLIP's statistics", (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ("CIFAR-10's statistics", (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    ("CIFAR-10's statistics", (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    ("CIFAR-100's statistics", (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
    ("ImageNet's means of 0 to 255 without std", tuple(v / 255 for v in (123.68, 116.779, 103.939)), (1 / 255,)),
    ("MNIST's statistics", (0.1307,), (0.3081,)),
)
"""What people normalise with, for pixels of 0 to 1."""

_SLOPE, _OFFSET = 5e-4, 1e-4
"""What two equal normalisations may differ by: relative in the slope; in the offset, of what a pixel from 0 to 255 spans."""

NEARLY = 60.0
"""How many times that a line may be off that is fitted to pixels which are only near: a level of a pixel in the offset."""

_TURNED = " in reverse order (BGR)"

_LEFT = 0.05
"""Of the difference: what a step may leave of it to be told, between two lines that are exact."""


@dataclass(frozen=True)
class Normalisation:
    """`(x * scale - mean) / std` of pixels x of 0 to 255; one mean and one std for each channel that is fed."""

    scale: float
    mean: Numbers
    std: Numbers

    def line(self) -> tuple[Array, Array]:
        """Slopes and offsets, float64[C], of the fed values over the pixels."""
        std = np.asarray(self.std, np.float64)
        return self.scale / std, -np.asarray(self.mean, np.float64) / std

    def inverted(self) -> Normalisation:
        """What does the same to 255 - x."""
        return replace(self, mean=tuple(255 * self.scale - mean for mean in self.mean), std=tuple(-std for std in self.std))

    def __str__(self) -> str:
        if max(self.std) < 0:  # nobody writes a std below 0
            return f"255 - x for x, {self.inverted()}"
        plain = plainly(*self.line())
        known = self.named
        if not known:
            return plain or f"{self.scaling}, {self.statistics}"
        return f"{self.scaling}, {known}" + (f" ({plain})" if any(self.mean) and plain else "")

    @property
    def scaling(self) -> str:
        """What is done before mean and std: "x / 255"."""
        return "x" if abs(self.scale - 1) < 1e-9 else f"x / {1 / self.scale:.5g}"

    @property
    def statistics(self) -> str:
        """Mean and std by name where they are known, else by their figures."""
        return self.named or f"mean {figures(self.mean)} and std {figures(self.std)}"

    @property
    def named(self) -> str:
        """The name of mean and std; "" where they have none."""
        return next((name for name, mean, std in STATISTICS if _alike(self.mean, mean) and _alike(self.std, std)), "")


def figures(values: Sequence[float] | Array) -> str:
    """(0.485, 0.456, 0.406); one figure where all are the same."""
    shown = [f"{value:.4g}" for value in values]
    return shown[0] if len(set(shown)) == 1 else f"({', '.join(shown)})"


def plainly(slopes: Array, offsets: Array) -> str:
    """The line as a program writes it that does the same to all channels: "x / 127.5 - 1"; "" where its numbers are not round."""
    slope, offset = float(slopes[0]), float(offsets[0])
    divisor = 1 / slope if slope else 0.0
    if np.ptp(slopes) > 1e-5 * abs(slope) or np.ptp(offsets) > 1e-5 or divisor < 0.5:
        return ""
    halves, hundredths = round(2 * divisor), round(100 * offset)
    if abs(2 * divisor / halves - 1) > 2e-5 or abs(100 * offset - hundredths) > 2e-3:
        return ""
    scaled = "x" if halves == 2 else f"x / {halves / 2:g}"
    return scaled + (f" {'-' if offset < 0 else '+'} {abs(hundredths) / 100:g}" if hundredths else "")


def _alike(left: Sequence[float], right: Sequence[float]) -> bool:
    wanted = np.broadcast_to(right, len(left)) if len(right) in (1, len(left)) else None
    return wanted is not None and bool(np.allclose(left, wanted, rtol=2e-4, atol=2e-5))


def known(channels: int) -> Iterator[Normalisation]:
    """Yields what programs usually do to `channels` channels, the most usual first."""
    for scale in (1 / 255, 1.0):
        for _, mean, std in STATISTICS:
            if len(mean) in (1, channels) and len(std) in (1, channels) and (scale < 1 or len(set(mean)) == 1):
                yield Normalisation(scale, _spread(mean, channels), _spread(std, channels))


def _spread(values: Numbers, channels: int) -> Numbers:
    return values * channels if len(values) == 1 else values


def recognised(slopes: Array, offsets: Array, slack: float = 1.0) -> Normalisation:
    """Returns the program that draws this line: a known one, else the mean and std that it has if pixels are divided by 255.

    slopes, offsets: float64[C], no slope 0. slack: how many times the usual tolerance the line may miss a known one by.
    """
    if slopes.max() < 0:
        return recognised(-slopes, offsets + 255 * slopes, slack).inverted()
    fitting = [(distance(each, slopes, offsets), at, each) for at, each in enumerate(known(len(slopes)))]
    best = min(fitting, default=None)
    if best is not None and best[0] <= slack:
        return best[2]
    scale = 1.0 if np.abs(slopes).min() > 0.3 else 1 / 255
    if plainly(slopes, offsets):
        return Normalisation(scale, tuple((-offsets * scale / slopes).tolist()), tuple((scale / slopes).tolist()))
    return Normalisation(
        scale, _tidy(-offsets * scale / slopes, _OFFSET * slack), _tidy(scale / slopes, _SLOPE * slack, relative=True)
    )


def _tidy(values: Array, tolerance: float, *, relative: bool = False) -> Numbers:
    """The numbers with the fewest decimals that are within what a fit can tell: a std of 0.9998 is 1."""
    allowed = tolerance * np.abs(values) if relative else np.full(values.shape, tolerance)
    for decimals in range(5):
        rounded = np.round(values, decimals)
        if (np.abs(rounded - values) <= allowed).all() and (not relative or rounded.all()):
            return tuple((rounded + 0.0).tolist())
    return tuple(values.tolist())


def distance(program: Normalisation, slopes: Array, offsets: Array) -> float:
    """How far a line lies from a program's: 1 is as far as rounding takes it."""
    own, shift = program.line()
    with np.errstate(all="ignore"):
        found = max(
            float(np.abs(slopes / own - 1).max()) / _SLOPE, float((np.abs(offsets - shift) / np.abs(255 * own)).max()) / _OFFSET
        )
    return found if np.isfinite(found) else float("inf")


def difference(
    training: Normalisation, slopes: Array, offsets: Array, *, solve: bool, slack: float = 1.0
) -> tuple[str, str] | None:
    """Says which step turns the training side's program into the line that the inference side draws.

    Returns (name of the step, what the inference preprocessing does); ("", "") where both are the same, None where no usual step
    explains it. solve: name mean and std by their figures where no usual step does.
    """
    unchanged = distance(training, slopes, offsets)
    if unchanged <= slack:
        return "", ""
    fitting = []
    for at, (name, phrase, program) in enumerate(_slips(training)):
        away = distance(program, slopes, offsets)
        if away <= min(slack, _LEFT * slack**0.5 * unchanged):
            fitting.append((away > 0.05 * slack, at, name, phrase))
    found = min(fitting)[2:] if fitting else None
    # a program that writes x / 127.5 - 1 has neither 255 nor a mean or std of 0.5 in it
    told = found is not None and "divides by " in found[1] and (any(training.mean) or found[0] != "scaling")
    if told or (solve and (found is None or not training.named)):
        own, other = plainly(*training.line()), plainly(slopes, offsets)
        if own and other and "x" not in (own, other):
            what = f"makes {other} of a pixel x where the training preprocessing makes {own}"
            more = found is not None and found[1].endswith("by 255 twice")  # than a program that nowhere writes 255
            return "normalisation", f"divides by 255 once more, and {what}" if more else what
    return found if found is not None or not solve else _solved(training, slopes, offsets, slack)


def difference_turned(
    training: Normalisation, slopes: Array, offsets: Array, *, solve: bool, slack: float = 1.0
) -> tuple[str, str] | None:
    """The same as `difference` for channels that are fed in reverse order: the simpler of what it says of a program that turns them before
    it normalises, and of one that turns them afterwards."""
    for solved in (False, True) if solve else (False,):
        lines = ((slopes, offsets), (slopes[::-1], offsets[::-1]))
        either = [difference(training, *line, solve=solved, slack=slack) for line in lines]
        found = [each for each in either if each is not None]
        if found:
            return min(found, key=lambda each: (bool(each[0]), _TURNED in each[1]))
    return None


def _slips(own: Normalisation) -> Iterator[tuple[str, str, Normalisation]]:
    """Yields (name, what is done, program) of what goes wrong in such a program, single steps first."""
    channels = len(own.mean)
    zero, one = (0.0,) * channels, (1.0,) * channels
    plain = _alike(own.mean, zero) and _alike(own.std, one)
    statistics = list(_other_statistics(own, plain))
    scales = list(_other_scales(own))
    yield from (("scaling", phrase, replace(own, scale=scale)) for phrase, scale in scales)
    yield from (("normalisation", phrase, replace(own, mean=mean, std=std)) for phrase, mean, std in statistics)
    yield (
        "normalisation",
        NEGATIVE,
        own.inverted(),
    )
    yield "normalisation", SIGN, replace(own, std=tuple(-std for std in own.std))
    for phrase, scale in scales:
        if phrase.startswith("leaves out"):
            yield "scaling", "subtracts the mean before it divides by 255", replace(own, mean=tuple(v / 255 for v in own.mean))
        for other, mean, std in statistics:
            yield joined("scaling", "normalisation"), f"{phrase} and {other}", Normalisation(scale, mean, std)


def _other_scales(own: Normalisation) -> Iterator[tuple[str, float]]:
    if abs(own.scale * 255 - 1) < 1e-6:
        yield "leaves out the division by 255", 1.0
        yield "divides by 255 twice", 1 / 255**2
        for number in (256, 127.5, 128):
            yield f"divides by {number} where the training preprocessing divides by 255", 1 / number
    else:
        for number in (255, 256, 127.5):
            yield f"divides by {number}, which the training preprocessing does not", 1 / number


def _other_statistics(own: Normalisation, plain: bool) -> Iterator[tuple[str, Numbers, Numbers]]:
    channels = len(own.mean)
    zero, one = (0.0,) * channels, (1.0,) * channels
    mean, std = np.asarray(own.mean), np.asarray(own.std)
    if not plain:
        yield "leaves out the normalisation (mean and std)", zero, one
        yield "leaves out the mean", zero, own.std
        yield "leaves out the division by the standard deviation", own.mean, one
        yield f"uses mean and std{_TURNED}", own.mean[::-1], own.std[::-1]
        yield f"uses the mean{_TURNED}", own.mean[::-1], own.std
        yield f"uses the standard deviation{_TURNED}", own.mean, own.std[::-1]
        if mean.all():
            exchanged = f"uses mean and std exchanged: mean {figures(own.std)} and std {figures(own.mean)}"
            yield exchanged, own.std, own.mean
        yield "normalises twice", tuple((mean + std * mean).tolist()), tuple((std * std).tolist())
        yield STD_FIRST, tuple((mean * std).tolist()), own.std
        yield "adds the mean where it must subtract it", tuple((-mean).tolist()), own.std
        yield "multiplies by the standard deviation where it must divide", own.mean, tuple((1 / std).tolist())
        for digits in (3, 2, 1):
            rounded = tuple(round(value, digits) for value in own.mean), tuple(round(value, digits) for value in own.std)
            if all(rounded[1]):
                yield f"rounds the mean to {figures(rounded[0])}", rounded[0], own.std
                yield f"rounds the standard deviation to {figures(rounded[1])}", own.mean, rounded[1]
                yield f"rounds mean and std to {figures(rounded[0])} and {figures(rounded[1])}", rounded[0], rounded[1]
    used = "does not normalise" if plain else f"uses {own.statistics}"
    for name, other, spread in STATISTICS:
        if len(other) in (1, channels) and len(spread) in (1, channels) and name != "no mean and std":
            other, spread = _spread(other, channels), _spread(spread, channels)
            if not (_alike(own.mean, other) and _alike(own.std, spread)):
                yield f"normalises with {name} where the training preprocessing {used}", other, spread
                if len(set(other)) > 1:
                    phrase = f"normalises with {name}{_TURNED} where the training preprocessing {used}"
                    yield phrase, other[::-1], spread[::-1]


def _solved(training: Normalisation, slopes: Array, offsets: Array, slack: float) -> tuple[str, str]:
    """Names the figures: those of the mean where only it differs, those of the standard deviation likewise, else both."""
    if slopes.max() < 0 < min(training.std):
        rest = difference(training, -slopes, offsets + 255 * slopes, solve=True, slack=slack)
        return "normalisation", f"{NEGATIVE} and {rest[1]}" if rest is not None and rest[1] else NEGATIVE
    with np.errstate(all="ignore"):
        std = training.scale / slopes
        mean = -offsets * std
    own_std, own_mean = _tidy(std, _SLOPE * slack, relative=True), _tidy(mean, _OFFSET * slack)
    if np.abs(std / np.asarray(training.std) - 1).max() <= _SLOPE:
        return (
            "normalisation",
            f"subtracts the mean {figures(own_mean)} where the training preprocessing subtracts {figures(training.mean)}",
        )
    if np.abs(mean - np.asarray(training.mean)).max() <= 5 * _OFFSET:
        return (
            "normalisation",
            f"divides by std {figures(own_std)} where the training preprocessing divides by {figures(training.std)}",
        )
    return (
        "normalisation",
        f"normalises with mean {figures(own_mean)} and std {figures(own_std)} where the training preprocessing uses {training.statistics}",
    )
