"""Notify idle slots of queue changes: one slot waits at the store for all."""

from __future__ import annotations

import threading
import time

from hyperspace_core.storage import Store

LISTEN_S = 0.25            # a waiting slot returns this often, so that it notices a stop


class Doorbell:
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
