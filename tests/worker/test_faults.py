"""Worker processes that are killed or stopped; stores that fail during runs."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hyperspace_core.errors import StoreUnavailable
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import Store
from hyperspace_core.worker.events import Notice, Ready, RunEnded
from support.behaving import (
    PROJECT,
    WorkerProcess,
    alive,
    began,
    grandchild_of_the_deaf,
    in_state,
    submit,
    until,
)
from support.faults import Door

Start = Callable[..., WorkerProcess]


def test_another_worker_repeats_the_run_of_a_killed_one(
        store: Store, start: Start, tmp_path: Path) -> None:
    first = start()
    run = submit(store, "wait", config={"folder": str(tmp_path)})[0]
    pid = began(tmp_path, run)
    first.signal(signal.SIGKILL)
    second = start()
    began(tmp_path, run, attempt=2)
    (tmp_path / "go").touch()
    record = in_state(store, run, State.COMPLETED)
    assert [attempt.outcome for attempt in record.attempts] == [Outcome.LOST, Outcome.COMPLETED]
    assert [attempt.worker.worker for attempt in record.attempts] == [first.name, second.name]
    assert record.losses == 1
    until(lambda: not alive(pid), "the orphan is gone")
    second.signal(signal.SIGINT)
    assert second.report()["states"] == {str(run): "COMPLETED"}


def stop_between_two_writes(worker: WorkerProcess, file: Path) -> None:
    """Send SIGSTOP outside a commit, which would keep SQLite's lock."""
    with contextlib.closing(sqlite3.connect(file, timeout=1.0, isolation_level=None)) as connection:
        while True:
            os.killpg(worker.process.pid, signal.SIGSTOP)
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                worker.signal(signal.SIGCONT)
                continue
            connection.execute("ROLLBACK")
            return


def test_a_stopped_worker_is_fenced_off_and_works_on(
        store: Store, start: Start, tmp_path: Path) -> None:
    zombie = start()
    run = submit(store, "wait", config={"folder": str(tmp_path)})[0]
    began(tmp_path, run)
    stop_between_two_writes(zombie, tmp_path / "runs.db")
    other = start()
    began(tmp_path, run, attempt=2)                            # after a TTL: alive, so not proven dead
    zombie.signal(signal.SIGCONT)
    zombie.wait_for("RunEnded", run=run, attempt=1)
    (tmp_path / "go").touch()
    other.wait_for("RunEnded", run=run, attempt=2, state="COMPLETED")
    record = store.get(run)
    assert record.state is State.COMPLETED
    assert [attempt.outcome for attempt in record.attempts] == [Outcome.LOST, Outcome.COMPLETED]
    assert record.attempts[0].late is not None
    other.signal(signal.SIGINT)
    other.report()
    last = submit(store)[0]
    zombie.wait_for("RunEnded", run=last, state="COMPLETED")


def test_one_interrupt_finishes_the_run_and_stops(store: Store, start: Start, tmp_path: Path) -> None:
    worker = start()
    run, never = submit(store, "wait", 2, config={"folder": str(tmp_path)})
    began(tmp_path, run)
    worker.signal(signal.SIGINT)
    until(lambda: [each for each in store.workers(PROJECT) if each.state == "draining"], "a draining worker")
    (tmp_path / "go").touch()
    assert worker.report()["states"] == {str(run): "COMPLETED"}
    assert store.get(never).attempts == ()
    assert store.workers(PROJECT) == []


def test_two_interrupts_give_the_run_back(store: Store, start: Start, tmp_path: Path) -> None:
    worker = start()
    run = submit(store, "wait", config={"folder": str(tmp_path)})[0]
    pid = began(tmp_path, run)
    worker.signal(signal.SIGINT)
    until(lambda: [each for each in store.workers(PROJECT) if each.state == "draining"], "a draining worker")
    worker.signal(signal.SIGINT)
    report = worker.report()
    assert report["states"] == {str(run): "QUEUED"}
    assert report["why"] == "it received SIGINT"
    record = store.get(run)
    assert (record.losses, record.attempts[0].outcome) == (0, Outcome.RELEASED)
    assert not alive(pid)


def test_terminate_gives_the_run_back(store: Store, start: Start, tmp_path: Path) -> None:
    worker = start()
    run = submit(store, "wait", config={"folder": str(tmp_path)})[0]
    began(tmp_path, run)
    worker.signal(signal.SIGTERM)
    assert worker.report()["states"] == {str(run): "QUEUED"}
    assert store.get(run).attempts[0].outcome is Outcome.RELEASED


def test_a_third_interrupt_kills_a_run_that_ignores_it(store: Store, start: Start, tmp_path: Path) -> None:
    worker = start(grace_s=600)
    run = submit(store, "deaf", config={"folder": str(tmp_path)})[0]
    pid = began(tmp_path, run)
    grandchild = grandchild_of_the_deaf(tmp_path)
    for level in (1, 2, 3):
        worker.signal(signal.SIGINT)               # the system may merge two signals that follow fast
        worker.wait_for("Stopping", level=level)
    assert worker.report()["states"] == {str(run): "QUEUED"}
    assert store.get(run).attempts[0].outcome is Outcome.RELEASED
    until(lambda: not alive(pid) and not alive(grandchild), "both processes are gone")


