"""T12 and T13: an owner returns after its run was reaped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hyperspace_core.records.run import Finish, Lease
from hyperspace_core.records.states import Command, Outcome, State
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.desk import CANCELLED, COMPLETED, FAILED, Desk, owner
from hyperspace_core.testing.stores.strategies import same

ELSEWHERE = owner("first, again")


class Readopting(StoreTests):
    def test_a_readopted_run_counts_no_loss(self, desk: Desk) -> None:
        lease = desk.start()
        beat = desk.beat(lease.run)
        desk.lose(lease.run)

        assert desk.store.readopt(lease, ELSEWHERE)

        record, attempt = desk.get(lease.run), desk.last(lease.run)
        assert (record.state, record.losses, record.finished_at) == (State.RUNNING, 0, None)
        assert (attempt.number, attempt.outcome, attempt.ended_at) == (1, None, None)
        held = desk.held(lease.run)
        assert (held.attempt, held.token, held.owner) == (1, lease.token, ELSEWHERE)
        assert held.beat > beat
        assert desk.store.beat(lease).held and desk.claim() is None
        assert desk.store.finish(lease, COMPLETED)
        assert desk.state(lease.run) is State.COMPLETED

    def test_a_repeated_readopt_succeeds(self, desk: Desk) -> None:
        lease = desk.zombie()
        assert desk.store.readopt(lease, ELSEWHERE)
        before = desk.picture(lease.run)

        assert desk.store.readopt(lease, ELSEWHERE)
        assert desk.picture(lease.run) == before

    def test_an_earlier_beat_does_not_reap_a_readopted_run(self, desk: Desk) -> None:
        lease = desk.start()
        seen = desk.held(lease.run)
        desk.lose(lease.run)
        desk.store.readopt(lease, ELSEWHERE)

        assert desk.store.reap(seen) is None
        assert desk.store.beat(lease).held

    def test_readopt_is_refused_after_another_claim(self, desk: Desk) -> None:
        lease = desk.zombie()
        second = desk.take(lease.run, "second").lease
        assert not desk.store.readopt(lease, ELSEWHERE)

        desk.store.release(second)
        before = desk.picture(lease.run)
        assert not desk.store.readopt(lease, ELSEWHERE)
        assert desk.picture(lease.run) == before

    def test_readopt_needs_the_token(self, desk: Desk) -> None:
        lease = desk.zombie()

        assert not desk.store.readopt(replace(lease, token="0" * 32), ELSEWHERE)
        assert desk.state(lease.run) is State.QUEUED

    @pytest.mark.parametrize("what", [Command.PAUSE, Command.CANCEL])
    def test_a_stopped_run_is_not_readopted(self, desk: Desk, what: Command) -> None:
        lease = desk.start()
        desk.ask(lease.run, what)
        desk.lose(lease.run)
        before = desk.picture(lease.run)

        assert not desk.store.readopt(lease, ELSEWHERE)
        assert desk.picture(lease.run) == before

    def test_a_run_lost_too_often_is_not_readopted(self, desk: Desk) -> None:
        lease = desk.zombie(max_losses=1)

        assert not desk.store.readopt(lease, ELSEWHERE)
        assert desk.state(lease.run) is State.FAILED

    def test_only_a_lost_attempt_is_readopted(self, desk: Desk) -> None:
        released, failed = desk.start(), desk.start(max_failures=1)
        desk.store.release(released)
        desk.store.finish(failed, FAILED)

        for lease in (released, failed):
            assert desk.state(lease.run) is State.QUEUED
            assert not desk.store.readopt(lease, ELSEWHERE)
            assert desk.state(lease.run) is State.QUEUED

    def test_losses_never_fall_below_zero(self, desk: Desk) -> None:
        lease = desk.zombie(max_losses=1)
        desk.store.requeue(lease.run)
        desk.store.readopt(lease, ELSEWHERE)

        assert desk.get(lease.run).losses == 0


class BeingLate(StoreTests):
    LATE = Finish(outcome=Outcome.COMPLETED, reason="late", result=float("nan"),
                  metrics={"a.b": [1, {"$c": 2}]})

    @pytest.mark.parametrize("state", State)
    def test_a_late_end_is_only_a_note(
            self, desk: Desk, state: State) -> None:
        lease = desk.zombie()
        desk.bring(lease.run, state)
        before = desk.get(lease.run)

        assert desk.store.late(lease, self.LATE)

        record = desk.get(lease.run)
        late = record.attempts[0].late
        assert late is not None and late.at is not None
        assert (late.outcome, late.reason) == (Outcome.COMPLETED, "late")
        assert same(late.result, self.LATE.result) and same(late.metrics, self.LATE.metrics)
        without = replace(record.attempts[0], late=None)
        assert replace(record, attempts=(without, *record.attempts[1:])) == before

    def test_a_repeated_late_end_changes_nothing(self, desk: Desk) -> None:
        lease = desk.zombie()
        desk.store.late(lease, CANCELLED)
        first = desk.get(lease.run).attempts[0].late

        assert desk.store.late(lease, CANCELLED)
        again = desk.get(lease.run).attempts[0].late
        assert first is not None and again is not None
        assert replace(again, at=None) == replace(first, at=None)

    def test_late_needs_an_attempt_with_this_token(self, desk: Desk) -> None:
        lease = desk.zombie()

        assert not desk.store.late(Lease(run=lease.run, attempt=1, token="0" * 32), self.LATE)
        assert not desk.store.late(Lease(run=lease.run, attempt=2, token=lease.token), self.LATE)
        assert desk.get(lease.run).attempts[0].late is None

    def test_a_late_end_belongs_to_its_attempt(self, desk: Desk) -> None:
        first = desk.zombie()
        second = desk.take(first.run).lease
        desk.lose(first.run)
        desk.store.late(second, FAILED)

        notes = [attempt.late for attempt in desk.get(first.run).attempts]
        assert notes[0] is None and notes[1] is not None
