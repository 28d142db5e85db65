"""What long work says of itself while it runs: a step of a model, and how far it is."""

from __future__ import annotations


class Progress:
    """Says nothing; the terminal's way of showing it is `report.terminal.LiveProgress`."""

    def step(self, model: str, what: str) -> None:
        """A step begins, such as "export" or "onednn: parity"."""

    def advance(self, done: int, total: int) -> None:
        """`done` of `total` parts of the current step are finished."""

    def tick(self) -> None:
        """The current step is still running."""

    def finish(self) -> None:
        """No step is running any more."""
