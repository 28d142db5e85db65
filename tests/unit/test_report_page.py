"""report.html and summary.md: what they say, that they say only that, and that the page stands alone and can be read by all."""

from __future__ import annotations

import copy
import importlib
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from page_reader import Page
from report_content import content, failed, passed
from report_details import green
from report_details import red as red_run

from pytest_paddle_infer.gates import Gates, Measured, keep
from pytest_paddle_infer.judge.latency import Latencies
from pytest_paddle_infer.machine import this_machine
from pytest_paddle_infer.perf import Workload
from pytest_paddle_infer.report import page as page_room
from pytest_paddle_infer.report.cells import ROUGHLY, fastest
from pytest_paddle_infer.report.charts import draw
from pytest_paddle_infer.report.content import GENERATOR
from pytest_paddle_infer.report.markdown import MOST_FAILURES, escape, to_markdown
from pytest_paddle_infer.report.page import to_html
from pytest_paddle_infer.report.page_figures import drawing
from pytest_paddle_infer.report.plots import COLOURS, FIRST, FLOOR, LIMIT, TRAINING
from pytest_paddle_infer.report.results import Result

HOSTILE = "<script>alert('x')</script> & \"quoted\" | `code` *bold* @someone \x1b[31m"

STYLE = page_room._STYLE.read_text(encoding="utf-8")


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


def full() -> Page:
    """Failures, charts, samples and pictures."""
    return Page(to_html(*red_run(), draw))


def test_a_page_with_everything_stands_alone_and_has_each_id_once() -> None:
    text = to_html(*red_run(), draw)
    assert re.findall(r"(?:https?:)?//\w", re.sub(r"base64,[^\"]+", "", text)) == []
    assert "<script" not in text
    page = full()
    assert {tag for tag, _ in page.tags} >= {"svg", "img", "details", "figure"}
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.all("href") if link.startswith("#")} <= set(ids)


def test_headings_step_down_one_by_one() -> None:
    levels = [int(tag[1]) for tag, _ in full().tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:]))


def test_what_is_no_text_has_words() -> None:
    page = full()
    assert [attributes for tag, attributes in page.tags if tag == "img" and not attributes.get("alt")] == []
    charts = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(charts) == 5
    assert all(chart["role"] == "img" and len(str(chart["aria-label"])) > 40 for chart in charts)


def test_no_two_regions_have_one_name() -> None:
    names = [region["aria-label"] for region in full().having("role", "region")]
    assert len(names) == len(set(names))


def test_without_the_library_the_page_has_the_numbers_and_says_how_to_get_charts_once() -> None:
    found, pictures = green()
    found["models"].append({**found["models"][0], "batch_size": 4})
    page = Page(to_html(found, pictures))
    assert page.text.count("pip install 'pytest-paddle-infer[report]'") == 1
    assert "svg" not in dict(page.tags)
    assert "Time of a batch, net" in page.all("aria-label")
    assert "pip install" not in Page(to_html(*green(), draw)).text


