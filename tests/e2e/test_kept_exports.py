"""The store through whole runs: what makes a new key, what is kept, what is noticed and rebuilt, and what a failing disk says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sessions import Session, assert_green, assert_red, environment

Run = Callable[..., Session]

ARTIFACTS = "paddle-model/tiny::test_artifacts"


def entries(cache: Path) -> dict[str, int]:
    """Key -> mtime in ns of the kept parameters: two exports of one model differ in it, and in nothing else."""
    store = cache / "pytest-paddle-infer"
    found = (path for path in store.iterdir() if (path / "record.json").is_file() and (path / "inference.pdiparams").is_file())
    return {path.name: (path / "inference.pdiparams").stat().st_mtime_ns for path in found}


def kept(cache: Path) -> Path:
    (key,) = entries(cache)
    return cache / "pytest-paddle-infer" / key / "inference.pdiparams"


def test_an_unchanged_model_uses_the_kept_export_and_a_changed_source_does_not(repo: Path, cache: Path, run_session: Run) -> None:
    assert_green(run_session(repo, ARTIFACTS), 1)
    first = entries(cache)
    assert len(first) == 1
    assert_green(run_session(repo, ARTIFACTS), 1)
    assert entries(cache) == first, "the kept export was used"
    source = repo / "tiny.py"
    source.write_text(source.read_text().replace("relu(self.bn2", "relu6(self.bn2"))
    assert_green(run_session(repo, ARTIFACTS, "paddle-model/tiny::test_parity[cpu]"), 2)
    after = entries(cache)
    assert len(after) == 2
    assert first.items() < after.items()


KEYS = """
import json
import os
import sys
import traceback
import zlib  # before Paddle 2.6.2, or zlib.compress dies of SIGSEGV
from pathlib import Path
from types import SimpleNamespace

import paddle

from pytest_paddle_infer import ModelSpec
from pytest_paddle_infer.engine.identity import export_key
from pytest_paddle_infer.engine.model import load_model
from pytest_paddle_infer.factories import load_factory
from pytest_paddle_infer.sampling import samples_of

HERE = Path.cwd()
SOURCE = Path("tiny.py").read_text()
keys = {}


