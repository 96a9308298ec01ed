"""Sample values from a range, or space them evenly; log ranges by magnitude."""

from __future__ import annotations

import math
from random import Random
from typing import Any

from hyperspace_core.config.dimensions import Assignment, nearest_value, values_in
from hyperspace_core.config.searchspace import Space
from hyperspace_core.ranges import Choice, Float, Int, Range


def drawn(range_: Range, rng: Random) -> Any:
    """Sample a value uniformly, or by magnitude where the range is logarithmic."""
    if isinstance(range_, Choice):
        return range_.values[rng.randrange(len(range_.values))]
    if isinstance(range_, Int) and not range_.log:
        return range_.low + range_.step * rng.randrange(int(values_in(range_)))
    return at(range_, rng.random())


def draw(space: Space, rng: Random) -> Assignment:
    """Sample a whole assignment, each choice and value independently."""
    return space.walk(lambda one: drawn(one.range, rng))


def spaced(range_: Range, steps: int) -> tuple[Any, ...]:
    """At most `steps` evenly spaced values, both ends included; a choice gives all."""
    if isinstance(range_, Choice):
        return range_.values
    count = int(min(steps, values_in(range_)))
    shares = [index / (count - 1) for index in range(count)] if count > 1 else [0.5]
    # twelve digits: 0.01 must be exactly the float 0.01
    values = [float(f"{_between(range_.low, range_.high, share, log=range_.log):.12g}") for share in shares]
    return tuple(dict.fromkeys(nearest_value(range_, value) for value in values))


def at(range_: Int | Float, share: float) -> Any:
    """The value at a share (0 to below 1) of the range; all values have equal parts."""
    # half a step more on either side, so that the ends are as likely as the other values
    half = (range_.step or 0) / 2
    low = max(range_.low - half, range_.low / 2) if range_.log else range_.low - half
    return nearest_value(range_, _between(low, range_.high + half, share, log=range_.log))


def _between(low: float, high: float, share: float, *, log: bool) -> float:
    if log:
        return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    return low + share * (high - low)
