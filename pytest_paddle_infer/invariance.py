"""What must not matter to the inference engine: asking twice, a batch, another batch size, a clone.

Packing a large model's weights for a batch and for a clone takes longer than the comparison itself. So what held is kept in the store,
under the bytes of the export, the inputs, the limits, Paddle, the variant and the machine's processor; then the engine is only asked twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_paddle_infer.bench import Bench
    from pytest_paddle_infer.engine.worker import Worker
    from pytest_paddle_infer.parity import ParityRun
    from pytest_paddle_infer.store import Entry, Store

FORMAT = 1
"""Raise when more is asked of the engine."""


class _MovedError(Exception):
    """Something moved, so there is nothing to keep."""


def check_invariance(bench: Bench, store: Store, kept: Entry | None, variant: str, run: ParityRun, worker: Worker) -> None:
    """Adds to `run`, which has seen every sample, what the inference engine answers when asked otherwise.

    kept: the export in the store; None for another.
    """
    from pytest_paddle_infer.engine.services import INSIDE_A_BATCH

    before = run.first_answer

    def in_training() -> Mapping[str, Any]:
        one, two = bench.call(worker, "preprocess", "first_two")
        return {INSIDE_A_BATCH: bench.call(bench.training(), "run the batch of two", "together", one, two)}

    def ask(everything: bool) -> None:
        step = "run again, in a batch and on a clone" if everything else "run again"
        run.add_invariance(bench.call(worker, step, "invariance", before, everything), in_training)

    def build(directory: Path) -> Mapping[str, Any]:
        ask(True)
        if run.invariance_problem or run.notes:
            raise _MovedError
        (directory / "held").write_text("", encoding="utf-8")
        return {"model": bench.spec.name, "variant": variant}

    if kept is None:
        ask(True)
        return
    try:
        held = store.get(_key(bench, kept, variant, run), build)
    except _MovedError:
        return
    if not held.built:
        ask(False)


def _key(bench: Bench, kept: Entry, variant: str, run: ParityRun) -> str:
    from pytest_paddle_infer.engine.runtime import processor

    parts = (
        f"invariance {FORMAT}", kept.key, repr(kept.files), variant, repr(bench.options.threads), processor(), repr(run.rules),
        repr(run.first_inputs),
    )  # fmt: skip
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
