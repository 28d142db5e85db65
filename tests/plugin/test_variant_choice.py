"""Which variants run, which of the missing ones are skipped and which fail, and whose own variants a repo adds."""

from __future__ import annotations

import os
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Callable

import pytest

from pytest_paddle_infer import variants
from pytest_paddle_infer.checkpoints import Place, place_of
from pytest_paddle_infer.distributions import paddle_here
from pytest_paddle_infer.option_table import VARIANTS
from pytest_paddle_infer.report.figures import PREFIX
from pytest_paddle_infer.report.terminal import summary_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conftest import Session

MODEL = "--paddle-model=alexnet"
REASON = "this machine has no {}"
MARK = "import pytest\n@pytest.mark.paddle_infer_parity(model='alexnet', variants={})\ndef test_user(): pass\n"
HOOK = """
from pytest_paddle_infer import Variant
def setter(config): pass
def other(config): pass
def pytest_paddle_infer_variants(config):
    return {}
"""


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes these variants, with or without parameters, unavailable on this machine."""
    return lambda *words: monkeypatch.setenv("STUB_MISSING", " ".join(words))


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "_sees_a_gpu", lambda: False)


def hook(run: Session, returned: str, name: str = "conftest.py") -> None:
    run.write(name, HOOK.format(returned))


def parities(run: Session, *args: str) -> list[str]:
    """The variants of the parity items that would run."""
    return re.findall(r"::test_parity\[(.+)\]$", "\n".join(run.ids(MODEL, *args)), re.MULTILINE)


def outcomes(result: pytest.RunResult) -> dict[str, str]:
    """What became of each variant's test_parity, from the lines that `-v` prints."""
    return dict(re.findall(r"::test_parity\[(\S+)\] (PASSED|FAILED|SKIPPED)", result.stdout.str()))


def sentence(variant: str) -> str:
    return f"alexnet, {variant}: the variant is not available here: {REASON.format(variant)}."


# -- all ---------------------------------------------------------------------------------------------------------------


def test_all_makes_items_of_every_built_in_and_every_own_variant(run: Session) -> None:
    hook(run, "[Variant('mine', setter), Variant('yours', other, base='onednn')]")
    assert parities(run, "--paddle-variant=all") == [*VARIANTS, "mine", "yours"]


def test_all_skips_the_missing_with_the_reason_and_passes_the_others(run: Session, missing: Callable[..., None]) -> None:
    hook(run, "[Variant('mine', setter)]")
    missing("gpu", "cinn", "mine")
    result = run(MODEL, "--paddle-variant=all", "-v", "-rs")
    result.assert_outcomes(passed=1 + 2 * (len(VARIANTS) - 2), skipped=2 * 3)
    assert result.ret == pytest.ExitCode.OK
    assert {name for name, outcome in outcomes(result).items() if outcome == "SKIPPED"} == {"gpu", "cinn", "mine"}
    for variant in ("gpu", "cinn", "mine"):
        result.stdout.re_match_lines([rf"SKIPPED \[\d\] .*: {REASON.format(variant)}$"])


def test_a_variant_that_was_skipped_is_told_in_the_summary_with_its_reason(run: Session, missing: Callable[..., None]) -> None:
    missing("gpu")
    result = run(MODEL, "--paddle-variant=all")
    summary = result.stdout.str().partition("paddle inference")[2]
    assert REASON.format("gpu") in summary
    assert not re.search(r"^alexnet +gpu ", summary, re.MULTILINE), "a row of its own, without a figure in it"


def test_all_and_a_name_fails_the_one_that_was_named(run: Session, missing: Callable[..., None]) -> None:
    missing("gpu", "cinn")
    for args in (("--paddle-variant=all", "--paddle-variant=gpu"), ("--paddle-variant=gpu", "--paddle-variant=all")):
        result = run(MODEL, *args, "-v")
        result.assert_outcomes(passed=1 + 2 * (len(VARIANTS) - 2), failed=2, skipped=2)
        assert (outcomes(result)["gpu"], outcomes(result)["cinn"]) == ("FAILED", "SKIPPED")


