"""The files that the practice prescribes, of a parity run: reprod_log's arrays of both engines, and their comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_paddle_infer.parity_words import are_predictions

if TYPE_CHECKING:
    from pytest_paddle_infer.judge.noise import Array
    from pytest_paddle_infer.parity import ParityRun


def write_evidence(run: ParityRun, directory: Path) -> None:
    """Writes the files that the practice prescribes: class ids, probabilities and outputs of both engines, and their comparison.

    They are evidence, not the judge. Raw outputs of the first samples only, so that a thousand samples stay small on disk.
    """
    from pytest_paddle_infer.logs.reprod import write_diff, write_reprod

    paths = [directory / f"output_{engine}_engine.npy" for engine in ("training", "inference")]
    for path, kept, answers in zip(paths, run.kept, run.answered):
        write_reprod(path, {**_answers(answers), **_outputs(kept)})
    write_diff(directory / "train_infer_diff.log", paths[0], paths[1])


def _answers(answers: Sequence[Any]) -> Mapping[str, Array]:
    if are_predictions(answers):
        return {
            "class_id": np.array([answer.class_id for answer in answers]),
            "prob": np.array([answer.prob for answer in answers], dtype=np.float32),
        }
    return {}


def _outputs(kept: Sequence[Sequence[Array]]) -> Mapping[str, Array]:
    """Joins the batches of each output where their shapes allow it, else numbers them."""
    arrays: dict[str, Array] = {}
    for index, column in enumerate(zip(*kept)):
        if all(array.ndim and array.shape[1:] == column[0].shape[1:] for array in column):
            arrays[f"output_{index}"] = np.concatenate(column)
        else:
            arrays.update({f"output_{index}_batch_{number}": array for number, array in enumerate(column)})
    return arrays
