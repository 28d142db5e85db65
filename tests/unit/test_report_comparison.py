"""`compare`: what two reports say of what became worse, and which of it is judged; and reports that cannot be read."""

from __future__ import annotations

import copy
import fnmatch
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Union

import numpy as np
import pytest
from report_content import ENVIRONMENT, content, failed, passed, properties

from pytest_paddle_infer.command import compare as command
from pytest_paddle_infer.command import program
from pytest_paddle_infer.command.columns import WIDTH
from pytest_paddle_infer.judge.apart import CONFIDENCE, LEAST_BATCHES
from pytest_paddle_infer.report.comparison import ALLOWED, Comparison, compare
from pytest_paddle_infer.report.content import SCHEMA_VERSION
from pytest_paddle_infer.report.figures import CHECKPOINT_SIGNS, PREFIX
from pytest_paddle_infer.report.matrix import ERROR_FACTOR
from pytest_paddle_infer.report.results import Result
from pytest_paddle_infer.report.saved import ReportError, SavedTest, Times, of_content, read
from pytest_paddle_infer.report.times_compared import SEVERAL_RUNS

PATH = Path("/reports/today/report.json")


def saved(*results: Result, times: dict[str, Any] | None = None, **more: Any) -> Any:
    """A report of these tests; more: keys of its environment, or `processes`, `options` and `verdict`. times: of the log checkpoints."""
    made = json.loads(json.dumps(content(*results)))
    for name in ("processes", "options"):
        made["session"][name] = more.pop(name, made["session"][name])
    made["verdict"] = more.pop("verdict", made["verdict"])
    made["environment"] = {**ENVIRONMENT, **more}
    for test in made["tests"]:
        test["details"] = (
            None if times is None or "test_log" not in test["id"] else {"parity": None, "latency": times, "layers": None}
        )
    return of_content(made, PATH)


def log(p50: str = "10", variant: str = "cpu", **facts: str) -> Result:
    told = {
        "inference_ms": p50,
        "p50_ms": p50,
        "batch_size": "1",
        "threads": "1",
        "input_shape": "3,224,224",
        "training_program": "1e5",
    }
    return Result(
        f"paddle-model/net::test_log[{variant}]", "passed", 1.0, properties("net", variant, **{**told, **facts}), compared=True
    )


def batches(median: float, training: float = 20.0, count: int = 50, trained: int = 25, size: int = 1) -> dict[str, Any]:
    """Times that scatter by a percent, always the same ones."""
    random = np.random.default_rng(5)
    inference, yardstick = (
        [float(value) for value in each * random.normal(1, 0.01, number)] for each, number in ((median, count), (training, trained))
    )
    return {"batch_size": size, "batches": count, "inference_ms": inference, "training_ms": yardstick}


def slower(a: Any, b: Any, allowed: float = ALLOWED) -> tuple[str, str]:
    """What is said of the times of the only variant."""
    (found,) = compare(a, b, allowed).variants
    assert found.times is not None
    return found.times.outcome, found.times.why


# -- tests -------------------------------------------------------------------------------------------------------------


def outcome(name: str) -> Result:
    return Result("paddle-model/net::test_parity[cpu]", name, 1.0, properties("net", "cpu"), summary="the reason")


@pytest.mark.parametrize(
    ("before", "now", "change", "worse"),
    [
        ("passed", "passed", "", False),
        ("failed", "failed", "", False),
        ("passed", "failed", "newly failing", True),
        ("passed", "error", "newly failing", True),
        ("skipped", "failed", "newly failing", True),
        ("xfailed", "failed", "newly failing", True),
        ("", "failed", "newly failing", True),
        ("failed", "passed", "newly passing", False),
        ("error", "xpassed", "newly passing", False),
        ("failed", "error", "", False),
        ("passed", "skipped", "no longer runs", True),
        ("passed", "xfailed", "now expected to fail", False),
        ("xpassed", "xfailed", "now expected to fail", False),
        ("failed", "xfailed", "", False),
        ("xfailed", "skipped", "", False),
        ("failed", "skipped", "", False),
        ("skipped", "passed", "", False),
        ("passed", "", "only in A", False),
        ("", "passed", "only in B", False),
        ("", "skipped", "only in B", False),
    ],
)
def test_a_change_of_outcome_has_one_name(before: str, now: str, change: str, worse: bool) -> None:
    a, b = (saved(*([outcome(name)] if name else [passed(model="other")])) for name in (before, now))
    found = [test for test in compare(a, b).tests if "/net::" in test.id]
    assert [test.change for test in found] == ([change] if change else [])
    assert compare(saved(outcome(before)) if before else saved(), saved(outcome(now)) if now else saved()).worse is worse or not now


def test_a_test_that_fails_newly_says_why() -> None:
    (found,) = compare(saved(passed()), saved(failed("net, cpu: off."))).tests
    assert (found.id, found.a, found.b, found.why) == ("paddle-model/net::test_parity[cpu]", "passed", "failed", "net, cpu: off.")


def stopped_at(failing: str, *passing: str, variant: str = "cpu", outcome: str = "failed") -> Result:
    """A test that fails at a checkpoint, as its later ones were not reached."""
    held = {CHECKPOINT_SIGNS[name]: "1" for name in passing}
    told = properties("net", variant, ("failed", failing), cause=f"{failing}: off.", **held)
    return Result(f"t::net[{variant}]", outcome, 1.0, told, compared=True, summary=f"{failing}: off.", text="off.")


