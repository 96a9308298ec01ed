"""The overview of a queue: what it has, its best runs, its progress, and live views of it."""

from __future__ import annotations

import html
import importlib
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, takewhile
from typing import Literal, Protocol

from hyperspace_core.clock import Clock, SystemClock
from hyperspace_core.errors import StoreUnavailable, UsageError
from hyperspace_core.execution.identity import proven_dead
from hyperspace_core.records.filter import ORDER_BEST, ORDER_NEWEST, ORDER_OLDEST, ORDER_QUEUE, RunFilter
from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import Owner, RunRecord, WorkerInfo
from hyperspace_core.records.search import SearchRecord, SearchState
from hyperspace_core.records.states import State
from hyperspace_core.records.traits import Waiting, run_traits, trim_provenance, waiting_runs, why_no_worker
from hyperspace_core.results.comparable import criteria_of
from hyperspace_core.results.format import number, one_line, seconds
from hyperspace_core.results.repeats import Repeats, best_config, has_repeats, mean_of
from hyperspace_core.results.table import best_first
from hyperspace_core.storage import Store, searches_of

Life = Literal["alive", "silent", "gone"]

LOOK_AT_MOST = 10_000          # queued runs that are checked one by one
RECENT = 200                   # finished runs whose tasks count as in use
BETTER = 1000                  # best runs that are searched for a comparable one
TOP = 40                       # best runs that are looked at first
REPEATED = 5_000               # runs that are read for the means of repeats
FAILURES = 5
FORGOTTEN = timedelta(days=1)  # a worker not seen for this long is no longer shown


@dataclass(frozen=True, kw_only=True)
class WorkerLine:
    """A worker and its state: `silent`: not seen for a TTL, `gone`: process is dead."""

    worker: WorkerInfo
    life: Life
    seen_s: float | None           # seconds since it was last seen; compares two wall clocks


@dataclass(frozen=True, kw_only=True)
class SearchLine:
    """A search that has not ended; `why`: no living worker can propose its runs."""

    search: SearchRecord
    counts: Mapping[State, int]    # of its runs
    best: RunRecord | None = None  # of the config with the best mean, see `Repeats.as_record`
    runs: tuple[int, ...] = ()     # the completed runs of that config
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
        return f"best {self.search.metrics[0].name} {number(self.best.result)} ({mean_of(self.runs)})"


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
    best: Mapping[str, RunRecord] = field(default_factory=dict)    # task → as in `SearchLine`
    best_runs: Mapping[str, tuple[int, ...]] = field(default_factory=dict)     # task → those of its config

    @property
    def alive(self) -> tuple[WorkerLine, ...]:
        return tuple(line for line in self.workers if line.life == "alive")


def overview(store: Store, project: str, *, clock: Clock | None = None,
             is_dead: Callable[[Owner], bool] = proven_dead) -> Overview:
    """Read the overview of a project's queue. Raises `StoreError`."""
    now = (clock or SystemClock()).now()
    settings = store.settings(project)
    counts = store.count(RunFilter(project=project))
    lines = [WorkerLine(worker=worker, life=life_of(worker, now, settings.ttl_s, is_dead),
                        seen_s=_seen_s(worker, now)) for worker in store.workers(project)]
    workers = [line for line in lines
               if line.life == "alive" or (line.seen_s or 0.0) <= FORGOTTEN.total_seconds()]
    running = _found(store, project, State.RUNNING, ORDER_NEWEST, None) if counts.get(State.RUNNING) else []
    failures = _found(store, project, State.FAILED, ORDER_NEWEST, RECENT) if counts.get(State.FAILED) else []
    failures.sort(key=lambda record: (record.finished_at or datetime.min.replace(tzinfo=UTC), record.id),
                  reverse=True)
    alive = [line.worker for line in workers if line.life == "alive"]
    waits = counts.get(State.QUEUED)
    queued = _found(store, project, State.QUEUED, ORDER_QUEUE, LOOK_AT_MOST) if waits else []
    best = _best(store, project, counts, [*running, *queued, *failures])
    return Overview(
        project=project, url=store.url, at=now, paused=settings.paused, counts=counts,
        workers=tuple(sorted(workers, key=lambda line: (line.life != "alive", line.worker.owner.worker))),
        running=tuple(sorted(running, key=lambda record: record.id)),
        ownerless=frozenset(
            record.id for record in running
            if record.attempt is not None and record.attempt.worker and is_dead(record.attempt.worker)),
        waiting=() if settings.paused else tuple(waiting_runs(queued, alive)),
        searches=tuple(search_line(store, search, alive, paused=settings.paused)
                       for search in searches_of(store, project,
                                                 states=(SearchState.OPEN, SearchState.PAUSED))),
        failures=tuple(failures[:FAILURES]),
        best={task: one.as_record for task, one in best.items()},
        best_runs={task: one.ids for task, one in best.items()},
    )


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
    best = best_of(store, replace(own, states=(State.COMPLETED,)))
    tasks = frozenset(task for worker in alive for task in worker.tasks)
    waits = search.state is SearchState.OPEN and not paused
    return SearchLine(search=search, counts=store.count(own), best=None if best is None else best.as_record,
                      runs=() if best is None else best.ids,
                      why=why_no_worker(search.task, tasks, some=bool(alive)) if waits else None)


