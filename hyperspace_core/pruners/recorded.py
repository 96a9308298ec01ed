"""Stops a run where an earlier execution of it was stopped, so that it can be reproduced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hyperspace_core.pruner import Curve, Peer, Pruner
from hyperspace_core.records.run import Goal


@dataclass(kw_only=True)
class AsRecorded(Pruner):
    """Stops a run once its series has as many values as when a pruner stopped it before."""

    values: int

    def should_stop(self, curve: Curve, peers: Sequence[Peer], goal: Goal) -> bool:
        return curve.count >= self.values
