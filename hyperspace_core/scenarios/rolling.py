"""Periodic re-training: train on past data, test on the next period."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from hyperspace_core.components import Scenario
from hyperspace_core.scenarios.parted import _Parted
from hyperspace_core.scenarios.parts import Part
from hyperspace_core.scenarios.series import part_name
from hyperspace_core.scenarios.settings import with_setting


@dataclass
class Rolling(_Parted):
    """Trains again at each step; returns mean, deviation and each value.

    The test periods go from `first` to `last` (exclusive) by `step`. For each, the scenario is trained on the
    `window` before it, or on all earlier data. Times are dates, `2014-07-01`, with steps such as `1 month`,
    `2 weeks`, `6 hours`; or whole numbers, such as years. Three settings of the wrapped scenario receive
    them; `train_from` is not set without a `window`.
    """

    scenario: Scenario
    first: str | int
    last: str | int
    step: str | int
    window: str | int | None = None
    train_from: str = "dataset.train_from"
    test_from: str = "dataset.test_from"
    test_until: str = "dataset.test_until"
    slots: int = 1                 # steps executed at the same time, in processes

    settings: ClassVar[tuple[str, ...]] = ("train_from", "test_from", "test_until")

    def parts(self, seed: int) -> Sequence[Part]:
        from hyperspace_core.scenarios.windows import windows

        return [Part(name=part_name(begin), scenario=self._trained(earliest, begin, end), seed=seed)
                for earliest, begin, end in windows(self.first, self.last, self.step, self.window)]

    def _trained(self, earliest: str | int | None, begin: str | int, end: str | int) -> Any:
        scenario = copy.deepcopy(self.scenario)
        if earliest is not None:
            scenario = with_setting(scenario, self.train_from, earliest)
        return with_setting(with_setting(scenario, self.test_from, begin), self.test_until, end)

    @classmethod
    def problems_of(cls, tree: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        from hyperspace_core.scenarios.windows import windows

        unused = ("train_from",) if tree["window"] is None else ()
        yield from ((parameter, text) for parameter, text in super().problems_of(tree)
                    if parameter not in unused)
        try:
            windows(tree["first"], tree["last"], tree["step"], tree["window"])
        except ValueError as error:
            parameter, _, text = str(error).partition(": ")
            yield parameter, text
