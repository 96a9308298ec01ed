"""What was typed into a notebook, or stands in the script that runs: source of classes, and their imports."""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def source_of(target: Any) -> str | None:
    """The statement that defined a class or function at the top of a cell or module, decorators included.

    Of several definitions of the name the last one counts. None where it is not found.
    """
    wanted = target.__qualname__
    found = None
    for text, tree in _texts(sys.modules.get(target.__module__)):
        for node in tree.body:
            if isinstance(node, DEFINITIONS) and node.name == wanted:
                found = statement(text, node)
    return found


def imports(module: ModuleType) -> dict[str, str]:
    """Name → the import that bound it in a cell, for that name alone."""
    found: dict[str, str] = {}
    for _, tree in _texts(module):
        for node in tree.body:
            found |= imports_of(node)
    return found


def imports_of(node: ast.stmt) -> dict[str, str]:
    """Name → the import of it alone; nothing for other statements and for `import *`."""
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return {}
    if isinstance(node, ast.ImportFrom) and (node.module == "__future__" or node.level):
        return {}
    found = {}
    for alias in node.names:
        if isinstance(node, ast.Import):
            found[alias.asname or alias.name.partition(".")[0]] = ast.unparse(ast.Import([alias]))
        elif alias.name != "*":
            found[alias.asname or alias.name] = ast.unparse(ast.ImportFrom(node.module, [alias], 0))
    return found


def statement(text: str, node: ast.stmt) -> str:
    """The lines of a statement, with its decorators."""
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(one.lineno for one in decorators)])
    return "\n".join(text.splitlines()[first - 1:node.end_lineno])


def _texts(module: ModuleType | None) -> Iterator[tuple[str, ast.Module]]:
    """The module's file, or the cells in the order in which they were typed."""
    file = getattr(module, "__file__", None)
    if file:
        linecache.checkcache(file)
        texts = ["".join(linecache.getlines(file))]
    else:                          # what is cached and is no file: nothing could read it again
        texts = ["".join(linecache.getlines(name)) for name in list(linecache.cache)
                 if not Path(name).exists() and not name.startswith("<frozen")]
    for text in texts:
        try:
            yield text, ast.parse(text)
        except (SyntaxError, ValueError):          # what is cached need not be Python
            continue
