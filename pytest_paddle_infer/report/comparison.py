"""What became worse or better from one report to another. Pure functions; `command/compare.py` says it.

A is the earlier report, the baseline; B is held against it. Times are judged as by the performance gates, on the batches of both, and only
where both were measured on one machine; errors as by the matrix of variants.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pytest_paddle_infer.option_table import ALLOWED
from pytest_paddle_infer.report.matrix import ERROR_FACTOR
from pytest_paddle_infer.report.saved import Measured, SavedReport, SavedTest
from pytest_paddle_infer.report.times_compared import TimesChange, times_changed

FAILING = ("failed", "error")
PASSING = ("passed", "xpassed")
EARLY = ("incomplete", "nothing ran")

CHANGES = {
    "newly failing": True,
    "newly failing a checkpoint": True,
    "no longer runs": True,
    "now expected to fail": False,
    "newly passing": False,
    "newly passing a checkpoint": False,
    "only in B": False,
    "only in A": False,
}
"""What can happen to a test -> whether that is worse. Which tests a run chose is its caller's business; a test that was chosen, passed
before and is now skipped proves nothing any more. One that is now expected to fail ran, and somebody said so on purpose. One that fails in
both may fail at another checkpoint."""

NOT_COMPARED = ("--paddle-report", "--paddle-output-dir", "--paddle-artifacts", "--paddle-model")
"""Options that explain no difference: where files go, and which models are in a report, which its tests say."""

INSTRUCTIONS = "instruction sets"


@dataclass(frozen=True)
class Difference:
    """Something that is not the same around the two runs; "" for none."""

    what: str
    a: str
    b: str


@dataclass(frozen=True)
class OutcomeChange:
    """A test whose outcome changed, or that fails in both at another checkpoint.

    change: a key of `CHANGES`. a, b: its outcomes, "" where a report has no such test. checkpoints: those that fail newly, or pass newly.
    """

    id: str
    change: str
    a: str
    b: str
    why: str = ""
    checkpoints: tuple[str, ...] = ()


@dataclass(frozen=True)
class VariantChange:
    """One variant of a model in both reports; a, b: None where one measured no such variant.

    missing: "only in A", or "not measured in B" where tests of it are in B too; likewise for A. accuracy: "less exact", "more exact"
    or "". answers: "fewer answers", "more answers" or "". times: None where neither was timed.
    """

    model: str
    variant: str
    a: Measured | None
    b: Measured | None
    missing: str = ""
    accuracy: str = ""
    answers: str = ""
    times: TimesChange | None = None

    @property
    def worse(self) -> tuple[str, ...]:
        """What is worse about it, in words."""
        slower = self.times is not None and self.times.outcome == "slower"
        told = (
            slower and "slower",
            self.accuracy == "less exact" and self.accuracy,
            self.answers.startswith("fewer") and self.answers,
        )
        return tuple(word for word in told if word)


@dataclass(frozen=True)
class Comparison:
    """All of it.

    same_machine: whether times can be judged at all. ended_early: B was interrupted or ran nothing, unlike A, in which tests passed.
    nothing_left: of the tests that passed in A none ran in B, so that what B proves is nothing of A.
    """

    a: SavedReport
    b: SavedReport
    allowed: float
    differences: tuple[Difference, ...]
    tests: tuple[OutcomeChange, ...]
    variants: tuple[VariantChange, ...]
    same_machine: bool
    ended_early: bool
    nothing_left: bool

    @property
    def not_run(self) -> int:
        """How many tests of A are not in B. A run may have been narrowed on purpose, so some are no fault."""
        return sum(test.change == "only in A" for test in self.tests)

    @property
    def worse(self) -> bool:
        """True when anything is."""
        early = self.ended_early or self.nothing_left
        return early or any(CHANGES[test.change] for test in self.tests) or any(each.worse for each in self.variants)


def compare(a: SavedReport, b: SavedReport, allowed: float = ALLOWED) -> Comparison:
    """Compares. allowed: the share by which an engine may be slower. Needs numpy where times can be judged."""
    return Comparison(
        a,
        b,
        allowed,
        tuple(_differences(a, b)),
        tuple(_tests(a, b)),
        tuple(_variants(a, b, allowed)),
        a.machine() == b.machine(),
        b.verdict in EARLY and a.verdict not in EARLY and any(test.outcome in PASSING for test in a.tests),
        _nothing_left(a, b),
    )


def _nothing_left(a: SavedReport, b: SavedReport) -> bool:
    passed = {test.id for test in a.tests if test.outcome in PASSING}
    return bool(passed) and passed.isdisjoint(test.id for test in b.tests if test.outcome != "skipped")


# -- what may explain the rest -----------------------------------------------------------------------------------------


def _differences(a: SavedReport, b: SavedReport) -> Iterator[Difference]:
    one, two = _around(a), _around(b)
    weights, others = _weights(a.tests), _weights(b.tests)
    both = [what for what in weights if what in others]  # a model that one did not run, or not that far, has no other weights
    one.update({what: weights[what] for what in both})
    two.update({what: others[what] for what in both})
    for what in dict.fromkeys((*one, *two)):
        if one.get(what, "") != two.get(what, ""):
            yield _short(Difference(what, one.get(what, ""), two.get(what, "")))


def _short(each: Difference) -> Difference:
    """Of instruction sets, which are dozens, those that the other lacks."""
    if each.what != INSTRUCTIONS:
        return each
    a, b = each.a.split(), each.b.split()
    return Difference(each.what, " ".join(name for name in a if name not in b), " ".join(name for name in b if name not in a))


def _around(report: SavedReport) -> dict[str, str]:
    told = report.environment
    names = {"Paddle": "paddle", "--paddle-python": "engine_python", "Python": "python", "plugin": "plugin", "system": "system"}
    return {
        **{what: str(told[name] or "") for what, name in names.items()},
        "Paddle of --paddle-python": str(told.get("engine_paddle") or ""),
        "processor": told["processor"],
        "architecture": told["architecture"],
        "cores": f"{told['cores']:g}",
        INSTRUCTIONS: " ".join(told["instructions"]),
        **{name: str(version) for name, version in told["packages"].items()},
        "processes": str(report.processes),
        **{flag: value for flag, value in report.options.items() if flag not in NOT_COMPARED and flag != "--paddle-python"},
    }


def _weights(tests: Iterable[SavedTest]) -> dict[str, str]:
    """Of the models whose tests came so far as to say them."""
    found: dict[str, dict[str, None]] = {}
    for test in tests:
        if test.model and test.weights:
            found.setdefault(test.model, {})[test.weights] = None
    return {f"weights of {model}": ", ".join(names) for model, names in found.items()}


# -- tests -------------------------------------------------------------------------------------------------------------


def _tests(a: SavedReport, b: SavedReport) -> list[OutcomeChange]:
    one, two = ({test.id: test for test in report.tests} for report in (a, b))
    found = []
    for name in dict.fromkeys((*one, *two)):
        before, now = one.get(name), two.get(name)
        outcomes = (before.outcome if before else "", now.outcome if now else "")
        why = now.why if now is not None and now.outcome not in PASSING else ""
        if change := _change(*outcomes):
            found.append(OutcomeChange(name, change, *outcomes, why))
        elif before is not None and now is not None and all(outcome in FAILING for outcome in outcomes):
            found += [OutcomeChange(name, change, *outcomes, why, which) for change, which in _checkpoints(before, now)]
    order = list(CHANGES)
    return sorted(found, key=lambda test: order.index(test.change))


def _change(before: str, now: str) -> str:
    """A key of `CHANGES`; "" for nothing. A test that is new and fails has never been seen to pass, and counts as newly failing."""
    if now in FAILING:
        return "" if before in FAILING else "newly failing"
    if not now:
        return "only in A"
    if not before:
        return "only in B"
    if now in PASSING:
        return "newly passing" if before in FAILING else ""
    if before not in PASSING:
        return ""
    return "no longer runs" if now == "skipped" else "now expected to fail"


def _checkpoints(before: SavedTest, now: SavedTest) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Of a test that fails in both: where the failing checkpoint is another one, so that its outcome does not tell the change."""
    if worse := tuple(name for name in now.failed if name in before.passed):
        yield "newly failing a checkpoint", worse
    if better := tuple(name for name in now.passed if name in before.failed):
        yield "newly passing a checkpoint", better


