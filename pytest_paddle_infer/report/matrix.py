"""The matrix report: the variants of a model side by side, from the figures on the reports of a whole run. Pure functions.

`report/matrix_table.py` makes text of it, `report/matrix_file.py` a file; `report/terminal.py` calls all three.

Times are those of one batch, memory is in MB of 2**20 bytes as in AutoLog's logs, errors are of the largest value of an output.
A figure that was not measured is None.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Callable

from pytest_paddle_infer.judge.apart import noise_of_ratio
from pytest_paddle_infer.report.figures import CHECKPOINT_SIGNS, PREFIX, REPEATED, WHY
from pytest_paddle_infer.report.pareto import best_of, dominates

ERROR_FACTOR = 2.0
"""Errors within this factor are equal, and so are all that the training engine's own rounding exceeds: which of two kernels of one
precision rounds more luckily differs from net to net. oneDNN's error is 0.3 to 2.2 times the training engine's on 37 nets of the zoo
(`benchmarks/floors.py --zoo`)."""

MEMORY_TOLERANCE = 0.02
MEMORY_NOISE_MB = 12.0
"""Memory within either is equal: a share, or so many MB. What a process takes differs from session to session by MB, however small the net:
in ten sessions each (`benchmarks/memory.py`, `cpu` and `onednn`) a tiny net's lay up to 3.3 and 6.1 MB apart, with a new export every time
9.0 and 12.3 MB, squeezenet1_1's 4.0 and 4.2 MB (9 % of it), and alexnet's 6.0 and 5.3 MB (2.3 and 1.1 %)."""

INFINITE = "inf"
"""How a figure says that the error is infinite: of NaN, and of integers that differ."""

UNBOUNDED, UNEQUAL = "infinite", "not equal"
"""How people read it: of NaN, and of integers."""

Properties = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Accuracy:
    """What parity measured; of several tests of one variant, the worst.

    output_error, output_limit: of the output that comes closest to its limit. output_limits: how many limits that error is. Both are Inf
    where the output is no number.
    noise_floor: the training engine's own rounding. agreed, compared, ties: samples by their answers.
    """

    output_error: float | None = None
    output_limit: float | None = None
    output_limits: float | None = None
    noise_floor: float | None = None
    agreed: float | None = None
    compared: float | None = None
    ties: float | None = None


@dataclass(frozen=True)
class Speed:
    """What the log checkpoint measured: `timing.Timing`, and the means of the three stages; all of one test."""

    p50_ms: float | None = None
    p99_ms: float | None = None
    spread_ms: float | None = None
    batches: float | None = None
    training_p50_ms: float | None = None
    first_ms: float | None = None
    load_s: float | None = None
    memory_mb: float | None = None
    gpu_memory_mb: float | None = None
    preprocess_ms: float | None = None
    inference_ms: float | None = None
    postprocess_ms: float | None = None
    shapes: float | None = None


@dataclass(frozen=True)
class Row:
    """One variant. passed, failed: checkpoints, the failed ones with the first line of their cause; speed-ups are factors."""

    variant: str
    passed: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    unavailable: str = ""
    accuracy: Accuracy = Accuracy()
    speed: Speed = Speed()
    throughput: float | None = None
    over_training: float | None = None
    over_cpu: float | None = None
    pareto_best: bool = False
    program: str = ""
    """Digest of what it executed; "" where that is not known. Variants of one program are the same in all but name."""

    @property
    def ran(self) -> bool:
        """True when a checkpoint of this variant ran."""
        return bool({"parity", "log"} & {*self.passed, *(name for name, _ in self.failed)})


@dataclass(frozen=True)
class Matrix:
    """The variants of one model at one batch size (None where nothing was timed), and what makes a variant Pareto-best here.

    passed, failed: checkpoints of the model itself. fastest: the fastest variant that passed, and behind it those that are not decided to
    be slower than it.
    """

    model: str
    batch_size: int | None
    rows: tuple[Row, ...]
    objectives: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    fastest: tuple[str, ...] = ()

    @property
    def ran(self) -> bool:
        """True when any checkpoint ran."""
        return bool(self.passed or self.failed) or any(row.ran for row in self.rows)


def beyond(limit: float | None) -> str:
    """Returns how people read an infinite error. Only what is equal or not has a limit of 0."""
    return UNEQUAL if limit == 0 else UNBOUNDED


def of_its_limit(error: str | None, limit: float | None, shown: str) -> str:
    """Returns `1e-07 / 4e-06`, or whether it is equal, for people. error: None for an infinite one. shown: the limit's text."""
    if limit == 0 and error in (None, "0"):
        return "equal" if error else UNEQUAL
    return f"{error or UNBOUNDED} / {shown}"


