"""Submission (T1), claims (T2), and waiting for a change.

Submitted runs are stored all or none, and each once; each run is claimed by one worker only; idle workers
notice a change in time and wake for nothing else.
"""

from __future__ import annotations

import multiprocessing
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from hyperspace_core.errors import ValueNotStorable
from hyperspace_core.records import Finish, Held, Lease, Metric, NewRun, Outcome, State
from hyperspace_core.storage import Store, new_token
from pytest_hyperspace.stores.base import StoreTests
from pytest_hyperspace.stores.harness import (
    FAILED,
    PATIENCE_S,
    PROJECT,
    Harness,
    ProcessGroup,
    new_run,
    owner,
    submit_on_request,
    until,
)

# every field differs from its default, except the parent
FULL: dict[str, Any] = {
    "uid": "0123456789abcdef0123456789abcdef", "project": PROJECT, "task": "imdb_1k",
    "submitted": {"trees": 7}, "submitted_by": "ann@host", "scenario": {"className": "S", "share": 0.25},
    "config": {"trees": 7, "depth": None}, "metric": Metric(name="log_loss", goal="minimize"),
    "seed": 2**63 - 1, "validated": False, "priority": -3, "tags": ("b", "a", "ü"), "note": "first\nsecond",
    "max_losses": 5, "max_failures": 2, "search": "s1", "code": {"absent": "too large", "a.b": "$c"},
}


class SubmissionTests(StoreTests):
    def test_submitted_runs_get_growing_ids_in_their_order(self, store: Store) -> None:
        runs = [new_run(task=f"task_{number}") for number in range(5)]

        ids = store.submit(runs)

        assert ids == sorted(set(ids)) and len(ids) == 5
        assert [store.get(run).uid for run in ids] == [run.uid for run in runs]
        assert store.submit([new_run()])[0] > ids[-1]

    def test_an_empty_submission_is_accepted(self, store: Store) -> None:
        assert store.submit([]) == []

    def test_every_field_of_a_new_run_is_read_back_equal(self, harness: Harness) -> None:
        full = FULL | {"parent": harness.submit()}
        assert {field.name for field in fields(NewRun)} == set(full)

        record = harness.get(harness.store.submit([NewRun(**full)])[0])

        assert {name: getattr(record, name) for name in full} == full
        assert record.state is State.QUEUED
        assert record.submitted_at is not None and record.submitted_at.utcoffset() is not None
        assert (record.attempts, record.losses, record.failures, record.command) == ((), 0, 0, None)
        assert (record.result, record.metrics, record.info, record.progress) == (None, {}, {}, None)
        assert (record.started_at, record.finished_at, record.reason) == (None, None, None)

    def test_missing_fields_of_a_new_run_stay_missing(self, harness: Harness) -> None:
        record = harness.get(harness.submit())

        assert (record.scenario, record.config, record.seed, record.parent, record.search) == (None,) * 5
        assert (record.metric, record.tags, record.note, record.validated) == (Metric(), (), "", True)

    def test_a_known_uid_keeps_its_id_and_its_content(self, store: Store) -> None:
        first = new_run(submitted={"trees": 1}, note="first")
        run = store.submit([first])[0]

        again = store.submit([new_run(), replace(first, submitted={"trees": 2}, note="second"), new_run()])

        assert again[1] == run and len(set(again)) == 3
        assert (store.get(run).submitted, store.get(run).note) == ({"trees": 1}, "first")

    @pytest.mark.parametrize("state", State)
    def test_a_known_uid_keeps_its_state(self, harness: Harness, state: State) -> None:
        run = harness.in_state(state)
        before = harness.picture(run)

        assert harness.store.submit([new_run(uid=harness.get(run).uid)]) == [run]
        assert harness.picture(run) == before

    def test_a_uid_twice_in_one_call_is_one_run(self, store: Store) -> None:
        run = new_run()

        ids = store.submit([run, new_run(), run])

        assert ids[0] == ids[2] != ids[1]
        assert store.ids(PROJECT) == (ids[0], ids[1])

    def test_one_bad_run_refuses_the_whole_batch(self, harness: Harness) -> None:
        batch = [new_run(), new_run(submitted={"when": object()}), new_run()]

        with pytest.raises(ValueNotStorable, match="when"):
            harness.store.submit(batch)

        assert harness.ids() == []
        assert len(harness.store.submit([batch[0], batch[2]])) == 2

    def test_runs_that_are_executed_here_are_never_queued_for_others(self, harness: Harness) -> None:
        tokens = [new_token(), new_token()]
        runs = harness.store.submit([new_run(), new_run()], owner=owner("here"), tokens=tokens)

        assert [harness.state(run) for run in runs] == [State.RUNNING] * 2
        assert harness.claim() is None
        for run, token in zip(runs, tokens, strict=True):
            attempt = harness.last(run)
            assert (attempt.number, attempt.worker, attempt.outcome) == (1, owner("here"), None)
            assert attempt.started_at is not None
            assert harness.store.beat(Lease(run=run, attempt=1, token=token)).held

    def test_a_repeated_submission_claims_no_run_again(self, harness: Harness) -> None:
        new, token = new_run(), new_token()
        first = harness.store.submit([new], owner=owner(), tokens=[token])

        assert harness.store.submit([new], owner=owner(), tokens=[token]) == first
        assert len(harness.get(first[0]).attempts) == 1
        assert harness.store.beat(Lease(run=first[0], attempt=1, token=token)).held

    def test_a_known_run_is_not_taken_by_submitting_it_with_an_owner(self, harness: Harness) -> None:
        new = new_run()
        run = harness.store.submit([new])[0]

        assert harness.store.submit([new], owner=owner(), tokens=[new_token()]) == [run]
        assert harness.state(run) is State.QUEUED and harness.get(run).attempts == ()

    def test_submitted_runs_are_visible_at_once(self, harness: Harness, other: Store) -> None:
        run = harness.submit(note="see me")

        assert other.get(run).note == "see me"


