"""The entries of a search space: dimensions, fixed values and their conditions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hyperspace_core.config.tree import MISSING, canonical
from hyperspace_core.ranges import Choice, Float, Int, Range

SWITCH = "?"                   # `max_depth?` says whether `max_depth` has a value or is None

Assignment = dict[str, Any]
Conditions = tuple[tuple[str, Any], ...]       # (path, value) of each required choice


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One value that is searched."""

    path: str                      # in a config; parameters of two classes may share one
    key: str                       # unique: `classifier[Forest].trees`
    range: Range
    default: Any = MISSING         # lies in the range; `MISSING` where the signature has none
    when: Conditions = ()          # the dimension is active where all of them hold; outermost first
    source: str = ""               # where it was declared: `Forest.trees`, `space=`
    aliases: Mapping[str, str] = field(default_factory=dict)       # of classes: former name → current name


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """One fixed value: a parameter without a range, or one fixed by `space=`."""

    path: str
    key: str
    value: Any
    when: Conditions = ()
    source: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The length of a list, or the keys of a dict, in which values are searched."""

    path: str
    key: str
    items: int | tuple[str, ...]
    when: Conditions = ()
    source: str = ""


Entry = Dimension | Fixed | Shape


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A class that is not searched, and the reason."""

    path: str
    name: str
    reason: str


def holds(when: Conditions, assignment: Mapping[str, Any]) -> bool:
    """Whether the assignment makes all of these choices."""
    return all(path in assignment and assignment[path] == value for path, value in when)


def identity(assignment: Mapping[str, Any]) -> Any:
    """A hashable key, the same for equal assignments only: 1, 1.0 and True differ."""
    return tuple(sorted((path, type(value).__name__, _hashable(value)) for path, value in assignment.items()))


def _hashable(value: Any) -> str:
    return canonical(value) if isinstance(value, list | dict) else repr(value)


def values_in(range_: Range) -> float:
    """The number of values in a range."""
    if isinstance(range_, Choice):
        return len(range_.values)
    if range_.low == range_.high:
        return 1
    if range_.step is None:
        return math.inf
    # rounding must not add or remove a value where a float's step does not divide the range exactly
    slack = 1e-9 if isinstance(range_, Float) else 0
    return math.floor((range_.high - range_.low) / range_.step + slack) + 1

def nearest_value(range_: Int | Float, value: float) -> Any:
    """The nearest value in the range."""
    if range_.step is not None:
        last = int(values_in(range_)) - 1
        index = min(max(round((value - range_.low) / range_.step), 0), last)
        value = range_.low + index * range_.step
    value = min(max(value, range_.low), range_.high)
    return int(value) if isinstance(range_, Int) else float(value)
