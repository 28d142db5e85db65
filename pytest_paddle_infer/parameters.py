"""The parameters of an export against the model's, bit for bit: which belongs to which, and which differ. Reads no file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True)
class Difference:
    """One parameter that is not the model's."""

    name: str
    elements: int
    differing: int
    max_abs: float


@dataclass(frozen=True)
class ParameterReport:
    """Every parameter of the export against the model's, bit for bit."""

    compared: int
    unused: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    @property
    def equal(self) -> bool:
        """True when every exported parameter holds exactly the model's bits."""
        return not self.differences and not self.foreign

    def sentence(self) -> str:
        """The cause in one sentence; empty when equal."""
        if self.foreign:
            return (
                f"{len(self.foreign)} exported parameters have no counterpart of their shape in the model "
                f"({', '.join(self.foreign[:3])}): the export belongs to another architecture."
            )
        count = len(self.differences)
        if not count:
            return ""
        names = [difference.name for difference in self.differences]
        statistics = [name for name in names if re.search(r"(^|\.)_(mean|variance)$", name)]
        if len(statistics) == count:
            return (
                f"only batch-norm statistics differ ({count} of {self.compared} parameters): "
                "the model ran in train mode after it was exported."
            )
        if count >= 0.9 * self.compared:
            return (
                f"{count} of {self.compared} parameters differ from the model's: the export holds another run's weights, "
                "or the weights were never loaded before exporting."
            )
        listed = ", ".join(names[:3]) + (", ..." if count > 3 else "")
        return f"{count} of {self.compared} parameters differ from the model's: {listed}."


def compare_parameters(
    exported: Mapping[str, npt.NDArray[Any]],
    model: Sequence[tuple[str, str, npt.NDArray[Any]]],
) -> ParameterReport:
    """Compares exported parameters with the model's `(structured name, Paddle's own name, array)`, bit for bit.

    Names of an export from another process differ in their counters (`conv2d_7.w_0` for `conv2d_0.w_0`), by a constant offset for
    each kind of layer; the offset that fits every shape and most values is taken.
    """
    own = {unique: (structured, array) for structured, unique, array in model}
    pairs, foreign = _match(exported, own)
    differences = []
    for name, unique in pairs:
        structured, array = own[unique]
        difference = _difference(structured, exported[name], array)
        if difference is not None:
            differences.append(difference)
    used = {unique for _, unique in pairs}
    order = {structured: index for index, (structured, _, _) in enumerate(model)}
    return ParameterReport(
        compared=len(pairs),
        unused=tuple(structured for structured, unique, _ in model if unique not in used),
        foreign=tuple(foreign),
        differences=tuple(sorted(differences, key=lambda d: order[d.name])),
    )


def match_parameters(
    exported: Mapping[str, npt.NDArray[Any]], model: Sequence[tuple[str, str, npt.NDArray[Any]]]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Returns (exported name, Paddle's own name in the model) for every parameter, and the exported names without a counterpart."""
    return _match(exported, {unique: (structured, array) for structured, unique, array in model})


def paired_parameters(
    exported: Mapping[str, npt.NDArray[Any]],
    model: Sequence[tuple[str, str, npt.NDArray[Any]]],
) -> dict[str, npt.NDArray[Any]] | None:
    """Returns structured name -> the export's array of each parameter; None when one has no counterpart in the model."""
    own = {unique: (structured, array) for structured, unique, array in model}
    pairs, foreign = _match(exported, own)
    return None if foreign else {own[unique][0]: exported[name] for name, unique in pairs}


def _difference(name: str, exported: npt.NDArray[Any], model: npt.NDArray[Any]) -> Difference | None:
    import numpy as np

    left, right = np.ascontiguousarray(exported), np.ascontiguousarray(model)
    bits = left.reshape(-1).view(np.uint8), right.reshape(-1).view(np.uint8)
    if np.array_equal(*bits):
        return None
    width = max(1, left.dtype.itemsize)
    differing = int((bits[0] != bits[1]).reshape(-1, width).any(axis=1).sum())
    with np.errstate(all="ignore"):
        apart = np.abs(left.astype(np.float64) - right.astype(np.float64))
    finite = apart[np.isfinite(apart)]
    worst = float(finite.max()) if finite.size == apart.size and finite.size else float("inf")
    return Difference(name, left.size, differing, worst)


def _same_kind(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> bool:
    return left.shape == right.shape and left.dtype == right.dtype


_COUNTER = re.compile(r"^(.*?)_(\d+)(\..*)?$")


def _match(
    exported: Mapping[str, npt.NDArray[Any]], own: Mapping[str, tuple[str, npt.NDArray[Any]]]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Pairs exported names with the model's; returns the pairs and the exported names without a counterpart."""
    if all(name in own and _same_kind(array, own[name][1]) for name, array in exported.items()):
        return [(name, name) for name in exported], []
    families: dict[str, dict[str, int]] = {}
    for name in exported:
        found = _COUNTER.match(name)
        families.setdefault(found[1] if found else name, {})[name] = int(found[2]) if found else 0
    pairs: list[tuple[str, str]] = []
    rest: list[str] = []
    for family, members in families.items():
        best = max(_shifted(family, members, exported, own), key=lambda option: option[0], default=None)
        if best is None:
            rest.extend(members)
        else:
            pairs.extend(best[1])
    taken = {unique for _, unique in pairs}
    foreign = []
    for name in sorted(rest, key=lambda item: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", item)]):
        free = [u for u, (_, array) in own.items() if u not in taken and _same_kind(array, exported[name])]
        if not free:
            foreign.append(name)
            continue
        equal = (u for u in free if _difference("", exported[name], own[u][1]) is None)
        unique = next(equal, free[0])
        taken.add(unique)
        pairs.append((name, unique))
    return pairs, foreign


def _shifted(
    family: str,
    members: Mapping[str, int],
    exported: Mapping[str, npt.NDArray[Any]],
    own: Mapping[str, tuple[str, npt.NDArray[Any]]],
) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """Yields (how many values are equal, pairs) for every offset of the layer counter that fits all shapes."""
    counters = {int(found[2]) for found in map(_COUNTER.match, own) if found and found[1] == family}
    for offset in sorted(counters):
        shift = offset - min(members.values())
        pairs = []
        for name, counter in members.items():
            found = _COUNTER.match(name)
            unique = f"{family}_{counter + shift}{(found[3] or '') if found else ''}"
            if unique not in own or not _same_kind(exported[name], own[unique][1]):
                break
            pairs.append((name, unique))
        else:
            yield sum(1 for name, unique in pairs if _difference("", exported[name], own[unique][1]) is None), pairs
