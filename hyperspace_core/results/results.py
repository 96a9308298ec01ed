"""Result of `Study.results`: a sequence of records, shown as a table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from typing import Any

from hyperspace_core.errors import HyperspaceError, NotFound, UsageError, did_you_mean
from hyperspace_core.extension.accessors import RESULTS, Accessors
from hyperspace_core.records.filter import ORDER_BEST, ORDER_NEWEST, RunFilter
from hyperspace_core.records.info import decisive, is_mended
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import RunRecord
from hyperspace_core.results import comparable
from hyperspace_core.results.comparable import Comparison, CurrentCode, LeftOut
from hyperspace_core.results.export import SHOWN, Rows
from hyperspace_core.results.repeats import Grouped, has_repeats
from hyperspace_core.results.table import Column, Table, best_first, ordered, tabulate
from hyperspace_core.storage import Store

Read = Callable[[int, Collection[str] | None], Iterable[Point]]


class Results(Rows[RunRecord]):
    """Runs, best first by their task's metric; shown as a table.

    `left_out`: runs that are not comparable with these, each with its `record` and `reasons`.
    `looked_at`: number of runs that were read to find the best of many; None: all.
    """

    def __init__(self, records: Iterable[RunRecord] = (), left_out: Iterable[LeftOut] = (), *,
                 order_by: str | None = None, read: Read | None = None,
                 looked_at: int | None = None, accessors: Accessors | None = None) -> None:
        super().__init__(best_first(records) if order_by is None else ordered(records, order_by))
        self.left_out = tuple(left_out)
        self.looked_at = looked_at
        self._read = read
        self._accessors = accessors
        self._built: dict[str, object] = {}        # by accessors, for these very runs

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or self._accessors is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if name not in self._built:
            self._built[name] = self._accessors.get(RESULTS, self, name)
        return self._built[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(() if self._accessors is None else self._accessors.names(RESULTS))]

    def __copy__(self) -> Results:
        part = object.__new__(Results)
        part.__dict__ |= {**vars(self), "_built": {}}
        return part

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Results) and self._items == other._items

    __hash__ = None  # type: ignore[assignment]

    def best(self) -> RunRecord | None:
        """The best run by the task's metric; None without a finite result.

        Raises `UsageError` for runs of several tasks.
        """
        tasks = sorted({record.task for record in self._items})
        if len(tasks) > 1:
            raise UsageError(f"best of {', '.join(tasks)}: several tasks cannot be ranked; name one task")
        found = next(iter(best_first(self._items)), None)
        value = None if found is None else decisive(found)
        return None if value is None or not math.isfinite(value) else found

    def grouped(self) -> Grouped:
        """Group repeats into one row: n, mean, spread and interval, best mean first."""
        return Grouped(self._items, self.left_out, looked_at=self.looked_at)

    def metrics(self, names: str | Collection[str] | None = None) -> LongSeries:
        """Read the logged series, all or those of these names, into one long table."""
        return long_series(self._items, self.points, (names,) if isinstance(names, str) else names)

    def points(self, run: int, names: Collection[str] | None = None) -> Iterable[Point]:
        """Read the points that a run has logged, in order.

        Raises `HyperspaceError` for runs that do not come from a store.
        """
        if self._read is None:
            raise HyperspaceError("these runs do not come from a store, so their series cannot be read")
        return self._read(run, names)

    def table(self, *, constant: bool = False) -> Table:
        return tabulate(self._items, constant=constant, as_given=True)

    def _page(self) -> Table:
        return tabulate(self._items[:SHOWN], as_given=True).folded()

    def _rest(self) -> list[str]:
        more = super()._rest()
        if has_repeats(self._items[:SHOWN]):
            more.append("some runs are repeats; .grouped() shows one row a config")
        return [*more, *filter(None, [
            comparable.left_out_text(self.left_out, 'comparable="all"', self.looked_at)])]


# -- Series of many runs in one long table: run, name, step, value ----

@dataclass(frozen=True, kw_only=True)
class SeriesPoint:
    """One point of a run's series; a point logged without a step is numbered."""

    run: int
    name: str
    step: int
    value: float


