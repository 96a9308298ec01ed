"""T2: which run a worker gets; each run goes to one worker only."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from hyperspace_core.records.run import Finish
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import Store, new_token
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.desk import FAILED, PROJECT, Desk, owner, until

VERY_MANY = range(1_000_000, 1_040_000)        # more ids than some databases allow as parameters


class Claiming(StoreTests):
    def test_nothing_is_claimed_where_nothing_is_queued(self, desk: Desk) -> None:
        assert desk.claim() is None

    def test_a_claim_makes_the_run_running_and_names_its_owner(self, desk: Desk) -> None:
        run = desk.submit(submitted={"trees": 3})
        token = new_token()

        claim = desk.store.claim(PROJECT, owner("me"), token)

        assert claim is not None
        assert (claim.lease.run, claim.lease.attempt, claim.lease.token) == (run, 1, token)
        assert claim.record == desk.get(run)
        assert (claim.record.state, claim.record.submitted) == (State.RUNNING, {"trees": 3})
        attempt = desk.last(run)
        assert (attempt.number, attempt.worker) == (1, owner("me"))
        assert (attempt.outcome, attempt.ended_at) == (None, None)
        assert attempt.started_at is not None and attempt.started_at == claim.record.started_at

    def test_claims_are_by_priority_then_by_age(self, desk: Desk) -> None:
        runs = [desk.submit(priority=priority) for priority in (0, 5, -1, 5, 0)]

        taken = [desk.take().lease.run for _ in runs]

        assert taken == [runs[1], runs[3], runs[0], runs[4], runs[2]]

    def test_a_changed_priority_applies(self, desk: Desk) -> None:
        runs = desk.submit_many(3)
        desk.store.annotate(runs[2], priority=1)

        assert desk.take().lease.run == runs[2]

    def test_a_released_run_keeps_its_place_in_the_queue(self, desk: Desk) -> None:
        first = desk.start()
        younger = desk.submit()
        desk.store.release(first)

        assert [desk.take().lease.run for _ in range(2)] == [first.run, younger]

    def test_only_tasks_that_the_worker_knows_are_claimed(self, store: Store, desk: Desk) -> None:
        desk.submit(task="a")
        run = desk.submit(task="b")

        assert store.claim(PROJECT, owner(), new_token(), tasks=["c", "d"]) is None
        assert store.claim(PROJECT, owner(), new_token(), tasks=[]) is None
        claim = store.claim(PROJECT, owner(), new_token(), tasks={"b", "c"})
        assert claim is not None and claim.lease.run == run

    def test_excluded_runs_are_passed_over(self, store: Store, desk: Desk) -> None:
        runs = desk.submit_many(3)

        claim = store.claim(PROJECT, owner(), new_token(), exclude={runs[0], runs[1]})

        assert claim is not None and claim.lease.run == runs[2]
        assert store.claim(PROJECT, owner(), new_token(), exclude=runs) is None

    def test_only_limits_the_claim_to_some_runs(self, store: Store, desk: Desk) -> None:
        runs = desk.submit_many(3)

        assert store.claim(PROJECT, owner(), new_token(), only=[]) is None
        claim = store.claim(PROJECT, owner(), new_token(), only=[runs[2], 999_999])
        assert claim is not None and claim.lease.run == runs[2]
        assert store.claim(PROJECT, owner(), new_token(), only=[runs[2]]) is None

    def test_very_many_runs_may_be_excluded_or_wanted(self, store: Store, desk: Desk) -> None:
        runs = desk.submit_many(2)

        first = store.claim(PROJECT, owner(), new_token(), exclude=[*VERY_MANY, runs[0]])
        second = store.claim(PROJECT, owner(), new_token(), only=[*VERY_MANY, runs[0]])

        assert first is not None and first.lease.run == runs[1]
        assert second is not None and second.lease.run == runs[0]

    def test_all_limits_hold_together(self, store: Store, desk: Desk) -> None:
        a, b, c = (desk.submit(task=task) for task in ("a", "a", "b"))

        claim = store.claim(PROJECT, owner(), new_token(), tasks=["a"], exclude=[a], only=[a, b, c])

        assert claim is not None and claim.lease.run == b

    def test_a_paused_project_gives_no_claim_until_it_is_resumed(self, store: Store, desk: Desk) -> None:
        run = desk.submit()
        store.change_settings(PROJECT, paused=True)

        assert store.claim(PROJECT, owner(), new_token()) is None
        assert store.claim(PROJECT, owner(), new_token(), only=[run]) is None
        store.change_settings(PROJECT, paused=False)
        assert desk.take().lease.run == run

    def test_a_running_run_continues_in_a_paused_project(self, store: Store, desk: Desk) -> None:
        lease = desk.start()
        store.change_settings(PROJECT, paused=True)

        assert store.beat(lease).held and store.beat(lease).command is None

    def test_runs_of_other_projects_are_never_claimed(self, store: Store, desk: Desk) -> None:
        run = desk.submit()

        assert store.claim("elsewhere", owner(), new_token()) is None
        assert store.claim("elsewhere", owner(), new_token(), only=[run]) is None
        assert store.claim(PROJECT.upper(), owner(), new_token()) is None
        store.change_settings("elsewhere", paused=True)
        assert desk.take().lease.run == run

    def test_a_repeat_with_the_same_token_gives_the_same_claim(self, store: Store, desk: Desk) -> None:
        desk.submit_many(2)
        token = new_token()

        first = store.claim(PROJECT, owner(), token)
        second = store.claim(PROJECT, owner(), token)

        assert first is not None and second is not None
        assert first.lease == second.lease and first.record == second.record
        assert len(store.held(PROJECT)) == 1

    @pytest.mark.parametrize("state", [state for state in State if state is not State.QUEUED])
    def test_a_run_that_is_not_queued_is_not_claimed(self, desk: Desk, state: State) -> None:
        run = desk.in_state(state)
        before = desk.picture(run)

        assert desk.claim(run) is None and desk.claim() is None
        assert desk.picture(run) == before

    def test_attempts_count_up_and_each_has_its_own_token(self, desk: Desk) -> None:
        run = desk.submit()
        leases = []
        for number in range(1, 4):
            leases.append(desk.take(run, f"worker {number}").lease)
            desk.store.release(leases[-1])

        assert [lease.attempt for lease in leases] == [1, 2, 3]
        attempts = desk.get(run).attempts
        assert [attempt.number for attempt in attempts] == [1, 2, 3]
        assert [attempt.worker for attempt in attempts] == [owner(f"worker {number}") for number in (1, 2, 3)]

    def test_a_run_that_backs_off_is_left_alone(self, desk: Desk) -> None:
        lease = desk.start(max_failures=1)
        other = desk.submit(priority=-1)
        desk.store.finish(lease, Finish(outcome=Outcome.FAILED, retry_after_s=3600.0))

        assert desk.state(lease.run) is State.QUEUED
        assert desk.take().lease.run == other
        assert desk.claim() is None and desk.claim(lease.run) is None

    def test_a_run_that_has_backed_off_long_enough_is_claimed(self, desk: Desk) -> None:
        lease = desk.start(max_failures=1)
        desk.store.finish(lease, Finish(outcome=Outcome.FAILED, retry_after_s=0.1))

        claim = until(desk.claim, "the back-off ends")

        assert claim.lease.run == lease.run and claim.lease.attempt == 2

    def test_a_retry_without_back_off_is_claimed_at_once(self, desk: Desk) -> None:
        lease = desk.start(max_failures=1)
        desk.store.finish(lease, FAILED)

        assert desk.take(lease.run).lease.attempt == 2

    def test_threads_that_share_a_store_claim_each_run_once(self, desk: Desk) -> None:
        runs = desk.submit_many(60)
        start = threading.Barrier(6)
        taken: list[int] = []
        errors: list[BaseException] = []

        def claim_all() -> None:
            try:
                start.wait(30)
                while (claim := desk.claim()) is not None:
                    taken.append(claim.lease.run)
            except BaseException as error:     # noqa: BLE001 - shown by the assertion
                errors.append(error)

        threads = [threading.Thread(target=claim_all) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert errors == []
        assert Counter(taken) == Counter(runs)
