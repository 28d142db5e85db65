"""diagnosis/outputs.py, scores.py and answers.py: each planted fault is named, and nothing is named where none was planted."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import pytest

from pytest_paddle_infer.diagnosis.answers import _REMEDY, explain_answers
from pytest_paddle_infer.diagnosis.finding import STAGES, Array, Finding
from pytest_paddle_infer.diagnosis.outputs import _LOOK, _REMEDIES, explain_outputs, where
from pytest_paddle_infer.transforms import Prediction

RANDOM = np.random.default_rng(0)


def said(found: Finding | None) -> tuple[str, str]:
    """Name and cause; ("", "") for no finding."""
    if found is None:
        return "", ""
    assert found.stage in STAGES
    assert found.cause.endswith(".")
    assert found.remedy
    return found.name, found.cause


def softmax(x: Array, axis: int = -1) -> Array:
    raised = np.exp(x.astype(np.float64) - x.max(axis=axis, keepdims=True))
    return np.asarray((raised / raised.sum(axis=axis, keepdims=True)).astype(np.float32))


def sigmoid(x: Array) -> Array:
    return np.asarray((1 / (1 + np.exp(-x.astype(np.float64)))).astype(np.float32))


LOGITS = RANDOM.normal(0, 2, (4, 10)).astype(np.float32)
PROB = softmax(LOGITS)
IDS = RANDOM.integers(0, 9, (2, 6, 6))
MAP = RANDOM.normal(0, 1, (2, 3, 8, 8)).astype(np.float32)
A, B, C = (RANDOM.random((2, 3), dtype=np.float32) for _ in range(3))


def bfloat16(x: Array) -> Array:
    bits = x.view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> np.uint64(16)) & np.uint64(1))) & np.uint64(0xFFFF0000)
    return rounded.astype(np.uint32).view(np.float32)


def test_swapped_outputs_are_named() -> None:
    assert said(explain_outputs([A, B], [B, A])) == (
        "order",
        "the outputs of the inference engine are in another order: output 0 holds output 1, output 1 holds output 0.",
    )
    assert said(explain_outputs([A, B, C], [A, C, B]))[1] == (
        "the outputs of the inference engine are in another order: output 1 holds output 2, output 2 holds output 1."
    )
    found = explain_outputs([A, LOGITS], [LOGITS, A], names=("boxes", "scores"))
    assert said(found)[0] == "order"
    assert found is not None
    assert found.facts == (("names", "0: 'boxes', 1: 'scores'"),)


@pytest.mark.parametrize(
    ("training", "inference", "name", "part"),
    [
        (PROB, LOGITS, "softmax", "softmax is missing from the exported model"),
        (PROB, softmax(PROB), "softmax", "softmax is applied once more in the exported model"),
        (LOGITS, PROB, "softmax", "softmax is applied once more in the exported model"),
        (PROB, softmax(LOGITS, 0), "softmax", "applies softmax over axis 0 where the training engine applies it over axis 1"),
        (MAP, softmax(MAP, 1), "softmax", "softmax over axis 1 is applied in the exported model"),
        (PROB, np.log(PROB), "log_softmax", "ends in log_softmax where the training engine ends in softmax"),
        (np.log(PROB), PROB, "log_softmax", "ends in softmax where the training engine ends in log_softmax"),
        (LOGITS, np.log(PROB), "log_softmax", "log_softmax is applied in the exported model"),
        (PROB, sigmoid(LOGITS), "sigmoid", "ends in sigmoid where the training engine ends in softmax"),
        (sigmoid(LOGITS), PROB, "softmax", "ends in softmax where the training engine ends in sigmoid"),
        (sigmoid(LOGITS), LOGITS, "sigmoid", "sigmoid is missing from the exported model"),
        (LOGITS, sigmoid(LOGITS), "sigmoid", "sigmoid is applied once more in the exported model"),
        (PROB, softmax(LOGITS * 1.01), "temperature", "multiplies the logits by 1.01 before softmax"),
        (PROB, softmax(LOGITS * 2), "temperature", "multiplies the logits by 2 before softmax"),
        (np.maximum(LOGITS, 0), LOGITS, "relu", "relu is missing"),
        (LOGITS * 4, np.clip(LOGITS * 4, 0, 6), "relu6", "relu6 is applied once more"),
        (LOGITS, np.clip(LOGITS, -1.5, 1.5), "clip", "cut off below at -1.5 and above at 1.5"),
        (np.tanh(LOGITS), LOGITS, "tanh", "tanh is missing"),
        (LOGITS, LOGITS * np.float32(1.01), "scale", "is the training engine's times 1.01."),
        (LOGITS, LOGITS * np.float32(1.00001), "scale", "is the training engine's times 1.00001"),
        (LOGITS, LOGITS + np.float32(0.25), "offset", "is the training engine's +0.25: a constant is added."),
        (LOGITS, (LOGITS * 2 + 1).astype(np.float32), "scale", "is 2 * x +1 of the training engine's x."),
        (LOGITS, LOGITS + np.eye(10, dtype=np.float32)[3], "offset", "adds constants to 1 of 10 channels of the output: 3."),
        (LOGITS, LOGITS.astype(np.float16).astype(np.float32), "precision", "rounded to float16"),
        (LOGITS, bfloat16(LOGITS), "precision", "rounded to bfloat16."),
        (LOGITS, np.rint(LOGITS), "precision", "rounded to whole numbers"),
        (LOGITS, LOGITS.astype(np.float64), "dtype", "answers float64 where the training engine answers float32; the values agree"),
        (IDS, IDS.astype(np.int32), "dtype", "answers int32 where the training engine answers int64; the values agree"),
        (IDS, IDS + 1, "offset", "are the training engine's +1: an offset of labels"),
        (IDS, IDS.transpose(0, 2, 1), "transpose", "transposes the output: transpose(0, 2, 1) of it"),
        (MAP, MAP.transpose(0, 1, 3, 2), "transpose", "transpose(0, 1, 3, 2)"),
        (MAP, MAP.transpose(0, 2, 3, 1), "transpose", "transpose(0, 3, 1, 2)"),
        (MAP, MAP[..., ::-1], "order", "in reverse order along axis 3"),
        (LOGITS, LOGITS[..., None], "shape", "[4, 10, 1], the training engine's [4, 10]: the export adds an axis"),
        (LOGITS[..., None], LOGITS, "shape", "the export squeezes it"),
        (LOGITS, LOGITS[[1, 0, 3, 2]], "samples", "belong to other samples of the batch: 0 has that of 1"),
        (LOGITS, np.repeat(LOGITS[:1], 4, axis=0), "constant", "gives the same answer to every sample of the batch"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)  # fmt: skip
def test_what_was_done_to_an_output_is_named(training: Array, inference: Array, name: str, part: str) -> None:
    if inference.dtype == np.float64 and name != "dtype":
        inference = inference.astype(np.float32)
    found = said(explain_outputs([training], [inference]))
    assert part in found[1]
    assert found[0] == name


@pytest.mark.parametrize("seed", range(3))
def test_a_hypothesis_holds_although_both_engines_round(seed: int) -> None:
    random = np.random.default_rng(seed)

    def rounded(x: Array) -> Array:
        return np.asarray((x + 1e-6 * np.abs(x).max() * random.uniform(-1, 1, x.shape)).astype(np.float32))

    logits = random.normal(0, 3, (5, 100)).astype(np.float32)
    prob = softmax(logits)
    for one, two, name in (
        (prob, logits, "softmax"),
        (logits, 1.001 * logits, "scale"),
        (prob, softmax(1.001 * logits), "temperature"),
        (logits, logits + 0.01, "offset"),
    ):
        assert said(explain_outputs([rounded(one)], [rounded(two)], rounding=4e-6))[0] == name


def test_nan_on_one_side_only_is_named_with_its_place() -> None:
    broken = LOGITS.copy()
    broken[2, 3:5] = np.nan
    found = explain_outputs([A[:2], LOGITS], [A[:2], broken], names=("", "scores"))
    assert said(found) == (
        "not finite",
        "output 1 (scores) of the inference engine is nan at [2, 3], where the training engine's is finite.",
    )
    assert found is not None
    assert found.facts == (("elements", "2 of 40 are NaN or Inf"),)
    assert explain_outputs([broken], [broken]) is None
    assert explain_outputs([broken], [LOGITS]) is None


LOGGED = np.log(PROB)
SHIFTED = (np.arange(72) % 9).reshape(2, 6, 6)
MOST = SHIFTED + 1
MOST[0, 0, 0] = 5


@pytest.mark.parametrize(
    ("training", "inference", "name", "part"),
    [
        (LOGITS, LOGITS.reshape(5, 8), "shape", "is [5, 8], the training engine's [4, 10]: the export reshapes it."),
        (LOGITS, LOGITS[None], "shape", "the export adds an axis."),
        (LOGITS[None], LOGITS, "shape", "the export squeezes it."),
        (LOGGED, LOGITS, "log_softmax", "log_softmax is missing from the exported model: log_softmax of its output"),
        (SHIFTED, MOST, "offset", "71 of 72 class ids of the inference engine are the training engine's +1."),
        (
            LOGITS,
            LOGITS.astype(np.float16),
            "dtype",
            "answers float16 where the training engine answers float32; the values agree.",
        ),
    ],
)
def test_another_shape_end_or_offset_is_named_with_what_to_do(training: Array, inference: Array, name: str, part: str) -> None:
    found = explain_outputs([training], [inference])
    assert said(found)[0] == name
    assert part in said(found)[1]
    assert found is not None
    assert found.remedy == _REMEDIES.get(name, _LOOK)


def test_of_several_outputs_the_one_that_tells_is_named_with_how_many_differ() -> None:
    one = explain_outputs([A, PROB], [A, LOGITS], names=("boxes", "scores"))
    two = explain_outputs([A, PROB], [A[::-1] * 2 + B, LOGITS], names=("boxes", "scores"))
    assert one is not None
    assert two is not None
    assert one.facts[0] == ("output", "1 (scores); the others agree")
    assert two.facts[0] == ("output", "1 (scores); 1 more of 2 outputs differ")


def test_only_one_wrong_sample_is_shown_by_its_number() -> None:
    long = RANDOM.normal(0, 1, (20, 6)).astype(np.float32)
    wrong = long.copy()
    wrong[19] += np.float32(1e-3)
    assert ("samples", "only 1 of 20 samples differs: number 19") in where(long, wrong)
    assert where(long, long + 1) == ()
    assert where(long[:1], wrong[:1]) == ()


@pytest.mark.parametrize(
    ("training", "inference"),
    [
        ([LOGITS], [LOGITS]),
        ([LOGITS], [LOGITS * np.float32(1.0000001)]),
        ([LOGITS], [LOGITS + RANDOM.normal(0, 1, LOGITS.shape).astype(np.float32)]),
        ([PROB], [softmax(RANDOM.normal(0, 2, LOGITS.shape).astype(np.float32))]),
        ([PROB], [softmax(LOGITS + RANDOM.normal(0, 0.01, LOGITS.shape).astype(np.float32))]),
        ([LOGITS], [LOGITS[:2]]),
        ([LOGITS], []),
        ([A, B], [A]),
        ([], []),
        ([LOGITS[:1]], [LOGITS[1:2]]),
        ([IDS], [RANDOM.integers(0, 9, IDS.shape)]),
        ([np.array(["a"])], [np.array(["b"])]),
        ([A, A], [A, A]),
    ],
)
def test_no_cause_is_named_where_none_fits(training: list[Array], inference: list[Array]) -> None:
    assert explain_outputs(training, inference) is None


EXTREMES = [np.nan, np.inf, -np.inf, 1e38, 0.0]


@pytest.mark.parametrize("one", EXTREMES)
@pytest.mark.parametrize("two", EXTREMES)
def test_extreme_values_make_no_warning(one: float, two: float) -> None:
    for shape in ((2, 3), (1, 3, 4, 4), (2,), ()):
        training, inference = np.full(shape, one, np.float32), np.full(shape, two, np.float32)
        name = said(explain_outputs([training], [inference]))[0]
        assert name == ("not finite" if np.isfinite(one) and not np.isfinite(two) else "")
        explain_outputs([training, training], [inference, inference])


def test_outputs_without_elements_have_no_cause() -> None:
    for shape in ((2, 0), (0, 3), (0, 3, 4, 4)):
        empty = np.zeros(shape, np.float32)
        assert explain_outputs([empty], [empty]) is None


# -- answers -----------------------------------------------------------------------------------------------------------


class Box(NamedTuple):
    label: int
    score: float


class Rows(NamedTuple):
    rows: Any


SCORES = RANDOM.normal(0, 2, (4, 6)).astype(np.float32)
BEST = SCORES.argmax(axis=1)
ANSWERS = [Prediction(int(best), float(row[best])) for best, row in zip(BEST, SCORES)]
TOPPED = [Prediction(int(best), float(softmax(row[None])[0, best])) for best, row in zip(BEST, SCORES)]
TOP: list[list[int]] = np.argsort(-SCORES, axis=1)[:, :5].tolist()
SQUARE = RANDOM.normal(0, 1, (3, 5, 5)).astype(np.float32)
SIGMOIDS = [Prediction(best.class_id, float(1 / (1 + np.exp(-row.max())))) for best, row in zip(TOPPED, SCORES)]
TWICE = [Prediction(a.class_id, float(softmax(softmax(row[None])).max())) for a, row in zip(TOPPED, SCORES)]
ROWS = [softmax(row) for row in SCORES]
COUNTED = [{"p": p, "sure": p > 0.4} for p in (0.9, 0.95, 0.3, 0.5, 0.7)]
POINTS = [
    [
        {"x": 1.5 * place + sample, "y": 9.25 - place, "score": score, "seen": score > 0.5}
        for place, score in enumerate(scores, start=1)
    ]
    for sample, scores in enumerate([(0.75, 0.05, 0.45, 0.95, 0.15), (0.55, 0.25, 0.85, 0.35, 0.65)])
]
THREE_FIVE = [[{"score": 0.9}, {"score": 0.8}, {"score": 0.4}], [{"score": 0.95}, {"score": 0.85}]]
NAMES = ["a1", "b1", "c1", "a1", "b1", "a1"]


HEAT = RANDOM.normal(0, 1, (9, 9))
HEATS = RANDOM.normal(0, 1, (4, 9, 12))
BIG = RANDOM.normal(0, 1, (24, 20))


def masked(answer: dict[str, Any], numbers: list[int]) -> dict[str, Any]:
    """A mask whose classes have other numbers, and what follows from them."""
    mask = np.array(numbers)[answer["mask"]]
    return {"mask": mask, "share": [float(np.mean(mask == each)) for each in range(3)]}


MASKS = [masked({"mask": np.digitize(heat, (-0.4, 0.7))}, [0, 1, 2]) for heat in HEATS]


def peaks(heats: Array) -> list[list[int]]:
    """[x, y] of the largest value of each map."""
    return [[int(at) for at in np.unravel_index(heat.argmax(), heat.shape)][::-1] for heat in heats]


def as_rows(points: list[dict[str, Any]]) -> Array:
    return np.array([[point["x"], point["y"], point["score"]] for point in points])


def tempered(factor: float) -> list[Prediction]:
    return [Prediction(a.class_id, float(softmax(factor * row[None])[0, a.class_id])) for a, row in zip(TOPPED, SCORES)]


def moved(by: int) -> list[Prediction]:
    return [Prediction(answer.class_id + by, answer.prob) for answer in ANSWERS]


@pytest.mark.parametrize(
    ("training", "inference", "scores", "name", "part"),
    [
        (ANSWERS, moved(1), None, "offset", "adds +1 to class_id"),
        ([3, 4, 5], [2, 3, 4], None, "offset", "adds -1 to the answer"),
        ([Box(1, 0.5), Box(2, 0.7)], [Box(2, 0.5), Box(3, 0.7)], None, "offset", "adds +1 to label"),
        ([{"p": 0.25}, {"p": 0.5}], [{"p": 25.0}, {"p": 50.0}], None, "scale", "multiplies 'p' by 100, as percent for"),
        ([[0.9, 0.5, 0.1]], [[0.1, 0.5, 0.9]], None, "order", "gives its answers in reverse order"),
        ([{"ids": [4, 2, 9], "n": 3}], [{"ids": [9, 2, 4], "n": 3}], None, "order", "gives 'ids' in reverse order"),
        ([{"ids": [4, 2, 9]}, {"ids": [1, 2, 3]}], [{"ids": [2, 4, 9]}, {"ids": [1, 2, 3]}], None, "order", "gives 'ids' in another"),
        ([np.array([4, 2, 9])], [np.array([9, 2, 4])], None, "order", "gives its answers in reverse order"),
        ([[4, 2], [1, 3]], [[2, 4], [3, 7]], None, "", ""),
        ([{"ids": [4, 2], "n": 1}], [{"ids": [2, 4], "n": 2}], None, "", ""),
        (TOP, [ids[::-1] for ids in TOP], SCORES, "order", "gives its answers in reverse order"),
        (TOP, [[ids[1], ids[0], *ids[2:]] for ids in TOP], SCORES, "order", "gives the same answers in another order"),
        ([0] * len(SCORES), [int(row.argmax()) for row in SCORES], SCORES, "", ""),
        ([0] * len(SCORES), [int(row.argmin()) for row in SCORES], SCORES, "", ""),
        ([[(1, 0.9), (2, 0.5), (3, 0.1)]], [[(2, 0.5), (1, 0.9), (3, 0.1)]], None, "order", "the same answers in another order"),
        ([[1, 2, 3], [4, 5, 6], [7]], [[1, 2], [4, 5], [7]], None, "top-k", "gives the best 2 where the training postprocessing gives the "
         "best 3"),
        ([[1, 2, 3], [4, 5]], [[1, 2], [4, 5]], None, "", ""),
        ([[1, 2, 3], [4, 5, 6], [7, 8]], [[1, 2], [4], [7, 8]], None, "", ""),
        ([[1, 2, 3], [4]], [[], []], None, "", ""),
        ([[], []], [[1], [2, 3]], None, "", ""),
        (THREE_FIVE, [[p for p in points if p["score"] > 0.5] for points in THREE_FIVE], None, "left out",
         "leaves out items as another threshold does: those whose 'score' is 0.4 or less (0.8 or more agree)."),
        ([[*points[:2], {"score": 0.1}] for points in THREE_FIVE * 2], [points[:2] for points in THREE_FIVE * 2], None, "left out",
         "leaves out items as another threshold does: those whose 'score' is 0.1 or less"),
        ([Rows(np.array([1.0, 2.0]))], [Rows([1.0, 2.0])], None, "", ""),
        ([{"a": 1, "b": 2}], [{"b": 2, "a": 1}], None, "order", "gives its keys in another order"),
        ([1, 2], ["1", "2"], None, "type", "answers str where the training postprocessing answers int"),
        (ANSWERS, TOPPED, SCORES, "softmax", "applies softmax once more: prob is the score behind it"),
        (TOPPED, ANSWERS, SCORES, "softmax", "leaves out softmax: prob is the score before it"),
        ([int(row.argmax()) for row in SCORES], [int(row.argmin()) for row in SCORES], SCORES, "argmax", "argmin for argmax"),
        (list(SQUARE.argmax(axis=1)), list(SQUARE.argmax(axis=2)), SQUARE, "argmax axis", "takes argmax over the wrong axis"),
        ([0.123456, 0.654321], [0.12, 0.65], None, "precision", "rounds the answer to 2 digits"),
        ([{"p": 25.0}, {"p": 50.0}], [{"p": 0.25}, {"p": 0.5}], None, "scale", "multiplies 'p' by 0.01, as shares of one "
         "for percent"),
        ([0.25, 0.5], [0.75, 1.5], None, "scale", "multiplies the answer by 3"),
        ([0.25, 0.5], [1.5, 1.75], None, "offset", "adds +1.25 to the answer"),
        ([0.25, 0.5], [float(np.log(0.25)), float(np.log(0.5))], None, "log", "gives the logarithm of the answer"),
        ([1.75, 2.5, 9.25], [1, 2, 9], None, "precision", "cuts the answer to whole numbers"),
        (ANSWERS, ANSWERS, SCORES, "", ""),
        ([1, 5, 9], [2, 7, 3], None, "", ""),
        (POINTS, [[{**p, "x": p["y"], "y": p["x"]} for p in points] for points in POINTS], None, "exchanged", "swaps 'x' and 'y'."),
        (POINTS, [[{**p, "x": p["y"], "y": p["x"]} for p in points[:1]] + points[1:] for points in POINTS], None, "", ""),
        ([as_rows(points) for points in POINTS], [as_rows(points)[:, [1, 0, 2]] for points in POINTS], None, "exchanged",
         "swaps columns 0 and 1."),
        ([as_rows(points).tolist() for points in POINTS], [as_rows(points)[:, [2, 1, 0]] for points in POINTS], None, "exchanged",
         "swaps columns 0 and 2."),
        (POINTS, [[{**p, "x": 2 * p["x"], "y": 2 * p["y"]} for p in points] for points in POINTS], None, "scale",
         "multiplies 'x', 'y' by 2."),
        (POINTS, [[{**points[0], "x": 3 * points[0]["x"]}, *points[1:]] for points in POINTS], None, "scale", "multiplies [0]['x'] by 3."),
        (POINTS, [[*points[:1], *({**p, "x": 3 * p["x"]} for p in points[1:])] for points in POINTS], None, "scale",
         "multiplies [1]['x'], [2]['x'], [3]['x'] and 1 more by 3."),
        (POINTS, [[{**p, "seen": p["score"] > 0.7} for p in points] for points in POINTS], None, "threshold",
         "decides 'seen' by another threshold: 'score' between 0.65 and 0.75, in training between 0.45 and 0.55."),
        (POINTS, [[{**p, "seen": True} for p in points] for points in POINTS], None, "decision",
         "gives True for 'seen' every time where the training postprocessing gives True and False for 'seen'."),
        (POINTS, [[{**p, "seen": False} for p in points] for points in POINTS], None, "decision",
         "gives False for 'seen' every time where the training postprocessing gives True and False for 'seen'."),
        ([[{**p, "seen": True} for p in points] for points in POINTS], POINTS, None, "decision",
         "gives True and False for 'seen' where the training postprocessing gives True for 'seen' every time."),
        ([True] * 5, [False] * 5, None, "decision", "gives False for the answer every time where the training postprocessing gives True"),
        ([True] * 4, [False] * 4, None, "", ""),
        ([{"smile": True, "glasses": False}, {"smile": False, "glasses": True}],
         [{"smile": False, "glasses": True}, {"smile": True, "glasses": False}], None, "", ""),
        ([{"a": 0, "b": 1}, {"a": 1, "b": 0}, {"a": 0, "b": 1}], [{"a": 1, "b": 0}, {"a": 0, "b": 1}, {"a": 1, "b": 0}], None, "", ""),
        ([np.array([[0, 1], [1, 0]])], [np.array([[1, 0], [0, 1]])], None, "order", "in reverse order"),
        ([[{"distance": p["score"], "same": p["score"] < 0.5} for p in points] for points in POINTS],
         [[{"distance": p["score"], "same": p["score"] < 0.1} for p in points] for points in POINTS], None, "threshold",
         "decides 'same' by another threshold: 'distance' between 0.05 and 0.15, in training between 0.45 and 0.55."),
        (POINTS, [[{**p, "seen": not p["seen"]} for p in points] for points in POINTS], None, "inverted",
         "decides 'seen' the other way round for every sample."),
        (POINTS, [[{**p, "seen": number % 2 == 0} for number, p in enumerate(points)] for points in POINTS], None, "", ""),
        ([points[:4] for points in POINTS[:1]], [[{**p, "seen": p["score"] > 0.7} for p in points[:4]] for points in POINTS[:1]], None,
         "", ""),
        (POINTS, [[p for p in points if p["score"] > 0.3] for points in POINTS], None, "threshold",
         "leaves out items as another threshold does: those whose 'score' is 0.25 or less (0.35 or more agree)."),
        ([{"found": [p for p in points if p["score"] > 0.3]} for points in POINTS], [{"found": points} for points in POINTS], None,
         "threshold", "keeps items as another threshold does: those whose 'score' is 0.25 or less (0.35 or more agree)."),
        (POINTS, [points[1:] for points in POINTS], None, "", ""),
        (NAMES, [{"a": "cat", "b": "bird", "c": "dog"}[name[:1]] for name in NAMES], None, "labels",
         "names the answer otherwise: 'cat' for 'a1', 'bird' for 'b1', 'dog' for 'c1'."),
        ([{"label": name} for name in NAMES], [{"label": {"a1": "b1", "b1": "c1", "c1": "a1"}[name]} for name in NAMES], None, "labels",
         "takes 'label' from a list in another order: 'b1' for 'a1', 'c1' for 'b1', 'a1' for 'c1'."),
        (NAMES[:3], ["b1", "c1", "a1"], None, "", ""),
        ([{"x": 1.0, "y": 2.0}], [{"x": 2.0, "y": 1.0}], None, "", ""),
        ([{"x": 1.0, "y": 2.0}, {"x": 5.0, "y": 3.0}], [{"x": 2.0, "y": 1.0}, {"x": 3.0, "y": 5.0}], None, "exchanged", "swaps 'x' and"),
        ([[{"x": p["x"], "y": p["x"] ** 2, "seen": p["x"] > 2} for p in points] for points in POINTS],
         [[{"x": p["x"], "y": p["x"] ** 2, "seen": p["x"] > 4} for p in points] for points in POINTS], None, "", ""),
        ([points[:4] for points in POINTS[:1]], [[{**p, "seen": p["score"] > 0.8} for p in points[:4]] for points in POINTS[:1]], None,
         "", ""),
        ([{"score": 0.25, "big": False}, {"score": 0.5, "big": False}], [{"score": 0.5, "big": True}, {"score": 1.0, "big": True}],
         None, "", ""),
        ([int(row.argmax()) for row in SCORES], [(int(row.argmax()) + 2) % 6 for row in SCORES], SCORES, "", ""),
        (TOPPED, [Prediction((a.class_id + 2) % 6, a.prob) for a in TOPPED], SCORES, "", ""),
        (NAMES, ["a1"] * 6, None, "", ""),
        ([{"score": 0.123, "big": True}, {"score": 0.456, "big": False}, {"score": 0.789, "big": True}],
         [{"score": 0.12, "big": True}, {"score": 0.46, "big": True}, {"score": 0.79, "big": True}], None, "precision",
         "rounds 'score' to 2 digits."),
        ([{"p": 1.0, "ok": True}, {"p": 2.2, "ok": True}], [{"p": 1.0, "ok": True}, {"p": 2.0, "ok": False}], None, "", ""),
        ([{"label": "a", "n": 1}, {"label": "a", "n": 4}], [{"label": np.str_("a"), "n": 2}, {"label": "a", "n": 5}], None, "offset",
         "adds +1 to 'n'."),
        (["a"], [np.str_("b")], None, "", ""),
        (NAMES, [np.str_(name.upper()) for name in NAMES], None, "labels", "otherwise: 'A1' for 'a1', 'B1' for 'b1', 'C1' for 'c1'."),
        ([None, {"a": 1}], [None, 5], None, "type", "answers int where the training postprocessing answers dict"),
        ([{"a": 1}, 5], [5, 6], None, "", ""),
        ([OrderedDict(a=1), OrderedDict(a=4)], [{"a": 3}, {"a": 6}], None, "offset", "adds +2"),
        ([3], [4], None, "", ""),
        ([[3, 7, 3]] * 2, [[4, 7, 4]] * 2, None, "", ""),
        ([0, 1, 0, 1, 1], [1] * 5, None, "decision",
         "gives 1 for the answer every time where the training postprocessing gives 0 and 1."),
        ([[0, 1]], [[1, 1]], None, "left out", "gives 1 for the answer every time where the training postprocessing gives 0 and 1."),
        ([{"on": [True, False, True], "n": 1}] * 2, [{"on": [True] * 3, "n": 1}] * 2, None, "decision",
         "gives True for 'on' every time where the training postprocessing gives False and True."),
        ([np.arange(12).reshape(3, 4) % 6], [np.full((3, 4), 5)], None, "decision",
         "gives 5 for the answer every time where the training postprocessing gives 0, 1, 2 and 3 more."),
        ([{"kind": 0, "n": 1}, {"kind": 1, "n": 2}], [{"kind": 1, "n": 2}, {"kind": 1, "n": 1}], None, "", ""),
        ([HEAT], [HEAT.T], None, "transpose", "gives the answer transposed (rows for columns)."),
        ([{"heat": HEAT[:, :6].tolist(), "n": 3}], [{"heat": HEAT[:, :6].T.tolist(), "n": 3}], None, "transpose",
         "gives 'heat' transposed (rows for columns)."),
        ([HEAT > 0, HEAT > 1], [HEAT.T > 0, HEAT.T > 1], None, "transpose", "gives the answer transposed (rows for columns)."),
        ([np.stack([HEAT, HEAT + 1])], [np.stack([HEAT.T, HEAT.T + 1])], None, "transpose",
         "gives the answer transposed (axes 1 and 2 exchanged)."),
        ([HEAT[:2, :2]], [HEAT[:2, :2].T], None, "", ""),
        ([BIG[:, :18]], [BIG[::-1, :18]], None, "flip", "gives the answer upside down."),
        ([{"mask": (BIG > 0).tolist()}], [{"mask": (BIG[:, ::-1] > 0).tolist()}], None, "flip", "gives 'mask' mirrored."),
        ([BIG[None]], [BIG[None, :, ::-1]], None, "flip", "gives the answer reversed along axis 2."),
        ([{"heat": heat, "top": heat.max(axis=1)[0]} for heat in HEATS], [{"heat": heat.T, "top": heat[0, 0]} for heat in HEATS], None,
         "transpose", "gives 'heat' transposed (rows for columns)."),
        ([{"heat": HEAT[:7, :7], "n": 1}], [{"heat": HEAT[:7, :7].T, "n": 2}], None, "", ""),
        (MASKS, [masked(mask, [0, 2, 1]) for mask in MASKS], None, "labels", "numbers 'mask' otherwise: 2 for 1, 1 for 2."),
        (MASKS, [masked(mask, [1, 2, 3]) for mask in MASKS], None, "offset", "adds +1 to 'mask'."),
        (MASKS, [masked(mask, [0, 100, 200]) for mask in MASKS], None, "scale", "multiplies 'mask' by 100."),
        (MASKS, [masked(mask, [0, 2, 2]) for mask in MASKS], None, "", ""),
        ([np.arange(12)], [(5 * np.arange(12)) % 12], None, "order", "gives the same answers in another order"),
        ([np.arange(12)], [(5 * np.arange(12)) % 12 + 20], None, "", ""),
        (MASKS, [{**mask, "mask": (mask["mask"] + np.eye(9, 12, dtype=int)) % 3} for mask in MASKS], None, "", ""),
        ([HEAT], [np.roll(HEAT.T, 1)], None, "", ""),
        ([(HEAT > 0).tolist(), "a"], [(HEAT > 0).T.tolist(), "b"], None, "", ""),
        (peaks(HEATS), peaks(HEATS.swapaxes(1, 2)), HEATS, "exchanged", "swaps columns 0 and 1."),
        ([tuple(peak) for peak in peaks(HEATS)], [tuple(peak) for peak in peaks(HEATS.swapaxes(1, 2))], None, "exchanged",
         "swaps columns 0 and 1."),
        ([np.array(peaks(HEATS))], [np.array(peaks(HEATS.swapaxes(1, 2)))], None, "exchanged", "swaps columns 0 and 1."),
        ([{"points": peaks(HEATS)}], [{"points": peaks(HEATS.swapaxes(1, 2))}], None, "exchanged", "swaps columns 0 and 1."),
        ([{"a": 1}, {"a": 1}], [None, {"a": 1}], None, "nothing",
         "gives None for 1 of 2 samples that the training postprocessing answers."),
        ([None, {"a": 1}], [{"a": 1}, {"a": 1}], None, "nothing",
         "answers 1 of 2 samples for which the training postprocessing gives None."),
        ([None, {"a": 1}], [{"a": 1}, None], None, "", ""),
        ([int(row.argmax()) for row in SCORES], [0] * len(SCORES), SCORES, "argmax axis", "answers 0 for every sample, as argmax over the"),
        (TOPPED, SIGMOIDS, SCORES, "sigmoid", "takes the sigmoid of the score where the training postprocessing takes softmax (prob)"),
        (ANSWERS, SIGMOIDS, SCORES, "", ""),
        (TOPPED, tempered(0.5), SCORES, "temperature", "multiplies the scores by 0.5 before softmax (prob)."),
        (TOPPED, [*tempered(0.5)[:3], *tempered(0.7)[3:]], SCORES, "", ""),
        (TOPPED[:2], tempered(0.5)[:2], SCORES[:2], "", ""),
        ([answer._asdict() for answer in TOPPED], [answer._asdict() for answer in ANSWERS], SCORES, "softmax",
         "leaves out softmax: 'prob' is the score before it."),
        ([1.5, np.array([2.5, 3.5])], [np.float32(1.5), [2.5, 3.5]], None, "", ""),
        ([np.array([2.5, 3.5])], [[5.0, 7.0]], None, "scale", "multiplies the answer by 2."),
        ([np.array([2.5, 3.5])], [{"x": 1}], None, "type", "answers dict where the training postprocessing answers ndarray"),
        ([0.3, 0.8, 0.1], [0.9, 0.2, 0.5], None, "", ""),
        (TOPPED, TWICE, SCORES, "softmax", "applies softmax twice: prob is the score behind the second."),
        (TOPPED, [*TWICE[:3], TOPPED[3]], SCORES, "", ""),
        (ROWS, [softmax(row) for row in ROWS], None, "softmax", "applies softmax twice: the answer."),
        ([{"p": row.tolist()} for row in ROWS], [{"p": softmax(row).tolist()} for row in ROWS], None, "softmax",
         "applies softmax twice: 'p'."),
        (list(SCORES), ROWS, None, "softmax", "applies softmax where the training postprocessing does not: the answer."),
        (ROWS, list(SCORES), None, "softmax", "leaves out softmax: the answer."),
        (ROWS, [*(softmax(row) for row in ROWS[:3]), ROWS[3] / 2], None, "", ""),
        (TOPPED, ANSWERS, SCORES[:2], "softmax", "leaves out softmax: prob is the score before it."),
        (COUNTED, [{**each, "sure": each["p"] > 0.8} for each in COUNTED], SCORES[:2], "threshold",
         "decides 'sure' by another threshold: 'p' between 0.7 and 0.9, in training between 0.3 and 0.5."),
        (COUNTED, [{"sure": each["sure"], "prob": each["p"]} for each in COUNTED], None, "keys", "calls 'p' 'prob'."),
        (COUNTED, [{"sure": each["sure"], "prob": 1 - each["p"]} for each in COUNTED], None, "keys",
         "gives the keys 'prob' where the training postprocessing gives 'p'."),
        (COUNTED, [{"p": each["p"]} for each in COUNTED], None, "keys", "leaves out 'sure'."),
        ([None, *COUNTED], [None, *({**each, "n": 1} for each in COUNTED)], None, "keys",
         "gives 'n', which the training postprocessing does not."),
        (COUNTED, [*COUNTED[:4], {"p": 0.1}], None, "", ""),
        (COUNTED, [{**each, "p": str(each["p"])} for each in COUNTED], None, "type",
         "gives 'p' as str where the training postprocessing gives float."),
        (COUNTED, [{**each, "p": str(each["p"]), "sure": not each["sure"]} for each in COUNTED], None, "", ""),
        ([1], [1, 2], None, "", ""),
        ([], [], None, "", ""),
    ],
)  # fmt: skip
def test_what_was_done_to_the_answers_is_named(training: Any, inference: Any, scores: Any, name: str, part: str) -> None:
    found = explain_answers(training, inference, *(() if scores is None else (scores,)))
    assert said(found)[0] == name
    assert part in said(found)[1]
    assert found is None or (found.stage, found.kind) == ("postprocess", "step")
    assert found is None or found.remedy == _REMEDY
    assert found is None or found.certain == (found.name != "left out"), "what another step may do too is not told as certain"


MANY = [
    {"score": float(score), "box": [1.0, 2.0, 3.0, place], "seen": bool(score > 0.5)}
    for place, score in enumerate(RANDOM.random(2000))
]


@pytest.mark.parametrize(
    ("training", "inference", "part"),
    [
        ({"m": [0, 1, 1] * 4000}, {"m": [1, 0, 0] * 4000}, "numbers 'm' otherwise: 1 for 0, 0 for 1."),
        ({"m": [0, 1, 2] * 4000}, {"m": [1, 0, 2] * 3999 + [1, 0, 0]}, ""),
        ([{"p": 1.5, "n": 1}] * 5000, [{"p": 4.5, "n": 1}] * 5000, "multiplies 'p' by 3."),
        (MANY, [{**item, "seen": item["score"] > 0.7} for item in MANY], "by another threshold: 'score' between 0."),
        (MANY, [MANY[place] for place in RANDOM.permutation(len(MANY))], "the same answers in another order."),
        (MANY, [item for item in MANY if item["score"] > 0.3], "leaves out items as another threshold does"),
    ],
)
def test_thousands_of_numbers_are_looked_at_in_seconds(training: Any, inference: Any, part: str) -> None:
    started = time.process_time()
    found = said(explain_answers([training], [inference]))[1]
    assert part in found
    assert bool(part) == bool(found)
    assert time.process_time() - started < 8, "one of these took minutes where each place was looked for among all"


MASK = RANDOM.random((800, 1000)) > 0.5
SHADES = RANDOM.random((800, 1000))


@pytest.mark.parametrize(
    ("training", "inference", "part"),
    [
        (MASK.tolist(), MASK.T.tolist(), "gives the answer transposed"),
        (
            {"mask": MASK.astype(int).tolist()},
            {"mask": (~MASK).astype(int).tolist()},
            "numbers 'mask' otherwise: 1 for 0, 0 for 1.",
        ),
        (MASK.tolist(), np.ones_like(MASK).tolist(), "gives True for the answer every time"),
        (SHADES.tolist(), (3 * SHADES).tolist(), "multiplies the answer by 3."),
        (SHADES.tolist(), SHADES[::-1].tolist(), "gives the answer upside down"),
        (SHADES.tolist(), SHADES[RANDOM.permutation(len(SHADES))].tolist(), "gives the same answers in another order"),
        (SHADES.ravel().tolist(), RANDOM.random(SHADES.size).tolist(), ""),
        ([{"mask": MASK.tolist(), "score": 0.5}], [{"mask": MASK.tolist(), "score": 0.7}], ""),
        ({"mask": SHADES}, {"mask": SHADES.round(2).tolist()}, "rounds 'mask' to 2 digits."),
    ],
)
def test_a_mask_as_a_list_of_a_million_numbers_is_looked_at_as_one_array(training: Any, inference: Any, part: str) -> None:
    started = time.process_time()
    found = said(explain_answers([training], [inference]))[1]
    assert part in found
    assert bool(part) == bool(found)
    assert time.process_time() - started < 4, "each took 12 s and more where each number was looked at alone"


def test_shuffled_items_are_paired_although_rounding_sorts_them_otherwise() -> None:
    random = np.random.default_rng(1)
    items = [{"score": float(score), "row": random.random(3), "on": True} for score in random.random(500)]
    noisy = [{**item, "score": item["score"] * (1 + 1e-6), "row": item["row"] * (1 - 1e-6)} for item in items]
    shuffled = [noisy[place] for place in random.permutation(len(noisy))]
    assert said(explain_answers([items], [shuffled]))[1] == "the inference postprocessing gives the same answers in another order."
    shuffled[7] = shuffled[8]
    assert explain_answers([items], [shuffled]) is None


# -- scaled by sample or by column -------------------------------------------------------------------------------------

SIZES = [(320, 240), (128, 96), (64, 100)]


def boxes(scaled: bool = False, kind: str = "list", sizes: list[tuple[int, int]] = SIZES) -> list[Any]:
    """Three boxes a picture, in its own pixels or in those of a net of 64 x 64."""
    random, made = np.random.RandomState(5), []
    for width, height in sizes:
        found = random.uniform(1, 60, (3, 4)) * ([1, 1, 1, 1] if scaled else [width / 64, height / 64] * 2)
        if kind == "array":
            made.append(found)
        else:
            made.append([{"box": [float(value) for value in row], "score": 0.5} for row in found])
    return made


@pytest.mark.parametrize("kind", ["list", "array"])
def test_boxes_that_are_not_scaled_back_to_their_pictures_are_named(kind: str) -> None:
    found = explain_answers(boxes(kind=kind), boxes(True, kind))
    assert found is not None
    what = "'box'" if kind == "list" else "the answer"
    assert found.cause == (
        f"the inference postprocessing multiplies {what} by factors of each sample ((0.2, 0.2667, 0.2, 0.2667) for sample 0, "
        "(0.5, 0.6667, 0.5, 0.6667) for sample 1), as of boxes that are not scaled to their picture's size."
    )
    alike = [(320, 240)] * 2
    found = explain_answers(boxes(kind=kind, sizes=alike), boxes(True, kind, alike))
    assert found is not None
    assert found.cause.endswith(f" multiplies the columns of {what} by (0.2, 0.2667, 0.2, 0.2667).")


def test_a_picture_may_have_the_right_width_and_another_height() -> None:
    sizes = [(64, 100), (320, 240)]
    found = explain_answers(boxes(sizes=sizes), boxes(True, sizes=sizes))
    assert found is not None
    assert "((1, 0.64, 1, 0.64) for sample 0, (0.2, 0.2667, 0.2, 0.2667) for sample 1)" in found.cause


def test_a_zero_that_becomes_another_number_is_not_scaled() -> None:
    one = boxes()
    one[0][0]["box"][0] = 0.0
    assert explain_answers(one, boxes(True)) is None


def test_one_factor_for_all_is_told_as_one() -> None:
    square = [(128, 128)] * 2
    found = explain_answers(boxes(sizes=square), boxes(True, sizes=square))
    assert found is not None
    assert found.cause.endswith(" multiplies 'box' by 0.5.")


def test_factors_that_nothing_repeats_are_none() -> None:
    assert explain_answers([{"d": 0.25}, {"d": 0.5}, {"d": 1.5}], [{"d": 0.75}, {"d": 1.0}, {"d": 0.3}]) is None
    moved = boxes(True)
    moved[1][2]["box"][3] *= 1.01
    assert explain_answers(boxes(), moved) is None, "one number is another"
    other = boxes(True)
    other[0][0]["score"] = 0.25
    found = explain_answers(boxes(), other)
    assert found is None or "'score'" not in found.cause
    shifted = [[{**item, "box": [value + 1 for value in item["box"]]} for item in picture] for picture in boxes(True)]
    assert explain_answers(boxes(), shifted) is None
