"""A series in short: what a pruner looks at, and what of it crosses from worker to run.

A series may have a million points. Up to step 256 all are kept; of later ones the first in each of 64 equal
parts of every octave (the steps from 2^n to 2^(n+1)), and always the last: about a thousand of a million. So
the first point that is kept at or after a step comes at most 1.6 % later than the first that was logged.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

Pair = tuple[int, float]       # step, value

EXACT = 256
BITS = 7                       # of a step, that tell the parts of an octave apart: 64 have the highest set


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One series of a run, as far as it has come.

    A value that was logged without a step stands at the number of values before it. Of several at one step
    the last counts; one whose step goes back is left out.
    """

    points: tuple[Pair, ...] = ()          # each step once, ascending
    count: int = 0                         # values that were logged, those that are left out here, too
    high: float = math.nan                 # of all that were logged, but for NaN; NaN where there are none
    low: float = math.nan
    asked: int = -1                        # the last step when its pruner was asked before; -1: never

    @property
    def step(self) -> int:
        """The last one; -1 before the first value."""
        return self.points[-1][0] if self.points else -1

    @property
    def value(self) -> float:
        """The last one; NaN before the first."""
        return self.points[-1][1] if self.points else math.nan

    def first_from(self, step: int) -> float | None:
        """The first value at this step or later; None where the curve has not come so far."""
        at = bisect_left(self._steps, step)
        return self.points[at][1] if at < len(self.points) else None

    def mean_until(self, step: int) -> float | None:
        """The mean of the values up to a step, each weighed by the steps since the one before; None where
        the first one comes later.
        """
        at = bisect_right(self._steps, step)
        return self._means[at - 1] if at else None

    @cached_property
    def _steps(self) -> tuple[int, ...]:
        return tuple(step for step, _ in self.points)

    @cached_property
    def _means(self) -> tuple[float, ...]:
        """After each point. The first value weighs as much as the second: what came before is not known."""
        between = [later - earlier for earlier, later in pairwise(self._steps)]
        total, weight, means = 0.0, 0, []
        for (_, value), steps in zip(self.points, [*between[:1], *between] or [1], strict=True):
            total, weight = total + steps * value, weight + steps
            means.append(total / weight)
        return tuple(means)


class Tracing:
    """Draws a curve while its values come."""

    def __init__(self, points: Iterable[tuple[int | None, float]] = ()) -> None:
        self.count = 0
        self._points: list[Pair] = []
        self._spare = False                # the last one stands there because it is the last
        self._high = self._low = math.nan
        for step, value in points:
            self.add(step, value)

    def add(self, step: int | None, value: float) -> None:
        step = self.count if step is None else step
        self.count += 1
        if not math.isnan(value):
            self._high = value if not value <= self._high else self._high
            self._low = value if not value >= self._low else self._low
        last = self._points[-1][0] if self._points else -1
        if step < last:
            return
        if self._points and (self._spare or step == last):
            self._points.pop()
        self._spare = bool(self._points) and _part(self._points[-1][0]) == _part(step)
        self._points.append((step, value))

    def curve(self, asked: int = -1) -> Curve:
        return Curve(points=tuple(self._points), count=self.count, high=self._high, low=self._low,
                     asked=asked)


def curve_of(points: Iterable[tuple[int | None, float]]) -> Curve:
    """The curve of steps (None: count) and values, in the order in which they were logged."""
    return Tracing(points).curve()


def _part(step: int) -> int:
    """Where the part of an octave begins that a step lies in; the step itself while all are kept."""
    if step < EXACT:
        return step
    shift = step.bit_length() - BITS
    return step >> shift << shift
