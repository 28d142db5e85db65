"""Trials for the search of a guilty optimisation pass: each loads and runs a variant with passes deleted, in a worker of its own.

A pass may kill the process, hang or raise; that is a trial like another one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Callable

from pytest_paddle_infer.cutting import behind_a_word
from pytest_paddle_infer.deployed.config import Call, custom_passes, make_config, reads_pir, registered_name
from pytest_paddle_infer.deployed.proof import Printed, passes_that_ran, unknown_deletions
from pytest_paddle_infer.diagnosis.finding import Deadline
from pytest_paddle_infer.diagnosis.passes import PassSearch, Trial, deleting, search
from pytest_paddle_infer.engine.inference import EngineSetup, InferenceEngine
from pytest_paddle_infer.engine.model import LoadedModel
from pytest_paddle_infer.engine.processing import Array, Arrays, as_list, preprocess_of
from pytest_paddle_infer.engine.worker import native_reason
from pytest_paddle_infer.exports import ExportedModel
from pytest_paddle_infer.failures import WorkerFailure
from pytest_paddle_infer.variants import Variant

if TYPE_CHECKING:
    from pytest_paddle_infer.bench import Bench
    from pytest_paddle_infer.engine.worker import Worker

HANGS = 4
"""Part of the time left that one trial may take where the variant is known to hang: one over this."""

LONGEST_REASON = 200
"""Characters of an error's text that a sentence takes."""


def search_passes(
    bench: Bench,
    export: ExportedModel,
    variant: str,
    inputs: Arrays,
    expected: Arrays,
    agrees: Callable[[Sequence[Array]], bool],
    deadline: Deadline,
    hangs: bool = False,
) -> PassSearch:
    """Finds the optimisation pass that makes a variant differ from the training engine, raise or die.

    variant: a label. inputs: tensors of one batch on which it does so, in the order of the model's inputs. expected: what the training
    engine makes of them. agrees: the judge's rule for outputs of the variant. hangs: it did not end in time. Raises `OptionError` for an
    unknown label; what the trials end in is part of the result.
    """
    bench.progress.step(bench.spec.name, f"{variant}: which optimisation pass")
    trials = PassTrials(bench, export, bench.options.variant(variant), inputs, deadline, hangs)
    others = [(_line(call), _trial_with(trials, call)) for call in _switches(trials.variant, reads_pir(str(export.model_file)))]
    return search(trials.run, agrees, expected, deadline, others, trials.lines)


class PassTrialService:
    """One variant that is loaded and run once."""

    def __init__(self, export: ExportedModel, model: LoadedModel, variant: Variant, setup: EngineSetup, inputs: Arrays) -> None:
        self._export, self._model, self._variant, self._setup, self._inputs = export, model, variant, setup, inputs
        self._engine: InferenceEngine | None = None

    def load(self) -> tuple[tuple[str, ...], str]:
        """Returns the passes that were heard, and how it ended if it raised."""
        printed, died = Printed(), ""
        with printed:
            try:
                self._engine = InferenceEngine(
                    self._export.model_file, self._export.params_file, self._model.inputs, preprocess_of(self._model.spec),
                    variant=self._variant, setup=self._setup, apart=True, feeds=[self._inputs],
                )  # fmt: skip
            except Exception as error:
                died = _raises(type(error).__name__, native_reason(str(error)))
        return passes_that_ran(printed.text), died

    def misspelt(self) -> tuple[str, ...]:
        """Passes that the variant's own function deletes, and that this Paddle has not."""
        files = str(self._export.model_file), str(self._export.params_file)
        return unknown_deletions(make_config(*files, self._setup.request(self._variant)), reads_pir(files[0]))

    def listed(self) -> tuple[str, ...]:
        """The passes that the configuration lists, which are those that will run; for a `.json` only those that the user added."""
        files = str(self._export.model_file), str(self._export.params_file)
        config = make_config(*files, self._setup.request(self._variant))
        if reads_pir(files[0]):
            return custom_passes(config)
        return tuple(config.pass_builder().all_passes())  # its list is the config's, and dies with it

    def run(self) -> Arrays:
        """The outputs."""
        assert self._engine is not None
        return as_list(self._engine.run(self._inputs))


