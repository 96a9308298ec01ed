"""The sources of the tests."""

from __future__ import annotations

import ast
import functools

from support.places import PLUGINS, ROOT

FOLDERS = [ROOT / "tests", ROOT / "docs/examples", *(plugin / "tests" for plugin in PLUGINS)]
NOT_OURS = (ROOT / "tests/projects", ROOT / "tests/bench")      # projects and figures, not tests


@functools.cache
def parsed(*, support: bool = False) -> tuple[tuple[str, ast.Module], ...]:
    """The path and the syntax tree of every test module and conftest; and of what they share."""
    return tuple((str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8")))
                 for folder in FOLDERS for path in sorted(folder.rglob("*.py"))
                 if (support or path.name.startswith(("test_", "conftest")))
                 and not any(place in path.parents for place in NOT_OURS))
