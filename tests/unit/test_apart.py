"""judge/apart.py: the width of a ratio's interval from medians, quartiles and counts, held against that of the gates."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_paddle_infer.judge.apart import CONFIDENCE, LEAST_BATCHES, noise_of_ratio
from pytest_paddle_infer.judge.latency import Latencies, judge_regression


def figures(*runs: np.ndarray) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float]]:
    one, two = (np.percentile(run, (25, 50, 75)) for run in runs)
    return (one[1], two[1]), (one[2] - one[0], two[2] - two[0]), (len(runs[0]), len(runs[1]))


@pytest.mark.parametrize("count", [10, 50, 200])
def test_it_is_as_wide_as_the_interval_of_the_gates(count: int) -> None:
    random = np.random.default_rng(7)
    wider = []
    for _ in range(20):
        one, two, steady = random.normal(10, 1, count), random.normal(10, 1, count), (10.0,) * count
        runs = [Latencies(tuple(run), steady, 1) for run in (one, two)]
        interval = judge_regression([runs[0]], runs[1], same_training=True).corrected
        assert interval is not None
        wider.append(math.log(noise_of_ratio(*figures(one, two))) / (0.5 * math.log(interval.high / interval.low)))
    assert 0.85 < float(np.median(wider)) < 1.15


@pytest.mark.parametrize("count", [LEAST_BATCHES, 10, 50])
def test_two_runs_of_the_same_are_told_apart_no_more_often_than_promised(count: int) -> None:
    random = np.random.default_rng(3)
    told, trials = 0, 2000
    for _ in range(trials):
        runs = [random.normal(10, 1, count) * math.exp(random.normal(0, 0.01)) for _ in range(2)]
        medians, spreads, batches = figures(*runs)
        told += max(medians) > min(medians) * noise_of_ratio(medians, spreads, batches)
    # quartiles of few times are rough: of 8, as the tests for normal times with an estimated deviation have it, three times as often
    assert told / trials <= (1 - CONFIDENCE) * (3 if count < 50 else 1.5)


def test_more_batches_narrow_it_down_to_what_runs_deviate_by() -> None:
    widths = [noise_of_ratio((10, 10), (1, 1), (count, count)) for count in (8, 50, 1000, 10**9)]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == pytest.approx(1.054, abs=1e-3)


def test_nothing_is_told_of_few_batches_or_of_times_without_measure() -> None:
    assert noise_of_ratio((10, 10), (0, 0), (LEAST_BATCHES - 1, 50)) == math.inf
    assert noise_of_ratio((1e-9, 10), (1e9, 0), (50, 50)) == math.inf
