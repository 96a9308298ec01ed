"""A run that this worker holds: its lease, its process, its outbox, and the requests to it."""

from __future__ import annotations

import logging
import queue
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from hyperspace_core.clock import Clock
from hyperspace_core.execution import protocol
from hyperspace_core.execution.supervisor import Output, ProcessEvent
from hyperspace_core.extension.manager import Extensions
from hyperspace_core.records.logged import Progress, ProgressSet
from hyperspace_core.records.run import Claim, Finish, Owner
from hyperspace_core.run import Memory, Run
from hyperspace_core.storage import Store
from hyperspace_core.worker.hooks import Questions, WorkerHooks
from hyperspace_core.worker.outbox import Outbox, OutboxEvent, Remark, Settlement
from hyperspace_core.worker.outcome import AttemptOutcome, RunRequest, settle, stops_before
from hyperspace_core.worker.output import OutputTape

LISTEN_S = 0.1             # how often requests to the run are checked
YIELD_GRACE_S = 5.0        # grace of a run that another worker has taken over
LINGER_S = 10.0            # time to exit after the outcome (threads, exit handlers)
DEAF_S = 30.0              # after a kill: then the fork server counts as stuck


class RunProcess(Protocol):
    """What executes a run: a child process, or a thread of this one."""

    over: bool                 # `ChildEnded` has been returned
    killable: bool
    pid: int

    def events(self, timeout_s: float) -> Sequence[ProcessEvent]:
        """Wait for events, at most `timeout_s`; `ChildEnded` comes once, as the last."""
        ...

    def interrupt(self) -> None:
        """Request a stop: by `should_stop()` where the run calls it, else an exception."""
        ...

    def kill(self) -> None: ...
    def answer(self, number: int, value: object) -> None: ...


@dataclass(frozen=True, kw_only=True)
class OutputText:
    """Text of the run for its output."""

    text: str
    shown: bool = False        # printed already


@dataclass(frozen=True, kw_only=True)
class Tick:
    """Some time has passed."""


RunEvent = OutputText | ProgressSet | protocol.ChildEnded | Tick | OutboxEvent


