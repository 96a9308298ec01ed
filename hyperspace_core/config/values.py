"""Plain values: strict checks into trees, conversion to Python types back."""

from __future__ import annotations

import datetime
import decimal
import types
import typing
import uuid
from enum import Enum
from pathlib import PurePath
from typing import Any, Literal, get_args, get_origin

import msgspec

from hyperspace_core.config.kinds import EnumOf, Value
from hyperspace_core.config.tree import HIGHEST, LOWEST, shown, unwrapped
from hyperspace_core.errors import did_you_mean

_CHECKED_TYPES = (int, float, str, bool, bytes, type(None), datetime.datetime, datetime.date, datetime.time,
                  datetime.timedelta, uuid.UUID, decimal.Decimal)


class Mismatch(Exception):
    """A value of the wrong kind; the text says what was expected and found."""


def is_checked(type_: Any) -> bool:
    """Whether a config can hold values of this type as `Value`."""
    if get_origin(type_) is Literal:
        return all(isinstance(value, int | str | bool | None) for value in get_args(type_))
    if not isinstance(type_, type):
        return False
    if type_ in _CHECKED_TYPES or issubclass(type_, PurePath | msgspec.Struct):
        return True
    # TypedDict and NamedTuple
    return typing.is_typeddict(type_) or (issubclass(type_, tuple) and hasattr(type_, "_fields"))


def accept(kind: Value | EnumOf, value: Any) -> Any:
    """The value in a tree; converts only int to float. Raises `Mismatch`."""
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
    if isinstance(value, bool) or not isinstance(value, int | float):
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
    if get_origin(annotation) in (typing.Union, types.UnionType):
        return get_args(annotation)
    return ()

