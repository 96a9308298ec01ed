"""T3 to T7 and T10: the verbs of an owner, and the resulting states."""

from __future__ import annotations

from dataclasses import fields

import pytest

from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import Finish, Metric, Update
from hyperspace_core.records.states import TERMINAL, Command, Outcome, State, after_failure, after_release
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.desk import CANCELLED, COMMANDS, COMPLETED, FAILED, Desk, owner

FAILURES = [Outcome.FAILED, Outcome.CRASHED, Outcome.OUT_OF_MEMORY, Outcome.TIMED_OUT]


class Beating(StoreTests):
    def test_every_beat_is_seen_by_observers(self, desk: Desk) -> None:
        lease = desk.start()
        beats = [desk.beat(lease.run)]
        for _ in range(3):
            assert desk.store.beat(lease).held
            beats.append(desk.beat(lease.run))

        assert beats == sorted(set(beats))

    def test_a_beat_stores_the_progress(self, desk: Desk) -> None:
        lease = desk.start()
        progress = Progress(done=3.5, total=10.0, eta_s=1.25, note="epoch 3 \u200f😀")
        desk.store.beat(lease, progress)

        assert desk.get(lease.run).progress == progress
        desk.store.beat(lease)
        assert desk.get(lease.run).progress == progress
        desk.store.beat(lease, Progress(done=4))
        assert desk.get(lease.run).progress == Progress(done=4)

    @pytest.mark.parametrize("what", COMMANDS)
    def test_a_beat_returns_the_command(self, desk: Desk, what: Command | None) -> None:
        lease = desk.start()
        desk.ask(lease.run, what)

        for _ in range(2):             # at each beat until the run has ended, not once
            answer = desk.store.beat(lease)
            assert (answer.held, answer.command) == (True, what)

    def test_a_late_beat_counts_unless_the_run_was_reaped(self, desk: Desk) -> None:
        lease = desk.start()
        seen = desk.held(lease.run)

        assert desk.store.beat(lease).held
        assert desk.store.reap(seen) is None
        assert desk.store.beat(lease).held


class Updating(StoreTests):
    def test_info_is_replaced_and_sections_of_provenance_are_added(self, desk: Desk) -> None:
        lease = desk.start()
        assert desk.store.update(lease, Update(info={"a": 1}, provenance={"git": {"commit": "1"}, "gpu": {}}))
        assert desk.store.update(lease, Update(info={"b": 2}))
        assert desk.store.update(lease, Update(provenance={"git": {"commit": "2"}, "a.b $": {"x": 1}}))

        assert desk.get(lease.run).info == {"b": 2}
        assert desk.last(lease.run).provenance == {"git": {"commit": "2"}, "gpu": {}, "a.b $": {"x": 1}}

    def test_missing_parts_of_a_submission_are_completed(self, desk: Desk) -> None:
        lease = desk.start(submitted={"trees": 3}, validated=False)
        change = Update(scenario={"className": "S"}, config={"trees": 3, "depth": 1},
                        metric=Metric(name="loss", goal="minimize"), seed=2**63 - 1)
        assert desk.store.update(lease, change)

        record = desk.get(lease.run)
        for name in ("scenario", "config", "metric", "seed"):
            assert getattr(record, name) == getattr(change, name)
        assert record.submitted == {"trees": 3}

    def test_none_leaves_everything_as_it_is(self, desk: Desk) -> None:
        lease = desk.start(config={"a": 1}, scenario={"b": 1}, seed=7, metric=Metric(name="m"))
        desk.store.update(lease, Update(info={"c": 1}, provenance={"d": {}}))
        before = desk.picture(lease.run)

        assert desk.store.update(lease, Update())
        assert desk.picture(lease.run) == before
        assert len(fields(Update)) == 6        # a new field needs a test

    def test_each_attempt_has_its_own_provenance(self, desk: Desk) -> None:
        first = desk.start()
        desk.store.update(first, Update(provenance={"host": {"name": "a"}}))
        desk.store.release(first)
        second = desk.take(first.run).lease
        desk.store.update(second, Update(provenance={"host": {"name": "b"}}))

        assert [attempt.provenance for attempt in desk.get(first.run).attempts] == [
            {"host": {"name": "a"}}, {"host": {"name": "b"}}]


