"""Overview of a queue: waiting runs, workers, searches, last failures, best runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from hyperspace_core.clock import Clock, SystemClock
from hyperspace_core.execution.identity import proven_dead
from hyperspace_core.records.filter import ORDER_BEST, ORDER_NEWEST, ORDER_QUEUE, RunFilter
from hyperspace_core.records.run import Owner, RunRecord, WorkerInfo
from hyperspace_core.records.search import SearchRecord, SearchState
from hyperspace_core.records.states import State
from hyperspace_core.results.parts import traits_of
from hyperspace_core.results.reference import yardstick
from hyperspace_core.results.table import best_first
from hyperspace_core.results.words import number
from hyperspace_core.storage import Store

Life = Literal["alive", "silent", "gone"]

LOOK_AT_MOST = 10_000          # queued runs that are checked one by one
RECENT = 200                   # finished runs whose tasks count as in use
BETTER = 1000                  # best runs that are searched for a comparable one
FAILURES = 5
FORGOTTEN = timedelta(days=1)  # a worker not seen for this long is no longer shown


@dataclass(frozen=True, kw_only=True)
class WorkerLine:
    """A worker and its state: `silent`: not seen for a TTL, `gone`: process is dead."""

    worker: WorkerInfo
    life: Life
    seen_s: float | None           # seconds since it was last seen; compares two wall clocks


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Queued runs that no living worker can take, and why."""

    task: str
    count: int
    why: str
    runs: tuple[int, ...] = ()     # the first ids


@dataclass(frozen=True, kw_only=True)
class SearchLine:
    """A search that has not ended; `why`: no living worker can propose its runs."""

    search: SearchRecord
    counts: Mapping[State, int]    # of its runs
    best: RunRecord | None = None  # completed run with the best result
    why: str | None = None

    @property
    def done(self) -> int:
        """Number of runs that have ended."""
        return sum(count for state, count in self.counts.items() if state.terminal)

    @property
    def standing(self) -> str:
        """`5 of 100 runs done`."""
        of = "" if self.search.budget.runs is None else f" of {self.search.budget.runs:,}"
        return f"{'paused, ' if self.search.state is SearchState.PAUSED else ''}{self.done:,}{of} runs done"

    @property
    def found(self) -> str:
        """`best accuracy 0.98 (run 12)`; empty if no run has completed."""
        if self.best is None:
            return ""
        return f"best {self.search.metrics[0].name} {number(self.best.result)} (run {self.best.id})"


@dataclass(frozen=True, kw_only=True)
class Overview:
    """A project's queue at one moment."""

    project: str
    url: str                       # of the store, without password
    at: datetime
    paused: bool                   # the whole queue
    counts: Mapping[State, int]
    workers: tuple[WorkerLine, ...] = ()
    running: tuple[RunRecord, ...] = ()
    ownerless: frozenset[int] = frozenset()        # running in the store, but their process is gone
    waiting: tuple[Waiting, ...] = ()
    searches: tuple[SearchLine, ...] = ()          # not ended, oldest first
    failures: tuple[RunRecord, ...] = ()           # the last ones, newest first
    best: Mapping[str, RunRecord] = field(default_factory=dict)    # task → its best run so far

    @property
    def alive(self) -> tuple[WorkerLine, ...]:
        return tuple(line for line in self.workers if line.life == "alive")


def overview(store: Store, project: str, *, clock: Clock | None = None,
             is_dead: Callable[[Owner], bool] = proven_dead) -> Overview:
    """Read the overview of a project's queue. Raises `StoreError`."""
    now = (clock or SystemClock()).now()
    settings = store.settings(project)
    counts = store.count(RunFilter(project=project))
    lines = [_line(worker, now, settings.ttl_s, is_dead) for worker in store.workers(project)]
    workers = [line for line in lines if line.life == "alive" or not _forgotten(line)]
    running = _found(store, project, State.RUNNING, ORDER_NEWEST, None) if counts.get(State.RUNNING) else []
    failures = _found(store, project, State.FAILED, ORDER_NEWEST, RECENT) if counts.get(State.FAILED) else []
    failures.sort(key=lambda record: (record.finished_at or datetime.min.replace(tzinfo=UTC), record.id),
                  reverse=True)
    alive = [line.worker for line in workers if line.life == "alive"]
    queued = []
    if counts.get(State.QUEUED):
        queued = _found(store, project, State.QUEUED, ORDER_QUEUE, LOOK_AT_MOST)
    return Overview(
        project=project, url=store.url, at=now, paused=settings.paused, counts=counts,
        workers=tuple(sorted(workers, key=lambda line: (line.life != "alive", line.worker.owner.worker))),
        running=tuple(sorted(running, key=lambda record: record.id)),
        ownerless=frozenset(record.id for record in running if _is_ownerless(record, is_dead)),
        waiting=() if settings.paused else tuple(waiting(queued, alive)),
        searches=tuple(search_line(store, search, alive, paused=settings.paused)
                       for search in store.searches(project, states=(SearchState.OPEN, SearchState.PAUSED))),
        failures=tuple(failures[:FAILURES]),
        best=_best(store, project, counts, [*running, *queued, *failures]),
    )


def _is_ownerless(record: RunRecord, is_dead: Callable[[Owner], bool]) -> bool:
    attempt = record.attempt
    return attempt is not None and attempt.worker is not None and is_dead(attempt.worker)