# -- from reports to matrices ------------------------------------------------------------------------------------------


@dataclass
class _Found:
    """What the reports say of one variant, or of a model itself; sets and sorted lists, so that their order does not matter."""

    passed: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    unavailable: set[str] = field(default_factory=set)
    accuracies: list[Accuracy] = field(default_factory=list)
    speeds: dict[int | None, list[Speed]] = field(default_factory=dict)
    programs: set[str] = field(default_factory=set)

    def add(self, facts: Mapping[str, str], failed: Sequence[str]) -> None:
        self.passed.update(name for name, sign in CHECKPOINT_SIGNS.items() if sign in facts and name not in failed)
        for name in failed:
            known, cause = self.failed.get(name, ""), _one_line(facts.get("cause", ""))
            self.failed[name] = min(filter(None, (known, cause)), default="")
        if "unavailable" in facts:
            self.unavailable.add(_one_line(facts["unavailable"]))
        if "program" in facts:
            self.programs.add(facts["program"])
        if CHECKPOINT_SIGNS["parity"] in facts:
            agreed, _, compared = facts.get("answers", "").partition("/")
            more = {**facts, "agreed": agreed, "compared": compared}
            beyond = {name: math.inf for name in ("output_error", "output_limits") if facts.get(name) == INFINITE}
            self.accuracies.append(Accuracy(**{**_numbers(more, Accuracy), **beyond}))
        if CHECKPOINT_SIGNS["log"] in facts:
            size = _number(facts.get("batch_size"))
            self.speeds.setdefault(int(size) if size and "p50_ms" in facts else None, []).append(Speed(**_numbers(facts, Speed)))

    def holding(self) -> tuple[str, ...]:
        return tuple(name for name in CHECKPOINT_SIGNS if name in self.passed and name not in self.failed)

    def broken(self) -> tuple[tuple[str, str], ...]:
        return tuple(sorted(self.failed.items()))


def read_matrices(reports: Iterable[Properties]) -> list[Matrix]:
    """Returns a matrix for each model and batch size from the user_properties of each report, models in the order of the reports.

    A figure is never shown for what it is not of: a report that carries figures of two variants, because a test ran checkpoints
    by hand, is passed over.
    """
    models: dict[str, dict[str, _Found]] = {}
    for properties in reports:
        facts, failed = _facts(properties)
        if "model" in facts:
            variants = models.setdefault(facts["model"], {"": _Found()})
            variants.setdefault(facts.get("variant", ""), _Found()).add(facts, failed)
    return [matrix for model, variants in models.items() for matrix in _of_model(model, variants)]


def _facts(properties: Properties) -> tuple[dict[str, str], list[str]]:
    """The figures of one report, and its failed checkpoints; nothing when a figure is there twice."""
    facts: dict[str, str] = {}
    failed: list[str] = []
    for name, value in properties:
        if not isinstance(name, str) or not name.startswith(PREFIX):
            continue
        name, value = name[len(PREFIX) :], str(value)
        if name == "failed":
            failed.append(value)
        elif name not in REPEATED and facts.setdefault(name, value) != value and name not in WHY:
            return {}, []
    return facts, failed


