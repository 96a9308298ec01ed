"""Observers of a worker, and errors that keep it from starting."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.errors import ProjectError, StoreUnavailable
from hyperspace_core.records.states import State
from hyperspace_core.storage import Store
from hyperspace_core.worker.events import Notice, RunEnded
from support.behaving import began, submit
from support.faults import Door, install_plugin

LISTENER = '''
import json
import os
from hyperspace_core.markers import hookimpl

PATH = {path!r}

def note(*words):
    with open(PATH, "a") as file:
        file.write(json.dumps([os.getpid(), *words]) + "\\n")

@hookimpl
def hyperspace_worker_changed(worker, state):
    note("worker", state, list(worker.tasks))

@hookimpl
def hyperspace_run_finished(run, record):
    note("finished", run.id, str(record.state), str(record.attempt.outcome))

@hookimpl
def hyperspace_run_started(run):
    note("started", run.id)
'''


@pytest.fixture
def heard(project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[list[Any]]]:
    monkeypatch.delitem(sys.modules, "listener", raising=False)
    path = tmp_path / "heard"
    install_plugin(project.root, "listener", LISTENER.format(path=str(path)))
    return lambda: [json.loads(line) for line in path.read_text().splitlines()]


def test_plugins_get_the_states_of_the_worker(
        heard: Callable[[], list[list[Any]]], store: Store, here: Callable[..., Any]) -> None:
    worker = here()
    worker.wait_for(RunEnded, run=submit(store)[0])
    worker.stop()
    worker.join()
    words = [each for each in heard() if each[1] == "worker"]
    assert {each[0] for each in words} == {os.getpid()}
    states = [each[2] for each in words]
    assert (states[0], states[-2:]) == ("started", ["draining", "stopped"])
    assert set(states) <= {"started", "idle", "busy", "draining", "stopped"}
    assert words[-1][3] == ["behave"]


def test_observers_get_the_end_of_a_run_once(
        heard: Callable[[], list[list[Any]]], store: Store, here: Callable[..., Any]) -> None:
    good, dead = submit(store, "well") + submit(store, "segfault")
    here(drain=True).join()
    ends = {each[2]: each for each in heard() if each[1] == "finished"}
    assert len([each for each in heard() if each[1] == "finished"]) == 2
    assert ends[good][3:] == ["COMPLETED", "completed"]
    assert ends[good][0] != os.getpid()
    assert ends[dead][3:] == ["FAILED", "crashed"]
    assert ends[dead][0] == os.getpid()


def test_observers_get_the_end_of_a_cancelled_run(
        heard: Callable[[], list[list[Any]]], store: Store, here: Callable[..., Any], tmp_path: Path) -> None:
    worker = here(max_runs=1)
    run = submit(store, "wait", config={"folder": str(tmp_path)})[0]
    began(tmp_path, run)
    store.cancel(run)
    worker.join()
    assert [each[2:] for each in heard() if each[1] == "finished"] == [[run, "CANCELLED", "cancelled"]]


def test_observers_get_the_end_of_a_run_that_did_not_start(
        heard: Callable[[], list[list[Any]]], store: Store, here: Callable[..., Any]) -> None:
    run = submit(store, config={"nonsense": 1})[0]
    here(drain=True).join()
    assert [each[2:] for each in heard() if each[1] == "finished"] == [[run, "FAILED", "failed"]]


def test_plugins_get_a_store_outage(
        heard: Callable[[], list[list[Any]]], store: Store, door: Door, here: Callable[..., Any]) -> None:
    worker = here(store=door.port)
    worker.wait_for(RunEnded, run=submit(store)[0])
    door.shut_it()
    worker.wait_for(Notice)
    door.open_it()
    worker.wait_for(RunEnded, run=submit(store)[0])
    worker.stop()
    worker.join()
    assert "uncertain" in [each[2] for each in heard() if each[1] == "worker"]


def test_a_worker_does_not_start_with_a_broken_plugin(
        project: Any, store: Store, here: Callable[..., Any]) -> None:
    install_plugin(project.root, "half", "import does_not_exist\n")
    run = submit(store)[0]
    with pytest.raises(ProjectError, match="--no-plugin half"):
        here(drain=True).join()
    assert store.get(run).state is State.QUEUED


def test_a_worker_does_not_start_with_a_broken_project(
        project: Any, store: Store, here: Callable[..., Any]) -> None:
    (project.package / "scenarios.py").write_text("import does_not_exist\n")
    run = submit(store)[0]
    with pytest.raises(ProjectError, match="does_not_exist"):
        here(drain=True).join()
    assert store.get(run).state is State.QUEUED
    assert store.workers("behaving") == []


def test_a_worker_does_not_start_without_a_store(store: Store, door: Door, here: Callable[..., Any]) -> None:
    door.shut_it()
    with pytest.raises(StoreUnavailable):
        here(store=door.port).join()
