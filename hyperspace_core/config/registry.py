"""The registry of components of a project: `className` to class, by family."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hyperspace_core.config import types
from hyperspace_core.config.annotations import family_of
from hyperspace_core.config.signature import Parameter, default_tree, signature_of
from hyperspace_core.config.tree import CLASS_NAME, MISSING, match_key, snake_case
from hyperspace_core.errors import HyperspaceError, RegistrationError, UnknownClassError, first_names, nearest

MAX_NAMED = 20                 # more known names than this are counted, not listed


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A registered class, its name in a config and the package that registered it."""

    name: str
    target: Any
    family: type
    origin: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """`module:line` of the class, and its origin."""
        place = place_of(self.target)
        return f"{place} ({self.origin})" if self.origin and self.origin != place else place


class Registry:
    """Families and their classes. Names are unique within a family."""

    def __init__(self) -> None:
        self._families: dict[type, dict[str, Entry]] = {}
        self._aliases: dict[type, dict[str, Entry]] = {}
        self._names: dict[tuple[type, Any], str] = {}
        self._notes: list[str] = []

    def add(self, family: type, target: Any, *, name: str | None = None, origin: str = "") -> Entry:
        """Register a class in a family.

        The same class may be registered again under the same name. A class that was defined again in its
        place (a notebook's cell, a reloaded module) replaces the old one. Raises `RegistrationError` for a
        name or alias that another class has, for abstract classes and families, and for an invalid signature.
        """
        entry = _entry(family, target, name, origin)
        old = self._families.get(family, {}).get(entry.name)
        if old is not None and old.target is target:
            return old
        if old is not None and _is_redefined(old.target, target):
            return self.replace(family, target, name=name, origin=origin)
        self._check_free(entry)
        return self._keep(entry)

    def replace(self, family: type, target: Any, *, name: str | None = None, origin: str = "") -> Entry:
        """Register a class, replacing the one that has its name now, if any."""
        entry = _entry(family, target, name, origin)
        old = self._families.get(family, {}).get(entry.name)
        self._check_free(entry, old)
        if old is not None:
            self._names.pop((family, old.target), None)
            aliases = self._aliases[family]
            self._aliases[family] = {alias: kept for alias, kept in aliases.items() if kept is not old}
        return self._keep(entry)

    def find(self, family: type, name: str, *, below: type | None = None) -> Entry:
        """Find a class by name or alias; with `below` only among its subclasses.

        Raises `UnknownClassError` with the known names, the nearest one and the catalog's notes.
        """
        entry = self.get(family, name, below=below)
        if entry is not None:
            return entry
        names = [entry.name for entry in self.entries(family, below=below)]
        what = snake_case((below or family).__name__).replace("_", " ")
        near = nearest(name, names)
        meant = f" Did you mean {near!r}?" if near else ""
        known = first_names(names, MAX_NAMED) or "none"
        raise UnknownClassError(f"no {what} {name!r}. Known: {known}.{meant}{self._noted()}")

    def get(self, family: type, name: object, *, below: type | None = None) -> Entry | None:
        """The class that `find` finds, or None."""
        if not isinstance(name, str):
            return None
        entry = self._families.get(family, {}).get(name) or self._aliases.get(family, {}).get(name)
        return entry if entry is not None and _is_below(entry, family, below) else None

    def default_of(self, parameter: Parameter) -> Any:
        """A parameter's default as a tree; `MISSING` if it has none.

        Also `MISSING` if its class is not registered: completion reports it where it is used.
        """
        try:
            return default_tree(parameter, parameter.name, self.name_of)
        except HyperspaceError:
            return MISSING

    def entries(self, family: type | None = None, *, below: type | None = None) -> tuple[Entry, ...]:
        """The classes of a family, or of all, by name; `below`: only its subclasses."""
        families = self._families if family is None else (family,)
        return tuple(entry for one in families for _, entry in sorted(self._families.get(one, {}).items())
                     if _is_below(entry, one, below))

    def name_of(self, family: type, target: type) -> str:
        """The registered name of a class. Raises `UnknownClassError` if it has none."""
        name = self._names.get((family, target))
        if name is None:
            raise UnknownClassError(f"the default is of class {target.__name__}, which is not registered as "
                                    f"{family.__name__}; register it{self._noted()}")
        return name

    def note(self, text: str) -> None:
        """Note why a class may be missing: "plugin 'x' failed to load: …"."""
        self._notes.append(text)

    def _noted(self) -> str:
        return f" ({'; '.join(self._notes)})" if self._notes else ""

    def _check_free(self, entry: Entry, leaving: Entry | None = None) -> None:
        known, aliases = self._families.get(entry.family, {}), self._aliases.get(entry.family, {})
        for name in (entry.name, *entry.aliases):
            taken = known.get(name) or aliases.get(name)
            if taken not in (None, leaving) and taken.target is not entry.target:
                raise RegistrationError(
                    f"two classes are registered as {entry.family.__name__} {name!r}: {taken.where} and "
                    f"{entry.where}; give one of them another name")

    def _keep(self, entry: Entry) -> Entry:
        self._families.setdefault(entry.family, {})[entry.name] = entry
        self._aliases.setdefault(entry.family, {}).update(dict.fromkeys(entry.aliases, entry))
        self._names.setdefault((entry.family, entry.target), entry.name)
        return entry


