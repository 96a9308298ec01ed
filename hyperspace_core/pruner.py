"""The pruner interface: a function of a run's curve and of its peers' curves.

It keeps no state and has no access to the store. `run.should_stop()` calls it in the run's process when the
watched series has a new value; once it returns True, the answer stays True.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hyperspace_core.components import Component
from hyperspace_core.errors import ConfigError
from hyperspace_core.records.curve import Curve, Tracing, curve_of
from hyperspace_core.records.run import Goal, Metric

__all__ = ["Curve", "Peer", "PeerState", "Pruner", "Tracing", "best_of", "curve_of", "goodness"]

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


def goodness(value: float, goal: Goal) -> float:
    """A number that is higher for a better value; the lowest of all for NaN."""
    if math.isnan(value):
        return -math.inf
    return value if goal == "maximize" else -value


def best_of(curve: Curve, goal: Goal) -> float:
    """The best value so far; NaN where all values are."""
    return curve.high if goal == "maximize" else curve.low
