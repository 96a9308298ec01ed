"""Random search: the baseline for every other tuner."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import ClassVar

from hyperspace_core.config.drawing import draw
from hyperspace_core.config.searchspace import Assignment, Space
from hyperspace_core.tuner import History, Tuner


@dataclass
class Random(Tuner):
    """Samples each value independently, evenly or by magnitude on a log range.

    Bergstra and Bengio, Random Search for Hyper-Parameter Optimization, JMLR 13 (2012).
    """

    several_metrics: ClassVar[bool] = True         # it uses none of them
    learns: ClassVar[bool] = False

    def propose(self, space: Space, history: History, rng: random.Random) -> Assignment | None:
        return draw(space, rng)
