"""docs/reference/ is what `make reference` writes: no page of it is typed by hand, and none is stale."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import reference  # noqa: E402
from tables import CHINESE, tables  # noqa: E402

PLACE = ROOT / "docs" / "reference"


@pytest.mark.parametrize("name", reference.PAGES)
def test_a_page_of_the_reference_is_the_one_of_the_code(name: str) -> None:
    assert (PLACE / name).read_text(encoding="utf-8") == reference.page(name), "run `make reference`"


def test_there_is_no_other_page_in_the_reference() -> None:
    assert sorted(path.name for path in PLACE.iterdir()) == sorted(reference.PAGES)


def test_every_translation_belongs_to_a_text_of_the_code() -> None:
    english = "\n".join(tables("en").values())
    assert [text for text in CHINESE if text.replace("|", r"\|") not in english] == []


def test_a_docstrings_fields_become_a_list() -> None:
    assert reference.prose("A thing.\n\n    name: its name,\n        in words.\n    rtol, atol: limits.") == (
        "A thing.\n\n- `name`: its name,\n  in words.\n- `rtol`, `atol`: limits."
    )


def test_a_formula_becomes_code() -> None:
    from pytest_paddle_infer.command.columns import formula

    assert (
        reference._plain(f"rule: {formula('|i - t| <= 1e-5 + 1e-5 * |t|')}, for all")
        == "rule: `|i - t| <= 1e-5 + 1e-5 * |t|`, for all"
    )
    assert reference._plain(f"agree: {formula('a <= b')}.") == "agree: `a <= b`."


def test_keys_of_inner_objects_are_in_the_table() -> None:
    page = reference.page("report-json.md")
    for key in ("`session`", "`not_collected[].id`", "`files.outputs`", "`facts[].label`"):
        assert f"| {key} |" in page
