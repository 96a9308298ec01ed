"""The worker: a main thread for signals, with slot, sender and heartbeat threads."""

from __future__ import annotations

import contextlib
import logging
import queue
from collections import Counter
from collections.abc import Iterator, Sequence

from hyperspace_core.clock import Clock, SystemClock
from hyperspace_core.errors import StoreError
from hyperspace_core.execution.identity import this_process, worker_name
from hyperspace_core.extension.manager import Extensions
from hyperspace_core.records.run import WorkerInfo
from hyperspace_core.records.traits import Waiting
from hyperspace_core.storage import Store
from hyperspace_core.worker.events import Listener, Ready, SlotView, WorkerReport, WorkerView, log_notices
from hyperspace_core.worker.heartbeat import RESTING, Counts, Explainer, Heartbeat, Presence, Reaper
from hyperspace_core.worker.hooks import WorkerHooks, context_of
from hyperspace_core.worker.runners import ProcessRunner, Runner
from hyperspace_core.worker.signals import heard_as_stop
from hyperspace_core.worker.slot import Slot
from hyperspace_core.worker.state import KILL, QueueNotifier, StopRequest, WorkerOptions, WorkerState

FAREWELL_S = 5.0               # how long a stopping worker waits for an unavailable store
KILLED_S = 10.0                # how long it waits for a slot after the kill of its run


