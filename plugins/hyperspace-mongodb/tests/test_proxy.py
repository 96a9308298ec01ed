"""The proxy does to messages what it is told; else the tests with it would prove nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, NetworkTimeout, ServerSelectionTimeoutError

from hyperspace_mongodb.testing import Server
from proxy import Proxy


@pytest.fixture
def proxy(mongodb_server: Server) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", mongodb_server.port) as proxy:
        yield proxy


@pytest.fixture
def mongodb_url(mongodb_server: Server) -> str:
    """Of the test server, whichever server the other tests use: what is tested is the proxy."""
    return mongodb_server.url(f"proxy_{uuid.uuid4().hex[:8]}")


def client_of(proxy: Proxy, **options: object) -> MongoClient:
    return MongoClient("127.0.0.1", proxy.port, directConnection=True,
                       **{"retryWrites": False, "retryReads": False} | options)


def test_it_forwards(proxy: Proxy, mongodb_url: str) -> None:
    with client_of(proxy) as client:
        things = client[mongodb_url.rpartition("/")[2]].things
        things.insert_one({"_id": 1, "text": "x" * 3_000_000})
        assert len(things.find_one()["text"]) == 3_000_000


def test_silent_it_takes_connections_and_nothing_comes_through(proxy: Proxy) -> None:
    with client_of(proxy, socketTimeoutMS=300, serverSelectionTimeoutMS=300) as client:
        client.admin.command("ping")
        proxy.fall_silent()
        with pytest.raises(NetworkTimeout):
            client.admin.command("ping")
        proxy.speak()
    with client_of(proxy) as client:
        client.admin.command("ping")


def test_it_refuses_and_opens_again_on_the_same_port(proxy: Proxy) -> None:
    with client_of(proxy, serverSelectionTimeoutMS=300) as client:
        client.admin.command("ping")
        proxy.refuse()
        with pytest.raises((AutoReconnect, ServerSelectionTimeoutError)):
            client.admin.command("ping")
    proxy.open()
    with client_of(proxy) as client:
        client.admin.command("ping")


def test_an_answer_that_is_lost_was_to_a_write_that_was_done(proxy: Proxy, mongodb_url: str) -> None:
    with client_of(proxy) as client:
        things = client[mongodb_url.rpartition("/")[2]].things
        proxy.lost_share = 1.0
        with pytest.raises(AutoReconnect):
            things.insert_one({"_id": 1})
        assert things.find_one() == {"_id": 1}
        assert proxy.lost == 1


def test_delivered_twice_a_write_is_done_twice(proxy: Proxy, mongodb_url: str) -> None:
    with client_of(proxy) as client:
        things = client[mongodb_url.rpartition("/")[2]].things
        things.insert_one({"_id": 1, "count": 0})
        proxy.twice = True
        things.update_one({"_id": 1}, {"$inc": {"count": 1}})
        assert things.find_one() == {"_id": 1, "count": 2}
        assert proxy.doubled == 1
