"""Repeats the verdict of a kept folder: the inference engine as it was configured, judged by the recorded rule. No pytest."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_paddle_infer.failures import ConformanceFailure, Failure, PaddleInferError, UnavailableError, WorkerFailure

if TYPE_CHECKING:
    from pytest_paddle_infer.deployed.config import Request
    from pytest_paddle_infer.deployed.proof import Evidence
    from pytest_paddle_infer.engine.inference import EngineSetup
    from pytest_paddle_infer.engine.replay import Reloaded, Rerun
    from pytest_paddle_infer.evidence.reading import Kept
    from pytest_paddle_infer.judge.closeness import OutputVerdict

Facts = list[tuple[str, str]]

WHOLE = "put a whole export into the folder's model/, named inference.json or inference.pdmodel, and inference.pdiparams."

REPLAYED = (
    "this folder alone, not the repository's code: after a repair run its test again, or put a new export into the folder's model/"
)
"""What people who have mended their code must know of a replay that is still red."""

STAYS = "this replay stays red, because it runs the kept tensors: it is the model's test that turns green"
"""What people who have mended a preprocessing must know besides."""

SHOWN_FACTS = 6
"""Facts of the recorded failure that are printed again."""

MEASURED = ("classes", "answers", "first")
"""Those among them that tell of the outputs of then, beside figures of now."""


class UndecidedError(PaddleInferError):
    """The folder cannot tell whether the failure is still there; the sentence says why."""


@dataclass(frozen=True)
class ReplayOptions:
    """How folders are replayed. timeout: of each step, in seconds. cores: those that the engine may use; empty for all."""

    setup: EngineSetup
    timeout: float = 300.0
    cores: tuple[int, ...] = ()


def replay(directory: Path, options: ReplayOptions) -> str:
    """Returns one sentence that says what no longer fails.

    Raises `ConformanceFailure` while it still does, or where it now fails otherwise; `UnavailableError` where the variant cannot run
    here; `UndecidedError`; `EvidenceError` for a damaged folder.
    """
    from pytest_paddle_infer.engine.replay import request_of
    from pytest_paddle_infer.evidence.arrays import EvidenceError
    from pytest_paddle_infer.evidence.reading import COPY, read_folder

    kept = read_folder(directory)
    try:
        request = request_of(kept.request, kept.calls, options.setup)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EvidenceError(
            f"{directory} is damaged: the request in configuration.json is not what it should be ({error}).", COPY
        ) from None
    if not kept.inputs:
        raise UndecidedError(f"{kept.model}, {kept.variant}: no inputs were kept, so nothing can be run again.")
    return _Replay(kept, request, options).run()


class _Replay:
    """One folder and what came of it."""

    def __init__(self, kept: Kept, request: Request, options: ReplayOptions) -> None:
        self._kept, self._request, self._options = kept, request, options
        self._loaded: Reloaded | None = None

    def run(self) -> str:
        from pytest_paddle_infer.deployed.proof import findings

        self._check_files()
        try:
            rerun = self._again()
        except WorkerFailure as failure:
            self._fail_dead(failure)
        verdicts, count_problem = self._judged(rerun)
        severe = [finding for finding in findings(self._request, rerun.evidence) if finding.severe]
        if severe:  # the engine that ran is not the one that failed
            title, named = f"{self._who}: {severe[0].sentence}.", ("load", "setting", self._kept.variant)
            raise ConformanceFailure(_failure(title, self._facts(verdicts), severe[0].remedy, named))
        if count_problem or any(not verdict.passed for verdict in verdicts):
            self._fail_different(verdicts, count_problem)
        return self._agree(verdicts, rerun.evidence)

    @property
    def _who(self) -> str:
        return f"{self._kept.model}, {self._kept.variant}"

    @property
    def _who_now(self) -> str:
        return f"{self._who}{', changed since it was kept' if self._kept.changed else ''}"

    # -- running -------------------------------------------------------------------------------------------------------

    def _check_files(self) -> None:
        """Reads the model before Paddle does, which dies of some faults and overlooks others."""
        from pytest_paddle_infer.engine.runtime import load_paddle
        from pytest_paddle_infer.exports import ExportError, check_files, format_version, kills, read_graph, read_parameters

        export = self._kept.export
        version = format_version(export) if self._options.setup.python else load_paddle().__version__
        try:
            if problem := check_files(export, version):
                raise ExportError(problem)
            read_parameters(export.params_file, read_graph(export.model_file))
        except ExportError as error:
            title, facts = f"{self._who}: {str(error).rstrip('.')}.", (*self._changed(), *self._versions())
            remedy = "" if kills(export.model_file, version) else WHOLE  # which is whole
            raise ConformanceFailure(_failure(title, facts, remedy, ("artifacts", "file", ""))) from None

    def _again(self) -> Rerun:
        from pytest_paddle_infer.engine.replay import ReplayService, variant_of
        from pytest_paddle_infer.engine.services import BuildService
        from pytest_paddle_infer.engine.worker import Worker

        kept, request, options = self._kept, self._request, self._options
        if request.base not in ("cpu", "cpu-noopt"):
            asking = Worker(f"inference engine ({kept.variant})", BuildService, options.cores)
            try:
                step = f"{asking.name}: ask what this build can run"
                reason = asking.call(
                    step, "unavailable", variant_of(request), str(kept.export.model_file), options.setup, timeout=options.timeout
                )
            finally:
                asking.close()
            if reason:
                title = f"{self._who}: the variant is not available here: {reason}."
                raise UnavailableError(Failure(title), reason)

        def make() -> ReplayService:
            return ReplayService(kept.export, request, kept.then, kept.input_names, kept.inputs, options.setup)

        worker = Worker(f"inference engine ({kept.variant})", make, options.cores)
        try:
            self._loaded = worker.call(f"{worker.name}: load the model", "load", timeout=options.timeout)
            rerun: Rerun = worker.call(f"{worker.name}: run the kept inputs", "run", timeout=options.timeout)
            return rerun
        finally:
            worker.close()

    def _judged(self, rerun: Rerun) -> tuple[list[OutputVerdict], str]:
        from pytest_paddle_infer.evidence.record import judged

        kept = self._kept
        if kept.training is None:
            return [], ""
        names, rules = [output.name for output in kept.outputs], [output.rule for output in kept.outputs]
        found = judged(names, rules, kept.training, rerun.outputs, kept.reference, kept.first, kept.size)
        counts = len(rerun.outputs), len(kept.training)
        problem = (
            f"the inference engine has {counts[0]} outputs, the training engine {counts[1]}." if counts[0] != counts[1] else ""
        )
        return found, problem

    # -- in words ------------------------------------------------------------------------------------------------------

    def _fail_dead(self, failure: WorkerFailure) -> None:
        from pytest_paddle_infer.diagnosis.passes import same_end
        from pytest_paddle_infer.models import ModelSpec
        from pytest_paddle_infer.words import worded

        kept = self._kept
        try:
            with worded(ModelSpec(kept.model or "model", factory="kept:kept"), kept.variant):
                raise failure
        except ConformanceFailure as told:
            now = told.failure
        then = kept.death
        same = then is not None and then.kind == failure.kind and same_end(then.detail, failure.detail) and not kept.changed
        title, before = (kept.cause, []) if same else (now.title.replace(self._who, self._who_now, 1), [("then", kept.cause)])
        if same and then is not None and then.detail != failure.detail:  # the cause that is printed has the numbers of then
            before = [("now", failure.detail)]
        facts = [*now.facts, *before, *self._notes(), *self._versions()]
        named = kept.named if same and any(kept.named) else (now.stage, now.kind, now.name)
        raise ConformanceFailure(_failure(title, facts, kept.remedy if same else now.remedy, named)) from failure

    def _fail_different(self, verdicts: Sequence[OutputVerdict], count_problem: str) -> None:
        kept, facts = self._kept, self._facts(verdicts)
        if count_problem:
            facts.insert(0, ("outputs", count_problem))
        if kept.changed or kept.shows != "outputs":  # the recorded cause is another model's, or it did not fail so when it was kept
            problem = count_problem or next(f"{verdict.name}: {verdict.problem}." for verdict in verdicts if not verdict.passed)
            remedy = self._test_again() if kept.changed else kept.remedy
            raise ConformanceFailure(Failure(f"{self._who_now}: {problem}", (("then", kept.cause), *facts), remedy))
        shown = ("files", "kept", *(verdict.name for verdict in verdicts), *(label for label, _ in facts))
        facts_then = [fact for fact in kept.facts if fact[0] not in shown][:SHOWN_FACTS]
        recorded = [(label, f"then {value}" if label in MEASURED else value) for label, value in facts_then]
        remedy = f"{kept.remedy.rstrip('.')}; {STAYS}." if kept.stage == "preprocess" else kept.remedy
        raise ConformanceFailure(_failure(kept.cause, (*facts, *recorded), remedy, kept.named))

    def _agree(self, verdicts: Sequence[OutputVerdict], evidence: Evidence) -> str:
        kept = self._kept
        left_out = [*kept.not_repeatable, *evidence.left_out]
        if kept.request.get("base", "").startswith("tensorrt"):
            left_out = list(evidence.left_out)  # the conversion was made again
        if left_out:
            raise UndecidedError(f"{self._who}: it does not fail, but something was left out, so nothing is told: {left_out[0]}.")
        if kept.shows == "nothing" and kept.stage in ("preprocess", "postprocess"):
            raise UndecidedError(
                f"{self._who}: it failed in the {kept.stage}, which a replay does not run ({kept.cause.rstrip('.')})."
            )
        if kept.shows == "nothing" and kept.death is not None:
            raise UndecidedError(
                f"{self._who}: it died after every sample was answered, and these inputs alone never showed that "
                f"({kept.cause.rstrip('.')})."
            )
        if kept.shows == "nothing":
            raise UndecidedError(
                f"{self._who}: what failed is not in the outputs of one batch, which agreed then and agree now ({kept.cause.rstrip('.')})."
            )
        named = [(f"{verdict.name}: " if len(verdicts) > 1 else "", verdict) for verdict in verdicts]
        told = "; ".join(f"{name}{self._figures(verdict, index)}" for index, (name, verdict) in enumerate(named))
        what = "no longer differs" if kept.shows == "outputs" else "no longer dies"
        beside = "; ".join(f"{label}: {text}" for label, text in (*self._changed(), *self._versions()))
        return f"{self._who} {what}{f': {told}' if told else ''} ({beside})."

    def _facts(self, verdicts: Sequence[OutputVerdict]) -> Facts:
        figures = [(verdict.name, self._figures(verdict, index)) for index, verdict in enumerate(verdicts)]
        samples = [("samples", f"{self._kept_samples()}; the figures are of these alone, which were kept")] if figures else []
        return [*figures[:4], *samples, *self._notes(), *self._versions()]

    def _figures(self, verdict: OutputVerdict, index: int) -> str:
        then = self._kept.outputs[index]
        if verdict.problem and not verdict.differing:
            return verdict.problem
        now = f"largest difference {verdict.error:.3g} of the largest value, limit {verdict.limit:.2g}"
        if verdict.integers:
            now = f"{verdict.differing} of {verdict.elements} integers differ"
        before = f"then {then.error:.3g}" if not then.problem or then.excess not in (0.0, float("inf")) else f"then {then.problem}"
        return f"{now}; {before}" if self._kept.shows == "outputs" else now

    def _notes(self) -> Facts:
        kept, loaded = self._kept, self._loaded
        facts = [("replayed", REPLAYED), *self._changed()]
        if loaded is not None:
            if loaded.base_remade and kept.calls:
                facts.append(
                    ("variant", f"{self._request.base} as this Paddle needs it, then the recorded calls of its own function")
                )
            facts += [("left out", text) for text in (*kept.not_repeatable, *loaded.left_out)[:3]]
        return facts

    def _changed(self) -> Facts:
        kept = self._kept
        return [("changed", f"{', '.join(kept.changed)} since it was kept")] if kept.changed else []

    def _kept_samples(self) -> str:
        kept = self._kept
        names = ", ".join(kept.samples[:3]) + (", ..." if len(kept.samples) > 3 else "")
        span = f" to {kept.first + len(kept.samples) - 1}" if len(kept.samples) > 1 else ""
        return f"{kept.first}{span} ({names})"

    def _test_again(self) -> str:
        """What finds the cause of a changed model: a replay only compares."""
        if not any(name.startswith("model/") for name in self._kept.changed):
            return ""
        kept = self._kept
        command = ("pytest", f"paddle-model/{kept.model}", f"--paddle-variant={kept.variant}", f"--paddle-exported={kept.export}")
        return f"a replay does not look for the cause of what changed; the checkpoints do: {shlex.join(command)}"

    def _versions(self) -> Facts:
        from pytest_paddle_infer.evidence.record import versions_here

        here: dict[str, Any] = {**versions_here(), **(self._loaded.versions if self._loaded is not None else {})}
        then, now = dict(self._kept.versions), str(here.get("paddle_version") or self._paddle())
        names = [name for name in ("numpy", "python", "processor") if then.get(name, here[name]) != here[name]]
        others = [f"{name} {then[name]}, now {here[name]}" for name in names]
        return [("Paddle", f"{self._kept.then} then, {now} now"), *([("beside", "; ".join(others))] if others else [])]

    def _paddle(self) -> str:
        """The version of a Paddle that did not come to say it; of another Python's only where it lies is known."""
        from pytest_paddle_infer.engine.runtime import load_paddle

        other = self._options.setup.python
        return f"that of {other}" if other else str(load_paddle().__version__)


def _failure(title: str, facts: Sequence[tuple[str, str]], remedy: str, named: tuple[str, str, str]) -> Failure:
    """named: stage, kind and name."""
    stage, kind, name = named
    return Failure(title, tuple(facts), remedy, stage=stage, kind=kind, name=name)
