"""One model for each series: for each machine, each customer, each shop."""

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
LISTING = "every_series"       # the method of a dataset that lists its series


@dataclass
class PerSeries(_Parted):
    """Runs a scenario once for each series, with the same hyper-parameters, and gives mean, spread and each
    series' own of its numbers.

    `key` is the setting that says which series it is. Without `series` whoever has that setting lists them,
    by a method `every_series()`.
    """

    scenario: Scenario
    key: str = "dataset.series"
    series: list[str | int] | None = None
    slots: int = 1                 # so many at once, each in a process of its own

    settings: ClassVar[tuple[str, ...]] = ("key",)

    def parts(self, seed: int) -> Sequence[Part]:
        keys = self._listed() if self.series is None else self.series
        return [Part(name=part_name(key), scenario=with_setting(copy.deepcopy(self.scenario), self.key, key),
                     seed=seed) for key in keys]

    def _listed(self) -> list[Key]:
        owner = copy.deepcopy(owner_of(self.scenario, self.key))
        if not hasattr(owner, LISTING):
            raise PartError(f"PerSeries: {type(owner).__name__} has no method {LISTING}(); give it one that "
                            "lists the series, or list them as `series` in the task")
        return list(getattr(owner, LISTING)())

    @classmethod
    def problems_of(cls, tree: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        yield from super().problems_of(tree)
        if tree["series"] == []:
            yield "series", "an empty list leaves nothing to run; leave it out, and the dataset lists them"


def part_name(key: Any) -> str:
    """A key as it can stand in the names of metrics and files: `General Motors` is `General-Motors`."""
    return re.sub(r"[^\w.+-]+", "-", str(key)).strip(".-") or "-"
