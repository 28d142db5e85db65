"""What a failed checkpoint says of its cause, on planted faults: the stage, the layer, the pass, the setting; and what it costs to ask.

One run asks about every fault; two more, of one fault each, have no time or no wish for a search.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from sessions import Case, Session, assert_red, environment, run_shared

NETS = """
import paddle
from paddle import nn
from tiny import Tiny


class Gelu(nn.Layer):
    approximate = False

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(6, 8), nn.Linear(8, 4)

    def forward(self, x):
        return self.two(nn.functional.gelu(self.one(x), approximate=self.approximate))


class DropsAWrite(nn.Layer):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(6, 8), nn.Linear(8, 4)

    def forward(self, x):
        y = self.one(x)
        y.add_(paddle.ones([1]))
        return self.two(y)


class WithSoftmax(Tiny):
    def forward(self, x):
        return nn.functional.softmax(Tiny.forward(self, x))


class Resized(nn.Layer):  # oneDNN of 3.3.1 refuses to interpolate
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2D(3, 4, 3, padding=1)

    def forward(self, x):
        return nn.functional.interpolate(self.conv(x), scale_factor=2, mode="bilinear")


class Watched(nn.Layer):  # oneDNN of 2.6.2 fuses away what is returned, and dies of that
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.act = nn.Conv2D(3, 8, 3, padding=1), nn.BatchNorm2D(8), nn.ReLU()
        self.head = nn.Sequential(nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(8, 10))

    def forward(self, x):
        middle = self.norm(self.conv(x))
        return middle, self.head(self.act(middle))


def refused():
    return Resized() if paddle.__version__.startswith("3") else Watched()
"""

MAKE = """
import paddle
from make_exports import IMAGE, Tiny, save, with_weights_of
from nets import Gelu

scaled = with_weights_of(Tiny(), "tiny")
scaled.conv2.weight.set_value(scaled.conv2.weight * 1.01)
save(scaled, "scaled")
paddle.seed(5)
net = Gelu()
net.eval()
paddle.save(net.state_dict(), "gelu.pdparams")
net.approximate = True
save(net, "gelu", paddle.static.InputSpec([None, 6], "float32", name="x"))
"""

CONFTEST = """
import os
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from pytest_paddle_infer.engine import worker

if "ASKED" in os.environ:
    submit = worker.Worker.submit

    def told(self, step, method, *args, **more):
        with open(os.environ["ASKED"], "a") as file:
            file.write(f"{method}\\n")
        return submit(self, step, method, *args, **more)

    worker.Worker.submit = told


def training(image):
    pixels = np.asarray(image.convert("RGB").resize((32, 32)), np.float32)
    return np.ascontiguousarray(((pixels / 255 - 0.45) / 0.225).transpose(2, 0, 1), dtype=np.float32)


def bgr(image):
    return np.ascontiguousarray(training(image)[::-1])


def one_further(output):
    frame, names = sys._getframe(), set()
    while frame is not None:
        names.add(type(frame.f_locals.get("self")).__name__)
        frame = frame.f_back
    return int(output.argmax()) + ("InferenceService" in names)


def pytest_paddle_infer_models(config):
    from pytest_paddle_infer import ModelSpec

    def model(name, factory="tiny.py:tiny", **more):
        return ModelSpec(name, factory=f"{HERE}/{factory}", **{"softmax": "no", **more})

    tiny = {"weights": HERE / "tiny.pdparams", "image_size": 32}
    numbers = {"input_spec": [([None, 6], "float32", "x")]}
    return [
        model("scaled", **tiny),
        model("gelu", "nets.py:Gelu", weights=HERE / "gelu.pdparams", **numbers),
        model("reads_training", "tiny.py:reads_training", weights=HERE / "reads_training.pdparams", image_size=32),
        model("softmax", "nets.py:WithSoftmax", **tiny),
        model("drops_a_write", "nets.py:DropsAWrite", **numbers),
        model("bgr", training_preprocess=training, preprocess=bgr, **tiny),
        model("further", postprocess=one_further, **tiny),
        model("refused", "nets.py:refused", input_spec=[([None, 3, 16, 16], "float32", "x")]),
        model("control", **tiny),
    ]
