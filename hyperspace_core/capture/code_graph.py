"""The top-level names of a module, with the statements that bind them."""

from __future__ import annotations

import ast
import copy
import importlib.machinery
import linecache
import os
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from hyperspace_core.capture.files import Stamp, stamp_of
from hyperspace_core.capture.project_modules import CORE, in_place
from hyperspace_core.config.tree import MISSING

# -- A normal form of source code that changes only with its meaning --

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


STAR = "*"
_COMPOUND = (ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar)

_MAIN = text_of(ast.parse("__name__ == '__main__'", mode="eval").body)


@dataclass(frozen=True)
class Piece:
    """One statement with the conditions (`if`, `for`, `try`, …) around it."""

    statement: ast.stmt
    conditions: tuple[ast.AST, ...] = ()
    imported: Imported | None = None


@dataclass(frozen=True)
class Code:
    """A name's definition: text, references, and which are base classes."""

    text: str
    references: frozenset[Reference]
    bases: frozenset[Reference]


@dataclass
class Bindings:
    """The names of one module."""

    module: str
    package: str                   # start of relative imports
    names: dict[str, list[Piece]] = field(default_factory=dict)
    stars: list[Imported] = field(default_factory=list)
    _codes: dict[tuple[str, bool], Code] = field(default_factory=dict)

    def add(self, source: str | bytes, *, anew: bool = False) -> None:
        """Add a source; `anew`: its definitions replace earlier ones (a notebook's cell).

        Raises `SyntaxError` and `ValueError`.
        """
        found: dict[str, list[Piece]] = {}
        for name, piece in _pieces(ast.parse(source).body, ()):
            if name == STAR and piece.imported is not None:
                self.stars.append(piece.imported)
            else:
                found.setdefault(name, []).append(piece)
        for name, pieces in found.items():
            defines = isinstance(pieces[0].statement, Function | ast.ClassDef | ast.Import | ast.ImportFrom)
            self.names[name] = pieces if anew and defines else [*self.names.get(name, ()), *pieces]

    def code(self, name: str, *, component: bool) -> Code:
        """The definition of a name, without imports; a component's defaults do not count."""
        known = self._codes.get((name, component))
        if known is None:
            own = [piece for piece in self.names[name] if piece.imported is None]
            known = self._codes[name, component] = _code(own, component=component)
        return known


def _code(pieces: list[Piece], *, component: bool) -> Code:
    texts: list[str] = []
    nodes: list[ast.AST] = []
    bases: list[ast.AST] = []
    for piece in pieces:
        statement = plain(piece.statement, component=component)
        texts += [*map(text_of, piece.conditions), text_of(statement)]
        nodes += [*piece.conditions, statement]
        bases += statement.bases if isinstance(statement, ast.ClassDef) else []
    return Code("\n".join(texts), frozenset(references(nodes)), frozenset(references(bases)))


def _pieces(body: Iterable[ast.stmt], conditions: tuple[ast.AST, ...]) -> Iterator[tuple[str, Piece]]:
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for name, imported in imports_of(statement).items():
                yield name, Piece(statement, conditions, imported)
            continue
        header, blocks = _compound(statement)
        for name in sorted(_bound(header)):
            yield name, Piece(header, conditions)
        for condition, block in blocks:
            yield from _pieces(block, (*conditions, *condition))


def _compound(statement: ast.stmt) -> tuple[ast.stmt, list[tuple[list[ast.AST], list[ast.stmt]]]]:
    """A statement without its blocks, and each block with its conditions."""
    if isinstance(statement, ast.If):
        if last_name(statement.test) == "TYPE_CHECKING":
            return ast.Pass(), [([], statement.orelse)]
        if _is_main(statement.test):
            return ast.Pass(), []
        test = plain(statement.test)
        return ast.Pass(), [([test], statement.body), ([ast.Not(), test], statement.orelse)]
    if not isinstance(statement, _COMPOUND):
        return statement, []
    header: Any = copy.copy(statement)
    blocks: list[tuple[list[ast.AST], list[ast.stmt]]] = []
    for name in ("body", "orelse", "finalbody"):
        if getattr(statement, name, None):
            blocks.append(([ast.Constant(value=name)], getattr(statement, name)))
            setattr(header, name, [])
    handlers = getattr(statement, "handlers", [])
    blocks += [([ast.Constant(value="except"), *filter(None, [one.type])], one.body) for one in handlers]
    if handlers:
        return ast.Pass(), blocks
    plain_header = plain(header)
    return plain_header, [([plain_header, *condition], block) for condition, block in blocks]


