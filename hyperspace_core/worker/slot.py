"""A slot: claim a run, execute it, store its end, and claim the next."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from hyperspace_core.errors import ProjectError, StoreError, StoreUnavailable
from hyperspace_core.execution.failure import one_line
from hyperspace_core.records.code import SNAPSHOT
from hyperspace_core.records.filter import ORDER_QUEUE, RunFilter
from hyperspace_core.records.run import Claim, Finish
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import new_token
from hyperspace_core.worker.afterword import tell_observers
from hyperspace_core.worker.courier import Courier
from hyperspace_core.worker.endings import Conducted, Ending, Evidence, GiveBack
from hyperspace_core.worker.hands import Hands
from hyperspace_core.worker.journal import Journal, Settlement
from hyperspace_core.worker.proposals import Proposals
from hyperspace_core.worker.report import RunEnded, RunStarted
from hyperspace_core.worker.shift import GIVE_BACK, KILL, Shift
from hyperspace_core.worker.ward import Ward

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions

LOOK_S = 5.0               # an idle slot checks the queue at least this often
DRAIN_LOOK_S = 0.5         # a draining one waits for runs in retry back-off
LOOK_AHEAD = 200           # queued runs searched for pinned code
PROPOSALS = 5              # proposals of a slot before it waits
TROUBLE_S = 2.0            # pause after an error that an immediate retry would repeat
LONGEST_REST_S = 60.0      # the pause doubles up to this
LAST_WORD_S = 5.0          # how long a stopping worker waits for an unavailable store


class Slot(threading.Thread):
    """Executes one run at a time. Errors of runs, project or store do not end it."""

    def __init__(self, number: int, shift: Shift, hands: Hands, extensions: Extensions,
                 proposals: Proposals) -> None:
        super().__init__(name=f"{shift.owner.worker}-slot-{number}", daemon=True)
        self.number = number
        self.ward: Ward | None = None
        self.done = False                  # the thread has ended its work
        self.courier = Courier(shift.store, self.name, remark=shift.tell,
                               unavailable=shift.heart.store_failed)
        self._shift, self._hands, self._extensions = shift, hands, extensions
        self._proposals = proposals
        self._token: str | None = None
        self._last_trouble = ""
        self._troubles = 0                 # in a row

    def run(self) -> None:
        self.courier.start()
        try:
            while not self._shift.over:
                self._turn()
        finally:
            self._hands.close()
            self.courier.close()
            self.done = True
            self._shift.news()

    def _turn(self) -> None:
        rings = self._shift.bell.rings
        if self._shift.heart.away:
            self._shift.bell.pause(rings, TROUBLE_S)           # the heartbeat thread notifies when it is back
            return
        try:
            claim = self._claim()
            if claim is not None:
                self._execute(claim)
                self._rest()
            elif not self._shift.over and not self._shift.found_nothing(self.number):
                self._shift.bell.wait(rings, self._longest_wait_s())
        except StoreUnavailable as error:
            self._shift.heart.store_failed(error)
            self._shift.bell.pause(rings, TROUBLE_S)
        except Exception as error:         # noqa: BLE001 - a broken project or a full disk may be fixed
            self._trouble(error)
            self._shift.bell.pause(rings, TROUBLE_S)

    def _longest_wait_s(self) -> float:
        options = self._shift.options
        return options.poll_s or (LOOK_S if not options.drain else DRAIN_LOOK_S)

    def _rest(self) -> None:
        """Pause after a run that could not start: the next would probably fail too."""
        if not self._troubles:
            return
        clock = self._shift.clock
        until = clock.monotonic() + min(LONGEST_REST_S, TROUBLE_S * 2 ** (self._troubles - 1))
        while not self._shift.over and (left := until - clock.monotonic()) > 0:
            self._shift.bell.pause(self._shift.bell.rings, left)

    def _trouble(self, error: Exception) -> None:
        text = str(error) if isinstance(error, ProjectError | StoreError) else one_line(error)
        # once, not with every retry; temporary names differ each time
        kind = f"{type(error).__name__} {error.errno}" if isinstance(error, OSError) else text
        if kind != self._last_trouble:
            self._last_trouble = kind
            self._shift.tell(f"no new runs are claimed for now: {text}", logging.ERROR)

    # -- claiming --------------------------------------------------------------------------------------------

    def _claim(self) -> Claim | None:
        """Raises `ProjectError`, `StoreError`."""
        shift = self._shift
        tasks = self._hands.tasks()
        shift.tasks = tasks
        if not shift.may_claim():
            return None
        claim = None
        try:
            if not self._hands.pinned_only:
                self._proposals.before_queue(tasks)
            claim = self._from_queue(tasks)
            for _ in range(PROPOSALS):             # another slot or worker may claim a proposal
                if claim is not None or self._hands.pinned_only or not self._proposals.after_queue(tasks):
                    break
                claim = self._from_queue(tasks)
        finally:
            shift.claimed(self.number, claim is not None)
        return claim

    def _from_queue(self, tasks: frozenset[str]) -> Claim | None:
        shift = self._shift
        claim = shift.store.claim(shift.project, shift.owner, self._claim_token(), tasks=tasks,
                                  exclude=shift.refused, only=self._only(tasks))
        self._token = None
        return claim

    def _only(self, tasks: frozenset[str]) -> list[int] | None:
        """The next runs with pinned code, while the project is broken; else None."""
        if not self._hands.pinned_only:
            return None
        queued = RunFilter(project=self._shift.project, states=(State.QUEUED,), tasks=tuple(tasks))
        return [record.id for record in self._shift.store.find(queued, order=ORDER_QUEUE, limit=LOOK_AHEAD)
                if SNAPSHOT in record.code]

    def _claim_token(self) -> str:
        """Reuse the token until the store answers: a lost answer may have been a claim."""
        self._token = self._token or new_token()
        return self._token

    # -- executing -------------------------------------------------------------------------------------------

    def _execute(self, claim: Claim) -> None:
        shift = self._shift
        journal = Journal(claim.lease, shift.owner, stored=shift.known_sources.add,
                          remark=lambda text: shift.tell(f"run {claim.lease.run}: {text}"))
        ward = Ward(claim, journal, self.number, shift.clock)
        self.courier.carry(journal)
        shift.heart.add(ward)
        self.ward = ward
        shift.news()
        try:
            conducted = self._conduct(ward)
            journal.end(conducted.ending)
            self._see_settled(journal)
            self._report(ward, conducted)
        finally:
            shift.heart.remove(ward)
            self.ward = None
            if ward.workdir is not None:
                shutil.rmtree(ward.workdir, ignore_errors=True)
            shift.let_go()
            shift.news()

    def _conduct(self, ward: Ward) -> Conducted:
        shift, lease = self._shift, ward.lease
        if shift.level:                    # stopped during the claim
            return Conducted(ending=GiveBack(reason="its worker was stopped before it began"), silent=False)
        shift.emit(RunStarted(run=lease.run, attempt=lease.attempt, task=ward.record.task, slot=self.number,
                              config=ward.config, submitted=ward.record.submitted))
        try:
            ward.workdir = Path(tempfile.mkdtemp(prefix=f"hyperspace-{lease.run}-"))
            conducted = self._hands.conduct(ward, ward.workdir)
            self._troubles, self._last_trouble = 0, ""
            return conducted
        except (ProjectError, OSError) as error:       # a half-saved edit, a full disk: temporary
            self._troubles += 1
            self._trouble(error)
            return Conducted(ending=GiveBack(reason=one_line(error)), silent=False)
        except Exception as error:         # noqa: BLE001 - refuse the run, else it would loop
            shift.tell(f"run {lease.run} could not be executed here and is released: {one_line(error)}",
                       logging.ERROR)
            return Conducted(ending=GiveBack(reason=one_line(error), refused=True), silent=False)

    def _see_settled(self, journal: Journal) -> None:
        """Wait for the delivery of the end; an unavailable store may take hours."""
        while not journal.settled.wait(0.2):
            level = self._shift.level
            patience = {GIVE_BACK: LAST_WORD_S, KILL: 1.0}.get(level)
            if patience is not None and self._shift.since_stop_s() > patience:
                journal.give_up(Settlement.ABANDONED)

    # -- reporting -------------------------------------------------------------------------------------------

    def _report(self, ward: Ward, conducted: Conducted) -> None:
        shift, lease, record = self._shift, ward.lease, ward.record
        ending = ward.journal.ending or conducted.ending
        finish = _as_finish(ending)
        if isinstance(ending, GiveBack):
            shift.not_begun()
            if ending.refused:
                shift.refused.add(lease.run)
        self._tell_settlement(ward, finish)
        state = self._state_of(ward, finish)
        shift.record(RunEnded(
            run=lease.run, attempt=lease.attempt, task=record.task, slot=self.number, state=state,
            outcome=finish.outcome, reason=finish.reason, result=finish.result, metric=ward.metric,
            seconds=shift.clock.monotonic() - ward.began))
        tell_observers(ward, conducted, shift.store, self._extensions)

    def _tell_settlement(self, ward: Ward, finish: Finish) -> None:
        run, what = ward.lease.run, ward.journal.settlement
        if what is Settlement.ABANDONED:
            result = "" if finish.result is None else f" with result {finish.result:g}"
            self._shift.tell(f"run {run} ended here ({finish.outcome}{result}), but its store was down "
                             "until this worker stopped: another worker will run it again", logging.ERROR)
        elif what is Settlement.GONE:
            self._shift.tell(f"run {run} is not in the store any more; its outcome is lost", logging.ERROR)
        elif what is Settlement.LATE:
            self._shift.tell(f"run {run} was taken from this worker; its outcome is kept as a note on "
                             f"attempt {ward.lease.attempt}", logging.WARNING)

    def _state_of(self, ward: Ward, finish: Finish) -> State:
        if finish.outcome is Outcome.COMPLETED and ward.journal.settlement is Settlement.STORED:
            return State.COMPLETED
        try:
            return self._shift.store.get(ward.lease.run).state
        except Exception:                  # noqa: BLE001 - for display only
            return State.RUNNING


def _as_finish(ending: Ending) -> Finish:
    if isinstance(ending, GiveBack):
        return Finish(outcome=Outcome.RELEASED, reason=ending.reason)
    return ending.finish if isinstance(ending, Evidence) else ending
