"""Build the search space of a signature, narrowed or widened by `space=`.

- A parameter with a range is searched. One without is fixed at its default, also a bool, Enum or Literal,
  unless `space=` names it.
- A family is searched among all its registered classes, with the parameters of each; `Family | None` also
  without any. A class that requires a value without a source is left out, and so is a class inside itself;
  `space=` may name them.
- A list or dict keeps the length and keys of its default, or of `space=`; each item is searched.
- None is tried where it is the default of a number with a range, and where a dataclass in which a value is
  searched may be None.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from hyperspace_core.errors import ConfigError, HyperspaceError, UnknownClassError
from hyperspace_core.plugin import (
    Entry as Registered,
    Parameter,
    Registry,
    Signature,
    completion,
    kinds as types,
    pick,
    signatures,
    trees,
)
from hyperspace_tuning.space import Dimension, Entry, LeftOut, Space
from hyperspace_tuning.space_parts import (
    SPACE,
    Offer,
    Offering,
    SpacePlace,
    WantedLeaf,
    class_entries,
    item_entries,
    leaf_entries,
)
from hyperspace_tuning.space_spec import alternatives_in, has_ranges, range_in

MAX_PARAMETERS = 10_000        # in the whole space; recursive families may have no end


def space_from_signature(signature: Signature, registry: Registry,
                         specs: Mapping[str, Any] | None = None) -> Space:
    """Build the search space of a signature; `specs` is the user's `space=`.

    Raises `ConfigError` with every problem of `specs`, and for a parameter without default, range or spec;
    `UnknownClassError` if one of the problems is a class that is not registered.
    """
    given = {} if specs is None else specs
    if not isinstance(given, Mapping):
        raise ConfigError(f"space: expected a dict of hyper-parameters, found {trees.shown(given)}")
    deep = trees.too_deep(given)
    if deep is not None:
        raise ConfigError(f"space: nested deeper than 64 levels at {deep}")
    walk = _Walk(registry)
    try:
        entries = walk.section(WantedLeaf(kind=types.Nested(signature.target), spec=given), SpacePlace(),
                               signature)
    except _TooLarge as error:
        raise ConfigError(str(error)) from None
    if walk.problems:
        raise (UnknownClassError if walk.unknown_class else ConfigError)(*walk.problems)
    return Space(entries=tuple(entries), left_out=tuple(dict.fromkeys(walk.left_out)),
                 finish=functools.partial(completion.complete, signature=signature, registry=registry))


class _TooLarge(Exception):
    """The space is too large: classes contain one another without end."""


class _Walk:
    """One walk over a signature; continues after a problem to report all together."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.problems: list[str] = []
        self.unknown_class = False
        self.left_out: list[LeftOut] = []
        self.met = 0

    def section(self, given: WantedLeaf, place: SpacePlace, signature: Signature | None = None, *,
                lazy: bool = False) -> list[Entry]:
        """The parameters of a class or dataclass, or of `signature`."""
        signature = signature or signatures.signature_of(cast("types.Nested", given.kind).target)
        if not isinstance(given.spec, Mapping):
            raise ConfigError(f"`{place.path}`: expected a section for {signature.name}, found "
                              f"{trees.shown(given.spec)}")
        self.met += len(signature.parameters)
        if self.met > MAX_PARAMETERS:
            raise _TooLarge(f"`{place.path}`: the space has more than {MAX_PARAMETERS:,} parameters; name "
                            "the classes that you want in space=")
        specs, problems = completion.by_parameter(given.spec, signature, place.path)
        self.problems += problems
        bases = given.base if isinstance(given.base, dict) else {}
        entries: list[Entry] = []
        for one in signature.parameters:
            wanted = WantedLeaf(kind=one.kind, range=one.range, base=bases.get(one.name, trees.MISSING),
                            spec=specs.get(one.name, trees.MISSING))
            try:
                entries += self.parameter(one, signature, wanted, place, lazy=lazy)
            except ConfigError as error:
                self.unknown_class |= isinstance(error, UnknownClassError)
                self.problems += error.problems
        return entries

    def parameter(self, parameter: Parameter, signature: Signature, given: WantedLeaf, place: SpacePlace, *,
                  lazy: bool) -> list[Entry]:
        here = place.at(parameter.name, f"{signature.name}.{parameter.name}")
        if given.base is trees.MISSING:
            default = self.default(parameter, here, used=given.spec is trees.MISSING)
            given = replace(given, base=default)
        unsaid = given.base is trees.MISSING and given.spec is trees.MISSING and given.range is None
        if not unsaid or _chooses(given.kind):
            return self.value(given, here)
        if parameter.required and not lazy:
            raise ConfigError(
    f"`{here.path}`: {signature.name} needs it ({types.describe(parameter.kind)}) and "
    "has neither a default nor a range; give it in space=")
        return []                  # the constructor or the caller at run time supplies it

    def default(self, parameter: Parameter, place: SpacePlace, *, used: bool) -> Any:
        try:
            return signatures.default_tree(parameter, place.source, self.registry.name_of)
        except HyperspaceError as error:
            if not used or _chooses(parameter.kind):
                return trees.MISSING     # its class is not registered; the other classes remain
            raise ConfigError(f"`{place.path}`: {error}") from None

    def value(self, given: WantedLeaf, place: SpacePlace) -> list[Entry]:  # noqa: PLR0911 - one line a kind
        kind, base, spec = given.kind, given.base, given.spec
        if not isinstance(_inner(kind), types.FamilyKind | types.Nested | types.DictOf):
            spec = range_in(spec, place.path)
            given = replace(given, spec=spec)
        match kind:
            case types.OptionalOf(kind=inner) if _chooses(inner):
                if spec is None:
                    return [place.fixed(None, SPACE)]
                return self.value(replace(given, kind=inner), replace(place, optional=True))
            case types.OptionalOf(kind=types.ListOf() | types.TupleOf() | types.DictOf() as inner) if not (
                    spec is None or (base is None and spec is trees.MISSING)):
                return item_entries(self.value, given, inner, place, self.registry)
            case types.FamilyKind() | types.LazyOf(kind=types.FamilyKind()):
                return self.component(given, place)
            case types.Nested() | types.LazyOf(kind=types.Nested()):
                return self.nested(given, place)
            case types.ListOf() | types.TupleOf() | types.DictOf():
                return item_entries(self.value, given, kind, place, self.registry)
            case (types.RawDict() | types.AnyValue()
                  | types.OptionalOf(kind=types.RawDict() | types.AnyValue())) if (
                    isinstance(spec, Mapping) and has_ranges(spec)):
                return item_entries(self.value, given, types.DictOf(types.AnyValue()), place, self.registry)
            case types.UnionOf(kinds=kinds):
                member = self.member(kinds, given)
                if member is not None:
                    return self.value(replace(given, kind=member, range=None), place)
        return leaf_entries(given, place, self.registry)

    def member(self, kinds: tuple[types.Kind, ...], given: WantedLeaf) -> types.Kind | None:
        """The union member with parameters or items that the spec, or the default, is of."""
        value = given.base if given.spec is trees.MISSING else given.spec
        if given.range is not None and given.spec is trees.MISSING:
            return None
        if isinstance(value, Mapping) and trees.CLASS_NAME in value:
            return next((kind for kind in kinds if isinstance(_inner(kind), types.FamilyKind)), None)
        found = pick(kinds, value, self.registry)
        below = isinstance(
            found,
            types.ListOf | types.TupleOf | types.DictOf | types.RawDict) or (found and _chooses(found))
        return found if below else None

    # -- components ------------------------------------------------------------------------------------------

    def component(self, given: WantedLeaf, place: SpacePlace) -> list[Entry]:
        family, lazy = cast("types.FamilyKind", _inner(given.kind)), isinstance(given.kind, types.LazyOf)
        offering = Offering(kind=family, range=given.range, optional=place.optional, path=place.path,
                            registry=self.registry)
        default = self.default_class(family, given.base)
        built: dict[str | None, list[Entry]] = {}
        chosen: list[Registered] = []
        for offer in offering.read(given.spec):
            name = None if offer.entry is None else offer.entry.name
            if name in built:
                raise ConfigError(f"`{place.path}`: {name} is offered twice; keep one")
            if offer.entry is None:
                built[None] = []
                continue
            # any class but the default's starts from its own defaults
            base = given.base if default == name and isinstance(given.base, dict) else trees.MISSING
            body = self.offered(offer, offer.entry, base, place, lazy=lazy)
            if not isinstance(body, str):
                built[name] = body
                chosen.append(offer.entry)
            else:
                self.left_out.append(
                    LeftOut(path=trees.join(place.path, trees.CLASS_NAME), name=str(name), reason=body))
        if not built:
            raise ConfigError(
                f"`{place.path}`: no {types.describe(family)} can be searched: {self.reasons(place)}")
        return class_entries(built, chosen, default, place,
                             source="" if given.spec is trees.MISSING else SPACE)

    def offered(self, offer: Offer, entry: Registered, base: Any, place: SpacePlace, *,
                lazy: bool) -> list[Entry] | str:
        """The parameters of a class, or the reason why it is left out if not named."""
        if entry.target in place.above and not offer.named:
            return "it would contain itself"
        inner = place.under(trees.join(place.path, trees.CLASS_NAME), entry.name, entry.target,
                            f"[{entry.name}]")
        given = WantedLeaf(kind=types.Nested(entry.target), base=base, spec=offer.spec)
        return self.tried(given, inner, lazy=lazy, named=offer.named)

    def tried(self, given: WantedLeaf, place: SpacePlace, *, lazy: bool, named: bool) -> list[Entry] | str:
        """A section, or the reason to leave it out if the user did not name it."""
        before, unknown, self.problems = self.problems, self.unknown_class, []
        body = self.section(given, place, lazy=lazy)
        found, self.problems = self.problems, before
        if found and not named:
            self.unknown_class = unknown
            return found[0]
        self.problems += found
        return body

    def reasons(self, place: SpacePlace) -> str:
        path = trees.join(place.path, trees.CLASS_NAME)
        found = [f"{one.name} ({one.reason})" for one in self.left_out if one.path == path]
        return "; ".join(found) or "none is registered"

    def default_class(self, family: types.FamilyKind, base: Any) -> Any:
        """The current name of the default's class; None where the default is None."""
        if isinstance(base, dict) and isinstance(base.get(trees.CLASS_NAME), str):
            try:
                return self.registry.find(family.family, base[trees.CLASS_NAME]).name
            except UnknownClassError:
                return trees.MISSING
        if base is None:
            return None
        own = [one.name for one in self.registry.entries(family.family) if one.target is family.base]
        return own[0] if own else trees.MISSING

    # -- dataclasses -----------------------------------------------------------------------------------------

    def nested(self, given: WantedLeaf, place: SpacePlace) -> list[Entry]:
        """A plain dataclass; None is tried where its type has it and no spec names it."""
        target, lazy = cast("types.Nested", _inner(given.kind)).target, isinstance(given.kind, types.LazyOf)
        section, or_none = self.wanted_section(given, place)
        inside = replace(place, above=(*place.above, target), optional=False)
        if not or_none:
            return self.section(section, inside, lazy=lazy)
        asked = given.spec is not trees.MISSING
        unsearched = replace(given, kind=types.OptionalOf(given.kind))
        if target in place.above and not asked:
            return leaf_entries(unsearched, place, self.registry)
        switch = place.switch(default=given.base if given.base is trees.MISSING else given.base is not None,
                              source=SPACE if asked else "")
        body = self.tried(section, inside.under(switch.path, True), lazy=lazy, named=asked)
        if not isinstance(body, str) and (asked or any(isinstance(one, Dimension) for one in body)):
            return [switch, *body]
        return leaf_entries(unsearched, place, self.registry)

    def wanted_section(self, given: WantedLeaf, place: SpacePlace) -> tuple[WantedLeaf, bool]:
        """The spec for a dataclass, and whether None is an alternative to it."""
        section = replace(given, kind=_inner(given.kind), spec={})
        if given.spec is trees.MISSING:
            return section, place.optional
        several = alternatives_in(given.spec, given.kind, given.base, place.path)
        if several is None:
            return replace(section, spec=given.spec), False
        sections = [one for one in several if one is not None]
        or_none = len(sections) < len(several)
        if len(sections) != 1 or (or_none and not place.optional):
            beside = ", beside it at most None" if place.optional else ""
            raise ConfigError(
    f"`{place.path}`: expected one section for {types.describe(given.kind)}{beside}, "
    f"found {len(several)} alternatives")
        return replace(section, spec=sections[0]), or_none


def _inner(kind: types.Kind) -> types.Kind:
    return _inner(kind.kind) if isinstance(kind, types.OptionalOf | types.LazyOf) else kind


def _chooses(kind: types.Kind) -> bool:
    """Whether it has parameters below it."""
    return isinstance(_inner(kind), types.FamilyKind | types.Nested)
