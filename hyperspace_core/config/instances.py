"""Read objects back into trees: the config of `Standard(mean=False)`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from hyperspace_core.config.annotations import family_of
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
    describe,
    item_kinds,
)
from hyperspace_core.config.lazy import Lazy
from hyperspace_core.config.reading import Parameter, Signature, read_signature
from hyperspace_core.config.tree import CLASS_NAME, MISSING, Tree, canonical, copied, is_json, shown
from hyperspace_core.config.values import Mismatch, accept
from hyperspace_core.errors import RegistrationError

NameOf = Callable[[type, type], str]       # (family, class) → its registered name


def class_name(family: type, target: type) -> str:
    """The name of a class where no registry is consulted."""
    return target.__name__


def tree_of(instance: Any, name_of: NameOf = class_name) -> Tree:
    """The config that builds an object like `instance`, at every depth.

    It has the class and the constructor's arguments, read from attributes of the same names. `instance`: a
    component, a plain dataclass, or a `Lazy` of one. Raises `RegistrationError` where an attribute is missing
    or has a value that no config can hold.
    """
    held = instance.target if isinstance(instance, Lazy) else type(instance)
    family = family_of(held)
    kind: Kind = Nested(held) if family is None else FamilyKind(family, family)
    if isinstance(instance, Lazy):
        kind = LazyOf(Nested(held) if family is None else FamilyKind(family, family))
    tree: Tree = value_tree(instance, kind, held.__name__, name_of)
    return tree


def default_tree(parameter: Parameter, where: str, name_of: NameOf = class_name) -> Any:
    """A parameter's default as in a completed config, or `MISSING`.

    `MISSING`: it has none, or only the constructor has it because no config can hold it."""
    if parameter.default is MISSING:
        return MISSING
    return _attribute_tree(parameter.default, parameter, where, name_of)


def value_tree(value: Any, kind: Kind, where: str,  # noqa: PLR0911, PLR0912 - one line a kind
               name_of: NameOf) -> Any:
    """A Python value as a tree. Raises `RegistrationError` where it is not of `kind`."""
    match kind:
        case Value() | EnumOf():
            return _plain_tree(value, kind, where)
        case OptionalOf(kind=inner):
            return None if value is None else value_tree(value, inner, where, name_of)
        case FamilyKind():
            return _component_tree(value, kind, where, name_of)
        case Nested(target=target):
            if type(value) is not target:                  # there is no className to record a subclass
                raise _unfit(value, kind, where)
            return _arguments_tree(value, read_signature(cast("Any", target)), where, name_of)
        case LazyOf():
            return _lazy_tree(value, kind, where, name_of)
        case ListOf() | TupleOf():
            return _items_tree(value, kind, where, name_of)
        case DictOf(item=item):
            if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
                raise _unfit(value, kind, where)
            return {key: value_tree(inner, item, f"{where}.{key}", name_of) for key, inner in value.items()}
        case UnionOf(kinds=kinds):
            return _union_tree(value, kinds, where, name_of)
        case RawDict():
            if not isinstance(value, Mapping) or not is_json(value):
                raise _unfit(value, kind, where)
            return copied(value)
        case AnyValue():
            return _untyped_tree(value, where, name_of)
        case Opaque():
            raise _unfit(value, kind, where)


def _unfit(value: Any, kind: Kind, where: str) -> RegistrationError:
    return RegistrationError(f"{where}: expected {describe(kind)}, found {shown(value)}")


def _plain_tree(value: Any, kind: Value | EnumOf, where: str) -> Any:
    try:
        return accept(kind, value)
    except Mismatch as error:
        raise RegistrationError(f"{where}: {error}") from None


def _component_tree(value: Any, kind: FamilyKind, where: str, name_of: NameOf) -> Tree:
    target = type(value)
    # a third-party class may be registered in any family; only the registry knows whether it fits
    plain = is_json(value) or isinstance(value, type)
    if plain or (family_of(target) and not isinstance(value, kind.base)):
        cure = f"; write {value.__name__}()" if isinstance(value, type) else ""
        raise RegistrationError(f"{where}: expected {describe(kind)}, found {shown(value)}{cure}")
    arguments = _arguments_tree(value, read_signature(cast("Any", target)), where, name_of)
    return {CLASS_NAME: name_of(kind.family, target)} | arguments


def _lazy_tree(value: Any, kind: LazyOf, where: str, name_of: NameOf) -> Tree:
    target = value if isinstance(value, type) else getattr(value, "target", None)
    base = kind.kind.base if isinstance(kind.kind, FamilyKind) else kind.kind.target
    known = target is base if isinstance(kind.kind, Nested) else isinstance(target, type) and (
        issubclass(target, base) or family_of(target) is None)
    if not isinstance(target, type) or not known or not isinstance(value, type | Lazy):
        raise RegistrationError(f"{where}: expected {describe(kind)}, found {shown(value)}; write a class or "
                                "Lazy(Class, argument=value)")
    named = {CLASS_NAME: name_of(kind.kind.family, target)} if isinstance(kind.kind, FamilyKind) else {}
    parameters = read_signature(target).by_name
    arguments = value.arguments if isinstance(value, Lazy) else {}
    for name in arguments:
        if name not in parameters:
            raise RegistrationError(f"{where}: {target.__name__} has no parameter `{name}`")
    return named | {name: value_tree(argument, parameters[name].kind, f"{where}.{name}", name_of)
                    for name, argument in arguments.items()}


def _items_tree(value: Any, kind: ListOf | TupleOf, where: str, name_of: NameOf) -> list[Any]:
    allowed: tuple[type, ...] = (list, tuple)
    if isinstance(kind, ListOf):
        allowed = (list, tuple) if kind.into is list else (set, frozenset, list, tuple)
    if not isinstance(value, allowed) or not isinstance(value, Collection):
        raise _unfit(value, kind, where)
    held: list[Any] = [*value]
    kinds = item_kinds(kind, len(held))
    if len(kinds) != len(held):
        raise _unfit(value, kind, where)
    items = [value_tree(inner, one, f"{where}.{index}", name_of)
             for index, (inner, one) in enumerate(zip(held, kinds, strict=True))]
    # a set has no order: sort it, so that equal defaults have equal digests
    return sorted(items, key=canonical) if isinstance(value, set | frozenset) else items


def _union_tree(value: Any, kinds: tuple[Kind, ...], where: str, name_of: NameOf) -> Any:
    exact = [kind for kind in kinds if isinstance(kind, Value) and kind.type is type(value)]
    for kind in [*exact, *kinds]:
        try:
            return value_tree(value, kind, where, name_of)
        except RegistrationError:
            continue
    raise _unfit(value, UnionOf(kinds), where)


def _untyped_tree(value: Any, where: str, name_of: NameOf) -> Any:
    if is_json(value):
        return copied(value)
    family = family_of(type(value))
    if family is None:
        raise RegistrationError(f"{where}: {shown(value)} cannot be written in a config")
    return _component_tree(value, FamilyKind(family, family), where, name_of)


def _arguments_tree(value: Any, signature: Signature, where: str, name_of: NameOf) -> Tree:
    tree: Tree = {}
    stored = {field.name for field in dataclasses.fields(value)} if dataclasses.is_dataclass(value) else None
    for parameter in signature.parameters:
        name = parameter.name
        # an InitVar's default would be found as an attribute of the class
        only_init = stored is not None and name not in stored and name in type(value).__dataclass_fields__
        if only_init or not hasattr(value, name):
            raise RegistrationError(
                f"{where}: the default {signature.name}(…) cannot be read back, it has no attribute "
                f"`{name}`; store the argument as self.{name}, or make {signature.name} a dataclass")
        read = _attribute_tree(getattr(value, name), parameter, f"{where}.{name}", name_of)
        if read is not MISSING:
            tree[name] = read
    return tree


def _attribute_tree(value: Any, parameter: Parameter, where: str, name_of: NameOf) -> Any:
    """The tree of an argument; `MISSING` for a default that no config can hold."""
    if value is parameter.default and value is not None and _only_in_python(value, parameter.kind):
        return MISSING
    return value_tree(value, parameter.kind, where, name_of)


def _only_in_python(value: Any, kind: Kind) -> bool:
    """Whether no config can hold a default of this kind: only the constructor has it."""
    match kind:
        case Opaque():
            return True
        case OptionalOf(kind=inner):
            return _only_in_python(value, inner)
        case AnyValue():
            return not is_json(value) and family_of(type(value)) is None
        case UnionOf(kinds=kinds):
            return not is_json(value) and any(_only_in_python(value, inner) for inner in kinds)
        case _:
            return False