def _seen_s(worker: WorkerInfo, now: datetime) -> float | None:
    return None if worker.seen_at is None else max(0.0, (now - worker.seen_at).total_seconds())


def _found(store: Store, project: str, state: State, order: str, limit: int | None) -> list[RunRecord]:
    return list(store.find(RunFilter(project=project, states=(state,)), order=order, limit=limit))


def _best(store: Store, project: str, counts: Mapping[State, int],
          others: Iterable[RunRecord]) -> dict[str, Repeats]:
    """The best config of each recently used task.

    Only runs comparable with the task's newest runs count; the project's code is not loaded.
    """
    if not counts.get(State.COMPLETED):
        return {}
    recent = _found(store, project, State.COMPLETED, ORDER_NEWEST, RECENT)
    best = {}
    for task in sorted({record.task for record in (*recent, *others)}):
        wanted = RunFilter(project=project, states=(State.COMPLETED,), tasks=(task,))
        found = best_of(store, wanted, [record for record in recent if record.task == task])
        if found is not None:
            best[task] = found
    return best


def best_of(store: Store, wanted: RunFilter, newest: Sequence[RunRecord] = ()) -> Repeats | None:
    """The config with the best mean, of runs that are comparable with the `newest` ones.

    Where the newest or the best runs show repeats, up to `REPEATED` runs are read for means. Of more runs,
    and without repeats, the best single run counts.
    """
    criteria = criteria_of(run_traits(newest))
    top = list(store.find(wanted, order=ORDER_BEST, limit=TOP))
    if has_repeats({record.id: record for record in (*top, *newest)}.values(), parts=False) and (
            sum(store.count(wanted).values()) <= REPEATED):
        every = list(map(trim_provenance, store.find(wanted, order=ORDER_OLDEST)))
        return best_config(run.record for run in run_traits(every) if not criteria.against(run))
    for record in chain(top, _best_first(store, wanted), best_first(newest)):
        if record.finite_result is not None and not criteria.against(*run_traits([record])):
            return Repeats(records=(record,))
    return None


def _best_first(store: Store, wanted: RunFilter) -> Iterator[RunRecord]:
    """At most `BETTER` runs with a result, best first: it is usually enough."""
    return takewhile(lambda record: record.result is not None,     # those without one are last
                     store.find(wanted, order=ORDER_BEST, limit=BETTER))


# -- Format the progress of a run: as text and as a bar of characters --

BAR = 20                       # characters


def progress_text(progress: Progress | None) -> str:
    """`63% (5 of 8), 3 min left, epoch 5`; empty for None."""
    if progress is None:
        return ""
    pieces = progress_done(progress), progress_left(progress), one_line(progress.note)
    return ", ".join(filter(None, pieces))


def progress_share(progress: Progress) -> float | None:
    """Done share from 0 to 1; None while the total is unknown."""
    return None if not progress.total else min(1.0, max(0.0, progress.done / progress.total))


