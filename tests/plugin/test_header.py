"""The line of the session's header that names Paddle's version, the models, and their variants."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pytest_paddle_infer.distributions import paddle_here
from pytest_paddle_infer.option_table import VARIANTS

if TYPE_CHECKING:
    from conftest import Session

MODEL = "--paddle-model=alexnet"


def test_the_header_says_all_and_which_they_are(run: Session) -> None:
    result = run(MODEL, "--paddle-variant=all", "--collect-only")
    result.stdout.fnmatch_lines([f"paddle {paddle_here()}: alexnet (all: {', '.join(VARIANTS)})"])


def test_the_header_names_the_models_of_marked_tests_once_they_are_known(run: Session) -> None:
    marked = "@pytest.mark.paddle_infer_parity(model={!r}, variants={!r})\ndef test_{}(): pass\n"
    run.write("test_plain.py", "def test_plain(): pass\n")
    assert "paddle " not in run("test_plain.py").stdout.str()
    parts = (marked.format("alexnet", ["cpu", "onednn"], "a"), marked.format("alexnet", ["cpu"], "b"))
    run.write("test_marked.py", "import pytest\n" + "".join(parts))
    run("--collect-only").stdout.fnmatch_lines([f"paddle {paddle_here()}: alexnet (cpu, onednn)"])


def test_no_header_is_printed_where_pytest_prints_none(run: Session) -> None:
    run.write("test_marked.py", "import pytest\n@pytest.mark.paddle_infer_parity(model='alexnet')\ndef test_a(): pass\n")
    for args in ((), (MODEL, "-k", "artifacts")):
        assert f"paddle {paddle_here()}: alexnet" in run(*args).stdout.str()
        assert f"paddle {paddle_here()}: alexnet" not in run("-q", *args).stdout.str()
    assert run.ids() == ["test_marked.py::test_a[alexnet-cpu]"]


def test_the_header_says_whose_paddle_runs_the_inference_engine(run: Session) -> None:
    run.write("test_marked.py", "import pytest\n@pytest.mark.paddle_infer_parity(model='alexnet')\ndef test_a(): pass\n")
    for args, shown in (((), "alexnet (cpu)"), ((MODEL,), "alexnet (auto: cpu)")):
        lines = run("--collect-only", f"--paddle-python={sys.executable}", *args).outlines
        assert f"paddle {paddle_here()}, inference by {sys.executable}: {shown}" in lines


def test_the_header_names_a_model_of_which_only_the_training_engine_is_used(run: Session) -> None:
    run.write(
        "conftest.py",
        "from pytest_paddle_infer import ModelSpec\ndef pytest_paddle_infer_models(config):\n"
        "    return [ModelSpec('mine', factory='nets:a')]\n",
    )
    run.write("test_engine.py", "def test_engine(training_engine): pass\n")
    run("--collect-only").stdout.fnmatch_lines([f"paddle {paddle_here()}: mine"])


OWN = "preprocess=abs, input_spec=[(None, 3, 8, 8)]"


@pytest.mark.parametrize("marked", [False, True], ids=["option", "marker"])
def test_a_size_that_no_program_looks_at_is_said_to_have_no_effect(run: Session, marked: bool) -> None:
    run.write(
        "conftest.py",
        "from pytest_paddle_infer import ModelSpec\ndef pytest_paddle_infer_models(config):\n"
        f"    return [ModelSpec('fixed', factory='nets:a', {OWN}), ModelSpec('own', factory='nets:a', preprocess=abs),\n"
        "            ModelSpec('free', factory='nets:a', input_spec=[(None, 3, 8, 8)])]\n",
    )
    marks = [f"@pytest.mark.paddle_infer_parity(model='{name}')\ndef test_{name}(): pass\n" for name in ("fixed", "own", "free")]
    run.write("test_marked.py", "import pytest\n" + "".join(marks))
    chosen = ("test_marked.py",) if marked else ("paddle-model/fixed", "paddle-model/own", "paddle-model/free")
    told = "--paddle-image-size has no effect on fixed: an own preprocess makes the size that input_spec says"
    assert run("--collect-only", "--paddle-image-size=96", *chosen).outlines.count(told) == 1
    assert "no effect" not in run("--collect-only", *chosen).stdout.str()
    others = [each for each in chosen if "fixed" not in each]
    assert "no effect" not in run("--collect-only", "--paddle-image-size=96", *others, "-k", "own or free").stdout.str()


def test_the_header_names_ten_models_and_counts_the_rest(run: Session) -> None:
    run.write(
        "conftest.py",
        "from pytest_paddle_infer import ModelSpec\ndef pytest_paddle_infer_models(config):\n"
        "    return [ModelSpec(f'mine{number}', factory='nets:a') for number in range(12)]\n",
    )
    (line,) = (line for line in run("--paddle-model=mine*", "--collect-only").outlines if line.startswith("paddle "))
    assert line.endswith(", mine9 (auto: cpu) and 2 more")
