"""What a pruner is: a function of a run's own curve and of those of its search's other runs.

It keeps no state, and sees no store. It is asked in the process of the run, when `run.should_stop()` is
called and the series that it watches has a new value; once it has said yes, the run is told so for good.
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
    """Another run of the same search: its curve so far, the whole one where it has ended."""

    run: int                       # its id
    state: PeerState
    curve: Curve


@dataclass(kw_only=True)
class Pruner(Component):
    """Says whether a run may as well end early."""

    metric: str | None = None
    """The series that is watched; the task's metric where it is None."""

    goal: Goal | None = None
    """Which way that series is better; as the task says where the series is the task's metric."""

    @abstractmethod
    def should_stop(self, curve: Curve, peers: Sequence[Peer], goal: Goal) -> bool:
        """Whether to stop the run whose curve this is; it has at least one value, the last one is new.

        `peers` are asked for when they are first looked at, and that takes a few milliseconds: what can be
        decided without them should be. They are in no order; those that have logged nothing are absent. NaN
        is a value like any other, and the worst.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method should_stop()")

    def watched(self, own: Metric) -> Metric:
        """The series that is watched, for a task with this metric, and which way it is better.

        Raises `ConfigError`, one line with the cure, where nobody has said that.
        """
        name = self.metric or own.name
        if self.goal is None and name != own.name:
            raise ConfigError(f"pruner {type(self).__name__}: it watches `{name}`, not the task's metric "
                              f"`{own.name}`; say which way that is better: goal 'maximize' or 'minimize'")
        return Metric(name=name, goal=self.goal or own.goal)


def goodness(value: float, goal: Goal) -> float:
    """A number that is higher where the value is better; the lowest of all for NaN."""
    if math.isnan(value):
        return -math.inf
    return value if goal == "maximize" else -value


def best_of(curve: Curve, goal: Goal) -> float:
    """The best value so far; NaN where all are."""
    return curve.high if goal == "maximize" else curve.low
