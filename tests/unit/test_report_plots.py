"""What the figures show, before they are drawn: which tests they take, their numbers, and their words."""

from __future__ import annotations

import math
from typing import Any

import pytest
from report_content import content, passed
from report_details import LIMIT, details, green, latency, layers, parity, red, sample, with_details

from pytest_paddle_infer.report import plots_of_errors, plots_of_times
from pytest_paddle_infer.report.plots import Boxes, Figure, Lines, colours_of, five, legend


def figures(found: dict[str, Any]) -> dict[str, Figure]:
    (model,) = found["models"]
    colours = colours_of(model)
    tests = [(index, test) for index, test in enumerate(found["tests"]) if test["details"]]
    judged = plots_of_errors.worst(tests, colours)
    made = [*plots_of_times.latency(model, tests, colours), *plots_of_times.stages(model)]
    made += [*plots_of_errors.errors(judged, colours), *plots_of_errors.magnitudes(judged, colours)]
    return {figure.title: figure for figure in made}


def of_samples(*samples: dict[str, Any]) -> dict[str, Figure]:
    return figures(with_details(content(passed()), {"test_parity[cpu]": details(parity=parity(list(samples)))}))


def test_a_run_with_everything_has_four_figures_with_one_colour_for_each_variant() -> None:
    made = figures(green()[0])
    assert list(made) == ["Time of a batch", "Where the time goes", "Errors of the samples", "Error against magnitude"]
    found = {
        (name, colour) for title in ("Time of a batch", "Errors of the samples") for name, colour, _ in legend(made[title].chart)
    }
    assert {(name, colour) for name, colour in found if colour.startswith("c")} == {
        ("cpu", "c0"),
        ("cpu-noopt", "c1"),
        ("onednn", "c2"),
    }


def test_a_run_without_details_has_none_but_the_stages() -> None:
    assert figures(with_details(content(passed()), {})) == {}
    found, _ = green(2)
    for test in found["tests"]:
        test["details"] = None
    assert list(figures(found)) == ["Where the time goes"]


def test_of_two_timed_tests_of_one_variant_the_longer_counts() -> None:
    found, _ = green(2, ("cpu",))
    (index,) = [index for index, test in enumerate(found["tests"]) if test["id"].endswith("test_log[cpu]")]
    other = {**found["tests"][index], "details": details(latency=latency(99.0, batches=500))}
    for order in ([*found["tests"], other], [other, *found["tests"]]):
        found["tests"] = order
        row = figures(found)["Time of a batch"].rows[0]
        assert (row[0], row[1]) == ("cpu", "500")
        assert float(row[4]) > 99


def test_of_two_that_timed_as_many_batches_the_faster_counts_as_in_the_comparison() -> None:
    found, _ = green(2, ("cpu",))
    (test,) = [test for test in found["tests"] if test["id"].endswith("test_log[cpu]")]
    times = test["details"]["latency"]
    slower = {
        **test,
        "figures": {**test["figures"], "p50_ms": 99.0},
        "details": details(latency=latency(99.0, batches=times["batches"])),
    }
    for order in ([test, slower], [slower, test]):
        found["tests"] = order
        assert float(figures(found)["Time of a batch"].rows[0][4]) < 99


def test_times_of_another_batch_size_are_not_shown() -> None:
    found, _ = green(2, ("cpu",))
    found["models"][0]["batch_size"] = 8
    assert "Time of a batch" not in figures(found)


def test_a_batch_that_took_very_long_is_drawn_at_the_edge_and_changes_no_box() -> None:
    found, _ = green(2, ("cpu",))
    before = figures(found)["Time of a batch"]
    (test,) = [test for test in found["tests"] if test["id"].endswith("test_log[cpu]")]
    test["details"]["latency"]["inference_ms"][-1] = 5000.0
    after = figures(found)["Time of a batch"]
    assert isinstance(before.chart, Boxes)
    assert isinstance(after.chart, Boxes)
    assert after.chart.high == before.chart.high < 100
    assert max(after.chart.series[0].values) == after.chart.high
    assert before.rows[0][2:6] == after.rows[0][2:6]
    assert after.rows[0][6] == "5000", "the table has it"
    assert "further out" in after.caption


