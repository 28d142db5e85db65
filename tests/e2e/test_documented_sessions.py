"""The sessions that the pages show are run: each section's files in an empty directory, its commands in order, what is printed compared.

Pages in Chinese show the same blocks (tests/unit/test_docs.py), so the English ones are run. One Paddle is enough: what the
pages show was printed by it, and other tests hold the other one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import pytest
from documents import Block, Command, blocks, language_of, pages, program_of, to_run
from sessions import environment, newest_paddle, run_pytest


def sections() -> list[list[Block]]:
    """The sections of all pages that have a command to run."""
    found = []
    for page in pages():
        if language_of(page) == "en":
            for _, group in groupby(blocks(page), key=lambda block: block.section):
                section = list(group)
                if any(to_run(block) for block in section):
                    found.append(section)
    return found


SECTIONS = sections()


@pytest.mark.skipif(not newest_paddle(), reason="the pages show what Paddle 3 prints")
@pytest.mark.parametrize("section", [pytest.param(section, id=section[0].place) for section in SECTIONS])
def test_a_section_does_what_it_shows(section: list[Block], tmp_path: Path) -> None:
    directory = tmp_path / "flowers"
    directory.mkdir()
    for block in section:
        if block.file is not None:
            target = directory / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
        for command in to_run(block):
            code, output = run(command, directory, tmp_path / "cache")
            shown = "\n".join(command.printed)
            expected = 1 if re.search(r"\b\d+ (failed|error)|DIFFERS", shown) else 0
            assert code == expected, f"{block.place}: $ {command.line}\nexit code {code}\n{output}"
            missing = not_printed(command.printed, output)
            assert not missing, f"{block.place}: $ {command.line}\nnot printed: {missing}\n{output}"


SETTINGS = {"COLUMNS": "80", "PYTEST_ADDOPTS": "--paddle-repeats=1"}
"""The width of the pages, and fewer timed batches than a reader's."""


def run(command: Command, directory: Path, cache: Path) -> tuple[int, str]:
    program = program_of(command)
    if program == "pytest":
        session = run_pytest(directory, *command.words[1:], cache=cache, env=SETTINGS)
        return session.returncode, session.output
    words = [sys.executable if Path(command.words[0]).name.startswith("python") else command.words[0], *command.words[1:]]
    done = subprocess.run(
        words, cwd=directory, env=environment(cache, "-", SETTINGS), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


# -- what is printed ---------------------------------------------------------------------------------------------------

OF_THE_MACHINE = re.compile(r"^(platform|plugins:|rootdir:|configfile:|cachedir:|-+ generated xml file: )")


def words_of(lines: Iterable[str]) -> list[str]:
    """The words, without what differs from one machine, folder and moment to another: figures, paths, rulers, marks of the best."""
    found: list[str] = []
    for line in lines:
        if not OF_THE_MACHINE.match(line):
            line = re.sub(r"^[*!] ", "", line)
            found += [re.sub(r"([=_-])\1{2,}", r"\1", re.sub(r"\d[\d.]*(e[+-]?\d+)?", "0", word)) for word in line.split()]
    return ["/" if word.startswith("/") else word for word in found]


def not_printed(printed: Iterable[str], output: str) -> str:
    """The first part of `printed`, cut at its lines `...`, that is not in the output, behind the parts before; empty when all are."""
    rest = words_of(output.splitlines())
    for gap, group in groupby(printed, key=lambda line: line.strip() == "..."):
        part = [] if gap else words_of(group)
        for start in range(len(rest) - len(part) + 1):
            if rest[start : start + len(part)] == part:
                rest = rest[start + len(part) :]
                break
        else:
            return " ".join(part)
    return ""


def test_what_is_not_printed_is_seen() -> None:
    output = "=== head ===\na 1.5 b\nfiles: /tmp/x/1\n===== 2 passed in 3.4s =====\n"
    assert not_printed(["a 2 b", "...", "=== 2 passed in 1s ==="], output) == ""
    assert not_printed(["files: /home/me", "...", "a 2 b"], output) == "a 0 b", "not in this order"
    assert not_printed(["a 2 c"], output) == "a 0 c"


def test_there_are_sections_to_run() -> None:
    assert len(SECTIONS) >= 4
