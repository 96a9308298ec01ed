"""The one path by which anything about a run leaves the worker for the store.

Everything is kept here, in order, until the store has taken it; the store's absence only makes it wait. A
run's end is delivered last, after all that was logged before it.
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

GATHER_S = 0.25            # what is logged is in the store after about this long; short runs need few writes
SLICE = 5_000              # points a write


class Settlement(StrEnum):
    """What became of a run's end."""

    STORED = "stored"
    RELEASED = "released"
    LATE = "late"              # the run had been taken from this worker; kept as a note on its attempt
    GONE = "gone"              # nothing left to write to: deleted, or refused for good
    ABANDONED = "abandoned"    # the worker had to stop before the store was back


class Journal:
    """What one attempt has to say. Written by the worker's threads, delivered by one courier."""

    def __init__(self, lease: Lease, owner: Owner, *, remark: Remark,
                 stored: Callable[[str], object] = lambda digest: None) -> None:
        self.lease = lease
        self.settled = threading.Event()
        self.settlement: Settlement | None = None
        self._owner = owner
        self._stored = stored              # hears which snapshots the store has for certain
        self._remark = remark              # tells a person what had to be left out, and why
        self._changes = Changes()
        self._lock = threading.Lock()
        self._sources: list[tuple[Snapshot, Mapping[str, bytes | str]]] = []
        self._artifacts: list[tuple[str, Path]] = []
        self._points: list[PointTuple] = []
        self._output: list[OutputChunk] = []
        self._end: Ending | None = None
        self._due_at: float | None = None
        self._wake: Callable[[], None] = lambda: None

    # -- what is told ----------------------------------------------------------------------------------------

    def fill(self, resolved: Update) -> None:
        """What is really executed: scenario, config, metric, seed."""
        self._changes.fill(resolved)
        self._ring()

    def section(self, name: str, data: dict[str, Any]) -> None:
        self._changes.section(name, data)
        self._ring()

    def info(self, key: str, value: Any) -> None:
        self._changes.info(key, value)
        self._ring()

    def source(self, snapshots: Iterable[Iterable[FileTuple]], contents: Mapping[str, bytes | str]) -> None:
        """The code that is executed; where a content is a path, the file that has it."""
        with self._lock:
            self._sources += [(Snapshot(files=tuple(
                SourceFile(path=path, digest=digest, size=size) for path, digest, size in files)), contents)
                for files in snapshots]
        self._ring()

    def artifact(self, name: str, staged: Path) -> None:
        """`staged` is removed once the store has its content."""
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
        """The last word; nothing may follow."""
        self._end = ending
        self.hurry()

    def hurry(self) -> None:
        """Deliver what there is now: the attempt is about to end."""
        with self._lock:
            self._due_at = time.monotonic()
        self._wake()

    @property
    def ending(self) -> Ending | None:
        """The last word, once it has been spoken; the worker may have had to change it (`_deliver_end`)."""
        return self._end

    # -- what a courier needs --------------------------------------------------------------------------------

    def attach(self, wake: Callable[[], None]) -> None:
        """`wake` is called whenever a delivery has become due."""
        self._wake = wake

    def due_in(self) -> float | None:
        """Seconds until something should be delivered; None where there is nothing."""
        with self._lock:
            return None if self._due_at is None else max(0.0, self._due_at - time.monotonic())

    def deliver(self, store: Store) -> None:
        """Hand everything to the store, in order. What it raises for, the next call delivers again.

        Raises `StoreUnavailable` and `StoreError`. What no store will ever take is left out with a remark.
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
            if self._end is not None and not self._pending():      # what came meanwhile is due by itself
                self._settle(self._deliver_end(store, self._end))
        except NotFound:
            self._settle(Settlement.GONE)
        except BaseException:
            self._ring()
            raise

    def give_up(self, settlement: Settlement) -> None:
        """Nobody will deliver this any more."""
        self._settle(settlement)

    # -- delivery --------------------------------------------------------------------------------------------

    def _pending(self) -> bool:
        return bool(self._sources or self._changes.pending or self._artifacts or self._points or self._output)

    def _deliver_sources(self, store: Store) -> None:
        """Before the section that names them, so that nothing is ever named that is not there."""
        while self._sources:
            snapshot, contents = self._sources[0]
            try:
                store.put_snapshot(snapshot, partial(_content, contents))
                self._stored(snapshot.digest)
            except (StoreError, NotFound):
                raise
            except Exception as error:     # noqa: BLE001 - told instead
                self._remark(f"the code that it runs on could not be kept: {one_line(error)}")
            with self._lock:
                self._sources.pop(0)

    def _deliver_artifacts(self, store: Store) -> None:
        while self._artifacts:
            name, staged = self._artifacts[0]
            try:
                store.put_artifact(self.lease.run, self.lease.attempt, name, staged)
            except (StoreError, NotFound):
                raise
            except Exception as error:     # noqa: BLE001 - told instead
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
            except Exception as error:     # noqa: BLE001 - told instead
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
        except Exception as error:         # noqa: BLE001 - a result that no store takes must not end as a lost run
            why = f"the result could not be stored: {one_line(error)}"
            self._remark(why)
            self._end = Finish(outcome=Outcome.FAILED, reason=why, retry=False)
            return self._deliver_finish(store, self._end)

    def _deliver_finish(self, store: Store, finish: Finish) -> Settlement:
        if store.finish(self.lease, finish):
            return Settlement.STORED
        # away for so long that the run was reaped; while nobody has begun it again, it is still ours
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
