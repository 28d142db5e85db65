"""Sphinx builds the site from the Markdown files: `make docs`. Nothing in it is fetched from a network."""

from __future__ import annotations

import re
from pathlib import Path

_METADATA = (Path(__file__).resolve().parents[1] / "pyproject.toml").read_text(encoding="utf-8")

project = "pytest-paddle-infer"
author = "The pytest-paddle-infer developers"
release = version = re.findall(r'^version = "(.*)"$', _METADATA, re.MULTILINE)[0]
extensions = ["myst_parser"]
myst_heading_anchors = 4  # the same anchors as on GitHub, so that one link serves both
highlight_language = "none"
smartquotes = False  # it would make one dash of the two before an option

html_theme = "furo"
html_title = "pytest-paddle-infer"
html_static_path: list[str] = []
html_copy_source = False
html_show_sphinx = False
