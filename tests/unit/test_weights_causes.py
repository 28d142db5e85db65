"""diagnosis.weights: the parameters of an export against the model's, one fault at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pytest_paddle_infer.diagnosis.weights import Pair, _largest, explain

Weights = dict[str, Any]
SHAPES = {
    "features.0.weight": (8, 3, 3, 3), "features.0.bias": (8,), "features.1.weight": (8,), "features.1.bias": (8,),
    "features.1._mean": (8,), "features.1._variance": (8,), "mix.weight": (8, 8), "other.weight": (8, 8), "fc.weight": (8, 4),
    "fc.bias": (4,),
}  # fmt: skip


def net(seed: int = 0) -> Weights:
    random = np.random.RandomState(seed)
    made: Weights = {name: random.randn(*shape).astype(np.float32) for name, shape in SHAPES.items()}
    made["features.1._variance"] = np.abs(made["features.1._variance"]) + np.float32(0.1)
    return made


def changed(change: Callable[[Weights], None]) -> list[Pair]:
    export = net()
    change(export)
    return [Pair(name, array, export[name]) for name, array in net().items()]


def cause_of(pairs: list[Pair]) -> str:
    finding = explain(pairs)
    return "" if finding is None else finding.cause


def scaled(name: str, factor: float) -> Callable[[Weights], None]:
    return lambda export: export.update({name: export[name] * np.float32(factor)})


def swapped(export: Weights) -> None:
    export["mix.weight"], export["other.weight"] = export["other.weight"], export["mix.weight"]


def bfloat16(export: Weights) -> None:
    for name, array in export.items():
        bits = array.view(np.uint32)
        export[name] = ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).astype(np.uint32).view(np.float32)


def cut_to_bfloat16(export: Weights) -> None:
    export.update({name: (array.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32) for name, array in export.items()})


def float16(export: Weights) -> None:
    export.update({name: array.astype(np.float16).astype(np.float32) for name, array in export.items()})


def cut_to_float16(export: Weights) -> None:
    """As Paddle 2.6.2 casts on CPU."""
    for name, array in export.items():
        near = array.astype(np.float16)
        export[name] = np.where(np.abs(near) > np.abs(array), np.nextafter(near, np.float16(0)), near).astype(np.float32)


def float16_upwards(export: Weights) -> None:
    for name, array in export.items():
        near = array.astype(np.float16)
        export[name] = np.where(near < array, np.nextafter(near, np.float16(np.inf)), near).astype(np.float32)


def bfloat16_upwards(export: Weights) -> None:
    export.update(
        {name: ((array.view(np.uint32) + 0xFFFF) & np.uint32(0xFFFF0000)).view(np.float32) for name, array in export.items()}
    )


def a_step_from_float16(export: Weights) -> None:
    for name, array in export.items():
        export[name] = np.nextafter(np.nextafter(array.astype(np.float16), np.float16(9)), np.float16(9)).astype(np.float32)


def int8(export: Weights) -> None:
    for name, array in export.items():
        step = np.abs(array).max() / 127
        if array.ndim > 1:
            export[name] = (np.round(array / step) * step).astype(np.float32)


def one_bit(export: Weights) -> None:
    export["fc.weight"].reshape(-1).view(np.uint32)[5] ^= np.uint32(1 << 12)


def torn(export: Weights) -> None:
    other, names = net(5), list(SHAPES)
    for name in names[names.index("mix.weight") + 1 :]:
        export[name] = other[name]
    export["mix.weight"].reshape(-1)[20:] = other["mix.weight"].reshape(-1)[20:]


def fresh(export: Weights) -> None:
    export.update(net(5))
    for name in export:
        if name.endswith(("bias", "_mean")):
            export[name] = np.zeros_like(export[name])
        if name.endswith("_variance"):
            export[name] = np.ones_like(export[name])


def earlier(export: Weights) -> None:
    random = np.random.RandomState(9)
    for name, array in export.items():
        export[name] = (array + 1e-4 * random.randn(*array.shape)).astype(np.float32)


def statistics(export: Weights) -> None:
    for name in ("features.1._mean", "features.1._variance"):
        export[name] = export[name] * np.float32(0.9) + np.float32(0.1)


def means(export: Weights) -> None:
    export["features.1._mean"] = export["features.1._mean"] * np.float32(0.9) + np.float32(0.1)


def negative(export: Weights) -> None:
    statistics(export)
    export["features.1._variance"] = -export["features.1._variance"]


def rounded_statistics(export: Weights) -> None:
    for name in ("features.1._mean", "features.1._variance"):
        export[name] = export[name].astype(np.float16).astype(np.float32)


def started(*names: str) -> Callable[[Weights], None]:
    starts = {"_mean": 0, "_variance": 1}
    return lambda export: export.update({f"features.1.{name}": np.full(8, starts[name], np.float32) for name in names})


def one_element(value: float) -> Callable[[Weights], None]:
    return lambda export: export["fc.weight"].reshape(-1).__setitem__(5, np.float32(value))


def rearranged(how: Callable[[Any], Any]) -> Callable[[Weights], None]:
    return lambda export: export.update({"fc.weight": np.ascontiguousarray(how(export["fc.weight"]))})


def poisoned(export: Weights) -> None:
    export["fc.bias"][:2] = np.nan


def untrained(export: Weights) -> None:
    for name, start in (("bias", 0), ("_mean", 0), ("_variance", 1)):
        export.update({key: np.full_like(array, start) for key, array in export.items() if key.endswith(name)})
    export.update({key: array * np.float32(0.7) + np.float32(0.1) for key, array in export.items() if key.endswith("weight")})


@pytest.mark.parametrize(
    ("change", "wanted", "name"),
    [
        (scaled("features.0.weight", 1.001), "features.0.weight in the export is 1.001 times the model's", "features.0.weight"),
        (scaled("features.0.weight", 1.000001), "features.0.weight in the export is 1.000001 times", "features.0.weight"),
        (swapped, "the export has mix.weight and other.weight swapped", "mix.weight"),
        (bfloat16, "rounded to bfloat16.", ""),
        (cut_to_bfloat16, "rounded to bfloat16 by cutting off bits.", ""),
        (float16, "rounded to float16.", ""),
        (
            cut_to_float16,
            "10 of 10 parameters differ from the model's: the export holds them rounded to float16 by cutting off bits.",
            "",
        ),
        (float16_upwards, "the export holds them rounded to float16, not each to the nearest.", ""),
        (bfloat16_upwards, "the export holds them rounded to bfloat16, not each to the nearest.", ""),
        (a_step_from_float16, "the same training saved earlier or later, or an average of them (EMA)", ""),
        (int8, "rounded to the steps of int8", ""),
        (one_bit, "one bit of fc.weight[1, 1] is flipped", "fc.weight"),
        (torn, "every value behind element 20 of mix.weight differs", ""),
        (untrained, "the weights were never loaded before exporting", ""),
        (fresh, "the weights were never loaded before exporting", ""),
        (lambda export: export.update(net(5)), "the export holds another run's weights", ""),
        (earlier, "the same training saved earlier or later, or an average of them (EMA)", ""),
        (
            statistics,
            "only batch-norm statistics differ (2 of 10 parameters): the model ran in train mode after it was exported.",
            "",
        ),
        (means, "only batch-norm statistics differ (1 of 10 parameters): features.1._mean, and no weights.", ""),
        (
            negative,
            "only batch-norm statistics differ (2 of 10 parameters): features.1._mean, features.1._variance, and no weights.",
            "",
        ),
        (rounded_statistics, "2 of 10 parameters differ from the model's: the export holds them rounded to float16.", ""),
        (started("_mean"), "(1 of 10 parameters): the export holds initial values (_mean 0), as where the statistics were not", ""),
        (started("_variance"), "(1 of 10 parameters): the export holds initial values (_variance 1), as where", ""),
        (started("_mean", "_variance"), "(2 of 10 parameters): the export holds initial values (_mean 0 and _variance 1), as", ""),
        (poisoned, "fc.bias holds NaN or Inf in the export", "fc.bias"),
        (
            lambda export: export.update({"mix.weight": export["mix.weight"].T.copy()}),
            "the model's values transposed",
            "mix.weight",
        ),
        (lambda export: export.update({"fc.bias": net(5)["fc.bias"]}), "only the parameters of one layer differ", "fc.bias"),
        (
            one_element(np.nan),
            "fc.weight holds NaN or Inf in the export, and not in the model (fc.weight[1, 1]: nan in",
            "fc.weight",
        ),
        (one_element(7.5), "one element of one parameter differs, fc.weight[1, 1]: 7.5 in the export, ", "fc.weight"),
        (
            rearranged(lambda x: x.T.reshape(x.shape)),
            "fc.weight of the export holds the model's values transposed and reshaped.",
            "fc.weight",
        ),
        (rearranged(lambda x: x[:, ::-1]), "the model's values in reverse order along axis 1.", "fc.weight"),
        (rearranged(lambda x: np.sort(x, axis=None).reshape(x.shape)), "the model's values in another order.", "fc.weight"),
    ],
)
def test_each_way_to_differ_is_named(change: Callable[[Weights], None], wanted: str, name: str) -> None:
    finding = explain(changed(change))
    assert finding is not None
    assert wanted in finding.cause
    assert finding.cause.endswith(".")
    assert (finding.stage, finding.kind, finding.name) == ("artifacts", "parameters", name)


def test_initial_statistics_of_the_model_under_test_are_told_as_its_own() -> None:
    swapped_sides = [Pair(pair.name, pair.export, pair.model) for pair in changed(started("_mean", "_variance"))]
    finding = explain(swapped_sides)
    assert finding is not None
    assert finding.cause == (
        "only batch-norm statistics differ (2 of 10 parameters): the model under test holds initial values (_mean 0 and _variance 1), "
        "as where the statistics were not loaded."
    )
    assert "into the model under test" in finding.remedy


def test_one_batch_norm_of_several_did_not_run_in_train_mode() -> None:
    pairs = changed(statistics)
    own = {pair.name: pair.model for pair in pairs}
    others = [Pair(f"features.{at}.{kind}", *2 * [own[f"features.1.{kind}"]]) for at in (2, 3) for kind in ("_mean", "_variance")]
    assert "train mode" not in cause_of([*pairs, *others])


def test_equal_parameters_have_no_cause() -> None:
    assert explain(changed(lambda _: None)) is None


def test_values_that_are_nan_on_both_sides_disturb_no_hypothesis() -> None:
    pairs = changed(earlier)
    for pair in pairs:
        if pair.name == "mix.weight":
            pair.model[0, 0] = pair.export[0, 0] = np.nan
        if pair.name == "other.weight":
            pair.model[0, 0] = pair.export[0, 0] = np.inf
    assert "the same training" in cause_of(pairs)


@pytest.mark.parametrize("change", [bfloat16, cut_to_bfloat16, float16])
def test_a_parameter_without_axes_is_rounded_like_the_others(change: Callable[[Weights], None]) -> None:
    pairs = changed(change)
    one, two = (np.array(array[0]) for array in (pairs[1].model, pairs[1].export))
    assert cause_of([*pairs, Pair("scale", one, two)]).startswith(f"{len(pairs) + 1} of {len(pairs) + 1} parameters")


def test_two_unrelated_changes_are_not_explained_as_one() -> None:
    def both(export: Weights) -> None:
        scaled("fc.weight", 1.5)(export)
        scaled("mix.weight", 0.5)(export)

    assert "times" not in cause_of(changed(both))


def test_a_head_that_was_trained_on_is_no_torn_file() -> None:
    def head(export: Weights) -> None:
        export["fc.weight"], export["fc.bias"] = net(5)["fc.weight"], net(5)["fc.bias"]

    assert cause_of(changed(head)) == "only the parameters of one layer differ from the model's: fc.weight, fc.bias."


def test_how_many_differ_is_told_once_and_the_largest_where_several_do() -> None:
    def head(export: Weights) -> None:
        export["fc.weight"], export["fc.bias"] = export["fc.weight"] + 2, export["fc.bias"] + 1

    several, one = explain(changed(head)), explain(changed(scaled("fc.weight", 1.01)))
    assert several is not None
    assert several.facts == (("parameters", "2 of 10 parameters differ, by at most 2 in fc.weight"),)
    assert one is not None
    assert one.facts == (("parameters", "1 of 10 parameters differ"),)


def test_the_largest_difference_is_of_the_values_that_are_numbers() -> None:
    own = np.zeros(3, np.float32)
    assert _largest([Pair("a", own, np.array([np.nan, 2.0, 1.0], np.float32)), Pair("b", own, own + 1)]) == "2 in a"
    assert _largest([Pair("a", own[:0], own[:0])]) == "0 in a"