class Worker:
    """Claims and executes the runs of one project until it is done or stopped.

    `on_event` is called from several threads with events (see `report`).
    """

    def __init__(self, store: Store, project_name: str, extensions: Extensions,
                 options: WorkerOptions | None = None, *, clock: Clock | None = None,
                 on_event: Listener = log_notices) -> None:
        self.name = worker_name()
        self._options = options or WorkerOptions()
        self._store, self._project, self._extensions = store, project_name, extensions
        self._clock = clock = clock or SystemClock()
        self._owner = this_process(self.name)
        self._started_at = clock.now()
        self._inbox: queue.SimpleQueue[StopRequest | None] = queue.SimpleQueue()
        self._slots: list[Slot] = []
        self._state = ""
        self._counts = Counts(store, project_name, clock)
        self._care = Reaper(store, project_name, clock=clock,
                            tell=self._tell, heartbeat_is=self._set_heartbeat)
        presence = Presence(store, self._describe)
        explainer = Explainer(store, project_name, clock=clock, tell=self._tell, idle=self._idle,
                              known=lambda: (self._worker_state.tasks, self._worker_state.refused))
        self._heartbeat = Heartbeat(store, self._owner, clock=clock, tell=self._tell,
                                    regular=(presence, self._care, explainer),
                                    soon=(presence.if_changed, self._counts),
                                    farewell=lambda: store.absent(self.name),
                                    away_changed=self._store_changed)
        self._worker_state = WorkerState(store=store, project=project_name, owner=self._owner,
                                         options=self._options, clock=clock, heartbeat=self._heartbeat,
                                         bell=QueueNotifier(store, project_name), listener=on_event,
                                         inbox=self._inbox)

    # -- for other threads and signal handlers ---------------------------------------------------------------

    def stop(self, level: int | None = None, why: str = "it was asked to") -> None:
        """Stop: 1 after current runs, 2 releases them, 3 kills, None: one level up.

        Returns at once; may be called from any thread and by a signal handler.
        """
        # SimpleQueue.put is reentrant: safe in a signal handler
        self._inbox.put(StopRequest(level=level, why=why))

    def snapshot(self) -> WorkerView:
        """The worker now; cheap, does not read the store."""
        self._counts.want()
        self._heartbeat.poke()
        ended = Counter(each.state for each in list(self._worker_state.ended))
        return WorkerView(worker=self.name, state=self._now(), slots=tuple(map(self._view_of, self._slots)),
                          ended=ended, queue=self._counts.by_state, paused=self._counts.paused,
                          stopping=self._worker_state.level)

    # -- the main thread -------------------------------------------------------------------------------------

    def run(self) -> WorkerReport:
        """Work until done. Raises `ProjectError`, `StoreError` only before any claim."""
        self._extensions.require_whole()
        runner = [self._runner(number) for number in range(self._options.slots)]
        with _closed_on_failure(runner):
            self._worker_state.tasks = runner[0].tasks()       # Ctrl-C ends a slow import
        with heard_as_stop(lambda level, why: self._inbox.put(StopRequest(at_least=level, why=why))):
            with _closed_on_failure(runner):
                self._heartbeat.full_round()               # registers the worker and reaps lost runs
            self._work(runner)
        return WorkerReport(ended=tuple(self._worker_state.ended), left=self._left(),
                            why=self._worker_state.why)

    def _work(self, runner: list[Runner]) -> None:
        worker_state = self._worker_state
        hooks = WorkerHooks(context_of(worker_state, runner[0].opened), self._extensions)
        self._slots = [Slot(number, worker_state, each, self._extensions, hooks)
                       for number, each in enumerate(runner)]
        self._heartbeat.start()
        worker_state.emit(Ready(worker=self.name, project=self._project,
                                tasks=tuple(sorted(worker_state.tasks))))
        while not self._inbox.empty():          # stopped before it started
            self._hear(timeout_s=0.0)
        for slot in self._slots:
            slot.start()
        self._tell_state("started")
        try:
            while not all(slot.done for slot in self._slots):
                self._hear(timeout_s=1.0)
                self._tell_state(self._now())
                if worker_state.level >= KILL and worker_state.since_stop_s() > KILLED_S:
                    worker_state.tell("a run did not end although it was killed; the worker ends without it",
                                      logging.ERROR)
                    break
        finally:
            self._heartbeat.close()
            self._heartbeat.join(FAREWELL_S)
            for slot in self._slots:
                slot.sender.join(0.1)
            self._tell_state("stopped")
            worker_state.silent = True

    def _hear(self, timeout_s: float) -> None:
        try:
            request = self._inbox.get(timeout=timeout_s)
        except queue.Empty:
            return
        if request is None:
            self._heartbeat.poke()             # a slot has started or ended a run
        else:
            self._worker_state.stop(request)

    def _runner(self, number: int) -> Runner:
        if self._options.isolation == "inline":
            from hyperspace_core.extension.project import open_project
            from hyperspace_core.worker.inline import InlineRunner

            project = open_project(self._project, self._extensions, tasks_dir=self._options.tasks_dir)
            return InlineRunner(project, self._extensions, echo=self._options.echo)
        return ProcessRunner(self._worker_state, first=number == 0)

    # -- what it is doing ------------------------------------------------------------------------------------

    def _now(self) -> str:
        if self._heartbeat.away:
            return "uncertain"
        if self._worker_state.over:
            return "draining"
        return "idle" if self._idle() else "busy"

    def _idle(self) -> bool:
        return all(slot.held_run is None for slot in self._slots)

    def _describe(self) -> WorkerInfo:
        worker_state = self._worker_state
        running = tuple(sorted(held_run.lease.run for held_run in self._heartbeat.held_runs()))
        return WorkerInfo(owner=self._owner, project=self._project, tasks=tuple(sorted(worker_state.tasks)),
                          state=self._now(), slots=self._options.slots, running=running,
                          refused=tuple(sorted(worker_state.refused)), started_at=self._started_at)

    def _view_of(self, slot: Slot) -> SlotView:
        held_run = slot.held_run
        if held_run is None:
            return SlotView(slot=slot.number)
        return SlotView(slot=slot.number, run=held_run.lease.run, attempt=held_run.lease.attempt,
                        task=held_run.record.task, config=held_run.record.effective_config,
                        submitted=held_run.record.submitted, progress=held_run.progress,
                        started_at=held_run.started_at, seconds=self._clock.monotonic() - held_run.began,
                        stopping=bool(held_run.requested[0]))

    def _tell_state(self, state: str) -> None:
        if state == self._state:
            return
        self._state = state
        self._heartbeat.poke()
        self._extensions.observers("hyperspace_worker_changed", worker=self._describe(), state=state)

    def _left(self) -> tuple[Waiting, ...]:
        try:
            return tuple(left for left in self._worker_state.left() if left.why != RESTING)
        except StoreError:                 # reported already
            return ()

    def _set_heartbeat(self, seconds: float) -> None:
        self._heartbeat.heartbeat_s = seconds

    def _tell(self, text: str, level: int) -> None:
        self._worker_state.tell(text, level)

    def _store_changed(self, away: bool) -> None:
        if away:
            self._care.observer.forget()
        else:
            for slot in self._slots:
                slot.sender.hurry()
            self._worker_state.bell.ring()
        self._inbox.put(None)


@contextlib.contextmanager
def _closed_on_failure(runner: Sequence[Runner]) -> Iterator[None]:
    """Close the runners if an error ends the start."""
    try:
        yield
    except BaseException:
        for each in runner:
            each.close()
        raise
