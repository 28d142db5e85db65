"""Integers that two preprocessing programs write for the same things: what every id of one side becomes on the other. numpy only.

Called by `tokens`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_paddle_infer.diagnosis.finding import Array

Told = tuple[str, str]

_IDS = 3
"""Different ids that must be moved alike, or be the exceptions to it at most."""
_AGAIN = 4
"""Times that ids must come again and become the same each time, lest any two texts were one another's vocabulary."""
_SHOWN = 3


def explain_ids(training: Sequence[Array], inference: Sequence[Array]) -> Told | None:
    """Returns ("integers", what is done) where every id always becomes the same id; None where one becomes several."""
    if any(one.shape != two.shape for one, two in zip(training, inference)):
        return None
    seen: Counter[tuple[int, int]] = Counter()
    for one, two in zip(training, inference):
        seen.update(zip(one.tolist(), two.tolist()))
    becomes = dict(seen)
    if len({old for old, _ in becomes}) < len(becomes):
        return None
    changed = {old: new for old, new in becomes if old != new}
    same = sorted(old for old, new in becomes if old == new)
    places = sum(seen[old, new] for old, new in changed.items())
    if len(changed) == 1 and places > 1:
        ((old, new),) = changed.items()
        return "integers", f"writes {new} where the training preprocessing writes {old} ({places} places, everywhere)"
    if len(changed) == 2 and places > 3 and all(changed.get(new) == old for old, new in changed.items()):
        return "integers", f"exchanges {' and '.join(map(str, changed))} wherever they stand"
    shifts = {new - old for old, new in changed.items()}
    if len(shifts) == 1 and len(changed) >= _IDS and places > _IDS:
        return _shifted(next(iter(shifts)), sorted(changed), same)
    again = places - len(changed)
    if len(changed) > _IDS and again >= _AGAIN and len({new for _, new in becomes}) == len(becomes):
        shown = ", ".join(f"{changed[old]} for {old}" for old in sorted(changed)[:_SHOWN])
        return (
            "integers",
            f"writes other integers, as of another vocabulary: {shown}; each of {len(changed)} always becomes the same other",
        )
    return None


def _shifted(by: int, changed: Sequence[int], same: Sequence[int]) -> Told | None:
    told = f"shifts its integers by {by:+d}"
    if not same:
        return "integers", told
    if list(same) == [0]:
        return "integers", f"{told} but for zeros"
    if same[-1] < changed[0]:
        return "integers", f"{told} from {changed[0]} on, not those up to {same[-1]}"
    if len(same) <= _IDS:
        return "integers", f"{told} but for {', '.join(map(str, same))}"
    return None


def explain_unknown(training: Sequence[Array], inference: Sequence[Array], fills: frozenset[int]) -> Told | None:
    """Returns ("integers", what is done) where all that differs has become one id, that of unknown words. fills: ids of padding."""
    if any(one.shape != two.shape for one, two in zip(training, inference)):
        return None
    parted = [pair for one, two in zip(training, inference) for pair in zip(one.tolist(), two.tolist()) if pair[0] != pair[1]]
    places = sum(one.size for one in training)
    written, ids = {new for _, new in parted}, {old for old, _ in parted}
    if len(written) != 1 or len(ids) < _IDS or written & fills or 2 * len(parted) > places:
        return None
    new = next(iter(written))
    return "integers", f"writes {new} for {len(parted)} tokens that have ids of their own in the training preprocessing"
