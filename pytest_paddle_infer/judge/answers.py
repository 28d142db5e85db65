"""The parity rule of answers: class ids and probabilities, or whatever an own postprocess returns."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, Callable

import numpy as np

from pytest_paddle_infer.judge.noise import Array

Explain = Callable[[], Any]
"""Asks for the answer that the training side's postprocess gives to the inference engine's own output."""


@dataclass(frozen=True)
class AnswersVerdict:
    """Answers to all samples. `ties` counts those that differ although the outputs agree: rounding decided between near values."""

    compared: int = 0
    agreed: int = 0
    ties: int = 0
    problem: str = ""

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
            difference = first_difference(training, inference, 0.0, room)
        else:
            difference = first_difference(training, inference, self._limit, self._absolute)
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
        return AnswersVerdict(self._compared, self._agreed, self._ties, self._problem)


def first_difference(training: Any, inference: Any, limit: float, absolute: float = 0.0) -> str:
    """Returns where two answers part, in words, or "" when they agree.

    Floats may differ by `limit` times the largest float of the answer plus `absolute`, everything else is compared exactly; lists,
    tuples, dicts and arrays item by item.
    """
    try:
        scale = max((abs(value) for value in _floats(training) if np.isfinite(value)), default=0.0)
        return next(_differences(training, inference, limit * scale + absolute, "answer"), "")
    except RecursionError:  # an answer that refers to itself, as nodes do that know their parents
        return "" if _sent(training) == _sent(inference) else "two answers that refer to themselves differ"


def _floats(value: Any) -> Iterator[float]:
    if isinstance(value, Mapping):
        for child in value.values():
            yield from _floats(child)
    elif isinstance(value, (list, tuple)):
        for child in value:
            yield from _floats(child)
    elif isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            yield float(np.abs(value[np.isfinite(value)]).max(initial=0.0))
    elif isinstance(value, (float, np.floating)):
        yield float(value)
    elif not isinstance(value, (type, Enum)):
        for child in _attributes(value).values():
            yield from _floats(child)


def _differences(training: Any, inference: Any, allowed: float, path: str) -> Iterator[str]:
    if isinstance(training, Mapping) and isinstance(inference, Mapping):
        if list(training) != list(inference):
            yield f"{path} has keys {list(inference)} from the inference engine, {list(training)} from the training engine"
        else:
            for key in training:
                yield from _differences(training[key], inference[key], allowed, f"{path}[{key!r}]")
    elif isinstance(training, (list, tuple)) and isinstance(inference, (list, tuple)):
        if len(training) != len(inference):
            yield f"{path} has {len(inference)} items from the inference engine, {len(training)} from the training engine"
        else:
            for index, (left, right) in enumerate(zip(training, inference)):
                yield from _differences(left, right, allowed, f"{path}{_part(training, index)}")
    elif any(isinstance(side, np.ndarray) for side in (training, inference)) or all(
        isinstance(side, (float, np.floating)) for side in (training, inference)
    ):
        yield from _array_differences(np.asarray(training), np.asarray(inference), allowed, path)
    elif type(training) is type(inference) and not isinstance(training, (type, Enum)) and (own := _attributes(training)):
        yield from _differences(own, _attributes(inference), allowed, path)
    elif type(training) is not type(inference) or not _equal(training, inference):
        yield f"{path} is {inference!r} from the inference engine, {training!r} from the training engine"


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


def _array_differences(training: Array, inference: Array, allowed: float, path: str) -> Iterator[str]:
    if training.shape != inference.shape or training.dtype != inference.dtype:
        yield (
            f"{path} is {inference.dtype}{list(inference.shape)} from the inference engine, "
            f"{training.dtype}{list(training.shape)} from the training engine"
        )
    else:
        wrong = _wrong(training, inference, allowed)
        if np.any(wrong):
            where = np.unravel_index(int(np.argmax(wrong)), wrong.shape) if wrong.ndim else ()
            at = str([int(i) for i in where]) if where else ""
            yield f"{path}{at} is {inference[where]} from the inference engine, {training[where]} from the training engine"


def _wrong(training: Array, inference: Array, allowed: float) -> Array:
    """True where two arrays of one shape and dtype differ by more than is allowed; equal infinities and two NaN agree."""
    if training.dtype.kind != "f":
        return np.asarray(training != inference)
    wide, other = training.astype(np.float64), inference.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        same = (np.abs(other - wide) <= allowed) | (wide == other) | (np.isnan(wide) & np.isnan(other))
    return np.asarray(~same)
