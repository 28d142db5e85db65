"""Protobuf's wire format, as much of it as Paddle's files need. No schema: fields are known by their numbers."""

from __future__ import annotations

from typing import Any


def message(data: Any) -> dict[int, list[Any]]:
    """Splits one message into field number -> values (varints as int, the rest as bytes). Raises ValueError or IndexError."""
    view, position, fields = memoryview(data), 0, {}  # type: memoryview, int, dict[int, list[Any]]
    while position < len(view):
        tag, position = _varint(view, position)
        number, wire = tag >> 3, tag & 7
        value: Any
        if wire == 0:
            value, position = _varint(view, position)
        elif wire in (1, 5):
            width = 8 if wire == 1 else 4
            value, position = view[position : position + width], position + width
        elif wire == 2:
            length, position = _varint(view, position)
            value, position = view[position : position + length], position + length
        else:
            raise ValueError(f"wire type {wire}")
        if position > len(view) or number == 0:
            raise ValueError("a field runs past the end")
        fields.setdefault(number, []).append(value)
    return fields


def _varint(view: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number longer than 64 bits")


def signed(value: int) -> int:
    """A varint as int64."""
    return value - (1 << 64) if value >= 1 << 63 else value
