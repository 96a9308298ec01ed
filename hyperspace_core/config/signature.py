"""Signatures: the one source of names, types, defaults, help and search ranges.

`signature_of` reads a class, a function or a method and checks the types and ranges of its defaults, so that
a mistake is found when a component is registered and not in the middle of a run.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, cast, get_args, get_origin

from hyperspace_core.components import Lazy, Scenario
from hyperspace_core.config import types
from hyperspace_core.config.annotations import family_of
from hyperspace_core.config.parameters import Parameter, Signature, attribute_of, read_method, read_signature
from hyperspace_core.config.tree import CLASS_NAME, MISSING, Tree, canonical, copied, is_json, shown
from hyperspace_core.errors import RegistrationError, error_line
from hyperspace_core.ranges import Choice, Float, Range

# -- Read objects back into trees: the config of `Standard(mean=False)` --

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
    inner = types.Nested(held) if family is None else types.FamilyKind(family, family)
    kind = types.LazyOf(inner) if isinstance(instance, Lazy) else inner
    tree: Tree = value_tree(instance, kind, held.__name__, name_of)
    _check_built_again(held.__name__, instance)
    return tree


def _check_built_again(where: str, value: Any) -> None:
    """Check that the arguments read from an object build an equal one, at every depth.

    Raises `RegistrationError` with the attribute that the constructor changed."""
    if isinstance(value, list | tuple | set | frozenset | Mapping):
        for inner in value.values() if isinstance(value, Mapping) else value:
            _check_built_again(where, inner)
        return
    target = type(value)
    if isinstance(value, type | Lazy) or not (family_of(target) or types.is_plain_record(target)):
        return
    signature = read_signature(cast("Any", target))
    held = {one.name: getattr(value, attribute_of(target, one.name)) for one in signature.parameters}
    for name, inner in held.items():
        _check_built_again(f"{where}.{name}", inner)
    if signature.run is not None:
        return
    try:
        again = target(**held)
    except Exception as error:
        raise RegistrationError(f"{where}: {target.__name__} cannot be built again from its attributes "
                                f"({error_line(error)}); store each argument unchanged under its own name"
                                ) from error
    before, after = (_arguments_tree(one, signature, where, class_name) for one in (value, again))
    changed = next((name for name in before if canonical(before[name]) != canonical(after.get(name))), None)
    if changed is not None:
        raise RegistrationError(
            f"{where}: {target.__name__} changes `{changed}` in its constructor: it holds "
            f"{shown(before[changed])}, which would be built as {shown(after.get(changed))}; store the "
            f"argument unchanged as self.{changed}, and what is computed from it under another name")


def default_tree(parameter: Parameter, where: str, name_of: NameOf = class_name) -> Any:
    """A parameter's default as in a completed config, or `MISSING`.

    `MISSING`: it has none, or only the constructor has it because no config can hold it."""
    if parameter.default is MISSING:
        return MISSING
    return _attribute_tree(parameter.default, parameter, where, name_of)


def value_tree(value: Any, kind: types.Kind, where: str,  # noqa: PLR0911, PLR0912 - one line a kind
               name_of: NameOf) -> Any:
    """A Python value as a tree. Raises `RegistrationError` where it is not of `kind`."""
    match kind:
        case types.Value() | types.EnumOf():
            return _fitting(types.accept, kind, value, where)
        case types.OptionalOf(kind=inner):
            return None if value is None else value_tree(value, inner, where, name_of)
        case types.FamilyKind():
            return _component_tree(value, kind, where, name_of)
        case types.Nested(target=target):
            if type(value) is not target:                  # there is no className to record a subclass
                raise _unfit(value, kind, where)
            return _arguments_tree(value, read_signature(cast("Any", target)), where, name_of)
        case types.LazyOf():
            return _lazy_tree(value, kind, where, name_of)
        case types.ListOf() | types.TupleOf():
            return _items_tree(value, kind, where, name_of)
        case types.DictOf(item=item, key=key_kind):
            if not isinstance(value, Mapping):
                raise _unfit(value, kind, where)
            return {_fitting(types.key_text, key_kind, key, f"{where}: key"):
                    value_tree(inner, item, f"{where}.{key}", name_of) for key, inner in value.items()}
        case types.UnionOf(kinds=kinds):
            return _union_tree(value, kinds, where, name_of)
        case types.RawDict():
            if not isinstance(value, Mapping) or not is_json(value):
                raise _unfit(value, kind, where)
            return copied(value)
        case types.AnyValue():
            return _untyped_tree(value, where, name_of)
        case types.Opaque():
            raise _unfit(value, kind, where)


def _unfit(value: Any, kind: types.Kind, where: str) -> RegistrationError:
    return RegistrationError(f"{where}: expected {types.describe(kind)}, found {shown(value)}")


def _fitting(read: Callable[[types.Value | types.EnumOf, Any], Any], kind: types.Value | types.EnumOf,
             value: Any, where: str) -> Any:
    """What `types.accept` or `types.key_text` reads; a value that does not fit is an error of `where`."""
    try:
        return read(kind, value)
    except types.Mismatch as error:
        raise RegistrationError(f"{where}: {error}") from None


def _component_tree(value: Any, kind: types.FamilyKind, where: str, name_of: NameOf) -> Tree:
    target = type(value)
    # a third-party class may be registered in any family; only the registry knows whether it fits
    plain = is_json(value) or isinstance(value, type)
    if plain or (family_of(target) and not isinstance(value, kind.base)):
        cure = f"; write {value.__name__}()" if isinstance(value, type) else ""
        raise RegistrationError(f"{where}: expected {types.describe(kind)}, found {shown(value)}{cure}")
    arguments = _arguments_tree(value, read_signature(cast("Any", target)), where, name_of)
    return {CLASS_NAME: name_of(kind.family, target)} | arguments


def _lazy_tree(value: Any, kind: types.LazyOf, where: str, name_of: NameOf) -> Tree:
    target = value if isinstance(value, type) else getattr(value, "target", None)
    base = kind.kind.base if isinstance(kind.kind, types.FamilyKind) else kind.kind.target
    known = target is base if isinstance(kind.kind, types.Nested) else isinstance(target, type) and (
        issubclass(target, base) or family_of(target) is None)
    if not isinstance(target, type) or not known or not isinstance(value, type | Lazy):
        raise RegistrationError(f"{where}: expected {types.describe(kind)}, found {shown(value)}; write a "
                                "class or Lazy(Class, argument=value)")
    named = {CLASS_NAME: name_of(kind.kind.family, target)} if isinstance(kind.kind, types.FamilyKind) else {}
    parameters = read_signature(target).by_name
    arguments = value.arguments if isinstance(value, Lazy) else {}
    for name in arguments:
        if name not in parameters:
            raise RegistrationError(f"{where}: {target.__name__} has no parameter `{name}`")
    return named | {name: value_tree(argument, parameters[name].kind, f"{where}.{name}", name_of)
                    for name, argument in arguments.items()}


def _items_tree(value: Any, kind: types.ListOf | types.TupleOf, where: str, name_of: NameOf) -> list[Any]:
    a_set = isinstance(kind, types.ListOf) and kind.into is not list
    allowed: tuple[type, ...] = (set, frozenset, list, tuple) if a_set else (list, tuple)
    if not isinstance(value, allowed) or not isinstance(value, Collection):
        raise _unfit(value, kind, where)
    held: list[Any] = [*value]
    kinds = types.item_kinds(kind, len(held))
    if len(kinds) != len(held):
        raise _unfit(value, kind, where)
    items = [value_tree(inner, one, f"{where}.{index}", name_of)
             for index, (inner, one) in enumerate(zip(held, kinds, strict=True))]
    # a set has no order: sort it, so that equal defaults have equal digests
    return sorted(items, key=canonical) if isinstance(value, set | frozenset) else items


def _union_tree(value: Any, kinds: tuple[types.Kind, ...], where: str, name_of: NameOf) -> Any:
    exact = [kind for kind in kinds if isinstance(kind, types.Value) and kind.type is type(value)]
    for kind in [*exact, *kinds]:
        try:
            return value_tree(value, kind, where, name_of)
        except RegistrationError:
            continue
    raise _unfit(value, types.UnionOf(kinds), where)


def _untyped_tree(value: Any, where: str, name_of: NameOf) -> Any:
    if is_json(value):
        return copied(value)
    family = family_of(type(value))
    if family is None:
        raise RegistrationError(f"{where}: {shown(value)} cannot be written in a config")
    return _component_tree(value, types.FamilyKind(family, family), where, name_of)


def _arguments_tree(value: Any, signature: Signature, where: str, name_of: NameOf) -> Tree:
    tree: Tree = {}
    stored = {field.name for field in dataclasses.fields(value)} if dataclasses.is_dataclass(value) else None
    for parameter in signature.parameters:
        name = parameter.name
        # an InitVar's default would be found as an attribute of the class
        only_init = stored is not None and name not in stored and name in type(value).__dataclass_fields__
        attribute = attribute_of(type(value), name)
        if only_init or not hasattr(value, attribute):
            raise RegistrationError(
                f"{where}: the default {signature.name}(…) cannot be read back, it has no attribute "
                f"`{name}`; store the argument as self.{name}, or make {signature.name} a dataclass")
        read = _attribute_tree(getattr(value, attribute), parameter, f"{where}.{name}", name_of)
        if read is not MISSING:
            tree[name] = read
    return tree


def _attribute_tree(value: Any, parameter: Parameter, where: str, name_of: NameOf) -> Any:
    """The tree of an argument; `MISSING` for a default that no config can hold."""
    if value is parameter.default and value is not None and _only_in_python(value, parameter.kind):
        return MISSING
    return value_tree(value, parameter.kind, where, name_of)


def _only_in_python(value: Any, kind: types.Kind) -> bool:
    """Whether no config can hold a default of this kind: only the constructor has it."""
    match kind:
        case types.Opaque():
            return True
        case types.OptionalOf(kind=inner):
            return _only_in_python(value, inner)
        case types.AnyValue():
            return not is_json(value) and family_of(type(value)) is None
        case types.UnionOf(kinds=kinds):
            return not is_json(value) and any(_only_in_python(value, inner) for inner in kinds)
        case _:
            return False


__all__ = ["MISSING", "Parameter", "Signature", "family_of", "signature_of", "signature_of_method"]


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


def signatures_of(target: Any) -> dict[str, Signature]:
    """Method → its signature, for all parameters that a config holds; a function has no method."""
    if not isinstance(target, type):
        return {"": signature_of(target)}
    found = {"__init__": signature_of(target)}
    if issubclass(target, Scenario) and hasattr(target, "single_run"):
        found["single_run"] = signature_of_method(cast("Any", target), "single_run")
    return found


def _checked(signature: Signature) -> Signature:
    seen: set[Any] = {signature.target}
    waiting = [signature]
    while waiting:
        current = waiting.pop()
        for parameter in current.parameters:
            _check_parameter(f"{current.name}.{parameter.name}", parameter)
            # plain dataclasses belong to the signature that holds them: they are not registered themselves
            new = [one.target for one in types.kinds_within(parameter.kind)
                   if isinstance(one, types.Nested) and one.target not in seen]
            seen.update(new)
            waiting += map(read_signature, new)
    return signature


def _check_parameter(where: str, parameter: Parameter) -> None:
    if parameter.name == CLASS_NAME:
        raise RegistrationError(f"{where}: this name picks a component's class; rename the parameter")
    if parameter.default is None and not _may_be_none(parameter.kind):
        raise RegistrationError(f"{where}: the default is None; annotate it "
                                f"`{types.describe(parameter.kind)} | None`")
    if parameter.range is not None:
        check_range(where, parameter.kind, parameter.range)
    tree = default_tree(parameter, where)
    if tree is not MISSING:
        _check_built_again(where, parameter.default)
        _check_bounds(where, tree, parameter.kind, parameter.range)


def _may_be_none(kind: types.Kind) -> bool:
    match kind:
        case types.Value(type=type_):
            return get_origin(type_) is Literal and None in get_args(type_)
        case types.UnionOf(kinds=kinds):
            return any(map(_may_be_none, kinds))
        case _:
            return isinstance(kind, types.OptionalOf | types.AnyValue | types.Opaque)


def check_range(where: str, kind: types.Kind, range_: Range) -> None:
    """Check that a range describes values of the parameter's own type."""
    match kind:
        case types.OptionalOf(kind=inner):
            others = [v for v in range_.values if v is not None] if isinstance(range_, Choice) else []
            if others or not isinstance(range_, Choice):
                check_range(where, inner, Choice(*others) if others else range_)
        case types.ListOf() | types.TupleOf() | types.DictOf() | types.RawDict() if isinstance(
                range_, Choice):
            for value in range_.values:
                value_tree(value, kind, where, class_name)
        case types.Value() | types.EnumOf() if isinstance(range_, Choice):
            for value in range_.values:
                _fitting(types.accept, kind, value, f"{where}: {range_!r} does not fit the type")
        case types.Value(type=type_) if type_ is float or (type_ is int and not isinstance(range_, Float)):
            return
        case types.FamilyKind() if isinstance(range_, Choice) and all(
                isinstance(value, str) for value in range_.values):
            return
        case types.UnionOf() if isinstance(range_, Choice):
            return
        case _:
            raise RegistrationError(f"{where}: {range_!r} does not describe values of type "
                                    f"{types.describe(kind)}")


