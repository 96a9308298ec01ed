"""A search for display: its progress, its best run, the estimated time left."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from hyperspace_core.records.info import is_pruned
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.search import SearchRecord, SearchState
from hyperspace_core.records.states import State
from hyperspace_core.results.format import number, one_line, seconds
from hyperspace_core.results.overview import run_html, run_text
from hyperspace_core.searches.budget import best_of, hours_of, improvements, seconds_apart, vain_since
from hyperspace_core.searches.verbs import runs_of
from hyperspace_core.storage import Store

LATELY = 20                    # the last runs, from which the rate is estimated


@dataclass(frozen=True, kw_only=True, repr=False)
class SearchView:
    """A snapshot of a search for display."""

    search: SearchRecord
    at: datetime
    counts: Mapping[State, int]
    pruned: int
    best: RunRecord | None             # the completed run with the best result
    improvements: tuple[RunRecord, ...]            # each better than all runs before it, in order
    running: tuple[RunRecord, ...]
    vain: int                          # runs that have ended since the best one was proposed
    hours: float                       # computing hours of ended attempts
    eta_s: float | None = None         # until its runs are done; None where it cannot be estimated

    @property
    def ended(self) -> int:
        """The number of runs that have ended."""
        return sum(count for state, count in self.counts.items() if state.terminal)

    @property
    def over(self) -> bool:
        """Whether nothing more will happen: the search and all its runs have ended."""
        return self.search.state is SearchState.ENDED and not self.at_work

    @property
    def goes_on(self) -> bool:
        """Whether it is open, or some of its runs are queued or running."""
        return self.search.state is SearchState.OPEN or bool(self.at_work)

    @property
    def at_work(self) -> int:
        """The number of runs that are queued or running."""
        return self.counts.get(State.QUEUED, 0) + self.counts.get(State.RUNNING, 0)

    @property
    def lines(self) -> tuple[str, ...]:
        """Text: progress, best run, limits."""
        return self._lines(times=True)

    def text(self, *, times: bool = True) -> list[str]:
        """The same with a line for each running run. `times`: see `Look`."""
        running = (" ".join(filter(None, run_text(run, self.at, times=times))) for run in self.running)
        return [*self._lines(times=times), *(f"  {line}" for line in running)]

    def _lines(self, *, times: bool) -> tuple[str, ...]:
        counts = [f"{count} {state.lower()}" for state, count in self.counts.items() if count]
        counts += [f"{self.pruned} of them stopped early"] if self.pruned else []
        counts += [f"{self.search.repeats} repeats"] if self.search.repeats else []
        rest = (", ".join(counts) or "no runs yet", self.found, self.ends(times=times))
        return tuple(map(one_line, (self.head, *(f"  {line}" for line in rest if line))))

    @property
    def head(self) -> str:
        """`search 3 of holdout by TPE: 5 of 100 runs done`."""
        search = self.search
        return f"search {search.id} of {search.task} by {search.tuner.get('className')}: {self._standing}"

    @property
    def _standing(self) -> str:
        search = self.search
        of = "" if search.budget.runs is None else f" of {search.budget.runs:,}"
        done = f"{self.ended:,}{of} runs done"
        if search.state is SearchState.PAUSED:
            return f"paused, {done}"
        return done if search.reason is None else f"{done}; ended: {search.reason}"

    @property
    def found(self) -> str:
        """`best accuracy 0.98 (run 12, 5 since)`."""
        if self.best is None or self.best.result is None:
            return "no result yet"
        name = self.search.metrics[0].name
        since = f", {self.vain} since" if self.vain else ""
        return f"best {name} {number(self.best.result)} (run {self.best.id}{since})"

    def ends(self, *, times: bool = True) -> str:
        """`ends after 100 runs; about 3 min left`; empty once the search is over."""
        if self.over:
            return ""
        budget = f"ends after {self.search.budget}"
        used = "" if self.search.budget.hours is None or not times else f" ({self.hours:.3g} used)"
        left = "" if self.eta_s is None or not times else f"; about {seconds(self.eta_s)} left"
        return budget + used + left

    def __repr__(self) -> str:
        return "\n".join(self.text())

    def _repr_html_(self) -> str:
        lines = html.escape("\n".join(self.lines))
        runs = self.search.budget.runs
        bar = "" if runs is None else f'<progress value="{min(self.ended / runs, 1):.3f}" max="1"></progress>'
        rows = "".join(run_html(run, self.at) for run in self.running)
        return f"<div><pre>{lines}</pre>{bar}{f'<table>{rows}</table>' if rows else ''}</div>"


def view_of(store: Store, search: SearchRecord) -> SearchView:
    """Read a search's runs for display. Raises `StoreError`."""
    runs = list(runs_of(store, search))
    counted, metric = Counter(run.state for run in runs), search.metrics[0]
    return SearchView(
        search=search, at=datetime.now(UTC),
        counts={state: counted[state] for state in State if counted[state]},
        pruned=sum(map(is_pruned, runs)),
        best=best_of(runs, metric), improvements=tuple(improvements(runs, metric)),
        running=tuple(run for run in runs if run.state is State.RUNNING),
        vain=vain_since(runs, metric), hours=hours_of(runs), eta_s=_eta_s(search, runs))


def _eta_s(search: SearchRecord, runs: list[RunRecord]) -> float | None:
    """The time left, from the latest rate; an earlier end is not foreseen."""
    apart = seconds_apart(runs)[-LATELY:]
    if not apart or search.budget.runs is None or search.state is SearchState.PAUSED:
        return None
    left = search.budget.runs if search.state is SearchState.OPEN else search.proposed
    left -= sum(run.state.terminal for run in runs)
    return max(0, left) * sum(apart) / len(apart) if left > 0 else None
