"""What must not matter to the inference engine: asking twice, a batch, another batch size, a clone.

Packing a large model's weights for a batch and for a clone takes longer than the comparison itself. So what held is kept in the store,
under the bytes of the export, the inputs, the limits, Paddle, the variant and the machine's processor; then the engine is only asked twice.
The clone also tells which operators are executed (see `deployed.proof`); they are kept with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_paddle_infer.machine import processor

if TYPE_CHECKING:
    from pytest_paddle_infer.bench import Bench
    from pytest_paddle_infer.deployed.proof import Evidence
    from pytest_paddle_infer.engine.observed import LoadFacts
    from pytest_paddle_infer.engine.worker import Worker
    from pytest_paddle_infer.judge.closeness import NearOf
    from pytest_paddle_infer.parity import ParityRun
    from pytest_paddle_infer.store import Entry, Store

FORMAT = 2
"""Raise when more is asked of the engine."""


class _MovedError(Exception):
    """Something moved, so there is nothing to keep."""


def check_invariance(
    bench: Bench,
    store: Store,
    kept: Entry | None,
    variant: str,
    run: ParityRun,
    worker: Worker,
    facts: LoadFacts,
    near: NearOf | None = None,
) -> Evidence:
    """Adds to `run`, which has seen every sample, what the inference engine answers when asked otherwise; returns what was executed.

    kept: the export in the store; None for another. near: which integers of an output of the first sample are near ties.
    """
    from pytest_paddle_infer.engine.services import INSIDE_A_BATCH

    def in_training() -> Mapping[str, Any]:
        one, two = bench.call(worker, "preprocess", "first_two")
        return {INSIDE_A_BATCH: bench.call(bench.training(), "run the batch of two", "together", one, two)}

    def ask(step: str, method: str, *args: Any) -> None:
        run.add_invariance(bench.call(worker, step, method, *args), in_training, near)

    def ask_everything() -> Evidence:
        ask("run again", "asked_twice", run.first_answer)
        ask("run in a batch", "in_a_batch")
        ask("run on a clone", "on_a_clone")
        executed: Evidence = bench.call(worker, "say what was executed", "evidence")
        return executed

    def build(directory: Path) -> Mapping[str, Any]:
        seen.append(ask_everything())
        if run.invariance_problem or run.notes:
            raise _MovedError
        told = {name: getattr(seen[0], name) for name in ("operators", "dtypes", "places")}
        (directory / "held.json").write_text(json.dumps(told), encoding="utf-8")
        return {"model": bench.spec.name, "variant": variant}

    seen: list[Evidence] = []
    if kept is None or bench.options.variant(variant).configure is not None:  # a function may set what no key can name
        return ask_everything()
    try:
        held = store.get(_key(bench, kept, variant, run, facts), build)
    except _MovedError:
        return seen[0]
    if held.built:
        return seen[0]
    ask("run again", "asked_twice", run.first_answer)
    told = json.loads((held.directory / "held.json").read_text(encoding="utf-8"))
    now: Evidence = bench.call(worker, "say what was executed", "evidence")
    return replace(now, operators=told["operators"], dtypes=tuple(told["dtypes"]), places=tuple(told["places"]))


def _key(bench: Bench, kept: Entry, variant: str, run: ParityRun, facts: LoadFacts) -> str:
    from pytest_paddle_infer.benchmark import gpu_name

    meant = bench.options.variant(variant)
    parts = (
        meant.base, meant.computes_in, repr(facts.effective), repr(bench.options.python), gpu_name(facts),
        f"invariance {FORMAT}", kept.key, repr(kept.files), variant, repr(bench.options.threads), processor(), repr(run.rules),
        repr(run.first_inputs), repr(sorted(facts.versions.items())), repr(facts.evidence.calls), repr(facts.evidence.passes),
    )  # fmt: skip
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
