"""Open a URL: every mistake is one line with host and cure, and every wait is bounded."""

from __future__ import annotations

import multiprocessing
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from pymongo import MongoClient

from hyperspace_core.errors import HyperspaceError, StoreError, StoreUnavailable
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.storage import open_store as open_by_scheme
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.storage import QueueSettings, Store
from hyperspace_mongodb import schema
from hyperspace_mongodb.connection import Database
from hyperspace_mongodb.opening import LONGEST_S, SHORTEST_S, opened, patience_s
from hyperspace_mongodb.store import MongoStore, open_store
from hyperspace_mongodb.testing import Server
from pytest_hyperspace.stores.harness import PROJECT, Harness, new_run, until

SECRET = "S3cr3t-canary"


def complaint(url: str, project: str | None = None) -> str:
    """The one-line error of opening and querying."""
    with pytest.raises(StoreError) as raised, open_store(url, project) as store:
        store.count(RunFilter())
    text = str(raised.value)
    assert "\n" not in text and SECRET not in text and "Traceback" not in text
    assert SECRET not in repr(raised.value)
    return text


def database_of(store: Store) -> Database:
    assert isinstance(store, MongoStore)
    return store._database


@pytest.fixture
def silent() -> Iterator[str]:
    """Host and port of a listener that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


# -- addresses -----------------------------------------------------------------------------------------------


def test_the_scheme_is_offered_by_the_installed_plugin(mongodb_url: str) -> None:
    with open_by_scheme(mongodb_url, build_manager(), PROJECT) as store:
        assert isinstance(store, MongoStore)


@pytest.mark.parametrize(("url", "said"), [
    ("mongodb://127.0.0.1", "names no database"),
    ("mongodb://127.0.0.1/a b", "space"),
    ("mongodb://127.0.0.1/a.b", "cannot name a database"),
    ("mongodb://127.0.0.1:99999/db", "port must be 1-65535"),
    (f"mongodb://ann:{SECRET}@x@127.0.0.1/db", "must be escaped"),
    ("mongodb://127.0.0.1/db?tiemoutMS=5", "unknown option 'tiemoutMS'; did you mean 'timeoutms'"),
    ("mongodb://127.0.0.1/db?timeoutMS", "unknown option"),
    ("mongodb://127.0.0.1/db?timeoutMS=0", "wait forever"),
    ("mongodb://127.0.0.1/db?tls=perhaps", "tls"),
    (f"mongodb://ann:{SECRET}@127.0.0.1/db?tlsCAFile=/no/such/file&tls=true", "file is not readable"),
])
def test_an_invalid_address_is_refused_with_the_reason(url: str, said: str) -> None:
    assert said in complaint(url)


def test_the_default_database_is_named_after_the_project(mongodb_uri: str) -> None:
    with open_store(mongodb_uri.partition("?")[0].rstrip("/"), "named_after_it") as store:
        assert database_of(store).base.name == "named_after_it"


# -- servers that do not answer ------------------------------------------------------------------------------


def test_a_closed_port_is_reported() -> None:
    port = closed_port()

    said = complaint(f"mongodb://ann:{SECRET}@127.0.0.1:{port}/db?timeoutMS=300")

    assert "connection refused" in said and f"127.0.0.1:{port}" in said and "ann:***@" in said


def test_an_unknown_host_is_reported() -> None:
    assert "DNS does not know" in complaint("mongodb://no-such-host.invalid/db?timeoutMS=300&tls=false")


def test_a_silent_server_is_given_up(silent: str) -> None:
    said = complaint(f"mongodb://{silent}/db?timeoutMS=300")

    assert "no answer" in said and silent in said


def test_retryable_errors_are_distinct(silent: str) -> None:
    with pytest.raises(StoreUnavailable):
        open_store(f"mongodb://{silent}/db?timeoutMS=200")
    with pytest.raises(StoreError) as raised:
        open_store("mongodb://127.0.0.1/db?nothing=1")
    assert not isinstance(raised.value, StoreUnavailable)


def test_a_remote_server_without_tls_is_refused(
        own_mongodb_server: Server) -> None:
    elsewhere = f"0.0.0.0:{own_mongodb_server.port}"       # this machine, but not loopback

    assert "?tls=false" in complaint(f"mongodb://{elsewhere}/db?timeoutMS=1000")
    with open_store(f"mongodb://{elsewhere}/db?tls=false", PROJECT) as store:
        assert store.count(RunFilter()) == {}


def test_a_missing_tls_of_the_server_is_reported(own_mongodb_server: Server) -> None:
    said = complaint(f"mongodb://127.0.0.1:{own_mongodb_server.port}/db?tls=true&timeoutMS=1000")

    assert "the URL asks for TLS" in said


def test_wrong_password_and_missing_right_have_own_messages(own_mongodb_server: Server) -> None:
    own_mongodb_server.add_user("ann", SECRET, {"role": "readWrite", "db": "theirs"})
    own_mongodb_server.restart("--auth", "--sync-on-commit")
    host = f"127.0.0.1:{own_mongodb_server.port}"

    wrong = complaint(f"mongodb://ann:{SECRET}-not@{host}/db?authSource=admin")
    unknown = complaint(f"mongodb://{host}/db")
    elsewhere = complaint(f"mongodb://ann:{SECRET}@{host}/db?authSource=admin")

    assert "refuses the user or the password" in wrong and host in wrong
    assert "no right" in unknown and "no right" in elsewhere
    with open_store(f"mongodb://ann:{SECRET}@{host}/theirs?authSource=admin", PROJECT) as store:
        assert Harness(store).submit() == 1
        assert SECRET not in repr(store) + store.url + repr(store.info())


def test_a_silent_server_is_unavailable_within_the_timeout(own_mongodb_server: Server) -> None:
    with open_store(f"mongodb://127.0.0.1:{own_mongodb_server.port}/db?timeoutMS=500", PROJECT) as store:
        lease = Harness(store).start()
        own_mongodb_server.pause()
        verbs: list[Callable[[], Any]] = [
            lambda: store.beat(lease), lambda: store.submit([new_run()]), lambda: store.get(lease.run),
            lambda: store.wait_for_change(PROJECT, 3600.0), lambda: list(store.points(lease.run))]
        for verb in verbs:
            with pytest.raises(StoreUnavailable):
                verb()
        own_mongodb_server.resume()
        assert store.beat(lease).held


def test_a_restarted_server_is_used_again(own_mongodb_server: Server) -> None:
    with open_store(f"mongodb://127.0.0.1:{own_mongodb_server.port}/db?timeoutMS=2000", PROJECT) as store:
        harness = Harness(store)
        lease = harness.start()
        own_mongodb_server.kill()
        with pytest.raises(StoreUnavailable):
            store.beat(lease)
        own_mongodb_server.start()

        assert store.beat(lease).held
        assert harness.ids() == [lease.run]


# -- settings of the client ----------------------------------------------------------------------------------


def test_an_operation_may_take_a_sixth_of_the_lease(mongodb_url: str) -> None:
    assert patience_s(QueueSettings().ttl_s) == 5.0
    assert (patience_s(0.1), patience_s(9999.0)) == (SHORTEST_S, LONGEST_S)
    with open_store(mongodb_url, PROJECT) as store:
        assert database_of(store).client.options.timeout == 5.0
        store.change_settings(PROJECT, ttl_s=120.0)
    with open_store(mongodb_url, PROJECT) as store:
        assert database_of(store).client.options.timeout == 20.0


def test_the_url_overrides_the_timeout(mongodb_url: str) -> None:
    sign = "&" if "?" in mongodb_url else "?"
    with open_store(f"{mongodb_url}{sign}timeoutMS=12345", PROJECT) as store:
        assert database_of(store).client.options.timeout == 12.345


def test_the_url_cannot_weaken_the_write_concern(
        mongodb_url: str) -> None:
    sign = "&" if "?" in mongodb_url else "?"
    with open_store(f"{mongodb_url}{sign}w=1&journal=false", PROJECT) as store:
        options = database_of(store).client.options
        assert options.write_concern.document == {"w": "majority", "j": True}
        assert options.retry_writes and options.read_preference.mongos_mode == "primary"


# -- close and fork ------------------------------------------------------------------------------------------


def test_a_closed_store_leaves_neither_threads_nor_sockets(mongodb_url: str) -> None:
    def counted() -> tuple[int, int]:
        return threading.active_count(), len(psutil.Process().net_connections())

    before = counted()
    for _ in range(3):
        store = open_store(mongodb_url, PROJECT)
        Harness(store).submit()
        store.wait_for_change(PROJECT, 0.1)
        store.close()
        store.close()

    # the driver's threads end a little later
    until(lambda: all(now <= then for now, then in zip(counted(), before, strict=True)), "they are gone")
    with pytest.raises(StoreError, match="closed"):
        store.count(RunFilter())


@pytest.mark.filterwarnings("ignore")      # of fork, by Python and by the driver
def test_a_store_does_not_cross_a_fork(mongodb_url: str) -> None:
    with open_store(mongodb_url, PROJECT) as store:
        Harness(store).submit()
        here, there = multiprocessing.Pipe()
        pid = os.fork()
        if pid == 0:
            try:
                store.count(RunFilter())
                there.send("nothing was said")
            except HyperspaceError as error:
                there.send(str(error))
            finally:
                store.close()
                os._exit(0)
        os.waitpid(pid, 0)

        assert "may not cross a fork" in here.recv()
        assert len(Harness(store).ids()) == 1


# -- schema --------------------------------------------------------------------------------------------------


def raw(url: str) -> MongoClient[dict[str, Any]]:
    return MongoClient(url)


def test_reading_creates_nothing(mongodb_url: str) -> None:
    with open_store(mongodb_url, PROJECT) as store:
        assert store.count(RunFilter()) == {} and list(store.find(RunFilter())) == []
        assert store.ids(PROJECT) is None and store.check() == () and store.held(PROJECT) == []
        assert store.workers(PROJECT) == [] and store.upgrade() == (schema.SCHEMA, schema.SCHEMA)
        assert store.info().runs == {} and not store.wait_for_change(PROJECT, 0.05)
        store.collect_garbage()
    with raw(mongodb_url) as client:
        assert client.get_default_database().list_collection_names() == []


def test_the_first_write_creates_schema_and_indexes(mongodb_url: str) -> None:
    with open_store(mongodb_url, PROJECT) as store:
        Harness(store).submit()
    with raw(mongodb_url) as client:
        base = client.get_default_database()
        assert base["hyperspace.meta"].find_one({"_id": "schema"})["version"] == schema.SCHEMA
        for collection, keys, unique in schema.INDEXES:
            found = [index for index in base[collection].index_information().values() if index["key"] == keys]
            assert found and bool(found[0].get("unique")) == unique, (collection, keys)


def test_a_newer_schema_is_read_and_not_written(mongodb_url: str) -> None:
    with open_store(mongodb_url, PROJECT) as store:
        run = Harness(store).submit(note="from before")
    with raw(mongodb_url) as client:
        client.get_default_database()["hyperspace.meta"].update_one(
            {"_id": "schema"}, {"$set": {"version": schema.SCHEMA + 1, "needs": "9.9"}})

    with open_store(mongodb_url, PROJECT) as store:
        assert store.get(run).note == "from before"
        assert store.settings("a new one") == QueueSettings()
        assert "9.9" in store.info().notes[0]
        for write in (lambda: store.submit([new_run()]), lambda: store.cancel(run), store.upgrade):
            with pytest.raises(StoreError, match=r"needs hyperspace-core 9\.9"):
                write()


def test_an_older_schema_is_not_written_before_it_is_upgraded(
        mongodb_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(mongodb_url, PROJECT) as store:
        Harness(store).submit()
    steps: list[str] = []
    monkeypatch.setattr(schema, "SCHEMA", schema.SCHEMA + 1)
    monkeypatch.setattr(schema, "MIGRATIONS", {schema.SCHEMA: lambda database: steps.append(database.shown)})

    with open_store(mongodb_url, PROJECT) as store:
        with pytest.raises(StoreError, match="hyperspace store upgrade"):
            store.submit([new_run()])
        assert store.upgrade(dry_run=True) == (schema.SCHEMA - 1, schema.SCHEMA) and steps == []
        assert store.upgrade() == (schema.SCHEMA - 1, schema.SCHEMA) and len(steps) == 1
        assert len(store.submit([new_run()])) == 1


def test_two_concurrent_first_writes_both_succeed(fresh_mongodb_url: Callable[[], str]) -> None:
    url = fresh_mongodb_url()
    start = threading.Barrier(4)
    ids: list[int] = []

    def write() -> None:
        with open_store(url, PROJECT) as store:
            start.wait(30)
            ids.append(Harness(store).submit())

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(ids) == [1, 2, 3, 4]


def test_times_of_runs_are_by_the_servers_clock(mongodb_url: str) -> None:
    database = opened(mongodb_url, PROJECT)
    try:
        first, (asked, _) = database.now(), database.asked_clock()
        assert abs((asked - first).total_seconds()) < 5
    finally:
        database.close()
