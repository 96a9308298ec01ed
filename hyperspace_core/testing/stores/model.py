"""The state machine of runs as a pure model: expected answers and contents.

An answer of None means any (a repeat long afterwards); an exception class is the expected error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hyperspace_core.errors import HyperspaceError, NotFound, Refused
from hyperspace_core.records.run import Held, Lease
from hyperspace_core.records.states import Command, Outcome, State, after_failure, after_reap, after_release

Refusal = type[HyperspaceError]


@dataclass
class ModelAttempt:
    """One attempt; `word` is the last verb with which its owner ended it, if the run is unchanged since."""

    token: str
    outcome: Outcome | None = None
    word: object = None
    late: Outcome | None = None


@dataclass
class ModelRun:
    id: int
    priority: int
    max_losses: int
    max_failures: int
    state: State = State.QUEUED
    command: Command | None = None
    losses: int = 0
    failures: int = 0
    result: float | None = None
    attempts: list[ModelAttempt] = field(default_factory=list)

    def touched(self) -> None:
        """Mark the run as changed: a repeat of an earlier verb is no longer a mere repeat."""
        for attempt in self.attempts:
            attempt.word = None if attempt.word is None else "long ago"

    def ends(self, state: State, outcome: Outcome, word: object = None) -> None:
        self.touched()
        self.state, self.command = state, None
        self.attempts[-1].outcome, self.attempts[-1].word = outcome, word


class Model:
    """All runs of one project."""

    def __init__(self) -> None:
        self.runs: dict[int, ModelRun] = {}

    # -- users -----------------------------------------------------------------------------------------------

    def submit(self, run: ModelRun) -> None:
        self.runs[run.id] = run

    def cancel(self, run: int) -> State | Refusal:
        return self._person(run, dict.fromkeys((State.QUEUED, State.PAUSED), State.CANCELLED), Command.CANCEL)

    def pause(self, run: int) -> State | Refusal:
        return self._person(run, {State.QUEUED: State.PAUSED}, Command.PAUSE)

    def resume(self, run: int) -> State | Refusal:
        found = self.runs.get(run)
        if found is not None and found.state is State.RUNNING and found.command is Command.PAUSE:
            found.command = None
            return State.RUNNING
        return self._person(run, {State.PAUSED: State.QUEUED})

    def requeue(self, run: int) -> State | Refusal:
        answer = self._person(run, {state: State.QUEUED for state in State if state.terminal})
        if answer is State.QUEUED:
            found = self.runs[run]
            found.losses = found.failures = 0
            found.result = None
        return answer

    def delete(self, run: int) -> list[int] | Refusal:
        found = self.runs.get(run)
        if found is None:
            return []
        if found.state is State.RUNNING:
            return Refused
        del self.runs[run]
        return [run]

    def _person(self, run: int, steps: dict[State, State], wish: Command | None = None) -> State | Refusal:
        found = self.runs.get(run)
        if found is None:
            return NotFound
        if found.state is State.RUNNING and wish is not None:
            if found.command is not Command.CANCEL:
                found.command = wish
            return State.RUNNING
        if found.state not in steps:
            return Refused
        found.touched()
        found.state = steps[found.state]
        return found.state

    # -- workers ---------------------------------------------------------------------------------------------

    def claim(self, token: str, only: int | None = None) -> Lease | None:
        queued = [run for run in self.runs.values() if run.state is State.QUEUED and only in (None, run.id)]
        if not queued:
            return None
        run = min(queued, key=lambda one: (-one.priority, one.id))
        run.touched()
        run.state, run.command = State.RUNNING, None
        run.attempts.append(ModelAttempt(token))
        return Lease(run=run.id, attempt=len(run.attempts), token=token)

    def held(self, lease: Lease) -> ModelRun | None:
        """The run if the lease is current."""
        run = self.runs.get(lease.run)
        if run is None or run.state is not State.RUNNING or len(run.attempts) != lease.attempt:
            return None
        return run if run.attempts[-1].token == lease.token else None

    def finish(self, lease: Lease, outcome: Outcome, retry: bool, result: float) -> bool | None:
        run = self.held(lease)
        if run is None:
            return self._repeated(lease, outcome)
        state = State.COMPLETED if outcome is Outcome.COMPLETED else State.CANCELLED
        if outcome not in (Outcome.COMPLETED, Outcome.CANCELLED):
            run.failures += 1
            state = after_failure(run.command, run.failures, run.max_failures) if retry else State.FAILED
        run.ends(state, outcome, outcome)
        run.result = result if outcome is Outcome.COMPLETED else run.result
        return True

    def release(self, lease: Lease) -> bool | None:
        run = self.held(lease)
        if run is None:
            return self._repeated(lease, "release")
        run.ends(after_release(run.command), Outcome.RELEASED, "release")
        return True

    def reap(self, seen: Held, beat_now: int | None) -> State | None:
        run = self.held(Lease(run=seen.run, attempt=seen.attempt, token=seen.token))
        if run is None or seen.beat != beat_now:
            return None
        run.losses += 1
        run.ends(after_reap(run.command, run.losses, run.max_losses), Outcome.LOST)
        return run.state

    def readopt(self, lease: Lease) -> bool | None:
        run, attempt = self.runs.get(lease.run), self._attempt(lease)
        if run is None or attempt is None or attempt is not run.attempts[-1]:
            return False
        if run.state is State.RUNNING:         # holds the run: perhaps a repeat
            return True if attempt.word == "readopted" else None
        if run.state is not State.QUEUED or attempt.outcome is not Outcome.LOST:
            return False
        run.touched()
        run.state, run.command, run.losses = State.RUNNING, None, max(0, run.losses - 1)
        attempt.outcome, attempt.word = None, "readopted"
        return True

    def late(self, lease: Lease, outcome: Outcome) -> bool:
        attempt = self._attempt(lease)
        if attempt is None:
            return False
        attempt.late = outcome
        return True

    def _repeated(self, lease: Lease, word: object) -> bool | None:
        attempt = self._attempt(lease)
        if attempt is None or attempt.word is None:
            return False
        if attempt.word == word:
            return True
        return None if attempt.word == "long ago" else False

    def _attempt(self, lease: Lease) -> ModelAttempt | None:
        run = self.runs.get(lease.run)
        if run is None or not 0 < lease.attempt <= len(run.attempts):
            return None
        attempt = run.attempts[lease.attempt - 1]
        return attempt if attempt.token == lease.token else None


def seen_of(run: ModelRun) -> tuple[Any, ...]:
    """The content of a run that a store must have."""
    return (run.state, run.command, run.losses, run.failures, run.priority, run.result,
            [(number, attempt.outcome, attempt.late) for number, attempt in enumerate(run.attempts, start=1)])
