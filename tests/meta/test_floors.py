"""Imports only go down, and each third-party package has its place."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hyperspace_core
from support.places import PACKAGE, ROOT, sources

# package -> the only modules that may import it
PLACES = {
    "click": ("hyperspace_core/cli/", "hyperspace_core/__main__.py"),      # and a plugin's cli.py
    "rich": ("hyperspace_core/cli/",),
    "git": ("hyperspace_core/capture/git.py",),
    "importlib_metadata": (
        "hyperspace_core/extension/manager.py", "hyperspace_core/extension/installed.py",
        "hyperspace_core/capture/environment.py"),
    "pandas": ("hyperspace_core/results/export.py",),
    "plotly": ("plugins/hyperspace-analysis/src/hyperspace_analysis/drawing.py",),
    "sqlite3": ("hyperspace_core/stores/sqlite/",),
    "pytest": (
        "plugins/pytest-hyperspace/src/", "plugins/hyperspace-mongodb/src/hyperspace_mongodb/testing/",
        "plugins/hyperspace-tuning/src/hyperspace_tuning/testing/"),
    "hypothesis": ("plugins/pytest-hyperspace/src/",),
    "pymongo": ("plugins/hyperspace-mongodb/src/",),
    "optuna": ("plugins/hyperspace-tuning/src/",),
    "cmaes": ("plugins/hyperspace-tuning/src/",),
}


def test_the_contracts_hold() -> None:
    # in its own process: it configures logging, which would silence the loggers of this process
    lint = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"

    done = subprocess.run([sys.executable, "-P", "-c", lint], cwd=ROOT, text=True, capture_output=True,
                          check=False)

    assert done.returncode == 0, done.stdout


def test_every_module_has_a_floor() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    there = {path.stem if path.is_file() else path.name for path in PACKAGE.iterdir()
             if path.suffix == ".py" or (path / "__init__.py").exists()}

    lost = [name for name in there - {"__init__"} if f"hyperspace_core.{name}" not in text]
    assert lost == []


@functools.cache
def all_imports() -> list[tuple[Path, int, str]]:
    return [(path, line, name) for path, tree in sources() for line, name in imports(tree)]


@pytest.mark.parametrize("package", PLACES)
def test_a_package_is_imported_in_its_place_only(package: str) -> None:
    elsewhere = [f"{path}:{line}" for path, line, name in all_imports()
                 if name.split(".")[0] == package and not str(path).startswith(PLACES[package] or "nowhere")
                 and not (package == "click" and is_command_module(path))]

    assert elsewhere == []


def test_no_module_of_the_package_imports_the_root() -> None:
    lazy = set(hyperspace_core.__all__)
    inside = [f"{path}:{node.lineno}" for path, tree in sources() for node in ast.walk(tree)
              if isinstance(node, ast.ImportFrom) and node.module == "hyperspace_core"
              and path.is_relative_to(PACKAGE.name) and lazy & {alias.name for alias in node.names}]

    assert inside == []


def test_no_plugin_builds_on_a_store_of_the_core() -> None:
    within = [f"{path}:{line}" for path, line, name in all_imports()
              if path.parts[0] == "plugins" and name.startswith("hyperspace_core.stores")]

    assert within == []


def is_command_module(path: Path) -> bool:
    """`cli.py` of a plugin, or one of several: `copy_cli.py`."""
    return path.parts[0] == "plugins" and path.stem.split("_")[-1] == "cli"


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and module of every import at run time."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
        yield from imports(node)


def test_the_finder_lists_all_run_time_imports() -> None:
    tree = ast.parse("import a.b\nif TYPE_CHECKING:\n    import c\ndef f():\n    from d import e\n")

    assert list(imports(tree)) == [(1, "a.b"), (5, "d")]
    assert Path("hyperspace_core/run.py") in dict(sources())
    assert Path("plugins/hyperspace-mongodb/src/hyperspace_mongodb/plugin.py") in dict(sources())
