"""Every option: on the command line, in the ini file, its default, and what a bad value says."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_paddle_infer.option_table import OPTIONS, Comparison

if TYPE_CHECKING:
    from conftest import Session

    from pytest_paddle_infer.options import Settings

# option -> text as typed, its value in Settings; "{here}" is the test's directory
GOOD: dict[str, tuple[str, Any]] = {
    "model": ("alexnet", ("alexnet",)),
    "variant": ("onednn", ("onednn",)),
    "weights": ("w.pdparams", "{here}/w.pdparams"),
    "images": ("pictures", "{here}/pictures"),
    "image-size": ("192x256", (192, 256)),
    "batch-size": ("3", 3),
    "softmax": ("no", "no"),
    "seed": ("7", 7),
    "threads": ("2", 2),
    "timeout": ("2.5", 2.5),
    "rtol": ("1e-3", 1e-3),
    "atol": ("0", 0.0),
    "warmup": ("0", 0),
    "repeats": ("5", 5),
    "autolog": ("auto_log", "auto_log"),
    "exported": ("made", "{here}/made"),
    "export-dir": ("out", "{here}/out"),
    "output-dir": ("logs", "{here}/logs"),
    "artifacts": ("kept", "{here}/kept"),
    "report": ("rep", "{here}/rep"),
    "replay": ("evidence", ("{here}/evidence",)),
    "cache-dir": ("cache", "{here}/cache"),
    "cache-size": ("500M", 500 << 20),
    "no-cache": ("yes", True),
    "teeth": ("yes", True),
    "allow-missing": ("yes", True),
    "python": (sys.executable, sys.executable),
    "no-diagnosis": ("yes", True),
    "diagnosis-time": ("2.5", 2.5),
    "perf-save": ("new", "new"),
    "perf-compare": ("main:10%", Comparison("main", 0.1)),
    "perf-dir": ("perf", "{here}/perf"),
}
DEFAULTS: dict[str, Any] = {
    "model": (),
    "replay": (),
    "variant": ("auto",),
    "batch-size": 1,
    "softmax": "auto",
    "seed": 0,
    "threads": 1,
    "timeout": 300.0,
    "warmup": 2,
    "autolog": "builtin",
    "cache-size": 20 << 30,
    "no-cache": False,
    "teeth": False,
    "no-diagnosis": False,
    "diagnosis-time": 60.0,
    "allow-missing": False,
    "perf-dir": "{here}/.paddle-perf",
}
SWITCHES = {option.name for option in OPTIONS if option.is_switch}
# option, bad value, what the one sentence must say
BAD = [
    (
        "model",
        "alexnt",
        "unknown model 'alexnt'. Did you mean 'alexnet'? A model is a name from the pytest_paddle_infer_models hook (no "
        "conftest.py has one that gives any), package.module:factory",
    ),
    ("model", "zzz*", "no known model matches 'zzz*'. Known models: alexnet, mobilenet_v1,"),
    ("model", "no_such_package.nets:make", "there is no module 'no_such_package.nets' on sys.path or in"),
    ("model", "none.py:make", "there is no file"),
    ("model", "nets.py:mak", "defines no 'mak' at its top level"),
    ("model", "nets.py", "'nets.py' is a file; add the factory that it defines: nets.py:FACTORY."),
    ("model", "", "--paddle-model: the name is empty; write that of a model, such as alexnet."),
    ("model", "nets.py:", "write package.module:factory or path/to/file.py:factory"),
    (
        "variant",
        "onednm",
        "'onednm' is not a variant (did you mean 'onednn'?); choose from cpu, cpu-noopt, onednn,",
    ),
    ("variant", "onednn:", "'onednn:' is not a variant; write NAME or NAME:KEY=VALUE,KEY=VALUE"),
    ("variant", "onednn:theads=2", "'onednn:theads=2': onednn has the parameters threads, cache, not 'theads'"),
    ("variant", "onednn:threads=0", "'onednn:threads=0': threads: '0' is not a whole number from 1"),
    ("python", "none/python", "--paddle-python: "),
    ("weights", "none.pdparams", "--paddle-weights: there is no file"),
    ("images", "none", "--paddle-images: "),
    ("image-size", "0", "'0' is not a size in pixels; write 224 or 480x640 (height x width)"),
    ("image-size", "224x", "'224x' is not a size in pixels"),
    ("batch-size", "0", "'0' is not a whole number from 1"),
    ("batch-size", "two", "'two' is not a whole number from 1"),
    ("softmax", "maybe", "'maybe' is not one of auto, yes, no"),
    ("seed", "-1", "'-1' is not a whole number from 0"),
    ("threads", "1.5", "'1.5' is not a whole number from 1"),
    ("diagnosis-time", "0", "'0' is not a finite number greater than 0"),
    ("timeout", "0", "'0' is not a finite number greater than 0"),
    ("timeout", "inf", "'inf' is not a finite number greater than 0"),
    ("rtol", "-1e-3", "'-1e-3' is not a finite number from 0"),
    ("atol", "nan", "'nan' is not a finite number from 0"),
    ("warmup", "-1", "'-1' is not a whole number from 0"),
    ("repeats", "0", "'0' is not a whole number from 1"),
    ("autolog", "AutoLog", "'AutoLog' is not one of builtin, auto_log"),
    ("exported", "none/none", "--paddle-exported: there is no export {here}/none/none: neither a directory nor the prefix"),
    ("exported", "none", "--paddle-exported: there is no export {here}/none: neither a directory nor the prefix of .json"),
    ("replay", "none", "--paddle-replay: there is no directory"),
    ("perf-save", "../main", "'../main' is not a name; write up to 100 letters, digits, '.', '_' and '-'"),
    ("perf-compare", "main:0.15", "'main:0.15' is not a baseline to compare with; write NAME or NAME:15%"),
    ("perf-compare", "main:15", "'main:15' lacks the % sign; write main:15%"),
    ("perf-compare", "none", "there is no baseline 'none' in"),
    ("cache-size", "20X", "'20X' is not a size; write 500M, 20G, or 0 for no limit"),
]


def settings_of(run: Session, *args: str) -> Settings:
    """The settings of a session, read in the session itself."""
    run.write(
        "conftest.py",
        """
