"""Proposals without transactions: kills between commands, late helpers, concurrent deletions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database as MongoDatabase

from guillotine import each_kill
from hyperspace_core.errors import NotFound, StoreError, StoreUnavailable
from hyperspace_core.records.search import SearchRecord, SearchState
from hyperspace_core.records.states import State
from hyperspace_core.storage import Store
from hyperspace_mongodb import schema, storing
from hyperspace_mongodb.searches import Proposals, SearchVerbs
from hyperspace_mongodb.store import open_store
from pytest_hyperspace.stores.harness import PROJECT, Harness
from pytest_hyperspace.stores.search_tests import new_search, proposal

Raw = MongoDatabase[dict[str, Any]]

# the next verb finds the run of a killed proposer
NEXT: dict[str, Callable[[Store, SearchRecord], Any]] = {
    "get_search": lambda store, search: store.get_search(search.id),
    "searches": lambda store, search: store.searches(PROJECT),
    "searches of another state": lambda store, search: store.searches(PROJECT, states=(SearchState.ENDED,)),
    "propose": lambda store, search: store.propose(search.id, 1, proposal(search, 1)),
    "end_search": lambda store, search: store.end_search(search.id, "cancelled"),
    "change_search": lambda store, search: store.change_search(search.id, state=SearchState.PAUSED),
}


class Died(Exception):
    """The process was killed at this point."""


@pytest.fixture
def raw(mongodb_url: str) -> Iterator[Raw]:
    client: MongoClient[dict[str, Any]] = MongoClient(mongodb_url, tz_aware=True)
    with client:
        yield client.get_default_database()


@pytest.fixture
def store(mongodb_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(storing, "PATIENCE_S", 0.1)        # with the rest of the killed processes
    with open_store(mongodb_url, PROJECT) as opened:
        yield opened


@pytest.fixture
def harness(store: Store) -> Harness:
    return Harness(store)


@pytest.fixture
def search(store: Store) -> SearchRecord:
    return store.get_search(store.add_search(new_search()))


@pytest.fixture
def slow(mongodb_url: str, store: Store) -> Iterator[Store]:
    """Another worker's store, which a test delays at some point."""
    with open_store(mongodb_url, PROJECT) as opened:
        yield opened


def proposals(store: Store) -> Proposals:
    assert isinstance(store, SearchVerbs)
    return store._proposals


def before(monkeypatch: pytest.MonkeyPatch, store: Store, step: str, act: Callable[[], Any]) -> None:
    """Run an action before that store takes this step of completing a proposal, the first time."""
    original = getattr(proposals(store), step)
    acts = iter([act])

    def late(*arguments: Any) -> Any:
        next(acts, lambda: None)()
        return original(*arguments)

    monkeypatch.setattr(proposals(store), step, late)


def draft(monkeypatch: pytest.MonkeyPatch, store: Store, search: SearchRecord) -> None:
    """A proposal that was counted by a process killed afterwards."""
    def die(found: Any) -> None:
        raise Died

    with monkeypatch.context() as patch, pytest.raises(Died):
        patch.setattr(proposals(store), "carry_on", die)
        store.propose(search.id, 0, proposal(search, 0))


def propose(store: Store, search: SearchRecord) -> None:
    store.propose(search.id, 0, proposal(search, 0), redrawn=2)


def look(store: Store, search: SearchRecord) -> None:
    store.get_search(search.id)


def add(store: Store, uid: str) -> None:
    store.add_search(new_search(uid=uid))


def hear(store: Store) -> None:
    """The notifications until now."""
    while store.wait_for_change(PROJECT, 0.0):
        pass


def runs_of(harness: Harness, search: SearchRecord) -> list[str]:
    return [harness.get(run).uid for run in harness.ids(search=search.uid)]


# -- deaths --------------------------------------------------------------------------------------------------


def test_the_next_verb_queues_a_counted_proposal(
        harness: Harness, mongodb_url: str) -> None:
    def arguments() -> tuple[SearchRecord]:
        search = harness.store.get_search(harness.store.add_search(new_search()))
        hear(harness.store)
        return (search,)

    asked, counted = cycle(NEXT.values()), 0
    for (search,) in each_kill(mongodb_url, propose, arguments):
        next(asked)(harness.store, search)

        uids = runs_of(harness, search)
        after = harness.store.get_search(search.id)
        assert sorted(uids) == [search.run_uid(number) for number in range(after.proposed)]
        if uids:
            counted += 1
            assert after.redrawn == 2
            assert harness.store.wait_for_change(PROJECT, 10.0)
            first = harness.ids(search=search.uid)[0]
            assert harness.store.propose(search.id, 0, proposal(search, 0), redrawn=2) == first
            assert harness.state(first) is State.QUEUED
        assert harness.store.check() == ()
    assert counted > len(NEXT)


