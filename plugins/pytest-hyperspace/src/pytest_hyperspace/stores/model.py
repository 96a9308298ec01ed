"""The state machine of runs as a pure model: expected answers and contents.

An answer of None means any (a repeat long afterwards); an exception class is the expected error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hyperspace_core.errors import HyperspaceError, NotFound, Refused
from hyperspace_core.plugin import states
from hyperspace_core.records import Command, Finish, Held, Lease, Outcome, RunFilter, RunRecord, State, Update
from hyperspace_core.storage import new_token
from pytest_hyperspace.stores.base import StoreTests
from pytest_hyperspace.stores.harness import Harness, owner

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
            state = states.after_failure(run.command, run.failures,
                                         run.max_failures) if retry else State.FAILED
        run.ends(state, outcome, outcome)
        run.result = result if outcome is Outcome.COMPLETED else run.result
        return True

    def release(self, lease: Lease) -> bool | None:
        run = self.held(lease)
        if run is None:
            return self._repeated(lease, "release")
        run.ends(states.after_release(run.command), Outcome.RELEASED, "release")
        return True

    def reap(self, seen: Held, beat_now: int | None) -> State | None:
        run = self.held(Lease(run=seen.run, attempt=seen.attempt, token=seen.token))
        if run is None or seen.beat != beat_now:
            return None
        run.losses += 1
        run.ends(states.after_reap(run.command, run.losses, run.max_losses), Outcome.LOST)
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


# -- Random sequences of verbs on the store and the model ----

WORKERS = st.sampled_from(["first", "second", "third"])
WHICH = st.floats(0, 1)
ENDS = st.sampled_from([Outcome.COMPLETED, Outcome.FAILED, Outcome.CRASHED, Outcome.CANCELLED])


def asked(verb: Callable[[], Any]) -> Any:
    """The store's answer, or the class of the error raised."""
    try:
        return verb()
    except HyperspaceError as error:
        return type(error)


def answered(verb: Callable[[], bool]) -> bool:
    """An owner's answer; a deleted run counts as a refusal."""
    try:
        return verb()
    except NotFound:
        return False


def of_record(record: RunRecord) -> tuple[Any, ...]:
    return (record.state, record.command, record.losses, record.failures, record.priority, record.result,
            [(attempt.number, attempt.outcome, attempt.late and attempt.late.outcome)
             for attempt in record.attempts])


