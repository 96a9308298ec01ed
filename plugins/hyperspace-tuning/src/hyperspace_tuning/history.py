"""The history of a search: the runs that its tuner learns from, and the others.

All runs of the task count, also those by hand and of other searches, if they are comparable with a run of the
current code. Runs of related tasks (`sources`) count with less weight, if comparable among themselves. A run
outside the space is left out and counted: no value is clipped or guessed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hyperspace_core.errors import ConfigError, HyperspaceError
from hyperspace_core.plugin import (
    Clock,
    Criteria,
    CurrentCode,
    DataRule,
    Tree,
    criteria_of,
    info,
    run_traits,
    trees,
    trim_provenance,
)
from hyperspace_core.records import (
    ORDER_OLDEST,
    Condition,
    Metric,
    NewSearch,
    RunFilter,
    RunRecord,
    SearchRecord,
    State,
    Task,
)
from hyperspace_core.storage import Store
from hyperspace_tuning.from_signature import space_from_signature
from hyperspace_tuning.space import Assignment, Outside, Space
from hyperspace_tuning.tuner import History, Trial, TrialState

if TYPE_CHECKING:
    from hyperspace_core.plugin import Project

# -- The problem of a search --------------------------------------------------------------------------------

SEED = "seed"                  # of `single_run`: it receives the run's own seed and is not searched


def searched_space(project: Project, scenario: Tree, wishes: Mapping[str, Any]) -> Space:
    """Build the space of a search of this problem. Raises `ConfigError`."""
    if SEED in wishes:
        raise ConfigError("`seed`: each run has its own, so it is not searched; leave it out of space=, and "
                          "give the search a seed with seed=")
    signature = project.scenario_signature(scenario)
    others = tuple(parameter for parameter in signature.parameters if parameter.name != SEED)
    return space_from_signature(replace(signature, parameters=others), project.registry, wishes)


def check_searched(space: Space, task: str) -> None:
    """Raise `ConfigError` for a space of one point: a search would only repeat it."""
    if not space.dimensions:
        raise ConfigError(f"nothing of task '{task}' is searched: give parameters a range, as in "
                          "`Annotated[int, Int(10, 1000)]`, or name ranges in space=")


def up_to_date_scenario(project: Project, search: NewSearch) -> Tree:
    """The scenario with defaults of newer parameters. Raises `ConfigError`."""
    task = Task(name=search.task, scenario=search.scenario, metric=search.metrics[0])
    try:
        return project.complete_scenario(task)
    except HyperspaceError:                # a class or parameter has another name in the current code
        scenario, _ = project.up_to_date(search.scenario, {})
        return project.complete_scenario(replace(task, scenario=scenario))


class SearchedCode(CurrentCode):
    """The current code with the search's own problem; later task edits are ignored."""

    def __init__(self, project: Project, search: NewSearch, scenario: Tree) -> None:
        super().__init__(project)
        self._searched = search.task
        self._own = scenario, search.metrics[0]
        self.text = trees.canonical(scenario)

    def problem(self, task: str) -> tuple[Tree, Metric] | None:
        return self._own if task == self._searched else super().problem(task)


# -- The history --------------------------------------------------------------------------------------------

RELATED = 0.5                      # weight of a run of a related task
_PENDING = (State.QUEUED, State.PAUSED, State.RUNNING)


@dataclass(frozen=True, kw_only=True)
class SeenRuns:
    """The history that a tuner sees, and counts of runs left out, by cause."""

    history: History
    left_out: Counter[str]

    @property
    def summary(self) -> str:
        """One line: how many runs are used, how many are left out, and why."""
        trials = self.history.trials
        related = sum(trial.weight < 1 for trial in trials)
        pending = sum(trial.state == "pending" for trial in trials)
        used = [f"{len(trials):,} past run{'' if len(trials) == 1 else 's'} used"]
        used += [f"{related:,} of related tasks"] if related else []
        used += [f"{pending:,} queued or running"] if pending else []
        causes = [f"{words} ({count:,})" for words, count in self.left_out.most_common(5)]
        rest = sum(self.left_out.values()) - sum(count for _, count in self.left_out.most_common(5))
        causes += [f"other causes ({rest:,})"] if rest else []
        left = f"; {self.left_out.total():,} left out: {', '.join(causes)}" if causes else ""
        return ", ".join(used) + left


