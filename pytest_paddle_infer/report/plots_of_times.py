"""Figures of times: how long batches took, and which stage took it. Pure functions over report.json's content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_paddle_infer.report.cells import figure
from pytest_paddle_infer.report.plots import TRAINING, Axis, Bars, Boxes, Colours, Figure, Tests, Values, five, quantile, source


def latency(model: Mapping[str, Any], tests: Tests, colours: Colours) -> Iterator[Figure]:
    """How long the timed batches took in each variant, and in the training engine.

    The training engine is timed in turn with one variant, and its times serve those that follow (`timing.yardstick`): they count once.
    """
    timed: dict[str, tuple[int, Mapping[str, Any]]] = {}
    for index, test in tests:
        times = test["details"].get("latency")
        if times and _known(times["inference_ms"]) and test["variant"] in colours and times["batch_size"] == model["batch_size"]:
            known = timed.get(test["variant"])
            if known is None or _rank(test) < _rank(known[1]):
                timed[test["variant"]] = (index, test)
    if not timed:
        return
    found = {variant: test["details"]["latency"] for variant, (_, test) in timed.items()}
    series = [Values(variant, colours[variant], _known(one["inference_ms"])) for variant, one in found.items()]
    counts = [one["batches"] for one in found.values()]
    yardsticks = dict.fromkeys(_known(one["training_ms"]) for one in found.values())  # several variants were held against one
    training = tuple(value for times in yardsticks for value in times)
    if training:
        series.append(Values("training engine", TRAINING, training))
        counts.append(len(training))
    rows = [(one.name, str(count), *map(figure, five(one.values))) for one, count in zip(series, counts)]
    size = model["batch_size"]
    said = [f"{name}: median {middle}, half of them between {one} and {two}" for name, _, _, one, middle, two, _ in rows]
    low, high = _window([one.values for one in series])
    drawn = tuple(replace(one, values=tuple(min(max(value, low), high) for value in one.values)) for one in series)
    beyond = sum(not low <= value <= high for one in series for value in one.values)
    yield Figure(
        "Time of a batch",
        "Box: the middle half of the batches, and the median. Whiskers: the rest, but for outliers."
        + (f" {beyond} further out {'is' if beyond == 1 else 'are'} drawn at the edge." if beyond else ""),
        f"Box plot of the milliseconds of a batch of {size}. {'; '.join(said)}.",
        Boxes(Axis("ms"), drawn, low, high),
        ("engine", "batches", "least ms", "first quartile", "median", "third quartile", "most ms"),
        tuple(rows),
        source(list(timed.values()), "latency"),
    )


def _rank(test: Mapping[str, Any]) -> tuple[float, float]:
    """Of two tests that timed one variant, the one that the comparison shows is the smaller: more batches, then the faster."""
    return -(test["details"]["latency"]["batches"] or 0), test["figures"].get("p50_ms") or 0.0


def _known(times: Sequence[float | None]) -> tuple[float, ...]:
    """Times without those that could not be measured."""
    return tuple(each for each in times if each is not None)


def _window(found: Sequence[Sequence[float]]) -> tuple[float, float]:
    """The ends of an axis that shows all boxes well: a batch that took ten times as long must not make lines of them.

    They lie outside of all boxes, so that values drawn at the ends change no quartile.
    """
    lows, highs = [], []
    for values in found:
        ordered = sorted(values)
        one, two = quantile(ordered, 0.25), quantile(ordered, 0.75)
        lows.append(max(ordered[0], one - 3 * (two - one)))
        highs.append(min(ordered[-1], two + 3 * (two - one)))
    margin = max(0.08 * (max(highs) - min(lows)), 0.03 * max(highs)) or 1.0  # equal times must not look different
    return max(0.0, min(lows) - margin), max(highs) + margin


def stages(model: Mapping[str, Any]) -> Iterator[Figure]:
    """How much of a batch's time each stage took."""
    names = {"preprocess_ms": "preprocess", "inference_ms": "run", "postprocess_ms": "postprocess"}
    rows = [row for row in model["variants"] if all(row[name] is not None for name in names)]
    if not rows:
        return
    series = tuple(
        Values(stage, f"s{index}", tuple(row[name] for row in rows)) for index, (name, stage) in enumerate(names.items())
    )
    numbers = tuple(
        (row["variant"], *(figure(row[name]) for name in names), figure(sum(row[name] for name in names))) for row in rows
    )
    said = [f"{name}: preprocess {one}, run {two}, postprocess {three}" for name, one, two, three, _ in numbers]
    yield Figure(
        "Where the time goes",
        "Mean time of each stage of a batch.",
        f"Stacked bars of the mean milliseconds of a batch by stage. {'; '.join(said)}.",
        Bars(Axis("ms"), tuple(row["variant"] for row in rows), series),
        ("variant", "preprocess ms", "run ms", "postprocess ms", "together"),
        numbers,
        "models[].variants[]: preprocess_ms, inference_ms, postprocess_ms",
    )
