"""The role of docs/howto/team-mongodb.md: its script is executed; its user has the needed rights only."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from hyperspace_core.errors import StoreError
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.storage import open_store
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.states import State
from hyperspace_mongodb.testing import Server
from hyperspace_mongodb.testing.fixtures import installed
from mongo_shell import PASSWORD, execute_script
from pytest_hyperspace.project import ProjectFolder
from pytest_hyperspace.stores.search_tests import new_search, proposal
from support.behaving import PROJECT, in_state, opened_for_tests, submit, worker_processes

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "team-mongodb.md"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on which the script was executed, for the database of the tests' project."""
    installed()
    script, = re.findall(r"^```javascript\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    server = Server(tmp_path_factory.mktemp("role"), "--sync-on-commit").start()
    execute_script(server, script.replace('"digits"', f'"{PROJECT}"'))
    with server.client() as client:
        client[PROJECT].command("createUser", "reader", pwd=PASSWORD, roles=["read"])
    server.restart("--auth", "--sync-on-commit")
    yield server
    server.kill()


def url_of(server: Server, user: str, database: str = PROJECT) -> str:
    return server.url(database, user, PASSWORD, authSource=PROJECT)


def test_the_role_allows_all_verbs_on_runs(server: Server, project: ProjectFolder, tmp_path: Path) -> None:
    url = url_of(server, "ann")
    with opened_for_tests(url) as store, worker_processes(url, project.env()) as start:
        runs = submit(store, "artifact", 2)
        start(drain=True).report()
        for run in runs:
            in_state(store, run, State.COMPLETED)
        store.annotate(runs[0], add_tags=["seen"], note="good")
        assert store.info().bytes is not None
        assert store.check() == ()
        store.upgrade()
        store.collect_garbage()
        assert store.delete([runs[1]]) == [runs[1]]
        assert [record.id for record in store.find(RunFilter(project=PROJECT))] == [runs[0]]


def test_the_role_allows_nothing_else(server: Server) -> None:
    with MongoClient(url_of(server, "ann")) as client:
        own = client[PROJECT]
        for forbidden in (own.runs.drop, client.other.runs.find_one, lambda: client.drop_database(PROJECT),
                          lambda: client.admin.command("serverStatus"),
                          lambda: own.command("createUser", "eve", pwd="x", roles=["hyperspace"])):
            with pytest.raises(OperationFailure, match="not authorized"):
                forbidden()


def test_a_reader_sees_runs_and_changes_none(server: Server) -> None:
    with opened_for_tests(url_of(server, "ann")) as store:
        run, = submit(store)
    with open_store(url_of(server, "reader"), build_manager(), PROJECT) as store:
        assert store.get(run).state is State.QUEUED
        assert store.info().runs[PROJECT] >= 1
        with pytest.raises(StoreError, match="has no right to do this") as raised:
            store.cancel(run)
        assert PASSWORD not in str(raised.value)
        assert store.get(run).state is State.QUEUED


def test_a_reader_sees_a_search_with_an_unfinished_draft(server: Server) -> None:
    with opened_for_tests(url_of(server, "ann")) as store:
        search = store.get_search(store.add_search(new_search(project=PROJECT)))
        run = store.propose(search.id, 0, proposal(search, 0, project=PROJECT))
    with MongoClient(url_of(server, "ann")) as client:     # its state just before the run is written
        document = client[PROJECT].runs.find_one_and_delete({"_id": run})
        client[PROJECT]["hyperspace.searches"].update_one({"_id": search.id}, {"$set": {
            "draft": {"uid": search.run_uid(0), "run": None, "document": document}}})
    with open_store(url_of(server, "reader"), build_manager(), PROJECT) as store:
        assert store.get_search(search.id).proposed == 1
        assert [found.id for found in store.searches(PROJECT)] == [search.id]
        with pytest.raises(StoreError, match="has no right to do this"):
            store.end_search(search.id, "enough")
    with opened_for_tests(url_of(server, "ann")) as store:
        assert store.searches(PROJECT)[0].id == search.id
        assert store.delete([found.id for found in store.find(RunFilter(search=search.uid))]) != []


def test_a_reader_sees_a_project_without_settings(server: Server, project: ProjectFolder) -> None:
    """As after `store copy`: only a process that works on the project stores settings."""
    with opened_for_tests(url_of(server, "ann")) as store:
        submit(store)
    with MongoClient(url_of(server, "ann")) as client:
        client[PROJECT]["hyperspace.projects"].delete_many({})

    for command in ("status", "queue list", "doctor"):
        said = subprocess.run([sys.executable, "-P", "-m", "hyperspace_core", *command.split(),
                               "--project", PROJECT], text=True, capture_output=True,
                              env=project.env() | {"HYPERSPACE_STORAGE": url_of(server, "reader")})
        assert "no right" not in said.stdout + said.stderr
        assert said.returncode == 0, said.stderr

    with MongoClient(url_of(server, "ann")) as client:
        assert client[PROJECT]["hyperspace.projects"].find_one() is None
