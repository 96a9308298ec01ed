"""The sources of the tests."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

from support.places import PLUGINS, ROOT

FOLDERS = [ROOT / "tests", ROOT / "docs/examples", *(plugin / "tests" for plugin in PLUGINS)]
NOT_OURS = (ROOT / "tests/projects", ROOT / "tests/bench")      # projects and figures, not tests


def parsed(*, support: bool = False) -> list[tuple[str, ast.Module]]:
    """The path and the syntax tree of every test module and conftest; and of what they share."""
    return [(str(path.relative_to(ROOT)), tree) for path, tree in _trees().items()
            if support or path.name.startswith(("test_", "conftest"))]


@functools.cache
def _trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text(encoding="utf-8"))
            for folder in FOLDERS for path in sorted(folder.rglob("*.py"))
            if not any(place in path.parents for place in NOT_OURS)}
