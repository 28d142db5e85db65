"""The folder of a failed parity: what is written comes back, whole or not at all, and says so where it is damaged."""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from failed_parity import CALLS, EVIDENCE, EXACT, FAILURE, FLOOR, REQUEST, TRAINED, failed

import pytest_paddle_infer
from pytest_paddle_infer.deployed.calls import told
from pytest_paddle_infer.evidence import folder as folder_module
from pytest_paddle_infer.evidence.arrays import EvidenceError, read_arrays, write_arrays
from pytest_paddle_infer.evidence.folder import keep
from pytest_paddle_infer.evidence.found import kept_folders
from pytest_paddle_infer.evidence.reading import COPY, GIVE, NEWER, read_folder
from pytest_paddle_infer.evidence.record import Death, as_text
from pytest_paddle_infer.exports import ExportedModel
from pytest_paddle_infer.failures import OptionError
from pytest_paddle_infer.judge.closeness import Noise, Tolerance
from pytest_paddle_infer.store import FOREIGN_SECONDS, HOST


@pytest.fixture
def export(tmp_path: Path) -> ExportedModel:
    directory = tmp_path / "export"
    directory.mkdir()
    (directory / "net.json").write_text("{}")
    (directory / "net.pdiparams").write_bytes(b"weights")
    return ExportedModel(directory, "net", given=True)


# -- round trip --------------------------------------------------------------------------------------------------------


def test_what_is_kept_is_read_back(tmp_path: Path, export: ExportedModel) -> None:
    path = keep(failed(), export, tmp_path / "kept")
    kept = read_folder(path)
    assert (kept.model, kept.variant, kept.cause, kept.remedy) == ("tiny", "onednn:threads=2", FAILURE.title, "do this.")
    assert kept.facts == FAILURE.facts
    assert (kept.shows, kept.first, kept.samples, kept.input_names) == ("outputs", 4, ("a.png", "b.png"), ("x",))
    assert [output.rule for output in kept.outputs] == [Noise(FLOOR)]
    assert kept.outputs[0].error == pytest.approx(1e-3, rel=1e-2)
    assert [json.loads(call)["call"] for call in kept.calls] == ["disable_mkldnn", "delete_pass"]
    assert kept.request["base"] == "onednn"
    np.testing.assert_array_equal(kept.inputs[0], np.ones((2, 3, 4, 4), np.float32))
    assert kept.training is not None
    assert kept.training[0].dtype == np.float32
    assert kept.reference is not None
    np.testing.assert_array_equal(kept.reference[0], EXACT)
    assert kept.changed == ()
    assert kept.then == "3.3.1"
    assert sorted(file.name for file in (path / "model").iterdir()) == ["inference.json", "inference.pdiparams"]
    assert {file.name for file in path.iterdir()} == {
        "README.txt", "configuration.json", "inference.npz", "inputs.npz", "model", "reference.npz", "reproduce.py", "training.npz",
        "verdict.json",
    }  # fmt: skip


