"""pytest_paddle_infer_models: what it registers, and when it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest
    from conftest import Session

HOOK = """
from pytest_paddle_infer import ModelSpec
def pytest_paddle_infer_models(config):
    with open("called", "a") as file:
        file.write("x")
    return {returned}
"""


def hook(run: Session, returned: str, name: str = "conftest.py") -> None:
    run.write(name, HOOK.format(returned=returned))


def test_registered_models_are_known_by_name_and_glob_and_come_before_the_zoo(run: Session) -> None:
    hook(
        run,
        "[ModelSpec('mine_a', factory='nets:a'), ModelSpec('mine_b', factory='nets:b'), ModelSpec('alexnet', factory='nets:c')]",
    )
    run("--paddle-model=mine*", "--paddle-model=alexnet").assert_outcomes(passed=9)
    assert [call["model"] for call in run.calls("artifacts")] == ["mine_a", "mine_b", "alexnet"]
    assert "Known models: mine_a, mine_b, alexnet, mobilenet_v1" in run.usage_error("--paddle-model=zzz*")


def test_a_registered_model_brings_its_own_description(run: Session) -> None:
    hook(run, "[ModelSpec('mine', factory='nets:a', input_spec=[[None, 1, 32, 32]], images=[[1], [2]], batch_size=2, seed=5)]")
    run("--paddle-model=mine").assert_outcomes(passed=3)
    (call,) = run.calls("parity")
    assert call["inputs"] == [[None, 1, 32, 32]]
    assert (call["batch_size"], call["seed"], len(call["samples"])) == (2, 5, 2)


def test_a_field_that_a_model_does_not_have_is_a_usage_error_with_those_it_has(run: Session) -> None:
    hook(run, "[ModelSpec('mine', factory='nets:a', layers=3)]")
    message = run.usage_error("--paddle-model=mine")
    assert "pytest_paddle_infer_models: " in message
    assert "__init__() got an unexpected keyword argument 'layers'; the fields of ModelSpec are atol, batch_size, " in message


def test_a_value_that_cannot_be_meant_is_a_usage_error(run: Session) -> None:
    hook(run, "[ModelSpec('mine', factory='nets:a', rtol=float('nan'))]")
    message = run.usage_error("--paddle-model=mine")
    assert "pytest_paddle_infer_models: ModelSpec 'mine': rtol: 'nan' is not a finite number from 0." in message


def test_images_that_are_not_there_are_told_once(run: Session) -> None:
    hook(run, "[ModelSpec('mine', factory='nets:a', images='nopics')]")
    output = run("--paddle-model=mine").stdout.str()
    assert "nopics does not exist: name a file, a directory or a glob of samples" in output
    assert "During handling" not in output


def test_registering_adds_no_items(run: Session) -> None:
    hook(run, "[ModelSpec('mine', factory='nets:a')]")
    run.write("test_user.py", "def test_user(): pass")
    assert run.ids() == ["test_user.py::test_user"]


def test_it_is_not_called_when_no_model_is_asked_for(run: Session) -> None:
    hook(run, "[ModelSpec('mine', factory='nets:a')]")
    run.write("test_user.py", "def test_user(): pass")
    run().assert_outcomes(passed=1)
    assert not (run.path / "called").exists()


def test_it_is_called_once_however_many_models_are_asked_for(run: Session) -> None:
    hook(run, "[ModelSpec('mine', factory='nets:a')]")
    run.write("test_user.py", "import pytest\n@pytest.mark.paddle_infer_parity(model='mine')\ndef test_user(): pass\n")
    run("--paddle-model=mine", "--paddle-model=alexnet").assert_outcomes(passed=7)
    assert (run.path / "called").read_text() == "x"


def test_two_models_of_one_name_are_a_usage_error(run: Session) -> None:
    hook(run, "[ModelSpec('mine', factory='nets:a'), ModelSpec('mine', factory='nets:b')]")
    assert "pytest_paddle_infer_models returned two models named 'mine'." in run.usage_error("--paddle-model=alexnet")


def test_two_conftests_may_register_but_not_the_same_name(run: Session) -> None:
    run.write("pytest.ini", "[pytest]")
    hook(run, "[ModelSpec('mine', factory='nets:a')]")
    hook(run, "(ModelSpec(name, factory='nets:b') for name in ['yours'])", "tests/conftest.py")
    run("--paddle-model=mine", "--paddle-model=yours").assert_outcomes(passed=6)
    hook(run, "[ModelSpec('mine', factory='nets:b')]", "tests/conftest.py")
    assert "returned two models named 'mine'" in run.usage_error("--paddle-model=mine")


def test_something_else_than_model_specs_is_a_usage_error(run: Session) -> None:
    for returned, shown in (("['alexnet']", "'alexnet'"), ("{'name': 1}", "'name'"), ("[None]", "None"), ("'alexnet'", "'a'")):
        hook(run, returned)
        message = run.usage_error("--paddle-model=alexnet")
        assert f"pytest_paddle_infer_models returned {shown}; return a list of ModelSpec." in message


def test_a_model_is_shown_by_its_name(run: Session) -> None:
    for returned, shown in (
        ("ModelSpec('mine', factory='nets:a')", "ModelSpec 'mine'"),
        ("[[ModelSpec('mine', factory='nets:a'), 3]]", "[ModelSpec 'mine', 3]"),
    ):
        hook(run, returned)
        message = run.usage_error("--paddle-model=mine")
        assert f"ERROR: pytest_paddle_infer_models returned {shown}; return a list of ModelSpec." in message


def test_what_is_no_list_is_a_usage_error(run: Session) -> None:
    for returned in ("ModelSpec('mine', factory='nets:a')", "3"):
        hook(run, returned)
        assert "return a list of ModelSpec." in run.usage_error("--paddle-model=mine")


def test_an_error_of_the_hook_is_a_usage_error_with_its_line(run: Session) -> None:
    for code, said in (
        ("    raise ValueError('not today')", "ValueError: not today (FILE:2: raise ValueError('not today'))."),
        ("    import nosuch", "ModuleNotFoundError: No module named 'nosuch' (FILE:2: import nosuch)."),
        ("    yield 1 / 0", "ZeroDivisionError: division by zero (FILE:2: yield 1 / 0)."),
        ("    raise AssertionError", "AssertionError (FILE:2: raise AssertionError)."),
        ("    raise ValueError('two\\nlines')", "ValueError: two lines (FILE:2: raise ValueError('two\\nlines'))."),
    ):
        file = run.write("conftest.py", f"def pytest_paddle_infer_models(config):\n{code}\n")
        assert f"pytest_paddle_infer_models raised {said.replace('FILE', str(file))}" in run.usage_error("--paddle-model=mine")


def test_an_error_of_the_hook_for_variants_is_a_usage_error_with_its_line(run: Session) -> None:
    file = run.write("conftest.py", "def pytest_paddle_infer_variants(config):\n    raise KeyError('x')\n")
    message = run.usage_error("--paddle-model=alexnet")
    assert f"ERROR: pytest_paddle_infer_variants raised KeyError: 'x' ({file}:2: raise KeyError('x'))." in message


def test_an_error_of_the_hook_is_told_once_however_many_tests_ask(run: Session) -> None:
    marked = "import pytest\n@pytest.mark.paddle_infer_parity\n@pytest.mark.parametrize('n', range(3))\ndef test_user(n): pass\n"
    run.write("test_user.py", f"{marked}\n{marked.replace('test_user', 'test_other')}")
    for name, code in (("models", "raise ValueError('not today')"), ("variants", "return {'own': 3}")):
        run.write("conftest.py", f"def pytest_paddle_infer_{name}(config):\n    {code}\n")
        message = run.usage_error()
        assert message.count(f"pytest_paddle_infer_{name}") == 1
        assert "test_user" not in message


def test_the_hook_may_end_the_session_in_its_own_words(run: Session) -> None:
    run.write(
        "conftest.py", "import pytest\ndef pytest_paddle_infer_models(config):\n    raise pytest.UsageError('no models today')\n"
    )
    assert "ERROR: no models today" in run.usage_error("--paddle-model=mine")


def test_none_and_an_empty_list_register_nothing(run: Session) -> None:
    for returned in ("None", "[]", "()"):
        hook(run, returned)
        run("--paddle-model=alexnet").assert_outcomes(passed=3)


def test_a_description_that_cannot_be_meant_is_a_usage_error(run: Session) -> None:
    hook(run, "[ModelSpec('mine', factory='nets')]")
    assert "ModelSpec 'mine': factory 'nets' is neither a callable nor 'package.module:factory'." in run.usage_error(
        "--paddle-model=mine"
    )


def test_a_plugin_may_register_models_too(run: Session, pytester: pytest.Pytester) -> None:
    run.write("models_plugin.py", HOOK.format(returned="[ModelSpec('mine', factory='nets:a')]"))
    pytester.syspathinsert()
    run("--paddle-model=mine", "-p", "models_plugin").assert_outcomes(passed=3)


def test_a_marked_test_reports_a_wrong_description_as_a_usage_error_too(run: Session) -> None:
    hook(run, "[ModelSpec('mine', factory='nets')]")
    run.write("test_user.py", "import pytest\n@pytest.mark.paddle_infer_parity()\ndef test_user(): pass\n")
    assert "pytest_paddle_infer_models: ModelSpec 'mine': factory 'nets'" in run.usage_error()