class PassTrials:
    """Runs trials of one variant on one batch."""

    def __init__(
        self, bench: Bench, export: ExportedModel, variant: Variant, inputs: Arrays, deadline: Deadline, hangs: bool = False
    ) -> None:
        self.variant = variant
        self._bench, self._export, self._inputs = bench, export, inputs
        self._deadline, self._hangs = deadline, hangs
        self._pir = reads_pir(str(export.model_file))
        self._listed: tuple[str, ...] | None = None

    def run(self, without: Sequence[str] = (), calls: Sequence[Call] = ()) -> Trial:
        """One trial with these passes deleted, after these methods of `Config` were called."""
        worker = self._worker(replace(self._bench.options.setup, without=tuple(without), calls=tuple(calls)))
        heard: tuple[str, ...] = ()
        loaded = False
        try:
            heard, died = worker.call("load without some passes", "load", timeout=self._limit(), watch=self._watch)
            loaded = not died
            outputs = worker.call("run", "run", timeout=self._limit(), watch=self._watch) if loaded else None
        except WorkerFailure as failure:
            outputs, died = None, _end(failure)
            heard = heard or passes_that_ran(failure.output)
        finally:
            worker.close()
        ran = tuple(registered_name(name, self._pir) for name in heard)
        if died and not ran:
            ran = tuple(name for name in self._all_listed() if name not in without)
        return Trial(outputs, died, ran, loaded)

    def lines(self, without: Sequence[str]) -> tuple[str, ...]:
        """What to write so that these passes do not run; 3.3.1 cannot delete those that the user's function added."""
        added = self._all_listed() if self._pir else ()
        kept = [name for name in added if name not in without]
        again = (f"config.enable_custom_passes({json.dumps(kept)})",) if len(kept) < len(added) else ()
        return (*deleting([name for name in without if name not in added]), *again)

    def _worker(self, setup: EngineSetup) -> Worker:
        export, model, variant, inputs = self._export, self._bench.model, self.variant, self._inputs
        name = f"inference engine ({variant.label})"
        return self._bench.worker(name, lambda: PassTrialService(export, model, variant, setup, inputs))

    def _all_listed(self) -> tuple[str, ...]:
        """For a variant that dies before the first pass runs, as 2.6 does of one that dies when it is made: it makes them all first."""
        setup = self._bench.options.setup
        if self._listed is None and (setup.python or self.variant.on_gpu or (self._pir and self.variant.configure is None)):
            self._listed = ()  # the list is in another process, or names nothing that runs
        if self._listed is None:
            worker = self._worker(setup)
            try:
                self._listed = worker.call("list the passes", "listed", timeout=self._limit(), watch=self._watch)
            except WorkerFailure:
                self._listed = ()
            finally:
                worker.close()
        return self._listed or ()

    def _limit(self) -> float:
        """Seconds for one step; one that is cut off because the diagnosis is over proves nothing, and `search` knows."""
        left = self._deadline.left()
        return min(self._bench.options.timeout, left / HANGS if self._hangs else left)

    def _watch(self, pid: int) -> None:
        self._bench.progress.tick()


def _switches(variant: Variant, pir: bool) -> list[Call]:
    """Calls of `Config` that leave out a whole family of passes and its kernels: oneDNN, then every optimisation."""
    if not variant.base.startswith(("cpu", "onednn", "gpu")):
        return []
    off: list[Call] = []
    if not variant.on_gpu and (variant.base.startswith("onednn") or variant.configure is not None):
        off.append(("disable_mkldnn", ()))
    if variant.base != "cpu-noopt":
        off.append(("set_optimization_level", (0,)) if pir else ("switch_ir_optim", (False,)))
    return off


def _line(call: Call) -> str:
    name, args = call
    return f"config.{name}({', '.join(map(repr, args))})"


def _trial_with(trials: PassTrials, call: Call) -> Callable[[], Trial]:
    return lambda: trials.run(calls=(call,))


def _end(failure: WorkerFailure) -> str:
    """How a worker failed, as the end of a sentence about what it did."""
    if failure.kind == "signal":
        named = re.search(r"SIG[A-Z0-9]+", failure.detail)
        return f"ends the process with {named[0] if named else 'a signal'}"
    if failure.kind == "exit":
        status = re.search(r"\d+$", failure.detail)
        return f"ends the process with exit status {status[0]}" if status else "ends the process"
    if failure.kind == "timeout":
        limit = re.search(r"[\d.]+ s\b", failure.detail)
        return f"does not end within {limit[0]}" if limit else "does not end in time"
    kind, colon, text = failure.detail.partition(": ")
    return _raises(kind, text) if colon and not failure.sentence else _raises("", failure.detail)


def _raises(kind: str, text: str) -> str:
    short = behind_a_word(re.split(r"\[Hint:|\(at /", text)[0].rstrip(". "), LONGEST_REASON)
    return ": ".join(part for part in (f"raises {kind}" if kind else "raises an error", short) if part)
