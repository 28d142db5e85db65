"""Command line > marker > ModelSpec > ini > default, as the engine is asked in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Session

# option, (command line, marker, ModelSpec, ini) as written, and the five values that come of them
LAYERS: list[tuple[str, tuple[str, str, str, str], tuple[Any, ...]]] = [
    ("batch-size", ("5", "4", "3", "2"), (5, 4, 3, 2, 1)),
    ("softmax", ("no", "'yes'", "'auto'", "no"), ("no", "yes", "auto", "no", "auto")),
    ("rtol", ("0.5", "0.25", "0.125", "0.0625"), (0.5, 0.25, 0.125, 0.0625, None)),
    ("atol", ("0.5", "0.25", "0.125", "0.0625"), (0.5, 0.25, 0.125, 0.0625, None)),
    ("seed", ("5", "", "3", "2"), (5, None, 3, 2, 0)),
    ("image-size", ("160", "", "96", "64"), (160, None, 96, 64, 224)),
]


@pytest.mark.parametrize(
    ("name", "texts", "values", "level"),
    [
        pytest.param(*layer, level, id=f"{layer[0]}-{name}")
        for layer in LAYERS
        for level, name in enumerate(("command line", "marker", "spec", "ini", "default"))
        if level != 1 or layer[1][1]  # seed and image_size are no keys of the marker
    ],
)
def test_each_level_wins_over_those_below(
    run: Session, name: str, texts: tuple[str, str, str, str], values: tuple[Any, ...], level: int
) -> None:
    key = name.replace("-", "_")
    line, mark, spec, ini = texts
    in_marker = f", {key}={mark}" if level <= 1 and mark else ""
    in_spec = f", {key}={spec}" if level <= 2 else ""
    run.write("pytest.ini", f"[pytest]\npaddle_{key} = {ini}\n" if level <= 3 else "[pytest]\n")
    run.write(
        "conftest.py",
        f"""
from pytest_paddle_infer import ModelSpec
def pytest_paddle_infer_models(config):
    return [ModelSpec("mine", factory="nets:make"{in_spec})]
""",
    )
    run.write("test_user.py", f"import pytest\n@pytest.mark.paddle_infer_parity(model='mine'{in_marker})\ndef test_user(): pass\n")
    run(*([f"--paddle-{name}={line}"] if level == 0 else [])).assert_outcomes(passed=1)
    attribute = "size" if name == "image-size" else key
    assert {call[attribute] for call in run.calls() if "model" in call} == {values[level]}


@pytest.mark.parametrize(
    ("line", "mark", "ini", "variants"),
    [
        ("onednn", "cpu", "cpu", ["onednn"]),
        ("", "onednn", "cpu", ["onednn"]),
        ("", "", "onednn cpu", ["onednn", "cpu"]),
        ("", "", "", ["cpu"]),
    ],
)
def test_variants_follow_command_line_marker_ini_default(run: Session, line: str, mark: str, ini: str, variants: list[str]) -> None:
    run.write("pytest.ini", f"[pytest]\npaddle_variant = {ini}\n")
    argument = f", variants=['{mark}']" if mark else ""
    run.write(
        "test_user.py", f"import pytest\n@pytest.mark.paddle_infer_parity(model='alexnet'{argument})\ndef test_user(): pass\n"
    )
    run(*([f"--paddle-variant={line}"] if line else [])).assert_outcomes(passed=len(variants))
    assert [call["variant"] for call in run.calls("parity")] == variants


def test_a_tolerance_on_the_command_line_replaces_both_of_the_marker(run: Session) -> None:
    run.write("test_user.py", "import pytest\n@pytest.mark.paddle_infer_parity(model='alexnet', atol=1.0)\ndef test_user(): pass\n")
    run("--paddle-rtol=0.001").assert_outcomes(passed=1)
    (call,) = run.calls("parity")
    assert (call["rtol"], call["atol"]) == (0.001, None)


def test_the_command_lines_weights_win_over_those_of_the_registered_model(run: Session) -> None:
    weights = run.write("mine.pdparams", "")
    run.write("other.pdparams", "")
    run.write(
        "conftest.py",
        """
from pytest_paddle_infer import ModelSpec
def pytest_paddle_infer_models(config):
    return [ModelSpec("mine", factory="nets:make", weights="other.pdparams")]
""",
    )
    run("--paddle-model=mine", "--paddle-weights=mine.pdparams").assert_outcomes(passed=3)
    assert run.calls("parity")[0]["weights"] == str(weights)


def test_relative_weights_of_a_registered_model_start_at_the_rootdir(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    run.write("pytest.ini", "[pytest]\n")
    run.write("sub/keep", "")
    run.write(
        "conftest.py",
        """
from pytest_paddle_infer import ModelSpec
def pytest_paddle_infer_models(config):
    return [ModelSpec("mine", factory="nets:make", weights="w.pdparams"), ModelSpec("own", factory="nets:make", weights="factory")]
""",
    )
    monkeypatch.chdir(run.path / "sub")
    run("--paddle-model=mine", "--paddle-model=own").assert_outcomes(passed=6)
    assert [call["weights"] for call in run.calls("artifacts")] == [str(run.path / "w.pdparams"), "factory"]


def test_engine_options_reach_the_engine(run: Session) -> None:
    run(
        "--paddle-model=alexnet", "--paddle-threads=3", "--paddle-timeout=7", "--paddle-warmup=1", "--paddle-repeats=4",
        "--paddle-cache-dir=kept", "--paddle-cache-size=0", "--paddle-export-dir=copy", "--paddle-output-dir=logs",
        "--paddle-autolog=auto_log",
    ).assert_outcomes(passed=3)  # fmt: skip
    options = run.calls("parity")[0]["options"]
    here = str(run.path)
    assert {name: options[name] for name in ("threads", "timeout", "warmup", "repeats", "autolog", "cache_size")} == {
        "threads": 3, "timeout": 7.0, "warmup": 1, "repeats": 4, "autolog": "auto_log", "cache_size": None,
    }  # fmt: skip
    assert options["cache_dir"] == f"{here}/kept"
    assert options["export_dir"] == f"{here}/copy"
    assert options["output_dir"] == f"{here}/logs"
    assert options["exported"] is None


def test_the_cache_is_in_the_users_cache_directory_unless_told_otherwise(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def cache(*args: str) -> str:
        run("--paddle-model=alexnet", *args).assert_outcomes(passed=3)
        return str(run.calls("parity")[-1]["options"]["cache_dir"])

    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache() == "/xdg/pytest-paddle-infer"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert cache() == "/home/me/.cache/pytest-paddle-infer"
    run_own = cache("--paddle-no-cache")
    assert not run_own.startswith("/home/me")
    assert run_own.endswith("/paddle-infer/exports")
