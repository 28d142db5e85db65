"""Versions of what is installed, by the packages' metadata: nothing of it is imported. Standard library only."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version

PLUGIN = "pytest-paddle-infer"
WHEELS = ("paddlepaddle", "paddlepaddle-gpu")
"""The two distributions that own the package `paddle`."""


def version_of(distribution: str) -> str:
    """The version; "" for what is not installed, "?" where its metadata names none."""
    try:
        return version(distribution) or "?"
    except PackageNotFoundError:
        return ""


def paddle_here() -> str:
    """The version of Paddle that this Python has; "" where it has none from a wheel."""
    return next(filter(None, map(version_of, WHEELS)), "")


def engines(python: str | None) -> str:
    """Which Paddle runs, in the words of the session's header. python: another interpreter, for the inference engine."""
    return f"paddle {paddle_here()}".rstrip() + (f", inference by {python}" if python is not None else "")


ASK = f"""
from importlib.metadata import PackageNotFoundError, version
for name in {WHEELS!r}:
    try:
        print(version(name))
        break
    except PackageNotFoundError:
        pass
"""

PATIENCE = 20.0
"""Seconds for another Python to start."""


def paddle_of(python: str) -> str:
    """The version of Paddle that another Python has; "" where it has none from a wheel, or does not say so."""
    try:
        done = subprocess.run([python, "-c", ASK], capture_output=True, text=True, check=True, timeout=PATIENCE)
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return (done.stdout.split() or [""])[0]
