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
from hyperspace_core.testing.stores.desk import COMPLETED, PROJECT, Desk, new_run
from hyperspace_core.testing.stores.themes.searching import new_search, proposal
from hyperspace_mongodb import dashboards, overflow, pages
from hyperspace_mongodb.sacred import LONGEST
from hyperspace_mongodb.store import open_store

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
def desk(store: Store) -> Desk:
    return Desk(store)


def document(raw: Raw, run: int) -> dict[str, Any]:
    found = raw["runs"].find_one({"_id": run})
    assert found is not None
    return found


def points(count: int, name: str = "loss", start: int = 0) -> list[Point]:
    return [Point(seq=seq, name=name, step=seq, value=seq / 8, at=1_700_000_000.0 + seq)
            for seq in range(start, start + count)]


# -- Sacred's fields -----------------------------------------------------------------------------------------


def test_a_run_has_every_field_that_sacred_writes(raw: Raw, desk: Desk) -> None:
    config = {"classifier": {"className": "Forest", "trees": 7}}
    lease = desk.start(task="imdb", submitted={"classifier": "Forest"}, config=config, seed=3, tags=("a",),
                       note="n")
    desk.store.update(lease, Update(info={"x": {"y": 1}}, provenance={
        "packages": {"installed": {"numpy": "2.4.6"}},
        "host": {"system": "Linux", "os": "Linux-6", "cpu": "c"}}))
    desk.store.beat(lease)
    running = document(raw, lease.run)
    desk.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=0.75, metrics={"result": 0.75}))
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
def test_the_status_is_always_the_state(raw: Raw, desk: Desk, state: State) -> None:
    run = desk.in_state(state)

    assert document(raw, run)["status"] == desk.state(run) == state


def test_a_heartbeat_is_kept_fresh(raw: Raw, desk: Desk) -> None:
    lease = desk.start()
    raw["runs"].update_one({"_id": lease.run}, {"$set": {"heartbeat": datetime(2020, 1, 1)}})
    desk.store.beat(lease)

    assert document(raw, lease.run)["heartbeat"].year > 2020


def test_a_traceback_is_a_list_of_its_lines(raw: Raw, desk: Desk) -> None:
    lease = desk.start()
    desk.store.finish(lease, Finish(outcome=Outcome.FAILED, traceback="Traceback\n  line\nE: x\n"))

    assert document(raw, lease.run)["fail_trace"] == ["Traceback\n", "  line\n", "E: x\n"]
    desk.store.requeue(lease.run)
    desk.take(lease.run)
    assert document(raw, lease.run)["fail_trace"] == []


def test_odd_keys_are_exact_here_and_changed_for_dashboards(
        raw: Raw, desk: Desk) -> None:
    config = {"a.b": 1, "$c": {"": [{"$d.e": math.inf}]}, "n": math.nan}
    run = desk.submit(config=config)

    assert document(raw, run)["config"] == {"a,b": 1, "@c": {'""': [{"@d,e": "inf"}]}, "n": "nan"}
    assert repr(desk.get(run).config) == repr(config)


def test_a_large_tree_is_replaced_for_dashboards_only(raw: Raw, desk: Desk) -> None:
    config = {"text": "x" * (LONGEST + 1)}
    run = desk.submit(config=config)

    assert "too large" in document(raw, run)["config"]["hyperspace"]
    assert desk.get(run).config == config


# -- series --------------------------------------------------------------------------------------------------


def shown(raw: Raw, run: int) -> dict[str, dict[str, Any]]:
    """The documents of a run's metrics, found as Omniboard does: by the ids in its `info`."""
    return {one["name"]: raw["metrics"].find_one({"_id": ObjectId(one["id"])}) or {}
            for one in document(raw, run)["info"]["metrics"]}


def test_each_metric_has_a_document_in_sacreds_shape(raw: Raw, desk: Desk) -> None:
    lease = desk.start()
    desk.store.append(lease.run, 1, points=points(3), output=[OutputChunk(seq=0, text="first\n", at=0.0)])
    live = shown(raw, lease.run)           # while it runs
    desk.store.append(lease.run, 1, points=[*points(2, start=3), *points(1, "a.b", 5)],
                      output=[OutputChunk(seq=1, text="second\n", at=0.0)])
    desk.store.finish(lease, COMPLETED)

    assert live["loss"]["values"] == [0.0, 0.125, 0.25]
    found = shown(raw, lease.run)
    assert set(found) == {"loss", "a.b"}
    assert found["loss"]["steps"] == [0, 1, 2, 3, 4] and found["loss"]["run_id"] == lease.run
    assert found["loss"]["values"] == [seq / 8 for seq in range(5)] and found["a.b"]["values"] == [5 / 8]
    assert all(isinstance(moment, datetime) for moment in found["loss"]["timestamps"])
    assert document(raw, lease.run)["captured_out"] == "first\nsecond\n"


