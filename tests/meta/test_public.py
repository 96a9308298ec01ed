"""Docs, examples and plugins import what is public alone: two lists, one for projects and one for plugins."""

from __future__ import annotations

import ast
import importlib
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.places import PLUGINS, ROOT, sources

# for projects and notebooks; each has a list of its own, or is public as a whole
FOR_PROJECTS = (
    "hyperspace_core", "hyperspace_core.components", "hyperspace_core.errors", "hyperspace_core.hookspecs",
    "hyperspace_core.markers", "hyperspace_core.migrations", "hyperspace_core.production",
    "hyperspace_core.queue", "hyperspace_core.ranges", "hyperspace_core.records", "hyperspace_core.run",
    "hyperspace_core.storage", "hyperspace_core.study",
)
FOR_PLUGINS = ("hyperspace_core.plugin", "hyperspace_core.cli.plugin")
MOST_FOR_PLUGINS = 150


def imports_of(code: str) -> Iterator[tuple[str, str]]:
    """Module and name of each import from core."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "hyperspace_core":
            for alias in node.names:
                yield str(node.module), alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("hyperspace_core."):
                    yield alias.name, ""


def snippets(page: Path) -> Iterator[str]:
    """The Python that a page shows."""
    for block in re.findall(r"^ *```python\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.M | re.S):
        code = textwrap.dedent(block)
        try:
            ast.parse(code)
        except SyntaxError:            # a signature, or a session at a prompt
            continue
        yield code


def test_the_lists_are_short_and_every_name_is_there() -> None:
    names = []
    for module in FOR_PLUGINS:
        public = importlib.import_module(module)
        assert [name for name in public.__all__ if not hasattr(public, name)] == []
        names += public.__all__

    assert len(names) <= MOST_FOR_PLUGINS


def private_in(code: str, place: Path) -> list[str]:
    return [f"{place.relative_to(ROOT)}: {module}" for module, _ in imports_of(code)
            if module not in (*FOR_PROJECTS, *FOR_PLUGINS)]


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_a_plugin_imports_what_is_public_alone(plugin: Path) -> None:
    sources = sorted((plugin / "src").rglob("*.py"))

    assert [line for path in sources for line in private_in(path.read_text(encoding="utf-8"), path)] == []


def test_examples_import_what_is_public_alone() -> None:
    sources = sorted((ROOT / "docs/examples").rglob("*.py"))

    assert [line for path in sources for line in private_in(path.read_text(encoding="utf-8"), path)] == []


def test_docs_import_what_is_public_alone() -> None:
    pages = sorted((ROOT / "docs").rglob("*.md"))

    assert [line for page in pages for code in snippets(page) for line in private_in(code, page)] == []


# a command is a function named as it is typed; processes begin at `main`, and each store has an `open_store`
OFTEN = {"main", "open_store"}
COMMANDS = "hyperspace_core/cli/commands"


def test_a_public_name_of_core_has_one_meaning() -> None:
    """Functions, classes and type aliases of modules; hooks are implemented under the name of their spec."""
    places: dict[str, list[str]] = {}
    for path, tree in sources():
        if not path.is_relative_to("hyperspace_core") or path.is_relative_to(COMMANDS):
            continue
        for name in defined_in(tree):
            if not name.startswith(("_", "hyperspace_")) and name not in OFTEN and not name.isupper():
                places.setdefault(name, []).append(str(path))

    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def defined_in(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
