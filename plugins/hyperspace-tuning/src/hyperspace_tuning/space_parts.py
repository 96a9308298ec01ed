"""Entries of a search space: single values, the classes of a family, lists and dicts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hyperspace_core.errors import ConfigError, UnknownClassError, did_you_mean
from hyperspace_core.plugin import (
    Entry as Registered,
    Registry,
    Tree,
    completion,
    kinds as kinds_,
    range_within,
    signatures,
    trees,
)
from hyperspace_core.ranges import Choice, Float, Int, Range
from hyperspace_tuning.space import (
    SWITCH,
    Conditions,
    Dimension,
    Entry,
    Fixed,
    Shape,
    partial_config,
    value_at,
    values_in,
)
from hyperspace_tuning.space_spec import alternatives_in, fitted_range, has_ranges, nearest_default, range_in

SPACE = "space="               # the source of values that the user gave


@dataclass(frozen=True, kw_only=True)
class SpacePlace:
    """The current place of the walk over the signatures."""

    path: str = ""
    key: str = ""
    when: Conditions = ()
    source: str = ""
    above: tuple[Any, ...] = ()    # the classes around this place
    optional: bool = False         # whether None is allowed here

    def at(self, name: object, source: str = "") -> SpacePlace:
        """The place of a parameter or an item inside this one."""
        return replace(self, path=trees.join(self.path, name), key=trees.join(self.key, name), optional=False,
                       source=source or self.source)

    def under(self, path: str, value: Any, target: Any = None, label: str = "") -> SpacePlace:
        """This place, where the choice at `path` is `value`."""
        return replace(self, key=f"{self.key}{label}", when=(*self.when, (path, value)), optional=False,
                       above=(*self.above, target))

    def fixed(self, value: Any, source: str = "") -> Fixed:
        return Fixed(path=self.path, key=self.key, value=value, when=self.when, source=source or self.source)

    def switch(self, *, default: Any, source: str = "") -> Dimension:
        """The choice between a value and None."""
        return Dimension(path=self.path + SWITCH, key=self.key + SWITCH, range=Choice(False, True),
                         default=default, when=self.when, source=source or self.source)

    def dimension(self, range_: Range, *, default: Any, source: str = "") -> Dimension | Fixed:
        """A dimension, or a fixed value where the range has a single value."""
        if values_in(range_) == 1:
            return self.fixed(range_.values[0] if isinstance(range_, Choice) else range_.low, source)
        return Dimension(path=self.path, key=self.key, range=range_, when=self.when,
                         default=nearest_default(range_, default), source=source or self.source)


@dataclass(frozen=True, kw_only=True)
class WantedLeaf:
    """One value to search: type, range, default as a tree, its part of `space=`."""

    kind: kinds_.Kind
    range: Range | None = None
    base: Any = trees.MISSING
    spec: Any = trees.MISSING


def leaf_entries(wanted: WantedLeaf, place: SpacePlace, registry: Registry) -> list[Entry]:
    """The entries of a number, a text, or a value that is tried as a whole.

    Raises `ConfigError` for a spec that does not fit the type.
    """
    kind, range_, base, spec = wanted.kind, wanted.range, wanted.base, wanted.spec
    if spec is trees.MISSING:
        if range_ is None:
            return [place.fixed(completion.complete_value(base, kind, registry, path=place.path))]
        return _ranged(fitted_range(range_, kind, place.path), base, place, or_none=base is None)
    if isinstance(spec, Int | Float):
        return _ranged(fitted_range(spec, kind, place.path), base, place, or_none=False, source=SPACE)
    offered = alternatives_in(spec, kind, base, place.path)
    several = [range_in(one, place.path) for one in ([spec] if offered is None else offered)]
    ranges = [one for one in several if isinstance(one, Int | Float)]
    if any(has_ranges(one) for one in several if one not in ranges):
        raise ConfigError(f"`{place.path}`: values inside it cannot be searched; offer whole values with "
                          '{"each": […]}')
    if offered is None:
        return [place.fixed(_whole(spec, kind, place, registry), SPACE)]
    if not ranges:
        values = [_whole(one, kind, place, registry) for one in several]
        distinct = {trees.canonical(value): value for value in values}
        return [place.dimension(Choice(*distinct.values()), default=base, source=SPACE)]
    rest = [one for one in several if not isinstance(one, Int | Float)]
    if len(ranges) > 1 or any(one is not None for one in rest):
        raise ConfigError(f"`{place.path}`: a range is mixed with other alternatives; give one range "
                          "(with None at most), or values alone")
    if rest:
        # raises where None is not allowed
        completion.complete_value(None, kind, registry, path=place.path)
    return _ranged(fitted_range(ranges[0], kind, place.path), base, place, or_none=bool(rest), source=SPACE)


def _whole(spec: Any, kind: kinds_.Kind, place: SpacePlace, registry: Registry) -> Any:
    value = completion.complete_value(spec, kind, registry, path=place.path)
    # an untyped value may be anything; NaN equals nothing, so no run could match it
    if not trees.is_json(value) or json.loads(trees.canonical(value)) != value:
        raise ConfigError(
            f"`{place.path}`: {trees.shown(spec)} cannot be tried; give a value that JSON can hold")
    return value


def _ranged(range_: Range, base: Any, place: SpacePlace, *, or_none: bool, source: str = "") -> list[Entry]:
    if not or_none:
        return [place.dimension(range_, default=base, source=source)]
    if isinstance(range_, Choice):
        with_none = Choice(*dict.fromkeys((*range_.values, None)))
        return [place.dimension(with_none, default=base, source=source)]
    given = base if base is trees.MISSING else base is not None
    inner = place.under(place.path + SWITCH, True)
    return [place.switch(default=given, source=source),
            inner.dimension(range_, default=base, source=source)]


# -- The classes of a family --------------------------------------------------------------------------------

@dataclass(frozen=True, kw_only=True)
class Offer:
    """A class to choose (None: no component), and the `space=` of its parameters."""

    entry: Registered | None
    spec: Tree
    named: bool                    # by the user: then a problem is an error, not a reason to leave it out


@dataclass(frozen=True, kw_only=True)
class Offering:
    """One place that takes a component."""

    kind: kinds_.FamilyKind
    range: Range | None
    optional: bool
    path: str
    registry: Registry

    def read(self, spec: Any) -> list[Offer]:
        """The classes on offer. Raises `ConfigError` for a spec that offers none."""
        if spec is trees.MISSING:
            return [*self._all(), *([Offer(entry=None, spec={}, named=False)] if self.optional else [])]
        if isinstance(spec, Mapping):
            chosen = spec.get(trees.CLASS_NAME, spec.get(trees.EACH, trees.MISSING))
            rest = {key: inner for key, inner in spec.items() if key not in (trees.CLASS_NAME, trees.EACH)}
            if chosen is trees.MISSING:
                return self._shared(self._all(), rest)
            several = alternatives_in(chosen, self.kind, None, self.path)
            if several is not None:
                return self._shared([self._one(one) for one in several], rest)
            return [self._one(spec)]
        several = alternatives_in(spec, self.kind, None, self.path)
        return [self._one(one) for one in ([spec] if several is None else several)]

    def _all(self) -> list[Offer]:
        if isinstance(self.range, Choice):
            return [replace(self._one(name), named=False) for name in self.range.values]
        entries = self.registry.entries(self.kind.family, below=self.kind.base)
        return [Offer(entry=entry, spec={}, named=False) for entry in entries]

    def _one(self, spec: Any) -> Offer:
        if spec is None and self.optional:
            return Offer(entry=None, spec={}, named=True)
        name = spec.get(trees.CLASS_NAME) if isinstance(spec, Mapping) else spec
        if not isinstance(name, str):
            raise ConfigError(
    f"`{self.path}`: expected {kinds_.describe(self.kind)} (a name, or a section with "
    f"{trees.CLASS_NAME}), found {trees.shown(spec)}")
        rest = {key: inner for key, inner in spec.items() if key != trees.CLASS_NAME} if isinstance(
            spec, Mapping) else {}
        try:
            entry = self.registry.find(self.kind.family, name, below=self.kind.base)
        except UnknownClassError as error:
            raise UnknownClassError(f"`{self.path}`: {error}") from None
        return Offer(entry=entry, spec=rest, named=True)

    def _shared(self, offers: list[Offer], rest: Tree) -> list[Offer]:
        """Give each class the keys that are its parameters; a key of no class is refused."""
        made, used, known = [], set(), set()
        for offer in offers:
            names = {} if offer.entry is None else signatures.signature_of(offer.entry.target).by_name
            own = {key: inner for key, inner in rest.items()
                   if isinstance(key, str) and trees.match_key(key, names)}
            used |= set(own)
            known |= set(names)
            made.append(replace(offer, spec=own | offer.spec, named=offer.named or bool(own)))
        unused = next((key for key in rest if key not in used), None)
        if unused is not None:
            raise ConfigError(f"`{trees.join(self.path, unused)}`: none of the classes has such a parameter"
                              f"{did_you_mean(str(unused), known)}")
        return made


def class_entries(built: Mapping[str | None, list[Entry]], chosen: list[Registered], default: Any,
                  place: SpacePlace, *, source: str) -> list[Entry]:
    """The choice among classes (None: no component), followed by the entries of each."""
    here = place.at(trees.CLASS_NAME)
    bodies = [entry for body in built.values() for entry in body]
    aliases = {alias: entry.name for entry in chosen for alias in entry.aliases}
    if len(built) > 1:
        made = here.dimension(Choice(*built), default=default, source=source)
        return [replace(made, aliases=aliases), *bodies]
    name = next(iter(built))
    if name is None:
        return [place.fixed(None, source)]
    # one class leaves nothing to choose, and so sets no condition
    return [replace(here.fixed(name, source), aliases=aliases),
            *(replace(entry, when=tuple(one for one in entry.when if one != (here.path, name)))
              for entry in bodies)]


# -- Lists and dicts: fixed size, each item searched --------------------------------------------------------

def item_entries(walk: Callable[[WantedLeaf, SpacePlace], list[Entry]], wanted: WantedLeaf, kind: kinds_.Kind,
             place: SpacePlace, registry: Registry) -> list[Entry]:
    """`kind` is the list, tuple or dict of which the spec, or the default, is."""
    base, spec = wanted.base, wanted.spec
    if isinstance(spec, Choice) or (isinstance(spec, Mapping) and set(spec) == {trees.EACH}):
        return leaf_entries(wanted, place, registry)
    parts = _named(kind, base, spec) if isinstance(kind, kinds_.DictOf) else _numbered(
        kind, base, spec, place.path)
    if parts is None:
        return leaf_entries(wanted, place, registry)
    entries = [entry for key, one in parts for entry in walk(one, place.at(key))]
    keys = tuple(key for key, _ in parts)
    shape = Shape(path=place.path, key=place.key,
                  items=keys if isinstance(kind, kinds_.DictOf) else len(parts), when=place.when,
                  source=place.source)
    if any(isinstance(entry, Dimension) for entry in entries):
        return [shape, *entries]
    held = value_at(partial_config([shape, *entries], dict(place.when)), place.path)
    return [place.fixed(completion.complete_value(held, wanted.kind, registry, path=place.path),
                        "" if spec is trees.MISSING else SPACE)]


_Parts = list[tuple[str, WantedLeaf]]          # by key, or by number


def _named(kind: kinds_.DictOf, base: Any, spec: Any) -> _Parts | None:
    bases = base if isinstance(base, dict) else {}
    specs = {} if spec is trees.MISSING else spec
    if not isinstance(specs, Mapping):
        return None
    keys = list(dict.fromkeys((*bases, *specs)))
    if not all(isinstance(key, str) and _nameable(key) for key in keys):
        return None
    return [(key, _item(kind.item, bases.get(key, trees.MISSING), specs.get(key, trees.MISSING)))
             for key in keys]


def _nameable(key: str) -> bool:
    """Whether a path can name the key unambiguously."""
    return bool(key) and "." not in key and not key.endswith(SWITCH) and key != trees.CLASS_NAME


def _numbered(kind: kinds_.Kind, base: Any, spec: Any, path: str) -> _Parts | None:
    if not isinstance(kind, kinds_.TupleOf) and not (isinstance(kind, kinds_.ListOf) and kind.into is list):
        return None                # the items of a set have no place
    bases = base if isinstance(base, list | tuple) else []
    specs: Mapping[str, Any] = {}
    if isinstance(spec, list | tuple):             # a whole list: it replaces the default
        bases, specs = [trees.MISSING] * len(spec), {str(index): one for index, one in enumerate(spec)}
    elif spec is not trees.MISSING:
        specs = spec if isinstance(spec, Mapping) else {"": spec}
    numbers = [key for key in specs if isinstance(key, str) and key.isascii() and key.isdigit()]
    beyond = next((key for key in numbers if int(key) >= len(bases)), None)
    if beyond is not None:
        raise ConfigError(
    f"`{trees.join(path, beyond)}`: the list has {len(bases)} items, counted from 0; give "
    "the whole list to lengthen it")
    kinds = kinds_.item_kinds(kind, len(bases))
    if len(kinds) != len(bases) or not set(specs) <= set(map(str, range(len(bases)))):
        return None
    return [(str(index), _item(item, bases[index], specs.get(str(index), trees.MISSING)))
            for index, item in enumerate(kinds)]


def _item(kind: kinds_.Kind, base: Any, spec: Any) -> WantedLeaf:
    return WantedLeaf(kind=kind, range=range_within(kind), base=base, spec=spec)