def test_times_that_are_null_are_left_out() -> None:
    found, _ = green(2, ("cpu",))
    times = next(test for test in found["tests"] if test["id"].endswith("test_log[cpu]"))["details"]["latency"]
    times.update(inference_ms=[None, 1.0, 3.0], training_ms=[None, 5.0])
    assert [row[4] for row in figures(found)["Time of a batch"].rows] == ["2", "5"]
    times.update(inference_ms=[None], training_ms=[])
    assert "Time of a batch" not in figures(found)


def test_times_of_the_training_engine_that_served_several_variants_count_once() -> None:
    found, _ = green(2)
    logs = [test["details"]["latency"] for test in found["tests"] if "test_log" in test["id"]]
    for times, one in zip(logs, ([20.0, 21.0, 22.0, 23.0], [20.0, 21.0, 22.0, 23.0], [30.0, 31.0, 32.0, 33.0])):
        times["training_ms"] = one
    figure = figures(found)["Time of a batch"]
    assert isinstance(figure.chart, Boxes)
    assert sorted(figure.chart.series[-1].values) == [20.0, 21.0, 22.0, 23.0, 30.0, 31.0, 32.0, 33.0]
    assert figure.rows[-1][:2] == ("training engine", "8")


@pytest.mark.parametrize("outlier", [130.0, 400.0])
def test_the_axis_ends_at_three_interquartile_ranges_from_the_box(outlier: float) -> None:
    values = [100.0, 100.0, 100.0, 125.0, 125.0, 125.0, outlier]  # quartiles 100 and 125; 3 * 25 beyond is 200
    low, high = plots_of_times._window([values])
    top = min(outlier, 200.0)
    margin = 0.08 * (top - 100.0) if 0.08 * (top - 100.0) > 0.03 * top else 0.03 * top
    assert high == pytest.approx(top + margin)
    assert low == pytest.approx(100.0 - margin)


def test_one_batch_makes_a_chart_too() -> None:
    found, _ = green(1, ("cpu",))
    (test,) = [test for test in found["tests"] if test["id"].endswith("test_log[cpu]")]
    test["details"]["latency"].update(inference_ms=[3.0], training_ms=[], batches=1)
    chart = figures(found)["Time of a batch"].chart
    assert isinstance(chart, Boxes)
    assert chart.low < 3.0 < chart.high


def test_the_curve_of_errors_ends_at_all_samples_but_those_that_are_not_finite() -> None:
    figure = of_samples(sample(0, 0.0), sample(1, LIMIT / 2), sample(2, 2 * LIMIT), sample(3, None))["Errors of the samples"]
    assert isinstance(figure.chart, Lines)
    (line,) = figure.chart.lines
    assert line.points[0] == (0.0, 0.0)
    assert line.points[-1] == (pytest.approx(2.0), 0.75)
    assert figure.rows[0][-1] == "2", "above the limit: one, and the one that is not finite"
    assert "2 of 4 samples above the limit" in figure.label
    assert [mark.name for mark in figure.chart.marks] == ["limit", "noise floor"]


def test_a_curve_of_many_samples_stays_short_and_reaches_the_worst() -> None:
    figure = of_samples(*(sample(index, LIMIT * (index + 1) / 2000) for index in range(2000)))["Errors of the samples"]
    assert isinstance(figure.chart, Lines)
    (line,) = figure.chart.lines
    assert len(line.points) <= 200
    assert line.points[-1] == (pytest.approx(1.0), 1.0)


def test_samples_without_a_limit_have_no_curve() -> None:
    found = of_samples(sample(0, 1e-7, limits=None, limit_relative=None))
    assert "Errors of the samples" not in found


