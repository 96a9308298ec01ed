"""Effect of one hyper-parameter: all pairs of runs that differ only in it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, overload

from hyperspace_analysis.compare import difference, without
from hyperspace_core.errors import UsageError, did_you_mean
from hyperspace_core.plugin import (
    SHOWN,
    Column,
    Estimate,
    Table,
    Tabular,
    info,
    is_missing,
    look_up,
    statistics,
    tables,
    text as text_,
    trees,
)
from hyperspace_core.records import Metric, RunRecord

CONFIG = "config"
Measured = tuple[RunRecord, float]


@dataclass(frozen=True, kw_only=True)
class Change:
    """Change from one value to another: mean of new - old, with 95 % interval."""

    task: str
    metric: Metric
    old: Any
    new: Any
    pairs: tuple[tuple[int, int], ...]         # run ids, the old value's first; parts are paired within them
    effect: Estimate

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `the same` or `cannot tell`."""
        if self.effect.sd == 0 and self.effect.mean == 0:
            return "the same"
        if not self.effect.differs:
            return "cannot tell"
        return "better" if (self.effect.mean > 0) == (self.metric.goal == "maximize") else "worse"

    def to_json(self) -> dict[str, Any]:
        """Fields and verdict, for JSON."""
        return {**vars(self), "verdict": self.verdict}


class Effects(Tabular, Sequence[Change]):
    """Effects of one hyper-parameter, one change of value per row."""

    def __init__(self, parameter: str, changes: Sequence[Change]) -> None:
        self.parameter = parameter
        self._changes = tuple(changes)
        self.nothing = f"no two runs differ in {parameter} alone"

    @overload
    def __getitem__(self, index: int) -> Change: ...
    @overload
    def __getitem__(self, index: slice) -> Effects: ...
    def __getitem__(self, index: int | slice) -> Change | Effects:
        found = self._changes[index]
        return found if isinstance(found, Change) else Effects(self.parameter, found)

    def __len__(self) -> int:
        return len(self._changes)

    def __iter__(self) -> Iterator[Change]:
        return iter(self._changes)

    def table(self, *, constant: bool = False) -> Table:
        """`constant=True` keeps the task column even if all rows have the same task."""
        every = self._changes
        columns: dict[str, list[Any]] = {
            "task": [one.task for one in every],
            self.parameter: [text_.value_text(one.old) for one in every],
            "to": [text_.value_text(one.new) for one in every],
            "pairs": [one.effect.n for one in every],
            "effect": [one.effect.mean for one in every],
            "low": [one.effect.low for one in every],
            "high": [one.effect.high for one in every],
            "verdict": [one.verdict for one in every],
        }
        if not constant and len(set(columns["task"])) < 2:
            del columns["task"]
        return Table(records=(), columns=tuple(
            Column(name=name, path=name, values=tuple(_or_missing(value) for value in values))
            for name, values in columns.items()))

    def _page(self) -> Table:
        return self[:SHOWN].table()

    def _rest(self) -> list[str]:
        return [f"… {len(self) - SHOWN} more"] if len(self) > SHOWN else []


def effects(records: Sequence[RunRecord], parameter: str) -> Effects:
    """Compute the effects of a hyper-parameter from comparable runs.

    A run, or each part of one, counts once for a pair of values; runs of the same config and seed count as
    their mean. Pruned runs are left out. `parameter`: its shortest name or dotted path; a component means its
    whole section. Raises `UsageError` if no run has the parameter.
    """
    path = path_of(records, parameter)
    alike: dict[tuple[str, statistics.MeasurementKey], list[Measured]] = defaultdict(list)
    for record in records:
        measured = statistics.measurements(record)
        if measured and not info.is_pruned(record) and not is_missing(_value(record, path)):
            rest = trees.canonical([record.task, record.metric.name, record.metric.goal, record.scenario,
                              without(statistics.config_of(record), [path])])
            for key, value in measured.items():
                alike[rest, key].append((record, value))
    found: dict[tuple[str, str, str], list[tuple[RunRecord, RunRecord, float]]] = defaultdict(list)
    for group in alike.values():
        values: dict[str, list[Measured]] = defaultdict(list)
        for record, value in group:
            values[trees.canonical(_value(record, path))].append((record, value))
        for old, new in combinations(sorted(values, key=_order), 2):
            (one, _), (other, _) = values[old][0], values[new][0]
            found[one.task, old, new].append((one, other, difference(_mean(values[new]), _mean(values[old]))))
    return Effects(parameter, [_change(found[key], path) for key in sorted(found, key=_order_of_three)])


def path_of(records: Sequence[RunRecord], parameter: str) -> str:
    """Path of a hyper-parameter. Raises `UsageError` if no run has it."""
    wanted = parameter.removeprefix(f"{CONFIG}.")
    if any(not is_missing(look_up(record, f"{CONFIG}.{wanted}")) for record in records):
        return wanted
    paths = dict.fromkeys(path for record in records for path in tables.parameters_of(record)
                          if path.startswith(f"{CONFIG}."))
    names = {name: path for path, name in tables.shortest_names(paths).items()}
    if not records:
        return wanted
    if wanted not in names:
        raise UsageError(f"no run has a hyper-parameter {parameter!r}{did_you_mean(wanted, names)}")
    return names[wanted].removeprefix(f"{CONFIG}.").removesuffix(f".{trees.CLASS_NAME}")


def _value(record: RunRecord, path: str) -> Any:
    return look_up(record, f"{CONFIG}.{path}")


def _change(pairs: Sequence[tuple[RunRecord, RunRecord, float]], path: str) -> Change:
    pairs = sorted(pairs, key=lambda pair: pair[0].id)
    one, other, _ = pairs[0]
    return Change(task=one.task, metric=one.metric, old=_value(one, path), new=_value(other, path),
                  pairs=tuple(dict.fromkeys((old.id, new.id) for old, new, _ in pairs)),
                  effect=statistics.estimate([by for _, _, by in pairs]))


def _order(text: str) -> tuple[int, float, str]:
    """Sort key: numbers by size, then texts."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    return (1, 0.0, text) if math.isnan(value) else (0, value, "")


def _order_of_three(key: tuple[str, str, str]) -> Any:
    return key[0], _order(key[1]), _order(key[2])


def _mean(values: Sequence[Measured]) -> float:
    return statistics.estimate([value for _, value in values]).mean


def _or_missing(value: Any) -> Any:
    return trees.MISSING if value is None else value
