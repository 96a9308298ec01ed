"""How idle slots hear that the queue has changed: one of them listens to the store, for all."""

from __future__ import annotations

import threading
import time

from hyperspace_core.storage import Store

LISTEN_S = 0.25            # a listening slot looks up this often, so that a stop is noticed


class Doorbell:
    """`seen = bell.rings` before a look at the queue, `bell.wait(seen, timeout)` after a vain one."""

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
        """Everybody looks at the queue (or at whether to stop) now."""
        with self._changed:
            self._rings += 1
            self._changed.notify_all()

    def wait(self, seen: int, timeout_s: float) -> None:
        """Until the queue may have changed since `seen`, at most `timeout_s`. Raises `StoreError`."""
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
        """Like `wait`, without the store: it is away."""
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
                self._changed.notify_all()     # somebody else may have to listen now
