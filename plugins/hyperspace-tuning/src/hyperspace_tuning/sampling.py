"""Sample assignments: at random, evenly spaced, or near another one.

Logarithmic ranges are sampled by magnitude.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator
from random import Random
from typing import Any

from hyperspace_core.ranges import Choice, Float, Int, Range
from hyperspace_tuning.space import Assignment, Dimension, Space, identity, nearest_value, values_in


def sample_value(range_: Range, rng: Random) -> Any:
    """Sample a value uniformly, or by magnitude where the range is logarithmic."""
    if isinstance(range_, Choice):
        return range_.values[rng.randrange(len(range_.values))]
    if isinstance(range_, Int) and not range_.log:
        return range_.low + range_.step * rng.randrange(int(values_in(range_)))
    return value_at_share(range_, rng.random())


def sample(space: Space, rng: Random) -> Assignment:
    """Sample a whole assignment, each choice and value independently."""
    return space.walk(lambda one: sample_value(one.range, rng))


def evenly_spaced(range_: Range, steps: int) -> tuple[Any, ...]:
    """At most `steps` evenly spaced values, both ends included; a choice gives all."""
    if isinstance(range_, Choice):
        return range_.values
    count = int(min(steps, values_in(range_)))
    shares = [index / (count - 1) for index in range(count)] if count > 1 else [0.5]
    # twelve digits: 0.01 must be exactly the float 0.01
    values = [float(f"{_between(range_.low, range_.high, share, log=range_.log):.12g}") for share in shares]
    return tuple(dict.fromkeys(nearest_value(range_, value) for value in values))


def value_at_share(range_: Int | Float, share: float) -> Any:
    """The value at a share (0 to below 1) of the range; all values have equal parts."""
    # half a step more on either side, so that the ends are as likely as the other values
    half = (range_.step or 0) / 2
    low = max(range_.low - half, range_.low / 2) if range_.log else range_.low - half
    return nearest_value(range_, _between(low, range_.high + half, share, log=range_.log))


def _between(low: float, high: float, share: float, *, log: bool) -> float:
    if log:
        return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    return low + share * (high - low)


# -- Neighbours ---------------------------------------------------------------------------------------------
#
# In a space of choices and whole numbers a tuner proposes its best assignment again and again. A new random
# assignment would ignore what it has learned. The nearest neighbours come first: one value replaced by the
# next in its range, then any one value, then two, then three.

TIMES = 10                     # tries with one changed value, then as many with two, then with three
MOST = 3


def untried_neighbour(space: Space, assignment: Assignment, tried: Container[Any],
                      rng: Random) -> Assignment | None:
    """An untried assignment near this one; None where none was found."""
    return next((other for other in _others(space, assignment, rng) if identity(other) not in tried), None)


def _others(space: Space, assignment: Assignment, rng: Random) -> Iterator[Assignment]:
    active = space.active(assignment)
    near = [(one.path, value) for one in active for value in _next_to(one, assignment[one.path])]
    for path, value in rng.sample(near, len(near)):
        yield _changed(space, assignment, {path: value}, rng)
    for attempt in range(TIMES * MOST):
        some = rng.sample(active, min(1 + attempt // TIMES, len(active)))
        yield _changed(space, assignment, {one.path: sample_value(one.range, rng) for one in some}, rng)


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
        return value if keeps else sample_value(one.range, rng)

    return space.walk(choose)
