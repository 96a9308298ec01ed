"""A search space for display: a tree of ranges, defaults and their sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hyperspace_core.config.dimensions import SWITCH, Conditions, Dimension, Entry, Fixed, Shape
from hyperspace_core.config.tree import CLASS_NAME, MISSING
from hyperspace_core.config.walk import range_text
from hyperspace_core.ranges import Choice, Range


@dataclass(frozen=True, kw_only=True)
class Outline:
    """A line of the tree: a searched or fixed parameter, or a class (no `source`).

    `default` and `value` are `MISSING` where there is none.
    """

    name: str                      # relative to the line above it
    path: str
    searched: bool
    text: str = ""                 # `10 to 1000, log`
    range: Range | None = None
    default: Any = MISSING
    value: Any = MISSING           # the fixed value
    source: str = ""
    children: tuple[Outline, ...] = ()


_Below = Mapping[Conditions, list[Entry]]


def outlined(entries: Sequence[Entry]) -> tuple[Outline, ...]:
    """The lines of a space, those below a choice as its children."""
    below: dict[Conditions, list[Entry]] = {}
    for entry in entries:
        below.setdefault(entry.when, []).append(entry)
    return _lines((), "", below)


def _lines(when: Conditions, above: str, below: _Below) -> tuple[Outline, ...]:
    return tuple(_line(entry, above, below) for entry in below.get(when, ()) if not isinstance(entry, Shape))


def _line(entry: Dimension | Fixed, above: str, below: _Below) -> Outline:
    path = entry.path.removesuffix(SWITCH).removesuffix(f".{CLASS_NAME}")
    line = Outline(name=path.removeprefix(f"{above}.") if above else path, path=path,
                   searched=isinstance(entry, Dimension), source=entry.source)
    if isinstance(entry, Fixed):
        return replace(line, value=entry.value)
    line = replace(line, text=range_text(entry.range), range=entry.range, default=entry.default)
    if entry.path.endswith(SWITCH):
        return _switch(entry, line, below)
    return replace(line, children=_classes(entry, path, below))


def _switch(entry: Dimension, line: Outline, below: _Below) -> Outline:
    """One line for an optional number; an optional section has lines below it."""
    inside = (*entry.when, (entry.path, True))
    default = None if entry.default is False else MISSING
    for one in below.get(inside, ()):
        if one.path == line.path and not isinstance(one, Shape):
            inner = _line(one, "", below)
            text = inner.text or str(inner.value)
            return replace(line, text=f"{text}, or None", range=inner.range,
                           default=inner.default if default is MISSING else None)
    return replace(line, text="present, or None", range=None, default=default,
                   children=_lines(inside, line.path, below))


def _classes(entry: Dimension, path: str, below: _Below) -> tuple[Outline, ...]:
    if not isinstance(entry.range, Choice) or not entry.path.endswith(f".{CLASS_NAME}"):
        return ()
    return tuple(Outline(name=str(value), path=path, searched=False,
                         children=_lines((*entry.when, (entry.path, value)), path, below))
                 for value in entry.range.values)
