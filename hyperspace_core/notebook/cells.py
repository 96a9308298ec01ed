"""Find source and imports of classes of a notebook or the running script."""

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
    """Source of a top-level class or function, with decorators.

    Of several definitions the last one counts. None if there is none.
    """
    wanted = target.__qualname__
    found = None
    for text, tree in _texts(sys.modules.get(target.__module__)):
        for node in tree.body:
            if isinstance(node, DEFINITIONS) and node.name == wanted:
                found = statement(text, node)
    return found


def imports(module: ModuleType) -> dict[str, str]:
    """Name → an import statement of that name only, from the cells of a module."""
    found: dict[str, str] = {}
    for _, tree in _texts(module):
        for node in tree.body:
            found |= imports_of(node)
    return found


def imports_of(node: ast.stmt) -> dict[str, str]:
    """Name → import of that name only; empty for other statements and `import *`."""
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
    """The source lines of a statement, with its decorators."""
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(one.lineno for one in decorators)])
    return "\n".join(text.splitlines()[first - 1:node.end_lineno])


def _texts(module: ModuleType | None) -> Iterator[tuple[str, ast.Module]]:
    """Yield the module's file, or the cells in order of execution."""
    file = getattr(module, "__file__", None)
    if file:
        linecache.checkcache(file)
        texts = ["".join(linecache.getlines(file))]
    else:                          # cached sources that are not files
        texts = ["".join(linecache.getlines(name)) for name in list(linecache.cache)
                 if not Path(name).exists() and not name.startswith("<frozen")]
    for text in texts:
        try:
            yield text, ast.parse(text)
        except (SyntaxError, ValueError):          # a cached text may not be Python
            continue
