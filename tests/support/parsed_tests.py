"""The sources of the tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from support.places import PLUGINS, ROOT

FOLDERS = [ROOT / "tests", ROOT / "docs/examples", *(plugin / "tests" for plugin in PLUGINS)]
NOT_OURS = (ROOT / "tests/projects", ROOT / "tests/bench")      # projects and figures, not tests


def parsed(*, support: bool = False) -> Iterator[tuple[str, ast.Module]]:
    """The path and the syntax tree of every test module and conftest, and of what they share."""
    for folder in FOLDERS:
        for path in sorted(folder.rglob("*.py")):
            is_test = path.name.startswith(("test_", "conftest"))
            if (is_test or support) and not any(place in path.parents for place in NOT_OURS):
                yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))
