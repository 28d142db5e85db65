"""Inputs that differ, of several samples at once: what one sample shows as a fact, another refutes. Called by `input_search`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_paddle_infer.diagnosis.belonging import belonging
from pytest_paddle_infer.diagnosis.feeds import Feed, same
from pytest_paddle_infer.diagnosis.finding import Array, Finding
from pytest_paddle_infer.diagnosis.inputs import describe_inputs, explain_input, on_line, one_line
from pytest_paddle_infer.diagnosis.steps import Facts

if TYPE_CHECKING:
    from pytest_paddle_infer.bench import Bench

MOST_DIFFERING, MOST_AGREEING = 8, 8
"""Samples that are looked at together: their pictures are resized again and again."""

MOST_PIXELS = 24_000_000
"""Of all their pictures."""

OF_TENSORS = ("axes", "logarithm")
"""Steps that are seen by the tensors alone, of one sample as of another."""

SHOWN = 3
"""Samples of which it is told what each shows alone."""


@dataclass(frozen=True)
class _Fed:
    """One sample as both sides feed it: all inputs, the batch axis kept, of length 1."""

    number: int
    training: list[Array]
    inference: list[Array]

    def alike(self, index: int) -> bool:
        return same(self.inference[index], self.training[index])


@dataclass(frozen=True)
class Together:
    """What explains these samples, by their numbers."""

    finding: Finding
    numbers: tuple[int, ...]


def explain_together(
    bench: Bench, feeds: Sequence[Feed], names: Sequence[str], index: int, start: int, first: int | None = None
) -> Together | None:
    """What explains the samples that differ and does not touch those that agree; None where nothing does, or there is one sample only.

    start: the number of the first sample of the batch that failed first. first: a sample that is looked at before all others.
    """
    chosen = _chosen(feeds, index, start, first)
    if len(chosen) < 2:
        return None
    chosen, pictures = _pictured(bench, chosen, names, index)
    if len(chosen) < 2:
        return None
    training, inference = (np.concatenate([side[index] for side in sides]) for sides in _sides(chosen))
    found = explain_input(training, inference, pictures)
    return Together(found, tuple(each.number for each in chosen)) if found is not None and found.certain else None


def figures_of_all(facts: Facts, feeds: Sequence[Feed], index: int) -> Facts:
    """The facts of one sample, with where all samples differ most instead of where that one does."""
    alike = {(feed.training[index].shape[1:], feed.inference[index].shape[1:]) for feed in feeds if feed.training[index].ndim}
    if len(feeds) < 2 or len(alike) != 1:
        return facts
    training, inference = (np.concatenate([side[index] for side in sides]) for sides in _sides(feeds))
    of_all = [(label, told) for label, told in describe_inputs(training, inference, first=feeds[0].first) if label != "shapes"]
    labels = [label for label, _ in of_all]
    before = [(label, told) for label, told in facts if label == "shapes"]
    return (*before, *of_all, *((label, told) for label, told in facts if label != "shapes" and label not in labels))


def unexplained(found: Finding, feeds: Sequence[Feed], index: int, start: int, others: Sequence[int]) -> list[int]:
    """Numbers of the samples that refute what the first one shows that differs; none where that is no matter of numbers or of places.

    start: the number of the first sample of the batch that failed first. others: samples that another cause explains besides.
    """
    fed = _single(feeds)
    own = _first(fed, index, start)
    if own is None:
        return []
    one, two = own.training[index], own.inference[index]
    fed = [each for each in fed if each.number not in others]
    rest = [each for each in fed if each is not own and each.training[index].shape == one.shape]
    rest = [each for each in rest if each.inference[index].shape == two.shape]
    if found.name in ("normalisation", "scaling"):
        line = one_line(one, two)
        return (
            [] if line is None else [each.number for each in rest if not on_line(line, each.training[index], each.inference[index])]
        )
    if found.name in OF_TENSORS or (found.name == "crop" and "shifts the " in found.cause):
        return [each.number for each in rest if _refutes(found, each.training[index], each.inference[index])]
    return []


def alone(feeds: Sequence[Feed], index: int, start: int, refuting: Sequence[int]) -> Facts:
    """What the first sample that differs shows by its tensors, and some that refute it."""
    told = []
    fed = _single(feeds)
    own = _first(fed, index, start)
    for each in [each for each in fed if each is own or each.number in refuting][:SHOWN]:
        found = explain_input(each.training[index], each.inference[index])
        if found is not None:
            told.append((f"sample {each.number}", found.cause))
    return tuple(told)


def _refutes(found: Finding, training: Array, inference: Array) -> bool:
    if same(inference, training):
        return bool(np.ptp(training) > 0)
    other = explain_input(training, inference)
    if other is None:
        return found.name in OF_TENSORS
    return other.cause != found.cause.replace(*_UNSEEN)


_UNSEEN = ("shifts the picture", "shifts the crop")
"""The same shift by tensors and pictures, and by tensors alone."""


def _sides(fed: Sequence[Any]) -> tuple[list[list[Array]], list[list[Array]]]:
    return [each.training for each in fed], [each.inference for each in fed]


def _single(feeds: Sequence[Feed]) -> list[_Fed]:
    """The samples of all batches; none of a batch whose tensors do not all count its samples."""
    found = []
    for feed in feeds:
        arrays = [*feed.training, *feed.inference]
        sizes = {len(array) if array.ndim else 0 for array in arrays}
        if len(sizes) == 1:
            for place in range(sizes.pop()):
                rows = ([array[place : place + 1] for array in side] for side in (feed.training, feed.inference))
                found.append(_Fed(feed.first + place, *rows))
    return found


def _first(fed: Sequence[_Fed], index: int, start: int) -> _Fed | None:
    return next((each for each in fed if each.number >= start and not each.alike(index)), None)


def _chosen(feeds: Sequence[Feed], index: int, start: int, before: int | None = None) -> list[_Fed]:
    """Some samples that differ, the first of them first, and then some that agree; all of one shape."""
    fed = _single(feeds)
    own = next((each for each in fed if each.number == before), None) or _first(fed, index, start)
    if own is None or own.training[index].dtype.kind != "f":
        return []

    def kind(each: _Fed) -> list[object]:
        return [(array.shape, array.dtype) for array in (each.training[index], each.inference[index])]

    fitting = [each for each in fed if kind(each) == kind(own)]
    differing = [own, *(each for each in fitting if each is not own and not each.alike(index))]
    agreeing = [each for each in fitting if each.alike(index)]
    return differing[:MOST_DIFFERING] + agreeing[:MOST_AGREEING]


def _pictured(bench: Bench, chosen: list[_Fed], names: Sequence[str], index: int) -> tuple[list[_Fed], list[Any]]:
    """The samples with the picture of each, those alone whose picture has the first one's mode; without pictures where there are none."""
    kept: list[_Fed] = []
    opened: list[Any] = []
    left = MOST_PIXELS
    for each in chosen:
        sample = bench.samples[each.number].open()
        pictures = belonging([sample], names, each.training, index)
        if not pictures:
            if kept:
                continue
            return chosen, []
        if opened and pictures[0].mode != opened[0].mode:
            continue
        left -= pictures[0].width * pictures[0].height
        if left < 0 and len(kept) > 1:
            break
        kept.append(each)
        opened += pictures
    return kept, opened
