"""The outbox: the only path for a run's data from the worker to the store.

It keeps everything in order until the store has accepted it, also while the store is unavailable. It delivers
a run's end last.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from hyperspace_core.errors import NotFound, StoreError
from hyperspace_core.execution.failure import one_line
from hyperspace_core.execution.messages import FileTuple, PointTuple
from hyperspace_core.records.code import Snapshot, SourceFile
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import Finish, Lease, OutputChunk, Owner, Update
from hyperspace_core.records.states import Outcome
from hyperspace_core.storage import Store
from hyperspace_core.worker.changes import Changes, Remark
from hyperspace_core.worker.endings import Ending, Evidence, GiveBack

GATHER_S = 0.25            # the delay from logging to storing; short runs need few writes
SLICE = 5_000              # points of one write


class Settlement(StrEnum):
    """How the delivery of a run's end turned out."""

    STORED = "stored"
    RELEASED = "released"
    LATE = "late"              # this worker had lost the run; kept as a note on its attempt
    GONE = "gone"              # the run is deleted, or the store refuses for good
    ABANDONED = "abandoned"    # the worker stopped before the store was back


class Journal:
    """The output of one attempt. Any thread writes to it, one sender delivers it."""

    def __init__(self, lease: Lease, owner: Owner, *, remark: Remark,
                 stored: Callable[[str], object] = lambda digest: None) -> None:
        self.lease = lease
        self.settled = threading.Event()
        self.settlement: Settlement | None = None
        self._owner = owner
        self._stored = stored              # called with snapshots that the store has
        self._remark = remark              # reports what was left out, and why
        self._changes = Changes()
        self._lock = threading.Lock()
        self._sources: list[tuple[Snapshot, Mapping[str, bytes | str]]] = []
        self._artifacts: list[tuple[str, Path]] = []
        self._points: list[PointTuple] = []
        self._output: list[OutputChunk] = []
        self._end: Ending | None = None
        self._due_at: float | None = None
        self._wake: Callable[[], None] = lambda: None

    # -- writing ---------------------------------------------------------------------------------------------

    def fill(self, resolved: Update) -> None:
        """Set what is executed: scenario, config, metric, seed."""
        self._changes.fill(resolved)
        self._ring()

    def section(self, name: str, data: dict[str, Any]) -> None:
        self._changes.section(name, data)
        self._ring()

    def info(self, key: str, value: Any) -> None:
        self._changes.info(key, value)
        self._ring()

    def source(self, snapshots: Iterable[Iterable[FileTuple]], contents: Mapping[str, bytes | str]) -> None:
        """Add the executed code; a content that is a path is a file."""
        with self._lock:
            self._sources += [(Snapshot(files=tuple(
                SourceFile(path=path, digest=digest, size=size) for path, digest, size in files)), contents)
                for files in snapshots]
        self._ring()

    def artifact(self, name: str, staged: Path) -> None:
        """Add a file; `staged` is removed once the store has its content."""
        with self._lock:
            self._artifacts.append((name, staged))
        self._ring()

    def points(self, points: Iterable[PointTuple]) -> None:
        with self._lock:
            self._points.extend(points)
        self._ring()

    def output(self, chunks: Iterable[OutputChunk]) -> None:
        with self._lock:
            self._output.extend(chunks)
        self._ring()

    def end(self, ending: Ending) -> None:
        """Set the end of the attempt; nothing may follow."""
        self._end = ending
        self.hurry()

    def hurry(self) -> None:
        """Deliver now: the attempt is about to end."""
        with self._lock:
            self._due_at = time.monotonic()
        self._wake()

    @property
    def ending(self) -> Ending | None:
        """The end of the attempt, if known; `_deliver_end` may replace it."""
        return self._end

    # -- for the sender --------------------------------------------------------------------------------------

    def attach(self, wake: Callable[[], None]) -> None:
        """Call `wake` when a delivery becomes due."""
        self._wake = wake

    def due_in(self) -> float | None:
        """Seconds until the next delivery; None where there is nothing."""
        with self._lock:
            return None if self._due_at is None else max(0.0, self._due_at - time.monotonic())

    def deliver(self, store: Store) -> None:
        """Write everything to the store, in order; after an error the next call retries.

        Raises `StoreUnavailable` and `StoreError`. Data that no store can take are left out with a remark.
        """
        if self.settled.is_set():
            return
        with self._lock:
            self._due_at = None
        try:
            self._deliver_sources(store)
            self._changes.deliver(store, self.lease, self._remark)
            self._deliver_artifacts(store)
            self._deliver_series(store)
            if self._end is not None and not self._pending():      # newer data have their own due time
                self._settle(self._deliver_end(store, self._end))
        except NotFound:
            self._settle(Settlement.GONE)
        except BaseException:
            self._ring()
            raise

    def give_up(self, settlement: Settlement) -> None:
        """Stop the delivery for good."""
        self._settle(settlement)

    # -- delivery --------------------------------------------------------------------------------------------

    def _pending(self) -> bool:
        return bool(self._sources or self._changes.pending or self._artifacts or self._points or self._output)

    def _deliver_sources(self, store: Store) -> None:
        """Deliver snapshots before the section that names them."""
        while self._sources:
            snapshot, contents = self._sources[0]
            try:
                store.put_snapshot(snapshot, partial(_content, contents))
                self._stored(snapshot.digest)
            except (StoreError, NotFound):
                raise
            except Exception as error:     # noqa: BLE001 - reported instead
                self._remark(f"the code of the run could not be kept: {one_line(error)}")
            with self._lock:
                self._sources.pop(0)

    def _deliver_artifacts(self, store: Store) -> None:
        while self._artifacts:
            name, staged = self._artifacts[0]
            try:
                store.put_artifact(self.lease.run, self.lease.attempt, name, staged)
            except (StoreError, NotFound):
                raise
            except Exception as error:     # noqa: BLE001 - reported instead
                self._remark(f"artifact '{name}' could not be kept: {one_line(error)}")
            with self._lock:
                self._artifacts.pop(0)
            staged.unlink(missing_ok=True)

    def _deliver_series(self, store: Store) -> None:
        while self._points or self._output:
            with self._lock:
                points, output = self._points[:SLICE], self._output[:SLICE]
            try:
                store.append(self.lease.run, self.lease.attempt, output=output, points=[
                    Point(seq=seq, name=name, step=step, value=value, at=at)
                    for seq, name, step, value, at in points])
            except (StoreError, NotFound):
                raise
            except Exception as error:     # noqa: BLE001 - reported instead
                self._remark(f"{len(points)} metric points and {len(output)} pieces of output could not be "
                             f"kept: {one_line(error)}")
            with self._lock:
                del self._points[:len(points)]
                del self._output[:len(output)]

    def _deliver_end(self, store: Store, end: Ending) -> Settlement:
        if isinstance(end, GiveBack):
            return Settlement.RELEASED if store.release(self.lease, end.reason) else Settlement.LATE
        if isinstance(end, Evidence):
            store.late(self.lease, end.finish)
            return Settlement.LATE
        try:
            return self._deliver_finish(store, end)
        except (StoreError, NotFound):
            raise
        except Exception as error:         # noqa: BLE001 - an unstorable result must not become a lost run
            why = f"the result could not be stored: {one_line(error)}"
            self._remark(why)
            self._end = Finish(outcome=Outcome.FAILED, reason=why, retry=False)
            return self._deliver_finish(store, self._end)

    def _deliver_finish(self, store: Store, finish: Finish) -> Settlement:
        if store.finish(self.lease, finish):
            return Settlement.STORED
        # reaped meanwhile: take it back unless another worker has started it
        if store.readopt(self.lease, self._owner):
            self._changes.deliver(store, self.lease, self._remark, again=True)
            if store.finish(self.lease, finish):
                return Settlement.STORED
        store.late(self.lease, finish)
        return Settlement.LATE

    def _settle(self, settlement: Settlement) -> None:
        if not self.settled.is_set():
            self.settlement = settlement
            self.settled.set()

    def _ring(self) -> None:
        with self._lock:
            if self._due_at is not None:
                return
            self._due_at = time.monotonic() + (GATHER_S if self._end is None else 0.0)
        self._wake()


def _content(contents: Mapping[str, bytes | str], path: str) -> bytes:
    content = contents[path]
    return content if isinstance(content, bytes) else Path(content).read_bytes()
