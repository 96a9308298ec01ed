"""What a search space is made of: what is searched, what is held fast, and when."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hyperspace_core.config.tree import MISSING, canonical
from hyperspace_core.space import Choice, Float, Int, Range

SWITCH = "?"                   # `max_depth?` says whether `max_depth` has a value or is None

Assignment = dict[str, Any]
Conditions = tuple[tuple[str, Any], ...]       # (path, value) of each choice that must have been made


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One value that is searched."""

    path: str                      # in a config; two classes of a family may have parameters of one name,
    key: str                       # so this one is unique: `classifier[Forest].trees`
    range: Range
    default: Any = MISSING         # lies in the range; `MISSING` where the signature has none
    when: Conditions = ()          # all of them hold where the dimension is active, outermost first
    source: str = ""               # who says so: `Forest.trees`, `space=`
    aliases: Mapping[str, str] = field(default_factory=dict)       # of classes: former name → today's


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """One value that every proposal has: a parameter without a range, or what `space=` holds fast."""

    path: str
    key: str
    value: Any
    when: Conditions = ()
    source: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A list of so many items, or a dict with these keys, in which something is searched."""

    path: str
    key: str
    items: int | tuple[str, ...]
    when: Conditions = ()
    source: str = ""


Entry = Dimension | Fixed | Shape


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A class that is not searched, and why."""

    path: str
    name: str
    reason: str


def holds(when: Conditions, assignment: Mapping[str, Any]) -> bool:
    """Whether all of these choices have been made."""
    return all(path in assignment and assignment[path] == value for path, value in when)


def identity(assignment: Mapping[str, Any]) -> Any:
    """Something hashable that equal assignments share, and no others: 1, 1.0 and True differ."""
    return tuple(sorted((path, type(value).__name__, _hashable(value)) for path, value in assignment.items()))


def _hashable(value: Any) -> str:
    return canonical(value) if isinstance(value, list | dict) else repr(value)


def values_in(range_: Range) -> float:
    """How many values a range has."""
    if isinstance(range_, Choice):
        return len(range_.values)
    if range_.low == range_.high:
        return 1
    if range_.step is None:
        return math.inf
    # a step that does not divide a float's range exactly must not gain or lose a value by rounding
    slack = 1e-9 if isinstance(range_, Float) else 0
    return math.floor((range_.high - range_.low) / range_.step + slack) + 1

def nearest_value(range_: Int | Float, value: float) -> Any:
    """The value of the range that is nearest."""
    if range_.step is not None:
        last = int(values_in(range_)) - 1
        index = min(max(round((value - range_.low) / range_.step), 0), last)
        value = range_.low + index * range_.step
    value = min(max(value, range_.low), range_.high)
    return int(value) if isinstance(range_, Int) else float(value)
