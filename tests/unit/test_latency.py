"""judge/latency.py: what counts as slower, what as noise, and how often the judge is wrong in a simulated year of runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_paddle_infer.judge.apart import CONFIDENCE, LEAST_BATCHES
from pytest_paddle_infer.judge.latency import (
    REPLICATES,
    Interval,
    Latencies,
    PerfVerdict,
    _resampled_medians,
    judge_regression,
)

PROPERTY = settings(max_examples=60, deadline=None, database=None)
SEEDS = st.integers(0, 2**32 - 1)
FACTORS = st.floats(0.5, 2.0)
COUNTS = st.integers(LEAST_BATCHES, 60)


class World:
    """A machine that drifts from run to run by up to 30 %, both engines with it, and on which some batches are slow."""

    def __init__(self, seed: int, noise: float = 0.05, drift: float = 0.3, apart: float = 0.0, outliers: float = 0.02,
                 wave: float = 0.0) -> None:  # fmt: skip
        self._random = np.random.default_rng(seed)
        self._noise, self._drift, self._apart, self._outliers, self._wave = noise, drift, apart, outliers, wave

    def run(self, count: int, trainings: int, slower: float = 1.0, training_slower: float = 1.0) -> Latencies:
        """One run; `apart` is by how much the drift of one engine differs from that of the other, `wave` how far a run sways."""
        phase = self._random.uniform(0, 2 * np.pi)
        shared = self._random.uniform(1 - self._drift, 1 + self._drift)
        own = shared * np.exp(self._random.normal(0, self._apart))
        return Latencies(
            self._batches(count, 0.01 * own * slower, phase), self._batches(trainings, 0.02 * shared * training_slower, phase), 4
        )

    def _batches(self, count: int, level: float, phase: float) -> tuple[float, ...]:
        times = level * np.exp(self._random.normal(0, self._noise, count))
        times *= 1 + self._wave * np.sin(phase + np.linspace(0, np.pi, count))
        slow = self._random.random(count) < self._outliers
        return tuple(map(float, np.where(slow, times * self._random.uniform(2, 5, count), times)))


def scaled(latencies: Latencies, run: float, training: float = 1.0) -> Latencies:
    return replace(
        latencies,
        run=tuple(run * seconds for seconds in latencies.run),
        training=tuple(training * seconds for seconds in latencies.training),
    )


# -- latencies ---------------------------------------------------------------------------------------------------------


def test_figures_of_a_run_are_those_of_its_batches() -> None:
    latencies = Latencies((0.4, 0.1, 0.2, 0.3, 5.0), (0.6, 0.9, 0.3), 8)
    assert latencies.median == 0.3
    assert latencies.training_median == 0.6
    assert latencies.throughput == pytest.approx(8 / 0.3)
    assert latencies.speedup == pytest.approx(2.0)
    assert latencies.spread == pytest.approx(0.2)
    assert 0.4 < latencies.p99 <= 5.0


def test_without_the_training_engine_there_is_no_speedup() -> None:
    latencies = Latencies((0.1,), (), 1)
    assert latencies.training_median is None
    assert latencies.speedup is None


@pytest.mark.parametrize(
    ("run", "training", "size", "message"),
    [
        ((), (0.1,), 1, "without one timed batch"),
        *(((seconds,), (), 1, "finite numbers of seconds greater than 0") for seconds in (0.0, -1.0, float("nan"), float("inf"))),
        ((0.1,), (0.1, 0.0), 1, "finite numbers of seconds greater than 0"),
        ((0.1,), (0.1,), 0, "batch size 0 is below 1"),
    ],
)
def test_times_that_no_clock_gives_are_refused(
    run: tuple[float, ...], training: tuple[float, ...], size: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Latencies(run, training, size)


# -- what is judged at all ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("baseline", "current", "why"),
    [
        ((7, 20), (20, 20), "the baseline has 7 timed batches of the inference engine, and nothing is judged below 8"),
        ((20, 1), (20, 20), "the baseline has 1 timed batch of the training engine, and nothing is judged below 8"),
        ((20, 20), (1, 20), "this run has 1 timed batch of the inference engine, and nothing is judged below 8"),
        ((20, 20), (20, 0), "this run has 0 timed batches of the training engine, and nothing is judged below 8"),
    ],
)
@pytest.mark.parametrize("slower", [1.0, 100.0])
def test_too_few_batches_are_neither_a_regression_nor_a_pass(
    baseline: tuple[int, int], current: tuple[int, int], why: str, slower: float
) -> None:
    world = World(0)
    verdict = judge_regression([world.run(20, 20), world.run(*baseline)], world.run(*current, slower=slower))
    assert (verdict.outcome, verdict.why, verdict.regressed) == ("too few", why, False)
    assert (verdict.ratio, verdict.low, verdict.high, verdict.corrected) == (None, None, None, None)
    assert verdict.sentence("the baseline 'main'") == f"not compared with the baseline 'main': {why}"


def test_the_least_number_is_where_the_range_of_the_times_holds_their_median_with_the_confidence() -> None:
    assert 1 - 2.0 ** (1 - LEAST_BATCHES) >= CONFIDENCE > 1 - 2.0 ** (2 - LEAST_BATCHES)


def test_what_cannot_be_compared_is_an_error_of_the_caller() -> None:
    one = World(0).run(20, 20)
    with pytest.raises(ValueError, match="at least one run"):
        judge_regression([], one)
    with pytest.raises(ValueError, match="different batch sizes"):
        judge_regression([replace(one, batch_size=1)], one)
    for threshold in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not a finite number from 0"):
            judge_regression([one], one, threshold)


# -- properties --------------------------------------------------------------------------------------------------------


@PROPERTY
@given(SEEDS, COUNTS, COUNTS, st.integers(1, 4), st.floats(0.5, 2.0), st.booleans())
def test_the_ratio_lies_in_its_interval_and_the_verdict_is_the_same_every_time(
    seed: int, count: int, trainings: int, runs: int, slower: float, same: bool
) -> None:
    world = World(seed)
    baseline = [world.run(count, trainings) for _ in range(runs)]
    current = world.run(count, trainings, slower)
    verdict = judge_regression(baseline, current, same_training=same)
    for interval in (verdict.corrected, verdict.uncorrected):
        assert interval is not None
        assert 0 < interval.low < interval.ratio < interval.high
    assert judge_regression(baseline, current, same_training=same) == verdict
    assert judge_regression([scaled(one, 1000, 1000) for one in baseline], scaled(current, 1000, 1000)).outcome == (
        judge_regression(baseline, current).outcome
    ), "the unit of time has no vote"


@PROPERTY
@given(SEEDS, COUNTS, COUNTS, FACTORS)
def test_a_drift_that_both_engines_share_cancels(seed: int, count: int, trainings: int, drift: float) -> None:
    one = World(seed).run(count, trainings)
    verdict = judge_regression([one], scaled(one, drift, drift), same_training=True)
    assert verdict.ratio == pytest.approx(1.0)
    assert verdict.drift == pytest.approx(drift)
    assert not verdict.regressed


@PROPERTY
@given(SEEDS, COUNTS, st.floats(0.1, 10.0))
def test_a_training_engine_that_became_faster_or_slower_makes_no_regression(seed: int, count: int, training: float) -> None:
    one = World(seed).run(count, count)
    assert not judge_regression([one], scaled(one, 1.0, training)).regressed


@PROPERTY
@given(SEEDS, COUNTS, st.floats(1.16, 10.0))
def test_a_slowdown_that_the_training_engine_shares_is_never_said_to_hold(seed: int, count: int, slower: float) -> None:
    one = World(seed).run(count, count)
    verdict = judge_regression([one], scaled(one, slower, slower))
    assert verdict.outcome == "undecided"
    assert verdict.corrected is not None
    assert verdict.uncorrected is not None
    assert verdict.corrected.ratio == pytest.approx(1.0)
    assert verdict.uncorrected.ratio == pytest.approx(slower)


@PROPERTY
@given(
    SEEDS, st.integers(LEAST_BATCHES, 30), st.floats(1.0, 1e4), st.sampled_from(["run", "training"]), st.booleans(), st.booleans()
)
def test_one_slow_batch_never_makes_a_regression(
    seed: int, count: int, slow: float, engine: str, in_current: bool, same: bool
) -> None:
    one = World(seed, outliers=0.0).run(count, count)
    times = list(getattr(one, engine))
    times[seed % count] *= slow
    hit = replace(one, **{engine: tuple(times)})
    baseline, current = (one, hit) if in_current else (hit, one)
    assert not judge_regression([baseline], current, same_training=same).regressed


@PROPERTY
@given(SEEDS, st.floats(1e-3, 1e4), st.sampled_from(["run", "training"]))
def test_one_odd_batch_hides_no_regression(seed: int, odd: float, engine: str) -> None:
    one = World(seed, noise=0.02, outliers=0.0).run(20, 20)
    current = scaled(one, 1.5)
    times = list(getattr(current, engine))
    times[seed % 20] *= odd
    assert judge_regression([one], replace(current, **{engine: tuple(times)})).regressed


@PROPERTY
@given(SEEDS, st.integers(0, 60), st.integers(0, 60))
def test_a_larger_threshold_never_turns_a_pass_into_a_regression(seed: int, one: int, other: int) -> None:
    world = World(seed)
    baseline, current = world.run(20, 20), world.run(20, 20, slower=1.3)
    strict, lax = (judge_regression([baseline], current, percent / 100) for percent in sorted((one, other)))
    assert strict.regressed or not lax.regressed
    assert lax.outcome == "held" or strict.outcome != "held"


@PROPERTY
@given(SEEDS, st.integers(2, 6))
def test_runs_that_lie_apart_widen_the_interval(seed: int, runs: int) -> None:
    world = World(seed, noise=0.02, drift=0.0, outliers=0.0)
    together = [world.run(20, 20) for _ in range(runs)]
    current = world.run(20, 20)
    apart = [scaled(one, 1.2 if index % 2 else 1 / 1.2) for index, one in enumerate(together)]
    narrow, wide = (judge_regression(baseline, current, same_training=True) for baseline in (together, apart))
    assert narrow.high is not None
    assert narrow.low is not None
    assert wide.high is not None
    assert wide.low is not None
    assert wide.high / wide.low > 1.2 * narrow.high / narrow.low


# -- the bootstrap -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 8, 9, 30])
def test_resampled_medians_are_distributed_as_those_of_drawn_samples(count: int) -> None:
    random = np.random.default_rng(5)
    times = np.sort(random.lognormal(0, 0.5, count))
    short = np.sort(np.concatenate([_resampled_medians(times, random) for _ in range(10)]))
    drawn = np.sort(np.median(times[random.integers(count, size=(len(short), count))], axis=1))
    grid = np.unique(np.concatenate([short, drawn]))
    gap = np.abs(np.searchsorted(short, grid, "right") - np.searchsorted(drawn, grid, "right")).max() / len(short)
    assert gap < 1.63 * np.sqrt(2 / (10 * REPLICATES)), "Kolmogorov and Smirnov, two samples, 1 %"


def coverage(runs: int, count: int, pairs: int = 300) -> float:
    """Share of intervals that hold the true ratio, 1, with runs that lie 1 % apart, as is assumed of a single one."""
    world = World(11, apart=0.01)
    found = (
        judge_regression([world.run(count, count) for _ in range(runs)], world.run(count, count), same_training=True).corrected
        for _ in range(pairs)
    )
    return sum(interval is not None and interval.low <= 1 <= interval.high for interval in found) / pairs


@pytest.mark.parametrize(("runs", "count"), [(1, 8), (1, 20), (1, 50), (5, 20)])
def test_the_interval_holds_the_truth_as_often_as_it_says(runs: int, count: int) -> None:
    assert coverage(runs, count) >= CONFIDENCE - 0.01  # 300 pairs: two standard errors


# -- the power study: what the judge says of runs whose truth is known -------------------------------------------------


def study(
    world: World, runs: int, count: int, trainings: int, slower: float, *, same: bool = True, pairs: int = 300
) -> dict[str, float]:
    """Share of each outcome, over pairs of a baseline and a run."""
    outcomes = Counter(
        judge_regression(
            [world.run(count, trainings) for _ in range(runs)], world.run(count, trainings, slower), same_training=same
        ).outcome
        for _ in range(pairs)
    )
    return {outcome: number / pairs for outcome, number in outcomes.items()}


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("apart", [0.0, 0.03], ids=["drift shared", "drift shared but for 3 %"])
@pytest.mark.parametrize(("runs", "count"), [(1, 8), (1, 20), (1, 50), (3, 20)])
def test_noise_and_drift_are_a_regression_in_less_than_one_run_of_a_hundred(
    runs: int, count: int, apart: float, same: bool
) -> None:
    assert study(World(1, apart=apart), runs, count, count, 1.0, same=same).get("regressed", 0) <= 0.01


@pytest.mark.parametrize(("runs", "count"), [(1, 8), (1, 50), (3, 20)])
def test_an_engine_just_within_what_is_allowed_is_accused_as_rarely_as_the_confidence_says(runs: int, count: int) -> None:
    assert study(World(8), runs, count, count, 1.15).get("regressed", 0) <= 1 - CONFIDENCE


@pytest.mark.parametrize("same", [True, False])
def test_a_machine_that_sways_while_it_is_measured_makes_no_regression(same: bool) -> None:
    assert study(World(7, wave=0.15), 1, 20, 20, 1.0, same=same).get("regressed", 0) <= 0.01


@pytest.mark.parametrize(
    ("noise", "runs", "count", "trainings"),
    [(0.05, 1, 50, 50), (0.05, 1, 50, 25), (0.05, 3, 25, 25), (0.02, 1, 10, 10)],
)
def test_thirty_percent_are_caught_in_nineteen_runs_of_twenty(noise: float, runs: int, count: int, trainings: int) -> None:
    outcomes = study(World(2, noise=noise), runs, count, trainings, 1.3)
    assert outcomes["regressed"] >= 0.95
    assert "held" not in outcomes


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize(("runs", "count"), [(1, 8), (1, 20), (3, 20)])
def test_what_is_not_caught_for_want_of_batches_is_not_said_to_hold(runs: int, count: int, same: bool) -> None:
    assert study(World(3), runs, count, count, 1.3, same=same).get("held", 0) <= 0.005


def test_an_engine_as_fast_as_before_is_mostly_said_to_hold_where_the_machine_drifts_by_little() -> None:
    assert study(World(4, drift=0.07), 1, 50, 25, 1.0)["held"] >= 0.95
    outcomes = study(World(4), 1, 50, 25, 1.0)
    assert outcomes["held"] + outcomes["undecided"] >= 0.99
    assert outcomes["held"] >= 0.6, "of two runs that each lie up to 30 % off, every third has a drift that is not believed"


@PROPERTY
@given(SEEDS, st.floats(1.35, 6.0), st.floats(0.5, 1.0))
def test_a_run_that_is_slower_as_measured_is_never_said_to_hold_by_a_large_correction(
    seed: int, slower: float, share: float
) -> None:
    """Seen: 0.28 times, with a drift of 5.27 times taken out, of a median that went from 0.994 ms to 1.447."""
    one = World(seed, noise=0.02, outliers=0.0).run(50, 25)
    verdict = judge_regression([one], scaled(one, slower, slower / share), same_training=True)
    assert verdict.outcome == "undecided"
    assert verdict.why.startswith(
        f"for it takes {slower:.2f} times the baseline as measured, and load takes from the two engines by"
    )


@pytest.mark.parametrize(("drift", "outcome"), [(1.0, "held"), (1.13, "held"), (1.17, "undecided"), (0.7, "held")])
def test_a_small_correction_may_make_it_hold(drift: float, outcome: str) -> None:
    one = World(9, noise=0.02, outliers=0.0).run(50, 25)
    assert judge_regression([one], scaled(one, drift, drift), same_training=True).outcome == outcome
    nothing_allowed = judge_regression([one], scaled(one, 0.97 * 1.04, 1.04), 0.0, same_training=True)
    assert nothing_allowed.outcome == "undecided", "the interval of the corrected ratio does not end below 1 either"


@PROPERTY
@given(SEEDS, st.floats(1.35, 10.0), st.floats(0.1, 10.0))
def test_a_slower_model_is_a_regression_whatever_its_training_engine_takes(seed: int, slower: float, training: float) -> None:
    one = World(seed, noise=0.02, outliers=0.0).run(50, 25)
    verdict = judge_regression([one], scaled(one, slower, training), another_program=True)
    assert verdict.outcome == "regressed"
    assert verdict.judged is verdict.uncorrected


@PROPERTY
@given(SEEDS, st.floats(0.3, 1.1), st.floats(0.1, 10.0))
def test_another_model_is_said_to_hold_only_where_both_ratios_do(seed: int, slower: float, training: float) -> None:
    one = World(seed, noise=0.02, outliers=0.0).run(50, 25)
    verdict = judge_regression([one], scaled(one, slower, training), another_program=True)
    assert not verdict.regressed
    assert verdict.corrected is not None
    assert verdict.uncorrected is not None
    assert (verdict.outcome == "held") is (max(verdict.corrected.high, verdict.uncorrected.high) <= 1.15)


def test_without_a_yardstick_to_trust_a_machine_that_stands_still_is_judged_as_well() -> None:
    world = World(5, drift=0.02)
    assert study(world, 1, 50, 50, 1.3, same=False)["regressed"] >= 0.95
    assert study(world, 1, 50, 50, 1.0, same=False)["held"] >= 0.95


# -- words -------------------------------------------------------------------------------------------------------------

SLOW = Interval(1.42, 1.35, 1.50)
EVEN = Interval(1.02, 0.97, 1.06)


def verdict(outcome: str, corrected: Interval, uncorrected: Interval, same: bool, why: str = "") -> PerfVerdict:
    return PerfVerdict(outcome, corrected, uncorrected, 0.72, same, 0.99, 0.15, 1, why)


def test_the_sentence_names_ratio_interval_and_what_is_allowed() -> None:
    assert verdict("regressed", Interval(1.5, 1.4, 1.6), SLOW, False).sentence("the baseline 'main'") == (
        "run takes 1.42 times the baseline 'main' (99 % interval 1.35 to 1.50, allowed 1.15)"
    )
    assert verdict("regressed", SLOW, EVEN, True).sentence("the baseline 'main'") == (
        "run takes 1.42 times the baseline 'main', with the drift of the training engine (0.72 times) taken out "
        "(99 % interval 1.35 to 1.50, allowed 1.15)"
    )
    assert verdict("undecided", SLOW, EVEN, False, "for a reason").sentence("the baseline 'main'") == (
        "run takes 1.02 times the baseline 'main' (99 % interval 0.97 to 1.06, allowed 1.15): not decided, for a reason"
    )
    assert replace(verdict("undecided", EVEN, SLOW, False, "for a reason"), another_program=True).sentence("report A") == (
        "run takes 1.42 times report A (99 % interval 1.35 to 1.50, allowed 1.15); the model's code or settings changed, so the drift of "
        "the training engine (0.72 times) is left in: not decided, for a reason"
    )


def test_what_is_undecided_says_what_would_decide_it() -> None:
    one = World(6, noise=0.02, outliers=0.0).run(20, 20)
    shared = judge_regression([one], scaled(one, 1.3, 1.3)).why
    assert shared == (
        "for the training engine takes 1.30 times as long as in the baseline: the ratio is 1.00 if the machine became slower, and 1.30 "
        "if the model or Paddle did; time the baseline again on the machine as it is"
    )
    assert "1.25 if the machine became faster, and 1.00 if" in judge_regression([one], scaled(one, 1.0, 0.8)).why
    across = judge_regression([one], scaled(one, 1.15), same_training=True).why
    assert across == (
        "for the interval reaches across what is allowed; time more batches with --paddle-repeats, or on a quieter machine"
    )


def test_a_baseline_from_before_shapes_were_known_must_be_timed_again() -> None:
    shapes = tuple(f"1x3x48x{32 * (number % 5 + 1)}" for number in range(50))
    levels = [0.01 * (number % 5 + 1) for number in range(50)]
    new = Latencies(tuple(levels), tuple(levels), 1, shapes, shapes)
    assert judge_regression([new], new).outcome == "held"
    found = judge_regression([replace(new, run_shapes=(), training_shapes=())], new)
    assert found.outcome == "undecided"
    assert found.why == "for the baseline does not say which of its batches were of which shape; time the baseline again"
