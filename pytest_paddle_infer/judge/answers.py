"""The parity rule of answers: class ids and probabilities, or whatever an own postprocess returns."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, Callable

import numpy as np

from pytest_paddle_infer.cutting import first_ones
from pytest_paddle_infer.judge.noise import Array

Explain = Callable[[], Any]
"""Asks for the answer that the training side's postprocess gives to the inference engine's own output."""


@dataclass(frozen=True)
class AnswersVerdict:
    """Answers to all samples. `ties` counts those that differ although the outputs agree: rounding decided between near values.

    kinds: sentences about values that are equal and of another type, such as a list and an array.
    """

    compared: int = 0
    agreed: int = 0
    ties: int = 0
    problem: str = ""
    kinds: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """True when there is no problem."""
        return not self.problem


class AnswersJudge:
    """Judges answers one by one. Floats may differ by `limit` times the largest float of the answer, plus `absolute`."""

    def __init__(self, limit: float, absolute: float = 0.0) -> None:
        self._limit = limit
        self._absolute = absolute
        self._compared = self._agreed = self._ties = 0
        self._problem = ""
        self._kinds: Kinds = {}

    def add(self, training: Any, inference: Any, sample: str, again: Explain | None, scores: Any = None) -> str:
        """Takes the answers to one sample. Returns `agrees`, `tie` or `differs`; "" where neither side has an answer.

        scores: the training engine's float[1, C] output when the answer is the top-1 `Prediction` of it; a class id that differs
        is a near tie when the two classes lie within the tolerance there. Any other answer is one when the training side's
        postprocess gives the inference engine's answer to the inference engine's output (`again`), because then only rounding lies
        between them. `again` is None when the outputs do not agree: nothing is a tie then.
        """
        if training is None and inference is None:
            return ""
        self._compared += 1
        row = None
        if scores is not None and training is not None and inference is not None:
            row = np.asarray(scores, dtype=np.float64).reshape(-1)
            room = self._limit * float(np.abs(row).max()) + self._absolute  # of log-softmax, the best score is the smallest value
            difference = first_difference(training, inference, 0.0, room, self._kinds)
        else:
            difference = first_difference(training, inference, self._limit, self._absolute, self._kinds)
        if not difference:
            self._agreed += 1
            return "agrees"
        if row is not None and training.class_id != inference.class_id:
            known = inference.class_id < row.size  # False where the inference engine has more classes
            if known and float(row[training.class_id]) - float(row[inference.class_id]) <= 2 * room:
                return self._tie()
            return self._fail(
                f"{sample}: class_id {inference.class_id} (prob {inference.prob:.6g}) from the inference engine, "
                f"{training.class_id} (prob {training.prob:.6g}) from the training engine"
            )
        if scores is None and again is not None and not first_difference(again(), inference, 0.0):
            return self._tie()
        return self._fail(f"{sample}: {difference}")

    def _tie(self) -> str:
        self._ties += 1
        return "tie"

    def _fail(self, problem: str) -> str:
        self._problem = self._problem or problem
        return "differs"

    def verdict(self) -> AnswersVerdict:
        """Returns the verdict over everything added."""
        return AnswersVerdict(self._compared, self._agreed, self._ties, self._problem, _told(self._kinds))


Kinds = dict[str, tuple[str, str, str]]
"""Where equal values have another type: the place with every index left open, and the first such place with both types."""


def _told(kinds: Kinds) -> tuple[str, ...]:
    """A sentence for each pair of types."""
    places: dict[tuple[str, str], list[str]] = {}
    for path, training, inference in kinds.values():
        places.setdefault((training, inference), []).append(path)
    return tuple(
        f"{first_ones(paths)} {'is' if len(paths) == 1 else 'are'} {inference} from the inference engine, {training} from the training "
        "engine: equal values"
        for (training, inference), paths in places.items()
    )


def first_difference(training: Any, inference: Any, limit: float, absolute: float = 0.0, kinds: Kinds | None = None) -> str:
    """Returns where two answers part, in words, or "" when they agree.

    Floats may differ by `limit` times the largest float of the answer plus `absolute`, everything else is compared exactly; lists,
    tuples, dicts and arrays item by item. Numbers are compared by value, whatever their type or dtype, and a list with an array of
    its shape. kinds: takes where two agree that are of another type.
    """
    try:
        scale = max((abs(value) for value in _floats(training) if np.isfinite(value)), default=0.0)
        found = _Comparing(limit * scale + absolute)
        difference = next(found.differences(training, inference, "answer"), "")
    except RecursionError:  # an answer that refers to itself, as nodes do that know their parents
        return "" if _sent(training) == _sent(inference) else "two answers that refer to themselves differ"
    if kinds is not None and not difference:
        kinds.update((place, seen) for place, seen in found.kinds.items() if place not in kinds)
    return difference


def _floats(value: Any) -> Iterator[float]:
    if isinstance(value, Mapping):
        for child in value.values():
            yield from _floats(child)
    elif isinstance(value, (list, tuple)):
        for child in value:
            yield from _floats(child)
    elif isinstance(value, np.ndarray) and value.dtype == object:
        yield from _floats(value.ravel().tolist())
    elif isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            plain = value.compressed() if isinstance(value, np.ma.MaskedArray) else value
            yield float(np.abs(plain[np.isfinite(plain)]).max(initial=0.0))
    elif isinstance(value, (float, np.floating)):
        yield float(value)
    elif not isinstance(value, (type, Enum)):
        for child in _attributes(value).values():
            yield from _floats(child)


class _Comparing:
    """Walks through two answers. allowed: by how much floats may differ."""

    def __init__(self, allowed: float) -> None:
        self._allowed = allowed
        self.kinds: Kinds = {}

    def differences(self, training: Any, inference: Any, path: str, within: bool = False) -> Iterator[str]:
        """Yields where they part, in words. within: another type of what these are items of is noted already."""
        if isinstance(training, Mapping) and isinstance(inference, Mapping):
            if list(training) != list(inference):
                yield f"{path} has keys {list(inference)} from the inference engine, {list(training)} from the training engine"
            else:
                for key in training:
                    yield from self.differences(training[key], inference[key], f"{path}[{key!r}]", within)
        elif isinstance(training, (list, tuple)) and isinstance(inference, (list, tuple)):
            yield from self._items(training, inference, path, within)
        elif _number(training) is not None and _number(inference) is not None:
            if not self._equal_numbers(training, inference):
                yield f"{path} is {_shown(inference)} from the inference engine, {_shown(training)} from the training engine"
            elif not within:
                self._note(path, training, inference)
        elif _is_row(training) and _is_row(inference):  # one of them is an array
            yield from self._rows(training, inference, path, within)
        elif isinstance(training, np.ndarray) and isinstance(inference, np.ndarray):  # of objects, or without axes
            yield from self._arrays(training, inference, path, within)
        elif isinstance(training, np.ndarray) or isinstance(inference, np.ndarray):
            yield f"{path} is {_kind(inference)} from the inference engine, {_kind(training)} from the training engine"
        elif type(training) is type(inference) and not isinstance(training, (type, Enum)) and (own := _attributes(training)):
            yield from self.differences(own, _attributes(inference), path, within)
        elif {type(training), type(inference)} == {str, np.str_}:
            if str(training) != str(inference):
                yield f"{path} is {str(inference)!r} from the inference engine, {str(training)!r} from the training engine"
        elif type(training) is not type(inference) or not _equal(training, inference):
            yield f"{path} is {_shown(inference)} from the inference engine, {_shown(training)} from the training engine"

    def _items(self, training: Sequence[Any] | Array, inference: Sequence[Any] | Array, path: str, within: bool) -> Iterator[str]:
        if len(training) != len(inference):
            yield f"{path} has {len(inference)} items from the inference engine, {len(training)} from the training engine"
        else:
            for index, (left, right) in enumerate(zip(training, inference)):
                yield from self.differences(left, right, f"{path}{_part(training, index)}", within)

    def _rows(self, training: Any, inference: Any, path: str, within: bool) -> Iterator[str]:
        """Of an array and an array, or an array and a list; a list of numbers is compared as the array that it makes."""
        one, two = _as_array(training), _as_array(inference)
        if (
            one is None
            or two is None
            or object in (one.dtype, two.dtype)
            or not (one.shape == two.shape or (one is training and two is inference))
        ):
            yield from self._items(training, inference, path, within=True)
        else:
            yield from self._arrays(one, two, path, within=True)
        if not within:  # nobody asks on behind a difference
            self._note(path, training, inference)

    def _arrays(self, training: Array, inference: Array, path: str, within: bool) -> Iterator[str]:
        by_value = training.dtype == inference.dtype or {training.dtype.kind, inference.dtype.kind} <= set("biuf")
        by_value = by_value or {training.dtype.kind, inference.dtype.kind} == {"U"}
        if training.shape != inference.shape or not by_value:
            yield f"{path} is {_kind(inference)} from the inference engine, {_kind(training)} from the training engine"
            return
        wrong = _wrong(training, inference, self._allowed)
        if np.any(wrong):
            where = np.unravel_index(int(np.argmax(wrong)), wrong.shape) if wrong.ndim else ()
            at = str([int(i) for i in where]) if where else ""
            yield f"{path}{at} is {inference[where]} from the inference engine, {training[where]} from the training engine"
        elif not within:
            self._note(path, training, inference)

    def _equal_numbers(self, training: Any, inference: Any) -> bool:
        """Floats by the rule; whole numbers by value, to a float as well: another class is no rounding."""
        one, two = _number(training), _number(inference)
        if one == two or not all(isinstance(side, (float, np.floating)) for side in (one, two)):
            return bool(one == two)
        if type(training) is type(inference) is float:
            return bool(abs(two - one) <= self._allowed or (one != one and two != two))
        return not _wrong(_as_float(training), _as_float(inference), self._allowed)

    def _note(self, path: str, training: Any, inference: Any) -> None:
        if type(training) is type(inference) and not isinstance(training, np.ndarray):
            return
        one, two = _kind(training), _kind(inference)
        if one != two:
            self.kinds.setdefault(re.sub(r"\[\d+\]", "[]", path), (path, one, two))


def _number(value: Any) -> Any:
    """A number of whatever type as Python's; None of everything else. An array without axes is a number."""
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (np.bool_, np.integer, np.floating)) or (
        isinstance(value, np.ndarray) and not value.ndim and value.dtype.kind in "biuf"
    ):
        return value.item()
    return None


