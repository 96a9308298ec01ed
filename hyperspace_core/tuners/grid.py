"""Grid search: all combinations of evenly spaced values, in order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from hyperspace_core.config.drawing import spaced
from hyperspace_core.config.searchspace import Assignment, Dimension, Space, identity
from hyperspace_core.errors import ConfigError
from hyperspace_core.ranges import Int
from hyperspace_core.tuner import History, Tuner


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
    values = {one.key: spaced(one.range, steps) for one in space.dimensions}
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