# -- T2: claims ----

VERY_MANY = range(1_000_000, 1_040_000)        # more ids than some databases allow as parameters


class ClaimTests(StoreTests):
    def test_nothing_is_claimed_where_nothing_is_queued(self, harness: Harness) -> None:
        assert harness.claim() is None

    def test_a_claim_makes_the_run_running_and_names_its_owner(self, harness: Harness) -> None:
        run = harness.submit(submitted={"trees": 3})
        token = new_token()

        claim = harness.store.claim(PROJECT, owner("me"), token)

        assert claim is not None
        assert (claim.lease.run, claim.lease.attempt, claim.lease.token) == (run, 1, token)
        assert claim.record == harness.get(run)
        assert (claim.record.state, claim.record.submitted) == (State.RUNNING, {"trees": 3})
        attempt = harness.last(run)
        assert (attempt.number, attempt.worker) == (1, owner("me"))
        assert (attempt.outcome, attempt.ended_at) == (None, None)
        assert attempt.started_at is not None and attempt.started_at == claim.record.started_at

    def test_claims_are_by_priority_then_by_age(self, harness: Harness) -> None:
        runs = [harness.submit(priority=priority) for priority in (0, 5, -1, 5, 0)]

        taken = [harness.take().lease.run for _ in runs]

        assert taken == [runs[1], runs[3], runs[0], runs[4], runs[2]]

    def test_a_changed_priority_applies(self, harness: Harness) -> None:
        runs = harness.submit_many(3)
        harness.store.annotate(runs[2], priority=1)

        assert harness.take().lease.run == runs[2]

    def test_a_released_run_keeps_its_place_in_the_queue(self, harness: Harness) -> None:
        first = harness.start()
        younger = harness.submit()
        harness.store.release(first)

        assert [harness.take().lease.run for _ in range(2)] == [first.run, younger]

    def test_only_tasks_that_the_worker_knows_are_claimed(self, store: Store, harness: Harness) -> None:
        harness.submit(task="a")
        run = harness.submit(task="b")

        assert store.claim(PROJECT, owner(), new_token(), tasks=["c", "d"]) is None
        assert store.claim(PROJECT, owner(), new_token(), tasks=[]) is None
        claim = store.claim(PROJECT, owner(), new_token(), tasks={"b", "c"})
        assert claim is not None and claim.lease.run == run

    def test_excluded_runs_are_passed_over(self, store: Store, harness: Harness) -> None:
        runs = harness.submit_many(3)

        claim = store.claim(PROJECT, owner(), new_token(), exclude={runs[0], runs[1]})

        assert claim is not None and claim.lease.run == runs[2]
        assert store.claim(PROJECT, owner(), new_token(), exclude=runs) is None

    def test_only_limits_the_claim_to_some_runs(self, store: Store, harness: Harness) -> None:
        runs = harness.submit_many(3)

        assert store.claim(PROJECT, owner(), new_token(), only=[]) is None
        claim = store.claim(PROJECT, owner(), new_token(), only=[runs[2], 999_999])
        assert claim is not None and claim.lease.run == runs[2]
        assert store.claim(PROJECT, owner(), new_token(), only=[runs[2]]) is None

    def test_very_many_runs_may_be_excluded_or_wanted(self, store: Store, harness: Harness) -> None:
        runs = harness.submit_many(2)

        first = store.claim(PROJECT, owner(), new_token(), exclude=[*VERY_MANY, runs[0]])
        second = store.claim(PROJECT, owner(), new_token(), only=[*VERY_MANY, runs[0]])

        assert first is not None and first.lease.run == runs[1]
        assert second is not None and second.lease.run == runs[0]

    def test_all_limits_hold_together(self, store: Store, harness: Harness) -> None:
        a, b, c = (harness.submit(task=task) for task in ("a", "a", "b"))

        claim = store.claim(PROJECT, owner(), new_token(), tasks=["a"], exclude=[a], only=[a, b, c])

        assert claim is not None and claim.lease.run == b

    def test_a_paused_project_gives_no_claim_until_it_is_resumed(self, store: Store,
                                                                 harness: Harness) -> None:
        run = harness.submit()
        store.change_settings(PROJECT, paused=True)

        assert store.claim(PROJECT, owner(), new_token()) is None
        assert store.claim(PROJECT, owner(), new_token(), only=[run]) is None
        store.change_settings(PROJECT, paused=False)
        assert harness.take().lease.run == run

    def test_a_running_run_continues_in_a_paused_project(self, store: Store, harness: Harness) -> None:
        lease = harness.start()
        store.change_settings(PROJECT, paused=True)

        assert store.beat(lease).held and store.beat(lease).command is None

    def test_runs_of_other_projects_are_never_claimed(self, store: Store, harness: Harness) -> None:
        run = harness.submit()

        assert store.claim("elsewhere", owner(), new_token()) is None
        assert store.claim("elsewhere", owner(), new_token(), only=[run]) is None
        assert store.claim(PROJECT.upper(), owner(), new_token()) is None
        store.change_settings("elsewhere", paused=True)
        assert harness.take().lease.run == run

    def test_a_repeat_with_the_same_token_gives_the_same_claim(self, store: Store, harness: Harness) -> None:
        harness.submit_many(2)
        token = new_token()

        first = store.claim(PROJECT, owner(), token)
        second = store.claim(PROJECT, owner(), token)

        assert first is not None and second is not None
        assert first.lease == second.lease and first.record == second.record
        assert len(store.held(PROJECT)) == 1

    @pytest.mark.parametrize("state", [state for state in State if state is not State.QUEUED])
    def test_a_run_that_is_not_queued_is_not_claimed(self, harness: Harness, state: State) -> None:
        run = harness.in_state(state)
        before = harness.picture(run)

        assert harness.claim(run) is None and harness.claim() is None
        assert harness.picture(run) == before

    def test_attempts_count_up_and_each_has_its_own_token(self, harness: Harness) -> None:
        run = harness.submit()
        leases = []
        for number in range(1, 4):
            leases.append(harness.take(run, f"worker {number}").lease)
            harness.store.release(leases[-1])

        assert [lease.attempt for lease in leases] == [1, 2, 3]
        attempts = harness.get(run).attempts
        assert [attempt.number for attempt in attempts] == [1, 2, 3]
        assert [attempt.worker for attempt in attempts] == [owner(f"worker {number}") for number in (1, 2, 3)]

    def test_a_run_that_backs_off_is_left_alone(self, harness: Harness) -> None:
        lease = harness.start(max_failures=1)
        other = harness.submit(priority=-1)
        harness.store.finish(lease, Finish(outcome=Outcome.FAILED, retry_after_s=3600.0))

        assert harness.state(lease.run) is State.QUEUED
        assert harness.take().lease.run == other
        assert harness.claim() is None and harness.claim(lease.run) is None

    def test_a_run_that_has_backed_off_long_enough_is_claimed(self, harness: Harness) -> None:
        lease = harness.start(max_failures=1)
        harness.store.finish(lease, Finish(outcome=Outcome.FAILED, retry_after_s=0.1))

        claim = until(harness.claim, "the back-off ends")

        assert claim.lease.run == lease.run and claim.lease.attempt == 2

    def test_a_retry_without_back_off_is_claimed_at_once(self, harness: Harness) -> None:
        lease = harness.start(max_failures=1)
        harness.store.finish(lease, FAILED)

        assert harness.take(lease.run).lease.attempt == 2

    def test_threads_that_share_a_store_claim_each_run_once(self, harness: Harness) -> None:
        runs = harness.submit_many(60)
        start = threading.Barrier(6)
        taken: list[int] = []
        errors: list[BaseException] = []

        def claim_all() -> None:
            try:
                start.wait(30)
                while (claim := harness.claim()) is not None:
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


