"""Versions of what is installed, by the packages' metadata: nothing of it is imported. Standard library only."""

from __future__ import annotations

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
