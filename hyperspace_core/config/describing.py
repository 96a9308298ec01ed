"""Describe parameters for display: type, range, default, choices, help."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hyperspace_core.config.catalog import Catalog
from hyperspace_core.config.instances import default_tree
from hyperspace_core.config.kinds import (
    DictOf,
    EnumOf,
    FamilyKind,
    Kind,
    LazyOf,
    ListOf,
    Nested,
    OptionalOf,
    TupleOf,
    UnionOf,
    describe,
)
from hyperspace_core.config.schema import Parameter, Signature, signature_of
from hyperspace_core.config.tree import MISSING, join
from hyperspace_core.errors import HyperspaceError
from hyperspace_core.space import Choice, Range


@dataclass(frozen=True, kw_only=True)
class Described:
    """One parameter. `default` is the value in a completed config, or None."""

    name: str                      # the dotted path of a field in a plain dataclass
    type: str                      # as a user would annotate it
    required: bool
    default: Any = None
    range: Range | None = None
    choices: tuple[str, ...] = ()  # class names of a component, members of an Enum
    help: str = ""


def described(signature: Signature, catalog: Catalog, *, path: str = "",
              above: tuple[type, ...] = ()) -> Iterator[Described]:
    """List a signature's parameters in order, each followed by its dataclass fields.

    `above`: the dataclasses around this one; a dataclass inside itself is described once.
    """
    for parameter in signature.parameters:
        name = join(path, parameter.name)
        yield Described(
            name=name, type=describe(parameter.kind), required=parameter.required, help=parameter.help,
            default=_default(parameter, catalog), range=parameter.range,
            choices=tuple(dict.fromkeys(_choices(parameter.kind, catalog))))
        nested = _nested(parameter.kind)
        if nested is not None and nested.target not in above:
            yield from described(signature_of(nested.target), catalog, path=name,
                                 above=(*above, nested.target))


def range_text(given: Range) -> str:
    """`10 to 1000, log`, or `one of adam, sgd`."""
    if isinstance(given, Choice):
        return f"one of {', '.join(map(str, given.values))}"
    step = "" if given.step in (None, 1) else f", in steps of {_short(given.step)}"
    return f"{_short(given.low)} to {_short(given.high)}{', log' if given.log else ''}{step}"


def _short(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


def _default(parameter: Parameter, catalog: Catalog) -> Any:
    try:
        tree = default_tree(parameter, parameter.name, catalog.name_of)
    except HyperspaceError:        # its class is not registered: completion reports it where it is used
        return None
    return None if tree is MISSING else tree


def _choices(kind: Kind, catalog: Catalog) -> Iterator[str]:
    if isinstance(kind, FamilyKind):
        yield from (entry.name for entry in catalog.entries(kind.family, below=kind.base))
    if isinstance(kind, EnumOf):
        yield from kind.type.__members__
    for inner in _inside(kind):
        yield from _choices(inner, catalog)


def _nested(kind: Kind) -> Nested | None:
    if isinstance(kind, Nested):
        return kind
    inner = kind.kind if isinstance(kind, OptionalOf | LazyOf) else None
    return None if inner is None else _nested(inner)


def _inside(kind: Kind) -> tuple[Kind, ...]:
    match kind:
        case OptionalOf(kind=inner) | LazyOf(kind=inner) | ListOf(item=inner) | DictOf(item=inner):
            return (inner,)
        case UnionOf(kinds=kinds):
            return kinds
        case TupleOf(items=items, rest=rest):
            return items if rest is None else (*items, rest)
        case _:
            return ()
