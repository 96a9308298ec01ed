"""Series of many runs in one long table: run, name, step, value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from hyperspace_core.errors import NotFound, did_you_mean
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import RunRecord
from hyperspace_core.results.export import SHOWN, Tabular
from hyperspace_core.results.table import Column, Table

Read = Callable[[int, Collection[str] | None], Iterable[Point]]


@dataclass(frozen=True, kw_only=True)
class SeriesPoint:
    """One point of a run's series; a point logged without a step is numbered."""

    run: int
    name: str
    step: int
    value: float


class LongSeries(Tabular, Sequence[SeriesPoint]):
    """Points of many runs, by run, in the order of logging."""

    nothing = "no series"

    def __init__(self, points: Iterable[SeriesPoint]) -> None:
        self._points = tuple(points)

    @overload
    def __getitem__(self, index: int) -> SeriesPoint: ...
    @overload
    def __getitem__(self, index: slice) -> LongSeries: ...
    def __getitem__(self, index: int | slice) -> SeriesPoint | LongSeries:
        found = self._points[index]
        return found if isinstance(found, SeriesPoint) else LongSeries(found)

    def __len__(self) -> int:
        return len(self._points)

    def __iter__(self) -> Iterator[SeriesPoint]:
        return iter(self._points)

    def table(self, *, constant: bool = False) -> Table:
        """Return all four columns; `constant` has no effect."""
        return _table(self._points)

    def _page(self) -> Table:
        return _table(self._points[:SHOWN])

    def _rest(self) -> list[str]:
        return [f"… {len(self) - SHOWN:,} more"] if len(self) > SHOWN else []


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


def _table(points: Sequence[SeriesPoint]) -> Table:
    names = ("run", "name", "step", "value")
    return Table(records=(), columns=tuple(
        Column(name=name, path=name, values=tuple(getattr(point, name) for point in points))
        for name in names))
