"""Heartbeats: leases, commands, readoption and reaping, round by round."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from hyperspace_core.clock import SystemClock
from hyperspace_core.errors import StoreUnavailable
from hyperspace_core.execution.identity import this_process
from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import Claim, Finish, NewRun, Owner
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import QueueSettings, Store, new_token
from hyperspace_core.worker.heartbeat import Heartbeat, Reaper
from hyperspace_core.worker.held_run import HeldRun
from hyperspace_core.worker.outcome import RunRequest
from pytest_hyperspace.project import FakeClock
from support.faults import Door

PROJECT = "behaving"
SETTINGS = QueueSettings(heartbeat_s=1.0, ttl_s=6.0)


class Scene:
    def __init__(self, door: Door, owner: Owner) -> None:
        self.notices: list[str] = []
        self.away: list[bool] = []
        self.clock = FakeClock()
        self.door = door
        self.care = Reaper(door.port, PROJECT, clock=self.clock, tell=self.tell,
                           heartbeat_is=lambda seconds: None)
        self.heartbeat = Heartbeat(door.port, owner, heartbeat_s=SETTINGS.heartbeat_s, clock=self.clock,
                                   tell=self.tell, regular=(self.care,), away_changed=self.away.append)
        self.owner = owner

    def tell(self, text: str, level: int) -> None:
        self.notices.append(text)

    def held_run(self, claim: Claim) -> HeldRun:
        held_run = HeldRun(claim, self.owner, 0, self.clock)
        self.heartbeat.add(held_run)
        return held_run

    def rounds(self, count: int) -> None:
        for _ in range(count):
            self.heartbeat.full_round()
            self.clock.advance(SETTINGS.heartbeat_s)


@pytest.fixture
def scene(door: Door, owner: Owner) -> Scene:
    door.store.change_settings(PROJECT, heartbeat_s=SETTINGS.heartbeat_s, ttl_s=SETTINGS.ttl_s)
    return Scene(door, owner)


def test_each_round_sends_one_beat_a_run(scene: Scene, claim_one: Callable[[], Claim], store: Store) -> None:
    scene.held_run(claim_one())
    gone = scene.held_run(claim_one())
    scene.heartbeat.remove(gone)
    before = {held.run: held.beat for held in store.held(PROJECT)}
    scene.rounds(3)
    after = {held.run: held.beat for held in store.held(PROJECT)}
    assert sorted(after[run] - before[run] for run in before) == [0, 3]


def test_progress_is_sent_once_with_the_heartbeat(scene: Scene, claim_one: Callable[[], Claim],
                                                  store: Store) -> None:
    held_run = scene.held_run(claim_one())
    held_run.progress, held_run.progress_is_new = Progress(done=3, total=10), True
    scene.door.before["beat"] = [StoreUnavailable("away")]
    with pytest.raises(StoreUnavailable):
        scene.heartbeat.full_round()
    scene.heartbeat.full_round()
    assert store.get(held_run.lease.run).progress == Progress(done=3, total=10)
    assert not held_run.progress_is_new


@pytest.mark.parametrize(("command", "ask", "why"), [("cancel", RunRequest.CANCEL, "cancelled"),
                                                     ("pause", RunRequest.RETURN, "paused")])
def test_commands_come_with_the_heartbeat_answer(scene: Scene, claim_one: Callable[[], Claim], store: Store,
                                                 command: str, ask: RunRequest, why: str) -> None:
    held_run = scene.held_run(claim_one())
    getattr(store, command)(held_run.lease.run)
    scene.rounds(1)
    assert held_run.requested == (ask, why)


def test_a_reaped_run_is_readopted(scene: Scene, claim_one: Callable[[], Claim],
                                   store: Store) -> None:
    held_run = scene.held_run(claim_one())
    store.reap(store.held(PROJECT)[0])
    scene.rounds(1)
    record = store.get(held_run.lease.run)
    assert (record.state, record.losses, len(record.attempts)) == (State.RUNNING, 0, 1)
    assert held_run.requested[0] is RunRequest.NOTHING
    assert "goes on here" in scene.notices[0]


def test_a_run_taken_over_elsewhere_is_stopped_here(
        scene: Scene, claim_one: Callable[[], Claim], store: Store) -> None:
    held_run = scene.held_run(claim_one())
    store.reap(store.held(PROJECT)[0])
    other = store.claim(PROJECT, Owner(worker="other", host="h"), new_token())
    assert other is not None
    scene.rounds(2)
    assert held_run.requested[0] is RunRequest.YIELD
    assert scene.door.calls.count("beat") == 1
    assert len(scene.notices) == 1


def test_a_run_whose_end_is_due_is_left_to_its_outbox(
        scene: Scene, claim_one: Callable[[], Claim], store: Store) -> None:
    held_run = scene.held_run(claim_one())
    finish = Finish(outcome=Outcome.COMPLETED, result=1.0)
    held_run.outbox.end(finish)
    assert store.finish(held_run.lease, finish)
    scene.rounds(1)
    assert held_run.requested[0] is RunRequest.NOTHING
    assert "readopt" not in scene.door.calls


def test_an_owner_without_a_beat_for_a_ttl_loses_its_run(scene: Scene, store: Store) -> None:
    run = store.submit([NewRun(uid=new_token(), project=PROJECT, task="t", submitted={})])[0]
    assert store.claim(PROJECT, Owner(worker="far", host="elsewhere"), new_token()) is not None
    scene.rounds(6)
    assert store.get(run).state is State.RUNNING
    scene.rounds(1)
    record = store.get(run)
    assert (record.state, record.attempts[0].outcome) == (State.QUEUED, Outcome.LOST)
    assert scene.notices == [f"run {run} was lost with far (no heartbeat for 6 s): now QUEUED"]


def test_a_long_store_outage_reaps_no_run(scene: Scene, store: Store) -> None:
    run = store.submit([NewRun(uid=new_token(), project=PROJECT, task="t", submitted={})])[0]
    assert store.claim(PROJECT, Owner(worker="far", host="elsewhere"), new_token()) is not None
    scene.rounds(5)
    for _ in range(30):                    # no heartbeat and no check succeeds
        scene.door.before["held"] = [StoreUnavailable("away")]
        with pytest.raises(StoreUnavailable):
            scene.heartbeat.full_round()
        scene.clock.advance(1.0)
    scene.rounds(6)
    assert store.get(run).state is State.RUNNING


def test_the_run_of_a_dead_process_is_reaped_at_once(scene: Scene, store: Store) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    run = store.submit([NewRun(uid=new_token(), project=PROJECT, task="t", submitted={})])[0]
    dead = replace(this_process("dead"), pid=gone.pid)
    assert store.claim(PROJECT, dead, new_token()) is not None
    scene.rounds(1)
    assert store.get(run).state is State.QUEUED
    assert "its worker's process is gone" in scene.notices[0]


def test_a_store_outage_is_reported_once_and_so_is_its_end(
        store: Store, owner: Owner) -> None:
    door = Door(store)
    changes: list[bool] = []
    notices: list[str] = []
    changed = threading.Semaphore(0)

    def away_changed(away: bool) -> None:
        changes.append(away)
        changed.release()

    heartbeat = Heartbeat(door.port, owner, heartbeat_s=0.05, clock=SystemClock(),
                          tell=lambda text, level: notices.append(text), away_changed=away_changed,
                          regular=(lambda: door.port.settings(PROJECT) and None,),
                          farewell=lambda: door.port.absent("me"))
    heartbeat.start()
    door.shut_it()
    assert changed.acquire(timeout=5)
    assert heartbeat.away
    door.open_it()
    assert changed.acquire(timeout=5)
    assert not heartbeat.away
    heartbeat.close()
    heartbeat.join(5)
    assert not heartbeat.is_alive()
    assert changes == [True, False]
    assert len(notices) == 2
    assert door.calls[-1] == "absent"
