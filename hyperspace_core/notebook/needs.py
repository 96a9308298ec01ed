"""Find the global names that a definition needs in its module."""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterator, Mapping
from typing import Any


def global_names(source: str) -> list[str]:
    """Names that a definition looks up in its module, in order, without built-ins."""
    tree = ast.parse(source)
    own = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    table = symtable.symtable(source, "<definition>", "exec")
    found = dict.fromkeys([*_looked_up(table), *_in_texts(tree)])
    return [name for name in found if name not in own and not hasattr(builtins, name)]


def literal(value: Any) -> str | None:
    """The literal of a constant; None for other values."""
    text = repr(value)
    try:
        again = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return text if type(again) is type(value) and again == value else None


def bound_names(tree: ast.Module) -> dict[str, ast.stmt]:
    """Name → the top-level statement of a module that binds it."""
    found: dict[str, ast.stmt] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = node
        else:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                    found[inner.id] = node
    return found


def same(value: Any, other: Any) -> bool:
    """Whether two values are the same object or equal constants."""
    return value is other or (literal(value) is not None and literal(value) == literal(other))


def defined_here(value: Any, namespace: Mapping[str, Any]) -> bool:
    """Whether a class or function was defined in the module of this namespace."""
    return getattr(value, "__module__", None) == namespace.get("__name__") and hasattr(value, "__qualname__")


def _looked_up(table: symtable.SymbolTable) -> Iterator[str]:
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_global() or (top and symbol.is_referenced() and not symbol.is_assigned()):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _looked_up(inner)


def _in_texts(tree: ast.Module) -> Iterator[str]:
    """Yield the names in annotations that are strings."""
    annotations = [getattr(node, name, None) for node in ast.walk(tree) for name in ("annotation", "returns")]
    for annotation in annotations:
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            try:
                inner = ast.parse(annotation.value, mode="eval")
            except SyntaxError:
                continue
            yield from (node.id for node in ast.walk(inner) if isinstance(node, ast.Name))
