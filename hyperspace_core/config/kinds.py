"""The kinds of values that a parameter may hold, as its annotation declares them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from hyperspace_core.space import Range


@dataclass(frozen=True)
class Value:
    """A plain value: int, float, str, bool, `Literal[…]`, Path, datetime and others."""

    type: Any
    range: Range | None = None


@dataclass(frozen=True)
class EnumOf:
    """A member of an Enum, written as its name."""

    type: type[Enum]


@dataclass(frozen=True)
class FamilyKind:
    """A component: a registered class of `family` that is `base` or a subclass of it."""

    family: type
    base: type


@dataclass(frozen=True)
class Nested:
    """A plain dataclass: a section without `className`."""

    target: type


@dataclass(frozen=True)
class LazyOf:
    """A factory for a component or dataclass; arguments may be left to run time."""

    kind: FamilyKind | Nested


@dataclass(frozen=True)
class ListOf:
    item: Kind
    into: type = list            # list, set or frozenset


@dataclass(frozen=True)
class TupleOf:
    """Fixed `items`, or any number of `rest`."""

    items: tuple[Kind, ...] = ()
    rest: Kind | None = None


@dataclass(frozen=True)
class DictOf:
    """String keys to values of one kind."""

    item: Kind


@dataclass(frozen=True)
class OptionalOf:
    kind: Kind


@dataclass(frozen=True)
class UnionOf:
    kinds: tuple[Kind, ...]


@dataclass(frozen=True)
class RawDict:
    """A dict that is passed on unchanged."""


@dataclass(frozen=True)
class AnyValue:
    """Any JSON value, passed on unchanged; of unknown type.

    `as_tuple`: a list becomes a tuple, because the parameter's default is one."""

    as_tuple: bool = False


@dataclass(frozen=True)
class Opaque:
    """A type that no config can hold, as an array: only default or caller give it."""

    label: str


Kind = (Value | EnumOf | FamilyKind | Nested | LazyOf | ListOf | TupleOf | DictOf | OptionalOf | UnionOf
        | RawDict | AnyValue | Opaque)


def describe(kind: Kind) -> str:  # noqa: PLR0911 - one line a kind
    """The kind as an annotation: `int | None`, `list[Layer]`, `Lazy[Aggregation]`."""
    match kind:
        case Value(type=type_):
            return _type_name(type_)
        case EnumOf(type=type_):
            return type_.__name__
        case FamilyKind(base=target) | Nested(target=target):
            return target.__name__
        case LazyOf(kind=inner):
            return f"Lazy[{describe(inner)}]"
        case ListOf(item=item, into=into):
            return f"{into.__name__}[{describe(item)}]"
        case TupleOf(items=items, rest=rest):
            return f"tuple[{', '.join(map(describe, items)) if rest is None else describe(rest) + ', ...'}]"
        case DictOf(item=item):
            return f"dict[str, {describe(item)}]"
        case OptionalOf(kind=inner):
            return f"{describe(inner)} | None"
        case UnionOf(kinds=kinds):
            return " | ".join(map(describe, kinds))
        case RawDict():
            return "dict"
        case AnyValue():
            return "any value"
        case Opaque(label=label):
            return label


def _type_name(type_: Any) -> str:
    if get_origin(type_) is Literal:
        return " or ".join(map(repr, get_args(type_)))
    return getattr(type_, "__name__", None) or str(type_)


def is_sequence(kind: Kind, default: Any = None) -> bool:
    """Whether a list is a value of this kind, rather than alternatives in a grid."""
    match kind:
        case ListOf() | TupleOf():
            return True
        case OptionalOf(kind=inner):
            return is_sequence(inner, default)
        case UnionOf(kinds=kinds):
            return any(is_sequence(inner, default) for inner in kinds)
        case AnyValue():
            return isinstance(default, list | tuple)
        case Value(type=type_):
            return isinstance(type_, type) and issubclass(type_, tuple)          # a NamedTuple
        case _:
            return False


def item_kinds(kind: ListOf | TupleOf, count: int) -> tuple[Kind, ...]:
    """The kind of each of `count` items; a tuple of fixed items gives its own length."""
    if isinstance(kind, ListOf):
        return (kind.item,) * count
    return kind.items if kind.rest is None else (kind.rest,) * count