@pytest.mark.parametrize("outcome", ["failed", "error"])
def test_a_test_that_failed_before_may_fail_at_an_earlier_checkpoint(outcome: str) -> None:
    a, b = saved(stopped_at("parity", "artifacts")), saved(stopped_at("artifacts", outcome=outcome))
    (found,) = compare(a, b).tests
    assert (found.change, found.checkpoints, found.why) == ("newly failing a checkpoint", ("artifacts",), "artifacts: off.")
    assert compare(a, b).worse
    (back,) = compare(b, a).tests
    assert (back.change, back.checkpoints, compare(b, a).worse) == ("newly passing a checkpoint", ("artifacts",), False)
    assert compare(a, a).tests == ()
    assert command.as_data(compare(a, b), Path("a"), Path("b"))["tests"][0]["checkpoints"] == ["artifacts"]


def test_one_checkpoint_may_fail_newly_and_another_pass_newly() -> None:
    a, b = saved(stopped_at("log", "parity")), saved(stopped_at("parity", "log"))
    assert [(each.change, each.checkpoints) for each in compare(a, b).tests] == [
        ("newly failing a checkpoint", ("parity",)),
        ("newly passing a checkpoint", ("log",)),
    ]


def test_a_cause_that_variants_share_is_told_once() -> None:
    variants = ("cpu", "onednn")
    a, b = (saved(*(stopped_at(*names, variant=each) for each in variants)) for names in (("parity", "artifacts"), ("artifacts",)))
    text = "\n".join(command.lines(compare(a, b), Path("a"), Path("b")))
    assert (
        "\n\ntests, newly failing a checkpoint\n  t::net[cpu]: artifacts\n  t::net[onednn]: artifacts\n    artifacts: off.\n\n"
        in text
    )
    assert text.endswith("\nB is worse: 2 tests newly failing a checkpoint.")


@pytest.mark.parametrize(("before", "now", "early"), [("passed", "incomplete", True), ("passed", "nothing ran", True),
                                                      ("incomplete", "incomplete", False), ("incomplete", "passed", False)])  # fmt: skip
def test_a_run_that_ended_early_is_worse_than_one_that_did_not(before: str, now: str, early: bool) -> None:
    found = compare(saved(passed(), verdict=before), saved(passed(), verdict=now))
    assert (found.ended_early, found.worse) == (early, early)


# -- errors and answers ------------------------------------------------------------------------------------------------


def accuracy(before: dict[str, str], now: dict[str, str]) -> tuple[str, str]:
    (found,) = compare(saved(passed(**before)), saved(passed(**now))).variants
    return found.accuracy, found.answers


FLOORED = {"output_error": "1e-06", "output_limit": "4e-06", "output_limits": "0.3", "noise_floor": "1e-06"}


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ({}, ""),
        ({"output_limits": str(0.3 * ERROR_FACTOR)}, ""),
        ({"output_limits": str(0.3 * ERROR_FACTOR + 0.01)}, "less exact"),
        ({"output_limits": "0.001"}, ""),  # below the training engine's own rounding, which is 0.25 of the limit
        ({"output_limits": "nan"}, ""),
    ],
)
def test_errors_within_what_the_matrix_calls_equal_are_equal(now: dict[str, str], expected: str) -> None:
    assert accuracy(FLOORED, {**FLOORED, **now}) == (expected, "")
    assert accuracy({**FLOORED, **now}, FLOORED) == (expected.replace("less", "more"), "")


INFINITE = {"output_error": "inf", "output_limits": "inf"}
TOLERATED = {"output_error": "3e-07", "output_limit": "1e-05", "output_limits": "0.03"}


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (TOLERATED, {**INFINITE, "output_limit": "1e-05"}),
        (TOLERATED, {**INFINITE, "output_limit": "0"}),
        ({**FLOORED, "output_limits": "2"}, {**FLOORED, **INFINITE}),
    ],
)
def test_an_error_that_is_not_finite_is_larger_than_any(before: dict[str, str], now: dict[str, str]) -> None:
    assert accuracy(before, now) == ("less exact", "")
    assert accuracy(now, before) == ("more exact", "")
    assert accuracy(now, now) == ("", "")
    found = compare(saved(passed(**before)), saved(passed(**now)))
    text = command.lines(found, Path("a"), Path("b"))
    assert any(("not equal" if now["output_limit"] == "0" else "infinite") in line for line in text)
    assert "B is worse: 1 variant: less exact." in text[-1]
    (variant,) = command.as_data(found, Path("a"), Path("b"))["variants"]
    assert [variant["b"][f"output_error_{name}"] for name in ("relative", "finite", "over_limit")] == [None, False, None]
    assert variant["a"]["output_error_finite"] is True


def test_a_report_without_the_word_on_infinite_errors_is_read() -> None:
    made = json.loads(json.dumps(content(passed())))
    del made["models"][0]["variants"][0]["output_error_finite"]
    assert of_content(made, PATH).variants[0].error == 2.5e-07


