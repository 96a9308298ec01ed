"""The state that the slots of a worker share: stopping, claims, ended runs."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from hyperspace_core.clock import Clock
from hyperspace_core.config.tree import is_whole_number
from hyperspace_core.errors import UsageError, did_you_mean
from hyperspace_core.records.run import Owner
from hyperspace_core.records.traits import Waiting
from hyperspace_core.storage import Store
from hyperspace_core.worker.events import Event, Listener, Notice, RunEnded, Stopping
from hyperspace_core.worker.heartbeat import RESTING, Heartbeat, what_waits
from hyperspace_core.worker.outcome import RunRequest

# -- Notify idle slots of queue changes: one slot waits at the store for all --

LISTEN_S = 0.25            # a waiting slot returns this often, so that it notices a stop


class QueueNotifier:
    """Read `rings` before a look at the queue, and pass it to `wait` if it was empty."""

    def __init__(self, store: Store, project: str) -> None:
        self._store, self._project = store, project
        self._changed = threading.Condition()
        self._rings = 0
        self._listening = False

    @property
    def rings(self) -> int:
        with self._changed:
            return self._rings

    def ring(self) -> None:
        """Wake all slots: they check the queue and whether to stop."""
        with self._changed:
            self._rings += 1
            self._changed.notify_all()

    def wait(self, seen: int, timeout_s: float) -> None:
        """Wait for a change since `seen`, at most `timeout_s`. Raises `StoreError`."""
        until = time.monotonic() + timeout_s
        while (left := until - time.monotonic()) > 0:
            with self._changed:
                if self._rings != seen:
                    return
                if self._listening:
                    self._changed.wait(left)
                    continue
                self._listening = True
            self._listen(min(left, LISTEN_S))

    def pause(self, seen: int, timeout_s: float) -> None:
        """Like `wait`, without the store, for when it is unavailable."""
        with self._changed:
            self._changed.wait_for(lambda: self._rings != seen, timeout_s)

    def _listen(self, timeout_s: float) -> None:
        rang = False
        try:
            rang = self._store.wait_for_change(self._project, timeout_s)
        finally:
            with self._changed:
                self._listening = False
                self._rings += rang
                self._changed.notify_all()     # another slot takes over the waiting


# -- The options of a worker --

Isolation = Literal["warm", "spawn", "inline"]
Code = Literal["pinned", "current"]
MAX_SLOTS = 1024


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """The options of a worker. Raises `UsageError` for invalid values."""

    slots: int = 1                         # runs at a time
    isolation: Isolation = "warm"
    code: Code = "pinned"                  # runs execute the pinned code, or the installed code
    drain: bool = False                    # stop when no run is left that this worker can take
    max_runs: int | None = None            # stop after this number of runs
    poll_s: float | None = None            # longest time between two queue checks
    tasks_dir: Path | None = None          # a folder with more task files
    grace_s: float = 30.0                  # from a stop request until the kill
    echo: bool = False                     # print the output of runs at once
    no_plugins: tuple[str, ...] = ()       # installed plugins to leave out
    base: Path | None = None               # a folder with code instead of the installed code
    python: Path | None = None             # the interpreter that executes runs; None: this one

    def __post_init__(self) -> None:
        _at_least_one("--slots", self.slots)
        if self.slots > MAX_SLOTS:
            raise UsageError(f"--slots: at most {MAX_SLOTS}, got {self.slots}")
        if self.max_runs is not None:
            _at_least_one("--max-runs", self.max_runs)
        known = get_args(Isolation)
        if self.isolation not in known:
            raise UsageError(f"--isolation: expected one of {', '.join(known)}, got {self.isolation!r}"
                             + did_you_mean(str(self.isolation), known))
        if self.code not in get_args(Code):
            raise UsageError(f"--code: expected one of {', '.join(get_args(Code))}, got {self.code!r}")
        if self.isolation == "inline" and self.slots > 1:
            raise UsageError(f"--slots {self.slots} and --isolation inline contradict each other: "
                             "inline executes in the worker's own process, one run at a time")
        if self.poll_s is not None and not self.poll_s > 0:
            raise UsageError(f"--poll: expected seconds > 0, got {self.poll_s:g}")
        if not self.grace_s >= 0:
            raise UsageError(f"--grace: expected seconds >= 0, got {self.grace_s:g}")


def _at_least_one(option: str, value: object) -> None:
    if not is_whole_number(value) or value < 1:
        raise UsageError(f"{option}: expected a whole number >= 1, got {value!r}")


GO_ON, FINISH, GIVE_BACK, KILL = range(4)      # the levels of stopping


@dataclass(frozen=True, kw_only=True)
class StopRequest:
    """A request to stop; without a level one level up, at least to `at_least`."""

    level: int | None = None
    at_least: int = GO_ON
    why: str


@dataclass
class WorkerState:
    """The state of one worker from its start to its end. Thread-safe."""

    store: Store
    project: str
    owner: Owner
    options: WorkerOptions
    clock: Clock
    heartbeat: Heartbeat
    bell: QueueNotifier
    listener: Listener
    inbox: queue.SimpleQueue[StopRequest | None]   # of the main thread; None: the worker has changed
    level: int = GO_ON                     # the current level of stopping
    over: bool = False                     # nothing more is claimed
    silent: bool = False                   # the worker has ended: drop the events of its last threads
    why: str = ""                          # why it is over
    ended: list[RunEnded] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)
    tasks: frozenset[str] = frozenset()
    known_sources: set[str] = field(default_factory=set)       # snapshots that the store certainly has

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = 0                    # runs claimed, without those released unused
        self._in_hand = 0                  # slots that have a run
        self._claiming = 0                 # slots that are claiming
        self._prepared = 0                 # runs that plugins are making
        self._empty: set[int] = set()      # slots whose last claim found nothing
        self._raised_at = self.clock.monotonic()

    # -- stopping --------------------------------------------------------------------------------------------

    def stop(self, request: StopRequest) -> None:
        """Raise the level of stopping; it never goes down."""
        level = max(self.level + 1, request.at_least) if request.level is None else request.level
        why = request.why
        with self._lock:
            if level <= self.level:
                return
            self.level, self._raised_at = min(level, KILL), self.clock.monotonic()
        held_runs = self.heartbeat.held_runs()
        running = tuple(sorted(held_run.lease.run for held_run in held_runs))
        self.emit(Stopping(level=self.level, why=why, running=running))
        for held_run in held_runs:
            if self.level >= GIVE_BACK:
                held_run.request(RunRequest.RETURN, "its worker was stopped")
            held_run.wants_kill = self.level >= KILL
        self.close(why)

    def close(self, why: str) -> None:
        """Stop claiming; running runs go on."""
        with self._lock:
            self.over = True
            self.why = self.why or why
        self.bell.ring()
        self.inbox.put(None)

    def since_stop_s(self) -> float:
        """Seconds since the level was last raised."""
        return self.clock.monotonic() - self._raised_at

    # -- claiming --------------------------------------------------------------------------------------------

    def may_claim(self) -> bool:
        """Reserve one more run; call `claimed` after every True."""
        with self._lock:
            limit = self.options.max_runs
            if self.over or (limit is not None and self._begun + self._claiming >= limit):
                return False
            self._claiming += 1
            return True

    def claimed(self, slot: int, got: bool) -> None:
        with self._lock:
            self._claiming -= 1
            self._begun += got
            self._in_hand += got
            if got:
                self._empty.discard(slot)

    def not_begun(self) -> None:
        """Do not count a claimed run that was released unused."""
        with self._lock:
            self._begun -= 1

    def let_go(self) -> None:
        """Note that a slot has ended a run; close the worker at `max_runs`."""
        with self._lock:
            self._in_hand -= 1
            limit = self.options.max_runs
            enough = limit is not None and self._begun >= limit and not self._in_hand
        if enough:
            self.close(f"it has started {limit} run{'' if limit == 1 else 's'}, the limit of --max-runs")

    def found_nothing(self, slot: int) -> bool:
        """Note a claim that found nothing. True where this ends a draining worker."""
        with self._lock:
            self._empty.add(slot)
            all_idle = len(self._empty) == self.options.slots and not self._prepared
        if not (self.options.drain and all_idle):
            return False
        if any(left.why == RESTING for left in self.left()):
            return False
        self.close("nothing is left that it could take")
        return True

    @contextlib.contextmanager
    def preparing(self) -> Iterator[None]:
        """Keep a draining worker from ending: a plugin makes a run for it."""
        with self._lock:
            self._prepared += 1
        try:
            yield
        finally:
            with self._lock:
                self._prepared -= 1

    def left(self) -> list[Waiting]:
        """Queued runs that this worker cannot take now. Raises `StoreError`."""
        return what_waits(self.store, self.project, self.tasks, self.refused)

    # -- events ----------------------------------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        if self.silent:
            return
        try:
            self.listener(event)
        except Exception:                  # a display must not end a worker
            logging.getLogger("hyperspace.worker").exception("a listener failed on %s", type(event).__name__)

    def tell(self, text: str, level: int = logging.WARNING) -> None:
        self.emit(Notice(text=text, level=level))

    def record(self, ended: RunEnded) -> None:
        with self._lock:
            self.ended.append(ended)
        self.emit(ended)
        self.bell.ring()                   # idle slots of a draining worker check again
        self.inbox.put(None)
