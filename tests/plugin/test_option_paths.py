"""--paddle-weights, --paddle-exported and --paddle-images: what they may name, and for how many models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from conftest import Session


REMEDY = {
    "weights": "weights= in each ModelSpec.",
    "exported": "a directory that holds one for each, as --paddle-export-dir leaves it.",
}


@pytest.fixture(params=REMEDY)
def option(request: pytest.FixtureRequest, run: Session) -> str:
    """An option that belongs to one model, with what it may name as `given`."""
    if request.param == "weights":
        run.write("given", "")
    else:
        run.write("given/inference.json", "{}")
    return str(request.param)


@pytest.mark.parametrize("models", [("mobilenet*",), ("mobilenet_v1", "mobilenet_v2")])
def test_one_file_for_several_models_is_a_usage_error_that_names_them(run: Session, option: str, models: tuple[str, ...]) -> None:
    message = run.usage_error(*(f"--paddle-model={name}" for name in models), f"--paddle-{option}=given")
    assert (
        f"ERROR: --paddle-{option} belongs to one model, and 2 are chosen: mobilenet_v1, mobilenet_v2. Select one, as with "
        f"pytest paddle-model/mobilenet_v1 --paddle-{option}=..., or with -k; or give {REMEDY[option]}"
    ) in message
    assert run.calls() == []
    run("paddle-model/mobilenet_v1", f"--paddle-{option}=given").assert_outcomes(passed=3)


TWO = """
import pytest
@pytest.mark.paddle_infer_parity(model="resnet18")
def test_shapes(): pass
@pytest.mark.paddle_infer_parity(model="vgg16")
def test_topic(): pass
@pytest.mark.paddle_infer_parity(model="vgg16")
def test_fails(): assert 0
"""


@pytest.mark.parametrize(
    "selection", [("test_user.py::test_shapes",), ("-k", "shapes"), ("-k", "vgg16"), ("--deselect=test_user.py::test_shapes",)]
)
def test_only_the_models_of_the_tests_that_are_left_count(run: Session, option: str, selection: tuple[str, ...]) -> None:
    run.write("test_user.py", TWO)
    message = run.usage_error(f"--paddle-{option}=given")
    assert f"ERROR: --paddle-{option} belongs to one model, and 2 are chosen: resnet18, vgg16. Select one" in message
    assert run.calls() == []
    assert run(f"--paddle-{option}=given", *selection).ret in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    assert run.calls()


def test_last_failed_leaves_one_model(run: Session, option: str) -> None:
    run.write("test_user.py", TWO)
    run().assert_outcomes(passed=2, failed=1)
    run("--lf", f"--paddle-{option}=given").assert_outcomes(failed=1)


def test_the_items_of_a_model_and_a_marked_test_of_another_are_two(run: Session, option: str) -> None:
    run.write("test_user.py", TWO)
    message = run.usage_error("--paddle-model=alexnet", "test_user.py::test_topic", f"--paddle-{option}=given")
    assert "2 are chosen: vgg16, alexnet. Select one, as with pytest paddle-model/vgg16 " in message


def test_the_ini_files_path_belongs_to_one_model_too(run: Session, option: str) -> None:
    run.write("test_user.py", TWO)
    run.write("pytest.ini", f"[pytest]\npaddle_{option} = given\n")
    message = run.usage_error()
    assert f"ini value paddle_{option} belongs to one model, and 2 are chosen: resnet18, vgg16. Select one, as with " in message
    assert "pytest paddle-model/resnet18, or with -k; or give" in message
    run("-k", "shapes").assert_outcomes(passed=1)


def test_a_test_of_no_model_is_left_alone(run: Session, option: str) -> None:
    run.write("test_user.py", f"{TWO}def test_plain(): pass\n")
    run("-k", "shapes or plain", f"--paddle-{option}=given").assert_outcomes(passed=2)
    run("-k", "plain", f"--paddle-{option}=given").assert_outcomes(passed=1)


def test_a_worker_says_that_a_path_belongs_to_one_model_and_nothing_runs(run: Session, option: str) -> None:
    pytest.importorskip("xdist")
    run.write("test_user.py", TWO)
    result = run.apart("-n2", f"--paddle-{option}=given")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"--paddle-{option} belongs to one model, and 2 are chosen: resnet18, vgg16. Select one*"])
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    assert run.calls() == []
    run.apart("-n2", f"--paddle-{option}=given", "-k", "shapes").assert_outcomes(passed=1)


def test_a_file_that_is_not_there_is_told_once_however_many_models_are_tested(run: Session) -> None:
    run.write("test_user.py", TWO)
    assert run.usage_error("--paddle-weights=none").count("there is no file") == 1


def test_a_directory_with_an_export_for_each_model_serves_them_all(run: Session) -> None:
    for name in ("mobilenet_v1", "mobilenet_v2"):
        run.write(f"given/{name}/inference.json", "{}")
    run("--paddle-model=mobilenet*", "--paddle-exported=given").assert_outcomes(passed=6)
    assert {call["options"]["exported"] for call in run.calls("parity")} == {str(run.path / "given")}


def test_weights_of_one_model_reach_the_engine_as_an_absolute_path(run: Session) -> None:
    weights = run.write("w.pdparams", "")
    run("--paddle-model=alexnet", "--paddle-weights=w.pdparams").assert_outcomes(passed=3)
    assert {call["weights"] for call in run.calls() if "model" in call} == {str(weights)}


def test_a_given_export_reaches_the_engine(run: Session) -> None:
    run.write("made/inference.json", "{}")
    run("--paddle-model=alexnet", "--paddle-exported=made").assert_outcomes(passed=3)
    assert run.calls("parity")[0]["options"]["exported"] == str(run.path / "made")
    run("--paddle-model=alexnet", "--paddle-exported=made/inference").assert_outcomes(passed=3)


@pytest.fixture
def pictures(run: Session) -> Session:
    (run.path / "lite").mkdir()
    for name in ("b", "a"):
        np.save(run.path / "lite" / f"{name}.npy", np.zeros((1, 3, 8, 8), dtype=np.float32))
    return run


@pytest.mark.parametrize(("given", "names"), [("lite", ["a.npy", "b.npy"]), ("lite/b.npy", ["b.npy"]), ("lite/a*", ["a.npy"])])
def test_images_may_be_a_directory_a_file_or_a_glob(pictures: Session, given: str, names: list[str]) -> None:
    pictures("--paddle-model=alexnet", f"--paddle-images={given}").assert_outcomes(passed=3)
    assert pictures.calls("parity")[0]["samples"] == names


def test_ini_images_start_at_the_rootdir(pictures: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures.write("pytest.ini", "[pytest]\npaddle_images = lite\n")
    pictures.write("sub/keep", "")
    monkeypatch.chdir(pictures.path / "sub")
    pictures("--paddle-model=alexnet").assert_outcomes(passed=3)
    assert pictures.calls("parity")[0]["samples"] == ["a.npy", "b.npy"]


def test_without_images_the_plugin_draws_four(run: Session) -> None:
    run("--paddle-model=alexnet").assert_outcomes(passed=3)
    assert run.calls("parity")[0]["samples"] == ["drawn-0", "drawn-1", "drawn-2", "drawn-3"]


def test_a_directory_without_samples_is_a_usage_error(run: Session) -> None:
    (run.path / "empty").mkdir()
    assert "--paddle-images: " in run.usage_error("--paddle-model=alexnet", "--paddle-images=empty")


def test_images_of_the_marker_start_at_the_rootdir(pictures: Session) -> None:
    pictures.write(
        "test_user.py", "import pytest\n@pytest.mark.paddle_infer_parity(model='alexnet', images='lite')\ndef test_user(): pass\n"
    )
    pictures().assert_outcomes(passed=1)
    assert pictures.calls("parity")[0]["samples"] == ["a.npy", "b.npy"]


def test_missing_images_of_the_marker_fail_the_test_in_one_sentence(run: Session) -> None:
    run.write(
        "test_user.py", "import pytest\n@pytest.mark.paddle_infer_parity(model='alexnet', images='none')\ndef test_user(): pass\n"
    )
    result = run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["alexnet: *none*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*sampling.py*")


@pytest.mark.parametrize(("option", "sentence"), [("weights", "there is no file"), ("exported", "there is no export")])
def test_what_the_ini_file_names_and_is_not_there_is_a_usage_error_where_a_model_runs(
    run: Session, option: str, sentence: str
) -> None:
    run.write("pytest.ini", f"[pytest]\npaddle_{option} = nowhere\n")
    run.write("test_user.py", "def test_user(): pass")
    assert f"ini value paddle_{option}: {sentence} {run.path}/nowhere" in run.usage_error("--paddle-model=alexnet")
    run("--collect-only", "test_user.py").assert_outcomes()
    run("test_user.py").assert_outcomes(passed=1)


def test_a_directory_without_an_export_is_the_checkpoints_to_judge(run: Session) -> None:
    (run.path / "empty").mkdir()
    run("--paddle-model=alexnet", "--paddle-exported=empty").assert_outcomes(passed=3)
    assert run.calls("parity")[0]["options"]["exported"] == str(run.path / "empty")


@pytest.mark.parametrize("option", ["cache-dir", "perf-dir", "artifacts", "output-dir", "export-dir"])
@pytest.mark.parametrize("place", ["/proc/foo", "file/below"])
def test_a_place_that_cannot_be_written_is_said_before_any_test(run: Session, option: str, place: str) -> None:
    run.write("file", "")
    why = {"/proc/foo": "/proc cannot be written; give another directory."}.get(
        place, f"{run.path}/file is not a directory; give a "
    )
    message = run.usage_error("--paddle-model=alexnet", "--paddle-perf-save=main", f"--paddle-{option}={place}")
    assert f"--paddle-{option}: {why}" in message
    assert run.calls() == []


def test_a_place_that_is_not_used_need_not_be_one(run: Session) -> None:
    run("--paddle-model=alexnet", "--paddle-perf-dir=/proc/foo").assert_outcomes(passed=3)
    run("--paddle-model=alexnet", "--paddle-cache-dir=/proc/foo", "--paddle-no-cache").assert_outcomes(passed=3)


def test_an_export_store_that_can_only_be_read_serves_its_entries(run: Session) -> None:
    run("--paddle-model=alexnet", "--paddle-cache-dir=/proc/self").assert_outcomes(passed=3)