def test_repeated_points_are_shown_once(raw: Raw, desk: Desk, mongodb_url: str) -> None:
    lease = desk.start()
    desk.store.append(lease.run, 1, points=points(10))
    with open_store(mongodb_url, PROJECT) as other:
        for _ in range(2):
            other.append(lease.run, 1, points=points(12))
        desk.store.append(lease.run, 1, points=points(15))
        desk.store.finish(lease, COMPLETED)

    assert shown(raw, lease.run)["loss"]["steps"] == list(range(15))


def test_a_long_series_is_thinned_for_dashboards_only(
        raw: Raw, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboards, "LONGEST", 100)
    monkeypatch.setattr(dashboards, "EVERY_S", 0.0)
    lease = desk.start()
    for start in range(0, 1000, 50):
        desk.store.append(lease.run, 1, points=points(50, start=start))

    steps = shown(raw, lease.run)["loss"]["steps"]
    assert 25 < len(steps) <= 150
    assert steps == sorted(set(steps)) and steps[0] == 0 and steps[-1] > 900
    assert len({later - earlier for earlier, later in pairwise(steps)}) == 1       # evenly
    assert len(list(desk.store.points(lease.run))) == 1000


def test_only_the_current_attempt_is_shown(raw: Raw, desk: Desk) -> None:
    lease = desk.start()
    desk.store.append(lease.run, 1, points=points(5), output=[OutputChunk(seq=0, text="one", at=0.0)])
    desk.store.release(lease)
    desk.take(lease.run)
    desk.store.append(lease.run, 1, points=points(9))      # a zombie's
    desk.store.append(lease.run, 2, points=points(2), output=[OutputChunk(seq=0, text="two", at=0.0)])

    assert shown(raw, lease.run)["loss"]["steps"] == [0, 1]
    assert document(raw, lease.run)["captured_out"] == "two"
    assert len(list(desk.store.points(lease.run, attempt=1))) == 9


def test_only_the_end_of_long_output_is_shown(raw: Raw, desk: Desk) -> None:
    lease = desk.start()
    texts = [chr(ord("a") + number) * 10_000 for number in range(20)]
    desk.store.append(lease.run, 1, output=[
        OutputChunk(seq=seq, text=text, at=0.0) for seq, text in enumerate(texts)])

    assert document(raw, lease.run)["captured_out"] == "".join(texts)[-dashboards.TAIL:]


def test_concurrent_retries_leave_each_point_once(raw: Raw, desk: Desk) -> None:
    """Overlapping chunks, as two concurrent calls leave them."""
    from hyperspace_mongodb.pages import chunk_of

    run = desk.start().run
    batches = [points(10), points(20, start=5), points(3, start=8), points(5, start=30)]
    raw["hyperspace.points"].insert_many([chunk_of(run, 1, batch) for batch in batches])

    assert [point.seq for point in desk.store.points(run)] == [*range(25), *range(30, 35)]
    assert [point.seq for point in desk.store.points(run, after=9, limit=3)] == [10, 11, 12]


# -- artifacts -----------------------------------------------------------------------------------------------


def test_artifacts_are_listed_and_stored_once_in_gridfs(
        raw: Raw, desk: Desk, tmp_path: Path) -> None:
    content = b"weights" * 100_000
    (tmp_path / "model").write_bytes(content)
    runs = [desk.start().run for _ in range(2)]
    for run in runs:
        desk.store.put_artifact(run, 1, "model.bin", tmp_path / "model")

    listed = [document(raw, run)["artifacts"] for run in runs]
    assert listed[0] == listed[1] and listed[0][0]["name"] == "model.bin"
    assert GridFS(raw).get(listed[0][0]["file_id"]).read() == content
    assert raw["fs.files"].count_documents({}) == 1


# -- size ----------------------------------------------------------------------------------------------------


def test_moved_texts_of_attempts_are_read_back(
        raw: Raw, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overflow, "ROOM", 2000)
    run = desk.submit(max_failures=100)
    for number in range(1, 9):
        lease = desk.take(run).lease
        desk.store.update(lease, Update(provenance={"git": {"diff": f"{number}" * 900}}))
        desk.store.finish(lease, Finish(outcome=Outcome.FAILED, traceback=f"Traceback {number}" + "x" * 900))
    before = desk.get(run)
    claim = desk.take(run)

    assert claim.record == desk.get(run)
    attempts = desk.get(run).attempts
    assert attempts[:-1] == before.attempts and len(attempts) == 9
    assert [attempt.provenance["git"]["diff"][0] for attempt in attempts[:-1]] == list("12345678")
    assert len(str(document(raw, run)["hyperspace"]["attempts"])) < 8 * 900
    assert raw["hyperspace.attempts"].count_documents({"run": run}) == 8
    desk.store.late(desk_lease(attempts[0].number, run, raw), COMPLETED)
    assert desk.get(run).attempts[0].late is not None
    desk.store.cancel(run)
    desk.store.release(claim.lease)
    desk.store.delete([run])
    assert raw["hyperspace.attempts"].count_documents({}) == 0


