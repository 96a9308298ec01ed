"""The warnings of `hyperspace doctor` about a server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pymongo import MongoClient

from hyperspace_mongodb.server_checks import Facts, look_at, notes
from hyperspace_mongodb.testing import Server

SOUND = Facts(hosts=("db.example",), tls=True, open=False,
              build={"version": "8.0.17", "versionArray": [8, 0, 17, 0]},
              hello={"setName": "rs", "hosts": ["a", "b", "c"]}, engine={"persistent": True})


def version(text: str) -> dict[str, Any]:
    return {"version": text, "versionArray": [*map(int, text.split(".")), 0]}


def test_a_sound_server_has_no_notes() -> None:
    assert notes(SOUND) == ()


@pytest.mark.parametrize(("text", "safe"), [
    ("8.2.2", "8.2.3"), ("8.0.16", "8.0.17"), ("7.0.27", "7.0.28"), ("6.0.26", "6.0.27"),
    ("5.0.31", "5.0.32"), ("4.4.29", "4.4.30"), ("4.2.24", "8.0"), ("3.6.23", "8.0"),
])
def test_mongobleed_is_reported_with_the_first_safe_version(text: str, safe: str) -> None:
    first = notes(replace(SOUND, build=version(text)))[0]

    assert f"MongoDB {text} " in first
    assert "CVE-2025-14847" in first
    assert f"update it to {safe} or newer" in first


@pytest.mark.parametrize("text", ["8.2.3", "8.0.17", "7.0.28", "8.1.0", "8.3.1", "9.0.0"])
def test_a_patched_server_gives_no_warning(text: str) -> None:
    assert notes(replace(SOUND, build=version(text))) == ()


@pytest.mark.parametrize("text", ["6.0.27", "6.3.2", "5.0.32", "5.3.0", "4.4.30"])
def test_an_unsupported_series_is_reported(text: str) -> None:
    assert notes(replace(SOUND, build=version(text))) == (
        (f"MongoDB {text} gets no more fixes: the oldest series with fixes is 7.0 "
         "-> update it to 8.0 or newer"),)


@pytest.mark.parametrize(("host", "who"), [
    ("db.example", "everyone who can reach it"), ("10.0.0.7", "everyone who can reach it"),
    ("localhost", "every user of this machine"), ("127.0.0.1", "every user of this machine"),
    ("::1", "every user of this machine"),
])
def test_an_open_server_is_reported(host: str, who: str) -> None:
    line, = notes(replace(SOUND, hosts=(host,), open=True))

    assert line.startswith(f"the server asks for no password: {who} may read")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "127.8.0.1"])
def test_this_machine_needs_no_tls(host: str) -> None:
    assert notes(replace(SOUND, hosts=(host,), tls=False)) == ()


def test_without_tls_remote_hosts_are_reported() -> None:
    line, = notes(replace(SOUND, hosts=("localhost", "db.example"), tls=False))

    assert line.startswith("no TLS to db.example: ")


@pytest.mark.parametrize(("ahead_s", "said"), [
    (3600.2, "3,600 s ahead of"), (-86_400.0, "86,400 s behind"), (12.0, "12 s ahead of"),
])
def test_a_clock_difference_is_reported_in_seconds(ahead_s: float, said: str) -> None:
    line, = notes(replace(SOUND, ahead_s=ahead_s))

    assert line.startswith(f"the server's clock is {said} this machine's")


def test_clocks_may_differ_by_a_few_seconds() -> None:
    assert notes(replace(SOUND, ahead_s=-9.0)) == ()


def test_an_in_memory_server_is_reported() -> None:
    line, = notes(replace(SOUND, engine={"name": "inMemory", "persistent": False}))

    assert "keeps all data in memory (inMemory)" in line


def test_two_members_with_an_arbiter_are_reported() -> None:
    line, = notes(replace(SOUND, hello={"setName": "rs", "hosts": ["a", "b"], "arbiters": ["c"]}))

    assert "no write is confirmed by a majority" in line


def test_every_finding_has_its_cure() -> None:
    found = notes(Facts(hosts=("h",), tls=False, open=True, ahead_s=99, build=version("4.2.0"),
                        hello={"setName": "r", "hosts": ["a"], "arbiters": ["b"]},
                        engine={"name": "inMemory", "persistent": False}))

    assert len(found) == 7
    assert all(line.count(" -> ") == 1 for line in found)


def test_a_real_server_is_checked(own_mongodb_server: Server) -> None:
    url = own_mongodb_server.url("db")
    with MongoClient(url) as client:
        facts = look_at(client, url)

    assert facts.open
    assert facts.hosts == ("127.0.0.1",)
    assert facts.engine["name"] == "wiredTiger"
    assert abs(facts.ahead_s) < 10
    assert [line.partition(":")[0] for line in notes(facts)] == [
        "the server asks for no password", "the server is not MongoDB itself"]


def test_a_server_that_asks_for_a_password_is_not_open(own_mongodb_server: Server) -> None:
    own_mongodb_server.add_user("ann", "p@ss")
    own_mongodb_server.restart("--auth")
    url = own_mongodb_server.url("db", "ann", "p@ss")
    with MongoClient(url) as client:
        assert not look_at(client, url).open


def test_an_unneeded_password_does_not_hide_open_access(own_mongodb_server: Server) -> None:
    own_mongodb_server.add_user("ann", "p@ss")
    url = own_mongodb_server.url("db", "ann", "p@ss")
    with MongoClient(url) as client:
        assert look_at(client, url).open