def test_all_and_a_variant_with_parameters_runs_both(run: Session) -> None:
    assert parities(run, "--paddle-variant=all", "--paddle-variant=onednn:threads=2") == [*VARIANTS, "onednn:threads=2"]
    assert parities(run, "--paddle-variant=onednn:threads=2", "--paddle-variant=all") == ["onednn:threads=2", *VARIANTS]


@pytest.mark.parametrize("value", ["gpu cpu", "all"])
def test_what_the_ini_file_lists_is_skipped_where_it_is_missing(run: Session, missing: Callable[..., None], value: str) -> None:
    run.write("pytest.ini", f"[pytest]\npaddle_variant = {value}\n")
    missing("gpu")
    result = run(MODEL, "-v")
    assert result.ret == pytest.ExitCode.OK
    assert (outcomes(result)["gpu"], outcomes(result)["cpu"]) == ("SKIPPED", "PASSED")


def test_a_marker_with_all_skips_the_missing_and_runs_the_others(run: Session, missing: Callable[..., None]) -> None:
    run.write("test_user.py", MARK.format("'all'"))
    missing("gpu")
    run().assert_outcomes(passed=len(VARIANTS) - 1, skipped=1)


def test_a_marker_without_variants_skips_what_the_ini_file_lists(run: Session, missing: Callable[..., None]) -> None:
    run.write("pytest.ini", "[pytest]\npaddle_variant = gpu cpu\n")
    run.write("test_user.py", "import pytest\n@pytest.mark.paddle_infer_parity(model='alexnet')\ndef test_user(): pass\n")
    missing("gpu")
    run().assert_outcomes(passed=1, skipped=1)


def test_a_missing_variant_of_a_fixture_is_skipped_by_the_same_rule(run: Session, missing: Callable[..., None]) -> None:
    run.write("test_user.py", "def test_user(inference_engine): pass\n")
    missing("gpu")
    run(MODEL, "--paddle-variant=all", "test_user.py").assert_outcomes(passed=1 + 3 * (len(VARIANTS) - 1), skipped=3)
    run(MODEL, "--paddle-variant=gpu", "test_user.py").assert_outcomes(passed=1, failed=2, errors=1)


# -- named -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["gpu", "onednn:threads=2", "mine"])
def test_a_variant_that_was_named_fails_with_the_reason_and_the_remedy(
    run: Session, missing: Callable[..., None], label: str
) -> None:
    hook(run, "{'mine': setter}")
    missing(label)
    result = run(MODEL, f"--paddle-variant={label}", "--paddle-variant=cpu")
    result.assert_outcomes(passed=3, failed=2)
    text = result.stdout.str()
    assert sentence(label) in text
    assert "  to do:   choose another variant, or skip those that are missing with --paddle-allow-missing." in text
    assert f"  again:   pytest 'paddle-model/alexnet::test_parity[{label}]'" in text
    assert "Traceback" not in text


def test_a_variant_that_the_marker_names_fails_whatever_the_ini_file_lists(run: Session, missing: Callable[..., None]) -> None:
    run.write("pytest.ini", "[pytest]\npaddle_variant = gpu\n")
    run.write("test_user.py", MARK.format("['cpu', 'gpu']"))
    missing("gpu")
    result = run()
    result.assert_outcomes(passed=1, failed=1)
    assert sentence("gpu") in result.stdout.str()


def test_the_command_line_makes_a_failure_of_what_the_ini_file_would_skip(run: Session, missing: Callable[..., None]) -> None:
    run.write("pytest.ini", "[pytest]\npaddle_variant = gpu cpu\n")
    missing("gpu")
    run(MODEL, "--paddle-variant=gpu").assert_outcomes(passed=1, failed=2)


