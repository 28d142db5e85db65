"""Markers, ini keys and hooks that are misspelt: pytest passes over the first two, and ends in an INTERNALERROR for the last."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Session

PLAIN = "def test_user(): pass\n"


# -- markers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["paddle_infer_party", "paddle_infer_parities", "paddle_infer", "paddle_infer_checks", "padle_infer_parity", "paddle_parity"],
)
def test_a_marker_that_is_nearly_ours_is_a_usage_error_that_says_which_is_meant(run: Session, name: str) -> None:
    run.write("test_user.py", f"import pytest\n@pytest.mark.{name}(model='alexnet')\ndef test_user(): pass\n")
    message = run.usage_error("-Wignore")
    assert (
        f"ERROR: test_user.py::test_user: there is no marker {name} (did you mean 'paddle_infer_parity'?); no checkpoint would run. "
        "One of your own is registered with the ini key markers."
    ) in message


def test_a_misspelt_marker_is_told_once_however_many_tests_have_it(run: Session) -> None:
    run.write(
        "test_user.py",
        "import pytest\npytestmark = pytest.mark.paddle_infer_party\n@pytest.mark.parametrize('n', range(3))\n"
        "def test_a(n): pass\ndef test_b(): pass\n",
    )
    assert run.usage_error("-Wignore").count("paddle_infer_party") == 1


def test_a_marker_that_the_repo_registers_is_its_own(run: Session) -> None:
    run.write("pytest.ini", "[pytest]\nmarkers =\n    paddle_infer_slow: long ones\n    paddle_infer_party(model): another\n")
    run.write("test_user.py", f"import pytest\n@pytest.mark.paddle_infer_slow\n@pytest.mark.paddle_infer_party(1)\n{PLAIN}")
    run().assert_outcomes(passed=1)


@pytest.mark.parametrize("name", ["parametrized", "parity", "paddle", "inference", "padded", "slow"])
def test_other_markers_are_nobodys_business(run: Session, name: str) -> None:
    run.write("test_user.py", f"import pytest\n@pytest.mark.{name}\n{PLAIN}")
    run("-Wignore").assert_outcomes(passed=1)


def test_a_worker_says_which_marker_is_meant_and_nothing_runs(run: Session) -> None:
    pytest.importorskip("xdist")
    run.write("test_user.py", f"import pytest\n@pytest.mark.paddle_infer_party\n{PLAIN}")
    result = run.apart("-n2", "-Wignore")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["test_user.py::test_user: there is no marker paddle_infer_party (did you mean 'paddle_infer_parity'?)*"]
    )


# -- ini keys ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("paddle_variants", "paddle_variant"),
        ("paddle_infer_variant", "paddle_variant"),
        ("paddle_wieghts", "paddle_weights"),
        ("paddle_batchsize", "paddle_batch_size"),
        ("paddle_image-size", "paddle_image_size"),
        ("paddle_models", "paddle_model"),
    ],
)
@pytest.mark.parametrize("where", ["file", "-o"])
def test_an_ini_key_that_is_nearly_ours_is_a_usage_error_that_says_which_is_meant(
    run: Session, key: str, meant: str, where: str
) -> None:
    run.write("test_user.py", PLAIN)
    run.write("pytest.ini", f"[pytest]\n{key} = 3\n" if where == "file" else "[pytest]\n")
    message = run.usage_error(*(("-o", f"{key}=3") if where == "-o" else ()))
    assert f"ERROR: ini value {key}: no option has that name; did you mean {meant!r}?" in message
    assert message.count(key) == 1


@pytest.mark.parametrize("file", ["pyproject.toml", "setup.cfg"])
def test_the_key_may_stand_in_any_of_the_files(run: Session, file: str) -> None:
    section = "[tool.pytest.ini_options]" if file == "pyproject.toml" else "[tool:pytest]"
    run.write(file, f'{section}\npaddle_variants = "cpu"\n')
    assert "did you mean 'paddle_variant'?" in run.usage_error()


def test_every_wrong_key_is_listed_at_once(run: Session) -> None:
    run.write("pytest.ini", "[pytest]\npaddle_variants = cpu\npaddle_seeds = 1\n")
    message = run.usage_error()
    assert "'paddle_variant'?" in message
    assert "'paddle_seed'?" in message


@pytest.mark.parametrize("key", ["paddle_home", "paddle_unheard_of", "padle_variant", "variants"])
def test_keys_that_are_not_near_are_left_to_pytest(run: Session, key: str) -> None:
    run.write("test_user.py", PLAIN)
    run.write("pytest.ini", f"[pytest]\n{key} = 3\n")
    run("-Wignore").assert_outcomes(passed=1)


def test_a_key_of_another_plugin_is_its_own(run: Session) -> None:
    run.write("test_user.py", PLAIN)
    run.write("conftest.py", "def pytest_addoption(parser): parser.addini('paddle_variants', 'mine')\n")
    run.write("pytest.ini", "[pytest]\npaddle_variants = 3\n")
    run().assert_outcomes(passed=1)


# -- hooks -------------------------------------------------------------------------------------------------------------

HOOK = "import pytest\n{decorator}\ndef {name}(config): return []\n"
NEAR = [
    ("pytest_paddle_infer_model", "did you mean 'pytest_paddle_infer_models'?"),
    ("pytest_paddle_infer_variant", "did you mean 'pytest_paddle_infer_variants'?"),
    ("pytest_padle_infer_models", "did you mean 'pytest_paddle_infer_models'?"),
    ("pytest_paddle_models", "did you mean 'pytest_paddle_infer_models'?"),
    ("pytest_paddle_infer_x", "the hooks are pytest_paddle_infer_models and pytest_paddle_infer_variants."),
]


def hook(run: Session, name: str, file: str = "conftest.py", decorator: str = "") -> str:
    run.write("pytest.ini", "[pytest]\n")
    run.write("test_user.py", PLAIN)
    return str(run.write(file, HOOK.format(name=name, decorator=decorator)))


@pytest.mark.parametrize(("name", "hint"), NEAR)
@pytest.mark.parametrize("args", [(), ("--paddle-model=alexnet",), ("--collect-only",)])
def test_a_misspelt_hook_is_a_usage_error_that_says_which_is_meant(
    run: Session, name: str, hint: str, args: tuple[str, ...]
) -> None:
    file = hook(run, name)
    message = run.usage_error(*args)
    assert f"ERROR: {file}: there is no hook {name}; {hint}" in message
    assert "INTERNALERROR" not in message


@pytest.mark.parametrize(("name", "hint"), NEAR)
def test_a_misspelt_hook_of_a_subdirectory_is_told_too(run: Session, name: str, hint: str) -> None:
    file = hook(run, name, "later/deep/conftest.py")
    run.write("later/deep/test_other.py", PLAIN)
    result = run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {file}: there is no hook {name}; {hint}" in re.sub(r"\s+", " ", result.stderr.str())
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_a_misspelt_hook_that_pytest_would_pass_over_is_told_as_well(run: Session) -> None:
    hook(run, "pytest_paddle_infer_model", decorator="@pytest.hookimpl(optionalhook=True)")
    assert "did you mean 'pytest_paddle_infer_models'?" in run.usage_error()


def test_a_plugin_that_is_loaded_before_ours_is_told_too(run: Session, pytester: pytest.Pytester) -> None:
    file = hook(run, "pytest_paddle_infer_model", "models_plugin.py")
    pytester.syspathinsert()
    assert f"ERROR: {file}: there is no hook pytest_paddle_infer_model; did" in run.usage_error("-p", "models_plugin")


@pytest.mark.parametrize("file", ["conftest.py", "later/deep/conftest.py"])
def test_with_workers_the_hook_that_is_meant_is_said_and_nothing_runs(run: Session, file: str) -> None:
    pytest.importorskip("xdist")
    path = hook(run, "pytest_paddle_infer_model", file)
    run.write("later/deep/test_other.py", PLAIN)
    result = run.apart("-n2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    output = result.stdout.str() + result.stderr.str()
    assert f"{path}: there is no hook pytest_paddle_infer_model; did you mean 'pytest_paddle_infer_models'?" in output
    assert "INTERNALERROR" not in output
    assert "passed" not in output


def test_a_hook_with_a_parameter_that_it_has_not_is_shown_as_it_is_written(run: Session) -> None:
    file = run.write("conftest.py", "def pytest_paddle_infer_models(cfg, request): return []\n")
    run.write("test_user.py", PLAIN)
    said = run.usage_error()
    assert re.search(
        rf"ERROR: {file}: pytest_paddle_infer_models takes (cfg, request|request, cfg), which the hook does not give: "
        r"write def pytest_paddle_infer_models\(config\)\.",
        said,
    )


def test_parameters_of_others_hooks_are_their_business(run: Session) -> None:
    run.write("conftest.py", "def pytest_collection_finish(what): pass\n")
    run.write("test_user.py", PLAIN)
    result = run.apart()
    assert "Argument(s) {'what'}" in result.stderr.str()


@pytest.mark.parametrize("file", ["conftest.py", "later/deep/conftest.py"])
def test_a_hook_of_somebody_else_is_left_alone(run: Session, file: str) -> None:
    hook(run, "pytest_theirs_configure", file, "@pytest.hookimpl(optionalhook=True)")
    run.write("later/deep/test_other.py", PLAIN)
    run().assert_outcomes(passed=2)


def test_a_helper_that_only_looks_like_a_hook_is_none(run: Session) -> None:
    run.write("test_user.py", PLAIN)
    run.write("conftest.py", "import pytest_paddle_infer\npytest_paddle_infer_list = [1]\n")
    run().assert_outcomes(passed=1)
