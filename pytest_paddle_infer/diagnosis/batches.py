"""Where an exported graph has the number of samples fixed that its inputs leave open. Pure."""

from __future__ import annotations

from typing import Optional

from pytest_paddle_infer.graphs import Operator, Program

_ALIGNED = ("expand", "expand_v2", "expand_as", "tile")
_RESIZE = ("reshape", "reshape2", *_ALIGNED)
"""Operators that are told the size of every dimension; those of the first keep each in its place."""

Shape = tuple[Optional[int], ...]


def fixed_batch(program: Program) -> tuple[Operator, int | None] | None:
    """Returns the operator that is told a number for the open batch dimension of what it is given, and that number; None without one.

    Where only the sizes of one operator are all told, and the first may be another than the batch, it is returned with None. One that
    moves the open dimension to another place, as reshape([16, -1]) may, takes any batch.
    """
    whole = None
    for operator in program.operators:
        if operator.kind not in _RESIZE or not operator.inputs or not operator.outputs:
            continue
        before, after = _given(program, operator), operator.outputs[0].shape
        if not before or not after or before[0] is not None or after[0] is None or after.count(None) >= before.count(None):
            continue
        if _is_batch(operator.kind, before, after):
            return operator, after[0]
        if whole is None and None not in after:
            whole = operator
    return None if whole is None else (whole, None)


def _given(program: Program, operator: Operator) -> Shape:
    given = operator.inputs[0]
    if given.kind == "operator" and given.output < len(program.operators[given.producer].outputs):
        return program.operators[given.producer].outputs[given.output].shape
    return next((spec.shape for spec in program.inputs if given.kind == "input" and spec.name == given.name), ())


def _is_batch(kind: str, before: Shape, after: Shape) -> bool:
    """True where the first number of `after` can only be the batch, and no other size of `before` that was moved to the front."""
    if len(before) == len(after) and (kind in _ALIGNED or before[1:] == after[1:]):
        return True
    return after[0] == 1 and (None not in after or 1 not in before[1:])