class StoreMachine(RuleBasedStateMachine):
    """Each rule is a verb; old leases and observations are kept, so that fenced owners call again."""

    leases = Bundle("leases")
    sightings = Bundle("sightings")

    def __init__(self, harness: Harness) -> None:
        super().__init__()
        self.harness, self.store, self.model = harness, harness.store, Model()
        self.beats: dict[int, int] = {}                # the highest beat seen of each run
        self.results = count(1)

    @initialize(target=leases)
    def begin(self) -> Any:
        """Begin with one queued run and one running run."""
        self.queued(0, 2, 1)
        return self.start("first", 2, 0)

    # -- users -----------------------------------------------------------------------------------------------

    @rule(priority=st.integers(-1, 1), max_losses=st.integers(1, 2), max_failures=st.integers(0, 1))
    def submit(self, priority: int, max_losses: int, max_failures: int) -> None:
        self.queued(priority, max_losses, max_failures)

    @rule(verb=st.sampled_from(["cancel", "pause", "resume", "requeue"]), which=WHICH)
    def command(self, verb: str, which: float) -> None:
        run = self.one_of(which)
        assert asked(lambda: getattr(self.store, verb)(run)) == getattr(self.model, verb)(run)

    @rule(lease=leases, verb=st.sampled_from(["cancel", "pause", "resume", "requeue"]))
    def command_a_run_that_was_claimed(self, lease: Lease, verb: str) -> None:
        assert asked(lambda: getattr(self.store, verb)(lease.run)) == getattr(self.model, verb)(lease.run)

    @rule(priority=st.integers(-1, 1), which=WHICH)
    def prefer(self, priority: int, which: float) -> None:
        run = self.one_of(which)
        self.model.runs[run].priority = self.store.annotate(run, priority=priority).priority
        assert self.model.runs[run].priority == priority

    @precondition(lambda self: len(self.model.runs) > 2)
    @rule(which=WHICH)
    def delete(self, which: float) -> None:
        run = self.one_of(which)
        assert asked(lambda: self.store.delete([run])) == self.model.delete(run)

    @rule()
    def hold_the_queue_for_a_moment(self) -> None:
        self.store.change_settings(self.harness.project, paused=True)
        assert self.harness.claim() is None
        self.store.change_settings(self.harness.project, paused=False)

    # -- workers ---------------------------------------------------------------------------------------------

    @rule(target=leases, worker=WORKERS)
    def claim(self, worker: str) -> Any:
        token = new_token()
        claim = self.store.claim(self.harness.project, owner(worker), token)
        expected = self.model.claim(token)
        assert (None if claim is None else claim.lease) == expected
        if claim is None:
            return multiple()
        self.beat_grows(claim.lease.run)
        return claim.lease

    @rule(target=leases, worker=WORKERS, max_losses=st.integers(1, 2), max_failures=st.integers(0, 1))
    def start(self, worker: str, max_losses: int, max_failures: int) -> Lease:
        """Submit and claim a run in one step."""
        run, token = self.queued(-9, max_losses, max_failures), new_token()
        claim = self.store.claim(self.harness.project, owner(worker), token, only=[run])
        assert claim is not None and claim.lease == self.model.claim(token, run)
        self.beat_grows(run)
        return claim.lease

    @rule(lease=leases)
    def beat(self, lease: Lease) -> None:
        held = self.model.held(lease)
        try:
            answer = self.store.beat(lease)
        except NotFound:
            assert held is None and lease.run not in self.model.runs
            return
        assert (answer.held, answer.command) == (held is not None, held and held.command)
        if held is not None:
            self.beat_grows(lease.run)

    @rule(lease=leases)
    def update(self, lease: Lease) -> None:
        change = Update(info={"by": lease.attempt}, provenance={"host": {"attempt": lease.attempt}})
        assert answered(lambda: self.store.update(lease, change)) is (self.model.held(lease) is not None)

    @rule(lease=leases, outcome=ENDS, retry=st.booleans(), twice=st.booleans())
    def finish(self, lease: Lease, outcome: Outcome, retry: bool, twice: bool) -> None:
        result = float(next(self.results))
        end = Finish(outcome=outcome, retry=retry, result=result if outcome is Outcome.COMPLETED else None)
        for _ in range(1 + twice):
            expected = self.model.finish(lease, outcome, retry, result)
            self.agree(answered(lambda: self.store.finish(lease, end)), expected)

    @rule(lease=leases, twice=st.booleans())
    def release(self, lease: Lease, twice: bool) -> None:
        for _ in range(1 + twice):
            self.agree(answered(lambda: self.store.release(lease)), self.model.release(lease))

    @rule(lease=leases, worker=WORKERS, twice=st.booleans())
    def readopt(self, lease: Lease, worker: str, twice: bool) -> None:
        for _ in range(1 + twice):
            self.agree(answered(lambda: self.store.readopt(lease, owner(worker))), self.model.readopt(lease))

    @rule(lease=leases, outcome=ENDS)
    def late(self, lease: Lease, outcome: Outcome) -> None:
        expected = self.model.late(lease, outcome)
        assert answered(lambda: self.store.late(lease, Finish(outcome=outcome))) is expected

    @rule(target=sightings)
    def observe(self) -> Any:
        return multiple(*self.store.held(self.harness.project))

    @rule(seen=sightings)
    def reap(self, seen: Held) -> None:
        now = {row.run: row.beat for row in self.store.held(self.harness.project)}
        assert self.store.reap(seen, "gone") == self.model.reap(seen, now.get(seen.run))

    @rule(lease=leases, back=st.booleans())
    def lose(self, lease: Lease, back: bool) -> None:
        """Reap an owner; perhaps only its network was cut, and it returns at once."""
        if self.model.held(lease) is not None:
            self.reap(self.harness.held(lease.run))
        if back:
            self.readopt(lease, "third", twice=True)

    # -- invariants ------------------------------------------------------------------------------------------

    def queued(self, priority: int, max_losses: int, max_failures: int) -> int:
        run = self.harness.submit(priority=priority, max_losses=max_losses, max_failures=max_failures)
        self.model.submit(ModelRun(run, priority, max_losses, max_failures))
        return run

    def one_of(self, which: float) -> int:
        """One of the runs: the first for 0, the last for 1."""
        runs = list(self.model.runs)
        return runs[round(which * (len(runs) - 1))]

    def agree(self, answer: bool, expected: bool | None) -> None:
        assert expected is None or answer is expected

    def beat_grows(self, run: int) -> None:
        """The beat has grown since an earlier observation, so the owner is alive."""
        beat = self.harness.beat(run)
        assert beat > self.beats.get(run, 0)
        self.beats[run] = beat

    @invariant()
    def the_store_holds_what_the_model_holds(self) -> None:
        records = self.store.find(RunFilter(project=self.harness.project))
        found = {record.id: of_record(record) for record in records}
        assert found == {run.id: seen_of(run) for run in self.model.runs.values()}

    @invariant()
    def exactly_the_running_runs_are_held_and_no_beat_ever_falls(self) -> None:
        held = {row.run: row for row in self.store.held(self.harness.project)}
        running = [run for run in self.model.runs.values() if run.state is State.RUNNING]
        assert {run: (row.attempt, row.token) for run, row in held.items()} == {
            run.id: (len(run.attempts), run.attempts[-1].token) for run in running}
        for run, row in held.items():
            assert row.beat >= self.beats.get(run, 0)
            self.beats[run] = row.beat


class ModelTests(StoreTests):
    def test_the_store_agrees_with_the_model(self, harness: Harness) -> None:
        numbers = count()

        class OneProject(StoreMachine):
            def __init__(self) -> None:
                super().__init__(Harness(harness.store, f"sequence {next(numbers)}"))

        run_state_machine_as_test(OneProject, settings=settings(
            max_examples=self.sequences, stateful_step_count=self.sequence_steps, deadline=None))
