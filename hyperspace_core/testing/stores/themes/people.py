"""T9, T11, T14 and other verbs of users: tags, notes, priorities, settings."""

from __future__ import annotations

from typing import Any

import pytest

from hyperspace_core.errors import NotFound, Refused, UsageError
from hyperspace_core.records.run import Finish
from hyperspace_core.records.states import TERMINAL, Command, Outcome, State
from hyperspace_core.storage import QueueSettings, Store
from hyperspace_core.testing.stores.base import Backend, StoreTests
from hyperspace_core.testing.stores.desk import COMPLETED, FAILED, PROJECT, UNKNOWN_ID, Desk


class Commands(StoreTests):
    @pytest.mark.parametrize("state", [State.QUEUED, State.PAUSED])
    def test_a_cancelled_run_never_starts(self, desk: Desk, state: State) -> None:
        run = desk.in_state(state)

        assert desk.store.cancel(run) is State.CANCELLED
        assert desk.claim() is None
        assert desk.get(run).finished_at is not None
        with pytest.raises(Refused):
            desk.store.resume(run)

    def test_a_running_run_is_cancelled_by_its_owner(self, desk: Desk) -> None:
        lease = desk.start()

        assert desk.store.cancel(lease.run) is State.RUNNING
        assert desk.store.cancel(lease.run) is State.RUNNING
        assert desk.store.beat(lease).command is Command.CANCEL

    def test_a_cancel_replaces_a_pause_but_not_the_reverse(self, desk: Desk) -> None:
        lease = desk.start()
        desk.store.pause(lease.run)
        assert desk.store.beat(lease).command is Command.PAUSE
        desk.store.cancel(lease.run)
        assert desk.store.beat(lease).command is Command.CANCEL
        desk.store.pause(lease.run)
        assert desk.store.beat(lease).command is Command.CANCEL

    def test_a_paused_run_waits_until_it_is_resumed(self, desk: Desk) -> None:
        run = desk.submit()

        assert desk.store.pause(run) is State.PAUSED
        assert desk.claim() is None
        assert desk.store.resume(run) is State.QUEUED
        assert desk.take().lease.run == run

    def test_a_requested_pause_can_be_withdrawn(self, desk: Desk) -> None:
        lease = desk.start()
        desk.store.pause(lease.run)

        assert desk.store.resume(lease.run) is State.RUNNING
        assert desk.get(lease.run).command is None
        assert desk.store.beat(lease).command is None

    def test_a_cancel_cannot_be_withdrawn(self, desk: Desk) -> None:
        lease = desk.start()
        desk.store.cancel(lease.run)

        with pytest.raises(Refused):
            desk.store.resume(lease.run)
        assert desk.store.beat(lease).command is Command.CANCEL

    @pytest.mark.parametrize("state", sorted(TERMINAL))
    def test_a_requeued_run_keeps_its_earlier_attempts(self, desk: Desk, state: State) -> None:
        run = desk.submit(max_losses=2, max_failures=1)
        desk.take(run)
        desk.lose(run)
        desk.store.finish(desk.take(run).lease, FAILED)
        desk.bring(run, state)
        before = desk.get(run)

        assert desk.store.requeue(run) is State.QUEUED

        record = desk.get(run)
        assert (record.losses, record.failures, record.command) == (0, 0, None)
        assert (record.result, record.reason, record.finished_at) == (None, None, None)
        assert record.attempts == before.attempts
        assert desk.take(run).lease.attempt == len(before.attempts) + 1

    def test_a_requeued_run_does_not_back_off(self, desk: Desk) -> None:
        lease = desk.start(max_failures=1)
        desk.store.finish(lease, Finish(outcome=Outcome.FAILED, retry_after_s=3600.0))
        desk.store.cancel(lease.run)
        desk.store.requeue(lease.run)

        assert desk.take(lease.run).lease.attempt == 2

    def test_the_beat_goes_on_after_a_requeue(self, desk: Desk) -> None:
        lease = desk.start()
        for _ in range(3):
            desk.store.beat(lease)
        seen = desk.beat(lease.run)
        desk.store.finish(lease, COMPLETED)
        desk.store.requeue(lease.run)
        desk.take(lease.run)

        assert desk.beat(lease.run) > seen


class Annotations(StoreTests):
    @pytest.mark.parametrize("state", State)
    def test_annotations_never_change_an_outcome(self, desk: Desk, state: State) -> None:
        run = desk.in_state(state, tags=("old", "kept"), note="before", priority=1)
        before = desk.get(run)

        record = desk.store.annotate(run, add_tags=["new"], remove_tags=["old"], note="after", priority=-7)

        assert record == desk.get(run)
        assert set(record.tags) == {"kept", "new"} and len(record.tags) == 2
        assert (record.note, record.priority) == ("after", -7)
        for name in ("state", "reason", "attempts", "metrics", "result", "finished_at", "command"):
            assert getattr(record, name) == getattr(before, name)

    def test_annotate_keeps_the_other_fields(self, desk: Desk) -> None:
        run = desk.submit(tags=("a",), note="n", priority=3)

        record = desk.store.annotate(run)
        assert (record.tags, record.note, record.priority) == (("a",), "n", 3)
        assert desk.store.annotate(run, note="").note == ""
        assert desk.store.annotate(run, priority=0).priority == 0

    def test_a_tag_is_stored_once_and_may_be_removed_twice(self, desk: Desk) -> None:
        run = desk.submit(tags=("a",))

        assert desk.store.annotate(run, add_tags=["a", "b", "b"]).tags.count("a") == 1
        assert sorted(desk.store.annotate(run, add_tags=["b"]).tags) == ["a", "b"]
        for _ in range(2):
            assert desk.store.annotate(run, remove_tags=["b", "never there"]).tags == ("a",)

    def test_annotations_do_not_affect_the_lease(self, desk: Desk) -> None:
        lease = desk.start()
        desk.store.annotate(lease.run, note="look", priority=9)

        assert desk.store.beat(lease).held
        assert desk.store.finish(lease, COMPLETED)
        assert desk.get(lease.run).note == "look"

    def test_an_unknown_run_cannot_be_annotated(self, store: Store) -> None:
        with pytest.raises(NotFound, match=str(UNKNOWN_ID)):
            store.annotate(UNKNOWN_ID, note="who?")


class Settings(StoreTests):
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
