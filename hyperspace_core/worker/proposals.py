"""Where a worker gets runs from once the queue has none for it: it asks the project's searches.

Whoever has a free slot asks; the store decides which of several answers counts (`Store.propose`). So no
process leads a search, and none that dies takes anything of it along.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import replace

from hyperspace_core.clock import Clock
from hyperspace_core.errors import HyperspaceError, NotFound, StoreError
from hyperspace_core.execution.failure import one_line
from hyperspace_core.records.filter import ORDER_QUEUE, RunFilter
from hyperspace_core.records.search import SearchRecord, SearchState
from hyperspace_core.records.states import State
from hyperspace_core.searches.asking import Asker, ProposerGone
from hyperspace_core.searches.budget import NOTHING_LEFT, why_over
from hyperspace_core.searches.mirror import Mirror
from hyperspace_core.searches.wire import Ask
from hyperspace_core.storage import Store
from hyperspace_core.worker.heart import Tell

RETRY_S = 5.0                  # a search that does not fit the code here is asked again after so long
LOOK_S = 1.0                   # while the queue has runs, searches are looked for so often


class Proposals:
    """Asks one project's searches. Slots take turns: each answer is to know of the one before."""

    def __init__(self, store: Store, project: str, asker: Asker, *, clock: Clock, tell: Tell,
                 over: Callable[[], bool] = lambda: False) -> None:
        self._store, self._project, self._asker = store, project, asker
        self._clock, self._tell, self._over = clock, tell, over
        self._lock = threading.Lock()
        self._mirrors: dict[str, Mirror] = {}          # search uid → what the asker knows
        self._begun: set[str] = set()                  # of which it was told that they are asked
        self._unfit: dict[str, tuple[float, str]] = {}
        self._found: list[SearchRecord] = []
        self._looked_at: float | None = None

    def before_queue(self, tasks: Collection[str]) -> bool:
        """Whether a search that goes before all that waits in the queue has proposed a run."""
        now = self._clock.monotonic()
        if self._looked_at is None or now - self._looked_at >= LOOK_S:
            self._found, self._looked_at = self._open(tasks), now
        found = [search for search in self._found if search.priority > 0]
        if not found:                      # the usual case; and nobody waits here while a tuner thinks
            return False
        with self._lock:
            waiting = RunFilter(project=self._project, states=(State.QUEUED,), tasks=tuple(tasks))
            first = next(self._store.find(waiting, order=ORDER_QUEUE, limit=1), None)
            return any(self._proposed(search.id) for search in found
                       if first is None or search.priority > first.priority)

    def after_queue(self, tasks: Collection[str]) -> bool:
        """Whether some search has proposed a run; for when the queue had none."""
        with self._lock:
            return any(self._proposed(search.id) for search in self._open(tasks))

    def close(self) -> None:
        self._asker.close()

    def _open(self, tasks: Collection[str]) -> list[SearchRecord]:
        """The searches that may be asked now, the one that is to be asked first in front."""
        searches = self._store.searches(self._project, states=(SearchState.OPEN,))
        self._forget(searches)
        found = [search for search in searches if self._fits(search, tasks)]
        if not found or self._store.settings(self._project).paused:
            return []
        if len(found) > 1:
            found.sort(key=lambda search: (-search.priority, self._at_work(search), search.id))
        return found

    def _fits(self, search: SearchRecord, tasks: Collection[str]) -> bool:
        if search.task not in tasks:
            self._does_not_fit(search, "its project here has no such task")
            return False
        since, _ = self._unfit.get(search.uid, (None, ""))
        return since is None or self._clock.monotonic() - since >= RETRY_S

    def _at_work(self, search: SearchRecord) -> int:
        """Its runs that wait or run: of searches of one priority, each gets its share of the workers."""
        at_work = RunFilter(project=self._project, search=search.uid, states=(State.QUEUED, State.RUNNING))
        return sum(self._store.count(at_work).values())

    def _proposed(self, number: int) -> bool:
        """Whether the search has one more run in the queue, by this worker or by another meanwhile."""
        try:
            search = self._store.get_search(number)
        except NotFound:
            return False
        if search.state is not SearchState.OPEN:
            return False
        try:
            return self._asked(search)
        except StoreError:
            raise
        except Exception as error:         # noqa: BLE001 - one search that is amiss holds up no other work
            if not self._over():           # else the asker was closed
                self._does_not_fit(search, str(error) if isinstance(error, HyperspaceError)
                                   else one_line(error))
            return False

    def _asked(self, search: SearchRecord) -> bool:
        mirror = self._mirror(search)
        changed, whole = mirror.changes(fresh=self._asker.fresh(search.uid))
        why = why_over(search, mirror.runs())
        if why is not None:
            self._end(search, why)
            return False
        self._tell_once(search)
        try:
            answer = self._asker.ask(Ask(search, changed, whole))
        except ProposerGone as error:      # killed, perhaps: another one is asked the same
            if self._over():
                raise
            self._does_not_fit(search, str(error))
            answer = self._asker.ask(Ask(search, *mirror.changes(fresh=True)))
        mirror.told()
        self._unfit.pop(search.uid, None)
        if answer.run is None:
            self._end(search, NOTHING_LEFT)
            return False
        run = self._store.propose(search.id, search.proposed, answer.run, redrawn=answer.redrawn,
                                  repeat=answer.repeat)
        after = replace(search, proposed=search.proposed + 1)
        if run is not None and (why := why_over(after, ())) is not None:
            self._end(after, why)
        return True                        # by this worker or by another that was faster

    def _mirror(self, search: SearchRecord) -> Mirror:
        known = self._mirrors.get(search.uid) or Mirror(self._store, search, self._clock)
        self._mirrors[search.uid] = known
        return known

    def _forget(self, open_now: Collection[SearchRecord]) -> None:
        """What was known of searches that others have ended; another slot may just have one in its hands."""
        for uid in set(self._mirrors) - {search.uid for search in open_now}:
            self._mirrors.pop(uid, None)

    def _tell_once(self, search: SearchRecord) -> None:
        if search.uid not in self._begun:
            self._begun.add(search.uid)
            self._tell(f"search {search.id} of task '{search.task}' is asked what to run next", logging.INFO)

    def _end(self, search: SearchRecord, why: str) -> None:
        if self._store.get_search(search.id).budget != search.budget:
            return                         # enlarged, perhaps, while the tuner thought
        if self._store.end_search(search.id, why, proposed=search.proposed):
            self._tell(f"search {search.id} of task '{search.task}' is over: {why}", logging.INFO)
        self._mirrors.pop(search.uid, None)

    def _does_not_fit(self, search: SearchRecord, why: str) -> None:
        _, before = self._unfit.get(search.uid, (0.0, ""))
        self._unfit[search.uid] = self._clock.monotonic(), why
        if why != before:
            self._tell(f"search {search.id} of task '{search.task}' cannot be asked by this worker: {why}",
                       logging.WARNING)
