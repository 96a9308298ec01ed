"""The part of the store's port that keeps searches; see `storage`, whose promises hold here, too."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection

from hyperspace_core.records.run import NewRun
from hyperspace_core.records.search import Budget, NewSearch, SearchRecord, SearchState


class SearchPort(ABC):
    """Searches are asked by any worker: what each of them decides is one atomic step of the store."""

    @abstractmethod
    def add_search(self, search: NewSearch) -> int:
        """Keep a search, OPEN; its id. One whose `uid` is known keeps its id and its state."""

    @abstractmethod
    def restore_search(self, record: SearchRecord) -> int:
        """Keep a search of another store as it is there, but for its id, which is new; the id.

        One that is OPEN there is PAUSED here: no search proposes in two stores. One whose `uid` is known
        keeps its id and all else but its counts, which are raised to those of the record: what was proposed
        there has come here, or will, and no number is proposed twice.
        """

    @abstractmethod
    def get_search(self, search: int) -> SearchRecord:
        """Raises `NotFound`."""

    @abstractmethod
    def searches(self, project: str, *, states: Collection[SearchState] = (),
                 uids: Collection[str] = ()) -> list[SearchRecord]:
        """The project's searches, oldest first; of these states, of these uids, where some are given."""

    @abstractmethod
    def propose(self, search: int, number: int, run: NewRun, *, redrawn: int = 0,
                repeat: bool = False) -> int | None:
        """Queue a run as the search's proposal `number`: compare-and-set on how many it has proposed.

        The run's `uid` must be `SearchRecord.run_uid(number)`, its `search` the search's `uid` (else
        `UsageError`). None where the search is not OPEN, or has not proposed exactly `number` runs: somebody
        else was faster, or it is over. Else the run's id, and the search has proposed one more; `redrawn` is
        added to its count, and `repeat` counts this one among its `repeats`. Once the search has counted a
        proposal, its run is in the queue or will be with the next call of any of these verbs, whoever dies in
        between; a repeat by the one whose answer was lost gives the same id. Raises `NotFound`.
        """

    @abstractmethod
    def end_search(self, search: int, reason: str, *, proposed: int | None = None) -> bool:
        """ENDED, for this reason. With `proposed` only while it is OPEN and has proposed so many: a worker
        judged it as it was then. False where it was not that, or had ended already. Raises `NotFound`.
        """

    @abstractmethod
    def change_search(self, search: int, *, state: SearchState | None = None, budget: Budget | None = None,
                      priority: int | None = None) -> SearchRecord:
        """What a person wants of a search: OPEN (also of one that has ended) or PAUSED, another budget.

        `priority` is that of runs proposed from now on. Raises `NotFound`; `Refused` to pause what has ended;
        `UsageError` for ENDED, which needs a reason.
        """
