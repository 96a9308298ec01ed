"""A search space: what may be tried, as a list of dimensions, each with the choices that it hangs on.

A family is a dimension `classifier.className` whose values are class names, and the parameters of a class are
dimensions that are active only where their class is chosen. A parent stands before its children. An
*assignment* gives every active dimension a value, by dotted path, and nothing else: `{"classifier.className":
"Forest", "classifier.trees": 200}`. `config.searching` makes a space from signatures.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hyperspace_core.config.tree import MISSING, Tree, canonical
from hyperspace_core.errors import ConfigError, did_you_mean
from hyperspace_core.space import Choice, Float, Range

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


@dataclass(frozen=True, kw_only=True)
class Space:
    """All that may be tried. A class that is registered meanwhile makes another space."""

    entries: tuple[Entry, ...]
    left_out: tuple[LeftOut, ...] = ()
    finish: Callable[[Tree], Tree] = field(default=dict, compare=False, repr=False)
    """Completes the config of an assignment by the signatures that the space was made from."""

    @functools.cached_property
    def dimensions(self) -> tuple[Dimension, ...]:
        """What is searched, parents before their children."""
        return tuple(entry for entry in self.entries if isinstance(entry, Dimension))

    def active(self, assignment: Mapping[str, Any]) -> tuple[Dimension, ...]:
        """The dimensions that exist under the choices of this assignment."""
        return tuple(one for one in self.dimensions if holds(one.when, assignment))

    def walk(self, choose: Callable[[Dimension], Any]) -> Assignment:
        """An assignment made value by value: `choose` is asked for each dimension that is active by then."""
        made: Assignment = {}
        for one in self.dimensions:
            if holds(one.when, made):
                made[one.path] = choose(one)
        return made

    def problems(self, assignment: Mapping[str, Any]) -> tuple[str, ...]:
        """Why this is no assignment of the space, each a full line; none where it is one."""
        active = {one.path: one for one in self.active(assignment)}
        found = [f"`{path}`: missing" for path in active if path not in assignment]
        for path, value in assignment.items():
            if path not in active:
                near = did_you_mean(path, active)
                found.append(f"`{path}`: not searched here{near}")
            elif not active[path].range.contains(value):
                found.append(f"`{path}`: {value!r} is outside {active[path].range!r}")
        return tuple(found)

    def contains(self, assignment: Mapping[str, Any]) -> bool:
        """Whether it gives each active dimension a value of its range, and nothing else."""
        return not self.problems(assignment)

    def complete(self, assignment: Mapping[str, Any]) -> Assignment:
        """The assignment with the default of every active dimension that it leaves out.

        Raises `ConfigError` for values that the space does not have, and where there is no default.
        """
        filled = self.walk(lambda one: assignment.get(one.path, one.default))
        made = {path: value for path, value in filled.items() if value is not MISSING}
        problems = self.problems({**assignment, **made})
        if problems:
            raise ConfigError(*problems)
        return made

    @functools.cached_property
    def size(self) -> float:
        """How many assignments there are; infinite where a real number has no steps."""
        below: dict[Conditions, list[Dimension]] = {}
        for one in self.dimensions:
            below.setdefault(one.when, []).append(one)
        return _size((), below)


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


def _size(when: Conditions, below: Mapping[Conditions, list[Dimension]]) -> float:
    size: float = 1
    for one in below.get(when, ()):
        size *= sum(_sizes(one, when, below))
    return size


def _sizes(one: Dimension, when: Conditions, below: Mapping[Conditions, list[Dimension]]) -> Iterator[float]:
    if isinstance(one.range, Choice):
        for value in one.range.values:
            leads_on = not isinstance(value, list | dict)  # a choice among classes, never among lists
            yield _size((*when, (one.path, value)), below) if leads_on else 1
    else:
        yield values_in(one.range)
