"""Pick the member of a union that fits a value, by the value's shape."""

from __future__ import annotations

from typing import Any

from hyperspace_core.config.catalog import Catalog
from hyperspace_core.config.kinds import (
    AnyValue,
    DictOf,
    EnumOf,
    FamilyKind,
    Kind,
    LazyOf,
    ListOf,
    Nested,
    Opaque,
    OptionalOf,
    RawDict,
    TupleOf,
    UnionOf,
    Value,
)
from hyperspace_core.config.schema import signature_of
from hyperspace_core.config.tree import CLASS_NAME, match_key
from hyperspace_core.config.values import Mismatch, accept
from hyperspace_core.errors import UnknownClassError


def pick(kinds: tuple[Kind, ...], value: Any, catalog: Catalog) -> Kind | None:
    """The first member that fits the value; exact types first.

    `1` is an int in `float | int`. Else the likeliest member, for the message, or None."""
    exact: list[Kind] = [kind for kind in kinds if isinstance(kind, Value) and kind.type is type(value)]
    if isinstance(value, str):                             # a component's name takes precedence over text
        exact = [*(kind for kind in kinds if isinstance(kind, FamilyKind | LazyOf)), *exact]
    fitting = next((kind for kind in [*exact, *kinds] if fits(kind, value, catalog)), None)
    return fitting or next((kind for kind in kinds if _resembles(kind, value)), None)


def fits(kind: Kind, value: Any, catalog: Catalog) -> bool:  # noqa: PLR0911, PLR0912 - one line a kind
    """Whether the value has the shape of the kind, without a look into sections."""
    match kind:
        case Value() | EnumOf():
            try:
                accept(kind, value)
            except Mismatch:
                return False
            return True
        case FamilyKind():
            return _names_class(kind, value, catalog)
        case LazyOf(kind=inner):
            return fits(inner, value, catalog)
        case Nested(target=target):
            known = signature_of(target).by_name
            return isinstance(value, dict) and all(isinstance(k, str) and match_key(k, known) for k in value)
        case ListOf(item=item):
            return isinstance(value, list | tuple) and all(fits(item, inner, catalog) for inner in value)
        case TupleOf(items=items, rest=rest):
            kinds = items if rest is None else (rest,) * len(value) if isinstance(value, list | tuple) else ()
            return isinstance(value, list | tuple) and len(kinds) == len(value) and all(
                fits(inner, one, catalog) for inner, one in zip(kinds, value, strict=True))
        case DictOf(item=item):
            return isinstance(value, dict) and all(fits(item, inner, catalog) for inner in value.values())
        case OptionalOf(kind=inner):
            return value is None or fits(inner, value, catalog)
        case UnionOf(kinds=kinds):
            return any(fits(inner, value, catalog) for inner in kinds)
        case RawDict():
            return isinstance(value, dict) and CLASS_NAME not in value
        case AnyValue():
            return True
        case Opaque():
            return False


def _names_class(kind: FamilyKind, value: Any, catalog: Catalog) -> bool:
    name = value.get(CLASS_NAME) if isinstance(value, dict) else value
    if not isinstance(name, str):
        return False
    try:
        catalog.find(kind.family, name, below=kind.base)
    except UnknownClassError:
        return False
    return True


def _resembles(kind: Kind, value: Any) -> bool:
    match kind:
        case FamilyKind() | LazyOf() | Nested():
            return isinstance(value, dict) or (isinstance(value, str) and not isinstance(kind, Nested))
        case DictOf() | RawDict():
            return isinstance(value, dict)
        case ListOf() | TupleOf():
            return isinstance(value, list | tuple)
        case _:
            return False