class PastRuns:
    """The runs that a search may learn from, updated as they change."""

    def __init__(self, project: Project, search: NewSearch) -> None:
        self._project, self._search = project, search
        self.scenario = up_to_date_scenario(project, search)
        self.space: Space = searched_space(project, self.scenario, search.space)
        self._today = SearchedCode(project, search, self.scenario)
        self._runs: dict[int, _Run] = {}

    def update(self, records: Iterable[RunRecord], *, whole: bool = False) -> None:
        """Take over new and changed records. `whole`: these are all runs."""
        known = self._runs
        if whole:
            self._runs = {}
        for record in records:
            before = known.get(record.id)
            if before is None or before.record != record:
                # the place in the space depends only on the config
                same = before is not None and (before.record.config, before.record.scenario) == (
                    record.config, record.scenario)
                before = _Run(record, before.place if before is not None and same else None)
            self._runs[record.id] = before

    def seen(self) -> SeenRuns:
        """The current history."""
        left_out: Counter[str] = Counter()
        trials: list[Trial] = []
        known: set[str] = set()            # configs with their seeds: one observation, however often run
        criteria_of = {task: self._criteria(task) for task in self._search.tasks}
        for number in sorted(self._runs):
            run = self._runs[number]
            criteria = criteria_of.get(run.record.task)
            trial = None if criteria is None else self._trial(run, criteria, left_out)
            if trial is not None and trial.state == "completed" and run.observation in known:
                left_out["the same config and seed again"] += 1
            elif trial is not None:
                trials.append(trial)
                known |= {run.observation} if trial.state == "completed" else set()
        history = History(trials=tuple(trials), metrics=self._search.metrics)
        return SeenRuns(history=history, left_out=left_out)

    def _criteria(self, task: str) -> Criteria:
        of_task = [run.traits for run in self._runs.values() if run.record.task == task]
        done = [run for run in of_task if run.record.state is State.COMPLETED]
        code = {id(run.fingerprints) for run in done}
        # failures of code by which no run completed: that code may be corrected since
        failed = {id(run.fingerprints): run for run in of_task
                  if run.record.state is State.FAILED and id(run.fingerprints) not in code}
        criteria = criteria_of([*done, *failed.values()], self._today, newest=False)
        if task == self._search.task:
            problem = self._today.problem(task)
            if problem is not None:                # also where no run has completed yet
                criteria = replace(criteria, problem=problem[0], problem_text=self._today.text,
                                   metric=problem[1])
        if failed:                                 # failed runs do not decide which data count
            alike = replace(criteria, data=None)
            criteria = replace(criteria, data=DataRule.of([run for run in done if not alike.against(run)]))
        return criteria

    def _trial(self, run: _Run, criteria: Criteria, left_out: Counter[str]) -> Trial | None:
        record = run.record
        state = _state_of(record)
        if state is None or record.config is None:
            return None                            # cancelled, or not yet claimed by a worker
        reasons = criteria.against(run.traits)
        if reasons:
            left_out[" and ".join(dict.fromkeys(reason.text for reason in reasons))] += 1
            return None
        if run.trial is not None:                  # the same object: a tuner may compare by identity
            return run.trial
        if run.place is None:
            run.place = self._placed(record.scenario, record.config)
        assignment, outside = run.place
        if outside:
            left_out[_words(outside[0])] += 1
            return None
        metric, value = self._search.metrics[0], record.result if state in ("completed", "pruned") else None
        if value is not None and record.metric.name != metric.name:    # a related task with another metric
            value = None if state == "pruned" else _values_of(record).get(metric.name)
            if value is None:
                left_out[f"a task of another metric (`{record.metric.name}`)"] += 1
                return None
        run.trial = Trial(assignment=assignment, state=state, value=value, values=_values_of(record),
                          run=record.id, weight=1.0 if record.task == self._search.task else RELATED)
        return run.trial

    def _placed(self, scenario: Tree | None, config: Tree) -> _Place:
        """The assignment of a config, with the defaults of parameters that it lacks."""
        try:
            _, config = self._project.up_to_date(scenario or self.scenario, config)
            config = self._project.complete(self.scenario, config)
        except ConfigError:
            pass                                   # the space reports the values that do not fit
        found = self.space.from_config({key: value for key, value in config.items() if key != SEED})
        return found.assignment, found.outside


_Place = tuple[Assignment, tuple[Outside, ...]]


