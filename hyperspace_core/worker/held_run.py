"""A run that this worker holds: its lease, and the requests to it."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hyperspace_core.clock import Clock
from hyperspace_core.config.tree import Tree
from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import Claim, Lease, RunRecord, Update
from hyperspace_core.run import Memory, Run
from hyperspace_core.storage import Store
from hyperspace_core.worker.outbox import Outbox, Settlement
from hyperspace_core.worker.outcome import Ask, AttemptResult

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions

class HeldRun:
    """The state of a held run, shared by its slot, the heartbeat and stop requests."""

    def __init__(self, claim: Claim, outbox: Outbox, slot: int, clock: Clock) -> None:
        self.claim = claim
        self.outbox = outbox
        self.slot = slot
        self.started_at: datetime = clock.now()
        self.began = clock.monotonic()
        self.config: Tree = claim.record.effective_config
        self.metric = claim.record.metric
        self.progress: Progress | None = None
        self.progress_is_new = False
        self.workdir: Path | None = None
        self.wants_kill = False
        self.on_tick: Callable[[], None] | None = None     # called with each heartbeat
        self.on_progress: Callable[[Progress], None] | None = None
        self._listener: Callable[[], object] | None = None
        self._lock = threading.Lock()
        self._ask = Ask.NOTHING
        self._why = ""

    @property
    def lease(self) -> Lease:
        return self.claim.lease

    @property
    def record(self) -> RunRecord:
        return self.claim.record

    @property
    def asked(self) -> tuple[Ask, str]:
        """The request to the run, and its reason."""
        with self._lock:
            return self._ask, self._why

    def ask(self, what: Ask, why: str) -> bool:
        """Make a request; True where it is stronger than the one before."""
        with self._lock:
            if what <= self._ask:
                return False
            self._ask, self._why = what, why
            listener = self._listener
        if listener is not None:
            listener()
        return True

    def listen(self, listener: Callable[[], object]) -> None:
        """Call `listener` for each request, in the requesting thread; now for an old one."""
        with self._lock:
            self._listener = listener
            asked = self._ask is not Ask.NOTHING
        if asked:
            listener()

    def tick(self) -> None:
        on_tick = self.on_tick
        if on_tick is not None:
            on_tick()

    def resolved(self, update: Update) -> None:
        """Set what is executed, where it differs from the record."""
        self.config = self.config if update.config is None else update.config
        self.metric = update.metric or self.metric
        self.outbox.fill(update)

    def report_progress(self, progress: Progress) -> None:
        self.progress = progress
        self.progress_is_new = True
        on_progress = self.on_progress
        if on_progress is not None:
            on_progress(progress)

    def take_progress(self) -> Progress | None:
        """The progress if the store does not have it yet, else None."""
        if not self.progress_is_new:
            return None
        self.progress_is_new = False
        return self.progress

    def give_progress_back(self) -> None:
        self.progress_is_new = self.progress is not None


# -- Call the observers of a run's end where the run's own process could not --

def notify_finished(held_run: HeldRun, conducted: AttemptResult, store: Store,
                    extensions: Extensions) -> None:
    """Call observers of a stored end that were not called yet. Raises `StoreError`."""
    if not conducted.silent or held_run.outbox.settlement is not Settlement.STORED:
        return
    record = store.get(held_run.lease.run)
    closed = Run(sink=Memory(), seed=record.seed or 0,
                 workdir=held_run.workdir or Path(tempfile.gettempdir()), id=record.id,
                 attempt=held_run.lease.attempt, project=record.project, task=record.task,
                 config=record.config, scenario=record.scenario)
    extensions.observers("hyperspace_run_finished", run=closed, record=record)
