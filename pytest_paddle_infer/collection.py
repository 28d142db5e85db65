"""The items of `--paddle-model`, which need no test file, and the parameters of tests that use the marker or the fixtures."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_paddle_infer import checks
from pytest_paddle_infer.cutting import first_ones
from pytest_paddle_infer.failures import HookError, OptionError
from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.option_table import FIXTURES, MARKER, MARKER_FIXTURES, VARIANTS
from pytest_paddle_infer.options import merge, read_marker
from pytest_paddle_infer.session import SELECTED, SESSION, Selected, SessionState
from pytest_paddle_infer.variants import Choice, Variant, find

PREFIX = "paddle-model"
"""First part of the ids of items without a test file: `paddle-model/alexnet::test_parity[onednn]`."""

_FIXTURES = ("paddle_model", "paddle_variant")


@dataclass(frozen=True)
class Chosen:
    """Checkpoints of one model that were named as arguments; None for all."""

    names: frozenset[str] | None


def split_arguments(config: pytest.Config) -> dict[str, Chosen]:
    """Takes ids such as `paddle-model/alexnet::test_log[cpu]` out of pytest's arguments and returns them by model."""
    chosen: dict[str, set[str] | None] = {}
    rest = []
    for argument in config.args:
        text, _, tail = str(argument).partition("::")
        model = _model_of(text, config)
        if model is None:
            rest.append(argument)
        elif not tail:
            chosen[model] = None
        elif chosen.setdefault(model, set()) is not None:
            chosen[model].add(tail)  # type: ignore[union-attr]
    if chosen:
        config.args[:] = rest
    return {model: Chosen(None if names is None else frozenset(names)) for model, names in chosen.items()}


def _model_of(text: str, config: pytest.Config) -> str | None:
    full = os.path.normpath(config.invocation_params.dir / text)
    if PREFIX not in text or os.path.exists(full):
        return None
    # an id as printed starts at the root directory; typed by hand it may start where pytest was called
    for start in (config.rootpath, config.invocation_params.dir):
        for candidate in (text.rstrip("/"), os.path.relpath(full, start)):
            if candidate.startswith(f"{PREFIX}/"):
                return candidate[len(PREFIX) + 1 :]  # as it stands: it may be an absolute /path/to/file.py:factory
    return None


def check_chosen(model: str, chosen: Chosen, variants: Sequence[Choice], own: Mapping[str, Variant]) -> tuple[Choice, ...]:
    """Returns the variants, or those that the ids name. Raises `OptionError` for an id that does not exist."""
    if chosen.names is None:
        return tuple(variants)
    wanted: dict[str, Choice] = {}
    for name in sorted(chosen.names):
        match = re.fullmatch(r"test_(artifacts|parity|log)(?:\[(.+)\])?", name)
        if (
            match is None
            or (match[2] is None) != (match[1] == "artifacts")
            or (match[2] is not None and not _is_known(match[2], own))
        ):
            raise OptionError(
                f"not found: {PREFIX}/{model}::{name} (there are test_artifacts, test_parity[VARIANT] and test_log[VARIANT]; "
                f"variants are {', '.join((*VARIANTS, *own))})."
            )
        if match[2] is not None:
            wanted.setdefault(match[2], Choice(match[2]))
    return tuple(wanted.values())


def _is_known(label: str, own: Mapping[str, Variant]) -> bool:
    try:
        return find(label, own).label == label
    except OptionError:
        return False


class ModelChecks(pytest.Module):
    """The checkpoints of one model, a collector without a file."""

    spec: ModelSpec
    variants: tuple[Choice, ...]
    chosen: Chosen

    @classmethod
    def build(cls, session: pytest.Session, spec: ModelSpec, variants: Sequence[Choice], chosen: Chosen) -> ModelChecks:
        """Makes the collector of one model."""
        config = session.config
        here = config.invocation_params.dir
        root = config.rootpath
        node: ModelChecks = cls.from_parent(
            session,
            name=spec.name,
            nodeid=f"{PREFIX}/{spec.name}",
            path=here if here == root or root in here.parents else root,
        )
        node.obj = checks
        node.spec, node.variants, node.chosen = spec, tuple(variants), chosen
        node.add_marker(getattr(pytest.mark, MARKER)(model=spec.name))
        node.extra_keyword_matches.add(node.nodeid)  # for -k, which looks at the names of files too
        return node

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        """Yields test_artifacts, then test_parity and test_log of each variant."""
        yield from self._item("test_artifacts", checks.test_artifacts, None)
        for variant in self.variants:
            yield from self._item(f"test_parity[{variant.label}]", checks.test_parity, variant)
            yield from self._item(f"test_log[{variant.label}]", checks.test_log, variant)

    def _item(self, name: str, check: Any, variant: Choice | None) -> Iterator[ModelCheck]:
        if self.chosen.names is None or name in self.chosen.names:
            item: ModelCheck = ModelCheck.from_parent(self, name=name, callobj=check)
            item.stash[SELECTED] = Selected(self.spec, variant)
            yield item


