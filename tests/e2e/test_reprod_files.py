"""The writing side of reprod_log's files, with the real reprod_log (which imports paddle) in a subprocess."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from pytest_paddle_infer.logs.reprod import read_reprod

pytestmark = pytest.mark.skipif(find_spec("paddle") is None, reason="paddle is not installed")
ROOT = str(Path(__file__).resolve().parents[2])

# One process for all cases, because importing paddle takes seconds. It turns its own warnings into errors after
# paddle is in, among them the ResourceWarning of a file handler left open.
SCRIPT = r"""
import contextlib, gc, io, json, logging, sys, warnings
from pathlib import Path
import numpy as np
import paddle, reprod_log
from pytest_paddle_infer.logs.reprod import read_reprod, write_diff, write_reprod

unraisable = []
sys.unraisablehook = lambda hook: unraisable.append(str(hook.exc_value))
warnings.simplefilter("error")
folder = Path(sys.argv[1])
facts = {}

arrays = {"prob": np.array([[0.25, 0.75]], "float32"), "class_id": np.array([1]), "mask": np.array([True])}
write_reprod(folder / "new" / "deep" / "out.npy", arrays)
write_reprod(folder / "no_suffix", arrays)
facts["loaded by reprod_log"] = sorted(reprod_log.ReprodDiffHelper().load_info(str(folder / "new/deep/out.npy")))
facts["left in new/deep"] = sorted(path.name for path in (folder / "new" / "deep").iterdir())
write_reprod(folder / "map.npy", {"map": np.memmap(folder / "raw", "float32", "w+", shape=(3,))})

refused = {}
for name, value in {"float": 0.5, "numpy number": np.float32(1), "object": np.array([None]),
                    "structured": np.zeros(1, [("a", "f4")]), "list": [1.0]}.items():
    try:
        write_reprod(folder / "new" / "deep" / "out.npy", {"prob": value})
    except TypeError as error:
        refused[name] = str(error)
facts["refused"] = refused
facts["kept after refusal"] = sorted(read_reprod(folder / "new" / "deep" / "out.npy"))

real_save = np.save
def failing(path, data):
    real_save(path, data)
    raise OSError(28, "No space left on device")
np.save = failing
try:
    write_reprod(folder / "new" / "deep" / "out.npy", {"other": np.zeros(3)})
except OSError as error:
    facts["full disk"] = error.strerror
np.save = real_save
facts["kept after full disk"] = sorted(read_reprod(folder / "new" / "deep" / "out.npy"))
facts["left after full disk"] = sorted(path.name for path in (folder / "new" / "deep").iterdir())

class Handler(logging.Handler):
    seen = []
    def emit(self, record):
        self.seen.append(record.getMessage())
handler = Handler()
logging.getLogger().addHandler(handler)
logging.disable(logging.INFO)

a = np.array([[0.25, 0.75]], "float32")
cases = {
    "equal": ({"prob": a}, {"prob": a}),
    "different": ({"prob": a}, {"prob": a + 1}),
    "near": ({"prob": a}, {"prob": a + np.float32(1e-4)}),
    "shape": ({"prob": np.zeros((4, 8)), "id": np.array([1])}, {"prob": np.zeros((4, 7)), "id": np.array([1])}),
    "only shape": ({"prob": np.zeros((4, 8))}, {"prob": np.zeros((4, 7))}),
    "bool": ({"mask": np.array([True]), "id": np.array([1])}, {"mask": np.array([True]), "id": np.array([1])}),
    "string": ({"name": np.array(["cat"])}, {"name": np.array(["cat"])}),
    "empty": ({"prob": np.zeros((0, 3))}, {"prob": np.zeros((0, 3))}),
    "absent": ({"prob": a, "id": np.array([1])}, {"prob": a, "feature": np.array([1])}),
    "transposed": ({"prob": np.arange(6.0).reshape(2, 3)}, {"prob": np.arange(6.0).reshape(2, 3).T}),
    "broadcast": ({"prob": np.zeros((4, 8))}, {"prob": np.zeros((1, 8))}),
    "nan": ({"prob": a * np.nan}, {"prob": a}),
    "inf": ({"prob": a * np.inf}, {"prob": a * np.inf}),
    "dtype": ({"prob": a}, {"prob": a.astype("float64")}),
    "uint8": ({"mask": np.array([3], "uint8")}, {"mask": np.array([5], "uint8")}),
    "nothing": ({}, {}),
}
root = logging.getLogger()
before = (root.handlers[:], root.level, logging.root.manager.disable)
out, err = io.StringIO(), io.StringIO()
with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
    for name, (ours, theirs) in cases.items():
        write_reprod(folder / "t.npy", ours)
        write_reprod(folder / "i.npy", theirs)
        write_diff(folder / "diff" / f"{name}.log", folder / "t.npy", folder / "i.npy",
                   threshold=1e-3 if name == "near" else 1e-6)
facts["printed"] = out.getvalue() + err.getvalue()
facts["logged elsewhere"] = handler.seen
facts["logging as before"] = (root.handlers[:], root.level, logging.root.manager.disable) == before
facts["left in diff"] = sorted(path.name for path in (folder / "diff").iterdir())
facts["cases"] = sorted(f"{name}.log" for name in cases)

# Does reprod_log itself raise where our reason says so, and only there?
raises = {}
for name, (ours, theirs) in cases.items():
    helper = reprod_log.ReprodDiffHelper()
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            helper.compare_info(ours, theirs)
            raises[name] = False
        except Exception:
            raises[name] = True
