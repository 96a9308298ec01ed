"""`study.tune`, `study.search` and `study.searches`, and the handle of a search."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperspace_core.errors import NotFound, Refused, UsageError
from hyperspace_core.plugin import (
    LiveView,
    SubmitOptions,
    Tree,
    get_search,
    info,
    overview,
    search_fields,
    statistics,
    text as text_,
)
from hyperspace_core.records import (
    ORDER_OLDEST,
    Budget,
    Metric,
    RunFilter,
    RunRecord,
    SearchRecord,
    SearchState,
    State,
)
from hyperspace_core.storage import Searches, Store
from hyperspace_tuning.planning import (
    TuneOptions,
    check_named_classes,
    hours_of,
    improvements,
    plan_search,
    runs_since_best,
    seconds_apart,
    why_over,
)

if TYPE_CHECKING:
    from hyperspace_core.study import Study
    from hyperspace_tuning.history import PastRuns, SeenRuns
    from hyperspace_tuning.space import Space

# -- Commands on a search's record, without the project's code ----------------------------------------------

BUDGETS = ("runs", "hours", "target", "patience", "failures")
UNENDED = (State.QUEUED, State.PAUSED, State.RUNNING)


def runs_of(store: Store, search: SearchRecord, *states: State) -> Iterator[RunRecord]:
    """The search's runs, oldest first; with `states` only those in one of them."""
    wanted = RunFilter(project=search.project, search=search.uid, states=states)
    return store.find(wanted, order=ORDER_OLDEST)


def cancel_search(store: Store, search: SearchRecord) -> list[int]:
    """End the search and its unfinished runs; return their ids. Idempotent."""
    Searches.of(store).end_search(search.id, search_fields.CANCELLED)
    return [run.id for run in list(runs_of(store, search, *UNENDED)) if _cancelled(store, run.id)]


def _cancelled(store: Store, run: int) -> bool:
    try:
        store.cancel(run)
    except (Refused, NotFound):            # it has ended in the meantime
        return False
    return True


def pause_search(store: Store, search: SearchRecord) -> SearchRecord:
    """Propose nothing until `resume`; proposed runs continue. Raises `Refused`."""
    return Searches.of(store).change_search(search.id, state=SearchState.PAUSED)


def resume_search(store: Store, search: SearchRecord, budget: Mapping[str, Any], *,
                  priority: int | None = None) -> SearchRecord:
    """Continue, also after its end, with the budget that `widened_budget` gives."""
    return Searches.of(store).change_search(search.id, state=SearchState.OPEN, priority=priority,
                                            budget=widened_budget(store, search, budget))


def widened_budget(store: Store, search: SearchRecord, budget: Mapping[str, Any]) -> Budget:
    """Its budget with the given changes. Raises `UsageError` if it is used up."""
    unknown = next((name for name in budget if name not in BUDGETS), None)
    if unknown is not None:
        raise UsageError(f"resume: there is no budget '{unknown}'; name one of {', '.join(BUDGETS)}")
    wanted, runs = replace(search.budget, **budget), list(runs_of(store, search))
    why = why_over(replace(search, budget=wanted), runs)
    if why is not None:
        raise UsageError(f"search {search.id} would end at once: {why}; {_cure(search, runs, wanted, why)}")
    return wanted


def _cure(search: SearchRecord, runs: Sequence[RunRecord], wanted: Budget, why: str) -> str:
    """The change that lets the search continue, for a message."""
    used = next(name for name in BUDGETS
                if why_over(replace(search, budget=replace(wanted, **{name: None})), runs) != why)
    if used == "target":
        return "name a target that is not reached yet"
    before = search.proposed + 100 if used == "runs" else 2 * getattr(wanted, used)
    return f"name a larger budget, as in {before:g} {'runs of patience' if used == 'patience' else used}"


def best_config(store: Store, search: SearchRecord) -> Tree:
    """The config of its best run. Raises `Refused` while no run has completed."""
    best = statistics.best_config(runs_of(store, search, State.COMPLETED))
    if best is None or best.records[0].config is None:
        raise Refused(f"search {search.id} has no completed run yet")
    return best.records[0].config


def write_best(store: Store, search: SearchRecord, path: str | Path) -> Path:
    """Write `best_config` to a new JSON file; return its path.

    Raises `Refused` while no run has completed, `UsageError` for a file that cannot be created.
    """
    text = json.dumps(best_config(store, search), indent=2, ensure_ascii=False) + "\n"
    try:
        with Path(path).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path}: the file exists already; name another one") from None
    except FileNotFoundError:
        raise UsageError(f"{path}: no folder {Path(path).absolute().parent}; create it first") from None
    return Path(path)


