"""diagnosis/passes.py: the guilty optimisation pass is found by trials, with a workaround that was tried, or it says why not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_paddle_infer.diagnosis.finding import KINDS, STAGES, Arrays, Deadline, Finding
from pytest_paddle_infer.diagnosis.pass_findings import NO_ATTRIBUTE, finding_of
from pytest_paddle_infer.diagnosis.passes import MOST_DELETIONS, STAY, PassSearch, Trial, relative_error, search

PROPERTY = settings(max_examples=150, deadline=None, database=None)
EXPECTED = [np.array([[1.0, -2.0, 0.5]], np.float32)]
FLOOR = 1e-5
SIGILL, RAISES = "ends the process with SIGILL", "raises RuntimeError: no kernel at 0x7f12"


def names(count: int) -> list[str]:
    return [f"pass_{number}" for number in range(count)]


@dataclass
class Engine:
    """A variant of a Paddle that does not exist.

    moves: what each pass adds to the answers, of their largest value. dies, raises: passes that end the load. dies_running: passes whose
    product ends the run. needs: passes that raise where another one is deleted. stubborn: run although deleted. deadly_without: the load
    raises where one of them is deleted. seconds: what a trial takes.
    """

    passes: Sequence[str]
    moves: Mapping[str, float] = field(default_factory=dict)
    dies: Mapping[str, str] = field(default_factory=dict)
    dies_running: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)
    stubborn: frozenset[str] = frozenset()
    deadly_without: frozenset[str] = frozenset()
    kernels: float = 0.0
    seconds: float = 1.0
    silent: bool = False
    now: float = 0.0
    asked: list[frozenset[str]] = field(default_factory=list)

    def run(self, without: Sequence[str]) -> Trial:
        assert len(set(without)) == len(without), "a pass is deleted once"
        assert frozenset(without) not in self.asked, "the same passes were deleted before"
        assert not set(without) & STAY, "what must stay was deleted"
        self.asked.append(frozenset(without))
        self.now += self.seconds
        trial = self._load([name for name in self.passes if name not in without or name in self.stubborn], frozenset(without))
        return Trial(trial.outputs, trial.died, () if self.silent else trial.ran, trial.loaded)

    def _load(self, enabled: Sequence[str], without: frozenset[str]) -> Trial:
        ran: list[str] = []
        for name in enabled:
            ran.append(name)
            if name in self.dies:
                return Trial(None, self.dies[name], tuple(ran), False)
            if self.needs.get(name) in without:
                return Trial(None, f"raises ValueError: {name} wants another pass", tuple(ran), False)
        if self.deadly_without & without:
            return Trial(None, "raises ValueError: the variable is not found", tuple(ran), False)
        for name in enabled:
            if name in self.dies_running:
                return Trial(None, self.dies_running[name], tuple(ran))
        moved = self.kernels + sum(self.moves.get(name, 1e-8) for name in enabled)
        return Trial([EXPECTED[0].astype(np.float64) + 2 * moved], "", tuple(ran))

    def search(self, seconds: float = 1e9, **others: Engine) -> PassSearch:
        deadline = Deadline(seconds, lambda: self.now)
        lines = [(f"config.{name}()", lambda other=other: other.run(())) for name, other in others.items()]
        return search(self.run, agrees, EXPECTED, deadline, lines)


def agrees(outputs: Arrays) -> bool:
    return relative_error(outputs, EXPECTED) <= FLOOR


def line(*deleted: str) -> tuple[str, ...]:
    return tuple(f'config.delete_pass("{name}")' for name in deleted)


def told(found: PassSearch) -> Finding:
    """The finding, held to what every finding is."""
    made = finding_of(found)
    assert made.stage in STAGES
    assert made.kind in KINDS
    assert made.cause.endswith(".")
    assert "nan" not in made.cause
    assert all(label and value for label, value in made.facts)
    return made


# -- one guilty pass ---------------------------------------------------------------------------------------------------


@st.composite
def planted(draw: st.DrawFn) -> tuple[list[str], str]:
    passes = names(draw(st.integers(1, 60)))
    return passes, draw(st.sampled_from(passes))


@PROPERTY
@given(planted(), st.floats(2e-5, 1e3))
def test_any_single_pass_that_moves_the_answers_is_named_with_its_workaround(world: tuple[list[str], str], size: float) -> None:
    passes, guilty = world
    engine = Engine(passes, {guilty: size})
    found = engine.search()
    assert (found.outcome, found.name, found.workaround) == ("found", guilty, line(guilty))
    assert found.before is not None
    assert found.upto is not None
    assert found.without is not None
    assert found.alone is not None
    assert found.before.agrees
    assert not found.upto.agrees
    assert found.without.agrees
    assert not found.alone.agrees
    assert found.alone.error == pytest.approx(size, rel=0.1)
    assert len(engine.asked) == found.trials <= math.ceil(math.log2(len(passes))) + 4
    made = told(found)
    assert (made.stage, made.kind, made.name, made.certain) == ("optimise", "pass", guilty, True)
    assert made.remedy.startswith(f'configure the variant with config.delete_pass("{guilty}") (tried: ')


@PROPERTY
@given(planted(), st.sampled_from([SIGILL, RAISES, "does not end within 20 s"]))
def test_any_single_pass_that_ends_the_load_is_named_in_four_trials(world: tuple[list[str], str], end: str) -> None:
    passes, guilty = world
    engine = Engine(passes, dies={guilty: end})
    found = engine.search()
    assert (found.outcome, found.name, found.workaround) == ("found", guilty, line(guilty))
    assert found.trials <= 4
    assert found.passes == len(passes), "those behind it are heard once it is gone"
    assert told(found).cause == f"the optimisation pass {guilty} {end}."


@PROPERTY
@given(planted())
def test_any_single_pass_whose_product_ends_the_run_is_named(world: tuple[list[str], str]) -> None:
    passes, guilty = world
    found = Engine(passes, dies_running={guilty: "ends the process with SIGSEGV"}).search()
    assert (found.outcome, found.name, found.workaround) == ("found", guilty, line(guilty))
    assert told(found).cause == f"the optimisation pass {guilty} ends the process with SIGSEGV."


@PROPERTY
@given(planted(), st.floats(2e-5, 10.0), st.data())
def test_a_guilty_pass_is_named_where_others_cannot_do_without_each_other(
    world: tuple[list[str], str], size: float, data: st.DataObject
) -> None:
    passes, guilty = world
    needs = {}
    for number in range(1, len(passes)):
        if data.draw(st.booleans()):
            needs[passes[number]] = passes[data.draw(st.integers(0, number - 1))]
    found = Engine(passes, {guilty: size}, needs=needs).search()
    assert (found.outcome, found.name) == ("found", guilty)
    again = Engine(passes, {guilty: size}, needs=needs)
    for without in [[each.split('"')[1] for each in found.workaround]]:
        outputs = again.run(without).outputs
        assert outputs is not None
        assert agrees(outputs), "what is offered holds"
    assert not again.now > 1


def test_the_figures_are_those_of_leave_one_in_and_leave_one_out() -> None:
    found = Engine(names(26), {"pass_7": 5.6e-3}).search()
    made = told(found)
    assert (
        made.cause
        == "the optimisation pass pass_7 changes the answers: without it they agree to 2.5e-07, with it they differ by 0.0056."
    )
    facts = dict(made.facts)
    assert facts["all passes"] == facts["it alone"] == "differs by 0.0056"
    assert facts["all but it"] == "agrees to 2.5e-07"
    assert facts["trials"] == "9 over 26 passes"
    assert made.remedy == (
        'configure the variant with config.delete_pass("pass_7") (tried: it agrees to 2.5e-07); '
        "the program that deploys the model needs the same call."
    )


def test_a_fault_of_paddle_that_is_known_is_called_so() -> None:
    raises = f"raises NotImplementedError: {NO_ATTRIBUTE} not support [pir::ArrayAttribute]"
    facts = dict(told(Engine(names(9), dies={"pass_4": raises}).search()).facts)
    assert facts["known"].startswith("Paddle 3.3.1's oneDNN refuses F.interpolate, and")
    assert "known" not in dict(told(Engine(names(9), dies={"pass_4": SIGILL}).search()).facts)


def test_passes_that_must_stay_are_never_deleted_nor_counted() -> None:
    passes = [*names(3), *sorted(STAY), "last_pass"]
    found = Engine(passes, {"last_pass": 0.1}).search()
    assert (found.name, found.passes) == ("last_pass", 4)


def test_a_pass_that_runs_twice_is_one() -> None:
    passes = ["fold_pass", "fuse_pass", "fold_pass", "inplace_pass"]
    found = Engine(passes, {"fold_pass": 0.1}).search()
    assert (found.name, found.passes, found.workaround) == ("fold_pass", 3, line("fold_pass"))


# -- several guilty passes, and passes that need each other ------------------------------------------------------------


@PROPERTY
@given(st.integers(2, 40), st.data())
def test_of_two_guilty_passes_the_first_is_named_and_both_are_deleted(count: int, data: st.DataObject) -> None:
    passes = names(count)
    first, second = sorted(data.draw(st.lists(st.integers(0, count - 1), min_size=2, max_size=2, unique=True)))
    found = Engine(passes, {passes[first]: 0.1, passes[second]: 0.02}).search()
    assert found.name == passes[first]
    assert sorted(found.workaround) == sorted(line(passes[first], passes[second]))
    assert found.without is not None
    assert found.without.error == pytest.approx(0.02, rel=0.01)
    made = told(found)
    assert "is the first that changes the answers" in made.cause
    assert dict(made.facts)["all but it"] == "differs by 0.02"
    assert "guilty too" in dict(made.facts)["further passes"]


def test_two_passes_that_kill_are_both_deleted() -> None:
    found = Engine(names(30), dies={"pass_11": SIGILL, "pass_20": "ends the process with SIGABRT"}).search()
    assert (found.name, found.workaround) == ("pass_11", line("pass_11", "pass_20"))
    assert told(found).cause == "the optimisation pass pass_11 ends the process with SIGILL."


def test_a_pass_that_kills_before_one_that_is_wrong_is_named_and_both_are_deleted() -> None:
    found = Engine(names(30), {"pass_25": 0.1}, dies={"pass_11": SIGILL}).search()
    assert (found.name, found.workaround) == ("pass_11", line("pass_11", "pass_25"))


def test_a_pass_is_deleted_together_with_the_one_that_raises_without_it() -> None:
    engine = Engine(names(20), {"placement": 0.1}, needs={"pass_15": "placement"})
    engine.passes = ["placement", *engine.passes]
    found = engine.search()
    assert (found.name, found.workaround) == ("placement", line("placement", "pass_15"))
    assert found.without is not None
    assert found.without.died == "raises ValueError: pass_15 wants another pass"


def test_where_a_later_pass_undoes_what_the_first_did_the_one_between_is_guilty() -> None:
    class Undone(Engine):
        """Pass 2 moves the answers unless pass 9 runs; pass 5 always does."""

        def _load(self, enabled: Sequence[str], without: frozenset[str]) -> Trial:
            self.moves = {"pass_2": 0.0 if "pass_9" in enabled else 0.3, "pass_5": 0.1}
            return super()._load(enabled, without)

    found = Undone(names(12)).search()
    assert (found.name, found.workaround, found.suspects) == ("pass_5", line("pass_5"), ("pass_5",))
    assert told(found).cause.endswith("with it they differ by 0.1.")


def test_a_deletion_that_turned_out_not_to_be_needed_is_left_out() -> None:
    class Repaired(Engine):
        """The second fault is the first one's repair, and stays without it; the third comes with the second."""

        def _load(self, enabled: Sequence[str], without: frozenset[str]) -> Trial:
            self.moves = {"pass_3": 0.1 if "pass_9" in enabled else 0.0, "pass_9": 0.1 if "pass_3" not in enabled else 0.0}
            return super()._load(enabled, without)

    found = Repaired(names(12)).search()
    assert (found.name, found.workaround) == ("pass_9", line("pass_9"))


