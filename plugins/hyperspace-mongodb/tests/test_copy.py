"""Runs move from an embedded store to MongoDB and back, and are the same everywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hyperspace_mongodb.store import open_store
from moving.others import copy_to

from hyperspace_core.cli.entry import run
from hyperspace_core.moving.copying import Copied, Fate, copy_runs
from hyperspace_core.records.states import State
from hyperspace_core.storage import Store
from hyperspace_core.stores.sqlite import open_store as open_sqlite
from hyperspace_core.testing.stores.crowd import Crowd
from hyperspace_core.testing.stores.desk import PROJECT, Desk
from hyperspace_core.testing.stores.house import assert_the_same, furnish
from hyperspace_core.testing.stores.themes.processes import kill_when


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
def test_there_and_back_every_run_has_the_same_digest(embedded: Store, server: Store, tmp_path: Path,
                                                      points: int) -> None:
    runs = furnish(embedded, tmp_path, points=points)

    there = copied(embedded, server)

    assert [one.problems for one in there.values() if one.problems] == []
    assert_the_same(embedded, server)
    with open_sqlite(f"sqlite:///{tmp_path}/back.db") as back:
        home = copied(server, back)
        assert_the_same(server, back)
    assert digests(home) == digests(there) and len(home) == len(runs) - 1


def test_a_second_copy_finds_all_of_it_there(embedded: Store, server: Store, tmp_path: Path) -> None:
    furnish(embedded, tmp_path)
    first = copied(embedded, server)

    second = copied(embedded, server)

    assert {one.fate for one in second.values()} == {Fate.THERE, Fate.RUNNING}
    assert digests(second) == digests(first)


def test_a_copy_that_was_given_up_is_completed_by_the_next(embedded: Store, server: Store,
                                                           tmp_path: Path) -> None:
    furnish(embedded, tmp_path, points=12_000)
    copying = copy_runs(embedded, server)
    next(copying)
    copying.close()
    rich = Desk(server).ids()[0]
    server.delete([rich])

    assert Fate.DIFFERS not in {one.fate for one in copied(embedded, server).values()}
    assert_the_same(embedded, server)


def test_a_copy_that_is_killed_is_completed_by_the_next(embedded: Store, server: Store, mongodb_url: str,
                                                        tmp_path: Path) -> None:
    furnish(embedded, tmp_path, points=12_000)
    killed = 0
    for writes in (1, 4, 7, 12):
        copying = Crowd(open_sqlite, embedded.url, copy_to, [(open_store, mongodb_url)])
        kill_when(copying, [writes])
        killed += copying.members[0].answer is None
        copying.end()
    assert killed > 0

    assert Fate.DIFFERS not in {one.fate for one in copied(embedded, server).values()}
    assert_the_same(embedded, server)


def test_what_is_queued_in_the_file_starts_on_the_server_when_it_is_resumed(embedded: Store,
                                                                            server: Store) -> None:
    Desk(embedded).submit()
    copied(embedded, server)
    assert Desk(server).claim() is None

    assert server.resume(1) is State.QUEUED
    assert Desk(server).take().lease.attempt == 1


def test_the_command_takes_a_database_that_is_named_after_the_project(
        embedded: Store, fresh_mongodb_url: Callable[[], str], capsys: pytest.CaptureFixture[str]) -> None:
    Desk(embedded).in_state(State.COMPLETED)
    whole = fresh_mongodb_url()

    assert run(["store", "copy", embedded.url, whole, "--project", PROJECT]) == 0
    assert capsys.readouterr().out == "copied 1 run; counts and digests agree\n"
    assert run(["store", "info", "--storage", whole, "--json"]) == 0
    assert f'"{PROJECT}":' in capsys.readouterr().out
