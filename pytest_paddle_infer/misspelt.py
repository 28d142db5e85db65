"""Names near ours that pytest passes over, or cannot explain: markers, ini keys and hooks. Opened by `plugin` where it sees a suspect."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable, Mapping

import pluggy
import pytest

from pytest_paddle_infer import hookspecs
from pytest_paddle_infer.option_table import MARKER, OPTIONS

HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("pytest_"))

PREFIX = "pytest_paddle_infer_"

NEAR = 0.8
"""Ratio of `difflib` from which a name is taken for another one. Names are compared behind a prefix that they share."""


def markers(config: pytest.Config, used: Mapping[str, str]) -> list[str]:
    """A sentence for each marker that is meant to be ours; one that the ini file registers is the repo's own.

    used: name -> id of the first test with it.
    """
    own = {line.partition(":")[0].partition("(")[0].strip() for line in config.getini("markers")}
    return [
        f"{test}: there is no marker {name} (did you mean {MARKER!r}?); no checkpoint would run. One of your own is registered with "
        "the ini key markers."
        for name, test in used.items()
        if name not in own and (name.startswith("paddle_infer") or difflib.get_close_matches(name, [MARKER], 1, NEAR))
    ]


def keys(config: pytest.Config, suspects: Iterable[str]) -> list[str]:
    """A sentence for each ini key that is meant to be one of ours; suspects: those with our prefix that are none."""
    ours = {option.attribute: option.key for option in OPTIONS}
    found = []
    for key in suspects:
        name = key[len("paddle_") :]
        name = name[len("infer_") :] if name.startswith("infer_") else name  # as the marker and the hooks have it
        near = difflib.get_close_matches(name, list(ours), 1, NEAR)
        if near and not _registered(config, key):
            found.append(f"ini value {key}: no option has that name; did you mean {ours[near[0]]!r}?")
    return found


def _registered(config: pytest.Config, key: str) -> bool:
    """True for a key of another plugin."""
    try:
        config.getini(key)
    except ValueError:
        return False
    return True


def parameter(error: pluggy.PluginValidationError) -> str:
    """The sentence for an implementation of one of our hooks that takes what the hook does not give."""
    found = re.search(
        r"Plugin '(?P<where>.*)' for hook '(?P<hook>\w+)'.*Argument\(s\) \{(?P<names>.*)\} are", str(error), re.DOTALL
    )
    if found is None:
        return " ".join(str(error).split())
    taken = ", ".join(name.strip(" '") for name in found["names"].split(","))
    given = ", ".join(inspect.signature(getattr(hookspecs, found["hook"])).parameters)
    return f"{found['where']}: {found['hook']} takes {taken}, which the hook does not give: write def {found['hook']}({given})."


def hooks(where: str, unknown: Iterable[str]) -> dict[str, str]:
    """A sentence for each name that is meant to be one of our hooks. where: the file that implements it."""
    found = {}
    for name in unknown:
        start = len(PREFIX) if name.startswith(PREFIX) else 0
        near = [hook for hook in HOOKS if difflib.get_close_matches(name[start:], [hook[start:]], 1, NEAR)]
        if near or start:
            hint = f"did you mean {near[0]!r}?" if near else f"the hooks are {' and '.join(HOOKS)}."
            found[name] = f"{where}: there is no hook {name}; {hint}"
    return found