def test_the_output_nearest_its_limit_is_shown_against_magnitude() -> None:
    judged = parity([sample(0, 1e-7)])
    judged["outputs"].append({**judged["outputs"][0], "name": "boxes", "error_relative": LIMIT, "noise_floor_relative": LIMIT / 2})
    found = with_details(content(passed()), {"test_parity[cpu]": details(parity=judged)})
    figure = figures(found)["Error against magnitude"]
    assert {row[1] for row in figure.rows} == {"boxes"}
    assert "output boxes: largest error" in figure.label
    assert [name for name, _, _ in legend(figure.chart)] == ["cpu", "limit"]
    chart = figures(found)["Errors of the samples"].chart
    assert isinstance(chart, Lines)
    assert [mark.x for mark in chart.marks] == [1.0, 0.5], "the floor is that output's too"


def test_variants_of_other_floors_and_limits_have_a_mark_each() -> None:
    coarse = parity([sample(0, 1e-7)])
    coarse["outputs"][0].update(noise_floor_relative=LIMIT, limit_relative=4 * LIMIT)
    made = {"test_parity[cpu]": details(parity=parity([sample(0, 1e-7)])), "test_parity[onednn]": details(parity=coarse)}
    found = figures(with_details(content(passed(), passed("test_parity[onednn]", variant="onednn")), made))
    names = [
        [mark.name for mark in figure.chart.marks]
        for title in ("Errors of the samples", "Error against magnitude")
        if isinstance((figure := found[title]).chart, Lines)
    ]
    assert names[1] == ["limit 2.44e-06", "limit 9.76e-06"]
    coarse["outputs"][0].update(noise_floor_relative=LIMIT / 2)
    found = figures(with_details(content(passed(), passed("test_parity[onednn]", variant="onednn")), made))
    chart = found["Errors of the samples"].chart
    assert isinstance(chart, Lines)
    assert [mark.name for mark in chart.marks] == ["limit", "lowest noise floor", "highest noise floor"]
    assert "noise floor at 0.125 to 0.25" in found["Errors of the samples"].label


def test_the_first_layer_that_differs_is_marked_and_those_without_a_counterpart_are_counted() -> None:
    found, _ = red()
    (index,) = [index for index, test in enumerate(found["tests"]) if test["details"] and test["details"]["layers"]]
    figure = plots_of_errors.layers(index, found["tests"][index])
    assert figure is not None
    assert isinstance(figure.chart, Lines)
    assert [(mark.name, mark.x) for mark in figure.chart.marks] == [("first that differs: features.4.conv", 13.0)]
    assert (
        "number 13, features.4.conv (Conv2D): its input is off by 2e-07, its output by 0.01; 1 had no counterpart" in figure.label
    )
    assert figure.source == f"tests[{index}].details.layers"
    assert [len(line.points) for line in figure.chart.lines] == [len(figure.rows)] * 2


def test_layers_that_all_agree_have_no_mark() -> None:
    kept = details(layers=[{**each, "state": "agrees"} for each in layers(3)])
    figure = plots_of_errors.layers(0, {"details": kept})
    assert figure is not None
    assert isinstance(figure.chart, Lines)
    assert figure.chart.marks == ()
    assert "no layer differs" in figure.label
    assert plots_of_errors.layers(0, {"details": details()}) is None
    assert plots_of_errors.layers(0, {}) is None


@pytest.mark.parametrize(("values", "expected"), [([3.0], [3.0] * 5), ([4.0, 1.0, 2.0], [1.0, 1.5, 2.0, 3.0, 4.0])])
def test_quartiles(values: list[float], expected: list[float]) -> None:
    assert five(values) == expected


@pytest.mark.parametrize(
    ("error", "limit", "nearness"),
    [(1e-7, 1e-6, 0.1), (None, 1e-6, math.inf), (1e-7, 0.0, math.inf), (0.0, 0.0, 0.0), (1e-7, None, 0.0)],
)
def test_how_near_an_output_is_to_its_limit(error: float | None, limit: float | None, nearness: float) -> None:
    outputs = [{"error_relative": error, "limit_relative": limit}]
    assert plots_of_errors._nearness({"details": {"parity": {"outputs": outputs}}}) == pytest.approx(nearness)
