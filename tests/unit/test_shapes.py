"""judge/shapes.py: what the shape of the input does to times is no noise, and is not compared across shapes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from pytest_paddle_infer.judge.apart import CONFIDENCE, LEAST_BATCHES, noise_of_ratio
from pytest_paddle_infer.judge.latency import Latencies, PerfVerdict, judge_regression
from pytest_paddle_infer.judge.shapes import spread, taken_out, text_of, training_median

WIDTHS = 12


class Ocr:
    """A model that takes 0.5 to 3 ms a picture by its width; both engines take the widths in turn, two batches in a hundred are slow."""

    def __init__(self, seed: int, noise: float = 0.03, widths: int = WIDTHS) -> None:
        self._random = np.random.default_rng(seed)
        self._noise, self._levels = noise, np.linspace(0.0005, 0.003, widths)

    def times(self, count: int, factor: float = 1.0, first: int = 0) -> tuple[tuple[float, ...], tuple[str, ...]]:
        widths = np.arange(first, first + count) % len(self._levels)
        times = factor * self._levels[widths] * np.exp(self._random.normal(0, self._noise, count))
        slow = np.where(self._random.random(count) < 0.02, self._random.uniform(2, 5, count), 1)
        return tuple(map(float, times * slow)), tuple(f"1x3x48x{width}" for width in widths)

    def run(self, slower: float = 1.0, count: int = 50, trained: int = 25) -> Latencies:
        apart = np.exp(self._random.normal(0, 0.01))
        (run, shapes), (training, others) = self.times(count, slower * apart), self.times(trained, 2)
        return Latencies(run, training, 1, shapes, others)


def pooled(latencies: Latencies) -> Latencies:
    return replace(latencies, run_shapes=(), training_shapes=())


def judged(baseline: Latencies, current: Latencies) -> PerfVerdict:
    return judge_regression([baseline], current, same_training=True)


# -- spread ------------------------------------------------------------------------------------------------------------


def test_the_spread_of_one_shape_is_the_interquartile_range() -> None:
    times = np.random.default_rng(0).lognormal(0, 0.5, 40)
    low, high = np.percentile(times, (25, 75))
    assert spread(times.tolist()) == spread(times.tolist(), ["1x3"] * 40) == high - low


@pytest.mark.parametrize("of_a_shape", [2, 3, 4, 5, 50])
def test_few_batches_of_a_shape_show_the_noise_as_large_as_it_is(of_a_shape: int) -> None:
    """Held against the median of their own shape, three times would show half of it."""
    random, found = np.random.default_rng(1), []
    for _ in range(200):
        levels = np.tile(np.linspace(1, 9, 11), of_a_shape)
        times = levels * np.exp(random.normal(0, 0.05, len(levels)))
        found.append(spread(times.tolist(), [str(level) for level in levels]) / float(np.median(times)))
    assert np.median(found) == pytest.approx(1.349 * 0.05, rel=0.08)


def test_where_no_shape_came_often_enough_the_spread_is_that_of_all() -> None:
    times = np.linspace(1, 2, 20).tolist()
    once, twice = [str(number) for number in range(20)], [str(number % 17) for number in range(20)]
    assert spread(times, once) == spread(times, twice) == spread(times)
    assert spread(times, [str(number % 16) for number in range(20)]) != spread(times), f"{LEAST_BATCHES} in pairs"


def test_one_slow_batch_does_not_move_the_spread() -> None:
    times, shapes = Ocr(2).times(48)
    assert spread([*times[:-1], 100 * times[-1]], shapes) == pytest.approx(spread(times, shapes), rel=0.15)


def test_variants_of_such_a_model_are_told_apart() -> None:
    (slow, shapes), (fast, _) = Ocr(3).times(48, 1.25), Ocr(4).times(48)
    medians = float(np.median(slow)), float(np.median(fast))
    known, unknown = (noise_of_ratio(medians, (spread(slow, names), spread(fast, names)), (48, 48)) for names in (shapes, ()))
    assert known < 1.1 < 1.25 < unknown


# -- the yardstick -----------------------------------------------------------------------------------------------------


def test_the_training_engine_is_held_against_batches_of_its_own_shapes() -> None:
    ocr = Ocr(5, noise=0.0)
    inference, few = ocr.times(48), ocr.times(4, 2)  # the narrow ones alone
    assert training_median(few, inference) == pytest.approx(2 * np.median(inference[0]))
    assert np.median(few[0]) < np.median(inference[0]), "as it was measured"


def test_of_one_shape_it_is_the_median_as_it_was_measured() -> None:
    assert training_median(([3.0, 1.0, 2.0], ["a"] * 3), ([5.0, 7.0], ["a"] * 2)) == 2.0
    assert training_median(([3.0, 1.0, 2.0], []), ([5.0, 7.0], [])) == 2.0
    assert training_median(([3.0, 1.0, 2.0], ["a", "b", "b"]), ([5.0, 7.0], ["c"] * 2)) == 2.0, "none in common"


# -- runs --------------------------------------------------------------------------------------------------------------


def test_times_of_one_shape_and_of_unknown_ones_are_left_as_they_are() -> None:
    one, two = [1.0, 2.0], [3.0, 4.0, 5.0]
    for shapes in (["a", "a"], ["a"] * 3), ([], []), (["a", "b"], []):
        assert [times.tolist() for times in taken_out(list(zip((one, two), shapes)))] == [one, two]


def test_shapes_that_not_all_runs_have_are_left_out() -> None:
    left = taken_out([([1.0, 9.0, 1.0], ["a", "b", "a"]), ([2.0, 2.0], ["a", "a"])])
    assert list(map(len, left)) == [2, 2]
    assert list(map(len, taken_out([([1.0], ["a"]), ([2.0], ["b"])]))) == [0, 0]


def test_the_ratio_of_two_runs_is_that_in_each_shape() -> None:
    ocr = Ocr(6, noise=0.0)
    one, two = taken_out([ocr.times(48), ocr.times(30, 1.3, first=5)])
    assert np.median(two) / np.median(one) == pytest.approx(1.3)


@pytest.mark.parametrize("widths", [3, WIDTHS, 50])
def test_what_is_left_scatters_as_much_as_the_noise(widths: int) -> None:
    random, found = np.random.default_rng(7), []
    shapes = [str(number % widths) for number in range(50)]
    for _ in range(100):
        runs = [np.exp(random.normal(0, 0.05, 50)).tolist() for _ in range(2)]
        found += [float(np.log(times).std()) for times in taken_out([(times, shapes) for times in runs])]
    assert np.median(found) == pytest.approx(0.05, rel=0.05)


def test_a_slower_engine_is_a_regression_and_the_same_one_holds() -> None:
    ocr = Ocr(7)
    baseline, same, slower = ocr.run(), ocr.run(), ocr.run(1.4)
    assert judged(baseline, same).outcome == "held"
    assert judged(baseline, slower).outcome == "regressed"
    assert judged(pooled(baseline), pooled(same)).outcome == "undecided", "as before that shapes were told apart"
    assert judged(pooled(baseline), pooled(slower)).outcome == "undecided"
    old = judged(pooled(baseline), slower)
    assert replace(old, why="") == replace(judged(pooled(baseline), pooled(slower)), why=""), "a baseline of an older version"
    assert old.why.endswith("time the baseline again")


@pytest.mark.parametrize(("widths", "runs"), [(3, 1), (WIDTHS, 1), (WIDTHS, 3), (50, 1)])
def test_the_interval_holds_the_truth_as_often_as_it_says(widths: int, runs: int) -> None:
    ocr, inside = Ocr(8, noise=0.05, widths=widths), Counter[bool]()
    for _ in range(300):
        interval = judge_regression([ocr.run() for _ in range(runs)], ocr.run(), same_training=True).corrected
        assert interval is not None
        inside[interval.low <= 1 <= interval.high] += 1
    assert inside[True] / 300 >= CONFIDENCE - 0.01  # two standard errors


def test_too_few_batches_in_common_are_not_judged() -> None:
    ocr = Ocr(9)
    baseline, current = ocr.run(), ocr.run()
    names = tuple(f"other {name}" if number > 6 else name for number, name in enumerate(current.run_shapes))
    verdict = judge_regression([baseline], replace(current, run_shapes=names))
    assert (verdict.outcome, verdict.why) == (
        "too few",
        "this run has 7 timed batches of the inference engine in shapes that the baseline and this run both ran, "
        "and nothing is judged below 8",
    )


def test_there_is_a_shape_of_each_batch() -> None:
    assert text_of([(1, 3, 48, 320), (1, 2)]) == "1x3x48x320 1x2"
    for shapes in ({"run_shapes": ("a",)}, {"training_shapes": ("a", "b", "c")}):
        with pytest.raises(ValueError, match=r"^[13] shapes of 2 batches$"):
            Latencies((1.0, 2.0), (1.0, 2.0), 1, **shapes)  # type: ignore[arg-type]