@pytest.mark.parametrize("where", ["command line", "ini"])
@pytest.mark.parametrize("kind", ["option", "marker", "id"])
def test_allow_missing_skips_it_all_the_same(run: Session, missing: Callable[..., None], where: str, kind: str) -> None:
    missing("gpu")
    args = ["--paddle-allow-missing"] if where == "command line" else []
    if where == "ini":
        run.write("pytest.ini", "[pytest]\npaddle_allow_missing = true\n")
    run.write("test_user.py", MARK.format("['gpu']"))
    asked = {
        "option": (MODEL, "--paddle-variant=gpu", "paddle-model/alexnet"),
        "marker": ("test_user.py",),
        "id": ("paddle-model/alexnet::test_parity[gpu]",),
    }[kind]
    result = run(*asked, *args, "-rs")
    result.assert_outcomes(**{"option": {"passed": 1, "skipped": 2}, "marker": {"skipped": 1}, "id": {"skipped": 1}}[kind])
    assert REASON.format("gpu") in result.stdout.str()


def test_allow_missing_switched_off_in_the_ini_file_is_off(run: Session, missing: Callable[..., None]) -> None:
    run.write("pytest.ini", "[pytest]\npaddle_allow_missing = false\n")
    missing("gpu")
    run(MODEL, "--paddle-variant=gpu").assert_outcomes(passed=1, failed=2)


def test_allow_missing_skips_no_other_failure(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/parity/cpu")
    run(MODEL, "--paddle-allow-missing").assert_outcomes(passed=2, failed=1)
    run(MODEL, "--paddle-variant=all").assert_outcomes(passed=2 * len(VARIANTS), failed=1)


# -- printed ids -------------------------------------------------------------------------------------------------------


def test_a_printed_id_with_parameters_runs_again(run: Session, plant: Callable[..., None]) -> None:
    plant("alexnet/parity/onednn:threads=2")
    printed = re.search(r"^FAILED (\S+)", run(MODEL, "--paddle-variant=onednn:threads=2").stdout.str(), re.MULTILINE)
    assert printed is not None
    assert printed[1] == "paddle-model/alexnet::test_parity[onednn:threads=2]"
    run(printed[1]).assert_outcomes(failed=1)
    assert run.checkpoints()[3:] == ["alexnet/parity/onednn:threads=2"]
    run("paddle-model/alexnet::test_log[onednn:threads=2,cache=10]").assert_outcomes(passed=1)
    assert run.checkpoints()[4:] == ["alexnet/log/onednn:threads=2,cache=10"]


@pytest.mark.parametrize("label", ["onednn:threads=2", "gpu", "mine"])
def test_an_id_names_its_variant_and_fails_where_it_is_missing(run: Session, missing: Callable[..., None], label: str) -> None:
    hook(run, "{'mine': setter}")
    run.write("pytest.ini", "[pytest]\npaddle_variant = all\n")
    missing(label)
    result = run(f"paddle-model/alexnet::test_parity[{label}]")
    result.assert_outcomes(failed=1)
    assert sentence(label) in result.stdout.str()


@pytest.mark.parametrize(
    "label", ["onednn:threads=0", "onednn:device=0", "onednn: threads=2", "gpu9:threads=2", "onednn:", "all", "auto", "nobodys"]
)
def test_an_id_of_a_variant_that_is_not_printed_like_that_is_a_usage_error(run: Session, label: str) -> None:
    hook(run, "{'mine': setter}")
    message = run.usage_error(f"paddle-model/alexnet::test_parity[{label}]")
    assert f"not found: paddle-model/alexnet::test_parity[{label}]" in message
    assert message.rstrip().endswith("openvino, mine).")


def test_the_header_does_not_call_it_automatic_when_an_id_chose(run: Session) -> None:
    result = run("paddle-model/alexnet::test_parity[onednn]")
    assert "auto" not in next(line for line in result.outlines if line.startswith("paddle "))


# -- auto --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [(), ("--paddle-variant=auto",)])
def test_the_device_is_the_default_and_the_header_says_which_it_is(run: Session, args: Sequence[str]) -> None:
    result = run(MODEL, *args)
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines([f"paddle {paddle_here()}: alexnet (auto: cpu)"])
    assert run.checkpoints()[1:] == ["alexnet/parity/cpu", "alexnet/log/cpu"]


def test_auto_is_the_gpu_where_there_is_one(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "_sees_a_gpu", lambda: True)
    monkeypatch.setattr(variants, "_built_with_cuda", lambda: True)
    run(MODEL).stdout.fnmatch_lines([f"paddle {paddle_here()}: alexnet (auto: gpu)"])
    assert run.checkpoints()[1:] == ["alexnet/parity/gpu", "alexnet/log/gpu"]


def test_a_gpu_that_auto_found_and_that_cannot_run_is_a_failure_and_no_silence(
    run: Session, monkeypatch: pytest.MonkeyPatch, missing: Callable[..., None]
) -> None:
    monkeypatch.setattr(variants, "automatic", lambda: "gpu")
    missing("gpu")
    run(MODEL).assert_outcomes(passed=1, failed=2)


def test_auto_and_the_device_by_name_are_one_item(run: Session) -> None:
    assert parities(run, "--paddle-variant=auto", "--paddle-variant=cpu") == ["cpu"]
    assert parities(run, "--paddle-variant=cpu", "--paddle-variant=onednn", "--paddle-variant=auto") == ["cpu", "onednn"]


# -- own variants ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "returned", ["[Variant('mine', setter)]", "(Variant('mine', setter),)", "{'mine': setter}", "[('mine', setter)]"]
)
def test_a_repo_adds_variants_as_a_list_or_a_dict(run: Session, returned: str) -> None:
    hook(run, returned)
    run(MODEL, "--paddle-variant=mine").assert_outcomes(passed=3)
    assert run.checkpoints()[1:] == ["alexnet/parity/mine", "alexnet/log/mine"]


