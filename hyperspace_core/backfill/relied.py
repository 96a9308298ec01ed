"""Find the defaults that past runs relied on and that have changed since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hyperspace_core.backfill.today import SEED, CurrentSignatures
from hyperspace_core.config.tree import CLASS_NAME, MISSING, canonical, join
from hyperspace_core.config.walk import ConfigSection, found
from hyperspace_core.ranges import Choice, Range


@dataclass(frozen=True)
class Relied:
    """A parameter that a run left to its default, with old and current default."""

    section: ConfigSection
    name: str
    was: Any
    now: Any                       # `MISSING`: it no longer has a default


def changed_defaults(sections: Sequence[ConfigSection], today: CurrentSignatures) -> Iterator[Relied]:
    """Yield the changed defaults of a run's `sections`, which hold submitted values."""
    inside = {section.path: section for section in sections}
    judged: tuple[str, ...] = ()           # sections whose class is no longer the default's
    for section in sections:
        if section.whole or f"{section.path}.".startswith(judged):     # its list is compared as a whole
            continue
        for parameter in section.signature.parameters:
            name = parameter.name
            if name not in section.given or (name == SEED and not section.path):
                continue
            now = section.base.get(name, MISSING)
            if now is MISSING:
                now = today.default(section, parameter)
            if now is MISSING and not parameter.required:
                continue                   # not representable in a config
            below = inside.get(join(section.path, name))
            if _differs(section.given[name], now, section.written_of(name), below, today):
                judged += () if below is None else (f"{below.path}.",)
                yield Relied(section, name, _named(section.given[name], below),
                             now if now is MISSING else _named(now, below))


def _differs(was: Any, now: Any, written: Any, below: ConfigSection | None, today: CurrentSignatures) -> bool:
    if below is None or now is MISSING:
        return written is MISSING and not same(was, now)
    if isinstance(written, str) or (isinstance(written, Mapping) and CLASS_NAME in written):
        return False
    if below.below or below.entry is None or not isinstance(now, Mapping):
        return written is MISSING and not isinstance(now, Mapping)     # a dataclass: its fields are compared
    return found(today.project.registry, below.entry.family, now.get(CLASS_NAME)) is not below.entry


def _named(value: Any, below: ConfigSection | None) -> Any:
    """The class name of a component; any other value unchanged."""
    return value.get(CLASS_NAME, value) if below is not None and isinstance(value, Mapping) else value


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal: 1 and 1.0 are, 1 and true are not."""
    if one is MISSING or other is MISSING:
        return one is other
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (one, other))
    return bool(one == other) if numbers else canonical(one) == canonical(other)


def outside(section: ConfigSection) -> Iterator[tuple[str, Any, Range]]:
    """Yield the values of a section that lie outside their search ranges."""
    for parameter in section.signature.parameters:
        value, range_ = section.given.get(parameter.name), parameter.range
        if value is None or range_ is None or isinstance(value, Mapping | list):
            continue
        inside = any(same(value, _plain(known)) for known in range_.values) if isinstance(range_, Choice) \
            else range_.contains(value)
        if not inside:
            yield parameter.name, value, range_


def _plain(value: Any) -> Any:
    return getattr(value, "name", value)   # an Enum member's name, as in a config
