"""The layout of runs in the database: fields for dashboards have Sacred's names, documents stay small."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pymongo.monitoring
import pytest
from bson import ObjectId
from gridfs import GridFS
from pymongo import MongoClient
from pymongo.database import Database as MongoDatabase

from hyperspace_core.errors import ValueNotStorable
from hyperspace_core.records.filter import Condition, RunFilter
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import Finish, OutputChunk, Update
from hyperspace_core.records.search import SearchState
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import Store
from hyperspace_mongodb import dashboards, overflow, pages
from hyperspace_mongodb.sacred import LONGEST
from hyperspace_mongodb.store import open_store
from pytest_hyperspace.stores.harness import COMPLETED, PROJECT, Harness, new_run
from pytest_hyperspace.stores.search_tests import new_search, proposal

Raw = MongoDatabase[dict[str, Any]]

# all operators in use: none computes with text typed by a user
ALLOWED = {
    "$eq", "$ne", "$in", "$nin", "$gt", "$gte", "$lt", "$lte", "$and", "$or", "$exists", "$type", "$all",
    "$size", "$set", "$unset", "$inc", "$max", "$push", "$pull", "$pop", "$addToSet", "$each",
    "$setOnInsert", "$currentDate", "$slice", "$match", "$group", "$sum", "$changeStream",
}


class Sent(pymongo.monitoring.CommandListener):
    """The operators of every command of this process."""

    def __init__(self) -> None:
        self.operators: set[str] = set()
        self.on = False

    def started(self, event: pymongo.monitoring.CommandStartedEvent) -> None:
        if self.on:
            for part in ("filter", "query", "pipeline", "updates", "update", "deletes", "q", "projection"):
                self._note(event.command.get(part))

    def succeeded(self, event: pymongo.monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: pymongo.monitoring.CommandFailedEvent) -> None: ...

    def _note(self, value: Any) -> None:
        if isinstance(value, dict):
            self.operators.update(key for key in value if key.startswith("$"))
            for inner in value.values():
                self._note(inner)
        elif isinstance(value, list | tuple):
            for inner in value:
                self._note(inner)


SENT = Sent()
pymongo.monitoring.register(SENT)


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


def document(raw: Raw, run: int) -> dict[str, Any]:
    found = raw["runs"].find_one({"_id": run})
    assert found is not None
    return found


def points(count: int, name: str = "loss", start: int = 0) -> list[Point]:
    return [Point(seq=seq, name=name, step=seq, value=seq / 8, at=1_700_000_000.0 + seq)
            for seq in range(start, start + count)]


# -- Sacred's fields -----------------------------------------------------------------------------------------


def test_a_run_has_every_field_that_sacred_writes(raw: Raw, harness: Harness) -> None:
    config = {"classifier": {"className": "Forest", "trees": 7}}
    lease = harness.start(task="imdb", submitted={"classifier": "Forest"}, config=config, seed=3, tags=("a",),
                          note="n")
    harness.store.update(lease, Update(info={"x": {"y": 1}}, provenance={
        "packages": {"installed": {"numpy": "2.4.6"}},
        "host": {"system": "Linux", "os": "Linux-6", "cpu": "c"}}))
    harness.store.beat(lease)
    running = document(raw, lease.run)
    harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=0.75, metrics={"result": 0.75}))
    found = document(raw, lease.run)

    assert type(found["_id"]) is int and found["experiment"]["name"] == "imdb"
    assert found["config"] == config | {"seed": 3}
    assert (running["status"], found["status"], found["result"]) == ("RUNNING", "COMPLETED", 0.75)
    assert all(isinstance(found[name], datetime) for name in ("start_time", "stop_time", "heartbeat"))
    assert found["info"] == {"x": {"y": 1}, "metrics": []}
    assert found["experiment"]["dependencies"] == ["numpy==2.4.6"]
    assert found["host"]["hostname"] == "host" and found["host"]["os"] == ["Linux", "Linux-6"]
    assert found["omniboard"] == {"tags": ["a"], "notes": "n"} and found["fail_trace"] == []
    assert (found["captured_out"], found["artifacts"], found["resources"]) == ("", [], [])
    assert {"format", "command", "meta"} <= set(found) and found["format"].startswith("hyperspace")


@pytest.mark.parametrize("state", State)
def test_the_status_is_always_the_state(raw: Raw, harness: Harness, state: State) -> None:
    run = harness.in_state(state)

    assert document(raw, run)["status"] == harness.state(run) == state


def test_a_heartbeat_is_kept_fresh(raw: Raw, harness: Harness) -> None:
    lease = harness.start()
    raw["runs"].update_one({"_id": lease.run}, {"$set": {"heartbeat": datetime(2020, 1, 1)}})
    harness.store.beat(lease)

    assert document(raw, lease.run)["heartbeat"].year > 2020


def test_a_traceback_is_a_list_of_its_lines(raw: Raw, harness: Harness) -> None:
    lease = harness.start()
    harness.store.finish(lease, Finish(outcome=Outcome.FAILED, traceback="Traceback\n  line\nE: x\n"))

    assert document(raw, lease.run)["fail_trace"] == ["Traceback\n", "  line\n", "E: x\n"]
    harness.store.requeue(lease.run)
    harness.take(lease.run)
    assert document(raw, lease.run)["fail_trace"] == []


def test_odd_keys_are_exact_here_and_changed_for_dashboards(
        raw: Raw, harness: Harness) -> None:
    config = {"a.b": 1, "$c": {"": [{"$d.e": math.inf}]}, "n": math.nan}
    run = harness.submit(config=config)

    assert document(raw, run)["config"] == {"a,b": 1, "@c": {'""': [{"@d,e": "inf"}]}, "n": "nan"}
    assert repr(harness.get(run).config) == repr(config)


def test_a_large_tree_is_replaced_for_dashboards_only(raw: Raw, harness: Harness) -> None:
    config = {"text": "x" * (LONGEST + 1)}
    run = harness.submit(config=config)

    assert "too large" in document(raw, run)["config"]["hyperspace"]
    assert harness.get(run).config == config


# -- series --------------------------------------------------------------------------------------------------


def shown(raw: Raw, run: int) -> dict[str, dict[str, Any]]:
    """The documents of a run's metrics, found as Omniboard does: by the ids in its `info`."""
    return {one["name"]: raw["metrics"].find_one({"_id": ObjectId(one["id"])}) or {}
            for one in document(raw, run)["info"]["metrics"]}


