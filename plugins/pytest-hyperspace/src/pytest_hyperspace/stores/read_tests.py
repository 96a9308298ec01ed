"""Reading runs: filters, orders, limits, counts, and the description of a store."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from hyperspace_core.errors import NotFound, StoreError
from hyperspace_core.records import (
    ORDER_BEST,
    ORDER_NEWEST,
    ORDER_OLDEST,
    ORDER_QUEUE,
    ORDERS,
    Condition,
    Finish,
    Goal,
    Metric,
    Outcome,
    RunFilter,
    RunRecord,
    State,
    parse_condition,
)
from hyperspace_core.storage import Maintenance, Store
from pytest_hyperspace.stores.base import CAPABILITIES, StoreTests, for_stores_with
from pytest_hyperspace.stores.harness import PROJECT, UNKNOWN_ID, Harness

NAN, INF = math.nan, math.inf

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
    "ids": {"ids": (1, 3, UNKNOWN_ID)},
    "very many ids": {"ids": tuple(range(2, 40_000))},
    "uids": {"uids": ("u1", "u2", "none")},
    "very many uids": {"uids": ("u2", *map(str, range(40_000)))},
    "a uid of another project": {"project": "elsewhere", "uids": ("u1",)},
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


def fill(harness: Harness) -> None:
    """Store runs that differ in every field that a filter can test."""
    forest = {"classifier": {"className": "Forest", "trees": 100}, "flag": True, "text": "1", "empty": None}
    linear = {"classifier": {"className": "Linear"}, "flag": False, "layers": [{"units": 3}], "text": "b"}
    small = forest | {"classifier": {"className": "Forest", "trees": 50}}
    odd = {"classifier": "Forest", "classifier.trees": 7, "flag": 1, "$where": 1, "x'y": 1, "%": 1}
    elsewhere = Harness(harness.store, "elsewhere")
    runs = [
        harness.submit(task="a", config=forest, tags=("t1", "t2"), seed=1, note="hello you", search="s"),
        harness.submit(task="a", config=small, tags=("t1",), uid="u1"),
        harness.submit(task="b", submitted=linear, scenario={"className": "S"}, validated=False, parent=1,
                       priority=2),
        harness.submit(task="b", config=odd, metric=Metric(name="loss", goal="minimize"), seed=2,
                       max_losses=4, parent=1),
        harness.submit(task="c", submitted=odd, config=linear, tags=("a.b, $c'", "T1"), priority=-1, seed=0),
        elsewhere.submit(task="a", config=forest, tags=("t1",), search="s", uid="u2"),
    ]
    harness.store.finish(harness.take(runs[0]).lease, Finish(
        outcome=Outcome.COMPLETED, result=0.5, metrics={"accuracy": 0.5, "a.b": 1}, info={"x": 1}))
    harness.store.finish(harness.take(runs[1]).lease, Finish(
        outcome=Outcome.FAILED, reason="No way", metrics={"a": {"b": 1}}))
    harness.store.finish(harness.take(runs[2]).lease, Finish(
        outcome=Outcome.COMPLETED, result=NAN, metrics={"accuracy": 0.75}))
    harness.take(runs[3])
    elsewhere.store.finish(elsewhere.take(runs[5]).lease, Finish(outcome=Outcome.COMPLETED, result=0.75))


class FilterTests(StoreTests):
    @pytest.fixture
    def records(self, harness: Harness) -> list[RunRecord]:
        fill(harness)
        return list(harness.store.find(RunFilter(), order=ORDER_OLDEST))

    def check(self, store: Store, records: list[RunRecord], wanted: RunFilter) -> None:
        expected = [record for record in records if wanted.matches(record)]
        found = [record.id for record in store.find(wanted, order=ORDER_OLDEST)]
        assert found == [record.id for record in expected]
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

    def test_since_includes_the_given_moment(self, store: Store, records: list[RunRecord]) -> None:
        for record in records:
            assert record.submitted_at is not None
            for shift in (-1, 0, 1):
                moment = record.submitted_at + timedelta(microseconds=shift)
                self.check(store, records, RunFilter(since=moment))

    def test_what_is_found_is_what_get_gives(self, store: Store, records: list[RunRecord]) -> None:
        for record in records:
            assert repr(store.get(record.id)) == repr(record)


# -- Orders, limits, counts ----


def ids(records: Any) -> list[int]:
    return [record.id for record in records]


def finished(harness: Harness, results: list[float | None], goal: Goal = "maximize") -> list[int]:
    """One finished run for each result, in this order."""
    runs = []
    for result in results:
        lease = harness.start(metric=Metric(goal=goal))
        harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=result))
        runs.append(lease.run)
    return runs


class OrderTests(StoreTests):
    def test_order_by_age(self, harness: Harness) -> None:
        runs = harness.submit_many(4)

        assert ids(harness.store.find(RunFilter())) == runs[::-1]
        assert ids(harness.store.find(RunFilter(), order=ORDER_NEWEST)) == runs[::-1]
        assert ids(harness.store.find(RunFilter(), order=ORDER_OLDEST)) == runs

    def test_order_of_claims(self, harness: Harness) -> None:
        for priority in (0, 3, -2, 3, 0, 10):
            harness.submit(priority=priority)

        queued = ids(harness.store.find(RunFilter(project=PROJECT), order=ORDER_QUEUE))

        assert queued == [harness.take().lease.run for _ in queued]

    @pytest.mark.parametrize("goal", ["maximize", "minimize"])
    def test_best_first_and_missing_numbers_last(self, harness: Harness, goal: Goal) -> None:
        results = [1.0, NAN, 2.5, None, -INF, INF, -0.5, 0.0, NAN, None]
        runs = finished(harness, results, goal)
        numbers = sorted((result for result in results if result is not None and not math.isnan(result)),
                         reverse=goal == "maximize")

        found = list(harness.store.find(RunFilter(), order=ORDER_BEST))

        assert [record.result for record in found][:len(numbers)] == numbers
        assert set(ids(found)[len(numbers):]) == {runs[index] for index in (1, 3, 8, 9)}

    @pytest.mark.parametrize("goal", ["maximize", "minimize"])
    def test_of_equal_runs_the_older_one_is_first(self, harness: Harness, goal: Goal) -> None:
        runs = finished(harness, [2.0, 1.0, 2.0, 1.0, 2.0], goal)

        best, rest = ([0, 2, 4], [1, 3]) if goal == "maximize" else ([1, 3], [0, 2, 4])
        found = ids(harness.store.find(RunFilter(), order=ORDER_BEST))
        assert found == [runs[index] for index in best + rest]

    @pytest.mark.parametrize("order", ORDERS)
    def test_a_limit_takes_the_first_ones(self, harness: Harness, order: str) -> None:
        finished(harness, [3.0, None, 1.0, NAN, 2.0])
        harness.submit(task="else")
        where = (parse_condition("task=task"),)
        for wanted in (RunFilter(), RunFilter(tasks=("task",)), RunFilter(where=where)):
            every = ids(harness.store.find(wanted, order=order))
            for limit in (0, 1, 2, 5, 100):
                assert ids(harness.store.find(wanted, order=order, limit=limit)) == every[:limit]


class CapabilityTests(StoreTests):
    def test_the_store_has_what_it_declares(self, store: Store) -> None:
        assert {kind for kind in CAPABILITIES if isinstance(store, kind)} == set(self.declares)

    def test_what_the_store_does_not_have_is_named(self, store: Store) -> None:
        for kind in set(CAPABILITIES) - set(self.declares):
            with pytest.raises(StoreError, match=f"this store cannot {kind.ability}; use one that") as error:
                kind.of(store)
            assert store.url in str(error.value)


class ReadTests(StoreTests):
    def test_found_runs_may_change_while_they_are_read(self, harness: Harness) -> None:
        runs = harness.submit_many(300)

        for record in harness.store.find(RunFilter(project=PROJECT)):
            harness.store.cancel(record.id)

        assert harness.store.count(RunFilter()) == {State.CANCELLED: len(runs)}

    def test_find_need_not_be_read_to_its_end(self, harness: Harness, other: Store) -> None:
        runs = harness.submit_many(300)
        found = harness.store.find(RunFilter(), order=ORDER_OLDEST)
        first = next(found)

        other.cancel(first.id)
        assert harness.state(first.id) is State.CANCELLED
        assert ids(found) == runs[1:]

    def test_states_without_a_run_are_left_out(self, harness: Harness) -> None:
        assert harness.store.count(RunFilter()) == {}
        harness.submit_many(2)
        harness.in_state(State.PAUSED)
        assert harness.store.count(RunFilter()) == {State.QUEUED: 2, State.PAUSED: 1}

    def test_ids_are_the_lowest_and_highest_of_a_project(self, harness: Harness) -> None:
        assert harness.store.ids(PROJECT) is None
        runs = harness.submit_many(3)
        Harness(harness.store, "elsewhere").submit()

        assert harness.store.ids(PROJECT) == (runs[0], runs[-1])
        harness.store.delete(runs[:1])
        assert harness.store.ids(PROJECT) == (runs[1], runs[-1])

    @pytest.mark.parametrize("run", [UNKNOWN_ID, 0, -1, 2**31, 2**63 - 1, 2**63, -(2**63), 10**40])
    def test_an_unknown_id_is_not_found(self, store: Store, run: int) -> None:
        with pytest.raises(NotFound, match=str(run)):
            store.get(run)
        for verb in (store.cancel, store.pause, store.resume, store.requeue):
            with pytest.raises(NotFound, match=str(run)):
                verb(run)

    def test_info_describes_the_store(self, harness: Harness) -> None:
        harness.submit_many(2)
        Harness(harness.store, "elsewhere").submit()

        info = harness.store.info()

        assert info.runs == {PROJECT: 2, "elsewhere": 1}
        assert info.backend and info.url == harness.store.url and info.schema >= 1
        harness.assert_undamaged()

    @for_stores_with(Maintenance)
    def test_a_new_store_needs_no_upgrade(self, harness: Harness) -> None:
        schema = harness.store.info().schema

        assert harness.maintenance.upgrade(dry_run=True) == (schema, schema)
        assert harness.maintenance.upgrade() == (schema, schema)

    def test_closing_twice_does_no_harm(self, store: Store) -> None:
        store.close()
        store.close()
