"""Every message that the plugin can print, and whether a test makes it say it. `make messages` runs this.

A message is every text of two words or more in the package's code. The package is copied with each message wrapped, so that it notes
when it is made; then suites run over the copy. Coverage by lines would not do: many a line holds two messages, and says one. What is made
at import (tables) is tested where a test names the table, or quotes the text.

`messages.txt` holds the texts that a test made once, one a line; `tests/unit/test_messages.py` fails where the code has others, so that
nobody adds one without a test. Only new ones need to be made in a run here: `make messages SUITES=tests/unit/test_words.py` is enough
where that file tests them. `make messages ANEW=--anew` asks for all of them again.
"""

from __future__ import annotations

import argparse
import ast
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent / "pytest_paddle_infer"
LIST = HERE / "messages.txt"
SUITES = ("tests/unit", "tests/plugin", "tests/e2e")

APART = ("evidence/reproduce.py",)
"""Leaves the package, and is run as it is; `test_reproduce_script.py` reads what it prints."""

ELSEWHERE: dict[str, str] = {
    "__init__() got an unexpected keyword": "Python 3.9's words for what 3.10 says with the name of the class: compared, never printed",
}
"""Texts that no suite here can make, with the test that does, or the reason."""

TWO_WORDS = re.compile(r"[A-Za-z]{2,}[,;:]? [A-Za-z{(\['`]*[A-Za-z{]")
TAGS = re.compile(r"<[^>]*>")
PLACE = "{}"


@dataclass(frozen=True)
class Message:
    """path: in the package. text: with {} for what is filled in. name: of the table it stands in; empty inside functions."""

    path: str
    text: str
    name: str = ""
    line: int = 0

    @property
    def entry(self) -> str:
        """How the list holds it."""
        return self.text.encode("unicode_escape").decode()

    @property
    def place(self) -> str:
        """How a run notes it: the same words elsewhere are another message."""
        return f"{self.path}: {self.entry}"

    @property
    def quotable(self) -> str:
        """Its longest part without a value."""
        return max(self.text.split(PLACE), key=len).strip()


def text_of(node: ast.AST) -> str | None:
    """The text of a literal or f-string, with {} for each value; None for anything else."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        parts = (value.value if isinstance(value, ast.Constant) else PLACE for value in node.values)
        return "".join(map(str, parts))
    return None


class Walk(ast.NodeTransformer):
    """Collects the messages of one file and wraps those that are made in functions: `__said__(entry, text)`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.found: list[Message] = []
        self._inside = False
        self._table = ""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Passes over docstrings."""
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Enters a function: what stands there is made when it runs, but its defaults and decorators are not."""
        node.args, node.decorator_list = self.visit(node.args), [self.visit(each) for each in node.decorator_list]
        inside, self._inside = self._inside, True
        node.body = [self.visit(each) for each in node.body]
        self._inside = inside
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """Notes the name of a table."""
        return self._named(node, ast.unparse(node.targets[0]))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Notes the name of a table; annotations are no messages."""
        if node.value is not None:
            node.value = self._named(node.value, ast.unparse(node.target), whole=True)
        return node

    def _named(self, node: ast.AST, name: str, whole: bool = False) -> ast.AST:
        outer, self._table = self._table, self._table or ("" if self._inside else name)
        made = self.visit(node) if whole else self.generic_visit(node)
        self._table = outer
        return made

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """Takes a literal."""
        return self._taken(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """Takes an f-string; texts within its values are messages of their own."""
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                value.value = self.visit(value.value)
        return self._taken(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Passes over patterns of `re`."""
        if ast.unparse(node.func).startswith("re."):
            node.args[1:] = [self.visit(each) for each in node.args[1:]]
            return node
        return self.generic_visit(node)

    def _taken(self, node: ast.expr) -> ast.AST:
        text = text_of(node)
        if text is None or not TWO_WORDS.search(TAGS.sub(" ", text)) or "(?P<" in text:
            return node
        self.found.append(Message(self.path, text, "" if self._inside else self._table or "?", node.lineno))
        if not self._inside:
            return node
        called = ast.Call(ast.Name("__said__", ast.Load()), [ast.Constant(self.found[-1].place), node], [])
        return ast.copy_location(called, node)


