"""`hyperspace status --watch`: redraw the page, also while the store is unavailable."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click import unstyle

from hyperspace_core.cli.terminal import Page
from hyperspace_core.cli.watch import Watched
from hyperspace_core.errors import StoreError, StoreUnavailable
from hyperspace_core.records.states import State
from hyperspace_core.results.overview import Overview
from hyperspace_core.storage import Store
from pytest_hyperspace.stores.harness import Harness
from support.behaving import until
from support.commands import PATIENCE_S
from support.faults import Door

Words = Callable[..., Any]


def test_the_page_follows_the_queue_on_a_terminal(at_terminal: Words, harness: Harness) -> None:
    run = harness.submit()
    terminal = at_terminal("status", "--watch", columns=80)
    terminal.wait_for("1 queued")

    harness.take(run)
    terminal.wait_for("1 running")
    terminal.interrupt()

    assert terminal.ended() == 0
    assert "interrupted" not in terminal.text
    assert "\x1b[?25h" in terminal.raw             # the cursor is back


def test_a_killed_watcher_restores_the_terminal(at_terminal: Words, harness: Harness) -> None:
    harness.submit()
    terminal = at_terminal("status", "--watch")
    terminal.wait_for("1 queued")

    terminal.process.terminate()

    assert terminal.ended() == 143
    assert terminal.raw.index("\x1b[?1049h") < terminal.raw.index("\x1b[?1049l")
    assert "\x1b[?25h" in terminal.raw


def test_a_pipe_gets_a_page_per_change(start: Words, harness: Harness) -> None:
    run = harness.submit()
    watcher: subprocess.Popen[str] = start("status", "--watch")
    assert watcher.stdout is not None
    pages = iter(watcher.stdout.readline, "")
    assert next(line for line in pages if "queued" in line) == "1 queued\n"

    harness.bring(run, State.FAILED)
    assert next(line for line in pages if "failed" in line) == "1 failed\n"
    watcher.send_signal(2)
    out, err = watcher.communicate(timeout=PATIENCE_S)

    assert (watcher.returncode, err) == (0, "")
    assert "\x1b" not in out
    assert out.count("Workers") <= 1               # nothing was printed while nothing changed


def test_a_closed_pipe_ends_watch(start: Words, harness: Harness) -> None:
    harness.submit()
    watcher: subprocess.Popen[str] = start("status", "--watch")
    assert watcher.stdout is not None
    watcher.stdout.readline()

    watcher.stdout.close()                         # nothing changes, so nothing is written to the closed pipe

    assert watcher.wait(PATIENCE_S) == 0


def test_watch_shows_a_worker_and_its_run(at_terminal: Words, worker: Words, harness: Harness,
                                          tmp_path: Path) -> None:
    terminal = at_terminal("status", "--watch", columns=120)
    tree = {"how": "wait", "folder": str(tmp_path)}
    run = harness.submit(task="behave", submitted=tree, config=tree, scenario={"className": "behave"}, seed=1)
    name = worker().name

    terminal.wait_for("30% (3 of 10)")
    assert f"{name}  busy" in terminal.text
    (tmp_path / "go").touch()
    terminal.wait_for("Best so far")
    terminal.interrupt()

    assert terminal.ended() == 0
    assert f"Best so far\n  behave  result  1  run {run}  how=wait" in terminal.text


def test_watch_refuses_json(start: Words, harness: Harness) -> None:
    answer = start("status", "--watch", "--json").communicate(timeout=PATIENCE_S)

    assert answer == ("", "error: --watch and --json contradict each other; give one\n")


# -- an unavailable store ------------------------------------------------------------------------------------


@dataclass
class PlaceBehindADoor:
    store: Any
    name: str


@pytest.fixture
def door(store: Store) -> Door:
    return Door(store)


@pytest.fixture
def watched(door: Door, harness: Harness) -> Watched:
    def page_of(place: Any, view: Overview) -> Page:
        page = Page()
        page.line(f"{view.counts.get(State.QUEUED, 0)} queued")
        return page

    place: Any = PlaceBehindADoor(door.port, harness.project)
    return Watched(place, page_of)


def test_an_unavailable_store_is_shown_above_the_last_page(watched: Watched, door: Door,
                                                           harness: Harness) -> None:
    harness.submit()
    watched.look()
    assert watched.text() == "1 queued"

    door.shut_it()
    watched.look()
    first, second, empty, page = unstyle(watched.text()).split("\n")

    assert first == "Store unavailable: the store is away"
    assert second.startswith("Retrying; the page shows the state ") and second.endswith(" ago:")
    assert (empty, page) == ("", "1 queued")


def test_watch_continues_when_the_store_is_back(watched: Watched, door: Door, harness: Harness) -> None:
    watched.look()
    door.shut = StoreError("disk full")            # an error that a retry seems not to help
    watched.look()
    watched.wait()
    door.open_it()
    harness.submit()
    watched.look()

    assert watched.text() == "1 queued"


def test_a_store_unavailable_at_the_start_is_retried(watched: Watched, door: Door) -> None:
    door.shut_it()
    watched.look()
    assert unstyle(watched.text()) == "Store unavailable: the store is away\nRetrying."

    door.open_it()
    until(lambda: watched.look() or watched.text() == "0 queued", "the store answers")


def test_a_store_that_cannot_be_opened_ends_watch(watched: Watched, door: Door) -> None:
    door.shut = StoreError("not a database")

    with pytest.raises(StoreError, match="not a database"):
        watched.look()


def test_news_changes_with_events_not_with_time(watched: Watched, door: Door, harness: Harness) -> None:
    watched.look()
    before = watched.news()
    watched.look()
    assert watched.news() == before

    harness.submit()
    watched.look()
    assert watched.news() != before
    door.shut = StoreUnavailable("gone")
    watched.look()
    assert watched.news() == "gone"


def test_a_low_terminal_shows_the_top_and_the_whole_at_the_end(at_terminal: Words, harness: Harness) -> None:
    failed = harness.in_state(State.FAILED)
    terminal = at_terminal("status", "--watch", lines=6)
    terminal.wait_for("…")
    assert "Last failures" not in terminal.text

    terminal.interrupt()

    assert terminal.ended() == 0
    assert f"Last failures\n  run {failed}  task" in terminal.text
