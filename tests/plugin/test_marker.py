"""@pytest.mark.paddle_infer_parity: which models and variants a test gets, and that its checkpoints run before its body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import pytest

from pytest_paddle_infer.option_table import MARKER_KEYS

if TYPE_CHECKING:
    from conftest import Session

MARK = "@pytest.mark.paddle_infer_parity"


def marked(run: Session, arguments: str, body: str = "pass", signature: str = "") -> None:
    run.write("test_user.py", f"import pytest\n{MARK}({arguments})\ndef test_user({signature}):\n    {body}\n")


def register(run: Session, *names: str) -> None:
    specs = ", ".join(f"ModelSpec({name!r}, factory='nets:make')" for name in names)
    run.write(
        "conftest.py",
        f"from pytest_paddle_infer import ModelSpec\ndef pytest_paddle_infer_models(config):\n    return [{specs}]\n",
    )


def test_the_checkpoints_run_before_the_body_in_their_order(run: Session) -> None:
    marked(run, "model='alexnet'", "import stub_engine; stub_engine._trace(call='body')")
    run().assert_outcomes(passed=1)
    order = [call["call"] for call in run.calls() if call["call"] != "export"]
    assert order == ["artifacts", "parity", "log", "body", "close"]


@pytest.mark.parametrize("planted", ["export", "artifacts", "parity", "log"])
def test_a_failing_checkpoint_keeps_the_body_from_running(run: Session, plant: Callable[..., None], planted: str) -> None:
    marked(run, "model='alexnet'", "import pathlib; pathlib.Path('body').touch()")
    plant(f"alexnet/{planted}")
    result = run()
    result.assert_outcomes(failed=1)
    assert not (run.path / "body").exists()
    result.stdout.fnmatch_lines(
        [f"alexnet*: the {planted} is planted to fail.", "  again: * pytest 'test_user.py::test_user?alexnet-cpu?'"]
    )


def test_variants_become_parameters_with_readable_ids(run: Session) -> None:
    marked(
        run, "model='alexnet', variants=['onednn', 'cpu']", "assert paddle_variant in request.node.name", "request, paddle_variant"
    )
    assert run.ids() == ["test_user.py::test_user[alexnet-onednn]", "test_user.py::test_user[alexnet-cpu]"]
    run().assert_outcomes(passed=2)
    assert [call["variant"] for call in run.calls("parity")] == ["onednn", "cpu"]
    run("test_user.py::test_user[alexnet-cpu]").assert_outcomes(passed=1)


def test_one_variant_may_be_a_plain_text(run: Session) -> None:
    marked(run, "model='alexnet', variants='onednn', checkpoints='log'")
    run().assert_outcomes(passed=1)
    assert run.checkpoints() == ["alexnet/log/onednn"]


def test_a_subset_of_checkpoints_runs_in_their_own_order(run: Session) -> None:
    marked(run, "model='alexnet', checkpoints=['log', 'artifacts']")
    run().assert_outcomes(passed=1)
    assert run.checkpoints() == ["alexnet/artifacts", "alexnet/log/cpu"]


@pytest.mark.parametrize("place", [".", "sub"])
def test_an_id_with_another_variant_is_answered_with_those_that_the_test_has(
    run: Session, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    run.write("pytest.ini", "[pytest]\n")
    run.write(
        f"{place}/test_user.py", f"import pytest\n{MARK}(model='alexnet', variants=['cpu', 'onednn'])\ndef test_user(): pass\n"
    )
    monkeypatch.chdir(run.path / place)
    said = run.usage_error("test_user.py::test_user[alexnet-gpu]")
    assert (
        "ERROR: test_user has no [alexnet-gpu]; it has alexnet-cpu, alexnet-onednn. Variants are chosen by its marker or --paddle-variant."
    ) in said
    run("test_user.py::test_user[alexnet-onednn]").assert_outcomes(passed=1)


def test_an_id_with_another_variant_is_answered_for_a_package_too(run: Session) -> None:
    run.write("pytest.ini", "[pytest]\npythonpath = .\n")
    run.write("pkg/__init__.py", "")
    run.write("pkg/test_user.py", f"import pytest\n{MARK}(model='alexnet')\ndef test_user(): pass\n")
    said = run.usage_error("--pyargs", "pkg.test_user::test_user[alexnet-gpu]")
    assert "test_user has no [alexnet-gpu]; it has alexnet-cpu." in said
    assert "test_user has no [alexnet-gpu]" in run.usage_error("--pyargs", "pkg/test_user.py::test_user[alexnet-gpu]")
    run("--pyargs", "pkg.test_user::test_user[alexnet-cpu]").assert_outcomes(passed=1)


def test_ids_with_labels_of_the_users_own_are_not_guessed(run: Session) -> None:
    run.write(
        "test_user.py",
        f"import pytest\n{MARK}(model='alexnet')\n@pytest.mark.parametrize('own', ['u'])\ndef test_user(own): pass\n"
        f"{MARK}(model='alexnet')\ndef test_other(): pass\n",
    )
    assert "it has" not in run.usage_error("test_user.py::test_user[zz]")
    assert "test_other has no [zz]; it has alexnet-cpu." in run.usage_error("test_user.py::test_other[zz")


def test_what_a_model_may_be_is_told_once_for_all_markers_that_are_wrong(run: Session) -> None:
    tests = "".join(f"{MARK}(model='alexnt{number}')\ndef test_{number}(): pass\n" for number in range(3))
    run.write("test_user.py", f"import pytest\n{tests}")
    said = run.usage_error()
    assert said.count("unknown model 'alexnt") == said.count("Did you mean 'alexnet'?") == 3
    assert said.count("A model is a name from the pytest_paddle_infer_models hook") == 1


def test_where_a_marker_is_wrong_an_id_from_before_is_answered_with_that(run: Session) -> None:
    run.write("test_user.py", f"import pytest\n{MARK}(model='alexnt')\ndef test_user(): pass\n")
    said = run.usage_error("test_user.py::test_user[alexnet-cpu]")
    assert "unknown model 'alexnt'. Did you mean 'alexnet'?" in said


def test_of_many_labels_ten_are_named_and_other_ids_are_pytests_business(run: Session) -> None:
    run.write("test_plain.py", "def test_plain(): pass\n")
    marked(run, "model='alexnet', variants=[f'onednn:threads={n}' for n in range(1, 13)]")
    assert "[x]; it has alexnet-onednn:threads=1, " in (said := run.usage_error("test_user.py::test_user[x]"))
    assert "threads=10 and 2 more. Variants" in said
    assert "it has" not in run.usage_error("test_plain.py::test_plain[x]", "test_user.py")


@pytest.mark.parametrize("none", ["[]", "()"])
def test_no_checkpoint_runs_where_the_marker_only_names_the_model_of_the_fixtures(run: Session, none: str) -> None:
    register(run, "mine", "yours")
    marked(
        run, f"model='yours', checkpoints={none}",
        "assert training_engine.predict(sample_images[0]) == 'training saw drawn-0'; assert paddle_model.name == 'yours'",
        "training_engine, sample_images, paddle_model",
    )  # fmt: skip
    assert run.ids() == ["test_user.py::test_user[yours]"], "nothing here depends on a variant"
    run().assert_outcomes(passed=1)
    assert run.checkpoints() == []
    assert [call["call"] for call in run.calls()] == ["training_engine", "close"]


def test_no_checkpoint_runs_for_each_variant_of_an_engine_either(run: Session) -> None:
    marked(run, "model='alexnet', variants=['cpu', 'onednn'], checkpoints=[]", signature="inference_engine")
    assert run.ids() == ["test_user.py::test_user[alexnet-cpu]", "test_user.py::test_user[alexnet-onednn]"]
    run().assert_outcomes(passed=2)
    assert [call["variant"] for call in run.calls("inference_engine")] == ["cpu", "onednn"]
    assert run.checkpoints() == []


def test_a_marker_without_checkpoints_on_a_test_of_samples_makes_no_engine(run: Session) -> None:
    marked(run, "model='alexnet', checkpoints=[]", signature="sample_images")
    run().assert_outcomes(passed=1)
    assert run.calls() == []


def test_a_class_names_the_model_of_its_fixtures_and_one_test_in_it_runs_the_checkpoints(run: Session) -> None:
    run.write(
        "test_user.py",
        f"import pytest\n{MARK}(model='alexnet', checkpoints=[])\nclass TestUser:\n    def test_a(self, paddle_variant): pass\n"
        "    def test_plain(self): pass\n"
        f"    {MARK}(model='alexnet', checkpoints=['log'])\n    def test_b(self): pass\n",
    )
    run().assert_outcomes(passed=3)
    assert run.checkpoints() == ["alexnet/log/cpu"]


def test_a_test_that_runs_no_checkpoint_and_takes_no_fixture_would_be_a_green_that_tests_nothing(run: Session) -> None:
    marked(run, "model='alexnet', checkpoints=[]")
    said = run.usage_error()
    assert (
        "test_user.py::test_user: @pytest.mark.paddle_infer_parity: checkpoints=[] runs none, and the test takes no fixture" in said
    )
    assert "Take one (inference_engine, training_engine, exported_model, paddle_model, paddle_variant, sample_images, " in said


def test_a_glob_in_the_marker_gives_a_test_a_model(run: Session) -> None:
    marked(run, "model='mobilenet*'")
    assert run.ids() == ["test_user.py::test_user[mobilenet_v1-cpu]", "test_user.py::test_user[mobilenet_v2-cpu]"]


def test_the_users_own_parameters_multiply_with_the_variants(run: Session) -> None:
    run.write(
        "test_user.py",
        f"import pytest\n@pytest.mark.parametrize('n', [1, 2])\n{MARK}(model='alexnet', variants=['cpu', 'onednn'])\n"
        "def test_user(n):\n    assert n in (1, 2)\n",
    )
    run().assert_outcomes(passed=4)
    assert len(run.calls("parity")) == 4


def test_the_users_own_fixtures_and_ours_may_be_asked_for_beside_the_marker(run: Session) -> None:
    marked(
        run, "model='alexnet', variants='onednn'",
        "assert inference_engine.predict(sample_images[0]) == 'inference onednn saw drawn-0'; assert paddle_model.name == 'alexnet'",
        "tmp_path, sample_images, inference_engine, paddle_model",
    )  # fmt: skip
    run().assert_outcomes(passed=1)


def test_a_mark_on_a_class_or_a_module_reaches_every_test_in_it(run: Session) -> None:
    run.write(
        "test_class.py",
        f"import pytest\n{MARK}(model='alexnet')\nclass TestUser:\n    def test_a(self): pass\n    def test_b(self): pass\n",
    )
    run.write("test_module.py", "import pytest\npytestmark = pytest.mark.paddle_infer_parity(model='vgg16')\ndef test_c(): pass\n")
    assert run.ids() == [
        "test_class.py::TestUser::test_a[alexnet-cpu]",
        "test_class.py::TestUser::test_b[alexnet-cpu]",
        "test_module.py::test_c[vgg16-cpu]",
    ]
    run().assert_outcomes(passed=3)


def test_the_nearest_mark_wins(run: Session) -> None:
    run.write(
        "test_user.py",
        f"import pytest\n{MARK}(model='alexnet')\nclass TestUser:\n    {MARK}(model='vgg16')\n    def test_a(self): pass\n",
    )
    assert run.ids() == ["test_user.py::TestUser::test_a[vgg16-cpu]"]


def test_a_mark_on_one_parameter_is_refused_rather_than_ignored(run: Session) -> None:
    run.write(
        "test_user.py",
        "import pytest\n@pytest.mark.parametrize('n', [pytest.param(1, marks=pytest.mark.paddle_infer_parity(model='alexnet'))])\n"
        "def test_user(n): pass\n",
    )
    assert "here no checkpoint would run" in run.usage_error()


# -- without model= ----------------------------------------------------------------------------------------------------


def test_without_a_model_the_test_runs_for_every_model_of_the_command_line(run: Session) -> None:
    marked(run, "")
    assert run.ids("--paddle-model=mobilenet*", "--paddle-model=vgg16")[:3] == [
        "test_user.py::test_user[mobilenet_v1-cpu]",
        "test_user.py::test_user[mobilenet_v2-cpu]",
        "test_user.py::test_user[vgg16-cpu]",
    ]


def test_without_a_model_the_ini_file_says_which(run: Session) -> None:
    marked(run, "")
    run.write("pytest.ini", "[pytest]\npaddle_model = vgg16\n")
    run().assert_outcomes(passed=1)
    assert run.checkpoints() == ["vgg16/artifacts", "vgg16/parity/cpu", "vgg16/log/cpu"]


def test_without_a_model_the_one_registered_is_meant(run: Session) -> None:
    marked(run, "")
    register(run, "mine")
    assert run.ids() == ["test_user.py::test_user[mine-cpu]"]


def test_a_bare_mark_without_brackets_works_too(run: Session) -> None:
    register(run, "mine")
    run.write("test_user.py", f"import pytest\n{MARK}\ndef test_user(): pass\n")
    run().assert_outcomes(passed=1)


def test_without_any_model_it_says_what_to_do(run: Session) -> None:
    marked(run, "")
    message = run.usage_error()
    assert (
        "test_user.py::test_user: which model? Give @pytest.mark.paddle_infer_parity(model=...), with checkpoints=[] where the test only "
        "wants the engines, --paddle-model, or the ini key paddle_model; "
    ) in message
    assert "pytest_paddle_infer_models registers none." in message
    register(run, "mine", "yours")
    assert "registered are mine, yours." in run.usage_error()


def test_a_test_that_only_asks_for_a_fixture_gets_its_model_by_the_same_rule(run: Session) -> None:
    run.write("test_user.py", "def test_user(training_engine, sample_images):\n    training_engine.predict(sample_images[0])\n")
    assert "which model?" in run.usage_error()
    register(run, "mine")
    run().assert_outcomes(passed=1)
    assert run.ids() == ["test_user.py::test_user[mine]"]


# -- validation --------------------------------------------------------------------------------------------------------

KEYS = ", ".join(MARKER_KEYS)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("modl='alexnet'", f"unknown key 'modl' (did you mean 'model'?); the keys are {KEYS}."),
        (
            "model='alexnet', variant='cpu', seed=1",
            f"unknown key 'seed', 'variant' (did you mean 'variants'?); the keys are {KEYS}.",
        ),
        (
            "model='alexnet', checkpoints=['partiy']",
            "checkpoints=['partiy'] (did you mean 'parity'?): choose from artifacts, parity, log",
        ),
        ("'alexnet'", "takes keywords only, such as model='alexnet'."),
        ("model=5", "model=5 is not a name"),
        ("model='alexnt'", "unknown model 'alexnt'. Did you mean 'alexnet'?"),
        ("variants=['gpu9']", "variants: 'gpu9' is not a variant (did you mean 'gpu'?); choose from cpu, cpu-noopt, onednn,"),
        ("variants=[]", "variants=[] is not a list of names, as for --paddle-variant"),
        ("variants=5", "variants=5 is not a list of names, as for --paddle-variant"),
        ("variants=[['cpu']]", "variants=[['cpu']] is not a list of names, as for --paddle-variant"),
        ("checkpoints=['speed']", "checkpoints=['speed']: choose from artifacts, parity, log; [] is none of them."),
        ("checkpoints=''", "checkpoints='': choose from artifacts, parity, log"),
        ("checkpoints={}", "checkpoints={}: choose from artifacts, parity, log"),
        ("checkpoints=None", "checkpoints=None: choose from artifacts, parity, log"),
        ("rtol='small'", "rtol: 'small' is not a finite number from 0"),
        ("atol=-1", "atol: '-1' is not a finite number from 0"),
        ("atol=float('nan')", "atol: 'nan' is not a finite number from 0"),
        ("batch_size=0", "batch_size: '0' is not a whole number from 1"),
        ("batch_size=2.5", "batch_size: '2.5' is not a whole number from 1"),
        ("batch_size=True", "batch_size: 'True' is not a whole number from 1"),
        ("softmax='maybe'", "softmax: 'maybe' is not one of auto, yes, no"),
        ("softmax=1", "softmax: 1 is not one of auto, yes, no"),
        ("input_spec=5", "input_spec=5 is not a list with one entry an input"),
        ("input_spec='x'", "input_spec='x' is not a list with one entry an input"),
        ("input_spec=['x']", "input_spec: 'x' is not an input; write a shape such as [None, 3, 224, 224]"),
        ("input_spec=[None, 3, 224, 224]", "input_spec: None is not an input; write a shape such as [None, 3, 224, 224]"),
        ("model='alexnet', input_spec=[]", "input_spec must be a list with one entry an input"),
        ("model='alexnet', preprocess=5", "preprocess 5 is not callable"),
        ("model='alexnet', training_preprocess='f'", "training_preprocess 'f' is not callable"),
        ("model='alexnet', postprocess=5", "postprocess 5 is not callable"),
        ("model='alexnet', training_postprocess=5", "training_postprocess 5 is not callable"),
        ("model='alexnet', images=5", "images 5 is neither a path nor a list of samples"),
    ],
)
def test_a_wrong_argument_is_one_usage_error_that_names_the_right_ones(run: Session, arguments: str, sentence: str) -> None:
    marked(run, arguments)
    message = run.usage_error()
    assert f"test_user.py::test_user: {sentence}" in message or f"paddle_infer_parity: {sentence}" in message or sentence in message
    assert message.count("test_user.py::test_user: ") == 1
    assert run.calls() == []


@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        ("batch_size=3", {"batch_size": 3}),
        ("softmax=False", {"softmax": "no"}),
        ("rtol=1e-3, atol=0", {"rtol": 1e-3, "atol": 0.0}),
        ("rtol=None, softmax=None, images=None, input_spec=None", {"rtol": None, "softmax": "auto"}),
        ("input_spec=[[None, 3, 32, 48]]", {"inputs": [[None, 3, 32, 48]]}),
        ("input_spec=[([None, 8], 'int64', 'ids'), [2, 2]]", {"inputs": [[None, 8], [2, 2]]}),
        ("images=[[1.0], [2.0]]", {"samples": ["sample-0", "sample-1"]}),
        ("preprocess=len, postprocess=len, training_preprocess=len, training_postprocess=len", {"model": "alexnet"}),
    ],
)
def test_a_right_argument_reaches_the_engine(run: Session, arguments: str, seen: dict[str, Any]) -> None:
    marked(run, f"model='alexnet', {arguments}")
    run().assert_outcomes(passed=1)
    (call,) = run.calls("parity")
    assert {name: call[name] for name in seen} == seen


def test_every_wrong_marker_is_listed_at_once_and_nothing_runs(run: Session) -> None:
    run.write("test_a.py", f"import pytest\n{MARK}(modl=1)\ndef test_a(): pass\n")
    run.write(
        "test_b.py",
        f"import pytest\n{MARK}(model='alexnet', variants=[])\ndef test_b(): pass\ndef test_good(): raise SystemExit('ran')\n",
    )
    message = run.usage_error()
    assert "test_a.py::test_a: " in message
    assert "test_b.py::test_b: " in message
    assert "ran" not in message.split()


def test_a_wrong_marker_is_found_while_collecting_only(run: Session) -> None:
    marked(run, "modl=1")
    assert "unknown key 'modl'" in run.usage_error("--collect-only")


def test_a_test_case_method_is_refused_because_no_checkpoint_would_run(run: Session) -> None:
    run.write(
        "test_user.py",
        f"import pytest, unittest\nclass TestUser(unittest.TestCase):\n    {MARK}(model='alexnet')\n    def test_a(self): pass\n",
    )
    message = run.usage_error()
    assert "test_user.py::TestUser::test_a: @pytest.mark.paddle_infer_parity works on test functions and methods" in message


def test_a_skipped_or_expected_failure_keeps_its_meaning(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/parity")
    run.write(
        "test_user.py",
        f"import pytest\n@pytest.mark.skip\n{MARK}(model='alexnet')\ndef test_a(): pass\n"
        f"@pytest.mark.xfail(strict=True)\n{MARK}(model='alexnet')\ndef test_b(): pass\n",
    )
    run().assert_outcomes(skipped=1, xfailed=1)
    assert len(run.calls("parity")) == 1
