"""pytest fixtures around the test server: `from hyperspace_mongodb.testing.fixtures import *` in a conftest.

`HYPERSPACE_TEST_MONGODB=uri` names a server to use instead; tests that stop or pause the server skip then.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from hyperspace_mongodb.testing.environment import ServerNotInstalled, server_python
from hyperspace_mongodb.testing.server import Server

__all__ = ["fresh_mongodb_url", "mongodb_server", "mongodb_uri", "mongodb_url", "own_mongodb_server"]

VARIABLE = "HYPERSPACE_TEST_MONGODB"


def installed() -> None:
    """Skip the test, with the reason, if the server cannot be installed."""
    try:
        server_python()
    except ServerNotInstalled as error:
        pytest.skip(str(error))


def with_database(uri: str, database: str) -> str:
    """The URI of another database; a user keeps the authentication database of the URI."""
    parts = urlsplit(uri)
    query = parts.query
    if "@" in parts.netloc and "authsource=" not in query.lower():
        query = "&".join(filter(None, (query, f"authSource={parts.path.strip('/') or 'admin'}")))
    # built by hand: urlunsplit would drop a significant empty part
    return f"{parts.scheme}://{parts.netloc}/{database}" + (f"?{query}" if query else "")


@pytest.fixture(scope="session")
def mongodb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The test server, shared by all tests of this process; do not stop it.

    Nothing that it holds has to survive it, so it does not wait for the disk.
    """
    installed()
    server = Server(tmp_path_factory.mktemp("mongodb")).start()
    yield server
    server.kill()                  # its folder is deleted afterwards: no clean stop needed


@pytest.fixture(scope="session")
def mongodb_uri(request: pytest.FixtureRequest) -> str:
    """The server for tests, started or given; the URI may have a user and options, and names no database."""
    named = os.environ.get(VARIABLE, "")
    if named:
        return named
    server: Server = request.getfixturevalue("mongodb_server")
    return server.uri


@pytest.fixture
def fresh_mongodb_url(mongodb_uri: str) -> Iterator[Callable[[], str]]:
    """Each call returns the URL of a new, empty database; all are dropped after the test."""
    from pymongo import MongoClient

    made: list[str] = []

    def fresh() -> str:
        made.append(f"hyperspace_test_{uuid.uuid4().hex[:12]}")
        return with_database(mongodb_uri, made[-1])

    yield fresh
    if made:
        client: MongoClient[dict[str, Any]] = MongoClient(mongodb_uri)
        with client:
            for name in made:
                client.drop_database(name)


@pytest.fixture
def mongodb_url(fresh_mongodb_url: Callable[[], str]) -> str:
    """The URL of a new, empty database."""
    return fresh_mongodb_url()


@pytest.fixture
def own_mongodb_server(tmp_path: Path) -> Iterator[Server]:
    """A separate server for this test, which may stop, pause or kill it."""
    if os.environ.get(VARIABLE):
        pytest.skip(f"the test stops its server; not possible with the one named by {VARIABLE}")
    installed()
    server = Server(tmp_path / "mongodb", "--sync-on-commit").start()
    yield server
    server.kill()
