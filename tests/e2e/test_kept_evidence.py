"""A failed parity leaves a folder; the folder shows the failure again, with the plugin and without, here and on the other Paddle."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sessions import Session, assert_red, environment, run_shared

Run = Callable[..., Session]

CONFTEST = """
import ctypes
import os
import signal
from pathlib import Path

import paddle
from paddle import inference

HERE = Path(__file__).parent
PASS = "inplace_pass" if paddle.__version__[0] == "3" else "conv_bn_fuse_pass"


def dies(config): config.enable_custom_device("npu", 0)
def dies_itself(config): ctypes.string_at(0)
def dies_on_a_clone(config): inference.Predictor.clone = lambda *_: os.kill(os.getpid(), signal.SIGSEGV)
def drops_a_pass(config): config.delete_pass(PASS); config.enable_mkldnn()


def pytest_paddle_infer_models(config):
    from pytest_paddle_infer import ModelSpec

    return [
        ModelSpec("tiny", factory=f"{HERE}/tiny.py:tiny", weights=HERE / "tiny.pdparams", image_size=32, softmax="no"),
    ]


def pytest_paddle_infer_variants(config):
    from pytest_paddle_infer import Variant

    own = {"dies": dies, "dies-itself": dies_itself, "dies-on-a-clone": dies_on_a_clone, "drops-a-pass": drops_a_pass}
    return [Variant(name, function) for name, function in own.items()]
"""

SUITE = """
from pathlib import Path

import pytest

EXPORTS = Path(__file__).parent / "exports"


@pytest.fixture
def exported_model(request):
    return EXPORTS / request.param


@pytest.mark.parametrize("exported_model", ["one_layer_changed"], indirect=True)
def test_weights(exported_model, paddle_checkpoints, paddle_model, paddle_variant):
    paddle_checkpoints.parity(paddle_model, paddle_variant)
"""


SHOWS = {"cpu": "outputs", "drops-a-pass": "outputs", "dies": "death", "dies-on-a-clone": "nothing", "dies-itself": "death"}
"""The variants that run, and what their batch shows."""


def answers(command: list[str], cwd: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """What a script says that has no plugin on its path."""
    env = {name: value for name, value in environment(cache, "-").items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def failures(made_repo: Path, shared_directory: Path) -> Session:
    """Five variants of an export with another weight, three of them dead: once for all tests."""

    def make() -> Session:
        repo = shared_directory / "kept-evidence"
        shutil.copytree(made_repo, repo)
        (repo / "conftest.py").write_text(CONFTEST)
        (repo / "test_kept.py").write_text(SUITE)
        variants = [f"--paddle-variant={name}" for name in SHOWS]
        return run_shared(shared_directory, repo, "test_kept.py", "--paddle-artifacts=kept", *variants)

    return Session.shared(shared_directory, "kept-evidence", make)


@pytest.fixture
def kept(failures: Session, shared_directory: Path, tmp_path: Path) -> Path:
    """A copy of the folders that the test may change."""
    shutil.copytree(shared_directory / "kept-evidence" / "kept", tmp_path / "kept")
    return tmp_path / "kept"


def cure(folder: Path, made_repo: Path, graph_name: str) -> None:
    """Puts the export as it should have been into a folder."""
    for name in (graph_name, "inference.pdiparams"):
        (folder / "model" / name).unlink()  # it may be the store's own
        shutil.copy(made_repo / "exports" / "good" / name, folder / "model" / name)


def replayed(name: str) -> str:
    return f"{name}::test_replay"


def test_a_failure_names_the_folder_of_its_evidence(failures: Session, shared_directory: Path) -> None:
    for variant, shows in SHOWS.items():
        text = failures[f"test_weights[tiny-{variant}-one_layer_changed]"].text
        found = re.search(r"^ +kept: +(\S+)$", text, re.MULTILINE)
        assert found is not None, text
        folder = shared_directory / "kept-evidence" / "kept" / f"tiny-{variant}"
        assert found[1] == str(folder)
        verdict = json.loads((folder / "verdict.json").read_text())
        assert verdict["cause"] == text.partition("\n")[0]
        assert verdict["shows"] == shows
    assert not (folder / "inference.npz").exists(), "it came to no answer"


def test_the_script_shows_the_difference_without_the_plugin(kept: Path, cache: Path) -> None:
    """Also the one of a user's own function, from the calls that it made."""
    for name in ("tiny-cpu", "tiny-drops-a-pass"):
        done = answers([sys.executable, "-W", "ignore", "reproduce.py"], kept / name, cache)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "fc.weight in the export is 1.001 times the model's" in done.stdout
        assert re.search(r"^output 0 +[\d.e-]+ +[\d.e-]+ +[\d.e+]+  DIFFERS$", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"^config\.delete_pass\('(inplace_pass|conv_bn_fuse_pass)'\)$", done.stdout, re.MULTILINE), done.stdout
    assert "pytest_paddle_infer" not in (kept / "tiny-cpu" / "reproduce.py").read_text().replace("pytest-paddle-infer", "")


def test_the_script_shows_a_death(kept: Path, cache: Path) -> None:
    done = answers([sys.executable, "-W", "ignore", "reproduce.py"], kept / "tiny-dies", cache)
    assert done.returncode == -signal.SIGABRT, done.stdout + done.stderr
    assert "died in 'load the model': the process died of SIGABRT" in done.stdout
    assert "config.enable_custom_device('npu', 0)" in done.stdout


