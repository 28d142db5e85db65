"""perf.py and machine.py: baselines on disk, whose they are, and what stands in their way."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_paddle_infer import machine as machine_room
from pytest_paddle_infer.judge.latency import Latencies
from pytest_paddle_infer.machine import Machine, this_machine
from pytest_paddle_infer.perf import (
    KEPT_RUNS,
    Baseline,
    Other,
    PerfError,
    SavedRun,
    Workload,
    known_names,
    load,
    save,
    unknown_name,
)

HERE = Machine("AMD EPYC 7543 32-Core Processor", "avx avx2 fma", 2.0, "x86_64")
THERE = replace(HERE, processor="Intel(R) Xeon(R) CPU @ 2.20GHz", cores=8.0)
WORK = Workload(4, 1, "float32[4, 3, 224, 224]", "4 drawn")


def run_of(seconds: float, **values: str) -> SavedRun:
    return SavedRun(
        Latencies((seconds, 2 * seconds), (3 * seconds,), 4), **{"paddle": "3.3.1", "program": "p", "date": "d", **values}
    )


def keep(root: Path, seconds: float = 0.1, name: str = "main", model: str = "net", machine: Machine = HERE, **values: Any) -> Path:
    return save(root, name, model, "cpu", values.pop("workload", WORK), run_of(seconds, **values), machine)


def found(root: Path, workload: Workload = WORK, model: str = "net", name: str = "main") -> Any:
    return load(root, name, model, "cpu", workload, HERE)


# -- save and load -----------------------------------------------------------------------------------------------------


def test_what_is_saved_is_loaded_on_the_same_machine(tmp_path: Path) -> None:
    path = keep(tmp_path)
    assert path == tmp_path / HERE.name / "main" / "net--cpu.json"
    assert found(tmp_path) == Baseline("main", HERE.description, WORK, (run_of(0.1),))
    assert found(tmp_path).latencies == (run_of(0.1).latencies,)
    assert [item.name for item in path.parent.iterdir()] == [path.name], "no part is left"


def test_shapes_of_batches_are_kept_where_they_vary(tmp_path: Path) -> None:
    run = run_of(0.1)
    varied = replace(run, latencies=replace(run.latencies, run_shapes=("4x3x8x9", "4x3x8x12"), training_shapes=("4x3x8x9",)))
    path = save(tmp_path, "main", "net", "cpu", WORK, varied, HERE)
    assert found(tmp_path).runs == (varied,)
    kept = json.loads(path.read_text())
    for value in (["4x3x8x9"], ["4x3x8x9", 12], None):
        path.write_text(json.dumps({**kept, "runs": [{**kept["runs"][0], "run_shapes": value}]}))
        with pytest.raises(PerfError, match="is damaged"):
            found(tmp_path)
    path.unlink()
    assert not [key for key in json.loads(keep(tmp_path).read_text())["runs"][0] if "shapes" in key]


def test_nothing_saved_is_none(tmp_path: Path) -> None:
    assert found(tmp_path / "none") is None
    keep(tmp_path)
    assert found(tmp_path, model="other") is None
    assert found(tmp_path, name="other") is None


def test_saving_again_appends_a_run_and_keeps_the_newest(tmp_path: Path) -> None:
    for number in range(1, KEPT_RUNS + 4):
        keep(tmp_path, number / 10, paddle=f"3.{number // 9}")
    runs = found(tmp_path).runs
    assert [run.latencies.run[0] for run in runs] == [number / 10 for number in range(4, KEPT_RUNS + 4)]
    assert found(tmp_path).paddle == "3.0, 3.1"


def test_saving_another_workload_starts_anew(tmp_path: Path) -> None:
    keep(tmp_path)
    keep(tmp_path, 0.2, workload=replace(WORK, threads=8))
    assert found(tmp_path, replace(WORK, threads=8)).runs == (run_of(0.2),)


def test_a_run_without_a_date_gets_the_present_one(tmp_path: Path) -> None:
    keep(tmp_path, date="")
    assert found(tmp_path).runs[0].date.endswith("+00:00")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch_size": 1}, "batch size 1 instead of 4"),
        ({"threads": 4, "samples": "9"}, "threads 4 instead of 1 and samples 9 instead of 4 drawn"),
        ({"inputs": "float32[4, 8]"}, "inputs float32[4, 8] instead of float32[4, 3, 224, 224]"),
    ],
)
def test_another_workload_is_shown_and_says_what_differs(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    keep(tmp_path)
    other = found(tmp_path, replace(WORK, **change))
    assert isinstance(other, Other)
    assert other.why == f"it was measured otherwise: this run has {words}"
    assert other.baselines == (found(tmp_path),)


def test_another_machines_baseline_is_shown_and_never_one_to_judge_by(tmp_path: Path) -> None:
    keep(tmp_path, machine=THERE)
    other = found(tmp_path)
    assert isinstance(other, Other)
    assert (other.why, other.unreadable) == ("it was saved on another machine", ())
    assert other.lines() == (
        "the baseline 'main': Intel(R) Xeon(R) CPU @ 2.20GHz, x86_64, 8 cores: median 150 ms a batch of 4, Paddle 3.3.1, d",
    )
    keep(tmp_path, machine=replace(THERE, cores=4.0))
    assert found(tmp_path).why == "it was saved on other machines"
    assert len(found(tmp_path).baselines) == 2
    keep(tmp_path)
    assert isinstance(found(tmp_path), Baseline), "this machine's own wins"


def test_the_training_engine_is_a_yardstick_only_where_it_is_known_to_be_the_same(tmp_path: Path) -> None:
    keep(tmp_path)
    assert found(tmp_path).same_training("3.3.1", "p")
    assert not found(tmp_path).same_training("3.3.2", "p")
    assert not found(tmp_path).same_training("3.3.1", "q")
    keep(tmp_path, program="q")
    assert not found(tmp_path).same_training("3.3.1", "q")
    keep(tmp_path, name="unknown", program="")
    assert not found(tmp_path, name="unknown").same_training("3.3.1", "")


def test_another_model_is_one_that_is_known_to_be_in_no_run(tmp_path: Path) -> None:
    keep(tmp_path)
    assert found(tmp_path).another_program("q")
    assert not found(tmp_path).another_program("p")
    assert not found(tmp_path).another_program(""), "what is not known is not another one"
    keep(tmp_path, program="q")
    assert not found(tmp_path).another_program("q")
    assert found(tmp_path).another_program("r")
    keep(tmp_path, name="unknown", program="")
    assert not found(tmp_path, name="unknown").another_program("q"), "saved by a caller that did not know it"


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", ".", "..", "../main", "/main", "a/b", "a\\b", ".main", "-main", "ma in", "main\n", "x" * 101])
def test_a_name_that_would_leave_its_directory_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is not a name of a baseline"):
        keep(tmp_path / "perf", name=name)
    with pytest.raises(ValueError, match="is not a name of a baseline"):
        found(tmp_path / "perf", name=name)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("model", ["../../net", "/net", "..", ".net", "a/b.py:make", "x" * 300, "模型", "a--b", "", "nul\0"])
def test_any_name_of_a_model_stays_inside_and_is_found_again(tmp_path: Path, model: str) -> None:
    path = keep(tmp_path, model=model)
    assert path.parent == tmp_path / HERE.name / "main"
    assert path.resolve().parent == path.parent.resolve()
    assert not path.name.startswith(".")
    assert found(tmp_path, model=model).runs == (run_of(0.1),)


def test_names_that_look_alike_as_files_are_two_files(tmp_path: Path) -> None:
    models = ["a/b", "a_b", "a:b", "a--b", "a-b"]
    assert len({keep(tmp_path, model=model) for model in models}) == len(models)


def test_known_names_are_those_of_all_machines(tmp_path: Path) -> None:
    assert known_names(tmp_path / "none") == ()
    keep(tmp_path, name="v2")
    keep(tmp_path, name="v1", machine=THERE)
    keep(tmp_path, name="v2", machine=THERE)
    (tmp_path / "README.md").touch()
    (tmp_path / HERE.name / "empty").mkdir()
    (tmp_path / HERE.name / "note.txt").touch()
    assert known_names(tmp_path) == ("v1", "v2")
    assert unknown_name("x", known_names(tmp_path), Path("perf")) == "there is no baseline 'x' in perf; the baselines are v1, v2."
    assert unknown_name("x", (), Path("perf")) == "there are no baselines in perf; make one with --paddle-perf-save=x."


# -- files that are no baseline ----------------------------------------------------------------------------------------


def with_value(text: str, *keys: Any, value: Any) -> str:
    body = json.loads(text)
    place = body
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return json.dumps(body)


DAMAGE: dict[str, Any] = {
    "empty": lambda text: "",
    "cut short": lambda text: text[: len(text) // 2],
    "not text": lambda text: b"\xff\xfe\x00",
    "deep": lambda text: "[" * 100_000,
    "a list": lambda text: "[]",
    "null": lambda text: "null",
    "no format": lambda text: text.replace('"format"', '"fromat"'),
    "format true": lambda text: with_value(text, "format", value=True),
    "format 0": lambda text: with_value(text, "format", value=0),
    "another model's": lambda text: with_value(text, "model", value="other"),
    "no runs": lambda text: with_value(text, "runs", value=[]),
    "runs no list": lambda text: with_value(text, "runs", value="runs"),
    "a run that is none": lambda text: with_value(text, "runs", 0, value=3),
    "no times": lambda text: with_value(text, "runs", 0, "run", value=[]),
    "NaN": lambda text: with_value(text, "runs", 0, "run", value=[float("nan")]),
    "negative": lambda text: with_value(text, "runs", 0, "training", value=[-1]),
    "huge": lambda text: with_value(text, "runs", 0, "run", value=[10**400]),
    "words for times": lambda text: with_value(text, "runs", 0, "run", value=["fast"]),
    "batch size": lambda text: with_value(text, "runs", 0, "batch_size", value=8),
    "a number for Paddle": lambda text: with_value(text, "runs", 0, "paddle", value=3.3),
    "no workload": lambda text: with_value(text, "workload", value=None),
    "threads in words": lambda text: with_value(text, "workload", "threads", value="one"),
    "machine": lambda text: with_value(text, "machine", value="mine"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_one_sentence_and_is_not_written_over(tmp_path: Path, damage: str) -> None:
    path = keep(tmp_path)
    text = DAMAGE[damage](path.read_text(encoding="ascii"))
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = path.read_bytes()
    for attempt in (found, keep):
        with pytest.raises(PerfError) as caught:
            attempt(tmp_path)
        assert str(caught.value).startswith(f"the baseline {path} is damaged (")
        assert str(caught.value).endswith("): remove the file, and save the baseline again")
        assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_a_file_of_a_later_version_asks_for_an_update(tmp_path: Path) -> None:
    path = keep(tmp_path)
    path.write_text(with_value(path.read_text(encoding="ascii"), "format", value=2), encoding="ascii")
    for attempt in (found, keep):
        with pytest.raises(PerfError) as caught:
            attempt(tmp_path)
        assert str(caught.value) == (
            f"the baseline {path} has format 2, and this version reads 1: update pytest-paddle-infer, or save the baseline under "
            "another name"
        )


def test_a_damaged_file_of_another_machine_is_mentioned_and_no_error(tmp_path: Path) -> None:
    keep(tmp_path, machine=THERE).write_text("{", encoding="ascii")
    other = found(tmp_path)
    assert isinstance(other, Other)
    assert other.baselines == ()
    (sentence,) = other.unreadable
    assert "is damaged (it is not JSON)" in sentence


def test_a_directory_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for attempt in (keep, found, known_names):
        with pytest.raises(PerfError, match=r"choose another directory with --paddle-perf-dir$"):
            attempt(tmp_path / "file")


def test_a_reader_of_the_old_file_keeps_it_whole(tmp_path: Path) -> None:
    path = keep(tmp_path)
    before = path.read_bytes()
    with path.open("rb") as stream:
        keep(tmp_path, 0.2)
        assert stream.read() == before


def test_a_write_that_fails_leaves_the_old_file_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = keep(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(PerfError, match="No space left on device"):
        keep(tmp_path, 0.2)
    assert found(tmp_path).runs == (run_of(0.1),)
    assert [item.name for item in path.parent.iterdir()] == [path.name]


# -- several at once ---------------------------------------------------------------------------------------------------

CHILD = """
import sys
from pathlib import Path
from pytest_paddle_infer.judge.latency import Latencies
from pytest_paddle_infer.machine import Machine
from pytest_paddle_infer.perf import SavedRun, Workload, load, save
work, machine = Workload(1, 1, "x"), Machine("m", "", 1.0, "x")
sys.stdin.readline()
for number in range(3):
    run = SavedRun(Latencies((float(sys.argv[2]) + number,), (), 1), "3")
    save(Path(sys.argv[1]), "main", "net", "cpu", work, run, machine)
    assert load(Path(sys.argv[1]), "main", "net", "cpu", work, machine).runs
