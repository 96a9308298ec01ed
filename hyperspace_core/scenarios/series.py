"""Train one model for each series, such as each machine or each customer."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from hyperspace_core.components import Scenario
from hyperspace_core.scenarios.parted import _Parted
from hyperspace_core.scenarios.parts import Part, PartError
from hyperspace_core.scenarios.settings import owner_of, with_setting

Key = str | int
LISTING = "every_series"       # the method with which a dataset lists its series


@dataclass
class PerSeries(_Parted):
    """Runs a scenario for each series; returns mean, deviation and each value.

    The hyper-parameters are the same for all series. `key` is the setting that selects the series. Without
    `series`, the object that has this setting lists them with its method `every_series()`.
    """

    scenario: Scenario
    key: str = "dataset.series"
    series: list[str | int] | None = None
    slots: int = 1                 # series executed at the same time, in processes

    settings: ClassVar[tuple[str, ...]] = ("key",)

    def parts(self, seed: int) -> Sequence[Part]:
        keys = self._listed() if self.series is None else self.series
        return [Part(name=part_name(key), scenario=with_setting(copy.deepcopy(self.scenario), self.key, key),
                     seed=seed) for key in keys]

    def _listed(self) -> list[Key]:
        owner = copy.deepcopy(owner_of(self.scenario, self.key))
        if not hasattr(owner, LISTING):
            raise PartError(f"PerSeries: {type(owner).__name__} has no method {LISTING}(); add one that "
                            "lists the series, or list them as `series` in the task")
        return list(getattr(owner, LISTING)())

    @classmethod
    def problems_of(cls, tree: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        yield from super().problems_of(tree)
        if tree["series"] == []:
            yield "series", "the list is empty; name a series, or omit it so that the dataset lists them"


def part_name(key: Any) -> str:
    """Make a key safe for names: `General Motors` becomes `General-Motors`."""
    return re.sub(r"[^\w.+-]+", "-", str(key)).strip(".-") or "-"
