"""The top-level names of a module, with the statements that bind them."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hyperspace_core.capture.names import Imported, Reference, chain, imports_of, references
from hyperspace_core.capture.syntax import Function, last_name, plain, stored_names, text_of

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
