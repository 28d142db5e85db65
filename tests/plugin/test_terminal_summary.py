"""The summary section: when it is printed and what its rows say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    import pytest
    from conftest import Session

TITLE = "paddle inference"


def section(result: pytest.RunResult) -> list[str]:
    lines = result.outlines
    start = next(index for index, line in enumerate(lines) if line.strip("= ") == TITLE)
    stop = next(index for index in range(start + 1, len(lines)) if lines[index].startswith("="))
    return lines[start + 1 : stop]


def test_there_is_one_aligned_row_for_each_model_and_variant(run: Session) -> None:
    result = run("--paddle-model=alexnet", "--paddle-model=mobilenet_v1", "--paddle-variant=cpu", "--paddle-variant=onednn")
    header, *rows = section(result)
    assert [line.split()[:2] for line in rows[:4]] == [[m, v] for m in ("alexnet", "mobilenet_v1") for v in ("cpu", "onednn")]
    for line in rows[:4]:
        times = {"cpu": "2.00", "onednn": "4.00"}[line.split()[1]]
        for column, cell in (
            ("artifacts", "ok"), ("parity", "ok"), ("log", "ok"), ("size", "1.5 MB"), ("worst / limit", "2.5e-07 / 1e-05"),
            ("answers", "4/4"), ("mean pre / run / post ms", "1.5 / 10 / 0.25"), ("x training", times),
        ):  # fmt: skip
            assert line[header.index(column) :].split("  ")[0] == cell, column
    assert rows[4:6] == ["random weights, seed 0: alexnet, mobilenet_v1", "outputs and logs: /stub/output"]


def cells(result: pytest.RunResult, column: str) -> list[str]:
    """The cells of one column of the rows of alexnet."""
    header, *rows = section(result)
    at = header.index(column)
    return [row[at:].split("  ")[0] for row in rows if row.startswith("alexnet  ")]


def test_failed_cells_say_so_and_the_others_keep_their_figures(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/parity/onednn", "alexnet/log/cpu")
    result = run("--paddle-model=alexnet", "--paddle-variant=cpu", "--paddle-variant=onednn")
    assert cells(result, "artifacts") == ["ok", "ok"]
    assert cells(result, "parity") == ["ok", "FAILED"]
    assert cells(result, "log") == ["FAILED", "ok"]
    assert cells(result, "size") == ["1.5 MB", "1.5 MB"]
    assert cells(result, "answers") == ["4/4", "-"]


def test_a_run_in_which_nothing_holds_says_with_which_weights(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/parity/cpu")
    assert "random weights, seed 0: alexnet" in section(run("--paddle-model=alexnet", "-k", "test_parity"))


def test_a_failing_artifacts_checkpoint_fails_the_cell_of_every_variant(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/artifacts")
    result = run("--paddle-model=alexnet", "--paddle-variant=cpu", "--paddle-variant=onednn")
    assert cells(result, "artifacts") == ["FAILED", "FAILED"]
    assert cells(result, "parity") == ["ok", "ok"]


def test_a_failing_export_fails_every_cell(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/export")
    result = run("--paddle-model=alexnet")
    assert cells(result, "artifacts") == cells(result, "parity") == cells(result, "log") == ["FAILED"]


def test_a_marked_test_has_the_same_row(run: Session, plant: Callable[..., None]) -> None:
    run.write("test_user.py", "import pytest\n@pytest.mark.paddle_infer_parity(model='alexnet')\ndef test_user(): pass\n")
    assert section(run())[1] == section(run("--paddle-model=alexnet", "--deselect=test_user.py"))[1]
    plant("alexnet/parity")
    result = run()
    assert [cells(result, name) for name in ("artifacts", "parity", "log")] == [["ok"], ["FAILED"], ["-"]]


def test_a_body_that_fails_after_its_checkpoints_leaves_their_cells_ok(run: Session) -> None:
    run.write("test_user.py", "import pytest\n@pytest.mark.paddle_infer_parity(model='alexnet')\ndef test_user(): assert 0\n")
    result = run()
    result.assert_outcomes(failed=1)
    assert [cells(result, name) for name in ("artifacts", "parity", "log")] == [["ok"], ["ok"], ["ok"]]


def test_only_what_ran_has_figures(run: Session) -> None:
    result = run("paddle-model/alexnet::test_artifacts")
    assert (cells(result, "artifacts"), cells(result, "size")) == (["ok"], ["1.5 MB"])
    for column in ("variant", "parity", "log", "worst / limit", "answers", "mean pre / run / post ms", "x training"):
        assert cells(result, column) == ["-"]


def test_a_session_without_checkpoints_prints_nothing(run: Session) -> None:
    run.write("test_user.py", "def test_user(): pass")
    assert TITLE not in run().stdout.str()
    assert TITLE not in run("--collect-only", "--paddle-model=alexnet").stdout.str()
    assert TITLE not in run("-k", "user", "--paddle-model=alexnet").stdout.str()


def test_other_peoples_properties_are_no_checkpoints(run: Session) -> None:
    run.write("test_user.py", "def test_user(record_property): record_property('paddle', 1); record_property(5, 1)")
    assert TITLE not in run().stdout.str()


TWO_MODELS = """
from pytest_paddle_infer import ModelSpec
def pytest_paddle_infer_models(config):
    return [ModelSpec(name, factory="nets:a") for name in ("tested", "forgotten", "lost")]
