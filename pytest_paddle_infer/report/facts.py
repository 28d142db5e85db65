"""A machine's and a session's facts for the report: versions, processor, options. No numpy and no paddle."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

from pytest_paddle_infer import __version__
from pytest_paddle_infer.distributions import WHEELS, paddle_of, version_of
from pytest_paddle_infer.machine import this_machine
from pytest_paddle_infer.option_table import OPTIONS

if TYPE_CHECKING:
    from pytest_paddle_infer.options import Settings

PACKAGES = (*WHEELS, "numpy", "pillow", "reprod-log", "pytest", "pytest-xdist", "pygal")


def environment(settings: Settings) -> dict[str, Any]:
    """Returns what is installed and what the machine is, from metadata: neither Paddle nor numpy is imported."""
    found = {name: found for name in PACKAGES if (found := version_of(name))}
    machine = this_machine()
    return {
        "paddle": next((found[name] for name in WHEELS if name in found), None),
        "python": platform.python_version(),
        "system": platform.platform(),
        "plugin": __version__,
        "packages": found,
        "processor": machine.processor,
        "instructions": machine.instructions.split(),
        "architecture": machine.architecture,
        "cores": int(machine.cores) if machine.cores.is_integer() else machine.cores,
        "engine_python": settings.python,
        "engine_paddle": (paddle_of(settings.python) or None) if settings.python is not None else None,
    }


def options_given(settings: Settings) -> list[dict[str, Any]]:
    """Returns this plugin's options that were set. Not those of others: one of them may be a secret, and reports are published."""
    shown = []
    for option in OPTIONS:
        given = option.attribute in settings.given
        if given or option.attribute in settings.from_ini:
            value = getattr(settings, option.attribute)
            values = [_shown(one) for one in value] if option.many else [_shown(value)]
            shown.append({"option": option.flag, "values": values, "origin": "command line" if given else "ini file"})
    return shown


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "x".join(map(str, value)) if type(value) is tuple else str(value)
