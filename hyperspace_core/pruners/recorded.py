"""Stops a run where its earlier execution was stopped, to reproduce it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hyperspace_core.pruner import Curve, Peer, Pruner
from hyperspace_core.records.run import Goal


@dataclass(kw_only=True)
class AsRecorded(Pruner):
    """Stops a run when its series has as many values as when it was pruned."""

    values: int

    def should_stop(self, curve: Curve, peers: Sequence[Peer], goal: Goal) -> bool:
        return curve.count >= self.values