"""
UNTESTED = "registered, but no checkpoint ran: forgotten, lost; --paddle-model tests a model without a test file"


def test_a_registered_model_without_a_test_is_named(run: Session) -> None:
    run.write("conftest.py", TWO_MODELS)
    run.write("test_user.py", "import pytest\n@pytest.mark.paddle_infer_parity(model='tested')\ndef test_user(): pass\n")
    assert UNTESTED in section(run())
    for narrowed in (
        ("test_user.py",),
        ("-k", "user"),
        ("--deselect=test_other.py",),
        ("--ignore=test_other.py",),
        ("--paddle-model=tested",),
    ):
        assert UNTESTED not in section(run(*narrowed)), narrowed


def test_a_run_of_one_id_says_nothing_of_other_models(run: Session) -> None:
    run.write("conftest.py", TWO_MODELS)
    assert not any("registered, but" in line for line in section(run("paddle-model/tested::test_parity[cpu]")))


def test_where_the_run_ended_early_nothing_is_said_of_the_rest(run: Session, plant: Callable[..., None]) -> None:
    run.write("conftest.py", TWO_MODELS)
    run.write("test_user.py", "import pytest\n@pytest.mark.paddle_infer_parity(model='tested')\ndef test_user(): pass\n")
    plant("tested/parity")
    assert UNTESTED in section(run())
    assert UNTESTED not in section(run("-x"))


def test_of_many_registered_models_ten_are_named(run: Session) -> None:
    run.write("conftest.py", TWO_MODELS.replace('("tested", "forgotten", "lost")', '["tested", *(f"m{n}" for n in range(12))]'))
    run.write("test_user.py", "import pytest\n@pytest.mark.paddle_infer_parity(model='tested')\ndef test_user(): pass\n")
    assert any("no checkpoint ran: m0, " in line and ", m9 and 2 more;" in line for line in section(run()))


def test_what_the_engines_were_fed_is_said_with_v(run: Session) -> None:
    line = "alexnet: 4 samples, each fed as float32 3x224x224"
    assert line in section(run("--paddle-model=alexnet", "--paddle-variant=cpu", "--paddle-variant=onednn", "-v"))
    assert line not in section(run("--paddle-model=alexnet"))


def test_variants_that_a_test_checks_by_hand_have_a_row_each_with_their_own_figures(
    run: Session, plant: Callable[..., None]
) -> None:
    run.write(
        "test_user.py",
        "def test_user(paddle_checkpoints, paddle_model):\n"
        "    for checkpoint in (paddle_checkpoints.parity, paddle_checkpoints.log):\n"
        "        for variant in ('cpu', 'onednn'):\n            checkpoint(paddle_model, variant)\n",
    )
    run.write("pytest.ini", "[pytest]\npaddle_model = alexnet\n")
    result = run()
    assert cells(result, "variant") == ["cpu", "onednn"]
    assert [cells(result, name) for name in ("parity", "log", "answers")] == [["ok", "ok"], ["ok", "ok"], ["4/4", "4/4"]]
    assert cells(result, "x training") == ["2.00", "4.00"]
    plant("alexnet/parity/onednn")
    result = run()
    assert [cells(result, name) for name in ("parity", "answers")] == [["ok", "FAILED"], ["4/4", "-"]]
