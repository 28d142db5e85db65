"""What rides on pytest's stashes: typed keys, and the session's settings and models."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from pytest_paddle_infer.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_paddle_infer.models import ModelSpec
    from pytest_paddle_infer.options import Request, Settings
    from pytest_paddle_infer.variants import Choice, Variant


class Selected(NamedTuple):
    """The model and variant of one collected checkpoint."""

    spec: ModelSpec
    variant: Choice | None = None


class SessionState:
    """Settings of this session, its models and variants, and what was wrong while tests were collected.

    used: some test has a model. by_id: items of `--paddle-model` were named by their ids. labels: id of a test without brackets -> what
    stands in the brackets of its items.
    Made at every pytest start; other rooms are opened when it is asked for something.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.progress = Progress()
        self.problems: list[str] = []
        self.header: list[str] = []
        self.labels: dict[str, list[str]] = {}
        self.used = self.by_id = self._listed = False
        self._settings: Settings | None = None
        self._registered: dict[str, ModelSpec] | None = None
        self._asked = 0
        self._variants: dict[str, Variant] | None = None
        self._variants_asked = 0

    @property
    def settings(self) -> Settings:
        """The options of this run. Raises `OptionError` for a bad ini value, in `pytest_configure` if there is one."""
        if self._settings is None:
            from pytest_paddle_infer.options import read_settings

            self._settings = read_settings(self.config)
        return self._settings

    @property
    def registered(self) -> dict[str, ModelSpec]:
        """Models of the hook, by name. Raises `HookError`."""
        implementations = len(self.config.hook.pytest_paddle_infer_models.get_hookimpls())
        if self._registered is None or implementations != self._asked:  # the conftest.py of a directory may be loaded later
            from pytest_paddle_infer.hooks import models_of

            self._asked = implementations
            self._registered = models_of(self.config)
        return self._registered

    @property
    def variants(self) -> dict[str, Variant]:
        """Variants of the hook, by name. Raises `HookError`."""
        implementations = len(self.config.hook.pytest_paddle_infer_variants.get_hookimpls())
        if self._variants is None or implementations != self._variants_asked:
            from pytest_paddle_infer.hooks import variants_of

            self._variants_asked = implementations
            self._variants = variants_of(self.config)
        return self._variants

    def choices(self, labels: Iterable[str], *, named: bool, origin: str) -> tuple[Choice, ...]:
        """The variants that labels stand for, `all` and `auto` included. Raises `OptionError` that begins with `origin`.

        named: they were named for this run; one that cannot run here is a failure then, and skipped otherwise.
        """
        from pytest_paddle_infer.failures import HookError, OptionError
        from pytest_paddle_infer.variants import ALL, Choice, expand

        found: dict[str, bool] = {}
        try:
            for label in labels:
                for one in expand(label, self.variants):
                    found[one] = found.get(one, True) and (label == ALL or not named)
        except HookError:
            raise
        except OptionError as error:
            raise OptionError(f"{origin}: {str(error).rstrip('.')}.") from None
        return tuple(Choice(label, optional) for label, optional in found.items())

    def find(self, pattern: str, origin: str) -> list[ModelSpec]:
        """Resolves a name or glob. Raises `OptionError` that begins with `origin`; the first alone lists what there is."""
        from pytest_paddle_infer.failures import ModelError, OptionError
        from pytest_paddle_infer.model_names import ARE, resolve

        try:
            return resolve(pattern, self.registered, self.settings.base)
        except ModelError as error:
            told, what, _ = str(error).partition(ARE)
            text = told if self._listed else str(error)
            self._listed |= bool(what)
            raise OptionError(f"{origin}: {text}") from None

    def use_models(self) -> None:
        """Notes that this run has a model. Raises `OptionError`, once, for paths that do not exist or cannot be written."""
        if not self.used:
            from pytest_paddle_infer.options import check_paths

            self.used = True
            check_paths(self.settings, used=True)

    def models_for(self, request: Request) -> list[ModelSpec]:
        """The models that a test means: its own, else every `--paddle-model`, else the one registered model."""
        from pytest_paddle_infer.failures import OptionError
        from pytest_paddle_infer.option_table import MARKER

        if request.model is not None:
            return self.find(request.model, f"@pytest.mark.{MARKER}")
        if self.settings.model:
            found = [spec for name in self.settings.model for spec in self.find(name, "--paddle-model")]
            return list({spec.name: spec for spec in found}.values())
        if len(self.registered) == 1:
            return list(self.registered.values())
        names = ", ".join(self.registered)
        raise OptionError(
            "which model? Give @pytest.mark.paddle_infer_parity(model=...), with checkpoints=[] where the test only wants the engines, "
            "--paddle-model, or the ini key paddle_model; "
            + (f"registered are {names}." if names else "pytest_paddle_infer_models registers none.")
        )


SESSION = pytest.StashKey[SessionState]()
SELECTED = pytest.StashKey[Selected]()