def test_a_killed_helper_is_replaced_by_the_next(
        harness: Harness, slow: Store, mongodb_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def arguments() -> tuple[SearchRecord]:
        search = harness.store.get_search(harness.store.add_search(new_search()))
        draft(monkeypatch, slow, search)
        hear(harness.store)
        return (search,)

    for (search,) in each_kill(mongodb_url, look, arguments):
        harness.store.get_search(search.id)
        assert runs_of(harness, search) == [search.run_uid(0)]
        assert harness.store.wait_for_change(PROJECT, 10.0)
        assert harness.store.check() == ()


def test_a_killed_add_search_can_be_repeated(store: Store, mongodb_url: str) -> None:
    uids = (f"search {number}" for number in range(100))
    for added, (uid,) in enumerate(each_kill(mongodb_url, add, lambda: (next(uids),)), start=1):
        number = store.add_search(new_search(uid=uid))
        assert [found.id for found in store.searches(PROJECT, uids=(uid,))] == [number]
        assert len(store.searches(PROJECT)) == added


# -- between two steps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["_hidden", "_named", "carry_on"])
def test_a_late_helper_does_not_restore_a_deleted_proposal(
        harness: Harness, slow: Store, search: SearchRecord, raw: Raw, monkeypatch: pytest.MonkeyPatch,
        step: str) -> None:
    """Others complete the draft, and the run is deleted, while one process continues with old data."""
    def others() -> None:
        harness.store.get_search(search.id)
        assert harness.store.delete(harness.ids()) != []

    before(monkeypatch, slow, step, others)

    assert slow.propose(search.id, 0, proposal(search, 0)) is None
    assert harness.ids() == []
    assert raw["runs"].count_documents({}) == 0
    assert harness.store.get_search(search.id).proposed == 1


def test_a_run_deleted_before_its_draft_stays_deleted(harness: Harness, slow: Store, search: SearchRecord,
                                                      raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(project: str) -> None:
        raise Died

    with monkeypatch.context() as patch, pytest.raises(Died):
        patch.setattr(proposals(slow)._batches, "ring", die)
        slow.propose(search.id, 0, proposal(search, 0))
    assert (raw["hyperspace.searches"].find_one({"_id": search.id}) or {})["draft"]["run"] == harness.ids()[0]
    harness.store.delete(harness.ids())

    assert harness.store.propose(search.id, 0, proposal(search, 0)) is None
    assert harness.ids() == [] and "draft" not in (raw["hyperspace.searches"].find_one() or {})
    assert harness.store.propose(search.id, 1, proposal(search, 1)) is not None


@pytest.mark.parametrize("step", ["_hidden", "_named", "_shown"])
def test_garbage_collection_keeps_a_drafted_proposal(harness: Harness, slow: Store, search: SearchRecord,
                                                     monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    before(monkeypatch, slow, step, lambda: harness.store.collect_garbage(dry_run=False))

    run = slow.propose(search.id, 0, proposal(search, 0))

    assert harness.ids() == [run]
    assert harness.state(run or 0) is State.QUEUED


@pytest.mark.parametrize("step", ["carry_on", "_hidden", "_named", "_shown"])
def test_a_drafted_run_of_a_cancelled_search_never_starts(harness: Harness, slow: Store, search: SearchRecord,
                                                          monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def cancel() -> None:
        assert harness.store.end_search(search.id, "cancelled")
        assert [harness.store.cancel(run) for run in harness.ids(search=search.uid)] == [State.CANCELLED]

    before(monkeypatch, slow, step, cancel)

    run = slow.propose(search.id, 0, proposal(search, 0))

    assert harness.ids() == [run] and harness.state(run or 0) is State.CANCELLED
    assert harness.claim() is None


@pytest.mark.parametrize("stop", [
    lambda store, search: store.end_search(search.id, "cancelled"),
    lambda store, search: store.change_search(search.id, state=SearchState.PAUSED)])
def test_ending_a_search_queues_its_drafted_run(
        harness: Harness, slow: Store, search: SearchRecord, monkeypatch: pytest.MonkeyPatch,
        stop: Callable[[Store, SearchRecord], Any]) -> None:
    assert isinstance(harness.store, SearchVerbs)
    looked, deaths = harness.store._search, iter([lambda: draft(monkeypatch, slow, search)])

    def look_before_the_death(number: int) -> Any:
        found = looked(number)
        next(deaths, lambda: None)()
        return found

    monkeypatch.setattr(harness.store, "_search", look_before_the_death)

    stop(harness.store, search)

    assert runs_of(harness, search) == [search.run_uid(0)]


def test_a_draft_is_never_overwritten(harness: Harness, slow: Store, search: SearchRecord,
                                      monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even by a process that could not complete it."""
    draft(monkeypatch, slow, search)
    with monkeypatch.context() as patch, pytest.raises(StoreUnavailable, match="trying again may help"):
        patch.setattr(harness.store, "_carry_on", lambda found: None)
        harness.store.propose(search.id, 1, proposal(search, 1))

    assert harness.store.propose(search.id, 1, proposal(search, 1)) is not None
    assert runs_of(harness, search) == [search.run_uid(0), search.run_uid(1)]


def test_a_run_submitted_meanwhile_is_the_proposal(harness: Harness, slow: Store, search: SearchRecord,
                                                   raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `store copy` does, for a search in both stores."""
    for step in ("_hidden", "_named"):
        number = harness.store.get_search(search.id).proposed
        given = proposal(search, number)
        before(monkeypatch, slow, step, lambda given=given: harness.store.submit([given]))     # type: ignore[misc]

        run = slow.propose(search.id, number, given)

        assert runs_of(harness, search) == [search.run_uid(each) for each in range(number + 1)]
        assert run == harness.ids()[-1] and raw["runs"].count_documents({}) == number + 1


# -- older, damaged, forbidden -------------------------------------------------------------------------------


def test_a_store_of_the_schema_without_searches_is_upgraded(
        mongodb_url: str, raw: Raw) -> None:
    with open_store(mongodb_url, PROJECT) as store:
        run = Harness(store).submit()
    raw["hyperspace.searches"].drop()
    raw["hyperspace.meta"].update_one({"_id": "schema"}, {"$set": {"version": 1}})

    with open_store(mongodb_url, PROJECT) as store:
        assert store.searches(PROJECT) == []
        with pytest.raises(NotFound):
            store.get_search(1)
        with pytest.raises(StoreError, match="hyperspace store upgrade"):
            store.add_search(new_search())
        assert store.upgrade() == (1, schema.SCHEMA)
        assert store.get_search(store.add_search(new_search())).id == 1
        assert Harness(store).ids() == [run]
    keys = [index["key"] for index in raw["hyperspace.searches"].index_information().values()]
    assert [("uid", 1)] in keys and [("project", 1), ("state", 1)] in keys


DAMAGE: dict[str, dict[str, Any]] = {
    "a plan that is no JSON": {"$set": {"plan": "{broken"}},
    "a budget of something unknown": {"$set": {"budget": '{"days": 1}'}},
    "a field is missing": {"$unset": {"proposed": ""}},
    "a draft that is none": {"$set": {"draft": 1}},
    "a draft without its run": {"$set": {"draft": {"uid": "u", "run": None}}},
}


@pytest.mark.parametrize("damage", [*DAMAGE.values()], ids=[*DAMAGE])
def test_a_damaged_search_stops_no_worker_of_another(
        store: Store, search: SearchRecord, raw: Raw, damage: dict[str, Any]) -> None:
    sound = store.add_search(new_search())
    assert store.check() == ()
    raw["hyperspace.searches"].update_one({"_id": search.id}, damage)

    said = rf"^search {search.id}: its document is damaged \(.+\); repair it"
    for ask in (lambda: store.get_search(search.id), lambda: store.searches(PROJECT),
                lambda: store.propose(search.id, 0, proposal(search, 0))):
        with pytest.raises(StoreError, match=said):
            ask()
    assert [found.id for found in store.searches(PROJECT, states=(SearchState.OPEN,))] == [sound]
    line, = store.check()
    assert f"search {search.id}: its document is damaged" in line and "\n" not in line