def desk_lease(number: int, run: int, raw: Raw) -> Any:
    from hyperspace_core.records.run import Lease

    token = document(raw, run)["hyperspace"]["attempts"][number - 1]["token"]
    return Lease(run=run, attempt=number, token=token)


@pytest.mark.parametrize("place", ["config", "info", "metrics", "provenance", "traceback"])
def test_a_too_large_value_is_refused_with_its_path(desk: Desk, place: str) -> None:
    lease = desk.start()
    long = "x" * 17_000_000
    with pytest.raises(ValueNotStorable, match=f"{place}.*16 MB"):
        if place == "config":
            desk.submit(config={"a": long})
        elif place in ("info", "provenance"):
            desk.store.update(lease, Update(**{place: {"a": long}}))
        else:
            value: Any = {"a": long} if place == "metrics" else long
            desk.store.finish(lease, Finish(outcome=Outcome.FAILED, **{place: value}))
    assert desk.state(lease.run) is State.RUNNING and desk.store.beat(lease).held


def test_a_too_large_update_is_refused_and_the_run_continues(desk: Desk) -> None:
    tree = {"a": "x" * 3_900_000}
    lease = desk.start(submitted=tree, config=tree, scenario=tree)
    with pytest.raises(ValueNotStorable, match="16 MB"):
        assert desk.store.update(lease, Update(info=tree))
        assert desk.store.update(lease, Update(provenance=tree))

    assert desk.store.beat(lease).held and desk.store.finish(lease, COMPLETED)
    assert desk.get(lease.run).config == tree


# -- commands sent -------------------------------------------------------------------------------------------


TYPED = ["$where", {"$ne": None}, {"$gt": ""}, ["$eq"], None, 1, "a.b", {"$where": "1"}]


@pytest.mark.parametrize("typed", TYPED, ids=repr)
def test_user_text_is_never_an_operator(desk: Desk, typed: Any) -> None:
    desk.submit_many(2, task="t", search="s")
    paths = ("search", "task", "id", "priority", "config.x")
    filters = [RunFilter(**{name: typed}) for name in ("search", "project", "parent")]
    filters += [RunFilter(tasks=(typed,)), RunFilter(uids=(typed,))]
    filters += [RunFilter(where=(Condition(path, "=", typed),)) for path in paths]
    every = list(desk.store.find(RunFilter()))

    assert len(every) == 2
    for wanted in filters:
        assert list(desk.store.find(wanted)) == [one for one in every if wanted.matches(one)], wanted


def test_only_listed_operators_are_sent(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    SENT.operators.clear()
    SENT.on = True
    try:
        lease = desk.start(config={"$where": {"$gt": 1}}, task="$where", tags=("$ne",), note="$$ROOT")
        desk.store.update(lease, Update(info={"$set": {"$x": 1}}, provenance={"$unset": 1}))
        desk.store.append(lease.run, 1, points=points(2, "$inc"))
        desk.store.put_artifact(lease.run, 1, "$file", tmp_path / "file")
        desk.store.finish(lease, Finish(outcome=Outcome.COMPLETED, metrics={"$max": 1}))
        desk.store.annotate(lease.run, add_tags=["$push"], note="$x")
        desk.store.submit([new_run(), new_run()])
        desk.store.count(RunFilter()), desk.store.check(), desk.store.info()
        desk.store.collect_garbage(dry_run=False), desk.store.delete([lease.run])
        desk.store.wait_for_change(PROJECT, 1.0)
        search = desk.store.get_search(desk.store.add_search(new_search(
            uid="$uid", task="$task", space={"$where": {"$gt": 1}}, tags=("$ne",), note="$$ROOT")))
        desk.store.propose(search.id, 0, proposal(search, 0, config={"$inc": {"$a.b": 1}}, note="$x"))
        desk.store.propose(search.id, 0, proposal(search, 0, config={"$inc": {"$a.b": 1}}, note="$x"))
        desk.store.searches(PROJECT, states=(SearchState.OPEN,), uids=("$uid",))
        desk.store.end_search(search.id, "$why", proposed=1), desk.store.end_search(search.id, "$why")
        desk.store.change_search(search.id, state=SearchState.OPEN, priority=2)
    finally:
        SENT.on = False

    assert {"$set", "$eq", "$push"} <= SENT.operators <= ALLOWED


def test_a_long_series_is_read_chunk_by_chunk(
        desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = desk.start()
    for start in range(0, 60, 6):
        desk.store.append(lease.run, 1, points=points(6, start=start))
    desk.store.append(lease.run, 1, points=points(4, start=57))             # a retry that overlaps
    monkeypatch.setattr(pages, "PAGE", 2)
    monkeypatch.setattr(pages, "KEYS", 3)

    assert [point.seq for point in desk.store.points(lease.run)] == list(range(61))
    assert [point.seq for point in desk.store.points(lease.run, after=40)] == list(range(41, 61))
    assert [point.seq for point in desk.store.points(lease.run, limit=20)] == list(range(20))