def test_an_error_that_grows_with_the_floor_of_the_model_is_none() -> None:
    wide = {"output_error": "1e-05", "output_limit": "4e-05", "output_limits": "0.3", "noise_floor": "1e-05"}
    assert accuracy(FLOORED, wide) == ("", "")


def test_a_limit_of_the_users_that_was_widened_hides_no_error() -> None:
    tight = {"output_error": "1e-06", "output_limit": "1e-05", "output_limits": "0.1"}
    wide = {"output_error": "1e-04", "output_limit": "0.1", "output_limits": "0.001"}
    assert accuracy(tight, wide) == ("less exact", "")
    assert accuracy(tight, {**tight, "output_limits": "0.3"}) == ("less exact", "")


@pytest.mark.parametrize(("before", "now", "expected"), [
    ("4/4", "3/4", "fewer answers"), ("3/4", "4/4", "more answers"), ("4/4", "8/8", ""), ("4/4", "7/8", "fewer answers"),
    ("0/0", "4/4", ""),
])  # fmt: skip
def test_answers_are_compared_by_their_share(before: str, now: str, expected: str) -> None:
    assert accuracy({"answers": before}, {"answers": now}) == ("", expected)


def test_a_variant_of_one_report_is_told_and_not_judged() -> None:
    a, b = saved(passed()), saved(passed(), passed("test_parity[onednn]", variant="onednn"))
    found = {each.variant: (each.a is None, each.b is None, each.worse) for each in compare(a, b).variants}
    assert found == {"cpu": (False, False, ()), "onednn": (True, False, ())}
    assert {each.variant: each.b is None for each in compare(b, a).variants} == {"cpu": False, "onednn": True}
    assert [each.missing for each in compare(a, b).variants] == ["", "only in B"]
    assert [each.missing for each in compare(b, a).variants] == ["", "only in A"]


@pytest.mark.parametrize("told", [properties("net", ""), properties("net", "cpu", unavailable="no GPU")])
def test_a_variant_whose_tests_ended_before_it_was_measured_is_not_of_one_report_alone(told: Any) -> None:
    a = saved(passed())
    b = saved(Result("t::net", "failed", 1.0, told, compared=True, summary="no", text="no"))
    (one,), (two,) = compare(a, b).variants, compare(b, a).variants
    assert (one.b, one.missing, two.missing) == (None, "not measured in B", "not measured in A")
    (row,) = (line for line in command.lines(compare(a, b), Path("a"), Path("b")) if line.startswith("net "))
    assert row.endswith("not measured in B")


def test_a_variant_that_cannot_run_here_is_in_no_report() -> None:
    missing = Result(
        "paddle-model/net::test_parity[gpu]", "skipped", 1.0, properties("net", "gpu", unavailable="no GPU"), compared=True
    )
    assert [each.variant for each in compare(saved(passed(), missing), saved(passed())).variants] == ["cpu"]


# -- times -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "expected"), [(10.0, "held"), (10.5, "held"), (11.6, "undecided"), (14.0, "slower"), (6.0, "faster")]
)
def test_times_of_one_machine_are_judged_on_their_distributions(now: float, expected: str) -> None:
    a, b = saved(log(), times=batches(10.0)), saved(log(), times=batches(now))
    assert slower(a, b)[0] == expected
    assert compare(a, b).worse is (expected == "slower")
    (found,) = compare(a, b).variants
    assert found.times is not None
    assert found.times.verdict is not None
    assert found.times.verdict.confidence == CONFIDENCE


def test_what_is_allowed_can_be_said() -> None:
    a, b = saved(log(), times=batches(10.0)), saved(log(), times=batches(14.0))
    assert (slower(a, b, 0.6)[0], slower(a, b, 0.15)[0]) == ("held", "slower")


def test_the_drift_of_the_training_engine_is_taken_out_where_it_is_the_same_program() -> None:
    a, b = saved(log(), times=batches(10.0)), saved(log(), times=batches(12.0, training=22.0))
    assert slower(a, b)[0] == "held"
    other = saved(log(training_program="2"), times=batches(12.0, training=22.0))
    assert slower(a, other)[0] == "undecided", "the training engine may have changed, and is no yardstick"


@pytest.mark.parametrize(
    ("now", "training", "why"),
    [
        (18.6, 11.3, "for the machine was 1.8 times as fast in B"),
        (40.0, 28.0, "for the machine was 1.4 times as slow in B"),
        (14.0, 28.0, "for the machine was 1.4 times as slow in B"),
        (5.0, 28.0, "for the machine was 1.4 times as slow in B"),
    ],
)
def test_one_run_a_side_on_a_machine_that_was_not_alike_decides_nothing(now: float, training: float, why: str) -> None:
    """Measured on identical code under load: 1.86 times as timed became 3.30 with the drift taken out."""
    a, b = saved(log(), times=batches(10.0)), saved(log(), times=batches(now, training))
    said = slower(a, b)
    assert said == ("undecided", why)
    assert not compare(a, b).worse
    told = command.lines(compare(a, b), Path("a"), Path("b"))
    (line,) = (line for line in told if "not decided, " in line)
    assert line.startswith(f"  - net, cpu: not decided, {why}"), (
        "the reason stands before the figures, which alone may look decided"
    )
    assert f"- to decide them: {SEVERAL_RUNS}" in " ".join(" ".join(told).split())
    data = command.as_data(compare(a, b), Path("a"), Path("b"))["variants"][0]["times"]
    assert data["why"] == f"{why}; {SEVERAL_RUNS}", "whole, where it stands alone"


