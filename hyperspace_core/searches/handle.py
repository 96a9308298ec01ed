"""`study.tune(…)`, `study.search(3)`: one search, looked at anew each time it is asked."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperspace_core.errors import NotFound, Refused, UsageError
from hyperspace_core.records.filter import ORDER_OLDEST, RunFilter
from hyperspace_core.records.run import RunRecord, Tree
from hyperspace_core.records.search import Budget, SearchRecord, SearchState
from hyperspace_core.records.states import State
from hyperspace_core.searches.view import SearchView, view_of

if TYPE_CHECKING:
    from hyperspace_core.config.searchspace import Space
    from hyperspace_core.searches.history import Past, Seen
    from hyperspace_core.study import Study

CANCELLED = "cancelled"
_BUDGETS = ("runs", "hours", "target", "patience", "failures")


class Search:
    """One search of a study. Nothing runs behind it: workers do the search, and the store has it."""

    def __init__(self, study: Study, number: int) -> None:
        self._study = study
        self.id = self.record_of(number).id

    def record_of(self, number: int) -> SearchRecord:
        """Raises `NotFound`, also for a search of another project."""
        record = self._study.store.get_search(number)
        if record.project != self._study.name:
            raise NotFound(f"no search {number} of project '{self._study.name}' in this store")
        return record

    # -- looking -------------------------------------------------------------------------------------------

    @property
    def record(self) -> SearchRecord:
        """What the store says of it now."""
        return self.record_of(self.id)

    def progress(self) -> SearchView:
        """How far it is, the best so far, how long it will take."""
        return view_of(self._study.store, self.record)

    def runs(self) -> list[RunRecord]:
        """Its runs, oldest first, in whatever state."""
        return list(self._found())

    @property
    def best(self) -> RunRecord | None:
        """Its completed run with the best result so far."""
        return self.progress().best

    def best_config(self) -> Tree:
        """The config of `best`. Raises `Refused` where no run has completed yet."""
        best = self.best
        if best is None or best.config is None:
            raise Refused(f"search {self.id} has no completed run yet")
        return best.config

    def write_best(self, path: str | Path) -> Path:
        """`best_config` as a new JSON file, for `hyperspace run TASK --config FILE`; its path.

        Raises `Refused` where no run has completed yet, `UsageError` for a file that is there already.
        """
        text = json.dumps(self.best_config(), indent=2, ensure_ascii=False) + "\n"
        try:
            with Path(path).open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise UsageError(f"{path}: there is such a file already; name another") from None
        return Path(path)

    def space(self) -> Space:
        """What is searched, by today's code."""
        return self._past().space

    def seen(self) -> Seen:
        """The history as its tuner sees it now, and what of the past it does not see."""
        return self._past().seen()

    # -- steering ------------------------------------------------------------------------------------------

    def cancel(self) -> list[int]:
        """End it, and with it all of its runs that wait or run; their ids. May be called again."""
        record, store = self.record, self._study.store
        store.end_search(record.id, CANCELLED)
        stopped = []
        for run in self._found(State.QUEUED, State.PAUSED, State.RUNNING):
            store.cancel(run.id)
            stopped.append(run.id)
        return stopped

    def pause(self) -> SearchRecord:
        """Nothing more is proposed until it is resumed; what is proposed goes on."""
        return self._study.store.change_search(self.id, state=SearchState.PAUSED)

    def resume(self, *, priority: int | None = None, **budget: Any) -> SearchRecord:
        """Go on, also after it has ended, with another budget: `resume(runs=200)`.

        What is not named stays. Raises `UsageError` for a budget that is used up already: name a larger one.
        """
        from hyperspace_core.searches.budget import why_over

        unknown = next((name for name in budget if name not in _BUDGETS), None)
        if unknown is not None:
            raise UsageError(f"resume: there is no budget '{unknown}'; name one of {', '.join(_BUDGETS)}")
        record = self.record
        wanted: Budget = replace(record.budget, **budget)
        why = why_over(replace(record, budget=wanted), self.runs())
        if why is not None:
            raise UsageError(f"search {self.id} would end at once: {why}; name a larger budget, as in "
                             f"resume(runs={record.proposed + 100})")
        return self._study.store.change_search(self.id, state=SearchState.OPEN, budget=wanted,
                                               priority=priority)

    # -- helpers -------------------------------------------------------------------------------------------

    def _found(self, *states: State) -> Iterator[RunRecord]:
        wanted = RunFilter(project=self._study.name, search=self.record.uid, states=states)
        return self._study.store.find(wanted, order=ORDER_OLDEST)

    def _past(self) -> Past:
        from hyperspace_core.searches.history import Past, tasks_of

        record = self.record
        past = Past(self._study.project, record)
        wanted = RunFilter(project=self._study.name, tasks=tuple(tasks_of(record)))
        past.update(self._study.store.find(wanted, order=ORDER_OLDEST))
        return past

    def __repr__(self) -> str:
        return "\n".join(self.progress().lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"
