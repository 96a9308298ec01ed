"""Metrics computed after a run has ended: stored and removed."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from hyperspace_core.errors import NotFound, Refused, ValueNotStorable
from hyperspace_core.records.info import KEY
from hyperspace_core.records.run import Finish, Update
from hyperspace_core.records.states import TERMINAL, Outcome, State
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.desk import COMPLETED, UNKNOWN_ID, Desk

ENTRY = {"value": 0.5, "goal": "maximize", "attempt": 1}


class Amending(StoreTests):
    @pytest.mark.parametrize("state", sorted(TERMINAL))
    def test_a_later_metric_is_kept_beside_the_result(self, desk: Desk, state: State) -> None:
        run = desk.in_state(state)
        before = desk.get(run)

        record = desk.store.amend(run, "f1", ENTRY)

        assert record == desk.get(run) == replace(before, info=before.info | {KEY: {"f1": ENTRY}})

    def test_the_runs_own_info_stays_and_the_last_value_counts(self, desk: Desk) -> None:
        lease = desk.start()
        desk.store.update(lease, Update(info={"n": 1, "a.b": {"$x": [None]}}))
        desk.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=0.5, metrics={"result": 0.5}))

        desk.store.amend(lease.run, "f1", {"value": 0.25})
        desk.store.amend(lease.run, "a.$b", {"value": math.inf})
        record = desk.store.amend(lease.run, "f1", {"value": -0.0})

        assert record.info == {"n": 1, "a.b": {"$x": [None]},
                               KEY: {"f1": {"value": -0.0}, "a.$b": {"value": math.inf}}}
        assert math.copysign(1, record.info[KEY]["f1"]["value"]) == -1

    def test_a_removed_metric_leaves_no_trace(self, desk: Desk) -> None:
        run = desk.in_state(State.COMPLETED)
        before = desk.get(run)
        desk.store.amend(run, "f1", ENTRY)

        for _ in range(2):
            assert desk.store.amend(run, "f1", None) == before
        assert desk.get(run) == before

    @pytest.mark.parametrize("state", [state for state in State if not state.terminal])
    def test_a_run_that_has_not_ended_is_left_alone(self, desk: Desk, state: State) -> None:
        run = desk.in_state(state)
        before = desk.get(run)

        with pytest.raises(Refused, match="when it has ended"):
            desk.store.amend(run, "f1", ENTRY)
        assert desk.get(run) == before

    def test_an_unknown_run_is_not_found(self, desk: Desk) -> None:
        with pytest.raises(NotFound):
            desk.store.amend(UNKNOWN_ID, "f1", ENTRY)

    def test_a_value_that_cannot_be_stored_is_refused(self, desk: Desk) -> None:
        run = desk.in_state(State.COMPLETED)

        with pytest.raises(ValueNotStorable):
            desk.store.amend(run, "f1", {"value": object()})
        assert KEY not in desk.get(run).info

    def test_a_requeued_run_finishes_as_it_would_without(self, desk: Desk) -> None:
        run = desk.in_state(State.COMPLETED)
        desk.store.amend(run, "f1", ENTRY)
        desk.store.requeue(run)

        lease = desk.take(run).lease
        assert desk.store.finish(lease, COMPLETED)
        assert desk.get(run).result == COMPLETED.result
