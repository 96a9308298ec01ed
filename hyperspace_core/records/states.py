"""The states of a run, the outcomes of an attempt, and the legal transitions.

Every store follows this table and is tested against it. "Lost", "cancelling" and "late" are not states: they
are an attempt's outcome, a command to the owner, and a note.
"""

from __future__ import annotations

from enum import StrEnum

from hyperspace_core.errors import Refused


class State(StrEnum):
    QUEUED = "QUEUED"
    PAUSED = "PAUSED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def terminal(self) -> bool:
        return self in TERMINAL


TERMINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})


class Outcome(StrEnum):
    """How an attempt ended; None while the attempt is in progress."""

    COMPLETED = "completed"
    FAILED = "failed"                  # an exception in user code
    CRASHED = "crashed"                # the process vanished: signal, os._exit, SystemExit
    OUT_OF_MEMORY = "out_of_memory"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    RELEASED = "released"              # given back by its worker; not counted as a loss
    LOST = "lost"                      # its worker died or was cut off; counts towards max_losses


PRUNED = "pruned"              # reason of a run that completed early because a pruner stopped it


class Command(StrEnum):
    """A request to a running run's owner, sent in the answer to a heartbeat."""

    CANCEL = "cancel"
    PAUSE = "pause"


class Verb(StrEnum):
    """The transitions T1 to T14, named after the store's methods."""

    SUBMIT = "submit"          # T1
    CLAIM = "claim"            # T2
    BEAT = "beat"              # T3
    COMPLETE = "complete"      # T4
    FAIL = "fail"              # T5, T6
    RELEASE = "release"        # T7
    REAP = "reap"              # T8
    CANCEL = "cancel"          # T9
    CANCELLED = "cancelled"    # T10
    PAUSE = "pause"            # T11
    RESUME = "resume"          # T11
    LATE = "late"              # T12
    READOPT = "readopt"        # T13
    REQUEUE = "requeue"        # T14


_ANY = frozenset(State)

# verb -> state before (None: no run yet) -> legal states after. A verb without an entry is refused.
TRANSITIONS: dict[Verb, dict[State | None, frozenset[State]]] = {
    Verb.SUBMIT: {None: frozenset({State.QUEUED})},
    Verb.CLAIM: {State.QUEUED: frozenset({State.RUNNING})},
    Verb.BEAT: {State.RUNNING: frozenset({State.RUNNING})},
    Verb.COMPLETE: {State.RUNNING: frozenset({State.COMPLETED})},
    Verb.FAIL: {State.RUNNING: frozenset({State.FAILED, State.QUEUED, State.PAUSED, State.CANCELLED})},
    Verb.RELEASE: {State.RUNNING: frozenset({State.QUEUED, State.PAUSED, State.CANCELLED})},
    Verb.REAP: {State.RUNNING: frozenset({State.QUEUED, State.PAUSED, State.FAILED, State.CANCELLED})},
    Verb.CANCEL: {
        State.QUEUED: frozenset({State.CANCELLED}),
        State.PAUSED: frozenset({State.CANCELLED}),
        State.RUNNING: frozenset({State.RUNNING}),      # as a command to the owner
    },
    Verb.CANCELLED: {State.RUNNING: frozenset({State.CANCELLED})},
    Verb.PAUSE: {
        State.QUEUED: frozenset({State.PAUSED}),
        State.RUNNING: frozenset({State.RUNNING}),      # as a command to the owner
    },
    Verb.RESUME: {State.PAUSED: frozenset({State.QUEUED})},       # of a running run: the command ends
    Verb.LATE: {state: frozenset({state}) for state in _ANY},
    Verb.READOPT: {State.QUEUED: frozenset({State.RUNNING})},
    Verb.REQUEUE: {state: frozenset({State.QUEUED}) for state in TERMINAL},
}

# the hint in the message when the state does not allow a verb
CURES = {
    Verb.CANCEL: "only a queued, paused or running run can be cancelled",
    Verb.PAUSE: "only a queued or running run can be paused",
    Verb.RESUME: "only a paused run, or a running one that was asked to pause, can be resumed",
    Verb.REQUEUE: "only a run that has ended can be queued again",
}


def allowed(verb: Verb, before: State | None) -> frozenset[State]:
    """The states that may follow; empty where the verb is refused."""
    return TRANSITIONS[verb].get(before, frozenset())


def next_state(run: int, before: State, verb: Verb) -> State:
    """The state after a user's request. Raises `Refused` if it is not allowed."""
    after = allowed(verb, before)
    if not after:
        raise Refused(f"run {run} is {before}: {CURES[verb]}")
    (state,) = after
    return state


def after_reap(command: Command | None, losses: int, max_losses: int) -> State:
    """The state of a reaped run; `losses` includes this loss."""
    if losses >= max_losses and command is not Command.CANCEL:
        return State.FAILED
    return after_release(command)


def after_release(command: Command | None) -> State:
    """The state of a released run; after a cancel it never returns to the queue."""
    if command is Command.CANCEL:
        return State.CANCELLED
    return State.PAUSED if command is Command.PAUSE else State.QUEUED


def after_failure(command: Command | None, failures: int, max_failures: int) -> State:
    """The state of a run whose code failed; `failures` includes this failure."""
    return State.FAILED if failures > max_failures else after_release(command)


def after_finish(outcome: Outcome, command: Command | None, failures: int, max_failures: int, *,
                 retry: bool) -> tuple[State, int]:
    """The state and the number of failures after an owner has ended its attempt."""
    if outcome is Outcome.COMPLETED:
        return State.COMPLETED, failures
    if outcome is Outcome.CANCELLED:
        return State.CANCELLED, failures
    failures += 1
    return after_failure(command, failures, max_failures) if retry else State.FAILED, failures


def reason_of_reap(state: State, losses: int) -> str | None:
    """The reason stored with a reaped run; None where the run stays runnable."""
    reasons = {State.CANCELLED: "cancelled (worker lost)", State.FAILED: f"worker lost {losses} times"}
    return reasons.get(state)