def test_a_pass_that_needs_more_deletions_than_anyone_writes_is_answered_by_switching_its_family_off() -> None:
    needs = dict.fromkeys(names(30)[5:20], "pass_0")
    engine = Engine(names(30), {"pass_0": 0.1}, needs=needs)
    found = engine.search(disable_mkldnn=Engine(["pass_5"]))
    assert (found.name, found.workaround) == ("pass_0", ("config.disable_mkldnn()",))
    assert told(found).remedy.startswith("configure the variant with config.disable_mkldnn() (tried: it agrees to 1e-08)")


def test_where_the_family_is_no_better_the_long_list_is_offered() -> None:
    needs = dict.fromkeys(names(30)[5:20], "pass_0")
    found = Engine(names(30), {"pass_0": 0.1}, needs=needs).search(disable_mkldnn=Engine([], kernels=0.1))
    assert len(found.workaround) > MOST_DELETIONS
    assert found.verified is not None
    assert found.verified.agrees
    assert "and so on for the 30 passes from there on" in told(found).remedy


def test_a_pass_without_which_the_rest_does_not_run_is_left_alone() -> None:
    found = Engine(names(24), {"pass_6": 0.1}, deadly_without=frozenset({"pass_17", "pass_2"})).search()
    assert (found.name, found.workaround) == ("pass_6", line("pass_6"))
    assert set(found.stuck) == {"pass_17", "pass_2"}
    assert dict(told(found).facts)["not deletable"] == "pass_17, pass_2"


