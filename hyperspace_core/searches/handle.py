"""The handle of a search: `study.tune(…)`, `study.search(3)`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperspace_core.config.tree import Tree
from hyperspace_core.lookup import get_search
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.search import SearchRecord
from hyperspace_core.results.live import Live
from hyperspace_core.searches import verbs
from hyperspace_core.searches.view import SearchView, view_of

if TYPE_CHECKING:
    from hyperspace_core.config.searchspace import Space
    from hyperspace_core.searches.history import Past, Seen
    from hyperspace_core.study import Study


class Search(Live):
    """One search of a study. Workers do the search, the store keeps it.

    `.watch()` refreshes its display until it ends. The notebook may be closed at any time.
    """

    def __init__(self, study: Study, number: int) -> None:
        self._study = study
        self.id = get_search(study.store, study.name, number).id

    # -- reading -------------------------------------------------------------------------------------------

    @property
    def record(self) -> SearchRecord:
        """The search's current record in the store."""
        return get_search(self._study.store, self._study.name, self.id)

    def progress(self) -> SearchView:
        """Its progress: runs done, best run so far, estimated time left."""
        return view_of(self._study.store, self.record)

    def look(self) -> SearchView:
        """The same as `progress`; what a display of the search shows."""
        return self.progress()

    def runs(self) -> list[RunRecord]:
        """Its runs in all states, oldest first."""
        return list(verbs.runs_of(self._study.store, self.record))

    @property
    def best(self) -> RunRecord | None:
        """Its completed run with the best result so far."""
        return self.progress().best

    def best_config(self) -> Tree:
        """The config of `best`. Raises `Refused` while no run has completed."""
        return verbs.best_config(self._study.store, self.record)

    def write_best(self, path: str | Path) -> Path:
        """Write `best_config` to a new file, for `hyperspace run TASK --config FILE`.

        Returns its path. Raises `Refused` while no run has completed, `UsageError` for an existing file.
        """
        return verbs.write_best(self._study.store, self.record, path)

    def space(self) -> Space:
        """Its search space, by the current code."""
        return self._past().space

    def seen(self) -> Seen:
        """The history that its tuner sees now, and the runs that are left out of it."""
        return self._past().seen()

    def importance(self) -> dict[str, float]:
        """The importance of each parameter, by its key, the highest first; the sum is 1.

        Empty where no installed tuner can compute it, or no results are known yet.
        """
        from hyperspace_core.searches.importance import importance_of

        past = self._past()
        return importance_of(self._study.project, past.space, past.seen().history)

    # -- control -------------------------------------------------------------------------------------------

    def cancel(self) -> list[int]:
        """End the search and its unfinished runs; return their ids. Idempotent."""
        return verbs.cancel(self._study.store, self.record)

    def pause(self) -> SearchRecord:
        """Propose nothing more until `resume`; runs that are already proposed continue.

        Raises `Refused` for a search that has ended.
        """
        return verbs.pause(self._study.store, self.record)

    def resume(self, *, priority: int | None = None, **budget: Any) -> SearchRecord:
        """Continue, also after its end, with another budget: `resume(runs=200)`.

        Other limits stay. Raises `UsageError` for a budget that is used up already: name a larger one.
        """
        return verbs.resume(self._study.store, self.record, budget, priority=priority)

    # -- helpers -------------------------------------------------------------------------------------------

    def _past(self) -> Past:
        from hyperspace_core.searches.history import past_of

        return past_of(self._study.store, self._study.project, self.record)
