"""Neighbours of an assignment: the same one with one or more values changed.

In a space of choices and whole numbers a tuner proposes its best assignment again and again. A new random
assignment would ignore what it has learned. The nearest neighbours come first: one value replaced by the next
in its range, then any one value, then two, then three.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from random import Random
from typing import Any

from hyperspace_core.config.dimensions import Assignment, Dimension, identity, nearest_value
from hyperspace_core.config.drawing import drawn
from hyperspace_core.config.searchspace import Space
from hyperspace_core.ranges import Choice

TIMES = 10                     # tries with one changed value, then as many with two, then with three
MOST = 3


def beside(space: Space, assignment: Assignment, tried: Container[Any], rng: Random) -> Assignment | None:
    """An untried assignment near this one; None where none was found."""
    return next((other for other in _others(space, assignment, rng) if identity(other) not in tried), None)


def _others(space: Space, assignment: Assignment, rng: Random) -> Iterator[Assignment]:
    active = space.active(assignment)
    near = [(one.path, value) for one in active for value in _next_to(one, assignment[one.path])]
    for path, value in rng.sample(near, len(near)):
        yield _changed(space, assignment, {path: value}, rng)
    for attempt in range(TIMES * MOST):
        some = rng.sample(active, min(1 + attempt // TIMES, len(active)))
        yield _changed(space, assignment, {one.path: drawn(one.range, rng) for one in some}, rng)


def _next_to(one: Dimension, value: Any) -> list[Any]:
    """The nearest other values: all other choices, or one step up and one step down."""
    if isinstance(one.range, Choice):
        return [other for other in one.range.values if identity({"": other}) != identity({"": value})]
    if one.range.step is None:
        return []
    around = (nearest_value(one.range, value + way * one.range.step) for way in (-1, 1))
    return [other for other in around if other != value]


def _changed(space: Space, assignment: Assignment, change: Assignment, rng: Random) -> Assignment:
    def choose(one: Dimension) -> Any:
        value = {**assignment, **change}.get(one.path)
        # another class has its own parameters; one of the same name may have another range
        keeps = (one.path in assignment or one.path in change) and one.range.contains(value)
        return value if keeps else drawn(one.range, rng)

    return space.walk(choose)
