"""What GitHub is told, to the letter: the runner takes every `::` at a line's start, `,` and `:` of a property for its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_content import content, failed, passed

from pytest_paddle_infer.report.github import SUMMARY_LIMIT, append_summary, command, error_lines

ROOT = Path("/repo/project")


@pytest.mark.parametrize(
    ("text", "data", "title"),
    [
        ("plain", "plain", "plain"),
        ("50 %", "50 %25", "50 %25"),
        ("%0A", "%250A", "%250A"),
        ("a\nb\r\nc", "a%0Ab%0D%0Ac", "a%0Ab%0D%0Ac"),
        ("a: b, c", "a: b, c", "a%3A b%2C c"),
        ("::error::x", "::error::x", "%3A%3Aerror%3A%3Ax"),
        ("池化", "池化", "池化"),
    ],
)
def test_what_the_runner_would_take_for_its_own_is_escaped(text: str, data: str, title: str) -> None:
    assert command("error", text, title=text) == f"::error title={title}::{data}"


def test_properties_stand_in_their_order_and_empty_ones_are_left_out() -> None:
    assert command("error", "x", file="a,b.py", line="3", title="t") == "::error file=a%2Cb.py,line=3,title=t::x"
    assert command("error", "x", file="", title="") == "::error::x"


@pytest.mark.parametrize(
    ("workspace", "place"), [("/repo", "file=project/t.py,line=3,"), ("/repo/project", "file=t.py,line=3,"), ("/other", "")]
)
def test_a_file_is_named_from_the_workspace(workspace: str, place: str) -> None:
    found = content(failed("net: off, by 3 %.", file="t.py", line=3))
    (line,) = error_lines(found, ROOT, Path(workspace))
    assert line == f"::error {place}title=net%2C cpu%3A parity::net: off, by 3 %25.%0Aagain: pytest it"


def test_more_failures_than_github_shows_are_counted_in_the_last() -> None:
    ten = content(*(failed(model=f"net{number}") for number in range(10)))
    assert len(error_lines(ten, ROOT, ROOT)) == 10
    many = content(*(failed(model=f"net{number:02d}") for number in range(25)))
    lines = error_lines(many, ROOT, ROOT)
    assert (len(lines), lines[-1]) == (10, "::error title=Paddle inference::16 more failures are in the summary.")


def test_a_green_run_has_no_annotation() -> None:
    assert error_lines(content(passed()), ROOT, ROOT) == []


def test_a_summary_longer_than_github_takes_is_cut_at_a_line(tmp_path: Path) -> None:
    path = tmp_path / "step.md"
    path.write_bytes(b"x" * (SUMMARY_LIMIT // 2))
    append_summary(path, "池化\n" * SUMMARY_LIMIT)
    data = path.read_bytes()
    assert len(data) <= SUMMARY_LIMIT
    assert data.decode().endswith("\n池化\n\nCut: the whole is in summary.md.\n")
