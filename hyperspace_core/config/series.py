"""Build search-space entries for lists and dicts: fixed size, each item searched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hyperspace_core.config.annotations import range_within
from hyperspace_core.config.complete import complete_value
from hyperspace_core.config.dimensions import SWITCH, Dimension, Entry, Shape
from hyperspace_core.config.leaves import SPACE, SpacePlace, WantedLeaf, plain
from hyperspace_core.config.placing import value_at, written
from hyperspace_core.config.registry import Registry
from hyperspace_core.config.tree import CLASS_NAME, EACH, MISSING, join
from hyperspace_core.config.types import DictOf, Kind, ListOf, TupleOf, item_kinds
from hyperspace_core.errors import ConfigError
from hyperspace_core.ranges import Choice


def items_of(walk: Callable[[WantedLeaf, SpacePlace], list[Entry]], wanted: WantedLeaf, kind: Kind,
             place: SpacePlace, registry: Registry) -> list[Entry]:
    """`kind` is the list, tuple or dict of which the wish, or the default, is."""
    base, wish = wanted.base, wanted.wish
    if isinstance(wish, Choice) or (isinstance(wish, Mapping) and set(wish) == {EACH}):
        return plain(wanted, place, registry)
    parts = _named(kind, base, wish) if isinstance(kind, DictOf) else _numbered(
        kind, base, wish, place.path)
    if parts is None:
        return plain(wanted, place, registry)
    entries = [entry for key, one in parts for entry in walk(one, place.at(key))]
    keys = tuple(key for key, _ in parts)
    shape = Shape(path=place.path, key=place.key, items=keys if isinstance(kind, DictOf) else len(parts),
                  when=place.when, source=place.source)
    if any(isinstance(entry, Dimension) for entry in entries):
        return [shape, *entries]
    held = value_at(written([shape, *entries], dict(place.when)), place.path)
    return [place.fixed(complete_value(held, wanted.kind, registry, path=place.path),
                        "" if wish is MISSING else SPACE)]


_Parts = list[tuple[str, WantedLeaf]]          # by key, or by number


def _named(kind: DictOf, base: Any, wish: Any) -> _Parts | None:
    bases = base if isinstance(base, dict) else {}
    wishes = {} if wish is MISSING else wish
    if not isinstance(wishes, Mapping):
        return None
    keys = list(dict.fromkeys((*bases, *wishes)))
    if not all(isinstance(key, str) and _nameable(key) for key in keys):
        return None
    return [(key, _item(kind.item, bases.get(key, MISSING), wishes.get(key, MISSING))) for key in keys]


def _nameable(key: str) -> bool:
    """Whether a path can name the key unambiguously."""
    return bool(key) and "." not in key and not key.endswith(SWITCH) and key != CLASS_NAME


def _numbered(kind: Kind, base: Any, wish: Any, path: str) -> _Parts | None:
    if not isinstance(kind, TupleOf) and not (isinstance(kind, ListOf) and kind.into is list):
        return None                # the items of a set have no place
    bases = base if isinstance(base, list | tuple) else []
    wishes: Mapping[str, Any] = {}
    if isinstance(wish, list | tuple):             # a whole list: it replaces the default
        bases, wishes = [MISSING] * len(wish), {str(index): one for index, one in enumerate(wish)}
    elif wish is not MISSING:
        wishes = wish if isinstance(wish, Mapping) else {"": wish}
    numbers = [key for key in wishes if isinstance(key, str) and key.isascii() and key.isdigit()]
    beyond = next((key for key in numbers if int(key) >= len(bases)), None)
    if beyond is not None:
        raise ConfigError(f"`{join(path, beyond)}`: the list has {len(bases)} items, counted from 0; give "
                          "the whole list to lengthen it")
    kinds = item_kinds(kind, len(bases))
    if len(kinds) != len(bases) or not set(wishes) <= set(map(str, range(len(bases)))):
        return None
    return [(str(index), _item(item, bases[index], wishes.get(str(index), MISSING)))
            for index, item in enumerate(kinds)]


def _item(kind: Kind, base: Any, wish: Any) -> WantedLeaf:
    return WantedLeaf(kind=kind, range=range_within(kind), base=base, wish=wish)
