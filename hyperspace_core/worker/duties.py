"""Duties of a worker: register, reap dead runs, count and explain the queue."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from hyperspace_core.clock import Clock
from hyperspace_core.errors import StoreError
from hyperspace_core.execution.identity import proven_dead
from hyperspace_core.records.filter import ORDER_QUEUE, RunFilter
from hyperspace_core.records.run import Held, RunRecord, WorkerInfo
from hyperspace_core.records.states import State
from hyperspace_core.results.overview import Waiting, grouped
from hyperspace_core.storage import QueueSettings, Store
from hyperspace_core.worker.heart import Tell
from hyperspace_core.worker.observer import Observer, dead_here

EXPLAIN_AFTER_S = 60.0
WATCHED_S = 5.0                # how long after the last request the queue is counted
LOOK_AT_MOST = 10_000          # queued runs that an explanation reads
RESTING = "their retry back-off is not over"


class Presence:
    """Registers this worker and its state at the store."""

    def __init__(self, store: Store, describe: Callable[[], WorkerInfo]) -> None:
        self._store, self._describe = store, describe
        self._beat = 0
        self._registered: WorkerInfo | None = None

    def __call__(self) -> None:
        self._register(self._describe())

    def if_changed(self) -> None:
        info = self._describe()
        if info != self._registered:
            self._register(info)

    def _register(self, info: WorkerInfo) -> None:
        self._beat += 1
        self._store.present(replace(info, beat=self._beat))
        self._registered = info


class Care:
    """The reaper: takes back runs with an expired lease or a dead process."""

    def __init__(self, store: Store, project: str, *, clock: Clock, tell: Tell,
                 heartbeat_is: Callable[[float], None]) -> None:
        self._store, self._project, self._tell = store, project, tell
        self._observer = Observer(clock, QueueSettings.ttl_s)
        self._heartbeat_is = heartbeat_is

    def forget(self) -> None:
        self._observer.forget()

    def __call__(self) -> None:
        """Check all running runs. The round must have written to the store before."""
        try:
            settings = self._store.settings(self._project)
            self._heartbeat_is(settings.heartbeat_s)
            self._observer.ttl_s = settings.ttl_s
            held = self._store.held(self._project)
            dead = dead_here(held, proven_dead)
            for row in dead:
                self._reap(row, "its worker's process is gone")
            for row in self._observer.expired(row for row in held if row not in dead):
                self._reap(row, f"no heartbeat for {settings.ttl_s:g} s")
        except StoreError:
            self._observer.forget()
            raise

    def _reap(self, row: Held, why: str) -> None:
        state = self._store.reap(row)
        if state is not None:
            self._tell(f"run {row.run} was lost with {row.owner.worker} ({why}): now {state}",
                       logging.WARNING)


@dataclass(frozen=True, kw_only=True)
class QueueLook:
    """The project's queue at the last count."""

    counts: Mapping[State, int] = field(default_factory=dict)
    paused: bool = False


class Counts:
    """Counts the queue, but only while a display requests it."""

    def __init__(self, store: Store, project: str, clock: Clock) -> None:
        self.look = QueueLook()
        self._store, self._project, self._clock = store, project, clock
        self._wanted_at: float | None = None

    def want(self) -> QueueLook:
        """The last count; keeps the counting on for `WATCHED_S`."""
        self._wanted_at = self._clock.monotonic()
        return self.look

    def __call__(self) -> None:
        if self._wanted_at is not None and self._clock.monotonic() - self._wanted_at < WATCHED_S:
            self.look = QueueLook(counts=self._store.count(RunFilter(project=self._project)),
                                  paused=self._store.settings(self._project).paused)


class Explainer:
    """Reports why queued runs wait, once the worker has been idle for a minute."""

    def __init__(self, store: Store, project: str, *, clock: Clock, tell: Tell, idle: Callable[[], bool],
                 known: Callable[[], tuple[Collection[str], Collection[int]]]) -> None:
        self._store, self._project, self._clock, self._tell = store, project, clock, tell
        self._idle, self._known = idle, known
        self._idle_since: float | None = None
        self._reported: tuple[str, ...] = ()

    def __call__(self) -> None:
        now = self._clock.monotonic()
        if not self._idle():
            self._idle_since = None
            self._reported = ()
            return
        if self._idle_since is None:
            self._idle_since = now
        if now - self._idle_since < EXPLAIN_AFTER_S:
            return
        tasks, refused = self._known()
        lines = tuple(describe(left) for left in what_waits(self._store, self._project, tasks, refused))
        if lines != self._reported:
            self._reported = lines
            for line in lines:
                self._tell(line, logging.WARNING)


def what_waits(store: Store, project: str, tasks: Collection[str], refused: Collection[int]) -> list[Waiting]:
    """The queued runs that such a worker cannot take, by task and reason."""
    paused = store.settings(project).paused

    def why(record: RunRecord) -> str:
        if paused:
            return "the queue is paused (hyperspace queue resume --all)"
        if record.task not in tasks:
            return f"no such task here; this worker knows {', '.join(sorted(tasks)) or 'none'}"
        if record.id in refused:
            return "this worker's code does not fit them; start a worker with newer code"
        return RESTING

    queued = RunFilter(project=project, states=(State.QUEUED,))
    found = store.find(queued, order=ORDER_QUEUE, limit=LOOK_AT_MOST)
    return grouped((record, why(record)) for record in found)


def describe(left: Waiting) -> str:
    runs = "1 run waits" if left.count == 1 else f"{left.count} runs wait"
    return f"{runs} for task '{left.task}': {left.why}"
