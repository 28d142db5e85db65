"""command/doctor.py and what it looks at: problems, traps of the installed version only, the store, the text and the JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_paddle_infer.command import doctor, installed, stored
from pytest_paddle_infer.command.ask import BUILD
from pytest_paddle_infer.command.asking import Answer
from pytest_paddle_infer.command.columns import WIDTH
from pytest_paddle_infer.command.doctor import Examination, lines, problems
from pytest_paddle_infer.command.installed import Installed
from pytest_paddle_infer.command.stored import Stored
from pytest_paddle_infer.command.traps import TRAPS, of_this
from pytest_paddle_infer.machine import Machine
from pytest_paddle_infer.option_table import VARIANTS
from pytest_paddle_infer.store import Store
from pytest_paddle_infer.store_place import default_root

AVX2 = Machine("Some CPU", "avx avx2", 2.0, "x86_64")
HERE = Installed(
    python=(3, 11, 7),
    executable="/venv/bin/python",
    system="Linux 6.1, x86_64",
    packages={"pytest": "8.4.0", "numpy": "1.26.4", "auto_log": ""},
    wheels={"paddlepaddle": "3.3.1"},
    paddle="3.3.1",
    commit="7688495",
    folder="/venv/lib/paddle",
    machine=AVX2,
)
BUILT = {
    "paddle_version": "3.3.1", "paddle_commit": "7688495538f4", "cuda": "None", "cudnn": "None", "with_cuda": False, "with_onednn": True,
    "gpus": [], "folder": "/venv/lib/paddle",
}  # fmt: skip
NO_CUDA = "this Paddle was built without CUDA"
ANSWERS: Mapping[str, Answer] = {
    BUILD: Answer(BUILT),
    **{name: Answer(NO_CUDA if name.startswith(("gpu", "tensorrt")) else "") for name in VARIANTS},
}
EMPTY = Stored(Path("/cache/pytest-paddle-infer"), exists=False)
WELL = Examination(HERE, EMPTY, ANSWERS)


def seen(answers: Mapping[str, Answer] = ANSWERS, store: Stored = EMPTY, **changes: object) -> Examination:
    return Examination(replace(HERE, **changes), store, answers)  # type: ignore[arg-type]


def told(examination: Examination) -> str:
    return " ".join(" ".join(lines(examination)).split())


# -- problems ----------------------------------------------------------------------------------------------------------


def test_nothing_stands_in_the_way_of_a_sound_installation() -> None:
    assert problems(WELL) == []
    assert lines(WELL)[-1] == "Nothing stands in the way of `pytest --paddle-model=NAME`."


def test_a_missing_paddle_is_a_problem_with_what_to_install() -> None:
    bare = seen({}, folder="", paddle="", wheels={})
    assert [problem.what for problem in problems(bare)] == ["Paddle is not installed"]
    assert "pytest-paddle-infer[cpu]" in problems(bare)[0].remedy
    assert "not known without Paddle" in told(bare)
    assert "1 problem in the way - Paddle is not installed. to do: pip install" in told(bare)


def test_a_python_without_wheels_of_paddle_is_named() -> None:
    bare = seen({}, folder="", paddle="", wheels={}, python=(3, 14, 0))
    assert problems(bare)[0].remedy == "use Python 3.13 or older: PyPI has no wheel of Paddle for 3.14"


def test_a_paddle_that_cannot_be_imported_is_a_problem_with_its_reason() -> None:
    dead = dict.fromkeys((BUILD, *VARIANTS), Answer(trouble="the process was ended by SIGILL"))
    assert problems(seen(dead))[0].what == "importing Paddle fails: the process was ended by SIGILL"
    assert "it cannot be imported" in told(seen(dead))


def test_after_a_failed_import_both_wheels_are_the_first_thing_to_put_right() -> None:
    dead = {BUILD: Answer(trouble="ImportError: libpaddle.so: undefined symbol")}
    both = seen(dead, wheels={"paddlepaddle": "3.3.1", "paddlepaddle-gpu": "2.6.2"})
    assert problems(both)[0].remedy == "pip uninstall paddlepaddle paddlepaddle-gpu, then install one"
    assert (
        problems(seen({BUILD: Answer(trouble="ModuleNotFoundError: No module named 'setuptools'")}))[0].remedy
        == "pip install setuptools"
    )


def test_a_paddle_that_is_too_old_is_a_problem() -> None:
    old = {**ANSWERS, BUILD: Answer({**BUILT, "paddle_version": "2.5.2"})}
    assert problems(seen(old))[0].what == "Paddle 2.5.2 is not supported"
    for version in ("2.6.2", "3.0.0rc1", "10.1"):
        assert problems(seen({**ANSWERS, BUILD: Answer({**BUILT, "paddle_version": version})})) == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"forks": False}, "this platform has no os.fork(), in which the engines run"),
        ({"unmet": ("pytest 7.2 is installed, and >=7.4 is needed",)}, "pytest 7.2 is installed, and >=7.4 is needed"),
    ],
)
def test_what_the_plugin_itself_lacks_is_a_problem(changes: dict[str, object], what: str) -> None:
    assert [problem.what for problem in problems(seen(**changes))] == [what]


def test_a_store_that_cannot_be_written_is_a_problem_that_names_the_option() -> None:
    problem = problems(seen(store=replace(EMPTY, trouble="/cache cannot be written")))[0]
    assert problem.what == "no export can be kept: /cache cannot be written"
    assert "--paddle-cache-dir" in problem.remedy


# -- traps -------------------------------------------------------------------------------------------------------------


def test_every_trap_is_half_a_sentence_with_a_remedy_for_a_version_that_is_supported() -> None:
    assert len({trap.what for trap in TRAPS}) == len(TRAPS)
    for trap in TRAPS:
        assert trap.what.strip(". ") == trap.what
        assert trap.remedy.strip(". ") == trap.remedy != ""
        assert set(trap.majors) <= {2, 3}


def test_only_the_traps_of_the_installed_version_are_told() -> None:
    three, two = (told(seen(paddle=version, wheels={"paddlepaddle": version})) for version in ("3.3.1", "2.6.2"))
    assert "set_optimization_level(0)" in three
    assert "set_optimization_level(0)" not in two
    assert "leave enable_new_executor() out" in two
    assert "leave enable_new_executor() out" not in three
    assert "measured on Paddle 2.6.2" in two


@pytest.mark.parametrize(("flags", "concerned"), [("avx avx2", True), ("avx2 avx512f", False)])
def test_the_trap_of_a_processor_without_avx512_is_told_there_only(flags: str, concerned: bool) -> None:
    here = replace(HERE, paddle="2.6.2", machine=replace(AVX2, instructions=flags))
    assert any("self_attention_fuse_pass" in trap.remedy for trap in of_this(here)) is concerned


def test_both_wheels_at_once_are_the_first_trap_with_the_command_that_undoes_it() -> None:
    first = of_this(replace(HERE, wheels={"paddlepaddle": "3.3.1", "paddlepaddle-gpu": "2.6.2"}))[0]
    assert first.what == "paddlepaddle 3.3.1 and paddlepaddle-gpu 2.6.2 are both installed, and overwrite each other's files"
    assert first.remedy == "pip uninstall paddlepaddle paddlepaddle-gpu, then install one"
    assert not any("both installed" in trap.what for trap in of_this(HERE))


@pytest.mark.parametrize(
    ("paddle", "numpy", "warned"), [("2.6.2", "2.4.6", True), ("2.6.2", "1.26.4", False), ("3.3.1", "2.4.6", False)]
)
def test_numpy_2_is_a_trap_of_paddle_2_alone(paddle: str, numpy: str, warned: bool) -> None:
    here = replace(HERE, paddle=paddle, wheels={"paddlepaddle": paddle}, packages={"numpy": numpy})
    assert any(trap.remedy == "pip install 'numpy<2'" for trap in of_this(here)) is warned


def test_what_is_not_known_of_the_installation_is_said_to_be_so() -> None:
    arm = replace(AVX2, instructions="", architecture="riscv64")
    text = told(seen(wheels={}, paddle="4.0.0", machine=arm))
    assert "3.3.1 (no wheel of pip), commit" in text
    assert "features not known" in text
    assert " traps of what is installed - `import paddle` takes" in text, "nobody measured this version"


def test_a_paddle_that_no_wheel_owns_and_one_of_another_version_are_told() -> None:
    assert "neither of the wheels paddlepaddle and paddlepaddle-gpu is installed" in of_this(replace(HERE, wheels={}))[0].what
    assert (
        "takes Paddle 3.3.1 from /venv/lib/paddle, and paddlepaddle 3.2.0 is"
        in of_this(replace(HERE, wheels={"paddlepaddle": "3.2.0"}))[0].what
    )


@pytest.mark.parametrize(
    ("wheel", "package"), [("2.6.2.post118", "2.6.2"), ("3.0.0rc1", "3.0.0-rc1"), ("3.4.0.dev20261101", "0.0.0"), ("3.3.1", "")]
)
def test_two_spellings_of_one_version_are_no_trap(wheel: str, package: str) -> None:
    assert not any("takes Paddle" in trap.what for trap in of_this(replace(HERE, wheels={"paddlepaddle": wheel}, paddle=package)))


# -- what is installed -------------------------------------------------------------------------------------------------


def test_the_versions_are_those_of_the_packages_metadata() -> None:
    here = installed.look()
    assert here.packages["pytest"] == pytest.__version__
    assert here.unmet == ()


def test_both_wheels_are_seen_by_their_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, version in (("paddlepaddle", "3.3.1"), ("paddlepaddle_gpu", "2.6.2")):
        metadata = tmp_path / f"{name}-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert installed.look().wheels == {"paddlepaddle": "3.3.1", "paddlepaddle-gpu": "2.6.2"}


def test_requirements_that_are_missing_or_too_old_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Distribution:
        requires = ("pytest>=7.4", "numpy>=1.21", "psutil>=5.9", 'hypothesis>=6; extra == "test"')

    monkeypatch.setattr(installed, "distribution", lambda name: Distribution())
    monkeypatch.setattr(installed, "_version", {"pytest": "7.2.0", "numpy": "2.0.0", "psutil": ""}.get)
    assert installed.look().unmet == ("pytest 7.2.0 is installed, and >=7.4 is needed", "psutil is not installed")


def test_a_folder_called_paddle_that_is_another_program_has_no_version(tmp_path: Path) -> None:
    assert installed._version_file(str(tmp_path)) == {}
    (tmp_path / "version").mkdir()
    (tmp_path / "version" / "__init__.py").write_text("full_version     = '2.6.2'\ncommit           = '8ce0de5'\n")
    assert installed._version_file(str(tmp_path)) == {"full_version": "2.6.2", "commit": "8ce0de5"}


# -- the store ---------------------------------------------------------------------------------------------------------


def test_the_store_is_where_the_plugin_looks_for_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_root() == tmp_path / "pytest-paddle-infer"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_root() == tmp_path / ".cache" / "pytest-paddle-infer"


def test_exports_are_counted_apart_from_what_else_is_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def build(meta: dict[str, str]) -> object:
        return lambda directory: ((directory / "inference.json").write_bytes(b"x" * 1000), meta)[1]

    store.get("a" * 16, build({"model": "alexnet"}))  # type: ignore[arg-type]
    store.get("b" * 16, build({"model": "alexnet"}))  # type: ignore[arg-type]
    store.get("c" * 16, build({}))  # type: ignore[arg-type]
    (tmp_path / ("d" * 16)).mkdir()
    (tmp_path / ("d" * 16) / "record.json").write_text("not a record")
    found = stored.look(tmp_path)
    assert (found.exports, found.others, found.models, found.trouble) == (2, 2, ("alexnet",), "")
    assert found.bytes == sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) > 3000
    assert "2 exports (alexnet), 2 other entries" in told(seen(store=found))


def test_a_store_that_is_not_there_yet_is_no_problem(tmp_path: Path) -> None:
    found = stored.look(tmp_path / "not" / "yet")
    assert (found.exists, found.trouble) == (False, "")
    assert "nothing yet" in told(seen(store=found))
    assert not (tmp_path / "not").exists(), "doctor looks, and makes nothing"


def test_a_file_in_the_way_of_the_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert stored.look(tmp_path / "file" / "store").trouble == f"{tmp_path / 'file'} is not a directory"


def test_a_directory_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    assert stored.look(tmp_path / "store").trouble == f"{tmp_path} cannot be written"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
def test_a_place_that_only_says_that_it_can_be_written_stands_in_the_way() -> None:
    found = stored.look(Path("/proc/foo"))
    assert found.trouble == "/proc cannot be written"
    assert "Nothing stands in the way" not in told(seen(store=found))


# -- the text and the JSON ---------------------------------------------------------------------------------------------


def test_the_text_fits_its_width_and_has_no_colours() -> None:
    for examination in (WELL, seen({}, folder="", paddle="", wheels={}), seen(paddle="2.6.2")):
        text = "\n".join(lines(examination))
        assert max(map(len, text.splitlines())) <= WIDTH
        assert "\x1b" not in text
        assert text.isascii()
        assert text.splitlines() == [line.rstrip() for line in text.splitlines()]


def test_variants_that_cannot_run_are_grouped_by_their_reason() -> None:
    text = told(WELL)
    assert "can run cpu, cpu-noopt, onednn, onednn-bf16, onednn-int8 (quantised models only), cinn" in text
    assert f"gpu, gpu-fp16, gpu-bf16, tensorrt, tensorrt-fp16, tensorrt-int8 {NO_CUDA}" in text


def test_a_variant_whose_question_killed_the_process_cannot_run() -> None:
    text = told(seen({**ANSWERS, "openvino": Answer(trouble="the process was ended by SIGABRT")}))
    assert "openvino the process was ended by SIGABRT" in text


def test_a_gpu_build_says_its_cuda_and_its_gpus() -> None:
    gpu = {**BUILT, "with_cuda": True, "cuda": "11.8", "cudnn": "8.6.0", "gpus": ["Some GPU"]}
    text = told(seen({**ANSWERS, BUILD: Answer(gpu)}))
    assert "GPU build for CUDA 11.8, cuDNN 8.6.0, with oneDNN" in text
    assert "GPUs Some GPU" in text


@pytest.mark.parametrize(("flags", "text"), [
    ("avx2", "AVX2 and no AVX512, VNNI, bf16"),
    ("avx2 avx512f avx512_vnni amx_bf16", "features AVX2, AVX512, VNNI, bf16"),
    ("sse2", "no AVX2, AVX512, VNNI, bf16"),
])  # fmt: skip
def test_the_features_are_those_of_the_processor(flags: str, text: str) -> None:
    assert text in told(seen(machine=replace(AVX2, instructions=flags)))


def test_the_json_says_the_same() -> None:
    data = doctor.as_data(WELL)
    assert (data["format"], data["ok"], data["problems"]) == (1, True, [])
    assert data["paddle"] == {"wheels": {"paddlepaddle": "3.3.1"}, "version": "3.3.1", "commit": "7688495538f4",
                              "folder": "/venv/lib/paddle",
                              "cuda": None, "onednn": True, "gpus": []}  # fmt: skip
    by_name = {row["name"]: row for row in data["variants"]}
    assert (by_name["cpu"]["available"], by_name["cpu"]["reason"]) == (True, None)
    assert (by_name["gpu"]["available"], by_name["gpu"]["reason"]) == (False, NO_CUDA)
    assert [trap["what"] for trap in data["traps"]] == [trap.what for trap in of_this(HERE)]
    bare = doctor.as_data(seen({}, folder="", paddle="", wheels={}))
    assert bare["ok"] is False
    assert bare["problems"][0]["what"] == "Paddle is not installed"
    assert {row["available"] for row in bare["variants"]} == {None}
