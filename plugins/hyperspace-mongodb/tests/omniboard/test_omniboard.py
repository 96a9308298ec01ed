"""Omniboard 2.16.1 in a browser on a database of ours: shown fields, and values typed there."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from board import DETAILS, Omniboard, Page, missing
from pymongo import MongoClient
from pymongo.database import Database

from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.states import State
from hyperspace_core.storage import Store
from hyperspace_mongodb.store import open_store
from hyperspace_mongodb.testing.fixtures import with_database
from pytest_hyperspace.project import ProjectFolder
from pytest_hyperspace.stores.harness import Harness
from support.behaving import began, submit as submit_behaving, until, worker_processes

pytestmark = [pytest.mark.skipif(missing() is not None, reason=str(missing())), pytest.mark.timeout(300)]

LONG_AGO = timedelta(minutes=10)       # Omniboard calls a run dead after two minutes without a heartbeat
COUNTS = {1: 100, 2: 30, 3: 100}       # run → trees
FAILS, QUEUED, PAUSED, CANCELLED = 4, 5, 6, 7
Hyperspace = Callable[..., str]


@pytest.fixture(scope="module")
def hyperspace(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hyperspace]:
    """The command on a new database."""
    folder = tmp_path_factory.mktemp("user")
    url = with_database(mongodb_uri, f"hyperspace_test_{uuid.uuid4().hex[:12]}")
    env = os.environ | {"XDG_DATA_HOME": str(folder), "XDG_STATE_HOME": str(folder),
                        "HYPERSPACE_PROJECT": "digits", "HYPERSPACE_STORAGE": url}

    def command(*arguments: str, expect: int = 0) -> str:
        done = subprocess.run([sys.executable, "-P", "-m", "hyperspace_core", *arguments], env=env, text=True,
                              capture_output=True, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout

    command.url = url                  # type: ignore[attr-defined]
    yield command
    client: MongoClient[dict[str, Any]] = MongoClient(url)
    with client:
        client.drop_database(client.get_default_database())


@pytest.fixture(scope="module")
def url(hyperspace: Hyperspace) -> str:
    return str(hyperspace.url)         # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def digits(hyperspace: Hyperspace) -> None:
    """The digits example: completed runs, a failed one, and some that are queued or never start."""
    pytest.importorskip("digits_study")
    forest = ("submit", "holdout", "--set", "classifier=Forest")
    hyperspace(*forest, "--grid", "scaler=Unscaled", "--tag", "baseline", "--note", "the first one")
    hyperspace(*forest, "--set", "classifier.trees=30")
    hyperspace("submit", "holdout", "--set", "classifier=Linear")
    hyperspace("submit", "holdout", "--set", "classifier=Support", "--set", "classifier.C=-1")
    hyperspace("worker", "--drain", expect=1)      # one failed
    hyperspace("submit", "holdout", "--set", "classifier=Forest", "--repeats", "3")
    hyperspace("queue", "pause", str(PAUSED))
    hyperspace("queue", "cancel", str(CANCELLED))


@pytest.fixture(scope="module")
def board(digits: None, url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Omniboard]:
    parts = urlsplit(url)
    log = tmp_path_factory.mktemp("omniboard") / "log"
    with Omniboard("-m", f"{parts.netloc}:{parts.path.strip('/')}", log=log) as started:
        yield started


@pytest.fixture(scope="module")
def tab(board: Omniboard) -> Iterator[Page]:
    with Page(board.url) as opened:
        yield opened
        assert opened.step("errors") == []     # errors of the page's own scripts, in all tests together


@pytest.fixture
def page(tab: Page) -> Page:
    tab.reload()
    return tab


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url, "digits") as opened:
        yield opened


@pytest.fixture
def raw(url: str) -> Iterator[Database[dict[str, Any]]]:
    client: MongoClient[dict[str, Any]] = MongoClient(url)
    with client:
        yield client.get_default_database()


def test_the_list_shows_task_status_result_and_config(page: Page, store: Store) -> None:
    records = {record.id: record for record in store.find(RunFilter(project="digits"))}
    shown = page.runs()

    assert set(records) <= set(shown) and len(records) == CANCELLED
    for run, record in records.items():
        row = shown[run]
        assert (row["Experiment Name"], row["Status"]) == ("holdout", record.state.value)
        assert row["circle"] == record.state.value.lower()
        assert row["Result"] == ("" if record.result is None else str(record.result))
        assert f'"className":"{record.config["classifier"]["className"]}"' in row["C Classifier"]
        assert row["C Seed"] == str(record.seed)
    assert '"trees":30' in shown[2]["C Classifier"]
    assert "accuracy" in store.get(1).metrics and shown[1]["Result"].startswith("0.9")


def test_times_and_the_host_are_those_of_the_attempt(page: Page, store: Store) -> None:
    row, attempt = page.runs()[1], store.get(1).attempts[-1]

    assert attempt.worker is not None and row["Hostname"] == attempt.worker.host
    assert attempt.started_at is not None and attempt.ended_at is not None
    assert row["Start Time"] == attempt.started_at.astimezone().strftime("%Y-%m-%dT%H:%M:%S")
    assert row["Stop Time"] == row["Heartbeat"] == attempt.ended_at.astimezone().strftime("%Y-%m-%dT%H:%M:%S")


def test_the_list_can_be_narrowed_by_status(page: Page) -> None:
    page.click(".status-filter", "button")
    for label in ("Running", "Completed", "Interrupted", "Timeout", "Probably Dead", "Queued"):
        page.click(".status-filter", "label", label)

    until(lambda: set(page.runs()) == {FAILS}, "only the failed run")
    for label in ("Running", "Completed", "Interrupted", "Timeout", "Probably Dead", "Queued"):
        page.click(".status-filter", "label", label)


def test_the_details_show_config_output_and_series(page: Page) -> None:
    page.open_details(2)

    assert "scaler" in page.details("Config", "classifier")
    page.click(DETAILS, ".object-key-val > span", '"classifier"')      # unfolds it
    page.shows('"trees":30', DETAILS)
    assert "images read correctly" in page.details("Captured Out", "images read correctly")
    page.details("Metrics Plot", "accuracy", "loss")
    until(lambda: page.step("count", f"{DETAILS} .legend .traces") == 2, "two series in the legend")
    assert page.step("count", f"{DETAILS} .cartesianlayer .js-line") >= 2      # drawn


def test_the_details_show_the_source_files_as_they_were_executed(page: Page, store: Store) -> None:
    page.open_details(1)

    page.details("Source Files", "digits_study/components.py", "digits_study/scenarios.py")
    page.click(DETAILS, ".accordion__title", "digits_study/components.py")
    page.shows("class Forest(Classifier)", DETAILS)


def test_the_details_show_artifacts(page: Page, store: Store) -> None:
    names = [artifact.name for artifact in store.artifacts(1)]
    page.open_details(1)

    assert names
    page.details("Artifacts", *names)


def test_the_details_show_machine_packages_and_repository(page: Page, store: Store) -> None:
    provenance = store.get(1).attempts[-1].provenance
    page.open_details(1)

    page.details("Host Info", provenance["host"]["cpu"], provenance["python"]["version"])
    page.details("Experiment Details", "mainfile", "digits_study/scenarios.py", "dependencies",
                 "repositories")


def test_a_failed_run_shows_its_traceback(page: Page) -> None:
    page.open_details(FAILS)

    page.details("Fail Trace", "Traceback", "InvalidParameterError")


def test_tags_and_notes_of_omniboard_are_read_here(page: Page, store: Store, hyperspace: Hyperspace) -> None:
    page.click_in_row(2, ".select-cell input")
    page.step("type", "promising", "Enter")
    page.shows("promising")
    page.click_in_row(2, "[test-attr=edit-button]")
    page.click_in_row(2, "textarea")
    page.step("type", "look at the confusion of 3 and 8")
    page.click_in_row(2, ".editable-submit")

    until(lambda: store.get(2).note == "look at the confusion of 3 and 8", "the note in our record")
    assert store.get(2).tags == ("promising",)
    assert hyperspace("runs", "list", "--tag", "promising", "--json").count('"holdout"') == 1


def test_our_tags_and_notes_are_shown_in_omniboard(page: Page, hyperspace: Hyperspace) -> None:
    assert (page.runs()[1]["Tags"], page.runs()[1]["Notes"]) == ("baseline", "the first one")
    hyperspace("runs", "tag", "1", "--add", "paper")
    hyperspace("runs", "note", "1", "for the figure")

    page.reload()
    row = page.runs()[1]
    assert row["Tags"].split() == ["baseline", "paper"] and row["Notes"] == "for the figure"


def test_a_live_run_is_not_shown_as_dead(page: Page, url: str, raw: Database[dict[str, Any]], tmp_path: Path,
                                         project: ProjectFolder) -> None:
    with open_store(url, "behaving") as store, worker_processes(url, project.env()) as worker:
        store.change_settings("behaving", heartbeat_s=0.5, ttl_s=5.0)
        run = submit_behaving(store, "wait", config={"folder": str(tmp_path)})[0]
        worker()
        began(tmp_path, run)
        # as if the worker had been silent for long; its next heartbeat comes later
        aged = datetime.now(UTC) - LONG_AGO
        raw["runs"].update_one({"_id": run}, {"$set": {"heartbeat": aged}})
        recent = {"_id": run, "heartbeat": {"$gt": aged + LONG_AGO / 2}}
        until(lambda: raw["runs"].find_one(recent), "the worker's next beat")

        page.reload()
        assert (page.runs()[run]["Status"], page.runs()[run]["circle"]) == ("RUNNING", "running")
        page.open_details(run)
        assert "waiting" in page.details("Captured Out", "waiting", "Live Reload Enabled")
        (tmp_path / "go").touch()
        until(lambda: store.get(run).state is State.COMPLETED, "its end")


def test_a_run_without_its_worker_is_shown_as_dead(page: Page, url: str,
                                                   raw: Database[dict[str, Any]]) -> None:
    with open_store(url, "orphans") as store:
        lease = Harness(store, "orphans").start()
        raw["runs"].update_one({"_id": lease.run}, {"$set": {"heartbeat": datetime.now(UTC) - LONG_AGO}})
        page.reload()
        assert page.runs()[lease.run]["circle"] == "probably_dead"

        store.beat(lease)
        page.reload()
        assert page.runs()[lease.run]["circle"] == "running"
