"""The heartbeat thread: renew the leases of a worker and do its regular duties.

It runs no user code and never waits for it, so that no training step can starve it.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence

from hyperspace_core.clock import Clock
from hyperspace_core.errors import NotFound, StoreError
from hyperspace_core.execution.failure import one_line
from hyperspace_core.records.run import Owner
from hyperspace_core.records.states import Command
from hyperspace_core.storage import QueueSettings, Store
from hyperspace_core.worker.endings import Ask
from hyperspace_core.worker.ward import Ward

SOON_S = 1.0                   # minimum time between two sends of progress and presence
FIRST_PAUSE_S = 0.1

Tell = Callable[[str, int], None]      # a line for people, and its logging level
Duty = Callable[[], None]


class Heart(threading.Thread):
    """Sends the heartbeats of all held runs and does its duties.

    `regular`: done in each full round, after the beats. `soon`: also done about a second after `poke`.
    `away_changed(away)` is called when the store stops or starts answering. Duties may raise `StoreError`.
    """

    def __init__(self, store: Store, owner: Owner, *, clock: Clock, tell: Tell,
                 heartbeat_s: float = QueueSettings.heartbeat_s, regular: Sequence[Duty] = (),
                 soon: Sequence[Duty] = (), farewell: Duty | None = None,
                 away_changed: Callable[[bool], None] = lambda away: None) -> None:
        super().__init__(name=f"{owner.worker}-heart", daemon=True)
        self.away = False              # the store did not answer the last request
        self.heartbeat_s = heartbeat_s  # the project's setting, see `Care`
        self._store, self._owner, self._clock, self._tell = store, owner, clock, tell
        self._regular, self._soon, self._farewell, self._away_changed = regular, soon, farewell, away_changed
        self._wards: dict[str, Ward] = {}              # by token
        self._lock = threading.Lock()
        self._bell = threading.Event()
        self._closing = False
        self._news = False
        self._failures = 0
        self._full_at = self._soon_at = clock.monotonic()
        self._not_before = self._full_at

    # -- for other threads -----------------------------------------------------------------------------------

    def add(self, ward: Ward) -> None:
        with self._lock:
            self._wards[ward.lease.token] = ward

    def remove(self, ward: Ward) -> None:
        with self._lock:
            self._wards.pop(ward.lease.token, None)

    def wards(self) -> list[Ward]:
        with self._lock:
            return list(self._wards.values())

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
        self._full_at = self._soon_at = self._clock.monotonic()
        self._news = False
        for ward in self.wards():
            ward.tick()
            self._beat(ward)
        for duty in (*self._soon, *self._regular):
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
                self._short_round()
        except StoreError as error:
            self._back_off()
            self._note_away(error)
        except Exception as error:     # noqa: BLE001 - without heartbeats every run would be lost
            self._back_off()
            self._tell(f"heartbeat failed; retrying: {one_line(error)}", logging.ERROR)
        else:
            self._failures = 0
            if self.away:
                self.away = False
                self._tell("the store answers again", logging.WARNING)
                self._away_changed(False)

    def _short_round(self) -> None:
        self._soon_at = self._clock.monotonic()
        self._news = False
        for ward in self.wards():
            if ward.progress_is_new:
                self._beat(ward)
        for duty in self._soon:
            duty()

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

    def _beat(self, ward: Ward) -> None:
        if ward.asked[0] is Ask.YIELD:
            return
        progress = ward.take_progress()
        try:
            answer = self._store.beat(ward.lease, progress)
        except NotFound:
            ward.ask(Ask.YIELD, "the run has been deleted")
            return
        except StoreError:
            ward.give_progress_back()
            raise
        if not answer.held:
            self._take_up_again(ward)
        elif answer.command is Command.CANCEL:
            ward.ask(Ask.CANCEL, "cancelled")
        elif answer.command is Command.PAUSE:
            ward.ask(Ask.RETURN, "paused")

    def _take_up_again(self, ward: Ward) -> None:
        if ward.journal.ending is not None:        # its end is being delivered: the outbox handles this
            return
        run = ward.lease.run
        if self._store.readopt(ward.lease, self._owner):
            self._tell(f"run {run} was reaped; no other worker had started it, so it goes on here",
                       logging.WARNING)
        elif ward.journal.ending is None and ward.ask(Ask.YIELD, "taken from this worker: its lease expired"):
            self._tell(f"run {run} was reaped and given to another worker; it is stopped here",
                       logging.WARNING)
