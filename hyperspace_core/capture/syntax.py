"""Source code as syntax: a normal form that changes only with its meaning, and the names it refers to."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

# -- A normal form of source code that changes only with its meaning --

Function = ast.FunctionDef | ast.AsyncFunctionDef
_Node = TypeVar("_Node", bound=ast.AST)

_CONFIGURED = ("__init__", "single_run")           # the methods whose arguments a config holds
_DATA = {"dataclass", "define", "frozen", "mutable", "attrs"}      # they make annotations fields
_UNSPOKEN = {"kind", "type_comment", "type_params", "ctx"}         # fields of nodes without effect


def normal_form(node: _Node, *, held: frozenset[str] | None = None) -> _Node:
    """A copy in normal form; of a component without the defaults that a config holds.

    `held`: their names, as `__init__.depth`, or `depth` of a function; None for code that is no component.
    """
    copied = copy.deepcopy(node)
    if held is not None and isinstance(copied, ast.ClassDef):
        _without_configured(copied, held)
    elif held is not None and isinstance(copied, Function):
        _without_defaults(copied, held, "")
    return _Plain().visit(copied) or copied


class _Everything(frozenset[str]):
    def __contains__(self, name: object) -> bool:
        return True


def named_statements(source: str | bytes) -> set[tuple[str, frozenset[str]]]:
    """The top-level statements in normal form, each with the names that it binds.

    Without imports, and without the defaults of constructors. Raises `SyntaxError` and `ValueError`.
    """
    found: set[tuple[str, frozenset[str]]] = set()
    for statement in ast.parse(source).body:
        text = node_text(normal_form(statement, held=_Everything()))
        if not isinstance(statement, ast.Import | ast.ImportFrom) and text:
            found.add((text, frozenset(stored_names([statement]))))
    return found


def node_text(node: Any) -> str:
    """The text of a node, the same for every version of Python."""
    if isinstance(node, ast.AST):
        fields = [f"{name}={node_text(value)}" for name, value in ast.iter_fields(node)
                  if name not in _UNSPOKEN and value is not None and value != []]
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join(map(node_text, node))}]"
    return repr(node)


def last_name(node: ast.AST) -> str:
    """`"dataclass"` of `dataclass`, `dataclasses.dataclass` and a call of either."""
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


class _Plain(ast.NodeTransformer):
    """Brings a tree into normal form, in place."""

    def visit_FunctionDef(self, node: Function) -> Any:
        node.returns = None
        return self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        # a dataclass field needs no value; elsewhere an annotation alone has no effect
        node.body = [ast.Assign(targets=[one.target], value=one.value or ast.Constant(value=...))
                     if isinstance(one, ast.AnnAssign) else one for one in node.body]
        self.generic_visit(node)
        methods = sorted((one for one in node.body if isinstance(one, Function)), key=lambda one: one.name)
        node.body = [*(one for one in node.body if not isinstance(one, Function)), *methods]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if node.value is None:
            return None
        return self.generic_visit(ast.Assign(targets=[node.target], value=node.value))

    def visit_arg(self, node: ast.arg) -> Any:
        node.annotation = None
        return node

    def visit_Expr(self, node: ast.Expr) -> Any:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Pass(self, _: ast.Pass) -> Any:
        return None


def _without_configured(node: ast.ClassDef, held: frozenset[str]) -> None:
    data = any(last_name(decorator) in _DATA for decorator in node.decorator_list)
    node.body = [one for one in node.body
                 if not (isinstance(one, ast.AnnAssign) and _is_configured(one, data, held))]
    for one in node.body:
        if isinstance(one, Function) and one.name in _CONFIGURED:
            _without_defaults(one, held, f"{one.name}.")


def _is_configured(node: ast.AnnAssign, data: bool, held: frozenset[str]) -> bool:
    """Whether it declares a parameter of the constructor that a config holds, or nothing."""
    if node.value is None:
        return True
    return data and f"__init__.{getattr(node.target, 'id', '')}" in held


def _without_defaults(node: Function, held: frozenset[str], before: str) -> None:
    """Keep only the defaults that no config holds, by name: others may come and go before them."""
    arguments = node.args
    named = [*arguments.posonlyargs, *arguments.args]
    named = named[len(named) - len(arguments.defaults):]
    kept: list[Any] = [ast.keyword(arg=one.arg, value=default)
                       for one, default in zip(named, arguments.defaults, strict=True)
                       if f"{before}{one.arg}" not in held]
    arguments.defaults = kept
    keyed = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    arguments.kw_defaults = [None if f"{before}{one.arg}" in held else default for one, default in keyed]


def stored_names(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The names that statements bind in their own scope."""
    for node in nodes:
        if isinstance(node, Function | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest
        if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            yield from (one.target.id for one in ast.walk(node) if isinstance(one, ast.NamedExpr))
        elif not isinstance(node, Function | ast.ClassDef | ast.Lambda):
            yield from stored_names(ast.iter_child_nodes(node))


# -- The global names that code refers to, with the attributes that it reads --

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

    def visit_FunctionDef(self, node: Function) -> None:
        self._all([*node.decorator_list, *node.args.defaults, *node.args.kw_defaults])
        self._inside(_scope_of(node.body, _arguments(node.args)), node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

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
