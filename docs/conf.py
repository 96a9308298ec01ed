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

extensions = ["myst_parser", "sphinx.ext.autodoc", "reference_pages"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "examples"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True

smartquotes_action = "qe"      # two dashes are an option here

html_theme = "furo"
html_title = "hyperspace"
html_static_path = ["_static"]
html_show_sphinx = False