def test_the_version_is_that_of_the_code_that_runs_and_the_digests_are_sha256(
    tmp_path: Path, export: ExportedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is installed may be another one: a checkout on PYTHONPATH goes before it."""
    monkeypatch.setattr(importlib.metadata.Distribution, "from_name", lambda name: SimpleNamespace(version="9.9.9"))
    verdict = json.loads((keep(failed(), export, tmp_path / "kept") / "verdict.json").read_text())
    assert verdict["written_by"] == f"pytest-paddle-infer {pytest_paddle_infer.__version__}"
    assert verdict["files"]["model/inference.pdiparams"] == hashlib.sha256(b"weights").hexdigest()


def test_the_rule_may_be_a_tolerance(tmp_path: Path) -> None:
    for rule in (Tolerance(1e-3, 1e-5), Tolerance(0, 1, integers=True)):
        kept = read_folder(keep(failed(rules=(rule,), verdicts=()), None, tmp_path))
        assert kept.outputs[0].rule == rule


def test_a_death_without_outputs_is_kept_with_what_there_is(tmp_path: Path, export: ExportedModel) -> None:
    death = Death("inference engine (cpu): load the model", "signal", "the process died of SIGSEGV (signal 11)", "", "x" * 9000)
    known = {"training": None, "inference": None, "reference": None, "rules": (), "verdicts": (), "evidence": None}
    path = keep(failed(**known, death=death, configuration=CALLS), export, tmp_path / "kept")
    kept = read_folder(path)
    assert kept.shows == "death"
    assert kept.death is not None
    assert kept.death.detail == death.detail
    assert len(kept.death.output) == 4000
    assert kept.training is None
    assert kept.outputs == ()
    assert not (path / "training.npz").exists()
    assert len(kept.calls) == 2


@pytest.mark.parametrize(("samples", "told"), [(["a"], "sample 3"), (["a", "b"], "samples 3 to 4")])
def test_the_guide_says_of_which_samples_the_folder_is(tmp_path: Path, samples: list[str], told: str) -> None:
    folder = keep(failed(first=3, samples=samples), None, tmp_path)
    assert f"failed its parity checkpoint, on {told}." in (folder / "README.txt").read_text()


def test_outputs_that_agree_are_said_to_show_nothing(tmp_path: Path) -> None:
    assert read_folder(keep(failed(inference=[TRAINED]), None, tmp_path)).shows == "nothing"


def test_another_number_of_outputs_is_a_difference(tmp_path: Path) -> None:
    assert read_folder(keep(failed(inference=[TRAINED, TRAINED]), None, tmp_path)).shows == "outputs"


@pytest.mark.parametrize(
    "array",
    [
        np.array([np.nan, np.inf, -np.inf, 0.0], np.float32),
        np.array([1 + 2j, np.nan], np.complex64),
        np.array([[True, False]]),
        np.zeros((0, 7), np.float64),
        np.array(3, np.int64),
        np.array([65504.0], np.float16),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    ],
    ids=lambda array: f"{array.dtype}{list(array.shape)}",
)
def test_an_array_comes_back_as_it_was(tmp_path: Path, array: Any) -> None:
    write_arrays(tmp_path / "a.npz", {"output": [array, array[None]]})
    back = read_arrays(tmp_path / "a.npz", "output")
    assert [item.dtype for item in back] == [array.dtype] * 2
    np.testing.assert_array_equal(back[0], array)
    np.testing.assert_array_equal(back[1], array[None])


def test_bfloat16_is_kept_as_its_bits_and_read_as_the_same_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.array([[1.0, -2.5], [3e38, np.inf]], np.float32)
    bits = (values.view(np.uint32) >> 16).astype(np.uint16)
    monkeypatch.setattr(np, "asarray", lambda array: array)
    made = SimpleNamespace(dtype=SimpleNamespace(name="bfloat16", kind="V"), view=bits.view)  # what ml_dtypes makes, without it
    write_arrays(tmp_path / "a.npz", {"output": [made]})  # type: ignore[list-item]
    monkeypatch.undo()
    with np.load(tmp_path / "a.npz") as found:
        assert found.files == ["output_0.bfloat16"]
        assert found["output_0.bfloat16"].dtype == np.uint16
    (back,) = read_arrays(tmp_path / "a.npz", "output")
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, (bits.astype(np.uint32) << 16).view(np.float32))


def test_arrays_of_objects_are_refused_and_no_pickle_is_ever_read(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="cannot be kept without a pickle"):
        write_arrays(tmp_path / "a.npz", {"output": [np.array([object()])]})
    np.savez(tmp_path / "b.npz", output_0=np.array([{}], dtype=object))
    with pytest.raises(EvidenceError, match=r"b\.npz cannot be read"):
        read_arrays(tmp_path / "b.npz", "output")


def test_numbers_that_json_lacks_are_texts(tmp_path: Path) -> None:
    bad = TRAINED.copy()
    bad[0, 0] = np.nan
    path = keep(failed(inference=[bad], verdicts=()), None, tmp_path)
    text = (path / "verdict.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert json.loads(text)["outputs"][0]["batch"]["excess"] == "inf"
    assert read_folder(path).outputs[0].excess == float("inf")
    assert json.loads(as_text({"a": float("nan"), "b": (np.float32(1.5), np.int64(2))})) == {"a": "nan", "b": [1.5, 2]}


# -- writing -----------------------------------------------------------------------------------------------------------


def test_folders_are_numbered_and_never_overwritten(tmp_path: Path) -> None:
    names = [keep(failed(), None, tmp_path).name for _ in range(3)]
    stem = names[0]
    assert names == [stem, f"{stem}-2", f"{stem}-3"]
    assert stem.startswith("tiny-onednn_threads_2-")


def test_a_name_that_something_else_has_is_left_alone(tmp_path: Path) -> None:
    stem = keep(failed(), None, tmp_path / "asked").name
    (tmp_path / stem).mkdir()
    (tmp_path / f"{stem}-2").write_text("a file")
    assert keep(failed(), None, tmp_path).name == f"{stem}-3"
    assert list((tmp_path / stem).iterdir()) == []


def test_many_writers_at_once_get_a_folder_each(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda number: keep(failed(model="net", first=number), None, tmp_path), range(16)))
    assert len(set(paths)) == 16
    assert sorted(read_folder(path).first for path in paths) == list(range(16))
    assert {path.name[0] for path in tmp_path.iterdir()} == {"n"}, "no part is left"


HOLDS = """
import sys, time
from pathlib import Path
from failed_parity import failed
from pytest_paddle_infer.evidence import folder

fill = folder._fill

def stays(part, *rest):
    fill(part, *rest)
    print(part.name, flush=True)
    time.sleep(60)

folder._fill = stays
folder.keep(failed(), None, Path(sys.argv[1]))
"""


def test_what_a_killed_session_left_goes_when_the_next_one_keeps_something_and_a_living_ones_stays(tmp_path: Path) -> None:
    paths = [str(Path(pytest_paddle_infer.__file__).parents[1]), str(Path(__file__).parent)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    writer = subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path)], env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert writer.stdout is not None
        part = tmp_path / writer.stdout.readline().strip()
        assert part.name.startswith(".tiny-onednn_threads_2")
        keep(failed(), None, tmp_path)
        assert (part / "verdict.json").is_file(), "it may still become a folder"
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        keep(failed(), None, tmp_path)
        assert not part.exists()
        assert len(kept_folders(tmp_path)) == 2
    finally:
        writer.kill()
        writer.communicate()


def test_a_part_of_another_host_is_removed_after_a_day_and_what_only_looks_like_one_never(tmp_path: Path) -> None:
    young, old = (tmp_path / f".net-cpu.elsewhere.7.0123456{number}.part" for number in "01")
    others = [tmp_path / name for name in (".net-cpu.part", "net-cpu.elsewhere.7.01234560.part", ".net-cpu.elsewhere.7.01234560")]
    for path in (young, old, *others):
        path.mkdir()
        (path / "weights").write_text("")
    long_ago = time.time() - 2 * FOREIGN_SECONDS
    for path in (old, *others):
        os.utime(path, (long_ago, long_ago))
    keep(failed(), None, tmp_path)
    assert not old.exists()
    assert all((path / "weights").is_file() for path in (young, *others))


def test_without_locks_nothing_is_swept_and_everything_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    left = tmp_path / f".net-cpu.{HOST}.7.01234560.part"
    left.mkdir()
    read_folder(keep(failed(), None, tmp_path))
    assert left.is_dir(), "nobody can tell whether its owner lives"


def test_two_models_whose_names_differ_in_a_slash_are_two_folders(tmp_path: Path) -> None:
    assert keep(failed(model="a/b"), None, tmp_path).name.partition("-onednn")[0] != "a_b"
    assert keep(failed(model="a_b"), None, tmp_path).name.startswith("a_b-onednn")


def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(folder_module, "_write", full)
    with pytest.raises(EvidenceError, match=r"the evidence was not kept in .*: the disk is full\."):
        keep(failed(), None, tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_directory_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EvidenceError, match=r"the evidence was not kept in .*file.*"):
        keep(failed(), None, tmp_path / "file" / "kept")


def test_a_given_export_is_copied_and_one_of_the_store_is_linked(tmp_path: Path, export: ExportedModel) -> None:
    given = keep(failed(), export, tmp_path / "kept")
    ours = keep(failed(), export, tmp_path / "kept", ours=True)
    inodes = [(path / "model" / "inference.pdiparams").stat().st_ino for path in (given, ours)]
    source = export.params_file.stat().st_ino
    assert inodes[0] != source
    assert inodes[1] == source


def test_where_links_are_not_possible_the_store_is_copied_too(
    tmp_path: Path, export: ExportedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    path = keep(failed(), export, tmp_path / "kept", ours=True)
    assert (path / "model" / "inference.pdiparams").read_bytes() == b"weights"


def test_the_script_has_sixty_lines_at_most_and_imports_numpy_and_paddle_alone(tmp_path: Path) -> None:
    text = (keep(failed(), None, tmp_path) / "reproduce.py").read_text()
    assert len(text.splitlines()) <= 60
    compile(text, "reproduce.py", "exec")
    imported = {line.split()[1].partition(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert imported == {"json", "pathlib", "typing", "numpy", "paddle"}


# -- reading -----------------------------------------------------------------------------------------------------------


def test_a_directory_of_folders_stands_for_each_of_them(tmp_path: Path) -> None:
    first, second = keep(failed(model="b"), None, tmp_path), keep(failed(model="a"), None, tmp_path)
    (tmp_path / "other").mkdir()
    assert kept_folders(tmp_path) == (second, first)
    assert kept_folders(first) == (first,)


def test_a_directory_without_a_verdict_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    with pytest.raises(OptionError, match=r"holds no verdict\.json, nor does a directory in it; it holds model\.onnx\."):
        kept_folders(tmp_path)
    with pytest.raises(OptionError, match="there is no directory"):
        kept_folders(tmp_path / "none")


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda path: (path / "verdict.json").write_text("{"), r"verdict\.json cannot be read: "),
        (lambda path: (path / "verdict.json").write_text("[]"), "wrote no such file"),
        (lambda path: (path / "verdict.json").write_text("{}"), "wrote no such file"),
        (lambda path: edit(path / "verdict.json", format=2), "it is of format 2; a newer pytest-paddle-infer wrote it"),
        (lambda path: edit(path / "verdict.json", outputs=[{}]), "is damaged: an entry of its JSON files"),
        (lambda path: edit(path / "verdict.json", samples=None), "is damaged: an entry of its JSON files"),
        (lambda path: edit(path / "configuration.json", calls=[{"call": "x"}]), r"'args' is missing"),
        (lambda path: (path / "configuration.json").unlink(), r"holds no configuration\.json"),
        (lambda path: (path / "training.npz").unlink(), r"training\.npz is missing"),
        (lambda path: (path / "inputs.npz").write_bytes(b"PK"), r"inputs\.npz is not the file that was kept"),
        (lambda path: shutil.copy(path / "training.npz", path / "reference.npz"), r"reference\.npz is not the file that was kept"),
    ],
)
def test_a_damaged_folder_is_called_that_in_one_sentence(tmp_path: Path, damage: Any, sentence: str) -> None:
    path = keep(failed(), None, tmp_path)
    damage(path)
    with pytest.raises(EvidenceError, match=sentence) as caught:
        read_folder(path)
    assert "\n" not in str(caught.value)
    remedy = NEWER if "newer" in sentence else GIVE if "wrote no such" in sentence else COPY
    assert caught.value.remedy == remedy


def test_another_model_and_another_configuration_are_no_damage_but_are_named(tmp_path: Path, export: ExportedModel) -> None:
    path = keep(failed(), export, tmp_path / "kept")
    (path / "model" / "inference.pdiparams").write_bytes(b"other weights")
    (path / "model" / "inference.json").rename(path / "model" / "inference.pdmodel")
    edit(path / "configuration.json", calls=[])
    kept = read_folder(path)
    assert kept.calls == ()
    assert set(kept.changed) == {
        "configuration.json", "model/inference.json (gone)", "model/inference.pdmodel (new)", "model/inference.pdiparams",
    }  # fmt: skip


# -- what cannot be repeated -------------------------------------------------------------------------------------------


def test_calls_that_hold_no_plain_data_or_choose_files_are_listed(tmp_path: Path) -> None:
    calls = (
        told("set_model_buffer", (b"graph", 5), {}, own=True),
        told("set_x", (object(),), {}),
        told("set_model", ("a", "b"), {}),
    )
    path = keep(failed(evidence=replace(EVIDENCE, configuration=calls)), None, tmp_path)
    kept = read_folder(path)
    assert len(kept.not_repeatable) == 3
    assert "config.set_model_buffer(" in kept.not_repeatable[0]
    assert "its arguments are no plain data" in kept.not_repeatable[1]
    assert "it chooses other files" in kept.not_repeatable[2]
    assert [call["line"] for call in json.loads((path / "configuration.json").read_text())["calls"]] == [None] * 3


def test_a_function_that_ended_before_its_calls_were_known_is_said(tmp_path: Path) -> None:
    request = replace(REQUEST, configure=lambda config: None)
    kept = read_folder(keep(failed(request=request, evidence=None), None, tmp_path))
    assert "the variant's own function" in kept.not_repeatable[0]