# -- A search for display -----------------------------------------------------------------------------------

LATELY = 20                    # the last runs, from which the rate is estimated


@dataclass(frozen=True, kw_only=True, repr=False)
class SearchView:
    """A snapshot of a search for display."""

    search: SearchRecord
    at: datetime
    counts: Mapping[State, int]
    pruned: int
    best: RunRecord | None             # a run of the config with the best mean, with its means
    improvements: tuple[RunRecord, ...]            # each better than all runs before it, in order
    running: tuple[RunRecord, ...]
    vain: int                          # runs that have ended since the best one was proposed
    hours: float                       # computing hours of ended attempts
    eta_s: float | None = None         # until its runs are done; None where it cannot be estimated
    best_runs: tuple[int, ...] = ()    # the completed runs of that config

    @property
    def ended(self) -> int:
        """The number of runs that have ended."""
        return sum(count for state, count in self.counts.items() if state.terminal)

    @property
    def over(self) -> bool:
        """Whether nothing more will happen: the search and all its runs have ended."""
        return self.search.state is SearchState.ENDED and not self.at_work

    @property
    def unfinished(self) -> bool:
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
        running = (" ".join(filter(None, overview.run_text(run, self.at, times=times)))
                   for run in self.running)
        return [*self._lines(times=times), *(f"  {line}" for line in running)]

    def _lines(self, *, times: bool) -> tuple[str, ...]:
        counts = [f"{count} {state.lower()}" for state, count in self.counts.items() if count]
        counts += [f"{self.pruned} of them stopped early"] if self.pruned else []
        counts += [f"{self.search.repeats} repeats"] if self.search.repeats else []
        rest = (", ".join(counts) or "no runs yet", self.found, self.ends(times=times))
        return tuple(map(text_.one_line, (self.head, *(f"  {line}" for line in rest if line))))

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
        runs = statistics.mean_of(self.best_runs or (self.best.id,))
        return f"best {name} {text_.number(self.best.result)} ({runs}{since})"

    def ends(self, *, times: bool = True) -> str:
        """`ends after 100 runs; about 3 min left`; empty once the search is over."""
        if self.over:
            return ""
        budget = f"ends after {self.search.budget}"
        used = "" if self.search.budget.hours is None or not times else f" ({self.hours:.3g} used)"
        left = "" if self.eta_s is None or not times else f"; about {text_.seconds(self.eta_s)} left"
        return budget + used + left

    def __repr__(self) -> str:
        return "\n".join(self.text())

    def _repr_html_(self) -> str:
        lines = html.escape("\n".join(self.lines))
        runs = self.search.budget.runs
        bar = "" if runs is None else f'<progress value="{min(self.ended / runs, 1):.3f}" max="1"></progress>'
        rows = "".join(overview.run_html(run, self.at) for run in self.running)
        return f"<div><pre>{lines}</pre>{bar}{f'<table>{rows}</table>' if rows else ''}</div>"


def view_of(store: Store, search: SearchRecord) -> SearchView:
    """Read a search's runs for display. Raises `StoreError`."""
    runs = list(runs_of(store, search))
    counted, metric = Counter(run.state for run in runs), search.metrics[0]
    best = statistics.best_config(run for run in runs if run.state is State.COMPLETED)
    return SearchView(
        search=search, at=datetime.now(UTC),
        counts={state: counted[state] for state in State if counted[state]},
        pruned=sum(map(info.is_pruned, runs)),
        best=None if best is None else best.as_record, best_runs=() if best is None else best.ids,
        improvements=tuple(improvements(runs, metric)),
        running=tuple(run for run in runs if run.state is State.RUNNING),
        vain=runs_since_best(runs, metric), hours=hours_of(runs), eta_s=_eta_s(search, runs))


def _eta_s(search: SearchRecord, runs: list[RunRecord]) -> float | None:
    """The time left, from the latest rate; an earlier end is not foreseen."""
    apart = seconds_apart(runs)[-LATELY:]
    if not apart or search.budget.runs is None or search.state is SearchState.PAUSED:
        return None
    left = search.budget.runs if search.state is SearchState.OPEN else search.proposed
    left -= sum(run.state.terminal for run in runs)
    return max(0, left) * sum(apart) / len(apart) if left > 0 else None


# -- The handle of a search ---------------------------------------------------------------------------------