def progress_done(progress: Progress) -> str:
    """`63% (5 of 8)`, or `5 done` while the total is unknown."""
    part = progress_share(progress)
    if part is None:
        return f"{number(progress.done)} done"
    return f"{part:.0%} ({number(progress.done)} of {number(progress.total)})"


def progress_left(progress: Progress) -> str:
    """`3 min 10 s left`; empty while unknown."""
    time = seconds(progress.eta_s)
    return f"{time} left" if time else ""


def progress_bar(progress: Progress, full: str = "#", empty: str = ".") -> str:
    """Bar of twenty characters; empty while the total is unknown."""
    part = progress_share(progress)
    if part is None:
        return ""
    count = int(part * BAR)
    return full * count + empty * (BAR - count)


# -- Format the overview of a queue as lines of text and as HTML --

LONGEST = 120                  # characters of a reason or a note
GONE = "its process is gone; the next worker takes it up"


def overview_text(view: Overview, *, times: bool = True) -> list[str]:
    """Lines for a prompt. `times=False` leaves out elapsed and remaining times."""
    running = (run_text(record, view.at, gone=record.id in view.ownerless, times=times)
               for record in view.running)
    return [_head(view), *(" ".join(filter(None, pieces)) for pieces in running), *_remarks(view)]


def overview_html(view: Overview) -> str:
    """HTML for a notebook, with a bar for each running run. Stored text is escaped."""
    rows = "".join(run_html(record, view.at, gone=record.id in view.ownerless) for record in view.running)
    table = f"<table><tbody>{rows}</tbody></table>" if rows else ""
    remarks = "".join(f"<li>{html.escape(line)}</li>" for line in _remarks(view))
    return f"<div><p>{html.escape(_head(view))}</p>{table}{f'<ul>{remarks}</ul>' if remarks else ''}</div>"


def counts_text(counts: Mapping[State, int]) -> str:
    """`2 queued, 1 running, 3 completed`, or `no runs`."""
    return ", ".join(f"{counts[state]} {state.lower()}" for state in State if counts.get(state)) or "no runs"


def _head(view: Overview) -> str:
    paused = "; the queue is paused" if view.paused else ""
    workers = len(view.alive)
    there = f"{workers} worker{'' if workers == 1 else 's'}"
    return one_line(f"{view.project} on {view.url}: {counts_text(view.counts)}; {there}{paused}")


def run_text(record: RunRecord, at: datetime, *, gone: bool = False, times: bool = True) -> Iterator[str]:
    """Pieces of the line of a running run; `gone`: its process has ended."""
    yield f"run {record.id} {one_line(record.task)}"
    progress = record.progress
    if gone:
        yield GONE
    elif progress is not None:
        yield f"[{progress_bar(progress)}]" if progress_share(progress) is not None else ""
        yield progress_done(progress)
        yield progress_left(progress) if times else ""
        yield one_line(progress.note, LONGEST)
    elif times:
        yield _since(record, at)


def run_html(record: RunRecord, at: datetime, *, gone: bool = False) -> str:
    """Table row of a running run. Stored text is escaped."""
    progress = Progress(done=0.0) if record.progress is None or gone else record.progress
    part = progress_share(progress)
    drawn = "" if part is None else f'<progress value="{part:.3f}" max="1"></progress>'
    far = GONE if gone else _since(record, at) if record.progress is None else progress_done(progress)
    texts = (str(record.id), one_line(record.task), far, progress_left(progress),
             one_line(progress.note, LONGEST))
    run, task, *rest = (f"<td>{html.escape(text)}</td>" for text in texts)
    return f"<tr>{run}{task}<td>{drawn}</td>{''.join(rest)}</tr>"


def _remarks(view: Overview) -> list[str]:
    """Lines for searches, runs that no worker can take, last failures and best runs."""
    searches = map(_search, view.searches)
    waiting = [f"{each.count} of {each.task} wait: {each.why}" for each in view.waiting]
    failed = [f"run {record.id} of {record.task} failed: {record.reason or 'no reason recorded'}"
              for record in view.failures]
    best = [f"best of {task}: {mean_of(view.best_runs.get(task, (record.id,)))}, "
            f"{record.metric.name} {number(record.result)}" for task, record in view.best.items()]
    return [*(one_line(line) for line in (*searches, *waiting)),
            *(one_line(line, LONGEST) for line in failed), *(one_line(line) for line in best)]


