"""Layers that append softmax. A module of its own: `to_static` needs their source and Paddle's names at module level (2.6.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import paddle
from paddle.nn import functional


@paddle.jit.not_to_static  # type: ignore[untyped-decorator]
def on_top(value: Any) -> Any:
    """Applies softmax to every float[N, C] tensor with C > 1 in a nest of outputs. Nothing in it depends on a tensor's value."""
    if isinstance(value, Mapping):
        return {key: on_top(child) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [on_top(child) for child in value]
    if len(value.shape) == 2 and value.shape[1] > 1 and value.dtype in (paddle.float32, paddle.float64, paddle.float16):
        return functional.softmax(value, axis=-1)
    return value


class OneInput(paddle.nn.Layer):  # type: ignore[misc]
    """A model of one input with softmax on top. `to_static` takes no `*inputs`, hence one class for each number."""

    softmax_on_top = True

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Any) -> Any:
        """Runs the model and applies softmax."""
        return on_top(self.net(x))

    def eval(self) -> Any:
        """As a script does it: by the model's own `eval()`. Paddle's would set its sublayers, and hide what its own leaves on."""
        self.net.eval()
        self.training = False
        return self


class TwoInputs(OneInput):
    """The same for two inputs."""

    def forward(self, x: Any, x1: Any) -> Any:  # type: ignore[override]
        """Runs the model and applies softmax."""
        return on_top(self.net(x, x1))


class ThreeInputs(OneInput):
    """The same for three inputs."""

    def forward(self, x: Any, x1: Any, x2: Any) -> Any:  # type: ignore[override]
        """Runs the model and applies softmax."""
        return on_top(self.net(x, x1, x2))


class FourInputs(OneInput):
    """The same for four inputs."""

    def forward(self, x: Any, x1: Any, x2: Any, x3: Any) -> Any:  # type: ignore[override]
        """Runs the model and applies softmax."""
        return on_top(self.net(x, x1, x2, x3))


BY_INPUTS = {1: OneInput, 2: TwoInputs, 3: ThreeInputs, 4: FourInputs}
