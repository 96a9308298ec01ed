"""T8: a run whose owner is dead is reaped once, and only if the owner is dead."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from hyperspace_core.records.run import Held
from hyperspace_core.records.states import TERMINAL, Command, Outcome, State, after_reap
from hyperspace_core.storage import Store
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.desk import COMMANDS, COMPLETED, FAILED, PROJECT, Desk, owner


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
        desk.ask(lease.run, what)

        state = desk.store.reap(desk.held(lease.run), "no beat for 30 s")

        record, attempt = desk.get(lease.run), desk.last(lease.run)
        assert state is record.state is after_reap(what, 1, budget)
        assert (attempt.outcome, attempt.reason) == (Outcome.LOST, "no beat for 30 s")
        assert attempt.ended_at is not None
        assert (record.losses, record.failures, record.command) == (1, 0, None)
        assert (record.finished_at is not None) == (record.state in TERMINAL)
        assert desk.store.held(PROJECT) == []

    def test_a_run_that_kills_its_workers_is_given_up(self, desk: Desk) -> None:
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

    def test_a_beat_in_between_prevents_the_reap(self, desk: Desk) -> None:
        lease = desk.start()
        seen = desk.held(lease.run)
        desk.store.beat(lease)
        before = desk.picture(lease.run)

        assert desk.store.reap(seen) is None
        assert desk.picture(lease.run) == before

    @pytest.mark.parametrize("stale", ["beat", "attempt", "token"])
    def test_an_outdated_observation_does_not_reap(self, desk: Desk, stale: str) -> None:
        seen = desk.held(desk.start().run)
        wrong: dict[str, Held] = {"beat": replace(seen, beat=seen.beat + 1),
                                  "attempt": replace(seen, attempt=seen.attempt + 1),
                                  "token": replace(seen, token="0" * 32)}

        assert desk.store.reap(wrong[stale]) is None
        assert desk.held(seen.run) == seen

    def test_an_earlier_attempts_beat_reaps_no_later_one(self, desk: Desk) -> None:
        lease = desk.start()
        seen = desk.held(lease.run)
        desk.store.release(lease)
        later = desk.take(lease.run).lease

        # never reset, or an observer could confuse two attempts
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
