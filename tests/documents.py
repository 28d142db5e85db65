"""The pages that users read, cut into blocks: both READMEs and docs/.

tests/unit/test_docs.py holds every block against the code, tests/e2e/test_documented_sessions.py runs the commands.

How a page is written, so that its blocks can be run:
- A section (from one heading of level 2 to the next) starts in an empty directory; `<!-- one directory -->` makes the page one section.
- A Python, ini or TOML block whose first line is a comment with a file's name is that file.
- A console block holds commands behind `$ `, each with what it prints or nothing; a line `...` stands for any lines.
- `<!-- not run: REASON -->` above a block says why its commands are only read: they need a GPU, another Paddle, a network, minutes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = re.compile(r"# ([\w./-]+\.(?:py|toml|ini))$")
ONE_DIRECTORY = "<!-- one directory -->"


@dataclass(frozen=True)
class Command:
    """A command of a console block. words: without comments. printed: the lines below it, up to the next command."""

    line: str
    words: tuple[str, ...]
    printed: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """A fenced block. number: its first line in the page. section: number of its section. reason: why it is not run, or empty."""

    page: Path
    number: int
    kind: str
    text: str
    section: int
    reason: str

    @property
    def place(self) -> str:
        """For messages and test ids: `docs/tutorial.md:12`."""
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.number}"

    @property
    def file(self) -> str | None:
        """The name of the file that it shows."""
        match = NAME.match(self.text.partition("\n")[0]) if self.kind in ("python", "toml", "ini") else None
        return match[1] if match is not None else None

    @property
    def commands(self) -> list[Command]:
        """The commands of a console block. Raises `AssertionError` where it does not begin with one."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                assert found, f"{self.place}: a console block begins with `$ `; what only was printed is a `text` block"
                found[-1][1].append(line)
        return [Command(line, tuple(shlex.split(line, comments=True)), tuple(printed)) for line, printed in found]


READ_ONLY = ("pip", "make", ".", "venv")
"""Programs that need a network, or make what is here already: their arguments are looked at."""


def program_of(command: Command) -> str:
    """The program, or the module of `python -m`."""
    python = command.words[0].rpartition("/")[2].startswith("python")
    return command.words[2] if python and command.words[1:2] == ("-m",) else command.words[0]


def to_run(block: Block) -> list[Command]:
    """The commands that tests/e2e/test_documented_sessions.py runs."""
    if block.kind != "console" or block.reason:
        return []
    return [command for command in block.commands if program_of(command) not in READ_ONLY]


def pages() -> list[Path]:
    """Every page, both READMEs first."""
    return [ROOT / "README.md", ROOT / "README.zh.md", *sorted((ROOT / "docs").rglob("*.md"))]


def language_of(page: Path) -> str:
    """en or zh."""
    return "zh" if page.name.endswith(".zh.md") else "en"


def twin_of(page: Path) -> Path:
    """The page in the other language."""
    name = page.name[: -len(".zh.md")] + ".md" if language_of(page) == "zh" else page.name[: -len(".md")] + ".zh.md"
    return page.with_name(name)


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return list(_blocks(page, page.read_text(encoding="utf-8")))


def _blocks(page: Path, text: str) -> Iterator[Block]:
    whole = ONE_DIRECTORY in text
    section, above, opened, kind = 0, "", 0, ""
    inside: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if inside is not None:
            if line == "```":
                match = re.fullmatch(r"<!-- not run: (.+) -->", above)
                yield Block(page, opened, kind, "\n".join(inside) + "\n", section, match[1] if match is not None else "")
                inside, above = None, ""
            else:
                inside.append(line)
        elif line.startswith("```"):
            inside, opened, kind = [], number, line[3:].strip()
        else:
            section += line.startswith("## ") and not whole
            above = line.strip() or above
    assert inside is None, f"{page}: the block of line {opened} is not closed"


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def headings(page: Path) -> list[str]:
    """As written, with their `#`."""
    return re.findall(r"^#+ .+$", prose(page), re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub and the site give to the headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lstrip("# ").lower()).replace(" ", "-") for heading in headings(page)}