class _Run:
    """A run with what was computed from it."""

    def __init__(self, record: RunRecord, place: _Place | None) -> None:
        self.record, self.place = record, place
        self.trial: Trial | None = None
        # unknown seeds differ
        seed = record.id + 0.5 if record.seed is None else record.seed
        self.observation = trees.canonical([record.task, record.scenario, record.config, seed])
        (self.traits,) = run_traits((record,))


def read_past_runs(store: Store, project: Project, search: NewSearch) -> PastRuns:
    """Read all runs that a search may learn from. Raises `StoreError`."""
    past = PastRuns(project, search)
    wanted = RunFilter(project=project.name, tasks=search.tasks)
    past.update(map(slimmed, store.find(wanted, order=ORDER_OLDEST)), whole=True)
    return past


def _state_of(record: RunRecord) -> TrialState | None:
    if record.state in _PENDING:
        return "pending"
    if record.state is State.FAILED:
        return "failed"
    if record.state is not State.COMPLETED:
        return None
    if record.finite_result is None:
        return "failed"                            # it diverged: as bad as a failed one
    return "pruned" if info.is_pruned(record) else "completed"


def _values_of(record: RunRecord) -> dict[str, float]:
    return {name: float(value) for name, value in record.metrics.items()
            if trees.is_number(value) and math.isfinite(value)}


def _words(outside: Outside) -> str:
    """The cause why a run is outside the space, without its value, to be counted."""
    said = {"range": "outside its range", "class": "a class that is not searched",
            "fixed": "another value than the fixed one", "missing": "missing",
            "unknown": "a parameter that does not exist any more"}
    return f"`{outside.path}` {said[outside.reason]}"


# -- The cache of a worker ----------------------------------------------------------------------------------

WHOLE_S = 60.0                 # interval of reading all runs: one may be deleted, migrated, run again
RARELY = 30                    # but reading takes at most a thirtieth of the time
LATE = 20                      # ids are given before runs are visible: a lower one may appear after a higher


class RunCache:
    """The runs of a search's tasks as last read; changes are read from the store."""

    def __init__(self, store: Store, search: SearchRecord, clock: Clock) -> None:
        self._store, self._search, self._clock = store, search, clock
        self._runs: dict[int, RunRecord] = {}
        self._whole_at: float | None = None
        self._took_s = 0.0                 # duration of the last reading of all runs
        self._new: dict[int, RunRecord] = {}
        self._all_new = True

    def changes(self, *, fresh: bool) -> tuple[list[RunRecord], bool]:
        """The runs that the proposer lacks, and whether these are all runs.

        `fresh`: the proposer has none. Raises `StoreError`."""
        now = self._clock.monotonic()
        if self._whole_at is None or now - self._whole_at >= max(WHOLE_S, RARELY * self._took_s):
            self._runs = self._read()
            self._all_new, self._whole_at = True, self._clock.monotonic()
            self._took_s = self._whole_at - now
        else:
            self._look_again()
        if fresh or self._all_new:
            self._all_new = True
            return list(self._runs.values()), True
        return list(self._new.values()), False

    def mark_sent(self) -> None:
        """Note that the proposer has received the last changes."""
        self._new, self._all_new = {}, False

    def runs(self) -> list[RunRecord]:
        """The runs of the search itself, oldest first."""
        return [run for run in self._runs.values() if run.search == self._search.uid]

    def _look_again(self) -> None:
        """Read new runs, and those that had not ended."""
        newer = Condition("id", ">", max(self._runs, default=0) - LATE)
        read = self._read(where=(newer,))
        unended = tuple(number for number, run in self._runs.items() if not run.state.terminal)
        if unended:
            read |= self._read(ids=unended)
        changed = {number: run for number, run in read.items() if run != self._runs.get(number)}
        self._runs |= changed
        self._new |= changed

    def _read(self, *, ids: tuple[int, ...] = (), where: tuple[Condition, ...] = ()) -> dict[int, RunRecord]:
        wanted = RunFilter(project=self._search.project, tasks=self._search.tasks, ids=ids,
                           where=where)
        return {record.id: slimmed(record) for record in self._store.find(wanted, order=ORDER_OLDEST)}


def slimmed(record: RunRecord) -> RunRecord:
    """The part of a record that a history needs."""
    kept = trim_provenance(record)
    attempts = tuple(replace(attempt, traceback=None) for attempt in kept.attempts)
    return replace(kept, attempts=attempts, submitted={}, note="", info={}, progress=None, tags=())
