"""Build objects from completed trees: new ones for each run, nothing is shared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperspace_core.components import Lazy
from hyperspace_core.config import types
from hyperspace_core.config.registry import Entry, Registry, pick
from hyperspace_core.config.signature import Signature, family_of, signature_of
from hyperspace_core.config.tree import CLASS_NAME, Tree, copied, join, shown
from hyperspace_core.errors import ConfigError, UnknownClassError


def build_arguments(tree: Mapping[str, Any], signature: Signature, registry: Registry, *,
                    path: str = "") -> dict[str, Any]:
    """Build the keyword arguments that a completed tree describes.

    A parameter that the tree lacks keeps the signature's default. Raises `ConfigError` (`UnknownClassError`)
    where the tree does not fit, and any exception of a component's constructor.
    """
    if not isinstance(tree, Mapping):
        raise _unfit(tree, types.Nested(signature.target), path)
    unknown = next((key for key in tree if key not in signature.by_name), None)
    if unknown is not None:
        raise ConfigError(f"`{join(path, unknown)}`: {signature.name} has no such parameter")
    return {key: build_value(value, signature.by_name[key].kind, registry, join(path, key))
            for key, value in tree.items()}


def build_component(family: type, tree: Any, registry: Registry, *, path: str = "") -> Any:
    """Build a component from a section or name; raises like `build_arguments`."""
    kind = types.FamilyKind(family_of(family) or family, family)
    entry, arguments = _component(tree, kind, registry, path)
    return entry.target(**arguments)


def build_value(tree: Any, kind: types.Kind, registry: Registry, path: str) -> Any:  # noqa: PLR0911, PLR0912 - a line a kind
    """The Python value for a tree of the given kind."""
    match kind:
        case types.Value() | types.EnumOf():
            try:
                return types.construct(kind, tree)
            except types.Mismatch as error:
                raise ConfigError(f"`{path}`: {error}") from None
        case types.OptionalOf(kind=inner):
            return None if tree is None else build_value(tree, inner, registry, path)
        case types.FamilyKind():
            entry, arguments = _component(tree, kind, registry, path)
            return entry.target(**arguments)
        case types.LazyOf(kind=types.FamilyKind() as inner):
            entry, arguments = _component(tree, inner, registry, path)
            return Lazy(entry.target, **arguments)
        case types.Nested(target=target):
            return target(**build_arguments(tree, signature_of(target), registry, path=path))
        case types.LazyOf(kind=types.Nested(target=target)):
            return Lazy(target, **build_arguments(tree, signature_of(target), registry, path=path))
        case types.ListOf() | types.TupleOf():
            return _items(tree, kind, registry, path)
        case types.DictOf(item=item, key=key_kind):
            if not isinstance(tree, Mapping):
                raise _unfit(tree, kind, path)
            try:
                return {types.key_of(key_kind, key): build_value(inner, item, registry, join(path, key))
                        for key, inner in tree.items()}
            except types.Mismatch as error:
                raise ConfigError(f"`{path}`: key: {error}") from None
        case types.UnionOf(kinds=kinds):
            member = pick(kinds, tree, registry)
            if member is None:
                raise _unfit(tree, kind, path)
            return build_value(tree, member, registry, path)
        case types.AnyValue(as_tuple=as_tuple):
            return tuple(copied(tree)) if as_tuple and isinstance(tree, list) else copied(tree)
        case types.RawDict():
            return copied(tree)
        case types.Opaque():
            raise _unfit(tree, kind, path)


def _component(tree: Any, kind: types.FamilyKind, registry: Registry, path: str) -> tuple[Entry, Tree]:
    section = {CLASS_NAME: tree} if isinstance(tree, str) else tree
    if not isinstance(section, Mapping) or not isinstance(section.get(CLASS_NAME), str):
        raise _unfit(tree, kind, path)
    try:
        entry = registry.find(kind.family, section[CLASS_NAME], below=kind.base)
    except UnknownClassError as error:
        raise UnknownClassError(f"`{join(path, CLASS_NAME)}`: {error}") from None
    body = {key: value for key, value in section.items() if key != CLASS_NAME}
    return entry, build_arguments(body, signature_of(entry.target), registry, path=path)


def _items(tree: Any, kind: types.ListOf | types.TupleOf, registry: Registry, path: str) -> Any:
    if not isinstance(tree, list | tuple):
        raise _unfit(tree, kind, path)
    kinds = types.item_kinds(kind, len(tree))
    if len(kinds) != len(tree):
        raise _unfit(tree, kind, path)
    built = (build_value(inner, k, registry, join(path, index))
             for index, (inner, k) in enumerate(zip(tree, kinds, strict=True)))
    return tuple(built) if isinstance(kind, types.TupleOf) else kind.into(built)


def _unfit(tree: Any, kind: types.Kind, path: str) -> ConfigError:
    at = f"`{path}`: " if path else ""
    return ConfigError(f"{at}expected {types.describe(kind)}, found {shown(tree)}; complete the config first")