def test_a_pass_that_runs_although_it_is_deleted_is_left_alone() -> None:
    found = Engine(names(24), {"pass_6": 0.1}, stubborn=frozenset({"pass_3"})).search()
    assert (found.name, found.workaround, found.stuck) == ("pass_6", line("pass_6"), ("pass_3",))


def test_where_only_part_of_the_passes_does_not_run_the_suspects_are_listed() -> None:
    class Whole(Engine):
        """Passes 4 to 12 run together or not at all."""

        def _load(self, enabled: Sequence[str], without: frozenset[str]) -> Trial:
            block = set(names(13)[4:])
            if 0 < len(block & set(enabled)) < len(block):
                return Trial(None, "raises ValueError: half a fusion", tuple(enabled), False)
            return super()._load(enabled, without)

    found = Whole(names(20), {"pass_8": 0.1}).search(disable_mkldnn=Engine([]))
    assert set(names(13)[4:]) <= set(found.suspects) < set(names(20))
    assert found.name == found.suspects[-1]
    made = told(found)
    assert not made.certain
    assert dict(made.facts)["guilty"].startswith("one of pass_")
    assert found.workaround == ("config.disable_mkldnn()",)


# -- nothing to accuse -------------------------------------------------------------------------------------------------


def test_where_nothing_that_can_be_deleted_is_guilty_the_kernels_are() -> None:
    found = Engine(names(12), kernels=0.25).search(disable_mkldnn=Engine([]))
    assert (found.outcome, found.name, found.trials) == ("kernels", "", 3)
    made = told(found)
    assert (made.stage, made.kind) == ("run", "")
    expected = "no optimisation pass is guilty: with all 12 deleted the answers still differ by 0.25, so its kernels do it."
    assert made.cause == expected
    assert made.certain
    assert made.remedy.startswith("configure the variant with config.disable_mkldnn()")


