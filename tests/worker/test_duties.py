"""The regular duties of a worker: presence, reports, counts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from hyperspace_core.records.run import Owner, WorkerInfo
from hyperspace_core.records.states import State
from hyperspace_core.storage import Store
from hyperspace_core.worker.events import RunEnded, RunStarted
from hyperspace_core.worker.heartbeat import EXPLAIN_AFTER_S, WATCHED_S, Counts, Explainer, Presence
from hyperspace_core.worker.slot import LOOK_S
from hyperspace_core.worker.state import QueueNotifier
from pytest_hyperspace.project import FakeClock
from support.behaving import PATIENCE_S, PROJECT, submit
from support.faults import Door


class Idle:
    def __init__(self, store: Store) -> None:
        self.clock = FakeClock()
        self.notices: list[str] = []
        self.idle = True
        self.explain = Explainer(store, PROJECT, clock=self.clock, idle=lambda: self.idle,
                                 tell=lambda text, level: self.notices.append(text),
                                 known=lambda: ({"a", "b"}, set()))

    def after(self, seconds: float) -> list[str]:
        self.clock.advance(seconds)
        self.explain()
        notices, self.notices = self.notices, []
        return notices


def test_an_idle_worker_reports_once_why_runs_wait(store: Store) -> None:
    submit(store, task="c", count=42)
    scene = Idle(store)
    assert scene.after(0) == []
    assert scene.after(EXPLAIN_AFTER_S - 1) == []
    assert scene.after(1) == ["42 runs wait for task 'c': no such task here; this worker knows a, b"]
    assert scene.after(EXPLAIN_AFTER_S) == []
    submit(store, task="d")
    assert scene.after(1) == ["42 runs wait for task 'c': no such task here; this worker knows a, b",
                              "1 run waits for task 'd': no such task here; this worker knows a, b"]


def test_the_idle_minute_restarts_after_a_busy_time(store: Store) -> None:
    submit(store, task="c")
    scene = Idle(store)
    scene.after(0)
    scene.idle = False
    assert scene.after(EXPLAIN_AFTER_S) == []
    scene.idle = True
    assert scene.after(1) == []
    assert len(scene.after(EXPLAIN_AFTER_S)) == 1


def test_nothing_is_reported_for_an_empty_queue(store: Store) -> None:
    scene = Idle(store)
    scene.after(0)
    assert scene.after(EXPLAIN_AFTER_S) == []


def test_presence_is_sent_each_beat_and_on_a_change(store: Store) -> None:
    info = [WorkerInfo(owner=Owner(worker="w", host="h"), project=PROJECT)]
    presence = Presence(store, lambda: info[0])
    presence()
    presence.if_changed()
    assert [each.beat for each in store.workers(PROJECT)] == [1]
    presence()
    assert [each.beat for each in store.workers(PROJECT)] == [2]
    info[0] = WorkerInfo(owner=Owner(worker="w", host="h"), project=PROJECT, running=(7,))
    presence.if_changed()
    assert [(each.beat, each.running) for each in store.workers(PROJECT)] == [(3, (7,))]


def test_the_queue_is_counted_only_while_it_is_displayed(door: Door, store: Store) -> None:
    clock = FakeClock()
    counts = Counts(door.port, PROJECT, clock)
    submit(store, count=3)
    counts()
    assert door.calls == []
    counts.want()
    assert counts.by_state == {}
    counts()
    assert counts.by_state == {State.QUEUED: 3}
    clock.advance(WATCHED_S + 1)
    before = len(door.calls)
    counts()
    assert len(door.calls) == before


def test_one_idle_slot_waits_at_the_store_for_all(store: Store) -> None:
    most = []
    now = [0]
    lock = threading.Lock()

    class Counting(Door):
        def wait_for_change(self, project: str, timeout_s: float) -> bool:
            with lock:
                now[0] += 1
                most.append(now[0])
            changed = self.store.wait_for_change(project, timeout_s)
            with lock:
                now[0] -= 1
            return changed

    bell = QueueNotifier(Counting(store).port, PROJECT)
    while bell.rings == 0:                 # the first check of a thread may always see a change
        bell.wait(0, 0.1)
    seen = bell.rings
    woken: list[int] = []

    def sleep() -> None:
        bell.wait(seen, PATIENCE_S)
        woken.append(1)

    threads = [threading.Thread(target=sleep) for _ in range(4)]
    for thread in threads:
        thread.start()
    submit(store)
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(woken) == 4
    assert max(most) == 1


def test_poll_bounds_the_wait_without_store_notifications(store: Store, here: Callable[..., Any]) -> None:
    class Mute(Door):
        def wait_for_change(self, project: str, timeout_s: float) -> bool:
            threading.Event().wait(timeout_s)
            return False

    worker = here(store=Mute(store).port, poll_s=0.1)
    worker.wait_for(RunEnded, run=submit(store)[0])
    submitted = time.monotonic()
    second = submit(store)[0]
    started = worker.wait_for(RunStarted, run=second)[1]
    worker.stop()
    worker.join()
    assert started - submitted < LOOK_S / 2