def test_what_would_decide_the_times_is_told_once() -> None:
    each = [log(variant=name) for name in ("cpu", "onednn")]
    told = " ".join(
        command.lines(compare(saved(*each, times=batches(10.0)), saved(*each, times=batches(40.0, 28.0))), Path("a"), Path("b"))
    )
    assert (told.count("not decided, for"), told.count(SEVERAL_RUNS[:20])) == (2, 1)


def test_another_training_engine_may_be_what_became_faster() -> None:
    a, b = saved(log(), times=batches(10.0)), saved(log(training_program="2"), times=batches(10.0, 14.0))
    assert slower(a, b)[1].startswith(
        "for the machine, or the training engine, which is another program, was 1.4 times as fast in B"
    )


def test_a_slower_model_is_slower_however_much_slower_its_training_engine_is() -> None:
    a, b = saved(log("1.23"), times=batches(1.23, 1.57)), saved(log("4.5", training_program="2"), times=batches(4.5, 3.95))
    assert slower(a, b) == ("slower", "")
    found = compare(a, b)
    told = command.lines(found, Path("a"), Path("b"))
    assert told[-1] == "B is worse: 1 variant: slower."
    assert any("net, cpu: slower: run takes 3.66 times report A (99 %" in line for line in told)
    assert "model's code or settings changed, so the drift of the training engine (2.52 times) is left in" in " ".join(
        " ".join(told).split()
    )
    unknown = saved(log("4.5", training_program=""), times=batches(4.5, 3.95))
    assert slower(a, unknown)[0] == "undecided", "a report of an older version"
    assert slower(b, a)[0] == "undecided", "nobody asks why it became faster"


def test_a_variant_that_failed_for_its_times_has_them() -> None:
    timed = log("30")
    red = replace(timed, outcome="failed", properties=(*timed.properties, (PREFIX + "failed", "log"), (PREFIX + "cause", "slow.")))
    found = compare(saved(log(), times=batches(10.0)), saved(red, times=batches(30.0)))
    (variant,) = found.variants
    assert (variant.worse, [test.change for test in found.tests]) == (("slower",), ["newly failing"])


def of_widths(slower: float, seed: int) -> dict[str, Any]:
    """Times of twelve widths, a millisecond to twelve, with three percent of noise."""
    random, widths = np.random.default_rng(seed), [number % 12 + 1 for number in range(50)]
    inference, training = ([factor * width * random.normal(1, 0.03) for width in widths] for factor in (slower, 2.0))
    shapes = [f"1x3x48x{width}" for width in widths]
    return {
        **batches(1.0),
        "inference_ms": inference,
        "training_ms": training,
        "inference_shapes": shapes,
        "training_shapes": shapes,
    }


def test_batches_of_another_width_are_no_noise() -> None:
    a, same, slow = (saved(log(), times=of_widths(factor, seed)) for factor, seed in ((1.0, 1), (1.0, 2), (1.4, 3)))
    assert slower(a, same) == ("held", "")
    assert slower(a, slow) == ("slower", "")
    older = {name: value for name, value in of_widths(1.4, 3).items() if "shapes" not in name}
    assert slower(a, saved(log(), times=older))[0] == "undecided", "a report of an older version"


def test_quartiles_that_fall_between_two_shapes_say_nothing_of_the_machine() -> None:
    """A quarter of the batches is narrow: by two batches more, the lower quartile goes from the wide ones to them."""

    def made(count: int) -> Any:
        widths = [1 if number % 4 == 0 else 10 for number in range(count)]
        shapes = [f"1x{width}" for width in widths]
        times = {**batches(1.0, count=count, trained=count), "inference_shapes": shapes, "training_shapes": shapes}
        for name in ("inference_ms", "training_ms"):
            times[name] = [each * width for each, width in zip(times[name], widths)]
        return saved(log(), times=times)

    assert slower(made(48), made(50)) == ("held", "")


def test_a_machine_that_was_less_steady_decides_nothing() -> None:
    a, b = saved(log(), times=batches(10.0)), batches(14.0)
    b["training_ms"] = [each * (1.5 if number % 5 < 2 else 1) for number, each in enumerate(b["training_ms"])]
    outcome, why = slower(a, saved(log(), times=b))
    assert outcome == "undecided"
    assert why == "for the machine was not as steady in both, by the quartiles of the training engine's times"


def in_two_ways(slow: int, by: float = 1.0) -> dict[str, Any]:
    """Times of one program on a machine that runs `slow` of the 50 batches in another way; `by`: of a program that takes so many times."""
    times = batches(0.3 * by)
    times["inference_ms"] = [time * (1.9 if number < slow else 1) for number, time in enumerate(times["inference_ms"])]
    return times


