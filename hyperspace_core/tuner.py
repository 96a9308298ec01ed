"""What a tuner is: a function of the search space, of all that was ever tried, and of a random generator.

It keeps no state that anything depends on: whoever calls `propose` with an equal space, an equal history and
an equally seeded generator gets the same answer, in whatever process. So any worker may ask, and a crash can
spoil nothing. A tuner may remember what it computed from a history, to be faster the next time.

It may rely on this:

- `history.trials` stand in the order in which the runs were submitted. A later history of the same search has
  the same trials, more of them, and pending ones that meanwhile ended; but it need not (runs may be deleted,
  another worker asks), so what is remembered is compared and not believed.
- Every trial's assignment lies in the space: it has exactly the active dimensions, each value in its range.
  Runs that lie outside (a value out of today's range, a class that is gone, another value of what is held
  fast) are absent, and whoever made the history has counted them. A class or parameter that is new is in the
  space at once; past runs stand at its default, if that is in its range.
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
from hyperspace_core.config.beside import beside
from hyperspace_core.config.drawing import draw
from hyperspace_core.config.searchspace import Assignment, Space, identity
from hyperspace_core.errors import ConfigError
from hyperspace_core.records.run import Metric

TrialState = Literal["completed", "failed", "pending", "pruned"]
DRAWS = 100                    # at random, before a repeat is proposed


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run, as a tuner sees it."""

    assignment: Assignment
    state: TrialState
    value: float | None = None     # of the metric that decides; pruned: the last one; failed, pending: None
    values: Mapping[str, float] = field(default_factory=dict)      # of all metrics of the search, by name
    weight: float = 1.0            # below 1: a run of a related task, that tells less
    run: int | None = None         # its id; None for one that is no run

    @functools.cached_property
    def identity(self) -> Any:
        """That of its assignment."""
        return identity(self.assignment)


@dataclass(frozen=True, kw_only=True)
class History:
    """All that was tried, in order, and what is better: the first metric decides, several make a front."""

    trials: tuple[Trial, ...] = ()
    metrics: tuple[Metric, ...] = (Metric(),)

    @functools.cached_property
    def tried(self) -> Mapping[Any, int]:
        """`identity` of an assignment → index of its first trial; not of trials of related tasks."""
        found: dict[Any, int] = {}
        for index, trial in enumerate(self.trials):
            if trial.weight >= 1:
                found.setdefault(trial.identity, index)
        return found


class Tuner(Component):
    """Proposes what to try next."""

    several_metrics: ClassVar[bool] = False
    """Whether it seeks a front of several metrics; others are refused where a search has more than one."""

    learns: ClassVar[bool] = True
    """Whether its proposals get better with the history."""

    ends: ClassVar[bool] = False
    """Whether it has nothing left to propose one day, so that a search needs no budget to end."""

    preference: ClassVar[int] = 0
    """Which tuner a search has that names none: of those that are installed, the one with the highest."""

    @abstractmethod
    def propose(self, space: Space, history: History, rng: Random) -> Assignment | None:
        """One assignment of the space, or None where the tuner has nothing left to propose.

        All randomness comes from `rng`. Pending trials are being tried now: they are as good as tried.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method propose()")

    def importance(self, space: Space, history: History) -> dict[str, float]:
        """How much each parameter has mattered, by its key, together 1; empty where this cannot be told."""
        return {}

    def check(self, space: Space, metrics: tuple[Metric, ...]) -> None:
        """Raises `ConfigError`, one line with the cure, for a search that this tuner cannot do."""
        if len(metrics) > 1 and not self.several_metrics:
            named = ", ".join(metric.name for metric in metrics)
            raise ConfigError(f"{type(self).__name__} seeks the best of one metric, not of {named}; name "
                              "one, or choose a tuner for several")


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What to run next. `duplicate_of` is the index of the equal trial where nothing new was found."""

    assignment: Assignment
    duplicate_of: int | None = None
    redrawn: int = 0               # how often something that is there already was proposed before


def next_proposal(tuner: Tuner, space: Space, history: History, rng: Random, *,
                  redraws: int = 4) -> Proposal | None:
    """What `tuner` proposes. Where that is there already, it hears that the same is pending and is asked
    again, at most `redraws` times; then one value of its proposal is changed, or more. A space in which
    everything was tried gives a repeat at once.

    None where the tuner has nothing left. Raises `ConfigError` for a proposal that does not lie in the space.
    """
    tried, told = history.tried, history
    repeated: list[Assignment] = []
    exhausted = len(tried) >= space.size
    for _ in range(1 if exhausted else 1 + redraws):
        assignment = tuner.propose(space, told, rng)
        if assignment is None:
            return None
        problems = space.problems(assignment)
        if problems:
            raise ConfigError(*(f"{type(tuner).__name__} proposed what is not in the space: {problem}"
                                for problem in problems))
        if identity(assignment) not in tried:
            return Proposal(assignment=assignment, redrawn=len(repeated))
        repeated.append(assignment)
        told = replace(told, trials=(*told.trials, Trial(assignment=assignment, state="pending")))
    other = None if exhausted else _other(space, repeated[-1], tried, rng)
    if other is not None:
        return Proposal(assignment=other, redrawn=len(repeated))
    return Proposal(assignment=repeated[0], duplicate_of=tried[identity(repeated[0])], redrawn=len(repeated))


def _other(space: Space, assignment: Assignment, tried: Mapping[Any, int], rng: Random) -> Assignment | None:
    """What lies beside it; where all of that was tried, anything that was not."""
    drawn = (draw(space, rng) for _ in range(DRAWS))
    return beside(space, assignment, tried, rng) or next(
        (one for one in drawn if identity(one) not in tried), None)
