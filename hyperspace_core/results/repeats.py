"""Group repeats: runs that differ only in seed and fold, with mean and spread."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from hyperspace_core.config.tree import LEAVES, MISSING, Tree, canonical, flatten
from hyperspace_core.records.pruned import is_pruned, whole_of
from hyperspace_core.records.rescored import KEY as RESCORED
from hyperspace_core.records.rescored import Rescored, is_mended, rescored_of
from hyperspace_core.records.run import RunRecord
from hyperspace_core.results.estimates import Estimate, estimate
from hyperspace_core.results.table import (
    ID,
    METRICS,
    RESULT,
    SECONDS,
    SEED,
    Column,
    Table,
    best_first,
    rescored_path,
    seconds_of,
    tabulate,
)
from hyperspace_core.results.tabular import SHOWN, Tabular
from hyperspace_core.results.uncollected import uncollected
from hyperspace_core.results.units import FOLD, Unit, measured, unit_of
from hyperspace_core.results.words import ids_text
from hyperspace_core.scenarios.combining import SPREAD

if TYPE_CHECKING:
    from hyperspace_core.results.comparable import LeftOut


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """Runs that differ only in seed and fold, by age."""

    records: tuple[RunRecord, ...]

    @cached_property
    def whole(self) -> tuple[RunRecord, ...]:
        return whole_of(self.records)

    @cached_property
    def results(self) -> tuple[float, ...]:
        """One result a run, or one a part; duplicate parts count as their mean.

        Pruned runs are left out, unless all are pruned.
        """
        every = [measured(record) for record in self.whole]
        parts: dict[Unit, list[float]] = defaultdict(list)
        for run in every:
            for unit, value in run.items() if len(run) > 1 else ():
                parts[unit].append(value)
        return (*(value for run in every if len(run) == 1 for value in run.values()),
                *(estimate(values).mean for values in parts.values()))

    @property
    def in_parts(self) -> bool:
        """Whether each of the runs measured in several parts."""
        return all(len(measured(record)) > 1 for record in self.whole)

    @cached_property
    def estimate(self) -> Estimate | None:
        """Estimate of the task's metric; None without results."""
        return estimate(self.results) if self.results else None

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(record.id for record in self.records)

    def plain(self) -> Tree:
        """Tree for JSON."""
        return {"runs": self.ids, "pruned": [record.id for record in self.records if is_pruned(record)],
                "task": self.records[0].task, "metric": self.records[0].metric,
                "result": self.estimate, "metrics": self.as_one.metrics,
                "scenario": without_folds(self.records[0].scenario), "config": config_of(self.records[0])}

    @cached_property
    def as_one(self) -> RunRecord:
        """The oldest run, with the means of all runs in place of its numbers."""
        first = self.records[0]
        returned = [record.result for record in self.whole if record.result is not None]
        computed = {name: one.tree() | {"value": estimate([run[name].value for run in self._computed]).mean}
                    for name, one in self._computed[0].items() if all(name in run for run in self._computed)}
        mean = (estimate(returned).mean if returned and self.mended else
                None if self.estimate is None else self.estimate.mean)
        return replace(first, result=mean, info=first.info | {RESCORED: computed},
                       reason=self.whole[0].reason,
                       metrics=_means([flatten(record.metrics) for record in self.whole]))

    @cached_property
    def _computed(self) -> list[dict[str, Rescored]]:
        return [rescored_of(record) for record in self.whole]

    @property
    def mended(self) -> bool:
        """Whether the task's metric was recomputed for all of the runs."""
        return all(map(is_mended, self.whole))


@uncollected()
def grouped(records: Iterable[RunRecord]) -> list[Repeats]:
    """Group the runs by config, best mean first."""
    found: dict[str, list[RunRecord]] = {}
    for record in sorted(records, key=lambda record: record.id):
        found.setdefault(experiment_of(record), []).append(record)
    by_id = {group[0].id: Repeats(records=tuple(group)) for group in found.values()}
    return [by_id[record.id] for record in best_first(group.as_one for group in by_id.values())]


def has_repeats(records: Iterable[RunRecord]) -> bool:
    """Whether a config was run with several seeds or folds, or in parts."""
    seen: dict[str, Unit] = {}
    for record in records:
        unit = unit_of(record)
        if len(measured(record)) > 1 or seen.setdefault(experiment_of(record), unit) != unit:
            return True
    return False


