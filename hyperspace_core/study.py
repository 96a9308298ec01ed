"""A project opened on a store: what a notebook holds in its hand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from hyperspace_core.errors import UsageError
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.project import open_project
from hyperspace_core.extension.storage import open_store, resolve_url
from hyperspace_core.lookup import conditions, get_run
from hyperspace_core.pinning import Pin, Pinner, check_wish, pin_of
from hyperspace_core.records.filter import ORDER_BEST, ORDER_OLDEST, Condition, RunFilter, parse_states
from hyperspace_core.records.logged import Point, Progress
from hyperspace_core.records.run import Claim, Lease, Metric, NewRun, RunRecord
from hyperspace_core.records.search import Budget, SearchRecord
from hyperspace_core.records.states import State
from hyperspace_core.results.uncollected import uncollected
from hyperspace_core.steering import QueueControl
from hyperspace_core.storage import Store, new_token
from hyperspace_core.submission import (
    BATCH,
    Wishes,
    checked_plan,
    plan,
    plan_rerun,
    plan_rerun_of_old,
    problem_of_task,
)

if TYPE_CHECKING:
    from hyperspace_core.notebook.promotion import Promotion
    from hyperspace_core.notebook.prototypes import Prototypes
    from hyperspace_core.reproduce.reproduction import Reproduction
    from hyperspace_core.results.comparable import Comparable
    from hyperspace_core.results.live import QueueProgress
    from hyperspace_core.results.overview import Overview
    from hyperspace_core.results.pairs import Paired, Side
    from hyperspace_core.results.plots import Plots
    from hyperspace_core.results.results import Results
    from hyperspace_core.results.today import Today
    from hyperspace_core.searches.handle import Search

Watch = Callable[[RunRecord, Progress | None], None]


class Study:
    """`Study("digits")`: submit, run, look at results, steer the queue.

    `storage`: a URL; else `HYPERSPACE_STORAGE`, else a SQLite file in the user's data folder. `tasks_dir`: a
    folder with more task files. `no_plugins`: installed plugins to leave out.

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
        self._prototypes: Prototypes | None = None     # made by the first `register`

    # -- submitting ----------------------------------------------------------------------------------------

    def submit(self, task: str, config: Mapping[str, Any] | None = None, *, repeats: int = 1,
               seed: int | None = None, priority: int = 0, tags: Collection[str] = (), note: str = "",
               retries: int = 0, code: str = "pinned") -> int | list[int]:
        """Queue one config; its id, or a list of ids where `repeats` is more than 1.

        `code`: "pinned" stores the project's code as it is now and the run executes that; "current" lets it
        execute what its worker has. Raises `TaskError`, `ConfigError` with every problem of the config; then
        nothing is queued.
        """
        wishes = Wishes(repeats=repeats, seed=seed, priority=priority, tags=tags, note=note, retries=retries)
        runs = plan(self.project, problem_of_task(self.project, task), config, wishes)
        ids = self.submit_runs(runs, self.pin(code))
        return ids if wishes.repeats > 1 else ids[0]

    def submit_grid(self, task: str, grid: Mapping[str, Any], *, repeats: int = 1, seed: int | None = None,
                    priority: int = 0, tags: Collection[str] = (), note: str = "",
                    retries: int = 0, code: str = "pinned") -> list[int]:
        """Queue every combination of a grid; their ids, in the grid's order.

        A list stands for alternatives where the parameter's type is not itself a sequence; `each(a, b)` says
        so anywhere. One bad combination and nothing is queued.
        """
        wishes = Wishes(repeats=repeats, seed=seed, priority=priority, tags=tags, note=note, retries=retries)
        runs = checked_plan(self.project, problem_of_task(self.project, task), grid, wishes)
        return self.submit_runs(runs, self.pin(code))

    def pin(self, code: str = "pinned") -> Pin:
        """The project's code as it stands on disk, stored for runs to be submitted; see `Pinner.pin`."""
        return self._pinner.pin(code)

    def submit_runs(self, runs: Iterable[NewRun], pin: Pin) -> list[int]:
        """Queue planned runs on the code that was pinned; their ids."""
        return [run for batch in self.submit_batches(runs, pin) for run in batch]

    def submit_batches(self, runs: Iterable[NewRun], pin: Pin) -> Iterator[list[int]]:
        """Queue planned runs, a thousand in a step, and give back the ids of each step."""
        rest = map(pin.on, runs if self._prototypes is None else map(self._prototypes.refuse, runs))
        while batch := list(islice(rest, BATCH)):
            yield self.store.submit(batch)

    # -- here and now --------------------------------------------------------------------------------------

    def run(self, task: str, config: Mapping[str, Any] | None = None, *, seed: int | None = None,
            tags: Collection[str] = (), note: str = "", echo: bool = True,
            watch: Watch | None = None) -> RunRecord:
        """Execute one config in this process, recorded like any other; no worker ever sees it queued.

        A failure of the scenario is in the record (`state`, `attempt.traceback`); Ctrl-C cancels the run and
        is raised again. `echo`: also print here what the run prints. `watch` is called with the record and
        None when the run begins, and with each progress that it reports, in the thread that reports it.
        """
        wishes = Wishes(seed=seed, tags=tags, note=note)
        run = plan(self.project, problem_of_task(self.project, task), config, wishes)[0]
        return self.execute(run, echo=echo, watch=watch)

    def rerun(self, run: int, changes: Mapping[str, Any] | None = None, *, seed: int | None = None,
              here: bool = False, repeats: int = 1, priority: int = 0, tags: Collection[str] = (),
              note: str = "", code: str = "pinned") -> RunRecord | int | list[int]:
        """A past run again, with some hyper-parameters changed and the past run as its parent.

        Queued: the new id (a list where `repeats` is more than 1). `here=True` executes it now: the record.
        `code`: "original" executes the code that the past run was executed on; else as in `submit`.
        """
        wishes = Wishes(repeats=repeats, seed=seed, priority=priority, tags=tags, note=note)
        if here and wishes.repeats > 1:
            raise UsageError("rerun: here=True executes one run; queue the repeats instead")
        if here and code == "original":
            raise UsageError("rerun: here=True executes what this process has imported; queue a run of the "
                             "original code instead")
        record = self.get(run)
        runs, pin = self.plan_rerun(record, changes, wishes, code), self.pin_rerun(record, code)
        if here:
            return self.execute(runs[0])
        ids = self.submit_runs(runs, pin)
        return ids if wishes.repeats > 1 else ids[0]

    def plan_rerun(self, record: RunRecord, changes: Mapping[str, Any] | None, wishes: Wishes,
                   code: str = "pinned") -> list[NewRun]:
        """The runs that `rerun` would queue."""
        check_wish(code, ("original", "pinned", "current"))
        if code != "original":
            return plan_rerun(self.project, record, changes, wishes)
        before = self.store.rewritten(record.id)
        return plan_rerun_of_old(record, before[0] if before else None, changes, wishes)

    def pin_rerun(self, record: RunRecord, code: str) -> Pin:
        """The code that `rerun` would queue them with; stored, where it is today's."""
        return pin_of(record) if code == "original" else self.pin(code)

    def execute(self, run: NewRun, *, echo: bool = True, watch: Watch | None = None) -> RunRecord:
        """Execute a planned run in this process; see `run`."""
        from hyperspace_core.execution.identity import this_process, worker_name
        from hyperspace_core.worker.inline import execute_here

        owner, token = this_process(worker_name()), new_token()
        number = self.store.submit([run], owner=owner, tokens=[token])[0]
        if self._prototypes is not None:
            self._prototypes.keep_sources(self.store, run, number)
        record = self.store.get(number)
        if watch is not None:
            watch(record, None)
        claim = Claim(lease=Lease(run=number, attempt=1, token=token), record=record)
        return execute_here(self.store, self.project, self.extensions, claim, echo=echo,
                            on_progress=None if watch is None else partial(watch, record))

    def reproduce(self, run: int, *, tolerance: float = 0.0, ignore: Collection[str] = (),
                  code: str = "original", env: str = "current") -> Reproduction:
        """Execute a past run again and compare result, metrics and curves; nothing is added to the store.

        `tolerance`: relative, and absolute below 1. `ignore`: names of series and metrics that may
        differ, also patterns. `code`: the run's own, or "current". `env`: "rebuild"
        makes a virtual environment of the recorded packages. Raises `Refused` for a run that has not ended,
        `HyperspaceError` where its code or its packages cannot be had.
        """
        from hyperspace_core.reproduce.reproduction import Site, Wish, reproduce

        wish = Wish(code=code, environment=env, tolerance=tolerance, ignore=tuple(ignore))
        return reproduce(Site.of(self), run, wish)

    # -- searches ------------------------------------------------------------------------------------------

    def tune(self, task: str, *, runs: int | None = None, hours: float | None = None,
             target: float | None = None, patience: int | None = None, space: Mapping[str, Any] | None = None,
             tuner: Any = None, pruner: Any = None, metrics: Collection[str | Metric] = (),
             learn_from: Collection[str] = (), seed: int | None = None, priority: int = 0,
             tags: Collection[str] = (), note: str = "", retries: int = 0,
             failures: int | None = 10) -> Search:
        """Queue a search: workers propose its runs and do them, informed by all comparable runs there are.

        It ends with the first of: so many `runs` proposed, so many `hours` of computing on all machines
        together, the `target` reached by the task's metric, no improvement in `patience` runs, so many
        `failures` in a row. `space` narrows or widens what the signatures say. `tuner` and `pruner`: a name,
        a section or a component; the best tuner that is installed, and no pruner. `metrics`: more of them,
        for a tuner that seeks a front, as in "seconds:minimize". `learn_from`: related tasks. Raises
        `TaskError`, `ConfigError`, `UsageError` for what no worker could do; then nothing is queued.
        """
        from hyperspace_core.searches.handle import Search
        from hyperspace_core.searches.planning import TuneWishes, plan_search

        asked = TuneWishes(
            budget=Budget(runs=runs, hours=hours, target=target, patience=patience, failures=failures),
            space=space, tuner=tuner, pruner=pruner, metrics=metrics, learn_from=learn_from, seed=seed,
            wishes=Wishes(priority=priority, tags=tags, note=note, retries=retries))
        planned = plan_search(self.project, task, asked)
        if self._prototypes is not None:
            self._prototypes.refuse_searched(planned)
        return Search(self, self.store.add_search(planned))

    def search(self, number: int) -> Search:
        """One search of this project. Raises `NotFound`."""
        from hyperspace_core.searches.handle import Search

        return Search(self, number)

    def searches(self) -> list[SearchRecord]:
        """All searches of this project, oldest first."""
        return self.store.searches(self.name)

    # -- classes of a notebook -----------------------------------------------------------------------------

    def register(self, target: Any = None, *, family: type | None = None, name: str | None = None) -> Any:
        """Let configs choose a class that was typed here; a function, or a decorator: `@study.register`.

        `run` executes it here, and its source is kept with the run; a queued run may not use it before it is
        promoted. `family`: of a class that has none. Typed anew, it takes the place of the earlier one. Gives
        the class back. Raises `RegistrationError`, `UsageError`.
        """
        from hyperspace_core.notebook.prototypes import Prototypes

        if target is None:                 # @study.register(name="X")
            return partial(self.register, family=family, name=name)
        if self._prototypes is None:
            self._prototypes = Prototypes(self.project)
        self._prototypes.register(target, family, name)
        return target

    def promote(self, target: type, path: str, *, tolerance: float = 0.0) -> Promotion:
        """Write a class that was registered here into the project's package: `promote(Mine, "pkg/x.py")`.

        It is appended to the module, or begins one, with the imports, helpers and constants that it needs; a
        module that is not registered yet is, in `hyperspace_register`. Then its last run here is executed in
        a fresh process. Unless that gives the same, or what is within the `tolerance` (see `reproduce`), all
        is undone. Nothing is overwritten. Raises `UsageError`, `Refused`, `HyperspaceError`.
        """
        from hyperspace_core.notebook.promotion import promote
        from hyperspace_core.notebook.prototypes import Prototypes

        return promote(self, self._prototypes or Prototypes(self.project), target, path, tolerance=tolerance)

    # -- looking -------------------------------------------------------------------------------------------

    def get(self, run: int) -> RunRecord:
        """One run of this project. Raises `NotFound`."""
        return get_run(self.store, self.name, run)

    @uncollected()
    def results(self, task: str | None = None, *, where: str | Iterable[str | Condition] = (),
                states: Collection[State | str] = (State.COMPLETED,), order_by: str | None = None,
                limit: int | None = None, comparable: Comparable = "strict") -> Results:
        """Runs, best first by the task's metric; `.to_frame()` gives a pandas frame.

        `where`: one or more conditions such as `"classifier.trees>=100"`; all must hold. `states`: others
        than completed runs, also in words, as in `states="failed"`; none of them means all. `order_by`: a
        column in the place of the metric, as in `"-classifier.trees"` or `"seconds"`. `comparable`:
        runs of another problem, of other data or of other code of the classes that they use are left out, and
        told of in `.left_out`; `"all"` keeps them. `limit`: the best of a task with thousands of runs are
        found without reading them all; `.left_out` then tells of those that were read, and `.looked_at` how
        many these are. Raises `TaskError` for a task that does not exist and has no runs, `UsageError` for
        what cannot be read.
        """
        from hyperspace_core.results.comparable import ALL, Comparison, checked_comparable, compared
        from hyperspace_core.results.first_page import any_mended, first_page
        from hyperspace_core.results.parts import Sharing
        from hyperspace_core.results.results import Results
        from hyperspace_core.results.table import best_first

        wish = checked_comparable(comparable)

        wanted = RunFilter(project=self.name, tasks=() if task is None else (self._task_with_runs(task),),
                           states=parse_states((states,) if isinstance(states, str) else tuple(states)),
                           where=conditions(where))
        early = limit if wish == ALL and order_by is None else None
        if early is not None and any_mended(self.store, wanted):
            early = None
        share = Sharing().of
        page = (None if limit is None or wish == ALL or order_by is not None else
                first_page(self.store, wanted, limit, self._today, read=share))
        if page is None:
            order = ORDER_OLDEST if early is None else ORDER_BEST      # which a store reads fastest
            records = best_first(map(share, self.store.find(wanted, order=order, limit=early)))
            page = Comparison(kept=tuple(records)) if wish == ALL else compared(records, self._today)
        return Results(page.kept, page.left_out, order_by=order_by, read=self._series,
                       looked_at=page.looked_at)[:limit]

    def _today(self) -> Today:
        from hyperspace_core.results.today import Today

        return Today(self.project)

    def compare(self, a: Side, b: Side, *, task: str | None = None,
                comparable: Comparable = "strict") -> Paired:
        """Whether b is better than a, from the runs of both at the same seed and fold; see `Results.compare`.

        `task`: needed where conditions would find runs of several.
        """
        if task is None:
            task = next((self.get(side.id if isinstance(side, RunRecord) else side).task for side in (a, b)
                         if isinstance(side, int | RunRecord)), None)
        return self.results(task, comparable=comparable).compare(a, b)

    def queue_pairs(self, paired: Paired, count: int, *, code: str = "pinned") -> list[int]:
        """Queue what gives a comparison more pairs of the same seed; the ids. `code`: as in `submit`."""
        from hyperspace_core.results.next_pairs import plan_pairs

        return self.submit_runs(plan_pairs(self, paired, count), self.pin(code))

    def _series(self, run: int, names: Collection[str] | None) -> Iterator[Point]:
        return self.store.points(run, names=names)

    @property
    def plot(self) -> Plots:
        """Pictures: `study.plot.curves("holdout")`, `.parallel`, `.parameter`, `.timeline`."""
        from hyperspace_core.results.plots import Plots

        return Plots(self)

    def export(self, run: int, folder: str | Path, *, artifacts: Collection[str] | None = None,
               component: str | None = None, force: bool = False) -> Path:
        """Write a run to a folder for programs without a store; its path. See `load_component`.

        `artifacts`: labels of those to take; all without it, golden data always. `component`: the path of
        the one that `load_component` gives without a name. `force` replaces an earlier export. Raises
        `Refused` for a run that has not ended, `NotFound`, `UsageError` for a folder that is in use.
        """
        from hyperspace_core.production.export import plan_export
        from hyperspace_core.production.writing import write_export

        planned = plan_export(self.store, self.get(run), artifacts=artifacts, component=component)
        return write_export(self.store, planned, folder, force=force)

    def _task_with_runs(self, name: str) -> str:
        """The task's name; its file may be gone or broken by now, its runs are still there."""
        any_of_it = self.store.find(RunFilter(project=self.name, tasks=(name,)), limit=1)
        if name not in self.project.tasks and next(any_of_it, None) is None:
            self.project.task(name)        # says what is wrong, and which there are
        return name

    def overview(self) -> Overview:
        """The queue, the workers and what they do, in one record."""
        from hyperspace_core.results.overview import overview

        return overview(self.store, self.name)

    def progress(self) -> QueueProgress:
        """The queue as it is when it is shown: text at a prompt, in a notebook a bar for each running run.

        `.watch()` redraws it until nothing is queued or running. Close the notebook whenever you like.
        """
        from hyperspace_core.results.live import QueueProgress

        return QueueProgress(self.overview)

    # -- life ----------------------------------------------------------------------------------------------

    def close(self) -> None:
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Study {self.name!r} on {self.store.url}>"
