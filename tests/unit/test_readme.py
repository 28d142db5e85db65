"""The READMEs say what the code does: tables, option names, examples, fields."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from pytest_paddle_infer import fixtures
from pytest_paddle_infer.engine.reference import REFERENCE_SAMPLES
from pytest_paddle_infer.judge import closeness, noise
from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.option_table import OPTIONS

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import readme_tables  # noqa: E402

LANGUAGES = sorted(readme_tables.READMES)


def text_of(language: str) -> str:
    return readme_tables.READMES[language].read_text(encoding="utf-8")


def blocks(language: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", text_of(language), re.DOTALL | re.MULTILINE)


def headings(language: str) -> list[str]:
    prose = re.sub(r"^```.*?^```$", "", text_of(language), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"^#+ .+$", prose, re.MULTILINE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_tables_are_those_of_the_code(language: str) -> None:
    assert readme_tables.updated(text_of(language), language) == text_of(language), "run `make readme`"


def test_every_translation_belongs_to_a_text_of_the_code() -> None:
    english = "\n".join(readme_tables.tables("en").values())
    assert [text for text in readme_tables.CHINESE if text.replace("|", r"\|") not in english] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_option_mentioned_exists(language: str) -> None:
    mentioned = set(re.findall(r"--paddle-[a-z][a-z-]*[a-z]", text_of(language)))
    assert mentioned - {option.flag for option in OPTIONS} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_ini_value_mentioned_exists(language: str) -> None:
    mentioned = set(re.findall(r"^(paddle_\w+) =", "\n".join(blocks(language, "toml")), re.MULTILINE))
    assert mentioned
    assert mentioned - {option.key for option in OPTIONS} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_python_block_compiles(language: str) -> None:
    assert blocks(language, "python")
    for block in blocks(language, "python"):
        compile(block, f"README ({language})", "exec")


def test_python_blocks_are_the_same_but_for_words() -> None:
    def bones(block: str) -> str:
        tree = ast.parse(block)
        for node in ast.walk(tree):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
                node.body = node.body[1:]
        return ast.dump(tree)

    assert [bones(block) for block in blocks("en", "python")] == [bones(block) for block in blocks("zh", "python")]


def test_printed_sessions_are_the_same() -> None:
    def printed(language: str) -> list[str]:
        return [re.sub(r" +#.*", "", block) for block in blocks(language, "console")]

    assert printed("en") == printed("zh")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_field_of_a_model_is_mentioned(language: str) -> None:
    missing = [field.name for field in fields(ModelSpec) if f"`{field.name}`" not in text_of(language)]
    assert missing == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fixture_is_mentioned(language: str) -> None:
    source = inspect.getsource(fixtures)
    names = re.findall(r"^@pytest\.fixture.*\ndef ([a-z]\w*)\(", source, re.MULTILINE)
    assert "sample_images" in names
    assert [name for name in names if f"| `{name}` |" not in text_of(language)] == []


RULE = {
    "K": {"en": r"<= (\S+) \* floor$", "zh": r"<= (\S+) \* floor$"},
    "FLOOR_ULPS": {"en": r"at least (\S+) ulp\b", "zh": r"的 (\S+) ulp（"},
    "VACUOUS": {"en": r"less than (\S+) times the limit", "zh": r"不到上限的 (\S+) 倍"},
}
"""Constant of the judge -> where each README says it."""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("constant", RULE)
def test_the_noise_rule_is_the_one_of_the_judge(constant: str, language: str) -> None:
    said = re.findall(RULE[constant][language], text_of(language), re.MULTILINE)
    assert said == [f"{getattr(noise, constant):g}"], f"noise.{constant} and the README differ: section `parity`"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_figures_that_follow_from_the_rule_are_right(language: str) -> None:
    text = text_of(language)
    smallest = noise.FLOOR_ULPS * 2 * noise.UNIT_ROUNDOFF["fp32"]
    assert f"{smallest:.1e}" in text, "the smallest floor"
    assert re.search(rf"(first|前) {REFERENCE_SAMPLES} (samples|个样本)", text)
    assert f" {100 / noise.VACUOUS:g} %" in text, "where the column `sees from` becomes vacuous"
    assert f"`{closeness.PREPROCESSING.atol:.0e} + {closeness.PREPROCESSING.rtol:.0e} * |t|`".replace("e-0", "e-") in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_links_to_sections_lead_somewhere(language: str) -> None:
    anchors = {re.sub(r"[^\w\- ]", "", heading.lstrip("# ").lower()).replace(" ", "-") for heading in headings(language)}
    assert set(re.findall(r"\]\(#([^)]+)\)", text_of(language))) <= anchors


def test_both_languages_have_the_same_sections() -> None:
    levels = {language: [heading.partition(" ")[0] for heading in headings(language)] for language in LANGUAGES}
    assert levels["en"] == levels["zh"]