def test_a_plugin_and_a_repo_add_variants_side_by_side(run: Session, pytester: pytest.Pytester) -> None:
    hook(run, "[Variant('theirs', setter)]", "variants_plugin.py")
    hook(run, "{'mine': setter}")
    pytester.syspathinsert()
    assert set(parities(run, "--paddle-variant=all", "-p", "variants_plugin")) == {*VARIANTS, "mine", "theirs"}


def test_the_conftest_of_a_directory_that_is_collected_later_adds_its_own(run: Session) -> None:
    hook(run, "{'mine': setter}", "test_later/deep/conftest.py")
    run.write("test_later/deep/test_user.py", MARK.format("['mine']"))
    run.write("test_first.py", MARK.format("['cpu']"))
    run().assert_outcomes(passed=2)


@pytest.mark.parametrize("nothing", ["None", "[]", "{}", "()"])
def test_a_hook_that_adds_nothing_changes_nothing(run: Session, nothing: str) -> None:
    hook(run, nothing)
    run(MODEL).assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("['mine']", "pytest_paddle_infer_variants returned 'mine'; return a list of Variant, or a dict of names and functions."),
        ("'mine'", "pytest_paddle_infer_variants returned 'm'; return a list of Variant"),
        ("Variant('mine', setter)", "return a list of Variant."),
        ("3", "pytest_paddle_infer_variants returned 3; return a list of Variant"),
        ("setter", "pytest_paddle_infer_variants returned <function setter"),
        ("{'mine': 'setter'}", "variant mine: configure='setter' is not a function of the paddle.inference.Config."),
        ("{'my own': setter}", "'my own' is not a name for a variant"),
        ("{'cpu': setter}", "pytest_paddle_infer_variants: 'cpu' is the name of a built-in variant."),
        ("{'all': setter}", "pytest_paddle_infer_variants: 'all' is the name of a built-in variant."),
        ("[('mine', setter), ('mine', other)]", "pytest_paddle_infer_variants returned two variants named 'mine'."),
        ("[Variant('mine', base='mkldnn')]", "variant mine: base='mkldnn' is not one of cpu, cpu-noopt, onednn,"),
        ("[Variant('mine', precision='half')]", "variant mine: precision='half' is not one of fp32,"),
        ("[Variant()]", "__init__() missing 1 required positional argument: 'name'."),
        ("[Variant('mine', device=0)]", "__init__() got an unexpected keyword argument 'device'."),
    ],
)
@pytest.mark.parametrize("where", ["option", "marker"])
def test_a_hook_that_returns_something_else_is_one_usage_error(run: Session, returned: str, message: str, where: str) -> None:
    hook(run, returned)
    run.write("test_user.py", MARK.format("['cpu']"))
    result = run(MODEL) if where == "option" else run()
    text = result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in text
    assert result.ret == pytest.ExitCode.USAGE_ERROR, text
    assert message in re.sub(r"\s+", " ", text)