# -- `wait_for_change` ----

ROUNDS = 5


def has_looked(store: Store) -> None:
    """Wait until this thread has seen all changes so far."""
    for _ in range(20):
        if not store.wait_for_change(PROJECT, 0.05):
            return
    raise AssertionError("wait_for_change reports a change although nothing has changed")


def lost(harness: Harness) -> Held:
    return harness.held(harness.start().run)


def paused_project(harness: Harness) -> None:
    harness.submit()
    harness.store.change_settings(PROJECT, paused=True)


# the preparation, and the change that makes a run claimable
NEWS: dict[str, tuple[Callable[[Harness], Any], Callable[[Store, Any], Any]]] = {
    "submit": (lambda harness: None, lambda store, _: store.submit([new_run()])),
    "release": (lambda harness: harness.start(), lambda store, lease: store.release(lease)),
    "retry": (lambda harness: harness.start(max_failures=1),
              lambda store, lease: store.finish(lease, Finish(outcome=Outcome.FAILED))),
    "reap": (lost, lambda store, seen: store.reap(seen)),
    "resume": (lambda harness: harness.in_state(State.PAUSED), lambda store, run: store.resume(run)),
    "requeue": (lambda harness: harness.in_state(State.COMPLETED), lambda store, run: store.requeue(run)),
    "the project is resumed": (paused_project, lambda store, _: store.change_settings(PROJECT, paused=False)),
}


