"""report.html and summary.md: what they say, that they say only that, and that the page stands alone."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from report_content import content, failed, passed

from pytest_paddle_infer.report.content import GENERATOR
from pytest_paddle_infer.report.markdown import MOST_FAILURES, escape, to_markdown
from pytest_paddle_infer.report.page import to_html

EMPTY = {"meta", "br"}
HOSTILE = "<script>alert('x')</script> & \"quoted\" | `code` *bold* @someone \x1b[31m"


class Page(HTMLParser):
    """Checks that tags are balanced and notes what a reader needs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, name: str) -> list[str]:
        return [str(attributes[name]) for _, attributes in self.tags if name in attributes]


def red(cause: str = "net, cpu: off.") -> Page:
    return Page(
        to_html(content(passed(model="other"), failed(cause, ("output", cause)), problems=[("t.py", cause)], exit_status=1))
    )


# -- the page ----------------------------------------------------------------------------------------------------------


def test_the_verdict_is_the_heading() -> None:
    assert "Paddle inference: failed" in red().text
    assert "Paddle inference: passed" in Page(to_html(content(passed()))).text
    assert "Paddle inference: nothing ran" in Page(to_html(content())).text


def test_a_failure_shows_cause_facts_command_and_text() -> None:
    text = red().text
    assert text.index("Failures (1)") < text.index("Models")
    for said in ("net, cpu: parity", "net, cpu: off.", "output", "again", "pytest it", "As pytest printed it"):
        assert said in text


def test_a_green_page_has_no_section_of_failures() -> None:
    page = Page(to_html(content(passed())))
    assert "Failures" not in page.text
    assert "article" not in dict(page.tags)


def test_the_page_stands_alone() -> None:
    text = to_html(content(failed()))
    assert re.findall(r"(?:https?:)?//\w", text) == []
    assert "<script" not in text
    assert "@import" not in text
    assert "default-src &#x27;none&#x27;" in text
    assert "prefers-color-scheme: dark" in text
    assert GENERATOR in text[:512], "so that the next run knows its own"


def test_links_lead_somewhere_and_ids_are_there_once() -> None:
    page = red()
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.all("href") if link.startswith("#")} <= set(ids)
    assert set(page.all("aria-labelledby")) <= set(ids)


def test_what_scrolls_is_reachable_by_keys_and_has_a_name() -> None:
    regions = [attributes for _, attributes in red().tags if attributes.get("role") == "region"]
    assert regions
    assert all(region.get("tabindex") == "0" and region.get("aria-label") for region in regions)


def test_a_files_link_is_relative_only_below_the_report() -> None:
    page = Page(to_html(content(passed(directory="/reports/today/out put/net", log_file="/elsewhere/a.log"))))
    assert [link for link in page.all("href") if not link.startswith("#")] == ["./out%20put/net"]
    assert "/elsewhere/a.log" in page.text


def test_text_of_others_is_text() -> None:
    page = red(HOSTILE)
    assert "script" not in dict(page.tags)
    assert "<script>alert('x')</script>" in page.text
    assert "\x1b" not in page.text
    assert "\N{REPLACEMENT CHARACTER}[31m" in page.text


# -- the summary -------------------------------------------------------------------------------------------------------


def test_the_summary_has_verdict_table_and_failure() -> None:
    lines = to_markdown(content(failed("net, cpu: off.", ("output", "3 of 4")), exit_status=1)).splitlines()
    assert lines == [
        "<!-- pytest-paddle-infer 0.1.0, run 0123456789abcdef -->",
        "## ❌ Paddle inference: failed",
        "",
        "1 failed; Paddle 3.3.1, Python 3.11.7, AMD EPYC.",
        "",
        "### net",
        "",
        "| variant | artifacts | parity | log |",
        "| --- | --- | --- | --- |",
        "| cpu | – | **FAILED** | – |",
        "",
        "### net, cpu: parity",
        "",
        "net, cpu: off.",
        "",
        "- output: 3 of 4",
        "- again: `pytest it`",
    ]


def test_figures_are_in_the_table_of_the_summary() -> None:
    assert "| cpu | – | ok | – | 2.5e-07 / 1e-05 | 4/4 |" in to_markdown(content(passed()))


def test_more_failures_than_fit_are_counted() -> None:
    text = to_markdown(content(*(failed(model=f"net{number}") for number in range(MOST_FAILURES + 3))))
    assert text.endswith("\n3 more failures are in report.json.\n")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a | b", r"a \| b"),
        ("*a* _b_ `c` ~d~ #e [f](g)", r"\*a\* \_b\_ \`c\` \~d\~ \#e \[f\](g)"),
        ("<b> & \\", r"&lt;b&gt; &amp; \\"),
        ("a\n\n# b", r"a \# b"),
        ("@team", "@<!-- -->team"),
    ],
)
def test_text_of_others_is_no_markup(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_a_command_with_backticks_stays_code() -> None:
    assert "- again: ``pytest `x` y``" in to_markdown(content(failed(again="pytest `x` y")))