def test_where_the_only_pass_is_not_guilty_the_kernels_are() -> None:
    made = told(Engine(names(1), kernels=0.25).search())
    assert (
        made.cause == "no optimisation pass is guilty: with the one deleted the answers still differ by 0.25, so its kernels do it."
    )


def test_a_trial_that_ends_without_outputs_is_told_as_such() -> None:
    world = Engine(names(3))
    found = search(lambda without: replace(world.run(without), outputs=None), agrees, EXPECTED, Deadline(9, lambda: 0.0))
    assert found.full is not None
    assert found.full.died == "gives no outputs"


def test_where_one_pass_cannot_be_deleted_the_rest_is_acquitted_and_the_kernels_are_not_accused() -> None:
    found = Engine(names(12), {"pass_3": 0.25}, stubborn=frozenset({"pass_3"})).search()
    made = told(found)
    assert made.cause == "no optimisation pass that can be deleted is guilty: with all 11 deleted the answers still differ by 0.25."
    assert dict(made.facts)["not deletable"] == "pass_3"
    assert not made.certain


def test_where_it_dies_without_any_pass_none_is_guilty() -> None:
    class Dead(Engine):
        def _load(self, enabled: Sequence[str], without: frozenset[str]) -> Trial:
            return Trial(None, SIGILL, tuple(enabled), self.seconds == 1.0)

    for engine in (Dead(names(12)), Dead(names(12), seconds=2.0)):
        found = engine.search()
        assert (found.outcome, found.workaround) == ("kernels", ())
        assert told(found).cause.endswith("with all 12 deleted the variant still ends the process with SIGILL.")


