"""Writes docs/reference/ from the code: `make reference`. tests/unit/test_reference_pages.py fails where the pages and the code differ.

Signatures and docstrings are read from the source, so that every supported Python writes the same pages.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import Any, Union

import pytest

import pytest_paddle_infer
from pytest_paddle_infer import option_table, variants
from pytest_paddle_infer.command import explain, program, stages
from pytest_paddle_infer.command import traps as known_traps
from pytest_paddle_infer.command import variants as known_variants

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

from tables import table, tables  # noqa: E402

Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]

# -- source and docstrings ---------------------------------------------------------------------------------------------


def tree_of(module: str) -> ast.Module:
    """Returns the parsed source of a module of this plugin."""
    found = find_spec(module)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(module)
    return ast.parse(Path(found.origin).read_text(encoding="utf-8"))


def prose(docstring: str | None) -> str:
    """Returns a docstring as Markdown: lines `name: what` become a list, and headed blocks (`Raises:`) too."""
    paragraphs = dedent("        " + (docstring or "").strip()).strip().split("\n\n")
    return "\n\n".join(_paragraph(dedent(part)) for part in paragraphs).strip()


def _paragraph(text: str) -> str:
    lines = [line.strip() for line in text.split("\n")]
    title = re.fullmatch(r"(Raises|Returns|Args):", lines[0])
    if title is not None and len(lines) > 1:
        return f"{title[1]}:\n\n" + _listed(lines[1:], r"[\w, ]+")
    if all(re.match(r"[a-z_]+(, [a-z_]+)*: ", line) for line in lines[:1]) and lines[0]:
        return _listed(lines, r"[a-z_]+(?:, [a-z_]+)*")
    return "\n".join(lines)


def _listed(lines: Iterable[str], name: str) -> str:
    items: list[str] = []
    for line in lines:
        match = re.match(rf"({name}): (.*)", line)
        if match is not None:
            named = ", ".join(f"`{part}`" for part in re.split(r",\s*", match[1]))
            items.append(f"- {named}: {match[2]}")
        elif items:
            items[-1] += "\n  " + line
        else:
            items.append(line)
    return "\n".join(items)


def signature(node: Function) -> str:
    """Returns `name(arguments) -> type` without `self`."""
    shown = re.sub(r"^(self|cls)(, |$)", "", ast.unparse(node.args))
    return f"{node.name}({shown})" + (f" -> {ast.unparse(node.returns)}" if node.returns is not None else "")


def decorated(node: ast.AST, name: str) -> bool:
    """True for a function or class with this decorator, called or not."""
    return any(ast.unparse(item).partition("(")[0] == name for item in getattr(node, "decorator_list", []))


def code(text: str) -> str:
    """Returns a fenced block of Python that is a signature, not an example."""
    return f"```text\n{text}\n```"


# -- the pages ---------------------------------------------------------------------------------------------------------


def options(language: str) -> str:
    """Every option with its ini twin and default."""
    head = {
        "en": "# Options\n\n"
        "Command line before marker, marker before `ModelSpec`, `ModelSpec` before ini file, ini file before default. Paths on the\n"
        "command line start where pytest is called, those in the ini file at the root directory. `paddle_model` in the ini file says\n"
        "which model the fixtures mean; it adds no tests.",
        "zh": "# 选项\n\n"
        "优先级：命令行 > 标记 > `ModelSpec` > ini 文件 > 默认值。命令行里的路径从执行 pytest 的目录算起，ini 里的从根目录算起。ini 里的 "
        "`paddle_model` 只说明 fixture 指的是哪个模型，不会增加测试项。",
    }[language]
    ini = '[tool.pytest.ini_options]\npaddle_variant = ["cpu", "onednn"]\npaddle_images = "lite_data/val"'
    return f"{head}\n\n{tables(language)['options']}\n\n```toml\n{ini}\n```"


def marker(language: str) -> str:
    """The keys of the marker."""
    head = {
        "en": "# Marker\n\n"
        "`@pytest.mark.paddle_infer_parity(...)` runs the three checkpoints before the test's body, once for each model and variant.\n"
        "It takes keywords only; a wrong one is a usage error that lists these:",
        "zh": "# 标记（marker）\n\n"
        "`@pytest.mark.paddle_infer_parity(...)` 在测试函数体之前运行三个核验点，每个模型、每种引擎配置各一次。只接受关键字参数；写错时报"
        "用法错误并列出下面这些键：",
    }[language]
    return f"{head}\n\n{tables(language)['marker']}"


def fixtures() -> str:
    """The fixtures with their docstrings."""
    shown = ["# Fixtures"]
    for node in tree_of("pytest_paddle_infer.fixtures").body:
        if isinstance(node, ast.FunctionDef) and decorated(node, "pytest.fixture") and not node.name.startswith("_"):
            kind = re.sub(r"^Iterator\[(.*)\]$", r"\1", ast.unparse(node.returns) if node.returns is not None else "Any")
            shown += [f"## {node.name}", f"Value: `{kind}`", prose(ast.get_docstring(node))]
    return "\n\n".join(shown)


def hooks() -> str:
    """The hooks with the docstrings of hookspecs.py."""
    shown = ["# Hooks", "A `conftest.py` or a plugin implements them."]
    for node in tree_of("pytest_paddle_infer.hookspecs").body:
        if isinstance(node, ast.FunctionDef) and decorated(node, "pytest.hookspec"):
            shown += [f"## {node.name}", code(signature(node)), prose(ast.get_docstring(node))]
    return "\n\n".join(shown)


def api() -> str:
    """The public names of the package."""
    shown = ["# Public names", "`from pytest_paddle_infer import ...`. The package alone imports neither Paddle nor numpy."]
    homes: Mapping[str, str] = pytest_paddle_infer._HOMES
    for name in pytest_paddle_infer.__all__:
        body = tree_of(f"pytest_paddle_infer.{homes[name]}").body
        node = next(node for node in body if getattr(node, "name", None) == name)
        shown += [f"## {name}", *(_class(node) if isinstance(node, ast.ClassDef) else _function(node))]
    return "\n\n".join(shown)


def _function(node: Any) -> Iterator[str]:
    yield code(signature(node))
    yield prose(ast.get_docstring(node))


def _class(node: ast.ClassDef) -> Iterator[str]:
    bases = [ast.unparse(base) for base in node.bases]
    yield (f"Base: {', '.join(f'`{base}`' for base in bases)}.\n\n" if bases else "") + prose(ast.get_docstring(node))
    fields = [item for item in node.body if isinstance(item, ast.AnnAssign) and not ast.unparse(item.target).startswith("_")]
    if fields:
        rows = [(f"`{ast.unparse(item.target)}`", f"`{ast.unparse(item.annotation)}`", _default(item.value)) for item in fields]
        yield table(("field", "type", "default"), rows)
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
            shown = f".{item.name}" if decorated(item, "property") else f".{signature(item)}"
            yield f"`{shown}`\n: {_one_line(prose(ast.get_docstring(item)))}".replace("`\n: ", "`: ")


def _default(node: ast.expr | None) -> str:
    if node is None:
        return "required"
    text = ast.unparse(node)
    made = re.fullmatch(r"field\(default_factory=(\w+)\)", text)
    return f"`{made[1]}()`" if made is not None else f"`{text}`"


def _one_line(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text.partition("\n\n")[0])


def command() -> str:
    """The subcommands of `python -m pytest_paddle_infer` with their arguments."""
    parser = program._parser()
    shown = ["# The command", "`python -m pytest_paddle_infer COMMAND`: " + (parser.description or "")]
    subparsers = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    for name, made in subparsers.choices.items():
        shown += [f"## {name}", made.description or ""]
        rows = [
            (_argument(action), (action.help or "").replace("%%", "%"))
            for action in made._actions
            if not isinstance(action, argparse._HelpAction)
        ]
        if rows:
            shown.append(table(("argument", "meaning"), rows))
    return "\n\n".join(shown)


def _argument(action: argparse.Action) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if not action.option_strings:
        return f"`{metavar}`" if action.nargs is None else f"`[{metavar}]`"
    return "`" + ", ".join(action.option_strings) + ("" if action.nargs == 0 else f" {metavar}") + "`"


EXITS: Mapping[str, str] = {
    "OK": "Every test passed or was skipped.",
    "TESTS_FAILED": "A test failed: a checkpoint does not hold, or a variant that was named cannot run here.",
    "INTERRUPTED": "The run was interrupted, or a test file could not be collected.",
    "INTERNAL_ERROR": "pytest or a plugin has a fault. No fault of a model or an input ends so.",
    "USAGE_ERROR": "The command line, the ini file, the marker or a hook is wrong: an unknown model or variant, a bad value, a place "
    "that cannot be written.",
    "NO_TESTS_COLLECTED": "No test was collected: `--paddle-model` was not given and there are no test files, or all were deselected.",
    "MAX_WARNINGS_ERROR": "More warnings than `--max-warnings` allows.",
}
"""Name in `pytest.ExitCode` -> what it means here."""


def exit_codes() -> str:
    """The exit codes of pytest and of the command."""
    from pytest_paddle_infer.report.content import EXITS as REASONS

    rows = [(f"{number}", reason, meaning) for number, (reason, meaning) in enumerate(zip(REASONS, EXITS.values()))]
    known = {code.name: code.value for code in pytest.ExitCode}
    assert list(EXITS)[: len(known)] == sorted(known, key=known.__getitem__), "pytest has other exit codes"
    return (
        "# Exit codes\n\n`pytest` ends with its own exit codes; this plugin adds none. The second column is `session.exit_reason` in "
        f"[report.json](report-json.md).\n\n{table(('code', 'reason', 'meaning'), rows)}\n\n"
        "`python -m pytest_paddle_infer` ends with 0; with 1 where `doctor` found a problem, where `compare` finds the second report "
        "worse, or\nwhere a question cannot be answered for want of Paddle; and with 2 for a command line that is wrong."
    )


def checkpoints() -> str:
    """What `explain` says of the checkpoints, and of the stages of the diagnosis."""
    from pytest_paddle_infer.checks import ALL

    shown = [
        "# Checkpoints and stages",
        "The same as `python -m pytest_paddle_infer explain NAME`, with every limit read from the code.",
    ]
    for name in option_table.CHECKPOINTS:
        told = explain.checkpoint(name)
        rows = [
            (f"`{explain._spelled(option_table.BY_ATTRIBUTE[item])}`", option_table.BY_ATTRIBUTE[item].help)
            for item in told.options
        ]
        shown += [f"## {name}", (ALL[name].__doc__ or "").strip(), "\n".join(f"- {_plain(text)}" for text in told.asserts)]
        shown += [f"A failure means: {_plain(told.failure)}", table(("option that changes it", "meaning"), rows)]
    shown += ["## Stages", "Where the two sides part; the line `stage:` of a failure names one. They are told apart by comparing one step "
              f"more at a time with dygraph: {'; '.join(stages.ORDER)}."]  # fmt: skip
    for name, stage in stages.STAGES.items():
        shown += [
            f"### Stage {name}",
            stage.means,
            "Tried:\n\n" + "\n".join(f"- {text}" for text in stage.tried),
            f"To do: {stage.do}",
        ]
    return "\n\n".join(shown)


def _plain(text: str) -> str:
    """Formulas become code: explain joins their words by no-break spaces."""
    marked = re.sub(r"\S*\N{NO-BREAK SPACE}[^ ,;:]*(?:[,;:](?=\S)[^ ,;:]*)*", lambda match: f"`{match[0]}`", text)
    return marked.replace("\N{NO-BREAK SPACE}", " ").replace(".`", "`.")


def variant_table() -> str:
    """The built-in variants with what they set."""
    rows = [
        (
            f"`{name}`",
            variants.PRECISIONS.get(name, "fp32"),
            f"`{known_variants.SETS[name]}`",
            ", ".join(f"`{key}`" for key in option_table.PARAMETERS[name]),
            known_variants.NEEDS.get(name, ""),
        )
        for name in option_table.VARIANTS
    ]
    meanings = [(f"`{key}`", meaning) for key, meaning in known_variants.MEANINGS.items()]
    return "\n\n".join(
        [
            "# Variants",
            "How to choose: [Choose a variant](../how-to/choose-a-variant.md). `python -m pytest_paddle_infer variants` says which of "
            "them can run here.",
            table(("variant", "computes in", "sets", "parameters", "needs"), rows),
            f"All set besides: `{known_variants.COMMON}`.",
            "Parameters follow a colon, as in `onednn:threads=4,cache=10`:",
            table(("parameter", "meaning"), meanings),
        ]
    )


def _begun(sentence: str) -> str:
    """With a capital letter, unless it begins with a name from code."""
    first = sentence.split()[0]
    return sentence[0].upper() + sentence[1:] if first.isalpha() and first.islower() else sentence


def traps() -> str:
    """What Paddle does and its users do not expect, by version."""
    rows = [
        (
            ", ".join(known_traps.MEASURED[major] for major in trap.majors),
            f"{_begun(trap.what)}.",
            f"{trap.remedy}.",
        )
        for trap in known_traps.TRAPS
    ]
    return (
        "# Traps\n\nWhat Paddle does and its users do not expect. `python -m pytest_paddle_infer doctor` lists those of the installed "
        f"version, and what\nstands in the way of the installation itself.\n\n{table(('measured on', 'trap', 'remedy'), rows)}"
    )


# -- report.json -------------------------------------------------------------------------------------------------------


def report_json() -> str:
    """The schema of report.json: one table for each kind of object."""
    place = Path(pytest_paddle_infer.__file__).parent / "report" / "report.schema.json"
    schema = json.loads(place.read_text(encoding="utf-8"))
    shown = [
        "# report.json",
        f"{schema['description']}",
        "The JSON Schema itself is `report/report.schema.json` in the package.",
        "## The file",
        table(("key", "type", "meaning"), _keys(schema)),
    ]
    for name, part in schema["$defs"].items():
        shown += [f"## {name}", *([part["description"]] if "description" in part else [])]
        rows = list(_keys(part))
        shown.append(table(("key", "type", "meaning"), rows) if rows else f"Type: {_type(part)}.")
    return "\n\n".join(shown)


def _keys(part: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str, str]]:
    for key, value in part.get("properties", {}).items():
        yield f"`{above}{key}`", _type(value), value.get("description", "")
        for inner, mark in ((value, "."), (value.get("items", {}), "[]."), *((one, ".") for one in value.get("oneOf", ()))):
            yield from _keys(inner, f"{above}{key}{mark}")


def _type(part: Mapping[str, Any]) -> str:
    if "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for joined in ("oneOf", "anyOf"):
        if joined in part:
            return " or ".join(_type(one) for one in part[joined])
    if "enum" in part:
        return " or ".join(f"`{json.dumps(value)}`" for value in part["enum"])
    if "const" in part:
        return f"`{json.dumps(part['const'])}`"
    kinds = part.get("type", "any")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return " or ".join(f"array of {_type(part['items'])}" if kind == "array" and "items" in part else kind for kind in kinds)


# -- writing -----------------------------------------------------------------------------------------------------------

NOTE = "<!-- written by `make reference` from the code: change the code, not this page -->"

PAGES: Mapping[str, Callable[[], str]] = {
    "options.md": lambda: options("en"),
    "options.zh.md": lambda: options("zh"),
    "marker.md": lambda: marker("en"),
    "marker.zh.md": lambda: marker("zh"),
    "fixtures.md": fixtures,
    "hooks.md": hooks,
    "api.md": api,
    "variants.md": variant_table,
    "command.md": command,
    "checkpoints.md": checkpoints,
    "exit-codes.md": exit_codes,
    "report-json.md": report_json,
    "traps.md": traps,
}


def page(name: str) -> str:
    """Returns the text of a page of docs/reference/."""
    return f"{NOTE}\n\n{PAGES[name]()}\n"


if __name__ == "__main__":
    (HERE / "reference").mkdir(exist_ok=True)
    for name in PAGES:
        (HERE / "reference" / name).write_text(page(name), encoding="utf-8")
