"""Figures of errors: of samples, of elements by magnitude, and of layers. Pure functions over report.json's content."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_paddle_infer.report.cells import NONE
from pytest_paddle_infer.report.markup import number
from pytest_paddle_infer.report.plots import FIRST, FLOOR, LIMIT, Axis, Colours, Figure, Line, Lines, Mark, Tests, five, source

Judged = Mapping[str, tuple[int, Mapping[str, Any]]]
"""Variant -> its test with its place in report.json."""

MOST_STEPS = 100
"""Steps of a cumulative curve."""


def worst(tests: Tests, colours: Colours) -> Judged:
    """The parity of each variant; of several tests of one, the one nearest to its limit."""
    found: dict[str, tuple[int, Mapping[str, Any]]] = {}
    for index, test in tests:
        if test["details"].get("parity") and test["variant"] in colours:
            known = found.get(test["variant"])
            if known is None or _nearness(known[1]) < _nearness(test):
                found[test["variant"]] = (index, test)
    return found


def _nearness(test: Mapping[str, Any]) -> float:
    return max((_over(output) for output in test["details"]["parity"]["outputs"]), default=0.0)


def _over(output: Mapping[str, Any]) -> float:
    """Error over limit; what is not finite is further away than anything."""
    error, limit = output["error_relative"], output["limit_relative"]
    if error is None:
        return math.inf
    return float(error / limit) if limit else math.inf if error and limit == 0 else 0.0


def errors(tests: Judged, colours: Colours) -> Iterator[Figure]:
    """The distribution of the samples' errors in each variant, over their limits. tests: by variant, as `worst` returns them."""
    lines, rows, said, floors = [], [], [], []
    for variant, (_, test) in tests.items():
        parity = test["details"]["parity"]
        values = sorted(sample["limits"] for sample in parity["samples"] if sample["limits"] is not None)
        if not parity["samples"] or not (values or any(sample["limit_relative"] is not None for sample in parity["samples"])):
            continue
        lines.append(Line(variant, colours[variant], tuple(_steps(values, len(parity["samples"]))), "bare"))
        above = sum(value > 1 for value in values) + len(parity["samples"]) - len(values)
        spread = [number(value) for value in five(values)] if values else [NONE] * 5
        rows.append((variant, str(len(parity["samples"])), *spread, str(above)))
        said.append(
            f"{variant}: median {spread[2]}, largest {spread[4]}, {above} of {len(parity['samples'])} samples above the limit"
        )
        nearest = max(parity["outputs"], key=_over, default=None)
        if nearest and nearest["noise_floor_relative"] and nearest["limit_relative"]:
            floors.append(nearest["noise_floor_relative"] / nearest["limit_relative"])
    if not lines:
        return
    marks = [Mark("limit", LIMIT, x=1.0)]
    if floors:
        low, high = min(floors), max(floors)
        marks += [Mark("noise floor" if high < 1.05 * low else "lowest noise floor", FLOOR, x=low)]
        if high >= 1.05 * low:
            marks.append(Mark("highest noise floor", FLOOR, x=high))
        said.append(f"noise floor at {number(low)}" + (f" to {number(high)}" if high >= 1.05 * low else ""))
    yield Figure(
        "Errors of the samples",
        "Share of samples with at most that error. Right of 1 they fail; 0 is equality to the last bit.",
        f"Cumulative distribution of the samples' errors over their limits. {'; '.join(said)}.",
        Lines(Axis("error / limit", "log"), Axis("share of the samples", "share"), tuple(lines), tuple(marks)),
        ("variant", "samples", "least", "first quartile", "median", "third quartile", "largest", "above the limit"),
        tuple(rows),
        source(list(tests.values()), "parity.samples[].limits"),
    )


def _steps(ordered: Sequence[float], total: int) -> Iterator[tuple[float, float]]:
    """A cumulative curve. total: of all samples; those without a value are never reached."""
    if not ordered:
        return
    below = 0.0
    for step in range(min(len(ordered), MOST_STEPS)):
        last = (step + 1) * len(ordered) // min(len(ordered), MOST_STEPS)
        value = ordered[last - 1]
        yield value, below
        below = last / total
        yield value, below


