"""The script of a kept folder judges as the plugin does, from the limits that the folder holds."""

from __future__ import annotations

import ast
import inspect
import json
import re
import runpy
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from failed_parity import EVIDENCE, EXACT, FAILURE, FLOOR, OFF, TRAINED, failed

from pytest_paddle_infer import evidence
from pytest_paddle_infer.deployed.calls import told
from pytest_paddle_infer.evidence.folder import keep
from pytest_paddle_infer.evidence.record import Death, as_text, judged, verdict_json
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
WHOLE = np.arange(10).reshape(2, 5)

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
    ("integers within a tolerance that names them", WHOLE, moved(1, WHOLE), None, Tolerance(atol=1, integers=True)),
    ("integers beyond it", WHOLE, moved(3, WHOLE), None, Tolerance(atol=1, integers=True)),
    ("integers with a tolerance of all outputs", WHOLE, moved(1, WHOLE), None, Tolerance(atol=1)),
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
    entry = json.loads(as_text(verdict_json(kept, {}, "", "")))["outputs"][0]
    far, apart, limit = compare(ours, trained, exact, entry)
    assert (far <= 1) == verdict.passed, (far, verdict.problem)
    if np.isfinite(far) and trained.dtype.kind in "fc":
        assert far == pytest.approx(verdict.excess, rel=1e-6)
        # over the largest value, as the failure and the replay have it; with rtol each element has a limit of its own
        assert apart == pytest.approx(verdict.error, rel=1e-6)
        assert (limit == pytest.approx(verdict.limit, rel=1e-6)) or isinstance(rule, Tolerance)


class Handle:
    """An input or an output of the predictor below."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def copy_from_cpu(self, array: Any) -> None:
        assert array.shape == (2, 3, 4, 4)

    def copy_to_cpu(self) -> Any:
        return self.array


def status_of(folder: Path, outputs: list[Any], monkeypatch: pytest.MonkeyPatch, version: str = "3.3.1") -> int:
    """The exit status of a folder's script with a Paddle that answers this."""
    predictor = SimpleNamespace(
        get_input_names=lambda: ["x"],
        get_output_names=lambda: [str(number) for number in range(len(outputs))],
        get_input_handle=lambda name: Handle(None),
        get_output_handle=lambda name: Handle(outputs[int(name)]),
        run=lambda: None,
    )
    paddle, inference = ModuleType("paddle"), ModuleType("paddle.inference")
    config = SimpleNamespace(disable_mkldnn=int, delete_pass=lambda name: None, disable_glog_info=int)
    vars(inference).update(Config=lambda *files: config, create_predictor=lambda config: predictor)
    vars(paddle).update(inference=inference, __version__=version)
    monkeypatch.setitem(sys.modules, "paddle", paddle)
    monkeypatch.setitem(sys.modules, "paddle.inference", inference)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(folder / "reproduce.py"))
    assert isinstance(ended.value.code, int)
    return ended.value.code


LATER: dict[str, Any] = {
    "inference": [TRAINED], "died_later": True, "death": Death("inference engine (onednn): run on a clone", "signal", "died"),
}  # fmt: skip
NOTHING = ", so this run tells nothing.\n"
ALONE = "what failed is not in these outputs"
LOST = "something was left out"
BUFFER = replace(EVIDENCE, configuration=(*EVIDENCE.configuration, told("set_model_buffer", (b"graph", 5), {}, own=True)))
GONE = replace(EVIDENCE, configuration=(*EVIDENCE.configuration, told("enable_mkldnn", (), {})))


def test_an_output_of_another_shape_is_told_by_both_shapes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(keep(failed(), None, tmp_path), [TRAINED[:, :4]], monkeypatch) == 1
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.endswith("DIFFERS"))
    assert row.split(None, 2)[2] == "(2, 4) for (2, 5)  DIFFERS"


@pytest.mark.parametrize(
    ("changes", "outputs", "status", "last"),
    [
        ({}, [OFF], 1, "it differs.\n"),
        ({}, [TRAINED], 0, "it runs, and nothing differs.\n"),
        ({}, [TRAINED, TRAINED], 1, "it differs.\n"),
        ({"inference": [TRAINED]}, [TRAINED], 2, ALONE + NOTHING),
        (LATER, [TRAINED], 2, ALONE + NOTHING),
        (LATER, [OFF], 1, "it differs.\n"),
        ({**LATER, "died_later": False}, [TRAINED], 0, "it runs, and nothing differs.\n"),
        ({**LATER, "died_later": False, "failure": replace(FAILURE, stage="postprocess")}, [TRAINED], 2, ALONE + NOTHING),
        ({"evidence": BUFFER}, [TRAINED], 2, LOST + NOTHING),
        ({"evidence": BUFFER}, [OFF], 1, "it differs.\n"),
        ({"evidence": GONE}, [TRAINED], 2, LOST + NOTHING),
    ],
    ids=[
        "differs",
        "agrees",
        "another output",
        "not in the outputs",
        "died later",
        "died later, differs",
        "died, agrees",
        "died in postprocess",
        "left out",
        "left out, differs",
        "not in this Paddle",
    ],
)
def test_the_exit_status_tells_a_difference_from_agreement_and_both_from_what_the_batch_cannot_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], changes: Any, outputs: Any, status: int,
    last: str,
) -> None:  # fmt: skip
    folder = keep(failed(**changes), None, tmp_path)
    assert status_of(folder, outputs, monkeypatch) == status
    said = capsys.readouterr().out
    assert said.endswith(f"\n{last}"), said
    assert said.startswith("kept for: tiny, onednn:threads=2: a cause.\n")
    assert "\nPaddle 3.3.1 then, 3.3.1 now\nfigures of the kept samples alone, from number 4 on: a.png b.png\n" in said
    assert "\nover its largest value: difference     limit   x limit\noutput 0 " in said
    named = re.search(r"^left out: config\.(set_model_buffer\(|enable_mkldnn\(\): .*enable_mkldnn)", said, re.MULTILINE)
    assert bool(named) == ("evidence" in changes), said
    assert said.count("DIFFERS") == (outputs[0] is OFF)


def test_a_folder_that_lacks_a_file_and_a_graph_of_another_paddle_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = keep(failed(), None, tmp_path)
    (folder / "training.npz").unlink()
    assert status_of(folder, [OFF], monkeypatch) == 2
    assert capsys.readouterr().out.endswith("\nmissing here: training.npz.\n")
    other = keep(failed(), None, tmp_path / "other")
    (other / "model").mkdir(exist_ok=True)
    (other / "model" / "inference.json").write_text("{}")
    assert status_of(other, [OFF], monkeypatch, "2.6.2") == 2
    assert capsys.readouterr().out.endswith("\na .json graph is Paddle 3's; Paddle 2 dies of SIGSEGV when it loads one.\n")
