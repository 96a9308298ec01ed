"""A slot: claim a run, execute it, store its end, and claim the next."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hyperspace_core.errors import ProjectError, StoreError, StoreUnavailable, error_line
from hyperspace_core.execution.protocol import ChildEnded
from hyperspace_core.records.filter import ORDER_QUEUE, RunFilter
from hyperspace_core.records.logged import ProgressSet
from hyperspace_core.records.run import SNAPSHOT, Claim, Finish
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import new_token
from hyperspace_core.worker.events import Printed, RunEnded, RunStarted
from hyperspace_core.worker.held_run import Deaf, HeldRun, OutputText, RunEvent, Tick, notify_finished
from hyperspace_core.worker.hooks import WorkerHooks
from hyperspace_core.worker.outbox import Outbox, Remark, Sender, Settlement, SourceStored, StoreFailed
from hyperspace_core.worker.outcome import AttemptOutcome, LateOutcome, Release
from hyperspace_core.worker.runners import Runner
from hyperspace_core.worker.state import GIVE_BACK, KILL, WorkerState

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions

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
        self._worker_state, self._runner, self._extensions = worker_state, runner, extensions
        self._hooks = hooks
        self._token: str | None = None
        self._last_trouble = ""
        self._troubles = 0                 # in a row

    def run(self) -> None:
        self.sender.start()
        try:
            while not self._worker_state.over:
                self._turn()
        finally:
            self._runner.close()
            self.sender.close()
            self.done = True
            self._worker_state.inbox.put(None)

    def _turn(self) -> None:
        rings = self._worker_state.bell.rings
        if self._worker_state.heartbeat.away:
            # the heartbeat thread notifies when it is back
            self._worker_state.bell.pause(rings, TROUBLE_S)
            return
        try:
            claim = self._claim(rings)
            if claim is not None:
                self.execute(claim)
                self._rest()
            elif not self._worker_state.over and not self._worker_state.found_nothing(self.number):
                self._worker_state.bell.wait(rings, self._longest_wait_s())
        except StoreUnavailable as error:
            self._worker_state.heartbeat.store_failed(error)
            self._worker_state.bell.pause(rings, TROUBLE_S)
        except Exception as error:         # noqa: BLE001 - a broken project or a full disk may be fixed
            self._trouble(error)
            self._worker_state.bell.pause(rings, TROUBLE_S)

    def _longest_wait_s(self) -> float:
        options = self._worker_state.options
        return options.poll_s or (LOOK_S if not options.drain else DRAIN_LOOK_S)

    def _rest(self) -> None:
        """Pause after a run that could not start: the next would probably fail too."""
        if not self._troubles:
            return
        clock = self._worker_state.clock
        until = clock.monotonic() + min(LONGEST_REST_S, TROUBLE_S * 2 ** (self._troubles - 1))
        while not self._worker_state.over and (left := until - clock.monotonic()) > 0:
            self._worker_state.bell.pause(self._worker_state.bell.rings, left)

    def _trouble(self, error: Exception) -> None:
        text = str(error) if isinstance(error, ProjectError | StoreError) else error_line(error)
        # once, not with every retry; temporary names differ each time
        kind = f"{type(error).__name__} {error.errno}" if isinstance(error, OSError) else text
        if kind != self._last_trouble:
            self._last_trouble = kind
            self._worker_state.tell(f"no new runs are claimed for now: {text}", logging.ERROR)

    # -- claiming --------------------------------------------------------------------------------------------

    def _claim(self, rings: int) -> Claim | None:
        """Raises `ProjectError`, `StoreError`."""
        worker_state = self._worker_state
        tasks = self._runner.tasks()
        worker_state.tasks = tasks
        if not worker_state.may_claim():
            return None
        claim = None
        try:
            claim = self._offered(tasks, queued=True) or self._from_queue(tasks)
            for _ in range(OFFERS):
                claim = claim or self._offered(tasks, queued=False)
                if claim is not None or worker_state.bell.rings == rings:
                    break
                rings = worker_state.bell.rings        # a run was queued meanwhile, perhaps by a plugin
                claim = self._from_queue(tasks)
        finally:
            worker_state.claimed(self.number, claim is not None)
        return claim

    def _offered(self, tasks: frozenset[str], *, queued: bool) -> Claim | None:
        return None if self._runner.pinned_only else self._hooks.offer(tasks, queued=queued)

    def _from_queue(self, tasks: frozenset[str]) -> Claim | None:
        worker_state = self._worker_state
        claim = worker_state.store.claim(worker_state.project, worker_state.owner, self._claim_token(),
                                         tasks=tasks, exclude=worker_state.refused, only=self._only(tasks))
        self._token = None
        return claim

    def _only(self, tasks: frozenset[str]) -> list[int] | None:
        """The next runs with pinned code, while the project is broken; else None."""
        if not self._runner.pinned_only:
            return None
        queued = RunFilter(project=self._worker_state.project, states=(State.QUEUED,), tasks=tuple(tasks))
        return [record.id for record in self._worker_state.store.find(
            queued, order=ORDER_QUEUE, limit=LOOK_AHEAD) if SNAPSHOT in record.code]

    def _claim_token(self) -> str:
        """Reuse the token until the store answers: a lost answer may have been a claim."""
        self._token = self._token or new_token()
        return self._token

    # -- executing -------------------------------------------------------------------------------------------

    def execute(self, claim: Claim) -> None:
        """Execute a claimed run."""
        self.follow(self.hold(claim))

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
        worker_state = self._worker_state
        held_run = HeldRun(claim, worker_state.owner, self.number, worker_state.clock,
                           grace_s=worker_state.options.grace_s)
        self.sender.carry(held_run.outbox)
        worker_state.heartbeat.add(held_run)
        self.held_run = held_run
        worker_state.inbox.put(None)
        return held_run

    def _start(self, held_run: HeldRun) -> None:
        worker_state, lease = self._worker_state, held_run.lease
        if worker_state.level:                    # stopped during the claim
            held_run.end(Release(reason="its worker was stopped before it began"))
            return
        worker_state.emit(
            RunStarted(run=lease.run, attempt=lease.attempt, task=held_run.record.task, slot=self.number,
                       record=held_run.record))
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
        self._worker_state.tell(f"run {held_run.lease.run} could not be executed here and is released: "
                                f"{error_line(error)}", logging.ERROR)
        held_run.end(Release(reason=error_line(error), refused=True))

    def _heed(self, held_run: HeldRun, event: RunEvent) -> None:
        worker_state, run = self._worker_state, held_run.lease.run
        match event:
            case OutputText(text=text, shown=False) if text and worker_state.options.echo:
                worker_state.emit(Printed(run=run, text=text))
            case ProgressSet():
                worker_state.heartbeat.poke()
            case SourceStored(digest=digest):
                worker_state.known_sources.add(digest)
            case Remark(text=text):
                worker_state.tell(f"run {run}: {text}")
            case StoreFailed(error=error):
                worker_state.heartbeat.store_failed(error)
            case Deaf(pid=pid):
                worker_state.tell(f"run {run}: its process {pid} was killed, but its end was not detected",
                                  logging.ERROR)
            case ChildEnded():
                held_run.end(held_run.outcome(event))
            case Tick() if held_run.outbox.ending is not None:
                self._limit_patience(held_run.outbox)

    def _limit_patience(self, outbox: Outbox) -> None:
        """Give up the delivery of an end where the worker stops; else the store may take hours."""
        patience = {GIVE_BACK: LAST_WORD_S, KILL: 1.0}.get(self._worker_state.level)
        if patience is not None and self._worker_state.since_stop_s() > patience:
            outbox.give_up(Settlement.ABANDONED)

    def _let_go(self, held_run: HeldRun) -> None:
        self._worker_state.heartbeat.remove(held_run)
        self.held_run = None
        if held_run.workdir is not None:
            shutil.rmtree(held_run.workdir, ignore_errors=True)
        self._worker_state.let_go()
        self._worker_state.inbox.put(None)

    # -- reporting -------------------------------------------------------------------------------------------

    def _report(self, held_run: HeldRun) -> None:
        worker_state, lease, record = self._worker_state, held_run.lease, held_run.record
        ending = held_run.outbox.ending
        finish = _as_finish(ending)
        if isinstance(ending, Release):
            worker_state.not_begun()
            if ending.refused:
                worker_state.refused.add(lease.run)
        self._tell_settlement(held_run, finish)
        state = self._state_of(held_run, finish)
        worker_state.record(RunEnded(
            run=lease.run, attempt=lease.attempt, task=record.task, slot=self.number, state=state,
            outcome=finish.outcome, reason=finish.reason, result=finish.result, metric=record.metric,
            seconds=worker_state.clock.monotonic() - held_run.began))
        notify_finished(held_run, worker_state.store, self._extensions)

    def _tell_settlement(self, held_run: HeldRun, finish: Finish) -> None:
        run, what = held_run.lease.run, held_run.outbox.settlement
        if what is Settlement.ABANDONED:
            result = "" if finish.result is None else f" with result {finish.result:g}"
            self._worker_state.tell(
                f"run {run} ended here ({finish.outcome}{result}), but its store was down until this worker "
                "stopped: another worker will run it again", logging.ERROR)
        elif what is Settlement.GONE:
            self._worker_state.tell(
                f"run {run} is not in the store any more; its outcome is lost", logging.ERROR)
        elif what is Settlement.LATE:
            self._worker_state.tell(f"run {run} was taken from this worker; its outcome is kept as a note on "
                                    f"attempt {held_run.lease.attempt}", logging.WARNING)

    def _state_of(self, held_run: HeldRun, finish: Finish) -> State:
        if finish.outcome is Outcome.COMPLETED and held_run.outbox.settlement is Settlement.STORED:
            return State.COMPLETED
        try:
            return self._worker_state.store.get(held_run.lease.run).state
        except Exception:                  # noqa: BLE001 - for display only
            return State.RUNNING


def _as_finish(ending: AttemptOutcome | None) -> Finish:
    if ending is None:                     # given up before its end
        return Finish(outcome=Outcome.LOST)
    if isinstance(ending, Release):
        return Finish(outcome=Outcome.RELEASED, reason=ending.reason)
    return ending.finish if isinstance(ending, LateOutcome) else ending
