"""Has the inference engine become slower? Seconds of batches in, a verdict with a stated confidence out; numpy only.

A single ratio of two times proves nothing: batches scatter, and machines drift from one run to the next, by 30 % where they are
shared. So the medians are compared, the training engine, timed in turn with the inference engine in the same run, serves as
yardstick, and what the medians leave open is an interval (Kalibera and Jones, "Rigorous Benchmarking in Reasonable Time", ISMM 2013:
resample on the level at which the noise arises, and report the interval of the ratio).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pytest_paddle_infer.judge.apart import ALIKE, BETWEEN_RUNS, BETWEEN_RUNS_WEIGHT, CONFIDENCE, LEAST_BATCHES
from pytest_paddle_infer.judge.shapes import spread, taken_out, vary

Array = npt.NDArray[Any]

REPLICATES = 2000
"""Bootstrap replicates: ten of them lie beyond each end of a 99 % interval."""

SEED = 20130620
"""The interval of the same times is the same interval, in every process."""


@dataclass(frozen=True)
class Latencies:
    """Seconds of each timed batch of one run: of the inference engine, and of the training engine timed in turn with it.

    Warm-up batches are left out by who measured. `training` may be empty: then there is no yardstick, and nothing is judged.
    run_shapes, training_shapes: of the tensors of each batch, where they vary; empty where they do not, or are not known.
    Raises `ValueError` for no batches, for seconds that are not finite and greater than 0, for a batch size below 1, and for another
    number of shapes than of batches.
    """

    run: tuple[float, ...]
    training: tuple[float, ...]
    batch_size: int
    run_shapes: tuple[str, ...] = ()
    training_shapes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.run:
            raise ValueError("latencies without one timed batch of the inference engine")
        if not all(math.isfinite(seconds) and seconds > 0 for seconds in (*self.run, *self.training)):
            raise ValueError("latencies are finite numbers of seconds greater than 0")
        if self.batch_size < 1:
            raise ValueError(f"batch size {self.batch_size} is below 1")
        for seconds, shapes in ((self.run, self.run_shapes), (self.training, self.training_shapes)):
            if shapes and len(shapes) != len(seconds):
                raise ValueError(f"{len(shapes)} shapes of {len(seconds)} batches")

    @property
    def median(self) -> float:
        """Seconds of the median batch of the inference engine."""
        return float(np.median(self.run))

    @property
    def training_median(self) -> float | None:
        """Seconds of the median batch of the training engine; None where it was not timed."""
        return float(np.median(self.training)) if self.training else None

    @property
    def p99(self) -> float:
        """Seconds within which 99 % of the batches end, interpolated: of fewer than 100 batches it is close to the slowest."""
        return float(np.percentile(self.run, 99))

    @property
    def spread(self) -> float:
        """Interquartile range of the inference engine's batches, in seconds, see `judge.shapes.spread`."""
        return spread(self.run, self.run_shapes)

    @property
    def throughput(self) -> float:
        """Samples per second, at the median batch."""
        return self.batch_size / self.median

    @property
    def speedup(self) -> float | None:
        """How many times as fast as the training engine, at the medians; None where that was not timed."""
        return None if self.training_median is None else self.training_median / self.median


@dataclass(frozen=True)
class Interval:
    """A ratio of times, current over baseline, and where it lies with the verdict's confidence."""

    ratio: float
    low: float
    high: float


@dataclass(frozen=True)
class PerfVerdict:
    """What a comparison with a baseline says.

    outcome: "regressed" (slower than allowed, with the stated confidence), "held" (not slower than allowed, with the same
    confidence), "undecided" (the numbers do not tell; `why` says what would) or "too few" (not judged; `why` counts).
    Only "regressed" is a failure; neither of the last two is a pass with confidence, and a report must not print them as one.
    corrected, uncorrected: with and without the drift of the yardstick taken out; None for "too few".
    drift: the training engine's time now over that of the baseline; same_training: it was trusted as a yardstick; another_program: it
    is known to be none, for it runs another program.
    """

    outcome: str
    corrected: Interval | None
    uncorrected: Interval | None
    drift: float | None
    same_training: bool
    confidence: float
    threshold: float
    runs: int
    why: str = ""
    another_program: bool = False

    @property
    def regressed(self) -> bool:
        """True when the engine is slower than allowed."""
        return self.outcome == "regressed"

    @property
    def judged(self) -> Interval | None:
        """The interval that decides: the corrected one, or, with a yardstick that is not trusted, the one that accuses less.

        Of another program it is the one as measured.
        """
        if self.another_program:
            return self.uncorrected
        if self.corrected is None or self.uncorrected is None or self.same_training:
            return self.corrected
        return min(self.corrected, self.uncorrected, key=lambda interval: interval.low)

    @property
    def ratio(self) -> float | None:
        """Current over baseline, of the interval that decides; None when nothing was judged."""
        return None if self.judged is None else self.judged.ratio

    @property
    def low(self) -> float | None:
        """Lower end of the interval that decides."""
        return None if self.judged is None else self.judged.low

    @property
    def high(self) -> float | None:
        """Upper end of the interval that decides."""
        return None if self.judged is None else self.judged.high

    def sentence(self, baseline: str) -> str:
        """Returns the verdict in words, without a full stop. baseline: what it was held against: `the baseline 'main'`, `report A`."""
        if self.judged is None:
            return f"not compared with {baseline}: {self.why}"
        text = self.ratio_told(baseline)
        return f"{text}: not decided, {self.why}" if self.outcome == "undecided" else text

    def ratio_told(self, baseline: str) -> str:
        """Returns the ratio with its interval in words, whatever follows from it; "" where nothing was judged."""
        if self.judged is None or self.drift is None:
            return ""
        taken_out = left_in = ""
        if self.another_program:
            left_in = (
                f"; the model's code or settings changed, so the drift of the training engine ({self.drift:.2f} times) is left in"
            )
        elif self.judged is self.corrected:
            taken_out = f", with the drift of the training engine ({self.drift:.2f} times) taken out"
        return (
            f"run takes {self.judged.ratio:.2f} times {baseline}{taken_out} ({100 * self.confidence:g} % interval "
            f"{self.judged.low:.2f} to {self.judged.high:.2f}, allowed {1 + self.threshold:.4g}){left_in}"
        )