def _of_model(model: str, variants: Mapping[str, _Found]) -> Iterator[Matrix]:
    own = variants[""]
    timed = {size for found in variants.values() for size in found.speeds if size is not None}
    sizes: list[int | None] = [*sorted(timed)]
    for size in sizes or [None]:
        rows = [_row(name, found, own, size) for name, found in variants.items() if name]
        yardstick = next((row.over_training for row in rows if row.variant == "cpu"), None)
        rows = [replace(row, over_cpu=_ratio(row.over_training, yardstick)) for row in rows]
        able = _competing(rows)
        times = _Times(able)
        objectives, best = _pareto(able, times)
        marked = tuple(replace(row, pareto_best=row.variant in best) for row in rows)
        yield Matrix(model, size, marked, objectives, own.holding(), own.broken(), _fastest(able, times))


def _row(name: str, found: _Found, own: _Found, size: int | None) -> Row:
    both = _Found({*own.passed, *found.passed}, {**found.failed, **own.failed})
    accuracy = max(
        found.accuracies, key=lambda one: (*_sortable(one.output_limits, one.output_error), repr(one)), default=Accuracy()
    )
    # of two tests of one variant, whole: the one with more batches
    speeds = found.speeds.get(size) or found.speeds.get(None) or []
    speed = min(speeds, key=lambda one: (-(one.batches or 0), *_sortable(one.p50_ms), repr(one)), default=Speed())
    return Row(
        name,
        both.holding(),
        both.broken(),
        "; ".join(sorted(found.unavailable)),
        accuracy,
        speed,
        throughput=_ratio(1000 * size, speed.p50_ms) if size else None,
        over_training=_ratio(speed.training_p50_ms, speed.p50_ms),
        program=next(iter(found.programs)) if len(found.programs) == 1 else "",
    )


def _numbers(facts: Mapping[str, str], kind: type) -> dict[str, float | None]:
    return {each.name: _number(facts.get(each.name)) for each in fields(kind)}


