"""After a failure: a preprocess or postprocess that makes something else of the same thing each time. Called by `diagnose`.

What such a preprocess makes for a search is not what the engine was given, so nothing may be concluded from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Callable

import numpy as np

from pytest_paddle_infer.asking import Asking
from pytest_paddle_infer.bench import Bench
from pytest_paddle_infer.diagnosis.agreement import ROUNDING, close
from pytest_paddle_infer.diagnosis.finding import Deadline, Finding
from pytest_paddle_infer.samples import numbered

if TYPE_CHECKING:
    from pytest_paddle_infer.engine.processing import Arrays
    from pytest_paddle_infer.engine.worker import Worker
    from pytest_paddle_infer.parity import ParityRun


def of_inputs(
    ask: Asking, bench: Bench, run: ParityRun, worker: Worker, deadline: Deadline, sides: Sequence[str]
) -> Finding | None:
    """The first preprocess whose tensors for the example are others when it is asked twice, or after another sample; None for none.

    sides: "training" or "inference", those in doubt. Tensors that agree but for rounding are no cause.
    """
    start, stop = (0, run.first_size) if run.example is None else (run.example.start, run.example.stop)
    for side in sides:
        engine = bench.training if side == "training" else lambda: worker
        if _makes_others(ask, bench, engine, deadline, start, stop):
            return _unsteady(bench, side, start)
    return None


def _makes_others(ask: Asking, bench: Bench, engine: Callable[[], Worker], deadline: Deadline, start: int, stop: int) -> bool:
    size, total = stop - start, len(bench.samples)
    other = (stop, min(stop + size, total)) if stop < total else (0, size)
    made: list[Arrays] = []
    for batch in ((start, stop), (start, stop), other, (start, stop)):  # state may hold what was asked for last
        tensors = ask.running(bench, engine, deadline, "preprocess again", "inputs", *batch)
        if tensors is None:
            return False
        made.append(tensors)
    return not (_alike(made[0], made[1]) and _alike(made[1], made[3]))


def _unsteady(bench: Bench, side: str, sample: int) -> Finding:
    own = bench.spec.training_preprocess is not None
    program = "training_preprocess" if own and side == "training" else "preprocess"
    who = f"the {side} preprocess" if own else "the preprocess, which both engines run,"
    named = numbered(sample, bench.samples[sample].name)
    return Finding(
        "preprocess",
        f"{who} gives another tensor when it is asked twice for the same sample.",
        "step",
        program,
        (("asked", f"for {named}, again, and after another one"),),
        f"keep no state between samples in {program}, and draw no random numbers there.",
    )


def of_answers(ask: Asking, bench: Bench, run: ParityRun, worker: Worker, deadline: Deadline) -> Finding | None:
    """The inference side's postprocess answers the first batch's own output otherwise when it is asked again."""
    from pytest_paddle_infer.judge.answers import first_difference

    outputs = run.kept[1][0]
    once, again = (
        ask.running(bench, lambda: worker, deadline, "postprocess again", "answers", outputs, 0, run.first_size) for _ in range(2)
    )
    difference = "" if once is None or again is None else first_difference(once, again, 0.0)
    if not difference:
        return None
    cause = "the postprocess answers one and the same output differently each time."
    remedy = "take random numbers, the time and state that is kept between calls out of the postprocess."
    return Finding("postprocess", cause, "step", "postprocess", remedy=remedy)


def _alike(one: Arrays, two: Arrays) -> bool:
    return all(
        np.array_equal(left, right, equal_nan=left.dtype.kind in "fc") or close(left, right, ROUNDING)
        for left, right in zip(one, two)
    )
