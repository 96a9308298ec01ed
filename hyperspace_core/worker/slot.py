"""A slot: claims a run, has it executed, sees its end into the store, and claims the next."""

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

LOOK_S = 5.0               # an idle slot looks at the queue at least this often, whatever the store tells
DRAIN_LOOK_S = 0.5         # a draining one waits for runs that rest before another try
LOOK_AHEAD = 200           # queued runs among which those with pinned code are looked for
PROPOSALS = 5              # proposals that a slot makes before it waits for something to claim
TROUBLE_S = 2.0            # rest after something that trying again at once would not mend
LONGEST_REST_S = 60.0      # twice as long each time it happens again, up to this
LAST_WORD_S = 5.0          # a worker that is told to stop waits so long for a store that is away


class Slot(threading.Thread):
    """One run at a time. Nothing that a run, a project or the store does ends it before the shift does."""

    def __init__(self, number: int, shift: Shift, hands: Hands, extensions: Extensions,
                 proposals: Proposals) -> None:
        super().__init__(name=f"{shift.owner.worker}-slot-{number}", daemon=True)
        self.number = number
        self.ward: Ward | None = None
        self.done = False                  # it will touch nothing any more
        self.courier = Courier(shift.store, self.name, remark=shift.tell,
                               unavailable=shift.heart.store_failed)
        self._shift, self._hands, self._extensions = shift, hands, extensions
        self._proposals = proposals
        self._token: str | None = None
        self._told_trouble = ""
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
            self._shift.bell.pause(rings, TROUBLE_S)           # the heart tells when it is back
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
        except Exception as error:         # noqa: BLE001 - the project is broken, the disk full: it may be mended
            self._trouble(error)
            self._shift.bell.pause(rings, TROUBLE_S)

    def _longest_wait_s(self) -> float:
        options = self._shift.options
        return options.poll_s or (LOOK_S if not options.drain else DRAIN_LOOK_S)

    def _rest(self) -> None:
        """After a run that could not even begin: the next would fare no better, and each try counts."""
        if not self._troubles:
            return
        clock = self._shift.clock
        until = clock.monotonic() + min(LONGEST_REST_S, TROUBLE_S * 2 ** (self._troubles - 1))
        while not self._shift.over and (left := until - clock.monotonic()) > 0:
            self._shift.bell.pause(self._shift.bell.rings, left)

    def _trouble(self, error: Exception) -> None:
        text = str(error) if isinstance(error, ProjectError | StoreError) else one_line(error)
        # once, not with every try; a temporary name in it is new each time
        kind = f"{type(error).__name__} {error.errno}" if isinstance(error, OSError) else text
        if kind != self._told_trouble:
            self._told_trouble = kind
            self._shift.tell(f"nothing is claimed for now: {text}", logging.ERROR)

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
            for _ in range(PROPOSALS):             # what is proposed another slot or worker may claim
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
        """While the project here is broken: the next runs that bring their code along."""
        if not self._hands.pinned_only:
            return None
        queued = RunFilter(project=self._shift.project, states=(State.QUEUED,), tasks=tuple(tasks))
        return [record.id for record in self._shift.store.find(queued, order=ORDER_QUEUE, limit=LOOK_AHEAD)
                if SNAPSHOT in record.code]

    def _claim_token(self) -> str:
        """The same again, until there is an answer: one that never came may have been "yes"."""
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
        if shift.level:                    # stopped while it was being claimed
            return Conducted(ending=GiveBack(reason="its worker was stopped before it began"), silent=False)
        shift.emit(RunStarted(run=lease.run, attempt=lease.attempt, task=ward.record.task, slot=self.number,
                              config=ward.config, submitted=ward.record.submitted))
        try:
            ward.workdir = Path(tempfile.mkdtemp(prefix=f"hyperspace-{lease.run}-"))
            conducted = self._hands.conduct(ward, ward.workdir)
            self._troubles, self._told_trouble = 0, ""
            return conducted
        except (ProjectError, OSError) as error:       # an edit half-way, no disk, no process: it passes
            self._troubles += 1
            self._trouble(error)
            return Conducted(ending=GiveBack(reason=one_line(error)), silent=False)
        except Exception as error:         # noqa: BLE001 - not this run again, or it would come back for ever
            shift.tell(f"run {lease.run} could not be executed here and is given back: {one_line(error)}",
                       logging.ERROR)
            return Conducted(ending=GiveBack(reason=one_line(error), refused=True), silent=False)

    def _see_settled(self, journal: Journal) -> None:
        """The store may be away for hours: the end waits here, the heart goes on beating."""
        while not journal.settled.wait(0.2):
            level = self._shift.level
            patience = {GIVE_BACK: LAST_WORD_S, KILL: 1.0}.get(level)
            if patience is not None and self._shift.since_stop_s() > patience:
                journal.give_up(Settlement.ABANDONED)

    # -- telling ---------------------------------------------------------------------------------------------

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
            self._shift.tell(f"run {run} ended here ({finish.outcome}{result}), but the store was away until "
                             "this worker was stopped: another worker will do it again", logging.ERROR)
        elif what is Settlement.GONE:
            self._shift.tell(f"run {run} is not in the store any more; its end is not kept", logging.ERROR)
        elif what is Settlement.LATE:
            self._shift.tell(f"run {run} had been taken from this worker; its end is kept as a note on "
                             f"attempt {ward.lease.attempt}", logging.WARNING)

    def _state_of(self, ward: Ward, finish: Finish) -> State:
        if finish.outcome is Outcome.COMPLETED and ward.journal.settlement is Settlement.STORED:
            return State.COMPLETED
        try:
            return self._shift.store.get(ward.lease.run).state
        except Exception:                  # noqa: BLE001 - only shown: the store has it
            return State.RUNNING


def _as_finish(ending: Ending) -> Finish:
    if isinstance(ending, GiveBack):
        return Finish(outcome=Outcome.RELEASED, reason=ending.reason)
    return ending.finish if isinstance(ending, Evidence) else ending
