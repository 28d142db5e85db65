"""Which optimisation pass is guilty: bisection over the passes that really ran. Whoever calls runs the trials; numpy only.

A trial is one load and run of the variant with some passes deleted. Passes are enabled in the order in which they run, so the first one
whose presence makes the answers leave the noise floor, or ends the process, is found in about log2(n) trials.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Callable

from .agreement import apart
from .finding import Arrays, Deadline

STAY = frozenset(
    {
        "replace_fetch_with_shadow_output_pass", "dead_code_elimination_pass",
        "add_shadow_output_after_dead_parameter_pass", "remove_shadow_feed_pass",
    }
)  # fmt: skip
"""Passes of 3.3.1 without which a program does not run at all: they change no numbers."""

MOST_DELETIONS = 6
"""Passes that a workaround may delete one by one; a longer list is offered only where nothing shorter was found."""

NEEDED = 3
"""Passes that may turn out to be needed by the rest before the search gives up."""


@dataclass(frozen=True)
class Trial:
    """How one load and run ended.

    outputs: in the order of the engine's outputs; None where there are none. died: what it did instead, as the end of a sentence: "ends
    the process with SIGILL", "raises RuntimeError: ...". ran: the passes in their order, by the names that `delete_pass` takes, up to the
    last one that was heard. loaded: False where it did not get as far as running.
    """

    outputs: Arrays | None = None
    died: str = ""
    ran: tuple[str, ...] = ()
    loaded: bool = True


@dataclass(frozen=True)
class Outcome:
    """What a trial says. error: largest difference to the training engine, of its largest value; NaN where it died."""

    agrees: bool
    error: float = math.nan
    died: str = ""

    def __str__(self) -> str:
        """Such as "agrees to 2e-07", "differs by 5.6e-03", "ends the process with SIGILL"."""
        return self.died or f"{'agrees to' if self.agrees else 'differs by'} {self.error:.2g}"


@dataclass(frozen=True)
class PassSearch:
    """What the search found.

    outcome: "found"; "kernels" (with every pass deleted it is no better); "agrees" (the variant was right this time); "unheard" (no pass
    was named); "fixed" (none of those that ran can be deleted); "unclear" (without its passes the variant ends in another way); "" where
    time ran out first. full, none: with all passes, with all deleted that can be. before, upto: with the passes that run before the
    guilty one, and with it as well. alone, without: leave-one-in and leave-one-out. workaround: lines of configuration with which a trial
    agreed, `verified`. excluded: passes up to which the variant agrees. suspects: the guilty one is among them. stuck: ran although they
    were deleted, or the rest does not run without them.
    """

    outcome: str = ""
    name: str = ""
    full: Outcome | None = None
    none: Outcome | None = None
    before: Outcome | None = None
    upto: Outcome | None = None
    alone: Outcome | None = None
    without: Outcome | None = None
    workaround: tuple[str, ...] = ()
    verified: Outcome | None = None
    excluded: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
    passes: int = 0
    trials: int = 0
    timed_out: bool = False


def deleting(passes: Sequence[str]) -> tuple[str, ...]:
    """Lines of configuration that delete passes."""
    return tuple(f'config.delete_pass("{name}")' for name in passes)


def search(
    run: Callable[[Sequence[str]], Trial],
    agrees: Callable[[Arrays], bool],
    expected: Arrays,
    deadline: Deadline,
    others: Sequence[tuple[str, Callable[[], Trial]]] = (),
    lines: Callable[[Sequence[str]], tuple[str, ...]] = deleting,
) -> PassSearch:
    """Finds the pass that makes the variant differ, raise or die.

    run: one trial without some passes; never asked twice for the same ones. agrees: the judge's rule. expected: outputs of the training
    engine, for the figures. others: lines of configuration that switch the variant's family off, with a trial of each, for when no
    deletion helps. lines: what to write for passes to be deleted. What is known when time runs out is returned.
    """
    searching = _Search(run, agrees, expected, deadline, lines)
    try:
        searching.find(others)
    except _OutOfTime:
        searching.note(timed_out=True)
    return searching.result()


def relative_error(outputs: Arrays, expected: Arrays) -> float:
    """Largest difference of any output, of that output's largest expected value; infinite for other shapes, NaN or Inf."""
    if len(outputs) != len(expected):
        return math.inf
    compared = (pair for pair in zip(outputs, expected) if pair[0].size or pair[0].shape != pair[1].shape)
    return max((apart(*pair) for pair in compared), default=0.0)


class _OutOfTime(Exception):
    """The next trial would not end in time."""


