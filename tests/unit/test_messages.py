"""Every message obeys STYLE.md as far as that can be read from its text, and was made by a test (see `tests/messages.py`)."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import messages

ALL = messages.messages()

NAMES = r"set_optimization_level|quantize operator|(en|dis)able_mkldnn|use_mkldnn|mkldnn_data_type"
"""Paddle's own, which stand as they are."""

RULES = {
    "no blank or tab is doubled": r"\S  +\S|\t",
    "no prefix says what a failure is anyway": r"(?i)^(error|failure|failed|warning)s?:",
    "nothing is contracted": r"(?i)\b\w+n't\b|\b(it's|that's|let's|we're|you're)",
    "words are spelled the British way": r"(?i)(optim|initial|normal|recogn|serial|quant|analy)[iy]z|\bcolor|\bgray|behavior|\bcenter\b",
    "oneDNN has one name": r"(?i)mkldnn|mkl-dnn|\bonednn\b(?=.*\blibrary\b)",
    "engines, variants and references have one name": r"(?i)\b(static|dynamic) graph\b|\b(prediction|deploy|dygraph|static) engine\b|"
    r"\bbackend\b|\bground truth\b|\bgolden\b|\bexport(ed)? directory\b",
    "nobody is begged, cheered or blamed": r"(?i)\b(please|sorry|oops|simply|obviously|invalid|illegal|unfortunately)\b",
    "no abbreviation needs Latin": r"\betc\b|\be\.g\.|\bi\.e\.|\bviz\b",
}

PARTS = ("deployed/proof.py", "diagnosis/graphs.py", "diagnosis/pass_findings.py", "store.py")
"""Build their remedies, or the sentence around them, of parts."""

LAYOUT = ("GUIDE", "evidence/reproduce.py")
"""Text that is laid out in columns."""


@pytest.mark.parametrize("rule", RULES)
def test_each_message_obeys(rule: str) -> None:
    broken = [
        f"{message.path}:{message.line}: {message.text}"
        for message in ALL
        if re.search(RULES[rule], re.sub(NAMES, "", message.text)) and not {message.name, message.path} & {*LAYOUT, "_NOISE_NAMES"}
    ]
    assert broken == []


def test_causes_and_remedies_end_in_a_full_stop() -> None:
    """As far as they are written where a `Finding` or a `Failure` is made."""
    checked, broken = 0, []
    for walk, tree in messages.walked():
        for node in ast.walk(tree):
            for text in sentences(node):
                checked += 1
                if text and not text.endswith((".", messages.PLACE)) and walk.path not in PARTS:
                    broken.append(f"{walk.path}: {text}")
    assert broken == []
    assert checked > 80


def sentences(call: ast.AST) -> Iterator[str]:
    """Titles, causes and remedies among the arguments of a call, or given those names."""
    if isinstance(call, ast.Assign) and ast.unparse(call.targets[0]) in ("remedy", "cause", "title"):
        yield from branches(call.value)
    if not isinstance(call, ast.Call):
        return
    places = {"Finding": (1, 5), "Failure": (0, 2), "failure": (0, 3)}.get(ast.unparse(call.func), ())
    if ast.unparse(call.func) in ("Finding", "Failure", "failure", "replace"):
        for number, argument in enumerate(call.args):
            if number in places:
                yield from branches(argument)
        for keyword in call.keywords:
            if keyword.arg in ("remedy", "title", "cause"):
                yield from branches(keyword.value)


def branches(node: ast.AST) -> Iterator[str]:
    """The texts that an expression may come to."""
    if isinstance(node, ast.IfExp):
        yield from branches(node.body)
        yield from branches(node.orelse)
    elif isinstance(node, ast.Call) and ast.unparse(node.func) == "__said__":
        yield from branches(node.args[1])
    elif (text := messages.text_of(node)) is not None:
        yield text


def test_a_test_made_each_message() -> None:
    """The list grows by `make messages`, which runs suites and refuses what none of them makes the plugin say."""
    known = messages.listed()
    new = sorted({message.entry for message in ALL} - known)
    assert new == [], "run `make messages`, which lists those that no test makes"
    assert sorted(known - {message.entry for message in ALL}) == [], "run `make messages`: these are gone"


def test_a_message_that_no_test_makes_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "messages", lambda: ALL)
    log = tmp_path / "said"
    made = next(message for message in ALL if not message.name and message.path == "words.py")
    log.write_text(f"{made.place}\n")
    missing = messages.unsaid(log, set())
    assert made not in missing
    assert len(missing) > 1000


def test_a_literal_an_f_string_and_a_text_within_its_values_are_messages_and_patterns_are_not() -> None:
    walk = messages.Walk("room.py")
    source = 'TABLE = {"a": "of a table"}\ndef f(x):\n    """Not this one."""\n    re.sub("not this", "but this", x)\n'
    source += "    return f\"{x} is {'not here' if x else 1}\"\n"
    tree = ast.fix_missing_locations(walk.visit(ast.parse(source)))
    assert [(message.text, message.name) for message in walk.found] == [
        ("of a table", "TABLE"), ("but this", ""), ("not here", ""), ("{} is {}", ""),
    ]  # fmt: skip
    told: list[str] = []
    names = {"re": re, "__said__": lambda place, text: told.append(place) or text}
    exec(compile(tree, "room.py", "exec"), names)
    assert names["f"]("") == " is 1"
    assert told == ["room.py: but this", "room.py: {} is {}"]
