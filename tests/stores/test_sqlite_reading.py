"""Reading in pages: no transaction is open between them, and no more is read than requested."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.errors import UsageError
from hyperspace_core.records.filter import ORDER_BEST, ORDER_OLDEST, Condition, RunFilter, parse_condition
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import Finish, Metric, NewRun, OutputChunk, Owner
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.stores.sqlite import open_store, runs

OWNER = Owner(worker="w", host="h")
_uids = count()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def store(path: Path) -> Iterator[Any]:
    with open_store(f"sqlite:///{path}") as opened:
        yield opened


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids of all records that are built from rows, in order."""
    ids: list[int] = []
    record_of = runs.sql.record_of

    def counting(row: Any, *rest: Any) -> Any:
        ids.append(row[0])
        return record_of(row, *rest)

    monkeypatch.setattr(runs.sql, "record_of", counting)
    monkeypatch.setattr(runs, "PAGE", 10)
    return ids


def submit(store: Any, number: int, **named: Any) -> list[int]:
    ids: list[int] = store.submit([
        NewRun(uid=f"u{next(_uids)}", project="p", task="t", submitted={"trees": place}, **named)
        for place in range(number)])
    return ids


def test_records_are_read_page_by_page(store: Any, decoded: list[int]) -> None:
    submit(store, 50)
    found = store.find(RunFilter(), order=ORDER_OLDEST)
    assert decoded == []
    assert [record.id for record in islice(found, 12)] == list(range(1, 13))
    assert len(decoded) == 20


def test_no_more_than_the_limit_is_read(store: Any, decoded: list[int]) -> None:
    submit(store, 50)
    assert [record.id for record in store.find(RunFilter(), limit=3)] == [50, 49, 48]
    assert sorted(decoded) == [48, 49, 50]


def test_a_limit_ends_a_search_that_reads_records(store: Any, decoded: list[int]) -> None:
    submit(store, 50)
    where = RunFilter(where=(parse_condition("trees>=5"),))
    found = store.find(where, order=ORDER_OLDEST, limit=7)
    assert [record.id for record in found] == list(range(6, 13))
    assert set(decoded) == set(range(1, 21))


def test_runs_excluded_by_sql_are_not_read(store: Any, decoded: list[int]) -> None:
    submit(store, 30, tags=("old",))
    submit(store, 5, tags=("new",), priority=3)
    assert len(list(store.find(RunFilter(tags=("new",))))) == 5
    assert len(list(store.find(RunFilter(where=(parse_condition("priority>=3"),))))) == 5
    assert set(decoded) == set(range(31, 36))


def test_text_of_the_tag_list_that_is_not_a_tag_does_not_match(store: Any) -> None:
    submit(store, 1, tags=("a", "b"))
    assert list(store.find(RunFilter(tags=(",",)))) == []
    assert store.count(RunFilter(tags=(",",))) == {}


def test_no_transaction_is_open_between_two_pages(store: Any, path: Path, decoded: list[int]) -> None:
    submit(store, 30)
    found = store.find(RunFilter(), order=ORDER_OLDEST)
    next(found)
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0      # no open reader
        other.execute("BEGIN IMMEDIATE")                                                # no open writer
        other.execute("UPDATE runs SET project = 'q' WHERE id = 20")
        other.execute("COMMIT")
    assert [record.project for record in found] == ["p"] * 18 + ["q"] + ["p"] * 10


def test_a_run_that_no_longer_matches_on_its_page_is_left_out(store: Any, decoded: list[int]) -> None:
    submit(store, 30)
    found = store.find(RunFilter(states=(State.QUEUED,)), order=ORDER_OLDEST)
    next(found)
    store.cancel(15)
    store.delete([16])
    assert [record.id for record in found] == [*range(2, 15), *range(17, 31)]


def test_each_run_is_ranked_by_its_own_goal(store: Any) -> None:
    for goal, results in (("maximize", (0.5, 0.75, float("nan"), float("-inf"))),
                          ("minimize", (-0.75, 0.5, float("inf"), None))):
        for result in results:
            run = submit(store, 1, metric=Metric(name="m", goal=goal))[0]
            claim = store.claim("p", OWNER, f"token {run}", only=[run])
            store.finish(claim.lease, Finish(outcome=Outcome.COMPLETED, result=result))
    found = [record.result for record in store.find(RunFilter(), order=ORDER_BEST)]
    assert str(found) == "[0.75, -0.75, 0.5, 0.5, -inf, inf, nan, None]"


