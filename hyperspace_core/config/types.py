"""The kinds of values that a parameter may hold, as its annotation declares them."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import json
import types
import typing
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any, Literal, get_args, get_origin

import msgspec

from hyperspace_core.config.tree import HIGHEST, LOWEST, Unquoted, is_number, shown, unwrapped
from hyperspace_core.errors import did_you_mean
from hyperspace_core.ranges import Range


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
    """A plain dataclass, attrs class or pydantic model: a section without `className`."""

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
    """Keys to values of one kind. A config has the keys as texts; `key` says what they are in Python."""

    item: Kind
    key: Value | EnumOf = Value(str)


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


def describe(kind: Kind) -> str:  # noqa: PLR0911, PLR0912 - one line a kind
    """The kind as an annotation: `int | None`, `list[Layer]`, `Lazy[Aggregation]`."""
    match kind:
        case Value(type=type_) if get_origin(type_) is Literal:
            return " or ".join(map(repr, get_args(type_)))
        case Value(type=type_):
            return getattr(type_, "__name__", None) or str(type_)
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
        case DictOf(item=item, key=key):
            return f"dict[{describe(key)}, {describe(item)}]"
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


def is_sequence(kind: Kind, default: Any = None) -> bool:
    """Whether a list is a value of this kind, rather than alternatives in a grid."""
    for one in alternatives(kind):
        named_tuple = isinstance(one, Value) and isinstance(one.type, type) and issubclass(one.type, tuple)
        untyped = isinstance(one, AnyValue) and isinstance(default, list | tuple)
        if named_tuple or untyped or isinstance(one, ListOf | TupleOf):
            return True
    return False


def component_kind(kind: Kind) -> FamilyKind | None:
    """The component, or the factory's component, that a value of this kind may be."""
    inner = (one.kind if isinstance(one, LazyOf) else one for one in alternatives(kind))
    return next((one for one in inner if isinstance(one, FamilyKind)), None)


def item_kinds(kind: ListOf | TupleOf, count: int) -> tuple[Kind, ...]:
    """The kind of each of `count` items; a tuple of fixed items gives its own length."""
    if isinstance(kind, ListOf):
        return (kind.item,) * count
    return kind.items if kind.rest is None else (kind.rest,) * count


# -- Plain values: strict checks into trees, conversion to Python types back --

_CHECKED_TYPES = (int, float, str, bool, bytes, type(None), datetime.datetime, datetime.date, datetime.time,
                  datetime.timedelta, uuid.UUID, decimal.Decimal)


def inner_kinds(kind: Kind) -> tuple[Kind, ...]:
    """The kinds that a kind is made of, one level down; empty for a plain one."""
    match kind:
        case OptionalOf(kind=inner) | LazyOf(kind=inner) | ListOf(item=inner) | DictOf(item=inner):
            return (inner,)
        case UnionOf(kinds=kinds):
            return kinds
        case TupleOf(items=items, rest=rest):
            return items if rest is None else (*items, rest)
        case _:
            return ()


def kinds_within(kind: Kind) -> Iterator[Kind]:
    """The kind and its inner kinds, at every depth."""
    yield kind
    for inner in inner_kinds(kind):
        yield from kinds_within(inner)


def alternatives(kind: Kind) -> Iterator[Kind]:
    """The kinds of which a value has one: the members of a union, that inside Optional, or itself."""
    if isinstance(kind, OptionalOf | UnionOf):
        for inner in inner_kinds(kind):
            yield from alternatives(inner)
    else:
        yield kind


class Mismatch(Exception):
    """A value of the wrong kind; the text says what was expected and found."""


def is_checked(type_: Any) -> bool:
    """Whether a config can hold values of this type as `Value`."""
    if get_origin(type_) is Literal:
        return all(isinstance(value, int | str | bool | None) and not isinstance(value, Enum)
                   for value in get_args(type_))
    if not isinstance(type_, type):
        return False
    if type_ in _CHECKED_TYPES or issubclass(type_, PurePath | msgspec.Struct):
        return True
    # TypedDict and NamedTuple
    return typing.is_typeddict(type_) or (issubclass(type_, tuple) and hasattr(type_, "_fields"))


_NOT_FINITE = ("inf", "+inf", "-inf", "nan", "Infinity", "+Infinity", "-Infinity", "NaN")     # JSON has none


