"""report/matrix.py, matrix_table.py, matrix_file.py, pareto.py: from figures on reports to the comparison of the variants."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_paddle_infer.failures import Failure
from pytest_paddle_infer.report import matrix_file
from pytest_paddle_infer.report.figures import PREFIX, Figures
from pytest_paddle_infer.report.matrix import Matrix, Row, read_matrices
from pytest_paddle_infer.report.matrix_file import output_root, to_json, write_matrix
from pytest_paddle_infer.report.matrix_table import lines
from pytest_paddle_infer.report.pareto import best_of, dominates

Report = list[tuple[str, str]]


def report(model: str, variant: str = "", /, **facts: Any) -> Report:
    named = {"model": model, **({"variant": variant} if variant else {}), **facts}
    return [(PREFIX + name, str(value)) for name, value in named.items()]


def parity(variant: str, error: float = 1e-6, /, model: str = "net", **facts: Any) -> Report:
    more = {"output_limit": 4e-6, "output_limits": error / 4e-6, "noise_floor": 1e-6, "answers": "4/4", "ties": 0}
    return report(model, variant, output_error=error, **{**more, **facts})


def log(variant: str, p50: float = 10.0, memory: float = 500.0, /, model: str = "net", **facts: Any) -> Report:
    more = {
        "preprocess_ms": 1.5, "inference_ms": p50, "postprocess_ms": 0.25, "p50_ms": p50, "p99_ms": 1.25 * p50, "spread_ms": 0.5,
        "batches": 50, "batch_size": 1, "first_ms": 3 * p50, "load_s": 0.25, "memory_mb": memory, "training_p50_ms": 20,
    }  # fmt: skip
    return report(model, variant, **{**more, **facts})


def both(variant: str, error: float = 1e-6, p50: float = 10.0, memory: float = 500.0, **facts: Any) -> list[Report]:
    return [parity(variant, error), log(variant, p50, memory, **facts)]


def rows(reports: list[Report]) -> dict[str, Row]:
    (matrix,) = read_matrices(reports)
    return {row.variant: row for row in matrix.rows}


def best(*variants: list[Report]) -> set[str]:
    return {name for name, row in rows([each for reports in variants for each in reports]).items() if row.pareto_best}


# -- reading -----------------------------------------------------------------------------------------------------------


def test_a_row_has_what_parity_and_log_measured() -> None:
    row = rows([report("net", artifact_bytes=1), *both("cpu", 2e-6, 10.0, 512.0, batch_size=4)])["cpu"]
    assert (row.passed, row.failed) == (("artifacts", "parity", "log"), ())
    assert (row.accuracy.output_error, row.accuracy.output_limits, row.accuracy.agreed, row.accuracy.compared) == (2e-6, 0.5, 4, 4)
    assert (row.speed.p50_ms, row.speed.p99_ms, row.speed.first_ms, row.speed.memory_mb) == (10, 12.5, 30, 512)
    assert row.throughput == 400, "samples a second: four a batch, a hundred batches a second"


def test_the_training_engine_is_the_yardstick_of_both_speed_ups() -> None:
    # the machine was twice as slow while onednn ran; its training engine says so
    found = rows([log("cpu", 10, training_p50_ms=20), log("onednn", 10, training_p50_ms=40)])
    assert (found["cpu"].over_training, found["cpu"].over_cpu) == (2, 1)
    assert (found["onednn"].over_training, found["onednn"].over_cpu) == (4, 2)


def test_there_is_no_speed_up_without_what_it_is_over() -> None:
    found = rows([log("onednn", 10, training_p50_ms="nan")])
    assert (found["onednn"].over_training, found["onednn"].over_cpu) == (None, None)
    found = rows([log("onednn"), parity("cpu")])
    assert (found["onednn"].over_training, found["onednn"].over_cpu) == (2, None)


def test_a_log_without_times_of_single_batches_has_its_means() -> None:
    (matrix,) = read_matrices([report("net", "cpu", preprocess_ms=1, inference_ms=10, postprocess_ms=2)])
    assert matrix.batch_size is None
    assert matrix.rows[0].passed == ("log",)
    assert (matrix.rows[0].speed.inference_ms, matrix.rows[0].speed.p50_ms) == (10, None)
    assert not matrix.rows[0].pareto_best


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "fast", ""])
def test_what_is_no_number_is_not_measured(text: str) -> None:
    row = rows([log("cpu", p99_ms=text)])["cpu"]
    assert row.speed.p99_ms is None
    assert rows([log("cpu", p50_ms=text)])["cpu"].throughput is None


def test_an_error_that_is_not_finite_is_the_worst_and_says_so() -> None:
    reports = [parity("cpu", 2e-6), parity("cpu", float("inf")), *both("onednn"), log("cpu")]
    (cpu, onednn) = to_json(read_matrices(reports))["models"][0]["variants"]
    assert [cpu[f"output_error_{name}"] for name in ("relative", "finite", "over_limit")] == [None, False, None]
    assert cpu["output_limit_relative"] == 4e-6
    assert onednn["output_error_finite"] is True
    assert table(reports)[0]["worst / limit"] == "infinite / 4e-06"


def test_integers_that_differ_are_not_equal() -> None:
    reports = [parity("cpu", float("inf"), output_limit=0), log("cpu"), parity("onednn", 0, output_limit=0), log("onednn")]
    assert [row["worst / limit"] for row in table(reports)] == ["not equal", "equal"]


def test_an_error_that_is_not_known_is_not_infinite() -> None:
    (row,) = to_json(read_matrices([parity("cpu", float("nan"), output_limits="inf")]))["models"][0]["variants"]
    assert (row["output_error_relative"], row["output_error_finite"]) == (None, None)


def test_a_time_of_zero_divides_nothing() -> None:
    row = rows([log("cpu", 0.0)])["cpu"]
    assert (row.throughput, row.over_training, row.pareto_best) == (None, None, False)


def test_a_failure_of_the_artifacts_is_one_of_every_variant() -> None:
    (matrix,) = read_matrices([report("net", failed="artifacts", cause="net: cut"), *both("cpu"), *both("onednn")])
    assert matrix.failed == (("artifacts", "net: cut"),)
    assert [row.failed for row in matrix.rows] == [(("artifacts", "net: cut"),)] * 2
    assert not any(row.pareto_best for row in matrix.rows)


def test_a_failed_checkpoint_did_not_pass_whatever_a_rerun_says() -> None:
    row = rows([parity("cpu"), parity("cpu", 1.0, failed="parity", cause="far\noff"), log("cpu")])["cpu"]
    assert (row.passed, row.failed) == (("log",), (("parity", "far off"),))


def test_of_several_causes_and_reasons_the_order_does_not_matter() -> None:
    failures = [report("net", "cpu", failed="log", **({"cause": cause} if cause else {})) for cause in ("b", "", "a", "c")]
    reasons = [report("net", "cpu", unavailable=reason) for reason in ("no library", "no device", "no driver")]
    for found in (failures + reasons, reasons[::-1] + failures[::-1]):
        assert rows(found)["cpu"].failed == (("log", "a"),)
        assert rows(found)["cpu"].unavailable == "no device; no driver; no library"


def test_of_two_comparisons_of_a_variant_the_worse_counts_whole() -> None:
    row = rows([parity("cpu", 1e-6, answers="4/4"), parity("cpu", 3e-6, answers="7/8"), parity("cpu", 2e-6)])["cpu"]
    assert (row.accuracy.output_error, row.accuracy.agreed) == (3e-6, 7)


def test_of_two_timings_of_a_variant_the_longer_counts_whole() -> None:
    row = rows([log("cpu", 8, batches=10), log("cpu", 10, batches=50), log("cpu", 9, batches=20)])["cpu"]
    assert (row.speed.p50_ms, row.speed.p99_ms, row.speed.batches) == (10, 12.5, 50)


def test_batch_sizes_are_not_compared_with_each_other() -> None:
    reports = [*both("cpu"), log("cpu", 30, batch_size=4), log("onednn", 5), log("onednn", 12, batch_size=4), parity("onednn")]
    one, four = read_matrices(reports)
    assert (one.batch_size, four.batch_size) == (1, 4)
    assert [row.speed.p50_ms for row in one.rows] == [10, 5]
    assert [row.speed.p50_ms for row in four.rows] == [30, 12]
    assert [row.accuracy.output_error for row in four.rows] == [1e-6, 1e-6]


def test_a_report_with_figures_of_two_variants_gives_them_to_none() -> None:
    mixed = [*log("cpu", 10), *log("onednn", 5)]
    assert read_matrices([mixed]) == []
    assert list(rows([mixed, log("cpu", 9)])) == ["cpu"]


def test_several_notes_and_planted_faults_are_no_contradiction() -> None:
    notes = [(PREFIX + name, text) for name in ("note", "tooth") for text in ("one", "two")]
    assert rows([[*log("cpu", 9), *notes]])["cpu"].speed.p50_ms == 9


def test_reports_of_others_are_passed_over() -> None:
    strange: list[Any] = [[("other", "1")], [(5, 1)], [], [(PREFIX + "variant", "cpu")]]
    assert read_matrices(strange) == []
    assert rows([[(PREFIX + "model", "net"), (PREFIX + "variant", "cpu"), (PREFIX + "cause", 5)]])["cpu"].failed == ()  # type: ignore[list-item]


def test_what_figures_writes_is_what_the_matrix_reads() -> None:
    properties: list[tuple[str, object]] = []
    figures = Figures(properties, "net", "tensorrt")
    figures.unavailable("no\nlibrary ")
    figures.failed("parity", Failure("net, tensorrt: off.\nmore", figures=(("output_error", "0.5"),)))
    assert (PREFIX + "unavailable", "no library") in properties
    row = rows([[(name, str(value)) for name, value in properties]])["tensorrt"]
    assert row.unavailable == "no library"
    assert row.failed == (("parity", "net, tensorrt: off."),)
    assert row.accuracy.output_error == 0.5


# -- Pareto ------------------------------------------------------------------------------------------------------------


def test_a_variant_that_is_worse_in_everything_is_not_best() -> None:
    assert best(both("cpu", 1e-6, 10, 500), both("slow", 1e-4, 20, 600)) == {"cpu"}


def test_each_goal_alone_makes_a_variant_best() -> None:
    variants = [both("exact", 1e-6, 30, 900), both("fast", 1e-3, 5, 900), both("small", 1e-3, 30, 300)]
    assert best(*variants) == {"exact", "fast", "small"}


def test_times_within_what_noise_explains_are_equal() -> None:
    lean, fat = both("lean", 1e-6, 10.4, 500), both("fat", 1e-6, 10.0, 600)
    assert best(lean, fat) == {"lean"}
    assert best(both("lean", 1e-6, 10.65, 500), fat) == {"lean", "fat"}
    assert best(both("lean", 1e-6, 10.7, 500, spread_ms=3), fat) == {"lean"}
    assert best(both("lean", 1e-6, 10.65, 500, batches=8), fat) == {"lean"}
    assert best(both("lean", 1e-6, 20, 500, batches=7), fat) == {"lean"}, "of seven batches nothing is known"


def test_the_median_of_batches_of_several_shapes_is_not_compared_itself() -> None:
    """It rests on the few batches of the middle shapes; the factor to the training engine is of all."""
    lean, fat = (
        both(name, 1e-6, p50, memory, shapes=12, training_p50_ms=2 * p50)
        for name, p50, memory in (("lean", 11, 500), ("fat", 10, 600))
    )
    assert best(lean, fat) == {"lean"}
    assert best(both("lean", 1e-6, 11, 500, shapes=12, training_p50_ms=20), fat) == {"lean", "fat"}
    assert best(both("lean", 1e-6, 10, 500, shapes=12, training_p50_ms=18), fat) == {"lean", "fat"}
    assert best(both("lean", 1e-6, 11, 500), fat) == {"lean", "fat"}, "of one shape it is"


def test_the_table_says_of_how_many_shapes_the_batches_are() -> None:
    told = lines(read_matrices([*both("cpu", shapes=12), *both("onednn", shapes=12)]))
    assert "net: 50 timed batches of 1 sample in 12 shapes" in told


def test_memory_within_its_tolerance_is_equal() -> None:
    assert best(both("one", 1e-6, 10, 2000), both("two", 1e-6, 5, 2039)) == {"two"}
    assert best(both("one", 1e-6, 10, 2000), both("two", 1e-6, 5, 2045)) == {"one", "two"}


def test_memory_that_differs_by_less_than_one_variants_from_session_to_session_is_equal() -> None:
    assert best(both("cpu-noopt", 1e-6, 3.4, 20.9), both("cpu", 1e-6, 0.34, 21.9)) == {"cpu"}, "a tiny net"
    assert best(both("one", 1e-6, 10, 20), both("two", 1e-6, 5, 31.9)) == {"two"}
    assert best(both("one", 1e-6, 10, 20), both("two", 1e-6, 5, 32.1)) == {"one", "two"}


def test_gpu_memory_has_no_such_noise() -> None:
    gpu = [both(name, 1e-6, p50, 2000, gpu_memory_mb=memory) for name, p50, memory in (("one", 10, 100), ("two", 5, 109))]
    assert best(*gpu) == {"one", "two"}


def fastest(*variants: list[Report]) -> tuple[str, ...]:
    (matrix,) = read_matrices([each for reports in variants for each in reports])
    return matrix.fastest


def test_the_fastest_is_one_that_passed_and_whose_answers_are_proven() -> None:
    wrong = [parity("wrong", 1e-6, failed="parity"), log("wrong", 1, 100)]
    assert fastest(both("cpu", 1e-6, 10), both("onednn", 1e-6, 5), wrong, [log("unproven", 2)]) == ("onednn",)
    assert fastest([log("cpu", 10)], [log("onednn", 5)]) == ("onednn",), "parity was not asked for"
    assert fastest(wrong) == ()


def test_those_that_noise_may_have_made_slower_than_the_fastest_stand_behind_it() -> None:
    assert fastest(both("cpu", 1e-6, 10.4), both("onednn", 1e-6, 10.0), both("slow", 1e-6, 10.7)) == ("onednn", "cpu")
    assert fastest(both("cpu", 1e-6, 10.7, spread_ms=3), both("onednn", 1e-6, 10.0)) == ("onednn", "cpu")


def test_more_batches_decide_which_is_the_fastest() -> None:
    few, many = (
        [both(name, 1e-6, p50, spread_ms=2, batches=count) for name, p50 in (("cpu", 10), ("onednn", 9))] for count in (10, 90)
    )
    assert fastest(*few) == ("onednn", "cpu")
    assert fastest(*many) == ("onednn",)
    single = [both(name, 1e-6, p50, spread_ms=0, batches=7) for name, p50 in (("cpu", 10), ("onednn", 5))]
    assert fastest(*single) == ("onednn", "cpu"), "the spread of seven is not known"


def test_a_variant_is_slower_only_where_its_median_and_its_ratio_to_the_training_engine_both_say_so() -> None:
    cpu = both("cpu", 1e-6, 10, training_p50_ms=20)
    assert fastest(cpu, both("onednn", 1e-6, 12, training_p50_ms=40)) == ("onednn", "cpu"), "the machine slowed down, it seems"
    assert fastest(cpu, both("onednn", 1e-6, 12, training_p50_ms=23)) == ("cpu", "onednn"), "all but 4 % of it"
    assert fastest(cpu, both("onednn", 1e-6, 12, training_p50_ms=20)) == ("cpu",)
    assert fastest(cpu, both("onednn", 1e-6, 12, training_p50_ms="")) == ("cpu",), "where it was timed for all"


def test_a_yardstick_measured_in_a_slow_stretch_makes_no_variant_the_fastest() -> None:
    """Seen on two cores that others used: the threads of one variant waited, and then the training engine did."""
    seen = [
        both("cpu", 1e-6, 1.252, 500, spread_ms=0.2, training_p50_ms=1.21),
        both("onednn", 1e-6, 0.780, 500, spread_ms=0.2, training_p50_ms=1.22),
        both("two-threads:threads=2", 1e-6, 1.447, 520, spread_ms=0.2, training_p50_ms=6.25),
    ]
    assert fastest(*seen) == ("two-threads:threads=2", "onednn", "cpu")
    assert best(*seen) == {"onednn"}, "two-threads takes more memory, and its time is not decided"
    (matrix,) = read_matrices([each for reports in seen[:2] for each in reports])
    assert matrix.fastest == ("onednn",)


def test_variants_of_one_program_are_never_decided_against_each_other() -> None:
    one, two = both("cpu", 1e-6, 10.0), both("nofold", 1e-6, 14.0)
    assert (fastest(one, two), best(one, two)) == (("cpu",), {"cpu"})
    twins = [parity("cpu", program="5"), parity("nofold", program="5")]
    assert (fastest(one, two, twins), best(one, two, twins)) == (("cpu", "nofold"), {"cpu", "nofold"})
    others = [parity("cpu", program="5"), parity("nofold", program="6")]
    assert (fastest(one, two, others), best(one, two, others)) == (("cpu",), {"cpu"})
    unsure = [*twins, parity("nofold", program="6")]
    assert rows([*one, *two, *unsure])["nofold"].program == "", "of two programs that a variant ran, nobody knows which was timed"


@given(st.floats(0.1, 100), st.floats(0.1, 100))
@example(1.5, 0.7)  # so rounded, 1.5 is larger than 0.7 * (1.5 / 0.7)
@settings(deadline=None, max_examples=50)
def test_whatever_was_measured_of_one_program(one: float, two: float) -> None:
    twins = [parity("cpu", program="5"), parity("nofold", program="5")]
    assert len(fastest(both("cpu", 1e-6, one), both("nofold", 1e-6, two), twins)) == 2


def test_what_lies_no_farther_apart_than_variants_of_one_program_is_not_decided() -> None:
    twins = [parity("cpu", program="5"), parity("nofold", program="5")]
    three = [both("cpu", 1e-6, 10.0), both("nofold", 1e-6, 14.0), both("onednn", 1e-6, 8.0)]
    assert fastest(*three) == ("onednn",)
    assert fastest(*three, twins) == ("onednn", "cpu"), "14.0 over 10.0 is more than 10.0 over 8.0"
    assert fastest(*three[:2], both("onednn", 1e-6, 7.0), twins) == ("onednn",)
    failing = [parity("nofold", 1.0, failed="parity", program="5")]
    assert fastest(*three, twins, failing) == ("onednn",), "of one that does not compete nothing is taken"


def test_variants_that_noise_cannot_tell_apart_are_best_together() -> None:
    assert best(both("one", 3e-6, 10, 500), both("two", 3.5e-6, 10.3, 509)) == {"one", "two"}


def test_errors_below_the_training_engines_own_rounding_are_equal() -> None:
    assert best(both("cpu", 1e-6, 10), both("onednn", 1e-9, 20)) == {"cpu"}


def test_errors_within_a_factor_of_two_are_equal_and_others_not() -> None:
    assert best(both("one", 4e-4, 10), both("two", 7e-4, 5)) == {"two"}
    assert best(both("one", 4e-4, 10), both("two", 9e-4, 5)) == {"one", "two"}


def test_an_error_counts_as_it_is_and_not_over_its_limit() -> None:
    half = [parity("fp16", 1e-3, output_limit=1e-2, output_limits=0.1), log("fp16", 10)]
    assert best([parity("cpu", 3.9e-6), log("cpu", 10)], half) == {"cpu"}


def test_gpu_memory_is_a_goal_where_a_gpu_is_used() -> None:
    gpu = [both("gpu", 1e-6, 1.0, 2000, gpu_memory_mb=800, spread_ms=0.01), both("gpu-fp16", 1e-3, 1.0, 2000, gpu_memory_mb=400)]
    (matrix,) = read_matrices([each for reports in gpu for each in reports])
    assert matrix.objectives == ("error", "p50", "memory", "GPU memory")
    assert best(*gpu) == {"gpu", "gpu-fp16"}
    assert best(gpu[0], both("gpu-bf16", 1e-3, 1.0, 2000, gpu_memory_mb=800)) == {"gpu"}


def test_a_failed_variant_is_not_best_and_beats_none() -> None:
    wrong = [parity("wrong", 1e-6, failed="parity"), log("wrong", 1, 100)]
    assert best(wrong, both("cpu")) == {"cpu"}


def test_a_variant_without_parity_is_not_best_where_others_have_it() -> None:
    assert best([log("unproven", 1, 100)], both("cpu")) == {"cpu"}


def test_without_any_parity_time_and_memory_decide() -> None:
    (matrix,) = read_matrices([log("cpu", 10, 500), log("onednn", 5, 500)])
    assert matrix.objectives == ("p50", "memory")
    assert [row.pareto_best for row in matrix.rows] == [False, True]


def test_a_goal_that_one_of_them_lacks_does_not_count() -> None:
    (matrix,) = read_matrices([*both("cpu", 1e-6, 10, 500), *both("onednn", 1e-6, 5, 900, memory_mb="")])
    assert matrix.objectives == ("error", "p50")
    assert [row.pareto_best for row in matrix.rows] == [False, True]


def test_a_circle_of_better_ones_is_best_together() -> None:
    # each is better than the next by more than the tolerance of 1, in another goal
    points = [(0.0, 1.5, 0.75), (0.75, 0.0, 1.5), (1.5, 0.75, 0.0)]

    def beats(one: tuple[float, ...], two: tuple[float, ...]) -> bool:
        return dominates(one, two, (1.0, 1.0, 1.0))

    assert [beats(points[index], points[(index + 2) % 3]) for index in range(3)] == [True] * 3
    assert best_of(points, beats) == [True] * 3
    assert best_of([*points, (9.0, 9.0, 9.0)], beats) == [True] * 3 + [False]
    assert best_of([*points, (-9.0, -9.0, -9.0)], beats) == [False] * 3 + [True]


# few and coarse values, so that ties, tolerances and circles come up
ERRORS = st.sampled_from([1e-7, 1e-6, 1.7e-6, 3e-6, 5e-6, 1e-3])
TIMES = st.sampled_from([0.0, 9.0, 9.6, 10.0, 10.4, 10.9, 11.3, 20.0])
SIZES = st.sampled_from([490.0, 498.0, 506.0, 514.0, 900.0])
VARIANTS = ("cpu", "cpu-noopt", "onednn", "onednn-bf16", "gpu", "gpu-fp16")


@st.composite
def some_reports(draw: st.DrawFn) -> list[Report]:
    reports = []
    for _ in range(draw(st.integers(1, 12))):
        model, variant = draw(st.sampled_from(("net", "other"))), draw(st.sampled_from(VARIANTS))
        kind = draw(st.sampled_from(["artifacts", "parity", "log", "log", "parity", "unavailable"]))
        failed = {"failed": kind, "cause": draw(st.sampled_from("ab"))} if draw(st.integers(0, 7)) == 0 else {}
        if kind == "artifacts":
            reports.append(report(model, artifact_bytes=1, **failed))
        elif kind == "parity":
            reports.append(parity(variant, draw(ERRORS), model=model, **failed))
        elif kind == "log":
            more = {"gpu_memory_mb": draw(SIZES)} if draw(st.booleans()) else {}
            size, spread = draw(st.sampled_from([1, 1, 1, 4])), draw(st.sampled_from([0.0, 0.5, 1.0]))
            reports.append(log(variant, draw(TIMES), draw(SIZES), model=model, batch_size=size, spread_ms=spread, **more, **failed))
        else:
            reports.append(report(model, variant, unavailable=draw(st.sampled_from(["no library", "no device"]))))
    return reports


def in_order(matrices: list[Matrix]) -> Any:
    found = to_json(matrices)["models"]
    for each in found:
        each["variants"].sort(key=lambda row: str(row["variant"]))
    return sorted(found, key=lambda each: (each["model"], each["batch_size"] or 0))


@given(some_reports(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_the_reports_changes_nothing_but_the_order(reports: list[Report], random: Any) -> None:
    shuffled = random.sample(reports, len(reports))
    assert in_order(read_matrices(shuffled)) == in_order(read_matrices(reports))
    assert sorted(lines(read_matrices(shuffled))) == sorted(lines(read_matrices(reports)))


@given(some_reports())
@settings(deadline=None)
def test_where_a_timed_variant_passed_some_are_best_and_only_those_that_passed(reports: list[Report]) -> None:
    for matrix in read_matrices(reports):
        passed = [row for row in matrix.rows if row.speed.p50_ms and not row.failed]
        chosen = [row for row in matrix.rows if row.pareto_best]
        assert bool(chosen) == bool(passed)
        assert all(row in passed for row in chosen)
        json.dumps(to_json([matrix]), allow_nan=False)


POINTS = st.lists(st.tuples(*[st.integers(0, 6).map(float)] * 3), min_size=1, max_size=7)


@given(POINTS, st.sampled_from([0.0, 1.0, 2.0]))
def test_the_best_are_some_and_what_beats_one_of_them_is_beaten_back(points: list[tuple[float, ...]], tolerance: float) -> None:
    def beats(one: tuple[float, ...], two: tuple[float, ...]) -> bool:
        return dominates(one, two, (tolerance,) * 3)

    found = best_of(points, beats)
    assert any(found)
    for mine, is_best in zip(points, found):
        winners = [other for other in points if beats(other, mine)]
        if not winners:
            assert is_best, "nothing is better"
        if is_best:
            assert all(back_to(mine, winner, points, beats) for winner in winners)
        elif tolerance == 0:
            assert winners, "without tolerance these are just the undominated"
        if is_best and tolerance == 0:
            assert not winners


def back_to(start: Any, goal: Any, points: list[Any], beats: Any) -> bool:
    """Searches a chain of better ones, as another way to find what `best_of` finds."""
    seen, todo = [start], [start]
    while todo:
        here = todo.pop()
        for other in points:
            if beats(here, other) and other not in seen:
                seen.append(other)
                todo.append(other)
    return goal in seen


# -- text --------------------------------------------------------------------------------------------------------------

TWO = [*both("cpu", 9.54e-7, 55.14, 494), *both("onednn", 3.79e-7, 27.5, 718)]


def table(reports: list[Report]) -> list[dict[str, str]]:
    """The cells of the first table by their column, whose right edges must be those of the titles."""
    shown = lines(read_matrices(reports))
    start = next(index for index, line in enumerate(shown) if line.startswith("  variant"))
    found = []
    for line in shown[start + 1 : start + 1 + sum(row.ran for row in read_matrices(reports)[0].rows)]:
        assert len(line) == len(shown[start])
        titles, cells = (re.split(r"\s{2,}", text[2:]) for text in (shown[start], line))
        found.append({"mark": line[0], **dict(zip(titles, cells))})
        assert len(titles) == len(cells)
    return found


def test_a_table_shows_each_variant_under_its_titles() -> None:
    cpu, onednn = table(TWO)
    assert cpu == {
        "mark": "*", "variant": "cpu", "worst / limit": "9.54e-07 / 4e-06", "answers": "4/4", "p50 ms": "55.1", "spread ms": "0.50",
        "p99 ms": "68.9", "samples/s": "18.1", "x training": "0.36", "x cpu": "1.00", "first ms": "165.4", "load s": "0.25", "MB": "494",
    }  # fmt: skip
    assert (onednn["variant"], onednn["p50 ms"], onednn["x training"], onednn["x cpu"]) == ("onednn", "27.5", "0.73", "2.01")


def test_answers_that_none_could_be_compared_of_are_a_dash() -> None:
    first, second = table([*both("cpu"), parity("onednn", answers="0/0"), log("onednn")])
    assert (first["answers"], second["answers"]) == ("4/4", "- (none compared)")


def test_a_title_says_what_was_timed() -> None:
    assert lines(read_matrices(TWO))[:2] == ["", "net: 50 timed batches of 1 sample"]
    four = [
        log("cpu", 10, batches=10, batch_size=4),
        log("onednn", 5, batches=50, batch_size=4),
        log("x", 5, batches=9, batch_size=4),
    ]
    assert lines(read_matrices(four))[1] == "net: 9 to 50 timed batches of 4 samples"


def test_a_legend_says_what_counts_and_what_is_equal() -> None:
    assert lines(read_matrices(TWO))[-2:] == [
        "* Pareto-best: no other that passed is as good in error, p50 and memory, and better in one of them",
        "  counted as equal: errors within a factor of 2 or the training engine's rounding, p50 within noise, "
        "memory within 12 MB or 2 %",
    ]
    assert "error" not in lines(read_matrices([log("cpu"), log("onednn")]))[-2]
    assert lines(read_matrices([log("cpu", memory_mb=""), log("onednn", 5)]))[-2:] == [
        "* best in p50",
        "  counted as equal: p50 within noise",
    ]
    gpu = [log(name, p50, gpu_memory_mb=800) for name, p50 in (("gpu", 5), ("gpu-fp16", 2))]
    assert lines(read_matrices(gpu))[-1].endswith(", memory within 12 MB or 2 %, GPU memory within 2 %")


def below_the_table(*variants: list[Report]) -> str:
    shown = lines(read_matrices([each for reports in variants for each in reports]))
    return shown[next(index for index, line in enumerate(shown) if line.startswith(("* ", "! ", "  ")) and ":" in line) - 1]


def test_below_the_rows_stands_which_is_fastest_and_by_how_much() -> None:
    assert lines(read_matrices(TWO))[-3] == "fastest that passed: onednn, 2.01 x cpu"
    assert below_the_table(both("cpu", 1e-6, 5), both("onednn", 1e-6, 10)) == "fastest that passed: cpu, 4.00 x training"
    others = [[log(name, p50, training_p50_ms="")] for name, p50 in (("onednn", 5), ("mine", 10))]
    assert below_the_table(*others) == "fastest that passed: onednn"


def test_where_the_fastest_cannot_be_told_apart_the_line_says_so() -> None:
    assert below_the_table(both("cpu", 1e-6, 10.0), both("onednn", 1e-6, 9.8), both("mine", 1e-6, 9.9), both("slow", 1e-6, 40)) == (
        "fastest that passed: not decided between onednn (1.02 x cpu) and mine (1.01 x cpu) and cpu: "
        "noise, or a machine that changed in between, may explain the difference; more --paddle-repeats on a quiet one may tell"
    )


def test_where_none_passed_none_is_fastest() -> None:
    failed = [[parity(name, 0.5, failed="parity"), log(name)] for name in ("cpu", "onednn")]
    assert not any("fastest" in line for line in lines(read_matrices([each for reports in failed for each in reports])))


def test_several_models_have_a_table_each_and_one_legend() -> None:
    other = [[(name, "other" if name == PREFIX + "model" else value) for name, value in each] for each in TWO]
    shown = lines(read_matrices([*TWO, *other]))
    assert [line.split(":")[0] for line in shown if "timed batches" in line] == ["net", "other"]
    assert sum("Pareto" in line for line in shown) == 1


def test_one_variant_needs_no_table() -> None:
    assert lines(read_matrices(both("cpu"))) == []
    assert lines(read_matrices([*both("cpu"), parity("onednn")])) == [], "only one was timed"
    assert lines([]) == []


def test_failed_variants_are_marked_and_the_mark_explained() -> None:
    reports = [*TWO, parity("bf16", 0.5, failed="parity"), log("bf16", 20)]
    assert [row["mark"] for row in table(reports)] == ["*", "*", "!"]
    assert lines(read_matrices(reports))[-1] == "! a checkpoint failed: not compared"
    assert not any(line.startswith("!") for line in lines(read_matrices(TWO)))


def test_columns_that_nobody_fills_are_left_out() -> None:
    titles = next(line for line in lines(read_matrices([log("a", load_s=""), log("b", load_s="")])) if "variant" in line)
    assert not {"worst / limit", "answers", "x cpu", "load s", "GPU MB"} & set(re.split(r"\s{2,}", titles))
    gpu = next(line for line in lines(read_matrices([log("a"), log("b", gpu_memory_mb=800)])) if "variant" in line)
    assert gpu.endswith("  GPU MB")


def test_small_and_large_numbers_stand_point_below_point() -> None:
    one, two = table([log("cpu", 1250.0), log("gpu", 0.8125)])
    assert (one["p50 ms"], two["p50 ms"]) == ("1250.000", "0.812")


def test_variants_that_are_not_available_are_listed_below_with_the_reason() -> None:
    missing = report("net", "tensorrt", unavailable="this Paddle was built without TensorRT")
    shown = lines(read_matrices([*both("cpu"), missing, missing]))
    assert "tensorrt: not available: this Paddle was built without TensorRT" in shown
    assert [line for line in shown if line.startswith("* cpu")]
    assert not any(line.strip(" *!").startswith("tensorrt  ") for line in shown), "no row of dashes"
    assert lines(read_matrices([missing])) == ["tensorrt: not available: this Paddle was built without TensorRT"]


def test_a_reason_for_all_models_is_told_once_and_one_for_some_names_them() -> None:
    everywhere = [report(model, "gpu", unavailable="no device") for model in ("a", "b")]
    assert lines(read_matrices(everywhere)) == ["gpu: not available: no device"]
    assert lines(read_matrices([*everywhere, parity("cpu", model="c")])) == ["a, b, gpu: not available: no device"]


def test_no_line_ends_in_blanks_and_common_tables_fit_132_columns() -> None:
    shown = lines(read_matrices([*TWO, *both("onednn-bf16", 2.3e-3, 31.2, 2210)]))
    assert all(line == line.rstrip() and len(line) <= 132 for line in shown)


# -- file --------------------------------------------------------------------------------------------------------------


def test_the_json_says_what_the_table_says() -> None:
    content = to_json(read_matrices([report("net", artifact_bytes=1), *TWO, report("net", "gpu", unavailable="no device")]))
    assert json.loads(json.dumps(content)) == content
    (model,) = content["models"]
    assert (content["format"], model["model"], model["batch_size"], model["passed"]) == (1, "net", 1, ["artifacts"])
    assert model["pareto_objectives"] == ["error", "p50", "memory"]
    assert model["fastest"] == ["onednn"]
    cpu, onednn, gpu = model["variants"]
    assert cpu.keys() == onednn.keys() == gpu.keys()
    assert onednn == {
        "variant": "onednn", "passed": ["artifacts", "parity", "log"], "failed": [], "unavailable": None, "pareto_best": True,
        "output_error_relative": 3.79e-7, "output_error_finite": True, "output_limit_relative": 4e-6,
        "output_error_over_limit": 3.79e-7 / 4e-6,
        "noise_floor_relative": 1e-6, "answers_agreed": 4, "answers_compared": 4, "answers_near_ties": 0, "p50_ms": 27.5,
        "p99_ms": 34.375, "spread_ms": 0.5, "batches": 50, "training_p50_ms": 20, "first_ms": 82.5, "load_s": 0.25,
        "memory_mb": 718, "gpu_memory_mb": None, "preprocess_ms": 1.5, "inference_ms": 27.5, "postprocess_ms": 0.25,
        "shapes": None, "throughput_samples_per_s": 36.364, "speedup_over_training": 0.72727, "speedup_over_cpu": 2.0051,
    }  # fmt: skip
    assert (gpu["unavailable"], gpu["p50_ms"], gpu["pareto_best"]) == ("no device", None, False)


def test_a_failure_is_in_the_json_with_its_cause() -> None:
    (model,) = to_json(read_matrices([report("net", "cpu", failed="log", cause="net: died")]))["models"]
    assert model["variants"][0]["failed"] == [{"checkpoint": "log", "cause": "net: died"}]
    (model,) = to_json(read_matrices([report("net", failed="artifacts")]))["models"]
    assert (model["failed"], model["variants"]) == ([{"checkpoint": "artifacts", "cause": None}], [])


def test_outputs_and_logs_say_where_the_root_is() -> None:
    assert output_root([{"directory": "/out/net/cpu"}, {"log_file": "/out/other/cpu/a.log"}, {}]) == "/out"
    assert output_root([{"log_file": "/out/net/cpu/a.log"}]) == "/out"
    assert output_root([{}]) is None


def test_the_file_is_replaced_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    for number in (1, 2):
        assert write_matrix(tmp_path, {"format": number}) == tmp_path / "matrix.json"
        assert json.loads((tmp_path / "matrix.json").read_text(encoding="utf-8")) == {"format": number}
    assert [path.name for path in tmp_path.iterdir()] == ["matrix.json"]


def test_who_reads_the_old_file_meanwhile_reads_it_to_its_end(tmp_path: Path) -> None:
    with write_matrix(tmp_path, {"format": 1}).open(encoding="utf-8") as old:
        write_matrix(tmp_path, {"format": 2})
        assert json.load(old) == {"format": 1}


def test_a_write_that_fails_leaves_the_old_file_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_matrix(tmp_path, {"format": 1})

    def full(path: Path, *_: Any, **__: Any) -> int:
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(matrix_file.Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        write_matrix(tmp_path, {"format": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["matrix.json"]
    assert json.loads((tmp_path / "matrix.json").read_text(encoding="utf-8")) == {"format": 1}
