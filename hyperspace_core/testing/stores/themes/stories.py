"""Random sequences of verbs, compared between the store and the model."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
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

from hyperspace_core.errors import HyperspaceError, NotFound
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.run import Finish, Held, Lease, RunRecord, Update
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import new_token
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.desk import Desk, owner
from hyperspace_core.testing.stores.model import Model, ModelRun, seen_of

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


class Story(RuleBasedStateMachine):
    """Each rule is a verb; old leases and observations are kept, so that fenced owners call again."""

    leases = Bundle("leases")
    sightings = Bundle("sightings")

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk, self.store, self.model = desk, desk.store, Model()
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
        self.store.change_settings(self.desk.project, paused=True)
        assert self.desk.claim() is None
        self.store.change_settings(self.desk.project, paused=False)

    # -- workers ---------------------------------------------------------------------------------------------

    @rule(target=leases, worker=WORKERS)
    def claim(self, worker: str) -> Any:
        token = new_token()
        claim = self.store.claim(self.desk.project, owner(worker), token)
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
        claim = self.store.claim(self.desk.project, owner(worker), token, only=[run])
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
        return multiple(*self.store.held(self.desk.project))

    @rule(seen=sightings)
    def reap(self, seen: Held) -> None:
        now = {row.run: row.beat for row in self.store.held(self.desk.project)}
        assert self.store.reap(seen, "gone") == self.model.reap(seen, now.get(seen.run))

    @rule(lease=leases, back=st.booleans())
    def lose(self, lease: Lease, back: bool) -> None:
        """Reap an owner; perhaps only its network was cut, and it returns at once."""
        if self.model.held(lease) is not None:
            self.reap(self.desk.held(lease.run))
        if back:
            self.readopt(lease, "third", twice=True)

    # -- invariants ------------------------------------------------------------------------------------------

    def queued(self, priority: int, max_losses: int, max_failures: int) -> int:
        run = self.desk.submit(priority=priority, max_losses=max_losses, max_failures=max_failures)
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
        beat = self.desk.beat(run)
        assert beat > self.beats.get(run, 0)
        self.beats[run] = beat

    @invariant()
    def the_store_holds_what_the_model_holds(self) -> None:
        records = self.store.find(RunFilter(project=self.desk.project))
        found = {record.id: of_record(record) for record in records}
        assert found == {run.id: seen_of(run) for run in self.model.runs.values()}

    @invariant()
    def exactly_the_running_runs_are_held_and_no_beat_ever_falls(self) -> None:
        held = {row.run: row for row in self.store.held(self.desk.project)}
        running = [run for run in self.model.runs.values() if run.state is State.RUNNING]
        assert {run: (row.attempt, row.token) for run, row in held.items()} == {
            run.id: (len(run.attempts), run.attempts[-1].token) for run in running}
        for run, row in held.items():
            assert row.beat >= self.beats.get(run, 0)
            self.beats[run] = row.beat


class Stories(StoreTests):
    def test_the_store_agrees_with_the_model(self, desk: Desk) -> None:
        numbers = count()

        class HereStory(Story):
            def __init__(self) -> None:
                super().__init__(Desk(desk.store, f"story {next(numbers)}"))

        run_state_machine_as_test(HereStory, settings=settings(
            max_examples=self.stories, stateful_step_count=self.story_steps, deadline=None))
