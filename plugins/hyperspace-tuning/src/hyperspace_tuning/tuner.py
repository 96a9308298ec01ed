"""The tuner interface: a function of search space, history and random generator.

A tuner keeps no state that its answers depend on: an equal space, an equal history and an equally seeded
generator give the same proposal in every process. So any worker may ask it, and a crash does no harm. A tuner
may cache what it computed from a history.

It may rely on this:

- `history.trials` are in the order in which the runs were submitted. A later history of the same search
  usually has the same trials, more of them, and pending ones that have ended. It need not (runs may be
  deleted, another worker may ask), so a cache must be compared with the history.
- Every trial's assignment lies in the space: it has exactly the active dimensions, each value in its range.
  Runs outside (a value out of the current range, a removed class, another value than a fixed one) are absent;
  the history's maker has counted them. A new class or parameter is in the space at once; past runs have its
  default, if that is in its range.
- A parameter that takes floats has floats, also where it was given as 1.
- The space may have no dimension that is searched: then `{}` is the only assignment.
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, ClassVar, Literal

from hyperspace_core.components import Component
from hyperspace_core.errors import ConfigError
from hyperspace_core.records import Metric
from hyperspace_tuning.sampling import sample, untried_neighbour
from hyperspace_tuning.space import Assignment, Space, identity

TrialState = Literal["completed", "failed", "pending", "pruned"]
DRAWS = 100                    # random samples before a repeat is proposed


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run, as a tuner sees it."""

    assignment: Assignment
    state: TrialState
    value: float | None = None     # of the first metric; pruned: the last one; failed, pending: None
    values: Mapping[str, float] = field(default_factory=dict)      # of all metrics of the search, by name
    weight: float = 1.0            # below 1: a run of a related task, which counts less
    run: int | None = None         # its id; None for a trial without a run

    @functools.cached_property
    def identity(self) -> Any:
        """The identity of its assignment."""
        return identity(self.assignment)


@dataclass(frozen=True, kw_only=True)
class History:
    """All trials in order, and the metrics: the first decides, several make a front."""

    trials: tuple[Trial, ...] = ()
    metrics: tuple[Metric, ...] = (Metric(),)

    @functools.cached_property
    def tried(self) -> Mapping[Any, int]:
        """`identity` of an assignment → its first trial's index; no related tasks."""
        found: dict[Any, int] = {}
        for index, trial in enumerate(self.trials):
            if trial.weight >= 1:
                found.setdefault(trial.identity, index)
        return found


class Tuner(Component):
    """Proposes what to try next."""

    several_metrics: ClassVar[bool] = False
    """Whether it optimizes several metrics; else a search with more than one is refused."""

    learns: ClassVar[bool] = True
    """Whether its proposals get better with the history."""

    ends: ClassVar[bool] = False
    """Whether its proposals end at some time, so that a search needs no limit."""

    preference: ClassVar[int] = 0
    """The installed tuner with the highest number is the default."""

    @abstractmethod
    def propose(self, space: Space, history: History, rng: Random) -> Assignment | None:
        """One assignment of the space, or None where the tuner has no more proposals.

        All randomness comes from `rng`. Pending trials are running now: they count as tried.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method propose()")

    def importance(self, space: Space, history: History) -> dict[str, float]:
        """The importance of each parameter, by key, with sum 1; empty if unknown."""
        return {}

    def check(self, space: Space, metrics: tuple[Metric, ...]) -> None:
        """Raise `ConfigError`, a line with the cure, for a search that it cannot do."""
        if len(metrics) > 1 and not self.several_metrics:
            named = ", ".join(metric.name for metric in metrics)
            raise ConfigError(f"{type(self).__name__} optimizes one metric, not {named}; name "
                              "one, or choose a tuner for several")


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """The next assignment. `duplicate_of`: of a repeat, the equal trial's index."""

    assignment: Assignment
    duplicate_of: int | None = None
    redrawn: int = 0               # how often a tried assignment was proposed before this one


def next_proposal(tuner: Tuner, space: Space, history: History, rng: Random, *,
                  redraws: int = 4) -> Proposal | None:
    """Ask `tuner` for an assignment that has not been tried; None where it has ended.

    A tried one is added to the history as pending, and the tuner is asked again, at most `redraws` times;
    then values of its proposal are changed. The result is a repeat where the whole space was tried. Raises
    `ConfigError` for a proposal outside the space.
    """
    tried, seen = history.tried, history
    repeated: list[Assignment] = []
    exhausted = len(tried) >= space.size
    for _ in range(1 if exhausted else 1 + redraws):
        assignment = tuner.propose(space, seen, rng)
        if assignment is None:
            return None
        problems = space.problems(assignment)
        if problems:
            raise ConfigError(*(f"{type(tuner).__name__} proposed an assignment outside the space: {problem}"
                                for problem in problems))
        if identity(assignment) not in tried:
            return Proposal(assignment=assignment, redrawn=len(repeated))
        repeated.append(assignment)
        seen = replace(seen, trials=(*seen.trials, Trial(assignment=assignment, state="pending")))
    other = None if exhausted else _other(space, repeated[-1], tried, rng)
    if other is not None:
        return Proposal(assignment=other, redrawn=len(repeated))
    return Proposal(assignment=repeated[0], duplicate_of=tried[identity(repeated[0])], redrawn=len(repeated))


def _other(space: Space, assignment: Assignment, tried: Mapping[Any, int], rng: Random) -> Assignment | None:
    """An untried neighbour of an assignment; else any untried assignment."""
    drawn = (sample(space, rng) for _ in range(DRAWS))
    return untried_neighbour(space, assignment, tried, rng) or next(
        (one for one in drawn if identity(one) not in tried), None)