def waiting(queued: Iterable[RunRecord], alive: Sequence[WorkerInfo]) -> list[Waiting]:
    """Group the queued runs that none of these workers can take by task and reason."""
    return grouped((record, why) for record, why in told_why(queued, alive) if why is not None)


def grouped(reasons: Iterable[tuple[RunRecord, str]]) -> list[Waiting]:
    """Group waiting runs, each given with its reason, by task and reason."""
    groups: dict[tuple[str, str], list[int]] = {}
    for record, why in reasons:
        groups.setdefault((record.task, why), []).append(record.id)
    return [Waiting(task=task, count=len(ids), why=why, runs=tuple(ids[:10]))
            for (task, why), ids in groups.items()]


def told_why(queued: Iterable[RunRecord],
             alive: Sequence[WorkerInfo]) -> Iterator[tuple[RunRecord, str | None]]:
    """Pair each queued run with the reason why no worker can take it, or None."""
    tasks = frozenset(task for worker in alive for task in worker.tasks)
    return ((record, _why(record, alive, tasks)) for record in queued)


def living_workers(store: Store, project: str, *, clock: Clock | None = None,
                   is_dead: Callable[[Owner], bool] = proven_dead) -> list[WorkerInfo]:
    """List the living workers, as far as this machine can check."""
    now, ttl_s = (clock or SystemClock()).now(), store.settings(project).ttl_s
    return [worker for worker in store.workers(project) if life_of(worker, now, ttl_s, is_dead) == "alive"]


def life_of(worker: WorkerInfo, now: datetime, ttl_s: float,
            is_dead: Callable[[Owner], bool] = proven_dead) -> Life:
    """Whether a worker is alive, silent or gone, as far as can be checked here."""
    if is_dead(worker.owner):
        return "gone"
    seen = _seen_s(worker, now)
    return "silent" if seen is not None and seen > ttl_s else "alive"


def search_line(store: Store, search: SearchRecord, alive: Sequence[WorkerInfo], *,
                paused: bool = False) -> SearchLine:
    """Read the progress of a search; `alive`: living workers. Raises `StoreError`."""
    own = RunFilter(project=search.project, search=search.uid)
    done = replace(own, states=(State.COMPLETED,))
    best = next(store.find(done, order=ORDER_BEST, limit=1), None)
    tasks = frozenset(task for worker in alive for task in worker.tasks)
    waits = search.state is SearchState.OPEN and not paused
    return SearchLine(search=search, counts=store.count(own),
                      best=None if best is None or best.result is None else best,
                      why=_no_worker(search.task, tasks, some=bool(alive)) if waits else None)


def _no_worker(task: str, tasks: Collection[str], *, some: bool) -> str | None:
    """Why no worker can take runs of the task; `tasks`: those of living workers."""
    if not some:
        return "no worker is running"
    if task not in tasks:
        return f"no worker knows this task; they know {', '.join(sorted(tasks)) or 'none'}"
    return None


def _why(record: RunRecord, alive: Sequence[WorkerInfo], tasks: Collection[str]) -> str | None:
    why = _no_worker(record.task, tasks, some=bool(alive))
    if why is not None:
        return why
    if all(record.id in worker.refused for worker in alive if record.task in worker.tasks):
        return "the workers' code does not accept them: it is older than their submission"
    return None


def _line(worker: WorkerInfo, now: datetime, ttl_s: float, is_dead: Callable[[Owner], bool]) -> WorkerLine:
    life = life_of(worker, now, ttl_s, is_dead)
    return WorkerLine(worker=worker, life=life, seen_s=_seen_s(worker, now))


def _seen_s(worker: WorkerInfo, now: datetime) -> float | None:
    return None if worker.seen_at is None else max(0.0, (now - worker.seen_at).total_seconds())


def _forgotten(line: WorkerLine) -> bool:
    return line.seen_s is not None and line.seen_s > FORGOTTEN.total_seconds()


def _found(store: Store, project: str, state: State, order: str, limit: int | None) -> list[RunRecord]:
    return list(store.find(RunFilter(project=project, states=(state,)), order=order, limit=limit))


def _best(store: Store, project: str, counts: Mapping[State, int],
          others: Iterable[RunRecord]) -> dict[str, RunRecord]:
    """The best run of each recently used task.

    Only runs comparable with the task's newest runs count; the project's code is not loaded.
    """
    if not counts.get(State.COMPLETED):
        return {}
    recent = _found(store, project, State.COMPLETED, ORDER_NEWEST, RECENT)
    best = {}
    for task in sorted({record.task for record in (*recent, *others)}):
        found = _best_of(store, project, task, [record for record in recent if record.task == task])
        if found is not None:
            best[task] = found
    return best


def _best_of(store: Store, project: str, task: str, recent: Sequence[RunRecord]) -> RunRecord | None:
    wanted = RunFilter(project=project, states=(State.COMPLETED,), tasks=(task,))
    measure = yardstick(traits_of(recent))
    for most in (1, BETTER):                       # usually the very best is comparable
        for record in store.find(wanted, order=ORDER_BEST, limit=most):
            if record.result is None:              # runs without a usable result are last in this order
                return None
            if not measure.against(*traits_of([record])):
                return record
    return next((run.record for run in traits_of(best_first(recent)) if not measure.against(run)), None)
