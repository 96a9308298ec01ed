"""The outbox: the only path for a run's data from the worker to the store.

It keeps everything in order until the store has accepted it, also while the store is unavailable. It delivers
a run's end last.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from hyperspace_core.errors import NotFound, StoreError, StoreUnavailable, error_line
from hyperspace_core.execution.protocol import Message, SourceTaken
from hyperspace_core.records.codec import storable
from hyperspace_core.records.logged import ArtifactStaged, InfoSet, Points, PointTuple, point_of
from hyperspace_core.records.run import Finish, Lease, OutputChunk, Owner, Snapshot, Update
from hyperspace_core.records.states import Outcome
from hyperspace_core.run import Absent, Section
from hyperspace_core.storage import Sources, Store
from hyperspace_core.worker.outcome import AttemptOutcome, LateOutcome, Release

# -- Update a record while its run goes on: provenance, info, executed trees --

Tell = Callable[[str], None]

_FILLED, _INFO, _SECTION = "filled:", "info:", "section:"


class Changes:
    """Collects updates of one record and writes the new ones in one step."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._filled = Update()
        self._info: dict[str, Any] = {}
        self._sections: dict[str, Any] = {}
        self._fresh: set[str] = set()      # parts that the store does not have yet
        self._refused: set[str] = set()    # parts that it refused while this worker did not hold the run

    def fill(self, resolved: Update) -> None:
        with self._lock:
            self._filled = resolved
            self._fresh.add(_FILLED)

    def info(self, key: str, value: Any) -> None:
        with self._lock:
            self._info[key] = value
            self._fresh.add(_INFO)

    def section(self, name: str, data: dict[str, Any]) -> None:
        with self._lock:
            self._sections[name] = data
            self._fresh.add(_SECTION + name)

    @property
    def pending(self) -> bool:
        return bool(self._fresh)

    def deliver(self, store: Store, lease: Lease, remark: Tell, *, again: bool = False) -> None:
        """Write the fresh parts; with `again` also those refused before a readoption.

        Raises `StoreError`, `StoreUnavailable`, `NotFound`; then all parts are fresh again.
        """
        with self._lock:
            parts = self._fresh | (self._refused if again else set())
            self._fresh = set()
            update = self._update_of(parts)
        if not parts:
            return
        try:
            held = self._write(store, lease, update, remark)
        except BaseException:
            with self._lock:
                self._fresh |= parts
            raise
        self._refused = set() if held else self._refused | parts

    def _update_of(self, parts: set[str]) -> Update:
        sections = {name: data for name, data in self._sections.items() if _SECTION + name in parts}
        return replace(self._filled if _FILLED in parts else Update(),
                       info=dict(self._info) if _INFO in parts else None, provenance=sections or None)

    def _write(self, store: Store, lease: Lease, update: Update, remark: Tell) -> bool:
        try:
            return store.update(lease, update)
        except (StoreError, NotFound):
            raise
        except Exception:                  # noqa: BLE001 - one part is not storable: keep the others
            parts = {"what is executed": replace(update, info=None, provenance=None)}
            parts |= {f"provenance '{name}'": Update(provenance={name: data})
                      for name, data in (update.provenance or {}).items()}
            if update.info is not None:
                parts["info"] = Update(info=_without_the_unstorable(update.info))
            held = [self._write_part(store, lease, what, part, remark) for what, part in parts.items()]
            return all(held)

    @staticmethod
    def _write_part(store: Store, lease: Lease, what: str, part: Update, remark: Tell) -> bool:
        with _remarked(remark, what):
            return store.update(lease, part)
        return True


@contextlib.contextmanager
def _remarked(remark: Tell, what: str) -> Iterator[None]:
    """Leave out, with a remark, what no store can take. Raises the errors of the store."""
    try:
        yield
    except (StoreError, NotFound):
        raise
    except Exception as error:             # noqa: BLE001 - reported instead
        remark(f"{what} could not be kept: {error_line(error)}")


