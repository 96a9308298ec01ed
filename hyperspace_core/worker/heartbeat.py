"""The heartbeat thread: renew the leases of a worker and do its regular duties.

It runs no user code and never waits for it, so that no training step can starve it.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from hyperspace_core.clock import Clock
from hyperspace_core.errors import NotFound, StoreError, error_line
from hyperspace_core.execution.identity import proven_dead
from hyperspace_core.records.filter import ORDER_QUEUE, RunFilter
from hyperspace_core.records.run import Held, Owner, RunRecord, WorkerInfo
from hyperspace_core.records.states import Command, State
from hyperspace_core.records.traits import Waiting, group_waiting
from hyperspace_core.storage import QueueSettings, Store
from hyperspace_core.worker.held_run import HeldRun
from hyperspace_core.worker.outcome import RunRequest

SOON_S = 1.0                   # minimum time between two sends of progress and presence
FIRST_PAUSE_S = 0.1

TellAt = Callable[[str, int], None]      # a line for people, and its logging level
Duty = Callable[[], None]


class Heartbeat(threading.Thread):
    """Sends the heartbeats of all held runs and does its duties.

    `regular`: done in each full round, after the beats. `soon`: also done about a second after `poke`.
    `away_changed(away)` is called when the store stops or starts answering. Duties may raise `StoreError`.
    """

    def __init__(self, store: Store, owner: Owner, *, clock: Clock, tell: TellAt,
                 heartbeat_s: float = QueueSettings.heartbeat_s, regular: Sequence[Duty] = (),
                 soon: Sequence[Duty] = (), farewell: Duty | None = None,
                 away_changed: Callable[[bool], None] = lambda away: None) -> None:
        super().__init__(name=f"{owner.worker}-heart", daemon=True)
        self.away = False              # the store did not answer the last request
        self.heartbeat_s = heartbeat_s  # the project's setting, see `Care`
        self._store, self._owner, self._clock, self._tell = store, owner, clock, tell
        self._regular, self._soon, self._farewell, self._away_changed = regular, soon, farewell, away_changed
        self._held_runs: dict[str, HeldRun] = {}              # by token
        self._lock = threading.Lock()
        self._bell = threading.Event()
        self._closing = False
        self._news = False
        self._failures = 0
        self._full_at = self._soon_at = clock.monotonic()
        self._not_before = self._full_at

    # -- for other threads -----------------------------------------------------------------------------------

    def add(self, held_run: HeldRun) -> None:
        with self._lock:
            self._held_runs[held_run.lease.token] = held_run

    def remove(self, held_run: HeldRun) -> None:
        with self._lock:
            self._held_runs.pop(held_run.lease.token, None)

    def held_runs(self) -> list[HeldRun]:
        with self._lock:
            return list(self._held_runs.values())

    def poke(self) -> None:
        """Send news before the next heartbeat."""
        if not self._news:
            self._news = True
            self._bell.set()

    def store_failed(self, error: StoreError) -> None:
        """Note that the store did not answer another thread."""
        self._failures = max(1, self._failures)
        self._note_away(error)
        self._bell.set()

    def close(self) -> None:
        """Unregister and end, without waiting for it."""
        self._closing = True
        self._bell.set()

    # -- rounds ----------------------------------------------------------------------------------------------

    def run(self) -> None:
        while not self._closing:
            self._bell.wait(max(0.0, self._due_at() - self._clock.monotonic()))
            self._bell.clear()
            if not self._closing and self._clock.monotonic() >= self._due_at():
                self._try_round()
        if self._farewell is not None:
            try:
                self._farewell()
            except StoreError as error:
                self._tell(f"the worker could not be unregistered at the store: {error}", logging.WARNING)

    def full_round(self) -> None:
        """Send all heartbeats and do all duties. Raises `StoreError`."""
        self._full_at = self._clock.monotonic()
        self._round(self.held_runs(), (*self._soon, *self._regular))

    def _round(self, held_runs: Iterable[HeldRun], duties: Iterable[Duty]) -> None:
        self._soon_at, self._news = self._clock.monotonic(), False
        for held_run in held_runs:
            self._beat(held_run)
        for duty in duties:
            duty()

    def _due_at(self) -> float:
        if self._failures:
            return self._not_before
        regular = self._full_at + self.heartbeat_s
        return min(regular, self._soon_at + SOON_S) if self._news else regular

    def _try_round(self) -> None:
        try:
            if self._failures or self._clock.monotonic() >= self._full_at + self.heartbeat_s:
                self.full_round()
            else:
                self._round([one for one in self.held_runs() if one.progress_is_new], self._soon)
        except StoreError as error:
            self._back_off()
            self._note_away(error)
        except Exception as error:     # noqa: BLE001 - without heartbeats every run would be lost
            self._back_off()
            self._tell(f"heartbeat failed; retrying: {error_line(error)}", logging.ERROR)
        else:
            self._failures = 0
            if self.away:
                self.away = False
                self._tell("the store answers again", logging.WARNING)
                self._away_changed(False)

    def _back_off(self) -> None:
        self._failures += 1
        pause = min(self.heartbeat_s, FIRST_PAUSE_S * 2 ** min(self._failures, 16))
        self._not_before = self._clock.monotonic() + pause * random.uniform(0.5, 1.0)

    def _note_away(self, error: StoreError) -> None:
        if not self.away:
            self.away = True
            self._tell("store unavailable: no new runs are claimed; running runs continue and their "
                       f"output is buffered: {error}", logging.WARNING)
            self._away_changed(True)

    # -- beats -----------------------------------------------------------------------------------------------

    def _beat(self, held_run: HeldRun) -> None:
        if held_run.requested[0] is RunRequest.YIELD:
            return
        progress = held_run.take_progress()
        try:
            answer = self._store.beat(held_run.lease, progress)
        except NotFound:
            held_run.request(RunRequest.YIELD, "the run has been deleted")
            return
        except StoreError:
            held_run.progress_is_new = held_run.progress is not None
            raise
        if not answer.held:
            self._take_up_again(held_run)
        elif answer.command is Command.CANCEL:
            held_run.request(RunRequest.CANCEL, "cancelled")
        elif answer.command is Command.PAUSE:
            held_run.request(RunRequest.RETURN, "paused")

    def _take_up_again(self, held_run: HeldRun) -> None:
        if held_run.outbox.ending is not None:        # its end is being delivered: the outbox handles this
            return
        run = held_run.lease.run
        if self._store.readopt(held_run.lease, self._owner):
            self._tell(f"run {run} was reaped; no other worker had started it, so it goes on here",
                       logging.WARNING)
        elif (held_run.outbox.ending is None
              and held_run.request(RunRequest.YIELD, "taken from this worker: its lease expired")):
            self._tell(f"run {run} was reaped and given to another worker; it is stopped here",
                       logging.WARNING)


# -- Detect expired leases without comparing the clocks of machines --

_Seen = tuple[int, int, str, int]


class Observer:
    """Finds held runs whose heartbeat has not changed for a TTL; does no I/O."""

    def __init__(self, clock: Clock, ttl_s: float) -> None:
        self._clock = clock
        self.ttl_s = ttl_s
        self._first: dict[_Seen, float] = {}
        self._last_look: float | None = None

    def forget(self) -> None:
        """Forget all beats: the store did not answer, so they prove nothing."""
        self._first.clear()
        self._last_look = None

    def expired(self, held: Iterable[Held]) -> list[Held]:
        """The held runs whose beat has not changed for a TTL.

        `held` must come from a store that has just accepted a write of this observer: while only reads work,
        living owners cannot send heartbeats.
        """
        now = self._clock.monotonic()
        if self._last_look is not None and now - self._last_look > self.ttl_s / 2:
            self._first.clear()            # this process was stopped, or the store unavailable
        self._last_look = now
        seen: dict[_Seen, float] = {}
        expired = []
        for row in held:
            key = (row.run, row.attempt, row.token, row.beat)
            seen[key] = first = self._first.get(key, now)
            if now - first >= self.ttl_s:
                expired.append(row)
        self._first = seen
        return expired


def dead_here(held: Sequence[Held], proven_dead: Callable[[Owner], bool]) -> list[Held]:
    """The held runs whose owner was a process of this machine and is certainly gone."""
    dead = {owner for owner in {row.owner for row in held} if proven_dead(owner)}
    return [row for row in held if row.owner in dead]


# -- Duties of a worker: register, reap dead runs, count and explain the queue --

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


class Reaper:
    """The reaper: takes back runs with an expired lease or a dead process."""

    def __init__(self, store: Store, project: str, *, clock: Clock, tell: TellAt,
                 heartbeat_is: Callable[[float], None]) -> None:
        self._store, self._project, self._tell = store, project, tell
        self.observer = Observer(clock, QueueSettings.ttl_s)
        self._heartbeat_is = heartbeat_is

    def __call__(self) -> None:
        """Check all running runs. The round must have written to the store before."""
        try:
            settings = self._store.settings(self._project)
            self._heartbeat_is(settings.heartbeat_s)
            self.observer.ttl_s = settings.ttl_s
            held = self._store.held(self._project)
            dead = dead_here(held, proven_dead)
            for row in dead:
                self._reap(row, "its worker's process is gone")
            for row in self.observer.expired(row for row in held if row not in dead):
                self._reap(row, f"no heartbeat for {settings.ttl_s:g} s")
        except StoreError:
            self.observer.forget()
            raise

    def _reap(self, row: Held, why: str) -> None:
        state = self._store.reap(row)
        if state is not None:
            self._tell(f"run {row.run} was lost with {row.owner.worker} ({why}): now {state}",
                       logging.WARNING)


class Counts:
    """Counts the queue, but only while a display requests it."""

    def __init__(self, store: Store, project: str, clock: Clock) -> None:
        self.by_state: Mapping[State, int] = {}
        self.paused = False                # the whole queue
        self._store, self._project, self._clock = store, project, clock
        self._wanted_at: float | None = None

    def want(self) -> None:
        """Keep the counting on for `WATCHED_S`."""
        self._wanted_at = self._clock.monotonic()

    def __call__(self) -> None:
        if self._wanted_at is not None and self._clock.monotonic() - self._wanted_at < WATCHED_S:
            self.by_state = self._store.count(RunFilter(project=self._project))
            self.paused = self._store.settings(self._project).paused


class Explainer:
    """Reports why queued runs wait, once the worker has been idle for a minute."""

    def __init__(self, store: Store, project: str, *, clock: Clock, tell: TellAt, idle: Callable[[], bool],
                 known: Callable[[], tuple[Collection[str], Collection[int]]]) -> None:
        self._store, self._project, self._clock, self._tell = store, project, clock, tell
        self._idle, self._known = idle, known
        self._idle_since: float | None = None
        self._reported: tuple[str, ...] = ()

    def __call__(self) -> None:
        now = self._clock.monotonic()
        if not self._idle():
            self._idle_since, self._reported = None, ()
            return
        if self._idle_since is None:
            self._idle_since = now
        if now - self._idle_since < EXPLAIN_AFTER_S:
            return
        tasks, refused = self._known()
        lines = tuple(waiting_text(left) for left in what_waits(self._store, self._project, tasks, refused))
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
    return group_waiting((record, why(record)) for record in found)


def waiting_text(left: Waiting) -> str:
    runs = "1 run waits" if left.count == 1 else f"{left.count} runs wait"
    return f"{runs} for task '{left.task}': {left.why}"
