"""The command `python -m pytest_paddle_infer`: its arguments and exit codes, and that what it explains is what the code does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_paddle_infer.command import doctor, explain, models, program, stages, variants
from pytest_paddle_infer.command.asking import Answer
from pytest_paddle_infer.command.columns import WIDTH, folded, formula, pairs, table
from pytest_paddle_infer.command.stored import Stored
from pytest_paddle_infer.deployed import config
from pytest_paddle_infer.deployed.config import SETTERS, Request
from pytest_paddle_infer.diagnosis.finding import STAGES
from pytest_paddle_infer.failures import ModelError
from pytest_paddle_infer.judge import noise
from pytest_paddle_infer.logs import autolog_check
from pytest_paddle_infer.option_table import CHECKPOINTS, PARAMETERS, VARIANTS

ROOT = Path(__file__).resolve().parents[2]
PAGES = {language: ROOT / "docs" / "how-to" / f"ask-what-is-here{end}" for language, end in (("en", ".md"), ("zh", ".zh.md"))}


def flat(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


# -- explain -----------------------------------------------------------------------------------------------------------


def test_every_stage_of_the_diagnosis_is_explained() -> None:
    assert set(stages.STAGES) == set(STAGES)


def test_every_checkpoint_stage_and_variant_can_be_asked_for() -> None:
    assert set(explain.subjects()) == {*CHECKPOINTS, *STAGES, *VARIANTS, "stages"}
    assert len(set(explain.subjects())) == len(explain.subjects())


@pytest.mark.parametrize("subject", explain.subjects())
def test_an_explanation_names_its_subject_and_fits_its_width(subject: str) -> None:
    told = explain.lines(subject)
    assert subject in told[0]
    assert len(told) > 5
    assert max(map(len, told)) <= WIDTH
    assert "\n".join(told).isascii()


def test_whatever_names_variants_on_the_command_line_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["explain", "onednn:threads=4"]) == 0
    assert capsys.readouterr().out.startswith("variant onednn\n")
    for name, text in explain.CHOICES.items():
        assert program.main(["explain", name]) == 0
        assert flat(capsys.readouterr().out.splitlines()) == text


def test_artifacts_is_explained_as_checkpoint_and_as_stage() -> None:
    told = explain.lines("artifacts")
    assert told[0].startswith("checkpoint artifacts: ")
    assert "stage artifacts" in told


def test_without_a_subject_every_name_is_listed_and_one_asked_for_as_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["explain"]) == 0
    told = capsys.readouterr().out.splitlines()
    listed = re.findall(r"[\w-]+", " ".join(told[:-1]))
    assert [name for name in explain.subjects() if name not in listed] == []
    assert told[-1].rpartition(" ")[2] in explain.subjects()
    assert max(map(len, told)) <= WIDTH


def test_the_overview_names_every_stage() -> None:
    told = explain.lines("stages")
    assert [stage for stage in STAGES if not any(line.startswith(f"  {stage} ") for line in told)] == []


@pytest.mark.parametrize(
    ("module", "constant", "value", "checkpoint", "text"),
    [
        (noise, "K", 7.0, "parity", "<= 7 * floor"),
        (noise, "FLOOR_ULPS", 32.0, "parity", "at least 32 ulp of float32 (3.8e-06)"),
        (noise, "VACUOUS", 17.0, "parity", "by 17 limits"),
        (autolog_check, "TOTAL_RTOL", 0.07, "log", "within 7 %"),
        (autolog_check, "MIN_RSS_MB", 33.0, "log", "at least 33,"),
    ],
)
def test_the_limits_are_read_from_the_code(
    monkeypatch: pytest.MonkeyPatch, module: Any, constant: str, value: float, checkpoint: str, text: str
) -> None:
    assert text not in flat(explain.lines(checkpoint))
    monkeypatch.setattr(module, constant, value)
    assert text in flat(explain.lines(checkpoint))


def test_a_checkpoint_says_which_options_change_it() -> None:
    told = flat(explain.lines("parity"))
    for flag in ("--paddle-variant=NAME", "--paddle-rtol=X", "--paddle-teeth"):
        assert flag in told


# -- variants ----------------------------------------------------------------------------------------------------------


class Recorder:
    """Stands for a Config; `pir`: a Paddle with set_optimization_level and a `.json` graph."""

    def __init__(self, pir: bool) -> None:
        self.calls: list[str] = []
        self._pir = pir

    def prog_file(self) -> str:
        return "inference.json" if self._pir else "inference.pdmodel"

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name == "set_optimization_level" and not self._pir:
            raise AttributeError(name)

        def called(*args: Any) -> None:
            self.calls.append(f"{name}({args[-1] if args and isinstance(args[-1], str) else ''})")

        return called


class Precisions:
    """Stands for PaddlePaddle: `inference.PrecisionType.Half` is "Half"."""

    Float32, Half, Bfloat16 = "Float32", "Half", "Bfloat16"


@pytest.mark.parametrize("name", VARIANTS)
def test_what_a_variant_is_said_to_set_is_what_it_sets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Paddle:
        class inference:
            PrecisionType = Precisions

        class device:
            class cuda:
                @staticmethod
                def device_count() -> int:
                    return 1

    monkeypatch.setattr(config, "load_paddle", lambda: Paddle)
    calls: set[str] = set()
    for pir in (True, False):
        recorder = Recorder(pir)
        SETTERS[name](recorder, Request(name, name))
        calls.update(recorder.calls)
    said = re.findall(r"\w+\([\w]*\)", variants.SETS[name])
    plain = {re.sub(r"\((0|False)\)", "()", call) for call in said}
    if name == "cinn":  # whose precision is nobody's choice
        calls = {call.replace("Float32", "") for call in calls}
    assert plain == calls


@pytest.mark.parametrize("paddle_version", ["2.6.2", "3.3.1"])
@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_what_all_variants_are_said_to_set_is_what_they_set(
    name: str, paddle_version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = ("disable_gpu", "set_cpu_math_library_num_threads", "enable_new_executor", "enable_memory_optim", "switch_ir_optim",
             "disable_mkldnn", "enable_use_gpu")  # fmt: skip
    Config = type("Config", (), {"__init__": lambda *files: None, **dict.fromkeys(known, lambda *args: None)})

    class Paddle:
        __version__ = paddle_version

        class inference:
            PrecisionType = Precisions

    Paddle.inference.Config = Config
    monkeypatch.setattr(config, "load_paddle", lambda: Paddle)
    request = Request(name, name, parameters={"device": "0"})
    made = {call for call, _ in config.make_config("inference.json", "inference.pdiparams", request, glog=True).calls}
    own = set(re.findall(r"(\w+)\(", variants.SETS[name])) | ({"disable_gpu"} if name == "cpu" else set())
    common, _, newer = variants.COMMON.partition("Paddle 3: ")
    said = re.findall(r"(\w+)\(", common + (newer if paddle_version[0] == "3" else ""))
    assert made - own == set(said)


def test_every_parameter_has_a_meaning_and_no_other_has() -> None:
    assert set(variants.MEANINGS) == {key for parameters in PARAMETERS.values() for key in parameters}


def test_the_table_has_a_row_for_each_variant_and_the_reasons_below() -> None:
    answers = {"paddle": Answer({"paddle_version": "3.3.1"}), **dict.fromkeys(VARIANTS, Answer(""))}
    answers["cinn"] = Answer("built without it")
    told = variants.lines(answers)
    assert [line.split()[:2] for line in told[1 : 1 + len(VARIANTS)]] == [
        [name, "no" if name == "cinn" else "yes"] for name in VARIANTS
    ]
    assert flat(told).endswith("not here cinn built without it")
    data = variants.as_data(answers)
    assert (data["format"], data["paddle"], data["missing"]) == (1, "3.3.1", None)
    assert [row["name"] for row in data["variants"] if not row["available"]] == ["cinn"]


def test_without_paddle_the_table_is_the_same_and_says_that_it_does_not_know() -> None:
    told = variants.lines({}, "Paddle is not installed.")
    assert [line.split()[:2] for line in told[1 : 1 + len(VARIANTS)]] == [[name, "?"] for name in VARIANTS]
    assert told[-1] == "Which of them can run here is not known: Paddle is not installed."


# -- models ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "vision_factories", lambda: ("alexnet", "inception_v3", "resnet18", "resnet50", "newest"))
    monkeypatch.setattr(models, "paddle_installed", lambda: True)


@pytest.mark.usefixtures("zoo")
def test_models_are_listed_with_their_size_and_input() -> None:
    told = models.lines(models.chosen(None))
    assert "alexnet       244.4  3 x 224 x 224" in told
    assert "inception_v3   95.8  3 x 299 x 299" in told
    assert "newest            -  3 x 224 x 224" in told


@pytest.mark.usefixtures("zoo")
def test_a_glob_chooses_and_an_unknown_name_is_answered_with_near_ones() -> None:
    assert models.chosen("resnet*") == ["resnet18", "resnet50"]
    with pytest.raises(ModelError, match=r"called 'resnt18'\. Did you mean 'resnet18'"):
        models.chosen("resnt18")
    with pytest.raises(ModelError, match="`models` alone lists all of these"):
        models.chosen("qqqq")


@pytest.mark.usefixtures("zoo")
@pytest.mark.parametrize("name", ["resnt18", "qqqq"])
def test_an_unknown_name_may_be_that_of_a_conftest(name: str) -> None:
    with pytest.raises(ModelError) as caught:
        models.chosen(name)
    told = "Models of a conftest.py are known to pytest only: `pytest --paddle-model='?'` lists them."
    assert str(caught.value).endswith(told)


# -- the command line --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("zoo")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "arguments are required: COMMAND"),
        (["docter"], "did you mean 'doctor'?"),
        (["qqqq"], "the commands are doctor, models, variants, explain"),
        (["explain", "paritty"], "did you mean 'parity'?"),
        (["explain", "optimize"], "did you mean 'optimise'?"),
        (["explain", "qqqq"], "known: artifacts, parity, log, stages"),
        (["models", "resnt18"], "Did you mean 'resnet18'"),
        (["doctor", "--jsn"], "unrecognized arguments: --jsn"),
    ],
)
def test_bad_usage_ends_in_exit_code_2_with_what_was_meant(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        program.main(arguments)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""


@pytest.mark.usefixtures("zoo")
@pytest.mark.parametrize("arguments", [["models"], ["models", "resnet*"], ["explain", "parity"], ["explain", "stages"]])
def test_what_can_be_answered_ends_in_exit_code_0(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(arguments) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) > 3
    assert err == ""


@pytest.mark.parametrize(("trouble", "code"), [("", 0), ("the process was ended by SIGILL", 1)])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_doctor_ends_in_exit_code_1_where_runs_are_impossible(
    trouble: str, code: int, form: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    built = {
        "paddle_version": "3.3.1",
        "paddle_commit": "7688495",
        "with_cuda": False,
        "with_onednn": True,
        "gpus": [],
        "cuda": "None",
    }
    answers = {"paddle": Answer(None if trouble else built, trouble), **dict.fromkeys(VARIANTS, Answer("", trouble))}
    monkeypatch.setattr(doctor.installation, "_paddle_folder", lambda: "/venv/lib/paddle")
    examine = doctor.examine
    monkeypatch.setattr(doctor, "examine", lambda place: examine(place, lambda: answers))
    assert program.main(["doctor", f"--cache-dir={tmp_path}", *form]) == code
    out = capsys.readouterr().out
    assert str(tmp_path) in out
    if form:
        assert json.loads(out)["ok"] is not bool(trouble)


def test_every_command_is_described_by_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        program.main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert [command for command in program.COMMANDS if f"    {command} " not in said] == []


def test_nothing_heavy_is_imported_before_a_command_needs_it() -> None:
    asked = """
