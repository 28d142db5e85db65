"""report.json as text: indented for people, but for the details, which are many and stand one sample or layer a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def to_json_text(content: Mapping[str, Any]) -> str:
    """Returns the text, which ends in a newline. Raises `ValueError` for NaN and infinity."""
    details = [test["details"] for test in content["tests"]]
    short = {**content, "tests": [{**test, "details": None} for test in content["tests"]]}
    pieces = json.dumps(short, indent=1, allow_nan=False, ensure_ascii=False).split('\n   "details": null')
    made = [pieces[0]]
    for each, piece in zip(details, pieces[1:]):
        made += ['\n   "details": ', _lines(each, 3), piece]
    return "".join(made) + "\n"


def _lines(value: Any, depth: int) -> str:
    """Dicts and lists of dicts over several lines, down to those that hold only plain values or a line's worth of them."""
    inner = "\n" + " " * (depth + 1)
    if isinstance(value, dict) and any(isinstance(item, (dict, list)) and item for item in value.values()) and "index" not in value:
        items = [f"{json.dumps(key, ensure_ascii=False)}: {_lines(item, depth + 1)}" for key, item in value.items()]
        return "{" + inner + f",{inner}".join(items) + "\n" + " " * depth + "}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[" + inner + f",{inner}".join(_lines(item, depth + 1) for item in value) + "\n" + " " * depth + "]"
    return json.dumps(value, allow_nan=False, ensure_ascii=False)