def test_slower_or_faster_in_some_batches_alone_is_not_believed() -> None:
    mostly_fast, mostly_slow = (saved(log(), times=in_two_ways(slow)) for slow in (5, 44))
    assert slower(mostly_fast, mostly_slow) == (
        "undecided", "for the fastest tenth of its batches takes 1.01 times, and only others are slower"
    )  # fmt: skip
    assert slower(mostly_slow, mostly_fast) == ("held", ""), "nor faster"
    assert slower(mostly_fast, saved(log(), times=in_two_ways(44, by=1.5)))[0] == "slower"
    assert slower(mostly_fast, saved(log(), times=in_two_ways(5, by=1.5)))[0] == "slower"
    assert slower(saved(log(), times=in_two_ways(5, by=1.5)), mostly_fast)[0] == "faster"
    other = saved(log(training_program="2"), times=in_two_ways(44))
    assert slower(mostly_fast, other)[0] == "undecided", "whatever the code is"


def test_slower_by_the_correction_alone_is_not_believed() -> None:
    a, b = saved(log(), times=batches(10.0)), saved(log(), times=batches(11.3, training=17.6))
    outcome, why = slower(a, b)
    assert outcome == "undecided"
    assert why == "for it takes 1.13 times as measured, without the drift of the training engine taken out"
    assert slower(b, a)[0] == "held", "nor faster"


@pytest.mark.parametrize(
    "other", [{"processor": "Intel Xeon"}, {"cores": 8}, {"architecture": "aarch64"}, {"instructions": ["avx512f"]}]
)
def test_times_of_another_machine_are_shown_and_never_judged(other: dict[str, Any]) -> None:
    a, b = saved(log(), times=batches(10.0)), saved(log("99"), times=batches(99.0), **other)
    assert slower(a, b) == ("not judged", "they were measured on two machines")
    assert not compare(a, b).worse
    assert not compare(a, b).same_machine
    text = "\n".join(command.lines(compare(a, b), Path("a"), Path("b")))
    assert "(9.90)" in text


def test_another_gpu_is_another_machine() -> None:
    a, b = (saved(log(gpu=name), times=batches(10.0)) for name in ("one", "two"))
    assert slower(a, b) == ("not judged", "they were measured on two machines")


@pytest.mark.parametrize(
    ("now", "more", "why"),
    [
        ({"threads": "4"}, {}, "B was measured otherwise: threads 4 instead of 1"),
        ({"input_shape": "3,32,32"}, {}, "B was measured otherwise: input shape 3,32,32 instead of 3,224,224"),
        ({}, {"processes": 2}, "B was measured otherwise: processes 2 instead of 1"),
        ({"batch_size": "4"}, {"times": batches(10.0, size=4)}, "B was measured otherwise: batch size 4 instead of 1"),
        ({}, {"times": None}, "B keeps no times of single batches"),
        ({"p50_ms": "nan"}, {}, "B was not timed"),
        ({}, {"times": batches(-1.0)}, "latencies are finite numbers of seconds greater than 0"),
        (
            {}, {"times": batches(10.0, trained=4)},
            f"B has 4 timed batches of the training engine, and nothing is judged below {LEAST_BATCHES}; "
            "--paddle-perf-save=NAME in both runs times enough of both engines",
        ),
    ],
)  # fmt: skip
def test_times_that_cannot_be_judged_say_why(now: dict[str, str], more: dict[str, Any], why: str) -> None:
    a, b = saved(log(), times=batches(10.0)), saved(log(**now), **{"times": batches(20.0), **more})
    assert slower(a, b) == ("not judged", why)
    assert not compare(a, b).worse


def test_a_model_timed_at_two_batch_sizes_is_compared_at_each_that_both_have() -> None:
    marked = replace(log(batch_size="4"), id="test_user.py::test_net")
    one, both = saved(log(), times=batches(10.0)), saved(log(), marked, times=batches(10.0))
    assert [each.a and each.a.batch_size for each in compare(both, both).variants] == [1, 4]
    assert [each.a and each.a.batch_size for each in compare(both, one).variants] == [1]


def test_of_two_tests_that_timed_a_variant_the_one_with_more_batches_counts() -> None:
    def both(few: float, many: float) -> Any:
        steady = (20.0,) * 25
        timed = [Times(1, (few,) * 9, steady), Times(1, (many,) * 50, steady)]
        tests = tuple(SavedTest(f"t.py::{number}", "passed", "net", "cpu", "", times=each) for number, each in enumerate(timed))
        return replace(saved(log()), tests=tests)

    assert slower(both(10.0, 10.0), both(90.0, 10.0))[0] == "held"
    assert slower(both(10.0, 10.0), both(10.0, 90.0))[0] == "slower"


# -- what differs around them ------------------------------------------------------------------------------------------


def differences(a: Any, b: Any) -> dict[str, tuple[str, str]]:
    return {each.what: (each.a, each.b) for each in compare(a, b).differences}


def test_what_may_explain_a_change_is_named() -> None:
    option = [{"option": "--paddle-threads", "values": ["4"], "origin": "command line"},
              {"option": "--paddle-report", "values": ["/x"], "origin": "command line"}]  # fmt: skip
    a = saved(passed(weights="random weights, seed 0"), instructions=["avx", "avx2"])
    b = saved(
        passed(weights="net.pdparams"), paddle="2.6.2", packages={"numpy": "1.26.4", "pillow": "9.1"}, instructions=["avx", "fma"],
        options=option, processes=2, cores=2.0,
    )  # fmt: skip
    assert differences(a, b) == {
        "Paddle": ("3.3.1", "2.6.2"), "cores": ("1.5", "2"), "instruction sets": ("avx2", "fma"), "numpy": ("2.0", "1.26.4"),
        "processes": ("1", "2"), "pillow": ("", "9.1"), "--paddle-threads": ("", "4"),
        "weights of net": ("random weights, seed 0", "net.pdparams"),
    }  # fmt: skip
    assert differences(a, a) == {}