"""


def test_processes_that_save_at_once_lose_no_run(tmp_path: Path) -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path), str(10 * (index + 1))], stdin=subprocess.PIPE)
        for index in range(3)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.flush()
    for child in children:
        child.communicate(timeout=60)
        assert child.returncode == 0
    baseline = load(tmp_path, "main", "net", "cpu", Workload(1, 1, "x"), Machine("m", "", 1.0, "x"))
    assert isinstance(baseline, Baseline)
    assert sorted(run.latencies.run[0] for run in baseline.runs) == [10, 11, 12, 20, 21, 22, 30, 31, 32]


def test_threads_that_save_at_once_lose_no_run_and_readers_see_whole_files(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        saved = [pool.submit(keep, tmp_path, number / 10) for number in range(1, KEPT_RUNS + 1)]
        read = [pool.submit(found, tmp_path) for _ in range(30)]
    assert {future.result() for future in saved} == {tmp_path / HERE.name / "main" / "net--cpu.json"}
    assert {type(future.result()) for future in read} <= {Baseline, type(None)}
    assert sorted(run.latencies.run[0] for run in found(tmp_path).runs) == [number / 10 for number in range(1, KEPT_RUNS + 1)]


def test_importing_it_brings_neither_numpy_nor_paddle_nor_pytest() -> None:
    code = (
        "import sys, pytest_paddle_infer.machine, pytest_paddle_infer.perf; "
        "print({'numpy', 'paddle', 'pytest', 'filelock'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


# -- the machine -------------------------------------------------------------------------------------------------------

X86 = """processor	: 0
model name	: AMD EPYC 7543 32-Core Processor
cpu MHz		: {mhz}
flags		: fpu sme smep sse sse2 avx2 fma {more}

