"""Complete configs: write in every default and report every mistake.

A config is a change to the defaults. A section without `className`, or with the default's, keeps what it does
not mention. Another `className`, or a component's bare name, starts from that class's own defaults. Values
outside a search range are accepted: the range says where to search, not what is valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperspace_core.config.catalog import Catalog, Entry
from hyperspace_core.config.instances import default_tree
from hyperspace_core.config.keys import bad_key, by_parameter, missing
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
from hyperspace_core.config.schema import Parameter, Signature, family_of, signature_of
from hyperspace_core.config.tree import (
    CLASS_NAME,
    MISSING,
    Tree,
    copied,
    join,
    shown,
    too_deep,
    unwrapped,
)
from hyperspace_core.config.unions import pick
from hyperspace_core.config.values import Mismatch, accept
from hyperspace_core.errors import ConfigError, RegistrationError, UnknownClassError


def complete(tree: Mapping[str, Any], signature: Signature, catalog: Catalog, *, path: str = "") -> Tree:
    """Return the tree with every default of `signature` written in.

    Idempotent; builds nothing, leaves `tree` alone. `path` is its place, for messages. Raises `ConfigError`
    with every problem of the tree, or `UnknownClassError` if one of them is a class that is not registered.
    """
    completed: Tree = _Completion(catalog).run(Nested(signature.target), tree, path, signature)
    return completed


def complete_component(family: type, tree: Any, catalog: Catalog, *, path: str = "") -> Tree:
    """Complete a component: a section with a `className`, or a bare name.

    `family` may be a class below a family: then only its subclasses can be chosen.
    """
    kind = FamilyKind(family_of(family) or family, family)
    completed: Tree = _Completion(catalog).run(kind, tree, path, None)
    return completed


def complete_value(tree: Any, kind: Kind, catalog: Catalog, *, path: str = "") -> Any:
    """Complete a value of any kind: a list of components, a factory, a plain number."""
    return _Completion(catalog).run(kind, tree, path, None)


def validate(tree: Mapping[str, Any], signature: Signature, catalog: Catalog, *,
             path: str = "") -> tuple[str, ...]:
    """All problems that `complete` would report, a line each."""
    try:
        complete(tree, signature, catalog, path=path)
    except ConfigError as error:
        return error.problems
    return ()


class _Completion:
    """One walk over a tree; continues after a problem to report all together."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.problems: list[str] = []
        self.unknown_class = False

    def run(self, kind: Kind, tree: Any, path: str, signature: Signature | None) -> Any:
        deep = too_deep(tree)
        if deep is not None:
            raise ConfigError(f"{_at(path)}nested deeper than 64 levels at {deep}")
        if signature is None:
            completed = self.value(tree, kind, MISSING, path)
        else:
            completed = self.section(tree, signature, MISSING, path)
        if self.problems:
            raise (UnknownClassError if self.unknown_class else ConfigError)(*self.problems)
        return completed

    def problem(self, path: str, text: str) -> Any:
        """Record a problem; return None, which takes the place of the value."""
        self.problems.append(f"{_at(path)}{text}")
        return None

    def mismatch(self, path: str, kind: Kind, value: Any) -> Any:
        return self.problem(path, f"expected {describe(kind)}, found {shown(value)}")

    # -- values ----------------------------------------------------------------------------------------------

    def value(self, value: Any, kind: Kind, base: Any, path: str) -> Any:  # noqa: PLR0911, PLR0912 - one line a kind
        """Return the completed value; `base` is the default that it changes, as a tree."""
        match kind:
            case Value() | EnumOf():
                return self.plain(value, kind, path)
            case OptionalOf(kind=inner):
                return None if value is None else self.value(value, inner, base, path)
            case FamilyKind():
                return self.component(value, kind, base, path)
            case LazyOf(kind=FamilyKind() as inner):
                return self.component(value, inner, base, path, lazy=True)
            case Nested(target=target):
                return self.section(value, signature_of(target), base, path)
            case LazyOf(kind=Nested(target=target)):
                return self.section(value, signature_of(target), base, path, lazy=True)
            case ListOf() | TupleOf():
                return self.items(value, kind, path)
            case DictOf(item=item):
                return self.named_items(value, kind, item, base, path)
            case UnionOf(kinds=kinds):
                member = pick(kinds, unwrapped(value), self.catalog)
                if member is None:
                    return self.mismatch(path, kind, value)
                return self.value(value, member, base, path)
            case RawDict():
                return copied(value) if isinstance(value, Mapping) else self.mismatch(path, kind, value)
            case AnyValue():
                return copied(value)
            case Opaque(label=label):
                return self.problem(path, f"{label} cannot be written in a config; found {shown(value)}")

    def plain(self, value: Any, kind: Value | EnumOf, path: str) -> Any:
        try:
            return accept(kind, value)
        except Mismatch as error:
            return self.problem(path, str(error))

    def items(self, value: Any, kind: ListOf | TupleOf, path: str) -> Any:
        if not isinstance(value, list | tuple | set | frozenset):
            return self.mismatch(path, kind, value)
        kinds = item_kinds(kind, len(value))
        if len(kinds) != len(value):
            return self.problem(path, f"expected {describe(kind)}, {len(kinds)} items, found {len(value)}")
        return [self.value(inner, k, MISSING, join(path, index))
                for index, (inner, k) in enumerate(zip(value, kinds, strict=True))]

    def named_items(self, value: Any, kind: Kind, item: Kind, base: Any, path: str) -> Any:
        """Complete a dict, which replaces its default; an item's class defaults by key."""
        if not isinstance(value, Mapping):
            return self.mismatch(path, kind, value)
        bases = base if isinstance(base, dict) else {}
        return {key: self.value(inner, item, bases.get(key, MISSING), join(path, key))
                for key, inner in value.items() if isinstance(key, str) or self.problem(path, bad_key(key))}

    # -- sections --------------------------------------------------------------------------------------------

    def component(self, value: Any, kind: FamilyKind, base: Any, path: str, *, lazy: bool = False) -> Any:
        if isinstance(value, str):
            entry, body, base = self.find(kind, value, path), {}, MISSING
        elif isinstance(value, Mapping):
            entry = self.class_of(value, kind, base, path)
            body = {key: inner for key, inner in value.items() if key != CLASS_NAME}
            if entry is not None and not self.is_of(base, kind, entry):
                base = MISSING
        else:
            return self.problem(path, f"expected {describe(kind)} (a name, or a section with className), "
                                      f"found {shown(value)}")
        if entry is None:
            return None
        signature = signature_of(entry.target)
        return {CLASS_NAME: entry.name} | self.section(body, signature, base, path, lazy=lazy)

    def class_of(self, section: Mapping[str, Any], kind: FamilyKind, base: Any, path: str) -> Entry | None:
        """The class that the section, else its default, else the annotation names."""
        name = section.get(CLASS_NAME, MISSING)
        if name is MISSING and isinstance(base, dict):
            name = base.get(CLASS_NAME, MISSING)
        if name is MISSING:
            own = [e for e in self.catalog.entries(kind.family) if e.target is kind.base]
            if own:
                return own[0]
            known = [e.name for e in self.catalog.entries(kind.family) if e.target is not kind.base]
            self.problem(join(path, CLASS_NAME), f"missing; choose the {kind.base.__name__}: "
                                                 f"{', '.join(known[:20]) or 'none is registered'}")
            return None
        if not isinstance(name, str):
            self.problem(join(path, CLASS_NAME), f"expected a class name, found {shown(name)}")
            return None
        return self.find(kind, name, join(path, CLASS_NAME) if CLASS_NAME in section else path)

    def find(self, kind: FamilyKind, name: str, path: str) -> Entry | None:
        try:
            return self.catalog.find(kind.family, name, below=kind.base)
        except UnknownClassError as error:
            self.unknown_class = True
            self.problem(path, str(error))
            return None

    def is_of(self, base: Any, kind: FamilyKind, entry: Entry) -> bool:
        """Whether the default is of exactly that class, under any of its names."""
        name = base.get(CLASS_NAME) if isinstance(base, dict) else None
        try:
            return name is not None and self.catalog.find(kind.family, name) is entry
        except UnknownClassError:
            return False

    def section(self, value: Any, signature: Signature, base: Any, path: str, *, lazy: bool = False) -> Tree:
        if not isinstance(value, Mapping):
            self.problem(path, f"expected a section for {signature.name}, found {shown(value)}")
            return {}
        given, problems = by_parameter(value, signature, path)
        self.problems += problems
        bases = base if isinstance(base, dict) else {}
        completed: Tree = {}
        for parameter in signature.parameters:
            name = parameter.name
            default = bases.get(name, MISSING)
            if default is MISSING:
                default = self.default(parameter, signature, path, used=name not in given)
            if name in given:
                completed[name] = self.value(given[name], parameter.kind, default, join(path, name))
            elif default is not MISSING:
                completed[name] = self.value(default, parameter.kind, default, join(path, name))
            elif parameter.required and not lazy:
                self.problem(join(path, name), missing(signature, parameter))
        return completed

    def default(self, parameter: Parameter, signature: Signature, path: str, *,
                used: bool) -> Any:
        """A parameter's default as a tree; an unused one may be of an unregistered class."""
        where = f"{signature.name}.{parameter.name}"
        try:
            return default_tree(parameter, where, self.catalog.name_of)
        except UnknownClassError as error:
            if used:
                self.unknown_class = True
                self.problem(join(path, parameter.name), str(error))
        except RegistrationError as error:
            if used:
                self.problem(join(path, parameter.name), str(error))
        return MISSING


def _at(path: str) -> str:
    return f"`{path}`: " if path else ""
