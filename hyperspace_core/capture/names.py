"""The global names that code refers to, with the attributes that it reads."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hyperspace_core.capture.syntax import Function, stored_names

Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(frozen=True)
class Imported:
    """The target of an imported name: a module, or an attribute of one."""

    module: str
    level: int = 0                 # leading dots
    attribute: str | None = None


@dataclass(frozen=True)
class Reference:
    """`helpers.scale`: the name `helpers`, the attributes `("scale",)`."""

    name: str
    attributes: tuple[str, ...] = ()
    imported: Imported | None = None       # where the code itself imports the name


def references(nodes: Iterable[ast.AST]) -> set[Reference]:
    """The global names that top-level code of a module uses, at any depth."""
    collector = _Collector()
    for node in nodes:
        collector.visit(node)
    return collector.found


def imports_of(node: ast.Import | ast.ImportFrom) -> dict[str, Imported]:
    """Name → target of the import; a star import has the name `*`."""
    if isinstance(node, ast.ImportFrom):
        return {one.asname or one.name: Imported(node.module or "", node.level, one.name)
                for one in node.names}
    return {one.asname or one.name.partition(".")[0]:
            Imported(one.name if one.asname else one.name.partition(".")[0]) for one in node.names}


def chain(node: ast.AST) -> tuple[str, tuple[str, ...]] | None:
    """`("a", ("b", "c"))` for `a.b.c`; None if it does not begin with a name."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node.id, tuple(reversed(attributes))) if isinstance(node, ast.Name) else None


@dataclass
class _Scope:
    bound: set[str]
    imports: dict[str, Imported] = field(default_factory=dict)
    of_class: bool = False         # functions inside a class do not see its names


class _Collector(ast.NodeVisitor):
    def __init__(self) -> None:
        self.found: set[Reference] = set()
        self._scopes: list[_Scope] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._all([*node.args.defaults, *node.args.kw_defaults])
        self._inside(_Scope(_arguments(node.args)), [node.body])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._all([*node.decorator_list, *node.bases, *node.keywords])
        self._inside(_scope_of(node.body, set(), of_class=True), node.body)

    def visit_Global(self, node: ast.Global) -> None:
        self.found.update(Reference(name) for name in node.names)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._refer(node.id, ())

    def visit_Attribute(self, node: ast.Attribute) -> None:
        whole = chain(node)
        if whole is None:
            self.generic_visit(node)
        else:
            self._refer(*whole)

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, Comprehension):
            targets = [generator.target for generator in node.generators]
            self._inside(_Scope(set(stored_names(targets))), ast.iter_child_nodes(node))
        else:
            super().generic_visit(node)

    def _function(self, node: Function) -> None:
        self._all([*node.decorator_list, *node.args.defaults, *node.args.kw_defaults])
        self._inside(_scope_of(node.body, _arguments(node.args)), node.body)

    def _inside(self, scope: _Scope, nodes: Iterable[ast.AST]) -> None:
        self._scopes.append(scope)
        self._all(nodes)
        self._scopes.pop()

    def _all(self, nodes: Iterable[Any]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    def _refer(self, name: str, attributes: tuple[str, ...]) -> None:
        for depth, scope in enumerate(reversed(self._scopes)):
            if scope.of_class and depth:
                continue
            if name in scope.imports:
                self.found.add(Reference(name, attributes, scope.imports[name]))
                return
            if name in scope.bound:
                return
        self.found.add(Reference(name, attributes))


def _scope_of(body: list[ast.stmt], arguments: set[str], *, of_class: bool = False) -> _Scope:
    bound = arguments | set(stored_names(body))
    imports: dict[str, Imported] = {}
    for node in body:
        for one in ast.walk(node):
            if isinstance(one, ast.Global):
                bound -= set(one.names)
            elif isinstance(one, ast.Import | ast.ImportFrom):
                imports |= imports_of(one)
    return _Scope(bound, imports, of_class)


def _arguments(node: ast.arguments) -> set[str]:
    named = [*node.posonlyargs, *node.args, *node.kwonlyargs, node.vararg, node.kwarg]
    return {one.arg for one in named if one is not None}