def test_where_it_dies_otherwise_without_its_passes_it_says_that_it_cannot_tell() -> None:
    needed = frozenset(names(12))
    found = Engine(names(12), {"pass_3": 0.1}, deadly_without=needed).search()
    assert found.outcome == "unclear"
    assert "cannot be told" in told(found).cause


def test_a_variant_that_agrees_this_time_is_said_to_fail_only_sometimes() -> None:
    found = Engine(names(12)).search()
    assert (found.outcome, found.trials) == ("agrees", 1)
    assert "does not fail every time" in told(found).cause
    assert not told(found).certain


def test_where_no_pass_is_heard_it_says_so() -> None:
    found = Engine(names(12), {"pass_3": 0.1}, silent=True).search(disable_mkldnn=Engine([]))
    assert (found.outcome, found.name, found.trials) == ("unheard", "", 2)
    made = told(found)
    assert made.cause == "Paddle named no optimisation pass of the variant, so none can be found guilty."
    assert made.remedy.startswith("configure the variant with config.disable_mkldnn()")
    died = Engine(names(12), dies={"pass_0": SIGILL}, silent=True).search()
    assert "which ends the process with SIGILL" in told(died).cause


@pytest.mark.parametrize("passes", [sorted(STAY), names(5)])
def test_where_no_pass_can_be_deleted_it_says_so(passes: list[str]) -> None:
    found = Engine(passes, kernels=0.5, stubborn=frozenset(passes)).search()
    assert (found.outcome, found.name) == ("fixed", "")
    assert told(found).cause == "no optimisation pass of the variant can be deleted, so none can be found guilty."
    assert ("enable_new_executor" in told(found).remedy) == (passes == names(5))


# -- time --------------------------------------------------------------------------------------------------------------


@PROPERTY
@given(st.integers(2, 60), st.floats(0.0, 20.0), st.data())
def test_out_of_time_it_says_what_is_excluded_and_is_never_wrong(count: int, seconds: float, data: st.DataObject) -> None:
    passes = names(count)
    guilty = data.draw(st.sampled_from(passes))
    engine = Engine(passes, {guilty: 0.1})
    found = engine.search(seconds)
    assert engine.now <= max(seconds, 1.0), "a trial that would not end in time is not begun"
    assert guilty not in found.excluded
    assert not found.suspects or guilty in found.suspects
    assert found.name in ("", guilty)
    assert found.workaround in ((), line(guilty)) or guilty in found.workaround[0]
    if not found.name:
        assert found.timed_out
        assert "ran out of time" in told(found).cause
        assert not told(found).certain
    told(found)