class WaitTests(StoreTests):
    def test_a_wait_without_a_change_times_out(self, store: Store) -> None:
        has_looked(store)
        began = time.monotonic()

        assert not store.wait_for_change(PROJECT, 0.1)
        assert time.monotonic() - began > 0.05

    @pytest.mark.parametrize("news", NEWS)
    def test_a_claimable_run_is_noticed(self, harness: Harness, other: Store, news: str) -> None:
        prepare, act = NEWS[news]
        subject = prepare(harness)
        has_looked(harness.store)

        act(other, subject)

        assert harness.store.wait_for_change(PROJECT, PATIENCE_S)
        assert harness.claim() is not None

    def test_a_change_by_the_same_store_is_noticed(self, harness: Harness) -> None:
        has_looked(harness.store)
        harness.submit()

        assert harness.store.wait_for_change(PROJECT, PATIENCE_S)

    def test_a_change_is_reported_once(self, harness: Harness) -> None:
        has_looked(harness.store)
        harness.submit_many(3)
        harness.store.wait_for_change(PROJECT, PATIENCE_S)

        has_looked(harness.store)         # ends although the runs are still queued

    def test_each_thread_notices_a_change(self, harness: Harness, other: Store) -> None:
        looked = threading.Barrier(4)
        answers: list[bool] = []

        def wait() -> None:
            has_looked(harness.store)
            looked.wait(PATIENCE_S)
            answers.append(harness.store.wait_for_change(PROJECT, PATIENCE_S))

        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        looked.wait(PATIENCE_S)
        other.submit([new_run()])
        for thread in threads:
            thread.join(2 * PATIENCE_S)

        assert answers == [True, True, True]

    def test_a_submission_by_another_process_is_noticed_in_time(
            self, store: Store, start_processes: Callable[..., ProcessGroup]) -> None:
        go = multiprocessing.get_context("spawn").Semaphore(0)
        others = start_processes(submit_on_request, [(go, ROUNDS)])
        noticed = []
        for _ in range(ROUNDS):
            has_looked(store)
            go.release()
            assert store.wait_for_change(PROJECT, PATIENCE_S)
            noticed.append(time.monotonic())

        others.answers()
        delays = [after - stored for stored, after in zip(others.members[0].reports, noticed, strict=True)]
        assert statistics.median(delays) <= 10 * self.wait_s, delays

    def test_beats_of_running_runs_do_not_wake_idle_workers(self, harness: Harness, other: Store) -> None:
        leases = [harness.start() for _ in range(2)]
        beats, stop = self.beating(other, leases)
        try:
            assert any(self.slept_through(harness.store, beats) for _ in range(20))
        finally:
            stop()

    def slept_through(self, store: Store, beats: list[int]) -> bool:
        """Whether a wait ended without a change although a run sent heartbeats meanwhile."""
        before = len(beats)
        return not store.wait_for_change(PROJECT, 0.2) and len(beats) > before

    def beating(self, store: Store, leases: list[Lease]) -> tuple[list[int], Callable[[], None]]:
        """Send heartbeats from a thread; the number sent, and a function that ends it."""
        beats: list[int] = []
        over = threading.Event()

        def beat() -> None:
            while not over.wait(0.01):
                for lease in leases:
                    store.beat(lease)
                    beats.append(lease.run)

        thread = threading.Thread(target=beat)
        thread.start()

        def stop() -> None:
            over.set()
            thread.join(PATIENCE_S)

        return beats, stop