from pytest_paddle_infer.session import SESSION
seen = []
def pytest_report_collectionfinish(config):
    import builtins
    builtins.paddle_infer_settings_seen = config.stash[SESSION].settings
""",
    )
    import builtins

    result = run("--collect-only", *args)
    assert result.ret in (0, 5), result.stderr.str()
    return builtins.__dict__.pop("paddle_infer_settings_seen")  # type: ignore[no-any-return]


def expected(run: Session, value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(expected(run, item) for item in value)
    return value.format(here=run.path) if isinstance(value, str) else value


@pytest.fixture
def files(run: Session) -> Session:
    """A directory where every path of `GOOD` exists."""
    for name in ("w.pdparams", "made/inference.json", ".paddle-perf/some-machine/main/net--cpu.json", "evidence/verdict.json"):
        run.write(name, "")
    run.write("nets.py", "def make(): ...")
    import numpy as np

    (run.path / "pictures").mkdir()
    np.save(run.path / "pictures" / "a.npy", np.zeros(2))
    return run


def test_the_tables_here_know_every_option() -> None:
    assert set(GOOD) == {option.name for option in OPTIONS}
    assert {name for name, _, _ in BAD} | SWITCHES | {
        "export-dir",
        "output-dir",
        "cache-dir",
        "perf-dir",
        "artifacts",
        "report",
    } == set(GOOD)


@pytest.mark.parametrize("name", GOOD)
def test_the_command_line_sets_it(files: Session, name: str) -> None:
    text, value = GOOD[name]
    settings = settings_of(files, f"--paddle-{name}" + ("" if name in SWITCHES else f"={text}"))
    attribute = name.replace("-", "_")
    assert getattr(settings, attribute) == expected(files, value)
    assert settings.given == {attribute}
    assert settings.from_ini == set()


@pytest.mark.parametrize("name", GOOD)
def test_the_ini_file_sets_it_and_relative_paths_start_at_the_rootdir(
    files: Session, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    text, value = GOOD[name]
    attribute = name.replace("-", "_")
    files.write("pytest.ini", f"[pytest]\npaddle_{attribute} = {text}\n")
    files.write("sub/keep", "")
    monkeypatch.chdir(files.path / "sub")
    settings = settings_of(files, "--strict-config")
    assert getattr(settings, attribute) == expected(files, value)
    assert settings.from_ini == {attribute}
    assert settings.given == set()


@pytest.mark.parametrize("name", GOOD)
def test_the_default_holds_without_either(run: Session, name: str) -> None:
    assert getattr(settings_of(run), name.replace("-", "_")) == expected(run, DEFAULTS.get(name))


@pytest.mark.parametrize("name", [name for name in GOOD if name not in ("model", "variant", *SWITCHES)])
def test_the_command_line_wins_over_the_ini_file(files: Session, name: str) -> None:
    text, value = GOOD[name]
    other = {"softmax": "yes", "autolog": "builtin", "image-size": "64", "cache-size": "1G"}.get(name, "1")
    files.write("pytest.ini", f"[pytest]\npaddle_{name.replace('-', '_')} = {other}\n")
    assert getattr(settings_of(files, f"--paddle-{name}={text}"), name.replace("-", "_")) == expected(files, value)


@pytest.mark.parametrize(("name", "bad", "sentence"), BAD, ids=[f"{name}={bad}" for name, bad, _ in BAD])
def test_a_bad_value_on_the_command_line_is_a_usage_error(files: Session, name: str, bad: str, sentence: str) -> None:
    model = () if name == "model" else ("--paddle-model=alexnet",)
    message = files.usage_error(f"--paddle-{name}={bad}", *model)
    assert sentence.format(here=files.path) in message
    assert f"--paddle-{name}" in message
    assert files.calls() == []


@pytest.mark.parametrize(
    ("name", "bad", "sentence"),
    [entry for entry in BAD if entry[0] not in ("model", "weights", "images", "exported", "python") and entry[1] != "none"],
    ids=lambda value: None if " " in value else value,
)
def test_a_bad_value_in_the_ini_file_is_a_usage_error(run: Session, name: str, bad: str, sentence: str) -> None:
    key = f"paddle_{name.replace('-', '_')}"
    run.write("pytest.ini", f"[pytest]\n{key} = {bad}\n")
    assert f"ini value {key}: {sentence}" in run.usage_error()


@pytest.mark.parametrize("name", sorted(SWITCHES))
def test_a_bad_switch_in_the_ini_file_is_a_usage_error(run: Session, name: str) -> None:
    key = f"paddle_{name.replace('-', '_')}"
    run.write("pytest.ini", f"[pytest]\n{key} = maybe\n")
    assert f"ini value {key}: 'maybe' is not true or false" in run.usage_error()


def test_false_in_the_ini_file_is_false(run: Session) -> None:
    run.write("pytest.ini", "[pytest]\npaddle_no_cache = false\n")
    assert settings_of(run).no_cache is False


def test_lists_in_the_ini_file_are_separated_by_blanks(run: Session) -> None:
    run.write("pytest.ini", "[pytest]\npaddle_variant = onednn cpu onednn\npaddle_model = alexnet vgg16\n")
    settings = settings_of(run)
    assert settings.variant == ("onednn", "cpu")
    assert settings.model == ("alexnet", "vgg16")
    assert settings.models_on_command_line == ()


def test_pyproject_values_are_read_too(run: Session) -> None:
    run.write("pyproject.toml", '[tool.pytest.ini_options]\npaddle_threads = "3"\npaddle_variant = ["cpu", "onednn"]\n')
    settings = settings_of(run)
    assert settings.threads == 3
    assert settings.variant == ("cpu", "onednn")


def test_an_empty_ini_value_is_no_value(run: Session) -> None:
    run.write("pytest.ini", "[pytest]\npaddle_threads =\npaddle_model =\n")
    assert settings_of(run).threads == 1


def test_an_ini_key_that_does_not_exist_is_an_error_under_strict_config(run: Session) -> None:
    run.write("pytest.ini", "[pytest]\npaddle_thread = 3\n")
    assert run("--strict-config", "-W", "default").ret == pytest.ExitCode.USAGE_ERROR


def test_the_ini_model_adds_no_items(run: Session) -> None:
    run.write("pytest.ini", "[pytest]\npaddle_model = alexnet\n")
    assert run().ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_help_lists_every_option_and_ini_key(run: Session) -> None:
    text = run("--help").stdout.str()
    for option in OPTIONS:
        assert option.flag in text
        assert option.key in text


def test_the_marker_is_listed_with_its_keys(run: Session) -> None:
    run("--markers").stdout.fnmatch_lines(["@pytest.mark.paddle_infer_parity(model=, variants=, images=,*checkpoints=): run*"])
