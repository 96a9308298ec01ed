"""Reading runs: orders, limits, counts, and the description of a store."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hyperspace_core.errors import NotFound
from hyperspace_core.records.filter import (
    ORDER_BEST,
    ORDER_NEWEST,
    ORDER_OLDEST,
    ORDER_QUEUE,
    ORDERS,
    RunFilter,
    parse_condition,
)
from hyperspace_core.records.run import Finish, Goal, Metric
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import Store
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.desk import PROJECT, UNKNOWN_ID, Desk

NAN, INF = math.nan, math.inf


def ids(records: Any) -> list[int]:
    return [record.id for record in records]


def finished(desk: Desk, results: list[float | None], goal: Goal = "maximize") -> list[int]:
    """One finished run for each result, in this order."""
    runs = []
    for result in results:
        lease = desk.start(metric=Metric(goal=goal))
        desk.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=result))
        runs.append(lease.run)
    return runs


class Ordering(StoreTests):
    def test_order_by_age(self, desk: Desk) -> None:
        runs = desk.submit_many(4)

        assert ids(desk.store.find(RunFilter())) == runs[::-1]
        assert ids(desk.store.find(RunFilter(), order=ORDER_NEWEST)) == runs[::-1]
        assert ids(desk.store.find(RunFilter(), order=ORDER_OLDEST)) == runs

    def test_order_of_claims(self, desk: Desk) -> None:
        for priority in (0, 3, -2, 3, 0, 10):
            desk.submit(priority=priority)

        queued = ids(desk.store.find(RunFilter(project=PROJECT), order=ORDER_QUEUE))

        assert queued == [desk.take().lease.run for _ in queued]

    @pytest.mark.parametrize("goal", ["maximize", "minimize"])
    def test_best_first_and_missing_numbers_last(self, desk: Desk, goal: Goal) -> None:
        results = [1.0, NAN, 2.5, None, -INF, INF, -0.5, 0.0, NAN, None]
        runs = finished(desk, results, goal)
        numbers = sorted((result for result in results if result is not None and not math.isnan(result)),
                         reverse=goal == "maximize")

        found = list(desk.store.find(RunFilter(), order=ORDER_BEST))

        assert [record.result for record in found][:len(numbers)] == numbers
        assert set(ids(found)[len(numbers):]) == {runs[index] for index in (1, 3, 8, 9)}

    @pytest.mark.parametrize("goal", ["maximize", "minimize"])
    def test_of_equal_runs_the_older_one_is_first(self, desk: Desk, goal: Goal) -> None:
        runs = finished(desk, [2.0, 1.0, 2.0, 1.0, 2.0], goal)

        best, rest = ([0, 2, 4], [1, 3]) if goal == "maximize" else ([1, 3], [0, 2, 4])
        assert ids(desk.store.find(RunFilter(), order=ORDER_BEST)) == [runs[index] for index in best + rest]

    @pytest.mark.parametrize("order", ORDERS)
    def test_a_limit_takes_the_first_ones(self, desk: Desk, order: str) -> None:
        finished(desk, [3.0, None, 1.0, NAN, 2.0])
        desk.submit(task="else")
        where = (parse_condition("task=task"),)
        for wanted in (RunFilter(), RunFilter(tasks=("task",)), RunFilter(where=where)):
            every = ids(desk.store.find(wanted, order=order))
            for limit in (0, 1, 2, 5, 100):
                assert ids(desk.store.find(wanted, order=order, limit=limit)) == every[:limit]


class Looking(StoreTests):
    def test_found_runs_may_change_while_they_are_read(self, desk: Desk) -> None:
        runs = desk.submit_many(300)

        for record in desk.store.find(RunFilter(project=PROJECT)):
            desk.store.cancel(record.id)

        assert desk.store.count(RunFilter()) == {State.CANCELLED: len(runs)}

    def test_find_need_not_be_read_to_its_end(self, desk: Desk, other: Store) -> None:
        runs = desk.submit_many(300)
        found = desk.store.find(RunFilter(), order=ORDER_OLDEST)
        first = next(found)

        other.cancel(first.id)
        assert desk.state(first.id) is State.CANCELLED
        assert ids(found) == runs[1:]

    def test_states_without_a_run_are_left_out(self, desk: Desk) -> None:
        assert desk.store.count(RunFilter()) == {}
        desk.submit_many(2)
        desk.in_state(State.PAUSED)
        assert desk.store.count(RunFilter()) == {State.QUEUED: 2, State.PAUSED: 1}

    def test_ids_are_the_lowest_and_highest_of_a_project(self, desk: Desk) -> None:
        assert desk.store.ids(PROJECT) is None
        runs = desk.submit_many(3)
        Desk(desk.store, "elsewhere").submit()

        assert desk.store.ids(PROJECT) == (runs[0], runs[-1])
        desk.store.delete(runs[:1])
        assert desk.store.ids(PROJECT) == (runs[1], runs[-1])

    @pytest.mark.parametrize("run", [UNKNOWN_ID, 0, -1, 2**31, 2**63 - 1, 2**63, -(2**63), 10**40])
    def test_an_unknown_id_is_not_found(self, store: Store, run: int) -> None:
        with pytest.raises(NotFound, match=str(run)):
            store.get(run)
        for verb in (store.cancel, store.pause, store.resume, store.requeue):
            with pytest.raises(NotFound, match=str(run)):
                verb(run)

    def test_info_describes_the_store(self, desk: Desk) -> None:
        desk.submit_many(2)
        Desk(desk.store, "elsewhere").submit()

        info = desk.store.info()

        assert info.runs == {PROJECT: 2, "elsewhere": 1}
        assert info.backend and info.url == desk.store.url and info.schema >= 1
        assert desk.store.check() == ()

    def test_a_new_store_needs_no_upgrade(self, store: Store) -> None:
        schema = store.info().schema

        assert store.upgrade(dry_run=True) == store.upgrade() == (schema, schema)

    def test_closing_twice_does_no_harm(self, store: Store) -> None:
        store.close()
        store.close()
