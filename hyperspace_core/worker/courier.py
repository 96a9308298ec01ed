"""The sender: the thread that delivers the outboxes of one slot to the store."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from hyperspace_core.errors import StoreError, StoreUnavailable
from hyperspace_core.execution.failure import one_line
from hyperspace_core.storage import Store
from hyperspace_core.worker.changes import Remark
from hyperspace_core.worker.journal import Journal, Settlement

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
REMIND_S = 60.0            # how often a store error is reported


class Courier(threading.Thread):
    """Delivers one outbox after the other; while the store is unavailable it retries.

    One for each slot: a slow upload delays no other run. `unavailable` is called after each failed try.
    """

    def __init__(self, store: Store, name: str, *, remark: Remark,
                 unavailable: Callable[[StoreUnavailable], None]) -> None:
        super().__init__(name=f"{name}-courier", daemon=True)
        self._store = store
        self._remark = remark
        self._unavailable = unavailable
        self._bell = threading.Condition()
        self._journal: Journal | None = None
        self._closing = False
        self._pause_s = 0.0
        self._not_before = 0.0
        self._reminded_at: float | None = None

    def carry(self, journal: Journal) -> None:
        """Deliver this outbox next; the previous one must be settled."""
        journal.attach(self.poke)
        with self._bell:
            self._journal = journal
            self._bell.notify()

    def poke(self) -> None:
        """Check the outbox now: something is due."""
        with self._bell:
            self._bell.notify()

    def hurry(self) -> None:
        """Retry at once: the store is available again."""
        with self._bell:
            self._not_before = 0.0
            self._bell.notify()

    def close(self) -> None:
        """End once the outbox is settled or given up."""
        with self._bell:
            self._closing = True
            self._bell.notify()

    def run(self) -> None:
        while (journal := self._next()) is not None:
            try:
                journal.deliver(self._store)
                self._pause_s = self._not_before = 0.0
            except StoreUnavailable as error:
                self._back_off()
                self._unavailable(error)
            except StoreError as error:
                self._back_off()
                self._remind(f"run {journal.lease.run}: the store rejects the run's output, which is "
                             f"buffered and sent again: {error}")
            except Exception as error:     # noqa: BLE001 - no retry can succeed
                self._remark(f"run {journal.lease.run}: storing failed, its rest is lost: {one_line(error)}")
                journal.give_up(Settlement.GONE)

    def _next(self) -> Journal | None:
        """The outbox, once a delivery is due; None when the sender is done."""
        with self._bell:
            while True:
                journal = self._journal
                if journal is None or journal.settled.is_set():
                    if self._closing:
                        return None
                    due_in = None
                else:
                    due_in = journal.due_in()
                if due_in is not None:
                    due_in = max(due_in, self._not_before - time.monotonic())
                    if due_in <= 0:
                        return journal
                self._bell.wait(due_in)

    def _back_off(self) -> None:
        self._pause_s = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, self._pause_s * 2))
        self._not_before = time.monotonic() + self._pause_s * random.uniform(0.5, 1.0)

    def _remind(self, text: str) -> None:
        now = time.monotonic()
        if self._reminded_at is None or now - self._reminded_at >= REMIND_S:
            self._reminded_at = now
            self._remark(text)