def test_an_unknown_order_is_refused_at_once(store: Any) -> None:
    with pytest.raises(UsageError, match=r"order 'bst': expected one of newest, .*did you mean 'best'"):
        store.find(RunFilter(), order="bst")


def test_series_are_read_in_pages(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "POINTS_PAGE", 10)
    monkeypatch.setattr(runs, "OUTPUT_PAGE", 10)
    submit(store, 1)
    store.append(1, 1, points=[Point(seq=seq, name="ab"[seq % 2], step=None, value=0.0, at=0.0)
                               for seq in range(40)],
                 output=[OutputChunk(seq=seq, text=str(seq), at=0.0) for seq in range(25)])
    assert [point.seq for point in store.points(1, attempt=1)] == list(range(40))
    assert [point.seq for point in store.points(1, attempt=1, names=["b"])] == list(range(1, 40, 2))
    assert [point.seq for point in store.points(1, attempt=1, after=3, limit=17)] == list(range(4, 21))
    assert [point.seq for point in store.points(1, attempt=1, limit=10)] == list(range(10))
    assert [chunk.text for chunk in store.output(1, attempt=1)] == [str(seq) for seq in range(25)]


def test_a_text_does_not_end_at_its_first_nul(store: Any) -> None:
    ids = store.submit([NewRun(uid=text, project="p", task=text, submitted={})
                        for text in ("a", "a\0b", "a\0c")])
    assert store.submit([NewRun(uid="a\0c", project="p", task="", submitted={})]) == ids[2:]
    assert [record.id for record in store.find(RunFilter(tasks=("a\0b",)))] == [ids[1]]
    claim = store.claim("p", OWNER, "token", tasks=["a\0c"])
    assert claim is not None and claim.record.id == ids[2]
    store.append(1, 1, points=[Point(seq=seq, name=name, step=None, value=0.0, at=0.0)
                               for seq, name in enumerate(("a", "a\0b"))])
    assert [point.seq for point in store.points(1, attempt=1, names=["a\0b"])] == [1]


def test_no_text_is_executed_as_sql(store: Any) -> None:
    evil = "x'); DROP TABLE runs; --\" %_[*]"
    store.submit([NewRun(uid=evil, project=evil, task=evil, submitted={evil: evil}, tags=(evil,), note=evil,
                         search=evil)])
    where = RunFilter(project=evil, tasks=(evil,), tags=(evil,), search=evil,
                      where=(Condition(evil, "=", evil), Condition("task", "~", evil)))
    assert [record.task for record in store.find(where)] == [evil]
    assert store.count(where) == {State.QUEUED: 1}
    claim = store.claim(evil, Owner(worker=evil, host=evil), evil, tasks=[evil])
    store.append(1, 1, points=[Point(seq=0, name=evil, step=0, value=1.0, at=0.0)])
    assert [point.name for point in store.points(1, names=[evil])] == [evil]
    assert store.finish(claim.lease, Finish(outcome=Outcome.FAILED, reason=evil, traceback=evil))
    assert store.get(1).attempts[0].traceback == evil
    assert store.count(RunFilter(where=(Condition(f"result {evil}", ">", 1),))) == {}


def test_numbers_that_sqlite_changes_are_marked(store: Any, path: Path) -> None:
    submit(store, 1)
    values = [float("nan"), -0.0, 0.0, float("inf"), 1.0]
    store.append(1, 1, points=[Point(seq=seq, name="loss", step=seq, value=value, at=0.0)
                               for seq, value in enumerate(values)])
    with closing(sqlite3.connect(path)) as other:
        rows = other.execute("SELECT value, special FROM points ORDER BY seq").fetchall()
    assert rows == [(None, "nan"), (0.0, "-0.0"), (0.0, None), (float("inf"), None), (1.0, None)]
    assert str([point.value for point in store.points(1, attempt=1)]) == str(values)