@pytest.mark.parametrize("fault", ["import pkg_resources_of_old", "raise RuntimeError('odd')"])
def test_a_library_that_cannot_be_imported_costs_the_charts_and_is_named(
    tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pygal.py").write_text(fault)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pygal" or name == "pytest_paddle_infer.report.charts"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    importlib.invalidate_caches()
    drawn, undrawn = drawing()
    assert drawn is None
    text = Page(to_html(*green(), drawn, undrawn)).text
    error = "RuntimeError: odd" if "odd" in fault else "ModuleNotFoundError: No module named 'pkg_resources_of_old'"
    assert text.count(f"There are no charts, because pygal cannot be imported ({error}): pip install -U") == 1


def test_a_run_without_details_has_neither_charts_nor_samples() -> None:
    page = Page(to_html(content(passed()), {}, draw))
    assert "svg" not in dict(page.tags)
    assert "Samples" not in page.text


def test_a_failure_leads_to_its_samples_and_shows_its_layers() -> None:
    page = full()
    assert "#samples" in page.all("href")
    assert any("number 13, features.4.conv" in label for label in page.all("aria-label"))


def test_hostile_names_are_text_in_pages_with_charts() -> None:
    found, pictures = red_run(4)
    for model in found["models"]:
        model["model"] = HOSTILE
        for row in model["variants"]:
            row["variant"] = f"{row['variant']} {HOSTILE}"
    for test in found["tests"]:
        test["model"] = HOSTILE
        test["variant"] = test["variant"] and f"{test['variant']} {HOSTILE}"
        parity = test["details"] and test["details"]["parity"]
        for named in (
            *((parity or {}).get("outputs", ())),
            *((parity or {}).get("samples", ())),
            *((test["details"] or {}).get("layers") or ()),
        ):
            named["name"] = HOSTILE
    text = to_html(found, pictures, draw)
    assert "<script" not in text
    page = Page(text)
    assert len([tag for tag, _ in page.tags if tag == "svg"]) == 5, "all of it was drawn"
    assert page.text.count("<script>alert('x')</script>") > 20


def test_the_first_lines_say_what_most_come_for() -> None:
    head = Page(to_html(*green(), draw)).text.partition("What the columns show")[0]
    for said in (
        "variants that hold 3 of 3",
        "of the limit net, cpu-noopt",
        "answers that agree 16 of 16",
        "fastest that passed 2.72 x training net, onednn",
    ):
        assert said in head


def test_failures_of_one_heading_are_told_apart_by_their_ids() -> None:
    found = content(failed(), failed(model="other"), replace(failed(), id="test_user.py::test_net[net-cpu]"), exit_status=1)
    headings = [line for line in to_markdown(found).splitlines() if line.startswith("### ") and ": parity" in line]
    assert headings == [
        "### net, cpu: parity (`paddle-model/net::test_parity[cpu]`)", "### other, cpu: parity",
        "### net, cpu: parity (`test_user.py::test_net[net-cpu]`)",
    ]  # fmt: skip


def test_an_error_that_is_not_finite_is_the_largest_and_no_zero() -> None:
    nan = passed("test_parity[onednn]", variant="onednn", output_error="inf", output_limits="inf")
    made = content(passed(output_limits="7"), nan)
    page = to_html(made)
    assert re.search(r"<dt>largest error</dt><dd>infinite<small>net, onednn</small>", page)
    assert page.count("infinite / 1e-05") == 1
    assert "infinite / 1e-05" in to_markdown(made)
    assert "7 x the limit" in to_html(content(passed(output_limits="7")))


def test_integers_that_differ_are_not_equal() -> None:
    made = content(
        passed(output_limits="7"),
        passed("test_parity[onednn]", variant="onednn", output_error="inf", output_limit="0", output_limits="inf"),
    )
    page = to_html(made)
    assert re.search(r"<dt>largest error</dt><dd>not equal<small>net, onednn</small>", page)
    assert len(re.findall("<td[^>]*>not equal</td>", page)) == 1
    assert "| not equal |" in to_markdown(made)


def test_the_fastest_is_the_matrixs_and_those_beside_it_are_told() -> None:
    found, _ = green()
    found["models"][0]["fastest"] = ["cpu", "onednn", "cpu-noopt"]
    head = Page(to_html(found)).text.partition("What the columns show")[0]
    assert (
        "fastest that passed 1.13 x training net, cpu: 18 ms; not decided against onednn, cpu-noopt: "
        "noise, or a machine that changed in between, may explain the difference; more --paddle-repeats on a quiet one may tell"
        in head
    )
    found["models"][0]["fastest"] = []
    assert "fastest" not in Page(to_html(found)).text


def test_of_several_models_the_first_lines_mix_no_figures() -> None:
    found, _ = green()
    other = copy.deepcopy(found["models"][0])
    other["model"] = "other"
    for row in other["variants"]:
        row.update(answers_agreed=11, answers_compared=11)
    found["models"].append(other)
    head = Page(to_html(found)).text.partition("What the columns show")[0]
    assert "answers that agree all of 11 to 16 in every variant" in head
    assert "largest gain over training 2.72 x training" in head
    assert "fastest that passed 2.72" not in head
    other["variants"][0].update(answers_agreed=None, answers_compared=None)
    assert "in the 5 variants that answered" in Page(to_html(found)).text


def test_a_factor_of_unsteady_times_is_a_rough_one() -> None:
    found, _ = green()
    model = found["models"][0]
    model["fastest"] = ["onednn"]
    for row in model["variants"]:
        row["spread_ms"] = 0.4 * row["p50_ms"]
    assert fastest(model) == "fastest that passed: onednn, 2.40 x cpu"
    next(row for row in model["variants"] if row["variant"] == "cpu")["spread_ms"] *= 2
    assert fastest(model) == f"fastest that passed: onednn, 2.40 x cpu{ROUGHLY}"


def test_the_summary_names_the_fastest_in_the_words_of_the_terminal() -> None:
    found, _ = green()
    (line,) = (line for line in to_markdown(found).splitlines() if "fastest" in line)
    assert line == f"{fastest(found['models'][0])}." == "fastest that passed: onednn, 2.40 x cpu."
    assert line in Page(to_html(found)).text


def test_of_a_single_variant_none_is_best_or_fastest() -> None:
    found, _ = green()
    found["models"][0].update(variants=found["models"][0]["variants"][:1], fastest=["cpu"])
    found["models"][0]["variants"][0]["pareto_best"] = True
    told = to_markdown(found)
    assert ("| cpu | ok |" in told, "fastest" in told, "Pareto" in told) == (True, False, False)


STAR = "Pareto-best: no other that passed is as good in error, p50 and memory, and better in one of them; counted as equal: errors within"


def test_the_star_is_explained_in_the_words_of_the_terminal() -> None:
    found, _ = green()
    assert f"* {STAR}" in Page(to_html(found)).text
    assert f"\n\\* {STAR}" in to_markdown(found)
    found["models"].append({**found["models"][0], "model": "other"})
    assert to_markdown(found).count(STAR) == 1
    for model in found["models"]:
        for row in model["variants"]:
            row["pareto_best"] = False
    assert "Pareto-best" not in to_markdown(found) + to_html(found)


def test_a_variant_whose_parity_never_ended_does_not_hold() -> None:
    found, _ = green()
    row = next(row for row in found["models"][0]["variants"] if row["variant"] == "onednn")
    row["passed"].remove("parity")
    head = Page(to_html(found)).text.partition("What the columns show")[0]
    assert "variants that hold 2 of 3" in head
    for each in found["models"][0]["variants"]:
        each["passed"] = ["log"]
    head = Page(to_html(found)).text.partition("What the columns show")[0]
    assert "variants that hold 3 of 3" in head, "parity was not asked for"


def test_answers_that_none_could_be_compared_of_are_a_dash() -> None:
    found = content(passed(answers="0/0"))
    assert "– (none compared)" in Page(to_html(found)).text
    assert "| – (none compared) |" in to_markdown(found)


def colours(text: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", text))


def light_of(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, two: str) -> float:
    high, low = sorted((light_of(one), light_of(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_charts_stand_out_from_what_is_behind_them(scheme: str) -> None:
    light, _, dark = STYLE.partition("prefers-color-scheme: dark")
    found = colours(light) if scheme == "light" else {**colours(light), **colours(dark)}
    assert set(colours(light)) == set(colours(dark)), "each colour has its other one"
    text = [(name, back) for name in ("text", "faint", "link", "good", "bad", "warn") for back in ("page", "card")]
    text += [("good", "good-card"), ("bad", "bad-card"), ("warn", "warn-card"), ("text", "warn-card")]
    assert [(name, back) for name, back in text if contrast(found[name], found[back]) < 4.5] == []
    drawn = [*(f"c{index}" for index in range(COLOURS)), "s0", "s1", "s2", "training", "faint", "bad"]
    assert [name for name in drawn if contrast(found[name], found["page"]) < 3] == []


def test_every_colour_of_a_chart_is_in_the_style() -> None:
    kinds = [*(f"c{index}" for index in range(COLOURS)), "s0", "s1", "s2", TRAINING, LIMIT, FLOOR, FIRST]
    assert [kind for kind in kinds if f".chart .{kind}" not in STYLE or f".key.{kind}" not in STYLE] == []


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
        ("squeezenet1_1, a__b, é_ü_1", "squeezenet1_1, a__b, é_ü_1"),
        ("_a b_ _ a_-_b 'x_' __init__ a__", r"\_a b\_ \_ a\_-\_b 'x\_' \_\_init\_\_ a\_\_"),
    ],
)
def test_text_of_others_is_no_markup(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_a_command_with_backticks_stays_code() -> None:
    assert "- again: ``pytest `x` y``" in to_markdown(content(failed(again="pytest `x` y")))


def test_failures_come_before_notes_in_the_summary() -> None:
    noted = replace(failed("net, cpu: off."), notes=("a note",))
    lines = to_markdown(content(noted, exit_status=1, problems=[("tests/test_b.py", "text")])).splitlines()
    assert lines[-7:] == ["- again: `pytest it`", "", "Not collected: `tests/test_b.py`", "", "### Notes", "", "- net: a note"]
    assert lines.index("net, cpu: off.") < lines.index("- net: a note")
    assert "### Notes" not in to_markdown(content(replace(passed(), notes=("a note",))))


def test_times_that_were_saved_as_one_baseline_are_one_note_of_the_summary(tmp_path: Path) -> None:
    def kept(variant: str, name: str = "main", wrong: bool = False) -> Result:
        run = Measured("net", variant, Workload(1, 1, "x"), Latencies((0.1,), (0.1,), 1), "3.3.1", "p", this_machine())
        notes = keep(Gates(tmp_path, save=name), run, wrong)
        return replace(passed(f"test_log[{variant}]", variant=variant), notes=(*notes, f"{variant}: another note"))

    made = content(kept("cpu"), kept("onednn"), kept("mine", "other"), kept("bf16", wrong=True))
    lines = [line for line in to_markdown(made).splitlines() if "times saved" in line]
    assert lines[:2] == ["- times saved as 'main': net, cpu; net, onednn", "- times saved as 'other': net, mine"]
    assert lines[2].startswith("- net: bf16: times saved as 'main', of an engine whose parity failed in this session (")
    assert to_markdown(made).count("another note") == 4


def test_the_summary_lists_the_notes_each_once_and_counts_those_beyond_twelve() -> None:
    noted = passed(), passed("test_log[cpu]")
    made = content(*(replace(test, notes=("a *note*",)) for test in noted))
    assert to_markdown(made).count("- net: a \\*note\\*") == 1
    made = content(*(replace(passed(f"test_parity[{number}]"), notes=(f"note {number}",)) for number in range(15)))
    assert "- 3 more notes are in report.json." in to_markdown(made)
