"""Extract a notebook class with the imports, helpers and constants it needs."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from hyperspace_core.errors import UsageError
from hyperspace_core.notebook.cells import imports, source_of, statement
from hyperspace_core.notebook.needs import bound_names, defined_here, global_names, literal, same

SELF = "register"              # the decorator `@study.register`, dropped: the module has no study


@dataclass(kw_only=True)
class Piece:
    """Statements to add to a module, in order."""

    imports: dict[str, str] = field(default_factory=dict)          # name → statement
    definitions: dict[str, str] = field(default_factory=dict)      # name → source; dependencies first

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.imports) | frozenset(self.definitions)

    def text(self) -> str:
        """The text of a module with only this piece."""
        return inserted("", self)


def piece_of(target: type, there: Mapping[str, Any] | None = None) -> Piece:
    """Collect the class and what it needs, without equal names of module `there`.

    Raises `UsageError` if a source is not found, or a value cannot be written as source.
    """
    module = sys.modules[target.__module__]
    writer = _Writer(module, dict(there or {}), imports(module))
    writer.define(target.__qualname__, target)
    return writer.piece


def inserted(text: str, piece: Piece) -> str:
    """Insert a piece into a module: imports after its own, definitions at the end.

    Raises `UsageError` if the module has one of the names with another value.
    """
    tree = ast.parse(text)
    taken = [name for name in bound_names(tree) if name in piece.names]
    if taken:
        raise UsageError(f"`{taken[0]}` already exists there with another value; nothing was "
                         "overwritten: rename one of them")
    lines = text.splitlines()
    at = _after_imports(tree)
    new = list(dict.fromkeys(piece.imports.values()))
    if new:
        gap = [""] if at and not _is_import_line(tree, at) else []
        lines[at:at] = [*gap, *new] if at or not lines else [*new, ""]
    body = "\n".join(lines).rstrip("\n")
    parts = [body] if body else []
    return "\n\n\n".join([*parts, *piece.definitions.values()]) + "\n"


class _Writer:
    def __init__(self, module: ModuleType, there: dict[str, Any], typed: dict[str, str]) -> None:
        self.piece = Piece()
        self._names, self._there, self._typed = vars(module), there, typed
        self._open: set[str] = set()

    def define(self, name: str, value: Any) -> None:
        source = source_of(value)
        if source is None:
            raise UsageError(f"{name}: its source was not found; define it at the top of a cell (without "
                             "%magics in that cell)")
        source = _without_registration(source)
        self._open.add(name)
        for needed in global_names(source):
            if needed in self._names and needed not in self._open | self.piece.names:
                self._bring(needed, self._names[needed], name)
        self.piece.definitions[name] = source

    def _bring(self, name: str, value: Any, of: str) -> None:
        if name in self._there and same(self._there[name], value):
            return
        written = self._typed.get(name) or _import_of(name, value)
        if defined_here(value, self._names):
            self.define(name, value)
        elif written is not None:
            self.piece.imports[name] = written
        elif literal(value) is not None:
            self.piece.definitions[name] = f"{name} = {literal(value)}"
        else:
            raise UsageError(f"{of} uses `{name}` ({type(value).__name__}), which cannot be written "
                             "from this notebook into a module; pass it as an argument, or load it in "
                             "the class")


def _import_of(name: str, value: Any) -> str | None:
    """Import statement for an object without one; None if not importable."""
    if isinstance(value, ModuleType):
        return f"import {value.__name__}" if value.__name__ == name else f"import {value.__name__} as {name}"
    module, called = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if (isinstance(module, str) and isinstance(called, str) and module != "__main__"
            and getattr(sys.modules.get(module), called, None) is value):
        return f"from {module} import {called}" + ("" if called == name else f" as {name}")
    return None


def _without_registration(source: str) -> str:
    """The definition without the decorator `@study.register`."""
    node = ast.parse(source).body[0]
    lines = source.splitlines()
    for decorator in reversed(getattr(node, "decorator_list", [])):
        made = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(made, ast.Attribute) and made.attr == SELF:
            del lines[decorator.lineno - 1:decorator.end_lineno]
    text = "\n".join(lines)
    return statement(text, ast.parse(text).body[0])


def _after_imports(tree: ast.Module) -> int:
    """Number of lines up to the last top-level import, or the docstring."""
    last = 0
    for number, node in enumerate(tree.body):
        is_docstring = (number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
                        and isinstance(node.value.value, str))
        if is_docstring or isinstance(node, ast.Import | ast.ImportFrom):
            last = node.end_lineno or last
    return last


def _is_import_line(tree: ast.Module, line: int) -> bool:
    return any(isinstance(node, ast.Import | ast.ImportFrom) and node.end_lineno == line
               for node in tree.body)
