"""What is installed, told from packages' metadata and Paddle's own files: nothing of it is imported."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from pytest_paddle_infer.distributions import PLUGIN, WHEELS, version_of
from pytest_paddle_infer.machine import Machine, this_machine

MODULES: Mapping[str, str] = {
    "pytest": "pytest", "numpy": "numpy", "PIL": "pillow", "reprod_log": "reprod-log", "psutil": "psutil", "filelock": "filelock",
}  # fmt: skip
"""What is imported -> the distribution that it is part of."""

REQUIRED = tuple(MODULES.values())
OPTIONAL = ("pytest-xdist", "auto_log", "pygal")


@dataclass(frozen=True)
class Installed:
    """What doctor judges.

    packages: distribution -> version, "" for none. wheels: those of Paddle. paddle, commit, folder: of the package `paddle` as its files
    say; "" for none. unmet: requirements of this plugin that what is installed does not meet, as sentences' parts. forks: processes
    can fork.
    """

    python: tuple[int, ...]
    executable: str
    system: str
    packages: Mapping[str, str]
    wheels: Mapping[str, str] = field(default_factory=dict)
    paddle: str = ""
    commit: str = ""
    folder: str = ""
    unmet: tuple[str, ...] = ()
    forks: bool = True
    machine: Machine = field(default_factory=this_machine)

    @property
    def paddle_major(self) -> int:
        """2 or 3; 0 without Paddle, or with one whose version is not a number."""
        match = re.match(r"\d+", self.paddle)
        return int(match[0]) if match else 0

    @property
    def python_text(self) -> str:
        """As `3.11`."""
        return ".".join(map(str, self.python[:2]))


def look() -> Installed:
    """Looks around."""
    folder = _paddle_folder()
    facts = _version_file(folder) if folder else {}
    return Installed(
        python=tuple(sys.version_info[:3]),
        executable=sys.executable,
        system=f"{platform.system()} {platform.release()}, {platform.machine()}",
        packages={name: _version(name) for name in (*REQUIRED, *OPTIONAL)},
        wheels={name: found for name in WHEELS if (found := _version(name))},
        paddle=facts.get("full_version", ""),
        commit=facts.get("commit", ""),
        folder=folder,
        unmet=tuple(_unmet()),
        forks=hasattr(os, "fork"),
    )


def _version(name: str) -> str:
    found = version_of(name)
    return "?" if not found and name == "auto_log" and find_spec(name) is not None else found


def _paddle_folder() -> str:
    spec = find_spec("paddle")
    places = list((spec.submodule_search_locations if spec else None) or ())
    return places[0] if places else ""


def _version_file(folder: str) -> dict[str, str]:
    """What `paddle/version/__init__.py` sets; empty for a folder `paddle` that is another program."""
    try:
        text = (Path(folder) / "version" / "__init__.py").read_text(encoding="utf-8")
    except OSError:
        return {}
    return dict(re.findall(r"^(full_version|commit)\s*=\s*'([^']*)'", text, re.MULTILINE))


def _unmet() -> list[str]:
    """The plugin's own requirements that are missing or too old; none can be told where it runs from a checkout."""
    try:
        requires = distribution(PLUGIN).requires or ()
        from packaging.requirements import Requirement
    except (PackageNotFoundError, ImportError):
        return [f"{name} is not installed" for name in REQUIRED if not _version(name)]
    found = []
    for text in requires:
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        have = _version(wanted.name)
        if not have:
            found.append(f"{wanted.name} is not installed")
        elif not wanted.specifier.contains(have, prereleases=True):
            found.append(f"{wanted.name} {have} is installed, and {wanted.specifier} is needed")
    return found