def test_an_error_of_the_hooks_own_code_is_shown_with_its_line(run: Session) -> None:
    hook(run, "[][0]")
    result = run(MODEL)
    assert result.ret != pytest.ExitCode.OK
    assert "IndexError" in result.stdout.str() + result.stderr.str()
    assert "conftest.py" in result.stdout.str() + result.stderr.str()


def test_the_hook_is_not_called_where_nobody_asks_for_a_variant(run: Session) -> None:
    hook(run, "[][0]")
    run.write("test_user.py", "def test_user(): pass")
    run().assert_outcomes(passed=1)


# -- parameters --------------------------------------------------------------------------------------------------------


def test_parameters_reach_the_checkpoints_and_the_users_fixture(run: Session) -> None:
    hook(run, "[Variant('mine', setter, base='onednn')]")
    run.write("test_user.py", MARK.format("['onednn:threads=4,cache=10', 'mine : threads = 2']"))
    run().assert_outcomes(passed=2)
    assert [call["variant"] for call in run.calls("parity")] == ["onednn:threads=4,cache=10", "mine:threads=2"]
    assert [call["variant"] for call in run.calls("log")] == ["onednn:threads=4,cache=10", "mine:threads=2"]


def test_the_fixture_gives_the_label(run: Session) -> None:
    run.write("test_user.py", "def test_user(paddle_model, paddle_variant): assert paddle_variant == 'onednn:threads=4'\n")
    run(MODEL, "--paddle-variant=onednn:threads=4", "test_user.py").assert_outcomes(passed=4)


def test_one_variant_with_other_parameters_is_another_item(run: Session) -> None:
    labels = ["onednn", "onednn:threads=2", "onednn:threads=4"]
    args = [f"--paddle-variant={label}" for label in (*labels, "onednn:threads=2")]
    assert parities(run, *args) == labels


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("mine:cache=1", "'mine:cache=1': mine has the parameters threads, not 'cache'."),
        ("mine:threads=0", "'mine:threads=0': threads: '0' is not a whole number from 1."),
        ("nobodys", "'nobodys' is not a variant; choose from cpu, cpu-noopt, onednn,"),
    ],
)
@pytest.mark.parametrize("where", ["--paddle-variant", "ini value paddle_variant", "@pytest.mark.paddle_infer_parity: variants"])
def test_a_label_that_cannot_be_meant_is_a_usage_error_that_says_where_it_stands(
    run: Session, label: str, message: str, where: str
) -> None:
    hook(run, "{'mine': setter}")
    args: tuple[str, ...] = (MODEL,)
    if where.startswith("--"):
        args = (MODEL, f"{where}={label}")
    elif where.startswith("ini"):
        run.write("pytest.ini", f"[pytest]\npaddle_variant = {label}\n")
    else:
        run.write("test_user.py", MARK.format([label]))
        args = ()
    assert f"{where}: {message}" in run.usage_error(*args)


# -- xdist -------------------------------------------------------------------------------------------------------------


