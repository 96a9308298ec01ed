"""Reading of records: one by its id, or the matches of a filter."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence

from hyperspace_core.errors import UsageError, did_you_mean
from hyperspace_core.records.alike import Alike
from hyperspace_core.records.filter import ORDER_NEWEST, ORDERS, RunFilter
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.stores.sqlite import statements as sql
from hyperspace_core.stores.sqlite.base import Verbs, row_of
from hyperspace_core.stores.sqlite.narrowing import counting, decided, listing, looks_at_attempts
from hyperspace_core.stores.sqlite.rows import attempt_of_row, attempts_by_run, numbers_text, record_of

PAGE = 100                     # records per page; no transaction stays open between pages


class ReadingVerbs(Verbs):
    """Read-only methods for runs."""

    def get(self, run: int) -> RunRecord:
        with self._database.reading() as connection:
            return record(connection, run)

    def find(self, where: RunFilter, *, order: str = ORDER_NEWEST,
             limit: int | None = None) -> Iterator[RunRecord]:
        """List the ids now, in order; read the records page by page later."""
        if order not in ORDERS:
            raise UsageError(f"order {order!r}: expected one of {', '.join(ORDERS)}"
                             f"{did_you_mean(order, ORDERS)}")
        ids = self._listed(where, order, limit if decided(where) else None)
        return self._stream(where, ids, limit)

    def count(self, where: RunFilter) -> dict[State, int]:
        if decided(where):
            with self._database.using() as connection:
                rows = connection.execute(*counting(where)).fetchall()
            return {State(state): number for state, number in rows}
        ids, alike = self._listed(where, ORDER_NEWEST, None), Alike()
        return dict(Counter(found.state for page in _pages(ids) for found in self._matching(
            where, page, alike, attempts=looks_at_attempts(where))))

    def ids(self, project: str) -> tuple[int, int] | None:
        with self._database.using() as connection:
            lowest, highest = connection.execute(sql.IDS, (project,)).fetchone()
        return None if lowest is None else (lowest, highest)

    def _listed(self, where: RunFilter, order: str, limit: int | None) -> list[int]:
        with self._database.using() as connection:
            return [run for run, in connection.execute(*listing(where, order, limit)).fetchall()]

    def _stream(self, where: RunFilter, ids: Sequence[int], limit: int | None) -> Iterator[RunRecord]:
        left, alike = len(ids) if limit is None else limit, Alike()
        for page in _pages(ids):
            for found in self._matching(where, page, alike, attempts=True):
                if left <= 0:
                    return
                left -= 1
                yield found

    def _matching(self, where: RunFilter, ids: Sequence[int], alike: Alike, *,
                  attempts: bool) -> list[RunRecord]:
        """The existing records of a page that match, in its order."""
        with self._database.reading() as connection:
            rows = connection.execute(sql.RECORDS, (numbers_text(ids),)).fetchall()
            if where.where and not looks_at_attempts(where):       # attempts are long: read few
                rows = [row for row in rows if where.matches(record_of(row, (), alike))]
            kept = numbers_text(row[0] for row in rows)
            tried = attempts_by_run(connection.execute(sql.ATTEMPTS_OF, (kept,)), alike) if attempts else {}
        records = {row[0]: record_of(row, tried.get(row[0], ()), alike) for row in rows}
        return [found for run in ids if (found := records.get(run)) is not None and where.matches(found)]


def record(connection: sqlite3.Connection, run: int) -> RunRecord:
    """Read a record with all its attempts. Raises `NotFound`."""
    row = row_of(connection, sql.RECORD, run)
    return record_of(row, tuple(map(attempt_of_row, connection.execute(sql.ATTEMPTS, (run,)).fetchall())))


def _pages(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start:start + PAGE] for start in range(0, len(ids), PAGE))
