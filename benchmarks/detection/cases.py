"""What a case is, and what the files with cases need to describe one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import numpy as np
import paddle
import pictures

from pytest_paddle_infer.models import ModelSpec
from pytest_paddle_infer.sampling import as_samples

MAJOR = int(paddle.__version__.partition(".")[0])


@dataclass(frozen=True)
class Setup:
    """One comparison: what the checkpoints get, and what somebody does who compares by hand.

    exported: the path prefix of an export that was made elsewhere; None lets the plugin (and the hand) export.
    layer: the training side of the hand, where it is another than the plugin makes.
    """

    spec: ModelSpec
    samples: tuple
    exported: Path | None = None
    layer: Callable[[], Any] | None = None


@dataclass(frozen=True)
class Place:
    """Where a case works, and what the run prepared."""

    directory: Path
    weights: Path

    def file(self, name):
        return self.directory / name


@dataclass(frozen=True)
class Case:
    id: str
    title: str
    build: Callable[[Place], Setup]
    fault: bool
    variants: tuple = ("cpu",)
    timeout: float = 60.0
    threads: int = 1


@dataclass
class Collection:
    """The cases of one file, in their order."""

    fault: bool
    variants: tuple
    cases: list = field(default_factory=list)

    def case(self, id, title, on=(2, 3), **more):
        """Decorates the function that builds a case; on: the major versions of Paddle where it is one."""

        def add(build):
            if MAJOR in on:
                self.cases.append(Case(id, title, build, self.fault, **{"variants": self.variants, **more}))
            return build

        return add


# -- building blocks ---------------------------------------------------------------------------------------------------

IMAGE = (None, 3, pictures.SIDE, pictures.SIDE)


def vectors(count=4, size=6, seed=0, shift=0.0):
    """float32[1, size] samples."""
    random = np.random.RandomState([seed, 7])
    return as_samples([(random.randn(1, size) + shift).astype(np.float32) for _ in range(count)])


def seeded(make, seed=1):
    """A layer with the same weights each time, in eval mode."""
    paddle.seed(seed)
    layer = make()
    layer.eval()
    return layer


def save(layer, prefix, inputs, **more):
    """Exports by hand to `prefix`; inputs: shapes, or (shape, dtype, name)."""
    specs = [
        paddle.static.InputSpec([-1 if d is None else d for d in shape], dtype, name=name)
        for shape, dtype, name in (item if isinstance(item[0], (tuple, list)) else (item, "float32", "x") for item in inputs)
    ]
    paddle.jit.save(layer, str(prefix), input_spec=specs, **more)
    return Path(prefix)


def store(layer, path):
    """Writes the weights of a layer."""
    paddle.save(layer.state_dict(), str(path))
    return Path(path)


def with_weights(layer, path):
    """Sets weights and eval mode."""
    layer.set_state_dict(paddle.load(str(path)))
    layer.eval()
    return layer


def pictured(place, make, *, samples=None, exported=None, weights="", program=None, training=None, layer=None, **more):
    """A case of pictures: a `Tiny` or the like with the weights that the run trained."""
    spec = ModelSpec(
        "net", factory=make, weights=place.weights if weights == "" else weights, softmax="no", input_spec=[IMAGE],
        preprocess=program or pictures.program(), training_preprocess=training, **more,
    )  # fmt: skip
    return Setup(spec, as_samples(pictures.samples() if samples is None else samples), exported, layer)


def vectored(make, *, samples=None, exported=None, weights="factory", inputs=((None, 6),), layer=None, **more):
    """A case of vectors: a small linear net, whose factory brings the weights."""

    def factory():
        return seeded(make)

    spec = ModelSpec(
        "net", factory=factory, weights=weights, softmax="no", input_spec=list(inputs), **{"preprocess": as_it_is, **more}
    )
    return Setup(spec, vectors() if samples is None else samples, exported, layer)


def as_it_is(value):
    return value


def tensors(*shape, count=3, shift=0.0, scale=1.0):
    """float32[1, *shape] samples."""
    return as_samples([(shift + scale * np.random.RandomState(i).randn(1, *shape)).astype(np.float32) for i in range(count)])


def as_exported(place, trained, exported, inputs=((None, 6),), **more):
    """A given export made of one net, compared with another of the same weights."""
    source, other = seeded(trained), seeded(exported)
    if source.state_dict():
        other.set_state_dict(source.state_dict())
    prefix = save(other, place.file("given/inference"), [(shape, "float32", "x") for shape in inputs])
    return vectored(trained, exported=prefix, inputs=inputs, **more)