def _number(text: str | None) -> float | None:
    """A figure as a number; None for what is none, NaN and Inf included."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _ratio(one: float | None, two: float | None) -> float | None:
    return one / two if one and two else None


def _sortable(*values: float | None) -> tuple[float, ...]:
    return tuple(-1.0 if value is None else value for value in values)


def _one_line(text: str) -> str:
    return " ".join(text.split())


# -- who is best -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Objective:
    """Something that should be small, and by how much two rows may differ in it and still be equal."""

    name: str
    value: Callable[[Row], float | None]
    tolerance: Callable[[Row, Row], float]


def _error(row: Row) -> float | None:
    """Not over its limit, because a lower precision has a wider one."""
    error = row.accuracy.output_error
    return None if error is None else max(error, row.accuracy.noise_floor or 0.0)


def _p50(row: Row) -> float:
    return row.speed.p50_ms or 0.0


def _noise(one: Row, two: Row) -> float:
    """By what factor the slower may be slower by noise alone."""
    spreads = (one.speed.spread_ms or 0.0, two.speed.spread_ms or 0.0)
    return noise_of_ratio((_p50(one), _p50(two)), spreads, (one.speed.batches or 0.0, two.speed.batches or 0.0))


class _Times:
    """Which of the competing variants is slower than which. Two measures tell: the median batch, and what it is of the training engine's.

    A machine that slows down between two variants misleads the one, and a training engine that was timed while the machine did something
    else misleads the other. So a variant is slower only where both say so, and by more than noise. Where the batches of all variants have
    several shapes, the median rests on the few of the middle shapes, and scatters more than `noise_of_ratio` knows: then the second
    measure, which is of all batches, each in its own shape, tells alone; and the first one does where the training engine was not timed.

    Variants that executed one program take the same time, whatever was measured. By how far they lie apart shows what the batches of this
    session do not: no other difference counts that is not larger.
    """

    def __init__(self, able: Sequence[Row]) -> None:
        plain = {row.variant: _p50(row) for row in able}
        over = {row.variant: _p50(row) / row.speed.training_p50_ms for row in able if row.speed.training_p50_ms}
        if len(over) < len(plain):
            self._measures = [plain]
        else:
            self._measures = [over] if all(row.speed.shapes for row in able) else [plain, over]
        twins = [(one, two) for one in able for two in able if _same_program(one, two)]
        self._apart = [max((each[one.variant] / each[two.variant] for one, two in twins), default=1.0) for each in self._measures]

    def of(self, row: Row) -> float:
        """The geometric mean of the measures: who is slower has the larger one."""
        return math.prod(each[row.variant] for each in self._measures) ** (1 / len(self._measures))

    def slower(self, one: Row, two: Row) -> bool:
        """True when that is decided."""
        noise = _noise(one, two)
        pairs = zip(self._measures, self._apart)
        return not _same_program(one, two) and all(
            each[one.variant] > each[two.variant] * max(noise, apart) for each, apart in pairs
        )

    def tolerance(self, one: Row, two: Row) -> float:
        """By how much the two may differ in `of` and be equal: nothing where one is slower, else whatever they differ by."""
        return 0.0 if self.slower(one, two) or self.slower(two, one) else math.inf


def _same_program(one: Row, two: Row) -> bool:
    return bool(one.program) and one.program == two.program


def _gpu_memory(row: Row) -> float:
    return row.speed.gpu_memory_mb or 0.0


_ERROR = _Objective("error", _error, lambda a, b: (ERROR_FACTOR - 1) * min(_error(a) or 0.0, _error(b) or 0.0))
_MEMORIES = (
    _Objective(
        "memory",
        lambda row: row.speed.memory_mb,
        lambda a, b: max(MEMORY_NOISE_MB, MEMORY_TOLERANCE * max(a.speed.memory_mb or 0.0, b.speed.memory_mb or 0.0)),
    ),
    _Objective("GPU memory", _gpu_memory, lambda a, b: MEMORY_TOLERANCE * max(_gpu_memory(a), _gpu_memory(b))),
)


def _competing(rows: Sequence[Row]) -> list[Row]:
    """Returns those that were timed and failed nothing. Where parity ran for any of them, those without it are no proven answer."""
    able = [row for row in rows if row.speed.p50_ms and not row.failed]
    proven = [row for row in able if row.accuracy.output_error is not None]
    return proven or able


def _fastest(able: Sequence[Row], times: _Times) -> tuple[str, ...]:
    """Returns the fastest first, then those that are not decided to be slower than it."""
    if not able:
        return ()
    first, *others = sorted(able, key=lambda row: (times.of(row), row.variant))
    return (first.variant, *(row.variant for row in others if not times.slower(row, first)))


def _pareto(able: Sequence[Row], times: _Times) -> tuple[tuple[str, ...], set[str]]:
    """Returns the objectives that count, and which of the competing variants are Pareto-best in them.

    An objective that not all of them have does not count.
    """
    if not able:
        return (), set()
    on_gpu = any(row.speed.gpu_memory_mb is not None for row in able)
    p50 = _Objective("p50", times.of, times.tolerance)
    goals = [
        goal
        for goal in (_ERROR, p50, *_MEMORIES)
        if all(goal.value(row) is not None for row in able) and (on_gpu or goal.value is not _gpu_memory)
    ]

    def beats(one: Row, two: Row) -> bool:
        left, right = ([goal.value(row) or 0.0 for goal in goals] for row in (one, two))
        return dominates(left, right, [goal.tolerance(one, two) for goal in goals])

    best = best_of(able, beats)
    return tuple(goal.name for goal in goals), {row.variant for row, is_best in zip(able, best) if is_best}
