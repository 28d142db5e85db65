"""What the shape of the input does to the time of a batch, taken out of it; numpy only.

A model that takes any width needs longer for a wide picture. What differs between batches of other shapes is the inputs' doing, and no
noise: only batches of one shape tell how far times scatter, and only batches of one shape are compared, between two runs or two engines.
A shape is known by its text, such as `1x3x48x320`. Where there is one shape, or none is known, times are left as they are.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pytest_paddle_infer.judge.apart import LEAST_BATCHES

Array = npt.NDArray[Any]

Timed = tuple[Sequence[float], Sequence[str]]
"""Times of batches in any unit, and the shape of each; no shapes where they are not known."""


def text_of(shapes: Sequence[Sequence[int]]) -> str:
    """The shapes of a batch's tensors as one text: `1x3x48x320`, of several `1x3x48x320 1x2`."""
    return " ".join("x".join(map(str, shape)) for shape in shapes)


def vary(shapes: Sequence[str]) -> bool:
    """True where the batches are of more than one shape."""
    return len(set(shapes)) > 1


def spread(times: Sequence[float], shapes: Sequence[str] = ()) -> float:
    """Interquartile range of the times, in their unit; one slow batch does not move it.

    Where shapes vary, of the noise at the median batch: a time is held against another of its shape, which needs no estimate of what the
    shape takes (of two or three times, that would make the noise look smaller). The difference of two is `sqrt(2)` times as wide as one,
    and lies around 0, so that its interquartile range is twice its median size. Where there are fewer than `LEAST_BATCHES` pairs, the
    noise is not known, and the range is that of all.
    """
    pairs = _pairs(times, shapes) if vary(shapes) else []
    if len(pairs) < LEAST_BATCHES:
        low, high = np.percentile(times, (25, 75))
        return float(high - low)
    return float(np.median(times) * math.sqrt(2) * np.median(np.abs(pairs)))


def _pairs(times: Sequence[float], shapes: Sequence[str]) -> list[float]:
    """Logarithms of the ratio of each time to another of its shape, half a run away, so that a machine that drifts is in it."""
    found: list[float] = []
    for logs in _by_shape(times, shapes).values():
        if len(logs) > 1:
            found += (logs - np.roll(logs, max(1, (len(logs) - 1) // 2))).tolist()
    return found


def _by_shape(times: Sequence[float], shapes: Sequence[str]) -> dict[str, Array]:
    """Logarithms of the times of each shape, in their order."""
    logs, names = np.log(np.asarray(times, np.float64)), np.asarray(shapes)
    return {str(name): logs[names == name] for name in dict.fromkeys(shapes)}


def training_median(training: Timed, inference: Timed) -> float:
    """The training engine's median, to be held against that of the inference engine, in their unit.

    The two may have run other inputs. Where shapes vary, it is therefore as many times the inference engine's median as the training
    engine's batches are, at the median, those of the inference engine in their own shape; without a shape in common as it was measured.
    """
    if vary(training[1]) or vary(inference[1]):
        levels = {name: float(np.median(logs)) for name, logs in _by_shape(*inference).items()}
        ratios = [math.log(time) - levels[name] for time, name in zip(*training) if name in levels]
        if ratios:
            return float(np.median(inference[0])) * math.exp(float(np.median(ratios)))
    return float(np.median(training[0]))


def taken_out(runs: Sequence[Timed]) -> list[Array]:
    """Returns the times of one engine in several runs without what the shape of the input does to them: float64, for each run.

    What a shape does is estimated from all runs together, each with the same weight, so that it cancels where two runs are compared.
    Times of shapes that not all runs have are left out. What is left of a time lies closer to zero than its noise, because the time took
    part in the estimate; around the run's median it is widened to what it was, by the theory of means: the variance of `t - e`, where `e`
    is the mean over J runs of the mean of k_j times, is `1 - 2 / (J k) + sum(1 / k_j) / J^2` of that of t.
    """
    if not all(shapes for _, shapes in runs) or not vary([name for _, shapes in runs for name in shapes]):
        return [np.asarray(times, np.float64) for times, _ in runs]
    grouped = [_by_shape(*run) for run in runs]
    common = [name for name in grouped[0] if all(name in groups for groups in grouped)]
    if not common:
        return [np.empty(0) for _ in runs]
    effects = {name: float(np.mean([groups[name].mean() for groups in grouped])) for name in common}
    weights = Counter(name for _, shapes in runs for name in shapes if name in effects)
    level = sum(effects[name] * count for name, count in weights.items()) / sum(weights.values())
    return [_without(groups, effects, level, grouped) for groups in grouped]


def _without(groups: dict[str, Array], effects: dict[str, float], level: float, runs: Sequence[dict[str, Array]]) -> Array:
    left = {name: groups[name] - effect for name, effect in effects.items()}
    middle = float(np.median(np.concatenate(list(left.values()))))
    widened = []
    for name, logs in left.items():
        counts = [len(each[name]) for each in runs]
        share = 1 - 2 / (len(runs) * len(logs)) + sum(1 / count for count in counts) / len(runs) ** 2
        widened.append(middle + (logs - middle) / math.sqrt(share))
    return np.asarray(np.exp(level + np.concatenate(widened)))