def test_out_of_time_in_the_middle_names_the_passes_that_agree() -> None:
    found = Engine(names(32), {"pass_21": 0.1}).search(5.0)
    assert found.timed_out
    assert found.excluded == tuple(names(16))
    expected = (
        "the search for the guilty optimisation pass ran out of time: the 16 passes before pass_16 are excluded; it is one of 8, "
    )
    assert told(found).cause == expected + "from pass_16 to pass_23."


def test_without_any_time_nothing_is_tried() -> None:
    engine = Engine(names(4), {"pass_1": 0.1})
    found = engine.search(0.0)
    assert (engine.asked, found.outcome, found.timed_out) == ([], "", True)
    assert told(found).cause == "the search for the guilty optimisation pass ran out of time before any was excluded."


def test_a_trial_that_the_end_cut_off_proves_nothing() -> None:
    class Cut(Engine):
        def run(self, without: Sequence[str]) -> Trial:
            trial = super().run(without)
            if self.now < 3:
                return trial
            self.now = 3.5
            return Trial(None, "does not end within 1 s", trial.ran, False)

    found = Cut(names(16), dies_running={"pass_12": "does not end within 1 s"}).search(3.5)
    assert found.timed_out
    assert "pass_12" in found.suspects, "the third trial died of the deadline, not of a pass"


def test_a_workaround_that_was_tried_is_offered_though_time_ran_out_behind_it() -> None:
    engine = Engine(names(16), {"pass_14": 0.1})
    found = next(found for found in (replaced(engine).search(seconds) for seconds in range(1, 20)) if found.name)
    assert found.timed_out
    assert found.workaround == line("pass_14", "pass_15")
    assert "then time ran out" in dict(told(found).facts)["trials"]


def replaced(engine: Engine) -> Engine:
    return Engine(engine.passes, engine.moves)


# -- figures -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outputs", "error"),
    [
        ([np.array([[1.0, -2.0, 0.5]], np.float32)], 0.0),
        ([np.array([[1.0, -2.0, 0.7]])], 0.1),
        ([np.array([[1.0, -2.0]])], math.inf),
        ([], math.inf),
        ([EXPECTED[0], EXPECTED[0]], math.inf),
        ([np.array([[1.0, np.nan, 0.5]])], math.inf),
        ([np.array([[1.0, -np.inf, 0.5]])], math.inf),
    ],
)
def test_the_error_is_of_the_largest_value_and_infinite_for_what_cannot_be_compared(outputs: Arrays, error: float) -> None:
    assert relative_error(outputs, EXPECTED) == pytest.approx(error)


def test_the_error_of_zeros_integers_and_nothing() -> None:
    zeros, ones = [np.zeros(3)], [np.ones(3)]
    assert relative_error(zeros, zeros) == 0
    assert relative_error(ones, zeros) == math.inf
    assert relative_error([np.array([1, 2], np.int64)], [np.array([1, 4], np.int64)]) == 0.5
    assert relative_error([np.zeros((0, 3))], [np.zeros((0, 3))]) == 0
    assert relative_error([np.zeros((0, 3))], [np.zeros((0, 2))]) == math.inf


@pytest.mark.parametrize(("agrees", "told"), [(True, "agrees to 1e-06"), (False, "differs by 0.25")])
def test_integers_that_agree_have_no_distance(agrees: bool, told: str) -> None:
    ids, scores = np.array([[1, 2, 4]]), np.array([[1.0]])
    made = [np.array([[1, 2, 3]]), scores + 1e-6]
    found = search(lambda without: Trial(made, "", ("a",), True), lambda outputs: agrees, [ids, scores], Deadline(9))
    assert str(found.full) == told
