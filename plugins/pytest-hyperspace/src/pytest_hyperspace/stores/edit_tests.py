"""Verbs of users (T9, T11, T14 and others): commands, notes, later metrics, deletion."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.errors import NotFound, Refused, UsageError, ValueNotStorable
from hyperspace_core.plugin import info, states
from hyperspace_core.records import Command, Finish, Outcome, OutputChunk, Point, State, Update
from hyperspace_core.storage import Maintenance, Migrations, QueueSettings, Store
from pytest_hyperspace.stores.base import Backend, StoreTests, for_stores_with
from pytest_hyperspace.stores.harness import COMPLETED, FAILED, PROJECT, UNKNOWN_ID, Harness, new_run


class CommandTests(StoreTests):
    @pytest.mark.parametrize("state", [State.QUEUED, State.PAUSED])
    def test_a_cancelled_run_never_starts(self, harness: Harness, state: State) -> None:
        run = harness.in_state(state)

        assert harness.store.cancel(run) is State.CANCELLED
        assert harness.claim() is None
        assert harness.get(run).finished_at is not None
        with pytest.raises(Refused):
            harness.store.resume(run)

    def test_a_running_run_is_cancelled_by_its_owner(self, harness: Harness) -> None:
        lease = harness.start()

        assert harness.store.cancel(lease.run) is State.RUNNING
        assert harness.store.cancel(lease.run) is State.RUNNING
        assert harness.store.beat(lease).command is Command.CANCEL

    def test_a_cancel_replaces_a_pause_but_not_the_reverse(self, harness: Harness) -> None:
        lease = harness.start()
        harness.store.pause(lease.run)
        assert harness.store.beat(lease).command is Command.PAUSE
        harness.store.cancel(lease.run)
        assert harness.store.beat(lease).command is Command.CANCEL
        harness.store.pause(lease.run)
        assert harness.store.beat(lease).command is Command.CANCEL

    def test_a_paused_run_waits_until_it_is_resumed(self, harness: Harness) -> None:
        run = harness.submit()

        assert harness.store.pause(run) is State.PAUSED
        assert harness.claim() is None
        assert harness.store.resume(run) is State.QUEUED
        assert harness.take().lease.run == run

    def test_a_requested_pause_can_be_withdrawn(self, harness: Harness) -> None:
        lease = harness.start()
        harness.store.pause(lease.run)

        assert harness.store.resume(lease.run) is State.RUNNING
        assert harness.get(lease.run).command is None
        assert harness.store.beat(lease).command is None

    def test_a_cancel_cannot_be_withdrawn(self, harness: Harness) -> None:
        lease = harness.start()
        harness.store.cancel(lease.run)

        with pytest.raises(Refused):
            harness.store.resume(lease.run)
        assert harness.store.beat(lease).command is Command.CANCEL

    @pytest.mark.parametrize("state", sorted(states.TERMINAL))
    def test_a_requeued_run_keeps_its_earlier_attempts(self, harness: Harness, state: State) -> None:
        run = harness.submit(max_losses=2, max_failures=1)
        harness.take(run)
        harness.lose(run)
        harness.store.finish(harness.take(run).lease, FAILED)
        harness.bring(run, state)
        before = harness.get(run)

        assert harness.store.requeue(run) is State.QUEUED

        record = harness.get(run)
        assert (record.losses, record.failures, record.command) == (0, 0, None)
        assert (record.result, record.reason, record.finished_at) == (None, None, None)
        assert record.attempts == before.attempts
        assert harness.take(run).lease.attempt == len(before.attempts) + 1

    def test_a_requeued_run_does_not_back_off(self, harness: Harness) -> None:
        lease = harness.start(max_failures=1)
        harness.store.finish(lease, Finish(outcome=Outcome.FAILED, retry_after_s=3600.0))
        harness.store.cancel(lease.run)
        harness.store.requeue(lease.run)

        assert harness.take(lease.run).lease.attempt == 2

    def test_the_beat_goes_on_after_a_requeue(self, harness: Harness) -> None:
        lease = harness.start()
        for _ in range(3):
            harness.store.beat(lease)
        seen = harness.beat(lease.run)
        harness.store.finish(lease, COMPLETED)
        harness.store.requeue(lease.run)
        harness.take(lease.run)

        assert harness.beat(lease.run) > seen


class AnnotationTests(StoreTests):
    @pytest.mark.parametrize("state", State)
    def test_annotations_never_change_an_outcome(self, harness: Harness, state: State) -> None:
        run = harness.in_state(state, tags=("old", "kept"), note="before", priority=1)
        before = harness.get(run)

        record = harness.store.annotate(run, add_tags=["new"], remove_tags=["old"], note="after", priority=-7)

        assert record == harness.get(run)
        assert set(record.tags) == {"kept", "new"} and len(record.tags) == 2
        assert (record.note, record.priority) == ("after", -7)
        for name in ("state", "reason", "attempts", "metrics", "result", "finished_at", "command"):
            assert getattr(record, name) == getattr(before, name)

    def test_annotate_keeps_the_other_fields(self, harness: Harness) -> None:
        run = harness.submit(tags=("a",), note="n", priority=3)

        record = harness.store.annotate(run)
        assert (record.tags, record.note, record.priority) == (("a",), "n", 3)
        assert harness.store.annotate(run, note="").note == ""
        assert harness.store.annotate(run, priority=0).priority == 0

    def test_a_tag_is_stored_once_and_may_be_removed_twice(self, harness: Harness) -> None:
        run = harness.submit(tags=("a",))

        assert harness.store.annotate(run, add_tags=["a", "b", "b"]).tags.count("a") == 1
        assert sorted(harness.store.annotate(run, add_tags=["b"]).tags) == ["a", "b"]
        for _ in range(2):
            assert harness.store.annotate(run, remove_tags=["b", "never there"]).tags == ("a",)

    def test_annotations_do_not_affect_the_lease(self, harness: Harness) -> None:
        lease = harness.start()
        harness.store.annotate(lease.run, note="look", priority=9)

        assert harness.store.beat(lease).held
        assert harness.store.finish(lease, COMPLETED)
        assert harness.get(lease.run).note == "look"

    def test_an_unknown_run_cannot_be_annotated(self, store: Store) -> None:
        with pytest.raises(NotFound, match=str(UNKNOWN_ID)):
            store.annotate(UNKNOWN_ID, note="who?")


class QueueSettingTests(StoreTests):
    def test_a_new_project_has_the_defaults(self, store: Store) -> None:
        assert store.settings(PROJECT) == QueueSettings()

    def test_changed_settings_are_stored_and_others_kept(
            self, backend: Backend, url: str, store: Store, other: Store) -> None:
        wanted = QueueSettings(paused=True, heartbeat_s=2.5, ttl_s=11.0)

        assert store.change_settings(PROJECT, paused=True, heartbeat_s=2.5, ttl_s=11.0) == wanted
        assert other.settings(PROJECT) == store.settings(PROJECT) == wanted
        with backend.open(url) as again:
            assert again.change_settings(PROJECT, paused=False) == QueueSettings(heartbeat_s=2.5, ttl_s=11.0)
        assert store.settings(PROJECT) == QueueSettings(heartbeat_s=2.5, ttl_s=11.0)

    def test_each_project_has_its_own_settings(self, store: Store) -> None:
        store.change_settings(PROJECT, paused=True, ttl_s=99.0)

        assert store.settings("elsewhere") == QueueSettings()
        assert store.change_settings("elsewhere") == QueueSettings()

    @pytest.mark.parametrize("change", [
        {"ttl_s": 19.9}, {"heartbeat_s": 7.6}, {"heartbeat_s": 1.0, "ttl_s": 3.9},
        {"paused": True, "ttl_s": 0.0},
    ])
    def test_a_lease_that_ends_within_four_heartbeats_is_refused(self, store: Store, change: Any) -> None:
        with pytest.raises(UsageError):
            store.change_settings(PROJECT, **change)
        assert store.settings(PROJECT) == QueueSettings()

    def test_four_heartbeats_are_enough(self, store: Store) -> None:
        assert store.change_settings(PROJECT, heartbeat_s=1.0, ttl_s=4.0).ttl_s == 4.0


# -- Later metrics ----

ENTRY = {"value": 0.5, "goal": "maximize", "attempt": 1}


@for_stores_with(Migrations)
class AmendTests(StoreTests):
    @pytest.mark.parametrize("state", sorted(states.TERMINAL))
    def test_a_later_metric_is_kept_beside_the_result(self, harness: Harness, state: State) -> None:
        run = harness.in_state(state)
        before = harness.get(run)

        record = harness.migrations.amend(run, "f1", ENTRY)

        assert record == harness.get(run) == replace(before, info=before.info | {info.KEY: {"f1": ENTRY}})

    def test_the_runs_own_info_stays_and_the_last_value_counts(self, harness: Harness) -> None:
        lease = harness.start()
        harness.store.update(lease, Update(info={"n": 1, "a.b": {"$x": [None]}}))
        harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=0.5, metrics={"result": 0.5}))

        harness.migrations.amend(lease.run, "f1", {"value": 0.25})
        harness.migrations.amend(lease.run, "a.$b", {"value": math.inf})
        record = harness.migrations.amend(lease.run, "f1", {"value": -0.0})

        assert record.info == {"n": 1, "a.b": {"$x": [None]},
                               info.KEY: {"f1": {"value": -0.0}, "a.$b": {"value": math.inf}}}
        assert math.copysign(1, record.info[info.KEY]["f1"]["value"]) == -1

    def test_a_removed_metric_leaves_no_trace(self, harness: Harness) -> None:
        run = harness.in_state(State.COMPLETED)
        before = harness.get(run)
        harness.migrations.amend(run, "f1", ENTRY)

        for _ in range(2):
            assert harness.migrations.amend(run, "f1", None) == before
        assert harness.get(run) == before

    @pytest.mark.parametrize("state", [state for state in State if not state.terminal])
    def test_a_run_that_has_not_ended_is_left_alone(self, harness: Harness, state: State) -> None:
        run = harness.in_state(state)
        before = harness.get(run)

        with pytest.raises(Refused, match="when it has ended"):
            harness.migrations.amend(run, "f1", ENTRY)
        assert harness.get(run) == before

    def test_an_unknown_run_is_not_found(self, harness: Harness) -> None:
        with pytest.raises(NotFound):
            harness.migrations.amend(UNKNOWN_ID, "f1", ENTRY)

    def test_a_value_that_cannot_be_stored_is_refused(self, harness: Harness) -> None:
        run = harness.in_state(State.COMPLETED)

        with pytest.raises(ValueNotStorable):
            harness.migrations.amend(run, "f1", {"value": object()})
        assert info.KEY not in harness.get(run).info

    def test_a_requeued_run_finishes_as_it_would_without(self, harness: Harness) -> None:
        run = harness.in_state(State.COMPLETED)
        harness.migrations.amend(run, "f1", ENTRY)
        harness.store.requeue(run)

        lease = harness.take(run).lease
        assert harness.store.finish(lease, COMPLETED)
        assert harness.get(run).result == COMPLETED.result


# -- Deleted runs ----

class DeleteTests(StoreTests):
    def test_a_deleted_run_is_gone_with_all_that_it_has(self, harness: Harness, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_text("content")
        lease, kept = harness.start(), harness.submit()
        harness.store.append(lease.run, 1, points=[Point(seq=0, name="m", step=0, value=1.0, at=0.0)],
                             output=[OutputChunk(seq=0, text="out", at=0.0)])
        artifact = harness.store.put_artifact(lease.run, 1, "file", file)
        harness.store.finish(lease, COMPLETED)

        assert harness.store.delete([lease.run]) == [lease.run]

        assert harness.ids() == [kept]
        reading: list[Callable[[], Any]] = [
            lambda: harness.get(lease.run), lambda: list(harness.store.points(lease.run)),
            lambda: list(harness.store.output(lease.run)), lambda: harness.store.artifacts(lease.run)]
        for read in reading:
            with pytest.raises(NotFound, match=str(lease.run)):
                read()
        if isinstance(harness.store, Maintenance):
            assert harness.store.collect_garbage(dry_run=False).blobs == 1
            with pytest.raises(NotFound):
                harness.store.open_artifact(artifact)

    @pytest.mark.parametrize("state", [state for state in State if state is not State.RUNNING])
    def test_a_run_that_is_not_running_can_be_deleted(self, harness: Harness, state: State) -> None:
        run = harness.in_state(state)

        assert harness.store.delete([run]) == [run]
        assert harness.ids() == [] and harness.claim() is None

    def test_a_running_run_is_refused_and_then_nothing_is_deleted(self, harness: Harness) -> None:
        idle, running = harness.submit(), harness.start().run

        for dry_run in (True, False):
            with pytest.raises(Refused, match=str(running)):
                harness.store.delete([idle, running], dry_run=dry_run)
        assert harness.ids() == [idle, running]

    def test_a_dry_run_returns_the_ids_and_deletes_nothing(self, harness: Harness) -> None:
        runs = harness.submit_many(3)

        assert sorted(harness.store.delete(runs[:2], dry_run=True)) == runs[:2]
        assert harness.ids() == runs

    def test_only_existing_ids_are_returned(self, harness: Harness) -> None:
        run = harness.submit()

        assert harness.store.delete([]) == []
        assert harness.store.delete([run, UNKNOWN_ID]) == [run]
        assert harness.store.delete([run, UNKNOWN_ID]) == []

    def test_many_runs_are_deleted_at_once(self, harness: Harness) -> None:
        runs = harness.submit_many(self.many_runs)

        assert sorted(harness.store.delete(runs[1:])) == runs[1:]
        assert harness.ids() == runs[:1]

    def test_an_id_is_never_given_twice(self, harness: Harness) -> None:
        runs = harness.submit_many(3)
        harness.store.delete(runs)

        assert harness.submit() > runs[-1]

    def test_a_deleted_uid_may_come_again_as_another_run(self, harness: Harness) -> None:
        new = new_run()
        first = harness.store.submit([new])[0]
        harness.store.delete([first])

        second = harness.store.submit([new])[0]
        assert second != first and harness.state(second) is State.QUEUED

    def test_children_outlive_their_parent(self, harness: Harness) -> None:
        parent = harness.submit()
        child = harness.submit(parent=parent)
        harness.store.delete([parent])

        assert harness.get(child).parent == parent

    def test_other_runs_keep_what_they_have(self, harness: Harness) -> None:
        runs = [harness.start().run for _ in range(2)]
        for run in runs:
            harness.store.append(run, 1, points=[Point(seq=0, name="m", step=0, value=float(run), at=0.0)])
        harness.store.cancel(runs[0])
        harness.lose(runs[0])
        harness.store.delete([runs[0]])

        assert [point.value for point in harness.store.points(runs[1])] == [float(runs[1])]
        assert harness.held(runs[1]).run == runs[1]
