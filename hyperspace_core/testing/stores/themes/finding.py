"""Reading runs: filters, orders, counts, ids."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperspace_core.errors import NotFound
from hyperspace_core.records.filter import (
    ORDER_BEST,
    ORDER_NEWEST,
    ORDER_OLDEST,
    ORDER_QUEUE,
    ORDERS,
    Condition,
    RunFilter,
    parse_condition,
)
from hyperspace_core.records.run import Finish, Goal, Metric, RunRecord
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import Store
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.desk import NOBODY, PROJECT, Desk

NAN, INF = float("nan"), float("inf")

FILTERS: dict[str, dict[str, Any]] = {
    "all": {},
    "a project": {"project": PROJECT},
    "another project": {"project": "elsewhere"},
    "no such project": {"project": "no"},
    "a task": {"tasks": ("b",)},
    "tasks": {"tasks": ("a", "b", "none")},
    "a state": {"states": (State.FAILED,)},
    "states": {"states": (State.QUEUED, State.COMPLETED)},
    "a tag": {"tags": ("t1",)},
    "tags": {"tags": ("t2", "t1")},
    "an odd tag": {"tags": ("a.b, $c'",)},
    "no such tag": {"tags": ("t",)},
    "a search": {"search": "s"},
    "ids": {"ids": (1, 3, NOBODY)},
    "very many ids": {"ids": tuple(range(2, 40_000))},
    "a parent": {"parent": 1},
    "much at once": {"project": PROJECT, "tasks": ("a",), "tags": ("t1",), "states": (State.COMPLETED,)},
}
CONDITIONS = [
    "classifier.trees>=100", "classifier.trees<100", "classifier.trees=100", "classifier.trees!=100",
    "classifier=Forest", "classifier!=Forest", "classifier~forest", "config.classifier.trees>0", "task=a",
    "task~B", "result>0.5", "result<=0.5", "result=0.5", "result!=0.5", "metrics.accuracy>0.5",
    "metrics.a.b=1", "info.x=1", "seed=1", "seed>1", "priority>=0", "state=FAILED", "reason~no", "note~HELLO",
    "scenario.className=S", "tags.0=t1", "search=s", "parent=1", "max_losses>3", "validated=false",
    "flag=true", "flag=1", "flag!=true", "nothing=1", "nothing!=1", "text=1", 'text="1"', "text>a",
    "layers.0.units=3", "layers.7.units=3", "empty=null", "metric.name=loss", "metric.goal~min", "id>2",
    "attempts.0.outcome=completed", "$where=1", "x'y=1", "%=1",
]
ODD_VALUES: list[Any] = [None, True, False, 0, 1, 0.5, 100, NAN, INF, "", "1", "a", "Forest", [], {}, "%"]
PATHS = [text.split("=")[0].rstrip("<>!~") for text in CONDITIONS] + ["", ".", "a.", "'"]
OPERATORS = ["=", "==", "!=", "<", "<=", ">", ">=", "~"]


def furnish(desk: Desk) -> None:
    """Runs that differ in everything that a filter can ask for."""
    forest = {"classifier": {"className": "Forest", "trees": 100}, "flag": True, "text": "1", "empty": None}
    linear = {"classifier": {"className": "Linear"}, "flag": False, "layers": [{"units": 3}], "text": "b"}
    small = forest | {"classifier": {"className": "Forest", "trees": 50}}
    odd = {"classifier": "Forest", "classifier.trees": 7, "flag": 1, "$where": 1, "x'y": 1, "%": 1}
    elsewhere = Desk(desk.store, "elsewhere")
    runs = [
        desk.submit(task="a", config=forest, tags=("t1", "t2"), seed=1, note="hello you", search="s"),
        desk.submit(task="a", config=small, tags=("t1",)),
        desk.submit(task="b", submitted=linear, scenario={"className": "S"}, validated=False, parent=1,
                    priority=2),
        desk.submit(task="b", config=odd, metric=Metric(name="loss", goal="minimize"), seed=2, max_losses=4,
                    parent=1),
        desk.submit(task="c", submitted=odd, config=linear, tags=("a.b, $c'", "T1"), priority=-1, seed=0),
        elsewhere.submit(task="a", config=forest, tags=("t1",), search="s"),
    ]
    desk.store.finish(desk.take(runs[0]).lease, Finish(
        outcome=Outcome.COMPLETED, result=0.5, metrics={"accuracy": 0.5, "a.b": 1}, info={"x": 1}))
    desk.store.finish(desk.take(runs[1]).lease, Finish(
        outcome=Outcome.FAILED, reason="No way", metrics={"a": {"b": 1}}))
    desk.store.finish(desk.take(runs[2]).lease, Finish(
        outcome=Outcome.COMPLETED, result=NAN, metrics={"accuracy": 0.75}))
    desk.take(runs[3])
    elsewhere.store.finish(elsewhere.take(runs[5]).lease, Finish(outcome=Outcome.COMPLETED, result=0.75))


def ids(records: Any) -> list[int]:
    return [record.id for record in records]


def finished(desk: Desk, results: list[float | None], goal: Goal = "maximize") -> list[int]:
    """A run for each result, in this order."""
    runs = []
    for result in results:
        lease = desk.start(metric=Metric(goal=goal))
        desk.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=result))
        runs.append(lease.run)
    return runs


class Filtering(StoreTests):
    @pytest.fixture
    def records(self, desk: Desk) -> list[RunRecord]:
        furnish(desk)
        return list(desk.store.find(RunFilter(), order=ORDER_OLDEST))

    def check(self, store: Store, records: list[RunRecord], wanted: RunFilter) -> None:
        expected = [record for record in records if wanted.matches(record)]
        assert ids(store.find(wanted, order=ORDER_OLDEST)) == ids(expected)
        assert store.count(wanted) == Counter(record.state for record in expected)

    @pytest.mark.parametrize("name", FILTERS)
    def test_a_filter_finds_and_counts_what_it_matches(
            self, store: Store, records: list[RunRecord], name: str) -> None:
        assert len(records) == 6
        self.check(store, records, RunFilter(**FILTERS[name]))

    @pytest.mark.parametrize("text", CONDITIONS)
    def test_a_condition_finds_and_counts_what_it_matches(
            self, store: Store, records: list[RunRecord], text: str) -> None:
        self.check(store, records, RunFilter(where=(parse_condition(text),)))

    def test_conditions_and_fields_hold_together(self, store: Store, records: list[RunRecord]) -> None:
        where = (parse_condition("classifier=Forest"), parse_condition("result>=0.5"))

        self.check(store, records, RunFilter(where=where))
        self.check(store, records, RunFilter(where=where, project=PROJECT))
        self.check(store, records, RunFilter(where=where, project=PROJECT, states=(State.FAILED,)))

    def test_any_condition_finds_what_it_matches(self, store: Store, records: list[RunRecord]) -> None:
        conditions = st.builds(Condition, st.sampled_from(PATHS), st.sampled_from(OPERATORS),
                               st.sampled_from(ODD_VALUES))

        @self.property_settings()
        @given(where=st.lists(conditions, max_size=2))
        def holds(where: list[Condition]) -> None:
            self.check(store, records, RunFilter(where=tuple(where)))

        holds()

    def test_since_takes_the_very_moment_in(self, store: Store, records: list[RunRecord]) -> None:
        for record in records:
            assert record.submitted_at is not None
            for shift in (-1, 0, 1):
                moment = record.submitted_at + timedelta(microseconds=shift)
                self.check(store, records, RunFilter(since=moment))

    def test_what_is_found_is_what_get_gives(self, store: Store, records: list[RunRecord]) -> None:
        for record in records:
            assert repr(store.get(record.id)) == repr(record)


class Ordering(StoreTests):
    def test_by_age(self, desk: Desk) -> None:
        runs = desk.submit_many(4)

        assert ids(desk.store.find(RunFilter())) == runs[::-1]
        assert ids(desk.store.find(RunFilter(), order=ORDER_NEWEST)) == runs[::-1]
        assert ids(desk.store.find(RunFilter(), order=ORDER_OLDEST)) == runs

    def test_as_workers_take_them(self, desk: Desk) -> None:
        for priority in (0, 3, -2, 3, 0, 10):
            desk.submit(priority=priority)

        queued = ids(desk.store.find(RunFilter(project=PROJECT), order=ORDER_QUEUE))

        assert queued == [desk.take().lease.run for _ in queued]

    @pytest.mark.parametrize("goal", ["maximize", "minimize"])
    def test_best_first_and_what_is_no_number_last(self, desk: Desk, goal: Goal) -> None:
        results = [1.0, NAN, 2.5, None, -INF, INF, -0.5, 0.0, NAN, None]
        runs = finished(desk, results, goal)
        numbers = sorted((result for result in results if result is not None and not math.isnan(result)),
                         reverse=goal == "maximize")

        found = list(desk.store.find(RunFilter(), order=ORDER_BEST))

        assert [record.result for record in found][:len(numbers)] == numbers
        assert set(ids(found)[len(numbers):]) == {runs[index] for index in (1, 3, 8, 9)}

    @pytest.mark.parametrize("goal", ["maximize", "minimize"])
    def test_of_equals_the_older_one_is_better(self, desk: Desk, goal: Goal) -> None:
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
    def test_what_is_found_may_be_changed_while_it_is_read(self, desk: Desk) -> None:
        runs = desk.submit_many(300)

        for record in desk.store.find(RunFilter(project=PROJECT)):
            desk.store.cancel(record.id)

        assert desk.store.count(RunFilter()) == {State.CANCELLED: len(runs)}

    def test_what_is_found_need_not_be_read_to_its_end(self, desk: Desk, other: Store) -> None:
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

    def test_ids_tell_the_lowest_and_the_highest_of_a_project(self, desk: Desk) -> None:
        assert desk.store.ids(PROJECT) is None
        runs = desk.submit_many(3)
        Desk(desk.store, "elsewhere").submit()

        assert desk.store.ids(PROJECT) == (runs[0], runs[-1])
        desk.store.delete(runs[:1])
        assert desk.store.ids(PROJECT) == (runs[1], runs[-1])

    @pytest.mark.parametrize("run", [NOBODY, 0, -1, 2**31, 2**63 - 1, 2**63, -(2**63), 10**40])
    def test_an_id_that_names_nothing_is_not_found_however_odd(self, store: Store, run: int) -> None:
        with pytest.raises(NotFound, match=str(run)):
            store.get(run)
        for verb in (store.cancel, store.pause, store.resume, store.requeue):
            with pytest.raises(NotFound, match=str(run)):
                verb(run)

    def test_the_store_says_what_it_is(self, desk: Desk) -> None:
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
