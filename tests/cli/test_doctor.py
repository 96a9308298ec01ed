"""Tests of `hyperspace doctor`: verdict and fix of each check."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.clock import SystemClock
from hyperspace_core.storage import Store
from pytest_hyperspace.project import ProjectFolder
from pytest_hyperspace.stores.harness import Harness
from support.behaving import PLUGIN, until
from support.commands import Answer
from support.world import World

Typed = Callable[..., Answer]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def checks(typed: Typed) -> Callable[..., list[dict[str, str]]]:
    """Return the checks of one name; `code` is the expected exit code."""

    def one(name: str, *words: str, code: int = 0) -> list[dict[str, str]]:
        found = typed("doctor", *words, "--json", expect=code).json
        return [check for check in found if check["name"] == name]

    return one


Checks = Callable[..., list[dict[str, str]]]


def test_a_healthy_installation(typed_apart: Typed, project: ProjectFolder, store: Store) -> None:
    answer = typed_apart("doctor")

    assert {line.split()[0] for line in answer.lines} == {"ok"}
    for name in ("hyperspace", "SQLite", "git", "clock", "temporary files", "project", "tasks", "isolation",
                 "plugins", "disk of the store", "store", "workers"):
        assert any(line.startswith(f"ok  {name}  ") for line in answer.lines), name
    assert answer.err == ""


def test_without_a_project_the_machine_is_checked(typed: Typed, url: str,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYPERSPACE_PROJECT")

    names = {check["name"] for check in typed("doctor", "--json").json}

    assert names == {"hyperspace", "SQLite", "git", "clock", "temporary files", "plugins"}


def test_doctor_creates_no_store(checks: Checks, project: ProjectFolder, url: str) -> None:
    assert checks("store") == [{"name": "store", "verdict": "ok", "cure": "", "text":
                                f"no store at {url.removeprefix('sqlite:///')} yet; the first "
                                "`submit` or `run` creates it"}]
    assert not Path(url.removeprefix("sqlite:///")).exists()


def test_a_broken_project_is_a_problem_and_the_rest_is_checked(
        checks: Checks, project: ProjectFolder, store: Store) -> None:
    project.write("scenarios.py", "import nowhere_to_be_found")

    found, = checks("project", code=1)

    assert found["verdict"] == "problem"
    assert "nowhere_to_be_found" in found["text"]
    assert [check["verdict"] for check in checks("store", code=1)] == ["ok", "ok"]


def test_broken_task_files_are_problems(checks: Checks, growing: ProjectFolder) -> None:
    growing.write("tasks/torn.json", '{"scenario": ')
    growing.write("tasks/wrong.json", '{"scenario": {"className": "Grow", "rows": "many"}}')

    torn, wrong = checks("tasks", code=1)

    assert "torn.json:1:14: expected a value, found the end" in torn["text"]
    assert "`scenario.rows`: expected int, found str 'many'" in wrong["text"]


def test_a_project_that_starts_threads_is_a_warning(checks: Checks, project: ProjectFolder) -> None:
    project.write("hyperspace.py", "import threading\n"
                  "threading.Thread(target=threading.Event().wait, daemon=True).start()\n" + PLUGIN)

    found, = checks("isolation")

    assert found["verdict"] == "warning"
    assert "every run is spawned" in found["text"]
    assert "inside functions" in found["cure"]


def test_a_broken_plugin_is_a_problem_with_a_fix(checks: Checks, typed: Typed, world: World, url: str,
                                                 project: ProjectFolder) -> None:
    world.plugin("breaker", "import nowhere_to_be_found")

    found, = checks("plugins", code=1)

    assert found["verdict"] == "problem"
    assert found["cure"] == "fix or uninstall it, or disable it with --no-plugin breaker"
    assert "-> fix or uninstall it" in typed("doctor", expect=1).out


def test_a_store_that_cannot_be_opened_is_a_problem(checks: Checks, project: ProjectFolder, url: str) -> None:
    Path(url.removeprefix("sqlite:///")).write_text("no database\n" * 1000)

    found, = checks("store", code=1)

    assert found["verdict"] == "problem"
    assert "runs.db" in found["text"]


def test_damage_in_the_store_is_a_problem(checks: Checks, project: ProjectFolder, harness: Harness,
                                          tmp_path: Path) -> None:
    lease = harness.start()
    (tmp_path / "file").write_bytes(b"content")
    harness.store.put_artifact(lease.run, 1, "weights", tmp_path / "file")
    shutil.rmtree(tmp_path / "runs.db.artifacts")

    assert "the content of artifact 'weights' is missing" in checks("store", code=1)[1]["text"]


def test_queued_runs_without_a_worker_are_a_warning(checks: Checks, project: ProjectFolder,
                                                    harness: Harness) -> None:
    harness.submit()

    assert checks("workers") == [{"name": "workers", "verdict": "warning", "cure":
                                  "start one: hyperspace worker",
                                  "text": "no worker runs, and 1 run is queued"}]


def test_living_and_lost_workers_are_distinguished(checks: Checks, store: Store, worker: Callable[..., Any],
                                                   ) -> None:
    living, lost = worker(), worker()
    until(lambda: len(store.workers("behaving")) == 2, "both present themselves")
    lost.process.kill()
    lost.process.wait()

    gone, alive = checks("workers")

    assert (gone["verdict"], gone["text"]) == ("warning", f"{lost.name} is gone")
    assert (alive["verdict"], alive["text"]) == ("ok", f"alive: {living.name}")


@pytest.mark.parametrize(("free", "verdict", "code"), [(10**12, "ok", 0), (5 * 10**8, "warning", 0),
                                                       (10**7, "problem", 1)])
def test_a_disk_that_is_nearly_full(checks: Checks, project: ProjectFolder, monkeypatch: pytest.MonkeyPatch,
                                    free: int, verdict: str, code: int) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda place: Usage(10**12, 0, free))

    for name in ("temporary files", "disk of the store"):
        assert [check["verdict"] for check in checks(name, code=code)] == [verdict]


def test_no_git_is_a_warning(checks: Checks, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYPERSPACE_PROJECT")
    monkeypatch.setenv("PATH", "")

    assert checks("git") == [{"name": "git", "verdict": "warning", "cure": "install git",
                              "text": "not found: runs do not record which commit they ran"}]


def test_b55_a_clock_that_was_never_set(checks: Checks, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYPERSPACE_PROJECT")
    monkeypatch.setattr(SystemClock, "now", lambda self: datetime(2000, 1, 1, tzinfo=UTC))

    found, = checks("clock")

    assert found["verdict"] == "warning"
    assert "the clock was never set" in found["text"]
    assert "set the clock" in found["cure"]


def test_b55_a_clock_that_went_back(checks: Checks, project: ProjectFolder, harness: Harness,
                                    monkeypatch: pytest.MonkeyPatch) -> None:
    harness.submit()
    earlier = datetime.now(UTC) - timedelta(days=3)
    monkeypatch.setattr(SystemClock, "now", lambda self: earlier)

    assert "run 1 was submitted at " in checks("clock")[1]["text"]


def test_a_network_file_system_is_warned_of_before_creation(
        checks: Checks, project: ProjectFolder, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperspace_core.stores.sqlite.opening._mount_table", lambda: "server:/x / nfs rw\n")

    found, = checks("store", code=1)

    assert "would be on a network file system (nfs)" in found["text"]
    assert found["cure"] == "name a file on a local disk with --storage"