class Ending(StoreTests):
    def test_a_result_completes_the_run(self, desk: Desk) -> None:
        lease = desk.start()
        desk.store.update(lease, Update(info={"before": 1}))
        metrics = {"accuracy": 0.75, "per class": [1, 2.5]}

        assert desk.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=0.75, metrics=metrics))

        record, attempt = desk.get(lease.run), desk.last(lease.run)
        assert (record.state, record.result, record.metrics) == (State.COMPLETED, 0.75, metrics)
        assert (record.info, record.failures, record.losses, record.command) == ({"before": 1}, 0, 0, None)
        assert attempt.outcome is Outcome.COMPLETED and attempt.worker == owner("first")
        assert record.finished_at is not None and attempt.ended_at is not None
        assert desk.store.held(desk.project) == []

    def test_finish_may_replace_the_info(self, desk: Desk) -> None:
        lease = desk.start()
        desk.store.update(lease, Update(info={"before": 1}))
        desk.store.finish(lease, Finish(outcome=Outcome.COMPLETED, info={"after": 2}))

        assert desk.get(lease.run).info == {"after": 2}

    @pytest.mark.parametrize("outcome", FAILURES)
    def test_a_failure_keeps_reason_traceback_and_metrics(
            self, desk: Desk, outcome: Outcome) -> None:
        lease = desk.start()
        assert desk.store.finish(lease, Finish(
            outcome=outcome, reason="signal 9", traceback="Traceback …", metrics={"a": 1}, info={"b": 2}))

        record, attempt = desk.get(lease.run), desk.last(lease.run)
        assert (record.state, record.reason, record.failures) == (State.FAILED, "signal 9", 1)
        assert (attempt.outcome, attempt.reason, attempt.traceback) == (outcome, "signal 9", "Traceback …")
        assert (record.metrics, record.info, record.result) == ({"a": 1}, {"b": 2}, None)
        assert record.finished_at is not None

    @pytest.mark.parametrize("what", COMMANDS)
    @pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CRASHED])
    @pytest.mark.parametrize("budget", [0, 1])
    def test_a_failure_ends_where_the_table_says(
            self, desk: Desk, outcome: Outcome, what: Command | None, budget: int) -> None:
        lease = desk.start(max_failures=budget)
        desk.ask(lease.run, what)

        assert desk.store.finish(lease, Finish(outcome=outcome, reason="no"))

        record = desk.get(lease.run)
        assert record.state is after_failure(what, 1, budget)
        assert (record.failures, record.losses, record.command) == (1, 0, None)
        assert (record.finished_at is not None) == (record.state in TERMINAL)

    def test_failures_are_tried_again_until_the_budget_is_used(self, desk: Desk) -> None:
        run = desk.submit(max_failures=2)
        states = []
        for _ in range(3):
            desk.store.finish(desk.take(run).lease, FAILED)
            states.append(desk.state(run))

        assert states == [State.QUEUED, State.QUEUED, State.FAILED]
        assert [attempt.outcome for attempt in desk.get(run).attempts] == [Outcome.FAILED] * 3
        assert desk.get(run).failures == 3

    def test_a_failure_without_retry_is_final(self, desk: Desk) -> None:
        lease = desk.start(max_failures=5)

        assert desk.store.finish(lease, Finish(outcome=Outcome.FAILED, reason="bad config", retry=False))
        assert desk.state(lease.run) is State.FAILED

    def test_a_retried_run_completes_without_failure_fields(self, desk: Desk) -> None:
        lease = desk.start(max_failures=1)
        desk.store.finish(lease, Finish(outcome=Outcome.FAILED, reason="once", metrics={"half": 1}))
        desk.store.finish(desk.take(lease.run).lease, COMPLETED)

        record = desk.get(lease.run)
        assert (record.state, record.reason, record.metrics) == (State.COMPLETED, None, COMPLETED.metrics)
        assert [attempt.reason for attempt in record.attempts] == ["once", None]

    @pytest.mark.parametrize("what", COMMANDS)
    @pytest.mark.parametrize("finish", [COMPLETED, CANCELLED])
    def test_a_result_or_a_stop_counts_despite_a_command(
            self, desk: Desk, finish: Finish, what: Command | None) -> None:
        lease = desk.start()
        desk.ask(lease.run, what)

        assert desk.store.finish(lease, finish)
        assert desk.get(lease.run).state.value == finish.outcome.name
        assert desk.get(lease.run).command is None
        assert desk.last(lease.run).outcome is finish.outcome

    @pytest.mark.parametrize("what", COMMANDS)
    def test_a_released_run_follows_the_command(self, desk: Desk, what: Command | None) -> None:
        lease = desk.start()
        desk.ask(lease.run, what)

        assert desk.store.release(lease, "worker stops")

        record, attempt = desk.get(lease.run), desk.last(lease.run)
        assert record.state is after_release(what)
        assert (attempt.outcome, attempt.reason) == (Outcome.RELEASED, "worker stops")
        assert attempt.ended_at is not None
        assert (record.losses, record.failures, record.command) == (0, 0, None)
        assert (record.finished_at is not None) == (record.state in TERMINAL)
        assert desk.store.held(desk.project) == []

    @pytest.mark.parametrize("finish", [COMPLETED, FAILED, CANCELLED])
    def test_a_repeated_finish_is_a_success_and_changes_nothing(self, desk: Desk, finish: Finish) -> None:
        for budget in (0, 1):
            lease = desk.start(max_failures=budget)
            assert desk.store.finish(lease, finish)
            before = desk.picture(lease.run)

            assert desk.store.finish(lease, finish)
            assert desk.picture(lease.run) == before

    def test_a_repeated_release_is_a_success_and_changes_nothing(self, desk: Desk) -> None:
        lease = desk.start()
        assert desk.store.release(lease, "drained")
        before = desk.picture(lease.run)

        assert desk.store.release(lease, "drained")
        assert desk.picture(lease.run) == before

    def test_a_finish_repeated_long_afterwards_changes_nothing(self, desk: Desk) -> None:
        lease = desk.start()
        desk.store.finish(lease, COMPLETED)
        desk.store.requeue(lease.run)
        second = desk.take(lease.run).lease
        before = desk.picture(lease.run)

        desk.store.finish(lease, COMPLETED)
        desk.store.release(lease)

        assert desk.picture(lease.run) == before
        assert desk.store.beat(second).held
