"""Why the inputs of two preprocessing programs differ, all of a sample's inputs and several samples looked at together.

Called by the diagnosis. Inputs that are taken for one another, masks, and tokens (`tokens`); what one tensor alone tells is the business
of `inputs`. numpy only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from pytest_paddle_infer.diagnosis.finding import Array, Arrays, Deadline, Finding
from pytest_paddle_infer.diagnosis.steps import step_finding
from pytest_paddle_infer.diagnosis.tokens import TELLING, explain_tokens, is_mask

Told = tuple[str, str]

_SAME = 1e-5
"""What values of two honest preprocessing programs may differ by: absolute, and relative beyond 1. As the verdict has it."""
_MOST_INPUTS = 4
_MOST_TOKENS = 1_000_000
"""Integers of one input, of all samples and both sides, beyond which it is no text and looking at each takes too long."""


@dataclass(frozen=True)
class Feed:
    """One batch as both sides feed it: an array for each input, in the model's order. first: number of its first sample."""

    first: int
    training: Arrays
    inference: Arrays

    def alike(self, index: int) -> bool:
        """True where both sides feed the same for an input."""
        return same(self.inference[index], self.training[index])


def same(left: Array, right: Array) -> bool:
    """True for arrays of one shape and dtype whose integers are equal and whose other values agree but for rounding."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    if left.dtype.kind != "f":
        return bool(np.array_equal(left, right))
    return bool(np.allclose(left, right, rtol=_SAME, atol=_SAME, equal_nan=True))


def explain_feeds(names: Sequence[str], feeds: Sequence[Feed], deadline: Deadline | None = None) -> Finding | None:
    """Returns what explains the inputs of every batch; None where nothing does.

    names: of the model's inputs. deadline: of the look at tokens. What differs beside what is explained is a fact of the finding.
    """
    differing = [index for index in range(len(names)) if not all(feed.alike(index) for feed in feeds)]
    if not differing:
        return None
    told = _taken_for_another(names, feeds, differing)
    if told is not None:
        return step_finding(*told)
    for index in differing:
        told = _mask(names[index], [(feed.training[index], feed.inference[index]) for feed in feeds])
        if told is not None:
            return _with_others(step_finding(*told), names, [each for each in differing if each != index])
    return _tokens(names, feeds, differing, deadline)


def _with_others(found: Finding, names: Sequence[str], left: Sequence[int]) -> Finding:
    if not left:
        return found
    shown = " and ".join(names[each] for each in left)
    return found.with_facts(("also", f"input {shown} differs too" if len(left) == 1 else f"inputs {shown} differ too"))


# -- inputs that are taken for one another -----------------------------------------------------------------------------


def _taken_for_another(names: Sequence[str], feeds: Sequence[Feed], differing: Sequence[int]) -> Told | None:
    if 1 < len(differing) <= _MOST_INPUTS:
        for order in permutations(differing):
            pairs = list(zip(differing, order))
            if all(index != source for index, source in pairs) and all(_gets(feeds, *pair) for pair in pairs):
                if len(pairs) == 2:
                    return "inputs", f"swaps the inputs {names[differing[0]]} and {names[differing[1]]}"
                gets = ", ".join(f"{names[index]} gets {names[source]}" for index, source in pairs)
                return "inputs", f"gives the inputs in another order: {gets}"
    if len(differing) == 1:
        index = differing[0]
        for source in range(len(names)):
            if source != index and _gets(feeds, index, source) and not _constant([feed.training[source] for feed in feeds]):
                return "inputs", f"gives {names[source]} twice: input {names[index]} gets it as well"
    return None


def _gets(feeds: Sequence[Feed], index: int, source: int) -> bool:
    """True where the inference side feeds for one input what the training side feeds for another, in every batch."""
    size = sum(feed.training[source].size for feed in feeds)
    return size >= TELLING and all(same(feed.inference[index], feed.training[source]) for feed in feeds)


def _constant(arrays: Arrays) -> bool:
    values = {value for array in arrays if array.size for value in (array.min(), array.max())}
    return len(values) <= 1


# -- masks -------------------------------------------------------------------------------------------------------------


def _mask(name: str, pairs: Sequence[tuple[Array, Array]]) -> Told | None:
    """What is done to an input of zeros and ones."""
    if any(one.shape != two.shape or one.dtype != two.dtype or one.dtype.kind not in "fiub" for one, two in pairs):
        return None
    one, two = (np.concatenate([np.asarray(pair[side]).ravel().astype(np.float64) for pair in pairs]) for side in (0, 1))
    if one.size < TELLING or not np.isin(one, (0, 1)).all() or np.ptp(one) == 0:
        return None
    if np.array_equal(two, 1 - one):
        return "mask", f"inverts the input {name}: it feeds 1 where the training preprocessing feeds 0, and 0 for 1"
    if np.ptp(two) == 0 and two[0] in (0, 1):
        other = int(1 - two[0])
        rest = int(np.count_nonzero(one == other))
        return (
            "mask",
            f"feeds nothing but {int(two[0])} for the input {name}, where the training preprocessing feeds {other} at {rest} of "
            f"{one.size} places",
        )
    return None


# -- tokens ------------------------------------------------------------------------------------------------------------


def _tokens(names: Sequence[str], feeds: Sequence[Feed], differing: Sequence[int], deadline: Deadline | None) -> Finding | None:
    rows = {index: both for index in range(len(names)) if (both := _rows(feeds, index)) is not None}
    told: dict[int, Told] = {}
    by_mask: set[int] = set()
    for index in (each for each in differing if each in rows):
        training, inference = rows[index]
        if training[0].dtype.kind == "f" or sum(row.size for row in (*training, *inference)) > _MOST_TOKENS or _few(training):
            continue
        for mask in (*_masks(rows, index), None):
            if deadline is not None and deadline.over():
                break
            found = explain_tokens(training, inference, None if mask is None else rows[mask], deadline)
            if found is not None:
                told[index] = found
                by_mask |= set() if mask is None or found[0] == "integers" else {mask}  # which says nothing of where padding lies
                break
    if not told:
        return None
    first = min(told)
    alone = len(rows) > 1 and len(differing) == 1
    finding = step_finding(*told[first], facts=(("input", names[first]),) if alone else ())
    return _with_others(finding, names, [each for each in differing if each not in told and each not in by_mask])


def _rows(feeds: Sequence[Feed], index: int) -> tuple[list[Array], list[Array]] | None:
    """The row [L] of each sample, of both sides; None for an input that is not [N, L], or has no rows. Floats are a mask at most."""
    training, inference = ([side[index] for side in sides] for sides in zip(*((feed.training, feed.inference) for feed in feeds)))
    for one, two in zip(training, inference):
        if one.ndim != 2 or two.ndim != 2 or len(one) != len(two) or one.dtype != two.dtype or one.dtype.kind not in "iubf":
            return None
    rows = [row for batch in training for row in batch], [row for batch in inference for row in batch]
    return rows if rows[0] else None


def _few(rows: Sequence[Array]) -> bool:
    """True for marks, as of masks and segments: no ids of tokens."""
    return len({value for row in rows for value in np.unique(row).tolist()}) <= 2


def _masks(rows: dict[int, tuple[list[Array], list[Array]]], ids: int) -> Iterator[int]:
    """Yields the inputs that say on both sides where the padding of other rows is."""
    for index, (training, inference) in rows.items():
        if index != ids and is_mask(training, rows[ids][0]) and is_mask(inference, rows[ids][1]):
            yield index
