"""A network that also returns what goes into and out of its layers. A module of its own: `to_static` needs its source (see `softmax`)."""

from __future__ import annotations

from typing import Any

import paddle


@paddle.jit.not_to_static  # type: ignore[untyped-decorator]
def begun(probe: Any) -> None:
    """Forgets the last run."""
    probe.begin()


@paddle.jit.not_to_static  # type: ignore[untyped-decorator]
def ended(probe: Any, value: Any) -> Any:
    """The tensors that were collected, each once."""
    return probe.end(value)


def copied(value: Any) -> Any:
    """A copy of a static variable, made where the program stands now."""
    return paddle.assign(value)


class OneInput(paddle.nn.Layer):  # type: ignore[misc]
    """A probe for a network of one input. `to_static` takes no `*inputs`, hence one class for each number."""

    def __init__(self, net: Any, begin: Any, end: Any) -> None:
        super().__init__()
        self.net = net
        self.begin, self.end = begin, end

    def forward(self, x: Any) -> Any:
        """Runs the network and returns what was collected."""
        begun(self)
        return ended(self, self.net(x))


class TwoInputs(OneInput):
    """The same for two inputs."""

    def forward(self, x: Any, x1: Any) -> Any:  # type: ignore[override]
        """Runs the network and returns what was collected."""
        begun(self)
        return ended(self, self.net(x, x1))


class ThreeInputs(OneInput):
    """The same for three inputs."""

    def forward(self, x: Any, x1: Any, x2: Any) -> Any:  # type: ignore[override]
        """Runs the network and returns what was collected."""
        begun(self)
        return ended(self, self.net(x, x1, x2))


class FourInputs(OneInput):
    """The same for four inputs."""

    def forward(self, x: Any, x1: Any, x2: Any, x3: Any) -> Any:  # type: ignore[override]
        """Runs the network and returns what was collected."""
        begun(self)
        return ended(self, self.net(x, x1, x2, x3))


BY_INPUTS = {1: OneInput, 2: TwoInputs, 3: ThreeInputs, 4: FourInputs}