class ModelCheck(pytest.Function):
    """One checkpoint of one model."""

    @property
    def id(self) -> Any:
        """The id as pytest 9.2 compares it for `--lf`: it keeps `[cpu]` apart from the name, and else only callspecs tell it so."""
        return type(super().id).parse(self.nodeid)

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """Names the model rather than a line of the plugin."""
        assert self.parent is not None
        return self.parent.nodeid, None, f"{self.parent.name}: {self.name[len('test_') :]}"


class Collection:
    """Appends the collectors of the chosen models to what the session collects."""

    def __init__(self, models: Mapping[str, tuple[ModelSpec, tuple[Choice, ...], Chosen]]) -> None:
        self._models = models

    @pytest.hookimpl(hookwrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Any:
        """Adds the models when the session itself is collected."""
        outcome = yield
        report = outcome.get_result()
        if isinstance(collector, pytest.Session) and report.passed:
            report.result = [*report.result, *(ModelChecks.build(collector, *entry) for entry in self._models.values())]


class AgainstLastFailed:
    """`--lf` skips files without a known failure; these collectors are no files, so they are collected here."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> pytest.CollectReport | None:
        """Collects a model's items whatever the last run said; `--lf` then deselects by id."""
        if isinstance(collector, ModelChecks):
            return pytest.CollectReport(collector.nodeid, "passed", None, list(collector.collect()))
        return None


# -- tests with the marker or the fixtures -----------------------------------------------------------------------------


def parametrize(metafunc: pytest.Metafunc, marker: pytest.Mark | None) -> None:
    """Gives a test its models and variants; what is wrong with its marker is kept for one usage error after collection."""
    state = metafunc.config.stash[SESSION]
    try:
        request = read_marker(marker, state.settings)
        idle = not request.checkpoints and not any(name in metafunc.fixturenames for name in FIXTURES)
        if idle and marker in metafunc.definition.own_markers:  # that of a class may be meant for its other tests
            raise OptionError(
                f"@pytest.mark.{MARKER}: checkpoints=[] runs none, and the test takes no fixture of the model: nothing would be tested. "
                f"Take one ({', '.join(FIXTURES)}), or leave checkpoints out."
            )
        choices = state.choices(request.variants, named=request.named, origin=f"@pytest.mark.{MARKER}: variants")
        specs = [merge(spec, request, state.settings) for spec in state.models_for(request)]
        state.use_models()
    except OptionError as error:
        problem = str(error) if isinstance(error, HookError) else f"{metafunc.definition.nodeid}: {error}"
        if problem not in state.problems:  # a hook's fault is the same for every test
            state.problems.append(problem)
        if "paddle_model" not in metafunc.fixturenames:
            metafunc.fixturenames.append("paddle_model")
        for name in _FIXTURES:
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, [None], indirect=True, ids=["?"])
        return
    if marker is not None:
        for name in MARKER_FIXTURES if request.checkpoints else MARKER_FIXTURES[:1]:
            if name not in metafunc.fixturenames:
                metafunc.fixturenames.append(name)
    names, variants = [spec.name for spec in specs], [choice.label for choice in choices]
    metafunc.parametrize("paddle_model", specs, indirect=True, ids=names)
    if "paddle_variant" in metafunc.fixturenames:
        metafunc.parametrize("paddle_variant", list(choices), indirect=True, ids=variants)
        names = [f"{name}-{variant}" for name in names for variant in variants]
    if not list(metafunc.definition.iter_markers("parametrize")):  # whose labels stand beside ours, in the order of the decorators
        state.labels[metafunc.definition.nodeid] = names


def told_of_labels(config: pytest.Config, state: SessionState) -> list[str]:
    """What to add where an id was not found: which labels the test has that it names."""
    found = []
    for argument in map(str, config.args):
        test, bracket, label = argument.partition("[")
        file, _, name = test.partition("::")
        if config.option.pyargs and not file.endswith(".py"):
            tail = f"{file.replace('.', '/')}.py::{name}"
            labels = next((found for known, found in state.labels.items() if f"/{known}".endswith(f"/{tail}")), None)
        else:
            place = os.path.relpath(config.invocation_params.dir / file, config.rootpath)
            labels = state.labels.get(f"{place}::{name}".replace(os.sep, "/"))
        label = label.removesuffix("]")
        if bracket and labels and label not in labels:
            found.append(
                f"{name} has no [{label}]; it has {first_ones(labels)}. Variants are chosen by its marker or --paddle-variant."
            )
    return found


def run_marker(item: pytest.Function, state: SessionState) -> None:
    """Runs the checkpoints of a test with the marker, before its body."""
    marker = item.get_closest_marker(MARKER)
    if marker is not None and "paddle_checkpoints" in item.funcargs and not isinstance(item, ModelCheck):
        request = read_marker(marker, state.settings)
        if not request.checkpoints:  # the test runs them itself, and may have no variant
            return
        checkpoints: Any = item.funcargs["paddle_checkpoints"]
        checkpoints.run(item.funcargs["paddle_model"], item.funcargs["paddle_variant"], request.checkpoints)
