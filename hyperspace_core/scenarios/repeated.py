"""Repeat a scenario with other seeds or folds."""

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
    """Runs a scenario several times; returns mean, deviation and each value.

    Repeat i has the run's seed + i, so everything that the scenario draws by its seed, such as a subset of
    the training set or initial weights, differs. With `fold`, repeat i sets this setting to i and keeps the
    run's seed: the data is split in the same way, and another fold is held out.
    """

    scenario: Scenario
    times: int = 5
    fold: str | None = None        # the setting that takes 0, 1, …: `dataset.fold`
    slots: int = 1                 # repeats executed at the same time, in processes

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
