"""T1: submitted runs are stored all or none, and each of them once."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from hyperspace_core.errors import ValueNotStorable
from hyperspace_core.records.run import Lease, Metric, NewRun
from hyperspace_core.records.states import State
from hyperspace_core.storage import Store, new_token
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.desk import PROJECT, Desk, new_run, owner

# every field differs from its default, except the parent
FULL: dict[str, Any] = {
    "uid": "0123456789abcdef0123456789abcdef", "project": PROJECT, "task": "imdb_1k",
    "submitted": {"trees": 7}, "submitted_by": "ann@host", "scenario": {"className": "S", "share": 0.25},
    "config": {"trees": 7, "depth": None}, "metric": Metric(name="log_loss", goal="minimize"),
    "seed": 2**63 - 1, "validated": False, "priority": -3, "tags": ("b", "a", "ü"), "note": "first\nsecond",
    "max_losses": 5, "max_failures": 2, "search": "s1", "code": {"absent": "too large", "a.b": "$c"},
}


class Submission(StoreTests):
    def test_submitted_runs_get_growing_ids_in_their_order(self, store: Store) -> None:
        runs = [new_run(task=f"task_{number}") for number in range(5)]

        ids = store.submit(runs)

        assert ids == sorted(set(ids)) and len(ids) == 5
        assert [store.get(run).uid for run in ids] == [run.uid for run in runs]
        assert store.submit([new_run()])[0] > ids[-1]

    def test_an_empty_submission_is_accepted(self, store: Store) -> None:
        assert store.submit([]) == []

    def test_every_field_of_a_new_run_is_read_back_equal(self, desk: Desk) -> None:
        full = FULL | {"parent": desk.submit()}
        assert {field.name for field in fields(NewRun)} == set(full)

        record = desk.get(desk.store.submit([NewRun(**full)])[0])

        assert {name: getattr(record, name) for name in full} == full
        assert record.state is State.QUEUED
        assert record.submitted_at is not None and record.submitted_at.utcoffset() is not None
        assert (record.attempts, record.losses, record.failures, record.command) == ((), 0, 0, None)
        assert (record.result, record.metrics, record.info, record.progress) == (None, {}, {}, None)
        assert (record.started_at, record.finished_at, record.reason) == (None, None, None)

    def test_missing_fields_of_a_new_run_stay_missing(self, desk: Desk) -> None:
        record = desk.get(desk.submit())

        assert (record.scenario, record.config, record.seed, record.parent, record.search) == (None,) * 5
        assert (record.metric, record.tags, record.note, record.validated) == (Metric(), (), "", True)

    def test_a_known_uid_keeps_its_id_and_its_content(self, store: Store) -> None:
        first = new_run(submitted={"trees": 1}, note="first")
        run = store.submit([first])[0]

        again = store.submit([new_run(), replace(first, submitted={"trees": 2}, note="second"), new_run()])

        assert again[1] == run and len(set(again)) == 3
        assert (store.get(run).submitted, store.get(run).note) == ({"trees": 1}, "first")

    @pytest.mark.parametrize("state", State)
    def test_a_known_uid_keeps_its_state(self, desk: Desk, state: State) -> None:
        run = desk.in_state(state)
        before = desk.picture(run)

        assert desk.store.submit([new_run(uid=desk.get(run).uid)]) == [run]
        assert desk.picture(run) == before

    def test_a_uid_twice_in_one_call_is_one_run(self, store: Store) -> None:
        run = new_run()

        ids = store.submit([run, new_run(), run])

        assert ids[0] == ids[2] != ids[1]
        assert store.ids(PROJECT) == (ids[0], ids[1])

    def test_one_bad_run_refuses_the_whole_batch(self, desk: Desk) -> None:
        batch = [new_run(), new_run(submitted={"when": object()}), new_run()]

        with pytest.raises(ValueNotStorable, match="when"):
            desk.store.submit(batch)

        assert desk.ids() == []
        assert len(desk.store.submit([batch[0], batch[2]])) == 2

    def test_runs_that_are_executed_here_are_never_queued_for_others(self, desk: Desk) -> None:
        tokens = [new_token(), new_token()]
        runs = desk.store.submit([new_run(), new_run()], owner=owner("here"), tokens=tokens)

        assert [desk.state(run) for run in runs] == [State.RUNNING] * 2
        assert desk.claim() is None
        for run, token in zip(runs, tokens, strict=True):
            attempt = desk.last(run)
            assert (attempt.number, attempt.worker, attempt.outcome) == (1, owner("here"), None)
            assert attempt.started_at is not None
            assert desk.store.beat(Lease(run=run, attempt=1, token=token)).held

    def test_a_repeated_submission_claims_no_run_again(self, desk: Desk) -> None:
        new, token = new_run(), new_token()
        first = desk.store.submit([new], owner=owner(), tokens=[token])

        assert desk.store.submit([new], owner=owner(), tokens=[token]) == first
        assert len(desk.get(first[0]).attempts) == 1
        assert desk.store.beat(Lease(run=first[0], attempt=1, token=token)).held

    def test_a_known_run_is_not_taken_by_submitting_it_with_an_owner(self, desk: Desk) -> None:
        new = new_run()
        run = desk.store.submit([new])[0]

        assert desk.store.submit([new], owner=owner(), tokens=[new_token()]) == [run]
        assert desk.state(run) is State.QUEUED and desk.get(run).attempts == ()

    def test_submitted_runs_are_visible_at_once(self, desk: Desk, other: Store) -> None:
        run = desk.submit(note="see me")

        assert other.get(run).note == "see me"