def experiment_of(record: RunRecord) -> str:
    """Key of an experiment: everything that was requested except seed and fold."""
    return canonical([record.task, record.metric.name, record.metric.goal,
                      without_folds(record.scenario or {}), config_of(record)])


def config_of(record: RunRecord) -> Tree:
    """Hyper-parameters without seed and fold."""
    config = record.config if record.config is not None else record.submitted
    return {key: without_folds(value) for key, value in config.items() if key not in (SEED, FOLD)}


def without_folds(value: Any) -> Any:
    if type(value) in LEAVES:
        return value
    if isinstance(value, dict):
        return {key: without_folds(inner) for key, inner in value.items() if key != FOLD}
    return list(map(without_folds, value)) if isinstance(value, list | tuple) else value


class Grouped(Tabular, Sequence[Repeats]):
    """Configs with their repeats, best mean first."""

    def __init__(self, records: Iterable[RunRecord] = (), left_out: Iterable[LeftOut] = (), *,
                 looked_at: int | None = None) -> None:
        self._groups = tuple(grouped(records))
        self.left_out = tuple(left_out)
        self.looked_at = looked_at

    @overload
    def __getitem__(self, index: int) -> Repeats: ...
    @overload
    def __getitem__(self, index: slice) -> Grouped: ...
    def __getitem__(self, index: int | slice) -> Repeats | Grouped:
        found = self._groups[index]
        if isinstance(found, Repeats):
            return found
        part = copy.copy(self)
        part._groups = found
        return part

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[Repeats]:
        return iter(self._groups)

    def table(self, *, constant: bool = False) -> Table:
        return tabulate_repeats(self._groups, constant=constant)

    def _page(self) -> Table:
        return tabulate_repeats(self._groups[:SHOWN]).folded()

    def _rest(self) -> list[str]:
        from hyperspace_core.results.comparable import summary

        more = [f"… {len(self) - SHOWN} more"] if len(self) > SHOWN else []
        return [*more, *filter(None, [
            summary(self.left_out, 'comparable="all"', self.looked_at)])]


def tabulate_repeats(groups: Sequence[Repeats], *, constant: bool = False) -> Table:
    """Table with a row a config: runs, n, mean, sd, 95 % interval; other means."""
    table = tabulate((group.as_one for group in groups), constant=constant, as_given=True)
    spread = f"{METRICS}{groups[0].records[0].metric.name}/{SPREAD}" if groups and all(
        group.in_parts for group in groups) else None          # shown as `sd`
    columns = [column for column in table.columns
               if not _is_of_one_run(column) and column.path != spread]
    decides = {RESULT, *(rescored_path(group.records[0].metric.name) for group in groups if group.mended)}
    at = 1 + max(index for index, column in enumerate(columns) if column.path in decides)
    taken = {column.name for column in columns}
    known = [group.estimate for group in groups]
    spreads = [
        _named("sd", taken, [None if one is None else one.sd for one in known]),
        _named("low", taken, [None if one is None else one.low for one in known]),
        _named("high", taken, [None if one is None else one.high for one in known]),
    ]
    first = [_named("runs", taken, [ids_text(group.ids) for group in groups]),
             _named("n", taken, [len(group.results) for group in groups])]
    took = _named("seconds", taken, [_mean_seconds(group) for group in groups])
    last = [replace(took, path=SECONDS)] if any(value is not MISSING for value in took.values) else []
    return Table(columns=(*first, *columns[:at], *spreads, *columns[at:], *last), records=table.records)


def _is_of_one_run(column: Column) -> bool:
    return column.path in (ID, SEED, SECONDS, "config.seed") or _is_fold(column.path)


def _is_fold(path: str) -> bool:
    return path.rpartition(".")[2] == FOLD


def _named(name: str, taken: set[str], values: Sequence[Any]) -> Column:
    """Build a column; append `_` to a name used by a parameter or metric."""
    path = name
    while name in taken:
        name = f"{name}_"
    taken.add(name)
    return Column(name=name, path=path, values=tuple(MISSING if value is None else value for value in values))


def _mean_seconds(group: Repeats) -> Any:
    known = [took for took in map(seconds_of, group.records) if took is not MISSING]
    return sum(known) / len(known) if known else MISSING


def _means(metrics: Sequence[Tree]) -> Tree:
    """Mean of each number that all runs have."""
    names = [name for name in metrics[0] if all(_is_number(one.get(name)) for one in metrics)]
    return {name: estimate([one[name] for one in metrics]).mean for name in names}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
