"""After inputs that differ: what the inference preprocessing does otherwise, by all inputs of several samples and their pictures.

Called by `diagnose`. Both sides are asked for their tensors again, as far as time and memory allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_paddle_infer.asking import Asking
from pytest_paddle_infer.bench import Bench
from pytest_paddle_infer.diagnosis.belonging import belonging
from pytest_paddle_infer.diagnosis.feeds import Feed, explain_feeds
from pytest_paddle_infer.diagnosis.finding import Deadline, Finding
from pytest_paddle_infer.diagnosis.inputs import explain_input
from pytest_paddle_infer.diagnosis.programs import OF_MODE
from pytest_paddle_infer.diagnosis.steps import remedies
from pytest_paddle_infer.inputs_together import SHOWN, Together, alone, explain_together, figures_of_all, unexplained
from pytest_paddle_infer.samples import numbered

if TYPE_CHECKING:
    from pytest_paddle_infer.engine.worker import Worker
    from pytest_paddle_infer.parity import ParityRun

MOST_SAMPLES, MOST_BYTES = 32, 1 << 27
"""Samples whose tensors are looked at together, and the memory that they may take."""

SHARE = 0.25
"""Of the time for a diagnosis: what asking for the tensors of all samples may take."""

OTHERS = 5.0
"""Seconds in which other samples are looked at singly."""

OF_ONE_PICTURE = ("exif", "mode", "mirror", "channel order")
"""Steps that concern single pictures: the sample that failed first need not show them."""


def search_inputs(ask: Asking, bench: Bench, run: ParityRun, worker: Worker, shown: Finding, deadline: Deadline) -> Finding:
    """The cause of inputs that differ, else `shown` with what is known of them."""
    example, index = run.example, run.differing_input
    if example is None or example.training_inputs is None or index is None or deadline.over():
        return shown
    names = [item.name or "" for item in bench.model.inputs]
    trained = example.training_inputs
    feeds = list(_feeds(ask, bench, worker, deadline))
    found = ask.quietly(lambda: explain_feeds(names, feeds, deadline)) if feeds else None
    if found is None:
        found = _by_samples(ask, bench, run, names, feeds, shown, deadline)
    same = ask.running(bench, lambda: worker, deadline, "run the training engine's input", "run", trained)
    if same is None or not run.agrees(example.training, same):
        return found
    parted = _answers_part(ask, bench, run, worker, same, deadline)
    if not parted:
        return found.with_facts(
            ("engines", "agree when both are given the training engine's input: only the preprocessing is at fault")
        )
    found = replace(found, remedy=remedies(found.remedy, "compare the two postprocess programs, too."))
    return found.with_facts(
        ("engines", "agree when both are given the training engine's input"),
        ("also", f"the postprocess programs make other answers of equal outputs: {parted}."),
    )


def _by_samples(
    ask: Asking, bench: Bench, run: ParityRun, names: Sequence[str], feeds: Sequence[Feed], shown: Finding, deadline: Deadline
) -> Finding:
    """What explains several samples at once, else what the first that differs shows and no other refutes; else the difference."""
    example, index = run.example, run.differing_input
    assert example is not None
    assert example.training_inputs is not None
    assert index is not None
    trained, start = example.training_inputs, example.start
    unknown = Finding("preprocess", run.input_difference, remedy=_compare(bench, run), certain=False)
    if shown.name == "integers" and len(feeds) > 1:  # told of one sample, and refuted by the others
        shown = unknown
    elif not shown.certain:
        shown = replace(shown, remedy=unknown.remedy)
    opened = ask.quietly(lambda: [sample.open() for sample in bench.samples[start : example.stop]])
    pictures = ask.quietly(lambda: belonging(opened or (), names, trained, index)) or ()
    together = None
    if len(feeds) > 1 and not deadline.over():
        together = ask.quietly(lambda: explain_together(bench, feeds, names, index, start))
    left: list[int] = []
    # one program for all of their pictures is more than one that made a single tensor; without it, a single picture may tell more
    whole = together is not None and (not pictures or "training" in dict(together.finding.facts))
    one = ask.quietly(lambda: run.input_finding(pictures)) if pictures and not whole else None
    if together is not None and (one is None or not one.certain):
        left = ask.quietly(partial(unexplained, together.finding, feeds, index, start, ())) or []
        if left and not deadline.over():
            more = _of_all(ask, together, lambda number: explain_together(bench, feeds, names, index, start, number), left)
            together, left = more, left if more is together else []
        cause, explained = together.finding, together.numbers
    else:
        cause, explained = one or shown, ()
    others: list[tuple[Finding, list[int]]] = []
    if cause.certain and pictures:
        others = ask.quietly(lambda: _also(bench, cause, names, feeds, index, deadline, explained)) or []
    besides = [number for _, which in others for number in which]
    left = [number for number in left if number not in besides]
    if left:
        cause = replace(cause, remedy=remedies(cause.remedy, compare(_samples(left))))
        cause = cause.with_facts(("also", f"{_samples(left)}: something else differs, too."))
    if cause.certain and not explained:
        refuting = ask.quietly(lambda: unexplained(cause, feeds, index, start, besides)) or []
        if refuting:
            seen = ask.quietly(lambda: alone(feeds, index, start, refuting)) or ()
            cause, others = unknown.with_facts(*seen), []
    if not cause.certain:
        facts = ask.quietly(lambda: figures_of_all(run.input_facts(pictures), feeds, index)) or ()
        cause = replace(cause, facts=(*facts, *cause.facts))
    found = cause.with_facts(*_others(names, feeds, index)) if len(names) > 1 else cause
    if others:
        found = replace(found, remedy=remedies(found.remedy, *(other.remedy for other, _ in others)))
    return found.with_facts(*(("also", f"{_samples(which)}: {other.cause}") for other, which in others))


def _of_all(ask: Asking, found: Together, explain: Callable[[int], Together | None], refuting: Sequence[int]) -> Together:
    """What explains samples too that the cause of the others does not, and does the same besides; else that cause."""
    for number in refuting[:SHOWN]:  # each may have the mode of the others, or its own
        again = ask.quietly(partial(explain, number))
        if again is not None and again.finding.cause != found.finding.cause and _done(found.finding) in again.finding.cause:
            return again
    return found


def _answers_part(ask: Asking, bench: Bench, run: ParityRun, worker: Worker, outputs: Any, deadline: Deadline) -> str:
    """Where the answers of both sides to the same outputs part; "" where they do not, or where there is no time to ask."""
    from pytest_paddle_infer.judge.answers import first_difference

    if not bench.spec.own_answers or run.example is None:
        return ""
    asked = ("postprocess equal outputs", "answers", outputs, run.example.start, run.example.stop)
    one, two = (ask.running(bench, side, deadline, *asked) for side in (bench.training, lambda: worker))
    return "" if one is None or two is None else first_difference(list(one), list(two), 0.0, ROUNDING_OF_ANSWERS)


ROUNDING_OF_ANSWERS = 1e-6
"""By how much floats may part that two programs make of the very same outputs."""


def compare(sample: str) -> str:
    """What to do where nobody knows what differs. sample: which."""
    return f"compare the two preprocess programs step by step on {sample}."


def _compare(bench: Bench, run: ParityRun) -> str:
    """By the sample that differs most, which the first line of the failure tells of."""
    sample = run.worst_input_sample
    return compare("this sample" if sample is None else numbered(sample, bench.samples[sample].name))


def _feeds(ask: Asking, bench: Bench, worker: Worker, deadline: Deadline) -> Iterator[Feed]:
    """Yields what both sides feed for the first samples, those that agree included: they refute what one sample seems to show."""
    size, size_of_all = bench.spec.batch_size or 1, 0
    last = deadline.left() * (1 - SHARE)
    for start in range(0, min(len(bench.samples), MOST_SAMPLES), size):
        stop = min(start + size, len(bench.samples))
        if size_of_all > MOST_BYTES or deadline.left() < last:
            return
        training = ask.running(bench, bench.training, deadline, "preprocess", "inputs", start, stop)
        inference = None if training is None else ask.running(bench, lambda: worker, deadline, "preprocess", "inputs", start, stop)
        if inference is None:
            return
        size_of_all += sum(array.nbytes for array in (*training, *inference))
        yield Feed(start, training, inference)


def _others(names: Sequence[str], feeds: Sequence[Feed], index: int) -> Iterator[tuple[str, str]]:
    """Says which of several inputs a finding is about."""
    differing = [names[other] for other in range(len(names)) if other != index and not all(feed.alike(other) for feed in feeds)]
    agreeing = [name for other, name in enumerate(names) if other != index and name not in differing]
    told = [names[index]]
    told += [f"{' and '.join(differing)} differ{'s' * (len(differing) == 1)} too"] if differing else []
    told += [f"{' and '.join(agreeing)} agree{'s' * (len(agreeing) == 1)}"] if agreeing and feeds else []
    yield "input", "; ".join(told)


def _also(
    bench: Bench,
    found: Finding,
    names: Sequence[str],
    feeds: Sequence[Feed],
    index: int,
    deadline: Deadline,
    explained: Sequence[int],
) -> list[tuple[Finding, list[int]]]:
    """What single pictures show beside the cause that the first sample showed, and which samples do.

    explained: numbers of samples in which nothing else differs.
    """
    told: dict[str, tuple[Finding, list[int]]] = {}
    known = found.cause[:-1]
    last = deadline.left() - OTHERS
    for feed in feeds:
        if feed.alike(index) or len(feed.training[index]) != 1 or feed.first in explained:
            continue
        if deadline.over() or deadline.left() < last:
            break
        opened: list[Any] = [bench.samples[feed.first].open()]
        pictures = belonging(opened, names, feed.training, index)
        other = explain_input(feed.training[index], feed.inference[index], pictures) if pictures else None
        if other is not None and other.certain and other.name in OF_ONE_PICTURE:
            told.setdefault(other.cause, (other, []))[1].append(feed.first)
    return [each for each in told.values() if _done(each[0]) not in known][:3]


def _done(found: Finding) -> str:
    """What is done, of pictures of any mode."""
    return found.cause[:-1].partition("preprocessing ")[2].partition(OF_MODE)[0]


def _samples(which: Sequence[int]) -> str:
    return f"{'sample' if len(which) == 1 else 'samples'} {', '.join(map(str, which))}"