def _entry(family: type, target: Any, name: str | None, origin: str) -> Entry:
    if not isinstance(family, type) or family_of(family) is not family:
        shown = getattr(family, "__name__", repr(family))
        raise RegistrationError(f"{shown}: not a family; a family is a direct subclass of Component")
    if isinstance(target, type) and is_abstract(target):
        raise RegistrationError(f"{target.__name__}: abstract, so it cannot be built; register its "
                                "subclasses")
    entry_name = getattr(target, "__name__", "") if name is None else name
    if not isinstance(entry_name, str) or not entry_name.isprintable() or not entry_name.strip():
        raise RegistrationError(f"{target!r}: its name must be printable text, found {entry_name!r}")
    signature_of(target)
    return Entry(name=entry_name, target=target, family=family, origin=origin, aliases=_aliases_of(target))


def is_abstract(target: type) -> bool:
    """Whether a class is a family or has abstract methods: not a choice."""
    return inspect.isabstract(target) or family_of(target) is target


def _aliases_of(target: Any) -> tuple[str, ...]:
    # only a class's own aliases: a subclass does not inherit its parent's former names
    if not isinstance(target, type) or family_of(target) is None:
        return ()
    aliases = vars(target).get("aliases", ())
    if not isinstance(aliases, tuple | list) or not all(isinstance(alias, str) for alias in aliases):
        raise RegistrationError(f"{target.__name__}.aliases: expected a tuple of names, found {aliases!r}")
    return tuple(aliases)


def _is_redefined(old: Any, new: Any) -> bool:
    place = [(getattr(t, "__module__", None), getattr(t, "__qualname__", "<locals>")) for t in (old, new)]
    return place[0] == place[1] and "<locals>" not in str(place[0][1])


def _is_below(entry: Entry, family: type, below: type | None) -> bool:
    if below is None or below is family:
        return True
    return isinstance(entry.target, type) and issubclass(entry.target, below)


def place_of(target: Any) -> str:
    """`module:line` where a class or function is defined."""
    module = getattr(target, "__module__", "?")
    try:
        return f"{module}:{inspect.getsourcelines(target)[1]}"
    except (OSError, TypeError):
        return f"{module}.{getattr(target, '__qualname__', '?')}"


# -- Pick the member of a union that fits a value, by the value's shape --

def pick(kinds: tuple[types.Kind, ...], value: Any, registry: Registry) -> types.Kind | None:
    """The first member that fits the value; exact types first.

    `1` is an int in `float | int`. Else the likeliest member, for the message, or None."""
    exact: list[types.Kind] = [kind for kind in kinds
                               if isinstance(kind, types.Value) and kind.type is type(value)]
    if isinstance(value, str):                             # a component's name takes precedence over text
        exact = [*(kind for kind in kinds if isinstance(kind, types.FamilyKind | types.LazyOf)), *exact]
    fitting = next((kind for kind in [*exact, *kinds] if fits(kind, value, registry)), None)
    return fitting or next((kind for kind in kinds if _resembles(kind, value)), None)


def fits(kind: types.Kind, value: Any, registry: Registry) -> bool:  # noqa: PLR0911 - one line a kind
    """Whether the value has the shape of the kind, without a look into sections."""
    match kind:
        case types.Value() | types.EnumOf():
            return _is_accepted(types.accept, kind, value)
        case types.FamilyKind():
            name = value.get(CLASS_NAME) if isinstance(value, dict) else value
            return registry.get(kind.family, name, below=kind.base) is not None
        case types.LazyOf(kind=inner):
            return fits(inner, value, registry)
        case types.Nested(target=target):
            known = signature_of(target).by_name
            return isinstance(value, dict) and all(isinstance(k, str) and match_key(k, known) for k in value)
        case types.ListOf() | types.TupleOf():
            kinds = types.item_kinds(kind, len(value)) if isinstance(value, list | tuple) else ()
            return isinstance(value, list | tuple) and len(kinds) == len(value) and all(
                fits(inner, one, registry) for inner, one in zip(kinds, value, strict=True))
        case types.DictOf(item=item, key=key_kind):
            return isinstance(value, dict) and all(
                _is_accepted(types.key_text, key_kind, key) and fits(item, inner, registry)
                for key, inner in value.items())
        case types.OptionalOf(kind=inner):
            return value is None or fits(inner, value, registry)
        case types.UnionOf(kinds=kinds):
            return any(fits(inner, value, registry) for inner in kinds)
        case types.RawDict():
            return isinstance(value, dict) and CLASS_NAME not in value
        case types.AnyValue():
            return True
        case types.Opaque():
            return False


def _is_accepted(check: Callable[[types.Value | types.EnumOf, Any], Any], kind: types.Value | types.EnumOf,
                 value: Any) -> bool:
    try:
        check(kind, value)
    except types.Mismatch:
        return False
    return True


def _resembles(kind: types.Kind, value: Any) -> bool:
    match kind:
        case types.FamilyKind() | types.LazyOf() | types.Nested():
            return isinstance(value, dict) or (isinstance(value, str) and not isinstance(kind, types.Nested))
        case types.DictOf() | types.RawDict():
            return isinstance(value, dict)
        case types.ListOf() | types.TupleOf():
            return isinstance(value, list | tuple)
        case _:
            return False