def _is_main(test: ast.AST) -> bool:
    return text_of(test) == _MAIN


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a statement binds or whose value it may change."""
    if isinstance(statement, Function | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.AnnAssign) and statement.value is None:
        return set()
    found = set(stored_names([statement]))
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    for target in filter(None, targets):
        found |= {root for one in ast.walk(target) if (root := _root(one)) is not None}
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value                     # `table.update(…)`, `fill(table)`
        changed = [*call.args, *([call.func] if isinstance(call.func, ast.Attribute) else [])]
        found |= {root for one in changed if (root := _root(one)) is not None}
    return found


def _root(node: ast.AST) -> str | None:
    """The name that `a.b[c]` begins with."""
    while isinstance(node, ast.Subscript | ast.Attribute | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    whole = chain(node)
    return None if whole is None else whole[0]


# -- The source of the project's modules, parsed without importing them --

_UNREADABLE = (OSError, SyntaxError, ValueError, RecursionError)


class Modules:
    """The modules of given packages and of others under development."""

    def __init__(self) -> None:
        self.tops: frozenset[str] = frozenset()
        self._parsed: dict[str, tuple[Stamp, Bindings | None]] = {}
        self._foreign: dict[str, bool] = {}

    def cover(self, tops: Collection[str]) -> None:
        """Add packages and modules that are the project's own, even if installed."""
        if not self.tops.issuperset(tops):
            self.tops |= frozenset(tops)
            self._foreign.clear()

    def find(self, name: str) -> Bindings | None:
        """A module's names; None if foreign, missing or not parsable."""
        if not self.is_own(name):
            return None
        file = self.file(name)
        return _live(name) if file is None else self._parse(name, file)

    def is_own(self, name: str) -> bool:
        """Whether a module is part of the project's code."""
        return bool(name) and not self._is_foreign(name.partition(".")[0])

    def file(self, name: str) -> str | None:
        """The file of a module's source."""
        loaded = sys.modules.get(name)
        file = getattr(loaded, "__file__", None)
        if loaded is not None:
            return file if isinstance(file, str) and file.endswith(".py") else None
        above, _, last = name.rpartition(".")
        folders = _folders(above)
        if folders is None:
            return None
        for folder in folders:
            for place in (f"{folder}/{last}/__init__.py", f"{folder}/{last}.py"):
                if Path(place).is_file():
                    return place
        return None

    def is_package(self, name: str) -> bool:
        """Whether a name is a package of the project, with or without `__init__`."""
        return self.is_own(name) and bool(_folders(name))

    def stamp(self, file: str) -> Stamp | None:
        try:
            return stamp_of(os.stat(file))  # noqa: PTH116 - called for several files before every run
        except OSError:
            return None

    def _parse(self, name: str, file: str) -> Bindings | None:
        stamp = self.stamp(file)
        if stamp is None:
            return None
        known = self._parsed.get(name)
        if known is None or known[0] != stamp:
            is_package = Path(file).stem == "__init__"
            made = Bindings(name, name if is_package else name.rpartition(".")[0])
            known = self._parsed[name] = stamp, _filled(made, file)
        return known[1]

    def _is_foreign(self, top: str) -> bool:
        known = self._foreign.get(top)
        if known is None:
            known = self._foreign[top] = top not in self.tops and _is_installed(top)
        return known


def _filled(made: Bindings, file: str) -> Bindings | None:
    try:
        made.add(Path(file).read_bytes())
    except _UNREADABLE:
        return None
    return made


def _folders(package: str) -> list[str] | None:
    """The folders of a package's modules; None if unknown without an import."""
    if not package:
        return sys.path
    loaded = sys.modules.get(package)
    if loaded is not None:
        return list(getattr(loaded, "__path__", ()))
    above, _, last = package.rpartition(".")
    folders = _folders(above) if above else sys.path
    if folders is None:
        return None
    return [f"{folder}/{last}" for folder in folders if Path(folder, last).is_dir()]


def _is_installed(top: str) -> bool:
    if top == CORE or top in sys.builtin_module_names or top in sys.stdlib_module_names:
        return True
    module = sys.modules.get(top)
    if module is not None:
        file = getattr(module, "__file__", None)
        places = [file] if isinstance(file, str) else list(getattr(module, "__path__", ()))
        if not places:                             # built in, or typed into a session
            return getattr(module, "__spec__", None) is not None
        return not all(map(in_place, places))
    spec = importlib.machinery.PathFinder.find_spec(top)
    return spec is None or spec.origin is None or not in_place(spec.origin)


# -- without files -------------------------------------------------------------------------------------------


def _live(name: str) -> Bindings | None:
    """A notebook's module, from the cells that define its functions and classes."""
    module = sys.modules.get(name)
    if module is None or getattr(module, "__file__", None):
        return None
    made = Bindings(name, name.rpartition(".")[0])
    for file in _cells(module):
        try:
            made.add("".join(linecache.getlines(file)), anew=True)
        except _UNREADABLE:
            continue
    return made if made.names else None


def value_of(module: str, name: str) -> Any:
    """The value of a name in a module without a file; MISSING for any other module."""
    loaded = sys.modules.get(module)
    if loaded is None or getattr(loaded, "__file__", None):
        return MISSING
    return vars(loaded).get(name, MISSING)


def _cells(module: ModuleType) -> list[str]:
    """The cells of a module in order of execution, as far as their names show it."""
    files = {file for value in list(vars(module).values())
             if getattr(value, "__module__", None) == module.__name__ for file in _made_by(value)}
    return [file for file in linecache.cache if file in files]


def _made_by(value: Any) -> list[str]:
    functions = list(vars(value).values()) if isinstance(value, type) else [value]
    unwrapped = [getattr(one, "fget", None) or getattr(one, "__func__", one) for one in functions]
    codes = [getattr(one, "__code__", None) for one in unwrapped]
    return [code.co_filename for code in codes if code is not None]
