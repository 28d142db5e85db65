"""Calls on a `Config` as data: told as JSON text, and made again on another one, of this Paddle or another.

A call is `{"call": name, "args": [...], "named": {...}, "own": bool}`; own: made by the user's function. Plain data stands in it as JSON.
`{"enum": "PrecisionType.Half"}`, `{"set": [...]}` and `{"number": "inf"}` stand for what JSON lacks, and `{"text": ...}` for what is no
data at all: a call that holds one, or that chooses other files, is never made again.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

FILES = ("set_model", "set_model_buffer", "set_prog_file", "set_params_file")
"""Methods that choose the files to load; whoever repeats calls has files of his own."""

LONGEST = 10_000
"""Characters of a text beyond which it is content, such as the model's, and no setting."""


def told(name: str, args: Sequence[Any], named: Mapping[str, Any], own: bool = False) -> str:
    """Returns one call as JSON text."""
    return json.dumps(
        {"call": name, "args": [_told(arg) for arg in args], "named": {key: _told(arg) for key, arg in named.items()}, "own": own}
    )


def _told(value: Any) -> Any:
    if value is None or type(value) in (bool, int):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"number": str(value)}
    if isinstance(value, str):
        return value if len(value) <= LONGEST else {"text": f"a text of {len(value)} characters"}
    if isinstance(value, (list, tuple)):
        return [_told(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return {"set": sorted((_told(item) for item in value), key=repr)}
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {"map": {key: _told(item) for key, item in value.items()}}
    if type(value).__module__.startswith("paddle") and isinstance(getattr(value, "name", None), str):
        return {"enum": f"{type(value).__name__}.{value.name}"}
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        return _told(value.item())
    return {"text": repr(value)[:200]}


def shown(text: str) -> str:
    """Returns a call as a line of Python: `config.delete_pass('conv_bn_fuse_pass')`."""
    call = json.loads(text)
    words = [_shown(arg) for arg in call["args"]] + [f"{key}={_shown(arg)}" for key, arg in call["named"].items()]
    name = str(call["call"]).replace("pass_builder.", "pass_builder().")
    return f"config.{name}({', '.join(words)})"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if not isinstance(value, dict):
        return repr(value)
    ((kind, held),) = value.items()
    if kind == "set":
        return f"{{{', '.join(map(_shown, held))}}}"
    if kind == "map":
        return f"{{{', '.join(f'{key!r}: {_shown(item)}' for key, item in held.items())}}}"
    return f"float({held!r})" if kind == "number" else str(held)


def why_not(text: str) -> str:
    """Why a call cannot be made again anywhere, as part of a sentence; empty when it can."""
    call = json.loads(text)
    if call["call"] in FILES:
        return "it chooses other files"
    if re.fullmatch(r"(pass_builder\.)?[a-z][a-z0-9_]*", call["call"]) is None:
        return "it is no method of a Config"
    return "" if all(map(_is_data, (*call["args"], *call["named"].values()))) else "its arguments are no plain data"


def _is_data(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_data, value))
    if not isinstance(value, dict):
        return True
    ((kind, held),) = value.items()
    return kind in ("enum", "number") or (kind in ("set", "map") and all(map(_is_data, held.values() if kind == "map" else held)))


def repeat(config: Any, calls: Iterable[str], inference: Any, version: str) -> tuple[str, ...]:
    """Makes calls again; returns those that were left out, each with its reason. inference: `paddle.inference`, of `version`."""
    left_out = []
    for text in calls:
        call, reason = json.loads(text), why_not(text)
        if call["call"] == "pass_builder":
            continue
        if not reason:
            owner, name = config, call["call"]
            if name.startswith("pass_builder."):
                owner, name = config.pass_builder(), name.partition(".")[2]
            if not hasattr(owner, name):
                reason = f"Paddle {version} has no such method"
            else:
                try:
                    args = [_value(arg, inference) for arg in call["args"]]
                    getattr(owner, name)(*args, **{key: _value(arg, inference) for key, arg in call["named"].items()})
                except (TypeError, AttributeError) as error:  # of another signature, or an enumeration without that member
                    reason = f"Paddle {version} does not take it ({str(error).strip().splitlines()[0]})"
        if reason:
            left_out.append(f"{shown(text)}: {reason}")
    return tuple(left_out)


def _value(value: Any, inference: Any) -> Any:
    if isinstance(value, list):
        return [_value(item, inference) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, held),) = value.items()
    if kind == "enum":
        family, _, member = str(held).partition(".")
        return getattr(getattr(inference, family), member)
    if kind == "set":
        return {_value(item, inference) for item in held}
    if kind == "map":
        return {key: _value(item, inference) for key, item in held.items()}
    return float(held)