"""

SUITE = """
from pathlib import Path

import pytest

parity = lambda model: pytest.mark.paddle_infer_parity(model=model, variants=["cpu"], checkpoints=["parity"])
EXPORTS = {"scaled": "scaled", "gelu": "gelu", "reads_training": "reads_training_in_train_mode", "softmax": "good"}


@pytest.fixture
def exported_model(request):
    return Path(__file__).parent / "exports" / EXPORTS[request.node.originalname[len("test_"):]]


@parity("scaled")
def test_scaled(): pass


@parity("gelu")
def test_gelu(): pass


@parity("reads_training")
def test_reads_training(): pass


@parity("softmax")
def test_softmax(): pass
"""

OWN = [f"paddle-model/{name}::test_parity[cpu]" for name in ("drops_a_write", "bgr", "further", "control")]
REFUSED = "paddle-model/refused::test_parity[onednn]"
WRITE = "paddle-model.drops_a_write::test_parity[cpu]"


@pytest.fixture
def faulty(made_repo: Path, shared_directory: Path) -> Path:
    """A repo of models with one planted fault each. Made by whoever asks first."""
    target = shared_directory / "diagnosis"
    with FileLock(shared_directory / "diagnosis.lock"):
        if not (target / "made").is_file():
            shutil.copytree(made_repo, target, dirs_exist_ok=True)
            for name, text in {"nets.py": NETS, "make.py": MAKE, "conftest.py": CONFTEST, "test_given.py": SUITE}.items():
                (target / name).write_text(text)
            script = (target / "make_exports.py").read_text()
            (target / "make_exports.py").write_text(script.partition("paddle.save(trained(Tiny(), 1)")[0])  # what it defines
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "make.py"], cwd=target, env=environment(shared_directory / "none", "-"),
                capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
            (target / "made").touch()
    return target


@pytest.fixture
def found(faulty: Path, shared_directory: Path) -> Session:
    """Every fault in one run."""
    args = ["test_given.py", *OWN, REFUSED]
    return Session.shared(shared_directory, "diagnosis", lambda: run_shared(shared_directory, faulty, *args, env=asked("all")))


@pytest.fixture
def hurried(faulty: Path, shared_directory: Path) -> Session:
    """A microsecond for the search: in a millisecond a tiny net may well be asked."""
    args = [*OWN[:1], REFUSED, given_file("scaled"), "--paddle-diagnosis-time=0.000001"]
    return Session.shared(shared_directory, "hurried-diagnosis", lambda: run_shared(shared_directory, faulty, *args))


def asked(name: str, directory: str = "") -> dict[str, str]:
    return {"ASKED": f"{directory or '.'}/asked-{name}"}


def given(model: str) -> str:
    return f"test_{model}[{model}-cpu]"


def given_file(model: str) -> str:
    return f"test_given.py::{given(model)}"


def fact(case: Case, label: str) -> str:
    """What stands behind a label, its folds joined."""
    match = re.search(rf"^  +{label}:(.*(?:\n {{6,}}.*)*)", case.text, re.MULTILINE)
    assert match is not None, f"no {label}:\n{case.text}"
    return " ".join(match[1].split())


def stage(case: Case) -> str:
    """The stage of the text, which junit has as well."""
    assert case.properties["paddle_infer.stage"] == fact(case, "stage")
    return fact(case, "stage")


# -- faults of a given export ------------------------------------------------------------------------------------------


def test_one_layers_weights_are_named_and_proved_by_giving_them_to_dygraph(found: Session) -> None:
    case = assert_red(found, given("scaled"), r"conv2\.weight", r"1\.01|1 %")
    assert stage(case) == "artifacts"
    assert "dygraph with the export's parameters gives the inference engine's answers" in fact(case, "proved")


def test_another_setting_of_an_operator_is_named(found: Session) -> None:
    case = assert_red(found, given("gelu"), "gelu", "approximate")
    assert stage(case) == "export"
    assert "bit for bit" in fact(case, "parameters")
    assert re.search("cpu-noopt is .* limits away", fact(case, "steps"))


def test_an_export_in_train_mode_is_named(found: Session) -> None:
    case = assert_red(found, given("reads_training"), "train mode")
    assert stage(case) == "export"
    assert "eval()" in fact(case, "to do")


def test_a_softmax_that_the_export_lacks_is_named(found: Session) -> None:
    case = assert_red(found, given("softmax"), "softmax")
    assert stage(case) == "export"


# -- faults of the model -----------------------------------------------------------------------------------------------


def test_a_write_that_to_static_drops_is_found_between_the_layers_around_it(found: Session) -> None:
    case = assert_red(found, WRITE, "to_static makes another program of the model", r"between layers: after one \(.*before two \(")
    assert stage(case) == "export"
    assert re.match(
        r"dygraph agrees; to_static is \S+ limits away; jit\.load is \S+ limits away; cpu-noopt is", fact(case, "steps")
    )
    assert "add_" in fact(case, "to do")


def test_bgr_for_rgb_is_named_and_the_engines_are_cleared(found: Session) -> None:
    case = assert_red(found, "bgr::test_parity[cpu]", "BGR")
    assert stage(case) == "preprocess"
    assert "only the preprocessing is at fault" in fact(case, "engines")


def test_answers_that_part_behind_equal_outputs_are_the_postprocessings(found: Session) -> None:
    case = assert_red(found, "further::test_parity[cpu]", "label|class|answer")
    assert stage(case) == "postprocess"


def test_the_pass_that_ends_an_engine_is_named_with_a_workaround_that_ran(found: Session, paddle_version: str) -> None:
    name = "onednn_placement_pass" if paddle_version[0] == "3" else "batch_norm_act_fuse_pass"
    case = assert_red(found, "refused::test_parity[onednn]", f"the optimisation pass {name} (raises|ends the process)")
    assert stage(case) == "optimise"
    assert f'config.delete_pass("{name}")' in fact(case, "to do")
    assert "onednn" in fact(case, "engine")
    assert fact(case, "steps") == "dygraph agrees; cpu-noopt agrees"


# -- what the search costs, and what it must not do ----------------------------------------------------------------------


def test_a_model_without_a_fault_is_green_among_them(found: Session) -> None:
    assert found["control::test_parity[cpu]"].outcome == "passed", found.output


def test_every_failure_fits_on_a_screen_and_says_its_cause_in_junit(found: Session) -> None:
    red = {name: case for name, case in found.cases.items() if case.outcome != "passed"}
    assert len(red) == 8, found.output
    for name, case in red.items():
        assert len(case.text.splitlines()) < 40, case.text
        assert case.properties["paddle_infer.cause"] == case.cause, name


def test_a_search_without_time_leaves_the_failure_and_says_that_nothing_was_run(hurried: Session) -> None:
    case = assert_red(hurried, WRITE, "elements differ by more than")
    assert "paddle_infer.stage" not in case.properties
    assert fact(case, "steps") == "none was run"
    assert "the time was over (--paddle-diagnosis-time)" in fact(case, "excluded")
    died = assert_red(hurried, "refused::test_parity[onednn]", r"the inference engine \(onednn\) (could not|died in)")
    assert stage(died) in ("load", "run")
    assert fact(died, "steps") == "none was run"
    parameters = assert_red(hurried, given("scaled"), "elements differ by more than")
    assert "parameters" not in fact(parameters, "excluded"), "nobody compared them"
    assert {case.outcome for case in hurried.cases.values()} == {"failed"}


def test_a_session_that_wants_no_diagnosis_asks_no_worker_for_one(
    faulty: Path, shared_directory: Path, tmp_path: Path, found: Session
) -> None:
    session = run_shared(
        shared_directory, faulty, *OWN[:1], given_file("gelu"), "--paddle-no-diagnosis", env=asked("none", str(tmp_path))
    )  # fmt: skip
    case = assert_red(session, WRITE, "elements differ by more than")
    assert "steps:" not in case.text
    assert_red(session, given("gelu"), "elements differ by more than")
    searches = {"in_train_mode", "verify", "traced", "loaded", "locate", "with_exported_weights", "export"}
    methods = set((tmp_path / "asked-none").read_text().split())
    assert "observe" in methods | {"answer"}
    assert not methods & searches, methods
    everything = set((faulty / "asked-all").read_text().split())
    assert searches <= everything, searches - everything