def _check_bounds(where: str, tree: Any, kind: types.Kind, range_: Range | None) -> None:
    """Check that a default, as a tree, is in the range of its parameter or item."""
    if tree is None:
        return
    match kind:
        case types.OptionalOf(kind=inner):
            _check_bounds(where, tree, inner, range_)
        case types.ListOf(item=item):
            for index, inner_tree in enumerate(tree):
                _check_bounds(f"{where}.{index}", inner_tree, item, _range_of(item))
        case types.TupleOf():
            item_kinds = types.item_kinds(kind, len(tree))
            for index, (inner_tree, item) in enumerate(zip(tree, item_kinds, strict=True)):
                _check_bounds(f"{where}.{index}", inner_tree, item, _range_of(item))
        case types.DictOf(item=item):
            for key, inner_tree in tree.items():
                _check_bounds(f"{where}.{key}", inner_tree, item, _range_of(item))
        case types.Value() | types.EnumOf() if range_ is not None:
            inside = in_tree_form(where, kind, range_)
            if not inside.contains(tree):
                raise RegistrationError(f"{where}: the default {tree!r} is outside {inside!r}; "
                                        "widen the range or change the default")


def _range_of(kind: types.Kind) -> Range | None:
    return kind.range if isinstance(kind, types.Value) else None


def in_tree_form(where: str, kind: types.Value | types.EnumOf, range_: Range) -> Range:
    """Choices as in a tree: `Choice(1, 2)` of a float parameter means 1.0 and 2.0."""
    if not isinstance(range_, Choice):
        return range_
    where = f"{where}: {range_!r} does not fit the type"
    return Choice(*(None if value is None else _fitting(types.accept, kind, value, where)
                    for value in range_.values))
