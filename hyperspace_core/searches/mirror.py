"""What a worker knows of the runs that a search learns from, so that it asks the store only for changes."""

from __future__ import annotations

from dataclasses import replace

from hyperspace_core.clock import Clock
from hyperspace_core.records.filter import ORDER_OLDEST, Condition, RunFilter
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.search import SearchRecord
from hyperspace_core.results.parts import slim
from hyperspace_core.storage import Store

WHOLE_S = 60.0                 # so often all runs are looked at: one may be deleted, migrated, done again
RARELY = 30                    # but it shall not take more than a thirtieth of the time
LATE = 20                      # ids are given before runs are there: one may come after a higher one


class Mirror:
    """The runs of a search's tasks, as far as they were read, and which of them the proposer knows."""

    def __init__(self, store: Store, search: SearchRecord, clock: Clock) -> None:
        self._store, self._search, self._clock = store, search, clock
        self._runs: dict[int, RunRecord] = {}
        self._whole_at: float | None = None
        self._took_s = 0.0                 # the last look at all of them
        self._untold: dict[int, RunRecord] = {}
        self._all_untold = True

    def changes(self, *, fresh: bool) -> tuple[list[RunRecord], bool]:
        """What the proposer has not heard yet, and whether this is all that there is. `fresh`: it knows
        nothing. Raises `StoreError`.
        """
        now = self._clock.monotonic()
        if self._whole_at is None or now - self._whole_at >= max(WHOLE_S, RARELY * self._took_s):
            self._runs = self._read()
            self._all_untold, self._whole_at = True, self._clock.monotonic()
            self._took_s = self._whole_at - now
        else:
            self._look_again()
        if fresh or self._all_untold:
            self._all_untold = True
            return list(self._runs.values()), True
        return list(self._untold.values()), False

    def told(self) -> None:
        """The proposer has heard the last changes."""
        self._untold, self._all_untold = {}, False

    def runs(self) -> list[RunRecord]:
        """Those of the search itself, oldest first."""
        return [run for run in self._runs.values() if run.search == self._search.uid]

    def _look_again(self) -> None:
        """New runs, and those that had not ended."""
        newer = Condition("id", ">", max(self._runs, default=0) - LATE)
        read = self._read(where=(newer,))
        unended = tuple(number for number, run in self._runs.items() if not run.state.terminal)
        if unended:
            read |= self._read(ids=unended)
        changed = {number: run for number, run in read.items() if run != self._runs.get(number)}
        self._runs |= changed
        self._untold |= changed

    def _read(self, *, ids: tuple[int, ...] = (), where: tuple[Condition, ...] = ()) -> dict[int, RunRecord]:
        wanted = RunFilter(project=self._search.project, tasks=self._search.tasks, ids=ids,
                           where=where)
        return {record.id: slimmed(record) for record in self._store.find(wanted, order=ORDER_OLDEST)}


def slimmed(record: RunRecord) -> RunRecord:
    """The record with what a history looks at, and no more."""
    kept = slim(record)
    attempts = tuple(replace(attempt, traceback=None) for attempt in kept.attempts)
    return replace(kept, attempts=attempts, submitted={}, note="", info={}, progress=None, tags=())
