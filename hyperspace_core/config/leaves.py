"""Build the entries of a search space for a value without parameters of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from hyperspace_core.config.complete import complete_value
from hyperspace_core.config.dimensions import SWITCH, Conditions, Dimension, Entry, Fixed, values_in
from hyperspace_core.config.narrowing import alternatives_in, fitted, nearest_in, range_in, searches
from hyperspace_core.config.registry import Registry
from hyperspace_core.config.tree import MISSING, canonical, is_json, join, shown
from hyperspace_core.config.types import Kind
from hyperspace_core.errors import ConfigError
from hyperspace_core.ranges import Choice, Float, Int, Range

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
        return replace(self, path=join(self.path, name), key=join(self.key, name), optional=False,
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
                         default=nearest_in(range_, default), source=source or self.source)


@dataclass(frozen=True, kw_only=True)
class WantedLeaf:
    """One value to search: type, range, default as a tree, its part of `space=`."""

    kind: Kind
    range: Range | None = None
    base: Any = MISSING
    wish: Any = MISSING


def plain(wanted: WantedLeaf, place: SpacePlace, registry: Registry) -> list[Entry]:
    """The entries of a number, a text, or a value that is tried as a whole.

    Raises `ConfigError` for a wish that does not fit the type.
    """
    kind, range_, base, wish = wanted.kind, wanted.range, wanted.base, wanted.wish
    if wish is MISSING:
        if range_ is None:
            return [place.fixed(complete_value(base, kind, registry, path=place.path))]
        return _ranged(fitted(range_, kind, place.path), base, place, or_none=base is None)
    if isinstance(wish, Int | Float):
        return _ranged(fitted(wish, kind, place.path), base, place, or_none=False, source=SPACE)
    offered = alternatives_in(wish, kind, base, place.path)
    several = [range_in(one, place.path) for one in ([wish] if offered is None else offered)]
    ranges = [one for one in several if isinstance(one, Int | Float)]
    if any(searches(one) for one in several if one not in ranges):
        raise ConfigError(f"`{place.path}`: values inside it cannot be searched; offer whole values with "
                          '{"each": […]}')
    if offered is None:
        return [place.fixed(_whole(wish, kind, place, registry), SPACE)]
    if not ranges:
        values = [_whole(one, kind, place, registry) for one in several]
        distinct = {canonical(value): value for value in values}
        return [place.dimension(Choice(*distinct.values()), default=base, source=SPACE)]
    rest = [one for one in several if not isinstance(one, Int | Float)]
    if len(ranges) > 1 or any(one is not None for one in rest):
        raise ConfigError(f"`{place.path}`: a range is mixed with other alternatives; give one range "
                          "(with None at most), or values alone")
    if rest:
        complete_value(None, kind, registry, path=place.path)       # raises where None is not allowed
    return _ranged(fitted(ranges[0], kind, place.path), base, place, or_none=bool(rest), source=SPACE)


def _whole(wish: Any, kind: Kind, place: SpacePlace, registry: Registry) -> Any:
    value = complete_value(wish, kind, registry, path=place.path)
    # an untyped value may be anything; NaN equals nothing, so no run could match it
    if not is_json(value) or json.loads(canonical(value)) != value:
        raise ConfigError(f"`{place.path}`: {shown(wish)} cannot be tried; give a value that JSON can hold")
    return value


def _ranged(range_: Range, base: Any, place: SpacePlace, *, or_none: bool, source: str = "") -> list[Entry]:
    if not or_none:
        return [place.dimension(range_, default=base, source=source)]
    if isinstance(range_, Choice):
        with_none = Choice(*dict.fromkeys((*range_.values, None)))
        return [place.dimension(with_none, default=base, source=source)]
    given = base if base is MISSING else base is not None
    inner = place.under(place.path + SWITCH, True)
    return [place.switch(default=given, source=source),
            inner.dimension(range_, default=base, source=source)]
