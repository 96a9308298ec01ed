"""`study.tune(…)`, `study.search(3)`: one search, looked at anew each time it is asked."""

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
    """One search of a study. Nothing runs behind it: workers do the search, and the store has it.

    `.watch()` shows it again and again until it is over. Close the notebook whenever you like.
    """

    def __init__(self, study: Study, number: int) -> None:
        self._study = study
        self.id = get_search(study.store, study.name, number).id

    # -- looking -------------------------------------------------------------------------------------------

    @property
    def record(self) -> SearchRecord:
        """What the store says of it now."""
        return get_search(self._study.store, self._study.name, self.id)

    def progress(self) -> SearchView:
        """How far it is, the best so far, how long it will take."""
        return view_of(self._study.store, self.record)

    def look(self) -> SearchView:
        """The same; what is shown where the search is."""
        return self.progress()

    def runs(self) -> list[RunRecord]:
        """Its runs, oldest first, in whatever state."""
        return list(verbs.runs_of(self._study.store, self.record))

    @property
    def best(self) -> RunRecord | None:
        """Its completed run with the best result so far."""
        return self.progress().best

    def best_config(self) -> Tree:
        """The config of `best`. Raises `Refused` where no run has completed yet."""
        return verbs.best_config(self._study.store, self.record)

    def write_best(self, path: str | Path) -> Path:
        """`best_config` as a new JSON file, for `hyperspace run TASK --config FILE`; its path.

        Raises `Refused` where no run has completed yet, `UsageError` for a file that is there already.
        """
        return verbs.write_best(self._study.store, self.record, path)

    def space(self) -> Space:
        """What is searched, by today's code."""
        return self._past().space

    def seen(self) -> Seen:
        """The history as its tuner sees it now, and what of the past it does not see."""
        return self._past().seen()

    def importance(self) -> dict[str, float]:
        """How much each parameter has mattered, by its key, the highest first and together 1.

        Empty where no tuner that is installed can tell, or nothing is known yet.
        """
        from hyperspace_core.searches.importance import importance_of

        past = self._past()
        return importance_of(self._study.project, past.space, past.seen().history)

    # -- steering ------------------------------------------------------------------------------------------

    def cancel(self) -> list[int]:
        """End it, and with it all of its runs that wait or run; their ids. May be called again."""
        return verbs.cancel(self._study.store, self.record)

    def pause(self) -> SearchRecord:
        """Nothing more is proposed until it is resumed; what is proposed goes on.

        Raises `Refused` for one that has ended.
        """
        return verbs.pause(self._study.store, self.record)

    def resume(self, *, priority: int | None = None, **budget: Any) -> SearchRecord:
        """Go on, also after it has ended, with another budget: `resume(runs=200)`.

        What is not named stays. Raises `UsageError` for a budget that is used up already: name a larger one.
        """
        return verbs.resume(self._study.store, self.record, budget, priority=priority)

    # -- helpers -------------------------------------------------------------------------------------------

    def _past(self) -> Past:
        from hyperspace_core.searches.history import past_of

        return past_of(self._study.store, self._study.project, self.record)