def judge_regression(
    baseline: Sequence[Latencies],
    current: Latencies,
    threshold: float = 0.15,
    *,
    same_training: bool = False,
    another_program: bool = False,
    names: tuple[str, str] = ("the baseline", "this run"),
) -> PerfVerdict:
    """Returns whether `current` is slower than the runs of `baseline` by more than `threshold`, a share: 0.15 allows 1.15 times.

    names: what the sentences call the two.

    Two ratios are made. The uncorrected one, U, is the median of the current batches over that of the baseline (of several runs:
    the median run). The corrected one is U over D, the same ratio of the training engine: a machine that became slower slows both.

    same_training: the training engine is the same program in all these runs: the same Paddle, and the same model. Then D is the
    machine's doing, and the corrected ratio alone decides what regressed. But load takes from the two engines by different shares, so
    "held" needs U within the limit too, or a D that differs from 1 by no more than is allowed.

    another_program: it is known that the model itself is another one than in all runs of the baseline. Then D is the model's doing as
    well, and says nothing of the machine: U alone decides what regressed, and "held" needs both.

    Otherwise D may be a change of the training engine itself, and the times cannot tell that from a drift, so neither direction may be
    believed alone:

    - D below 1 (a new Paddle runs dygraph faster) would make a regression out of an engine that takes as long as before;
    - D above 1 (the model grew, and both engines pay) would hide a regression.

    So it takes both ratios above the limit for "regressed", both within it for "held", and all else is "undecided", with what is
    missing. On a machine that does not drift the rules say the same.

    The interval is a seeded bootstrap: in each of `REPLICATES` the batches of every run are drawn anew with replacement, so it knows
    the scatter of the medians and nothing of a distribution's form. Runs deviate from one another by more than their batches show;
    that deviation, learnt from the baseline's runs (see `BETWEEN_RUNS`), is drawn from Student's t and added, for the current run
    and for the baseline's centre. One slow batch moves neither end by much, as all ends are made of medians. Batches are taken as
    independent: a slow wave within a run is seen only by the yardstick. Where the shapes of the batches vary, what they do to the times
    is taken out first (see `judge.shapes`), of both engines.

    Raises `ValueError` for no baseline run, for a threshold that is not a finite number from 0, and for differing batch sizes.
    """
    if not baseline:
        raise ValueError("a comparison needs at least one run of the baseline")
    if not (math.isfinite(threshold) and threshold >= 0):
        raise ValueError(f"threshold {threshold} is not a finite number from 0")
    if {latencies.batch_size for latencies in baseline} != {current.batch_size}:
        raise ValueError("latencies of different batch sizes are not compared")
    every = (*baseline, current)
    taken = {
        "run": taken_out([(one.run, one.run_shapes) for one in every]),
        "training": taken_out([(one.training, one.training_shapes) for one in every]),
    }
    few = _too_few(every, taken, names)
    if few:
        return PerfVerdict("too few", None, None, None, same_training, CONFIDENCE, threshold, len(baseline), few)

    random = np.random.default_rng(SEED)
    runs, trainings = (_logs(taken[engine][:-1], random) for engine in ("run", "training"))
    run, training = (_logs(taken[engine][-1:], random) for engine in ("run", "training"))
    uncorrected = _interval(runs, run, random)
    corrected = _interval(_minus(runs, trainings), _minus(run, training), random)
    drift = math.exp(training[0][0] - float(np.median(trainings[0])))
    outcome, why = _outcome(corrected, uncorrected, 1 + threshold, drift, same_training, another_program, names[0])
    if outcome == "undecided" and vary(current.run_shapes) and not all(one.run_shapes for one in baseline):
        why = f"for {names[0]} does not say which of its batches were of which shape; time {names[0]} again"
    return PerfVerdict(
        outcome, corrected, uncorrected, drift, same_training, CONFIDENCE, threshold, len(baseline), why, another_program
    )


