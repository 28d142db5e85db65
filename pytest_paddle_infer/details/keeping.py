"""Leaves the details of a checkpoint where the report finds them: asks the workers for pictures, writes the folder. Raises nothing.

What goes wrong becomes the text "nothing: why", because the checkpoint itself is the news.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_paddle_infer.details.files import Pictures, write
from pytest_paddle_infer.details.numbers import rounded
from pytest_paddle_infer.diagnosis.finding import Deadline
from pytest_paddle_infer.failures import WorkerFailure

if TYPE_CHECKING:
    from pytest_paddle_infer.bench import Bench
    from pytest_paddle_infer.details.samples import SampleRecords
    from pytest_paddle_infer.diagnosis.divergence import ComparedLayer
    from pytest_paddle_infer.engine.observed import Timings
    from pytest_paddle_infer.engine.worker import Worker
    from pytest_paddle_infer.evidence.keeping import Seen
    from pytest_paddle_infer.models import ModelSpec

SECONDS, SHARE = 2.0, 0.05
"""How long pictures may take: so many seconds, or that share of the run where it is more. Preprocessing may be slower than the model."""

PATIENCE = 30.0
"""Seconds for one tensor; the engines have been asked for it before."""


def keep_parity(bench: Bench, spec: ModelSpec, variant: str, seen: Seen) -> str:
    """Returns the folder of a parity that ran, passed or not; "" where no details are wanted, or nothing was compared."""
    records, run = seen.records, seen.run
    if records is None or run is None or not len(records):
        return ""

    def leave() -> Path:
        pictures = _pictures(bench, records, seen.workers)
        parts = {"parity": records.parts(bench.samples, run.outputs, pictures)}
        layers = {"layers": [_layer(each) for each in seen.layers]} if seen.layers else {}
        return write(_root(bench), f"{spec.name}-{variant}", {**parts, **layers}, pictures)

    return _kept(leave)


def keep_log(bench: Bench, spec: ModelSpec, variant: str, inferred: Timings, trained: Timings, batch_size: int) -> str:
    """Returns the folder of a benchmark; "" where no details are wanted."""
    if not bench.options.details:
        return ""
    from pytest_paddle_infer.details.latency import latency_of

    parts = {"latency": latency_of(inferred, trained, batch_size)}
    return _kept(lambda: write(_root(bench), f"{spec.name}-{variant}", parts))


def _root(bench: Bench) -> Path:
    return bench.options.workdir / "details"


def _kept(leave: Callable[[], Path]) -> str:
    try:
        return str(leave())
    except OSError as error:
        return f"nothing: {error}"
    except Exception as error:
        return f"nothing: {type(error).__name__}: {error}"


def _pictures(bench: Bench, records: SampleRecords, workers: Sequence[Worker]) -> dict[int, Pictures]:
    """PNG files of the samples worth it; fewer where there is no time, none where the samples are no pictures or a worker is gone."""
    from pytest_paddle_infer.details.pictures import picture_of, to_png

    found: dict[int, Pictures] = {}
    deadline = Deadline(max(SECONDS, SHARE * records.seconds))
    if len(workers) < 2 or not all(worker.alive for worker in workers):
        return found
    for index in records.chosen():
        if deadline.over():
            break
        try:
            sides = [_tensors(bench, worker, index) for worker in workers[: 1 if records.fed_alike(index) else 2]]
        except WorkerFailure:
            break
        try:
            shown = [picture_of(tensors) for tensors in sides]
            known = [picture for picture in shown if picture is not None]
            if len(known) < len(sides):
                break
            files = to_png(known)
        except Exception:  # of one picture: the figures and the other pictures are worth more
            continue
        found[index] = Pictures(files[0], files[1] if len(files) > 1 else None)
    return found


def _tensors(bench: Bench, worker: Worker, index: int) -> Any:
    step = f"{worker.name}: preprocess for the report"
    worker.submit(step, "inputs", index, index + 1, timeout=min(bench.options.timeout, PATIENCE))
    return bench.end(worker)


def _layer(layer: ComparedLayer) -> dict[str, Any]:
    given, made = (None if apart is None else rounded(apart, 3) for apart in (layer.input_error, layer.output_error))
    return {"name": layer.name, "kind": layer.kind, "input_relative": given, "output_relative": made, "state": layer.state}
