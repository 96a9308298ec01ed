"""Metric series and output: appended without duplicates, read in pages."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from hyperspace_core.errors import ValueNotStorable
from hyperspace_core.records.codec import storable
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import OutputChunk
from hyperspace_core.stores.sqlite import statements as sql
from hyperspace_core.stores.sqlite.base import Verbs, current_attempt
from hyperspace_core.stores.sqlite.rows import point_of, special_of, texts_text

POINTS_PAGE = 2000
OUTPUT_PAGE = 50               # pieces of at most 64 KiB each


class SeriesVerbs(Verbs):
    """Methods for the points and the output of attempts."""

    def append(self, run: int, attempt: int, *, points: Sequence[Point] = (),
               output: Sequence[OutputChunk] = ()) -> None:
        point_rows = [_point_row(run, attempt, point) for point in points]
        try:
            with self._database.writing() as connection:
                current_attempt(connection, run)
                connection.executemany(sql.ADD_POINT, point_rows)
                connection.executemany(sql.ADD_OUTPUT, [(run, attempt, chunk.seq, chunk.text, chunk.at)
                                                        for chunk in output])
        except ValueNotStorable:
            _find_the_culprit(points, output)
            raise

    def points(self, run: int, *, attempt: int | None = None, names: Collection[str] | None = None,
               after: int = -1, limit: int | None = None) -> Iterator[Point]:
        number = self._attempt(run, attempt)
        return self._points(run, number, None if names is None else texts_text(names), after, limit)

    def output(self, run: int, *, attempt: int | None = None, after: int = -1) -> Iterator[OutputChunk]:
        return self._output(run, self._attempt(run, attempt), after)

    def _points(self, run: int, attempt: int, names: str | None, after: int,
                limit: int | None) -> Iterator[Point]:
        left = limit
        while left is None or left > 0:
            size = POINTS_PAGE if left is None else min(POINTS_PAGE, left)
            with self._database.using() as connection:
                rows = connection.execute(sql.POINTS, (run, attempt, after, names, size)).fetchall()
            yield from map(point_of, rows)
            if len(rows) < size:
                return
            after = rows[-1][0]
            left = None if left is None else left - len(rows)

    def _output(self, run: int, attempt: int, after: int) -> Iterator[OutputChunk]:
        while True:
            with self._database.using() as connection:
                rows = connection.execute(sql.OUTPUT, (run, attempt, after, OUTPUT_PAGE)).fetchall()
            for seq, text, at in rows:
                yield OutputChunk(seq=seq, text=text, at=at)
            if len(rows) < OUTPUT_PAGE:
                return
            after = rows[-1][0]

    def _attempt(self, run: int, attempt: int | None) -> int:
        """The attempt's number; 0 for a run without attempts. Raises `NotFound`."""
        with self._database.using() as connection:
            current = current_attempt(connection, run)
        return current if attempt is None else attempt


def _point_row(run: int, attempt: int, point: Point) -> tuple[object, ...]:
    value = float(point.value)
    return run, attempt, point.seq, point.name, point.step, value, special_of(value), point.at


def _find_the_culprit(points: Sequence[Point], output: Sequence[OutputChunk]) -> None:
    """Check each value after a refusal by SQLite, to name the bad one."""
    for point in points:
        storable(point.name, f"name of metric point {point.seq}")
        storable(point.step, f"step of '{point.name}', metric point {point.seq}")
    for chunk in output:
        storable(chunk.text, f"piece {chunk.seq} of the output")
