"""Which integers of an output are near ties: asks the training engine, for the verdict, the diagnosis and the teeth alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_paddle_infer.failures import WorkerFailure

if TYPE_CHECKING:
    from pytest_paddle_infer.bench import Bench
    from pytest_paddle_infer.judge.closeness import NearOf


def near_ties(bench: Bench, precision: str, start: int, stop: int) -> NearOf | None:
    """Of samples[start:stop], for an engine that computes in `precision`; None for int8, which has no rounding rule."""
    from pytest_paddle_infer.engine.services import SHAKEN
    from pytest_paddle_infer.judge.noise import NEAR_TIES

    share = NEAR_TIES.get(precision)
    if share is None:
        return None

    def ask(output: int, one: Any, two: Any) -> Any:
        asked = ("near_ties", start, stop, output, one, two, share)
        try:
            return bench.call(bench.training(), "look for near ties", *asked, parts=SHAKEN + 1)
        except WorkerFailure as error:
            if error.kind != "exception":
                raise
            return one != one  # a layer that takes no hook: then no integer is known to be one

    return ask
