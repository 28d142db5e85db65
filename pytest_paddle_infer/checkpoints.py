"""What the fixtures do once a test uses them: checkpoints of one test, their figures on its report, a failure in plain words."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_paddle_infer.bench import RunOptions
from pytest_paddle_infer.exports import ExportError
from pytest_paddle_infer.failures import ConformanceFailure, Failure, PaddleInferError, UnavailableError
from pytest_paddle_infer.gates import Gates
from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.option_table import CHECKPOINTS, MARKER
from pytest_paddle_infer.options import origin
from pytest_paddle_infer.plain import plain_fail
from pytest_paddle_infer.report.figures import Figures, has_own_model
from pytest_paddle_infer.report.text import format_failure, plain, reproduce_command
from pytest_paddle_infer.sampling import as_samples
from pytest_paddle_infer.session import SELECTED, SESSION
from pytest_paddle_infer.store_place import default_root

if TYPE_CHECKING:
    from pytest_paddle_infer.conformance import Conformance
    from pytest_paddle_infer.options import Settings
    from pytest_paddle_infer.samples import Sample
    from pytest_paddle_infer.variants import Variant

ALLURE = "allure_listener"
"""What allure-pytest registers where `--alluredir` is given."""


class Checkpoints:
    """Runs checkpoints for one test: with the test's own samples and export, and its figures on the test's report."""

    def __init__(self, request: pytest.FixtureRequest, conformance: Conformance) -> None:
        self._request = request
        self._conformance = conformance

    def run(self, spec: ModelSpec, variant: str, checkpoints: Sequence[str] = CHECKPOINTS) -> None:
        """Runs the named checkpoints in their order."""
        for name in CHECKPOINTS:
            if name in checkpoints:
                self.artifacts(spec) if name == "artifacts" else getattr(self, name)(spec, variant)

    def artifacts(self, spec: ModelSpec) -> None:
        """Fails the test when the artifacts checkpoint does not hold."""
        with _on_report(self._request, spec, "", "artifacts") as figures:
            result = self._conformance.artifacts(spec, self._samples(), self._exported())
            figures.artifacts(result)

    def parity(self, spec: ModelSpec, variant: str) -> None:
        """Fails the test when the parity checkpoint does not hold."""
        with _on_report(self._request, spec, variant, "parity") as figures:
            samples, exported = self._samples(), self._exported()
            figures.parity(self._conformance.parity(spec, variant, samples, exported))
            if self._request.config.stash[SESSION].settings.teeth:
                figures.teeth(self._conformance.teeth(spec, variant, samples, exported))

    def log(self, spec: ModelSpec, variant: str) -> None:
        """Fails the test when the log checkpoint does not hold."""
        with _on_report(self._request, spec, variant, "log") as figures:
            figures.log(self._conformance.log(spec, variant, self._samples(), self._exported()))

    def _samples(self) -> tuple[Sample, ...]:
        return as_samples(self._request.getfixturevalue("sample_images"))

    def _exported(self) -> Any:
        # asked for here, in the test's call: an export that fails is a failed test, not an error in a fixture
        return given_export(self._request.getfixturevalue("exported_model"))


def given_export(value: Any) -> Any:
    """What the fixture `exported_model` gave. Raises `ExportError` for None, which a fixture that forgets its `return` gives."""
    if value is None:
        raise ExportError("the fixture exported_model returned None: return the directory of the export.")
    return value


@contextmanager
def _on_report(request: pytest.FixtureRequest, spec: ModelSpec, variant: str, checkpoint: str) -> Iterator[Figures]:
    """Puts figures on the test's report, and turns a `ConformanceFailure` into a plain failed test."""
    known = len(request.node.user_properties)
    figures = Figures(request.node.user_properties, spec.name, variant)
    with plain_failure(request.node), _on_allure(request, f"{checkpoint} {variant}".strip(), known):
        try:
            yield figures
        except UnavailableError as error:
            figures.unavailable(error.reason)
            skip_if_optional(request, error)
            figures.failed(checkpoint)
            raise
        except ConformanceFailure as error:
            figures.failed(checkpoint, error.failure)
            raise
        except (pytest.fail.Exception, PaddleInferError) as error:  # from a fixture that the checkpoint asked for, and what it gave
            figures.failed(checkpoint, Failure(str(error)))
            raise


@contextmanager
def _on_allure(request: pytest.FixtureRequest, title: str, known: int) -> Iterator[None]:
    """Attaches what the checkpoint adds to the first `known` properties to the test's Allure result, where allure-pytest writes one."""
    try:
        yield
    finally:
        if request.config.pluginmanager.has_plugin(ALLURE):
            from pytest_paddle_infer.report import allure

            with suppress(OSError):  # a full disk must not hide why a checkpoint does not hold
                allure.attach(title, request.node.user_properties[known:])


