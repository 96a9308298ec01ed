"""A harness for store tests: small runs, brought into any state."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.run import Attempt, Claim, Finish, Held, Lease, NewRun, Owner, RunRecord
from hyperspace_core.records.states import Command, Outcome, State
from hyperspace_core.storage import Store, new_token

PROJECT = "conformance"
PATIENCE_S = 60.0
UNKNOWN_ID = 4711                          # an id that does not exist

COMPLETED = Finish(outcome=Outcome.COMPLETED, result=0.5, metrics={"result": 0.5})
FAILED = Finish(outcome=Outcome.FAILED, reason="ValueError: no", traceback="Traceback: no")
CANCELLED = Finish(outcome=Outcome.CANCELLED, reason="cancelled")
COMMANDS = (None, Command.PAUSE, Command.CANCEL)       # the commands that a running run may have


def owner(worker: str = "first") -> Owner:
    """A process that holds runs; it need not exist."""
    return Owner(worker=worker, host="host", user="user", boot_id="boot", pid_namespace="4026531836",
                 pid=17, process_started=1234.5)


def new_run(**fields: Any) -> NewRun:
    return NewRun(**{"uid": new_token(), "project": PROJECT, "task": "task", "submitted": {}} | fields)


def forged(run: int, attempt: int = 1) -> Lease:
    """A lease that no store has given out."""
    return Lease(run=run, attempt=attempt, token=new_token())


def until(met: Callable[[], Any], what: str) -> Any:
    """Poll until the condition is met."""
    end = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while time.monotonic() < end:
        found = met()
        if found:
            return found
        pause.wait(0.01)
    raise AssertionError(f"waited {PATIENCE_S:g} s for: {what}")


class Desk:
    """One store and one project."""

    def __init__(self, store: Store, project: str = PROJECT) -> None:
        self.store = store
        self.project = project

    # -- runs ------------------------------------------------------------------------------------------------

    def submit(self, **fields: Any) -> int:
        """Queue one run."""
        return self.submit_many(1, **fields)[0]

    def submit_many(self, count: int, **fields: Any) -> list[int]:
        return self.store.submit([new_run(**{"project": self.project} | fields) for _ in range(count)])

    def claim(self, run: int | None = None, worker: str = "first") -> Claim | None:
        """Claim this run, or any run."""
        only = None if run is None else [run]
        return self.store.claim(self.project, owner(worker), new_token(), only=only)

    def take(self, run: int | None = None, worker: str = "first") -> Claim:
        """Claim a run that is known to be queued."""
        claim = self.claim(run, worker)
        assert claim is not None, f"run {run} cannot be claimed"
        return claim

    def start(self, **fields: Any) -> Lease:
        """Submit a run and claim it."""
        return self.take(self.submit(**fields)).lease

    def ask(self, run: int, command: Command | None) -> None:
        """Send a command to a running run, or none."""
        if command is not None:
            verb = self.store.pause if command is Command.PAUSE else self.store.cancel
            assert verb(run) is State.RUNNING, f"run {run} does not accept the command {command}"

    def lose(self, run: int, reason: str = "gone") -> State:
        """Reap a running run, as if its worker were dead."""
        state = self.store.reap(self.held(run), reason)
        assert state is not None, f"run {run} was not reaped"
        return state

    def zombie(self, **fields: Any) -> Lease:
        """The lease of an owner whose run was reaped and is queued again."""
        lease = self.start(**fields)
        self.lose(lease.run)
        return lease

    def bring(self, run: int, state: State) -> Lease | None:
        """Bring a queued run into a state; the lease of its current or last owner, if any."""
        if state is State.QUEUED:
            return None
        if state in (State.PAUSED, State.CANCELLED):
            (self.store.pause if state is State.PAUSED else self.store.cancel)(run)
            return None
        lease = self.take(run, "second").lease
        if state is not State.RUNNING:
            assert self.store.finish(lease, COMPLETED if state is State.COMPLETED else FAILED)
        return lease

    def in_state(self, state: State, **fields: Any) -> int:
        """A new run in a state."""
        run = self.submit(**fields)
        self.bring(run, state)
        return run

    # -- reading ---------------------------------------------------------------------------------------------

    def get(self, run: int) -> RunRecord:
        return self.store.get(run)

    def state(self, run: int) -> State:
        return self.store.get(run).state

    def last(self, run: int) -> Attempt:
        attempt = self.store.get(run).attempt
        assert attempt is not None, f"run {run} has no attempt"
        return attempt

    def held(self, run: int) -> Held:
        return next(held for held in self.store.held(self.project) if held.run == run)

    def beat(self, run: int) -> int:
        return self.held(run).beat

    def ids(self, **fields: Any) -> list[int]:
        """The ids of the runs that match, oldest first."""
        wanted = RunFilter(**{"project": self.project} | fields)
        return sorted(record.id for record in self.store.find(wanted))

    def picture(self, *runs: int) -> str:
        """The whole content of some runs as text, so that NaN equals NaN."""
        return "\n".join(repr(self.store.get(run)) for run in runs)