# -- variants ----------------------------------------------------------------------------------------------------------


def _variants(a: SavedReport, b: SavedReport, allowed: float) -> Iterator[VariantChange]:
    for one, two in _paired(a.variants, b.variants):
        known = one or two
        assert known is not None
        found = VariantChange(known.model, known.variant, one, two)
        if one is None or two is None:
            here, there, other = ("A", "B", b) if two is None else ("B", "A", a)
            yield replace(found, missing=f"not measured in {there}" if _tested(other, known) else f"only in {here}")
            continue
        yield replace(found, accuracy=_accuracy(one, two), answers=_answers(one, two), times=times_changed(a, b, one, two, allowed))


def _tested(report: SavedReport, known: Measured) -> bool:
    """Whether tests of the variant are in a report, or of its model that ended before any variant ran."""
    return any(test.model == known.model and test.variant in ("", known.variant) for test in report.tests)


def _paired(a: Iterable[Measured], b: Iterable[Measured]) -> Iterator[tuple[Measured | None, Measured | None]]:
    """Each variant of each model with its like: at the batch size that both were timed at; where there is none, whatever both have."""
    one, two = _by_name(a), _by_name(b)
    for key in dict.fromkeys((*one, *two)):
        mine, theirs = one.get(key, {}), two.get(key, {})
        both = [size for size in mine if size in theirs]
        if both:
            yield from ((mine[size], theirs[size]) for size in both)
        else:
            yield next(iter(mine.values()), None), next(iter(theirs.values()), None)


def _by_name(variants: Iterable[Measured]) -> dict[tuple[str, str], dict[int | None, Measured]]:
    found: dict[tuple[str, str], dict[int | None, Measured]] = {}
    for each in variants:
        if not each.unavailable or each.error is not None or each.p50_ms is not None:
            found.setdefault((each.model, each.variant), {})[each.batch_size] = each
    return found


def _accuracy(a: Measured, b: Measured) -> str:
    one, two = _errors(a, b)
    if one is None or two is None:
        return ""
    if two > ERROR_FACTOR * one:
        return "less exact"
    return "more exact" if one > ERROR_FACTOR * two else ""


def _errors(a: Measured, b: Measured) -> tuple[float | None, float | None]:
    """What to compare: errors over their limits, where those are made by one rule; no smaller than the training engine's own rounding.

    A limit that the user set says nothing of the model: where it changed, the errors themselves are compared.
    """
    if a.floor is not None and b.floor is not None:
        return _over_limit(a), _over_limit(b)
    if a.floor is None and b.floor is None and a.limit == b.limit:
        return a.limits, b.limits
    return a.error, b.error


def _over_limit(each: Measured) -> float | None:
    if each.limits is None:
        return None
    return max(each.limits, each.floor / each.limit) if each.floor and each.limit else each.limits


def _answers(a: Measured, b: Measured) -> str:
    """Compares shares: the two runs may have had another number of samples."""
    if not a.compared or not b.compared or a.agreed is None or b.agreed is None:
        return ""
    before, now = a.agreed * b.compared, b.agreed * a.compared
    return "fewer answers" if now < before else "more answers" if now > before else ""
