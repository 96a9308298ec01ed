"""A slot: claim a run, execute it, store its end, and claim the next."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from hyperspace_core.errors import ProjectError, StoreError, StoreUnavailable, error_line
from hyperspace_core.execution.protocol import ChildEnded
from hyperspace_core.extension.manager import Extensions
from hyperspace_core.records.filter import ORDER_QUEUE, RunFilter
from hyperspace_core.records.logged import ProgressSet
from hyperspace_core.records.run import SNAPSHOT, Claim, Finish
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import new_token
from hyperspace_core.worker.events import Printed, RunEnded, RunStarted
from hyperspace_core.worker.held_run import HeldRun, OutputText, RunEvent, Tick, notify_finished
from hyperspace_core.worker.hooks import WorkerHooks
from hyperspace_core.worker.outbox import Remark, Sender, Settlement, SourceStored, StoreFailed
from hyperspace_core.worker.outcome import AttemptOutcome, LateOutcome, Release
from hyperspace_core.worker.runners import Runner
from hyperspace_core.worker.state import GIVE_BACK, KILL, WorkerState

LOOK_S = 5.0               # an idle slot checks the queue at least this often
DRAIN_LOOK_S = 0.5         # a draining one waits for runs in retry back-off
LOOK_AHEAD = 200           # queued runs searched for pinned code
OFFERS = 5                 # how often plugins are asked before a slot waits
TROUBLE_S = 2.0            # pause after an error that an immediate retry would repeat
LONGEST_REST_S = 60.0      # the pause doubles up to this
LAST_WORD_S = 5.0          # how long a stopping worker waits for an unavailable store


class Slot(threading.Thread):
    """Executes one run at a time. Errors of runs, project or store do not end it."""

    def __init__(self, number: int, worker_state: WorkerState, runner: Runner, extensions: Extensions,
                 hooks: WorkerHooks) -> None:
        super().__init__(name=f"{worker_state.owner.worker}-slot-{number}", daemon=True)
        self.number = number
        self.held_run: HeldRun | None = None
        self.done = False                  # the thread has ended its work
        self.sender = Sender(worker_state.store, self.name)
        self._state, self._runner, self._extensions = worker_state, runner, extensions
        self._hooks = hooks
        self._token: str | None = None
        self._last_trouble = ""
        self._troubles = 0                 # in a row

    def run(self) -> None:
        self.sender.start()
        try:
            while not self._state.over:
                self._turn()
        finally:
            self._runner.close()
            self.sender.close()
            self.done = True
            self._state.inbox.put(None)

    def _turn(self) -> None:
        rings = self._state.bell.rings
        if self._state.heartbeat.away:
            # the heartbeat thread notifies when it is back
            self._state.bell.pause(rings, TROUBLE_S)
            return
        try:
            claim = self._claim(rings)
            if claim is not None:
                self.follow(self.hold(claim))
                self._rest()
            elif not self._state.over and not self._state.found_nothing(self.number):
                options = self._state.options
                self._state.bell.wait(rings, options.poll_s or (DRAIN_LOOK_S if options.drain else LOOK_S))
        except StoreUnavailable as error:
            self._state.heartbeat.store_failed(error)
            self._state.bell.pause(rings, TROUBLE_S)
        except Exception as error:         # noqa: BLE001 - a broken project or a full disk may be fixed
            self._trouble(error)
            self._state.bell.pause(rings, TROUBLE_S)

    def _rest(self) -> None:
        """Pause after a run that could not start: the next would probably fail too."""
        if not self._troubles:
            return
        clock = self._state.clock
        until = clock.monotonic() + min(LONGEST_REST_S, TROUBLE_S * 2 ** (self._troubles - 1))
        while not self._state.over and (left := until - clock.monotonic()) > 0:
            self._state.bell.pause(self._state.bell.rings, left)

    def _trouble(self, error: Exception) -> None:
        text = str(error) if isinstance(error, ProjectError | StoreError) else error_line(error)
        # once, not with every retry; temporary names differ each time
        kind = f"{type(error).__name__} {error.errno}" if isinstance(error, OSError) else text
        if kind != self._last_trouble:
            self._last_trouble = kind
            self._state.tell(f"no new runs are claimed for now: {text}", logging.ERROR)

    # -- claiming --------------------------------------------------------------------------------------------

    def _claim(self, rings: int) -> Claim | None:
        """Raises `ProjectError`, `StoreError`."""
        tasks = self._runner.tasks()
        self._state.tasks = tasks
        if not self._state.may_claim():
            return None
        claim = None
        try:
            claim = self._offered(tasks, queued=True) or self._from_queue(tasks)
            for _ in range(OFFERS):
                claim = claim or self._offered(tasks, queued=False)
                if claim is not None or self._state.bell.rings == rings:
                    break
                rings = self._state.bell.rings        # a run was queued meanwhile, perhaps by a plugin
                claim = self._from_queue(tasks)
        finally:
            self._state.claimed(self.number, claim is not None)
        return claim

    def _offered(self, tasks: frozenset[str], *, queued: bool) -> Claim | None:
        return None if self._runner.pinned_only else self._hooks.offer(tasks, queued=queued)

    def _from_queue(self, tasks: frozenset[str]) -> Claim | None:
        # the same token until the store answers: a lost answer may have been a claim
        self._token = self._token or new_token()
        claim = self._state.store.claim(self._state.project, self._state.owner, self._token, tasks=tasks,
                                        exclude=self._state.refused, only=self._only(tasks))
        self._token = None
        return claim

    def _only(self, tasks: frozenset[str]) -> list[int] | None:
        """The next runs with pinned code, while the project is broken; else None."""
        if not self._runner.pinned_only:
            return None
        queued = RunFilter(project=self._state.project, states=(State.QUEUED,), tasks=tuple(tasks))
        return [record.id for record in self._state.store.find(
            queued, order=ORDER_QUEUE, limit=LOOK_AHEAD) if SNAPSHOT in record.code]

    # -- executing -------------------------------------------------------------------------------------------

    def follow(self, held_run: HeldRun) -> None:
        """Start a run, follow it to the delivery of its end, and report it."""
        try:
            self._start(held_run)
            for event in self._events(held_run):
                self._heed(held_run, event)
            self._report(held_run)
        finally:
            self._let_go(held_run)

    def hold(self, claim: Claim) -> HeldRun:
        """Keep its lease by heartbeats, and deliver what comes into its outbox."""
        held_run = HeldRun(claim, self._state.owner, self.number, self._state.clock,
                           grace_s=self._state.options.grace_s)
        self.sender.carry(held_run.outbox)
        self._state.heartbeat.add(held_run)
        self.held_run = held_run
        self._state.inbox.put(None)
        return held_run

    def _start(self, held_run: HeldRun) -> None:
        lease = held_run.lease
        if self._state.level:                    # stopped during the claim
            held_run.end(Release(reason="its worker was stopped before it began"))
            return
        self._state.emit(RunStarted(run=lease.run, attempt=lease.attempt, task=held_run.record.task,
                                    slot=self.number, record=held_run.record))
        try:
            held_run.workdir = Path(tempfile.mkdtemp(prefix=f"hyperspace-{lease.run}-"))
            process = self._runner.start(held_run, held_run.workdir)
            held_run.start(process, self._hooks)
            self._troubles, self._last_trouble = 0, ""
        except (ProjectError, OSError) as error:       # a half-saved edit, a full disk: temporary
            self._troubles += 1
            self._trouble(error)
            held_run.end(Release(reason=error_line(error)))
        except Exception as error:         # noqa: BLE001 - refuse the run, else it would loop
            self._give_back(held_run, error)

    def _events(self, held_run: HeldRun) -> Iterator[RunEvent]:
        try:
            yield from held_run.events()
        except Exception as error:         # noqa: BLE001 - refuse the run, else it would loop
            self._give_back(held_run, error)
            yield from held_run.events()

    def _give_back(self, held_run: HeldRun, error: Exception) -> None:
        self._state.tell(f"run {held_run.lease.run} could not be executed here and is released: "
                         f"{error_line(error)}", logging.ERROR)
        held_run.end(Release(reason=error_line(error), refused=True))

    def _heed(self, held_run: HeldRun, event: RunEvent) -> None:
        run = held_run.lease.run
        match event:
            case OutputText(text=text, shown=False) if text and self._state.options.echo:
                self._state.emit(Printed(run=run, text=text))
            case ProgressSet():
                self._state.heartbeat.poke()
            case SourceStored(digest=digest):
                self._state.known_sources.add(digest)
            case Remark(text=text, level=level):
                self._state.tell(f"run {run}: {text}", level)
            case StoreFailed(error=error):
                self._state.heartbeat.store_failed(error)
            case ChildEnded():
                held_run.end(held_run.outcome(event))
            case Tick() if held_run.outbox.ending is not None:
                # where the worker stops, it does not wait for hours until the store has the end
                patience = {GIVE_BACK: LAST_WORD_S, KILL: 1.0}.get(self._state.level)
                if patience is not None and self._state.since_stop_s() > patience:
                    held_run.outbox.give_up(Settlement.ABANDONED)

    def _let_go(self, held_run: HeldRun) -> None:
        self._state.heartbeat.remove(held_run)
        self.held_run = None
        if held_run.workdir is not None:
            shutil.rmtree(held_run.workdir, ignore_errors=True)
        self._state.let_go()
        self._state.inbox.put(None)

    # -- reporting -------------------------------------------------------------------------------------------

    def _report(self, held_run: HeldRun) -> None:
        lease, record = held_run.lease, held_run.record
        ending = held_run.outbox.ending
        finish = _as_finish(ending)
        if isinstance(ending, Release):
            self._state.not_begun()
            if ending.refused:
                self._state.refused.add(lease.run)
        self._tell_settlement(held_run, finish)
        state = self._state_of(held_run, finish)
        self._state.record(RunEnded(
            run=lease.run, attempt=lease.attempt, task=record.task, slot=self.number, state=state,
            outcome=finish.outcome, reason=finish.reason, result=finish.result, metric=record.metric,
            seconds=self._state.clock.monotonic() - held_run.began))
        notify_finished(held_run, self._state.store, self._extensions)

    def _tell_settlement(self, held_run: HeldRun, finish: Finish) -> None:
        run, what = held_run.lease.run, held_run.outbox.settlement
        if what is Settlement.ABANDONED:
            result = "" if finish.result is None else f" with result {finish.result:g}"
            self._state.tell(
                f"run {run} ended here ({finish.outcome}{result}), but its store was down until this worker "
                "stopped: another worker will run it again", logging.ERROR)
        elif what is Settlement.GONE:
            self._state.tell(
                f"run {run} is not in the store any more; its outcome is lost", logging.ERROR)
        elif what is Settlement.LATE:
            self._state.tell(f"run {run} was taken from this worker; its outcome is kept as a note on "
                             f"attempt {held_run.lease.attempt}", logging.WARNING)

    def _state_of(self, held_run: HeldRun, finish: Finish) -> State:
        if finish.outcome is Outcome.COMPLETED and held_run.outbox.settlement is Settlement.STORED:
            return State.COMPLETED
        try:
            return self._state.store.get(held_run.lease.run).state
        except Exception:                  # noqa: BLE001 - for display only
            return State.RUNNING


def _as_finish(ending: AttemptOutcome | None) -> Finish:
    if ending is None:                     # given up before its end
        return Finish(outcome=Outcome.LOST)
    if isinstance(ending, Release):
        return Finish(outcome=Outcome.RELEASED, reason=ending.reason)
    return ending.finish if isinstance(ending, LateOutcome) else ending
