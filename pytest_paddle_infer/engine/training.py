"""The training engine: the dygraph layer in `eval()` under `no_grad`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Callable

import numpy as np

from pytest_paddle_infer.engine.processing import Array, Arrays, Processing, Tensors, as_list
from pytest_paddle_infer.engine.runtime import load_paddle, on_cpu, quiet, set_threads
from pytest_paddle_infer.models import TensorSpec


class TrainingEngine(Processing):
    """Runs the model the way it was trained, without a graph."""

    def __init__(
        self,
        layer: Any,
        inputs: Sequence[TensorSpec],
        preprocess: Callable[[Any], Any],
        postprocess: Callable[..., Any] | None = None,
        threads: int = 1,
    ) -> None:
        super().__init__(inputs, preprocess, postprocess)
        self.layer = layer
        self.output_names: tuple[str, ...] = ()
        set_threads(threads)

    def run(self, x: Any) -> Tensors:
        """Returns the outputs as numpy arrays: an array for one output, else a list in the order in which an export has them."""
        paddle = load_paddle()
        with quiet(), on_cpu(), paddle.no_grad():
            named = flatten(self.layer(*(paddle.to_tensor(array) for array in as_list(x))))
        self.output_names = tuple(named)
        outputs = [tensor.numpy() for tensor in named.values()]
        return outputs[0] if len(outputs) == 1 else outputs

    def run_in_train_mode(self, x: Any) -> Arrays:
        """As `run`, with the user's own layers in `train()`: shows what an export made in train mode would answer.

        Paddle's own layers stay in `eval()`: `jit.save` writes the eval program of dropout and batch norm in any mode.
        """
        for layer in self.layer.sublayers(include_self=True):
            layer.training = not type(layer).__module__.startswith("paddle.")
        try:
            return as_list(self.run(x))
        finally:
            self.layer.eval()


@contextmanager
def shaken(layer: Any, share: float, random: np.random.RandomState) -> Iterator[None]:
    """Within the block each float32 that a layer puts out is moved by up to `share` of itself, as rounding moves it."""
    paddle = load_paddle()

    def moved(part: Any, given: Any, made: Any) -> Any:
        if not isinstance(made, paddle.Tensor) or made.dtype != paddle.float32:
            return made
        return paddle.to_tensor(shake(made.numpy(), share, random))

    hooks = [part.register_forward_post_hook(moved) for part in layer.sublayers(include_self=True) if not list(part.children())]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def shake(array: Array, share: float, random: np.random.RandomState) -> Array:
    """Each element moved by up to `share` of itself; float32, as it came."""
    return (array * (1 + share * random.uniform(-1, 1, array.shape))).astype(np.float32)


def flatten(value: Any) -> dict[str, Any]:
    """Flattens nested outputs the way `paddle.jit.save` does: dicts by sorted key, the same tensor only once.

    Returns name -> tensor in that order; names are dict keys and list positions, "" for a single tensor. Measured on 2.6.2 and
    3.3.1: `{"b": y, "a": [z, w], "c": y}` becomes the three outputs a.0, a.1 and b.
    """
    found: dict[str, Any] = {}

    def walk(item: Any, name: str) -> None:
        if isinstance(item, Mapping):
            children: Any = [(key, item[key]) for key in sorted(item)]
        elif isinstance(item, (list, tuple)):
            children = enumerate(item)
        else:
            if hasattr(item, "numpy") and not any(item is known for known in found.values()):
                found[name] = item
            return
        for key, child in children:
            walk(child, f"{name}.{key}" if name else str(key))

    walk(value, "")
    return found
