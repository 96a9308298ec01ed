"""A worker's cache of the runs that a search learns from."""

from __future__ import annotations

from dataclasses import replace

from hyperspace_core.clock import Clock
from hyperspace_core.records.filter import ORDER_OLDEST, Condition, RunFilter
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.search import SearchRecord
from hyperspace_core.records.traits import trim_provenance
from hyperspace_core.storage import Store

WHOLE_S = 60.0                 # interval of reading all runs: one may be deleted, migrated, run again
RARELY = 30                    # but reading takes at most a thirtieth of the time
LATE = 20                      # ids are given before runs are visible: a lower one may appear after a higher


class RunCache:
    """The runs of a search's tasks as last read; changes are read from the store."""

    def __init__(self, store: Store, search: SearchRecord, clock: Clock) -> None:
        self._store, self._search, self._clock = store, search, clock
        self._runs: dict[int, RunRecord] = {}
        self._whole_at: float | None = None
        self._took_s = 0.0                 # duration of the last reading of all runs
        self._new: dict[int, RunRecord] = {}
        self._all_new = True

    def changes(self, *, fresh: bool) -> tuple[list[RunRecord], bool]:
        """The runs that the proposer lacks, and whether these are all runs.

        `fresh`: the proposer has none. Raises `StoreError`."""
        now = self._clock.monotonic()
        if self._whole_at is None or now - self._whole_at >= max(WHOLE_S, RARELY * self._took_s):
            self._runs = self._read()
            self._all_new, self._whole_at = True, self._clock.monotonic()
            self._took_s = self._whole_at - now
        else:
            self._look_again()
        if fresh or self._all_new:
            self._all_new = True
            return list(self._runs.values()), True
        return list(self._new.values()), False

    def told(self) -> None:
        """Note that the proposer has received the last changes."""
        self._new, self._all_new = {}, False

    def runs(self) -> list[RunRecord]:
        """The runs of the search itself, oldest first."""
        return [run for run in self._runs.values() if run.search == self._search.uid]

    def _look_again(self) -> None:
        """Read new runs, and those that had not ended."""
        newer = Condition("id", ">", max(self._runs, default=0) - LATE)
        read = self._read(where=(newer,))
        unended = tuple(number for number, run in self._runs.items() if not run.state.terminal)
        if unended:
            read |= self._read(ids=unended)
        changed = {number: run for number, run in read.items() if run != self._runs.get(number)}
        self._runs |= changed
        self._new |= changed

    def _read(self, *, ids: tuple[int, ...] = (), where: tuple[Condition, ...] = ()) -> dict[int, RunRecord]:
        wanted = RunFilter(project=self._search.project, tasks=self._search.tasks, ids=ids,
                           where=where)
        return {record.id: slimmed(record) for record in self._store.find(wanted, order=ORDER_OLDEST)}


def slimmed(record: RunRecord) -> RunRecord:
    """The part of a record that a history needs."""
    kept = trim_provenance(record)
    attempts = tuple(replace(attempt, traceback=None) for attempt in kept.attempts)
    return replace(kept, attempts=attempts, submitted={}, note="", info={}, progress=None, tags=())
