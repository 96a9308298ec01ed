"""The navigation of the built documentation, made from the links of index.md.

The pages are plain Markdown that a code host shows as well, so they hold no `toctree`. Each heading of the
index whose section is a list of links becomes one here.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

_SECTION = re.compile(r"^## (?P<title>[^\n]*)\n(?P<body>.*?)(?=^## |\Z)", re.M | re.S)
_PAGE = re.compile(r"^- \[[^\n]*?\]\(([\w/-]+)\.md\)", re.M)


def add_toctrees(app: Sphinx, name: str, source: list[str]) -> None:
    """Add a hidden `toctree` for each section of the index; a page belongs to the first that names it."""
    if name != "index":
        return
    seen: set[str] = set()
    for section in _SECTION.finditer(source[0]):
        new = [page for page in dict.fromkeys(_PAGE.findall(section["body"])) if page not in seen]
        seen.update(new)
        if new:
            fence = "`" * 3
            caption = f":caption: {section['title']}"
            source[0] += "\n".join(["", "", f"{fence}{{toctree}}", ":hidden:", caption, "", *new, fence, ""])


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", add_toctrees)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
