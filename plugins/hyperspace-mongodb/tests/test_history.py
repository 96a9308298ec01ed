"""Databases of other programs: Sacred's MongoObserver, and documents with odd content."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from gridfs import GridFS
from pymongo import MongoClient
from pymongo.database import Database as MongoDatabase

from hyperspace_core.errors import HyperspaceError, NotFound, Refused
from hyperspace_core.records.filter import ORDER_OLDEST, ORDERS, RunFilter, parse_condition
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import Artifact
from hyperspace_core.records.states import State
from hyperspace_core.storage import Store
from hyperspace_mongodb.foreign import scalar_of
from hyperspace_mongodb.store import open_store
from hyperspace_mongodb.testing import ServerNotInstalled
from hyperspace_mongodb.testing.environment import python_with
from pytest_hyperspace.stores.harness import Harness, new_run

PROJECT = "ulmfit_attention"
SACRED = ("sacred==0.8.7", "pymongo>=4.9,<5", "numpy>=1.26", "setuptools<80")
PATIENCE_S = 120.0
Raw = MongoDatabase[dict[str, Any]]


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
def sacred(raw: Raw, mongodb_url: str) -> Raw:
    """A database that Sacred has written."""
    try:
        python = python_with("sacred-0.8.7", *SACRED)
    except ServerNotInstalled as error:
        pytest.skip(str(error))
    script = Path(__file__).with_name("sacred_runs.py")
    done = subprocess.run([python, script, mongodb_url, raw.name], capture_output=True, text=True,
                          check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return raw


def content(raw: Raw) -> dict[str, list[Any]]:
    return {name: list(raw[name].find()) for name in raw.list_collection_names()}


def changes(store: Store, run: int, path: Path) -> list[Callable[[], Any]]:
    """Every verb that would change a run."""
    return [lambda: store.cancel(run), lambda: store.pause(run), lambda: store.resume(run),
            lambda: store.requeue(run), lambda: store.annotate(run, note="x"), lambda: store.delete([run]),
            lambda: store.delete([run], dry_run=True),
            lambda: store.append(run, 1, points=[Point(seq=0, name="x", step=0, value=0.0, at=0.0)]),
            lambda: store.put_artifact(run, 1, "x", path)]


# -- Sacred --------------------------------------------------------------------------------------------------


def test_runs_of_sacred_are_read_as_history(sacred: Raw, store: Store) -> None:
    found = {record.id: record for record in store.find(RunFilter(project=PROJECT), order=ORDER_OLDEST)}

    assert [(record.task, record.state) for record in found.values()] == [
        ("imdb", State.COMPLETED), ("imdb", State.FAILED), ("imdb", State.FAILED), ("imdb", State.CANCELLED),
        ("other", State.COMPLETED), ("imdb", State.PAUSED)]
    reasons = [record.reason for record in found.values()]
    assert reasons[1:4] == ["ValueError: no luck", "timed_out", "interrupted"]
    good = found[1]
    assert (good.config, good.seed) == ({"classifier": {"className": "Forest", "trees": 7}}, 17)
    assert (good.result, good.info) == (0.75, {"note": {"x": 0.25, "list": [0, 1, 2]}})
    assert (found[5].result, found[5].metrics) == (3.0, {"accuracy": 3})
    assert good.started_at is not None and good.finished_at is not None and good.attempt is not None
    assert good.attempt.worker is not None and good.attempt.worker.host
    assert "ValueError: no luck" in str(found[2].attempts[0].traceback)
    assert {record.id for record in store.find(RunFilter(), order=ORDER_OLDEST)} == set(found)
    assert repr(store.get(1)) == repr(good)


def test_series_output_and_files_of_sacred_are_read(sacred: Raw, store: Store) -> None:
    loss = list(store.points(1, names=["loss"]))

    assert [(point.step, point.value) for point in loss] == [(step, 1.0 / (step + 1)) for step in range(5)]
    assert [point.step for point in store.points(1, names=["accuracy"])] == [0, 10, 20, 30, 40]
    every = list(store.points(1))
    assert [point.seq for point in every] == list(range(10))
    assert list(store.points(1, after=6, limit=2)) == every[7:9] and list(store.points(1, attempt=2)) == []
    assert "hello from Sacred" in "".join(chunk.text for chunk in store.output(1))
    files = {artifact.name: artifact for artifact in store.artifacts(1)}
    assert set(files) == {"model.txt"}
    with store.open_artifact(files["model.txt"]) as file:
        assert file.read() == b"weights"


@pytest.mark.parametrize("md5", ["0" * 32, None])
def test_resources_of_older_sacred_versions_are_read(
        raw: Raw, store: Store, md5: str | None) -> None:
    content = b"rows" * 100_000
    for number, data in enumerate((b"others", content)):
        kept = GridFS(raw).put(data, filename="/data/rows.csv")
        if md5 is not None:
            raw["fs.files"].update_one({"_id": kept}, {"$set": {"md5": str(1 - number) * 32}})
    raw["runs"].insert_one({"_id": 1, "status": "COMPLETED", "resources": [["/data/rows.csv", "0" * 32]]})

    (found,) = store.artifacts(1)
    assert (found.name, found.size) == ("/data/rows.csv", len(content))
    with store.open_artifact(found) as file:
        assert file.read() == content


def test_runs_of_sacred_are_filtered_and_counted(sacred: Raw, store: Store) -> None:
    def ids(**wanted: Any) -> list[int]:
        return [record.id for record in store.find(RunFilter(**wanted), order=ORDER_OLDEST)]

    assert ids(where=(parse_condition("classifier.trees<100"),)) == [1]
    assert ids(states=(State.FAILED,)) == [2, 3] and ids(tasks=("other",)) == [5] and ids(ids=(2, 9)) == [2]
    assert ids(project="another") == [] == ids(search="s") and ids(where=(parse_condition("seed=17"),))
    assert store.count(RunFilter(tasks=("imdb",)))[State.FAILED] == 2
    assert store.ids(PROJECT) == (1, 6) and store.info().runs == {PROJECT: 6}
    for order in ORDERS:
        assert len(list(store.find(RunFilter(), order=order, limit=4))) == 4


def test_runs_of_sacred_are_never_changed(sacred: Raw, store: Store, tmp_path: Path) -> None:
    before = content(sacred)
    (tmp_path / "x").write_text("x")
    list(store.find(RunFilter()))
    store.check(), store.info(), store.held(PROJECT), store.collect_garbage()
    for run in (1, 2, 6):
        for change in changes(store, run, tmp_path / "x"):
            with pytest.raises(Refused, match="never changed"):
                change()

    assert content(sacred) == before


def test_our_runs_and_sacreds_share_one_id_sequence(sacred: Raw, store: Store) -> None:
    before = content(sacred)
    harness = Harness(store, PROJECT)
    run = harness.submit(task="imdb")

    assert run == 7
    claim = harness.take()                    # and not the run queued by Sacred
    assert claim.lease.run == run
    assert store.count(RunFilter(project=PROJECT))[State.RUNNING] == 1
    assert [record.id for record in store.find(RunFilter())] == [7, 6, 5, 4, 3, 2, 1]
    store.collect_garbage(dry_run=False)
    after = content(sacred)
    assert [one for one in after["runs"] if one["_id"] != run] == before["runs"]
    assert all(after[name] == before[name] for name in ("fs.files", "fs.chunks", "metrics"))


def test_sacred_may_write_at_the_same_time(raw: Raw, store: Store) -> None:
    Harness(store, PROJECT).submit_many(2)
    raw["runs"].insert_one({"_id": 3, "status": "COMPLETED", "experiment": {"name": "imdb"}, "config": {}})

    assert store.submit([new_run(project=PROJECT) for _ in range(2)]) == [5, 6]    # 3 and 4 were lost
    raw["runs"].insert_one({"_id": 7, "status": "RUNNING", "experiment": {"name": "imdb"}, "config": {}})
    assert store.submit([new_run(project=PROJECT)]) == [8]
    assert len(list(store.find(RunFilter(project=PROJECT)))) == 7


# -- odd ones ------------------------------------------------------------------------------------------------

ODD: list[dict[str, Any]] = [
    {}, {"status": None}, {"status": "PROBABLY_DEAD"}, {"status": 7, "experiment": "text", "config": []},
    {"experiment": {"name": None}, "result": {"a": None}, "info": 3, "captured_out": 5,
     "artifacts": {"x": 1}},
    {"result": float("nan"), "metrics": 1, "host": None, "fail_trace": "one text", "resources": [1, [2]]},
    {"config": {"a": ObjectId(), "when": datetime(2020, 1, 2, tzinfo=UTC), "d": Decimal128("1.5")}},
    {"result": {"py/object": "os.system", "py/newargs": ["true"]}, "omniboard": "text"},
    {"omniboard": {"tags": "t", "notes": 3}, "start_time": "yesterday", "config": {"seed": "text"}},
    {"artifacts": [{"name": "gone", "file_id": ObjectId()}, {"name": 3}, None], "captured_out": None},
    {"result": 2**40, "fail_trace": [None, 3], "status": "COMPLETED", "info": {"metrics": None}},
]


def test_odd_documents_can_be_read(raw: Raw, store: Store) -> None:
    raw["runs"].insert_many([{"_id": number, **odd} for number, odd in enumerate(ODD, start=1)])
    raw["runs"].insert_one({"_id": ObjectId(), "status": "COMPLETED"})      # not JSON types
    raw["metrics"].insert_many([{"run_id": 1, "name": "m", "steps": [1], "values": [0.5, None, "x", 2]},
                                {"run_id": 1, "name": None}, {"run_id": 2}])

    found = list(store.find(RunFilter(), order=ORDER_OLDEST))

    assert [record.id for record in found] == list(range(1, len(ODD) + 1))
    for record in found:
        assert repr(store.get(record.id)) == repr(record)
        list(store.points(record.id)), list(store.output(record.id))
        for artifact in store.artifacts(record.id):
            store.open_artifact(artifact).close()
        for condition in ("a=1", "result>0", "seed=1", "attempt.worker.host~x", "info.x=1"):
            store.count(RunFilter(where=(parse_condition(condition),)))
    assert [point.value for point in store.points(1)] == [0.5, 2.0]
    assert store.check() == ()


def test_tags_and_notes_are_shared_with_omniboard(
        raw: Raw, store: Store) -> None:
    board = {"tags": ["old"], "notes": "theirs"}
    raw["runs"].insert_one({"_id": 1, "status": "COMPLETED", "omniboard": board})
    ours = Harness(store, PROJECT).submit(tags=("ours",), note="first")
    raw["runs"].update_one({"_id": ours}, {"$set": {"omniboard": {"tags": ["typed"], "notes": "there"}}})

    assert (store.get(1).tags, store.get(1).note) == (("old",), "theirs")
    assert (store.get(ours).tags, store.get(ours).note) == (("typed",), "there")
    store.annotate(ours, add_tags=["more"], note="here")
    found = raw["runs"].find_one({"_id": ours}) or {}
    assert found["omniboard"] == {"tags": ["typed", "more"], "notes": "here"}
    assert [record.id for record in store.find(RunFilter(tags=("typed",)))] == [ours]


@pytest.mark.parametrize("spoilt", [None, "text", {"tags": None}, {"notes": 3}])
def test_invalid_dashboard_notes_can_be_overwritten(raw: Raw, store: Store, spoilt: Any) -> None:
    run = Harness(store, PROJECT).submit(tags=("a",))
    raw["runs"].update_one({"_id": run}, {"$set": {"omniboard": spoilt}})

    record = store.annotate(run, add_tags=["b"], note="n")
    assert (record.tags, record.note) == (("b",), "n")


PICKLED = {
    0.75: {"py/reduce": [{"py/function": "numpy._core.multiarray.scalar"}, {"py/tuple": [
        {"py/reduce": [{"py/type": "numpy.dtype"}, {"py/tuple": ["f8", False, True]},
                       {"py/tuple": [3, "<", None, None, None, -1, -1, 0]}]}, {"py/b64": "AAAAAAAA6D8="}]}]},
    0.5: {"py/object": "numpy.float64", "dtype": "float64", "value": 0.5},
    -3: {"py/reduce": [{"py/function": "numpy._core.multiarray.scalar"}, {"py/tuple": [
        {"py/reduce": [{"py/type": "numpy.dtype"}, {"py/tuple": ["i8", False, True]},
                       {"py/tuple": [3, "<", None, None, None, -1, -1, 0]}]}, {"py/b64": "/f////////8="}]}]},
    None: {"py/object": "builtins.eval", "py/newargs": ["1/0"]},
}


@pytest.mark.parametrize("number", PICKLED)
def test_jsonpickled_numbers_are_read_without_calls(number: float | None) -> None:
    assert scalar_of(PICKLED[number]) == number


def test_a_file_that_is_gone_is_not_found(store: Store) -> None:
    for digest in (f"gridfs:{ObjectId()}", "gridfs:odd", "0" * 64):
        with pytest.raises(NotFound):
            store.open_artifact(Artifact(run=1, attempt=1, name="x", digest=digest, size=1))
    assert issubclass(NotFound, HyperspaceError)
