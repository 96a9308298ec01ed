"""The main entry point: one project and one store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

from hyperspace_core import submission
from hyperspace_core.errors import UsageError, error_line
from hyperspace_core.execution.identity import this_process, worker_name
from hyperspace_core.extension.accessors import RESULTS, STUDY, Accessors, collect
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.project import open_project
from hyperspace_core.extension.storage import open_store, resolve_url
from hyperspace_core.lookup import checked_paths, conditions, get_run
from hyperspace_core.records.filter import ORDER_BEST, ORDER_OLDEST, Condition, RunFilter, parse_states
from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import Claim, Lease, NewRun, RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.results.table import best_first, gc_paused
from hyperspace_core.run import Run
from hyperspace_core.storage import Closing, Store, new_token, rewritten_of
from hyperspace_core.submission import Pin, Pinner, SubmitOptions, checked_plan, plan, problem_of_task

if TYPE_CHECKING:
    from hyperspace_core.results.comparable import Comparable
    from hyperspace_core.results.overview import Overview, QueueProgress
    from hyperspace_core.results.results import Results

# -- `study.queue`: control a project's queue and single runs --

class QueueControl:
    """`study.queue`: control the project's queue and single runs.

    Verbs on one run return its new state. They raise `NotFound`, and `Refused` if its state does not allow
    it.
    """

    def __init__(self, study: Study) -> None:
        self._study = study

    def pause_all(self) -> int:
        """Stop claiming, also of runs submitted later; running runs continue. Returns how many are queued."""
        return self._switch(paused=True)

    def resume_all(self) -> int:
        """Start claiming again; runs paused one by one stay paused. Returns how many are queued."""
        return self._switch(paused=False)

    def _switch(self, *, paused: bool) -> int:
        store, name = self._study.store, self._study.name
        store.change_settings(name, paused=paused)
        return store.count(RunFilter(project=name)).get(State.QUEUED, 0)

    def cancel(self, run: int) -> State:
        """Cancel a run; a running run stays RUNNING until its process has ended."""
        return self._study.store.cancel(self._study.get(run).id)

    def pause(self, run: int) -> State:
        """Exclude a run from claiming until resumed; a running run is released."""
        return self._study.store.pause(self._study.get(run).id)

    def resume(self, run: int) -> State:
        """Put a paused run back into the queue."""
        return self._study.store.resume(self._study.get(run).id)

    def requeue(self, run: int) -> State:
        """Queue a finished run again; its earlier attempts are kept."""
        return self._study.store.requeue(self._study.get(run).id)


class Built(NamedTuple):
    """A scenario and its arguments, as plain objects; `run`: the live run that it may log to."""

    scenario: Any
    arguments: dict[str, Any]
    run: Run


Watch = Callable[[RunRecord, Progress | None], None]
SubmissionCheck = Callable[[NewRun], object]
ExecutionObserver = Callable[[RunRecord], object]


class Study(Closing):
    """One project and one store: submit and execute runs, read results.

    `storage`: a URL; by default `HYPERSPACE_STORAGE`, else a SQLite file in the user's data folder.
    `tasks_dir`: a folder with more task files. `no_plugins`: names of installed plugins to leave out.

    Plugins add functions to two lists. `submission_checks`: each is called with every planned run (`NewRun`)
    before it is queued, and refuses it by raising a `HyperspaceError`. `execution_observers`: each is called
    with the record of a run of this process (`run`, `execute`) after it is stored and before it begins; a
    failure is logged.

    Raises `ProjectError` for a project that is not installed or cannot be imported, `StoreError` for a store
    that cannot be opened.
    """

    def __init__(self, project: str, storage: str | None = None, *, tasks_dir: str | Path | None = None,
                 no_plugins: Collection[str] = ()) -> None:
        self.no_plugins = tuple(no_plugins)
        self.tasks_dir = None if tasks_dir is None else Path(tasks_dir)
        self.extensions = build_manager(disable=self.no_plugins)
        self.project = open_project(project, self.extensions, tasks_dir=self.tasks_dir)
        self.name = self.project.name
        self.store: Store = open_store(resolve_url(storage, self.name), self.extensions, self.name)
        self.queue = QueueControl(self)
        self._pinner = Pinner(self.project, self.store)
        self.submission_checks: list[SubmissionCheck] = []
        self.execution_observers: list[ExecutionObserver] = []

    # -- attributes that plugins bring -----------------------------------------------------------------------

    @cached_property
    def _accessors(self) -> Accessors:
        from hyperspace_core.results.results import Results

        own = {*dir(type(self)), *vars(self)}
        return collect(self.extensions, {STUDY: own, RESULTS: {*dir(Results), *vars(Results())}})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):               # also before __init__ has run, as when a study is copied
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        found = self.__dict__[name] = self._accessors.get(STUDY, self, name)
        return found

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._accessors.names(STUDY)]

    # -- submitting ----------------------------------------------------------------------------------------

    def submit(self, task: str, config: Mapping[str, Any] | None = None, *, repeats: int = 1,
               seed: int | None = None, priority: int = 0, tags: Collection[str] = (), note: str = "",
               retries: int = 0, code: str = "pinned") -> int | list[int]:
        """Queue one config; its id, or a list of ids if `repeats` is more than 1.

        `code`: "pinned" stores the project's code as it is now and the run executes it; "current" executes
        the code installed at the worker. Raises `TaskError`, or `ConfigError` with every problem of the
        config; then nothing is queued.
        """
        wishes = SubmitOptions(repeats=repeats, seed=seed, priority=priority,
                               tags=tags, note=note, retries=retries)
        runs = plan(self.project, problem_of_task(self.project, task), config, wishes)
        ids = self.submit_runs(runs, self.pin(code))
        return ids if wishes.repeats > 1 else ids[0]

    def submit_grid(self, task: str, grid: Mapping[str, Any], *, repeats: int = 1, seed: int | None = None,
                    priority: int = 0, tags: Collection[str] = (), note: str = "",
                    retries: int = 0, code: str = "pinned") -> list[int]:
        """Queue every combination of a grid; their ids, in the grid's order.

        A list means alternatives if the parameter's type is not itself a sequence; `each(a, b)` always does.
        If one combination is invalid, nothing is queued.
        """
        wishes = SubmitOptions(repeats=repeats, seed=seed, priority=priority,
                               tags=tags, note=note, retries=retries)
        runs = checked_plan(self.project, problem_of_task(self.project, task), grid, wishes)
        return self.submit_runs(runs, self.pin(code))

    def pin(self, code: str = "pinned") -> Pin:
        """Store the project's code, for runs to be submitted; see `Pinner.pin`."""
        return self._pinner.pin(code)

    def submit_runs(self, runs: Iterable[NewRun], pin: Pin) -> list[int]:
        """Queue planned runs on the pinned code; their ids."""
        return [run for batch in self.submit_batches(runs, pin) for run in batch]

    def submit_batches(self, runs: Iterable[NewRun], pin: Pin) -> Iterator[list[int]]:
        """Queue planned runs, a thousand in each step; yields the ids of each step."""
        rest = map(pin.on, map(self.check_submission, runs))
        while batch := list(islice(rest, submission.BATCH)):
            yield self.store.submit(batch)

    def check_submission(self, run: NewRun) -> NewRun:
        """Return the run if all `submission_checks` accept it. Raises what a check raises."""
        for check in self.submission_checks:
            check(run)
        return run

    # -- run in this process -------------------------------------------------------------------------------

    @overload
    def run(self, task: str, config: Mapping[str, Any] | None = None, *, seed: int | None = None,
            tags: Collection[str] = (), note: str = "", echo: bool = True, watch: Watch | None = None,
            keep: Literal[False] = False) -> RunRecord: ...

    @overload
    def run(self, task: str, config: Mapping[str, Any] | None = None, *, seed: int | None = None,
            tags: Collection[str] = (), note: str = "", echo: bool = True, watch: Watch | None = None,
            keep: Literal[True]) -> tuple[RunRecord, Any]: ...

    def run(self, task: str, config: Mapping[str, Any] | None = None, *, seed: int | None = None,
            tags: Collection[str] = (), note: str = "", echo: bool = True, watch: Watch | None = None,
            keep: bool = False) -> RunRecord | tuple[RunRecord, Any]:
        """Execute one config in this process and record it; no worker ever sees it queued.

        A failure of the scenario is in the record (`state`, `attempt.traceback`); Ctrl-C cancels the run and
        is raised again. `echo`: also print the run's output here. `watch` is called with the record and None
        when the run starts, and with each progress it reports, in the reporting thread. `keep`: also return
        what the scenario returned beside its metrics, as in `return metrics, model`; a worker drops it.
        """
        wishes = SubmitOptions(seed=seed, tags=tags, note=note)
        run = plan(self.project, problem_of_task(self.project, task), config, wishes)[0]
        started: list[Run] = []
        record = self.execute(run, echo=echo, watch=watch, on_run=started.append)
        return (record, started[0].extra if started else None) if keep else record

    def build(self, task: str | int | RunRecord, config: Mapping[str, Any] | None = None, *,
              seed: int | None = None) -> Built:
        """Build the scenario and its arguments, to look at or to call; nothing is executed or stored.

        `task`: a task with its `config`; or a past run, whose config is changed by `config`. The random
        generators are seeded as before a run. `built.scenario.single_run(**built.arguments)` executes it, and
        logs to `built.run`. Raises `TaskError`, `ConfigError`, `NotFound`.
        """
        wishes = SubmitOptions(seed=seed)
        if isinstance(task, str):
            planned = plan(self.project, problem_of_task(self.project, task), config, wishes)[0]
        else:
            record = task if isinstance(task, RunRecord) else self.get(task)
            planned = submission.plan_rerun(self.project, record, config, wishes)[0]
        run = Run.local(planned.seed)
        run.task, run.config, run.scenario = planned.task, planned.config or {}, planned.scenario or {}
        self.extensions.hook.hyperspace_seed(seed=run.seed)
        scenario = self.project.build_scenario(run.scenario)
        run.arguments = self.project.build_arguments(scenario, run.config, run)
        return Built(scenario=scenario, arguments=run.arguments, run=run)

    def rerun(self, run: int, changes: Mapping[str, Any] | None = None, *, seed: int | None = None,
              here: bool = False, repeats: int = 1, priority: int = 0, tags: Collection[str] = (),
              note: str = "", code: str = "pinned") -> RunRecord | int | list[int]:
        """Run a past run again with changed hyper-parameters, as its child.

        By default queued: the new id (a list if `repeats` is more than 1). `here=True` executes it now: the
        record. `code`: "original" executes the code of the past run; else as in `submit`.
        """
        wishes = SubmitOptions(repeats=repeats, seed=seed, priority=priority, tags=tags, note=note)
        if here and wishes.repeats > 1:
            raise UsageError("rerun: here=True executes one run; queue repeats instead (here=False)")
        if here and code == "original":
            raise UsageError("rerun: here=True executes the code imported in this process; to execute the "
                            "original code, queue the run (here=False)")
        record = self.get(run)
        runs, pin = self.plan_rerun(record, changes, wishes, code), self.pin_rerun(record, code)
        if here:
            return self.execute(runs[0])
        ids = self.submit_runs(runs, pin)
        return ids if wishes.repeats > 1 else ids[0]

    def plan_rerun(self, record: RunRecord, changes: Mapping[str, Any] | None, wishes: SubmitOptions,
                   code: str = "pinned") -> list[NewRun]:
        """Plan the runs that `rerun` would queue."""
        submission.check_wish(code, ("original", "pinned", "current"))
        if code != "original":
            return submission.plan_rerun(self.project, record, changes, wishes)
        before = rewritten_of(self.store, record)
        return submission.plan_rerun_of_old(record, before[0] if before else None, changes, wishes)

    def pin_rerun(self, record: RunRecord, code: str) -> Pin:
        """The code that `rerun` would queue them with; stored if it is the current code."""
        return submission.pin_of(record) if code == "original" else self.pin(code)

    def execute(self, run: NewRun, *, echo: bool = True, watch: Watch | None = None,
                on_run: Callable[[Run], None] | None = None) -> RunRecord:
        """Execute a planned run in this process; see `run`."""
        from hyperspace_core.worker.inline import execute_here

        owner, token = this_process(worker_name()), new_token()
        number = self.store.submit([run], owner=owner, tokens=[token])[0]
        record = self.store.get(number)
        self._notify_observers(record)
        if watch is not None:
            watch(record, None)
        claim = Claim(lease=Lease(run=number, attempt=1, token=token), record=record)
        return execute_here(self.store, self.project, self.extensions, claim, echo=echo,
                            on_progress=None if watch is None else partial(watch, record), on_run=on_run)

    def _notify_observers(self, record: RunRecord) -> None:
        for observer in self.execution_observers:
            try:
                observer(record)
            except Exception as error:
                logging.getLogger("hyperspace").warning("run %d: execution observer %r failed: %s", record.id,
                                                        observer, error_line(error), exc_info=error)

    # -- read ----------------------------------------------------------------------------------------------

    def get(self, run: int) -> RunRecord:
        """One run of this project. Raises `NotFound`."""
        return get_run(self.store, self.name, run)

    @gc_paused()
    def results(self, task: str | None = None, *, where: str | Iterable[str | Condition] = (),
                states: Collection[State | str] = (State.COMPLETED,), order_by: str | None = None,
                limit: int | None = None, comparable: Comparable = "strict") -> Results:
        """Runs, best first by the task's metric; `.to_frame()` returns a pandas frame.

        `where`: one or more conditions such as `"classifier.trees>=100"`; all must hold. `states`: by default
        completed runs, else states or names, as in `states="failed"`; an empty list means all. `order_by`: a
        column instead of the metric, as in `"-classifier.trees"` or `"seconds"`. `comparable`: runs of
        another problem, of other data or of other code of their classes are left out and listed in
        `.left_out`; `"all"` keeps them. `limit`: only the best; of a task with thousands of runs not all are
        read, so `.left_out` covers only those that were read, and `.looked_at` is their number. Raises
        `TaskError` for a task that does not exist and has no runs, `UsageError` for an argument that cannot
        be parsed.
        """
        from hyperspace_core.records.traits import SharedTrees
        from hyperspace_core.results import comparable as comparing
        from hyperspace_core.results.results import Results, any_mended, first_page

        wish, ask = comparing.checked_comparable(comparable), partial(comparing.CurrentCode, self.project)
        wanted = RunFilter(project=self.name, tasks=() if task is None else (self._task_with_runs(task),),
                           states=parse_states((states,) if isinstance(states, str) else tuple(states)),
                           where=conditions(where))
        checked_paths(self.store, wanted, lambda: self.project)
        early = limit if wish == comparing.ALL and order_by is None else None
        if early is not None and any_mended(self.store, wanted):
            early = None
        share = SharedTrees().share
        page = (None if limit is None or wish == comparing.ALL or order_by is not None else
                first_page(self.store, wanted, limit, ask, read=share))
        if page is None:
            order = ORDER_OLDEST if early is None else ORDER_BEST      # the order that a store reads fastest
            records = best_first(map(share, self.store.find(wanted, order=order, limit=early)))
            page = (comparing.Comparison(kept=tuple(records)) if wish == comparing.ALL else
                    comparing.select_comparable(records, ask))
        return Results(page.kept, page.left_out, order_by=order_by, looked_at=page.looked_at,
                       read=lambda run, names: self.store.points(run, names=names),
                       accessors=self._accessors)[:limit]

    def export(self, run: int, folder: str | Path, *, artifacts: Collection[str] | None = None,
               component: str | None = None, force: bool = False) -> Path:
        """Write a run to a folder for `load_component` without a store; its path.

        `artifacts`: labels of the artifacts to write, by default all; golden data always. `component`: the
        path of the component that `load_component` returns by default. `force` replaces an earlier export.
        Raises `Refused` for a run that has not ended, `NotFound`, `UsageError` for a folder that is in use.
        """
        from hyperspace_core.production.export import plan_export, write_export

        planned = plan_export(self.store, self.get(run), artifacts=artifacts, component=component)
        return write_export(self.store, planned, folder, force=force)

    def _task_with_runs(self, name: str) -> str:
        """The task's name; also of a task whose file is missing or broken, if it has runs."""
        any_of_it = self.store.find(RunFilter(project=self.name, tasks=(name,)), limit=1)
        if name not in self.project.tasks and next(any_of_it, None) is None:
            self.project.task(name)        # raises with the reason and the known tasks
        return name

    def overview(self) -> Overview:
        """The queue, the workers and their activity, in one record."""
        from hyperspace_core.results.overview import overview

        return overview(self.store, self.name)

    def progress(self) -> QueueProgress:
        """The current queue: text at a prompt, in a notebook a bar for each running run.

        `.watch()` redraws it until nothing is queued or running. The notebook may be closed at any time.
        """
        from hyperspace_core.results.overview import QueueProgress

        return QueueProgress(self.overview)

    # -- close ---------------------------------------------------------------------------------------------

    def close(self) -> None:
        self.store.close()

    def __repr__(self) -> str:
        return f"<Study {self.name!r} on {self.store.url}>"
