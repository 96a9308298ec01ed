"""Databases of Sacred and hyperspace_explorer: commands read them and change nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.database import Database

from hyperspace_core import Study
from hyperspace_core.cli.main import run
from hyperspace_core.queue import RunQueue
from hyperspace_core.records.states import State
from hyperspace_core.stores.sqlite import open_store as open_sqlite
from hyperspace_mongodb.store import open_store
from hyperspace_mongodb.testing import ServerNotInstalled
from hyperspace_mongodb.testing.environment import python_with
from pytest_hyperspace.project import ProjectFolder, make_project
from support.attention import FILES as ATTENTION

PROJECT, TASK = "ulmfit_attention", "imdb_1k_sample_single"
SACRED = ("sacred==0.8.7", "pymongo>=4.9,<5", "numpy>=1.26", "setuptools<80")
PATIENCE_S = 120.0
# the project of the ancestor's one public client, with its original task file
FILES = {
    "hyperspace.py": ATTENTION["hyperspace.py"].replace("attention", PROJECT),
    "parts.py": ATTENTION["parts.py"], "tasks/__init__.py": "",
    f"tasks/{TASK}.json": """
        {"Scenario": {"className": "SmallTrainSample", "num_samples": 1000,
                      "Dataset": {"className": "Imdb", "language": "en"}},
         "seed": 42}
        """,
}
CONF = {
    "Classifier": {"className": "AggregatingClassifier", "drop_mult": 0.5, "lin_ftrs": [50], "Aggregation": {
        "className": "BranchingAttentionAggregation", "agg_layers": [50, 10], "att_hid_layers": [20],
        "agg_bn": False}},
    "TrainingSchedule": {"className": "HeadOnlySchedule", "cycles": 6, "lr": 0.02},
    "returns": "float",
}
Command = Callable[..., str]
Dump = dict[str, Any]


@pytest.fixture
def installed(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    return hyperspace_project(FILES, name=PROJECT)


@pytest.fixture
def theirs(mongodb_url: str) -> str:
    """A database written by Sacred, first alone and then as called by hyperspace_explorer."""
    try:
        python = python_with("sacred-0.8.7", *SACRED)
    except ServerNotInstalled as error:
        pytest.skip(str(error))
    script = Path(__file__).with_name("sacred_runs.py")
    for kind in ([], ["explorer"]):
        done = subprocess.run([python, script, mongodb_url, database_of(mongodb_url), *kind], text=True,
                              capture_output=True, check=False, timeout=PATIENCE_S)
        assert done.returncode == 0, done.stderr
    return mongodb_url


@pytest.fixture
def typed(theirs: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command on that database; its output and errors."""
    monkeypatch.setenv("HYPERSPACE_STORAGE", theirs)
    monkeypatch.setenv("HYPERSPACE_PROJECT", PROJECT)

    def command(*arguments: str, expect: int = 0) -> str:
        code = run(list(arguments))
        answer = capsys.readouterr()
        assert code == expect, answer.out + answer.err
        return answer.out + answer.err

    return command


@pytest.fixture
def unchanged(theirs: str) -> Iterator[None]:
    """Check that the test leaves the database unchanged, byte for byte, without a new collection or index."""
    before = dump(theirs)
    yield
    assert dump(theirs) == before


def database_of(url: str) -> str:
    return urlsplit(url).path.strip("/")


def dump(url: str) -> Dump:
    client: MongoClient[RawBSONDocument] = MongoClient(url, document_class=RawBSONDocument)
    with client:
        database: Database[RawBSONDocument] = client.get_default_database()
        return {name: ({document.raw for document in database[name].find()},
                       sorted(json.dumps(index, default=str) for index in database[name].index_information()))
                for name in sorted(database.list_collection_names())}


pytestmark = pytest.mark.timeout(300)


def test_a_dump_shows_a_change_of_one_byte(theirs: str) -> None:
    before = dump(theirs)
    client: MongoClient[dict[str, Any]] = MongoClient(theirs)
    with client:
        client.get_default_database()["runs"].update_one({"_id": 1}, {"$set": {"result": 0.5}})

    assert len(before) >= 4 and dump(theirs) != before


# -- a project that is not installed here ------------------------------------------------------------------

READING = [
    ["runs", "list"], ["runs", "show", "1"], ["runs", "show", "2"], ["runs", "logs", "1"],
    ["runs", "metrics", "1"], ["runs", "diff", "1", "2"], ["results", "imdb"], ["status"], ["queue", "list"],
    ["store", "info"], ["store", "check"], ["store", "gc", "--dry-run"], ["store", "upgrade", "--dry-run"],
]


def test_reading_commands_change_nothing(typed: Command, unchanged: None) -> None:
    for command in READING:
        typed(*command)
        if command[:2] != ["runs", "logs"]:
            json.loads(typed(*command, "--json"))


def test_the_list_shows_runs_of_sacred(typed: Command, unchanged: None) -> None:
    rows = json.loads(typed("runs", "list", "--json"))
    found = {row["id"]: (row["task"], row["state"]) for row in rows}

    assert found == {
        1: ("imdb", "COMPLETED"), 2: ("imdb", "FAILED"), 3: ("imdb", "FAILED"), 4: ("imdb", "CANCELLED"),
        5: ("other", "COMPLETED"), 6: ("imdb", "PAUSED"), 7: (TASK, "COMPLETED"), 8: (TASK, "COMPLETED")}


