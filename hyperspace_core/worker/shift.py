"""The state that the slots of a worker share: stopping, claims, ended runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from hyperspace_core.clock import Clock
from hyperspace_core.config.tree import Tree
from hyperspace_core.errors import StoreError
from hyperspace_core.records.run import Owner, RunRecord
from hyperspace_core.results.overview import Waiting
from hyperspace_core.storage import Store
from hyperspace_core.worker.doorbell import Doorbell
from hyperspace_core.worker.duties import RESTING, what_waits
from hyperspace_core.worker.endings import Ask
from hyperspace_core.worker.heart import Heart
from hyperspace_core.worker.options import WorkerOptions
from hyperspace_core.worker.peers import Curves, Peering
from hyperspace_core.worker.report import Event, Listener, Notice, RunEnded, Stopping

GO_ON, FINISH, GIVE_BACK, KILL = range(4)      # the levels of stopping


@dataclass
class Shift:
    """The state of one worker from its start to its end. Thread-safe."""

    store: Store
    project: str
    owner: Owner
    options: WorkerOptions
    clock: Clock
    heart: Heart
    bell: Doorbell
    listener: Listener
    news: Callable[[], None]               # wakes the main thread: the worker has changed
    level: int = GO_ON                     # the current level of stopping
    over: bool = False                     # nothing more is claimed
    silent: bool = False                   # the worker has ended: drop the events of its last threads
    why: str = ""                          # why it is over
    ended: list[RunEnded] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)
    tasks: frozenset[str] = frozenset()
    known_sources: set[str] = field(default_factory=set)       # snapshots that the store certainly has

    def __post_init__(self) -> None:
        self.curves = Curves(self.store, self.project)
        self._lock = threading.Lock()
        self._begun = 0                    # runs claimed, without those released unused
        self._in_hand = 0                  # slots that have a run
        self._claiming = 0                 # slots that are claiming
        self._empty: set[int] = set()      # slots whose last claim found nothing
        self._raised_at = self.clock.monotonic()

    # -- stopping --------------------------------------------------------------------------------------------

    def stop(self, level: int, why: str) -> None:
        """Raise the level of stopping; it never goes down."""
        with self._lock:
            if level <= self.level:
                return
            self.level, self._raised_at = min(level, KILL), self.clock.monotonic()
        wards = self.heart.wards()
        running = tuple(sorted(ward.lease.run for ward in wards))
        self.emit(Stopping(level=self.level, why=why, running=running))
        for ward in wards:
            if self.level >= GIVE_BACK:
                ward.ask(Ask.RETURN, "its worker was stopped")
            ward.wants_kill = self.level >= KILL
        self.close(why)

    def close(self, why: str) -> None:
        """Stop claiming; running runs go on."""
        with self._lock:
            self.over = True
            self.why = self.why or why
        self.bell.ring()
        self.news()

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
            all_idle = len(self._empty) == self.options.slots
        if not (self.options.drain and all_idle):
            return False
        if any(left.why == RESTING for left in self.left()):
            return False
        self.close("nothing is left that it could take")
        return True

    def left(self) -> list[Waiting]:
        """Queued runs that this worker cannot take now. Raises `StoreError`."""
        return what_waits(self.store, self.project, self.tasks, self.refused)

    # -- pruning ---------------------------------------------------------------------------------------------

    def pruner_of(self, record: RunRecord) -> Tree | None:
        """The pruner of the run's search; None without one or where reading it fails."""
        try:
            return self.curves.pruner_of(record)
        except StoreError as error:
            self.tell(f"run {record.id} is not pruned, its search cannot be read: {error}")
            return None

    def peering(self, record: RunRecord) -> Peering:
        return Peering(self.curves, self.store, record, self.clock)

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
        self.news()