facts["raises"] = raises
gc.collect()
facts["unraisable"] = unraisable
(folder / "facts.json").write_text(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reprod")
    environment = {**os.environ, "PYTHONPATH": ROOT}
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(folder)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture(scope="module")
def facts(folder: Path) -> dict[str, object]:
    return json.loads((folder / "facts.json").read_text())


def diff(folder: Path, name: str) -> list[str]:
    """The messages of one train_infer_diff.log, without their stamps."""
    text = (folder / "diff" / f"{name}.log").read_text(encoding="utf-8")
    return [line.partition("root INFO: ")[2].strip() for line in text.splitlines()]


def test_a_written_file_is_read_back_by_us_and_by_reprod_log(folder: Path, facts: dict[str, object]):
    read = read_reprod(folder / "new" / "deep" / "out.npy")
    assert facts["loaded by reprod_log"] == sorted(read) == ["class_id", "mask", "prob"]
    np.testing.assert_array_equal(read["prob"], np.array([[0.25, 0.75]], dtype="float32"))
    assert read["prob"].dtype == np.float32


def test_the_path_is_taken_as_it_is_and_nothing_else_is_left(folder: Path, facts: dict[str, object]):
    assert sorted(read_reprod(folder / "no_suffix")) == ["class_id", "mask", "prob"]
    assert facts["left in new/deep"] == ["out.npy"]


def test_a_subclass_of_ndarray_is_written_as_a_plain_array(folder: Path):
    assert read_reprod(folder / "map.npy")["map"].shape == (3,)


def test_a_written_file_has_the_permissions_of_any_new_file(folder: Path):
    (folder / "plain").touch()
    assert (folder / "no_suffix").stat().st_mode == (folder / "plain").stat().st_mode


def test_what_is_no_array_is_refused_by_name_before_the_old_file_is_touched(facts: dict[str, object]):
    refused = facts["refused"]
    assert isinstance(refused, dict)
    assert sorted(refused) == ["float", "list", "numpy number", "object", "structured"]
    assert all(text.startswith("'prob' is ") for text in refused.values())
    assert facts["kept after refusal"] == ["class_id", "mask", "prob"]


def test_a_failed_write_leaves_the_old_file_and_no_litter(facts: dict[str, object]):
    assert facts["full disk"] == "No space left on device"
    assert facts["kept after full disk"] == ["class_id", "mask", "prob"]
    assert facts["left after full disk"] == ["out.npy"]


def test_the_diff_is_reprod_logs_own_report(folder: Path):
    assert diff(folder, "equal") == ["prob:", "mean diff: check passed: True, value: 0.0", "diff check passed"]
    assert diff(folder, "different") == ["prob:", "mean diff: check passed: False, value: 1.0", "diff check failed"]


def test_the_threshold_reaches_reprod_log(folder: Path):
    assert diff(folder, "near")[-1] == "diff check passed"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("shape", "prob: not compared by reprod_log: shapes (4, 8) and (4, 7) differ"),
        ("only shape", "prob: not compared by reprod_log: shapes (4, 8) and (4, 7) differ"),
        ("bool", "mask: not compared by reprod_log: dtype bool has no difference in numpy"),
        ("string", "name: not compared by reprod_log: dtype <U3 has no difference"),
        ("empty", "prob: not compared by reprod_log: shape (0, 3) has no elements"),
        ("absent", "feature: not compared by reprod_log: the training engine's file has no such array"),
    ],
)
def test_what_reprod_log_cannot_compare_is_told_and_never_reads_as_passed(
    folder: Path, facts: dict[str, object], name: str, line: str
):
    messages = diff(folder, name)
    assert line in messages
    assert messages[-1] == "diff check failed"
    assert "diff check passed" not in messages
    raises = facts["raises"]
    assert isinstance(raises, dict)
    assert raises[name]


def test_the_rest_is_still_compared_when_one_array_cannot_be(folder: Path):
    assert diff(folder, "shape")[:2] == ["id:", "mean diff: check passed: True, value: 0.0"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("transposed", "prob: shapes (2, 3) and (3, 2) differ; reprod_log transposed the first"),
        ("broadcast", "prob: shapes (4, 8) and (1, 8) differ; reprod_log broadcast them"),
        ("nan", "prob: there are NaN or Inf values; a NaN difference passes reprod_log's check"),
        ("inf", "prob: there are NaN or Inf values; a NaN difference passes reprod_log's check"),
        ("dtype", "prob: dtypes float32 and float64 differ; reprod_log does not compare dtypes"),
        ("uint8", "mask: dtype uint8: unsigned differences wrap around in reprod_log"),
    ],
)
def test_what_reprod_log_compares_without_noticing_is_told(folder: Path, facts: dict[str, object], name: str, line: str):
    assert diff(folder, name)[-1] == line
    raises = facts["raises"]
    assert isinstance(raises, dict)
    assert not raises[name]


def test_two_files_without_arrays_are_no_pass(folder: Path):
    assert diff(folder, "nothing") == ["neither file holds an array: reprod_log compared nothing", "diff check failed"]


def test_reprod_log_stays_silent_and_logging_is_left_as_it_was(facts: dict[str, object]):
    assert facts["printed"] == ""
    assert facts["logged elsewhere"] == []
    assert facts["logging as before"] is True
    assert facts["unraisable"] == []
    assert facts["left in diff"] == facts["cases"]
