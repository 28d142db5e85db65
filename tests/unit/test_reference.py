"""reference.py: what the reference worker wrote is read back as batches, noise floors and responses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_paddle_infer.judge.closeness import Noise, OutputJudge
from pytest_paddle_infer.judge.noise import Array, FloorMeter, ResponseMeter, error
from pytest_paddle_infer.reference import Reference, read_reference

ULP = 2.0**-23
Batches = list[list[Array]]


def drawn(seed: int, *shape: int) -> Array:
    return np.asarray(np.random.RandomState(seed).normal(0, 1, shape))


def write(
    directory: Path,
    training: Batches,
    references: Batches,
    batches: list[Any],
    source: str = "float64",
    moved: Batches | None = None,
) -> Reference:
    """Writes `reference.npz` as `ReferenceService.compute` does, and reads it."""
    arrays = {f"training_{b}_{k}": output for b, outputs in enumerate(training) for k, output in enumerate(outputs)}
    arrays.update({f"reference_{b}_{k}": output for b, outputs in enumerate(references) for k, output in enumerate(outputs)})
    arrays.update({f"moved_{b}_{k}": output for b, outputs in enumerate(moved or []) for k, output in enumerate(outputs)})
    np.savez(directory / "reference.npz", **arrays)  # type: ignore[arg-type]
    names = [str(k) for k in range(len(training[0]))] if len(training[0]) > 1 else [""]
    return read_reference(directory, {"source": source, "outputs": names, "batches": batches})


def test_batches_come_back_with_their_outputs_digests_and_references(tmp_path: Path) -> None:
    exact = [[drawn(0, 2, 5), drawn(1, 2, 3)], [drawn(2, 1, 5), drawn(3, 1, 3)]]
    training = [[output.astype(np.float32) for output in outputs] for outputs in exact]
    read = write(tmp_path, training, exact, [[0, 2, "aa"], [2, 3, "bb"]])
    assert (read.source, read.names) == ("float64", ("0", "1"))
    assert [(batch.start, batch.stop, batch.inputs) for batch in read.batches] == [(0, 2, "aa"), (2, 3, "bb")]
    for batch, own, other in zip(read.batches, training, exact):
        assert batch.exact is not None
        for one, two in zip([*batch.training, *batch.exact], [*own, *other]):
            assert one.dtype == two.dtype
            np.testing.assert_array_equal(one, two)
    assert read.batch(2, 3) is read.batches[1]
    assert read.batch(0, 1) is None, "another batch size has no kept answer"
    assert read.batch(3, 4) is None, "beyond the first samples"


def test_floors_and_responses_are_those_of_the_samples_one_by_one_whatever_the_batches(tmp_path: Path) -> None:
    exact = drawn(4, 6, 50) * np.array([[1.0], [1e3], [1e-3], [1.0], [1.0], [1.0]])
    training = (exact * (1 + 2e-6 * drawn(5, 6, 50))).astype(np.float32)
    median = float(np.median(np.abs(training).max(axis=1)))
    floor, response = FloorMeter(scale=median), ResponseMeter()
    for index in range(6):
        floor.add(training[index : index + 1], exact[index : index + 1])
        response.add(exact[index : index + 1])
    for cuts in ([0, 6], [0, 1, 2, 3, 4, 5, 6], [0, 4, 6]):
        parts = list(zip(cuts, cuts[1:]))
        read = write(
            tmp_path, [[training[a:b]] for a, b in parts], [[exact[a:b]] for a, b in parts], [[a, b, "d"] for a, b in parts]
        )
        assert read.floors == (floor.floor(),)
        assert read.responses == (response.response(),)
        assert read.names == ("",)


def test_more_than_ten_batches_keep_their_order(tmp_path: Path) -> None:
    exact = [[np.full((1, 2), float(number + 1))] for number in range(12)]
    read = write(tmp_path, exact, exact, [[number, number + 1, str(number)] for number in range(12)])
    assert [float(batch.training[0][0, 0]) for batch in read.batches] == [float(number + 1) for number in range(12)]
    assert read.responses == (11.0,), "12 rolled onto 1"


def test_more_than_ten_outputs_keep_their_order(tmp_path: Path) -> None:
    exact = [[np.full((1, 2), float(10 * sample + index + 1)) for index in range(12)] for sample in range(2)]
    read = write(tmp_path, exact, exact, [[0, 1, "a"], [1, 2, "b"]])
    assert [float(output[0, 0]) for output in read.batches[1].training] == [float(11 + index) for index in range(12)]
    assert read.responses == tuple(10 / (index + 1) for index in range(12))


def test_one_sample_is_held_against_its_mirror_image_which_is_no_batch(tmp_path: Path) -> None:
    exact = [[np.array([[1.0, 2.0]])], [np.array([[2.0, 1.5]])]]
    training = [[output.astype(np.float32) for output in outputs] for outputs in exact]
    training[1][0][0, 0] += np.float32(1e-5)
    read = write(tmp_path, training, exact, [[0, 1, "a"]])
    assert len(read.batches) == 1
    assert read.responses == (0.5,)
    assert read.floors[0].maximum == pytest.approx(5e-6, rel=0.1), "the mirror image's rounding counts too"


def test_one_sample_without_a_mirror_image_has_no_response(tmp_path: Path) -> None:
    read = write(tmp_path, [[np.ones((1, 3), np.float32)]], [[np.ones((1, 3))]], [[0, 1, "a"]])
    assert read.responses == (0.0,)
    assert read.floors[0].maximum == 4 * ULP


def test_references_of_one_ulp_tell_the_floor_and_are_not_compared_with(tmp_path: Path) -> None:
    training = [[drawn(6, 2, 10).astype(np.float32)]]
    moved = [[training[0][0].astype(np.float64) * (1 + 3e-6)]]
    read = write(tmp_path, training, moved, [[0, 2, "a"]], source="one ulp")
    assert (read.source, read.moved) == ("one ulp", True)
    assert read.batches[0].exact is None
    assert read.floors[0].source == "one ulp"
    median = float(np.median(np.abs(training[0][0]).max(axis=1)))
    assert read.floors[0].maximum == max(error(own, other, median).maximum for own, other in zip(training[0][0], moved[0][0]))
    meter = ResponseMeter()
    for row in training[0][0]:
        meter.add(row)
    assert read.responses == (meter.response(),), "of the training engine's own outputs"


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool"])
def test_integers_have_the_least_floor_and_the_response_of_their_values(tmp_path: Path, dtype: str) -> None:
    outputs = [[np.array([[1, 0]]).astype(dtype)], [np.array([[0, 1]]).astype(dtype)]]
    read = write(tmp_path, outputs, outputs, [[0, 1, "a"], [1, 2, "b"]])
    assert read.responses == (1.0,)
    assert read.floors[0].maximum == 4 * ULP


def test_complex_outputs_are_measured_by_their_modulus(tmp_path: Path) -> None:
    exact = [[np.array([[4j, 1 + 0j]])], [np.array([[4j, 1 + 1j]])]]
    training = [[output.astype(np.complex64)] for (output,) in exact]
    training[0][0][0, 0] += np.complex64(4e-5)
    read = write(tmp_path, training, exact, [[0, 1, "a"], [1, 2, "b"]])
    assert read.responses == (0.25,)
    assert read.floors[0].maximum == pytest.approx(1e-5, rel=1e-3)


def test_outputs_whose_shape_float64_changes_do_not_count_for_the_floor(tmp_path: Path) -> None:
    training = [[np.ones((2, 6), np.float32)], [np.ones((1, 6), np.float32)]]
    exact = [[np.ones((3, 6))], [np.full((1, 6), 1 + 1e-5)]]
    read = write(tmp_path, training, exact, [[0, 1, "a"], [1, 2, "b"]])
    assert read.floors[0].maximum == pytest.approx(1e-5, rel=1e-3)
    assert read.responses == (1.0,)


def test_a_file_is_read_without_unpickling_anything(tmp_path: Path) -> None:
    np.savez(tmp_path / "reference.npz", training_0_0=np.array([None], dtype=object), reference_0_0=np.zeros(1))
    with pytest.raises(ValueError, match="allow_pickle"):
        read_reference(tmp_path, {"source": "float64", "outputs": [""], "batches": [[0, 1, "a"]]})


def test_an_output_that_crosses_zero_is_measured_by_the_typical_sample(tmp_path: Path) -> None:
    """One logit a sample: a small one is small by cancellation, and rounding does not shrink with it."""
    random = np.random.RandomState(0)
    exact = random.normal(0, 1, (200, 1))
    noise = 1e-7 * random.normal(0, 1, (200, 1))
    training, inference = (exact + noise).astype(np.float32), (exact + 1e-7 * random.normal(0, 1, (200, 1))).astype(np.float32)
    read = write(tmp_path, [[training[:16]]], [[exact[:16]]], [[0, 16, "a"]])
    judge = OutputJudge("output", Noise(read.floors[0]))
    judge.add(training, inference, 0, 200)
    assert judge.verdict().passed
    judge.add(training[:1], inference[:1] + np.float32(1e-4), 200, 1)
    assert not judge.verdict().passed


def test_answers_in_other_roundings_raise_the_floor_and_are_nothing_else(tmp_path: Path) -> None:
    exact = [[np.array([[1.0, 2.0]])], [np.array([[2.0, 1.5]])]]
    moved = [[exact[0][0] + 1e-5], [exact[1][0]]]
    plain, raised = (write(tmp_path, exact, exact, [[0, 1, "a"], [1, 2, "b"]], moved=more) for more in (None, moved))
    assert (plain.moved, raised.moved) == (False, True)
    assert plain.floors[0].maximum == 4 * ULP
    assert raised.floors[0].maximum == pytest.approx(5e-6, rel=1e-3)
    assert (raised.responses, len(raised.batches)) == (plain.responses, 2)
