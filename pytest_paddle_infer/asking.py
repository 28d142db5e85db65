"""Asks engines while a cause is looked for: within the time that is left, and so that what goes wrong ends one search, not all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, TypeVar

from pytest_paddle_infer.bench import Bench, RunOptions
from pytest_paddle_infer.diagnosis.stages import RAW, Step
from pytest_paddle_infer.failures import PaddleInferError, WorkerFailure

if TYPE_CHECKING:
    from pytest_paddle_infer.diagnosis.comparison import Comparison
    from pytest_paddle_infer.diagnosis.finding import Deadline
    from pytest_paddle_infer.engine.processing import Arrays
    from pytest_paddle_infer.engine.worker import Worker
    from pytest_paddle_infer.exports import ExportedModel

T = TypeVar("T")

UNASKED, CUT_OFF = "not asked, for want of time", "cut off, for want of time"
"""How a step ended that the time limit of the diagnosis ended: it says nothing about the step."""


def step_of(name: str, found: list[Any] | str, comparison: Comparison) -> Step:
    """The step of the triage that gave these outputs, or ended so. comparison: with the training engine's."""
    if isinstance(found, str):
        return Step(name, failed=found, asked=found not in (UNASKED, CUT_OFF))
    return Step(name, comparison.away(found))


class Asking:
    """faults: what searches ran into that no sentence of ours foresees; whoever reports a cause shows them."""

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self.faults: list[str] = []

    def apart(
        self, bench: Bench, name: str, make_service: Callable[[], Any], deadline: Deadline, method: str, *args: Any
    ) -> list[Any] | str:
        """What a worker of its own answers, or how it ended, within the time that is left."""
        if deadline.over():
            return UNASKED
        worker = bench.worker(name, make_service)
        try:
            worker.submit(f"{name}: {method}", method, *args, timeout=min(self._options.timeout, deadline.left()))
            answer: list[Any] = bench.end(worker)
            return answer
        except WorkerFailure as error:
            return CUT_OFF if error.kind == "timeout" and deadline.over() else error.detail
        finally:
            worker.close()

    def without_optimisation(self, bench: Bench, export: ExportedModel, inputs: Arrays, deadline: Deadline) -> list[Any] | str:
        """Outputs of the predictor without optimisation, or how it ended."""
        from pytest_paddle_infer.engine.services import InferenceService

        model, samples, setup = bench.model, bench.samples, self._options.setup
        meant = self._options.variant(RAW)
        return self.apart(
            bench,
            f"inference engine ({RAW})",
            lambda: InferenceService(export, model, samples, meant, setup),
            deadline,
            "run",
            inputs,
        )

    def running(self, bench: Bench, engine: Callable[[], Worker], deadline: Deadline, step: str, method: str, *args: Any) -> Any:
        """What a running engine answers within the time that is left; None where it does not."""
        if deadline.over():
            return None
        try:
            worker = engine()
            worker.submit(f"{worker.name}: {step}", method, *args, timeout=min(self._options.timeout, deadline.left()))
            return bench.end(worker)
        except WorkerFailure as error:
            if error.kind == "exception" and not error.sentence:
                self.faults.append(f"{step}: {error.detail}")
            return None
        except PaddleInferError:
            return None

    def quietly(self, ask: Callable[[], T]) -> T | None:
        """A search that is one of several: what it runs into is noted, and does not keep the others from being asked."""
        try:
            return ask()
        except PaddleInferError:  # it says that there is nothing to be found this way
            return None
        except Exception as error:
            self.note(error)
            return None

    def note(self, error: Exception) -> None:
        """Keeps what ended a search."""
        self.faults.append(f"ended early with {type(error).__name__}: {error}")
