"""Metrics that are computed after a run has ended: beside what it returned, and taken away again."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from hyperspace_core.errors import NotFound, Refused, ValueNotStorable
from hyperspace_core.records.rescored import KEY
from hyperspace_core.records.run import Finish, Update
from hyperspace_core.records.states import TERMINAL, Outcome, State
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.desk import COMPLETED, NOBODY, Desk

ENTRY = {"value": 0.5, "goal": "maximize", "attempt": 1}


class Amending(StoreTests):
    @pytest.mark.parametrize("state", sorted(TERMINAL))
    def test_a_metric_of_later_stands_beside_what_the_run_returned(self, desk: Desk, state: State) -> None:
        run = desk.in_state(state)
        before = desk.get(run)

        record = desk.store.amend(run, "f1", ENTRY)

        assert record == desk.get(run) == replace(before, info=before.info | {KEY: {"f1": ENTRY}})

    def test_what_the_run_noted_itself_stays_and_the_last_value_counts(self, desk: Desk) -> None:
        lease = desk.start()
        desk.store.update(lease, Update(info={"n": 1, "a.b": {"$x": [None]}}))
        desk.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=0.5, metrics={"result": 0.5}))

        desk.store.amend(lease.run, "f1", {"value": 0.25})
        desk.store.amend(lease.run, "a.$b", {"value": math.inf})
        record = desk.store.amend(lease.run, "f1", {"value": -0.0})

        assert record.info == {"n": 1, "a.b": {"$x": [None]},
                               KEY: {"f1": {"value": -0.0}, "a.$b": {"value": math.inf}}}
        assert math.copysign(1, record.info[KEY]["f1"]["value"]) == -1

    def test_what_is_taken_away_leaves_no_trace(self, desk: Desk) -> None:
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

    def test_a_run_that_is_not_there_is_said_to_be_missing(self, desk: Desk) -> None:
        with pytest.raises(NotFound):
            desk.store.amend(NOBODY, "f1", ENTRY)

    def test_what_no_store_could_keep_is_refused(self, desk: Desk) -> None:
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
