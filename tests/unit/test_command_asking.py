"""command/asking.py: the process that asks Paddle may die, hang or not start, and every question is answered."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from pytest_paddle_infer.command.ask import BUILD
from pytest_paddle_infer.command.asking import Answer, ask

ASKED = """
import json, os, signal, sys, time
with open(sys.argv[1], "a") as answers, open({log!r}, "a") as log:
    print(*sys.argv[2:], file=log, flush=True)
    for question in sys.argv[2:]:
        print(json.dumps({{"asked": question}}), file=answers, flush=True)
        {act}
        print(json.dumps({{"question": question, "value": question.upper()}}), file=answers, flush=True)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A line for each process: the questions that it was given."""
    return tmp_path / "log"


def program(log: Path, act: str = "pass") -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", ASKED.format(log=str(log), act=act))


def test_one_process_answers_all_questions(log: Path) -> None:
    assert ask(("a", "b"), program(log)) == {"a": Answer("A"), "b": Answer("B")}
    assert log.read_text() == "a b\n"


def test_a_question_that_kills_the_process_is_answered_by_the_signal_and_the_others_are_asked_again(log: Path) -> None:
    deadly = "question == 'b' and os.kill(os.getpid(), signal.SIGSEGV)"
    found = ask(("a", "b", "c"), program(log, deadly))
    assert found == {"a": Answer("A"), "b": Answer(trouble="the process was ended by SIGSEGV"), "c": Answer("C")}
    assert log.read_text().splitlines() == ["a b c", "c"]


def test_a_process_that_ends_by_itself_is_told_by_its_exit_code(log: Path) -> None:
    assert ask(("a",), program(log, "os._exit(7)"))["a"].trouble == "the process ended with exit code 7"


def test_all_answers_count_however_the_process_ends_after_them(log: Path) -> None:
    late = "question == 'b' and (print(json.dumps({'question': 'b', 'value': 1}), file=answers, flush=True), os.abort())"
    assert ask(("a", "b"), program(log, late)) == {"a": Answer("A"), "b": Answer(1)}


def test_a_question_that_is_not_answered_in_time_ends_the_asking(log: Path) -> None:
    found = ask(("a", "b", "c"), program(log, "question == 'b' and time.sleep(60)"), limit=2.5)
    assert found["a"] == Answer("A")
    assert found["b"].trouble == "it did not answer in time"
    assert found["c"].trouble == "it did not answer in time"
    assert len(log.read_text().splitlines()) == 1


def test_where_paddle_cannot_be_imported_no_other_question_is_asked(log: Path) -> None:
    found = ask((BUILD, "cpu", "gpu"), program(log, "os.abort()"))
    assert set(found.values()) == {Answer(trouble="the process was ended by SIGABRT")}
    assert len(log.read_text().splitlines()) == 1


def test_a_process_that_does_not_start_says_its_last_words() -> None:
    found = ask(("a", "b"), (sys.executable, "-S", "-c", "raise SystemExit('no such module')"))
    assert set(found.values()) == {Answer(trouble="the process ended with exit code 1: no such module")}


def test_an_answer_that_was_cut_is_none(tmp_path: Path) -> None:
    cut = "import json, sys; open(sys.argv[1], 'a').write(json.dumps({'asked': 'a'}) + chr(10) + '{\"question\": \"a\", \"val')"
    assert ask(("a",), (sys.executable, "-S", "-c", cut))["a"].trouble == "the process ended with exit code 0"


def test_what_paddle_raised_is_told_in_one_line(tmp_path: Path) -> None:
    lines = [{"asked": "a"}, {"question": "a", "trouble": "RuntimeError: one\n  two"}]
    text = "\n".join(map(json.dumps, lines))
    raising = f"import sys; open(sys.argv[1], 'a').write({text!r})"
    assert ask(("a",), (sys.executable, "-S", "-c", raising))["a"] == Answer(trouble="RuntimeError: one two")
