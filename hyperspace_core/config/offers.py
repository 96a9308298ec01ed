"""The classes that a place in a search space offers, as `space=` restricts them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hyperspace_core.config.dimensions import Entry
from hyperspace_core.config.leaves import SpacePlace
from hyperspace_core.config.narrowing import alternatives_in
from hyperspace_core.config.registry import Entry as Registered
from hyperspace_core.config.registry import Registry
from hyperspace_core.config.signature import signature_of
from hyperspace_core.config.tree import CLASS_NAME, EACH, MISSING, Tree, join, match_key, shown
from hyperspace_core.config.types import FamilyKind, describe
from hyperspace_core.errors import ConfigError, UnknownClassError, did_you_mean
from hyperspace_core.ranges import Choice, Range


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A class to choose (None: no component), and the `space=` of its parameters."""

    entry: Registered | None
    wish: Tree
    named: bool                    # by the user: then a problem is an error, not a reason to leave it out


@dataclass(frozen=True, kw_only=True)
class Offering:
    """One place that takes a component."""

    kind: FamilyKind
    range: Range | None
    optional: bool
    path: str
    registry: Registry

    def read(self, wish: Any) -> list[Offer]:
        """The classes on offer. Raises `ConfigError` for a wish that offers none."""
        if wish is MISSING:
            return [*self._all(), *([Offer(entry=None, wish={}, named=False)] if self.optional else [])]
        if isinstance(wish, Mapping):
            chosen = wish.get(CLASS_NAME, wish.get(EACH, MISSING))
            rest = {key: inner for key, inner in wish.items() if key not in (CLASS_NAME, EACH)}
            if chosen is MISSING:
                return self._shared(self._all(), rest)
            several = alternatives_in(chosen, self.kind, None, self.path)
            if several is not None:
                return self._shared([self._one(one) for one in several], rest)
            return [self._one(wish)]
        several = alternatives_in(wish, self.kind, None, self.path)
        return [self._one(one) for one in ([wish] if several is None else several)]

    def _all(self) -> list[Offer]:
        if isinstance(self.range, Choice):
            return [replace(self._one(name), named=False) for name in self.range.values]
        entries = self.registry.entries(self.kind.family, below=self.kind.base)
        return [Offer(entry=entry, wish={}, named=False) for entry in entries]

    def _one(self, wish: Any) -> Offer:
        if wish is None and self.optional:
            return Offer(entry=None, wish={}, named=True)
        name = wish.get(CLASS_NAME) if isinstance(wish, Mapping) else wish
        if not isinstance(name, str):
            raise ConfigError(f"`{self.path}`: expected {describe(self.kind)} (a name, or a section with "
                              f"{CLASS_NAME}), found {shown(wish)}")
        rest = {key: inner for key, inner in wish.items() if key != CLASS_NAME} if isinstance(
            wish, Mapping) else {}
        try:
            entry = self.registry.find(self.kind.family, name, below=self.kind.base)
        except UnknownClassError as error:
            raise UnknownClassError(f"`{self.path}`: {error}") from None
        return Offer(entry=entry, wish=rest, named=True)

    def _shared(self, offers: list[Offer], rest: Tree) -> list[Offer]:
        """Give each class the keys that are its parameters; a key of no class is refused."""
        made, used, known = [], set(), set()
        for offer in offers:
            names = {} if offer.entry is None else signature_of(offer.entry.target).by_name
            own = {key: inner for key, inner in rest.items()
                   if isinstance(key, str) and match_key(key, names)}
            used |= set(own)
            known |= set(names)
            made.append(replace(offer, wish=own | offer.wish, named=offer.named or bool(own)))
        unused = next((key for key in rest if key not in used), None)
        if unused is not None:
            raise ConfigError(f"`{join(self.path, unused)}`: none of the classes has such a parameter"
                              f"{did_you_mean(str(unused), known)}")
        return made


def choice(built: Mapping[str | None, list[Entry]], chosen: list[Registered], default: Any, place: SpacePlace,
           *, source: str) -> list[Entry]:
    """The choice among classes (None: no component), followed by the entries of each."""
    here = place.at(CLASS_NAME)
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
