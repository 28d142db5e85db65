"""Does the deployed network read like the trained one, does it read right, and does it fit?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_paddle_infer import ExportedModel, InferenceEngine, Sample, TrainingEngine


@pytest.mark.paddle_infer_parity(model="digits", variants=["cpu", "onednn"])
def test_the_deployed_network_is_the_trained_one() -> None:
    """The three checkpoints (artifacts, parity, log) have passed before this body runs, so it may be empty."""


def test_top1(inference_engine: InferenceEngine, training_engine: TrainingEngine, sample_images: Sequence[Sample]) -> None:
    for image in sample_images:
        deployed, trained = inference_engine.predict(image), training_engine.predict(image)
        assert deployed.class_id == trained.class_id, image.name
        assert deployed.prob == pytest.approx(trained.prob, rel=1e-5), image.name


def test_reads_the_digit_that_the_file_is_named_after(inference_engine: InferenceEngine, sample_images: Sequence[Sample]) -> None:
    for image in sample_images:
        digit = int(image.name[0])  # 3-0089.png is a three
        assert inference_engine.predict(image).class_id == digit, image.name


def test_fits_on_the_device(exported_model: ExportedModel) -> None:
    files = (exported_model.model_file, exported_model.params_file)
    assert sum(file.stat().st_size for file in files) < 500_000
