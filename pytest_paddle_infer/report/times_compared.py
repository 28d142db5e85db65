"""Whether a variant became slower or faster from one report to another: judged as by the performance gates, or not, and why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_paddle_infer.judge.apart import ALIKE
from pytest_paddle_infer.report.saved import Measured, SavedReport, SavedTest, Times

if TYPE_CHECKING:
    from pytest_paddle_infer.judge.latency import PerfVerdict

FASTEST = 10
"""Percentile up to which a batch is one of the fastest."""

SEVERAL_RUNS = "compare several saved runs with --paddle-perf-compare; one run a side cannot tell the engine from the machine"


@dataclass(frozen=True)
class TimesChange:
    """What is to say of the times of one variant.

    outcome: "slower", "faster" (by more than allowed, with the stated confidence), "held" (not slower than allowed, likewise),
    "undecided" or "not judged"; `why` says the reason of the last two. verdict: None for "not judged". remedy: what would decide them.
    """

    outcome: str
    why: str = ""
    verdict: PerfVerdict | None = None
    remedy: str = ""


def times_changed(a: SavedReport, b: SavedReport, one: Measured, two: Measured, allowed: float) -> TimesChange | None:
    """Judges the times of one variant, `one` in report `a` and `two` in `b`; None where neither was timed."""
    if one.p50_ms is None and two.p50_ms is None:
        return None
    for name, each in (("A", one), ("B", two)):
        if each.p50_ms is None:
            return TimesChange("not judged", f"{name} was not timed")
    before, now = _timed(a.tests, one), _timed(b.tests, two)
    for name, times in (("A", before), ("B", now)):
        if times is None:
            return TimesChange("not judged", f"{name} keeps no times of single batches")
    assert before is not None
    assert now is not None
    if a.machine(before.gpu) != b.machine(now.gpu):
        return TimesChange("not judged", "they were measured on two machines")
    if otherwise := _otherwise(a, b, before, now):
        return TimesChange("not judged", f"B was measured otherwise: {' and '.join(otherwise)}")
    another = bool(before.program and now.program) and before.program != now.program
    return _judged(before, now, allowed, _same_training(a, b, before, now), another)


def _timed(tests: Sequence[SavedTest], measured: Measured) -> Times | None:
    """Of several tests that timed the variant, the one with the most batches, as in the matrix."""
    mine = (measured.model, measured.variant, measured.batch_size)
    found = [test.times for test in tests if test.times and (test.model, test.variant, test.times.batch_size) == mine]
    return max(found, key=lambda times: (len(times.inference_ms), repr(times)), default=None)


def _otherwise(a: SavedReport, b: SavedReport, before: Times, now: Times) -> list[str]:
    pairs: Mapping[str, tuple[object, object]] = {
        "batch size": (before.batch_size, now.batch_size),
        "threads": (before.threads, now.threads),
        "input shape": (before.input_shape, now.input_shape),
        "processes": (a.processes, b.processes),
    }
    return [f"{what} {two or 'unknown'} instead of {one or 'unknown'}" for what, (one, two) in pairs.items() if one != two]


def _same_training(a: SavedReport, b: SavedReport, before: Times, now: Times) -> bool:
    """Whether the training engine is the same program in both, and so a yardstick of the machine."""
    paddle = a.environment["paddle"]
    return bool(paddle and before.program) and (paddle, before.program) == (b.environment["paddle"], now.program)


def _judged(before: Times, now: Times, allowed: float, same_training: bool, another_program: bool) -> TimesChange:
    """Judges. another_program: the model is known to be another one, so that a slower training engine excuses nothing."""
    from pytest_paddle_infer.judge.latency import Latencies, judge_regression

    def seconds(times: Times) -> Latencies:
        inference, training = (tuple(each / 1000 for each in engine) for engine in (times.inference_ms, times.training_ms))
        return Latencies(inference, training, times.batch_size, times.inference_shapes, times.training_shapes)

    try:
        one, two = seconds(before), seconds(now)
    except ValueError as error:
        return TimesChange("not judged", str(error))
    verdict = judge_regression([one], two, allowed, same_training=same_training, another_program=another_program, names=("A", "B"))
    if verdict.outcome == "too few":
        return TimesChange("not judged", f"{verdict.why}; --paddle-perf-save=NAME in both runs times enough of both engines")
    fastest = _fastest(before, now)
    some = _in_some_batches_alone(fastest) if verdict.regressed and fastest <= 1 + allowed else ""
    if verdict.regressed and another_program and not some:
        return TimesChange("slower", "", verdict)
    if why := _unlike(before, now, max(allowed, ALIKE), same_training) or _by_correction_alone(verdict) or some:
        return TimesChange("undecided", why, replace(verdict, outcome="undecided", why=why), SEVERAL_RUNS)
    if verdict.outcome == "held":
        back = judge_regression([two], one, allowed, same_training=same_training)
        if back.regressed and not _by_correction_alone(back) and 1 / fastest > 1 + allowed:
            return TimesChange("faster", "", verdict)
    outcome = {"regressed": "slower"}.get(verdict.outcome, verdict.outcome)
    return TimesChange(outcome, verdict.why, verdict)


def _unlike(before: Times, now: Times, share: float, same_training: bool) -> str:
    """Why two runs were not under the same conditions, by the quartiles of the training engine's times; "" where they were.

    Load takes from the two engines by different shares, so that the yardstick's drift, taken out, may make a ratio worse: measured,
    identical code on a machine under load had a ratio of 1.86 as timed and of 3.30 corrected. A baseline of several runs shows how far
    runs differ; a report is of one.
    """
    import numpy as np

    from pytest_paddle_infer.judge.shapes import taken_out

    one, two = (
        np.percentile(each, (25, 50, 75)) for each in taken_out([(x.training_ms, x.training_shapes) for x in (before, now)])
    )
    low, middle, high = (float(each) for each in two / one)
    if not 1 / (1 + share) <= middle <= 1 + share:
        times, word = (middle, "slow") if middle > 1 else (1 / middle, "fast")
        who = "machine" if same_training else "machine, or the training engine, which is another program,"
        return f"for the {who} was {times:.2g} times as {word} in B"
    if not all(1 / (1 + share) <= each <= 1 + share for each in (low, high)):
        return "for the machine was not as steady in both, by the quartiles of the training engine's times"
    return ""


def _fastest(before: Times, now: Times) -> float:
    """How many times as long the fastest tenth of the batches takes in `now`.

    A machine that others use too may run a batch of less than a millisecond in two ways, and mixes them anew in each run: the median
    moves from the one to the other, the fastest batches hardly do. An engine that became slower is so in its fastest batches too.
    """
    import numpy as np

    from pytest_paddle_infer.judge.shapes import taken_out

    one, two = (
        float(np.percentile(each, FASTEST)) for each in taken_out([(x.inference_ms, x.inference_shapes) for x in (before, now)])
    )
    return two / one


def _in_some_batches_alone(fastest: float) -> str:
    """Why a regression is not believed that the fastest batches do not show."""
    return f"for the fastest tenth of its batches takes {fastest:.2f} times, and only others are slower"


def _by_correction_alone(verdict: PerfVerdict) -> str:
    """Why a regression is not believed that is none in the times as they were measured."""
    if not verdict.regressed or verdict.uncorrected is None or verdict.uncorrected.low > 1 + verdict.threshold:
        return ""
    measured = verdict.uncorrected.ratio
    return f"for it takes {measured:.2f} times as measured, without the drift of the training engine taken out"
