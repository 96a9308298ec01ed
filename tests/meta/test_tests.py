"""The tests themselves: their names and what they import."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator

from support.parsed_tests import parsed
from support.places import ROOT

LONGEST_NAME = 60


def test_the_name_of_a_test_is_short() -> None:
    names = [(file, node.name) for file, tree in parsed() for node in ast.walk(tree)
             if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]

    assert len(names) > 2500
    assert [(file, name) for file, name in names if len(name) > LONGEST_NAME] == []


def test_a_test_module_imports_no_other_test_module() -> None:
    def imported(tree: ast.Module) -> Iterator[str]:
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                yield "." * node.level + (node.module or "")
            elif isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)

    assert [(file, name) for file, tree in parsed() for name in imported(tree)
            if name.startswith((".", "test_", "conftest", "tests."))] == []


def test_the_path_is_set_in_one_place() -> None:
    changed = [file for file, tree in parsed() for node in ast.walk(tree)
               if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("sys.path.")]

    assert changed == []


def test_each_support_module_has_a_name_of_its_own() -> None:
    """Of two equal names on one search path the second would never be imported."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]
    folders = [ROOT / folder for folder in settings["ini_options"]["pythonpath"]]
    names = [path.stem for folder in folders for path in folder.glob("*.py")
             if not path.name.startswith(("test_", "conftest"))]

    assert len(names) > 10
    assert sorted(set(names)) == sorted(names)
