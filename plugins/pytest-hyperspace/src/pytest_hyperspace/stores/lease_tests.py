"""Verbs of an owner (T3 to T7, T10), fencing (I3), and registered workers."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from hyperspace_core.plugin import states as states_
from hyperspace_core.records import (
    Command,
    Finish,
    Lease,
    Metric,
    Outcome,
    Progress,
    State,
    Update,
    WorkerInfo,
)
from hyperspace_core.storage import Store
from pytest_hyperspace.stores.base import StoreTests
from pytest_hyperspace.stores.harness import CANCELLED, COMMANDS, COMPLETED, FAILED, PROJECT, Harness, owner

FAILURES = [Outcome.FAILED, Outcome.CRASHED, Outcome.OUT_OF_MEMORY, Outcome.TIMED_OUT]


class HeartbeatTests(StoreTests):
    def test_every_beat_is_seen_by_observers(self, harness: Harness) -> None:
        lease = harness.start()
        beats = [harness.beat(lease.run)]
        for _ in range(3):
            assert harness.store.beat(lease).held
            beats.append(harness.beat(lease.run))

        assert beats == sorted(set(beats))

    def test_a_beat_stores_the_progress(self, harness: Harness) -> None:
        lease = harness.start()
        progress = Progress(done=3.5, total=10.0, eta_s=1.25, note="epoch 3 \u200f😀")
        harness.store.beat(lease, progress)

        assert harness.get(lease.run).progress == progress
        harness.store.beat(lease)
        assert harness.get(lease.run).progress == progress
        harness.store.beat(lease, Progress(done=4))
        assert harness.get(lease.run).progress == Progress(done=4)

    @pytest.mark.parametrize("what", COMMANDS)
    def test_a_beat_returns_the_command(self, harness: Harness, what: Command | None) -> None:
        lease = harness.start()
        harness.ask(lease.run, what)

        for _ in range(2):             # at each beat until the run has ended, not once
            answer = harness.store.beat(lease)
            assert (answer.held, answer.command) == (True, what)

    def test_a_late_beat_counts_unless_the_run_was_reaped(self, harness: Harness) -> None:
        lease = harness.start()
        seen = harness.held(lease.run)

        assert harness.store.beat(lease).held
        assert harness.store.reap(seen) is None
        assert harness.store.beat(lease).held


class UpdateTests(StoreTests):
    def test_info_is_replaced_and_sections_of_provenance_are_added(self, harness: Harness) -> None:
        lease = harness.start()
        first = Update(info={"a": 1}, provenance={"git": {"commit": "1"}, "gpu": {}})
        assert harness.store.update(lease, first)
        assert harness.store.update(lease, Update(info={"b": 2}))
        assert harness.store.update(lease, Update(provenance={"git": {"commit": "2"}, "a.b $": {"x": 1}}))

        assert harness.get(lease.run).info == {"b": 2}
        assert harness.last(lease.run).provenance == {"git": {"commit": "2"}, "gpu": {}, "a.b $": {"x": 1}}

    def test_missing_parts_of_a_submission_are_completed(self, harness: Harness) -> None:
        lease = harness.start(submitted={"trees": 3}, validated=False)
        change = Update(scenario={"className": "S"}, config={"trees": 3, "depth": 1},
                        metric=Metric(name="loss", goal="minimize"), seed=2**63 - 1)
        assert harness.store.update(lease, change)

        record = harness.get(lease.run)
        for name in ("scenario", "config", "metric", "seed"):
            assert getattr(record, name) == getattr(change, name)
        assert record.submitted == {"trees": 3}

    def test_none_leaves_everything_as_it_is(self, harness: Harness) -> None:
        lease = harness.start(config={"a": 1}, scenario={"b": 1}, seed=7, metric=Metric(name="m"))
        harness.store.update(lease, Update(info={"c": 1}, provenance={"d": {}}))
        before = harness.picture(lease.run)

        assert harness.store.update(lease, Update())
        assert harness.picture(lease.run) == before
        assert len(fields(Update)) == 6        # a new field needs a test

    def test_each_attempt_has_its_own_provenance(self, harness: Harness) -> None:
        first = harness.start()
        harness.store.update(first, Update(provenance={"host": {"name": "a"}}))
        harness.store.release(first)
        second = harness.take(first.run).lease
        harness.store.update(second, Update(provenance={"host": {"name": "b"}}))

        assert [attempt.provenance for attempt in harness.get(first.run).attempts] == [
            {"host": {"name": "a"}}, {"host": {"name": "b"}}]


class FinishTests(StoreTests):
    def test_a_result_completes_the_run(self, harness: Harness) -> None:
        lease = harness.start()
        harness.store.update(lease, Update(info={"before": 1}))
        metrics = {"accuracy": 0.75, "per class": [1, 2.5]}

        assert harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=0.75, metrics=metrics))

        record, attempt = harness.get(lease.run), harness.last(lease.run)
        assert (record.state, record.result, record.metrics) == (State.COMPLETED, 0.75, metrics)
        assert (record.info, record.failures, record.losses, record.command) == ({"before": 1}, 0, 0, None)
        assert attempt.outcome is Outcome.COMPLETED and attempt.worker == owner("first")
        assert record.finished_at is not None and attempt.ended_at is not None
        assert harness.store.held(harness.project) == []

    def test_finish_may_replace_the_info(self, harness: Harness) -> None:
        lease = harness.start()
        harness.store.update(lease, Update(info={"before": 1}))
        harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, info={"after": 2}))

        assert harness.get(lease.run).info == {"after": 2}

    @pytest.mark.parametrize("outcome", FAILURES)
    def test_a_failure_keeps_reason_traceback_and_metrics(
            self, harness: Harness, outcome: Outcome) -> None:
        lease = harness.start()
        assert harness.store.finish(lease, Finish(
            outcome=outcome, reason="signal 9", traceback="Traceback …", metrics={"a": 1}, info={"b": 2}))

        record, attempt = harness.get(lease.run), harness.last(lease.run)
        assert (record.state, record.reason, record.failures) == (State.FAILED, "signal 9", 1)
        assert (attempt.outcome, attempt.reason, attempt.traceback) == (outcome, "signal 9", "Traceback …")
        assert (record.metrics, record.info, record.result) == ({"a": 1}, {"b": 2}, None)
        assert record.finished_at is not None

    @pytest.mark.parametrize("what", COMMANDS)
    @pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CRASHED])
    @pytest.mark.parametrize("budget", [0, 1])
    def test_a_failure_ends_where_the_table_says(
            self, harness: Harness, outcome: Outcome, what: Command | None, budget: int) -> None:
        lease = harness.start(max_failures=budget)
        harness.ask(lease.run, what)

        assert harness.store.finish(lease, Finish(outcome=outcome, reason="no"))

        record = harness.get(lease.run)
        assert record.state is states_.after_failure(what, 1, budget)
        assert (record.failures, record.losses, record.command) == (1, 0, None)
        assert (record.finished_at is not None) == (record.state in states_.TERMINAL)

    def test_failures_are_tried_again_until_the_budget_is_used(self, harness: Harness) -> None:
        run = harness.submit(max_failures=2)
        states = []
        for _ in range(3):
            harness.store.finish(harness.take(run).lease, FAILED)
            states.append(harness.state(run))

        assert states == [State.QUEUED, State.QUEUED, State.FAILED]
        assert [attempt.outcome for attempt in harness.get(run).attempts] == [Outcome.FAILED] * 3
        assert harness.get(run).failures == 3

    def test_a_failure_without_retry_is_final(self, harness: Harness) -> None:
        lease = harness.start(max_failures=5)

        assert harness.store.finish(lease, Finish(outcome=Outcome.FAILED, reason="bad config", retry=False))
        assert harness.state(lease.run) is State.FAILED

    def test_a_retried_run_completes_without_failure_fields(self, harness: Harness) -> None:
        lease = harness.start(max_failures=1)
        harness.store.finish(lease, Finish(outcome=Outcome.FAILED, reason="once", metrics={"half": 1}))
        harness.store.finish(harness.take(lease.run).lease, COMPLETED)

        record = harness.get(lease.run)
        assert (record.state, record.reason, record.metrics) == (State.COMPLETED, None, COMPLETED.metrics)
        assert [attempt.reason for attempt in record.attempts] == ["once", None]

    @pytest.mark.parametrize("what", COMMANDS)
    @pytest.mark.parametrize("finish", [COMPLETED, CANCELLED])
    def test_a_result_or_a_stop_counts_despite_a_command(
            self, harness: Harness, finish: Finish, what: Command | None) -> None:
        lease = harness.start()
        harness.ask(lease.run, what)

        assert harness.store.finish(lease, finish)
        assert harness.get(lease.run).state.value == finish.outcome.name
        assert harness.get(lease.run).command is None
        assert harness.last(lease.run).outcome is finish.outcome

    @pytest.mark.parametrize("what", COMMANDS)
    def test_a_released_run_follows_the_command(self, harness: Harness, what: Command | None) -> None:
        lease = harness.start()
        harness.ask(lease.run, what)

        assert harness.store.release(lease, "worker stops")

        record, attempt = harness.get(lease.run), harness.last(lease.run)
        assert record.state is states_.after_release(what)
        assert (attempt.outcome, attempt.reason) == (Outcome.RELEASED, "worker stops")
        assert attempt.ended_at is not None
        assert (record.losses, record.failures, record.command) == (0, 0, None)
        assert (record.finished_at is not None) == (record.state in states_.TERMINAL)
        assert harness.store.held(harness.project) == []

    @pytest.mark.parametrize("finish", [COMPLETED, FAILED, CANCELLED])
    def test_a_repeated_finish_is_a_success_and_changes_nothing(self, harness: Harness,
                                                                finish: Finish) -> None:
        for budget in (0, 1):
            lease = harness.start(max_failures=budget)
            assert harness.store.finish(lease, finish)
            before = harness.picture(lease.run)

            assert harness.store.finish(lease, finish)
            assert harness.picture(lease.run) == before

    def test_a_repeated_release_is_a_success_and_changes_nothing(self, harness: Harness) -> None:
        lease = harness.start()
        assert harness.store.release(lease, "drained")
        before = harness.picture(lease.run)

        assert harness.store.release(lease, "drained")
        assert harness.picture(lease.run) == before

    def test_a_finish_repeated_long_afterwards_changes_nothing(self, harness: Harness) -> None:
        lease = harness.start()
        harness.store.finish(lease, COMPLETED)
        harness.store.requeue(lease.run)
        second = harness.take(lease.run).lease
        before = harness.picture(lease.run)

        harness.store.finish(lease, COMPLETED)
        harness.store.release(lease)

        assert harness.picture(lease.run) == before
        assert harness.store.beat(second).held


# -- I3: fencing ----

class FencingTests(StoreTests):
    @pytest.fixture(params=["reaped", "claimed by another", "wrong token", "wrong attempt", "done"])
    def fenced(self, harness: Harness, request: Any) -> Lease:
        lease = harness.start()
        if request.param == "done":
            harness.store.finish(lease, COMPLETED)
            return lease
        if request.param == "wrong token":
            return Lease(run=lease.run, attempt=lease.attempt, token="0" * 32)
        if request.param == "wrong attempt":
            return Lease(run=lease.run, attempt=lease.attempt + 1, token=lease.token)
        harness.lose(lease.run)
        if request.param == "claimed by another":
            harness.take(lease.run, "another")
        return lease

    def test_a_fenced_beat_is_answered_but_has_no_effect(self, harness: Harness, fenced: Lease) -> None:
        before = harness.picture(fenced.run), harness.store.held(harness.project)

        answer = harness.store.beat(fenced, Progress(done=99))

        assert (answer.held, answer.command) == (False, None)
        assert (harness.picture(fenced.run), harness.store.held(harness.project)) == before

    def test_a_fenced_update_is_refused(self, harness: Harness, fenced: Lease) -> None:
        before = harness.picture(fenced.run)

        update = Update(info={"zombie": 1}, provenance={"zombie": {}}, seed=666)
        assert not harness.store.update(fenced, update)
        assert harness.picture(fenced.run) == before

    @pytest.mark.parametrize("finish", [FAILED, CANCELLED])
    def test_a_fenced_finish_is_refused(self, harness: Harness, fenced: Lease, finish: Finish) -> None:
        before = harness.picture(fenced.run), harness.store.held(harness.project)

        assert not harness.store.finish(fenced, finish)
        assert (harness.picture(fenced.run), harness.store.held(harness.project)) == before

    def test_a_fenced_release_is_refused(self, harness: Harness, fenced: Lease) -> None:
        before = harness.picture(fenced.run), harness.store.held(harness.project)

        assert not harness.store.release(fenced, "zombie")
        assert (harness.picture(fenced.run), harness.store.held(harness.project)) == before

    def test_a_result_is_refused_after_another_has_claimed_the_run(self, harness: Harness) -> None:
        zombie = harness.zombie()
        lease = harness.take(zombie.run, "another").lease

        assert not harness.store.finish(zombie, COMPLETED)
        assert harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=2.0))
        assert not harness.store.finish(zombie, COMPLETED)
        assert harness.get(zombie.run).result == 2.0


# -- Registered workers ----

def worker(name: str = "first", beat: int = 1, project: str = PROJECT) -> WorkerInfo:
    return WorkerInfo(owner=owner(name), project=project, tasks=("a", "ü.b"), state="busy", slots=3,
                      running=(1, 2), refused=(7,), started_at=datetime(2026, 1, 2, 3, 4, 5, 678000, UTC),
                      beat=beat)


class WorkerTests(StoreTests):
    def test_a_worker_is_read_back_as_it_presents_itself(self, store: Store, other: Store) -> None:
        store.present(worker())

        (found,) = other.workers(PROJECT)
        assert replace(found, seen_at=None) == worker()
        assert found.seen_at is not None and found.seen_at.utcoffset() is not None

    def test_a_later_registration_replaces_the_earlier_one(self, store: Store) -> None:
        store.present(worker())
        later = replace(worker(beat=2), state="idle", running=(), refused=(), tasks=("a",), slots=1)
        store.present(later)

        assert [replace(found, seen_at=None) for found in store.workers(PROJECT)] == [later]

    def test_the_beat_of_a_worker_grows(self, store: Store) -> None:
        seen = []
        for beat in (1, 2, 3):
            store.present(worker(beat=beat))
            seen.append(store.workers(PROJECT)[0].beat)

        assert seen == [1, 2, 3]

    def test_several_workers_are_listed(self, store: Store) -> None:
        for name in ("b", "a", "c"):
            store.present(worker(name))
        store.present(worker("d", project="elsewhere"))

        assert {found.owner.worker for found in store.workers(PROJECT)} == {"a", "b", "c"}
        assert [found.owner.worker for found in store.workers("elsewhere")] == ["d"]
        assert store.workers("nowhere") == []

    def test_an_unregistered_worker_is_gone(self, store: Store) -> None:
        store.present(worker("a"))
        store.present(worker("b"))
        for _ in range(2):
            store.absent("a")

        assert [found.owner.worker for found in store.workers(PROJECT)] == ["b"]

    def test_an_unknown_worker_may_be_unregistered(self, store: Store) -> None:
        store.absent("unknown")

        assert store.workers(PROJECT) == []

    def test_a_worker_may_register_again(self, store: Store) -> None:
        store.present(worker(beat=5))
        store.absent("first")
        store.present(worker(beat=1))

        assert [found.beat for found in store.workers(PROJECT)] == [1]
