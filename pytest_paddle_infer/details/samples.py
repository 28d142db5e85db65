"""What is kept of each sample of a parity run, told by the judges while they judge. `parity.py` hands over, `details/keeping.py` reads."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_paddle_infer.details.answers import as_text
from pytest_paddle_infer.details.magnitudes import Magnitudes
from pytest_paddle_infer.details.numbers import rounded
from pytest_paddle_infer.judge.closeness import Judged, OutputJudge, OutputVerdict
from pytest_paddle_infer.judge.noise import Array
from pytest_paddle_infer.transforms import top_k

if TYPE_CHECKING:
    from pytest_paddle_infer.samples import Sample

TOP = 5
"""Classes that are kept of a classifier's answer."""

PICTURED, WORST = 16, 8
"""Samples that are shown as pictures, and how many of them are those nearest their limits; the others are the first ones."""

_AGREEMENTS = ("", "agrees", "tie", "differs")
_INPUTS = ("", "equal", "rounding", "differs")

_ROW = np.dtype(
    [
        ("error", "f8"), ("limit", "f8"), ("excess", "f8"), ("output", "i4"), ("agreement", "i1"), ("input", "i1"),
        ("classes", "i4", (2, TOP)), ("scores", "f8", (2, TOP)),
    ]
)  # fmt: skip


class SampleRecords:
    """One row of 150 bytes for each of `count` samples. Figures of a sample are of the output that is nearest its limit, as judged.

    Answers of an own postprocess are kept as text besides, of at most 200 characters a side. seconds: how long the run has taken so far.
    """

    def __init__(self, count: int) -> None:
        self._rows = np.zeros(count, _ROW)
        self._rows["classes"] = -1
        self._texts: dict[int, tuple[str, str]] = {}
        self._done, self._began, self.seconds = 0, time.monotonic(), 0.0
        self._outputs: list[dict[int, Judged]] = []
        self._magnitudes: list[Magnitudes | None] = []
        self._inputs: list[dict[int, Judged]] = []

    def __len__(self) -> int:
        """How many samples were compared."""
        return self._done

    def watch(self, outputs: Sequence[OutputJudge], inputs: Sequence[OutputJudge]) -> None:
        """Makes the judges of a run tell what they see."""
        self._outputs = [{} for _ in outputs]
        self._magnitudes = [None] * len(outputs)
        for index, judge in enumerate(outputs):
            judge.watch = partial(self._output, index)
        self._inputs = [{} for _ in inputs]
        for index, judge in enumerate(inputs):
            judge.watch = partial(self._input, index)

    def _output(self, index: int, judged: Judged) -> None:
        self._outputs[index][judged.sample] = replace(judged, magnitude=None, ratio=None)
        if judged.magnitude is not None and judged.ratio is not None:
            kept = self._magnitudes[index] = self._magnitudes[index] or Magnitudes()
            kept.add(judged.magnitude, judged.ratio, judged.scale)

    def _input(self, index: int, judged: Judged) -> None:
        self._inputs[index][judged.sample] = replace(judged, magnitude=None, ratio=None)

    def add(
        self,
        first: int,
        training: Sequence[Array],
        inference: Sequence[Array],
        same_inputs: bool,
        agreements: Sequence[str],
        classes: bool,
        answers: tuple[Sequence[Any], Sequence[Any]] | None = None,
    ) -> None:
        """Takes a batch that was judged: samples first, first + 1, ...; one agreement for each (see `AnswersJudge.add`).

        classes: whether answers are classes; else the first output has no best ones, whatever its shape. answers: of both sides, where
        an own postprocess makes them.
        """
        size = len(agreements)
        for offset, agreement in enumerate(agreements):
            row = self._rows[first + offset]
            self._nearest(row, first + offset, size)
            row["agreement"] = _AGREEMENTS.index(agreement)
            row["input"] = 1 if same_inputs else self._input_state(first + offset, size)
            for side, outputs in enumerate((training, inference)):
                if classes and outputs and _are_scores(outputs[0], size):
                    best = top_k(outputs[0][offset], TOP)
                    row["classes"][side, : len(best)] = [each.class_id for each in best]
                    row["scores"][side, : len(best)] = [each.prob for each in best]
        for offset, (one, two) in enumerate(zip(*answers)) if answers else ():
            if one is not None or two is not None:
                self._texts[first + offset] = as_text(one), as_text(two)
        self._done, self.seconds = first + size, time.monotonic() - self._began
        for seen in (*self._outputs, *self._inputs):
            seen.clear()

    def _nearest(self, row: Any, sample: int, size: int) -> None:
        """Figures of the output nearest its limit."""
        found = [_of_sample(seen, sample, size) for seen in self._outputs]
        if found:
            index = max(range(len(found)), key=lambda index: found[index].excess)
            row["error"], row["limit"], row["excess"] = found[index].error, found[index].limit, found[index].excess
            row["output"] = index

    def _input_state(self, sample: int, size: int) -> int:
        """Of the input that is furthest off."""
        excess = max((_of_sample(seen, sample, size).excess for seen in self._inputs), default=float("inf"))
        return 1 if excess == 0 else 2 if excess <= 1 else 3

    def chosen(self) -> list[int]:
        """Samples worth a picture: those nearest their limits, then the first ones; in order."""
        order = np.argsort(-self._rows["excess"][: self._done], kind="stable")
        wanted = dict.fromkeys([*order[:WORST].tolist(), *range(self._done)])
        return sorted(list(wanted)[:PICTURED])

    def fed_alike(self, sample: int) -> bool:
        """True where both preprocessing programs made the same tensors, bit for bit."""
        return bool(self._rows["input"][sample] == 1)

    def parts(self, samples: Sequence[Sample], outputs: Sequence[OutputVerdict], pictured: Mapping[int, Any]) -> dict[str, Any]:
        """Returns `parity` of the details. outputs: the verdicts over all samples, in the order of the judges."""
        names = [verdict.name for verdict in outputs]
        return {
            "outputs": [_output_part(*each) for each in zip(outputs, self._magnitudes)],
            "samples_compared": self._done,
            "samples": [
                {
                    "index": index,
                    "name": sample.name,
                    "input": _INPUTS[row["input"]] or None,
                    "output": names[row["output"]] if names else "",
                    "error_relative": rounded(row["error"]),
                    "limit_relative": rounded(row["limit"]),
                    "limits": rounded(row["excess"]),
                    "agreement": _AGREEMENTS[row["agreement"]] or None,
                    "training": _answer(row["classes"][0], row["scores"][0]),
                    "inference": _answer(row["classes"][1], row["scores"][1]),
                    "answer_texts": _texts(self._texts.get(index)),
                    "pictured": index in pictured,
                }
                for index, (sample, row) in enumerate(zip(samples, self._rows[: self._done]))
            ],
        }


