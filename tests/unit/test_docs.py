"""The pages say what the code does: every block is of a known kind, and every option, variant, key, name and link in it exists."""

from __future__ import annotations

import ast
import configparser
import importlib
import inspect
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from documents import Block, Command, anchors, blocks, headings, language_of, pages, prose, to_run, twin_of

from pytest_paddle_infer import ModelSpec, Variant, fixtures
from pytest_paddle_infer.command import program
from pytest_paddle_infer.command.models import SIZES
from pytest_paddle_infer.engine.reference import REFERENCE_SAMPLES
from pytest_paddle_infer.judge import closeness, noise
from pytest_paddle_infer.option_table import MARKER, MARKER_KEYS, OPTIONS, PARAMETERS, VARIANTS, split_variant
from pytest_paddle_infer.report.github import MOST

ROOT = Path(__file__).resolve().parents[2]
PAGES = pages()
BLOCKS = [block for page in PAGES for block in blocks(page)]
GENERATED = ROOT / "docs" / "reference"
FLAGS = {option.flag: option for option in OPTIONS}
KEYS = {option.key: option for option in OPTIONS}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def of_kind(*kinds: str) -> Any:
    return [pytest.param(block, id=block.place) for block in BLOCKS if block.kind in kinds]


every_page = pytest.mark.parametrize("page", [pytest.param(page, id=name_of(page)) for page in PAGES])


# -- no block escapes --------------------------------------------------------------------------------------------------

KINDS = ("python", "console", "toml", "ini", "yaml", "text", "markdown", "{toctree}")


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    assert [f"{block.place}: {block.kind!r}" for block in BLOCKS if block.kind not in KINDS] == []


def test_text_blocks_hold_no_commands() -> None:
    assert [
        block.place for block in BLOCKS if block.kind in ("text", "markdown") and re.search(r"^\$ ", block.text, re.MULTILINE)
    ] == []


@every_page
def test_every_option_and_fixture_and_marker_mentioned_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"--paddle-[a-z][a-z-]*[a-z]", text)) - set(FLAGS) == set()
    assert set(re.findall(r"pytest\.mark\.(paddle\w+)", text)) - {MARKER} == set()
    assert set(re.findall(r"\b(pytest_paddle_infer_\w+)\(", text)) <= {"pytest_paddle_infer_models", "pytest_paddle_infer_variants"}


# -- commands ----------------------------------------------------------------------------------------------------------

OTHER_FLAGS = {"-n", "-k", "-m", "-q", "-x", "-p", "--collect-only", "--junitxml", "--html", "--self-contained-html", "--alluredir"}
"""Options of pytest and of other plugins that the pages use. Those that take a value behind a blank are in `VALUED`."""
VALUED = {"-n", "-k", "-m", "-p"}
PLAIN = {"cd", "mkdir", "cat", "ls", "cp"}


def names_on(page: Path) -> tuple[set[str], set[str]]:
    """Models and variants that the page's own hooks give."""
    text = "\n".join(block.text for other in {page, twin_of(page)} if other.is_file() for block in blocks(other))
    return set(re.findall(r'ModelSpec\(\s*(?:name=)?"([^"]+)"', text)), set(re.findall(r'Variant\("([^"]+)"', text))


def check_variant(label: str, own: set[str]) -> None:
    name, parameters = split_variant(label)
    assert name in {*VARIANTS, "auto", "all", *own}, f"there is no variant {name!r}"
    for key, value in parameters.items():
        assert key in PARAMETERS.get(name, {}), f"{name} has no parameter {key!r}"
        PARAMETERS[name][key](value)


def check_model(pattern: str, own: set[str]) -> None:
    from fnmatch import filter as matching

    assert ":" in pattern or pattern in own or matching([*SIZES, *own], pattern), f"there is no model {pattern!r}"


def check_pytest(arguments: list[str], models: set[str], variants: set[str]) -> None:
    rest = iter(arguments)
    for word in rest:
        flag, equals, value = word.partition("=")
        if flag.startswith("--paddle-"):
            assert flag in FLAGS, f"there is no option {flag}"
            option = FLAGS[flag]
            assert bool(equals) is not option.is_switch, f"{flag}: {'no value' if equals else 'a value'} is wanted"
            if equals and "$" not in value:
                option.read(value)
            if option.name == "variant":
                check_variant(value, variants)
            if option.name == "model":
                check_model(value, models)
        elif flag.startswith("-"):
            assert flag in OTHER_FLAGS, f"{flag} is not among the options that are looked at: is it one of pytest's?"
            if flag in VALUED:
                next(rest)
        else:
            assert re.match(r"(paddle-model/[\w.:-]+|[\w./-]+)(::\w+(\[.+\])?)?$", word), f"{word!r} is no test"


