"""Values out of a range: drawn at random, or spaced evenly; logarithmic ranges by magnitude."""

from __future__ import annotations

import math
from random import Random
from typing import Any

from hyperspace_core.config.searchspace import Assignment, Space, values_in
from hyperspace_core.space import Choice, Float, Int, Range


def drawn(range_: Range, rng: Random) -> Any:
    """A value of the range, each equally likely, or each magnitude where the range is logarithmic."""
    if isinstance(range_, Choice):
        return range_.values[rng.randrange(len(range_.values))]
    if isinstance(range_, Int) and not range_.log:
        return range_.low + range_.step * rng.randrange(int(values_in(range_)))
    return at(range_, rng.random())


def draw(space: Space, rng: Random) -> Assignment:
    """A whole assignment, each choice and value on its own."""
    return space.walk(lambda one: drawn(one.range, rng))


def spaced(range_: Range, steps: int) -> tuple[Any, ...]:
    """At most `steps` values from one end of a range to the other, evenly; all values of a choice."""
    if isinstance(range_, Choice):
        return range_.values
    count = int(min(steps, values_in(range_)))
    if count == 1:
        return (_middle(range_),)
    ends = [_stepped(range_, _between(range_.low, range_.high, index / (count - 1), log=range_.log))
            for index in range(count)]
    return tuple(dict.fromkeys(ends))


def at(range_: Int | Float, share: float) -> Any:
    """The value at a share (0 to below 1) of the range, so that every value of it gets its part."""
    # half a step more on either side, so that the ends are as likely as what lies between
    half = (range_.step or 0) / 2
    low = max(range_.low - half, range_.low / 2) if range_.log else range_.low - half
    return _stepped(range_, _between(low, range_.high + half, share, log=range_.log))


def _middle(range_: Int | Float) -> Any:
    return _stepped(range_, _between(range_.low, range_.high, 0.5, log=range_.log))


def _between(low: float, high: float, share: float, *, log: bool) -> float:
    if log:
        return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    return low + share * (high - low)


def _stepped(range_: Int | Float, value: float) -> Any:
    """The value of the range that is nearest."""
    if range_.step is not None:
        last = int(values_in(range_)) - 1
        index = min(max(round((value - range_.low) / range_.step), 0), last)
        value = range_.low + index * range_.step
    value = min(max(value, range_.low), range_.high)
    return int(value) if isinstance(range_, Int) else float(value)
