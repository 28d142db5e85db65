"""The example project, run as its owner runs it: its own suite, and the command without a test file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sessions import run_pytest

EXAMPLE = Path(__file__).parents[2] / "example_project"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A copy, so that the run leaves nothing in the checkout."""
    ignored = shutil.ignore_patterns("__pycache__", ".pytest_cache")
    return Path(shutil.copytree(EXAMPLE, tmp_path / "example_project", ignore=ignored))


def test_its_own_suite_is_green(example: Path, tmp_path: Path) -> None:
    session = run_pytest(example, cache=tmp_path / "cache")
    assert set(session.outcomes.values()) == {"passed"}, session.output
    assert len(session.cases) == 5


def test_its_model_passes_every_checkpoint_by_name(example: Path, tmp_path: Path) -> None:
    session = run_pytest(
        example, "--paddle-model=digits", "--paddle-variant=onednn", "tests/test_inference.py", cache=tmp_path / "cache"
    )
    named = {name: outcome for name, outcome in session.outcomes.items() if "paddle-model" in name}
    assert list(named.values()) == ["passed"] * 3, session.output
    assert "digits.pdparams" not in session["test_artifacts"].text
    assert session["test_parity[onednn]"].properties["paddle_infer.weights"] == "digits.pdparams"
