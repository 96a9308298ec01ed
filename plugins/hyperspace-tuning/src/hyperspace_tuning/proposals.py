"""Propose runs of the project's searches when the queue has no run for a worker.

Any free slot asks the tuner; the store decides which of several answers counts (`Searches.propose`). So no
process leads a search, and a search survives the death of any process.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import replace

from hyperspace_core.errors import HyperspaceError, NotFound, StoreError, error_line
from hyperspace_core.plugin import Clock
from hyperspace_core.records import ORDER_QUEUE, RunFilter, SearchRecord, SearchState, State
from hyperspace_core.storage import Searches, Store
from hyperspace_tuning.history import RunCache
from hyperspace_tuning.planning import NOTHING_LEFT, why_over
from hyperspace_tuning.proposer_client import ProposerClient, ProposerGone
from hyperspace_tuning.proposer_protocol import ProposeNext

Tell = Callable[[str, int], None]      # a line for people, and its logging level

RETRY_S = 5.0                  # time until a search that does not fit the code is tried again
LOOK_S = 1.0                   # how often searches are read while the queue has runs


class Proposals:
    """Proposes runs of one project's searches, for one slot at a time."""

    def __init__(self, store: Store, project: str, client: ProposerClient, *, clock: Clock, tell: Tell,
                 over: Callable[[], bool] = lambda: False) -> None:
        self._store, self._searches = store, Searches.of(store)
        self._project, self._client = project, client
        self._clock, self._tell, self._over = clock, tell, over
        self._lock = threading.Lock()
        self._caches: dict[str, RunCache] = {}          # search uid → runs that the proposer knows
        self._begun: set[str] = set()                  # searches whose start was reported
        self._unfit: dict[str, tuple[float, str]] = {}
        self._found: list[SearchRecord] = []
        self._looked_at: float | None = None

    def before_queue(self, tasks: Collection[str]) -> bool:
        """Whether a search with a higher priority than the queue has proposed a run."""
        now = self._clock.monotonic()
        if self._looked_at is None or now - self._looked_at >= LOOK_S:
            self._found, self._looked_at = self._open(tasks), now
        found = [search for search in self._found if search.priority > 0]
        if not found:                      # the usual case; it must not wait for a tuner
            return False
        with self._lock:
            waiting = RunFilter(project=self._project, states=(State.QUEUED,), tasks=tuple(tasks))
            first = next(self._store.find(waiting, order=ORDER_QUEUE, limit=1), None)
            return any(self._proposed(search.id) for search in found
                       if first is None or search.priority > first.priority)

    def after_queue(self, tasks: Collection[str]) -> bool:
        """Whether a search has proposed a run; call it when the queue had none."""
        with self._lock:
            return any(self._proposed(search.id) for search in self._open(tasks))

    def close(self) -> None:
        self._client.close()

    def _open(self, tasks: Collection[str]) -> list[SearchRecord]:
        """The open searches that fit here, in the order in which to ask them."""
        searches = self._searches.searches(self._project, states=(SearchState.OPEN,))
        self._forget(searches)
        found = [search for search in searches if self._fits(search, tasks)]
        if not found or self._store.settings(self._project).paused:
            return []
        if len(found) > 1:
            found.sort(key=lambda search: (-search.priority, self._at_work(search), search.id))
        return found

    def _fits(self, search: SearchRecord, tasks: Collection[str]) -> bool:
        if search.task not in tasks:
            self._does_not_fit(search, "the project here has no such task")
            return False
        since, _ = self._unfit.get(search.uid, (None, ""))
        return since is None or self._clock.monotonic() - since >= RETRY_S

    def _at_work(self, search: SearchRecord) -> int:
        """The number of its queued and running runs: searches of one priority take turns."""
        at_work = RunFilter(project=self._project, search=search.uid, states=(State.QUEUED, State.RUNNING))
        return sum(self._store.count(at_work).values())

    def _proposed(self, number: int) -> bool:
        """Whether the search got one more queued run, from this worker or another."""
        try:
            search = self._searches.get_search(number)
        except NotFound:
            return False
        if search.state is not SearchState.OPEN:
            return False
        try:
            return self._asked(search)
        except StoreError:
            raise
        except Exception as error:         # noqa: BLE001 - a broken search must not stop other work
            if not self._over():           # else the proposer was closed
                self._does_not_fit(search, str(error) if isinstance(error, HyperspaceError)
                                   else error_line(error))
            return False

    def _asked(self, search: SearchRecord) -> bool:
        cache = self._cache(search)
        changed, whole = cache.changes(fresh=self._client.fresh(search.uid))
        why = why_over(search, cache.runs())
        if why is not None:
            self._end(search, why)
            return False
        self._tell_once(search)
        try:
            answer = self._client.ask(ProposeNext(search, changed, whole))
        except ProposerGone as error:      # killed, perhaps: ask a new one
            if self._over():
                raise
            self._does_not_fit(search, str(error))
            answer = self._client.ask(ProposeNext(search, *cache.changes(fresh=True)))
        cache.mark_sent()
        self._unfit.pop(search.uid, None)
        if answer.run is None:
            self._end(search, NOTHING_LEFT)
            return False
        run = self._searches.propose(search.id, search.proposed, answer.run, redrawn=answer.redrawn,
                                     repeat=answer.repeat)
        after = replace(search, proposed=search.proposed + 1)
        if run is not None and (why := why_over(after, ())) is not None:
            self._end(after, why)
        return True                        # by this worker or by a faster one

    def _cache(self, search: SearchRecord) -> RunCache:
        known = self._caches.get(search.uid) or RunCache(self._store, search, self._clock)
        self._caches[search.uid] = known
        return known

    def _forget(self, open_now: Collection[SearchRecord]) -> None:
        """Drop the caches of ended searches; another slot may be using one."""
        for uid in set(self._caches) - {search.uid for search in open_now}:
            self._caches.pop(uid, None)

    def _tell_once(self, search: SearchRecord) -> None:
        if search.uid not in self._begun:
            self._begun.add(search.uid)
            self._tell(f"search {search.id} of task '{search.task}': proposing its runs here", logging.INFO)

    def _end(self, search: SearchRecord, why: str) -> None:
        if self._searches.get_search(search.id).budget != search.budget:
            return                         # enlarged, perhaps, while the tuner worked
        if self._searches.end_search(search.id, why, proposed=search.proposed):
            self._tell(f"search {search.id} of task '{search.task}' is over: {why}", logging.INFO)
        self._caches.pop(search.uid, None)

    def _does_not_fit(self, search: SearchRecord, why: str) -> None:
        _, before = self._unfit.get(search.uid, (0.0, ""))
        self._unfit[search.uid] = self._clock.monotonic(), why
        if why != before:
            self._tell(f"search {search.id} of task '{search.task}': its runs cannot be proposed here: {why}",
                       logging.WARNING)
