"""Reading runs: a filter finds and counts what `RunFilter.matches` accepts."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperspace_core.records.filter import (
    ORDER_OLDEST,
    Condition,
    RunFilter,
    parse_condition,
)
from hyperspace_core.records.run import Finish, Metric, RunRecord
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import Store
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.desk import PROJECT, UNKNOWN_ID, Desk

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


def furnish(desk: Desk) -> None:
    """Store runs that differ in every field that a filter can test."""
    forest = {"classifier": {"className": "Forest", "trees": 100}, "flag": True, "text": "1", "empty": None}
    linear = {"classifier": {"className": "Linear"}, "flag": False, "layers": [{"units": 3}], "text": "b"}
    small = forest | {"classifier": {"className": "Forest", "trees": 50}}
    odd = {"classifier": "Forest", "classifier.trees": 7, "flag": 1, "$where": 1, "x'y": 1, "%": 1}
    elsewhere = Desk(desk.store, "elsewhere")
    runs = [
        desk.submit(task="a", config=forest, tags=("t1", "t2"), seed=1, note="hello you", search="s"),
        desk.submit(task="a", config=small, tags=("t1",), uid="u1"),
        desk.submit(task="b", submitted=linear, scenario={"className": "S"}, validated=False, parent=1,
                    priority=2),
        desk.submit(task="b", config=odd, metric=Metric(name="loss", goal="minimize"), seed=2, max_losses=4,
                    parent=1),
        desk.submit(task="c", submitted=odd, config=linear, tags=("a.b, $c'", "T1"), priority=-1, seed=0),
        elsewhere.submit(task="a", config=forest, tags=("t1",), search="s", uid="u2"),
    ]
    desk.store.finish(desk.take(runs[0]).lease, Finish(
        outcome=Outcome.COMPLETED, result=0.5, metrics={"accuracy": 0.5, "a.b": 1}, info={"x": 1}))
    desk.store.finish(desk.take(runs[1]).lease, Finish(
        outcome=Outcome.FAILED, reason="No way", metrics={"a": {"b": 1}}))
    desk.store.finish(desk.take(runs[2]).lease, Finish(
        outcome=Outcome.COMPLETED, result=NAN, metrics={"accuracy": 0.75}))
    desk.take(runs[3])
    elsewhere.store.finish(elsewhere.take(runs[5]).lease, Finish(outcome=Outcome.COMPLETED, result=0.75))


class Filtering(StoreTests):
    @pytest.fixture
    def records(self, desk: Desk) -> list[RunRecord]:
        furnish(desk)
        return list(desk.store.find(RunFilter(), order=ORDER_OLDEST))

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
