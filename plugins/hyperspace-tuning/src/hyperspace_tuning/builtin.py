"""The simple tuners and pruners: grid, random, median, successive halving, as recorded."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Annotated, Any, ClassVar

from hyperspace_core.errors import ConfigError
from hyperspace_core.ranges import Int
from hyperspace_core.records import Goal
from hyperspace_tuning.pruner import Curve, Peer, Pruner, best_of, score_of
from hyperspace_tuning.sampling import evenly_spaced, sample
from hyperspace_tuning.space import Assignment, Dimension, Space, identity
from hyperspace_tuning.tuner import History, Tuner


@dataclass
class Grid(Tuner):
    """Proposes the first untried combination; the last parameter varies fastest.

    steps: values of each range, from one end to the other; a choice has all of its values
    """

    several_metrics: ClassVar[bool] = True
    learns: ClassVar[bool] = False
    ends: ClassVar[bool] = True
    preference: ClassVar[int] = -1

    steps: Annotated[int, Int(2, 100)] = 5

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError(f"Grid.steps: expected 1 or more, found {self.steps}")

    def propose(self, space: Space, history: History, rng: random.Random) -> Assignment | None:
        return next((one for one in combinations(space, self.steps) if identity(one) not in history.tried),
                    None)


def combinations(space: Space, steps: int) -> Iterator[Assignment]:
    """Every assignment of evenly spaced values, the last dimension varying fastest."""
    values = {one.key: evenly_spaced(one.range, steps) for one in space.dimensions}
    chosen: list[int] = []         # like a counter's digits: one for each active dimension
    while True:
        counts: list[int] = []

        def choose(one: Dimension, counts: list[int] = counts) -> Any:
            if len(counts) == len(chosen):
                chosen.append(0)
            counts.append(len(values[one.key]))
            return values[one.key][chosen[len(counts) - 1]]

        yield space.walk(choose)
        while chosen and chosen[-1] + 1 == counts[len(chosen) - 1]:
            chosen.pop()
        if not chosen:
            return
        chosen[-1] += 1            # the digits after it restart


@dataclass
class Random(Tuner):
    """Samples each value independently, evenly or by magnitude on a log range.

    Bergstra and Bengio, Random Search for Hyper-Parameter Optimization, JMLR 13 (2012).
    """

    several_metrics: ClassVar[bool] = True         # it uses none of them
    learns: ClassVar[bool] = False

    def propose(self, space: Space, history: History, rng: random.Random) -> Assignment | None:
        return sample(space, rng)


@dataclass(kw_only=True)
class Median(Pruner):
    """Stops a run whose best value is worse than the median of completed runs.

    Their values are averages up to the same step. Golovin et al., Google Vizier: A Service for Black-Box
    Optimization, KDD 2017, section 3.1. With an even number of runs the worse one of the two in the middle
    counts. Completed runs that ended before that step do not count.
    """

    startup_runs: int = 5          # completed runs that are required before any run is stopped
    warmup_steps: int = 0          # before this step no run is stopped

    def should_stop(self, curve: Curve, peers: Sequence[Peer], goal: Goal) -> bool:
        if curve.step < self.warmup_steps:
            return False
        means = [peer.curve.mean_until(curve.step) for peer in peers
                 if peer.state == "completed" and peer.curve.step >= curve.step]
        known = [score_of(mean, goal) for mean in means if mean is not None]
        if len(known) < max(1, self.startup_runs):
            return False
        return score_of(best_of(curve, goal), goal) < median_low(known)


@dataclass(kw_only=True)
class SuccessiveHalving(Pruner):
    """Continues a run at each rung only if it is among the best 1/`reduction` there.

    The rungs are the steps `min_steps`, `min_steps * reduction`, `min_steps * reduction**2`, … Li et al., A
    System for Massively Parallel Hyperparameter Tuning, MLSys 2020 (ASHA), as a stopping rule: no run is
    resumed. A run is judged once at each rung, when it reaches it. While fewer than `reduction` runs have
    reached it, the best of them passes.
    """

    min_steps: int = 1             # the first rung, as a logged step
    reduction: int = 3

    def __post_init__(self) -> None:
        for name, least in (("min_steps", 1), ("reduction", 2)):
            if getattr(self, name) < least:
                raise ConfigError(f"`{name}`: expected at least {least}, got {getattr(self, name)}")

    def should_stop(self, curve: Curve, peers: Sequence[Peer], goal: Goal) -> bool:
        return any(not self._passes(rung, curve, peers, goal) for rung in self._rungs(curve))

    def _rungs(self, curve: Curve) -> list[int]:
        """The rungs that were reached since the last call."""
        found, rung = [], self.min_steps
        while rung <= curve.step:
            if rung > curve.asked:
                found.append(rung)
            rung *= self.reduction
        return found

    def _passes(self, rung: int, curve: Curve, peers: Sequence[Peer], goal: Goal) -> bool:
        there = [value for one in (curve, *(peer.curve for peer in peers))
                 if (value := one.first_from(rung)) is not None]
        values = sorted((score_of(value, goal) for value in there), reverse=True)
        own = curve.first_from(rung)
        return own is not None and score_of(own, goal) >= values[max(1, len(values) // self.reduction) - 1]


@dataclass(kw_only=True)
class AsRecorded(Pruner):
    """Stops a run when its series has as many values as when it was pruned."""

    values: int

    def should_stop(self, curve: Curve, peers: Sequence[Peer], goal: Goal) -> bool:
        return curve.count >= self.values