def key_of(name, source=SOURCE, factory="tiny", change=None, **more):
    receive, send = os.pipe()
    if os.fork() == 0:
        try:
            Path("tiny.py").write_text(source)
            spec = ModelSpec("tiny", **{"factory": f"tiny.py:{factory}", "image_size": 32, "weights": "tiny.pdparams", **more})
            model = load_model(spec, samples_of(spec, HERE, HERE), HERE, 1)
            if change:
                change(model.layer)
            os.write(send, export_key(model, load_factory(spec, HERE)).encode())
        except BaseException:
            os.write(send, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(send)  # or the read below waits for a child that died
    keys[name] = os.fdopen(receive).read()
    os.wait()
    Path("tiny.py").write_text(SOURCE)


def set_weight(layer):
    weight = dict(layer.named_parameters())["net.conv1.weight"].numpy()
    weight.flat[0] = weight.flat[0] + 1e-6
    dict(layer.named_parameters())["net.conv1.weight"].set_value(weight)


def set_statistics(layer):
    layer.net.bn1._mean.set_value(layer.net.bn1._mean + 1e-6)


def attribute(value):
    return lambda layer: setattr(layer.net, "scale", value)


key_of("unchanged")
key_of("again")
key_of("other_name_of_the_model", images=None, batch_size=4, rtol=1e-3)
key_of("forward_changed", SOURCE.replace("relu(self.bn1", "relu6(self.bn1"))
key_of("softmax_off", softmax="no")
key_of("other_input_size", input_spec=[[None, 3, 48, 48]], image_size=48)
key_of("fixed_batch", input_spec=[[1, 3, 32, 32]])
key_of("weights_changed", change=set_weight)
key_of("statistics_changed", change=set_statistics)
key_of("attribute_1", change=attribute(1))
key_of("attribute_2", change=attribute(2))
key_of("attribute_list", change=attribute([1, {"a": 2}]))
key_of("attribute_function", change=attribute(paddle.nn.functional.relu))
key_of("attribute_function_2", change=attribute(paddle.nn.functional.gelu))
key_of("attribute_object", change=attribute(SimpleNamespace(factor=1)))
key_of("attribute_object_2", change=attribute(SimpleNamespace(factor=2)))
key_of("attribute_name", change=lambda layer: setattr(layer.net, "act_name", "relu"))
key_of("attribute_name_2", change=lambda layer: setattr(layer.net, "act_name", "gelu"))
key_of("counting_name", change=lambda layer: setattr(layer.net, "_own_name", "tiny_7"))
key_of("random_seed_0", weights=None)
key_of("random_seed_1", weights=None, seed=1)
twin = SOURCE + "\\n\\nclass Twin(Tiny):\\n    def forward(self, x):\\n        return Tiny.forward(self, x) * 2\\n"
key_of("class_of_the_same_parameters", twin, "Twin")
key_of("its_neighbour", twin, "Tiny")
print(json.dumps(keys))
"""


@pytest.fixture
def keys(repo: Path, cache: Path) -> dict[str, str]:
    """Name of a change -> the key of the model after it, each in a process of its own, in one place on disk."""
    (repo / "keys.py").write_text(KEYS)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "keys.py"], cwd=repo, capture_output=True, text=True, env=environment(cache, "-"),
        timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_new_key_comes_from_every_change_that_changes_the_export_and_from_no_other(keys: dict[str, str]) -> None:
    assert all(len(key) == 64 for key in keys.values()), keys
    same = {name for name, key in keys.items() if key == keys["unchanged"]}
    assert same == {"unchanged", "again", "other_name_of_the_model", "counting_name"}
    changed = {name: key for name, key in keys.items() if name not in same}
    assert len(set(changed.values())) == len(changed), {n: k[:8] for n, k in changed.items()}


@pytest.mark.parametrize("damage", ["bit", "cut", "deleted"])
def test_a_damaged_entry_is_noticed_rebuilt_and_said(repo: Path, cache: Path, run_session: Run, damage: str) -> None:
    assert_green(run_session(repo, ARTIFACTS), 1)
    path = kept(cache)
    good = path.read_bytes()
    path.chmod(0o644)
    if damage == "bit":
        path.write_bytes(good[:-40] + bytes([good[-40] ^ 1]) + good[-39:])
    elif damage == "cut":
        path.write_bytes(good[:-7])
    else:
        path.unlink()
    session = run_session(repo, ARTIFACTS, "paddle-model/tiny::test_parity[cpu]")
    assert_green(session, 2)
    assert "tiny: the kept export was damaged and was made anew (inference.pdiparams: " in session.output, session.output
    assert kept(cache).read_bytes() == good
    assert not list((cache / "pytest-paddle-infer" / "tmp").iterdir())


def test_no_cache_keeps_nothing_and_export_dir_leaves_the_files(repo: Path, cache: Path, graph_name: str, run_session: Run) -> None:
    assert_green(run_session(repo, ARTIFACTS, "--paddle-no-cache", "--paddle-export-dir=out"), 1)
    assert not (cache / "pytest-paddle-infer").exists()
    names = sorted(path.name for path in (repo / "out" / "tiny").iterdir())
    assert {graph_name, "inference.pdiparams"} <= set(names)
    assert all(name.startswith("inference.") for name in names), names
    for place in ("out/tiny", "out"):  # of one model, and of all
        assert_green(run_session(repo, "--paddle-model=tiny", f"--paddle-exported={place}"), 3)


def test_a_cache_directory_that_cannot_be_made_is_one_sentence_before_any_test(repo: Path, run_session: Run) -> None:
    (repo / "file").touch()
    session = run_session(repo, ARTIFACTS, "--paddle-cache-dir=file/below")
    assert session.returncode == 4
    assert not session.cases
    assert "ERROR: --paddle-cache-dir: " in session.output
    assert "is not a directory; give a directory that can be written." in session.output


def test_a_disk_that_takes_half_of_the_parameters_is_a_failed_export_and_not_a_kept_one(
    repo: Path, cache: Path, run_session: Run
) -> None:
    """`jit.save` reports success when a write stops short (RLIMIT_FSIZE stands for a full disk)."""
    (repo / "conftest.py").write_text(
        (repo / "conftest.py").read_text()
        + """
import os
import resource

if "LIMIT" in os.environ:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ["LIMIT"]),) * 2)
"""
    )
    (repo / "wide.py").write_text("from tiny import Tiny\n\n\ndef wide():\n    return Tiny(channels=96)\n")
    from PIL import Image

    Image.radial_gradient("L").convert("RGB").save(repo / "one.png")
    args = ["--paddle-model=wide.py:wide", "--paddle-image-size=32", "--paddle-images=one.png"]
    session = run_session(repo, *args, env={"LIMIT": str(200_000)})
    assert_red(session, "::test_artifacts", "paddle.jit.save wrote an export that is not whole|No space left|File too large|bytes")
    assert entries(cache) == {}
    assert_green(run_session(repo, *args), 3)


def test_two_models_of_one_file_with_equal_parameters_do_not_share_an_export(repo: Path, cache: Path, run_session: Run) -> None:
    (repo / "twins.py").write_text("""
