"""A worker with real processes on a real store."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.extension.manager import build_manager
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import Store
from hyperspace_core.worker import slot
from hyperspace_core.worker.events import Notice, Printed, Ready, RunEnded, RunStarted, Stopping
from hyperspace_core.worker.worker import Worker
from support.behaving import (
    PATIENCE_S,
    PROJECT,
    alive,
    began,
    grandchild_of_the_deaf,
    in_state,
    submit,
    until,
)

RunHere = Callable[..., Any]


def test_a_queue_is_drained_and_everything_recorded(store: Store, here: RunHere) -> None:
    ids = submit(store, "well", 3, config={"points": 50})
    worker = here(drain=True)
    report = worker.join()
    assert report.states == dict.fromkeys(ids, State.COMPLETED)
    assert report.why == "nothing is left that it could take"
    assert report.left == ()
    for run in ids:
        record = store.get(run)
        assert (record.state, record.result, record.metrics) == (State.COMPLETED, 1.0, {"result": 1.0})
        assert record.info == {"how": "well"}
        assert record.config == {"how": "well", "folder": "", "points": 50, "number": 1.0}
        assert record.seed is not None
        assert record.attempt is not None
        assert {"python", "packages", "host"} <= set(record.attempt.provenance)
        assert record.attempt.provenance["data"] == {"absent": "nothing was loaded by run.stages.load_data"}
        assert [point.seq for point in store.points(run)] == list(range(50))
        assert "".join(chunk.text for chunk in store.output(run)) == "well done\n"
    assert store.workers(PROJECT) == []
    kinds = [type(event) for event in worker.events]
    assert kinds[0] is Ready
    assert [kind for kind in kinds if kind in (RunStarted, RunEnded)] == [RunStarted, RunEnded] * 3


@pytest.mark.parametrize("isolation", ["warm", "spawn", "inline"])
def test_every_isolation_runs_what_it_is_given(store: Store, here: RunHere, isolation: str) -> None:
    good, bad = submit(store, "artifact") + submit(store, "raise")
    report = here(drain=True, isolation=isolation).join()
    assert report.states == {good: State.COMPLETED, bad: State.FAILED}
    assert [artifact.name for artifact in store.artifacts(good)] == ["model.bin"]
    with store.open_artifact(store.artifacts(good)[0]) as file:
        assert file.read() == b"weights"
    record = store.get(bad)
    assert record.reason == "ValueError: as asked"
    assert record.attempt is not None
    assert "raise ValueError" in (record.attempt.traceback or "")


@pytest.mark.parametrize(("how", "outcome", "reason"), [
    ("system-exit", Outcome.FAILED, "SystemExit"),
    ("exit-0", Outcome.CRASHED, "exit code 0"),
    ("exit-3", Outcome.CRASHED, "exit code 3"),
    ("segfault", Outcome.CRASHED, "SIGSEGV"),
    ("abort", Outcome.CRASHED, "SIGABRT"),
    ("kill-me", Outcome.CRASHED, "signal 9"),
    ("kill-guardian", Outcome.CRASHED, "fork server"),
])
def test_the_death_of_a_run_s_process_is_explained(
        store: Store, here: RunHere, how: str, outcome: Outcome, reason: str) -> None:
    bad, good = submit(store, how, config={"points": 5}) + submit(store)
    report = here(drain=True).join()
    assert report.states == {bad: State.FAILED, good: State.COMPLETED}
    record = store.get(bad)
    assert record.attempt is not None
    assert reason in (record.reason or "")
    assert record.attempt.outcome in (outcome, Outcome.CRASHED)
    if how not in ("kill-me", "kill-guardian"):
        assert record.info == {"how": how}
    assert len(record.attempts) == 1


def test_an_idle_worker_is_notified_of_a_new_run(
        store: Store, here: RunHere) -> None:
    worker = here(poll_s=10 * PATIENCE_S)
    for _ in range(5):
        worker.wait_for(RunEnded, run=submit(store)[0])
    worker.stop()
    worker.join()


def test_output_and_progress_are_stored_during_the_run(
        store: Store, here: RunHere, tmp_path: Path) -> None:
    worker = here(echo=True)
    run = submit(store, "wait", config={"folder": str(tmp_path)})[0]
    worker.wait_for(Printed, run=run)
    until(lambda: list(store.output(run)), "output of a living run")
    progress = until(lambda: store.get(run).progress, "progress of a living run")
    assert (progress.done, progress.total, progress.note) == (3.0, 10.0, "waiting")
    until(lambda: worker.worker.snapshot().queue, "a counted queue")
    view = worker.worker.snapshot()
    assert (view.state, view.slots[0].run, view.slots[0].task) == ("busy", run, "behave")
    assert view.slots[0].progress == progress
    assert view.queue == {State.RUNNING: 1}
    (present,) = until(lambda: [each for each in store.workers(PROJECT) if each.running], "a busy worker")
    assert (present.state, present.running, present.tasks) == ("busy", (run,), ("behave",))
    assert store.get(run).state is State.RUNNING
    (tmp_path / "go").touch()
    worker.wait_for(RunEnded, run=run)
    worker.stop()
    assert worker.join().states == {run: State.COMPLETED}


def test_the_output_of_c_code_is_recorded(store: Store, here: RunHere) -> None:
    run = submit(store, "c-output")[0]
    here(drain=True).join()
    text = "".join(chunk.text for chunk in store.output(run))
    assert "from C\n" in text
    assert "from the descriptor" in text


def test_info_too_large_for_a_record_is_kept_as_an_artifact(store: Store, here: RunHere) -> None:
    run = submit(store, "big-info")[0]
    here(drain=True).join()
    assert store.get(run).state is State.COMPLETED
    assert [artifact.name for artifact in store.artifacts(run)] == ["info/big.json"]
    assert "info/big.json" in store.get(run).info["big"]


def test_user_code_sees_no_address_of_the_store(
        store: Store, here: RunHere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERSPACE_STORAGE", "mongodb://me:S3cr3t-canary@db/x")
    run = submit(store, "environment")[0]
    here(drain=True).join()
    environment = store.get(run).info["environment"]
    assert "PATH" in environment
    assert "S3cr3t-canary" not in str(environment)


def test_two_slots_run_two_at_a_time(store: Store, here: RunHere, tmp_path: Path) -> None:
    ids = submit(store, "meet", 2, config={"folder": str(tmp_path)})
    assert here(drain=True, slots=2).join().states == dict.fromkeys(ids, State.COMPLETED)


def test_max_runs_leaves_the_rest(store: Store, here: RunHere) -> None:
    ids = submit(store, "well", 5)
    report = here(max_runs=2, slots=2).join()
    assert sorted(report.states) == ids[:2]
    assert [store.get(run).state for run in ids[2:]] == [State.QUEUED] * 3
    assert "2 runs" in report.why


def test_a_released_run_does_not_count_for_max_runs(store: Store, here: RunHere) -> None:
    newer = submit(store, config={"newer": 1}, validated=True)[0]
    good, rest = submit(store, "well", 2)
    report = here(max_runs=1).join()
    assert report.states == {newer: State.QUEUED, good: State.COMPLETED}
    assert store.get(rest).attempts == ()
    assert "1 run," in report.why


def test_draining_waits_for_a_run_in_retry_back_off(store: Store, here: RunHere) -> None:
    run = submit(store, "once", retries=1)[0]
    report = here(drain=True).join()
    assert report.states == {run: State.COMPLETED}
    record = store.get(run)
    assert [attempt.outcome for attempt in record.attempts] == [Outcome.FAILED, Outcome.COMPLETED]
    assert record.failures == 1


def test_a_bad_config_fails_with_the_submit_message(store: Store, here: RunHere) -> None:
    run = submit(store, config={"numbr": 2})[0]
    here(drain=True).join()
    record = store.get(run)
    assert record.state is State.FAILED
    assert "did you mean `number`?" in (record.reason or "")


def test_a_run_of_newer_code_is_released_and_refused(store: Store, here: RunHere) -> None:
    newer = submit(store, config={"newer": 1}, validated=True)[0]
    good = submit(store, "well", 2)
    report = here(drain=True).join()
    assert report.states == {newer: State.QUEUED} | dict.fromkeys(good, State.COMPLETED)
    record = store.get(newer)
    assert (record.losses, record.failures) == (0, 0)
    assert [attempt.outcome for attempt in record.attempts] == [Outcome.RELEASED]
    (left,) = report.left
    assert (left.task, left.runs) == ("behave", (newer,))
    assert "code does not fit" in left.why


def test_a_run_of_newer_code_is_claimed_after_an_update(store: Store, here: RunHere,
                                                             project: Any) -> None:
    worker = here()
    newer = submit(store, config={"newer": 1}, validated=True)[0]
    worker.wait_for(RunEnded, run=newer, state=State.QUEUED)
    source = project.package / "scenarios.py"
    source.write_text(source.read_text().replace('how: str = "well"', 'how: str = "well", newer: int = 0'))
    submit(store)
    worker.wait_for(RunEnded, run=newer, state=State.COMPLETED)
    worker.stop()
    worker.join()


def test_runs_of_an_unknown_task_are_left_and_named(store: Store, here: RunHere) -> None:
    unknown = submit(store, task="elsewhere", count=2)
    report = here(drain=True).join()
    assert report.states == {}
    (left,) = report.left
    assert (left.task, left.count, left.runs) == ("elsewhere", 2, tuple(unknown))
    assert "this worker knows behave" in left.why


def test_a_paused_queue_is_left_alone(store: Store, here: RunHere) -> None:
    run = submit(store)[0]
    store.change_settings(PROJECT, paused=True)
    report = here(drain=True).join()
    assert report.states == {}
    assert "paused" in report.left[0].why
    assert store.get(run).state is State.QUEUED


def test_an_edit_between_two_runs_is_executed_by_a_worker(
        store: Store, here: RunHere, project: Any) -> None:
    worker = here()
    first = submit(store, "version")[0]
    worker.wait_for(RunEnded, run=first)
    source = project.package / "scenarios.py"
    source.write_text(source.read_text().replace("VERSION = 1", "VERSION = 2"))
    second = submit(store, "version")[0]
    worker.wait_for(RunEnded, run=second)
    worker.stop()
    worker.join()
    assert [store.get(run).result for run in (first, second)] == [1.0, 2.0]


def test_a_broken_source_costs_no_run(store: Store, here: RunHere, project: Any) -> None:
    worker = here()
    worker.wait_for(RunEnded, run=submit(store)[0])
    source = project.package / "scenarios.py"
    whole = source.read_text()
    source.write_text("def broken(:\n")
    run = submit(store)[0]
    notice = worker.wait_for(Notice)[0]
    assert "only runs with pinned code are claimed for now" in notice.text
    assert store.get(run).state is State.QUEUED
    source.write_text(whole + "\n")
    worker.wait_for(RunEnded, run=run, state=State.COMPLETED)
    worker.stop()
    worker.join()


def test_a_run_that_cannot_start_is_released_and_retried(
        store: Store, here: RunHere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot, "TROUBLE_S", 0.05)
    worker = here()
    worker.wait_for(RunEnded, run=submit(store)[0])
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", "/nowhere-at-all")
        run = submit(store)[0]
        for _ in range(3):
            worker.wait_for(RunEnded, run=run, state=State.QUEUED)
    worker.wait_for(RunEnded, run=run, state=State.COMPLETED)
    worker.stop()
    worker.join()
    notices = [event.text for event in worker.events if isinstance(event, Notice)]
    assert len([text for text in notices if "no new runs are claimed for now" in text]) == 1
    assert "/nowhere-at-all" in (store.get(run).attempts[0].reason or "")


def test_a_cancelled_run_ends_with_its_processes(store: Store, here: RunHere, tmp_path: Path) -> None:
    worker = here(grace_s=0.5)
    run = submit(store, "deaf", config={"folder": str(tmp_path)})[0]
    pid = began(tmp_path, run)
    grandchild = grandchild_of_the_deaf(tmp_path)
    store.cancel(run)
    ended = worker.wait_for(RunEnded, run=run)[0]
    assert (ended.state, ended.outcome) == (State.CANCELLED, Outcome.CANCELLED)
    until(lambda: not alive(pid) and not alive(grandchild), "both processes are gone")
    worker.stop()
    worker.join()
    assert store.get(run).state is State.CANCELLED


def test_a_paused_run_stops_and_a_resumed_one_is_repeated(store: Store, here: RunHere,
                                                            tmp_path: Path) -> None:
    worker = here()
    run = submit(store, "wait", config={"folder": str(tmp_path)})[0]
    began(tmp_path, run)
    store.pause(run)
    in_state(store, run, State.PAUSED)
    (tmp_path / "go").touch()
    store.resume(run)
    worker.wait_for(RunEnded, run=run, state=State.COMPLETED)
    worker.stop()
    worker.join()
    record = store.get(run)
    assert [attempt.outcome for attempt in record.attempts] == [Outcome.RELEASED, Outcome.COMPLETED]
    assert record.losses == 0


def test_a_worker_stopped_before_its_start_claims_nothing(project: Any, store: Store) -> None:
    run = submit(store)[0]
    worker = Worker(store, PROJECT, build_manager())
    worker.stop()
    assert worker.run().states == {}
    assert store.get(run).attempts == ()
    assert store.workers(PROJECT) == []


def test_a_run_stopped_from_outside_is_repeated(store: Store, here: RunHere,
                                                               tmp_path: Path) -> None:
    here()
    run = submit(store, "wait", config={"folder": str(tmp_path)})[0]
    os.kill(began(tmp_path, run), signal.SIGTERM)
    began(tmp_path, run, 2)
    (tmp_path / "go").touch()
    record = in_state(store, run, State.COMPLETED)
    assert [attempt.outcome for attempt in record.attempts] == [Outcome.RELEASED, Outcome.COMPLETED]
    assert (record.failures, record.losses) == (0, 0)


def test_a_run_that_stops_itself_is_not_repeated_for_ever(store: Store, here: RunHere) -> None:
    here()
    record = in_state(store, submit(store, "stop-me")[0], State.FAILED)
    assert [attempt.outcome for attempt in record.attempts] == [
        Outcome.RELEASED, Outcome.RELEASED, Outcome.FAILED]


def test_one_stop_finishes_the_run_and_two_release_it(store: Store, here: RunHere,
                                                            tmp_path: Path) -> None:
    worker = here()
    run, never = submit(store, "wait", 2, config={"folder": str(tmp_path)})
    began(tmp_path, run)
    worker.stop()
    assert worker.wait_for(Stopping, level=1)[0].running == (run,)
    until(lambda: worker.worker.snapshot().state == "draining", "a draining worker")
    assert store.get(run).state is State.RUNNING
    worker.stop()
    assert worker.wait_for(Stopping)[0].level == 2
    report = worker.join()
    assert report.states == {run: State.QUEUED}
    record = store.get(run)
    assert (record.attempts[0].outcome, record.losses) == (Outcome.RELEASED, 0)
    assert store.get(never).attempts == ()


def test_a_run_that_watches_should_stop_may_bring_its_result(store: Store, here: RunHere,
                                                             tmp_path: Path) -> None:
    worker = here()
    run = submit(store, "wait-politely", config={"folder": str(tmp_path)})[0]
    began(tmp_path, run)
    worker.stop(2)
    assert worker.join().states == {run: State.COMPLETED}
    assert store.get(run).result == 0.25
