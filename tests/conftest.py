"""What every suite below shares: an environment in which only the tests' own options count."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _own_options_only(monkeypatch: pytest.MonkeyPatch) -> None:
    # CI and BUILD_NUMBER: pytest prints whole messages in its short summary where it finds one of them
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
