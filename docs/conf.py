"""Sphinx settings."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "hyperspace"
author = "the hyperspace developers"
copyright = f"2026, {author}"
version = release = version_of("hyperspace-core")

extensions = ["myst_parser", "site_map"]
myst_heading_anchors = 4
exclude_patterns = ["_build", "examples"]

smartquotes_action = "qe"      # two dashes are an option here

html_theme = "furo"
html_title = "hyperspace"
html_static_path = ["_static"]
html_show_sphinx = False