def test_each_metric_has_a_document_in_sacreds_shape(raw: Raw, harness: Harness) -> None:
    lease = harness.start()
    harness.store.append(lease.run, 1, points=points(3), output=[OutputChunk(seq=0, text="first\n", at=0.0)])
    live = shown(raw, lease.run)           # while it runs
    harness.store.append(lease.run, 1, points=[*points(2, start=3), *points(1, "a.b", 5)],
                         output=[OutputChunk(seq=1, text="second\n", at=0.0)])
    harness.store.finish(lease, COMPLETED)

    assert live["loss"]["values"] == [0.0, 0.125, 0.25]
    found = shown(raw, lease.run)
    assert set(found) == {"loss", "a.b"}
    assert found["loss"]["steps"] == [0, 1, 2, 3, 4] and found["loss"]["run_id"] == lease.run
    assert found["loss"]["values"] == [seq / 8 for seq in range(5)] and found["a.b"]["values"] == [5 / 8]
    assert all(isinstance(moment, datetime) for moment in found["loss"]["timestamps"])
    assert document(raw, lease.run)["captured_out"] == "first\nsecond\n"


def test_repeated_points_are_shown_once(raw: Raw, harness: Harness, mongodb_url: str) -> None:
    lease = harness.start()
    harness.store.append(lease.run, 1, points=points(10))
    with open_store(mongodb_url, PROJECT) as other:
        for _ in range(2):
            other.append(lease.run, 1, points=points(12))
        harness.store.append(lease.run, 1, points=points(15))
        harness.store.finish(lease, COMPLETED)

    assert shown(raw, lease.run)["loss"]["steps"] == list(range(15))


def test_a_long_series_is_thinned_for_dashboards_only(
        raw: Raw, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboards, "LONGEST", 100)
    monkeypatch.setattr(dashboards, "EVERY_S", 0.0)
    lease = harness.start()
    for start in range(0, 1000, 50):
        harness.store.append(lease.run, 1, points=points(50, start=start))

    steps = shown(raw, lease.run)["loss"]["steps"]
    assert 25 < len(steps) <= 150
    assert steps == sorted(set(steps)) and steps[0] == 0 and steps[-1] > 900
    assert len({later - earlier for earlier, later in pairwise(steps)}) == 1       # evenly
    assert len(list(harness.store.points(lease.run))) == 1000


