"""The script of a kept folder judges as the plugin does, from the limits that the folder holds."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from failed_parity import EXACT, FLOOR, TRAINED, failed

from pytest_paddle_infer import evidence
from pytest_paddle_infer.evidence.record import as_text, judged, verdict_json
from pytest_paddle_infer.judge.closeness import Noise, Rule, Tolerance

Compare = Callable[..., tuple[float, float, float]]


@pytest.fixture(scope="module")
def compare() -> Compare:
    """The script's own function; the script itself needs Paddle and a folder."""
    tree = ast.parse((Path(inspect.getfile(evidence)).with_name("reproduce.py")).read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "compare"]
    names: dict[str, Any] = {"np": np, "Any": Any}
    exec(compile(tree, "reproduce.py", "exec"), names)
    return names["compare"]  # type: ignore[no-any-return]


def moved(by: float, trained: Any = TRAINED) -> Any:
    """The training engine's answer, one element of the second sample moved."""
    made = trained.copy()
    made[1, 4] += by
    return made


NOISE = Noise(FLOOR)
COMPLEX = (EXACT + 1j * EXACT[::-1]).astype(np.complex64)
ALL = TRAINED + np.float32(3e-6) * np.where(np.arange(10).reshape(2, 5) % 2, 1, -1).astype(np.float32)
CASES: list[tuple[str, Any, Any, Any, Rule]] = [
    *((f"noise {by:g}", TRAINED, moved(by), EXACT, NOISE) for by in (0.0, 1e-6, 3e-6, 6e-6, 1e-3)),
    *((f"no float64 {by:g}", TRAINED, moved(by), None, NOISE) for by in (0.0, 3e-6, 4.6e-6, 6e-6)),
    *((f"tolerance {by:g}", TRAINED, moved(by), EXACT, Tolerance(1e-3, 1e-4)) for by in (0.0, 1e-3, 1.2e-3)),
    ("atol of nothing", TRAINED, moved(1e-6), EXACT, Tolerance(0.0, 0.0)),
    ("equal under atol of nothing", TRAINED, TRAINED, EXACT, Tolerance(0.0, 0.0)),
    ("rms alone", TRAINED, ALL, EXACT, NOISE),
    ("reference of zeros", TRAINED, moved(1e-3), np.zeros_like(EXACT), NOISE),
    ("reference of NaN", TRAINED, moved(1e-3), np.full_like(EXACT, np.nan), NOISE),
    ("NaN", TRAINED, moved(np.nan), EXACT, NOISE),
    ("Inf on both sides", moved(np.inf), moved(np.inf), None, NOISE),
    ("complex", COMPLEX, moved(1e-3, COMPLEX), COMPLEX.astype(np.complex128), NOISE),
    ("complex, equal", COMPLEX, COMPLEX, COMPLEX.astype(np.complex128), NOISE),
    ("integers", np.arange(10).reshape(2, 5), moved(1, np.arange(10).reshape(2, 5)), None, NOISE),
    ("equal integers", np.arange(10), np.arange(10), None, NOISE),
    ("bools", np.array([[True], [False]]), np.array([[True], [True]]), None, NOISE),
    ("empty", np.zeros((0, 5), np.float32), np.zeros((0, 5), np.float32), np.zeros((0, 5)), NOISE),
    ("empty integers", np.zeros((0, 5), np.int64), np.zeros((0, 5), np.int64), None, NOISE),
    ("no batch axis", np.float32(3).reshape(()), np.float32(3.1).reshape(()), np.float64(3).reshape(()), NOISE),
    ("other shape", TRAINED, TRAINED[:, :4], EXACT, NOISE),
    ("other dtype", TRAINED, TRAINED.astype(np.float64), EXACT, NOISE),
]


@pytest.mark.parametrize(("name", "trained", "ours", "exact", "rule"), CASES, ids=[case[0] for case in CASES])
def test_the_script_agrees_with_the_judge(compare: Compare, name: str, trained: Any, ours: Any, exact: Any, rule: Rule) -> None:
    reference = None if exact is None else [exact]
    (verdict,) = judged(("",), (rule,), [trained], [ours], reference, 4, 2)
    kept = failed(training=[trained], inference=[ours], reference=reference, rules=(rule,), verdicts=())
    told = json.loads(as_text(verdict_json(kept, {}, "", "")))["outputs"][0]
    far, apart, _ = compare(ours, trained, exact, told)
    assert (far <= 1) == verdict.passed, (far, verdict.problem)
    if np.isfinite(far) and trained.dtype.kind in "fc":
        assert far == pytest.approx(verdict.excess, rel=1e-6)
        assert np.isfinite(apart)
