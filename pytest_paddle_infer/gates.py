"""Performance gates: the times of a variant against a baseline of this machine, and saved as one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_paddle_infer.machine import Machine, this_machine
from pytest_paddle_infer.option_table import Comparison
from pytest_paddle_infer.perf import Baseline, Other, SavedRun, Workload, load, save

if TYPE_CHECKING:
    from pytest_paddle_infer.engine.observed import LoadFacts, Timings
    from pytest_paddle_infer.judge.latency import Latencies

BATCHES = 50
"""Timed batches when a baseline is saved or compared and `--paddle-repeats` is not given: fewer do not tell 15 %."""

ROUNDS = 25
"""Batches of the training engine between them; their median is the yardstick of the machine's drift."""


@dataclass(frozen=True)
class Gates:
    """What is asked for: `save` and `compare` as the options of those names, `directory` that of the baselines."""

    directory: Path
    save: str | None = None
    compare: Comparison | None = None

    @property
    def wanted(self) -> bool:
        """True when times are saved or compared."""
        return self.save is not None or self.compare is not None


@dataclass(frozen=True)
class Measured:
    """One timed run of a variant, with everything that a comparison must know of it."""

    model: str
    variant: str
    workload: Workload
    latencies: Latencies
    paddle: str
    program: str
    machine: Machine


@dataclass(frozen=True)
class Compared:
    """regression: the sentence of a regression, or empty. notes: everything else there is to say. held: not slower, with confidence."""

    regression: str = ""
    notes: tuple[str, ...] = ()
    held: bool = False


def measured(
    model: str,
    variant: str,
    timings: Timings,
    trained: Timings,
    batch_size: int,
    facts: LoadFacts,
    inputs: str,
    samples: int,
    program: str,
) -> Measured:
    """Puts one run together. inputs: dtypes and shapes of the model's inputs. program: digest of the training engine's."""
    from pytest_paddle_infer.benchmark import gpu_name
    from pytest_paddle_infer.judge.latency import Latencies
    from pytest_paddle_infer.judge.shapes import vary

    shapes = (timings.shapes, trained.shapes) if vary(timings.shapes) else ((), ())
    return Measured(
        model,
        variant,
        Workload(batch_size, facts.effective.threads, inputs, f"{samples} samples"),
        Latencies(timings.run, trained.run, batch_size, *shapes),
        facts.versions["paddle_version"],
        program,
        this_machine(gpu_name(facts)),
    )


def compare(gates: Gates, run: Measured) -> Compared:
    """Judges a run against the baseline that is asked for. Raises `PerfError` for a baseline that cannot be read."""
    from pytest_paddle_infer.judge.latency import judge_regression

    wanted = gates.compare
    if wanted is None:
        return Compared()
    where = f"{run.variant}: "
    found = load(gates.directory, wanted.name, run.model, run.variant, run.workload, run.machine)
    if isinstance(found, Other):
        lines = (f"not judged: {found.why}", *found.lines(), *found.unreadable)
        return Compared(notes=tuple(where + line for line in lines))
    if not isinstance(found, Baseline):
        return Compared(notes=(f"{where}the baseline '{wanted.name}' holds no times of it",))
    same, another = found.same_training(run.paddle, run.program), found.another_program(run.program)
    verdict = judge_regression(found.latencies, run.latencies, wanted.threshold, same_training=same, another_program=another)
    words = verdict.sentence(f"the baseline '{wanted.name}'")
    held = verdict.outcome == "held"
    if held:  # the others say in words what they are
        where += "held: "
    return Compared(regression=words) if verdict.regressed else Compared(notes=(where + words,), held=held)


def keep(gates: Gates, run: Measured, wrong: bool = False) -> tuple[str, ...]:
    """Saves a run that held as a baseline. Raises `PerfError`; returns what there is to say.

    wrong: its parity is known to have failed, which may be meant, but the speed of a wrong answer is seldom what to hold others against.
    """
    if gates.save is None:
        return ()
    done = SavedRun(run.latencies, run.paddle, run.program)
    path = save(gates.directory, gates.save, run.model, run.variant, run.workload, done, run.machine)
    doubt = ", of an engine whose parity failed in this session" if wrong else ""
    return (f"{run.variant}: times saved as '{gates.save}'{doubt} ({path})",)
