"""The median rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

from hyperspace_core.pruner import Curve, Peer, Pruner, best_of, goodness
from hyperspace_core.records.run import Goal


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
        known = [goodness(mean, goal) for mean in means if mean is not None]
        if len(known) < max(1, self.startup_runs):
            return False
        return goodness(best_of(curve, goal), goal) < median_low(known)