def check_pip(arguments: list[str]) -> None:
    extras = set(re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE))
    assert arguments[0] in ("install", "uninstall", "check"), arguments
    for word in arguments[1:]:
        match = re.match(r"(?:pytest-paddle-infer|\.)\[([\w,]+)\]", word)
        assert match is None or set(match[1].split(",")) <= extras, f"{word}: there is no such extra"


def check_make(arguments: list[str]) -> None:
    known = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(arguments) <= set(known), f"make {arguments}: no such target"


def check_command(words: tuple[str, ...], page: Path) -> None:
    """Raises `AssertionError` or `OptionError` for a command that cannot be meant."""
    rest = [word for number, word in enumerate(words) if number or not re.fullmatch(r"[A-Z_]+=.*", word)]
    tool = rest[0].rpartition("/")[2]
    if tool.startswith("python") and rest[1:2] == ["-m"]:
        tool, rest = rest[2], rest[2:]
    if tool == "pytest":
        check_pytest(rest[1:], *names_on(page))
    elif tool == "pytest_paddle_infer":
        try:
            program._parser().parse_args(rest[1:])
        except SystemExit as error:
            raise AssertionError(f"{rest}: a usage error") from error
    elif tool == "pip":
        check_pip(rest[1:])
    elif tool == "make":
        check_make(rest[1:])
    elif tool.startswith("python"):
        assert rest[1].endswith(".py") or rest[1] in (".", "benchmarks/detection"), rest
    else:
        assert tool in {*PLAIN, "venv", "."}, f"{tool!r} is not a command that is looked at"


@pytest.mark.parametrize("block", of_kind("console"))
def test_every_command_is_one_that_can_be_given(block: Block) -> None:
    assert block.commands
    for command in block.commands:
        for part in split_at(command):
            check_command(part, block.page)


def split_at(command: Command) -> Iterator[tuple[str, ...]]:
    """The commands between `&&` and `|`."""
    part: list[str] = []
    for word in (*command.words, "&&"):
        if word in ("&&", "|"):
            yield tuple(part)
            part = []
        else:
            part.append(word)


def test_a_session_that_is_run_elsewhere_is_shown_there() -> None:
    for block in BLOCKS:
        other = re.fullmatch(r"the same as in (\S+)", block.reason)
        if other is not None:
            shown = [(command.words, command.printed) for there in blocks(ROOT / other[1]) for command in to_run(there)]
            assert [c.line for c in block.commands if c.words[0] == "pytest" and (c.words, c.printed) not in shown] == [], (
                block.place
            )


def test_a_file_that_is_said_to_hold_a_session_exists() -> None:
    named = {name for block in BLOCKS for name in re.findall(r"tests/\S+\.py", block.reason)}
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_a_wrong_command_is_seen() -> None:
    page = ROOT / "README.md"
    for line in (
        "pytest --paddle-modell=alexnet", "pytest --paddle-model=alexxnet", "pytest --paddle-variant=onedn", "pytest --paddle-teeth=1",
        "pytest --paddle-variant=cpu:cache=1", "pytest --paddle-seed=x", "pytest --paddle-model", "pip install 'pytest-paddle-infer[cpuu]'",
        "python -m pytest_paddle_infer docter", "make deemo", "rm -rf /",
    ):  # fmt: skip
        with pytest.raises((AssertionError, ValueError)):
            check_command(tuple(shlex.split(line)), page)


# -- Python ------------------------------------------------------------------------------------------------------------

GIVEN = re.findall(r"^@pytest\.fixture.*\ndef ([a-z]\w*)\(", inspect.getsource(fixtures), re.MULTILINE)
FIXTURES = {*GIVEN, "tmp_path", "request", "monkeypatch", "capsys"}


@pytest.mark.parametrize("block", of_kind("python"))
def test_python_uses_names_that_exist(block: Block) -> None:
    tree = ast.parse(block.text, block.place)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pytest_paddle_infer"):
            home = importlib.import_module(node.module or "")
            assert [alias.name for alias in node.names if not hasattr(home, alias.name)] == []
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"pytest.mark.{MARKER}":
            assert {keyword.arg for keyword in node.keywords} <= set(MARKER_KEYS)
            for keyword in node.keywords:
                for label in ast.literal_eval(keyword.value) if keyword.arg == "variants" else ():
                    check_variant(label, names_on(block.page)[1])
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "ModelSpec":
            assert {keyword.arg for keyword in node.keywords} <= {field.name for field in fields(ModelSpec)}
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            own = {item.name for item in ast.walk(tree) if isinstance(item, ast.FunctionDef)}
            assert {argument.arg for argument in node.args.args} - {"self"} <= FIXTURES | own


def is_run(block: Block) -> bool:
    """True when a command of the same section is run after it; a page and its twin have the same blocks."""
    page = twin_of(block.page) if language_of(block.page) == "zh" else block.page
    same = [other for other in blocks(page) if other.section == block.section and to_run(other)]
    return any(other.number > block.number or page != block.page for other in same)


