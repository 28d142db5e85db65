"""A parity run over arrays made by hand: both engines without Paddle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from pytest_paddle_infer.judge.noise import Array, Floor
from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.parity import ParityRun
from pytest_paddle_infer.reference import Reference, ReferenceBatch
from pytest_paddle_infer.samples import Sample

FLOOR = Floor(1e-6, 1e-6)
LIMIT = 4e-6
Arrays = list[Array]


class Prediction(NamedTuple):
    class_id: int
    prob: float


@dataclass(frozen=True)
class Observed:
    """What `engine.observed.Observation` is, without Paddle."""

    inputs: str
    outputs: Arrays
    answers: tuple[Any, ...]


def top1(row: Array) -> Prediction | None:
    return Prediction(int(row.argmax()), float(row.max())) if row.ndim == 1 and row.dtype.kind == "f" else None


def logits(samples: int = 4, classes: int = 6) -> Array:
    """float64[N, C] with distinct values, whose scale is 1 in every sample."""
    made = np.random.RandomState(samples).uniform(-0.9, 0.9, (samples, classes))
    made[np.arange(samples), np.arange(samples) % classes] = 1.0
    return made


class Case:
    """One comparison: builds the `ParityRun` and feeds it batch by batch."""

    def __init__(
        self,
        exact: Arrays,
        *,
        names: Sequence[str] = ("",),
        responses: Sequence[float] | None = None,
        batch_size: int = 2,
        source: str = "float64",
        known: int | None = None,
        inference_names: Sequence[str] | None = None,
        **spec: Any,
    ) -> None:
        self.exact, self.size = exact, batch_size
        self.training = [output.astype(np.float32) if output.dtype.kind == "f" else output for output in exact]
        self.samples = [Sample(f"{number}.png") for number in range(len(exact[0]) if exact else 0)]
        batches = tuple(
            ReferenceBatch(a, b, "same", self.cut(self.training, a, b), self.cut(exact, a, b) if source == "float64" else None)
            for a, b in self.parts()
            if known is None or b <= known
        )
        floor = Floor(FLOOR.maximum, FLOOR.rms, source)
        self.reference = Reference(batches, tuple(names), (floor,) * len(names), tuple(responses or [0.5] * len(names)), source)
        self.spec = ModelSpec("net", factory=object, **spec)
        self.model: Any = SimpleNamespace(inputs=(SimpleNamespace(name="x"),))
        made = [f"save_infer_model/scale_{k}" for k in range(len(names))] if inference_names is None else inference_names
        self.output_names = made
        self.run = ParityRun(self.model, self.spec, self.reference, made)
        self.asked = 0

    @staticmethod
    def cut(outputs: Arrays, start: int, stop: int) -> Arrays:
        return [output[start:stop] if output.ndim else output for output in outputs]

    def parts(self) -> list[tuple[int, int]]:
        total = len(self.samples)
        return [(start, min(start + self.size, total)) for start in range(0, total, self.size)]

    def feed(self, inference: Arrays, *, tensors: tuple[Any, Any] | None = None, answers: Any = None) -> ParityRun:
        """tensors: what the two preprocessing programs made of all samples, where the digests differ; a list for several inputs."""
        for start, stop in self.parts():
            own, other = self.cut(self.training, start, stop), self.cut(inference, start, stop)
            left, right = (answers(0), answers(1)) if answers else (None, None)
            one = Observed("same", own, tuple(left) if left else tuple(top1(row) for row in own[0]))
            two = Observed("other" if tensors else "same", other, tuple(right) if right else tuple(top1(row) for row in other[0]))

            def inputs(start: int = start, stop: int = stop) -> tuple[Arrays, Arrays]:
                assert tensors is not None, "asked for inputs although the digests agree"
                self.asked += 1
                left, right = (side if isinstance(side, list) else [side] for side in tensors)
                return self.cut(left, start, stop), self.cut(right, start, stop)

            def answers_to(outputs: Arrays, one: Observed = one) -> tuple[Any, ...]:
                return one.answers if outputs is one.outputs else tuple("dog" for _ in outputs[0])

            def trained_on(tensors: Arrays, own: Arrays = own) -> Arrays:
                return own

            self.run.add(one, two, self.samples[start:stop], start, inputs, answers_to, trained_on)  # type: ignore[arg-type]
        return self.run


def moved(exact: Array, by: float, at: tuple[int, ...] = (2, 3)) -> Array:
    other = exact.copy()
    other[at] += by
    return other.astype(np.float32)
