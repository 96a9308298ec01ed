"""A search space: a list of dimensions, each with the choices that it depends on.

A family is a dimension `classifier.className` whose values are class names. The parameters of a class are
dimensions that are active only where their class is chosen. Parents come before their children. An
*assignment* gives every active dimension a value by dotted path, and has no other keys:
`{"classifier.className": "Forest", "classifier.trees": 200}`. `config.searching` builds a space.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hyperspace_core.config.dimensions import (
    Assignment,
    Conditions,
    Dimension,
    Entry,
    Fixed,
    LeftOut,
    Shape,
    holds,
    identity,
    values_in,
)
from hyperspace_core.config.outline import Outline, outlined
from hyperspace_core.config.placing import Outside, Placed, placed, written
from hyperspace_core.config.tree import MISSING, Tree
from hyperspace_core.errors import ConfigError, did_you_mean
from hyperspace_core.ranges import Choice

__all__ = ["Assignment", "Conditions", "Dimension", "Entry", "Fixed", "LeftOut", "Outline", "Outside",
           "Placed", "Shape", "Space", "holds", "identity", "values_in"]


@dataclass(frozen=True, kw_only=True)
class Space:
    """A search space. A class that is registered later makes another space."""

    entries: tuple[Entry, ...]
    left_out: tuple[LeftOut, ...] = ()
    finish: Callable[[Tree], Tree] = field(default=dict, compare=False, repr=False)
    """Completes the config of an assignment by the signatures that the space was made from."""

    @functools.cached_property
    def dimensions(self) -> tuple[Dimension, ...]:
        """The searched dimensions, parents before their children."""
        return tuple(entry for entry in self.entries if isinstance(entry, Dimension))

    def active(self, assignment: Mapping[str, Any]) -> tuple[Dimension, ...]:
        """The dimensions that are active under the choices of this assignment."""
        return tuple(one for one in self.dimensions if holds(one.when, assignment))

    def walk(self, choose: Callable[[Dimension], Any]) -> Assignment:
        """Build an assignment: `choose` gives each active dimension's value in turn."""
        made: Assignment = {}
        for one in self.dimensions:
            if holds(one.when, made):
                made[one.path] = choose(one)
        return made

    def problems(self, assignment: Mapping[str, Any]) -> tuple[str, ...]:
        """The errors in an assignment, a line each."""
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
        """The assignment with the default of every active dimension that it lacks.

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
        """The number of assignments; infinite where a real number has no steps."""
        below: dict[Conditions, list[Dimension]] = {}
        for one in self.dimensions:
            below.setdefault(one.when, []).append(one)
        return _size((), below)

    def config_of(self, assignment: Mapping[str, Any]) -> Tree:
        """The completed config of an assignment; missing values get their default.

        Raises `ConfigError` like `complete`.
        """
        return self.finish(written(self.entries, self.complete(assignment)))

    def assignment_of(self, config: Mapping[str, Any]) -> Placed:
        """The assignment of a completed config, and its values outside the space."""
        return placed(self.entries, config)

    def describe(self) -> tuple[Outline, ...]:
        """The space as a tree: ranges, defaults, and the source of each."""
        return outlined(self.entries)


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
