"""The store interface for searches; the guarantees of `storage` apply."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection

from hyperspace_core.records.run import NewRun
from hyperspace_core.records.search import Budget, NewSearch, SearchRecord, SearchState


class SearchPort(ABC):
    """Searches: any worker may propose; each decision is one atomic step."""

    @abstractmethod
    def add_search(self, search: NewSearch) -> int:
        """Store a search, OPEN; its id. A known `uid` keeps its id and its state."""

    @abstractmethod
    def restore_search(self, record: SearchRecord) -> int:
        """Store a search of another store unchanged except for its id; the new id.

        A search that is OPEN there is PAUSED here, so that no search proposes in two stores. If its `uid` is
        known, only its counts are raised to those of the record: proposals made in the other store are copied
        here, and no number is proposed twice.
        """

    @abstractmethod
    def get_search(self, search: int) -> SearchRecord:
        """Raises `NotFound`."""

    @abstractmethod
    def searches(self, project: str, *, states: Collection[SearchState] = (),
                 uids: Collection[str] = ()) -> list[SearchRecord]:
        """The project's searches, oldest first; optionally only of these states or uids."""

    @abstractmethod
    def propose(self, search: int, number: int, run: NewRun, *, redrawn: int = 0,
                repeat: bool = False) -> int | None:
        """Queue a run as proposal `number`: compare-and-set on the number so far.

        The run's `uid` must be `SearchRecord.run_uid(number)` and its `search` the search's `uid`; else
        `UsageError`. The answer is the run's id, and the search's count grows by one. It is None if the
        search is not OPEN or has not proposed exactly `number` runs: another worker was faster, or the search
        has ended. `redrawn` is added to its count; `repeat` adds one to its `repeats`. Once a proposal is
        counted, its run is queued now or by the next call of any of these verbs, even if the process dies in
        between. A repeated call after a lost answer returns the same id. Raises `NotFound`.
        """

    @abstractmethod
    def end_search(self, search: int, reason: str, *, proposed: int | None = None) -> bool:
        """End the search (ENDED) for this reason. With `proposed`: only if it is OPEN and has proposed this
        many, the state that the worker judged. False if not, or if it had ended before. Raises `NotFound`."""

    @abstractmethod
    def change_search(self, search: int, *, state: SearchState | None = None, budget: Budget | None = None,
                      priority: int | None = None) -> SearchRecord:
        """Change the state, budget or priority: OPEN (also after it has ended) or PAUSED.

        `priority` applies to runs proposed from now on. Raises `NotFound`; `Refused` if an ended search is to
        be paused; `UsageError` for ENDED, which needs a reason (`end_search`).
        """
