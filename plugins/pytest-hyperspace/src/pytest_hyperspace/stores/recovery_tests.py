"""Dead owners (T8), owners that return (T12, T13), and repeated verbs (I8)."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from hyperspace_core.plugin import states as states_
from hyperspace_core.records import Command, Finish, Held, Lease, Outcome, State
from hyperspace_core.storage import Store
from pytest_hyperspace.stores.base import StoreTests, same
from pytest_hyperspace.stores.harness import CANCELLED, COMMANDS, COMPLETED, FAILED, PROJECT, Harness, owner


class ReapTests(StoreTests):
    def test_observers_see_every_running_run_of_their_project(self, harness: Harness) -> None:
        leases = [harness.start() for _ in range(3)]
        harness.submit()
        Harness(harness.store, "elsewhere").start()
        harness.store.finish(leases.pop(), COMPLETED)

        held = {row.run: row for row in harness.store.held(PROJECT)}

        assert set(held) == {lease.run for lease in leases}
        for lease in leases:
            row = held[lease.run]
            assert (row.attempt, row.token, row.owner) == (lease.attempt, lease.token, owner("first"))

    @pytest.mark.parametrize("what", COMMANDS)
    @pytest.mark.parametrize("budget", [1, 2])
    def test_a_lost_run_goes_where_the_table_says(
            self, harness: Harness, what: Command | None, budget: int) -> None:
        lease = harness.start(max_losses=budget)
        harness.ask(lease.run, what)

        state = harness.store.reap(harness.held(lease.run), "no beat for 30 s")

        record, attempt = harness.get(lease.run), harness.last(lease.run)
        assert state is record.state is states_.after_reap(what, 1, budget)
        assert (attempt.outcome, attempt.reason) == (Outcome.LOST, "no beat for 30 s")
        assert attempt.ended_at is not None
        assert (record.losses, record.failures, record.command) == (1, 0, None)
        assert (record.finished_at is not None) == (record.state in states_.TERMINAL)
        assert harness.store.held(PROJECT) == []

    def test_a_run_that_kills_its_workers_is_given_up(self, harness: Harness) -> None:
        run = harness.submit()
        states = []
        for number in range(3):
            harness.take(run, f"worker {number}")
            states.append(harness.lose(run))

        assert states == [State.QUEUED, State.QUEUED, State.FAILED]
        record = harness.get(run)
        assert record.losses == 3 and "worker lost 3 times" in (record.reason or "")
        assert [attempt.outcome for attempt in record.attempts] == [Outcome.LOST] * 3
        assert harness.claim() is None

    def test_losses_and_failures_are_counted_apart(self, harness: Harness) -> None:
        run = harness.submit(max_losses=2, max_failures=1)
        harness.take(run)
        harness.lose(run)
        harness.store.finish(harness.take(run).lease, FAILED)

        record = harness.get(run)
        assert (record.state, record.losses, record.failures) == (State.QUEUED, 1, 1)

    def test_a_beat_in_between_prevents_the_reap(self, harness: Harness) -> None:
        lease = harness.start()
        seen = harness.held(lease.run)
        harness.store.beat(lease)
        before = harness.picture(lease.run)

        assert harness.store.reap(seen) is None
        assert harness.picture(lease.run) == before

    @pytest.mark.parametrize("stale", ["beat", "attempt", "token"])
    def test_an_outdated_observation_does_not_reap(self, harness: Harness, stale: str) -> None:
        seen = harness.held(harness.start().run)
        wrong: dict[str, Held] = {"beat": replace(seen, beat=seen.beat + 1),
                                  "attempt": replace(seen, attempt=seen.attempt + 1),
                                  "token": replace(seen, token="0" * 32)}

        assert harness.store.reap(wrong[stale]) is None
        assert harness.held(seen.run) == seen

    def test_an_earlier_attempts_beat_reaps_no_later_one(self, harness: Harness) -> None:
        lease = harness.start()
        seen = harness.held(lease.run)
        harness.store.release(lease)
        later = harness.take(lease.run).lease

        # never reset, or an observer could confuse two attempts
        assert harness.beat(lease.run) > seen.beat
        assert harness.store.reap(seen) is None
        assert harness.store.beat(later).held

    @pytest.mark.parametrize("state", [state for state in State if state is not State.RUNNING])
    def test_only_a_running_run_is_reaped(self, harness: Harness, state: State) -> None:
        lease = harness.start(max_losses=5)
        seen = harness.held(lease.run)
        harness.lose(lease.run)
        harness.bring(lease.run, state)
        before = harness.picture(lease.run)

        assert harness.store.reap(seen, "again") is None
        assert harness.picture(lease.run) == before

    def test_of_two_reapers_one_succeeds_and_the_loss_counts_once(self, harness: Harness,
                                                                  other: Store) -> None:
        for _ in range(10):
            seen = harness.held(harness.start().run)
            start = threading.Barrier(2)
            answers: list[State | None] = []

            def reap(store: Store, seen: Held = seen, start: threading.Barrier = start,
                     answers: list[State | None] = answers) -> None:
                start.wait(30)
                answers.append(store.reap(seen))

            threads = [threading.Thread(target=reap, args=(store,)) for store in (harness.store, other)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)

            assert sorted(answers, key=str) == [None, State.QUEUED]
            assert harness.get(seen.run).losses == 1


# -- T12 and T13: an owner returns ----

ELSEWHERE = owner("first, again")


class ReadoptTests(StoreTests):
    def test_a_readopted_run_counts_no_loss(self, harness: Harness) -> None:
        lease = harness.start()
        beat = harness.beat(lease.run)
        harness.lose(lease.run)

        assert harness.store.readopt(lease, ELSEWHERE)

        record, attempt = harness.get(lease.run), harness.last(lease.run)
        assert (record.state, record.losses, record.finished_at) == (State.RUNNING, 0, None)
        assert (attempt.number, attempt.outcome, attempt.ended_at) == (1, None, None)
        held = harness.held(lease.run)
        assert (held.attempt, held.token, held.owner) == (1, lease.token, ELSEWHERE)
        assert held.beat > beat
        assert harness.store.beat(lease).held and harness.claim() is None
        assert harness.store.finish(lease, COMPLETED)
        assert harness.state(lease.run) is State.COMPLETED

    def test_a_repeated_readopt_succeeds(self, harness: Harness) -> None:
        lease = harness.zombie()
        assert harness.store.readopt(lease, ELSEWHERE)
        before = harness.picture(lease.run)

        assert harness.store.readopt(lease, ELSEWHERE)
        assert harness.picture(lease.run) == before

    def test_an_earlier_beat_does_not_reap_a_readopted_run(self, harness: Harness) -> None:
        lease = harness.start()
        seen = harness.held(lease.run)
        harness.lose(lease.run)
        harness.store.readopt(lease, ELSEWHERE)

        assert harness.store.reap(seen) is None
        assert harness.store.beat(lease).held

    def test_readopt_is_refused_after_another_claim(self, harness: Harness) -> None:
        lease = harness.zombie()
        second = harness.take(lease.run, "second").lease
        assert not harness.store.readopt(lease, ELSEWHERE)

        harness.store.release(second)
        before = harness.picture(lease.run)
        assert not harness.store.readopt(lease, ELSEWHERE)
        assert harness.picture(lease.run) == before

    def test_readopt_needs_the_token(self, harness: Harness) -> None:
        lease = harness.zombie()

        assert not harness.store.readopt(replace(lease, token="0" * 32), ELSEWHERE)
        assert harness.state(lease.run) is State.QUEUED

    @pytest.mark.parametrize("what", [Command.PAUSE, Command.CANCEL])
    def test_a_stopped_run_is_not_readopted(self, harness: Harness, what: Command) -> None:
        lease = harness.start()
        harness.ask(lease.run, what)
        harness.lose(lease.run)
        before = harness.picture(lease.run)

        assert not harness.store.readopt(lease, ELSEWHERE)
        assert harness.picture(lease.run) == before

    def test_a_run_lost_too_often_is_not_readopted(self, harness: Harness) -> None:
        lease = harness.zombie(max_losses=1)

        assert not harness.store.readopt(lease, ELSEWHERE)
        assert harness.state(lease.run) is State.FAILED

    def test_only_a_lost_attempt_is_readopted(self, harness: Harness) -> None:
        released, failed = harness.start(), harness.start(max_failures=1)
        harness.store.release(released)
        harness.store.finish(failed, FAILED)

        for lease in (released, failed):
            assert harness.state(lease.run) is State.QUEUED
            assert not harness.store.readopt(lease, ELSEWHERE)
            assert harness.state(lease.run) is State.QUEUED

    def test_losses_never_fall_below_zero(self, harness: Harness) -> None:
        lease = harness.zombie(max_losses=1)
        harness.store.requeue(lease.run)
        harness.store.readopt(lease, ELSEWHERE)

        assert harness.get(lease.run).losses == 0


class LateOutcomeTests(StoreTests):
    LATE = Finish(outcome=Outcome.COMPLETED, reason="late", result=float("nan"),
                  metrics={"a.b": [1, {"$c": 2}]})

    @pytest.mark.parametrize("state", State)
    def test_a_late_end_is_only_a_note(
            self, harness: Harness, state: State) -> None:
        lease = harness.zombie()
        harness.bring(lease.run, state)
        before = harness.get(lease.run)

        assert harness.store.late(lease, self.LATE)

        record = harness.get(lease.run)
        late = record.attempts[0].late
        assert late is not None and late.at is not None
        assert (late.outcome, late.reason) == (Outcome.COMPLETED, "late")
        assert same(late.result, self.LATE.result) and same(late.metrics, self.LATE.metrics)
        without = replace(record.attempts[0], late=None)
        assert replace(record, attempts=(without, *record.attempts[1:])) == before

    def test_a_repeated_late_end_changes_nothing(self, harness: Harness) -> None:
        lease = harness.zombie()
        harness.store.late(lease, CANCELLED)
        first = harness.get(lease.run).attempts[0].late

        assert harness.store.late(lease, CANCELLED)
        again = harness.get(lease.run).attempts[0].late
        assert first is not None and again is not None
        assert replace(again, at=None) == replace(first, at=None)

    def test_late_needs_an_attempt_with_this_token(self, harness: Harness) -> None:
        lease = harness.zombie()

        assert not harness.store.late(Lease(run=lease.run, attempt=1, token="0" * 32), self.LATE)
        assert not harness.store.late(Lease(run=lease.run, attempt=2, token=lease.token), self.LATE)
        assert harness.get(lease.run).attempts[0].late is None

    def test_a_late_end_belongs_to_its_attempt(self, harness: Harness) -> None:
        first = harness.zombie()
        second = harness.take(first.run).lease
        harness.lose(first.run)
        harness.store.late(second, FAILED)

        notes = [attempt.late for attempt in harness.get(first.run).attempts]
        assert notes[0] is None and notes[1] is not None