def _as_float(value: Any) -> Array:
    """Of its own dtype; float64 of Python's ints, which NumPy would make objects where they are large."""
    return np.asarray(value, getattr(value, "dtype", np.float64))


def _is_row(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _as_array(value: Any) -> Array | None:
    """An array as it is; a list of numbers, or of lists of one length of numbers, as an array; None of other lists."""
    if isinstance(value, np.ndarray):
        return _plain(value)
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy before 1.24 warns of lists of several lengths
        made = np.asarray(value)
        if made.dtype.kind in "biuf":
            return made
    return None


def _plain(array: Array) -> Array:
    """A masked array with what it fills its gaps with; any other as it is."""
    return array.filled() if isinstance(array, np.ma.MaskedArray) else array


def _shown(value: Any) -> str:
    """A number without its type, which NumPy 2 shows."""
    return str(value) if isinstance(value, (np.bool_, np.number, np.ndarray)) else repr(value)


def _kind(value: Any) -> str:
    """The type of a value as a note names it; NumPy's float64 is a Python float."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, (list, tuple)):
        return "list"
    if isinstance(value, np.bool_):
        return "numpy.bool"  # which NumPy 2 calls as Python does
    return "float" if isinstance(value, float) else type(value).__name__


def _equal(training: Any, inference: Any) -> bool:
    """Of objects whose == only asks whether they are the same one, or fails (over arrays), what they are sent to another process as."""
    own: Any = type(training).__eq__
    if own is not object.__eq__ or isinstance(training, (type, Enum)):
        with suppress(Exception):
            return bool(training == inference)
    with suppress(Exception):  # what cannot be sent is compared in the process that made it
        return _sent(training) == _sent(inference)
    return training is inference


def _sent(value: Any) -> bytes:
    return pickle.dumps(value)


def _attributes(value: Any) -> Mapping[str, Any]:
    """The fields of a dataclass, whose == fails over arrays; the attributes of an object whose == only asks whether it is the same one."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    own: Any = type(value).__eq__
    if own is not object.__eq__:
        return {}
    slots = [_mangled(kind, name) for kind in type(value).__mro__ for name in _named(getattr(kind, "__slots__", ()))]
    return {**{name: getattr(value, name) for name in slots if hasattr(value, name)}, **getattr(value, "__dict__", {})}


def _mangled(kind: type, name: str) -> str:
    """As Python calls a private attribute of a class outside it."""
    return f"_{kind.__name__.lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name


def _named(slots: Any) -> Iterable[str]:
    return (slots,) if isinstance(slots, str) else slots


def _part(container: Any, index: int) -> str:
    names = getattr(container, "_fields", None)
    return f".{names[index]}" if names else f"[{index}]"


def _wrong(training: Array, inference: Array, allowed: float) -> Array:
    """True where two arrays of one shape differ by more than is allowed; equal infinities and two NaN agree.

    Whole numbers are equal or not, to floats too. Of two float types, what is equal in the coarser one agrees: that is how it was kept.
    """
    kinds = {training.dtype.kind, inference.dtype.kind}
    if "f" not in kinds or not kinds <= set("biuf"):
        if (
            training.dtype != inference.dtype and np.result_type(training, inference).kind == "f"
        ):  # uint64 and int64 have no common one
            training, inference = training.astype(object), inference.astype(object)
        return np.asarray(training != inference)
    wide, other = training.astype(np.float64), inference.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        same = (wide == other) | (np.isnan(wide) & np.isnan(other))
        if kinds == {"f"}:
            same |= np.abs(other - wide) <= allowed
        if training.dtype != inference.dtype and kinds == {"f"} and np.float32 in (training.dtype, inference.dtype):
            same |= training.astype(np.float32) == inference.astype(np.float32)
    return np.asarray(~same)