def test_a_function_that_died_before_its_calls_were_known_is_said_to_be_left_out(kept: Path, cache: Path) -> None:
    done = answers([sys.executable, "-W", "ignore", "reproduce.py"], kept / "tiny-dies-itself", cache)
    assert "left out: what the variant's own function calls: it ended before that was known" in done.stdout


def test_a_replay_is_red_while_the_difference_is_there_and_green_when_it_is_gone(
    kept: Path, made_repo: Path, run_session: Run, graph_name: str, paddle_version: str
) -> None:
    cure(kept / "tiny-drops-a-pass", made_repo, graph_name)
    (kept / "damaged").mkdir()
    (kept / "damaged" / "verdict.json").write_text("{}")
    session = run_session(kept.parent, "--paddle-replay=kept")
    case = assert_red(session, replayed("tiny-cpu"), r"^tiny, cpu: fc\.weight in the export is 1\.001 times the model's")
    assert re.search(r"output: +largest difference [\d.e-]+ of the largest value, limit [\d.e-]+; then [\d.e-]+", case.text), (
        case.text
    )
    assert re.search(rf"Paddle: +{re.escape(paddle_version)} then, {re.escape(paddle_version)} now", case.text)
    assert "export again from the weights under test" in case.text
    assert session[replayed("tiny-drops-a-pass")].outcome == "passed", session.output
    assert "tiny, drops-a-pass no longer differs: " in session.output
    damaged = assert_red(
        session, replayed("damaged"), r"damaged/verdict\.json cannot be read: pytest-paddle-infer wrote no such file\."
    )
    assert "to do:" in damaged.text
    assert_red(session, replayed("tiny-dies"), "died in 'load the model': the process died of SIGABRT")
    itself = assert_red(session, replayed("tiny-dies-itself"), "^tiny, dies-itself: output: . of 5 elements differ")
    assert "died in 'load the model': the process died of SIGSEGV" in " ".join(itself.text.split()), "what failed then"
    assert "the variant's own function" in itself.text, "what was left out"
    assert len(case.text.splitlines()) < 40


def test_what_the_batch_cannot_show_is_undecided_in_a_replay_and_in_the_script(
    kept: Path, made_repo: Path, run_session: Run, graph_name: str, cache: Path
) -> None:
    """It died on a clone, after every sample was answered. Its function is not run again, so it lives, which is no news."""
    cure(kept / "tiny-dies-on-a-clone", made_repo, graph_name)
    session = run_session(kept.parent, "--paddle-replay=kept/tiny-dies-on-a-clone", "-rs")
    assert session[replayed("tiny-dies-on-a-clone")].outcome == "skipped", session.output
    assert "it died after every sample was answered, and these inputs alone never showed that" in session.output
    done = answers([sys.executable, "-W", "ignore", "reproduce.py"], kept / "tiny-dies-on-a-clone", cache)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "died in 'run on a clone': the process died of SIGSEGV" in done.stdout
    assert done.stdout.endswith("so this run tells nothing.\n"), done.stdout


def test_an_array_that_was_changed_is_a_failure_that_says_so(kept: Path, run_session: Run) -> None:
    shutil.copy(kept / "tiny-cpu" / "inference.npz", kept / "tiny-cpu" / "training.npz")
    session = run_session(kept.parent, "--paddle-replay=kept/tiny-cpu")
    assert_red(session, replayed("tiny-cpu"), r"tiny-cpu is damaged: training\.npz is not the file that was kept\.")


# -- the other Paddle --------------------------------------------------------------------------------------------------


@pytest.fixture
def other_python() -> str:
    """The environment of the other Paddle, which `make` puts beside this one."""
    here = Path(sys.prefix)
    other = here.parent / {"paddle3": "paddle26", "paddle26": "paddle3"}.get(here.name, "none") / "bin" / "python"
    if not other.is_file():
        pytest.skip(f"there is no environment with the other Paddle at {other}; `make environments` makes both")
    return str(other)


def test_a_folder_is_replayed_on_the_other_paddle_as_far_as_its_format_allows(
    kept: Path, other_python: str, cache: Path, paddle_version: str
) -> None:
    """Made on 2.6.2 it runs on 3.x; made on 3.x it is refused by 2.6.2 before it dies of it."""
    home = str(Path(__file__).resolve().parents[2])
    env = {**environment(cache, "-"), "PYTHONPATH": os.pathsep.join([home, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)}
    command = [
        other_python,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--paddle-replay=kept/tiny-cpu",
        "--paddle-replay=kept/tiny-drops-a-pass",
    ]
    done = subprocess.run(command, cwd=kept.parent, env=env, capture_output=True, text=True, timeout=120, check=False)
    script = answers([other_python, "-W", "ignore", "reproduce.py"], kept / "tiny-cpu", cache)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 failed" in done.stdout
    assert f"{paddle_version} then, " in done.stdout
    if paddle_version.startswith("2"):
        assert "tiny, cpu: fc.weight in the export is 1.001 times the model's" in done.stdout
        assert "cpu as this Paddle needs it" in done.stdout
        assert script.returncode == 1, script.stdout + script.stderr
        assert "DIFFERS" in script.stdout
    else:
        assert "tiny, cpu: inference.json was written by Paddle 3, and Paddle 2.6.2 would die of SIGSEGV loading it" in done.stdout
        assert script.returncode == 2, script.stdout + script.stderr
        assert "Paddle 2 dies of SIGSEGV" in script.stdout
