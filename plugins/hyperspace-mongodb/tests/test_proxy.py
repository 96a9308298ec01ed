"""Tests of the proxy, which other tests rely on."""

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
    """Of the test server, even if the other tests use another one: the proxy is tested."""
    return mongodb_server.url(f"proxy_{uuid.uuid4().hex[:8]}")


def client_of(proxy: Proxy, **options: object) -> MongoClient:
    return MongoClient("127.0.0.1", proxy.port, directConnection=True,
                       **{"retryWrites": False, "retryReads": False} | options)


def test_it_forwards(proxy: Proxy, mongodb_url: str) -> None:
    with client_of(proxy) as client:
        things = client[mongodb_url.rpartition("/")[2]].things
        things.insert_one({"_id": 1, "text": "x" * 3_000_000})
        assert len(things.find_one()["text"]) == 3_000_000


def test_a_silent_proxy_accepts_and_forwards_nothing(proxy: Proxy) -> None:
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


def test_a_lost_answer_belongs_to_an_executed_write(proxy: Proxy, mongodb_url: str) -> None:
    with client_of(proxy) as client:
        things = client[mongodb_url.rpartition("/")[2]].things
        proxy.lost_share = 1.0
        with pytest.raises(AutoReconnect):
            things.insert_one({"_id": 1})
        assert things.find_one() == {"_id": 1}
        assert proxy.lost == 1


def test_a_write_delivered_twice_is_executed_twice(proxy: Proxy, mongodb_url: str) -> None:
    with client_of(proxy) as client:
        things = client[mongodb_url.rpartition("/")[2]].things
        things.insert_one({"_id": 1, "count": 0})
        proxy.twice = True
        things.update_one({"_id": 1}, {"$inc": {"count": 1}})
        assert things.find_one() == {"_id": 1, "count": 2}
        assert proxy.doubled == 1