class HeldRun:
    """The state of a held run. Its slot reads the events; the heartbeat and stop requests share the rest."""

    def __init__(self, claim: Claim, owner: Owner, slot: int, clock: Clock, *, grace_s: float = 30.0) -> None:
        self.claim = claim
        self.lease = claim.lease
        self.outbox = Outbox(claim.lease, owner)
        self.slot = slot
        self.started_at: datetime = clock.now()
        self.began = clock.monotonic()
        self.record = claim.record         # with what is executed, once the process has reported it
        self.progress: Progress | None = None
        self.progress_is_new = False
        self.workdir: Path | None = None
        self.wants_kill = False
        self.silent = False                # its process has ended, and called no observers
        self._clock, self._grace_s = clock, grace_s
        self._lock = threading.Lock()
        self._request = RunRequest.NOTHING
        self._why = ""
        self._process: RunProcess | None = None
        self._hooks: WorkerHooks | None = None
        self._questions: Questions | None = None   # once there is one
        self._tape = OutputTape(clock)
        self._finish: Finish | None = None         # as the process reported
        self._differs: str | None = None           # why the code of this worker does not fit
        self._passed_on = RunRequest.NOTHING       # the strongest request to the process so far
        self._kill_at: float | None = None
        self._killed_at: float | None = None

    # -- for other threads -----------------------------------------------------------------------------------

    @property
    def requested(self) -> tuple[RunRequest, str]:
        """The request to the run, and its reason."""
        with self._lock:
            return self._request, self._why

    def request(self, what: RunRequest, why: str) -> bool:
        """Make a request; True where it is stronger than the one before."""
        with self._lock:
            if what <= self._request:
                return False
            self._request, self._why = what, why
            return True

    def take_progress(self) -> Progress | None:
        """The progress if the store does not have it yet, else None."""
        if not self.progress_is_new:
            return None
        self.progress_is_new = False
        return self.progress

    # -- for its slot ----------------------------------------------------------------------------------------

    def start(self, process: RunProcess, hooks: WorkerHooks) -> None:
        """Follow this process from now on; `hooks` answer its questions."""
        self._process, self._hooks = process, hooks

    def events(self) -> Iterator[RunEvent]:
        """Everything that happens to the run, until its end is delivered.

        What the process logs goes into the outbox. A `Tick` comes after `LISTEN_S` at the latest.
        """
        while self._process is not None or not self.outbox.settled.is_set():
            yield from self._of_process()
            yield from self._of_outbox()
            yield from self._control(self._clock.monotonic())
            yield Tick()

    def outcome(self, ended: protocol.ChildEnded) -> AttemptOutcome:
        """How the attempt ends, once its process has ended."""
        request, why = self.requested
        return settle(self._finish, ended, request, why, differs=self._differs, failures=self.record.failures,
                      stops=stops_before(self.record.attempts))

    def end(self, outcome: AttemptOutcome) -> None:
        """Have the outcome delivered, after everything before it; forget the process."""
        self._process = None
        if self._questions is not None:
            self._questions.close()
        self.outbox.end(outcome)

    # -- events ----------------------------------------------------------------------------------------------

    def _of_process(self) -> Iterator[RunEvent]:
        process = self._process
        if process is None:
            return
        for event in process.events(LISTEN_S):
            match event:
                case Output(data=data, shown=shown):
                    yield OutputText(text=self._tape.feed(data), shown=shown)
                case ProgressSet(progress=progress):
                    self.progress, self.progress_is_new = progress, True
                    yield event
                case protocol.Ended(finish=finish, heard=heard):
                    self._finish, self.silent = finish, not heard
                    self._kill_by(LINGER_S)
                    self.outbox.hurry()    # deliver while the process ends
                case protocol.ChildEnded():
                    self.silent = self.silent or self._finish is None
                    self.outbox.output(self._tape.close())
                    yield event
                case _:
                    self._take(event)
        self.outbox.output(self._tape.ready())

    def _take(self, message: protocol.Message) -> None:
        match message:
            case protocol.Ask() if self._process is not None and self._hooks is not None:
                self._questions = self._questions or Questions(self._hooks, self.record, self._process.answer)
                self._questions.put(message.number, message.topic, message.payload)
            case protocol.CodeDiffers(reason=reason):
                self._differs = reason
            case protocol.Resolved(update=update):     # what is executed, where it differs from the record
                config = self.record.config if update.config is None else update.config
                self.record = replace(self.record, config=config, metric=update.metric or self.record.metric)
                self.outbox.fill(update)
            case _:
                self.outbox.put(message)

    def _of_outbox(self) -> Iterator[OutboxEvent]:
        """The events of the delivery; wait for one where there is no process."""
        try:
            yield self.outbox.events.get(timeout=LISTEN_S if self._process is None else 0.0)
            while True:
                yield self.outbox.events.get_nowait()
        except queue.Empty:
            return

    # -- requests --------------------------------------------------------------------------------------------

    def _control(self, now: float) -> Iterator[RunEvent]:
        """Pass requests on to the process, and kill it where it is time."""
        process = self._process
        if process is None:
            return
        request, why = self.requested
        if request > self._passed_on:
            if self._passed_on is RunRequest.NOTHING:
                process.interrupt()
            self._passed_on = request
            yield OutputText(text=self._tape.note(f"the run is being stopped: {why}"))
            self._kill_by(YIELD_GRACE_S if request is RunRequest.YIELD else self._grace_s)
        if self.wants_kill:
            self._kill_by(0.0)
        if process.killable:
            yield from self._kill_if_due(process, now)

    def _kill_if_due(self, process: RunProcess, now: float) -> Iterator[RunEvent]:
        if self._killed_at is None:
            if self._kill_at is not None and now >= self._kill_at:
                self._killed_at = now
                process.kill()
        elif now - self._killed_at > DEAF_S:
            self.outbox.output(self._tape.close())
            self.silent = self.silent or self._finish is None
            yield Remark(text=f"its process {process.pid} was killed, but its end was not detected",
                         level=logging.ERROR)
            yield protocol.ChildEnded()

    def _kill_by(self, seconds: float) -> None:
        at = self._clock.monotonic() + seconds
        self._kill_at = at if self._kill_at is None else min(self._kill_at, at)


# -- Call the observers of a run's end where the run's own process could not --

def notify_finished(held_run: HeldRun, store: Store, extensions: Extensions) -> None:
    """Call observers of a stored end that were not called yet. Raises `StoreError`."""
    if not held_run.silent or held_run.outbox.settlement is not Settlement.STORED:
        return
    record = store.get(held_run.lease.run)
    closed = Run(sink=Memory(), seed=record.seed or 0,
                 workdir=held_run.workdir or Path(tempfile.gettempdir()), id=record.id,
                 attempt=held_run.lease.attempt, project=record.project, task=record.task,
                 config=record.config, scenario=record.scenario)
    extensions.observers("hyperspace_run_finished", run=closed, record=record)
