"""The top-level names of a module, with the statements that bind them."""

from __future__ import annotations

import ast
import copy
import importlib.machinery
import linecache
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from hyperspace_core.capture import syntax
from hyperspace_core.capture.files import FileStamp, stamp_at
from hyperspace_core.capture.project_modules import CORE, in_place
from hyperspace_core.config.tree import MISSING

STAR = "*"
_DEFINING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
_COMPOUND = (ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar)

_MAIN = syntax.node_text(ast.parse("__name__ == '__main__'", mode="eval").body)


@dataclass(frozen=True)
class BoundStatement:
    """One statement with the conditions (`if`, `for`, `try`, …) around it."""

    statement: ast.stmt
    conditions: tuple[ast.AST, ...] = ()
    imported: syntax.Imported | None = None


@dataclass(frozen=True)
class Definition:
    """A name's definition: text, references, and which are base classes."""

    text: str
    references: frozenset[syntax.Reference]
    bases: frozenset[syntax.Reference]


@dataclass
class Bindings:
    """The names of one module."""

    module: str
    package: str                   # start of relative imports
    names: dict[str, list[BoundStatement]] = field(default_factory=dict)
    stars: list[syntax.Imported] = field(default_factory=list)
    _codes: dict[tuple[str, frozenset[str] | None], Definition] = field(default_factory=dict)

    def add(self, source: str | bytes, *, anew: bool = False) -> None:
        """Add a source; `anew`: its definitions replace earlier ones (a notebook's cell).

        Raises `SyntaxError` and `ValueError`.
        """
        found: dict[str, list[BoundStatement]] = {}
        for name, piece in _pieces(ast.parse(source).body, ()):
            if name == STAR and piece.imported is not None:
                self.stars.append(piece.imported)
            else:
                found.setdefault(name, []).append(piece)
        for name, pieces in found.items():
            defines = isinstance(pieces[0].statement, _DEFINING)
            self.names[name] = pieces if anew and defines else [*self.names.get(name, ()), *pieces]

    def code(self, name: str, held: frozenset[str] | None = None) -> Definition:
        """The definition of a name, without imports; of a component without the defaults that are `held`."""
        known = self._codes.get((name, held))
        if known is None:
            own = [piece for piece in self.names[name] if piece.imported is None]
            known = self._codes[name, held] = _code(own, held)
        return known


def _code(pieces: list[BoundStatement], held: frozenset[str] | None) -> Definition:
    texts: list[str] = []
    nodes: list[ast.AST] = []
    bases: list[ast.AST] = []
    for piece in pieces:
        statement = syntax.normal_form(piece.statement, held=held)
        texts += [*map(syntax.node_text, piece.conditions), syntax.node_text(statement)]
        nodes += [*piece.conditions, statement]
        bases += statement.bases if isinstance(statement, ast.ClassDef) else []
    found, of_bases = frozenset(syntax.references(nodes)), frozenset(syntax.references(bases))
    return Definition("\n".join(texts), found, of_bases)


def _pieces(body: Iterable[ast.stmt],
            conditions: tuple[ast.AST, ...]) -> Iterator[tuple[str, BoundStatement]]:
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for name, imported in syntax.imports_of(statement).items():
                yield name, BoundStatement(statement, conditions, imported)
            continue
        header, blocks = _compound(statement)
        for name in sorted(_bound(header)):
            yield name, BoundStatement(header, conditions)
        for condition, block in blocks:
            yield from _pieces(block, (*conditions, *condition))


def _compound(statement: ast.stmt) -> tuple[ast.stmt, list[tuple[list[ast.AST], list[ast.stmt]]]]:
    """A statement without its blocks, and each block with its conditions."""
    if isinstance(statement, ast.If):
        if syntax.last_name(statement.test) == "TYPE_CHECKING":
            return ast.Pass(), [([], statement.orelse)]
        if syntax.node_text(statement.test) == _MAIN:
            return ast.Pass(), []
        test = syntax.normal_form(statement.test)
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
    plain_header = syntax.normal_form(header)
    return plain_header, [([plain_header, *condition], block) for condition, block in blocks]


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a statement binds or whose value it may change."""
    if isinstance(statement, syntax.Function | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.AnnAssign) and statement.value is None:
        return set()
    found = set(syntax.stored_names([statement]))
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
    whole = syntax.chain(node)
    return None if whole is None else whole[0]


# -- The source of the project's modules, parsed without importing them --

_UNREADABLE = (OSError, SyntaxError, ValueError, RecursionError)


class Modules:
    """The modules of given packages and of others under development."""

    def __init__(self) -> None:
        self.tops: frozenset[str] = frozenset()
        self._parsed: dict[str, tuple[FileStamp, Bindings | None]] = {}
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
        top = name.partition(".")[0]
        if top and top not in self._foreign:
            self._foreign[top] = top not in self.tops and _is_installed(top)
        return bool(top) and not self._foreign[top]

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

    def _parse(self, name: str, file: str) -> Bindings | None:
        stamp = stamp_at(file)
        if stamp is None:
            return None
        known = self._parsed.get(name)
        if known is None or known[0] != stamp:
            is_package = Path(file).stem == "__init__"
            made = Bindings(name, name if is_package else name.rpartition(".")[0])
            known = self._parsed[name] = stamp, _filled(made, file)
        return known[1]


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
