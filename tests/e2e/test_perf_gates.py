"""Performance gates on real runs: saved, held, regressed, of another machine, and unknown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sessions import Session, assert_green, assert_red

LOG = ("--paddle-model=tiny", "-k", "test_log")


@pytest.fixture
def saved(repo: Path, run_session: Callable[..., Session]) -> Path:
    """The one file of a baseline 'main' that was just saved."""
    session = run_session(repo, *LOG, "--paddle-perf-save=main")
    assert_green(session, 1)
    assert "tiny: cpu: times saved as 'main'" in session.output
    (path,) = (repo / ".paddle-perf").rglob("*.json")
    return path


def faster(path: Path, times: float) -> None:
    """Rewrites a baseline as that of an engine that was `times` as fast."""
    kept = json.loads(path.read_text())
    for run in kept["runs"]:
        run["run"] = [seconds / times for seconds in run["run"]]
    path.write_text(json.dumps(kept))


def test_a_baseline_is_kept_by_machine_name_model_and_variant(repo: Path, saved: Path) -> None:
    machine, name, file = saved.relative_to(repo / ".paddle-perf").parts
    assert re.fullmatch(r"[a-z0-9-]+-\d+c-[0-9a-f]{8}", machine)
    assert (name, file) == ("main", "tiny--cpu.json")
    (run,) = json.loads(saved.read_text())["runs"]
    assert (len(run["run"]), len(run["training"])) == (50, 25)


def test_the_same_engine_is_no_regression(repo: Path, saved: Path, run_session: Callable[..., Session]) -> None:
    session = run_session(repo, *LOG, "--paddle-perf-compare=main:100%")
    assert_green(session, 1)
    assert re.search(r"tiny: cpu: (held: run takes|run takes .*: not decided, for|slower when first measured)", session.output), (
        session.output
    )


def test_a_thousandth_of_the_speed_is_a_failed_log_with_ratio_interval_and_confidence(
    repo: Path, saved: Path, run_session: Callable[..., Session]
) -> None:
    faster(saved, 1000)
    session = run_session(repo, *LOG, "--paddle-perf-compare=main:15%")
    case = assert_red(session, "test_log[cpu]", "a performance regression: run takes .* times the baseline 'main'", "99 % interval")
    assert "--paddle-perf-compare=main:15%" in case.text


def test_the_baseline_of_another_machine_is_shown_and_not_judged(
    repo: Path, saved: Path, run_session: Callable[..., Session]
) -> None:
    faster(saved, 1000)
    saved.parents[1].rename(saved.parents[2] / "other-cpu-64c-00000000")
    session = run_session(repo, *LOG, "--paddle-perf-compare=main")
    assert_green(session, 1)
    assert "not judged" in session.output


def test_an_unknown_baseline_is_a_usage_error_that_lists_the_known_ones(
    repo: Path, saved: Path, run_session: Callable[..., Session]
) -> None:
    session = run_session(repo, *LOG, "--paddle-perf-compare=release")
    assert session.returncode == pytest.ExitCode.USAGE_ERROR, session.output
    assert "there is no baseline 'release'" in session.output
    assert "the baselines are main" in session.output


def test_a_damaged_baseline_is_one_sentence(repo: Path, saved: Path, run_session: Callable[..., Session]) -> None:
    saved.write_text("{")
    assert_red(run_session(repo, *LOG, "--paddle-perf-compare=main"), "test_log[cpu]", re.escape(saved.name))
