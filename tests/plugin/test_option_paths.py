"""--paddle-weights, --paddle-exported and --paddle-images: what they may name, and for how many models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from conftest import Session


@pytest.mark.parametrize("option", ["weights", "exported"])
@pytest.mark.parametrize("models", [("mobilenet*",), ("mobilenet_v1", "mobilenet_v2")])
def test_one_file_for_several_models_is_a_usage_error_that_names_them(run: Session, option: str, models: tuple[str, ...]) -> None:
    run.write("given", "")
    message = run.usage_error(*(f"--paddle-model={name}" for name in models), f"--paddle-{option}=given")
    assert f"--paddle-{option} belongs to one model, and 2 are chosen: mobilenet_v1, mobilenet_v2." in message


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
