"""Where an exported graph has the number of samples fixed that its inputs leave open. Pure."""

from __future__ import annotations

from pytest_paddle_infer.graphs import Operator, Program

_RESIZE = ("reshape", "reshape2", "expand", "expand_v2", "expand_as", "tile")
"""Operators that are told the size of every dimension."""


def fixed_batch(program: Program) -> Operator | None:
    """Returns the first operator that is told a number for the open batch dimension of what it is given; None where there is none.

    One that moves the open dimension to another place, as reshape([16, -1]) may, leaves as many open as it was given.
    """
    for operator in program.operators:
        if operator.kind not in _RESIZE or not operator.inputs or not operator.outputs:
            continue
        given = operator.inputs[0]
        if given.kind == "operator" and given.output < len(program.operators[given.producer].outputs):
            before = program.operators[given.producer].outputs[given.output].shape
        else:
            before = next((spec.shape for spec in program.inputs if given.kind == "input" and spec.name == given.name), ())
        after = operator.outputs[0].shape
        if before and after and before[0] is None and after[0] is not None and after.count(None) < before.count(None):
            return operator
    return None
