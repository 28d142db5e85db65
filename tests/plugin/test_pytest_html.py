"""The page of the plugin pytest-html gets the variants of each model and the figures of each test; nothing where it is not asked for."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any, Callable

import pytest

if TYPE_CHECKING:
    from conftest import Session

pytest.importorskip("pytest_html")

MODEL = "--paddle-model=alexnet"
BOTH = ("--paddle-variant=cpu", "--paddle-variant=onednn")
HTML = ("-p", "pytest_metadata.plugin", "-p", "pytest_html.fixtures", "-p", "pytest_html.plugin", "--html=page.html")
"""By their modules, because inner sessions block their names."""


def page(run: Session) -> tuple[str, dict[str, str]]:
    """What stands above the summary, and what is told of each test."""
    text = (run.path / "page.html").read_text(encoding="utf-8")
    above = text.partition('<div class="additional-summary prefix">')[2].partition("</div>")[0]
    blob = re.search(r'data-jsonblob="([^"]*)"', text)
    assert blob is not None
    tests: dict[str, Any] = json.loads(html.unescape(blob[1]))["tests"]
    return above, {name.partition("::")[2]: entries[-1]["log"] for name, entries in tests.items()}


def rows(table: str) -> list[list[str]]:
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in re.findall(r"<tr>(.*?)</tr>", table)]


def test_the_variants_of_each_model_stand_above_the_summary(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/log/onednn")
    run(MODEL, "--paddle-model=vgg16", *BOTH, *HTML).assert_outcomes(passed=9, failed=1)
    above, _ = page(run)
    assert re.findall(r"<h[23]>(.*?)</h", above) == ["Paddle inference", "alexnet", "vgg16"]
    head, cpu, onednn = rows(above.partition("<h3>vgg16")[0])
    assert head[:4] == ["variant", "artifacts", "parity", "log"]
    assert (cpu[:4], onednn[:4]) == (["cpu", "ok", "ok", "ok"], ["onednn", "ok", "ok", "FAILED"])
    assert dict(zip(head, cpu))["p50 ms"] == "10"
    assert above.count("* Pareto-best: no other that passed is as good in error, p50 and memory, and better in one of them; ") == 1


def test_a_variant_that_is_missing_is_told_with_its_reason(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_MISSING", "onednn")
    run(MODEL, *BOTH, "--paddle-allow-missing", *HTML).assert_outcomes(passed=3, skipped=2)
    assert "alexnet, onednn: not available: this machine has no onednn" in page(run)[0]


def test_each_test_has_its_figures_and_a_failure_its_cause_first(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/parity/cpu")
    run(MODEL, *HTML).assert_outcomes(passed=2, failed=1)
    _, told = page(run)
    assert ["p50 ms", "10"] in rows(told["test_log[cpu]"])
    assert told["test_log[cpu]"].startswith('<table class="paddle-infer">')
    red = told["test_parity[cpu]"]
    assert red.startswith("alexnet, cpu: the parity is planted to fail.")
    assert ["cause", "alexnet, cpu: the parity is planted to fail."] in rows(red)
    assert ["fact", "output: 3 of 4000 elements differ"] in rows(red)


def test_text_of_models_is_text(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_paddle_infer import conformance
    from pytest_paddle_infer.failures import ConformanceFailure, Failure

    def parity(*_: Any) -> None:
        raise ConformanceFailure(Failure('<script>alert(1)</script> "&'))

    monkeypatch.setattr(conformance.Conformance, "parity", parity)
    run(MODEL, *HTML).assert_outcomes(passed=2, failed=1)
    assert ["cause", "&lt;script&gt;alert(1)&lt;/script&gt; &quot;&amp;"] in rows(page(run)[1]["test_parity[cpu]"])


def test_with_two_workers_the_page_is_that_of_one_process(run: Session, plant: Callable[..., None]) -> None:
    pytest.importorskip("xdist")
    plant("alexnet/parity/onednn")
    run.write(
        "test_user.py",
        "import pytest\n@pytest.mark.paddle_infer_parity(model='alexnet', variants=['cpu', 'onednn'])\ndef test_marked(): pass\n",
    )
    run(*HTML).assert_outcomes(passed=1, failed=1)
    alone = page(run)
    run.apart(*HTML, "-n2").assert_outcomes(passed=1, failed=1)
    above, told = page(run)
    assert above == alone[0]
    assert above.count("<tr>") == 3
    assert {name: rows(log) for name, log in told.items()} == {name: rows(log) for name, log in alone[1].items()}


@pytest.mark.parametrize("args", [(), ("--paddle-threads=2",)])
def test_a_session_without_checkpoints_leaves_the_page_as_it_is(run: Session, args: tuple[str, ...]) -> None:
    run.write("test_user.py", "def test_user(record_property): record_property('mine', 1)\ndef test_bad(): assert 0\n")
    run.write("test_broken.py", "import nothing_of_that_name\n")
    run("--continue-on-collection-errors", *HTML, *args).assert_outcomes(passed=1, failed=1, errors=1)
    above, told = page(run)
    assert above.strip() == ""
    assert not any("paddle" in log for log in told.values())


def test_without_a_terminal_there_is_no_summary_and_no_error(run: Session) -> None:
    assert run(MODEL, *HTML, "-p", "no:terminal").ret == pytest.ExitCode.OK
    assert page(run)[0].strip() == ""


def test_without_the_option_nothing_of_it_is_opened(run: Session) -> None:
    run.write(
        "conftest.py",
        "import sys\ndef pytest_unconfigure():\n"
        "    print('opened:', [name for name in sys.modules if name.startswith('pytest_html') or 'html_plugin' in name])\n",
    )
    assert "opened: []" in run.apart(MODEL).outlines


def test_an_option_of_that_name_without_that_plugin_is_no_error(run: Session) -> None:
    run.write("conftest.py", "def pytest_addoption(parser): parser.addoption('--html', dest='htmlpath')\n")
    run(MODEL, "--html=x").assert_outcomes(passed=3)