def walked() -> Iterator[tuple[Walk, ast.Module]]:
    """Yields each file of the package with its tree, in which messages are wrapped."""
    for path in sorted(PACKAGE.rglob("*.py")):
        walk = Walk(path.relative_to(PACKAGE).as_posix())
        yield walk, ast.fix_missing_locations(walk.visit(ast.parse(path.read_text(encoding="utf-8"))))


def messages() -> list[Message]:
    """Every message of the package, in the order of the files."""
    return [message for walk, _ in walked() for message in walk.found]


def quoted(message: Message) -> bool:
    """True where a test names the table that holds the message, or quotes its longest part."""
    return any(map(_named, re.findall(r"\w+", message.name))) or (len(message.quotable) > 3 and message.quotable in _tests())


@cache
def _named(table: str) -> bool:
    return table != "" and re.search(rf"\b{re.escape(table)}\b", _tests()) is not None


@cache
def _tests() -> str:
    """The code of all tests, with texts that were cut for their length put together."""
    texts = (path.read_text(encoding="utf-8") for path in sorted(HERE.rglob("*.py")) if path != Path(__file__).resolve())
    return re.sub(r"""["']\n\s*[rf]*["']""", "", "\n".join(texts))


# -- measuring ---------------------------------------------------------------------------------------------------------

NOTES = """
import os as __os__
__told__ = set()
def __said__(entry, text):
    if entry not in __told__:
        __told__.add(entry)
        try:  # a test may forbid to write
            handle = __os__.open({log!r}, __os__.O_WRONLY | __os__.O_APPEND)
            __os__.write(handle, (entry + chr(10)).encode())
            __os__.close(handle)
        except OSError:
            pass
    return text
"""


def rewrite(target: Path, log: Path) -> None:
    """Copies the repository to `target` with a package that notes in `log` which of its messages are made."""
    ignored = shutil.ignore_patterns("__pycache__", ".venv", ".git", ".*_cache")
    shutil.copytree(HERE.parent, target, ignore=ignored, dirs_exist_ok=True)
    for walk, tree in walked():
        if walk.found and walk.path not in APART:
            after = next((at + 1 for at, node in enumerate(tree.body) if ast.unparse(node).startswith("from __future__")), 0)
            after = after or isinstance(tree.body[0], ast.Expr)
            tree.body[after:after] = ast.parse(NOTES.format(log=str(log))).body
            (target / "pytest_paddle_infer" / walk.path).write_text(ast.unparse(tree), encoding="utf-8")


def listed() -> set[str]:
    """The entries of messages.txt."""
    return set(LIST.read_text(encoding="utf-8").splitlines()) if LIST.is_file() else set()


def unsaid(log: Path, known: set[str]) -> list[Message]:
    """The messages that no test makes. known: entries that one made before."""
    made = set(log.read_text(encoding="utf-8").splitlines())

    def tested(message: Message) -> bool:
        table = message.name or message.path in APART
        return message.place in made or message.entry in known or bool(table and quoted(message)) or message.text in ELSEWHERE

    return [message for message in messages() if not tested(message)]


def main() -> int:
    """Runs suites over the copy where a message is new; writes the list where every message is tested."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--anew", action="store_true", help="forget the list: every message must be made in this run")
    parser.add_argument(
        "--keep", metavar="FILE", type=Path, help="where the notes are kept, and added to: of several runs, or both Paddles"
    )
    parser.add_argument("arguments", nargs="*", help=f"of pytest, after --; without any: {' '.join(SUITES)}")
    options = parser.parse_args()
    known = set() if options.anew else listed()
    missing = [message for message in messages() if message.entry not in known]
    if missing:
        with tempfile.TemporaryDirectory() as home:
            log = (options.keep or Path(home) / "said").absolute()
            Path(home).chmod(0o755)  # tests that run as another user note theirs too
            log.touch()
            log.chmod(0o666)
            rewrite(Path(home) / "copy", log)
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--deselect=tests/unit/test_messages.py"]
            command += options.arguments or SUITES
            subprocess.run(["env", f"PYTHONPATH={home}/copy", *command], cwd=Path(home) / "copy", check=False)
            missing = unsaid(log, known)
    for message in missing:
        print(f"{message.path}:{message.line}: no test makes it say {message.text!r}")
    if not missing:
        LIST.write_text("".join(f"{entry}\n" for entry in sorted({message.entry for message in messages()})), encoding="utf-8")
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