@pytest.mark.parametrize("block", of_kind("python"))
def test_python_that_no_session_runs_can_be_executed(block: Block) -> None:
    if is_run(block):
        assert block.file is not None, "a block of a section that is run names its file in its first line: # conftest.py"
        return
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(block.text, block.place, "exec"), names)
    for hook, kind in (("pytest_paddle_infer_models", ModelSpec), ("pytest_paddle_infer_variants", Variant)):
        if hook in names:
            assert all(isinstance(item, kind) for item in names[hook](None))


# -- ini, TOML, YAML ---------------------------------------------------------------------------------------------------


def load_toml(text: str) -> Any:
    try:
        import tomllib
    except ModuleNotFoundError:  # before Python 3.11, where pytest brings it
        tomllib = pytest.importorskip("tomli")
    return tomllib.loads(text)


def check_ini(values: Mapping[str, Any], page: Path) -> None:
    for key, value in values.items():
        if key.startswith("paddle_"):
            assert key in KEYS, f"there is no ini value {key}"
            for item in value if isinstance(value, list) else str(value).split("\n"):
                KEYS[key].read(str(item).lower() if isinstance(item, bool) else item)
                if key == "paddle_variant":
                    check_variant(item, names_on(page)[1])
                if key == "paddle_model":
                    check_model(item, names_on(page)[0])


@pytest.mark.parametrize("block", of_kind("toml"))
def test_every_ini_value_in_toml_exists(block: Block) -> None:
    check_ini(load_toml(block.text)["tool"]["pytest"]["ini_options"], block.page)


@pytest.mark.parametrize("block", of_kind("ini") or [pytest.param(None, marks=pytest.mark.skip(reason="no page has an ini block"))])
def test_every_ini_value_in_ini_files_exists(block: Block) -> None:
    parser = configparser.ConfigParser()
    parser.read_string(block.text)
    check_ini(dict(parser["pytest"]), block.page)


def test_a_wrong_ini_value_is_seen() -> None:
    for values in ({"paddle_modell": "x"}, {"paddle_variant": ["onedn"]}, {"paddle_seed": "x"}):
        with pytest.raises((AssertionError, ValueError)):
            check_ini(values, ROOT / "README.md")


@pytest.mark.parametrize("block", of_kind("yaml"))
def test_every_command_of_a_ci_file_can_be_given(block: Block) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is in the extra `test`")
    found = list(commands_in(yaml.safe_load(block.text)))
    assert found, "a YAML block has commands: lines of run, script or before_script"
    for line in found:
        for words in split_at(Command(line, tuple(shlex.split(line, comments=True)), ())):
            check_command(words, block.page)