def _without_the_unstorable(info: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in info.items():
        try:
            kept |= storable({str(key): value}, "info")
        except Exception as error:         # noqa: BLE001 - a note takes its place
            kept[str(key)] = f"left out: {error_line(error)}"
    return kept


GATHER_S = 0.25            # the delay from logging to storing; short runs need few writes
SLICE = 5_000              # points of one write


class Settlement(StrEnum):
    """How the delivery of a run's end turned out."""

    STORED = "stored"
    RELEASED = "released"
    LATE = "late"              # this worker had lost the run; kept as a note on its attempt
    GONE = "gone"              # the run is deleted, or the store refuses for good
    ABANDONED = "abandoned"    # the worker stopped before the store was back


@dataclass(frozen=True, kw_only=True)
class SourceStored:
    """The store has a snapshot."""

    digest: str


@dataclass(frozen=True, kw_only=True)
class Remark:
    """What was left out, and why; a line for people."""

    text: str
    level: int = logging.WARNING


@dataclass(frozen=True, kw_only=True)
class StoreFailed:
    """The store did not answer; the delivery is tried again."""

    error: StoreUnavailable


@dataclass(frozen=True, kw_only=True)
class Settled:
    """The delivery is over; the last event."""

    settlement: Settlement


OutboxEvent = SourceStored | Remark | StoreFailed | Settled


class Outbox:
    """The output of one attempt. Any thread writes to it, one sender delivers it.

    `events`: what happens to the delivery, for the slot.
    """

    def __init__(self, lease: Lease, owner: Owner) -> None:
        self.lease = lease
        self.events: queue.SimpleQueue[OutboxEvent] = queue.SimpleQueue()
        self.settled = threading.Event()
        self.settlement: Settlement | None = None
        self._owner = owner
        self._changes = Changes()
        self._lock = threading.Lock()
        self.changed = threading.Condition(self._lock)     # a delivery is due, or there is none any more
        self._sources: list[tuple[Snapshot, Mapping[str, bytes | str]]] = []
        self._artifacts: list[tuple[str, Path]] = []
        self._points: list[PointTuple] = []
        self._output: list[OutputChunk] = []
        self.ending: AttemptOutcome | None = None      # once it is known; `_deliver_end` may replace it
        self._due_at: float | None = None

    # -- writing ---------------------------------------------------------------------------------------------

    def put(self, message: Message) -> None:
        """Add what the run has logged or captured. An artifact's file is removed once it is stored."""
        match message:
            case Points(points=points):
                with self._lock:
                    self._points.extend(points)
            case InfoSet(key=key, value=value):
                self._changes.info(key, value)
            case ArtifactStaged(name=name, path=path):
                with self._lock:
                    self._artifacts.append((name, Path(path)))
            case Section(name=name, data=data):
                self._changes.section(name, data)
            case Absent(name=name, reason=reason):
                self._changes.section(name, {"absent": reason or "no reason given"})
            case SourceTaken(snapshots=snapshots):
                contents: dict[str, bytes | str] = {**message.contents, **message.places}
                with self._lock:
                    self._sources += [(snapshot, contents) for snapshot in snapshots]
            case _:
                return
        self._ring()

    def fill(self, resolved: Update) -> None:
        """Set what is executed: scenario, config, metric, seed."""
        self._changes.fill(resolved)
        self._ring()

    def output(self, chunks: Sequence[OutputChunk]) -> None:
        if chunks:
            with self._lock:
                self._output.extend(chunks)
            self._ring()

    def end(self, ending: AttemptOutcome) -> None:
        """Set the end of the attempt; nothing may follow."""
        self.ending = ending
        self.hurry()

    def hurry(self) -> None:
        """Deliver now: the attempt is about to end."""
        with self.changed:
            self._due_at = time.monotonic()
            self.changed.notify_all()

    # -- for the sender --------------------------------------------------------------------------------------

    def wait_until_due(self, not_before: Callable[[], float]) -> bool:
        """Wait for the next delivery; False once the outbox is settled."""
        with self.changed:
            while not self.settled.is_set():
                left = None
                if self._due_at is not None:
                    left = max(self._due_at, not_before()) - time.monotonic()
                    if left <= 0:
                        return True
                self.changed.wait(left)
        return False

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
            if self.ending is not None and not self._pending():      # newer data have their own due time
                self._settle(self._deliver_end(store, self.ending))
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
            with _remarked(self._remark, "the code of the run"):
                if isinstance(store, Sources):
                    store.put_snapshot(snapshot, partial(_content, contents))
                self.events.put(SourceStored(digest=snapshot.digest))
            with self._lock:
                self._sources.pop(0)

    def _deliver_artifacts(self, store: Store) -> None:
        while self._artifacts:
            name, staged = self._artifacts[0]
            with _remarked(self._remark, f"artifact '{name}'"):
                store.put_artifact(self.lease.run, self.lease.attempt, name, staged)
            with self._lock:
                self._artifacts.pop(0)
            staged.unlink(missing_ok=True)

    def _deliver_series(self, store: Store) -> None:
        while self._points or self._output:
            with self._lock:
                points, output = self._points[:SLICE], self._output[:SLICE]
            with _remarked(self._remark, f"{len(points)} metric points and {len(output)} pieces of output"):
                store.append(self.lease.run, self.lease.attempt, output=output,
                             points=[point_of(values) for values in points])
            with self._lock:
                del self._points[:len(points)]
                del self._output[:len(output)]

    def _deliver_end(self, store: Store, end: AttemptOutcome) -> Settlement:
        if isinstance(end, Release):
            return Settlement.RELEASED if store.release(self.lease, end.reason) else Settlement.LATE
        if isinstance(end, LateOutcome):
            store.late(self.lease, end.finish)
            return Settlement.LATE
        try:
            return self._deliver_finish(store, end)
        except (StoreError, NotFound):
            raise
        except Exception as error:         # noqa: BLE001 - an unstorable result must not become a lost run
            why = f"the result could not be stored: {error_line(error)}"
            self._remark(why)
            self.ending = Finish(outcome=Outcome.FAILED, reason=why, retry=False)
            return self._deliver_finish(store, self.ending)

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
        with self.changed:
            if self.settled.is_set():
                return
            self.settlement = settlement
            self.settled.set()
            self.changed.notify_all()
        self.events.put(Settled(settlement=settlement))

    def _remark(self, text: str) -> None:
        self.events.put(Remark(text=text))

    def _ring(self) -> None:
        with self.changed:
            if self._due_at is None:
                self._due_at = time.monotonic() + (GATHER_S if self.ending is None else 0.0)
                self.changed.notify_all()


def _content(contents: Mapping[str, bytes | str], path: str) -> bytes:
    content = contents[path]
    return content if isinstance(content, bytes) else Path(content).read_bytes()


# -- The sender: the thread that delivers the outboxes of one slot to the store --

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
REMIND_S = 60.0            # how often a store error is reported


class Sender(threading.Thread):
    """Delivers one outbox after the other; while the store is unavailable it retries.

    One for each slot: a slow upload delays no other run.
    """

    def __init__(self, store: Store, name: str) -> None:
        super().__init__(name=f"{name}-courier", daemon=True)
        self._store = store
        self._given: queue.SimpleQueue[Outbox | None] = queue.SimpleQueue()
        self._outbox: Outbox | None = None
        self._pause_s = 0.0
        self._not_before = 0.0
        self._reminded_at: float | None = None

    def carry(self, outbox: Outbox) -> None:
        """Deliver this outbox next, until it is settled."""
        self._given.put(outbox)

    def hurry(self) -> None:
        """Retry at once: the store is available again."""
        self._not_before = 0.0
        outbox = self._outbox
        if outbox is not None:
            with outbox.changed:
                outbox.changed.notify_all()

    def close(self) -> None:
        """End once the outbox is settled or given up."""
        self._given.put(None)

    def run(self) -> None:
        while (outbox := self._given.get()) is not None:
            self._outbox = outbox
            while outbox.wait_until_due(lambda: self._not_before):
                self._deliver(outbox)

    def _deliver(self, outbox: Outbox) -> None:
        try:
            outbox.deliver(self._store)
            self._pause_s = self._not_before = 0.0
        except StoreUnavailable as error:
            self._back_off()
            outbox.events.put(StoreFailed(error=error))
        except StoreError as error:
            self._back_off()
            self._remind(outbox, f"the store rejects the run's output, which is buffered and sent again: "
                                 f"{error}")
        except Exception as error:         # noqa: BLE001 - no retry can succeed
            outbox.events.put(Remark(text=f"storing failed, its rest is lost: {error_line(error)}"))
            outbox.give_up(Settlement.GONE)

    def _back_off(self) -> None:
        self._pause_s = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, self._pause_s * 2))
        self._not_before = time.monotonic() + self._pause_s * random.uniform(0.5, 1.0)

    def _remind(self, outbox: Outbox, text: str) -> None:
        now = time.monotonic()
        if self._reminded_at is None or now - self._reminded_at >= REMIND_S:
            self._reminded_at = now
            outbox.events.put(Remark(text=text))