def test_only_the_current_attempt_is_shown(raw: Raw, harness: Harness) -> None:
    lease = harness.start()
    harness.store.append(lease.run, 1, points=points(5), output=[OutputChunk(seq=0, text="one", at=0.0)])
    harness.store.release(lease)
    harness.take(lease.run)
    harness.store.append(lease.run, 1, points=points(9))      # a zombie's
    harness.store.append(lease.run, 2, points=points(2), output=[OutputChunk(seq=0, text="two", at=0.0)])

    assert shown(raw, lease.run)["loss"]["steps"] == [0, 1]
    assert document(raw, lease.run)["captured_out"] == "two"
    assert len(list(harness.store.points(lease.run, attempt=1))) == 9


def test_only_the_end_of_long_output_is_shown(raw: Raw, harness: Harness) -> None:
    lease = harness.start()
    texts = [chr(ord("a") + number) * 10_000 for number in range(20)]
    harness.store.append(lease.run, 1, output=[
        OutputChunk(seq=seq, text=text, at=0.0) for seq, text in enumerate(texts)])

    assert document(raw, lease.run)["captured_out"] == "".join(texts)[-dashboards.TAIL:]


def test_concurrent_retries_leave_each_point_once(raw: Raw, harness: Harness) -> None:
    """Overlapping chunks, as two concurrent calls leave them."""
    from hyperspace_mongodb.pages import chunk_of

    run = harness.start().run
    batches = [points(10), points(20, start=5), points(3, start=8), points(5, start=30)]
    raw["hyperspace.points"].insert_many([chunk_of(run, 1, batch) for batch in batches])

    assert [point.seq for point in harness.store.points(run)] == [*range(25), *range(30, 35)]
    assert [point.seq for point in harness.store.points(run, after=9, limit=3)] == [10, 11, 12]


# -- artifacts -----------------------------------------------------------------------------------------------


def test_artifacts_are_listed_and_stored_once_in_gridfs(
        raw: Raw, harness: Harness, tmp_path: Path) -> None:
    content = b"weights" * 100_000
    (tmp_path / "model").write_bytes(content)
    runs = [harness.start().run for _ in range(2)]
    for run in runs:
        harness.store.put_artifact(run, 1, "model.bin", tmp_path / "model")

    listed = [document(raw, run)["artifacts"] for run in runs]
    assert listed[0] == listed[1] and listed[0][0]["name"] == "model.bin"
    assert GridFS(raw).get(listed[0][0]["file_id"]).read() == content
    assert raw["fs.files"].count_documents({}) == 1


# -- size ----------------------------------------------------------------------------------------------------


def test_moved_texts_of_attempts_are_read_back(
        raw: Raw, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overflow, "ROOM", 2000)
    run = harness.submit(max_failures=100)
    for number in range(1, 9):
        lease = harness.take(run).lease
        harness.store.update(lease, Update(provenance={"git": {"diff": f"{number}" * 900}}))
        traceback = f"Traceback {number}" + "x" * 900
        harness.store.finish(lease, Finish(outcome=Outcome.FAILED, traceback=traceback))
    before = harness.get(run)
    claim = harness.take(run)

    assert claim.record == harness.get(run)
    attempts = harness.get(run).attempts
    assert attempts[:-1] == before.attempts and len(attempts) == 9
    assert [attempt.provenance["git"]["diff"][0] for attempt in attempts[:-1]] == list("12345678")
    assert len(str(document(raw, run)["hyperspace"]["attempts"])) < 8 * 900
    assert raw["hyperspace.attempts"].count_documents({"run": run}) == 8
    harness.store.late(harness_lease(attempts[0].number, run, raw), COMPLETED)
    assert harness.get(run).attempts[0].late is not None
    harness.store.cancel(run)
    harness.store.release(claim.lease)
    harness.store.delete([run])
    assert raw["hyperspace.attempts"].count_documents({}) == 0


def harness_lease(number: int, run: int, raw: Raw) -> Any:
    from hyperspace_core.records.run import Lease

    token = document(raw, run)["hyperspace"]["attempts"][number - 1]["token"]
    return Lease(run=run, attempt=number, token=token)