def test_another_paddle_below_the_same_other_python_is_named() -> None:
    a, b = (saved(passed(), engine_python="/other/python", engine_paddle=version) for version in ("3.3.1", "3.2.2"))
    assert differences(a, b) == {"Paddle of --paddle-python": ("3.3.1", "3.2.2")}
    del a.environment["engine_paddle"]  # of a plugin that did not say it yet
    assert differences(a, b) == {"Paddle of --paddle-python": ("", "3.2.2")}


def test_weights_of_a_model_that_one_did_not_run_or_not_so_far_have_not_changed() -> None:
    a = saved(passed(weights="net.pdparams"), passed(model="other", weights="other.pdparams"), passed(model="same", weights="a"))
    b = saved(Result("t::net", "failed", 1.0, properties("net", ""), compared=True), passed(model="same", weights="b"))
    assert differences(a, b) == {"weights of same": ("a", "b")}
    assert differences(b, a) == {"weights of same": ("b", "a")}


# -- what is said ------------------------------------------------------------------------------------------------------


def red(**facts: str) -> Result:
    told = properties("net", "cpu", ("failed", "parity"), cause="net, cpu: off.", **facts)
    return Result("paddle-model/net::test_parity[cpu]", "failed", 1.0, told, compared=True, summary="net, cpu: off.", text="off.")


def worst() -> Comparison:
    a = saved(passed(**FLOORED), log(), log(variant="onednn"), passed(model="gone"), times=batches(10.0))
    worse = {**FLOORED, "output_limits": "1.3", "answers": "3/4"}
    b = saved(red(**worse), log("14"), log("14", variant="onednn"), times=batches(14.0), packages={"numpy": "2.1"})
    return compare(a, b)


def test_the_text_says_what_is_worse_and_how_sure_it_is() -> None:
    told = command.lines(worst(), Path("old"), Path("new"))
    text = "\n".join(told)
    assert told[:2] == [
        "A  old: passed, 2026-01-02T03:04:05+00:00, run 0123456789abcdef",
        "B  new: failed, 2026-01-02T03:04:05+00:00, run 0123456789abcdef",
    ]
    assert "\n\nwhat differs around them, A -> B\n  numpy  2.0 -> 2.1\n\n" in text
    assert "\n\ntests, newly failing\n  paddle-model/net::test_parity[cpu]\n    net, cpu: off.\n\n" in text
    assert "tests, only in A\n  paddle-model/gone::test_parity[cpu]\n" in text
    (row,) = (line for line in told if line.startswith("net    cpu  "))
    assert row.split()[2:9] == ["0.3", "1.3", "4/4", "3/4", "10", "14", "1.40"]
    assert row.endswith("  slower, less exact, fewer answers")
    flat = " ".join(text.split())
    judged = "run takes 1.40 times report A, with the drift of the training engine (1.00 times) taken out (99 % interval "
    assert f"- net, onednn: slower: {judged}" in flat
    assert flat.endswith("B is worse: 1 test newly failing; 2 variants: slower; 1 variant: less exact; 1 variant: fewer answers. "
                         "1 test of A did not run in B.")  # fmt: skip


def test_the_text_is_plain_and_sentences_fit_its_width() -> None:
    told = command.lines(worst(), Path("old"), Path("new"))
    assert "\n".join(told).isascii()
    table = [line for line in told if line.startswith(("model ", "net ", "gone "))]
    assert len(table) == 4
    assert max(len(line) for line in told if line not in table) <= WIDTH


def test_the_text_of_equal_reports_says_so() -> None:
    a, b = (saved(passed(), log(), times=batches(10.0, trained=4)) for _ in "ab")
    told = command.lines(compare(a, b), Path("a"), Path("b"))
    assert "Machine, versions, options and weights are the same." in told
    assert "A report holds no code: that of the model, of its processing and of own variants may have changed." in told
    assert told[-1] == "Nothing is worse in B. The times of 1 variant are not decided."
    assert "Both are the report of the same run." in told


def test_reasons_that_several_variants_share_are_told_once() -> None:
    a, b = saved(log(), log(variant="onednn")), saved(log(), log(variant="onednn"))
    told = command.lines(compare(a, b), Path("a"), Path("b"))
    assert [line for line in told if "not judged" in line] == [
        "B / A: in brackets the ratio of the two medians as they were measured, which was not judged.",
        "  - times not judged: A keeps no times of single batches: net, cpu; net, onednn",
    ]


def ratios(a: Any, b: Any) -> str:
    """What is said of the column `B / A`, behind the cell of the first row."""
    told = command.lines(compare(a, b), Path("a"), Path("b"))
    below = next((line for line in told if line.startswith("B / A: ")), "")
    (cell,) = (line.split()[-2] for line in told if line.startswith("net    cpu "))
    return f"{cell} {below}"


