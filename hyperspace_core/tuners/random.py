"""Random search: what every other tuner has to beat."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import ClassVar

from hyperspace_core.config.drawing import draw
from hyperspace_core.config.searchspace import Assignment, Space
from hyperspace_core.tuner import History, Tuner


@dataclass
class Random(Tuner):
    """Draws each value on its own, evenly or, on a logarithmic range, by magnitude.

    Bergstra and Bengio, Random Search for Hyper-Parameter Optimization, JMLR 13 (2012).
    """

    several_metrics: ClassVar[bool] = True         # it looks at none of them
    learns: ClassVar[bool] = False

    def propose(self, space: Space, history: History, rng: random.Random) -> Assignment | None:
        return draw(space, rng)
