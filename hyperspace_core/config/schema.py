"""Signatures: the one source of names, types, defaults, help and search ranges.

`signature_of` reads a class, a function or a method and checks the types and ranges of its defaults, so that
a mistake is found when a component is registered and not in the middle of a run.
"""

from __future__ import annotations

import functools
from typing import Any

from hyperspace_core.config.annotations import family_of
from hyperspace_core.config.instances import default_tree
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
    TupleOf,
    UnionOf,
    Value,
    describe,
    item_kinds,
)
from hyperspace_core.config.reading import Parameter, Signature, read_method, read_signature
from hyperspace_core.config.tree import CLASS_NAME, MISSING
from hyperspace_core.config.values import Mismatch, accept
from hyperspace_core.errors import RegistrationError
from hyperspace_core.space import Choice, Float, Range

__all__ = ["MISSING", "Parameter", "Signature", "describe", "family_of", "signature_of",
           "signature_of_method"]


@functools.lru_cache(maxsize=4096)
def signature_of(target: Any) -> Signature:
    """Read and check the parameters of a class's constructor or a function.

    The parameter for the live run, if any, is named in `Signature.run`; it is not a hyper-parameter. Raises
    `RegistrationError`, naming class and parameter, for annotations that cannot be resolved, defaults of
    another type or outside their range, and ranges that do not fit the type."""
    return _checked(read_signature(target))


@functools.lru_cache(maxsize=1024)
def signature_of_method(owner: type, method: str) -> Signature:
    """Read and check a plain, static or class method, without its `self`."""
    return _checked(read_method(owner, method))


def _checked(signature: Signature) -> Signature:
    seen: set[Any] = {signature.target}
    waiting = [signature]
    while waiting:
        current = waiting.pop()
        for parameter in current.parameters:
            _check_parameter(f"{current.name}.{parameter.name}", parameter)
            # plain dataclasses belong to the signature that holds them: they are not registered themselves
            new = [target for target in _dataclasses_in(parameter.kind) if target not in seen]
            seen.update(new)
            waiting += map(read_signature, new)
    return signature


def _check_parameter(where: str, parameter: Parameter) -> None:
    if parameter.name == CLASS_NAME:
        raise RegistrationError(f"{where}: this name picks a component's class; rename the parameter")
    if parameter.default is None and not _may_be_none(parameter.kind):
        raise RegistrationError(f"{where}: the default is None; annotate it "
                                f"`{describe(parameter.kind)} | None`")
    if parameter.range is not None:
        check_range(where, parameter.kind, parameter.range)
    tree = default_tree(parameter, where)
    if tree is not MISSING:
        _check_bounds(where, tree, parameter.kind, parameter.range)


def _may_be_none(kind: Kind) -> bool:
    return isinstance(kind, OptionalOf | AnyValue | Opaque) or (
        isinstance(kind, UnionOf) and any(map(_may_be_none, kind.kinds)))


def _dataclasses_in(kind: Kind) -> list[type]:
    match kind:
        case Nested(target=target):
            return [target]
        case OptionalOf(kind=inner) | ListOf(item=inner) | DictOf(item=inner) | LazyOf(kind=inner):
            return _dataclasses_in(inner)
        case TupleOf(items=items, rest=rest):
            return [t for inner in (*items, *((rest,) if rest else ())) for t in _dataclasses_in(inner)]
        case UnionOf(kinds=kinds):
            return [t for inner in kinds for t in _dataclasses_in(inner)]
        case _:
            return []


def check_range(where: str, kind: Kind, range_: Range) -> None:
    """Check that a range describes values of the parameter's own type."""
    match kind:
        case OptionalOf(kind=inner):
            check_range(where, inner, range_)
        case Value() | EnumOf() if isinstance(range_, Choice):
            for value in range_.values:
                _accepted(where, kind, value, range_)
        case Value(type=type_) if type_ is float or (type_ is int and not isinstance(range_, Float)):
            return
        case FamilyKind() if isinstance(range_, Choice) and all(isinstance(v, str) for v in range_.values):
            return
        case UnionOf() if isinstance(range_, Choice):
            return
        case _:
            raise RegistrationError(f"{where}: {range_!r} does not describe values of type {describe(kind)}")


def _accepted(where: str, kind: Value | EnumOf, value: Any, range_: Range) -> Any:
    try:
        return accept(kind, value)
    except Mismatch as error:
        raise RegistrationError(f"{where}: {range_!r} does not fit the type: {error}") from None


def _check_bounds(where: str, tree: Any, kind: Kind, range_: Range | None) -> None:
    """Check that a default, as a tree, is in the range of its parameter or item."""
    if tree is None:
        return
    match kind:
        case OptionalOf(kind=inner):
            _check_bounds(where, tree, inner, range_)
        case ListOf(item=item):
            for index, inner_tree in enumerate(tree):
                _check_bounds(f"{where}.{index}", inner_tree, item, _range_of(item))
        case TupleOf():
            for index, (inner_tree, item) in enumerate(zip(tree, item_kinds(kind, len(tree)), strict=True)):
                _check_bounds(f"{where}.{index}", inner_tree, item, _range_of(item))
        case DictOf(item=item):
            for key, inner_tree in tree.items():
                _check_bounds(f"{where}.{key}", inner_tree, item, _range_of(item))
        case Value() | EnumOf() if range_ is not None:
            _check_contained(where, tree, in_tree_form(where, kind, range_))


def _check_contained(where: str, value: Any, range_: Range) -> None:
    if not range_.contains(value):
        raise RegistrationError(f"{where}: the default {value!r} is outside {range_!r}; "
                                "widen the range or change the default")


def _range_of(kind: Kind) -> Range | None:
    return kind.range if isinstance(kind, Value) else None


def in_tree_form(where: str, kind: Value | EnumOf, range_: Range) -> Range:
    """Choices as in a tree: `Choice(1, 2)` of a float parameter means 1.0 and 2.0."""
    if not isinstance(range_, Choice):
        return range_
    return Choice(*(_accepted(where, kind, value, range_) for value in range_.values))