def test_a_ratio_that_is_not_that_of_the_medians_beside_it_is_explained() -> None:
    a = saved(log("10"), times=batches(10.0))
    drifted = saved(log("10.4"), times=batches(10.4, training=20.8))
    assert ratios(a, drifted) == f"1.00 B / A: {command.DRIFT_TAKEN_OUT}."
    assert ratios(a, saved(log("10.4"), times=batches(10.4))) == "1.04 ", "nothing was taken out"
    assert ratios(a, saved(log("5"))) == f"(0.50) B / A: {command.NOT_JUDGED}."


def test_both_explanations_stand_in_one_line() -> None:
    a = saved(log("10"), log("10", variant="onednn"), times=batches(10.0))
    b = saved(log("10.4"), log("10.4", variant="onednn", threads="2"), times=batches(10.4, training=20.8))
    told = " ".join(command.lines(compare(a, b), Path("a"), Path("b")))
    assert f"B / A: {command.DRIFT_TAKEN_OUT}; {command.NOT_JUDGED}." in told


def test_as_json_it_says_the_same_with_numbers() -> None:
    told = json.loads(json.dumps(command.as_data(worst(), Path("old"), Path("new")), allow_nan=False))
    assert (told["format"], told["worse"], told["same_machine"], told["ended_early"], told["allowed"]) == (
        1,
        True,
        True,
        False,
        0.15,
    )
    assert told["a"] == {"report": "old", "run": "0123456789abcdef", "started": "2026-01-02T03:04:05+00:00", "verdict": "passed"}
    assert told["differences"] == [{"what": "numpy", "a": "2.0", "b": "2.1"}]
    assert told["tests"][0] == {
        "id": "paddle-model/net::test_parity[cpu]", "change": "newly failing", "worse": True, "a": "passed", "b": "failed",
        "why": "net, cpu: off.", "checkpoints": [],
    }  # fmt: skip
    cpu = next(each for each in told["variants"] if (each["model"], each["variant"]) == ("net", "cpu"))
    assert cpu["worse"] == ["slower", "less exact", "fewer answers"]
    assert (cpu["b"]["output_error_over_limit"], cpu["b"]["answers_agreed"]) == (1.3, 3)
    times = cpu["times"]
    assert (times["outcome"], times["why"], times["confidence"]) == ("slower", None, CONFIDENCE)
    assert 1.15 < times["low"] < times["ratio"] < times["high"]


# -- the command -------------------------------------------------------------------------------------------------------


def write(directory: Path, *results: Result, **changes: Any) -> Path:
    directory.mkdir()
    (directory / "report.json").write_text(json.dumps({**content(*results), **changes}), encoding="utf-8")
    return directory


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The last line of a usage error."""
    with pytest.raises(SystemExit) as ended:
        program.main(["compare", *words])
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_the_exit_code_says_whether_anything_is_worse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    green, bad = str(write(tmp_path / "green", passed())), str(write(tmp_path / "bad", red()))
    assert program.main(["compare", green, f"{green}/report.json"]) == 0
    assert program.main(["compare", bad, green]) == 0
    assert program.main(["compare", green, bad]) == 1
    assert "B is worse: 1 test newly failing." in capsys.readouterr().out
    assert program.main(["compare", green, bad, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["worse"] is True


def test_a_report_none_of_whose_tests_ran_again_is_no_proof(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = str(write(tmp_path / "both", passed(), passed("test_parity[onednn]", variant="onednn")))
    one, other = str(write(tmp_path / "one", passed())), str(write(tmp_path / "other", passed(model="other")))
    assert program.main(["compare", both, one]) == 0
    assert capsys.readouterr().out.endswith("\nNothing is worse in B. 1 test of A did not run in B.\n")
    assert program.main(["compare", both, other]) == 1
    assert capsys.readouterr().out.endswith("\nB is worse: no test that passed in A ran in B. 2 tests of A did not run in B.\n")
    assert program.main(["compare", both, other, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["nothing_left"], told["not_run"]) == (True, 2)
    assert program.main(["compare", str(write(tmp_path / "bad", red())), other]) == 0


def test_a_report_is_not_worse_than_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    green = str(write(tmp_path / "green", passed()))
    assert program.main(["compare", green, green]) == 0
    assert "Both are the report of the same run." in capsys.readouterr().out


def test_the_share_that_is_allowed_is_a_percentage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    green = str(write(tmp_path / "green", passed()))
    assert program.main(["compare", green, green, "--allow", "30%", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["allowed"] == 0.3
    assert "'0.3' is not a percentage; write 15%" in refused(capsys, green, green, "--allow", "0.3")
    assert "'5' lacks the % sign; write 5%" in refused(capsys, green, green, "--allow=5")
    with pytest.raises(SystemExit):
        program.main(["compare", "--help"])
    assert "--allow PERCENT%" in capsys.readouterr().out


def test_a_place_without_a_report_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    green = str(write(tmp_path / "green", passed()))
    remedy = "give the directory of a run with --paddle-report, or the report.json in it."
    (tmp_path / "empty").mkdir()
    assert refused(capsys, green, f"{tmp_path}/empty").endswith(f"error: {tmp_path}/empty holds no report.json; {remedy}")
    assert refused(capsys, f"{tmp_path}/none", green).endswith(f"error: there is no file {tmp_path}/none; {remedy}")
    assert refused(capsys, green).endswith("error: the following arguments are required: B")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"generator": "other 1.0"}, "is no report of pytest-paddle-infer; give the report.json of a run with --paddle-report"),
        ({"schema_version": "2.0"},
         f"has version 2.0 of the schema, and this pytest-paddle-infer reads {SCHEMA_VERSION}: update pytest-paddle-infer"),
        ({"schema_version": "new"}, "is damaged (*): run the tests again with --paddle-report"),
        ({"tests": None}, "is damaged (None is not a list): run the tests again with --paddle-report"),
        ({"tests": [{}]}, "is damaged (it has no 'failure'): run the tests again with --paddle-report"),
        ({"environment": {}}, "is damaged (it has no *): run the tests again with --paddle-report"),
        ({"models": [3]}, "is damaged (*): run the tests again with --paddle-report"),
        ({"session": []}, "is damaged (* is not a dict): run the tests again with --paddle-report"),
    ],
)  # fmt: skip
def test_a_report_that_cannot_be_read_is_one_sentence(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    place = write(tmp_path / "rep", passed(), **changes)
    with pytest.raises(ReportError) as raised:
        read(place)
    assert fnmatch.fnmatchcase(str(raised.value), f"{place}/report.json {message}"), raised.value


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\udcff", "[]", "3", "null"])
def test_what_is_no_json_of_ours_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ReportError, match=r"report\.json is (no report of|damaged \(it is not JSON\))"):
        read(tmp_path)


def test_a_report_that_the_system_does_not_give_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises(ReportError, match=r"report\.json cannot be read: Is a directory"):
        read(tmp_path)


Damage = Union[list[Any], dict[str, Any], float, str, bool, None]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything that stands in a report."""
    if path:
        yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*path, key))


