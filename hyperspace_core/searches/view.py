"""A search as people look at it: how far it is, what it found, how long it will take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from hyperspace_core.records.filter import ORDER_OLDEST, RunFilter
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.search import SearchRecord, SearchState
from hyperspace_core.records.states import State
from hyperspace_core.results.words import number, seconds
from hyperspace_core.searches.budget import best_of, hours_of, improvements, seconds_apart, vain_since
from hyperspace_core.searches.history import PRUNED
from hyperspace_core.storage import Store

LATELY = 20                    # runs that tell how fast it goes


@dataclass(frozen=True, kw_only=True)
class SearchView:
    """One look at a search."""

    search: SearchRecord
    counts: Mapping[State, int]
    pruned: int
    best: RunRecord | None             # the completed run with the best result
    improvements: tuple[RunRecord, ...]            # each better than all before it, in order
    vain: int                          # runs that have ended since the best one was proposed
    hours: float                       # of computing, of attempts that have ended
    eta_s: float | None = None         # until its runs are done; None where that cannot be told

    @property
    def ended(self) -> int:
        """Runs that are over."""
        return sum(count for state, count in self.counts.items() if state.terminal)

    @property
    def over(self) -> bool:
        """Whether nothing more will happen by itself: it has ended, and so have its runs."""
        return self.search.state is SearchState.ENDED and not self.at_work

    @property
    def at_work(self) -> int:
        """Runs that wait or run."""
        return self.counts.get(State.QUEUED, 0) + self.counts.get(State.RUNNING, 0)

    @property
    def lines(self) -> tuple[str, ...]:
        """As text: how far it is, what was found, what ends it."""
        search = self.search
        what = f"search {search.id} of {search.task} by {search.tuner.get('className')}: {self._standing}"
        counts = [f"{count} {state.lower()}" for state, count in self.counts.items() if count]
        counts += [f"{self.pruned} of them stopped early"] if self.pruned else []
        counts += [f"{search.repeats} repeats"] if search.repeats else []
        return (what, f"  {', '.join(counts) or 'no runs yet'}", f"  {self._found}", f"  {self._ends}")

    @property
    def _standing(self) -> str:
        search = self.search
        of = "" if search.budget.runs is None else f" of {search.budget.runs:,}"
        told = f"{self.ended:,}{of} runs done"
        if search.state is SearchState.PAUSED:
            return f"paused, {told}"
        return told if search.reason is None else f"{told}; ended: {search.reason}"

    @property
    def _found(self) -> str:
        if self.best is None or self.best.result is None:
            return "nothing found yet"
        name = self.search.metrics[0].name
        since = f", {self.vain} since" if self.vain else ""
        return f"best {name} {number(self.best.result)} (run {self.best.id}{since})"

    @property
    def _ends(self) -> str:
        budget = f"ends after {self.search.budget}"
        used = "" if self.search.budget.hours is None else f" ({self.hours:.3g} used)"
        left = "" if self.eta_s is None else f"; about {seconds(self.eta_s)} left"
        return budget + used + left


def view_of(store: Store, search: SearchRecord) -> SearchView:
    """Raises `StoreError`."""
    wanted = RunFilter(project=search.project, search=search.uid)
    runs = list(store.find(wanted, order=ORDER_OLDEST))
    counted = Counter(run.state for run in runs)
    return SearchView(
        search=search, counts={state: counted[state] for state in State if counted[state]},
        pruned=sum(run.state is State.COMPLETED and run.reason == PRUNED for run in runs),
        best=best_of(runs, search.metrics[0]), improvements=tuple(improvements(runs, search.metrics[0])),
        vain=vain_since(runs, search.metrics[0]), hours=hours_of(runs), eta_s=_eta_s(search, runs))


def _eta_s(search: SearchRecord, runs: list[RunRecord]) -> float | None:
    """From how fast runs ended lately; whatever else may end the search earlier is not foreseen."""
    apart = seconds_apart(runs)[-LATELY:]
    if not apart or search.budget.runs is None or search.state is SearchState.PAUSED:
        return None
    left = search.budget.runs if search.state is SearchState.OPEN else search.proposed
    left -= sum(run.state.terminal for run in runs)
    return max(0, left) * sum(apart) / len(apart) if left > 0 else None