processor	: 1
"""
ARM = """processor	: 0
BogoMIPS	: 50.00
Features	: fp asimd aes sve bf16
CPU implementer	: 0x41
CPU variant	: 0x1
CPU part	: 0xd40
"""


def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpuinfo: str, quota: str = "max 100000") -> Machine:
    for name, text in (("cpuinfo", cpuinfo), ("quota", quota)):
        (tmp_path / name).write_text(text, encoding="utf-8")
        monkeypatch.setattr(machine_room, f"_{name.upper()}", tmp_path / name)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(4)), raising=False)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    return this_machine()


def test_a_machine_is_what_its_kernels_run_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = told(tmp_path, monkeypatch, X86.format(mhz="2800", more=""))
    assert made == Machine("AMD EPYC 7543 32-Core Processor", "avx2 fma sse sse2", 4.0, "x86_64")
    assert made.description == "AMD EPYC 7543 32-Core Processor, x86_64, 4 cores"
    assert told(tmp_path, monkeypatch, X86.format(mhz="1500", more="fsrm smap")) == made, "clock and kernel's flags are no facts"
    assert told(tmp_path, monkeypatch, X86.format(mhz="1500", more="avx512f")).name != made.name


@pytest.mark.parametrize(
    ("quota", "cores"), [("max 100000", 4), ("200000 100000", 2), ("150000 100000", 1.5), ("900000 100000", 4), ("", 4), ("1 0", 4)]
)
def test_a_containers_quota_counts_as_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores: float) -> None:
    assert told(tmp_path, monkeypatch, X86.format(mhz="1", more=""), quota).cores == cores


def test_an_arm_processor_is_named_by_its_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = told(tmp_path, monkeypatch, ARM)
    assert (made.processor, made.instructions) == ("arm 0x41 0x1 0xd40", "asimd bf16 sve")


def test_a_machine_without_cpuinfo_still_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_room, "_CPUINFO", tmp_path / "none")
    assert this_machine().name


@pytest.mark.parametrize(
    ("made", "short"),
    [
        (Machine("AMD EPYC", "", 2.0, "x86_64"), "amd-epyc-2c"),
        (Machine("Intel(R) Xeon(R) CPU @ 2.20GHz", "", 8.0, "x86_64"), "intel-xeon-2-20ghz-8c"),
        (Machine("AMD EPYC", "", 1.5, "x86_64", "NVIDIA H100"), "amd-epyc-nvidia-h100-1.5c"),
        (Machine("../..", "", 1.0, "x86_64"), "unknown-1c"),
        (Machine("x" * 99, "", 1.0, "x86_64"), "x" * 40 + "-1c"),
    ],
)
def test_the_short_name_is_good_for_a_directory(made: Machine, short: str) -> None:
    assert made.name.rpartition("-")[0] == short
    assert len(made.name.rpartition("-")[2]) == 8


def test_every_fact_makes_another_machine() -> None:
    changes: list[dict[str, Any]] = [
        {}, {"processor": "B"}, {"instructions": "sse"}, {"cores": 3.0}, {"architecture": "aarch64"}, {"gpu": "G"},
    ]  # fmt: skip
    assert len({replace(HERE, **change).name.rpartition("-")[2] for change in changes}) == len(changes)