def test_workers_skip_and_fail_as_one_process_does(run: Session, missing: Callable[..., None]) -> None:
    pytest.importorskip("xdist")
    missing("gpu", "cinn")
    result = run.apart(MODEL, "--paddle-variant=all", "--paddle-variant=cinn", "-n2", "-rs")
    result.assert_outcomes(passed=1 + 2 * (len(VARIANTS) - 2), failed=2, skipped=2)
    assert sentence("cinn") in result.stdout.str()
    assert REASON.format("gpu") in result.stdout.str()


def worker(number: int, count: int) -> Any:
    """A pytest.Config of an xdist worker, as far as it matters."""
    return SimpleNamespace(workerinput={"workerid": f"gw{number}", "workercount": count})


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> Callable[[set[int]], None]:
    """Gives this process these cores."""
    return lambda numbers: monkeypatch.setattr(os, "sched_getaffinity", lambda pid: numbers, raising=False)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8])
@pytest.mark.parametrize("given", [{0}, {0, 1}, {3, 5, 8}, set(range(8)), set(range(4, 20, 2))])
def test_workers_divide_the_cores_that_this_process_may_use(cores: Callable[[set[int]], None], count: int, given: set[int]) -> None:
    cores(given)
    shares = [place_of(worker(number, count)).cores for number in range(count)]
    together = [core for share in shares for core in share]
    assert set(together) == given
    assert all(shares)
    if count <= len(given):
        assert len(together) == len(given), "one core belongs to two workers"
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
    else:
        assert all(len(share) == 1 for share in shares)
        assert max(map(together.count, given)) - min(map(together.count, given)) <= 1, "one core serves more workers than it has to"


def test_the_place_is_the_workers_number(cores: Callable[[set[int]], None]) -> None:
    cores({0, 1, 2, 3})
    assert place_of(worker(1, 2)) == Place(1, (1, 3))
    assert place_of(worker(11, 12)).number == 11


def test_a_worker_that_stands_in_for_a_dead_one_has_a_place_too(cores: Callable[[set[int]], None]) -> None:
    cores({0, 1, 2, 3})
    assert place_of(worker(2, 2)) == Place(2, (0, 2))


def test_without_workers_there_is_one_place_with_all_cores(cores: Callable[[set[int]], None]) -> None:
    cores({0, 1})
    place: Any = place_of(SimpleNamespace())  # type: ignore[arg-type]
    assert place == Place() == (0, ())


def test_a_system_that_does_not_tell_its_cores_has_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert place_of(worker(1, 2)) == Place()


# -- variants that are the same ----------------------------------------------------------------------------------------


def executed(model: str, variant: str, program: str) -> list[tuple[str, str]]:
    facts = {"model": model, "variant": variant, "output_error": "1e-7", "output_limit": "1e-5", "answers": "4/4"}
    return [(PREFIX + name, value) for name, value in {**facts, **({"program": program} if program else {})}.items()]


def same_program_lines(*reports: list[tuple[str, str]]) -> list[str]:
    return [line for line in summary_lines(reports) if "same program" in line]


def test_two_variants_of_a_model_that_executed_the_same_are_told() -> None:
    reports = [executed("net", "cpu", "abc"), executed("net", "onednn", "abc"), executed("net", "cpu-noopt", "def")]
    assert same_program_lines(*reports) == ["net: onednn executed the same program as cpu"]


def test_each_further_one_is_told_against_the_first() -> None:
    reports = [executed("net", variant, "abc") for variant in ("cpu", "mine", "onednn:threads=2")]
    assert same_program_lines(*reports) == [
        "net: mine executed the same program as cpu",
        "net: onednn:threads=2 executed the same program as cpu",
    ]


def test_other_models_other_programs_and_unknown_ones_are_not_the_same() -> None:
    reports = [
        executed("a", "cpu", "abc"),
        executed("b", "onednn", "abc"),
        executed("a", "onednn", "def"),
        executed("c", "cpu", ""),
        executed("c", "onednn", ""),
        executed("a", "cpu", "abc"),
    ]
    assert same_program_lines(*reports) == []
