"""A normal form of source code that changes only with its meaning.

Comments, formatting, docstrings and annotations are removed, and methods are sorted by name. For a component
the defaults of its parameters are removed, too, because a config contains every value.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

Function = ast.FunctionDef | ast.AsyncFunctionDef
_Node = TypeVar("_Node", bound=ast.AST)

_CONFIGURED = ("__init__", "single_run")           # the methods whose arguments a config holds
_DATA = {"dataclass", "define", "frozen", "mutable", "attrs"}      # they make annotations fields
_UNSPOKEN = {"kind", "type_comment", "type_params", "ctx"}         # fields of nodes without effect


def plain(node: _Node, *, component: bool = False) -> _Node:
    """A copy in normal form; for a `component` also without defaults."""
    copied = copy.deepcopy(node)
    if component and isinstance(copied, ast.ClassDef):
        _without_configured(copied)
    elif component and isinstance(copied, Function):
        _without_defaults(copied)
    return _Plain().visit(copied) or copied


def text_of(node: Any) -> str:
    """The text of a node, the same for every version of Python."""
    if isinstance(node, ast.AST):
        fields = [f"{name}={text_of(value)}" for name, value in ast.iter_fields(node)
                  if name not in _UNSPOKEN and value is not None and value != []]
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join(map(text_of, node))}]"
    return repr(node)


def last_name(node: ast.AST) -> str:
    """`"dataclass"` of `dataclass`, `dataclasses.dataclass` and a call of either."""
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


class _Plain(ast.NodeTransformer):
    """Brings a tree into normal form, in place."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        return self._function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        # a dataclass field needs no value; elsewhere an annotation alone has no effect
        node.body = [_field(one) if isinstance(one, ast.AnnAssign) else one for one in node.body]
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

    def _function(self, node: Function) -> Any:
        node.returns = None
        return self.generic_visit(node)


def _field(node: ast.AnnAssign) -> ast.stmt:
    return ast.Assign(targets=[node.target], value=node.value or ast.Constant(value=...))


def _without_configured(node: ast.ClassDef) -> None:
    data = any(last_name(decorator) in _DATA for decorator in node.decorator_list)
    node.body = [one for one in node.body
                 if not (isinstance(one, ast.AnnAssign) and _is_configured(one, data))]
    for one in node.body:
        if isinstance(one, Function) and one.name in _CONFIGURED:
            _without_defaults(one)


def _is_configured(node: ast.AnnAssign, data: bool) -> bool:
    """Whether it declares a parameter of the constructor, or nothing."""
    if node.value is None:
        return True
    if not data or "ClassVar" in ast.unparse(node.annotation):
        return False
    options = node.value.keywords if isinstance(node.value, ast.Call) else ()
    off = text_of(ast.Constant(value=False))
    return not any(option.arg == "init" and text_of(option.value) == off for option in options)


def _without_defaults(node: Function) -> None:
    node.args.defaults = []
    node.args.kw_defaults = [None for _ in node.args.kw_defaults]


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
