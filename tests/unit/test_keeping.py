"""What of a failed parity goes into its folder: the batch that shows the failure, and word of it where none does."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from failed_parity import EVIDENCE, FAILURE, FLOOR, OFF, REQUEST, TRAINED

from pytest_paddle_infer.evidence.keeping import Seen, keep_failure
from pytest_paddle_infer.evidence.reading import Kept, read_folder
from pytest_paddle_infer.exports import ExportedModel
from pytest_paddle_infer.failures import ConformanceFailure, WorkerFailure
from pytest_paddle_infer.judge.closeness import Noise
from pytest_paddle_infer.models import ModelSpec

SAMPLES = [SimpleNamespace(name=f"{letter}.png") for letter in "abcd"]


def kept(tmp_path: Path, step: str, answered: int, inference: Any = TRAINED) -> Kept:
    """The folder of an engine that died in that step, after so many of four samples in batches of two."""

    def call(worker: Any, step: str, method: str, *args: Any) -> Any:
        return [np.full((args[1] - args[0], 3), args[0], np.float32)]

    setup = SimpleNamespace(request=lambda variant: REQUEST)
    bench: Any = SimpleNamespace(
        spec=ModelSpec("tiny", factory="tiny:tiny"),
        options=SimpleNamespace(setup=setup, variant=lambda name: name, python=None),
        model=SimpleNamespace(inputs=[SimpleNamespace(name="x")]),
        samples=SAMPLES,
        worker=lambda name, make: SimpleNamespace(close=lambda: None),
        call=call,
    )
    batches = answered // 2
    run: Any = SimpleNamespace(
        example=None,
        answered=([0] * answered, [0] * answered),
        kept=([[TRAINED]] * batches, [[inference]] * batches),
        rules=(Noise(FLOOR),),
        outputs=(),
    )
    facts: Any = SimpleNamespace(evidence=EVIDENCE, versions={"paddle_version": "9.9.9"})
    red = ConformanceFailure(FAILURE)
    red.__cause__ = WorkerFailure(f"inference engine (onednn): {step}", "signal", "the process died of SIGSEGV (signal 11)")
    spec = ModelSpec("tiny", factory="tiny:tiny", batch_size=2)
    told = keep_failure(
        bench, spec, "onednn", ExportedModel(tmp_path / "none", given=True), red, Seen(facts, None, run), tmp_path / "kept", False
    )
    return read_folder(Path(dict(told.facts)["kept"]))


def test_a_death_of_a_batch_is_kept_with_that_batch_which_shows_it(tmp_path: Path) -> None:
    folder = kept(tmp_path, "run samples c.png, d.png", 2)
    assert (folder.shows, folder.first, folder.samples) == ("death", 2, ("c.png", "d.png"))
    np.testing.assert_array_equal(folder.inputs[0], np.full((2, 3), 2, np.float32))
    assert folder.training is None


@pytest.mark.parametrize("step", ["run again", "run in a batch", "run on a clone", "say what was executed"])
@pytest.mark.parametrize("inference", [TRAINED, OFF], ids=["agrees", "differs"])
def test_a_death_after_every_sample_was_answered_is_kept_as_one_that_the_batch_does_not_show(
    tmp_path: Path, step: str, inference: Any
) -> None:
    folder = kept(tmp_path, step, 4, inference)
    assert (folder.shows, folder.first, folder.samples) == ("nothing", 0, ("a.png", "b.png"))
    assert folder.death is not None
    assert folder.death.step == f"inference engine (onednn): {step}"
    assert folder.training is not None, "what both engines answered to that batch"
    assert (folder.directory / "inference.npz").is_file()