def _search(line: SearchLine) -> str:
    """Line such as `search 3 of holdout: 5 of 100 runs done; no worker is running`."""
    found, why = f", {line.found}" if line.found else "", f"; {line.why}" if line.why else ""
    return f"search {line.search.id} of {line.search.task}: {line.standing}{found}{why}"


def _since(record: RunRecord, at: datetime) -> str:
    if record.started_at is None:
        return ""
    return f"for {seconds((at - record.started_at).total_seconds())}"


# -- Live views of a queue or a search, for a prompt or a notebook --

class View(Protocol):
    """A state of a queue or a search at one moment, as text and as HTML."""

    def text(self, *, times: bool = True) -> list[str]:
        """Lines of text. `times=False` leaves out elapsed and remaining times."""
        ...

    @property
    def unfinished(self) -> bool:
        """Whether runs or searches are still open."""
        ...

    def _repr_html_(self) -> str: ...


@dataclass(frozen=True)
class QueueView:
    """A queue at one moment."""

    overview: Overview

    def text(self, *, times: bool = True) -> list[str]:
        return overview_text(self.overview, times=times)

    @property
    def unfinished(self) -> bool:
        waits = any(self.overview.counts.get(state) for state in (State.QUEUED, State.RUNNING))
        return waits or any(line.search.state is SearchState.OPEN for line in self.overview.searches)

    def __repr__(self) -> str:
        return "\n".join(self.text())

    def _repr_html_(self) -> str:
        return overview_html(self.overview)


@dataclass(frozen=True)
class ErrorView:
    """Shown in place of a view: why there is none."""

    message: str
    unfinished: bool = True

    def text(self, *, times: bool = True) -> list[str]:
        return self.message.split("\n")

    def __repr__(self) -> str:
        return self.message

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.message)}</p>"


class LiveView(ABC):
    """A view that reads the store each time it is shown; it has no background thread."""

    @abstractmethod
    def view(self) -> View:
        """Read the present state. Raises `StoreError`."""

    def watch(self, interval_s: float = 2.0) -> None:
        """Show the view repeatedly until all runs and searches have ended, or Ctrl-C.

        A notebook redraws its cell; elsewhere changed lines are printed. Queued and running runs are not
        affected. An unavailable store is retried.
        """
        if not interval_s > 0:
            raise UsageError(f"interval_s: expected seconds > 0, got {interval_s!r}")
        show = _notebook_cell() or _changed_lines()
        try:
            while self._shown(show):
                time.sleep(interval_s)
        except KeyboardInterrupt:
            return

    def _shown(self, show: Callable[[View], None]) -> bool:
        """Show one view; return whether runs or searches are still open."""
        try:
            found = self.view()
        except StoreUnavailable as error:
            found = ErrorView(f"store unavailable; retrying ({error})")
        show(found)
        return found.unfinished

    def __repr__(self) -> str:
        return "\n".join(self.view().text())

    def _repr_html_(self) -> str:
        return self.view()._repr_html_()


class QueueProgress(LiveView):
    """Live view of a queue."""

    def __init__(self, read: Callable[[], Overview]) -> None:
        self._read = read

    def view(self) -> QueueView:
        """Read the queue. Raises `StoreError`."""
        return QueueView(self._read())


def _changed_lines() -> Callable[[View], None]:
    """Return a function that prints lines with changes other than times."""
    before: set[str] = set()

    def show(found: View) -> None:
        keys = found.text(times=False)
        for text, key in zip(found.text(), keys, strict=True):
            if key not in before:
                _print(text)
        before.clear()
        before.update(keys)

    return show


def _print(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)  # noqa: T201 - asked for


def _notebook_cell() -> Callable[[View], None] | None:
    """Return a function that redraws the notebook's cell; None outside a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is None:         # IPython at a terminal cannot redraw
        return None
    handle, drawn = importlib.import_module("IPython.display").DisplayHandle(), False

    def show(found: View) -> None:
        nonlocal drawn
        (handle.update if drawn else handle.display)(found)
        drawn = True

    return show