import sys
from pytest_paddle_infer.command import program
for arguments in (["--help"], ["models"], ["explain", "onednn"][:1]):
    try:
        program.main(arguments)
    except SystemExit:
        pass
print("heavy:", sorted({"paddle", "numpy", "pytest", "PIL"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["doctor"], 1, ["- numpy is not installed. to do: pip install --upgrade numpy.", "- Paddle is not installed."]),
        (["variants"], 1, ["not known: Paddle is not installed"]),
        (["models"], 1, ["Paddle is not installed"]),
        (["explain", "stages"], 0, ["stages: where"]),
        (["explain", "parity"], 1, ["numpy is not installed, and the limits cannot be read without it"]),
    ],
)
def test_with_the_standard_library_alone_a_command_says_what_is_missing(
    arguments: list[str], code: int, said: list[str], tmp_path: Path
) -> None:
    (tmp_path / "pytest_paddle_infer").symlink_to(ROOT / "pytest_paddle_infer")
    done = subprocess.run(
        [sys.executable, "-S", "-m", "pytest_paddle_infer", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (code, "")
    assert [text for text in said if text not in " ".join(done.stdout.split())] == []


@pytest.mark.parametrize("name", ["pytest_paddle_infer.judge.nosie", "numpy.core.multiarray", None])
def test_a_module_that_is_missing_inside_a_package_is_a_fault_and_not_a_package_to_install(
    name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(subject: str) -> list[str]:
        raise ModuleNotFoundError("broken", name=name)

    monkeypatch.setattr(explain, "lines", broken)
    with pytest.raises(ModuleNotFoundError, match="broken"):
        program.main(["explain", "parity"])


# -- columns -----------------------------------------------------------------------------------------------------------


def test_a_formula_stays_on_one_line() -> None:
    text = "word " * 20 + formula("a <= b + c * d")
    assert "a <= b + c * d" in folded(text)[-1]
    assert "a <=" in "".join(folded("word " * 21 + "a <= b + c * d")[0])


def test_values_are_aligned_and_go_on_below_themselves() -> None:
    told = pairs([("a", "word " * 40), ("longer", "x")])
    assert told[0].startswith("  a       word word")
    assert told[1].startswith("          word")
    assert told[-1] == "  longer  x"
    assert table(("a", "b"), [("long", "x")]) == ["a     b", "long  x"]


# -- the pages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", PAGES)
def test_every_command_and_every_key_of_the_json_is_told(language: str) -> None:
    here = doctor.Examination(replace(doctor.installation.look(), folder=""), Stored(ROOT, exists=False))
    keys = {*doctor.as_data(here), *variants.as_data({}), *variants.as_data({})["variants"][0]}
    keys |= {key for part in ("python", "paddle", "machine", "store") for key in doctor.as_data(here)[part]}
    text = PAGES[language].read_text(encoding="utf-8")
    assert [key for key in sorted(keys) if f"`{key}`" not in text] == []
    assert [command for command in program.COMMANDS if f"pytest_paddle_infer {command}" not in text] == []