@pytest.mark.parametrize(("conditions", "runs"), [
    (["classifier.trees<100"], [1]), (["classifier.trees>=100"], [2, 3, 4, 5, 6]),
    (["result>=0.7"], [1, 5, 7, 8]), (["result>=0.7", "classifier.trees<100"], [1]),
    (["training_schedule.cycles>=8"], [8]), (["submitted.TrainingSchedule.cycles>=8"], [8]),
    (["classifier.aggregation.className=BranchingAttentionAggregation"], [7, 8]),
    (["seed=42", "training_schedule.cycles=4"], [7]), (["reason~no luck"], [2]),
])
def test_runs_are_filtered_by_config_and_result(typed: Command, unchanged: None, conditions: list[str],
                                                runs: list[int]) -> None:
    options = [word for condition in conditions for word in ("--where", condition)]
    rows = json.loads(typed("runs", "list", "--json", *options))

    assert sorted(row["id"] for row in rows) == runs


def test_a_run_is_shown_with_its_output_series_files_and_end(typed: Command, unchanged: None) -> None:
    page = typed("runs", "show", "1")
    for text in ("COMPLETED", "imdb", "trees", "0.75", "model.txt"):
        assert text in page
    assert "hello from Sacred" in typed("runs", "logs", "1")
    points = json.loads(typed("runs", "metrics", "1", "--json"))
    assert "loss" in json.dumps(points) and "accuracy" in json.dumps(points)
    assert "ValueError: no luck" in typed("runs", "show", "2")
    assert "trees" in typed("runs", "diff", "1", "2")


def test_changing_commands_are_refused_in_one_line(typed: Command, unchanged: None) -> None:
    for command in (["runs", "note", "1", "x"], ["runs", "tag", "1", "--add", "x"],
                    ["runs", "delete", "1", "--yes"], ["queue", "cancel", "6"],
                    ["queue", "resume", "6"], ["queue", "requeue", "2"]):
        said = typed(*command, expect=6)
        assert "never changed" in said and len(said.strip().splitlines()) == 1


def test_runs_of_sacred_are_copied_completely(theirs: str, typed: Command, unchanged: None,
                                              tmp_path: Path) -> None:
    target = f"sqlite:///{tmp_path}/archive.db"
    typed("store", "copy", theirs, target, "--dry-run")
    typed("store", "copy", theirs, target)

    with open_sqlite(target) as store, open_store(theirs, PROJECT) as source:
        assert store.info().runs == {PROJECT: 8}
        copied = {record.uid: record for record in map(store.get, range(1, 9))}
        for number in range(1, 9):
            record = source.get(number)
            there = copied[record.uid]
            assert (there.config, there.result, there.metrics, there.reason) == (
                record.config, record.result, record.metrics, record.reason)
            assert [p.value for p in store.points(there.id)] == [p.value for p in source.points(number)]
            for artifact in source.artifacts(number):
                with store.open_artifact(artifact) as file:
                    assert file.read() == b"weights"
    typed("store", "copy", theirs, target)     # a second copy finds all of them stored


# -- a project that is installed ---------------------------------------------------------------------------


def test_a_study_reads_the_ancestors_runs(theirs: str, installed: ProjectFolder, unchanged: None) -> None:
    pytest.importorskip("pandas")
    with Study(PROJECT, theirs) as study:
        results = study.results(TASK)
        frame = results.to_frame()

    assert [record.id for record in results] == [8, 7]
    assert list(frame["cycles"]) == [8, 4]


def test_commands_read_it_where_the_project_is_installed(typed: Command, installed: ProjectFolder,
                                                         unchanged: None) -> None:
    for command in [*READING, ["results", TASK], ["tasks"], ["components"]]:
        typed(*command)


# -- and new runs --------------------------------------------------------------------------------------------


@pytest.fixture
def queue_address(mongodb_uri: str) -> Iterator[str]:
    """host:port alone; the database is then the one named after the project."""
    parts = urlsplit(mongodb_uri)
    if "@" in parts.netloc or parts.query:
        pytest.skip("the server that is named wants more than host and port")
    yield f"localhost:{parts.port or 27017}" if parts.hostname == "127.0.0.1" else parts.netloc
    client: MongoClient[dict[str, Any]] = MongoClient(mongodb_uri)
    with client:
        client.drop_database(PROJECT)


def worked_off(address: str, project: ProjectFolder) -> str:
    """Let a worker on a machine with the project empty the queue."""
    command = [sys.executable, "-P", "-m", "hyperspace_core", "worker", "--drain", "--project", PROJECT,
               "--storage", address]
    done = subprocess.run(command, env=project.env(), text=True, capture_output=True, check=False,
                          timeout=PATIENCE_S, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_ancestors_call_queues_a_run(queue_address: str, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", name=PROJECT, files=FILES)
    with RunQueue(queue_address, PROJECT, project.package / "tasks") as queue:
        with pytest.warns(UserWarning, match="not installed here"):
            run_id = queue.submit(TASK, CONF)
        worked_off(queue_address, project)
        record = queue.store.get(run_id)

    assert (record.state, record.result, record.seed) == (State.COMPLETED, 0.6, 42)
    assert record.submitted == CONF and record.config is not None
    assert record.config["training_schedule"]["className"] == "HeadOnlySchedule"
    assert record.info["built"] == ["BranchingAttentionAggregation", 400, 1000, 6]


def test_the_ancestors_call_validates_with_the_project(queue_address: str, installed: ProjectFolder) -> None:
    with RunQueue(queue_address, PROJECT, installed.package / "tasks") as queue:
        run_id = queue.submit(TASK, CONF)
        assert queue.store.get(run_id).validated
        worked_off(queue_address, installed)
        assert queue.store.get(run_id).state is State.COMPLETED