def test_an_idle_worker_stops_at_once(store: Store, start: Start) -> None:
    worker = start()
    until(lambda: store.workers(PROJECT), "a worker")
    worker.signal(signal.SIGINT)
    assert worker.report()["states"] == {}


def test_a_store_that_is_locked_for_three_ttls_costs_nothing(store: Store, start: Start,
                                                             tmp_path: Path) -> None:
    settings = store.settings(PROJECT)
    worker, observer = start(), start()
    run = submit(store, "wait", config={"folder": str(tmp_path), "points": 2000})[0]
    pid = began(tmp_path, run)
    lock = sqlite3.connect(tmp_path / "runs.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    (tmp_path / "go").touch()                                  # it ends while nothing can be written
    try:
        until(lambda: not alive(pid), "the run has ended")
        end = time.monotonic() + 3 * settings.ttl_s
        until(lambda: time.monotonic() >= end, "three TTLs")
    finally:
        lock.execute("COMMIT")
        lock.close()
    record = in_state(store, run, State.COMPLETED)
    assert len(record.attempts) == 1
    assert record.losses == 0
    assert [point.seq for point in store.points(run)] == list(range(2000))
    for each in (worker, observer):
        each.signal(signal.SIGINT)
        each.report()


def test_a_store_that_is_away_stops_claims_and_nothing_else(
        store: Store, door: Door, here: Any, tmp_path: Path) -> None:
    worker = here(store=door.port)
    run = submit(store, "wait", config={"folder": str(tmp_path), "points": 500})[0]
    pid = began(tmp_path, run)
    door.shut_it()
    notice = worker.wait_for(Notice)[0]
    assert "no new runs are claimed" in notice.text
    until(lambda: worker.worker.snapshot().state == "uncertain", "an uncertain worker")
    other = submit(store)[0]
    (tmp_path / "go").touch()
    until(lambda: not alive(pid), "the run has ended")
    assert store.get(run).state is State.RUNNING
    assert store.get(other).state is State.QUEUED
    door.open_it()
    worker.wait_for(RunEnded, run=run, state=State.COMPLETED)
    worker.wait_for(RunEnded, run=other, state=State.COMPLETED)
    assert [point.seq for point in store.points(run)] == list(range(500))
    worker.stop()
    worker.join()


def test_a_claim_with_a_lost_answer_is_repeated(store: Store, door: Door, here: Any) -> None:
    door.after["claim"] = [StoreUnavailable("answer lost")]
    run = submit(store)[0]
    report = here(store=door.port, drain=True).join()
    assert report.states == {run: State.COMPLETED}
    assert len(store.get(run).attempts) == 1


def test_a_claim_with_a_lost_answer_survives_an_outage(
        store: Store, door: Door, here: Any) -> None:
    worker = here(store=door.port)
    worker.wait_for(Ready)
    away = [StoreUnavailable("away") for _ in range(8)]            # for several heartbeats
    door.after["claim"], door.before["present"] = [StoreUnavailable("answer lost")], away
    run = submit(store)[0]
    worker.wait_for(RunEnded, run=run, state=State.COMPLETED)
    worker.stop()
    worker.join()
    assert not away
    record = store.get(run)
    assert [attempt.outcome for attempt in record.attempts] == [Outcome.COMPLETED]
    assert record.losses == 0


def test_a_stopping_worker_does_not_wait_for_a_lost_store(
        store: Store, door: Door, here: Any, tmp_path: Path) -> None:
    worker = here(store=door.port)
    run = submit(store, "wait", config={"folder": str(tmp_path)})[0]
    began(tmp_path, run)
    door.shut_it()
    worker.wait_for(Notice)
    worker.stop(2)
    worker.join()
    assert any("another worker will run it again" in event.text for event in worker.events
               if isinstance(event, Notice))
    assert store.get(run).state is State.RUNNING               # its lease expires


def test_a_run_that_ends_its_workers_fails_after_three(store: Store, start: Start,
                                                             tmp_path: Path) -> None:
    run = submit(store, "wait", config={"folder": str(tmp_path)})[0]
    for attempt in (1, 2, 3):
        worker = start()
        began(tmp_path, run, attempt)
        worker.signal(signal.SIGKILL)
        worker.process.wait()
    last = start()
    good = submit(store)[0]
    last.wait_for("RunEnded", run=good, state="COMPLETED")
    record = store.get(run)
    assert (record.state, record.reason) == (State.FAILED, "worker lost 3 times")
    assert [attempt.outcome for attempt in record.attempts] == [Outcome.LOST] * 3
    last.signal(signal.SIGINT)
    last.report()
