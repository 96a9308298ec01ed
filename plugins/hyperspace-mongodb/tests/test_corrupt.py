"""Documents changed by hand: errors name them in one line, and no worker stops because of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database as MongoDatabase

from hyperspace_core.errors import StoreError
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.storage import QueueSettings, Store
from hyperspace_mongodb.store import open_store
from pytest_hyperspace.stores.harness import PROJECT, Harness

Raw = MongoDatabase[dict[str, Any]]

DAMAGE: dict[str, dict[str, Any]] = {
    "a tree that is no JSON": {"$set": {"hyperspace.config": "{broken"}},
    "a moment that is none": {"$set": {"hyperspace.submitted_at": "yesterday"}},
    "a field is missing": {"$unset": {"hyperspace.losses": ""}},
    "no task": {"$unset": {"experiment": ""}},
    "attempts that are no list": {"$set": {"hyperspace.attempts": None}},
    "attempts that are a document": {"$set": {"hyperspace.attempts": {"0": 1}}},
    "an attempt that is no number": {"$set": {"hyperspace.attempt": "one"}},
}
NOT_IN_THE_QUEUE: dict[str, dict[str, Any]] = {
    "a state that there is not": {"$set": {"status": "BANANA"}},
    "no state": {"$unset": {"status": ""}},
    "nothing of ours": {"$set": {"hyperspace": None}},
}
every = pytest.mark.parametrize("damage", [*DAMAGE.values(), *NOT_IN_THE_QUEUE.values()],
                                ids=[*DAMAGE, *NOT_IN_THE_QUEUE])


@pytest.fixture
def raw(mongodb_url: str) -> Iterator[Raw]:
    client: MongoClient[dict[str, Any]] = MongoClient(mongodb_url, tz_aware=True)
    with client:
        yield client.get_default_database()


@pytest.fixture
def store(mongodb_url: str) -> Iterator[Store]:
    with open_store(mongodb_url, PROJECT) as opened:
        yield opened


@pytest.fixture
def harness(store: Store) -> Harness:
    return Harness(store)


@every
def test_a_damaged_run_is_named_by_readers_and_check(raw: Raw, harness: Harness,
                                                     damage: dict[str, Any]) -> None:
    run = harness.submit()
    assert harness.store.check() == ()
    raw["runs"].update_one({"_id": run}, damage)

    with pytest.raises(StoreError, match=rf"^run {run}: its document is damaged \(.+\); repair it") as raised:
        harness.store.get(run)
    assert "\n" not in str(raised.value)
    line, = harness.store.check()
    assert f"run {run}: its document is damaged" in line


@pytest.mark.parametrize("damage", [*DAMAGE.values()], ids=[*DAMAGE])
def test_a_claim_skips_a_damaged_run_and_marks_it_failed(raw: Raw, harness: Harness,
                                                         damage: dict[str, Any]) -> None:
    damaged, sound = harness.submit(), harness.submit()
    raw["runs"].update_one({"_id": damaged}, damage)

    claim = harness.claim()

    assert claim is not None
    assert claim.record.id == sound
    assert harness.claim() is None
    found = raw["runs"].find_one({"_id": damaged}) or {}
    assert found["status"] == "FAILED"
    assert "its document is damaged" in found["hyperspace"]["reason"]
    assert "token" not in found["hyperspace"]


@pytest.mark.parametrize("damage", [
    DAMAGE["a tree that is no JSON"], NOT_IN_THE_QUEUE["a state that there is not"],
    NOT_IN_THE_QUEUE["no state"]])
def test_a_list_names_a_damaged_run(raw: Raw, harness: Harness, damage: dict[str, Any]) -> None:
    run = harness.submit()
    harness.submit()
    raw["runs"].update_one({"_id": run}, damage)

    if "status" in str(damage):
        with pytest.raises(StoreError, match=r"a run has the state .*, which is unknown"):
            harness.store.count(RunFilter(project=PROJECT))
    with pytest.raises(StoreError, match=f"^run {run}: its document is damaged"):
        list(harness.store.find(RunFilter(project=PROJECT)))


@pytest.mark.parametrize("worker", [None, "?"], ids=["never claimed", "by an unreadable owner"])
def test_a_run_set_running_by_hand_stops_no_observer(raw: Raw, harness: Harness, worker: str | None) -> None:
    held = harness.start()
    odd = harness.submit() if worker is None else harness.start().run
    change = {"status": "RUNNING"} | ({} if worker is None else {"hyperspace.attempts.0.worker": worker})
    raw["runs"].update_one({"_id": odd}, {"$set": change})

    assert [one.run for one in harness.store.held(PROJECT)] == [held.run]
    assert any(f"run {odd}" in line for line in harness.store.check())


@pytest.mark.parametrize("version", ["nine", None])
def test_an_invalid_schema_version_is_refused(raw: Raw, mongodb_url: str, harness: Harness,
                                              version: str | None) -> None:
    harness.submit()
    raw["hyperspace.meta"].update_one({"_id": "schema"}, {"$set": {"version": version}})

    with pytest.raises(StoreError, match=f"the schema version in .* is not a number but {version!r};"):
        open_store(mongodb_url, PROJECT)


def test_damaged_settings_are_named_and_missing_ones_default(raw: Raw, mongodb_url: str,
                                                             harness: Harness) -> None:
    harness.submit()
    raw["hyperspace.projects"].update_one({"_id": PROJECT}, {"$set": {"ttl_s": "soon"}})
    damaged = pytest.raises(StoreError, match=r"settings .* are damaged")
    with open_store(mongodb_url, PROJECT) as again, damaged:
        again.settings(PROJECT)

    raw["hyperspace.projects"].replace_one({"_id": PROJECT}, {})
    with open_store(mongodb_url, PROJECT) as again:
        assert again.settings(PROJECT) == QueueSettings()
        assert again.change_settings(PROJECT, paused=True).paused
        assert again.settings(PROJECT).paused
