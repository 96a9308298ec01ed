"""`hyperspace status`: the queue on one page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hyperspace_core.execution.identity import this_process
from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import Owner
from hyperspace_core.records.states import State
from hyperspace_core.storage import new_token
from pytest_hyperspace.project import ProjectFolder
from pytest_hyperspace.stores.harness import COMPLETED, Harness, owner
from support.commands import Answer, present

Typed = Callable[..., Answer]


def taken_by(harness: Harness, one: Owner, run: int) -> Any:
    claim = harness.store.claim(harness.project, one, new_token(), only=[run])
    assert claim is not None
    return claim.lease


def test_an_empty_queue_names_the_first_commands(typed: Typed, project: ProjectFolder) -> None:
    page = typed("status").out

    assert "No runs yet: `hyperspace submit` queues some\n" in page
    assert "none is running: `hyperspace worker` starts one\n" in page


def test_a_queue_without_workers_says_how_many_wait(typed: Typed, harness: Harness) -> None:
    harness.submit()

    assert "none is running, 1 queued run waits: `hyperspace worker` starts one\n" in typed("status").out


def test_commands_on_the_page_name_project_and_store(typed: Typed, harness: Harness, url: str,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    harness.submit()
    for name in ("HYPERSPACE_PROJECT", "HYPERSPACE_STORAGE"):
        monkeypatch.delenv(name)

    page = typed("status", "--project", harness.project, "--storage", url).out

    assert f"`hyperspace worker --project {harness.project} --storage {url}` starts one" in page


def test_runs_are_counted_by_state(typed: Typed, harness: Harness) -> None:
    for state in State:
        harness.in_state(state)
    harness.in_state(State.COMPLETED)

    page = typed("status").out

    assert "1 queued  1 paused  1 running\n2 completed  1 failed  1 cancelled\n" in page


def test_a_paused_queue_names_the_resume_command(typed: Typed, harness: Harness) -> None:
    harness.submit()
    harness.store.change_settings(harness.project, paused=True)

    assert ("The whole queue is paused: no run starts until `hyperspace queue resume --all`"
            in typed("status").out)


def test_each_worker_is_shown_with_what_it_does(typed: Typed, harness: Harness) -> None:
    mine = this_process("mine")
    present(harness, mine, state="busy", slots=2, running=(1,))
    run = harness.submit(submitted={"trees": 7})
    lease = taken_by(harness, mine, run)
    harness.store.beat(lease, Progress(done=5, total=8, eta_s=190, note="epoch 5"))
    harness.store.cancel(run)

    page = typed("status").out

    assert "  mine  busy  1 of 2 slots in use\n    run 1  task  for " in page
    assert "asked to cancel  62% (5 of 8), 3 min 10 s left, epoch 5  trees=7\n" in page


def test_a_pipe_gets_no_bars_and_a_terminal_does(typed: Typed, harness: Harness,
                                                 at_terminal: Callable[..., Any]) -> None:
    mine = this_process("mine")
    present(harness, mine)
    harness.store.beat(taken_by(harness, mine, harness.submit()), Progress(done=5, total=10))

    assert "━" not in typed("status").out
    shown = at_terminal("status", columns=80)
    assert shown.ended() == 0
    assert "━" * 10 + "╌" * 10 in shown.text
    plain = at_terminal("status", columns=80, PYTHONIOENCODING="ascii")
    assert plain.ended() == 0
    assert "#" * 10 + "." * 10 in plain.text


def test_gone_and_silent_workers_are_distinguished(typed: Typed, harness: Harness) -> None:
    mine = this_process("mine")
    present(harness, Owner(**{**_fields(mine), "worker": "dead", "pid": 2**22 + 1}))
    present(harness, owner("far away"))
    store = harness.store
    store.change_settings(harness.project, heartbeat_s=0.001, ttl_s=0.004)
    harness.submit()

    page = typed("status").out

    assert "dead  gone: its process has ended" in page
    assert "far away  silent for " in page


def test_a_run_whose_process_is_gone_is_shown_as_such(typed: Typed, harness: Harness) -> None:
    lease = taken_by(harness, Owner(**{**_fields(this_process("dead")), "pid": 2**22 + 1}), harness.submit())
    harness.store.beat(lease, Progress(done=1, total=4, eta_s=10))

    page = typed("status").out

    assert f"run {lease.run}  task  its process is gone; the next worker takes it up" in page
    assert "left" not in page


def test_a_run_outside_of_a_worker_is_shown(typed: Typed, harness: Harness) -> None:
    taken_by(harness, this_process("notebook"), harness.submit())

    assert "outside of a worker, by `hyperspace run` or Study.run\n    run 1  task" in typed("status").out


def test_runs_that_no_worker_can_take_have_a_reason(typed: Typed, harness: Harness) -> None:
    present(harness, this_process("mine"), tasks=("known",))
    harness.submit_many(12, task="unknown")
    harness.submit(task="known")

    page = typed("status").out

    assert ("Cannot start\n  12 of unknown: no worker knows this task; they know known  "
            "(run 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 …)\n") in page


def test_the_last_failures_and_the_best_so_far(typed: Typed, harness: Harness) -> None:
    failed = harness.in_state(State.FAILED)
    best = harness.in_state(State.COMPLETED, submitted={"trees": 7})

    page = typed("status").out

    assert f"Last failures\n  run {failed}  task  " in page
    assert "ValueError: no\n" in page
    assert f"Best so far\n  task  result  0.5  run {best}  trees=7\n" in page


def test_json_is_the_overview(typed: Typed, harness: Harness) -> None:
    present(harness, this_process("mine"))
    lease = harness.start()
    harness.store.finish(lease, COMPLETED)
    harness.submit()

    view = typed("status", "--json").json

    assert view["counts"] == {"QUEUED": 1, "COMPLETED": 1}
    assert view["workers"][0]["worker"]["owner"]["worker"] == "mine"
    assert view["workers"][0]["life"] == "alive"
    assert view["best"]["task"]["id"] == lease.run
    assert {"project", "url", "at", "paused", "running", "waiting", "failures"} <= set(view)


def _fields(one: Owner) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(one)