def _too_few(runs: Sequence[Latencies], taken: Mapping[str, Sequence[Array]], names: tuple[str, str]) -> str:
    """What there is too little of, in words; "" when there is enough. The baseline's poorest run counts: each has a vote."""
    for whose, part in zip(names, (slice(-1), slice(-1, None))):
        for engine, words in (("run", "inference"), ("training", "training")):
            count = min(map(len, taken[engine][part]))
            if count < LEAST_BATCHES:
                timed = f"{count} timed {'batch' if count == 1 else 'batches'} of the {words} engine"
                if count < min(len(getattr(one, engine)) for one in runs[part]):
                    timed += f" in shapes that {names[0]} and {names[1]} both ran"
                return f"{whose} has {timed}, and nothing is judged below {LEAST_BATCHES}"
    return ""


def _outcome(
    corrected: Interval, uncorrected: Interval, limit: float, drift: float, same_training: bool, another_program: bool, before: str
) -> tuple[str, str]:
    both = (corrected, uncorrected)
    accusing = (uncorrected,) if another_program else (corrected,) if same_training else both
    if all(interval.low > limit for interval in accusing):
        return "regressed", ""
    if all(interval.high <= limit for interval in both):
        return "held", ""
    if same_training and corrected.high <= limit:
        small = max(limit, 1 + ALIKE)
        if 1 / small <= drift <= small:
            return "held", ""
        return "undecided", (
            f"for it takes {uncorrected.ratio:.2f} times {before} as measured, and load takes from the two engines by different shares; "
            f"time it again on a quieter machine, or {before} on the machine as it is"
        )
    if not same_training and max(corrected.ratio, uncorrected.ratio) > limit >= min(corrected.ratio, uncorrected.ratio):
        change = "slower" if drift > 1 else "faster"
        return "undecided", (
            f"for the training engine takes {drift:.2f} times as long as in {before}: the ratio is {corrected.ratio:.2f} if the machine "
            f"became {change}, and {uncorrected.ratio:.2f} if the model or Paddle did; time {before} again on the machine as it is"
        )
    return (
        "undecided",
        "for the interval reaches across what is allowed; time more batches with --paddle-repeats, or on a quieter machine",
    )


Sampled = tuple[Array, Array]
"""Logarithms of the runs' medians, float64[runs], and of their replicates, float64[runs, REPLICATES]."""


def _logs(runs: Sequence[Array], random: np.random.Generator) -> Sampled:
    medians, replicates = [], []
    for seconds in runs:
        times = np.sort(np.asarray(seconds, np.float64))
        medians.append(np.median(times))
        replicates.append(_resampled_medians(times, random))
    return np.log(medians), np.log(replicates)


def _resampled_medians(times: Array, random: np.random.Generator) -> Array:
    """Medians of samples as large as `times` (sorted), drawn from it with replacement: float64[REPLICATES].

    Exactly that, without drawing the samples: the k-th smallest of n draws is the time whose rank the k-th smallest of n uniform
    numbers falls on, which follows Beta(k, n + 1 - k); and the next one is the smallest of the n - k numbers above it.
    """
    count = len(times)
    middle = (count + 1) // 2
    lower = random.beta(middle, count + 1 - middle, REPLICATES)
    upper = lower if count % 2 else lower + (1 - lower) * random.beta(1, count - middle, REPLICATES)
    ranks = np.minimum((count * np.stack([lower, upper])).astype(np.int64), count - 1)
    return np.asarray(times[ranks].mean(axis=0))


def _minus(these: Sampled, those: Sampled) -> Sampled:
    return these[0] - those[0], these[1] - those[1]


def _interval(baseline: Sampled, current: Sampled, random: np.random.Generator) -> Interval:
    """The ratio of current to baseline, with the deviation between runs added to what the batches show."""
    count = len(baseline[0])
    squares = BETWEEN_RUNS_WEIGHT * BETWEEN_RUNS**2 + float(np.square(baseline[0] - baseline[0].mean()).sum())
    freedom = BETWEEN_RUNS_WEIGHT + count - 1
    between = math.sqrt(squares / freedom) * math.sqrt(1 + 1 / count) * random.standard_t(freedom, REPLICATES)
    logs = current[1][0] - np.median(baseline[1], axis=0) + between
    low, high = np.quantile(logs, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    ratio = float(current[0][0] - np.median(baseline[0]))
    return Interval(*(math.exp(value) for value in (ratio, float(low), float(high))))
