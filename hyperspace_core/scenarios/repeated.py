"""The same scenario several times: other seeds, other subsets of the training set, other folds."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from hyperspace_core.components import Scenario
from hyperspace_core.scenarios.parted import _Parted
from hyperspace_core.scenarios.parts import Part
from hyperspace_core.scenarios.settings import with_setting


@dataclass
class Repeated(_Parted):
    """Runs a scenario several times, and gives mean, spread and each time's own of its numbers.

    Time i has the run's seed + i, so that whatever the scenario draws by its seed, a subset of the training
    set or the first weights, is drawn anew. With `fold`, time i has that setting at i and the run's own seed:
    the same division of the data, another part of it held back.
    """

    scenario: Scenario
    times: int = 5
    fold: str | None = None        # the setting that takes 0, 1, …: `dataset.fold`
    slots: int = 1                 # so many at once, each in a process of its own

    settings: ClassVar[tuple[str, ...]] = ("fold",)

    def parts(self, seed: int) -> Sequence[Part]:
        from hyperspace_core.config.seeds import LIMIT

        times = range(self.times)
        if self.fold is None:
            return [Part(name=f"repeat-{time}", scenario=copy.deepcopy(self.scenario),
                         seed=(seed + time) % LIMIT) for time in times]
        return [Part(name=f"fold-{fold}", seed=seed,
                     scenario=with_setting(copy.deepcopy(self.scenario), self.fold, fold)) for fold in times]

    @classmethod
    def problems_of(cls, tree: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        yield from super().problems_of(tree)
        if tree["times"] < 1:
            yield "times", f"expected at least 1, found {tree['times']}"