from tiny import Tiny


class Twin(Tiny):
    def forward(self, x):
        return Tiny.forward(self, x) * 2
""")
    session = run_session(
        repo, "--paddle-model=twins.py:Tiny", "--paddle-model=twins.py:Twin", "--paddle-image-size=32", "--paddle-softmax=no"
    )
    assert_green(session, 6)
    assert len(entries(cache)) == 2


def test_what_forward_reads_behind_the_keys_back_is_no_stale_green(repo: Path, cache: Path, run_session: Run) -> None:
    """The export and the reference are kept, the file that forward reads is in no key: the live training engine must still count."""
    (repo / "factor.txt").write_text("1.0")
    (repo / "reads.py").write_text("""
from pathlib import Path

from tiny import Tiny


class Reads(Tiny):
    def forward(self, x):
        return Tiny.forward(self, x) * float(Path("factor.txt").read_text())
""")
    args = ("--paddle-model=reads.py:Reads", "--paddle-image-size=32", "--paddle-softmax=no")
    assert_green(run_session(repo, *args), 3)
    (repo / "factor.txt").write_text("1.5")
    session = run_session(repo, *args)
    assert session["::test_parity[cpu]"].outcome == "failed", session.output


def test_an_export_that_is_made_anew_between_two_tests_is_checked_anew(repo: Path, run_session: Run) -> None:
    (repo / "test_twice.py").write_text("""
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def exported_model(request):
    current = Path("current")
    shutil.rmtree(current, ignore_errors=True)
    shutil.copytree(f"exports/{request.node.originalname.removeprefix('test_')}", current)
    return current


@pytest.mark.paddle_infer_parity(model="tiny", softmax="no")
def test_good():
    pass


@pytest.mark.paddle_infer_parity(model="tiny", softmax="no")
def test_another_run():
    pass
""")
    session = run_session(repo, "test_twice.py")
    outcomes = {name: case.outcome for name, case in session.cases.items()}
    assert [outcome for name, outcome in outcomes.items() if "test_good" in name] == ["passed"], session.output
    assert [outcome for name, outcome in outcomes.items() if "test_another_run" in name] != ["passed"], session.output
    assert "another run's weights" in session.output


SPIES_ON_INVARIANCE = """
import os
from pathlib import Path

from pytest_paddle_infer.engine import services

HERE = Path(__file__).parent
together = services.EngineService.together
asked = {name: getattr(services.InferenceService, name) for name in ("asked_twice", "in_a_batch")}


def counted(name, word):
    def method(self, *args):
        with open(HERE / "asked.txt", "a") as stream:
            stream.write(word)
        return asked[name](self, *args)

    setattr(services.InferenceService, name, method)


def shifted(self, one, two):
    outputs = together(self, one, two)
    return [array + 0.1 for array in outputs] if isinstance(self, services.InferenceService) else outputs


counted("asked_twice", "twice\\n")
counted("in_a_batch", "everything\\n")
if "COUPLE" in os.environ:
    services.EngineService.together = shifted
"""


def test_what_did_not_matter_to_the_engine_is_asked_again_only_when_something_changed(repo: Path, run_session: Run) -> None:
    (repo / "conftest.py").write_text((repo / "conftest.py").read_text() + SPIES_ON_INVARIANCE)
    parity = "paddle-model/tiny::test_parity[cpu]"

    def asked(*args: str, **options: object) -> str:
        (repo / "asked.txt").unlink(missing_ok=True)
        assert_green(run_session(repo, parity, *args, **options), 1)
        return (repo / "asked.txt").read_text().split()[-1]

    assert asked() == "everything"
    assert asked() == "twice"
    assert asked("--paddle-rtol=1e-4") == "everything"
    assert asked("--paddle-threads=2") == "everything"
    assert asked(env={"FLAGS_use_stride_kernel": "0"}) == "everything"
    assert asked("--paddle-no-cache") == "everything"
    assert asked() == "twice"


def test_an_engine_that_couples_a_batch_is_red_and_nothing_is_kept_of_it(repo: Path, run_session: Run) -> None:
    (repo / "conftest.py").write_text((repo / "conftest.py").read_text() + SPIES_ON_INVARIANCE)
    for _ in range(2):
        session = run_session(repo, "paddle-model/tiny::test_parity[cpu]", env={"COUPLE": "1"})
        assert_red(session, "::test_parity[cpu]", "answers the same sample differently inside a batch")
    assert (repo / "asked.txt").read_text().split() == ["twice", "everything"] * 2