def is_plain_record(target: Any) -> bool:
    """Whether a class is a dataclass, an attrs class or a pydantic model: a section without `className`."""
    return isinstance(target, type) and (dataclasses.is_dataclass(target) or any(
        hasattr(target, mark) for mark in ("__attrs_attrs__", "__pydantic_fields__")))


def accept(kind: Value | EnumOf, value: Any) -> Any:  # noqa: PLR0911 - one line a kind
    """The value in a tree; converts only int to float, and texts such as "inf". Raises `Mismatch`."""
    if type(value) is Unquoted:
        try:
            return accept(kind, str(value))
        except Mismatch:
            value = value.value
    value = unwrapped(value)
    if isinstance(kind, EnumOf):
        return _member(kind.type, value).name
    expected = kind.type
    if expected is int or expected is float:
        return _number(expected, value)
    if expected is str or expected is bool:
        if isinstance(value, expected):
            return str.__str__(value) if isinstance(value, str) else value
        raise _expected(expected.__name__, value)
    if get_origin(expected) is Literal:
        return _literal(expected, value)
    if isinstance(expected, type) and issubclass(expected, PurePath):
        if isinstance(value, str | PurePath):
            return str(value)
        raise _expected("a path", value)
    return msgspec.to_builtins(_converted(expected, value))


def key_text(kind: Value | EnumOf, key: Any) -> str:
    """The key of a dict in a tree: `1` is "1". Raises `Mismatch`."""
    if isinstance(key, str) and not isinstance(kind, EnumOf) and kind.type is not str:
        key = Unquoted(key, _scalar(key))
    accepted = accept(kind, key)
    return accepted if isinstance(accepted, str) else json.dumps(accepted)


def key_of(kind: Value | EnumOf, text: str) -> Any:
    """The key in Python for a key in a tree. Raises `Mismatch`."""
    if isinstance(kind, Value) and kind.type is str:
        return text
    return construct(kind, accept(kind, Unquoted(text, _scalar(text))))


def _scalar(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, list | dict) else value


def construct(kind: Value | EnumOf, tree: Any) -> Any:
    """The Python value for a tree's value. Raises `Mismatch`."""
    if isinstance(kind, EnumOf):
        return _member(kind.type, tree)
    expected = kind.type
    if expected in (int, float, str, bool) or get_origin(expected) is Literal:
        return accept(kind, tree)
    if isinstance(expected, type) and issubclass(expected, PurePath):
        return expected(accept(kind, tree))
    return _converted(expected, tree)


def _number(expected: type, value: Any) -> Any:
    if expected is float and isinstance(value, str) and value in _NOT_FINITE:
        return float(value)
    if not is_number(value):
        raise _expected(expected.__name__, value)
    if expected is float:
        try:
            return float(value)
        except OverflowError:
            raise Mismatch("number too large for a float") from None
    if not isinstance(value, int):
        raise _expected("int", value)
    if not LOWEST <= value <= HIGHEST:
        raise Mismatch("integer too large (limit 64 bit)")
    return int(value)


def _literal(expected: Any, value: Any) -> Any:
    values = get_args(expected)
    for known in values:
        if type(known) is type(value) and known == value:            # 1 == True in Python, not in a config
            return value
    near = did_you_mean(value, [v for v in values if isinstance(v, str)]) if isinstance(value, str) else ""
    raise Mismatch(f"expected {' or '.join(map(repr, values))}, found {shown(value)}{near}")


def _member(type_: type[Enum], value: Any) -> Enum:
    if isinstance(value, type_):
        return value
    if isinstance(value, str) and value in type_.__members__:
        return type_[value]
    for member in type_:
        if type(member.value) is type(value) and member.value == value:
            return member
    names = list(type_.__members__)
    near = did_you_mean(value, names) if isinstance(value, str) else ""
    raise Mismatch(f"expected one of {', '.join(names)}, found {shown(value)}{near}")


def _converted(expected: Any, value: Any) -> Any:
    try:
        return msgspec.convert(value, expected)
    except msgspec.ValidationError as error:
        name = getattr(expected, "__name__", str(expected))
        raise Mismatch(f"expected {name}, found {shown(value)} ({error})") from None


def _expected(name: str, value: Any) -> Mismatch:
    return Mismatch(f"expected {name}, found {shown(value)}")


def union_members(annotation: Any) -> tuple[Any, ...]:
    """The members of `A | B`, `Union[A, B]` and `Optional[A]`; else none."""
    return get_args(annotation) if get_origin(annotation) in (typing.Union, types.UnionType) else ()