class _Search:
    """Trials so far and what they say. States: True for a trial without the fault, False with it, None for one that broke otherwise."""

    def __init__(
        self,
        run: Callable[[Sequence[str]], Trial],
        agrees: Callable[[Arrays], bool],
        expected: Arrays,
        deadline: Deadline,
        lines: Callable[[Sequence[str]], tuple[str, ...]],
    ) -> None:
        self._run, self._agrees, self._expected, self._deadline, self._lines = run, agrees, expected, deadline, lines
        self._done: dict[frozenset[str], tuple[Trial, Outcome]] = {}
        self._others = 0
        self._cost = 0.0
        self._names: list[str] = []
        self._stuck: list[str] = []
        self._found = PassSearch()

    def note(self, **known: Any) -> None:
        """Adds to what is known."""
        self._found = replace(self._found, **known)

    def result(self) -> PassSearch:
        """What is known."""
        stuck, trials = tuple(self._stuck), len(self._done) + self._others
        return replace(self._found, stuck=stuck, passes=len(self._names), trials=trials)

    # -- trials --------------------------------------------------------------------------------------------------------

    def _timed(self, run: Callable[[], Trial]) -> Trial:
        """Runs a trial. Raises `_OutOfTime` before one that would last too long, and after one that was cut off."""
        before = self._deadline.left()
        if self._deadline.over(self._cost):
            raise _OutOfTime
        trial = run()
        if trial.died and self._deadline.over():
            raise _OutOfTime
        if not trial.died:  # how long a hang or a death takes says nothing of the next trial
            self._cost = before - self._deadline.left()
        return trial

    def _trial(self, without: Sequence[str]) -> Trial:
        key = frozenset(without)
        if key not in self._done:
            trial = self._timed(lambda: self._run(tuple(without)))
            self._done[key] = trial, self._judged(trial)
            for name in trial.ran:
                if name in key and name not in self._stuck:
                    self._keep(name)
                elif name not in self._names and name not in self._stuck and name not in STAY:
                    self._names.append(name)
        return self._done[key][0]

    def _outcome(self, without: Sequence[str]) -> Outcome:
        self._trial(without)
        return self._done[frozenset(without)][1]

    def _judged(self, trial: Trial) -> Outcome:
        if trial.died or trial.outputs is None:
            return Outcome(False, died=trial.died or "gives no outputs")
        if not self._agrees(trial.outputs):
            return Outcome(False, relative_error(trial.outputs, self._expected))
        made, known = ([array for array in arrays if array.dtype.kind not in "iub"] for arrays in (trial.outputs, self._expected))
        return Outcome(True, relative_error(made, known))  # integers that agree are equal: near ties have no distance

    def _keep(self, name: str) -> None:
        """From now on the pass is left alone."""
        self._stuck.append(name)
        if name in self._names:
            self._names.remove(name)

    def _state(self, without: Sequence[str]) -> bool | None:
        """Of the fault that the full run shows: a death is found by who dies, whatever the answers of those that live."""
        outcome, full = self._outcome(without), self._outcome(())
        if full.died:
            return True if not outcome.died else (False if same_end(outcome.died, full.died) else None)
        return None if outcome.died else outcome.agrees

    # -- the search ----------------------------------------------------------------------------------------------------

    def find(self, others: Sequence[tuple[str, Callable[[], Trial]]]) -> None:
        """Notes what it finds as it goes."""
        ran = self._trial(()).ran
        self.note(full=self._outcome(()))
        if self._outcome(()).agrees:
            self.note(outcome="agrees")
        elif not ran:
            self.note(outcome="unheard")
            self._switch_off(others)
        elif name := self._died_in() or self._first():
            self.note(outcome="found", name=name)
            self._offer_known(name)
            self.note(without=self._outcome([name]))
            self._work_around(name, others)
            name = self._found.name
            self.note(alone=self._outcome([other for other in self._names if other != name]))
        else:
            self._switch_off(others)

    def _died_in(self) -> str:
        """The pass in which the variant dies while it loads: the last one heard, if without it the load gets further."""
        full = self._trial(())
        if not full.died or full.loaded or full.ran[-1] not in self._names:
            return ""
        suspect = full.ran[-1]
        after = self._trial([suspect])
        if suspect in self._stuck or (after.died and not set(after.ran) - set(full.ran)):
            return ""
        self.note(before=self._outcome([suspect]), upto=self._outcome(()), suspects=(suspect,))
        return suspect

    def _first(self) -> str:
        """The first pass, in the order in which they run, with which the fault is there; "" with the outcome noted."""
        self._settle()
        if not self._names:
            self.note(outcome="fixed")
            return ""
        self.note(none=self._outcome(self._names))
        state = self._state(self._names)
        if not state:
            self.note(outcome="unclear" if state is None else "kernels")
            return ""
        names = list(self._names)
        low, high = self._bisect(names, (), self._state, noted=True)
        self.note(before=self._outcome(names[low:]), upto=self._outcome(names[high:]))
        return names[high - 1]

    def _settle(self) -> None:
        """Runs with everything deleted until no further pass is heard, and lets those stay without which the rest does not run."""
        for _ in range(NEEDED + 1):
            names: list[str] = []
            while names != self._names:
                names = list(self._names)
                self._trial(names)
            if not names or self._state(names) is not None:
                return
            low, high = 0, len(names)
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if self._state(names[middle:]) is None else (low, middle)
            self._keep(names[high - 1])

    def _bisect(
        self,
        names: Sequence[str],
        fixed: Sequence[str],
        state: Callable[[Sequence[str]], bool | None],
        noted: bool = False,
        low: int = 0,
    ) -> tuple[int, int]:
        """Numbers of passes that are enabled, the nearest ones without and with the fault. fixed: stay deleted."""
        high = len(names)
        while high - low > 1:
            if noted:
                self.note(excluded=tuple(names[:low]), suspects=tuple(names[low:high]))
            for middle in _from_the_middle(low, high):
                found = state([*fixed, *names[middle:]])
                if found is not None:
                    low, high = (middle, high) if found else (low, middle)
                    break
            else:
                break
        if noted:
            self.note(excluded=tuple(names[:low]), suspects=tuple(names[low:high]))
        return low, high

    # -- workarounds ---------------------------------------------------------------------------------------------------

    def _work_around(self, guilty: str, others: Sequence[tuple[str, Callable[[], Trial]]]) -> None:
        """Looks for the smallest set of deletions that restores agreement, else for a line that switches the family off."""
        chosen = [guilty]
        while chosen[-1] and len(chosen) <= MOST_DELETIONS:
            if self._outcome(chosen).agrees:
                smallest = self._smallest(chosen)
                self._offer(smallest)
                if smallest not in ([guilty], chosen) and len(smallest) == 1:  # what the first one did, a later pass undoes
                    without, full = self._outcome(smallest), self._outcome(())
                    self.note(name=smallest[0], without=without, before=without, upto=full, suspects=tuple(smallest))
                return
            chosen.append(self._another(chosen))
        if not self._found.workaround and not self._switch_off(others):
            self._offer_known(guilty, len(self._names))

    def _offer_known(self, guilty: str, most: int = MOST_DELETIONS) -> None:
        """All from the guilty pass on: the bisection tried that, and time may run out before anything shorter is found."""
        rest = self._names[self._names.index(guilty) :]
        if len(rest) <= most and frozenset(rest) in self._done and self._outcome(rest).agrees:
            self._offer(rest)

    def _another(self, chosen: Sequence[str]) -> str:
        """A further pass to delete: the one that breaks off without those chosen, else the next that moves the answers."""
        trial = self._trial(chosen)
        if trial.died and not trial.loaded:
            last = trial.ran[-1] if trial.ran else ""
            return last if last in self._names and last not in chosen else ""
        if not self._outcome(self._names).agrees:
            return ""
        names = [name for name in self._names if name not in chosen]
        _, high = self._bisect(names, chosen, lambda without: self._outcome(without).agrees)
        return names[high - 1]

    def _smallest(self, chosen: Sequence[str]) -> list[str]:
        """Leaves out what is not needed; the last one is, because without it the trial before failed."""
        kept = list(chosen)
        self._offer(kept)
        for name in chosen[:-1]:
            fewer = [other for other in kept if other != name]
            if fewer and self._outcome(fewer).agrees:
                kept = fewer
        return kept

    def _offer(self, deleted: Sequence[str]) -> None:
        self.note(workaround=self._lines(deleted), verified=self._outcome(deleted))

    def _switch_off(self, others: Sequence[tuple[str, Callable[[], Trial]]]) -> bool:
        for line, run in others:
            outcome = self._judged(self._timed(run))
            self._others += 1
            if outcome.agrees:
                self.note(workaround=(line,), verified=outcome)
                return True
        return False


def same_end(one: str, two: str) -> bool:
    """True for the same death; addresses and numbers in an error's text change from process to process."""
    bare = re.compile(r"0x[0-9a-f]+|\d+")
    return bare.sub("", one) == bare.sub("", two)


def _from_the_middle(low: int, high: int) -> Iterator[int]:
    """Whole numbers between two others: the middle, then the quarters, then the eighths."""
    places = (low + (high - low) * eighths // 8 for eighths in (4, 2, 6, 1, 7, 3, 5))
    yield from dict.fromkeys(place for place in places if low < place < high)
