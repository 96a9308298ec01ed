"""Copy runs from an embedded store to MongoDB and back; they stay equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from hyperspace_core.cli.main import run
from hyperspace_core.records.search import SearchState
from hyperspace_core.records.states import State
from hyperspace_core.storage import Store
from hyperspace_core.stores.sqlite import open_store as open_sqlite
from hyperspace_migrate.copy import Copied, Fate, copy_runs
from hyperspace_migrate.testing import assert_the_same, copy_to, fill_sample_store
from hyperspace_mongodb.store import open_store
from pytest_hyperspace.stores.harness import PROJECT, Harness, ProcessGroup
from pytest_hyperspace.stores.process_tests import kill_when
from pytest_hyperspace.stores.search_tests import SPACE, new_search, proposal


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Store]:
    with open_sqlite(f"sqlite:///{tmp_path}/runs.db") as store:
        yield store


@pytest.fixture
def server(mongodb_url: str) -> Iterator[Store]:
    with open_store(mongodb_url) as store:
        yield store


def copied(source: Store, target: Store) -> dict[str, Copied]:
    return {one.uid: one for one in copy_runs(source, target)}


def digests(copies: dict[str, Copied]) -> dict[str, str | None]:
    return {uid: one.digest for uid, one in copies.items() if one.there is not None}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("points", [50, 100_000])
def test_copied_runs_keep_their_digests(embedded: Store, server: Store, tmp_path: Path, points: int) -> None:
    runs = fill_sample_store(embedded, tmp_path, points=points)

    there = copied(embedded, server)

    assert [one.problems for one in there.values() if one.problems] == []
    assert_the_same(embedded, server)
    with open_sqlite(f"sqlite:///{tmp_path}/back.db") as back:
        home = copied(server, back)
        assert_the_same(server, back)
    assert digests(home) == digests(there) and len(home) == len(runs) - 1


def test_a_second_copy_copies_nothing(embedded: Store, server: Store, tmp_path: Path) -> None:
    fill_sample_store(embedded, tmp_path)
    first = copied(embedded, server)

    second = copied(embedded, server)

    assert {one.fate for one in second.values()} == {Fate.THERE, Fate.RUNNING}
    assert digests(second) == digests(first)


def test_an_aborted_copy_is_completed_by_the_next(embedded: Store, server: Store, tmp_path: Path) -> None:
    fill_sample_store(embedded, tmp_path, points=12_000)
    copying = copy_runs(embedded, server)
    next(copying)
    copying.close()
    rich = Harness(server).ids()[0]
    server.delete([rich])

    assert Fate.DIFFERS not in {one.fate for one in copied(embedded, server).values()}
    assert_the_same(embedded, server)


def test_a_killed_copy_is_completed_by_the_next(embedded: Store, server: Store, mongodb_url: str,
                                                tmp_path: Path) -> None:
    fill_sample_store(embedded, tmp_path, points=12_000)
    killed = 0
    for writes in (1, 4, 7, 12):
        copying = ProcessGroup(open_sqlite, embedded.url, copy_to, [(open_store, mongodb_url)])
        kill_when(copying, [writes])
        killed += copying.members[0].answer is None
        copying.end()
    assert killed > 0

    assert Fate.DIFFERS not in {one.fate for one in copied(embedded, server).values()}
    assert_the_same(embedded, server)


def test_a_copied_queued_run_starts_once_it_is_resumed(embedded: Store, server: Store) -> None:
    Harness(embedded).submit()
    copied(embedded, server)
    assert Harness(server).claim() is None

    assert server.resume(1) is State.QUEUED
    assert Harness(server).take().lease.attempt == 1


def test_a_search_is_copied_to_the_server_and_back(
        embedded: Store, server: Store) -> None:
    search = embedded.get_search(embedded.add_search(new_search(space=SPACE)))
    embedded.propose(search.id, 0, proposal(search, 0))
    copied(embedded, server)
    there, = server.searches(PROJECT)
    assert there == replace(search, id=there.id, state=SearchState.PAUSED, proposed=1)

    embedded.end_search(search.id, "goes on elsewhere")
    server.change_search(there.id, state=SearchState.OPEN)
    server.propose(there.id, 1, proposal(search, 1), redrawn=2)
    copied(server, embedded)

    home = embedded.get_search(search.id)
    assert (home.state, home.reason, home.proposed, home.redrawn) == (
        SearchState.ENDED, "goes on elsewhere", 2, 2)
    assert {Harness(embedded).get(run).uid for run in Harness(embedded).ids(search=search.uid)} == {
        search.run_uid(0), search.run_uid(1)}


def test_copy_uses_the_database_named_after_the_project(
        embedded: Store, fresh_mongodb_url: Callable[[], str], capsys: pytest.CaptureFixture[str]) -> None:
    Harness(embedded).in_state(State.COMPLETED)
    whole = fresh_mongodb_url()

    assert run(["store", "copy", embedded.url, whole, "--project", PROJECT]) == 0
    assert capsys.readouterr().out == "copied 1 run; counts and digests agree\n"
    assert run(["store", "info", "--storage", whole, "--json"]) == 0
    assert f'"{PROJECT}":' in capsys.readouterr().out


def test_runs_of_sacred_are_copied_into_our_store(
        mongodb_url: str, fresh_mongodb_url: Callable[[], str], tmp_path: Path) -> None:
    first, second = mongodb_url, fresh_mongodb_url()
    for url, host in ((first, "here"), (second, "elsewhere")):
        sacred_run(url, host)
    with open_sqlite(f"sqlite:///{tmp_path}/runs.db") as target:
        copies = []
        for url in (first, second):
            with open_store(url, "history") as source:
                copies += copied(source, target).values()
                assert copied(source, target).keys() == {copies[-1].uid}
        records = [target.get(one.there or 0) for one in copies]
        values = [[point.value for point in target.points(one.there or 0)] for one in copies]

    assert [one.fate for one in copies] == [Fate.COPIED, Fate.COPIED]
    assert [record.attempts[0].worker.host for record in records if record.attempts[0].worker] == [
        "here", "elsewhere"]
    assert values == [[1.0, 0.5]] * 2


def sacred_run(url: str, host: str) -> None:
    """A finished run as written by Sacred's observer."""
    noon = datetime(2020, 1, 2, 12, tzinfo=UTC)
    client: MongoClient[dict[str, Any]] = MongoClient(url)
    with client:
        database = client.get_default_database()
        metric = database.metrics.insert_one({
            "name": "loss", "run_id": 1, "steps": [0, 1], "timestamps": [noon, noon], "values": [1.0, 0.5]})
        database.runs.insert_one({
            "_id": 1, "format": "MongoObserver-0.7.0", "status": "COMPLETED", "experiment": {"name": "imdb"},
            "host": {"hostname": host}, "start_time": noon, "stop_time": noon + timedelta(hours=1),
            "heartbeat": noon, "config": {"seed": 3, "lr": 0.1}, "result": 0.5, "captured_out": "hello\n",
            "artifacts": [], "resources": [], "meta": {},
            "info": {"metrics": [{"name": "loss", "id": str(metric.inserted_id)}]}})