def _of_sample(seen: Mapping[int, Judged], sample: int, size: int) -> Judged:
    """What a judge told of a sample. A tensor without a batch axis counts for every sample; one of another shape or dtype, of which a
    judge tells nothing, is far beyond."""
    if sample in seen:
        return seen[sample]
    return next(iter(seen.values())) if len(seen) == 1 < size else Judged(sample, float("inf"), float("nan"), float("inf"))


def _are_scores(output: Array, size: int) -> bool:
    """True for float[N, C] with C > 1, a row for each sample."""
    return output.ndim == 2 and output.dtype.kind == "f" and len(output) == size and output.shape[1] > 1


def _answer(classes: Array, scores: Array) -> dict[str, Any] | None:
    known = [(int(each), float(score)) for each, score in zip(classes, scores) if each >= 0]
    if not known:
        return None
    return {
        "top": [{"class_id": each, "score": rounded(score)} for each, score in known],
        "margin": rounded(known[0][1] - known[1][1]),
    }


def _texts(pair: tuple[str, str] | None) -> dict[str, str] | None:
    return None if pair is None else {"training": pair[0], "inference": pair[1]}


def _output_part(verdict: OutputVerdict, magnitudes: Magnitudes | None) -> dict[str, Any]:
    floor = verdict.floor
    return {
        "name": verdict.name,
        "error_relative": rounded(verdict.error),
        "limit_relative": rounded(verdict.limit),
        "noise_floor_relative": None if floor is None else rounded(floor.maximum),
        "magnitudes": [] if magnitudes is None else magnitudes.bins(),
    }