def skip_if_optional(request: pytest.FixtureRequest, error: UnavailableError) -> None:
    """Skips the test when nobody named the variant for it, or when `--paddle-allow-missing` says so."""
    node, settings = request.node, request.config.stash[SESSION].settings
    chosen = node.callspec.params.get("paddle_variant") if hasattr(node, "callspec") else None
    if chosen is None and SELECTED in node.stash:
        chosen = node.stash[SELECTED].variant
    if settings.allow_missing or (chosen is not None and getattr(chosen, "optional", False)):
        pytest.skip(plain(error.reason))


def refuse_other_python(request: pytest.FixtureRequest, spec: ModelSpec, variant: str) -> None:
    """Fails, or skips with `--paddle-allow-missing`, a test whose engine is in this process where another Python is asked for.

    The test would pass on this Paddle, below a summary that names the other one.
    """
    settings = request.config.stash[SESSION].settings
    if settings.python is None:
        return
    reason = f"the fixture inference_engine is in this process, and cannot be of {settings.python}"
    if settings.allow_missing:
        pytest.skip(plain(reason))
    option = origin(settings, "python")
    remedy = (
        f"prove the other Paddle with the checkpoints (--paddle-model, or the marker {MARKER}), or run this test without {option}."
    )
    raise ConformanceFailure(Failure(f"{spec.name}, {variant}: {reason} ({option}).", remedy=remedy))


@contextmanager
def plain_failure(node: pytest.Item) -> Iterator[None]:
    """Turns an error that is raised on purpose into a failed test without a traceback: its own says nothing more."""
    try:
        yield
    except PaddleInferError as error:
        failure = error.failure if isinstance(error, ConformanceFailure) else Failure(str(error))
        settings = node.config.stash[SESSION].settings
        failure = replace(failure, reproduce=reproduce_command(_from_here(node), settings, has_own_model(node)))
        raise plain_fail(format_failure(failure), node.nodeid) from None


def _from_here(node: pytest.Item) -> str:
    """The test's id as the directory that pytest was called in needs it; one of an item without a file is known from anywhere."""
    file, colons, rest = node.nodeid.partition("::")
    full = node.config.rootpath / file
    here = os.path.relpath(full, node.config.invocation_params.dir).replace(os.sep, "/") if full.is_file() else file
    return f"{here}{colons}{rest}"


def workdir_of(config: pytest.Config, factory: pytest.TempPathFactory) -> Path:
    """One directory a run, shared by all xdist workers of it."""
    base = factory.getbasetemp()
    shared = base.parent if hasattr(config, "workerinput") else base
    (shared / "paddle-infer").mkdir(exist_ok=True)
    return shared / "paddle-infer"


def run_options(settings: Settings, workdir: Path, variants: Mapping[str, Variant], place: Place) -> RunOptions:
    """How the checkpoints run, as the options say. place: of this process among those of xdist."""

    def path(text: str | None) -> Path | None:
        return None if text is None else Path(text)

    if settings.no_cache:
        cache = workdir / "exports"
    elif settings.cache_dir is not None:
        cache = Path(settings.cache_dir)
    else:
        cache = default_root()
    return RunOptions(
        base=settings.base,
        workdir=workdir,
        cache_dir=cache,
        cache_size=settings.cache_size or None,
        threads=settings.threads,
        timeout=settings.timeout,
        warmup=settings.warmup,
        repeats=settings.repeats,
        autolog=settings.autolog,
        exported=path(settings.exported),
        export_dir=path(settings.export_dir),
        output_dir=path(settings.output_dir),
        artifacts=path(settings.artifacts),
        python=path(settings.python),
        details=settings.report is not None,
        diagnosis=not settings.no_diagnosis,
        diagnosis_time=settings.diagnosis_time,
        variants=variants,
        gates=Gates(Path(settings.perf_dir), settings.perf_save, settings.perf_compare),
        place=place.number,
        cores=place.cores,
    )


class Place(NamedTuple):
    """Which of how many processes of xdist this is: each has its share of the processor's cores, and its own GPU where there are several.

    cores: those of its engines; empty for all.
    """

    number: int = 0
    cores: tuple[int, ...] = ()


def place_of(config: pytest.Config) -> Place:
    """The place of this process. Its engines are kept to their cores, so that the times of one do not depend on the others."""
    worker = getattr(config, "workerinput", None)
    if worker is None or not hasattr(os, "sched_getaffinity"):
        return Place()
    index, count = int(str(worker["workerid"]).lstrip("gw")), int(worker["workercount"])
    cores = sorted(os.sched_getaffinity(0))
    return Place(index, tuple(cores[index % count :: count]) or (cores[index % len(cores)],))
