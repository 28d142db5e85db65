"""From `--paddle-model` and printed ids to the models of this session, and the role objects that their items need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from pytest_paddle_infer.collection import (
    AgainstLastFailed,
    Chosen,
    Collection,
    check_chosen,
    run_marker,
    split_arguments,
)
from pytest_paddle_infer.cutting import first_ones
from pytest_paddle_infer.distributions import engines
from pytest_paddle_infer.failures import OptionError
from pytest_paddle_infer.model_names import paddle_installed
from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.options import Request, Settings, check_one_model, check_paths, merge
from pytest_paddle_infer.session import SELECTED, SessionState
from pytest_paddle_infer.variants import ALL, AUTO, Choice

INSTALL = "Paddle is not installed; pip install 'pytest-paddle-infer[cpu]' or 'pytest-paddle-infer[gpu]' (never both)."

_RUNNER = "paddle-infer-runner"


def start(config: pytest.Config, state: SessionState) -> None:
    """Resolves what the command line names. Raises `OptionError` for names, ids and paths that cannot be meant."""
    settings = state.settings
    if settings.report is not None:
        from pytest_paddle_infer.report import recorder

        recorder.start(config, settings)
    if settings.replay or any("paddle-replay" in str(argument) for argument in config.args):
        from pytest_paddle_infer import replay_items

        replay_items.start(config, settings)
    chosen = split_arguments(config)
    state.by_id = bool(chosen)
    names = [
        *settings.models_on_command_line,
        *(name for name in chosen if name not in settings.models_on_command_line),
    ]
    choices = state.choices(
        settings.variant,
        named="variant" not in settings.from_ini,
        origin="ini value paddle_variant" if "variant" in settings.from_ini else "--paddle-variant",
    )
    if not names:
        check_paths(settings, used=False)
        return
    if not paddle_installed():
        raise OptionError(f"--paddle-model: {INSTALL}")
    everything = Chosen(None)
    models: dict[str, tuple[ModelSpec, tuple[Choice, ...], Chosen]] = {}
    for name in names:
        for spec in state.find(name, "--paddle-model"):
            # an id narrows --paddle-model, as a file's id narrows the file
            part = chosen.get(spec.name) or (
                everything if name in settings.models_on_command_line else chosen.get(name, everything)
            )
            variants = check_chosen(spec.name, part, choices, state.variants)
            merged = merge(spec, Request(spec.name, (), (), {}), settings)
            models[spec.name] = (merged, variants, part)
    state.use_models()
    how = {AUTO: "auto: ", ALL: "all: "}.get(" ".join(settings.variant), "")
    shown = {
        name: (how if part.names is None else "") + ", ".join(choice.label for choice in variants)
        for name, (_, variants, part) in models.items()
    }
    state.header = [_header(shown, settings), *_without_effect((spec for spec, _, _ in models.values()), settings)]
    config.pluginmanager.register(Collection(models), "paddle-infer-collection")
    config.pluginmanager.register(AgainstLastFailed(), "paddle-infer-lf")


def _header(models: Mapping[str, str], settings: Settings) -> str:
    """models: name -> its variants; "" where only the training engine is used."""
    listed = [f"{name} ({variants})" if variants else name for name, variants in models.items()]
    return f"{engines(settings.python)}: {first_ones(listed)}"


def _without_effect(specs: Iterable[ModelSpec], settings: Settings) -> list[str]:
    """A line on a size of the command line that no program of these models looks at; specs: after `merge`."""
    if "image_size" not in settings.given:
        return []
    names = [spec.name for spec in specs if spec.preprocess is not None and spec.input_spec is not None]
    told = f"--paddle-image-size has no effect on {first_ones(names)}: an own preprocess makes the size that input_spec says"
    return [told] if names else []


def header_of(items: Iterable[pytest.Item], settings: Settings) -> list[str]:
    """The same lines for the models of tests with the marker or the fixtures; none where there are none."""
    models: dict[str, list[str]] = {}
    specs: dict[str, ModelSpec] = {}
    for item in items:
        given = getattr(getattr(item, "callspec", None), "params", {})
        spec, variant = given.get("paddle_model"), given.get("paddle_variant")
        if isinstance(spec, ModelSpec):
            specs.setdefault(spec.name, spec)
            labels = models.setdefault(spec.name, [])
            if isinstance(variant, Choice) and variant.label not in labels:
                labels.append(variant.label)
    if not models:
        return []
    shown = {name: ", ".join(labels) for name, labels in models.items()}
    return [_header(shown, settings), *_without_effect(specs.values(), settings)]


def check_selected(items: Iterable[pytest.Item], state: SessionState) -> None:
    """Raises `OptionError` where a path that belongs to one model meets the tests of several. items: those left to run."""
    names: dict[str, None] = {}
    for item in items:
        given = getattr(getattr(item, "callspec", None), "params", {}).get("paddle_model")
        spec = item.stash[SELECTED].spec if SELECTED in item.stash else given
        if isinstance(spec, ModelSpec):
            names[spec.name] = None
    check_one_model(state.settings, list(names))


def use(config: pytest.Config, state: SessionState) -> None:
    """Registers what runs the checkpoints of marked tests, and shows progress on a terminal."""
    if config.pluginmanager.has_plugin(_RUNNER):
        return
    config.pluginmanager.register(Runner(state), _RUNNER)
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        from pytest_paddle_infer.report.terminal import live_progress

        state.progress = live_progress(config, reporter) or state.progress


class Runner:
    """Runs the checkpoints of tests with the marker, before their bodies."""

    def __init__(self, state: SessionState) -> None:
        self._state = state

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> object | None:
        """A checkpoint that does not hold fails the test; its body does not run then."""
        run_marker(pyfuncitem, self._state)
        return None