def commands_in(node: Any, key: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for inner, value in node.items():
            yield from commands_in(value, str(inner))
    elif isinstance(node, list):
        for value in node:
            yield from commands_in(value, key)
    elif isinstance(node, str) and key in ("run", "script", "before_script"):
        yield from (line for line in node.splitlines() if line.strip())


# -- links -------------------------------------------------------------------------------------------------------------


@every_page
def test_links_lead_to_pages_and_sections(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_site_has_every_page_once() -> None:
    listed = [
        line.strip()
        for block in blocks(ROOT / "docs" / "index.md")
        for line in block.text.splitlines()
        if line[:1] not in (":", "")
    ]
    written = [name_of(page)[len("docs/") : -len(".md")] for page in PAGES if page.is_relative_to(ROOT / "docs")]
    assert sorted(listed) == sorted(name for name in written if name != "index")


def test_pages_of_the_site_lead_nowhere_outside_it() -> None:
    """The site has no files but its own, so a link to another file of the repository would be dead in it."""
    for page in PAGES:
        if page.is_relative_to(ROOT / "docs"):
            links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if "://" not in link]
            assert [link for link in links if not (page.parent / link).resolve().is_relative_to(ROOT / "docs")] == [], name_of(page)


# -- two languages -----------------------------------------------------------------------------------------------------

TWINS = [page for page in PAGES if language_of(page) == "en" and twin_of(page).is_file()]
every_twin = pytest.mark.parametrize("page", [pytest.param(page, id=name_of(page)) for page in TWINS])


def test_every_page_that_is_written_by_hand_is_there_in_both_languages() -> None:
    alone = [page for page in PAGES if not twin_of(page).is_file()]
    assert [name_of(page) for page in alone if page.parent != GENERATED and page.name != "index.md"] == []


@every_twin
def test_a_page_leads_to_the_same_in_the_other_language(page: Path) -> None:
    if page.parent != GENERATED:
        for one in (page, twin_of(page)):
            assert f"]({twin_of(one).name})" in prose(one)


@every_twin
def test_both_languages_have_the_same_sections(page: Path) -> None:
    assert [line.partition(" ")[0] for line in headings(page)] == [line.partition(" ")[0] for line in headings(twin_of(page))]


def test_no_line_ends_inside_a_chinese_sentence() -> None:
    """Browsers make a blank of it."""
    wide = r"[\u3000-\u9fff\uff00-\uffef]"
    for page in PAGES:
        if language_of(page) == "zh":
            assert re.findall(rf".*{wide}\n{wide}.*", prose(page)) == [], name_of(page)


def without_words(block: Block) -> str:
    """What has to be equal in both languages: code without its docstrings, all else without its comments."""
    if block.kind == "python":
        tree = ast.parse(block.text)
        for node in ast.walk(tree):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
                node.body = node.body[1:]
        return f"{block.file} {ast.dump(tree)}"
    return re.sub(r" *# .*", "", block.text)


@every_twin
def test_both_languages_show_the_same_blocks(page: Path) -> None:
    mine, other = ([(block.kind, block.section, without_words(block)) for block in blocks(one)] for one in (page, twin_of(page)))
    assert mine == other


@every_twin
def test_both_languages_have_tables_of_the_same_length(page: Path) -> None:
    assert [line.count("|") for line in prose(page).splitlines() if line.startswith("|")] == [
        line.count("|") for line in prose(twin_of(page)).splitlines() if line.startswith("|")
    ]


# -- what the pages say of the code ------------------------------------------------------------------------------------

LANGUAGES = ("en", "zh")


def text_of(name: str, language: str) -> str:
    page = ROOT / name
    return (page if language == "en" else twin_of(page)).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_a_readme_is_short(name: str) -> None:
    assert len((ROOT / name).read_bytes()) < 15_000


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_field_of_a_model_is_mentioned(language: str) -> None:
    text = text_of("docs/how-to/add-to-a-repository.md", language)
    assert [field.name for field in fields(ModelSpec) if f"`{field.name}`" not in text] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fixture_is_mentioned(language: str) -> None:
    assert "sample_images" in GIVEN
    assert [name for name in GIVEN if f"| `{name}` |" not in text_of("docs/how-to/add-to-a-repository.md", language)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_variant_and_parameter_is_mentioned(language: str) -> None:
    text = text_of("docs/how-to/choose-a-variant.md", language)
    assert [name for name in VARIANTS if f"`{name}`" not in text] == []
    assert [key for keys in PARAMETERS.values() for key in keys if f"`{key}`" not in text] == []


RULE: Mapping[str, Mapping[str, str]] = {
    "K": {"en": r"<= (\S+) \* floor$", "zh": r"<= (\S+) \* floor$"},
    "FLOOR_ULPS": {"en": r"at least (\S+) ulp\b", "zh": r"的 (\S+) ulp（"},
    "VACUOUS": {"en": r"less than (\S+) times the limit", "zh": r"不到上限的 (\S+) 倍"},
}
"""Constant of the judge -> where each language says it."""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("constant", RULE)
def test_the_noise_rule_is_the_one_of_the_judge(constant: str, language: str) -> None:
    said = re.findall(RULE[constant][language], text_of("docs/explanation/judge.md", language), re.MULTILINE)
    assert said == [f"{getattr(noise, constant):g}"], f"noise.{constant} and the page differ"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_figures_that_follow_from_the_rule_are_right(language: str) -> None:
    text = text_of("docs/explanation/judge.md", language)
    smallest = noise.FLOOR_ULPS * 2 * noise.UNIT_ROUNDOFF["fp32"]
    assert f"{smallest:.1e}" in text, "the smallest floor"
    assert re.search(rf"(first|前) {REFERENCE_SAMPLES} (samples|个样本)", text)
    checkpoints = text_of("docs/explanation/checkpoints.md", language)
    assert f"`{closeness.PREPROCESSING.atol:.0e} + {closeness.PREPROCESSING.rtol:.0e} * |t|`".replace("e-0", "e-") in checkpoints
    session = text_of("docs/how-to/read-a-session.md", language)
    assert f" {100 / noise.VACUOUS:g} %" in session, "where the column `sees from` becomes vacuous"


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_report_and_github_show_is_said(language: str) -> None:
    assert {"en": "shows ten of a step", "zh": "每个步骤显示十条"}[language] in text_of("docs/how-to/ci.md", language)
    assert MOST == 10


def test_every_check_here_has_blocks_to_look_at() -> None:
    kinds: Callable[[str], int] = lambda kind: sum(block.kind == kind for block in BLOCKS)  # noqa: E731
    assert {kind: kinds(kind) > 0 for kind in ("python", "console", "toml", "yaml")} == dict.fromkeys(
        ("python", "console", "toml", "yaml"), True
    )
