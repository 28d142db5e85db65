"""One inference engine in several threads: Paddle mixes up the results of a shared predictor, so each thread has its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sessions import Session, assert_green

TESTS = """
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def test_threads(inference_engine, sample_images):
    tensors = [inference_engine.preprocess(image) for image in sample_images]
    alone = [inference_engine.run(x) for x in tensors]
    with ThreadPoolExecutor(4) as pool:
        numbers = [number % len(tensors) for number in range(400)]
        together = list(pool.map(lambda number: inference_engine.run(tensors[number]), numbers))
    wrong = sum(not np.array_equal(made, alone[number]) for number, made in zip(numbers, together))
    assert wrong == 0, f"{wrong} of {len(numbers)} results are those of another sample"
"""


@pytest.mark.parametrize("variant", ["cpu", "onednn"])
def test_four_threads_that_share_an_engine_get_their_own_results(
    repo: Path, run_session: Callable[..., Session], variant: str
) -> None:
    (repo / "test_threads.py").write_text(TESTS)
    assert_green(run_session(repo, "test_threads.py", "-o", "paddle_model=tiny", f"--paddle-variant={variant}"), 1)


def test_the_threads_of_a_variant_are_what_its_engine_reads_back(repo: Path, run_session: Callable[..., Session]) -> None:
    arguments = (
        "--paddle-model=tiny",
        "--paddle-variant=onednn:threads=2",
        "--paddle-variant=cpu",
        f"--paddle-output-dir={repo}/out",
    )
    assert_green(run_session(repo, *arguments), 5)
    logs = {}
    for path in (repo / "out").rglob("inference_benchmark.log"):
        logs[path.parent.name.partition("_")[0]] = path.read_text()
    assert "cpu_math_library_num_threads: 2" in logs["onednn"]
    assert "cpu_math_library_num_threads: 1" in logs["cpu"]
