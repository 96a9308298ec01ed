"""T8, T12 and T13: lost owners, and what they may still do when they come back."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from hyperspace_core.records.run import Finish, Held, Lease
from hyperspace_core.records.states import TERMINAL, Command, Outcome, State, after_reap
from hyperspace_core.storage import Store
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.desk import CANCELLED, COMPLETED, FAILED, PROJECT, Desk, owner
from hyperspace_core.testing.stores.strategies import same
from hyperspace_core.testing.stores.themes.owning import COMMANDS, command

ELSEWHERE = owner("first, again")


class Reaping(StoreTests):
    def test_observers_see_every_running_run_of_their_project(self, desk: Desk) -> None:
        leases = [desk.start() for _ in range(3)]
        desk.submit()
        Desk(desk.store, "elsewhere").start()
        desk.store.finish(leases.pop(), COMPLETED)

        held = {row.run: row for row in desk.store.held(PROJECT)}

        assert set(held) == {lease.run for lease in leases}
        for lease in leases:
            row = held[lease.run]
            assert (row.attempt, row.token, row.owner) == (lease.attempt, lease.token, owner("first"))

    @pytest.mark.parametrize("what", COMMANDS)
    @pytest.mark.parametrize("budget", [1, 2])
    def test_a_lost_run_goes_where_the_table_says(
            self, desk: Desk, what: Command | None, budget: int) -> None:
        lease = desk.start(max_losses=budget)
        command(desk.store, lease.run, what)

        state = desk.store.reap(desk.held(lease.run), "no beat for 30 s")

        record, attempt = desk.get(lease.run), desk.last(lease.run)
        assert state is record.state is after_reap(what, 1, budget)
        assert (attempt.outcome, attempt.reason) == (Outcome.LOST, "no beat for 30 s")
        assert attempt.ended_at is not None
        assert (record.losses, record.failures, record.command) == (1, 0, None)
        assert (record.finished_at is not None) == (record.state in TERMINAL)
        assert desk.store.held(PROJECT) == []

    def test_a_run_that_kills_its_workers_is_not_tried_for_ever(self, desk: Desk) -> None:
        run = desk.submit()
        states = []
        for number in range(3):
            desk.take(run, f"worker {number}")
            states.append(desk.lose(run))

        assert states == [State.QUEUED, State.QUEUED, State.FAILED]
        record = desk.get(run)
        assert record.losses == 3 and "worker lost 3 times" in (record.reason or "")
        assert [attempt.outcome for attempt in record.attempts] == [Outcome.LOST] * 3
        assert desk.claim() is None

    def test_losses_and_failures_are_counted_apart(self, desk: Desk) -> None:
        run = desk.submit(max_losses=2, max_failures=1)
        desk.take(run)
        desk.lose(run)
        desk.store.finish(desk.take(run).lease, FAILED)

        record = desk.get(run)
        assert (record.state, record.losses, record.failures) == (State.QUEUED, 1, 1)

    def test_a_beat_in_between_saves_the_run(self, desk: Desk) -> None:
        lease = desk.start()
        seen = desk.held(lease.run)
        desk.store.beat(lease)
        before = desk.picture(lease.run)

        assert desk.store.reap(seen) is None
        assert desk.picture(lease.run) == before

    @pytest.mark.parametrize("stale", ["beat", "attempt", "token"])
    def test_who_saw_something_else_does_not_reap(self, desk: Desk, stale: str) -> None:
        seen = desk.held(desk.start().run)
        wrong: dict[str, Held] = {"beat": replace(seen, beat=seen.beat + 1),
                                  "attempt": replace(seen, attempt=seen.attempt + 1),
                                  "token": replace(seen, token="0" * 32)}

        assert desk.store.reap(wrong[stale]) is None
        assert desk.held(seen.run) == seen

    def test_what_was_seen_of_an_earlier_attempt_never_reaps_a_later_one(self, desk: Desk) -> None:
        lease = desk.start()
        seen = desk.held(lease.run)
        desk.store.release(lease)
        later = desk.take(lease.run).lease

        # never reset, or an observer could take the one for the other
        assert desk.beat(lease.run) > seen.beat
        assert desk.store.reap(seen) is None
        assert desk.store.beat(later).held

    @pytest.mark.parametrize("state", [state for state in State if state is not State.RUNNING])
    def test_only_a_running_run_is_reaped(self, desk: Desk, state: State) -> None:
        lease = desk.start(max_losses=5)
        seen = desk.held(lease.run)
        desk.lose(lease.run)
        desk.bring(lease.run, state)
        before = desk.picture(lease.run)

        assert desk.store.reap(seen, "again") is None
        assert desk.picture(lease.run) == before

    def test_of_two_reapers_one_succeeds_and_the_loss_counts_once(self, desk: Desk, other: Store) -> None:
        for _ in range(10):
            seen = desk.held(desk.start().run)
            start = threading.Barrier(2)
            answers: list[State | None] = []

            def reap(store: Store, seen: Held = seen, start: threading.Barrier = start,
                     answers: list[State | None] = answers) -> None:
                start.wait(30)
                answers.append(store.reap(seen))

            threads = [threading.Thread(target=reap, args=(store,)) for store in (desk.store, other)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)

            assert sorted(answers, key=str) == [None, State.QUEUED]
            assert desk.get(seen.run).losses == 1


class Readopting(StoreTests):
    def test_an_owner_that_was_only_cut_off_goes_on_and_no_loss_is_counted(self, desk: Desk) -> None:
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

    def test_a_repeat_is_a_success_for_the_lease_is_held(self, desk: Desk) -> None:
        lease = desk.zombie()
        assert desk.store.readopt(lease, ELSEWHERE)
        before = desk.picture(lease.run)

        assert desk.store.readopt(lease, ELSEWHERE)
        assert desk.picture(lease.run) == before

    def test_what_was_seen_before_the_loss_does_not_reap_it_again(self, desk: Desk) -> None:
        lease = desk.start()
        seen = desk.held(lease.run)
        desk.lose(lease.run)
        desk.store.readopt(lease, ELSEWHERE)

        assert desk.store.reap(seen) is None
        assert desk.store.beat(lease).held

    def test_it_is_refused_once_another_has_claimed_the_run(self, desk: Desk) -> None:
        lease = desk.zombie()
        second = desk.take(lease.run, "second").lease
        assert not desk.store.readopt(lease, ELSEWHERE)

        desk.store.release(second)
        before = desk.picture(lease.run)
        assert not desk.store.readopt(lease, ELSEWHERE)
        assert desk.picture(lease.run) == before

    def test_the_wrong_token_takes_nothing_up(self, desk: Desk) -> None:
        lease = desk.zombie()

        assert not desk.store.readopt(replace(lease, token="0" * 32), ELSEWHERE)
        assert desk.state(lease.run) is State.QUEUED

    @pytest.mark.parametrize("what", [Command.PAUSE, Command.CANCEL])
    def test_a_lost_run_that_people_stopped_is_not_taken_up(self, desk: Desk, what: Command) -> None:
        lease = desk.start()
        command(desk.store, lease.run, what)
        desk.lose(lease.run)
        before = desk.picture(lease.run)

        assert not desk.store.readopt(lease, ELSEWHERE)
        assert desk.picture(lease.run) == before

    def test_a_run_that_was_lost_too_often_is_not_taken_up(self, desk: Desk) -> None:
        lease = desk.zombie(max_losses=1)

        assert not desk.store.readopt(lease, ELSEWHERE)
        assert desk.state(lease.run) is State.FAILED

    def test_only_a_lost_attempt_is_taken_up(self, desk: Desk) -> None:
        released, failed = desk.start(), desk.start(max_failures=1)
        desk.store.release(released)
        desk.store.finish(failed, FAILED)

        for lease in (released, failed):
            assert desk.state(lease.run) is State.QUEUED
            assert not desk.store.readopt(lease, ELSEWHERE)
            assert desk.state(lease.run) is State.QUEUED

    def test_losses_never_fall_below_none(self, desk: Desk) -> None:
        lease = desk.zombie(max_losses=1)
        desk.store.requeue(lease.run)
        desk.store.readopt(lease, ELSEWHERE)

        assert desk.get(lease.run).losses == 0


class BeingLate(StoreTests):
    LATE = Finish(outcome=Outcome.COMPLETED, reason="late", result=float("nan"),
                  metrics={"a.b": [1, {"$c": 2}]})

    @pytest.mark.parametrize("state", State)
    def test_a_late_end_is_kept_as_a_note_in_every_state_and_decides_nothing(
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

    def test_a_repeat_changes_nothing(self, desk: Desk) -> None:
        lease = desk.zombie()
        desk.store.late(lease, CANCELLED)
        first = desk.get(lease.run).attempts[0].late

        assert desk.store.late(lease, CANCELLED)
        again = desk.get(lease.run).attempts[0].late
        assert first is not None and again is not None
        assert replace(again, at=None) == replace(first, at=None)

    def test_it_needs_an_attempt_with_this_token(self, desk: Desk) -> None:
        lease = desk.zombie()

        assert not desk.store.late(Lease(run=lease.run, attempt=1, token="0" * 32), self.LATE)
        assert not desk.store.late(Lease(run=lease.run, attempt=2, token=lease.token), self.LATE)
        assert desk.get(lease.run).attempts[0].late is None

    def test_a_late_end_of_one_attempt_is_not_another_s(self, desk: Desk) -> None:
        first = desk.zombie()
        second = desk.take(first.run).lease
        desk.lose(first.run)
        desk.store.late(second, FAILED)

        notes = [attempt.late for attempt in desk.get(first.run).attempts]
        assert notes[0] is None and notes[1] is not None