class Search(LiveView):
    """One search of a study. Workers do the search, the store keeps it.

    `.watch()` refreshes its display until it ends. The notebook may be closed at any time.
    """

    def __init__(self, study: Study, number: int) -> None:
        self._study = study
        self.id = get_search(study.store, study.name, number).id

    # -- reading ---------------------------------------------------------------------------------------------

    @property
    def record(self) -> SearchRecord:
        """The search's current record in the store."""
        return get_search(self._study.store, self._study.name, self.id)

    def progress(self) -> SearchView:
        """Its progress: runs done, best run so far, estimated time left."""
        return view_of(self._study.store, self.record)

    def view(self) -> SearchView:
        """The same as `progress`; what a display of the search shows."""
        return self.progress()

    def runs(self) -> list[RunRecord]:
        """Its runs in all states, oldest first."""
        return list(runs_of(self._study.store, self.record))

    @property
    def best(self) -> RunRecord | None:
        """Its completed run with the best result so far."""
        return self.progress().best

    def best_config(self) -> Tree:
        """The config of `best`. Raises `Refused` while no run has completed."""
        return best_config(self._study.store, self.record)

    def write_best(self, path: str | Path) -> Path:
        """Write `best_config` to a new file, for `hyperspace run TASK --config FILE`.

        Returns its path. Raises `Refused` while no run has completed, `UsageError` for an existing file.
        """
        return write_best(self._study.store, self.record, path)

    def space(self) -> Space:
        """Its search space, by the current code."""
        return self._past().space

    def seen(self) -> SeenRuns:
        """The history that its tuner sees now, and the runs that are left out of it."""
        return self._past().seen()

    def importance(self) -> dict[str, float]:
        """The importance of each parameter, by its key, the highest first; the sum is 1.

        Empty where no installed tuner can compute it, or no results are known yet.
        """
        from hyperspace_tuning.proposer import importance_of

        past = self._past()
        return importance_of(self._study.project, past.space, past.seen().history)

    # -- control ---------------------------------------------------------------------------------------------

    def cancel(self) -> list[int]:
        """End the search and its unfinished runs; return their ids. Idempotent."""
        return cancel_search(self._study.store, self.record)

    def pause(self) -> SearchRecord:
        """Propose nothing more until `resume`; runs that are already proposed continue.

        Raises `Refused` for a search that has ended.
        """
        return pause_search(self._study.store, self.record)

    def resume(self, *, priority: int | None = None, **budget: Any) -> SearchRecord:
        """Continue, also after its end, with another budget: `resume(runs=200)`.

        Other limits stay. Raises `UsageError` for a budget that is used up already: name a larger one.
        """
        return resume_search(self._study.store, self.record, budget, priority=priority)

    # -- helpers ---------------------------------------------------------------------------------------------

    def _past(self) -> PastRuns:
        from hyperspace_tuning.history import read_past_runs

        return read_past_runs(self._study.store, self._study.project, self.record)


# -- Attributes of a study ----------------------------------------------------------------------------------

def tune(study: Study, task: str, *, runs: int | None = None, hours: float | None = None,
         target: float | None = None, patience: int | None = None, space: Mapping[str, Any] | None = None,
         tuner: Any = None, pruner: Any = None, metrics: Collection[str | Metric] = (),
         learn_from: Collection[str] = (), seed: int | None = None, priority: int = 0,
         tags: Collection[str] = (), note: str = "", retries: int = 0, failures: int | None = 10) -> Search:
    """Queue a search: workers propose its runs from all comparable runs.

    It ends at the first of: this many `runs` proposed, `hours` of computing on all machines together, the
    `target` reached by the task's metric, no improvement in `patience` runs, `failures` in a row. `space`
    narrows or widens the search space of the signatures. `tuner` and `pruner`: a name, a section or a
    component; by default the best installed tuner and no pruner. `metrics`: further metrics for a tuner
    that seeks a front, as in "seconds:minimize". `learn_from`: related tasks. Raises `TaskError`,
    `ConfigError`, `UsageError` for a search that no worker could execute; then nothing is queued.
    """
    asked = TuneOptions(
        budget=Budget(runs=runs, hours=hours, target=target, patience=patience, failures=failures),
        space=space, tuner=tuner, pruner=pruner, metrics=metrics, learn_from=learn_from, seed=seed,
        run_options=SubmitOptions(priority=priority, tags=tags, note=note, retries=retries))
    planned = plan_search(study.project, task, asked)
    check_named_classes(study.project, planned, study.check_submission)
    return Search(study, Searches.of(study.store).add_search(planned))


def search(study: Study, number: int) -> Search:
    """One search of this project. Raises `NotFound`."""
    return Search(study, number)


def searches(study: Study) -> list[SearchRecord]:
    """All searches of this project, oldest first."""
    return Searches.of(study.store).searches(study.name)