@pytest.mark.parametrize(
    "damage", [[], ["x"], {}, {"x": [1]}, 3, 10**400, 1e999, True, None, "", "nan", float("nan")], ids=lambda value: f"{value!r:.9}"
)
def test_a_report_that_is_damaged_anywhere_is_one_sentence_or_makes_no_difference(tmp_path: Path, damage: Damage) -> None:
    whole = json.loads(json.dumps(content(passed(weights="net.pdparams"), log(), failed(model="other"))))
    whole["tests"][0]["details"] = {"parity": None, "latency": batches(10.0, count=3), "layers": None}
    path = tmp_path / "report.json"
    path.write_text(json.dumps(whole))
    good = read(path)
    refused = 0
    for place in list(places(whole)):
        broken = copy.deepcopy(whole)
        inside = broken
        for key in place[:-1]:
            inside = inside[key]
        inside[place[-1]] = damage
        path.write_text(json.dumps(broken))
        try:
            found = read(path)
        except ReportError:
            refused += 1
            continue
        for pair in ((good, found), (found, good)):
            both = compare(*pair)
            assert command.lines(both, path, path)
            json.dumps(command.as_data(both, path, path), allow_nan=False)
    assert refused > 10


@pytest.mark.parametrize(
    ("number", "why"),
    [("NaN", "it is not JSON"), ("-Infinity", "it is not JSON"), ("1e999", "output_error_relative is not finite")],
)
def test_a_number_that_json_has_not_is_damage(tmp_path: Path, number: str, why: str) -> None:
    (tmp_path / "report.json").write_text(json.dumps(content(passed())).replace("2.5e-07", number))
    with pytest.raises(ReportError, match=rf"report\.json is damaged \({why}\): run the tests again"):
        read(tmp_path)


def test_a_figure_that_is_no_number_is_damage() -> None:
    made = json.loads(json.dumps(content(passed())))
    made["models"][0]["variants"][0]["output_error_relative"] = "much"
    with pytest.raises(
        ReportError, match=r"is damaged \(output_error_relative is 'much', which is no number\): run the tests again"
    ):
        of_content(made, PATH)


def test_without_numpy_nothing_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: Any) -> Any:
        raise ModuleNotFoundError("No module named 'numpy'", name="numpy")

    monkeypatch.setattr("pytest_paddle_infer.report.comparison.compare", missing)
    one = str(write(tmp_path / "a", passed()))
    assert program.main(["compare", one, one]) == 2
    assert capsys.readouterr().out == "numpy is not installed, and times cannot be judged without it; `doctor` says what to do.\n"


def test_a_variant_of_the_second_report_alone_and_a_run_that_ended_early_are_told() -> None:
    found = compare(saved(passed()), saved(passed(), passed(variant="onednn"), verdict="incomplete"))
    text = " ".join(" ".join(command.lines(found, "a", "b")).split())
    assert "only in B" in text
    assert "the run itself: incomplete" in text


def test_a_newer_minor_version_with_keys_of_its_own_is_read(tmp_path: Path) -> None:
    assert read(write(tmp_path / "rep", passed(), schema_version="1.9", more=1)).verdict == "passed"


def test_reports_are_compared_without_paddle_and_read_without_numpy(tmp_path: Path) -> None:
    green = write(tmp_path / "green", passed())
    code = (
        "import sys; from pytest_paddle_infer.command.program import main; "
        f"main(['compare', {str(green)!r}, {str(green)!r}]); print({{'numpy', 'paddle', 'jsonschema'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "set()"
