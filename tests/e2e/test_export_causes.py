"""Two exports of real Paddle that differ in one thing: the sentence that names it, and none where both compute the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from sessions import environment

from pytest_paddle_infer.engine.export_causes import compare_graphs, uncompared
from pytest_paddle_infer.exports import locate

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def pairs(shared_directory: Path) -> Path:
    target = shared_directory / "graph-pairs"
    with FileLock(shared_directory / "graph-pairs.lock"):
        if not target.is_dir():
            part = shared_directory / "graph-pairs.part"
            done = subprocess.run(
                [sys.executable, "-W", "ignore", str(HERE / "make_graph_pairs.py"), str(part)],
                env=environment(shared_directory / "none", "-"), capture_output=True, text=True, timeout=180, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
            part.rename(target)
    return target


def names(place: Path) -> dict[str, str]:
    return dict(json.loads((place / "names.json").read_text()))


@pytest.mark.parametrize("name", ["same", "reordered"])
def test_two_graphs_that_compute_the_same_give_no_cause(pairs: Path, name: str) -> None:
    given, own = pairs / name / "given", pairs / name / "own"
    assert compare_graphs(locate(given / "inference"), locate(own / "inference"), names(given), names(own)) is None


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("gelu", "gelu behind `norm`: approximate is True in the export, False in the model's own export"),
        ("leaky", "leaky_relu behind `norm`: "),
        ("relu6", "the export has relu6 behind `norm` where the model's own export has relu"),
        ("epsilon", "layer_norm of `norm`: epsilon is 1e-05 in the export, 1e-06 in the model's own export"),
        ("half", "the export has two operators more: cast to float16 and cast to float32 behind `norm`"),
        ("softmax missing", "softmax is missing from the export: "),
        ("softmax twice", "softmax is applied once more in the export: "),
        ("gain", "scale behind `two`: scale is 1.01 in the export, 1.0 in the model's own export"),
        ("small gain", "scale is 1.000004 in the export"),
        ("in place dropped", "the export lacks one operator of the model's own export: "),
        ("minus", "takes its inputs in another order"),
        ("heads swapped", "the outputs are in another order: output 0 of the export is output 1 of the model"),
        ("other head", "output 0 of the export comes from `aux`, where the model's comes from `two`"),
        ("head missing", "the export has 1 output, the model's own export 2"),
        ("neighbours", "max, scale by 0.0 and "),
        ("inputs swapped", "the inputs `left` and `right` of the network are swapped in the export"),
        ("batch baked", "the export has the batch size 1 of its input x baked in, where the model's own export takes any"),
    ],
)
def test_the_difference_of_two_graphs_is_named(pairs: Path, name: str, wanted: str) -> None:
    given, own = pairs / name / "given", pairs / name / "own"
    finding = compare_graphs(locate(given / "inference"), locate(own / "inference"), names(given), names(own))
    assert finding is not None
    assert wanted in finding.cause
    assert finding.cause.endswith(".")
    assert "first of" not in finding.cause
    assert finding.stage == "export"
    assert finding.certain


def test_graphs_of_two_formats_are_not_compared_and_it_is_said(pairs: Path, tmp_path: Path) -> None:
    own = locate(pairs / "same" / "own" / "inference")
    other = ".pdmodel" if own.model_file.suffix == ".json" else ".json"
    (tmp_path / f"inference{other}").write_bytes(b"another format")
    given = locate(tmp_path / "inference")
    assert compare_graphs(given, own, {}) is None
    assert "graphs of two formats" in uncompared(given, own)
