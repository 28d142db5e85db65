"""Asks for the first diverging layer and for numerical faults: one worker each, within a deadline. Never raises for what it looks at."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any, Callable

from pytest_paddle_infer.diagnosis.finding import Arrays, Deadline
from pytest_paddle_infer.diagnosis.layers import LayerSearch
from pytest_paddle_infer.failures import PaddleInferError, WorkerFailure

if TYPE_CHECKING:
    from pytest_paddle_infer.bench import Bench
    from pytest_paddle_infer.engine.layer_service import NumericFaults
    from pytest_paddle_infer.exports import ExportedModel


def locate_in_graph(bench: Bench, export: ExportedModel, inputs: Arrays, deadline: Deadline) -> LayerSearch:
    """Names the layer, or the place between layers, where the exported graph parts from the training layer.

    For the stage "export": the graph runs without optimisation, on this Python's Paddle. inputs: of one batch, in the order of the
    model's inputs, as the training side's preprocessing makes them. Parameters of the layer that differ from the model's are named.
    """
    from pytest_paddle_infer.engine.layer_service import LayerService

    def make() -> Any:
        return LayerService(export, bench.model, bench.options.setup)

    answer = _asked(
        bench, export, deadline, "compare layer by layer", make, "locate", list(inputs), deadline.left(), bench.options.details
    )
    return answer if isinstance(answer, LayerSearch) else LayerSearch(None, reason=answer)


def locate_in_variant(
    bench: Bench, export: ExportedModel, variant: str, inputs: Arrays, outputs: Arrays, deadline: Deadline
) -> LayerSearch:
    """Names the first layer that a variant computes otherwise than the training layer, with the export's own parameters.

    For the stage "optimise": a probe network is exported and run in the variant, so it sees layers, not the export's own code.
    outputs: what the variant answered to `inputs` without a probe. Where the probe answers like the training layer and the variant does
    not, `reason` says that the difference is gone where no layers are fused: look for the pass then.
    """
    from pytest_paddle_infer.engine.probe import ProbeService

    meant = bench.options.variant(variant)

    def make() -> Any:
        return ProbeService(export, bench.model, meant, bench.options.setup)

    with tempfile.TemporaryDirectory(prefix="paddle-infer-probe-", dir=bench.options.workdir) as directory:
        arguments = list(inputs), list(outputs), directory, deadline.left()
        answer = _asked(bench, export, deadline, f"{variant}: compare layer by layer", make, "locate", *arguments)
    return answer if isinstance(answer, LayerSearch) else LayerSearch(None, reason=answer)


def first_not_finite(
    bench: Bench, export: ExportedModel, inputs: Arrays, deadline: Deadline, precision: str = "fp32"
) -> NumericFaults:
    """Looks on both sides for the first NaN or Inf, and on the training side for values that `precision` cannot hold."""
    from pytest_paddle_infer.engine.layer_service import LayerService, NumericFaults

    def make() -> Any:
        return LayerService(export, bench.model, bench.options.setup)

    answer = _asked(bench, export, deadline, "look for NaN and Inf", make, "numbers", list(inputs), precision)
    return answer if isinstance(answer, NumericFaults) else NumericFaults(reason=answer)


def _asked(
    bench: Bench, export: ExportedModel, deadline: Deadline, step: str, make: Callable[[], Any], method: str, *args: Any
) -> Any:
    """What a worker answers, or one sentence that says why it did not."""
    if deadline.over(1.0):
        return "there was no time to compare layer by layer."
    worker = None
    try:
        bench.check_readable(export, here=True)
        worker = bench.worker("diagnosis", make)
        worker.submit(f"diagnosis: {step}", method, *args, timeout=min(bench.options.timeout, deadline.left()))
        return bench.end(worker)
    except WorkerFailure as error:
        return f"the search for the layer failed ({error.detail})."
    except PaddleInferError as error:
        return f"the search for the layer failed ({error})."
    finally:
        if worker is not None:
            worker.close()