@pytest.mark.parametrize("place", ["config", "info", "metrics", "provenance", "traceback"])
def test_a_too_large_value_is_refused_with_its_path(harness: Harness, place: str) -> None:
    lease = harness.start()
    long = "x" * 17_000_000
    with pytest.raises(ValueNotStorable, match=f"{place}.*16 MB"):
        if place == "config":
            harness.submit(config={"a": long})
        elif place in ("info", "provenance"):
            harness.store.update(lease, Update(**{place: {"a": long}}))
        else:
            value: Any = {"a": long} if place == "metrics" else long
            harness.store.finish(lease, Finish(outcome=Outcome.FAILED, **{place: value}))
    assert harness.state(lease.run) is State.RUNNING and harness.store.beat(lease).held


def test_a_too_large_update_is_refused_and_the_run_continues(harness: Harness) -> None:
    tree = {"a": "x" * 3_900_000}
    lease = harness.start(submitted=tree, config=tree, scenario=tree)
    with pytest.raises(ValueNotStorable, match="16 MB"):
        assert harness.store.update(lease, Update(info=tree))
        assert harness.store.update(lease, Update(provenance=tree))

    assert harness.store.beat(lease).held and harness.store.finish(lease, COMPLETED)
    assert harness.get(lease.run).config == tree


# -- commands sent -------------------------------------------------------------------------------------------


TYPED = ["$where", {"$ne": None}, {"$gt": ""}, ["$eq"], None, 1, "a.b", {"$where": "1"}]


@pytest.mark.parametrize("typed", TYPED, ids=repr)
def test_user_text_is_never_an_operator(harness: Harness, typed: Any) -> None:
    harness.submit_many(2, task="t", search="s")
    paths = ("search", "task", "id", "priority", "config.x")
    filters = [RunFilter(**{name: typed}) for name in ("search", "project", "parent")]
    filters += [RunFilter(tasks=(typed,)), RunFilter(uids=(typed,))]
    filters += [RunFilter(where=(Condition(path, "=", typed),)) for path in paths]
    every = list(harness.store.find(RunFilter()))

    assert len(every) == 2
    for wanted in filters:
        assert list(harness.store.find(wanted)) == [one for one in every if wanted.matches(one)], wanted


def test_only_listed_operators_are_sent(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    SENT.operators.clear()
    SENT.on = True
    try:
        lease = harness.start(config={"$where": {"$gt": 1}}, task="$where", tags=("$ne",), note="$$ROOT")
        harness.store.update(lease, Update(info={"$set": {"$x": 1}}, provenance={"$unset": 1}))
        harness.store.append(lease.run, 1, points=points(2, "$inc"))
        harness.store.put_artifact(lease.run, 1, "$file", tmp_path / "file")
        harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, metrics={"$max": 1}))
        harness.store.annotate(lease.run, add_tags=["$push"], note="$x")
        harness.store.submit([new_run(), new_run()])
        harness.store.count(RunFilter()), harness.store.check(), harness.store.info()
        harness.store.collect_garbage(dry_run=False), harness.store.delete([lease.run])
        harness.store.wait_for_change(PROJECT, 1.0)
        search = harness.store.get_search(harness.store.add_search(new_search(
            uid="$uid", task="$task", space={"$where": {"$gt": 1}}, tags=("$ne",), note="$$ROOT")))
        harness.store.propose(search.id, 0, proposal(search, 0, config={"$inc": {"$a.b": 1}}, note="$x"))
        harness.store.propose(search.id, 0, proposal(search, 0, config={"$inc": {"$a.b": 1}}, note="$x"))
        harness.store.searches(PROJECT, states=(SearchState.OPEN,), uids=("$uid",))
        harness.store.end_search(search.id, "$why", proposed=1), harness.store.end_search(search.id, "$why")
        harness.store.change_search(search.id, state=SearchState.OPEN, priority=2)
    finally:
        SENT.on = False

    assert {"$set", "$eq", "$push"} <= SENT.operators <= ALLOWED


def test_a_long_series_is_read_chunk_by_chunk(
        harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = harness.start()
    for start in range(0, 60, 6):
        harness.store.append(lease.run, 1, points=points(6, start=start))
    harness.store.append(lease.run, 1, points=points(4, start=57))             # a retry that overlaps
    monkeypatch.setattr(pages, "PAGE", 2)
    monkeypatch.setattr(pages, "KEYS", 3)

    assert [point.seq for point in harness.store.points(lease.run)] == list(range(61))
    assert [point.seq for point in harness.store.points(lease.run, after=40)] == list(range(41, 61))
    assert [point.seq for point in harness.store.points(lease.run, limit=20)] == list(range(20))