class LongSeries(Rows[SeriesPoint]):
    """Points of many runs, by run, in the order of logging."""

    nothing = "no series"

    def table(self, *, constant: bool = False) -> Table:
        """Return all four columns; `constant` has no effect."""
        return _series_table(self._items)

    def _page(self) -> Table:
        return _series_table(self._items[:SHOWN])


def long_series(records: Sequence[RunRecord], read: Read, names: Collection[str] | None) -> LongSeries:
    """Read the series of the runs. Raises `NotFound` for an unknown name."""
    found = LongSeries(point for record in records for point in _points(record.id, read(record.id, names)))
    there = {point.name for point in found}
    for name in names or ():
        if name not in there and records:
            known = {point.name for record in records for point in read(record.id, None)}
            cure = did_you_mean(name, known) or f"; they have {', '.join(sorted(known)) or 'none'}"
            raise NotFound(f"no run has logged a series '{name}'{cure}")
    return found


def _points(run: int, points: Iterable[Point]) -> Iterator[SeriesPoint]:
    counts: Counter[str] = Counter()
    for point in points:
        step = counts[point.name] if point.step is None else point.step
        counts[point.name] += 1
        yield SeriesPoint(run=run, name=point.name, step=step, value=point.value)


def _series_table(points: Sequence[SeriesPoint]) -> Table:
    names = ("run", "name", "step", "value")
    return Table(records=(), columns=tuple(
        Column(name=name, path=name, values=tuple(getattr(point, name) for point in points))
        for name in names))


# -- First page of results: the best comparable runs, without reading all runs --

MANY = 2_000                   # up to this number, all runs are read
GROUPED = 20_000               # the same if some are repeats: takes about two seconds
SAMPLE = 300                   # newest runs that give the reference
BEST = 40                      # best runs that are read in addition

AskCode = Callable[[], CurrentCode | None]


@dataclass(frozen=True, kw_only=True)
class FirstPage(Comparison):
    """The best of many runs, up to the limit; not all runs were read."""

    of: int | None                 # number of runs; None if only reading all of them would give it
    of_all: int                    # upper bound of that number
    repeated: bool                 # whether some of the runs read are repeats


def first_page(store: Store, where: RunFilter, limit: int, ask: AskCode | None, *,
               read: Callable[[RunRecord], RunRecord]) -> Comparison | None:
    """Find the best `limit` comparable runs of a task; None if all can be read.

    `ask`: as in `select_comparable`; without it all runs are comparable. `read`: reduces a record to what is
    kept. If all runs had to be read, for example because some were rescored, the result holds all of them.
    """
    if len(where.tasks) != 1 or limit <= 0:
        return None
    # an upper bound: to count with conditions on values may read all runs
    count = sum(store.count(replace(where, where=())).values())
    if count <= MANY:
        return None
    asked = None if ask is None else cache(ask)
    newest = {record.id: record for record in map(read, store.find(where, order=ORDER_NEWEST, limit=SAMPLE))}
    ordered, walked = map(read, store.find(where, order=ORDER_BEST)), dict[int, RunRecord]()
    while True:
        wanted = max(limit, len(walked))           # twice as many each time: few steps
        more = {record.id: record for record in islice(ordered, wanted)}
        walked |= more
        if any(map(is_mended, (*newest.values(), *more.values()))):
            return _compared(best_first(map(read, store.find(where))), asked)
        seen = walked | {number: record for number, record in newest.items() if number not in walked}
        found = _compared(seen.values(), asked)
        if len(more) < wanted:
            return found
        page = [record for record in found.kept if record.id in walked][:limit]
        if len(page) == limit:
            return FirstPage(kept=tuple(page), left_out=found.left_out, looked_at=len(seen),
                             of=None if where.where else count, of_all=count,
                             repeated=has_repeats(found.kept))


def any_mended(store: Store, where: RunFilter) -> bool:
    """Whether the task's metric was recomputed for some of the newest or best runs.

    If so, the store's order, which is by the returned result, differs from the order of the results.
    """
    return any(is_mended(record) for order, most in ((ORDER_NEWEST, SAMPLE), (ORDER_BEST, BEST))
               for record in store.find(where, order=order, limit=most))


def _compared(records: Iterable[RunRecord], ask: AskCode | None) -> Comparison:
    return Comparison(kept=tuple(records)) if ask is None else comparable.select_comparable(records, ask)

