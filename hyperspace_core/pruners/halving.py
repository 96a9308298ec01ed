"""Asynchronous successive halving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hyperspace_core.errors import ConfigError
from hyperspace_core.pruner import Curve, Peer, Pruner, goodness
from hyperspace_core.records.run import Goal


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
        values = sorted((goodness(value, goal) for value in there), reverse=True)
        own = curve.first_from(rung)
        return own is not None and goodness(own, goal) >= values[max(1, len(values) // self.reduction) - 1]