def magnitudes(tests: Judged, colours: Colours) -> Iterator[Figure]:
    """The errors of elements by the size of their value, of each variant's output that comes nearest to its limit."""
    lines, rows, said = [], [], []
    limits: dict[str, float] = {}
    for variant, (_, test) in tests.items():
        output = max(test["details"]["parity"]["outputs"], key=_over, default=None)
        bins = [one for one in output["magnitudes"] if one["elements"]] if output else []
        if output is None or not bins:
            continue
        places = [math.sqrt((one["from_relative"] or one["to_relative"] / 100) * one["to_relative"]) for one in bins]
        largest = tuple((place, one["largest_error_relative"]) for place, one in zip(places, bins))
        median = tuple((place, one["median_error_relative"]) for place, one in zip(places, bins))
        lines += [Line(variant, colours[variant], largest), Line("", colours[variant], median, "faint")]
        if output["limit_relative"]:
            limits.setdefault(number(output["limit_relative"]), output["limit_relative"])
        worst = max(bins, key=lambda one: one["largest_error_relative"] or 0.0)
        said.append(
            f"{variant}, output {output['name']}: largest error {number(worst['largest_error_relative'])}, at values of "
            f"{number(worst['from_relative'])} to {number(worst['to_relative'])}"
        )
        rows += [
            (variant, output["name"], number(one["from_relative"]), number(one["to_relative"]), str(one["elements"]),
             number(one["median_error_relative"]), number(one["largest_error_relative"]))
            for one in bins
        ]  # fmt: skip
    if not lines:
        return
    marks = tuple(Mark("limit" if len(limits) == 1 else f"limit {name}", LIMIT, y=value) for name, value in limits.items())
    yield Figure(
        "Error against magnitude",
        "Errors of elements by the size of their value: the largest (dots) and the median (dashed).",
        f"Errors of the elements by the size of their value. {'; '.join(said)}.",
        Lines(
            Axis("size of the value / largest value", "log"), Axis("error / largest value", "log"), tuple(lines), marks
        ),
        ("variant", "output", "from", "to", "elements", "median error", "largest error"),
        tuple(rows),
        source(list(tests.values()), "parity.outputs[].magnitudes"),
    )  # fmt: skip


def layers(index: int, test: Mapping[str, Any]) -> Figure | None:
    """Returns the layers of the diagnosis in call order; None where it kept none. index: of the test."""
    found = (test.get("details") or {}).get("layers")
    if not found:
        return None
    at = next((place for place, layer in enumerate(found, 1) if layer["state"] == "differs"), None)
    unmatched = sum(layer["state"] == "unmatched" for layer in found)
    entering = tuple((float(place), layer["input_relative"]) for place, layer in enumerate(found, 1))
    leaving = tuple((float(place), layer["output_relative"]) for place, layer in enumerate(found, 1))
    told = "no layer differs"
    marks: tuple[Mark, ...] = ()
    if at is not None:
        layer = found[at - 1]
        marks = (Mark(f"first that differs: {layer['name']}", FIRST, x=float(at)),)
        told = (
            f"the first that differs is number {at}, {layer['name']} ({layer['kind']}): its input is off by "
            f"{number(layer['input_relative'])}, its output by {number(layer['output_relative'])}"
        )
    if unmatched:
        told += f"; {unmatched} had no counterpart in the exported program, and are left out"
    return Figure(
        "Layer by layer",
        "How far the input and the output of each layer are off, in the order of the calls.",
        f"Errors of {len(found)} layers in call order: {told}.",
        Lines(
            Axis("layer, in call order"), Axis("error / largest value", "log"),
            (Line("output", "c0", leaving), Line("input", "c1", entering, "faint")), marks,
        ),
        ("number", "layer", "kind", "input error", "output error", "state"),
        tuple(
            (str(place), layer["name"], layer["kind"], number(layer["input_relative"]), number(layer["output_relative"]), layer["state"])
            for place, layer in enumerate(found, 1)
        ),
        f"tests[{index}].details.layers",
        wide=True,
    )  # fmt: skip
