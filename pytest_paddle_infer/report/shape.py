"""Whether the details that a checkpoint left are what report.schema.json says of them. `report/details.py` asks before the page reads them.

jsonschema is no requirement of this plugin. This knows only the words that the schema's details use, and a test holds the two together.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from typing import Any

from pytest_paddle_infer.report.content import SCHEMA

_KINDS = {"object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,),
          "null": (type(None),)}  # fmt: skip


def fits(part: str, value: Any) -> bool:
    """True where a value can stand in the `details` of a test, as its part of that name."""
    return _fits(value, _definitions()["details"]["properties"][part])


@cache
def _definitions() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))["$defs"]
    return found


def _fits(value: Any, asked: Mapping[str, Any]) -> bool:
    if "$ref" in asked:
        return _fits(value, _definitions()[asked["$ref"].rpartition("/")[2]])
    if "oneOf" in asked:
        return sum(_fits(value, each) for each in asked["oneOf"]) == 1
    if "enum" in asked:
        return value in asked["enum"]
    kinds = [asked["type"]] if isinstance(asked["type"], str) else asked["type"]
    if not any(type(value) in _KINDS[kind] for kind in kinds):  # True is no number
        return False
    if isinstance(value, dict):
        known = asked["properties"]
        return all(name in value for name in asked["required"]) and all(
            name in known and _fits(each, known[name]) for name, each in value.items()
        )
    if isinstance(value, list):
        return asked.get("minItems", 0) <= len(value) <= asked.get("maxItems", math.inf) and all(
            _fits(each, asked["items"]) for each in value
        )
    return not isinstance(value, (int, float)) or _lies_within(value, asked)


def _lies_within(value: float, asked: Mapping[str, Any]) -> bool:
    """True for a finite number between the bounds; JSON as Python reads it has NaN and infinity too."""
    above = asked.get("exclusiveMinimum")
    return (
        asked.get("minimum", -math.inf) <= value <= asked.get("maximum", math.inf)
        and (above is None or value > above)
        and (isinstance(value, int) or math.isfinite(value))
    )
