"""Copy of the searches of copied runs; open ones are paused in the copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.search import SearchState
from hyperspace_core.storage import Store


@dataclass(frozen=True, kw_only=True)
class Along:
    """A search in both stores, as of the copy of one of its runs."""

    search: int                # its id here
    there: int
    state: SearchState         # here
    state_there: SearchState


class Searches:
    """Copies searches from one store to another."""

    def __init__(self, source: Store, target: Store) -> None:
        self._source, self._target = source, target

    def bring(self, records: Sequence[RunRecord]) -> dict[str, Along]:
        """Copy the searches of runs, by uid; to be called after the runs' copy."""
        brought = {}
        for project, uids in named(records).items():
            for search in self._source.searches(project, uids=uids):
                there = self._target.restore_search(search)
                brought[search.uid] = Along(search=search.id, there=there, state=search.state,
                                            state_there=self._target.get_search(there).state)
        return brought


def named(records: Sequence[RunRecord]) -> dict[str, set[str]]:
    """The uids of the runs' searches, by project."""
    found: dict[str, set[str]] = {}
    for record in records:
        if record.search is not None:
            found.setdefault(record.project, set()).add(record.search)
    return found
