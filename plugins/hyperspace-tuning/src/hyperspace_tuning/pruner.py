"""The pruner interface: a function of a run's curve and of its peers' curves.

It keeps no state and has no access to the store. `run.should_stop()` calls it in the run's process when the
watched series has a new value; once it returns True, the answer stays True.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

from hyperspace_core.components import Component
from hyperspace_core.errors import ConfigError
from hyperspace_core.records import Goal, Metric

# -- Curves -------------------------------------------------------------------------------------------------
#
# A series may have a million points. All points up to step 256 are kept; of later points the first in each of
# 64 equal parts of every octave (the steps from 2^n to 2^(n+1)), and the last: about a thousand of a million.
# The first kept point at or after a step is at most 1.6 % later than the first logged one.

Pair = tuple[int, float]       # step, value

EXACT = 256
BITS = 7                       # highest bits of a step, which number the 64 parts of an octave


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One series of a run, up to now.

    A value logged without a step gets the number of earlier values as its step. Of several values at one step
    the last is kept; a value whose step is lower than the last one is left out.
    """

    points: tuple[Pair, ...] = ()          # unique steps, ascending
    count: int = 0                         # number of logged values, including those left out
    high: float = math.nan                 # highest logged value except NaN; NaN where there are none
    low: float = math.nan
    asked: int = -1                        # the last step when the pruner was last asked; -1: never

    @property
    def step(self) -> int:
        """The last step; -1 before the first value."""
        return self.points[-1][0] if self.points else -1

    @property
    def value(self) -> float:
        """The last value; NaN before the first."""
        return self.points[-1][1] if self.points else math.nan

    def first_from(self, step: int) -> float | None:
        """The first value at this step or later; None where the curve is shorter."""
        at = bisect_left(self._steps, step)
        return self.points[at][1] if at < len(self.points) else None

    def mean_until(self, step: int) -> float | None:
        """The mean up to a step, weighted by the steps between; None before the first."""
        at = bisect_right(self._steps, step)
        return self._means[at - 1] if at else None

    @cached_property
    def _steps(self) -> tuple[int, ...]:
        return tuple(step for step, _ in self.points)

    @cached_property
    def _means(self) -> tuple[float, ...]:
        """The mean after each point; the first value has the weight of the second."""
        between = [later - earlier for earlier, later in pairwise(self._steps)]
        total, weight, means = 0.0, 0, []
        for (_, value), steps in zip(self.points, [*between[:1], *between] or [1], strict=True):
            total, weight = total + steps * value, weight + steps
            means.append(total / weight)
        return tuple(means)


class CurveBuilder:
    """Builds a curve from values one by one."""

    def __init__(self, points: Iterable[tuple[int | None, float]] = ()) -> None:
        self.count = 0
        self._points: list[Pair] = []
        self._spare = False                # the last point is kept only because it is the last
        self._high = self._low = math.nan
        for step, value in points:
            self.add(step, value)

    def add(self, step: int | None, value: float) -> None:
        step = self.count if step is None else step
        self.count += 1
        if math.isfinite(value):
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
    """The curve of (step, value) pairs; a step of None counts earlier values."""
    return CurveBuilder(points).curve()


def _part(step: int) -> int:
    """The first step of the part that holds `step`; `step` itself below `EXACT`."""
    if step < EXACT:
        return step
    shift = step.bit_length() - BITS
    return step >> shift << shift


PeerState = Literal["running", "completed", "pruned", "failed", "cancelled"]


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another run of the same search, with its curve so far."""

    run: int                       # its id
    state: PeerState
    curve: Curve


@dataclass(kw_only=True)
class Pruner(Component):
    """Decides whether a run is stopped early."""

    metric: str | None = None
    """The series that is watched; the task's metric where it is None."""

    goal: Goal | None = None
    """Which way that series is better; by default as the task says for its own metric."""

    @abstractmethod
    def should_stop(self, curve: Curve, peers: Sequence[Peer], goal: Goal) -> bool:
        """Whether to stop the run of this curve; the last of its values is new.

        `peers` are read at their first use, which takes a few milliseconds: decide without them where
        possible. They are unordered; runs without a logged value are absent. NaN is a value like any other,
        and the worst.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method should_stop()")

    def watched(self, own: Metric) -> Metric:
        """The watched series and its goal, for a task with this metric.

        Raises `ConfigError`, one line with the cure, where the goal is not given.
        """
        name = self.metric or own.name
        if self.goal is None and name != own.name:
            raise ConfigError(f"pruner {type(self).__name__}: it watches `{name}`, not the task's metric "
                              f"`{own.name}`; give its goal, 'maximize' or 'minimize'")
        return Metric(name=name, goal=self.goal or own.goal)


def score_of(value: float, goal: Goal) -> float:
    """A number that is higher for a better value; the lowest of all for NaN and infinities."""
    if not math.isfinite(value):
        return -math.inf
    return value if goal == "maximize" else -value


def best_of(curve: Curve, goal: Goal) -> float:
    """The best value so far; NaN where all values are."""
    return curve.high if goal == "maximize" else curve.low
