"""Reading of records: one by its id, or the matches of a filter."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from hyperspace_core.config.tree import HIGHEST, LOWEST, unwrapped
from hyperspace_core.errors import UsageError, ValueNotStorable, did_you_mean
from hyperspace_core.records import filter as filters
from hyperspace_core.records.codec import InternedTrees, moment_text, storable, to_text
from hyperspace_core.records.filter import Condition, RunFilter
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import OutputChunk, RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.stores.sqlite import sql
from hyperspace_core.stores.sqlite.base import Verbs, current_attempt, row_of

# -- The part of a filter that SQL evaluates, before `RunFilter.matches` decides --

_ORDERS = {
    filters.ORDER_NEWEST: "id DESC",
    filters.ORDER_OLDEST: "id",
    filters.ORDER_QUEUE: "priority DESC, id",
    filters.ORDER_BEST: "rank IS NULL, rank, id",      # NULL for a missing result and for NaN
}

# paths that always mean the column, and comparisons with the same meaning in SQL for an existing number
_COLUMNS = {"result": "result", "priority": "priority", "seed": "seed", "id": "id"}
_OF_ATTEMPTS = ("attempt", "attempts", "started_at")
_COMPARE = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "=": "=", "==": "="}


def narrowed(where: RunFilter) -> tuple[str, list[Any]]:
    """A condition on `runs` that every matching run fulfils, and its parameters."""
    parts: list[tuple[str, list[Any]]] = []
    if where.project is not None:
        parts.append(("project = ?", [where.project]))
    if where.states:
        marks = ", ".join("?" * len(where.states))
        parts.append((f"state IN ({marks})", [str(state) for state in where.states]))
    if where.tasks:
        parts.append(("hex(task) IN (SELECT value FROM json_each(?))", [sql.texts_text(where.tasks)]))
    if where.ids:
        parts.append(("id IN (SELECT value FROM json_each(?))", [sql.numbers_text(where.ids)]))
    if where.uids:
        parts.append(_uids(where.uids))
    if where.since is not None:
        parts.append(("submitted_at >= ?", [moment_text(where.since)]))
    if where.parent is not None:
        parts.append(("parent IN (SELECT value FROM json_each(?))", [sql.numbers_text([where.parent])]))
    if where.search is not None:
        parts.append(("search = ?", [where.search]))
    # the list contains a tag as this text, but may also contain the text by accident
    parts += [("instr(tags, ?) > 0", [to_text(tag)]) for tag in where.tags]
    parts += [part for condition in where.where if (part := _compared(condition)) is not None]
    conditions = " AND ".join(text for text, _ in parts) or "TRUE"
    return conditions, [value for _, values in parts for value in values]


def decided(where: RunFilter) -> bool:
    """Whether `narrowed` covers the whole filter."""
    return not where.tags and not where.where


def looks_at_attempts(where: RunFilter) -> bool:
    return any(condition.path.partition(".")[0] in _OF_ATTEMPTS for condition in where.where)


def _uids(uids: tuple[str, ...]) -> tuple[str, list[Any]]:
    if any("\0" in uid for uid in uids):   # SQLite's JSON ends a text at NUL
        return "hex(uid) IN (SELECT value FROM json_each(?))", [sql.texts_text(uids)]
    return "uid IN (SELECT value FROM json_each(?))", [to_text(list(uids))]


def _compared(condition: Condition) -> tuple[str, list[Any]] | None:
    column, operator = _COLUMNS.get(condition.path), _COMPARE.get(condition.op)
    value = unwrapped(condition.value)     # these columns hold numbers
    if column is None or operator is None or type(value) not in (int, float):
        return None
    if (isinstance(value, int) and not LOWEST <= value <= HIGHEST) or math.isnan(value):
        return None
    return f"{column} {operator} ?", [value]


PAGE = 100                     # records per page; no transaction stays open between pages


class ReadingVerbs(Verbs):
    """Read-only methods for runs."""

    def get(self, run: int) -> RunRecord:
        with self._database.reading() as connection:
            return record(connection, run)

    def find(self, where: RunFilter, *, order: str = filters.ORDER_NEWEST,
             limit: int | None = None) -> Iterator[RunRecord]:
        """List the ids now, in order; read the records page by page later."""
        if order not in filters.ORDERS:
            raise UsageError(f"order {order!r}: expected one of {', '.join(filters.ORDERS)}"
                             f"{did_you_mean(order, filters.ORDERS)}")
        ids = self._listed(where, order, limit if decided(where) else None)
        return self._stream(where, ids, limit)

    def count(self, where: RunFilter) -> dict[State, int]:
        if decided(where):
            conditions, values = narrowed(where)
            statement = f"SELECT state, count(*) FROM runs WHERE {conditions} GROUP BY state"
            with self._database.using() as connection:
                rows = connection.execute(statement, values).fetchall()
            return {State(state): number for state, number in rows}
        ids, alike = self._listed(where, filters.ORDER_NEWEST, None), InternedTrees()
        return dict(Counter(found.state for page in _pages(ids) for found in self._matching(
            where, page, alike, attempts=looks_at_attempts(where))))

    def ids(self, project: str) -> tuple[int, int] | None:
        with self._database.using() as connection:
            lowest, highest = connection.execute(sql.IDS, (project,)).fetchone()
        return None if lowest is None else (lowest, highest)

    def _listed(self, where: RunFilter, order: str, limit: int | None) -> list[int]:
        """The ids of possible matches; `limit`: only where SQL decides the whole filter."""
        conditions, values = narrowed(where)
        statement = f"SELECT id FROM runs WHERE {conditions} ORDER BY {_ORDERS[order]} LIMIT ?"
        with self._database.using() as connection:
            found = connection.execute(statement, [*values, -1 if limit is None else limit]).fetchall()
        return [run for run, in found]

    def _stream(self, where: RunFilter, ids: Sequence[int], limit: int | None) -> Iterator[RunRecord]:
        left, alike = len(ids) if limit is None else limit, InternedTrees()
        for page in _pages(ids):
            for found in self._matching(where, page, alike, attempts=True):
                if left <= 0:
                    return
                left -= 1
                yield found

    def _matching(self, where: RunFilter, ids: Sequence[int], alike: InternedTrees, *,
                  attempts: bool) -> list[RunRecord]:
        """The existing records of a page that match, in its order."""
        with self._database.reading() as connection:
            rows = connection.execute(sql.RECORDS, (sql.numbers_text(ids),)).fetchall()
            if where.where and not looks_at_attempts(where):       # attempts are long: read few
                rows = [row for row in rows if where.matches(sql.record_of(row, (), alike))]
            wanted = sql.numbers_text(row[0] for row in rows)
            found = connection.execute(sql.ATTEMPTS_OF, (wanted,)) if attempts else ()
            tried = sql.attempts_by_run(found, alike)
        records = {row[0]: sql.record_of(row, tried.get(row[0], ()), alike) for row in rows}
        return [kept for run in ids if (kept := records.get(run)) is not None and where.matches(kept)]


def record(connection: sqlite3.Connection, run: int) -> RunRecord:
    """Read a record with all its attempts. Raises `NotFound`."""
    row = row_of(connection, sql.RECORD, run)
    attempts = connection.execute(sql.ATTEMPTS, (run,)).fetchall()
    return sql.record_of(row, tuple(map(sql.attempt_of_row, attempts)))


def _pages(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start:start + PAGE] for start in range(0, len(ids), PAGE))


# -- Metric series and output: appended without duplicates, read in pages --

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
        return self._points(run, number, None if names is None else sql.texts_text(names), after, limit)

    def output(self, run: int, *, attempt: int | None = None, after: int = -1) -> Iterator[OutputChunk]:
        return self._output(run, self._attempt(run, attempt), after)

    def _points(self, run: int, attempt: int, names: str | None, after: int,
                limit: int | None) -> Iterator[Point]:
        left = limit
        while left is None or left > 0:
            size = POINTS_PAGE if left is None else min(POINTS_PAGE, left)
            with self._database.using() as connection:
                rows = connection.execute(sql.POINTS, (run, attempt, after, names, size)).fetchall()
            yield from map(sql.point_of_row, rows)
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
    return run, attempt, point.seq, point.name, point.step, value, sql.special_of(value), point.at


def _find_the_culprit(points: Sequence[Point], output: Sequence[OutputChunk]) -> None:
    """Check each value after a refusal by SQLite, to name the bad one."""
    for point in points:
        storable(point.name, f"name of metric point {point.seq}")
        storable(point.step, f"step of '{point.name}', metric point {point.seq}")
    for chunk in output:
        storable(chunk.text, f"piece {chunk.seq} of the output")
