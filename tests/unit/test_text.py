"""report/text.py: a failure as text, and the command that shows it again."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from pytest_paddle_infer.failures import ConformanceFailure, Failure
from pytest_paddle_infer.plain import LINE, plain_fail
from pytest_paddle_infer.report.text import WIDTH, format_failure, plain, reproduce_command


def test_a_title_alone_is_one_line() -> None:
    assert format_failure(Failure("alexnet: the weights are gone.")) == "alexnet: the weights are gone."


def test_labels_are_aligned_and_remedy_and_command_come_last() -> None:
    failure = Failure(
        "alexnet, cpu: outputs differ.",
        (("weights", "random weights, seed 0"), ("output", "3 of 4000 elements")),
        "export again.",
        "pytest 'paddle-model/alexnet::test_parity[cpu]'",
    )
    assert format_failure(failure).splitlines() == [
        "alexnet, cpu: outputs differ.",
        "",
        "  weights: random weights, seed 0",
        "  output:  3 of 4000 elements",
        "  to do:   export again.",
        "  again:   pytest 'paddle-model/alexnet::test_parity[cpu]'",
    ]


def test_long_facts_are_folded_under_themselves_and_nothing_is_lost() -> None:
    value = " ".join(f"word-{number}" for number in range(60))
    lines = format_failure(Failure("title.", (("fact", value),))).splitlines()[2:]
    assert len(lines) > 2
    assert all(len(line) <= WIDTH + 4 for line in lines)
    assert all(line.startswith(" " * 8) for line in lines[1:])
    assert " ".join(lines).split() == ["fact:", *value.split()]


def test_the_command_and_a_long_path_are_never_folded() -> None:
    path = "/very" * 60
    command = "pytest " + " ".join(f"--paddle-option-{number}=value" for number in range(20))
    lines = format_failure(Failure("title.", (("log", path),), "", command)).splitlines()
    assert f"  log:   {path}" in lines
    assert f"  again: {command}" in lines


def test_an_empty_fact_keeps_its_label() -> None:
    assert format_failure(Failure("title.", (("said", ""),))).splitlines()[-1] == "  said:"


def test_more_facts_come_below_and_the_failure_itself_stays() -> None:
    one = Failure("title.", (("a", "1"),))
    two = one.with_facts(("b", "2"), ("c", "3"))
    assert one.facts == (("a", "1"),)
    assert two.facts == (("a", "1"), ("b", "2"), ("c", "3"))
    assert str(ConformanceFailure(two)) == "title."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, 池化 🦎\n\tmore\r\nlines", "plain, 池化 🦎\n\tmore\nlines"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\x00b\x08c\x7f\x85\rd", "a\\x00b\\x08c\\x7f\\x85\\x0dd"),
        ("bytes \udcff, half \ud800, none \ufffe \uffff", "bytes \\udcff, half \\ud800, none \\ufffe \\uffff"),
    ],
)
def test_what_no_terminal_and_no_xml_file_takes_is_escaped(text: str, shown: str) -> None:
    assert plain(text) == shown
    assert format_failure(Failure("a title.", (("said", f"x{text.split()[0]}"),))).endswith(f"x{plain(text.split()[0])}")
    shown.encode()


class Settings:
    """What `reproduce_command` needs of the options."""

    def __init__(self, words: list[str] | None = None, **given: tuple[str, ...]) -> None:
        self._words = words or []
        self.given = set(given)
        self.model: tuple[str, ...] = ("ini-model",)
        self.variant: tuple[str, ...] = ("ini-variant",)
        vars(self).update(given)

    def command_line(self) -> list[str]:
        return self._words


@pytest.mark.parametrize(
    ("nodeid", "settings", "command"),
    [
        ("paddle-model/alexnet::test_artifacts", Settings(), "pytest paddle-model/alexnet::test_artifacts"),
        (
            "paddle-model/alexnet::test_log[cpu]",
            Settings(["--paddle-seed=3"], model=("alexnet", "vgg16"), variant=("cpu", "onednn")),
            "pytest 'paddle-model/alexnet::test_log[cpu]' --paddle-seed=3",
        ),
        (
            "test_a.py::test_a[alexnet-onednn]",
            Settings(["--paddle-seed=3"], model=("alexnet",), variant=("cpu", "onednn")),
            "pytest 'test_a.py::test_a[alexnet-onednn]' --paddle-model=alexnet --paddle-variant=onednn --paddle-seed=3",
        ),
        (
            "test_a.py::test_a[resnet18-cpu-u]",
            Settings(model=("resnet*",), variant=("cpu", "cpu-noopt")),
            "pytest 'test_a.py::test_a[resnet18-cpu-u]' '--paddle-model=resnet*' --paddle-variant=cpu",
        ),
        ("test_a.py::test_a[alexnet-cpu]", Settings(), "pytest 'test_a.py::test_a[alexnet-cpu]'"),
        ("test a.py::test_a", Settings(["--paddle-weights=/a b"]), "pytest 'test a.py::test_a' '--paddle-weights=/a b'"),
    ],
)
def test_the_command_holds_what_the_id_does_not(nodeid: str, settings: Any, command: str) -> None:
    assert reproduce_command(nodeid, settings) == command
    assert shlex.split(command)[1] == nodeid


@pytest.mark.parametrize(
    ("nodeid", "line"),
    [
        ("paddle-model/alexnet::test_parity[cpu]", "it is off."), ("test_a.py::test_a[alexnet-cpu]", "it is off."),
        ("test_a.py::test_a[u-alexnet-cpu]", "it is off."), ("test_a.py::test_a[alexnet-cpu-noopt]", "it is off."),
        ("test_a.py::test_a[alexnet]", "alexnet, cpu: it is off."), ("test_a.py::test_a", "alexnet, cpu: it is off."),
        ("test_a.py::test_a[alexnet-cpu2]", "alexnet, cpu: it is off."),
    ],
)  # fmt: skip
def test_the_short_summary_does_not_say_again_what_the_id_says(nodeid: str, line: str) -> None:
    assert getattr(plain_fail("alexnet, cpu: it is off.\n\n  more", nodeid), LINE) == line
